"""Microbenchmarks of ``timing = "sh4a"``: ticks an iteration, measured against what was derived by hand.

    python -m bench.micro [NAME ...] [--core native|python] [--json FILE] [--page]

Programs, formulas and their derivation: guests/bench/micro.S, whose ELF carries them. Measured is the ticks of a run of
4 iterations less those of one of 2, halved: what comes before and behind vanishes, and caches are as a first iteration
leaves them. Exit code 1 where any differs. ``--page`` writes the table of docs/explanation/timing-model.md anew.
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

from bench.measure import ROOT, show
from cpu_node import CoreError, make_core
from cpu_node.timing import FE_BUSY, LATENCY, TICKS
from guests.build import artefact
from guests.stages import BuildError

BASE, SIZE = 0x0C000000, 0x100000
ENTRY, ITERATIONS, BENCHMARK = 0xAC000000, 4, 8  # P2; offsets of words of the image
FEW, MANY = 2, 4  # iterations
LIMIT = 10_000_000  # ticks in which any program ends
PAGE = ROOT / "docs" / "explanation" / "timing-model.md"
BEGIN, END = "<!-- python -m bench.micro --page -->", "<!-- end -->"


class Benchmark(NamedTuple):
    """A row of the table in micro.elf, and the address of its code."""

    name: str
    shows: str
    formula: str
    address: int


class Result(NamedTuple):
    """Ticks an iteration. ``measured`` is a fraction where two iterations took an odd number."""

    benchmark: Benchmark
    expected: int
    measured: Fraction


class Device:
    """A device at every address outside RAM: reads give 0; a store requests an interrupt, one of 0 takes it back."""

    def __init__(self, core: Any) -> None:
        self.core = core

    def read(self, tick: int, paddr: int, size: int) -> int:
        """Nothing there."""
        return 0

    def write(self, tick: int, paddr: int, size: int, value: int) -> None:
        """Level 1 is below the programs' IMASK, but for the one that wants it."""
        self.core.set_irq(1 if value else 0, 0x700)


def benchmarks() -> list[Benchmark]:
    """All of them. Raises BuildError if the guest ``bench`` is not built."""
    with artefact("bench", "micro.elf").open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".symtab")
        words = elf.get_section_by_name(".table").data().decode().split("\0")[:-1]
        rows = zip(words[::3], words[1::3], words[2::3], strict=True)
        return [Benchmark(*row, symbols.get_symbol_by_name(row[0])[0]["st_value"]) for row in rows]


def expected(formula: str) -> int:
    """The value of a formula of micro.S under the parameters of cpu_node/timing.py."""
    names: dict[str, Any] = {"__builtins__": {}, "max": max, "loop": 1 + LATENCY["branch"][0], **TICKS}
    for prefix, table in (("", LATENCY), ("fe_", FE_BUSY)):
        for name, (single, double) in table.items():
            names |= {f"{prefix}{name}": single, f"{prefix}{name}_double": double}
    return int(eval(formula, names))


def ticks(image: bytes, benchmark: Benchmark, iterations: int, kind: str, hot: int | None = None) -> int:
    """Of a run from reset to the program's end. ``hot``: of the native core, when it generates code."""
    core = make_core(kind, (BASE, SIZE))
    core.timing = "sh4a"
    if hot is not None:
        core.hot = hot
    core.bus = Device(core)
    core.write(BASE, image)
    core.write(BASE + ITERATIONS, iterations.to_bytes(4, "little"))
    core.write(BASE + BENCHMARK, benchmark.address.to_bytes(4, "little"))
    core.set_state({"sr": 0x700000F0, "fpscr": 0x00040001, "pc": ENTRY})
    while (stop := core.run(LIMIT)).reason == "interrupt":
        core.accept()
    core.bus = None  # device and core know each other
    if stop.reason != "sleep":
        raise SystemExit(f"bench.micro: {benchmark.name} on the {kind} core stopped: {stop}; expected its SLEEP "
                         f"within {LIMIT} ticks: see guests/bench/micro.S")  # fmt: skip
    return int(core.tick)


def measure(chosen: list[Benchmark], kind: str, hot: int | None = None) -> list[Result]:
    """Run them on a core of a kind."""
    image = artefact("bench", "micro.bin").read_bytes()
    results = []
    for b in chosen:
        few, many = (ticks(image, b, iterations, kind, hot) for iterations in (FEW, MANY))
        results.append(Result(b, expected(b.formula), Fraction(many - few, MANY - FEW)))
    return results


def table(results: list[Result]) -> str:
    """The table of docs/explanation/timing-model.md."""
    lines = ["| benchmark | shows | expected | ticks | measured |", "|---|---|---|---|---|"]
    lines += [f"| `{b.name}` | {b.shows} | `{b.formula}` | {wanted} | {measured} |" for b, wanted, measured in results]
    return "\n".join(lines) + "\n"


def parts(page: str) -> tuple[str, str, str]:
    """A page, parted at its table. Raises ValueError where it has no place for one."""
    before, table = page.split(BEGIN + "\n")
    table, behind = table.split(END)
    return before + BEGIN + "\n", table, END + behind


def main(words: list[str] | None = None) -> int:
    """Measure and print; the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; default: all")
    options.add_argument("--core", default="native", choices=["native", "python"])
    options.add_argument("--hot", type=int, metavar="N", help="native core: generate code at the Nth arrival; 0: never")
    options.add_argument("--json", metavar="FILE", help="also write the figures as JSON; - is standard output")
    options.add_argument("--page", action="store_true", help=f"write the table of {PAGE.relative_to(ROOT)} anew")
    args = options.parse_args(words)
    try:
        every = benchmarks()
        if unknown := set(args.names) - {b.name for b in every}:
            options.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(b.name for b in every)}")
        if not hasattr(make_core(args.core, (BASE, 4096)), "timing"):
            options.error(f'the {args.core} core has no timing = "sh4a": take --core python')
        if args.hot is not None and args.core != "native":
            options.error(f"--hot {args.hot}: only the native core generates code")
        results = measure([b for b in every if not args.names or b.name in args.names], args.core, args.hot)
    except (BuildError, CoreError) as error:
        print(f"bench.micro: {error}", file=sys.stderr)
        return 2
    rows = [{"name": b.name, "shows": b.shows, "formula": b.formula, "expected": wanted, "measured": float(measured),
             "difference": float(measured - wanted)} for b, wanted, measured in results]  # fmt: skip
    lines = [[b.name, b.shows, b.formula, str(wanted), str(measured), str(measured - wanted)]
             for b, wanted, measured in results]  # fmt: skip
    columns = ["benchmark", "shows", "formula", "expected", "measured", "difference"]
    result = {"schema": "cosim.bench.micro/1", "core": args.core, "benchmarks": rows}
    show(f'timing = "sh4a", {args.core} core: ticks an iteration', columns, lines, result, args.json)
    if args.page:
        before, _, behind = parts(PAGE.read_text())
        PAGE.write_text(before + table(results) + behind)
    return 1 if any(measured != wanted for _, wanted, measured in results) else 0


if __name__ == "__main__":
    sys.exit(main())
