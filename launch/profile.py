"""The profile of a run (``cosim run --profile``) as a table on stderr."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from launch.terminal import SafeConsole

NAMES = {
    "other": "the rest",
    "interpreter": "interpreter",
    "timed_interpreter": "interpreter with pipeline (sh4a)",
    "generated": "generated code",
    "translating": "generating and dropping code",
    "memory": "memory, slow path",
    "tlb": "TLB: translation, flushes",
    "fpu": "FPU, slow path",
    "caches": "caches, slow path (sh4a)",
    "bus": "bus and devices, messages",
    "waiting": "waiting for targets",
    "machine": "lines, interrupts, traps",
    "launcher": "launcher",
    "standing": "standing still: the host ran something else",
}
"""What a row of the JSON object's profile is called here."""


def show(profile: dict[str, Any]) -> None:
    """Print it: rows that were met, the longest first, then the counters that are not 0."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title="Host time of the CPU node", title_justify="left")
    for column in ("", "seconds", "share %", "samples"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in sorted(profile["rows"], key=lambda row: -row["samples"]):
        if row["samples"]:
            table.add_row(NAMES.get(row["name"], row["name"]), *_figures(row["seconds"], row["share"], row["samples"]))
    table.add_section()
    table.add_row("all", *_figures(profile["wall_s"], 1.0, profile["samples"]))
    console = SafeConsole(stderr=True)
    console.print(table)
    counters = [f"{name} {count:,}" for name, count in profile["counters"].items() if count]
    console.print(f"CPU time {profile['cpu_s']:.3f} s, of other threads {profile['threads_s']:.3f} s; waited "
                  f"{profile['waited_s']:.3f} s by the clock", soft_wrap=True)  # fmt: skip
    console.print("; ".join(counters), soft_wrap=True)


def _figures(seconds: float, share: float, samples: int) -> tuple[str, str, str]:
    return f"{seconds:.3f}", f"{100 * share:.1f}", f"{samples}"
