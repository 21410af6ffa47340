"""Guests share one SCIF through SPUMONE, on the whole machine: nothing is lost, mixed or reordered, as model and as
firmware; a guest that does not read is waited for, and holds up no other; the examples run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from whole_machine import EXAMPLES, Consoles, machine

from cosim.shared_line import Splitter, frame
from cosim.topology import load
from cpu_node.machine import Machine
from guests.build import CROSS, HERE, artefact, build
from guests.stages import BuildError
from launch.run import observe
from launch.session import BAUD_GAP, Session

MS = 400_000  # ticks
SHARED, THREE = EXAMPLES / "shared-serial.toml", EXAMPLES / "three-guests.toml"
ALL = bytes(range(256))

# GUEST is 0 or 1 by priority. Each sends a pattern eight times, guest 1 then part of it with all interrupts masked, and
# sends back what it receives; guest 0 reads nothing before its timer has come DEAF times, 4 ms each.
SOURCE = r"""
#include "spumone.h"
#define BYTE(a) (*(volatile unsigned char *)(a))
#define HALF(a) (*(volatile unsigned short *)(a))
#define WORD(a) (*(volatile unsigned long *)(a))
#define DEAF 175

__asm__(
    ".section .text.start,\"ax\"\n .global _start\n"
    "_start: mov.l 1f,r15\n mov.l 2f,r0\n ldc r0,sr\n mov.l 3f,r0\n jmp @r0\n nop\n"
    ".balign 4\n1: .long STACK\n2: .long 0x400000f0\n3: .long main\n"
    ".balign 256\n .global vectors\n"
    "vectors: .space 0x600\n"
    "mov.l 4f,r0\n mov.w @r0,r1\n mov #0x20,r1\n mov.w r1,@r0\n mov.w @r0,r1\n"
    "mov.l 5f,r0\n mov.l @r0,r1\n add #1,r1\n mov.l r1,@r0\n rte\n nop\n"
    ".balign 4\n4: .long TCR\n5: .long timer_count\n");
extern char vectors[];
volatile unsigned long timer_count;
static unsigned char text[256];

static void mask(unsigned long imask)
{
    __asm__ volatile("ldc %0,sr" ::"r"(0x40000000 | imask << 4));
}

static void timer(unsigned long block, unsigned long counts)
{
    WORD(block + 8) = counts;
    WORD(block + 12) = counts;
    HALF(block + 16) = 0x20;
    BYTE(block + 4) |= 1;
}

static void put(unsigned long size, int waits)
{
    for (unsigned long done = 0; done < size;) {
        long taken = spm_write(text + done, size - done);
        done += taken;
        if (!taken && waits)
            spm_idle();
        for (int k = 0; !taken && !waits && k < 5000; k++)
            __asm__ volatile("nop");
    }
}

void main(void)
{
    spm_set_vbr(vectors);
#if GUEST == 0
    WORD(0xffd40000) = 0x18000000; /* levels of TUNI0 and TUNI3: 12 and 8 */
    WORD(0xffd40004) = 0x10000000;
    WORD(0xffd4003c) = 1; /* each unmasks the timer unit that is its own */
    timer(0xffd80000, 33333); /* 4 ms */
#else
    WORD(0xffd4003c) = 2;
    timer(0xffdc0000, 16666);
#endif
    mask(0);
    for (int k = 0; k < 256; k++)
        text[k] = GUEST ? 255 - k : k;
    for (int k = 0; k < 8; k++)
        put(256, 1);
#if GUEST == 1
    mask(15);
    put(100, 0);
    mask(0);
#endif
    for (;;) {
        if (GUEST == 0 && timer_count < DEAF) {
            spm_idle();
            continue;
        }
        long size = spm_read(text, 32);
        if (size > 0)
            put(size, 1);
        else
            spm_idle();
    }
}
"""
SENT = {"zero": ALL * 8, "one": ALL[::-1] * 8 + ALL[::-1][:100]}
TO_ZERO, TO_ONE = ALL[::-1] * 2 + b"\x10\x10", (b"for one" + ALL) * 2


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Topology of the two."""
    if shutil.which(CROSS + "gcc-12") is None:
        pytest.skip("no cross compiler")
    folder = tmp_path_factory.mktemp("pair")
    (folder / "guest.c").write_text(SOURCE)
    roles = {"cpu": "cpu", "spumone": "hypervisor'\nserial=1\nimage='guest:spumone/spumone.elf", "intc": "intc",
             "tmu": "tmu", "scif": "scif'\nchannel=1\nmux=['zero','one']\nlog='"}  # fmt: skip
    text = "".join(f"[nodes.{name}]\nrole='{role}'\n" for name, role in roles.items())
    for k, (name, line) in enumerate((("zero", "TUNI0"), ("one", "TUNI3"))):
        base = 0x88000000 + k * 0x01000000
        symbols = {"STACK": base + 0x200000, "TCR": (0xFFD80010, 0xFFDC0010)[k]}
        options = [f"-DGUEST={k}", *(f"-Wa,--defsym,{name}={value:#x}" for name, value in symbols.items())]
        subprocess.run(
            [build("toolchain")["cc"], "-m4a-nofpu", "-ml", "-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib",
             "-fno-tree-loop-distribute-patterns", "-static", "-Wl,--build-id=none,-n", f"-Wl,-Ttext={base:#x}",
             "-Wl,-e,_start", f"-I{HERE}/include", *options, "guest.c", "-o", f"{name}.elf", "-lgcc"],
            cwd=folder, check=True)  # fmt: skip
        text += (f"[guests.{name}]\nimage='{folder / name}.elf'\nmemory=[{base & 0x1FFFFFFF:#x}, 0x01000000]\n"
                 f"priority={k}\nlines=['{line}']\n")  # fmt: skip
    (folder / "pair.toml").write_text(text)
    return folder / "pair.toml"


class Board:
    """The two on a machine of this process; ``heard``: what each sent."""

    def __init__(self, path: Path, *sets: str) -> None:
        self.machine: Machine = machine(path, *sets)
        self.scif: Any = next(t for t in self.machine.targets if t.role == "scif").component
        self.scif.take_output = lambda: b""  # nor a console
        self.splitter = Splitter(2)
        self.heard = {"zero": b"", "one": b""}

    def to(self, t: int) -> Board:
        assert self.machine.go(t) == ("until", "")
        self.machine._catch_up(self.machine._named("scif"))
        for channel, run in self.splitter.split(bytes(self.scif.sent)):
            self.heard[("zero", "one")[channel]] += run
        self.scif.sent.clear()
        return self

    def type(self, channel: int, data: bytes) -> None:
        self.machine.type("scif", frame(channel, data), BAUD_GAP)


BOARDS = [("native", "model"), ("native", "firmware"), ("python", "model"), ("python", "firmware")]


@pytest.mark.parametrize(("core", "impl"), BOARDS)
def test_two_guests_talk_at_once_and_one_does_not_listen(pair: Path, core: str, impl: str) -> None:
    board = Board(pair, f"cpu.core={core}", f"spumone.impl={impl}").to(600 * MS)
    assert board.heard == SENT
    assert board.scif.counts["sent"] < 1.05 * sum(map(len, SENT.values()))  # framing: a turn is 64 characters

    board.type(0, TO_ZERO)
    board.type(1, TO_ONE)
    board.to(699 * MS)
    # The terminal of zero is stopped, with room left in SPUMONE; that of one is not, and all has come back.
    waiting = [len(row) for row in board.scif.terminals.waiting]
    assert board.scif.terminals.output.stopped == {0} and waiting[1] == 0
    assert 192 <= len(TO_ZERO) - waiting[0] < 256
    assert board.heard["one"] == SENT["one"] + TO_ONE and board.heard["zero"] == SENT["zero"]

    board.to(900 * MS)
    assert board.heard["zero"] == SENT["zero"] + TO_ZERO and board.heard["one"] == SENT["one"] + TO_ONE
    assert board.scif.terminals.output.stopped == set() and board.scif.counts["overruns"] == 0
    assert board.machine.reports == []


# The examples ----------------------------------------------------------------------------------------------------


@pytest.fixture
def linux() -> None:
    try:
        artefact("linux-hvc", "vmlinux")
        artefact("rtos", "rtos-shared-spumone.elf")
    except BuildError as error:
        pytest.skip(str(error))


@contextmanager
def running(topology: Path, *sets: str) -> Iterator[tuple[Session, Consoles]]:
    """At Linux's prompt."""
    consoles = Consoles()
    with Session(load(topology, list(sets)), consoles) as session:
        session.start()
        observe(session)
        session.arm("linux", r"^guest\$ ")
        assert session.go(800 * MS, armed=True).reason == "match"
        yield session, consoles


def talk(placement: str, impl: str) -> tuple[dict[str, Any], dict[str, bytes], list[Any]]:
    with running(SHARED, f"run.placement={placement}", f"spumone.impl={impl}") as (session, consoles):
        session.type("linux", b"uname -m\n")
        session.type("rtos", b"p")
        session.arm("linux", "^sh4a")
        assert session.go(session.tick + 400 * MS, armed=True).reason == "match"
        assert session.go(600 * MS).reason == "until"
        return session.finish(), consoles.text, consoles.journal


@pytest.mark.parametrize("impl", ["model", "firmware"])
def test_rtos_and_linux_on_one_port(linux, impl):
    figures, text, journal = talk("process", impl)
    assert text["linux"].endswith(b"guest$ uname -m\r\nsh4a\r\nguest$ ")
    assert text["rtos"].startswith(b"rtos: ready\r\nrtos: periodic=") and text["rtos"].count(b"rx=1\r\n") == 1
    assert bytes(byte for _, _, byte in journal) == frame(1, b"uname -m\n") + frame(0, b"p")
    assert [row["misses"] for row in figures["deadlines"]] == [0]
    again, *same = talk("inproc", impl)
    assert same == [text, journal] and again["digest"] == figures["digest"]
    with Session(load(SHARED, ["run.placement=inproc", f"spumone.impl={impl}"])) as session:  # what was typed, replayed
        session.start()
        observe(session)
        session.command("input", "scif0", entries=[(tick, byte) for tick, _, byte in journal])
        assert session.go(600 * MS).reason == "until"
        assert session.finish()["digest"] == figures["digest"]


@pytest.mark.parametrize("impl", ["model", "firmware"])
def test_the_third_guest_runs_while_both_others_wait(linux, impl):
    with running(THREE, "run.placement=inproc", f"spumone.impl={impl}") as (session, consoles):

        def shares(time: int) -> dict[str, float]:
            """Of the next so many ticks, who ran."""
            before, start = session.command("report"), session.tick
            assert session.go(start + time).reason == "until"
            after = session.command("report")
            return {name: (row["ticks"] - before["vcpus"][name]["ticks"]) / (after["ticks"] - before["ticks"])
                    for name, row in after["vcpus"].items()}  # fmt: skip

        idle = shares(100 * MS)
        assert idle["batch"] > 0.98 and idle["linux"] < 0.01 and idle["rtos"] < 0.01
        session.type("linux", b"while :; do :; done\n")
        shares(50 * MS)
        busy = shares(100 * MS)
        assert busy["batch"] == 0 and busy["linux"] > 0.99 and 0 < busy["rtos"] < 0.01
        session.type("linux", b"\x03")
        shares(100 * MS)
        assert shares(100 * MS)["batch"] > 0.98
        figures = session.finish()
    assert [row["misses"] for row in figures["deadlines"]] == [0]
    lines = consoles.text["batch"].split(b"\r\n")
    assert lines[:2] == [b"batch: 2262 primes up to 20000", b"batch: 4203 primes up to 40000"]
