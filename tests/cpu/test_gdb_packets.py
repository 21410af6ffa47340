"""A client may send what it likes: each packet has an answer, and the run goes on as without it."""

from __future__ import annotations

import random

import pytest
from gdb_client import DATA, LONG, Client, Debugged, undisturbed

BAD, NO_MEMORY = "E01", "E0e"

OUT_OF_RANGE = [
    # to go on from, with and without a signal
    "c100000000", "s-1", "s100000000", "c-1", "cx", "c 8c000000", "c0x8c000000", "S05;-1", "C05;100000000", "C", "S",
    "Cx", "C5", "S-1", "C105", "S05;", "C05;8c_00", "cffffffffffffffffffff",
    # of memory
    "m100000000,4", "m-1,4", "m8c000000,-1", "m8c000000,100000000", "m8c000000", "m,", "m8c000000,4,4", "m8c000000,",
    "M100000000,1:00", "M-1,1:00", "M8c000000,-1:00", "M8c000000,2:00", "M8c000000,1:0", "M8c000000,1:zz",
    "X100000000,1:0", "X8c000000,2:0", "X8c000000,-1:0",
    # breakpoints and watchpoints
    "Z0,100000000,2", "Z0,-1,2", "Z0,8c000000,-1", "Z0,8c000000,0", "Z0,8c000000,100000000", "Z0,8c000000", "Z0",
    "Z1,fffffffffffff,2", "Z2,100000000,4", "Z3,-1,4", "Z4,8c000000,5000", "z0,100000000,2", "z2,-1,4",
    # registers
    "p-1", "p100000000", "p0x1", "P-1=00000000", "P1=0000000000", "P100000000=00000000", "P1", "P1=-1000000",
    # threads
    "Hg100000000", "Hg-2", "Hg5", "Hx1", "H", "T100000000", "T-2", "T", "T 1", "qThreadExtraInfo,100000000",
    "vCont;s:100000000", "vCont;s:-2", "vCont;c:5", "vCont;S5", "vCont;C", "vCont;C105", "vCont;x", "vCont;",
    "vCont;c;", "vCont;s:", "vCont;sx",
    # pieces of a text
    "qXfer:threads:read::-1,10", "qXfer:threads:read::0,-1", "qXfer:threads:read::0", "qXfer:threads:read::0,1,2",
    "qXfer:features:read:target.xml:0,100000000", "qRcmd,0", "qRcmd,zz",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["native", "python"])
def test_numbers_out_of_range_are_answered_with_an_error(kind):
    with Debugged(kind) as it:
        client = it.attach()
        for packet in OUT_OF_RANGE:
            assert client.ask(packet) in (BAD, NO_MEMORY), packet
            assert it.core.tick == 0, f"{packet} has let the machine run"
        assert client.ask("?") == "T05thread:1;"
        client.ask("D")
        figures = it.end()
    assert figures["digest"] == undisturbed(kind)["digest"]
    assert figures["reports"] == []


@pytest.mark.parametrize("command", ["phys -1 4", "phys 0x100000000 4", "phys 0x1ffffffe 4", "phys 0 -1", "phys x 4"])
def test_physical_addresses_that_are_none(kind, command):
    with Debugged(kind) as it:
        client = it.attach()
        assert client.monitor(command).startswith(f"{command}: ")
        assert client.ask("?") == "T05thread:1;"


PARTS = ["0", "1", "-1", "4", "5", "10", "ff", "100", "4000", "7fffffff", "80000000", "ffffffff", "100000000", "zz", "",
         f"{DATA:x}", "e0000000", "fffffffe", "ffffffffffffffffffff", "0x10", "+1", "_", " 1", "2b", "3a"]  # fmt: skip
STARTS = ["m", "M", "X", "p", "P", "g", "Z0", "Z1", "Z2", "Z3", "Z4", "z0", "z2", "Hg", "Hc", "H", "T", "vCont", "?",
          "qC", "G", "R", "v", "Q", "!", "b", "qThreadExtraInfo,", "qRcmd,", "qXfer:threads:read::",
          "qXfer:features:read:target.xml:"]  # fmt: skip
RUNS = ["c", "s", "C05", "S05", "vCont;s", "vCont;c", "vCont;s:1;c", "C", "S"]
SEPARATORS = [",", ":", ";", "=", "", "}", "*"]


def packet(rng: random.Random) -> str:
    """A packet that is nearly right."""
    words = [rng.choice(STARTS)]
    for _ in range(rng.randrange(4)):
        words += [rng.choice(SEPARATORS), rng.choice(PARTS)]
    return "".join(words)


def answered(client: Client, text: str) -> str:
    """The answer to a packet; output before it is passed over."""
    answer = client.ask(text)
    while answer.startswith("O") and answer != "OK":
        answer = client.packet()
    return answer


@pytest.mark.parametrize("seed", range(3))
def test_packets_that_are_nearly_right(kind, seed):
    rng = random.Random(seed)
    with Debugged(kind, LONG) as it:
        client = it.attach()
        for _ in range(400):
            text = packet(rng)
            answered(client, text)
            assert it.error is None, text
        for _ in range(60):  # what lets it run ends with a stop or an error
            text = rng.choice(RUNS) + rng.choice(["", ";"]) + rng.choice(PARTS)
            client.send(text)
            client.raw(b"\x03")
            assert client.packet()[:1] in ("T", "E"), text
