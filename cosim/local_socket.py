"""Unix sockets at a path, which only this user can reach."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

LONGEST = 107  # bytes of a path that the system takes


class LocalSocketError(Exception):
    """A path at which nobody can be waited for; the text says why and what to do."""


def check_free(path: str) -> None:
    """Raises LocalSocketError for a path that is too long, at which something else is, or somebody waits.

    A socket that nobody waits at any more, left by a run that was killed, counts as free.
    """
    length = len(os.fsencode(path))
    if not 0 < length <= LONGEST:
        raise LocalSocketError(f"this path has {length} bytes; expected 1 to {LONGEST}")
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise LocalSocketError(f"{getattr(error, 'strerror', error)}; choose another") from None
    if not stat.S_ISSOCK(mode):
        raise LocalSocketError("this path exists and is no socket; choose another")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(path) == 0:
            raise LocalSocketError("this path is in use; choose another")


def listen(path: str) -> socket.socket:
    """A socket of mode 0600 that waits at a path. Raises LocalSocketError."""
    check_free(path)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with suppress(FileNotFoundError):
            os.unlink(path)
        listener.bind(path)
        listener.listen(4)
    except OSError as error:
        listener.close()
        raise LocalSocketError(f"cannot listen: {error.strerror}") from None
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def close(listener: socket.socket) -> None:
    """Close a listener; the path of a Unix socket goes with it."""
    if listener.family == socket.AF_UNIX:
        with suppress(OSError):
            os.unlink(listener.getsockname())
    listener.close()
