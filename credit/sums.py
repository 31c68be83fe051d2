"""The points of a subject, from day to day: acts, caps, merits.

    Sums          of one subject
    Sums.of       from its weights and its tallies
    Sums.counted  the acts that count on a day, caps applied
    Sums.points   the sum, less what merits lower it
    Counted       one act on one day
    Merit         one item of merit over time; merits_of all of a policy

docs/policy-language.md, "Acts, caps, merits, sum". Most acts simply add up. Where a cap may cut or
merits lower, the sum is kept from turn to turn; where one cuts, the acts are gone through in their
order. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple, Self

from credit.calendar import add_months, day_after
from credit.policy import Policy
from credit.rules import Cap, RunMerit
from credit.timelines import Act, Level, Span, Toggle
from credit.weights import Step, Weight

_ONE_DAY = timedelta(days=1)
_NO_STEP = Step(date.min, 0, 0, None)

_points_of = attrgetter("points")


class Counted(NamedTuple):
    """What one act adds on a day."""

    weight: Weight
    step: Step
    points: int
    cap: int | None
    """The position of the last cap that cut it."""


class Merit(NamedTuple):
    """An item of merit."""

    rule: str
    points: Level


class Sums(NamedTuple):
    """Weights and merits of one subject."""

    weights: Sequence[Weight]
    caps: Sequence[Cap]
    """Those of the policy; none where none of them can cut."""
    cap_of_merits: int
    """By how much merits lower the sum at most."""
    merits: Sequence[Merit]
    points: Level
    rises: frozenset[date]
    """Days on which a new fact brought the sum to that of an instant downgrade."""
    watches: tuple[Span, ...]

    @classmethod
    def of(cls, policy: Policy, weights: Sequence[Weight], merits: Sequence[Merit]) -> Self:
        """Sums them up over all days."""
        caps = policy.caps if _may_cut(policy.caps, weights) else ()
        cap_of_merits = policy.merits.cap if policy.merits else 0
        if caps or merits:
            points = _points(policy.caps, cap_of_merits, weights, merits)
        else:
            points = _added_up(weights)
        rises, watches = _reached(policy, weights, points)
        return cls(weights, caps, cap_of_merits, merits, points, rises, watches)

    def counted(self, day: date) -> list[Counted]:
        """In the order of the facts."""
        heaviest: dict[Act, Counted] = {}
        for weight in self.weights:
            step = weight.on(day)
            if step is None:
                continue
            other = heaviest.get(weight.act)
            if other is None or _outweighs(day, weight, step.points, other.weight, other.points):
                heaviest[weight.act] = Counted(weight, step, step.points, None)
        return _capped(self.caps, sorted(heaviest.values(), key=_in_order))

    def lowered(self, day: date, counted: Sequence[Counted]) -> int:
        """By how much merits lower the sum of these, which count on that day."""
        if not self.merits:
            return 0
        return _lowered(self.cap_of_merits, self.merits, day, _sum_of(counted)[1])


def merits_of(
    policy: Policy, tallies: Mapping[int, Level], standing: Mapping[int, Toggle]
) -> list[Merit]:
    """The items that ever give something, in the order of the policy.

    `tallies` and `standing` are those of the subject, by their positions in the policy.
    """
    merits: list[Merit] = []
    if policy.merits is None or not (tallies or standing):
        return merits
    for item, place in zip(policy.merits.items, policy.merit_places, strict=True):
        level = Level()
        if isinstance(item, RunMerit):
            if place in tallies:
                level = tallies[place].mapped(_points_of_run(item))
        elif place in standing:
            level = standing[place].level(item.points)
        if any(level.values):
            merits.append(Merit(item.rule, level))
    return merits


def _points_of_run(item: RunMerit) -> Callable[[int], int]:
    return lambda acts: min(item.cap, acts // item.each * item.points)


def _may_cut(caps: Sequence[Cap], weights: Sequence[Weight]) -> bool:
    """Whether on some day the acts of a cap may weigh more than it; of most subjects, never."""
    by_cap = [0] * len(caps)
    for weight in weights:
        for cap in weight.caps:
            by_cap[cap] += weight.points_full
            if by_cap[cap] > caps[cap].points:
                return True
    return False


def _added_up(weights: Sequence[Weight]) -> Level:
    """The sum where no cap cuts and no merit lowers. Written for speed: it is so of nearly all."""
    lives: dict[Act, list[tuple[Step, ...]]] = {}
    for weight in weights:
        of_act = lives.get(weight.act)
        if of_act is None:
            lives[weight.act] = [weight.steps]
        elif weight.steps != of_act[-1]:
            # What is found wrong with one consignment on one day mostly weighs the same.
            of_act.append(weight.steps)
    changes: dict[date, int] = {}
    for of_act in lives.values():
        before = 0
        for day, points, _, _ in of_act[0] if len(of_act) == 1 else _heaviest(of_act):
            changes[day] = changes.get(day, 0) + points - before
            before = points
    summed = 0
    days: list[date] = []
    values: list[int] = []
    for day in sorted(changes):
        change = changes[day]
        if change:
            summed += change
            days.append(day)
            values.append(summed)
    return Level(tuple(days), tuple(values))


def _heaviest(lives: Sequence[Sequence[Step]]) -> Iterator[Step]:
    """That of the heaviest of several facts, from each day on which one takes a step."""
    turns = [(step.begins_on, at, step) for at, life in enumerate(lives) for step in life]
    turns.sort()
    now = [_NO_STEP] * len(lives)
    for day, of_the_day in groupby(turns, key=itemgetter(0)):
        for _, at, step in of_the_day:
            now[at] = step
        yield max(now, key=_points_of)._replace(begins_on=day)


def _points(
    caps: Sequence[Cap], cap_of_merits: int, weights: Sequence[Weight], merits: Sequence[Merit]
) -> Level:
    """From turn to turn, what changes is weighed again."""
    turns: list[tuple[date, int, Step | None]] = [
        (step.begins_on, at, step) for at, weight in enumerate(weights) for step in weight.steps
    ]
    if merits:
        turns += [(day, -1, None) for day in {day for one in merits for day in one.points.days}]
    turns.sort()
    acts = _Acts(weights)
    by_cap = [0] * len(caps)
    adds, shared = acts.adds, acts.shared
    fixed = lowerable = at_turn = 0
    days: list[date] = []
    values: list[int] = []
    points = 0
    count = len(turns)
    while at_turn < count:
        day = turns[at_turn][0]
        changes: list[tuple[int, int]] = []
        while at_turn < count and turns[at_turn][0] == day:
            _, at, step = turns[at_turn]
            at_turn += 1
            if step is None:
                continue
            acts.taken[at] = step
            if at in shared:
                acts.changed.add(weights[at].act)
            else:
                changes.append((at, step.points))
        if acts.changed:
            changes += acts.weighed(day)
        for at, adding in changes:
            more = adding - adds[at]
            if more:
                adds[at] = adding
                if weights[at].is_lowered:
                    lowerable += more
                else:
                    fixed += more
                for cap in weights[at].caps:
                    by_cap[cap] += more
        summed = fixed + lowerable
        can_be_lowered = lowerable
        for cap, in_all in enumerate(by_cap):
            if in_all > caps[cap].points:
                summed, can_be_lowered = _sum_of(_capped(caps, acts.counted()))
                break
        if merits:
            summed -= _lowered(cap_of_merits, merits, day, can_be_lowered)
        if summed != points:
            points = summed
            days.append(day)
            values.append(points)
    return Level(tuple(days), tuple(values))


class _Acts:
    """What each fact adds. Nearly every act has one fact; of the others the heaviest counts."""

    def __init__(self, weights: Sequence[Weight]) -> None:
        self._weights = weights
        self._members: dict[Act, list[int]] = {}
        for at, weight in enumerate(weights):
            self._members.setdefault(weight.act, []).append(at)
        self.shared: set[int] = set()
        """Facts that are not alone in their act."""
        if len(self._members) < len(weights):
            for members in self._members.values():
                if len(members) > 1:
                    self.shared.update(members)
        self.taken: list[Step | None] = [None] * len(weights)
        self.adds = [0] * len(weights)
        self.changed: set[Act] = set()
        """Acts of several facts of which one took a step since they were weighed."""

    def weighed(self, day: date) -> list[tuple[int, int]]:
        """What each fact of the acts that changed adds on a day."""
        changes: list[tuple[int, int]] = []
        for act in self.changed:
            heaviest, most = -1, 0
            for at in self._members[act]:
                step = self.taken[at]
                if step is None or not step.points:
                    continue
                if heaviest < 0 or _outweighs(
                    day, self._weights[at], step.points, self._weights[heaviest], most
                ):
                    heaviest, most = at, step.points
            changes += [(at, most if at == heaviest else 0) for at in self._members[act]]
        self.changed.clear()
        return changes

    def counted(self) -> list[Counted]:
        """The acts that count now, in the order of the facts."""
        found = [
            Counted(weight, step, points, None)
            for weight, step, points in zip(self._weights, self.taken, self.adds, strict=True)
            if points and step is not None
        ]
        return sorted(found, key=_in_order)


def _outweighs(day: date, weight: Weight, points: int, other: Weight, its_points: int) -> bool:
    """Whether a later fact of an act takes the place of another, whose leaf index is lower."""
    if points != its_points:
        return points > its_points
    ends_on, its_end = weight.ends_on(day), other.ends_on(day)
    return its_end is not None and (ends_on is None or ends_on > its_end)


def _capped(caps: Sequence[Cap], counted: list[Counted]) -> list[Counted]:
    for position, cap in enumerate(caps):
        counted = _cut(cap, position, counted)
    return counted


def _cut(cap: Cap, position: int, counted: list[Counted]) -> list[Counted]:
    """Cut each act to what the acts of the cap's months before it have left of the cap.

    So in any `cap.months` that follow each other, such acts weigh at most `cap.points` together.
    """
    if sum(act.points for act in counted if position in act.weight.caps) <= cap.points:
        return counted
    window: deque[tuple[date, int]] = deque()
    within = 0
    result: list[Counted] = []
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
        is_cut = points < act.points
        result.append(act._replace(points=points, cap=position) if is_cut else act)
    return result


def _sum_of(counted: Iterable[Counted]) -> tuple[int, int]:
    """All that they add, and how much of it merits may lower."""
    summed = lowerable = 0
    for act in counted:
        summed += act.points
        if act.weight.is_lowered:
            lowerable += act.points
    return summed, lowerable


def _lowered(cap: int, merits: Sequence[Merit], day: date, lowerable: int) -> int:
    return min(lowerable, cap, sum(merit.points.on(day) for merit in merits))


def _reached(
    policy: Policy, weights: Sequence[Weight], points: Level
) -> tuple[frozenset[date], tuple[Span, ...]]:
    """Where a new fact found or brought the sum to that of a downgrade and of a watch."""
    downgrade, watch = policy.instant_downgrade, policy.watch
    highest = max(points.values, default=0)
    if downgrade is not None and highest < downgrade.lowest:
        downgrade = None
    if watch is not None and highest < watch.lowest:
        watch = None
    if downgrade is None and watch is None:
        return frozenset(), ()
    rises: set[date] = set()
    watches: list[Span] = []
    for day in sorted({weight.begins_on for weight in weights}):
        after = points.on(day)
        if downgrade is not None and after >= downgrade.lowest:
            before = 0 if day == date.min else points.on(day - _ONE_DAY)
            if before < downgrade.lowest:
                rises.add(day)
        if watch is not None and after >= watch.lowest:
            watches.append(Span(day, day_after(add_months(day, watch.months))))
    return frozenset(rises), tuple(watches)


def _in_order(act: Counted) -> tuple[date, int]:
    return act.weight.begins_on, act.weight.fact.leaf_index
