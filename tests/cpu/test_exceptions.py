"""Exceptions, interrupts and reset by behaviour, on both cores."""

from __future__ import annotations

import pytest
from bench_core import BASE, BL, CODE, DATA, FD, MD, RB, VBR, Bench

USER = CODE & 0x1FFFFFFF
T = 1
CPUOPM, INTMU = 0xFF2F0000, 8


def test_entry_saves_sr_pc_and_r15_and_switches_to_bank_1(bench: Bench) -> None:
    # Source: [SH7785 99], [SH7785 113]; banks [SH7785 30]
    state = bench.one("trapa #3", sr=MD | FD | 0x2F3, r0=1, r0_bank=2, r15=0x1234)
    assert (state["pc"], state["spc"], state["ssr"], state["sgr"]) == (VBR + 0x100, CODE + 2, MD | FD | 0x2F3, 0x1234)
    assert state["sr"] == MD | RB | BL | FD | 0x2F3  # IMASK, FD and the rest stay
    assert (state["r0"], state["r0_bank"], state["r15"]) == (2, 1, 0x1234)
    assert (state["expevt"], state["tra"], state["intevt"]) == (0x160, 3 << 2, 0)


def test_entry_from_user_mode_is_privileged(bench: Bench) -> None:
    # Source: [SH7785 99], [SH7785 113]
    state = bench.faults("trapa #255", at=USER, sr=T)
    assert (state["sr"] & (MD | RB | BL), state["ssr"], state["tra"]) == (MD | RB | BL, T, 0x3FC)


def test_entry_from_bank_1_keeps_the_bank(bench: Bench) -> None:
    # Source: [SH7785 99]; banks [SH7785 30]
    state = bench.one("trapa #0", sr=MD | RB, r0=1, r0_bank=2)
    assert (state["r0"], state["r0_bank"]) == (1, 2)


def test_rte_restores_sr_and_goes_to_spc(bench: Bench) -> None:
    # Source: [S 94], [S 302]
    state = bench.one("rte; nop", sr=MD | RB | BL | 0xF0, ssr=0x101, spc=0x0C004000, r0=1, r0_bank=2)
    assert (state["pc"], state["sr"], state["r0"], state["r0_bank"]) == (0x0C004000, 0x101, 2, 1)


def test_slot_of_rte_is_executed_with_the_restored_sr(bench: Bench) -> None:
    # Source: [S 94], [S 302]
    state = bench.one("rte; mov #7,r0", sr=MD | RB | BL, ssr=MD | T, spc=DATA, r0=1, r0_bank=2)
    assert (state["r0"], state["r0_bank"]) == (7, 1)  # r0 of bank 0
    state = bench.one("rte; movt r8", sr=MD | RB | BL, ssr=MD | T, spc=DATA)
    assert state["r8"] == 1
    state = bench.one("rte; stc sr,r8", sr=MD | RB | BL, ssr=MD | T, spc=DATA)
    assert state["r8"] == MD | T


def test_slot_of_rte_to_user_mode_is_in_user_mode(bench: Bench) -> None:
    # Source: [S 302], [SH7730 119]; that it may fail at all [own]
    state = bench.one("rte; stc vbr,r8", sr=MD | RB | BL, ssr=0, spc=USER + 0x40)
    assert (state["expevt"], state["spc"], state["ssr"]) == (0x1A0, CODE, 0)


def test_slot_of_rte_is_fetched_with_the_old_sr(bench: Bench) -> None:
    """It lies in P1, which user mode cannot fetch from."""
    # Source: [S 302]
    state = bench.one("rte; mov #7,r8", sr=MD | RB | BL, ssr=0, spc=USER)
    assert (state["pc"], state["r8"], state["sr"]) == (USER, 7, 0)


def test_fault_in_the_slot_of_rte_that_cleared_bl_is_taken(bench: Bench) -> None:
    # Source: [own]: [S 302] forbids it to software
    state = bench.one("rte; mov.l @r8,r9", sr=MD | RB | BL, ssr=MD, spc=DATA, r8=1)
    assert (state["expevt"], state["spc"], state["ssr"], bench.stop.reason) == (0xE0, CODE, MD, "step")


# Which code, which SPC ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [".word 0x0000", ".word 0xfffd", ".word 0x0001", ".word 0xf0dd"])
def test_undefined_word_is_illegal(bench: Bench, text: str) -> None:
    # Source: FFFD [SH7730 118], in a slot [SH7730 119]; the others [own]
    state = bench.faults(text)
    assert (state["expevt"], state["spc"], state["vector"]) == (0x180, CODE, 0x100)
    state = bench.faults(f"bra .+8; {text}")
    assert (state["expevt"], state["spc"]) == (0x1A0, CODE)


SLOT_ILLEGAL = (
    "bra .+8;bsr .+8;bt .+8;bf .+8;bt.s .+8;bf.s .+8;braf r1;bsrf r1;jmp @r1;jsr @r1;rts;rte;trapa #1;mova .+8,r0;"
    "mov.w .+8,r0;mov.l .+8,r0;ldc r1,sr;ldc.l @r1+,sr;icbi @r1;prefi @r1"
).split(";")


@pytest.mark.parametrize("text", SLOT_ILLEGAL)
def test_illegal_in_a_slot(bench: Bench, text: str) -> None:
    # Source: [SH7730 119], ICBI [S 243]; after a branch that is not taken [S 94]
    for branch in ("bra .+20", "jsr @r2", "bf.s .+20", "bt.s .+20"):
        code = f"{branch}; nop" if "mov" not in text else f"nop; {branch}"
        at = CODE + (2 if "mov" in text else 0)
        bench.put(CODE, code.split(";")[0] if at == CODE else code)
        bench.put(at + 2, text)
        bench.core.set_state({"sr": MD, "pc": at, "r1": DATA, "r2": DATA})
        bench.core.step()
        state = bench.core.state()
        assert (state["expevt"], state["spc"], state["pc"]) == (0x1A0, at, VBR + 0x100), (branch, text)


@pytest.mark.parametrize("text", ["mov #1,r1", "mov.l @r2,r1", "stc sr,r1", "ldc r2,gbr", "ldc r2,ssr", "sts pr,r1",
                                  "mac.l @r2+,@r2+", "nop", "ldc r2,vbr", "lds r2,fpscr"])  # fmt: skip
def test_legal_in_a_slot(bench: Bench, text: str) -> None:
    # Source: [SH7730 119], which does not list them
    assert bench.one(f"bra .+20; {text}", r2=DATA)["pc"] == CODE + 20


PRIVILEGED = (
    "ldc r1,sr;ldc r1,vbr;ldc r1,ssr;ldc r1,spc;ldc r1,sgr;ldc r1,dbr;ldc r1,r3_bank;ldc.l @r1+,sr;ldc.l @r1+,vbr;"
    "ldc.l @r1+,sgr;ldc.l @r1+,r0_bank;stc sr,r1;stc vbr,r1;stc ssr,r1;stc spc,r1;stc sgr,r1;stc dbr,r1;stc r7_bank,r1;"
    "stc.l sr,@-r1;stc.l dbr,@-r1;stc.l sgr,@-r1;rte;sleep;ldtlb"
).split(";")
USERS = (
    "ldc r1,gbr;stc gbr,r1;ldc.l @r1+,gbr;lds r1,pr;sts macl,r1;trapa #1;pref @r1;ocbi @r1;ocbp @r1;ocbwb @r1;icbi @r1;"
    "prefi @r1;synco"
).split(";")


@pytest.mark.parametrize("text", PRIVILEGED)
def test_privileged_instruction_in_user_mode_is_illegal(bench: Bench, text: str) -> None:
    # Source: [SH7730 118], in a slot [SH7730 119]; RTE [S 302]
    state = bench.faults(text, at=USER, sr=0, r1=DATA & 0x1FFFFFFF)
    assert (state["expevt"], state["spc"], state["r1"]) == (0x180, USER, DATA & 0x1FFFFFFF)
    state = bench.faults(f"bra .+8; {text}", at=USER, sr=0, r1=DATA & 0x1FFFFFFF)
    assert (state["expevt"], state["spc"]) == (0x1A0, USER)


def test_rts_is_legal_in_user_mode(bench: Bench) -> None:
    # Source: [SH7730 118], which does not list it
    state = bench.one("rts; nop", at=USER, sr=0, pr=USER + 0x40)
    assert (state["pc"], state["expevt"]) == (USER + 0x40, 0)


@pytest.mark.parametrize("text", USERS)
def test_allowed_in_user_mode(bench: Bench, text: str) -> None:
    # Source: [SH7730 118], which does not list them
    state = bench.one(text, at=USER, sr=0, r1=DATA & 0x1FFFFFFF)
    assert state["expevt"] in (0, 0x160)


@pytest.mark.parametrize("slot, expevt", [("mov.l @r1,r2", 0xE0), ("mov.l r2,@r1", 0x100), (".word 0", 0x1A0),
                                          ("fdiv fr2,fr1", 0x120)])  # fmt: skip
def test_spc_of_an_exception_in_a_slot_is_the_branch(bench: Bench, slot: str, expevt: int) -> None:
    # Source: [S 94]; PR is written [SH7785 122]; its value, and the ticks [own]
    state = bench.faults(f"bsr .+20; {slot}", r1=1, fpscr=8 << 7, fr1=0x3F800000)
    assert (state["expevt"], state["spc"]) == (expevt, CODE)
    assert state["pr"] == CODE + 4  # the branch's own effect stays
    assert bench.core.tick == bench.core.instructions == 2


def test_spc_of_trapa_is_the_next_instruction(bench: Bench) -> None:
    # Source: [SH7785 113]
    bench.put(VBR + 0x100, "rte; nop")
    assert bench.go("trapa #1; mov #5,r1")["r1"] == 5


# Addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, offset, expevt", [
    ("mov.l @r1,r2", 1, 0xE0), ("mov.l @r1,r2", 2, 0xE0), ("mov.l @r1,r2", 3, 0xE0), ("mov.w @r1,r2", 1, 0xE0),
    ("mov.l r2,@r1", 2, 0x100), ("mov.w r2,@r1", 1, 0x100), ("mov.l @r1+,r2", 2, 0xE0), ("mov.l r2,@-r1", 2, 0x100),
    ("mac.l @r1+,@r3+", 2, 0xE0), ("mac.w @r1+,@r3+", 1, 0xE0), ("movli.l @r1,r0", 2, 0xE0), 
    ("movca.l r0,@r1", 2, 0x100),
    ("fmov @r1,fr0", 2, 0xE0), ("fmov fr0,@r1", 2, 0x100), ("ldc.l @r1+,gbr", 2, 0xE0), ("lds.l @r1+,pr", 1, 0xE0),
    ("stc.l gbr,@-r1", 2, 0x100), ("sts.l pr,@-r1", 3, 0x100), ("mov.l @(4,r1),r2", 2, 0xE0),
    ("mov.l r2,@(r0,r1)", 2, 0x100),
])  # fmt: skip
def test_misaligned_access_is_an_address_error_that_changes_no_register(
    bench: Bench, text: str, offset: int, expevt: int
) -> None:
    # Source: [SH7750 169], [SH7730 115]; re-executed [S 94]
    registers = {"r0": 0, "r1": DATA + offset, "r2": 5, "r3": DATA + 0x100, "gbr": 6, "pr": 7, "mach": 8, "macl": 9}
    state = bench.faults(text, **registers)
    tea = DATA + offset + (4 if "(4" in text else 0) - (4 if "-" in text else 0)
    assert (state["expevt"], state["vector"], state["spc"], state["tea"]) == (expevt, 0x100, CODE, tea)
    assert state["pteh"] & 0xFFFFFC00 == tea & 0xFFFFFC00
    assert {name: state[name] for name in registers} == registers


def test_mac_that_fails_at_its_second_operand_moves_neither_register(bench: Bench) -> None:
    # Source: [SH7764 127]; which operand is the first [own]
    state = bench.faults("mac.l @r1+,@r3+", r1=DATA + 2, r3=DATA)
    assert (state["tea"], state["r1"], state["r3"]) == (DATA + 2, DATA + 2, DATA)
    state = bench.faults("mac.l @r1+,@r3+", r1=DATA + 2, r3=DATA + 1)
    assert state["tea"] == DATA + 1  # @Rn is read first


def test_byte_and_unaligned_moves_need_no_alignment(bench: Bench) -> None:
    # Source: [SH7750 169], which has no bytes; cache instructions [own]
    for text in ("mov.b @r1,r0", "mov.b r0,@r1", "movua.l @r1,r0", "tas.b @r1", "pref @r1", "ocbi @r1"):
        assert bench.one(text, r1=DATA + 3)["pc"] == CODE + 2


def test_fetch_from_an_odd_address(bench: Bench) -> None:
    # Source: [SH7709S 97]; vector [WashingtonDC]
    bench.one("jmp @r1; nop", r1=DATA + 1)
    bench.core.step()
    state = bench.core.state()
    assert (state["expevt"], state["spc"], state["tea"], state["pc"]) == (0xE0, DATA + 1, DATA + 1, VBR + 0x100)


# Order ----------------------------------------------------------------------------------------------------------


def test_illegal_comes_before_fpu_disable_and_that_before_the_access(bench: Bench) -> None:
    # Source: [WashingtonDC]; doubles [own]
    assert bench.faults("fmov @r1,fr0", sr=MD | FD, r1=1)["expevt"] == 0x800
    assert bench.faults("fadd fr1,fr2", sr=MD | FD, fpscr=0x80000)["expevt"] == 0x800  # PR=1, odd register
    assert bench.faults("stc.l vbr,@-r1", at=USER, sr=0, r1=1)["expevt"] == 0x180


def test_fetch_comes_before_decoding(bench: Bench) -> None:
    # Source: [WashingtonDC]
    bench.store(0xFF000010, 1)
    bench.core.set_state({"pc": 0x00400000})
    bench.core.step()
    assert bench.core.state()["expevt"] == 0x40


def test_undefined_word_of_the_fpu_is_illegal_where_the_fpu_is_disabled(bench: Bench) -> None:
    # Source: [own]: in [WashingtonDC] both have one place
    assert bench.faults(".word 0xfffd", sr=MD | FD)["expevt"] == 0x180


def test_odd_address_of_a_fetch_comes_before_its_miss(bench: Bench) -> None:
    # Source: [WashingtonDC]
    bench.mmu_on()
    bench.core.set_state({"pc": 0x00400001})
    bench.core.step()
    state = bench.core.state()
    assert (state["expevt"], state["tea"], state["pc"]) == (0xE0, 0x00400001, VBR + 0x100)


def test_protection_of_a_fetch_comes_before_decoding(bench: Bench) -> None:
    # Source: [WashingtonDC]
    bench.put(CODE, ".word 0")
    bench.page(0, 0x00400000, CODE & 0x1FFFF000, pr=1)
    bench.mmu_on()
    bench.core.set_state({"sr": 0, "pc": 0x00400000})
    bench.core.step()
    assert bench.core.state()["expevt"] == 0xA0


def test_first_transfer_of_an_instruction_comes_before_its_second(bench: Bench) -> None:
    """A miss of the first, though the second is misaligned; of each by itself alignment comes first."""
    # Source: [SH7764 127]
    bench.mmu_on()
    state = bench.faults("mac.l @r1+,@r3+", r1=DATA + 2, r3=0x00400000)
    assert (state["expevt"], state["tea"]) == (0x40, 0x00400000)
    state = bench.faults("mac.l @r1+,@r3+", r1=0x00400000, r3=DATA + 2)
    assert (state["expevt"], state["tea"]) == (0xE0, DATA + 2)


def test_interrupt_comes_before_the_next_instruction(bench: Bench) -> None:
    # Source: [own]
    bench.put(CODE, "trapa #1")
    bench.core.set_irq(1, 0x580)
    assert bench.core.run(10).reason == "interrupt"
    assert bench.core.state()["expevt"] == 0


def test_interrupt_waits_for_the_slot(bench: Bench) -> None:
    """A request that comes with the branch is seen after the slot; SPC is the branch's target."""
    # Source: [S 302] for RTE, [QEMU] for all; SPC [S 94]

    class Raising:
        def write(self, *access: int) -> None:
            bench.core.set_irq(1, 0x580)

    bench.core.bus = Raising()
    bench.put(CODE, "nop; bra .+20; mov.l r1,@r1")
    bench.core.set_state({"r1": 0xFFE00000})
    stop = bench.core.run(10)
    assert (stop.reason, stop.pc) == ("interrupt", CODE + 22)
    bench.core.accept()
    assert bench.core.state()["spc"] == CODE + 22


def test_ldc_to_sr_that_unmasks_lets_an_interrupt_in_at_once(bench: Bench) -> None:
    # Source: [own]
    bench.put(CODE, "ldc r1,sr; mov #1,r2")
    bench.core.set_state({"sr": MD | 0xF0, "r1": MD, "r2": 0})
    bench.core.set_irq(3, 0x580)
    stop = bench.core.run(10)
    assert (stop.reason, stop.pc) == ("interrupt", CODE + 2)


@pytest.mark.parametrize("cpuopm", [0, 0x3E0, ~INTMU & 0xFFFFFFFF])
def test_acceptance_leaves_expevt_and_without_intmu_imask(bench: Bench, cpuopm: int) -> None:
    # Source: [SH7763 133], [SH7785 327]; which bit INTMU is [own]
    bench.store(CPUOPM, cpuopm)
    bench.faults("trapa #1")
    bench.core.set_state({"sr": MD | 0x30, "pc": CODE})
    bench.core.set_irq(9, 0x620)
    bench.core.accept()
    state = bench.core.state()
    assert (state["intevt"], state["expevt"], state["sr"]) == (0x620, 0x160, MD | RB | BL | 0x30)


def test_acceptance_saves_as_an_exception_does(bench: Bench) -> None:
    # Source: [SH7763 133]
    bench.core.set_state({"sr": MD | T, "r15": 0x1234})
    bench.core.set_irq(1, 0x620)
    bench.core.accept()
    state = bench.core.state()
    assert (state["spc"], state["ssr"], state["sgr"], state["pc"]) == (CODE, MD | T, 0x1234, VBR + 0x600)


@pytest.mark.parametrize("level, mask, after", [(9, 3, 9), (1, 0, 1), (15, 14, 15), (16, 15, 15), (16, 0, 15)])
def test_acceptance_with_intmu_gives_imask_the_level(bench: Bench, level: int, mask: int, after: int) -> None:
    # Source: [SH7785 327], NMI [SH7785 99], the old SR goes to SSR [SH7763 133]; which bit INTMU is [own]
    bench.store(CPUOPM, 0x3E0 | INTMU)
    bench.core.set_state({"sr": MD | FD | 0x303 | mask << 4, "pc": CODE})
    bench.core.set_irq(level, 0x620)
    assert bench.core.run(10).reason == "interrupt"
    bench.core.accept()
    state = bench.core.state()
    assert state["sr"] == MD | RB | BL | FD | 0x303 | after << 4
    assert (state["ssr"], state["spc"], state["pc"]) == (MD | FD | 0x303 | mask << 4, CODE, VBR + 0x600)


def test_imask_is_of_the_request_that_stands_at_acceptance(bench: Bench) -> None:
    """A machine that does not know the best request yet asks for a stop with level 15."""
    # Source: [own]
    bench.store(CPUOPM, INTMU)
    bench.core.set_state({"sr": MD | 0x20})
    bench.core.set_irq(15, 0)
    assert bench.core.run(10).reason == "interrupt"
    bench.core.set_irq(3, 0x620)
    assert bench.core.run(10).reason == "interrupt"
    bench.core.accept()
    assert (bench.core.state()["sr"], bench.core.state()["intevt"]) == (MD | RB | BL | 0x30, 0x620)


def test_an_exception_leaves_imask_whatever_intmu_is(bench: Bench) -> None:
    # Source: [SH7785 99]
    bench.store(CPUOPM, INTMU)
    bench.core.set_irq(9, 0x620)
    assert bench.faults("trapa #1", sr=MD | 0xB0)["sr"] == MD | RB | BL | 0xB0


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
@pytest.mark.parametrize("bl", [0, BL])
def test_intmu_of_an_interrupt_that_ends_sleep(bench: Bench, bl: int, timing: str) -> None:
    # Source: [S 94], [SH7785 327]
    bench.store(CPUOPM, INTMU)
    bench.core.timing = timing
    bench.put(CODE, "sleep; nop")
    bench.core.set_state({"sr": MD | bl | 0x30, "pc": CODE})
    assert bench.core.run(bench.core.tick + 200).reason == "sleep"
    bench.core.set_irq(5, 0x580)
    assert bench.core.run(bench.core.tick + 200).reason == "interrupt"
    bench.core.accept()
    state = bench.core.state()
    assert (state["ssr"], state["sr"], state["spc"]) == (MD | bl | 0x30, MD | RB | BL | 0x50, CODE + 2)


@pytest.mark.parametrize("intmu, nested", [(0, [3, 2]), (INTMU, [3])])
def test_a_handler_that_clears_bl_is_nested_by_higher_levels_only(bench: Bench, intmu: int, nested: list[int]) -> None:
    """What INTMU is for: the handler need not raise IMASK itself."""
    # Source: [SH7785 327]
    bench.put(VBR + 0x600, "stc sr,r0; and r8,r0; ldc r0,sr; nop; nop; bra .+0; nop")
    bench.store(CPUOPM, intmu)
    bench.put(CODE, "nop; nop; nop")
    bench.core.set_state({"sr": MD, "pc": CODE, "r8": ~BL & 0xFFFFFFFF})
    accepted = []
    for level in (3, 2):  # the second arrives while the first is served
        bench.core.set_irq(level, 0x620)
        if bench.core.run(bench.core.tick + 20).reason == "interrupt":
            bench.core.accept()
            accepted.append(level)
    assert accepted == nested


def test_a_guests_vectors_under_spumones_model_find_imask_raised_too(bench: Bench) -> None:
    # Source: [own] guests/include/spumone.h
    bench.store(CPUOPM, INTMU)
    bench.core.set_vectors(VBR, 0, 0, 0)
    bench.core.set_state({"sr": MD | 0x30, "pc": CODE})
    bench.core.set_irq(9, 0x620)
    bench.core.accept()
    assert bench.core.state()["sr"] == MD | RB | BL | 0x90


def test_spc_of_an_interrupt_that_ends_sleep_is_behind_it(bench: Bench) -> None:
    # Source: [S 94]
    bench.put(CODE, "sleep; nop")
    bench.core.run(10)
    bench.core.set_irq(2, 0x580)
    bench.core.run(20)
    bench.core.accept()
    assert bench.core.state()["spc"] == CODE + 2


# Reset ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["trapa #1", ".word 0", "mov.l @r8,r9", "bra .+8; trapa #1", "fadd fr0,fr0"])
def test_exception_with_bl_set_resets(bench: Bench, text: str) -> None:
    # Source: [S 94], [SH7785 99]; what it leaves [own]
    state = bench.faults(text, sr=MD | BL | FD, r8=1, r15=7, ccr=0x909, mmucr=0, ssr=MD, spc=5, sgr=6)
    assert bench.stop.reason == "reset"
    assert (state["pc"], state["sr"], state["vbr"], state["expevt"]) == (0xA0000000, 0x700000F0, 0, 0x20)
    assert (state["ccr"], state["mmucr"], state["fpscr"]) == (0, 0, 0x00040001)
    assert (state["ssr"], state["spc"], state["sgr"], state["r15"]) == (MD, 5, 6, 7)  # nothing is saved


def test_reset_by_a_blocked_exception_has_written_tea_and_pteh(bench: Bench) -> None:
    # Source: [own]
    state = bench.faults("mov.l @r8,r9", sr=MD | BL, r8=0x12345679, pteh=0x42)
    assert (bench.stop.reason, state["tea"], state["pteh"]) == ("reset", 0x12345679, 0x12345442)


def test_a_run_may_go_on_after_a_reset(bench: Bench) -> None:
    # Source: [own]
    bench.faults("trapa #1", sr=MD | BL)
    bench.core.set_state({"pc": bench.put(CODE, "mov #4,r1") - 2})
    assert bench.core.run(bench.core.tick + 1).reason == "horizon"
    assert bench.core.state()["r1"] == 4


def test_sleeping_core_does_not_reset_by_its_interrupt(bench: Bench) -> None:
    # Source: [S 94]
    bench.put(CODE, "sleep; nop")
    bench.core.set_state({"sr": MD | BL})
    bench.core.run(10)
    bench.core.set_irq(2, 0x580)
    assert bench.core.run(10).reason == "interrupt"
    bench.core.accept()
    assert bench.core.state()["pc"] == VBR + 0x600


# Cost -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, ticks", [("trapa #1", 1), (".word 0", 1), ("mov.l @r8,r9", 1), ("bra .+8; .word 0", 2),
                                         ("rte; mov.l @r8,r9", 2), ("bf.s .+8; mov.l @r8,r9", 2)])  # fmt: skip
def test_an_exception_costs_the_instructions_of_its_unit_that_were_tried(bench: Bench, text: str, ticks: int) -> None:
    # Source: [own]
    bench.faults(text, r8=1, ssr=MD)
    assert (bench.core.tick, bench.core.instructions) == (ticks, ticks)


def test_nested_exception_after_the_handler_saved_its_state(bench: Bench) -> None:
    """A handler that clears BL can itself be interrupted by an exception, and returns through both."""
    # Source: [S 94]
    bench.put(
        VBR + 0x100,
        "tst r12,r12; bf .+20; mov #1,r12; stc spc,r8; stc ssr,r9; ldc r10,sr; trapa #2; add #1,r13; ldc r8,spc; "
        "ldc r9,ssr; nop; rte; nop",
    )
    state = bench.go("trapa #1; mov #3,r11", r10=MD | RB, r12=0, r13=0)
    assert (state["r11"], state["r12"], state["r13"]) == (3, 1, 1)


def test_linux_style_entry_and_return_through_memory(bench: Bench) -> None:
    # Source: [S 94]
    enter, leave = (
        "stc.l spc,@-r15; stc.l ssr,@-r15; sts.l pr,@-r15",
        "lds.l @r15+,pr; ldc.l @r15+,ssr; ldc.l @r15+,spc",
    )
    bench.put(VBR + 0x100, f"{enter}; mov #9,r0; {leave}; rte; nop")
    state = bench.go("mov #1,r0; trapa #1; add #1,r0", pr=0x77)
    assert (state["r0"], state["r0_bank"], state["pr"], state["r15"]) == (2, 9, 0x77, 0x8C0FFF00)


def test_exception_vector_is_relative_to_vbr(bench: Bench) -> None:
    # Source: [SH7785 113]
    state = bench.one("trapa #1", vbr=BASE | 0x80040000)
    assert state["pc"] == (BASE | 0x80040000) + 0x100
