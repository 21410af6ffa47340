"""What a command says when it ends early: exit code, one line of text, and last words, from the exception."""

from __future__ import annotations

import errno
import resource
import traceback
from typing import Any

from cosim.topology import TopologyError
from launch.record import CheckFailed, RecordError
from launch.stop import Terminated
from launch.supervise import NodeFailure

OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


def failure(command: str, error: BaseException) -> dict[str, Any]:
    """The JSON object of a command that ended early: schema, ok, exit, error, node, and last_words where there are."""
    code, words = 3, ""
    if isinstance(error, TopologyError):
        code = 2
    elif isinstance(error, (RecordError, NodeFailure, CheckFailed, Terminated)):
        code, words = error.code, getattr(error, "words", "")
    elif not isinstance(error, KeyboardInterrupt) and getattr(error, "errno", 0) not in OUT_OF_FILES:
        words = "".join(traceback.format_exception(error))
    text = f"{error}"
    if isinstance(error, KeyboardInterrupt):
        code, text = 130, "stopped by Ctrl-C"
    elif getattr(error, "errno", 0) in OUT_OF_FILES:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        text = f"no more files or sockets can be opened, this process may have {most}: raise the limit (ulimit -Hn)"
    elif words and not isinstance(error, NodeFailure):
        text = f"internal error, please report it: {type(error).__name__}: {error}"
    text = "; ".join(" ".join(part.split()) for part in (text, *getattr(error, "__notes__", ())))
    node = error.node if isinstance(error, NodeFailure) else None
    result = {"schema": f"cosim.{command}/1", "ok": False, "exit": code, "error": text, "node": node}
    return {**result, "last_words": words} if words else result
