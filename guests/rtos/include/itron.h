/* Types, constants and error codes of the uITRON4.0 specification (standard profile), for a 32-bit CPU. */
#ifndef ITRON_H
#define ITRON_H

typedef signed char B;
typedef short H;
typedef long W;
typedef unsigned char UB;
typedef unsigned short UH;
typedef unsigned long UW;
typedef void *VP;
typedef void (*FP)(void);
typedef int INT;
typedef unsigned int UINT;
typedef INT BOOL;
typedef INT FN;
typedef INT ER;
typedef INT ID;
typedef UINT ATR;
typedef UINT STAT;
typedef UINT MODE;
typedef INT PRI;
typedef UINT SIZE;
typedef INT TMO;     /* ms */
typedef UINT RELTIM; /* ms */
typedef UW SYSTIM;   /* ms, wraps after 49 days */
typedef VP VP_INT;
typedef ER BOOL_ER;
typedef INT ER_UINT; /* an error or a count */
typedef UW SYSUTIM;   /* us, wraps after 71 minutes */
typedef UINT FLGPTN; /* 32 bits */
typedef UINT TEXPTN; /* 32 bits */
typedef UINT IPM;    /* interrupt mask: level 0 to 14 */
typedef UINT INHNO;  /* INTEVT code of an interrupt */
typedef UINT EXCNO;  /* EXPEVT code of a CPU exception */

/* Head of a message in a mailbox; the kernel links messages by it. */
typedef struct t_msg {
    struct t_msg *next;
} T_MSG;
typedef struct {
    T_MSG msgque;
    PRI msgpri; /* of a mailbox with TA_MPRI */
} T_MSG_PRI;

/* What a CPU exception handler is given: the interrupted registers, which its return loads again. R8 to R14 are the
 * caller's as in any function; EXPEVT and TEA are read from the CPU. */
typedef struct {
    UW r[8], macl, mach, pr, spc, ssr;
} EXCINF;

#define NULL ((void *)0)
#define TRUE 1
#define FALSE 0

/* Error codes. */
#define E_OK 0
#define E_SYS (-5)
#define E_NOSPT (-9)
#define E_RSATR (-11)
#define E_PAR (-17)
#define E_ID (-18)
#define E_CTX (-25)
#define E_ILUSE (-28)
#define E_NOMEM (-33)
#define E_OBJ (-41)
#define E_NOEXS (-42)
#define E_QOVR (-43)
#define E_RLWAI (-49)
#define E_TMOUT (-50)
#define E_DLT (-51)

/* Attributes. */
#define TA_NULL 0u
#define TA_HLNG 0x00u
#define TA_ACT 0x02u
#define TA_TFIFO 0x00u
#define TA_TPRI 0x01u
#define TA_WSGL 0x00u
#define TA_WMUL 0x02u
#define TA_CLR 0x04u
#define TA_STA 0x02u
#define TA_MFIFO 0x00u
#define TA_MPRI 0x02u

/* Modes and constants. */
#define TWF_ANDW 0x00u
#define TWF_ORW 0x01u
#define TMO_POL 0
#define TMO_FEVR (-1)
#define TSK_SELF 0
#define TSK_NONE 0
#define TPRI_SELF 0
#define TPRI_INI 0

#define TMIN_TPRI 1
#define TMAX_TPRI 16
#define TMIN_MPRI 1
#define TMAX_MPRI 16
#define TMAX_ACTCNT 127
#define TMAX_WUPCNT 127
#define TMAX_SUSCNT 127
#define TMAX_MAXSEM 65535
#define TMAX_IPM 14
#define TMAX_RELTIM 0x7ffffff0 /* ms, 24 days; longer times answer E_PAR */
#define TBIT_FLGPTN 32
#define TBIT_TEXPTN 32
#define TIC_NUME 5 /* a system tick is TIC_NUME/TIC_DENO ms */
#define TIC_DENO 1

#endif
