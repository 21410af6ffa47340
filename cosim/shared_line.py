"""How the guests of SPUMONE share one serial line: the framing of its virtual serial device, and a port's names.

On the wire a DLE and ``0`` + n say whose the following characters are, in either direction; two DLE are one of the
data. From SPUMONE a DLE and ``A`` + n ask that nothing be sent for channel n, DLE and ``a`` + n to go on. Channel n is
that of guest n by priority.
"""

from __future__ import annotations

import re

from cosim.typed import Marks

DLE, SELECT, STOP, GO = 0x10, 0x30, 0x41, 0x61


def frame(channel: int, data: bytes) -> bytes:
    """Characters of a channel as they are on the wire, whatever is selected there."""
    return bytes((DLE, SELECT + channel)) + data.replace(bytes((DLE,)), bytes((DLE, DLE)))


def frame_marked(channel: int, data: bytes, marks: Marks) -> tuple[bytes, Marks]:
    """As ``frame``, of characters some of which have marks (cosim/typed.py), and the marks with their places there. A
    marked character is never framing."""
    out, places, start = bytearray((DLE, SELECT + channel)), [], 0
    for place, condition in marks:
        out += frame(channel, data[start:place])[2:]
        places.append((len(out), condition))
        out.append(data[place])
        start = place + 1
    return bytes(out) + frame(channel, data[start:])[2:], places


class Splitter:
    """Follows one direction of a wire of ``channels``: ``selected``, and ``stopped`` of the other direction."""

    def __init__(self, channels: int) -> None:
        self.channels, self.selected, self.escaped = channels, 0, False
        self.stopped: set[int] = set()

    def take(self, byte: int) -> bool:
        """The next byte of the wire; whether it is a character, that of channel ``selected``."""
        if not self.escaped:
            self.escaped = byte == DLE
            return not self.escaped
        self.escaped = False
        if byte == DLE:
            return True
        if byte - SELECT in range(self.channels):
            self.selected = byte - SELECT
        elif byte - STOP in range(self.channels):
            self.stopped.add(byte - STOP)
        elif byte - GO in range(self.channels):
            self.stopped.discard(byte - GO)
        return False

    def split(self, data: bytes) -> list[tuple[int, bytes]]:
        """Characters of these bytes of the wire, by channel, in order."""
        runs: list[tuple[int, bytearray]] = []
        for byte in data:
            if self.take(byte):
                if not runs or runs[-1][0] != self.selected:
                    runs.append((self.selected, bytearray()))
                runs[-1][1].append(byte)
        return [(channel, bytes(run)) for channel, run in runs]


def host_specs(host: str, channels: list[str]) -> dict[str, str]:
    """``host`` of a shared port, ``NAME=SPEC,NAME=SPEC``, by channel; one that is not named has "none".

    Raises ValueError with what was expected.
    """
    names = "|".join(map(re.escape, channels))
    specs = dict.fromkeys(channels, "none")
    for part in re.split(f",(?=(?:{names})=)", host) if host not in ("", "none") else ():
        name, equals, spec = part.partition("=")
        if not equals or name not in specs:
            raise ValueError(f"host = {host!r}: expected CHANNEL=WHERE, channels are {', '.join(channels)}")
        specs[name] = spec
    return specs
