"""SPUMONE as firmware, seen from outside: which vCPU runs, what each of its paths took, and what it tells.

The core stops at labels of the firmware (breakpoints, which change nothing); the ticks between the start and the end
of a path are executed, not charged. Layout of a vCPU in memory: guests/spumone/vcpu.h.
"""

from __future__ import annotations

import struct
from typing import Any

from cosim.sh7780 import LINE, MODULES, PINS
from cosim.state import STATE_NAMES

STARTS = tuple("interrupt wake reset set_vbr idle route query restart stop wait write read refused inside".split())
CALLS = STARTS[STARTS.index("set_vbr") :]
ENDS = ("forwarded", "entered", "resumed", "held", "answered")
TOLD_WORDS = 4
CODES = 0x1000 >> 5  # INTEVT codes in its table of owners
# What a path from a start to an end is called where it is not the start's name, as in the model. "": idling ends.
PATHS = {
    ("interrupt", "entered"): "switch",
    ("interrupt", "held"): "hold",
    ("serial", "held"): "serial",
    ("serial", "resumed"): "serial+resume",
    ("serial", ""): "serial",
    ("idle", "resumed"): "idle+resume",
    ("idle", ""): "idle+sleep",
    ("wait", "resumed"): "wait+resume",
    ("wait", ""): "wait+sleep",
    ("wake", "resumed"): "wake_hold+resume",
    ("wake", ""): "wake_hold",
}
# Words below a vCPU's pointer, upwards, and the words from it on.
KEPT = (*"tea tra expevt r0 r1 r2 r3 r4 r5 r6 r7 macl mach pr r4_bank r5_bank r6_bank r7_bank".split(),
        *"r8 r9 r10 r11 r12 r13 r14 gbr dbr pc sr r15".split())  # fmt: skip
HOT = (*"wake code interrupt entry_sr flags bare_r15 bare_sr bare_pc r0_bank r1_bank r2_bank r3_bank".split(),
       *"general tlb held deaf".split())  # fmt: skip
FPU = (*(f"fr{n}" for n in range(16)), *(f"xf{n}" for n in range(16)), "fpscr", "fpul")
MMU = ("mmucr", "ttb", "ptel", "pteh")
SHARED = ("ccr", "pascr")  # the CPU's, whoever runs
HELD_INT2 = 216  # V_HELD_INT2 of guests/spumone/vcpu.h; behind it V_HELD_IRQ
WORDS_ABOVE = HELD_INT2 // 4 + 2  # words from a vCPU's pointer on
BARE = 16  # flag: it waits with nothing to keep but R15, SR and PC
READY = 0xFFFFFFFF
FPSCR_FR = 0x200000


class Firmware:
    """The firmware in a core's RAM. ``labels`` and ``pointers`` as in a Directive."""

    def __init__(self, core: Any, labels: list[tuple[int, str]], pointers: list[tuple[int, str]]) -> None:
        self.core = core
        self.at = {name: address for address, name in labels}
        self.marks = {address: name for address, name in labels if name in STARTS or name in ENDS or name == "tell"}
        self.names = dict(pointers)
        self.start = "start"
        self.inside = True  # SPUMONE's code runs
        self.cut: dict[str, str] = {}  # guest -> its call, interrupted before it masked interrupts: goes on uncounted
        self.began = self.slept = 0  # tick of the start, and the core's sleep ticks then
        self.took: dict[str, list[int]] = {}  # path -> runs of it; ticks in all, fewest and most, sleep apart

    def _word(self, address: int) -> int:
        return int.from_bytes(self.core.read(address & 0x1FFFFFFF, 4), "little")

    def running(self) -> str:
        """The guest whose registers are in the CPU."""
        return self.names.get(self._word(self.at["current"]), "")

    def told(self) -> list[int]:
        """The words of struct spm_report."""
        return list(struct.unpack(f"<{TOLD_WORDS}I", self.core.read(self.at["report"] & 0x1FFFFFFF, 4 * TOLD_WORDS)))

    def count(self, path: str, ticks: int) -> None:
        """A run of a path."""
        runs, total, fewest, most = self.took.get(path, (0, 0, ticks, ticks))
        self.took[path] = [runs + 1, total + ticks, min(fewest, ticks), max(most, ticks)]

    def path(self, end: str, intevt: int) -> str:
        """Name of the path that ends there; ``intevt``: of the interrupt accepted last."""
        ours = self.start in ("interrupt", "wake") and self._word(self.at["routes"] + 4 * (intevt >> 5))
        start = "serial" if ours == self.at["console"] and end not in ("forwarded", "entered") else self.start
        return PATHS.get((start, end), start)

    def owners(self) -> list[tuple[int, str]]:
        """(INTEVT, guest) of the lines that have an owner."""
        raw = self.core.read(self.at["routes"] & 0x1FFFFFFF, 4 * CODES)
        rows = [(code << 5, self.names.get(pointer)) for code, (pointer,) in enumerate(struct.iter_unpack("<I", raw))]
        return [(intevt, guest) for intevt, guest in rows if guest is not None and intevt in LINE]

    def held(self) -> list[tuple[int, str, int]]:
        """(INTEVT, guest, level) of what is masked until that guest runs. The level is the highest of the guest's."""
        out = []
        for pointer, name in self.names.items():
            level = self._word(pointer + 4 * HOT.index("held"))
            int2, irq = self._word(pointer + HELD_INT2), self._word(pointer + HELD_INT2 + 4)
            codes = [source.intevt for source in MODULES if int2 >> source.mask & 1]
            codes += [intevt for n, (_, intevt) in enumerate(PINS) if irq >> 31 - n & 1]
            out += [(intevt, name, level >> 4) for intevt in codes]
        return out

    def states(self) -> list[tuple[str, dict[str, int], bool]]:
        """(guest, registers, whether it waits) as kept in memory; those of the running one are older."""
        rows = []
        names = KEPT + HOT + FPU + MMU
        cpu = self.core.state()
        current = self.at["current"]  # behind it, who has the FPU, and who the MMU
        fpu, mmu = self._word(current + 4), self._word(current + 8)
        for pointer, name in self.names.items():
            paddr = pointer & 0x1FFFFFFF
            words = struct.unpack(f"<{len(names)}I", self.core.read(paddr - 4 * len(KEPT), 4 * len(names)))
            kept = dict(zip(names, words, strict=True)) | {key: cpu[key] for key in SHARED}
            if kept["fpscr"] & FPSCR_FR:  # kept by bank, named by what the guest sees
                for n in range(16):
                    kept[f"fr{n}"], kept[f"xf{n}"] = kept[f"xf{n}"], kept[f"fr{n}"]
            for unit, holder in ((FPU, fpu), (MMU, mmu)):
                if holder == pointer:
                    kept.update({key: cpu[key] for key in unit})
            if kept["general"] and (kept["general"] ^ pointer) & 0x1F000000:  # SPUMONE's are of who gave none
                kept["vbr"] = kept["general"] - 0x100
            if kept["wake"] != READY and kept["flags"] & BARE:
                kept.update(r15=kept["bare_r15"], sr=kept["bare_sr"], pc=kept["bare_pc"])
            state = {key: kept.get(key, 0) for key in STATE_NAMES}
            state["intevt"] = kept["code"] << 3
            if kept["sr"] & 0x20000000:  # its R0-R7 are bank 1
                for n in range(8):
                    state[f"r{n}"], state[f"r{n}_bank"] = state[f"r{n}_bank"], state[f"r{n}"]
            made = kept["general"] != 0  # SPUMONE has made its vCPU; before, it has not run
            rows.append((name, state, made and kept["wake"] != READY))
        return rows
