"""A guest that touches what is another's: seen, told with guest, PC and address, refused where asked; the RTOS goes on.

On SPUMONE's model and on its firmware alike.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from small_guests import MS, needs_compiler, on_time, said, start, symbol, words
from whole_machine import SPUMONE, machine

from cpu_node.machine import Machine

pytestmark = needs_compiler
impls = pytest.mark.parametrize("impl", ["model", "firmware"])
TCNT3, TCOR4, FREE = 0xFFDC000C, 0xFFDC0014, 0x8EF00000  # FREE: memory of the RTOS that it does not use
BLOCK = "of tmu, the block of TUNI3 to TUNI5, which is guest rtos's"
NOTHING = {"registers": 0, "memory": 0}


def device(board: Machine, name: str) -> dict[str, int]:
    """Values of a device's registers."""
    target = next(target for target in board.targets if target.name == name)
    return dict(target.component.file.value)  # type: ignore[attr-defined]


@impls
@pytest.mark.parametrize("leases", ["true", "false"])
def test_a_register(tmp_path: Path, impl: str, leases: str) -> None:
    """A read, though it is leased, and a write: each register is told once, each access counted. What is shared (INTC)
    or nobody's (TMU0, whose lines nobody has) is anybody's."""
    case = f"for (int k = 0; k < 3; k++) {{ load({TCNT3}); store(0xffe00018, 5); }} load(0xffd80008); load(0xffd40038);"
    board = start(tmp_path, impl, {"low": case}, {}, f"run.leases={leases}")
    assert board.go(100 * MS)[0] == "until"
    at = {key: symbol(tmp_path, "low", key) for key in ("at_load", "at_store")}
    assert said(board, "trespass") == [
        f"guest low at pc 0x{at['at_load']:08x} read register 0xffdc000c (4 bytes) {BLOCK}",
        f"guest low at pc 0x{at['at_store']:08x} wrote register 0xffe00018 (4 bytes) of scif0, the block of ERI0 to "
        "TXI0, which is guest rtos's",
    ]
    assert board.figures()["trespasses"] == {"rtos": NOTHING, "low": {"registers": 6, "memory": 0}}
    assert words(board, 0)[1] != 0  # it was read, though
    assert on_time(board, 9)


@impls
@pytest.mark.parametrize("leases", ["true", "false"])
def test_a_register_refused(tmp_path: Path, impl: str, leases: str) -> None:
    """The RTOS's timer cannot be stopped, nor read."""
    case = f"BYTE(0xffdc0004) = 0; store({TCOR4 - 12}, 77); load({TCNT3}); load({TCNT3}); load({TCNT3});"
    board = start(tmp_path, impl, {"low": case}, {}, "spumone.trespass=refuse", f"run.leases={leases}")
    assert board.go(100 * MS)[0] == "until"
    told = said(board, "trespass")
    assert len(told) == 3 and all(text.endswith("guest rtos's: refused") for text in told)
    assert words(board, 0)[1] == 0
    assert on_time(board, 9)
    assert board.figures()["trespasses"]["low"] == {"registers": 5, "memory": 0}


@impls
def test_off(tmp_path: Path, impl: str) -> None:
    board = start(tmp_path, impl, {"low": f"load({TCNT3}); load({FREE});"}, {}, "spumone.trespass=off")
    board.go(50 * MS)
    assert said(board, "trespass") == []
    assert board.figures()["trespasses"] == {"rtos": NOTHING, "low": NOTHING}


@impls
@pytest.mark.parametrize(("then", "seen"), [("", 1), (" + spm_route(0x580, 0)", 0)])
def test_a_claimed_block(tmp_path: Path, impl: str, then: str, seen: int) -> None:
    """It is the guest's that claims a line of it, until it gives that up."""
    case = f"REPORT[2] = spm_route(0x580, 1){then};"
    board = start(tmp_path, impl, {"one": case, "two": "load(0xffd80008);"}, {})
    board.go(100 * MS)
    assert words(board, 0)[2] == 0
    assert [text.split(" of ", 1)[1] for text in said(board, "trespass")] == [
        "tmu, the block of TUNI0 to TUNI2, which is guest one's"
    ] * seen
    assert board.figures()["trespasses"]["two"] == {"registers": seen, "memory": 0}


@impls
def test_two_claim_one_line(tmp_path: Path, impl: str) -> None:
    """The second gets EPERM."""
    case = "REPORT[2] = spm_route(0x580, 1);"
    board = start(tmp_path, impl, {"one": case, "two": case}, {})
    board.go(100 * MS)
    assert [words(board, guest)[2] for guest in (0, 1)] == [0, -1]
    assert on_time(board, 9)


MEMORY = f"""
    REPORT[2] = 0x0009000b; /* rts; nop */
    load({FREE});
    store({FREE}, 0x0009000b);
    call({FREE});
"""


@impls
@pytest.mark.parametrize("core", ["native", "python"])
def test_memory(tmp_path: Path, impl: str, core: str) -> None:
    """A load, a store, and code there, of which each instruction counts."""
    board = start(tmp_path, impl, {"low": MEMORY}, {}, f"cpu.core={core}")
    board.go(60 * MS)
    at = {key: symbol(tmp_path, "low", key) for key in ("at_load", "at_store")}
    whose = "(physical 0x0ef00000), which is guest rtos's memory"
    assert said(board, "trespass") == [
        f"guest low at pc 0x{at['at_load']:08x} read 0x8ef00000 {whose}",
        f"guest low at pc 0x{at['at_store']:08x} wrote 0x8ef00000 {whose}",
        f"guest low at pc 0x8ef00000 ran code at 0x8ef00000 {whose}",
        "guest low at pc 0x8ef00002 ran code at 0x8ef00002 (physical 0x0ef00002), which is guest rtos's memory",
    ]
    assert board.figures()["trespasses"] == {"rtos": NOTHING, "low": {"registers": 0, "memory": 4}}
    assert words(board, 0)[7] >= 0  # it came back
    assert on_time(board, 5)


@impls
def test_memory_refused(tmp_path: Path, impl: str) -> None:
    """The load gives 0, the store is dropped; code is not refused."""
    case = f"load({FREE}); REPORT[3] = 1; store({FREE}, 77);"
    board = start(tmp_path, impl, {"low": case}, {}, "spumone.trespass=refuse")
    board.core.write(FREE & 0x1FFFFFFF, b"\x09\0\x0b\0")
    board.go(60 * MS)
    assert [text[-26:] for text in said(board, "trespass")] == ["guest rtos's memory: refused"[-26:]] * 2
    assert words(board, 0)[1] == 0 and words(board, 0)[3] == 1
    assert board.core.read(FREE & 0x1FFFFFFF, 4) == b"\x09\0\x0b\0"


@impls
def test_a_translated_page(tmp_path: Path, impl: str) -> None:
    """What counts is where a page leads."""
    case = f"""
        store({FREE}, 0x0009000b);
        WORD(0xff000000) = 0x00400000;              /* PTEH */
        WORD(0xff000004) = 0x0ef00000 | 0x17c;      /* PTEL: V, 4 KB, all rights, C, D */
        __asm__ volatile("ldtlb");
        WORD(0xff000010) = 1;                       /* MMUCR.AT */
        load(0x00400000);
        call(0x00400000);
        WORD(0xff000010) = 4;
    """
    board = start(tmp_path, impl, {"low": case}, {})
    board.go(60 * MS)
    at = symbol(tmp_path, "low", "at_load")
    whose = "which is guest rtos's memory"
    assert said(board, "trespass")[1:] == [
        f"guest low at pc 0x{at:08x} read 0x00400000 (physical 0x0ef00000), {whose}",
        f"guest low at pc 0x00400000 ran code at 0x00400000 (physical 0x0ef00000), {whose}",
        f"guest low at pc 0x00400002 ran code at 0x00400002 (physical 0x0ef00002), {whose}",
    ]
    assert on_time(board, 5)


@impls
def test_spumones_memory(tmp_path: Path, impl: str) -> None:
    """Written; a call of its page is none, whatever it asks for."""
    case = "store(0x8f080000, 1); REPORT[2] = spm_query(0); ((long (*)(void))0x8ffff090)();"
    board = start(tmp_path, impl, {"low": case}, {})
    board.go(60 * MS)
    (told,) = said(board, "trespass")
    assert told.endswith("wrote 0x8f080000 (physical 0x0f080000), which is SPUMONE's memory")
    assert board.figures()["trespasses"]["low"] == {"registers": 0, "memory": 1}
    assert on_time(board, 5)


@impls
def test_a_wild_pointer(tmp_path: Path, impl: str) -> None:
    """All of the RTOS's memory is written over. Refused, it goes on, on time."""
    case = "for (unsigned long at = 0x8e000000; at < 0x8f000000; at += 4) store(at, 0);"
    board = start(tmp_path, impl, {"low": case}, {}, "spumone.trespass=refuse")
    board.go(150 * MS)
    assert board.figures()["trespasses"]["low"] == {"registers": 0, "memory": 0x01000000 // 4}
    told = said(board, "trespass")
    assert len(told) == 51 and told[-1] == "more trespasses follow: they are counted, not reported"
    assert words(board, 0)[7] >= 0
    assert on_time(board, 14)


@impls
def test_a_wild_pointer_that_hits(tmp_path: Path, impl: str) -> None:
    """Reported only, the memory that the RTOS does not use is gone, and the RTOS none the worse."""
    case = f"for (unsigned long at = {FREE}; at < {FREE} + 0x4000; at += 4) store(at, 0);"
    board = start(tmp_path, impl, {"low": case}, {})
    board.core.write(FREE & 0x1FFFFFFF, b"x" * 0x4000)
    board.go(100 * MS)
    assert board.core.read(FREE & 0x1FFFFFFF, 0x4000) == bytes(0x4000)
    assert len(said(board, "trespass")) == 4  # pages
    assert board.figures()["trespasses"]["low"] == {"registers": 0, "memory": 0x1000}
    assert on_time(board, 9)


@impls
def test_watching_changes_nothing(tmp_path: Path, impl: str) -> None:
    """The digest, of guests that trespass, too; and the cores see the same."""
    found = []
    for sets in ((), ("spumone.trespass=off", "spumone.starvation=0"), ("spumone.watch_memory=false",), ("cpu.hot=0",)):
        board = start(tmp_path, impl, {"low": MEMORY + f"load({TCNT3}); spin(1000000); load({FREE});"}, {}, *sets)
        board.go(60 * MS)
        found.append((board.finish()["digest"], board.figures()["trespasses"]["low"]))
    assert {digest for digest, _ in found} == {found[0][0]}
    assert [seen for _, seen in found] == [
        {"registers": 1, "memory": 5}, NOTHING, {"registers": 1, "memory": 0}, {"registers": 1, "memory": 5}
    ]  # fmt: skip


@impls
def test_the_demonstration_has_none(impl: str) -> None:
    """Linux and the RTOS touch what is theirs."""
    board = machine(SPUMONE, f"spumone.impl={impl}")
    board.go(400 * MS)
    assert board.figures()["trespasses"] == {"rtos": NOTHING, "linux": NOTHING}
    assert board.reports == []


def test_a_wrong_option() -> None:
    with pytest.raises(Exception, match='trespass = .ignore.: expected "report", "refuse" or "off"'):
        machine(SPUMONE, "spumone.trespass=ignore")


@impls
@pytest.mark.parametrize("core", ["native", "python"])
def test_cache_mode(tmp_path: Path, impl: str, core: str) -> None:
    """A guest may clear the caches, and leave CCR as it is; write-through is told: it is everybody's."""
    case = "WORD(0xff00001c) = 0x90d; store(0xff00001c, 0x103); store(0xff00001c, 0x103);"
    board = start(tmp_path, impl, {"low": case}, {}, f"cpu.core={core}", wait=2)
    board.go(10 * MS)
    at = symbol(tmp_path, "low", "at_store")
    assert said(board, "trespass") == [
        f"guest low at pc 0x{at:08x} wrote 0x00000103 to CCR (0xff00001c): the caches of all guests work another way "
        "from here on"
    ]
    assert board.core.state()["ccr"] == 0x103


@impls
@pytest.mark.parametrize("core", ["native", "python"])
@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_units_that_are_anothers(tmp_path: Path, impl: str, core: str, timing: str) -> None:
    """FPU and MMU of a guest whose table says it has none. One that has them uses them unseen."""
    case = """
        for (int k = 0; k < 100; k++)
            __asm__ volatile(LABEL(at_fpu) ".word 0xf08d" ::: "memory"); /* FLDI0 */
        store(0xff000010, 4);
    """
    without = {"two": "[]\nfpu=false\nmmu=false"}
    sets = (f"cpu.core={core}", f"cpu.timing={timing}")
    board = start(tmp_path, impl, {"one": case, "two": case}, without, *sets, wait=2)
    board.go(10 * MS)
    at = {key: symbol(tmp_path, "two", key) for key in ("at_fpu", "at_store")}
    assert said(board, "trespass") == [
        f"guest two at pc 0x{at['at_fpu']:08x} used the FPU, which has another guest's registers: its table says "
        "fpu = false",
        f"guest two at pc 0x{at['at_store']:08x} wrote MMUCR (0xff000010), which has another guest's values: its table "
        "says mmu = false",
    ]
    assert board.figures()["trespasses"] == {"rtos": NOTHING, "one": NOTHING, "two": {"registers": 101, "memory": 0}}


@impls
def test_masks_of_others(tmp_path: Path, impl: str) -> None:
    """A driver that masks all at its start makes the RTOS deaf; its own bits, and those of nobody, are its matter."""
    case = "WORD(0xffd4003c) = 1; WORD(0xffd40038) = 1; WORD(0xffd40044) = ~0ul; store(0xffd40038, ~0ul);"
    board = start(tmp_path, impl, {"low": case}, {"low": "['TUNI0']"})
    board.go(30 * MS)
    at = symbol(tmp_path, "low", "at_store")
    assert said(board, "trespass") == [
        f"guest low at pc 0x{at:08x} wrote 0xffffffff to 0xffd40038, the mask of ERI0, RXI0, BRI0, TXI0, TUNI3 too, "
        "which is guest rtos's"
    ]


@impls
def test_masks_refused(tmp_path: Path, impl: str) -> None:
    board = start(tmp_path, impl, {"low": "store(0xffd40038, ~0ul);"}, {}, "spumone.trespass=refuse")
    board.go(60 * MS)
    assert said(board, "trespass")[0].endswith("guest rtos's: refused")
    assert on_time(board, 5)
