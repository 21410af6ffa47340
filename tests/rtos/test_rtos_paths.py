"""The paths that bench.rtos measures: each is taken each round, and those that a document names take what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.rtos import PAGE, ROUNDS, ROWS, TIMINGS, durations, kernel_bytes, passings, with_table


@pytest.mark.parametrize("timing", TIMINGS)
def test_every_path_is_taken_each_round_and_warm_in_the_same_time(elves: Path, timing: str) -> None:
    passed = passings(elves / "rtos-bench-bare.elf", "native", timing)
    for row in ROWS:
        taken = durations(passed, row)
        assert len(taken) >= ROUNDS, row.name
        assert 0 < max(taken[-2:]) <= taken[0] + 3, row.name


def test_interrupt_entry_is_33_instructions_and_exceptions_cost_its_exit_nothing(elves: Path) -> None:
    passed = passings(elves / "rtos-bench-bare.elf", "native", "fast")
    ticks = {row.name: durations(passed, row)[-1] for row in ROWS}
    assert ticks["interrupt, raise to handler"] == 33
    assert ticks["handler's end, to the interrupted task"] == 32
    assert ticks["handler's end, to the task it woke"] == 65
    assert ticks["dispatcher alone, task to task"] == 32


def test_table_of_the_readme_is_current(elves: Path) -> None:
    passed = {timing: passings(elves / "rtos-bench-bare.elf", "native", timing) for timing in TIMINGS}
    last = {row.name: {timing: durations(passed[timing], row)[-1] for timing in TIMINGS} for row in ROWS}
    assert PAGE.read_text() == with_table(PAGE.read_text(), last), "run `python -m bench.rtos --page`"


def test_kernel_is_part_of_the_text(elves: Path) -> None:
    size = kernel_bytes(elves / "rtos-demo-bare.elf")
    assert 0x600 < size["kernel_text"] < size["text"]
