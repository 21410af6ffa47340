"""``cosim --version``: the versions of what a run depends on."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from typing import Any

import zmq

from cosim import VERSION
from cosim.messages import PROTOCOL, STATE_SCHEMA
from cosim.placement import ROLES

CPU = ROLES["cpu"].partition(".")[0]  # package of the CPU node


def versions() -> list[tuple[str, str]]:
    """(what, which) of each."""
    return [
        ("cosim", VERSION),
        ("protocol", f"{PROTOCOL}, state schema {STATE_SCHEMA}"),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("libzmq", f"{zmq.zmq_version()}, pyzmq {zmq.__version__}"),
        ("native core:", native_core() or "not built"),
        ("generated code:", generated_code()),
    ]


def native_core() -> str:
    """Where the native core's module lies; "" where it is not built."""
    spec = importlib.util.find_spec(CPU + "._native")
    return str(spec.origin) if spec is not None else ""


def generated_code() -> str:
    """For which processor the native core generates code, or why it does not."""
    if not native_core():
        return "none, the native core is not built"
    core: Any = importlib.import_module(CPU + "._native").Core(0x08000000, 0x1000)
    return "x86-64" if core.generates else "none for this host: all is interpreted, many times slower"
