"""The RTOS's interrupt latency while Linux boots beside it, is reset, and boots again alone.

    python -m bench.boot_latency [--impl model|firmware] [--timing fast|sh4a] [--runs N] [--images A,B]

Characters arrive at the RTOS at random, 0.1 to 0.5 ms apart, from when it is up (1 ms) until Linux's prompt; then
`reboot -f` resets the CPU, SPUMONE loads Linux anew, and the samples go on until its second prompt. A sample is the
ticks from the rise of RXI0 to the first instruction of its handler; ``arrivals`` of ``--runs`` runs together, each with
characters of its own. Each image starts twice: at its entry point as after reset (SR.BL set, IMASK 15), and as
examples/spumone.toml has it. A rise waits for the one before, so characters may be more than samples. ``job
late``: the longest delay of the RTOS's 10 ms job. Deterministic. ``--json FILE`` writes JSON too.
"""

from __future__ import annotations

import random
from array import array
from typing import Any

from bench.measure import PROMPT, ROOT, parser, show
from cosim import TICK_HZ
from cosim.topology import load
from launch.latency import statistics
from launch.run import observe
from launch.session import Session

RESET = ["linux.entry=_stext", "linux.sr=0x700000f0"]
GAP = (TICK_HZ // 10_000, TICK_HZ // 2000)
UP = TICK_HZ // 1000
LONGEST = TICK_HZ  # ticks of two boots at most
AGAIN = "init started"


def boot(seed: int, sets: list[str]) -> tuple[list[int], dict[str, Any]]:
    """Samples of one boot, in ticks, and the figures at the prompt."""
    rng, tick, entries = random.Random(seed), UP, []
    while tick < LONGEST:
        tick += rng.randint(*GAP)
        entries.append((tick, rng.randrange(0x20, 0x7F)))
    with Session(load(ROOT / "examples" / "spumone.toml", sets)) as session:
        session.start()
        observe(session, keep=True)
        session.command("input", session.port_node("rtos"), entries=entries)
        session.arm("linux", PROMPT)
        session.go(LONGEST, armed=True)
        session.arm("linux", AGAIN)
        session.type("linux", b"reboot -f\n")
        session.go(LONGEST, armed=True)
        session.arm("linux", PROMPT)
        session.go(LONGEST, armed=True)
        return array("q", session.command("samples")["samples"][0]).tolist(), session.finish()


def measure(runs: int, sets: list[str]) -> dict[str, Any]:
    """Statistics of several boots, in ticks."""
    samples: list[int] = []
    arrivals = overruns = worst = missed = 0
    for seed in range(runs):
        found, end = boot(seed, sets)
        port, [job] = end["info"]["scif0"], end["deadlines"]
        samples += found
        arrivals, overruns = arrivals + port["received"], overruns + port["overruns"]
        worst, missed = max(worst, job["max_late"]), missed + job["misses"]
    return {**statistics(samples), "arrivals": arrivals, "overruns": overruns, "late": worst, "missed": missed}


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--impl", default="firmware", choices=["model", "firmware"], help="SPUMONE's (firmware)")
    options.add_argument("--timing", default="fast", choices=["fast", "sh4a"], help="(fast)")
    options.add_argument("--images", default="linux,linux-ceiling", metavar="A,B", help="kernels (linux,linux-ceiling)")
    args = options.parse_args()
    lines, rows = [], []
    for image in args.images.split(","):
        for start, sets in (("reset", RESET), ("topology", [])):
            machine = [f"cpu.timing={args.timing}", f"spumone.impl={args.impl}", "linux.restart=true"]
            row = measure(args.runs, [f"linux.image=guest:{image}/vmlinux", *machine, *sets])
            rows.append({"image": image, "start": start, **row})
            keys = ("arrivals", "overruns", "samples", "min", "avg", "p99", "max", "late", "missed")
            lines.append([image, start, *(str(row[key]) for key in keys)])
    columns = ["Linux", "started as", "arrivals", "lost", "samples", "min", "avg", "p99", "max", "job late", "missed"]
    result = {
        "schema": "cosim.bench.boot_latency/1",
        "impl": args.impl,
        "timing": args.timing,
        "boots": args.runs,
        "rows": rows,
    }
    how = f"timing = {args.timing!r}, SPUMONE's {args.impl}"
    title = f"RXI0's latency while Linux boots, {args.runs} boots, ticks ({how})"
    show(title, columns, lines, result, args.json)


if __name__ == "__main__":
    main()
