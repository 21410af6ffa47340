"""What is typed on a port comes in no faster than the guest takes it: whoever types or pastes more has to wait.

Bytes that a host has read go to the launcher, which has the CPU node give them ticks, and come back to the device as
its input. Until the last ones have come back no more are read. Nor is a console read while WINDOW of its characters
wait for their tick or for their guest. So a paste takes no memory, and nothing of it is lost: it stays with its sender.
"""

from __future__ import annotations

from cosim.device import Device, Host

WINDOW = 4096  # characters, a third of a second at 115,200 bit/s


class Intake:
    """Between the host side of a device and the launcher."""

    def __init__(self, device: Device, host: Host) -> None:
        self.device, self.host = device, host
        self.due = 0  # Device.inputs when all that was read has come back
        self.held: list[bool] = []

    def look(self) -> None:
        """Choose which consoles are read; to be called when the device has moved on."""
        away = self.device.inputs < self.due
        held = [away or count >= WINDOW for count in self.device.waiting()]
        if held != self.held:
            self.held = held
            self.host.hold(held)

    def read(self) -> bytes:
        """Bytes for the launcher."""
        self.look()
        typed = self.host.read()
        if typed:
            self.due = self.device.inputs + len(typed)
            self.look()
        return typed
