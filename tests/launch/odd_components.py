"""Components whose figures, state, registers or lines are wrong: each is to be named, none to pass in silence."""

from __future__ import annotations

from typing import Any, ClassVar

from cosim.device import Device
from cosim.messages import LeaseRow
from cosim.registers import Register
from device_nodes.scif import TDFE, Scif

AT = 0xFF900000


class Odd(Device):
    """One register, which nobody uses."""

    ROLE = "device"
    INFO: ClassVar[Any] = {}

    def setup(self) -> None:
        self.registers = (Register("ODD", AT, 4, 0, 0xFFFFFFFF, "odd"),)
        self.regions = [(AT, AT + 3)]

    def info(self) -> Any:
        return self.INFO


class BytesValue(Odd):
    INFO = {"last": b"\x01\x02"}


class BytesKey(Odd):
    INFO = {b"last": 1}


class IntKey(Odd):
    INFO = {1: 2}


class Nan(Odd):
    INFO = {"mean": float("nan")}


class Objects(Odd):
    INFO = {"rows": [1, {object}]}


class NoDict(Odd):
    INFO = 3


class Address(Odd):
    """repr(object()) has an address in it."""

    def state(self) -> dict[str, Any]:
        return {"object": object()}


class LateAddress(Odd):
    """Only at the end."""

    def state(self) -> dict[str, Any]:
        return {"set": {1, 2} if self.now else 0}


class NoSource(Odd):
    def setup(self) -> None:
        super().setup()
        self.line_names = ("TUNI9",)


class InRam(Odd):
    def setup(self) -> None:
        super().setup()
        self.regions = [(0x08000000, 0x08000FFF)]


class AtTheCore(Odd):
    def setup(self) -> None:
        super().setup()
        self.regions = [(0xFEFFFF00, 0xFF000003)]


class StuckFlag(Scif):
    """Its lease says that the transmit FIFO never takes more."""

    def leases(self) -> list[LeaseRow]:
        rows = super().leases()
        return [(a, n, e, [(t, v & ~TDFE, k, s) for t, v, k, s in segments]) for a, n, e, segments in rows]
