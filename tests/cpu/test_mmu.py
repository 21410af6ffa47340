"""The MMU, on both cores: translation, its exceptions, LDTLB, the memory-mapped arrays, store queues."""

from __future__ import annotations

from typing import Any

import pytest
from bench_core import BASE, CODE, DATA, MD, MMUCR, SIZES, UTLB_ADDRESS, UTLB_DATA, Bench

from cosim.state import STATE_NAMES

ITLB_ADDRESS, ITLB_DATA = 0xF2000000, 0xF3000000
PTEH, PTEL = 0xFF000000, 0xFF000004
READ, WRITE, FETCH = "mov.l @r1,r2", "mov.l r2,@r1", "jmp @r1; nop"
VIRTUAL, PHYSICAL = 0x00400000, BASE + 0x10000
TI, SV, SQMD = 4, 0x100, 0x200
V = 0x100


def entry(bench: Bench, index: int) -> tuple[int, int]:
    """A UTLB entry read through the arrays."""
    return bench.load(UTLB_ADDRESS | index << 8), bench.load(UTLB_DATA | index << 8)


# Areas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", [0x00000000, 0x20000000, 0x60000000, 0x80000000, 0xA0000000, 0xC0000000])
def test_with_the_mmu_off_every_area_is_physical(bench: Bench, area: int) -> None:
    # Source: [QEMU]
    bench.words(DATA, 0x1234)
    assert bench.one(READ, r1=area | DATA & 0x1FFFFFFF)["r2"] == 0x1234
    assert bench.one("nop", at=area | CODE & 0x1FFFFFFF)["pc"] == (area | CODE & 0x1FFFFFFF) + 2


@pytest.mark.parametrize("area, translated", [(0, True), (0x60000000, True), (0x80000000, False), (0xA0000000, False),
                                              (0xC0000000, True)])  # fmt: skip
def test_p0_and_p3_are_translated(bench: Bench, area: int, translated: bool) -> None:
    # Source: [S 120]
    bench.words(DATA, 0x1234)
    bench.mmu_on()
    if translated:
        assert bench.faults(READ, r1=area | DATA & 0x1FFFFFFF)["expevt"] == 0x40
    else:
        assert bench.one(READ, r1=area | DATA & 0x1FFFFFFF)["r2"] == 0x1234


@pytest.mark.parametrize("address", [0x80000000, 0xA0000000, 0xC0000000, 0xE4000000, 0xFF000000, 0xFFFFFFFC])
@pytest.mark.parametrize("text, expevt", [(READ, 0xE0), (WRITE, 0x100), (FETCH, 0xE0)])
def test_user_mode_above_2_gb_is_an_address_error(bench: Bench, address: int, text: str, expevt: int) -> None:
    # Source: [SH7750 169], [SH7751 75]
    if text == FETCH:
        bench.one(text, at=CODE & 0x1FFFFFFF, sr=0, r1=address)
        bench.stop = bench.core.step()
        state = bench.core.state()
    else:
        state = bench.faults(text, at=CODE & 0x1FFFFFFF, sr=0, r1=address)
    assert (state["expevt"], state["tea"]) == (expevt, address)
    assert state["pteh"] & 0xFFFFFC00 == address & 0xFFFFFC00
    assert state["spc"] == (address if text == FETCH else CODE & 0x1FFFFFFF)


def test_fetch_in_p4_is_an_address_error(bench: Bench) -> None:
    # Source: [own]: [SH7785 169] has resources of the chip there
    bench.one(FETCH, r1=0xE0000000)
    bench.core.step()
    state = bench.core.state()
    assert (state["expevt"], state["tea"], state["spc"]) == (0xE0, 0xE0000000, 0xE0000000)


# Pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_every_page_size(bench: Bench, size: int) -> None:
    # Source: [SH7763 156]; the miss [SH7764 110]
    physical = BASE if size == 1 << 20 else BASE + (0x20000 if size == 65536 else 0x12000)
    virtual = 0x00400000 + size  # the second page of its size
    for k, offset in enumerate((0, size // 2, size - 4)):
        bench.words(physical + offset, 0x5500 + k)
    bench.page(17, virtual, physical, size)
    bench.mmu_on()
    for k, offset in enumerate((0, size // 2, size - 4)):
        assert bench.one(READ, r1=virtual + offset)["r2"] == 0x5500 + k
    bench.one("mov.l r1,@r1", r1=virtual + size - 4)
    assert bench.long(physical + size - 4) == virtual + size - 4
    for outside in (virtual - 4, virtual + size):
        state = bench.faults(READ, r1=outside)
        assert (state["expevt"], state["tea"], state["vector"]) == (0x40, outside, 0x400)


@pytest.mark.parametrize("size", SIZES)
def test_code_runs_through_every_page_size(bench: Bench, size: int) -> None:
    # Source: [SH7763 156], [SH7785 169]
    physical = BASE if size == 1 << 20 else BASE + (0x20000 if size == 65536 else 0x12000)
    bench.put(physical + size - 4, "mov #5,r3; mov #6,r4")
    bench.page(5, 0x00400000 + size, physical, size)
    bench.mmu_on()
    bench.core.set_state({"pc": 0x00400000 + 2 * size - 4})
    assert [bench.core.step().reason for _ in range(2)] == ["step", "step"]
    state = bench.core.state()
    assert (state["r3"], state["r4"]) == (5, 6)
    bench.core.step()  # the next page has no translation
    state = bench.core.state()
    assert (state["expevt"], state["spc"], state["tea"]) == (0x40, 0x00400000 + 2 * size, 0x00400000 + 2 * size)


def test_physical_address_bits_below_the_page_size_are_the_virtual_ones(bench: Bench) -> None:
    # Source: [SH7751R 80]
    bench.words(BASE + 0x345C, 0x77)
    bench.store(UTLB_ADDRESS, VIRTUAL | V | 0x200)
    bench.store(UTLB_DATA, BASE + 0xC00 | V | 0x80 | 0x64)  # 64 KB, PPN with low bits set
    bench.mmu_on()
    assert bench.one(READ, r1=VIRTUAL + 0x345C)["r2"] == 0x77


def test_neighbouring_pages_of_1_kb_are_apart(bench: Bench) -> None:
    # Source: [SH7763 156]
    for k in range(4):
        bench.words(PHYSICAL + 0x1000 * k, 0x100 + k)
        bench.page(k, VIRTUAL + 1024 * k, PHYSICAL + 0x1000 * k, 1024)
    bench.mmu_on()
    for _ in range(2):
        assert [bench.one(READ, r1=VIRTUAL + 1024 * k)["r2"] for k in range(4)] == [0x100 + k for k in range(4)]


def test_page_of_control_space_goes_to_the_bus(bench: Bench) -> None:
    # Source: [SH7764 156]
    bench.page(0, VIRTUAL, 0x1FE00000)
    bench.mmu_on()
    bench.bus.values[0xFFE00010] = 9
    assert bench.one(READ, r1=VIRTUAL + 0x10)["r2"] == 9


def test_bus_outside_ram_by_physical_address(bench: Bench) -> None:
    # Source: [own]
    bench.page(0, VIRTUAL, 0x10000000)
    bench.mmu_on()
    bench.bus.log.clear()
    bench.one(READ, r1=VIRTUAL + 0x10)
    bench.one(READ, r1=0xB0000010)
    assert [row[2] for row in bench.bus.log] == [0x10000010, 0x10000010]


# Exceptions of translation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, expevt", [(READ, 0x40), (WRITE, 0x60), ("mov.b @r1,r2", 0x40), ("tas.b @r1", 0x40),
                                          ("mov.l r2,@-r1", 0x60), ("mac.l @r1+,@r3+", 0x40), ("movca.l r0,@r1", 0x60),
                                          ("ldc.l @r1+,gbr", 0x40), ("sts.l pr,@-r1", 0x60)])  # fmt: skip
def test_miss(bench: Bench, text: str, expevt: int) -> None:
    # Source: [SH7764 110]; first operand of MAC first [SH7764 127]; MOVCA.L is a write [SH7764 193]
    bench.mmu_on()
    bench.core.set_state({"pteh": 0x42})
    address = VIRTUAL + 0x1234 & ~3
    state = bench.faults(text, r1=address, r3=DATA, r2=7)
    tea = address - 4 if "-" in text else address
    assert (state["expevt"], state["vector"], state["tea"]) == (expevt, 0x400, tea)
    assert state["pteh"] == tea & 0xFFFFFC00 | 0x42  # VPN replaced, ASID kept
    assert (state["spc"], state["r1"], state["r2"], state["r3"]) == (CODE, address, 7, DATA)


def test_miss_of_a_fetch(bench: Bench) -> None:
    # Source: [SH7750 96], [SH7785 169]; code [QEMU]
    bench.mmu_on()
    bench.one(FETCH, r1=VIRTUAL + 6)
    bench.core.step()
    state = bench.core.state()
    assert (state["expevt"], state["pc"] - state["vbr"], state["spc"]) == (0x40, 0x400, VIRTUAL + 6)


def test_miss_of_a_slot_gives_the_branch(bench: Bench) -> None:
    """The branch is the last word of its page, the slot the first of an unmapped one."""
    # Source: [S 94]
    bench.put(PHYSICAL + 0xFFE, "bra .+8")
    bench.page(0, VIRTUAL, PHYSICAL)
    bench.mmu_on()
    bench.core.set_state({"pc": VIRTUAL + 0xFFE})
    bench.core.step()
    state = bench.core.state()
    assert (state["expevt"], state["spc"], state["tea"]) == (0x40, VIRTUAL + 0xFFE, VIRTUAL + 0x1000)
    assert bench.core.tick == bench.core.instructions


@pytest.mark.parametrize("pr, user, text, allowed", [
    (0, False, READ, True), (0, False, WRITE, False), (0, True, READ, False), (0, True, WRITE, False),
    (1, False, READ, True), (1, False, WRITE, True), (1, True, READ, False), (1, True, WRITE, False),
    (2, False, READ, True), (2, False, WRITE, False), (2, True, READ, True), (2, True, WRITE, False),
    (3, False, READ, True), (3, False, WRITE, True), (3, True, READ, True), (3, True, WRITE, True),
])  # fmt: skip
def test_protection(bench: Bench, pr: int, user: bool, text: str, allowed: bool) -> None:
    # Source: [S 80]
    bench.page(1, VIRTUAL, PHYSICAL, pr=pr)
    bench.page(2, 0x00800000, CODE & 0x1FFFF000)  # code for user mode
    bench.mmu_on()
    at = 0x00800000 if user else CODE
    bench.put(CODE, text)
    bench.core.set_state({"sr": 0 if user else MD, "pc": at, "r1": VIRTUAL})
    bench.core.step()
    state = bench.core.state()
    if allowed:
        assert state["pc"] == at + 2
    else:
        expevt = 0xC0 if text == WRITE else 0xA0
        assert (state["expevt"], state["tea"], state["pc"] - state["vbr"]) == (expevt, VIRTUAL, 0x100)


@pytest.mark.parametrize("pr, allowed", [(0, False), (1, False), (2, True), (3, True)])
def test_protection_of_a_fetch_in_user_mode(bench: Bench, pr: int, allowed: bool) -> None:
    # Source: [SH7763 122]
    bench.page(2, 0x00800000, CODE & 0x1FFFF000, pr=pr)
    bench.mmu_on()
    bench.put(CODE, "nop")
    bench.core.set_state({"sr": 0, "pc": 0x00800000})
    bench.core.step()
    state = bench.core.state()
    assert (state["expevt"], state["spc"]) == ((0, 0) if allowed else (0xA0, 0x00800000))


def test_initial_page_write(bench: Bench) -> None:
    # Source: [SH7763 171]
    bench.page(1, VIRTUAL, PHYSICAL, dirty=0)
    bench.mmu_on()
    bench.one(READ, r1=VIRTUAL)  # reads do not care, and do not let writes through later
    state = bench.faults(WRITE, r1=VIRTUAL)
    assert (state["expevt"], state["vector"], state["tea"]) == (0x80, 0x100, VIRTUAL)
    assert bench.long(PHYSICAL) == 0
    bench.store(UTLB_DATA | 1 << 8, PHYSICAL | V | 0x10 | 0x60 | 4)
    bench.one(WRITE, r1=VIRTUAL, r2=5, sr=MD)
    assert bench.long(PHYSICAL) == 5


def test_protection_comes_before_the_initial_page_write(bench: Bench) -> None:
    # Source: [SH7764 127], [SH7763 171]
    bench.page(1, VIRTUAL, PHYSICAL, pr=2, dirty=0)
    bench.mmu_on()
    assert bench.faults(WRITE, r1=VIRTUAL)["expevt"] == 0xC0


def test_alignment_comes_before_translation(bench: Bench) -> None:
    # Source: [SH7764 127]
    bench.mmu_on()
    state = bench.faults(READ, r1=VIRTUAL + 2)
    assert (state["expevt"], state["vector"], state["tea"]) == (0xE0, 0x100, VIRTUAL + 2)


def test_tas_on_a_read_only_page_fails_at_its_write(bench: Bench) -> None:
    # Source: [SH7764 127]
    bench.page(1, VIRTUAL, PHYSICAL, pr=2)
    bench.mmu_on()
    assert bench.faults("tas.b @r1", r1=VIRTUAL, sr=MD)["expevt"] == 0xC0


@pytest.mark.parametrize("blocked", [0, 0x10000000])
@pytest.mark.parametrize("text", [READ, WRITE, FETCH])
def test_multiple_hit_resets(bench: Bench, text: str, blocked: int) -> None:
    # Source: [S 140], whatever SR.BL, and PTEH stays; data [SH7750R 99]; registers after it [own]
    bench.page(1, VIRTUAL, PHYSICAL)
    bench.page(9, VIRTUAL, PHYSICAL)
    bench.mmu_on()
    bench.put(CODE, text)
    before = bench.core.state()
    bench.core.set_state({"r1": VIRTUAL, "pc": CODE, "sr": before["sr"] | blocked})
    stop = bench.core.run(bench.core.tick + 3)
    state = bench.core.state()
    assert state["pteh"] == before["pteh"]
    assert (stop.reason, stop.pc, state["expevt"], state["tea"]) == ("reset", 0xA0000000, 0x140, VIRTUAL)
    assert (state["sr"], state["vbr"], state["mmucr"]) == (0x700000F0, 0, 0)
    assert "TLB multiple hit" in stop.detail


def test_multiple_hit_of_a_small_page_within_a_large_one_is_seen_beside_a_warm_translation(bench: Bench) -> None:
    # Source: [SH7751H 77]
    bench.page(1, VIRTUAL, PHYSICAL, 65536)
    bench.page(2, VIRTUAL + 0x400, PHYSICAL, 1024)
    bench.mmu_on()
    bench.one(READ, r1=VIRTUAL)
    bench.put(CODE, READ)
    bench.core.set_state({"r1": VIRTUAL + 0x404, "pc": CODE})
    assert bench.core.step().reason == "reset"


def test_multiple_hit_comes_before_protection(bench: Bench) -> None:
    # Source: [WashingtonDC]
    bench.page(1, VIRTUAL, PHYSICAL, pr=0, dirty=0)
    bench.page(2, VIRTUAL, PHYSICAL, pr=0, dirty=0)
    bench.mmu_on()
    state = bench.faults(WRITE, r1=VIRTUAL)
    assert (bench.stop.reason, state["expevt"]) == ("reset", 0x140)


def test_entry_that_is_not_valid_does_not_hit(bench: Bench) -> None:
    # Source: [QEMU]
    bench.page(1, VIRTUAL, PHYSICAL, valid=0)
    bench.page(2, VIRTUAL + 0x1000, PHYSICAL, valid=0)
    bench.page(3, VIRTUAL + 0x1000, PHYSICAL)
    bench.mmu_on()
    assert bench.faults(READ, r1=VIRTUAL)["expevt"] == 0x40
    assert bench.one(READ, r1=VIRTUAL + 0x1000, sr=MD)["pc"] == CODE + 2


# ASID -----------------------------------------------------------------------------------------------------------


def seen(bench: Bench, asid: int, user: bool = False) -> bool:
    """Whether VIRTUAL is mapped under an ASID."""
    bench.store(PTEH, asid)
    bench.put(CODE, READ)
    bench.core.set_state({"sr": 0 if user else MD, "pc": 0x00800000 if user else CODE, "r1": VIRTUAL})
    bench.core.step()
    return bool(bench.core.state()["pc"] in (CODE + 2, 0x00800002))


def test_entry_belongs_to_its_asid(bench: Bench) -> None:
    # Source: [SH7763 156]
    bench.page(1, VIRTUAL, PHYSICAL, asid=7)
    bench.mmu_on()
    assert [seen(bench, asid) for asid in (7, 8, 7, 0)] == [True, False, True, False]


def test_shared_entry_belongs_to_all(bench: Bench) -> None:
    # Source: [SH7763 156]
    bench.page(1, VIRTUAL, PHYSICAL, asid=7, shared=1)
    bench.mmu_on()
    assert [seen(bench, asid) for asid in (7, 8)] == [True, True]


def test_single_virtual_memory_ignores_asids_in_privileged_mode_only(bench: Bench) -> None:
    # Source: [SH7763 156]
    bench.page(1, VIRTUAL, PHYSICAL, asid=7)
    bench.page(2, 0x00800000, CODE & 0x1FFFF000, shared=1)
    bench.mmu_on(SV)
    assert seen(bench, 8)
    assert not seen(bench, 8, user=True)
    assert seen(bench, 7, user=True)


def test_asid_set_from_outside_counts_at_once(bench: Bench) -> None:
    # Source: [own]
    bench.page(1, VIRTUAL, PHYSICAL, asid=7)
    bench.mmu_on()
    assert bench.one(READ, r1=VIRTUAL, pteh=7)["pc"] == CODE + 2
    assert bench.faults(READ, r1=VIRTUAL, pteh=8)["expevt"] == 0x40


def test_code_of_two_address_spaces_at_one_address(bench: Bench) -> None:
    # Source: [SH7763 156]
    for asid, physical in ((1, BASE + 0x20000), (2, BASE + 0x21000)):
        bench.put(physical, f"mov #{asid},r3; nop")
        bench.page(asid, VIRTUAL, physical, asid=asid)
    bench.mmu_on()
    for asid in (1, 2, 1, 2):
        bench.store(PTEH, asid)
        bench.core.set_state({"pc": VIRTUAL})
        bench.core.step()
        assert bench.core.state()["r3"] == asid


# LDTLB ----------------------------------------------------------------------------------------------------------


def test_ldtlb_loads_the_entry_of_urc(bench: Bench) -> None:
    # Source: [SH7750 93]; that URC then advances [own]
    bench.store(MMUCR, 5 << 10)
    bench.store(PTEH, VIRTUAL | 0x33)
    bench.store(PTEL, PHYSICAL | V | 0x10 | 0x60 | 4)
    bench.one("ldtlb")
    assert entry(bench, 5) == (VIRTUAL | 0x33 | V | 0x200, PHYSICAL | V | 0x10 | 0x60 | 4)
    assert bench.load(MMUCR) >> 10 & 63 == 6


@pytest.mark.parametrize("urc, urb, then", [(0, 0, 1), (63, 0, 0), (62, 0, 63), (4, 5, 0), (5, 5, 6), (0, 1, 0),
                                            (63, 9, 0)])  # fmt: skip
def test_urc_advances_by_ldtlb_and_wraps_at_urb(bench: Bench, urc: int, urb: int, then: int) -> None:
    # Source: [own]
    state = bench.one("ldtlb", mmucr=urb << 18 | urc << 10)
    assert state["mmucr"] == urb << 18 | then << 10


def test_urc_does_not_advance_by_accesses(bench: Bench) -> None:
    # Source: [own]
    bench.page(1, VIRTUAL, PHYSICAL)
    bench.mmu_on(3 << 10)
    for k in range(5):
        bench.one(READ, r1=VIRTUAL + 4 * k)
    assert bench.core.state()["mmucr"] >> 10 & 63 == 3


def test_a_miss_handler_with_ldtlb(bench: Bench) -> None:
    """The handler maps page by page; the access is done again."""
    # Source: [SH7785 184]; ticks [own]
    bench.put(0x8C000400, "mov.l @r4,r5; mov.l r5,@r6; ldtlb; rte; nop")
    bench.words(PHYSICAL + 0x234, 0xBEEF)
    bench.words(DATA, PHYSICAL | V | 0x10 | 0x60 | 4)
    state = bench.go(READ, r1=VIRTUAL + 0x234, r4_bank=DATA, r6_bank=PTEL, mmucr=1)
    assert (state["r2"], state["tea"]) == (0xBEEF, VIRTUAL + 0x234)
    assert bench.core.instructions == 1 + 5 + 1 + 1


def test_ldtlb_replaces_a_translation_in_use(bench: Bench) -> None:
    # Source: [SH7750 93]; at once [own]
    bench.words(PHYSICAL, 1)
    bench.words(PHYSICAL + 0x1000, 2)
    for physical, value in ((PHYSICAL, 1), (PHYSICAL + 0x1000, 2)):
        bench.store(MMUCR, 1 | 8 << 10)
        bench.store(PTEH, VIRTUAL)
        bench.store(PTEL, physical | V | 0x10 | 0x60 | 4)
        bench.one("ldtlb")
        assert bench.one(READ, r1=VIRTUAL)["r2"] == value


# The arrays -----------------------------------------------------------------------------------------------------


def test_utlb_arrays_give_back_what_was_written(bench: Bench) -> None:
    # Source: address array [SH7750H 91], data array [QEMU]
    for index in (0, 1, 31, 63):
        bench.store(UTLB_ADDRESS | index << 8, 0xFFFFFFFF & ~0x80)
        bench.store(UTLB_DATA | index << 8, 0xFFFFFFFF)
        assert entry(bench, index) == (0xFFFFFF7F, 0x1FFFFDFF)
        bench.store(UTLB_ADDRESS | index << 8, 0)
        assert entry(bench, index) == (0, 0x1FFFFDFF & ~V & ~4)


def test_v_and_d_are_in_both_arrays(bench: Bench) -> None:
    # Source: [QEMU]
    bench.store(UTLB_DATA | 4 << 8, V | 4)
    assert bench.load(UTLB_ADDRESS | 4 << 8) == 0x300
    bench.store(UTLB_ADDRESS | 4 << 8, 0x100)
    assert bench.load(UTLB_DATA | 4 << 8) == V


def test_itlb_arrays_are_storage(bench: Bench) -> None:
    # Source: [SH7751R 95]
    bench.store(ITLB_ADDRESS | 2 << 8, VIRTUAL | V | 0x55)
    bench.store(ITLB_DATA | 2 << 8, PHYSICAL | V | 0x10)
    assert bench.load(ITLB_ADDRESS | 2 << 8) == VIRTUAL | V | 0x55
    assert bench.load(ITLB_DATA | 2 << 8) == PHYSICAL | V | 0x10
    assert bench.core.snapshot()["itlb"][2] == [VIRTUAL | 0x55, PHYSICAL | V | 0x10]


def test_fetches_are_translated_by_the_utlb_alone(bench: Bench) -> None:
    # Source: [own]: [SH7785 169] looks into the ITLB first
    bench.put(PHYSICAL, "mov #7,r3")
    bench.store(ITLB_ADDRESS, VIRTUAL | V)
    bench.store(ITLB_DATA, PHYSICAL | V | 0x10)
    bench.mmu_on()
    bench.core.set_state({"pc": VIRTUAL})
    bench.core.step()
    assert bench.core.state()["expevt"] == 0x40


@pytest.mark.parametrize("array", [0xF7800000, 0xF3800000, 0xF0000000, 0xF1000000, 0xF4000000, 0xF5000000])
def test_data_array_2_and_cache_arrays_read_0(bench: Bench, array: int) -> None:
    # Source: [own]
    bench.store(array, 0xFFFFFFFF)
    assert bench.load(array) == 0
    assert entry(bench, 0) == (0, 0)


def test_associative_write_finds_by_vpn_and_asid(bench: Bench) -> None:
    # Source: [SH7750H 91]
    bench.page(1, VIRTUAL, PHYSICAL, asid=3)
    bench.page(2, VIRTUAL, PHYSICAL, asid=4)
    bench.page(3, VIRTUAL + 0x1000, PHYSICAL, asid=3)
    bench.store(PTEH, 3)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL)  # V=0: invalidate
    assert [entry(bench, k)[1] & V for k in (1, 2, 3)] == [0, V, V]


def test_associative_write_sets_v_and_d(bench: Bench) -> None:
    # Source: [SH7750H 91]
    bench.page(1, VIRTUAL, PHYSICAL, dirty=0)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL | V | 0x200)
    assert entry(bench, 1)[1] & (V | 4) == V | 4


def test_associative_write_respects_page_size_and_sharing(bench: Bench) -> None:
    # Source: [SH7750H 91]
    bench.page(1, VIRTUAL, PHYSICAL, 65536, shared=1, asid=9)
    bench.store(PTEH, 3)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL + 0x8000)
    assert entry(bench, 1)[1] & V == 0


def test_associative_write_clears_the_itlb_too(bench: Bench) -> None:
    # Source: [SH7750H 91]
    bench.store(ITLB_DATA | 1 << 8, PHYSICAL | V | 0x10)
    bench.store(ITLB_ADDRESS | 1 << 8, VIRTUAL | V)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL)
    assert bench.load(ITLB_DATA | 1 << 8) & V == 0


def test_associative_write_ignores_asids_where_translation_does(bench: Bench) -> None:
    # Source: [SH7750H 91], [SH7763 156]
    bench.page(1, VIRTUAL, PHYSICAL, asid=7)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL)
    assert entry(bench, 1)[1] & V == V
    bench.store(MMUCR, SV)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL)
    assert entry(bench, 1)[1] & V == 0


def test_associative_write_that_finds_nothing_does_nothing(bench: Bench) -> None:
    # Source: [SH7750H 91]; entries that are not valid [QEMU]
    bench.page(1, VIRTUAL, PHYSICAL, valid=0)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL | V)
    assert entry(bench, 1)[1] & V == 0


def test_associative_write_changes_all_that_match(bench: Bench) -> None:
    # Source: [own]: a multiple hit in [SH7750H 91] and [QEMU]
    bench.page(1, VIRTUAL, PHYSICAL)
    bench.page(9, VIRTUAL, PHYSICAL, 65536)
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL)
    assert [entry(bench, k)[1] & V for k in (1, 9)] == [0, 0]


def test_linux_flushes_one_page_by_an_associative_write(bench: Bench) -> None:
    # Source: [Linux], [SH7750H 91]
    bench.page(1, VIRTUAL, PHYSICAL, asid=3)
    bench.mmu_on()
    bench.store(PTEH, 3)
    assert bench.one(READ, r1=VIRTUAL)["pc"] == CODE + 2
    bench.store(UTLB_ADDRESS | 0x80, VIRTUAL | 3)
    assert bench.faults(READ, r1=VIRTUAL)["expevt"] == 0x40


def test_ti_clears_every_entry_and_reads_0(bench: Bench) -> None:
    # Source: [SH7751 69], [QEMU]
    for k in range(64):
        bench.page(k, VIRTUAL + 0x1000 * k, PHYSICAL)
    bench.store(ITLB_DATA | 1 << 8, PHYSICAL | V)
    bench.mmu_on()
    assert bench.one(READ, r1=VIRTUAL)["pc"] == CODE + 2
    bench.store(MMUCR, 1 | TI)
    assert bench.load(MMUCR) == 1
    assert all(entry(bench, k)[1] & V == 0 for k in range(64))
    assert bench.load(ITLB_DATA | 1 << 8) & V == 0
    assert bench.faults(READ, r1=VIRTUAL)["expevt"] == 0x40


def test_switching_the_mmu_off_counts_at_once(bench: Bench) -> None:
    # Source: [own]: [SH7751 69] wants four instructions between
    bench.words(DATA, 0x99)
    bench.mmu_on()
    bench.faults(READ, r1=DATA & 0x1FFFFFFF)
    bench.store(MMUCR, 0)
    assert bench.one(READ, r1=DATA & 0x1FFFFFFF, sr=MD)["r2"] == 0x99


# Store queues ---------------------------------------------------------------------------------------------------


def test_store_queues_hold_16_words(bench: Bench) -> None:
    # Source: [S 159]; which word [M]
    for k in range(16):
        bench.store(0xE0000000 + 4 * k, 0x100 + k)
    assert [bench.load(0xE0000000 + 4 * k) for k in range(16)] == [0x100 + k for k in range(16)]
    assert bench.load(0xE3FFFFC4) == 0x101  # queue by bit 5, word by bits 4:2


def test_pref_writes_a_queue_to_where_qacr_says(bench: Bench) -> None:
    # Source: [S 159], QACR [M]
    for k in range(8):
        bench.store(0xE0000020 + 4 * k, 0x200 + k)
    bench.store(0xFF00003C, 0x0C)  # QACR1: area 3
    bench.one("pref @r1", r1=0xE0000020 | DATA & 0x03FFFFC0)
    assert [bench.long((DATA & ~63) + 32 + 4 * k) for k in range(8)] == [0x200 + k for k in range(8)]


def test_pref_to_a_device_is_eight_writes(bench: Bench) -> None:
    # Source: [own]
    bench.store(0xFF000038, 0x10)  # QACR0: area 4
    bench.store(0xE0000004, 5)
    bench.bus.log.clear()
    bench.one("pref @r1", r1=0xE1000000)
    assert [row[2:] for row in bench.bus.log] == [(0x11000000 + 4 * k, 4, 5 if k == 1 else 0) for k in range(8)]


def test_pref_with_the_mmu_on_goes_by_the_utlb(bench: Bench) -> None:
    # Source: [S 159]; as a write [own]
    bench.store(0xE0000000, 0x77)
    bench.page(1, 0xE0100000, PHYSICAL, 1 << 20 if PHYSICAL & 0xFFFFF == 0 else 4096)
    bench.mmu_on()
    bench.one("pref @r1", r1=0xE0100040)
    assert bench.long(PHYSICAL + 0x40) == 0x77
    state = bench.faults("pref @r1", r1=0xE0200000)
    assert (state["expevt"], state["tea"], state["vector"]) == (0x60, 0xE0200000, 0x400)
    bench.page(2, 0xE0300000, PHYSICAL, dirty=0)
    assert bench.faults("pref @r1", r1=0xE0300000, sr=MD)["expevt"] == 0x80


def test_user_mode_may_use_the_queues_unless_sqmd(bench: Bench) -> None:
    # Source: [S 159], [SH7751 75]
    at = CODE & 0x1FFFFFFF
    assert bench.one("mov.l r2,@r1", at=at, sr=0, r1=0xE0000000, r2=3)["pc"] == at + 2
    bench.store(MMUCR, SQMD)
    state = bench.faults("mov.l r2,@r1", at=at, sr=0, r1=0xE0000000)
    assert (state["expevt"], state["tea"]) == (0x100, 0xE0000000)


def test_pref_of_a_queue_needs_a_page_that_may_be_written(bench: Bench) -> None:
    # Source: [S 159]
    bench.page(1, 0xE0100000, PHYSICAL, pr=2)
    bench.mmu_on()
    state = bench.faults("pref @r1", r1=0xE0100000)
    assert (state["expevt"], state["tea"], bench.long(PHYSICAL)) == (0xC0, 0xE0100000, 0)


def test_stores_into_a_queue_are_not_translated(bench: Bench) -> None:
    # Source: [own]: [S 159] has the right to access by the page
    bench.mmu_on()
    assert bench.one(WRITE, r1=0xE0000000, r2=7)["pc"] == CODE + 2
    assert bench.load(0xE0000000) == 7


def test_sqmd_counts_with_the_mmu_on_too(bench: Bench) -> None:
    # Source: [own]: [S 159] has it count with the MMU off
    bench.page(2, 0x00800000, CODE & 0x1FFFF000)
    bench.mmu_on(SQMD)
    bench.put(CODE, WRITE)
    bench.core.set_state({"sr": 0, "pc": 0x00800000, "r1": 0xE0000000})
    bench.core.step()
    assert bench.core.state()["expevt"] == 0x100


def test_pref_elsewhere_does_nothing_and_never_faults(bench: Bench) -> None:
    # Source: [M]
    bench.mmu_on()
    assert bench.one("pref @r1", r1=VIRTUAL + 1)["pc"] == CODE + 2


def test_pref_drops_code_that_was_decoded(bench: Bench) -> None:
    # Source: [own]
    at = 0x8C004000
    bench.put(at, "mov #1,r3; nop")
    bench.core.set_state({"pc": at})
    bench.core.step()
    bench.store(0xE0000000, 0x0009E302)  # mov #2,r3; nop
    bench.store(0xFF000038, 0x0C)
    bench.one("pref @r1", r1=0xE0000000 | at & 0x03FFFFFF)
    bench.core.set_state({"pc": at})
    bench.core.step()
    assert bench.core.state()["r3"] == 2


def test_state_of_the_mmu_is_in_the_snapshot(bench: Bench) -> None:
    # Source: [own]
    bench.page(33, VIRTUAL, PHYSICAL, asid=5)
    bench.mmu_on()
    bench.store(PTEH, 5)
    snapshot: dict[str, Any] = bench.core.snapshot()
    assert snapshot["utlb"][33] == [VIRTUAL | 5, PHYSICAL | V | 0x10 | 0x60 | 4]
    assert len(snapshot["state"]) == 4 * len(STATE_NAMES)
    bench.store(MMUCR, TI)
    bench.core.restore(snapshot)
    assert bench.one(READ, r1=VIRTUAL)["pc"] == CODE + 2
