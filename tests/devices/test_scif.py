"""SCIF: timing, FIFOs and triggers, flags, the four interrupts, switching. Ticks are typed, not computed.

At BRR = 8 and CKS = 0 (115,741 bit/s) a bit takes 12 * 32 * 9 = 3456 ticks and an 8N1 character 34,560.
"""

from __future__ import annotations

from time import process_time

import pytest
from device_drive import Drive

from cosim import NEVER
from cosim.device import DeviceError
from cosim.messages import Advance, Arm, Read, Write
from device_nodes.scif import BREAK, FRAMING, PARITY, Scif

BIT, CHARACTER = 3456, 34_560
TIE, RIE, TE, RE, REIE = 0x80, 0x40, 0x20, 0x10, 0x08
ER, TEND, TDFE, BRK, FER, PER, RDF, DR = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


def port(scr: int = TE | RE, fcr: int = 0, channel: int = 0) -> Drive:
    d = Drive(Scif(f"scif{channel}", {"channel": channel}))
    return d.write("BRR", 8).write("FCR", fcr).write("SCR", scr)


def send(d: Drive, text: bytes, t: int | None = None) -> Drive:
    for byte in text:
        d.write("FTDR", byte, t)
    return d


def clear(d: Drive, bits: int) -> int:
    """Read FSR, write it back without bits; FSR then."""
    d.write("FSR", d.read("FSR") & ~bits)
    return d.read("FSR")


# Sending ------------------------------------------------------------------------------------------------


def test_a_character_leaves_after_ten_bits():
    d = send(port(), b"A", 1000)
    assert d.read("FSR", 1000 + CHARACTER - 1) & TEND == 0 and d.device.take_output() == b""
    assert d.read("FSR", 1000 + CHARACTER) & TEND and d.device.take_output() == b"A"


@pytest.mark.parametrize(
    ("smr", "brr", "ticks"),
    [
        (0x00, 0, 3_840),
        (0x00, 8, 34_560),
        (0x00, 26, 103_680),  # 38,580 bit/s
        (0x01, 26, 414_720),
        (0x02, 8, 552_960),
        (0x03, 255, 62_914_560),
        (0x40, 8, 31_104),  # 7 bits
        (0x20, 8, 38_016),  # parity
        (0x08, 8, 38_016),  # 2 stop bits
        (0x28, 8, 41_472),
        (0x70, 8, 34_560),
    ],
)
def test_ticks_of_a_character(smr, brr, ticks):
    d = Drive(Scif("scif0", {})).write("SMR", smr).write("BRR", brr).write("SCR", TE).write("FTDR", 0x55)
    assert d.read("FSR", ticks - 1) & TEND == 0
    assert d.read("FSR", ticks) & TEND


def test_characters_follow_one_another_without_a_gap():
    d = send(port(), b"abc", 0)
    assert [d.read("TFDR", t) for t in (0, CHARACTER - 1, CHARACTER, 2 * CHARACTER)] == [2, 2, 1, 0]
    assert d.device.take_output() == b"ab"
    assert d.to(3 * CHARACTER).device.take_output() == b"c"


def test_a_full_fifo_ignores_the_byte():
    d = send(port(), bytes(range(17)), 0)
    assert d.read("TFDR") == 16
    d.write("FTDR", 99)
    assert d.read("TFDR") == 16
    d.to(20 * CHARACTER)
    assert d.device.take_output() == bytes(range(17))


@pytest.mark.parametrize(("ttrg", "trigger"), [(0, 8), (1, 4), (2, 2), (3, 0)])
def test_tdfe_rises_when_the_fifo_falls_to_its_trigger(ttrg, trigger):
    d = send(port(fcr=ttrg << 4, scr=TE), b"x" * 12, 0)  # one in the shift register, 11 wait
    assert d.read("FSR") & TDFE  # it stays until it is cleared
    assert clear(d, TDFE) & TDFE == 0
    d.write("SCR", TE | TIE)
    rise = (11 - trigger) * CHARACTER
    assert d.planned("TXI0") == rise
    assert d.read("FSR", rise - 1) & TDFE == 0 and d.lines() == set()
    assert d.read("FSR", rise) & TDFE and d.lines() == {"TXI0"}


def test_tdfe_cannot_be_cleared_while_the_fifo_has_room():
    d = send(port(), b"x" * 9, 0)
    assert clear(d, TDFE) & TDFE


def test_tdfe_is_not_cleared_without_having_been_read():
    d = send(port(), b"x" * 12, 0).write("FSR", 0)
    assert d.read("FSR") & TDFE
    d.write("FSR", 0)
    assert d.read("FSR") & TDFE == 0


def test_writing_1_clears_nothing():
    d = send(port(), b"x" * 12, 0)
    d.read("FSR")
    assert d.write("FSR", 0xFF).read("FSR") & TDFE


def test_a_leased_read_counts_as_read():
    d = send(port(), b"x" * 12, 0)
    d.device.handle(0, Write(0xFFE00010, 2, 0, [(0xFFE00010, 0x60)]))
    assert d.read("FSR") & TDFE == 0


def test_txi_is_up_at_once_when_tie_is_set_on_an_empty_fifo():
    d = port(scr=TE)
    assert d.lines() == set()
    assert d.write("SCR", TE | TIE).lines() == {"TXI0"}
    assert d.write("SCR", TE).lines() == set()


def test_te_off_loses_the_character_in_the_shift_register_and_keeps_the_fifo():
    d = send(port(scr=TE), b"abc", 0).write("SCR", 0, 1000)
    assert d.read("FSR") & TEND and d.read("TFDR") == 2
    assert d.to(10 * CHARACTER).device.take_output() == b""
    d.write("SCR", TE)
    assert d.read("FSR") & TEND == 0
    d.to(d.t + 2 * CHARACTER - 1)
    assert d.device.take_output() == b"b"
    assert d.to(d.t + 1).device.take_output() == b"c"


def test_bytes_written_before_te_wait_for_it():
    d = send(port(scr=0), b"ab", 0)
    assert d.read("TFDR", CHARACTER) == 2
    d.write("SCR", TE)
    assert d.to(3 * CHARACTER).device.take_output() == b"ab"


def test_tfcl_empties_the_fifo_and_lets_the_shift_register_finish():
    d = send(port(), b"abcdef", 0).write("FCR", 4, 100)
    assert d.read("TFDR") == 0
    d.write("FTDR", 0x7A)  # while TFCL is 1 the FIFO stays empty
    assert d.read("TFDR") == 0
    d.write("FCR", 0).write("FTDR", 0x79)
    assert d.to(5 * CHARACTER).device.take_output() == b"ay"


def test_a_new_rate_counts_from_the_next_character():
    d = send(port(), b"abc", 0).write("BRR", 17, 100)
    assert d.read("TFDR", CHARACTER) == 1
    assert d.read("TFDR", 3 * CHARACTER - 1) == 1
    assert d.read("TFDR", 3 * CHARACTER) == 0


# Receiving ------------------------------------------------------------------------------------------------


def test_a_character_is_there_at_its_tick():
    d = port(scr=RE | RIE).input((5000, 0x41))
    assert d.planned("RXI0") == 5000
    assert d.read("RFDR", 4999) == 0
    assert d.read("RFDR", 5000) == 1 and d.lines() == {"RXI0"}
    assert d.read("FSR") & RDF
    assert d.read("FRDR") == 0x41 and d.read("RFDR") == 0


@pytest.mark.parametrize(("rtrg", "trigger"), [(0, 1), (1, 4), (2, 8), (3, 14)])
def test_rdf_rises_at_the_receive_trigger(rtrg, trigger):
    arrivals = [(CHARACTER * (k + 1), 0x30 + k) for k in range(16)]
    d = port(scr=RE | RIE, fcr=rtrg << 6).input(*arrivals)
    assert d.planned("RXI0") == CHARACTER * trigger
    assert d.read("FSR", CHARACTER * trigger - 1) & RDF == 0
    assert d.read("FSR", CHARACTER * trigger) & RDF and d.lines() == {"RXI0"}


def test_rdf_stays_until_it_is_cleared_and_comes_back_while_its_cause_lasts():
    d = port(scr=RE | RIE).input((10, 1), (20, 2)).to(20)
    assert clear(d, RDF) & RDF and d.lines() == {"RXI0"}  # two are in the FIFO
    d.read("FRDR")
    d.read("FRDR")
    assert d.read("FSR") & RDF and d.lines() == {"RXI0"}  # empty, but not cleared
    assert clear(d, RDF) & RDF == 0 and d.lines() == set()


def test_a_lower_trigger_finds_what_is_there():
    d = port(scr=RE | RIE, fcr=0x80).input((10, 1), (20, 2)).to(20)
    assert d.lines() == set()
    assert d.write("FCR", 0).lines() == {"RXI0"}


def test_dr_rises_15_bits_after_the_last_character_below_the_trigger():
    d = port(scr=RE | RIE, fcr=0x80).input((1000, 1), (2000, 2))
    due = 2000 + 15 * BIT
    assert d.planned("RXI0") == due
    assert d.read("FSR", due - 1) & (DR | RDF) == 0
    assert d.read("FSR", due) & (DR | RDF) == DR and d.lines() == {"RXI0"}


def test_a_character_in_time_puts_dr_off():
    d = port(scr=RE | RIE, fcr=0x80).input((1000, 1), (1000 + 15 * BIT - 1, 2))
    assert d.planned("RXI0") == 1000 + 30 * BIT - 1


def test_a_gap_of_15_bits_between_characters_sets_dr():
    d = port(scr=RE | RIE, fcr=0x80).input((1000, 1), (1000 + 15 * BIT, 2))
    assert d.planned("RXI0") == 1000 + 15 * BIT


def test_there_is_no_dr_at_a_trigger_of_1_and_none_with_an_empty_fifo():
    d = port(scr=RE | RIE).input((1000, 1)).to(1000)
    d.read("FRDR")
    clear(d, RDF)
    assert d.planned("RXI0") is None
    assert d.read("FSR", 100 * CHARACTER) & (RDF | DR) == 0


def test_dr_is_cleared_only_when_all_is_read():
    d = port(scr=RE | RIE, fcr=0x80).input((1000, 1), (2000, 2)).to(100_000)
    d.read("FRDR")
    assert clear(d, DR) & DR
    d.read("FRDR")
    assert clear(d, DR) & DR == 0 and d.lines() == set()


def test_reading_below_the_trigger_long_after_the_last_character_sets_dr():
    d = port(scr=RE | RIE, fcr=0x40).input(*((10 + k, k) for k in range(4))).to(500_000)
    assert d.read("FSR") & (RDF | DR) == RDF
    d.read("FRDR")
    assert d.read("FSR") & DR
    assert all(tick > d.t for tick, _ in d.answer.plan)


def test_overrun_keeps_16_loses_the_rest_and_asks_by_bri():
    d = port(scr=RE | RIE).input(*((10 * (k + 1), k) for k in range(20)))
    assert d.planned("BRI0") == 170
    assert d.to(169).lines() == {"RXI0"}
    assert d.to(170).lines() == {"RXI0", "BRI0"}
    assert d.read("LSR", 1000) == 1 and d.read("RFDR") == 16
    assert [d.read("FRDR") for _ in range(17)] == [*range(16), 0]


def test_reception_stands_while_orer_is_set():
    d = port(scr=RE | RIE).input(*((10, k) for k in range(17)), (100, 0x41), (300, 0x42)).to(20)
    assert d.read("FRDR") == 0
    assert d.read("RFDR", 100) == 15  # 0x41 is lost although there is room
    d.write("LSR", 0, 200)
    assert "BRI0" in d.lines()  # not read before: not cleared
    d.read("LSR")
    assert "BRI0" not in d.write("LSR", 0).lines()
    assert d.read("RFDR", 300) == 16


@pytest.mark.parametrize(("bits", "flag"), [(FRAMING, FER), (PARITY, PER)])
def test_a_character_in_error_asks_by_eri(bits, flag):
    d = port(scr=RE | RIE).input((10, 0x41), (20, 0x42 | bits))
    assert d.planned("ERI0") == 20
    assert d.read("FSR", 20) & (ER | FER | PER) == ER  # FER and PER are those of the character to be read next
    assert d.lines() == {"RXI0", "ERI0"}
    assert d.read("FRDR") == 0x41
    assert d.read("FSR") & (ER | FER | PER) == ER | flag
    assert d.read("RER") == (0x100 if bits == PARITY else 1)
    assert d.read("FRDR") == 0x42
    assert d.read("FSR") & (ER | FER | PER) == ER
    assert clear(d, ER) & ER == 0 and "ERI0" not in d.lines()


def test_a_break_asks_by_bri_and_brings_no_character():
    d = port(scr=RE | RIE).input((10, BREAK))
    assert d.planned("BRI0") == 10
    assert d.read("FSR", 10) & BRK and d.lines() == {"BRI0"} and d.read("RFDR") == 0
    assert clear(d, BRK) & BRK == 0 and d.lines() == set()


@pytest.mark.parametrize(
    ("scr", "lines"),
    [
        (RE, set()),
        (RE | RIE, {"ERI0", "RXI0", "BRI0"}),
        (RE | REIE, {"ERI0", "BRI0"}),
        (RE | TIE, {"TXI0"}),
        (RE | TIE | RIE | REIE, {"ERI0", "RXI0", "BRI0", "TXI0"}),
    ],
)
def test_which_enable_lets_which_interrupt_through(scr, lines):
    d = port(scr=RE).input((10, 0x41 | FRAMING), (20, BREAK)).to(20)
    assert d.write("SCR", scr).lines() == lines


@pytest.mark.parametrize("channel", [0, 1])
def test_each_channel_has_its_own_lines(channel):
    d = port(scr=TE | RE | TIE | RIE, channel=channel).input((10, 0x41 | PARITY), (20, BREAK)).to(20)
    assert d.lines() == {f"{kind}{channel}" for kind in ("ERI", "RXI", "BRI", "TXI")}


def test_what_arrives_with_re_off_is_lost():
    d = port(scr=RIE).input((10, 0x41), (20, 0x42))
    assert not d.answer.plan
    d.to(15).write("SCR", RE | RIE)
    assert d.planned("RXI0") == 20
    d.to(30)
    assert d.read("FRDR") == 0x42 and d.read("RFDR") == 0


def test_re_off_keeps_what_was_received():
    d = port(scr=RE | RIE).input((10, 0x41)).to(10).write("SCR", 0)
    assert d.read("RFDR") == 1 and d.read("FSR") & RDF
    assert d.read("FRDR") == 0x41


def test_rfcl_empties_the_fifo_and_keeps_it_empty():
    d = port(scr=RE).input((10, 1), (20, 2), (200, 3), (400, 4)).to(30)
    d.write("FCR", 2, 100)
    assert d.read("RFDR") == 0
    assert d.read("RFDR", 250) == 0
    d.write("FCR", 0, 300)
    assert d.read("FRDR", 400) == 4


def test_input_at_the_present_tick_is_there_at_once():
    d = port(scr=RE | RIE).to(50).input((50, 0x41))
    assert d.lines() == {"RXI0"} and not d.answer.plan


def test_input_must_not_go_back():
    d = port().to(50)
    with pytest.raises(DeviceError, match="scif0: input at tick 40 after one at 50; ticks must not fall"):
        d.input((40, 0x41))


# For the CPU node and the host -----------------------------------------------------------------------------------


def test_the_digest_does_not_depend_on_how_often_the_device_is_asked():
    def run(step: int) -> bytes:
        d = port(scr=TE | RE).input((CHARACTER // 2, 0x31), (CHARACTER + 7, 0x32))
        send(d, b"xyz", 0)
        for t in range(step, 4 * CHARACTER, step):
            d.to(t)
        d.to(4 * CHARACTER)
        return d.device.final().digest

    assert run(4 * CHARACTER) == run(1000)


def test_a_posted_character_leaves_leases_alone_while_the_fifo_is_below_its_trigger():
    d = send(port(scr=TE), b"abc", 0)
    posts = {address: (quiet, credits) for address, _, quiet, credits in d.answer.posts}
    assert posts[0xFFE0000C] == (NEVER, 6)  # 8 less the two that wait
    (lease,) = [row for row in d.answer.leases if row[0] == 0xFFE00010]
    assert lease == (0xFFE00010, 2, 3 * CHARACTER, [(0, TDFE, 0, 0)])


def test_a_posted_character_brings_no_line_change_forward():
    d = send(port(scr=TE | TIE), b"x" * 12, 0)
    clear(d, TDFE)
    quiet = {address: q for address, _, q, _ in d.answer.posts}
    assert quiet == {0xFFE0000C: NEVER, 0xFFE00008: NEVER}  # and FSR is waited for: it may drop TXI
    assert d.answer.plan[0][0] == 3 * CHARACTER  # put off by a character: asked about when due


def test_of_control_only_switching_tie_off_is_posted():
    d = send(port(scr=TE | RE | TIE), b"x", 0)
    rows = [row[1:3] for row in d.answer.effects if row[0] == 0xFFE00008]
    assert rows == [(TE | RE, 0b1000)]  # TXI falls


def test_status_is_not_posted_when_it_may_clear_what_was_received():
    d = port(scr=TE | RE).input((1000, 0x41))
    assert {a: q for a, _, q, _ in d.answer.posts}[0xFFE00010] == 1000
    assert 0xFFE00010 not in {row[0] for row in d.to(1000).answer.posts}


def arm(d: Drive, pattern: str) -> int:
    return d.device.handle(d.t, Arm(pattern)).matched


def test_a_pattern_matches_at_the_tick_its_last_byte_leaves():
    d = port()
    assert arm(d, "ready$") == -1
    send(d, b"rtos: ready", 0)
    assert d.to(11 * CHARACTER - 1).answer.matched == -1
    assert d.to(20 * CHARACTER).answer.matched == 11 * CHARACTER


def test_a_pattern_is_matched_within_a_line_and_on_one_that_is_unfinished():
    d = port()
    send(d, b"# ", 0).to(10 * CHARACTER)
    assert arm(d, "^# $") == 10 * CHARACTER
    assert arm(d, "a.*b") == -1
    for byte in b"a\nb":
        d.write("FTDR", byte)
    assert d.to(20 * CHARACTER).answer.matched == -1
    with pytest.raises(DeviceError, match=r"scif0: pattern '\(' is no regular expression"):
        arm(d, "(")


def test_an_answer_of_a_full_port_takes_little_more_than_one_of_an_empty_port():
    empty = port(scr=TE | RE | RIE, fcr=0x80)
    full = send(port(scr=TE | RE | RIE, fcr=0x80), b"x" * 12, 0).input(*((10_000 * k, k) for k in range(1, 10)))

    def best(driven) -> float:
        """CPU seconds of 20 answers."""
        times = []
        for _ in range(40):
            began = process_time()
            for _ in range(20):
                driven.device.handle(0, Advance())
            times.append(process_time() - began)
        return min(times)

    assert best(full) < 10 * best(empty)


def test_channel_and_host_are_checked():
    with pytest.raises(DeviceError, match="scif0: channel = 2: a SH7780 has SCIF channels 0 and 1"):
        Scif("scif0", {"channel": 2})
    with pytest.raises(DeviceError, match="scif0: host = 'serial'; expected one of none, stdio, pty"):
        Scif("scif0", {"host": "serial"})
    assert Scif("scif0", {}).handle(0, Read(0xFFE00010, 2, [])).value == 0x60
