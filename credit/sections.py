"""The sections of a policy document, each read strictly where others may refer to it.

    Sections      what the rules of one document may name, and a reader for each section

Severities, kinds and grades are read first; a rule that names anything else is refused with its
path. What the sections mean is in docs/policy-language.md. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from credit.document import Place
from credit.errors import (
    PolicyDuplicate,
    PolicyGap,
    PolicyOrder,
    PolicyReference,
    PolicyUnreachable,
    PolicyValue,
)
from credit.rules import (
    PERMILLE,
    Band,
    Bar,
    Cap,
    Condition,
    Deadlines,
    Decay,
    EffectRule,
    Enough,
    Grade,
    InstantDowngrade,
    Instead,
    Joined,
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
    Repeat,
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
)

MONTHS_MAX = 600
"""Fifty years: longer than any period of publicity or retention in the law."""

DAYS_MAX = 366
"""A year: longer than any deadline of a procedure."""

POINTS_MAX = 1_000_000
"""10,000 points in a row. With 2^20 facts of a subject the sum stays far below 2^53."""

MEASURE_MAX = 1_000_000_000_000
"""Ten thousand million yuan in fen. Times `POINTS_MAX`, a weight of a score, it would pass 2^53;
so a weight has a bound of its own."""

WEIGHT_MAX = 1_000
"""Of a measure in a score: a thousand points for one violation."""

BASIS_POINTS_MAX = 10_000
"""Every shipment."""

EVIDENCE_MAX = 1000
"""Acts that a rule may ask for: more than one a month over the longest period."""

REFUND_CLASS_MAX = 9
"""Classes of export refund; four are in use."""

_GRADE = re.compile(r"[A-Z0-9]{1,8}", re.ASCII)
_CYCLE_DAY = re.compile(r"(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])", re.ASCII)
_CYCLE_MONTHS = (1, 2, 3, 4, 6, 12)

_REQUIREMENT = ("flag", "grade", "id", "needs", "otherwise")
_RELEASES = ("on-declaration", "after-selection", "after-result")
_DOCUMENTS = ("paperless", "standard", "full")

_WEIGHS = frozenset({Role.WEIGHS})
_NOTED = frozenset({Role.NOTED})
_SPEAKS_FOR = frozenset({Role.FAVOURABLE, Role.NOTED})
_ON_RECORD = frozenset({Role.WEIGHS, Role.FAVOURABLE, Role.NOTED})
_ANY = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Sections:
    """Names that rules may refer to, and the readers of the sections."""

    severities: Mapping[str, Severity]
    outcomes: Mapping[str, Mapping[str, Role]]
    grades: tuple[Grade, ...]
    thresholds: tuple[Threshold, ...]
    bands: tuple[Band, ...]

    @classmethod
    def of(cls, root: Mapping[str, Place]) -> Self:
        """From `severities`, `kinds`, `grades`, and the form of `score`."""
        form = root["score"].choice_of("form", "sum", "latest")
        thresholds: tuple[Threshold, ...] = ()
        bands: tuple[Band, ...] = ()
        if form == "sum":
            thresholds = _thresholds(root["grades"], guarded=_guarded(root["requirements"]))
        else:
            bands = _bands(root["grades"])
        return cls(
            severities={name: _severity(place) for name, place in root["severities"].entries()},
            outcomes={name: _outcomes(place) for name, place in root["kinds"].entries()},
            grades=(*(step.grade for step in thresholds), *(band.grade for band in bands)),
            thresholds=thresholds,
            bands=bands,
        )

    def legal_basis(self, place: Place) -> tuple[str, ...]:
        """Names of laws, each once."""
        names = tuple(item.text() for item in place.items())
        if len(set(names)) < len(names):
            raise PolicyDuplicate("a law is named twice", path=place.path)
        return names

    def unweighed(self, place: Place) -> dict[str, bool]:
        """Kinds of which nothing counts; none of them counts elsewhere."""
        kinds = {name: inner.flag() for name, inner in place.entries(at_least=0)}
        for name in kinds:
            if name in self.outcomes:
                raise PolicyDuplicate(
                    f"the kind {name!r} counts and does not count", path=(*place.path, name)
                )
        return kinds

    def publicity(self, place: Place) -> Publicity:
        """A rule for every outcome that is noted, and for no other."""
        members = place.members("favourable_months", "noted")
        noted = {
            name: self._shown(name, inner) for name, inner in members["noted"].entries(at_least=0)
        }
        for kind in self.outcomes:
            if self._noted(kind) and kind not in noted:
                raise PolicyGap(
                    f"how long {kind!r} is shown is not said", path=members["noted"].path
                )
        months = members["favourable_months"].integer(1, MONTHS_MAX)
        return Publicity(favourable_months=months, noted=noted)

    def _noted(self, kind: str) -> list[str]:
        outcomes = self.outcomes.get(kind, {})
        return [name for name, role in outcomes.items() if role is Role.NOTED]

    def _shown(self, kind: str, place: Place) -> dict[str, Shown | int]:
        """One rule for all outcomes of a kind that are noted, or one for each."""
        outcomes = self._noted(kind)
        if not outcomes:
            raise PolicyReference(f"no outcome of {kind!r} is noted", path=place.path)
        if not isinstance(place.value, dict):
            return dict.fromkeys(outcomes, _shown(place))
        return {name: _shown(inner) for name, inner in place.members(*outcomes).items()}

    def latest(self, place: Place) -> Latest | None:
        """How the last fact scores; None where acts are summed."""
        if not self.bands:
            place.members("form")
            return None
        members = place.members("floor", "form", "id", "measures", "start", "when")
        return Latest(
            rule=members["id"].text(),
            when=self._when(members["when"], _SPEAKS_FOR),
            start=members["start"].integer(-POINTS_MAX, POINTS_MAX),
            floor=members["floor"].integer(-POINTS_MAX, POINTS_MAX),
            measures={
                name: inner.integer(-WEIGHT_MAX, WEIGHT_MAX)
                for name, inner in members["measures"].entries()
            },
            bands=self.bands,
        )

    def points(self, place: Place) -> tuple[Points, ...]:
        """Rows, none of which is shadowed by one above it."""
        rows = [
            Points(
                rule=members["id"].text(),
                when=self._when(members["when"], _WEIGHS),
                points=members["points"].integer(1, POINTS_MAX),
            )
            for members in _each(place, "id", "points", "when")
        ]
        _all_speak(rows)
        return tuple(rows)

    def caps(self, place: Place) -> tuple[Cap, ...]:
        """Caps, in the order in which they cut."""
        return tuple(
            Cap(
                rule=members["id"].text(),
                when=self._when(members["when"], _WEIGHS),
                months=members["months"].integer(1, MONTHS_MAX),
                points=members["points"].integer(0, POINTS_MAX),
            )
            for members in _each(place, "id", "months", "points", "when")
        )

    def reliefs(self, place: Place) -> tuple[Relief, ...]:
        """Reliefs; the first that holds counts."""
        return tuple(
            Relief(
                rule=members["id"].text(),
                when=self._when(members["when"], _WEIGHS),
                permille=members["permille"].integer(0, PERMILLE),
                needs=members["if"].nullable(lambda inner: self._when(inner, _NOTED)),
                first_in_months=members["first_in_months"].nullable(_months),
            )
            for members in _each(place, "first_in_months", "id", "if", "permille", "when")
        )

    def unfulfilled(self, place: Place) -> Unfulfilled | None:
        """What is kept while a duty is open."""
        return place.nullable(self._unfulfilled)

    def merits(self, place: Place) -> Merits | None:
        """What lowers a sum."""
        return place.nullable(self._merits)

    def procedures(self, place: Place) -> Procedures:
        """What statements do to others: decided before anything is measured."""
        members = place.members("annulled_by", "direct", "repaired_by", "through")
        for inner in members.values():
            for condition in inner.items():
                if isinstance(condition.value, dict) and "at_least" in condition.value:
                    raise PolicyValue(
                        "procedures do not measure", path=(*condition.path, "at_least")
                    )
        return Procedures(
            through=self._when(members["through"], _NOTED, at_least=0),
            direct=self._when(members["direct"], _NOTED, at_least=0),
            annulled_by=self._when(members["annulled_by"], _NOTED, at_least=0),
            repaired_by=self._when(members["repaired_by"], _NOTED, at_least=0),
        )

    def marks(self, place: Place) -> tuple[Mark, ...]:
        """What is open."""
        return tuple(
            Mark(
                rule=members["id"].text(),
                opened_by=self._when(members["opened_by"], _ANY),
                closed_by=self._when(members["closed_by"], _ANY),
                joined=Joined(members["joined"].choice(*(way.value for way in Joined))),
                flag=members["flag"].nullable(lambda inner: inner.text()),
                freezes=members["freezes"].flag(),
            )
            for members in _each(place, "closed_by", "flag", "freezes", "id", "joined", "opened_by")
        )

    def red_lines(self, place: Place) -> tuple[RedLine, ...]:
        """Facts that fix a grade."""
        return tuple(
            self._red_line(members)
            for members in _each(place, "grade", "id", "months", "repeat", "when")
        )

    def requirements(self, place: Place) -> tuple[Requirement, ...]:
        """What grades ask for."""
        return tuple(self._requirement(members) for members in _each(place, *_REQUIREMENT))

    def watch(self, place: Place) -> Watch | None:
        """A flag as a sum is reached."""
        return place.nullable(_watch)

    def instant_downgrade(self, place: Place) -> InstantDowngrade | None:
        """A fall as a sum is reached."""
        return place.nullable(_instant_downgrade)

    def start(self, place: Place) -> Start:
        """Before anything is known. Where the latest fact scores, the grade may have no band."""
        members = place.members("flag", "grade", "instead")
        return Start(
            grade=Grade(members["grade"].text(_GRADE)),
            flag=members["flag"].text(),
            instead=tuple(
                Instead(self._when(item["when"], _NOTED), self._grade(item["grade"]))
                for item in _each(members["instead"], "grade", "when")
            ),
        )

    def movement(self, place: Place) -> Movement | None:
        """How fast a grade may rise."""
        return place.nullable(self._movement)

    def repair(self, place: Place) -> RepairRule:
        """When a repair may be asked for."""
        members = place.members("barred_by", "needs_commitment", "needs_fulfilment")
        return RepairRule(
            needs_commitment=self._when(members["needs_commitment"], _NOTED, at_least=0),
            needs_fulfilment=members["needs_fulfilment"].flag(),
            barred_by=tuple(
                Bar(self._when(item["when"], _ON_RECORD), _months(item["months"]))
                for item in _each(members["barred_by"], "months", "when")
            ),
        )

    def deadlines(self, place: Place) -> Deadlines:
        """Days of procedures."""
        names = tuple(Deadlines.__slots__)
        members = place.members(*names)
        return Deadlines(**{name: members[name].integer(0, DAYS_MAX) for name in names})

    def effects(self, place: Place) -> tuple[EffectRule, ...]:
        """What passes along a relation."""
        return tuple(
            EffectRule(
                rule=members["id"].text(),
                code=members["code"].text(),
                relation=members["relation"].names(),
                source=None
                if members["source"].value == "red-line"
                else self._grade(members["source"]),
                months=_months(members["months"]),
            )
            for members in _each(place, "code", "id", "months", "relation", "source")
        )

    def treatment(self, place: Place) -> dict[Grade, Treatment]:
        """What follows from each grade."""
        members = place.members(*self.grades)
        return {grade: _treatment(members[grade]) for grade in self.grades}

    def product_states(self, place: Place) -> ProductStates | None:
        """Sampling of one product, beside the grade."""
        return place.nullable(_product_states)

    def _unfulfilled(self, place: Place) -> Unfulfilled:
        members = place.members("fulfilled_by", "ordered_by", "permille")
        return Unfulfilled(
            ordered_by=self._when(members["ordered_by"], _NOTED),
            fulfilled_by=self._when(members["fulfilled_by"], _NOTED),
            permille=members["permille"].integer(1, PERMILLE),
        )

    def _merits(self, place: Place) -> Merits:
        members = place.members("cap", "items", "lowers")
        lowers = members["lowers"].names()
        for severity in sorted(lowers):
            self._known_severity(severity, members["lowers"])
        return Merits(
            cap=members["cap"].integer(1, POINTS_MAX),
            lowers=lowers,
            items=tuple(self._merit(item) for item in members["items"].items(at_least=1)),
        )

    def _merit(self, place: Place) -> RunMerit | StandingMerit:
        if place.has("standing"):
            members = place.members("id", "points", "standing")
            return StandingMerit(
                rule=members["id"].text(),
                points=members["points"].integer(1, POINTS_MAX),
                standing=self._standing(members["standing"]),
            )
        members = place.members("broken_by", "cap", "each", "id", "months", "points", "when")
        return RunMerit(
            rule=members["id"].text(),
            points=members["points"].integer(1, POINTS_MAX),
            each=members["each"].integer(1, EVIDENCE_MAX),
            tally=Tally(
                when=self._when(members["when"], _SPEAKS_FOR),
                months=_months(members["months"]),
                broken_by=self._when(members["broken_by"], _ON_RECORD, at_least=0),
            ),
            cap=members["cap"].integer(1, POINTS_MAX),
        )

    def _red_line(self, members: Mapping[str, Place]) -> RedLine:
        months = members["months"].nullable(_months)
        roles = _NOTED if months is None else frozenset({Role.WEIGHS, Role.NOTED})
        return RedLine(
            rule=members["id"].text(),
            when=self._when(members["when"], roles),
            grade=self._grade(members["grade"]),
            months=months,
            repeat=members["repeat"].nullable(_repeat),
        )

    def _requirement(self, members: Mapping[str, Place]) -> Requirement:
        grade, otherwise = self._grade(members["grade"]), self._grade(members["otherwise"])
        if self.grades.index(otherwise) <= self.grades.index(grade):
            raise PolicyOrder(
                f"what is given instead of {grade} must be worse, not {otherwise}",
                path=members["otherwise"].path,
            )
        return Requirement(
            rule=members["id"].text(),
            grade=grade,
            needs=tuple(self._need(place) for place in members["needs"].items(at_least=1)),
            otherwise=otherwise,
            flag=members["flag"].nullable(lambda place: place.text()),
        )

    def _need(self, place: Place) -> Need:
        if place.has("acts"):
            members = place.members("acts", "at_least", "months")
            tally = self._tally(members["acts"], members["months"], _SPEAKS_FOR)
            return Enough(tally, members["at_least"].integer(1, EVIDENCE_MAX))
        if place.has("none"):
            members = place.members("months", "none")
            return NoSuch(self._tally(members["none"], members["months"], _ON_RECORD))
        if place.has("known_months"):
            return KnownFor(_months(place.members("known_months")["known_months"]))
        if place.has("ratio"):
            members = place.members("months", "of", "permille_max", "ratio", "to")
            return Ratio(
                self._tally(members["ratio"], members["months"], _ON_RECORD),
                of=members["of"].text(),
                to=members["to"].text(),
                permille_max=members["permille_max"].integer(0, PERMILLE),
            )
        return self._standing(place.members("standing")["standing"])

    def _tally(self, when: Place, months: Place, roles: frozenset[Role]) -> Tally:
        return Tally(self._when(when, roles), _months(months), ())

    def _standing(self, place: Place) -> Standing:
        return Standing(self._when(place, _SPEAKS_FOR))

    def _movement(self, place: Place) -> Movement:
        members = place.members("cycle", "promote")
        promote = members["promote"].members("stay_months", "steps")
        cycle = members["cycle"].members("months", "start")
        month, day = cycle["start"].text(_CYCLE_DAY).split("-")
        months = cycle["months"].integer(1, 12)
        if months not in _CYCLE_MONTHS:
            raise PolicyValue("months of a cycle divide a year", path=cycle["months"].path)
        stays = promote["stay_months"].members(*self.grades)
        return Movement(
            steps=promote["steps"].integer(1, max(1, len(self.grades) - 1)),
            stay_months={grade: stays[grade].integer(0, MONTHS_MAX) for grade in self.grades},
            cycle_month=int(month),
            cycle_day=int(day),
            cycle_months=months,
        )

    def _when(self, place: Place, roles: frozenset[Role], *, at_least: int = 1) -> When:
        return tuple(self._condition(item, roles) for item in place.items(at_least=at_least))

    def _condition(self, place: Place, roles: frozenset[Role]) -> Condition:
        members = place.members(
            "kind", optional=("at_least", "basis", "code", "outcome", "severity")
        )
        kind = members["kind"].text()
        if kind not in self.outcomes:
            raise PolicyReference(f"no kind {kind!r} counts here", path=members["kind"].path)
        allowed = {name for name, role in self.outcomes[kind].items() if role in roles}
        if not allowed:
            raise PolicyReference(f"no outcome of {kind!r} {_is(roles)}", path=members["kind"].path)
        outcomes = members["outcome"].names() if "outcome" in members else frozenset(allowed)
        for outcome in sorted(outcomes - allowed):
            raise PolicyReference(
                f"{kind!r} has no outcome {outcome!r} that {_is(roles)}",
                path=members["outcome"].path,
            )
        severities = members["severity"].names() if "severity" in members else None
        for severity in sorted(severities or ()):
            self._known_severity(severity, members["severity"])
        return Condition(
            kind=kind,
            outcomes=outcomes,
            codes=members["code"].names() if "code" in members else None,
            severities=severities,
            bases=members["basis"].names() if "basis" in members else None,
            at_least=_at_least(members["at_least"]) if "at_least" in members else (),
        )

    def _known_severity(self, severity: str, place: Place) -> None:
        if severity not in self.severities:
            raise PolicyReference(f"no severity {severity!r} is listed", path=place.path)

    def _grade(self, place: Place) -> Grade:
        grade = Grade(place.text(_GRADE))
        if grade not in self.grades:
            raise PolicyReference(f"there is no grade {grade!r}", path=place.path)
        return grade


def _each(place: Place, *names: str) -> list[dict[str, Place]]:
    return [item.members(*names) for item in place.items()]


def _months(place: Place) -> int:
    return place.integer(1, MONTHS_MAX)


def _severity(place: Place) -> Severity:
    members = place.members("decay", "public_min_months", "public_months", "weighs_months")
    decay: list[Decay] = []
    for item in members["decay"].items(at_least=1):
        pair = item.items(at_least=2)
        if len(pair) != 2:
            raise PolicyValue("a step of decay is [months, permille]", path=item.path)
        step = Decay(pair[0].integer(1, MONTHS_MAX), pair[1].integer(1, PERMILLE))
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
    public_months = members["public_months"].integer(0, MONTHS_MAX)
    return Severity(
        public_min_months=members["public_min_months"].integer(0, public_months),
        public_months=public_months,
        weighs_months=weighs_months,
        decay=tuple(decay),
    )


def _outcomes(place: Place) -> dict[str, Role]:
    roles = [role.value for role in Role]
    return {name: Role(inner.choice(*roles)) for name, inner in place.entries()}


def _shown(place: Place) -> Shown | int:
    if isinstance(place.value, str):
        return Shown(place.choice(*(way.value for way in Shown)))
    return place.integer(1, MONTHS_MAX)


def _guarded(requirements: Place) -> frozenset[str]:
    """Grades that ask for something, as the document names them; the rest is read later."""
    return frozenset(
        members["grade"].text(_GRADE) for members in _each(requirements, *_REQUIREMENT)
    )


def _thresholds(place: Place, *, guarded: frozenset[str]) -> tuple[Threshold, ...]:
    steps: list[Threshold] = []
    for item in place.items(at_least=1):
        members = item.members("from", "grade")
        step = Threshold(
            grade=Grade(members["grade"].text(_GRADE)),
            lowest=members["from"].integer(0, POINTS_MAX),
        )
        _check_new(step.grade, steps, members["grade"])
        if not steps and step.lowest != 0:
            raise PolicyGap("the best grade holds from 0", path=members["from"].path)
        if steps and step.lowest < steps[-1].lowest:
            raise PolicyOrder("thresholds rise from the best grade on", path=members["from"].path)
        if steps and step.lowest == steps[-1].lowest and steps[-1].grade not in guarded:
            raise PolicyUnreachable(
                f"{steps[-1].grade} asks for nothing, so {step.grade} is never given",
                path=members["from"].path,
            )
        steps.append(step)
    return tuple(steps)


def _bands(place: Place) -> tuple[Band, ...]:
    bands: list[Band] = []
    for item in place.items(at_least=1):
        members = item.members("at_least", "at_most", "each_at_most", "grade")
        band = Band(
            grade=Grade(members["grade"].text(_GRADE)),
            at_most=members["at_most"].nullable(_score),
            at_least=members["at_least"].nullable(_score),
            each_at_most=members["each_at_most"].nullable(_score),
        )
        _check_new(band.grade, bands, members["grade"])
        if any(earlier.covers(band) for earlier in bands):
            raise PolicyUnreachable(
                f"earlier grades take every score of {band.grade}", path=members["grade"].path
            )
        if band.is_empty:
            raise PolicyUnreachable(
                f"no score is within the bounds of {band.grade}", path=members["at_most"].path
            )
        bands.append(band)
    if not bands[-1].is_open:
        raise PolicyGap("the last grade has no bounds", path=place.path)
    return tuple(bands)


def _score(place: Place) -> int:
    return place.integer(-POINTS_MAX, POINTS_MAX)


def _check_new(grade: Grade, steps: Sequence[Threshold | Band], place: Place) -> None:
    if any(grade == earlier.grade for earlier in steps):
        raise PolicyDuplicate(f"the grade {grade} stands there twice", path=place.path)


def _at_least(place: Place) -> tuple[tuple[str, int], ...]:
    return tuple((name, inner.integer(1, MEASURE_MAX)) for name, inner in place.entries())


def _repeat(place: Place) -> Repeat:
    members = place.members("acts", "within_months")
    return Repeat(members["acts"].integer(2, EVIDENCE_MAX), _months(members["within_months"]))


def _watch(place: Place) -> Watch:
    members = place.members("flag", "from", "months")
    return Watch(
        members["from"].integer(1, POINTS_MAX), _months(members["months"]), members["flag"].text()
    )


def _instant_downgrade(place: Place) -> InstantDowngrade:
    members = place.members("from", "steps")
    return InstantDowngrade(
        members["from"].integer(1, POINTS_MAX), members["steps"].integer(1, EVIDENCE_MAX)
    )


def _treatment(place: Place) -> Treatment:
    members = place.members("documents", "refund_class", "release", "review_months", "sampling_bp")
    return Treatment(
        sampling_bp=_basis_points(members["sampling_bp"]),
        release=members["release"].choice(*_RELEASES),
        documents=members["documents"].choice(*_DOCUMENTS),
        refund_class=members["refund_class"].integer(1, REFUND_CLASS_MAX),
        review_months=_months(members["review_months"]),
    )


def _product_states(place: Place) -> ProductStates:
    members = place.members("normal", "reduced", "rules", "tightened")
    rules = members["rules"].members(
        "stopped_after_fails", "to_normal_after_passes", "to_reduced_after_passes", "to_tightened"
    )
    tightened = rules["to_tightened"].members("fails", "in_last")
    rates = {
        name: _basis_points(members[name].members("sampling_bp")["sampling_bp"])
        for name in ("reduced", "normal", "tightened")
    }
    if not rates["reduced"] <= rates["normal"] <= rates["tightened"]:
        raise PolicyOrder("sampling rises from reduced to tightened", path=place.path)
    in_last = tightened["in_last"].integer(1, EVIDENCE_MAX)
    return ProductStates(
        normal_bp=rates["normal"],
        reduced_bp=rates["reduced"],
        tightened_bp=rates["tightened"],
        to_normal_after_passes=rules["to_normal_after_passes"].integer(1, EVIDENCE_MAX),
        to_reduced_after_passes=rules["to_reduced_after_passes"].integer(1, EVIDENCE_MAX),
        to_tightened_fails=tightened["fails"].integer(1, in_last),
        to_tightened_in_last=in_last,
        stopped_after_fails=rules["stopped_after_fails"].integer(1, EVIDENCE_MAX),
    )


def _basis_points(place: Place) -> int:
    return place.integer(0, BASIS_POINTS_MAX)


def _all_speak(rows: Sequence[Points]) -> None:
    """Refuse a row all of whose facts earlier rows take."""
    earlier: list[Condition] = []
    for position, row in enumerate(rows):
        if all(any(other.covers(condition) for other in earlier) for condition in row.when):
            raise PolicyUnreachable(
                f"earlier rows take every fact of {row.rule}", path=("points", position)
            )
        earlier += row.when


def _is(roles: frozenset[Role]) -> str:
    return "is " + " or ".join(role.value for role in Role if role in roles)
