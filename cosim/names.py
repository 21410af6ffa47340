"""The rule for names: of nodes, guests, serial ports and consoles, and of files of built guests.

A name becomes part of a path (a record's file, a socket, the file of a node's standard error), an argument, a table of
``--set``, and text on a terminal; so it holds nothing that means something there.
"""

from __future__ import annotations

import re

LONGEST = 31  # characters; a socket's path has little room
RULE = f"letters, digits, - and _, at most {LONGEST}, the first a letter or digit"
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}", re.ASCII)
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)  # of a built guest, in its folder
# Names that mean something where names are used: tables of a topology, the launcher's socket, rows of figures.
TAKEN = {
    "run": "a table of every topology",
    "machine": "a table of every topology",
    "control": "the launcher's socket",
    "SPUMONE": "the hypervisor, among the vCPUs",
    "idle": "nobody, among the vCPUs",
}


def wrong_name(name: object) -> str:
    """What is wrong with a name, "" where nothing is."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"expected a name of {RULE}"
    return f"this name is taken: {TAKEN[name]}" if name in TAKEN else ""


def guest_file(image: str) -> tuple[str, str] | None:
    """(guest, file) of ``guest:NAME/FILE``, None for another image. Raises ValueError with what was expected."""
    if not image.startswith("guest:"):
        return None
    name, _, file = image.removeprefix("guest:").partition("/")
    if not NAME.fullmatch(name) or not FILE.fullmatch(file):
        raise ValueError("expected guest:NAME/FILE, a guest of `cosim guests build` and a file of it, no path")
    return name, file
