"""Clock rules as pure code: promises, planned line changes, posted writes, the horizon.

Only the CPU node advances time. For each target it keeps a ``Promise``; the earliest tick at which
any target must be heard, or a planned line change applied, is the horizon. See docs/explanation/time.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cosim import NEVER
from cosim.messages import Answer, Changes, EffectRow
from cosim.rules import BrokenRule


class ClockError(BrokenRule):
    """A target broke its promise; the text names target, tick, what was promised and what came."""

    def __init__(self, rule: str, node: str, t: int, text: str) -> None:
        super().__init__(rule, f"{node} at tick {t}: {text}", node)


@dataclass
class Promise:
    """What one target has promised, as the CPU node knows it. All ticks are CPU clocks."""

    name: str
    next: int = 0
    plan: Changes = field(default_factory=list)
    posts: dict[tuple[int, int], list[int]] = field(default_factory=dict)  # -> [quiet, credits]
    effects: dict[int, list[EffectRow]] = field(default_factory=dict)  # by address written
    effect_rows: list[EffectRow] = field(default_factory=list)  # the same, as they were given
    outstanding: int = 0  # posted writes not yet answered
    quiet: int = NEVER  # horizon while posted writes are outstanding
    posted: bool = False  # a write was posted since the last promise

    def due(self) -> int:
        """Earliest tick at which this target matters: next planned change, promise or quiet bound."""
        due = min(self.next, self.quiet)
        return min(due, self.plan[0][0]) if self.plan else due

    def renew(self, t: int, answer: Answer) -> None:
        """Take a new promise, given at tick t. Raises ClockError when it breaks the rules or the last one."""
        if not t <= answer.next <= NEVER:
            why = "which is past; a promise is at least t" if answer.next < t else f"beyond {NEVER}, which never comes"
            raise ClockError("promise-past", self.name, t, f"promised until {answer.next}, {why}")
        last = t
        for tick, _ in answer.plan:
            if tick <= last or tick >= answer.next:
                raise ClockError(
                    "plan-order", self.name, t,
                    f"planned a line change at {tick}; expected ticks that rise between {last} and the promise "
                    f"{answer.next}",
                )  # fmt: skip
            last = tick
        soonest = min([answer.next, *(tick for tick, _ in answer.plan[:1])])
        if self.posted and soonest < self.due():
            raise ClockError(
                "posted-quiet", self.name, t,
                f"after a posted write something may change at {soonest}, but none was to before {self.due()}; give "
                "such a write an earlier quiet tick, or do not let it be posted",
            )  # fmt: skip
        self.next = answer.next
        self.plan = list(answer.plan)
        self.posts = {(a, n): [quiet, credits] for a, n, quiet, credits in answer.posts}
        if answer.effects is not self.effect_rows:
            self.effect_rows, self.effects = answer.effects, {}
            for row in answer.effects:
                self.effects.setdefault(row[0], []).append(row)
        self.quiet = NEVER
        self.posted = False

    def may_post(self, t: int, address: int, size: int, value: int = 0) -> bool:
        """Whether a write at t need not be waited for."""
        rule = self.posts.get((address, size))
        if rule is None or t >= rule[0]:
            return False
        return address not in self.effects or bool(self.effects_of(address, value))

    def effects_of(self, address: int, value: int) -> list[EffectRow]:
        """What a posted write of a value does at once."""
        return [row for row in self.effects.get(address, ()) if row[1] in (-1, value)]

    def post(self, address: int, size: int) -> bool:
        """Account for a posted write; False when the target's leases do not survive it."""
        rule = self.posts[(address, size)]
        self.outstanding += 1
        self.posted = True
        self.quiet = min(self.quiet, rule[0])
        rule[1] -= 1
        return rule[1] >= 0

    def supersede(self) -> None:
        """A question is put after the posted writes: its answer is theirs too."""
        self.outstanding = 0
        self.posted = False
        self.quiet = NEVER

    def take_planned(self, t: int) -> list[tuple[int, int]]:
        """Planned changes at or before t, removed from the plan, in tick order."""
        taken = []
        while self.plan and self.plan[0][0] <= t:
            taken.append(self.plan.pop(0))
        return taken


def horizon(promises: Iterable[Promise], *bounds: int) -> int:
    """The tick up to which the CPU may run: the least of all promises and the given bounds."""
    least = min(bounds, default=NEVER)
    for promise in promises:
        least = min(least, promise.due())
    return least


def grid_after(t: int, grid: int) -> int:
    """First multiple of ``grid`` at or after t."""
    return -(-t // grid) * grid
