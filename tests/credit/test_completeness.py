"""A policy that is adopted speaks of all that its ledger admits, and of nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from credit.completeness import adoptable, check_complete
from credit.errors import PolicyError, PolicyGap, PolicyReference
from credit.policy import Policy
from ledger.canonical import Json, encode
from ledger.kinds import KINDS

POLICIES = Path(__file__).resolve().parents[2] / "credit" / "policies"


@pytest.mark.parametrize("file", sorted(POLICIES.glob("*.json")), ids=lambda file: file.stem)
def test_every_published_policy_can_be_adopted(file: Path) -> None:
    document = file.read_bytes()
    assert adoptable(document) == Policy.parse(document)


@pytest.mark.parametrize(
    ("spoil", "code", "path"),
    [
        pytest.param(
            lambda v: v["unweighed"].pop("treatment"),
            "CREDIT_POLICY_GAP",
            ("kinds", "treatment"),
            id="a kind of the ledger is left out",
        ),
        pytest.param(
            lambda v: v["kinds"]["enforcement"].pop("warning"),
            "CREDIT_POLICY_GAP",
            ("kinds", "enforcement", "warning"),
            id="an outcome of the ledger is left out",
        ),
        pytest.param(
            lambda v: v["unweighed"].update(recall=False),
            "CREDIT_POLICY_REFERENCE",
            ("unweighed", "recall"),
            id="a kind that does not count is unknown",
        ),
        pytest.param(
            lambda v: v["kinds"].update(recall={"begun": "favourable"}),
            "CREDIT_POLICY_REFERENCE",
            ("kinds", "recall"),
            id="a kind that counts is unknown",
        ),
        pytest.param(
            lambda v: v["kinds"]["inspection"].update(passed="favourable"),
            "CREDIT_POLICY_REFERENCE",
            ("kinds", "inspection", "passed"),
            id="an outcome is unknown",
        ),
        pytest.param(
            lambda v: v["severities"].update(grave=v["severities"]["serious"]),
            "CREDIT_POLICY_REFERENCE",
            ("severities", "grave"),
            id="a severity is unknown",
        ),
        pytest.param(
            lambda v: v["points"][9]["when"][0].update(code=["safty"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 9, "when", 0, "code"),
            id="a code of a row is misspelled",
        ),
        pytest.param(
            lambda v: v["points"][9]["when"][0].update(code=["recall", "safety"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 9, "when", 0, "code"),
            id="one code of several is of another kind",
        ),
        pytest.param(
            lambda v: v["points"][9]["when"][0].update(basis=["hearsay"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 9, "when", 0, "basis"),
            id="a basis is unknown",
        ),
        pytest.param(
            lambda v: v["effects"][1].update(code="heritage"),
            "CREDIT_POLICY_REFERENCE",
            ("effects", 1, "code"),
            id="the code of an effect is unknown",
        ),
        pytest.param(
            lambda v: v["effects"][0].update(relation=["controls", "owns"]),
            "CREDIT_POLICY_REFERENCE",
            ("effects", 0, "relation"),
            id="a relation is unknown",
        ),
    ],
)
def test_a_policy_that_does_not_fit_the_ledger_is_a_policy_and_not_adopted(
    full_policy_value: dict[str, Json],
    spoil: Callable[[dict[str, Any]], object],
    code: str,
    path: tuple[str | int, ...],
) -> None:
    spoil(full_policy_value)
    document = encode(full_policy_value)
    Policy.parse(document)
    with pytest.raises(PolicyError) as refused:
        adoptable(document)
    assert (refused.value.code, refused.value.path) == (code, path)
    assert refused.value.message


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(("caps", 0, "when", 1), id="a cap"),
        pytest.param(("marks", 2, "opened_by", 0), id="what opens a mark"),
        pytest.param(("marks", 2, "closed_by", 1), id="what closes it"),
        pytest.param(("merits", "items", 0, "when", 0), id="what earns a merit"),
        pytest.param(("merits", "items", 0, "broken_by", 0), id="what breaks a run"),
        pytest.param(("merits", "items", 3, "standing", 0), id="what stands for a merit"),
        pytest.param(("procedures", "annulled_by", 2), id="what annuls"),
        pytest.param(("procedures", "direct", 0), id="what is direct"),
        pytest.param(("procedures", "repaired_by", 1), id="what repairs"),
        pytest.param(("procedures", "through", 3), id="what passes on"),
        pytest.param(("red_lines", 7, "when", 0), id="a red line"),
        pytest.param(("reliefs", 0, "when", 3), id="a relief"),
        pytest.param(("reliefs", 2, "if", 0), id="what a relief needs"),
        pytest.param(("repair", "barred_by", 1, "when", 2), id="what bars a repair"),
        pytest.param(("repair", "needs_commitment", 0), id="a promise before a repair"),
        pytest.param(("requirements", 0, "needs", 2, "none", 6), id="what a grade forbids"),
        pytest.param(("requirements", 0, "needs", 3, "ratio", 0), id="a ratio"),
        pytest.param(("requirements", 0, "needs", 5, "standing", 0), id="what must stand"),
        pytest.param(("requirements", 1, "needs", 0, "acts", 0), id="acts that are asked for"),
        pytest.param(("start", "instead", 0, "when", 0), id="another start"),
        pytest.param(("unfulfilled", "ordered_by", 0), id="what orders a duty"),
        pytest.param(("unfulfilled", "fulfilled_by", 0), id="what fulfils it"),
    ],
)
def test_a_code_is_the_ledgers_in_whichever_rule(
    full_policy_value: dict[str, Json], path: tuple[str | int, ...]
) -> None:
    condition: Any = full_policy_value
    for step in path:
        condition = condition[step]
    cast("dict[str, Json]", condition)["code"] = ["misspelled"]
    with pytest.raises(PolicyReference) as refused:
        adoptable(encode(full_policy_value))
    assert refused.value.path == (*path, "code")


def test_the_code_of_a_score_is_the_ledgers_and_a_measure_may_be_called_kind(
    score_policy_value: dict[str, Json],
) -> None:
    score: Any = score_policy_value["score"]
    score["measures"]["kind"] = 1
    adoptable(encode(score_policy_value))
    score["when"][0]["code"] = ["misspelled"]
    with pytest.raises(PolicyReference) as refused:
        adoptable(encode(score_policy_value))
    assert refused.value.path == ("score", "when", 0, "code")


def test_a_severity_that_is_left_out_would_refuse_ratings(
    score_policy_value: dict[str, Json],
) -> None:
    severities: Any = score_policy_value["severities"]
    del severities["minor"]
    with pytest.raises(PolicyGap) as refused:
        adoptable(encode(score_policy_value))
    assert refused.value.path == ("severities", "minor")


def test_what_the_ledger_learns_later_is_asked_of_policies_adopted_then(policy: Policy) -> None:
    check_complete(policy, KINDS)
    later = {**KINDS, "recall": replace(KINDS["inspection"], name="recall")}
    with pytest.raises(PolicyGap) as refused:
        check_complete(policy, later)
    assert refused.value.path == ("kinds", "recall")
    more = replace(KINDS["inspection"], outcomes=(*KINDS["inspection"].outcomes, "waived"))
    with pytest.raises(PolicyGap) as refused:
        check_complete(policy, {**KINDS, "inspection": more})
    assert refused.value.path == ("kinds", "inspection", "waived")


def test_what_is_no_policy_is_refused_as_the_parser_does() -> None:
    with pytest.raises(PolicyError) as refused:
        adoptable(b"{}")
    assert (refused.value.code, refused.value.path) == ("CREDIT_POLICY_MEMBER", ("caps",))
