"""Our sh2007 kernels on the native core and the least board: prompt, idle, and hands off the other guest's devices."""

import pytest
from linux_board import INT2, PAGE, Board

pytest.importorskip("cpu_node._native", reason="the native core is not built")

OTHERS = frozenset({0x700, 0x720, 0x740, 0x760, 0xE00})  # SCIF0 and TMU3
PROMPT = b"guest$ "
LIMIT = 400_000_000  # ticks: one second


def booted(built, guest: str) -> Board:
    board = Board(built(guest, "vmlinux"), "console=ttySC1,115200 quiet", OTHERS)
    assert board.run(LIMIT, PROMPT), board.output.decode(errors="replace")
    return board


@pytest.mark.parametrize("guest", ["linux", "linux-bare"])
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


def test_the_patched_kernel_leaves_scif0_and_the_second_timer_unit_alone(built):
    board = Board(built("linux", "vmlinux"), "console=ttySC1,115200 quiet", OTHERS)
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


def test_with_the_ceiling_patch_interrupts_off_is_imask_7(built):
    board = Board(built("linux-ceiling", "vmlinux"), "console=ttySC1,115200 quiet", OTHERS)
    masks: set[int] = set()
    write = board.write

    def watched(tick: int, address: int, size: int, value: int) -> None:
        masks.add(board.core.state()["sr"] >> 4 & 15)
        write(tick, address, size, value)

    board.write = watched
    assert board.run(LIMIT, PROMPT), board.output.decode(errors="replace")
    board.type("stress -c 1 -t 1; echo slept\n")
    assert board.run(4 * LIMIT, b"\nslept")
    assert masks == {0, 7}
