"""Malformed frames behind an accepted connection: an error of its rule or a message, never a crash, and flat memory."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from mutations import FRAMES, stream

from cosim.messages import Body
from cosim.rules import BrokenRule
from cosim.wire import WireError, decode, encode

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own: its memory is its own. Prints frames taken, refused, seconds, and KiB gained after the start.
CODE = """
import resource, sys, time
sys.path[:0] = [%r, %r]
from mutations import stream
from cosim.wire import WireError, decode
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 10
def go(seed, count):
    taken = refused = 0
    for raw in stream(seed, count):
        try:
            decode(raw)
            taken += 1
        except WireError:
            refused += 1
    return taken, refused
go(0, 5000)
before, began = resident(), time.monotonic()
taken, refused = go(1, int(sys.argv[1]))
print(taken, refused, round(time.monotonic() - began, 1), resident() - before)
"""


def run(count: int) -> tuple[int, int, float, int]:
    code = CODE % (str(ROOT), str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code, str(count)], capture_output=True, text=True, check=True)
    taken, refused, seconds, grown = done.stdout.split()
    return int(taken), int(refused), float(seconds), int(grown)


def test_the_decoder_takes_or_refuses_each_frame():
    rules = set()
    for raw in stream(7, 5000):
        began = time.process_time()
        try:
            frame = decode(raw)
        except WireError as error:
            rules.add(error.rule)
            continue
        finally:
            assert time.process_time() - began < 1
        assert isinstance(frame.body, Body)
    assert rules >= {"frame-msgpack", "frame-array", "frame-version", "frame-kind", "fields-there", "field-type"}


def test_what_is_taken_can_be_said_again():
    for raw in stream(8, 2000):
        try:
            frame = decode(raw)
        except WireError:
            continue
        try:
            again = encode(frame.body, frame.t, frame.seq, frame.epoch)
        except BrokenRule:
            continue
        assert repr(decode(again)) == repr(frame)


def test_memory_is_flat():
    taken, refused, _, grown = run(20_000)
    assert taken > 1000 and refused > 5000 and grown < 8 << 10


@pytest.mark.long
def test_a_million_frames():
    taken, refused, seconds, grown = run(1_000_000)
    print(f"{taken} taken, {refused} refused in {seconds} s; {grown} KiB more than after the first 5,000")
    assert taken + refused > 990_000 and grown < 16 << 10


def test_every_message_is_mutated():
    assert len(FRAMES) > 25
