"""Publicity: State Council Office 〔2025〕22, periods of 3, 12 and 36 months from the decision."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from credit.errors import FactIncomplete, FactUnknown
from credit.facts import Fact
from credit.policy import Policy
from credit.publicity import public_from, public_until, shown
from ledger.canonical import Json, encode

FINE = Fact(
    leaf_index=5,
    kind="enforcement",
    code="quality",
    outcome="fine",
    severity="general",
    decided_on=date(2024, 1, 31),
)
PASS = Fact(
    leaf_index=6,
    kind="inspection",
    code="routine",
    outcome="pass",
    decided_on=date(2024, 2, 29),
)


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
def test_a_decision_is_shown_to_the_end_of_its_period(
    policy: Policy, fact: Fact, last: date
) -> None:
    assert fact.decided_on is not None
    assert public_from(policy, fact) == fact.decided_on
    assert public_until(policy, fact) == last
    one_day = timedelta(days=1)
    assert not shown(policy, fact, fact.decided_on - one_day)
    assert shown(policy, fact, fact.decided_on)
    assert shown(policy, fact, last)
    assert not shown(policy, fact, last + one_day)


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param(replace(FINE, kind="fraud-case", outcome="suspected"), id="suspected fraud"),
        pytest.param(replace(FINE, kind="ip-case", outcome="dismissed"), id="a dismissed case"),
        pytest.param(replace(PASS, outcome="inconclusive"), id="an inconclusive inspection"),
        pytest.param(replace(FINE, kind="binding", outcome="bound"), id="a binding"),
    ],
)
def test_what_is_not_decided_against_or_for_anyone_is_never_shown(
    policy: Policy, fact: Fact
) -> None:
    assert (public_from(policy, fact), public_until(policy, fact)) == (None, None)
    assert not shown(policy, fact, date(2024, 2, 1))


def test_a_filing_is_shown_without_end(policy: Policy) -> None:
    filing = Fact(leaf_index=0, kind="filing", code="enterprise", outcome="accepted")
    assert public_until(policy, filing) == date.max
    assert shown(policy, filing, date(1999, 1, 1))


def test_a_severity_shown_for_no_months_is_not_shown_on_its_day_either(
    policy_value: dict[str, Json],
) -> None:
    severities = policy_value["severities"]
    assert isinstance(severities, dict)
    minor = severities["minor"]
    assert isinstance(minor, dict)
    minor["public_months"] = 0
    policy = Policy.parse(encode(policy_value))
    fact = replace(FINE, severity="minor")
    assert not shown(policy, fact, date(2024, 1, 31))
    assert public_until(policy, fact) is None


def test_what_the_policy_cannot_read_is_refused_and_not_called_withheld(policy: Policy) -> None:
    with pytest.raises(FactUnknown):
        public_until(policy, replace(FINE, kind="recall"))
    with pytest.raises(FactIncomplete):
        public_until(policy, replace(FINE, decided_on=None))
