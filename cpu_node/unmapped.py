"""Accesses to addresses at which nothing answers: no RAM, no register of the core, no device.

A read gives 0 and a write is lost. On a board most such addresses do the same in silence, so a guest with a wrong base
address, or a device that the topology lacks, goes on and fails somewhere else. The first access to each address is
told, with who and where; all are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TOLD = 50  # addresses that are reported; of the first KEPT the accesses are counted one by one
KEPT = 200
WHAT = {
    "read": "read {} ({} bytes), where nothing answers: it gave 0",
    "write": "wrote {} ({} bytes), where nothing answers: the value is lost",
    "fetch": "ran code at {}, where nothing answers: the word read as 0",
}


class Unmapped:
    """``report`` takes (tick, text)."""

    def __init__(self, core: Any, report: Callable[[int, str], None]) -> None:
        self.core, self.report = core, report
        self.rows: dict[tuple[str, str, int], dict[str, Any]] = {}  # by guest, kind, address
        self.elsewhere = 0  # accesses to the addresses that found no row

    def access(self, tick: int, guest: str, kind: str, address: int, size: int) -> None:
        """``guest`` is who runs ("": SPUMONE or nobody); ``kind``: read | write."""
        pc = self.core.unit_pc
        if kind == "read" and size == 2 and not (pc ^ address) & 0x1FFFFFFF:
            kind = "fetch"
        row = self.rows.get((guest, kind, address))
        if row is not None:
            row["count"] += 1
            return
        if len(self.rows) == KEPT:
            self.elsewhere += 1
            return
        place = f"0x{address:08x}"
        self.rows[guest, kind, address] = {"address": place, "access": kind, "size": size, "guest": guest,
                                           "pc": f"0x{pc:08x}", "tick": tick, "count": 1}  # fmt: skip
        who = f"guest {guest}" if guest not in ("", "SPUMONE") else "SPUMONE"
        if len(self.rows) <= TOLD:
            self.report(tick, f"{who} at pc 0x{pc:08x} {WHAT[kind].format(place, size)}")
        elif len(self.rows) == TOLD + 1:
            self.report(tick, "more addresses follow where nothing answers: they are counted, not reported")

    def figures(self) -> list[dict[str, Any]]:
        """The first access of each guest, kind and address, and how many there were; those that found no place last."""
        rows = [dict(row) for row in self.rows.values()]
        return rows + [{"address": "elsewhere", "count": self.elsewhere}] * bool(self.elsewhere)
