"""Every message once: name, number, fields, types, and since which protocol version.

A frame is the msgpack array ``[version, epoch, kind, seq, t, *fields]``; fields follow in the order
written here and are only ever appended, with a default. ``docs/reference/protocol.md`` is generated
from this module (``python -m cosim.messages``).
"""

from __future__ import annotations

import inspect
import re
import textwrap

import msgspec

from cosim.state import STATE_NAMES

PROTOCOL = 1
STATE_SCHEMA = 1

Changes = list[tuple[int, int]]  # (tick, bit mask of the device's lines from that tick on)
Segments = list[tuple[int, int, int, int]]  # (from_tick, value, step_ticks, step)
LeaseRow = tuple[int, int, int, Segments]  # (address, size, expires, segments)
PostRow = tuple[int, int, int, int]  # (address, size, quiet until tick, credits)
# What a posted write does at once, applied by the CPU node: (address, value that it is about or -1 any, lines that
# fall, a bit mask, address of a leased register that it changes, how, which bits of the value do). How: "store" that
# register reads them, "set" or "clear" them in it, "end" its lease ends. Where an address has rows, only the values
# they name may be posted.
EffectRow = tuple[int, int, int, int, str, int]
# A call that changes nothing but the caller's R0: (entry, R4 or -1 any other, charge in ticks or -1 trap, R0, name
# of the path in the cost table).
CallRow = tuple[int, int, int, int, str]
OwnerRow = tuple[int, str]  # (INTEVT, guest)
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
    peer: str = ""  # over tcp: public key of the CPU node, Z85, the only one to be let in there


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
    info: dict  # type: ignore[type-arg] # "note": a text for the person who started the run


class Start(Body):
    """Launcher to CPU node: the targets, then load and stand at tick 0. Answered by Paused.

    A target is a map: name, role, and endpoint, lines, regions as in its Ready, and over tcp key, its public
    key; in the inproc placement component and config instead, and the CPU node makes the component itself.
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

    what: str  # input | type | arm | observe | report | state | samples | syncs | journal | profile | finish
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
    """MMIO write at t."""

    address: int
    size: int
    value: int
    seen: list[tuple[int, int]]


class Writes(Body):
    """Posted writes, each with its own tick, in order; one answer, that of the last. t is the last one's."""

    entries: list[tuple[int, int, int, int, list[tuple[int, int]]]]  # (tick, address, size, value, seen)


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
    console: int = 0  # of a port that guests share


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
    effects: list[EffectRow] = []


class Trap(Body):
    """To the hypervisor: a call into its page, an intercepted interrupt, a reset of the CPU, or the start.

    Of the firmware: what it tells ("report"), to be put into words.
    """

    cause: str  # start | call | interrupt | reset | again | report
    number: int  # entry of the call page, or INTEVT
    level: int
    state: bytes  # cosim.state order, little-endian words
    sleeping: bool = False  # the running vCPU waits in its idle call; false of its own SLEEP
    pending: list[tuple[int, int]] = []  # requests: (INTEVT, level), the one to be taken first leading
    read: list[bytes] = []  # "again": what Directive.reads found
    words: list[int] = []  # "report": what the firmware tells, struct spm_report


class Directive(Body):
    """Hypervisor to CPU node: what becomes of the CPU."""

    charge: int  # ticks, modelled
    vcpu: str  # who runs from here; "" when all are idle
    state: bytes = b""  # new state, as Trap.state; empty with ``more`` only
    sleep: bool = False  # it waits in its idle call
    vectors: tuple[int, int, int, int] = (-1, 0, 0, 0)  # guest base, -1 none; general, TLB, interrupt charges
    forward: list[int] = []  # INTEVT codes that go straight on to this vCPU
    writes: list[tuple[int, int, int]] = []  # MMIO writes SPUMONE itself makes: (address, size, value)
    loads: list[tuple[int, bytes]] = []  # at start: RAM contents
    report: str = ""  # a guest error to show
    charge_path: str = ""  # name of the path in the cost table
    idle: tuple[int, int] = (-1, 0)  # lease of the idle call: (charge, highest IMASK it holds for); charge -1: none
    deliver: int = 0  # INTEVT of the interrupt that the vCPU enters with this; 0: none
    calls: list[CallRow] | None = None  # lease of calls, until the next one; None: as before
    more: bool = False  # at start: ask again, images come in pieces
    again: bool = False  # make writes and reads only, then trap with cause "again": what is pending now, what was read?
    reads: list[tuple[int, int]] = []  # with again: (address, size), of devices, or of RAM by physical address
    wake: int = 0  # charge of an interrupt in ``forward`` that ends an idle call so answered; else vectors[3]
    # SPUMONE as firmware, which runs on the core itself: nothing is trapped or charged. Its labels (address, name):
    # "entry" where the core starts, "reset" where it goes on when a guest has reset it, "current" the word that points
    # to the running vCPU, "report" what is to be read at "tell"; the others are starts and ends of its paths.
    labels: list[tuple[int, str]] = []
    pointers: list[tuple[int, str]] = []  # its vCPUs, the highest priority first: (address, guest)
    owners: list[OwnerRow] | None = None  # whose lines are whose from now on; None: as before
    # At start, for the CPU node to watch that guests keep apart.
    partitions: list[tuple[str, int, int]] = []  # (guest, first and last physical address of its memory)
    code: list[tuple[int, int]] = []  # physical addresses, first and last, of SPUMONE's code and what it reads
    trespass: str = "off"  # access to what is another guest's: report | refuse | off
    watch_memory: bool = True  # to its memory too, not to its registers only
    starvation: int = 0  # ticks for which a request may stand untaken while another guest runs; 0: not watched


class Inspect(Body):
    """To the hypervisor, for a debugger or when a guest seems to starve: its vCPUs as they stand. Changes nothing."""


class Vcpus(Body):
    """Answer to Inspect: each vCPU, the highest priority first. The CPU node knows the running one better."""

    rows: list[tuple[str, bytes, bool]]  # (name, state as Trap.state, it is not ready: it waits, or is stopped)
    held: list[tuple[int, str, int]] = []  # (INTEVT, guest, level): masked until that guest runs, or would take it


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
    (43, Writes, 1),
    (44, Inspect, 1),
    (45, Vcpus, 1),
)
KIND = {body: number for number, body, _ in TABLE}
BODY = {number: body for number, body, _ in TABLE}


# The reference page -----------------------------------------------------------------------------------

INTRODUCTION = """\
# Protocol

Generated from `cosim/messages.py` by `python -m cosim.messages`; do not edit. Protocol version {protocol}, state
schema {schema}. This page is enough to write a node in another language; the rules of time are in
[time](../explanation/time.md).

## Frames

A frame is one part of a ZeroMQ message and holds one msgpack array:

    [version, epoch, kind, seq, t, field, field, ...]

| place | what |
|---|---|
| `version` | {protocol}. Another version is refused, whatever follows |
| `epoch` | 0; counts replacements of the sender |
| `kind` | number of the message, below |
| `seq` | counts the frames of one sender on one socket from 1; an answer has the `seq` of its question |
| `t` | tick, 1/400 us: clocks of the 400 MHz CPU since the start; an answer has the `t` of its question |

These five are integers from 0 to 2^63-1. The fields follow in the order of the tables below. Fields are only ever
appended, with a default: a receiver ignores fields it does not know at the end, and takes the default for fields that
are missing there. A node that breaks a rule of this page is ended, with a text that says which.

## Types

| written | msgpack |
|---|---|
| `int` | integer, any width, signed; never a bool or float |
| `bool` | true, false |
| `str` | str, UTF-8 |
| `bytes` | bin; never str |
| `list[T]` | array |
| `tuple[A, B]` | array of exactly these elements |
| `dict` | map, keys str, values of any type here |
| `T \\| None` | T or nil |
{aliases}
A tick that never comes is 2^62 = 4611686018427387904. Addresses are those the CPU node uses on its bus, as in the
register pages (0xffd80004). A digest of a register map is taken as text; Refuse names the one that is expected.

## Caps

A frame of more than {max_frame} bytes, or with more than {max_items} values (everything counts, at every depth), an
array of more than {max_array}, a map of more than {max_map} pairs, a str of more than {max_str} bytes, or any msgpack
extension, is refused before it is built. RAM images and long lists go in pieces, or packed as bytes.

## Sockets

| | control | data |
|---|---|---|
| between | launcher and each node | CPU node and each of its targets |
| types | ROUTER at the launcher, DEALER at the node | PAIR, PAIR |
| binds | launcher | target, at the endpoint that Welcome names |
| identity | the node's name, `@`, and what makes it unique; set before connecting | none |
| addresses | `ipc://PATH`, `tcp://127.0.0.1:PORT` | the same; an endpoint ending in `:*` leaves the port to the node |

A tcp socket, of this machine too, has CURVE; over ipc there are no keys. A node is handed one line with two keys as Z85
text, its own secret one and its launcher's public one: on standard input, in a file, or by an inherited pipe. Of the
control socket the node is the client, with these two. Of the data socket a target is the server, with its own secret
key, and answers ZeroMQ's authentication requests (a REP socket at `inproc://zeromq.zap.01`, RFC 27): it lets in the key
`Welcome.peer`, once, and no other. The CPU node is the client, with its own key and `key` of the target's row in Start.

Set on each socket: MAXMSGSIZE twice the cap (a frame above the cap gets an error, one above this is cut off), LINGER
500 ms, high-water marks 100000, HANDSHAKE_IVL 30 s, HEARTBEAT_IVL 1 s, HEARTBEAT_TIMEOUT 10 s. Block in a poll; do not
spin. A node watches its control connection (a socket monitor, or the end of its heartbeats) and ends when the launcher
is gone.

## From start to end

1. The node connects to the launcher and sends `Hello`; nothing else before the answer.
2. The launcher sends `Welcome`, or `Refuse` with the reason, after which the node ends.
3. A target binds its data socket and sends `Ready` with the endpoint as bound. The CPU node sends `Ready` with empty
   fields.
4. When all are ready the launcher sends `Start` to the CPU node. It connects to the targets, sends each `Advance` at
   tick 0 (the hypervisor: `Trap` with cause `start`) and answers the launcher with `Paused`.
5. `Go` and `Paused`, `Command` and `Reply` alternate between the launcher and the CPU node. A target only answers the
   CPU node and may send the launcher `Output` and `HostInput`.
6. `Finish` asks each target for its `Final`. `Stop` ends a node; it exits with 0.

From Welcome on a node sends `Status` at least every 100 ms with a `progress` that rises and, as `t`, the tick it has
reached. A node that fails sends `Failed` and exits. Standard output and error are free; the end of standard error is
shown when a node dies.

## What a target answers

| message | answer | what it does |
|---|---|---|
| Read, Write | Answer | catch up to `t`, account for `seen`, then read or write |
| Advance | Answer | catch up to `t` |
| Input, Arm | Answer | serial devices |
| Lines | none | the interrupt controller |
| Trap | Directive | the hypervisor |
| Inspect | Vcpus | the hypervisor, when a debugger asks |
| Finish | Final | catch up to `t`, give the digest |

Every question is answered, a posted write too. `t` never falls. An access to no register, or of another width, reads
as 0 and writes nothing.

Of an `Answer` to a message at `t`:

- `lines` are the levels at `t`. They hold until a change that `plan` names, or until `next`.
- `next` is at least `t`, and beyond `t` in the answer to `Advance`.
- Ticks of `plan` rise, all of them beyond `t` and before `next`. Each names the levels of all lines from then on.
- A new answer replaces promise, plan, leases and posts of the one before.
- A lease serves a read of exactly that address and size at ticks from its first segment to before `expires`. The last
  segment that began by then gives `value + step * ((tick - from_tick) // step_ticks)`, or `value` where `step_ticks`
  is 0, cut to the size. What was read comes back in `seen`.
- A post row says that a write of that address and size, made before `quiet`, moves no line before `quiet`. After it
  nothing may become due before both `quiet` and the old promise. `credits` is how many such writes leave the leases as
  they are.

`Trap.state` and `Directive.state` are {words} little-endian 32-bit words:

    {state}

`Trap.number` of a call is (pc - 0x8ffff000) / 16, and 0x1000 + (pc - 0x8ffff000) where that is no whole number.
A hypervisor needs no promise: it acts when it is trapped only.

## Example

The CPU reads TCNT0 at tick {tick}, its third question to this timer, and the timer answers: value 0x1234, no line up,
TUNI0 (bit 0) rises at tick 460000.

    Read    {read}
    Answer  {answer}

The first frame, byte by byte:

{bytes}
"""


def _notes(text: str) -> dict[str, str]:
    """Name -> comment of the declarations ``name: type  # comment`` and ``name = type``; it may also stand above."""
    rows = re.findall(r"^((?: *#.*\n)*) *(\w+)(?::| =) ([^#\n]*)(#.*)?$", text, re.MULTILINE)
    notes = {name: re.sub(r"# ?type: ignore\[[\w-]+\]", "", behind) or above for above, name, _, behind in rows}
    return {name: " ".join(re.sub("^ *# ?", "", note, flags=re.MULTILINE).split()) for name, note in notes.items()}


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def _example() -> dict[str, str]:
    """A question and its answer in hex, and the question's bytes explained."""
    from cosim import NEVER, wire  # wire is made of this module's tables

    tick = 400_000
    read = wire.encode(Read(0xFFD8000C, 4, []), tick, 3)
    answer = wire.encode(Answer(0x1234, 0, NEVER, [(460_000, 1)]), tick, 3)
    meaning = [
        ("array of 8", [None] * 8),
        ("version", PROTOCOL),
        ("epoch", 0),
        ("kind Read", KIND[Read]),
        ("seq", 3),
        (f"t = {tick}", tick),
        ("address 0xffd8000c", 0xFFD8000C),
        ("size", 4),
        ("seen: empty array", []),
    ]
    rows, at = [], 0
    for text, value in meaning:
        size = 1 if at == 0 else len(msgspec.msgpack.encode(value))
        rows.append(f"    {read[at : at + size].hex(' '):<16}{text}")
        at += size
    return {"tick": str(tick), "read": read.hex(), "answer": answer.hex(), "bytes": "\n".join(rows)}


def reference() -> str:
    """The protocol page, in Markdown."""
    from cosim import wire  # wire is made of this module's tables

    source = inspect.getsource(inspect.getmodule(Body) or Body)
    notes = _notes(source[: source.index("class Body")])
    kinds = dict(re.findall(r"^(\w+) = ((?:list|tuple)\[.*?\])(?:  #.*)?$", source, re.MULTILINE))
    aliases = "".join(f"| `{name}` | `{_cell(kind)}`: {_cell(notes[name])} |\n" for name, kind in kinds.items())
    state = textwrap.fill(" ".join(STATE_NAMES), 110, subsequent_indent="    ")
    caps = {f"max_{name}": getattr(wire, f"MAX_{name.upper()}") for name in ("frame", "items", "array", "map", "str")}
    page = INTRODUCTION.format(
        protocol=PROTOCOL,
        schema=STATE_SCHEMA,
        aliases=aliases,
        words=len(STATE_NAMES),
        state=state,
        **caps,
        **_example(),
    )
    out = [page, "## Messages", ""]
    for number, body, since in TABLE:
        out += [f"### {number} {body.__name__} (since {since})", "", inspect.getdoc(body) or "", ""]
        fields = msgspec.structs.fields(body)
        comments = _notes(inspect.getsource(body))
        if fields:
            out += ["| field | type | default | |", "|---|---|---|---|"]
        for f in fields:
            default = "" if f.default is msgspec.NODEFAULT else f"`{f.default!r}`"
            if f.default_factory is not msgspec.NODEFAULT:
                default = f"`{f.default_factory()!r}`"
            kind = body.__annotations__[f.name]
            out.append(f"| `{f.name}` | `{_cell(kind)}` | {_cell(default)} | {_cell(comments.get(f.name, ''))} |")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


if __name__ == "__main__":
    from cosim import messages  # not __main__: wire knows the classes of the module

    print(messages.reference(), end="")
