"""The least board the RTOS runs on, in one process: a core, SCIF0, TMU3, the INT2 levels of both, and SPUMONE's
call page with one guest. For fast tests of the kernel alone; the real devices are tested by whole runs."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from elftools.elf.elffile import ELFFile

from cpu_node import make_core

CHARACTER = 34_560  # ticks: 10 bits of 32 * (BRR + 1) Pck at BRR = 8, 12 ticks each
COUNT = 48  # ticks of a TMU count at Pck/4
PAGE = 0x8FFFF000
CEILING_QUESTION = 4  # SPM_Q_CEILING


class Board:
    """Runs one ELF. ``output`` holds the bytes sent on SCIF0; ``spumone`` serves the call page, with a ceiling."""

    def __init__(self, elf: Path, kind: str = "native", spumone: bool = False, ceiling: int = 7) -> None:
        self.core = make_core(kind)
        self.spumone, self.ceiling = spumone, ceiling
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                self.core.write(segment["p_paddr"] & 0x1FFFFFFF, segment.data())
            table = image.get_section_by_name(".symtab")
            self.symbols = {s.name: s["st_value"] for s in table.iter_symbols()}
            self.core.set_state({"sr": 0x700000F0, "pc": image["e_entry"]})
        self.output = bytearray()
        self.input: deque[tuple[int, int]] = deque()  # (tick, character)
        self.registers: dict[int, int] = {}
        self.sent: deque[int] = deque()  # tick when each character in the transmit FIFO has left
        self.received: deque[int] = deque()
        self.rdf = False
        self.tmu_due: int | None = None
        self.tmu_flag = False
        self.mask = 0xFFFFFFFF
        self.accepted: list[tuple[int, int]] = []  # (tick, INTEVT)
        self.core.bus = self
        if spumone:
            self.core.set_trap_page(PAGE, PAGE + 0xFFF)

    def catch_up(self, tick: int) -> None:
        while self.sent and self.sent[0] <= tick:
            self.sent.popleft()
        while self.input and self.input[0][0] <= tick:
            self.received.append(self.input.popleft()[1])
            self.rdf = True
        while self.tmu_due is not None and self.tmu_due <= tick:
            self.tmu_flag = True
            self.tmu_due += (self.registers.get(0xFFDC0008, 0) + 1) * COUNT
        self.lines()

    def lines(self) -> None:
        rxi = self.rdf and self.registers.get(0xFFE00008, 0) & 0x40 and not self.mask & 8
        txi = len(self.sent) <= 8 and self.registers.get(0xFFE00008, 0) & 0x80 and not self.mask & 8
        tmu = self.tmu_flag and self.registers.get(0xFFDC0010, 0) & 0x20 and not self.mask & 2
        serial_level = self.registers.get(0xFFD40008, 0) >> 25 & 15 if rxi or txi else 0
        tmu_level = self.registers.get(0xFFD40004, 0) >> 25 & 15 if tmu else 0
        if serial_level >= tmu_level:
            self.core.set_irq(serial_level, 0x720 if rxi else 0x760)
        else:
            self.core.set_irq(tmu_level, 0xE00)

    def read(self, tick: int, address: int, size: int) -> int:
        self.catch_up(tick)
        if address == 0xFFE0001C:
            return len(self.sent)
        if address == 0xFFE00010:
            tend = not self.sent
            return self.rdf * 2 | (len(self.sent) <= 8) * 0x20 | tend * 0x40
        if address == 0xFFE00014:
            return self.received.popleft() if self.received else 0
        if address == 0xFFDC000C and self.tmu_due is not None:
            return (self.tmu_due - tick - 1) // COUNT
        if address == 0xFFDC0010:
            return self.registers.get(address, 0) | self.tmu_flag * 0x100
        return self.registers.get(address, 0)

    def write(self, tick: int, address: int, size: int, value: int) -> None:
        self.catch_up(tick)
        if address == 0xFFE0000C:
            assert len(self.sent) < 16, f"transmit FIFO overrun at tick {tick}"
            self.output.append(value)
            self.sent.append(max(tick, self.sent[-1] if self.sent else 0) + CHARACTER)
        elif address == 0xFFE00010:
            self.rdf = bool(self.received) or (self.rdf and bool(value & 2))
        elif address == 0xFFD4003C:
            self.mask &= ~value
        else:
            self.registers[address] = value
            if address == 0xFFDC0010:
                self.tmu_flag = self.tmu_flag and bool(value & 0x100)
            if address == 0xFFDC0004:
                self.tmu_due = tick + (self.registers[0xFFDC000C] + 1) * COUNT if value & 1 else None
                self.core.limit(tick)
            elif address == 0xFFE00008:
                self.core.limit(tick)
        self.lines()

    def next_event(self, until: int) -> int:
        due = [until]
        if self.tmu_due is not None:
            due.append(self.tmu_due)
        if self.input:
            due.append(self.input[0][0])
        return min(due)

    def call(self) -> None:
        """Serves a call into SPUMONE's page, as the one guest."""
        state = self.core.state()
        entry, result = (state["pc"] - PAGE) // 16, -38
        if entry == 0:
            self.core.set_state({"vbr": state["r4"]})
            result = 0
        elif entry == 3 and state["r4"] == CEILING_QUESTION:
            result = self.ceiling
        self.core.set_state({"r0": result & 0xFFFFFFFF, "pc": state["pr"]})
        if entry in (1, 6):  # idle, wait
            self.core.set_state({"r0": 0})
            self.core.sleeping = True

    def run(self, until: int, stop: bytes | None = None) -> str:
        """Runs to tick ``until``, or until ``stop`` is in the output; returns the reason of the last stop."""
        while self.core.tick < until and not (stop and stop in self.output):
            done = self.core.run(self.next_event(until))
            self.catch_up(self.core.tick)
            if done.reason == "interrupt":
                self.core.accept()
                self.accepted.append((self.core.tick, self.core.state()["intevt"]))
            elif done.reason == "trap":
                assert self.spumone
                self.call()
            elif done.reason in ("reset", "breakpoint"):
                return f"{done.reason}: {done.detail}"
        return "until"
