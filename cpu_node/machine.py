"""The machine as the CPU node sees it: a core that runs ahead, and targets that keep promises.

Reads top to bottom: MMIO, interrupt lines, calls into SPUMONE, the run loop, the outside, digest and figures.
Time rules: docs/explanation/time.md. No sockets here, and no wall clock but for the length of a slice.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cosim import NEVER
from cosim.activity import Row, doing
from cosim.clock import ClockError, grid_after, horizon
from cosim.messages import (
    Advance,
    Answer,
    Arm,
    Directive,
    Final,
    Finish,
    Input,
    Inspect,
    Lines,
    Read,
    SourceRow,
    Trap,
    Vcpus,
    Write,
)
from cosim.rules import LONGEST, plain
from cosim.sh7780 import INTEVT, LINE
from cosim.state import Stop, pack, unpack
from cosim.target import Target, TargetError
from cpu_node.attribution import Attributed
from cpu_node.directives import Directives
from cpu_node.firmware import CALLS, STARTS, Firmware
from cpu_node.lease_check import LeaseCheck
from cpu_node.observers import Deadline, Latency
from cpu_node.partition import Partition
from cpu_node.polling import Polling
from cpu_node.python_core.core import EXTRAS
from cpu_node.python_core.exceptions import INTMU
from cpu_node.starvation import Starvation
from cpu_node.timing import TICKS
from cpu_node.unmapped import Unmapped

SYNC = 4_000_000  # ticks between running digests, and the grid of armed patterns: 10 ms
FLUSH = 10 * SYNC  # serial devices are caught up this often, so that consoles show
SLICE = 0.02  # seconds of wall time between looks at the outside
FIRST_SLICE = 5_000  # ticks, before the core's speed is known
TRAP_PAGE = (0x8FFFF000, 0x8FFFFFFF)
IDLE, WAITS = 1, (1, 6)  # entries of the call page
KEPT = 200  # reports of guests that are kept one by one
CHUNK = 10_000  # characters in one message to a serial device
LINES = 1000  # line changes in one message to the interrupt controller, which is told when it is asked or at so many
SPUMONE_PC = TRAP_PAGE[0]  # pc of the writes SPUMONE makes, in the digest
EVENT = {"line": 1, "accept": 2, "write": 3, "trap": 4, "sync": 5}
CAUSE = {"start": 0, "call": 1, "reset": 2}


class MachineError(Exception):
    """Nodes that cannot make up a machine; the text names them."""


TIMINGS = ("fast", "sh4a")
TIMINGS_TEXT = '"fast", a tick an instruction, and "sh4a"'


def timing_of(core: Any) -> str:
    """The timing that a core is in; a component's own core may have one only."""
    return str(getattr(core, "timing", "fast"))


def timing_state(core: Any) -> bytes:
    """Pipeline and caches for the digest; nothing in fast timing."""
    return repr(sorted(core.snapshot()["timing"].items())).encode() if timing_of(core) != "fast" else b""


class Machine:
    """One core, its targets, and the hypervisor where there is one."""

    def __init__(self, core: Any, targets: list[Target], look: Callable[[], None], leased: bool = True) -> None:
        self.core, self.look, self.leased = core, look, leased
        self.keeper = core  # who has the leases, and serves reads by them
        self.check: LeaseCheck | None = None
        self.polling = Polling(self)
        self.note: Callable[[str], None] = lambda text: None  # tells the person who started the run
        self.quantum = 0  # ticks between looks for typed input; 0: nobody can type
        self.targets = sorted(targets, key=lambda target: target.name)
        self.hypervisor = next((t for t in targets if t.role == "hypervisor"), None)
        self.intc = next((t for t in targets if t.role == "intc"), None)
        self.pages: dict[int, list[tuple[int, int, Target]]] = {}
        for target in self.targets:
            for first, last in target.regions:
                for page in range(first >> 12, (last >> 12) + 1):
                    self.pages.setdefault(page, []).append((first, last, target))
        self.stream = hashlib.sha256()
        self.syncs: list[tuple[int, str]] = []  # (tick, running digest), until take_record
        self.next_sync = SYNC
        self.table: dict[str, SourceRow] = {}
        self.asserted: dict[str, int] = {}  # line -> tick of its rise
        self.pending_lines: list[tuple[int, str, int]] = []
        self.best: SourceRow | None = None
        self.forward: frozenset[int] = frozenset()
        self.latency: list[Latency] = []
        self.attributed: Attributed | None = None  # the latency that is followed unit by unit
        self.until = 0  # horizon while it is
        self.deadlines: list[Deadline] = []
        self.interrupts: Counter[str] = Counter()
        self.directives = Directives(core, self.hypervisor.name if self.hypervisor is not None else "")
        self.firmware: Firmware | None = None
        self.partition: Partition | None = None  # where a hypervisor runs guests
        self.starvation: Starvation | None = None
        self.accepted = ""  # the line of the interrupt that the core has taken last
        self.vcpu = self.last_guest = ""
        self.vcpu_since = self.vcpu_slept = 0
        self.vcpus: dict[str, dict[str, int]] = {}
        self.unmapped = Unmapped(core, self.report)
        self.reports: list[str] = []
        self.report_count = 0
        self.charges: Counter[str] = Counter()
        self.journal: list[tuple[int, str, int]] = []  # (tick, node, byte and condition), until take_record
        self.stopping = False  # somebody asks the run to end at the next boundary
        self.slice_ticks = FIRST_SLICE  # grows to SLICE seconds with the core's speed
        self.looked, self.next_look = 0.0, NEVER
        self.timing, self.timing_from = "fast", NEVER  # the timing that begins at a tick
        self.idle_lease, self.wake_charge, self.forward_charge = (-1, 0), 0, 0
        self.idling = False  # the running guest waits in its idle call
        self.calls: dict[tuple[int, int], tuple[int, int, str]] = {}
        self.last_input: dict[str, int] = {}
        self.armed: Target | None = None
        self.matched = -1
        self.debugger: Any = None  # cpu_node.gdb.Gdb, or what has its stand, stepping and ran
        self.debugged: set[int] = set()  # its breakpoints
        self.deferred: list[Callable[[], None]] = []  # what came from outside between a pair
        self.observed = (-1, -1)  # pc and tick of the last breakpoint that observers have heard of
        core.bus = self

    # MMIO: called by the core in the middle of an instruction ----------------------------------------

    def _target(self, address: int) -> Target | None:
        for first, last, target in self.pages.get(address >> 12, ()):
            if first <= address <= last:
                return target
        return None

    def read(self, tick: int, address: int, size: int) -> int:
        """MMIO read of size bytes at the unit's start tick."""
        if self.partition is not None and self.partition.register(tick, "read", address, size):
            return 0
        return self._read(tick, address, size)

    def _read(self, tick: int, address: int, size: int) -> int:
        target = self._target(address)
        if target is None:
            self.unmapped.access(tick, self.vcpu, "read", address, size)
            return 0
        was = doing(Row.BUS)
        if self.check is not None and (value := self.check.read(target, tick, address, size)) is not None:
            self.polling.leased(target, address, value)
            doing(was)
            return value
        answer = self._ask(target, tick, Read(address, size, self._seen(target)))
        self.polling.read(target, tick, address, answer.value)
        doing(was)
        if answer.value >> 8 * size:
            text = f"value {answer.value:#x} to a read of {size} bytes at 0x{address:08x}; expected one that fits"
            raise TargetError("answer-value", target.name, tick, text)
        return answer.value

    def write(self, tick: int, address: int, size: int, value: int) -> None:
        """MMIO write of size bytes at the unit's start tick."""
        if self.partition is not None and self.partition.register(tick, "write", address, size, value):
            return
        was = doing(Row.BUS)
        self._write(tick, self.core.unit_pc, address, size, value)
        doing(was)

    def _write(self, tick: int, pc: int, address: int, size: int, value: int) -> None:
        target = self._target(address)
        self.event("write", tick, pc, address, size, value)
        if target is None:
            self.unmapped.access(tick, self.vcpu if pc != SPUMONE_PC else "", "write", address, size)
            return
        self.polling.write(target)
        body = Write(address, size, value, self._seen(target))
        if self.leased and target.promise.may_post(tick, address, size, value):
            self._post(target, tick, body)
            return
        self._ask(target, tick, body)

    def _post(self, target: Target, tick: int, body: Write) -> None:
        if target is self.intc:
            self._send_lines()
        effects = target.promise.effects_of(body.address, body.value)
        if not target.promise.post(body.address, body.size):
            self._drop_leases(target)
        for _, _, falls, changed, how, mask in effects:
            self.keeper.drop_leases(changed, changed)
            old = target.constant.pop(changed, None)
            if how != "end" and old is not None:
                bits = body.value & mask
                new = bits if how == "store" else old | bits if how == "set" else old & ~bits
                target.constant[changed] = new
                self.keeper.add_leases([(changed, body.size, NEVER, [(0, new, 0, 0)])])
            self._levels(target, tick, target.levels & ~falls)
        target.post(tick, body)  # with the levels that it is to leave
        if target is self.intc:
            self._arbitrate()
        self._limit(target.promise.quiet)

    def _ask(self, target: Target, tick: int, body: Any) -> Answer:
        target.promise.supersede()
        answer = self.question(target, tick, body)
        self.renew(target, tick, answer)
        return answer

    def question(self, target: Target, tick: int, body: Any) -> Answer:
        """A target's answer, before anything is done with it."""
        if target is self.intc:
            self._send_lines()
        answer: Answer = target.call(tick, body)
        if time.monotonic() - self.looked > 10 * SLICE:  # a guest that polls may ask all through a slice
            self._limit(tick)
        return answer

    def _collect(self, target: Target) -> None:
        if target.promise.outstanding:
            target.promise.outstanding = 0
            got = target.collect()
            if got is not None:
                self.renew(target, *got)

    def renew(self, target: Target, tick: int, answer: Answer) -> None:
        """Take an answer: its promise, lines, leases, and the controller's table."""
        target.check(tick, answer)
        target.promise.renew(tick, answer)
        self._levels(target, tick, answer.lines)
        if answer.sources is not None:
            self.table = {row[0]: row for row in answer.sources}
        if target is self.intc:
            self._arbitrate()
        if answer.matched >= 0 and self.matched < 0 and target is self.armed:
            self.matched = answer.matched
        if self.leased:
            self._drop_leases(target)
            self.keeper.add_leases(answer.leases)
            followed = {row[3] for row in answer.effects if row[4] != "end"}
            target.constant = {row[0]: row[3][0][1] for row in answer.leases if row[0] in followed}
        self._limit(target.promise.due())

    def _limit(self, tick: int) -> None:
        self.until = min(self.until, tick)
        self.core.limit(tick)

    def _drop_leases(self, target: Target) -> None:
        for first, last in target.regions:
            self.keeper.drop_leases(first, last)

    def _seen(self, target: Target) -> list[tuple[int, int]]:
        """Leased reads since the last message to this target; others' are kept for theirs."""
        self._share_reads()
        seen, target.seen = target.seen, {}
        return list(seen.items())

    def _share_reads(self) -> None:
        """Leased reads go to those whose registers they are of."""
        for address, value, _, _ in self.keeper.take_lease_reads():
            owner = self._target(address)
            if owner is not None:
                owner.seen[address] = owner.seen.get(address, 0) | value
                self.polling.leased(owner, address, value)

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
                if len(self.pending_lines) >= LINES:
                    self._send_lines()
                if level:
                    self.asserted[line] = tick
                    for observer in self.latency:
                        observer.line_rose(line, tick)
                    if self.attributed is not None and line == self.attributed.line:
                        self._limit(self.core.tick)
                else:
                    self.asserted.pop(line, None)
        self._arbitrate()

    def _line_number(self, line: str) -> int:
        return int.from_bytes(hashlib.sha256(line.encode()).digest()[:4], "little")

    def _arbitrate(self) -> None:
        """The highest request among asserted lines: level, then order.

        While writes to the controller are out, its table is not known: the core then stops wherever any request
        could be accepted, and ``_table_known`` asks.
        """
        if self.asserted and self.intc is not None and self.intc.promise.outstanding:
            self.best = None
            self.core.set_irq(15, 0)
            return
        rows = [self.table[line] for line in self.asserted if line in self.table and self.table[line][2] > 0]
        self.best = max(rows, key=lambda row: (row[2], -row[3]), default=None)
        if self.best is None:
            self.core.set_irq(0, 0)
        else:
            self.core.set_irq(self.best[2], self.best[1])

    def _table_known(self) -> bool:
        """Take the controller's table where writes to it are out; whether it was known already."""
        if self.intc is None or not self.intc.promise.outstanding:
            return True
        self._collect(self.intc)
        return False

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
                    text = f"promised only until {promise.next} again; time would stand still"
                    raise ClockError("promise-further", target.name, due, text)

    # SPUMONE ----------------------------------------------------------------------------------------------

    def trap(self, cause: str, number: int, level: int, read: list[bytes] | None = None) -> None:
        """Ask SPUMONE, and do as it says."""
        core, tick = self.core, self.core.tick
        assert self.hypervisor is not None
        self._table_known()
        if cause == "call" and number in WAITS and self.partition is not None:
            self.partition.waits(tick)
        if cause in CAUSE:  # interrupts are in the digest as accepted
            self.event("trap", tick, CAUSE[cause], number)
        if cause == "call" and self.leased and (self._idle_here() if number == IDLE else self._answer_here(number)):
            return None
        for target in self.targets:
            target.flush()  # they work while SPUMONE does
        waits = bool(core.sleeping) and self.idling
        trap = Trap(cause, number, level, core.state_bytes(), waits, self._pending(), read or [])
        d: Directive = self.hypervisor.call(tick, trap)
        self.directives.check(tick, trap, d)
        for paddr, data in d.loads:
            core.write(paddr, data)
        if d.more:
            return self.trap(cause, number + 1, level)
        if d.partitions:
            self._watch_guests(d)
        elif d.owners is not None and self.partition is not None:
            self.partition.route(d.owners)
        if d.labels:
            return self._start_firmware(d)
        if d.again:
            for address, size, value in d.writes:
                self._write(tick, SPUMONE_PC, address, size, value)
            return self.trap("again", number, level, [self._fetch(tick, *row) for row in d.reads])
        charge, entry = d.charge, 0
        if level and timing_of(core) != "fast":
            # What accept() takes: SPUMONE's charge counts its instructions only.
            entry = TICKS["interrupt_entry"] + max(core.snapshot()["timing"]["ready"])
            charge += entry
        if self.attributed is not None:
            if level:
                self.attributed.accept(tick, tick + entry, LINE.get(number, ""))
            self.attributed.charge(tick + entry, tick + charge, d.charge_path, LINE.get(d.deliver, ""))
        core.set_state_bytes(d.state)
        core.sleeping = self.idling = d.sleep
        core.tick = tick + charge
        core.set_vectors(None if d.vectors[0] < 0 else d.vectors[0], *d.vectors[1:])
        self.forward = frozenset(d.forward)
        self.idle_lease, self.wake_charge, self.forward_charge = d.idle, d.wake - d.vectors[3], d.vectors[3]
        if d.calls is not None:
            self.calls = {(entry, r4): (charge, r0, path) for entry, r4, charge, r0, path in d.calls}
        self._account(tick, charge, d.charge_path, d.vcpu)
        if d.deliver:
            self.interrupts[LINE.get(d.deliver, hex(d.deliver))] += 1
            self._vcpu(d.vcpu)["interrupts"] += 1
            self._taken(LINE.get(d.deliver, ""), tick)
        for address, size, value in d.writes:
            self._write(tick, SPUMONE_PC, address, size, value)
        if d.report:
            self.report(tick, d.report)
        return None

    def _watch_guests(self, d: Directive) -> None:
        self.partition = Partition(self.core, self.targets, d, self.report)
        if d.starvation:
            self.starvation = Starvation(self, d.starvation)

    def _turn(self, vcpu: str, tick: int) -> None:
        """From a tick on the CPU is a guest's, or SPUMONE's."""
        before, self.vcpu = self.vcpu, vcpu
        if self.partition is not None:
            self.partition.run(vcpu)
        if self.starvation is not None:
            self.starvation.turn(before, vcpu, tick)

    def _taken(self, line: str, tick: int) -> None:
        """A guest enters the interrupt of a line."""
        if self.starvation is not None:
            self.starvation.taken[line] = tick

    def _fetch(self, tick: int, address: int, size: int) -> bytes:
        """What SPUMONE reads: RAM, or a device's register."""
        if address < 0x20000000:
            return bytes(self.core.read(address, size))
        return self._read(tick, address, size).to_bytes(size, "little")

    def _start_firmware(self, d: Directive) -> None:
        """SPUMONE runs on the core: nothing is trapped, its paths are watched."""
        self.firmware = Firmware(self.core, d.labels, d.pointers)
        self.core.set_trap_page(None)
        self.core.set_state({"pc": self.firmware.at["entry"]})
        self._turn("SPUMONE", self.core.tick)
        self._set_breakpoints()

    def _at_label(self, name: str, tick: int) -> None:
        """The firmware is at the start or the end of a path, or tells something."""
        firmware = self.firmware
        assert firmware is not None
        if name == "tell":
            assert self.hypervisor is not None
            answer = self.hypervisor.call(tick, Trap("report", 0, 0, b"", words=firmware.told()))
            return self.report(tick, answer.report)
        self._leave(tick)
        if name in STARTS:
            self._enter_firmware(name, tick)
            return None
        guest = firmware.running()
        if firmware.inside:
            self._count_path(name, tick)
        else:
            firmware.start = firmware.cut.pop(guest, "")
        firmware.inside = False
        if guest != self.last_guest:
            self._vcpu(guest)["switches"] += 1
        if name in ("forwarded", "entered"):
            self._vcpu(guest)["interrupts"] += 1
            self._taken(self.accepted, tick)
        if firmware.start == "route" and self.partition is not None:
            self.partition.route(firmware.owners())
        self.last_guest = guest
        self._turn(guest, tick)
        return None

    def _enter_firmware(self, start: str, tick: int) -> None:
        """A path begins; one that has not ended, idling, ends with it."""
        firmware = self.firmware
        assert firmware is not None
        if start == "interrupt" and firmware.inside and firmware.start in CALLS:
            firmware.cut[self.last_guest] = firmware.start
        elif firmware.inside and not start == firmware.start == "reset":  # where it is put, and its label
            self._count_path("", tick)
        firmware.start, firmware.inside = start, True
        if start in ("idle", "wait") and self.partition is not None:
            self.partition.waits(tick)
        self._turn("SPUMONE", tick)
        firmware.began, firmware.slept = tick, self.core.sleep_ticks

    def _count_path(self, end: str, tick: int) -> None:
        firmware = self.firmware
        assert firmware is not None
        path = firmware.path(end, INTEVT.get(self.accepted, 0))
        self.charges[path] += 1
        if self.attributed is not None:
            self.attributed.path_ended(path, end == "held")
        firmware.count(path, tick - firmware.began - (self.core.sleep_ticks - firmware.slept))

    def _reset(self, stop: Stop) -> str:
        """A guest has reset the CPU. SPUMONE goes on; without it, the text says what became of the run."""
        text = f"guest {self.vcpu or 'alone'} at tick {stop.tick}: {stop.detail}"
        if self.hypervisor is None:
            return text
        self.report(stop.tick, text)
        if self.firmware is None:
            self.trap("reset", 0, 0)
            return ""
        if self.firmware.inside:
            return text  # in SPUMONE's own code
        self.core.set_state({"pc": self.firmware.at["reset"]})
        self._leave(stop.tick)
        self._enter_firmware("reset", stop.tick)
        return ""

    def _idle_here(self) -> bool:
        """Answer an idle call by SPUMONE's lease, where it holds: nobody else could run or be woken."""
        charge, highest = self.idle_lease
        core = self.core
        if charge < 0 or self.best is not None:
            return False
        state = core.state()
        if state["sr"] >> 4 & 15 > highest:
            return False
        self._return(state, 0, charge, "idle+sleep")
        core.sleeping = self.idling = True
        return True

    def _answer_here(self, number: int) -> bool:
        """Answer another call by SPUMONE's lease."""
        state = self.core.state()
        charge, r0, path = self.calls.get((number, state["r4"])) or self.calls.get((number, -1), (-1, 0, ""))
        if charge < 0:
            return False
        self._return(state, r0, charge, path)
        return True

    def _return(self, state: dict[str, int], r0: int, charge: int, path: str) -> None:
        """From a call of SPUMONE's page."""
        state.update(r0=r0 & 0xFFFFFFFF, pc=state["pr"])
        self.core.set_state_bytes(pack(state))
        self._account(self.core.tick, charge, path, self.vcpu)
        if self.attributed is not None:
            self.attributed.charge(self.core.tick, self.core.tick + charge, path, "")
        self.core.tick += charge

    def _pending(self) -> list[tuple[int, int]]:
        """Requests behind masks and priorities, (INTEVT, level), the one to be taken first leading."""
        rows = [self.table[line] for line in self.asserted if line in self.table and self.table[line][2] > 0]
        return [(row[1], row[2]) for row in sorted(rows, key=lambda row: (-row[2], row[3]))]

    def _account(self, tick: int, charge: int, path: str, vcpu: str) -> None:
        """Ticks go to the vCPU that ran until the trap, the charge to SPUMONE."""
        self._leave(tick)
        self.charges[path] += 1
        self._vcpu("SPUMONE")["ticks"] += charge
        if vcpu != self.vcpu:
            self._vcpu(vcpu)["switches"] += 1
            self._turn(vcpu, tick + charge)
        self.vcpu_since = tick + charge

    def _leave(self, tick: int) -> None:
        row = self._vcpu(self.vcpu)
        row["ticks"] += tick - self.vcpu_since
        row["idle"] += self.core.sleep_ticks - self.vcpu_slept
        self.vcpu_since, self.vcpu_slept = tick, self.core.sleep_ticks

    def _vcpu(self, name: str) -> dict[str, int]:
        return self.vcpus.setdefault(name or "idle", {"ticks": 0, "switches": 0, "interrupts": 0, "idle": 0})

    # The run ---------------------------------------------------------------------------------------------

    def start(self, loads: list[tuple[int, bytes]], entry: int | None, sr: int | None = None) -> None:
        """Load RAM, take first promises, and stand at tick 0. ``entry``, ``sr``: where no hypervisor starts guests."""
        for paddr, data in loads:
            self.core.write(paddr, data)
        for target in self.targets:
            if target is not self.hypervisor:
                self._ask(target, 0, Advance())
        if self.hypervisor is not None:
            self.hypervisor.promise.next = NEVER  # it answers traps only
            self.core.set_trap_page(*TRAP_PAGE)
            self.trap("start", 0, 0)
            if self.firmware is None:
                rest = self.core.snapshot()
                rest["extras"][EXTRAS.index("cpuopm")] |= INTMU
                self.core.restore(rest)
        elif entry is not None:
            self.core.set_state({"pc": entry} if sr is None else {"pc": entry, "sr": sr})

    def go(self, until: int, armed: bool = False) -> tuple[str, str]:
        """Run to tick ``until``, or to the grid tick after an armed match. Returns (reason, detail)."""
        core, still = self.core, -1  # tick since which nothing will wake the CPU
        self.stopping, end = False, None
        doing(Row.MACHINE)
        while True:
            self.settle(core.tick)
            while self.deferred:
                self.deferred.pop(0)()
            if time.monotonic() - self.looked > SLICE or core.tick >= self.next_look:
                doing(Row.LAUNCHER)
                self.look()
                doing(Row.MACHINE)
                self.looked = time.monotonic()
                self.next_look = grid_after(core.tick + 1, self.quantum) if self.quantum else NEVER
            if self.debugger is not None:
                self.debugger.stand()
            if core.tick >= self.timing_from:
                core.timing, self.timing_from = self.timing, NEVER
            if core.tick >= self.next_sync:
                self._sync()
                continue
            if self.stopping and end is None:
                # At this tick something may have happened already that comes after an end at this tick.
                end = min(until, core.tick + 1)
            if end is not None and core.tick >= end:
                return "stopped", ""
            if core.tick >= until:
                if armed and self.armed is not None and self.matched < 0:
                    self._catch_up(self.armed)
                return ("match" if armed and self.matched >= 0 else "until"), ""
            if armed and self.matched >= 0 and core.tick >= grid_after(self.matched, SYNC):
                return "match", ""
            due = horizon(t.promise for t in self.targets)
            if core.sleeping and min(due, until) >= NEVER and self.best is None and not self.quantum:
                if not self._table_known():
                    continue
                still = core.tick if still < 0 else still
                # What the serial devices still hold may match an armed pattern, and is sent in that time.
                if not armed or (self.matched < 0 and core.tick >= still + FLUSH):
                    return "stalled", f"the CPU sleeps at tick {core.tick} and nothing will wake it"
            else:
                still = -1
            limit = min(until if end is None else end, self.next_sync, self.next_look, self.timing_from)
            if not core.sleeping:
                limit = min(limit, core.tick + self.slice_ticks)
            vcpu, stop = self.vcpu, self._run(min(due, limit))
            if stop.reason == "interrupt":
                if self._table_known():
                    self._interrupt()
            elif stop.reason == "trap":
                self.trap("call", self._entry(stop.pc), 0)
            elif stop.reason == "breakpoint":
                self._observe(stop.pc, stop.tick)
            elif stop.reason == "reset" and (text := self._reset(stop)):
                return "guest", text
            elif stop.reason == "vbr" and self.partition is not None:
                return "guest", self.partition.took_interrupts(self.vcpu, stop)
            if self.debugger is not None:
                self.debugger.ran(stop, vcpu)

    def _run(self, until: int) -> Stop:
        core: Any = self.core
        single = self.debugger is not None and self.debugger.stepping() and not core.sleeping
        single = single and (core.tick < until or getattr(core, "in_pair", False))
        began, ran = time.monotonic(), core.instructions
        doing(Row.INTERPRETER)  # or what a core says itself
        if self.attributed is not None and self.attributed.rise >= 0:
            stop = self._follow(self.attributed, until, single)
        else:
            stop = core.step() if single else core.run(until)
        doing(Row.MACHINE)
        self._pace(core.instructions - ran, time.monotonic() - began)
        if stop.reason == "breakpoint" and getattr(core, "in_pair", False):
            # The rest of the unit belongs to the tick at which it began: no target may be heard before.
            self._observe(stop.pc, stop.tick)
            if self.debugger is not None:
                self.debugger.ran(stop, self.vcpu)
                self.debugger.stand()
            return self._run(core.tick if self.deferred or self.stopping else until)
        return stop

    def _follow(self, sample: Attributed, until: int, single: bool) -> Stop:
        """As core.run(until), unit by unit while a sample is in progress."""
        core: Any = self.core
        sample.begin(core.tick, self.vcpu)
        self.until = until
        while True:
            raw = core.state_bytes()
            stop: Stop = core.run(until) if core.sleeping else core.step()
            row = self.table.get(sample.line)
            sample.unit(core.tick, raw, self.vcpu, row[2] if row else 0)
            if stop.reason != "step" or single:
                return stop
            if core.tick >= self.until:
                return Stop("horizon", core.tick, stop.pc)

    def _pace(self, instructions: int, seconds: float) -> None:
        """Choose slices of SLICE seconds by the core's speed; they change no result.

        They shrink at once and grow slowly: a core that was fast for a moment, in a loop that it skips, say, may be a
        hundred times slower in the next, and it gives no sign of life within a slice.
        """
        if instructions >= self.slice_ticks // 2:
            wanted = int(instructions / max(seconds, 1e-6) * SLICE)
            self.slice_ticks = max(1000, min(wanted, self.slice_ticks * 5 // 4))

    def _entry(self, pc: int) -> int:
        return (pc - TRAP_PAGE[0]) // 16 if pc % 16 == 0 else 0x1000 + pc - TRAP_PAGE[0]

    def _interrupt(self) -> None:
        assert self.best is not None
        line, intevt, level, _ = self.best
        self.event("accept", self.core.tick, intevt)
        if self.firmware is not None:
            self.interrupts[line] += 1
            self.accepted = line
            return self._accept(line)
        if self.hypervisor is not None and not (self.leased and intevt in self.forward):
            return self.trap("interrupt", intevt, level)
        self.interrupts[line] += 1
        self._vcpu(self.vcpu)["interrupts"] += 1
        if self.hypervisor is None:
            return self._accept(line)
        self._taken(line, self.core.tick)
        began = self.core.tick
        self._accept(line, self.forward_charge)
        path = "interrupt"
        if self.idling:
            self.core.tick += self.wake_charge
            self.idling, path = False, "wake"
        if self.attributed is not None:
            charge = self.forward_charge + (self.wake_charge if path == "wake" else 0)
            self.attributed.charge(self.core.tick - charge, self.core.tick, path, line)
        return self._account(began, self.core.tick - began, path, self.vcpu)

    def _accept(self, line: str, charged: int = 0) -> None:
        """The CPU enters the interrupt; ``charged``: ticks that its vectors add for SPUMONE."""
        began = self.core.tick
        self.core.accept()
        if self.attributed is not None:
            self.attributed.accept(began, self.core.tick - charged, line)

    def _observe(self, pc: int, tick: int) -> None:
        if (pc, tick) == self.observed:  # a debugger has set registers there
            return
        self.observed = pc, tick
        if self.firmware is not None and pc in self.firmware.marks:
            self._at_label(self.firmware.marks[pc], tick)
        for observer in self.latency:
            observer.reached(pc, tick)
        for deadline in self.deadlines:
            deadline.reached(pc, tick)

    def _sync(self) -> None:
        """Running digest at the first boundary at or after a multiple of SYNC."""
        self.event("sync", self.next_sync)
        self.stream.update(self.core.state_bytes() + timing_state(self.core))
        self.syncs.append((self.next_sync, self.stream.hexdigest()))
        if self.next_sync % FLUSH == 0:
            for target in self.targets:
                if target.role == "scif":
                    self._catch_up(target)
        elif self.armed is not None and self.matched < 0:
            self._catch_up(self.armed)
        if self.partition is not None:
            self.partition.gather()
        if self.starvation is not None:
            self.starvation.look(self.core.tick)
        self._share_reads()
        self.polling.look()
        self.next_sync += SYNC

    def _catch_up(self, target: Target) -> None:
        self._ask(target, self.core.tick, Advance())

    # From outside, between runs -----------------------------------------------------------------------------

    def check_leases(self) -> None:
        """Hold each leased read against the target's own answer from here on: before the start."""
        self.keeper = self.check = LeaseCheck(self)

    def set_timing(self, timing: str, tick: int) -> None:
        """Go on under another timing from the first boundary at or past ``tick``. Raises MachineError."""
        if timing not in TIMINGS:
            raise MachineError(f"timing = {timing!r}: timings are {TIMINGS_TEXT}")
        if timing != "fast" and not hasattr(self.core, "timing"):
            raise MachineError(f'timing = {timing!r}: this core has "fast" only; try core = "python"')
        self.timing, self.timing_from = timing, tick if hasattr(self.core, "timing") else NEVER

    def input(self, target_name: str, entries: list[tuple[int, int]]) -> None:
        """Characters for a serial device: (tick, byte and condition), ticks from now on, rising; into the journal."""
        if self._within_pair(partial(self.input, target_name, entries)):
            return
        target = self._named(target_name)
        self.journal += [(tick, target_name, byte) for tick, byte in entries]
        for k in range(0, len(entries), CHUNK):
            self.last_input[target_name] = entries[k : k + CHUNK][-1][0]
            self._ask(target, self.core.tick, Input(entries[k : k + CHUNK]))

    def type(self, target_name: str, data: Sequence[int], gap: int) -> None:
        """Bytes, or what ``with_marks`` gives, ``gap`` ticks apart, as a terminal sends them, from now on."""
        if self._within_pair(partial(self.type, target_name, data, gap)):
            return
        first = max(self.core.tick, self.last_input.get(target_name, 0)) + gap
        self.input(target_name, [(first + k * gap, byte) for k, byte in enumerate(data)])

    def arm(self, target_name: str, pattern: str, console: int = 0) -> None:
        """Watch a serial device's output, that of one console where guests share it; an empty pattern disarms."""
        if self._within_pair(partial(self.arm, target_name, pattern, console)):
            return
        target = self._named(target_name)
        self._collect(target)  # the answers that are out speak of the pattern before
        self.armed = target if pattern else None
        self.matched = -1
        self._ask(target, self.core.tick, Arm(pattern, console))

    def _within_pair(self, call: Callable[[], None]) -> bool:
        """A debugger has stopped between a pair: its second still acts at an earlier tick, so ``call`` waits for it."""
        if not getattr(self.core, "in_pair", False):
            return False
        self.deferred.append(call)
        return True

    def observe(self, kind: str, **what: Any) -> None:
        """Add an observer ("latency" or "deadline") and its breakpoint."""
        if kind == "latency":
            self.latency.append(Latency(**what))
        elif kind == "attributed":
            self.attributed = Attributed(**what)
            self.latency.append(self.attributed)
        else:
            self.deadlines.append(Deadline(**what))
        self._set_breakpoints()

    def _set_breakpoints(self) -> None:
        observed = (o.pc for o in [*self.latency, *self.deadlines])
        labels = self.firmware.marks if self.firmware is not None else ()
        self.core.set_breakpoints(frozenset((*observed, *labels, *self.debugged)))

    # For a debugger, at a unit boundary ------------------------------------------------------------------------

    def watch_for(self, breakpoints: set[int], hook: Callable[..., int | None] | None) -> None:
        """Breakpoints beside those of observers, and the core's hook, which makes it slow."""
        self.debugged = set(breakpoints)
        self._set_breakpoints()
        if hook != self.core.hook:
            self.core.hook = hook
            self.slice_ticks = FIRST_SLICE

    def vcpu_states(self) -> list[tuple[str, dict[str, int], bool]]:
        """(name, registers, whether it sleeps or waits) of each vCPU, the highest priority first."""
        core = self.core
        running = self.vcpu_here(), dict(core.state()), bool(core.sleeping)
        if self.hypervisor is None:
            return [running]
        rows, _ = self.inspect()
        return [running if row[0] == running[0] else row for row in rows]

    def vcpu_here(self) -> str:
        """The vCPU that runs, or in whose place SPUMONE's firmware does: its table names it, at the start the first."""
        if self.firmware is None or not self.firmware.inside:
            return self.vcpu
        return self.firmware.running() or next(iter(self.firmware.names.values()))

    def inspect(self) -> tuple[list[tuple[str, dict[str, int], bool]], list[tuple[int, str, int]]]:
        """(guest, registers, whether it is not ready) as SPUMONE keeps them, the highest priority first: of the one
        that runs they are older; and (INTEVT, guest, level) of what it holds."""
        core = self.core
        if self.firmware is not None:
            return self.firmware.states(), self.firmware.held()
        assert self.hypervisor is not None
        answer: Vcpus = self.hypervisor.call(core.tick, Inspect())
        self.directives.vcpus(core.tick, answer)
        return [(name, unpack(state), waits) for name, state, waits in answer.rows], answer.held

    def report(self, tick: int, text: str) -> None:
        """Something to show at the end of the run."""
        self.report_count += 1
        if len(self.reports) < KEPT:
            self.reports.append(f"tick {tick}: {text:.{LONGEST}}")

    def _named(self, name: str) -> Target:
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(f"no node {name!r}: nodes are {', '.join(t.name for t in self.targets)}")

    def take_record(self) -> tuple[int, list[tuple[int, str]], list[tuple[int, str, int]]]:
        """(tick, syncs, journal) since the last call: with those of the calls before, all rows up to that tick."""
        syncs, journal, self.syncs, self.journal = self.syncs, self.journal, [], []
        return min(self.core.tick, self.next_sync - 1), syncs, journal

    # Digest and figures ------------------------------------------------------------------------------------------

    def event(self, kind: str, tick: int, *values: int) -> None:
        """An event of the digest."""
        self.stream.update(struct.pack(f"<Bq{len(values)}I", EVENT[kind], tick, *values))

    def finish(self) -> dict[str, Any]:
        """Catch all targets up, and give digest and figures of the whole run."""
        core, finals = self.core, dict[str, Final]()
        self._send_lines()
        for target in self.targets:
            target.promise.supersede()
            finals[target.name] = target.call(core.tick, Finish())
            plain(finals[target.name].info, f"{target.name} at tick {core.tick}: Final.info", target.name)
        whole = hashlib.sha256(self.stream.digest() + core.state_bytes())
        rest = core.snapshot()
        whole.update(repr([rest[k] for k in ("utlb", "itlb", "extras", "tick", "sleeping")]).encode())
        whole.update(timing_state(core))
        whole.update(core.ram_sha256())
        for name in sorted(finals):
            whole.update(name.encode() + finals[name].digest)
        info = {name: final.info for name, final in finals.items()}
        faults = [f"{name}: {text}" for name, row in info.items() for text in row.get("not_json", ())]
        return {**self.figures(), "digest": whole.hexdigest(), "info": info, "faults": faults}

    def figures(self) -> dict[str, Any]:
        """Figures so far."""
        core = self.core
        self._leave(core.tick)
        trips = {t.name: dict(sorted(t.round_trips.items())) for t in self.targets if t.round_trips}
        return {
            "ticks": core.tick,
            "instructions": core.instructions,
            "skipped": core.skipped,
            "leased_reads": core.leased_reads if self.check is None else self.check.compared,
            "round_trips": sum(sum(kinds.values()) for kinds in trips.values()),
            "round_trips_by_target": trips,
            "posted_writes": sum(t.posted for t in self.targets),
            "messages": {t.name: t.messages for t in self.targets},
            "waited": {t.name: t.waited for t in self.targets},
            "vcpus": {name: dict(row) for name, row in self.vcpus.items()},
            "interrupts": dict(self.interrupts),
            "deadlines": [d.figures(core.tick) for d in self.deadlines],
            "latency": [o.figures() for o in self.latency],
            "charges": dict(self.charges),
            "paths": dict(self.firmware.took) if self.firmware is not None else {},
            "unmapped": self.unmapped.figures(),
            "trespasses": self.partition.figures() if self.partition is not None else {},
            "starvation": self.starvation.figures(core.tick) if self.starvation is not None else {},
            "reports": self.reports + ([f"and {more} more"] if (more := self.report_count - len(self.reports)) else []),
        }
