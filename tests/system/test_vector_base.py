"""A guest's way to vectors of its own on SPUMONE: what it must not do, must not forget, and hears. Model and firmware.

A guest that sets VBR itself ends the run. One that takes an exception before it gave vectors is stopped. One that calls
SPUMONE to wait with SR.RB=1, as it was entered, is told.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import small_guests
from small_guests import MS, START, needs_compiler, start, symbol

pytestmark = needs_compiler

LDC = 'unsigned long base = 0x88000100; __asm__ volatile(LABEL(at_ldc) "ldc %0,vbr" ::"r"(base));'
LDC_L = 'unsigned long base = 0x88000100; __asm__ volatile(LABEL(at_ldc) "ldc.l @%0+,vbr" ::"r"(&base) : "memory");'
SLOT = 'unsigned long base = 0x88000100; __asm__ volatile(LABEL(at_ldc) "bra 1f\\n ldc %0,vbr\\n1:" ::"r"(base));'


@pytest.mark.parametrize("impl", ["model", "firmware"])
@pytest.mark.parametrize("case", [LDC, LDC_L, SLOT], ids=["ldc", "ldc.l", "slot"])
def test_it_ends_the_run(tmp_path: Path, impl: str, case: str) -> None:
    """At once and alike on both cores, interpreted and generated, in either timing, watched or not."""
    ways: list[tuple[str, ...]] = [(), ("cpu.core=python",), ("cpu.hot=0",), ("spumone.trespass=off",),
                                   ("spumone.watch_memory=false",), ("run.leases=false",)]  # fmt: skip
    for timing in ("fast", "sh4a"):
        ends = set()
        for way in ways:
            board = start(tmp_path, impl, {"low": case}, {}, f"cpu.timing={timing}", *way, wait=2)
            reason, text = board.go(10 * MS)
            ends.add((reason, text, board.finish()["digest"]))
        ((reason, text, _),) = ends
        at = symbol(tmp_path, "low", "at_ldc")
        assert reason == "guest"
        assert text.startswith("guest low at tick ")
        value = text.partition("sets VBR to ")[2][:10]
        assert value == "0x88000100" or case == LDC_L
        assert f" at pc 0x{at:08x}; " in text
        assert "call spm_set_vbr (entry 0, 0x8ffff000) of guests/include/spumone.h instead" in text


HOT = """
    unsigned long base = 0;
    for (int k = 0; k < 1000; k++)
        if (k == 900)
            __asm__ volatile(LABEL(at_ldc) "ldc %0,vbr" ::"r"(base));
        else
            REPORT[3] = k;
"""


@pytest.mark.parametrize("timing", ["fast", "sh4a"])
def test_in_code_that_is_hot(tmp_path: Path, timing: str) -> None:
    board = start(tmp_path, "firmware", {"low": HOT}, {}, f"cpu.timing={timing}", wait=2)
    reason, text = board.go(10 * MS)
    assert reason == "guest" and f"at pc 0x{symbol(tmp_path, 'low', 'at_ldc'):08x}" in text


@pytest.mark.parametrize("impl", ["model", "firmware"])
@pytest.mark.parametrize(("what", "code"), [(".word 0xfffd", 0x180), ("mov.l @%0,r1", 0x0E0), ("trapa #1", 0x160)])
def test_an_exception_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impl: str, what: str, code: int) -> None:
    """The guest is stopped, and the RTOS goes on."""
    monkeypatch.setattr(small_guests, "START", START.replace("REPORT[0] = spm_set_vbr(vectors);", ""))
    case = f'__asm__ volatile(LABEL(at_it) "{what}" ::"r"(0x88000001));'
    board = start(tmp_path, impl, {"low": case}, {}, wait=2)
    assert board.go(15 * MS)[0] == "until"
    at = symbol(tmp_path, "low", "at_it") + (2 if code == 0x160 else 0)
    told = "; ".join(text.partition(": ")[2] for text in board.reports)
    assert told == (
        f"guest low took exception 0x{code:03x} at pc 0x{at:08x} and gave no vector base yet; guest low is stopped"
    )
    assert small_guests.on_time(board, 1)


BANK = """
    __asm__ volatile("ldc %0,sr" ::"r"(0x60000000) : "r1", "r2", "r3", "r4", "r5", "r6", "r7");
    CALL();
"""


@pytest.mark.parametrize("impl", ["model", "firmware"])
@pytest.mark.parametrize(("call", "core"), [("spm_idle", "native"), ("spm_wait", "python")])
def test_waiting_in_bank_1(tmp_path: Path, impl: str, core: str, call: str) -> None:
    board = start(tmp_path, impl, {"low": BANK.replace("CALL", call)}, {}, f"cpu.core={core}", wait=2)
    board.go(15 * MS)
    (told,) = (text for text in board.reports if "RB=1" in text)
    assert "guest low waits, return 0x880" in told
    assert told.endswith("A guest is entered with RB=1 and clears it before it calls SPUMONE")
