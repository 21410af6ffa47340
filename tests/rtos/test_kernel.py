"""The kernel running on the least board: self test, demonstration, nesting, idling, faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from board import Board

SECOND = 400_000_000
KINDS = ("bare", "spumone")


def start(elves: Path, app: str, kind: str) -> Board:
    return Board(elves / f"rtos-{app}-{kind}.elf", spumone=kind == "spumone")


@pytest.mark.parametrize("kind", KINDS)
def test_demo_reports_each_second_and_counts_characters(elves: Path, kind: str) -> None:
    board = start(elves, "demo", kind)
    board.input.extend((SECOND // 10 * i, ord("a")) for i in range(1, 6))
    board.run(SECOND * 5 // 2)
    assert board.output.decode().splitlines() == [
        "rtos: ready",
        "rtos: t=1 s periodic=100 rx=5 q=10",
        "rtos: t=2 s periodic=200 rx=5 q=20",
    ]


def test_periodic_job_keeps_to_its_grid_without_drift(elves: Path) -> None:
    """30 ticks of 5 ms are exactly 60,000,000 CPU ticks; in between a job is late by 480 at most."""
    board = start(elves, "demo", "bare")
    board.core.set_breakpoints([board.symbols["periodic_job"]])
    starts = []
    while len(starts) < 610:
        assert board.run(7 * SECOND).startswith("breakpoint")
        starts.append(board.core.tick)
        board.core.step()
    late = [tick - starts[0] - 4_000_000 * k for k, tick in enumerate(starts)]
    assert max(late) - min(late) <= 480 + 200
    assert abs(late[601] - late[301]) < 48  # whole cycles of 15 jobs apart: the same path to the job


def test_character_interrupts_a_job_in_progress(elves: Path) -> None:
    """The late job holds level 11 for 11 ms; a character at level 12 is taken inside it."""
    board = start(elves, "late", "bare")
    board.core.set_breakpoints([board.symbols["serial_rx_handler"]])
    arrival = int(0.505 * SECOND)
    board.input.append((arrival, ord("a")))
    assert board.run(SECOND).startswith("breakpoint")
    assert 0 < board.core.tick - arrival < 100
    assert board.core.read(board.symbols["interrupt_nest"] & 0x1FFFFFFF, 4) == b"\2\0\0\0"


@pytest.mark.parametrize(("kind", "floor"), [("bare", 0), ("spumone", 7), ("spumone", 3), ("spumone", 0)])
def test_imask_never_falls_below_the_floor(elves: Path, kind: str, floor: int) -> None:
    """On SPUMONE the floor is the ceiling of the partition, asked for at the start: one image serves any."""
    board = Board(elves / f"rtos-demo-{kind}.elf", spumone=kind == "spumone", ceiling=floor)
    board.run(SECOND // 20)
    lowest = 15
    for _ in range(20_000):
        if board.core.tick >= board.next_event(1 << 60):
            board.catch_up(board.core.tick)
        done = board.core.step()
        if done.reason == "sleep" or board.core.sleeping:
            board.run(board.next_event(1 << 60) + 1)
        elif done.reason == "interrupt":
            board.core.accept()
        elif done.reason == "trap":
            board.call()
        lowest = min(lowest, board.core.state()["sr"] >> 4 & 15)
    assert lowest == floor


def test_idle_loop_sleeps_with_interrupts_blocked(elves: Path) -> None:
    board = start(elves, "demo", "bare")
    board.run(SECOND // 10 + 1000)
    assert board.core.sleeping
    assert board.core.state()["sr"] == 0x50000000  # MD, BL, IMASK=0


def test_a_ceiling_above_the_kernels_levels_is_reported(elves: Path) -> None:
    board = Board(elves / "rtos-demo-spumone.elf", spumone=True, ceiling=12)
    board.run(SECOND // 10)
    assert board.output.decode().strip() == "rtos: interrupt 0x720 has level 12, not above the floor, 12; stopped"
    assert board.core.sleeping


def test_fault_is_reported_and_stops_the_kernel(elves: Path) -> None:
    board = start(elves, "demo", "bare")
    board.run(SECOND // 10)
    board.core.sleeping = False
    board.core.set_state({"sr": 0x40000000, "pc": 0x0BADF00C, "pr": 0x8E001234})
    board.run(SECOND)
    last = board.output.decode().splitlines()[-1]
    assert last.startswith("rtos: exception EXPEVT 0x180 SPC 0xbadf00c PR 0x8e001234 SP 0x8e0")
    assert last.endswith("; stopped")
    assert board.core.sleeping


def test_hello_speaks_and_wild_resets(elves: Path) -> None:
    hello = Board(elves / "hello.elf")
    hello.run(SECOND // 10)
    assert hello.output == b"hello: SH-4A is running\r\n"
    assert Board(elves / "wild.elf").run(SECOND // 10).startswith("reset: ")


@pytest.mark.parametrize("kind", KINDS)
def test_character_is_taken_at_any_instruction_of_a_tick(elves: Path, kind: str) -> None:
    """Arrivals swept over a tick with job, data queue and task: entry, critical sections, dispatch, way to sleep."""
    whole = start(elves, "demo", kind)
    whole.run(SECOND // 2)
    tick = [t for t, code in whole.accepted if code == 0xE00][19]  # the tenth job
    worst = 0
    for offset in range(-40, 900, 3):
        board = start(elves, "demo", kind)
        board.core.set_breakpoints([board.symbols["serial_rx_handler"]])
        board.input.append((tick + offset, ord("a")))
        assert board.run(tick + 1_000_000).startswith("breakpoint"), offset
        worst = max(worst, board.core.tick - tick - offset)
        board.core.step()
        board.run(tick + 1_900_000)
        assert board.core.sleeping
        assert board.core.read(board.symbols["rx_count"] & 0x1FFFFFFF, 4) == b"\1\0\0\0"
    assert 100 < worst < 200  # the longest critical section: the tick's
