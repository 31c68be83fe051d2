"""The plainest program that rates by `docs/policy-language.md`; it shares no code with the engine.

    Json        a policy, a fact or a rating as plain JSON
    Refusal     the facts cannot be rated: `code`, and the `leaf_index` of the fact
    LAST_DAY    9999-12-31, with which the days end
    last        the last day of a period of months (Civil Code 201, 202)
    Fact        one fact of plain JSON, its days read
    Weight      what a fact weighs on a day
    Act         an act that adds to the sum of a day
    Sum         the points of a day, and from what they come
    Line        a red line and the fact on account of which it holds, from one day to another
    Span        days in a row on which everything but `promotion_on` and the reasons is the same
    Subject     a policy and the facts known at a tree size: the way of the grade, and ratings of it
    rate        the rating of one day
    canonical   its bytes

It reads a policy that is well formed and judges none. Every rule is followed on every day from its
definition; the grade held is all that is carried from one day to the next. Days on which provably
nothing differs are left out: see `Subject.days_of_change`. What the page leaves open is marked
with the word "Reading". Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

from ledger import canonical as ledger_canonical

Json = dict[str, Any]
Conditions = list[Json]

ONE_DAY = timedelta(days=1)
FIRST_DAY = date(1, 1, 1)
LAST_DAY = date(9999, 12, 31)

WEIGHS = ("weighs",)
NOTED = ("noted",)
EVIDENCE = ("favourable", "noted")
WEIGHS_OR_NOTED = ("noted", "weighs")
ANY_BUT_SILENT = ("favourable", "noted", "weighs")
ANY = ("favourable", "noted", "silent", "weighs")


class Refusal(Exception):
    """The rating refuses, and names the fact."""

    def __init__(self, code: str, leaf_index: int) -> None:
        super().__init__(f"{code} at leaf {leaf_index}")
        self.code = code
        self.leaf_index = leaf_index


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@lru_cache(maxsize=100_000)
def last(day: date, months: int) -> date:
    """The last day of `months` that start on `day`: the same number, or the month's last day."""
    year, month_from_0 = divmod(day.year * 12 + (day.month - 1) + months, 12)
    if year > LAST_DAY.year:
        return LAST_DAY
    month = month_from_0 + 1
    return date(year, month, min(day.day, days_in(year, month)))


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact; a member that is left out is null."""

    leaf_index: int
    kind: str
    code: str | None
    outcome: str | None
    severity: str | None
    basis: str | None
    decided_on: date | None
    effective_on: date | None
    case: str | None
    refers: int | None
    measures: dict[str, int]

    @classmethod
    def parse(cls, fact: Json) -> Fact:
        def day(name: str) -> date | None:
            return date.fromisoformat(fact[name]) if fact.get(name) else None

        return cls(
            leaf_index=fact["leaf_index"],
            kind=fact["kind"],
            code=fact.get("code"),
            outcome=fact.get("outcome"),
            severity=fact.get("severity"),
            basis=fact.get("basis"),
            decided_on=day("decided_on"),
            effective_on=day("effective_on"),
            case=fact.get("case"),
            refers=fact.get("refers"),
            measures=fact.get("measures") or {},
        )

    @property
    def effect(self) -> date:
        """The day on which it takes effect; asked only of facts that have one."""
        day = self.effective_on or self.decided_on
        assert day is not None
        return day

    @property
    def decided(self) -> date:
        """The day of the decision; asked only of facts that must have one."""
        assert self.decided_on is not None
        return self.decided_on

    @property
    def order(self) -> tuple[date, int]:
        return self.effect, self.leaf_index

    @property
    def act(self) -> str | int:
        """The name of its act: the case, or its own number."""
        return self.leaf_index if self.case is None else self.case


@dataclass(frozen=True, slots=True)
class Weight:
    """`points` after relief and decay."""

    points: int
    permille: int
    relief: str | None
    endless: bool  # the weight of an open duty, which no period ends


NO_WEIGHT = Weight(points=0, permille=0, relief=None, endless=False)


@dataclass(slots=True)
class Act:
    """An act by its counting fact; `kept` is what the caps leave of its weight."""

    fact: Fact
    weight: Weight
    ends_on: date | None
    kept: int
    cap: str | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    points: int
    acts: list[Act]
    merits: list[Json]
    lowered: int


NOTHING = Sum(points=0, acts=[], merits=[], lowered=0)


@dataclass(frozen=True, slots=True)
class Line:
    rule: Json
    fact: Fact
    first: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class Span:
    first: date
    grade: str
    since: date | None
    points: int
    target: str
    flags: tuple[str, ...]
    frozen: bool

    @property
    def shown(self) -> tuple[str, int, tuple[str, ...]]:
        """What `since` and `next_change` speak of."""
        return self.grade, self.points, self.flags


def fold_conditions(policy: Json) -> Iterator[tuple[Conditions, tuple[str, ...]]]:
    """Every list of conditions that the fold reads, with the roles of which it may speak."""
    for row in policy["points"]:
        yield row["when"], WEIGHS
    for cap in policy["caps"]:
        yield cap["when"], WEIGHS
    for relief in policy["reliefs"]:
        yield relief["when"], WEIGHS
        if relief["if"] is not None:
            yield relief["if"], NOTED
    if policy["unfulfilled"] is not None:
        yield policy["unfulfilled"]["ordered_by"], NOTED
        yield policy["unfulfilled"]["fulfilled_by"], NOTED
    for item in policy["merits"]["items"] if policy["merits"] is not None else []:
        if "standing" in item:
            yield item["standing"], EVIDENCE
        else:
            yield item["when"], EVIDENCE
            yield item["broken_by"], ANY_BUT_SILENT
    for name in ("annulled_by", "direct", "repaired_by", "through"):
        yield policy["procedures"][name], NOTED
    for mark in policy["marks"]:
        yield mark["opened_by"], ANY
        yield mark["closed_by"], ANY
    for line in policy["red_lines"]:
        yield line["when"], NOTED if line["months"] is None else WEIGHS_OR_NOTED
    for requirement in policy["requirements"]:
        for need in requirement["needs"]:
            for name, roles in (
                ("acts", EVIDENCE),
                ("none", ANY_BUT_SILENT),
                ("ratio", ANY_BUT_SILENT),
                ("standing", EVIDENCE),
            ):
                if name in need:
                    yield need[name], roles
    for item in policy["start"]["instead"]:
        yield item["when"], NOTED
    if policy["score"]["form"] == "latest":
        yield policy["score"]["when"], EVIDENCE


class Subject:
    """One subject under one policy, as the log knew it at `tree_size`. Raises `Refusal`."""

    def __init__(
        self, policy: Json, facts: Sequence[Json], tree_size: int, *, every_day: bool = False
    ) -> None:
        """With `every_day` no day is left out between the first and the last that can differ."""
        self.policy = policy
        self.grades: list[str] = [row["grade"] for row in policy["grades"]]
        self._spoken_of: dict[tuple[int, tuple[str, ...]], frozenset[int]] = {}
        self._sums: dict[date, Sum] = {}

        known = [Fact.parse(fact) for fact in facts if fact["leaf_index"] < tree_size]
        known.sort(key=lambda fact: fact.leaf_index)
        self.by_index = {fact.leaf_index: fact for fact in known}
        annulled = self.annulled(known)
        self.by_index = {i: fact for i, fact in self.by_index.items() if i not in annulled}
        self._spoken_of.clear()
        for fact in self.by_index.values():
            self.check(fact)

        # Reading: a silent fact without any day never takes effect.
        self.facts = sorted(
            (
                fact
                for fact in self.by_index.values()
                if fact.kind in policy["kinds"] and (fact.effective_on or fact.decided_on)
            ),
            key=lambda fact: fact.order,
        )
        counted = [fact for fact in self.facts if self.role(fact) != "silent"]
        self.begin = counted[0].effect if counted else None
        self.weighing = [fact for fact in self.facts if self.role(fact) == "weighs"]
        self.first_repair: dict[int, date] = {}
        for fact in self.of(policy["procedures"]["repaired_by"], NOTED):
            target = self.target(fact)
            if target is not None:
                self.first_repair.setdefault(target, fact.effect)
        self.weights = {fact.leaf_index: self.weights_in_time(fact) for fact in self.weighing}
        self.lines = list(self.red_lines())
        self.marks = list(self.mark_periods())
        self.watches = list(self.watch_periods())
        self.spans = list(self.way(self.days_of_change(every_day)))

    # What conditions speak of

    def role(self, fact: Fact) -> str | None:
        """Its role, or None for what is not listed."""
        role: str | None = self.policy["kinds"].get(fact.kind, {}).get(fact.outcome)
        return role

    def condition_speaks(self, condition: Json, fact: Fact, roles: tuple[str, ...]) -> bool:
        return self.speaks_but_for_measures(condition, fact, roles) and all(
            name in fact.measures and fact.measures[name] >= least
            for name, least in condition.get("at_least", {}).items()
        )

    def speaks_but_for_measures(self, condition: Json, fact: Fact, roles: tuple[str, ...]) -> bool:
        return (
            fact.kind == condition["kind"]
            and self.role(fact) in roles
            and all(
                getattr(fact, name) in condition[name]
                for name in ("code", "outcome", "severity", "basis")
                if name in condition
            )
        )

    def speaks(self, conditions: Conditions, fact: Fact, roles: tuple[str, ...]) -> bool:
        """Whether the list speaks of the fact; each list is asked once and remembered."""
        key = (id(conditions), roles)
        if key not in self._spoken_of:
            self._spoken_of[key] = frozenset(
                known.leaf_index
                for known in self.by_index.values()
                if any(self.condition_speaks(one, known, roles) for one in conditions)
            )
        return fact.leaf_index in self._spoken_of[key]

    def of(self, conditions: Conditions, roles: tuple[str, ...]) -> list[Fact]:
        """The facts of which the list speaks, in the order of facts."""
        return [fact for fact in self.facts if self.speaks(conditions, fact, roles)]

    # Procedures

    def target(self, fact: Fact) -> int | None:
        """The `leaf_index` of its target. Reading: what does not exist is nobody's target."""
        at = self.referent(fact)
        through: Conditions = self.policy["procedures"]["through"]
        if self.speaks(self.policy["procedures"]["direct"], fact, NOTED):
            through = []
        while at is not None and at.refers is not None and self.speaks(through, at, NOTED):
            at = self.referent(at)
        return None if at is None else at.leaf_index

    def referent(self, fact: Fact) -> Fact | None:
        """The fact to which it refers, if that is there: an earlier one, of this log."""
        if fact.refers is None or fact.refers >= fact.leaf_index:
            return None
        return self.by_index.get(fact.refers)

    def annulled(self, known: list[Fact]) -> set[int]:
        annulled: set[int] = set()
        for fact in reversed(known):
            annuls = self.speaks(self.policy["procedures"]["annulled_by"], fact, NOTED)
            if annuls and fact.leaf_index not in annulled:
                target = self.target(fact)
                if target is not None:
                    annulled.add(target)
        return annulled

    # Refusals

    def check(self, fact: Fact) -> None:
        """Raises `Refusal` for a fact that cannot be rated; called from the lowest index up."""
        # Reading: of an unweighed fact nothing but its kind is looked at.
        if fact.kind in self.policy["unweighed"]:
            return
        unknown = (
            fact.kind not in self.policy["kinds"]
            or (fact.outcome is not None and self.role(fact) is None)
            or (fact.severity is not None and fact.severity not in self.policy["severities"])
        )
        if unknown:
            raise Refusal("CREDIT_FACT_UNKNOWN", fact.leaf_index)
        if fact.outcome is None or (self.role(fact) != "silent" and self.lacks(fact)):
            raise Refusal("CREDIT_INCOMPLETE", fact.leaf_index)

    def lacks(self, fact: Fact) -> bool:
        """Whether a fact that is not silent lacks a day, a severity, a code or a measure."""
        if fact.decided_on is None or (self.role(fact) == "weighs" and fact.severity is None):
            return True
        for conditions, roles in fold_conditions(self.policy):
            for condition in conditions:
                # Reading: the code is asked of every fact of the kind, whatever its role.
                if fact.kind == condition["kind"] and "code" in condition and fact.code is None:
                    return True
                wanted = condition.get("at_least", {})
                missing = wanted.keys() - fact.measures.keys()
                # Reading: "in all else" includes the measures that are there.
                reached = all(
                    fact.measures[name] >= wanted[name] for name in wanted.keys() - missing
                )
                if missing and reached and self.speaks_but_for_measures(condition, fact, roles):
                    return True
        return any(
            self.speaks(conditions, fact, roles) and any(m not in fact.measures for m in measures)
            for conditions, roles, measures in self.summed_measures()
        )

    def summed_measures(self) -> Iterator[tuple[Conditions, tuple[str, ...], list[str]]]:
        """The measures of a ratio and of a latest score, which must be there."""
        for requirement in self.policy["requirements"]:
            for need in requirement["needs"]:
                if "ratio" in need:
                    yield need["ratio"], ANY_BUT_SILENT, [need["of"], need["to"]]
        if self.policy["score"]["form"] == "latest":
            yield self.policy["score"]["when"], EVIDENCE, list(self.policy["score"]["measures"])

    # The weight of a fact

    def relief_holds(self, relief: Json, fact: Fact, day: date) -> bool:
        if not self.speaks(relief["when"], fact, WEIGHS):
            return False
        if relief["if"] is not None and not any(
            other.effect <= day and self.target(other) == fact.leaf_index
            for other in self.of(relief["if"], NOTED)
        ):
            return False
        months = relief["first_in_months"]
        return months is None or not any(
            other.act != fact.act
            and other.order < fact.order
            and last(other.effect, months) >= fact.effect
            for other in self.of(relief["when"], WEIGHS)
        )

    def duty_is_open(self, fact: Fact, day: date) -> bool:
        rule = self.policy["unfulfilled"]

        def has(conditions: Conditions) -> bool:
            return any(
                other.effect <= day and self.target(other) == fact.leaf_index
                for other in self.of(conditions, NOTED)
            )

        return rule is not None and has(rule["ordered_by"]) and not has(rule["fulfilled_by"])

    def row(self, fact: Fact) -> Json:
        rows = (row for row in self.policy["points"] if self.speaks(row["when"], fact, WEIGHS))
        return cast("Json", next(rows))

    def weight(self, fact: Fact, day: date) -> Weight:
        """What it weighs on a day, straight from the definition."""
        repaired = self.first_repair.get(fact.leaf_index)
        if day < fact.effect or (repaired is not None and day >= repaired):
            return NO_WEIGHT
        assert fact.severity is not None
        for months, permille in self.policy["severities"][fact.severity]["decay"]:
            if day <= last(fact.decided, months):
                decay, endless = permille, False
                break
        else:
            if not self.duty_is_open(fact, day):
                return NO_WEIGHT
            decay, endless = self.policy["unfulfilled"]["permille"], True
        relief = next((r for r in self.policy["reliefs"] if self.relief_holds(r, fact, day)), None)
        relieved = self.row(fact)["points"] * (1000 if relief is None else relief["permille"])
        points = relieved // 1000 * decay // 1000
        return Weight(points, decay, None if relief is None else relief["id"], endless)

    def weights_in_time(self, fact: Fact) -> list[tuple[date, Weight]]:
        """Its weight from each day on which one that bears on it begins or ends."""
        assert fact.severity is not None
        days = {fact.effect}
        for months, _ in self.policy["severities"][fact.severity]["decay"]:
            days.add(day_after(last(fact.decided, months)))
        days |= {
            other.effect
            for other in self.facts
            if other.refers is not None and self.target(other) == fact.leaf_index
        }
        return [(day, self.weight(fact, day)) for day in sorted(days) if day >= fact.effect]

    def weight_and_end(self, fact: Fact, day: date) -> tuple[Weight, date | None]:
        """Its weight on a day, and the last day of the run of days on which it has any."""
        times = self.weights[fact.leaf_index]
        now = bisect_right(times, day, key=lambda time: time[0]) - 1
        if now < 0 or times[now][1].points == 0:
            return NO_WEIGHT, None
        for first, weight in times[now + 1 :]:
            if weight.points == 0:
                return times[now][1], first - ONE_DAY
        return times[now][1], None if times[-1][1].endless else LAST_DAY

    # The sum of a day

    def acts(self, day: date) -> list[Act]:
        """The acts that have a weight, in the order of their counting facts, after caps."""
        counting: dict[str | int, Act] = {}
        for fact in self.weighing:
            weight, ends_on = self.weight_and_end(fact, day)
            if weight.points == 0:
                continue
            act = Act(fact, weight, ends_on, kept=weight.points)
            other = counting.get(fact.act)
            if other is None or counts_before(act, other):
                counting[fact.act] = act
        acts = sorted(counting.values(), key=lambda act: act.fact.order)
        for cap in self.policy["caps"]:
            alike = [act for act in acts if self.speaks(cap["when"], act.fact, WEIGHS)]
            for place, act in enumerate(alike):
                beside = sum(
                    earlier.kept
                    for earlier in alike[:place]
                    if last(earlier.fact.effect, cap["months"]) >= act.fact.effect
                )
                left = max(0, cap["points"] - beside)
                if act.kept > left:
                    act.kept, act.cap = left, cap["id"]
        return acts

    def merit(self, item: Json, day: date) -> int:
        points: int = item["points"]
        if "standing" in item:
            return points if self.is_standing(item["standing"], day) else 0
        broken = [f.order for f in self.of(item["broken_by"], ANY_BUT_SILENT) if f.effect <= day]
        acts = {
            fact.act
            for fact in self.of(item["when"], EVIDENCE)
            if fact.effect <= day <= last(fact.decided, item["months"])
            and (not broken or fact.order > broken[-1])
        }
        most: int = item["cap"]
        each: int = item["each"]
        return min(most, len(acts) // each * points)

    def sum_of(self, day: date) -> Sum:
        if day not in self._sums:
            self._sums[day] = self.summed(day)
        return self._sums[day]

    def summed(self, day: date) -> Sum:
        acts = self.acts(day)
        points = sum(act.kept for act in acts)
        rule = self.policy["merits"]
        if rule is None:
            return Sum(points, acts, merits=[], lowered=0)
        given = [(self.merit(item, day), item["id"]) for item in rule["items"]]
        merits = [{"points": gives, "rule": name} for gives, name in given if gives > 0]
        lowerable = sum(act.kept for act in acts if act.fact.severity in rule["lowers"])
        lowered = min(rule["cap"], sum(gives for gives, _ in given), lowerable)
        return Sum(points - lowered, acts, merits, lowered)

    # Standing, red lines, requirements

    def standing_period(self, fact: Fact) -> tuple[date, date | None]:
        """From which day to which it is the last of its kind and code; null: no end is known.

        Reading: a silent fact carries nothing, and so ends nothing that stands.
        """
        later = [
            other.effect
            for other in self.facts
            if (other.kind, other.code) == (fact.kind, fact.code)
            and other.order > fact.order
            and self.role(other) != "silent"
        ]
        return fact.effect, later[0] - ONE_DAY if later else None

    def is_standing(self, conditions: Conditions, day: date) -> bool:
        for fact in self.of(conditions, EVIDENCE):
            first, ends_on = self.standing_period(fact)
            if first <= day and (ends_on is None or day <= ends_on):
                return True
        return False

    def red_lines(self) -> Iterator[Line]:
        """Every line with every fact on account of which it holds, and the days."""
        for rule in self.policy["red_lines"]:
            roles = NOTED if rule["months"] is None else WEIGHS_OR_NOTED
            crossing = self.of(rule["when"], roles)
            for fact in crossing:
                repeat = rule["repeat"]
                if repeat is not None:
                    acts = {
                        other.act
                        for other in crossing
                        if other.order <= fact.order
                        and last(other.effect, repeat["within_months"]) >= fact.effect
                    }
                    if len(acts) < repeat["acts"]:
                        continue
                ends_on: date | None
                if rule["months"] is None:
                    first, ends_on = self.standing_period(fact)
                else:
                    first, ends_on = fact.effect, last(fact.decided, rule["months"])
                repaired = self.first_repair.get(fact.leaf_index)
                if repaired is not None and (ends_on is None or repaired <= ends_on):
                    ends_on = repaired - ONE_DAY
                if ends_on is None or ends_on >= first:
                    yield Line(rule, fact, first, ends_on)

    def lines_on(self, day: date) -> list[Line]:
        return [
            line
            for line in self.lines
            if line.first <= day and (line.ends_on is None or day <= line.ends_on)
        ]

    def is_met(self, need: Json, day: date) -> bool:
        if "known_months" in need:
            assert self.begin is not None
            return day > last(self.begin, need["known_months"])
        if "standing" in need:
            return self.is_standing(need["standing"], day)
        name = next(name for name in ("acts", "none", "ratio") if name in need)
        roles = EVIDENCE if name == "acts" else ANY_BUT_SILENT
        facts = [
            fact
            for fact in self.of(need[name], roles)
            if fact.effect <= day <= last(fact.decided, need["months"])
        ]
        if name == "acts":
            least: int = need["at_least"]
            return len({fact.act for fact in facts}) >= least
        if name == "none":
            return not facts
        part = sum(fact.measures[need["of"]] for fact in facts)
        whole = sum(fact.measures[need["to"]] for fact in facts)
        most: int = need["permille_max"]
        return whole > 0 and part * 1000 <= most * whole

    # Grades

    def is_worse(self, grade: str, than: str) -> bool:
        return self.grades.index(grade) > self.grades.index(than)

    def grade_of_sum(self, points: int) -> str:
        rows = self.policy["grades"]
        for row in rows:
            greater = [other["from"] for other in rows if other["from"] > row["from"]]
            if not greater or points < min(greater):
                return cast("str", row["grade"])
        raise AssertionError("the last grade has no bound")

    def latest(self, day: date) -> Fact | None:
        """The fact that gives the score of the form `latest`."""
        facts = [f for f in self.of(self.policy["score"]["when"], EVIDENCE) if f.effect <= day]
        return facts[-1] if facts else None

    def score_of(self, fact: Fact) -> int:
        score = self.policy["score"]
        weights: dict[str, int] = score["measures"]
        floor: int = score["floor"]
        start: int = score["start"]
        return max(floor, start + sum(weights[name] * fact.measures[name] for name in weights))

    def grade_of_score(self, fact: Fact) -> str:
        score = self.score_of(fact)
        measures = [fact.measures[name] for name in self.policy["score"]["measures"]]
        for row in self.policy["grades"]:
            if (
                (row["at_most"] is None or score <= row["at_most"])
                and (row["at_least"] is None or score >= row["at_least"])
                and (row["each_at_most"] is None or max(measures) <= row["each_at_most"])
            ):
                return cast("str", row["grade"])
        raise AssertionError("the last grade has no bounds")

    def target_on(self, day: date) -> tuple[int, str, set[str]]:
        """Points, target and the flags that come with them, on a day."""
        start = self.policy["start"]
        unknown = (0, start["grade"], {start["flag"]} - {None})
        if self.policy["score"]["form"] == "latest":
            fact = self.latest(day)
            if fact is None:
                return unknown
            return self.score_of(fact), self.grade_of_score(fact), set()
        if self.begin is None or day < self.begin:
            return unknown
        points = self.sum_of(day).points
        grade = self.grade_of_sum(points)
        for line in self.lines_on(day):
            if self.is_worse(line.rule["grade"], than=grade):
                grade = line.rule["grade"]
        flags: set[str] = set()
        for requirement in self.policy["requirements"]:
            if grade == requirement["grade"] and not all(
                self.is_met(need, day) for need in requirement["needs"]
            ):
                grade = requirement["otherwise"]
                flags |= {requirement["flag"]} - {None}
        return points, grade, flags

    # Marks and watch

    def mark_periods(self) -> Iterator[tuple[Json, date, date | None]]:
        """Each mark that a fact opens: from which day, and to which, as far as is known."""

        def joins(rule: Json, closing: Fact, opening: Fact) -> bool:
            if rule["joined"] == "case":
                return closing.case is not None and closing.case == opening.case
            return closing.refers is not None and closing.refers in (
                opening.leaf_index,
                opening.refers,
            )

        for rule in self.policy["marks"]:
            for opening in self.of(rule["opened_by"], ANY):
                if rule["joined"] == "case" and opening.case is None:
                    continue
                closed = [
                    closing.effect
                    for closing in self.of(rule["closed_by"], ANY)
                    if closing.leaf_index > opening.leaf_index and joins(rule, closing, opening)
                ]
                if not closed:
                    yield rule, opening.effect, None
                elif closed[0] > opening.effect:
                    yield rule, opening.effect, closed[0] - ONE_DAY

    def marks_on(self, day: date) -> list[Json]:
        return [
            rule
            for rule, first, ends_on in self.marks
            if first <= day and (ends_on is None or day <= ends_on)
        ]

    def watch_periods(self) -> Iterator[tuple[date, date]]:
        rule = self.policy["watch"]
        if rule is not None:
            for day in sorted({fact.effect for fact in self.weighing}):
                if self.sum_of(day).points >= rule["from"]:
                    yield day, last(day, rule["months"])

    # Movement

    def days_of_change(self, every_day: bool) -> list[date]:
        """All days on which anything but the grade held can differ from the day before.

        Whatever a rule says of a day compares it with the day on which a fact takes effect or is
        repaired (itself such a day), or with the last day of some months of the policy from the
        day on which a fact takes effect or was decided. `begin` is the first of these days.
        """
        months = set(months_in(self.policy))
        days = set()
        for fact in self.facts:
            days.add(fact.effect)
            for start in {fact.effect, fact.decided_on or fact.effect}:
                days |= {day_after(last(start, number)) for number in months}
        if every_day and days:
            count = (max(days) - min(days)).days
            days |= {min(days) + timedelta(days=number) for number in range(count)}
        return [FIRST_DAY, *sorted(days - {FIRST_DAY})]

    def way(self, days: list[date]) -> Iterator[Span]:
        """The grade from the first day to the last."""
        held, since = self.policy["start"]["grade"], None
        for day, following in pairwise([*days, None]):
            assert day is not None
            points, target, flags = self.target_on(day)
            marks = self.marks_on(day)
            frozen = any(mark["freezes"] for mark in marks)
            flags |= {mark["flag"] for mark in marks} - {None}
            flags |= {
                self.policy["watch"]["flag"]
                for first, ends_on in self.watches
                if first <= day <= ends_on
            }

            if self.policy["movement"] is None or self.begin is None or day < self.begin:
                yield Span(day, target, None, points, target, tuple(sorted(flags)), frozen)
                continue
            if day == self.begin:
                held, since = self.start_grade(), day
            assert since is not None
            wanted = self.downgraded(day, points, target, held)
            if self.is_worse(wanted, than=held):
                held, since = wanted, day
            elif self.may_rise(held, since, wanted, frozen, day):
                held, since = self.risen(held, wanted), day
            span = Span(day, held, since, points, target, tuple(sorted(flags)), frozen)
            yield span
            # Until the following day of change only the grade held can differ, on cycle days.
            for cycle_day in self.cycle_days_after(day):
                if frozen or not self.is_worse(held, than=target):
                    break
                if following is not None and cycle_day >= following:
                    break
                if self.may_rise(held, since, target, frozen, cycle_day):
                    held, since = self.risen(held, target), cycle_day
                    yield replace(span, first=cycle_day, grade=held, since=since)

    def start_grade(self) -> str:
        start = self.policy["start"]
        for item in start["instead"]:
            if any(fact.effect == self.begin for fact in self.of(item["when"], NOTED)):
                return cast("str", item["grade"])
        return cast("str", start["grade"])

    def downgraded(self, day: date, points: int, target: str, held: str) -> str:
        """The target of the day with the instant downgrade, from the grade held before it."""
        rule = self.policy["instant_downgrade"]
        if (
            rule is None
            or points < rule["from"]
            or all(fact.effect != day for fact in self.weighing)
            or (day > FIRST_DAY and self.sum_of(day - ONE_DAY).points >= rule["from"])
        ):
            return target
        steps: int = rule["steps"]
        place = min(self.grades.index(held) + steps, len(self.grades) - 1)
        return max(self.grades[place], target, key=self.grades.index)

    def earliest_rise(self, held: str, since: date) -> date:
        return last(since, self.policy["movement"]["promote"]["stay_months"][held])

    def is_cycle_day(self, day: date) -> bool:
        cycle = self.policy["movement"]["cycle"]
        month, number = (int(part) for part in cycle["start"].split("-"))
        return day.day == number and (day.month - month) % cycle["months"] == 0

    def cycle_days_after(self, day: date) -> Iterator[date]:
        number = int(self.policy["movement"]["cycle"]["start"].split("-")[1])
        for month in range(day.year * 12 + day.month - 1, (LAST_DAY.year + 1) * 12):
            cycle_day = date(month // 12, month % 12 + 1, number)
            if cycle_day > day and self.is_cycle_day(cycle_day):
                yield cycle_day

    def may_rise(self, held: str, since: date, target: str, frozen: bool, day: date) -> bool:
        return (
            self.is_worse(held, than=target)
            and not frozen
            and self.is_cycle_day(day)
            and day >= self.earliest_rise(held, since)
        )

    def risen(self, held: str, target: str) -> str:
        steps: int = self.policy["movement"]["promote"]["steps"]
        place = self.grades.index(held) - steps
        return self.grades[max(place, self.grades.index(target))]

    # The rating

    def rating(self, as_of: date) -> Json:
        place = bisect_right(self.spans, as_of, key=lambda span: span.first) - 1
        now = self.spans[place]
        first = place
        while first > 0 and self.spans[first - 1].shown == now.shown:
            first -= 1
        later = next((span for span in self.spans[place + 1 :] if span.shown != now.shown), None)
        is_sum = self.policy["score"]["form"] == "sum"
        total = self.sum_of(as_of) if is_sum else NOTHING
        return {
            "flags": list(now.flags),
            "frozen": now.frozen,
            "grade": now.grade,
            "held_since": text(now.since),
            "lowered": total.lowered,
            "merits": total.merits,
            "next_change": None
            if later is None
            else {"grade": later.grade, "on": text(later.first), "points": later.points},
            "points": now.points,
            "promotion_on": text(self.promotion_on(now, as_of)),
            "reasons": self.reasons(as_of) if is_sum else self.reason_of_score(as_of),
            "since": text(self.spans[first].first) if first > 0 else None,
            "target": now.target,
        }

    def promotion_on(self, now: Span, as_of: date) -> date | None:
        if now.since is None:
            return None
        for day in self.cycle_days_after(as_of):
            if now.frozen or not self.is_worse(now.grade, than=now.target):
                return None
            if self.may_rise(now.grade, now.since, now.target, now.frozen, day):
                return day
        return None

    def reasons(self, day: date) -> list[Json]:
        longest: dict[tuple[str, str | int], Line] = {}
        for line in self.lines_on(day):
            key = (line.rule["id"], line.fact.act)
            if key not in longest or holds_longer(line, longest[key]):
                longest[key] = line
        lines = sorted(
            longest.values(),
            key=lambda line: (
                -self.grades.index(line.rule["grade"]),
                *later_first(line.ends_on),
                line.rule["id"],
                line.fact.leaf_index,
            ),
        )
        acts = sorted(
            (act for act in self.sum_of(day).acts if act.kept > 0),
            key=lambda act: (-act.kept, -act.fact.effect.toordinal(), act.fact.leaf_index),
        )
        return [reason(line.fact, line.rule["id"], ends_on=line.ends_on) for line in lines] + [
            reason(
                act.fact,
                self.row(act.fact)["id"],
                ends_on=act.ends_on,
                points=act.kept,
                points_full=self.row(act.fact)["points"],
                permille=act.weight.permille,
                relief=act.weight.relief,
                cap=act.cap,
            )
            for act in acts
        ]

    def reason_of_score(self, day: date) -> list[Json]:
        """The one reason. Reading: a score stands until the next one; it has no end of its own."""
        fact = self.latest(day)
        if fact is None:
            return []
        score = self.score_of(fact)
        rule = self.policy["score"]["id"]
        return [reason(fact, rule, ends_on=None, points=score, points_full=score)]


def day_after(day: date) -> date:
    """The day after, or the last of all days, after which nothing changes."""
    return LAST_DAY if day == LAST_DAY else day + ONE_DAY


def months_in(value: object) -> Iterator[int]:
    """Every number of months that stands anywhere in a policy."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "decay":
                yield from (months for months, _ in member)
            elif "months" in name and isinstance(member, int):
                yield member
            else:
                yield from months_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from months_in(member)


def later_first(day: date | None) -> tuple[int, int]:
    """Sorts ends: without end first, then the later day."""
    return (0, 0) if day is None else (1, -day.toordinal())


def counts_before(act: Act, other: Act) -> bool:
    """Whether of two facts of one act the first counts."""

    def rank(one: Act) -> tuple[int, int, int, int]:
        return (-one.weight.points, *later_first(one.ends_on), one.fact.leaf_index)

    return rank(act) < rank(other)


def holds_longer(line: Line, other: Line) -> bool:
    ours = (*later_first(line.ends_on), line.fact.leaf_index)
    return ours < (*later_first(other.ends_on), other.fact.leaf_index)


def text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def reason(
    fact: Fact,
    rule: str,
    *,
    ends_on: date | None,
    points: int = 0,
    points_full: int = 0,
    permille: int = 1000,
    relief: str | None = None,
    cap: str | None = None,
) -> Json:
    return {
        "cap": cap,
        "case": fact.case,
        "ends_on": text(ends_on),
        "leaf_index": fact.leaf_index,
        "permille": permille,
        "points": points,
        "points_full": points_full,
        "relief": relief,
        "rule": rule,
    }


def rate(policy: Json, facts: Sequence[Json], as_of: str, tree_size: int) -> Json:
    """The rating on the day `as_of`. Raises `Refusal`."""
    return Subject(policy, facts, tree_size).rating(date.fromisoformat(as_of))


def canonical(rating: Json) -> bytes:
    return ledger_canonical.encode(rating)
