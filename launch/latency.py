"""``cosim latency``: the paper's Table 2, measured.

Seeded random characters arrive at the RTOS's SCIF0. A sample is the ticks from the rise of RXI0 to the first
instruction of the function that DEF_INH registered, found by its symbol and seen in the CPU node. Environments:
``alone`` (no hypervisor), ``linux`` (RTOS and Linux on SPUMONE), ``stress`` (the same, stress running in Linux), and,
not in the paper, ``console`` (Linux sends on its serial port all the time).

Where the ticks of each sample went is followed unit by unit (cpu_node.attribution): parts, sections of code that kept
the interrupt out, and the longest samples in full.
"""

from __future__ import annotations

import argparse
import random
import sys
from array import array
from pathlib import Path
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from rich.table import Table

from cosim import TICK_HZ
from cosim.topology import Topology, TopologyError, load
from guests.build import KERNELS
from guests.count_changes import count
from launch.monitor import Monitor, make_monitor
from launch.record import CheckFailed, Record, check_json, write_json
from launch.run import observe, report
from launch.session import Session, firmware
from launch.terminal import SafeConsole

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TOPOLOGIES = {"alone": "rtos.toml", "linux": "spumone.toml", "stress": "spumone.toml", "console": "spumone.toml"}
TITLES = {"alone": "RTOS alone", "linux": "RTOS and Linux on SPUMONE", "stress": "the same, stress running in Linux",
          "console": "the same, Linux's console busy"}  # fmt: skip
PAPER = {"alone": (81.44, 260), "linux": (348.46, 37135), "stress": (351.78, 24819)}  # Table 2: average, worst
LOADS = {  # what is typed into Linux, and what its console then says
    "stress": (
        "stress --cpu 2 --io 1 --vm 1 --vm-bytes 4M --timeout 100000",
        r"stress: info: \[\d+\] dispatching hogs",
    ),
    "console": ("while :; do cat /etc/inittab; done", "sysinit"),
}
TIMINGS = {
    "fast": 'timing = "fast" counts a clock an instruction: no caches, no memory wait, so figures are below the '
    "paper's.",
    "sh4a": 'timing = "sh4a": pipeline, caches and memory are modelled, with estimated parameters.',
}
IMPLS = {
    "model": "SPUMONE's own share is modelled, not executed: as in fast timing, no cache misses.",
    "firmware": "SPUMONE's own share is executed.",
}
PHASES = ("unit", "wait", "accept", "path", "entry")  # of a sample: cpu_node.attribution.Part
GAP = (TICK_HZ // 5000, TICK_HZ // 500)  # 0.2 to 2 ms between characters
SETTLE = TICK_HZ // 100  # ticks between what was awaited and the first character
PATIENCE = 20 * TICK_HZ  # ticks for a line to appear
CHUNK = 10_000  # characters sent at once
HELPERS = [f"arch_local_irq_{what}" for what in ("save", "restore", "enable", "disable")]  # they act for their callers
IDLE_SHARE = 0.05  # a stress run in which Linux is idle for longer proves nothing


def latency(args: argparse.Namespace) -> int:
    """Measure, print the table; 0, or 1 when a measurement is not valid."""
    names = [name.strip() for name in args.env.split(",")]
    unknown = [name for name in names if name not in TOPOLOGIES]
    if unknown or args.samples < 1:
        raise TopologyError(
            f"--env {args.env}, --samples {args.samples}: expected some of {','.join(TOPOLOGIES)} and N >= 1"
        )
    check_json(args.json)
    rows, kernel = [], "linux"
    for name in names:
        topology = load(EXAMPLES / TOPOLOGIES[name], args.sets)
        if args.impl and (spumone := topology.node_of_role("hypervisor")):
            topology.nodes[spumone]["impl"] = args.impl
        cpu = topology.nodes[topology.node_of_role("cpu") or ""]
        cpu["timing"], cpu["timing_from"] = "fast", "0s"  # until the samples are near: _measure
        built = [guest.image.removeprefix("guest:").split("/")[0] for guest in topology.guests.values()]
        kernel = next((name for name in built if name in KERNELS), kernel)
        try:
            rows.append(measure(name, topology, args))
        except CheckFailed as error:
            error.args = (f"environment {name}: {error}",)
            raise
    result = {"schema": "cosim.latency/1", "ok": True, "exit": 0, "tick_hz": TICK_HZ, "timing": args.timing,
              "seed": args.seed, "environments": rows, "changed_lines": count(kernel)}  # fmt: skip
    write_json(args.json, result)
    console = SafeConsole(highlight=True, stderr=args.json == "-", width=None if sys.stdout.isatty() else 120)
    console.print(table(rows, args.timing))
    console.print(parts_table(rows))
    if any(row["attribution"]["sections"] for row in rows):
        console.print(sections_table(rows))
    lines = result["changed_lines"]
    console.print(f"Changed guest lines: Linux {lines['linux']} (paper 7), RTOS {lines['rtos']} (paper 14).")
    return 0


def measure(name: str, topology: Topology, args: argparse.Namespace) -> dict[str, Any]:
    """Run one environment; its row. Raises CheckFailed."""
    with Record(None, list(topology.ports())) as record:
        return _measure(name, topology, args, record)


def _measure(name: str, topology: Topology, args: argparse.Namespace, record: Record) -> dict[str, Any]:
    monitor = make_monitor(topology, record, args.plain, quiet_stdout=True)
    monitor.title = f"latency, {TITLES[name]}"
    with monitor, Session(topology, monitor) as session:
        session.start()
        observe(session, symbols=symbols(session), helpers=HELPERS)
        wait_for(session, "rtos", r"rtos: ready")
        if name != "alone":
            wait_for(session, "linux", r"guest\$ ")
        if name in LOADS:
            command, says = LOADS[name]
            session.arm("linux", says)
            session.type("linux", command.encode() + b"\n")
            run_until_match(session, says)
            session.arm("linux", "")
        before = session.command("report")
        session.command("timing", timing=args.timing, tick=before["ticks"])
        sent = send(session, random.Random(args.seed), args.samples, before["ticks"] + SETTLE, monitor)
        samples = array("q", session.command("samples")["samples"][0]).tolist()
        attribution = session.command("attribution")
        after = session.finish()
    taken = after["interrupts"].get("RXI0", 0) - before["interrupts"].get("RXI0", 0)
    if not sent == taken == len(samples) == args.samples:
        raise CheckFailed(f"{sent} characters sent, {taken} interrupts, {len(samples)} samples; expected all equal")
    spumone = topology.nodes.get(topology.node_of_role("hypervisor") or "", {})
    row = {"name": name, "hypervisor": spumone.get("impl", "none"), **statistics(samples)}
    row.update(digest=after["digest"], run=report(session, after, 0), sim_s=after["ticks"] / TICK_HZ)
    row["attribution"] = attribution
    if name == "stress":
        row["linux_idle"] = idle_share(before, after)
        if row["linux_idle"] >= IDLE_SHARE:
            raise CheckFailed(f"Linux slept for {row['linux_idle']:.1%} of its ticks under stress; expected under 5 %")
    return row


def symbols(session: Session) -> list[tuple[int, str]]:
    """(address, name) of the code of the guests and of SPUMONE's firmware."""
    topology = session.topology
    node = topology.nodes.get(topology.node_of_role("hypervisor") or "", {})
    images = [guest["image"] for guest in session.guests.values() if guest["load"] is None]
    if node.get("impl") == "firmware":
        images.append(firmware(topology, node))
    return [row for image in images for row in code_symbols(Path(image))]


def code_symbols(path: Path) -> list[tuple[int, str]]:
    """(address, name) of functions and labels in an ELF file's code; of several at one address the global one."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        code = {k for k, section in enumerate(elf.iter_sections()) if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR}
        table = elf.get_section_by_name(".symtab")
        rows = [s for s in (table.iter_symbols() if table else ()) if s["st_shndx"] in code]
        rows = [s for s in rows if s.name and s["st_info"]["type"] in ("STT_FUNC", "STT_NOTYPE")]
        return list({s["st_value"]: s.name for s in rows}.items())


def wait_for(session: Session, port: str, pattern: str) -> None:
    """Run until a line of a port matches. Raises CheckFailed."""
    session.arm(port, pattern)
    run_until_match(session, pattern)
    session.arm(port, "")


def run_until_match(session: Session, pattern: str) -> None:
    """Run until the armed pattern matches. Raises CheckFailed."""
    paused = session.go(session.command("report")["ticks"] + PATIENCE, armed=True)
    if paused.reason != "match":
        why = f"; {paused.detail}" if paused.detail else ""
        raise CheckFailed(f"{pattern!r} did not appear within {PATIENCE / TICK_HZ:g} s of virtual time{why}")


def send(session: Session, rng: random.Random, count: int, tick: int, monitor: Monitor) -> int:
    """Send ``count`` characters from ``tick`` on and run until the last has been served."""
    sent = 0
    while sent < count:
        entries = []
        for _ in range(min(CHUNK, count - sent)):
            tick += rng.randint(*GAP)
            entries.append((tick, rng.randrange(0x20, 0x7F)))
        session.command("input", session.port_node("rtos"), entries=entries)
        sent += len(entries)
        paused = session.go(tick + SETTLE if sent == count else tick)
        if paused.reason != "until":
            raise CheckFailed(f"the run ended early: {paused.reason}, {paused.detail}")
    return sent


def idle_share(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Share of Linux's ticks between two reports in which the CPU slept: nothing else lets it than an idle Linux.

    Where SPUMONE's firmware has the CPU then, they count as its own.
    """
    asleep = sum(row["idle"] for row in after["vcpus"].values()) - sum(row["idle"] for row in before["vcpus"].values())
    ticks, idle = (after["vcpus"]["linux"][key] - before["vcpus"]["linux"][key] for key in ("ticks", "idle"))
    return float(asleep / max(1, ticks - idle + asleep))


def statistics(samples: list[int]) -> dict[str, Any]:
    """Count, minimum, average, percentiles (nearest rank) and maximum, in ticks."""
    ordered = sorted(samples)

    def rank(permille: int) -> int:
        return ordered[max(0, -(-len(ordered) * permille // 1000) - 1)]

    return {"samples": len(ordered), "min": ordered[0], "avg": round(sum(ordered) / len(ordered), 2),
            "p50": rank(500), "p99": rank(990), "p999": rank(999), "max": ordered[-1]}  # fmt: skip


def table(rows: list[dict[str, Any]], timing: str) -> Table:
    """The paper's Table 2, ours beside it."""
    spumone = {row["hypervisor"] for row in rows} - {"none"}
    out = Table(
        title=f"Serial interrupt latency of the RTOS, in CPU clocks of 400 MHz (timing = {timing!r})",
        caption=f"Rise of RXI0 to the first instruction of its handler. {TIMINGS[timing]} "
        + " ".join(IMPLS[impl] for impl in sorted(spumone)),
    )
    for column in ("environment", "samples", "min", "avg", "p50", "p99", "p99.9", "max", "paper avg", "paper worst"):
        out.add_column(column, justify="left" if column == "environment" else "right")
    for row in rows:
        figures = [str(row[key]) for key in ("samples", "min", "avg", "p50", "p99", "p999", "max")]
        out.add_row(TITLES[row["name"]], *figures, *(f"{value:g}" for value in PAPER.get(row["name"], ())))
    return out


def part_name(part: dict[str, Any]) -> str:
    """A part of a sample in words."""
    texts = {"unit": "instruction in progress: {who}", "wait": "waiting for {who}: {why}", "accept": "the CPU's entry",
             "path": "{who}: {why}", "entry": "{who}: vector to handler"}  # fmt: skip
    return texts[part["phase"]].format(**part)


def parts_table(rows: list[dict[str, Any]]) -> Table:
    """What samples consist of: average over all samples of an environment, and the most in one."""
    out = Table(title="Where the ticks went: average over all samples, and the most in one")
    out.add_column("part")
    cells: dict[str, list[str]] = {}
    order: dict[str, tuple[int, float]] = {}
    for k, row in enumerate(rows):
        out.add_column(f"{row['name']} avg", justify="right")
        out.add_column("max", justify="right")
        for part in row["attribution"]["parts"]:
            name, average = part_name(part), part["ticks"] / row["samples"]
            cells.setdefault(name, [""] * 2 * len(rows))[2 * k : 2 * k + 2] = f"{average:.2f}", str(part["max"])
            phase, most = PHASES.index(part["phase"]), order.get(name, (0, 0.0))[1]
            order[name] = phase, min(most, -average)
    for name in sorted(cells, key=lambda name: order[name]):
        out.add_row(name, *cells[name])
    out.add_section()
    out.add_row("sample", *(text for row in rows for text in (f"{row['avg']:.2f}", str(row["max"]))))
    return out


def sections_table(rows: list[dict[str, Any]]) -> Table:
    """The ten longest sections of code that kept the interrupt out, from its rise on, by where they ended."""
    out = Table(title="Longest waits, by where they ended (ticks from the rise on, or from when it came to that)")
    for column in ("in", "longest", "us", "samples", "ticks", "who: why", "until", "longest: mostly in"):
        out.add_column(column, justify="right" if column in ("longest", "us", "samples", "ticks") else "left")
    every = [(row["name"], section) for row in rows for section in row["attribution"]["sections"]]
    every.sort(key=lambda pair: (-pair[1]["longest"], pair[1]["until"]))
    for name, section in every[:10]:
        figures = [f"{section['longest']}", f"{section['longest'] * 1e6 / TICK_HZ:.1f}", f"{section['samples']}"]
        mostly = f"{section['in'][0][0]} {100 * section['in'][0][1] // section['longest']} %"
        who = f"{section['who']}: {section['why']}"
        out.add_row(name, *figures, f"{section['ticks']}", who, section["until"], mostly)
    return out
