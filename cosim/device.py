"""Base of every device component: messages in, answers out; no sockets, no wall clock.

A device is lazy: it catches up to tick t when spoken to. It promises when its lines change next. The
same object is called directly (placement inproc) or by the node loop of ``cosim.node`` (a process).
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, ClassVar

from cosim import NEVER
from cosim.inputs import figures, shown, unsteady
from cosim.messages import (
    Advance,
    Answer,
    Body,
    Changes,
    EffectRow,
    Final,
    Finish,
    Input,
    LeaseRow,
    PostRow,
    Read,
    SourceRow,
    Write,
    Writes,
)
from cosim.registers import Register, RegisterFile, map_digest
from cosim.rules import BrokenRule
from cosim.typed import Marks

LAST = 1 << 61  # tick up to which a device may be asked: what it plans beyond it is below NEVER


class DeviceError(Exception):
    """A configuration or message that the device cannot take; the text says what was expected."""


class QuestionError(BrokenRule, DeviceError):
    """A question that the CPU node may not ask; the text names the device that was asked."""


class Host:
    """The host side of a device that has none."""

    marks: Marks = ()  # what the characters of the last ``read`` are beside bytes: cosim/typed.py

    def filenos(self) -> list[int]:
        """Descriptors to poll for input; fixed for the life of the host."""
        return []

    def read(self) -> bytes:
        """Bytes typed since the last call, b"" if none. Also sends on what waits."""
        return b""

    def hold(self, held: list[bool]) -> None:
        """Read no more of the consoles that are held; those of a port that is not shared are one."""

    def write(self, data: bytes) -> None:
        """Bytes the guest sent. Raises DeviceError when they cannot be kept."""

    def send_break(self) -> None:
        """The guest sent a break; a host that has no way to tell it ignores it."""

    def close(self) -> None:
        """Send on what can be sent at once, and end."""


class Device:
    """One device. Subclasses give the tables and override what they need, top to bottom."""

    ROLE: ClassVar[str] = ""
    CAPABILITIES: ClassVar[tuple[str, ...]] = ()
    OPTIONS: ClassVar[dict[str, Any]] = {}  # configuration keys and their defaults

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self.name = name
        self.config = {**self.OPTIONS, **config}
        self.registers: tuple[Register, ...] = ()
        self.line_names: tuple[str, ...] = ()
        self.regions: list[tuple[int, int]] = []
        self.now = 0
        self.inputs = 0  # characters that have come with their ticks
        self.stream = hashlib.sha256()  # events of this device, in tick order
        self.setup()
        self.file = RegisterFile(self, self.registers)

    # What subclasses give ------------------------------------------------------------------------

    def setup(self) -> None:
        """Choose registers, lines and regions from the configuration. Raises DeviceError."""

    def advance(self, t: int) -> None:
        """Catch up to tick t."""

    def lines(self) -> int:
        """Line levels now, a bit mask in the order of line_names."""
        return 0

    def promise(self) -> tuple[int, Changes]:
        """(next, plan) from now on, if nothing is said to the device."""
        return NEVER, []

    def leases(self) -> list[LeaseRow]:
        """Registers that the CPU node may read by itself from now on."""
        return []

    def posts(self) -> list[PostRow]:
        """Registers whose writes need not be waited for."""
        return []

    def effects(self) -> list[EffectRow]:
        """What posted writes do at once."""
        return []

    def sources(self) -> list[SourceRow] | None:
        """The interrupt controller's table when it changed since the last answer."""
        return None

    def seen(self, reads: list[tuple[int, int]]) -> None:
        """Values that leased reads have returned: (address, OR of values)."""

    def state(self) -> dict[str, Any]:
        """Complete state, msgpack-able, in a fixed order."""
        return dict(self.file.value)

    def info(self) -> dict[str, Any]:
        """Figures for the report."""
        return {}

    def extra(self, t: int, body: Body) -> Body | None:
        """Messages beyond MMIO. Raises QuestionError."""
        raise QuestionError("question-kind", f"{self.name}: a {self.ROLE} takes no {type(body).__name__}")

    def open_host(self) -> Host:
        """The host side of the device: where its bytes go to and come from. Raises DeviceError."""
        return Host()

    def waiting(self) -> list[int]:
        """Characters that have come and wait for their tick or their guest, of each console."""
        return [0]

    def take_output(self) -> bytes:
        """Bytes for the host since the last call."""
        return b""

    # What they share -------------------------------------------------------------------------------

    def handle(self, t: int, body: Body) -> Body | None:
        """One message at tick t; its answer, or None where the protocol has none."""
        if not self.now <= t <= LAST:
            text = f"{self.name}: {type(body).__name__} at tick {t}, but it stands at {self.now}"
            raise QuestionError("question-tick", text if t < self.now else f"{text}, and no tick is beyond {LAST}")
        value = 0
        if isinstance(body, Read):
            self._catch_up(t, body.seen)
            value = self.file.read(t, body.address, body.size)
        elif isinstance(body, Write):
            self._catch_up(t, body.seen)
            self.file.write(t, body.address, body.size, body.value)
        elif isinstance(body, Writes):
            for tick, address, size, written, seen in body.entries:
                if not self.now <= tick <= t:
                    text = f"{self.name}: Writes to tick {t} with one at {tick}, but it stands at {self.now}"
                    raise QuestionError("question-tick", text)
                self._catch_up(tick, seen)
                self.file.write(tick, address, size, written)
        elif isinstance(body, Advance):
            self.advance(t)
            self.now = t
        elif isinstance(body, Finish):
            self.advance(t)
            self.now = t
            return self.final()
        else:
            if isinstance(body, Input):
                self.inputs += len(body.entries)
            return self.extra(t, body)
        return self.answer(value)

    def _catch_up(self, t: int, seen: list[tuple[int, int]]) -> None:
        self.advance(t)
        self.now = t
        if seen:
            self.seen(seen)

    def answer(self, value: int = 0) -> Answer:
        """Value, levels and a new promise."""
        upcoming, plan = self.promise()
        return Answer(
            value,
            self.lines(),
            upcoming,
            plan,
            self.leases(),
            self.posts(),
            self.sources(),
            self.matched(),
            self.effects(),
        )

    def take_breaks(self) -> int:
        """How many breaks a serial device has begun to send since the last call."""
        return 0

    def matched(self) -> int:
        """Tick at which an armed pattern matched, or -1."""
        return -1

    def event(self, t: int, *values: int) -> None:
        """An event of the digest: tick and small integers."""
        self.stream.update(struct.pack(f"<q{len(values)}I", t, *values))

    def final(self) -> Final:
        """Digest of events and state."""
        rows = repr(sorted(self.steady_state().items())).encode()
        digest = hashlib.sha256(self.stream.digest() + rows).digest()
        info = figures(self.info())
        if self.file.unknown:
            info["unknown_registers"] = {f"0x{a:08x}": n for a, n in sorted(self.file.unknown.items())}
        return Final(digest, info)

    def steady_state(self) -> dict[str, Any]:
        """The state, of which equal runs have equal text. Raises DeviceError, also before the run."""
        state = self.state()
        text = unsteady(state)
        if not text and (not isinstance(state, dict) or not all(isinstance(key, str) for key in state)):
            text = f"state() = {shown(state)}; expected a dict with keys that are str"
        if text:
            raise DeviceError(f"{self.name}: {text}")
        return state

    @classmethod
    def map_digest(cls) -> str:
        """Digest of the register map with default options, compared in Hello."""
        return map_digest(cls(cls.ROLE, {}).registers)
