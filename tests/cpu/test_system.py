"""Control registers, banks, SLEEP, cache and identification registers, on both cores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench_core import BL, CODE, DATA, FD, MD, RB, Bench

T = 1
PVR, CVR, PRR, CCR, CPUOPM = 0xFF000030, 0xFF000040, 0xFF000044, 0xFF00001C, 0xFF2F0000


# SR and banks ---------------------------------------------------------------------------------------------------


def test_ldc_to_sr_switches_banks(bench: Bench) -> None:
    banks = {**{f"r{k}": k for k in range(8)}, **{f"r{k}_bank": 10 + k for k in range(8)}, "r8": MD | RB, "r9": MD}
    state = bench.one("ldc r8,sr", **banks)
    assert [state[f"r{k}"] for k in range(8)] == list(range(10, 18))
    state = bench.one("ldc r9,sr")
    assert [state[f"r{k}"] for k in range(8)] == list(range(8))


def test_source_of_ldc_to_sr_is_read_in_the_old_bank(bench: Bench) -> None:
    state = bench.one("ldc r0,sr", r0=MD | RB | T, r0_bank=0)
    assert (state["sr"], state["r0"], state["r0_bank"]) == (MD | RB | T, 0, MD | RB | T)


def test_ldcl_to_sr_increments_in_the_old_bank(bench: Bench) -> None:
    bench.words(DATA, MD | RB)
    state = bench.one("ldc.l @r1+,sr", r1=DATA, r1_bank=5)
    assert (state["sr"], state["r1"], state["r1_bank"]) == (MD | RB, 5, DATA + 4)


HIGH = MD | RB
BANKS = [f"r{k}_bank" for k in range(8)]


@pytest.mark.parametrize("sr", [MD, HIGH])
@pytest.mark.parametrize("name", [*BANKS, "sgr", "ssr", "spc", "dbr"])
def test_control_registers_through_memory_in_both_banks(bench: Bench, name: str, sr: int) -> None:
    """Out and in by LDC, STC and their .L forms, often enough that code is generated for it."""
    bench.core.set_state({name: 0x55})
    loop = f"ldc r10,{name}; stc.l {name},@-r8; ldc r11,{name}; ldc.l @r8+,{name}; stc {name},r12; sub r10,r12"
    loop = f"{loop}; or r12,r13; stc.l {name},@-r9; add #16,r10; dt r14; bf .-20"
    first = 0x8FFF0010
    state = bench.go(loop, sr=sr, r8=DATA, r9=DATA + 0x100, r10=first, r11=MD | 0xF0, r12=0, r13=0, r14=50)
    assert (state["r13"], state["r8"], state[name]) == (0, DATA, first + 16 * 49)
    assert [bench.long(DATA + 0x100 - 4 * k) for k in range(1, 51)] == [first + 16 * k for k in range(50)]
    assert bench.long(DATA - 4) == first + 16 * 49
    if name in BANKS:  # the bank that SR does not make active
        other = bench.one("ldc r8,sr", sr=sr, r8=sr ^ RB)
        assert other[name.removesuffix("_bank")] == first + 16 * 49
    if bench.kind == "native" and bench.core.generates:
        assert bench.core.generated > 300


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_stc_sgr_to_r15_in_the_slot_of_a_jump_through_r15(bench: Bench, timing: str) -> None:
    """The last unit of a handler that has used R15 as its scratch register: the jump goes by the old R15."""
    bench.core.timing = timing
    loop = "mov r9,r15; ldc r10,sgr; jmp @r15; stc sgr,r15; or r8,r11; add #1,r12; sub r10,r15; or r15,r11; add #4,r10"
    target = CODE + 2 * 5  # over what would set r11
    state = bench.go(f"{loop}; dt r14; bf .-20", sr=HIGH, ccr=0x105, r8=1, r9=target, r10=DATA, r11=0, r12=0, r14=50)
    assert (state["r11"], state["r12"], state["r15"], state["sgr"]) == (0, 50, 0, DATA + 4 * 49)
    if bench.kind == "native" and bench.core.generates:
        assert bench.core.generated > 300


def test_stc_sgr_in_a_slot_is_privileged(bench: Bench) -> None:
    state = bench.one("jmp @r15; stc sgr,r15", at=CODE & 0x1FFFFFFF, sr=0, r15=DATA & 0x1FFFFFFF, sgr=5)
    assert (state["expevt"], state["spc"], state["sgr"]) == (0x1A0, CODE & 0x1FFFFFFF, DATA & 0x1FFFFFFF)


def test_rb_alone_chooses_no_bank(bench: Bench) -> None:
    """In user mode r0-r7 are bank 0 whatever RB is."""
    state = bench.one("rte; nop", sr=MD, ssr=RB, spc=0x0C001000, r0=1, r0_bank=2)
    assert (state["r0"], state["r0_bank"], state["sr"]) == (1, 2, RB)
    state = bench.one("rte; nop", sr=MD | RB, ssr=RB, spc=0x0C001000, r0=1, r0_bank=2)
    assert (state["r0"], state["r0_bank"]) == (2, 1)


def test_next_instruction_sees_the_new_bank_and_mode(bench: Bench) -> None:
    state = bench.go("ldc r8,sr; mov #5,r0; ldc r9,sr; mov #6,r0", r8=MD | RB, r9=MD)
    assert (state["r0"], state["r0_bank"]) == (6, 5)
    state = bench.one("ldc r8,sr; stc vbr,r1", at=CODE & 0x1FFFFFFF, r8=0)
    bench.core.step()
    assert bench.core.state()["expevt"] == 0x180


SR_BITS = 0x700083F3


def test_sr_has_no_reserved_bits(bench: Bench) -> None:
    state = bench.go("ldc r8,sr; stc sr,r10", r8=0xFFFFFFFF)
    assert (state["r10"], state["sr"]) == (SR_BITS,) * 2


@pytest.mark.parametrize("name", ["ssr", "spc", "sgr", "dbr", "gbr", "vbr"])
def test_other_control_registers_hold_all_32_bits(bench: Bench, name: str) -> None:
    """LDC Rm,SSR is SSR = Rm: what lies outside SR's bits stays, and STC gives it back."""
    bench.words(DATA, 0x8FFF7C0C)
    state = bench.go(f"ldc r8,{name}; stc {name},r9; ldc.l @r11+,{name}; stc.l {name},@-r12", r8=0xFFFFFFFF, r11=DATA,
                     r12=DATA + 8)  # fmt: skip
    assert (state["r9"], bench.long(DATA + 4), state[name]) == (0xFFFFFFFF, 0x8FFF7C0C, 0x8FFF7C0C)


def test_rte_takes_only_the_bits_of_sr(bench: Bench) -> None:
    """And an exception, which saves SR, leaves no others in SSR."""
    state = bench.one("rte; nop", sr=MD | RB, ssr=0x8FFF7C0C | MD | T, spc=CODE + 0x100)
    assert (state["sr"], state["ssr"], state["pc"]) == (MD | T, 0xCFFF7C0D, CODE + 0x100)
    state = bench.faults("trapa #1", ssr=0xFFFFFFFF)
    assert (state["ssr"], state["expevt"]) == (MD, 0x160)


def test_a_state_and_a_snapshot_keep_all_bits_of_ssr(make_bench: Callable[[], Bench]) -> None:
    one, other = make_bench(), make_bench()
    one.core.set_state({"ssr": 0x8FFF7C0C})
    other.core.restore(one.core.snapshot())
    assert (one.core.state()["ssr"], other.core.state()["ssr"]) == (0x8FFF7C0C,) * 2


def test_sr_read_has_the_current_t(bench: Bench) -> None:
    assert bench.go("sett; stc sr,r1; clrt; stc sr,r2") | {"r1": MD | T, "r2": MD} == bench.core.state()


@pytest.mark.parametrize("k", range(8))
def test_ldc_and_stc_of_the_other_bank(bench: Bench, k: int) -> None:
    bench.words(DATA, 0x99)
    state = bench.go(f"ldc r8,r{k}_bank; stc r{k}_bank,r9; stc.l r{k}_bank,@-r10; ldc.l @r11+,r{k}_bank", r8=0x77,
                     r10=DATA + 8, r11=DATA)  # fmt: skip
    assert (state["r9"], bench.long(DATA + 4), state[f"r{k}_bank"], state["r11"]) == (0x77, 0x77, 0x99, DATA + 4)
    state = bench.go(f"ldc r8,r{k}_bank", sr=MD | RB, r8=0x55)
    assert state[f"r{k}_bank"] == 0x55  # of bank 1 the other is bank 0
    bench.core.set_state({"sr": MD})
    assert bench.core.state()[f"r{k}"] == 0x55


@pytest.mark.parametrize("name", "gbr vbr ssr spc sgr dbr".split())
def test_control_registers(bench: Bench, name: str) -> None:
    bench.words(DATA, 0x300)
    state = bench.go(f"ldc r1,{name}; stc {name},r2; stc.l {name},@-r3; ldc.l @r4+,{name}", r1=0x40000101, r3=DATA + 8,
                     r4=DATA)  # fmt: skip
    assert (state["r2"], bench.long(DATA + 4), state[name]) == (0x40000101, 0x40000101, 0x300)
    assert (state["r3"], state["r4"]) == (DATA + 4, DATA + 4)


@pytest.mark.parametrize("name", "mach macl pr fpul".split())
def test_system_registers(bench: Bench, name: str) -> None:
    bench.words(DATA, 0xFEDCBA98)
    state = bench.go(f"lds r1,{name}; sts {name},r2; sts.l {name},@-r3; lds.l @r4+,{name}", r1=0x87654321, r3=DATA + 8,
                     r4=DATA)  # fmt: skip
    assert (state["r2"], bench.long(DATA + 4), state[name]) == (0x87654321, 0x87654321, 0xFEDCBA98)


def test_loads_of_control_registers_from_their_own_address_register(bench: Bench) -> None:
    bench.words(DATA, 0x1234)
    state = bench.one("ldc.l @r1+,r1_bank", r1=DATA)
    assert (state["r1"], state["r1_bank"]) == (DATA + 4, 0x1234)


# SLEEP ----------------------------------------------------------------------------------------------------------


def test_sleep_in_a_slot_goes_to_the_target(bench: Bench) -> None:
    bench.put(CODE, "bra .+20; sleep")
    assert bench.core.run(10) == ("sleep", 2, CODE + 20, "")


def test_sleep_wakes_by_nmi_at_the_highest_mask(bench: Bench) -> None:
    bench.put(CODE, "sleep; nop")
    bench.core.set_state({"sr": MD | BL | 0xF0})
    bench.core.run(10)
    bench.core.set_irq(15, 0x200)
    assert bench.core.run(20).reason == "horizon"
    bench.core.set_irq(16, 0x1C0)
    assert bench.core.run(30).reason == "interrupt"


# The core's own registers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address, value", [(PVR, 0x10200A03), (CVR, 0x30440000), (PRR, 3)])
def test_identification_is_that_of_an_sh7780_and_read_only(bench: Bench, address: int, value: int) -> None:
    """PVR, CVR and PRR by which Linux tells an SH7780: 32 KB of instruction and of data cache, four ways."""
    bench.store(address, 0xFFFFFFFF)
    assert bench.load(address) == value


@pytest.mark.parametrize(
    "address, name, mask",
    [
        (0xFF000000, "pteh", 0xFFFFFCFF), (0xFF000004, "ptel", 0x1FFFFDFF), (0xFF000008, "ttb", 0xFFFFFFFF),
        (0xFF00000C, "tea", 0xFFFFFFFF), (0xFF000010, "mmucr", 0xFCFCFF81), (CCR, "ccr", 0x8107),
        (0xFF000020, "tra", 0x3FC), (0xFF000024, "expevt", 0xFFF), (0xFF000028, "intevt", 0x3FFF),
        (0xFF000070, "pascr", 0xFFFFFFFF),
    ],
)  # fmt: skip
def test_registers_of_the_state_are_memory_mapped(bench: Bench, address: int, name: str, mask: int) -> None:
    bench.store(address, 0xFFFFFFFF & ~4)
    assert bench.core.state()[name] == mask & ~4
    assert bench.load(address) == mask & ~4
    bench.core.set_state({name: 8})
    assert bench.load(address) == 8


STORAGE = (CPUOPM, 0xFF000074, 0xFF000078, 0xFF2F0004, 0xFF200600, 0xFF200620, 0xFF200000, 0xFF200004, 0xFF20003C)


@pytest.mark.parametrize("address, mask", [(0xFF000038, 0x1C), (0xFF00003C, 0x1C), *((a, 0xFFFFFFFF) for a in STORAGE)])
def test_other_registers_of_the_core_keep_what_is_written(bench: Bench, address: int, mask: int) -> None:
    bench.store(address, 0xFFFFFFFF)
    assert bench.load(address) == mask
    snapshot = bench.core.snapshot()
    bench.store(address, 0)
    bench.core.restore(snapshot)
    assert bench.load(address) == mask
    assert bench.bus.log == []


def test_narrow_accesses_to_a_register(bench: Bench) -> None:
    assert bench.one("mov.w @r1,r2", r1=PVR)["r2"] == 0x0A03
    assert bench.one("mov.b @r1,r2", r1=PVR)["r2"] == 0x03


def test_other_addresses_of_p4_are_the_bus(bench: Bench) -> None:
    for address in (0xFF000014, 0xFFD00000, 0xFFE00000, 0xE4000000, 0xFC000000):
        bench.bus.values[address] = 0x42
        assert bench.load(address) == 0x42
        bench.store(address, 1)
    assert len(bench.bus.log) == 10


def test_writing_expevt_and_tra_is_seen_by_the_handler(bench: Bench) -> None:
    """Handlers read EXPEVT, INTEVT and TRA from memory, by address."""
    bench.put(0x8C000100, "mov.l @r1,r2; mov.l @r3,r4; sleep")
    state = bench.go("trapa #9", r1_bank=0xFF000024, r3_bank=0xFF000020)
    assert (state["r2"], state["r4"]) == (0x160, 9 << 2)


@pytest.mark.parametrize("text", ["ocbi @r1", "ocbp @r1", "ocbwb @r1", "icbi @r1", "prefi @r1", "pref @r1", "synco"])
@pytest.mark.parametrize("address", [DATA, 1, 0xFFE00000])
def test_cache_instructions_do_nothing_anywhere(bench: Bench, text: str, address: int) -> None:
    before = bench.core.state()
    state = bench.one(text, r1=address)
    assert state == {**before, "r1": address, "pc": CODE + 2}
    assert bench.bus.log == []


def test_code_written_is_executed_without_icbi(bench: Bench) -> None:
    bench.go("mov #1,r3; mov.w r1,@r2; bra .+4; nop; mov #2,r3", r1=0xE307, r2=CODE + 8)
    assert bench.core.state()["r3"] == 7


def test_fpu_disable_in_sr_is_seen_by_the_next_instruction(bench: Bench) -> None:
    bench.put(CODE, "fldi1 fr1; ldc r8,sr; fldi1 fr2")
    bench.core.set_state({"r8": MD | FD})
    for _ in range(3):
        bench.core.step()
    state = bench.core.state()
    assert (state["fr1"], state["fr2"], state["expevt"], state["spc"]) == (0x3F800000, 0, 0x800, CODE + 4)
