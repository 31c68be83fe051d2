"""A rule of rating as data: which facts weigh, how much, how long, and what the sum amounts to.

    Policy             the whole rule; `Policy.parse` is the only way in, `hash` its name
    Role               what an outcome does: weighs, is favourable, or is silent
    Severity           how long a fact of that severity is shown and weighs, and how it decays
    Decay              one step of that: until when it weighs how much
    Condition          which facts a rule speaks of
    Points             what a fact weighs; the first row that matches decides
    Cap                the most that like facts weigh together in a number of months
    Threshold          from which sum a grade holds
    RedLine            a fact that fixes a grade, whatever the sum
    Evidence           what must be shown before a grade is given
    Start              the grade of a subject of which nothing is known
    Reading            all that the rules say of facts that no condition tells apart

The language is `xinyuan-policy/1`. Points are centipoints (100 = one point of demerit), months are
those of `credit.calendar`, periods start on the day of the decision. The parser refuses a policy
that leaves a case open: every kind has a last row without conditions, every sum has a grade, and
no rule stands where it cannot speak. The engine in `credit.rating` has no rule of its own. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import NewType, Self

from credit.document import Place
from credit.errors import (
    FactIncomplete,
    FactUnknown,
    PolicyDuplicate,
    PolicyGap,
    PolicyOrder,
    PolicyReference,
    PolicyUnreachable,
    PolicyValue,
)
from credit.facts import Fact

LANGUAGE = "xinyuan-policy/1"

MONTHS_MAX = 600
"""Fifty years: longer than any period of publicity or retention in the law."""

POINTS_MAX = 1_000_000
"""10,000 points in a row. With 2^20 facts of a subject the sum stays far below 2^53."""

PERMILLE_MAX = 1000
"""The whole weight."""

EVIDENCE_MAX = 1000
"""Acts that a rule may ask for: more than one a month over the longest period."""

Grade = NewType("Grade", str)

_READINGS_KEPT = 4_096
"""Of each policy: far more than there are kinds, codes, outcomes and severities together."""

_GRADE = re.compile(r"[A-Z0-9]{1,8}", re.ASCII)
_LANGUAGE = re.compile(re.escape(LANGUAGE))
_VERSION = re.compile(r"(?:0|[1-9][0-9]{0,4})(?:\.(?:0|[1-9][0-9]{0,4})){2}", re.ASCII)


class Role(Enum):
    """What a fact of an outcome does to its subject."""

    WEIGHS = "weighs"
    FAVOURABLE = "favourable"
    SILENT = "silent"
    """Carries nothing and is never public: a suspicion, a case dismissed."""


@dataclass(frozen=True, slots=True)
class Decay:
    """Up to the end of `months`, a fact weighs `permille` of its points."""

    months: int
    permille: int


@dataclass(frozen=True, slots=True)
class Severity:
    """A class of gravity, as the authority states it."""

    public_months: int
    weighs_months: int
    decay: tuple[Decay, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """Facts of one kind; where codes, outcomes or severities are named, only those."""

    kind: str
    codes: frozenset[str] | None
    outcomes: frozenset[str] | None
    severities: frozenset[str] | None

    def matches(self, fact: Fact) -> bool:
        """Whether the rule speaks of `fact`."""
        return (
            fact.kind == self.kind
            and (self.codes is None or fact.code in self.codes)
            and (self.outcomes is None or fact.outcome in self.outcomes)
            and (self.severities is None or fact.severity in self.severities)
        )

    def covers(self, other: Condition) -> bool:
        """Whether every fact of which `other` speaks is one of these."""
        return (
            self.kind == other.kind
            and _within(other.codes, self.codes)
            and _within(other.outcomes, self.outcomes)
            and _within(other.severities, self.severities)
        )

    @property
    def is_open(self) -> bool:
        """Whether it speaks of every fact of its kind."""
        return self.codes is None and self.outcomes is None and self.severities is None


@dataclass(frozen=True, slots=True)
class Points:
    """A row of the table of points."""

    rule: str
    when: Condition
    points: int


@dataclass(frozen=True, slots=True)
class Cap:
    """In any `months` that follow each other, such facts weigh `points` at most."""

    rule: str
    when: Condition
    months: int
    points: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """The grade holds from this sum on, up to the next threshold."""

    grade: Grade
    lowest: int


@dataclass(frozen=True, slots=True)
class RedLine:
    """For `months` since such a decision the grade is `grade` or worse."""

    rule: str
    when: Condition
    grade: Grade
    months: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """`grade` needs `at_least` such acts decided within `months`; without, it is `otherwise`."""

    rule: str
    when: Condition
    at_least: int
    months: int
    grade: Grade
    otherwise: Grade
    flag: str


@dataclass(frozen=True, slots=True)
class Start:
    """What a subject is given before anything that counts is known of it."""

    grade: Grade
    flag: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules say of facts that are alike in all that a condition asks of."""

    role: Role | None
    """As `Policy.role` has it."""
    row: Points | None
    """None unless they weigh; the rest is then empty."""
    steps: tuple[tuple[int, int], ...]
    """Up to the end of so many months, so many points."""
    caps: tuple[int, ...]
    """Positions of the caps that speak of them."""
    red_lines: tuple[RedLine, ...]


_Alike = tuple[str, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a rule of rating."""

    hash: bytes
    document: bytes
    name: str
    version: str
    effective_from: date
    severities: Mapping[str, Severity]
    outcomes: Mapping[str, Mapping[str, Role]]
    """Of each kind that counts, what its outcomes do."""
    unweighed: Mapping[str, bool]
    """Of each kind that does not count, whether it may be shown."""
    favourable_months: int
    points: Mapping[str, tuple[Points, ...]]
    """Of each kind that weighs, its rows in order; the last is open."""
    caps: tuple[Cap, ...]
    thresholds: tuple[Threshold, ...]
    """Best grade first."""
    red_lines: tuple[RedLine, ...]
    evidence: tuple[Evidence, ...]
    start: Start
    kinds_read_by_code: frozenset[str]
    """Kinds of whose code some rule asks, so that it must not be missing."""
    _readings: dict[_Alike, Reading] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was read once: a population has many facts, and few that differ here."""

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """The policy that these canonical bytes are, or a refusal that names the place."""
        root = Place.of(document).members(
            "caps",
            "effective_from",
            "evidence",
            "favourable_months",
            "grades",
            "kinds",
            "language",
            "name",
            "points",
            "red_lines",
            "severities",
            "start",
            "unweighed",
            "version",
        )
        root["language"].text(_LANGUAGE)
        severities = {name: _severity(place) for name, place in root["severities"].entries()}
        outcomes = {name: _outcomes(place) for name, place in root["kinds"].entries()}
        unweighed = {name: place.flag() for name, place in root["unweighed"].entries()}
        for name in unweighed:
            if name in outcomes:
                path = (*root["unweighed"].path, name)
                raise PolicyDuplicate(f"the kind {name!r} counts and does not count", path=path)
        thresholds = _thresholds(root["grades"])
        names = _Names(severities, outcomes, tuple(step.grade for step in thresholds))

        points = [names.points(place) for place in root["points"].items(at_least=1)]
        caps = [names.cap(place) for place in root["caps"].items()]
        red_lines = [names.red_line(place) for place in root["red_lines"].items()]
        evidence = [names.evidence(place) for place in root["evidence"].items()]
        _each_once(
            {
                "points": [row.rule for row in points],
                "caps": [cap.rule for cap in caps],
                "red_lines": [line.rule for line in red_lines],
                "evidence": [need.rule for need in evidence],
            }
        )
        _all_speak(points)
        rows = {kind: tuple(row for row in points if row.when.kind == kind) for kind in outcomes}
        for kind, of_kind in rows.items():
            if Role.WEIGHS in outcomes[kind].values() and not (
                of_kind and of_kind[-1].when.is_open
            ):
                raise PolicyGap(
                    f"{kind!r} weighs and has no last row without conditions", path=("points",)
                )
        return cls(
            hash=hashlib.sha256(document).digest(),
            document=document,
            name=root["name"].text(),
            version=root["version"].text(_VERSION),
            effective_from=root["effective_from"].day(),
            severities=severities,
            outcomes=outcomes,
            unweighed=unweighed,
            favourable_months=root["favourable_months"].integer(1, MONTHS_MAX),
            points=rows,
            caps=tuple(caps),
            thresholds=thresholds,
            red_lines=tuple(red_lines),
            evidence=tuple(evidence),
            start=names.start(root["start"]),
            kinds_read_by_code=frozenset(
                when.kind
                for when in (
                    *(row.when for row in points),
                    *(cap.when for cap in caps),
                    *(line.when for line in red_lines),
                    *(need.when for need in evidence),
                )
                if when.codes is not None
            ),
        )

    def role(self, fact: Fact) -> Role | None:
        """What `fact` does, None for a kind that does not count.

        Refuses a fact that the policy does not list, or that lacks a value the policy reads.
        """
        outcomes = self.outcomes.get(fact.kind)
        if outcomes is None:
            if fact.kind in self.unweighed:
                return None
            raise self._unknown(fact, "kind", fact.kind)
        if fact.outcome is None:
            raise self._incomplete(fact, "outcome")
        role = outcomes.get(fact.outcome)
        if role is None:
            raise self._unknown(fact, "outcome", fact.outcome)
        if role is Role.SILENT:
            return role
        if fact.decided_on is None:
            raise self._incomplete(fact, "decided_on")
        if fact.code is None and fact.kind in self.kinds_read_by_code:
            raise self._incomplete(fact, "code")
        if role is Role.WEIGHS:
            if fact.severity is None:
                raise self._incomplete(fact, "severity")
            if fact.severity not in self.severities:
                raise self._unknown(fact, "severity", fact.severity)
        return role

    def row(self, fact: Fact) -> Points:
        """The row that decides what `fact`, which weighs, weighs."""
        return next(row for row in self.points[fact.kind] if row.when.matches(fact))

    def reading(self, fact: Fact) -> Reading:
        """All that the rules say of `fact`. Refuses what `role` refuses."""
        alike = (fact.kind, fact.code, fact.outcome, fact.severity)
        reading = self._readings.get(alike)
        # The day of the decision is asked for as well, and no condition asks for it.
        if reading is None or fact.decided_on is None:
            reading = self._read(fact)
            if len(self._readings) >= _READINGS_KEPT:
                self._readings.clear()
            self._readings[alike] = reading
        return reading

    def _read(self, fact: Fact) -> Reading:
        role = self.role(fact)
        if role is not Role.WEIGHS:
            return Reading(role, None, (), (), ())
        assert fact.severity is not None
        row = self.row(fact)
        return Reading(
            role=role,
            row=row,
            steps=tuple(
                (step.months, row.points * step.permille // PERMILLE_MAX)
                for step in self.severities[fact.severity].decay
            ),
            caps=tuple(at for at, cap in enumerate(self.caps) if cap.when.matches(fact)),
            red_lines=tuple(line for line in self.red_lines if line.when.matches(fact)),
        )

    def rank(self, grade: Grade) -> int:
        """0 for the best grade, and so on."""
        return next(rank for rank, step in enumerate(self.thresholds) if step.grade == grade)

    def grade_of(self, points: int) -> Grade:
        """The grade of a sum, before red lines and evidence."""
        return next(step.grade for step in reversed(self.thresholds) if step.lowest <= points)

    def _unknown(self, fact: Fact, member: str, value: str) -> FactUnknown:
        return FactUnknown(
            f"policy {self.name} {self.version} lists no {member} {value!r}"
            + ("" if member == "kind" else f" for {fact.kind!r}"),
            path=(fact.leaf_index, member),
        )

    def _incomplete(self, fact: Fact, member: str) -> FactIncomplete:
        return FactIncomplete(
            f"a {fact.kind!r} without {member} cannot be weighed by {self.name} {self.version}",
            path=(fact.leaf_index, member),
        )


@dataclass(frozen=True, slots=True)
class _Names:
    """What the rules of a policy may refer to, and their parsers."""

    severities: Mapping[str, Severity]
    outcomes: Mapping[str, Mapping[str, Role]]
    grades: Sequence[Grade]

    def points(self, place: Place) -> Points:
        members = place.members("id", "kind", "points", optional=("code", "outcome", "severity"))
        return Points(
            rule=members["id"].text(),
            when=self.condition(members, Role.WEIGHS),
            points=members["points"].integer(0, POINTS_MAX),
        )

    def cap(self, place: Place) -> Cap:
        members = place.members("id", "months", "points", "when")
        return Cap(
            rule=members["id"].text(),
            when=self.when(members["when"], Role.WEIGHS),
            months=members["months"].integer(1, MONTHS_MAX),
            points=members["points"].integer(0, POINTS_MAX),
        )

    def red_line(self, place: Place) -> RedLine:
        members = place.members("grade", "id", "months", "when")
        return RedLine(
            rule=members["id"].text(),
            when=self.when(members["when"], Role.WEIGHS),
            grade=self.grade(members["grade"]),
            months=members["months"].integer(1, MONTHS_MAX),
        )

    def evidence(self, place: Place) -> Evidence:
        members = place.members("at_least", "flag", "grade", "id", "months", "otherwise", "when")
        grade = self.grade(members["grade"])
        otherwise = self.grade(members["otherwise"])
        if self.grades.index(otherwise) <= self.grades.index(grade):
            raise PolicyOrder(
                f"without evidence the grade must be worse than {grade}, not {otherwise}",
                path=members["otherwise"].path,
            )
        return Evidence(
            rule=members["id"].text(),
            when=self.when(members["when"], Role.FAVOURABLE),
            at_least=members["at_least"].integer(1, EVIDENCE_MAX),
            months=members["months"].integer(1, MONTHS_MAX),
            grade=grade,
            otherwise=otherwise,
            flag=members["flag"].text(),
        )

    def start(self, place: Place) -> Start:
        members = place.members("flag", "grade")
        return Start(grade=self.grade(members["grade"]), flag=members["flag"].text())

    def when(self, place: Place, role: Role) -> Condition:
        members = place.members("kind", optional=("code", "outcome", "severity"))
        return self.condition(members, role)

    def condition(self, members: Mapping[str, Place], role: Role) -> Condition:
        kind = members["kind"].text()
        if kind not in self.outcomes:
            raise PolicyReference(f"no kind {kind!r} counts here", path=members["kind"].path)
        if role not in self.outcomes[kind].values():
            raise PolicyReference(f"no outcome of {kind!r} {_is(role)}", path=members["kind"].path)
        outcomes = members["outcome"].names() if "outcome" in members else None
        severities = members["severity"].names() if "severity" in members else None
        for outcome in sorted(outcomes or ()):
            if self.outcomes[kind].get(outcome) is not role:
                raise PolicyReference(
                    f"{kind!r} has no outcome {outcome!r} that {_is(role)}",
                    path=members["outcome"].path,
                )
        for severity in sorted(severities or ()):
            if severity not in self.severities:
                raise PolicyReference(
                    f"no severity {severity!r} is listed", path=members["severity"].path
                )
        return Condition(
            kind=kind,
            codes=members["code"].names() if "code" in members else None,
            outcomes=outcomes,
            severities=severities,
        )

    def grade(self, place: Place) -> Grade:
        grade = Grade(place.text(_GRADE))
        if grade not in self.grades:
            raise PolicyReference(f"no grade {grade!r} has a threshold", path=place.path)
        return grade


def _severity(place: Place) -> Severity:
    members = place.members("decay", "public_months", "weighs_months")
    decay: list[Decay] = []
    for item in members["decay"].items(at_least=1):
        pair = item.items(at_least=2)
        if len(pair) != 2:
            raise PolicyValue("a step of decay is [months, permille]", path=item.path)
        step = Decay(pair[0].integer(1, MONTHS_MAX), pair[1].integer(1, PERMILLE_MAX))
        if decay and step.months <= decay[-1].months:
            raise PolicyOrder("months of decay must rise", path=pair[0].path)
        if decay and step.permille >= decay[-1].permille:
            raise PolicyOrder("a weight must fall with each step", path=pair[1].path)
        decay.append(step)
    weighs_months = members["weighs_months"].integer(1, MONTHS_MAX)
    if decay[-1].months != weighs_months:
        raise PolicyGap(
            f"decay ends after {decay[-1].months} months, weight after {weighs_months}",
            path=members["decay"].path,
        )
    return Severity(
        public_months=members["public_months"].integer(0, MONTHS_MAX),
        weighs_months=weighs_months,
        decay=tuple(decay),
    )


def _outcomes(place: Place) -> dict[str, Role]:
    roles = [role.value for role in Role]
    return {name: Role(inner.choice(*roles)) for name, inner in place.entries()}


def _thresholds(place: Place) -> tuple[Threshold, ...]:
    steps: list[Threshold] = []
    for item in place.items(at_least=1):
        members = item.members("from", "grade")
        step = Threshold(
            grade=Grade(members["grade"].text(_GRADE)),
            lowest=members["from"].integer(0, POINTS_MAX),
        )
        if any(step.grade == earlier.grade for earlier in steps):
            raise PolicyDuplicate(f"two thresholds for {step.grade}", path=members["grade"].path)
        if not steps and step.lowest != 0:
            raise PolicyGap("the best grade holds from 0", path=members["from"].path)
        if steps and step.lowest <= steps[-1].lowest:
            raise PolicyOrder("thresholds rise from the best grade on", path=members["from"].path)
        steps.append(step)
    return tuple(steps)


def _each_once(sections: Mapping[str, Sequence[str]]) -> None:
    """Refuse a second rule of the same name, in whichever section."""
    seen: set[str] = set()
    for section, rules in sections.items():
        for position, rule in enumerate(rules):
            if rule in seen:
                raise PolicyDuplicate(
                    f"a second rule is called {rule}", path=(section, position, "id")
                )
            seen.add(rule)


def _all_speak(rows: Sequence[Points]) -> None:
    """Refuse a row all of whose facts an earlier row takes."""
    for position, row in enumerate(rows):
        for earlier in rows[:position]:
            if earlier.when.covers(row.when):
                raise PolicyUnreachable(
                    f"{earlier.rule} takes every fact of {row.rule}", path=("points", position)
                )


def _within(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _is(role: Role) -> str:
    return "weighs" if role is Role.WEIGHS else f"is {role.value}"
