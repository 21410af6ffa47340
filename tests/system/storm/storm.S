! Start, vectors and register checks of storm.c. Bank 1: R0-R3 are scratch, R4-R7 hold what start put there.
    .macro  save
    mov.l   r8, @-r15
    mov.l   r9, @-r15
    mov.l   r10, @-r15
    mov.l   r11, @-r15
    mov.l   r12, @-r15
    mov.l   r13, @-r15
    mov.l   r14, @-r15
    sts.l   pr, @-r15
    stc.l   gbr, @-r15
    .endm
    .macro  restore
    ldc.l   @r15+, gbr
    lds.l   @r15+, pr
    mov.l   @r15+, r14
    mov.l   @r15+, r13
    mov.l   @r15+, r12
    mov.l   @r15+, r11
    mov.l   @r15+, r10
    mov.l   @r15+, r9
    mov.l   @r15+, r8
    .endm
    .section .text.start, "ax"
    .global _start
_start:
    mov.l   1f, r15
    mov.l   2f, r0
    ldc     r0, sr              ! bank 0, IMASK=15
    bsr     bank1
     nop
    mov.l   3f, r0
    jmp     @r0
     nop
    .balign 4
1:  .long   stack
2:  .long   0x400000f0
3:  .long   main

! void bank1(void): R4-R7 of bank 1 as the checks expect them
    .global bank1
bank1:
    stc     sr, r1
    mov.l   1f, r0
    mov.l   2f, r2
    or      r1, r0
    ldc     r0, sr              ! blocked
    ldc     r2, r4_bank
    add     #1, r2
    ldc     r2, r5_bank
    add     #1, r2
    ldc     r2, r6_bank
    add     #1, r2
    ldc     r2, r7_bank
    ldc     r1, sr
    rts
     nop
    .balign 4
1:  .long   0x10000000
2:  .long   0xb1b10000

! void wait(void)
    .global wait
wait:
    save
    mov.l   1f, r0
    jsr     @r0
     nop
    bsr     bank1
     nop
    restore
    rts
     nop
    .balign 4
1:  .long   0x8ffff060

    .balign 256
    .global vectors
vectors:
    .space  0x600
    sts.l   pr, @-r15
    stc.l   r0_bank, @-r15
    stc.l   r1_bank, @-r15
    stc.l   r2_bank, @-r15
    stc.l   r3_bank, @-r15
    stc.l   r4_bank, @-r15
    stc.l   r5_bank, @-r15
    stc.l   r6_bank, @-r15
    stc.l   r7_bank, @-r15
    sts.l   mach, @-r15
    sts.l   macl, @-r15
    stc.l   gbr, @-r15
    stc.l   spc, @-r15
    stc.l   ssr, @-r15
    mov.l   1f, r0
    mov.l   @r0, r0
    ldc     r0, r4_bank
    stc     sr, r1
    ldc     r1, r5_bank
    stc     ssr, r0
    ldc     r0, r6_bank
    mov.l   2f, r2              ! bank 0, BL=0, IMASK as it is
    and     r2, r1
    ldc     r1, sr
    mov.l   3f, r0
    jsr     @r0
     nop
    mov.l   4f, r1
    stc     sr, r0
    or      r1, r0
    ldc     r0, sr              ! bank 1, BL=1
    mov.l   1f, r0              ! bank 1 is as start left it
    ldc.l   @r15+, ssr
    ldc.l   @r15+, spc
    ldc.l   @r15+, gbr
    lds.l   @r15+, macl
    lds.l   @r15+, mach
    ldc.l   @r15+, r7_bank
    ldc.l   @r15+, r6_bank
    ldc.l   @r15+, r5_bank
    ldc.l   @r15+, r4_bank
    ldc.l   @r15+, r3_bank
    ldc.l   @r15+, r2_bank
    ldc.l   @r15+, r1_bank
    ldc.l   @r15+, r0_bank
    lds.l   @r15+, pr
    rte
     nop
    .balign 4
1:  .long   0xff000028
2:  .long   0xcfffffff
3:  .long   interrupt
4:  .long   0x30000000

    .macro  pattern from        ! R8-R14, GBR: from, from + 1 ...
    mov     \from, r8
    mov     \from, r9
    add     #1, r9
    mov     \from, r10
    add     #2, r10
    mov     \from, r11
    add     #3, r11
    mov     \from, r12
    add     #4, r12
    mov     \from, r13
    add     #5, r13
    mov     \from, r14
    add     #6, r14
    ldc     \from, gbr
    .endm
    ! R0 := the number of a register that is not as `pattern` left it, from r7; 8..14, 16 GBR, 20 bank 1.
    .macro  check number, register
    mov     #\number, r0
    cmp/eq  r7, \register
    bf      9f
    add     #1, r7
    .endm

! unsigned long checked_idle(unsigned long pattern, unsigned long bl)
    .global checked_idle
checked_idle:
    save
    mov.l   r4, @-r15
    pattern r4
    mov.l   1f, r0
    jsr     @r0
     nop
kept:
    mov.l   @r15+, r7
    mov     r7, r6
    check   8, r8
    check   9, r9
    check   10, r10
    check   11, r11
    check   12, r12
    check   13, r13
    check   14, r14
    stc     gbr, r1
    mov     #16, r0
    cmp/eq  r1, r6
    bf      9f
    mov.l   2f, r6
    mov     #20, r0
    stc     r4_bank, r1
    cmp/eq  r1, r6
    bf      9f
    add     #1, r6
    stc     r5_bank, r1
    cmp/eq  r1, r6
    bf      9f
    add     #1, r6
    stc     r6_bank, r1
    cmp/eq  r1, r6
    bf      9f
    add     #1, r6
    stc     r7_bank, r1
    cmp/eq  r1, r6
    bf      9f
    mov     #0, r0
9:  restore
    rts
     nop
    .balign 4
1:  .long   0x8ffff010
2:  .long   0xb1b10000

! unsigned long checked_store(unsigned long address, unsigned long value, unsigned long pattern, unsigned long fpu)
! The store raises lines, so other guests may run at its end, and handlers; every register is then as before.
    .global checked_store
checked_store:
    save
    mov.l   r6, @-r15
    pattern r6
    mov     r6, r0
    tst     r7, r7
    bt      1f
    lds     r6, fpul
    fsts    fpul, fr3
    frchg
    fsts    fpul, fr5
    frchg
1:  lds     r6, mach
    lds     r6, macl
    mov     r6, r1
    mov     r6, r2
    mov     r6, r3
    mov.l   r5, @r4
    mov.l   @r4, r3             ! the bus has answered; an interrupt was taken by here
    mov     #30, r3
    cmp/eq  r1, r0
    bf      8f
    cmp/eq  r2, r0
    bf      8f
    cmp/eq  r6, r0
    bf      8f
    sts     mach, r1
    mov     #31, r3
    cmp/eq  r1, r0
    bf      8f
    sts     macl, r1
    cmp/eq  r1, r0
    bf      8f
    tst     r7, r7
    bt      2f
    mov     #32, r3
    flds    fr3, fpul
    sts     fpul, r1
    cmp/eq  r1, r0
    bf      8f
    frchg
    flds    fr5, fpul
    frchg
    sts     fpul, r1
    cmp/eq  r1, r0
    bf      8f
2:  bra     kept
     nop
8:  mov.l   @r15+, r7
    mov     r3, r0
    restore
    rts
     nop

    .bss
    .space  8192
stack:
