"""What devices promise holds, for any sequence of accesses: leases, planned line changes, posted writes.

A device behind the CPU node's machine, spoken to only when it must be and hearing posted writes as late as
it may, is compared with a twin that hears every access at once; what it tells of the time after an answer is
compared with copies of it that are asked.
"""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cosim import NEVER
from cosim.device import Device
from cosim.messages import Advance, Answer, Input, Read, Write
from cosim.shared_line import frame
from cosim.target import Inproc
from cpu_node.machine import Machine
from cpu_node.python_core.memory import Memory
from device_nodes.scif import Scif
from device_nodes.tmu import Tmu

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


REACH = 100_000  # ticks after each step that are checked


def clone(device: Any) -> Any:
    """A copy of a device that shares nothing: hash objects and bound methods are made anew."""
    new = type(device)(device.name, dict(device.config))
    for key, value in device.__dict__.items():
        if key == "stream":
            new.stream = value.copy()
        elif key == "channels":
            for old, other in zip(value, new.channels, strict=True):
                other.__dict__.update(old.__dict__)
        elif key == "file":
            new.file.value.update(value.value)
        elif key not in ("registers", "regions", "line_names", "config", "pattern") and not callable(value):
            setattr(new, key, copy.deepcopy(value))
    return new


def leased(answer: Answer, t: int, address: int, size: int) -> int | None:
    """What the CPU node reads by itself at tick t, None where it must ask (the rules of the cores)."""
    for row_address, row_size, expires, segments in answer.leases:
        if (row_address, row_size) == (address, size) and segments[0][0] <= t < expires:
            start, value, ticks, step = [s for s in segments if s[0] <= t][-1]
            if ticks:
                value += step * ((t - start) // ticks)
            return value & (1 << 8 * size) - 1
    return None


def instants(answer: Answer, now: int, until: int) -> list[int]:
    """Ticks worth a look in now..until: around every change that the answer tells, and some others."""
    ticks = {now, now + 1, until, (now + until) // 2}
    for tick, _ in answer.plan:
        ticks |= {tick - 1, tick}
    for _, _, expires, segments in answer.leases:
        ticks |= {expires - 1}
        for start, _, step, _ in segments:
            ticks |= {start - 1, start, start + step - 1, start + step}
    return sorted(t for t in ticks if now <= t <= until)


def check_interval(device: Device, answer: Answer, now: int, until: int) -> None:
    """Between messages: lines change only as planned, and leases tell what a Read would."""
    plan = list(answer.plan)
    assert answer.next > now or answer.next == NEVER
    assert [t for t, _ in plan] == sorted({t for t, _ in plan if now < t < answer.next})
    level = answer.lines
    end = min(until, answer.next - 1)
    for t in instants(answer, now, end):
        while plan and plan[0][0] <= t:
            level = plan.pop(0)[1]
        twin = clone(device)  # reading what is leased has no effect on what is leased
        assert twin.handle(t, Advance()).lines == level, f"lines at {t}"
        for address, size, _, _ in answer.leases:
            if (value := leased(answer, t, address, size)) is not None:
                true = twin.handle(t, Read(address, size, [])).value
                assert value == true, f"lease of {address:#x} at {t}"


class Bus(Memory):
    """The part of the reference core that speaks to devices, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.tick = self.unit_tick = self.unit_pc = self.effects = self.leased_reads = 0
        self.loop_limit = NEVER
        self.leases: list[Any] = []
        self.served: list[Any] = []
        self.barred: list[Any] = []
        self.bus: Any = None
        self.model = None  # fast timing

    def cut(self) -> None: ...

    def limit(self, tick: int) -> None: ...

    def set_irq(self, level: int, intevt: int) -> None: ...

    def set_state(self, state: dict[str, int]) -> None: ...


class Near(Inproc):
    """A target that keeps its answer while no time passes and no write is posted after it: ``fresh``."""

    fresh: Answer | None = None
    at = -1  # its tick

    def _call(self, t: int, body: Any) -> Any:
        self.fresh, self.at = super()._call(t, body), t
        return self.fresh

    def post(self, t: int, body: Any) -> None:
        self.fresh = None
        super().post(t, body)


REPEATED = {  # many accesses of one register, one after the other
    "say": lambda wait, _, channel, what: [(wait, "write", 0, 0x10), (20, "write", 0, what + channel)],
    "drain": lambda wait, _, index, count: [(wait, "read", index, 0)] + [(30, "read", index, 0)] * count,
    "fill": lambda wait, _, index, count: [(wait, "write", index, 0x2E)] + [(20, "write", index, 0x2E)] * count,
}
Step = tuple[int, str, int, int]  # (ticks to wait, kind, register index or count, value)


def play(device: Device, steps: list[Step], names: list[str]) -> None:
    """Run steps with posted writes kept back as long as they may be."""
    with mock.patch("cosim.target.BATCH", 1 << 30, create=True):
        run(device, steps, names)


def run(device: Device, steps: list[Step], names: list[str]) -> None:
    """Run steps through the CPU node's own machine, with leases and posted writes, against an unleased twin."""
    at = {row.name: row for row in device.registers}
    twin = clone(device)  # hears every access at once
    target, core = Near(device, device.ROLE), Bus()
    machine = Machine(core, [target], lambda: None)
    levels = machine._levels

    def checked(changing: Any, tick: int, mask: int) -> None:
        if tick >= twin.now and mask != target.levels:
            assert clone(twin).handle(tick, Advance()).lines == mask, f"lines at {tick}"
        levels(changing, tick, mask)

    machine._levels = checked
    machine.start([], 0)
    twin.handle(0, Advance())
    unrolled = [
        step
        for wait, kind, index, value in steps
        for step in REPEATED.get(kind, lambda *step: [step])(wait, kind, index, value)
    ]
    now = 0
    for wait, kind, index, value in unrolled:
        now += wait
        target.fresh = None
        machine.settle(now)
        core.tick = core.unit_tick = now
        row = at[names[index % len(names)]]
        if kind == "read":
            true = twin.handle(now, Read(row.address, row.size, [])).value
            assert core.bus_read(row.address, row.size) == true, f"{row.name} at {now}"
        elif kind == "write":
            value &= (1 << 8 * row.size) - 1
            lines = twin.handle(now, Write(row.address, row.size, value, [])).lines
            core.bus_write(row.address, row.size, value)
            assert target.levels == lines, f"lines after {row.name} was written at {now}"
        else:  # characters that arrive from now on, `index` of them, a few ticks apart
            entries, tick = [], max(now, twin.last_input)
            if kind == "typed":
                wire = frame(value, bytes(range(12, 12 + index)))
                entries = [(tick + 34_560 * k, byte) for k, byte in enumerate(wire)]
            for k in range(index % 20 if kind == "input" else 0):
                tick += value % 60_000
                entries.append((tick, 65 + k | (0x100, 0x200, 0x400, 0)[value % 4] * (k == value % 5)))
            lines = twin.handle(now, Input(entries)).lines
            machine.input(device.name, entries)
            assert target.levels == lines
        if target.fresh is not None and target.at == now:
            check_interval(device, target.fresh, now, now + REACH)
    now += 1_000_000
    machine.settle(now)
    target.collect()
    assert device.handle(now, Advance()).lines == twin.handle(now, Advance()).lines == target.levels
    assert device.final().digest == twin.final().digest


WAIT = st.one_of(st.integers(0, 60), st.integers(0, 5_000), st.integers(0, 400_000))
TMU_NAMES = ["TSTR0", "TCOR0", "TCNT0", "TCR0", "TCOR1", "TCNT1", "TCR1", "TSTR1", "TCR3", "TCNT3", "TCOR3"]
TMU_VALUE = st.one_of(
    st.integers(0, 7), st.sampled_from([0x20, 0x21, 0x120, 0x100, 0x24, 0xFFFFFFFF]), st.integers(0, 3000)
)
TMU_STEPS = st.lists(
    st.tuples(WAIT, st.sampled_from(["read", "write"]), st.integers(0, len(TMU_NAMES) - 1), TMU_VALUE),
    min_size=5,
    max_size=30,
)
COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500), st.sampled_from([0x00, 0x20, 0x21, 0x20]))


@QUICK
@given(COUNTS, TMU_STEPS)
def test_tmu_keeps_its_promises(first, steps):
    tcor, tcnt, tcr = first
    running = [(0, "write", 1, tcor), (0, "write", 2, tcnt), (5, "write", 3, tcr), (7, "write", 0, 1)]
    play(Tmu("tmu", {}), running + steps, TMU_NAMES)


# What timer drivers do: acknowledge, stop, load, start, look.
SOON = st.integers(0, 60) | st.integers(0, 5_000)
DRIVER = st.lists(
    st.one_of(
        st.tuples(SOON, st.just("write"), st.just(0), st.sampled_from([0, 0, 1, 1, 2, 3])),  # TSTR0
        st.tuples(SOON, st.just("write"), st.just(2), st.integers(0, 100)),  # TCNT0
        st.tuples(SOON, st.just("write"), st.just(3), st.sampled_from([0x20, 0x20, 0x00, 0x120, 0x21])),  # TCR0
        st.tuples(SOON, st.just("read"), st.sampled_from([0, 2, 2, 3, 3]), st.just(0)),
    ),
    min_size=12,
    max_size=40,
)


# A stop that is posted: UNF, which was to be set later, never is.
STOP = [(0, "write", 0, 1), (100, "write", 0, 0), (2000, "read", 3, 0)]


@QUICK
@example((500, 10, 0x00), STOP)
@given(COUNTS, DRIVER)
def test_tmu_keeps_its_promises_to_a_driver(first, steps):
    tcor, tcnt, tcr = first
    play(Tmu("tmu", {}), [(0, "write", 1, tcor), (0, "write", 2, tcnt), (5, "write", 3, tcr), *steps], TMU_NAMES)


SCIF_NAMES = ["FTDR", "FSR", "FRDR", "LSR", "SCR", "FCR", "TFDR", "RFDR", "BRR", "SMR", "RER", "SPTR"]
FTDR, FSR, FRDR, LSR, SCR, FCR, TFDR, RFDR, BRR, SMR, RER, SPTR = range(len(SCIF_NAMES))
BIT, CHARACTER = 384, 3840  # ticks at BRR = 0, as the traffic below sets it
ENABLES = st.sampled_from([0x30, 0x70, 0xF0, 0x38, 0x78, 0xB0, 0xA0, 0x10, 0x20, 0x00])
TRIGGERS = st.sampled_from([0x00, 0x10, 0x20, 0x30, 0x40, 0x80, 0xB0, 0xC0, 0xF0])
CLEARS = st.sampled_from([0xDF, 0x9F, 0xFC, 0xFD, 0xFE, 0x6F, 0x00, 0xFF])
PAUSE = st.one_of(st.integers(0, 60), st.integers(0, 3 * CHARACTER), st.integers(0, 20 * CHARACTER))
TRAFFIC = st.one_of(
    st.tuples(PAUSE, st.just("write"), st.just(FTDR), st.integers(0x20, 0x7E)),
    st.tuples(st.integers(0, 90), st.just("write"), st.just(FTDR), st.integers(0x20, 0x7E)),
    st.tuples(st.sampled_from([0, 90, 9000]), st.just("fill"), st.just(FTDR), st.integers(1, 17)),
    st.tuples(st.integers(0, 90), st.just("read"), st.sampled_from([FSR, TFDR, TFDR]), st.just(0)),
    st.tuples(PAUSE, st.just("read"), st.sampled_from([FSR, FRDR, FSR, FRDR, LSR, SCR, RFDR, RER]), st.just(0)),
    st.tuples(PAUSE, st.just("drain"), st.just(FRDR), st.integers(1, 15)),
    st.tuples(st.sampled_from([0, 0, 1, 300]), st.just("write"), st.just(FSR), CLEARS),
    st.tuples(PAUSE, st.just("input"), st.integers(1, 19), st.sampled_from([10, CHARACTER, 5000, 5760, 5761, 9000])),
    st.tuples(PAUSE, st.just("input"), st.integers(1, 19), st.integers(0, 12_000)),
)
CHANGES = st.one_of(
    st.tuples(PAUSE, st.just("write"), st.just(SCR), ENABLES),
    st.tuples(PAUSE, st.just("write"), st.just(FCR), TRIGGERS | st.sampled_from([2, 4, 6])),
    st.tuples(PAUSE, st.just("write"), st.just(LSR), st.just(0)),
    st.tuples(PAUSE, st.just("write"), st.sampled_from([BRR, SMR, SPTR]), st.integers(0, 3)),
)


def prepared(scr: int, fcr: int) -> list[Step]:
    return [(0, "write", BRR, 0), (0, "write", FCR, fcr), (0, "write", SCR, scr)]


# An error flag rises by itself, is read by lease, and is cleared: that write must not be a posted one.
ERROR = [(0, "input", 1, 20_000), (25_000, "read", FSR, 0), (10, "write", FSR, 0), (10, "read", FSR, 0)]


@QUICK
@example(0x30, 0x00, ERROR)
@given(ENABLES, TRIGGERS, st.lists(TRAFFIC, min_size=10, max_size=40))
def test_scif_keeps_its_promises(scr, fcr, steps):
    play(Scif("scif0", {}), prepared(scr, fcr) + steps, SCIF_NAMES)


@QUICK
@given(ENABLES, TRIGGERS, st.lists(TRAFFIC | TRAFFIC | TRAFFIC | CHANGES, min_size=10, max_size=40))
def test_scif_keeps_its_promises_while_it_is_switched(scr, fcr, steps):
    play(Scif("scif0", {}), prepared(scr, fcr) + steps, SCIF_NAMES)


STATUS = st.tuples(st.integers(0, CHARACTER), st.just("read"), st.just(FSR), st.just(0))
CONSOLE = st.lists(  # Linux's way of writing: status, character, status cleared; while characters come in
    st.one_of(
        STATUS,
        st.tuples(st.integers(0, 90), st.just("read"), st.just(TFDR), st.just(0)),
        st.tuples(st.integers(0, CHARACTER), st.just("fill"), st.just(FTDR), st.integers(1, 12)),
        st.tuples(st.integers(0, 90), st.just("read"), st.just(FSR), st.just(0)),
        st.tuples(st.integers(0, 90), st.just("write"), st.just(FTDR), st.just(0x41)),
        st.tuples(st.integers(0, 90), st.just("write"), st.just(FTDR), st.just(0x41)),
        st.tuples(st.integers(0, 90), st.just("write"), st.just(FSR), st.sampled_from([0xDF, 0x9F, 0x9C])),
        st.tuples(PAUSE, st.just("input"), st.integers(1, 3), st.just(CHARACTER)),
    ),
    min_size=25,
    max_size=60,
)


# More characters than there is room below the trigger: TDFE can be cleared from then on.
FULLER = [(0, "write", FTDR, 65), (10, "read", FSR, 0), (10, "fill", FTDR, 4), (10, "read", FSR, 0)]
FULLER += [(10, "write", FSR, 0xDF), (10, "read", FSR, 0)]


@QUICK
@example(0x20, 0x20, FULLER)
@given(st.sampled_from([0x20, 0x30, 0xA0, 0xB0]), TRIGGERS, CONSOLE)
def test_scif_keeps_its_promises_while_a_console_writes(scr, fcr, steps):
    play(Scif("scif0", {}), prepared(scr, fcr) + steps, SCIF_NAMES)


# On a port that guests share: what is typed waits for its channel, which is stopped and goes on by what is sent.
SHARED = st.one_of(
    st.tuples(st.sampled_from([0, 90, 50_000]), st.just("say"), st.integers(0, 1), st.sampled_from(b"0Aa")),
    st.tuples(PAUSE, st.just("typed"), st.integers(1, 9), st.integers(0, 1)),
    st.tuples(PAUSE, st.just("drain"), st.just(FRDR), st.integers(1, 15)),
    STATUS,
    st.tuples(st.integers(0, 90), st.just("write"), st.just(FSR), st.sampled_from([0xDF, 0x9F, 0x9C])),
    TRAFFIC,
)


# One that has waited long goes when it may, not before.
WAITS = [(0, "say", 0, 65), (50_000, "typed", 2, 0), (200_000, "say", 0, 97), (50_000, "read", RFDR, 0)]


# The answer that settling got was given before this step, at a tick before its planned change: that one is no news.
BEFORE = [(0, "input", 1, 10), (34_570, "read", FSR, 0)]


# A terminal is stopped, and a posted write lets it go on: what waits goes when it was to go, not sooner.
GOES = [(0, "typed", 2, 0), (50, "say", 0, 65), (9_000, "say", 0, 97), (200_000, "read", RFDR, 0)]


@QUICK
@example(0x70, 0x00, GOES)
@example(0x70, 0x00, BEFORE)
@example(0x70, 0x00, WAITS)
@given(st.sampled_from([0x30, 0x70, 0xF0]), TRIGGERS, st.lists(SHARED, min_size=15, max_size=50))
def test_scif_keeps_its_promises_while_guests_share_it(scr, fcr, steps):
    play(Scif("scif0", {"mux": ["a", "b"]}), prepared(scr, fcr) + steps, SCIF_NAMES)
