"""Checks of what comes from outside: files, the values of a topology, the state and the figures of a component.

Each says what is wrong as text, or raises InputError with it; the caller says where the value came from.
"""

from __future__ import annotations

import difflib
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LARGEST = 1 << 62  # of a number in a topology; a message holds 64 bits, and a tick is less than this
DEPTH = 8  # of lists and tables within each other
PLAIN = (type(None), bool, int, float, str, bytes)  # what a state is made of, in lists, tuples and dicts


class InputError(Exception):
    """A file that cannot be taken; the text says why, and what was expected."""


def read_file(path: Path, limit: int) -> bytes:
    """Contents of a regular file of at most ``limit`` bytes. Raises FileNotFoundError and InputError.

    A pipe would block, and a device may have no end: neither is opened for reading.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise InputError(f"is {kind_of_file(found.st_mode)}; expected a regular file")
            if found.st_size > limit:
                raise InputError(f"has {found.st_size:,} bytes; expected at most {limit:,}")
            with os.fdopen(os.dup(file), "rb") as stream:
                data = stream.read(limit + 1)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise InputError(f"grows while it is read; expected at most {limit:,} bytes")
    return data


def kind_of_file(mode: int) -> str:
    """What a file is, in words."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((text for test, text in kinds if test(mode)), "a device")


def near(word: str, known: list[str]) -> str:
    """A question that names the nearest of the known words; "" where none is near."""
    found = difflib.get_close_matches(word, known, 2)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def shown(value: Any) -> str:
    """A value as it is shown in an error: not longer than can be read."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def wrong_value(value: Any, depth: int = 0) -> str:
    """What is wrong with a value of a topology, which is to fit into a message; "" if nothing is."""
    if isinstance(value, int):  # a truth value is one
        return "" if abs(value) <= LARGEST else "expected a number between -2^62 and 2^62"
    if isinstance(value, str):
        if "\0" in value:
            return "expected a text without NUL"
        return "" if _is_text(value) else "expected a text in UTF-8"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "expected a finite number"
    if isinstance(value, (list, dict)):
        if depth == DEPTH:
            return f"expected at most {DEPTH} lists or tables within each other"
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return next((text for part in parts if (text := wrong_value(part, depth + 1))), "")
    return f"expected a number, a truth value, a text, a list or a table, found a {type(value).__name__}"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def unsteady(value: Any, where: str = "state()") -> str:
    """What in a component's state may differ from run to run by chance; "" if nothing.

    Of an object of a class, and of a set, the text that goes into the digest holds an address or an order by chance.
    """
    if type(value) in (list, tuple):
        return next((text for k, part in enumerate(value) if (text := unsteady(part, f"{where}[{k}]"))), "")
    if type(value) is dict:
        keys = (text for key in value if (text := unsteady(key, f"a key of {where}")))
        rows = (text for key, part in value.items() if (text := unsteady(part, f"{where}[{key!r}]")))
        return next(keys, "") or next(rows, "")
    if type(value) in PLAIN:
        return ""
    return (
        f"{where} is a {type(value).__name__}; expected None, a truth value, a number, str or bytes, or lists, tuples "
        "and dicts of them, of which the digest is made"
    )


def json_faults(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """(what is wrong, the value) of each value within ``value`` that cannot be written as JSON."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                yield f"{where} has the key {shown(key)}; expected a key that is a str", key
            else:
                yield from json_faults(part, f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for k, part in enumerate(value):
            yield from json_faults(part, f"{where}[{k}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} = {value!r}; expected a finite number", value
    elif isinstance(value, str):
        if not _is_text(value):
            yield f"{where} = {shown(value)}; expected a text in UTF-8", value
    elif not (value is None or isinstance(value, (bool, int, float))):
        yield f"{where} = {shown(value)}; expected what JSON has: a number, a truth value, str, a list or a dict", value


def figures(info: Any) -> dict[str, Any]:
    """A component's figures for a report, which is JSON. What JSON has not is replaced by the text Python shows for it,
    and told under the key "not_json"."""
    if not isinstance(info, dict):
        return {"not_json": [f"info() = {shown(info)}; expected a dict"]}
    faults = [text for text, _ in json_faults(info, "info()")]
    return {**as_json(info), "not_json": faults} if faults else dict(info)


def as_json(value: Any) -> Any:
    """The value with each part that JSON has not as the text Python shows for it."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): as_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(part) for part in value]
    return repr(value) if next(json_faults(value, ""), None) else value
