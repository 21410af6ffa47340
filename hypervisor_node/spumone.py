"""SPUMONE as a model: starts the guests, owns the vCPUs, routes interrupts, schedules by fixed priority.

Source: the SPUMONE paper (Waseda University, 2007) and guests/include/spumone.h, the ABI of its call page.
The CPU node sends a Trap for every call and for every interrupt that is not the running guest's own; the
answer is a Directive. Costs are those of ``hypervisor_node.paths``, charged, not executed. Left out: stopping
and restarting a guest alone, the virtual serial device.

Rules, in the order they are applied:
1. An interrupt goes to the guest that owns its code. If that guest is above the running one (or the running one
   waits) and its IMASK and BL let it in, it is switched to and enters its vector.
2. An interrupt that its owner may not take now is held: its source is masked, and unmasked when the owner runs.
3. An idle call gives the CPU to the highest guest that is ready or has a request to take; if there is none, the
   CPU sleeps as the waiting guest with the lowest IMASK, so that any request wakes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosim.device import Device, DeviceError
from cosim.image import Image, ImageError, check_inside, load_elf, load_raw
from cosim.messages import Body, CallRow, Directive, Inspect, Trap, Vcpus
from cosim.sh7780 import INTEVT, LINE, mask_writes, module_codes
from cosim.state import STATE_NAMES, pack, unpack
from hypervisor_node.paths import charge

MD, RB, BL = 0x40000000, 0x20000000, 0x10000000
RESET_SR = 0x700000F0
PIECE = 4 << 20  # bytes of image in one Directive
PAGE, ENTRIES = 0x8FFFF000, ("set_vbr", "idle", "route", "query")
EPERM, EINVAL, ENOSYS = -1, -22, -38
VERSION, SELF, GUESTS, PRIORITY, CEILING = range(5)
ABI_VERSION = 1
# Registers of the CPU itself, which SPUMONE does not switch: cache control and the like.
SHARED = ("ptel", "pascr", "ccr", "vbr")
FPU = tuple(n for n in STATE_NAMES if n[:2] in ("fr", "xf") and n[2:].isdigit()) + ("fpscr", "fpul")


@dataclass
class Vcpu:
    """One guest's CPU. ``base``: its vector base, -1 before it gave one."""

    name: str
    index: int
    priority: int
    fpu: bool
    state: dict[str, int]
    base: int = -1
    waiting: bool = False
    held: dict[int, int] = field(default_factory=dict)  # INTEVT -> level, masked until this vCPU runs

    @property
    def imask(self) -> int:
        """SR.IMASK."""
        return self.state["sr"] >> 4 & 15

    def takes(self, level: int) -> bool:
        """Whether an interrupt of that level would be accepted if this vCPU ran."""
        return self.base >= 0 and level > self.imask and (self.waiting or not self.state["sr"] & BL)

    def enter_interrupt(self, intevt: int) -> None:
        """What the CPU does on acceptance, with this guest's vectors."""
        s = self.state
        s["ssr"], s["spc"], s["sgr"] = s["sr"], s["pc"], s["r15"]
        if s["sr"] & (MD | RB) != MD | RB:
            for n in range(8):
                s[f"r{n}"], s[f"r{n}_bank"] = s[f"r{n}_bank"], s[f"r{n}"]
        s["sr"] |= MD | RB | BL
        s["intevt"] = intevt
        s["pc"] = self.base + 0x600 & 0xFFFFFFFF
        self.waiting = False


class Spumone(Device):
    """The hypervisor's control side and, with ``impl = "model"``, its behaviour."""

    ROLE = "hypervisor"
    OPTIONS = {"impl": "model", "ceiling": 7}

    def setup(self) -> None:
        if self.config["impl"] != "model":
            raise DeviceError(f'{self.name}: impl = {self.config["impl"]!r}: this release has "model" only')
        ceiling = self.config["ceiling"]
        if not 0 <= ceiling <= 14:
            raise DeviceError(f"{self.name}: ceiling = {ceiling}: expected an interrupt level 0..14, 0 is off")
        guests = sorted(self.config.get("guests", {}).items(), key=lambda item: item[1]["priority"])
        self.vcpus: list[Vcpu] = []
        self.owner: dict[int, Vcpu] = {}
        self.pieces: list[tuple[int, bytes]] = []
        for index, (name, guest) in enumerate(guests):
            image = self._image(name, guest)
            state = dict.fromkeys(STATE_NAMES, 0)
            sr = RESET_SR if guest["sr"] is None else guest["sr"]
            state.update(sr=sr, pc=image.entry, fpscr=0x00040001)
            vcpu = Vcpu(name, index, guest["priority"], guest["fpu"], state)
            self.vcpus.append(vcpu)
            for line in guest["lines"]:
                self.owner[INTEVT[line]] = vcpu
        self.running: Vcpu | None = None
        self.fpu_owner: Vcpu | None = None
        self.switches = self.held = 0
        self.leased_for: object = None  # whose calls, under which routing table, the CPU node has a lease of
        self.reported: set[int] = set()
        self.masked: dict[int, int] = {}  # INTEVT -> level, of sources that fired and belong to nobody

    def _image(self, name: str, guest: dict[str, Any]) -> Image:
        path, (base, size) = Path(guest["image"]), guest["memory"]
        try:
            image = load_elf(path) if guest["load"] is None else load_raw(path, guest["load"])
            image.entry = image.start(guest["entry"])
            check_inside(image, base, size, name)
        except ImageError as error:
            raise DeviceError(f"{self.name}: {error}") from None
        for paddr, data in image.segments:
            self.pieces += [(paddr + k, data[k : k + PIECE]) for k in range(0, len(data), PIECE)]
        if guest["cmdline"]:
            self.pieces.append((guest["cmdline_address"], guest["cmdline"].encode() + b"\0"))
        return image

    # The CPU node's traps -------------------------------------------------------------------------------

    def extra(self, t: int, body: Body) -> Body | None:
        if isinstance(body, Inspect):
            return Vcpus([(vcpu.name, pack(vcpu.state), vcpu.waiting) for vcpu in self.vcpus])
        if not isinstance(body, Trap):
            return super().extra(t, body)
        self.now = t
        if body.cause == "start":
            return self._start(body.number)
        running = self.running
        if running is None:
            raise DeviceError(f"{self.name}: a {body.cause} trap at tick {t} before the guests were started")
        running.state = unpack(body.state)
        running.waiting = body.sleeping
        if body.cause == "interrupt":
            return self._interrupt(t, running, body.number, body.level)
        return self._call(t, running, body.number, body.pending)

    def _start(self, piece: int) -> Directive:
        if piece < len(self.pieces):
            return Directive(0, "", more=True, loads=[self.pieces[piece]], charge_path="start")
        self.pieces = []
        self.fpu_owner = next((vcpu for vcpu in self.vcpus[:1] if vcpu.fpu), None)
        return self._run(self.vcpus[0], 0, "start")

    def _interrupt(self, t: int, running: Vcpu, intevt: int, level: int) -> Directive:
        owner = self.owner.get(intevt)
        if owner is not None and owner.takes(level):
            if owner is running:  # the CPU node does this by itself while it holds the forward list
                return self._enter(owner, intevt, charge("interrupt"), "interrupt")
            if running.waiting or owner.index < running.index:
                return self._enter(owner, intevt, charge("switch"), "switch")
        problem = ""
        if owner is None:
            problem = "belongs to no guest"
        elif owner.base < 0:
            problem = f"is guest {owner.name}'s, which gave no vector base yet"
        if owner is None:
            self.masked[intevt] = level
        else:
            owner.held[intevt] = level
            self.held += 1
        d = self._stay(running, charge("hold"), "hold")
        d.writes = mask_writes(intevt, True)
        if problem and intevt not in self.reported:
            self.reported.add(intevt)
            d.report = f"interrupt {LINE[intevt]} (INTEVT 0x{intevt:03x}) {problem}: masked"
        return d

    def _call(self, t: int, caller: Vcpu, number: int, pending: list[tuple[int, int]]) -> Directive:
        s = caller.state
        s["pc"] = s["pr"]
        if number >= len(ENTRIES):
            s["r0"] = ENOSYS & 0xFFFFFFFF
            place = f"entry {number}" if number < 0x1000 else f"0x{PAGE + number - 0x1000:08x}, inside an entry"
            d = self._stay(caller, charge("refused"), "refused")
            d.report = f"guest {caller.name} called {place} of SPUMONE's page, return 0x{s['pr']:08x}: no such function"
            return d
        if ENTRIES[number] == "idle":
            return self._idle(caller, pending)
        result = getattr(self, "_" + ENTRIES[number])(t, caller, s["r4"], s["r5"])
        s["r0"] = result & 0xFFFFFFFF
        return self._run(caller, charge(ENTRIES[number]), ENTRIES[number])

    def _set_vbr(self, t: int, caller: Vcpu, base: int, _: int) -> int:
        caller.base = base
        return 0

    def _route(self, t: int, caller: Vcpu, intevt: int, on: int) -> int:
        if intevt not in LINE:
            return EINVAL
        codes = module_codes(intevt)
        owners = {self.owner[code].name for code in codes if code in self.owner}
        if owners - {caller.name}:
            return EPERM
        if all(self.owner.get(code) is (caller if on else None) for code in codes):
            return 0  # as it is already
        for code in codes:
            if on:
                self.owner[code] = caller
                if code in self.masked:
                    caller.held[code] = self.masked.pop(code)  # unmasked with the answer
            else:
                self.owner.pop(code, None)
        self.event(t, 1, intevt, on & 1, caller.index)
        return 0

    def _leased_calls(self, caller: Vcpu) -> list[CallRow]:
        """Codes of no line and of another guest are refused whatever is asked; questions change nothing."""
        route, query = ENTRIES.index("route"), ENTRIES.index("query")
        rows: list[CallRow] = [(route, -1, charge("route"), EINVAL, "route")]
        for code in LINE:
            refused = any(self.owner.get(c, caller) is not caller for c in module_codes(code))
            rows.append((route, code, charge("route") if refused else -1, EPERM if refused else 0, "route"))
        rows += [(query, q, charge("query"), self._query(0, caller, q, 0), "query") for q in range(CEILING + 1)]
        return rows

    def _query(self, t: int, caller: Vcpu, what: int, _: int) -> int:
        answers = {VERSION: ABI_VERSION, SELF: caller.index, GUESTS: len(self.vcpus), PRIORITY: caller.priority,
                   CEILING: self.config["ceiling"]}  # fmt: skip
        return int(answers.get(what, EINVAL))

    # Scheduling -------------------------------------------------------------------------------------------

    def _idle(self, caller: Vcpu, pending: list[tuple[int, int]]) -> Directive:
        caller.state["r0"] = 0
        caller.waiting = True
        looked: list[str] = []
        for vcpu in self.vcpus:
            looked.append("elect")
            if not vcpu.waiting:
                return self._run(vcpu, charge("idle_switch", *looked), "idle_switch")
            wanted = [code for code, level in pending if self.owner.get(code) is vcpu and vcpu.takes(level)]
            if wanted:
                return self._enter(vcpu, wanted[0], charge("idle_deliver", *looked), "idle_deliver")
            if any(vcpu.takes(level) for level in vcpu.held.values()):
                return self._run(vcpu, charge("idle_switch", *looked), "idle_switch")
        sleeper = min(self.vcpus, key=lambda v: (v.imask, -v.index))
        if sleeper is caller:
            return self._run(sleeper, charge("idle_stay", *looked), "idle_stay")
        return self._run(sleeper, charge("idle_switch", *looked), "idle_switch")

    def _enter(self, vcpu: Vcpu, intevt: int, cost: int, path: str) -> Directive:
        vcpu.enter_interrupt(intevt)
        return self._run(vcpu, cost, path, deliver=intevt)

    def _run(self, vcpu: Vcpu, cost: int, path: str, deliver: int = 0) -> Directive:
        """The CPU goes to a vCPU; what was held for it is unmasked."""
        last, self.running = self.running, vcpu
        if last is not None and last is not vcpu:
            self.switches += 1
            for name in SHARED:
                vcpu.state[name] = last.state[name]
            cost += self._switch_fpu(last, vcpu)
        writes = [write for code in vcpu.held for write in mask_writes(code, False)]
        if writes:
            cost += charge("unmask")
            vcpu.held.clear()
        d = self._directive(vcpu, cost, path)
        d.writes, d.deliver, d.state = writes, deliver, pack(vcpu.state)
        return d

    def _stay(self, vcpu: Vcpu, cost: int, path: str) -> Directive:
        """The same vCPU goes on; nothing held is unmasked."""
        d = self._directive(vcpu, cost, path)
        d.state = pack(vcpu.state)
        return d

    def _switch_fpu(self, last: Vcpu, vcpu: Vcpu) -> int:
        """FPU registers stay in place until another guest that uses the FPU runs. Returns the cost."""
        if not last.fpu and self.fpu_owner is not None:
            self._copy_fpu(last, self.fpu_owner)
        if not vcpu.fpu:
            self._copy_fpu(last, vcpu)
            return 0
        moved = self.fpu_owner not in (None, vcpu)
        self.fpu_owner = vcpu
        return charge("fpu") if moved else 0

    @staticmethod
    def _copy_fpu(source: Vcpu, to: Vcpu) -> None:
        for name in FPU:
            to.state[name] = source.state[name]

    def _directive(self, vcpu: Vcpu, cost: int, path: str) -> Directive:
        d = Directive(cost, vcpu.name, sleep=vcpu.waiting, charge_path=path)
        key = (vcpu.index, tuple(owner.index for owner in self.owner.values()), tuple(self.owner))
        if key != self.leased_for:
            self.leased_for = key
            d.calls = self._leased_calls(vcpu)
        others = [other for other in self.vcpus if other is not vcpu]
        d.vectors = (vcpu.base, charge("exception"), charge("exception"), charge("interrupt"))
        d.forward = sorted(code for code, owner in self.owner.items() if owner is vcpu) if vcpu.base >= 0 else []
        if all(other.waiting and not other.held for other in others):
            # An idle call of this vCPU changes no other: the CPU node may answer it by itself.
            lowest = min((other.imask if other.index < vcpu.index else other.imask - 1 for other in others), default=15)
            d.idle = (charge("idle_stay", *["elect"] * len(self.vcpus)), lowest)
        return d

    # Digest and report -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        rows = [[v.name, v.base, sorted(v.held.items())] for v in self.vcpus]
        owners = sorted((code, vcpu.name) for code, vcpu in self.owner.items())
        masked, running = sorted(self.masked.items()), self.running.name if self.running else ""
        return {"vcpus": rows, "owners": owners, "masked": masked, "running": running}

    def info(self) -> dict[str, Any]:
        return {"switches": self.switches, "held": self.held}
