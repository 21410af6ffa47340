! SPUMONE's paths: vectors, switching, idling, calls. Each runs with SR.BL=1 but for the window in `elect`; a call from
! its first LDC of SR on. R15 is the one free register on entry: the hardware keeps the guest's in SGR.
! "current" is the guest whose registers are in the CPU; layout of a vCPU: vcpu.h. Labels spm_* are starts and ends of
! paths, for the monitor. Code and the data it writes lie on different pages (spumone.ld).
#include "layout.h"
#include "vcpu.h"

#define SR_BLOCKED 0x700000f0 /* MD RB BL, IMASK=15 */
#define SR_OPEN 0x60000000    /* MD RB, IMASK to be added */
#define CCN 0xff000000
#define PTEH 0x00
#define PTEL 0x04
#define TTB 0x08
#define TEA 0x0c
#define MMUCR 0x10
#define TRA 0x20
#define EXPEVT 0x24
#define INTEVT 0x28

    .section .text.start, "ax"
    .global _start, spm_reset
_start:                         ! power on, SR as after a reset, caches off
    mov.l   main_at, r7
    mova    uncached, r0
    mov.l   p2, r2
    mov.w   ccr_clear, r6
    or      r2, r0
    jmp     @r0
     nop
    .set    spm_reset, . + 0x20000000 ! a guest has reset the CPU: memory and devices are as they were; in P2
    mov.w   ccr_keep, r6
    mov.l   crashed_at, r7
    .balign 4
uncached:                       ! CCR is to be written by code that is not cached
    mov.l   ccr, r1
    mov.l   cached_at, r0
    mov.l   r6, @r1
    mov.l   @r1, r1
    icbi    @r0
    jmp     @r0
     nop
cached:
    mov.l   cpuopm, r1
    mov.l   @r1, r0
    or      #8, r0              ! INTMU: an accepted interrupt's level is then in SR.IMASK
    mov.l   r0, @r1
    mov.l   @r1, r0
    mov.l   cached_at, r0
    icbi    @r0
    mov.l   stack_at, r15
    jmp     @r7                 ! ends in elect
     nop
    .balign 4
ccr:        .long CCN + 0x1c
p2:         .long 0x20000000
cached_at:  .long cached
cpuopm:     .long 0xff2f0000
main_at:    .long spm_main
crashed_at: .long spm_crashed
stack_at:   .long stack_end
ccr_clear:  .word 0x90d         ! ICI, ICE, OCI, CB, OCE
ccr_keep:   .word 0x105         ! what is in the caches may be a guest's that goes on

! While a guest runs ------------------------------------------------------------------------------------------------

    .balign 0x100
vectors:
    .org    vectors + 0x100     ! general exceptions go on to the guest, with every register as it was
spm_exception:
    mov.l   1f, r15
    mov.l   @r15, r15
    mov.l   @(V_GENERAL,r15), r15
    jmp     @r15
     stc    sgr, r15
    .balign 4
1:  .long   current
    .org    vectors + 0x400     ! TLB misses too
spm_tlb_miss:
    mov.l   1f, r15
    mov.l   @r15, r15
    mov.l   @(V_TLB,r15), r15
    jmp     @r15
     stc    sgr, r15
    .balign 4
1:  .long   current

    .org    vectors + 0x600
spm_interrupt:
    mov.l   1f, r15
    mov.l   @r15, r15
    mov.l   r0, @(V_R0,r15)
    mov.l   2f, r0
    mov.l   r1, @(V_R1,r15)
    mov.l   @r0, r0
    mov.l   3f, r1
    shlr2   r0
    shlr    r0
    mov.l   @(r0,r1), r1        ! its owner
    cmp/eq  r15, r1
    bf      others
    mov.l   r0, @(V_CODE,r15)   ! Linux reads INTEVT late: a switch gives it back
    mov.l   @(V_R0,r15), r0
    mov.l   @(V_R1,r15), r1
    mov.l   @(V_INTERRUPT,r15), r15
spm_forwarded:
    jmp     @r15
     stc    sgr, r15

! Somebody else's. The switch if it waits for this level and is above; else it is held.
others:
    mov.l   r2, @(V_R2,r15)
    stc     sr, r2              ! IMASK is the level: CPUOPM.INTMU
    mov.l   r3, @(V_R3,r15)
    extu.b  r2, r2
    mov.l   @(V_WAKE,r1), r3
    cmp/hi  r3, r2
    bf      hold
    cmp/hs  r15, r1
    bt      hold                ! below current
spm_switch:                     ! each line of the save area is claimed by MOVCA: it need not come from memory
    mov.l   r0, @(V_CODE,r1)
    stc     sgr, r0
    add     #-4, r15
    movca.l r0, @r15
    stc.l   ssr, @-r15
    stc.l   spc, @-r15
    stc.l   dbr, @-r15
    stc.l   gbr, @-r15
    mov.l   r14, @-r15
    mov.l   r13, @-r15
    mov.l   r12, @-r15
    mov     r11, r0
    add     #-4, r15
    movca.l r0, @r15
    mov.l   r10, @-r15
    mov.l   r9, @-r15
    mov.l   r8, @-r15
    mov.l   r7, @-r15
    mov.l   r6, @-r15
    mov.l   r5, @-r15
    mov.l   r4, @-r15
    sts     pr, r0
    add     #-4, r15
    movca.l r0, @r15
    sts.l   mach, @-r15
    sts.l   macl, @-r15
    stc.l   r7_bank, @-r15
    stc.l   r6_bank, @-r15
    stc.l   r5_bank, @-r15
    stc.l   r4_bank, @-r15
    stc.l   r3_bank, @-r15
    stc     r2_bank, r0
    add     #-4, r15
    movca.l r0, @r15
    stc.l   r1_bank, @-r15
    stc.l   r0_bank, @-r15
    mov.l   ccn, r2
    mov     r1, r4
    mov.l   @(EXPEVT,r2), r0
    mov.l   @(TRA,r2), r1
    mov.l   @(TEA,r2), r3
    mov.l   r0, @-r15
    mov.l   r1, @-r15
    mov.l   r3, @-r15

! The guest r4, which waits, enters the interrupt whose code is in its V_CODE and whose level is SR.IMASK.
spm_enter:
    mov.l   @(V_FLAGS,r4), r0
    mov.l   current_at, r1
    mov.l   r4, @r1
    mov     #WAKE_READY, r1
    cmp/eq  #GUEST_BARE, r0
    bf/s    enter_kept
     mov.l  r1, @(V_WAKE,r4)
enter_bare:
    mov.l   @(V_ENTRY_SR,r4), r2
    stc     sr, r0
    mov.l   @(V_SR,r4), r1
    and     #0xf0, r0
    mov.l   @(V_PC,r4), r3
    or      r2, r0
    mov.l   @(V_R15,r4), r2
    ldc     r0, sr
    ldc     r1, ssr
    ldc     r3, spc
    mov.l   @(V_INTERRUPT,r4), r0
    ldc     r2, sgr
spm_entered_bare:
    jmp     @r0
     stc    sgr, r15

    .balign 4
1:  .long   current
2:  .long   CCN + INTEVT
3:  .long   routes
ccn:        .long CCN
current_at: .long current

enter_kept:
    tst     r0, r0
    bt      1f
    bsr     move_units
     nop
    mov.l   @(V_FLAGS,r4), r0
    tst     #GUEST_BARE, r0
    bf      enter_bare
1:  mov     r4, r15
    add     #-KEPT_WAITING, r15
    mov.l   @(V_ENTRY_SR,r4), r2
    stc     sr, r0
    mov.l   @r15+, r4
    and     #0xf0, r0
    mov.l   @r15+, r5
    or      r2, r0
    mov.l   @r15+, r6
    ldc     r0, sr
    mov.l   @r15+, r7
    mov.l   @r15+, r8
    mov.l   @r15+, r9
    mov.l   @r15+, r10
    mov.l   @r15+, r11
    mov.l   @r15+, r12
    mov.l   @r15+, r13
    mov.l   @r15+, r14
    ldc.l   @r15+, gbr
    ldc.l   @r15+, dbr
    ldc.l   @r15+, spc
    ldc.l   @r15+, ssr
    ldc.l   @r15+, sgr
    mov.l   @(V_R0,r15), r0
    mov.l   @(V_R1,r15), r1
    mov.l   @(V_R2,r15), r2
    mov.l   @(V_R3,r15), r3
    mov.l   @(V_INTERRUPT,r15), r15
spm_entered:
    jmp     @r15
     stc    sgr, r15

! What may not interrupt now is masked at its source, and unmasked when its owner runs.
hold:
    mov.l   3f, r15
    mov.l   r4, @-r15
    mov.l   r5, @-r15
    mov.l   r6, @-r15
    mov.l   r7, @-r15
    sts.l   pr, @-r15
    sts.l   mach, @-r15
    sts.l   macl, @-r15
    mov     r0, r4
    mov     r1, r5
    mov.l   1f, r1
    jsr     @r1                 ! spm_hold(code >> 3, owner, level << 4)
     mov    r2, r6
    lds.l   @r15+, macl
    lds.l   @r15+, mach
    lds.l   @r15+, pr
    mov.l   @r15+, r7
    mov.l   @r15+, r6
    mov.l   @r15+, r5
    mov.l   @r15+, r4
    mov.l   4f, r15
    mov.l   @r15, r15
    mov.l   2f, r1
    mov.l   @(V_CODE,r15), r0   ! INTEVT as current last saw it
    shll2   r0
    shll    r0
    mov.l   r0, @r1
    mov.l   @(V_R0,r15), r0
    mov.l   @(V_R1,r15), r1
    mov.l   @(V_R2,r15), r2
    mov.l   @(V_R3,r15), r3
    stc     sgr, r15
spm_held:
    rte
     nop
    .balign 4
1:  .long   spm_hold
2:  .long   CCN + INTEVT
3:  .long   stack_end
4:  .long   current

! A guest's own vectors before it gave any: an interrupt is held, an exception is its end.
    .global spm_no_vectors, spm_no_interrupts
spm_no_interrupts:
    mov.l   3f, r15
    mov.l   @r15, r15
    mov.l   r0, @(V_R0,r15)
    mov.l   r1, @(V_R1,r15)
    mov.l   r2, @(V_R2,r15)
    mov.l   r3, @(V_R3,r15)
    mov.l   @(V_CODE,r15), r0
    mov     r15, r1
    stc     sr, r2
    bra     hold
     extu.b r2, r2
spm_no_vectors:
    mov.l   1f, r0
    mov.l   2f, r15
    jmp     @r0
     nop
    .balign 4
1:  .long   spm_fault
2:  .long   stack_end
3:  .long   current

! While no guest's registers are in the CPU --------------------------------------------------------------------------

    .balign 0x100
idle_vectors:                   ! no exception comes: nothing is translated, and breaks are nobody's
    .org    idle_vectors + 0x600
spm_woken:
    mov.l   1f, r0
    mov.l   2f, r1
    mov.l   @r0, r0
    stc     sr, r2
    shlr2   r0
    shlr    r0
    mov.l   @(r0,r1), r1        ! owner
    extu.b  r2, r2              ! level
    mov.l   @(V_WAKE,r1), r3
    cmp/hi  r3, r2
    bf      7f
    cmp/hs  r4, r1
    bt      7f
    mov.l   r0, @(V_CODE,r1)
    mov.l   3f, r0
    mov     r1, r4
    ldc     r0, vbr
    mov.l   4f, r1
    jmp     @r1
     nop
7:  mov     r0, r4              ! spm_hold(code >> 3, owner, level << 4)
    mov     r1, r5
    mov.l   5f, r1
    mov.l   6f, r15
    jsr     @r1
     mov    r2, r6
    bra     elect
     nop
    .balign 4
1:  .long   CCN + INTEVT
2:  .long   routes
3:  .long   vectors
4:  .long   spm_enter
5:  .long   spm_hold
6:  .long   stack_end

! Who runs: the highest guest that is ready, unless one above it that waits has something to take. That is for the
! hardware to find: interrupts are let in for an instant (for as long as it takes where nobody is ready), above the
! lowest IMASK of the guests that wait above.
    .global elect
elect:
    mov.l   first_at, r4
    mov     #WAKE_READY, r6
    mov.l   @(4,r4), r5         ! lowest V_WAKE
    mov.l   @r4, r4
1:  mov.l   @(V_WAKE,r4), r0
    cmp/eq  r6, r0
    bt      3f
    mov.l   @(V_HELD,r4), r1
    cmp/hi  r0, r1
    bf      2f
    bsr     unmask              ! it would take it: let it come
     nop
    mov.l   @(V_WAKE,r4), r0
2:  cmp/hs  r5, r0
    mov.w   size, r1
    bt/s    1b
     add    r1, r4
    bra     1b
     mov    r0, r5
3:  mov.l   idle_at, r0
    ldc     r0, vbr
    mov     r5, r0
    mov.l   open, r1
    and     #0xf0, r0
    mov.l   end_at, r2
    or      r1, r0
    mov.l   blocked_here, r1
    cmp/eq  r2, r4
    bt      4f
    ldc     r0, sr              ! the window
    nop
    ldc     r1, sr
    bra     resume
     nop
4:  ldc     r0, sr              ! an interrupt that comes before SLEEP ends this path as well
    sleep
    bra     elect
     nop
    .balign 4
first_at:   .long first
end_at:     .long nobody
idle_at:    .long idle_vectors
open:       .long SR_OPEN
blocked_here: .long SR_BLOCKED
size:       .word VCPU_SIZE

! The guest r4, which is ready, goes on.
resume:
    mov.l   1f, r0
    mov.l   2f, r1
    ldc     r0, vbr
    mov.l   @(V_FLAGS,r4), r0
    tst     r0, r0
    bf/s    3f
     mov.l  r4, @r1
4:  mov     r4, r15
    add     #-KEPT_PREEMPTED, r15
    mov.l   5f, r1
    mov.l   @r15+, r0
    mov.l   r0, @(TEA,r1)
    mov.l   @r15+, r0
    mov.l   r0, @(TRA,r1)
    mov.l   @r15+, r0
    mov.l   r0, @(EXPEVT,r1)
    mov.l   @(V_CODE,r4), r0
    shll2   r0
    shll    r0
    mov.l   r0, @(INTEVT,r1)
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
    mov.l   @r15+, r4
    mov.l   @r15+, r5
    mov.l   @r15+, r6
    mov.l   @r15+, r7
    mov.l   @r15+, r8
    mov.l   @r15+, r9
    mov.l   @r15+, r10
    mov.l   @r15+, r11
    mov.l   @r15+, r12
    mov.l   @r15+, r13
    mov.l   @r15+, r14
    ldc.l   @r15+, gbr
    ldc.l   @r15+, dbr
    ldc.l   @r15+, spc
    ldc.l   @r15+, ssr
    mov.l   @(V_R0+4,r15), r0   ! r15 is a word below the vCPU
    mov.l   @(V_R1+4,r15), r1
    mov.l   @(V_R2+4,r15), r2
    mov.l   @(V_R3+4,r15), r3
    mov.l   @r15, r15
spm_resumed:
    rte
     nop
3:  tst     #GUEST_DEAD | GUEST_ANEW, r0
    bf      7f
    bsr     move_units
     nop
    bra     4b
     nop
7:  mov.l   6f, r1
    mov.l   8f, r15
    jmp     @r1                 ! for `current`; ends in elect
     nop
    .balign 4
1:  .long   vectors
2:  .long   current
5:  .long   CCN
6:  .long   spm_reap
8:  .long   stack_end

! Lets come what was masked until the guest r4 would take it. Uses R0-R3.
unmask:
    mov.w   held_int2, r3
    add     r4, r3
    mov.l   @r3, r0
    tst     r0, r0
    bt      1f
    mov.l   2f, r1
    mov.l   r0, @r1
1:  mov.l   @(4,r3), r0
    tst     r0, r0
    bt      1f
    mov.l   3f, r1
    mov.l   r0, @r1
1:  mov     #0, r0
    mov.l   r0, @r3
    mov.l   r0, @(4,r3)
    mov.l   r0, @(V_HELD,r4)
    mov.l   @(V_FLAGS,r4), r0
    mov     #~GUEST_HELD, r1
    and     r1, r0
    rts
     mov.l  r0, @(V_FLAGS,r4)
    .balign 4
2:  .long   INT2MSKCR
3:  .long   INTMSKCLR0
held_int2:  .word V_HELD_INT2

! Before the guest r4 runs: unmasks what is held, and gives it the FPU's and the MMU's registers where another guest's
! are in them. A guest without the flag leaves them alone. Keeps r4 and SR; uses R0-R3, R5-R7, PR.
move_units:
    sts     pr, r7
    tst     #GUEST_HELD, r0
    bt      1f
    bsr     unmask
     nop
    mov.l   @(V_FLAGS,r4), r0
1:  mov.l   holders, r6
    stc     sr, r5
    tst     #GUEST_FPU, r0
    bt      2f
    mov.l   @r6, r2
    cmp/eq  r2, r4
    bt      2f
    mov.l   move_blocked, r1    ! FD=0
    ldc     r1, sr
    mov.l   r4, @r6
    mov     #0, r1
    tst     r2, r2
    bt      1f                  ! nobody's are in it
    mov.w   fpu_end, r3
    add     r3, r2
    sts.l   fpul, @-r2
    sts.l   fpscr, @-r2
    lds     r1, fpscr           ! single, bank 0
    frchg
    bsr     push_bank
     nop
    frchg
    bsr     push_bank
     nop
1:  lds     r1, fpscr
    mov     r4, r2
    add     #V_UNITS, r2
    bsr     pop_bank
     nop
    frchg
    bsr     pop_bank
     nop
    lds.l   @r2+, fpscr
    lds.l   @r2+, fpul
    ldc     r5, sr
2:  tst     #GUEST_MMU, r0
    bt      3f
    mov.l   @(4,r6), r2
    cmp/eq  r2, r4
    bt      3f
    mov.l   r4, @(4,r6)
    mov.l   move_ccn, r6
    tst     r2, r2
    bt      1f
    mov.w   mmu_end, r3
    add     r3, r2
    mov.l   @(PTEH,r6), r1
    mov.l   r1, @-r2
    mov.l   @(PTEL,r6), r1
    mov.l   r1, @-r2
    mov.l   @(TTB,r6), r1
    mov.l   r1, @-r2
    mov.l   @(MMUCR,r6), r1
    mov.l   r1, @-r2
1:  mov.w   fpu_end, r3
    mov     r4, r2
    add     r3, r2
    mov.l   @r2+, r0
    or      #4, r0              ! TI: the TLB is another guest's
    mov.l   @r2+, r1
    mov.l   r1, @(TTB,r6)
    mov.l   @r2+, r1
    mov.l   r1, @(PTEL,r6)
    mov.l   @r2+, r1
    mov.l   r1, @(PTEH,r6)
    mov.l   r0, @(MMUCR,r6)
    mov.l   @(MMUCR,r6), r0
    icbi    @r4
3:  jmp     @r7
     nop
push_bank:
    .irp    n, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
    fmov.s  fr\n, @-r2
    .endr
    rts
     nop
pop_bank:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    fmov.s  @r2+, fr\n
    .endr
    rts
     nop
    .balign 4
holders:    .long fpu_holder
move_blocked: .long SR_BLOCKED
move_ccn:   .long CCN
fpu_end:    .word V_FPU_END
mmu_end:    .word V_MMU_END

! Calls ---------------------------------------------------------------------------------------------------------------

! Idle: what a C call keeps is kept, the rest may change. R0-R7 are those of the guest's bank, 0.
spm_idle:
    stc     sr, r1
    mov.l   bl, r0
    or      r1, r0
    mov.l   current_here, r2
    ldc     r0, sr
    mov.l   @r2, r2
    mov     #-0x10, r0
    mov     r2, r3
    mov.l   r15, @-r3
    mov.l   r1, @-r3
    sts.l   pr, @-r3
    stc.l   dbr, @-r3
    stc.l   gbr, @-r3
    mov.l   r14, @-r3
    mov.l   r13, @-r3
    mov.l   r12, @-r3
    mov.l   r11, @-r3
    mov.l   r10, @-r3
    mov.l   r9, @-r3
    mov.l   r8, @-r3
    stc.l   r7_bank, @-r3
    stc.l   r6_bank, @-r3
    stc.l   r5_bank, @-r3
    stc.l   r4_bank, @-r3
    stc     r3_bank, r4
    mov.l   r4, @(V_R3,r2)
    stc     r2_bank, r4
    mov.l   r4, @(V_R2,r2)
    stc     r1_bank, r4
    mov.l   r4, @(V_R1,r2)
    stc     r0_bank, r4
    mov.l   r4, @(V_R0,r2)
    extu.b  r0, r4              ! 0xf0
    not     r4, r0
    and     r1, r0
    mov.l   entered, r3
    or      r3, r0
    mov.l   r0, @(V_ENTRY_SR,r2)
    and     r1, r4
    add     #3, r4
    mov.l   @(V_DEAF,r2), r3
    or      r3, r4
    mov.l   r4, @(V_WAKE,r2)
    mov.l   @(V_FLAGS,r2), r4
    mov     #~GUEST_BARE, r0
    and     r0, r4
    bra     wait
     mov.l  r4, @(V_FLAGS,r2)

! Wait: nothing but R15 and SR is kept.
spm_wait:
    stc     sr, r1
    mov.l   bl, r0
    or      r1, r0
    mov.l   current_here, r2
    ldc     r0, sr
    mov.l   @r2, r2
    mov.l   r15, @(V_R15,r2)
    mov.l   r1, @(V_SR,r2)
    mov     #-0x10, r0
    extu.b  r0, r4              ! 0xf0
    sts     pr, r3
    not     r4, r0
    mov.l   r3, @(V_PC,r2)
    and     r1, r0
    mov.l   entered, r3
    or      r3, r0
    mov.l   r0, @(V_ENTRY_SR,r2)
    and     r1, r4
    mov.l   @(V_FLAGS,r2), r0
    add     #3, r4
    mov.l   @(V_DEAF,r2), r3
    or      #GUEST_BARE, r0
    or      r3, r4
    mov.l   r0, @(V_FLAGS,r2)
    mov.l   r4, @(V_WAKE,r2)
wait:
    mov.l   blocked_there, r0
    ldc     r0, sr              ! bank 1
    mov.l   elect_at, r0
    jmp     @r0
     nop

! A call served by a C function, r0: on SPUMONE's stack.
spm_call:
    stc     sr, r1
    mov.l   bl, r2
    or      r1, r2
    mov     r15, r3
    ldc     r2, sr
    mov.l   stack_here, r15
    mov.l   r3, @-r15
    mov.l   r1, @-r15
    sts.l   pr, @-r15
    jsr     @r0
     nop
    lds.l   @r15+, pr
    mov.l   @r15+, r1
    mov.l   @r15, r15
spm_answered:
    ldc     r1, sr
    rts
     nop

! void spm_leave(void): from a call that does not return, whose R0-R7 are of the guest's bank, to `elect`.
    .global spm_leave
spm_leave:
    mov.l   blocked_there, r0
    ldc     r0, sr
    mov.l   elect_at, r0
    jmp     @r0
     nop
    .balign 4
bl:           .long 0x10000000
entered:      .long 0x70000000
current_here: .long current
elect_at:     .long elect
blocked_there: .long SR_BLOCKED
stack_here:   .long stack_end

! A guest is started again by copying its image: this runs as the guest, so it is interrupted and switched away from
! like it. r4: struct segment[], ended by bytes = 0; r5: entry; r6: SR to enter with. Addresses are physical. First,
! the operand cache is purged: what the guest wrote through another synonym would reach memory after the image.
    .global spm_loader
spm_loader:
    mov.l   oc_array, r0
    mov     #0, r2
    mov.w   oc_lines, r1
1:  mov.l   r2, @r0             ! a line that was written goes to memory
    dt      r1
    bf/s    1b
     add    #32, r0
    synco
    mov.l   p1, r7
1:  mov.l   @r4+, r1
    mov.l   @r4+, r2
    mov.l   @r4+, r3
    tst     r3, r3
    bt      3f
    or      r7, r1
    or      r7, r2
2:  mov.l   @r2+, r0
    movca.l r0, @r1
    .rept   7
    add     #4, r1
    mov.l   @r2+, r0
    mov.l   r0, @r1
    .endr
    add     #-28, r1
    ocbwb   @r1
    synco
    icbi    @r1
    add     #-32, r3
    cmp/pl  r3
    bt/s    2b
     add    #32, r1
    bra     1b
     nop
3:  mov     #0, r0              ! its first instruction finds 0 in all other registers
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    ldc     r0, r\n\()_bank
    .endr
    .irp    register, gbr, dbr, sgr
    ldc     r0, \register
    .endr
    .irp    register, pr, mach, macl
    lds     r0, \register
    .endr
    .irp    n, 7, 8, 9, 10, 11, 12, 13, 14, 15
    mov     r0, r\n
    .endr
    mov.l   4f, r2
    stc     sr, r1
    or      r2, r1
    ldc     r1, sr
    ldc     r6, ssr
    ldc     r5, spc
    .irp    n, 1, 2, 3, 4, 5, 6
    mov     r0, r\n
    .endr
    rte
     nop
    .balign 4
p1: .long   0x80000000
oc_array: .long 0xf4000000
4:  .long   0x10000000
oc_lines: .word 1024

! void spm_tell(void): something is to be read in spm_report. The monitor stops here.
    .global spm_tell
spm_tell:
    rts
     nop

! The call page, and before it what its entries branch to. Whatever else a guest calls there, or jumps into, is refused;
! R4 is then the entry's number. (Entries from 252 on do not reach so far and hop.)
    .section .page, "ax"
    .macro  stub function
    mov.l   1f, r0
    mov.l   2f, r1
    jmp     @r1
     nop
1:  .long   \function
2:  .long   spm_call
    .endm
    .org    4096 - 176
set_vbr:    stub serve_set_vbr
idle:
    mov.l   1f, r0
    jmp     @r0
     nop
    .balign 4
1:  .long   spm_idle
route:      stub serve_route
query:      stub serve_query
restart:    stub serve_restart
stop:       stub serve_stop
wait_stub:
    mov.l   1f, r0
    jmp     @r0
     nop
    .balign 4
1:  .long   spm_wait
write:      stub serve_write
read:       stub serve_read
refused:    stub serve_refused
inside:     stub serve_inside

    .macro  to target hop
    .if     number < 252
    bra     \target
    .else
    bra     \hop
    .endif
    .endm
    .macro  entry target
    bra     \target
     nop
    rest
    .endm
    .macro  rest
    .rept   3
    to      inside, hop_inside
     mov    #number, r4
    .endr
    .set    number, number + 1
    .endm
    .set    number, 0
    .balign 4096
    .global page
page:
    entry   set_vbr
    entry   idle
    entry   route
    entry   query
    entry   restart
    entry   stop
    entry   wait_stub
    entry   write
    entry   read
    .rept   247
    .if     number == 128
    bra     refused
     mov    #-128, r4
hop:        bra     refused
     nop
hop_inside: bra     inside
     nop
    bra     inside
     mov    #-128, r4
    .set    number, number + 1
    .else
    to      refused, hop
     mov    #(number ^ 128) - 128, r4
    .rept   3
    to      inside, hop_inside
     mov    #(number ^ 128) - 128, r4
    .endr
    .set    number, number + 1
    .endif
    .endr

    .section .table, "a"
    .balign 32
    .global spm_table           ! struct table, filled by the launcher
spm_table:
    .long   TABLE_MAGIC
    .space  TABLE_BYTES - 4

    .section .stack, "aw", @nobits
    .balign 4
    .space  1024
    .global call_frame          ! what spm_call pushes: PR SR R15
call_frame: .space 12
stack_end:

    .bss
    .balign VCPU_SIZE
    .global vcpus, nobody       ! by priority, ending at nobody, who is always ready and owns what no guest does
vcpus:      .space MAX_GUESTS * VCPU_SIZE
            .space VCPU_BELOW
nobody:     .space VCPU_SIZE
console:    .space VCPU_SIZE - VCPU_BELOW
    .global console, current, fpu_holder, mmu_holder, first, floor, fpscr_lost
    .balign 32
current:    .space 4            ! the guest whose registers are in the CPU, or whose turn is being prepared
fpu_holder: .space 4            ! whose registers are in the FPU, in the MMU; 0: nobody's
mmu_holder: .space 4
fpscr_lost: .space 4            ! who had the FPU when the CPU was reset last
first:      .space 4            ! the highest guest; `floor` is found behind it
floor:      .space 4            ! V_WAKE above which interrupts come while no guest that waits asks for less
