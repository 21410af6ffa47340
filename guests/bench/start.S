! Start of a benchmark: caches and MMU on, then main at translated addresses; its end is the machine's end.
! A raw image at physical 0x0c800000, where QEMU's r2d loads a kernel and enters it through P2. The same words run on
! both machines: the console is a store to r2d's SCIF, the end a store to its power-off register.
    .section .start, "ax"
    .global _start
_start:
    bra     1f
     nop
    .long   1                   ! offset 4: iterations, patched by bench/cpu.py
1:  mov.l   ccr, r0             ! the caches are switched on from P2
    mov.l   caches_on, r1
    mov.l   r1, @r0
    mov.l   in_p1, r0
    jmp     @r0
     nop
    .balign 4
ccr:        .long 0xff00001c
caches_on:  .long 0x0000090d    ! ICI, ICE, OCI, CB, OCE
in_p1:      .long 1f

1:  mov.l   vectors_at, r0
    ldc     r0, vbr
    mov.l   sr_value, r0
    ldc     r0, sr
    mov.l   fpscr_value, r0
    lds     r0, fpscr
    mov.l   mmucr, r0
    mov     #5, r1              ! TI, AT
    mov.l   r1, @r0
    mov.l   stack, r15
    mov.l   _start_at, r0
    mov.l   main_at, r1
    jsr     @r1                 ! main(iterations)
     mov.l  @(4, r0), r4
power_off:
    mov.l   powoff, r0
    mov     #1, r1
    mov.w   r1, @r0
1:  sleep
    bra     1b
     nop
    .balign 4
vectors_at: .long vectors
sr_value:   .long 0x400000f0    ! MD, IMASK 15
fpscr_value: .long 0x000c0000   ! DN, to nearest, PR: what -m4 expects at a call
mmucr:      .long 0xff000010
stack:      .long 0x00c00000
_start_at:  .long _start
main_at:    .long main
powoff:     .long 0xa4000030    ! PA_POWOFF of r2d

! Nothing but a TLB miss is expected: '!' on the console, and the end.
    .balign 256
vectors:
    .org    vectors + 0x100
wild:
    mov.l   console, r0
    mov     #'!', r1
    bra     power_off
     mov.b  r1, @r0
    .balign 4
console:    .long 0xffe8000c    ! SCFTDR2 of r2d

! A miss. The window 0x00800000..0x00bfffff is physical 0x0c800000.. in 64 KB pages, each with a UTLB entry of its
! own: no entry is ever replaced, so both machines miss equally often, whatever their URC does.
    .org    vectors + 0x400
    mov.l   pteh, r0
    mov.l   @r0, r1
    mov     r1, r2
    shlr16  r2
    add     #-0x80, r2          ! index of the page
    mov     #64, r3
    cmp/hs  r3, r2
    bt      wild
    shll8   r2
    shll2   r2
    add     #1, r2              ! MMUCR: URC = index, AT
    mov.l   r2, @(16, r0)
    mov.l   page_mask, r2
    and     r2, r1
    mov.l   flags, r2
    add     r2, r1
    mov.l   r1, @(4, r0)        ! PTEL
    ldtlb
    nop
    rte
     nop
    .balign 4
pteh:       .long 0xff000000
page_mask:  .long 0x00ff0000
flags:      .long 0x0c0001ec    ! physical 0x0c000000; V, 64 KB, all may read and write, C, D

    .org    vectors + 0x600
    bra     wild
     nop
