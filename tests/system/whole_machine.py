"""A whole machine for the tests: run by the launcher as processes or inproc, or in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cosim.messages import Start
from cosim.topology import load, ticks
from cpu_node.machine import Machine
from cpu_node.node import CpuNode
from launch.run import observe
from launch.session import Session, Watcher, firmware, resolve

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SPUMONE, RTOS = EXAMPLES / "spumone.toml", EXAMPLES / "rtos.toml"
PROMPT = r"^guest\$ "


class Consoles(Watcher):
    """Keeps what the ports sent, and what a record would hold."""

    def __init__(self) -> None:
        self.text: dict[str, bytes] = {}
        self.syncs: list[tuple[int, str]] = []
        self.journal: list[tuple[int, str, int]] = []

    def recorded(self, tick: int, syncs: list[tuple[int, str]], journal: list[tuple[int, str, int]]) -> None:
        self.syncs += syncs
        self.journal += journal

    def output(self, port: str, data: bytes) -> None:
        self.text[port] = self.text.get(port, b"") + data


def run(topology: Path, *sets: str, until: str = "20s", prompt: bool = False) -> dict[str, Any]:
    """Figures of a run to a time, or to Linux's prompt; with ``syncs`` and ``consoles``."""
    consoles = Consoles()
    with Session(load(topology, list(sets)), consoles) as session:
        session.start()
        observe(session)
        if prompt:
            session.arm("linux", PROMPT)
        paused = session.go(ticks(until), armed=prompt)
        assert paused.reason == ("match" if prompt else "until"), paused
        return {**session.finish(), "syncs": consoles.syncs, "consoles": consoles.text}


class NoLauncher:
    """The CPU node's link to a launcher that never says anything."""

    def beat(self, t: int = 0) -> None:
        pass

    def receive(self, timeout_ms: int = 0) -> None:
        return None

    def send(self, body: Any, t: int = 0) -> None:
        pass

    def note(self, text: str, t: int = 0) -> None:
        pass


def machine(path: Path, *sets: str) -> Machine:
    """The machine of a topology in this process, standing at tick 0; targets are called directly."""
    topology = load(path, list(sets))
    guests = {name: resolve(topology, name) for name in topology.guests}
    hypervisor = topology.node_of_role("hypervisor")
    rows, cpu = [], {}
    for name, node in topology.nodes.items():
        config = {key: value for key, value in node.items() if key not in ("role", "placement", "component")}
        if node["role"] == "cpu":
            cpu = {**config, "ram": topology.machine.ram, "leases": topology.run.leases, "quantum": 0,
                   "guests": {} if hypervisor else guests}  # fmt: skip
            continue
        if name == hypervisor:
            config["guests"] = guests
            config["image"] = firmware(topology, node)
        rows.append({"name": name, "role": node["role"], "component": node["component"], "config": config})
    node = CpuNode("cpu", cpu)
    node.link = NoLauncher()  # type: ignore[assignment]
    node._record = lambda: None  # type: ignore[method-assign]  # tests read the rows in the machine
    node._start(Start(rows), None)
    return node.machine  # type: ignore[no-any-return]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that keep every CPU busy."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


CORES = os.cpu_count() or 1
