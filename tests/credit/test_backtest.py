"""A back-test before adoption: reference §2.2 and §2.3, by populations that are worked by hand."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.importing import read_statements
from credit.backtest import (
    DRIFT_ALARM_PERMILLE,
    GRADE_SUBJECTS_LEAST,
    Backtest,
    Ground,
    Plan,
    Regraded,
    Tally,
    Verdict,
    drift_permille,
    judged,
    merged,
    tally_shard,
)
from credit.errors import FactUnknown
from credit.facts import Fact
from credit.policy import Policy
from credit.population import Shard, SubjectUnit, shards_of, unit_of
from credit.rules import Grade
from ledger.canonical import Json, decode, encode
from ledger.identity import SubjectLabel
from ledger.keystore import Keystore
from tests.credit.conftest import POLICIES

ALL = 1 << 40
DAY = date(2023, 1, 1)
AS_OF = date(2024, 1, 1)
"""The first day on which the year after DAY is over."""

A, B, C, D = map(Grade, "ABCD")
LEADS_TO = {B: "warning", C: "suspension", D: "criminal"}
"""Under 0.2.0, which gives A for passed inspections alone: 100, 1200, and a red line."""

Firm = Sequence[Fact]


def label(number: int) -> SubjectLabel:
    """Labels in the order of their numbers."""
    return SubjectLabel(f"{number:042}A")


def stated(outcome: str, on: str, *, effective_on: str | None = None) -> Fact:
    return Fact(
        leaf_index=0,
        kind="enforcement",
        code="quality",
        outcome=outcome,
        severity="general",
        decided_on=date.fromisoformat(on),
        effective_on=None if effective_on is None else date.fromisoformat(effective_on),
    )


def firms(grade: Grade, count: int, failing: int) -> list[Firm]:
    """So many of a grade on DAY, some of which fail in the year after it."""
    before, failure = stated(LEADS_TO[grade], "2022-06-01"), stated("warning", "2023-06-01")
    return [[before, failure] if at < failing else [before] for at in range(count)]


def shards(population: Iterable[Firm]) -> list[Shard]:
    """Firms by their numbers; leaf indexes in the order in which all is written here."""
    rows: list[SubjectUnit] = []
    for number, facts in enumerate(population):
        for fact in facts:
            rows.append((label(number), *unit_of(replace(fact, leaf_index=len(rows)))))
    return list(shards_of(rows))


def tried(
    policy: Policy,
    population: Iterable[Firm],
    *,
    in_force: Policy | None = None,
    days: tuple[date, ...] = (DAY,),
    as_of: date = AS_OF,
    tree_size: int = ALL,
) -> Backtest:
    plan = Plan(policy, in_force, days, as_of, tree_size)
    return judged(plan, merged(tally_shard(plan, shard) for shard in shards(population)))


def cells(found: Backtest, at: int = 0) -> dict[str, tuple[int, int | None]]:
    """Subjects and failures of the grades that anybody has."""
    cohorts = found.days[at].cohorts
    return {one.grade: (one.subjects, one.failed) for one in cohorts if one.subjects}


def published(name: str) -> Policy:
    return Policy.parse((POLICIES / f"{name}.json").read_bytes().rstrip(b"\n"))


@pytest.mark.parametrize(
    ("second", "grade", "failed"),
    [
        pytest.param(stated("suspension", "2023-01-01"), C, 0, id="of the day: it is in the grade"),
        pytest.param(stated("suspension", "2023-01-02"), B, 1, id="of the next day"),
        pytest.param(stated("suspension", "2024-01-01"), B, 1, id="twelve months on, the last day"),
        pytest.param(stated("suspension", "2024-01-02"), B, 0, id="the day after"),
        pytest.param(
            stated("suspension", "2022-12-31", effective_on="2023-01-02"),
            B,
            1,
            id="decided before, in effect after",
        ),
        pytest.param(
            replace(stated("suspension", "2023-02-01"), kind="inspection", outcome="pass"),
            B,
            0,
            id="a fact that does not weigh",
        ),
    ],
)
def test_what_takes_effect_up_to_a_day_is_in_its_grade_and_what_does_later_is_its_failure(
    policy: Policy, second: Fact, grade: Grade, failed: int
) -> None:
    found = tried(policy, [[stated("warning", "2022-06-01"), second]])
    assert cells(found) == {grade: (1, failed)}


def test_two_failures_are_one_firm_that_failed(policy: Policy) -> None:
    facts = [stated("warning", f"{on}-01") for on in ("2022-06", "2023-03", "2023-09")]
    assert cells(tried(policy, [facts])) == {B: (1, 1)}


def test_each_day_has_those_of_whom_anything_had_taken_effect(policy: Policy) -> None:
    population = [
        [stated("criminal", "2021-06-01"), stated("fine", "2022-03-01")],
        [stated("warning", "2022-06-01"), stated("fine", "2023-07-01")],
        [stated("warning", "2023-06-01")],
    ]
    days = (date(2021, 1, 1), date(2022, 1, 1), date(2023, 1, 1), date(2024, 1, 1))
    found = tried(policy, population, days=days, as_of=date(2025, 1, 1))
    by_day = [cells(found, at) for at in range(4)]
    assert by_day == [{}, {D: (1, 1)}, {B: (1, 1), D: (1, 0)}, {B: (2, 0), D: (1, 0)}]


def test_what_is_stated_beyond_the_tree_size_neither_grades_nor_fails(policy: Policy) -> None:
    population = [[stated("warning", "2022-06-01"), stated("fine", "2023-06-01")]]
    assert cells(tried(policy, population, tree_size=1)) == {B: (1, 0)}
    assert cells(tried(policy, population, tree_size=0)) == {}


def test_what_is_annulled_by_now_neither_grades_nor_fails() -> None:
    core = published("xinyuan-export-credit-core-1.0.0")
    overturned = Fact(
        leaf_index=0,
        kind="appeal",
        code="court",
        outcome="overturned",
        decided_on=date(2023, 12, 1),
        refers=1,
    )
    facts = [stated("warning", "2022-06-01"), stated("criminal", "2023-06-01"), overturned]
    assert cells(tried(core, [facts])) == {B: (1, 0)}
    assert cells(tried(core, [facts], tree_size=2)) == {B: (1, 1)}


def test_the_order_holds_when_each_worse_grade_failed_more_often(policy: Policy) -> None:
    found = tried(policy, [*firms(B, 40, 4), *firms(C, 30, 4), *firms(D, 31, 5)])
    assert cells(found) == {B: (40, 4), C: (30, 4), D: (31, 5)}
    assert [one.permille for one in found.days[0].cohorts] == [None, 100, 133, 161]
    assert (found.breaks, found.verdict) == ((), Verdict.HOLDS)


@pytest.mark.parametrize(
    ("population", "breaks"),
    [
        pytest.param(
            [*firms(B, 30, 3), *firms(C, 30, 3), *firms(D, 30, 9)], [(B, C)], id="as often"
        ),
        pytest.param(
            [*firms(B, 30, 3), *firms(C, 40, 12), *firms(D, 30, 8)], [(C, D)], id="less often"
        ),
        pytest.param(
            [*firms(B, 30, 9), *firms(C, 30, 6), *firms(D, 30, 3)],
            [(B, C), (C, D)],
            id="the other way round",
        ),
        pytest.param(
            [*firms(B, 30, 3), *firms(C, 29, 9), *firms(D, 30, 3)],
            [(B, D)],
            id="past a grade of 29, its neighbours are compared",
        ),
    ],
)
def test_where_it_does_not_hold_the_day_and_both_grades_are_named(
    policy: Policy, population: list[Firm], breaks: list[tuple[Grade, Grade]]
) -> None:
    found = tried(policy, population)
    assert found.breaks == tuple((DAY, *one) for one in breaks)
    assert found.verdict is Verdict.BREAKS


def test_a_grade_of_fewer_than_thirty_is_shown_and_not_judged(policy: Policy) -> None:
    assert GRADE_SUBJECTS_LEAST == 30
    found = tried(policy, [*firms(B, 30, 3), *firms(C, 30, 4), *firms(D, 29, 0)])
    assert cells(found)[D] == (29, 0)
    assert [one.is_judged for one in found.days[0].cohorts] == [False, True, True, False]
    assert found.verdict is Verdict.HOLDS
    assert tried(policy, [*firms(B, 30, 3), *firms(D, 29, 0)]).verdict is Verdict.UNJUDGED


def test_a_year_that_is_not_over_is_shown_without_failures(policy: Policy) -> None:
    population = [*firms(B, 30, 20), *firms(C, 30, 1)]
    found = tried(policy, population, as_of=date(2023, 12, 31))
    assert cells(found) == {B: (30, None), C: (30, None)}
    assert {one.permille for one in found.days[0].cohorts} == {None}
    assert found.verdict is Verdict.UNJUDGED
    assert tried(policy, population).verdict is Verdict.BREAKS


def test_a_policy_of_the_latest_score_lets_nothing_weigh_and_is_not_judged() -> None:
    fhrs = published("uk-food-hygiene-rating-1.0.0")
    scored = Fact(
        leaf_index=0,
        kind="inspection",
        code="hygiene",
        outcome="pass",
        decided_on=date(2022, 6, 1),
        measures={"score_confidence": 5, "score_hygiene": 5, "score_structural": 5},
    )
    worse = replace(
        scored, measures={"score_confidence": 0, "score_hygiene": 20, "score_structural": 5}
    )
    found = tried(fhrs, [*([scored] for _ in range(30)), *([worse] for _ in range(30))])
    assert cells(found) == {"5": (30, 0), "1": (30, 0)}
    assert found.verdict is Verdict.UNJUDGED


def test_shares_are_compared_exactly_and_not_by_what_is_shown(policy: Policy) -> None:
    plan = Plan(policy, None, (DAY,), AS_OF, ALL)

    def found(*cohorts: tuple[Grade, int, int]) -> Backtest:
        return judged(
            plan,
            Tally(
                held=Counter({(DAY, grade): subjects for grade, subjects, _ in cohorts}),
                failed=Counter({(DAY, grade): failed for grade, _, failed in cohorts}),
            ),
        )

    # 333/1000 < 1000/3003, and both are shown as 333.
    close = found((B, 1000, 333), (C, 3003, 1000))
    assert [one.permille for one in close.days[0].cohorts] == [None, 333, 333, None]
    assert close.verdict is Verdict.HOLDS
    assert found((B, 3003, 1000), (C, 1000, 333)).breaks == ((DAY, B, C),)


@pytest.mark.parametrize(
    ("before", "after", "drift"),
    [
        pytest.param((50, 50), (500, 500), 0, id="the same shares of ten times as many"),
        pytest.param((50, 50), (74, 26), 92 + 151, id="just below the alarm"),
        pytest.param((50, 50), (75, 25), 100 + 166, id="just above it"),
        pytest.param((1, 0), (0, 7), 4000, id="everybody elsewhere"),
        pytest.param((0, 4), (1, 3), 500 + 71, id="a class that was empty"),
        pytest.param((0, 0), (1, 3), None, id="nobody before"),
        pytest.param((1, 3), (0, 0), None, id="nobody after"),
    ],
)
def test_drift_is_worked_out_by_hand(
    before: tuple[int, ...], after: tuple[int, ...], drift: int | None
) -> None:
    assert drift_permille(before, after) == drift_permille(after, before) == drift


@given(counts=st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=2, max_size=6))
def test_drift_is_the_population_stability_index_less_what_its_series_leaves_out(
    counts: list[tuple[int, int]],
) -> None:
    before, after = zip(*counts, strict=True)
    shares = [(one / sum(before), other / sum(after)) for one, other in counts]
    index = sum((p - q) * math.log(p / q) for p, q in shares)
    drift = drift_permille(before, after)
    assert drift is not None
    assert drift <= 1000 * index + 1e-6
    # The series keeps the less of a logarithm, the wider a share moved; each term is rounded down.
    widest = max(max(p / q, q / p) for p, q in shares)
    kept = 2 * (widest - 1) / ((widest + 1) * math.log(widest)) if widest > 1 else 1.0
    assert drift >= 1000 * index * kept - len(counts) - 1e-6


def test_the_drift_of_a_day_is_from_the_day_before_it_and_alarms_at_250(policy: Policy) -> None:
    assert DRIFT_ALARM_PERMILLE == 250
    half = [*firms(B, 50, 0), *firms(C, 50, 0)]
    # The suspension weighs for twelve months: on 2023-06-02 its firms are in B again.
    days = (DAY, date(2023, 2, 1), date(2023, 6, 2))
    found = tried(policy, half, days=days)
    assert [cells(found, at) for at in (1, 2)] == [{B: (50, None), C: (50, None)}, {B: (100, None)}]
    assert [day.drift_permille for day in found.days] == [None, 0, 333 + 1000]
    assert [day.is_alarming for day in found.days] == [False, False, True]


@pytest.fixture
def stricter(policy_value: dict[str, Json]) -> Policy:
    """0.2.0 with C from 300."""
    grades = policy_value["grades"]
    assert isinstance(grades, list)
    thresholds: dict[str, Json] = {"A": 0, "B": 101, "C": 300, "D": 3600}
    changed: list[Json] = []
    for item in grades:
        assert isinstance(item, dict)
        assert isinstance(item["grade"], str)
        changed.append({**item, "from": thresholds[item["grade"]]})
    return Policy.parse(encode({**policy_value, "grades": changed, "version": "0.3.0"}))


def test_who_is_regraded_is_named_with_both_grades_and_the_heaviest_reasons(
    policy: Policy, stricter: Policy
) -> None:
    population = [
        [stated("warning", "2023-06-01")],
        [stated("warning", "2023-03-01"), stated("fine", "2023-02-01")],
        [stated("criminal", "2023-06-01")],
        # Known, and in effect after the day: everybody is there, as in the list of `rate`.
        [stated("fine", "2024-06-01")],
    ]
    found = tried(stricter, population, in_force=policy)
    assert found.impact is not None
    assert found.impact.moved == ((B, B, 2), (B, C, 1), (D, D, 1))
    assert found.impact.subjects == 4
    assert found.impact.regraded == (
        Regraded(label(1), B, C, (Ground(2, "P18", 300), Ground(1, "P21", 100))),
    )
    assert tried(stricter, population).impact is None


def test_a_subject_that_waits_for_its_first_score_is_a_row_of_the_matrix(policy: Policy) -> None:
    fhrs = published("uk-food-hygiene-rating-1.0.0")
    visit = Fact(
        leaf_index=0,
        kind="inspection",
        code="hygiene",
        outcome="pass",
        decided_on=date(2023, 6, 1),
        measures={"score_confidence": 5, "score_hygiene": 5, "score_structural": 5},
    )
    later = replace(visit, decided_on=date(2024, 6, 1))
    found = tried(policy, [[visit], [later]], in_force=fhrs)
    assert found.impact is not None
    assert found.impact.moved == (("5", B, 1), ("AWAITING", B, 1))
    assert found.impact.old_grades == (*"543210", "AWAITING")
    assert found.impact.new_grades == (A, B, C, D)


def test_bytes_are_canonical_and_say_all(policy: Policy, stricter: Policy) -> None:
    population = [*firms(B, 30, 3), *firms(C, 30, 3), [stated("fine", "2023-06-01")]]
    days = (DAY, date(2024, 1, 1))
    raw = tried(stricter, population, in_force=policy, days=days).canonical()
    value = decode(raw)
    assert encode(value) == raw
    assert isinstance(value, dict)
    names = {"hash": policy.hash.hex(), "name": policy.name, "version": "0.2.0"}
    assert value["in_force"] == names
    assert value["candidate"] == {**names, "hash": stricter.hash.hex(), "version": "0.3.0"}
    assert (value["as_of"], value["tree_size"]) == ("2024-01-01", ALL)
    assert value["breaks"] == [{"better": "B", "on": "2023-01-01", "worse": "C"}]
    assert value["verdict"] == "breaks"
    assert value["impact"] == {
        "matrix": [
            {"new": "B", "old": "B", "subjects": 60},
            {"new": "C", "old": "B", "subjects": 1},
        ],
        "regraded": [
            {
                "new": "C",
                "old": "B",
                "reasons": [{"leaf_index": 66, "points": 300, "rule": "P18"}],
                "subject": label(60),
            }
        ],
        "subjects": 61,
    }
    nobody = {"failed": 0, "judged": False, "permille": None, "subjects": 0}
    tenth = {"failed": 3, "judged": True, "permille": 100, "subjects": 30}
    days_value = value["days"]
    assert isinstance(days_value, list)
    assert days_value[0] == {
        "drift_alarm": False,
        "drift_permille": None,
        "grades": [
            {**nobody, "grade": "A"},
            {**tenth, "grade": "B"},
            {**tenth, "grade": "C"},
            {**nobody, "grade": "D"},
        ],
        "on": "2023-01-01",
        "over": True,
    }
    unknown = {"failed": None, "judged": False, "permille": None}
    assert days_value[1] == {
        "drift_alarm": True,
        "drift_permille": 315 + 905,
        "grades": [
            {**unknown, "grade": "A", "subjects": 0},
            {**unknown, "grade": "B", "subjects": 60},
            {**unknown, "grade": "C", "subjects": 1},
            {**unknown, "grade": "D", "subjects": 0},
        ],
        "on": "2024-01-01",
        "over": False,
    }


@pytest.mark.parametrize("subjects", [1, 7, 1_000])
def test_shards_cut_anyhow_and_merged_in_any_order_give_the_same_bytes(
    policy: Policy, stricter: Policy, subjects: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = random.Random(8)
    outcomes = ("warning", "fine", "suspension", "criminal")
    population = [
        [
            stated(
                seeded.choice(outcomes), f"20{seeded.randint(20, 23)}-0{seeded.randint(1, 9)}-15"
            )
            for _ in range(seeded.randint(1, 5))
        ]
        for _ in range(90)
    ]
    days = tuple(date(year, 1, 1) for year in range(2021, 2025))
    whole = tried(stricter, population, in_force=policy, days=days)
    assert whole.impact is not None
    assert whole.impact.regraded
    monkeypatch.setattr("credit.population.SHARD_SUBJECTS_MAX", subjects)
    tallies = [tally_shard(whole.plan, shard) for shard in shards(population)]
    seeded.shuffle(tallies)
    one, rest = tallies[0], merged(tallies[1:])
    assert judged(whole.plan, merged([rest, one])).canonical() == whole.canonical()


def test_a_fact_that_one_of_the_policies_cannot_read_refuses_and_names_firm_and_policy(
    policy: Policy, stricter: Policy
) -> None:
    population = [[stated("warning", "2022-06-01")], [stated("verbal-advice", "2022-06-01")]]
    for candidate, in_force, version in ((stricter, policy, "0.3.0"), (stricter, None, "0.3.0")):
        with pytest.raises(FactUnknown) as refused:
            tried(candidate, population, in_force=in_force)
        assert refused.value.path == (label(1), 1, "outcome")
        by = f"{label(1)} cannot be rated by xinyuan-export-credit {version}: "
        assert refused.value.message.startswith(by)


def test_on_the_real_refusals_worse_grades_of_the_core_failed_more_often_in_2023_and_2024(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    report = shared_data("cases/fda_import_refusals_2020_2025.csv.gz")
    rows = sorted(
        (one.subject.label(), *unit_of(Fact.of(leaf_index, one.weighing)))
        for leaf_index, one in enumerate(read_statements(report, None, Keystore(tmp_path)))
    )
    core = published("xinyuan-export-credit-core-1.0.0")
    days = tuple(date(year, 1, 1) for year in range(2022, 2027))
    plan = Plan(core, None, days, date(2026, 1, 1), ALL)
    found = judged(plan, merged(tally_shard(plan, shard) for shard in shards_of(rows)))
    assert [cells(found, at) for at in range(5)] == [
        {A: (535, 35), B: (1084, 136), C: (92, 43), D: (47, 18)},
        {A: (1312, 131), B: (912, 146), C: (112, 42), D: (49, 33)},
        {A: (1924, 201), B: (1021, 183), C: (132, 73), D: (70, 43)},
        {A: (2514, 234), B: (1522, 255), C: (169, 73), D: (108, 77)},
        {A: (3392, None), B: (1905, None), C: (226, None), D: (131, None)},
    ]
    assert [all(one.is_judged for one in day.cohorts) for day in found.days] == [True] * 4 + [False]
    # The 47 firms in D on the first of these days failed less often than those in C.
    assert found.breaks == ((date(2022, 1, 1), C, D),)
    assert [day.drift_permille for day in found.days] == [None, 251, 15, 3, 0]
