"""Where host time goes in the CPU node: ``core.profile``, a sampling profiler.

    core.profile.start()
    core.run(...)
    core.profile.stop()
    print(core.profile.read()["rows"])

Code says what it is doing (cosim/activity.py); a thread of the native extension looks once a millisecond of wall time
and counts (native/profile.c). Time in which a target is waited for is in it, and time in which the thread stood because
the host ran something else: a row each. No result of a run depends on it.
"""

from __future__ import annotations

import atexit
import time
import weakref
from types import ModuleType
from typing import Any, ClassVar

from cosim.activity import Row
from cpu_node import CoreError

NATIVE = {Row.TIMED_INTERPRETER, Row.GENERATED, Row.MEMORY, Row.TLB, Row.FPU, Row.CACHES}
"""Rows that only the native core tells apart; in another core all that is INTERPRETER."""

COUNTED = ("instructions", "generated", "skipped", "leased_reads")
CLOCKS = ("wall_s", "cpu_s", "process_s")


class Profile:
    """Of one core, for the time between ``start`` and ``stop``; of several such times the sum."""

    _running: ClassVar[Profile | None] = None  # a process has one sampler

    def __init__(self, core: Any) -> None:
        self._core = weakref.ref(core)
        self._rows = [row for row in Row if row not in NATIVE or hasattr(core, "counters")]
        self._sum: dict[Any, float] = {}
        self._began: dict[Any, float] = {}

    def start(self) -> None:
        """Go on. RuntimeError while another profile of this process runs, CoreError without the native extension."""
        if Profile._running is self:
            return
        if Profile._running is not None:
            raise RuntimeError("another profile runs in this process: stop it first")
        _native().sample(True)
        Profile._running = self
        atexit.register(self.stop)
        self._began = self._now()

    def stop(self) -> None:
        """Pause; nothing where it does not run."""
        if Profile._running is self:
            self._sum, self._began = self._total(), {}
            Profile._running = None
            atexit.unregister(self.stop)
            _native().sample(False)

    def read(self) -> dict[str, Any]:
        """The profile so far, also while it runs.

        ``wall_s`` is the time it ran; ``cpu_s`` of it the CPU time of this thread, ``threads_s`` that of the process's
        other ones (ZeroMQ, the sampler). ``rows``: name, seconds, share of 1, samples; their seconds add up to
        ``wall_s``. ``counters``: what happened meanwhile (docs/reference/core.md).
        """
        total = self._total()
        wall, cpu, process = (total.pop(clock, 0.0) for clock in CLOCKS)
        samples = {row: int(total.pop(row, 0)) for row in Row}
        for row in set(Row) - set(self._rows):
            samples[Row.INTERPRETER] += samples.pop(row)
        count = sum(samples.values())
        shares = {row: n / count if count else float(row == Row.OTHER) for row, n in samples.items()}
        counters = {name: int(n) for name, n in total.items()}
        if "generated" in counters:
            counters["interpreted"] = counters["instructions"] - counters["generated"]
        return {
            "wall_s": wall,
            "cpu_s": cpu,
            "threads_s": max(0.0, process - cpu),
            "samples": count,
            "rows": [
                {"name": row.name.lower(), "seconds": shares[row] * wall, "share": shares[row], "samples": samples[row]}
                for row in self._rows
            ],
            "counters": counters,
        }

    def _total(self) -> dict[Any, float]:
        if not self._began:
            return dict(self._sum)
        return {key: self._sum.get(key, 0) + value - self._began.get(key, 0) for key, value in self._now().items()}

    def _now(self) -> dict[Any, float]:
        """Clocks, samples by row, and counters by name."""
        core = self._core()
        now: dict[Any, float] = dict(zip(Row, _native().samples(), strict=True))
        now.update({name: getattr(core, name) for name in COUNTED if hasattr(core, name)})
        now.update(getattr(core, "counters", {}))
        now.update(zip(CLOCKS, (time.perf_counter(), time.thread_time(), time.process_time()), strict=True))
        return now


def _native() -> ModuleType:
    try:
        from cpu_node import _native
    except ImportError as error:
        raise CoreError(
            f"a profile needs the native extension, also of another core, and it is not built ({error}): run "
            "`pip install -e .` in the project"
        ) from None
    return _native
