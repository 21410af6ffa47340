"""Machines of the RTOS demonstration above small guests in C, under SPUMONE's model or its firmware."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from whole_machine import machine

from cosim.image import load_elf
from cpu_node.machine import Machine
from guests.build import CROSS, HERE, artefact, build

needs_compiler = pytest.mark.skipif(shutil.which(CROSS + "gcc-12") is None, reason="no cross compiler")
BASE = (0x88000000, 0x89000000)  # of the small guests; a word for reports lies a megabyte up
MS = 400_000
PERIOD = 10 * MS

# A guest does CASE, then waits for ever. Its interrupts are counted; the owner of TUNI0 clears that.
START = r"""
#include "spumone.h"
#define REPORT ((volatile long *)(BASE + 0x100000))
#define BYTE(a) (*(volatile unsigned char *)(a))
#define HALF(a) (*(volatile unsigned short *)(a))
#define WORD(a) (*(volatile unsigned long *)(a))
#define LABEL(name) "\n .global " #name "\n" #name ": "

__asm__(
    ".section .text.start,\"ax\"\n .global _start\n"
    "_start: mov.l 1f,r15\n mov.l 2f,r0\n ldc r0,sr\n mov.l 3f,r0\n jmp @r0\n nop\n"
    ".balign 4\n1: .long STACK\n2: .long 0x40000070\n3: .long main\n"
    ".balign 256\n .global vectors\n"
    "vectors: .space 0x600\n"
    "mov.l 4f,r0\n mov.w @r0,r1\n mov #0x20,r1\n mov.w r1,@r0\n mov.w @r0,r1\n"
    "mov.l 5f,r0\n mov.l @r0,r1\n add #1,r1\n mov.l r1,@r0\n mov.l 6f,r1\n7: dt r1\n bf 7b\n rte\n nop\n"
    ".balign 4\n4: .long TCR\n5: .long COUNTER\n6: .long SPIN\n");
extern char vectors[];

static inline void imask(unsigned long level)
{
    __asm__ volatile("ldc %0,sr" ::"r"(0x40000000 | level << 4));
}

static inline void spin(unsigned long instructions) /* two a turn */
{
    instructions /= 2;
    __asm__ volatile("1: dt %0\n bf 1b" : "+r"(instructions));
}

static inline void timer0(unsigned long counts, unsigned long level) /* of 48 ticks */
{
    WORD(0xffd40000) = level << 25; /* INT2PRI0 */
    WORD(0xffd4003c) = 1;           /* INT2MSKCR */
    WORD(0xffd80008) = counts;
    WORD(0xffd8000c) = counts;
    HALF(0xffd80010) = 0x20;
    BYTE(0xffd80004) |= 1;
}

static __attribute__((noinline)) void load(unsigned long address)
{
    unsigned long value;
    __asm__ volatile(LABEL(at_load) "mov.l @%1,%0" : "=r"(value) : "r"(address));
    REPORT[1] = value;
}

static __attribute__((noinline)) void store(unsigned long address, unsigned long value)
{
    __asm__ volatile(LABEL(at_store) "mov.l %0,@%1" ::"r"(value), "r"(address) : "memory");
}

static inline void call(unsigned long address)
{
    __asm__ volatile("jsr @%0\n nop" ::"r"(address) : "pr", "memory");
}

void main(void)
{
    REPORT[0] = spm_set_vbr(vectors);
    spin(WAIT);
    CASE
    imask(0);
    for (;;) {
        spm_idle();
        REPORT[7]++;
    }
}
"""


def start(
    folder: Path,
    impl: str,
    cases: dict[str, str],
    lines: dict[str, str],
    *sets: str,
    spin: int = 1,
    wait: int = 6_000_000,
) -> Machine:
    """The RTOS, and a small guest a row of ``cases`` (name: C statements), the highest first, at tick 0. ``lines``:
    TOML list of each one's; ``spin``: turns of two instructions that their interrupt handlers take; ``wait``:
    instructions before the case, as a rule until the RTOS has had its first job.

    Every 10 ms the RTOS's job is due: ``board.deadlines[0]``.
    """
    cc = build("toolchain")["cc"]
    rtos = artefact("rtos", "rtos-demo-spumone.elf")
    roles = {"cpu": "cpu", "spumone": "hypervisor", "intc": "intc", "tmu": "tmu", "scif0": "scif", "scif1": "scif"}
    text = "".join(f"[nodes.{name}]\nrole='{role}'\n" for name, role in roles.items()) + "channel=1\n"
    text += (f"[guests.rtos]\nimage='{rtos}'\nmemory=[0x0e000000, 0x01000000]\nfpu=false\nmmu=false\n"
             "lines=['ERI0', 'RXI0', 'BRI0', 'TXI0', 'TUNI3']\n")  # fmt: skip
    for k, (name, case) in enumerate(cases.items()):
        (folder / f"{name}.c").write_text(START.replace("CASE\n", case + "\n"))
        symbols = {"STACK": BASE[k] + 0x200000, "COUNTER": BASE[k] + 0x100000 + 4 * 6, "SPIN": spin,
                   "TCR": 0xFFD80010 if "TUNI0" in lines.get(name, "") else BASE[k] + 0x100040}  # fmt: skip
        options = [f"-DBASE={BASE[k]:#x}", f"-DWAIT={wait}"]
        options += [f"-Wa,--defsym,{key}={value:#x}" for key, value in symbols.items()]
        subprocess.run(
            [cc, "-m4a-nofpu", "-ml", "-O2", "-Wall", "-Wno-unused-function", "-Werror", "-ffreestanding", "-nostdlib",
             "-static", "-Wl,--build-id=none,-n", f"-Wl,-Ttext={BASE[k]:#x}", "-Wl,-e,_start", f"-I{HERE}/include",
             *options, f"{name}.c", "-o", f"{name}.elf", "-lgcc"], cwd=folder, check=True)  # fmt: skip
        text += (f"[guests.{name}]\nimage='{folder / name}.elf'\nmemory=[{BASE[k] & 0x1FFFFFFF:#x}, 0x01000000]\n"
                 f"priority={k + 1}\nlines={lines.get(name, '[]')}\n")  # fmt: skip
    path = folder / "small.toml"
    path.write_text(text)
    board = machine(path, f"spumone.impl={impl}", *sets)
    pc = load_elf(rtos).symbol("periodic_job")
    board.observe("deadline", guest="rtos", symbol="periodic_job", pc=pc, period=PERIOD)
    return board


def words(board: Machine, guest: int) -> tuple[int, ...]:
    """REPORT of a small guest, from 0 on."""
    return struct.unpack("<8i", board.core.read((BASE[guest] & 0x1FFFFFFF) + 0x100000, 32))


def said(board: Machine, kind: str) -> list[str]:
    """Reports of a kind ("trespass", "starvation"), without tick and kind."""
    rows = [text.split(": ", 1)[1] for text in board.figures()["reports"]]
    return [text[len(kind) + 2 :] for text in rows if text.startswith(kind + ": ")]


def symbol(folder: Path, name: str, key: str) -> int:
    """Address of a label of a small guest."""
    return load_elf(folder / f"{name}.elf").symbol(key)


def on_time(board: Machine, at_least: int) -> bool:
    """Whether the RTOS has kept all its deadlines, and had so many."""
    row = board.figures()["deadlines"][0]
    return bool(row["misses"] == 0 and row["activations"] >= at_least and row["max_late"] < MS // 10)
