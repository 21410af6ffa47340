"""Linux's own health beside the RTOS: its clocks tell virtual time, no interrupt is lost on either side, and the
console loses nothing, also under load. ``linux-ceiling``, the kernel with which the RTOS is always heard.

A lost interrupt is a rise of a line that its handler did not begin for before the next, or a character that did not
arrive. Watched: RXI0 and TUNI3 of the RTOS, RXI1 and TUNI0 of Linux.
"""

from __future__ import annotations

import random
import re

import pytest
from whole_machine import PROMPT, SPUMONE, machine

from bench.boot_latency import RESET, boot
from cosim import TICK_HZ
from cosim.image import load_elf
from cosim.topology import load
from guests.build import artefact
from guests.stages import BuildError
from launch.session import BAUD_GAP

CEILING = "linux.image=guest:linux-ceiling/vmlinux"
HANDLERS = {"RXI0": ("rtos", "serial_rx_handler"), "TUNI3": ("rtos", "tick_handler"),
            "RXI1": ("linux", "sci_receive_chars"), "TUNI0": ("linux", "sh_tmu_interrupt")}  # fmt: skip
RTOS_TICK = TICK_HZ // 200  # ticks between the RTOS's ticks
PATIENCE = 30 * TICK_HZ  # for something to appear
LOAD = "stress --cpu 1 --io 1 --vm 1 --vm-bytes 4M --timeout 10000 >/dev/null & "
FORKS = "while :; do ls -l /bin | grep -c x; done >/dev/null & "


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    try:
        artefact("linux-ceiling", "vmlinux")
        artefact("spumone", "spumone.elf")
    except BuildError as error:
        pytest.skip(str(error))


class Whole:
    """The machine in this process, Linux at its prompt."""

    def __init__(self, impl: str) -> None:
        self.m = machine(SPUMONE, CEILING, f"spumone.impl={impl}")
        self.m.look = lambda: None  # nobody else takes the console's output
        self.console = self.m._named("scif1").component
        images = {"rtos": artefact("rtos", "rtos-demo-spumone.elf"), "linux": artefact("linux-ceiling", "vmlinux")}
        symbols = {name: load_elf(path) for name, path in images.items()}
        for line, (guest, symbol) in HANDLERS.items():
            self.m.observe("latency", line=line, symbol=symbol, pc=symbols[guest].symbol(symbol))
        [job] = load(SPUMONE).guests["rtos"].deadlines
        self.m.observe("deadline", guest="rtos", symbol=job.symbol, pc=symbols["rtos"].symbol(job.symbol),
                       period=TICK_HZ // 100)  # fmt: skip
        self.until(PROMPT)
        self.output()

    def until(self, pattern: str) -> int:
        """Run until Linux's console shows the pattern; the tick at which its last character had been sent."""
        self.m.arm("scif1", pattern)
        assert self.m.go(self.m.core.tick + PATIENCE, True) == ("match", ""), f"no {pattern!r}; {self.output()[-500:]}"
        tick = self.m.matched
        self.m.arm("scif1", "")
        return tick

    def type(self, text: str) -> None:
        self.m.type("scif1", text.encode(), BAUD_GAP)

    def command(self, text: str) -> str:
        """What a shell command prints."""
        self.output()
        self.type(f"echo be''gin; {text}; echo e''nd\n")
        self.until(r"^end\r")
        return self.output().split("begin\r\n")[1].rsplit("end", 1)[0].replace("\r", "")

    def output(self) -> str:
        """What the console has sent since the last call."""
        return bytes(self.console.take_output()).decode()

    def served(self) -> dict[str, tuple[int, int]]:
        """Line to (rises that were served, rises that were not)."""
        return {row["line"]: (row["samples"], row["lost"]) for row in self.m.figures()["latency"]}


@pytest.fixture(params=["model", "firmware"])
def whole(request: pytest.FixtureRequest) -> Whole:
    return Whole(request.param)


def test_the_rtos_is_heard_while_linux_boots():
    """From Linux's first instruction on, within SPUMONE's path and some ticks; from its own entry it is not."""
    samples, end = boot(1, [CEILING])
    assert len(samples) == end["info"]["scif0"]["received"] > 250 and max(samples) < 250
    assert end["deadlines"][0]["max_late"] < 4000 and end["deadlines"][0]["misses"] == 0
    assert abs(end["interrupts"]["TUNI3"] - end["ticks"] / RTOS_TICK) <= 1
    masked, _ = boot(1, [CEILING, *RESET])
    assert max(masked) > 10 * max(samples)


def test_a_sleep_takes_its_time_and_the_clock_agrees(whole):
    """Within 0.1 %, the start of the processes and the console's characters included."""
    whole.type("date +%s; echo fr''om; sleep 10; echo t''o; date +%s; echo do''ne\n")
    ticks = -whole.until(r"^from\r") + whole.until(r"^to\r")
    whole.until(r"^done\r")
    assert 10 * TICK_HZ <= ticks < 10.01 * TICK_HZ
    before, after = re.findall(r"^(\d+)\r$", whole.output(), re.M)
    assert int(after) - int(before) == 10


def uptime(whole: Whole) -> float:
    """Seconds that Linux says it is up."""
    return float(whole.command("cat /proc/uptime").split()[0])


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.long)])
def test_under_load_nothing_is_lost(whole, seconds):
    whole.type(LOAD + FORKS + "\n")
    whole.until(r"\$ $")
    whole.m.go(whole.m.core.tick + TICK_HZ // 4)
    up, start = uptime(whole), whole.m.core.tick
    before, taken = whole.served(), dict(whole.m.figures()["interrupts"])
    rng, tick, entries = random.Random(1), whole.m.core.tick, []
    while (tick := tick + rng.randint(TICK_HZ // 5000, TICK_HZ // 500)) < start + seconds * TICK_HZ:
        entries.append((tick, rng.randrange(0x20, 0x7F)))
    whole.m.input("scif0", entries)
    text = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") + (k % 64 == 63) * "\n" for k in range(4000)) + "\n"
    whole.type("cat >/tmp/x\n" + text + "\4")
    whole.m.go(start + seconds * TICK_HZ + TICK_HZ // 100)
    assert whole.command("cat /tmp/x") == text

    length = whole.m.core.tick - start
    after = whole.served()
    gained = {line: after[line][0] - before[line][0] for line in HANDLERS}
    assert {line: lost for line, (_, lost) in after.items()} == dict.fromkeys(HANDLERS, 0)
    assert gained["RXI0"] == len(entries) and whole.m.figures()["interrupts"]["RXI0"] == len(entries)
    assert gained["TUNI3"] == whole.m.figures()["interrupts"]["TUNI3"] - taken["TUNI3"]
    assert abs(gained["TUNI3"] - length / RTOS_TICK) <= 1
    assert gained["TUNI0"] >= 99 * length // TICK_HZ  # 100 a second, as Linux is never idle
    for port in ("scif0", "scif1"):
        assert whole.m._named(port).component.counts["overruns"] == 0
    [job] = whole.m.figures()["deadlines"]
    assert job["misses"] == 0 and job["max_late"] < 4000  # 10 us
    # A command takes some turns of the scheduler until it has been read, run and printed.
    assert abs(uptime(whole) - up - (whole.m.core.tick - start) / TICK_HZ) < 0.2
    assert whole.command("dmesg | grep -ciE 'warn|bug|stall|overrun|lost'; grep ERR /proc/interrupts").split() == [
        "0", "ERR:", "0"]  # fmt: skip


@pytest.mark.parametrize("seconds", [20, pytest.param(3600, marks=pytest.mark.long)])
def test_idle_for_long(whole, seconds):
    """Linux's 32-bit timer wraps every 515 s, its jiffies at 300 s."""
    tick, up = whole.m.core.tick, uptime(whole)
    whole.m.go(whole.m.core.tick + seconds * TICK_HZ)
    [job] = whole.m.figures()["deadlines"]
    passed = (whole.m.core.tick - tick) / TICK_HZ
    assert abs(uptime(whole) - up - passed) < 0.001 * seconds
    assert (job["misses"], job["max_late"] < 4000) == (0, True)
    assert {lost for _, lost in whole.served().values()} == {0}
    assert whole.m.figures()["vcpus"]["linux"]["idle"] > 0.98 * whole.m.core.tick


ALONE = """
nodes.cpu = { role = "cpu" }
nodes.intc = { role = "intc" }
nodes.tmu = { role = "tmu" }
nodes.scif1 = { role = "scif", channel = 1, port = "linux" }
nodes.cpg = { role = "cpg" }
nodes.bsc = { role = "bsc" }

[guests.linux]
image = "guest:linux-bare/vmlinux"
memory = [0x08000000, 0x06000000]
lines = ["ERI1", "RXI1", "BRI1", "TXI1", "TUNI0", "TUNI1", "TUNI2"]
cmdline = "console=ttySC1,115200 quiet"
"""


@pytest.mark.long
def test_linux_alone_for_a_day(tmp_path):
    """With the RTOS, all of whose 200 ticks a second are served, a day takes over an hour: an hour of it is above."""
    (tmp_path / "alone.toml").write_text(ALONE)
    m = machine(tmp_path / "alone.toml")
    m.look = lambda: None
    console = m._named("scif1").component
    m.arm("scif1", PROMPT)
    assert m.go(PATIENCE, True) == ("match", "")
    for hour in range(1, 25):
        m.go((hour * 3600 + 1) * TICK_HZ)
        m.syncs.clear()  # 100 a second
    console.take_output()
    m.type("scif1", b"date; cat /proc/uptime; dmesg | grep -ciE 'warn|bug|stall'; echo e''nd\n", BAUD_GAP)
    m.arm("scif1", r"^end\r")
    assert m.go(m.core.tick + PATIENCE, True) == ("match", "")
    date, up, complaints = bytes(console.take_output()).decode().split("\r\nend\r")[0].splitlines()[-3:]
    assert (date, complaints) == ("Fri Jan  2 00:00:00 UTC 1970", "0")
    assert abs(float(up.split()[0]) - m.core.tick / TICK_HZ) < 0.1
