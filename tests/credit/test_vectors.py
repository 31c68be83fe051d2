"""`credit.rating` gives the golden vectors, byte for byte (tests/vectors/credit)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from credit.errors import CreditError
from credit.facts import Fact
from credit.policy import Policy
from credit.rating import rate
from ledger.canonical import encode

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "tests" / "vectors" / "credit").glob("*.json"))

CASES_LEAST = 300
"""So many are asked for; a file that is lost does not go unseen."""


def fact_of(members: dict[str, Any]) -> Fact:
    """A fact as a vector spells it."""
    days = ("decided_on", "effective_on", "occurred_on")
    values: dict[str, Any] = {
        name: date.fromisoformat(value) if name in days and value is not None else value
        for name, value in members.items()
    }
    return Fact(**values)


def policy_of(value: dict[str, Any]) -> Policy:
    """A policy that a vector names or holds."""
    if set(value) == {"file", "sha256"}:
        document = (ROOT / "credit" / "policies" / value["file"]).read_bytes()
        assert hashlib.sha256(document).hexdigest() == value["sha256"]
        return Policy.parse(document)
    return Policy.parse(encode(value))


def cases() -> Iterator[Any]:
    for path in FILES:
        file = json.loads(path.read_bytes())
        policy = policy_of(file["policy"])
        for case in file["cases"]:
            yield pytest.param(policy, case, id=f"{path.stem}: {case['name']}")


CASES = list(cases())


@pytest.mark.parametrize(("policy", "case"), CASES)
def test_the_engine_gives_exactly_these_bytes(policy: Policy, case: dict[str, Any]) -> None:
    facts = [fact_of(members) for members in case["facts"]]
    as_of, tree_size = date.fromisoformat(case["as_of"]), case["tree_size"]
    if case["refusal"] is not None:
        with pytest.raises(CreditError) as refused:
            rate(policy, facts, as_of=as_of, tree_size=tree_size)
        assert refused.value.code == case["refusal"]["code"]
        assert refused.value.path[0] == case["refusal"]["leaf_index"]
        return
    rating = rate(policy, facts, as_of=as_of, tree_size=tree_size).canonical()
    assert json.loads(rating) == case["rating"]
    assert hashlib.sha256(rating).hexdigest() == case["canonical_sha256"]


def test_there_are_as_many_as_there_were() -> None:
    assert len(CASES) >= CASES_LEAST
