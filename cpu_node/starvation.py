"""Who waits too long for a request of its own to be taken, or for the CPU. Looked at each sync, 10 ms of virtual time.

A guest may mask everything for as long as it likes, and the highest may run for ever: SPUMONE has no means against
either. Each has a defined result: a warning when it begins, with who runs and where, and one when it ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cosim import TICK_HZ
from cosim.sh7780 import LINE

READY_LIMIT = TICK_HZ  # ticks that a ready guest is without the CPU: 1 s


class Episode(NamedTuple):
    """Of a guest, since a tick; ``what`` it waits for: a line, or "" the CPU."""

    guest: str
    what: str
    since: int


class Starvation:
    """Looks at a machine (cpu_node.machine.Machine, which has a partition). ``limit``: ticks for a request."""

    def __init__(self, machine: Any, limit: int) -> None:
        self.machine, self.limit = machine, limit
        self.taken: dict[str, int] = {}  # line -> tick at which a guest entered its interrupt last
        self.left = dict.fromkeys(machine.partition.memory, 0)  # guest -> tick at which it lost the CPU last
        self.entered = dict.fromkeys(self.left, 0)
        self.look_again = dict.fromkeys(self.left, 0)  # a guest that waits of itself is not asked about at each sync
        self.episodes: dict[tuple[str, str], Episode] = {}
        self.counts = {guest: {"requests": 0, "cpu": 0, "longest_ticks": 0} for guest in self.left}

    def turn(self, before: str, after: str, tick: int) -> None:
        """The CPU goes from one guest to another; SPUMONE is none."""
        if before in self.left:
            self.left[before] = tick
        if after in self.entered:
            self.entered[after] = tick

    def look(self, tick: int) -> None:
        """Begin and end episodes."""
        late = self._late_requests(tick) + self._without_cpu(tick)
        for key, episode in list(self.episodes.items()):
            if episode not in late:
                del self.episodes[key]
                self._end(tick, episode)
        for episode in late:
            key = episode.guest, episode.what
            if key not in self.episodes:
                self.episodes[key] = episode
                self._begin(tick, episode)

    def _runs(self) -> str:
        """The guest whose turn it is; "" where all wait."""
        machine = self.machine
        if machine.firmware is not None and machine.firmware.inside:
            return "" if machine.core.sleeping else str(machine.last_guest)
        return "" if machine.idling else str(machine.vcpu)

    def _inspect(self) -> tuple[dict[str, tuple[dict[str, int], bool]], dict[str, int]]:
        """(registers, whether it is not ready) of each guest, and the levels of lines that SPUMONE holds."""
        rows, held = self.machine.inspect()
        return {name: (state, waits) for name, state, waits in rows}, {LINE[code]: level for code, _, level in held}

    def _late_requests(self, tick: int) -> list[Episode]:
        """Requests past the limit of guests that do not run, and are not kept out by themselves."""
        machine, runs = self.machine, self._runs()
        rows = []
        for line, rise in machine.asserted.items():
            guest = machine.partition.owner.get(line)
            if tick - rise > self.limit and self.taken.get(line, -1) < rise and guest is not None and guest != runs:
                rows.append((line, guest, rise))
        if not rows:
            return []
        states, held = self._inspect()
        out = []
        for line, guest, rise in sorted(rows):
            level = machine.table[line][2] if line in machine.table else 0
            level = level or held.get(line, 0)  # 0: the guest itself has masked it at the controller
            state, waits = states[guest]
            # What waits lets in what is above its IMASK. What does not had the CPU, and kept it out itself as long.
            if level > state["sr"] >> 4 & 15 if waits else level and tick - self.left[guest] > self.limit:
                out.append(Episode(guest, line, rise))
        return out

    def _without_cpu(self, tick: int) -> list[Episode]:
        """Guests that are ready, below the one that runs, for longer than READY_LIMIT."""
        runs = self._runs()
        rows = [guest for guest, left in self.left.items()
                if runs and guest != runs and tick - left > READY_LIMIT
                and ((guest, "") in self.episodes or tick >= self.look_again[guest])]  # fmt: skip
        if not rows:
            return []
        states, _ = self._inspect()
        out = []
        for guest in rows:
            if states[guest][1]:
                self.look_again[guest] = tick + READY_LIMIT
            else:
                out.append(Episode(guest, "", self.left[guest]))
        return out

    def _begin(self, tick: int, episode: Episode) -> None:
        machine, (guest, line, since) = self.machine, episode
        runs = self._runs()
        state = machine.core.state()
        sr = state["sr"]
        if runs:
            who = f"guest {runs} runs, pc 0x{state['pc']:08x}, SR.BL={sr >> 28 & 1}, SR.IMASK={sr >> 4 & 15}"
        else:
            who = "no guest runs"
        if line:
            self.counts[guest]["requests"] += 1
            text = f"guest {guest} has {line} pending since tick {since}, which nobody takes: {who}"
        else:
            self.counts[guest]["cpu"] += 1
            text = f"guest {guest} is ready and without the CPU since tick {since}: {who}, and does not idle"
        machine.report(tick, f"starvation: {text}")

    def _end(self, tick: int, episode: Episode) -> None:
        guest, line, since = episode
        end = self.taken.get(line, -1) if line else self.entered[guest]
        end = end if end > since else tick
        row = self.counts[guest]
        row["longest_ticks"] = max(row["longest_ticks"], end - since)
        what = f"{line} of guest {guest} is no longer pending" if line else f"guest {guest} has the CPU again"
        self.machine.report(tick, f"starvation: {what}, after {(end - since) * 1000 / TICK_HZ:.3f} ms")

    def figures(self, tick: int) -> dict[str, dict[str, int]]:
        """By guest: episodes of requests and of the CPU, and the longest; those that last count until now."""
        out = {guest: dict(row) for guest, row in self.counts.items()}
        for episode in self.episodes.values():
            row = out[episode.guest]
            row["longest_ticks"] = max(row["longest_ticks"], tick - episode.since)
        return out
