"""SPUMONE's decisions, asked of the model with hand-made traps: routing, priority, idle, holding, ends, switching."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cosim import wire
from cosim.device import DeviceError
from cosim.image import load_elf
from cosim.messages import Directive, Trap
from cosim.sh7780 import INT2MSKCR, INT2MSKR, INTEVT, INTMSK0, INTMSKCLR0, mask_writes
from cosim.state import STATE_NAMES, pack, unpack
from guests.build import artefact
from hypervisor_node import firmware
from hypervisor_node.model import BL, ENTRIES, FPU, MD, MMU, NO_VECTORS, PAGE, RB, TI
from hypervisor_node.paths import charge
from hypervisor_node.spumone import PIECE, Spumone

SLEEPY = MD  # SR of a guest that takes everything
SPUMONES_OWN = {"pascr", "ccr", "vbr"}
CLEARS = {INT2MSKCR: INT2MSKR, INTMSKCLR0: INTMSK0}
BASE = {name: 0x88000000 + k * 0x01000000 for k, name in enumerate("abc")}


class Drive:
    """A SPUMONE with guests a, b, c by priority, and the CPU's side of it: its state, requests, masks.

    ``firmware``: SPUMONE knows its firmware's loader, so guests can be started again.
    """

    def __init__(
        self, folder: Path, lines: dict[str, list[str]], fpu: tuple[str, ...] = (), mmu: tuple[str, ...] = (),
        restart: tuple[str, ...] = (), firmware: bool = False, start: bool = True,
    ) -> None:  # fmt: skip
        (folder / "raw").write_bytes(bytes(64))
        guests = {}
        for k, name in enumerate(lines):
            base = 0x08000000 + 0x01000000 * k
            guests[name] = {"image": str(folder / "raw"), "memory": [base, 0x01000000], "priority": k,
                            "lines": lines[name], "fpu": name in fpu, "mmu": name in mmu, "restart": name in restart,
                            "entry": None, "sr": None, "load": base, "cmdline": "", "cmdline_address": 0}  # fmt: skip
        # The order of the topology is not that of the priorities.
        config: dict[str, Any] = {"guests": dict(reversed(guests.items()))}
        if firmware:
            config["image"] = str(artefact("spumone", "spumone.elf"))
        self.spumone = Spumone("spumone", config)
        self.t = 0
        self.state: dict[str, int] = dict.fromkeys(STATE_NAMES, 0)
        self.loads: list[tuple[int, bytes]] = []
        self.requests: dict[str, int] = {}  # lines that are up -> level
        self.masks = {INT2MSKR: 0, INTMSK0: 0}
        self.writes: list[tuple[int, int, int]] = []  # of the last decision, also those before it was made
        if start:
            self.start()

    def start(self) -> Directive:
        for piece in range(100):
            d = self.trap("start", piece)
            self.loads += d.loads
            if not d.more:
                return d
        raise AssertionError("images without end")

    def trap(self, cause: str, number: int, level: int = 0, **rest: Any) -> Directive:
        """What the CPU node does: traps, makes the writes, and traps again where it is told to."""
        self.t += 1000
        self.writes = []
        while True:
            trap = Trap(cause, number, level, pack(self.state), pending=self.pending(), **rest)
            d = wire.decode(wire.encode(self.spumone.handle(self.t, trap))).body  # no field breaks a rule
            assert isinstance(d, Directive)
            for address, _, bits in d.writes:
                self.writes.append((address, 4, bits))
                if address in CLEARS:
                    self.masks[CLEARS[address]] &= ~bits
                else:
                    self.masks[address] |= bits
            if not d.again:
                break
            cause = "again"
        if not d.more:
            self.d, self.state = d, unpack(d.state)
            self.requests = {line: level for line, level in self.requests.items() if INTEVT[line] != d.deliver}
        return d

    def pending(self) -> list[tuple[int, int]]:
        rows = []
        for line, level in sorted(self.requests.items(), key=lambda row: -row[1]):
            ((register, _, bits),) = mask_writes(INTEVT[line], True)
            if not self.masks[register] & bits:
                rows.append((INTEVT[line], level))
        return rows

    def call(self, name: str | int, r4: int = 0, r5: int = 0, **requests: int) -> Directive:
        """A call from the running guest; ``pr`` is where it returns to. ``requests``: lines that rise before it."""
        self.requests |= requests
        self.state.update(r4=r4, r5=r5, pc=PAGE, pr=self.state["pc"] + 4 & 0xFFFFFFFF)
        return self.trap("call", name if isinstance(name, int) else ENTRIES.index(name))

    def interrupt(self, line: str, level: int) -> Directive:
        """A line rises and is accepted; a guest that enters the interrupt has it fall."""
        self.requests[line] = level
        return self.trap("interrupt", INTEVT[line], level, sleeping=self.d.sleep)

    @property
    def r0(self) -> int:
        return (self.state["r0"] ^ 0x80000000) - 0x80000000

    def vcpu(self, name: str) -> Any:
        return next(v for v in self.spumone.model.vcpus if v.name == name)

    def up(self, *srs: int) -> Drive:
        """Let every guest give its vectors and wait in turn, so that all wait, under these SRs."""
        for vcpu, sr in zip(self.spumone.model.vcpus, srs or (SLEEPY,) * 3, strict=True):
            self.call("set_vbr", BASE[vcpu.name])
            self.state["sr"] = sr
            self.call("idle")
        return self


@pytest.fixture
def drive(tmp_path: Path) -> Callable[..., Drive]:
    def make(lines: dict[str, list[str]] | None = None, **rest: Any) -> Drive:
        return Drive(tmp_path, lines or {"a": ["TUNI0"], "b": ["RXI1", "TXI1"], "c": ["IRQ3"]}, **rest)

    return make


class TestStart:
    def test_the_highest_runs_first(self, drive):
        spumone = drive()
        assert (spumone.d.vcpu, spumone.state["pc"], spumone.state["sr"]) == ("a", 0x88000000, 0x700000F0)
        assert spumone.d.vectors[0] == NO_VECTORS and spumone.d.forward == []
        assert spumone.d.charge == charge("start")

    def test_images_come_in_pieces(self, tmp_path):
        data = bytes(range(256)) * (2 * PIECE // 256) + b"the end"
        (tmp_path / "big").write_bytes(data)
        guest = {"image": str(tmp_path / "big"), "memory": [0x08000000, 0x02000000], "priority": 0, "lines": [],
                 "fpu": False, "entry": 0x88000100, "sr": 0x400000F0, "load": 0x08000000, "cmdline": "console=ttySC1",
                 "cmdline_address": 0x09000000}  # fmt: skip
        drive = Drive(tmp_path, {}, start=False)
        drive.spumone = Spumone("spumone", {"guests": {"big": guest}})
        assert drive.start().vcpu == "big"
        assert [(address, len(piece)) for address, piece in drive.loads] == [
            (0x08000000, PIECE), (0x08000000 + PIECE, PIECE), (0x08000000 + 2 * PIECE, 7), (0x09000000, 15),
        ]  # fmt: skip
        assert b"".join(piece for _, piece in drive.loads[:3]) == data
        assert drive.loads[3][1] == b"console=ttySC1\0"
        assert (drive.state["pc"], drive.state["sr"]) == (0x88000100, 0x400000F0)

    def test_a_trap_before_the_start(self, drive):
        spumone = drive(start=False)
        with pytest.raises(DeviceError, match="spumone: a call trap at tick 1000 before the guests were started"):
            spumone.call("idle")

    @pytest.mark.parametrize("config", [{"impl": "both"}, {"ceiling": 15}, {"ceiling": -1}])
    def test_configuration(self, config):
        with pytest.raises(DeviceError, match="expected"):
            Spumone("spumone", config)

    def test_more_guests_than_the_firmware_takes(self, drive):
        (guest,) = {v.name: v for v in drive({"a": []}).spumone.model.vcpus}.values()
        table = {"image": "", "priority": 0, "memory": guest.memory}
        with pytest.raises(DeviceError, match="spumone: 9 guests; the firmware takes 8 at most"):
            Spumone("spumone", {"impl": "firmware", "guests": {f"g{k}": table for k in range(9)}})

    def test_the_firmware_gets_its_segments_its_table_and_the_images(self, drive):
        """What the model would charge for is loaded instead; the core starts in it."""
        spumone = drive(firmware=True, start=False)
        config = {**spumone.spumone.config, "impl": "firmware"}
        spumone.spumone = Spumone("spumone", config)
        loads: list[tuple[int, bytes]] = []
        for piece in range(100):
            d = spumone.spumone.handle(0, Trap("start", piece, 0, b""))
            loads += d.loads
            if not d.more:
                break
        image = load_elf(artefact("spumone", "spumone.elf"))
        places = {image.symbol("spm_table"), *BASE.values(), *(0x8F100000 + 64 * k for k in range(3))}
        assert {a for a, _ in loads} == {a for a, _ in image.segments} | {place & 0x1FFFFFFF for place in places}
        assert dict((name, address) for address, name in d.labels)["entry"] == image.entry
        assert [name for _, name in d.pointers] == ["a", "b", "c"]
        d = spumone.spumone.handle(9, Trap("report", 0, 0, b"", words=[firmware.REFUSED, 1, 9, 0x89000104]))
        assert d.report == "guest b called entry 9 of SPUMONE's page, return 0x89000104: no such function"

    @pytest.mark.parametrize("what", range(1, firmware.LOST + 1))
    def test_what_the_firmware_tells_is_put_into_words(self, what):
        text = firmware.said(["a", "b"], [what, 1, 0x580, 0x89000104])
        assert text.startswith(("guest b ", "interrupt TUNI0 (INTEVT 0x580) "))
        assert firmware.said(["a", "b"], [what, firmware.layout.NOBODY, 0x9999, 0]).isprintable()

    def test_what_no_firmware_tells(self):
        assert firmware.said(["a"], [99, 0, 1, 2]) == "SPUMONE tells [99, 0, 1, 2], which this release does not know"


class TestCalls:
    def test_they_return(self, drive):
        spumone = drive()
        before = dict(spumone.state)
        spumone.call("query", 0)
        kept = {name: value for name, value in spumone.state.items() if name not in ("r0", "r4", "r5", "pr")}
        assert kept == {**{name: before[name] for name in kept}, "pc": before["pc"] + 4}

    @pytest.mark.parametrize(("what", "answer"), [(0, 2), (1, 0), (2, 3), (3, 0), (4, 7), (5, -22), (-1, -22)])
    def test_query(self, drive, what, answer):
        spumone = drive()
        spumone.call("query", what & 0xFFFFFFFF)
        assert spumone.r0 == answer and spumone.d.charge == charge("query")

    @pytest.mark.parametrize("base", [0x88000000, 0x88001004, 0x88FFF900, 0xA8001000])
    def test_set_vbr(self, drive, base):
        spumone = drive()
        spumone.call("set_vbr", base)
        assert spumone.r0 == 0
        assert spumone.d.vectors == (base, charge("exception"), charge("exception"), charge("interrupt"))
        assert spumone.d.forward == [INTEVT["TUNI0"]]

    @pytest.mark.parametrize(
        "base", [0, 0x08001000, 0x87FFFFFC, 0x88001001, 0x88001002, 0x89000000, 0x8F000000, 0xC8001000, 0xFFFFFFFC]
    )
    def test_vectors_outside_the_guests_memory_or_p1_and_p2_are_refused(self, drive, base):
        """As before stays as before."""
        spumone = drive()
        spumone.call("set_vbr", base)
        assert spumone.r0 == -22 and spumone.d.vectors[0] == NO_VECTORS
        spumone.call("set_vbr", 0x88001000)
        spumone.call("set_vbr", base)
        assert spumone.r0 == -22 and spumone.d.vectors[0] == 0x88001000

    @pytest.mark.parametrize(
        ("number", "place", "path"),
        [(99, "entry 99", "refused"), (255, "entry 255", "refused"), (0x1004, "0x8ffff004, inside an entry", "inside")],
    )
    def test_no_such_function(self, drive, number, place, path):
        spumone = drive()
        spumone.call(number)
        assert spumone.r0 == -38 and spumone.d.charge == charge(path)
        assert spumone.d.report == f"guest a called {place} of SPUMONE's page, return 0x88000004: no such function"

    @pytest.mark.parametrize(
        ("line", "on", "answer"),
        [("IRQ0", 1, 0), ("TUNI0", 1, 0), ("RXI1", 1, -1), ("ERI1", 1, -1), ("RXI1", 0, -1), ("IRQ0", 0, 0)],
    )
    def test_route(self, drive, line, on, answer):
        spumone = drive()
        spumone.call("set_vbr", 0x88000000)
        spumone.call("route", INTEVT[line], on)
        assert spumone.r0 == answer
        assert (INTEVT[line] in spumone.d.forward) == (line == "TUNI0" or (on == 1 and answer == 0))

    @pytest.mark.parametrize("code", [0, 0x160, 0x701, 0xFFFFFFFF])
    def test_route_of_no_line(self, drive, code):
        spumone = drive()
        spumone.call("route", code, 1)
        assert spumone.r0 == -22

    def test_a_source_belongs_to_one_guest(self, drive):
        # ERI0, RXI0, BRI0 and TXI0 have one priority field and one mask bit.
        spumone = drive()
        spumone.call("set_vbr", 0x88000000)
        spumone.call("route", INTEVT["TXI0"], 1)
        assert {INTEVT[line] for line in ("ERI0", "RXI0", "BRI0", "TXI0")} <= set(spumone.d.forward)
        spumone.call("route", INTEVT["RXI0"], 0)
        assert spumone.d.forward == [INTEVT["TUNI0"]]

    def test_released_and_taken_by_another(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        spumone.call("route", INTEVT["TUNI0"], 0)
        spumone.call("idle")
        spumone.interrupt("RXI1", 3)
        assert spumone.d.vcpu == "b"
        spumone.call("route", INTEVT["TUNI0"], 1)
        assert spumone.r0 == 0 and INTEVT["TUNI0"] in spumone.d.forward

    def test_what_was_nobodys_and_masked_comes_with_the_claim(self, drive):
        spumone = drive()
        spumone.call("set_vbr", 0x88000000)
        spumone.interrupt("IRQ0", 5)
        assert spumone.writes == mask_writes(INTEVT["IRQ0"], True) and spumone.pending() == []
        spumone.call("route", INTEVT["IRQ0"], 1)
        assert spumone.writes == mask_writes(INTEVT["IRQ0"], False) and spumone.pending() == [(INTEVT["IRQ0"], 5)]

    def test_what_the_cpu_node_may_answer_itself_is_what_is_answered(self, drive):
        spumone = drive()
        calls = {(entry, r4): (cost, r0) for entry, r4, cost, r0, _ in spumone.d.calls}
        compared = 0
        for entry, name in ((2, "route"), (3, "query")):
            for r4 in [*INTEVT.values(), 0, 1, 2, 3, 4, 77]:
                cost, r0 = calls.get((entry, r4)) or calls.get((entry, -1), (-1, 0))
                if cost >= 0:
                    compared += 1
                    other = drive()
                    assert (other.call(name, r4, 1).charge, other.r0) == (cost, r0), (name, r4)
        assert compared > 10


class TestInterrupts:
    def test_of_a_higher_guest(self, drive):
        """From the running low guest straight into the high one's vector."""
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.state.update(sr=SLEEPY, pc=0x89001234, r15=0x89F00000, r0=5, r0_bank=6)
        d = spumone.interrupt("TUNI0", 12)
        assert (d.vcpu, d.deliver, d.charge_path) == ("a", INTEVT["TUNI0"], "switch")
        assert d.charge == charge("switch", "enter")
        assert spumone.state["pc"] == 0x88000600 and spumone.state["intevt"] == INTEVT["TUNI0"]
        # a goes back to waiting, and b goes on as it was.
        d = spumone.call("idle")
        assert (d.vcpu, d.sleep, d.charge_path) == ("b", False, "idle+resume")
        assert d.charge == charge("idle", "elect", "resume")
        assert [spumone.state[n] for n in ("pc", "sr", "r15", "r0", "r0_bank")] == [
            0x89001234, SLEEPY, 0x89F00000, 5, 6,
        ]  # fmt: skip

    def test_the_vectors_see_what_the_hardware_would_leave(self, drive):
        """With CPUOPM.INTMU: SR.IMASK is the interrupt's level."""
        spumone = drive().up()
        state = {"sr": MD | 0x331, "pc": 0x88001000, "r15": 0x88F00000, "r0": 1, "r7": 2, "r0_bank": 3, "r7_bank": 4}
        spumone.vcpu("a").state.update(state)
        spumone.interrupt("TUNI0", 12)
        s = spumone.state
        assert (s["ssr"], s["spc"], s["sgr"], s["r15"]) == (MD | 0x331, 0x88001000, 0x88F00000, 0x88F00000)
        assert (s["r0"], s["r7"], s["r0_bank"], s["r7_bank"]) == (3, 4, 1, 2)
        assert s["sr"] == MD | RB | BL | 0x301 | 12 << 4

    def test_with_bank_1_in_use_nothing_is_swapped(self, drive):
        spumone = drive().up()
        spumone.vcpu("a").state.update(sr=MD | RB, r0=1, r0_bank=3)
        spumone.interrupt("TUNI0", 12)
        assert (spumone.state["r0"], spumone.state["r0_bank"]) == (1, 3)

    def test_of_the_running_guest_goes_on_to_it(self, drive):
        """The CPU node asks for it without leases only; as with them it costs nothing more, whatever units it uses."""
        spumone = drive(fpu=("b",), mmu=("b",)).up()
        spumone.interrupt("RXI1", 3)
        spumone.state.update(sr=SLEEPY, pc=0x89001234)
        d = spumone.interrupt("TXI1", 3)
        assert (d.vcpu, d.deliver, d.charge_path, d.charge) == ("b", INTEVT["TXI1"], "interrupt", charge("interrupt"))
        assert (spumone.state["pc"], spumone.state["spc"]) == (0x89000600, 0x89001234)

    def test_of_a_lower_guest_is_held(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        d = spumone.interrupt("RXI1", 3)
        assert (d.vcpu, d.charge, d.charge_path, d.report) == ("a", charge("hold"), "hold", "")
        assert d.writes == [(INT2MSKR, 4, 1 << 4)]
        # When a waits, the source is unmasked, and b takes it.
        d = spumone.call("idle")
        assert spumone.writes == [(INT2MSKCR, 4, 1 << 4)]
        assert (d.vcpu, d.deliver, d.charge_path) == ("b", INTEVT["RXI1"], "idle+wake")
        assert d.charge == charge("idle", "unmask", "elect", "elect", "elect", "wake", "enter")
        assert not spumone.vcpu("b").held

    def test_what_has_fallen_meanwhile_is_not_taken(self, drive):
        """The wanted source is unmasked first; the CPU node then says what is pending."""
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        spumone.interrupt("RXI1", 3)
        del spumone.requests["RXI1"]
        d = spumone.call("idle")
        assert (d.sleep, d.deliver, d.charge_path) == (True, 0, "idle+sleep")
        assert spumone.writes == [(INT2MSKCR, 4, 1 << 4)]

    def test_it_asks_again_when_it_has_unmasked(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        spumone.interrupt("RXI1", 3)
        spumone.state["pr"] = 0x88000004
        d = spumone.spumone.handle(spumone.t, Trap("call", ENTRIES.index("idle"), 0, pack(spumone.state)))
        assert d.again and (d.charge, d.vcpu, d.state, d.writes) == (0, "", b"", [(INT2MSKCR, 4, 1 << 4)])
        pending = [(INTEVT["RXI1"], 3)]
        d = spumone.spumone.handle(spumone.t, Trap("again", 1, 0, pack(spumone.state), pending=pending))
        assert (d.vcpu, d.deliver, d.writes, d.again) == ("b", INTEVT["RXI1"], [], False)

    def test_a_pin_is_masked_in_its_own_register(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        assert spumone.interrupt("IRQ3", 9).writes == [(INTMSK0, 4, 1 << 28)]
        assert spumone.call("idle").vcpu == "c"
        assert spumone.writes == [(INTMSKCLR0, 4, 1 << 28)]

    @pytest.mark.parametrize("imask", [12, 15])
    def test_that_a_waiting_high_guest_masks_is_held(self, drive, imask):
        spumone = drive().up(MD | imask << 4, SLEEPY, SLEEPY)
        spumone.interrupt("RXI1", 3)
        d = spumone.interrupt("TUNI0", 12)
        assert d.vcpu == "b" and d.writes == [(INT2MSKR, 4, 1)]

    def test_of_a_waiting_guest_comes_through_bl(self, drive):
        spumone = drive().up(MD | BL, MD | BL, MD | BL)
        assert spumone.interrupt("TUNI0", 1).vcpu == "a"

    def test_a_guest_in_its_own_sleep_does_not_wait(self, drive):
        """SLEEP is the guest's own: what is another's is held, and the guest goes on as behind SLEEP."""
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.state["sr"] = SLEEPY
        assert not spumone.d.sleep
        d = spumone.interrupt("IRQ3", 9)
        assert (d.vcpu, d.sleep, d.deliver, d.charge_path) == ("b", False, 0, "hold")
        assert not spumone.vcpu("b").waiting

    def test_in_an_idle_call_that_the_cpu_node_has_answered_it_waits(self, drive):
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.state["sr"] = SLEEPY
        spumone.requests["IRQ3"] = 9
        d = spumone.trap("interrupt", INTEVT["IRQ3"], 9, sleeping=True)
        assert (d.vcpu, d.deliver, d.charge_path) == ("c", INTEVT["IRQ3"], "wake")
        assert spumone.vcpu("b").waiting

    def test_of_nobody_is_masked_and_reported_once(self, drive):
        spumone = drive().up()
        d = spumone.interrupt("TUNI3", 9)
        assert d.report == "interrupt TUNI3 (INTEVT 0xe00) belongs to no guest: masked"
        assert d.writes == [(INT2MSKR, 4, 2)] and d.sleep
        assert d.charge == charge("wake_hold", "elect", "elect", "elect", "sleep")
        d = spumone.interrupt("TUNI3", 9)
        assert d.report == "" and d.writes == [(INT2MSKR, 4, 2)]

    def test_before_the_vectors_are_known(self, drive):
        """It is held, and comes as soon as the guest can take it."""
        spumone = drive()
        d = spumone.interrupt("TUNI0", 9)
        assert d.report == "interrupt TUNI0 (INTEVT 0x580) is guest a's, which gave no vector base yet: masked"
        assert d.writes == [(INT2MSKR, 4, 1)]
        assert spumone.call("set_vbr", 0x88000000).writes == [(INT2MSKCR, 4, 1)]
        assert not spumone.spumone.model.vcpus[0].held

    def test_what_is_to_be_said_of_two_is_said_of_both(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        spumone.state["sr"] = SLEEPY
        d = spumone.call("idle", TUNI3=9, IRQ0=8)
        assert d.report == "; ".join(
            f"interrupt {line} (INTEVT 0x{INTEVT[line]:03x}) belongs to no guest: masked" for line in ("TUNI3", "IRQ0")
        )

    def test_that_wakes_a_low_guest_while_all_sleep(self, drive):
        spumone = drive().up()
        assert spumone.d.sleep
        d = spumone.interrupt("IRQ3", 2)
        assert (d.vcpu, d.sleep, d.charge, d.charge_path) == ("c", False, charge("wake", "enter"), "wake")


class TestIdle:
    def test_it_goes_down_the_priorities(self, drive):
        spumone = drive()
        assert [spumone.d.vcpu, spumone.call("idle").vcpu, spumone.call("idle").vcpu] == ["a", "b", "c"]
        assert not spumone.d.sleep

    def test_it_skips_those_that_wait(self, drive):
        spumone = drive().up()
        spumone.interrupt("IRQ3", 2)  # c runs
        spumone.interrupt("TUNI0", 9)  # a runs
        d = spumone.call("idle")
        assert (d.vcpu, d.sleep, d.charge) == ("c", False, charge("idle", "elect", "elect", "resume"))

    def test_the_window_takes_the_highest_request(self, drive):
        """The hardware chooses, by level; that b is above c does not count where both wait."""
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        d = spumone.call("idle", IRQ3=7, RXI1=3)
        assert (d.vcpu, d.deliver, d.charge_path) == ("c", INTEVT["IRQ3"], "idle+wake")
        assert d.charge == charge("idle", "elect", "elect", "elect", "wake", "enter")

    def test_with_the_same_level_too(self, drive):
        spumone = drive().up(MD | 3 << 4, SLEEPY, SLEEPY)
        spumone.interrupt("TUNI0", 9)
        spumone.state["sr"] = MD | 5 << 4
        d = spumone.call("idle", RXI1=4, IRQ3=4)
        assert (d.vcpu, d.deliver) == ("b", INTEVT["RXI1"])

    def test_what_is_not_above_the_windows_imask_waits(self, drive):
        """b is ready and its request is below a's IMASK: it comes when b runs, of itself."""
        spumone = drive()
        spumone.call("set_vbr", BASE["a"])
        spumone.state["sr"] = MD | 6 << 4
        d = spumone.call("idle", RXI1=6)
        assert (d.vcpu, d.deliver, spumone.writes, d.charge_path) == ("b", 0, [], "idle+resume")

    def test_a_request_of_the_elected_guest_above_it_is_held_and_given_back(self, drive):
        """The window cannot leave it out: it is masked, and unmasked as its owner comes to run."""
        spumone = drive()
        spumone.call("set_vbr", BASE["a"])
        spumone.state["sr"] = MD | 6 << 4
        d = spumone.call("idle", RXI1=7)
        assert (d.vcpu, d.deliver, d.charge_path) == ("b", 0, "idle+wake_hold+resume")
        assert d.charge == charge("idle", "elect", "wake_hold", "elect", "resume", "unmask")
        assert spumone.writes == [(INT2MSKR, 4, 1 << 4), (INT2MSKCR, 4, 1 << 4)]
        assert spumone.pending() == [(INTEVT["RXI1"], 7)] and not spumone.vcpu("b").held

    def test_a_request_of_a_guest_below_the_elected_one_is_held_until_it_runs(self, drive):
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.interrupt("TUNI0", 9)  # a runs, b is ready, c waits
        spumone.state["sr"] = SLEEPY
        d = spumone.call("idle", IRQ3=7)
        assert (d.vcpu, d.deliver, spumone.writes) == ("b", 0, [(INTMSK0, 4, 1 << 28)])
        spumone.state["sr"] = SLEEPY
        d = spumone.call("idle")
        assert (d.vcpu, d.deliver, spumone.writes) == ("c", INTEVT["IRQ3"], [(INTMSKCLR0, 4, 1 << 28)])

    def test_the_window_is_shut_without_vectors_above(self, drive):
        """Nobody who waits could take anything."""
        spumone = drive()
        spumone.state["sr"] = SLEEPY
        d = spumone.call("idle", RXI1=7, TUNI0=9)
        assert (d.vcpu, spumone.writes) == ("b", [])

    def test_it_may_be_its_own(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        d = spumone.call("idle", TUNI0=10)
        assert (d.vcpu, d.deliver) == ("a", INTEVT["TUNI0"])

    def test_a_wait_call_is_left_sooner(self, drive):
        spumone = drive()
        spumone.call("set_vbr", BASE["a"])
        spumone.state["sr"] = SLEEPY
        assert spumone.call("wait").charge == charge("wait", "elect", "resume")
        assert spumone.interrupt("TUNI0", 9).charge == charge("switch", "enter_bare")
        spumone.state["sr"] = SLEEPY
        spumone.call("idle")
        assert spumone.interrupt("TUNI0", 9).charge == charge("switch", "enter")

    def test_returns_where_it_was_called(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        spumone.state["pc"] = 0x88002000
        spumone.call("idle", TUNI0=10)
        assert spumone.state["spc"] == 0x88002004

    def test_when_all_wait_the_least_masked_sleeps(self, drive):
        spumone = drive().up(*(MD | imask << 4 for imask in (9, 2, 5)))
        assert (spumone.d.vcpu, spumone.d.sleep) == ("b", True)

    def test_its_lease(self, drive):
        """Only where no other guest could run or be woken by what the caller's own mask keeps out."""
        spumone = drive()
        assert spumone.d.idle[0] < 0  # b and c are ready
        spumone.up(SLEEPY, MD | 5 << 4, MD | 4 << 4)
        spumone.interrupt("TUNI0", 9)
        sleep = charge("idle", "elect", "elect", "elect", "sleep")
        assert spumone.d.idle == (sleep, 3)
        spumone.interrupt("RXI1", 7)
        assert spumone.d.idle[0] < 0  # that is held
        spumone.call("idle")
        assert (spumone.d.vcpu, spumone.d.idle) == ("b", (sleep, 3))  # below c's IMASK, and at most a's

    def test_no_lease_where_no_mask_keeps_another_asleep(self, drive):
        spumone = drive().up(SLEEPY, MD | 5 << 4, MD)
        spumone.interrupt("TUNI0", 9)
        assert spumone.d.idle == (-1, 0)  # c waits with IMASK 0


class TestEnds:
    @pytest.mark.parametrize("entry", ["restart", "stop"])
    @pytest.mark.parametrize(
        ("caller", "index", "error"), [("b", 0, -1), ("c", 1, -1), ("b", 3, -22), ("a", 1 << 31, -22)]
    )
    def test_what_is_refused(self, drive, entry, caller, index, error):
        spumone = drive(firmware=True)
        while spumone.d.vcpu != caller:
            spumone.call("idle")
        d = spumone.call(entry, index)
        assert (d.vcpu, spumone.r0, spumone.writes, d.report) == (caller, error, [], "")

    def test_without_an_image_nothing_is_started_again(self, drive):
        """The model takes the loader from the firmware; here it was not built."""
        spumone = drive()
        spumone.call("restart", 1)
        assert spumone.r0 == -2 and spumone.writes == []

    def test_restart_of_a_lower_guest(self, drive):
        """Its lines are masked at once; as its turn comes its vectors are forgotten, and the loader runs instead."""
        spumone = drive(firmware=True).up()
        spumone.interrupt("TUNI0", 9)
        spumone.interrupt("RXI1", 3)
        d = spumone.call("restart", 1)
        assert (d.vcpu, spumone.r0, d.charge) == ("a", 0, charge("restart"))
        assert d.report == "guest b is started again by guest a"
        assert spumone.writes == [(INT2MSKR, 4, 1 << 4)]
        vcpu = spumone.vcpu("b")
        assert (vcpu.dead, vcpu.ready) == ("anew", True)
        d = spumone.call("idle")
        assert (vcpu.dead, vcpu.base, vcpu.ready, vcpu.held) == ("", -1, True, {})
        assert d.charge == charge("idle", "elect", "anew", "elect", "resume")
        image = load_elf(artefact("spumone", "spumone.elf"))
        table = image.symbol("spm_table")
        assert (d.vcpu, spumone.state["pc"], spumone.state["sr"]) == ("b", image.symbol("spm_loader"), MD)
        assert [spumone.state[f"r{n}"] for n in (4, 5, 6)] == [
            table + firmware.layout.segments_offset(1), BASE["b"], 0x700000F0,
        ]  # fmt: skip

    def test_restart_of_itself(self, drive):
        spumone = drive(firmware=True).up()
        spumone.interrupt("RXI1", 3)
        d = spumone.call("restart", 1)
        assert (d.vcpu, d.sleep) == ("b", False) and spumone.state["pc"] != 0x89000604
        assert d.charge == charge("restart", "elect", "anew", "elect", "resume")

    def test_stop_and_restart(self, drive):
        """A stopped guest is passed over, and nothing of its own wakes it."""
        spumone = drive(firmware=True).up()
        spumone.interrupt("TUNI0", 9)
        d = spumone.call("stop", 1)
        assert (d.vcpu, spumone.r0, d.charge, spumone.writes) == ("a", 0, charge("stop"), [(INT2MSKR, 4, 1 << 4)])
        assert d.report == "guest b is stopped by guest a"
        spumone.state["sr"] = SLEEPY
        assert spumone.call("idle").sleep
        spumone.masks[INT2MSKR] = 0  # as if somebody had unmasked it
        d = spumone.interrupt("RXI1", 9)
        assert (d.sleep, spumone.writes) == (True, [(INT2MSKR, 4, 1 << 4)])
        spumone.interrupt("TUNI0", 9)
        spumone.call("restart", 1)
        assert spumone.call("idle").vcpu == "b"

    def test_stop_of_itself(self, drive):
        spumone = drive(firmware=True)
        spumone.call("set_vbr", BASE["a"])
        d = spumone.call("stop", 0)
        assert (d.vcpu, d.charge, spumone.writes) == ("b", charge("stop", "elect", "resume"), [(INT2MSKR, 4, 1)])

    def test_what_has_been_masked_with_a_guest_is_not_pending(self, drive):
        spumone = drive(firmware=True).up()
        spumone.interrupt("RXI1", 3)
        d = spumone.call("stop", 1, RXI1=3)
        assert (d.sleep, spumone.writes) == (True, [(INT2MSKR, 4, 1 << 4)])
        assert d.charge == charge("stop", "elect", "elect", "elect", "sleep")

    def test_units_of_an_ended_guest_are_nobodys(self, drive):
        spumone = drive(firmware=True, fpu=("a", "b"), mmu=("a", "b")).up()
        spumone.interrupt("RXI1", 3)
        model = spumone.spumone.model
        assert (model.fpu_owner.name, model.mmu_owner.name) == ("b", "b")
        spumone.call("stop", 1)
        assert model.fpu_owner is None and model.mmu_owner is None

    def test_what_is_not_its_own_stays_when_a_guest_is_started_again(self, drive):
        """b uses neither unit: c's registers are in the CPU, and cache control is nobody's."""
        spumone = drive(firmware=True, fpu=("c",), mmu=("c",)).up()
        spumone.interrupt("RXI1", 3)
        theirs = {"fr3": 0x3F800000, "xf5": 7, "fpscr": 0x00040001, "pteh": 0x1234, "ccr": 0x105}
        spumone.state.update(theirs, sr=SLEEPY)
        spumone.call("restart", 1)
        assert {name: spumone.state[name] for name in theirs} == theirs
        spumone.call("idle", IRQ3=2)
        assert spumone.d.vcpu == "c" and {name: spumone.state[name] for name in theirs} == theirs

    @pytest.mark.parametrize("again", [True, False])
    def test_a_guest_that_resets_the_cpu(self, drive, again):
        """It is started again or stopped, by its flag; the others go on."""
        spumone = drive(firmware=True, restart=("b",) if again else ("a", "c"))
        for name in "ab":
            spumone.call("set_vbr", BASE[name])
            spumone.state["sr"] = SLEEPY
            if name == "a":
                spumone.call("idle")
        d = spumone.trap("reset", 0)
        assert spumone.writes == [(INT2MSKR, 4, 1 << 4)]
        assert (d.vcpu, d.report) == (
            ("b", "guest b is started again") if again else ("c", "guest b is stopped")
        )  # fmt: skip
        assert d.charge == charge(
            "reset", "elect", "reap", "elect", *["anew" if again else "elect"], *(["elect"] if again else []), "resume"
        )
        assert spumone.interrupt("TUNI0", 9).vcpu == "a"

    def test_whose_mmu_registers_are_lost_with_it(self, drive):
        """MMUCR is cleared by a reset: the guest whose MMU registers are in the CPU ends as well, as its flag says."""
        spumone = drive(firmware=True, mmu=("b",), restart=("b",)).up()
        spumone.interrupt("RXI1", 3)
        spumone.interrupt("TUNI0", 9)  # a runs; b's registers stay
        d = spumone.trap("reset", 0)
        assert d.report == (
            "guest a is stopped; guest b has lost its MMU registers by that reset; guest b is started again"
        )
        assert (d.vcpu, spumone.state["pc"]) == ("b", spumone.spumone.model.loader)

    def test_whose_fpscr_is_reset_with_it(self, drive):
        """The guest that has the FPU goes on, and what it may have lost is told."""
        spumone = drive(firmware=True, fpu=("b",)).up()
        spumone.interrupt("RXI1", 3)
        spumone.interrupt("TUNI0", 9)
        d = spumone.trap("reset", 0)
        assert (
            d.report == ("guest a is stopped; guest b goes on with FPSCR as after that reset, 0x00040001")
            and d.vcpu == "b"
        )


class TestSwitch:
    def state(self, seed: int) -> dict[str, int]:
        return {name: (seed * 0x01010101 + k * 0x9E3779B1) & 0xFFFFFFFF for k, name in enumerate(STATE_NAMES)}

    @pytest.mark.parametrize("mmu", [("a", "b", "c"), ("b",), ()], ids=lambda names: "mmu-" + "".join(names))
    @pytest.mark.parametrize("fpu", [("a", "b", "c"), ("b",), ()], ids=lambda names: "fpu-" + "".join(names))
    def test_every_register_is_kept(self, drive, fpu, mmu):
        spumone = drive(fpu=fpu, mmu=mmu).up()
        spumone.interrupt("RXI1", 3)
        spumone.state = {**self.state(1), "sr": SLEEPY, "pc": 0x89000100}
        before = dict(spumone.state)
        spumone.interrupt("TUNI0", 9)
        # A guest without the unit leaves its registers in place; everything else is the guest's own.
        kept = {name for uses, names in ((fpu, FPU), (mmu, MMU)) if "a" not in uses for name in names}
        for name in kept:
            assert spumone.state[name] == before[name], name
        spumone.state = {**self.state(2), "sr": SLEEPY, "pc": 0x88000100,
                         **{name: before[name] for name in SPUMONES_OWN | kept}}  # fmt: skip
        spumone.call("idle")
        assert spumone.d.vcpu == "b"
        if "a" in mmu and "b" in mmu:
            before["mmucr"] |= TI
        assert {n: v for n, v in spumone.state.items() if v != before[n]} == {}

    def test_cache_control_is_common(self, drive):
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.state.update(ccr=0x10105, pascr=3)
        spumone.interrupt("TUNI0", 9)
        assert [spumone.state[name] for name in ("ccr", "pascr")] == [0x10105, 3]

    @pytest.mark.parametrize(("unit", "register"), [("fpu", "fr3"), ("mmu", "pteh")])
    def test_a_unit_moves_only_between_guests_that_use_it(self, drive, unit, register):
        spumone = drive(**{unit: ("b", "c")})
        spumone.up()
        spumone.interrupt("RXI1", 3)  # b takes it over from c
        spumone.state[register] = 0x3F800000
        spumone.state["sr"] = SLEEPY
        assert spumone.interrupt("TUNI0", 9).charge == charge("switch", "enter")
        assert spumone.state[register] == 0x3F800000
        assert spumone.call("idle").charge == charge("idle", "elect", "resume", "units")
        assert spumone.state[register] == 0x3F800000
        d = spumone.call("idle", IRQ3=2)
        assert (d.vcpu, d.charge) == ("c", charge("idle", *["elect"] * 3, "wake", "units", "enter", unit))
        assert spumone.state[register] == 0
        spumone.state["sr"] = SLEEPY
        d = spumone.call("idle", RXI1=2)
        assert (d.vcpu, spumone.state[register]) == ("b", 0x3F800000)
        if unit == "mmu":
            assert spumone.state["mmucr"] & TI

    def test_figures(self, drive):
        spumone = drive().up()
        switches = spumone.spumone.info()["switches"]
        spumone.interrupt("RXI1", 3)
        spumone.interrupt("TUNI0", 9)
        spumone.interrupt("IRQ3", 9)
        assert spumone.spumone.info()["held"] == 1 and spumone.spumone.info()["switches"] > switches
        assert spumone.spumone.state()["running"] == "a"
