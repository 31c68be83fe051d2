"""The fold of `credit.rating`, held against the reference (§2.1) and against a second reading."""

import csv
import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.calendar import add_months
from credit.errors import FactIncomplete, FactUnknown
from credit.facts import Fact
from credit.policy import PERMILLE_MAX, Policy, Role
from credit.rating import REASONS_MAX, Change, History, Rating, Reason, rate
from ledger.canonical import Json, encode

ALL = 1 << 40
"""A tree size beyond every fact of these tests."""


def day(text: str) -> date:
    return date.fromisoformat(text)


def fine(leaf_index: int, decided_on: str, severity: str = "general", **more: str) -> Fact:
    """An enforcement fact: 300 centipoints for 12 months unless told otherwise."""
    return Fact(
        leaf_index=leaf_index,
        kind="enforcement",
        code="quality",
        outcome=more.get("outcome", "fine"),
        severity=severity,
        decided_on=day(decided_on),
        case=more.get("case"),
    )


def passes(first: int, count: int, decided_on: str) -> list[Fact]:
    """Passed inspections, each its own act."""
    return [
        Fact(
            leaf_index=first + position,
            kind="inspection",
            code="routine",
            outcome="pass",
            decided_on=day(decided_on),
        )
        for position in range(count)
    ]


def points_policy(policy_value: dict[str, Json], points: int) -> Policy:
    """The policy with a fine at `points` and without the evidence rule."""
    rows = policy_value["points"]
    assert isinstance(rows, list)
    row = rows[17]
    assert isinstance(row, dict)
    assert row["outcome"] == ["fine"]
    row["points"] = points
    policy_value["evidence"] = []
    return Policy.parse(encode(policy_value))


@pytest.mark.parametrize(
    ("points", "grade"),
    [
        (0, "A"),
        (1, "A"),
        (300, "A"),
        (301, "B"),
        (1199, "B"),
        (1200, "C"),
        (2399, "C"),
        (2400, "C"),
        (3599, "C"),
        (3600, "D"),
        (1_000_000, "D"),
    ],
)
def test_a_grade_holds_from_its_threshold_on(
    policy_value: dict[str, Json], points: int, grade: str
) -> None:
    policy = points_policy(policy_value, points)
    rating = rate(policy, [fine(0, "2024-03-01")], as_of=day("2024-03-01"), tree_size=1)
    assert (rating.points, rating.grade) == (points, grade)
    assert [reason.points for reason in rating.reasons] == [points] * (points > 0)


def test_of_whom_nothing_is_known_starts_and_says_so(policy: Policy) -> None:
    rating = rate(policy, [], as_of=day("2024-03-01"), tree_size=0)
    assert rating == Rating(
        grade=policy.start.grade,
        points=0,
        reasons=(),
        flags=("new",),
        since=None,
        next_change=None,
    )
    assert rating.canonical() == (
        b'{"flags":["new"],"grade":"B","next_change":null,"points":0,"reasons":[],"since":null}'
    )


def test_a_filing_and_a_suspicion_leave_a_firm_new(policy: Policy) -> None:
    filing = Fact(leaf_index=0, kind="filing", code="enterprise", outcome="accepted")
    suspected = Fact(
        leaf_index=1,
        kind="fraud-case",
        code="forged-certificate",
        outcome="suspected",
        severity="serious",
        decided_on=day("2024-01-01"),
    )
    nothing = rate(policy, [], as_of=day("2024-03-01"), tree_size=2)
    assert rate(policy, [filing, suspected], as_of=day("2024-03-01"), tree_size=2) == nothing


def test_a_serious_fact_decays_by_years_and_then_ends(policy: Policy) -> None:
    history = History.of(
        policy, [fine(0, "2024-01-31", "serious", outcome="suspension")], tree_size=ALL
    )
    assert [
        (text, history.rating(day(text)).points)
        for text in (
            "2024-01-30",
            "2024-01-31",
            "2025-01-31",
            "2025-02-01",
            "2026-01-31",
            "2026-02-01",
            "2027-01-31",
            "2027-02-01",
        )
    ] == [
        ("2024-01-30", 0),
        ("2024-01-31", 1200),
        ("2025-01-31", 1200),
        ("2025-02-01", 600),
        ("2026-01-31", 600),
        ("2026-02-01", 300),
        ("2027-01-31", 300),
        ("2027-02-01", 0),
    ]


@pytest.mark.parametrize(
    ("decided_on", "severity", "last", "first_free"),
    [
        pytest.param("2023-11-30", "minor", "2024-02-29", "2024-03-01", id="into a leap February"),
        pytest.param("2024-02-29", "general", "2025-02-28", "2025-03-01", id="from 29 February"),
        pytest.param("2024-10-31", "minor", "2025-01-31", "2025-02-01", id="31st to 31st"),
        pytest.param("2024-01-31", "minor", "2024-04-30", "2024-05-01", id="31st to 30th"),
    ],
)
def test_the_last_day_of_a_weight_is_inside(
    policy: Policy, decided_on: str, severity: str, last: str, first_free: str
) -> None:
    facts = [fine(0, decided_on, severity)]
    assert rate(policy, facts, as_of=day(last), tree_size=1).points == 300
    assert rate(policy, facts, as_of=day(first_free), tree_size=1).points == 0
    reason = rate(policy, facts, as_of=day(decided_on), tree_size=1).reasons[0]
    assert reason.ends_on == day(last)


def test_a_weight_is_divided_downwards(policy_value: dict[str, Json]) -> None:
    policy = points_policy(policy_value, 303)
    facts = [fine(0, "2024-01-10", "serious")]
    assert rate(policy, facts, as_of=day("2025-01-11"), tree_size=1).points == 151
    assert rate(policy, facts, as_of=day("2026-01-11"), tree_size=1).points == 75


def test_of_one_case_only_the_heaviest_fact_weighs(policy: Policy) -> None:
    facts = [
        fine(3, "2024-03-01", "minor", outcome="warning", case="k"),
        fine(4, "2024-03-01", outcome="confiscation", case="k"),
        fine(5, "2024-03-01", case="k"),
        fine(6, "2024-03-01", case="other"),
        fine(7, "2024-03-01"),
        fine(8, "2024-03-01"),
    ]
    rating = rate(policy, facts, as_of=day("2024-03-01"), tree_size=ALL)
    assert rating.points == 600 + 300 + 300 + 300
    assert [(reason.leaf_index, reason.rule, reason.points) for reason in rating.reasons] == [
        (4, "P17", 600),
        (6, "P18", 300),
        (7, "P18", 300),
        (8, "P18", 300),
    ]


def test_when_the_heaviest_of_a_case_has_decayed_the_next_one_counts(policy: Policy) -> None:
    facts = [
        fine(0, "2022-03-01", "serious", outcome="confiscation", case="k"),
        fine(1, "2023-02-20", "general", case="k"),
    ]
    before = rate(policy, facts, as_of=day("2023-03-01"), tree_size=ALL)
    assert (before.points, before.reasons[0].leaf_index) == (600, 0)
    # On equal points, the fact that lasts longer stands for the act.
    halved = rate(policy, facts, as_of=day("2023-03-02"), tree_size=ALL)
    assert (halved.points, halved.reasons[0].leaf_index) == (300, 0)
    facts[1] = replace(facts[1], outcome="confiscation")
    passed_on = rate(policy, facts, as_of=day("2023-03-02"), tree_size=ALL)
    assert (passed_on.points, passed_on.reasons[0].leaf_index) == (600, 1)


def label(leaf_index: int, decided_on: str, case: str | None = None) -> Fact:
    """A failed inspection for its label: 100 centipoints, or 400 when serious."""
    return Fact(
        leaf_index=leaf_index,
        kind="inspection",
        code="label",
        outcome="fail",
        severity="serious",
        decided_on=day(decided_on),
        case=case,
    )


def test_a_cap_cuts_the_later_acts_of_its_months(policy: Policy) -> None:
    facts = [label(0, "2024-01-10"), label(1, "2024-05-10"), label(2, "2024-06-10")]
    rating = rate(policy, facts, as_of=day("2024-06-10"), tree_size=ALL)
    assert rating.points == 600
    # The third act adds nothing, so it is no reason.
    assert [(r.leaf_index, r.points, r.points_full) for r in rating.reasons] == [
        (0, 400, 400),
        (1, 200, 400),
    ]


def test_a_cap_leaves_other_facts_alone(policy: Policy) -> None:
    facts = [label(0, "2024-01-10"), label(1, "2024-01-10"), fine(2, "2024-01-10")]
    assert rate(policy, facts, as_of=day("2024-01-10"), tree_size=ALL).points == 600 + 300


def test_a_cap_counts_anew_when_its_months_are_over(policy: Policy) -> None:
    inside = [label(0, "2024-01-10"), label(1, "2024-01-10"), label(2, "2025-01-10")]
    assert rate(policy, inside, as_of=day("2025-01-10"), tree_size=ALL).points == 600
    outside = [*inside[:2], label(2, "2025-01-11")]
    # By then the first two weigh half, 200 each, and the third is in months of its own.
    assert rate(policy, outside, as_of=day("2025-01-11"), tree_size=ALL).points == 400 + 400


def test_a_criminal_outcome_is_grade_d_whatever_the_sum(policy: Policy) -> None:
    facts = [fine(9, "2024-01-10", "minor", outcome="criminal"), *passes(10, 5, "2024-01-10")]
    history = History.of(policy, facts, tree_size=ALL)
    in_force = history.rating(day("2025-01-10"))
    assert (in_force.grade, in_force.points) == ("D", 0)
    assert in_force.reasons == (Reason(9, "R01", 0, 0, day("2027-01-10"), None),)
    assert in_force.next_change == Change(day("2027-01-11"), policy.evidence[0].otherwise, 0)
    assert history.rating(day("2027-01-10")).grade == "D"
    both = history.rating(day("2024-04-10"))
    assert [reason.rule for reason in both.reasons] == ["R01", "P15"]
    assert history.rating(day("2027-01-11")).reasons == ()


def test_a_confirmed_forged_certificate_is_grade_d_and_a_suspected_one_is_not(
    policy: Policy,
) -> None:
    forged = Fact(
        leaf_index=0,
        kind="fraud-case",
        code="forged-certificate",
        outcome="confirmed",
        severity="serious",
        decided_on=day("2024-01-10"),
    )
    assert rate(policy, [forged], as_of=day("2024-01-10"), tree_size=1).grade == "D"
    suspected = replace(forged, outcome="suspected")
    assert rate(policy, [suspected], as_of=day("2024-01-10"), tree_size=1).grade == "B"


def test_a_red_line_is_one_reason_an_act_and_the_gravest_comes_first(
    policy_value: dict[str, Json],
) -> None:
    lines = policy_value["red_lines"]
    assert isinstance(lines, list)
    lines[1] = {
        "grade": "C",
        "id": "R02",
        "months": 60,
        "when": {"kind": "enforcement", "outcome": ["licence-revoked"]},
    }
    policy = Policy.parse(encode(policy_value))
    facts = [
        fine(1, "2024-01-10", "minor", outcome="licence-revoked"),
        fine(2, "2024-01-10", "minor", outcome="criminal", case="k"),
        fine(3, "2024-01-10", "minor", outcome="criminal", case="k"),
        fine(4, "2024-01-09", "minor", outcome="criminal"),
        fine(5, "2024-01-10", "minor", outcome="criminal", case="l"),
        fine(6, "2024-01-11", "minor", outcome="criminal", case="l"),
    ]
    rating = rate(policy, facts, as_of=day("2024-12-01"), tree_size=ALL)
    assert [(r.leaf_index, r.rule, r.ends_on) for r in rating.reasons] == [
        (6, "R01", day("2027-01-11")),
        (2, "R01", day("2027-01-10")),
        (4, "R01", day("2027-01-09")),
        (1, "R02", day("2029-01-10")),
    ]
    assert rating.grade == "D"
    assert rate(policy, facts, as_of=day("2027-01-12"), tree_size=ALL).grade == "C"


@pytest.mark.parametrize(
    ("facts", "as_of", "grade", "flags"),
    [
        pytest.param(passes(0, 5, "2024-01-10"), "2024-01-10", "A", (), id="five"),
        pytest.param(
            passes(0, 4, "2024-01-10"), "2024-01-10", "B", ("insufficient-evidence",), id="four"
        ),
        pytest.param(passes(0, 5, "2024-01-10"), "2026-01-10", "A", (), id="on the last day"),
        pytest.param(
            passes(0, 5, "2024-01-10"),
            "2026-01-11",
            "B",
            ("insufficient-evidence",),
            id="a day too old",
        ),
        pytest.param(
            [replace(fact, case="k") for fact in passes(0, 9, "2024-01-10")],
            "2024-01-10",
            "B",
            ("insufficient-evidence",),
            id="nine of one case are one",
        ),
        pytest.param(
            [*passes(0, 5, "2024-01-10"), fine(9, "2024-01-10"), fine(10, "2024-01-10")],
            "2024-01-10",
            "B",
            (),
            id="a B by points needs none",
        ),
    ],
)
def test_the_best_grade_needs_five_passed_inspections_in_24_months(
    policy: Policy, facts: list[Fact], as_of: str, grade: str, flags: tuple[str, ...]
) -> None:
    rating = rate(policy, facts, as_of=day(as_of), tree_size=ALL)
    assert (rating.grade, rating.flags) == (grade, flags)


def test_evidence_comes_and_goes_and_comes_again(policy: Policy) -> None:
    # The last five take effect on the last of the 24 months' days, and count for that day alone.
    facts = [
        *passes(0, 5, "2018-01-10"),
        *passes(5, 5, "2021-01-10"),
        *[replace(fact, effective_on=day("2026-01-10")) for fact in passes(10, 5, "2024-01-10")],
    ]
    history = History.of(policy, facts, tree_size=ALL)
    assert [
        (text, history.rating(day(text)).grade)
        for text in (
            "2018-01-10",
            "2020-01-10",
            "2020-01-11",
            "2021-01-09",
            "2021-01-10",
            "2023-01-10",
            "2023-01-11",
            "2026-01-09",
            "2026-01-10",
            "2026-01-11",
        )
    ] == [
        ("2018-01-10", "A"),
        ("2020-01-10", "A"),
        ("2020-01-11", "B"),
        ("2021-01-09", "B"),
        ("2021-01-10", "A"),
        ("2023-01-10", "A"),
        ("2023-01-11", "B"),
        ("2026-01-09", "B"),
        ("2026-01-10", "A"),
        ("2026-01-11", "B"),
    ]


def test_reasons_are_heaviest_first_then_latest_then_by_index(policy: Policy) -> None:
    facts = [
        fine(5, "2024-02-01"),
        fine(4, "2024-02-01"),
        fine(3, "2024-03-01"),
        fine(2, "2024-01-01", outcome="confiscation"),
    ]
    rating = rate(policy, facts, as_of=day("2024-03-01"), tree_size=ALL)
    assert [reason.leaf_index for reason in rating.reasons] == [2, 3, 4, 5]
    assert sum(reason.points for reason in rating.reasons) == rating.points


def test_an_answer_shows_four_reasons_at_most(policy: Policy) -> None:
    facts = [fine(leaf_index, "2024-02-01") for leaf_index in range(6)]
    rating = rate(policy, facts, as_of=day("2024-02-01"), tree_size=ALL)
    assert len(rating.reasons) == 6
    assert REASONS_MAX == 4
    assert rating.principal_reasons == rating.reasons[:REASONS_MAX]


def test_a_stretch_may_last_one_day(policy: Policy) -> None:
    facts = [
        replace(fine(0, "2024-01-10"), effective_on=day("2025-01-10")),
        replace(fine(1, "2024-01-11"), effective_on=day("2025-01-09")),
    ]
    history = History.of(policy, facts, tree_size=ALL)
    found = [history.rating(day(f"2025-01-{number:02}")) for number in range(9, 13)]
    assert [(rating.points, rating.since) for rating in found] == [
        (300, day("2025-01-09")),
        (600, day("2025-01-10")),
        (300, day("2025-01-11")),
        (0, day("2025-01-12")),
    ]


def test_a_fact_counts_from_the_day_it_takes_effect(policy: Policy) -> None:
    facts = [replace(fine(0, "2024-01-10"), effective_on=day("2024-02-01"))]
    before = rate(policy, facts, as_of=day("2024-01-31"), tree_size=1)
    assert (before.points, before.flags) == (0, ("new",))
    assert before.next_change == Change(day("2024-02-01"), before.grade, 300)
    on_it = rate(policy, facts, as_of=day("2024-02-01"), tree_size=1)
    assert (on_it.points, on_it.since) == (300, day("2024-02-01"))
    # The period still runs from the decision.
    assert on_it.next_change == Change(day("2025-01-11"), before.grade, 0)


def test_what_the_ledger_did_not_know_yet_does_not_count(policy: Policy) -> None:
    facts = [fine(10, "2024-01-10"), fine(20, "2024-01-10", outcome="confiscation")]
    known = [
        (size, rate(policy, facts, as_of=day("2024-01-10"), tree_size=size).points)
        for size in (10, 11, 20, 21)
    ]
    assert known == [(10, 0), (11, 300), (20, 300), (21, 900)]


def test_the_rating_of_a_day_is_its_canonical_bytes(policy: Policy) -> None:
    facts = [fine(17, "2024-01-31", "serious", outcome="suspension", case="k-1")]
    assert rate(policy, facts, as_of=day("2024-06-01"), tree_size=ALL).canonical() == (
        b'{"flags":[],"grade":"C","next_change":{"grade":"B","on":"2025-02-01","points":600},'
        b'"points":1200,"reasons":[{"case":"k-1","ends_on":"2027-01-31","leaf_index":17,'
        b'"points":1200,"points_full":1200,"rule":"P16"}],"since":"2024-01-31"}'
    )


def test_a_change_that_alters_nothing_is_no_change(policy: Policy) -> None:
    # Two facts of one act end on two days; the lighter one ends unnoticed.
    facts = [
        fine(0, "2024-01-10", "minor", outcome="warning", case="k"),
        fine(1, "2024-01-10", "general", case="k"),
    ]
    rating = rate(policy, facts, as_of=day("2024-02-01"), tree_size=ALL)
    assert rating.next_change == Change(day("2025-01-11"), rating.grade, 0)
    later = rate(policy, facts, as_of=day("2024-06-01"), tree_size=ALL)
    assert later.since == day("2024-01-10")


def test_an_unknown_fact_refuses_the_rating_with_its_index(policy: Policy) -> None:
    facts = [fine(1, "2024-01-10"), replace(fine(2, "2024-01-10"), kind="foreign-notice")]
    with pytest.raises(FactUnknown) as refusal:
        rate(policy, facts, as_of=day("2024-06-01"), tree_size=3)
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_FACT_UNKNOWN", (2, "kind"))
    # At a size where it was not known, the old answer stands.
    assert rate(policy, facts, as_of=day("2024-06-01"), tree_size=2).points == 300


def test_an_incomplete_fact_refuses_the_rating_with_the_lowest_index(policy: Policy) -> None:
    facts = [
        replace(fine(8, "2024-01-10"), severity=None),
        replace(fine(4, "2024-01-10"), decided_on=None),
    ]
    with pytest.raises(FactIncomplete) as refusal:
        rate(policy, facts, as_of=day("2024-06-01"), tree_size=ALL)
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_INCOMPLETE", (4, "decided_on"))


def test_days_at_both_ends_of_the_calendar_are_rated(policy: Policy) -> None:
    facts = [fine(0, "0001-01-01", "serious"), fine(1, "9999-12-31", "serious")]
    first = rate(policy, facts, as_of=date.min, tree_size=ALL)
    assert (first.points, first.since) == (300, None)
    last = rate(policy, facts, as_of=date.max, tree_size=ALL)
    assert (last.points, last.since, last.next_change) == (300, date.max, None)
    assert last.reasons[0].ends_on == date.max


# A second reading of the rule, day by day and without any of the fold's shortcuts.


def standing_by_the_book(
    policy: Policy, facts: Sequence[Fact], on: date
) -> tuple[str, int, tuple[str, ...], frozenset[tuple[int, int]]]:
    """Grade, points, flags, and (leaf index, points) of each act that adds something."""
    in_effect = [fact for fact in facts if (fact.effective_on or fact.decided_on or on) <= on]
    heaviest: dict[str, tuple[int, date, int, Fact]] = {}
    evidence: set[str] = set()
    floor = 0
    new = True
    for fact in in_effect:
        role = policy.role(fact)
        act = fact.case or f"#{fact.leaf_index}"
        if role is Role.FAVOURABLE:
            new = False
            assert fact.decided_on is not None
            if on <= add_months(fact.decided_on, 24):
                evidence.add(act)
        if role is not Role.WEIGHS:
            continue
        new = False
        assert fact.decided_on is not None
        assert fact.severity is not None
        decay = policy.severities[fact.severity].decay
        full = policy.row(fact).points
        now = 0
        for step in reversed(decay):
            if on <= add_months(fact.decided_on, step.months):
                now = full * step.permille // PERMILLE_MAX
        ends_on = add_months(fact.decided_on, decay[-1].months)
        candidate = (now, ends_on, -fact.leaf_index, fact)
        if now and (act not in heaviest or candidate[:3] > heaviest[act][:3]):
            heaviest[act] = candidate
        for line in policy.red_lines:
            if line.when.matches(fact) and on <= add_months(fact.decided_on, line.months):
                floor = max(floor, policy.rank(line.grade))
    if new:
        return policy.start.grade, 0, (policy.start.flag,), frozenset()

    def effect(fact: Fact) -> date:
        result = fact.effective_on or fact.decided_on
        assert result is not None
        return result

    adds = {entry[3].leaf_index: entry[0] for entry in heaviest.values()}
    ordered = sorted(
        (entry[3] for entry in heaviest.values()), key=lambda fact: (effect(fact), fact.leaf_index)
    )
    for cap in policy.caps:
        granted: list[tuple[Fact, int]] = []
        for fact in ordered:
            if cap.when.matches(fact):
                before = sum(
                    points
                    for earlier, points in granted
                    if effect(fact) <= add_months(effect(earlier), cap.months)
                )
                adds[fact.leaf_index] = min(adds[fact.leaf_index], cap.points - before)
                granted.append((fact, adds[fact.leaf_index]))
    points = sum(adds.values())
    rank = max(floor, sum(1 for step in policy.thresholds if step.lowest <= points) - 1)
    flags: tuple[str, ...] = ()
    if rank == 0 and len(evidence) < 5:
        rank, flags = 1, ("insufficient-evidence",)
    return (
        policy.thresholds[rank].grade,
        points,
        flags,
        frozenset((index, points) for index, points in adds.items() if points),
    )


START = date(2023, 1, 1)

DAYS = st.integers(0, 400).map(lambda days: START + timedelta(days=days))

FACTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                ("inspection", "label", "fail"),
                ("inspection", "label", "fail"),
                ("inspection", "safety", "fail"),
                ("inspection", "routine", "pass"),
                ("inspection", "routine", "inconclusive"),
                ("enforcement", "label", "admission-refused"),
                ("enforcement", "quality", "fine"),
                ("enforcement", "quality", "criminal"),
                ("fraud-case", "forged-certificate", "confirmed"),
                ("fraud-case", "false-declaration", "suspected"),
                ("ip-case", "counterfeit-goods", "confirmed"),
                ("filing", "enterprise", "accepted"),
            ]
        ),
        st.sampled_from(["minor", "general", "serious"]),
        DAYS,
        st.one_of(st.none(), DAYS),
        st.sampled_from([None, None, "k1", "k2"]),
    ),
    max_size=12,
).map(
    lambda drawn: [
        Fact(
            leaf_index=3 * position,
            kind=kind,
            code=code,
            outcome=outcome,
            severity=severity,
            decided_on=decided_on,
            effective_on=effective_on,
            case=case,
        )
        for position, (
            (kind, code, outcome),
            severity,
            decided_on,
            effective_on,
            case,
        ) in enumerate(drawn)
    ]
)


@settings(max_examples=300)
@given(facts=FACTS, offset=st.integers(-10, 1600))
def test_the_fold_agrees_with_a_reading_by_the_book(
    policy: Policy, facts: list[Fact], offset: int
) -> None:
    as_of = START + timedelta(days=offset)
    rating = rate(policy, facts, as_of=as_of, tree_size=ALL)
    grade, points, flags, adds = standing_by_the_book(policy, facts, as_of)
    assert (rating.grade, rating.points, rating.flags) == (grade, points, flags)
    assert {(r.leaf_index, r.points) for r in rating.reasons if r.points} == adds


@given(
    facts=st.lists(
        st.tuples(DAYS, st.one_of(st.none(), DAYS), st.sampled_from([None, None, None, "k"])),
        min_size=4,
        max_size=14,
    ).map(
        lambda drawn: [
            replace(
                passes(position, 1, "2024-01-01")[0],
                decided_on=decided_on,
                effective_on=effective_on,
                case=case,
            )
            for position, (decided_on, effective_on, case) in enumerate(drawn)
        ]
    ),
    offset=st.integers(-10, 1200),
)
def test_evidence_is_counted_by_acts_as_by_the_book(
    policy: Policy, facts: list[Fact], offset: int
) -> None:
    as_of = START + timedelta(days=offset)
    rating = rate(policy, facts, as_of=as_of, tree_size=ALL)
    grade, points, flags, _ = standing_by_the_book(policy, facts, as_of)
    assert (rating.grade, rating.points, rating.flags) == (grade, points, flags)
    if rating.next_change is not None:
        eve = standing_by_the_book(policy, facts, rating.next_change.on - timedelta(days=1))
        assert eve[:3] == (grade, points, flags)
        then = standing_by_the_book(policy, facts, rating.next_change.on)
        assert then[:3] != (grade, points, flags)


@settings(max_examples=25)
@given(facts=FACTS, offset=st.integers(0, 1500))
def test_between_since_and_the_next_change_every_day_stands_alike(
    policy: Policy, facts: list[Fact], offset: int
) -> None:
    as_of = START + timedelta(days=offset)
    rating = rate(policy, facts, as_of=as_of, tree_size=ALL)
    present = (rating.grade, rating.points, rating.flags)
    first = rating.since or START - timedelta(days=30)
    change = rating.next_change
    last = date(2028, 1, 1) if change is None else change.on - timedelta(days=1)
    assert first <= as_of <= last
    for days in range(0, (last - first).days + 1, 7):
        assert standing_by_the_book(policy, facts, first + timedelta(days=days))[:3] == present
    assert standing_by_the_book(policy, facts, last)[:3] == present
    if rating.since is not None:
        before = standing_by_the_book(policy, facts, rating.since - timedelta(days=1))
        assert before[:3] != present
    if change is not None:
        then = standing_by_the_book(policy, facts, change.on)
        assert then[:3] != present
        assert then[:2] == (change.grade, change.points)


@given(facts=FACTS, shuffled=st.randoms(use_true_random=False), offset=st.integers(0, 1500))
def test_the_order_of_the_facts_does_not_matter(
    policy: Policy, facts: list[Fact], shuffled: object, offset: int
) -> None:
    as_of = START + timedelta(days=offset)
    other = list(facts)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    assert (
        rate(policy, other, as_of=as_of, tree_size=ALL).canonical()
        == rate(policy, facts, as_of=as_of, tree_size=ALL).canonical()
    )


@given(facts=FACTS, tree_size=st.integers(0, 40), offset=st.integers(0, 1500))
def test_a_fact_known_later_never_changes_an_answer_at_an_older_size(
    policy: Policy, facts: list[Fact], tree_size: int, offset: int
) -> None:
    as_of = START + timedelta(days=offset)
    known = [fact for fact in facts if fact.leaf_index < tree_size]
    assert (
        rate(policy, facts, as_of=as_of, tree_size=tree_size).canonical()
        == rate(policy, known, as_of=as_of, tree_size=ALL).canonical()
    )


@given(facts=FACTS, offset=st.integers(0, 1500))
def test_in_any_twelve_months_capped_acts_weigh_no_more_than_their_cap(
    policy: Policy, facts: list[Fact], offset: int
) -> None:
    rating = rate(policy, facts, as_of=START + timedelta(days=offset), tree_size=ALL)
    by_index = {fact.leaf_index: fact for fact in facts}
    for cap in policy.caps:
        capped = [
            (fact.takes_effect_on or START, reason.points)
            for reason in rating.reasons
            if cap.when.matches(fact := by_index[reason.leaf_index])
        ]
        for first, _ in capped:
            last = add_months(first, cap.months)
            assert sum(points for on, points in capped if first <= on <= last) <= cap.points


def real_facts(shared_data: Callable[[str], Path]) -> dict[str, list[Fact]]:
    """The FDA refusals as facts by firm: a line is a fact, entry and document are its case."""
    gravity = ("minor", "general", "serious")
    with gzip.open(shared_data("cases/fda_charges.csv.gz"), "rt", encoding="utf-8") as file:
        charges = {row["charge_id"]: row for row in csv.DictReader(file)}
    facts: dict[str, list[Fact]] = {}
    refusals = shared_data("cases/fda_import_refusals_2020_2025.csv.gz")
    with gzip.open(refusals, "rt", encoding="utf-8") as file:
        for leaf_index, row in enumerate(csv.DictReader(file)):
            own = [charges[charge_id] for charge_id in row["charge_ids"].split()]
            gravest = max(own, key=lambda charge: gravity.index(charge["suggested_severity"]))
            tested = "1" in (row["fda_sample"], row["private_lab"])
            facts.setdefault(row["firm_id"], []).append(
                Fact(
                    leaf_index=leaf_index,
                    kind="inspection" if tested else "enforcement",
                    outcome="fail" if tested else "admission-refused",
                    code=gravest["suggested_group"],
                    severity=gravest["suggested_severity"],
                    decided_on=day(row["refusal_date"]),
                    case=row["refusal_id"].rsplit("-", 2)[0],
                )
            )
    return facts


def test_every_real_firm_is_rated_as_by_the_book(
    policy: Policy, shared_data: Callable[[str], Path]
) -> None:
    firms = real_facts(shared_data)
    assert (len(firms), sum(map(len, firms.values()))) == (5_654, 20_184)
    for as_of in (day("2022-02-28"), day("2024-02-29"), day("2026-01-01")):
        for facts in firms.values():
            rating = rate(policy, facts, as_of=as_of, tree_size=ALL)
            grade, points, flags, adds = standing_by_the_book(policy, facts, as_of)
            assert (rating.grade, rating.points, rating.flags) == (grade, points, flags)
            assert {(r.leaf_index, r.points) for r in rating.reasons} == adds
