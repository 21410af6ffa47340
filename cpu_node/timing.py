"""Parameters of ``timing = "sh4a"``: one table for both cores. The model: docs/reference/timing.md.

Ticks are those of the 400 MHz CPU clock. Clocks of the board (SH7780 on the SH-2007): SuperHyway 200 MHz (2 ticks),
memory 160 MHz (2.5 ticks, DDR-320 on 32 bits), peripherals 33.3 MHz (``PERIPHERAL_DIVIDER``, 12 ticks, which the timers
and serial ports count by as well: what Linux's clock-sh7780.c makes of FRQCR, PFC 1/24 of an 800 MHz PLL).
The page docs/reference/timing-parameters.md and the C header are made from here.
"""

from __future__ import annotations

from typing import NamedTuple

from cosim import PERIPHERAL_DIVIDER
from cpu_node.isa import LATENCIES

GCC = "GCC's sh4a.md"
OWN = "own decision: "


class Class(NamedTuple):
    """A latency class of cpu_node/isa.py. Ticks; ``double`` counts with FPSCR.PR=1; ``fe`` how long FE is busy."""

    name: str
    latency: int
    double: int
    fe: int
    fe_double: int
    source: str
    meaning: str


CLASSES: tuple[Class, ...] = (
    Class("alu", 0, 0, 0, 0, GCC, "integer arithmetic, logic and shifts: ready in the same tick"),
    Class("move", 0, 0, 0, 0, f"{GCC}; LDC, STC, LDS PR: {OWN}as MOV", "MOV of registers and immediates"),
    Class("mt", 1, 1, 0, 0, GCC, "comparisons: T in the next tick"),
    Class("mova", 1, 1, 0, 0, GCC, "MOVA"),
    Class("load", 3, 3, 0, 0, f"{GCC}; TAS, TST.B, MOVLI: {OWN}as any load", "loads that hit"),
    Class("store", 0, 0, 0, 0, GCC, "stores, cache operations: nothing waits for them"),
    Class("mul", 2, 2, 0, 0, GCC, "MULS.W, MULU.W"),
    Class("dmul", 3, 3, 0, 0, GCC, "MUL.L, DMULS.L, DMULU.L"),
    Class("mac", 3, 3, 0, 0, GCC, "MAC.L, MAC.W, STS of MACH and MACL"),
    Class("co", 3, 3, 0, 0, OWN + "as a load, since most read and write memory or SR", "system instructions"),
    Class("branch", 2, 2, 0, 0, GCC, "BF, BT, BRA, BSR: from issue to the target's"),
    Class("jump", 3, 3, 0, 0, f"{GCC}; BRAF, BSRF: {OWN}as JMP, by register too", "JMP, JSR, RTS, BRAF, BSRF"),
    Class("rte", 4, 4, 0, 0, f"{GCC}: it holds issue for 4", "RTE"),
    Class("fmove", 2, 2, 0, 0, f"{GCC}; FPUL transfers: {OWN}as FMOV", "FMOV of registers, FLDI, FABS, FNEG, FPUL"),
    Class("fp", 3, 5, 1, 3, f"{GCC}; FIPR: as FMAC", "FADD, FSUB, FMUL, FMAC, FIPR"),
    Class("fcvt", 3, 3, 1, 1, f"{GCC}; FCMP of doubles: {OWN}as singles", "FCMP, FLOAT, FTRC, FCNV, FRCHG and such"),
    Class("fdiv", 20, 36, 2, 3, GCC, "FDIV, FSQRT; the divider is busy as long"),
    Class("fsrra", 5, 5, 1, 1, GCC, "FSRRA"),
    Class("fsca", 7, 7, 3, 3, GCC, "FSCA"),
    Class("ftrv", 6, 6, 4, 4, OWN + "four inner products of latency 3, one a tick", "FTRV"),
)


class Parameter(NamedTuple):
    """A stall or an entry cost. Ticks."""

    name: str
    ticks: int
    source: str
    meaning: str


PCK = PERIPHERAL_DIVIDER  # ticks of a peripheral clock
SHWY = 2  # of a SuperHyway clock, 200 MHz
RESPONSE = "Table 10.14 of the SH7781's public hardware manual (REJ09B0261), a sibling of the SH7780"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "line_fill", 50,
        "estimate: to memory and back over the SuperHyway 4 clocks (8), controller 4 memory clocks "
        "(10), row and column 6 (15), 8 beats 4 (10), back into the cache 3 ticks and the stopped pipeline 4",
        "miss of a load, store or fetch: 32 bytes from memory",
    ),
    Parameter(
        "write_back", 20,
        "estimate: the line goes to a buffer while the new one is fetched; what is seen is its 4 "
        "memory clocks of data and 4 to turn the bus around (8 of 2.5)",
        "a dirty line gives way or is written back; a store queue is written",
    ),
    Parameter(
        "prefetch", 4,
        "estimate: the fill goes on behind; the CPU sees its start, 2 SuperHyway clocks",
        "miss of PREF or PREFI",
    ),
    Parameter(
        "uncached_read", 40,
        "estimate: as line_fill without the beats that follow the first and the fill of the cache",
        "load of RAM past the cache, and fetch of 4 bytes",
    ),
    Parameter(
        "uncached_write", 10,
        "estimate: goes through a buffer that memory empties at 4 clocks a write (10)",
        "store to RAM past the cache, or write-through",
    ),
    Parameter(
        "mmio_read", 4 * SHWY + 3 * PCK // 2 + 4 * PCK,
        f"estimate: SuperHyway there and back 4 clocks ({4 * SHWY}), synchronisation to the peripheral clock 1.5 on "
        f"average ({3 * PCK // 2}), 2 clocks of access and 2 of the bridge ({4 * PCK})",
        "load from a device",
    ),
    Parameter(
        "mmio_write", 2 * PCK + 4 * SHWY,
        f"estimate: the bridge takes it at once; the next write waits 2 peripheral clocks ({2 * PCK}) and the "
        f"SuperHyway ({4 * SHWY})",
        "store to a device",
    ),
    Parameter("register", 4, "estimate: an access on the CPU's own bus, 2 SuperHyway clocks", "core's registers in P4"),
    Parameter(
        "exception_entry", 13,
        f"{RESPONSE}: 11 CPU clocks and a SuperHyway clock (2) from saving SR and PC to the fetch",
        "exceptions at VBR + 0x100",
    ),
    Parameter("tlb_entry", 13, "as exception_entry: the same sequence", "TLB misses, at VBR + 0x400"),
    Parameter(
        "interrupt_entry", 39,
        "calibrated: makes row 1 of the paper's Table 2 (RTOS alone, average 81.44) come out at 81.1. "
        f"{RESPONSE} would give {5 * PCK + 13}: 5 peripheral clocks ({5 * PCK}) to decide priority, 11 CPU clocks, a "
        "SuperHyway clock; 39 is 2 peripheral clocks, 2 ticks and the same. No sample of row 1 misses a cache, so it "
        "says nothing about memory. All is charged at acceptance: the wait for a unit's end is simulated",
        "interrupts, at VBR + 0x600",
    ),
)  # fmt: skip

LATENCY = {c.name: (c.latency, c.double) for c in CLASSES}  # class -> (PR=0, PR=1)
FE_BUSY = {c.name: (c.fe, c.fe_double) for c in CLASSES}
TICKS = {p.name: p.ticks for p in PARAMETERS}


def header() -> str:
    """The tables for the C core, by LAT_ of isa.h."""

    def row(values: list[int]) -> str:
        return "{" + ", ".join(map(str, values)) + "}"

    by_name = {c.name: c for c in CLASSES}
    classes = [by_name[name] for name in LATENCIES]
    lines = [
        "/* Generated from cpu_node/timing.py by `python -m cpu_node.timing header`; do not edit. */",
        "enum {",
        *(f"    TIME_{p.name.upper()} = {p.ticks}," for p in PARAMETERS),
        "};",
        "/* By FPSCR.PR and latency class (LAT_), ticks. */",
        f"static const uint8_t time_latency[2][{len(classes)}] = {{",
        f"    {row([c.latency for c in classes])},",
        f"    {row([c.double for c in classes])},",
        "};",
        f"static const uint8_t time_fe_busy[2][{len(classes)}] = {{",
        f"    {row([c.fe for c in classes])},",
        f"    {row([c.fe_double for c in classes])},",
        "};",
    ]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """docs/reference/timing-parameters.md."""
    lines = [
        "# Timing parameters",
        "",
        "Generated from `cpu_node/timing.py` by `python -m cpu_node.timing`; do not edit. The model that uses them:",
        "[timing.md](timing.md). Ticks of the 400 MHz clock.",
        "",
        "## Stalls and entries",
        "| parameter | ticks | of | source |",
        "|---|---|---|---|",
        *(f"| `{p.name}` | {p.ticks} | {p.meaning} | {p.source} |" for p in PARAMETERS),
        "",
        "## Latencies",
        "With FPSCR.PR=1 the second figure counts. FE: how long it is busy for the next FP arithmetic.",
        "",
        "| class | latency | FE | of | source |",
        "|---|---|---|---|---|",
    ]
    for c in CLASSES:
        latency = f"{c.latency}" + (f" / {c.double}" if c.double != c.latency else "")
        fe = (f"{c.fe}" + (f" / {c.fe_double}" if c.fe_double != c.fe else "")) if c.fe else ""
        lines.append(f"| `{c.name}` | {latency} | {fe} | {c.meaning} | {c.source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    print(header() if "header" in sys.argv else reference(), end="")
