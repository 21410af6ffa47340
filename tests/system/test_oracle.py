"""SPUMONE's model as the oracle of its firmware: fed with what the firmware decides on, it decides the same, each time.

A machine runs the firmware. At the start of each path the model gets the trap that the CPU node would have sent: the
guest's state, the interrupt, its level. At the path's end it is compared who runs, which interrupt is entered and with
what SR, SSR and SPC, what has been masked and unmasked, and what a call returns.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from storm_machine import LIMIT, build_guests, random_scenario, start
from whole_machine import PROMPT, SPUMONE, machine

from cosim import TICK_HZ
from cosim.messages import Directive, Trap
from cosim.sh7780 import INT2MSKCR, INT2MSKR, INTMSK0, INTMSKCLR0
from cosim.state import pack
from cpu_node.firmware import STARTS
from cpu_node.machine import Machine
from guests.build import CROSS, artefact
from guests.stages import BuildError
from hypervisor_node.model import ENTRIES, MD, RB
from launch.session import BAUD_GAP

MASKS = {INT2MSKR: (0, True), INT2MSKCR: (0, False), INTMSK0: (1, True), INTMSKCLR0: (1, False)}
SPUMONES_CODE = 0x8F000000
STRESS = b"stress --cpu 1 --io 1 --vm 1 --vm-bytes 4M --timeout 10000 >/dev/null\n"


def masked(writes: list[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """(register, bit) that were written -> whether it is masked at the end."""
    out = {}
    for address, bits in writes:
        register, mask = MASKS[address]
        out |= {(register, bit): mask for bit in range(32) if bits >> bit & 1}
    return out


class Oracle:
    """Beside a machine at its first tick that runs the firmware."""

    def __init__(self, board: Machine) -> None:
        self.board, self.firmware = board, board.firmware
        self.model = board.hypervisor.component.model  # as laid out for the firmware, which never asks it
        assert self.firmware is not None and self.model.running is None and self.model.serial is None
        self.model.event = lambda *_: None
        self.names = [vcpu.name for vcpu in self.model.vcpus]
        self.compared: Counter[str] = Counter()  # by start and end of a path
        self.first: Trap | None = None  # of the path that has begun
        self.name = "start"
        self.wakes: list[tuple[int, int]] = []  # (INTEVT, level) accepted since, while no guest's registers are there
        self.writes: list[tuple[int, int]] = []
        self.at_label, self.write, self.enter = board._at_label, board._write, board._enter_firmware
        board._at_label = self.label  # type: ignore[method-assign]
        board._write = self.wrote  # type: ignore[method-assign]
        board._enter_firmware = self.entered  # type: ignore[method-assign]

    # What the machine does ------------------------------------------------------------------------------

    def wrote(self, tick: int, pc: int, address: int, size: int, value: int) -> None:
        if pc >= SPUMONES_CODE and address in MASKS:
            self.writes.append((address, value))
        self.write(tick, pc, address, size, value)

    def entered(self, name: str, tick: int) -> None:
        self.enter(name, tick)
        if name == "reset" and self.first is None:  # it comes twice: the label, too, is watched
            self.begin(name, Trap("reset", 0, 0, self.board.core.state_bytes()))

    def label(self, name: str, tick: int) -> None:
        if name in ("tell", "reset"):  # a reset has begun when the machine went there
            return self.at_label(name, tick)
        state = self.board.core.state()
        if name == "wake":
            self.wakes.append((state["intevt"], state["sr"] >> 4 & 15))
        elif name == "interrupt":
            self.begin(name, Trap(name, state["intevt"], state["sr"] >> 4 & 15, pack(before_acceptance(state))))
        elif name in STARTS:
            number = ENTRIES.index(name) if name in ENTRIES else 0x1000 * (name == "inside") + 0xFF
            self.begin(name, Trap("call", number, 0, pack(state)))
        else:
            self.end(name, state)
        return self.at_label(name, tick)

    # The comparison -------------------------------------------------------------------------------------

    def begin(self, name: str, trap: Trap) -> None:
        assert self.first is None and not self.wakes, f"{name} begins within {self.name}"
        self.name, self.first, self.writes = name, trap, []

    def end(self, name: str, state: dict[str, int]) -> None:
        where = f"{self.name} to {name} at tick {self.board.core.tick}, {self.wakes}"
        writes: list[tuple[int, int]] = []
        d = self.decide(writes)
        assert d.vcpu == self.firmware.running() and not d.sleep, where
        assert masked(writes) == masked(self.writes), where
        assert bool(d.deliver) == (name in ("entered", "forwarded")), where
        expected = self.model.vcpus[self.names.index(d.vcpu)].state
        if name == "answered":
            assert expected["r0"] == state["r0"], where
        elif d.deliver:
            assert d.deliver == (self.wakes[-1][0] if self.wakes else self.first.number), where  # type: ignore[union-attr]
            kept = {n: expected[n] for n in ("ssr", "spc", "sgr")}
            assert {n: state[n] for n in kept} == kept and state["sr"] | 1 == expected["sr"] | 1, where
        else:
            assert (state["ssr"], state["spc"]) == (expected["sr"], expected["pc"]), where
        self.compared[f"{self.name} to {name}"] += 1
        self.first, self.wakes = None, []

    def decide(self, writes: list[tuple[int, int]]) -> Directive:
        """The model's answer to the path so far."""
        if self.first is None:
            assert self.name == "start"
            return self.model.start()
        others_ready = any(v.ready for v in self.model.vcpus if v is not self.model.running)
        if self.first.cause == "interrupt":
            return self.ask(self.first, [(self.first.number, self.first.level)], writes)
        # Where a guest is ready interrupts come in the window only, the highest first; else one by one, in sleep.
        window = self.wakes if others_ready or self.may_go_on() else []
        # A line that rises between two of these would be in the wrong order for the model; none does here.
        assert window == sorted(window, key=lambda row: -row[1]), f"{self.name}: {window}"
        d = self.ask(self.first, window, writes)
        for wake in self.wakes[len(window) :]:
            assert d.sleep, (self.name, self.wakes)
            trap = Trap("interrupt", *wake, pack(self.model.running.state), sleeping=True)
            d = self.ask(trap, [wake], writes)
        return d

    def may_go_on(self) -> bool:
        """Whether the path's own guest stays ready: started again."""
        return self.name == "restart" or self.name == "reset" and self.model.running.restart

    def ask(self, trap: Trap, pending: list[tuple[int, int]], writes: list[tuple[int, int]]) -> Directive:
        trap.pending = list(pending)
        while True:
            d: Directive = self.model.trap(self.board.core.tick, trap)
            writes += [(address, value) for address, _, value in d.writes]
            if not d.again:
                return d
            trap = Trap("again", trap.number, trap.level, b"", pending=list(pending))

    @property
    def total(self) -> int:
        return sum(self.compared.values())


def before_acceptance(state: dict[str, int]) -> dict[str, int]:
    """The guest's state as its interrupt found it."""
    state = {**state, "pc": state["spc"], "sr": state["ssr"], "r15": state["sgr"]}
    if state["ssr"] & (MD | RB) != MD | RB:
        for n in range(8):
            state[f"r{n}"], state[f"r{n}_bank"] = state[f"r{n}_bank"], state[f"r{n}"]
    return state


@pytest.mark.parametrize("kernel", ["linux", "linux-ceiling"])
def test_linux_and_the_rtos(kernel):
    """The boot to the prompt, then a second of stress while somebody types to the RTOS."""
    try:
        artefact(kernel, "vmlinux")
    except BuildError as error:
        pytest.skip(str(error))
    board = machine(SPUMONE, "spumone.impl=firmware", f"linux.image=guest:{kernel}/vmlinux")
    oracle = Oracle(board)
    board.arm("scif1", PROMPT)
    assert board.go(20 * TICK_HZ, armed=True)[0] == "match"
    boot = oracle.total
    board.type("scif1", STRESS, BAUD_GAP)
    board.type("scif0", bytes(2000), TICK_HZ // 2100)
    assert board.go(board.core.tick + TICK_HZ) == ("until", "")
    figures: Any = {"kernel": kernel, "boot": boot, "compared": oracle.total, **oracle.compared}
    print(figures)
    assert boot > 100 and oracle.total > 4000, figures
    assert oracle.compared["interrupt to entered"] > 1000, figures


def storms(folder: Path, seeds: range) -> Counter[str]:
    images, compared = build_guests(folder), Counter[str]()
    for seed in seeds:
        board = start(folder, images, random_scenario(seed), "spumone.impl=firmware")
        oracle = Oracle(board)
        try:
            board.go(LIMIT)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        compared.update(oracle.compared)
    return compared


compiled = pytest.mark.skipif(shutil.which(CROSS + "gcc-12") is None, reason="no cross compiler")


@compiled
def test_storms(tmp_path):
    """Thousands of decisions, of every kind."""
    compared = storms(tmp_path, range(100))
    print(dict(compared))
    assert compared.total() > 3000, compared
    starts = {key.split(" to ")[0] for key in compared}
    assert starts >= {*STARTS, "start"} - {"wake"}, compared


@compiled
@pytest.mark.long
def test_storms_long(tmp_path):
    assert storms(tmp_path, range(1000, 3000)).total() > 60_000
