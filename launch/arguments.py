"""The parser of the command line: argparse, which also names the nearest option or command where one is misspelt."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from cosim.inputs import near
from launch.terminal import safe, show


class Parser(argparse.ArgumentParser):
    """As argparse's; an error ends with what was probably meant."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Raises SystemExit with 2 for a usage error."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = self.command_parser(getattr(found, "command", ""))
            option = rest[0].partition("=")[0]
            if not option.startswith("-"):
                parser.error(f"{option!r} is one argument too many")
            parser.error(f"no option {option}{near(option, parser.options())}")
        return found

    def command_parser(self, command: str) -> Parser:
        """The parser of a command; this one where there is none of that name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return action.choices.get(command, self)
        return self

    def _print_message(self, message: str, file: Any = None) -> None:
        """All that argparse prints; an error repeats what was typed."""
        if message:
            (file or sys.stderr).write(safe(message, lines=True))

    def options(self) -> list[str]:
        """All options, as they are typed."""
        return [text for action in self._actions for text in action.option_strings if text.startswith("--")]

    def error(self, message: str) -> NoReturn:
        """Print usage and message on stderr, and exit with 2."""
        choice = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message)
        if choice:
            message += near(choice[1], re.findall(r"'([^']*)'", choice[2]))
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n")


class Version(argparse.Action):
    """Prints the versions of what runs, and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, **other: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the versions of what a run depends on, and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from launch.version import versions

        show("\n".join(f"{what} {value}" for what, value in versions()), lines=True)
        parser.exit()
