"""What a person sees of a run: a live screen on a terminal, else console lines and one status line a second."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cosim import TICK_HZ
from cosim.topology import Topology
from launch.record import Record
from launch.session import Session, Watcher
from launch.terminal import SafeConsole, console_line, label, safe, show, tell

LONGEST = 4096  # bytes of a line in one piece
REFRESH = 0.25  # seconds between drawings, and between questions to the CPU node


def make_monitor(topology: Topology, record: Record, plain: bool, quiet_stdout: bool) -> Monitor:
    """The live screen where standard error is a terminal that no serial port has, and ``plain`` is not asked for."""
    if sys.stderr.isatty() and not plain and not topology.stdio() and os.environ.get("TERM") != "dumb":
        return Screen(topology, record)
    return Plain(topology, record, sys.stderr if quiet_stdout else sys.stdout)


class Monitor(Watcher):
    """Keeps the figures of the run up to date, asks for new ones, and records the consoles."""

    def __init__(self, topology: Topology, record: Record) -> None:
        self.topology, self.record = topology, record
        self.partial = {port: b"" for port in topology.ports()}  # the line that has not ended
        self.figures: dict[str, Any] = {}
        self.rates: dict[str, float] = {}
        self.title = ""
        self.speed = self.mips = 0.0
        self._asked = False
        self._before: tuple[float, dict[str, Any]] | None = None
        self._drawn = time.monotonic()
        self._expected = {row.text.encode(): row.why for guest in topology.guests.values() for row in guest.expected}

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def output(self, port: str, data: bytes) -> None:
        """Record console bytes and show them."""
        self.record.output(port, data)

    def lines_of(self, port: str, data: bytes) -> list[bytes]:
        """Lines that end with these bytes; one that does not end comes in pieces."""
        *lines, rest = (self.partial[port] + data).split(b"\n")
        while len(rest) > LONGEST:
            lines.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        self.partial[port] = rest
        return lines

    def recorded(self, tick: int, syncs: list[tuple[int, str]], journal: list[tuple[int, str, int]]) -> None:
        """Record journal and digests."""
        self.record.rows(tick, syncs, journal)

    def explain(self, lines: list[bytes]) -> None:
        """Tell why a guest says what looks like an error and is none; each text of the topology once."""
        for line in lines:
            for text in [text for text in self._expected if text in line]:
                self.note(f"{text.decode()!r} is no error: {self._expected.pop(text)}")

    def waiting(self, session: Session) -> None:
        """Ask the CPU node for figures now and then."""
        now = time.monotonic()
        if not session.running or now - self._drawn < REFRESH:
            return
        self._drawn = now
        if not self._asked:
            self._asked = True
            session.ask("report", then=lambda figures: self._take(session, figures))

    def _take(self, session: Session, figures: dict[str, Any]) -> None:
        self._asked = False
        now = time.monotonic()
        if self._before is not None and now > self._before[0]:
            then, old = self._before
            self.speed = (figures["ticks"] - old["ticks"]) / TICK_HZ / (now - then)
            self.mips = (figures["instructions"] - old["instructions"]) / 1e6 / (now - then)
            self.rates = {n: (m - old["messages"].get(n, 0)) / (now - then) for n, m in figures["messages"].items()}
        self._before = (now, figures)
        self.figures = figures
        self.draw(session)

    def draw(self, session: Session) -> None:
        """Show the figures."""


class Plain(Monitor):
    """Console lines as they are complete, with the port's name, and one status line a second on stderr."""

    def __init__(self, topology: Topology, record: Record, consoles: TextIO) -> None:
        super().__init__(topology, record)
        self.consoles = consoles
        self.shown = set(topology.ports()) - set(topology.stdio())
        self._status = time.monotonic()

    def __exit__(self, *_: object) -> None:
        for port, rest in self.partial.items():
            if rest:
                self._line(port, rest)

    def output(self, port: str, data: bytes) -> None:
        super().output(port, data)
        lines = self.lines_of(port, data)
        for line in lines:
            self._line(port, line)
        self.explain(lines)

    def _line(self, port: str, line: bytes) -> None:
        if port in self.shown:
            show(f"{port}| {console_line(line)}", self.consoles)

    def note(self, text: str) -> None:
        tell(f"cosim: {text}")

    def draw(self, session: Session) -> None:
        now = time.monotonic()
        if now - self._status < 1:
            return
        self._status = now
        f = self.figures
        tell(f"cosim: {status(f, self.speed, self.mips)}")


def status(figures: dict[str, Any], speed: float, mips: float) -> str:
    """One line: virtual time, speed, interrupts, latency so far."""
    parts = [f"t={figures['ticks'] / TICK_HZ:.3f} s", f"{speed:.2f} x real time", f"{mips:.0f} MIPS"]
    parts.append(f"{figures['round_trips']} round trips")
    for row in figures["latency"]:
        if row["samples"]:
            parts.append(f"{row['line']}: {row['samples']} samples, avg {row['avg']:.1f}, max {row['max']} ticks")
    missed = sum(row["misses"] for row in figures["deadlines"] if row["activations"])
    if figures["deadlines"]:
        parts.append(f"{missed} deadlines missed")
    return ", ".join(parts)


class Screen(Monitor):
    """The live screen: nodes, vCPUs, interrupts, latency, consoles."""

    def __init__(self, topology: Topology, record: Record) -> None:
        super().__init__(topology, record)
        self.console = SafeConsole(stderr=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=False)
        self.lines: dict[str, deque[str]] = {port: deque(maxlen=200) for port in topology.ports()}
        self.cpu_before: dict[str, tuple[float, float]] = {}
        self.waited: dict[str, float] = {}

    def __enter__(self) -> Screen:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def output(self, port: str, data: bytes) -> None:
        super().output(port, data)
        lines = self.lines_of(port, data)
        self.lines[port].extend(console_line(line) for line in lines)
        self.explain(lines)

    def note(self, text: str) -> None:
        self.console.print(safe(f"cosim: {text}"), soft_wrap=True)

    def draw(self, session: Session) -> None:
        layout = Layout()
        head = Text(
            safe(f"cosim {self.title or self.topology.path}   {status(self.figures, self.speed, self.mips)}"),
            style="bold",
        )
        layout.split_column(Layout(head, size=1), Layout(name="tables", size=13), Layout(name="consoles"))
        layout["tables"].split_row(Layout(self._nodes(session)), Layout(self._machine()))
        height = max(4, self.console.height - 16)
        panels = []
        for port, lines in self.lines.items():
            shown = [*list(lines)[-height:], console_line(self.partial[port])][-height:]
            panels.append(Layout(Panel(Text("\n".join(shown), no_wrap=True), title=label(port), title_align="left")))
        if panels:
            layout["consoles"].split_row(*panels)
        self.live.update(layout, refresh=True)

    def finished(self, session: Session, figures: dict[str, Any]) -> None:
        self.figures = figures
        self.draw(session)

    def _nodes(self, session: Session) -> Table:
        table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False)
        for column in ("node", "pid", "CPU %", "MB", "messages/s", "clock %"):
            table.add_column(column, justify="left" if column == "node" else "right", no_wrap=True)
        now = time.monotonic()
        waited = self.figures.get("waited", {})
        grown = {name: seconds - self.waited.get(name, 0.0) for name, seconds in waited.items()}
        self.waited = dict(waited)
        for name, child in session.supervisor.children.items():
            used = child.cpu_seconds()
            then, before = self.cpu_before.get(name, (now - 1, used))
            self.cpu_before[name] = (now, used)
            percent = 100 * (used - before) / max(now - then, 1e-3)
            # The clock is the CPU node's but for the time it waits for a target's answer.
            share = grown.get(name, 0.0) if name != session.cpu else max(0.0, now - then - sum(grown.values()))
            rate = self.rates.get(name, sum(self.rates.values()) if name == session.cpu else 0)
            clock = 100 * share / max(now - then, 1e-3)
            table.add_row(
                safe(name), str(child.pid), f"{percent:.0f}", f"{child.rss() / 1e6:.0f}", f"{rate:.0f}", f"{clock:.0f}"
            )
        return table

    def _machine(self) -> Group:
        vcpus = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False)
        for column in ("vCPU", "time %", "asleep %", "switches", "interrupts"):
            vcpus.add_column(column, justify="left" if column == "vCPU" else "right", no_wrap=True)
        total = max(1, self.figures["ticks"])
        for name, row in self.figures["vcpus"].items():
            if row["ticks"]:
                share, asleep = 100 * row["ticks"] / total, 100 * row["idle"] / max(1, row["ticks"])
                vcpus.add_row(safe(name), f"{share:.2f}", f"{asleep:.0f}", str(row["switches"]), str(row["interrupts"]))
        lines = ", ".join(f"{line} {n}" for line, n in sorted(self.figures["interrupts"].items()))
        return Group(vcpus, label(f"interrupts: {lines or 'none'}"))
