"""What this process is doing now: one byte that code sets where it goes from one kind of work to another.

Setting it costs as good as nothing, so it is always done; a profile looks at it now and then (cpu_node/profile.py, and
for the native core native/profile.c, which sets the same byte).

    was = doing(Row.WAITING)
    ...
    doing(was)
"""

from __future__ import annotations

from enum import IntEnum


class Row(IntEnum):
    """Kinds of work; the rows of a profile, in its order. native/profile.h has the same."""

    OTHER = 0
    INTERPRETER = 1
    TIMED_INTERPRETER = 2
    GENERATED = 3
    TRANSLATING = 4
    MEMORY = 5
    TLB = 6
    FPU = 7
    CACHES = 8
    BUS = 9
    WAITING = 10
    MACHINE = 11
    LAUNCHER = 12
    STANDING = 13  # never said: what the sampler finds where the thread does not get on


NOW = bytearray(1)  # a Row; only ever written in place: the sampler reads this memory


def doing(row: int) -> int:
    """Say what is done from here on; returns what was, to be said again after it."""
    was = NOW[0]
    NOW[0] = row
    return was
