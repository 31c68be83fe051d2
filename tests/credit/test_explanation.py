"""`credit.explanation`: what would be otherwise, under xinyuan-export-credit 1.0.0 without AA."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from credit.errors import FactUnknown
from credit.explanation import COUNTERFACTUAL_ACTS_MAX, Counterfactual, to_reach, what_if
from credit.facts import Fact
from credit.policy import Policy
from credit.rating import rate
from credit.rules import Grade

POLICIES = Path(__file__).resolve().parents[2] / "credit" / "policies"
CORE = Policy.parse((POLICIES / "xinyuan-export-credit-core-1.0.0.json").read_bytes())
PLAIN = Policy.parse((POLICIES / "xinyuan-export-credit-0.2.0.json").read_bytes())

DAY = date(2025, 6, 1)


def failed(leaf_index: int, severity: str = "serious", *, on: date = date(2025, 5, 1)) -> Fact:
    return Fact(leaf_index, "inspection", "safety", "fail", severity, decided_on=on)


def test_what_is_added_counts_as_if_it_were_stated_last() -> None:
    facts = [failed(0), failed(1)]
    supposed = what_if(CORE, facts, add=[failed(0)], as_of=DAY, tree_size=2)
    assert supposed == rate(CORE, [*facts, failed(2)], as_of=DAY, tree_size=3)
    assert (supposed.points, supposed.grade) == (1800, "C")


def test_a_repair_may_be_supposed_of_what_is_known() -> None:
    granted = Fact(0, "repair", "penalty", "granted", decided_on=DAY, refers=1)
    supposed = what_if(CORE, [failed(0), failed(1)], add=[granted], as_of=DAY, tree_size=2)
    assert supposed.points == 600


def test_what_is_removed_does_not_count() -> None:
    facts = [failed(0), failed(1)]
    supposed = what_if(CORE, facts, remove={0}, as_of=DAY, tree_size=2)
    assert supposed == rate(CORE, facts[1:], as_of=DAY, tree_size=2)


def test_what_is_beyond_the_tree_size_is_not_supposed_either() -> None:
    facts = [failed(0), failed(1), failed(2)]
    supposed = what_if(CORE, facts, add=[failed(0)], as_of=DAY, tree_size=1)
    assert supposed.points == 1200


def test_a_supposition_that_the_policy_cannot_read_is_refused_with_its_place() -> None:
    odd = Fact(0, "inspection", "safety", "perhaps", decided_on=DAY)
    with pytest.raises(FactUnknown) as refused:
        what_if(CORE, [failed(0)], add=[failed(0), odd], as_of=DAY, tree_size=1)
    assert refused.value.path == (2, "outcome")


def test_a_grade_that_is_held_needs_nothing() -> None:
    assert to_reach(CORE, [failed(0)], Grade("C"), as_of=DAY, tree_size=1) == Counterfactual(
        without=(), on=DAY
    )


def test_the_heaviest_act_is_named_first_and_none_in_vain() -> None:
    facts = [failed(0, "general"), failed(1), failed(2)]
    # 300 + 600 + 600 is C; without one of the heavy ones 900 is B.
    found = to_reach(CORE, facts, Grade("B"), as_of=DAY, tree_size=3)
    assert found.without == (1,)
    # C since 1 May 2025: 12 months end on 1 May 2026, and 300 and half of 1200 weigh by then;
    # on the cycle day after it is B.
    assert found.on == date(2026, 10, 1)


def test_a_lighter_act_behind_a_heavier_one_is_not_named_where_the_heavier_is_enough() -> None:
    red = Fact(
        0,
        "enforcement",
        "smuggling",
        "fine",
        "serious",
        decided_on=date(2025, 5, 1),
        measures={"fine_fen": 100},
    )
    facts = [red, failed(1, "minor"), failed(2, "general")]
    found = to_reach(PLAIN, facts, Grade("B"), as_of=DAY, tree_size=3)
    assert found.without == ()
    crime = Fact(3, "enforcement", "smuggling", "criminal", "serious", decided_on=DAY)
    found = to_reach(PLAIN, [*facts, crime], Grade("B"), as_of=DAY, tree_size=4)
    assert found.without == (3,)


def test_a_grade_for_which_evidence_is_wanting_is_reached_by_no_omission() -> None:
    found = to_reach(PLAIN, [failed(0)], Grade("A"), as_of=DAY, tree_size=1)
    assert found == Counterfactual(without=None, on=None)


def test_a_grade_kept_by_history_is_explained_by_what_led_to_it() -> None:
    facts = [failed(leaf_index, on=date(2020, 5, 1)) for leaf_index in range(2)]
    day = date(2020, 9, 1)
    repaired = [
        Fact(2 + at, "repair", "penalty", "granted", decided_on=date(2020, 6, 1), refers=at)
        for at in range(2)
    ]
    rating = rate(CORE, [*facts, *repaired], as_of=day, tree_size=4)
    assert (rating.grade, rating.target, rating.reasons) == ("C", "A", ())
    found = to_reach(CORE, [*facts, *repaired], Grade("B"), as_of=day, tree_size=4)
    assert found.without == (0,)
    assert found.on == date(2021, 10, 1)


def test_more_acts_than_the_bound_are_not_gone_through() -> None:
    many = [
        failed(leaf_index, on=DAY - timedelta(days=1))
        for leaf_index in range(COUNTERFACTUAL_ACTS_MAX + 3)
    ]
    enough = COUNTERFACTUAL_ACTS_MAX + 1
    # Of two acts 1200 is C, of one 600 is B.
    reached = to_reach(CORE, many[:enough], Grade("B"), as_of=DAY, tree_size=len(many))
    assert reached.without is not None
    assert len(reached.without) == COUNTERFACTUAL_ACTS_MAX
    beyond = to_reach(CORE, many, Grade("B"), as_of=DAY, tree_size=len(many))
    assert beyond.without is None
