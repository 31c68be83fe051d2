"""What one fact weighs, from day to day (docs/policy-language.md, "Weight of a fact on a day").

    Step        from a day on, so many points
    Weight      a fact that weighs, its rules, and its steps
    weights_of  all facts of a subject that weigh

    floor(floor(points * relief / 1000) * decay / 1000)

A weight is 0 before its first step. Nearly every fact only decays, and facts of a population share
the days of a few years; what is relieved, repaired, or leaves a duty open is worked out day by day
of those on which it may change. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from credit.calendar import add_months, day_after
from credit.facts import Fact
from credit.policy import Policy, Reading
from credit.procedures import ReadFact, Settled
from credit.rules import PERMILLE
from credit.timelines import Act, effect_of

_LIVES_KEPT = 16_384
"""Of some 8 MB: the decisions of a population fall on the days of a few years."""

_ONE_DAY = timedelta(days=1)


class Step(NamedTuple):
    """From `begins_on` on."""

    begins_on: date
    points: int
    permille: int
    """Of the decay."""
    relief: int | None
    """Its position in the policy."""


class Weight(NamedTuple):
    """A tuple, made many millions of times for a population."""

    fact: Fact
    act: Act
    rule: str
    points_full: int
    begins_on: date
    is_lowered: bool
    caps: tuple[int, ...]
    steps: tuple[Step, ...]
    is_endless: bool
    """Whether its last step holds because a duty is open, and not because the calendar ends."""

    def on(self, day: date) -> Step | None:
        """The step of a day; None where it weighs nothing."""
        for step in reversed(self.steps):
            if step.begins_on <= day:
                return step if step.points else None
        return None

    def ends_on(self, day: date) -> date | None:
        """The last day, from one on which it weighs, of which that is so without a break."""
        for step in self.steps:
            if step.begins_on > day and not step.points:
                return step.begins_on - _ONE_DAY
        return None if self.is_endless else date.max


def weights_of(policy: Policy, settled: Settled) -> list[Weight]:
    """In the order of the log."""
    weights: list[Weight] = []
    touched = settled.touched
    for fact, reading in settled.facts:
        row = reading.row
        if row is None:
            continue
        begins_on, decided_on = effect_of(fact), fact.decided_on
        assert decided_on is not None
        if reading.is_relieved or fact.leaf_index in touched:
            steps, is_endless = _worked_out(policy, settled, fact, reading)
        else:
            steps, is_endless = _life(begins_on, decided_on, row.points, reading.decay), False
        weights.append(
            Weight(
                fact,
                fact.act,
                row.rule,
                row.points,
                begins_on,
                reading.is_lowered,
                reading.caps,
                steps,
                is_endless,
            )
        )
    return weights


@lru_cache(maxsize=_LIVES_KEPT)
def _life(
    begins_on: date, decided_on: date, points: int, decay: tuple[tuple[int, int], ...]
) -> tuple[Step, ...]:
    steps: list[Step] = []
    first: date | None = begins_on
    for months, permille in decay:
        last = add_months(decided_on, months)
        if first is not None and first <= last:
            steps.append(Step(first, points * permille // PERMILLE, permille, None))
            first = day_after(last)
    if steps and first is not None:
        steps.append(Step(first, 0, 0, None))
    return tuple(steps)


def _worked_out(
    policy: Policy,
    settled: Settled,
    fact: Fact,
    reading: Reading,
) -> tuple[tuple[Step, ...], bool]:
    row, decided_on = reading.row, fact.decided_on
    assert row is not None
    assert decided_on is not None
    begins_on = effect_of(fact)
    repaired_on = settled.repaired_on.get(fact.leaf_index)
    duty = settled.duties.get(fact.leaf_index)
    decay = [(add_months(decided_on, months), permille) for months, permille in reading.decay]
    reliefs = _reliefs(policy, settled, fact, reading)
    turns = {begins_on, *(day for day, _ in reliefs)}
    turns.update(day for day in (day_after(last) for last, _ in decay) if day is not None)
    if duty is not None:
        turns.update(duty.turns)
    if repaired_on is not None:
        turns.add(repaired_on)

    def step_on(day: date) -> Step:
        relief = min((at for since, at in reliefs if since <= day), default=None)
        permille = next((permille for last, permille in decay if day <= last), 0)
        if not permille and policy.unfulfilled and duty is not None and duty.holds(day):
            permille = policy.unfulfilled.permille
        if repaired_on is not None and repaired_on <= day:
            permille = 0
        kept = PERMILLE if relief is None else policy.reliefs[relief].permille
        return Step(day, row.points * kept // PERMILLE * permille // PERMILLE, permille, relief)

    steps: list[Step] = []
    for day in sorted(turn for turn in turns if turn >= begins_on):
        step = step_on(day)
        if not steps or step[1:] != steps[-1][1:]:
            steps.append(step)
    is_endless = duty is not None and duty.over_on is None and repaired_on is None
    return tuple(steps), is_endless


def _reliefs(
    policy: Policy, settled: Settled, fact: Fact, reading: Reading
) -> list[tuple[date, int]]:
    """Since when each relief holds that ever does."""
    found: list[tuple[date, int]] = []
    for at in reading.reliefs:
        relief = policy.reliefs[at]
        since = (
            effect_of(fact)
            if relief.needs is None
            else settled.relieved_on.get((fact.leaf_index, at))
        )
        if since is not None and _is_first(settled.facts, fact, at, relief.first_in_months):
            found.append((since, at))
    return found


def _is_first(facts: Sequence[ReadFact], fact: Fact, relief: int, months: int | None) -> bool:
    """Whether no other act had a fact of this relief within so many months before."""
    if months is None:
        return True
    begins_on = effect_of(fact)
    return not any(
        relief in reading.reliefs
        and other.act != fact.act
        and (effect_of(other), other.leaf_index) < (begins_on, fact.leaf_index)
        and add_months(effect_of(other), months) >= begins_on
        for other, reading in facts
    )
