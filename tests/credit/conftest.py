"""What the tests of `credit` share: published policies, as values and as texts to spoil."""

from pathlib import Path

import pytest

from credit.policy import Policy
from ledger.canonical import Json, decode

POLICIES = Path(__file__).resolve().parents[2] / "credit" / "policies"


@pytest.fixture(scope="session")
def policy_document() -> bytes:
    """The bytes of xinyuan-export-credit 0.2.0."""
    return (POLICIES / "xinyuan-export-credit-0.2.0.json").read_bytes()


@pytest.fixture(scope="session")
def policy(policy_document: bytes) -> Policy:
    """xinyuan-export-credit 0.2.0."""
    return Policy.parse(policy_document)


@pytest.fixture
def policy_value(policy_document: bytes) -> dict[str, Json]:
    """The same as a JSON value of the test's own, free to change."""
    value = decode(policy_document)
    assert isinstance(value, dict)
    return value


@pytest.fixture
def full_policy_value() -> dict[str, Json]:
    """xinyuan-export-credit 1.0.0, which has a rule in every section, free to change."""
    return _value("xinyuan-export-credit-1.0.0.json")


@pytest.fixture
def score_policy_value() -> dict[str, Json]:
    """inspection-score 1.0.0, in which the latest fact scores, free to change."""
    return _value("inspection-score-1.0.0.json")


def _value(name: str) -> dict[str, Json]:
    value = decode((POLICIES / name).read_bytes())
    assert isinstance(value, dict)
    return value
