"""Guests that keep others waiting: each case has a defined result, a warning, and the RTOS goes on where it can.

On SPUMONE's model and on its firmware alike.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from small_guests import BASE, MS, needs_compiler, on_time, said, start, words

from cpu_node.machine import Machine

pytestmark = needs_compiler
impls = pytest.mark.parametrize("impl", ["model", "firmware"])
CALM = {"requests": 0, "cpu": 0, "longest_ticks": 0}


def figures(board: Machine, guest: str) -> dict[str, int]:
    return dict(board.figures()["starvation"][guest])


@impls
@pytest.mark.parametrize(("mask", "bl", "imask"), [("imask(15);", 0, 15), ("imask(0x100000f);", 1, 15)])
def test_a_guest_that_masks_everything_for_a_second(tmp_path: Path, impl: str, mask: str, bl: int, imask: int) -> None:
    """The RTOS's timer waits meanwhile: told when it has lasted 10 ms, and when it is over. Nobody can help it, but
    then it goes on."""
    board = start(tmp_path, impl, {"low": f"{mask} spin(400000000); imask(0);"}, {})
    assert board.go(1500 * MS)[0] == "until"
    begin, end = said(board, "starvation")
    found = re.fullmatch(r"guest rtos has TUNI3 pending since tick (\d+), which nobody takes: guest low runs, pc "
                         rf"0x([0-9a-f]+), SR.BL={bl}, SR.IMASK={imask}", begin)  # fmt: skip
    assert found is not None, begin
    assert BASE[0] <= int(found[2], 16) < BASE[0] + 0x2000  # its loop
    told = next(text for text in board.reports if begin in text)
    assert 10 * MS < int(told.split()[1][:-1]) - int(found[1]) <= 20 * MS + 10  # at the second sync after its rise
    found = re.fullmatch(r"TUNI3 of guest rtos is no longer pending, after ([0-9.]+) ms", end)
    assert found is not None, end
    assert 980 < float(found[1]) < 1000
    assert figures(board, "rtos")["requests"] == 1 and figures(board, "rtos")["longest_ticks"] > 980 * MS
    assert figures(board, "low") == CALM
    row = board.figures()["deadlines"][0]
    assert row["activations"] > 40 and 90 <= row["misses"] <= 101
    board.deadlines[0].due, board.deadlines[0].misses, board.deadlines[0].max_late = -1, 0, 0
    board.go(board.core.tick + 200 * MS)
    assert on_time(board, 60)


@impls
def test_a_shorter_limit(tmp_path: Path, impl: str) -> None:
    """30 ms of masking are not told of with a limit of 50, nor with 0, which is off."""
    for limit, count in (("10ms", 2), ("50ms", 0), ("0", 0)):
        case = "imask(15); spin(12000000); imask(0);"
        board = start(tmp_path, impl, {"low": case}, {}, f"spumone.starvation={limit}")
        board.go(100 * MS)
        assert len(said(board, "starvation")) == count


@impls
def test_a_low_guest_that_never_idles(tmp_path: Path, impl: str) -> None:
    """That is its right: nobody below it waits, and the RTOS is above."""
    board = start(tmp_path, impl, {"low": "imask(0); for (;;) REPORT[7]++;"}, {})
    board.go(1200 * MS)
    assert said(board, "starvation") == []
    assert on_time(board, 119)


@impls
def test_a_guest_that_never_idles(tmp_path: Path, impl: str) -> None:
    """The one below it, which is ready, is told of after a second, its timer after 10 ms; again when it is over."""
    cases = {"hog": "imask(0); spin(600000000);", "low": "timer0(50000, 3); imask(0); spin(100000);"}
    board = start(tmp_path, impl, cases, {"low": "['TUNI0']"})
    board.go(1700 * MS)
    rows = said(board, "starvation")
    assert re.fullmatch(r"guest low is ready and without the CPU since tick 0: guest hog runs, pc 0x88[0-9a-f]+, "
                        r"SR.BL=0, SR.IMASK=0, and does not idle", rows[0])  # fmt: skip
    assert re.fullmatch(r"guest low has the CPU again, after 15[0-9][0-9]\.\d+ ms", rows[1])
    assert len(rows) == 2
    assert figures(board, "low")["cpu"] == 1 and figures(board, "hog") == CALM
    assert on_time(board, 169)


@impls
def test_a_request_that_is_held(tmp_path: Path, impl: str) -> None:
    """By SPUMONE, for a guest that waits below one with a storm of interrupts: it never clears its serial port's. The
    line is masked at the controller, and pending to its guest all the same."""
    hog = "WORD(0xffd40008) = 5 << 17; WORD(0xffd4003c) = 16; HALF(0xffe10008) = 0x50; imask(0); spm_idle();"
    cases = {"hog": hog, "low": "timer0(50000, 6);"}
    board = start(tmp_path, impl, cases, {"hog": "['ERI1', 'RXI1', 'BRI1', 'TXI1']", "low": "['TUNI0']"}, spin=15_000)
    board.input("scif1", [(100 * MS, 65)])
    board.go(300 * MS)
    assert words(board, 1)[6] in range(9, 14)  # each 6 ms, until 100
    (told,) = said(board, "starvation")
    assert re.fullmatch(r"guest low has TUNI0 pending since tick 4\d{7}, which nobody takes: guest hog runs, pc "
                        r"0x88[0-9a-f]+, SR.BL=[01], SR.IMASK=\d+", told)  # fmt: skip
    assert board.table["TUNI0"][2] == 0
    assert figures(board, "low")["longest_ticks"] > 180 * MS
    assert on_time(board, 29)


@impls
def test_a_guest_that_masks_itself(tmp_path: Path, impl: str) -> None:
    """Its own timer waits for it alone, also where the RTOS happens to run when it is looked at."""
    case = "timer0(50000, 3); imask(7); spin(80000000); imask(0);"
    board = start(tmp_path, impl, {"low": case}, {"low": "['TUNI0']"})
    board.go(300 * MS)
    assert said(board, "starvation") == []
    assert words(board, 0)[6] > 10  # taken, in the end
    assert on_time(board, 29)


@impls
def test_a_storm_of_nobodys_interrupt(tmp_path: Path, impl: str) -> None:
    """A timer that fires each 6 us, whose line nobody has: masked once, told once, and the RTOS goes on."""
    board = start(tmp_path, impl, {"low": "timer0(50, 3);"}, {})
    board.go(200 * MS)
    assert [text.split(": ", 1)[1] for text in board.figures()["reports"]] == [
        "interrupt TUNI0 (INTEVT 0x580) belongs to no guest: masked"
    ]
    assert words(board, 0)[6] == 0
    assert figures(board, "low") == figures(board, "rtos") == CALM
    assert on_time(board, 19)
