"""The Python SH-4A core, the readable reference; interface as the native core's."""

from cpu_node.python_core.core import Core

__all__ = ["Core"]
