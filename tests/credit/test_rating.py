"""The fold of `credit.rating` over facts that no one thought of (docs/policy-language.md).

What single rules give is shown by the golden vectors (tests/credit/test_vectors.py). Here the
engine meets the plain program on any facts, and holds to what is true of every rating.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.calendar import add_months
from credit.errors import FactIncomplete, FactUnknown
from credit.facts import Fact
from credit.policy import Policy
from credit.rating import REASONS_MAX, Change, History, Rating, State, rate
from credit.rules import Grade, speaks
from credit.timelines import effect_of
from ledger.canonical import encode
from tests.credit.histories import POLICIES, START, histories, plain_ratings, ratings, spoiled

ALL = 1 << 40
"""A tree size beyond every fact of these tests."""

ONE_DAY = timedelta(days=1)

FULL_VALUE = POLICIES["xinyuan-export-credit-1.0.0"]
FULL = Policy.parse(encode(FULL_VALUE))

HISTORIES = histories(FULL_VALUE)
DAYS = st.integers(-60, 3_000).map(lambda days: START + timedelta(days=days))
SIZES = st.one_of(st.just(ALL), st.integers(0, 33))


def turns_of(policy: Policy, facts: Sequence[Fact]) -> list[date]:
    """The days on which its path turns, and their eves; none of facts that cannot be read."""
    try:
        path = History.of(policy, facts, tree_size=ALL).path
    except (FactIncomplete, FactUnknown):
        return []
    return [day for state in path[1:] for day in (state.on - ONE_DAY, state.on)]


def assert_alike(name: str, facts: Sequence[Fact], days: list[date], tree_size: int) -> None:
    document = POLICIES[name]
    policy = Policy.parse(encode(document))
    days = [*days, *turns_of(policy, facts)]
    expected = plain_ratings(document, facts, days, tree_size=tree_size)
    assert ratings(policy, facts, days, tree_size=tree_size) == expected


@settings(max_examples=150)
@given(facts=HISTORIES, days=st.lists(DAYS, min_size=1, max_size=4), tree_size=SIZES)
def test_the_engine_and_the_plain_program_give_the_same_bytes(
    facts: list[Fact], days: list[date], tree_size: int
) -> None:
    assert_alike("xinyuan-export-credit-1.0.0", facts, days, tree_size)


@settings(max_examples=150)
@given(facts=spoiled(FULL_VALUE), day=DAYS, tree_size=SIZES)
def test_they_refuse_the_same_fact_with_the_same_code(
    facts: list[Fact], day: date, tree_size: int
) -> None:
    assert_alike("xinyuan-export-credit-1.0.0", facts, [day], tree_size)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_they_agree_under_every_policy_of_the_vectors(name: str) -> None:
    @settings(max_examples=25)
    @given(
        facts=st.one_of(histories(POLICIES[name]), spoiled(POLICIES[name])),
        day=DAYS,
        tree_size=SIZES,
    )
    def agree(facts: list[Fact], day: date, tree_size: int) -> None:
        assert_alike(name, facts, [day], tree_size)

    agree()


@given(facts=HISTORIES, shuffled=st.randoms(use_true_random=False), day=DAYS, tree_size=SIZES)
def test_no_order_of_the_facts_changes_a_byte(
    facts: list[Fact], shuffled: random.Random, day: date, tree_size: int
) -> None:
    expected = rate(FULL, facts, as_of=day, tree_size=tree_size).canonical()
    other = list(facts)
    shuffled.shuffle(other)
    assert rate(FULL, other, as_of=day, tree_size=tree_size).canonical() == expected


def of_one_day(leaf_index: int, kind: str, outcome: str, code: str, **more: object) -> Fact:
    """A fact decided on the day on which all of them are."""
    fact = Fact(
        leaf_index=leaf_index,
        kind=kind,
        code=code,
        outcome=outcome,
        severity="general",
        decided_on=START,
        measures={"declarations": 100, "errors": 1, "fine_fen": 10_000_000},
    )
    return replace(fact, **more)  # type: ignore[arg-type]


def test_ten_thousand_shuffles_of_facts_of_one_day_give_one_rating() -> None:
    facts = [
        of_one_day(0, "inspection", "fail", "label", severity="serious"),
        of_one_day(1, "enforcement", "admission-refused", "label", case="k1"),
        of_one_day(2, "foreign-notice", "alert", "label", case="k1"),
        of_one_day(3, "enforcement", "fine", "quality", severity="serious"),
        of_one_day(4, "appeal", "filed", "appeal", refers=3),
        of_one_day(5, "appeal", "overturned", "appeal", refers=4),
        of_one_day(6, "correction", "withdrawn", "slip", refers=5),
        of_one_day(7, "certificate", "granted", "customs-advanced"),
        of_one_day(8, "certificate", "suspended", "customs-advanced"),
        of_one_day(9, "certificate", "resumed", "customs-advanced"),
        of_one_day(10, "inspection", "fail", "hygiene"),
        of_one_day(11, "rectification", "in-time", "hygiene", refers=10),
        of_one_day(12, "objection", "filed", "facts", refers=10),
        of_one_day(13, "fraud-case", "suspected", "other", case="k2"),
        of_one_day(14, "enforcement", "warning", "permit"),
        of_one_day(15, "repair", "granted", "repair", refers=14),
    ]
    days = (START, add_months(START, 12) + ONE_DAY)
    expected = [rate(FULL, facts, as_of=day, tree_size=ALL).canonical() for day in days]
    choose = random.Random(20_251_125)
    for turn in range(10_000):
        choose.shuffle(facts)
        at = turn % len(days)
        assert rate(FULL, facts, as_of=days[at], tree_size=ALL).canonical() == expected[at]
    # The overturning was withdrawn, so that the fine weighs; what was repaired does not.
    reasons = rate(FULL, facts, as_of=START, tree_size=ALL).reasons
    assert [(one.leaf_index, one.points, one.relief, one.cap) for one in reasons] == [
        (3, 600, None, None),
        (0, 400, None, None),
        (10, 210, "L03", None),
        (2, 200, None, "C01"),
    ]


@given(facts=HISTORIES, tree_size=st.integers(0, 33), day=DAYS)
def test_what_the_log_learned_later_never_changes_an_answer(
    facts: list[Fact], tree_size: int, day: date
) -> None:
    known = [fact for fact in facts if fact.leaf_index < tree_size]
    at_size = rate(FULL, facts, as_of=day, tree_size=tree_size)
    assert rate(FULL, known, as_of=day, tree_size=ALL).canonical() == at_size.canonical()


@settings(max_examples=50)
@given(
    facts=spoiled(FULL_VALUE).flatmap(lambda late: HISTORIES.map(lambda early: (early, late))),
    day=DAYS,
)
def test_nor_does_what_cannot_be_read(facts: tuple[list[Fact], list[Fact]], day: date) -> None:
    early, late = facts
    size = 2 * len(early)
    later = [replace(fact, leaf_index=size + fact.leaf_index) for fact in late]
    expected = rate(FULL, early, as_of=day, tree_size=size)
    assert rate(FULL, [*later, *early], as_of=day, tree_size=size) == expected


def seen(rating: Rating) -> tuple[object, ...]:
    """What turns a path."""
    return (
        rating.grade,
        rating.points,
        rating.flags,
        rating.target,
        rating.held_since,
        rating.is_frozen,
    )


def shown(rating: Rating) -> tuple[object, ...]:
    """What `since` and `next_change` speak of."""
    return seen(rating)[:3]


LAST = START + timedelta(days=1_200 + 36 * 31 + 6 * 366)
"""Decided latest, weighs longest, and then rises from the worst grade to the best."""


@settings(max_examples=15)
@given(facts=HISTORIES)
def test_a_path_turns_exactly_where_the_rating_of_a_day_differs(facts: list[Fact]) -> None:
    history = History.of(FULL, facts, tree_size=ALL)
    days = [START - ONE_DAY + timedelta(days=n) for n in range((LAST - START).days)]
    walked = [history.rating(day) for day in days]
    turns = [
        State(day, *seen(rating))  # type: ignore[arg-type]
        for day, (eve, rating) in zip(days[1:], pairwise(walked), strict=True)
        if seen(eve) != seen(rating)
    ]
    assert list(history.path) == [State(date.min, *seen(walked[0])), *turns]  # type: ignore[arg-type]
    since: date | None = None
    change: Change | None = None
    for day, (eve, rating) in zip(days[1:], pairwise(walked), strict=True):
        since = day if shown(rating) != shown(eve) else since
        assert rating.since == since
    for day, (eve, rating) in reversed(list(zip(days[1:], pairwise(walked), strict=True))):
        assert rating.next_change == change
        if shown(rating) != shown(eve):
            change = Change(day, rating.grade, rating.points)
    for day in (START, *(state.on for state in turns)):
        assert rate(FULL, facts, as_of=day, tree_size=ALL) == history.rating(day)


@given(facts=HISTORIES, day=DAYS)
def test_the_points_are_those_of_the_reasons_less_what_merits_lower(
    facts: list[Fact], day: date
) -> None:
    rating = rate(FULL, facts, as_of=day, tree_size=ALL)
    assert rating.points == sum(reason.points for reason in rating.reasons) - rating.lowered
    assert 0 <= rating.lowered <= sum(merit.points for merit in rating.merits)


@given(facts=HISTORIES, day=DAYS)
def test_while_a_cap_reaches_capped_acts_weigh_no_more_than_it(
    facts: list[Fact], day: date
) -> None:
    rating = rate(FULL, facts, as_of=day, tree_size=ALL)
    by_index = {fact.leaf_index: fact for fact in facts}
    for cap in FULL.caps:
        capped = [
            (effect_of(fact), reason.points)
            for reason in rating.reasons
            if reason.points and speaks(cap.when, fact := by_index[reason.leaf_index])
        ]
        for first, _ in capped:
            last = add_months(first, cap.months)
            assert sum(points for on, points in capped if first <= on <= last) <= cap.points


@given(facts=HISTORIES, day=DAYS)
def test_a_grade_held_is_no_better_than_its_target_and_rises_on_the_day_that_is_told(
    facts: list[Fact], day: date
) -> None:
    history = History.of(FULL, facts, tree_size=ALL)
    rating = history.rating(day)
    if rating.held_since is None:
        return
    assert FULL.rank(rating.grade) >= FULL.rank(rating.target)
    change = rating.next_change
    if rating.promotion_on is None or (change and change.on < rating.promotion_on):
        return
    assert (rating.promotion_on.month, rating.promotion_on.day) == (10, 1)
    risen = history.rating(rating.promotion_on)
    if (risen.target, risen.is_frozen) == (rating.target, rating.is_frozen):
        assert FULL.rank(risen.grade) == FULL.rank(rating.grade) - 1
        assert risen.held_since == rating.promotion_on


def test_an_answer_shows_four_reasons_at_most() -> None:
    facts = [of_one_day(at, "enforcement", "fine", "quality") for at in range(6)]
    rating = rate(FULL, facts, as_of=START, tree_size=ALL)
    assert len(rating.reasons) == 6
    assert REASONS_MAX == 4
    assert rating.principal_reasons == rating.reasons[:REASONS_MAX]


@pytest.mark.parametrize(
    ("spoiled_members", "refusal", "member"),
    [
        pytest.param({"kind": "unheard-of"}, FactUnknown, "kind", id="a kind"),
        pytest.param({"outcome": "verbal-advice"}, FactUnknown, "outcome", id="an outcome"),
        pytest.param({"severity": "grave"}, FactUnknown, "severity", id="a severity"),
        pytest.param({"severity": None}, FactIncomplete, "severity", id="no severity"),
        pytest.param({"decided_on": None}, FactIncomplete, "decided_on", id="no decision"),
        pytest.param({"code": None}, FactIncomplete, "code", id="no code"),
    ],
)
def test_a_refusal_names_the_leaf_index_and_the_member(
    spoiled_members: dict[str, object], refusal: type[Exception], member: str
) -> None:
    fine = of_one_day(4, "enforcement", "fine", "quality")
    facts = [replace(fine, leaf_index=8, severity=None), replace(fine, **spoiled_members)]  # type: ignore[arg-type]
    with pytest.raises(refusal) as refused:
        rate(FULL, facts, as_of=START, tree_size=ALL)
    assert refused.value.path == (4, member)  # type: ignore[attr-defined]


def test_days_at_both_ends_of_the_calendar_are_rated() -> None:
    fine = of_one_day(0, "enforcement", "fine", "quality", severity="serious")
    facts = [
        replace(fine, decided_on=date.min),
        replace(fine, leaf_index=1, decided_on=date.max),
    ]
    days = [date.min, date.max - ONE_DAY, date.max]
    assert_alike("xinyuan-export-credit-1.0.0", facts, days, ALL)
    first, eve, last = (rate(FULL, facts, as_of=day, tree_size=ALL) for day in days)
    assert (first.points, first.since) == (600, None)
    assert eve.next_change == Change(date.max, Grade("B"), 600)
    assert (last.points, last.next_change, last.reasons[0].ends_on) == (600, None, date.max)
