"""Our sh2007 kernels on the native core and the least board: prompt, idle, and hands off the other guest's devices."""

from collections import Counter
from pathlib import Path

import pytest
from linux_board import INT2, PAGE, Board

from cosim.topology import load

pytest.importorskip("cpu_node._native", reason="the native core is not built")

OTHERS = frozenset({0x700, 0x720, 0x740, 0x760, 0xE00, 0xE20, 0xE40})  # SCIF0, and TMU3-5 with their one mask bit
LINUX = load(Path(__file__).resolve().parents[2] / "examples" / "spumone.toml").guests["linux"]
PROMPT = b"guest$ "
LIMIT = 400_000_000  # ticks: one second


def booted(built, guest: str) -> Board:
    board = Board(built(guest, "vmlinux"), LINUX.cmdline, OTHERS)
    assert board.run(LIMIT, PROMPT), board.output.decode(errors="replace")
    return board


@pytest.mark.parametrize("guest", ["linux", "linux-ceiling", "linux-idle", "linux-preempt", "linux-bare"])
def test_the_kernel_boots_to_the_prompt_and_runs_stress(built, guest):
    board = booted(built, guest)
    board.output.clear()
    board.type("cat /proc/cmdline; stress -c 1 -t 1; usleep 100000; echo slept\n")
    assert board.run(4 * LIMIT, b"\nslept"), board.output.decode(errors="replace")
    assert b"console=ttySC1,115200 quiet" in board.output
    assert b"dispatching hogs: 1 cpu, 0 io, 0 vm, 0 hdd" in board.output
    assert b"successful run completed" in board.output
    assert board.core.sleep_ticks > 30_000_000


def test_only_the_patched_kernel_calls_spumone(built):
    patched, bare = booted(built, "linux"), booted(built, "linux-bare")
    assert bare.calls == []
    assert patched.calls[0][0] == 0  # the vector base first: from here on exceptions are forwarded
    assert [entry for entry, _ in patched.calls].count(0) == 1
    assert PAGE not in {address for address, _ in patched.writes}


def test_idle_is_a_call_with_that_patch_only(built):
    calls = {}
    for guest in ("linux", "linux-idle"):
        board = booted(built, guest)
        board.run(board.core.tick + LIMIT // 10, b"nothing")
        assert board.core.sleep_ticks > LIMIT // 20
        calls[guest] = {entry for entry, _ in board.calls}
    assert calls == {"linux": {0, 2}, "linux-idle": {0, 1, 2}}


@pytest.mark.parametrize("guest", ["linux", "linux-ceiling"])
def test_the_patched_kernel_leaves_scif0_and_the_second_timer_unit_alone(built, guest):
    board = Board(built(guest, "vmlinux"), LINUX.cmdline, OTHERS)
    board.registers[INT2 + 4] = 0x16000000  # TMU3 at 22, SCIF0 at 24: the RTOS's levels
    board.registers[INT2 + 8] = 0x18000000
    board.mask = 0xFFFFFFFF & ~0b1010
    assert board.run(LIMIT, PROMPT)
    touched = {address >> 16 for address, _ in board.writes}
    assert not touched & {0xFFE0, 0xFFDC}
    assert board.registers[INT2 + 4] >> 24 == 0x16
    assert board.registers[INT2 + 8] >> 24 == 0x18
    assert board.mask & 0b1010 == 0
    assert not [v for a, v in board.writes if a == INT2 + 0x38 and v & 0b1010]
    board.output.clear()
    board.type("cat /sys/devices/system/clocksource/clocksource0/current_clocksource; echo r''ead\n")
    assert board.run(2 * LIMIT, b"\nread") and b"\nsh-tmu.0\r" in board.output


def test_started_as_in_the_topology_the_ceiling_kernel_never_masks_more_than_level_7(built):
    board = Board(built("linux-ceiling", "vmlinux"), LINUX.cmdline, OTHERS, LINUX.entry, LINUX.sr)
    masks = {board.core.state()["sr"] >> 4 & 15}
    read, write = board.read, board.write

    def reads(tick: int, address: int, size: int) -> int:
        masks.add(board.core.state()["sr"] >> 4 & 15)
        return read(tick, address, size)

    def writes(tick: int, address: int, size: int, value: int) -> None:
        masks.add(board.core.state()["sr"] >> 4 & 15)
        write(tick, address, size, value)

    board.read, board.write = reads, writes
    assert board.run(LIMIT, PROMPT), board.output.decode(errors="replace")
    board.type("stress -c 1 -t 1; echo slept\n")
    assert board.run(4 * LIMIT, b"\nslept")
    assert masks == {0, 7}


def test_no_fault_of_a_user_page_is_taken_with_interrupts_off(built):
    """What do_page_fault's test of SR_IMASK, which the ceiling leaves at 15, is about: guests/linux/README.md."""
    board = booted(built, "linux-ceiling")
    seen: Counter[tuple[bool, int]] = Counter()

    def fault(pc: int) -> None:
        state = board.core.state()
        sr = int.from_bytes(board.core.read((state["r4"] & 0x1FFFFFFF) + 4 * 18, 4), "little")  # pt_regs.sr
        seen[state["r6"] < 0x80000000, sr >> 4 & 15] += 1

    board.watch(["do_page_fault"], fault)
    board.type("stress -c 1 -i 1 -m 1 --vm-bytes 4M -t 1 & for i in 1 2 3 4 5 6 7 8; do ls -l /bin | wc -l; done\n")
    board.type("wait; echo r''eady\n")
    assert board.run(8 * LIMIT, b"\nready"), board.output.decode(errors="replace")
    assert seen.total() == seen[True, 0] > 1000
