"""What the simulator counts of deadlines and latencies, also when the guest stops doing what it should."""

from __future__ import annotations

from cpu_node.observers import Deadline, Latency

PC = 0x1000


def deadline(*starts: int, period: int = 100) -> Deadline:
    observed = Deadline("g", "job", PC, period)
    for tick in starts:
        observed.reached(PC, tick)
    return observed


def test_starts_on_their_grid_miss_nothing():
    assert deadline(50, 152, 249, 350).figures(400) | {} == {
        "guest": "g", "symbol": "job", "period_ticks": 100, "activations": 4, "misses": 0, "max_late": 2,
    }  # fmt: skip


def test_periods_without_a_start_are_misses():
    assert deadline(0, 100, 450).figures(500)["misses"] == 2


def test_a_task_that_dies_or_never_starts_misses_every_period():
    assert deadline(0, 100).figures(1000)["misses"] == 8
    assert deadline().figures(1000)["misses"] == 10


def test_early_starts_bank_no_credit():
    assert deadline(0, 10, 20, 30, 390).figures(400)["misses"] == 2


def test_a_rise_that_nobody_served_is_lost_and_makes_no_sample():
    observed = Latency("RXI0", PC, "handler")
    for tick in (100, 5000):
        observed.line_rose("RXI0", tick)
    observed.reached(PC, 5010)
    assert observed.figures() == {"line": "RXI0", "symbol": "handler", "samples": 1, "lost": 1, "min": 10, "avg": 10.0,
                                  "max": 10}  # fmt: skip
