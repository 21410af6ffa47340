"""The program ``cosim``: arguments, exit codes, and the last line on stderr.

Exit codes: 0 goal met, 1 a guest failed its check, 2 usage or topology, 3 a node or the protocol failed,
4 stalled, 129, 130 and 143 signals. Each command's module is imported only when it is used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from launch import stop
from launch.arguments import Parser, Version
from launch.failure import failure
from launch.record import RecordError, write_json
from launch.terminal import show, tell


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parser().parse_args(argv)
    with stop.handled():
        try:
            return int(args.run(args))
        except BrokenPipeError:
            return 141
        except SystemExit:
            raise
        except BaseException as error:
            return _failed(args, error)


def _failed(args: argparse.Namespace, error: BaseException) -> int:
    """Say why the command ends early, on stderr and as its JSON object; the exit code."""
    result = failure(args.command, error)
    if words := result.get("last_words"):
        tell(words.rstrip(), lines=True)
    tell(f"cosim: {result['error']}")
    try:
        write_json(getattr(args, "json", None), result)
    except (RecordError, OSError) as second:
        if str(second) not in result["error"]:
            tell(f"cosim: {second}")
    return int(result["exit"])


def parser() -> argparse.ArgumentParser:
    """The command line, as docs/reference/commands.md shows it."""
    top = Parser(prog="cosim", description="An SH-4A board as processes in lockstep.")
    top.add_argument("--version", action=Version)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, text: str, function: object) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=function, command=name)
        return sub

    sets = argparse.ArgumentParser(add_help=False)
    sets.add_argument("--set", action="append", default=[], metavar="TABLE.key=VALUE", dest="sets",
                      help="change the topology: TABLE is run, machine, or a node's or guest's name")  # fmt: skip
    sets.add_argument("--json", metavar="FILE", help="write the result as JSON; - is standard output")

    run = command("run", "Run a machine.", _run)
    run.add_argument("topology", type=Path)
    run.add_argument("--until", metavar="TIME", help="end at this virtual time, e.g. 2s, 10ms, or ticks")
    run.add_argument("--until-line", metavar="PORT:REGEX", help="end when a serial port has sent a line that matches")
    run.add_argument("--record", type=Path, metavar="DIR",
                     help="keep consoles, journal, digests and result there, as the run goes")  # fmt: skip
    run.add_argument("--profile", action="store_true", help="show where host time went in the CPU node")
    run.add_argument("--check", choices=("leases",),
                     help="answer each leased read by its lease, ask the node as well, and compare: slow")  # fmt: skip
    run.add_argument("--plain", action="store_true", help="no live screen, also on a terminal")
    _share(run, sets)

    latency = command("latency", "Measure the RTOS's interrupt latency: the paper's Table 2.", _latency)
    latency.add_argument("--samples", type=int, default=1000, metavar="N", help="characters an environment (1000)")
    latency.add_argument(
        "--env", default="alone,linux,stress", metavar="LIST", help="of alone, linux, stress (these), console"
    )
    latency.add_argument("--seed", type=int, default=1, help="of characters and gaps (1)")
    latency.add_argument(
        "--timing",
        choices=("fast", "sh4a"),
        default="sh4a",
        help="boot fast, and measure so, from 10 ms before the first character on (sh4a)",
    )
    latency.add_argument("--impl", choices=("model", "firmware"), help="of SPUMONE, in the environments that have it")
    latency.add_argument("--plain", action="store_true", help="no live screen, also on a terminal")
    _share(latency, sets)

    swap = command("swap", "Run the same machine twice, one node changed, and name the first difference.", _swap)
    swap.add_argument("topology", type=Path)
    swap.add_argument("--node", required=True, help="the node to change")
    swap.add_argument("--with", required=True, action="append", metavar="key=VALUE", dest="changes",
                      help="the change, e.g. core=python")  # fmt: skip
    swap.add_argument("--until", default="1s", metavar="TIME", help="end (1s)")
    _share(swap, sets)

    node = command("node", "Start one node by hand, for a run whose topology has it as external.", _node)
    node.add_argument("role")
    node.add_argument("--connect", required=True, metavar="ENDPOINT", help="where the run waits: its [run] control")
    node.add_argument("--name", help="the node's name in the topology (its role)")
    node.add_argument(
        "--key", metavar="FILE", help="the node's keys, for tcp: the file the run names; - is standard input"
    )

    guests = command("guests", "Build the guests from source.", _guests)
    guests.add_argument("action", choices=["build"])
    guests.add_argument("names", nargs="*", metavar="NAME", help="rtos, linux, linux-bare, linux-r2d ... (all)")

    doctor = command("doctor", "Check what this machine has of what cosim needs.", _doctor)
    doctor.add_argument("--json", metavar="FILE", help="write the findings as JSON; - is standard output")
    return top


def _share(parser: argparse.ArgumentParser, parent: argparse.ArgumentParser) -> None:
    for action in parent._actions:
        parser._add_action(action)


def _run(args: argparse.Namespace) -> int:
    from launch.run import run

    return run(args)


def _latency(args: argparse.Namespace) -> int:
    from launch.latency import latency

    return latency(args)


def _swap(args: argparse.Namespace) -> int:
    from launch.swap import swap

    return swap(args)


def _node(args: argparse.Namespace) -> int:
    from cosim.keys import KeysError, read_file, read_line
    from cosim.node import main as node_main

    name = args.name or args.role
    try:
        stdin = args.key == "-"
        keys = read_line(0, "standard input") if stdin else read_file(Path(args.key)) if args.key else None
    except KeysError as error:
        tell(f"cosim node {name}: {error}")
        return 2
    return node_main(args.role, name, args.connect, keys=keys)


def _guests(args: argparse.Namespace) -> int:
    from guests.build import main as build_main

    return build_main(args.names, lambda text: tell(text, lines=True), show)


def _doctor(args: argparse.Namespace) -> int:
    from launch.doctor import doctor

    return doctor(args)


if __name__ == "__main__":
    sys.exit(main())
