"""What FPU instructions do by mode: FPSCR.PR and SZ, even and odd registers, on each core, interpreted and generated,
with either timing. The rules and their sources are in docs/reference/semantics.md, FPU."""

from __future__ import annotations

import itertools

import pytest
from assembler import assemble
from bench_core import CODE, DATA, MD, Bench

from cpu_node.isa import TABLE

PR, SZ = 0x80000, 0x100000
MODES = [0, PR, SZ, PR | SZ]
REGISTERS = {f"{bank}{k}": 0xC1000000 + 0x11111 * k + (bank == "xf") for bank in ("fr", "xf") for k in range(16)}
CACHES = 0x105  # on: under sh4a no code is generated without them
TIMES = 51  # of a loop: odd, so that a sign that is changed each time ends up changed

# Which PR an instruction is for. All others are for both; of those in EVEN_WITH_PR, PR=1 takes even registers only.
NEED_PR_0 = {"fldi0", "fldi1", "fmac", "fipr", "ftrv", "fsrra", "fsca", "frchg"}
NEED_PR_1 = {"fcnvsd", "fcnvds"}
EVEN_WITH_PR = {"fadd", "fsub", "fmul", "fdiv", "fcmpeq", "fcmpgt", "fsqrt", "float", "ftrc"}
FPU = [row for row in TABLE if row.pattern.startswith("1111")]


@pytest.fixture(params=["python", "interpreted", "generated"])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["fast", "sh4a"])
def modes(request: pytest.FixtureRequest, tier: str) -> Bench:
    """A bench on a core of that tier and timing."""
    bench = Bench("python" if tier == "python" else "native")
    bench.core.timing = request.param
    if tier != "python":
        bench.core.hot = int(tier == "generated")
    return bench


def loop(bench: Bench, tier: str, text: str, **state: int) -> dict[str, int]:
    """The state after TIMES times the instruction; where code is generated, most of them by it."""
    before = bench.core.generated if tier == "generated" else 0
    after = bench.go(f"{text}; dt r14; bf .-4", r14=TIMES, r1=DATA, r0=0, ccr=CACHES, **state)
    if tier == "generated" and bench.core.generates:
        assert bench.core.generated - before > TIMES
    return after


def text_of(name: str, n: int, m: int) -> str:
    """The instruction with FPU registers n and m; addresses in r1."""
    row = next(row for row in FPU if row.name == name)
    fields = {"fn": f"fr{n}", "fm": f"fr{m}", "dn": f"dr{n & 14}", "vn": f"fv{n & 12}", "vm": f"fv{m & 12}"}
    return row.text.format(**fields, n="r1", m="r1")


def is_legal(name: str, pr: bool, n: int, m: int) -> bool:
    if not pr:
        return name not in NEED_PR_1
    uses_m = "{fm}" in next(row.text for row in FPU if row.name == name)
    return name not in NEED_PR_0 and not (name in EVEN_WITH_PR and (n | m & -uses_m) & 1)


@pytest.mark.parametrize("row", FPU, ids=lambda row: row.name)
def test_which_modes_have_the_instruction(modes: Bench, row: object) -> None:
    """A general illegal instruction, in a slot a slot illegal instruction, where a mode has it not; FPSCR stays."""
    name = row.name  # type: ignore[attr-defined]
    for mode, n, m in itertools.product(MODES, (4, 5), (8, 9)):
        text, legal = text_of(name, n, m), is_legal(name, bool(mode & PR), n, m)
        for source, code in ((text, 0x180), (f"bra .+8; {text}", 0x1A0)):
            modes.core.set_state({"expevt": 0})
            state = modes.one(source, sr=MD, r0=0, r1=DATA, fpscr=mode, fpul=0, **REGISTERS)
            seen = (state["expevt"], state["spc"]) if state["expevt"] else None
            assert seen == (None if legal else (code, CODE)), f"{source} with FPSCR {mode:08x}"
            if not legal:
                assert {k: state[k] for k in ("fpscr", *REGISTERS)} == {"fpscr": mode, **REGISTERS}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name, changed", [("fneg", 0x80000000), ("fabs", None)])
def test_signs_are_of_the_register_that_is_named(
    modes: Bench, tier: str, name: str, changed: int | None, mode: int
) -> None:
    """FRn alone, odd or even, whatever PR is: the manual's FR[n] = -FR[n]. Compilers rely on it."""
    for n in range(16):
        state = loop(modes, tier, f"{name} fr{n}", fpscr=mode, **REGISTERS)
        was = REGISTERS[f"fr{n}"]
        right = was ^ changed if changed else was & 0x7FFFFFFF
        assert {k: state[k] for k in REGISTERS} == {**REGISTERS, f"fr{n}": right}, f"{name} fr{n}"
        assert state["fpscr"] == mode


@pytest.mark.parametrize("mode", MODES)
def test_transfers_with_fpul_are_of_the_register_that_is_named(modes: Bench, tier: str, mode: int) -> None:
    for n in range(16):
        state = loop(modes, tier, f"flds fr{n},fpul", fpscr=mode, fpul=7, **REGISTERS)
        assert {k: state[k] for k in ("fpul", *REGISTERS)} == {**REGISTERS, "fpul": REGISTERS[f"fr{n}"]}
        state = loop(modes, tier, f"fsts fpul,fr{n}", fpscr=mode, fpul=7, **REGISTERS)
        assert {k: state[k] for k in REGISTERS} == {**REGISTERS, f"fr{n}": 7}


@pytest.mark.parametrize("mode", [0, PR])
def test_moves_without_sz_are_of_the_registers_that_are_named(modes: Bench, tier: str, mode: int) -> None:
    modes.words(DATA, 0x12345678)
    for n, m in ((2, 3), (3, 2), (4, 6), (5, 7), (15, 0)):
        state = loop(modes, tier, f"fmov fr{m},fr{n}", fpscr=mode, **REGISTERS)
        assert {k: state[k] for k in REGISTERS} == {**REGISTERS, f"fr{n}": REGISTERS[f"fr{m}"]}
        state = loop(modes, tier, f"fmov @r1,fr{n}", fpscr=mode, **REGISTERS)
        assert {k: state[k] for k in REGISTERS} == {**REGISTERS, f"fr{n}": 0x12345678}
        loop(modes, tier, f"fmov fr{m},@r2", fpscr=mode, r2=DATA + 16, **REGISTERS)
        assert modes.long(DATA + 16) == REGISTERS[f"fr{m}"]


@pytest.mark.parametrize("text", ["fldi0 fr4", "fldi1 fr5", "frchg"])
def test_hot_code_is_illegal_under_the_other_mode(modes: Bench, tier: str, text: str) -> None:
    """What was generated with PR=0 does not serve PR=1, set from outside or by FPCHG in the same block."""
    loop(modes, tier, text, fpscr=0, **REGISTERS)
    source = f"{text}; dt r14; bf .-4"
    state = modes.faults(source, r14=5, fpscr=PR)
    assert (state["expevt"], state["spc"], state["r14"]) == (0x180, CODE, 5)
    state = modes.go(f"fpchg; {text}; nop", sr=MD, fpscr=0, **REGISTERS)
    assert (state["expevt"], state["spc"]) == (0x180, CODE + 2)


@pytest.mark.parametrize("toggle", ["fschg", "fpchg"])
@pytest.mark.parametrize("mode", MODES)
def test_toggles_change_their_bit_in_every_mode(modes: Bench, tier: str, toggle: str, mode: int) -> None:
    state = loop(modes, tier, toggle, fpscr=mode, **REGISTERS)
    assert state["fpscr"] == mode ^ (SZ if toggle == "fschg" else PR)
    assert {k: state[k] for k in REGISTERS} == REGISTERS


def test_the_first_float_argument_of_c_code_can_be_negated(modes: Bench) -> None:
    """``take(-x)`` as GCC 12 compiles it: the argument is in fr5, and PR stays 1."""
    modes.words(DATA, 0x40600000)
    state = modes.go("fmov @r1,fr5; fneg fr5", r1=DATA, fpscr=PR, fr4=0)
    assert (state["fr4"], state["fr5"]) == (0, 0xC0600000)


def test_the_table_names_all_instructions_of_the_fpu() -> None:
    assert NEED_PR_0 | NEED_PR_1 | EVEN_WITH_PR <= {row.name for row in FPU}
    assert all(len(assemble(text_of(row.name, 4, 8))) == 2 for row in FPU)
