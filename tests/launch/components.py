"""Components for the tests: nodes that do what no node should."""

from __future__ import annotations

import os
import time
from typing import Any

from cosim.device import Device
from cosim.messages import Advance, Read
from cosim.state import Stop
from cpu_node.node import CpuNode
from cpu_node.python_core.core import Core
from device_nodes.bsc import Bsc
from device_nodes.cpg import Cpg
from device_nodes.scif import Scif
from device_nodes.tmu import Tmu


class Silent(Device):
    """A serial device that has no options of its own."""

    ROLE = "scif"


class LineThief(Bsc):
    """Drives a line that belongs to the timers."""

    def setup(self) -> None:
        super().setup()
        self.line_names = ("TUNI0",)


class Spinning(Tmu):
    """Spins for ever once the run is at 2 ms."""

    def handle(self, t: int, body: Any) -> Any:
        while t > 800_000:
            pass
        return super().handle(t, body)


class Sleeping(Tmu):
    """Sleeps for ever once the run is at 2 ms."""

    def handle(self, t: int, body: Any) -> Any:
        if t > 800_000:
            time.sleep(1000)
        return super().handle(t, body)


class Napping(Tmu):
    """Sleeps for ever in short naps."""

    def handle(self, t: int, body: Any) -> Any:
        while t > 800_000:
            time.sleep(0.005)
        return super().handle(t, body)


class Raising(Tmu):
    """Divides by zero once the run is at 2 ms."""

    def handle(self, t: int, body: Any) -> Any:
        if t > 800_000:
            self.divide(1, 0)
        return super().handle(t, body)

    def divide(self, a: int, b: int) -> float:
        return a / b


class Exiting(Tmu):
    """Ends its process without a word to the launcher."""

    def handle(self, t: int, body: Any) -> Any:
        if t > 800_000:
            os.write(2, b"the timer has had enough\n")
            os._exit(7)
        return super().handle(t, body)


class Stuck(Scif):
    """When its promise is due, it promises the same tick again."""

    def handle(self, t: int, body: Any) -> Any:
        answer = super().handle(t, body)
        if isinstance(body, Advance) and t > 800_000:
            answer.next, answer.plan = t, []
        return answer


class Slow(Tmu):
    """Burns ten times the CPU time of an ordinary message, at least 10 ms."""

    def handle(self, t: int, body: Any) -> Any:
        end = time.process_time() + 0.01
        answer = super().handle(t, body)
        while time.process_time() < end:
            pass
        return answer


class Wordy(Scif):
    """Prints on its standard output, as a careless component does."""

    def handle(self, t: int, body: Any) -> Any:
        if isinstance(body, Advance):
            print("a careless component prints", flush=True)
        return super().handle(t, body)


class Dozing(Cpg):
    """Sleeps 10 ms before it answers a read."""

    def handle(self, t: int, body: Any) -> Any:
        if isinstance(body, Read):
            time.sleep(0.01)
        return super().handle(t, body)


class Refusing(Cpg):
    """Cannot be made."""

    def setup(self) -> None:
        raise RuntimeError("no crystal")


class WrongShiftCore(Core):
    """The Python core with one instruction wrong: from 100 ms on, SHLL2 sets the lowest bit."""

    def decode(self, word: int, pc: int, slot: bool) -> Any:
        name, flags, operation = super().decode(word, pc, slot)
        if name != "shll2":
            return name, flags, operation
        n = word >> 8 & 15

        def wrong() -> None:
            self.r[n] = self.r[n] << 2 & 0xFFFFFFFF | (self.tick > 40_000_000)

        return name, flags, wrong


class WrongShift(CpuNode):
    """A CPU node that runs it."""

    def make_core(self, kind: str, ram: tuple[int, int]) -> Core:
        return WrongShiftCore(*ram)


class BusyCore(Core):
    """Lets time pass, and burns 10 ms of CPU time with each run."""

    def run(self, until: int) -> Stop:
        end = time.process_time() + 0.01
        while time.process_time() < end:
            pass
        self.tick = max(self.tick, until)
        return Stop("horizon", self.tick, self.pc)


class OwnCore(CpuNode):
    """A CPU node that runs it: a core that knows nothing of profiles."""

    def make_core(self, kind: str, ram: tuple[int, int]) -> Core:
        return BusyCore(*ram)


class Mute(Tmu):
    """Takes questions but answers none once the run is at 2 ms; its process goes on giving signs of life."""

    def handle(self, t: int, body: Any) -> Any:
        answer = super().handle(t, body)
        return None if t > 800_000 else answer


class LongToLoad(Tmu):
    """Needs a second of CPU time to be made."""

    def setup(self) -> None:
        super().setup()
        end = time.process_time() + 1.0
        while time.process_time() < end:
            pass


class Asleep(Tmu):
    """Sleeps in its start, for ever."""

    def setup(self) -> None:
        time.sleep(1000)


SHOUT = "\x1b]0;title\x07\x1b[2J\u202e"


class Shouting(Cpg):
    """Fails with words that a terminal would obey."""

    def handle(self, t: int, body: Any) -> Any:
        raise RuntimeError(f"{SHOUT}\n{SHOUT}")


class Whispering(Cpg):
    """Says such words on its standard error, and ends."""

    def handle(self, t: int, body: Any) -> Any:
        os.write(2, f"{SHOUT}\n".encode())
        os._exit(7)
