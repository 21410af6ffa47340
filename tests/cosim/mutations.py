"""Frames that are nearly right: stored ones, changed as msgpack values or as bytes, by a seeded generator."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

STORED = json.loads(Path(__file__).with_name("frames.json").read_text())["messages"]
FRAMES = {name: bytes.fromhex(held["frames"][-1]) for name, held in STORED.items()}
NUMBERS = [-1, 0, 1, 2, 3, 255, 256, 0xFFFFFFFF, 1 << 32, 1 << 62, (1 << 62) + 1, (1 << 63) - 1, (1 << 64) - 1,
           -(1 << 63)]  # fmt: skip
VALUES: list[Any] = [None, True, False, 0.5, float("nan"), "", "rtos", "\x1b[2J", "x" * 300, b"", b"\x00" * 300, [],
                     [[]], {}, {1: 2}, {"a": b"b"}, [0] * 100]  # fmt: skip


def changed(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """A value with something in it that is another."""
    kind = rng.random()
    if isinstance(value, list) and value and kind < 0.8 and depth < 6:
        at = rng.randrange(len(value))
        if kind < 0.1:
            return value[:at] + value[at + 1 :]
        if kind < 0.2:
            return [*value[:at], value[at], *value[at:]]
        if kind < 0.25:
            return value[::-1]
        return [*value[:at], changed(rng, value[at], depth + 1), *value[at + 1 :]]
    if isinstance(value, dict) and value and kind < 0.5 and depth < 6:
        key = rng.choice(list(value))
        return {**value, key: changed(rng, value[key], depth + 1)}
    if isinstance(value, int) and kind < 0.7:
        return rng.choice([*NUMBERS, value + 1, value - 1, value ^ 1 << rng.randrange(32)])
    if isinstance(value, (str, bytes)) and value and kind < 0.6:
        return value[: rng.randrange(len(value))] * rng.choice((1, 1, 2, 40))
    return rng.choice(VALUES if rng.random() < 0.6 else NUMBERS)


def mutated(rng: random.Random, raw: bytes, header: bool = True) -> bytes:
    """A frame that differs from one that is right. Without ``header`` only its fields do."""
    if header and rng.random() < 0.25:
        data = bytearray(raw)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            how = rng.randrange(4)
            if how == 0:
                data[at] = rng.randrange(256)
            elif how == 1:
                data[at:at] = rng.randbytes(rng.randint(1, 4))
            elif how == 2:
                del data[at + 1 :]
            else:
                data[at] ^= 1 << rng.randrange(8)
        return bytes(data)
    items = msgpack.unpackb(raw, strict_map_key=False)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if header and rng.random() < 0.15:
            items = changed(rng, items)
            if not isinstance(items, list) or len(items) < 6:
                break
        else:
            fields = changed(rng, items[5:])
            items = items[:5] + (fields if isinstance(fields, list) else [fields])
    return bytes(msgpack.packb(items))


def stream(seed: int, count: int, names: list[str] | None = None) -> Iterator[bytes]:
    """``count`` frames made of those of the messages named, or of all."""
    rng = random.Random(seed)
    sources = [FRAMES[name] for name in names or sorted(FRAMES)]
    for _ in range(count):
        try:
            yield mutated(rng, rng.choice(sources))
        except (OverflowError, ValueError):  # a number that msgpack cannot hold
            continue
