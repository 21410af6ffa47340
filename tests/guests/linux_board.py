"""The least board Linux runs on, in one process: a core, TMU0-2, SCIF1, the INT2 levels of both, and SPUMONE's
call page with one guest that may have only some lines. For tests of the kernel we build; the real devices are
tested by whole runs. Characters leave at once. Every write outside RAM is kept in ``writes``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from cosim.image import load_elf
from cpu_node import make_core

COUNT = 48  # ticks of a TMU count at Pck/4
PAGE = 0x8FFFF000
TMU, SCIF1, INT2 = 0xFFD80000, 0xFFE10000, 0xFFD40000
TSTR, SCSCR, SCTDR, SCFSR, SCRDR, SCRFDR = TMU + 4, SCIF1 + 8, SCIF1 + 0xC, SCIF1 + 0x10, SCIF1 + 0x14, SCIF1 + 0x20
FIXED = {0xFFC80000: 0x01, 0xFF000030: 0x10200A00, 0xFF000040: 0x30440000, 0xFF000044: 0}


class Board:
    """Runs one kernel, from ``entry`` with ``sr`` (as after reset); ``output`` holds the bytes sent on SCIF1."""

    def __init__(self, vmlinux: Path, command_line: str, refused: frozenset[int] = frozenset(),
                 entry: int | str | None = None, sr: int | None = None) -> None:  # fmt: skip
        self.core = make_core("native")
        self.image = load_elf(vmlinux)
        for address, data in self.image.segments:
            self.core.write(address, data)
        self.core.set_state({"sr": 0x700000F0 if sr is None else sr, "pc": self.image.start(entry)})
        self.reached: Callable[[int], None] = lambda pc: None
        self.core.write(0x08001100, command_line.encode() + b"\0")
        self.core.set_trap_page(PAGE, PAGE + 0xFFF)
        self.core.bus = self
        self.refused = refused  # INTEVT codes of another guest
        self.calls: list[tuple[int, int]] = []
        self.output = bytearray()
        self.received: deque[int] = deque()
        self.registers = dict(FIXED)
        self.mask = 0xFFFFFFFF
        self.running: list[int | None] = [None, None, None]  # tick at which a channel's count began
        self.writes: list[tuple[int, int]] = []

    def due(self, channel: int) -> int | None:
        """Tick of a channel's underflow."""
        begun = self.running[channel]
        return None if begun is None else begun + (self.registers.get(TMU + 12 + 12 * channel, 0) + 1) * COUNT

    def catch_up(self, tick: int) -> None:
        for channel in range(3):
            while (due := self.due(channel)) is not None and due <= tick:
                base = TMU + 8 + 12 * channel
                self.registers[base + 8] = self.registers.get(base + 8, 0) | 0x100
                self.registers[base + 4] = self.registers.get(base, 0)
                self.running[channel] = due
        self.lines()

    def lines(self) -> None:
        scr = self.registers.get(SCSCR, 0)
        pri0, pri2 = self.registers.get(INT2, 0), self.registers.get(INT2 + 8, 0)
        pending = []
        for channel in range(2):
            if self.registers.get(TMU + 0x10 + 12 * channel, 0) & 0x120 == 0x120 and not self.mask & 1:
                pending.append((pri0 >> (25 - 8 * channel) & 15, 0x580 + 0x20 * channel))
        if not self.mask & 0x10:
            if scr & 0x40 and self.received:
                pending.append((pri2 >> 17 & 15, 0xBA0))
            if scr & 0x80:
                pending.append((pri2 >> 17 & 15, 0xBE0))
        level, intevt = max(pending, key=lambda row: row[0], default=(0, 0))
        self.core.set_irq(level, intevt)

    def read(self, tick: int, address: int, size: int) -> int:
        self.catch_up(tick)
        if address == SCFSR:
            return 0x60 | 2 * bool(self.received)
        if address == SCRFDR:
            return min(len(self.received), 16)
        if address == SCRDR:
            return self.received.popleft() if self.received else 0
        channel, place = divmod(address - TMU - 8, 12)
        if 0 <= channel < 3 and place == 4 and (begun := self.running[channel]) is not None:
            return self.registers.get(address, 0) - (tick - begun) // COUNT & 0xFFFFFFFF
        if address == INT2 + 0x38:
            return self.mask
        return self.registers.get(address, 0)

    def write(self, tick: int, address: int, size: int, value: int) -> None:
        self.catch_up(tick)
        self.writes.append((address, value))
        channel, place = divmod(address - TMU - 8, 12)
        if address == SCTDR:
            self.output.append(value)
        elif address == INT2 + 0x38:
            self.mask |= value
        elif address == INT2 + 0x3C:
            self.mask &= ~value
        elif address == TSTR:
            for n in range(3):
                if not value >> n & 1 and self.running[n] is not None:
                    self.registers[TMU + 12 + 12 * n] = self.read(tick, TMU + 12 + 12 * n, 4)
                    self.running[n] = None
                elif value >> n & 1 and self.running[n] is None:
                    self.running[n] = tick
            self.registers[TSTR] = value
        elif 0 <= channel < 3 and place == 8:
            kept = self.registers.get(address, 0) & value & 0x100
            self.registers[address] = value & 0xFF | kept
        elif 0 <= channel < 3 and place == 4:
            self.registers[address] = value
            if self.running[channel] is not None:
                self.running[channel] = tick
        elif address != SCFSR:
            self.registers[address] = value
        self.lines()
        self.core.limit(tick)  # the next event may have moved: look again

    def call(self) -> None:
        """Serves a call into SPUMONE's page."""
        state = self.core.state()
        entry, result = (state["pc"] - PAGE) // 16, 0
        self.calls.append((entry, state["r4"]))
        if entry == 0:
            self.core.set_state({"vbr": state["r4"]})
        elif entry == 2:
            result = -1 if state["r4"] in self.refused else 0
        self.core.set_state({"r0": result & 0xFFFFFFFF, "pc": state["pr"]})
        if entry == 1:
            self.core.sleeping = True

    def run(self, until: int, stop: bytes) -> bool:
        """Runs until ``stop`` is in the output (True) or tick ``until`` is reached (False)."""
        while self.core.tick < until and stop not in self.output:
            dues = [due for n in range(3) if (due := self.due(n)) is not None]
            done = self.core.run(min([until, *dues]))
            self.catch_up(self.core.tick)
            if done.reason == "interrupt":
                self.core.accept()
            elif done.reason == "trap":
                self.call()
            elif done.reason == "breakpoint":
                self.reached(done.pc)
            elif done.reason == "reset":
                raise AssertionError(f"{done.reason}: {done.detail}; console:\n{self.output.decode()}")
        return stop in self.output

    def watch(self, symbols: list[str], reached: Callable[[int], None]) -> None:
        """Have ``reached`` called with the address whenever the PC is at one of these symbols."""
        self.reached = reached
        self.core.set_breakpoints(frozenset(self.image.symbol(name) for name in symbols))

    def type(self, text: str) -> None:
        self.received.extend(text.encode())
        self.lines()
