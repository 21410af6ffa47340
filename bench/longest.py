"""What Linux was doing while the RTOS's longest interrupts waited: ``stress`` environment, the ten longest samples.

    python -m bench.longest [--timing fast|sh4a] [--samples N] [--image IMAGE] [--json FILE]

The machine is stopped every 100 ticks between a character's arrival and its handler, and the Linux function and
SR.IMASK are noted. ``waited``: ticks from the arrival to the last look that found Linux on the CPU, ``instructions``:
what it executed in them. Inproc, native core, the characters of ``cosim latency``. Deterministic: --runs is not used.
"""

from __future__ import annotations

import bisect
import random
from collections import Counter
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from bench.measure import PROMPT, ROOT, parser, show
from cosim import NEVER
from cosim.image import load_elf
from cosim.placement import component_class
from cosim.target import Inproc
from cosim.topology import NODE_KEYS, load
from launch.latency import GAP, SETTLE, STRESS, STRESS_SAYS
from launch.session import BAUD_GAP, resolve

STEP = 100  # ticks between looks


def machine(image: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    """The machine of examples/spumone.toml with a Linux image in this process, and its guests."""
    topology = load(ROOT / "examples" / "spumone.toml", [f"linux.image={image}"])
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
    options = parser(__doc__ or "")
    options.add_argument("--timing", default="fast", choices=["fast", "sh4a"], help="of the samples (fast)")
    options.add_argument("--samples", type=int, default=1000, metavar="N", help="characters (1000)")
    options.add_argument("--image", default="guest:linux/vmlinux", help="Linux (guest:linux/vmlinux)")
    args = options.parse_args()
    board, guests = machine(args.image)
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
    board.set_timing(args.timing, board.core.tick)
    rng, tick, entries = random.Random(1), board.core.tick + SETTLE, []
    for _ in range(args.samples):
        tick += rng.randint(*GAP)
        entries.append((tick, rng.randrange(0x20, 0x7F)))
    board.input("scif0", entries)
    samples, held = board.latency[0].samples, []
    for arrival, _ in entries:
        board.go(arrival + 1)
        count, seen, masks = len(samples), Counter[str](), Counter[int]()
        waited, before = 0, executed(board)
        after = before
        while len(samples) == count:
            state = board.core.state()
            if board.vcpu == "linux":
                seen[functions[bisect.bisect_right(starts, state["pc"]) - 1][1]] += 1
                masks[state["sr"] >> 4 & 15] += 1
                waited, after = board.core.tick - arrival, executed(board)
            board.go(board.core.tick + STEP)
        held.append((samples[count], waited, after - before, seen, masks))
    held.sort(key=lambda row: -row[0])
    lines = []
    result = {"schema": "cosim.bench.longest/2", "timing": args.timing, "samples": args.samples, "longest": []}
    for ticks, waited, count, seen, masks in held[:10]:
        names = ", ".join(f"{name} {100 * n // seen.total()} %" for name, n in seen.most_common(4))
        mask = str(masks.most_common(1)[0][0]) if masks else "-"
        lines.append([str(ticks), f"{ticks / 400:.1f}", str(waited), str(count), mask, names])
        result["longest"].append({"ticks": ticks, "waited": waited, "instructions": count, "functions": dict(seen),
                                  "imask": dict(masks)})  # fmt: skip
    columns = ["ticks", "us", "waited", "instructions", "IMASK", "Linux was in"]
    show("The ten longest samples under stress", columns, lines, result, args.json)


def executed(board: Any) -> int:
    """Instructions so far."""
    return int(board.core.instructions + board.core.skipped)


if __name__ == "__main__":
    main()
