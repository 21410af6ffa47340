"""The hypervisor's node: lays the guests out in memory, starts SPUMONE, and is its model or hears its firmware.

``impl = "model"``: ``hypervisor_node.model`` decides and ``hypervisor_node.paths`` says what it costs. ``impl =
"firmware"``: guests/spumone runs on the core itself; here its memory is laid out and what it tells is put into words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cosim.device import Device, DeviceError, QuestionError
from cosim.image import Image, ImageError, check_inside, load_elf, load_raw
from cosim.messages import Body, Directive, Inspect, Trap, Vcpus
from cosim.sh7780 import module_codes
from cosim.state import STATE_SIZE, pack
from cosim.topology import TopologyError, ticks
from hypervisor_node import firmware, layout
from hypervisor_node.model import ENTRIES, Model, Vcpu
from hypervisor_node.serial import VirtualSerial

RESET_SR = 0x700000F0
PIECE = 4 << 20  # bytes of image in one Directive


class Spumone(Device):
    """The hypervisor's control side and, with ``impl = "model"``, its behaviour. ``image``: the firmware, which the
    model takes the loader of for restarts; "" without. ``serial``: channel of the SCIF that guests share by calls, -1
    for none, and its interrupts' level."""

    ROLE = "hypervisor"
    OPTIONS = {"impl": "model", "ceiling": 7, "image": "guest:spumone/spumone.elf", "serial": -1, "serial_level": 8,
               "trespass": "report", "watch_memory": True, "starvation": "10ms"}  # fmt: skip

    def setup(self) -> None:
        impl, ceiling = self.config["impl"], self.config["ceiling"]
        if impl not in ("model", "firmware"):
            raise DeviceError(f'{self.name}: impl = {impl!r}: expected "model" or "firmware"')
        if not 0 <= ceiling <= 14:
            raise DeviceError(f"{self.name}: ceiling = {ceiling}: expected an interrupt level 0..14, 0 is off")
        if self.config["trespass"] not in ("report", "refuse", "off"):
            text = f'trespass = {self.config["trespass"]!r}: expected "report", "refuse" or "off"'
            raise DeviceError(f"{self.name}: {text}")
        try:
            self.starvation = ticks(self.config["starvation"], "starvation")
        except TopologyError as error:
            raise DeviceError(f"{self.name}: {error}") from None
        tables = sorted(self.config.get("guests", {}).items(), key=lambda item: item[1]["priority"])
        if impl == "firmware" and len(tables) > layout.MAX_GUESTS:
            raise DeviceError(f"{self.name}: {len(tables)} guests; the firmware takes {layout.MAX_GUESTS} at most")
        self.guests = [self._guest(k, name, table) for k, (name, table) in enumerate(tables)]
        self.firmware = self._firmware()
        copies = firmware.keep(self.guests) if self.firmware is not None else []
        vcpus = [guest.vcpu for guest in self.guests]
        loader = self.firmware.symbol("spm_loader") if self.firmware is not None else 0
        channel, level = self.config["serial"], self.config["serial_level"]
        if channel not in (-1, 0, 1) or not 1 <= level <= 15:
            raise DeviceError(
                f"{self.name}: serial = {channel}, serial_level = {level}: expected a SCIF channel, 0 or 1 (-1: none), "
                "and an interrupt level 1..15"
            )
        serial = VirtualSerial(channel, level, len(vcpus)) if channel >= 0 else None
        self.model = Model(vcpus, ceiling, loader, self.event, serial)
        rows = [row for guest in self.guests for row in guest.rows] + copies
        if self.firmware is not None:
            rows += self.firmware.segments
            rows.append(firmware.table(self.firmware, self.guests, self.model))
        self.pieces = [(paddr + k, data[k : k + PIECE]) for paddr, data in rows for k in range(0, len(data), PIECE)]
        self.started = False

    def _guest(self, index: int, name: str, table: dict[str, Any]) -> firmware.Placed:
        path, memory = Path(table["image"]), tuple(table["memory"])
        try:
            image = load_elf(path) if table["load"] is None else load_raw(path, table["load"])
            entry = image.start(table["entry"])
            check_inside(image, *memory, name)
        except ImageError as error:
            raise DeviceError(f"{self.name}: {error}") from None
        rows = list(image.segments)
        if table["cmdline"]:
            rows.append((table["cmdline_address"], table["cmdline"].encode() + b"\0"))
        sr = table.get("sr")
        vcpu = Vcpu(
            name, index, table["priority"],
            entry, RESET_SR if sr is None else sr, memory,
            table["fpu"], table.get("mmu", True), table.get("restart", False), tuple(table["lines"]),
        )  # fmt: skip
        return firmware.Placed(vcpu, rows)

    def _firmware(self) -> Image | None:
        path = self.config["image"]
        if self.config["impl"] == "model" and (not path or path.startswith("guest:")):
            return None  # not built: no guest can be started again
        try:
            image = load_elf(Path(path))
            check_inside(image, *firmware.MEMORY, "SPUMONE")
        except ImageError as error:
            raise DeviceError(f"{self.name}: {error}") from None
        return image

    # The CPU node's traps -------------------------------------------------------------------------------

    def extra(self, t: int, body: Body) -> Body | None:
        if isinstance(body, Inspect):
            vcpus = self.model.vcpus
            held = [(code, v.name, v.held[intevt]) for v in vcpus for intevt in v.held for code in module_codes(intevt)]
            return Vcpus([(v.name, pack(v.state), not v.ready) for v in vcpus], held)
        if not isinstance(body, Trap):
            return super().extra(t, body)
        self.now = t
        if body.cause == "start":
            return self._start(body.number)
        if not self.started:
            text = f"{self.name}: a {body.cause} trap at tick {t} before the guests were started"
            raise QuestionError("question-kind", text)
        if body.cause == "report" and len(body.words) != 4:
            text = f"{self.name}: a report of {len(body.words)} words; expected 4"
            raise QuestionError("question-data", text)
        if body.cause != "report" and len(body.state) != STATE_SIZE:
            text = f"{self.name}: a {body.cause} trap with a state of {len(body.state)} bytes; expected {STATE_SIZE}"
            raise QuestionError("question-data", text)
        if body.cause == "report":
            return Directive(0, "", report=firmware.said([guest.vcpu.name for guest in self.guests], body.words))
        d = self.model.trap(t, body)
        if body.cause == "call" and body.number == ENTRIES.index("route"):
            d.owners = self._owners()
        return d

    def _start(self, piece: int) -> Directive:
        if piece < len(self.pieces):
            return Directive(0, "", more=True, loads=[self.pieces[piece]], charge_path="start")
        self.pieces, self.started = [], True
        if self.config["impl"] == "firmware":
            assert self.firmware is not None
            d = Directive(0, "", labels=firmware.labels(self.firmware),
                          pointers=firmware.pointers(self.firmware, self.guests))  # fmt: skip
        else:
            d = self.model.start()
        d.partitions = [(v.name, v.memory[0], sum(v.memory) - 1) for v in self.model.vcpus]
        d.owners, d.code = self._owners(), firmware.code(self.firmware) if self.firmware is not None else []
        d.trespass, d.watch_memory = self.config["trespass"], self.config["watch_memory"]
        d.starvation = self.starvation
        for unit in ("fpu", "mmu"):
            has = [v for v in self.model.vcpus if getattr(v, unit)]
            d.without += [(v.name, unit) for v in self.model.vcpus if has and v not in has]
        return d

    def _owners(self) -> list[tuple[int, str]]:
        return sorted((code, vcpu.name) for code, vcpu in self.model.owner.items())

    # Digest and report -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        model = self.model
        # Of the running one, the CPU node has the registers in its digest, and whether it waits by a leased answer.
        rows = []
        for v in model.vcpus:
            kept = [v.waiting, v.bare, pack(v.state)] if v is not model.running else []
            rows.append([v.name, v.base, v.stopped, v.dead, sorted(v.held.items()), kept])
        units = [owner.name if owner else "" for owner in (model.fpu_owner, model.mmu_owner, model.fpscr_lost)]
        owners = sorted((code, vcpu.name) for code, vcpu in model.owner.items())
        masked, running = sorted(model.masked.items()), model.running.name if model.running else ""
        serial = model.serial.state() if model.serial else []
        return {"vcpus": rows, "owners": owners, "masked": masked, "running": running, "units": units, "serial": serial}

    def info(self) -> dict[str, Any]:
        return {} if self.config["impl"] == "firmware" else {"switches": self.model.switches, "held": self.model.held}
