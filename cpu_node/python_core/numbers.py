"""IEEE 754 arithmetic on Python integers for the SH-4A FPU: exact, no host floating point.

A number is (kind, sign, m, e): (-1)^sign * m * 2^e. Every result is the exact value rounded once.
NaN with the top fraction bit set signals, and a NaN result is always the default one
(docs/reference/semantics.md). Functions return (bits, cause).
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

I, U, O, Z, V = 1, 2, 4, 8, 16  # noqa: E741 the manual's letters: inexact underflow overflow zero invalid
DN = 0x40000
ZERO, FINITE, INFINITE, QUIET, SIGNALLING = range(5)


class Format(NamedTuple):
    """Width in bits, fraction bits, exponent bias, default NaN."""

    width: int
    bits: int
    bias: int
    nan: int

    @property
    def infinity(self) -> int:
        """Bits of +infinity."""
        return 2 * self.bias + 1 << self.bits


SINGLE = Format(32, 23, 127, 0x7FBFFFFF)
DOUBLE = Format(64, 52, 1023, 0x7FF7FFFFFFFFFFFF)
Number = tuple[int, int, int, int]
Result = tuple[int, int]


def unpack(f: Format, v: int, fpscr: int) -> Number:
    """Bits to a number; DN=1 reads a denormal as zero of its sign."""
    sign, field, fraction = v >> f.width - 1, v >> f.bits & 2 * f.bias + 1, v & (1 << f.bits) - 1
    if field == 2 * f.bias + 1:
        kind = INFINITE if not fraction else SIGNALLING if fraction >> f.bits - 1 else QUIET
        return kind, sign, 0, 0
    if field:
        return FINITE, sign, fraction | 1 << f.bits, field - f.bias - f.bits
    if not fraction or fpscr & DN:
        return ZERO, sign, 0, 0
    return FINITE, sign, fraction, 1 - f.bias - f.bits


def signed(f: Format, sign: int, bits: int) -> int:
    """Magnitude bits with a sign."""
    return sign << f.width - 1 | bits


def rounded(f: Format, fpscr: int, sign: int, m: int, e: int) -> Result:
    """(-1)^sign * m * 2^e in the format. RM 0 is to nearest even, any other toward zero."""
    if not m:
        return signed(f, sign, 0), 0
    top = m.bit_length() - 1 + e
    tiny = top < 1 - f.bias
    if tiny and fpscr & DN:
        return signed(f, sign, 0), U | I
    down = max(top, 1 - f.bias) - f.bits - e
    q, rest = (m << -down, 0) if down <= 0 else (m >> down, m & (1 << down) - 1)
    cause = (I | U if tiny else I) if rest else 0
    if rest and not fpscr & 3 and 2 * rest > (1 << down) - (q & 1):
        q += 1
    bits = q if tiny else (top + f.bias - 1 << f.bits) + q  # a carry goes into the exponent
    if bits >= f.infinity:
        bits, cause = f.infinity - (1 if fpscr & 3 else 0), O | I
    return signed(f, sign, bits), cause


def nans(f: Format, *numbers: Number) -> Result | None:
    """The default NaN where an operand is one, invalid where it signals."""
    kinds = [x[0] for x in numbers]
    if max(kinds) < QUIET:
        return None
    return f.nan, V if SIGNALLING in kinds else 0


def add(f: Format, fpscr: int, a: Number, b: Number) -> Result:
    """a + b. Zero of an exact cancellation is positive."""
    if (nan := nans(f, a, b)) is not None:
        return nan
    if INFINITE in (a[0], b[0]):
        if a[0] == b[0] and a[1] != b[1]:
            return f.nan, V
        return signed(f, a[1] if a[0] == INFINITE else b[1], f.infinity), 0
    if a[0] == b[0] == ZERO:
        return signed(f, a[1] & b[1], 0), 0
    e = min(x[3] for x in (a, b) if x[0] != ZERO)
    total = sum((-x[2] if x[1] else x[2]) << x[3] - e for x in (a, b) if x[0] != ZERO)
    return rounded(f, fpscr, int(total < 0), abs(total), e)


def product(a: Number, b: Number) -> Number | None:
    """The exact product of two that are not NaN; None for zero times infinity."""
    sign = a[1] ^ b[1]
    if INFINITE in (a[0], b[0]):
        return None if ZERO in (a[0], b[0]) else (INFINITE, sign, 0, 0)
    if ZERO in (a[0], b[0]):
        return ZERO, sign, 0, 0
    return FINITE, sign, a[2] * b[2], a[3] + b[3]


def mul(f: Format, fpscr: int, a: Number, b: Number) -> Result:
    """a * b."""
    if (nan := nans(f, a, b)) is not None:
        return nan
    p = product(a, b)
    if p is None:
        return f.nan, V
    if p[0] == INFINITE:
        return signed(f, p[1], f.infinity), 0
    return rounded(f, fpscr, *p[1:])


def div(f: Format, fpscr: int, a: Number, b: Number) -> Result:
    """a / b."""
    if (nan := nans(f, a, b)) is not None:
        return nan
    sign = a[1] ^ b[1]
    if a[0] == b[0] and a[0] in (ZERO, INFINITE):
        return f.nan, V
    if a[0] == INFINITE:
        return signed(f, sign, f.infinity), 0
    if b[0] == ZERO:
        return signed(f, sign, f.infinity), Z
    if a[0] == ZERO or b[0] == INFINITE:
        return signed(f, sign, 0), 0
    q, rest = divmod(a[2] << 160, b[2])
    return rounded(f, fpscr, sign, q << 1 | (rest != 0), a[3] - b[3] - 161)


def sqrt(f: Format, fpscr: int, a: Number) -> Result:
    """Square root; of -0 it is -0."""
    if (nan := nans(f, a)) is not None:
        return nan
    if a[0] == ZERO:
        return signed(f, a[1], 0), 0
    if a[1]:
        return f.nan, V
    if a[0] == INFINITE:
        return f.infinity, 0
    m, e = a[2] << 160 + (a[3] & 1), a[3] - 160 - (a[3] & 1)
    root = isqrt(m)
    return rounded(f, fpscr, 0, root << 1 | (root * root != m), e // 2 - 1)


def reciprocal_sqrt(fpscr: int, a: Number) -> Result:
    """FSRRA: 1 / sqrt(a), correctly rounded."""
    if (nan := nans(SINGLE, a)) is not None:
        return nan
    if a[0] == ZERO:
        return signed(SINGLE, a[1], SINGLE.infinity), Z
    if a[1]:
        return SINGLE.nan, V
    if a[0] == INFINITE:
        return 0, 0
    m, e = a[2] << (a[3] & 1), a[3] - (a[3] & 1)
    q, rest = divmod(1 << 126, m)
    root = isqrt(q)
    return rounded(SINGLE, fpscr, 0, root << 1 | (rest != 0 or root * root != q), -64 - e // 2)


TURN = 0x6487ED5110B4611A  # floor(2 pi * 2^60)


def sine(angle: int) -> int:
    """FSCA: sine of angle/65536 turns with 60 fraction bits, by Taylor series on an octant."""
    a = angle & 0x3FFF
    if angle & 0x4000:
        a = 0x4000 - a
    cosine = a > 0x2000
    x = TURN * (0x4000 - a if cosine else a) >> 16
    square = x * x >> 60
    term = total = 1 << 60 if cosine else x
    for k in range(1 if cosine else 2, 20, 2):
        scaled = -(term * square >> 60)
        term = abs(scaled) // (k * (k + 1)) * (1 if scaled > 0 else -1)
        total += term
    return -total if angle & 0x8000 else total


def fixed(fpscr: int, v: int) -> Result:
    """A number with 60 fraction bits as a single."""
    return rounded(SINGLE, fpscr, int(v < 0), abs(v), -60)


def inner_product(fpscr: int, a: list[int], b: list[int]) -> Result:
    """FIPR: exact products, each kept to 2^(greatest exponent - 70), summed, rounded once."""
    xs = [(unpack(SINGLE, x, fpscr), unpack(SINGLE, y, fpscr)) for x, y in zip(a, b, strict=True)]
    kinds = [n[0] for pair in xs for n in pair]
    products = [product(x, y) for x, y in xs if x[0] < QUIET and y[0] < QUIET]
    infinities = {p[1] for p in products if p is not None and p[0] == INFINITE}
    if SIGNALLING in kinds or None in products or len(infinities) == 2:
        return SINGLE.nan, V
    if QUIET in kinds:
        return SINGLE.nan, 0
    if infinities:
        return signed(SINGLE, infinities.pop(), SINGLE.infinity), 0
    finite = [p for p in products if p is not None and p[0] == FINITE]
    if not finite:
        return signed(SINGLE, int(all(p[1] for p in products if p)), 0), 0
    top = max(p[3] for p in finite)
    total = sum((-1 if p[1] else 1) * (p[2] << 70 >> top - p[3]) for p in finite)
    if not total:
        return signed(SINGLE, int(all(p[1] for p in products if p)), 0), 0
    return rounded(SINGLE, fpscr, int(total < 0), abs(total), top - 70)
