"""The level that acceptance gives SR.IMASK where the machine does not yet know the controller's table."""

from __future__ import annotations

from typing import Any

import pytest
from assembler import assemble
from bench_core import BASE, BL, CODE, MD, RB, SIZE, VBR

from cosim import NEVER
from cosim.messages import Answer, Body, Writes
from cosim.target import Inproc
from cpu_node import make_core
from cpu_node.machine import Machine

PRIORITY, CPUOPM, INTMU = 0xFFD40000, 0xFF2F0000, 8


class Controller:
    """An interrupt controller with one line, always up, whose level is what was last written; writes are posted."""

    name, line_names, regions = "intc", ("TUNI0",), ((PRIORITY, PRIORITY + 0xFFF),)
    level = 3

    def handle(self, t: int, body: Body) -> Answer:
        if isinstance(body, Writes):
            self.level = body.entries[-1][3]
        sources = [("TUNI0", 0x580, self.level, 0)]
        return Answer(value=0, lines=1, next=NEVER, posts=[(PRIORITY, 4, NEVER, 8)], sources=sources)


@pytest.mark.parametrize("level, imask, accepted", [(6, 4, 6), (4, 4, None), (15, 14, 15)])
def test_imask_is_the_level_that_a_posted_write_gave(kind: str, level: int, imask: int, accepted: int | None) -> None:
    core: Any = make_core(kind, (BASE, SIZE))
    target = Inproc(Controller(), "intc")
    machine = Machine(core, [target], look=lambda: None)
    code = [(CODE & 0x1FFFFFFF, assemble("mov.l r3,@r4; mov.l r1,@r2; bra .+0; nop"))]
    code += [(VBR + 0x600 & 0x1FFFFFFF, assemble("bra .+0; nop"))]
    machine.start(code, CODE)
    core.set_state({"sr": MD | imask << 4, "vbr": VBR, "r1": level, "r2": PRIORITY, "r3": INTMU, "r4": CPUOPM})
    machine.go(100)
    state = core.state()
    assert target.posted == 1
    if accepted is None:
        assert (state["sr"], state["intevt"]) == (MD | imask << 4, 0)
    else:
        assert (state["sr"], state["ssr"]) == (MD | RB | BL | accepted << 4, MD | imask << 4)
        assert (state["intevt"], state["pc"]) == (0x580, VBR + 0x600)
