"""INTC: levels, masks, ties, USERIMASK, pin modes, request registers. Codes and fields are typed from the facts."""

from __future__ import annotations

import pytest
from device_drive import Drive

from cosim.messages import Advance, Lines
from device_nodes.intc import Intc

# line -> (INTEVT, INT2PRI register, shift of its field, INT2MSKR bit)
MODULES = {
    "TUNI0": (0x580, 0, 24, 0),
    "TUNI1": (0x5A0, 0, 16, 0),
    "TUNI2": (0x5C0, 0, 8, 0),
    "TUNI3": (0xE00, 1, 24, 1),
    "TUNI4": (0xE20, 1, 16, 1),
    "TUNI5": (0xE40, 1, 8, 1),
    "ERI0": (0x700, 2, 24, 3),
    "RXI0": (0x720, 2, 24, 3),
    "BRI0": (0x740, 2, 24, 3),
    "TXI0": (0x760, 2, 24, 3),
    "ERI1": (0xB80, 2, 16, 4),
    "RXI1": (0xBA0, 2, 16, 4),
    "BRI1": (0xBC0, 2, 16, 4),
    "TXI1": (0xBE0, 2, 16, 4),
    "ITI": (0x560, 2, 8, 5),
}
UNMASKED = 0x03FFF3BF


class Controller(Drive):
    """An INTC whose table is kept as the CPU node keeps it."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int, int]] = {}
        super().__init__(Intc("intc", {}))

    @property
    def answer(self):
        return self._answer

    @answer.setter
    def answer(self, answer):
        self._answer = answer
        if answer.sources is not None:
            self.rows = {line: tuple(row) for line, *row in answer.sources}

    def set_lines(self, **levels: int) -> Controller:
        assert self.device.handle(self.t, Lines([(self.t, line, v) for line, v in levels.items()])) is None
        return self

    def level(self, line: str) -> int:
        return self.rows[line][1]

    def winner(self, *lines: str) -> str:
        """The one of these requests that is taken first."""
        return max(lines, key=lambda line: (self.rows[line][1], -self.rows[line][2]))


@pytest.fixture
def intc() -> Controller:
    return Controller()


def irq_mode(intc: Controller) -> Controller:
    return intc.write("ICR0", 0x00E00000).write("INTMSKCLR0", 0xFF000000)


@pytest.mark.parametrize("line", MODULES)
def test_code_priority_field_and_mask_bit_of_each_module(intc, line):
    code, register, shift, bit = MODULES[line]
    intc.write(f"INT2PRI{register}", 20 << shift)
    assert intc.rows[line][:2] == (code, 0)  # masked after reset
    intc.write("INT2MSKCR", 1 << bit)
    assert intc.rows[line][:2] == (code, 10)
    others = {o for o, (_, r, s, b) in MODULES.items() if (r, s) == (register, shift)}
    assert {o for o in MODULES if intc.level(o)} == others
    intc.write("INT2MSKR", 1 << bit)
    assert intc.level(line) == 0


@pytest.mark.parametrize("five", range(32))
def test_the_cpu_sees_half_of_a_five_bit_priority(intc, five):
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI2", five << 24)
    assert intc.level("RXI0") == five // 2


def test_linuxs_default_priority_2_is_level_1(intc):
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI0", 0x02020202)
    assert intc.level("TUNI0") == 1


def test_everything_is_masked_after_reset(intc):
    assert {row[1] for row in intc.rows.values()} == {0}
    for k in range(8):
        intc.write(f"INT2PRI{k}", 0x1F1F1F1F)
    intc.write("INTPRI", 0xFFFFFFFF).write("ICR0", 0x00C00000)
    assert {row[1] for row in intc.rows.values()} == {0}


def test_masking_one_module_leaves_the_others(intc):
    intc.write("INT2MSKCR", UNMASKED)
    for k in range(8):
        intc.write(f"INT2PRI{k}", 0x1F1F1F1F)
    intc.write("INT2MSKR", 1 << 3)
    assert {line for line in MODULES if not intc.level(line)} == {"ERI0", "RXI0", "BRI0", "TXI0"}


def test_the_higher_level_is_taken_first(intc):
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI2", 0x08100000).write("INT2PRI1", 0x0C000000)
    assert intc.winner("RXI0", "RXI1", "TUNI3") == "RXI1"
    assert intc.winner("RXI0", "TUNI3") == "TUNI3"


def test_at_one_cpu_level_the_odd_priority_is_taken_first(intc):
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI2", 0x0A0A0000).write("INT2PRI1", 0x0B000000)
    assert intc.level("RXI0") == intc.level("TUNI3") == 5
    assert intc.winner("RXI0", "RXI1", "TUNI3") == "TUNI3"


def test_at_equal_priority_the_lower_code_is_taken_first(intc):
    intc.write("INT2MSKCR", UNMASKED)
    for k in range(8):
        intc.write(f"INT2PRI{k}", 0x10101010)
    assert sorted(MODULES, key=lambda line: intc.rows[line][2]) == sorted(MODULES, key=lambda line: MODULES[line][0])
    assert intc.winner("TXI0", "BRI0", "RXI0", "ERI0") == "ERI0"
    assert intc.winner("TUNI3", "TXI1", "TUNI2") == "TUNI2"


def test_no_two_sources_tie(intc):
    intc.write("INT2MSKCR", UNMASKED)
    for k in range(8):
        intc.write(f"INT2PRI{k}", 0x10101010)
    orders = [row[2] for row in intc.rows.values()]
    assert len(set(orders)) == len(orders)


def test_two_guests_share_int2pri2(intc):
    """SCIF0 and SCIF1 have one priority register: a read-modify-write of one guest can undo the other's."""
    intc.write("INT2MSKCR", UNMASKED)
    stale = intc.read("INT2PRI2")
    intc.write("INT2PRI2", stale | 0x18000000)
    intc.write("INT2PRI2", stale | 0x00020000)
    assert intc.level("RXI0") == 0 and intc.level("RXI1") == 1


@pytest.mark.parametrize(("mask", "seen"), [(0, 5), (4, 5), (5, 0), (15, 0)])
def test_userimask_lets_through_what_is_above_it(intc, mask, seen):
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI2", 0x0A000000)
    intc.write("USERIMASK", 0xA5000000 | mask << 4)
    assert intc.level("RXI0") == seen


def test_userimask_needs_its_key(intc):
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI2", 0x0A000000)
    intc.write("USERIMASK", 0x000000F0).write("USERIMASK", 0x5A0000F0)
    assert intc.level("RXI0") == 5 and intc.read("USERIMASK") == 0


def test_the_table_comes_only_when_it_changed(intc):
    assert intc.device.handle(0, Advance()).sources is None
    intc.write("INT2MSKCR", 8)
    assert intc.answer.sources is None  # priority 0: still not taken
    intc.write("INT2PRI2", 0x10000000)
    assert intc.answer.sources is not None
    assert intc.write("INT2PRI2", 0x10000000).answer.sources is None


def test_leases_tell_what_a_write_left(intc):
    intc.write("INT2MSKCR", 0x8)
    leased = {address: segments[0][1] for address, _, _, segments in intc.answer.leases}
    assert leased[0xFFD40038] == UNMASKED & ~8 and leased[0xFFD4003C] == 0


# Requests -----------------------------------------------------------------------------------------------------


def test_int2a0_shows_requests_and_int2a1_those_behind_the_mask(intc):
    intc.set_lines(RXI0=1, TUNI4=1, TXI1=1)
    assert intc.read("INT2A0") == 1 << 3 | 1 << 1 | 1 << 4
    assert intc.read("INT2A1") == 0
    intc.write("INT2MSKCR", 1 << 3)
    assert intc.read("INT2A1") == 1 << 3
    intc.set_lines(RXI0=0)
    assert intc.read("INT2A0") == 1 << 1 | 1 << 4


def test_int2b_shows_requests_within_a_module(intc):
    intc.set_lines(ERI0=1, TXI0=1, RXI1=1, TUNI2=1, TUNI3=1, TUNI5=1)
    assert intc.read("INT2B2") == 0b00101001
    assert intc.read("INT2B0") == 0b1010100  # TUNI0-2 at 2:0, TICPI2 at 3, TUNI3-5 at 6:4


# Pins ------------------------------------------------------------------------------------------------------------


CODES = (0x240, 0x280, 0x2C0, 0x300, 0x340, 0x380, 0x3C0, 0x200)


@pytest.mark.parametrize(("n", "code"), list(enumerate(CODES)))
def test_irq_pins_have_levels_of_four_bits(intc, n, code):
    irq_mode(intc).write("INTPRI", 9 << (28 - 4 * n))
    assert intc.rows[f"IRQ{n}"][:2] == (code, 9)
    intc.write("INTMSK0", 1 << (31 - n))
    assert intc.level(f"IRQ{n}") == 0


def test_pins_come_before_modules_at_one_level(intc):
    irq_mode(intc).write("INTPRI", 0x55555555).write("INT2MSKCR", UNMASKED).write("INT2PRI0", 0x0B0B0B0B)
    assert intc.winner("TUNI0", "IRQ5", "IRQ2") == "IRQ2"


def test_icr0_makes_pins_irl_codes_by_group(intc):
    intc.write("INTPRI", 0x99999999).write("INTMSKCLR0", 0xFF000000).write("ICR0", 0x00800000)
    assert [intc.level(f"IRQ{n}") for n in range(8)] == [9, 9, 9, 9, 0, 0, 0, 0]
    intc.write("INTMSKCLR1", 0x40000000).write("INTMSKCLR2", 0x0000FFFE)
    # one pin low: code 15 less the level; INTEVT 0x200 + 0x20 * code
    assert [intc.rows[f"IRQ{n}"][:2] for n in range(4, 8)] == [(0x3C0, 1), (0x3A0, 2), (0x360, 4), (0x2E0, 8)]


def test_irl_codes_are_masked_by_group_and_by_code(intc):
    intc.write("INTMSKCLR1", 0x80000000)
    assert intc.level("IRQ3") == 0
    intc.write("INTMSKCLR2", 1 << (31 - 7))  # LHHH of pins 0-3
    assert [intc.level(f"IRQ{n}") for n in range(8)] == [0, 0, 0, 8, 0, 0, 0, 0]
    intc.write("INTMSK1", 0x80000000)
    assert intc.level("IRQ3") == 0


@pytest.mark.parametrize("sense", [2, 3])
def test_a_level_sensed_pin_asks_while_its_line_is_up(intc, sense):
    irq_mode(intc).write("ICR1", sense << 28)  # IRQ1
    intc.set_lines(IRQ1=1)
    assert intc.read("INTREQ") == 0x40000000
    intc.set_lines(IRQ1=0)
    assert intc.read("INTREQ") == 0


@pytest.mark.parametrize("sense", [0, 1])
def test_an_edge_sensed_pin_asks_until_it_is_cleared_by_0_after_1_was_read(intc, sense):
    irq_mode(intc).write("ICR1", sense << 28)
    intc.set_lines(IRQ1=1).set_lines(IRQ1=0)
    intc.write("INTREQ", 0)
    assert intc.read("INTREQ") == 0x40000000
    assert intc.write("INTREQ", 0xFFFFFFFF).read("INTREQ") == 0x40000000
    assert intc.write("INTREQ", 0).read("INTREQ") == 0


def test_without_lvlmode_a_level_is_held_too(intc):
    irq_mode(intc).write("ICR0", 0x00C00000).write("ICR1", 0xAAAA0000)
    intc.set_lines(IRQ0=1, IRQ4=1).set_lines(IRQ0=0)
    assert intc.read("INTREQ") == 0x88000000
    assert intc.write("INTREQ", 0).read("INTREQ") == 0x08000000  # IRQ4 still asks


def test_pins_of_an_irl_group_do_not_show_in_intreq(intc):
    intc.write("ICR0", 0x00A00000).write("ICR1", 0xAAAA0000)
    intc.set_lines(IRQ0=1, IRQ5=1)
    assert intc.read("INTREQ") == 0x80000000


def test_qemu_compares_imask_only_with_15_and_knows_no_priorities(intc):
    """A fault of QEMU's on which guests that partition levels livelock: here the table carries levels."""
    intc.write("INT2MSKCR", UNMASKED).write("INT2PRI1", 0x1E000000).write("INT2PRI2", 0x00020000)
    assert intc.level("TUNI3") == 15 and intc.level("RXI1") == 1
    imask = 8  # a guest's ceiling
    assert [line for line in ("TUNI3", "RXI1") if intc.level(line) > imask] == ["TUNI3"]
