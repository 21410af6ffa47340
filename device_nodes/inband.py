"""What a host can say beside bytes: telnet's commands on a tcp port, and the coding of termios' PARMRK on any port.

Both are followed byte by byte, so a sequence may come in parts. ``take`` gives the bytes that are typed and marks of
those that are a break or come with an error (cosim/typed.py).
"""

from __future__ import annotations

from cosim.typed import BREAK, PARITY

Typed = tuple[bytes, list[tuple[int, int]]]


class Plain:
    """A host's bytes as they are; the base of all codings. ``replies`` are bytes for the client."""

    def __init__(self) -> None:
        self.replies = bytearray()

    def take(self, data: bytes) -> Typed:
        """What a host's bytes type."""
        return data, []

    def sent(self, data: bytes) -> bytes:
        """What the guest sent, as it goes to the client."""
        return data

    def sent_break(self) -> bytes:
        """A break by the guest, for the client; b"" where there is no way to tell it."""
        return b""


class Parmrk(Plain):
    """Bytes as a terminal with PARMRK gives them to a program: FF 00 00 is a break, FF 00 X the byte X with an error
    (a parity error here), FF FF the byte FF. Anything else behind an FF leaves both bytes as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.held = b""  # begin of a sequence

    def take(self, data: bytes) -> Typed:
        typed, marks = bytearray(), []
        for byte in data:
            self.held += bytes((byte,))
            if self.held in (b"\xff", b"\xff\x00"):
                continue
            if len(self.held) == 3:
                marks.append((len(typed), PARITY if byte else BREAK))
                typed.append(byte)
            else:
                typed += b"\xff" if self.held == b"\xff\xff" else self.held
            self.held = b""
        return bytes(typed), marks


EOF, SUSP, ABORT, SE, BRK, IP, AYT, EC, EL, SB, WILL, WONT, DO, DONT, IAC = (
    *(236, 237, 238, 240, 243, 244, 246, 247, 248, 250, 251, 252, 253, 254, 255),
)
BINARY, ECHO, GO_AHEAD = 0, 1, 3
OURS, THEIRS = {BINARY, ECHO, GO_AHEAD}, {BINARY, GO_AHEAD}  # options that we do, and that the client may
KEYS = {IP: b"\x03", EOF: b"\x04", EL: b"\x15", SUSP: b"\x1a", ABORT: b"\x1c", EC: b"\x7f"}  # what types these


class Telnet(Plain):
    """RFC 854, for a client that may or may not speak it.

    Typed as telnet has it: IAC BRK is a break, IAC IAC the byte FF. An IAC before a byte that is no command leaves both
    bytes, so who speaks no telnet types FF twice only before a byte of EC and above. From a client's first command on
    (``speaks``) FF is sent to it twice, its line ends CR NUL and CR LF are a CR unless it sends binary, and it is
    offered an echo and to send each key at once. Until then nothing is sent that is not the guest's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.speaks = False
        self.follow = self._data  # what takes the next byte
        self.typed, self.marks = bytearray(), list[tuple[int, int]]()
        self.command = 0
        self.after_cr = False
        self.ours: set[int] = set()  # options that are on at our end
        self.theirs: set[int] = set()

    def take(self, data: bytes) -> Typed:
        self.typed, self.marks = bytearray(), []
        for byte in data:
            self.follow(byte)
        return bytes(self.typed), self.marks

    def _data(self, byte: int) -> None:
        if byte == IAC:
            self.follow = self._command
        else:
            self._character(byte)

    def _character(self, byte: int) -> None:
        if not (self.after_cr and byte in b"\n\0"):
            self.typed.append(byte)
        self.after_cr = byte == 0x0D and self.speaks and BINARY not in self.theirs

    def _command(self, byte: int) -> None:
        self.follow = self._data
        if byte == IAC:
            self._character(IAC)
            return
        if byte < EOF:
            self.typed += bytes((IAC, byte))
            return
        self._spoke()
        if byte == SB:
            self.follow = self._within
        elif byte >= WILL:
            self.command, self.follow = byte, self._option
        elif byte == BRK:
            self.marks.append((len(self.typed), BREAK))
            self.typed.append(0)
        elif byte == AYT:
            self.replies += b"\r\n[yes]\r\n"
        else:
            self.typed += KEYS.get(byte, b"")

    def _within(self, byte: int) -> None:
        """Within a subnegotiation, which is of no interest."""
        if byte == IAC:
            self.follow = self._within_command

    def _within_command(self, byte: int) -> None:
        self.follow = self._data if byte == SE else self._within

    def _option(self, option: int) -> None:
        """Answer what changes something, and nothing else: two that confirm each other would never end."""
        self.follow = self._data
        wanted, of_ours = self.command in (DO, WILL), self.command in (DO, DONT)
        can, on = (OURS, self.ours) if of_ours else (THEIRS, self.theirs)
        yes, no = (WILL, WONT) if of_ours else (DO, DONT)
        if wanted == (option in on):
            return
        if wanted and option in can:
            on.add(option)
            self._say(yes, option)
        else:
            on.discard(option)
            self._say(no, option)

    def _spoke(self) -> None:
        if not self.speaks:
            self.speaks = True
            self.ours |= {ECHO, GO_AHEAD}
            self._say(WILL, ECHO)
            self._say(WILL, GO_AHEAD)

    def _say(self, command: int, option: int) -> None:
        self.replies += bytes((IAC, command, option))

    def sent(self, data: bytes) -> bytes:
        return data.replace(b"\xff", b"\xff\xff") if self.speaks else data

    def sent_break(self) -> bytes:
        return bytes((IAC, BRK)) if self.speaks else b""
