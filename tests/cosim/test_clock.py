"""Clock rules: promises, plans, posted writes and the horizon; and a toy device whose every line change is seen."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim import NEVER
from cosim.clock import ClockError, Promise, grid_after, horizon
from cosim.messages import Answer

TICK = st.integers(0, 1 << 40)
REGISTER = (0xFFE0000C, 1)


@st.composite
def answers(draw, least: int = 0):
    """(t, an answer that is good at t)."""
    t = draw(st.integers(least, 1 << 40))
    ticks = sorted(draw(st.sets(st.integers(t + 1, t + 10_000), max_size=5)))
    upcoming = draw(st.integers((ticks[-1] if ticks else t - 1) + 1, NEVER))
    posts = draw(st.lists(st.tuples(TICK, st.sampled_from([1, 2, 4]), TICK, st.integers(0, 20)), max_size=3))
    return t, Answer(0, 0, upcoming, [(tick, k) for k, tick in enumerate(ticks)], [], posts)


def renewed(**promise) -> Promise:
    made = Promise("tmu")
    made.renew(0, Answer(**{"value": 0, "lines": 0, "next": NEVER, **promise}))
    return made


def broken(promise: Promise, t: int, **answer) -> str:
    with pytest.raises(ClockError) as caught:
        promise.renew(t, Answer(**{"value": 0, "lines": 0, "next": NEVER, **answer}))
    words = {"which is past": "promise-past", "planned a line": "plan-order", "after a posted": "posted-quiet"}
    assert caught.value.rule in [rule for text, rule in words.items() if text in caught.value.text]
    return caught.value.text


# Promises -----------------------------------------------------------------------------------------------


def test_a_target_that_was_not_heard_yet_is_due_at_once():
    assert Promise("tmu").due() == 0


@given(answers())
def test_due_is_the_first_planned_change_or_the_promise(given_at):
    t, answer = given_at
    promise = Promise("tmu")
    promise.renew(t, answer)
    assert promise.due() == min([answer.next, *(tick for tick, _ in answer.plan)]) >= t


@given(answers(), answers())
def test_a_new_promise_replaces_the_old_one_wholly(first, second):
    promise, fresh = Promise("tmu"), Promise("tmu")
    promise.renew(*first)
    promise.renew(*second)
    fresh.renew(*second)
    assert promise == fresh


@given(answers())
def test_a_promise_keeps_no_reference_to_the_answer(given_at):
    t, answer = given_at
    plan = list(answer.plan)
    promise = Promise("tmu")
    promise.renew(t, answer)
    promise.take_planned(NEVER)
    for address, size, _, _ in answer.posts:
        promise.post(address, size)
    assert answer.plan == plan


@given(TICK, st.integers(1, 1000))
def test_a_promise_in_the_past_is_refused(t, early):
    assert broken(Promise("tmu"), t + early, next=t) == (
        f"tmu at tick {t + early}: promised until {t}, which is past; a promise is at least t"
    )


def test_a_promise_for_now_is_taken():
    promise = Promise("tmu")
    promise.renew(5, Answer(0, 0, 5))
    assert promise.due() == 5


@pytest.mark.parametrize(
    ("plan", "wrong", "last"),
    [
        ([(100, 1)], 100, 100),
        ([(99, 1)], 99, 100),
        ([(150, 1), (150, 0)], 150, 150),
        ([(150, 1), (120, 0)], 120, 150),
        ([(200, 1)], 200, 100),
        ([(150, 1), (201, 0)], 201, 150),
    ],
    ids=str,
)
def test_a_plan_out_of_order_is_refused(plan, wrong, last):
    assert broken(Promise("tmu"), 100, next=200, plan=plan) == (
        f"tmu at tick 100: planned a line change at {wrong}; "
        f"expected ticks that rise between {last} and the promise 200"
    )


@given(answers(), st.data())
def test_a_refused_promise_changes_nothing(given_at, data):
    t, answer = given_at
    promise, same = Promise("tmu"), Promise("tmu")
    promise.renew(t, answer)
    same.renew(t, answer)
    with pytest.raises(ClockError):
        promise.renew(t, Answer(0, 0, t + 5, [(t + 7, 1)]))
    assert promise == same


@given(answers(), st.lists(st.integers(0, 12_000), max_size=6))
def test_planned_changes_are_taken_once_each_in_order(given_at, steps):
    t, answer = given_at
    promise = Promise("tmu")
    promise.renew(t, answer)
    taken = []
    for step in sorted(steps):
        now = promise.take_planned(t + step)
        assert all(tick <= t + step for tick, _ in now)
        assert promise.due() > t + step or promise.due() == promise.next
        taken += now
    taken += promise.take_planned(NEVER)
    assert taken == answer.plan


@given(answers(), st.integers(0, 12_000))
def test_taking_planned_changes_never_brings_due_nearer(given_at, step):
    t, answer = given_at
    promise = Promise("tmu")
    promise.renew(t, answer)
    before = promise.due()
    promise.take_planned(t + step)
    assert promise.due() >= before


# The horizon --------------------------------------------------------------------------------------------


@given(st.lists(answers(), max_size=5), st.lists(TICK, max_size=3))
def test_the_horizon_is_never_beyond_a_promise_a_plan_or_a_bound(given_ats, bounds):
    promises = []
    for k, (t, answer) in enumerate(given_ats):
        promises.append(Promise(f"node{k}"))
        promises[-1].renew(t, answer)
    far = horizon(promises, *bounds)
    everything = [p.next for p in promises] + [tick for p in promises for tick, _ in p.plan] + bounds
    assert all(far <= tick for tick in everything)
    assert far == min(everything, default=NEVER)


@given(st.lists(answers(), min_size=1, max_size=4), TICK)
def test_another_target_or_bound_never_moves_the_horizon_away(given_ats, bound):
    promises = []
    for t, answer in given_ats:
        promises.append(Promise("node"))
        promises[-1].renew(t, answer)
    assert horizon(promises) <= horizon(promises[1:])
    assert horizon(promises, bound) <= horizon(promises)


@given(TICK, st.integers(1, 1 << 30))
def test_the_grid_tick_is_the_first_multiple_at_or_after(t, grid):
    at = grid_after(t, grid)
    assert at % grid == 0 and t <= at < t + grid


@given(TICK, TICK, st.integers(1, 1 << 30))
def test_the_grid_never_falls(a, b, grid):
    assert (grid_after(a, grid) <= grid_after(b, grid)) or a > b


# Posted writes --------------------------------------------------------------------------------------------


def test_only_declared_registers_of_that_width_before_the_quiet_tick_are_posted():
    promise = renewed(posts=[(*REGISTER, 500, 2)])
    assert promise.may_post(499, *REGISTER)
    assert not promise.may_post(500, *REGISTER)
    assert not promise.may_post(10, REGISTER[0], 2)
    assert not promise.may_post(10, REGISTER[0] + 4, 1)


def test_credits_say_how_many_posted_writes_the_leases_survive():
    promise = renewed(posts=[(*REGISTER, 500, 2)])
    assert [promise.post(*REGISTER) for _ in range(4)] == [True, True, False, False]
    assert promise.outstanding == 4


def test_without_credit_the_first_posted_write_ends_the_leases():
    assert not renewed(posts=[(*REGISTER, 500, 0)]).post(*REGISTER)


@given(st.lists(st.sampled_from([(1, 300), (2, 200), (3, NEVER)]), min_size=1), st.integers(100, NEVER))
def test_while_posted_writes_are_out_the_horizon_is_their_least_quiet_tick(writes, upcoming):
    rows = [(address, 4, quiet, 0) for address, quiet in [(1, 300), (2, 200), (3, NEVER)]]
    promise = renewed(next=upcoming, posts=rows)
    for address, _ in writes:
        promise.post(address, 4)
    least = min(quiet for _, quiet in writes)
    assert promise.due() == min(least, upcoming) == horizon([promise])


def test_a_new_promise_ends_the_quiet_bound_and_renews_the_credits():
    promise = renewed(posts=[(*REGISTER, 500, 1)])
    promise.post(*REGISTER)
    promise.renew(7, Answer(0, 0, 900, [], [], [(*REGISTER, 800, 1)]))
    assert promise.due() == 900
    assert promise.post(*REGISTER)
    assert promise.due() == 800


@pytest.mark.parametrize(
    ("answer", "soonest"),
    [({"next": 400}, 400), ({"next": 600, "plan": [(499, 1)]}, 499), ({"next": 10}, 10)],
    ids=str,
)
def test_a_posted_write_that_has_an_effect_before_its_quiet_tick_is_refused(answer, soonest):
    promise = renewed(posts=[(*REGISTER, 500, 1)])
    promise.post(*REGISTER)
    assert broken(promise, 10, **answer) == (
        f"tmu at tick 10: after a posted write something may change at {soonest}, but none was to before 500; "
        "give such a write an earlier quiet tick, or do not let it be posted"
    )


def test_after_a_posted_write_the_old_promise_stays_a_bound():
    promise = renewed(next=300, posts=[(*REGISTER, NEVER, 1)])
    promise.post(*REGISTER)
    assert "before 300;" in broken(promise, 10, next=299)
    promise.renew(10, Answer(0, 0, 300))
    promise.renew(11, Answer(0, 0, 12))  # not posted: a promise may shorten


# A toy device: whatever it promises and however the writes travel, the same changes at the same ticks -------


@dataclass
class Toy:
    """One line. Its own schedule of toggles; a write adds one ``delay`` ticks later, posted or not."""

    seed: int
    delay: int
    talk: random.Random  # how much it tells: never what happens
    now: int = 0
    level: int = 0
    bound: int = 0  # what it said last: a write that may be posted makes nothing due before this
    schedule: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        ticks = random.Random(self.seed)
        self.schedule = sorted({ticks.randrange(1, 5000) for _ in range(ticks.randrange(40))})

    def handle(self, t: int, write: bool = False) -> Answer:
        assert t >= self.now
        while self.schedule and self.schedule[0] <= t:
            self.schedule.pop(0)
            self.level ^= 1
        self.now = t
        if write and t + self.delay not in self.schedule:
            self.schedule = sorted([*self.schedule, t + self.delay])
        planned = self.schedule[: self.talk.randrange(4)]
        rest = self.schedule[len(planned) :]
        upcoming = rest[0] if rest else NEVER
        if upcoming > self.now + 1 and self.talk.random() < 0.3:  # a cautious promise is good too
            low = planned[-1] if planned else self.now
            low = max(low, self.bound - 1 if write else 0)
            upcoming = self.talk.randint(low + 1, max(low + 1, min(upcoming, low + 500)))
        plan = [(tick, (self.level + k + 1) & 1) for k, tick in enumerate(planned)]
        self.bound = min([upcoming, *planned, t + self.delay])
        return Answer(0, self.level, upcoming, plan, [], [(1, 4, self.bound, 1)])


def run(device: Toy, writes: list[int], posting: bool) -> list[tuple[int, int]]:
    """Line changes (tick, level) that a CPU sees which writes at the given ticks."""
    promise, seen, level, t, answer = Promise("toy"), [], 0, 0, None

    def apply(tick: int, new: int) -> None:
        nonlocal level
        if new != level:
            level = new
            seen.append((tick, new))

    def take(tick: int, got: Answer) -> None:
        promise.renew(tick, got)
        apply(tick, got.lines)

    def collect() -> None:
        nonlocal answer
        if answer is not None:
            take(*answer)
            answer = None

    while True:
        while promise.due() <= t:
            due = promise.due()
            if answer is not None:
                collect()
            elif promise.plan and promise.plan[0][0] == due:
                for change in promise.take_planned(due):
                    apply(*change)
            else:
                take(due, device.handle(due))
        if t >= 5000:
            return seen
        if writes and writes[0] == t:
            writes.pop(0)
            if posting and promise.may_post(t, 1, 4):
                promise.post(1, 4)
                answer = (t, device.handle(t, write=True))  # it arrives whenever it likes
            else:
                collect()
                take(t, device.handle(t, write=True))
        before, t = t, horizon([promise], 5000, *writes[:1])
        assert t > before or promise.due() <= t


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(2, 300), st.sets(st.integers(0, 4999), max_size=40))
def test_line_changes_do_not_depend_on_what_is_promised_planned_or_posted(seed, delay, ticks):
    writes = sorted(ticks)
    runs = [
        run(Toy(seed, delay, random.Random(talk)), list(writes), posting)
        for talk in range(3)
        for posting in (False, True)
    ]
    assert all(seen == runs[0] for seen in runs)
    toy = Toy(seed, delay, random.Random(0))
    toggles = toy.schedule
    for t in writes:
        if t + delay not in toggles:
            toggles.append(t + delay)
    expected = [(tick, (k + 1) & 1) for k, tick in enumerate(sorted(t for t in toggles if t <= 5000))]
    assert runs[0] == expected
