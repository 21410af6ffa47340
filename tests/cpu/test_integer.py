"""Integer instructions, moves and branches, by behaviour, on both cores."""

from __future__ import annotations

import random
import struct

import pytest
from bench_core import BASE, CODE, DATA, MD, Bench

W = 0xFFFFFFFF
T, S, Q, M = 1, 2, 0x100, 0x200
EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, W)


def s32(x: int) -> int:
    return (x & W ^ 0x80000000) - 0x80000000


def pairs() -> list[tuple[int, int]]:
    rng = random.Random(7)
    edges = [(a, b) for a in EDGES for b in EDGES]
    return edges + [(rng.getrandbits(32), rng.getrandbits(32)) for _ in range(40)]


# Arithmetic with carry, borrow, overflow ------------------------------------------------------------------------


# instruction: (Rn, Rm, T) -> (Rn, T)
TWO_OPERANDS = {
    "add": lambda n, m, t: (n + m, t),
    "addc": lambda n, m, t: (n + m + t, int(n + m + t > W)),
    "addv": lambda n, m, t: (n + m, int(not -(1 << 31) <= s32(n) + s32(m) < 1 << 31)),
    "sub": lambda n, m, t: (n - m, t),
    "subc": lambda n, m, t: (n - m - t, int(n - m - t < 0)),
    "subv": lambda n, m, t: (n - m, int(not -(1 << 31) <= s32(n) - s32(m) < 1 << 31)),
    "neg": lambda n, m, t: (-m, t),
    "negc": lambda n, m, t: (-m - t, int(m + t > 0)),
    "cmp/eq": lambda n, m, t: (n, int(n == m)),
    "cmp/hs": lambda n, m, t: (n, int(n >= m)),
    "cmp/ge": lambda n, m, t: (n, int(s32(n) >= s32(m))),
    "cmp/hi": lambda n, m, t: (n, int(n > m)),
    "cmp/gt": lambda n, m, t: (n, int(s32(n) > s32(m))),
    "cmp/str": lambda n, m, t: (n, int(any(a == b for a, b in zip(n.to_bytes(4), m.to_bytes(4), strict=True)))),
    "tst": lambda n, m, t: (n, int(n & m == 0)),
    "and": lambda n, m, t: (n & m, t),
    "or": lambda n, m, t: (n | m, t),
    "xor": lambda n, m, t: (n ^ m, t),
    "not": lambda n, m, t: (~m, t),
    "xtrct": lambda n, m, t: (m << 16 | n >> 16, t),
    "swap.b": lambda n, m, t: (m & 0xFFFF0000 | (m & 255) << 8 | m >> 8 & 255, t),
    "swap.w": lambda n, m, t: (m << 16 | m >> 16, t),
    "exts.b": lambda n, m, t: ((m & 255 ^ 128) - 128, t),
    "exts.w": lambda n, m, t: ((m & 0xFFFF ^ 0x8000) - 0x8000, t),
    "extu.b": lambda n, m, t: (m & 255, t),
    "extu.w": lambda n, m, t: (m & 0xFFFF, t),
    "shad": lambda n, m, t: (n << (m & 31) if s32(m) >= 0 else s32(n) >> (32 - (m & 31)), t),
    "shld": lambda n, m, t: (n << (m & 31) if s32(m) >= 0 else n >> (32 - (m & 31)), t),
}


@pytest.mark.parametrize("name", TWO_OPERANDS)
def test_two_operands(bench: Bench, name: str) -> None:
    bench.put(CODE, f"{name} r2,r1")
    for n, m in pairs():
        for t in (0, 1):
            bench.core.set_state({"r1": n, "r2": m, "sr": MD | t, "pc": CODE})
            bench.core.step()
            state = bench.core.state()
            value, flag = TWO_OPERANDS[name](n, m, t)
            assert (state["r1"], state["sr"] & 1) == (value & W, flag), f"{name} {n:x} {m:x} T={t}"
            assert state["r2"] == m


@pytest.mark.parametrize("name", TWO_OPERANDS)
def test_both_operands_in_one_register(bench: Bench, name: str) -> None:
    bench.put(CODE, f"{name} r1,r1")
    for n in EDGES:
        bench.core.set_state({"r1": n, "sr": MD | 1, "pc": CODE})
        bench.core.step()
        state = bench.core.state()
        value, flag = TWO_OPERANDS[name](n, n, 1)
        assert (state["r1"], state["sr"] & 1) == (value & W, flag), f"{name} {n:x}"


# instruction: (Rn, T) -> (Rn, T)
ONE_OPERAND = {
    "rotl": lambda n, t: (n << 1 | n >> 31, n >> 31),
    "rotr": lambda n, t: (n >> 1 | n << 31, n & 1),
    "rotcl": lambda n, t: (n << 1 | t, n >> 31),
    "rotcr": lambda n, t: (n >> 1 | t << 31, n & 1),
    "shll": lambda n, t: (n << 1, n >> 31),
    "shal": lambda n, t: (n << 1, n >> 31),
    "shlr": lambda n, t: (n >> 1, n & 1),
    "shar": lambda n, t: (s32(n) >> 1, n & 1),
    **{f"shll{k}": lambda n, t, k=k: (n << k, t) for k in (2, 8, 16)},
    **{f"shlr{k}": lambda n, t, k=k: (n >> k, t) for k in (2, 8, 16)},
    "dt": lambda n, t: (n - 1, int(n == 1)),
    "cmp/pz": lambda n, t: (n, int(s32(n) >= 0)),
    "cmp/pl": lambda n, t: (n, int(s32(n) > 0)),
    "movt": lambda n, t: (t, t),
}


@pytest.mark.parametrize("name", ONE_OPERAND)
def test_one_operand(bench: Bench, name: str) -> None:
    bench.put(CODE, f"{name} r9")
    for n in EDGES:
        for t in (0, 1):
            bench.core.set_state({"r9": n, "sr": MD | t, "pc": CODE})
            bench.core.step()
            state = bench.core.state()
            value, flag = ONE_OPERAND[name](n, t)
            assert (state["r9"], state["sr"] & 1) == (value & W, flag), f"{name} {n:x} T={t}"


def test_shift_by_32_to_the_right(bench: Bench) -> None:
    """SHAD and SHLD by a negative multiple of 32 shift everything out."""
    assert bench.one("shad r2,r1", r1=0x80000000, r2=0x80000000)["r1"] == W
    assert bench.one("shad r2,r1", r1=0x7FFFFFFF, r2=-32 & W)["r1"] == 0
    assert bench.one("shld r2,r1", r1=0x80000000, r2=-32 & W)["r1"] == 0


def test_immediates_are_signed_in_moves_and_sums_and_unsigned_in_logic(bench: Bench) -> None:
    assert bench.go("mov #-128,r1; add #-1,r1")["r1"] == -129 & W
    assert bench.go("and #255,r0", r0=W)["r0"] == 0xFF
    assert bench.go("or #240,r0", r0=0x100)["r0"] == 0x1F0
    assert bench.go("xor #240,r0", r0=W)["r0"] == 0xFFFFFF0F
    assert bench.one("tst #240,r0", r0=0xFFFFFF0F)["sr"] & 1 == 1
    assert bench.one("cmp/eq #-1,r0", r0=W)["sr"] & 1 == 1
    assert bench.one("cmp/eq #-1,r0", r0=0xFF)["sr"] & 1 == 0


# Division -------------------------------------------------------------------------------------------------------


def divide_step(sr: int, n: int, m: int) -> tuple[int, int]:
    """DIV1 by its definition in the SH manual: (SR, Rn)."""
    old_q, m_bit, t = sr >> 8 & 1, sr >> 9 & 1, sr & 1
    q = n >> 31
    shifted = n << 1 & W | t
    result = shifted - m if old_q == m_bit else shifted + m
    overflow = int(not 0 <= result <= W)
    q = overflow ^ q if m_bit == 0 else 1 ^ overflow ^ q
    return sr & ~(Q | T) | q << 8 | int(q == m_bit), result & W


def test_div1_for_every_state_of_m_q_and_t(bench: Bench) -> None:
    bench.put(CODE, "div1 r2,r1")
    for n, m in pairs()[::3]:
        for flags in range(8):
            sr = MD | (flags & 1) | (flags >> 1 & 1) << 8 | (flags >> 2) << 9
            bench.core.set_state({"r1": n, "r2": m, "sr": sr, "pc": CODE})
            bench.core.step()
            state = bench.core.state()
            assert (state["sr"], state["r1"]) == divide_step(sr, n, m), f"{n:x} {m:x} {flags:03b}"


def test_div1_with_divisor_and_dividend_in_one_register(bench: Bench) -> None:
    """The divisor is the value before the shift."""
    bench.put(CODE, "div1 r1,r1")
    for n in EDGES:
        for flags in range(8):
            sr = MD | (flags & 1) | (flags >> 1 & 1) << 8 | (flags >> 2) << 9
            bench.core.set_state({"r1": n, "sr": sr, "pc": CODE})
            bench.core.step()
            state = bench.core.state()
            assert (state["sr"], state["r1"]) == divide_step(sr, n, n), f"{n:x} {flags:03b}"


def test_unsigned_division_of_64_by_32_bits(bench: Bench) -> None:
    """The manual's sequence: DIV0U, 32 times ROTCL and DIV1, ROTCL."""
    rng = random.Random(3)
    program = "div0u;" + "rotcl r2; div1 r0,r1;" * 32 + "rotcl r2"
    for _ in range(20):
        divisor = rng.getrandbits(rng.choice((4, 16, 32))) | 1
        quotient, rest = rng.getrandbits(32), rng.randrange(divisor)
        dividend = quotient * divisor + rest
        state = bench.go(program, r0=divisor, r1=dividend >> 32, r2=dividend & W)
        assert state["r2"] == quotient


def test_signed_division_of_32_by_32_bits(bench: Bench) -> None:
    """The manual's sequence for R2 = R2 / R0, toward zero."""
    program = (
        "mov r2,r3; rotcl r3; subc r1,r1; mov #0,r3; subc r3,r2; div0s r0,r1;"
        + "rotcl r2; div1 r0,r1;" * 32
        + "rotcl r2; addc r3,r2"
    )
    rng = random.Random(4)
    for _ in range(20):
        a, b = s32(rng.getrandbits(32)), s32(rng.getrandbits(rng.choice((4, 16, 32))) | 1)
        if (a, b) == (-(1 << 31), -1):
            continue
        state = bench.go(program, r0=b & W, r2=a & W)
        assert s32(state["r2"]) == (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1), (a, b)


def test_div0s_and_div0u(bench: Bench) -> None:
    assert bench.one("div0s r2,r1", r1=0x80000000, r2=1, sr=MD)["sr"] == MD | Q | T
    assert bench.one("div0s r2,r1", r1=1, r2=0x80000000, sr=MD)["sr"] == MD | M | T
    assert bench.one("div0s r2,r1", r1=W, r2=W, sr=MD | T)["sr"] == MD | M | Q
    assert bench.one("div0u", sr=MD | M | Q | T)["sr"] == MD


# Multiplication and accumulation --------------------------------------------------------------------------------


def test_products(bench: Bench) -> None:
    for a, b in pairs()[::5]:
        signed, unsigned = s32(a) * s32(b), a * b
        state = bench.one("dmuls.l r1,r2", r1=a, r2=b)
        assert state["mach"] << 32 | state["macl"] == signed & 0xFFFFFFFFFFFFFFFF
        state = bench.one("dmulu.l r1,r2", r1=a, r2=b)
        assert state["mach"] << 32 | state["macl"] == unsigned
        assert bench.one("mul.l r1,r2", r1=a, r2=b, mach=5)["macl"] == unsigned & W
        word = (s32(a << 16) >> 16) * (s32(b << 16) >> 16)
        assert bench.one("muls.w r1,r2", r1=a, r2=b)["macl"] == word & W
        assert bench.one("mulu.w r1,r2", r1=a, r2=b)["macl"] == (a & 0xFFFF) * (b & 0xFFFF)
    assert bench.core.state()["mach"] == 5  # of 32-bit products MACH stays


def test_mac_long_reads_from_two_advancing_addresses(bench: Bench) -> None:
    bench.words(DATA, 3, 5)
    bench.words(DATA + 0x100, -7 & W, 11)
    state = bench.go("mac.l @r1+,@r2+; mac.l @r1+,@r2+", r1=DATA, r2=DATA + 0x100, macl=1, mach=0)
    assert s32(state["macl"]) == 1 - 21 + 55
    assert (state["r1"], state["r2"], state["mach"]) == (DATA + 8, DATA + 0x108, 0)


@pytest.mark.parametrize("size, suffix", [(4, "l"), (2, "w")])
def test_mac_with_one_register_reads_two_operands_in_a_row(bench: Bench, size: int, suffix: str) -> None:
    values = struct.pack("<ii" if size == 4 else "<hh", 6, -7)
    bench.core.write(DATA & 0x1FFFFFFF, values)
    state = bench.one(f"mac.{suffix} @r1+,@r1+", r1=DATA, macl=0, mach=0)
    assert (state["r1"], s32(state["macl"]), state["mach"]) == (DATA + 2 * size, -42, W)


def mac(bench: Bench, suffix: str, a: int, b: int, acc: int, s: int) -> int:
    fmt = "<i" if suffix == "l" else "<h"
    bench.core.write(DATA & 0x1FFFFFFF, struct.pack(fmt, a))
    bench.core.write(DATA + 64 & 0x1FFFFFFF, struct.pack(fmt, b))
    state = bench.one(f"mac.{suffix} @r1+,@r2+", r1=DATA, r2=DATA + 64, sr=MD | (S if s else 0),
                      mach=acc >> 32 & W, macl=acc & W)  # fmt: skip
    return state["mach"] << 32 | state["macl"]


def test_mac_long_accumulates_64_bits_with_wrap(bench: Bench) -> None:
    assert mac(bench, "l", 1, 1, (1 << 64) - 1, 0) == 0
    assert mac(bench, "l", -1, 1, 0, 0) == (1 << 64) - 1
    assert mac(bench, "l", -(1 << 31), -(1 << 31), 1 << 62, 0) == 1 << 63


@pytest.mark.parametrize(
    "a, b, acc, result",
    [
        (1, 1, 0x00007FFFFFFFFFFF, 0x00007FFFFFFFFFFF),
        (1, 1, 0x00007FFFFFFFFFFE, 0x00007FFFFFFFFFFF),
        (-1, 1, 0xFFFF800000000000, 0xFFFF800000000000),
        (-1, 1, 0xFFFF800000000001, 0xFFFF800000000000),
        (0x7FFFFFFF, 0x7FFFFFFF, 0, 0x00007FFFFFFFFFFF),
        (-(1 << 31), 0x7FFFFFFF, 0, 0xFFFF800000000000),
        (1, 1, 0, 1),
        (-1, 1, 0, 0xFFFFFFFFFFFFFFFF),
        # An accumulator beyond 48 bits, as a SH7091 has it (QEMU's tests of 2024): the whole sum is what saturates
        (0x7FFFFFFF, 0x7FFFFFFF, 0x00007FFF12345678, 0x00007FFFFFFFFFFF),
        (-1, 1, 0x8000000000000000, 0xFFFF800000000000),
        (0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF00000000, 0x00007FFFFFFFFFFF),
        (0, 0, 0x1234800000000000, 0x00007FFFFFFFFFFF),
        (0, 0, 0x8234000000000000, 0xFFFF800000000000),
        (-(1 << 31), 0x7FFFFFFF, 0x8000000000000001, 0xFFFF800000000000),
        (-(1 << 31), 1 << 17, (1 << 48) + 5, 5),
    ],
)
def test_mac_long_saturates_to_48_bits(bench: Bench, a: int, b: int, acc: int, result: int) -> None:
    assert mac(bench, "l", a, b, acc, 1) == result


@pytest.mark.parametrize(
    "a, b, acc, result",
    [
        (1, 1, 0x7FFFFFFF, 0x00000001_7FFFFFFF),
        (-1, 1, 0x80000000, 0x00000001_80000000),
        (1, 1, 0x7FFFFFFE, 0x7FFFFFFF),
        (-0x8000, -0x8000, 0x40000000, 0x00000001_7FFFFFFF),
        (1, 1, 0xABCD0000_7FFFFFFF, 0x00000001_7FFFFFFF),
        (2, 3, 0xABCDEF12_7FFFFFFA, 0x00000001_7FFFFFFF),  # these two as a SH7091 has it
        (-1, 1, 0xABCD0000_80000000, 0x00000001_80000000),
        (2, 3, 0xABCD0000_00000001, 0xABCD0000_00000007),
        (2, -3, 0x12345678_7FFFFFFE, 0x12345678_7FFFFFF8),
        (0x7FFF, 0x7FFF, 0x0000000F_FFFFFFFF, 0x0000000F_3FFF0000),
    ],
)
def test_mac_word_saturates_to_32_bits_and_mach_becomes_1(bench: Bench, a: int, b: int, acc: int, result: int) -> None:
    assert mac(bench, "w", a, b, acc, 1) == result


def test_mac_word_without_saturation_accumulates_64_bits(bench: Bench) -> None:
    assert mac(bench, "w", -1, 1, 0, 0) == (1 << 64) - 1
    assert mac(bench, "w", 0x7FFF, 0x7FFF, 0xFFFFFFFF, 0) == 0xFFFFFFFF + 0x7FFF * 0x7FFF


def test_clrmac_and_the_s_and_t_bits(bench: Bench) -> None:
    state = bench.go("clrmac", mach=1, macl=2)
    assert (state["mach"], state["macl"]) == (0, 0)
    assert bench.go("sets; sett", sr=MD)["sr"] == MD | S | T
    assert bench.go("clrs; clrt", sr=MD | S | T)["sr"] == MD


# Moves ----------------------------------------------------------------------------------------------------------


def test_loads_extend_the_sign_and_are_little_endian(bench: Bench) -> None:
    bench.core.write(DATA & 0x1FFFFFFF, bytes([0x80, 0x91, 0xA2, 0xB3]))
    state = bench.go("mov.b @r1,r2; mov.w @r1,r3; mov.l @r1,r4", r1=DATA)
    assert (state["r2"], state["r3"], state["r4"]) == (0xFFFFFF80, 0xFFFF9180, 0xB3A29180)


@pytest.mark.parametrize("size, suffix", [(1, "b"), (2, "w"), (4, "l")])
def test_every_addressing_mode(bench: Bench, size: int, suffix: str) -> None:
    value = 0x11223344 & (1 << 8 * size) - 1
    stores = {
        f"mov.{suffix} r0,@r1": (0, 0),
        f"mov.{suffix} r0,@-r1": (-size, -size),
        f"mov.{suffix} r0,@({3 * size},r1)": (3 * size, 0),
        f"mov.{suffix} r0,@({200 * size},gbr)": (200 * size, 0),
    }
    for text, (offset, moved) in stores.items():
        bench.core.write(BASE, bytes(0x10000))
        after = bench.go(text, r0=0x11223344, r1=DATA, gbr=DATA)
        assert after["r1"] == DATA + moved & W, text
        assert bench.core.read(DATA + offset & 0x1FFFFFFF, size) == value.to_bytes(size, "little"), text
        assert sum(bench.core.read(DATA - 64 & 0x1FFFFFFF, 2048)) == sum(value.to_bytes(4, "little")), text
    bench.core.write(DATA + 3 * size & 0x1FFFFFFF, value.to_bytes(size, "little"))
    at = DATA + 3 * size
    loads = {
        f"mov.{suffix} @r1,r2": ({"r1": at}, 0),
        f"mov.{suffix} @r1+,r2": ({"r1": at}, size),
        f"mov.{suffix} @(r0,r1),r2": ({"r1": DATA, "r0": 3 * size}, 0),
        f"mov.{suffix} @({3 * size},r1),r0; mov r0,r2": ({"r1": DATA}, 0),
        f"mov.{suffix} @({3 * size},gbr),r0; mov r0,r2": ({"gbr": DATA, "r1": 0}, 0),
    }
    for text, (registers, moved) in loads.items():
        after = bench.go(text, **registers)
        assert after["r2"] == value, text
        assert after["r1"] == registers["r1"] + moved, text
    bench.go(f"mov.{suffix} r2,@(r0,r1)", r0=8, r1=DATA + 0x80, r2=value)
    assert bench.core.read(DATA + 0x88 & 0x1FFFFFFF, size) == value.to_bytes(size, "little")


def test_load_with_increment_into_its_own_address_register_keeps_the_value(bench: Bench) -> None:
    bench.words(DATA, 0x1234)
    assert bench.one("mov.l @r1+,r1", r1=DATA)["r1"] == 0x1234


def test_store_with_decrement_of_its_own_address_register_stores_the_old_value(bench: Bench) -> None:
    assert bench.one("mov.l r1,@-r1", r1=DATA + 4)["r1"] == DATA
    assert bench.long(DATA) == DATA + 4


def test_pc_relative_moves(bench: Bench) -> None:
    """Words from PC + 4, longs and MOVA from the long that PC lies in, + 4."""
    bench.put(CODE, "mov.w .+8,r1; mov.l .+10,r2; mova .+16,r0; nop; .word 0x8001; .word 0; .long 0x12345678")
    state = bench.core.state()
    for _ in range(3):
        bench.core.step()
    state = bench.core.state()
    assert (state["r1"], state["r2"], state["r0"]) == (0xFFFF8001, 0x12345678, CODE + 20)
    bench.put(CODE + 2, "mov.l .+6,r3; nop; nop; .long 0xCAFE0000")
    bench.core.set_state({"pc": CODE + 2})
    bench.core.step()
    assert bench.core.state()["r3"] == 0xCAFE0000


def test_movua_loads_from_any_address(bench: Bench) -> None:
    bench.core.write(DATA & 0x1FFFFFFF, bytes(range(1, 12)))
    for k in range(4):
        expected = int.from_bytes(bytes(range(1 + k, 5 + k)), "little")
        assert bench.one("movua.l @r1,r0", r1=DATA + k)["r0"] == expected
        state = bench.one("movua.l @r1+,r0", r1=DATA + k)
        assert (state["r0"], state["r1"]) == (expected, DATA + k + 4)
    state = bench.one("movua.l @r0+,r0", r0=DATA + 1)
    assert state["r0"] == 0x05040302


def test_bit_operations_on_gbr_bytes(bench: Bench) -> None:
    for text, old, new in (("and.b #60,@(r0,gbr)", 0xF0, 0x30), ("or.b #15,@(r0,gbr)", 0xF0, 0xFF),
                           ("xor.b #255,@(r0,gbr)", 0xF0, 0x0F)):  # fmt: skip
        bench.core.write(DATA + 5 & 0x1FFFFFFF, bytes([old]))
        bench.one(text, r0=5, gbr=DATA)
        assert bench.core.read(DATA + 5 & 0x1FFFFFFF, 1)[0] == new
    assert bench.one("tst.b #15,@(r0,gbr)", r0=5, gbr=DATA)["sr"] & 1 == 0
    assert bench.one("tst.b #240,@(r0,gbr)", r0=5, gbr=DATA)["sr"] & 1 == 1


def test_tas_sets_bit_7_and_tells_whether_the_byte_was_zero(bench: Bench) -> None:
    assert bench.one("tas.b @r1", r1=DATA, sr=MD)["sr"] & 1 == 1
    assert bench.core.read(DATA & 0x1FFFFFFF, 1) == b"\x80"
    assert bench.one("tas.b @r1", r1=DATA, sr=MD | T)["sr"] & 1 == 0
    bench.core.write(DATA & 0x1FFFFFFF, b"\x01")
    assert bench.one("tas.b @r1", r1=DATA, sr=MD | T)["sr"] & 1 == 0
    assert bench.core.read(DATA & 0x1FFFFFFF, 1) == b"\x81"


def test_tas_reads_and_writes_the_bus(bench: Bench) -> None:
    bench.one("tas.b @r1", r1=0xFFE00000)
    assert bench.bus.log == [("read", 0, 0xFFE00000, 1), ("write", 0, 0xFFE00000, 1, 0x80)]


def test_movca_stores(bench: Bench) -> None:
    bench.one("movca.l r0,@r1", r0=0x1234, r1=DATA)
    assert bench.long(DATA) == 0x1234


# MOVLI and MOVCO --------------------------------------------------------------------------------------------------


def test_movco_stores_while_the_link_stands_and_clears_it(bench: Bench) -> None:
    bench.words(DATA, 5)
    again = "movco.l r0,@r1; movt r3"
    state = bench.go(f"movli.l @r1,r0; add #1,r0; movco.l r0,@r1; movt r2; {again}", r1=DATA)
    assert (bench.long(DATA), state["r2"], state["r3"]) == (6, 1, 0)


def test_movco_without_movli_stores_nothing(bench: Bench) -> None:
    state = bench.one("movco.l r0,@r1", r0=7, r1=DATA, sr=MD | T)
    assert (bench.long(DATA), state["sr"] & 1) == (0, 0)


def test_movco_without_the_link_needs_no_valid_address(bench: Bench) -> None:
    assert bench.one("movco.l r0,@r1", r1=3, sr=MD)["pc"] == CODE + 2


def test_an_exception_breaks_the_link(bench: Bench) -> None:
    """Else a MOVCO could succeed on a value that its handler, or another thread, has changed."""
    bench.put(0x8C000100, "stc spc,r4; rte; nop")
    state = bench.go("movli.l @r1,r0; trapa #0; movco.l r0,@r1; movt r2", r1=DATA)
    assert state["r2"] == 0


def test_an_interrupt_breaks_the_link(bench: Bench) -> None:
    bench.put(0x8C000600, "rte; nop")
    bench.put(CODE, "movli.l @r1,r0; movco.l r0,@r1; movt r2; sleep")
    bench.core.set_state({"r1": DATA})
    bench.core.run(1)
    bench.core.set_irq(1, 0x580)
    assert bench.core.run(2).reason == "interrupt"
    bench.core.accept()
    bench.core.set_irq(0, 0)
    bench.core.run(100)
    assert bench.core.state()["r2"] == 0


def test_a_context_set_from_outside_breaks_the_link(bench: Bench) -> None:
    """SPUMONE's model changes vCPUs by set_state."""
    bench.put(CODE, "movli.l @r1,r0; movco.l r0,@r1")
    bench.core.set_state({"r1": DATA})
    bench.core.step()
    bench.core.set_state({"r2": 1})
    bench.core.step()
    assert bench.core.state()["sr"] & 1 == 0


def test_a_fault_of_movli_sets_no_link(bench: Bench) -> None:
    bench.faults("movli.l @r1,r0", r1=DATA + 2)
    assert bench.one("movco.l r0,@r1", r1=DATA, sr=MD)["sr"] & 1 == 0


# Branches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0, 1])
@pytest.mark.parametrize("text", ["bt", "bf", "bt.s", "bf.s"])
def test_conditional_branches(bench: Bench, text: str, t: int) -> None:
    taken = (text[1] == "t") == bool(t)
    state = bench.one(f"{text} .-60; mov #1,r1", sr=MD | t, r1=0)
    slot = text.endswith(".s")
    assert state["pc"] == (CODE - 60 if taken else CODE + (4 if slot else 2))
    assert state["r1"] == int(slot)


def test_slot_sees_the_condition_before_it_and_pr_of_the_call(bench: Bench) -> None:
    state = bench.one("bt.s .+20; clrt", sr=MD | T)
    assert (state["pc"], state["sr"] & 1) == (CODE + 20, 0)
    state = bench.one("bsr .+20; sts pr,r1")
    assert (state["pr"], state["r1"]) == (CODE + 4, CODE + 4)


@pytest.mark.parametrize(
    "text, target, link",
    [
        ("bra .-4092; nop", CODE - 4092, False),
        ("bsr .+4098; nop", CODE + 4098, True),
        ("braf r1; nop", CODE + 4 + 0x100, False),
        ("bsrf r1; nop", CODE + 4 + 0x100, True),
        ("jmp @r1; nop", 0x100, False),
        ("jsr @r1; nop", 0x100, True),
        ("rts; nop", 0x200, False),
    ],
)
def test_targets_and_links(bench: Bench, text: str, target: int, link: bool) -> None:
    state = bench.one(text, r1=0x100, pr=0x200)
    assert (state["pc"], state["pr"]) == (target, CODE + 4 if link else 0x200)


@pytest.mark.parametrize("text, register", [("jmp @r1; mov #1,r1", "r1"), ("braf r1; mov #1,r1", "r1"),
                                            ("rts; lds r2,pr", "pr")])  # fmt: skip
def test_target_is_read_before_the_slot_changes_it(bench: Bench, text: str, register: str) -> None:
    at = DATA - CODE - 4 if text.startswith("braf") else DATA
    state = bench.one(text, r1=at, pr=DATA, r2=1)
    assert (state["pc"], state[register]) == (DATA, 1)


def test_slot_at_the_start_of_the_next_page(bench: Bench) -> None:
    end = 0x8C002FFE
    state = bench.one("bra .+100; mov #7,r1", at=end)
    assert (state["pc"], state["r1"], bench.core.tick) == (end + 100, 7, 2)


def test_store_into_the_following_instruction_counts(bench: Bench) -> None:
    state = bench.go("mov.w r1,@r2; mov #1,r3; mov #1,r4", r1=0xE305, r2=CODE + 2)
    assert state["r3"] == 5
    state = bench.one("bra .+20; mov.w r1,@r2", r1=0xE407, r2=CODE + 20)
    bench.core.step()
    assert bench.core.state()["r4"] == 7


def test_store_into_a_slot_that_was_decoded(bench: Bench) -> None:
    """The loop rewrites its own slot while it runs."""
    bench.put(CODE, "mov.w r1,@r2; add #1,r1; dt r5; bf.s .-6; mov #1,r3; sleep")
    bench.core.set_state({"r1": 0xE310, "r2": CODE + 8, "r5": 5})
    bench.core.run(1000)
    assert bench.core.state()["r3"] == 0x14
