"""The ratings of a whole population: a pure map over shards of subjects.

    Unit          what a policy reads of one fact; `unit_of` takes it from a fact
    Shard         some subjects with their units, as bytes that travel and pickle as they are
    Cutter        cuts rows that come in the order of their subjects into shards
    shards_of     the same from one iterable
    Row           one subject's rating, and what lists and differences ask of it
    rate_shard    policy and shard to rows
    rate_all      policy and any number of shards to rows, one shard in memory at a time
    rate_packed   the same for a worker, which is told the policy by its document
    known_in      the facts of each subject of a shard's bytes
    refusal_about   a refusal that names the subject

Rows come in the order of the subjects, whoever cut the shards and wherever each is rated; a subject
of whom nothing is known below the tree size has none. Nothing is skipped: the first subject with a
fact that the policy cannot read refuses the whole, and the refusal names subject and leaf index.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Self, TypeAlias, cast

import orjson

from credit.errors import CreditError
from credit.facts import Fact
from credit.policy import Policy
from credit.rating import rate
from credit.rules import Grade
from ledger.canonical import encode
from ledger.identity import SubjectLabel

SHARD_SUBJECTS_MAX = 1_000
"""Some 50 ms of one core: long beside what sending it costs, short beside what losing it costs."""

SHARD_FACTS_MAX = 10_000
"""Some 1 MB. A subject with more has a shard of its own, for it is rated in one piece."""

_POLICIES_KEPT = 4
"""Parsed policies kept by a worker; one run has one."""

Unit: TypeAlias = tuple[
    int,
    str,
    str | None,
    str | None,
    str | None,
    date | None,
    date | None,
    str | None,
    int | None,
    str | None,
    str | None,
]
"""Leaf index, kind, code, outcome, severity, day of decision, day of effect, case, what it refers
to, measures as canonical JSON, basis.

All that `xinyuan-policy/2` reads; the day of the act cannot change a rating under it.
"""

SubjectUnit: TypeAlias = Sequence[object]
"""A subject, followed by the members of one unit: a row as a database gives it."""


class Row(NamedTuple):
    """One subject's rating: a tuple, since a population has millions and they travel."""

    subject: SubjectLabel
    grade: Grade
    points: int
    next_change_on: date | None
    """The first day on which the rating differs, if nothing more is stated."""
    rating: bytes
    """`Rating.canonical`: all the rest is in there."""

    @property
    def line(self) -> bytes:
        """Its line of a published list: canonical JSON (RFC 8785)."""
        # A label is of the base64url alphabet, so it is its own JSON text.
        return b'{"rating":%b,"subject":"%b"}\n' % (self.rating, self.subject.encode("ascii"))


@dataclass(frozen=True, slots=True)
class Shard:
    """Subjects in rising order, each with its units in any order."""

    first: SubjectLabel
    last: SubjectLabel
    subjects: int
    packed: bytes
    """JSON: `[[subject, [unit, …]], …]`, days as ISO 8601."""

    @classmethod
    def of(cls, population: Sequence[tuple[SubjectLabel, Sequence[Sequence[object]]]]) -> Self:
        """One shard of all of these."""
        assert population
        assert all(units for _, units in population)
        return cls(
            first=population[0][0],
            last=population[-1][0],
            subjects=len(population),
            packed=orjson.dumps(population),
        )


def unit_of(fact: Fact) -> Unit:
    """What a policy reads of `fact`."""
    return (
        fact.leaf_index,
        fact.kind,
        fact.code,
        fact.outcome,
        fact.severity,
        fact.decided_on,
        fact.effective_on,
        fact.case,
        fact.refers,
        None if fact.measures is None else encode(dict(fact.measures)).decode("ascii"),
        fact.basis,
    )


class Cutter:
    """Takes rows of one subject after the other, gives shards; holds one shard's rows."""

    def __init__(self) -> None:
        self._population: list[tuple[SubjectLabel, list[tuple[object, ...]]]] = []
        self._facts = 0

    def take(self, rows: Iterable[SubjectUnit]) -> Iterator[Shard]:
        """The shards that are full with these rows. A subject may go on in the next rows."""
        for subject, of_subject in groupby(rows, itemgetter(0)):
            units = [tuple(row[1:]) for row in of_subject]
            yield from self._add(cast("SubjectLabel", subject), units)

    def rest(self) -> Iterator[Shard]:
        """What is left after the last row."""
        if self._population:
            yield Shard.of(self._population)
            self._population, self._facts = [], 0

    def _add(self, subject: SubjectLabel, units: list[tuple[object, ...]]) -> Iterator[Shard]:
        if self._population:
            last, known = self._population[-1]
            if subject == last:
                known += units
                self._facts += len(units)
                if self._facts > SHARD_FACTS_MAX and len(self._population) > 1:
                    # It has grown out of the shard that it began in.
                    yield Shard.of(self._population[:-1])
                    self._population, self._facts = [(last, known)], len(known)
                return
            assert last < subject
            if (
                len(self._population) == SHARD_SUBJECTS_MAX
                or self._facts + len(units) > SHARD_FACTS_MAX
            ):
                yield from self.rest()
        self._population.append((subject, units))
        self._facts += len(units)


def shards_of(rows: Iterable[SubjectUnit]) -> Iterator[Shard]:
    """Rows in the order of their subjects, as shards."""
    cutter = Cutter()
    yield from cutter.take(rows)
    yield from cutter.rest()


def rate_all(
    policy: Policy, shards: Iterable[Shard], *, as_of: date, tree_size: int
) -> Iterator[Row]:
    """The rating of every subject on `as_of`, as known at `tree_size`, in the order of the shards.

    Raises `FactUnknown` or `FactIncomplete` at the first subject that cannot be rated.
    """
    before: SubjectLabel | None = None
    for shard in shards:
        assert before is None or before < shard.first
        before = shard.last
        yield from rate_shard(policy, shard, as_of=as_of, tree_size=tree_size)


def rate_shard(policy: Policy, shard: Shard, *, as_of: date, tree_size: int) -> list[Row]:
    """The rows of one shard. Raises `FactUnknown`, `FactIncomplete`."""
    return _rows(policy, shard.packed, as_of, tree_size)


def rate_packed(document: bytes, packed: bytes, as_of: date, tree_size: int) -> list[Row]:
    """The rows of a shard's bytes under the policy of `document`.

    Raises `PolicyError`, `FactUnknown`, `FactIncomplete`.
    """
    return _rows(_parsed(document), packed, as_of, tree_size)


def known_in(packed: bytes, tree_size: int) -> Iterator[tuple[SubjectLabel, list[Fact]]]:
    """The subjects of a shard's bytes of whom something is known, each with all of that."""
    for subject, units in orjson.loads(packed):
        facts = [_fact(unit) for unit in units if unit[0] < tree_size]
        if facts:
            yield subject, facts


def refusal_about(subject: SubjectLabel, refusal: CreditError, by: str = "") -> CreditError:
    """The refusal of one rating among many: it names the subject, and `by` what."""
    message = f"{subject} cannot be rated{by}: {refusal.message}"
    return type(refusal)(message, path=(subject, *refusal.path))


@lru_cache(maxsize=_POLICIES_KEPT)
def _parsed(document: bytes) -> Policy:
    return Policy.parse(document)


def _rows(policy: Policy, packed: bytes, as_of: date, tree_size: int) -> list[Row]:
    rows: list[Row] = []
    for subject, facts in known_in(packed, tree_size):
        try:
            rating = rate(policy, facts, as_of=as_of, tree_size=tree_size)
        except CreditError as refusal:
            raise refusal_about(subject, refusal) from None
        change = rating.next_change
        rows.append(
            Row(
                subject,
                rating.grade,
                rating.points,
                None if change is None else change.on,
                rating.canonical(),
            )
        )
    return rows


def _fact(unit: list[Any]) -> Fact:
    (
        leaf_index,
        kind,
        code,
        outcome,
        severity,
        decided_on,
        effective_on,
        case,
        refers,
        measures,
        basis,
    ) = unit
    return Fact(
        leaf_index,
        kind,
        code,
        outcome,
        severity,
        None,
        None if decided_on is None else date.fromisoformat(decided_on),
        None if effective_on is None else date.fromisoformat(effective_on),
        case,
        refers,
        None if measures is None else orjson.loads(measures),
        basis,
    )
