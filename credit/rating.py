"""The fold from one subject's facts to its grade, in integers (reference: policy language 1).

    rate           policy and facts to the rating on a day, as the ledger knew it at a size
    History        the same, prepared once to be asked about many days
    Rating         grade, points, reasons, flags, since when, and what comes next
    Reason         one act that counts, or one red line
    Change         the next day on which the rating differs, if nothing more is stated

Two clocks. `tree_size` says what was known: facts at or beyond it do not exist. `as_of` says when:
a fact exists from the day it takes effect. Facts that are known and take effect later belong to
`next_change`, as does every decay: it is what will happen if nothing more is stated.

On a day, of each act (the facts of one case) the heaviest fact counts: its points, less decay,
divided downwards. Caps then cut what like acts weigh together within their months, earliest act
first. What is left adds up to the points. The thresholds give a grade, red lines may worsen it,
and want of evidence may withhold the best one. Nothing depends on the order of the input: ties
fall to the later end, then to the lower leaf index. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Self

from credit.calendar import add_months, day_after
from credit.facts import Fact
from credit.policy import (
    Cap,
    Evidence,
    Grade,
    Points,
    Policy,
    RedLine,
    Role,
)
from ledger.canonical import encode_known

REASONS_MAX = 4
"""Principal reasons in an answer: more than four explain less (Reg. B 1002.9, commentary)."""

_ONE_DAY = timedelta(days=1)

_LIVES_KEPT = 16_384
"""Of some 8 MB: the decisions of a population fall on the days of a few years."""

_leaf_index = attrgetter("leaf_index")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the rating is what it is."""

    leaf_index: int
    rule: str
    points: int
    """What it adds now, in centipoints. A red line adds nothing and fixes the grade."""
    points_full: int
    """What it weighed before decay and caps."""
    ends_on: date
    """The last day on which it counts."""
    case: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What the rating becomes, and the first day of it."""

    on: date
    grade: Grade
    points: int


@dataclass(frozen=True, slots=True)
class Rating:
    """A subject's credit under one policy, on one day, at one tree size."""

    grade: Grade
    points: int
    """Demerit in centipoints: the sum of the points of the reasons."""
    reasons: tuple[Reason, ...]
    """Red lines first, then acts, heaviest first. Answers show the `principal_reasons`."""
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
                "grade": self.grade,
                "next_change": None
                if change is None
                else {
                    "grade": change.grade,
                    "on": change.on.isoformat(),
                    "points": change.points,
                },
                "points": self.points,
                "reasons": [
                    {
                        "case": reason.case,
                        "ends_on": reason.ends_on.isoformat(),
                        "leaf_index": reason.leaf_index,
                        "points": reason.points,
                        "points_full": reason.points_full,
                        "rule": reason.rule,
                    }
                    for reason in self.reasons
                ],
                "since": None if self.since is None else self.since.isoformat(),
            }
        )


def rate(policy: Policy, facts: Iterable[Fact], *, as_of: date, tree_size: int) -> Rating:
    """The rating of the subject of `facts` on `as_of`, as known at `tree_size`.

    Raises `FactUnknown` or `FactIncomplete` for any known fact that the policy cannot read,
    whichever day it takes effect on.
    """
    return History.of(policy, facts, tree_size=tree_size).rating(as_of)


# Those below are tuples, made many millions of times for a population: a frozen dataclass takes
# three times as long to make.


class _Life(NamedTuple):
    """How long a decision of some day weighs how much."""

    steps: tuple[tuple[date, int], ...]
    """Until the end of which day it weighs how much."""
    ends_on: date
    turns: tuple[date, ...]
    """The first day after each step."""


class _Weight(NamedTuple):
    """One fact that weighs."""

    fact: Fact
    act: str | int
    row: Points
    begins_on: date
    life: _Life
    caps: tuple[int, ...]
    """Positions of the caps that speak of it."""

    @property
    def ends_on(self) -> date:
        return self.life.ends_on

    def on(self, day: date) -> int:
        life = self.life
        if self.begins_on <= day <= life.ends_on:
            for until, points in life.steps:
                if day <= until:
                    return points
        return 0


class _Span(NamedTuple):
    """The days on which one fact bears on a rule, both ends inside."""

    fact: Fact
    begins_on: date
    ends_on: date

    def holds(self, day: date) -> bool:
        return self.begins_on <= day <= self.ends_on


@dataclass(frozen=True, slots=True)
class _Evidenced:
    """When the acts asked for by a rule were enough: false at first, and changing on each turn."""

    rule: Evidence
    turns: tuple[date, ...]

    @classmethod
    def of(cls, rule: Evidence, facts: Iterable[Fact]) -> Self:
        steps: list[tuple[date, int, str | int]] = []
        for fact in facts:
            if rule.when.matches(fact):
                span = _span(fact, rule.months)
                if span.begins_on <= span.ends_on:
                    steps.append((span.begins_on, 1, fact.act))
                    steps.extend((turn, -1, fact.act) for turn in _after([span.ends_on]))
        if not steps:
            return cls(rule, ())
        held: Counter[str | int] = Counter()
        acts = 0
        turns: list[date] = []
        for turn, of_the_day in groupby(sorted(steps, key=_day_of_step), key=_day_of_step):
            for _, step, act in of_the_day:
                acts -= held[act] > 0
                held[act] += step
                acts += held[act] > 0
            if (acts >= rule.at_least) != (len(turns) % 2 == 1):
                turns.append(turn)
        return cls(rule, tuple(turns))

    def enough(self, day: date) -> bool:
        return bisect_right(self.turns, day) % 2 == 1


class _Counted(NamedTuple):
    """What one act adds on a day."""

    weight: _Weight
    points: int


class _Standing(NamedTuple):
    """All that must differ for a rating to have changed."""

    grade: Grade
    points: int
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """One subject's facts under one policy at one tree size, ready for any day.

    Between two of its `turns` nothing changes: a rating is piecewise constant in its day.
    """

    policy: Policy
    begins_on: date | None
    """The first day on which anything that counts is known; None if nothing is."""
    weights: tuple[_Weight, ...]
    caps: tuple[int, ...]
    """Positions of the caps that speak of some of them."""
    red_lines: tuple[tuple[RedLine, _Span], ...]
    evidence: tuple[_Evidenced, ...]
    turns: tuple[date, ...]

    @classmethod
    def of(cls, policy: Policy, facts: Iterable[Fact], *, tree_size: int) -> Self:
        """Refuses facts that the policy cannot read, the lowest leaf index first."""
        weights: list[_Weight] = []
        red_lines: list[tuple[RedLine, _Span]] = []
        favourable: list[Fact] = []
        known = [fact for fact in facts if fact.leaf_index < tree_size]
        known.sort(key=_leaf_index)
        begins_on: date | None = None
        caps: set[int] = set()
        turns: set[date] = set()
        for fact in known:
            reading = policy.reading(fact)
            if reading.role is None or reading.role is Role.SILENT:
                continue
            begins = _takes_effect_on(fact)
            if begins_on is None or begins < begins_on:
                begins_on = begins
            if reading.role is Role.FAVOURABLE:
                favourable.append(fact)
                continue
            assert reading.row is not None
            assert fact.decided_on is not None
            life = _life(fact.decided_on, reading.steps)
            weights.append(_Weight(fact, fact.act, reading.row, begins, life, reading.caps))
            turns.add(begins)
            turns.update(life.turns)
            caps.update(reading.caps)
            for line in reading.red_lines:
                span = _span(fact, line.months)
                red_lines.append((line, span))
                turns.update(_after([span.ends_on]))
        evidence = tuple([_Evidenced.of(rule, favourable) for rule in policy.evidence])
        if begins_on is not None:
            turns.add(begins_on)
        for evidenced in evidence:
            turns.update(evidenced.turns)
        return cls(
            policy=policy,
            begins_on=begins_on,
            weights=tuple(weights),
            caps=tuple(sorted(caps)),
            red_lines=tuple(red_lines),
            evidence=evidence,
            turns=tuple(sorted(turns)),
        )

    def rating(self, as_of: date) -> Rating:
        """The rating on `as_of`."""
        counted = self._counted(as_of)
        standing = self._standing(as_of, counted)
        return Rating(
            grade=standing.grade,
            points=standing.points,
            reasons=(*self._lines_crossed(as_of), *_reasons(counted)),
            flags=standing.flags,
            since=self._since(as_of, standing),
            next_change=self._next_change(as_of, standing),
        )

    def _counted(self, day: date) -> list[_Counted]:
        """The heaviest fact of each act, in the order in which they took effect, caps applied."""
        heaviest: dict[str | int, _Counted] = {}
        for weight in self.weights:
            points = weight.on(day)
            if points == 0:
                continue
            other = heaviest.get(weight.act)
            if other is None or _outweighs(weight, points, other):
                heaviest[weight.act] = _Counted(weight, points)
        counted = sorted(heaviest.values(), key=_in_order_of_effect)
        for position in self.caps:
            counted = _capped(self.policy.caps[position], position, counted)
        return counted

    def _standing(self, day: date, counted: list[_Counted]) -> _Standing:
        policy = self.policy
        if self.begins_on is None or day < self.begins_on:
            return _Standing(policy.start.grade, 0, (policy.start.flag,))
        points = sum(act.points for act in counted)
        grade = policy.grade_of(points)
        for line, span in self.red_lines:
            if span.holds(day) and policy.rank(line.grade) > policy.rank(grade):
                grade = line.grade
        flags: set[str] = set()
        for evidenced in self.evidence:
            if grade == evidenced.rule.grade and not evidenced.enough(day):
                grade = evidenced.rule.otherwise
                flags.add(evidenced.rule.flag)
        return _Standing(grade, points, tuple(sorted(flags)))

    def _lines_crossed(self, day: date) -> Iterator[Reason]:
        """One reason for each red line and act: that which lasts longest, gravest line first."""
        longest: dict[tuple[str, str | int], tuple[RedLine, _Span]] = {}
        for line, span in self.red_lines:
            if span.holds(day):
                key = (line.rule, span.fact.act)
                other = longest.get(key)
                if other is None or span.ends_on > other[1].ends_on:
                    longest[key] = (line, span)
        for line, span in sorted(
            longest.values(),
            key=lambda crossed: (
                -self.policy.rank(crossed[0].grade),
                -crossed[1].ends_on.toordinal(),
                crossed[0].rule,
                crossed[1].fact.leaf_index,
            ),
        ):
            yield Reason(span.fact.leaf_index, line.rule, 0, 0, span.ends_on, span.fact.case)

    def _on(self, day: date) -> _Standing:
        return self._standing(day, self._counted(day))

    def _since(self, as_of: date, standing: _Standing) -> date | None:
        for position in range(bisect_right(self.turns, as_of) - 1, -1, -1):
            turn = self.turns[position]
            if turn > date.min and self._on(turn - _ONE_DAY) != standing:
                return turn
        return None

    def _next_change(self, as_of: date, standing: _Standing) -> Change | None:
        for position in range(bisect_right(self.turns, as_of), len(self.turns)):
            turn = self.turns[position]
            then = self._on(turn)
            if then != standing:
                return Change(turn, then.grade, then.points)
        return None


@lru_cache(maxsize=_LIVES_KEPT)
def _life(decided_on: date, steps: tuple[tuple[int, int], ...]) -> _Life:
    ends = tuple([(add_months(decided_on, months), points) for months, points in steps])
    return _Life(ends, ends[-1][0], tuple(_after([until for until, _ in ends])))


def _span(fact: Fact, months: int) -> _Span:
    assert fact.decided_on is not None
    return _Span(fact, _takes_effect_on(fact), add_months(fact.decided_on, months))


def _outweighs(weight: _Weight, points: int, other: _Counted) -> bool:
    """Whether a later fact of an act takes the place of `other`, whose leaf index is lower."""
    if points != other.points:
        return points > other.points
    return weight.ends_on > other.weight.ends_on


def _capped(cap: Cap, position: int, counted: list[_Counted]) -> list[_Counted]:
    """Cut each act to what the acts of the cap's months before it have left of the cap.

    So in any `cap.months` that follow each other, such acts weigh at most `cap.points` together.
    """
    if sum(act.points for act in counted if position in act.weight.caps) <= cap.points:
        return counted
    window: deque[tuple[date, int]] = deque()
    within = 0
    result: list[_Counted] = []
    for act in counted:
        if position not in act.weight.caps:
            result.append(act)
            continue
        begins_on = act.weight.begins_on
        while window and window[0][0] < begins_on:
            within -= window.popleft()[1]
        points = min(act.points, cap.points - within)
        within += points
        window.append((add_months(begins_on, cap.months), points))
        result.append(_Counted(act.weight, points))
    return result


def _reasons(counted: list[_Counted]) -> Iterator[Reason]:
    """Acts that add something: most points first, then the latest, then the lowest leaf index."""
    for act in sorted(counted, key=_in_order_of_gravity):
        if act.points > 0:
            fact = act.weight.fact
            yield Reason(
                leaf_index=fact.leaf_index,
                rule=act.weight.row.rule,
                points=act.points,
                points_full=act.weight.row.points,
                ends_on=act.weight.ends_on,
                case=fact.case,
            )


def _takes_effect_on(fact: Fact) -> date:
    day = fact.takes_effect_on
    assert day is not None
    return day


def _after(last_days: Iterable[date]) -> list[date]:
    """The days on which something has ended; at the end of the calendar nothing does."""
    return [turn for turn in map(day_after, last_days) if turn is not None]


def _day_of_step(step: tuple[date, int, str | int]) -> date:
    return step[0]


def _in_order_of_effect(act: _Counted) -> tuple[date, int]:
    return act.weight.begins_on, act.weight.fact.leaf_index


def _in_order_of_gravity(act: _Counted) -> tuple[int, int, int]:
    return -act.points, -act.weight.begins_on.toordinal(), act.weight.fact.leaf_index
