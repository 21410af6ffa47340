"""User-mode programs on qemu-sh4 and on both cores: random cases, and compiled C.

Where QEMU 7.2 differs from the SH-4A the instruction is left out of the random cases and has a test of its own,
which also fails the day that QEMU is mended: then it comes into the random cases.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from assembler import assemble
from qemu_programs import (
    DN,
    NAMES,
    PR,
    RM,
    SCRATCH,
    SZ,
    TEXT,
    cases,
    differences,
    fpu_cases,
    integer_case,
    ordinary_float,
    registers,
    run_core,
    run_qemu,
)

from guests.build import artefact, build
from guests.stages import BuildError

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-sh4") is None, reason="qemu-sh4 is missing: apt-get install qemu-user"
)
PROGRAMS = Path(__file__).parent / "programs"


def compare(kind: str, tmp_path: Path, blocks: list[dict[str, int]], bodies: list[bytes], seed: int) -> None:
    scratch = random.Random(seed).randbytes(0x2000)
    image = cases(blocks, bodies, scratch)
    found = differences(blocks, bodies, run_core(kind, image), run_qemu(image, tmp_path))
    assert not found, "\n".join([f"seed {seed}: {len(found)} of {len(bodies)} cases", *found[:5]])


@pytest.mark.parametrize("seed", range(4))
def test_random_integer_cases(kind: str, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    blocks = [registers(rng, ordinary_float) for _ in range(200)]
    compare(kind, tmp_path, blocks, [integer_case(rng) for _ in range(200)], seed)


@pytest.mark.parametrize("seed", range(10, 13))
def test_random_floating_point_cases_with_denormals(kind: str, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    compare(kind, tmp_path, *fpu_cases(rng, 200, (0, RM, PR, PR | RM, SZ, PR | SZ)), seed)


@pytest.mark.parametrize("seed", range(20, 22))
def test_random_floating_point_cases_with_dn(kind: str, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    compare(kind, tmp_path, *fpu_cases(rng, 200, (DN, DN | RM)), seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1100))
def test_many_random_cases(kind: str, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    blocks = [registers(rng, ordinary_float) for _ in range(200)]
    compare(kind, tmp_path, blocks, [integer_case(rng) for _ in range(200)], seed)
    compare(kind, tmp_path, *fpu_cases(rng, 200, (0, RM, PR, PR | RM, SZ, PR | SZ)), seed)
    compare(kind, tmp_path, *fpu_cases(rng, 200, (DN, DN | RM)), seed)


# Compiled programs ------------------------------------------------------------------------------------------------


def mended_compiler() -> str:
    """GCC with the plugin that turns its broken pass off."""
    try:
        try:
            return str(artefact("toolchain", "cc"))
        except BuildError:
            return str(build("toolchain")["cc"])
    except BuildError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["hashes", "sorting", "floats"])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_compiled_program(kind: str, tmp_path: Path, name: str, level: str) -> None:
    compiler = "sh4-linux-gnu-gcc-12" if level == "-O0" else mended_compiler()
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is missing: run guests/setup_host.sh")
    program = tmp_path / name
    flags = ["-m4", "-ml", "-static", "-nostdlib", "-ffreestanding", "-fno-pic", "-no-pie", "-fno-builtin", level]
    layout = [f"-Wl,-Ttext=0x{TEXT:x}", "-Wl,--build-id=none", "-Wl,-z,noexecstack"]
    source = PROGRAMS / f"{name}.c"
    subprocess.run([compiler, *flags, *layout, "-o", str(program), str(source), "-lgcc"], check=True, cwd=tmp_path)
    image = program.read_bytes()
    theirs = run_qemu(image, tmp_path)
    assert len(theirs) > 32
    assert run_core(kind, image) == theirs


# What QEMU 7.2 does wrong -----------------------------------------------------------------------------------------


def both(kind: str, tmp_path: Path, source: str, **given: int) -> tuple[dict[str, int], dict[str, int]]:
    """Registers after a case, ours and QEMU's."""
    block = {**dict.fromkeys(NAMES, 0), **given}
    image = cases([block], [assemble(source)], struct.pack("<8h", 3, 5, -7, 11, 0, 0, 0, 0) + bytes(64))
    layout = f"<{len(NAMES)}I"
    ours, theirs = (struct.unpack_from(layout, out) for out in (run_core(kind, image), run_qemu(image, tmp_path)))
    return dict(zip(NAMES, ours, strict=True)), dict(zip(NAMES, theirs, strict=True))


def test_qemu_writes_the_sum_of_addv_to_the_wrong_register(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "addv r1,r2", r1=5, r2=2)
    assert (ours["r1"], ours["r2"]) == (5, 7)
    assert (theirs["r1"], theirs["r2"]) == (7, 2)


def test_qemu_sees_an_overflow_in_subv_of_numbers_of_unlike_sign(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "subv r1,r2", r1=-81 & 0xFFFFFFFF, r2=5)
    assert ours["r2"] == theirs["r2"] == 86
    assert (ours["t"], theirs["t"]) == (0, 1)


@pytest.mark.parametrize("name, value", [("rotl", 0x80000000), ("rotr", 1)])
def test_qemu_clears_t_in_rotations(kind: str, tmp_path: Path, name: str, value: int) -> None:
    ours, theirs = both(kind, tmp_path, f"{name} r1", r1=value)
    assert (ours["t"], theirs["t"]) == (1, 0)
    assert ours["r1"] == theirs["r1"]


def test_qemu_divides_by_the_shifted_dividend_when_both_are_one_register(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "div1 r1,r1", r1=0x1234)
    assert (ours["r1"], theirs["r1"]) == (0x1234, 0)


def test_qemu_sees_a_borrow_in_a_division_step_by_zero(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "div1 r1,r2", r1=0, r2=0x1234)
    assert ours["r2"] == theirs["r2"] == 0x2468
    assert (ours["t"], theirs["t"]) == (1, 0)


def test_qemu_reads_longs_in_mac_w(kind: str, tmp_path: Path) -> None:
    """So that a word address which is no long address is a bus error there."""
    ours, theirs = both(kind, tmp_path, "mac.w @r1+,@r2+", r1=SCRATCH, r2=SCRATCH + 4)
    assert ours["macl"] == theirs["macl"] == -21 & 0xFFFFFFFF
    with pytest.raises(AssertionError, match="exit -7"):
        both(kind, tmp_path, "mac.w @r1+,@r2+", r1=SCRATCH + 2, r2=SCRATCH)


def test_qemu_reads_one_operand_twice_in_mac_l_of_one_register(kind: str, tmp_path: Path) -> None:
    first, second = 3 | 5 << 16, (-7 & 0xFFFF) | 11 << 16
    ours, theirs = both(kind, tmp_path, "mac.l @r1+,@r1+", r1=SCRATCH)
    assert ours["mach"] << 32 | ours["macl"] == first * second
    assert theirs["mach"] << 32 | theirs["macl"] == first * first


def test_qemu_does_not_saturate_mac_l(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "sets; mac.l @r1+,@r2+", r1=SCRATCH, r2=SCRATCH, mach=0x7FFF, macl=0xFFFFFFFF)
    assert (ours["mach"], ours["macl"]) == (0x7FFF, 0xFFFFFFFF)
    assert (theirs["mach"], theirs["macl"]) != (0x7FFF, 0xFFFFFFFF)


def test_qemu_signals_a_quiet_nan_in_fcmp_eq(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "fcmp/eq fr1,fr2", fr1=0x7F800001)
    assert (ours["t"], theirs["t"]) == (0, 0)
    assert (ours["fpscr"], theirs["fpscr"]) == (0, 0x10040)


def test_qemu_calls_ftrc_inexact_and_gives_the_greatest_number_for_a_nan(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "ftrc fr1,fpul", fr1=0x3FC00000)
    assert (ours["fpul"], theirs["fpul"]) == (1, 1)
    assert (ours["fpscr"], theirs["fpscr"]) == (0, 0x1004)
    ours, theirs = both(kind, tmp_path, "ftrc fr1,fpul", fr1=0x7F800001)
    assert (ours["fpul"], theirs["fpul"]) == (0x80000000, 0x7FFFFFFF)


def test_qemu_orders_pairs_as_doubles_without_pr(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "fmov @r1,fr2", r1=SCRATCH, fpscr=SZ)
    assert (ours["fr2"], ours["fr3"]) == (theirs["fr3"], theirs["fr2"]) == (0x00050003, 0x000BFFF9)


def test_qemu_computes_with_denormals_in_spite_of_dn(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "fadd fr1,fr2", fr1=0x00400000, fr2=0x00800000, fpscr=DN)
    assert ours["fr2"] == 0x00800000
    assert theirs["fr2"] == 0x00C00000


def test_qemu_flushes_without_underflow(kind: str, tmp_path: Path) -> None:
    ours, theirs = both(kind, tmp_path, "fmul fr1,fr2", fr1=0x3F000000, fr2=0x00800000, fpscr=DN)
    assert (ours["fr2"], theirs["fr2"]) == (0, 0)
    assert (ours["fpscr"] & ~DN, theirs["fpscr"] & ~DN) == (0x300C, 0)


def test_qemu_refuses_vectors_without_pr(kind: str, tmp_path: Path) -> None:
    """FIPR and FTRV are single-precision instructions: PR=0."""
    image = cases([dict.fromkeys(NAMES, 0)], [assemble("fipr fv0,fv4")], bytes(64))
    run_core(kind, image)
    with pytest.raises(AssertionError, match="exit -?[0-9]+"):
        run_qemu(image, tmp_path)


def test_qemu_reads_fpscr_stale_within_a_block(kind: str, tmp_path: Path) -> None:
    """A second STS of FPSCR gives the value of the first."""
    source = "sts fpscr,r1; fadd fr1,fr2; sts fpscr,r2"
    ours, theirs = both(kind, tmp_path, source, fr1=0x3F800000, fr2=0x33000000)
    assert (ours["r1"], ours["r2"]) == (0, 0x1004)
    assert (theirs["r1"], theirs["r2"]) == (0, 0)
