"""Round trips per simulated second, and what messages cost: wall time as processes over wall time inproc.

    python -m bench.messages [--runs N] [--json FILE]

Linux to its prompt (``quiet``) and one second idle at it, native core. Runs alternate; the minimum counts.
"""

from __future__ import annotations

from typing import Any

from bench.measure import arguments, boot, show
from cosim import TICK_HZ

PLACEMENTS = {"processes, ipc": [], "processes, tcp": ["run.transport=tcp"], "inproc": ["run.placement=inproc"]}
VERBOSE = ['linux.cmdline="console=ttySC1,115200"']


def trips(before: dict[str, Any] | None, after: dict[str, Any]) -> float:
    """Round trips per simulated second between two reports."""
    first = before or {"round_trips": 0, "ticks": 0}
    return (after["round_trips"] - first["round_trips"]) / ((after["ticks"] - first["ticks"]) / TICK_HZ)


def main() -> None:
    """Measure and print."""
    args = arguments(__doc__ or "")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PLACEMENTS}
    for _ in range(args.runs):
        for name, sets in PLACEMENTS.items():
            runs[name].append(boot(sets, idle_ticks=TICK_HZ))
    verbose = boot(VERBOSE)["boot"]
    base = min(run["boot_s"] for run in runs["inproc"])
    rows, result = [], {"schema": "cosim.bench.messages/1", "placements": [], "boot_with_log": trips(None, verbose)}
    for name, several in runs.items():
        wall = min(run["boot_s"] for run in several)
        best = min(several, key=lambda run: run["boot_s"])
        row = {
            "name": name,
            "boot_wall_s": wall,
            "ratio": wall / base,
            "idle_wall_s": min(run["idle_s"] for run in several),
            "start_s": min(run["start_s"] for run in several),
            "boot_round_trips": best["boot"]["round_trips"],
            "boot_round_trips_per_s": trips(None, best["boot"]),
            "idle_round_trips_per_s": trips(best["boot"], best["end"]),
            "by_target": best["end"]["round_trips_by_target"],
            "posted_writes": best["end"]["posted_writes"],
            "leased_reads": best["end"]["leased_reads"],
            "digest": best["end"]["digest"],
        }
        result["placements"].append(row)
        rows.append([name, f"{wall:.3f}", f"{row['ratio']:.2f}", f"{row['boot_round_trips']}",
                     f"{row['boot_round_trips_per_s']:.0f}", f"{row['idle_round_trips_per_s']:.0f}",
                     f"{row['idle_wall_s']:.3f}", f"{row['start_s']:.2f}"])  # fmt: skip
    columns = ["placement", "boot wall s", "/ inproc", "boot trips", "boot trips/s", "idle trips/s", "idle wall s",
               "start s"]  # fmt: skip
    show("Linux to its prompt (quiet), then 1 s idle; trips per simulated second", columns, rows, result, args.json)


if __name__ == "__main__":
    main()
