"""The installer of Debian packages: silent when all are there, a complete message when it may not install."""

import subprocess
from pathlib import Path

import pytest

from guests.build import HERE


def run(folder: Path, **commands: str) -> subprocess.CompletedProcess[str]:
    """Run the installer with commands replaced by shell scripts."""
    for name, body in commands.items():
        command = folder / name.replace("_", "-")
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)
    return subprocess.run(["sh", HERE / "setup_host.sh"], env={"PATH": f"{folder}:/usr/bin:/bin"},
                          capture_output=True, text=True, check=False)  # fmt: skip


@pytest.fixture(autouse=True)
def debian():
    if 'VERSION_ID="12"' not in Path("/etc/os-release").read_text():
        pytest.skip("not Debian 12")


def test_nothing_missing_says_nothing(tmp_path):
    done = run(tmp_path, dpkg_query="echo install ok installed", apt_get="exit 9", id="echo 1000", sudo="exit 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_root_the_message_lists_every_missing_package(tmp_path):
    done = run(tmp_path, dpkg_query="exit 1", apt_get="exit 9", id="echo 1000", sudo="exit 1")
    assert done.returncode == 2
    assert "not root, and sudo asks for a password" in done.stderr
    wanted = [line for line in (HERE / "apt.txt").read_text().split("\n") if line and line[0] != "#"]
    assert done.stderr.splitlines()[-1].split()[3:] == wanted


def test_root_installs_only_what_is_missing(tmp_path):
    log = tmp_path / "log"
    query = 'for last; do :; done; case "$last" in flex|bc) exit 1;; *) echo install ok installed;; esac'
    done = run(tmp_path, dpkg_query=query, apt_get=f'echo "$@" >> {log}', id="echo 0")
    assert done.returncode == 0
    assert log.read_text().splitlines()[-1].endswith("--no-install-recommends flex bc")
