"""Task exceptions raised by interrupts at any instruction of two tasks that switch to and fro."""

from __future__ import annotations

from pathlib import Path

import pytest
from board import Board

BITS = (1, 6)  # of the two characters


def words(board: Board, name: str, count: int = 1) -> list[int]:
    """The counters of storm.c."""
    data = board.core.read(board.symbols[name] & 0x1FFFFFFF, 4 * count)
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def turns(elf: Path) -> tuple[int, int]:
    """Ticks at which the third turn of the main task begins and ends, left alone."""
    board = Board(elf)
    board.core.set_breakpoints([board.symbols["storm_turn"]])
    starts = []
    while len(starts) < 4:
        assert board.run(4_000_000).startswith("breakpoint")
        starts.append(board.core.tick)
    return starts[2], starts[3]


@pytest.mark.parametrize("gap", [0, 37], ids=["at once", "37 ticks apart"])
def test_exceptions_come_once_and_disturb_nothing_wherever_the_interrupts_are(elves: Path, gap: int) -> None:
    elf = elves / "rtos-storm-bare.elf"
    first, last = turns(elf)
    assert 1000 < last - first < 4000
    for arrival in range(first, last + 100, 3):
        board = Board(elf)
        board.input.extend([(arrival, BITS[0]), (arrival + gap, BITS[1])])
        for ticks in range(1, 11):  # the routine of the main task waits for one or two, once or twice
            board.run(arrival + ticks * 2_000_000)
            if words(board, "storm_turns")[0] > 10:  # it goes on
                break
        where = f"characters {arrival - first} ticks into the turn"
        once = [int(bit in BITS) for bit in range(8)]
        assert words(board, "storm_errors") == [0], f"{where}: the last in line {words(board, 'storm_line')} of storm.c"
        assert words(board, "storm_seen", 16) == once + once, where
        assert words(board, "storm_words") == [2], where
        assert words(board, "storm_turns")[0] > 10, where
