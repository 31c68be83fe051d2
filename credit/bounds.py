"""What grade a day allows: the sum or score, red lines, requirements (the *target*).

    Bounds         of one subject, from day to day
    Bounds.target  rank and flags of a day
    Line           a red line on account of one fact, and when
    Score          the last fact that scores, from its day on
    Standings      who stands when; standings_of, standing_spans find it
    tallies_of     what is counted over months

docs/policy-language.md, "From grade to target". Ranks count from 0, the best grade. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from credit.calendar import add_months, day_after
from credit.facts import Fact
from credit.policy import Policy
from credit.procedures import ReadFact, Settled
from credit.rules import (
    Enough,
    Grade,
    KnownFor,
    Need,
    NoSuch,
    Ratio,
    RedLine,
    Requirement,
    Standing,
)
from credit.timelines import (
    ALWAYS,
    NEVER,
    Level,
    Span,
    Toggle,
    all_of,
    covered,
    effect_of,
    months_of,
    tallied,
    within_ratio,
)

_ONE_DAY = timedelta(days=1)


class Line(NamedTuple):
    """A red line that one fact crosses."""

    rule: RedLine
    fact: Fact
    span: Span

    @property
    def ends_on(self) -> date | None:
        """The last day; None while no end is known."""
        if self.span.over_on is not None:
            return self.span.over_on - _ONE_DAY
        # The months of a line end with the calendar at the latest.
        return None if self.rule.months is None else date.max


class Score(NamedTuple):
    """From `begins_on` on, until the next."""

    begins_on: date
    fact: Fact
    points: int
    grade: Grade


_begins_on = attrgetter("begins_on")


class Standings(NamedTuple):
    """Who stands when, by the positions of the policy's standings."""

    spans: Mapping[int, Sequence[tuple[Fact, Span]]]
    holds: Mapping[int, Toggle]


_NOBODY_STANDS = Standings(MappingProxyType({}), MappingProxyType({}))


class _Guard(NamedTuple):
    """A requirement over time."""

    rank: int
    otherwise: int
    flag: str | None
    met: Toggle


class Bounds(NamedTuple):
    """What grade is allowed when."""

    policy: Policy
    lines: Sequence[Line]
    guards: Sequence[_Guard]
    scores: Sequence[Score]
    """In the order of the days on which they hold; empty where acts are summed."""

    @classmethod
    def of(
        cls,
        policy: Policy,
        settled: Settled,
        *,
        begins_on: date | None,
        tallies: Mapping[int, Level],
        standings: Standings,
    ) -> Bounds:
        """Of one subject."""
        return cls(
            policy=policy,
            lines=_lines(policy, settled, standings),
            guards=[
                _Guard(
                    policy.rank(requirement.grade),
                    policy.rank(requirement.otherwise),
                    requirement.flag,
                    _all_met(requirement, places, settled, begins_on, tallies, standings),
                )
                for requirement, places in zip(policy.requirements, policy.need_places, strict=True)
            ],
            scores=_scores(policy, settled),
        )

    @property
    def are_none(self) -> bool:
        """Whether nothing but the sum says what grade is allowed, as for most subjects."""
        return self.policy.latest is None and not self.lines and not self.guards

    @property
    def turns(self) -> set[date]:
        """The days on which a target may differ, but for those of the sum."""
        turns = {score.begins_on for score in self.scores}
        for line in self.lines:
            turns.update(line.span.turns)
        for guard in self.guards:
            turns.update(guard.met.turns)
        return turns

    @property
    def points(self) -> Level:
        """The scores as a level; of use only where the last fact scores."""
        days = tuple(score.begins_on for score in self.scores)
        return Level(days, tuple(score.points for score in self.scores))

    def score(self, day: date) -> Score | None:
        """The score that holds on a day."""
        at = bisect_right(self.scores, day, key=_begins_on)
        return self.scores[at - 1] if at else None

    def target(self, day: date, points: int) -> tuple[int, list[str]]:
        """The rank that these points amount to on a day, and the flags of what was missing."""
        policy = self.policy
        if policy.latest is not None:
            score = self.score(day)
            assert score is not None
            return policy.rank(score.grade), []
        rank = policy.rank_of(points)
        for line in self.lines:
            if line.span.holds(day):
                rank = max(rank, policy.rank(line.rule.grade))
        flags: list[str] = []
        for guard in self.guards:
            if guard.rank == rank and not guard.met.on(day):
                rank = guard.otherwise
                if guard.flag is not None:
                    flags.append(guard.flag)
        return rank, flags

    def crossed(self, day: date) -> list[Line]:
        """Of each line and act, that which holds longest; worse grade first, then later end."""
        longest: dict[tuple[str, int | str], Line] = {}
        for line in self.lines:
            if line.span.holds(day):
                key = (line.rule.rule, line.fact.act)
                other = longest.get(key)
                if other is None or _end(line) > _end(other):
                    longest[key] = line
        return sorted(
            longest.values(),
            key=lambda line: (
                -self.policy.rank(line.rule.grade),
                -_end(line),
                line.rule.rule,
                line.fact.leaf_index,
            ),
        )


def tallies_of(policy: Policy, facts: Sequence[ReadFact]) -> dict[int, Level]:
    """Of each tally that some fact enters, how many acts it counts."""
    if not facts:
        return {}
    members: dict[int, list[Fact]] = defaultdict(list)
    breaks: dict[int, list[Fact]] = defaultdict(list)
    for fact, reading in facts:
        for at in reading.tallies:
            members[at].append(fact)
        for at in reading.breaks:
            breaks[at].append(fact)
    return {
        at: tallied(of_tally, breaks[at], policy.tallies[at].months)
        for at, of_tally in members.items()
    }


def standing_spans(facts: Iterable[ReadFact]) -> dict[int, Span]:
    """By leaf index, the days on which a fact is the last in effect of its kind and code."""
    groups: dict[tuple[str, str | None], list[Fact]] = defaultdict(list)
    for fact, reading in facts:
        if reading.may_stand:
            groups[fact.kind, fact.code].append(fact)
    spans: dict[int, Span] = {}
    for group in groups.values():
        group.sort(key=lambda fact: (effect_of(fact), fact.leaf_index))
        ends: list[date | None] = [effect_of(fact) for fact in group[1:]]
        for fact, over_on in zip(group, [*ends, None], strict=True):
            span = Span(effect_of(fact), over_on)
            if not span.is_empty:
                spans[fact.leaf_index] = span
    return spans


def standings_of(facts: Sequence[ReadFact]) -> Standings:
    """Who stands when, as far as the policy asks."""
    spans = standing_spans(facts) if facts else {}
    if not spans:
        return _NOBODY_STANDS
    asked: dict[int, list[tuple[Fact, Span]]] = defaultdict(list)
    for fact, reading in facts:
        span = spans.get(fact.leaf_index)
        if span is not None:
            for at in reading.standings:
                asked[at].append((fact, span))
    holds = {at: covered([span for _, span in of_one]) for at, of_one in asked.items()}
    return Standings(asked, holds)


def _all_met(
    requirement: Requirement,
    places: Sequence[int],
    settled: Settled,
    begins_on: date | None,
    tallies: Mapping[int, Level],
    standings: Standings,
) -> Toggle:
    met: list[Toggle] = []
    for need, place in zip(requirement.needs, places, strict=True):
        one = _met(need, place, settled, begins_on, tallies, standings)
        if one is NEVER:
            return NEVER
        met.append(one)
    return all_of(met)


def _met(
    need: Need,
    place: int,
    settled: Settled,
    begins_on: date | None,
    tallies: Mapping[int, Level],
    standings: Standings,
) -> Toggle:
    match need:
        case Enough(_, at_least):
            level = tallies.get(place)
            return NEVER if level is None else level.toggle(lambda acts: acts >= at_least)
        case NoSuch():
            level = tallies.get(place)
            return ALWAYS if level is None else level.toggle(lambda acts: acts == 0)
        case KnownFor(months):
            first = None if begins_on is None else day_after(add_months(begins_on, months))
            return NEVER if first is None else Toggle(initial=False, turns=(first,))
        case Ratio(tally, of, to, permille_max):
            if place not in tallies:
                return NEVER
            facts = [fact for fact, reading in settled.beyond if place in reading.tallies]
            return within_ratio(facts, tally.months, of=of, to=to, permille_max=permille_max)
        case Standing():
            return standings.holds.get(place, NEVER)


def _lines(policy: Policy, settled: Settled, standings: Standings) -> list[Line]:
    lines: list[Line] = []
    if not settled.beyond:
        return lines
    crossing: dict[int, list[Fact]] = defaultdict(list)
    for fact, reading in settled.beyond:
        for at in reading.red_lines:
            crossing[at].append(fact)
    for at in sorted(crossing):
        rule = policy.red_lines[at]
        found: Sequence[tuple[Fact, Span]]
        if rule.months is None:
            found = standings.spans.get(policy.line_places[at], ())
        else:
            found = [(fact, months_of(fact, rule.months)) for fact in crossing[at]]
        for fact, span in found:
            if not _repeats(rule, fact, crossing[at]):
                continue
            repaired_on = settled.repaired_on.get(fact.leaf_index)
            if repaired_on is not None and (span.over_on is None or repaired_on < span.over_on):
                span = Span(span.begins_on, repaired_on)
            if not span.is_empty:
                lines.append(Line(rule, fact, span))
    return lines


def _repeats(rule: RedLine, fact: Fact, others: Sequence[Fact]) -> bool:
    if rule.repeat is None:
        return True
    begins_on, months = effect_of(fact), rule.repeat.within_months
    acts = {
        other.act
        for other in others
        if (effect_of(other), other.leaf_index) <= (begins_on, fact.leaf_index)
        and add_months(effect_of(other), months) >= begins_on
    }
    return len(acts) >= rule.repeat.acts


def _scores(policy: Policy, settled: Settled) -> list[Score]:
    latest = policy.latest
    if latest is None:
        return []
    facts = [fact for fact, reading in settled.beyond if reading.scores]
    facts.sort(key=lambda fact: (effect_of(fact), fact.leaf_index))
    scores: list[Score] = []
    for fact in facts:
        measures = fact.measures or {}
        parts = [measures[name] for name in latest.measures]
        weighed = sum(
            weight * part for weight, part in zip(latest.measures.values(), parts, strict=True)
        )
        points = max(latest.floor, latest.start + weighed)
        band = next(band for band in latest.bands if band.holds(points, parts))
        if scores and scores[-1].begins_on == effect_of(fact):
            scores.pop()
        scores.append(Score(effect_of(fact), fact, points, band.grade))
    return scores


def _end(line: Line) -> int:
    """For comparison: without end is later than the calendar's last day."""
    return date.max.toordinal() + 1 if line.ends_on is None else line.ends_on.toordinal()
