"""What changes from day to day, as the days on which it changes.

    Span       days on which something holds: the first, and the first on which it is over
    Level      a number that changes on some days
    Toggle     a truth that changes on some days; NEVER, ALWAYS; all_of several
    effect_of  the day on which a fact takes effect that a policy has read
    months_of  from the effect of a fact to the end of its months
    tallied    how many acts there are, of facts that begin, end, and break the run
    within_ratio   whether one sum over facts is small beside another
    covered    whether any of some spans holds

Between two of its turns nothing changes, so that a history is walked from turn to turn and never
from day to day. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeAlias

from credit.calendar import add_months, day_after
from credit.facts import Fact

Act: TypeAlias = str | int

_begins_on = attrgetter("begins_on")


class Span(NamedTuple):
    """From one day up to, and not with, another; None is without end as far as is known."""

    begins_on: date
    over_on: date | None

    def holds(self, day: date) -> bool:
        """Whether the day is inside."""
        return self.begins_on <= day and (self.over_on is None or day < self.over_on)

    @property
    def is_empty(self) -> bool:
        """Whether no day is inside."""
        return self.over_on is not None and self.over_on <= self.begins_on

    @property
    def turns(self) -> tuple[date, ...]:
        """The first day inside, and the first after it."""
        return (self.begins_on,) if self.over_on is None else (self.begins_on, self.over_on)


class Level(NamedTuple):
    """0 at first; on each of its days it becomes another number."""

    days: tuple[date, ...] = ()
    values: tuple[int, ...] = ()

    def on(self, day: date) -> int:
        """The number on a day."""
        at = bisect_right(self.days, day)
        return self.values[at - 1] if at else 0

    def mapped(self, value: Callable[[int], int]) -> Level:
        """Another number made of each; it is 0 of 0."""
        return Level(self.days, tuple([value(one) for one in self.values]))

    def toggle(self, holds: Callable[[int], bool]) -> Toggle:
        """When it is such a number."""
        is_held = initial = holds(0)
        turns: list[date] = []
        for day, value in zip(self.days, self.values, strict=True):
            if holds(value) != is_held:
                is_held = not is_held
                turns.append(day)
        return Toggle(initial, tuple(turns))


class Toggle(NamedTuple):
    """A truth at first, and the days on which it changes."""

    initial: bool
    turns: tuple[date, ...] = ()

    def on(self, day: date) -> bool:
        """The truth on a day."""
        return self.initial != (bisect_right(self.turns, day) % 2 == 1)

    def level(self, number: int) -> Level:
        """That number while it holds; it does not hold at first."""
        assert not self.initial
        return Level(self.turns, tuple([0 if at % 2 else number for at in range(len(self.turns))]))


NEVER = Toggle(initial=False)
ALWAYS = Toggle(initial=True)


def all_of(toggles: Sequence[Toggle]) -> Toggle:
    """Whether all of them hold."""
    if NEVER in toggles:
        return NEVER
    turning = [toggle for toggle in toggles if toggle.turns]
    is_held = initial = all(toggle.initial for toggle in toggles)
    turns: list[date] = []
    for day in sorted({day for toggle in turning for day in toggle.turns}):
        if all(toggle.on(day) for toggle in turning) != is_held:
            is_held = not is_held
            turns.append(day)
    return Toggle(initial, tuple(turns))


def months_of(fact: Fact, months: int) -> Span:
    """From its effect to so many months after its decision; it may be empty."""
    assert fact.decided_on is not None
    return Span(effect_of(fact), day_after(add_months(fact.decided_on, months)))


def effect_of(fact: Fact) -> date:
    """The day on which a fact takes effect that a policy has read."""
    day = fact.effective_on or fact.decided_on
    assert day is not None
    return day


def tallied(facts: Iterable[Fact], breaks: Iterable[Fact], months: int) -> Level:
    """The acts with a fact within its months and after the last fact that breaks the run."""
    # On a day what has ended goes first; then facts in their order.
    steps: list[tuple[date, int, int, Act | None]] = [
        (effect_of(fact), 1, fact.leaf_index, None) for fact in breaks
    ]
    for fact in facts:
        begins_on, over_on = span = months_of(fact, months)
        if not span.is_empty:
            steps.append((begins_on, 1, fact.leaf_index, fact.act))
            if over_on is not None:
                steps.append((over_on, 0, fact.leaf_index, fact.act))
    steps.sort(key=itemgetter(0, 1, 2))
    live: dict[int, Act] = {}
    acts: dict[Act, int] = {}
    days: list[date] = []
    values: list[int] = []
    for day, of_the_day in groupby(steps, key=itemgetter(0)):
        for _, begins, leaf_index, act in of_the_day:
            if act is None:
                live.clear()
                acts.clear()
            elif begins:
                live[leaf_index] = act
                acts[act] = acts.get(act, 0) + 1
            elif live.pop(leaf_index, None) is not None:
                acts[act] -= 1
                if not acts[act]:
                    del acts[act]
        if len(acts) != (values[-1] if values else 0):
            days.append(day)
            values.append(len(acts))
    return Level(tuple(days), tuple(values))


def within_ratio(
    facts: Iterable[Fact], months: int, *, of: str, to: str, permille_max: int
) -> Toggle:
    """Whether, over facts within their months, `of` is at most so many permille of `to`."""
    steps: list[tuple[date, int, int]] = []
    for fact in facts:
        assert fact.measures is not None
        part, whole = fact.measures[of], fact.measures[to]
        span = months_of(fact, months)
        if not span.is_empty:
            begins_on, *ended = span.turns
            steps.append((begins_on, part, whole))
            steps.extend((day, -part, -whole) for day in ended)
    steps.sort(key=itemgetter(0))
    part = whole = 0
    is_within = False
    turns: list[date] = []
    for day, of_the_day in groupby(steps, key=itemgetter(0)):
        for _, more_part, more_whole in of_the_day:
            part += more_part
            whole += more_whole
        if (whole > 0 and part * 1000 <= permille_max * whole) != is_within:
            is_within = not is_within
            turns.append(day)
    return Toggle(initial=False, turns=tuple(turns))


def covered(spans: Sequence[Span]) -> Toggle:
    """Whether any of them holds."""
    if not spans:
        return NEVER
    turns: list[date] = []
    for span in sorted(spans, key=_begins_on):
        if span.is_empty:
            continue
        begins_on, over_on = span
        if not turns or turns[-1] < begins_on:
            turns += (begins_on, begins_on)
        if over_on is None:
            return Toggle(initial=False, turns=tuple(turns[:-1]))
        turns[-1] = max(turns[-1], over_on)
    return Toggle(initial=False, turns=tuple(turns))
