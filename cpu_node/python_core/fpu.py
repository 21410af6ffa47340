"""FPU instructions of the Python core: operands, FPSCR causes, enables and flags; arithmetic in numbers.py.

FPSCR: RM 1:0, flags 6:2, enables 11:7, causes 17:12, DN 18, PR 19, SZ 20, FR 21. The FPU error cause
(E) is not raised: denormals are computed with (docs/reference/semantics.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cpu_node.python_core import numbers as num
from cpu_node.python_core.exceptions import Fault
from cpu_node.python_core.integer import W, s32

PR, SZ, FR = 0x80000, 0x100000, 0x200000
ILLEGAL, FPU_EXCEPTION = 0x180, 0x120


def _finish(c: Any, cause: int) -> None:
    """Causes of this operation; with one enabled nothing else changes and the exception is taken."""
    c.fpscr = c.fpscr & ~0x3F000 | cause << 12
    if cause & c.fpscr >> 7 & 31:
        raise Fault(FPU_EXCEPTION)
    c.fpscr |= cause << 2


def _single_only(c: Any) -> None:
    if c.fpscr & PR:
        raise Fault(ILLEGAL)


def _format(c: Any, *registers: int) -> num.Format:
    """Format by PR; a double in an odd register is no instruction."""
    if not c.fpscr & PR:
        return num.SINGLE
    if any(k & 1 for k in registers):
        raise Fault(ILLEGAL)
    return num.DOUBLE


def _get(c: Any, f: num.Format, k: int) -> num.Number:
    v = c.fr[k] if f is num.SINGLE else c.fr[k] << 32 | c.fr[k + 1]
    return num.unpack(f, v, c.fpscr)


def _put(c: Any, f: num.Format, k: int, v: int) -> None:
    if f is num.SINGLE:
        c.fr[k] = v
    else:
        c.fr[k], c.fr[k + 1] = v >> 32, v & W


def _arithmetic(c: Any, name: str, n: int, m: int) -> None:
    f = _format(c, n, m)
    a, b = _get(c, f, n), _get(c, f, m)
    if name == "fsub" and b[0] < num.QUIET:
        b = (b[0], b[1] ^ 1, b[2], b[3])
    operation = {"fadd": num.add, "fsub": num.add, "fmul": num.mul, "fdiv": num.div}[name]
    v, cause = operation(f, c.fpscr, a, b)
    _finish(c, cause)
    _put(c, f, n, v)


def _compare(c: Any, name: str, n: int, m: int) -> None:
    f = _format(c, n, m)
    a, b = _get(c, f, n), _get(c, f, m)
    if (nan := num.nans(f, a, b)) is not None:
        _finish(c, num.V if name == "fcmpgt" else nan[1])
        c.t = 0
        return
    _finish(c, 0)
    left, right = _ordered(a, b)
    c.t = int(left > right if name == "fcmpgt" else left == right)


def _ordered(a: num.Number, b: num.Number) -> tuple[int, int]:
    """Two integers in the order of two numbers that are not NaN."""
    e = min(x[3] for x in (a, b))
    sizes = [1 << 5000 if x[0] == num.INFINITE else x[2] << x[3] - e for x in (a, b)]
    return (-sizes[0] if a[1] else sizes[0]), (-sizes[1] if b[1] else sizes[1])


def _fmac(c: Any, n: int, m: int) -> None:
    _single_only(c)
    f = num.SINGLE
    a, b, d = _get(c, f, 0), _get(c, f, m), _get(c, f, n)
    p = num.product(a, b) if a[0] < num.QUIET and b[0] < num.QUIET else None
    if num.SIGNALLING in (a[0], b[0], d[0]) or (p is None and num.QUIET not in (a[0], b[0])):
        v, cause = f.nan, num.V
    elif p is None or d[0] == num.QUIET:
        v, cause = f.nan, 0
    else:
        v, cause = num.add(f, c.fpscr, p, d)
    _finish(c, cause)
    c.fr[n] = v


def _ftrc(c: Any, n: int) -> None:
    """Toward zero, saturating; NaN gives 0x80000000."""
    kind, sign, m, e = _get(c, _format(c, n), n)
    cause, v = 0, 0
    if kind == num.FINITE:
        size = m << e if e >= 0 else m >> -e
        v = -size if sign else size
    if kind >= num.QUIET:
        cause, v = num.V, -(1 << 31)
    elif kind == num.INFINITE or not -(1 << 31) <= v < 1 << 31:
        cause, v = num.V, -(1 << 31) if sign else (1 << 31) - 1
    _finish(c, cause)
    c.fpul = v & W


def _float(c: Any, n: int) -> None:
    f = _format(c, n)
    x = s32(c.fpul)
    v, cause = num.rounded(f, c.fpscr, int(x < 0), abs(x), 0)
    _finish(c, cause)
    _put(c, f, n, v)


def _convert(c: Any, name: str, n: int) -> None:
    if not c.fpscr & PR:
        raise Fault(ILLEGAL)
    widen = name == "fcnvsd"
    to = num.DOUBLE if widen else num.SINGLE
    a = num.unpack(num.SINGLE, c.fpul, c.fpscr) if widen else _get(c, num.DOUBLE, n)
    result = num.nans(to, a)
    if result is None:
        infinite = (num.signed(to, a[1], to.infinity), 0)
        result = infinite if a[0] == num.INFINITE else num.rounded(to, c.fpscr, *a[1:])
    _finish(c, result[1])
    if widen:
        _put(c, to, n, result[0])
    else:
        c.fpul = result[0]


def _root(c: Any, name: str, n: int) -> None:
    if name == "fsrra":
        _single_only(c)
        f = num.SINGLE
        v, cause = num.reciprocal_sqrt(c.fpscr, _get(c, f, n))
    else:
        f = _format(c, n)
        v, cause = num.sqrt(f, c.fpscr, _get(c, f, n))
    _finish(c, cause)
    _put(c, f, n, v)


def _fsca(c: Any, n: int) -> None:
    _single_only(c)
    s, k = (num.fixed(c.fpscr, num.sine(c.fpul + turn))[0] for turn in (0, 0x4000))
    _finish(c, num.I)
    c.fr[n], c.fr[n + 1] = s, k


def _fipr(c: Any, n: int) -> None:
    _single_only(c)
    to, by = n & 12, (n & 3) << 2
    v, cause = num.inner_product(c.fpscr, c.fr[to : to + 4], c.fr[by : by + 4])
    _finish(c, cause)
    c.fr[to + 3] = v


def _ftrv(c: Any, n: int) -> None:
    _single_only(c)
    to, cause, column = n & 12, 0, []
    for row in range(4):
        v, one = num.inner_product(c.fpscr, c.xf[row::4], c.fr[to : to + 4])
        column.append(v)
        cause |= one
    _finish(c, cause)
    c.fr[to : to + 4] = column


def _pair(c: Any, k: int) -> tuple[list[int], int]:
    """The register list and index of a pair: an odd number is of the other bank."""
    return (c.xf, k - 1) if k & 1 else (c.fr, k)


def _fmov(c: Any, n: int, m: int) -> None:
    if c.fpscr & SZ:
        (src, k), (dst, j) = _pair(c, m), _pair(c, n)
        dst[j : j + 2] = src[k : k + 2]
    else:
        c.fr[n] = c.fr[m]


def _fmov_load(c: Any, name: str, n: int, m: int) -> None:
    a = c.r[m] + (c.r[0] if name == "fmov_lr0" else 0) & W
    if c.fpscr & SZ:
        if a & 7:
            c.address_error(a, "read")
        values = [c.load(a, 4), c.load(a + 4, 4)]
        dst, j = _pair(c, n)
        dst[j : j + 2] = values[::-1] if c.fpscr & PR else values
    else:
        c.fr[n] = c.load(a, 4)
    if name == "fmov_inc":
        c.r[m] = c.r[m] + (8 if c.fpscr & SZ else 4) & W


def _fmov_store(c: Any, name: str, n: int, m: int) -> None:
    pairs = c.fpscr & SZ
    step = {"fmov_sr0": c.r[0], "fmov_dec": -8 if pairs else -4}.get(name, 0)
    a = c.r[n] + step & W
    if pairs:
        if a & 7:
            c.address_error(a, "write")
        src, k = _pair(c, m)
        odd_first = int(bool(c.fpscr & PR))  # with PR=1 a double in little-endian order
        c.store(a, 4, src[k + odd_first])
        c.store(a + 4, 4, src[k + 1 - odd_first])
    else:
        c.store(a, 4, c.fr[m])
    if name == "fmov_dec":
        c.r[n] = a


def _sign(c: Any, name: str, n: int) -> None:
    c.fr[n] = c.fr[n] & 0x7FFFFFFF if name == "fabs" else c.fr[n] ^ 0x80000000


def _move(c: Any, name: str, n: int) -> None:
    if name == "flds":
        c.fpul = c.fr[n]
    else:
        c.fr[n] = c.fpul


def _constant(c: Any, name: str, n: int) -> None:
    _single_only(c)
    c.fr[n] = 0x3F800000 if name == "fldi1" else 0


def _toggle(c: Any, name: str) -> None:
    if name == "frchg":
        _single_only(c)
    c.set_fpscr(c.fpscr ^ {"frchg": FR, "fschg": SZ, "fpchg": PR}[name])


_BY_FIELDS: dict[Callable[..., None], tuple[str, str]] = {
    _arithmetic: ("fadd fsub fmul fdiv", "name n m"),
    _compare: ("fcmpeq fcmpgt", "name n m"),
    _fmac: ("fmac", "n m"),
    _ftrc: ("ftrc", "n"),
    _float: ("float", "n"),
    _convert: ("fcnvsd fcnvds", "name n"),
    _root: ("fsqrt fsrra", "name n"),
    _fsca: ("fsca", "n"),
    _fipr: ("fipr", "n"),
    _ftrv: ("ftrv", "n"),
    _fmov: ("fmov", "n m"),
    _fmov_load: ("fmov_load fmov_inc fmov_lr0", "name n m"),
    _fmov_store: ("fmov_store fmov_dec fmov_sr0", "name n m"),
    _sign: ("fabs fneg", "name n"),
    _move: ("flds fsts", "name n"),
    _constant: ("fldi0 fldi1", "name n"),
    _toggle: ("frchg fschg fpchg", "name"),
}
FPU = {name: (run, fields.split()) for run, (names, fields) in _BY_FIELDS.items() for name in names.split()}


def operation(c: Any, name: str, n: int, m: int) -> Callable[[], None]:
    """The operation of one FPU instruction with its operands."""
    run, fields = FPU[name]
    values = {"name": name, "n": n, "m": m}
    arguments = [values[field] for field in fields]
    return lambda: run(c, *arguments)
