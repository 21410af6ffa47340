! Microbenchmarks of timing = "sh4a": what one iteration of each takes was derived by hand from
! docs/reference/timing.md, before any was run. bench/micro.py measures: T(4 iterations) - T(2), halved.
!
! In comments, the tick at which an instruction issues, counted from the iteration's begin: there all is ready and
! nothing pending, since the branch before was taken. Instructions of one tick are a pair. The loops lie in one
! 32-byte line each where nothing else is said, and their code and data are in the caches.
!
! NEXT is DT r4, BF: both take EX, so DT at D is followed by BF at D + 1, whose target is reached `branch` later:
!     loop = 1 + branch       the iteration ends at D + loop, or when all results are there, whichever is later
! Where the instruction before DT leaves EX free, DT is the second of its pair: D is the tick of that one.
!
! A formula's names are those of cpu_node/timing.py: stalls and entries, latencies of classes (fp_double: with
! FPSCR.PR=1), fe_CLASS how long FE is busy. Plain numbers are ticks in which something issued, or counts.

! name, what it shows, formula: into a table that is not loaded.
    .macro  BENCH name, shows, formula
    .pushsection .table, "", @progbits
    .asciz  "\name", "\shows", "\formula"
    .popsection
    .balignw 32, 0x0009
    .global \name
\name:
    .endm

    .macro  LOOP
    .balignw 32, 0x0009
1:
    .endm

    .macro  NEXT
    dt      r4
    bf      1b
    jmp     @r14
     nop
    .balign 4
    .endm

    .macro  CONST reg, value            ! any 32 bits
    mov.l   77f, \reg
    bra     78f
     nop
    .balign 4
77: .long   \value
78:
    .endm

! Entered at P2 with MMU and caches off. r4 iterations, r8 = r5 the buffer, r12 a device, r14 the way out.
    .text
    .global _start
_start:
    bra     1f
     nop
    .long   2                           ! offset 4: iterations,
    .long   alu_chain                   ! offset 8: the benchmark; both written by bench/micro.py
1:  mov.l   ccr, r0
    mov.l   caches_on, r1
    mov.l   r1, @r0
    mov.l   in_p1, r0
    jmp     @r0
     nop
    .balign 4
ccr:        .long 0xff00001c
caches_on:  .long 0x0000090d            ! ICI, ICE, OCI, CB (P1 is copy-back), OCE
in_p1:      .long 1f
1:  mov.l   sr_value, r0
    ldc     r0, sr
    mov.l   vectors_at, r0
    ldc     r0, vbr
    mov.l   single, r0
    lds     r0, fpscr
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    fldi1   fr\n
    .endr
    mov.l   start_at, r0
    mov.l   @(4, r0), r4
    mov.l   @(8, r0), r7
    mov.l   buffer_at, r5
    mov     r5, r8
    mov.l   device, r12
    mov.l   end_at, r14
    mov     #1, r0                      ! r0 and r1 differ
    mov     #2, r1
    jmp     @r7
     clrt
end:
    sleep
    bra     end
     nop
    .balign 4
sr_value:   .long 0x400000f0            ! MD, bank 0, IMASK 15
vectors_at: .long vectors
single:     .long 0x00040001            ! DN, toward zero, PR=0
start_at:   .long _start
buffer_at:  .long buffer
device:     .long 0xffe00010            ! a register of the SCIF
end_at:     .long end

! P1 is write-through from here on: CCR is written from P2.
write_through:
    mova    1f, r0
    mov.l   p2_bit, r1
    or      r1, r0
    jmp     @r0
     nop
    .balign 4
1:  mov.l   ccr_at, r0
    mov.l   through, r1
    mov.l   r1, @r0
    rts
     nop
    .balign 4
p2_bit:     .long 0x20000000
ccr_at:     .long 0xff00001c
through:    .long 0x00000101            ! ICE, OCE

! Exceptions: TRAPA is all that is expected.
    .balign 256
vectors:
    .org    vectors + 0x100
    rte                                 ! 0     both pipes: the slot cannot pair
     nop                                ! 1     ends at rte

! A TLB miss: the entries are filled in turn (LDTLB advances URC). Bank 1: r0 PTEH's address, r3 mask, r4 physical.
! The failing load counts as issued: 1, then tlb_entry. Here load + 4 + rte, and two accesses to registers.
    .org    vectors + 0x400
    mov.l   @r0, r1                     ! 0     PTEH; no pair behind it
    and     r3, r1                      ! 3     waits for it: load
    add     r4, r1                      ! 4
    mov.l   r1, @(4, r0)                ! 4     PTEL: takes the sum in the same tick
    ldtlb                               ! 5     both pipes
    nop                                 ! 6
    rte                                 ! 7     load + 4
     nop                                ! 8     ends rte behind it

! An interrupt: takes the request back. Bank 1: r0 the device, r1 zero.
    .org    vectors + 0x600
    mov.l   r1, @r0                     ! 0     mmio_write
    rte                                 ! 1
     nop                                ! 2     ends at 1 + rte

! Issue: integer ------------------------------------------------------------------------------------------------------

    BENCH alu_chain, "ADD, each on the one before: one a tick, since ADD takes EX", "8 + loop"
    LOOP
    .rept 8
    add     #1, r0                      ! 0..7
    .endr
    NEXT                                ! D = 8

    BENCH alu_independent, "ADD of four registers: no faster, EX is one pipe", "8 + loop"
    LOOP
    .rept 2
    add     #1, r0                      ! 0     4
    add     #1, r1                      ! 1     5
    add     #1, r2                      ! 2     6
    add     #1, r3                      ! 3     7
    .endr
    NEXT                                ! D = 8

    BENCH move_chain, "MOV, each of the one before: two a tick, ready in the same", "4 + loop"
    LOOP
    .rept 2
    mov     r0, r1                      ! 0     2
    mov     r1, r2                      ! 0     2
    mov     r2, r3                      ! 1     3
    mov     r3, r0                      ! 1     3
    .endr
    NEXT                                ! D = 4

    BENCH pair_ex_ls, "ADD and a store: a pair", "4 + loop"
    LOOP
    .rept 4
    add     #1, r0                      ! 0..3
    mov.l   r1, @r5                     ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH pair_ls_ex, "a store and ADD: a pair", "4 + loop"
    LOOP
    .rept 4
    mov.l   r1, @r5                     ! 0..3
    add     #1, r0                      ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH pair_address, "ADD gives the address of the store beside it", "4 + loop"
    LOOP
    .rept 4
    add     #0, r5                      ! 0..3
    mov.l   r1, @r5                     ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH pair_ls_ls, "stores only: no pairs; the last pairs with DT", "7 + loop"
    LOOP
    .rept 8
    mov.l   r1, @r5                     ! 0..7
    .endr
    NEXT                                ! D = 7

    BENCH pair_mt_mt, "comparisons: two a tick", "4 + loop"
    LOOP
    .rept 8
    cmp/eq  r0, r1                      ! 0 0 1 1 2 2 3 3
    .endr
    NEXT                                ! D = 4

    BENCH pair_mt_use, "CMP, MOVT: T in the next tick; MOVT pairs with the CMP behind it", "4*mt + 1 + loop"
    LOOP
    .rept 4
    cmp/eq  r0, r1                      ! 0     1 2 3   the last three beside MOVT (EX)
    movt    r2                          ! 1     2 3 4
    .endr
    NEXT                                ! D = 5

    BENCH pair_both, "SYNCO takes both pipes: pairs with nothing", "8 + loop"
    LOOP
    .rept 4
    synco                               ! 0     2 4 6
    add     #1, r0                      ! 1     3 5 7
    .endr
    NEXT                                ! D = 8

    BENCH pair_one_line, "three MOV in a line: the third pairs with DT", "1 + loop"
    LOOP
    mov     r0, r1                      ! 0
    mov     r1, r2                      ! 0
    mov     r2, r3                      ! 1
    NEXT                                ! D = 1

    BENCH pair_two_lines, "the same, the first in the line before: it cannot pair", "2 + loop"
    .balignw 32, 0x0009
    .rept 15
    nop
    .endr
1:  mov     r0, r1                      ! 0     last of its line
    mov     r1, r2                      ! 1
    mov     r2, r3                      ! 1
    NEXT                                ! D = 2

    BENCH mova_use, "MOVA and its use", "mova + 1 + loop"
    LOOP
    mova    9f, r0                      ! 0
    add     r0, r1                      ! mova
    NEXT                                ! D = mova + 1
9:

    BENCH stc_use, "STC SR and its use", "co + 1 + loop"
    LOOP
    stc     sr, r0                      ! 0
    add     r0, r1                      ! co
    NEXT                                ! D = co + 1

! Loads that hit ------------------------------------------------------------------------------------------------------

! D = max(load, n) + 1 with n instructions between: those issue at 0 (beside the load), 1, 2, 3 and the use at
! `load`, or behind them.
    .macro  USE distance, shows
    BENCH load_use_\distance, "\shows", "max(load, \distance) + 1 + loop"
    LOOP
    mov.l   @r5, r0                     ! 0
    .rept \distance
    add     #1, r7                      ! 0 1 2 3
    .endr
    add     r0, r1                      ! max(load, distance)
    NEXT
    .endm
    USE 0, "a load and its use"
    USE 1, "one ADD between: hidden"
    USE 2, "two"
    USE 3, "three: the load is hidden"
    USE 4, "four: one tick more"

    BENCH load_stream, "loads, unused: one a tick; DT pairs with the last", "7 + max(loop, load)"
    LOOP
    .rept 8
    mov.l   @r5, r0                     ! 0..7
    .endr
    NEXT                                ! D = 7; r0 at 7 + load

    BENCH pointer_chase, "each load gives the address of the next", "3*load + max(loop, load)"
    mov.l   r5, @r5
    mov     r5, r0
    LOOP
    .rept 4
    mov.l   @r0, r0                     ! 0, load, 2 load, 3 load
    .endr
    NEXT                                ! D = 3 load; r0 at D + load

    BENCH movua_stream, "MOVUA holds LS for 2 ticks", "3*2 + max(loop, load)"
    LOOP
    .rept 4
    movua.l @r5, r0                     ! 0 2 4 6
    .endr
    NEXT                                ! D = 6, in EX; r0 at 6 + load

    BENCH copy, "256 longs copied in 1 KB: the store waits for the load, BF/S's slot issues behind it", \
        "255*(load + max(3, 1 + branch)) + 5 + load + loop"
    CONST   r10, buffer + 0x1000
    CONST   r9, 256
    LOOP
    mov     r8, r5                      ! 0
    mov     r9, r7                      ! 0
    mov     r10, r6                     ! 1
    nop                                 ! 1
2:  mov.l   @r5+, r0                    ! 2     element: 0
    mov.l   r0, @r6                     !       load
    dt      r7                          !       load
    bf/s    2b                          !       load + 1
     add    #4, r6                      !       load + 2: the next element at load + 3; the last: D = 2 + load + 3
    NEXT

    BENCH load_unused, "a load that nobody uses", "1 + loop"
    LOOP
    mov.l   @r5, r0                     ! 0
    add     #1, r7                      ! 0
    NEXT                                ! D = 1; r0 is there at 3, before the target

! Multiplier ----------------------------------------------------------------------------------------------------------

    BENCH mul_chain, "MUL.L and STS MACL, each on the one before", "3*(dmul + mac) + dmul + max(1 + loop, mac)"
    LOOP
    .rept 4
    mul.l   r1, r0                      ! 0     then each dmul + mac later
    sts     macl, r0                    ! dmul  r0 at dmul + mac; both pipes
    .endr
    NEXT                                ! D is a tick behind the last STS, r0 mac behind it

    BENCH mulw_chain, "the same with MULS.W", "3*(mul + mac) + mul + max(1 + loop, mac)"
    LOOP
    .rept 4
    muls.w  r1, r0
    sts     macl, r0
    .endr
    NEXT

    BENCH mul_stream, "MUL.L, unused: one a tick, two do not pair", "7 + max(loop, dmul)"
    LOOP
    .rept 8
    mul.l   r1, r0                      ! 0..7
    .endr
    NEXT                                ! D = 7; MAC at 7 + dmul

    BENCH mul_pairs, "MUL.L beside ADD", "4 + max(loop, dmul - 1)"
    LOOP
    .rept 4
    mul.l   r1, r0                      ! 0..3
    add     #1, r2                      ! 0..3
    .endr
    NEXT                                ! D = 4; MAC at D - 1 + dmul

    .macro  MACS name, instruction, shows
    BENCH \name, "\shows", "1 + 3*mac + max(1 + loop, mac)"
    LOOP
    mov     r8, r5                      ! 0
    mov     r8, r6                      ! 0
    .rept 4
    \instruction @r5+, @r6+             ! 1, 1 + mac, 1 + 2 mac, 1 + 3 mac: each waits for MAC; both pipes
    .endr
    NEXT                                ! D = 2 + 3 mac
    .endm
    MACS mac_l, mac.l, "MAC.L: each waits for the sum"
    MACS mac_w, mac.w, "MAC.W: the same"

! FPU -----------------------------------------------------------------------------------------------------------------

! Four of one kind, each on the one before: D = 3 latencies (DT beside the last), the last result a latency later.
    .macro  FOUR name, shows, latency, instruction:vararg
    BENCH \name, "\shows", "3*\latency + max(loop, \latency)"
    LOOP
    .rept 4
    \instruction
    .endr
    NEXT
    .endm
    FOUR fadd_chain, "FADD, each on the one before", fp, fadd fr1, fr0
    FOUR fmac_chain, "FMAC", fp, fmac fr0, fr1, fr2
    FOUR fipr_chain, "FIPR", fp, fipr fv4, fv0
    FOUR ftrv_chain, "FTRV", ftrv, ftrv xmtrx, fv0
    FOUR fsrra_chain, "FSRRA", fsrra, fsrra fr0
    FOUR fmov_chain, "FMOV of a register (LS)", fmove, fmov fr0, fr0

    BENCH fadd_stream, "FADD of eight registers: FE takes one a tick", "7*fe_fp + max(loop, fp)"
    LOOP
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    fadd    fr8, fr\n                   ! 0..7
    .endr
    NEXT                                ! D = 7

    BENCH fadd_pairs, "FADD beside ADD", "3*fe_fp + 1 + max(loop, fp - 1)"
    LOOP
    .irp    n, 0, 1, 2, 3
    fadd    fr8, fr\n                   ! 0..3
    add     #1, r0                      ! 0..3
    .endr
    NEXT                                ! D = 3 fe_fp + 1; the last sum at D - 1 + fp

    BENCH fadd_double_chain, "FADD of doubles, each on the one before", "3*fp_double + max(loop, fp_double)"
    bsr     doubles
     nop
    LOOP
    .rept 4
    fadd    dr2, dr0
    .endr
    NEXT

    BENCH fadd_double_stream, "FADD of doubles, independent: FE is busy for 3", \
        "3*fe_fp_double + max(loop, fp_double)"
    bsr     doubles
     nop
    LOOP
    .irp    n, 0, 2, 4, 6
    fadd    dr8, dr\n                   ! 0 3 6 9
    .endr
    NEXT                                ! D = 9

    BENCH fdiv_stream, "two FDIV, independent: one divider", "fdiv + max(loop, fdiv)"
    LOOP
    fdiv    fr8, fr0                    ! 0
    fdiv    fr8, fr1                    ! fdiv
    NEXT                                ! D = fdiv; the second quotient at 2 fdiv

    BENCH fdiv_overlap, "FDIV, 18 ADD, use of the quotient: the ADD are free", "max(fdiv, 18) + max(loop, fp)"
    LOOP
    fdiv    fr8, fr0                    ! 0
    .rept 18
    add     #1, r0                      ! 0..17     in EX, the first beside FDIV; over two lines
    .endr
    fadd    fr0, fr1                    ! fdiv
    NEXT                                ! D = fdiv; the sum at fdiv + fp

    BENCH fdiv_branch, "FDIV, six FADD beside it, a branch: taken, it waits for the quotient", \
        "max(fe_fdiv + 5 + loop, fdiv)"
    LOOP
    fdiv    fr8, fr0                    ! 0
    .irp    n, 1, 2, 3, 4, 5, 6
    fadd    fr8, fr\n                   ! 2..7      FE busy at 0, 1
    .endr
    NEXT                                ! D = fe_fdiv + 5

    BENCH fdiv_double, "two FDIV of doubles", "fdiv_double + max(loop, fdiv_double)"
    bsr     doubles
     nop
    LOOP
    fdiv    dr8, dr0
    fdiv    dr8, dr2
    NEXT

    BENCH ftrv_stream, "FTRV of four vectors: FE is busy for 4", "3*fe_ftrv + max(loop, ftrv)"
    LOOP
    .irp    n, 0, 4, 8, 12
    ftrv    xmtrx, fv\n                 ! 0 4 8 12
    .endr
    NEXT                                ! D = 12

    BENCH fsca_stream, "FSCA, independent: FE is busy for 3", "3*fe_fsca + max(loop, fsca)"
    LOOP
    .irp    n, 0, 2, 4, 6
    fsca    fpul, dr\n                  ! 0 3 6 9
    .endr
    NEXT                                ! D = 9

    BENCH fcmp_use, "FCMP and MOVT", "fcvt + 1 + loop"
    LOOP
    fcmp/gt fr0, fr1                    ! 0
    movt    r0                          ! fcvt
    NEXT                                ! D = fcvt + 1

    BENCH dot_product, "256 elements: two loads, FMAC, BF beside FMAC; BF waits for the sum", \
        "255*(load + 1 + max(branch, fp)) + 4 + load + max(loop, fp - 1)"
    CONST   r9, 256
    CONST   r10, buffer + 0x1000
    LOOP
    mov     r8, r5                      ! 0
    mov     r9, r7                      ! 0
    mov     r10, r6                     ! 1
    nop                                 ! 1
2:  fmov.s  @r5+, fr1                   ! 2     element: 0
    fmov.s  @r6+, fr0                   !       1
    dt      r7                          !       1
    fmac    fr0, fr1, fr2               !       1 + load
    bf      2b                          !       1 + load; taken, the next element at 1 + load + max(branch, fp)
    NEXT                                ! the last: D = 2 + 2 + load; fr2 at 1 + load + fp, which is D + fp - 1

doubles:                                ! FPSCR.PR = 1
    mov.l   1f, r0
    lds     r0, fpscr
    rts
     nop
    .balign 4
1:  .long   0x000c0001

! Branches ------------------------------------------------------------------------------------------------------------

    BENCH branch_taken, "BRA: its slot issues beside it", "4*branch + loop"
    LOOP
    .rept 4
    bra     .+4                         ! 0     target at branch
     nop                                ! 0
    .endr
    NEXT

    BENCH branch_slot, "BRA with ADD in its slot, both EX: still free", "4*max(branch, 2) + loop"
    LOOP
    .rept 4
    bra     .+4                         ! 0
     add    #1, r0                      ! 1     before the target, for branch = 2
    .endr
    NEXT

    BENCH branch_conditional, "BF taken", "4*branch + loop"
    LOOP
    .rept 4
    bf      .+4                         ! T is 0 where the loop was closed by BF; a NOP is jumped over
    nop
    .endr
    NEXT

    BENCH branch_not_taken, "BT not taken: one a tick, nothing pairs behind it", "4 + loop"
    LOOP
    .rept 4
    bt      .+4                         ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH branch_second, "BT not taken as the second of a pair", "4 + loop"
    LOOP
    .rept 4
    mov     r0, r1                      ! 0..3
    bt      .+4                         ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH branch_not_taken_slot, "BT/S not taken: its slot pairs", "4 + loop"
    LOOP
    .rept 4
    bt/s    .+4                         ! 0..3
     mov    r0, r1                      ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH branch_not_taken_ex, "BT/S not taken with ADD in its slot: both EX", "8 + loop"
    LOOP
    .rept 4
    bt/s    .+4                         ! 0 2 4 6
     add    #1, r0                      ! 1 3 5 7
    .endr
    NEXT                                ! D = 8

    BENCH compare_branch, "CMP, BT not taken: BT waits for T", "4*(mt + 1) + loop"
    mov     #1, r0
    LOOP
    .rept 4
    cmp/eq  #0, r0                      ! 0
    bt      .+4                         ! mt    the next at mt + 1
    .endr
    NEXT

    BENCH call_bsr, "BSR and RTS", "4*(branch + jump) + loop"
    LOOP
    .rept 4
    bsr     back                        ! 0
     nop                                ! 0     RTS at branch (PR is there), back at branch + jump
    .endr
    NEXT

    BENCH call_jsr, "JSR and RTS", "4*(jump + jump) + loop"
    CONST   r7, back
    LOOP
    .rept 4
    jsr     @r7                         ! 0     RTS at jump
     nop
    .endr
    NEXT

    BENCH jump_table, "JMP to a loaded address", "load + jump + loop"
    CONST   r0, 3f
    mov.l   r0, @r5
    LOOP
    mov.l   @r5, r0                     ! 0
    jmp     @r0                         ! load
     nop                                ! load
3:  NEXT                                ! D = load + jump

    .balign 32
back:
    rts
     nop

! Operand cache -------------------------------------------------------------------------------------------------------

! A walk of n elements: an element takes 1 + loop and what its access stalls. The first begins at 1; the last BF is not
! taken, which takes 3 from the element's begin, then DT, BF: 1 + (n - 1)(1 + loop) + 3 + loop = n (1 + loop) + 3.
    .macro  WALK name, shows, formula, n, stride, from, instruction:vararg
    BENCH \name, "\shows", "\formula"
    CONST   r8, \from
    CONST   r9, \n
    CONST   r10, \stride
    LOOP
    mov     r8, r5                      ! 0
    mov     r9, r6                      ! 0
2:                                      ! 1     element: the access at 0
    \instruction
    add     r10, r5                     !       0
    dt      r6                          !       1
    bf      2b                          !       2   the next at 1 + loop; a loaded value is there by then
    NEXT
    .endm
    .macro  LOADS name, shows, formula, n, stride
    WALK \name, "\shows", "\formula", \n, \stride, buffer, mov.l @r5, r0
    .endm
    LOADS load_1k_4, "1 KB, every long: hits", "256*(1 + loop) + 3", 256, 4
    LOADS load_1k_32, "1 KB, every line: hits", "32*(1 + loop) + 3", 32, 32
    LOADS load_16k_32, "16 KB, every line: hits", "512*(1 + loop) + 3", 512, 32
    LOADS load_32k_32, "32 KB: fills the cache, hits", "1024*(1 + loop) + 3", 1024, 32
    LOADS load_33k_32, "33 KB: 32 sets have 5 lines for 4 ways, and least recently used misses all 160", \
        "1056*(1 + loop) + 3 + 160*line_fill", 1056, 32
    LOADS load_40k_32, "40 KB: 5 lines a set, misses only", "1280*(1 + loop + line_fill) + 3", 1280, 32
    LOADS load_64k_32, "64 KB: misses only", "2048*(1 + loop + line_fill) + 3", 2048, 32
    LOADS load_64k_4, "64 KB, every long: one miss in eight", "16384*(1 + loop) + 3 + 2048*line_fill", 16384, 4
    LOADS load_4096, "16 lines 4096 apart are of two sets: misses", "16*(1 + loop + line_fill) + 3", 16, 4096
    LOADS load_4128, "16 lines 4096 + 32 apart: 16 sets, hits", "16*(1 + loop) + 3", 16, 4128
    LOADS load_4_ways, "4 lines of one set: hits", "4*(1 + loop) + 3", 4, 8192
    LOADS load_5_ways, "5 lines of one set: misses", "5*(1 + loop + line_fill) + 3", 5, 8192

    BENCH chase_5_ways, "a chain of pointers through 5 lines of one set: the latency comes behind each miss", \
        "4*load + max(loop, load) + 5*line_fill"
    CONST   r10, 8192
    mov     r8, r5
    .rept 4
    mov     r5, r6
    add     r10, r5
    mov.l   r5, @r6
    .endr
    mov.l   r8, @r5
    mov     r8, r0
    LOOP
    .rept 5
    mov.l   @r0, r0                     ! 0, load, ... 4 load
    .endr
    NEXT                                ! D = 4 load; r0 at D + load

    WALK store_1k_32, "copy-back, 1 KB: hits", "32*(1 + loop) + 3", 32, 32, buffer, mov.l r0, @r5
    WALK store_64k_32, "copy-back, 64 KB: each store fetches a line and writes back another", \
        "2048*(1 + loop + line_fill + write_back) + 3", 2048, 32, buffer, mov.l r0, @r5
    WALK movca_64k_32, "the same with MOVCA.L: no line is fetched", \
        "2048*(1 + loop + write_back) + 3", 2048, 32, buffer, movca.l r0, @r5
    WALK p2_load, "uncached loads: P2", "32*(1 + loop + uncached_read) + 3", 32, 32, buffer + 0x20000000, \
        mov.l @r5, r0
    WALK p2_store, "uncached stores: P2", "32*(1 + loop + uncached_write) + 3", 32, 32, buffer + 0x20000000, \
        mov.l r0, @r5

    BENCH through_1k_4, "write-through, 1 KB, every long: each goes to memory", \
        "256*(1 + loop + uncached_write) + 3"
    CONST   r0, write_through
    jsr     @r0
     nop
    CONST   r9, 256
    LOOP
    mov     r8, r5                      ! as WALK
    mov     r9, r6
2:  mov.l   r0, @r5
    add     #4, r5
    dt      r6
    bf      2b
    NEXT

    BENCH prefetch_64k_32, "64 KB as above, each line asked for one element before", \
        "2048*(3 + loop + prefetch) + 4 + line_fill"
    CONST   r9, 2048
    mov     r8, r11
    add     #32, r11
    mov     #32, r10
    LOOP
    mov     r8, r5                      ! 0
    mov     r9, r6                      ! 0
    mov     r11, r7                     ! 1
    nop                                 ! 1
2:  pref    @r7                         ! 2     element: 0
    mov.l   @r5, r0                     !       1   hits, but for the first element
    add     r10, r5                     !       1
    add     r10, r7                     !       2
    dt      r6                          !       3
    bf      2b                          !       4   the next at 3 + loop
    NEXT                                ! 2 + (n - 1)(3 + loop) + 5 + loop = n (3 + loop) + 4

    BENCH write_back_1k, "stores to 1 KB, each line written back at once", "32*(2 + loop + write_back) + 3"
    mov     #32, r9
    LOOP
    mov     r8, r5                      ! 0
    mov     r9, r6                      ! 0
2:  mov.l   r0, @r5                     ! 1     element: 0
    ocbwb   @r5                         !       1
    add     #32, r5                     !       1
    dt      r6                          !       2
    bf      2b                          !       3   the next at 2 + loop
    NEXT                                ! 1 + (n - 1)(2 + loop) + 4 + loop = n (2 + loop) + 3

    BENCH store_queues, "both store queues filled and written: no pairs outside RAM", "18 + 2*write_back + loop"
    CONST   r0, 0xff000038              ! QACR0, QACR1: area 3
    mov     #0x0c, r1
    mov.l   r1, @r0
    mov.l   r1, @(4, r0)
    CONST   r5, 0xe0000000 + (buffer - _start)
    mov     r5, r6
    add     #32, r6
    LOOP
    .irp    d, 0, 4, 8, 12, 16, 20, 24, 28
    mov.l   r0, @(\d, r5)               ! 0..7
    .endr
    pref    @r5                         ! 8     write_back
    .irp    d, 32, 36, 40, 44, 48, 52, 56, 60
    mov.l   r0, @(\d, r5)               ! 9..16
    .endr
    pref    @r6                         ! 17    write_back
    NEXT                                ! D = 18

! Instruction cache ---------------------------------------------------------------------------------------------------

! n lines of code, each jumps to the next: branch a line. The last line: DT at 0, BT at 1, JMP at 2, its target at
! 2 + jump.
    .macro  LINES name, shows, formula, n
    BENCH \name, "\shows", "\formula"
    CONST   r7, \name\()_lines
    jmp     @r7
     nop
    .balign 0x2000                      ! a set of its own number for each line
\name\()_lines:
    .rept \n - 1
    bra     .+32                        ! 0
     nop                                ! 0
    rts                                 ! for code_5_ways
     nop
    .balignw 32, 0x0009
    .endr
    dt      r4                          ! 0
    bt      1f                          ! 1
    jmp     @r7                         ! 2
     nop                                ! 2
1:  jmp     @r14
     nop
    .endm
    LINES code_32k, "32 KB of code: fills the cache, hits", "1023*branch + 2 + jump", 1024
    LINES code_40k, "40 KB of code: 5 lines a set, misses only", "1279*branch + 2 + jump + 1280*line_fill", 1280

    BENCH code_5_ways, "five functions in one set: misses", "5*(jump + jump + line_fill) + loop"
    CONST   r9, 8192
    CONST   r0, code_40k_lines + 0x1004 ! line 128, not the set of this loop
    mov     r0, r1
    add     r9, r1
    mov     r1, r2
    add     r9, r2
    mov     r2, r3
    add     r9, r3
    mov     r3, r6
    add     r9, r6
    LOOP
    .irp    n, 0, 1, 2, 3, 6
    jsr     @r\n                        ! 0     RTS at jump, back at 2 jump
     nop
    .endr
    NEXT

    BENCH code_uncached, "code in P2: a read for each 4 bytes, pairs as ever", "4 + loop + 5*uncached_read"
    CONST   r7, 1f + 0x20000000
    jmp     @r7
     nop
    LOOP
    .rept 8
    mov     r0, r1                      ! 0 0 1 1 2 2 3 3   4 words of 4 bytes
    .endr
    NEXT                                ! D = 4; DT and BF are one word

    BENCH page_crossing, "a load at a page's end is waited for before the next page", "load + 1 + loop"
    CONST   r7, 1f
    jmp     @r7
     nop
    .balign 4096
    .space  4094
1:  mov.l   @r5, r0                     ! 0     last of its page; drained at load
    add     #1, r7                      ! load
    NEXT                                ! D = load + 1

! TLB -----------------------------------------------------------------------------------------------------------------

! A page is mapped where the buffer is, so 00400000 + n is physical 0c000000 + n. The lines are of different sets.
    .macro  PAGES name, shows, formula, n
    BENCH \name, "\shows", "\formula"
    CONST   r0, 0xff000000
    ldc     r0, r0_bank
    mov     #5, r1                      ! MMUCR: TI, AT, URC = 0
    mov.l   r1, @(16, r0)
    CONST   r0, 0x000ff000
    ldc     r0, r3_bank
    CONST   r0, 0x0c00017c              ! V, 4 KB, all may read and write, C, D
    ldc     r0, r4_bank
    CONST   r8, 0x00400000 + (buffer - _start)
    CONST   r9, \n
    CONST   r10, 4096 + 32
    LOOP
    mov     r8, r5                      ! as WALK
    mov     r9, r6
2:  mov.l   @r5, r0                     ! 0     where it fails: 1 + tlb_entry + load + 4 + rte + 2 register before that
    add     r10, r5
    dt      r6
    bf      2b
    NEXT
    .endm
    PAGES tlb_64, "64 pages: fill the UTLB, hits", "64*(1 + loop) + 3", 64
    PAGES tlb_65, "65 pages, entries replaced in turn: misses only, each with its handler", \
        "65*(1 + loop + 1 + tlb_entry + load + 4 + rte + 2*register) + 3", 65

! Exceptions and devices ----------------------------------------------------------------------------------------------

    BENCH trap, "TRAPA, RTE at once", "1 + exception_entry + rte + loop"
    LOOP
    trapa   #0                          ! 0     entry behind 1; the handler takes rte
    NEXT

    BENCH interrupt, "a store to a device raises a request, the handler's store takes it back", \
        "2*(1 + mmio_write) + interrupt_entry + rte + loop"
    ldc     r12, r0_bank
    mov     #0, r0
    ldc     r0, r1_bank
    CONST   r0, 0x40000000              ! IMASK 0
    ldc     r0, sr
    mov     #1, r0
    LOOP
    mov.l   r0, @r12                    ! 0     1 + mmio_write, then the entry; handler: 1 + mmio_write + rte
    NEXT

    BENCH mmio_read, "loads from a device", "4*(1 + mmio_read) + max(loop, load - 1)"
    LOOP
    .rept 4
    mov.l   @r12, r0                    ! 0..3
    .endr
    NEXT                                ! D = 4: no pair outside RAM; r0 at 3 + load

    BENCH mmio_poll, "a load from a device, TST, BF not taken", "load + mt + 1 + mmio_read + loop"
    LOOP
    mov.l   @r12, r0                    ! 0
    tst     r0, r0                      ! load
    bf      1b                          ! load + mt; the device reads 0
    NEXT                                ! D = load + mt + 1

    BENCH mmio_write, "stores to a device", "4*(1 + mmio_write) + loop"
    mov     #0, r0
    LOOP
    .rept 4
    mov.l   r0, @r12                    ! 0..3
    .endr
    NEXT                                ! D = 4

    BENCH core_register, "loads of a register of the CPU: EXPEVT", "4*(1 + register) + max(loop, load - 1)"
    CONST   r7, 0xff000024
    LOOP
    .rept 4
    mov.l   @r7, r0                     ! 0..3
    .endr
    NEXT                                ! D = 4

    .bss
    .balign 0x2000
    .global buffer
buffer:
    .space  0x50000                     ! 65 pages
