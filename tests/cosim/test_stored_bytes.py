"""Stored bytes of one sample of each message: they decode for ever, and are what is encoded today.

``frames.json`` holds, by message, the names of its fields and the frames that releases have sent, oldest first; the
last is today's. After a message or a trailing field with a default was added, append what is new:

    python tests/cosim/test_stored_bytes.py

The command never changes or removes a stored frame. It refuses a change that a deployed node would not understand: a
field removed, moved, renamed or given another type, or a kind renumbered. Such a change needs another PROTOCOL number;
then, and only then (or before the first release), delete the file and run the command.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import get_type_hints

import msgpack
import msgspec
import pytest
from samples import sample_message

from cosim.messages import BODY, KIND, PROTOCOL, TABLE, Body, Paused
from cosim.wire import WireError, decode, encode

FILE = Path(__file__).parent / "frames.json"
APPEND = (
    "Fields are only appended, with a default, and never changed: undo the change, or append. If you did append, "
    "run `python tests/cosim/test_stored_bytes.py` and commit tests/cosim/frames.json."
)
T, SEQ, EPOCH = 400_000_000, 3, 0
REASON = get_type_hints(Paused)["reason"]
TODAY = {body.__name__: encode(sample_message(body), T, SEQ, EPOCH) for _, body, _ in TABLE}
FIELDS = {body.__name__: list(body.__struct_fields__) for _, body, _ in TABLE}
Stored = dict[str, dict[str, list[str]]]


def load() -> tuple[int, Stored]:
    held = json.loads(FILE.read_text())
    return held["protocol"], held["messages"]


def problems(name: str, held: dict[str, list[str]]) -> list[str]:
    """What is wrong with the stored frames of a message as of today."""
    if name not in TODAY:
        return [f"{name} is gone, but deployed nodes send it"]
    if FIELDS[name][: len(held["fields"])] != held["fields"]:
        return [f"{name}: fields were {held['fields']}, are {FIELDS[name]}"]
    return [text for raw in held["frames"] if (text := problem(name, bytes.fromhex(raw)))]


def problem(name: str, raw: bytes) -> str:
    """What is wrong with one stored frame; empty when nothing is."""
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
    if wrong := [text for name, held in stored.items() for text in problems(name, held)]:
        sys.exit("\n".join([*wrong, APPEND]))
    for name, raw in TODAY.items():
        held = stored.setdefault(name, {"fields": [], "frames": []})
        held["fields"] = FIELDS[name]
        if raw.hex() not in held["frames"]:
            held["frames"].append(raw.hex())
    FILE.write_text(json.dumps({"protocol": PROTOCOL, "messages": stored}, indent=1) + "\n")


if __name__ == "__main__":
    append()
    sys.exit()

STORED = load()[1]


def test_the_file_is_of_this_protocol():
    assert load()[0] == PROTOCOL, "another PROTOCOL: see the docstring of tests/cosim/test_stored_bytes.py"


@pytest.mark.parametrize("name", sorted({*STORED, *TODAY}))
def test_stored_frames_decode_to_the_same_message(name):
    assert name in STORED, f"{name} has no stored bytes. {APPEND}"
    assert not (wrong := problems(name, STORED[name])), "\n".join([*wrong, APPEND])


@pytest.mark.parametrize("name", sorted(TODAY))
def test_todays_message_encodes_to_the_last_stored_frame(name):
    assert name in STORED, f"{name} has no stored bytes. {APPEND}"
    assert STORED[name]["fields"] == FIELDS[name], f"{name} has new fields. {APPEND}"
    assert STORED[name]["frames"][-1] == TODAY[name].hex(), f"{name} is encoded otherwise. {APPEND}"


@pytest.mark.parametrize(("number", "body"), [(number, body) for number, body, _ in TABLE])
def test_kinds_keep_their_numbers(number, body):
    for raw in STORED.get(body.__name__, {"frames": []})["frames"]:
        assert msgpack.unpackb(bytes.fromhex(raw))[2] == number, f"{body.__name__} was renumbered. {APPEND}"


# The check itself: changes that must not pass ------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("detail", str), ("reason", REASON), ("info", dict)], "fields were"),
        ([("reason", REASON), ("detail", str)], "fields were"),
        ([("reason", int), ("detail", str), ("info", dict)], "is refused"),
        ([("reason", REASON), ("detail", str), ("info", dict), ("why", str)], "is refused"),
        ([("reason", REASON), ("detail", str), ("info", dict), ("why", str, "")], ""),
    ],
)
def test_changes_of_a_message_are_noticed(monkeypatch, fields, expected):
    changed = msgspec.defstruct("Paused", fields, bases=(Body,), array_like=True)
    monkeypatch.setitem(BODY, KIND[Paused], changed)
    monkeypatch.setitem(KIND, changed, KIND[Paused])
    monkeypatch.setitem(FIELDS, "Paused", list(changed.__struct_fields__))
    monkeypatch.setitem(TODAY, "Paused", encode(sample_message(changed), T, SEQ, EPOCH))
    held = {"fields": ["reason", "detail", "info"], "frames": [encode(sample_message(Paused), T, SEQ, EPOCH).hex()]}
    found = problems("Paused", held)
    assert bool(found) == bool(expected) and all(expected in text for text in found)
