"""SPUMONE's behaviour as a model: it owns the vCPUs, routes interrupts, schedules by fixed priority, serves calls.

Source: the SPUMONE paper (Waseda University, 2007) and guests/include/spumone.h, the ABI of its call page. The CPU node
sends a Trap for every call and for every interrupt that is not the running guest's own; the answer is a Directive.
Costs are those of ``hypervisor_node.paths``, charged, not executed. guests/spumone decides by the same rules:

1. An interrupt of the running guest goes on to its vectors. One of a guest above that waits for its level switches to
   it. Any other is held: its source is masked until its owner runs, or would take it.
2. An idle call gives the CPU to the highest guest that is ready. First, interrupts are let in above the lowest IMASK of
   the guests that wait above that one: if one of them wants it, that guest enters it instead.
3. If no guest is ready, the CPU sleeps under that lowest IMASK, and what comes is decided the same way.
4. A guest that resets the CPU is dead, its sources masked, and ended when its turn comes. A guest is started again when
   its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cosim.messages import CallRow, Directive, Trap
from cosim.sh7780 import INTEVT, LINE, mask_writes, module_codes
from cosim.state import STATE_NAMES, pack, unpack
from hypervisor_node.paths import charge, path_name
from hypervisor_node.serial import INT2PRI2, PER_CALL, VirtualSerial

MD, RB, BL = 0x40000000, 0x20000000, 0x10000000
PAGE, ENTRIES = 0x8FFFF000, ("set_vbr", "idle", "route", "query", "restart", "stop", "wait", "write", "read")
EPERM, ENOENT, EINVAL, ENOSYS = -1, -2, -22, -38
VERSION, SELF, GUESTS, PRIORITY, CEILING = range(5)
ABI_VERSION = 2
TI = 4  # MMUCR: the TLB is cleared
FPSCR, CCR_ON = 0x00040001, 0x105  # after a reset; caches on, copy-back
VECTORS = 0x700  # bytes from a vector base
NO_VECTORS = PAGE + 0x808  # vector base of a guest that gave none: an exception of it comes here as a call, of no entry
FAULTS = tuple(0x1000 + NO_VECTORS - PAGE + offset for offset in (0x100, 0x400))  # numbers of these calls
# Registers of the CPU itself, which SPUMONE does not switch: cache control and the like.
SHARED = ("pascr", "ccr", "vbr")
FPU = tuple(n for n in STATE_NAMES if n[:2] in ("fr", "xf") and n[2:].isdigit()) + ("fpscr", "fpul")
MMU = ("pteh", "ptel", "ttb", "mmucr")


@dataclass
class Vcpu:
    """One guest's CPU. ``base``: its vector base, -1 before it gave one. ``lines``: of the topology."""

    name: str
    index: int
    priority: int
    entry: int
    sr: int
    memory: tuple[int, int]
    fpu: bool = False
    mmu: bool = False
    restart: bool = False
    lines: tuple[str, ...] = ()
    segments: int = 0  # address of the list that the loader copies by; 0: none is kept
    state: dict[str, int] = field(default_factory=dict)
    base: int = -1
    waiting: bool = False
    bare: bool = False  # it waits with nothing to keep but R15 and SR
    stopped: bool = False
    dead: str = ""  # why it cannot go on, though it is ready: reset | mmu; or anew, to be started again
    held: dict[int, int] = field(default_factory=dict)  # INTEVT -> level, masked until this vCPU runs

    def prepare(self) -> None:
        """As its first instruction is to find it."""
        self.state = dict.fromkeys(STATE_NAMES, 0) | {"sr": self.sr, "pc": self.entry, "fpscr": FPSCR}
        self.base, self.waiting, self.stopped, self.dead = -1, False, False, ""
        self.held.clear()

    @property
    def ready(self) -> bool:
        return not self.waiting and not self.stopped

    @property
    def imask(self) -> int:
        """SR.IMASK."""
        return self.state["sr"] >> 4 & 15

    def wants(self, level: int) -> bool:
        """Whether it waits for an interrupt of that level."""
        return self.waiting and self.base >= 0 and level > self.imask

    def enter_interrupt(self, intevt: int, level: int) -> None:
        """What the CPU does on acceptance, with this guest's vectors and CPUOPM.INTMU = 1."""
        s = self.state
        s["ssr"], s["spc"], s["sgr"] = s["sr"], s["pc"], s["r15"]
        if s["sr"] & (MD | RB) != MD | RB:
            for n in range(8):
                s[f"r{n}"], s[f"r{n}_bank"] = s[f"r{n}_bank"], s[f"r{n}"]
        s["sr"] = (s["sr"] & ~0xF0) | MD | RB | BL | level << 4
        s["intevt"] = intevt
        s["pc"] = self.base + 0x600 & 0xFFFFFFFF
        self.waiting = False


class Model:
    """The vCPUs, highest priority first, and who owns which interrupt. ``loader``: address of the code that copies a
    guest's image for a restart, 0 if there is none; ``event`` takes (tick, numbers) for the digest."""

    def __init__(
        self,
        vcpus: list[Vcpu],
        ceiling: int,
        loader: int,
        event: Callable[..., None],
        serial: VirtualSerial | None = None,
    ) -> None:
        self.vcpus, self.ceiling, self.loader, self.event, self.serial = vcpus, ceiling, loader, event, serial
        self.console = Vcpu("SPUMONE", -1, -1, 0, 0, (0, 0), stopped=True)  # owns the lines of its serial device
        self.owner: dict[int, Vcpu] = {}
        # The CPU's registers when it trapped; at the start the caches are on, as the firmware switches them on.
        self.cpu = dict.fromkeys(STATE_NAMES, 0) | {"fpscr": FPSCR, "ccr": CCR_ON}
        for vcpu in vcpus:
            vcpu.prepare()
            self.owner |= {INTEVT[line]: vcpu for line in vcpu.lines}
        if serial is not None:
            self.owner |= {code: self.console for code in module_codes(INTEVT[f"RXI{serial.base >> 16 & 1}"])}
        self.running: Vcpu | None = None
        self.fpu_owner: Vcpu | None = None
        self.mmu_owner: Vcpu | None = None
        self.fpscr_lost: Vcpu | None = None  # who had the FPU when the CPU was reset last
        self.switches = self.held = 0
        self.leased_for: object = None  # whose calls, under which routing table, the CPU node has a lease of
        self.reported: set[int] = set()
        self.masked: dict[int, int] = {}  # INTEVT -> level, of sources that fired and belong to nobody
        self.writes: list[tuple[int, int, int]] = []  # of the answer being made
        self.reports: list[str] = []  # likewise
        self.then: Callable[[Trap], Directive]  # goes on when the CPU node has written and read

    # The CPU node's traps -------------------------------------------------------------------------------

    def start(self) -> Directive:
        """The highest guest runs."""
        self.writes = []
        if self.serial is not None:
            return self._ask([(INT2PRI2, 4)], self._set_up)
        return self._run(self.vcpus[0], ["start"])

    def _set_up(self, trap: Trap) -> Directive:
        assert self.serial is not None
        self.writes = self.serial.start(int.from_bytes(trap.read[0], "little"))
        return self._run(self.vcpus[0], ["start"])

    def trap(self, t: int, trap: Trap) -> Directive:
        """A call, an interrupt, or a reset of the CPU by the running guest."""
        self.writes = []
        if trap.cause == "again":
            return self.then(trap)
        self.reports, self.cpu = [], unpack(trap.state)
        running = self.running
        if running is not None:
            # The CPU node answers idle calls, and wakes from them, by lease.
            running.state = dict(self.cpu)
            running.bare &= running.waiting or not trap.sleeping
            running.waiting = trap.sleeping
        if trap.cause == "interrupt":
            return self._interrupt(running, trap.number, trap.level, trap)
        assert running is not None  # nobody's registers are in a CPU that sleeps
        if trap.cause == "reset":
            return self._reset(running, trap)
        return self._call(t, running, trap)

    def _ask(self, reads: list[tuple[int, int]], then: Callable[[Trap], Directive]) -> Directive:
        """The writes so far and these reads are made; ``then`` goes on."""
        self.then = then
        return Directive(0, "", writes=self.writes, again=True, reads=reads)

    def _interrupt(self, running: Vcpu | None, intevt: int, level: int, trap: Trap) -> Directive:
        owner = self.owner.get(intevt)
        asleep = running is None or running.waiting
        if owner is self.console:
            assert self.serial is not None
            return self._ask(self.serial.states(), partial(self._serial, self._served))
        if owner is not None and owner.wants(level) and (running is None or asleep or owner.index < running.index):
            return self._enter(owner, intevt, level, ["wake" if asleep else "switch"])
        if owner is not None and owner is running and owner.base >= 0 and not asleep:
            # The CPU node does this by itself while it holds the forward list.
            owner.enter_interrupt(intevt, level)
            d = self._stay(owner, ["interrupt"])
            d.deliver = intevt
            return d
        self._hold(intevt, level)
        if running is None or asleep:
            return self._elect(["wake_hold"], trap)
        return self._stay(running, ["hold"])

    def _serial(self, then: Callable[[Trap], Directive], trap: Trap) -> Directive:
        """FSR, RFDR, TFDR and LSR of the serial device are read: what an interrupt of it does. ``then`` goes on."""
        assert self.serial is not None
        flags, count, waiting, errors = (int.from_bytes(data, "little") for data in trap.read)
        reads = self.serial.arrivals(count)
        if reads:
            return self._ask(reads, partial(self._moved, flags, waiting, errors, then))
        return self._moved(flags, waiting, errors, then, Trap("again", 0, 0, b"", pending=trap.pending))

    def _moved(self, flags: int, waiting: int, errors: int, then: Callable[[Trap], Directive], trap: Trap) -> Directive:
        assert self.serial is not None
        self.writes += self.serial.interrupt(flags, waiting, errors, b"".join(trap.read))
        if self.serial.lost is not None and not self.serial.told:
            self.serial.told = True
            self.reports.append(f"guest {self.vcpus[self.serial.lost].name} lost a character of the serial device")
        return then(trap)

    def _served(self, trap: Trap) -> Directive:
        """An interrupt of the serial device is over."""
        if self.running is not None and not self.running.waiting:
            return self._stay(self.running, ["serial", *self._characters()])
        return self._served_while_idle(["serial"], trap)

    def _served_while_idle(self, parts: list[str], trap: Trap) -> Directive:
        """Likewise, with no guest's registers in the CPU. What is pending now, the CPU node is to say."""
        return self._ask([], partial(self._elect, [*parts, *self._characters()]))

    def _characters(self) -> list[str]:
        """Parts for what the serial device has moved."""
        assert self.serial is not None
        return ["character"] * self.serial.moved

    def _write(self, caller: Vcpu, address: int, size: int) -> Directive:
        """Call: its characters are read, and taken as far as there is room."""
        assert self.serial is not None
        return self._ask([(address & 0x1FFFFFFF, min(size, PER_CALL))] if size else [], partial(self._written, caller))

    def _written(self, caller: Vcpu, trap: Trap) -> Directive:
        assert self.serial is not None
        count, writes = self.serial.write(caller.index, b"".join(trap.read))
        self.writes += writes
        caller.state["r0"] = count
        if not count and trap.read:  # a guest that asks again and again may mask all interrupts
            return self._ask(self.serial.states(), partial(self._serial, lambda _: self._wrote(caller, 0)))
        return self._wrote(caller, count)

    def _wrote(self, caller: Vcpu, count: int) -> Directive:
        return self._stay(caller, ["write", *["copied"] * count] if count else ["write", "serial", *self._characters()])

    def _read(self, caller: Vcpu, address: int, size: int) -> Directive:
        """Call: what has come is put into its memory."""
        assert self.serial is not None
        data, writes = self.serial.read(caller.index, size)
        self.writes += writes
        caller.state["r0"] = len(data)
        d = self._stay(caller, ["read", *["copied"] * len(data)])
        d.loads = [(address & 0x1FFFFFFF, data)]
        return d

    def _hold(self, intevt: int, level: int) -> None:
        owner = self.owner.get(intevt)
        if owner is None:
            self.masked[intevt] = level
            problem = "belongs to no guest"
        else:
            owner.held[intevt] = level
            self.held += 1
            problem = f"is guest {owner.name}'s, which gave no vector base yet" if owner.base < 0 else ""
        self.writes += mask_writes(intevt, True)
        if problem and intevt not in self.reported:
            self.reported.add(intevt)
            self.reports.append(f"interrupt {LINE[intevt]} (INTEVT 0x{intevt:03x}) {problem}: masked")

    def _reset(self, running: Vcpu, trap: Trap) -> Directive:
        self.cpu["ccr"] = CCR_ON
        self._dies(running, "reset")
        self.fpscr_lost = self.fpu_owner
        holder = self.mmu_owner
        if holder is not None and holder is not running:  # MMUCR is 0 now
            self._dies(holder, holder.dead if holder.dead == "anew" else "mmu")
        return self._elect(["reset"], trap)

    def _dies(self, vcpu: Vcpu, why: str) -> None:
        vcpu.dead, vcpu.waiting = why, False
        self._mask_all(vcpu)

    def _reap(self, vcpu: Vcpu) -> None:
        """It is the turn of a guest that is dead, or to be started again."""
        why, lost = vcpu.dead, self.fpscr_lost
        if why == "anew":
            return self._start_again(vcpu)
        if why == "mmu":
            self.reports.append(f"guest {vcpu.name} has lost its MMU registers by that reset")
        self._end_of(vcpu)
        if why == "reset" and lost is not None and lost is not vcpu:
            self.reports.append(f"guest {lost.name} goes on with FPSCR as after that reset, 0x{FPSCR:08x}")
        return None

    def _end_of(self, vcpu: Vcpu) -> None:
        """A guest that cannot go on: started again where that is wanted, possible, and it got so far as to give its
        vectors since it was started last."""
        if vcpu.restart and vcpu.segments and vcpu.base >= 0:
            vcpu.dead = "anew"
            self.reports.append(f"guest {vcpu.name} is started again")
        else:
            self._end(vcpu)
            self.reports.append(f"guest {vcpu.name} is stopped")

    def _call(self, t: int, caller: Vcpu, trap: Trap) -> Directive:
        s, number = caller.state, trap.number
        if number in FAULTS and caller.base < 0:
            return self._fault(caller, trap)
        s["pc"] = s["pr"]
        if number >= 0x1000 and number % 16 == 14:  # the last halfword of an entry goes on to the next one
            s["r4"] = (number - 0x1000 >> 4 ^ 128) - 128 & 0xFFFFFFFF
            number = (number - 0x1000 >> 4) + 1
        if number >= len(ENTRIES):
            s["r0"] = ENOSYS & 0xFFFFFFFF
            inside = number >= 0x1000
            place = f"0x{PAGE + number - 0x1000:08x}, inside an entry" if inside else f"entry {number}"
            self.reports.append(
                f"guest {caller.name} called {place} of SPUMONE's page, return 0x{s['pr']:08x}: no such function"
            )
            return self._stay(caller, ["inside" if inside else "refused"])
        entry = ENTRIES[number]
        if entry in ("idle", "wait"):
            s["r0"] = 0
            caller.waiting, caller.bare = True, entry == "wait"
            return self._elect([entry], trap)
        if entry in ("write", "read"):
            error = self._outside(caller, s["r4"], s["r5"])
            if not error:
                return (self._write if entry == "write" else self._read)(caller, s["r4"], s["r5"])
            s["r0"] = error & 0xFFFFFFFF
            return self._stay(caller, [entry])
        s["r0"] = getattr(self, "_" + entry)(t, caller, s["r4"], s["r5"]) & 0xFFFFFFFF
        if not caller.ready or caller.dead:  # it has ended itself
            return self._elect([entry], trap)
        granted = len(module_codes(s["r4"])) if entry == "route" and not s["r0"] else 0
        return self._stay(caller, [entry, *["granted"] * granted])

    def _fault(self, vcpu: Vcpu, trap: Trap) -> Directive:
        """An exception of a guest that gave no vectors is its end."""
        what, pc = vcpu.state["expevt"], vcpu.state["spc"]
        self.reports.append(
            f"guest {vcpu.name} took exception 0x{what:03x} at pc 0x{pc:08x} and gave no vector base yet"
        )
        self._end_of(vcpu)
        return self._elect(["stop"], trap)

    def _outside(self, caller: Vcpu, address: int, size: int) -> int:
        """Error of a call that names memory: there is no serial device, or it is not the caller's own, in P1 or P2."""
        memory, length = caller.memory
        place = (address & 0x1FFFFFFF) - memory
        if self.serial is None:
            return ENOSYS
        return 0 if address >> 30 == 2 and 0 <= place < length and size <= length - place else EINVAL

    def _set_vbr(self, t: int, caller: Vcpu, base: int, _: int) -> int:
        memory, size = caller.memory
        if base & 3 or base >> 30 != 2 or not memory <= base & 0x1FFFFFFF <= memory + size - VECTORS:
            return EINVAL
        caller.base = base
        self.writes += self._unmask(caller)
        return 0

    def _route(self, t: int, caller: Vcpu, intevt: int, on: int) -> int:
        if intevt not in LINE:
            return EINVAL
        codes = module_codes(intevt)
        if any(self.owner.get(code, caller) is not caller for code in codes):
            return EPERM
        if all(self.owner.get(code) is (caller if on else None) for code in codes):
            return 0  # as it is already
        for code in codes:
            if on:
                self.owner[code] = caller
                if code in self.masked:
                    del self.masked[code]
                    self.writes += mask_writes(code, False)
            else:
                self.owner.pop(code, None)
                caller.held.pop(code, None)
        self.event(t, 1, intevt, on & 1, caller.index)
        return 0

    def _query(self, t: int, caller: Vcpu, what: int, _: int) -> int:
        answers = {VERSION: ABI_VERSION, SELF: caller.index, GUESTS: len(self.vcpus), PRIORITY: caller.priority,
                   CEILING: self.ceiling}  # fmt: skip
        return int(answers.get(what, EINVAL))

    def _restart(self, t: int, caller: Vcpu, index: int, _: int) -> int:
        error = self._below(caller, index)
        if error:
            return error
        vcpu = self.vcpus[index]
        if not vcpu.segments or not self.loader:
            return ENOENT
        self._dies(vcpu, "anew")
        vcpu.stopped = False
        self.reports.append(f"guest {vcpu.name} is started again by guest {caller.name}")
        self.event(t, 2, vcpu.index)
        return 0

    def _stop(self, t: int, caller: Vcpu, index: int, _: int) -> int:
        error = self._below(caller, index)
        if error:
            return error
        self._end(self.vcpus[index])
        self.reports.append(f"guest {self.vcpus[index].name} is stopped by guest {caller.name}")
        self.event(t, 3, index)
        return 0

    def _below(self, caller: Vcpu, index: int) -> int:
        """0 if the caller may end that guest: itself, or one below."""
        if index >= len(self.vcpus):
            return EINVAL
        return EPERM if index < caller.index else 0

    def _mask_all(self, vcpu: Vcpu) -> None:
        for code, owner in self.owner.items():
            self.writes += [w for w in mask_writes(code, True) if owner is vcpu and w not in self.writes]

    def _end(self, vcpu: Vcpu) -> None:
        self._mask_all(vcpu)
        if self.fpu_owner is vcpu:
            self.fpu_owner = None
        if self.mmu_owner is vcpu:
            self.mmu_owner = None
        vcpu.stopped, vcpu.waiting, vcpu.dead = True, False, ""
        vcpu.held.clear()

    def _start_again(self, vcpu: Vcpu) -> None:
        """Its image is copied by the loader, which runs in its place, at its priority, interrupts open."""
        self._end(vcpu)
        vcpu.prepare()
        vcpu.state.update(pc=self.loader, sr=MD, r4=vcpu.segments, r5=vcpu.entry, r6=vcpu.sr)

    def _leased_calls(self, caller: Vcpu) -> list[CallRow]:
        """Codes of no line and of another guest are refused whatever is asked; questions change nothing."""
        route, query = ENTRIES.index("route"), ENTRIES.index("query")
        rows: list[CallRow] = [(route, -1, charge("route"), EINVAL, "route")]
        for code in LINE:
            refused = any(self.owner.get(c, caller) is not caller for c in module_codes(code))
            rows.append((route, code, charge("route") if refused else -1, EPERM if refused else 0, "route"))
        rows += [(query, q, charge("query"), self._query(0, caller, q, 0), "query") for q in range(CEILING + 1)]
        return rows

    # Scheduling -------------------------------------------------------------------------------------------

    def _elect(self, parts: list[str], trap: Trap) -> Directive:
        """Rules 2 and 3. ``parts`` led here."""
        while True:
            elected, lowest, looked, wanted = self._look()
            if wanted:
                # What is held and now wanted comes back: with which others of its mask bit, the CPU node knows.
                self.writes += [write for vcpu in wanted for write in self._unmask(vcpu)]
                parts.append("unmask")
                return self._ask([], partial(self._elect, parts))
            parts += looked
            for intevt, level in sorted(trap.pending, key=lambda row: -row[1]):
                owner = self.owner.get(intevt)
                if level <= lowest or mask_writes(intevt, True)[0] in self.writes:  # masked since
                    continue
                if owner is self.console:
                    assert self.serial is not None
                    then = partial(self._serial, partial(self._served_while_idle, [*parts, "serial"]))
                    return self._ask(self.serial.states(), then)
                if owner is not None and owner.wants(level) and (elected is None or owner.index < elected.index):
                    return self._enter(owner, intevt, level, [*parts, "wake"])
                self._hold(intevt, level)
                parts.append("wake_hold")
                break
            else:
                if elected is not None and elected.dead:
                    parts.append("anew" if elected.dead == "anew" else "reap")
                    self._reap(elected)
                    continue
                if elected is not None:
                    return self._run(elected, [*parts, "resume"])
                # All wait. The CPU sleeps as the one that asks for the lowest IMASK, the lowest guest of those; if none
                # does, as nobody.
                asking = [v for v in self.vcpus if v.waiting and v.base >= 0 and v.imask == lowest]
                return self._run(asking[-1], [*parts, "sleep"]) if asking else self._sleep(lowest, [*parts, "sleep"])

    def _look(self) -> tuple[Vcpu | None, int, list[str], list[Vcpu]]:
        """The highest ready guest, the lowest IMASK of those that wait above it, the parts taken, and which of those
        wait for what is held."""
        lowest, above = 15 if self.serial is None else self.serial.level - 1, []
        for vcpu in self.vcpus:
            if vcpu.ready:
                break
            above.append(vcpu)
            if vcpu.waiting and vcpu.base >= 0:
                lowest = min(lowest, vcpu.imask)
        wanted = [vcpu for vcpu in above if any(vcpu.wants(level) for level in vcpu.held.values())]
        elected = self.vcpus[len(above)] if len(above) < len(self.vcpus) else None
        return elected, lowest, ["elect"] * len(above), wanted

    def _unmask(self, vcpu: Vcpu) -> list[tuple[int, int, int]]:
        writes = [write for code in vcpu.held for write in mask_writes(code, False)]
        vcpu.held.clear()
        return writes

    def _enter(self, vcpu: Vcpu, intevt: int, level: int, parts: list[str]) -> Directive:
        vcpu.enter_interrupt(intevt, level)
        return self._run(vcpu, parts, deliver=intevt)

    def _sleep(self, imask: int, parts: list[str]) -> Directive:
        """No guest's registers are in the CPU, which sleeps under an IMASK that none of them asks for."""
        self.running = None
        state = self.cpu | {"sr": self.cpu["sr"] & ~(BL | 0xF0) | MD | imask << 4}
        d = Directive(charge(*parts), "", sleep=True, charge_path=path_name(parts), state=pack(state))
        d.writes, d.report = self.writes, "; ".join(self.reports)
        return d

    def _run(self, vcpu: Vcpu, parts: list[str], deliver: int = 0) -> Directive:
        """The CPU goes to a vCPU; what was held for it is unmasked."""
        last, self.running = self.running, vcpu
        self.switches += last is not None and last is not vcpu
        for name in SHARED:
            vcpu.state[name] = self.cpu[name]
        if not vcpu.waiting:
            if vcpu.held:
                parts.append("unmask")
                self.writes += self._unmask(vcpu)
            if vcpu.fpu or vcpu.mmu:
                parts.append("units")
            if deliver and parts[0] != "interrupt":
                parts.append("enter_bare" if vcpu.bare else "enter")
        parts += self._move_units(vcpu)
        d = self._stay(vcpu, parts)
        d.deliver = deliver
        return d

    def _stay(self, vcpu: Vcpu, parts: list[str]) -> Directive:
        """The same vCPU goes on; nothing held is unmasked."""
        d = Directive(charge(*parts), vcpu.name, sleep=vcpu.waiting, charge_path=path_name(parts))
        d.writes, d.report, d.state = self.writes, "; ".join(self.reports), pack(vcpu.state)
        key = (vcpu.index, tuple(owner.index for owner in self.owner.values()), tuple(self.owner))
        if key != self.leased_for:
            self.leased_for = key
            d.calls = self._leased_calls(vcpu)
        others = [other for other in self.vcpus if other is not vcpu]
        base = vcpu.base if vcpu.base >= 0 else NO_VECTORS
        d.vectors = (base, charge("exception"), charge("exception"), charge("interrupt"))
        d.forward = sorted(code for code, owner in self.owner.items() if owner is vcpu) if vcpu.base >= 0 else []
        bare = vcpu.waiting and vcpu.bare
        d.wake = charge("wake", "enter_bare" if bare else "enter", *(["units"] if vcpu.fpu or vcpu.mmu else []))
        if not vcpu.held and not bare and all(not other.ready and not other.held for other in others):
            # An idle call of this vCPU changes no other: the CPU node may answer it by itself.
            wait = [other for other in others if other.waiting and other.base >= 0]
            lowest = min((other.imask if other.index < vcpu.index else other.imask - 1 for other in wait), default=15)
            if self.serial is not None:
                lowest = min(lowest, self.serial.level - 1)
            if lowest >= 0:  # else any IMASK lets in what would wake another
                d.idle = (charge("idle", *["elect"] * len(self.vcpus), "sleep"), lowest)
        return d

    def _move_units(self, vcpu: Vcpu) -> list[str]:
        """FPU and MMU registers stay in the CPU until another guest that uses them runs. Returns the parts taken."""
        parts: list[str] = []
        for names, uses, owner in ((FPU, "fpu", "fpu_owner"), (MMU, "mmu", "mmu_owner")):
            holder: Vcpu | None = getattr(self, owner)
            if holder is vcpu or not getattr(vcpu, uses):
                _copy(names, self.cpu, vcpu.state)
                continue
            if holder is not None:
                _copy(names, self.cpu, holder.state)
            parts.append(uses)
            setattr(self, owner, vcpu)
            if uses == "mmu":
                vcpu.state["mmucr"] |= TI
        return parts


def _copy(names: tuple[str, ...], source: dict[str, int], to: dict[str, int]) -> None:
    for name in names:
        to[name] = source[name]
