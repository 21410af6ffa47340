"""The SH-4A CPU: two cores with one interface, and the node that runs one of them in lockstep."""

from __future__ import annotations

from typing import Any


class CoreError(Exception):
    """A core that cannot be made; the text says what to do."""


def make_core(kind: str = "native", ram: tuple[int, int] = (0x08000000, 0x08000000)) -> Any:
    """A core with RAM at physical ``ram = (base, size)``. kind: "native" (C) or "python".

    Raises CoreError for an unknown kind or a native core that is not built.
    """
    from cpu_node.profile import Profile

    core: Any
    if kind == "native":
        try:
            from cpu_node._native import Core as Native
        except ImportError as error:
            raise CoreError(
                f"the native core is not built ({error}): run `pip install -e .` in the project, "
                'or choose core = "python"'
            ) from None
        core = Native(*ram)
    elif kind == "python":
        from cpu_node.python_core import Core as Reference

        core = Reference(*ram)
    else:
        raise CoreError(f'no core {kind!r}: cores are "native" and "python"')
    core.profile = Profile(core)
    return core
