"""What a policy consists of: one frozen value for each rule of `xinyuan-policy/2`.

    PERMILLE, Grade
    Role, Severity, Decay                 what an outcome does; how long a gravity weighs
    Condition, When, speaks               which facts a rule speaks of
    Points, Cap, Relief, Unfulfilled      what a fact weighs
    Tally, Standing                       what is counted over months; what is in force
    Enough, NoSuch, KnownFor              what a requirement may need
    Merits, RunMerit, StandingMerit       what lowers a sum
    Procedures, Mark, Joined              what statements do to statements
    RedLine, Repeat, Requirement, Need    what bounds a grade
    Enough, NoSuch, KnownFor, Ratio       what may be needed for a grade
    Threshold, Band, Latest               from a sum or a score to a grade
    Watch, InstantDowngrade, Movement     how a grade moves
    Start, Instead                        before anything is known
    Publicity, Shown, RepairRule, Bar, Deadlines, EffectRule, Treatment, ProductStates
                                          what the fold does not read

The meaning of each is in docs/policy-language.md. They are made by `credit.policy` alone. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NewType, TypeAlias

from credit.facts import Fact

Grade = NewType("Grade", str)

PERMILLE = 1000
"""The whole weight."""


class Role(Enum):
    """What a fact of an outcome does to its subject."""

    WEIGHS = "weighs"
    FAVOURABLE = "favourable"
    NOTED = "noted"
    """On record: it counts only where another rule names it."""
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

    public_min_months: int
    """After these a repair may be asked for."""
    public_months: int
    weighs_months: int
    decay: tuple[Decay, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """Facts of one kind; where codes, severities or bases are named, only those."""

    kind: str
    outcomes: frozenset[str]
    codes: frozenset[str] | None
    severities: frozenset[str] | None
    bases: frozenset[str] | None
    at_least: tuple[tuple[str, int], ...]

    def matches_names(self, fact: Fact) -> bool:
        """Whether it speaks of `fact`, whatever is measured."""
        return (
            fact.kind == self.kind
            and fact.outcome in self.outcomes
            and (self.codes is None or fact.code in self.codes)
            and (self.severities is None or fact.severity in self.severities)
            and (self.bases is None or fact.basis in self.bases)
        )

    def matches(self, fact: Fact) -> bool:
        """Whether it speaks of `fact`, none of whose measures is missing (`lacks`)."""
        if not self.matches_names(fact):
            return False
        measures = fact.measures or {}
        return all(name in measures and measures[name] >= least for name, least in self.at_least)

    def lacks(self, fact: Fact) -> str | None:
        """The measure that is missing where it speaks of `fact` in all else."""
        measures = fact.measures or {}
        if not self.matches_names(fact) or any(
            name in measures and measures[name] < least for name, least in self.at_least
        ):
            return None
        return next((name for name, _ in self.at_least if name not in measures), None)

    def covers(self, other: Condition) -> bool:
        """Whether every fact of which `other` speaks is one of these."""
        measured = dict(other.at_least)
        return (
            self.kind == other.kind
            and other.outcomes <= self.outcomes
            and _within(other.codes, self.codes)
            and _within(other.severities, self.severities)
            and _within(other.bases, self.bases)
            and all(measured.get(name, -1) >= lowest for name, lowest in self.at_least)
        )

    @property
    def is_open(self) -> bool:
        """Whether it names nothing but a kind and outcomes."""
        return (
            self.codes is None
            and self.severities is None
            and self.bases is None
            and not self.at_least
        )


When: TypeAlias = tuple[Condition, ...]


def speaks(when: When, fact: Fact) -> bool:
    """Whether one of these conditions speaks of `fact`."""
    return any(condition.matches(fact) for condition in when)


def _within(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _bounds(outer: int | None, inner: int | None) -> bool:
    """Whether all that is at most `inner` is at most `outer`."""
    return outer is None or (inner is not None and inner <= outer)


@dataclass(frozen=True, slots=True)
class Points:
    """A row of the table of points."""

    rule: str
    when: When
    points: int


@dataclass(frozen=True, slots=True)
class Cap:
    """In any `months` that follow each other, such facts weigh `points` at most."""

    rule: str
    when: When
    months: int
    points: int


@dataclass(frozen=True, slots=True)
class Relief:
    """A fact weighs `permille` of its points, from the day something that refers to it is so."""

    rule: str
    when: When
    permille: int
    needs: When | None
    first_in_months: int | None


@dataclass(frozen=True, slots=True)
class Unfulfilled:
    """While a duty is open, a fact keeps this much of its points beyond its decay."""

    ordered_by: When
    fulfilled_by: When
    permille: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Acts decided within `months`, after the last fact that breaks the run."""

    when: When
    months: int
    broken_by: When


@dataclass(frozen=True, slots=True)
class Standing:
    """One of these is the last of its kind and code."""

    when: When


@dataclass(frozen=True, slots=True)
class RunMerit:
    """`points` for each so many acts of a run, `cap` at most."""

    rule: str
    points: int
    each: int
    tally: Tally
    cap: int


@dataclass(frozen=True, slots=True)
class StandingMerit:
    """`points` while it stands."""

    rule: str
    points: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Merits:
    """What lowers the points of acts of some severities, `cap` at most."""

    cap: int
    lowers: frozenset[str]
    items: tuple[RunMerit | StandingMerit, ...]


@dataclass(frozen=True, slots=True)
class Procedures:
    """What statements do to the statement they refer to."""

    through: When
    """These pass the reference on."""
    direct: When
    """But not a reference of these."""
    annulled_by: When
    repaired_by: When


class Joined(Enum):
    """By what a closing belongs to an opening."""

    REFERS = "refers"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something is open: it is flagged, and nothing is promoted where it freezes."""

    rule: str
    opened_by: When
    closed_by: When
    joined: Joined
    flag: str | None
    freezes: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """Only if so many acts fall within so many months."""

    acts: int
    within_months: int


@dataclass(frozen=True, slots=True)
class RedLine:
    """For `months` since such a decision the grade is `grade` or worse; None: while it stands."""

    rule: str
    when: When
    grade: Grade
    months: int | None
    repeat: Repeat | None


@dataclass(frozen=True, slots=True)
class Enough:
    """At least so many acts of a tally."""

    tally: Tally
    at_least: int


@dataclass(frozen=True, slots=True)
class NoSuch:
    """No fact within the months of a tally."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class KnownFor:
    """So many months since anything was known."""

    months: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """`of` is at most so many permille of `to`, both summed over `months`."""

    tally: Tally
    of: str
    to: str
    permille_max: int


Need: TypeAlias = Enough | NoSuch | KnownFor | Ratio | Standing


@dataclass(frozen=True, slots=True)
class Requirement:
    """`grade` asks for all of `needs`; without, it is `otherwise`."""

    rule: str
    grade: Grade
    needs: tuple[Need, ...]
    otherwise: Grade
    flag: str | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The grade holds from this sum on, up to the next threshold."""

    grade: Grade
    lowest: int


@dataclass(frozen=True, slots=True)
class Band:
    """The grade holds for scores within these bounds; None is no bound."""

    grade: Grade
    at_most: int | None
    at_least: int | None
    each_at_most: int | None

    def holds(self, score: int, measures: Sequence[int]) -> bool:
        """Whether a score made of these measures is within."""
        return (
            (self.at_most is None or score <= self.at_most)
            and (self.at_least is None or score >= self.at_least)
            and (self.each_at_most is None or all(one <= self.each_at_most for one in measures))
        )

    def covers(self, other: Band) -> bool:
        """Whether whatever `other` holds for is within these bounds too."""
        return (
            _bounds(self.at_most, other.at_most)
            and (
                self.at_least is None
                or (other.at_least is not None and other.at_least >= self.at_least)
            )
            and _bounds(self.each_at_most, other.each_at_most)
        )

    @property
    def is_open(self) -> bool:
        """Whether it holds for every score."""
        return (self.at_most, self.at_least, self.each_at_most) == (None, None, None)

    @property
    def is_empty(self) -> bool:
        """Whether its bounds leave no score between them."""
        return (
            self.at_most is not None and self.at_least is not None and self.at_least > self.at_most
        )


@dataclass(frozen=True, slots=True)
class Latest:
    """The score of the last fact of which `when` speaks."""

    rule: str
    when: When
    start: int
    floor: int
    measures: Mapping[str, int]
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """For `months` since a new fact found the sum so high."""

    lowest: int
    months: int
    flag: str


@dataclass(frozen=True, slots=True)
class InstantDowngrade:
    """As a new fact lifts the sum so high, the grade falls by `steps` at least."""

    lowest: int
    steps: int


@dataclass(frozen=True, slots=True)
class Movement:
    """A grade falls at once and rises by `steps` on a day of the cycle, after its stay."""

    steps: int
    stay_months: Mapping[Grade, int]
    cycle_month: int
    cycle_day: int
    cycle_months: int


@dataclass(frozen=True, slots=True)
class Instead:
    """Whoever begins with such a fact begins with this grade."""

    when: When
    grade: Grade


@dataclass(frozen=True, slots=True)
class Start:
    """What a subject is given before anything that counts is known of it."""

    grade: Grade
    flag: str
    instead: tuple[Instead, ...]


class Shown(Enum):
    """How long a kind that is noted is shown, where not for a number of months."""

    ALWAYS = "always"
    NEVER = "never"
    STANDING = "standing"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Publicity:
    """How long what does not weigh is shown."""

    favourable_months: int
    noted: Mapping[str, Mapping[str, Shown | int]]
    """By kind and outcome."""

    def rule(self, fact: Fact) -> Shown | int | None:
        """Of what is noted; None of all else."""
        return self.noted.get(fact.kind, {}).get(fact.outcome or "")


@dataclass(frozen=True, slots=True)
class Bar:
    """For `months` since such a decision, nothing is repaired."""

    when: When
    months: int


@dataclass(frozen=True, slots=True)
class RepairRule:
    """What must be so before a repair may be asked for."""

    needs_commitment: When
    needs_fulfilment: bool
    barred_by: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Of procedures, in days and working days."""

    objection_answer_workdays: int
    listing_notice_days: int
    listing_defence_days: int
    listing_answer_days: int
    withdrawal_days: int
    withdrawal_alarm_days: int


@dataclass(frozen=True, slots=True)
class EffectRule:
    """What the fate of one subject does to those related to it."""

    rule: str
    code: str
    relation: frozenset[str]
    source: Grade | None
    """A grade; None for a red line."""
    months: int


@dataclass(frozen=True, slots=True)
class Treatment:
    """What follows from a grade."""

    sampling_bp: int
    """Shipments drawn, in basis points."""
    release: str
    documents: str
    refund_class: int
    review_months: int


@dataclass(frozen=True, slots=True)
class ProductStates:
    """Sampling of one product of one subject, in basis points, and how it moves."""

    normal_bp: int
    reduced_bp: int
    tightened_bp: int
    to_normal_after_passes: int
    to_reduced_after_passes: int
    to_tightened_fails: int
    to_tightened_in_last: int
    stopped_after_fails: int
