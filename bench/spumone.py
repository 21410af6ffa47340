"""SPUMONE's firmware on a bare core: size, and instructions of each part of its paths beside what the model charges.

    python -m bench.spumone [--json FILE]

Three guests that do nothing, a bus that remembers writes, and stimuli by hand. Exit code 1 where a part's instructions
are not those of ``hypervisor_node.paths``. The first tables are of ``timing = "sh4a"``: whole paths, everything in the
caches, and nothing; and how long the RTOS waits for SPUMONE. Latencies in a running machine: ``cosim latency``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any

from bench.measure import print_table, show
from cosim.image import load_elf
from cosim.sh7780 import INTEVT
from cpu_node import make_core
from guests.build import artefact
from hypervisor_node import layout
from hypervisor_node.model import ENTRIES, PAGE
from hypervisor_node.paths import PARTS

RAM = (0x08000000, 0x08000000)
MD, RB, BL, IMASK = 0x40000000, 0x20000000, 0x10000000, 0xF0
SPIN = bytes.fromhex("feaf0900")  # bra itself, nop
VECTORS = 0x10000  # of a guest, from its memory's start
STACK = 0x8000
LEVEL = {"TUNI0": 4, "RXI0": 8, "RXI1": 6, "TXI1": 8}  # INTC levels of the guests' lines
LINES = ("RXI0", "RXI1", "TUNI0")  # whose: a guest each


class Board:
    """A core in the firmware, with ``len(flags)`` guests; a guest's lines are LINES of its number."""

    def __init__(self, flags: tuple[int, ...] = (0, 0, 0), kind: str = "native", serial: int = 0) -> None:
        self.image = load_elf(artefact("spumone", "spumone.elf"))
        self.core: Any = make_core(kind, RAM)
        self.core.bus = self
        self.writes: list[tuple[int, int]] = []
        self.values: dict[int, int] = {}  # as written last
        self.base = [0x88000000 + k * 0x01000000 for k in range(len(flags))]
        for paddr, data in self.image.segments:
            self.core.write(paddr, data)
        guests = []
        for base, flag in zip(self.base, flags, strict=True):
            paddr = base & 0x1FFFFFFF
            for place in (0, 0x100, VECTORS + 0x100, VECTORS + 0x400, VECTORS + 0x600):
                self.core.write(paddr + place, SPIN)
            guests.append({"priority": 0, "entry": base, "sr": MD | RB | BL | IMASK, "flags": flag, "memory": paddr,
                           "size": 0x01000000, "segments": [(paddr, 0x0F100000, 32)]})  # fmt: skip
        owners = {INTEVT[line]: k for k, line in enumerate(LINES[: len(flags)])}
        owners |= {INTEVT["TXI1"]: layout.CONSOLE} if serial else {}
        self.core.write(self.at("spm_table") & 0x1FFFFFFF, layout.table(7, guests, owners, serial, 8))
        self.core.set_state({"pc": self.at("_start")})
        self.ends = {place: f"guest {k}" for k, base in enumerate(self.base) for place in (base, base + 0x100)}
        self.ends |= {base + VECTORS + at: f"vector {at:#x} of {k}" for k, base in enumerate(self.base)
                      for at in (0x100, 0x400, 0x600)}  # fmt: skip

    def at(self, symbol: str) -> int:
        """Address of a symbol of the firmware."""
        return self.image.symbol(symbol)

    def read(self, tick: int, paddr: int, size: int) -> int:
        """What was written last, or 0."""
        return self.values.get(paddr, 0)

    def write(self, tick: int, paddr: int, size: int, value: int) -> None:
        """A device's register."""
        self.writes.append((paddr, value))
        self.values[paddr] = value

    def go(self, *symbols: str) -> tuple[str, int]:
        """Where it comes to: a place of a guest, "asleep" or one of the symbols; and the instructions up to there."""
        places = {**self.ends, **{self.at(symbol): symbol for symbol in symbols}}
        self.core.set_breakpoints(frozenset(places))
        began = self.core.instructions
        stop = self.core.run(self.core.tick + 1_000_000)
        took = self.core.instructions - began
        if self.core.sleeping:
            return "asleep", took
        if stop.reason != "breakpoint":
            raise RuntimeError(f"the firmware at pc {stop.pc:#x}: {stop.reason} {stop.detail}")
        return places[stop.pc], took

    def call(self, entry: int | str, r4: int = 0, r5: int = 0, sr: int = MD, to: Iterable[str] = ()) -> tuple[str, int]:
        """A call by the guest that runs, which returns to its code at +0x100."""
        number = ENTRIES.index(entry) if isinstance(entry, str) else entry
        guest = self.running()
        self.core.set_state({"pc": PAGE + 16 * number, "pr": self.base[guest] + 0x100, "r15": self.base[guest] + STACK,
                             "r4": r4, "r5": r5, "sr": sr})  # fmt: skip
        return self.go(*to)

    def interrupt(self, line: str, to: Iterable[str] = ()) -> tuple[str, int]:
        """A line rises, is accepted, and falls."""
        self.core.set_irq(LEVEL[line], INTEVT[line])
        self.core.accept()
        self.core.set_irq(0, 0)
        return self.go(*to)

    def running(self) -> int:
        """Number of the guest whose registers are in the CPU."""
        pointer = int.from_bytes(self.core.read(self.at("current") & 0x1FFFFFFF, 4), "little")
        return len(self.base) - (self.at("nobody") - pointer) // 512

    @property
    def r0(self) -> int:
        """R0 as a signed number."""
        value: int = self.core.state()["r0"]
        return (value ^ 0x80000000) - 0x80000000

    def up(self, *imasks: int) -> Board:
        """Started; each guest has given its vectors; the first ones wait, under these IMASKs."""
        self.go()
        for k in range(len(self.base)):
            self.call("set_vbr", self.base[k] + VECTORS)
            if k == len(imasks):
                break
            self.call("idle", sr=MD | imasks[k] << 4)
        return self


def parts() -> dict[str, int]:
    """Instructions of each part of PARTS, as executed."""
    out: dict[str, int] = {}
    board = Board((0, 0))
    out["start"] = board.go()[1]
    board = Board()
    board.go()
    out["set_vbr"] = board.call("set_vbr", board.base[0] + VECTORS)[1]
    out["query"] = board.call("query", 4)[1]
    out["route"] = board.call("route", INTEVT["RXI1"], 1)[1]  # another's: refused, as most are
    one, three = (board.call("route", INTEVT[line], 1)[1] for line in ("ITI", "TUNI3"))  # codes of the mask bit
    out["granted"] = (three - one) // 2
    out["restart"] = board.call("restart", 1)[1]
    out["stop"] = board.call("stop", 1)[1]
    out["refused"] = board.call(9)[1]
    board.core.set_state({"pc": PAGE + 16 * 9 + 4, "pr": board.base[0] + 0x100, "sr": MD})
    out["inside"] = board.go()[1]

    board = Board().up(7)  # guest 1 runs
    board.core.set_state({"pc": board.at("spm_exception"), "sr": MD | RB | BL})
    out["exception"] = board.go()[1]
    board = Board().up(7)
    out["interrupt"] = board.interrupt("RXI1")[1]
    board = Board().up(7)
    out["switch"] = board.interrupt("RXI0", to=["spm_enter"])[1]
    out["enter"] = board.go()[1]
    board.call("wait", sr=MD | 7 << 4, to=["elect"])
    board.go()
    board.interrupt("RXI0", to=["spm_enter"])
    out["enter_bare"] = board.go()[1]
    out["wait"] = board.call("wait", sr=MD | 7 << 4, to=["elect"])[1]
    board = Board().up(7)
    out["idle"] = board.call("idle", sr=MD | 3 << 4, to=["elect"])[1]
    two = board.go()[1]  # to guest 2
    board = Board().up()
    board.call("idle", sr=MD | 7 << 4, to=["elect"])
    out["elect"] = two - board.go()[1]
    out["resume"] = two - 2 * out["elect"]
    board = Board().up(7, 3)
    board.call("idle", sr=MD, to=["elect"])
    out["sleep"] = board.go()[1] - 3 * out["elect"]
    out["wake"] = board.interrupt("RXI1", to=["spm_enter"])[1]
    board.go()  # guest 1 runs
    out["hold"] = board.interrupt("TUNI0")[1]  # for guest 2
    board.call("idle", sr=MD | 3 << 4, to=["elect"])
    out["unmask"] = board.go("spm_woken")[1] - out["sleep"] - 3 * out["elect"]
    board = Board().up(7, 3, 0)
    for _ in range(2):  # the first time it is told
        board.core.set_irq(9, INTEVT["ITI"])
        board.core.accept()
        board.core.set_irq(0, 0)
        out["wake_hold"] = board.go("elect")[1]
        board.go()

    # Of a switch to a guest that uses both units, what exceeds one that looks at neither, and one that moves neither.
    both = layout.FPU | layout.MMU
    switch = out["switch"] + out["enter"]
    out["units"] = Board((both, 0, 0)).up(7).interrupt("RXI0")[1] - switch
    for unit, flag in (("fpu", layout.FPU), ("mmu", layout.MMU)):
        out[unit] = Board((both, flag, 0)).up(7).interrupt("RXI0")[1] - switch - out["units"]
    board = Board((0, 0), serial=0xFFE10000).up()
    out["serial"] = board.interrupt("TXI1")[1]
    out["read"] = board.call("read", board.base[0], 1)[1]
    few, more = (board.call("write", board.base[0], size)[1] for size in (2, 8))
    out["copied"] = (more - few) // 6
    out["write"] = few - 2 * out["copied"]
    board.interrupt("TXI1")  # whose they are
    out["character"] = (board.interrupt("TXI1")[1] - out["serial"]) // 2
    board = Board((0, layout.RESTART, 0)).up(7)
    board.core.set_state({"pc": board.at("spm_reset"), "sr": MD | RB | BL | IMASK})
    out["reset"] = board.go("elect")[1]
    out["reap"], out["anew"] = (board.go("elect")[1] - out["elect"] for _ in range(2))
    return out


def whole() -> list[tuple[str, int, int]]:
    """(path, ticks from the acceptance or the call to the guest's instruction: caches warm, caches cold)."""
    rows = []
    paths = {
        "an interrupt goes on to the running guest": ("", "RXI1", ""),
        "Linux to the RTOS, which waited (wait)": ("wait", "RXI0", ""),
        "the RTOS's wait back to Linux": ("wait", "RXI0", "wait"),
        "the same with idle, which keeps registers: there": ("idle", "RXI0", ""),
        "and back": ("idle", "RXI0", "idle"),
    }
    for title, (how, line, back) in paths.items():
        ticks = []
        for cold in (False, True):
            board = Board((0, layout.FPU | layout.MMU, 0)).up(7)
            board.core.timing = "sh4a"
            for _ in range(3 if how else 0):  # there and back, with everything into the caches
                board.interrupt("RXI0")
                board.call(how, sr=MD | 7 << 4)
            if back or not how:
                board.interrupt(line)
            if not how:  # the guest is in its vector; its registers are as a running guest's
                board.core.set_state({"pc": board.base[1], "sr": MD})
            if cold:
                board.core.timing = "fast"
                board.core.timing = "sh4a"
            began = board.core.tick
            if back:
                board.call(back, sr=MD | 7 << 4)
            else:
                board.interrupt(line)
            ticks.append(board.core.tick - began)
        rows.append((title, *ticks))
    return rows


def waits() -> list[tuple[str, int]]:
    """(what SPUMONE has just begun, ticks from then, as RXI0 rises, to the RTOS's vector), with nothing in the caches.

    Guest 0 is the RTOS, which waits; guest 1 Linux, which runs, with both units.
    """
    reset = {"pc": 0, "sr": MD | RB | BL | IMASK, "ccr": 0}
    begins: dict[str, tuple[str, Callable[[Board, str], Any]]] = {
        "to take that interrupt": ("spm_interrupt", lambda board, at: board.interrupt("RXI0", [at])),
        "to hold and tell of one of a guest below": ("spm_interrupt", lambda board, at: board.interrupt("TUNI0", [at])),
        "Linux's first call: its vectors": ("serve_set_vbr", lambda board, at: board.call(
            "set_vbr", board.base[1] + VECTORS, to=[at])),
        "its claim of a line": ("serve_route", lambda board, at: board.call("route", INTEVT["ITI"], 1, to=[at])),
        "its restart, asked for by itself": ("serve_restart", lambda board, at: board.call("restart", 1, to=[at])),
        "its stop, likewise": ("serve_stop", lambda board, at: board.call("stop", 1, to=[at])),
        "its reset of the CPU": ("spm_reset", lambda board, at: board.core.set_state(reset | {"pc": board.at(at)})),
        "what becomes of it": ("spm_reap", lambda board, at: (
            board.core.set_state(reset | {"pc": board.at("spm_reset")}), board.go(at))),
        "to start it again": ("spm_reap", lambda board, at: (
            board.core.set_state(reset | {"pc": board.at("spm_reset")}), board.go(at), board.go(at))),
    }  # fmt: skip
    rows = []
    for title, (symbol, begin) in begins.items():
        board = Board((0, layout.FPU | layout.MMU | layout.RESTART, 0)).up(7)
        board.interrupt("RXI0")
        board.call("wait", sr=MD | 7 << 4)
        board.core.set_state({"pc": board.base[1], "r15": board.base[1] + STACK, "sr": MD})
        board.core.timing = "sh4a"
        begin(board, symbol)
        began = board.core.tick
        if "that" not in title:
            board.core.set_irq(LEVEL["RXI0"], INTEVT["RXI0"])
        board.core.set_breakpoints(frozenset({board.base[0] + VECTORS + 0x600}))
        while (stop := board.core.run(began + 1_000_000)).reason == "interrupt":
            board.core.accept()
            board.core.set_irq(0, 0)
        if stop.reason != "breakpoint":
            raise RuntimeError(f"{title}: the firmware at pc {stop.pc:#x}: {stop.reason} {stop.detail}")
        rows.append((title, board.core.tick - began))
    return rows


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", help="also write JSON here; - is stdout")
    args = parser.parse_args()
    counted = parts()
    image = load_elf(artefact("spumone", "spumone.elf"))
    code = sum(len(data.rstrip(b"\0")) for paddr, data in image.segments if paddr < 0x0F008000)
    wrong = [part for part in PARTS if counted[part] != PARTS[part].instructions]
    timed, waited = whole(), waits()
    result = {"schema": "cosim.bench.spumone/1", "text_bytes": code, "counted": counted,
              "charged": {part: PARTS[part].instructions for part in PARTS}, "ok": not wrong,
              "ticks_sh4a": [{"path": title, "warm": warm, "cold": cold} for title, warm, cold in timed],
              "waits_sh4a": [{"begun": title, "ticks": ticks} for title, ticks in waited]}  # fmt: skip
    rows = [[title, f"{warm}", f"{cold}"] for title, warm, cold in timed]
    title = "Whole paths, ticks (timing = 'sh4a'; the CPU's 39 to accept an interrupt are in them)"
    print_table(title, ["path", "caches warm", "cold"], rows, args.json)
    title = "The RTOS's interrupt rises as SPUMONE begins: ticks to its vector (timing = 'sh4a', nothing in the caches)"
    print_table(title, ["SPUMONE begins", "ticks"], [[title, f"{ticks}"] for title, ticks in waited], args.json)
    rows = [[part, f"{counted[part]}", f"{PARTS[part].instructions}", PARTS[part].does] for part in PARTS]
    title = f"SPUMONE's firmware: {code} bytes of code and constants, vectors' gaps included; instructions a part"
    show(title, ["part", "executed", "charged", "what it does"], rows, result, args.json)
    if wrong:
        print(f"bench: hypervisor_node/paths.py differs in {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
