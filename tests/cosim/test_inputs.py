"""Whatever a topology holds, and whatever file it is, it is taken or refused by name: never a traceback."""

from __future__ import annotations

import copy
import os
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosim import NEVER, wire
from cosim.device import DeviceError
from cosim.inputs import InputError, as_json, json_faults, read_file, unsteady
from cosim.messages import Welcome
from cosim.placement import ROLES, component_class
from cosim.topology import Deadline, Guest, Latency, Machine, Run, TopologyError, change, check, load, ticks
from cpu_node import CoreError
from cpu_node.node import CpuNode

BOARD: dict[str, Any] = tomllib.loads("""
[run]
[machine]
[nodes.cpu]
role = "cpu"
[nodes.intc]
role = "intc"
[nodes.spumone]
role = "hypervisor"
impl = "model"
[nodes.tmu]
role = "tmu"
[nodes.scif0]
role = "scif"
[nodes.odd]
role = "device"
component = "cosim.device:Device"
[guests.rtos]
image = "x.elf"
memory = [0x0e000000, 0x01000000]
lines = ["RXI0"]
deadlines = [{symbol = "f", period = "1ms"}]
latency = [{line = "RXI0", symbol = "f"}]
""")

# (path to a table of the board, key)
KEYS = [
    *((("run",), key) for key in Run.__struct_fields__),
    *((("machine",), key) for key in Machine.__struct_fields__),
    *((("guests", "rtos"), key) for key in Guest.__struct_fields__),
    *((("guests", "rtos", "deadlines", 0), key) for key in Deadline.__struct_fields__),
    *((("guests", "rtos", "latency", 0), key) for key in Latency.__struct_fields__),
    *((("nodes", name), key) for name in BOARD["nodes"] for key in ("role", "placement", "component")),
    *((("nodes", name), key) for name, node in BOARD["nodes"].items() for key in component_class(node["role"]).OPTIONS),
    *(((), key) for key in ("run", "machine", "nodes", "guests", "other")),
    (("nodes",), "scif0"), (("guests",), "rtos"), (("guests", "rtos"), "deadlines"),
]  # fmt: skip

NUMBERS = [0, 1, -1, 2, 3, 15, 16, 255, 256, 1 << 31, 1 << 32, (1 << 62) - 1, 1 << 62, 1 << 63, 1 << 64, -1 << 63]
NUMBERS += [10**40]
TEXTS = ["", "x", "\0", "a\0b", "\ud800", "/", "..", "a" * 5000, "0", "0ms", "-1s", "1e9s", "9" * 30 + "s", "٣s", "9h",
         ":", "a:b", "os:system", "sys:exit", "json:loads", "cosim.device:Device", "no.such:Thing", "\x1b[2J", "\n",
         "file:", "tcp:", "tcp:127.0.0.1:99999999", "pty:", "stdio", "external", "firmware", "sh4a"]  # fmt: skip
OTHERS = [True, False, 0.0, 1.5, float("nan"), float("inf"), 1e300, date(2020, 1, 1), [], [[]], {}, {"a": {}}, [0],
          [0, 0], ["x"], ["x", "x"], [None], [1 << 70, 1], [{}], [{"symbol": "f", "period": 0}]]  # fmt: skip
DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS, *OTHERS, DEEP]),
    st.integers(),
    st.text(max_size=20),
    st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4),
    st.recursive(st.integers(), lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=2), max_leaves=3),
)


def changed(path: tuple[Any, ...], key: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(BOARD)
    table: Any = raw
    for part in path:
        table = table[part]
    table[key] = value
    return raw


def taken(raw: dict[str, Any]) -> None:
    """Check a topology, and make the components of what is taken, as the nodes do."""
    try:
        topology = check(raw, Path("board.toml"))
    except TopologyError as error:
        assert "\0" not in str(error)
        return
    for name, node in topology.nodes.items():
        wire.encode(Welcome("run", node, "ipc://x"))  # it fits into a message
        if node["role"] != "cpu":
            try:
                component_class(node["role"], node["component"])(name, node)
            except DeviceError as error:
                assert str(error).startswith(f"{name}: ")
    wire.encode(Welcome("run", {name: msgspec.to_builtins(guest) for name, guest in topology.guests.items()}, ""))
    cpu = {**topology.nodes["cpu"], "ram": (0x08000000, 0x1000)}
    if not cpu["component"]:
        try:
            CpuNode("cpu", cpu)._core()
        except (CoreError, TopologyError):
            pass


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KEYS), VALUES)
def test_any_value_of_any_key(place, value):
    taken(changed(*place, value))


@pytest.mark.parametrize(("path", "key"), KEYS, ids=[".".join(map(str, (*path, key))) for path, key in KEYS])
def test_extreme_values_of_each_key(path, key):
    for value in (*NUMBERS, *TEXTS, *OTHERS, DEEP):
        taken(changed(path, key, value))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["run", "cpu", "rtos", "machine"]))
@example("core=" + "9" * 5000, "cpu")
@example("core=" + "[" * 5000, "cpu")
@example("core=1\nimpl=2", "cpu")
def test_any_text_of_a_change(text, name):
    raw = copy.deepcopy(BOARD)
    try:
        change(raw, name, text, f"--set {name}.{text}")
    except TopologyError:
        return
    taken(raw)


def test_a_change_sets_one_key_only():
    raw = copy.deepcopy(BOARD)
    change(raw, "cpu", "core=1\nhot=2", "--set")
    assert raw["nodes"]["cpu"] == {"role": "cpu", "core": "1\nhot=2"}


def refused(call, *arguments: Any, kind: type[Exception] = TopologyError) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments)
    return str(caught.value)


# Times -----------------------------------------------------------------------------------------------


def test_times_are_exact():
    assert ticks("2s") == 800_000_000 and ticks("1.5us") == 600 and ticks(7) == ticks("7") == 7
    assert ticks(f"{NEVER - 1}") == NEVER - 1  # a float would round it up
    assert ticks("11529215046.06846975s") == NEVER - 4


@pytest.mark.parametrize("value", [NEVER, "99999999999999999999s", "9" * 39, "11529215046.1s"])
def test_a_time_beyond_the_last_tick(value):
    assert refused(ticks, value, "--until") == (
        f"--until = {value!r}: expected less than 2^62 ticks, which are 11,529,215,046 s"
    )


@pytest.mark.parametrize("value", ["", "s", "1e3s", "-1", "٣s", "1 h", "9" * 5000, "nan", "inf"])
def test_what_is_no_time(value):
    assert "expected ticks or a time such as 2s, 10ms, 20us" in refused(ticks, value)


TIMES = [
    (("run",), "quantum", "[run] quantum"),
    (("guests", "rtos", "deadlines", 0), "period", "[guests.rtos] deadline f period"),
]


@pytest.mark.parametrize(("path", "key", "where"), TIMES)
@pytest.mark.parametrize("value", [0, "0ms", "0.0001us"])
def test_a_period_of_nothing(path, key, where, value):
    text = refused(check, changed(path, key, value), Path("x"))
    assert text == f"{where} = {value!r}: expected at least 1 tick"


# Files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_topology_that_is_a_device(path):
    assert refused(load, Path(path)) == f"topology {path} is a device; expected a regular file"


def test_a_topology_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a writer
    assert refused(load, tmp_path / "pipe") == f"topology {tmp_path}/pipe is a pipe; expected a regular file"


def test_a_topology_that_is_too_long(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("#" * ((1 << 20) + 1))
    assert refused(load, path) == f"topology {path} has 1,048,577 bytes; expected at most 1,048,576"


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 100_000, "\xff", "[a", "a = 1\na = 2"])
def test_a_topology_that_toml_does_not_take(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_bytes(text.encode("latin-1"))
    assert refused(load, path).startswith(f"topology {path} is not TOML: ")


def test_a_file_without_a_size_is_read_to_the_limit():
    """Files of /proc say that they are empty."""
    assert read_file(Path("/proc/self/stat"), 100_000)
    assert "grows" in refused(read_file, Path("/proc/self/stat"), 3, kind=InputError)


# Components of one's own -----------------------------------------------------------------------------


class Bare:
    """A component of a role that takes options, with none of them."""

    OPTIONS = {"channel": 0, "mine": 1}


class Contrary:
    OPTIONS = {"port": 7}


class Reserved:
    OPTIONS = {"placement": "process"}


HERE = "tests.cosim.test_inputs"


@pytest.mark.parametrize("role", list(ROLES))
def test_a_component_has_the_options_of_its_role_and_its_own(role):
    table = {"role": role, "component": f"{HERE}:Bare", "mine": 3}
    nodes = {"cpu": {"role": "cpu"}} if role != "cpu" else {}
    raw = {**BOARD, "nodes": {**nodes, "own": table}}
    topology = check(raw, Path("x"))
    assert topology.nodes["own"]["mine"] == 3
    assert set(component_class(role).OPTIONS) <= set(topology.nodes["own"])
    assert topology.ports() == ({"own": "own"} if role == "scif" else {})


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (f"{HERE}:Contrary", "its option 'port' is a int; role scif has a str of that name"),
        (f"{HERE}:Reserved", "its option 'placement' is a str; every node has a str of that name"),
        ("json", "expected MODULE:CLASS, e.g. device_nodes.scif:Scif"),
        ("json:loads", "expected a component, a class with OPTIONS, as cosim.device.Device has them"),
        ("json:JSONDecoder", "expected a component, a class with OPTIONS, as cosim.device.Device has them"),
    ],
)
def test_what_is_no_component(component, said):
    text = refused(check, changed(("nodes", "scif0"), "component", component), Path("x"))
    assert text == f"[nodes.scif0] component = {component!r}: {said}"


def test_a_module_that_ends_the_program(tmp_path, monkeypatch):
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = refused(check, changed(("nodes", "scif0"), "component", "leaves:Thing"), Path("x"))
    assert text == "[nodes.scif0] component = 'leaves:Thing': SystemExit: 0"


# State and figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", b"x", [1, ("a", {2: b"c"})], {"a": {"b": []}}])
def test_a_state_that_is_the_same_in_each_run(value):
    assert unsteady(value) == ""


class Word(str):
    pass


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "state() is a object; expected "),
        ({"fifo": [1, {object()}]}, "state()['fifo'][1] is a set; expected "),
        ({"a": {(1, object()): 1}}, "a key of state()['a'][1] is a object; expected "),
        ({"a": Word("x")}, "state()['a'] is a Word; expected "),
        (lambda: 0, "state() is a function; expected "),
    ],
)
def test_a_state_that_differs_from_run_to_run(value, said):
    assert unsteady(value).startswith(said)


@pytest.mark.parametrize(
    ("value", "said", "shown"),
    [
        ({"a": b"\1"}, "info()['a'] = b'\\x01'; expected what JSON has: ", {"a": "b'\\x01'"}),
        ({b"a": 1}, "info() has the key b'a'; expected a key that is a str", {"b'a'": 1}),
        ({1: 2}, "info() has the key 1; expected a key that is a str", {"1": 2}),
        ({"a": [0, float("nan")]}, "info()['a'][1] = nan; expected a finite number", {"a": [0, "nan"]}),
        ({"a": {"b": "\ud800"}}, "info()['a']['b'] = '\\ud800'; expected a text in UTF-8", {"a": {"b": "'\\ud800'"}}),
    ],
)
def test_figures_that_json_has_not(value, said, shown):
    assert next(json_faults(value, "info()"))[0].startswith(said)
    assert as_json(value) == shown
    assert not list(json_faults(shown, ""))


def test_figures_that_json_has():
    value = {"a": [1, 1.5, None, True, "x", {"b": ()}]}
    assert not list(json_faults(value, "info()")) and as_json(value) == {"a": [1, 1.5, None, True, "x", {"b": []}]}
