"""Grades per subject, kept current by following the ledger.

    CreditView            follows the log: statements become facts, adoptions become policies
    StatedFact            a fact, who stated it, and until when it may be shown
    Ratings               the questions
      .policy_in_force    the policy of a day, as the log knew it at a size
      .of                 a rating by the two clocks, folded from the facts
      .facts_of           a page of a subject's facts, or of those that may be shown on a day
      .facts_of_each      the same of many subjects together
      .shown              which of some facts may be shown on a day
      .referring_to       the facts of a subject that refer to some of its facts
      .shards             everybody's facts as shards, in the order of their labels
      .population_size    how many subjects that is
      .with_grade         a page of the subjects whose stored rating has a grade
      .refresh            one bounded step that brings `credit_rating` up to a day

The only reader and writer of the three credit tables. `of` folds and never reads a stored rating:
those serve lists and deadlines. A stored rating is a function of facts, policy and day alone, so a
view that was rebuilt and refreshed equals the one that was there. Repositories never commit.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    LargeBinary,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from credit.errors import CreditError, PolicyError, PolicyUnknown
from credit.facts import Fact
from credit.policy import Policy
from credit.population import Cutter, Shard
from credit.publicity import Ends, Window, stands_alone, window_alone, windows
from credit.rating import Rating, rate
from credit.rules import Grade
from credit.tables import FactRow, PolicyRow, RatingRow
from ledger.canonical import decode, encode, unb64url
from ledger.control import Control, PolicyAdoption
from ledger.entries import LoggedEntry
from ledger.identity import SubjectLabel
from ledger.statement import Statement, reference_hash
from ledger.tables import Label

KEYS_MAX = 500
"""Keys of one `IN` list: below the variables any supported SQLite takes in one statement."""

FACTS_PAGE_MAX = 1_000
"""Facts of one page of `facts_of`; the largest subject of the real refusals has 409."""

SUBJECTS_PAGE_MAX = 1_000
"""Subjects of one page of `with_grade`."""

POPULATION_PAGE_MAX = 10_000
"""Facts of one page of `shards`: some 2 MB, and a tenth of a second between two other readers."""

REFRESH_MAX = 5_000
"""Ratings of one step: less than a second of work, and of the writer's lock."""

_POLICIES_KEPT = 16
"""Parsed policies kept in memory; a log has a handful in force."""

_NO_SIZE = 2**62
"""Beyond every leaf index: all that is known."""

_UNJUDGED = Window(None, None, Ends.UNREADABLE)
"""Without a policy nothing is shown."""

_Key = TypeVar("_Key")
_Values = dict[str, Any]

_FACT = cast("Table", FactRow.__table__)
_RATING = cast("Table", RatingRow.__table__)

_FACTS = select(
    FactRow.subject,
    FactRow.leaf_index,
    FactRow.kind,
    FactRow.code,
    FactRow.outcome,
    FactRow.severity,
    FactRow.occurred_on,
    FactRow.decided_on,
    FactRow.effective_on,
    FactRow.case,
    FactRow.refers,
    FactRow.measures,
    FactRow.basis,
)
"""The subject, then the members of `Fact` in their order."""

_UNITS = select(
    FactRow.subject,
    FactRow.leaf_index,
    FactRow.kind,
    FactRow.code,
    FactRow.outcome,
    FactRow.severity,
    FactRow.decided_on,
    FactRow.effective_on,
    FactRow.case,
    FactRow.refers,
    FactRow.measures,
    FactRow.basis,
)
"""The subject, then the members of `credit.population.Unit` in their order."""

# The columns to set are those of the parameters that are no key.
_WRITE_DUE = update(_RATING).where(
    _RATING.c.subject == bindparam("key_subject"),
    _RATING.c.policy_hash == bindparam("key_policy_hash"),
)
_WRITE_RATING = _WRITE_DUE.where(_RATING.c.fact_index == bindparam("key_fact_index"))
_WRITE_PUBLICITY = update(_FACT).where(
    _FACT.c.subject == bindparam("key_subject"),
    _FACT.c.leaf_index == bindparam("key_leaf_index"),
)


@dataclass(frozen=True, slots=True)
class StatedFact:
    """A fact as the view holds it."""

    fact: Fact
    issuer: SubjectLabel
    public_until: date | None


class CreditView:
    """The view `credit` of the ledger."""

    name = "credit"

    async def apply(self, session: AsyncSession, entries: Sequence[LoggedEntry]) -> None:
        """Add what these entries say; the result does not depend on how the log is cut."""
        new_hashes = await _adopt(session, entries)
        policies = await _policies(session)
        newest = policies[-1] if policies else None
        facts = await _facts_of_entries(session, entries)
        if facts:
            rows = [_fact_values(statement, fact, newest) for statement, fact in facts]
            await session.execute(insert(FactRow), rows)
            if newest is not None:
                entangled = {
                    statement.subject for statement, fact in facts if not stands_alone(newest, fact)
                }
                await _publish(session, newest, sorted(entangled))
            fact_index = {statement.subject: fact.leaf_index for statement, fact in facts}
            known = [policy for policy in policies if policy.hash not in new_hashes]
            await _mark_due(session, fact_index, known)
        if new_hashes:
            for policy in policies:
                if policy.hash in new_hashes:
                    await _mark_all_due(session, policy)
        if newest is not None and any(_adoption(entry) for entry in entries):
            await _publish_anew(session, newest)

    async def clear(self, session: AsyncSession) -> None:
        """Remove every fact, policy and rating."""
        for table in (RatingRow, FactRow, PolicyRow):
            await session.execute(delete(table))


class Ratings:
    """Every question about credit that the database answers."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def policy_in_force(self, *, as_of: date, tree_size: int) -> Policy:
        """The policy adopted last below `tree_size` of those in force on `as_of`.

        Raises `PolicyUnknown`.
        """
        query = (
            select(PolicyRow.document)
            .where(
                PolicyRow.adopted_index < tree_size,
                PolicyRow.effective_from <= as_of,
                PolicyRow.refusal.is_(None),
            )
            .order_by(PolicyRow.adopted_index.desc())
            .limit(1)
        )
        document = await self._session.scalar(query)
        if document is None:
            raise PolicyUnknown(f"no policy below tree size {tree_size} is in force on {as_of}")
        return _parsed(document)

    async def of(self, subject: SubjectLabel, *, as_of: date, tree_size: int) -> Rating:
        """The rating of a subject; one of whom nothing is known has one too.

        Raises `PolicyUnknown`, `FactUnknown`, `FactIncomplete`.
        """
        policy = await self.policy_in_force(as_of=as_of, tree_size=tree_size)
        facts = await _facts(self._session, [subject], tree_size)
        return rate(policy, facts[subject], as_of=as_of, tree_size=tree_size)

    async def facts_of(
        self,
        subject: SubjectLabel,
        *,
        tree_size: int,
        as_of: date | None = None,
        public_on: date | None = None,
        after: int = -1,
        limit: int = FACTS_PAGE_MAX,
    ) -> list[StatedFact]:
        """Facts below `tree_size` with an index beyond `after`, in the order of the log.

        `as_of` leaves out what takes effect later, `public_on` what may not be shown that day:
        give it today's, whatever day is asked about.
        """
        assert 0 < limit <= FACTS_PAGE_MAX
        query = (
            _stated(tree_size=tree_size, as_of=as_of, public_on=public_on)
            .where(FactRow.subject == subject, FactRow.leaf_index > after)
            .order_by(FactRow.leaf_index)
            .limit(limit)
        )
        return [_stated_fact(row) for row in await self._session.execute(query)]

    async def facts_of_each(
        self,
        subjects: Sequence[SubjectLabel],
        *,
        tree_size: int,
        as_of: date | None = None,
        public_on: date | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> dict[SubjectLabel, list[StatedFact]]:
        """The same of many subjects in one statement, at most `limit` facts of each."""
        facts: dict[SubjectLabel, list[StatedFact]] = {subject: [] for subject in subjects}
        for keys in _chunks(list(facts)):
            place = func.row_number().over(
                partition_by=FactRow.subject, order_by=FactRow.leaf_index
            )
            numbered = (
                _stated(tree_size=tree_size, as_of=as_of, public_on=public_on)
                .add_columns(place.label("place"))
                .where(FactRow.subject.in_(keys), FactRow.leaf_index > after)
                .subquery()
            )
            query = select(numbered).order_by(numbered.c.subject, numbered.c.leaf_index)
            if limit is not None:
                query = query.where(numbered.c.place <= limit)
            for row in await self._session.execute(query):
                facts[row.subject].append(_stated_fact(row))
        return facts

    async def shown(
        self, places: Collection[tuple[SubjectLabel, int]], *, public_on: date | None
    ) -> set[tuple[SubjectLabel, int]]:
        """Of facts by subject and leaf index, those that are there and may be shown that day."""
        found: set[tuple[SubjectLabel, int]] = set()
        for keys in _chunks(sorted(places), KEYS_MAX // 2):
            query = select(FactRow.subject, FactRow.leaf_index).where(
                FactRow.subject.in_({subject for subject, _ in keys}),
                FactRow.leaf_index.in_({leaf_index for _, leaf_index in keys}),
                *_public(public_on),
            )
            for subject, leaf_index in await self._session.execute(query):
                found.add((subject, leaf_index))
        return found

    async def referring_to(
        self,
        places: Collection[tuple[SubjectLabel, int]],
        *,
        tree_size: int,
        as_of: date | None = None,
        public_on: date | None = None,
        after: int = -1,
        limit: int,
    ) -> dict[tuple[SubjectLabel, int], list[int]]:
        """Of facts by subject and leaf index, the leaf indexes of those that refer to each.

        At most `limit` for each, beyond the index `after`, as `facts_of` tells them; but `as_of`
        leaves out what was decided later: a repair notice is there before repair is possible.
        """
        found: dict[tuple[SubjectLabel, int], list[int]] = {place: [] for place in places}
        for keys in _chunks(sorted(found), KEYS_MAX // 2):
            place = func.row_number().over(
                partition_by=(FactRow.subject, FactRow.refers), order_by=FactRow.leaf_index
            )
            referring = (
                _stated(tree_size=tree_size, as_of=None, public_on=public_on)
                .add_columns(place.label("place"))
                .where(
                    FactRow.subject.in_({subject for subject, _ in keys}),
                    FactRow.refers.in_({leaf_index for _, leaf_index in keys}),
                    FactRow.leaf_index > after,
                )
            )
            if as_of is not None:
                decided_on = FactRow.decided_on
                referring = referring.where(or_(decided_on.is_(None), decided_on <= as_of))
            numbered = referring.subquery()
            query = (
                select(numbered.c.subject, numbered.c.refers, numbered.c.leaf_index)
                .where(numbered.c.place <= limit)
                .order_by(numbered.c.leaf_index)
            )
            for subject, refers, leaf_index in await self._session.execute(query):
                # A fact refers to one of its own subject, so that no other pair is met.
                found[subject, refers].append(leaf_index)
        return found

    async def shards(
        self, *, tree_size: int, limit: int = POPULATION_PAGE_MAX
    ) -> AsyncIterator[Shard]:
        """Every subject with a fact below `tree_size`, in the order of code points of the labels.

        Holds one page and one shard. Facts are never changed and only added with a higher index,
        so that pages agree with each other; a transaction that sees no rebuild is the caller's.
        """
        assert 0 < limit <= POPULATION_PAGE_MAX
        subject: Any = FactRow.subject
        if not await self._sorts_by_code_point():
            # Right on such a server too, though no index has this order there.
            subject = subject.collate("C")
        query = (
            _UNITS.where(FactRow.leaf_index < tree_size)
            .order_by(subject, FactRow.leaf_index)
            .limit(limit)
        )
        cutter = Cutter()
        after: tuple[str, int] = ("", -1)
        while True:
            page = query.where(tuple_(subject, FactRow.leaf_index) > after)
            rows = (await self._session.execute(page)).all()
            for shard in cutter.take(rows):
                yield shard
            if len(rows) < limit:
                break
            after = (rows[-1].subject, rows[-1].leaf_index)
        for shard in cutter.rest():
            yield shard

    async def population_size(self, *, tree_size: int) -> int:
        """How many subjects have a fact below `tree_size`."""
        query = select(func.count(FactRow.subject.distinct()))
        return await self._session.scalar(query.where(FactRow.leaf_index < tree_size)) or 0

    async def _sorts_by_code_point(self) -> bool:
        """SQLite always does; a PostgreSQL database as it was created."""
        upper_first = select(literal("B", Label) < literal("a", Label))
        return bool(await self._session.scalar(upper_first))

    async def with_grade(
        self, grade: Grade, *, policy_hash: bytes, after: str = "", limit: int = SUBJECTS_PAGE_MAX
    ) -> list[SubjectLabel]:
        """Subjects of that grade by the stored ratings, beyond the label `after`, in its order."""
        assert 0 < limit <= SUBJECTS_PAGE_MAX
        query = (
            select(RatingRow.subject)
            .where(
                RatingRow.policy_hash == policy_hash,
                RatingRow.grade == grade,
                RatingRow.subject > after,
            )
            .order_by(RatingRow.subject)
            .limit(limit)
        )
        return list(await self._session.scalars(query))

    async def refresh(self, day: date, limit: int = REFRESH_MAX) -> int:
        """Rate at most `limit` subjects whose stored rating does not hold on `day`.

        Says how many it rated; 0 when all of `credit_rating` holds. A fact that arrives in
        between leaves its subject due: a rating is written only over the facts it was made from.
        """
        assert 0 < limit <= REFRESH_MAX
        query = (
            select(RatingRow.subject, RatingRow.policy_hash, RatingRow.fact_index)
            .where(RatingRow.due_on <= day)
            .order_by(RatingRow.due_on, RatingRow.subject, RatingRow.policy_hash)
            .limit(limit)
        )
        due = (await self._session.execute(query)).all()
        if not due:
            return 0
        policies = {policy.hash: policy for policy in await _policies(self._session)}
        subjects = sorted({subject for subject, _, _ in due})
        facts = await _facts(
            self._session, subjects, 1 + max(fact_index for _, _, fact_index in due)
        )
        values = [
            _rating_values(
                subject,
                policy_hash,
                fact_index,
                _rating_or_refusal(policies[policy_hash], facts[subject], day, fact_index + 1),
            )
            for subject, policy_hash, fact_index in due
        ]
        await _execute_many(self._session, _WRITE_RATING, values)
        return len(due)


async def _facts(
    session: AsyncSession, subjects: Sequence[SubjectLabel], tree_size: int
) -> dict[SubjectLabel, list[Fact]]:
    """All of each subject below `tree_size`, in the order of the log."""
    facts: dict[SubjectLabel, list[Fact]] = defaultdict(list)
    for keys in _chunks(subjects):
        query = _FACTS.where(FactRow.subject.in_(keys), FactRow.leaf_index < tree_size)
        for row in await session.execute(query.order_by(FactRow.subject, FactRow.leaf_index)):
            facts[row[0]].append(_fact(row))
    return facts


def _stated(*, tree_size: int, as_of: date | None, public_on: date | None) -> Select[Any]:
    """Facts with issuer and publicity, as far as clocks and publicity let them be known."""
    query = _FACTS.add_columns(FactRow.issuer, FactRow.public_until).where(
        FactRow.leaf_index < tree_size
    )
    if as_of is not None:
        takes_effect_on = func.coalesce(FactRow.effective_on, FactRow.decided_on)
        query = query.where(or_(takes_effect_on.is_(None), takes_effect_on <= as_of))
    return query.where(*_public(public_on))


def _public(public_on: date | None) -> Sequence[ColumnElement[bool]]:
    """What may be shown that day; all where that is None."""
    if public_on is None:
        return ()
    return (FactRow.public_from <= public_on, FactRow.public_until >= public_on)


def _stated_fact(row: Row[Any]) -> StatedFact:
    return StatedFact(_fact(row), row.issuer, row.public_until)


async def _facts_of_entries(
    session: AsyncSession, entries: Sequence[LoggedEntry]
) -> list[tuple[Statement, Fact]]:
    """The statements among `entries`, each with its fact."""
    stated = [
        (entry.leaf_index, entry.body) for entry in entries if isinstance(entry.body, Statement)
    ]
    wanted = {
        (statement.subject, unb64url(statement.weighing.refers))
        for _, statement in stated
        if statement.weighing.refers is not None
    }
    standing = await _standing(session, wanted)
    facts: list[tuple[Statement, Fact]] = []
    for leaf_index, statement in stated:
        refers = statement.weighing.refers
        index = None if refers is None else standing.get((statement.subject, unb64url(refers)))
        facts.append((statement, Fact.of(leaf_index, statement.weighing, refers=index)))
        if wanted:
            key = (statement.subject, reference_hash(statement.issuer, statement.jti))
            if key in wanted:
                standing[key] = leaf_index
    return facts


async def _standing(
    session: AsyncSession, wanted: Collection[tuple[SubjectLabel, bytes]]
) -> dict[tuple[SubjectLabel, bytes], int]:
    """The indexes of facts, by subject and hash of their reference, as far as there are any."""
    found: dict[tuple[SubjectLabel, bytes], int] = {}
    for keys in _chunks(sorted(wanted), KEYS_MAX // 2):
        query = select(FactRow.subject, FactRow.reference, FactRow.leaf_index).where(
            FactRow.subject.in_({subject for subject, _ in keys}),
            FactRow.reference.in_({reference for _, reference in keys}),
        )
        for subject, reference, leaf_index in await session.execute(query):
            found[subject, reference] = leaf_index
    return found


async def _adopt(session: AsyncSession, entries: Sequence[LoggedEntry]) -> set[bytes]:
    """Keep the adoptions among `entries`; the hashes of policies that were not there before."""
    rows: list[dict[str, Any]] = []
    for entry in entries:
        adoption = _adoption(entry)
        if adoption is not None:
            rows.append(_policy_values(entry.leaf_index, adoption))
    if not rows:
        return set()
    before = {policy.hash for policy in await _policies(session)}
    await session.execute(insert(PolicyRow), rows)
    return {policy.hash for policy in await _policies(session)} - before


async def _policies(session: AsyncSession) -> list[Policy]:
    """Every policy that can be read, each once, the one adopted last at the end."""
    query = (
        select(PolicyRow.document)
        .where(PolicyRow.refusal.is_(None))
        .order_by(PolicyRow.adopted_index)
    )
    latest: dict[bytes, Policy] = {}
    for document in await session.scalars(query):
        policy = _parsed(document)
        latest.pop(policy.hash, None)
        latest[policy.hash] = policy
    return list(latest.values())


async def _mark_due(
    session: AsyncSession, fact_index: dict[SubjectLabel, int], policies: Sequence[Policy]
) -> None:
    """Make the subjects of new facts due under each policy, from that policy's first day on."""
    wanted = {
        (subject, policy.hash): {
            "subject": subject,
            "policy_hash": policy.hash,
            "fact_index": index,
            "due_on": policy.effective_from,
        }
        for policy in policies
        for subject, index in fact_index.items()
    }
    there: set[tuple[SubjectLabel, bytes]] = set()
    for keys in _chunks(list(fact_index)):
        query = select(RatingRow.subject, RatingRow.policy_hash).where(RatingRow.subject.in_(keys))
        for subject, policy_hash in await session.execute(query):
            there.add((subject, policy_hash))
    new = [values for key, values in wanted.items() if key not in there]
    old = [values for key, values in wanted.items() if key in there]
    if new:
        await session.execute(insert(RatingRow), new)
    if old:
        await _execute_many(
            session,
            _WRITE_DUE,
            [
                {
                    "key_subject": values["subject"],
                    "key_policy_hash": values["policy_hash"],
                    "fact_index": values["fact_index"],
                    "due_on": values["due_on"],
                }
                for values in old
            ],
        )


async def _mark_all_due(session: AsyncSession, policy: Policy) -> None:
    """Make every subject due under a policy that is new."""
    subjects = select(
        FactRow.subject,
        literal(policy.hash, LargeBinary),
        func.max(FactRow.leaf_index, type_=BigInteger),
        literal(policy.effective_from, Date),
    ).group_by(FactRow.subject)
    columns = ["subject", "policy_hash", "fact_index", "due_on"]
    await session.execute(insert(RatingRow).from_select(columns, subjects))


async def _publish_anew(session: AsyncSession, policy: Policy) -> None:
    """Judge the publicity of every fact by the policy adopted last, some subjects at a time."""
    after = ""
    while True:
        query = (
            select(FactRow.subject)
            .where(FactRow.subject > after)
            .distinct()
            .order_by(FactRow.subject)
            .limit(KEYS_MAX)
        )
        subjects = list(await session.scalars(query))
        if not subjects:
            return
        await _publish(session, policy, subjects)
        after = subjects[-1]


async def _publish(session: AsyncSession, policy: Policy, subjects: Sequence[SubjectLabel]) -> None:
    """Judge the publicity of all facts of these subjects, as they bear on each other."""
    facts = await _facts(session, subjects, _NO_SIZE)
    values = [
        {"key_subject": subject, "key_leaf_index": leaf_index, **_publicity(window)}
        for subject, of_subject in facts.items()
        for leaf_index, window in windows(policy, of_subject).items()
    ]
    if values:
        await _execute_many(session, _WRITE_PUBLICITY, values)


@lru_cache(maxsize=_POLICIES_KEPT)
def _parsed(document: bytes) -> Policy:
    return Policy.parse(document)


def _adoption(entry: LoggedEntry) -> PolicyAdoption | None:
    if isinstance(entry.body, Control) and isinstance(entry.body.content, PolicyAdoption):
        return entry.body.content
    return None


def _policy_values(adopted_index: int, adoption: PolicyAdoption) -> _Values:
    document = adoption.document
    try:
        effective_from, refusal = _parsed(document).effective_from, None
    except PolicyError as error:
        # The log has it, so it is kept; it can never be in force.
        effective_from, refusal = None, error.code
    return {
        "adopted_index": adopted_index,
        "hash": hashlib.sha256(document).digest(),
        "document": document,
        "effective_from": effective_from,
        "refusal": refusal,
    }


def _fact_values(statement: Statement, fact: Fact, policy: Policy | None) -> _Values:
    return {
        "subject": statement.subject,
        "leaf_index": fact.leaf_index,
        "issuer": statement.issuer,
        "kind": fact.kind,
        "code": fact.code,
        "outcome": fact.outcome,
        "severity": fact.severity,
        "occurred_on": fact.occurred_on,
        "decided_on": fact.decided_on,
        "effective_on": fact.effective_on,
        "case": fact.case,
        "refers": fact.refers,
        "reference": reference_hash(statement.issuer, statement.jti),
        "measures": None if fact.measures is None else encode(dict(fact.measures)).decode("ascii"),
        "basis": fact.basis,
        **_publicity(_UNJUDGED if policy is None else window_alone(policy, fact)),
    }


def _publicity(window: Window) -> _Values:
    return {"public_from": window.first, "public_until": window.last}


def _fact(row: Sequence[Any]) -> Fact:
    (
        _,
        leaf_index,
        kind,
        code,
        outcome,
        severity,
        occurred_on,
        decided_on,
        effective_on,
        case,
        refers,
        measures,
        basis,
        *_,
    ) = row
    return Fact(
        leaf_index=leaf_index,
        kind=kind,
        code=code,
        outcome=outcome,
        severity=severity,
        occurred_on=occurred_on,
        decided_on=decided_on,
        effective_on=effective_on,
        case=case,
        refers=refers,
        measures=None
        if measures is None
        else cast("dict[str, int]", decode(measures.encode("ascii"))),
        basis=basis,
    )


def _rating_or_refusal(
    policy: Policy, facts: Sequence[Fact], as_of: date, tree_size: int
) -> Rating | CreditError:
    try:
        return rate(policy, facts, as_of=as_of, tree_size=tree_size)
    except CreditError as refusal:
        return refusal


def _rating_values(
    subject: SubjectLabel, policy_hash: bytes, fact_index: int, rating: Rating | CreditError
) -> _Values:
    key = {
        "key_subject": subject,
        "key_policy_hash": policy_hash,
        "key_fact_index": fact_index,
    }
    if isinstance(rating, CreditError):
        return {
            **key,
            "due_on": None,
            "grade": None,
            "points": None,
            "flags": None,
            "since": None,
            "next_change_on": None,
            "refusal": rating.code,
        }
    next_change_on = None if rating.next_change is None else rating.next_change.on
    return {
        **key,
        "due_on": next_change_on,
        "grade": rating.grade,
        "points": rating.points,
        "flags": encode(list(rating.flags)).decode("ascii"),
        "since": rating.since,
        "next_change_on": next_change_on,
        "refusal": None,
    }


async def _execute_many(session: AsyncSession, statement: Update, values: list[_Values]) -> None:
    """One statement over many rows, at the driver's speed and past the session's identity map."""
    connection = await session.connection()
    await connection.execute(statement, values)


def _chunks(keys: Sequence[_Key], size: int = KEYS_MAX) -> Iterator[Sequence[_Key]]:
    for first in range(0, len(keys), size):
        yield keys[first : first + size]
