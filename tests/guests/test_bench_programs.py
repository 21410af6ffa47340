"""Benchmark programs: both cores and QEMU compute the same, as do the builds without optimisation, in as many steps."""

import hashlib
import shutil
import zlib

import pytest
from elftools.elf.elffile import ELFFile

from bench import cpu
from cpu_node import make_core

SMALL = {"integer": 50, "hash": 1, "sort": 1, "matrix": 1, "vector": 3, "bytecode": 1}


@pytest.fixture(autouse=True)
def ready(built):
    if shutil.which(cpu.QEMU[0]) is None:
        pytest.skip(f"{cpu.QEMU[0]} is not installed: run guests/setup_host.sh")
    built("bench", "integer.bin")


def test_every_program_is_tested():
    assert SMALL.keys() == cpu.PROGRAMS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_the_checksum_is_the_same_everywhere(name):
    optimised, plain = cpu.image(name, SMALL[name]), cpu.image(f"{name}-O0", SMALL[name])
    sums = {
        "qemu": cpu.qemu(optimised).printed,
        "qemu -O0": cpu.qemu(plain).printed,
        "native": cpu.ours(optimised).printed,
        "native -O0": cpu.ours(plain).printed,
        "python": cpu.ours(optimised, "python").printed,
    }
    assert len(set(sums.values())) == 1, sums
    more = cpu.ours(cpu.image(name, SMALL[name] + 1)).printed
    assert more != sums["native"], "the checksum does not depend on the iterations"


def test_hash_is_sha256_and_crc32():
    text, total = bytearray((k * 7 + (k >> 8)) & 0xFF for k in range(4096)), 0
    for _ in range(3):
        total ^= int.from_bytes(hashlib.sha256(text).digest()[:4], "big") ^ zlib.crc32(text)
        text[:8] = [total >> 4 * k & 0xFF for k in range(8)]
    assert cpu.ours(cpu.image("hash", 3)).printed == f"{total:08x}"


@pytest.mark.parametrize(("name", "iterations"), [("integer", 300), ("hash", 1), ("matrix", 1), ("vector", 10)])
def test_qemu_executes_as_many_instructions(name, iterations, tmp_path):
    raw = cpu.image(name, iterations)
    cpu.qemu(raw, "-singlestep", "-d", "exec,nochain", "-D", str(tmp_path / "trace"))
    executed = 0
    with (tmp_path / "trace").open() as trace:
        for line in trace:
            # Each instruction is traced before it runs; those that then did not are named.
            executed += line.startswith("Trace ")
            executed -= "rewound execution of TB" in line or line.startswith("Stopped execution of TB chain")
    # We count a fetch that misses, QEMU a SLEEP behind the end.
    assert abs(executed - cpu.ours(raw).instructions) <= 1


@pytest.mark.parametrize("name", SMALL)
def test_the_program_runs_in_translated_addresses(name, built):
    with built("bench", f"{name}.elf").open("rb") as file:
        start = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("bench")[0]["st_value"]
    core = make_core("native")
    core.bus = cpu.Board(core)
    core.write(cpu.LOAD, cpu.image(name, 1))
    core.set_state({"sr": 0x700000F0, "pc": cpu.ENTRY})
    core.set_breakpoints([start])
    assert core.run(1_000_000).reason == "breakpoint"
    state = core.state()
    assert state["pc"] < 0x80000000
    assert state["r15"] < 0x80000000
    assert state["mmucr"] & 1


def test_an_exception_ends_the_program_and_is_told():
    raw = bytearray(cpu.image("integer", 1))
    raw[0x10000:0x10002] = b"\xfd\xff"  # main begins with an undefined instruction
    with pytest.raises(SystemExit, match=r"on the native core the program printed '!': expected 8 hex digits"):
        cpu.ours(bytes(raw))
    with pytest.raises(SystemExit, match=r"on QEMU the program printed '!'"):
        cpu.qemu(bytes(raw))


def test_linux_counts_its_instructions(built, tmp_path):
    built("linux-r2d", "vmlinux")
    # To the prompt, and whatever idle ticks pass until QEMU is stopped: by the wall clock.
    assert 20e6 < cpu.linux_qemu(tmp_path, count=True).instructions < 40e6


def test_different_checksums_are_refused():
    sides = {"qemu": lambda: cpu.Run("00000001", 1.0), "fast": lambda: cpu.Run("00000002", 1.0)}
    with pytest.raises(SystemExit, match=r"checksums differ: .*00000001.*00000002"):
        cpu.fastest(sides, 1)


def test_the_fastest_run_counts():
    times = iter([3.0, 1.0, 2.0])
    assert cpu.fastest({"fast": lambda: cpu.Run("", next(times))}, 3)["fast"].seconds == 1.0


def test_a_time_too_short_to_measure_gives_no_ratio():
    ours = cpu.Run("", 2.0, 400_000_000)
    (row,) = cpu.rows("x", {"qemu": cpu.Run("", 0.5, 200_000_000), "fast": ours})
    assert (row["ours_mips"], row["qemu_mips"], row["ratio"]) == (200.0, 400.0, 0.5)
    (row,) = cpu.rows("x", {"qemu": cpu.Run("", 0.01, 200_000_000), "fast": ours})
    assert (row["ours_mips"], row["qemu_mips"], row["ratio"]) == (200.0, None, None)
    assert cpu.geomean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    assert cpu.geomean([0.5, None]) is None
