"""``cosim run``: one machine until a time, a line on a console, or Ctrl-C."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

from cosim import NEVER, TICK_HZ
from cosim.image import ImageError, load_elf
from cosim.topology import Topology, TopologyError, load, ticks
from launch import profile, stop
from launch.failure import failure
from launch.images import images, shown
from launch.monitor import make_monitor
from launch.record import Record, check_json, write_json
from launch.session import Session
from launch.terminal import tell

EXIT = {"until": 0, "match": 0, "guest": 1, "stalled": 4}


def run(args: argparse.Namespace) -> int:
    """Run, show, record and report; returns the exit code."""
    topology = load(args.topology, [*args.sets, *(["run.check_leases=true"] if args.check else [])])
    until = NEVER if args.until is None else ticks(args.until, "--until")
    armed = parse_until_line(args.until_line, topology)
    check_json(args.json)
    with Record(args.record, list(topology.ports())) as record:
        try:
            result = _run(args, topology, until, armed, record)
        except BaseException as error:
            record.failed(failure("run", error))
            raise
    write_json(args.json, result)
    if args.profile:
        profile.show(result["profile"])
    for line in result["reports"]:
        tell(f"cosim: {line}")
    tell(f"cosim: images: {shown(result['images'])}")
    hows = {"until": "reached", "match": "line seen", "guest": "guest failed", "stalled": "stalled"}
    how = hows.get(result["reason"]) or result["error"]
    detail = f", {result['detail']}" if result["detail"] else ""
    log = f"; log {record.folder}" if record.folder else ""
    tell(
        f"cosim: {how} at {result['sim_s']:.6f} s (tick {result['ticks']}), wall {result['wall_s']:.2f} s, "
        f"{result['round_trips']} round trips, digest {result['digest'][:16]}{detail}{log}"
    )
    return int(result["exit"])


def _run(args: argparse.Namespace, topology: Topology, until: int, armed: tuple[str, str] | None,
         record: Record) -> dict[str, Any]:  # fmt: skip
    """Run to the end; the ``cosim.run/1`` object."""
    monitor = make_monitor(topology, record, args.plain, quiet_stdout=args.json == "-")
    stdout = 2 if args.json == "-" else 1
    with monitor, Session(topology, monitor, is_interactive(topology), stdout) as session:
        began = time.monotonic()
        session.start()
        record.begin()
        if args.record:
            session.supervisor.guard.complete(args.record)
        started = time.monotonic()
        with stop.gently():
            observe(session)
            if args.profile:
                session.command("profile")
            if armed:
                session.arm(*armed)
            paused = session.go(until, bool(armed))
            wall = time.monotonic() - started
            code, detail = EXIT.get(paused.reason, 128 + stop.asked()), paused.detail
            if armed and paused.reason == "until":
                code, detail = 1, f"{args.until_line!r} did not appear within {args.until}"
            figures = session.finish()
            if figures["faults"]:
                code, detail = 3, "; ".join(figures["faults"])
            result = report(session, figures, code)
            result.update(wall_s=round(wall, 3), start_s=round(started - began, 3), reason=paused.reason, detail=detail)
            if paused.reason == "stopped":
                result["error"] = stop.stopped_by(stop.asked())
            if args.profile:
                result["profile"] = figures["profile"]
            result["images"] = images(session)
            result["ports"] = {port: path and str(path) for port, path in record.paths.items()}
            result["complete_ticks"] = record.complete
            record.end(result)
    return result


def parse_until_line(text: str | None, topology: Topology) -> tuple[str, str] | None:
    """(port, pattern) of --until-line, checked. Raises TopologyError."""
    if text is None:
        return None
    port, colon, pattern = text.partition(":")
    ports = topology.ports()
    if not colon or port not in ports:
        raise TopologyError(f"--until-line {text}: expected PORT:REGEX with PORT one of {', '.join(ports)}")
    try:
        re.compile(pattern.encode())
    except re.error as error:
        raise TopologyError(f"--until-line {text}: no regular expression: {error}") from None
    return port, pattern


def is_interactive(topology: Topology) -> bool:
    """Whether somebody may type on a port: then the CPU never runs further than a quantum without looking."""
    return any(host != "none" and not host.startswith("file:") for host in topology.hosts().values())


def symbol_address(session: Session, guest: str, symbol: str) -> int:
    """Address of a guest's symbol. Raises TopologyError."""
    try:
        return load_elf(Path(session.guests[guest]["image"])).symbol(symbol)
    except ImageError as error:
        raise TopologyError(f"[guests.{guest}]: {error}") from None


def observe(session: Session, **options: Any) -> None:
    """Ask the CPU node to watch the deadlines and latencies that the topology names.

    ``options``: of the observer of a latency: ``keep``, that every sample is kept, or the symbols that it needs to say
    where the ticks of each went (cpu_node.attribution.Attributed).
    """
    kind = "attributed" if "symbols" in options else "latency"
    for name, guest in session.topology.guests.items():
        for deadline in guest.deadlines:
            pc = symbol_address(session, name, deadline.symbol)
            period = ticks(deadline.period)
            session.command("observe", kind="deadline", guest=name, symbol=deadline.symbol, pc=pc, period=period)
        for row in guest.latency:
            pc = symbol_address(session, name, row.symbol)
            session.command("observe", kind=kind, line=row.line, pc=pc, symbol=row.symbol, **options)


def report(session: Session, figures: dict[str, Any], code: int) -> dict[str, Any]:
    """The ``cosim.run/1`` object."""
    topology = session.topology
    nodes = []
    for name, child in session.supervisor.children.items():
        node = topology.nodes[name]
        messages = figures["messages"].get(name, sum(figures["messages"].values()) if name == session.cpu else 0)
        nodes.append(
            {
                "name": name,
                "role": node["role"],
                "impl": node.get("impl") or node.get("core") or node["component"] or "python",
                "pid": child.pid,
                "cpu_s": round(child.cpu_seconds(), 3),
                "rss_bytes": child.rss(),
                "messages": messages,
            }
        )
    priorities = {name: guest.priority for name, guest in topology.guests.items()}
    vcpus = [
        {"name": name, "priority": priorities.get(name), **row}
        for name, row in figures["vcpus"].items()
        if name in priorities or name == "SPUMONE"
    ]
    keys = ("instructions", "skipped", "round_trips", "round_trips_by_target", "posted_writes", "leased_reads",
            "digest", "deadlines", "latency", "interrupts", "charges", "reports", "unmapped", "trespasses",
            "starvation")  # fmt: skip
    return {
        "schema": "cosim.run/1",
        "ok": code == 0,
        "exit": code,
        "ticks": figures["ticks"],
        "sim_s": figures["ticks"] / TICK_HZ,
        **{key: figures[key] for key in keys},
        "nodes": nodes,
        "vcpus": vcpus,
        "info": figures["info"],
    }
