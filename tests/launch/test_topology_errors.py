"""Every mistake in a topology is refused before anything starts, with where it is and what was expected."""

from __future__ import annotations

import os
import tempfile

import pytest
from commands import run

from cosim.placement import ROLES

GUEST_KEYS = (
    "cmdline, cmdline_address, deadlines, entry, expected, fpu, image, latency, lines, load, memory, mmu, priority, "
    "restart, sr"
)
TABLES = "tables are run, machine, cpu, intc, tmu, scif0, cpg, rtos"
LINUX = """
[guests.linux]
image = "vmlinux"
memory = [0x08000000, 0x06000000]
priority = 1
"""
SPUMONE = '\n[nodes.spumone]\nrole = "hypervisor"\n'


# (text in the board, text in its place, the message without "cosim: "); {path} is the topology's file
REPLACED = [
    ("[nodes.tmu]", "[nodse.tmu]", "topology board.toml: unknown key 'nodse' (did you mean nodes?); "
     "keys are guests, machine, nodes, run"),
    ('role = "tmu"', 'role = "tmux"',
     "[nodes.tmu]: no role 'tmux': known are {roles} "
     "(did you mean tmu?)"),
    ('role = "tmu"', 'rule = "tmu"', "[nodes.tmu]: expected a table with a role"),
    ('role = "tmu"', 'role = "tmu"\nplacment = "process"',
     "[nodes.tmu]: unknown key 'placment' (did you mean placement?); "
     "keys are component, placement, role"),
    ('role = "tmu"', 'role = "tmu"\nplacement = "remote"',
     "[nodes.tmu] placement = 'remote': expected process or external"),
    ('role = "cpu"', 'role = "cpu"\nskip_loops = 1', "[nodes.cpu] skip_loops = 1: expected bool, e.g. True"),
    ('role = "cpu"', 'role = "cpu"\ncore = true', "[nodes.cpu] core = True: expected str, e.g. 'native'"),
    ('role = "cpu"', 'role = "tmu"', "{path}: 0 nodes of role cpu; expected 1"),
    ('role = "tmu"', 'role = "cpu"', "{path}: 2 nodes of role cpu; expected 1"),
    ('role = "tmu"', 'role = "intc"', "{path}: 2 nodes of role intc; expected at most 1"),
    ("[nodes.tmu]", "[nodes.rtos]", "{path}: 'rtos' names a node and a guest; rename one"),
    ('role = "tmu"', 'role = "tmu"\ncomponent = "no_such_module:Thing"',
     "[nodes.tmu] component = 'no_such_module:Thing': ModuleNotFoundError: No module named 'no_such_module'"),
    ('role = "tmu"', 'role = "tmu"\ncomponent = "json:Thing"',
     "[nodes.tmu] component = 'json:Thing': AttributeError: module 'json' has no attribute 'Thing'"),
    ('role = "tmu"', 'role = "scif"\nchannel = 1\nport = "rtos"',
     "{path}: two serial ports have the name 'rtos'; give each its own"),
    ("image =", "imgae =", f"[guests.rtos]: unknown key 'imgae' (did you mean image?); keys are {GUEST_KEYS}"),
    ('image = "guest:rtos/hello.elf"\n', "", "[guests.rtos]: Object missing required field `image`"),
    ("memory = [0x0e000000, 0x01000000]", 'memory = "all"',
     "[guests.rtos]: Expected `array`, got `str` - at `$.memory`"),
    ("memory = [0x0e000000, 0x01000000]", "memory = [0x0e000000, 0x02000001]",
     "[guests.rtos] memory 0x0e000000..0x10000000 is not inside the RAM 0x08000000..0x0fffffff"),
    ("memory = [0x0e000000, 0x01000000]", "memory = [0x07fff000, 0x01000000]",
     "[guests.rtos] memory 0x07fff000..0x08ffefff is not inside the RAM 0x08000000..0x0fffffff"),
    ("memory = [0x0e000000, 0x01000000]", "memory = [0x0e000000, 0]",
     "[guests.rtos] memory 0x0e000000..0x0dffffff is not inside the RAM 0x08000000..0x0fffffff"),
]  # fmt: skip

ADDED = [
    ('lines = ["RXIO"]', "[guests.rtos] lines: no line 'RXIO' (did you mean RXI1 or RXI0?)"),
    ('lines = ["RXI0", "RXI0"]', "[guests.rtos] lines: RXI0 belongs to guest rtos; a line has one owner"),
    ('latency = [{ line = "TXI0", symbol = "f" }]',
     "[guests.rtos] latency: line 'TXI0' is not one of this guest's lines"),
    ('latency = [{ line = "TXI0" }]', "[guests.rtos]: Object missing required field `symbol` - at `$.latency[0]`"),
    ('deadlines = [{ symbol = "f", period = "10 min" }]',
     "[guests.rtos] deadline f period = '10 min': expected ticks or a time such as 2s, 10ms, 20us"),
    ('deadlines = [{ symbol = "f", period = "0ms" }]',
     "[guests.rtos] deadline f period = '0ms': expected at least 1 tick"),
    ('deadlines = [{ symbol = "f", perod = "10ms" }]',
     "[guests.rtos]: Object contains unknown field `perod` - at `$.deadlines[0]`"),
    ("sr = 0x000000f0", "[guests.rtos] sr = 0x000000f0: expected bits of 0x700083f3 only, and MD, 0x40000000, set: "
     "a guest starts privileged"),
    ("sr = 0x40000400", "[guests.rtos] sr = 0x40000400: expected bits of 0x700083f3 only, and MD, 0x40000000, set: "
     "a guest starts privileged"),
    ("sr = -1", "[guests.rtos] sr = -0x0000001: expected bits of 0x700083f3 only, and MD, 0x40000000, set: "
     "a guest starts privileged"),
    ('sr = "off"', "[guests.rtos]: Expected `int | null`, got `str` - at `$.sr`"),
    ('entry = "_stext-4"',
     "[guests.rtos] entry = '_stext-4': expected an address, SYMBOL or SYMBOL+OFFSET, e.g. _stext+4"),
    ("[guest]",
     "topology board.toml: unknown key 'guest' (did you mean guests?); keys are guests, machine, nodes, run"),
    ("[machine]\nrom = 1", "[machine]: unknown key 'rom' (did you mean ram?); keys are ram"),
    ("[machine]\nram = [1]", "[machine]: Expected `array` of length 2, got 1 - at `$.ram`"),
    ("[run]\nquantun = 1", "[run]: unknown key 'quantun' (did you mean quantum?); "
     "keys are answer_limit, check_leases, control, hang_limit, leases, placement, quantum, start_limit, transport"),
    ("[run]\nplacement = 'thread'", "[run] placement = 'thread': expected process or inproc"),
    ("[run]\ntransport = 'udp'", "[run] transport = 'udp': expected ipc or tcp"),
    ("[run]\nleases = 'no'", "[run]: Expected `bool`, got `str` - at `$.leases`"),
    ("[run]\nquantum = 'soon'", "[run] quantum = 'soon': expected ticks or a time such as 2s, 10ms, 20us"),
    (LINUX, "{path}: 2 guests, but no node of role hypervisor to run them"),
    (LINUX.replace("priority = 1", "") + SPUMONE, "[guests.linux] priority = 0: guest rtos has it; each needs its own"),
    (LINUX.replace("0x06000000]", "0x06000001]") + SPUMONE,
     "[guests.linux] memory 0x08000000..0x0e000000 overlaps that of guest rtos, 0x0e000000..0x0effffff"),
    (LINUX + 'lines = ["TXI9"]' + SPUMONE, "[guests.linux] lines: no line 'TXI9' (did you mean TXI1 or TXI0?)"),
    (SPUMONE + SPUMONE.replace("spumone", "other"), "{path}: 2 nodes of role hypervisor; expected at most 1"),
]  # fmt: skip

SETS = [
    ("cpu.core", "--set cpu.core: expected TABLE.key=VALUE, e.g. --set cpu.core=python"),
    ("core=python", "--set core=python: expected TABLE.key=VALUE, e.g. --set cpu.core=python"),
    ("cpo.core=python", f"--set cpo.core=python: no table 'cpo' (did you mean cpu or cpg?); {TABLES}"),
    ("cpu.cor=python", "[nodes.cpu]: unknown key 'cor' (did you mean core?); "
     "keys are component, core, gdb, hot, placement, role, skip_loops, timing, timing_from"),
    ("run.leasses=false", "[run]: unknown key 'leasses' (did you mean leases or check_leases?); "
     "keys are answer_limit, check_leases, control, hang_limit, leases, placement, quantum, start_limit, transport"),
    ("cpu.core=3", "[nodes.cpu] core = 3: expected str, e.g. 'native'"),
    ("rtos.priority=first", "[guests.rtos]: Expected `int`, got `str` - at `$.priority`"),
]  # fmt: skip


def refused(outcome, expected, topology):
    expected = expected.replace("{path}", str(topology.path)).replace("{roles}", ", ".join(sorted(ROLES)))
    assert outcome.last == "cosim: " + expected
    assert (outcome.code, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(("old", "new", "expected"), REPLACED)
def test_a_wrong_line(cosim, topology, old, new, expected):
    topology.replace(old, new)
    refused(cosim("run", topology.path), expected, topology)


@pytest.mark.parametrize(("text", "expected"), ADDED)
def test_a_line_too_many(cosim, topology, text, expected):
    topology.add(text)
    refused(cosim("run", topology.path), expected, topology)


@pytest.mark.parametrize(("text", "expected"), SETS)
def test_a_wrong_set(cosim, topology, text, expected):
    refused(cosim("run", topology.path, "--set", text), expected, topology)


def test_a_line_of_two_guests(cosim, topology):
    topology.add('lines = ["RXI0"]' + LINUX + 'lines = ["TUNI0", "RXI0"]' + SPUMONE)
    refused(
        cosim("run", topology.path), "[guests.linux] lines: RXI0 belongs to guest rtos; a line has one owner", topology
    )


def test_lines_of_one_mask_bit_with_two_owners(cosim, topology):
    topology.add('lines = ["TUNI3"]' + LINUX + 'lines = ["TUNI4"]' + SPUMONE)
    expected = (
        "[guests.linux] lines: TUNI4 has the mask bit of TUNI3, which belongs to guest rtos; "
        "lines of one mask bit have one owner"
    )
    refused(cosim("run", topology.path), expected, topology)


def test_no_guest(cosim, topology):
    topology.write(topology.text[: topology.text.index("[guests")])
    refused(cosim("run", topology.path), "{path}: no guest; add a table [guests.NAME] with an image", topology)


def test_toml_syntax(cosim, topology):
    topology.replace('role = "cpu"', 'role = "cpu')
    expected = "topology {path} is not TOML: Illegal character '\\n' (at line 2, column 12)"
    refused(cosim("run", topology.path), expected, topology)


def test_a_file_that_is_no_text(cosim, topology):
    topology.path.write_bytes(b"\xff\xfe\x00")
    outcome = cosim("run", topology.path)
    assert outcome.code == 2
    assert outcome.last.startswith(f"cosim: topology {topology.path} is not TOML: 'utf-8' codec can't decode")


def test_no_file(cosim, topology):
    topology.path.unlink()
    refused(cosim("run", topology.path), "topology {path} is missing", topology)


def test_a_folder(cosim, topology):
    topology.path.unlink()
    topology.path.mkdir()
    refused(cosim("run", topology.path), "topology {path} is a folder; expected a regular file", topology)


@pytest.mark.parametrize(("place", "kind"), [("pipe", "a pipe"), ("/dev/zero", "a device"), ("/tmp", "a folder")])
def test_an_image_that_is_no_regular_file(cosim, topology, place, kind):
    os.mkfifo(topology.path.parent / "pipe")
    topology.replace("guest:rtos/hello.elf", place)
    path = topology.path.parent / place
    refused(
        cosim("run", topology.path),
        f"[guests.rtos] image = {place!r}: {path} is {kind}; expected a regular file",
        topology,
    )


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_a_time_beyond_the_last_tick_in_a_node(cosim, topology, rtos, placement):
    topology.replace('role = "cpu"', 'role = "cpu"\ntiming = "sh4a"\ntiming_from = "99999999999s"')
    outcome = cosim("run", topology.path, "--set", f"run.placement={placement}")
    assert outcome.last.startswith("cosim: [nodes.cpu] timing_from = '99999999999s': expected less than 2^62 ticks")
    assert outcome.code == 2


def test_a_serial_component_without_the_options_of_its_role(cosim, topology, rtos, inside):
    """The launcher asks each serial node for its port: one of somebody's own has the options of its role too."""
    topology.replace('port = "rtos"', 'component = "tests.launch.components:Silent"')
    assert cosim("run", topology.path, "--until", "1ms", "--plain").code == 0


def test_missing_image(cosim, topology):
    topology.replace("guest:rtos/hello.elf", "nothing.elf")
    expected = f"[guests.rtos] image = 'nothing.elf': {topology.path.parent}/nothing.elf is missing"
    refused(cosim("run", topology.path), expected, topology)


@pytest.mark.parametrize("name", ["rtos/absent.elf", "amiga/kernel"])
def test_guest_that_is_not_built(cosim, topology, name):
    topology.replace("rtos/hello.elf", name)
    expected = (f"[guests.rtos] image = 'guest:{name}': guest file {name} is not built: "
                f"run `cosim guests build {name.split('/')[0]}`")  # fmt: skip
    refused(cosim("run", topology.path), expected, topology)


def test_two_nodes_at_one_address(cosim, topology, rtos):
    topology.add('[nodes.scif1]\nrole = "scif"\nchannel = 0')
    outcome = cosim("run", topology.path, "--until", "1ms")
    assert outcome.last.startswith(
        "cosim: nodes scif0 and scif1 both answer at 0xffe00000: give one another channel; virtual time 0.000000 s"
    )
    assert (outcome.code, outcome.out) == (2, "")


def test_two_nodes_drive_one_line(cosim, topology, rtos, inside):
    topology.add('[nodes.bsc]\nrole = "bsc"\ncomponent = "tests.launch.components:LineThief"')
    outcome = cosim("run", topology.path, "--until", "1ms")
    assert outcome.last.startswith("cosim: nodes bsc and tmu both drive line TUNI0; a line has one")
    assert outcome.code == 2


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--until", "99999999999999999999s",
         "--until = '99999999999999999999s': expected less than 2^62 ticks, which are 11,529,215,046 s"),
        ("--until", "2 weeks", "--until = '2 weeks': expected ticks or a time such as 2s, 10ms, 20us"),
        ("--until", "-1s", "--until = '-1s': expected ticks or a time such as 2s, 10ms, 20us"),
        ("--until", "", "--until = '': expected ticks or a time such as 2s, 10ms, 20us"),
        ("--until-line", "rtos", "--until-line rtos: expected PORT:REGEX with PORT one of rtos"),
        ("--until-line", "", "--until-line : expected PORT:REGEX with PORT one of rtos"),
        ("--until-line", "lunix:x", "--until-line lunix:x: expected PORT:REGEX with PORT one of rtos"),
        ("--until-line", "rtos:a(b", "--until-line rtos:a(b: no regular expression: "
         "missing ), unterminated subpattern at position 1"),
        ("--json", "/nonexistent/x.json", "--json /nonexistent/x.json: No such file or directory"),
        ("--record", "/dev/null/x", "record /dev/null/x: Not a directory: /dev/null/x; choose another folder"),
    ],
)  # fmt: skip
def test_options(cosim, topology, option, value, expected):
    refused(cosim("run", topology.path, f"{option}={value}"), expected, topology)


@pytest.mark.parametrize("value", ["tcp://0.0.0.0:7777", "tcp://192.0.2.1:7777", "udp://127.0.0.1:1", "here"])
def test_control_is_local(cosim, topology, rtos, value):
    expected = f"[run] control = {value!r}: expected ipc://PATH or tcp://127.0.0.1:PORT"
    refused(cosim("run", topology.path, "--set", f"run.control={value}"), expected, topology)


def test_a_folder_too_long_for_sockets(cosim, topology, rtos, monkeypatch, temporary):
    deep = temporary / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    outcome = cosim("run", topology.path)
    assert outcome.code == 2
    assert outcome.last.startswith(f"cosim: folder {deep}/cosim-")
    assert outcome.last.endswith(" is too long for sockets: set TMPDIR to a shorter path")


@pytest.mark.parametrize("command", ["run", "swap", "latency", "node", "guests"])
def test_usage(cosim, command):
    outcome = cosim(command, "--no-such-option")
    assert outcome.code == 2
    assert outcome.last.startswith("cosim") and "error: " in outcome.last


class TestAsProcess:
    """The same as a process of its own."""

    def test_topology(self, topology):
        topology.replace('role = "cpu"', 'role = "cpu"\ncores = 2')
        outcome = run("run", topology.path)
        keys = "component, core, gdb, hot, placement, role, skip_loops, timing, timing_from"
        text = f"cosim: [nodes.cpu]: unknown key 'cores' (did you mean core?); keys are {keys}\n"
        assert outcome == (2, "", text)

    def test_the_json_object_says_it_too(self, topology):
        outcome = run("run", topology.path, "--until", "x", "--json", "-")
        text = "--until = 'x': expected ticks or a time such as 2s, 10ms, 20us"
        assert outcome.json == {"schema": "cosim.run/1", "ok": False, "exit": 2, "error": text, "node": None}
        assert outcome.err == f"cosim: {text}\n"
