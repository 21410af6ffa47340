"""Every message once: name, number, fields, types, and since which protocol version.

A frame is the msgpack array ``[version, epoch, kind, seq, t, *fields]``; fields follow in the order
written here and are only ever appended, with a default. ``docs/reference/protocol.md`` is generated
from this module (``python -m cosim.messages``).
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Annotated, Literal

import msgspec

from cosim import NEVER
from cosim.rules import table
from cosim.state import STATE_NAMES

PROTOCOL = 1
STATE_SCHEMA = 1

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]  # 0 to 2^62
Tick = Annotated[int, msgspec.Meta(ge=0, le=NEVER)]  # 0 to 2^62, the tick that never comes
TickOrNone = Annotated[int, msgspec.Meta(ge=-1, le=NEVER)]  # a tick, or a number of ticks; -1: none
Word = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]  # 32 bits: an address, a value or a mask
WordOrAny = Annotated[int, msgspec.Meta(ge=-1, le=0xFFFFFFFF)]  # a Word; -1: any, or none
Amount = Annotated[int, msgspec.Meta(ge=-NEVER, le=NEVER)]  # -2^62 to 2^62
Size = Literal[1, 2, 4]  # bytes of an access
Length = Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]  # bytes to read, 1 to 65536
# A byte; above it 0x100 a framing error, 0x200 a parity error, 0x400 a break.
Character = Annotated[int, msgspec.Meta(ge=0, le=0x7FF)]
Level = Annotated[int, msgspec.Meta(ge=0, le=15)]  # of an interrupt, 0 to 15; 0: masked
Code = Annotated[int, msgspec.Meta(ge=0, le=0xFFF)]  # INTEVT, 0 to 0xfff
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]  # SHA-256

Changes = list[tuple[Tick, int]]  # (tick, bit mask of the device's lines from that tick on)
Segments = list[tuple[Tick, Amount, Tick, Amount]]  # (from_tick, value, step_ticks, step)
LeaseRow = tuple[Word, Size, Tick, Segments]  # (address, size, expires, segments)
PostRow = tuple[Word, Size, Tick, Count]  # (address, size, quiet until tick, credits)
PostedWrite = tuple[Tick, Word, Size, Word, list[tuple[Word, Word]]]  # (tick, address, size, value, seen)
# What a posted write does at once, applied by the CPU node: (address, value that it is about or -1 any, lines that
# fall, a bit mask, address of a leased register that it changes, how, which bits of the value do). How: "store" that
# register reads them, "set" or "clear" them in it, "end" its lease ends. Where an address has rows, only the values
# they name may be posted.
EffectRow = tuple[Word, WordOrAny, int, Word, Literal["store", "set", "clear", "end"], Word]
# A call that changes nothing but the caller's R0: (entry, R4 or -1 any other, charge in ticks or -1 trap, R0, name
# of the path in the cost table).
CallRow = tuple[int, WordOrAny, TickOrNone, int, str]
OwnerRow = tuple[Code, str]  # (INTEVT, guest)
SourceRow = tuple[str, Code, Level, int]  # (line, INTEVT, level 0..15, order among equals: least first)


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
    regions: list[tuple[Word, Word]]  # first and last address
    registers: list[tuple[Word, str]] = []  # address and name of each that a person may be told of


class Status(Body):
    """Node to launcher, at least every 100 ms of wall time while it makes progress."""

    progress: Count
    # "note": a text for the person who started the run. "asked", of the CPU node while it waits for an answer: the
    # target, the kind of the question, its tick and its seq.
    info: dict  # type: ignore[type-arg]


class Start(Body):
    """Launcher to CPU node: the targets, then load and stand at tick 0. Answered by Paused.

    A target is a map: name, role, and endpoint, lines, regions, registers as in its Ready, and over tcp key, its public
    key; in the inproc placement component and config instead, and the CPU node makes the component itself.
    """

    targets: list[dict]  # type: ignore[type-arg]


class Go(Body):
    """Launcher to CPU node: run until tick ``until``, or to the grid tick after an armed match."""

    until: Tick
    armed: bool = False


class Paused(Body):
    """CPU node to launcher: stands at tick t, and why."""

    reason: Literal["started", "until", "match", "stalled", "guest", "stopped"]
    detail: str
    info: dict  # type: ignore[type-arg]


class Command(Body):
    """Launcher to CPU node; while it runs, taken at its next boundary. Answered by Reply."""

    what: Literal[
        "input", "type", "arm", "observe", "timing", "report", "state", "samples", "attribution", "pause", "profile",
        "finish",
    ]  # fmt: skip
    target: str
    data: dict  # type: ignore[type-arg]


class Reply(Body):
    """CPU node to launcher: answer to a Command."""

    data: dict  # type: ignore[type-arg]


class HostInput(Body):
    """Serial node to launcher: bytes a person or program typed; they have no tick yet."""

    node: str
    data: bytes
    marks: list[tuple[Count, Character]] = []  # (place in data, what that character is beside its byte)


class Output(Body):
    """Serial node to launcher: bytes that left the shift register; for consoles and logs."""

    node: str
    data: bytes


class Recorded(Body):
    """CPU node to launcher, now and then and before each Paused and Reply: rows for the record of the run.

    With those of the messages before they are all rows up to tick t, so the CPU node need not keep them.
    """

    syncs: list[tuple[int, str]]  # (tick, running digest) of each multiple of 4000000 ticks
    journal: list[tuple[int, str, int]]  # typed characters: (tick at which it arrives, node, byte and error bits)


class Failed(Body):
    """Node to launcher: last words before it ends with an error; ``code`` is the exit code of the run: 2 it cannot be
    run as the topology has it, 3 a node failed, 130 a person ended it."""

    text: str
    code: int = 3
    node: str = ""  # who broke a rule, where the CPU node tells of another


class Stop(Body):
    """Launcher to node: end."""


# --- data: CPU node -> target, target -> CPU node -------------------------------------------------


class Read(Body):
    """MMIO read at t. ``seen``: leased reads since the last message, (address, OR of values)."""

    address: Word
    size: Size
    seen: list[tuple[Word, Word]]


class Write(Body):
    """MMIO write at t."""

    address: Word
    size: Size
    value: Word
    seen: list[tuple[Word, Word]]


class Writes(Body):
    """Posted writes, each with its own tick, in order; one answer, that of the last. t is the last one's."""

    entries: list[PostedWrite]


class Advance(Body):
    """The promise is due: catch up to t and promise anew."""


class Lines(Body):
    """To the interrupt controller, never answered: line levels that changed, in order."""

    changes: list[tuple[Tick, str, Literal[0, 1]]]  # (tick, line, level)


class Input(Body):
    """To a serial device: received characters and the ticks at which their last bit arrives."""

    entries: list[tuple[Tick, Character]]  # (tick, byte; above it what else it is: an error, a break)


class Arm(Body):
    """To a serial device: watch the transmitted bytes for a regular expression, per line."""

    pattern: str
    console: Count = 0  # of a port that guests share


class Answer(Body):
    """Target to CPU node: value, line levels now, promise, leases."""

    value: Word
    lines: int  # bit mask, in the order of Ready.lines
    next: Tick  # no line changes before this tick but for ``plan``, without new input
    plan: Changes = []
    leases: list[LeaseRow] = []
    posts: list[PostRow] = []
    sources: list[SourceRow] | None = None  # the interrupt controller's table when it changed
    matched: TickOrNone = -1  # tick at which an armed pattern matched
    effects: list[EffectRow] = []


class Trap(Body):
    """To the hypervisor: a call into its page, an intercepted interrupt, a reset of the CPU, or the start.

    Of the firmware: what it tells ("report"), to be put into words.
    """

    cause: Literal["start", "call", "interrupt", "reset", "again", "report"]
    number: Count  # entry of the call page, or INTEVT; at the start which piece
    level: Level
    state: bytes  # cosim.state order, little-endian words
    sleeping: bool = False  # the running vCPU waits in its idle call; false of its own SLEEP
    pending: list[tuple[Code, Level]] = []  # requests: (INTEVT, level), the one to be taken first leading
    read: list[bytes] = []  # "again": what Directive.reads found
    words: list[Word] = []  # "report": what the firmware tells, struct spm_report


class Directive(Body):
    """Hypervisor to CPU node: what becomes of the CPU."""

    charge: Tick  # ticks, modelled
    vcpu: str  # who runs from here; "" when all are idle
    state: bytes = b""  # new state, as Trap.state; empty with ``more`` only
    sleep: bool = False  # it waits in its idle call
    vectors: tuple[WordOrAny, Tick, Tick, Tick] = (-1, 0, 0, 0)  # guest base, -1 none; general, TLB, interrupt charges
    forward: list[Code] = []  # INTEVT codes that go straight on to this vCPU
    writes: list[tuple[Word, Size, Word]] = []  # MMIO writes SPUMONE itself makes: (address, size, value)
    loads: list[tuple[Word, bytes]] = []  # at start: RAM contents
    report: str = ""  # a guest error to show
    charge_path: str = ""  # name of the path in the cost table
    idle: tuple[TickOrNone, Level] = (-1, 0)  # lease of the idle call: (charge, -1: none; highest IMASK it holds for)
    deliver: Code = 0  # INTEVT of the interrupt that the vCPU enters with this; 0: none
    calls: list[CallRow] | None = None  # lease of calls, until the next one; None: as before
    more: bool = False  # at start: ask again, images come in pieces
    again: bool = False  # make writes and reads only, then trap with cause "again": what is pending now, what was read?
    reads: list[tuple[Word, Length]] = []  # with again: (address, size), of devices, or of RAM by physical address
    wake: Tick = 0  # charge of an interrupt in ``forward`` that ends an idle call so answered; else vectors[3]
    # SPUMONE as firmware, which runs on the core itself: nothing is trapped or charged. Its labels (address, name):
    # "entry" where the core starts, "reset" where it goes on when a guest has reset it, "current" the word that points
    # to the running vCPU, "report" what is to be read at "tell"; the others are starts and ends of its paths.
    labels: list[tuple[Word, str]] = []
    pointers: list[tuple[Word, str]] = []  # its vCPUs, the highest priority first: (address, guest)
    owners: list[OwnerRow] | None = None  # whose lines are whose from now on; None: as before
    # At start, for the CPU node to watch that guests keep apart.
    partitions: list[tuple[str, Word, Word]] = []  # (guest, first and last physical address of its memory)
    code: list[tuple[Word, Word]] = []  # physical addresses, first and last, of SPUMONE's code and what it reads
    trespass: Literal["report", "refuse", "off"] = "off"  # access to what is another guest's
    watch_memory: bool = True  # to its memory too, not to its registers only
    starvation: Tick = 0  # ticks for which a request may stand untaken while another guest runs; 0: not watched
    without: list[
        tuple[str, Literal["fpu", "mmu"]]
    ] = []  # (guest, unit): these registers are others', not switched for it


class Inspect(Body):
    """To the hypervisor, for a debugger or when a guest seems to starve: its vCPUs as they stand. Changes nothing."""


class Vcpus(Body):
    """Answer to Inspect: each vCPU, the highest priority first. The CPU node knows the running one better."""

    rows: list[tuple[str, bytes, bool]]  # (name, state as Trap.state, it is not ready: it waits, or is stopped)
    held: list[tuple[Code, str, Level]] = []  # (INTEVT, guest, level): masked until that guest runs, or would take it


class Finish(Body):
    """The run is over at t: catch up and give the final digest."""


class Final(Body):
    """Target to CPU node: SHA-256 of the node's event stream and final state; figures to report."""

    digest: Digest
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
    (15, Recorded, 1),
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
# What a question is answered with; Lines is not answered.
ANSWER: dict[type[Body], type[Body]] = {
    **dict.fromkeys((Read, Write, Writes, Advance, Input, Arm), Answer),
    Trap: Directive,
    Inspect: Vcpus,
    Finish: Final,
}
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
| `seq` | on a data socket the CPU node counts its questions from 1, and an answer has the `seq` of its question; on a \
control socket it counts the sender's frames, and nobody looks at it |
| `t` | tick, 1/400 us: clocks of the 400 MHz CPU since the start; an answer has the `t` of its question. On a control \
socket the CPU node's is the tick at which it stands, that of others is not looked at |

These five are integers from 0 to 2^63-1. The fields follow in the order of the tables below. Fields are only ever
appended, with a default: a receiver ignores fields it does not know at the end, and takes the default for fields that
are missing there. A node that breaks a rule of this page is ended, and the run with it, with a text that names the rule
([rules that are checked](#rules-that-are-checked)).

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
| `Literal[a, b]` | one of these |
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
5. `Go` and `Paused`, `Command` and `Reply` alternate between the launcher and the CPU node, which sends what the run's
   record gets as `Recorded`. `Command` "pause" ends a `Go` at the next boundary. A target only answers the CPU node and
   may send the launcher `Output` and `HostInput`.
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

## Replies

What the CPU node answers to each command. Maps have str as keys. More keys than these are left as they are.

{replies}

## Rules that are checked

{rules}

What the launcher sends is not checked beyond frames and types: a node takes its launcher's word for what it is to be.
Where a text comes from a node, control characters in it are shown as escapes wherever it is printed.

## Example

The CPU reads TCNT0 at tick {tick}, its third question to this timer, and the timer answers: value 0x1234, no line up,
TUNI0 (bit 0) rises at tick 460000.

    Read    {read}
    Answer  {answer}

The first frame, byte by byte:

{bytes}
"""


def notes(text: str) -> dict[str, str]:
    """Name -> comment of the declarations ``name: type  # comment`` and ``name = type``; it may also stand above."""
    rows = re.findall(r"^((?: *#.*\n)*) *(\w+)(?::| =) ([^#\n]*)(#.*)?$", text, re.MULTILINE)
    found = {name: re.sub(r"# ?type: ignore\[[\w-]+\]", "", behind) or above for above, name, _, behind in rows}
    return {name: " ".join(re.sub("^ *# ?", "", note, flags=re.MULTILINE).split()) for name, note in found.items()}


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
    from cosim import replies, wire  # wire is made of this module's tables

    source = inspect.getsource(inspect.getmodule(Body) or Body)
    aliased = notes(source[: source.index("class Body")])
    kinds = dict(re.findall(r"^(\w+) = ((?:list|tuple|Annotated|Literal)\[.*?\])(?:  #.*)?$", source, re.MULTILINE))
    kinds = {name: re.sub(r"Annotated\[(\w+), .*\]$", r"\1", kind) for name, kind in kinds.items()}  # notes have bounds
    aliases = "".join(f"| `{name}` | `{_cell(kind)}`: {_cell(aliased[name])} |\n" for name, kind in kinds.items())
    state = textwrap.fill(" ".join(STATE_NAMES), 110, subsequent_indent="    ")
    caps = {f"max_{name}": getattr(wire, f"MAX_{name.upper()}") for name in ("frame", "items", "array", "map", "str")}
    page = INTRODUCTION.format(
        protocol=PROTOCOL,
        schema=STATE_SCHEMA,
        aliases=aliases,
        words=len(STATE_NAMES),
        state=state,
        rules=table(),
        replies=replies.page(),
        **caps,
        **_example(),
    )
    out = [page, "## Messages", ""]
    for number, body, since in TABLE:
        out += [f"### {number} {body.__name__} (since {since})", "", inspect.getdoc(body) or "", ""]
        fields = msgspec.structs.fields(body)
        comments = notes(inspect.getsource(body))
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
