"""The error of FSCA, FSRRA, FIPR and FTRV against exact rational arithmetic: what docs/reference/semantics.md states.

The oracle is apart from the cores: pi by Machin's formula, sines in 160 fraction bits, fractions for the rest. The
Python core takes a sample; the native core all, interpreted and by generated code.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from fractions import Fraction
from functools import cache

import pytest
from bench_core import DATA, Bench

RN, RZ = 0, 1
BITS = 160  # fraction bits of the oracle's sines
LOOP, OUT = 0x8C002000, DATA + 0x40000
CHUNK = 4096  # elements a run: Bench.go ends at 100,000 ticks

WAYS = {"generated": ("native", 1), "interpreted": ("native", 0), "python": ("python", 0)}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Bench:
    """A core that executes in one of the three ways."""
    kind, hot = WAYS[request.param]
    bench = Bench(kind)
    if kind == "native":
        bench.core.hot = hot
        if hot and not bench.core.generates:
            pytest.skip("no code generator for this host")
    return bench


def share(bench: Bench, native: int, python: int) -> int:
    """How many cases each core gets."""
    return native if bench.kind == "native" else python


def each(bench: Bench, body: str, words: list[int], width: int, results: int, fpscr: int) -> list[tuple[int, ...]]:
    """Run ``body`` for each ``width`` words at @r4+; it stores ``results`` words before @r5, the last first.
    They are given back as tuples."""
    loop = f"add #{4 * results},r5; {body}; add #{4 * results},r5; dt r6"
    back = LOOP - bench.put(LOOP, loop)
    found: list[tuple[int, ...]] = []
    for at in range(0, len(words), CHUNK // width * width):
        part = words[at : at + CHUNK // width * width]
        bench.words(DATA, *part)
        n = len(part) // width
        bench.go(f"{loop}; bf .{back:+d}", at=LOOP, r4=DATA, r5=OUT, r6=n, fpscr=fpscr)
        raw = bench.core.read(OUT & 0x1FFFFFFF, 4 * results * n)
        found += struct.iter_unpack(f"<{results}I", raw)
    return found


def value(bits: int) -> Fraction:
    """A finite single."""
    size = Fraction(bits & 0x7FFFFF | bool(bits & 0x7F800000) << 23) * Fraction(2) ** (max(bits >> 23 & 255, 1) - 150)
    return -size if bits >> 31 else size


def ulp(x: Fraction) -> Fraction:
    """Distance of the singles around a number that is not zero."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    e -= abs(x) < Fraction(2) ** e
    return Fraction(2) ** (max(e, -126) - 23)


def check(bits: int, exact: Fraction, mode: int, slack: Fraction = Fraction(0)) -> None:
    """Rounded once: within half an ulp to nearest, below one and not beyond the exact value toward zero."""
    got = value(bits)
    if mode == RN:
        assert abs(got - exact) <= ulp(exact) / 2 + slack, f"{bits:08x}"
    else:
        assert abs(got - exact) < ulp(exact) + slack and abs(got) <= abs(exact) + slack, f"{bits:08x}"


# FSCA -----------------------------------------------------------------------------------------------------------


def inverse_tangent(n: int) -> int:
    """Of 1/n, times 2^BITS."""
    power = total = (1 << BITS) // n
    for k in range(3, BITS, 2):
        power //= n * n
        total += power // k if k & 2 == 0 else -(power // k)
    return total


@cache
def quarter() -> list[int]:
    """Sines of 0 to 0x4000 / 65536 turns, times 2^BITS."""
    pi, sines = 4 * (4 * inverse_tangent(5) - inverse_tangent(239)), []
    for angle in range(0x4001):
        term = total = x = pi * angle >> 15
        square, k = x * x >> BITS, 2
        while term:
            term = -(term * square >> BITS) // (k * (k + 1)) if term > 0 else (-term * square >> BITS) // (k * (k + 1))
            total, k = total + term, k + 2
        sines.append(total)
    return sines


def exact_sine(angle: int) -> Fraction:
    half = angle & 0x7FFF
    size = Fraction(quarter()[min(half, 0x8000 - half)], 1 << BITS)
    return -size if angle & 0x8000 else size


@pytest.mark.parametrize("mode", [RN, RZ])
def test_fsca_is_correctly_rounded_at_every_angle(way: Bench, mode: int) -> None:
    """All 65,536; so the error is at most 2^-25, a sixteenth of what the manual allows."""
    assert abs(quarter()[0x4000] - (1 << BITS)) < 1 << 20  # the oracle itself: sine of a quarter turn is 1
    angles = list(range(0, 65536, share(way, 1, 29)))
    found = each(way, "lds.l @r4+,fpul; fsca fpul,dr2; fmov fr3,@-r5; fmov fr2,@-r5", angles, 1, 2, mode)
    worst = Fraction(0)
    for angle, (sine, cosine) in zip(angles, found, strict=True):
        for bits, turned in ((sine, angle), (cosine, angle + 0x4000)):
            exact = exact_sine(turned)
            worst = max(worst, abs(value(bits) - exact))
            if turned & 0x7FFF and turned & 0x3FFF:
                check(bits, exact, mode)
            else:
                assert value(bits) == round(exact), f"{turned:04x}: exactly 0 or 1"
    assert worst <= Fraction(1, 1 << 25 - mode)  # the manual: 2^-21


# FSRRA ----------------------------------------------------------------------------------------------------------


def of_every_size(rng: random.Random) -> int:
    """A positive single, subnormal ones included."""
    return max(1, rng.randrange(255) << 23 | rng.getrandbits(23) & -(1 << rng.choice((0, 0, 10, 22))))


@pytest.mark.parametrize("mode", [RN, RZ])
def test_fsrra_is_correctly_rounded_for_every_size(way: Bench, mode: int) -> None:
    """y is within half an ulp h of 1/sqrt(x) exactly if (y-h)^2 x <= 1 <= (y+h)^2 x: no root is needed."""
    rng = random.Random(21 + mode)
    operands = [of_every_size(rng) for _ in range(share(way, 20_000, 1500))]
    found = each(way, "fmov @r4+,fr1; fsrra fr1; fmov fr1,@-r5", operands, 1, 1, mode)
    for x, (bits,) in zip(operands, found, strict=True):
        y, size = value(bits), value(x)
        below, above = (value(bits - 1) + y) / 2, (value(bits + 1) + y) / 2
        if mode == RZ:
            below, above = y, value(bits + 1)
        assert below**2 * size <= 1 <= above**2 * size, f"fsrra {x:08x}: {bits:08x}"


# FIPR and FTRV --------------------------------------------------------------------------------------------------


def vectors(rng: random.Random) -> tuple[list[int], list[int]]:
    """Two vectors; in half of the cases products cancel, in some sums end half way between two singles."""
    spread, mask = rng.choice((1, 8, 60)), -(1 << rng.choice((0, 0, 12, 18)))
    a, b = ([rng.getrandbits(1) << 31 | rng.randrange(127 - spread, 127 + spread) << 23 | rng.getrandbits(23) & mask
             for _ in range(4)] for _ in range(2))  # fmt: skip
    if rng.random() < 0.5:
        a[1], b[1] = a[0] ^ 0x80000000, b[0] ^ rng.choice((0, 0, 1, 3, 1 << 11))
    if rng.random() < 0.1:  # subnormal operands, results near the least single
        a, b = [x & 0x807FFFFF for x in a], [x & 0x807FFFFF | 0x40000000 for x in b]
    return a, b


def check_inner(bits: int, a: Iterable[int], b: Iterable[int], mode: int) -> None:
    """One rounding of the exact sum but for 2^-68 of the greatest product, and so within the manual's bound."""
    products = [value(x) * value(y) for x, y in zip(a, b, strict=True)]
    exact, most = sum(products, Fraction(0)), max(map(abs, products))
    if exact:
        check(bits, exact, mode, most / (1 << 68))
    else:
        assert value(bits) == 0
    allowed = most / (1 << 23) + max(abs(value(bits)) / (1 << 23), Fraction(1, 1 << 149))
    assert abs(value(bits) - exact) <= allowed


@pytest.mark.parametrize("mode", [RN, RZ])
def test_fipr_rounds_the_exact_sum_once(way: Bench, mode: int) -> None:
    rng = random.Random(31 + mode)
    pairs = [vectors(rng) for _ in range(share(way, 8000, 800))]
    loads = "; ".join(f"fmov @r4+,fr{k}" for k in range(8))
    words = [word for a, b in pairs for word in (*a, *b)]
    found = each(way, f"{loads}; fipr fv4,fv0; fmov fr3,@-r5", words, 8, 1, mode)
    for (a, b), (bits,) in zip(pairs, found, strict=True):
        check_inner(bits, a, b, mode)


@pytest.mark.parametrize("mode", [RN, RZ])
def test_ftrv_rounds_each_row_once(way: Bench, mode: int) -> None:
    rng = random.Random(41 + mode)
    words, cases = [], []
    for _ in range(share(way, 2000, 200)):
        rows, vector = [], vectors(rng)[1]
        for _ in range(4):
            row, like = vectors(rng)
            row[1] = row[0] ^ 0x80000000 if like[1] == vector[1] else row[1]
            rows.append(row)
        cases.append((rows, vector))
        words += [rows[r][c] for c in range(4) for r in range(4)] + vector
    matrix = "; ".join(f"fmov @r4+,fr{k}" for k in range(16))
    vector_loads = "; ".join(f"fmov @r4+,fr{k}" for k in range(4))
    stores = "; ".join(f"fmov fr{k},@-r5" for k in (3, 2, 1, 0))
    body = f"frchg; {matrix}; frchg; {vector_loads}; ftrv xmtrx,fv0; {stores}"
    found = each(way, body, words, 20, 4, mode)
    for (rows, vector), result in zip(cases, found, strict=True):
        for row, bits in zip(rows, result, strict=True):
            check_inner(bits, row, vector, mode)
