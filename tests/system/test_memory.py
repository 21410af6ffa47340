"""What a run keeps does not grow with its simulated time."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import psutil
import pytest
from whole_machine import RTOS, SPUMONE, machine

from cosim import TICK_HZ, wire
from cosim.messages import Lines
from cosim.topology import load
from cpu_node.machine import LINES
from launch.record import Record
from launch.run import observe
from launch.session import Session, Watcher


class Recorder(Watcher):
    """Writes what a run gives to its record."""

    def __init__(self, record: Record) -> None:
        self.output, self.recorded = record.output, record.rows  # type: ignore[method-assign]


def growth(topology: Path, folder: Path, first: int, last: int) -> dict[str, int]:
    """Bytes by which each node, and this process as its launcher, has grown between two seconds of a recorded run."""
    read = load(topology)
    with Record(folder, list(read.ports())) as record, Session(read, Recorder(record)) as session:
        session.start()
        observe(session)
        record.begin()
        sizes = []
        for second in (first, last):
            assert session.go(second * TICK_HZ).reason == "until"
            gc.collect()
            own = psutil.Process(os.getpid()).memory_info().rss
            sizes.append(
                {"launcher": own, **{name: child.rss() for name, child in session.supervisor.children.items()}}
            )
        assert record.complete >= last * TICK_HZ
    assert all(sizes[0].values())
    return {name: size - sizes[0][name] for name, size in sizes[1].items()}


def test_the_rtos_for_two_minutes(tmp_path):
    """Line changes and running digests alone were 68 KB a second."""
    grown = growth(RTOS, tmp_path / "r", 20, 120)
    assert max(grown.values()) < 2 << 20, grown


@pytest.mark.long
def test_the_rtos_for_an_hour(tmp_path):
    grown = growth(RTOS, tmp_path / "r", 60, 3600)
    assert max(grown.values()) < 4 << 20, grown


@pytest.mark.long
def test_linux_for_ten_minutes(tmp_path):
    grown = growth(SPUMONE, tmp_path / "r", 60, 600)
    assert max(grown.values()) < 4 << 20, grown


def test_line_changes_do_not_wait_for_a_question_to_the_controller():
    """With leases nobody asks the interrupt controller: it is told of each 1000 changes, which one frame holds."""
    board, told = machine(RTOS), []
    send = board.intc.send

    def sent(t, body):
        told.append(len(body.changes))
        wire.encode(body, t)
        send(t, body)

    board.intc.send = sent
    board.go(5 * TICK_HZ)
    assert set(told) == {LINES} and len(board.pending_lines) < LINES
    wire.encode(Lines([(1 << 62, "TUNI3", 1)] * LINES))
