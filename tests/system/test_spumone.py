"""SPUMONE's decisions, asked directly with hand-made traps: routing, priority, idle, holding, switching."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cosim.device import DeviceError
from cosim.messages import Directive, Trap
from cosim.sh7780 import INTEVT
from cosim.state import STATE_NAMES, pack, unpack
from hypervisor_node.paths import COSTS, charge
from hypervisor_node.spumone import ENTRIES, PIECE, Spumone

INT2MSKR, INT2MSKCR = 0xFFD40038, 0xFFD4003C
BL, RB, MD = 0x10000000, 0x20000000, 0x40000000
SLEEPY = 0x40000000  # SR of a guest that takes everything
SPUMONES_OWN = {"ptel", "pascr", "ccr", "vbr"}


class Drive:
    """A SPUMONE with guests a, b, c by priority, and the CPU's side of it."""

    def __init__(
        self, folder: Path, lines: dict[str, list[str]], fpu: tuple[str, ...] = (), start: bool = True
    ) -> None:
        (folder / "raw").write_bytes(bytes(64))
        guests = {}
        for k, name in enumerate(lines):
            base = 0x08000000 + 0x01000000 * k
            guests[name] = {"image": str(folder / "raw"), "memory": [base, 0x01000000], "priority": k,
                            "lines": lines[name], "fpu": name in fpu, "entry": None, "sr": None, "load": base,
                            "cmdline": "", "cmdline_address": 0}  # fmt: skip
        # The order of the topology is not that of the priorities.
        self.spumone = Spumone("spumone", {"guests": dict(reversed(guests.items()))})
        self.t = 0
        self.state: dict[str, int] = dict.fromkeys(STATE_NAMES, 0)
        self.loads: list[tuple[int, bytes]] = []
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
        self.t += 1000
        trap = Trap(cause, number, level, pack(self.state), **rest)
        d = self.spumone.handle(self.t, trap)
        assert isinstance(d, Directive)
        if not d.more:
            self.d, self.state = d, unpack(d.state)
        return d

    def call(self, name: str | int, r4: int = 0, r5: int = 0, pending: tuple[tuple[int, int], ...] = ()) -> Directive:
        """A call from the running guest; ``pr`` is where it returns to."""
        self.state.update(r4=r4, r5=r5, pc=0x8FFFF000, pr=self.state["pc"] + 4 & 0xFFFFFFFF)
        number = name if isinstance(name, int) else ENTRIES.index(name)
        return self.trap("call", number, pending=list(pending))

    def interrupt(self, line: str, level: int) -> Directive:
        return self.trap("interrupt", INTEVT[line], level, sleeping=self.d.sleep)

    @property
    def r0(self) -> int:
        return (self.state["r0"] ^ 0x80000000) - 0x80000000

    def up(self, sr: int = SLEEPY) -> Drive:
        """Let every guest give its vectors and wait in turn, so that all wait."""
        for _ in self.spumone.vcpus:
            k = self.spumone.running.index
            self.call("set_vbr", 0x88000000 + k * 0x01000000)
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
        assert spumone.d.vectors[0] == -1 and spumone.d.forward == []

    def test_images_come_in_pieces(self, tmp_path):
        data = bytes(range(256)) * (2 * PIECE // 256) + b"the end"
        (tmp_path / "big").write_bytes(data)
        guest = {"image": str(tmp_path / "big"), "memory": [0x08000000, 0x02000000], "priority": 0, "lines": [],
                 "fpu": False, "entry": 0x88000100, "sr": 0x400000F0, "load": 0x08000000, "cmdline": "console=ttySC1",
                 "cmdline_address": 0x09000000}  # fmt: skip
        drive = Drive(tmp_path, {}, start=False)
        drive.spumone = Spumone("spumone", {"guests": {"big": guest}})
        assert drive.start().vcpu == "big"
        assert [len(piece) for _, piece in drive.loads] == [PIECE, PIECE, 7, 15]
        assert [address for address, _ in drive.loads] == [
            0x08000000,
            0x08000000 + PIECE,
            0x08000000 + 2 * PIECE,
            0x09000000,
        ]
        assert b"".join(piece for _, piece in drive.loads[:3]) == data
        assert drive.loads[3][1] == b"console=ttySC1\0"
        assert (drive.state["pc"], drive.state["sr"]) == (0x88000100, 0x400000F0)

    def test_a_trap_before_the_start(self, drive):
        spumone = drive(start=False)
        with pytest.raises(DeviceError, match="spumone: a call trap at tick 1000 before the guests were started"):
            spumone.call("idle")

    @pytest.mark.parametrize("config", [{"impl": "firmware"}, {"ceiling": 15}, {"ceiling": -1}])
    def test_configuration(self, config):
        with pytest.raises(DeviceError, match="expected|this release"):
            Spumone("spumone", config)


class TestCalls:
    def test_they_return(self, drive):
        spumone = drive()
        before = dict(spumone.state)
        spumone.call("query", 0)
        kept = {name: value for name, value in spumone.state.items() if name not in ("r0", "r4", "r5", "pr")}
        assert kept == {**{name: before[name] for name in kept}, "pc": before["pc"] + 4}

    @pytest.mark.parametrize(("what", "answer"), [(0, 1), (1, 0), (2, 3), (3, 0), (4, 7), (5, -22), (-1, -22)])
    def test_query(self, drive, what, answer):
        spumone = drive()
        spumone.call("query", what & 0xFFFFFFFF)
        assert spumone.r0 == answer and spumone.d.charge == charge("query")

    def test_set_vbr(self, drive):
        spumone = drive()
        spumone.call("set_vbr", 0x88001000)
        assert spumone.r0 == 0
        assert spumone.d.vectors == (0x88001000, charge("exception"), charge("exception"), charge("interrupt"))
        assert spumone.d.forward == [INTEVT["TUNI0"]]

    @pytest.mark.parametrize(
        ("number", "place"), [(4, "entry 4"), (255, "entry 255"), (0x1004, "0x8ffff004, inside an entry")]
    )
    def test_no_such_function(self, drive, number, place):
        spumone = drive()
        spumone.call(number)
        assert spumone.r0 == -38
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

    def test_what_the_cpu_node_may_answer_itself_is_what_is_answered(self, drive):
        spumone = drive()
        calls = {(entry, r4): (cost, r0) for entry, r4, cost, r0, _ in spumone.d.calls}
        for entry, name in ((2, "route"), (3, "query")):
            for r4 in [*INTEVT.values(), 0, 1, 2, 3, 4, 77]:
                cost, r0 = calls.get((entry, r4)) or calls.get((entry, -1), (-1, 0))
                if cost >= 0:
                    other = drive()
                    assert (other.call(name, r4, 1).charge, other.r0) == (cost, r0), (name, r4)


class TestInterrupts:
    def test_of_a_higher_guest(self, drive):
        """From the running low guest straight into the high one's vector."""
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.state.update(sr=SLEEPY, pc=0x89001234, r15=0x89F00000, r0=5, r0_bank=6)
        d = spumone.interrupt("TUNI0", 12)
        assert (d.vcpu, d.deliver, d.charge, d.charge_path) == ("a", INTEVT["TUNI0"], charge("switch"), "switch")
        assert spumone.state["pc"] == 0x88000600 and spumone.state["intevt"] == INTEVT["TUNI0"]
        assert spumone.state["sr"] == SLEEPY | MD | RB | BL
        # a goes back to waiting, and b goes on as it was.
        d = spumone.call("idle")
        assert d.vcpu == "b" and not d.sleep
        assert [spumone.state[n] for n in ("pc", "sr", "r15", "r0", "r0_bank")] == [
            0x89001234,
            SLEEPY,
            0x89F00000,
            5,
            6,
        ]

    def test_the_vectors_see_what_the_hardware_would_leave(self, drive):
        spumone = drive().up()
        vcpu = spumone.spumone.vcpus[0]
        vcpu.state.update(sr=MD | 0x301, pc=0x88001000, r15=0x88F00000, r0=1, r7=2, r0_bank=3, r7_bank=4)
        spumone.interrupt("TUNI0", 12)
        s = spumone.state
        assert (s["ssr"], s["spc"], s["sgr"], s["r15"]) == (MD | 0x301, 0x88001000, 0x88F00000, 0x88F00000)
        assert (s["r0"], s["r7"], s["r0_bank"], s["r7_bank"]) == (3, 4, 1, 2)
        assert s["sr"] == MD | RB | BL | 0x301

    def test_with_bank_1_in_use_nothing_is_swapped(self, drive):
        spumone = drive().up()
        spumone.spumone.vcpus[0].state.update(sr=MD | RB, r0=1, r0_bank=3)
        spumone.interrupt("TUNI0", 12)
        assert (spumone.state["r0"], spumone.state["r0_bank"]) == (1, 3)

    def test_of_a_lower_guest_is_held(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        d = spumone.interrupt("RXI1", 3)
        assert (d.vcpu, d.charge, d.charge_path, d.report) == ("a", charge("hold"), "hold", "")
        assert d.writes == [(INT2MSKR, 4, 1 << 4)]
        # When a waits, b gets the CPU with its source unmasked: the request comes again.
        d = spumone.call("idle")
        assert (d.vcpu, d.sleep, d.writes) == ("b", True, [(INT2MSKCR, 4, 1 << 4)])
        d = spumone.interrupt("RXI1", 3)
        assert (d.vcpu, d.deliver) == ("b", INTEVT["RXI1"])
        assert not spumone.spumone.vcpus[1].held

    def test_a_pin_is_masked_in_its_own_register(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 12)
        assert spumone.interrupt("IRQ3", 9).writes == [(0xFFD00044, 4, 1 << 28)]
        assert spumone.call("idle").writes == [(0xFFD00064, 4, 1 << 28)]
        assert spumone.d.vcpu == "c"

    @pytest.mark.parametrize("sr", [MD | 12 << 4, MD | 15 << 4])
    def test_that_a_waiting_high_guest_masks_is_held(self, drive, sr):
        spumone = drive().up()
        spumone.spumone.vcpus[0].state["sr"] = sr
        spumone.interrupt("RXI1", 3)
        d = spumone.interrupt("TUNI0", 12)
        assert d.vcpu == "b" and d.writes == [(INT2MSKR, 4, 1)]

    def test_of_a_waiting_guest_comes_through_bl(self, drive):
        spumone = drive().up(MD | BL)
        assert spumone.interrupt("TUNI0", 1).vcpu == "a"

    def test_of_nobody_is_masked_and_reported_once(self, drive):
        spumone = drive().up()
        d = spumone.interrupt("TUNI3", 9)
        assert d.report == "interrupt TUNI3 (INTEVT 0xe00) belongs to no guest: masked"
        assert d.writes == [(INT2MSKR, 4, 2)]
        d = spumone.interrupt("TUNI3", 9)
        assert d.report == "" and d.writes == [(INT2MSKR, 4, 2)]

    def test_before_the_vectors_are_known(self, drive):
        spumone = drive()
        d = spumone.interrupt("TUNI0", 9)
        assert d.report == "interrupt TUNI0 (INTEVT 0x580) is guest a's, which gave no vector base yet: masked"
        d = spumone.call("set_vbr", 0x88000000)
        assert d.writes == [(INT2MSKCR, 4, 1)]

    def test_that_wakes_a_low_guest_while_all_sleep(self, drive):
        spumone = drive().up()
        assert spumone.d.sleep
        d = spumone.interrupt("IRQ3", 2)
        assert (d.vcpu, d.sleep) == ("c", False)


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
        assert (d.vcpu, d.sleep, d.charge) == ("c", False, charge("idle_switch", *["elect"] * 3))

    def test_a_pending_request_is_delivered(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        d = spumone.call("idle", pending=((INTEVT["IRQ3"], 7), (INTEVT["RXI1"], 3)))
        # b is above c, whatever the levels of their requests.
        assert (d.vcpu, d.deliver, d.charge_path) == ("b", INTEVT["RXI1"], "idle_deliver")
        assert d.charge == charge("idle_deliver", "elect", "elect")
        assert spumone.state["pc"] == 0x89000600

    def test_it_may_be_its_own(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        d = spumone.call("idle", pending=((INTEVT["TUNI0"], 9),))
        assert (d.vcpu, d.deliver) == ("a", INTEVT["TUNI0"])

    def test_returns_where_it_was_called(self, drive):
        spumone = drive().up()
        spumone.interrupt("TUNI0", 9)
        spumone.state["pc"] = 0x88002000
        spumone.call("idle", pending=((INTEVT["TUNI0"], 9),))
        assert spumone.state["spc"] == 0x88002004

    def test_when_all_wait_the_least_masked_sleeps(self, drive):
        spumone = drive()
        for k, imask in enumerate((9, 2, 5)):
            spumone.call("set_vbr", 0x88000000 + k * 0x01000000)
            spumone.state["sr"] = MD | imask << 4
            spumone.call("idle")
        assert (spumone.d.vcpu, spumone.d.sleep) == ("b", True)

    def test_its_lease(self, drive):
        """Only where no other guest could run or be woken by what the caller's own mask keeps out."""
        spumone = drive()
        assert spumone.d.idle[0] < 0  # b and c are ready
        spumone.up()
        spumone.interrupt("TUNI0", 9)
        assert spumone.d.idle == (charge("idle_stay", "elect", "elect", "elect"), -1)


class TestSwitch:
    def state(self, seed: int) -> dict[str, int]:
        return {name: (seed * 0x01010101 + k * 0x9E3779B1) & 0xFFFFFFFF for k, name in enumerate(STATE_NAMES)}

    @pytest.mark.parametrize("fpu", [("a", "b", "c"), ("b",), ()], ids=str)
    def test_every_register_is_kept(self, drive, fpu):
        spumone = drive(fpu=fpu).up()
        spumone.interrupt("RXI1", 3)
        spumone.state = {**self.state(1), "sr": SLEEPY, "pc": 0x89000100}
        before = dict(spumone.state)
        spumone.interrupt("TUNI0", 9)
        fpu_names = {n for n in STATE_NAMES if n[:2] in ("fr", "xf") or n in ("fpscr", "fpul")}
        kept = fpu_names if "a" not in fpu else set()
        # A guest without the FPU leaves its registers in place; everything else is the guest's own.
        for name in kept:
            assert spumone.state[name] == before[name], name
        spumone.state = {**self.state(2), "sr": SLEEPY, "pc": 0x88000100,
                         **{name: before[name] for name in SPUMONES_OWN | kept}}  # fmt: skip
        spumone.call("idle")
        assert spumone.d.vcpu == "b"
        assert {n: v for n, v in spumone.state.items() if v != before[n]} == {}

    def test_cache_control_is_common(self, drive):
        spumone = drive().up()
        spumone.interrupt("RXI1", 3)
        spumone.state.update(ccr=0x10105, ptel=0x77, pascr=3)
        spumone.interrupt("TUNI0", 9)
        assert [spumone.state[name] for name in ("ccr", "ptel", "pascr")] == [0x10105, 0x77, 3]

    def test_the_fpu_moves_only_between_guests_that_use_it(self, drive):
        spumone = drive(fpu=("b", "c")).up()
        fpu = charge("fpu")
        spumone.interrupt("RXI1", 3)  # b takes it over from c
        spumone.state["fr3"] = 0x3F800000
        assert spumone.interrupt("TUNI0", 9).charge == charge("switch")
        assert spumone.state["fr3"] == 0x3F800000
        assert spumone.call("idle").charge == charge("idle_switch", "elect", "elect")
        assert spumone.state["fr3"] == 0x3F800000
        d = spumone.call("idle")  # all wait, and the CPU sleeps as c
        assert (d.vcpu, d.charge) == ("c", charge("idle_switch", "elect", "elect", "elect") + fpu)
        assert spumone.state["fr3"] == 0
        d = spumone.interrupt("RXI1", 2)
        assert (d.vcpu, spumone.state["fr3"]) == ("b", 0x3F800000)

    def test_figures(self, drive):
        spumone = drive().up()
        switches = spumone.spumone.info()["switches"]
        spumone.interrupt("RXI1", 3)
        spumone.interrupt("TUNI0", 9)
        spumone.interrupt("IRQ3", 9)
        assert spumone.spumone.info()["held"] == 1 and spumone.spumone.info()["switches"] > switches
        assert spumone.spumone.state()["running"] == "a"


def test_costs_are_of_code():
    assert all(cost.instructions > 0 for cost in COSTS.values())
    assert charge("idle_switch", "elect") == COSTS["idle_switch"].instructions + COSTS["elect"].instructions
