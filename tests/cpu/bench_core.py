"""A core on a test bench: code is assembled and put at P1 0x8c001000, handlers stop the run.

At each vector (general, TLB, interrupt) is SLEEP, so that after an exception the run stops at VBR + offset + 2
with everything as the hardware left it.
"""

from __future__ import annotations

import struct
from typing import Any

from assembler import assemble

from cosim.state import Stop
from cpu_node import make_core

BASE, SIZE = 0x0C000000, 0x100000
CODE, DATA, VBR = 0x8C001000, 0x8C008000, 0x8C000000
MD, RB, BL, FD = 0x40000000, 0x20000000, 0x10000000, 0x8000
VECTORS = {VBR + 0x102: "general", VBR + 0x402: "tlb", VBR + 0x602: "interrupt"}
UTLB_ADDRESS, UTLB_DATA, MMUCR = 0xF6000000, 0xF7000000, 0xFF000010
SIZES = {1024: 0x00, 4096: 0x10, 65536: 0x80, 1 << 20: 0x90}


class Bus:
    """Remembers accesses; serves ``values`` by address, 0 elsewhere."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.values: dict[int, int] = {}

    def read(self, tick: int, address: int, size: int) -> int:
        self.log.append(("read", tick, address, size))
        return self.values.get(address, 0)

    def write(self, tick: int, address: int, size: int, value: int) -> None:
        self.log.append(("write", tick, address, size, value))


class Bench:
    """A core of a kind, in privileged mode with BL=0, bank 0, a bus, and SLEEP at every vector."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.core = make_core(kind, (BASE, SIZE))
        self.core.bus = self.bus = Bus()
        for offset in (0x100, 0x400, 0x600):
            self.put(VBR + offset, "sleep; nop")
        self.core.set_state({"sr": MD, "vbr": VBR, "pc": CODE, "r15": 0x8C0FFF00, "fpscr": 0x00040001})

    def put(self, address: int, source: str) -> int:
        """Assemble to a P0, P1 or P2 address of RAM; returns the address behind."""
        code = assemble(source, address)
        self.core.write(address & 0x1FFFFFFF, code)
        return address + len(code)

    def words(self, address: int, *values: int) -> None:
        """Longs into RAM."""
        self.core.write(address & 0x1FFFFFFF, struct.pack(f"<{len(values)}I", *values))

    def long(self, address: int) -> int:
        """A long of RAM."""
        return int.from_bytes(self.core.read(address & 0x1FFFFFFF, 4), "little")

    def go(self, source: str, at: int = CODE, **state: int) -> dict[str, int]:
        """Set state, run the source to its end (a SLEEP) or to the end of an exception's vector; the state."""
        self.put(at, source + "; sleep; nop")
        self.core.sleeping = False
        self.core.set_state({**state, "pc": state.get("pc", at)})
        stop = self.core.run(self.core.tick + 100_000)
        assert stop.reason in ("sleep", "reset"), stop
        self.stop = stop
        return dict(self.core.state())

    def one(self, source: str, at: int = CODE, **state: int) -> dict[str, int]:
        """Set state and execute one unit of the source; the state. What happened is in ``stop``."""
        self.put(at, source)
        self.core.sleeping = False
        self.core.set_state({**state, "pc": state.get("pc", at)})
        self.stop: Stop = self.core.step()
        return dict(self.core.state())

    def faults(self, source: str, at: int = CODE, **state: int) -> dict[str, int]:
        """Execute one unit, privileged with BL=0 unless told, that must take an exception. In the answer
        ``vector`` is the offset from VBR, 0 a reset, and r0-r7 are those of the context that was interrupted."""
        after = self.one(source, at, **{"sr": MD, **state})
        vector = {VBR + 0x100: 0x100, VBR + 0x400: 0x400, 0xA0000000: 0}.get(after["pc"])
        assert vector is not None, f"no exception: pc {after['pc']:08x}"
        if after["ssr"] & (MD | RB) != MD | RB:
            after.update({f"r{k}": after[f"r{k}_bank"] for k in range(8)})
        return {**after, "vector": vector}

    # The MMU, by its memory-mapped arrays, as a guest would

    def store(self, address: int, value: int) -> None:
        """MOV.L to any address, in privileged mode, with the registers restored."""
        self._access("mov.l r1,@r0", address, value)

    def load(self, address: int) -> int:
        """MOV.L from any address."""
        return self._access("mov.l @r0,r1", address, 0)

    def _access(self, text: str, address: int, value: int) -> int:
        before = self.core.state()
        at = 0x8C000F00
        self.put(at, text)
        self.core.set_state({"sr": MD, "r0": address, "r1": value, "pc": at})
        stop = self.core.step()
        after = self.core.state()
        assert (stop.reason, after["pc"]) == ("step", at + 2), f"access to {address:08x}: {stop} {after['expevt']:x}"
        keep = ("pteh", "ptel", "ttb", "tea", "mmucr", "pascr", "ccr", "tra", "expevt", "intevt")
        self.core.set_state({name: v for name, v in before.items() if name not in keep})
        return int(after["r1"])

    def page(
        self, index: int, virtual: int, physical: int, size: int = 4096, pr: int = 3, dirty: int = 1, shared: int = 0,
        asid: int = 0, valid: int = 1,
    ) -> None:  # fmt: skip
        """Write a UTLB entry through the arrays."""
        self.store(UTLB_ADDRESS | index << 8, virtual | asid | valid << 8 | dirty << 9)
        data = physical | valid << 8 | SIZES[size] | pr << 5 | dirty << 2 | shared << 1
        self.store(UTLB_DATA | index << 8, data)

    def mmu_on(self, bits: int = 0) -> None:
        """MMUCR.AT and more bits of it."""
        self.store(MMUCR, 1 | bits)
