"""CPG and bus state controller: the clock Linux works out of FRQCR, and registers that only store."""

from __future__ import annotations

import pytest
from device_drive import Drive

from cosim import NEVER, PERIPHERAL_DIVIDER, TICK_HZ
from device_nodes.bsc import Bsc
from device_nodes.cpg import Cpg

# Divisor tables of Linux's clock-sh7780.c, and the field each is taken by.
IFC, SHWY, BFC, PFC = (2, 4), (1, 1, 4, 1, 6, 1, 1, 1), (1, 1, 1, 8, 12, 16, 24, 1), (1, 24, 24, 1)


def test_frqcr_is_that_of_a_400_mhz_board():
    frqcr = Drive(Cpg("cpg", {})).read("FRQCR")
    cpu = IFC[frqcr >> 24 & 1]
    assert PFC[frqcr & 3] // cpu == PERIPHERAL_DIVIDER == 12
    pll = 33_333_333 * PFC[frqcr & 3]
    assert round(pll / cpu / 1e6) == TICK_HZ // 1_000_000 == 400
    assert (SHWY[frqcr >> 20 & 7], BFC[frqcr >> 16 & 7]) == (4, 8)  # 200 and 100 MHz


def test_the_clock_cannot_be_changed():
    cpg = Drive(Cpg("cpg", {}))
    before = cpg.read("FRQCR")
    assert cpg.write("FRQCR", 0xFFFFFFFF).read("FRQCR") == before


@pytest.mark.parametrize("device", [Cpg("cpg", {}), Bsc("bsc", {})], ids=["cpg", "bsc"])
def test_every_register_is_leased_and_posted(device):
    d = Drive(device)
    rows = {(row.address, row.size) for row in device.registers}
    assert {row[:2] for row in d.answer.leases} == rows == {row[:2] for row in d.answer.posts}
    assert d.answer.next == NEVER and d.answer.lines == 0 and not d.answer.plan


def test_a_leased_value_is_the_one_written():
    bsc = Drive(Bsc("bsc", {})).write("CS5WCR", 0x12345678)
    leased = {address: segments[0][1] for address, _, _, segments in bsc.answer.leases}
    assert leased[0xFF802058] == 0x12345678 == bsc.read("CS5WCR")
