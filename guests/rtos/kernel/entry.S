! Reset entry, exception vectors, dispatcher of the kernel. From the SH-4A's exception model: on entry SR has
! MD, RB and BL set, so R0-R7 are bank 1 (scratch here, never kept), R8-R15 and PR are the interrupted ones.
! Left out: the FPU (built without), TLB misses (the kernel runs in P1; a miss is a CPU exception like any).
!
! Frame on the interrupted stack, from the top down: SSR SPC PR MACH MACL R7 ... R0 (EXCINF of itron.h); below it, for
! a task that loses the CPU in an interrupt, R8-R14. The first word of the interrupt stack is the frame's address. A
! stopped task is its TCB's sp (+8) and resume address (+12), where it goes on in bank 0 with IMASK=15.
#include "sh7780.h"

#define TCB_SP 8
#define TCB_RESUME 12

    .section .text.start, "ax"
    .global _start
_start:
    mov.l   sr_start, r0
    ldc     r0, sr              ! bank 0; BL stays until there are vectors
    mov.l   ccr, r1
    mov.l   @r1, r0
    mov.w   ccr_enabled, r2
    tst     r2, r0
    bf      started             ! the caches are on: leave them, they may hold another guest's data
    mova    uncached, r0
    mov.l   p2, r2
    or      r2, r0
    mov.w   ccr_enable, r2
    jmp     @r0                 ! CCR is to be written by code that is not cached
     nop
    .balign 4
uncached:
    mov.l   r2, @r1
    mov.l   @r1, r0
    mov.l   started_at, r0
    icbi    @r0
    jmp     @r0
     nop
started:
    mov.l   bss, r0
    mov.l   bss_end, r1
    mov     #0, r2
1:  mov.l   r2, @-r1
    cmp/hi  r0, r1
    bt      1b
    mov.l   stack, r15
    mov.l   start, r0
    jmp     @r0                 ! never returns
     nop
    .balign 4
sr_start:    .long SR_MD | SR_BL | SR_IMASK
ccr:         .long CCN_CCR
p2:          .long 0x20000000
started_at:  .long started
bss:         .long __bss_start
bss_end:     .long __bss_end
stack:       .long interrupt_stack_end
start:       .long kernel_start
ccr_enabled: .word 0x101        ! ICE, OCE
ccr_enable:  .word 0x90d        ! ICI, ICE, OCI, CB, OCE

    .balign 0x100               ! VBR needs no alignment; the vectors lie at fixed offsets from it
    .global vectors
vectors:
    .org    vectors + 0x100     ! general exceptions
    mov.l   1f, r0
    jmp     @r0
     nop
    .balign 4
1:  .long   fault
    .org    vectors + 0x400     ! TLB misses
    mov.l   1f, r0
    jmp     @r0
     nop
    .balign 4
1:  .long   fault

    .org    vectors + 0x600     ! interrupts
    stc.l   ssr, @-r15
    stc.l   spc, @-r15
    sts.l   pr, @-r15
    sts.l   mach, @-r15
    sts.l   macl, @-r15
    mov.l   intevt, r0
    stc.l   r7_bank, @-r15
    mov.l   @r0, r0
    stc.l   r6_bank, @-r15
    mov.l   handlers, r1
    stc.l   r5_bank, @-r15
    shlr2   r0                  ! INTEVT codes are 0x20 apart, table entries 8
    stc.l   r4_bank, @-r15
    add     r0, r1
    stc.l   r3_bank, @-r15
    mov.l   @r1+, r2            ! handler
    stc.l   r2_bank, @-r15
    mov.l   @r1, r3             ! its SR: IMASK at its level
    stc.l   r1_bank, @-r15
    mov.l   nest, r4
    stc.l   r0_bank, @-r15
    mov.l   @r4, r5
    ldc     r2, r0_bank
    tst     r5, r5
    bf/s    1f                  ! nested: already on the interrupt stack
     add    #1, r5
    mov     r15, r6
    mov.l   stack_end, r15
    mov.l   r6, @-r15
1:  mov.l   r5, @r4
    ldc     r3, sr              ! bank 0, BL=0: the device's flag is still set, its level is masked by now
    jsr     @r0
     nop

    mov.l   sr_blocked, r0
    ldc     r0, sr              ! bank 1, BL=1
    mov.l   nest, r4
    mov.l   @r4, r5
    dt      r5
    bf/s    restore
     mov.l  r5, @r4
    mov.l   @r15, r15           ! the interrupted stack
outermost:
    mov.l   running, r0
    mov.l   scheduled, r1
    mov.l   @r0, r0             ! the running task, 0 in the idle loop
    mov.l   @r1, r1
    cmp/eq  r0, r1
    bt      restore
    mov.l   dispatch_off, r2
    mov.l   @r2, r2
    tst     r2, r2
    bf      restore
    tst     r0, r0
    bt      away                ! nothing of the idle loop is worth keeping
    mov.l   r8, @-r15
    mov.l   r9, @-r15
    mov.l   r10, @-r15
    mov.l   r11, @-r15
    mov.l   r12, @-r15
    mov.l   r13, @-r15
    mov.l   r14, @-r15
    mov.l   r15, @(TCB_SP,r0)
    mova    resume_interrupted, r0
    mov.l   running, r1
    mov.l   @r1, r1
    mov.l   r0, @(TCB_RESUME,r1)
away:
    mov.l   sr_locked, r0
    ldc     r0, sr              ! bank 0, BL=0, IMASK=15; not allowed in a delay slot
    bra     dispatch_away
     nop

    .balign 4
resume_interrupted:
    mov.l   sr_blocked, r0
    ldc     r0, sr
    mov.l   @r15+, r14
    mov.l   @r15+, r13
    mov.l   @r15+, r12
    mov.l   @r15+, r11
    mov.l   @r15+, r10
    mov.l   @r15+, r9
    mov.l   @r15+, r8
restore:
    ldc.l   @r15+, r0_bank
    ldc.l   @r15+, r1_bank
    ldc.l   @r15+, r2_bank
    ldc.l   @r15+, r3_bank
    ldc.l   @r15+, r4_bank
    ldc.l   @r15+, r5_bank
    ldc.l   @r15+, r6_bank
    ldc.l   @r15+, r7_bank
    lds.l   @r15+, macl
    lds.l   @r15+, mach
    lds.l   @r15+, pr
    ldc.l   @r15+, spc
    ldc.l   @r15+, ssr
    rte
     nop
    .balign 4
intevt:      .long CCN_INTEVT
handlers:    .long interrupt_table
nest:        .long interrupt_nest
stack_end:   .long interrupt_stack_end
sr_blocked:  .long SR_MD | SR_RB | SR_BL | SR_IMASK
sr_locked:   .long SR_MD | SR_IMASK
running:     .long runtsk
scheduled:   .long schedtsk
dispatch_off: .long dspdis

! A task goes on with a task exception for it (taskexc.c): stopped, with its resume address on its stack, or returned
! to by the frame that turned it aside, with the frame of the interrupt next on its stack.
    .global resume_exception
resume_exception:
    mov.l   deliver, r0
    jsr     @r0
     nop
    mov.l   @r15+, r1
    jmp     @r1
     nop
    .global return_exception
return_exception:
    mov.l   deliver, r0
    jsr     @r0
     nop
    mov.l   sr_returning, r0
    ldc     r0, sr
    bra     restore
     nop
    .balign 4
deliver:      .long exception_deliver
sr_returning: .long SR_MD | SR_RB | SR_BL | SR_IMASK

! void dispatch(void): called by a task with IMASK=15.
    .global dispatch
    .balign 4
dispatch:
    sts.l   pr, @-r15
    mov.l   r8, @-r15
    mov.l   r9, @-r15
    mov.l   r10, @-r15
    mov.l   r11, @-r15
    mov.l   r12, @-r15
    mov.l   r13, @-r15
    mov.l   r14, @-r15
    mov.l   1f, r1
    mova    resume_called, r0
    mov.l   @r1, r1
    mov.l   r15, @(TCB_SP,r1)
    bra     dispatch_away
     mov.l  r0, @(TCB_RESUME,r1)
    .balign 4
resume_called:
    mov.l   @r15+, r14
    mov.l   @r15+, r13
    mov.l   @r15+, r12
    mov.l   @r15+, r11
    mov.l   @r15+, r10
    mov.l   @r15+, r9
    mov.l   @r15+, r8
    lds.l   @r15+, pr
dispatched:                     ! bench/rtos.py measures to here
    rts
     nop

! void dispatch_away(void): takes up schedtsk, or idles on a stack of its own.
    .global dispatch_away
dispatch_away:
    mov.l   1f, r1
    mov.l   2f, r0
    mov.l   @r0, r0
    mov.l   r0, @r1             ! runtsk = schedtsk
    tst     r0, r0
    bt      3f
    mov.l   @(TCB_SP,r0), r15
    mov.l   @(TCB_RESUME,r0), r1
    jmp     @r1
     nop
3:  mov.l   4f, r15
    mov.l   5f, r0
    jmp     @r0
     nop
    .balign 4
1:  .long   runtsk
2:  .long   schedtsk
4:  .long   idle_stack_end
5:  .long   idle

! General exceptions and TLB misses. The handler runs as an interrupt handler does, but at the interrupted SR, so with
! the CPU locked if it was. Without one nothing is pushed (SP may be what is wrong): fault_report(expevt, spc, pr, sp).
fault:
    mov.l   expevt, r0
    mov.l   exceptions, r1
    mov.l   @r0, r4
1:  mov.l   @r1+, r3            ! code
    mov.l   @r1+, r2            ! handler
    tst     r2, r2
    bt      unhandled
    cmp/eq  r3, r4
    bf      1b
    stc.l   ssr, @-r15
    stc.l   spc, @-r15
    sts.l   pr, @-r15
    sts.l   mach, @-r15
    sts.l   macl, @-r15
    stc.l   r7_bank, @-r15
    stc.l   r6_bank, @-r15
    stc.l   r5_bank, @-r15
    stc.l   r4_bank, @-r15
    stc.l   r3_bank, @-r15
    stc.l   r2_bank, @-r15
    stc.l   r1_bank, @-r15
    stc.l   r0_bank, @-r15
    ldc     r2, r0_bank
    ldc     r15, r4_bank        ! the handler's argument
    mov.l   nest_of_fault, r4
    mov.l   @r4, r5
    tst     r5, r5
    bf/s    2f
     add    #1, r5
    mov     r15, r6
    mov.l   stack_of_fault, r15
    mov.l   r6, @-r15
2:  mov.l   r5, @r4
    stc     ssr, r3
    ldc     r3, sr              ! bank 0, BL=0, as it was
    jsr     @r0
     nop

    mov.l   sr_of_fault, r0
    ldc     r0, sr
    mov.l   nest_of_fault, r4
    mov.l   @r4, r5
    dt      r5
    bf/s    3f
     mov.l  r5, @r4
    bra     outermost
     mov.l  @r15, r15
3:  bra     restore
     nop
unhandled:
    stc     spc, r5
    sts     pr, r6
    mov     r15, r7
    mov.l   stack_of_fault, r15
    mov.l   report, r0
    jmp     @r0                 ! bank 1 and BL=1 stay
     nop
    .balign 4
expevt:         .long CCN_EXPEVT
exceptions:     .long exc_ini
nest_of_fault:  .long interrupt_nest
stack_of_fault: .long interrupt_stack_end
sr_of_fault:    .long SR_MD | SR_RB | SR_BL | SR_IMASK
report:         .long fault_report

    .bss
    .balign 32                  ! a cache line, wherever the application's data end
    .space  256                 ! holds one interrupt frame
idle_stack_end:
    .space  4096 + 8
    .global interrupted_frame
interrupted_frame:              ! first word of the interrupt stack: of the outermost handler
    .space  4
interrupt_stack_end:            ! and behind it, in the same line, what every interrupt and dispatch looks at
    .global runtsk, schedtsk, dspdis, sr_task, interrupt_nest, interrupt_table
runtsk:          .space 4
schedtsk:        .space 4
dspdis:          .space 4
sr_task:         .space 4
interrupt_nest:  .space 4
interrupt_table: .space 128 * 8
