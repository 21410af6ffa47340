"""Signals that ask a command to end: Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which a terminal sends as it closes.

    with handled(): ...       for the whole command: a signal raises KeyboardInterrupt or Terminated at once
        with gently(): ...    while a run goes: the first one is noted, ``asked()`` says so, and the run ends as at
                              --until, with everything that belongs to its end; a second one raises at once

A signal that is ignored, as nohup does with SIGHUP, stays ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """A signal asked this program to end. ``code``: its exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(stopped_by(number))
        self.code = 128 + number


_gentle = False
_asked = 0


def stopped_by(number: int) -> str:
    """How a command that ends by a signal says so."""
    return "stopped by Ctrl-C" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def asked() -> int:
    """The signal that asks the run to end; 0: none."""
    return _asked


def _handle(number: int, frame: FrameType | None) -> None:
    global _asked
    if _gentle and not _asked:
        _asked = number
        return
    at_once(number)


def at_once(number: int) -> NoReturn:
    """End the command by a signal. Raises KeyboardInterrupt or Terminated."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_IGN)  # once is enough: the nodes are being ended
    raise Terminated(number)


@contextmanager
def handled() -> Iterator[None]:
    """Handle the signals; those who were there before have them back at the end."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def gently() -> Iterator[None]:
    """Note the first signal instead of raising."""
    global _gentle, _asked
    _gentle, _asked = True, 0
    try:
        yield
    finally:
        _gentle = False
