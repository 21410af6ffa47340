"""``cosim swap``: the same machine twice, one node changed, in step; the first differing sync is named."""

from __future__ import annotations

import argparse

from cosim import TICK_HZ
from cosim.topology import change, check, load, read, ticks
from launch.record import write_json
from launch.run import observe
from launch.session import Session, Watcher
from launch.terminal import tell

SYNC = 4_000_000  # ticks: the grid of running digests


class Syncs(Watcher):
    """Running digests since the last look."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []

    def recorded(self, tick: int, syncs: list[tuple[int, str]], journal: list[tuple[int, str, int]]) -> None:
        self.rows += syncs

    def take(self) -> list[tuple[int, str]]:
        """Rows since the last call."""
        rows, self.rows = self.rows, []
        return rows


def swap(args: argparse.Namespace) -> int:
    """Run both to the end or the first difference; 0 equal, 1 different."""
    until = ticks(args.until, "--until")
    first = load(args.topology, args.sets)
    raw = read(args.topology, args.sets)
    for text in args.changes:
        change(raw, args.node, text, f"--node {args.node} --with {text}")
    second = check(raw, args.topology)
    label = f"{args.node} with {', '.join(args.changes)}"
    result = {"schema": "cosim.swap/1", "equal": True, "syncs": 0, "tick": None, "registers": {}}
    digests = Syncs(), Syncs()
    with Session(first, digests[0]) as a, Session(second, digests[1]) as b:
        for session in (a, b):
            session.start()
            observe(session)
        tick = 0
        while tick < until and result["equal"]:
            tick = min(tick + SYNC, until)
            stops = [session.go(tick) for session in (a, b)]
            rows = [row.take() for row in digests]
            if rows[0] != rows[1] or stops[0] != stops[1]:
                states = [session.command("state")["state"] for session in (a, b)]
                registers = {
                    name: [value, states[1][name]] for name, value in states[0].items() if states[1][name] != value
                }
                result.update(equal=False, tick=tick, registers=registers)
            result["syncs"] += len(rows[0])
            if stops[0].reason != "until":
                break
        ends = [session.finish() for session in (a, b)]
        if result["equal"] and ends[0]["digest"] != ends[1]["digest"]:
            result.update(equal=False, tick=ends[0]["ticks"])
        result["digests"] = [end["digest"] for end in ends]
        result["ticks"] = ends[0]["ticks"]
    write_json(args.json, result)
    if result["equal"]:
        tell(f"cosim: equal over {result['syncs']} syncs to {tick / TICK_HZ:.3f} s: {label}")
        return 0
    shown = ", ".join(f"{n} {v[0]:08x} / {v[1]:08x}" for n, v in list(result["registers"].items())[:6])
    tell(
        f"cosim: {label} differs first at the sync of tick {result['tick']} ({result['tick'] / TICK_HZ:.3f} s), "
        f"sync {result['syncs']}: {shown or 'no register; memory, lines or devices'}"
    )
    return 1
