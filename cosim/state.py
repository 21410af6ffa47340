"""The architectural state of an SH-4A as both cores and the hypervisor exchange it."""

from __future__ import annotations

import struct
from typing import NamedTuple

STATE_NAMES: tuple[str, ...] = (
    *(f"r{i}" for i in range(16)),
    *(f"r{i}_bank" for i in range(8)),
    *("pc pr sr gbr vbr ssr spc sgr dbr mach macl fpscr fpul".split()),
    *(f"fr{i}" for i in range(16)),
    *(f"xf{i}" for i in range(16)),
    *("pteh ptel ttb tea mmucr pascr ccr tra expevt intevt".split()),
)
_WORDS = struct.Struct(f"<{len(STATE_NAMES)}I")
STATE_SIZE = _WORDS.size  # bytes


class Stop(NamedTuple):
    """Why a run returned. reason: horizon interrupt trap breakpoint sleep reset vbr; tick; pc; text."""

    reason: str
    tick: int
    pc: int
    detail: str = ""


def pack(state: dict[str, int]) -> bytes:
    """Little-endian words in STATE_NAMES order. Raises KeyError for a missing name."""
    return _WORDS.pack(*(state[name] for name in STATE_NAMES))


def unpack(raw: bytes) -> dict[str, int]:
    """Inverse of pack. Raises struct.error for another length than STATE_SIZE."""
    return dict(zip(STATE_NAMES, _WORDS.unpack(raw), strict=True))
