"""Every register against an independent list: reset value, width, access. And none missing, on either side."""

from __future__ import annotations

import pytest
import register_list as registers

from cosim.device import Device
from cosim.messages import Advance, Read, Write
from device_nodes.bsc import Bsc
from device_nodes.cpg import Cpg
from device_nodes.intc import Intc
from device_nodes.scif import Scif
from device_nodes.tmu import Tmu

BLOCKS = {
    "intc": (lambda: Intc("intc", {}), registers.INTC),
    "tmu": (lambda: Tmu("tmu", {}), registers.TMU),
    "scif0": (lambda: Scif("scif0", {"channel": 0}), registers.SCIF0),
    "scif1": (lambda: Scif("scif1", {"channel": 1}), registers.SCIF1),
    "cpg": (lambda: Cpg("cpg", {}), registers.CPG),
    "bsc": (lambda: Bsc("bsc", {}), registers.BSC),
}
ROWS = [pytest.param(block, *row, id=f"{block}-{row[0]}") for block, (_, rows) in BLOCKS.items() for row in rows]
EACH = pytest.mark.parametrize(("block", "name", "address", "size", "reset", "writable", "kind"), ROWS)
ONES = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFFFFFF}


def read(device: Device, address: int, size: int, t: int = 0) -> int:
    return device.handle(t, Read(address, size, [])).value


def write(device: Device, address: int, size: int, value: int, t: int = 0) -> None:
    device.handle(t, Write(address, size, value, []))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_list_and_the_table_name_the_same_registers(block):
    make, rows = BLOCKS[block]
    expected = [(name, address, size) for name, address, size, *_ in rows]
    assert sorted((r.name, r.address, r.size) for r in make().registers) == sorted(expected)


@EACH
def test_reset_value_and_region(block, name, address, size, reset, writable, kind):
    device = BLOCKS[block][0]()
    assert read(device, address, size) == reset
    assert any(first <= address and address + size - 1 <= last for first, last in device.regions)


@EACH
def test_a_wrong_width_is_refused_and_noted(block, name, address, size, reset, writable, kind):
    device = BLOCKS[block][0]()
    for wrong in {1, 2, 4} - {size}:
        device = BLOCKS[block][0]()
        write(device, address, wrong, ONES[wrong] ^ reset & ONES[wrong])
        assert read(device, address, wrong) == 0
        assert device.file.unknown == {address: 2}
        assert read(device, address, size) == reset


@EACH
def test_access(block, name, address, size, reset, writable, kind):
    device = BLOCKS[block][0]()
    ones, fixed = ONES[size], reset & ~writable
    if kind in ("ro", "rx", "zero", "tx"):
        for value in (ones, 0):
            write(device, address, size, value)
            assert read(device, address, size) == reset
    elif kind == "rw":
        for value in (ones, 0, 0x55555555 & ones, 0xAAAAAAAA & ones):
            write(device, address, size, value)
            assert read(device, address, size) == fixed | value & writable
    elif kind == "set":
        write(device, address, size, 0)
        assert read(device, address, size) == reset
        write(device, address, size, ones)
        assert read(device, address, size) == reset | writable
    elif kind.startswith("clear "):
        partner, bits = next((r[1], r[4]) for r in BLOCKS[block][1] if r[0] == kind[6:])
        assert bits == writable
        write(device, address, size, 0x55555555)
        assert read(device, partner, size) == writable & ~0x55555555
        assert read(device, address, size) == 0
        write(device, partner, size, 0x11111111)
        assert read(device, partner, size) == writable & (~0x55555555 | 0x11111111)
        write(device, address, size, ones)
        assert read(device, partner, size) == 0
    elif kind == "key":
        write(device, address, size, ones)
        assert read(device, address, size) == reset
        write(device, address, size, 0xA5FFFFFF)
        assert read(device, address, size) == writable
    else:
        pytest.fail(f"no access kind {kind!r}")


@pytest.mark.parametrize("block", BLOCKS)
def test_an_address_without_a_register_reads_0_and_is_noted(block):
    device = BLOCKS[block][0]()
    hole = device.regions[0][0] + 0xE0 if block != "tmu" else device.regions[0][0] + 1
    assert read(device, hole, 1) == 0
    write(device, hole, 1, 0xFF)
    assert device.final().info["unknown_registers"] == {f"0x{hole:08x}": 2}


@pytest.mark.parametrize("block", BLOCKS)
def test_the_tables_writable_bits_are_the_lists(block):
    make, rows = BLOCKS[block]
    listed = {name: writable for name, _, _, _, writable, _ in rows}
    listed["INTREQ"] = 0xFF000000  # held requests; none at reset
    for row in make().registers:
        assert row.writable == listed[row.name], row.name


@pytest.mark.parametrize("block", BLOCKS)
def test_leases_tell_the_reset_values(block):
    make, rows = BLOCKS[block]
    reset = {address: (size, value) for _, address, size, value, _, _ in rows}
    for address, size, _, segments in make().handle(0, Advance()).leases:
        assert (size, segments[0][1]) == reset[address]
