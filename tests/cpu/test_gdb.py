"""gdb's remote protocol, byte by byte, on both cores: what is shown is so, and showing it changes nothing."""

from __future__ import annotations

import re
import struct
import time

import pytest
from bench_core import BASE, BL, CODE, DATA, MD, RB, SIZE
from gdb_client import BRANCH, END, LOAD, LONG, LOOP, STORE, Debugged, undisturbed

from cpu_node.gdb import PACKET, GdbError, Killed, listen
from cpu_node.machine import FIRST_SLICE

STOPPED = "T05thread:1;"
NO_MEMORY, BAD = "E0e", "E01"


def little(value: int) -> str:
    return struct.pack("<I", value).hex()


class TestRegisters:
    NAMES = (*(f"r{k}" for k in range(16)), *"pc pr gbr vbr mach macl sr fpul fpscr".split(),
             *(f"fr{k}" for k in range(16)), "ssr", "spc")  # fmt: skip

    def distinct(self, it: Debugged, sr: int) -> dict[str, int]:
        """Every register gets a value of its own."""
        names = [name for name in it.core.state() if name not in ("sr", "fpscr", "mmucr", "ssr")]
        it.core.set_state({"sr": sr, "ssr": 0x700080F1, **{name: 0x1000 + k for k, name in enumerate(names)}})
        return dict(it.core.state())

    @pytest.mark.parametrize("sr", [MD, MD | RB, MD | RB | BL, RB], ids=["bank 0", "bank 1", "blocked", "user"])
    def test_all_of_them(self, kind, sr):
        it = Debugged(kind)
        state = self.distinct(it, sr)
        with it:
            client = it.attach()
            raw = bytes.fromhex(client.ask("g"))
            each = [client.register(k) for k in range(59)]
        got = list(struct.unpack("<59I", raw))
        assert each == got
        assert got[:43] == [state[name] for name in self.NAMES]
        active, other = [state[f"r{k}"] for k in range(8)], [state[f"r{k}_bank"] for k in range(8)]
        assert got[43:] == (other + active if sr & (MD | RB) == MD | RB else active + other)

    @pytest.mark.parametrize("sr", [MD, MD | RB], ids=["bank 0", "bank 1"])
    def test_setting_each(self, kind, sr):
        it = Debugged(kind)
        self.distinct(it, sr)
        with it:
            client = it.attach()
            for number in range(59):
                value = 0x0000F0 | MD if number in (22, 41) else 0x00040001 if number == 24 else 0x20002000 + number
                assert client.ask(f"P{number:x}={little(value)}") == "OK"
                assert client.register(number) == value, number

    def test_none_of_that_number(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert [client.ask(text) for text in ("p3b", "pffff", "p", "P3b=00000000", "P1=0000", "P1=zz")] == [BAD] * 6
            assert client.register(1) == 0

    def test_a_change_is_reported_once(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"P5={little(1)}") == client.ask(f"P6={little(2)}") == "OK"
            client.ask("D")
            assert it.end()["reports"] == ["tick 0: gdb set r5: from here on no other run is the same as this"]


class TestMemory:
    @pytest.mark.parametrize("area", [0x00000000, 0x60000000, 0x80000000, 0xA0000000, 0xC0000000])
    def test_read_where_no_page_is_needed(self, kind, area):
        it = Debugged(kind)
        it.bench.words(DATA, 0x03020100, 0x07060504)
        with it:
            address = area | DATA & 0x1FFFFFFF
            assert it.attach().ask(f"m{address + 1:x},5") == "0102030405"

    @pytest.mark.parametrize(
        "place",
        ["fffffffc", "e0000000", "ff000010", "f6000000", "80000000", f"{0x80000000 + BASE + SIZE:x}", "9fffffff"],
    )
    def test_nothing_there(self, kind, place):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"m{place},4") == client.ask(f"M{place},1:00") == NO_MEMORY
            assert client.ask(f"Z2,{place},4") == NO_MEMORY
            assert not it.machine.unmapped.figures() and not it.machine.reports

    def test_as_much_as_there_is(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"m{0x80000000 + BASE + SIZE - 3:x},8") == "000000"
            assert client.ask(f"M{0x80000000 + BASE + SIZE - 3:x},4:01020304") == NO_MEMORY
            assert it.core.read(BASE + SIZE - 3, 3) == b"\0\0\0"

    @pytest.mark.parametrize(
        ("mmucr", "sr", "asid", "seen"),
        [
            (1, MD, 7, "11111111"),
            (1, MD, 8, NO_MEMORY),
            (0x101, MD, 8, "11111111"),  # SV: a privileged mode sees all ASIDs
            (0x101, 0, 8, NO_MEMORY),
            (1, 0, 7, "11111111"),
            (0, MD, 7, NO_MEMORY),  # no translation: physical 0x00400000 is no RAM
        ],
    )
    def test_through_the_mmu_of_the_running_mode(self, kind, mmucr, sr, asid, seen):
        it = Debugged(kind)
        it.bench.words(DATA, 0x11111111)
        it.bench.page(5, 0x00400000, DATA & 0x1FFFFFFF, asid=7)
        it.core.set_state({"sr": sr, "pteh": asid, "mmucr": mmucr})
        before = it.core.snapshot()
        with it:
            client = it.attach()
            assert client.ask("m400000,4") == seen
            for area in (0x80000000, 0xA0000000):  # from the user's mode too
                assert client.ask(f"m{area | DATA & 0x1FFFFFFF:x},4") == "11111111"
            assert client.ask("m401000,4") == NO_MEMORY
            assert it.core.snapshot() == before

    def test_pages_of_all_sizes_and_a_range_over_two(self, kind):
        it = Debugged(kind)
        it.bench.page(1, 0x00400000, BASE + 0x1000, size=1024, dirty=0, pr=0)
        it.bench.page(2, 0x00400400, BASE + 0x8C00, size=1024)
        it.bench.page(3, 0x00500000, BASE + 0x10000, size=65536)
        it.bench.page(4, 0x00600000, BASE, size=1 << 20)
        it.bench.mmu_on()
        for offset, value in ((0x13FC, 1), (0x8C00, 2), (0x1FFFC, 3), (0xFFFFC, 4)):
            it.core.write(BASE + offset, struct.pack("<I", value))
        with it:
            client = it.attach()
            assert client.ask("m4003fc,8") == little(1) + little(2)
            assert client.ask("m4007fc,8") == little(0)  # as far as there is a page
            assert client.ask("m50fffc,4") == little(3)
            assert client.ask("m6ffffc,4") == little(4)
            assert client.ask("M4003fe,4:aabbccdd") == "OK"
            assert it.core.read(BASE + 0x13FE, 2) + it.core.read(BASE + 0x8C00, 2) == bytes.fromhex("aabbccdd")
            assert "rw/rw" in client.monitor("tlb") and " 64K" in client.monitor("tlb")

    def test_two_pages_for_one_address(self, kind):
        it = Debugged(kind)
        it.bench.page(1, 0x00400000, DATA & 0x1FFFFFFF)
        it.bench.page(2, 0x00400000, BASE)
        it.bench.mmu_on()
        with it:
            assert it.attach().ask("m400000,4") == NO_MEMORY

    def test_writing(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"M{DATA:x},3:010203") == "OK"
            data = bytes(range(256))
            escaped = b"".join(b"}" + bytes([b ^ 0x20]) if b in b"#$}*" else bytes([b]) for b in data)
            assert client.ask(f"X{DATA + 16:x},{len(data):x}:".encode() + escaped) == "OK"
            assert client.ask(f"X{DATA:x},0:") == "OK"
            assert client.ask(f"M{DATA:x},2:01") == client.ask(f"M{DATA:x},1:0g") == BAD
            assert it.core.read(DATA & 0x1FFFFFFF, 3) == b"\1\2\3"
            assert it.core.read(DATA + 16 & 0x1FFFFFFF, 256) == data

    def test_written_code_is_what_runs(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            for _ in range(5):
                client.ask("s")
            assert client.pc == LOOP
            assert client.ask(f"M{LOOP:x},2:{(0x7110).to_bytes(2, 'little').hex()}") == "OK"  # add #0x10,r1
            client.ask("s")
            assert client.register(1) == 1 + 0x10

    def test_physical(self, kind):
        it = Debugged(kind)
        it.core.write(BASE + 0x8000, b"physical memory \x00\xff")
        with it:
            assert it.attach().monitor(f"phys {BASE + 0x8000:#x} 18").splitlines() == [
                "0c008000  70 68 79 73 69 63 61 6c 20 6d 65 6d 6f 72 79 20  physical memory ",
                "0c008010  00 ff                                            ..",
            ]
            client = it.clients[0]
            assert "outside RAM" in client.monitor("phys 0 4")
            assert "expected 1 to 4096" in client.monitor(f"phys {BASE:#x} 5000")
            assert len(client.monitor(f"phys {BASE:#x} 4096").splitlines()) == 256


class TestBreakpoints:
    def test_hit_and_continued(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask("?") == STOPPED
            assert client.ask(f"Z0,{LOOP:x},2") == client.ask(f"Z1,{BRANCH:x},2") == "OK"
            seen = []
            for _ in range(5):
                assert client.ask("c") == STOPPED
                seen.append((client.pc, client.tick(), client.register(1)))
            assert seen == [(LOOP, 1, 0), (BRANCH, 4, 1), (LOOP, 6, 1), (BRANCH, 9, 2), (LOOP, 11, 2)]
            assert client.ask(f"z0,{LOOP:x},2") == client.ask(f"z1,{BRANCH:x},2") == "OK"
            assert client.ask("c") == "W00"
            assert it.end()["digest"] == undisturbed(kind)["digest"]

    def test_beside_an_observers(self, kind):
        it = Debugged(kind)
        it.machine.observe("deadline", guest="guest", symbol="loop", pc=LOOP, period=5)
        it.machine.observe("deadline", guest="guest", symbol="load", pc=LOAD, period=5)
        with it:
            client = it.attach()
            client.ask(f"Z0,{LOOP:x},2")
            for _ in range(3):
                assert client.ask("c") == STOPPED
                assert client.ask(f"P5={little(9)}") == "OK"  # which is no second arrival
                assert client.ask("s") == STOPPED and client.pc == STORE
                assert client.ask("s") == STOPPED and client.pc == LOAD
                assert client.ask("s") == STOPPED and client.pc == BRANCH
            client.ask(f"z0,{LOOP:x},2")
            assert client.ask("c") == "W00"
            loop, load = it.end()["deadlines"]
        assert loop["activations"] == load["activations"] == (END - 1 + 4) // 5
        assert loop["misses"] == load["misses"] == 0

    def test_where_it_stands_already(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask("s")
            assert client.pc == LOOP
            client.ask(f"Z0,{LOOP:x},2")
            assert client.ask("c") == STOPPED
            assert (client.pc, client.tick()) == (LOOP, 6)

    def test_no_delay_slot_is_a_boundary(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"Z0,{BRANCH + 2:x},2") == "OK"
            assert client.ask("c") == "W00"

    def test_a_kind_there_is_not(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask("Z5,0,1") == client.ask("z5,0,1") == ""
            assert [client.ask(t) for t in ("Z0", "Z0,x,2", "Z2,0,0", "Z2,0,ffffffff", "Z0,0,-1")] == [BAD] * 5


class TestStep:
    @pytest.mark.parametrize("packet", ["s", "vCont;s", "vCont;s:1;c", "vCont;S05:-1", "S05"])
    def test_unit_by_unit(self, kind, packet):
        twin = Debugged(kind)
        with Debugged(kind) as it:
            client = it.attach()
            for _ in range(12):
                twin.core.step()
                assert client.ask(packet) == STOPPED
                assert (client.pc, client.tick()) == (twin.core.state()["pc"], twin.core.tick)
            assert client.ask("vCont;c") == "W00"
            assert it.end()["digest"] == undisturbed(kind)["digest"]

    def test_over_sleep(self, kind):
        with Debugged(kind, source="sleep; nop") as it:
            client = it.attach()
            assert client.ask("s") == STOPPED
            assert (client.pc, client.tick()) == (CODE + 2, 1)
            assert "asleep" in client.monitor("tick")

    def test_from_another_address(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"s{LOOP:x}") == STOPPED and client.pc == STORE
            client.ask(f"Z0,{BRANCH:x},2")
            assert client.ask(f"c{LOOP:x}") == STOPPED
            assert client.register(1) == 2


class TestWatchpoints:
    def test_breakpoints_and_observers_beside_it(self, kind):
        it = Debugged(kind)
        it.machine.observe("deadline", guest="guest", symbol="load", pc=LOAD, period=5)
        with it:
            client = it.attach()
            client.ask(f"Z2,{DATA:x},4")
            client.ask(f"Z0,{BRANCH:x},2")
            seen = [(client.ask("c")[3:8], client.pc, client.tick()) for _ in range(4)]
            assert seen == [("watch", LOAD, 3), ("threa", BRANCH, 4), ("watch", LOAD, 8), ("threa", BRANCH, 9)]
            client.ask(f"z0,{BRANCH:x},2")
            client.ask(f"z2,{DATA:x},4")
            client.ask(f"Z2,{CODE:x},4")  # never written
            assert client.ask("c") == "W00"
            figures = it.end()
        assert figures["deadlines"][0]["activations"] == (END - 3 + 4) // 5
        assert figures["digest"] == undisturbed(kind)["digest"]

    @pytest.mark.parametrize(
        ("type_", "stops"),
        [("2", ["watch", "watch"]), ("3", ["rwatch", "rwatch"]), ("4", ["awatch", "awatch"])],
    )
    def test_hit(self, kind, type_, stops):
        behind = {"2": [LOAD, LOAD], "3": [BRANCH, BRANCH], "4": [LOAD, BRANCH]}[type_]
        ticks = {"2": [3, 8], "3": [4, 9], "4": [3, 4]}[type_]
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(f"Z{type_},{DATA:x},4") == "OK"
            for name, pc, tick in zip(stops, behind, ticks, strict=True):
                assert client.ask("c") == f"T05{name}:{DATA:x};thread:1;"
                assert (client.pc, client.tick()) == (pc, tick)
            assert client.ask(f"z{type_},{DATA:x},4") == "OK"
            assert it.core.hook is None
            assert client.ask("c") == "W00"
            assert it.end()["digest"] == undisturbed(kind)["digest"]

    def test_slices_are_short_while_the_core_is_slow(self, kind):
        # A slice of a fast core would take a slow one so long that it would be called hung.
        with Debugged(kind) as it:
            it.machine.slice_ticks = 1 << 30
            it.attach().ask(f"Z2,{DATA:x},4")
            assert it.machine.slice_ticks == FIRST_SLICE

    def test_never_hit_to_the_end(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask(f"Z4,{DATA + 4:x},4")
            client.ask(f"Z3,{CODE:x},2")  # fetched, not read
            assert client.ask("c") == "W00"
            assert it.end()["digest"] == undisturbed(kind)["digest"]

    PARTS = ((-1, 1, None), (0, 1, 0), (3, 1, 3), (4, 1, None), (-4, 8, 0), (-8, 8, None))

    @pytest.mark.parametrize(("offset", "length", "hit"), PARTS)
    def test_part_of_an_access(self, kind, offset, length, hit):
        place = DATA + 16
        with Debugged(kind, r8=place) as it:
            client = it.attach()
            client.ask(f"Z2,{place + offset:x},{length}")
            expected = "W00" if hit is None else f"T05watch:{place + hit:x};thread:1;"
            assert client.ask("c") == expected

    def test_by_the_address_it_has_in_a_page(self, kind):
        it = Debugged(kind)
        it.bench.page(5, 0x00400000, DATA & 0x1FFFFFFF)
        it.bench.mmu_on()
        with it:
            client = it.attach()
            assert client.ask("Z2,400000,4") == "OK"
            assert client.ask("c") == "T05watch:400000;thread:1;"
            assert client.pc == LOAD

    def test_hit_by_a_step(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask(f"Z2,{DATA:x},4")
            assert [client.ask("s") for _ in range(3)] == [STOPPED, STOPPED, f"T05watch:{DATA:x};thread:1;"]

    def test_in_a_delay_slot(self, kind):
        with Debugged(kind, source="bra .+6; mov.l r1,@r8; nop; bra .+0; nop") as it:
            client = it.attach()
            client.ask(f"Z2,{DATA:x},4")
            assert client.ask("c") == f"T05watch:{DATA:x};thread:1;"
            assert (client.pc, client.tick()) == (CODE + 6, 2)


class TestThreads:
    def test_one(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask("qfThreadInfo") == "m1" and client.ask("qsThreadInfo") == "l"
            assert client.ask("qC") == "QC1"
            assert bytes.fromhex(client.ask("qThreadExtraInfo,1")) == b"guest: running"
            xml = '<threads><thread id="1" name="guest">running</thread></threads>'
            assert client.ask("qXfer:threads:read::0,fff") == f"l{xml}"
            assert client.ask("qXfer:threads:read::0,9") == f"m{xml[:9]}"
            assert client.ask("qXfer:threads:read::9,fff") == f"l{xml[9:]}"
            assert [client.ask(text) for text in ("T1", "Hg1", "Hg0", "Hc-1", "T0")] == ["OK"] * 5
            assert [client.ask(text) for text in ("T2", "Hg2", "Hx1", "H", "vCont;t", "vCont;s:9")] == [BAD] * 6

    def test_monitor(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask("s")
            assert client.monitor("tick") == "tick 1 (0.000000003 s), guest runs\n"
            assert re.search(rf"1  guest +{LOOP:08x}  {MD:08x} +1 +0 +0  running\n", client.monitor("vcpus"))
            assert "xf15   00000000" in client.monitor("registers")
            for wrong in ("", "unknown", "tick 1", "phys", "help"):
                assert client.monitor(wrong).startswith("monitor tick")
            assert "phys zero 4: invalid literal" in client.monitor("phys zero 4")


class TestInterrupt:
    def test_ctrl_c(self, kind):
        with Debugged(kind, LONG) as it:
            client = it.attach()
            last = 0
            for _ in range(3):
                client.send("c")
                while it.core.tick == last:
                    time.sleep(0.001)
                client.raw(b"\x03")
                assert client.packet() == "T02thread:1;"
                assert client.tick() > last
                last = client.tick()
            client.raw(b"\x03")  # it stands already
            assert client.ask("qC") == "QC1"

    def test_ctrl_c_and_on_to_the_end(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.send("s")
            assert client.packet() == STOPPED
            assert client.ask("c") == "W00"
            assert it.end()["digest"] == undisturbed(kind)["digest"]


class TestConnection:
    def test_says_how_to_attach(self, kind):
        with Debugged(kind) as it:
            it.attach().ask("?")
            assert it.notes[0] == (
                f"the run waits for gdb: gdb-multiarch guest.elf -ex 'target remote 127.0.0.1:{it.port}'"
            )
            assert it.notes[1:] == ["gdb is attached at tick 0; the machine stands"]

    def test_introduction(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert f"PacketSize={PACKET:x};" in client.ask("qSupported:multiprocess+;swbreak+")
            assert client.ask("qAttached") == "1"
            assert client.ask("vCont?") == "vCont;c;C;s;S"
            assert client.ask("qXfer:features:read:target.xml:0,fff") == (
                "l<target><architecture>sh4a</architecture></target>"
            )
            unknown = ("vMustReplyEmpty", "qCRC:0,4", "vKill;1", "G00", "qTStatus", "!", "")
            assert [client.ask(text) for text in unknown] == [""] * len(unknown)

    NOTHING = ("m", "mzz,4", "m0", "m,", "qThreadExtraInfo,", "qRcmd,zz", "qXfer:threads:read::x", "Z2,1", "P", "X0,1",
               "c:", "vCont;", "vCont;;", "Hg", "qThreadExtraInfo,ff")  # fmt: skip

    @pytest.mark.parametrize("packet", NOTHING)
    def test_a_packet_that_says_nothing(self, kind, packet):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask(packet) == BAD
            assert client.ask("?") == STOPPED

    def test_any_bytes(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.raw(bytes(range(4, 36)) + b"%-\xff")  # no packet begins here
            client.raw(b"$?#00")  # a wrong checksum
            assert client.byte() == b"-"
            client.raw(b"$?#zz")
            assert client.byte() == b"-"
            client.send(bytes(range(128, 256)))
            assert client.packet() == ""
            assert client.ask("?") == STOPPED
            client.raw(b"-")
            assert client.packet() == STOPPED  # once more

    def test_in_pieces(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            for byte in b"$?#3f":
                client.raw(bytes([byte]))
            assert client.packet() == STOPPED

    def test_without_acknowledgements(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            assert client.ask("QStartNoAckMode") == "OK"
            client.raw(b"$?#00")
            assert client.byte() == b"$"

    @pytest.mark.parametrize(
        "last", [b"", b"$m8c00", b"\x03", b"$c#63"], ids=["idle", "in a packet", "ctrl-C", "running"]
    )
    def test_closed(self, kind, last):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask(f"Z0,{LOOP:x},2")
            client.ask(f"Z2,{DATA:x},4")
            assert client.ask("c") == STOPPED
            client.raw(last)
            client.socket.close()
            assert it.end()["digest"] == undisturbed(kind)["digest"]
            assert "gdb has closed its connection at tick " in it.notes[-1]
            assert it.core.hook is None

    def test_a_packet_without_end(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.raw(b"$" + b"m" * 3 * PACKET)
            assert it.end()["digest"] == undisturbed(kind)["digest"]
            assert "cut off at tick 0; the run goes on" in it.notes[-1]

    def test_a_client_that_takes_no_answers(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask("QStartNoAckMode")
            packet = f"$m{0x80000000 + BASE:x},1000#00".encode()
            with pytest.raises(OSError):
                while True:
                    client.raw(packet * 100)
            assert it.end()["digest"] == undisturbed(kind)["digest"]
            assert "takes no answers" in it.notes[-1]

    def test_a_second_client(self, kind):
        with Debugged(kind) as it:
            first = it.attach()
            assert first.ask("?") == STOPPED
            second = it.attach()
            assert second.byte() == b""
            assert first.ask("s") == STOPPED
            assert "another client was turned away" in it.notes[-1]

    def test_detached_and_attached_again(self, kind):
        with Debugged(kind, LONG) as it:
            client = it.attach()
            client.ask(f"Z0,{LOOP:x},2")
            assert client.ask("c") == STOPPED
            assert client.ask("D") == "OK"
            assert client.byte() in (b"", b"+")
            client = it.attach()
            assert client.ask("?") == STOPPED  # no breakpoint is left of the one before: its loop ends nowhere
            assert client.tick() > 1
            assert it.notes[2] == "gdb has detached at tick 1; the run goes on"

    def test_detached_to_the_end(self, kind):
        with Debugged(kind) as it:
            assert it.attach().ask("D;1") == "OK"
            assert it.end()["digest"] == undisturbed(kind)["digest"]

    def test_killed(self, kind):
        with Debugged(kind) as it:
            client = it.attach()
            client.ask("s")
            client.send("k")
            with pytest.raises(Killed, match=r"^gdb ended the run \(kill\) at tick 1$"):
                it.end()


class TestAddress:
    @pytest.mark.parametrize(
        "address",
        ["0.0.0.0:1234", "localhost:1234", ":1234", "1234", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.2:1",
         "tcp:127.0.0.1:1234", "127.0.0.1:12x", "127.0.0.1:-1", "[::1]:1234", "127.0.0.1:1234 "],
    )  # fmt: skip
    def test_of_this_machine_only(self, address):
        with pytest.raises(GdbError, match="expected unix:PATH or 127.0.0.1:PORT"):
            listen(address)

    def test_a_path_is_this_users_only(self, tmp_path):
        with listen(f"unix:{tmp_path}/g") as first:
            assert (tmp_path / "g").stat().st_mode & 0o777 == 0o600
            assert not first.getblocking()
            with pytest.raises(GdbError, match="this path is in use; choose another"):
                listen(f"unix:{tmp_path}/g")
        with pytest.raises(GdbError, match=r"gdb = 'unix:': this path has 0 bytes; expected 1 to 107"):
            listen("unix:")

    def test_in_use(self):
        with listen("127.0.0.1:0") as first:
            with pytest.raises(GdbError, match=r"Address already in use; choose another port, or 0"):
                listen(f"127.0.0.1:{first.getsockname()[1]}")
