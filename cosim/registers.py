"""The register-file table: a device's registers declared once, read and written by it.

A device lists its registers as ``Register`` rows. Access goes to methods ``read_NAME`` and ``write_NAME``
where the device has them, else to the stored value under the write mask. ``python -m device_nodes.pages``
writes the reference pages.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

KEPT = 200  # addresses without a register that are noted


class Register(NamedTuple):
    """One register. address: P4; size in bytes; reset value; bits that a write changes; what it is."""

    name: str
    address: int
    size: int
    reset: int
    writable: int
    text: str


class RegisterFile:
    """Stored values of a device's registers, with the access rules of its table."""

    def __init__(self, owner: object, rows: tuple[Register, ...]) -> None:
        self.owner = owner
        self.rows = {row.address: row for row in rows}
        self.value = {row.name: row.reset for row in rows}
        self.unknown: dict[int, int] = {}  # address -> accesses to no register, reported

    def read(self, t: int, address: int, size: int) -> int:
        """Value of the register at address; 0 (and noted) where there is none or the width is wrong."""
        row = self._row(address, size)
        if row is None:
            return 0
        method = getattr(self.owner, "read_" + row.name, None)
        return int(method(t)) if method else self.value[row.name]

    def write(self, t: int, address: int, size: int, value: int) -> None:
        """Write under the table's rules; noted and ignored where there is no register of that width."""
        row = self._row(address, size)
        if row is None:
            return
        method = getattr(self.owner, "write_" + row.name, None)
        if method:
            method(t, value)
        else:
            self.value[row.name] = (self.value[row.name] & ~row.writable) | (value & row.writable)

    def _row(self, address: int, size: int) -> Register | None:
        row = self.rows.get(address)
        if row is None or row.size != size:
            if address in self.unknown or len(self.unknown) < KEPT:
                self.unknown[address] = self.unknown.get(address, 0) + 1
            return None
        return row


def map_digest(rows: tuple[Register, ...]) -> str:
    """Short digest of a register map, exchanged in Hello."""
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def page(title: str, rows: tuple[Register, ...]) -> str:
    """Reference page of a register map, in Markdown."""
    out = [f"# {title}", "", "Generated from the device's table; do not edit.", ""]
    out += ["| register | address | bytes | reset | writable bits | |", "|---|---|---|---|---|---|"]
    for r in rows:
        reset, writable = (f"0x{value:0{2 * r.size}x}" for value in (r.reset, r.writable))
        out.append(f"| {r.name} | 0x{r.address:08x} | {r.size} | {reset} | {writable} | {r.text} |")
    return "\n".join(out) + "\n"
