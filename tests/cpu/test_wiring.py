"""Where targets may lie, and which lines they may drive."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from cosim.placement import ROLES, component_class
from cpu_node.machine import MachineError
from cpu_node.wiring import check, check_lines

RAM = (0x08000000, 0x08000000)


class Target(NamedTuple):
    name: str
    regions: list[tuple[int, int]]
    line_names: tuple[str, ...] = ()


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(MachineError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    "region",
    [(0, 0), (0x04000000, 0x07FFFFFF), (0x10000000, 0x1BFFFFFF), (0xE4000000, 0xE4000003), (0xFF000080, 0xFF1FFFFF),
     (0xFFFFFFFC, 0xFFFFFFFF)],
)  # fmt: skip
def test_places_of_devices(region):
    check([Target("odd", [region])], RAM)


@pytest.mark.parametrize(
    ("region", "what"),
    [
        ((0x07FFFFFF, 0x08000000), "0x08000000..0x08000000 is RAM"),
        ((0x0FFFFFFF, 0x10000000), "0x0fffffff..0x0fffffff is RAM"),
        ((0x00000000, 0x1BFFFFFF), "0x08000000..0x0fffffff is RAM"),
        ((0xEFFFFFFF, 0xF0000000), "0xf0000000..0xf0000000 is the arrays of caches and TLBs"),
        ((0xFF00001C, 0xFF00001F), "0xff00001c..0xff00001f is the core's own registers"),
        ((0xFF200000, 0xFF200003), "0xff200000..0xff200003 is the core's user break controller"),
    ],
)
def test_places_that_the_cpu_never_asks(region, what):
    text = refused(check, [Target("odd", [region])], RAM)
    assert text.startswith(
        f"node odd answers at 0x{region[0]:08x}..0x{region[1]:08x}, but {what}, so it would never be "
    )


@pytest.mark.parametrize(
    "region",
    [(0x1C000000, 0x1C000003), (0x1BFFFFFF, 0x1C000000), (0x8C000000, 0x8C000003), (0xE0000000, 0xE0000003),
     (0xFFCC0003, 0xFFCC0000), (-4, 3), (0xFFFFFFFF, 0x100000000), (0x04000000, 0xFFFFFFFF)],
)  # fmt: skip
def test_places_where_no_access_comes(region):
    assert ", where no access comes: expected addresses below 0x1c000000 " in refused(
        check, [Target("odd", [region])], RAM
    )


def test_two_at_one_address_or_line():
    one, other = Target("one", [(0, 7)], ("IRQ0",)), Target("other", [(7, 9)])
    assert refused(check, [other, one], RAM).startswith("nodes one and other both answer at 0x00000007: ")
    assert refused(check, [one, Target("other", [], ("IRQ0",))], RAM).startswith(
        "nodes one and other both drive line IRQ0"
    )
    assert "both drive" in refused(check, [Target("one", [], ("IRQ0", "IRQ0"))], RAM)


def test_lines():
    check_lines([Target("a", [], ("IRQ0", "ITI")), Target("b", [], ("OWN",))], {"OWN": ("OWN", 0xC00, 0, 1)})
    text = refused(check_lines, [Target("a", [], ("TUNI0x",))], {})
    assert re.match(
        r"node a drives line 'TUNI0x', which is no source of the interrupt controller \(did you mean TUNI0 ", text
    )


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("cpu", "hypervisor", "device")])
def test_the_devices_there_are(role):
    check([component_class(role)("x", {})], RAM)
    check_lines([component_class(role)("x", {})], {})
