"""Text that came from somewhere made safe for a terminal, and the one way in which ``cosim`` and its nodes print.

A node's identity, a name of a topology, what a guest sends or a compiler says may hold characters that a terminal
obeys: ESC, the other control characters, and those that turn the direction of writing. They are shown as escapes.
"""

from __future__ import annotations

import sys


def safe(text: object, lines: bool = False) -> str:
    """The text with each character that is not printable shown as in a Python string: ``\\x1b``, ``\\u202e``.

    A tab stays, and with ``lines`` a newline. Without, the text is one line, whatever is in it.
    """
    value = str(text)
    if value.isprintable():
        return value
    kept = "\t\n" if lines else "\t"
    return "".join(c if c in kept or c.isprintable() else _escape(c) for c in value)


def _escape(c: str) -> str:
    return c.encode("unicode_escape").decode()


def tell(text: object, lines: bool = False) -> None:
    """Print on standard error, safely; one line, but with ``lines``."""
    print(safe(text, lines), file=sys.stderr, flush=True)
