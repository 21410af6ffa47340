"""Each rule of the protocol that the launcher checks: a node that breaks it, and the text that names the rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from commands import BOARD

from cosim import topology
from cosim.messages import (
    Advance,
    Command,
    Failed,
    Go,
    Hello,
    HostInput,
    Output,
    Paused,
    Ready,
    Recorded,
    Reply,
    Start,
    Status,
    Welcome,
)
from cosim.rules import CHECKED, RULES, BrokenRule, plain
from launch.rules import Rules

NUMBERS = "ticks instructions skipped leased_reads round_trips posted_writes".split()
MAPS = "round_trips_by_target messages waited vcpus interrupts charges paths trespasses starvation".split()
FIGURES = {**dict.fromkeys(NUMBERS, 0), **{key: {} for key in MAPS}, "deadlines": [], "latency": [],
           "unmapped": [], "reports": []}  # fmt: skip
CPG = [(0xFFC80000, 0xFFC800FF)]
CPU = "cpu"
PAUSED = Paused("started", "", {})


def rules(text: str = BOARD) -> Rules:
    """Those of a run of which every node has its Welcome and is ready, and whose CPU node stands."""
    import tomllib

    made = Rules(topology.check(tomllib.loads(text), Path("board.toml")))
    for name in made.topology.nodes if not made.inproc else [CPU]:
        made.sent(name, Welcome("run", {}, "" if name == CPU else f"ipc:///run/{name}"))
        lines, regions = made._built_in(name) or ([], [])
        made.frame(name, Ready("" if name == CPU else f"ipc:///run/{name}", lines, regions))
    made.sent(CPU, Start([]))
    made.frame(CPU, PAUSED)
    return made


def fresh(endpoint: str = "ipc:///run/cpg", node: str = "cpg") -> Rules:
    """Those of a run in which one node has its Welcome."""
    import tomllib

    made = Rules(topology.check(tomllib.loads(BOARD), Path("board.toml")))
    made.sent(node, Welcome("run", {}, endpoint))
    return made


def broken(rule: str, call: Any, *arguments: Any) -> str:
    """The text of the rule that a call finds broken."""
    with pytest.raises(BrokenRule) as caught:
        call(*arguments)
    assert caught.value.rule == rule and str(caught.value).endswith(f"(rule {rule})"), caught.value
    return caught.value.text


def hello(**changes: Any) -> Hello:
    fields = {"name": "cpg", "role": "cpg", "protocol": 1, "state_schema": 1, "registers": "", "capabilities": [],
              "pid": 5, **changes}  # fmt: skip
    return Hello(**fields)


def test_hello():
    made = rules()
    assert broken("hello-first", made.hello, "cpg", hello()) == "said Hello a second time"
    assert broken("hello-name", fresh(node="x").hello, "cpg", hello(name="tmu\x1b")) == (
        "Hello of 'tmu\\x1b' at the connection of 'cpg'"
    )
    for pid in (0, -1, 1 << 62):
        assert broken("hello-pid", fresh(node="x").hello, "cpg", hello(pid=pid)).startswith(f"Hello.pid is {pid}; ")


@pytest.mark.parametrize("body", [Ready("", [], []), Status(1, {}), Output("cpg", b""), Failed("", 0)], ids=repr)
def test_nothing_before_hello(body):
    assert broken("hello-first", fresh(node="tmu").frame, "cpg", body) == f"sent {type(body).__name__} before Hello"


@pytest.mark.parametrize("body", [Output("scif0", b""), HostInput("scif0", b"")], ids=repr)
def test_nothing_from_a_port_before_ready(body):
    assert broken("ready-first", fresh(node="scif0").frame, "scif0", body).endswith("before Ready")


@pytest.mark.parametrize("body", [Go(5), Start([]), Advance(), Welcome("", {}, ""), PAUSED, Reply({})], ids=repr)
def test_what_a_node_is_not_to_send(body):
    assert broken("message-turn", rules().frame, "cpg", body) == (
        f"sent {type(body).__name__}, which it is not to send here"
    )


def test_what_is_recorded():
    made, digest = rules(), "0f" * 32
    made.frame(CPU, Recorded([(4_000_000, digest), (8_000_000, digest)], [(5, "scif0", 0x41)]))
    made.frame(CPU, Recorded([(12_000_000, digest)], []))
    assert broken("message-turn", made.frame, "cpg", Recorded([], [])).startswith("sent Recorded, ")
    for tick, text in ((12_000_000, digest), (20_000_000, digest), (16_000_000, "0" * 63), (16_000_000, "x" * 64)):
        made.synced = 12_000_000
        said = broken("recorded-rows", made.frame, CPU, Recorded([(tick, text)], []))
        assert said == f"sync of tick {tick} with the digest {text!r:.80}; expected tick 16000000, 64 hex digits"
    for row in ((5, "tmu", 1), (-1, "scif0", 1), (5, "scif0", -1)):
        assert broken("recorded-rows", made.frame, CPU, Recorded([], [row])).endswith("expected a character for scif0")


def test_out_of_turn():
    made = rules()
    assert broken("message-turn", made.frame, "cpg", Ready("", [], [])) == "sent Ready a second time"
    assert broken("message-turn", made.frame, CPU, PAUSED) == "sent Paused, which it is not to send here"
    assert broken("message-turn", made.frame, CPU, Reply({})) == "sent Reply, which it is not to send here"
    made.sent(CPU, Go(5))
    assert broken("paused-start", made.frame, CPU, PAUSED) == "Paused for the reason started to Go"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("ipc:///run/cpg", "ipc:///run/cp"),
        ("ipc:///run/cpg", "ipc:///run/cpg/../../home"),
        ("ipc:///run/cpg", "tcp://127.0.0.1:5"),
        ("tcp://127.0.0.1:*", "ipc:///run/cpg"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:0"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:65536"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:1;tcp://192.0.2.1:1"),
        ("tcp://127.0.0.1:*", "tcp://192.0.2.1:99"),
    ],
)
def test_ready_elsewhere(told, said):
    expected = told.replace("*", "PORT")
    text = broken("ready-endpoint", fresh(told).frame, "cpg", Ready(said, [], CPG))
    assert text == f"is ready at {said!r}; expected {expected}"


def test_ready_where_it_was_told_to_be():
    made = rules()._built_in("cpg")
    for told, said in (("ipc:///run/cpg", "ipc:///run/cpg"), ("tcp://127.0.0.1:*", "tcp://127.0.0.1:65535")):
        fresh(told).frame("cpg", Ready(said, *made))


def test_lines_and_regions_of_ready():
    def ready(lines: list[str], regions: Any, node: str = "cpg") -> Any:
        at = f"ipc:///run/{node}"
        return fresh(at, node).frame, node, Ready(at, lines, regions)

    regions = rules()._built_in("cpg")[1]
    assert broken("ready-lines", *ready(["IRQ0", "IRQ0"], regions)) == "has a line twice; expected each once"
    text = "has the lines TUNI0; expected those of its role, none"
    assert broken("ready-lines", *ready(["TUNI0"], regions)) == text
    text = "answers at 0x00000005..0x00000004; expected first <= last, 67108864 bytes at most"
    assert broken("ready-regions", *ready([], [(5, 4)])) == text
    assert "0x00000000..0xffffffff" in broken("ready-regions", *ready([], [(0, 0xFFFFFFFF)]))
    assert broken("ready-regions", *ready([], [(0, 9), (9, 9)])).startswith("answers at 0x00000009 twice")
    text = "answers at 0x00000000..0x00000009; expected what its role does, "
    assert broken("ready-regions", *ready([], [(0, 9)])).startswith(text)
    lines = rules()._built_in("tmu")[0]
    assert broken("ready-regions", *ready(lines, [], "tmu")).startswith("answers at none; expected what its role does")
    cpu = fresh("", CPU)
    assert broken("ready-lines", cpu.frame, CPU, Ready("", ["IRQ0"], [])).endswith("its role, none")


def test_a_component_of_ones_own_has_its_own_lines_and_regions():
    made = rules(BOARD.replace('role = "cpg"', 'role = "device"'))
    made.ready.clear()
    made.frame("cpg", Ready("ipc:///run/cpg", ["IRQ3"], [(0xA4000000, 0xA40000FF)]))


def test_status():
    made = rules()
    made.frame("cpg", Status(7, {}))
    made.frame("cpg", Status(7, {"note": "text"}))
    assert broken("status-progress", made.frame, "cpg", Status(6, {})) == "Status.progress falls from 7 to 6"
    text = "its note is of type int; expected str"
    assert broken("status-note", made.frame, "cpg", Status(8, {"note": 5})) == text
    made.frame("cpu", Status(8, {"asked": ["cpg", "Read", 5, 1]}))
    text = broken("status-asked", made.frame, "cpu", Status(9, {"asked": ["cpg", "Read", "now", 1]}))
    assert text == "asked: Expected `int`, got `str` - at `$[2]`"


@pytest.mark.parametrize("kind", [Output, HostInput])
@pytest.mark.parametrize(
    ("sender", "node", "expected"),
    [("scif0", "nobody", "scif0"), ("scif0", "tmu", "scif0"), ("tmu", "scif0", "none"), ("tmu", "tmu", "none"),
     ("cpu", "scif0", "none"), ("scif0", "\x1b[2J", "scif0"), ("scif0", "", "scif0")],
)  # fmt: skip
def test_output_and_input_are_the_senders_own(kind, sender, node, expected):
    text = broken("output-node", rules().frame, sender, kind(node, b"x"))
    assert text == f"{kind.__name__} of node {node!r}; expected of {expected}, by its serial port"


def test_the_cpu_node_speaks_for_those_in_its_process():
    made = rules(BOARD + '[run]\nplacement = "inproc"\n')
    made.frame(CPU, Output("scif0", b"x"))
    made.frame(CPU, HostInput("scif0", b"x"))
    assert "expected of scif0" in broken("output-node", made.frame, CPU, Output("tmu", b"x"))


def test_marks_are_of_characters_that_are_there():
    made = rules()
    made.frame("scif0", HostInput("scif0", b"ab", [(0, 0x200), (1, 0x400)]))
    text = broken("input-marks", made.frame, "scif0", HostInput("scif0", b"ab", [(2, 0x400)]))
    assert text == "HostInput has a mark at place 2 of 2 bytes"
    text = broken("input-marks", made.frame, "scif0", HostInput("scif0", b"ab", [(0, 0x401)]))
    assert text == "HostInput has a mark 0x401 at place 0; expected 0x100, 0x200 or 0x400"


@pytest.mark.parametrize("code", [0, 1, 4, -1, 256, 143, 1 << 40])
def test_the_code_of_last_words(code):
    text = broken("failed-code", rules().frame, "cpg", Failed("all is well", code))
    assert text == f"Failed.code is {code}; expected 2, 3, 130. It said: all is well"


def test_who_may_tell_of_whom():
    made = rules()
    made.frame(CPU, Failed("text", 3, "cpg"))
    for sender, node in (("cpg", "tmu"), ("cpg", "cpg"), (CPU, "nobody")):
        assert broken("failed-node", made.frame, sender, Failed("text", 3, node)).startswith(f"Failed of node {node!r}")


@pytest.mark.parametrize(
    ("what", "data", "text"),
    [
        ("report", {}, "Reply to report: Object missing required field `ticks`"),
        ("report", {**FIGURES, "ticks": "5"}, "Reply to report: Expected `int`, got `str` - at `$.ticks`"),
        ("report", {**FIGURES, "vcpus": {"rtos": {}}}, "Reply to report: Object missing required field `ticks`"),
        ("finish", FIGURES, "Reply to finish: Object missing required field `digest`"),
        ("state", {"state": {"r0": None}}, "Reply to state: Expected `int`, got `null`"),
        ("samples", {"samples": ["text"]}, "Reply to samples: Expected `bytes`, got `str`"),
        ("attribution", {"line": "", "parts": [{}]}, "Reply to attribution: Object missing"),
    ],
)
def test_what_a_reply_has(what, data, text):
    made = rules()
    made.sent(CPU, Command(what, "", {}))
    assert broken("reply-data", made.frame, CPU, Reply(data)).startswith(text)


def test_a_reply_that_json_cannot_hold():
    for value, text in ((b"b", " is of type bytes"), ({1: 2}, " has the key 1")):
        made = rules()
        made.sent(CPU, Command("finish", "", {}))
        data = {**FIGURES, "digest": "", "info": {"cpg": {"a": value}}}
        assert broken("map-plain", made.frame, CPU, Reply(data)).startswith("Reply to finish.info.cpg.a" + text)


def test_a_report_as_the_cpu_node_gives_it():
    made = rules()
    made.sent(CPU, Command("report", "", {}))
    made.frame(CPU, Reply(FIGURES))


@pytest.mark.parametrize("value", [b"x", {1: 2}, [float("nan")], [[float("inf")]], {"a": {b"b": 1}}], ids=repr)
def test_what_json_cannot_hold(value):
    assert broken("map-plain", plain, value, "Final.info").startswith("Final.info")


# The table -------------------------------------------------------------------------------------------------


def test_every_rule_is_checked_somewhere_and_tested():
    root = Path(__file__).resolve().parents[2]
    folders = ("cosim", "cpu_node", "device_nodes", "hypervisor_node", "launch")
    paths = [path for folder in folders for path in (root / folder).rglob("*.py")]
    code = "".join(path.read_text() for path in paths if path.parts[-2:] != ("cosim", "rules.py"))
    code += (root / "cosim" / "rules.py").read_text().split("class BrokenRule")[1]
    tests = "".join(path.read_text() for path in (root / "tests").rglob("*.py"))
    for name in RULES:
        assert f'"{name}"' in code, f"nobody checks {name}"
        assert re.search(rf"\b{name}\b", tests), f"no test breaks {name}"
    assert set(CHECKED) == {"every receiver", "launcher", "CPU node", "target"}
