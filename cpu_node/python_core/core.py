"""The Python SH-4A core: state, run loop and the interface shared with the native core.

The readable reference; semantics that two cores could settle differently: docs/reference/semantics.md.
Timing "fast": one tick an instruction, here; "sh4a": timing.py. Reads top to bottom: state, the outside, the run.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from typing import Any

from cosim.activity import Row, doing
from cosim.state import STATE_NAMES, STATE_SIZE, Stop, pack, unpack
from cpu_node.python_core.blocks import Blocks
from cpu_node.python_core.exceptions import BL, MD, Exceptions, Fault
from cpu_node.python_core.memory import NEVER, Memory
from cpu_node.python_core.mmu import Mmu
from cpu_node.python_core.timing import Model

PLAIN = tuple(
    "pc pr gbr vbr ssr spc sgr dbr mach macl fpul pteh ptel ttb tea mmucr pascr ccr tra expevt intevt".split()
)
EXTRAS = tuple("qacr0 qacr1 ramcr irmcr cpuopm expmask cbcr ccmfr llbit".split())
NO_UNIT: list[Any] = []


class Core(Exceptions, Mmu, Memory, Blocks):
    """A core with RAM at physical ``ram_base``, ``ram_size`` bytes."""

    def __init__(self, ram_base: int, ram_size: int) -> None:
        if ram_base & 0xFFF or ram_size & 0xFFF or ram_size <= 0 or not 0 <= ram_base <= 0x1C000000 - ram_size:
            raise ValueError(f"RAM 0x{ram_base:x}+0x{ram_size:x}: expected whole 4 KB pages below physical 0x1c000000")
        if sys.byteorder != "little":
            raise RuntimeError("the Python core reads guest memory in host order: it needs a little-endian host")
        self.ram_base, self.ram_size, self.ram = ram_base, ram_size, bytearray(ram_size)
        self.r, self.bank, self.fr, self.xf = [0] * 16, [0] * 8, [0] * 16, [0] * 16
        for name in PLAIN + EXTRAS:
            setattr(self, name, 0)
        self.sr, self.t, self.fpscr = MD, 0, 0
        self.ubc, self.store_queues = [0] * 16, [[0] * 8, [0] * 8]
        self.utlb, self.itlb = [[0, 0] for _ in range(64)], [[0, 0] for _ in range(4)]
        self.tick = self.instructions = self.skipped = self.leased_reads = self.sleep_ticks = 0
        self.until = self.irq_level = self.irq_code = self.effects = 0
        self.sleeping, self.skip_loops, self.running, self.single = False, True, False, False
        self.model: Model | None = None  # of timing "sh4a"
        self.left_tick = 0
        self.stopped = self.detail = ""
        self.bus: Any = None
        self._hook: Any = None
        self.vector_base: int | None = None
        self.charge_general = self.charge_tlb = self.charge_interrupt = 0
        self.trap_first, self.trap_last = 1, 0  # no page
        self.breakpoints: frozenset[int] = frozenset()
        self.passed: tuple[int, int] | None = None
        self.own: tuple[int, int] | None = None  # physical: what the running guest may touch; None: everything
        self.trusted: list[tuple[int, int]] = []  # SPUMONE's code
        self.barred: list[tuple[int, int]] = []  # registers that are not the running guest's
        self.no_fpu = False  # the running guest has none: the registers are another guest's, and each use is noted
        self.guards_vbr = False  # code that is not SPUMONE's may not set VBR: the run stops there
        self.refuse = False  # what is not its own is not written, and reads as 0
        self.trespasses: dict[tuple[int, str, int], list[int]] = {}  # by pc, kind, page; tick, vaddr, paddr, count
        self.trespasses_more = 0  # that found no room
        self.leases: list[Any] = []
        self.served: list[tuple[int, int, int, int]] = []
        self.loop: tuple[int, int, int, int, list[int]] | None = None
        self.loop_limit = NEVER
        self.reads: dict[int, int] = {}  # virtual page -> RAM offset
        self.writes: dict[int, int] = {}
        self.known: dict[tuple[int, str], tuple[int, int]] = {}  # by KB and kind of access: what the UTLB gave
        self.mapped: int | None = None  # PTEL of the last translation, None where the MMU did not translate
        self.block_maps: list[dict[int, Any]] = [{} for _ in range(4)]  # by SR.MD and SR.FD; pc -> Block
        self.blocks = self.block_maps[0]
        self.compiled: dict[tuple[int, int, int], Any] = {}
        self.code_lines = bytearray(ram_size >> 5)
        self.line_blocks: dict[int, list[tuple[int, int, int]]] = {}
        self.units, self.unit_count, self.executed = iter(NO_UNIT), 0, 0
        self.access = self.accessors()
        self.reset("power on", 0)
        self.stopped = self.detail = ""

    # State ------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, int]:
        """Registers by name (STATE_NAMES), raw u32."""
        values: dict[str, int] = {"sr": self.get_sr(), "fpscr": self.fpscr}
        for name in STATE_NAMES:
            if name not in values:
                values[name] = getattr(self, name) if name in PLAIN else self._element(name)
        return {name: values[name] for name in STATE_NAMES}

    def _element(self, name: str, value: int | None = None) -> int:
        if name.endswith("_bank"):
            registers, k = self.bank, int(name[1:-5])
        else:
            prefix = name.rstrip("0123456789")
            registers, k = {"r": self.r, "fr": self.fr, "xf": self.xf}[prefix], int(name[len(prefix) :])
        if value is not None:
            registers[k] = value
        return registers[k]

    def set_state(self, partial: dict[str, int]) -> None:
        """Set some registers; SR and FPSCR first, as they choose the banks. KeyError for an unknown name."""
        for name in partial:
            if name not in STATE_NAMES:
                raise KeyError(f"no register {name!r} in the state")
        values = {name: int(v) & 0xFFFFFFFF for name, v in partial.items()}
        if "sr" in values:
            self.set_sr(values.pop("sr"))
        if "fpscr" in values:
            self.set_fpscr(values.pop("fpscr"))
        space = (self.pteh & 0xFF, self.mmucr)
        for name, value in values.items():
            if name in PLAIN:
                setattr(self, name, value)
            else:
                self._element(name, value)
        if space != (self.pteh & 0xFF, self.mmucr):
            self.flush_translations()
        self.llbit = 0  # another context: no MOVCO of the one before succeeds
        self.effects += 1
        self.passed = None
        if self.model is not None:
            self.model.fresh()

    def state_bytes(self) -> bytes:
        """Registers as little-endian words in STATE_NAMES order."""
        return pack(self.state())

    def set_state_bytes(self, raw: bytes) -> None:
        """Inverse of state_bytes; a MOVLI reservation is gone."""
        if len(raw) != STATE_SIZE:
            raise ValueError(f"state of {len(raw)} bytes: expected {STATE_SIZE}")
        self.set_state(unpack(raw))
        self.llbit = 0  # another context: its MOVLI reservation is gone

    def _offset(self, paddr: int, n: int) -> int:
        offset = paddr - self.ram_base
        if offset < 0 or n < 0 or offset + n > self.ram_size:
            last = self.ram_base + self.ram_size - 1
            raise ValueError(f"physical 0x{paddr:x}+0x{n:x} is outside RAM 0x{self.ram_base:x}..0x{last:x}")
        return offset

    def read(self, paddr: int, n: int) -> bytes:
        """n bytes of RAM."""
        offset = self._offset(paddr, n)
        return bytes(self.ram[offset : offset + n])

    def write(self, paddr: int, data: bytes) -> None:
        """Bytes to RAM; decoded code there is dropped."""
        self._write_ram(self._offset(paddr, len(data)), bytes(data))

    def ram_sha256(self) -> bytes:
        """Digest of RAM."""
        return hashlib.sha256(self.ram).digest()

    def snapshot(self) -> dict[str, Any]:
        """Everything but RAM, portable between the cores."""
        if self.model is not None and self.tick != self.left_tick:
            self.model.fresh()
        timing = {} if self.model is None else {"timing": self.model.snapshot()}
        queues = [word for queue in self.store_queues for word in queue]
        return {
            "state": self.state_bytes(),
            "utlb": [list(e) for e in self.utlb],
            "itlb": [list(e) for e in self.itlb],
            "extras": [*(getattr(self, name) for name in EXTRAS), *self.ubc, *queues],
            "tick": self.tick,
            "instructions": self.instructions,
            "skipped": self.skipped,
            "sleep_ticks": self.sleep_ticks,
            "sleeping": self.sleeping,
            **timing,
        }

    def restore(self, d: dict[str, Any]) -> None:
        """Inverse of snapshot. KeyError naming what is missing."""
        timing = d.get("timing")
        if timing is not None and timing.get("model") != "sh4a":
            raise ValueError(f'snapshot: timing of model {timing.get("model")!r}; this core has "sh4a"')
        model = None if timing is None else Model(self)
        if model is not None:
            model.restore(timing)
        for key in self.snapshot():
            if key not in d and key != "timing":
                raise KeyError(f"snapshot lacks {key}")
        for key, rows in (("utlb", 64), ("itlb", 4), ("extras", len(EXTRAS) + 32)):
            if len(d[key]) != rows:
                raise ValueError(f"snapshot: {len(d[key])} rows of {key}; expected {rows}")
        self.set_state_bytes(d["state"])
        self.utlb, self.itlb = [list(e) for e in d["utlb"]], [list(e) for e in d["itlb"]]
        words = list(d["extras"])
        for name, word in zip(EXTRAS, words, strict=False):
            setattr(self, name, word)
        words = words[len(EXTRAS) :]
        self.ubc, self.store_queues = words[:16], [words[16:24], words[24:32]]
        self.tick, self.instructions, self.skipped = d["tick"], d["instructions"], d["skipped"]
        self.sleep_ticks, self.sleeping = d["sleep_ticks"], bool(d["sleeping"])
        self.left_tick, self.model = self.tick, model
        self.flush_translations()

    # The outside --------------------------------------------------------------------------------------------

    @property
    def timing(self) -> str:
        """ "fast" or "sh4a"; settable between runs, "sh4a" then begins with empty caches."""
        return "fast" if self.model is None else "sh4a"

    @timing.setter
    def timing(self, timing: str) -> None:
        if timing not in ("fast", "sh4a"):
            raise ValueError(f'no timing {timing!r}: timings are "fast" and "sh4a"')
        if self.running:
            raise RuntimeError("timing set in a callback of the same core")
        if timing != self.timing:
            self.model = Model(self) if timing == "sh4a" else None
            self.flush_translations()

    @property
    def in_pair(self) -> bool:
        """Whether a breakpoint has stopped between the two instructions of a pair: the unit has not ended."""
        return self.model is not None and self.model.open > 0

    @property
    def hook(self) -> Any:
        """None or callable(kind, paddr, size, value) -> int | None, asked before each access."""
        return self._hook

    @hook.setter
    def hook(self, hook: Any) -> None:
        self._hook = hook
        self.flush_translations()

    def limit(self, tick: int) -> None:
        """Lower the horizon of the run in progress."""
        self.until = min(self.until, tick)
        self.cut()

    def set_irq(self, level: int, intevt: int) -> None:
        """The highest pending request; level 0 none, 16 NMI."""
        self.irq_level, self.irq_code = level, intevt
        self.effects += 1
        self.cut()

    def set_vectors(self, base: int | None, general: int = 0, tlb: int = 0, interrupt: int = 0) -> None:
        """Vector to ``base`` instead of VBR and charge ticks for it; None: VBR, no charge."""
        self.vector_base = base
        self.charge_general, self.charge_tlb, self.charge_interrupt = general, tlb, interrupt

    def set_trap_page(self, first: int | None, last: int = 0) -> None:
        """Stop where PC comes into first..last in privileged mode; None: nowhere."""
        if first is not None and (first & 0xFFF or last & 0xFFF != 0xFFF or first > last):
            raise ValueError(f"trap page 0x{first:x}..0x{last:x}: expected whole 4 KB pages")
        self.trap_first, self.trap_last = (1, 0) if first is None else (first, last)
        self.effects += 1

    def set_breakpoints(self, addresses: Iterable[int]) -> None:
        """Replace the set of breakpoints."""
        self.breakpoints = frozenset(addresses)
        self.drop_all_code()
        self.effects += 1
        self.cut()

    # The run --------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """End the running straight run after the current unit."""
        if self.unit_count and not self.executed:
            self.executed = self.unit_count - self.units.__length_hint__()
            self.units.__setstate__(self.unit_count)  # type: ignore[attr-defined]

    def _index(self) -> int:
        """Units of the running straight run that ended before the current one."""
        if self.executed:
            return self.executed - 1
        return self.unit_count - self.units.__length_hint__() - 1 if self.unit_count else 0

    @property
    def unit_tick(self) -> int:
        """Start tick of the unit being executed."""
        return self.tick + self._index() - (0 if self.model is None else self.model.open)

    @property
    def unit_pc(self) -> int:
        """Address of the unit being executed."""
        return self.pc + 2 * self._index() & 0xFFFFFFFF

    def acceptable(self) -> bool:
        """Whether the pending request may interrupt now."""
        return self.irq_level > self.sr >> 4 & 15 and (self.sleeping or not self.sr & BL)

    def run(self, until: int) -> Stop:
        """Run to the first unit boundary at or past tick ``until``, or to what stops it before."""
        self.until = until
        return self._run(False)

    def step(self) -> Stop:
        """One unit."""
        self.until = self.tick + 1
        return self._run(True)

    def _boundary(self) -> str:
        """Why to stop at this unit boundary, "" to go on."""
        if self.tick >= self.until:
            return "horizon"
        if self.irq_level and self.acceptable():
            return "interrupt"
        if self.sleeping:
            self.sleep_ticks += self.until - self.tick
            self.tick = self.until
            return "horizon"
        if self.trap_first <= self.pc <= self.trap_last and self.sr & MD:
            return "trap"
        return self._breakpoint()

    def _breakpoint(self) -> str:
        if self.pc in self.breakpoints and self.passed != (self.pc, self.tick):
            self.passed = (self.pc, self.tick)
            self.effects += 1
            return "breakpoint"
        return ""

    def _run(self, single: bool) -> Stop:
        if self.running:
            raise RuntimeError("run() or step() in a callback of the same core")
        self.running = True
        if self.tick != self.left_tick:
            self.effects += 1  # set from outside: the last iteration took longer than it does
            if self.model is not None:
                self.model.fresh()
        was = doing(Row.INTERPRETER)
        try:
            return self._units(single) if self.model is None else self._timed(self.model, single)
        finally:
            doing(was)
            self.running, self.left_tick = False, self.tick

    def _units(self, single: bool) -> Stop:
        self.stopped = self.detail = ""
        while not self.stopped:
            self.stopped = self._boundary()
            if self.stopped:
                break
            block = None
            try:
                block = self.blocks.get(self.pc) or self.build(self.pc)
                self._execute(block, single)
            except Fault as fault:
                self._fault(fault, block)
            except BaseException:
                self._abandon()
                raise
            if single and not self.stopped:
                self.stopped = "step"
        return Stop(self.stopped, self.tick, self.pc, self.detail)

    def _timed(self, model: Model, single: bool) -> Stop:
        """The run under a timing model; between the instructions of a pair only a breakpoint stops."""
        self.stopped, self.detail, self.single = "", "", single
        while not self.stopped:
            if not model.open:
                self.stopped = self._boundary()
                if self.stopped:
                    break
            model.go()
            if model.open:
                self.stopped = self._breakpoint()
            elif single and not self.stopped:
                self.stopped = "step"
        return Stop(self.stopped, self.tick, self.pc, self.detail)

    def _execute(self, block: Any, single: bool) -> None:
        """A block, or as much of it as begins before the horizon."""
        ops, branch, cost, effect = block
        if effect:
            self.effects += 1
        count = len(ops)
        if count:
            if single or self.tick + count >= self.until:
                ops, branch = ops[: 1 if single else self.until - self.tick], None
                count = len(ops)
            self.executed, self.unit_count = 0, count
            self.units = units = iter(ops)
            for op in units:
                op()
            self.unit_count = 0
            if self.executed:
                if self.executed < count:
                    branch = None
                count, self.executed = self.executed, 0
                if self.stopped or self.tick + count >= self.until or self.irq_level:
                    branch = None
                if self.blocks.get(self.pc) is not block:  # code or mapping changed
                    branch = None
            self.tick += count
            self.instructions += count
            self.pc = self.pc + 2 * count & 0xFFFFFFFF
        if branch is not None:
            at = self.pc
            target = branch()
            self.tick += cost
            self.instructions += cost
            self.pc = target
            if 0 <= at + 2 * cost - 2 - target <= 64 and self.skip_loops and not single:
                self._loop_arrival(effect)

    def _fault(self, fault: Fault, block: Any) -> None:
        """An exception costs one tick for each instruction of the unit that was tried."""
        before = self._index()
        slot = block is not None and not self.unit_count and block.branch is not None and block.cost == 2
        self.unit_count = self.executed = 0
        tried = before + (2 if slot else 1)
        self.tick += tried
        self.instructions += tried
        self.pc = self.pc + 2 * before & 0xFFFFFFFF
        self.take(fault, self.pc, slot)

    def _abandon(self) -> None:
        """A callback failed: stand at the start of its unit."""
        before = self._index()
        self.unit_count = self.executed = 0
        self.tick += before
        self.instructions += before
        self.pc = self.pc + 2 * before & 0xFFFFFFFF

    def _loop_arrival(self, effect: bool) -> None:
        """At the target of a taken short backward branch: where the last iteration changed nothing, the
        next will not either until something outside does; skip as many as end by then."""
        if effect:
            self.loop, self.loop_limit = None, NEVER
            return
        rest = [self.sr, self.t, self.pr, self.gbr, self.mach, self.macl, self.fpul, self.llbit]
        now = self.r + rest
        loop = self.loop
        if loop is not None and loop[0] == self.pc and loop[1] == self.effects and loop[4] == now:
            ticks, bound = self.tick - loop[2], min(self.until, self.loop_limit)
            if bound > self.tick:
                times = (bound - self.tick) // ticks
                self.skipped += times * (self.instructions - loop[3])
                self.tick += times * ticks
        self.loop = (self.pc, self.effects, self.tick, self.instructions, now)
        self.loop_limit = NEVER
