"""The mended compiler: the generated assembly, and what its programs compute under qemu-sh4."""

import random
import shutil
import subprocess

import pytest

from guests.build import GCC, PROBE


def assembly(compiler: str, level: str, folder) -> list[str]:
    (folder / "probe.c").write_text(PROBE)
    subprocess.run([compiler, "-m4a-nofpu", "-ml", level, "-S", "probe.c"], cwd=folder, check=True)
    return [line.split()[0] for line in (folder / "probe.s").read_text().splitlines() if line[:1] == "\t"]


@pytest.mark.parametrize("level", ["-O1", "-Os", "-O2"])
def test_the_loop_condition_is_compared_before_each_branch(built, tmp_path, level):
    words = assembly(str(built("toolchain", "cc")), level, tmp_path)
    branches = [i for i, word in enumerate(words) if word in ("bt", "bt/s", "bf", "bf/s")]
    assert branches
    for branch in branches:
        assert words[branch - 1] == "tst", words


def test_the_unmended_compiler_still_needs_the_plugin(tmp_path):
    """If this fails Debian has mended the compiler, and the plugin can go."""
    if shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed: run guests/setup_host.sh")
    assert "tst" not in assembly(GCC, "-O2", tmp_path)


ARITHMETIC = """
#include <stdint.h>
#include <stdio.h>
int main(void)
{
    unsigned long long a, b;
    while (scanf("%llu %llu", &a, &b) == 2) {
        long long s = (long long)a, t = (long long)b;
        double d = (double)(a >> 11);
        printf("%llu %llu %lld %lld %.17g %.17g %llu %lld %.17g %.17g %llu %lld\\n", a / b, a % b, s / t, s % t,
               (double)s, (double)a, (unsigned long long)d, (long long)-d, (float)a, (float)s,
               a << (b & 63), s >> (b & 63));
    }
}
"""


def quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def single(a: int) -> float:
    """Nearest single-precision number, ties to even."""
    shift = max(0, abs(a).bit_length() - 24)
    low, kept = abs(a) & ((1 << shift) - 1), abs(a) >> shift
    half = 1 << shift >> 1
    kept += low > half or (low == half and shift > 0 and kept & 1)
    return float(kept << shift) * (1 if a >= 0 else -1)


def signed(a: int) -> int:
    return a - (1 << 64) if a >> 63 else a


def test_64_bit_arithmetic_of_user_land_is_right(built, tmp_path):
    """Debian's libgcc.a, built by the unmended compiler, is not: guests/linux/runtime.c stands in for it."""
    if shutil.which("qemu-sh4") is None:
        pytest.skip("qemu-sh4 is not installed: run guests/setup_host.sh")
    (tmp_path / "sum.c").write_text(ARITHMETIC)
    compiler = built("musl", "musl-cc")
    subprocess.run([compiler, "-O2", "-o", "sum", "sum.c"], cwd=tmp_path, check=True)
    draw = random.Random(1)
    pairs = [(draw.getrandbits(draw.randint(1, 64)), draw.getrandbits(draw.randint(1, 64)) or 1) for _ in range(3000)]
    given = "".join(f"{a} {b}\n" for a, b in pairs)
    printed = subprocess.run(["qemu-sh4", "./sum"], input=given, cwd=tmp_path, check=True,
                             capture_output=True, text=True)  # fmt: skip
    rows = [line.split() for line in printed.stdout.splitlines()]
    assert len(rows) == len(pairs)
    for (a, b), row in zip(pairs, rows, strict=True):
        s, t = signed(a), signed(b)
        q, d = quotient(s, t), a >> 11
        expected = [a // b, a % b, q, s - q * t, float(s), float(a), d, -d, single(a), single(s),
                    (a << (b & 63)) & (2**64 - 1), s >> (b & 63)]  # fmt: skip
        printed_values = [type(e)(w) for w, e in zip(row, expected, strict=True)]
        assert printed_values == expected, (a, b)
