"""Names are checked where they enter: what becomes a path, a table or text on a terminal means nothing more there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import BOARD
from hypothesis import given
from hypothesis import strategies as st

from cosim.names import NAME, guest_file, wrong_name
from cosim.topology import TopologyError, load
from launch.session import find

RULE = "letters, digits, - and _, at most 31, the first a letter or digit"
WRONG = ["../../x", "..", ".", ".x", "", "-x", "_x", "a b", "a.b", "a/b", "a\nb", "\x1b[2J", "a\x01", "ü", "a" * 32,
         "\u202ea"]  # fmt: skip


def refused(folder: Path, text: str) -> str:
    path = folder / "board.toml"
    path.write_text(text)
    with pytest.raises(TopologyError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize("name", WRONG, ids=ascii)
@pytest.mark.parametrize("table", ["nodes.tmu", "guests.rtos"])
def test_names_of_nodes_and_guests(tmp_path, table, name):
    kind = table.partition(".")[0]
    text = refused(tmp_path, BOARD.replace(f"[{table}]", f"[{kind}.{json.dumps(name)}]"))
    assert text == f"[{kind}.{name!r}]: expected a name of {RULE}"


@pytest.mark.parametrize("name", ["run", "machine", "control", "SPUMONE", "idle"])
@pytest.mark.parametrize("table", ["nodes.tmu", "guests.rtos"])
def test_names_that_mean_something_else(tmp_path, table, name):
    kind = table.partition(".")[0]
    assert f"[{kind}.'{name}']: this name is taken: " in refused(
        tmp_path, BOARD.replace(f"[{table}]", f"[{kind}.{name}]")
    )


@pytest.mark.parametrize("name", [name for name in WRONG if name], ids=ascii)
def test_names_of_ports(tmp_path, name):
    text = refused(tmp_path, BOARD.replace('port = "rtos"', f"port = {json.dumps(name)}"))
    assert text == f"[nodes.scif0] port = {name!r}: expected a name of {RULE}"


@pytest.mark.parametrize("name", WRONG, ids=ascii)
def test_names_of_consoles(tmp_path, name):
    text = refused(tmp_path, BOARD.replace('port = "rtos"', f"mux = [{json.dumps(name)}]"))
    assert text == f"[nodes.scif0] mux = {[name]!r}: expected names of {RULE}, one for each guest by priority"


@pytest.mark.parametrize("image", ["guest:../x", "guest:..", "guest:rtos/../../x", "guest:rtos/", "guest:/etc/passwd",
                                   "guest:rtos//etc/passwd", "guest:rtos/.x", "guest:", "guest:rtos/a/b"])  # fmt: skip
def test_files_of_built_guests(tmp_path, image):
    expected = f"image = {image!r}: expected guest:NAME/FILE, a guest of `cosim guests build` and a file of it, no path"
    text = refused(tmp_path, BOARD.replace("guest:rtos/hello.elf", image))
    assert text == f"[guests.rtos] {expected}"
    spumone = f'[nodes.spumone]\nrole = "hypervisor"\nimage = "{image}"\n'
    assert refused(tmp_path, BOARD + spumone) == f"[nodes.spumone] {expected}"


def test_a_port_that_would_write_outside_the_record(cosim, topology, tmp_path):
    outcome = cosim("run", topology.path, "--set", "scif0.port=../../x", "--record", tmp_path / "a" / "b")
    assert outcome.code == 2 and "[nodes.scif0] port = '../../x': expected a name of" in outcome.last
    assert not list(tmp_path.rglob("x*")) and not (tmp_path / "a").exists()


def test_a_folder_that_is_not_utf_8(tmp_path):
    path = tmp_path / "a\udcff" / "board.toml"
    path.parent.mkdir()
    path.write_text(BOARD)
    with pytest.raises(Exception, match=r"is not UTF-8: rename the folder or the file"):
        find(load(path), "x.elf")


@given(st.text(max_size=40))
def test_the_rule_leaves_nothing_that_means_something(name):
    if not wrong_name(name):
        assert name.isascii() and name.isprintable() and not set(name) & set("/.\\ $'\"[]:@=~*?")
        assert Path("folder", f"{name}.log").parent == Path("folder") and NAME.fullmatch(name)


@given(st.text(alphabet="ab./\\-_\x1b:", max_size=12))
def test_a_built_file_lies_in_its_folder(rest):
    try:
        built = guest_file(f"guest:{rest}")
    except ValueError:
        return
    assert built is not None and Path("cache", *built).parent.parent == Path("cache")
    assert ".." not in Path("cache", *built).parts
