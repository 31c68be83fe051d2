"""What a policy would do, before it is adopted: whom it regrades, and what its grades foretold.

    Plan          the candidate, the policy in force beside it, the days, and what is known
    tally_shard   plan and shard to counts: a pure map, wherever the shard is
    Tally         the counts of some subjects; `merged` those of all
    Regraded      a subject whose grade the candidate changes; Ground why the new grade is held
    judged        the counts to a back-test
    Backtest      that; `Backtest.canonical` the bytes that everybody arrives at
    Impact        grade by grade, where the subjects of one day go
    Foretold      one day: its cohorts, where the order breaks, how far the shares have drifted
    Cohort        the subjects of one grade on that day, and how many failed in the next year
    Verdict       whether a worse grade failed more often, wherever that could be judged
    drift_permille  how far the shares of the grades moved from one day to another

A *failure* is a fact that weighs under the candidate and takes effect after the day and not later
than 12 months on. Two clocks: the grade of a day is folded from facts that took effect up to it,
and all of that, failures too, is as known at one tree size, the present one of the plan. The day
on which a fact takes effect decides on which side it stands, whenever it was stated; what is
annulled below the tree size counts on neither. A subject of whom nothing that counts had taken
effect by a day is not of that day: no grade foretold anything about it.

The order holds on a day when from each grade to the next worse one the share that failed rises
strictly: a/b < c/d is a * d < c * b. A grade with fewer than GRADE_SUBJECTS_LEAST subjects is
shown and passed over, a day whose 12 months are not over is shown without failures, and a policy
under which nothing weighs, as one of the latest score, is not judged. Integers only. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from credit.calendar import add_months
from credit.errors import CreditError
from credit.facts import Fact
from credit.policy import Policy
from credit.population import Shard, known_in, refusal_about
from credit.rating import History
from credit.rules import PERMILLE, Grade
from ledger.canonical import Json, encode_known
from ledger.identity import SubjectLabel

FORETOLD_MONTHS = 12
"""After a day, in which a failure counts."""

GRADE_SUBJECTS_LEAST = 30
"""Of fewer, a single failure moves the share by more than 33 per mille."""

DRIFT_ALARM_PERMILLE = 250
"""Where users of the population stability index speak of a shift that must be explained."""

DAYS_MAX = 120
"""Ten years of months: a subject is folded once for all of them, and each day is looked up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked."""

    candidate: Policy
    in_force: Policy | None
    """None: nobody is regraded."""
    days: tuple[date, ...]
    """Rising, none after `as_of`."""
    as_of: date
    """The day of the impact, and the last of which is known whether anybody failed on it."""
    tree_size: int

    def __post_init__(self) -> None:
        assert 0 < len(self.days) <= DAYS_MAX
        assert all(day < later for day, later in pairwise(self.days))
        assert self.days[-1] <= self.as_of

    def is_over(self, day: date) -> bool:
        """Whether the months in which failures count are behind."""
        return add_months(day, FORETOLD_MONTHS) <= self.as_of


class Ground(NamedTuple):
    """One of the principal reasons of a rating."""

    leaf_index: int
    rule: str
    points: int


class Regraded(NamedTuple):
    """One subject whose grade is another under the candidate."""

    subject: SubjectLabel
    old: Grade
    new: Grade
    grounds: tuple[Ground, ...]
    """Of the new rating, heaviest first, as many as an answer shows."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of some subjects: as large as there are days and grades, but for who is regraded."""

    held: Counter[tuple[date, Grade]] = field(default_factory=Counter)
    """Subjects of a day by the grade that the candidate gives."""
    failed: Counter[tuple[date, Grade]] = field(default_factory=Counter)
    """Those of them that failed."""
    moved: Counter[tuple[Grade, Grade]] = field(default_factory=Counter)
    """All subjects by the grade in force and that of the candidate."""
    regraded: list[Regraded] = field(default_factory=list)


def tally_shard(plan: Plan, shard: Shard) -> Tally:
    """The counts of one shard. Raises `FactUnknown`, `FactIncomplete`."""
    tally = Tally()
    years = [(day, add_months(day, FORETOLD_MONTHS)) for day in plan.days]
    for subject, facts in known_in(shard.packed, plan.tree_size):
        new = _history(plan.candidate, subject, facts, plan.tree_size)
        failures = sorted({weight.begins_on for weight in new.sums.weights})
        for day, last in years:
            if new.begins_on is None or day < new.begins_on:
                continue
            cohort = (day, new.state(day).grade)
            tally.held[cohort] += 1
            at = bisect_right(failures, day)
            if at < len(failures) and failures[at] <= last:
                tally.failed[cohort] += 1
        if plan.in_force is not None:
            old = _history(plan.in_force, subject, facts, plan.tree_size)
            _compare(tally, subject, old, new, plan.as_of)
    return tally


def merged(tallies: Iterable[Tally]) -> Tally:
    """One tally of all, the same in whatever pieces and order they come."""
    whole = Tally()
    for tally in tallies:
        whole.held.update(tally.held)
        whole.failed.update(tally.failed)
        whole.moved.update(tally.moved)
        whole.regraded.extend(tally.regraded)
    whole.regraded.sort()
    return whole


class Verdict(Enum):
    """On the order of the grades."""

    HOLDS = "holds"
    BREAKS = "breaks"
    UNJUDGED = "unjudged"
    """On no day two grades had enough subjects and a year that is over."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The subjects of one grade on one day."""

    grade: Grade
    subjects: int
    failed: int | None
    """None while the year is not over."""
    is_judged: bool

    @property
    def permille(self) -> int | None:
        """The share that failed, for show: rounded down."""
        if self.failed is None or not self.subjects:
            return None
        return self.failed * PERMILLE // self.subjects


@dataclass(frozen=True, slots=True)
class Foretold:
    """One day."""

    on: date
    cohorts: tuple[Cohort, ...]
    """Of every grade, best first."""
    breaks: tuple[tuple[Grade, Grade], ...]
    """Of the judged grades, neighbours of which the worse did not fail more often."""
    drift_permille: int | None
    """From the day before it in the plan; None for the first, and where one of them has nobody."""

    @property
    def is_alarming(self) -> bool:
        """Whether the drift asks for an explanation."""
        return self.drift_permille is not None and self.drift_permille >= DRIFT_ALARM_PERMILLE


@dataclass(frozen=True, slots=True)
class Impact:
    """Everybody on one day, by the grade in force and that of the candidate."""

    old_grades: tuple[Grade, ...]
    """Best first; at the end, if it is none of them, that of a subject before its first score."""
    new_grades: tuple[Grade, ...]
    """Likewise, of the candidate."""
    moved: tuple[tuple[Grade, Grade, int], ...]
    """Old, new and how many, in their orders; those that are none are left out."""
    regraded: tuple[Regraded, ...]
    """In the order of the labels."""

    @property
    def subjects(self) -> int:
        """All of them."""
        return sum(count for _, _, count in self.moved)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a plan found."""

    plan: Plan
    impact: Impact | None
    """None where no policy is in force."""
    days: tuple[Foretold, ...]

    @property
    def breaks(self) -> tuple[tuple[date, Grade, Grade], ...]:
        """The days and neighbouring grades where the order does not hold."""
        return tuple((day.on, better, worse) for day in self.days for better, worse in day.breaks)

    @property
    def verdict(self) -> Verdict:
        """On all days together."""
        if self.breaks:
            return Verdict.BREAKS
        compared = any(sum(one.is_judged for one in day.cohorts) > 1 for day in self.days)
        return Verdict.HOLDS if compared else Verdict.UNJUDGED

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        plan = self.plan
        return encode_known(
            {
                "as_of": plan.as_of.isoformat(),
                "breaks": [
                    {"better": better, "on": on.isoformat(), "worse": worse}
                    for on, better, worse in self.breaks
                ],
                "candidate": _named(plan.candidate),
                "days": [_foretold_json(day, plan) for day in self.days],
                "impact": None if self.impact is None else _impact_json(self.impact),
                "in_force": None if plan.in_force is None else _named(plan.in_force),
                "tree_size": plan.tree_size,
                "verdict": self.verdict.value,
            }
        )


def judged(plan: Plan, tally: Tally) -> Backtest:
    """What the counts of a whole population amount to."""
    grades = plan.candidate.grades
    days: list[Foretold] = []
    before: list[int] | None = None
    for day in plan.days:
        cohorts = tuple(_cohort(plan, tally, day, grade) for grade in grades)
        counts = [cohort.subjects for cohort in cohorts]
        drift = None if before is None else drift_permille(before, counts)
        days.append(Foretold(day, cohorts, _breaks(cohorts), drift))
        before = counts
    return Backtest(plan, _impact(plan, tally), tuple(days))


def drift_permille(before: Sequence[int], after: Sequence[int]) -> int | None:
    """How far the shares p of some classes moved to q, both given as counts; None without any.

    The population stability index, the sum of (p - q) ln(p / q), with the logarithm replaced by the
    first term of its series, 2 (p - q) / (p + q): rational, never more than the index, close to it
    up to the alarm, and finite where a class was empty. Each term is rounded down to a per mille.
    """
    all_before, all_after = sum(before), sum(after)
    if not all_before or not all_after:
        return None
    drift = 0
    for one_before, one_after in zip(before, after, strict=True):
        # The shares times the same product of both sums.
        p, q = one_before * all_after, one_after * all_before
        if p or q:
            drift += 2 * PERMILLE * (p - q) ** 2 // (all_before * all_after * (p + q))
    return drift


def _history(
    policy: Policy, subject: SubjectLabel, facts: Sequence[Fact], tree_size: int
) -> History:
    try:
        return History.of(policy, facts, tree_size=tree_size)
    except CreditError as refusal:
        by = f" by {policy.name} {policy.version}"
        raise refusal_about(subject, refusal, by) from None


def _compare(tally: Tally, subject: SubjectLabel, old: History, new: History, day: date) -> None:
    move = old.state(day).grade, new.state(day).grade
    tally.moved[move] += 1
    if move[0] != move[1]:
        reasons = new.rating(day).principal_reasons
        grounds = [Ground(reason.leaf_index, reason.rule, reason.points) for reason in reasons]
        tally.regraded.append(Regraded(subject, *move, tuple(grounds)))


def _cohort(plan: Plan, tally: Tally, day: date, grade: Grade) -> Cohort:
    subjects, is_over = tally.held[day, grade], plan.is_over(day)
    return Cohort(
        grade,
        subjects,
        tally.failed[day, grade] if is_over else None,
        is_over and subjects >= GRADE_SUBJECTS_LEAST and bool(plan.candidate.points),
    )


def _breaks(cohorts: Sequence[Cohort]) -> tuple[tuple[Grade, Grade], ...]:
    breaks: list[tuple[Grade, Grade]] = []
    for better, worse in pairwise(cohort for cohort in cohorts if cohort.is_judged):
        assert better.failed is not None
        assert worse.failed is not None
        if better.failed * worse.subjects >= worse.failed * better.subjects:
            breaks.append((better.grade, worse.grade))
    return tuple(breaks)


def _impact(plan: Plan, tally: Tally) -> Impact | None:
    if plan.in_force is None:
        return None
    old_grades, new_grades = _all_grades(plan.in_force), _all_grades(plan.candidate)
    moved = [
        (old, new, tally.moved[old, new])
        for old in old_grades
        for new in new_grades
        if tally.moved[old, new]
    ]
    return Impact(old_grades, new_grades, tuple(moved), tuple(tally.regraded))


def _all_grades(policy: Policy) -> tuple[Grade, ...]:
    return tuple(dict.fromkeys((*policy.grades, policy.start.grade)))


def _named(policy: Policy) -> Json:
    return {"hash": policy.hash.hex(), "name": policy.name, "version": policy.version}


def _foretold_json(day: Foretold, plan: Plan) -> Json:
    return {
        "drift_alarm": day.is_alarming,
        "drift_permille": day.drift_permille,
        "grades": [
            {
                "failed": cohort.failed,
                "grade": cohort.grade,
                "judged": cohort.is_judged,
                "permille": cohort.permille,
                "subjects": cohort.subjects,
            }
            for cohort in day.cohorts
        ],
        "on": day.on.isoformat(),
        "over": plan.is_over(day.on),
    }


def _impact_json(impact: Impact) -> Json:
    return {
        "matrix": [{"new": new, "old": old, "subjects": count} for old, new, count in impact.moved],
        "regraded": [
            {
                "new": one.new,
                "old": one.old,
                "reasons": [
                    {
                        "leaf_index": ground.leaf_index,
                        "points": ground.points,
                        "rule": ground.rule,
                    }
                    for ground in one.grounds
                ],
                "subject": one.subject,
            }
            for one in impact.regraded
        ],
        "subjects": impact.subjects,
    }
