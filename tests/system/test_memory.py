"""What a run keeps does not grow with its simulated time."""

from __future__ import annotations

from whole_machine import RTOS, machine

from cosim import TICK_HZ, wire
from cosim.messages import Lines
from cpu_node.machine import LINES


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
