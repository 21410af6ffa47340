"""Where ``launch`` prints: every line, table and screen goes through here, and is safe for a terminal.

``tell`` is cosim.text's: a message on standard error. No other module of this package prints or opens a rich Console.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from cosim.text import safe, tell

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")

__all__ = ["SafeConsole", "console_line", "label", "safe", "show", "tell"]


def show(text: object, file: TextIO | None = None, lines: bool = False) -> None:
    """Print to standard output, or another file; one line, but with ``lines``."""
    print(safe(text, lines), file=sys.stdout if file is None else file, flush=True)


def label(text: object) -> Text:
    """One line of text for a table or a panel, in which nothing is taken for markup."""
    return Text(safe(text))


def console_line(line: bytes) -> str:
    """A line that a guest sent as text, without its colours and the carriage return at its end."""
    return safe(COLOUR.sub(b"", line).decode(errors="replace").rstrip("\r"))


class SafeConsole(Console):
    """A rich Console in which no text is markup, and whose text holds no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Text is made safe as it is written out; what rich itself sends to move the cursor stays."""
        clean = (s if s.control else Segment(safe(s.text, lines=True), s.style) for s in buffer)
        return super()._render_buffer(clean)
