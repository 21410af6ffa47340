"""SPUMONE's firmware on a bare core: what goes on to guests unchanged, what a switch keeps, what it masks and tells.

The board is that of ``bench.spumone``: a core, three guests of a few instructions, a bus that remembers writes.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

from bench.spumone import BL, IMASK, MD, RB, STACK, VECTORS, Board
from cosim.messages import Trap
from cosim.sh7780 import INT2MSKCR, INT2MSKR, INTEVT, INTMSK0, INTMSKCLR0, LINE, MODULES, mask_writes
from cosim.state import STATE_NAMES, pack
from cpu_node.firmware import Firmware
from guests.build import artefact
from hypervisor_node import firmware, layout
from hypervisor_node.model import ENTRIES, FPU, MMU, PAGE, Model, Vcpu

FD = 0x8000
EINVAL, ENOENT, EPERM, ENOSYS = -22, -2, -1, -38
TRAPA, LDTLB, LOAD, SLOT = b"\x10\xc3", b"\x38\x00", b"\x42\x60", b"\x09\x00"  # trapa #16; ldtlb; mov.l @r4,r0; nop
CODE = 0x200  # of a test, from a guest's memory's start
CORES = ("native", "python")
RUNS = [("native", 0), ("native", 1), ("native", 2), ("python", 3)]  # (core, seed)
# Bits that a register has; the others are whole.
BITS = {"fpscr": 0x003FFFFF, "expevt": 0xFE0, "tra": 0x3FC, "pteh": 0xFFFFFCFF, "ptel": 0x1FFFFDFF}
COMMON = ("vbr", "ccr", "pascr", "mmucr")  # the CPU's own, but for MMUCR, which is 0 in most tests
WAITS = (ENTRIES.index("idle"), ENTRIES.index("wait"))
HOP = range(0x802, 0x80C)  # inside entry 128: hops of the last entries, which tell whatever number is in R4
IMAGE = bytes(range(0x40, 0x60))
BY_HARDWARE = ("ssr", "spc", "sgr")  # overwritten by any interrupt
# What an idle call may change (guests/include/spumone.h), by name at the vector, where bank 1 is in use.
IDLE_MAY_CHANGE = {*(f"r{n}_bank" for n in range(8)), "pr", "mach", "macl", "tra", "expevt", "tea"}


class Bench(Board):
    """A board that hears what the firmware tells, and whose registers may hold anything."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        self.told: list[tuple[int, ...]] = []  # struct spm_report, each time
        super().__init__(*args, **rest)

    def go(self, *symbols: str) -> tuple[str, int]:
        total = 0
        while True:
            place, took = super().go("spm_tell", *symbols)
            total += took
            if place != "spm_tell":
                return place, total
            self.told.append(struct.unpack("<4I", self.core.read(self.at("spm_report") & 0x1FFFFFFF, 16)))

    def rise(self, line: str, level: int, *to: str) -> str:
        """A line rises, is accepted, and falls; where the CPU comes to."""
        self.core.set_irq(level, INTEVT[line])
        self.core.accept()
        self.core.set_irq(0, 0)
        return self.go(*to)[0]

    def scramble(self, seed: int, guest: int, keep: tuple[str, ...] = (), **fixed: int) -> dict[str, int]:
        """Random values in all registers of a guest that may hold them; its state."""
        rng = random.Random(seed)
        values = {name: rng.getrandbits(32) & BITS.get(name, 0xFFFFFFFF) for name in STATE_NAMES}
        values |= {"pc": self.base[guest] + 0x100, "intevt": self.core.state()["intevt"]}
        values |= {"sr": MD | rng.choice((0, FD)) | rng.choice((0, RB)) | rng.getrandbits(10) & 0x303} | fixed
        before = self.core.state()
        self.core.set_state({name: v for name, v in values.items() if name not in COMMON and name not in keep})
        after: dict[str, int] = self.core.state()
        assert sum(after[name] != before[name] for name in STATE_NAMES) > 30
        return after

    def holder(self, unit: str) -> int:
        """The number of the guest whose registers are in a unit; -1: nobody's."""
        pointer = int.from_bytes(self.core.read(self.at(f"{unit}_holder") & 0x1FFFFFFF, 4), "little")
        return len(self.base) - (self.at("nobody") - pointer) // firmware.VCPU_SIZE if pointer else -1

    def put(self, guest: int, code: bytes, at: int = CODE) -> int:
        """Code in a guest's memory; its address."""
        self.core.write((self.base[guest] & 0x1FFFFFFF) + at, code)
        return self.base[guest] + at


def changed(before: dict[str, int], after: dict[str, int], *but: str) -> dict[str, tuple[str, str]]:
    """Registers that differ."""
    return {n: (hex(before[n]), hex(after[n])) for n in STATE_NAMES if n not in but and before[n] != after[n]}


def units_kept(flags: int) -> tuple[str, ...]:
    """Registers of units that a guest of these flags leaves alone."""
    return (() if flags & layout.FPU else FPU) + (() if flags & layout.MMU else MMU)


@pytest.mark.parametrize(("kind", "seed"), RUNS)
class TestForwarded:
    """To the vectors of the guest that runs, with every register as the hardware left it."""

    def test_an_exception(self, kind, seed):
        board = Bench(kind=kind).up(7)
        pc = board.put(1, TRAPA)
        board.scramble(seed, 1, pc=pc)
        assert board.go("spm_exception")[0] == "spm_exception"
        before = board.core.state()
        assert (before["expevt"], before["spc"]) == (0x160, pc + 2)
        assert board.go() == ("vector 0x100 of 1", 5)
        assert changed(before, board.core.state(), "pc") == {}

    def test_a_tlb_miss(self, kind, seed):
        board = Bench((0, layout.MMU, 0), kind=kind).up(7)
        pc = board.put(1, LOAD)
        board.scramble(seed, 1, pc=pc, r4=0x00123450, sr=MD)
        board.core.set_state({"mmucr": 1})
        assert board.go("spm_tlb_miss")[0] == "spm_tlb_miss"
        before = board.core.state()
        assert (before["expevt"], before["spc"], before["tea"]) == (0x40, pc, 0x00123450)
        assert board.go() == ("vector 0x400 of 1", 5)
        assert changed(before, board.core.state(), "pc") == {}

    def test_an_interrupt(self, kind, seed):
        board = Bench(kind=kind).up(7)
        board.scramble(seed, 1)
        assert board.rise("RXI1", 6, "spm_interrupt") == "spm_interrupt"
        before = board.core.state()
        assert before["sr"] & IMASK == 6 << 4 and before["intevt"] == INTEVT["RXI1"]
        assert board.go()[0] == "vector 0x600 of 1"
        after = board.core.state()
        assert changed(before, after, "pc", "sr") == {}
        assert before["sr"] | 1 == after["sr"] | 1  # T is the guest's in SSR
        assert board.writes == []


FLAGS = [(0, 0, 0), (3, 3, 3), (0, 3, 3), (3, 1, 2), (1, 2, 3)]


@pytest.mark.parametrize(("kind", "seed"), RUNS)
@pytest.mark.parametrize("flags", FLAGS, ids=str)
class TestSwitch:
    def test_there_and_back(self, kind, flags, seed):
        """Every register of both banks, and those of the units, of the guest that was interrupted."""
        board = Bench(flags, kind=kind).up(7)
        board.rise("RXI1", 6)  # INTEVT is what it last saw
        before = board.scramble(2 * seed, 1)
        assert board.rise("RXI0", 8) == "vector 0x600 of 0"
        state = board.core.state()
        assert (state["intevt"], state["sr"]) == (INTEVT["RXI0"], MD | RB | BL | 8 << 4)
        board.scramble(2 * seed + 1, 0, units_kept(flags[0]))
        board.call("idle", sr=MD | 7 << 4)
        after = board.core.state()
        assert board.running() == 1 and after["intevt"] == INTEVT["RXI1"]
        # Units that it does not use are not its own, and what an interrupt itself writes is not kept by anything.
        assert changed(before, after, *units_kept(flags[1]), *BY_HARDWARE) == {}

    def test_what_an_idle_call_keeps(self, kind, flags, seed):
        """As the ABI says: what a C call keeps, bank 1, the units; not what it may change."""
        board = Bench(flags, kind=kind).up()  # guest 0 runs
        before = board.scramble(seed, 0, ("r15",), sr=MD | 5 << 4 | random.Random(seed).choice((0, FD, 0x303)))
        board.call("idle", sr=before["sr"])
        assert board.running() == 1
        board.scramble(seed + 9, 1, units_kept(flags[1]))
        assert board.rise("RXI0", 8) == "vector 0x600 of 0"
        after = board.core.state()
        expected = dict(before)
        for n in range(8):  # at the vector bank 1 is in use
            expected[f"r{n}"], expected[f"r{n}_bank"] = before[f"r{n}_bank"], before[f"r{n}"]
        expected |= {"sr": before["sr"] & ~IMASK | RB | BL | 8 << 4, "pc": board.base[0] + VECTORS + 0x600}
        expected |= {"spc": board.base[0] + 0x100, "ssr": before["sr"], "sgr": board.base[0] + STACK}
        expected |= {"r15": board.base[0] + STACK, "intevt": INTEVT["RXI0"]}
        assert changed(expected, after, *IDLE_MAY_CHANGE, *units_kept(flags[0])) == {}

    def test_what_a_wait_call_keeps(self, kind, seed, flags):
        """R15, SR and the return address; and the units."""
        board = Bench(flags, kind=kind).up()
        before = board.scramble(seed, 0, ("r15",), sr=MD | 5 << 4 | random.Random(seed).choice((0, FD, 0x303)))
        board.call("wait", sr=before["sr"])
        assert board.running() == 1
        board.scramble(seed + 9, 1, units_kept(flags[1]))
        assert board.rise("RXI0", 8) == "vector 0x600 of 0"
        after = board.core.state()
        expected = {"sr": before["sr"] & ~IMASK | RB | BL | 8 << 4, "ssr": before["sr"], "spc": board.base[0] + 0x100}
        expected |= {"sgr": board.base[0] + STACK, "r15": board.base[0] + STACK, "intevt": INTEVT["RXI0"]}
        assert {name: after[name] for name in expected} == expected
        own = [name for name in FPU + MMU if name not in units_kept(flags[0])]
        assert {name: after[name] for name in own} == {name: before[name] for name in own}


@pytest.mark.parametrize("kind", CORES)
class TestUnits:
    def test_the_fpu_stays_until_another_that_uses_it_runs(self, kind):
        board = Bench((0, layout.FPU, layout.FPU), kind=kind).up(7)
        one = {name: 0x1000 + k for k, name in enumerate(FPU[:32])}
        board.core.set_state({"sr": MD, "fpscr": 0x00040001, **one})
        assert board.holder("fpu") == 1
        board.rise("RXI0", 8)
        assert board.holder("fpu") == 1 and board.core.state()["fr3"] == one["fr3"]
        board.call("idle", sr=MD | 7 << 4)
        board.call("idle", sr=MD)
        assert (board.running(), board.holder("fpu")) == (2, 2)
        assert [board.core.state()[name] for name in one] == [0] * 32
        board.core.set_state({name: 0x2000 for name in one})
        board.rise("RXI1", 6)
        assert (board.running(), board.holder("fpu")) == (1, 1)
        assert {name: board.core.state()[name] for name in one} == one

    def test_the_mmu_likewise_and_its_tlb_is_cleared(self, kind):
        board = Bench((0, layout.MMU, layout.MMU), kind=kind).up(7)
        board.core.set_state({"pc": board.put(1, LDTLB + SLOT), "sr": MD, "pteh": 0x00123405, "ptel": 0x08345178})
        board.core.set_state({"mmucr": 0x00000100, "ttb": 77})
        board.core.step()
        entry, mmucr = board.core.snapshot()["utlb"], board.core.state()["mmucr"]
        board.rise("RXI0", 8)
        assert board.holder("mmu") == 1 and board.core.snapshot()["utlb"] == entry
        board.call("idle", sr=MD | 7 << 4)
        board.call("idle", sr=MD)
        assert (board.running(), board.holder("mmu")) == (2, 2)
        state = board.core.state()
        assert [state[name] for name in ("pteh", "ptel", "ttb", "mmucr")] == [0, 0, 0, 0]
        assert board.core.snapshot()["utlb"] != entry
        board.rise("RXI1", 6)
        state = board.core.state()
        assert [state[name] for name in ("pteh", "ptel", "ttb", "mmucr")] == [0x00123405, 0x08345178, 77, mmucr]
        assert board.holder("mmu") == 1 and board.core.snapshot()["utlb"] != entry


class TestHeld:
    def bit(self, line: str, masked: bool) -> list[tuple[int, int]]:
        return [(address, value) for address, _, value in mask_writes(INTEVT[line], masked)]

    @pytest.mark.parametrize("seed", range(4))
    def test_the_running_guest_does_not_see_it(self, seed):
        board = Bench().up(7)
        board.rise("RXI1", 6)
        before = board.scramble(seed, 1)
        assert board.rise("TUNI0", 4) == "guest 1"
        after = board.core.state()
        assert after["intevt"] == INTEVT["RXI1"]
        assert changed(before, after, *BY_HARDWARE) == {}
        assert board.writes == self.bit("TUNI0", True)

    def test_it_comes_back_when_its_owner_runs(self):
        board = Bench().up(7)
        board.rise("TUNI0", 4)
        board.rise("RXI0", 8)
        board.writes.clear()
        board.call("idle", sr=MD | 7 << 4)  # guest 1 goes on: nothing
        assert board.writes == []
        board.call("idle", sr=MD)
        assert board.running() == 2 and board.writes == self.bit("TUNI0", False)

    @pytest.mark.parametrize("imask", [3, 4, 5])
    def test_or_when_it_would_take_it(self, imask):
        """Level 4; at an IMASK of 4 it stays masked."""
        board = Bench().up(7, 3, imask)
        assert board.core.sleeping or board.go()[0] == "asleep"
        board.rise("RXI1", 6)
        board.rise("TUNI0", 4)
        board.writes.clear()
        board.call("idle", sr=MD | 3 << 4)
        assert board.writes == (self.bit("TUNI0", False) if imask < 4 else [])

    def test_modules_and_pins_are_kept_apart(self):
        board = Bench().up(7)
        guest = board.running()
        for line in ("IRQ0", "IRQ7", "ITI"):
            board.call("route", INTEVT[line], 1)
        assert board.running() == guest and board.r0 == 0
        board.rise("RXI0", 8)
        board.writes.clear()
        for line in ("IRQ0", "RXI1", "IRQ7", "ITI"):
            board.rise(line, 15)
        assert board.writes == [
            (INTMSK0, 1 << 31), (INT2MSKR, 1 << 4), (INTMSK0, 1 << 24), (INT2MSKR, 1 << 5),
        ]  # fmt: skip
        board.writes.clear()
        board.call("idle", sr=MD | 7 << 4)
        assert board.writes == [(INT2MSKCR, 1 << 4 | 1 << 5), (INTMSKCLR0, 1 << 31 | 1 << 24)]

    @pytest.mark.parametrize("line", [line for line in INTEVT if line not in ("RXI0", "RXI1", "TUNI0")])
    def test_nobodys_is_masked_and_told_once(self, line):
        board = Bench().up(7)
        before = board.scramble(1, 1)
        for _ in range(2):
            assert board.rise(line, 9) == "guest 1"
        assert changed(before, board.core.state(), *BY_HARDWARE) == {}
        assert board.writes == 2 * self.bit(line, True)
        assert board.told == [(firmware.UNROUTED, layout.NOBODY, INTEVT[line], 0)]

    def test_nobodys_that_is_claimed_comes(self):
        board = Bench().up(7)
        for line in ("IRQ0", "ITI"):
            board.rise(line, 9)
        board.writes.clear()
        board.call("route", INTEVT["IRQ0"], 1)
        assert board.writes == self.bit("IRQ0", False)
        board.call("route", INTEVT["ITI"], 1)
        assert board.writes == self.bit("IRQ0", False) + self.bit("ITI", False)
        board.call("route", INTEVT["ITI"], 1)
        assert len(board.writes) == 2

    def test_of_one_that_gave_no_vectors(self):
        """Masked and told once, and unmasked when it runs again."""
        board = Bench()
        board.go()
        before = board.scramble(3, 0)
        for _ in range(2):
            assert board.rise("RXI0", 8) == "guest 0"
        assert changed(before, board.core.state(), "intevt", *BY_HARDWARE) == {}
        assert board.writes == 2 * self.bit("RXI0", True)
        assert board.told == [(firmware.NO_VECTORS, 0, INTEVT["RXI0"], 0)]


class TestCalls:
    def test_wild_calls(self):
        """Every even address of the page: an entry that serves, or one that does not; each is told by its number."""
        board = Bench().up(7)
        served = 0
        for offset in range(0, 0x1000, 2):
            number, inside = divmod(offset, 16)
            if inside == 14:  # the last slot: what it falls into
                number, inside = number + 1, 0
            if number in WAITS or offset == 0xFFE:  # no wild calls; the last slot falls out of RAM
                continue
            board.told.clear()
            before = board.scramble(offset, 1, sr=MD, r4=99, r5=1, r15=board.base[1] + STACK)
            before |= {"pc": board.base[1] + 0x100, "pr": board.base[1] + 0x100}
            board.core.set_state({"pc": PAGE + offset, "pr": board.base[1] + 0x100})
            assert board.go()[0] == "guest 1", hex(offset)
            after = board.core.state()
            free = [*(f"r{n}" for n in range(8)), "mach", "macl", "pc", "sr"]
            assert changed(before, after, *free) == {}, hex(offset)
            if number < len(ENTRIES) and not inside:
                served += 1
                assert board.told == [] and (board.r0 == ENOSYS) == (ENTRIES[number] in ("write", "read"))
            else:
                what = firmware.INSIDE if inside else firmware.REFUSED
                told = (what, 1, number, board.base[1] + 0x100)
                assert board.told == [told] or offset in HOP and len(board.told) == 1, hex(offset)
                assert board.r0 == ENOSYS
        assert served == 2 * (len(ENTRIES) - len(WAITS)) - 1  # called, or slipped into but for the first

    @pytest.mark.parametrize("bl", [0, BL])
    @pytest.mark.parametrize("entry", ["set_vbr", "route", "query", "restart", "stop", "write", "read", 99])
    def test_a_call_keeps_what_a_c_call_keeps(self, entry, bl):
        board = Bench().up(7)
        sr = MD | bl | 5 << 4 | FD
        before = board.scramble(5, 1, sr=sr, r15=board.base[1] + STACK, pr=board.base[1] + 0x100)
        board.call(entry, 7, 1, sr=sr)
        after = board.core.state()
        assert after["sr"] & ~1 == sr
        assert changed(before, after, *(f"r{n}" for n in range(8)), "mach", "macl", "sr") == {}

    def test_questions(self):
        board = Bench().up(7)
        answers = []
        for what in [0, 1, 2, 3, 4, 5, 0xFFFFFFFF]:
            board.call("query", what)
            answers.append(board.r0)
        assert answers == [2, 1, 3, 0, 7, EINVAL, EINVAL]

    def model(self) -> Model:
        vcpus = [Vcpu(f"g{k}", k, 0, 0, 0, ((0x88000000 + k * 0x01000000) & 0x1FFFFFFF, 0x01000000))
                 for k in range(3)]  # fmt: skip
        model = Model(vcpus, 7, 0, lambda *_: None)
        model.owner = {INTEVT[line]: vcpus[k] for k, line in enumerate(("RXI0", "RXI1", "TUNI0"))}
        model.start()
        model._run(vcpus[1], ["start"])
        return model

    def asked(self, model: Model, entry: str, r4: int, r5: int = 0) -> int:
        state = dict.fromkeys(STATE_NAMES, 0) | {"r4": r4, "r5": r5}
        model.trap(0, Trap("call", ENTRIES.index(entry), 0, pack(state)))
        return (model.vcpus[1].state["r0"] ^ 0x80000000) - 0x80000000

    def test_wild_vectors(self):
        """Accepted or refused as by the model."""
        board, model = Bench().up(7), self.model()
        rng, answers = random.Random(1), []
        near = [0x88FFFFFC, 0x89000000, 0x89FFFFFC, 0x8A000000, 0xA9000000, 0x09000000, 0xC9000000, 0xE9000000]
        for base in near + [b + n for b in near for n in (1, 2, 3, 4)] + [rng.getrandbits(32) for _ in range(200)]:
            board.call("set_vbr", base & 0xFFFFFFFF)
            answers.append(board.r0)
            assert board.r0 == self.asked(model, "set_vbr", base & 0xFFFFFFFF), hex(base)
        assert 0 in answers and EINVAL in answers

    def test_wrong_numbers_for_route(self):
        """Every code up to 0x1040, and some far ones, claimed and given up: as the model has it, and the owners too."""
        board, model = Bench().up(7), self.model()
        rng, answers = random.Random(2), []
        codes = [*range(0, 0x1040, 8), *(rng.getrandbits(32) for _ in range(100)), 0xFFFFFFE0, *INTEVT.values()]
        for on in (1, 0, 2):
            for code in codes:
                board.call("route", code, on)
                answers.append(board.r0)
                assert board.r0 == self.asked(model, "route", code, on), (hex(code), on)
        assert {0, EINVAL, EPERM} == set(answers)
        routes = struct.unpack("<128I", board.core.read(board.at("routes") & 0x1FFFFFFF, 512))
        end = board.at("nobody")
        owners = {code: len(board.base) - (end - routes[code >> 5]) // firmware.VCPU_SIZE for code in LINE}
        assert {c: k for c, k in owners.items() if k < 3} == {c: v.index for c, v in model.owner.items()}


class TestEnds:
    def up(self, flags: tuple[int, ...] = (0, 0, 0), *imasks: int) -> Bench:
        board = Bench(flags)
        board.core.write(0x0F100000, IMAGE)
        return board.up(*imasks)

    def test_restart(self):
        """The image is copied as the guest, at its priority; an interrupt from above gets in between."""
        board = self.up((0, 0, 0), 7)
        paddr = board.base[1] & 0x1FFFFFFF
        kept = board.core.read(paddr + 0x100, 4)
        board.rise("RXI0", 8)
        board.call("restart", 1)
        assert board.r0 == 0 and board.running() == 0
        assert board.writes == [(INT2MSKR, 1 << 4)]
        assert board.told == [(firmware.RESTART, 1, 0, board.base[0] + 0x100)]
        assert board.core.read(paddr, 4) != IMAGE[:4]
        board.call("idle", sr=MD | 7 << 4, to=["spm_loader"])
        for _ in range(8):
            board.core.step()
        assert board.core.state()["sr"] & (MD | RB | BL | IMASK) == MD
        before = board.core.state()
        assert board.rise("RXI0", 8) == "vector 0x600 of 0"
        board.scramble(1, 0, FPU + MMU)
        assert board.call("idle", sr=MD | 7 << 4, to=["spm_resumed"])[0] == "spm_resumed"
        board.core.step()
        assert changed(before, board.core.state(), "intevt", *BY_HARDWARE) == {}
        assert board.go()[0] == "guest 1"
        state = board.core.state()
        assert (state["pc"], state["sr"]) == (board.base[1], MD | RB | BL | IMASK)
        assert board.core.read(paddr, 32) == IMAGE and board.core.read(paddr + 0x100, 4) == kept
        # It has no vectors now.
        assert board.rise("RXI1", 6) == "guest 1" and board.told[-1][:2] == (firmware.NO_VECTORS, 1)

    def test_restart_of_itself_does_not_return(self):
        board = self.up((0, 0, 0), 7)
        assert board.call("restart", 1, to=["spm_loader"])[0] == "spm_loader"
        state = board.core.state()
        assert (state["r5"], state["r6"], state["sr"]) == (board.base[1], MD | RB | BL | IMASK, MD)

    @pytest.mark.parametrize("entry", ["restart", "stop"])
    @pytest.mark.parametrize(("index", "error"), [(0, EPERM), (3, EINVAL), (8, EINVAL), (0xFFFFFFFF, EINVAL)])
    def test_what_is_refused(self, entry, index, error):
        board = self.up((0, 0, 0), 7)
        board.call(entry, index)
        assert (board.running(), board.r0, board.told, board.writes) == (1, error, [], [])

    def test_restart_without_an_image(self):
        board = Bench()
        paddr = board.at("spm_table") & 0x1FFFFFFF
        for k in range(3):
            board.core.write(paddr + layout.segments_offset(k) - 4, bytes(4))  # the word before: how many
        board.go()
        board.call("restart", 1)
        assert (board.r0, board.told) == (ENOENT, [])

    def test_stop(self):
        """Its lines are masked; it is passed over, its interrupts are masked, until it is started again."""
        board = self.up((0, 0, 0), 7)
        board.rise("RXI0", 8)
        board.call("stop", 1)
        assert (board.r0, board.writes) == (0, [(INT2MSKR, 1 << 4)])
        assert board.told == [(firmware.STOP, 1, 0, board.base[0] + 0x100)]
        board.call("idle", sr=MD)
        assert board.running() == 2
        board.writes.clear()
        assert board.rise("RXI1", 15) == "guest 2" and board.writes == [(INT2MSKR, 1 << 4)]
        board.call("idle", sr=MD)
        assert board.core.sleeping
        board.rise("RXI0", 8)
        board.call("restart", 1)
        assert board.call("idle", sr=MD, to=["spm_loader"])[0] == "spm_loader" and board.running() == 1

    def test_stop_of_itself(self):
        board = self.up((0, 0, 0), 7)
        assert board.call("stop", 1)[0] == "guest 2"

    def test_what_was_held_of_an_ended_guest_stays_masked(self):
        board = self.up((0, 0, 0), 7)
        board.rise("RXI0", 8)
        board.rise("RXI1", 6)
        board.call("restart", 1)
        board.writes.clear()
        board.call("idle", sr=MD | 7 << 4, to=["spm_loader"])
        assert board.writes == [(INT2MSKR, 1 << 4)]

    def test_units_of_an_ended_guest_are_nobodys(self):
        board = self.up((3, 3, 0), 7)
        assert (board.holder("fpu"), board.holder("mmu")) == (1, 1)
        board.core.set_state({"mmucr": 1})
        board.call("stop", 1)
        assert (board.holder("fpu"), board.holder("mmu"), board.running()) == (-1, -1, 2)
        assert board.core.state()["mmucr"] == 0

    def crash(self, board: Bench) -> str:
        """An exception with SR.BL=1 resets the CPU; the CPU node then goes on at spm_reset."""
        board.core.set_state({"pc": board.put(1, TRAPA), "sr": MD | BL})
        assert board.core.run(board.core.tick + 10).reason == "reset"
        board.core.set_state({"pc": board.at("spm_reset")})
        return board.go("spm_loader")[0]

    @pytest.mark.parametrize("restart", [0, layout.RESTART])
    def test_a_guest_that_resets_the_cpu(self, restart):
        """It is started again or stopped, by its flag; the others go on with what they had."""
        board = self.up((0, restart, 0), 7)
        assert self.crash(board) == ("spm_loader" if restart else "guest 2")
        assert [row[:2] for row in board.told] == [
            (firmware.CRASH, 1), (firmware.RESTART if restart else firmware.STOP, 1),
        ]  # fmt: skip
        assert board.writes == [(INT2MSKR, 1 << 4)] * 2  # at once, and as it is ended
        assert board.rise("RXI0", 8) == "vector 0x600 of 0"
        assert board.call("idle", sr=MD | 7 << 4)[0] == ("guest 1" if restart else "guest 2")
        state = board.core.state()
        assert state["ccr"] & 0x101 == 0x101  # the caches are on again

    def test_whose_mmu_registers_are_lost_with_it(self):
        """Guest 1's are in the CPU as guest 0 resets it: MMUCR is gone, so guest 1 ends too, as its flag says."""
        board = self.up((layout.RESTART, layout.MMU | layout.RESTART, 0), 7)
        board.rise("RXI0", 8)
        assert board.holder("mmu") == 1
        board.core.set_state({"pc": board.put(0, TRAPA), "sr": MD | BL})
        assert board.core.run(board.core.tick + 10).reason == "reset"
        board.core.set_state({"pc": board.at("spm_reset")})
        board.go("spm_loader")
        board.go()
        board.call("idle", to=["spm_loader"])
        assert [row[:2] for row in board.told] == [
            (firmware.CRASH, 0), (firmware.RESTART, 0), (firmware.MMU_LOST, 1), (firmware.RESTART, 1),
        ]  # fmt: skip
        assert board.holder("mmu") == 1  # anew

    def test_whose_fpscr_is_reset_with_it(self):
        """Guest 1 has the FPU as guest 0 resets the CPU: it goes on, and what it may have lost is told."""
        board = self.up((0, layout.FPU, 0), 7)
        board.rise("RXI0", 8)
        assert board.holder("fpu") == 1
        board.core.set_state({"pc": board.put(0, TRAPA), "sr": MD | BL})
        assert board.core.run(board.core.tick + 10).reason == "reset"
        board.core.set_state({"pc": board.at("spm_reset")})
        assert board.go()[0] == "guest 1"
        assert [row[:2] for row in board.told] == [
            (firmware.CRASH, 0), (firmware.STOP, 0), (firmware.FPSCR_LOST, 1),
        ]  # fmt: skip

    @pytest.mark.parametrize("restart", [0, layout.RESTART])
    def test_an_exception_without_vectors_is_a_guests_end(self, restart):
        """Its flag counts from its first vectors on: else it would be started again for ever."""
        board = Bench((restart, 0, 0))
        board.core.write(0x0F100000, IMAGE)
        board.go()
        pc = board.put(0, TRAPA)
        board.scramble(1, 0, pc=pc)
        assert board.go("spm_loader")[0] == "guest 1"
        assert board.told == [(firmware.FAULT, 0, 0x160, pc + 2), (firmware.STOP, 0, 0, 0)]

    @pytest.mark.parametrize("entry", ["idle", "wait"])
    def test_a_guest_may_wait_in_either_register_bank(self, entry):
        board = self.up((0, 0, 0), 7)
        assert board.call(entry, sr=MD | RB | BL)[0] == "guest 2"

    def test_an_interrupt_of_an_unknown_source_is_masked_with_all_such(self):
        board = self.up((0, 0, 0), 7)
        board.core.set_irq(9, 0x640)
        board.core.accept()
        board.core.set_irq(0, 0)
        assert board.go()[0] == "guest 1"
        assert board.writes[-2:] == [(0xFFD40038, 0xFFFFFFC4), (0xFFD00048, 0xC0000000)]


def test_what_a_debugger_sees_of_a_guest_that_waits():
    """Its own registers, its units where they are in the CPU or in memory, its vectors."""
    board = Board((layout.FPU | layout.MMU, layout.FPU, 0)).up(7)  # guest 1 runs, with the FPU
    board.core.set_state({"fr3": 0x33, "ttb": 0x77, "ccr": 0x105})
    watched = Firmware(board.core, firmware.labels(board.image), [])
    end = board.at("nobody")
    watched.names = {end - 512 * (3 - k): f"guest {k}" for k in range(3)}
    first, second, third = (state for _, state, _ in watched.states())
    assert (second["fr3"], first["fr3"], first["ttb"], second["ttb"]) == (0x33, 0, 0x77, 0)
    assert (first["vbr"], second["vbr"], third["vbr"]) == (board.base[0] + VECTORS, board.base[1] + VECTORS, 0)
    assert first["ccr"] == 0x105 and first["r15"] == board.base[0] + STACK
    board.interrupt("RXI0")  # guest 0 takes the FPU, guest 1's is in memory
    assert watched.states()[1][1]["fr3"] == 0x33


def test_the_line_of_each_mask_bit_is_in_the_table_of_sources():
    """What the other tests go by: the header's own table."""
    text = artefact("spumone", "spumone.elf").read_bytes()
    for source in MODULES:
        assert struct.pack("<H", source.intevt) in text
