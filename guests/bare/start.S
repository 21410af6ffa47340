! Entry of a bare program (no kernel, no SPUMONE): stack at the end of the RTOS range, then main.
! The machine enters with SR = MD,RB,BL,IMASK=15, and so it stays: no interrupt is ever taken.
    .section .text.start, "ax"
    .global _start
_start:
    mov.l   stack, r15
    mov.l   main_at, r0
    jsr     @r0
     nop
1:  sleep
    bra     1b
     nop
    .balign 4
stack:      .long 0x8f000000
main_at:    .long main
