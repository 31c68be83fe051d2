"""A rule of rating as data: which facts weigh, how much, how long, and what the sum amounts to.

    LANGUAGE        `xinyuan-policy/2`; docs/policy-language.md says what each member means
    Policy          the whole rule; `Policy.parse` is the only way in, `hash` its name
    Policy.reading  all that the rules say of one fact
    Reading         that

Points are centipoints (100 = one point of demerit), months are those of `credit.calendar`, periods
start on the day of the decision. The parser refuses a policy that leaves a case open: every kind
has a row without conditions, every sum has a grade, every grade a treatment, and no rule stands
where it cannot speak. The engine in `credit.rating` has no rule of its own. Pure.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, Self, TypeAlias

from credit.document import Place
from credit.errors import (
    FactIncomplete,
    FactUnknown,
    PolicyDuplicate,
    PolicyGap,
    PolicyReference,
)
from credit.facts import Fact
from credit.rules import (
    Cap,
    Condition,
    Deadlines,
    EffectRule,
    Enough,
    Grade,
    InstantDowngrade,
    KnownFor,
    Latest,
    Mark,
    Merits,
    Movement,
    Need,
    NoSuch,
    Points,
    Procedures,
    ProductStates,
    Publicity,
    Ratio,
    RedLine,
    Relief,
    RepairRule,
    Requirement,
    Role,
    RunMerit,
    Severity,
    Shown,
    Standing,
    StandingMerit,
    Start,
    Tally,
    Threshold,
    Treatment,
    Unfulfilled,
    Watch,
    When,
    speaks,
)
from credit.sections import Sections

LANGUAGE = "xinyuan-policy/2"

_READINGS_KEPT = 4_096
"""Of each policy: far more than there are kinds, codes, outcomes and severities together."""

_LANGUAGE = re.compile(re.escape(LANGUAGE))
_VERSION = re.compile(r"(?:0|[1-9][0-9]{0,4})(?:\.(?:0|[1-9][0-9]{0,4})){2}", re.ASCII)


class Reading(NamedTuple):
    """What the rules say of facts that are alike in all that a condition asks of.

    Rules stand here by their positions in the policy; most facts meet few.
    """

    role: Role | None
    """None for a kind of which nothing counts."""
    row: Points | None = None
    """None unless they weigh; caps and reliefs are then empty."""
    decay: tuple[tuple[int, int], ...] = ()
    """Up to the end of so many months, so many permille."""
    is_lowered: bool = False
    """Whether merits lower their points."""
    caps: tuple[int, ...] = ()
    reliefs: tuple[int, ...] = ()
    is_relieved: bool = False
    """Whether one of the reliefs asks for nothing that refers to them."""
    red_lines: tuple[int, ...] = ()
    tallies: tuple[int, ...] = ()
    """Of `Policy.tallies`, those that count them."""
    breaks: tuple[int, ...] = ()
    """And those whose run they break."""
    may_stand: bool = False
    """Whether they stand for their kind and code, or end what stood."""
    standings: tuple[int, ...] = ()
    """Of `Policy.standings`, those that hold while they stand."""
    relieves: tuple[int, ...] = ()
    """Reliefs that their target gets."""
    orders: bool = False
    fulfils: bool = False
    repairs: bool = False
    opens: tuple[int, ...] = ()
    closes: tuple[int, ...] = ()
    instead: tuple[int, ...] = ()
    scores: bool = False
    """Whether the last of them is the score."""
    goes_beyond: bool = False
    """Whether they bear on anything but their own points and what they refer to."""


_Alike: TypeAlias = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a rule of rating. Nullable sections are None."""

    hash: bytes
    document: bytes
    name: str
    version: str
    legal_basis: tuple[str, ...]
    effective_from: date
    severities: Mapping[str, Severity]
    outcomes: Mapping[str, Mapping[str, Role]]
    """Of each kind that counts, what its outcomes do."""
    unweighed: Mapping[str, bool]
    """Of each kind that does not count, whether it may be shown."""
    publicity: Publicity
    grades: tuple[Grade, ...]
    """Best first."""
    thresholds: tuple[Threshold, ...]
    """Best grade first; empty where `latest` scores."""
    latest: Latest | None
    points: tuple[Points, ...]
    caps: tuple[Cap, ...]
    reliefs: tuple[Relief, ...]
    unfulfilled: Unfulfilled | None
    merits: Merits | None
    procedures: Procedures
    marks: tuple[Mark, ...]
    red_lines: tuple[RedLine, ...]
    requirements: tuple[Requirement, ...]
    watch: Watch | None
    instant_downgrade: InstantDowngrade | None
    start: Start
    movement: Movement | None
    repair: RepairRule
    deadlines: Deadlines
    effects: tuple[EffectRule, ...]
    treatment: Mapping[Grade, Treatment]
    product_states: ProductStates | None
    tallies: tuple[Tally, ...] = field(init=False)
    """Of all sections, each once."""
    standings: tuple[Standing, ...] = field(init=False)
    standing_kinds: frozenset[str] = field(init=False)
    merit_places: tuple[int, ...] = field(init=False)
    """Of each item of merit, the position of its tally or standing."""
    need_places: tuple[tuple[int, ...], ...] = field(init=False)
    """Of each need of each requirement, the same; -1 of one that has neither."""
    line_places: tuple[int, ...] = field(init=False)
    """Of each red line, the position of its standing; -1 of one that lasts for months."""
    kinds_read_by_code: frozenset[str] = field(init=False)
    """Kinds of whose code some rule asks, so that it must not be missing."""
    _measured: Mapping[str, tuple[tuple[Condition, tuple[str, ...]], ...]] = field(
        init=False, repr=False
    )
    """Of each kind, the conditions that measure, and which measures a rule sums up besides."""
    _measures_read: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)
    """Of each kind, the measures that some rule asks for."""
    _ranks: Mapping[Grade, int] = field(init=False, repr=False)
    _step_lowests: tuple[int, ...] = field(init=False, repr=False)
    """From which sums on another grade is the best that a sum allows."""
    _step_ranks: tuple[int, ...] = field(init=False, repr=False)
    _readings: dict[_Alike, Reading] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was read once: a population has many facts, and few that differ here."""

    def __post_init__(self) -> None:
        conditions = tuple(self._conditions())
        measured = self._measures_asked(conditions)
        steps = [
            rank
            for rank, step in enumerate(self.thresholds)
            if not rank or step.lowest > self.thresholds[rank - 1].lowest
        ]
        derived: dict[str, object] = {
            "tallies": tuple(dict.fromkeys(self._tallies())),
            "standings": tuple(dict.fromkeys(self._standings())),
            "kinds_read_by_code": frozenset(
                condition.kind for condition in conditions if condition.codes is not None
            ),
            "_measured": measured,
            "_measures_read": {
                kind: tuple(
                    sorted(
                        {name for _, names in asked for name in names}
                        | {name for condition, _ in asked for name, _ in condition.at_least}
                    )
                )
                for kind, asked in measured.items()
            },
            "_ranks": {grade: rank for rank, grade in enumerate(self.grades)},
            "_step_lowests": tuple(self.thresholds[rank].lowest for rank in steps),
            "_step_ranks": tuple(steps),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        places = {
            "merit_places": tuple(self._place(item) for item in self._items),
            "need_places": tuple(
                tuple(self._place(need) for need in requirement.needs)
                for requirement in self.requirements
            ),
            "line_places": tuple(
                self.standings.index(Standing(line.when)) if line.months is None else -1
                for line in self.red_lines
            ),
        }
        for name, value in places.items():
            object.__setattr__(self, name, value)
        kinds = {condition.kind for standing in self.standings for condition in standing.when}
        kinds.update(
            kind for kind, ways in self.publicity.noted.items() if Shown.STANDING in ways.values()
        )
        object.__setattr__(self, "standing_kinds", frozenset(kinds))

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """The policy that these canonical bytes are, or a refusal that names the place."""
        root = Place.of(document).members(
            "caps",
            "deadlines",
            "effective_from",
            "effects",
            "grades",
            "instant_downgrade",
            "kinds",
            "language",
            "legal_basis",
            "marks",
            "merits",
            "movement",
            "name",
            "points",
            "procedures",
            "product_states",
            "publicity",
            "red_lines",
            "reliefs",
            "repair",
            "requirements",
            "score",
            "severities",
            "start",
            "treatment",
            "unfulfilled",
            "unweighed",
            "version",
            "watch",
        )
        root["language"].text(_LANGUAGE)
        sections = Sections.of(root)
        latest = sections.latest(root["score"])
        policy = cls(
            hash=hashlib.sha256(document).digest(),
            document=document,
            name=root["name"].text(),
            version=root["version"].text(_VERSION),
            legal_basis=sections.legal_basis(root["legal_basis"]),
            effective_from=root["effective_from"].day(),
            severities=sections.severities,
            outcomes=sections.outcomes,
            unweighed=sections.unweighed(root["unweighed"]),
            publicity=sections.publicity(root["publicity"]),
            grades=sections.grades,
            thresholds=sections.thresholds,
            latest=latest,
            points=sections.points(root["points"]),
            caps=sections.caps(root["caps"]),
            reliefs=sections.reliefs(root["reliefs"]),
            unfulfilled=sections.unfulfilled(root["unfulfilled"]),
            merits=sections.merits(root["merits"]),
            procedures=sections.procedures(root["procedures"]),
            marks=sections.marks(root["marks"]),
            red_lines=sections.red_lines(root["red_lines"]),
            requirements=sections.requirements(root["requirements"]),
            watch=sections.watch(root["watch"]),
            instant_downgrade=sections.instant_downgrade(root["instant_downgrade"]),
            start=sections.start(root["start"]),
            movement=sections.movement(root["movement"]),
            repair=sections.repair(root["repair"]),
            deadlines=sections.deadlines(root["deadlines"]),
            effects=sections.effects(root["effects"]),
            treatment=sections.treatment(root["treatment"]),
            product_states=sections.product_states(root["product_states"]),
        )
        policy._check_names_once()
        policy._check_form()
        policy._check_every_kind_has_a_row()
        return policy

    def reading(self, fact: Fact) -> Reading:
        """All that the rules say of `fact`, which is not annulled.

        Refuses a fact that the policy does not list, or that lacks a value the policy reads.
        """
        if fact.decided_on is None:
            # No condition asks for it, and most readings do.
            return self._read(fact)
        alike: _Alike = (fact.kind, fact.code, fact.outcome, fact.severity, fact.basis)
        measures = fact.measures
        if measures:
            names = self._measures_read.get(fact.kind, ())
            alike = (*alike, *[measures.get(name) for name in names])
        reading = self._readings.get(alike)
        if reading is not None:
            return reading
        reading = self._read(fact)
        if len(self._readings) >= _READINGS_KEPT:
            self._readings.clear()
        self._readings[alike] = reading
        return reading

    def passes_on(self, fact: Fact, to: Fact) -> bool:
        """Whether the reference of `fact` to `to` is one to what that refers to."""
        return speaks(self.procedures.through, to) and not speaks(self.procedures.direct, fact)

    def annuls(self, fact: Fact) -> bool:
        """Whether `fact` takes its target away."""
        return speaks(self.procedures.annulled_by, fact)

    def rank(self, grade: Grade) -> int:
        """0 for the best grade, and so on; a start without a band is behind all of them."""
        return self._ranks.get(grade, len(self.grades))

    def rank_of(self, points: int) -> int:
        """Of the best grade such that the next greater threshold is beyond the sum."""
        return self._step_ranks[bisect_right(self._step_lowests, points) - 1]

    def _read(self, fact: Fact) -> Reading:
        role = self._role(fact)
        if role is None:
            return Reading(None)
        self._check_measures(fact)
        opens = _speaking([mark.opened_by for mark in self.marks], fact)
        closes = _speaking([mark.closed_by for mark in self.marks], fact)
        if role is Role.SILENT:
            return Reading(role, opens=opens, closes=closes, goes_beyond=bool(opens or closes))
        unfulfilled, weighs = self.unfulfilled, role is Role.WEIGHS
        severity = self.severities[fact.severity] if weighs and fact.severity else None
        reliefs = _speaking([relief.when for relief in self.reliefs], fact) if weighs else ()
        reading = Reading(
            role=role,
            row=next(row for row in self.points if speaks(row.when, fact)) if weighs else None,
            decay=tuple((step.months, step.permille) for step in severity.decay)
            if severity
            else (),
            is_lowered=self.merits is not None and fact.severity in self.merits.lowers,
            caps=_speaking([cap.when for cap in self.caps], fact) if weighs else (),
            reliefs=reliefs,
            is_relieved=any(self.reliefs[at].needs is None for at in reliefs),
            red_lines=_speaking([line.when for line in self.red_lines], fact),
            tallies=_speaking([tally.when for tally in self.tallies], fact),
            breaks=_speaking([tally.broken_by for tally in self.tallies], fact),
            may_stand=fact.kind in self.standing_kinds,
            standings=_speaking([standing.when for standing in self.standings], fact),
            relieves=_speaking([relief.needs or () for relief in self.reliefs], fact),
            orders=unfulfilled is not None and speaks(unfulfilled.ordered_by, fact),
            fulfils=unfulfilled is not None and speaks(unfulfilled.fulfilled_by, fact),
            repairs=speaks(self.procedures.repaired_by, fact),
            opens=opens,
            closes=closes,
            instead=_speaking([item.when for item in self.start.instead], fact),
            scores=self.latest is not None and speaks(self.latest.when, fact),
        )
        return reading._replace(
            goes_beyond=any(
                (
                    reading.red_lines,
                    reading.tallies,
                    reading.breaks,
                    reading.may_stand,
                    reading.opens,
                    reading.closes,
                    reading.instead,
                    reading.scores,
                )
            )
        )

    def _role(self, fact: Fact) -> Role | None:
        outcomes = self.outcomes.get(fact.kind)
        if outcomes is None:
            if fact.kind in self.unweighed:
                return None
            raise self._unknown(fact, "kind", fact.kind)
        role = outcomes.get(fact.outcome or "")
        if role is None and fact.outcome is not None:
            raise self._unknown(fact, "outcome", fact.outcome)
        if fact.severity is not None and fact.severity not in self.severities:
            raise self._unknown(fact, "severity", fact.severity)
        if role is None:
            raise self._incomplete(fact, "outcome")
        if role is Role.SILENT:
            return role
        if fact.decided_on is None:
            raise self._incomplete(fact, "decided_on")
        if fact.code is None and fact.kind in self.kinds_read_by_code:
            raise self._incomplete(fact, "code")
        if role is Role.WEIGHS and fact.severity is None:
            raise self._incomplete(fact, "severity")
        return role

    def _check_measures(self, fact: Fact) -> None:
        """Refuse what hangs on a measure that is not there."""
        for condition, names in self._measured.get(fact.kind, ()):
            missing = condition.lacks(fact)
            if missing is None and condition.matches(fact):
                missing = next((name for name in names if name not in (fact.measures or {})), None)
            if missing is not None:
                raise self._incomplete(fact, "measures", missing)

    def _unknown(self, fact: Fact, member: str, value: str) -> FactUnknown:
        return FactUnknown(
            f"policy {self.name} {self.version} lists no {member} {value!r}"
            + ("" if member == "kind" else f" for {fact.kind!r}"),
            path=(fact.leaf_index, member),
        )

    def _incomplete(self, fact: Fact, *members: str) -> FactIncomplete:
        return FactIncomplete(
            f"a {fact.kind!r} without {'.'.join(members)} cannot be weighed by {self.name} "
            f"{self.version}",
            path=(fact.leaf_index, *members),
        )

    @property
    def _items(self) -> tuple[RunMerit | StandingMerit, ...]:
        return self.merits.items if self.merits else ()

    def _place(self, rule: RunMerit | StandingMerit | Need) -> int:
        match rule:
            case Enough() | NoSuch() | Ratio() | RunMerit():
                return self.tallies.index(rule.tally)
            case StandingMerit():
                return self.standings.index(rule.standing)
            case Standing():
                return self.standings.index(rule)
            case KnownFor():
                return -1

    def _tallies(self) -> list[Tally]:
        found = [item.tally for item in self._items if isinstance(item, RunMerit)]
        for requirement in self.requirements:
            found += [
                need.tally
                for need in requirement.needs
                if isinstance(need, Enough | NoSuch | Ratio)
            ]
        return found

    def _standings(self) -> list[Standing]:
        found = [item.standing for item in self._items if isinstance(item, StandingMerit)]
        for requirement in self.requirements:
            found += [need for need in requirement.needs if isinstance(need, Standing)]
        return found + [Standing(line.when) for line in self.red_lines if line.months is None]

    def _whens(self) -> list[When]:
        """Every list of conditions of every section that the fold reads."""
        found: list[When] = [row.when for row in self.points]
        found += [cap.when for cap in self.caps]
        for relief in self.reliefs:
            found += [relief.when, relief.needs or ()]
        if self.unfulfilled:
            found += [self.unfulfilled.ordered_by, self.unfulfilled.fulfilled_by]
        for tally in self._tallies():
            found += [tally.when, tally.broken_by]
        found += [standing.when for standing in self._standings()]
        procedures = self.procedures
        found += [procedures.through, procedures.direct]
        found += [procedures.annulled_by, procedures.repaired_by]
        for mark in self.marks:
            found += [mark.opened_by, mark.closed_by]
        found += [line.when for line in self.red_lines]
        found += [item.when for item in self.start.instead]
        return found + ([self.latest.when] if self.latest else [])

    def _conditions(self) -> list[Condition]:
        return [condition for when in self._whens() for condition in when]

    def _measures_asked(
        self, conditions: Sequence[Condition]
    ) -> dict[str, tuple[tuple[Condition, tuple[str, ...]], ...]]:
        asked: list[tuple[Condition, tuple[str, ...]]] = [
            (condition, ()) for condition in conditions if condition.at_least
        ]
        for requirement in self.requirements:
            for need in requirement.needs:
                if isinstance(need, Ratio):
                    asked += [(condition, (need.of, need.to)) for condition in need.tally.when]
        if self.latest:
            names = tuple(self.latest.measures)
            asked += [(condition, names) for condition in self.latest.when]
        return {
            kind: tuple(one for one in asked if one[0].kind == kind)
            for kind in sorted({condition.kind for condition, _ in asked})
        }

    def _check_names_once(self) -> None:
        """No second rule of one name, in whichever section."""
        sections: tuple[tuple[tuple[str, ...], list[str]], ...] = (
            (("points",), [row.rule for row in self.points]),
            (("caps",), [cap.rule for cap in self.caps]),
            (("reliefs",), [relief.rule for relief in self.reliefs]),
            (("merits", "items"), [item.rule for item in self.merits.items] if self.merits else []),
            (("marks",), [mark.rule for mark in self.marks]),
            (("red_lines",), [line.rule for line in self.red_lines]),
            (("requirements",), [requirement.rule for requirement in self.requirements]),
            (("effects",), [effect.rule for effect in self.effects]),
        )
        seen = {self.latest.rule} if self.latest else set[str]()
        for section, rules in sections:
            for position, rule in enumerate(rules):
                if rule in seen:
                    raise PolicyDuplicate(
                        f"a second rule is called {rule}", path=(*section, position, "id")
                    )
                seen.add(rule)

    def _check_form(self) -> None:
        """Which sections go together."""
        if self.latest is None:
            if self.start.grade not in self.grades:
                raise PolicyReference(
                    f"there is no grade {self.start.grade!r}", path=("start", "grade")
                )
        else:
            summed: dict[str, object] = {
                "points": self.points,
                "caps": self.caps,
                "reliefs": self.reliefs,
                "unfulfilled": self.unfulfilled,
                "merits": self.merits,
                "red_lines": self.red_lines,
                "requirements": self.requirements,
                "watch": self.watch,
                "instant_downgrade": self.instant_downgrade,
                "movement": self.movement,
            }
            for section, value in summed.items():
                if value:
                    raise PolicyGap(
                        f"where the latest fact scores, {section} can say nothing", path=(section,)
                    )
            for kind, outcomes in self.outcomes.items():
                if Role.WEIGHS in outcomes.values():
                    raise PolicyGap(
                        "where the latest fact scores, nothing weighs", path=("kinds", kind)
                    )
        if self.movement is None:
            held: dict[tuple[str, ...], object] = {
                ("instant_downgrade",): self.instant_downgrade,
                ("start", "instead"): self.start.instead,
            }
            for path, rule in held.items():
                if rule:
                    raise PolicyGap("without movement no grade is held", path=path)

    def _check_every_kind_has_a_row(self) -> None:
        for kind, outcomes in self.outcomes.items():
            weighs = {name for name, role in outcomes.items() if role is Role.WEIGHS}
            is_closed = any(
                condition.kind == kind and condition.is_open and condition.outcomes >= weighs
                for row in self.points
                for condition in row.when
            )
            if weighs and not is_closed:
                raise PolicyGap(
                    f"{kind!r} weighs and has no row without conditions", path=("points",)
                )


def _speaking(rules: Sequence[When], fact: Fact) -> tuple[int, ...]:
    return tuple(at for at, when in enumerate(rules) if speaks(when, fact))
