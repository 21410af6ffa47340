"""What the targets answer at and drive, checked before a run: the same for nodes that are processes and in process.

An address that the CPU never asks a target at, and a line that no interrupt comes from, would pass in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cosim.inputs import near
from cosim.sh7780 import INTEVT
from cpu_node.machine import MachineError

# The addresses of devices, as accesses have them: physical, or of P4. The MMU makes no others.
DEVICES = ((0x00000000, 0x1BFFFFFF), (0xE4000000, 0xFFFFFFFF))
# What the core answers itself in P4 (SH-4A manual: cache, exceptions, MMU, user break).
OWN = (
    (0xF0000000, 0xF7FFFFFF, "the arrays of caches and TLBs"),
    (0xFF000000, 0xFF00007B, "the core's own registers"),
    (0xFF200000, 0xFF2000FF, "the core's user break controller"),
)
EXPECTED = "expected addresses below 0x1c000000 or from 0xe4000000 on, outside RAM and what the core answers itself"


def check(targets: Iterable[Any], ram: tuple[int, int]) -> None:
    """Each address and each line has one target, which the CPU asks there. ``ram``: base, size. Raises MachineError."""
    targets = sorted(targets, key=lambda target: target.name)
    base, size = ram
    taken = ((base, base + size - 1, "RAM"), *OWN)
    rows = sorted((first, last, target.name) for target in targets for first, last in target.regions)
    for first, last, name in rows:
        where = f"node {name} answers at 0x{first:08x}..0x{last:08x}"
        if not any(low <= first <= last <= high for low, high in DEVICES):
            raise MachineError(f"{where}, where no access comes: {EXPECTED}, the first not above the last")
        for low, high, what in taken:
            if first <= high and low <= last:
                raise MachineError(
                    f"{where}, but 0x{max(first, low):08x}..0x{min(last, high):08x} is {what}, so it would never be "
                    f"asked there: {EXPECTED}"
                )
    for (_, last, one), (first, _, other) in zip(rows, rows[1:], strict=False):
        if first <= last:
            raise MachineError(f"nodes {one} and {other} both answer at 0x{first:08x}: give one another channel")
    owner: dict[str, str] = {}
    for target in targets:
        for line in target.line_names:
            if line in owner:
                raise MachineError(f"nodes {owner[line]} and {target.name} both drive line {line}; a line has one")
            owner[line] = target.name


def check_lines(targets: Iterable[Any], table: dict[str, Any]) -> None:
    """Each line is a source of the interrupt controller, whose ``table`` is as after the start. Raises MachineError."""
    known = sorted({*table, *INTEVT})
    for target in targets:
        for line in target.line_names:
            if line not in known:
                raise MachineError(
                    f"node {target.name} drives line {line!r}, which is no source of the interrupt controller"
                    f"{near(line, known)}, so its interrupt would never come: expected one of {', '.join(known)}"
                )
