"""Ends what a launcher leaves behind: waits for its pipe to close, then ends its nodes and removes its sockets.

    python -I guard.py FOLDER       standard input: one pid a line

Started by the launcher in a session of its own, so Ctrl-C does not reach it; it works after kill -9 too. A pid
is held as a pidfd from the moment it is told, so no other process can be hit.
"""

import os
import shutil
import signal
import sys


def main(folder: str) -> None:
    """Read pids until the pipe closes, then end those still alive and remove ``folder``."""
    held = []
    for line in sys.stdin:
        try:
            held.append(os.pidfd_open(int(line)))
        except OSError:
            pass  # it has ended already
    for process in held:
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except OSError:
            pass
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1])
