"""The FPU by behaviour, on both cores. Oracles: the host's IEEE arithmetic, exact fractions, and constants."""

from __future__ import annotations

import math
import random
import struct
from fractions import Fraction

import pytest
from bench_core import BL, CODE, DATA, FD, MD, Bench

RZ, DN, PR, SZ, FR = 1, 0x40000, 0x80000, 0x100000, 0x200000
I, U, O, Z, V = 1, 2, 4, 8, 16  # noqa: E741
INF, NINF, QNAN, SNAN, NAN = 0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0x7FBFFFFF
ONE, TWO, HALF, MINUS = 0x3F800000, 0x40000000, 0x3F000000, 0x80000000
LEAST, DENORMAL, GREATEST = 0x00800000, 0x00000001, 0x7F7FFFFF


def single(x: float) -> int:
    return int.from_bytes(struct.pack("<f", x), "little")


def number(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def double(x: float) -> int:
    return int.from_bytes(struct.pack("<d", x), "little")


def wide(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def cause(state: dict[str, int]) -> int:
    return state["fpscr"] >> 12 & 63


def flags(state: dict[str, int]) -> int:
    return state["fpscr"] >> 2 & 31


def pair(prefix: str, k: int, value: int) -> dict[str, int]:
    return {f"{prefix}{k}": value >> 32, f"{prefix}{k + 1}": value & 0xFFFFFFFF}


def of_pair(state: dict[str, int], k: int) -> int:
    return state[f"fr{k}"] << 32 | state[f"fr{k + 1}"]


def singles(seed: int, n: int) -> list[int]:
    """Random singles of like exponents, so that sums round."""
    rng = random.Random(seed)
    return [rng.getrandbits(1) << 31 | rng.randrange(100, 155) << 23 | rng.getrandbits(23) for _ in range(n)]


def doubles(seed: int, n: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.getrandbits(1) << 63 | rng.randrange(1000, 1050) << 52 | rng.getrandbits(52) for _ in range(n)]


HOST = {"fadd": lambda a, b: a + b, "fsub": lambda a, b: a - b, "fmul": lambda a, b: a * b, "fdiv": lambda a, b: a / b}


# Arithmetic against the host ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOST)
def test_single_arithmetic_rounds_as_the_host(bench: Bench, name: str) -> None:
    """Computed in double and rounded once more: exact for these four on singles."""
    # Source: [SH7764 143]
    for a, b in zip(singles(1, 150), singles(2, 150), strict=True):
        state = bench.one(f"{name} fr2,fr1", fr1=a, fr2=b, fpscr=0)
        exact = HOST[name](Fraction(number(a)), Fraction(number(b)))
        expected = single(HOST[name](number(a), number(b)))
        assert state["fr1"] == expected, f"{name} {a:08x} {b:08x}"
        assert cause(state) == flags(state) == (0 if Fraction(number(expected)) == exact else I)


@pytest.mark.parametrize("name", HOST)
def test_double_arithmetic_rounds_as_the_host(bench: Bench, name: str) -> None:
    # Source: [SH7764 143]
    for a, b in zip(doubles(1, 150), doubles(2, 150), strict=True):
        state = bench.one(f"{name} fr4,fr2", fpscr=PR, **pair("fr", 2, a), **pair("fr", 4, b))
        expected = double(HOST[name](wide(a), wide(b)))
        assert of_pair(state, 2) == expected, f"{name} {a:016x} {b:016x}"
        exact = HOST[name](Fraction(wide(a)), Fraction(wide(b)))
        assert cause(state) == (0 if Fraction(wide(expected)) == exact else I)


@pytest.mark.parametrize("name", HOST)
def test_rounding_toward_zero_never_exceeds_the_exact_value(bench: Bench, name: str) -> None:
    # Source: [SH7764 143]
    for a, b in zip(singles(3, 100), singles(4, 100), strict=True):
        state = bench.one(f"{name} fr2,fr1", fr1=a, fr2=b, fpscr=RZ)
        exact = HOST[name](Fraction(number(a)), Fraction(number(b)))
        result = state["fr1"]
        assert abs(Fraction(number(result))) <= abs(exact) < abs(Fraction(number(result + 1)))


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_every_other_rounding_mode_is_toward_zero(bench: Bench, mode: int) -> None:
    # Source: [SH7764 143]; 2 and 3 [own]
    assert bench.one("fdiv fr2,fr1", fr1=TWO, fr2=single(3), fpscr=mode)["fr1"] == single(2 / 3) - 1


def test_square_roots_round_as_the_host(bench: Bench) -> None:
    # Source: [SH7764 143]
    for a, b in zip(singles(5, 100), doubles(5, 100), strict=True):
        state = bench.one("fsqrt fr1", fr1=a & 0x7FFFFFFF, fpscr=0)
        assert state["fr1"] == single(math.sqrt(number(a & 0x7FFFFFFF)))
        b &= ~(1 << 63)
        state = bench.one("fsqrt fr2", fpscr=PR, **pair("fr", 2, b))
        assert of_pair(state, 2) == double(math.sqrt(wide(b)))


def test_conversions_round_as_the_host(bench: Bench) -> None:
    # Source: [SH7764 143]
    rng = random.Random(6)
    for _ in range(100):
        x = rng.getrandbits(32)
        signed = (x ^ 0x80000000) - 0x80000000
        assert bench.one("float fpul,fr1", fpul=x, fpscr=0)["fr1"] == single(signed)
        assert of_pair(bench.one("float fpul,fr2", fpul=x, fpscr=PR), 2) == double(signed)
    for a, b in zip(singles(8, 100), doubles(8, 100), strict=True):
        state = bench.one("fcnvsd fpul,dr2", fpul=a, fpscr=PR)
        assert (of_pair(state, 2), cause(state)) == (double(number(a)), 0)
        assert bench.one("fcnvds dr2,fpul", fpscr=PR, **pair("fr", 2, b))["fpul"] == single(wide(b))


# Not-a-numbers, infinities, zeros -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["fadd fr2,fr1", "fsub fr2,fr1", "fmul fr2,fr1", "fdiv fr2,fr1", "fmac fr0,fr2,fr1"])
@pytest.mark.parametrize("place", ["fr1", "fr2"])
def test_a_nan_gives_the_default_nan_and_only_a_signalling_one_is_invalid(bench: Bench, text: str, place: str) -> None:
    """On the SH the NaN with the top fraction bit set signals."""
    # Source: [SH7750 188]
    operands = {"fr0": ONE, "fr1": ONE, "fr2": ONE, "fpscr": 0}
    state = bench.one(text, **{**operands, place: QNAN})
    assert (state["fr1"], cause(state)) == (NAN, 0)
    state = bench.one(text, **{**operands, place: SNAN})
    assert (state["fr1"], cause(state), flags(state)) == (NAN, V, V)


def test_default_nan_of_doubles(bench: Bench) -> None:
    # Source: [SH7750 188]
    state = bench.one("fadd fr4,fr2", fpscr=PR, **pair("fr", 2, 0x7FF8000000000000), **pair("fr", 4, double(1)))
    assert (of_pair(state, 2), cause(state)) == (0x7FF7FFFFFFFFFFFF, V)
    state = bench.one("fcnvsd fpul,dr2", fpul=QNAN, fpscr=PR)
    assert (of_pair(state, 2), cause(state)) == (0x7FF7FFFFFFFFFFFF, 0)
    state = bench.one("fcnvds dr2,fpul", fpscr=PR, **pair("fr", 2, 0x7FF8000000000000))
    assert (state["fpul"], cause(state)) == (NAN, V)


@pytest.mark.parametrize(
    "text, a, b, result, why",
    [
        ("fadd", INF, NINF, NAN, V), ("fsub", INF, INF, NAN, V), ("fadd", INF, ONE, INF, 0), 
        ("fsub", ONE, INF, NINF, 0),
        ("fmul", INF, 0, NAN, V), ("fmul", MINUS, INF, NAN, V), ("fmul", INF, MINUS | ONE, NINF, 0),
        ("fdiv", INF, INF, NAN, V), ("fdiv", 0, 0, NAN, V), ("fdiv", ONE, 0, INF, Z), ("fdiv", ONE, MINUS, NINF, Z),
        ("fdiv", INF, 0, INF, 0), ("fdiv", ONE, NINF, MINUS, 0), ("fdiv", 0, ONE, 0, 0),
        ("fadd", 0, MINUS, 0, 0), ("fadd", MINUS, MINUS, MINUS, 0), 
        ("fsub", ONE, ONE, 0, 0), ("fsub", MINUS, 0, MINUS, 0),
    ],
)  # fmt: skip
def test_infinities_and_zeros(bench: Bench, text: str, a: int, b: int, result: int, why: int) -> None:
    # Source: [M]; results of V and Z [SH7760 51]
    for mode in (0, RZ):
        state = bench.one(f"{text} fr2,fr1", fr1=a, fr2=b, fpscr=mode)
        assert (state["fr1"], cause(state)) == (result, why)


@pytest.mark.parametrize(
    "x, result, why",
    [(MINUS, MINUS, 0), (0, 0, 0), (MINUS | ONE, NAN, V), (INF, INF, 0), (NINF, NAN, V), (QNAN, NAN, 0)],
)
def test_square_root_of_special_numbers(bench: Bench, x: int, result: int, why: int) -> None:
    # Source: [M]; result of V [SH7760 51]
    state = bench.one("fsqrt fr1", fr1=x, fpscr=0)
    assert (state["fr1"], cause(state)) == (result, why)


def test_overflow_by_rounding_mode(bench: Bench) -> None:
    # Source: [SH7764 143], [SH7760 51]; inexact with it [M]
    state = bench.one("fadd fr1,fr1", fr1=GREATEST, fpscr=0)
    assert (state["fr1"], cause(state)) == (INF, O | I)
    state = bench.one("fadd fr1,fr1", fr1=GREATEST | MINUS, fpscr=RZ)
    assert (state["fr1"], cause(state)) == (GREATEST | MINUS, O | I)


# Denormals ------------------------------------------------------------------------------------------------------


def test_dn_reads_denormals_as_zeros_of_their_sign(bench: Bench) -> None:
    # Source: [SH7750 188]; sign [own]
    state = bench.one("fadd fr2,fr1", fr1=DENORMAL | MINUS, fr2=MINUS, fpscr=DN)
    assert (state["fr1"], cause(state)) == (MINUS, 0)
    state = bench.one("fdiv fr2,fr1", fr1=ONE, fr2=0x007FFFFF, fpscr=DN)
    assert (state["fr1"], cause(state)) == (INF, Z)
    assert bench.one("fcmp/eq fr2,fr1", fr1=DENORMAL, fr2=0, fpscr=DN, sr=MD)["sr"] & 1 == 1
    state = bench.one("fcnvsd fpul,dr2", fpul=DENORMAL, fpscr=PR | DN)
    assert of_pair(state, 2) == 0


def test_dn_flushes_results_to_zeros_of_their_sign(bench: Bench) -> None:
    # Source: [SH7760 51]
    state = bench.one("fmul fr2,fr1", fr1=LEAST | MINUS, fr2=HALF, fpscr=DN)
    assert (state["fr1"], cause(state)) == (MINUS, U | I)
    state = bench.one("fsub fr2,fr1", fr1=LEAST | 1, fr2=LEAST, fpscr=DN)
    assert (state["fr1"], cause(state)) == (0, U | I)


def test_without_dn_denormals_are_computed_with(bench: Bench) -> None:
    # Source: [SH7750 188]; without an FPU error [own]
    state = bench.one("fmul fr2,fr1", fr1=LEAST | MINUS, fr2=HALF, fpscr=0)
    assert (state["fr1"], cause(state)) == (0x80400000, 0)  # exact: no underflow
    state = bench.one("fmul fr2,fr1", fr1=LEAST | 1, fr2=HALF, fpscr=0)
    assert (state["fr1"], cause(state)) == (0x00400000, U | I)
    state = bench.one("fadd fr2,fr1", fr1=DENORMAL, fr2=DENORMAL, fpscr=0)
    assert (state["fr1"], cause(state)) == (2, 0)
    state = bench.one("fcnvds dr2,fpul", fpscr=PR, **pair("fr", 2, double(2.0**-149)))
    assert (state["fpul"], cause(state)) == (1, 0)
    assert of_pair(bench.one("fcnvsd fpul,dr2", fpul=1, fpscr=PR), 2) == double(2.0**-149)


def test_moves_and_signs_keep_denormals_and_nans(bench: Bench) -> None:
    # Source: [SH7750 188]
    state = bench.go("fmov fr1,fr2; fneg fr1; flds fr3,fpul; fabs fr3", fr1=DENORMAL, fr3=SNAN | MINUS, fpscr=DN)
    assert (state["fr2"], state["fr1"]) == (DENORMAL, DENORMAL | MINUS)
    assert (state["fpul"], state["fr3"]) == (SNAN | MINUS, SNAN)
    assert cause(state) == 0


# FMAC, FTRC, compare --------------------------------------------------------------------------------------------


def test_fmac_rounds_once(bench: Bench) -> None:
    """(1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 fused, 0 when the product is rounded first."""
    # Source: [SH7764 143]
    a = single(1 + 2.0**-12)
    state = bench.one("fmac fr0,fr2,fr1", fr0=a, fr2=a, fr1=single(-(1 + 2.0**-11)), fpscr=0)
    assert (state["fr1"], cause(state)) == (single(2.0**-24), 0)
    rng = random.Random(9)
    for _ in range(100):
        a, b, d = (rng.getrandbits(1) << 31 | rng.randrange(110, 140) << 23 | rng.getrandbits(23) for _ in range(3))
        result = bench.one("fmac fr0,fr2,fr1", fr0=a, fr2=b, fr1=d, fpscr=0)["fr1"]
        exact = Fraction(number(a)) * Fraction(number(b)) + Fraction(number(d))
        error = abs(Fraction(number(result)) - exact)
        for neighbour in (result - 1, result + 1):
            assert error <= abs(Fraction(number(neighbour)) - exact)


def test_fmac_of_zero_times_infinity_is_invalid_even_with_a_nan(bench: Bench) -> None:
    # Source: [own]
    state = bench.one("fmac fr0,fr2,fr1", fr0=0, fr2=INF, fr1=QNAN, fpscr=0)
    assert (state["fr1"], cause(state)) == (NAN, V)
    state = bench.one("fmac fr0,fr2,fr1", fr0=INF, fr2=ONE, fr1=NINF, fpscr=0)
    assert (state["fr1"], cause(state)) == (NAN, V)


@pytest.mark.parametrize(
    "x, result, why",
    [
        (1.75, 1, 0), (-1.75, -1, 0), (-0.5, 0, 0), (2147483520.0, 2147483520, 0), (2147483648.0, 0x7FFFFFFF, V),
        (-2147483648.0, -0x80000000, 0), (-2147483904.0, -0x80000000, V), (math.inf, 0x7FFFFFFF, V),
        (-math.inf, -0x80000000, V), (2.0**-140, 0, 0),
    ],
)  # fmt: skip
def test_ftrc_truncates_and_saturates(bench: Bench, x: float, result: int, why: int) -> None:
    # Source: [M]
    state = bench.one("ftrc fr1,fpul", fr1=single(x), fpscr=0)
    assert (state["fpul"], cause(state)) == (result & 0xFFFFFFFF, why)
    state = bench.one("ftrc fr2,fpul", fpscr=PR, **pair("fr", 2, double(x)))
    assert (state["fpul"], cause(state)) == (result & 0xFFFFFFFF, why)


@pytest.mark.parametrize("x, result, why", [(2147483647.5, 0x7FFFFFFF, 0), (-2147483648.9, 0x80000000, 0),
                                            (-2147483649.0, 0x80000000, V), (1e300, 0x7FFFFFFF, V)])  # fmt: skip
def test_ftrc_of_doubles_at_the_limits(bench: Bench, x: float, result: int, why: int) -> None:
    # Source: [M]
    state = bench.one("ftrc fr2,fpul", fpscr=PR, **pair("fr", 2, double(x)))
    assert (state["fpul"], cause(state)) == (result, why)


@pytest.mark.parametrize("nan", [QNAN, SNAN, QNAN | MINUS])
def test_ftrc_of_a_nan(bench: Bench, nan: int) -> None:
    # Source: [M]
    state = bench.one("ftrc fr1,fpul", fr1=nan, fpscr=0)
    assert (state["fpul"], cause(state)) == (0x80000000, V)


def test_comparisons(bench: Bench) -> None:
    # Source: [M]
    for a, b in zip(singles(10, 40), singles(11, 40), strict=True):
        for m in (b, a):
            assert bench.one("fcmp/gt fr2,fr1", fr1=a, fr2=m, fpscr=0)["sr"] & 1 == int(number(a) > number(m))
            assert bench.one("fcmp/eq fr2,fr1", fr1=a, fr2=m, fpscr=0)["sr"] & 1 == int(number(a) == number(m))
    for a, b in ((0, MINUS), (INF, INF), (NINF, INF), (GREATEST, INF), (DENORMAL, 0), (DENORMAL, LEAST)):
        for n, m in ((a, b), (b, a)):
            assert bench.one("fcmp/gt fr2,fr1", fr1=n, fr2=m, fpscr=0)["sr"] & 1 == int(number(n) > number(m))
            assert bench.one("fcmp/eq fr2,fr1", fr1=n, fr2=m, fpscr=0)["sr"] & 1 == int(number(n) == number(m))


@pytest.mark.parametrize("nan, equal, greater", [(QNAN, 0, V), (SNAN, V, V)])
def test_comparison_with_a_nan_is_false(bench: Bench, nan: int, equal: int, greater: int) -> None:
    # Source: [M]
    state = bench.one("fcmp/eq fr2,fr1", fr1=nan, fr2=nan, fpscr=0, sr=MD | 1)
    assert (state["sr"] & 1, cause(state)) == (0, equal)
    state = bench.one("fcmp/gt fr2,fr1", fr1=ONE, fr2=nan, fpscr=0, sr=MD | 1)
    assert (state["sr"] & 1, cause(state)) == (0, greater)


# Approximations and vectors -------------------------------------------------------------------------------------


def test_fsrra_is_correctly_rounded(bench: Bench) -> None:
    # Source: [own], within [S 414]
    for a in singles(12, 100):
        a &= 0x7FFFFFFF
        result = bench.one("fsrra fr1", fr1=a, fpscr=0)["fr1"]
        x = Fraction(number(a))
        below, above = (Fraction(number(result)) + Fraction(number(result + k)) for k in (-1, 1))
        assert (below / 2) ** 2 * x <= 1 <= (above / 2) ** 2 * x
    for x, expected, why in ((0, INF, Z), (MINUS, NINF, Z), (MINUS | ONE, NAN, V), (INF, 0, 0), (SNAN, NAN, V)):
        state = bench.one("fsrra fr1", fr1=x, fpscr=0)
        assert (state["fr1"], cause(state)) == (expected, why)


def test_fsca_gives_sine_and_cosine_of_a_fraction_of_a_turn(bench: Bench) -> None:
    # Source: [S 408]
    for angle in [*range(0, 65536, 331), 1, 0x2000, 0x2001, 0x4000, 0x7FFF, 0x8000, 0xC000, 0xFFFF, 0x12345678]:
        state = bench.one("fsca fpul,dr2", fpul=angle, fpscr=0)
        turns = 2 * math.pi * (angle & 0xFFFF) / 65536
        assert number(state["fr2"]) == pytest.approx(math.sin(turns), rel=1e-7, abs=1e-15)
        assert number(state["fr3"]) == pytest.approx(math.cos(turns), rel=1e-7, abs=1e-15)
        assert cause(state) == I
    exact = {0: (0, ONE), 0x4000: (ONE, 0), 0x8000: (0, ONE | MINUS), 0xC000: (ONE | MINUS, 0)}
    for angle, (sine, cosine) in exact.items():
        state = bench.one("fsca fpul,dr2", fpul=angle, fpscr=0)
        assert (state["fr2"] & 0x7FFFFFFF or 0, state["fr3"] & 0x7FFFFFFF or 0) == (sine & ~MINUS, cosine & ~MINUS)


def vector(k: int, values: list[float]) -> dict[str, int]:
    return {f"fr{k + i}": single(x) for i, x in enumerate(values)}


def test_fipr_is_an_inner_product_into_the_last_element(bench: Bench) -> None:
    # Source: [S 111]
    state = bench.one("fipr fv8,fv4", fpscr=0, **vector(4, [1, 2, 3, 4]), **vector(8, [5, 6, 7, -8]))
    assert number(state["fr7"]) == 5 + 12 + 21 - 32
    assert [number(state[f"fr{k}"]) for k in (4, 5, 6)] == [1, 2, 3]


def test_fipr_keeps_what_cancels(bench: Bench) -> None:
    """No intermediate rounding: 2^60 + 1 - 2^60 is 1."""
    # Source: [own], within [S 111]
    state = bench.one(
        "fipr fv8,fv4", fpscr=0, **vector(4, [2.0**30, 1, -(2.0**30), 0]), **vector(8, [2.0**30, 1, 2.0**30, 0])
    )
    assert number(state["fr7"]) == 1


@pytest.mark.parametrize(
    "a, b, result, why",
    [
        ([math.inf, 1, 1, 1], [1, 1, 1, 1], INF, 0),
        ([-math.inf, 1, 1, 1], [1, 1, 1, 1], NINF, 0),
        ([math.inf, -math.inf, 1, 1], [1, 1, 1, 1], NAN, V),
        ([math.inf, 1, 1, 1], [0, 1, 1, 1], NAN, V),
        ([math.inf, math.inf, 1, 1], [1, 1, 1, 1], INF, 0),
        ([3e38, 3e38, 1, 1], [1, 1, 1, 1], INF, O | I),
        ([3e38, 3e38, -3e38, -3e38], [1, 1, 1, 1], 0, 0),
        ([-0.0, -0.0, -0.0, -0.0], [1, 1, 1, 1], MINUS, 0),
        ([-0.0, -0.0, -0.0, 0.0], [1, 1, 1, 1], 0, 0),
    ],
)
def test_fipr_of_infinities_and_zeros(bench: Bench, a: list[float], b: list[float], result: int, why: int) -> None:
    # Source: [own]
    state = bench.one("fipr fv8,fv4", fpscr=0, **vector(4, a), **vector(8, b))
    assert (state["fr7"], cause(state)) == (result, why)
    matrix = {**{f"xf{k}": ONE for k in range(16)}, **{f"xf{4 * k}": single(x) for k, x in enumerate(b)}}
    state = bench.one("ftrv xmtrx,fv4", fpscr=0, **matrix, **vector(4, a))
    assert state["fr4"] == result


def test_fipr_of_a_nan(bench: Bench) -> None:
    # Source: [SH7750 188]
    state = bench.one("fipr fv8,fv4", fpscr=0, **{**vector(4, [1] * 4), **vector(8, [1] * 4), "fr5": QNAN})
    assert (state["fr7"], cause(state)) == (NAN, 0)
    state = bench.one("fipr fv8,fv4", fpscr=0, **{**vector(4, [1] * 4), **vector(8, [1] * 4), "fr9": SNAN})
    assert (state["fr7"], cause(state)) == (NAN, V)


def test_ftrv_multiplies_by_the_back_bank_by_columns(bench: Bench) -> None:
    # Source: [M]
    matrix = {f"xf{k}": single(k + 1) for k in range(16)}
    v = [2, 3, 5, 7]
    state = bench.one("ftrv xmtrx,fv8", fpscr=0, **matrix, **vector(8, v))
    rows = [sum((row + 4 * column + 1) * v[column] for column in range(4)) for row in range(4)]
    assert [number(state[f"fr{8 + k}"]) for k in range(4)] == rows


def test_ftrv_writes_nothing_where_an_enabled_cause_is_in_any_row(bench: Bench) -> None:
    # Source: [SH7760 51]; only where the cause is there [own]
    matrix = {**{f"xf{k}": ONE for k in range(16)}, "xf3": INF}
    state = bench.faults("ftrv xmtrx,fv8", fpscr=V << 7, **matrix, **vector(8, [0, 1, 2, 3]))
    assert state["expevt"] == 0x120
    assert [number(state[f"fr{8 + k}"]) for k in range(4)] == [0, 1, 2, 3]


# Exceptions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, a, b, why",
    [("fadd", SNAN, ONE, V), ("fdiv", ONE, 0, Z), ("fadd", GREATEST, GREATEST, O | I), ("fmul", LEAST | 1, HALF, U | I),
     ("fadd", ONE, 0x33000000, I)],
)  # fmt: skip
def test_enabled_cause_raises_and_changes_neither_register_nor_flags(
    bench: Bench, text: str, a: int, b: int, why: int
) -> None:
    # Source: destination [SH7730 143]; flags [own]
    for enable in (bit for bit in (I, U, O, Z, V) if bit & why):
        state = bench.faults(f"{text} fr2,fr1", fr1=a, fr2=b, fpscr=enable << 7)
        assert (state["expevt"], state["vector"], state["spc"]) == (0x120, 0x100, CODE)
        assert (state["fr1"], cause(state), flags(state)) == (a, why, 0)
        bench.core.set_state({"sr": MD})
    state = bench.one(f"{text} fr2,fr1", fr1=a, fr2=b, fpscr=(31 & ~why) << 7, sr=MD)
    assert (cause(state), flags(state), state["pc"]) == (why, why, CODE + 2)


def test_flags_accumulate_and_causes_are_of_the_last_operation(bench: Bench) -> None:
    # Source: [SH7751 182]
    state = bench.go("fdiv fr2,fr1; fadd fr3,fr4", fr1=ONE, fr2=0, fr3=ONE, fr4=0x33000000, fpscr=0)
    assert (cause(state), flags(state)) == (I, Z | I)
    state = bench.go("fadd fr3,fr3", fr3=ONE, fpscr=state["fpscr"])
    assert (cause(state), flags(state)) == (0, Z | I)


def test_enabled_comparison_leaves_t(bench: Bench) -> None:
    # Source: [own]
    state = bench.faults("fcmp/gt fr2,fr1", fr1=QNAN, fr2=ONE, fpscr=V << 7, sr=MD | 1)
    assert (state["expevt"], state["ssr"] & 1) == (0x120, 1)


FPU_TEXTS = ("fadd fr0,fr0", "fldi0 fr1", "fmov @r1,fr2", "lds r1,fpul", "sts fpscr,r1", "frchg",
             "fipr fv0,fv4", "lds.l @r1+,fpscr", "sts.l fpul,@-r1")  # fmt: skip


@pytest.mark.parametrize("text", FPU_TEXTS)
def test_fpu_disable_covers_every_fpu_instruction(bench: Bench, text: str) -> None:
    # Source: codes [WashingtonDC]; which instructions [M]; in a slot [S 94]
    state = bench.faults(text, sr=MD | FD, r1=DATA)
    assert (state["expevt"], state["spc"], state["r1"]) == (0x800, CODE, DATA)
    state = bench.faults(f"bra .+8; {text}", sr=MD | FD, r1=DATA)
    assert (state["expevt"], state["spc"]) == (0x820, CODE)


def test_exception_keeps_the_disable_bit(bench: Bench) -> None:
    # Source: [SH7785 99]
    state = bench.faults("trapa #1", sr=MD | FD)
    assert (state["ssr"], state["sr"] & FD) == (MD | FD, FD)


@pytest.mark.parametrize(
    "text",
    ["fmac fr0,fr2,fr4", "fipr fv0,fv4", "ftrv xmtrx,fv0", "fsrra fr2", "fsca fpul,dr2", "fadd fr1,fr2", "fadd fr2,fr1",
     "fcmp/eq fr2,fr3", "fsqrt fr3", "float fpul,fr5", "ftrc fr7,fpul", "fldi0 fr4", "fldi1 fr5", "frchg"],
)  # fmt: skip
def test_what_doubles_have_not_is_an_illegal_instruction(bench: Bench, text: str) -> None:
    # Source: FLDI [M], [QEMU]; FRCHG [QEMU], [sim]; the rest [own]
    state = bench.faults(text, fpscr=PR)
    assert (state["expevt"], state["spc"]) == (0x180, CODE)
    state = bench.faults(f"bra .+8; {text}", fpscr=PR, sr=MD)
    assert (state["expevt"], state["spc"]) == (0x1A0, CODE)


@pytest.mark.parametrize("text", ["fcnvsd fpul,dr2", "fcnvds dr2,fpul"])
def test_conversions_between_formats_need_pr(bench: Bench, text: str) -> None:
    # Source: [own]
    assert bench.faults(text, fpscr=0)["expevt"] == 0x180


# Moves ----------------------------------------------------------------------------------------------------------


def test_pair_moves_put_the_even_register_at_the_lower_address(bench: Bench) -> None:
    # Source: [M]
    bench.words(DATA, 0x11111111, 0x22222222)
    state = bench.go("fmov @r1,fr2; fmov @r1+,fr5; fmov fr2,@-r3; fmov fr5,@-r3", r1=DATA, r3=DATA + 0x40, fpscr=SZ)
    assert (state["fr2"], state["fr3"]) == (0x11111111, 0x22222222)
    assert (state["xf4"], state["xf5"]) == (0x11111111, 0x22222222)  # an odd number names the back bank
    assert (state["fr4"], state["fr5"]) == (0, 0)
    assert (state["r1"], state["r3"]) == (DATA + 8, DATA + 0x30)
    assert [bench.long(DATA + 0x30 + 4 * k) for k in range(4)] == [0x11111111, 0x22222222] * 2


def test_pair_moves_of_doubles_are_little_endian(bench: Bench) -> None:
    """With PR=1 the odd register, the low half, is at the lower address: what compilers lay out (gcc -mfmovd), and
    the same as two single moves in their order."""
    # Source: [M]
    bench.core.write(DATA & 0x1FFFFFFF, struct.pack("<d", -1.5))
    state = bench.go("fmov @r1+,fr2; fmov fr2,@r3; fmov @r4,fr7; fmov fr7,@-r5", r1=DATA, r3=DATA + 16, r4=DATA,
                     r5=DATA + 32, fpscr=SZ | PR)  # fmt: skip
    assert of_pair(state, 2) == state["xf6"] << 32 | state["xf7"] == double(-1.5)
    assert bench.core.read(DATA + 16 & 0x1FFFFFFF, 16) == struct.pack("<2d", -1.5, -1.5)


@pytest.mark.parametrize("n, m", [(2, 4), (2, 5), (3, 4), (3, 5)])
def test_register_pair_moves_cross_banks(bench: Bench, n: int, m: int) -> None:
    # Source: [M]
    registers = {"fr4": 1, "fr5": 2, "xf4": 3, "xf5": 4}
    state = bench.go(f"fmov fr{m},fr{n}", fpscr=SZ, **registers)
    source = (1, 2) if m == 4 else (3, 4)
    bank = "fr" if n == 2 else "xf"
    assert (state[f"{bank}2"], state[f"{bank}3"]) == source


def test_indexed_pair_moves(bench: Bench) -> None:
    # Source: [M]
    bench.words(DATA + 8, 7, 8)
    state = bench.go("fmov @(r0,r1),fr2; fmov fr2,@(r0,r3)", r0=8, r1=DATA, r3=DATA + 0x80, fpscr=SZ)
    assert (state["fr2"], state["fr3"]) == (7, 8)
    assert (bench.long(DATA + 0x88), bench.long(DATA + 0x8C)) == (7, 8)


@pytest.mark.parametrize("text, expevt", [("fmov @r1,fr2", 0xE0), ("fmov @r1+,fr2", 0xE0), ("fmov fr2,@r1", 0x100),
                                          ("fmov fr2,@-r1", 0x100)])  # fmt: skip
def test_pairs_need_addresses_of_multiples_of_8(bench: Bench, text: str, expevt: int) -> None:
    # Source: [SH7750 169]
    state = bench.faults(text, r1=DATA + 4, fpscr=SZ)
    assert (state["expevt"], state["r1"]) == (expevt, DATA + 4)
    assert state["tea"] == DATA + 4 - (8 if "-" in text else 0)


def test_pair_load_that_misses_changes_nothing(bench: Bench) -> None:
    # Source: [SH7764 110], re-executed [S 94]
    bench.words(DATA, 1, 2)
    bench.page(0, 0x00400000, 0x0C008000)
    bench.mmu_on()
    state = bench.faults("fmov @r1+,fr2", r1=0x00401000, fpscr=SZ, fr2=5, fr3=6)
    assert (state["fr2"], state["fr3"], state["r1"], state["expevt"]) == (5, 6, 0x00401000, 0x40)


def test_single_moves(bench: Bench) -> None:
    # Source: [M]
    bench.words(DATA, 0x1234)
    state = bench.go("fmov @r1+,fr3; fmov fr3,@-r2; fldi1 fr4; fldi0 fr5; lds r1,fpul; fsts fpul,fr6", r1=DATA,
                     r2=DATA + 0x44, fpscr=0)  # fmt: skip
    assert (state["fr3"], state["r1"], state["r2"], bench.long(DATA + 0x40)) == (0x1234, DATA + 4, DATA + 0x40, 0x1234)
    assert (state["fr4"], state["fr5"], state["fr6"]) == (ONE, 0, DATA + 4)


def test_signs_of_doubles_are_in_the_even_register(bench: Bench) -> None:
    # Source: [M]
    state = bench.go("fneg fr2; fabs fr4", fpscr=PR, **pair("fr", 2, double(1)), **pair("fr", 4, double(-2)))
    assert (wide(of_pair(state, 2)), wide(of_pair(state, 4))) == (-1, 2)


def test_mode_toggles(bench: Bench) -> None:
    # Source: [M]
    state = bench.go("frchg", fpscr=0, fr1=1, xf1=2)
    assert (state["fpscr"], state["fr1"], state["xf1"]) == (FR, 2, 1)
    assert bench.go("fschg; fpchg", fpscr=0)["fpscr"] == SZ | PR


def test_fpscr_transfers_switch_banks_and_drop_reserved_bits(bench: Bench) -> None:
    # Source: [M]
    state = bench.go("lds r1,fpscr; sts fpscr,r2", r1=0xFFE00000 | FR, fpscr=0, fr1=1, xf1=2)
    assert (state["fpscr"], state["r2"], state["fr1"], state["xf1"]) == (FR, FR, 2, 1)
    bench.words(DATA, SZ)
    state = bench.go("lds.l @r1+,fpscr; sts.l fpscr,@-r2", r1=DATA, r2=DATA + 0x44, sr=MD)
    assert (state["fpscr"], bench.long(DATA + 0x40), state["r1"]) == (SZ, SZ, DATA + 4)


def test_fpu_exception_with_bl_resets(bench: Bench) -> None:
    # Source: [S 94]
    state = bench.faults("fdiv fr2,fr1", fr1=ONE, fr2=0, fpscr=Z << 7, sr=MD | BL)
    assert (state["vector"], state["expevt"]) == (0, 0x20)
