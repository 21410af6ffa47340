"""A component of somebody's own that is wrong is named, before the run where that can be: in both placements."""

from __future__ import annotations

import re

import pytest

BOARD = '\n[nodes.odd]\nrole = "device"\ncomponent = "tests.launch.odd_components:{}"'
PLACEMENTS = pytest.mark.parametrize("placement", ["process", "inproc"])
EXPECTED = "expected addresses below 0x1c000000 or from 0xe4000000 on, outside RAM and what the core answers itself"
JSON = "expected what JSON has: a number, a truth value, str, a list or a dict"
PLAIN = "expected None, a truth value, a number, str or bytes, or lists, tuples and dicts of them"


@pytest.fixture
def outcome(cosim, topology, rtos, inside):
    def call(component: str, placement: str):
        topology.add(BOARD.format(component))
        return cosim("run", topology.path, "--until", "5ms", "--plain", "--set", f"run.placement={placement}",
                     "--json", "-")  # fmt: skip

    return call


@PLACEMENTS
@pytest.mark.parametrize(
    ("component", "said", "info"),
    [
        ("BytesValue", f"info()['last'] = b'\\x01\\x02'; {JSON}", {"last": "b'\\x01\\x02'"}),
        ("BytesKey", "info() has the key b'last'; expected a key that is a str", {"b'last'": 1}),
        ("IntKey", "info() has the key 1; expected a key that is a str", {"1": 2}),
        ("Nan", "info()['mean'] = nan; expected a finite number", {"mean": "nan"}),
        ("Objects", f"info()['rows'][1] = {{<class 'object'>}}; {JSON}", {"rows": [1, "{<class 'object'>}"]}),
        ("NoDict", "info() = 3; expected a dict", {}),
    ],
)
def test_figures_that_cannot_be_reported(outcome, placement, component, said, info):
    """The run was right and its result is kept; the exit code tells that a node failed."""
    got = outcome(component, placement)
    assert got.code == 3 and f", odd: {said}" in got.last
    assert got.json["info"]["odd"] == {**info, "not_json": [said]}
    assert len(got.json["digest"]) == 64 and got.json["ticks"] == 2_000_000 and got.json["exit"] == 3


@PLACEMENTS
@pytest.mark.parametrize(
    ("component", "code", "said"),
    [
        ("Address", 2, f"odd: state()['object'] is a object; {PLAIN}"),
        ("LateAddress", 3, f"odd: state()['set'] is a set; {PLAIN}"),
        ("NoSource", 2, "node odd drives line 'TUNI9', which is no source of the interrupt controller (did you "),
        ("InRam", 2, "node odd answers at 0x08000000..0x08000fff, but 0x08000000..0x08000fff is RAM, so it would never "
                     f"be asked there: {EXPECTED}"),
        ("AtTheCore", 2, "node odd answers at 0xfeffff00..0xff000003, but 0xff000000..0xff000003 is the core's own "
                         f"registers, so it would never be asked there: {EXPECTED}"),
    ],
)  # fmt: skip
def test_what_would_pass_in_silence(outcome, placement, component, code, said):
    got = outcome(component, placement)
    assert said in got.last and (got.code, got.json["exit"]) == (code, code)


@PLACEMENTS
def test_a_wrong_lease(cosim, topology, rtos, inside, placement):
    arguments = (
        "run",
        topology.path,
        "--until",
        "100us",
        "--plain",
        "--set",
        f"run.placement={placement}",
        "--json",
        "-",
    )
    right = cosim(*arguments)
    checked = cosim(*arguments, "--check", "leases")
    assert checked.code == 0 and checked.json["digest"] == right.json["digest"]
    assert checked.json["leased_reads"] > 0
    topology.replace('port = "rtos"', 'port = "rtos"\ncomponent = "tests.launch.odd_components:StuckFlag"')
    found = cosim(*arguments, "--check", "leases")
    assert found.code == 3
    said = (
        r"scif0: at tick \d+: FSR \(0xffe00010\) read at PC 0x8e00[0-9a-f]{4}: its lease says 0x0040, the node answers "
    )
    assert re.search(
        said + r"0x0060; the lease holds from tick \d+ until \d+ \(rule lease-true\); virtual time 0\.00", found.last
    )


def test_a_check_of_leases_without_leases(cosim, topology, rtos):
    outcome = cosim("run", topology.path, "--check", "leases", "--set", "run.leases=false")
    expected = "[run] check_leases = true, leases = false: expected leases, which are to be checked"
    assert (outcome.code, outcome.last) == (2, f"cosim: {expected}")
