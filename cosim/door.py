"""Where a ZeroMQ socket is bound, so that as few as possible reach it: a path for this user, a port that can be shut.

libzmq keeps what a connection sends before it has shown its key, up to MAXMSGSIZE of it, and a file descriptor. So once
all are in who belong there, the kernel is told to take no more connections; libzmq itself can't (``unbind`` ends those
there are).
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket as sockets
import struct
from contextlib import suppress
from typing import Any

import zmq

BACKLOG = 100
SO_ATTACH_FILTER = 26  # asm-generic/socket.h
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # linux/filter.h: one instruction, BPF_RET | BPF_K, "take 0 bytes of it"


class Door:
    """Binds a socket at ipc://PATH, mode 0600, or tcp://127.0.0.1:PORT. ``endpoint``: as bound. Raises zmq.ZMQError."""

    def __init__(self, socket: Any, endpoint: str) -> None:
        self._listener: sockets.socket | None = None
        before = os.umask(0o177)
        try:
            if endpoint.startswith("tcp://"):
                self._listener = _listen(endpoint)
                socket.setsockopt(zmq.USE_FD, os.dup(self._listener.fileno()))
                endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
            socket.bind(endpoint)
        finally:
            os.umask(before)
        self.endpoint = str(socket.last_endpoint.decode())

    def shut(self) -> None:
        """Let nobody else connect at a port; those who are connected stay."""
        if self._listener is None:
            return
        code = ctypes.create_string_buffer(DROP_ALL)
        with suppress(OSError):  # a kernel without socket filters: keys decide, as before
            program = struct.pack("HP", 1, ctypes.addressof(code))
            self._listener.setsockopt(sockets.SOL_SOCKET, SO_ATTACH_FILTER, program)
        self._listener.close()
        self._listener = None


def _listen(endpoint: str) -> sockets.socket:
    match = re.fullmatch(r"tcp://127\.0\.0\.1:(\d{1,5}|\*)", endpoint)
    port = int(match[1].replace("*", "0")) if match else -1
    if not 0 <= port < 65536:
        raise zmq.ZMQError(errno.EINVAL, f"Invalid argument (addr={endpoint!r})")
    listener = sockets.socket()
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise zmq.ZMQError(error.errno, f"{error.strerror} (addr={endpoint!r})") from None
    return listener
