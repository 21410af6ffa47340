"""What Linux was doing while the RTOS's longest interrupts waited: ``stress`` environment, the ten longest samples.

    python -m bench.longest [--json FILE]       deterministic: --runs is not used

The machine is stopped every 100 ticks between a character's arrival and its handler, and the
Linux function and SR.IMASK are noted. Inproc, native core, the characters of ``cosim latency --samples 1000``.
"""

from __future__ import annotations

import bisect
import random
from collections import Counter
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from bench.measure import PROMPT, ROOT, arguments, show
from cosim import NEVER
from cosim.image import load_elf
from cosim.placement import component_class
from cosim.target import Inproc
from cosim.topology import NODE_KEYS, load
from launch.latency import GAP, SETTLE, STRESS, STRESS_SAYS
from launch.session import BAUD_GAP, resolve

STEP = 100  # ticks between looks
SAMPLES = 1000


def machine() -> tuple[Any, dict[str, dict[str, Any]]]:
    """The machine of examples/spumone.toml in this process, and its guests."""
    topology = load(ROOT / "examples" / "spumone.toml")
    guests = {name: resolve(topology, name) for name in topology.guests}
    targets = []
    for name, node in topology.nodes.items():
        config = {key: value for key, value in node.items() if key not in NODE_KEYS}
        if node["role"] == "hypervisor":
            config["guests"] = guests
        if node["role"] != "cpu":
            targets.append(Inproc(component_class(node["role"])(name, config), node["role"]))
    from cpu_node import make_core
    from cpu_node.machine import Machine

    board = Machine(make_core("native"), targets, lambda: None)
    board.start([], None)
    return board, guests


def main() -> None:
    """Measure and print."""
    args = arguments(__doc__ or "")
    board, guests = machine()
    with Path(guests["linux"]["image"]).open("rb") as file:  # all symbols: static functions share names
        rows = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        functions = sorted((row["st_value"], row.name) for row in rows if row["st_info"]["type"] == "STT_FUNC")
    starts = [address for address, _ in functions]
    handler = load_elf(Path(guests["rtos"]["image"])).symbol("serial_rx_handler")
    board.observe("latency", line="RXI0", pc=handler, symbol="serial_rx_handler")
    for port, pattern in (("scif0", "rtos: ready"), ("scif1", PROMPT)):
        board.arm(port, pattern)
        board.go(NEVER, True)
        board.arm(port, "")
    board.arm("scif1", STRESS_SAYS)
    board.type("scif1", STRESS.encode() + b"\n", BAUD_GAP)
    board.go(NEVER, True)
    board.arm("scif1", "")
    rng, tick, entries = random.Random(1), board.core.tick + SETTLE, []
    for _ in range(SAMPLES):
        tick += rng.randint(*GAP)
        entries.append((tick, rng.randrange(0x20, 0x7F)))
    board.input("scif0", entries)
    samples, held = board.latency[0].samples, []
    for arrival, _ in entries:
        board.go(arrival + 1)
        count, seen, masks = len(samples), Counter[str](), Counter[int]()
        while len(samples) == count:
            state = board.core.state()
            if board.vcpu == "linux":
                seen[functions[bisect.bisect_right(starts, state["pc"]) - 1][1]] += 1
                masks[state["sr"] >> 4 & 15] += 1
            board.go(board.core.tick + STEP)
        held.append((samples[count], seen, masks))
    held.sort(key=lambda row: -row[0])
    lines, result = [], {"schema": "cosim.bench.longest/1", "samples": SAMPLES, "longest": []}
    for ticks, seen, masks in held[:10]:
        names = ", ".join(f"{name} {100 * n // seen.total()} %" for name, n in seen.most_common(4))
        lines.append([str(ticks), f"{ticks / 400:.1f}", str(masks.most_common(1)[0][0]), names])
        result["longest"].append({"ticks": ticks, "functions": dict(seen), "imask": dict(masks)})
    show("The ten longest samples under stress", ["ticks", "us", "IMASK", "Linux was in"], lines, result, args.json)


if __name__ == "__main__":
    main()
