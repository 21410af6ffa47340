"""Where component classes are found: the one registry that lets nodes be started by role or placed inproc."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from cosim.inputs import near

# role -> module:class. Modules are imported only when a component is made.
ROLES: dict[str, str] = {
    "cpu": "cpu_node.node:CpuNode",
    "hypervisor": "hypervisor_node.spumone:Spumone",
    "intc": "device_nodes.intc:Intc",
    "tmu": "device_nodes.tmu:Tmu",
    "scif": "device_nodes.scif:Scif",
    "cpg": "device_nodes.cpg:Cpg",
    "bsc": "device_nodes.bsc:Bsc",
    "device": "cosim.device:Device",  # somebody's own: its component says which
}


def component_class(role: str, component: str = "") -> Any:
    """The class of a role, or of ``component = "module:Class"``, somebody's own, found from the current folder too.

    Raises KeyError for an unknown role, ImportError or AttributeError for a component that is not there.
    """
    if role not in ROLES:
        raise KeyError(f"no role {role!r}: known are {', '.join(sorted(ROLES))}{near(role, list(ROLES))}")
    if component and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    module, _, name = (component or ROLES[role]).partition(":")
    return getattr(importlib.import_module(module), name)
