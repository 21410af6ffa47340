"""User-mode programs that run the same on qemu-sh4 and on our cores: a static ELF, Linux system calls by TRAPA.

``cases`` makes a program of random cases: each loads all registers from a block, executes some instructions and
writes all registers back; ``run_qemu`` and ``run_core`` give the bytes written to file 1.
"""

from __future__ import annotations

import io
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assembler import assemble, word
from elftools.elf.elffile import ELFFile

from cpu_node import make_core
from cpu_node.disasm import disassemble
from cpu_node.isa import TABLE

BASE, SIZE = 0x0C000000, 0x1000000
TEXT = 0x0C400000
SCRATCH, INPUT, OUTPUT = 0x0C500000, 0x0C510000, 0x0C600000
STACK = 0x0CF00000
WRITE, EXIT = 4, 1

# A block of registers, in this order.
NAMES = (
    "mode", *(f"fr{k}" for k in range(16)), *(f"xf{k}" for k in range(16)), "fpul", "mach", "macl", "pr", "gbr", "t",
    "fpscr", *(f"r{k}" for k in range(15)),
)  # fmt: skip


def elf(text: bytes, data: list[tuple[int, bytes]] = []) -> bytes:  # noqa: B006 not changed
    """A static little-endian SH executable."""
    segments = [(TEXT, text), *data]
    offset, table, body = 52 + 32 * len(segments), b"", b""
    for address, content in segments:
        pad = (address - offset - len(body)) % 4096
        body += bytes(pad)
        at = offset + len(body)
        table += struct.pack("<8I", 1, at, address, address, len(content), len(content), 7, 4096)
        body += content
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 42, 1, TEXT, 52, 0, 9, 52, 32, len(segments), 0, 0, 0)
    return head + table + body


def run_qemu(image: bytes, tmp_path: Path, cpu: str = "sh7785") -> bytes:
    """Standard output of the program under QEMU."""
    path = tmp_path / "program"
    path.write_bytes(image)
    path.chmod(0o755)
    done = subprocess.run(["qemu-sh4", "-cpu", cpu, str(path)], capture_output=True, timeout=60)
    assert done.returncode == 0, f"qemu-sh4: exit {done.returncode}\n{done.stderr.decode()}"
    return done.stdout


def run_core(kind: str, image: bytes, ticks: int = 50_000_000) -> bytes:
    """What the program writes to file 1 on a core, in user mode with the MMU off."""
    core: Any = make_core(kind, (BASE, SIZE))
    for segment in ELFFile(io.BytesIO(image)).iter_segments("PT_LOAD"):
        core.write(segment["p_paddr"], segment.data())
    entry = ELFFile(io.BytesIO(image))["e_entry"]
    vbr = 0x8C000000
    core.write(BASE + 0x100, assemble("sleep; nop"))
    core.set_state({"sr": 0, "pc": entry, "vbr": vbr, "r15": STACK, "fpscr": 0x00080000})
    output = b""
    while True:
        stop = core.run(ticks)
        state = core.state()
        if stop.reason != "sleep" or state["expevt"] != 0x160:
            raise AssertionError(
                f"{kind}: {stop}, EXPEVT {state['expevt']:03x}, SPC {state['spc']:08x}, TEA {state['tea']:08x}"
            )
        call, arguments = state["r3_bank"], [state[f"r{k}_bank"] for k in (4, 5, 6)]
        if call == EXIT:
            assert arguments[0] == 0, f"exit {arguments[0]}"
            return output
        assert call == WRITE, f"system call {call}"
        output += core.read(arguments[1], arguments[2])
        core.sleeping = False
        core.set_state({"sr": state["ssr"]})
        core.set_state({"pc": state["spc"], "r0": arguments[2]})


def load_registers() -> str:
    """From the block that r15 points at."""
    fpu = "".join(f"fmov @r15+,fr{k};" for k in range(16))
    moves = "".join(f"mov.l @r15+,r{k};" for k in range(15))
    return (
        f"lds.l @r15+,fpscr; {fpu} frchg; {fpu} frchg; lds.l @r15+,fpul; lds.l @r15+,mach; lds.l @r15+,macl;"
        f"lds.l @r15+,pr; ldc.l @r15+,gbr; div0u; clrs; mov.l @r15+,r0; shlr r0; lds.l @r15+,fpscr; {moves}"
    )


def save_registers() -> str:
    """To the block that r15 points behind, in single-precision mode afterwards."""
    fpu = "".join(f"fmov fr{k},@-r15;" for k in reversed(range(16)))
    moves = "".join(f"mov.l r{k},@-r15;" for k in reversed(range(15)))
    return (
        f"{moves} sts.l fpscr,@-r15; movt r0; mov.l r0,@-r15; stc.l gbr,@-r15; sts.l pr,@-r15; sts.l macl,@-r15;"
        f"sts.l mach,@-r15; sts.l fpul,@-r15; mov #0,r0; lds r0,fpscr; frchg; {fpu} frchg; {fpu} mov.l r0,@-r15;"
    )


class Writer:
    """Code with long constants: each constant is a load over which a branch jumps."""

    def __init__(self) -> None:
        self.code = b""

    def add(self, source: str | bytes) -> None:
        self.code += source if isinstance(source, bytes) else assemble(source, TEXT + len(self.code))

    def constant(self, register: int, value: int) -> None:
        if len(self.code) % 4:
            self.add("nop")
        self.add(f"mov.l .+8,r{register}; bra .+10; nop; nop; .long {value}")

    def system_call(self, number: int, *arguments: int) -> None:
        for k, value in enumerate(arguments):
            self.constant(4 + k, value)
        self.constant(3, number)
        self.add("trapa #19; or r0,r0; or r0,r0")


def cases(blocks: list[dict[str, int]], bodies: list[bytes], scratch: bytes) -> bytes:
    """A program of cases, as an ELF. Its output: a block of registers a case, then the scratch memory."""
    w = Writer()
    size = 4 * len(NAMES)
    for k, body in enumerate(bodies):
        w.constant(15, INPUT + k * size)
        w.add(load_registers())
        w.add(body)
        w.constant(15, OUTPUT + (k + 1) * size)
        w.add(save_registers())
    w.constant(15, STACK)
    w.system_call(WRITE, 1, OUTPUT, size * len(bodies))
    w.system_call(WRITE, 1, SCRATCH, len(scratch))
    w.system_call(EXIT, 0)
    inputs = b"".join(struct.pack(f"<{len(NAMES)}I", *(b[name] for name in NAMES)) for b in blocks)
    return elf(w.code, [(SCRATCH, scratch), (INPUT, inputs), (OUTPUT, bytes(size * len(bodies)))])


def differences(blocks: list[dict[str, int]], bodies: list[bytes], ours: bytes, theirs: bytes) -> list[str]:
    """What differs between two outputs of ``cases``, with the case's code."""
    size, found = 4 * len(NAMES), []

    def block(output: bytes, k: int) -> dict[str, int]:
        return dict(zip(NAMES, struct.unpack_from(f"<{len(NAMES)}I", output, k * size), strict=True))

    for k, body in enumerate(bodies):
        a, b = block(ours, k), block(theirs, k)
        wrong = {n: f"{a[n]:08x} / {b[n]:08x}, was {blocks[k][n]:08x}" for n in NAMES if a[n] != b[n] and n != "mode"}
        if wrong:
            code = [disassemble(w) for (w,) in struct.iter_unpack("<H", body)]
            found.append(f"case {k}: ours / QEMU's {wrong}; {code}")
    if ours[size * len(bodies) :] != theirs[size * len(bodies) :]:
        found.append("scratch memory")
    return found


# Random cases ---------------------------------------------------------------------------------------------------

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
FREE = (0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14)  # registers that a case may change; r8-r11 point into the scratch memory
# What QEMU 7.2 does wrong is left out here and tested by itself: test_against_qemu.py.
LEFT_OUT = "nop sets addv subv rotl rotr div1".split()
_CLASSES = ("alu", "move", "mt", "mul", "dmul")
ALU = [r for r in TABLE if r.latency in _CLASSES and r.name[:2] not in ("ld", "st") and r.name not in LEFT_OUT]
SYSTEM = [r for r in TABLE if r.name in "lds_mach lds_macl lds_pr sts_mach sts_macl sts_pr sts_fpul stc_gbr".split()]


def _fill(rng: random.Random, pattern: str, n: int, m: int) -> int:
    value = 0
    for k, c in enumerate(pattern):
        bit = 15 - k
        if c == "1":
            value |= 1 << bit
        elif c == "n":
            value |= (n >> (bit - 8) & 1) << bit if bit >= 8 else (n >> (bit - 4) & 1) << bit
        elif c == "m":
            value |= (m >> (bit - 4) & 1) << bit
        elif c not in "01":
            value |= rng.getrandbits(1) << bit
    return value


def alu(rng: random.Random) -> bytes:
    """One random register instruction."""
    row = rng.choice(ALU if rng.random() < 0.93 else SYSTEM)
    return struct.pack("<H", _fill(rng, row.pattern, rng.choice(FREE), rng.randrange(15)))


def memory(rng: random.Random) -> bytes:
    """One random access of the scratch memory: bytes by r8, words by r9, longs by r10, all by r11 and GBR."""
    n = rng.choice(FREE)
    size = rng.choice("bwl")
    scale, base = {"b": (1, 8), "w": (2, 9), "l": (4, 10)}[size]
    d4, d8, r0 = scale * rng.randrange(16), scale * rng.randrange(200), f"mov #{4 * rng.randrange(30)},r0"
    logic, system = rng.choice(("and", "or", "xor", "tst")), rng.choice(("mach", "macl", "pr"))
    texts = [
        f"mov.{size} @r{base}+,r{n}", f"mov.{size} r{n},@-r{base}", f"mov.{size} @r{base},r{n}",
        f"mov.{size} r{n},@r{base}", f"mov.{size} r0,@({d4},r11)", f"mov.{size} @({d4},r11),r0",
        f"mov.{size} r0,@({d8},gbr)", f"mov.{size} @({d8},gbr),r0", f"{r0}; mov.{size} @(r0,r11),r{n}",
        f"{r0}; mov.{size} r{n},@(r0,r11)", f"{r0}; {logic}.b #{rng.randrange(256)},@(r0,gbr)", "mac.l @r10+,@r11+",
        "tas.b @r8", "movca.l r0,@r10", "movua.l @r8,r0", "movua.l @r8+,r0", "movli.l @r10,r0; movco.l r0,@r10",
        f"sts.l {system},@-r10", f"lds.l @r10+,{system}", rng.choice(("nop", "ocbwb @r8", "pref @r8")),
    ]  # fmt: skip
    return assemble(rng.choice(texts))


def division(rng: random.Random) -> bytes:
    """Some steps of a division by a number that is not 0, in another register than the dividend."""
    n, m = rng.sample(FREE, 2)
    return assemble(f"mov #{rng.choice((-128, -3, -1, 1, 7, 127))},r{m};" + f"div1 r{m},r{n};" * rng.randrange(1, 4))


def branch(rng: random.Random) -> bytes:
    """A forward branch over one or two instructions, with a random slot."""
    inside, slot = alu(rng) + alu(rng), alu(rng)
    kind = rng.choice(("bt", "bf", "bt.s", "bf.s", "bra"))
    if kind in ("bt", "bf"):
        return assemble(f"{kind} .+6") + inside[:2] + inside[2:]
    return struct.pack("<H", word(f"{kind} .+8")) + slot + inside


def integer_case(rng: random.Random) -> bytes:
    body = b""
    for _ in range(rng.randrange(4, 16)):
        body += rng.choice((alu, alu, alu, memory, memory, branch, division))(rng)
    return body


def registers(rng: random.Random, floats: Callable[[random.Random], int]) -> dict[str, int]:
    block = {name: rng.choice(EDGES) if rng.random() < 0.4 else rng.getrandbits(32) for name in NAMES}
    block.update({name: floats(rng) for name in NAMES if name[:2] in ("fr", "xf")})
    block.update({"mode": 0, "fpscr": 0, "t": rng.getrandbits(1), "gbr": SCRATCH + 0x800})
    block.update({f"r{8 + k}": SCRATCH + 0x400 * (k + 1) for k in range(4)})
    return block


# Floating point -------------------------------------------------------------------------------------------------

RM, DN, PR, SZ = 1, 0x40000, 0x80000, 0x100000
FLOATS = (
    0, 0x80000000, 1, 0x80000001, 0x007FFFFF, 0x00800000, 0x00800001, 0x3F800000, 0xBF800000, 0x7F7FFFFF, 0x7F800000,
    0xFF800000, 0x7F800001, 0xFF800001, 0x7FC00000, 0x4F000000, 0xCF000000, 0x4EFFFFFF, 0x34000000, 0x7FF00000,
    0x7FF80000, 0x3FF00000, 0xBFF00000, 0x00100000, 0x41E00000, 0xC1E00000,
)  # fmt: skip


def any_float(rng: random.Random) -> int:
    """Any pattern: denormals, NaN and infinities too."""
    return rng.choice(FLOATS) if rng.random() < 0.35 else rng.getrandbits(32)


def ordinary_float(rng: random.Random) -> int:
    """Of a size that single and double arithmetic stays away from denormals."""
    return rng.getrandbits(1) << 31 | rng.randrange(0x3F000000, 0x40C00000)


def fpu_case(rng: random.Random, mode: int) -> bytes:
    """FPU instructions under a mode; of doubles, arithmetic is in even registers, what acts on one register in any."""
    wide, step = bool(mode & PR), 2 if mode & PR else 1

    def one() -> str:
        n, m, g = rng.randrange(0, 16, step), rng.randrange(0, 16, step), rng.choice(FREE)
        texts = [f"{rng.choice(('fadd', 'fsub', 'fmul', 'fdiv'))} fr{m},fr{n}"] * 6
        texts += [f"fcmp/gt fr{m},fr{n}; movt r{g}", f"fsqrt fr{n}"]
        any_n = rng.randrange(16)
        texts += [f"float fpul,fr{n}", f"lds r{g},fpul; float fpul,fr{n}", f"sts fpul,r{g}", f"flds fr{any_n},fpul"]
        texts += [f"fabs fr{any_n}", f"fneg fr{any_n}", f"fmov fr{m},fr{any_n if not mode & SZ else n}"]
        if not mode & DN:
            texts.append(f"fsts fpul,fr{any_n}")
        if wide:
            texts += [f"fcnvsd fpul,dr{n}", f"fcnvds dr{n},fpul"] * 2
        else:
            texts += [f"fmac fr0,fr{m},fr{n}"] * 3 + [f"fldi1 fr{n}", f"fldi0 fr{n}"]
        if mode & DN:
            texts += [f"fmov fr{m},@-r10", "sts.l fpul,@-r10"]  # what memory holds may be a denormal
        elif not mode & SZ:
            texts += [
                f"fmov fr{m},@-r10",
                f"fmov @r10+,fr{n}",
                f"fmov fr{m},@r10",
                "lds.l @r10+,fpul",
                "sts.l fpul,@-r10",
            ]
        elif wide:
            texts += [f"fmov fr{m + 1},@-r10", f"fmov @r10+,fr{n}", f"fmov fr{m},@r10", f"fmov fr{m + 1},fr{n}"]
        return rng.choice(texts)

    return b"".join(assemble(one()) for _ in range(rng.randrange(4, 14)))


def fpu_cases(rng: random.Random, n: int, modes: tuple[int, ...]) -> tuple[list[dict[str, int]], list[bytes]]:
    """Blocks and bodies; with DN=1 only numbers that stay clear of denormals."""
    blocks, bodies = [], []
    for _ in range(n):
        mode = rng.choice(modes)
        block = registers(rng, ordinary_float if mode & DN else any_float)
        block["fpul"] = ordinary_float(rng) if mode & DN else any_float(rng)
        blocks.append({**block, "fpscr": mode})
        bodies.append(fpu_case(rng, mode))
    return blocks, bodies
