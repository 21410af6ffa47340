"""What ``Reply.data`` holds, by the command it answers. The protocol page shows it; the launcher requires it."""

from __future__ import annotations

import typing
from typing import Any, NotRequired, TypedDict

import msgspec

from cosim.rules import BrokenRule, plain

Share = float | int


class LatencyRow(TypedDict):
    """Samples of a line to a function; ticks."""

    line: str
    symbol: str
    samples: int
    lost: int
    min: NotRequired[int]
    avg: NotRequired[Share]
    max: NotRequired[int]


class DeadlineRow(TypedDict):
    """Starts of a function that is to start once a period; ticks."""

    guest: str
    symbol: str
    period_ticks: int
    activations: int
    misses: int
    max_late: int


class VcpuRow(TypedDict):
    """Ticks of a vCPU, of them asleep (idle), and how often it got the CPU and interrupts."""

    ticks: int
    switches: int
    interrupts: int
    idle: int


class Report(TypedDict):
    """Figures so far. By node, line, path, address or guest where they are maps."""

    ticks: int
    instructions: int
    skipped: int
    leased_reads: int
    round_trips: int
    round_trips_by_target: dict[str, dict[str, int]]
    posted_writes: int
    messages: dict[str, int]
    waited: dict[str, Share]
    vcpus: dict[str, VcpuRow]
    interrupts: dict[str, int]
    deadlines: list[DeadlineRow]
    latency: list[LatencyRow]
    charges: dict[str, int]
    paths: dict[str, list[int]]
    unmapped: list[dict[str, Any]]
    trespasses: dict[str, dict[str, int]]
    starvation: dict[str, dict[str, int]]
    reports: list[str]


class ProfileRow(TypedDict):
    """A kind of work, and its share of the time."""

    name: str
    seconds: Share
    share: Share
    samples: int


class ProfileFigures(TypedDict):
    """Where host time went; seconds."""

    wall_s: Share
    cpu_s: Share
    threads_s: Share
    waited_s: Share
    samples: int
    rows: list[ProfileRow]
    counters: dict[str, int]


class Finished(Report):
    """The figures of the whole run, its digest, and Final.info by target."""

    digest: str
    info: dict[str, dict[str, Any]]
    profile: NotRequired[ProfileFigures]


class State(TypedDict):
    """Registers by name."""

    state: dict[str, int]


class Samples(TypedDict):
    """Ticks, eight bytes each, little-endian, of each latency that keeps them."""

    samples: list[bytes]


class PartRow(TypedDict):
    """What ticks of samples went to."""

    phase: typing.Literal["unit", "wait", "accept", "path", "entry"]
    who: str
    why: str
    samples: int
    ticks: int
    max: int
    stalled: int


class Attribution(TypedDict):
    """Where the ticks of the samples went."""

    line: str
    parts: list[PartRow]
    sections: list[dict[str, Any]]
    worst: list[dict[str, Any]]


class Nothing(TypedDict):
    """Done."""


REPLIES: dict[str, type] = {
    **dict.fromkeys(("input", "type", "arm", "observe", "timing", "pause", "profile"), Nothing),
    "report": Report,
    "state": State,
    "samples": Samples,
    "attribution": Attribution,
    "finish": Finished,
}
BYTES = ("samples",)  # commands whose reply is no JSON


def check(what: str, data: dict[str, Any]) -> None:
    """Raises BrokenRule where the reply to a command lacks what it is to have, or has it in another type."""
    try:
        msgspec.convert(data, REPLIES[what], builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise BrokenRule("reply-data", f"Reply to {what}: {error}") from None
    if what not in BYTES:
        plain(data, f"Reply to {what}")


def page() -> str:
    """The table of commands and replies, in Markdown."""
    out = ["| command | `Reply.data` |", "|---|---|"]
    for what, kind in REPLIES.items():
        keys = ", ".join(f"`{key}`" for key in typing.get_type_hints(kind)) or "empty"
        out.append(f"| {what} | {kind.__doc__} {keys} |")
    return "\n".join(out)
