"""What the tests of `credit` share: the published policy, as a value and as a text to spoil."""

from pathlib import Path

import pytest

from credit.policy import Policy
from ledger.canonical import Json, decode

POLICIES = Path(__file__).resolve().parents[2] / "credit" / "policies"


@pytest.fixture(scope="session")
def policy_document() -> bytes:
    """The bytes of xinyuan-export-credit 0.1.0."""
    return (POLICIES / "xinyuan-export-credit-0.1.0.json").read_bytes()


@pytest.fixture(scope="session")
def policy(policy_document: bytes) -> Policy:
    """xinyuan-export-credit 0.1.0."""
    return Policy.parse(policy_document)


@pytest.fixture
def policy_value(policy_document: bytes) -> dict[str, Json]:
    """The same as a JSON value of the test's own, free to change."""
    value = decode(policy_document)
    assert isinstance(value, dict)
    return value
