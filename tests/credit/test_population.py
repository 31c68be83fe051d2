"""The map of `credit.population`: same bytes however facts arrive and shards are cut."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit import population
from credit.errors import FactIncomplete, FactUnknown, PolicyMalformed
from credit.facts import Fact
from credit.policy import Policy
from credit.population import (
    SHARD_FACTS_MAX,
    SHARD_SUBJECTS_MAX,
    Cutter,
    Row,
    Shard,
    SubjectUnit,
    rate_all,
    rate_packed,
    rate_shard,
    shards_of,
    unit_of,
)
from credit.rating import rate
from ledger.canonical import decode, encode
from ledger.identity import SubjectLabel
from tests.credit.histories import POLICIES, START, histories, plain_ratings

ALL = 1 << 40
"""A tree size beyond every fact of these tests."""

AS_OF = date(2024, 6, 1)

FULL = Policy.parse(encode(POLICIES["xinyuan-export-credit-1.0.0"]))

Stated = tuple[SubjectLabel, Fact]


def label(number: int) -> SubjectLabel:
    """Labels in the order of their numbers."""
    return SubjectLabel(f"{number:042}A")


def fine(leaf_index: int, decided_on: date = date(2024, 1, 10)) -> Fact:
    return Fact(
        leaf_index=leaf_index,
        kind="enforcement",
        code="quality",
        outcome="fine",
        severity="general",
        decided_on=decided_on,
    )


def rows_of(stated: Iterable[Stated]) -> Sequence[SubjectUnit]:
    """In the order of their subjects, and otherwise as they come."""
    rows = [(subject, *unit_of(fact)) for subject, fact in stated]
    rows.sort(key=lambda row: row[0])
    return rows


def sha256(rows: Iterable[Row]) -> str:
    return hashlib.sha256(b"".join(row.line for row in rows)).hexdigest()


def sha256_of_plain_rows(stated: Iterable[Stated]) -> str:
    """The digest of the lines as the plain program gives them, under 0.2.0 on `AS_OF`."""
    document = POLICIES["xinyuan-export-credit-0.2.0"]
    facts: dict[SubjectLabel, list[Fact]] = {}
    for subject, fact in stated:
        facts.setdefault(subject, []).append(fact)
    lines = bytearray()
    for subject in sorted(facts):
        (rating,) = plain_ratings(document, facts[subject], [AS_OF], tree_size=ALL)
        assert isinstance(rating, bytes)
        lines += b'{"rating":%b,"subject":"%b"}\n' % (rating, subject.encode("ascii"))
    return hashlib.sha256(lines).hexdigest()


POPULATIONS = st.lists(histories(POLICIES["xinyuan-export-credit-1.0.0"]), max_size=6).map(
    lambda subjects: [
        (label(number), fact) for number, facts in enumerate(subjects) for fact in facts
    ]
)
"""Up to six subjects. Their leaf indexes are alike: a rating reads the facts of one alone."""


@settings(max_examples=60)
@given(
    stated=POPULATIONS,
    shuffled=st.randoms(use_true_random=False),
    offset=st.integers(0, 2_500),
    tree_size=st.integers(0, 33),
    cut=st.integers(1, 7),
)
def test_no_order_of_arrival_and_no_way_of_cutting_changes_a_byte(
    stated: list[Stated],
    shuffled: random.Random,
    offset: int,
    tree_size: int,
    cut: int,
) -> None:
    as_of = START + timedelta(days=offset)
    other = list(stated)
    shuffled.shuffle(other)
    expected = [
        (subject, rate(FULL, facts, as_of=as_of, tree_size=tree_size))
        for subject in sorted({subject for subject, _ in stated})
        if (facts := [f for s, f in stated if s == subject and f.leaf_index < tree_size])
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "SHARD_SUBJECTS_MAX", cut)
        patch.setattr(population, "SHARD_FACTS_MAX", 2 * cut)
        shards = list(shards_of(rows_of(other)))
    rows = list(rate_all(FULL, shards, as_of=as_of, tree_size=tree_size))
    assert [(row.subject, row.rating) for row in rows] == [
        (subject, rating.canonical()) for subject, rating in expected
    ]
    for row, (subject, rating) in zip(rows, expected, strict=True):
        change = rating.next_change
        assert (row.grade, row.points) == (rating.grade, rating.points)
        assert row.next_change_on == (None if change is None else change.on)
        line = decode(row.line.removesuffix(b"\n"))
        assert line == {"rating": decode(rating.canonical()), "subject": subject}


def test_a_thousand_shuffles_give_one_digest(policy: Policy) -> None:
    stated = [
        (label(number % 7), fine(number, date(2024, 1, 1 + number % 3))) for number in range(60)
    ]
    choose = random.Random(2026)
    found = set()
    for _ in range(1_000):
        choose.shuffle(stated)
        rows = rate_all(policy, shards_of(rows_of(stated)), as_of=AS_OF, tree_size=ALL)
        found.add(sha256(rows))
    assert found == {"346d320df174de79125e87eebb921498480d1aff293e35cccb0956529322b9a4"}
    assert found == {sha256_of_plain_rows(stated)}


def test_a_worker_that_has_bytes_alone_gives_the_same_rows(policy: Policy) -> None:
    stated = [(label(number), fine(number)) for number in range(5)]
    (shard,) = shards_of(rows_of(stated))
    rows = rate_shard(policy, shard, as_of=AS_OF, tree_size=ALL)
    assert rate_packed(policy.document, shard.packed, AS_OF, ALL) == rows
    with pytest.raises(PolicyMalformed):
        rate_packed(b"no policy", shard.packed, AS_OF, ALL)


def test_the_line_of_a_subject(policy: Policy) -> None:
    (shard,) = shards_of(rows_of([(label(1), replace(fine(4), case="案"))]))
    (row,) = rate_shard(policy, shard, as_of=AS_OF, tree_size=ALL)
    assert (row.grade, row.points, row.next_change_on) == ("B", 300, date(2025, 1, 11))
    assert row.line.decode() == (
        '{"rating":{"flags":["insufficient-evidence"],"frozen":false,"grade":"B",'
        '"held_since":null,"lowered":0,"merits":[],"next_change":{"grade":"B",'
        '"on":"2025-01-11","points":0},"points":300,"promotion_on":null,"reasons":[{"cap":null,'
        '"case":"案","ends_on":"2025-01-10","leaf_index":4,"permille":1000,"points":300,'
        '"points_full":300,"relief":null,"rule":"P18"}],"since":"2024-01-10","target":"B"}'
        f',"subject":"{label(1)}"}}\n'
    )


def test_what_refers_measures_and_stands_on_a_basis_travels_with_a_shard() -> None:
    measured = replace(fine(0), measures={"fine_fen": 100_000_000}, basis="document")
    rated = {}
    for size in (1, 2, 3):
        facts = [
            measured,
            replace(
                fine(1, date(2024, 2, 1)), kind="appeal", code="appeal", outcome="filed", refers=0
            ),
            replace(
                fine(2, date(2024, 3, 1)), kind="appeal", code="appeal", outcome="varied", refers=1
            ),
        ]
        (shard,) = shards_of(rows_of([(label(1), fact) for fact in facts]))
        (row,) = rate_shard(FULL, shard, as_of=AS_OF, tree_size=size)
        assert row.rating == rate(FULL, facts, as_of=AS_OF, tree_size=size).canonical()
        rated[size] = (row.points, decode(row.rating)["flags"])  # type: ignore[call-overload, index]
    # The greatest fine; its appeal, that stops nothing but promotion; and what the appeal undoes.
    assert rated == {
        1: (1_200, []),
        2: (1_200, ["disputed"]),
        3: (0, ["insufficient-evidence"]),
    }


def test_of_whom_nothing_is_known_at_that_size_there_is_no_row(policy: Policy) -> None:
    shards = list(shards_of(rows_of([(label(0), fine(9)), (label(1), fine(4))])))
    for tree_size, known in ((0, []), (4, []), (5, [1]), (9, [1]), (10, [0, 1])):
        rows = rate_all(policy, shards, as_of=AS_OF, tree_size=tree_size)
        assert [row.subject for row in rows] == [label(number) for number in known]


@pytest.mark.parametrize(
    ("spoiled", "refusal", "member"),
    [
        pytest.param({"outcome": "verbal-advice"}, FactUnknown, "outcome", id="unknown"),
        pytest.param({"severity": None}, FactIncomplete, "severity", id="incomplete"),
    ],
)
def test_a_fact_that_cannot_be_read_refuses_with_its_subject_and_leaf_index(
    policy: Policy,
    spoiled: dict[str, str | None],
    refusal: type[FactUnknown | FactIncomplete],
    member: str,
) -> None:
    stated = [(label(number), fine(number)) for number in range(9)]
    for number in (7, 4):
        stated.append((label(number), replace(fine(20 + number), **spoiled)))  # type: ignore[arg-type]
    rows = rate_all(policy, shards_of(rows_of(stated)), as_of=AS_OF, tree_size=ALL)
    with pytest.raises(refusal) as refused:
        list(rows)
    assert refused.value.path == (label(4), 24, member)
    assert label(4) in refused.value.message
    # Before it was stated, all can be rated.
    at_24 = rate_all(policy, shards_of(rows_of(stated)), as_of=AS_OF, tree_size=24)
    assert len(list(at_24)) == 9


def test_a_shard_holds_no_more_subjects_than_its_bound() -> None:
    rows = rows_of((label(n), fine(n)) for n in range(2 * SHARD_SUBJECTS_MAX + 1))
    shards = list(shards_of(rows))
    assert [shard.subjects for shard in shards] == [SHARD_SUBJECTS_MAX, SHARD_SUBJECTS_MAX, 1]
    assert [(shard.first, shard.last) for shard in shards] == [
        (label(0), label(SHARD_SUBJECTS_MAX - 1)),
        (label(SHARD_SUBJECTS_MAX), label(2 * SHARD_SUBJECTS_MAX - 1)),
        (label(2 * SHARD_SUBJECTS_MAX), label(2 * SHARD_SUBJECTS_MAX)),
    ]


def test_a_shard_holds_no_more_facts_than_its_bound_but_for_a_subject_with_more() -> None:
    of_each = {0: 5, 1: SHARD_FACTS_MAX - 5, 2: 1, 3: SHARD_FACTS_MAX + 1, 4: 2}
    rows = [
        (label(number), *unit_of(fine(at)))
        for number, facts in of_each.items()
        for at in range(facts)
    ]
    assert [shard.subjects for shard in shards_of(rows)] == [2, 1, 1, 1]
    # A page of the database may end anywhere, within a subject too.
    cutter = Cutter()
    paged = [shard for at in range(0, len(rows), 999) for shard in cutter.take(rows[at : at + 999])]
    assert [*paged, *cutter.rest()] == list(shards_of(rows))


def test_shards_are_read_one_at_a_time(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "SHARD_SUBJECTS_MAX", 2)
    read = []

    def shards() -> Iterable[Shard]:
        for shard in shards_of(rows_of((label(number), fine(number)) for number in range(6))):
            read.append(shard)
            yield shard

    rows = rate_all(policy, shards(), as_of=AS_OF, tree_size=ALL)
    for number in range(6):
        assert next(rows).subject == label(number)
        assert len(read) == number // 2 + 1


def test_subjects_out_of_order_are_our_own_mistake(policy: Policy) -> None:
    rows = rows_of([(label(0), fine(0)), (label(1), fine(1))])
    with pytest.raises(AssertionError):
        list(shards_of(reversed(rows)))
    shards = [shard for row in reversed(rows) for shard in shards_of([row])]
    with pytest.raises(AssertionError):
        list(rate_all(policy, shards, as_of=AS_OF, tree_size=ALL))
