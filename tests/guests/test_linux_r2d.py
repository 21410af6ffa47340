"""The Linux twin on QEMU's r2d board: kernel, user land, prompt and stress, without the simulator."""

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

QEMU = ["qemu-system-sh4", "-M", "r2d", "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
        "-icount", "shift=1,sleep=off", "-append", "console=ttySC1,115200 quiet",
        "-serial", "null", "-serial", "stdio", "-kernel"]  # fmt: skip
PATIENCE = 60.0


class Console:
    """Standard input and output of a process as a console."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.text = ""

    def wait_for(self, pattern: str) -> str:
        """The text up to the end of the first match; the rest stays for the next call."""
        assert self.process.stdout is not None
        end = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, f"no {pattern!r} within {PATIENCE:.0f} s; console:\n{self.text}"
            self.text += data.decode(errors="replace").replace("\r", "")
        seen, self.text = self.text[: match.end()], self.text[match.end() :]
        return seen

    def type(self, text: str) -> None:
        """Type a line, waiting for its echo by pieces: QEMU's SCIF sticks when its 16-byte FIFO is full."""
        assert self.process.stdin is not None
        for start in range(0, len(text), 8):
            piece = text[start : start + 8]
            self.process.stdin.write(piece.encode())
            self.process.stdin.flush()
            self.wait_for(re.escape(piece))
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.wait_for("\n")

    def run(self, command: str) -> str:
        """What a shell command prints."""
        self.type(command)
        return self.wait_for(r"guest\$ $").removesuffix("guest$ ")


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    from guests.build import artefact
    from guests.stages import BuildError

    if shutil.which(QEMU[0]) is None:
        pytest.skip(f"{QEMU[0]} is not installed: run guests/setup_host.sh")
    try:
        kernel = artefact("linux-r2d", "zImage")
    except BuildError as error:
        pytest.skip(str(error))
    process = subprocess.Popen([*QEMU, str(kernel)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    console = Console(process)
    try:
        console.wait_for(r"guest\$ $")
        yield console
    finally:
        process.kill()
        process.wait()


def test_the_shell_has_a_controlling_terminal(console):
    assert console.run("echo x > /dev/tty") == "x\n"


def test_proc_sys_and_dev_are_mounted(console):
    mounted = console.run("cat /proc/mounts")
    for line in ("proc /proc proc", "sysfs /sys sysfs", "devtmpfs"):
        assert line in mounted


def test_the_command_line_is_the_loaders(console):
    assert console.run("cat /proc/cmdline") == "console=ttySC1,115200 quiet\n"


def test_stress_says_what_it_starts_and_ends_well(console):
    said = console.run("stress --cpu 1 --io 1 --vm 1 --vm-bytes 1M --timeout 1; echo status $?")
    assert re.search(r"stress: info: \[\d+\] dispatching hogs: 1 cpu, 1 io, 1 vm, 0 hdd", said)
    assert "successful run completed" in said
    assert said.endswith("status 0\n")


def test_a_shell_that_ends_is_started_again(console):
    console.type("exit")
    console.wait_for(r"guest\$ $")
    assert console.run("echo again") == "again\n"
