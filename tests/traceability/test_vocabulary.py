"""CBV 2.0 §7, as the EPCIS 2.0.1 JSON Schema lists its words."""

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from traceability import vocabulary
from traceability.vocabulary import is_word


def test_the_word_lists_are_those_of_the_standard(shared_data: Callable[[str], Path]) -> None:
    words: dict[str, set[str]] = defaultdict(set)
    with shared_data("epcis/identifiers/cbv-vocabulary.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            words[row["list"]].add(row["bare_string"])
    assert words["bizStep"] == vocabulary.BIZ_STEPS
    assert words["disposition"] == vocabulary.DISPOSITIONS
    assert words["bizTransaction-type"] == vocabulary.TRANSACTION_TYPES
    assert words["source-dest-type"] == vocabulary.PARTY_ROLES
    assert words["error-reason"] == vocabulary.ERROR_REASONS


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("shipping", True),
        ("https://example.com/steps/milking", True),
        ("example:milking", True),
        ("shiping", False),
        ("in_transit", False),
        ("urn:epcglobal:cbv:bizstep:shipping", False),
        ("https://ref.gs1.org/cbv/BizStep-shipping", False),
        ("https://ns.gs1.org/cbv/BizStep-shipping", False),
        ("", False),
    ],
)
def test_a_word_is_bare_or_a_uri_of_the_senders_own(value: str, verdict: bool) -> None:
    assert is_word(value, vocabulary.BIZ_STEPS) is verdict
