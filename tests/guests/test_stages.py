"""The cache of build stages: made once, again when an input changes, and clear words when it fails."""

import threading
import time
from pathlib import Path

import pytest

from guests import build as guests_build
from guests.stages import Builder, BuildError, Stage, only_builder


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "input").write_text("one")
    return tmp_path


def builder(folder: Path, lines: list[str], command: str = "cp") -> Builder:
    def recipe(b: Builder) -> Stage:
        def make(work: Path, out: Path) -> None:
            b.run(command, folder / "input", out / "made", cwd=work)

        return b.stage("thing", [folder / "input"], make)

    return Builder({"thing": recipe}, lines.append)


def test_a_stage_is_built_once_and_again_when_its_input_changes(folder):
    lines: list[str] = []
    first = builder(folder, lines).build("thing")
    assert builder(folder, lines).build("thing") == first
    assert len(lines) == 2 and "building" in lines[0] and "built in" in lines[1]
    (folder / "input").write_text("two")
    second = builder(folder, lines).build("thing")
    assert second.key != first.key and second.files()["made"].read_text() == "two"
    assert not first.path.exists()


def test_what_is_there_is_had_while_another_builds(folder):
    """What is not there waits for the lock, and says so."""
    made = builder(folder, []).build("thing")
    with only_builder(lambda line: None):
        lines: list[str] = []
        assert builder(folder, lines).build("thing") == made
        assert lines == []
        (folder / "input").write_text("two")
        waits = threading.Thread(target=lambda: builder(folder, lines).build("thing"))
        waits.start()
        deadline = time.monotonic() + 60
        while not lines and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lines == [f"waiting for another build in {folder / 'cache'}"]
    waits.join(60)
    assert not waits.is_alive() and len(lines) == 3
    assert (folder / "cache" / "thing" / "made").read_text() == "two"


def test_a_name_that_points_elsewhere_is_set_right(folder):
    """As where another checkout has built, and this one's folder is still there."""
    made = builder(folder, []).build("thing")
    (folder / "cache" / "thing").unlink()
    (folder / "cache" / "thing").symlink_to("thing-0000")
    assert builder(folder, []).build("thing") == made
    assert (folder / "cache" / "thing").resolve() == made.path


def test_the_name_of_a_stage_points_to_its_latest_folder(folder):
    stage = builder(folder, []).build("thing")
    assert (folder / "cache" / "thing").resolve() == stage.path


def test_a_failed_command_names_itself_its_log_and_its_last_words_and_leaves_no_stage(folder):
    (folder / "input").unlink()
    (folder / "input").mkdir()
    with pytest.raises(BuildError) as failure:
        builder(folder, []).build("thing")
    assert "`cp " in str(failure.value) and "thing.log" in str(failure.value)
    assert not (folder / "cache" / "thing").exists()


def test_an_unknown_guest_is_named_with_those_known(folder):
    with pytest.raises(BuildError, match="no guest 'lynux': known are toolchain, .*linux-r2d"):
        guests_build.build("lynux")


def test_a_missing_artefact_says_which_command_builds_it(folder):
    with pytest.raises(BuildError, match="linux/vmlinux is not built: run `cosim guests build linux`"):
        guests_build.artefact("linux", "vmlinux")


def test_a_lost_line_of_a_kernel_fragment_is_an_error(folder):
    fragment, config = folder / "f.fragment", folder / "config"
    fragment.write_text("CONFIG_A=y\nCONFIG_B=y\n")
    config.write_text("CONFIG_A=y\n# CONFIG_B is not set\n")
    with pytest.raises(BuildError, match="did not take: CONFIG_B=y"):
        guests_build._check_config([fragment], config)
