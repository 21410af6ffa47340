/* The kernel's insides: control blocks, the tables the configurator generates, and what the groups offer
 * each other. Names ending in _ini are constants from the configuration, those ending in _cb are the state. */
#ifndef IMPL_H
#define IMPL_H

#include "cpu.h"
#include "kernel.h"

/* Doubly linked ring; an empty one links to itself. */
typedef struct queue {
    struct queue *next, *prev;
} QUEUE;

static inline void queue_init(QUEUE *q)
{
    q->next = q->prev = q;
}

static inline BOOL queue_empty(const QUEUE *q)
{
    return q->next == q;
}

static inline void queue_insert(QUEUE *before, QUEUE *entry)
{
    entry->next = before;
    entry->prev = before->prev;
    before->prev->next = entry;
    before->prev = entry;
}

static inline void queue_remove(QUEUE *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
}

/* Something due at a system time (time.c). */
typedef struct {
    QUEUE link;
    SYSTIM due;
    void (*run)(void *argument, UW sr); /* called in the tick, CPU locked; sr unlocks it */
    void *argument;
} EVENT;

/* Tasks (task.c). */
typedef struct {
    ATR attribute;
    VP_INT exinf;
    void (*entry)(VP_INT);
    PRI priority;
    SIZE stack_size;
    char *stack;
    void (*exception)(TEXPTN, VP_INT); /* task exception routine or NULL */
} TASK_INI;

enum task_state { DORMANT = 0, RUNNABLE = 1, WAITING = 2, SUSPENDED = 4 }; /* WAITING|SUSPENDED is legal */
enum wait_kind { WAIT_SLEEP, WAIT_DELAY, WAIT_OBJECT, WAIT_SEND, WAIT_RECEIVE };

typedef struct task {
    QUEUE link;           /* in the ready queue of its priority, or in an object's wait queue */
    VP sp;                /* entry.S: offset 8 */
    void (*resume)(void); /* entry.S: offset 12 */
    const TASK_INI *ini;
    UB state, wait_kind, activations, wakeups, suspensions;
    BOOL by_priority;      /* the object's queue is in the order of priority, else of arrival */
    struct object *object; /* waited for in its queue, or NULL */
    PRI priority;
    ER result;             /* of the wait */
    BOOL timed;            /* timeout is in the time queue */
    EVENT timeout;
    FLGPTN pattern;        /* event flag: waited for, then released with */
    MODE mode;
    VP_INT data;           /* data queue, mailbox, pool: sent or received */
    UW sr;                 /* to run with: IMASK is the floor or what chg_ipm has set */
    BOOL exceptions_on;    /* task exceptions enabled */
    TEXPTN exceptions;     /* pending */
} TASK;

/* Defined in entry.S. */
extern TASK *runtsk;   /* NULL while idle */
extern TASK *schedtsk; /* highest runnable task, NULL if none */
extern UW dspdis;      /* dispatching disabled */
extern UW sr_task;     /* SR of a task: privileged, register bank 0, IMASK at the floor: levels below are others' */

void task_init(void);
void make_ready(TASK *task);        /* into the ready queue; state becomes RUNNABLE */
void leave_ready(TASK *task);       /* out of it; the caller sets the state */
void set_priority(TASK *task, PRI priority);
void rotate_ready(PRI priority);
ER task_of(ID id, BOOL self_allowed, TASK **task); /* E_OK or E_ID */
void exception_deliver(void);       /* runs the running task's exception routine (taskexc.c); CPU locked */

/* Waiting (wait.c). All called with the CPU locked. */
typedef struct object {
    QUEUE waiting; /* first member of every object a task can wait for */
} OBJECT;
void wait_start(enum wait_kind kind, OBJECT *object, BOOL by_priority, TMO tmout);
void wait_end(TASK *task, ER result); /* stops waiting; runnable unless suspended */
void wait_requeue(TASK *task);        /* its priority has changed */
ER wait_here(UW sr);                  /* dispatches, unlocks, answers the result of the wait */

/* Contexts. In a task with the CPU unlocked; in a handler with it unlocked; in either. */
static inline BOOL in_handler(void)
{
    return interrupt_nest != 0;
}

static inline BOOL cpu_locked(void)
{
    return (get_sr() & SR_IMASK) == SR_IMASK;
}

#define TASK_CONTEXT (!in_handler() && !cpu_locked())
#define HANDLER_CONTEXT (in_handler() && !cpu_locked())
#define MAY_WAIT (TASK_CONTEXT && !dspdis)

static inline BOOL bad_timeout(TMO tmout)
{
    return (UINT)tmout + 1 > TMAX_RELTIM + 1u;
}

/* End of a service call that may have made another task the highest. */
static inline ER finish(UW sr, ER result)
{
    if (runtsk != schedtsk && !in_handler() && !dspdis)
        dispatch();
    unlock(sr);
    return result;
}

/* Time (time.c). after: ms from now, at least; EVENT not in the queue. */
extern SYSTIM now; /* since the start, not moved by set_tim */
void time_init(void);
void event_after(EVENT *event, RELTIM after);
void event_at(EVENT *event, SYSTIM due);
void event_cancel(EVENT *event);

/* Semaphores, event flags, data queues, mailboxes, fixed pools, cyclic handlers. */
typedef struct {
    ATR attribute;
    UINT initial, maximum;
} SEM_INI;
typedef struct {
    ATR attribute;
    FLGPTN initial;
} FLG_INI;
typedef struct {
    ATR attribute;
    UINT capacity;
    VP_INT *buffer;
} DTQ_INI;
typedef struct {
    ATR attribute;
    PRI highest; /* priority number of a message */
} MBX_INI;
typedef struct {
    ATR attribute;
    UINT count, size; /* blocks; bytes of each */
    UW reciprocal;    /* 2^32 / size, rounded up */
    char *blocks;
    UH *next;         /* of each block: number of the next free one from 1, 0 at the last, or BLOCK_TAKEN */
} MPF_INI;
#define BLOCK_TAKEN 0xffff
typedef struct {
    ATR attribute;
    VP_INT exinf;
    void (*handler)(VP_INT);
    RELTIM period, phase;
} CYC_INI;
typedef struct {
    OBJECT object;
    UINT count;
} SEM;
typedef struct {
    OBJECT object;
    FLGPTN pattern;
} FLG;
typedef struct {
    OBJECT object;
    UINT count, first;
} DTQ;
typedef struct {
    OBJECT object;
    T_MSG *first, *last; /* last: valid if first is */
} MBX;
typedef struct {
    OBJECT object;
    UINT free; /* number of a free block from 1, or 0 */
} MPF;
typedef struct {
    EVENT event;
    BOOL started;
} CYC;
void semaphore_init(void);
void eventflag_init(void);
void dataqueue_init(void);
void mailbox_init(void);
void mempool_init(void);
void cyclic_init(void);

/* Interrupts (interrupt.c). */
typedef struct {
    INHNO code; /* INTEVT */
    void (*handler)(void);
} INH_INI;
void interrupt_init(void);
void interrupt_define(INHNO code, void (*handler)(void)); /* also sets the line's level and unmasks it */

/* CPU exceptions: entry.S looks a handler up by EXPEVT; a row without a handler ends the table. */
typedef struct {
    EXCNO code;
    void (*handler)(EXCINF *);
} EXC_INI;

/* Initialisation routines. */
typedef struct {
    VP_INT exinf;
    void (*routine)(VP_INT);
} ATT_INI;

/* kernel_cfg.c, generated; the *_count are the highest IDs. */
extern const TASK_INI task_ini[];
extern const SEM_INI sem_ini[];
extern const FLG_INI flg_ini[];
extern const DTQ_INI dtq_ini[];
extern const MBX_INI mbx_ini[];
extern const MPF_INI mpf_ini[];
extern const CYC_INI cyc_ini[];
extern const INH_INI inh_ini[];
extern const EXC_INI exc_ini[];
extern const ATT_INI att_ini[];
extern const INT task_count, sem_count, flg_count, dtq_count, mbx_count, mpf_count, cyc_count, inh_count, att_count;
extern TASK task_cb[];
extern SEM sem_cb[];
extern FLG flg_cb[];
extern DTQ dtq_cb[];
extern MBX mbx_cb[];
extern MPF mpf_cb[];
extern CYC cyc_cb[];

void idle(void) __attribute__((noreturn));
void halt(void) __attribute__((noreturn)); /* takes no interrupt any more */
void console_init(void);
void panic(const char *format, ...) __attribute__((noreturn)); /* polled over SCIF0, then stops */

#endif
