"""The protocol page: current, complete, and with examples that are what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cosim import NEVER, messages, wire
from cosim.messages import TABLE, Answer, Read

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocol.md"
TEXT = messages.reference()


def test_the_committed_page_is_current():
    assert PAGE.read_text() == TEXT, "run `python -m cosim.messages > docs/reference/protocol.md` and commit the page"


@pytest.mark.parametrize(("number", "body"), [(number, body) for number, body, _ in TABLE])
def test_every_message_and_field_is_on_the_page_in_order(number, body):
    section = TEXT[TEXT.index(f"### {number} {body.__name__} (since") :].split("\n### ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(body.__struct_fields__)


def test_every_type_on_the_page_is_explained():
    table = TEXT[TEXT.index("## Types") : TEXT.index("## Caps")]
    used = set()
    for _, body, _ in TABLE:
        for kind in body.__annotations__.values():
            used |= set(re.findall(r"[A-Za-z]\w*", re.sub(r"['\"]\w+['\"]", "", kind)))
    explained = set(re.findall(r"^\| `(\w+)", table, re.MULTILINE)) | {"None"}
    assert used <= explained, f"not in the table of types: {sorted(used - explained)}"


def test_the_example_frames_decode_to_what_is_said():
    read, answer = (
        bytes.fromhex(re.search(rf"^    {kind} +(\w+)$", TEXT, re.MULTILINE)[1]) for kind in ("Read", "Answer")
    )
    assert wire.decode(read) == wire.Frame(0, 3, 400_000, Read(0xFFD8000C, 4, []))
    assert wire.decode(answer) == wire.Frame(0, 3, 400_000, Answer(0x1234, 0, NEVER, [(460_000, 1)]))


def test_the_bytes_explained_are_the_first_frame():
    rows = TEXT[TEXT.index("byte by byte:") : TEXT.index("## Messages")].splitlines()[1:]
    explained = "".join(re.match(r" {4}((?:[0-9a-f]{2} ?)+) ", row)[1] for row in rows if row.strip())
    assert bytes.fromhex(explained) == wire.encode(Read(0xFFD8000C, 4, []), 400_000, 3)


@pytest.mark.parametrize("name", ["MAX_FRAME", "MAX_ITEMS", "MAX_ARRAY", "MAX_MAP", "MAX_STR"])
def test_every_cap_is_on_the_page(name):
    assert str(getattr(wire, name)) in TEXT


def test_lines_of_prose_fit_the_page():
    prose = TEXT[: TEXT.index("## Messages")]
    assert max(len(line) for line in prose.splitlines() if not line.startswith(("|", "    "))) <= 120
