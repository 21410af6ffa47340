"""The RTOS's kernel in the simulator: its size, and ticks of dispatch, service calls and interrupts.

    python -m bench.rtos [--core native|python] [--json FILE] [--page]

Runs guests/rtos/apps/bench.c on a core without a device and looks when the labels of the paths are passed: the first of
its rounds, which meets cold caches, and the last. ``timing = "fast"`` counts a tick an instruction. ``--page`` writes
the table of guests/rtos/README.md anew.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

from bench.measure import ROOT, show
from cpu_node import CoreError, make_core
from guests.build import artefact
from guests.stages import BuildError

DISPATCHER = {"dispatch", "dispatched"}  # labels within the other paths
LIMIT = 10_000_000  # ticks in which the program ends
RAISE = "RXI"  # when RXI rises, beside the labels
FSR = 0xFFE00010  # SCIF0's; written, it takes RXI back
LEVEL, RXI = 12, 0x720
ROUNDS = 4  # of bench.c
PAGE = ROOT / "guests" / "rtos" / "README.md"
BEGIN, END = "<!-- python -m bench.rtos --page -->\n", "<!-- end -->"
TIMINGS = ("fast", "sh4a")


class Row(NamedTuple):
    """From one label to the next, which follows at once but for the one it passes over."""

    name: str
    begin: str
    end: str
    over: str = ""


ROWS = [
    Row("dispatcher alone, task to task", "dispatch", "dispatched"),
    Row("sig_sem, to the higher task it wakes", "mark_sig_sem", "mark_sem_taken"),
    Row("wai_sem that waits, to the next task", "mark_sem_taken", "mark_sig_sem_end"),
    Row("sig_sem, none waits", "mark_act_tsk_end", "mark_sig_sem_free_end"),
    Row("wai_sem, one there", "mark_sig_sem_free_end", "mark_wai_sem_free_end"),
    Row("set_flg, to the higher task", "mark_set_flg", "mark_flg_met"),
    Row("snd_dtq, to the higher task", "mark_snd_dtq", "mark_dtq_received"),
    Row("snd_dtq, none waits", "mark_wai_sem_free_end", "mark_snd_dtq_free_end"),
    Row("rcv_dtq, one there", "mark_snd_dtq_free_end", "mark_rcv_dtq_free_end"),
    Row("snd_mbx, to the higher task", "mark_snd_mbx", "mark_mbx_received"),
    Row("get_mpf, one there", "mark_rcv_dtq_free_end", "mark_get_mpf_end"),
    Row("rel_mpf, none waits", "mark_get_mpf_end", "mark_rel_mpf_end"),
    Row("wup_tsk, to the higher task", "mark_wup_tsk", "mark_woken"),
    Row("act_tsk, to the higher task", "mark_act_tsk", "mark_short_task"),
    Row("a task's end, to the next task", "mark_short_task_end", "mark_act_tsk_end"),
    Row("ras_tex of the caller, to the routine", "mark_rel_mpf_end", "mark_routine"),
    Row("the routine's end, to the caller", "mark_routine_end", "mark_ras_tex_end"),
    Row("interrupt, raise to handler", RAISE, "interrupt_handler"),
    Row("handler's end, to the interrupted task", "mark_handler_end", "mark_irq_plain"),
    Row("handler's end, to the task it woke", "mark_handler_end", "mark_sem_from_handler"),
    Row("isig_sem in a handler, to the task it wakes", "mark_isig_sem", "mark_sem_from_handler", "mark_handler_end"),
    Row("iras_tex of the interrupted: handler's end, to the routine", "mark_handler_end", "mark_routine"),
    Row("the routine's end, to the interrupted task", "mark_routine_end", "mark_irq_raises"),
]


class Device:
    """A device at every address outside RAM: reads give 0, and a store to SCIF0's FSR takes the interrupt back."""

    def __init__(self, core: Any) -> None:
        self.core = core

    def read(self, tick: int, paddr: int, size: int) -> int:
        """Nothing there."""
        return 0

    def write(self, tick: int, paddr: int, size: int, value: int) -> None:
        """The handler's answer."""
        if paddr == FSR:
            self.core.set_irq(0, RXI)


def symbols(elf: ELFFile) -> dict[str, int]:
    """Address of each symbol."""
    table: Any = elf.get_section_by_name(".symtab")
    return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


def passings(image: Path, kind: str, timing: str) -> list[tuple[str, int]]:
    """(label, tick) of every label passed, in order. At a label mark_irq_* RXI rises, once a passing of the round."""
    core = make_core(kind)
    with image.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments("PT_LOAD"):
            core.write(segment["p_paddr"] & 0x1FFFFFFF, segment.data())
        names = {label for row in ROWS for label in row[1:3]} | {"mark_done"}
        marks = {name: at for name, at in symbols(elf).items() if name in names or name.startswith("mark_irq_")}
        labels: dict[int, list[str]] = {}
        for name, address in marks.items():
            labels.setdefault(address, []).append(name)
        core.set_state({"sr": 0x700000F0, "pc": elf["e_entry"]})
    if missing := names - {RAISE} - set(marks):
        raise BuildError(f"{image.name} has no label {', '.join(sorted(missing))}: build it anew")
    core.timing = timing
    core.bus = Device(core)
    core.set_breakpoints(list(labels))
    passed: list[tuple[str, int]] = []
    raised = ""
    while True:
        stop = core.run(LIMIT)
        if stop.reason == "interrupt":
            core.accept()
            continue
        if stop.reason != "breakpoint":
            core.bus = None  # device and core know each other
            raise SystemExit(f"bench.rtos: {image.name} on the {kind} core, timing {timing}, stopped: {stop}; expected "
                             f"its mark_done within {LIMIT} ticks")  # fmt: skip
        here = labels[core.state()["pc"]]
        passed += [(label, core.tick) for label in here]
        if "mark_done" in here:
            core.bus = None
            return passed
        irq = next((label for label in here if label.startswith("mark_irq_")), "")
        if irq and irq != raised:
            passed.append((RAISE, core.tick))
            core.set_irq(LEVEL, RXI)
            raised = irq


def durations(passed: list[tuple[str, int]], row: Row) -> list[int]:
    """Ticks of each time the row's path was taken."""
    over = {row.over, *DISPATCHER} - {row.begin, row.end}
    seen = [(label, tick) for label, tick in passed if label not in over]
    return [end - begin for (first, begin), (second, end) in pairwise(seen) if (first, second) == (row.begin, row.end)]


def kernel_bytes(image: Path) -> dict[str, int]:
    """Bytes of the kernel's code, with its entry and vectors, and of what it has besides in a demonstration."""
    with image.open("rb") as file:
        elf = ELFFile(file)
        kernel = symbols(elf)["__kernel_end"] - elf["e_entry"]
        sections = {s.name[1:]: s["sh_size"] for s in elf.iter_sections() if s.name in (".text", ".rodata", ".bss")}
    return {"kernel_text": kernel, **sections}


def with_table(page: str, last: dict[str, dict[str, int]]) -> str:
    """The page with its table written anew: of each row and timing the ticks of the last round. Raises ValueError
    where the page has no place for one."""
    before, rest = page.split(BEGIN)
    _, behind = rest.split(END)
    lines = ["| path | fast | sh4a |", "|---|---|---|"]
    lines += [f"| {name} | {ticks['fast']} | {ticks['sh4a']} |" for name, ticks in last.items()]
    return before + BEGIN + "\n".join(lines) + "\n" + END + behind


def main(words: list[str] | None = None) -> int:
    """Measure and print; the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--core", default="native", choices=["native", "python"])
    options.add_argument("--json", metavar="FILE", help="also write the figures as JSON; - is standard output")
    options.add_argument("--page", action="store_true", help=f"write the table of {PAGE.relative_to(ROOT)} anew")
    args = options.parse_args(words)
    try:
        image = artefact("rtos", "rtos-bench-bare.elf")
        size = kernel_bytes(artefact("rtos", "rtos-demo-bare.elf"))
        passed = {timing: passings(image, args.core, timing) for timing in TIMINGS}
    except (BuildError, CoreError) as error:
        print(f"bench.rtos: {error}", file=sys.stderr)
        return 2
    rows: list[dict[str, Any]] = []
    for row in ROWS:
        figures: dict[str, Any] = {"name": row.name}
        for timing in TIMINGS:
            taken = durations(passed[timing], row)
            if len(taken) < ROUNDS:
                raise SystemExit(f"bench.rtos: {row.name}: {row.begin} to {row.end} was taken {len(taken)} times; "
                                 f"expected {ROUNDS} or more: see guests/rtos/apps/bench.c")  # fmt: skip
            figures[timing] = {"first": taken[0], "last": taken[-1]}
        rows.append(figures)
    which_of = [(timing, which) for timing in TIMINGS for which in ("last", "first")]
    lines = [[f["name"], *(str(f[timing][which]) for timing, which in which_of)] for f in rows]
    title = (f"RTOS, {args.core} core: ticks of 400 MHz; kernel {size['kernel_text']} bytes of code, "
             f"demo {size['text']} + {size['rodata']} + {size['bss']} (text, rodata, bss)")  # fmt: skip
    result = {"schema": "cosim.bench.rtos/1", "core": args.core, "bytes": size, "ticks": rows}
    show(title, ["path", *(f"{timing}, {which}" for timing, which in which_of)], lines, result, args.json)
    if args.page:
        last = {f["name"]: {timing: f[timing]["last"] for timing in TIMINGS} for f in rows}
        PAGE.write_text(with_table(PAGE.read_text(), last))
    return 0


if __name__ == "__main__":
    sys.exit(main())
