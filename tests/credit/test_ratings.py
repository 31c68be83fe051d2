"""The credit view and its questions (ARCHITECTURE §6, §8, invariants 3, 4 and 6)."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select

from credit.errors import FactUnknown, PolicyUnknown
from credit.facts import Fact
from credit.policy import Policy
from credit.population import rate_all
from credit.publicity import windows
from credit.rating import rate
from credit.ratings import (
    FACTS_PAGE_MAX,
    POPULATION_PAGE_MAX,
    REFRESH_MAX,
    SUBJECTS_PAGE_MAX,
    CreditView,
    Ratings,
)
from credit.tables import FactRow, PolicyRow, RatingRow
from ledger.candidate import leaf_of
from ledger.canonical import Json, decode, encode
from ledger.control import Control, PolicyAdoption, issue_control
from ledger.database import Database
from ledger.entries import LoggedEntry
from ledger.identity import Identity, SubjectLabel
from ledger.seed_key import SeedKey
from ledger.statement import (
    Draft,
    Severity,
    Statement,
    Weighing,
    issue,
    reference_hash,
    refers_to,
)
from ledger.tables import Base
from tests.credit.histories import POLICIES

KEY = SeedKey(bytes(range(32)))
ISSUER = Identity.parse("uscc", "11150000MB0XY0014W").label()
DAIRY = Identity.parse("uscc", "91150121MA0XY0010Q").label()
TIMBER = Identity.parse("uscc", "91150781MA0XY0029H").label()
LOGGED_AT = datetime(2025, 11, 24, tzinfo=UTC)

FINE = Weighing(
    kind="enforcement",
    code="quality",
    outcome="fine",
    severity=Severity.GENERAL,
    decided_on=date(2024, 1, 10),
    measures={"fine_fen": 500_000},
    basis="document",
)
FAIL = Weighing(
    kind="inspection",
    code="safety",
    outcome="fail",
    severity=Severity.SERIOUS,
    occurred_on=date(2024, 2, 20),
    decided_on=date(2024, 2, 29),
    case="k-1",
)
PASS = Weighing(kind="inspection", code="routine", outcome="pass", decided_on=date(2024, 3, 1))
SUSPECTED = Weighing(
    kind="fraud-case",
    code="forged-certificate",
    outcome="suspected",
    severity=Severity.SERIOUS,
    decided_on=date(2024, 3, 1),
)
FILED = Weighing(kind="filing", code="enterprise", outcome="accepted", decided_on=date(2024, 1, 1))


def salts() -> Iterator[bytes]:
    """Salts that are all different; nothing here is secret."""
    for number in range(1 << 16):
        yield number.to_bytes(16, "big")


def logged(leaf_index: int, body: Statement | Control) -> LoggedEntry:
    return LoggedEntry(leaf_index, leaf_of(body), LOGGED_AT, body)


def stated(leaf_index: int, subject: SubjectLabel, weighing: Weighing) -> LoggedEntry:
    draft = Draft(ISSUER, subject, f"r-{leaf_index}", 1_764_000_000, weighing, {})
    return logged(leaf_index, issue(draft, KEY, salts()))


def adopted(leaf_index: int, policy: dict[str, Json]) -> LoggedEntry:
    return logged(
        leaf_index,
        issue_control(
            PolicyAdoption(policy), key=KEY, jti=f"policy-{leaf_index}", issued_at=1_764_000_000
        ),
    )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with every table and no row."""
    database = Database.connect(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


async def follow(database: Database, entries: Sequence[LoggedEntry]) -> None:
    async with database.writing() as session:
        await CreditView().apply(session, entries)


async def refresh(database: Database, day: date, limit: int = 100) -> int:
    done = 0
    while True:
        async with database.writing() as session:
            step = await Ratings(session).refresh(day, limit)
        if step == 0:
            return done
        done += step


async def contents(database: Database) -> list[tuple[Any, ...]]:
    """Every row of the three tables, in the order of their keys."""
    rows: list[tuple[Any, ...]] = []
    async with database.reading() as session:
        for row_type in (FactRow, PolicyRow, RatingRow):
            table = row_type.__table__
            query = select(table).order_by(*table.primary_key)
            rows += [(row_type.__tablename__, *row) for row in await session.execute(query)]
    return rows


async def test_a_rating_is_the_fold_over_what_the_log_says(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    entries = [
        adopted(3, policy_value),
        stated(4, DAIRY, FINE),
        stated(5, TIMBER, PASS),
        stated(6, DAIRY, FAIL),
    ]
    await follow(database, entries)
    facts = [Fact.of(4, FINE), Fact.of(6, FAIL)]
    async with database.reading() as session:
        ratings = Ratings(session)
        for size in (4, 5, 6, 7):
            for as_of in (date(2024, 1, 9), date(2024, 1, 10), date(2024, 3, 1), date(2026, 1, 1)):
                found = await ratings.of(DAIRY, as_of=as_of, tree_size=size)
                assert found == rate(policy, facts, as_of=as_of, tree_size=size)
        assert (await ratings.of(DAIRY, as_of=date(2024, 3, 1), tree_size=7)).points == 900


async def test_a_fact_comes_back_as_it_was_stated(
    database: Database, policy_value: dict[str, Json]
) -> None:
    await follow(database, [adopted(0, policy_value), stated(1, DAIRY, FINE)])
    async with database.reading() as session:
        (found,) = await Ratings(session).facts_of(DAIRY, tree_size=2)
    assert found.fact == Fact.of(1, FINE)
    assert found.fact.measures == {"fine_fen": 500_000}
    assert (found.issuer, found.public_until) == (ISSUER, date(2025, 1, 10))


@pytest.mark.parametrize(
    "cuts", [[7], [1, 2, 3, 4, 5, 6, 7], [3, 7]], ids=["whole", "one by one", "in two"]
)
async def test_a_fact_refers_to_a_fact_of_the_same_subject_however_the_log_is_cut(
    database: Database, cuts: list[int]
) -> None:
    def objection(to: int, outcome: str = "filed", kind: str = "objection") -> Weighing:
        return Weighing(
            kind=kind,
            code="facts",
            outcome=outcome,
            decided_on=date(2024, 4, 1),
            refers=refers_to(ISSUER, f"r-{to}"),
        )

    entries = [
        stated(0, DAIRY, FINE),
        stated(1, TIMBER, FAIL),
        stated(2, DAIRY, objection(0)),
        stated(3, DAIRY, objection(2, "rejected")),
        stated(4, DAIRY, objection(1, "begun", "effect")),
        stated(5, TIMBER, objection(1)),
        stated(6, DAIRY, PASS),
    ]
    for first, end in itertools.pairwise([0, *cuts]):
        await follow(database, entries[first:end])
    async with database.reading() as session:
        facts = await Ratings(session).facts_of_each([DAIRY, TIMBER], tree_size=7)
        query = select(FactRow.leaf_index, FactRow.reference).order_by(FactRow.leaf_index)
        references = (await session.execute(query)).all()
    found = {
        stated.fact.leaf_index: stated.fact.refers for each in facts.values() for stated in each
    }
    assert found == {0: None, 1: None, 2: 0, 3: 2, 4: None, 5: 1, 6: None}
    assert [tuple(row) for row in references] == [
        (index, reference_hash(ISSUER, f"r-{index}")) for index in range(7)
    ]
    assert Fact.of(2, objection(0), refers=0) == facts[DAIRY][1].fact


async def test_many_references_are_resolved_some_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit.ratings.KEYS_MAX", 4)
    await follow(database, [stated(index, DAIRY, FINE) for index in range(7)])
    objections = [
        Weighing(
            kind="objection",
            code="facts",
            outcome="filed",
            decided_on=date(2024, 4, 1),
            refers=refers_to(ISSUER, f"r-{index}"),
        )
        for index in range(7)
    ]
    await follow(database, [stated(7 + n, DAIRY, objections[n]) for n in range(7)])
    async with database.reading() as session:
        facts = await Ratings(session).facts_of(DAIRY, tree_size=14, after=6)
    assert [stated.fact.refers for stated in facts] == [*range(7)]


async def test_what_refers_to_a_fact_is_told_as_far_as_it_is_known_in_effect_and_public(
    database: Database, policy_value: dict[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A policy that shows objections, as 0.2.0 does not.
    del cast("dict[str, Json]", policy_value["unweighed"])["objection"]
    cast("dict[str, Json]", policy_value["kinds"])["objection"] = {"filed": "weighs"}
    cast("list[Json]", policy_value["points"]).append(
        {"id": "P99", "points": 1, "when": [{"kind": "objection"}]}
    )

    def objection(to: int, day: date, severity: Severity | None) -> Weighing:
        return Weighing(
            kind="objection",
            code="facts",
            outcome="filed",
            severity=severity,
            decided_on=day,
            refers=refers_to(ISSUER, f"r-{to}"),
        )

    may = date(2024, 5, 1)
    # What takes effect later was decided all the same, and is known to refer.
    late = replace(objection(1, may, None), effective_on=date(2025, 1, 1))
    entries = [
        adopted(0, policy_value),
        stated(1, DAIRY, FINE),
        stated(2, TIMBER, FINE),
        stated(3, DAIRY, objection(1, may, Severity.SERIOUS)),
        stated(4, TIMBER, objection(2, may, Severity.SERIOUS)),
        stated(5, DAIRY, late),
        stated(6, DAIRY, objection(1, date(2024, 6, 1), Severity.SERIOUS)),
    ]
    await follow(database, entries)
    places = [(DAIRY, 1), (TIMBER, 2)]
    for keys in (500, 2):
        monkeypatch.setattr("credit.ratings.KEYS_MAX", keys)
        async with database.reading() as session:
            ratings = Ratings(session)

            async def told(ratings: Ratings = ratings, **asked: Any) -> list[list[int]]:  # noqa: ANN401
                found = await ratings.referring_to(places, **{"tree_size": 7, "limit": 9, **asked})
                return [found[place] for place in places]

            assert await told() == [[3, 5, 6], [4]]
            assert await told(limit=2) == [[3, 5], [4]]
            assert await told(after=3) == [[5, 6], [4]]
            assert await told(tree_size=5) == [[3], [4]]
            assert await told(as_of=may) == [[3, 5], [4]]
            assert await told(public_on=date(2024, 7, 1)) == [[3, 6], [4]]
            asked = [(DAIRY, 1), (DAIRY, 5), (TIMBER, 4), (TIMBER, 5)]
            assert await ratings.shown(asked, public_on=None) == {*asked[:3]}
            assert await ratings.shown(asked, public_on=date(2024, 7, 1)) == {
                (DAIRY, 1),
                (TIMBER, 4),
            }


async def test_before_a_policy_is_adopted_or_in_force_nobody_is_rated(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    await follow(database, [stated(0, DAIRY, FINE), adopted(1, policy_value)])
    async with database.reading() as session:
        ratings = Ratings(session)
        for as_of, size in ((date(2024, 1, 10), 1), (date(2019, 12, 31), 2)):
            with pytest.raises(PolicyUnknown) as refusal:
                await ratings.of(DAIRY, as_of=as_of, tree_size=size)
            assert refusal.value.code == "CREDIT_POLICY_UNKNOWN"
        in_force = await ratings.policy_in_force(as_of=date(2020, 1, 1), tree_size=2)
        assert in_force.hash == policy.hash


async def test_a_later_policy_rules_from_its_own_day_and_from_its_index_on(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    later = dict(policy_value, version="0.3.0", effective_from="2026-01-01")
    await follow(database, [adopted(0, policy_value), stated(1, DAIRY, FAIL), adopted(2, later)])
    async with database.reading() as session:
        ratings = Ratings(session)

        async def version(as_of: date, tree_size: int) -> str:
            return (await ratings.policy_in_force(as_of=as_of, tree_size=tree_size)).version

        assert await version(date(2025, 12, 31), 3) == "0.2.0"
        assert await version(date(2026, 1, 1), 2) == "0.2.0"
        assert await version(date(2026, 1, 1), 3) == "0.3.0"
    # Before its day the later policy rates nobody; on it, everybody is due.
    assert await refresh(database, date(2025, 12, 31)) == 1
    assert await refresh(database, date(2025, 12, 31)) == 0
    assert await refresh(database, date(2026, 1, 1)) == 1
    async with database.reading() as session:
        rows = (await session.scalars(select(RatingRow))).all()
    assert len(rows) == 2
    assert {row.policy_hash for row in rows} > {policy.hash}


async def test_a_policy_that_cannot_be_read_is_kept_and_never_in_force(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    broken = dict(policy_value, grades=[])
    await follow(database, [adopted(0, policy_value), stated(1, DAIRY, FINE), adopted(2, broken)])
    async with database.reading() as session:
        rows = (await session.scalars(select(PolicyRow).order_by(PolicyRow.adopted_index))).all()
        assert [(row.adopted_index, row.refusal) for row in rows] == [
            (0, None),
            (2, "CREDIT_POLICY_VALUE"),
        ]
        assert rows[1].document == encode(broken)
        in_force = await Ratings(session).policy_in_force(as_of=date(2026, 1, 1), tree_size=3)
        assert in_force.hash == policy.hash


async def test_the_public_sees_decisions_within_their_period_and_nothing_else(
    database: Database, policy_value: dict[str, Json]
) -> None:
    unknown = replace(FINE, outcome="verbal-advice")
    await follow(
        database,
        [
            adopted(0, policy_value),
            stated(1, DAIRY, FILED),
            stated(2, DAIRY, FINE),
            stated(3, DAIRY, FAIL),
            stated(4, DAIRY, PASS),
            stated(5, DAIRY, SUSPECTED),
            stated(6, DAIRY, unknown),
        ],
    )
    async with database.reading() as session:
        ratings = Ratings(session)

        async def seen(public_on: date | None, as_of: date | None = None) -> list[int]:
            page = await ratings.facts_of(DAIRY, tree_size=7, as_of=as_of, public_on=public_on)
            return [stated_fact.fact.leaf_index for stated_fact in page]

        assert await seen(None) == [1, 2, 3, 4, 5, 6]
        assert await seen(date(2024, 2, 28)) == [1, 2]
        assert await seen(date(2025, 1, 10)) == [1, 2, 3, 4]
        assert await seen(date(2025, 1, 11)) == [1, 3, 4]
        assert await seen(date(2026, 3, 2)) == [1, 3]
        assert await seen(date(2027, 3, 1)) == [1]
        # An older day brings nothing back: publicity is judged today.
        assert await seen(date(2027, 3, 1), as_of=date(2024, 6, 1)) == [1]
        assert await seen(None, as_of=date(2024, 1, 10)) == [1, 2, 6]


async def test_facts_come_in_pages(database: Database, policy_value: dict[str, Json]) -> None:
    await follow(database, [stated(index, DAIRY, PASS) for index in range(5)])
    async with database.reading() as session:
        ratings = Ratings(session)
        first = await ratings.facts_of(DAIRY, tree_size=4, limit=3)
        rest = await ratings.facts_of(DAIRY, tree_size=4, after=2, limit=3)
    assert [page.fact.leaf_index for page in first] == [0, 1, 2]
    assert [page.fact.leaf_index for page in rest] == [3]


async def test_facts_stated_before_a_policy_become_public_when_it_is_adopted(
    database: Database, policy_value: dict[str, Json]
) -> None:
    await follow(database, [stated(0, DAIRY, FINE)])
    async with database.reading() as session:
        assert not await Ratings(session).facts_of(DAIRY, tree_size=1, public_on=date(2024, 2, 1))
    await follow(database, [adopted(1, policy_value)])
    async with database.reading() as session:
        page = await Ratings(session).facts_of(DAIRY, tree_size=2, public_on=date(2024, 2, 1))
    assert [stated_fact.fact.leaf_index for stated_fact in page] == [0]


async def test_a_new_policy_publishes_every_fact_however_many_steps_that_takes(
    database: Database, policy_value: dict[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = (DAIRY, TIMBER, ISSUER)
    await follow(database, [stated(index, subjects[index % 3], FINE) for index in range(7)])
    monkeypatch.setattr("credit.ratings.REFRESH_MAX", 2)
    await follow(database, [adopted(7, policy_value)])
    async with database.reading() as session:
        found = await Ratings(session).facts_of_each(
            subjects, tree_size=8, public_on=date(2024, 2, 1)
        )
    assert [len(found[subject]) for subject in subjects] == [3, 2, 2]


async def test_many_subjects_are_read_and_marked_due_some_at_a_time(
    database: Database, policy_value: dict[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit.ratings.KEYS_MAX", 2)
    subjects = (DAIRY, TIMBER, ISSUER)
    first = [stated(1 + at, subject, FINE) for at, subject in enumerate(subjects)]
    again = [stated(4 + at, subject, FAIL) for at, subject in enumerate(subjects)]
    await follow(database, [adopted(0, policy_value), *first])
    await follow(database, again)
    assert await refresh(database, date(2024, 6, 1)) == 3
    async with database.reading() as session:
        found = await Ratings(session).facts_of_each(subjects, tree_size=7)
        graded = {
            row.subject: (row.points, row.fact_index)
            for row in await session.scalars(select(RatingRow))
        }
    assert [len(found[subject]) for subject in subjects] == [2, 2, 2]
    assert graded == {subject: (900, 4 + at) for at, subject in enumerate(subjects)}


async def test_a_page_or_a_step_outside_its_bounds_is_our_own_mistake(
    database: Database, policy: Policy
) -> None:
    grade = policy.thresholds[0].grade
    async with database.reading() as session:
        ratings = Ratings(session)
        for size in (0, FACTS_PAGE_MAX + 1):
            with pytest.raises(AssertionError):
                await ratings.facts_of(DAIRY, tree_size=1, limit=size)
        for size in (0, SUBJECTS_PAGE_MAX + 1):
            with pytest.raises(AssertionError):
                await ratings.with_grade(grade, policy_hash=policy.hash, limit=size)
        for size in (0, REFRESH_MAX + 1):
            with pytest.raises(AssertionError):
                await ratings.refresh(date(2024, 6, 1), size)
        for size in (0, POPULATION_PAGE_MAX + 1):
            with pytest.raises(AssertionError):
                await anext(ratings.shards(tree_size=1, limit=size))


async def test_a_refresh_rates_only_what_does_not_hold_on_the_day(
    database: Database, policy_value: dict[str, Json]
) -> None:
    await follow(
        database,
        [adopted(0, policy_value), stated(1, DAIRY, FINE), stated(2, TIMBER, FILED)],
    )
    assert await refresh(database, date(2024, 6, 1), limit=1) == 2
    assert await refresh(database, date(2025, 1, 10)) == 0
    async with database.reading() as session:
        row = await session.get_one(RatingRow, (DAIRY, Policy.parse(encode(policy_value)).hash))
    assert (row.grade, row.points, row.since) == ("B", 300, date(2024, 1, 10))
    assert (row.next_change_on, row.due_on) == (date(2025, 1, 11), date(2025, 1, 11))
    assert decode((row.flags or "").encode()) == ["insufficient-evidence"]
    # The day after the fine's last day, it alone is due.
    assert await refresh(database, date(2025, 1, 11)) == 1
    # A new fact makes its subject due, and no other.
    await follow(database, [stated(3, TIMBER, FAIL)])
    assert await refresh(database, date(2025, 1, 11)) == 1


async def test_subjects_are_listed_by_grade_in_the_order_of_their_labels(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    criminal = replace(FINE, outcome="criminal")
    await follow(
        database,
        [
            adopted(0, policy_value),
            stated(1, DAIRY, criminal),
            stated(2, TIMBER, criminal),
            stated(3, ISSUER, FINE),
        ],
    )
    await refresh(database, date(2024, 6, 1))
    first, second = sorted((DAIRY, TIMBER))
    worst = policy.thresholds[-1].grade
    async with database.reading() as session:
        ratings = Ratings(session)
        assert await ratings.with_grade(worst, policy_hash=policy.hash) == [first, second]
        assert await ratings.with_grade(worst, policy_hash=policy.hash, limit=1) == [first]
        assert await ratings.with_grade(worst, policy_hash=policy.hash, after=first) == [second]
        assert await ratings.with_grade(worst, policy_hash=bytes(32)) == []


async def test_what_the_policy_cannot_read_is_refused_where_it_is_asked_and_kept_as_refused(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    unknown = replace(FINE, outcome="verbal-advice")
    await follow(
        database,
        [adopted(0, policy_value), stated(1, DAIRY, unknown), stated(2, TIMBER, FINE)],
    )
    assert await refresh(database, date(2024, 6, 1)) == 2
    async with database.reading() as session:
        ratings = Ratings(session)
        with pytest.raises(FactUnknown) as refusal:
            await ratings.of(DAIRY, as_of=date(2024, 6, 1), tree_size=3)
        assert refusal.value.path == (1, "outcome")
        other = await ratings.of(TIMBER, as_of=date(2024, 6, 1), tree_size=3)
        assert other.points == 300
        row = await session.get_one(RatingRow, (DAIRY, policy.hash))
    assert (row.grade, row.refusal, row.due_on) == (None, "CREDIT_FACT_UNKNOWN", None)


async def test_a_rating_is_not_written_over_a_fact_that_arrived_meanwhile(
    database: Database, policy: Policy, policy_value: dict[str, Json]
) -> None:
    await follow(database, [adopted(0, policy_value), stated(1, DAIRY, FINE)])
    async with database.writing() as session:
        await CreditView().apply(session, [stated(2, DAIRY, FAIL)])
        # PostgreSQL lets the refresh read the old row and then wait for this transaction;
        # SQLite lets it begin only afterwards.
        refreshing = asyncio.create_task(refresh(database, date(2024, 6, 1)))
        await asyncio.sleep(0.3)
        assert not refreshing.done()
    await refreshing
    async with database.reading() as session:
        row = await session.get_one(RatingRow, (DAIRY, policy.hash))
    assert (row.points, row.fact_index, row.due_on) == (900, 2, date(2025, 1, 11))


def a_log(policy_value: dict[str, Json], seed: int) -> list[LoggedEntry]:
    """Sixty entries about two subjects, three adoptions among them."""
    choose = random.Random(seed)
    publicity = {**cast("dict[str, Json]", policy_value["publicity"]), "favourable_months": 6}
    later: dict[str, Json] = {
        **policy_value,
        "version": "0.3.0",
        "effective_from": "2024-09-01",
        "publicity": publicity,
    }
    entries: list[LoggedEntry] = []
    for index in range(60):
        if index in (2, 40):
            entries.append(adopted(index, policy_value))
        elif index == 25:
            entries.append(adopted(index, later))
        else:
            weighing = choose.choice((FINE, FAIL, PASS, PASS, SUSPECTED))
            decided_on = date(2023, 6, 1) + timedelta(days=choose.randrange(600))
            entries.append(
                stated(
                    index,
                    choose.choice((DAIRY, TIMBER)),
                    replace(weighing, decided_on=decided_on, case=choose.choice((None, "k", "l"))),
                )
            )
    return entries


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_view_that_is_rebuilt_equals_the_one_that_grew_day_by_day(
    database: Database, policy_value: dict[str, Json], seed: int
) -> None:
    entries = a_log(policy_value, seed)
    choose = random.Random(seed)
    day = date(2024, 1, 1)
    first = 0
    while first < len(entries):
        last = first + choose.randrange(1, 8)
        await follow(database, entries[first:last])
        first = last
        day += timedelta(days=choose.randrange(60))
        await refresh(database, day, limit=choose.choice((1, 100)))
    grown = await contents(database)
    assert len(grown) == 57 + 3 + 4
    async with database.writing() as session:
        await CreditView().clear(session)
    assert await contents(database) == []
    await follow(database, entries)
    await refresh(database, day)
    assert await contents(database) == grown
    async with database.reading() as session:
        ratings = Ratings(session)
        for subject in (DAIRY, TIMBER):
            in_force = await ratings.policy_in_force(as_of=day, tree_size=60)
            row = await session.get_one(RatingRow, (subject, in_force.hash))
            rating = await ratings.of(subject, as_of=day, tree_size=60)
            assert (row.grade, row.points, row.since) == (
                rating.grade,
                rating.points,
                rating.since,
            )


FULL_VALUE: dict[str, Json] = POLICIES["xinyuan-export-credit-1.0.0"]
FULL = Policy.parse(encode(FULL_VALUE))


def about(to: int, kind: str, outcome: str, decided_on: date, code: str = "other") -> Weighing:
    """What refers to the statement at the leaf index `to`."""
    return Weighing(
        kind=kind,
        code=code,
        outcome=outcome,
        decided_on=decided_on,
        refers=refers_to(ISSUER, f"r-{to}"),
    )


async def public_facts(database: Database, subject: SubjectLabel, today: date) -> list[int]:
    async with database.reading() as session:
        page = await Ratings(session).facts_of(subject, tree_size=1 << 40, public_on=today)
    return [stated_fact.fact.leaf_index for stated_fact in page]


async def points_at(database: Database, tree_size: int, as_of: date) -> int:
    async with database.reading() as session:
        return (await Ratings(session).of(DAIRY, as_of=as_of, tree_size=tree_size)).points


async def points_stored(database: Database) -> int | None:
    async with database.reading() as session:
        return (await session.get_one(RatingRow, (DAIRY, FULL.hash))).points


async def test_an_overturned_decision_leaves_the_public_and_the_rating_as_its_appeal_is_read(
    database: Database,
) -> None:
    today = date(2024, 6, 1)
    filed = about(1, "appeal", "filed", date(2024, 5, 2))
    entries = [
        adopted(0, FULL_VALUE),
        stated(1, DAIRY, FINE),
        stated(2, DAIRY, filed),
        stated(3, TIMBER, FINE),
    ]
    await follow(database, entries)
    assert await refresh(database, today) == 2
    assert await public_facts(database, DAIRY, today) == [1]
    assert await points_stored(database) == 300
    # It is known today and takes effect some day: what was decided is gone at once.
    overturned = replace(
        about(2, "appeal", "overturned", date(2024, 5, 30)), effective_on=date(2024, 7, 1)
    )
    await follow(database, [stated(4, DAIRY, overturned)])
    assert await public_facts(database, DAIRY, today) == []
    assert await public_facts(database, DAIRY, date(2024, 2, 1)) == []
    assert await public_facts(database, TIMBER, today) == [3]
    assert await refresh(database, today) == 1
    assert await points_stored(database) == 0
    # What was answered stays provable at the tree size at which it was answered.
    assert await points_at(database, 4, today) == 300
    assert await points_at(database, 5, today) == 0
    # The overturning was a slip: all is as it was.
    await follow(database, [stated(5, DAIRY, about(4, "correction", "withdrawn", today))])
    assert await public_facts(database, DAIRY, today) == [1]
    assert await points_at(database, 6, today) == 300


async def test_a_repair_ends_publicity_the_day_before(database: Database) -> None:
    granted = about(1, "repair", "granted", date(2024, 5, 10))
    await follow(database, [adopted(0, FULL_VALUE), stated(1, DAIRY, FINE)])
    assert await public_facts(database, DAIRY, date(2025, 1, 10)) == [1]
    await follow(database, [stated(2, DAIRY, granted)])
    assert await public_facts(database, DAIRY, date(2024, 5, 9)) == [1]
    assert await public_facts(database, DAIRY, date(2024, 5, 10)) == []
    assert await points_at(database, 3, date(2024, 5, 9)) == 300
    assert await points_at(database, 3, date(2024, 5, 10)) == 0
    assert await points_at(database, 2, date(2024, 5, 10)) == 300


def a_log_of_procedures(seed: int) -> list[LoggedEntry]:
    """Forty entries about two subjects, most of which refer to an earlier one."""
    choose = random.Random(seed)
    steps = [
        ("appeal", "filed"),
        ("appeal", "overturned"),
        ("correction", "withdrawn"),
        ("objection", "upheld"),
        ("rectification", "ordered"),
        ("repair", "applied"),
        ("repair", "granted"),
    ]
    entries: list[LoggedEntry] = []
    for index in range(40):
        day = date(2024, 1, 31) + timedelta(days=choose.randrange(200))
        if index in (3, 30):
            older = dict(FULL_VALUE, version="0.9.0", legal_basis=[])
            entries.append(adopted(index, FULL_VALUE if index == 30 else older))
            continue
        if index % 2:
            kind, outcome = choose.choice(steps)
            weighing = about(choose.randrange(index), kind, outcome, day)
        elif choose.random() < 0.3:
            outcome = choose.choice(("entered", "left"))
            weighing = Weighing(kind="list-entry", code="honour", outcome=outcome, decided_on=day)
        else:
            weighing = replace(choose.choice((FINE, FAIL, PASS, SUSPECTED)), decided_on=day)
        entries.append(stated(index, choose.choice((DAIRY, DAIRY, TIMBER)), weighing))
    return entries


async def publicity(database: Database) -> dict[int, tuple[date | None, date | None]]:
    async with database.reading() as session:
        query = select(FactRow.leaf_index, FactRow.public_from, FactRow.public_until)
        return {row.leaf_index: (row[1], row[2]) for row in await session.execute(query)}


@pytest.mark.parametrize("seed", range(6))
async def test_publicity_is_the_same_however_the_log_is_cut_and_when_it_is_read_again(
    database: Database, seed: int
) -> None:
    entries = a_log_of_procedures(seed)
    choose = random.Random(seed)
    cuts = sorted(choose.sample(range(1, 40), 8))
    found = []
    for ends in ([40], cuts, range(1, 40)):
        for first, end in itertools.pairwise([0, *ends, 40]):
            await follow(database, entries[first:end])
        found.append(await publicity(database))
        async with database.reading() as session:
            facts = await Ratings(session).facts_of_each([DAIRY, TIMBER], tree_size=40)
        async with database.writing() as session:
            await CreditView().clear(session)
    expected = {
        leaf_index: (window.first, window.last)
        for of_subject in facts.values()
        for leaf_index, window in windows(FULL, [one.fact for one in of_subject]).items()
    }
    assert len(expected) == 38
    assert found == [expected] * 3


def labels(count: int) -> list[SubjectLabel]:
    """Of every letter, whose order differs from language to language."""
    alphabet = "-_0189AaBbZz"
    return [SubjectLabel(f"{alphabet[n % 12]}{n:041}A") for n in range(count)]


@pytest.mark.parametrize("limit", [1, 3, 7, POPULATION_PAGE_MAX])
async def test_everybody_is_read_in_the_order_of_the_labels_whatever_the_page(
    database: Database, policy: Policy, limit: int
) -> None:
    choose = random.Random(limit)
    stated_of: dict[SubjectLabel, list[Fact]] = {}
    entries = []
    for index in range(60):
        subject, weighing = choose.choice(labels(24)), choose.choice((FINE, FAIL, PASS, FILED))
        entries.append(stated(index, subject, weighing))
        stated_of.setdefault(subject, []).append(Fact.of(index, weighing))
    await follow(database, entries)
    for tree_size in (0, 1, 40, 60):
        known = {
            subject: [fact for fact in facts if fact.leaf_index < tree_size]
            for subject, facts in stated_of.items()
            if facts[0].leaf_index < tree_size
        }
        async with database.reading() as session:
            ratings = Ratings(session)
            shards = [one async for one in ratings.shards(tree_size=tree_size, limit=limit)]
            assert await ratings.population_size(tree_size=tree_size) == len(known)
        rows = rate_all(policy, shards, as_of=date(2024, 6, 1), tree_size=tree_size)
        assert [(row.subject, row.rating) for row in rows] == [
            (subject, rate(policy, facts, as_of=date(2024, 6, 1), tree_size=60).canonical())
            for subject, facts in sorted(known.items())
        ]


class OfAnotherAlphabet(Ratings):
    """As where a server was set up to sort as people do: no such server comes with the tests."""

    async def _sorts_by_code_point(self) -> bool:
        return False


async def test_a_server_of_another_alphabet_is_asked_for_the_same_order(
    database: Database,
) -> None:
    await follow(database, [stated(at, one, FINE) for at, one in enumerate(labels(24))])
    async with database.reading() as session:
        assert await Ratings(session)._sorts_by_code_point()
        expected = [shard async for shard in Ratings(session).shards(tree_size=24)]
        assert [subject for subject, _ in json.loads(expected[0].packed)] == sorted(labels(24))
        if not database.is_sqlite:
            told = OfAnotherAlphabet(session).shards(tree_size=24, limit=5)
            assert [shard async for shard in told] == expected
