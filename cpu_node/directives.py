"""What the hypervisor may answer: the rules of Directive and Vcpus that go beyond the types of their fields.

A hypervisor of another make may say anything. What it says is checked before any of it is done, so that the text names
it and the rule, and not whatever would fail later.
"""

from __future__ import annotations

from typing import Any

from cosim.clock import ClockError
from cosim.messages import Directive, Trap, Vcpus
from cosim.sh7780 import LINE
from cosim.state import STATE_SIZE
from cpu_node.firmware import CODES, KEPT, TOLD_WORDS, WORDS_ABOVE

PIECES = 256  # Directives with ``more``
AGAIN = 64  # Directives with ``again`` in a row
PATHS = 256  # names of paths
# Labels that have to be there, and bytes at them.
IN_MEMORY = {"entry": 4, "reset": 4, "current": 12, "report": 4 * TOLD_WORDS, "routes": 4 * CODES, "console": 4}
RAM_END = 0x20000000  # physical addresses below it are RAM's, where a Directive reads


class Directives:
    """Checks each answer of one hypervisor. ``core`` has the RAM."""

    def __init__(self, core: Any, node: str) -> None:
        self.core, self.node = core, node
        self.guests: set[str] = set()
        self.paths: set[str] = set()
        self.pieces = self.again = 0

    def check(self, t: int, trap: Trap, d: Directive) -> None:
        """Raises ClockError for a Directive that breaks a rule."""
        self.t = t
        self._start(trap, d)
        self._memory(d)
        self.again = self.again + 1 if d.again else 0
        if self.again > AGAIN:
            self._broken("directive-again", f"again for the {self.again}th time in a row; expected {AGAIN} at most")
        if len(d.state) != STATE_SIZE and not (d.more or d.again or d.labels):
            self._broken("directive-state", f"a state of {len(d.state)} bytes; expected {STATE_SIZE}")
        if not (d.more or d.again):
            self._guest(d.vcpu)
        if d.charge_path not in self.paths or d.calls:
            self.paths |= {d.charge_path, *(row[4] for row in d.calls or ())}
            if len(self.paths) > PATHS:
                self._broken("directive-paths", f"more than {PATHS} names of paths, the last {d.charge_path!r:.80}")
        for code in [*d.forward, *(row[0] for row in d.owners or ()), *([d.deliver] if d.deliver else [])]:
            if code not in LINE:
                self._broken("directive-line", f"INTEVT {code:#05x}; expected that of a source of the board")
        for _, guest in d.owners or ():
            if guest != "SPUMONE":  # which owns the line of a serial port that its guests share
                self._guest(guest)

    def _start(self, trap: Trap, d: Directive) -> None:
        self.pieces += d.more
        if self.pieces > PIECES:
            self._broken("directive-start", f"more for the {self.pieces}th time; expected {PIECES} at most")
        if trap.cause != "start" and not (trap.cause == "again" and not self.guests):
            for what in ("more", "labels", "partitions"):
                if getattr(d, what):
                    self._broken("directive-start", f"{what} in the answer to a trap of cause {trap.cause}")
        if d.partitions:
            names = [row[0] for row in d.partitions]
            if len(set(names)) < len(names):
                self._broken("directive-vcpu", f"partitions of {', '.join(names)}; expected each guest once")
            self.guests = set(names)
        if d.labels:
            at = {name: address for address, name in d.labels}
            missing = [name for name in IN_MEMORY if name not in at]
            if missing:
                self._broken("directive-labels", f"labels without {', '.join(missing)}")
            for name, size in IN_MEMORY.items():
                self._in_ram("directive-labels", f"label {name}", at[name] & 0x1FFFFFFF, size)
            for address, guest in d.pointers:
                self._guest(guest)
                first = (address & 0x1FFFFFFF) - 4 * len(KEPT)
                self._in_ram("directive-labels", f"vCPU of {guest}", first, 4 * (len(KEPT) + WORDS_ABOVE))

    def _memory(self, d: Directive) -> None:
        for paddr, data in d.loads:
            self._in_ram("directive-memory", "load", paddr, len(data))
        rows = [(f"partition of {name}", first, last) for name, first, last in d.partitions]
        for what, first, last in (*rows, *(("code", first, last) for first, last in d.code)):
            if first > last:
                self._broken("directive-memory", f"{what} from 0x{first:08x} to 0x{last:08x}: it ends before it begins")
            self._in_ram("directive-memory", what, first, last - first + 1)
        for paddr, size in d.reads:
            if paddr < RAM_END:
                self._in_ram("directive-memory", "read", paddr, size)
            elif size not in (1, 2, 4):
                self._broken("directive-memory", f"a read of {size} bytes of the register 0x{paddr:08x}")

    def vcpus(self, t: int, answer: Vcpus) -> None:
        """Raises ClockError for an answer to Inspect that breaks a rule."""
        self.t = t
        names = [name for name, _, _ in answer.rows]
        if sorted(names) != sorted(self.guests):
            expected = ", ".join(sorted(self.guests))
            self._broken("vcpus-all", f"vCPUs {', '.join(names) or 'none'}; expected {expected}, each once")
        for name, state, _ in answer.rows:
            if len(state) != STATE_SIZE:
                self._broken("vcpus-all", f"vCPU {name} with a state of {len(state)} bytes; expected {STATE_SIZE}")
        for _, guest, _ in answer.held:
            self._guest(guest)

    def _guest(self, name: str) -> None:
        if name and name not in self.guests:
            known = ", ".join(sorted(self.guests)) or "none"
            self._broken("directive-vcpu", f"names guest {name!r:.80}; those of its partitions are {known}")

    def _in_ram(self, rule: str, what: str, paddr: int, size: int) -> None:
        try:
            self.core.read(max(paddr, 0), 0 if paddr < 0 else size)
            inside = paddr >= 0
        except ValueError:
            inside = False
        if not inside:
            self._broken(rule, f"{what} at physical 0x{paddr & 0xFFFFFFFF:08x}, {size} bytes: not in RAM")

    def _broken(self, rule: str, text: str) -> None:
        raise ClockError(rule, self.node, self.t, f"Directive: {text}")
