"""What SPUMONE's paths cost: each path written out as the SH-4A code it stands for, and counted.

The model charges a path's instructions (a tick each, in either timing); loads and stores are counted beside them
for the timed core. There is no other constant: to change a cost, change the code. A test assembles every listing.
They are outlines, not a program: labels stand for branches not taken, and some tests and set-up between the parts
are left out, so a charge is a **lower bound** of what firmware would execute. Conventions, on entry by an
exception: bank 1, BL=1, R15 saved by the hardware in SGR, so R15 is the one free register; a vCPU structure holds
two scratch words, the guest's vectors and its save area.
"""

from __future__ import annotations

from typing import NamedTuple

# vCPU structure, byte offsets that the listings use.
SCRATCH0, SCRATCH1, VECTOR_GENERAL, VECTOR_TLB, VECTOR_INTERRUPT, IMASK, WAITING, SAVED = 0, 4, 8, 12, 16, 20, 24, 28

CCN = {"pteh": 0x00, "ttb": 0x08, "tea": 0x0C, "mmucr": 0x10, "tra": 0x20, "expevt": 0x24, "intevt": 0x28}
CONTROL = ("ssr", "spc", "gbr", "dbr")
BANK0 = tuple(f"r{n}_bank" for n in range(8))
SYSTEM = ("pr", "mach", "macl")

CURRENT = """
    mov.l   1f,r15              ! address of the running vCPU's pointer
    mov.l   @r15,r15            ! the running vCPU
"""
ROUTE = f"""
    mov.l   r0,@({SCRATCH0},r15)
    mov.l   r1,@({SCRATCH1},r15)
    mov.l   1f,r0               ! INTEVT's address
    mov.l   @r0,r0
    mov.l   1f,r1               ! table of owners, a word for each code
    shlr2   r0                  ! codes are 0x20 apart
    shlr    r0
    mov.l   @(r0,r1),r1         ! owner
    cmp/eq  r15,r1
    bf      1f
"""
EXCEPTION = f"""{CURRENT}
    mov.l   @({VECTOR_GENERAL},r15),r15
    jmp     @r15
    stc     sgr,r15             ! every guest register is as it was
"""
INTERRUPT = f"""{CURRENT}{ROUTE}
    mov.l   @({SCRATCH0},r15),r0
    mov.l   @({SCRATCH1},r15),r1
    mov.l   @({VECTOR_INTERRUPT},r15),r15
    jmp     @r15
    stc     sgr,r15
"""
# May the owner run? It is above the running guest, or that one waits; and its own mask lets the level in.
DELIVERABLE = f"""
    mov.l   1f,r0               ! INT2PRI of the source: base
    mov.l   @(4,r1),r2          ! owner's priority
    mov.l   @(4,r15),r3
    cmp/hi  r3,r2
    bf      1f
    mov.l   @r0,r0              ! its level
    mov.l   @({IMASK},r1),r2
    shlr    r0
    mov     #15,r3
    and     r3,r0
    cmp/gt  r2,r0
    bf      1f
"""


def _save() -> str:
    lines = ["mov.l r1,@-r15", "mov.l r0,@-r15", *(f"mov.l r{n},@-r15" for n in (*range(2, 15),))]
    lines += ["stc sgr,r0", "mov.l r0,@-r15"]  # R15
    lines += [f"stc.l {name},@-r15" for name in (*BANK0, *CONTROL)]
    lines += [f"sts.l {name},@-r15" for name in SYSTEM]
    lines += ["mov.l 1f,r0"]  # 0xff000000
    for offset in CCN.values():
        lines += [f"mov.l @({offset},r0),r1", "mov.l r1,@-r15"]
    return "\n".join(lines) + "\n"


def _restore() -> str:
    """The opposite of _save, in the opposite order; R15 is left for the end of the path."""
    lines = ["mov.l 1f,r0"]
    for offset in reversed(CCN.values()):
        lines += ["mov.l @r15+,r1", f"mov.l r1,@({offset},r0)"]
    lines += [f"lds.l @r15+,{name}" for name in reversed(SYSTEM)]
    lines += [f"ldc.l @r15+,{name}" for name in reversed((*BANK0, *CONTROL))]
    lines += ["mov.l @r15+,r0", "ldc r0,sgr"]  # R15
    lines += [f"mov.l @r15+,r{n}" for n in (*range(14, 1, -1), 0, 1)]
    return "\n".join(lines) + "\n"


SCRATCH = f"""
    mov.l   @({SCRATCH0},r15),r0
    mov.l   @({SCRATCH1},r15),r1
"""
SAVE, RESTORE = _save(), _restore()
SAVE_FPU = "\n".join(["frchg", *(f"fmov.s fr{n},@-r15" for n in range(16)), "frchg"]
                     + [f"fmov.s fr{n},@-r15" for n in range(16)]
                     + ["sts.l fpscr,@-r15", "sts.l fpul,@-r15"]) + "\n"  # fmt: skip
RESTORE_FPU = "\n".join(["lds.l @r15+,fpul", "lds.l @r15+,fpscr"]
                        + [f"fmov.s @r15+,fr{n}" for n in range(16)]
                        + ["frchg", *(f"fmov.s @r15+,fr{n}" for n in range(16)), "frchg"]) + "\n"  # fmt: skip
MAKE_CURRENT = """
    mov.l   1f,r0               ! address of the running vCPU's pointer
    mov.l   r1,@r0
    mov     r1,r15
"""
ENTER_INTERRUPT = f"""
    stc     ssr,r0              ! the guest's SR; SSR, SPC and SGR are as the hardware would leave them
    mov.l   @({VECTOR_INTERRUPT},r1),r2
    ldc     r2,spc
    mov.l   1f,r2               ! MD, RB, BL
    or      r2,r0
    ldc     r0,ssr
    mov.l   @({WAITING},r1),r15
"""
RETURN = """
    stc     sgr,r15             ! R15 of the guest that goes on
    rte
    nop
"""
# Highest guest that can run, by descending priority; a turn of the loop for each guest.
ELECT = f"""
    mov.l   1f,r1               ! first vCPU
    mov.l   @({WAITING},r1),r0
    tst     r0,r0
    bt      1f                  ! ready
    mov.l   @({IMASK},r1),r0
    mov.l   @r2+,r3             ! level of its highest pending request
    cmp/gt  r0,r3
    bt      1f
    mov.l   @r1,r1              ! next
"""
PENDING = """
    mov.l   1f,r2               ! INT2A1 and INTREQ: what is pending behind the masks
    mov.l   @r2,r3
    mov.l   1f,r2
    mov.l   @r2,r0
    or      r0,r3
    tst     r3,r3
"""
CALL = f"""
    stc     sr,r0               ! entered by a call: block, and find the vCPU
    mov.l   1f,r1
    or      r0,r1
    ldc     r1,sr
{CURRENT}"""
CALL_END = """
    ldc     r1,sr
    rts
    mov     #0,r0
"""
MASK = """
    mov.l   1f,r0               ! INT2MSKR
    mov.l   @(4,r1),r2          ! the source's bit
    mov.l   r2,@r0
    mov.l   @(8,r1),r3          ! remembered with the owner
    or      r2,r3
    mov.l   r3,@(8,r1)
"""
UNMASK = """
    mov.l   1f,r0               ! INT2MSKCR
    mov.l   @(8,r1),r2
    mov.l   r2,@r0
"""

LISTINGS = {
    "exception": EXCEPTION,
    "interrupt": INTERRUPT,
    "switch": CURRENT + ROUTE + DELIVERABLE + SCRATCH + SAVE + MAKE_CURRENT + RESTORE + ENTER_INTERRUPT + RETURN,
    "hold": CURRENT + ROUTE + DELIVERABLE + MASK + SCRATCH + RETURN,
    "fpu": SAVE_FPU + RESTORE_FPU,
    "elect": ELECT,
    "idle_switch": CALL + SAVE + PENDING + MAKE_CURRENT + RESTORE + RETURN,
    "idle_deliver": CALL + SAVE + PENDING + MAKE_CURRENT + RESTORE + ENTER_INTERRUPT + RETURN,
    "idle_stay": CALL + SAVE + PENDING + "sleep\n",
    "unmask": UNMASK,
    "set_vbr": CALL + "mov.l r4,@(8,r15)\nmov.l r4,@(12,r15)\nmov.l r4,@(16,r15)\n" + CALL_END,
    "route": CALL + "mov.l 1f,r1\nmov r4,r0\nshlr2 r0\nshlr r0\nmov.l @(r0,r1),r2\ntst r2,r2\nbf 1f\n"
             "mov.l r15,@(r0,r1)\n" + CALL_END,
    "query": CALL + "mov #4,r1\ncmp/hi r1,r4\nbt 1f\nmov r4,r0\nshll2 r0\nmov.l @(r0,r15),r0\n" + CALL_END,
    "refused": CALL + "mov #3,r1\ncmp/hi r1,r0\nbt 1f\n" + CALL_END,
}  # fmt: skip


class Cost(NamedTuple):
    """Instructions, loads and stores of a path."""

    instructions: int
    loads: int
    stores: int


def count(listing: str) -> Cost:
    """Count a listing: a line an instruction; @ as the first operand is a load, as the second a store."""
    instructions = loads = stores = 0
    for line in listing.splitlines():
        code = line.split("!")[0].strip()
        if not code:
            continue
        instructions += 1
        mnemonic, _, operands = code.partition(" ")
        if mnemonic in ("jmp", "rts", "rte", "nop"):
            continue
        first, _, last = operands.strip().partition(",") if not operands.strip().startswith("@(") else ("@", "", "")
        loads += first.startswith("@") or first == "1f" and mnemonic == "mov.l"
        stores += last.startswith("@")
    return Cost(instructions, loads, stores)


COSTS = {name: count(listing) for name, listing in LISTINGS.items()}


def charge(*paths: str) -> int:
    """Ticks of paths taken one after the other."""
    return sum(COSTS[path].instructions for path in paths)


def page() -> str:
    """Reference page of the paths, in Markdown."""
    out = ["# SPUMONE's paths", "", "Generated by `python -m hypervisor_node.paths`; do not edit.", ""]
    out += ["What the model charges: one tick an instruction, in either timing. **Modelled**, not executed: the",
            "listings are outlines, so a charge is a lower bound of what firmware would execute.", ""]
    out += ["| path | instructions = ticks | loads | stores |", "|---|---|---|---|"]
    out += [f"| {name} | {c.instructions} | {c.loads} | {c.stores} |" for name, c in COSTS.items()]
    for name, listing in LISTINGS.items():
        body = "\n".join(line for line in listing.splitlines() if line.strip())
        out += ["", f"## {name}", "", "```", body, "```"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(page(), end="")
