"""Three guests in C on the real machine, under SPUMONE as model and as firmware: who runs, who is asked, who is
refused, who is interrupted."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from whole_machine import machine

from cpu_node.machine import Machine
from guests.build import CROSS, HERE, build

pytestmark = pytest.mark.skipif(shutil.which(CROSS + "gcc-12") is None, reason="no cross compiler")

# GUEST is 0, 1 or 2 by priority. Words at the end of each partition's first megabyte are its report.
SOURCE = r"""
#include "spumone.h"
#define REPORT ((volatile long *)(0x88100000 + GUEST * 0x01000000))
#define BYTE(a) (*(volatile unsigned char *)(a))
#define HALF(a) (*(volatile unsigned short *)(a))
#define WORD(a) (*(volatile unsigned long *)(a))

__asm__(
    ".section .text.start,\"ax\"\n .global _start\n"
    "_start: mov.l 1f,r15\n mov.l 2f,r0\n ldc r0,sr\n mov.l 3f,r0\n jmp @r0\n nop\n"
    ".balign 4\n1: .long STACK\n2: .long 0x400000f0\n3: .long main\n"
    ".balign 256\n .global vectors\n"
    "vectors: .space 0x600\n"
    /* Bank 1: no register of the interrupted code is touched. */
    "mov.l 4f,r0\n mov.w @r0,r1\n mov #0x20,r1\n mov.w r1,@r0\n mov.w @r0,r1\n"
    "mov.l 5f,r0\n mov.l @r0,r1\n add #1,r1\n mov.l r1,@r0\n rte\n nop\n"
    ".balign 4\n4: .long TCR\n5: .long COUNTER\n");
extern char vectors[];

static void mask(unsigned long imask)
{
    __asm__ volatile("ldc %0,sr" ::"r"(0x40000000 | imask << 4));
}

static inline void timer(unsigned long block, unsigned long counts)
{
    WORD(block + 8) = counts;
    WORD(block + 12) = counts;
    HALF(block + 16) = 0x20;
    BYTE(block + 4) |= 1;
}

void main(void)
{
    for (int what = 0; what < 6; what++)
        REPORT[what] = spm_query(what);
    REPORT[6] = spm_set_vbr(vectors);
    REPORT[7] = spm_route(0x580, 1);
    REPORT[8] = GUEST ? spm_route(0xe00, 1) : 0;
    REPORT[9] = spm_route(0x123, 1);
    REPORT[11] = spm_route(0x5a0, 1);
    REPORT[10] = ((long (*)(void))0x8ffff090)();
#if GUEST == 0
    WORD(0xffd40000) = 0x18000000; /* levels of TUNI0 and TUNI3: 12 and 8 */
    WORD(0xffd40004) = 0x10000000;
    WORD(0xffd4003c) = 3;
    timer(0xffd80000, 33333);
#elif GUEST == 1
    timer(0xffdc0000, 16666);
#endif
    mask(0);
    for (;;) {
#if GUEST == 2
        REPORT[31]++; /* it never waits */
#else
        spm_idle();
        REPORT[31]++;
#endif
    }
}
"""


@pytest.fixture(scope="module", params=["model", "firmware"])
def board(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Machine:
    """The three, after 100 ms."""
    folder = tmp_path_factory.mktemp("three")
    (folder / "guest.c").write_text(SOURCE)
    cc = build("toolchain")["cc"]
    roles = {"cpu": "cpu", "spumone": "hypervisor", "intc": "intc", "tmu": "tmu"}
    text = "".join(f"[nodes.{name}]\nrole='{role}'\n" for name, role in roles.items())
    lines = ["['TUNI0']", "[]", "[]"]
    for k in range(3):
        base = 0x88000000 + k * 0x01000000
        symbols = {"STACK": base + 0x200000, "TCR": (0xFFD80010, 0xFFDC0010, 0)[k], "COUNTER": base + 0x100000 + 4 * 30}
        options = [f"-DGUEST={k}", *(f"-Wa,--defsym,{name}={value:#x}" for name, value in symbols.items())]
        elf = folder / f"guest{k}.elf"
        subprocess.run(
            [cc, "-m4a-nofpu", "-ml", "-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-static",
             "-Wl,--build-id=none,-n", f"-Wl,-Ttext={base:#x}", "-Wl,-e,_start", f"-I{HERE}/include", *options,
             "guest.c", "-o", elf, "-lgcc"], cwd=folder, check=True)  # fmt: skip
        text += (f"[guests.g{k}]\nimage='{elf}'\nmemory=[{base & 0x1FFFFFFF:#x}, 0x01000000]\npriority={k}\n"
                 f"lines={lines[k]}\n")  # fmt: skip
    (folder / "three.toml").write_text(text)
    board = machine(Path(folder / "three.toml"), f"spumone.impl={request.param}")
    assert board.go(40_000_000) == ("until", "")
    return board


def report(board: Machine, guest: int) -> tuple[int, ...]:
    return struct.unpack("<32i", board.core.read(0x08100000 + guest * 0x01000000, 128))


@pytest.mark.parametrize("guest", range(3))
def test_questions(board, guest):
    assert report(board, guest)[:7] == (2, guest, 3, guest, 7, -22, 0)


def test_routing(board):
    """TUNI0 is the first guest's by the table, and so is TUNI1, which has its mask bit; TUNI3 goes to the first that
    asks; a code of no line is refused."""
    assert [report(board, guest)[7:10] for guest in range(3)] == [(0, 0, -22), (-1, 0, -22), (-1, -1, -22)]
    assert [report(board, guest)[11] for guest in range(3)] == [0, -1, -1]


def test_an_entry_without_a_function(board):
    assert [report(board, guest)[10] for guest in range(3)] == [-38] * 3
    assert [text.split(": ", 1)[1].split(",")[0] for text in board.reports] == [
        f"guest g{guest} called entry 9 of SPUMONE's page" for guest in range(3)
    ]


def test_interrupts_and_waiting(board):
    """The first two wait for their timers; the third has the rest of the time."""
    first, second, third = (report(board, guest) for guest in range(3))
    # Timers count Pck/4: 33334 counts of 48 ticks are 4 ms, 16667 are 2 ms.
    assert first[30] in (24, 25) and second[30] in (49, 50)
    assert abs(first[31] - first[30]) <= 1 and abs(second[31] - second[30]) <= 1
    assert third[31] > 100_000
    assert board.vcpus["g2"]["ticks"] > 0.97 * 40_000_000
    assert board.interrupts == {"TUNI0": first[30], "TUNI3": second[30]}
    assert [board.vcpus[f"g{k}"]["interrupts"] for k in range(3)] == [first[30], second[30], 0]
