"""What statements do to the statements they refer to: annul, repair, relieve, order, open, close.

    Settled        the facts that count, and what became of each
    settle         a subject's facts, as known, to that
    OpenMark       one thing that is open, and when
    targets        what each fact is about
    annulments     which facts are taken away, and by which

An annulment takes a fact away on every day; a repair from its day on. A reference leads to the
fact it names, or through a procedure to what the procedure is about: from the refusal of an appeal
to the decision that was appealed. Most subjects have no reference, and nothing here costs them
anything. docs/policy-language.md, "Procedures". Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from credit.facts import Fact
from credit.policy import Policy, Reading
from credit.rules import Joined
from credit.timelines import Span

ReadFact: TypeAlias = tuple[Fact, Reading]


class OpenMark(NamedTuple):
    """While the span holds, the flag is set."""

    span: Span
    flag: str | None
    freezes: bool


class Settled(NamedTuple):
    """What is left once references are followed."""

    facts: Sequence[ReadFact]
    """Those that count or open and close something, in the order of the log."""
    beyond: Sequence[ReadFact]
    """Those of them that bear on anything but their own points and what they refer to; few do."""
    repaired_on: Mapping[int, date]
    """By leaf index, as the others."""
    relieved_on: Mapping[tuple[int, int], date]
    """By leaf index and the position of the relief in the policy."""
    duties: Mapping[int, Span]
    """While a duty is open."""
    touched: Set[int]
    """All of whom one of these three says something."""
    marks: Sequence[OpenMark]


_NOTHING: Mapping[int, date] = MappingProxyType({})
_NO_RELIEF: Mapping[tuple[int, int], date] = MappingProxyType({})
_NO_DUTY: Mapping[int, Span] = MappingProxyType({})
_NOBODY: Set[int] = frozenset()


def settle(policy: Policy, known: Sequence[Fact]) -> Settled:
    """From all facts below the tree size, in the order of the log.

    Raises `FactUnknown` or `FactIncomplete` for the first that is not annulled and cannot be read.
    """
    aims = targets(policy, known)
    annulled = annulments(policy, known, aims) if aims else {}
    if annulled:
        known = [fact for fact in known if fact.leaf_index not in annulled]
        aims = targets(policy, known)
    facts: list[ReadFact] = []
    for fact in known:
        reading = policy.reading(fact)
        if reading.role is not None:
            facts.append((fact, reading))
    beyond = [read for read in facts if read[1].goes_beyond]
    marks = _marks(policy, beyond)
    if not aims:
        return Settled(facts, beyond, _NOTHING, _NO_RELIEF, _NO_DUTY, _NOBODY, marks)
    return _with_targets(facts, beyond, aims, marks)


def targets(policy: Policy, known: Sequence[Fact]) -> dict[int, int]:
    """The leaf index of each fact that has a target, and that of its target."""
    referring = [fact for fact in known if fact.refers is not None]
    if not referring:
        return {}
    by_index = {fact.leaf_index: fact for fact in known}
    found: dict[int, int] = {}
    for fact in referring:
        target = _referent(by_index, fact)
        while target is not None and target.refers is not None and policy.passes_on(fact, target):
            target = _referent(by_index, target)
        if target is not None:
            found[fact.leaf_index] = target.leaf_index
    return found


def _referent(by_index: Mapping[int, Fact], fact: Fact) -> Fact | None:
    """The fact it names: one that stands before it in the log."""
    if fact.refers is None or fact.refers >= fact.leaf_index:
        return None
    return by_index.get(fact.refers)


def annulments(policy: Policy, known: Sequence[Fact], aims: Mapping[int, int]) -> dict[int, int]:
    """The leaf index of each annulled fact, and that of the newest that annuls it.

    From the newest down, so that an annulment that is annulled itself annuls nothing. `aims` are
    the targets of the facts, which come in the order of the log.
    """
    annulled: dict[int, int] = {}
    for fact in reversed(known):
        target = aims.get(fact.leaf_index)
        if target is not None and fact.leaf_index not in annulled and policy.annuls(fact):
            annulled.setdefault(target, fact.leaf_index)
    return annulled


def _with_targets(
    facts: Sequence[ReadFact],
    beyond: Sequence[ReadFact],
    aims: Mapping[int, int],
    marks: Sequence[OpenMark],
) -> Settled:
    repaired_on: dict[int, date] = {}
    relieved_on: dict[tuple[int, int], date] = {}
    ordered_on: dict[int, date] = {}
    fulfilled_on: dict[int, date] = {}
    for fact, reading in facts:
        target, day = aims.get(fact.leaf_index), fact.takes_effect_on
        if target is None or day is None:
            continue
        if reading.repairs:
            _earliest(repaired_on, target, day)
        if reading.orders:
            _earliest(ordered_on, target, day)
        if reading.fulfils:
            _earliest(fulfilled_on, target, day)
        for relief in reading.relieves:
            before = relieved_on.get((target, relief))
            relieved_on[target, relief] = day if before is None else min(before, day)
    duties = {target: Span(day, fulfilled_on.get(target)) for target, day in ordered_on.items()}
    touched = {*repaired_on, *duties, *(target for target, _ in relieved_on)}
    return Settled(facts, beyond, repaired_on, relieved_on, duties, touched, marks)


def _earliest(days: dict[int, date], target: int, day: date) -> None:
    days[target] = min(day, days.get(target, day))


def _marks(policy: Policy, facts: Sequence[ReadFact]) -> list[OpenMark]:
    opened = [(fact, at) for fact, reading in facts for at in reading.opens]
    if not opened:
        return []
    by_reference: dict[tuple[int, int], list[Fact]] = defaultdict(list)
    by_case: dict[tuple[int, str], list[Fact]] = defaultdict(list)
    for fact, reading in facts:
        for at in reading.closes:
            if fact.refers is not None:
                by_reference[at, fact.refers].append(fact)
            if fact.case is not None:
                by_case[at, fact.case].append(fact)
    marks: list[OpenMark] = []
    for fact, at in opened:
        mark = policy.marks[at]
        closing: list[Fact] = []
        if mark.joined is Joined.REFERS:
            closing += by_reference[at, fact.leaf_index]
            if fact.refers is not None:
                closing += by_reference[at, fact.refers]
        elif fact.case is not None:
            closing += by_case[at, fact.case]
        begins_on = fact.takes_effect_on
        if begins_on is None or (mark.joined is Joined.CASE and fact.case is None):
            continue
        later = [one for one in closing if one.leaf_index > fact.leaf_index]
        span = Span(begins_on, _first_day(later))
        if not span.is_empty:
            marks.append(OpenMark(span, mark.flag, mark.freezes))
    return marks


def _first_day(facts: Iterable[Fact]) -> date | None:
    days = [fact.takes_effect_on for fact in facts]
    return min((day for day in days if day is not None), default=None)
