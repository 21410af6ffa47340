"""The real gdb at the whole machine: symbols, both guests, watchpoints, and the same digest as without it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from whole_machine import PROMPT, RTOS, SPUMONE, Consoles

from cosim.topology import TopologyError, load, ticks
from guests.build import artefact
from launch.run import observe
from launch.session import Session
from launch.supervise import NodeFailure

PRINT_PC = 'printf "%08x\\n", $pc'
GDB = shutil.which("gdb-multiarch")
needs_gdb = pytest.mark.skipif(GDB is None, reason="gdb-multiarch is missing: run guests/setup_host.sh")


class Attached(Consoles):
    """Starts gdb, or connects a client that says nothing, when the run waits for one."""

    def __init__(self, *commands: str) -> None:
        super().__init__()
        self.commands, self.notes = commands, []
        self.process: subprocess.Popen[str] | None = None
        self.client: socket.socket | None = None

    def note(self, text: str) -> None:
        self.notes.append(text)
        if not text.startswith("the run waits for gdb: gdb-multiarch "):
            return
        words = re.findall(r"'[^']*'|\S+", text.split(": ", 1)[1])
        if not self.commands:
            self.client = socket.create_connection(("127.0.0.1", int(words[-1].strip("'").split(":")[1])))
            return
        argv = ["timeout", "120", str(GDB), "-nx", "-batch", *(word.strip("'") for word in words[1:])]
        for command in self.commands:
            argv += ["-ex", command]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)  # fmt: skip

    def said(self) -> str:
        """All that gdb said, to its end."""
        assert self.process is not None, self.notes
        return self.process.communicate()[0]


def run(
    topology: Path, watcher: Consoles, *sets: str, until: str = "20s", prompt: bool = False, watched: bool = True
) -> dict[str, Any]:
    """Figures of a run to a time or to Linux's prompt."""
    with Session(load(topology, list(sets)), watcher) as session:
        session.start()
        if watched:
            observe(session)
        if prompt:
            session.arm("linux", PROMPT)
        assert session.go(ticks(until), armed=prompt).reason == ("match" if prompt else "until")
        return session.finish()


def same(figures: dict[str, Any], plain: dict[str, Any]) -> None:
    for key in ("ticks", "digest", "deadlines", "vcpus", "interrupts", "charges"):
        assert figures[key] == plain[key], key


def symbols(path: Path) -> dict[str, int]:
    out = subprocess.run(["sh4-linux-gnu-nm", path], capture_output=True, text=True, check=True).stdout
    return {name: int(address, 16) for address, _, name in (line.split() for line in out.splitlines())}


@needs_gdb
class TestLinux:
    @pytest.mark.parametrize(("impl", "first"), [
        ("model", r"\(running\) +0x8e000000 in _start \(\)"),
        ("firmware", r"\(running, in SPUMONE\) +0x8f000000 in _start \(\)"),
    ])  # fmt: skip
    def test_a_boot(self, impl, first):
        watcher = Attached(
            "info threads", "break start_kernel", "continue", "info registers pc sr", "thread 1", PRINT_PC, "thread 2",
            "stepi", PRINT_PC, "x/i $pc", "delete", "watch *(int *)&system_state", "continue", "bt", "monitor tick",
            "delete", "break kernel_init", "continue", "delete", "break periodic_job", "ignore 4 5", "continue",
            "delete", "info threads",
            "bt 2", "thread 2", "bt", "monitor tlb", "set $r3 = 1", "thread 1", "monitor vcpus", "continue",
        )  # fmt: skip
        figures = run(SPUMONE, watcher, f"spumone.impl={impl}", "cpu.gdb=127.0.0.1:0", prompt=True)
        said = watcher.said()
        same(figures, run(SPUMONE, Consoles(), f"spumone.impl={impl}", prompt=True))
        assert not figures["reports"]
        start = symbols(artefact("linux", "vmlinux"))["start_kernel"]
        expected = [
            rf'\* 1 +Thread 1 "rtos" {first}\n  2 +Thread 2 "linux" \(ready\) ',
            r'Thread 2 "linux" hit Breakpoint 1, 0x\w+ in start_kernel \(\)',
            rf"pc +{start:#x} ", r"sr +0x40008070 ",
            r'Switching to thread 1 .*in spm_wait \(\)\n8e\w{6}\n',  # as SPUMONE keeps it
            rf"{start + 2:08x}\n", r"   0x\w+:\t\w",
            r"Hardware watchpoint 2: ", r"Old value = 0\nNew value = 1\n0x\w+ in rest_init \(\)",
            r"in rest_init \(\)\n#1 .* in start_kernel \(\)\n#3 .* in _stext", r"tick \d+ \(0\.01\d+ s\), linux runs",
            r'Thread 2 "linux" hit Breakpoint 3, 0x\w+ in kernel_init \(\)',
            r'Thread 1 "rtos" hit Breakpoint 4, 0x\w+ in periodic_job \(\)',
            r'\* 1 .*"rtos" \(running\) .*\n  2 .*"linux" \(ready\) +0x88',
            r"#0 .*in periodic_job \(\)\n#1 .*in run \(\)",
            r"mmucr \w+1  asid \w\w\n", r"\n +\d+  c00\w{5} +\w\w  08\w{6} +4K  rw/-- +dirty shared cached",
            r'Could not write register "r3"; remote failure reply .E10.',  # that vCPU does not run
            r"1  rtos +8e\w{6} ", r"2  linux +88\w{6} ",
            r"tick \d+: match\n\[Inferior 1 \(Remote target\) exited normally\]",
        ]  # fmt: skip
        for pattern in expected:
            found = re.search(pattern, said, re.DOTALL if "Switching" in pattern or "rest_init" in pattern else 0)
            assert found, f"{pattern}\n{said}"
            said = said[found.end() :] if "threads" not in pattern else said

    def test_stepping_through_both_guests(self):
        # Over interrupts, calls of SPUMONE and changes of the vCPU. A step of one that does not run ends when it has.
        commands = ("tbreak periodic_job", "continue", "stepi 80", "monitor tick", "thread 2", "stepi 1000",
                    "monitor tick", "thread 1", "stepi", "monitor tick", "info threads", "continue")  # fmt: skip
        watcher = Attached(*commands)
        plain = run(SPUMONE, Consoles(), "run.placement=inproc", until="40ms")
        figures = run(SPUMONE, watcher, "run.placement=inproc", "cpu.gdb=127.0.0.1:0", until="40ms")
        said = watcher.said()
        assert re.findall(r", (\w+) runs", said) == ["rtos", "linux", "rtos"], said
        assert '* 1    Thread 1 "rtos" (running)' in said, said
        same(figures, plain)


@needs_gdb
class TestRtos:
    COMMANDS = (
        "break periodic_job", "continue", "finish", "continue", "stepi", "stepi", "x/2i $pc", "info registers r15 pr",
        "watch *(int *)&periodic_count", "continue", "delete", "print $sr", "continue",
    )  # fmt: skip

    def test_over_a_unix_socket(self):
        with tempfile.TemporaryDirectory(prefix="t") as folder:
            watcher = Attached("monitor tick", "continue")
            figures = run(RTOS, watcher, f"cpu.gdb=unix:{folder}/gdb", until="25ms")
            said = watcher.said()
        assert watcher.notes[0].endswith(f" -ex 'target remote {folder}/gdb'")
        assert "tick 0 " in said and "exited normally" in said, said
        same(figures, run(RTOS, Consoles(), until="25ms"))

    @pytest.mark.parametrize("timing", ["fast", "sh4a"])
    @pytest.mark.parametrize("core", ["native", "python"])
    def test_a_task(self, core, timing):
        until = "25ms" if core == "python" else "200ms"
        sets = f"cpu.core={core}", f"cpu.timing={timing}"
        plain = run(RTOS, Consoles(), *sets, until=until)
        watcher = Attached(*self.COMMANDS)
        figures = run(RTOS, watcher, "cpu.gdb=127.0.0.1:0", *sets, until=until)
        said = watcher.said()
        assert said.count("Breakpoint 1, 0x8e") == 2 and " in run ()" in said, said
        assert said.count("Hardware watchpoint 2: ") == 2 and "Old value = 1\nNew value = 2\n" in said, said
        assert "exited normally" in said
        same(figures, plain)


class TestTheRun:
    def test_stands_for_long_and_is_no_stall(self):
        watcher = Attached("shell sleep 3", "detach") if GDB else pytest.skip("gdb-multiarch is missing")
        began = time.monotonic()
        figures = run(RTOS, watcher, "cpu.gdb=127.0.0.1:0", until="30ms")
        assert time.monotonic() - began > 3
        same(figures, run(RTOS, Consoles(), until="30ms"))
        assert watcher.notes[-1].startswith("gdb has detached at tick 0; the run goes on")

    @pytest.mark.parametrize("placement", ["process", "inproc"])
    def test_the_launcher_stops_it_while_it_stands(self, placement):
        class Stop(Attached):
            def note(self, text: str) -> None:
                super().note(text)
                if text.startswith("gdb is attached"):
                    raise KeyboardInterrupt

        watcher = Stop()
        with Session(load(RTOS, [f"run.placement={placement}", "cpu.gdb=127.0.0.1:0"]), watcher) as session:
            session.start()
            with pytest.raises(KeyboardInterrupt):
                session.go(ticks("1s"))
            processes = {name: child.process for name, child in session.supervisor.children.items()}
        assert {name: process.returncode for name, process in processes.items()} == dict.fromkeys(processes, 0)
        assert watcher.client.recv(100) == b""

    def test_the_launcher_stops_it_before_gdb_has_come(self):
        class Stop(Consoles):
            def note(self, text: str) -> None:
                raise KeyboardInterrupt

        with Session(load(RTOS, ["cpu.gdb=127.0.0.1:0"]), Stop()) as session:
            session.start()
            with pytest.raises(KeyboardInterrupt):
                session.go(ticks("1s"))
            process = session.supervisor.children["cpu"].process
        assert process.returncode == 0

    @needs_gdb
    def test_killed(self):
        with pytest.raises(NodeFailure, match=r"^node cpu: gdb ended the run \(kill\) at tick 2\n") as caught:
            run(RTOS, Attached("stepi", "stepi", "kill"), "cpu.gdb=127.0.0.1:0")
        assert caught.value.code == 130

    def test_an_address_of_another_machine(self):
        with pytest.raises(TopologyError, match=r"gdb = '0\.0\.0\.0:1234': expected unix:PATH or 127\.0\.0\.1:PORT"):
            run(RTOS, Consoles(), "cpu.gdb=0.0.0.0:1234")

    def test_a_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            address = f"127.0.0.1:{other.getsockname()[1]}"
            with pytest.raises(TopologyError, match=f"gdb = '{address}': Address already in use; choose another port"):
                run(RTOS, Consoles(), f"cpu.gdb={address}")
