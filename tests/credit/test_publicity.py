"""Publicity: State Council Office 〔2025〕22, periods of 3, 12 and 36 months from the decision."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.facts import Fact
from credit.policy import Policy
from credit.publicity import Ends, Window, stands_alone, window_alone, windows
from credit.rules import Role
from ledger.canonical import encode
from tests.credit.histories import POLICIES, START, histories, spoiled

FULL_VALUE = POLICIES["xinyuan-export-credit-1.0.0"]
FULL = Policy.parse(encode(FULL_VALUE))

ONE_DAY = timedelta(days=1)

FINE = Fact(
    leaf_index=5,
    kind="enforcement",
    code="quality",
    outcome="fine",
    severity="general",
    decided_on=date(2024, 1, 31),
    measures={"fine_fen": 500_000},
)
PASS = Fact(
    leaf_index=6,
    kind="inspection",
    code="routine",
    outcome="pass",
    decided_on=date(2024, 2, 29),
)


def on(leaf_index: int, day: str, stated: str, code: str = "other", **more: Any) -> Fact:  # noqa: ANN401
    """A fact without severity, spelled `kind/outcome`."""
    kind, _, outcome = stated.partition("/")
    decided_on = date.fromisoformat(day)
    return Fact(leaf_index, kind, code, outcome, decided_on=decided_on, **more)


def shown_days(facts: list[Fact]) -> dict[int, tuple[str, str, Ends] | Ends]:
    """First and last day in words, or what keeps a fact from being shown."""
    found: dict[int, tuple[str, str, Ends] | Ends] = {}
    for leaf_index, window in windows(FULL, facts).items():
        if window.first is None or window.last is None:
            found[leaf_index] = window.ends
        else:
            found[leaf_index] = (
                window.first.isoformat(),
                window.last.isoformat(),
                window.ends,
            )
    return found


EVER = "9999-12-31"


@pytest.mark.parametrize(
    ("fact", "last"),
    [
        pytest.param(replace(FINE, severity="minor"), date(2024, 4, 30), id="minor: 3 months"),
        pytest.param(FINE, date(2025, 1, 31), id="general: 12 months"),
        pytest.param(replace(FINE, severity="serious"), date(2027, 1, 31), id="serious: 36"),
        pytest.param(PASS, date(2026, 2, 28), id="a passed inspection: 24 months"),
        pytest.param(
            replace(FINE, effective_on=date(2024, 6, 1)),
            date(2025, 1, 31),
            id="from the decision, not from its effect",
        ),
        pytest.param(
            replace(FINE, kind="ip-case", outcome="confirmed"), date(2025, 1, 31), id="confirmed"
        ),
    ],
)
@pytest.mark.parametrize("policy_name", ["0.2.0", "1.0.0"])
def test_a_decision_is_shown_to_the_end_of_its_period(
    policy: Policy, policy_name: str, fact: Fact, last: date
) -> None:
    window = window_alone(policy if policy_name == "0.2.0" else FULL, fact)
    assert fact.decided_on is not None
    assert window == Window(fact.decided_on, last, Ends.PERIOD)
    assert not window.shows(fact.decided_on - ONE_DAY)
    assert window.shows(fact.decided_on)
    assert window.shows(last)
    assert not window.shows(last + ONE_DAY)


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param(replace(FINE, kind="fraud-case", outcome="suspected"), id="suspected fraud"),
        pytest.param(replace(FINE, kind="ip-case", outcome="dismissed"), id="a dismissed case"),
        pytest.param(replace(PASS, outcome="inconclusive"), id="an inconclusive inspection"),
        pytest.param(replace(FINE, kind="binding", outcome="bound"), id="a binding"),
        pytest.param(replace(FINE, kind="relation", outcome="begun"), id="a relation"),
        pytest.param(replace(FINE, kind="link-merge", outcome="merged"), id="a merged link"),
        pytest.param(replace(PASS, kind="objection", outcome="filed"), id="an objection"),
        pytest.param(replace(PASS, kind="appeal", outcome="upheld"), id="an appeal"),
        pytest.param(replace(PASS, kind="correction", outcome="withdrawn"), id="a correction"),
        pytest.param(
            replace(PASS, kind="external-grade", outcome="a"), id="a grade of somebody else"
        ),
    ],
)
@pytest.mark.parametrize("policy_name", ["0.2.0", "1.0.0"])
def test_what_is_not_decided_against_or_for_anyone_is_never_shown(
    policy: Policy, policy_name: str, fact: Fact
) -> None:
    window = window_alone(policy if policy_name == "0.2.0" else FULL, fact)
    assert window == Window(None, None, Ends.NEVER_SHOWN)
    assert not window.shows(date(2024, 2, 29))


@pytest.mark.parametrize(
    "stated", ["certificate/granted", "repair/granted", "rectification/ordered", "list-entry/left"]
)
def test_what_the_older_policy_does_not_weigh_it_does_not_show(policy: Policy, stated: str) -> None:
    fact = on(7, "2024-03-01", stated, refers=5)
    found = windows(policy, [FINE, fact])
    assert found == {5: window_alone(policy, FINE), 7: Window(None, None, Ends.NEVER_SHOWN)}


@pytest.mark.parametrize("kind", ["filing", "treatment"])
def test_what_anyone_may_see_and_nobody_weighs_is_shown_without_end(kind: str) -> None:
    undated = Fact(leaf_index=0, kind=kind, code="enterprise", outcome="accepted")
    assert window_alone(FULL, undated) == Window(date.min, date.max, Ends.NONE)
    dated = replace(undated, decided_on=date(2024, 1, 1))
    assert window_alone(FULL, dated) == Window(date(2024, 1, 1), date.max, Ends.NONE)


def test_a_severity_shown_for_no_months_is_not_shown_on_its_day_either(
    policy_value: dict[str, Any],
) -> None:
    policy_value["severities"]["minor"]["public_months"] = 0
    fact = replace(FINE, severity="minor")
    window = window_alone(Policy.parse(encode(policy_value)), fact)
    assert window == Window(None, None, Ends.NEVER_SHOWN)
    assert not window.shows(date(2024, 1, 31))


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param(replace(FINE, kind="recall"), id="a kind that is not listed"),
        pytest.param(replace(FINE, outcome="verbal-advice"), id="an outcome that is not"),
        pytest.param(replace(FINE, decided_on=None), id="without a decision"),
        pytest.param(replace(FINE, severity=None), id="without a severity"),
    ],
)
def test_what_the_policy_cannot_read_is_not_shown_and_hides_nothing_else(fact: Fact) -> None:
    unreadable = Window(None, None, Ends.UNREADABLE)
    assert window_alone(FULL, fact) == unreadable
    assert windows(FULL, [fact, PASS]) == {5: unreadable, 6: window_alone(FULL, PASS)}


@pytest.mark.parametrize("outcome", ["granted", "suspended", "resumed", "ended"])
def test_a_certificate_is_shown_always_whatever_became_of_it(outcome: str) -> None:
    facts = [
        on(1, "2024-01-10", f"certificate/{outcome}", "traceability"),
        on(2, "2025-01-10", "certificate/ended", "traceability"),
    ]
    assert shown_days(facts) == {
        1: ("2024-01-10", EVER, Ends.NONE),
        2: ("2025-01-10", EVER, Ends.NONE),
    }


def test_a_commitment_and_an_effect_are_shown_for_their_months() -> None:
    facts = [
        on(1, "2024-02-29", "commitment/made", "repair"),
        on(2, "2023-12-31", "effect/begun", "joint-liability"),
    ]
    assert shown_days(facts) == {
        1: ("2024-02-29", "2025-02-28", Ends.PERIOD),
        2: ("2023-12-31", "2024-12-31", Ends.PERIOD),
    }


def test_a_list_entry_is_shown_while_it_is_the_last_of_its_code() -> None:
    facts = [
        on(1, "2024-01-10", "list-entry/notified", "honour"),
        on(2, "2024-02-10", "list-entry/entered", "honour"),
        on(3, "2024-02-20", "list-entry/entered", "serious-dishonesty"),
        on(4, "2025-02-10", "list-entry/left", "honour"),
        on(5, "2025-02-10", "list-entry/entered", "honour"),
    ]
    assert shown_days(facts) == {
        # A notice waits for its defence: nobody else is told of it.
        1: Ends.NEVER_SHOWN,
        2: ("2024-02-10", "2025-02-09", Ends.REPLACED),
        3: ("2024-02-20", EVER, Ends.NONE),
        4: Ends.NEVER_SHOWN,
        5: ("2025-02-10", EVER, Ends.NONE),
    }
    assert [stands_alone(FULL, fact) for fact in facts] == [False] * 5


def test_an_entry_that_is_withdrawn_leaves_the_one_before_standing() -> None:
    facts = [
        on(1, "2024-01-10", "list-entry/entered", "honour"),
        on(2, "2024-06-10", "list-entry/left", "honour"),
        on(3, "2024-06-12", "correction/withdrawn", "slip", refers=2),
    ]
    assert shown_days(facts) == {
        1: ("2024-01-10", EVER, Ends.NONE),
        2: Ends.ANNULLED,
        3: Ends.NEVER_SHOWN,
    }


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        pytest.param("appeal/overturned", "appeal", id="overturned"),
        pytest.param("appeal/varied", "appeal", id="varied"),
        pytest.param("objection/upheld", "facts", id="an objection upheld"),
        pytest.param("correction/withdrawn", "slip", id="withdrawn"),
    ],
)
def test_what_is_annulled_is_not_shown_on_any_day(stated: str, code: str) -> None:
    annulment = on(9, "2030-01-01", stated, code, refers=5)
    found = windows(FULL, [FINE, PASS, annulment])
    assert found[5] == Window(None, None, Ends.ANNULLED)
    assert found[6] == window_alone(FULL, PASS)
    assert not found[5].shows(date(2024, 2, 1))


def test_an_annulment_that_is_withdrawn_brings_the_decision_back() -> None:
    facts = [
        FINE,
        on(9, "2024-03-01", "appeal/overturned", "appeal", refers=5),
        on(10, "2024-03-02", "correction/withdrawn", "slip", refers=9),
    ]
    found = windows(FULL, facts)
    assert found[5] == window_alone(FULL, FINE)
    assert found[9].ends is Ends.ANNULLED


@pytest.mark.parametrize(
    ("repaired_on", "expected"),
    [
        pytest.param(
            "2024-05-10",
            ("2024-01-31", "2024-05-09", Ends.REPAIRED),
            id="shown up to the day before",
        ),
        pytest.param(
            "2025-01-31", ("2024-01-31", "2025-01-30", Ends.REPAIRED), id="on the last day"
        ),
        pytest.param(
            "2025-02-01", ("2024-01-31", "2025-01-31", Ends.PERIOD), id="when its period is over"
        ),
    ],
)
def test_what_is_repaired_is_shown_up_to_the_day_before(
    repaired_on: str, expected: tuple[str, str, Ends]
) -> None:
    facts = [FINE, on(9, repaired_on, "repair/granted", "repair", refers=5)]
    assert shown_days(facts)[5] == expected


@pytest.mark.parametrize("repaired_on", ["2024-01-31", "0001-01-01"])
def test_what_is_repaired_on_its_first_day_or_before_is_never_shown(repaired_on: str) -> None:
    granted = on(9, "2024-03-01", "repair/granted", effective_on=date.fromisoformat(repaired_on))
    window = windows(FULL, [FINE, replace(granted, refers=5)])[5]
    assert window.ends is Ends.REPAIRED
    assert not any(window.shows(date(2024, 1, 30) + timedelta(days=n)) for n in range(400))


def test_an_effect_that_has_ended_is_shown_no_longer() -> None:
    facts = [
        on(1, "2024-01-10", "effect/begun", "joint-liability"),
        on(2, "2024-06-10", "effect/ended", "joint-liability", refers=1),
    ]
    assert shown_days(facts) == {
        1: ("2024-01-10", "2024-06-09", Ends.REPAIRED),
        2: Ends.NEVER_SHOWN,
    }


def test_a_procedure_is_shown_from_its_day_as_long_as_what_it_is_about() -> None:
    facts = [
        FINE,
        on(6, "2024-02-10", "rectification/ordered", "payment", refers=5),
        on(7, "2024-03-10", "rectification/late", "payment", refers=6),
        on(8, "2024-06-10", "repair/applied", refers=5),
        on(9, "2024-06-20", "repair/refused", refers=8),
        on(10, "2025-02-01", "repair/applied", refers=5),
    ]
    ends = ("2025-01-31", Ends.PERIOD)
    found = shown_days(facts)
    assert [found[at] for at in range(6, 10)] == [
        ("2024-02-10", *ends),
        ("2024-03-10", *ends),
        ("2024-06-10", *ends),
        ("2024-06-20", *ends),
    ]
    assert not windows(FULL, facts)[10].shows(date(2025, 2, 1))


def test_a_procedure_of_an_earlier_day_waits_for_what_it_is_about() -> None:
    facts = [FINE, on(6, "2024-01-10", "rectification/ordered", "payment", refers=5)]
    assert shown_days(facts)[6] == ("2024-01-31", "2025-01-31", Ends.PERIOD)


def test_a_procedure_goes_with_what_it_is_about() -> None:
    suspected = replace(FINE, leaf_index=1, kind="fraud-case", outcome="suspected")
    facts = [
        suspected,
        FINE,
        on(6, "2024-02-10", "rectification/ordered", refers=1),
        on(7, "2024-02-10", "rectification/ordered", refers=5),
        on(8, "2024-02-10", "rectification/ordered"),
        on(9, "2024-02-10", "rectification/ordered", refers=3),
        on(10, "2024-02-10", "rectification/ordered", refers=11),
        on(11, "2024-05-10", "appeal/overturned", refers=5),
    ]
    found = shown_days(facts)
    assert found == {
        1: Ends.NEVER_SHOWN,
        5: Ends.ANNULLED,
        6: Ends.NEVER_SHOWN,
        7: Ends.NEVER_SHOWN,
        8: Ends.NEVER_SHOWN,
        9: Ends.NEVER_SHOWN,
        10: Ends.NEVER_SHOWN,
        11: Ends.NEVER_SHOWN,
    }
    repaired = [FINE, facts[3], on(8, "2024-05-10", "repair/granted", refers=5)]
    assert shown_days(repaired)[7] == ("2024-02-10", "2024-05-09", Ends.REPAIRED)
    # What grants a repair is about what is shown no longer.
    assert not windows(FULL, repaired)[8].shows(date(2024, 5, 10))


@settings(max_examples=200)
@given(facts=st.one_of(histories(FULL_VALUE), spoiled(FULL_VALUE)))
def test_facts_that_stand_alone_have_the_windows_that_they_have_alone(facts: list[Fact]) -> None:
    alone = [fact for fact in facts if stands_alone(FULL, fact)]
    assert windows(FULL, alone) == {fact.leaf_index: window_alone(FULL, fact) for fact in alone}


@settings(max_examples=200)
@given(
    facts=st.one_of(histories(FULL_VALUE), spoiled(FULL_VALUE)),
    days=st.lists(st.integers(0, 3_000), min_size=1, max_size=5),
)
def test_no_day_shows_a_suspicion_or_what_is_annulled_or_a_decision_that_is_not_yet(
    facts: list[Fact], days: list[int]
) -> None:
    found = windows(FULL, facts)
    assert list(found) == [fact.leaf_index for fact in facts]
    for fact in facts:
        window = found[fact.leaf_index]
        if fact.kind in FULL.unweighed:
            continue
        for number in days:
            day = START + timedelta(days=number)
            if window.shows(day):
                assert window.ends not in (Ends.ANNULLED, Ends.UNREADABLE, Ends.NEVER_SHOWN)
                assert FULL.reading(fact).role is not Role.SILENT
