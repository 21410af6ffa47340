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


def test_samples_are_kept_only_where_they_are_asked_for():
    """Figures are those of all samples; a run of a day has millions."""
    observed, keeping = Latency("RXI0", PC, "handler"), Latency("RXI0", PC, "handler", keep=True)
    for rise, took in ((100, 30), (200, 10), (300, 20)):
        for one in (observed, keeping):
            one.line_rose("RXI0", rise)
            one.reached(PC, rise + took)
    assert observed.figures() == keeping.figures()
    assert {key: observed.figures()[key] for key in ("samples", "min", "avg", "max")} == {
        "samples": 3, "min": 10, "avg": 20.0, "max": 30,
    }  # fmt: skip
    assert (list(observed.samples), list(keeping.samples)) == ([], [30, 10, 20])
