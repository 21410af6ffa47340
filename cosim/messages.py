"""Every message once: name, number, fields, types, and since which protocol version.

A frame is the msgpack array ``[version, epoch, kind, seq, t, *fields]``; fields follow in the order
written here and are only ever appended, with a default. ``docs/reference/protocol.md`` is generated
from this module (``python -m cosim.messages``).
"""

from __future__ import annotations

import inspect

import msgspec

PROTOCOL = 1
STATE_SCHEMA = 1

Changes = list[tuple[int, int]]  # (tick, bit mask of the device's lines from that tick on)
Segments = list[tuple[int, int, int, int]]  # (from_tick, value, step_ticks, step)
LeaseRow = tuple[int, int, int, Segments]  # (address, size, expires, segments)
PostRow = tuple[int, int, int, int]  # (address, size, quiet until tick, credits)
SourceRow = tuple[str, int, int, int]  # (line, INTEVT, level 0..15, order among equals: least first)


class Body(msgspec.Struct, array_like=True):
    """Fields of a message after the common header."""


# --- control: launcher <-> node ------------------------------------------------------------------


class Hello(Body):
    """Node to launcher, first: who I am. Answered by Welcome or Refuse."""

    name: str
    role: str
    protocol: int
    state_schema: int
    registers: str  # digest of the register map, empty where there is none
    capabilities: list[str]
    pid: int
    run_id: str = ""


class Welcome(Body):
    """Launcher to node: accepted; configuration and where its data socket is to be bound."""

    run_id: str
    config: dict  # type: ignore[type-arg]
    endpoint: str  # data endpoint to bind; "" for the CPU node, which connects


class Refuse(Body):
    """Launcher to node: not accepted, and why."""

    reason: str


class Ready(Body):
    """Node to launcher: bound and waiting; where the CPU node reaches it and what it answers for."""

    endpoint: str
    lines: list[str]
    regions: list[tuple[int, int]]  # first and last address


class Status(Body):
    """Node to launcher, at least every 100 ms of wall time while it makes progress."""

    progress: int
    info: dict  # type: ignore[type-arg]


class Start(Body):
    """Launcher to CPU node: the targets, then load and stand at tick 0. Answered by Paused.

    A target is a map: name, role, and endpoint, lines, regions as in its Ready; in the inproc placement
    component and config instead, and the CPU node makes the component itself.
    """

    targets: list[dict]  # type: ignore[type-arg]


class Go(Body):
    """Launcher to CPU node: run until tick ``until``, or to the grid tick after an armed match."""

    until: int
    armed: bool = False


class Paused(Body):
    """CPU node to launcher: stands at tick t. reason: started | until | match | stalled | guest."""

    reason: str
    detail: str
    info: dict  # type: ignore[type-arg]


class Command(Body):
    """Launcher to CPU node; while it runs, taken at its next boundary. Answered by Reply."""

    what: str  # input | type | arm | observe | report | state | samples | syncs | journal | finish
    target: str
    data: dict  # type: ignore[type-arg]


class Reply(Body):
    """CPU node to launcher: answer to a Command."""

    data: dict  # type: ignore[type-arg]


class HostInput(Body):
    """Serial node to launcher: bytes a person or program typed; they have no tick yet."""

    node: str
    data: bytes


class Output(Body):
    """Serial node to launcher: bytes that left the shift register; for consoles and logs."""

    node: str
    data: bytes


class Failed(Body):
    """Node to launcher: last words before it ends with an error; ``code`` is the exit code of the run."""

    text: str
    code: int = 3


class Stop(Body):
    """Launcher to node: end."""


# --- data: CPU node -> target, target -> CPU node -------------------------------------------------


class Read(Body):
    """MMIO read at t. ``seen``: leased reads since the last message, (address, OR of values)."""

    address: int
    size: int
    seen: list[tuple[int, int]]


class Write(Body):
    """MMIO write at t. The answer to a posted write is not waited for."""

    address: int
    size: int
    value: int
    seen: list[tuple[int, int]]


class Advance(Body):
    """The promise is due: catch up to t and promise anew."""


class Lines(Body):
    """To the interrupt controller, never answered: line levels that changed, in order."""

    changes: list[tuple[int, str, int]]  # (tick, line, level)


class Input(Body):
    """To a serial device: received characters and the ticks at which their last bit arrives."""

    entries: list[tuple[int, int]]  # (tick, byte)


class Arm(Body):
    """To a serial device: watch the transmitted bytes for a regular expression, per line."""

    pattern: str


class Answer(Body):
    """Target to CPU node: value, line levels now, promise, leases."""

    value: int
    lines: int  # bit mask, in the order of Ready.lines
    next: int  # no line changes before this tick but for ``plan``, without new input
    plan: Changes = []
    leases: list[LeaseRow] = []
    posts: list[PostRow] = []
    sources: list[SourceRow] | None = None  # the interrupt controller's table when it changed
    matched: int = -1  # tick at which an armed pattern matched


class Trap(Body):
    """To the hypervisor: a call into its page, an intercepted interrupt, or the start."""

    cause: str  # start | call | interrupt
    number: int  # entry of the call page, or INTEVT
    level: int
    state: bytes  # cosim.state order, little-endian words
    sleeping: bool = False  # the running vCPU waits in its idle call
    pending: list[tuple[int, int]] = []  # requests: (INTEVT, level), the one to be taken first leading


class Directive(Body):
    """Hypervisor to CPU node: what becomes of the CPU."""

    charge: int  # ticks, modelled
    vcpu: str  # who runs from here; "" when all are idle
    state: bytes = b""  # new state; empty: the one that was sent, with ``patch``
    patch: dict[str, int] = {}
    sleep: bool = False
    vectors: tuple[int, int, int, int] = (-1, 0, 0, 0)  # guest base, -1 none; general, TLB, interrupt charges
    forward: list[int] = []  # INTEVT codes that go straight on to this vCPU
    writes: list[tuple[int, int, int]] = []  # MMIO writes SPUMONE itself makes: (address, size, value)
    loads: list[tuple[int, bytes]] = []  # at start: RAM contents
    report: str = ""  # a guest error to show
    charge_path: str = ""  # name of the path in the cost table
    idle: tuple[int, int] = (-1, 0)  # lease of the idle call: (charge, highest IMASK it holds for); charge -1: none
    deliver: int = 0  # INTEVT of the interrupt that the vCPU enters with this; 0: none
    more: bool = False  # at start: ask again, images come in pieces


class Finish(Body):
    """The run is over at t: catch up and give the final digest."""


class Final(Body):
    """Target to CPU node: SHA-256 of the node's event stream and final state; figures to report."""

    digest: bytes
    info: dict  # type: ignore[type-arg]


# Number, message, since which protocol version.
TABLE: tuple[tuple[int, type[Body], int], ...] = (
    (1, Hello, 1),
    (2, Welcome, 1),
    (3, Refuse, 1),
    (4, Ready, 1),
    (5, Status, 1),
    (6, Start, 1),
    (7, Go, 1),
    (8, Paused, 1),
    (9, Command, 1),
    (10, Reply, 1),
    (11, HostInput, 1),
    (12, Output, 1),
    (13, Failed, 1),
    (14, Stop, 1),
    (32, Read, 1),
    (33, Write, 1),
    (34, Advance, 1),
    (35, Lines, 1),
    (36, Input, 1),
    (37, Arm, 1),
    (38, Answer, 1),
    (39, Trap, 1),
    (40, Directive, 1),
    (41, Finish, 1),
    (42, Final, 1),
)
KIND = {body: number for number, body, _ in TABLE}
BODY = {number: body for number, body, _ in TABLE}


def reference() -> str:
    """The protocol page, in Markdown."""
    out = [
        "# Protocol",
        "",
        "Generated from `cosim/messages.py` by `python -m cosim.messages`; do not edit.",
        "",
        f"Protocol version {PROTOCOL}, state schema {STATE_SCHEMA}. A frame is one ZeroMQ message, the",
        "msgpack array `[version, epoch, kind, seq, t, *fields]`. `t` is in ticks of the 400 MHz CPU",
        "clock. `epoch` counts replacements of the sender. `seq` counts the frames of one sender; an",
        "answer carries the `seq` of its question.",
        "",
    ]
    for number, body, since in TABLE:
        out += [f"## {number} {body.__name__} (since {since})", "", inspect.getdoc(body) or "", ""]
        fields = msgspec.structs.fields(body)
        if fields:
            out += ["| field | type | default |", "|---|---|---|"]
        for f in fields:
            kind = str(body.__annotations__[f.encode_name]).replace("|", "\\|")
            default: object = "" if f.default is msgspec.NODEFAULT else repr(f.default)
            if f.default_factory is not msgspec.NODEFAULT:
                default = repr(f.default_factory())  # type: ignore[operator]
            out.append(f"| `{f.name}` | `{kind}` | {f'`{default}`' if default != '' else ''} |")
        out.append("")
    return "\n".join(out)


if __name__ == "__main__":
    print(reference())
