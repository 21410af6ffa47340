"""Integer and system instructions of the Python core, one line each, after the SH-4A instruction set.

Each body below is the text of one function, compiled once per instruction; decoding a word binds its
operands: n, m register numbers, i signed and u unsigned 8-bit immediate, d 4-bit displacement, pc its
address. c is the core, r its general registers, ld1 ld2 ld4 zero-extending loads, st1 st2 st4 stores.
Branches are in blocks.py, the FPU in fpu.py. W masks to 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

W = 0xFFFFFFFF


def s8(x: int) -> int:
    """Sign-extend 8 bits, as an unsigned 32-bit number."""
    return ((x & 0xFF ^ 0x80) - 0x80) & W


def s16(x: int) -> int:
    """Sign-extend 16 bits, as an unsigned 32-bit number."""
    return ((x & 0xFFFF ^ 0x8000) - 0x8000) & W


def s32(x: int) -> int:
    """The signed number of 32 bits."""
    return (x ^ 0x80000000) - 0x80000000


def div1(c: Any, n: int, m: int) -> None:
    """One step of non-restoring division; the divisor is read before Rn shifts (DIV1 Rn,Rn)."""
    r = c.r
    old_q, sign_m, divisor = c.sr >> 8 & 1, c.sr >> 9 & 1, r[m]
    q = r[n] >> 31
    shifted = (r[n] << 1 | c.t) & W
    total = shifted - divisor if old_q == sign_m else shifted + divisor
    r[n] = total & W
    q ^= sign_m ^ (total >> 32 & 1)
    c.sr = c.sr & ~0x100 | q << 8
    c.t = int(q == sign_m)


def mac_long(c: Any, n: int, m: int) -> None:
    """MAC.L: both operands are read before a register changes; S=1 saturates the sum to 48 bits."""
    r = c.r
    a = s32(c.load(r[n], 4))
    b = s32(c.load(r[m] + 4 * (n == m) & W, 4))
    r[n] = r[n] + 4 & W
    r[m] = r[m] + 4 & W
    acc = (s32(c.mach) << 32 | c.macl) + a * b
    if c.sr & 2:
        acc = max(-(1 << 47), min((1 << 47) - 1, acc))
    c.mach, c.macl = acc >> 32 & W, acc & W


def mac_word(c: Any, n: int, m: int) -> None:
    """MAC.W: S=1 saturates MACL to 32 bits; MACH becomes 1 when it did, and stays otherwise."""
    r = c.r
    a = s32(s16(c.load(r[n], 2)))
    b = s32(s16(c.load(r[m] + 2 * (n == m) & W, 2)))
    r[n] = r[n] + 2 & W
    r[m] = r[m] + 2 & W
    if c.sr & 2:
        total = s32(c.macl) + a * b
        if not -0x80000000 <= total <= 0x7FFFFFFF:
            total = 0x7FFFFFFF if total > 0 else -0x80000000
            c.mach = 1
        c.macl = total & W
    else:
        acc = (c.mach << 32 | c.macl) + a * b
        c.mach, c.macl = acc >> 32 & W, acc & W


def shift(value: int, by: int, arithmetic: bool) -> int:
    """SHAD and SHLD: left by 0-31, or right by 1-32 where bit 31 of ``by`` is set."""
    if not by >> 31:
        return value << (by & 31) & W
    right = 32 - (by & 31)
    return (s32(value) if arithmetic else value) >> right & W


def unaligned(c: Any, v: int) -> int:
    """MOVUA.L: four byte reads where the address is not aligned."""
    if not v & 3:
        return int(c.load(v, 4))
    return sum(c.load(v + k & W, 1) << 8 * k for k in range(4))


_BODIES = """
mov         r[n] = r[m]
mov_i       r[n] = i & W
mova        r[0] = (pc & ~3) + 4 + 4 * u & W
movw_pc     r[n] = s16(ld2(pc + 4 + 2 * u & W))
movl_pc     r[n] = ld4((pc & ~3) + 4 + 4 * u & W)
movb_load   r[n] = s8(ld1(r[m]))
movw_load   r[n] = s16(ld2(r[m]))
movl_load   r[n] = ld4(r[m])
movb_store  st1(r[n], r[m])
movw_store  st2(r[n], r[m])
movl_store  st4(r[n], r[m])
movb_inc    x = s8(ld1(r[m])); r[m] = r[m] + 1 & W; r[n] = x
movw_inc    x = s16(ld2(r[m])); r[m] = r[m] + 2 & W; r[n] = x
movl_inc    x = ld4(r[m]); r[m] = r[m] + 4 & W; r[n] = x
movb_dec    a = r[n] - 1 & W; st1(a, r[m]); r[n] = a
movw_dec    a = r[n] - 2 & W; st2(a, r[m]); r[n] = a
movl_dec    a = r[n] - 4 & W; st4(a, r[m]); r[n] = a
movb_ldisp  r[0] = s8(ld1(r[m] + d & W))
movw_ldisp  r[0] = s16(ld2(r[m] + 2 * d & W))
movl_ldisp  r[n] = ld4(r[m] + 4 * d & W)
movb_sdisp  st1(r[m] + d & W, r[0])
movw_sdisp  st2(r[m] + 2 * d & W, r[0])
movl_sdisp  st4(r[n] + 4 * d & W, r[m])
movb_lr0    r[n] = s8(ld1(r[m] + r[0] & W))
movw_lr0    r[n] = s16(ld2(r[m] + r[0] & W))
movl_lr0    r[n] = ld4(r[m] + r[0] & W)
movb_sr0    st1(r[n] + r[0] & W, r[m])
movw_sr0    st2(r[n] + r[0] & W, r[m])
movl_sr0    st4(r[n] + r[0] & W, r[m])
movb_lgbr   r[0] = s8(ld1(c.gbr + u & W))
movw_lgbr   r[0] = s16(ld2(c.gbr + 2 * u & W))
movl_lgbr   r[0] = ld4(c.gbr + 4 * u & W)
movb_sgbr   st1(c.gbr + u & W, r[0])
movw_sgbr   st2(c.gbr + 2 * u & W, r[0])
movl_sgbr   st4(c.gbr + 4 * u & W, r[0])
movua       r[0] = unaligned(c, r[n])
movua_inc   x = unaligned(c, r[n]); r[n] = r[n] + 4 & W; r[0] = x
movli       x = ld4(r[n]); c.llbit = 1; r[0] = x
movco       c.llbit and st4(r[n], r[0]); c.t = c.llbit; c.llbit = 0
movca       st4(r[n], r[0])
movt        r[n] = c.t
swapb       x = r[m]; r[n] = x & 0xffff0000 | (x & 255) << 8 | x >> 8 & 255
swapw       x = r[m]; r[n] = x << 16 & W | x >> 16
xtrct       r[n] = r[m] << 16 & W | r[n] >> 16
add         r[n] = r[n] + r[m] & W
add_i       r[n] = r[n] + i & W
addc        x = r[n] + r[m] + c.t; r[n] = x & W; c.t = x >> 32
addv        x = s32(r[n]) + s32(r[m]); r[n] = x & W; c.t = int(not -1 << 31 <= x < 1 << 31)
cmpeq_i     c.t = int(r[0] == i & W)
cmpeq       c.t = int(r[n] == r[m])
cmphs       c.t = int(r[n] >= r[m])
cmpge       c.t = int(r[n] ^ 0x80000000 >= r[m] ^ 0x80000000)
cmphi       c.t = int(r[n] > r[m])
cmpgt       c.t = int((r[n] ^ 0x80000000) > (r[m] ^ 0x80000000))
cmppz       c.t = int(r[n] < 0x80000000)
cmppl       c.t = int(0 < r[n] < 0x80000000)
cmpstr      x = r[n] ^ r[m]; c.t = int(not (x & 255 and x & 0xff00 and x & 0xff0000 and x & 0xff000000))
div1        div1(c, n, m)
div0s       c.sr = c.sr & ~0x300 | r[n] >> 31 << 8 | r[m] >> 31 << 9; c.t = (r[n] ^ r[m]) >> 31
div0u       c.sr &= ~0x300; c.t = 0
dmulsl      x = s32(r[n]) * s32(r[m]); c.mach = x >> 32 & W; c.macl = x & W
dmulul      x = r[n] * r[m]; c.mach = x >> 32; c.macl = x & W
dt          x = r[n] = r[n] - 1 & W; c.t = int(x == 0)
extsb       r[n] = s8(r[m])
extsw       r[n] = s16(r[m])
extub       r[n] = r[m] & 0xff
extuw       r[n] = r[m] & 0xffff
macl        mac_long(c, n, m)
macw        mac_word(c, n, m)
mull        c.macl = r[n] * r[m] & W
mulsw       c.macl = s32(s16(r[n])) * s32(s16(r[m])) & W
muluw       c.macl = (r[n] & 0xffff) * (r[m] & 0xffff)
neg         r[n] = -r[m] & W
negc        x = -r[m] - c.t; r[n] = x & W; c.t = int(x < 0)
sub         r[n] = r[n] - r[m] & W
subc        x = r[n] - r[m] - c.t; r[n] = x & W; c.t = int(x < 0)
subv        x = s32(r[n]) - s32(r[m]); r[n] = x & W; c.t = int(not -1 << 31 <= x < 1 << 31)
and         r[n] &= r[m]
and_i       r[0] &= u
andb_gbr    a = c.gbr + r[0] & W; st1(a, ld1(a) & u)
not         r[n] = r[m] ^ W
or          r[n] |= r[m]
or_i        r[0] |= u
orb_gbr     a = c.gbr + r[0] & W; st1(a, ld1(a) | u)
tasb        x = ld1(r[n]); st1(r[n], x | 0x80); c.t = int(x == 0)
tst         c.t = int(not r[n] & r[m])
tst_i       c.t = int(not r[0] & u)
tstb_gbr    c.t = int(not ld1(c.gbr + r[0] & W) & u)
xor         r[n] ^= r[m]
xor_i       r[0] ^= u
xorb_gbr    a = c.gbr + r[0] & W; st1(a, ld1(a) ^ u)
rotl        x = r[n]; c.t = x >> 31; r[n] = x << 1 & W | x >> 31
rotr        x = r[n]; c.t = x & 1; r[n] = x >> 1 | (x & 1) << 31
rotcl       x = r[n]; r[n] = x << 1 & W | c.t; c.t = x >> 31
rotcr       x = r[n]; r[n] = x >> 1 | c.t << 31; c.t = x & 1
shad        r[n] = shift(r[n], r[m], True)
shld        r[n] = shift(r[n], r[m], False)
shal        x = r[n]; c.t = x >> 31; r[n] = x << 1 & W
shll        x = r[n]; c.t = x >> 31; r[n] = x << 1 & W
shar        x = r[n]; c.t = x & 1; r[n] = s32(x) >> 1 & W
shlr        x = r[n]; c.t = x & 1; r[n] = x >> 1
shll2       r[n] = r[n] << 2 & W
shll8       r[n] = r[n] << 8 & W
shll16      r[n] = r[n] << 16 & W
shlr2       r[n] >>= 2
shlr8       r[n] >>= 8
shlr16      r[n] >>= 16
clrmac      c.mach = c.macl = 0
clrs        c.sr &= ~2
sets        c.sr |= 2
clrt        c.t = 0
sett        c.t = 1
nop         pass
synco       pass
icbi        c.model and c.model.operation("icbi", r[n])
prefi       c.model and c.model.operation("prefi", r[n])
ocbi        c.model and c.model.operation("ocbi", r[n])
ocbp        c.model and c.model.operation("ocbp", r[n])
ocbwb       c.model and c.model.operation("ocbwb", r[n])
pref        c.flush_store_queue(r[n]) if r[n] >> 26 == 0x38 else c.model and c.model.operation("pref", r[n])
sleep       c.sleeping = True; c.stopped = "sleep"
ldtlb       c.ldtlb()
"""

# LDC, LDS, STC and STS: what is written with the value x, and what is read.
_WRITES = {
    "sr": "c.set_sr(x)",
    "bank": "c.bank[m & 7] = x",
    "fpscr": "c.set_fpscr(x)",
    "vbr": "c.set_vbr(x)",
    **{name: f"c.{name} = x" for name in "gbr ssr spc sgr dbr mach macl pr fpul".split()},
}
_READS = {"sr": "c.get_sr()", "bank": "c.bank[m & 7]"}

SCOPE: dict[str, Any] = {
    "W": W,
    "s8": s8,
    "s16": s16,
    "s32": s32,
    "div1": div1,
    "mac_long": mac_long,
    "mac_word": mac_word,
    "shift": shift,
    "unaligned": unaligned,
}


def _bodies() -> dict[str, str]:
    table = dict(line.split(None, 1) for line in _BODIES.strip().splitlines())
    for name, write in _WRITES.items():
        read = _READS.get(name, f"c.{name}")
        to, back = ("lds", "sts") if name in ("mach", "macl", "pr", "fpul", "fpscr") else ("ldc", "stc")
        table[f"{to}_{name}"] = f"x = r[n]; {write}"
        table[f"{to}l_{name}"] = f"x = ld4(r[n]); r[n] = r[n] + 4 & W; {write}"
        table[f"{back}_{name}"] = f"r[n] = {read}"
        table[f"{back}l_{name}"] = f"a = r[n] - 4 & W; st4(a, {read}); r[n] = a"
    return table


def factories() -> dict[str, Callable[..., Callable[[], None]]]:
    """Instruction name to factory(c, r, ld1, ld2, ld4, st1, st2, st4, n, m, i, u, d, pc) -> operation."""
    made: dict[str, Callable[..., Callable[[], None]]] = {}
    for name, body in _bodies().items():
        text = (
            f"def factory(c, r, ld1, ld2, ld4, st1, st2, st4, n, m, i, u, d, pc):\n def op():\n  {body}\n return op\n"
        )
        scope = dict(SCOPE)
        exec(text, scope)  # the table above, nothing from outside
        made[name] = scope["factory"]
    return made


FACTORIES = factories()
