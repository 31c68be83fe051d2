"""The fold over one subject's facts to its grade, in integers (docs/policy-language.md).

    rate           policy and facts to the rating on a day, as the ledger knew it at a size
    History        the same, prepared once to be asked about many days
    History.path   the grades of all days, as the days on which something differs
    Rating         grade, points, reasons, flags, since when, and what comes next
    Reason         one act that counts, or one red line
    Merited        what one item of merit gives
    Change         the next day on which the rating differs, if nothing more is stated
    State          what is held from one day on

Two clocks. `tree_size` says what was known: facts at or beyond it do not exist. `as_of` says when:
a fact exists from the day it takes effect. Facts that are known and take effect later belong to
`next_change`, as does every decay: it is what will happen if nothing more is stated. What is
annulled is gone on every day: the old answer stays provable at the old tree size.

A grade falls at once and rises on days of a cycle, a step at a time; so it depends on all that
came before, and the history is walked from turn to turn. Nothing depends on the order of the
input. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from itertools import islice, pairwise
from operator import attrgetter
from typing import NamedTuple, Self

from credit.bounds import Bounds, standings_of, tallies_of
from credit.calendar import add_months, day_after
from credit.facts import Fact
from credit.policy import Policy
from credit.procedures import ReadFact, Settled, settle
from credit.rules import Grade, Movement, Role
from credit.sums import Counted, Sums, merits_of
from credit.timelines import covered, effect_of
from credit.weights import weights_of
from ledger.canonical import encode_known

REASONS_MAX = 4
"""Principal reasons in an answer: more than four explain less (Reg. B 1002.9, commentary)."""

_CYCLE_DAYS_KEPT = 16_384
"""Of some 3 MB: the days from which a population waits for the next cycle."""

_UNMARKED: tuple[tuple[str, ...], bool] = ((), False)
"""The flags of most days, and whether they freeze."""

_leaf_index = attrgetter("leaf_index")
_on = attrgetter("on")


class Reason(NamedTuple):
    """Why the rating is what it is."""

    leaf_index: int
    rule: str
    points: int
    """What it adds now, in centipoints. A red line adds nothing and fixes the grade."""
    points_full: int
    """What it weighed before reliefs, decay and caps."""
    permille: int
    """What its age leaves of it."""
    relief: str | None
    """The relief that it has."""
    cap: str | None
    """The cap that cut it."""
    ends_on: date | None
    """The last day on which it counts; None while no end is known."""
    case: str | None


class Change(NamedTuple):
    """What the rating becomes, and the first day of it."""

    on: date
    grade: Grade
    points: int


class Merited(NamedTuple):
    """What one item of merit gives, before the cap over all of them."""

    rule: str
    points: int


class Rating(NamedTuple):
    """A subject's credit under one policy, on one day, at one tree size."""

    grade: Grade
    points: int
    """Demerit in centipoints: the sum of the points of the reasons, less what merits lower it."""
    target: Grade
    """What the grade would be, but for how fast it may move."""
    held_since: date | None
    """The day on which the grade was taken; None without movement, or before it begins."""
    promotion_on: date | None
    """The first day on which the grade rises, if target and marks stay; None if it does not."""
    is_frozen: bool
    """Whether something open keeps it from rising."""
    reasons: tuple[Reason, ...]
    """Red lines first, then acts, heaviest first. Answers show the `principal_reasons`."""
    merits: tuple[Merited, ...]
    lowered: int
    """By how much merits lower the sum."""
    flags: tuple[str, ...]
    since: date | None
    """First day since which grade, points and flags are these; None if they always were."""
    next_change: Change | None

    @property
    def principal_reasons(self) -> tuple[Reason, ...]:
        """What an answer shows."""
        return self.reasons[:REASONS_MAX]

    def canonical(self) -> bytes:
        """The bytes that every implementation must arrive at."""
        change = self.next_change
        # Names and cases are of documents and statements that were within the profile.
        return encode_known(
            {
                "flags": list(self.flags),
                "frozen": self.is_frozen,
                "grade": self.grade,
                "held_since": _iso(self.held_since),
                "lowered": self.lowered,
                "merits": [{"points": one.points, "rule": one.rule} for one in self.merits],
                "next_change": None
                if change is None
                else {
                    "grade": change.grade,
                    "on": change.on.isoformat(),
                    "points": change.points,
                },
                "points": self.points,
                "promotion_on": _iso(self.promotion_on),
                "reasons": [
                    {
                        "cap": reason.cap,
                        "case": reason.case,
                        "ends_on": _iso(reason.ends_on),
                        "leaf_index": reason.leaf_index,
                        "permille": reason.permille,
                        "points": reason.points,
                        "points_full": reason.points_full,
                        "relief": reason.relief,
                        "rule": reason.rule,
                    }
                    for reason in self.reasons
                ],
                "since": _iso(self.since),
                "target": self.target,
            }
        )


class State(NamedTuple):
    """What is so from a day on. A tuple, made many millions of times for a population."""

    on: date
    grade: Grade
    points: int
    flags: tuple[str, ...]
    target: Grade
    held_since: date | None
    is_frozen: bool

    def looks_like(self, other: State) -> bool:
        """Whether a rating of one day is that of the other in what makes it differ."""
        return (
            self.points == other.points and self.grade == other.grade and self.flags == other.flags
        )


def rate(policy: Policy, facts: Iterable[Fact], *, as_of: date, tree_size: int) -> Rating:
    """The rating of the subject of `facts` on `as_of`, as known at `tree_size`.

    Raises `FactUnknown` or `FactIncomplete` for any known fact that is not annulled and that the
    policy cannot read, whichever day it takes effect on.
    """
    return History.of(policy, facts, tree_size=tree_size).rating(as_of)


class History(NamedTuple):
    """One subject's facts under one policy at one tree size, ready for any day."""

    policy: Policy
    begins_on: date | None
    """The first day on which anything that counts is known; None if nothing is."""
    sums: Sums
    bounds: Bounds
    path: Sequence[State]
    """One state for each day on which anything in it differs; the first holds from ever."""

    @classmethod
    def of(cls, policy: Policy, facts: Iterable[Fact], *, tree_size: int) -> Self:
        """Refuses facts that the policy cannot read, the lowest leaf index first."""
        known = [fact for fact in facts if fact.leaf_index < tree_size]
        known.sort(key=_leaf_index)
        settled = settle(policy, known)
        begins_on = _begin(policy, settled.facts)
        tallies = tallies_of(policy, settled.beyond)
        standings = standings_of(settled.beyond)
        merits = merits_of(policy, tallies, standings.holds)
        sums = Sums.of(policy, weights_of(policy, settled), merits)
        bounds = Bounds.of(
            policy, settled, begins_on=begins_on, tallies=tallies, standings=standings
        )
        walk = _Walk(policy, settled, begins_on, sums, bounds)
        return cls(policy, begins_on, sums, bounds, walk.states())

    def rating(self, as_of: date) -> Rating:
        """The rating on `as_of`."""
        at = self._at(as_of)
        state = self.path[at]
        counted = self.sums.counted(as_of) if self.policy.latest is None else []
        return Rating(
            grade=state.grade,
            points=state.points,
            target=state.target,
            held_since=state.held_since,
            promotion_on=self._promotion_on(as_of, state),
            is_frozen=state.is_frozen,
            reasons=(*self._lines(as_of), *self._acts(as_of, counted), *self._score(as_of)),
            merits=tuple(
                [
                    Merited(merit.rule, points)
                    for merit in self.sums.merits
                    if (points := merit.points.on(as_of))
                ]
            ),
            lowered=self.sums.lowered(as_of, counted),
            flags=state.flags,
            since=self._since(at),
            next_change=self._next_change(at),
        )

    def state(self, day: date) -> State:
        """What is held on a day."""
        return self.path[self._at(day)]

    def _at(self, day: date) -> int:
        return bisect_right(self.path, day, key=_on) - 1

    def _lines(self, day: date) -> list[Reason]:
        if not self.bounds.lines:
            return []
        return [
            Reason(
                leaf_index=line.fact.leaf_index,
                rule=line.rule.rule,
                points=0,
                points_full=0,
                permille=1000,
                relief=None,
                cap=None,
                ends_on=line.ends_on,
                case=line.fact.case,
            )
            for line in self.bounds.crossed(day)
        ]

    def _acts(self, day: date, counted: Sequence[Counted]) -> list[Reason]:
        """Acts that add something: most points first, then the latest, then the lowest index."""
        policy = self.policy
        return [
            Reason(
                leaf_index=act.weight.fact.leaf_index,
                rule=act.weight.rule,
                points=act.points,
                points_full=act.weight.points_full,
                permille=act.step.permille,
                relief=None if act.step.relief is None else policy.reliefs[act.step.relief].rule,
                cap=None if act.cap is None else policy.caps[act.cap].rule,
                ends_on=act.weight.ends_on(day),
                case=act.weight.fact.case,
            )
            for act in sorted(counted, key=_in_order_of_gravity)
            if act.points > 0
        ]

    def _score(self, day: date) -> list[Reason]:
        latest = self.policy.latest
        score = None if latest is None else self.bounds.score(day)
        if latest is None or score is None:
            return []
        return [
            Reason(
                leaf_index=score.fact.leaf_index,
                rule=latest.rule,
                points=score.points,
                points_full=score.points,
                permille=1000,
                relief=None,
                cap=None,
                ends_on=None,
                case=score.fact.case,
            )
        ]

    def _promotion_on(self, as_of: date, state: State) -> date | None:
        movement = self.policy.movement
        if (
            movement is None
            or state.held_since is None
            or state.is_frozen
            or state.target == state.grade
            or self.policy.rank(state.target) > self.policy.rank(state.grade)
        ):
            return None
        tomorrow = day_after(as_of)
        if tomorrow is None:
            return None
        stayed_on = add_months(state.held_since, movement.stay_months[state.grade])
        return _cycle_day(movement, max(tomorrow, stayed_on))

    def _since(self, at: int) -> date | None:
        path = self.path
        state = path[at]
        while at and path[at - 1].looks_like(state):
            at -= 1
        return path[at].on if at else None

    def _next_change(self, at: int) -> Change | None:
        state = self.path[at]
        for later in islice(self.path, at + 1, None):
            if not later.looks_like(state):
                return Change(later.on, later.grade, later.points)
        return None


class _Walk:
    """From turn to turn, the grade that is held."""

    def __init__(
        self,
        policy: Policy,
        settled: Settled,
        begins_on: date | None,
        sums: Sums,
        bounds: Bounds,
    ) -> None:
        self._policy = policy
        self._begins_on = begins_on
        self._marks = settled.marks
        self._bounds = bounds
        self._points = sums.points if policy.latest is None else bounds.points
        self._rises = sums.rises
        self._watched = covered(sums.watches)
        self._is_marked = bool(settled.marks or sums.watches)
        self._held = policy.rank(_first_grade(policy, settled.beyond, begins_on))
        self._since = None if policy.movement is None else begins_on
        self._states: list[State] = []

    def states(self) -> list[State]:
        """All of them, whenever anything in them differs. Written for speed."""
        policy, bounds, begins_on = self._policy, self._bounds, self._begins_on
        movement, grades = policy.movement, policy.grades
        is_free, is_marked = bounds.are_none, self._is_marked
        points, becomes = 0, dict(zip(*self._points, strict=True))
        self._put(self._before(date.min))
        for day, next_day in pairwise([*self._turns(), None]):
            assert day is not None
            if begins_on is None or day < begins_on:
                self._put(self._before(day))
                continue
            points = becomes.get(day, points)
            target, missing = (
                (policy.rank_of(points), []) if is_free else bounds.target(day, points)
            )
            flags, is_frozen = self._marked(day, missing) if is_marked or missing else _UNMARKED
            fell = self._falls(day, target)
            held, since = self._held, self._since
            now = State(day, grades[held], points, flags, grades[target], since, is_frozen)
            self._put(now)
            if target < held and not is_frozen and movement is not None:
                self._rise(movement, now, target, next_day, fell=fell)
        return self._states

    def _turns(self) -> list[date]:
        turns = {*self._points.days}
        if not self._bounds.are_none:
            turns |= self._bounds.turns
        if self._is_marked:
            turns.update(self._watched.turns)
            for mark in self._marks:
                turns.update(mark.span.turns)
        if self._begins_on is not None:
            turns.add(self._begins_on)
        return sorted(turns)

    def _before(self, day: date) -> State:
        start = self._policy.start
        flags, is_frozen = self._marked(day, [start.flag])
        return State(day, start.grade, 0, flags, start.grade, None, is_frozen)

    def _marked(self, day: date, flags: list[str]) -> tuple[tuple[str, ...], bool]:
        is_frozen = False
        if self._is_marked:
            for mark in self._marks:
                if mark.span.holds(day):
                    if mark.flag is not None:
                        flags.append(mark.flag)
                    is_frozen = is_frozen or mark.freezes
            watch = self._policy.watch
            if watch is not None and self._watched.on(day):
                flags.append(watch.flag)
        return tuple(sorted({*flags})) if len(flags) > 1 else tuple(flags), is_frozen

    def _falls(self, day: date, target: int) -> bool:
        """To the target or, where the sum has just risen so high, further; says whether."""
        policy = self._policy
        if policy.movement is None:
            self._held = target
            return False
        bound = target
        if policy.instant_downgrade is not None and day in self._rises:
            lower = self._held + policy.instant_downgrade.steps
            bound = max(target, min(lower, len(policy.grades) - 1))
        if bound <= self._held:
            return False
        self._held, self._since = bound, day
        return True

    def _rise(
        self, movement: Movement, now: State, target: int, next_day: date | None, *, fell: bool
    ) -> None:
        """Step by step, on days of the cycle before the next turn."""
        grades = self._policy.grades
        first = day_after(now.on) if fell else now.on
        while target < self._held and first is not None:
            assert self._since is not None
            stayed_on = add_months(self._since, movement.stay_months[grades[self._held]])
            first = max(first, stayed_on)
            if next_day is not None and first >= next_day:
                return
            day = _cycle_day(movement, first)
            if day is None or (next_day is not None and day >= next_day):
                return
            self._held, self._since = max(target, self._held - movement.steps), day
            self._put(
                State(
                    day, grades[self._held], now.points, now.flags, now.target, day, now.is_frozen
                )
            )
            first = day_after(day)

    def _put(self, state: State) -> None:
        states = self._states
        if states and states[-1].on == state.on:
            states.pop()
        if not states or states[-1][1:] != state[1:]:
            states.append(state)


def _begin(policy: Policy, facts: Sequence[ReadFact]) -> date | None:
    if policy.latest is not None:
        days = [effect_of(fact) for fact, reading in facts if reading.scores]
    else:
        days = [effect_of(fact) for fact, reading in facts if reading.role is not Role.SILENT]
    return min(days, default=None)


def _first_grade(policy: Policy, facts: Sequence[ReadFact], begins_on: date | None) -> Grade:
    """The grade held on the day on which a subject begins."""
    if policy.latest is not None:
        return policy.grades[-1]
    instead = [
        at
        for fact, reading in facts
        if reading.instead and fact.takes_effect_on == begins_on
        for at in reading.instead
    ]
    return policy.start.instead[min(instead)].grade if instead else policy.start.grade


@lru_cache(maxsize=_CYCLE_DAYS_KEPT)
def _days_of_cycle(first: date, cycle_month: int, cycle_day: int, cycle_months: int) -> date | None:
    year, month = first.year, first.month
    if first.day > cycle_day:
        month += 1
    while (month - cycle_month) % cycle_months:
        month += 1
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, cycle_day) if year <= date.max.year else None


def _cycle_day(movement: Movement, first: date) -> date | None:
    """The first day of the cycle that is not before `first`; None beyond the calendar."""
    return _days_of_cycle(first, movement.cycle_month, movement.cycle_day, movement.cycle_months)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _in_order_of_gravity(act: Counted) -> tuple[int, int, int]:
    return -act.points, -act.weight.begins_on.toordinal(), act.weight.fact.leaf_index
