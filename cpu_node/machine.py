"""The machine as the CPU node sees it: a core that runs ahead, and targets that keep promises.

Reads top to bottom: MMIO, interrupt lines, calls into SPUMONE, the run loop, digest and figures.
Time rules: docs/explanation/time.md. No sockets here, and no wall clock but for the length of a slice.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from cosim import NEVER
from cosim.clock import ClockError, grid_after, horizon
from cosim.image import Image
from cosim.messages import (
    Advance,
    Answer,
    Arm,
    Directive,
    Finish,
    Input,
    Lines,
    Read,
    SourceRow,
    Trap,
    Write,
)
from cosim.target import Target
from cpu_node.observers import Deadline, Latency

SYNC = 4_000_000  # ticks between running digests, and the grid of armed patterns: 10 ms
FLUSH = 10 * SYNC  # serial devices are caught up this often, so that consoles show
SLICE = 0.02  # seconds of wall time between looks at the outside
TRAP_PAGE = (0x8FFFF000, 0x8FFFFFFF)
EVENT = {"line": 1, "accept": 2, "write": 3, "trap": 4, "sync": 5}
CAUSE = {"start": 0, "call": 1, "interrupt": 2}


class GuestError(Exception):
    """A guest did what the machine cannot continue from; the text names tick, PC and cause."""


class Machine:
    """One core, its targets, and the hypervisor where there is one."""

    def __init__(self, core: Any, targets: list[Target], idle: Callable[[], None], leased: bool = True) -> None:
        self.core, self.idle, self.leased = core, idle, leased
        self.targets = sorted(targets, key=lambda target: target.name)
        self.hypervisor = next((t for t in targets if t.role == "hypervisor"), None)
        self.intc = next((t for t in targets if t.role == "intc"), None)
        self.pages: dict[int, list[tuple[int, int, Target]]] = {}
        for target in self.targets:
            for first, last in target.regions:
                for page in range(first >> 12, (last >> 12) + 1):
                    self.pages.setdefault(page, []).append((first, last, target))
        self.owner = {line: target for target in self.targets for line in target.line_names}
        self.stream = hashlib.sha256()
        self.syncs: list[tuple[int, str]] = []
        self.next_sync = SYNC
        self.table: dict[str, SourceRow] = {}
        self.asserted: dict[str, int] = {}  # line -> tick of its rise
        self.pending_lines: list[tuple[int, str, int]] = []
        self.best: SourceRow | None = None
        self.forward: frozenset[int] = frozenset()
        self.latency: list[Latency] = []
        self.deadlines: list[Deadline] = []
        self.interrupts: Counter[str] = Counter()
        self.vcpu = ""
        self.vcpu_since = self.vcpu_slept = 0
        self.vcpus: dict[str, dict[str, int]] = {}
        self.unmapped: Counter[int] = Counter()
        self.reports: list[str] = []
        self.charges: Counter[str] = Counter()
        self.journal: list[tuple[int, str, list[tuple[int, int]]]] = []
        self.slice_ticks = 100_000
        self.armed: Target | None = None
        self.matched = -1
        core.bus = self

    # MMIO: called by the core in the middle of an instruction ----------------------------------------

    def _target(self, address: int) -> Target | None:
        for first, last, target in self.pages.get(address >> 12, ()):
            if first <= address <= last:
                return target
        self.unmapped[address] += 1
        return None

    def read(self, tick: int, address: int, size: int) -> int:
        """MMIO read of size bytes at the unit's start tick."""
        target = self._target(address)
        if target is None:
            return 0
        self._collect(target)
        answer = self._ask(target, tick, Read(address, size, self._seen(target)))
        return answer.value

    def write(self, tick: int, address: int, size: int, value: int) -> None:
        """MMIO write of size bytes at the unit's start tick."""
        target = self._target(address)
        self.event("write", tick, self.core.unit_pc, address, size, value)
        if target is None:
            return
        body = Write(address, size, value, self._seen(target))
        if self.leased and target.promise.may_post(tick, address, size):
            if target is self.intc:
                self._send_lines()
            target.post(tick, body)
            if not target.promise.post(address, size):
                self._drop_leases(target)
            self.core.limit(target.promise.quiet)
            return
        self._collect(target)
        self._ask(target, tick, body)

    def _ask(self, target: Target, tick: int, body: Any) -> Answer:
        if target is self.intc:
            self._send_lines()
        answer = target.call(tick, body)
        if not isinstance(answer, Answer):
            raise ClockError(f"{target.name} at tick {tick}: {type(answer).__name__}; expected Answer")
        self._renew(target, tick, answer)
        return answer

    def _collect(self, target: Target) -> None:
        if target.promise.outstanding:
            target.promise.outstanding = 0
            got = target.collect()
            if got is not None:
                self._renew(target, *got)

    def _renew(self, target: Target, tick: int, answer: Answer) -> None:
        target.promise.renew(tick, answer)
        self._levels(target, tick, answer.lines)
        if answer.sources is not None:
            self.table = {row[0]: row for row in answer.sources}
            self._arbitrate()
        if answer.matched >= 0 and self.matched < 0 and target is self.armed:
            self.matched = answer.matched
        if self.leased:
            self._drop_leases(target)
            self.core.add_leases(answer.leases)
        self.core.limit(target.promise.due())

    def _drop_leases(self, target: Target) -> None:
        for first, last in target.regions:
            self.core.drop_leases(first, last)

    def _seen(self, target: Target) -> list[tuple[int, int]]:
        """Leased reads since the last message to this target; others' are kept for theirs."""
        for address, value, _, _ in self.core.take_lease_reads():
            owner = self._target(address)
            if owner is not None:
                reads = owner.__dict__.setdefault("seen", {})
                reads[address] = reads.get(address, 0) | value
        return list(target.__dict__.pop("seen", {}).items())

    # Interrupt lines ------------------------------------------------------------------------------------

    def _levels(self, target: Target, tick: int, mask: int) -> None:
        """Apply a target's line levels at a tick."""
        changed = target.levels ^ mask
        if not changed:
            return
        target.levels = mask
        for k, line in enumerate(target.line_names):
            if changed >> k & 1:
                level = mask >> k & 1
                self.event("line", tick, self._line_number(line), level)
                self.pending_lines.append((tick, line, level))
                if level:
                    self.asserted[line] = tick
                    for observer in self.latency:
                        observer.line_rose(line, tick)
                else:
                    self.asserted.pop(line, None)
        self._arbitrate()

    def _line_number(self, line: str) -> int:
        return int.from_bytes(hashlib.sha256(line.encode()).digest()[:4], "little")

    def _arbitrate(self) -> None:
        """The highest request among asserted lines: level, then order."""
        rows = [self.table[line] for line in self.asserted if line in self.table and self.table[line][2] > 0]
        self.best = max(rows, key=lambda row: (row[2], -row[3]), default=None)
        if self.best is None:
            self.core.set_irq(0, 0)
        else:
            self.core.set_irq(self.best[2], self.best[1])

    def _send_lines(self) -> None:
        if self.pending_lines and self.intc is not None:
            changes, self.pending_lines = self.pending_lines, []
            self.intc.send(changes[-1][0], Lines(changes))

    def settle(self, t: int) -> None:
        """Hear every target that is due and apply planned changes up to tick t, in (tick, name) order."""
        while True:
            target = min(self.targets, key=lambda x: x.promise.due(), default=None)
            if target is None or target.promise.due() > t:
                return
            promise, due = target.promise, target.promise.due()
            if promise.outstanding:
                self._collect(target)
            elif promise.plan and promise.plan[0][0] == due:
                self._levels(target, *promise.plan.pop(0))
            else:
                self._ask(target, due, Advance())
                if promise.next <= due:
                    raise ClockError(
                        f"{target.name} at tick {due}: promised only until {promise.next} again; time would stand still"
                    )

    # SPUMONE ----------------------------------------------------------------------------------------------

    def trap(self, cause: str, number: int, level: int) -> None:
        """Ask the hypervisor what becomes of the CPU, and do it."""
        core, tick = self.core, self.core.tick
        assert self.hypervisor is not None
        self.event("trap", tick, CAUSE[cause], number)
        d = self.hypervisor.call(tick, Trap(cause, number, level, core.state_bytes()))
        if not isinstance(d, Directive):
            raise ClockError(f"{self.hypervisor.name} at tick {tick}: {type(d).__name__}; expected Directive")
        for paddr, data in d.loads:
            core.write(paddr, data)
        if d.state:
            core.set_state_bytes(d.state)
        if d.patch:
            core.set_state(d.patch)
        core.sleeping = d.sleep
        core.tick = tick + d.charge
        self.charges[d.charge_path] += 1
        core.set_vectors(d.vectors[0] or None, *d.vectors[1:])
        self.forward = frozenset(d.forward)
        self._account(tick, d)
        for address, size, value in d.writes:
            self.write(tick, address, size, value)
        if d.report:
            self.reports.append(f"tick {tick}: {d.report}")

    def _account(self, tick: int, d: Directive) -> None:
        """Ticks go to the vCPU that ran until the trap, the charge to SPUMONE."""
        self._leave(tick)
        self._vcpu("SPUMONE")["ticks"] += d.charge
        if d.vcpu != self.vcpu:
            self._vcpu(d.vcpu)["switches"] += 1
        self.vcpu = d.vcpu
        self.vcpu_since = tick + d.charge

    def _leave(self, tick: int) -> None:
        row = self._vcpu(self.vcpu)
        row["ticks"] += tick - self.vcpu_since
        row["idle"] += self.core.sleep_ticks - self.vcpu_slept
        self.vcpu_since, self.vcpu_slept = tick, self.core.sleep_ticks

    def _vcpu(self, name: str) -> dict[str, int]:
        return self.vcpus.setdefault(name or "idle", {"ticks": 0, "switches": 0, "interrupts": 0, "idle": 0})

    # The run ---------------------------------------------------------------------------------------------

    def start(self, images: list[Image], entry: int | None) -> None:
        """Load, take first promises, and stand at tick 0. ``entry`` only where no hypervisor starts guests."""
        for image in images:
            for paddr, data in image.segments:
                self.core.write(paddr, data)
        for target in self.targets:
            if target is not self.hypervisor:
                self._ask(target, 0, Advance())
        if self.hypervisor is not None:
            self.hypervisor.promise.next = NEVER
            self.core.set_trap_page(*TRAP_PAGE)
            self.trap("start", 0, 0)
        elif entry is not None:
            self.core.set_state({"pc": entry})

    def go(self, until: int, armed: bool = False) -> tuple[str, str]:
        """Run to tick ``until``, or to the grid tick after an armed match. Returns (reason, detail)."""
        core = self.core
        while True:
            self.settle(core.tick)
            if core.tick >= self.next_sync:
                self._sync()
                continue
            if core.tick >= until:
                return "until", ""
            if armed and self.matched >= 0 and core.tick >= grid_after(self.matched, SYNC):
                return "match", ""
            limit = min(until, self.next_sync, core.tick + self.slice_ticks)
            bound = horizon((t.promise for t in self.targets), limit)
            if core.sleeping and bound >= limit and limit != self.next_sync:
                bound = min(until, self.next_sync)  # asleep: no need of slices
            began = time.monotonic()
            ran = core.instructions
            stop = core.run(bound)
            self._pace(core.instructions - ran, time.monotonic() - began)
            if stop.reason == "interrupt":
                self._interrupt()
            elif stop.reason == "trap":
                self.trap("call", self._entry(stop.pc), 0)
            elif stop.reason == "breakpoint":
                self._observe(stop.pc, stop.tick)
            elif stop.reason == "reset":
                return "guest", f"{self.vcpu or 'guest'} at tick {stop.tick}: {stop.detail}"

    def _pace(self, instructions: int, seconds: float) -> None:
        if instructions >= self.slice_ticks // 2:
            rate = instructions / max(seconds, 1e-6)
            self.slice_ticks = max(1000, int(rate * SLICE))
        if time.monotonic() - self.__dict__.get("looked", 0.0) > SLICE:
            self.__dict__["looked"] = time.monotonic()
            self.idle()

    def _entry(self, pc: int) -> int:
        return (pc - TRAP_PAGE[0]) // 16 if pc % 16 == 0 else 0x1000 + pc - TRAP_PAGE[0]

    def _interrupt(self) -> None:
        assert self.best is not None
        line, intevt, level, _ = self.best
        self.event("accept", self.core.tick, intevt)
        self.interrupts[line] += 1
        if self.hypervisor is None or intevt in self.forward:
            self._vcpu(self.vcpu)["interrupts"] += 1
            self.core.accept()
        else:
            self.trap("interrupt", intevt, level)
            self._vcpu(self.vcpu)["interrupts"] += 1

    def _observe(self, pc: int, tick: int) -> None:
        for observer in self.latency:
            observer.reached(pc, tick)
        for deadline in self.deadlines:
            deadline.reached(pc, tick)

    def _sync(self) -> None:
        """Running digest at the first boundary at or after a multiple of SYNC."""
        self.event("sync", self.next_sync)
        self.stream.update(self.core.state_bytes())
        self.syncs.append((self.next_sync, self.stream.hexdigest()))
        if self.next_sync % FLUSH == 0:
            for target in self.targets:
                if target.role == "scif":
                    self._catch_up(target)
        elif self.armed is not None and self.matched < 0:
            self._catch_up(self.armed)
        self.next_sync += SYNC

    def _catch_up(self, target: Target) -> None:
        self._collect(target)
        self._ask(target, self.core.tick, Advance())

    # From outside, between runs -----------------------------------------------------------------------------

    def input(self, target_name: str, entries: list[tuple[int, int]]) -> None:
        """Characters for a serial device: (tick, byte), ticks from now on. Goes into the journal."""
        target = self._named(target_name)
        self._collect(target)
        self.journal.append((self.core.tick, target_name, entries))
        self._ask(target, self.core.tick, Input(entries))

    def arm(self, target_name: str, pattern: str) -> None:
        """Watch a serial device's output; an empty pattern disarms."""
        self.armed = self._named(target_name) if pattern else None
        self.matched = -1
        self._collect(self._named(target_name))
        self._ask(self._named(target_name), self.core.tick, Arm(pattern))

    def observe(self, kind: str, **what: Any) -> None:
        """Add an observer ("latency" or "deadline") and its breakpoint."""
        if kind == "latency":
            self.latency.append(Latency(what["line"], what["pc"]))
        else:
            self.deadlines.append(Deadline(**what))
        self.core.set_breakpoints([o.pc for o in [*self.latency, *self.deadlines]])

    def _named(self, name: str) -> Target:
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(f"no node {name!r}: nodes are {', '.join(t.name for t in self.targets)}")

    # Digest and figures ------------------------------------------------------------------------------------------

    def event(self, kind: str, tick: int, *values: int) -> None:
        """An event of the digest."""
        self.stream.update(struct.pack(f"<Bq{len(values)}I", EVENT[kind], tick, *values))

    def finish(self) -> dict[str, Any]:
        """Catch all targets up, and give digest and figures of the whole run."""
        core, finals = self.core, {}
        self._leave(core.tick)
        self._send_lines()
        for target in self.targets:
            self._collect(target)
            finals[target.name] = target.call(core.tick, Finish())
        whole = hashlib.sha256(self.stream.digest() + core.state_bytes())
        whole.update(repr(core.snapshot()["utlb"]).encode() + core.ram_sha256())
        for name in sorted(finals):
            whole.update(name.encode() + finals[name].digest)
        return {**self.figures(), "digest": whole.hexdigest(), "info": {n: f.info for n, f in finals.items()}}

    def figures(self) -> dict[str, Any]:
        """Figures so far."""
        core = self.core
        trips = {t.name: dict(sorted(t.round_trips.items())) for t in self.targets if t.round_trips}
        return {
            "ticks": core.tick,
            "instructions": core.instructions,
            "skipped": core.skipped,
            "leased_reads": core.leased_reads,
            "round_trips": sum(sum(kinds.values()) for kinds in trips.values()),
            "round_trips_by_target": trips,
            "posted_writes": sum(t.posted for t in self.targets),
            "messages": {t.name: t.messages for t in self.targets},
            "vcpus": {name: dict(row) for name, row in self.vcpus.items()},
            "interrupts": dict(self.interrupts),
            "deadlines": [d.figures() for d in self.deadlines],
            "latency": [list(o.samples) for o in self.latency],
            "charges": dict(self.charges),
            "unmapped": {f"0x{a:08x}": n for a, n in sorted(self.unmapped.items())},
            "reports": list(self.reports),
        }
