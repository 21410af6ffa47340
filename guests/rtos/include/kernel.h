/* What an application includes: types and the service calls of the kernel, by group. The IDs it gives its objects are
 * in the generated kernel_id.h.
 *
 * After each call: where it may be called, and the errors it returns. From anywhere else it returns E_CTX.
 *     task      a task, the CPU not locked
 *     wait      the same with dispatching enabled
 *     handler   an interrupt, cyclic or CPU exception handler, the CPU not locked
 *     task or locked, handler or locked   the same, or with the CPU locked
 *     any       anywhere
 * All objects are static: E_NOEXS and E_DLT do not arise. guests/rtos/calls.py reads these comments; the page
 * docs/reference/rtos-calls.md is made from them, and the self test has an item for each error. */
#ifndef KERNEL_H
#define KERNEL_H

#include "itron.h"
#include "kernel_id.h"

/* Tasks: task.c */
ER act_tsk(ID tskid);                /* task: E_ID E_QOVR */
ER iact_tsk(ID tskid);               /* handler: E_ID E_QOVR */
ER_UINT can_act(ID tskid);           /* task: E_ID */
void ext_tsk(void) __attribute__((noreturn)); /* task or locked */
ER ter_tsk(ID tskid);                /* task: E_ID E_ILUSE E_OBJ */
ER chg_pri(ID tskid, PRI tskpri);    /* task: E_ID E_PAR E_OBJ */
ER get_pri(ID tskid, PRI *p_tskpri); /* task: E_ID E_OBJ */

/* Synchronisation: sync.c */
ER slp_tsk(void);           /* wait: E_RLWAI */
ER tslp_tsk(TMO tmout);     /* wait: E_PAR E_TMOUT E_RLWAI */
ER wup_tsk(ID tskid);       /* task: E_ID E_OBJ E_QOVR */
ER iwup_tsk(ID tskid);      /* handler: E_ID E_OBJ E_QOVR */
ER_UINT can_wup(ID tskid);  /* task: E_ID E_OBJ */
ER rel_wai(ID tskid);       /* task: E_ID E_OBJ */
ER irel_wai(ID tskid);      /* handler: E_ID E_OBJ */
ER sus_tsk(ID tskid);       /* task: E_ID E_OBJ E_QOVR */
ER rsm_tsk(ID tskid);       /* task: E_ID E_OBJ */
ER frsm_tsk(ID tskid);      /* task: E_ID E_OBJ */
ER dly_tsk(RELTIM dlytim);  /* wait: E_PAR E_RLWAI */

/* Task exceptions: taskexc.c */
ER ras_tex(ID tskid, TEXPTN rasptn);  /* task: E_ID E_PAR E_OBJ */
ER iras_tex(ID tskid, TEXPTN rasptn); /* handler: E_ID E_PAR E_OBJ */
ER dis_tex(void);                     /* task: E_OBJ */
ER ena_tex(void);                     /* task: E_OBJ */
BOOL sns_tex(void);                   /* any */

/* Semaphores: semaphore.c */
ER sig_sem(ID semid);             /* task: E_ID E_QOVR */
ER isig_sem(ID semid);            /* handler: E_ID E_QOVR */
ER wai_sem(ID semid);             /* wait: E_ID E_RLWAI */
ER pol_sem(ID semid);             /* task: E_ID E_TMOUT */
ER twai_sem(ID semid, TMO tmout); /* wait: E_ID E_PAR E_TMOUT E_RLWAI */

/* Event flags: eventflag.c */
ER set_flg(ID flgid, FLGPTN setptn);  /* task: E_ID */
ER iset_flg(ID flgid, FLGPTN setptn); /* handler: E_ID */
ER clr_flg(ID flgid, FLGPTN clrptn);  /* task: E_ID */
ER wai_flg(ID flgid, FLGPTN waiptn, MODE wfmode, FLGPTN *p_flgptn);             /* wait: E_ID E_PAR E_ILUSE E_RLWAI */
ER pol_flg(ID flgid, FLGPTN waiptn, MODE wfmode, FLGPTN *p_flgptn);             /* task: E_ID E_PAR E_ILUSE E_TMOUT */
ER twai_flg(ID flgid, FLGPTN waiptn, MODE wfmode, FLGPTN *p_flgptn, TMO tmout);
    /* wait: E_ID E_PAR E_ILUSE E_TMOUT E_RLWAI */

/* Data queues: dataqueue.c */
ER snd_dtq(ID dtqid, VP_INT data);               /* wait: E_ID E_RLWAI */
ER psnd_dtq(ID dtqid, VP_INT data);              /* task: E_ID E_TMOUT */
ER ipsnd_dtq(ID dtqid, VP_INT data);             /* handler: E_ID E_TMOUT */
ER tsnd_dtq(ID dtqid, VP_INT data, TMO tmout);   /* wait: E_ID E_PAR E_TMOUT E_RLWAI */
ER fsnd_dtq(ID dtqid, VP_INT data);              /* task: E_ID E_ILUSE */
ER ifsnd_dtq(ID dtqid, VP_INT data);             /* handler: E_ID E_ILUSE */
ER rcv_dtq(ID dtqid, VP_INT *p_data);            /* wait: E_ID E_RLWAI */
ER prcv_dtq(ID dtqid, VP_INT *p_data);           /* task: E_ID E_TMOUT */
ER trcv_dtq(ID dtqid, VP_INT *p_data, TMO tmout); /* wait: E_ID E_PAR E_TMOUT E_RLWAI */

/* Mailboxes: mailbox.c. A message is the sender's memory and begins with T_MSG, or T_MSG_PRI where TA_MPRI orders. */
ER snd_mbx(ID mbxid, T_MSG *pk_msg);               /* task: E_ID E_PAR */
ER rcv_mbx(ID mbxid, T_MSG **ppk_msg);             /* wait: E_ID E_RLWAI */
ER prcv_mbx(ID mbxid, T_MSG **ppk_msg);            /* task: E_ID E_TMOUT */
ER trcv_mbx(ID mbxid, T_MSG **ppk_msg, TMO tmout); /* wait: E_ID E_PAR E_TMOUT E_RLWAI */

/* Fixed memory pools: mempool.c */
ER get_mpf(ID mpfid, VP *p_blk);             /* wait: E_ID E_RLWAI */
ER pget_mpf(ID mpfid, VP *p_blk);            /* task: E_ID E_TMOUT */
ER tget_mpf(ID mpfid, VP *p_blk, TMO tmout); /* wait: E_ID E_PAR E_TMOUT E_RLWAI */
ER rel_mpf(ID mpfid, VP blk);                /* task: E_ID E_PAR */

/* Time and cyclic handlers: time.c, cyclic.c */
ER set_tim(SYSTIM *p_systim);      /* task */
ER get_tim(SYSTIM *p_systim);      /* task */
ER isig_tim(void);                 /* handler */
ER vxget_tim(SYSUTIM *p_sysutim);  /* any; an extension */
ER sta_cyc(ID cycid);              /* task: E_ID */
ER stp_cyc(ID cycid);              /* task: E_ID */

/* System state: system.c */
ER rot_rdq(PRI tskpri);    /* task: E_PAR */
ER irot_rdq(PRI tskpri);   /* handler: E_PAR */
ER get_tid(ID *p_tskid);   /* task */
ER iget_tid(ID *p_tskid);  /* handler */
ER loc_cpu(void);          /* task or locked */
ER iloc_cpu(void);         /* handler or locked */
ER unl_cpu(void);          /* task or locked */
ER iunl_cpu(void);         /* handler or locked */
ER dis_dsp(void);          /* task */
ER ena_dsp(void);          /* task */
BOOL sns_ctx(void);        /* any */
BOOL sns_loc(void);        /* any */
BOOL sns_dsp(void);        /* any */
BOOL sns_dpn(void);        /* any */
ER chg_ipm(IPM ipm);       /* task: E_PAR; an extension */
ER get_ipm(IPM *p_ipm);    /* task; an extension */

/* Console on SCIF0, an extension: serial.c */
void console_write(const char *text, SIZE size); /* waits by dly_tsk while the FIFO is full; task context */
void console_receive(void);                      /* lets SCIF0 raise RXI, for an initialisation routine */
void print(const char *format, ...);             /* one line at most 96 characters; %d %u %x %s */

#endif
