"""TMU: counting, underflow, UNF and UNIE, prescalers, writes to a running channel. Ticks are typed, not computed.

One count at Pck/4 takes 48 CPU ticks: 400 MHz / (33.33 MHz / 4).
"""

from __future__ import annotations

import pytest
from device_drive import Drive

from cosim import NEVER
from cosim.device import DeviceError
from device_nodes.tmu import Tmu


@pytest.fixture
def tmu() -> Drive:
    return Drive(Tmu("tmu", {}))


def started(tmu: Drive, tcnt: int, tcor: int, tcr: int = 0x20, t: int = 0) -> Drive:
    """Channel 0 counts from tick t on."""
    tmu.write("TCOR0", tcor, t).write("TCNT0", tcnt).write("TCR0", tcr)
    return tmu.write("TSTR0", 1)


def test_a_channel_that_is_not_started_stands(tmu):
    tmu.write("TCNT0", 1000)
    assert tmu.read("TCNT0", 1_000_000) == 1000
    assert tmu.answer.next == NEVER and not tmu.answer.plan


def test_a_count_takes_48_ticks_at_pck_4(tmu):
    started(tmu, 1000, 1000)
    assert [tmu.read("TCNT0", t) for t in (0, 47, 48, 95, 96, 480)] == [1000, 1000, 999, 999, 998, 990]


@pytest.mark.parametrize(("tpsc", "ticks"), [(0, 48), (1, 192), (2, 768), (3, 3072), (4, 12288)])
def test_prescalers(tmu, tpsc, ticks):
    started(tmu, 10, 10, 0x20 | tpsc)
    assert tmu.planned("TUNI0") == 11 * ticks
    assert tmu.read("TCNT0", ticks - 1) == 10
    assert tmu.read("TCNT0", ticks) == 9


@pytest.mark.parametrize("tpsc", [5, 6, 7])
def test_a_clock_that_is_not_there_counts_nothing(tmu, tpsc):
    started(tmu, 10, 10, 0x20 | tpsc)
    assert tmu.read("TCNT0", 10_000_000) == 10
    assert tmu.lines() == set() and tmu.planned("TUNI0") is None
    assert tmu.read("TSTR0") == 1


def test_the_prescaler_runs_freely(tmu):
    started(tmu, 5, 5, t=100)  # next multiple of 48 after 100 is 144
    assert tmu.read("TCNT0", 143) == 5
    assert tmu.read("TCNT0", 144) == 4
    assert tmu.planned("TUNI0") == 144 + 5 * 48


def test_underflow_is_the_count_after_0_and_reloads(tmu):
    started(tmu, 3, 7)
    assert tmu.planned("TUNI0") == 192
    assert tmu.read("TCNT0", 191) == 0 and tmu.lines() == set()
    assert tmu.read("TCNT0", 192) == 7 and tmu.lines() == {"TUNI0"}
    assert tmu.read("TCNT0", 192 + 48) == 6


def test_the_period_is_tcor_plus_1_counts(tmu):
    started(tmu, 9, 9)
    for k in range(1, 6):
        assert tmu.planned("TUNI0") == 480 * k
        tmu.to(480 * k)
        assert tmu.lines() == {"TUNI0"}
        tmu.write("TCR0", 0x20)
        assert tmu.lines() == set()


def test_unf_is_cleared_by_writing_0_and_not_set_by_writing_1(tmu):
    tmu.write("TCR0", 0x120)
    assert tmu.read("TCR0") == 0x20
    started(tmu, 0, 100)
    assert tmu.read("TCR0", 48) == 0x120
    tmu.write("TCR0", 0x120)
    assert tmu.read("TCR0") == 0x120 and tmu.lines() == {"TUNI0"}
    tmu.write("TCR0", 0x020)
    assert tmu.read("TCR0") == 0x020 and tmu.lines() == set()


def test_unf_is_set_although_unie_is_0(tmu):
    """A fault of QEMU's: it loses UNF when UNIE is 0."""
    started(tmu, 1, 1000, tcr=0)
    assert tmu.planned("TUNI0") is None
    assert tmu.read("TCR0", 96) == 0x100 and tmu.lines() == set()
    tmu.write("TCR0", 0x120)  # enabled afterwards: the request is there at once
    assert tmu.lines() == {"TUNI0"}


def test_tcor_is_all_ones_after_reset(tmu):
    """A fault of QEMU's: TCOR is garbage after reset. A started channel runs round 2^32."""
    tmu.write("TSTR0", 1)
    assert tmu.read("TCOR0") == 0xFFFFFFFF
    tmu.write("TCNT0", 0)
    assert tmu.read("TCNT0", 48) == 0xFFFFFFFF


def test_one_shot_as_linux_does_it(tmu):
    """Stop, UNIE, TCOR all ones, TCNT delta, start: one underflow, then 2^32 counts."""
    tmu.write("TSTR0", 0, 1000).read("TCR0")
    tmu.write("TCR0", 0x20).write("TCOR0", 0xFFFFFFFF).write("TCNT0", 99).write("TSTR0", 1)
    due = 1008 + 99 * 48  # 1008 is the first multiple of 48 after 1000
    assert tmu.planned("TUNI0") == due
    tmu.to(due).write("TCR0", 0)
    assert tmu.lines() == set() and tmu.planned("TUNI0") is None
    assert tmu.read("TCNT0", due + 480) == 0xFFFFFFFF - 10


def test_stop_holds_the_count_and_start_goes_on(tmu):
    started(tmu, 1000, 1000)
    tmu.write("TSTR0", 0, 480)
    assert tmu.read("TCNT0", 100_000) == 990
    tmu.write("TSTR0", 1, 100_000)  # next multiple of 48: 100_032
    assert tmu.read("TCNT0", 100_031) == 990
    assert tmu.read("TCNT0", 100_032) == 989


def test_writing_tcnt_of_a_running_channel_counts_on_from_there(tmu):
    started(tmu, 1000, 1000)
    tmu.write("TCNT0", 20, 100)
    assert tmu.planned("TUNI0") == 144 + 20 * 48
    assert tmu.read("TCNT0", 144) == 19


def test_writing_tcor_of_a_running_channel_counts_from_the_next_underflow(tmu):
    started(tmu, 2, 1000)
    tmu.write("TCOR0", 4, 50)
    assert tmu.read("TCNT0", 144) == 4
    tmu.write("TCR0", 0x20)
    assert tmu.planned("TUNI0") == 144 + 5 * 48


def test_many_underflows_in_one_step(tmu):
    started(tmu, 0, 2)
    assert tmu.read("TCNT0", 48 + 3 * 48 * 1000 + 48) == 1
    assert tmu.device.info()["underflows"][0] == 1001


def test_changing_the_prescaler_while_running(tmu):
    started(tmu, 1000, 1000)
    tmu.write("TCR0", 0x21, 480)  # now at 990, and 192 ticks a count on multiples of 192
    assert tmu.read("TCNT0", 575) == 990
    assert tmu.read("TCNT0", 576) == 989


@pytest.mark.parametrize("n", range(6))
def test_each_channel_has_its_line_and_its_start_bit(tmu, n):
    tmu.write(f"TCNT{n}", 4).write(f"TCR{n}", 0x20).write(f"TSTR{n // 3}", 1 << n % 3)
    assert tmu.planned(f"TUNI{n}") == 240
    assert tmu.to(240).lines() == {f"TUNI{n}"}


def test_channels_that_underflow_together_are_one_change(tmu):
    for n in (0, 1, 2):
        tmu.write(f"TCNT{n}", 4 + (n == 2)).write(f"TCR{n}", 0x20)
    tmu.write("TSTR0", 7)
    assert tmu.answer.plan == [(240, 0b011), (288, 0b111)]


def test_a_running_tcnt_is_leased_until_its_second_underflow(tmu):
    started(tmu, 10, 20)
    (lease,) = [row for row in tmu.answer.leases if row[0] == 0xFFD8000C]
    assert lease[:3] == (0xFFD8000C, 4, (10 + 1 + 20 + 1) * 48)
    assert lease[3] == [(0, 10, 48, -1), (11 * 48, 20, 48, -1)]


def test_count_and_reload_of_a_running_channel_are_waited_for(tmu):
    started(tmu, 10, 20)
    posted = {row[0] for row in tmu.answer.posts}
    assert not posted & {0xFFD80008, 0xFFD8000C}
    assert {0xFFD80014, 0xFFD80018} <= posted  # channel 1 stands


def test_an_acknowledgement_is_posted_until_the_underflow_after(tmu):
    started(tmu, 10, 20)  # TCOR 20, first underflow after 11 counts
    assert (0xFFD80010, 2, (11 + 21) * 48, 1 << 30) in [(*row[:3], 1 << 30) for row in tmu.answer.posts]
    values = {row[1]: row[2] for row in tmu.answer.effects if row[0] == 0xFFD80010}
    assert values == {0x00: 1, 0x20: 1}  # UNIE off or on: TUNI0 falls; a start, another clock are waited for


def test_stopping_a_channel_is_posted_and_starting_one_is_not(tmu):
    started(tmu, 10, 20)
    values = {row[1] for row in tmu.answer.effects if row[0] == 0xFFD80004}
    assert values == {0, 1}


def test_time_does_not_go_back(tmu):
    tmu.to(100)
    with pytest.raises(DeviceError, match="tmu: Advance at tick 99, but it stands at 100"):
        tmu.to(99)
