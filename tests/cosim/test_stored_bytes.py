"""Stored bytes of one sample of each message: they decode for ever, and are what is encoded today.

``frames.json`` holds, by message, the frames that releases have sent, oldest first; the last is today's. After a
message or a trailing field with a default was added, append what is new:

    python tests/cosim/test_stored_bytes.py

The command never changes or removes a stored frame. It refuses a change that a deployed node would not
understand: a field removed, moved or given another type, or a kind renumbered. Such a change needs another PROTOCOL
number; then, and only then (or before the first release), delete the file and run the command.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgpack
import msgspec
import pytest
from samples import sample_message

from cosim.messages import PROTOCOL, TABLE
from cosim.wire import WireError, decode, encode

FILE = Path(__file__).parent / "frames.json"
APPEND = (
    "Fields are only appended, with a default, and never changed: undo the change, or append. If you did append, "
    "run `python tests/cosim/test_stored_bytes.py` and commit tests/cosim/frames.json."
)
T, SEQ, EPOCH = 400_000_000, 3, 0
TODAY = {body.__name__: encode(sample_message(body), T, SEQ, EPOCH) for _, body, _ in TABLE}
Stored = dict[str, list[str]]


def load() -> tuple[int, Stored]:
    held = json.loads(FILE.read_text())
    return held["protocol"], held["frames"]


def problem(name: str, raw: bytes) -> str:
    """What is wrong with a stored frame of a message as of today; empty when nothing is."""
    if name not in TODAY:
        return f"{name} is gone, but deployed nodes send it"
    try:
        header, body = decode(raw)[:3], decode(raw).body
    except WireError as error:
        return f"a stored {name} is refused: {error}"
    if header != (EPOCH, SEQ, T) or type(body).__name__ != name:
        return f"a stored {name} decodes to another kind or header: {header} {body}"
    fields, expected = list(msgpack.unpackb(raw)[5:]), msgpack.unpackb(TODAY[name])[5:]
    if fields != expected[: len(fields)]:
        return f"{name}: fields stored {fields}, today {expected}"
    appended = msgspec.structs.fields(type(body))[len(fields) :]
    for field in appended:
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if default is msgspec.NODEFAULT or getattr(body, field.name) != default:
            return f"{name}.{field.name} was appended without a default"
    return ""


def append() -> None:
    """Bring the file up to date. Exits with a text when that would change what is stored."""
    protocol, stored = load() if FILE.exists() else (PROTOCOL, {})
    if protocol != PROTOCOL:
        sys.exit(f"frames.json is of protocol {protocol}, the code of {PROTOCOL}: see the docstring")
    every = [(name, bytes.fromhex(raw)) for name, frames in stored.items() for raw in frames]
    problems = [text for name, raw in every if (text := problem(name, raw))]
    if problems:
        sys.exit("\n".join([*problems, APPEND]))
    for name, raw in TODAY.items():
        frames = stored.setdefault(name, [])
        if raw.hex() not in frames:
            frames.append(raw.hex())
    FILE.write_text(json.dumps({"protocol": PROTOCOL, "frames": stored}, indent=1) + "\n")


if __name__ == "__main__":
    append()
    sys.exit()

STORED = load()[1]


def test_the_file_is_of_this_protocol():
    assert load()[0] == PROTOCOL, "another PROTOCOL: see the docstring of tests/cosim/test_stored_bytes.py"


@pytest.mark.parametrize("name", sorted({*STORED, *TODAY}))
def test_stored_frames_decode_to_the_same_message(name):
    assert name in STORED, f"{name} has no stored bytes. {APPEND}"
    for raw in STORED[name]:
        assert not (text := problem(name, bytes.fromhex(raw))), f"{text}. {APPEND}"


@pytest.mark.parametrize("name", sorted(TODAY))
def test_todays_message_encodes_to_the_last_stored_frame(name):
    assert STORED.get(name, [""])[-1] == TODAY[name].hex(), f"{name} is encoded otherwise. {APPEND}"


@pytest.mark.parametrize("number, body", [(number, body) for number, body, _ in TABLE])
def test_kinds_keep_their_numbers(number, body):
    for raw in STORED.get(body.__name__, []):
        assert msgpack.unpackb(bytes.fromhex(raw))[2] == number, f"{body.__name__} was renumbered. {APPEND}"
