"""What the benchmarks share: a run of a topology, its figures, and the output."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cosim.topology import load
from launch.session import Session

ROOT = Path(__file__).resolve().parent.parent
PROMPT = r"guest\$ "


def boot(sets: list[str], idle_ticks: int = 0, topology: str = "spumone.toml") -> dict[str, Any]:
    """Linux to its prompt on SPUMONE, then ``idle_ticks`` at the prompt. Wall seconds count from START."""
    with Session(load(ROOT / "examples" / topology, sets)) as session:
        began = time.perf_counter()
        session.start()
        started = time.perf_counter()
        session.arm("linux", PROMPT)
        session.go(armed=True)
        booted = time.perf_counter()
        at_prompt = session.command("report")
        session.arm("linux", "")
        if idle_ticks:
            session.go(at_prompt["ticks"] + idle_ticks)
        idled = time.perf_counter()
        end = session.finish()
    return {"start_s": started - began, "boot_s": booted - started, "idle_s": idled - booted,
            "boot": at_prompt, "end": end}  # fmt: skip


def parser(text: str) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON; - is standard output")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each; the minimum counts (5)")
    return parser


def arguments(text: str) -> argparse.Namespace:
    """Those options, parsed."""
    return parser(text).parse_args()


def print_table(title: str, columns: list[str], rows: list[list[str]], where: str | None) -> None:
    """Print a table, to stderr where JSON goes to stdout (``where`` is "-")."""
    table = Table(title=title)
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k else "left")
    for row in rows:
        table.add_row(*row)
    Console(stderr=where == "-", width=None if sys.stdout.isatty() else 120).print(table)


def show(title: str, columns: list[str], rows: list[list[str]], result: dict[str, Any], where: str | None) -> None:
    """Print the table; write the JSON."""
    print_table(title, columns, rows, where)
    if where == "-":
        print(json.dumps(result))
    elif where:
        Path(where).write_text(json.dumps(result) + "\n")
