"""A pattern that is armed anew: what the one before it has matched is not its own."""

from __future__ import annotations

import pytest
from whole_machine import EXAMPLES, machine

from cpu_node.machine import Machine

SCFTDR = 0xFFE0000C


def matched_before(*sets: str) -> Machine:
    """The hello program, its pattern matched a posted write being out whose answer says so."""
    board = machine(EXAMPLES / "hello.toml", *sets)
    board.arm("scif0", "hel")
    (scif,) = (target for target in board.targets if target.name == "scif0")
    while scif.component.match_tick < 0:  # type: ignore[attr-defined]
        board.go(board.core.tick + 10_000)
    board.write(board.core.tick, SCFTDR, 1, ord("!"))
    assert scif.promise.outstanding
    return board


@pytest.mark.parametrize(("pattern", "reason"), [("never seen", "until"), ("running", "match"), ("", "until")])
def test_new_pattern(pattern: str, reason: str) -> None:
    board = matched_before()
    board.arm("scif0", pattern)
    assert board.matched == -1
    before = board.core.tick
    assert board.go(before + 8_000_000, armed=True)[0] == reason
    if reason == "match":
        assert board.matched > before
