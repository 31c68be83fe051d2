"""The policy language xinyuan-policy/1: what is a policy, and how everything else is refused."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import cast

import pytest

from credit.document import DOCUMENT_BYTES_MAX, LIST_MAX
from credit.errors import CreditError, FactIncomplete, FactUnknown, PolicyError
from credit.facts import Fact
from credit.policy import EVIDENCE_MAX, MONTHS_MAX, PERMILLE_MAX, POINTS_MAX, Policy, Role
from ledger.canonical import Json, encode
from ledger.kinds import KINDS

Spoil = Callable[[dict[str, Json]], object]

FAIL = Fact(
    leaf_index=7,
    kind="inspection",
    code="safety",
    outcome="fail",
    severity="serious",
    decided_on=date(2024, 1, 10),
)


def at(value: Json, *path: str | int) -> dict[str, Json]:
    """The object at `path`, to be spoiled."""
    for step in path:
        value = cast("dict[str | int, Json]", value)[step]
    return cast("dict[str, Json]", value)


def rows(value: dict[str, Json], section: str) -> list[Json]:
    return cast("list[Json]", value[section])


def test_every_published_file_is_canonical_and_named_by_what_it_holds() -> None:
    folder = Path(__file__).resolve().parents[2] / "credit" / "policies"
    files = sorted(folder.glob("*.json"))
    assert [file.name for file in files] == ["xinyuan-export-credit-0.1.0.json"]
    explained = (folder / "README.md").read_text("utf-8")
    for file in files:
        policy = Policy.parse(file.read_bytes())
        assert file.stem == f"{policy.name}-{policy.version}"
        assert policy.hash == hashlib.sha256(file.read_bytes()).digest()
        assert policy.hash.hex() in explained


def test_the_readme_explains_every_rule_of_the_policy(policy: Policy) -> None:
    explained = (
        Path(__file__).resolve().parents[2] / "credit" / "policies" / "README.md"
    ).read_text("utf-8")
    rules = [row.rule for of_kind in policy.points.values() for row in of_kind]
    rules += [cap.rule for cap in policy.caps]
    rules += [line.rule for line in policy.red_lines]
    rules += [need.rule for need in policy.evidence]
    assert len(rules) == 26
    for rule in rules:
        assert f"| {rule} |" in explained


OF_ITS_TIME = {"binding", "enforcement", "filing", "fraud-case", "inspection", "ip-case"}
"""The kinds there were when this version was adopted."""


def test_the_policy_reads_every_value_that_the_ledger_admits(policy: Policy) -> None:
    severities = ("minor", "general", "serious")
    admitted = 0
    later = set(KINDS) - OF_ITS_TIME
    assert later
    for name in later:
        # What the ledger learned since is refused with its index, never skipped.
        with pytest.raises(FactUnknown):
            policy.role(Fact(leaf_index=0, kind=name, decided_on=date(2024, 1, 1)))
    for kind in (KINDS[name] for name in OF_ITS_TIME):
        for code in kind.codes:
            for outcome in kind.outcomes:
                for severity in severities if outcome in kind.graded_outcomes else (None,):
                    fact = Fact(
                        leaf_index=0,
                        kind=kind.name,
                        code=code,
                        outcome=outcome,
                        severity=severity,
                        decided_on=date(2024, 1, 1),
                    )
                    if policy.role(fact) is Role.WEIGHS:
                        assert policy.row(fact).points > 0
                    admitted += 1
    assert admitted > 300


@pytest.mark.parametrize(
    ("spoil", "code", "path"),
    [
        pytest.param(
            lambda v: v.pop("caps"), "CREDIT_POLICY_MEMBER", ("caps",), id="a section missing"
        ),
        pytest.param(
            lambda v: v.update(engine="python"),
            "CREDIT_POLICY_MEMBER",
            ("engine",),
            id="a section that the language has not",
        ),
        pytest.param(
            lambda v: v.update(language="xinyuan-policy/2"),
            "CREDIT_POLICY_VALUE",
            ("language",),
            id="another language",
        ),
        pytest.param(
            lambda v: v.update(version="0.1"), "CREDIT_POLICY_VALUE", ("version",), id="two numbers"
        ),
        pytest.param(
            lambda v: v.update(version="0.01.0"),
            "CREDIT_POLICY_VALUE",
            ("version",),
            id="a version with a leading zero",
        ),
        pytest.param(
            lambda v: v.update(name="出口信用"), "CREDIT_POLICY_VALUE", ("name",), id="not a name"
        ),
        pytest.param(
            lambda v: v.update(effective_from="2025-02-29"),
            "CREDIT_POLICY_VALUE",
            ("effective_from",),
            id="a day that does not exist",
        ),
        pytest.param(
            lambda v: v.update(effective_from="20250201"),
            "CREDIT_POLICY_VALUE",
            ("effective_from",),
            id="a day spelled otherwise",
        ),
        pytest.param(
            lambda v: v.update(favourable_months=True),
            "CREDIT_POLICY_VALUE",
            ("favourable_months",),
            id="a boolean for a number",
        ),
        pytest.param(
            lambda v: v.update(favourable_months=MONTHS_MAX + 1),
            "CREDIT_POLICY_VALUE",
            ("favourable_months",),
            id="more months than a period may have",
        ),
        pytest.param(
            lambda v: v.update(severities={}),
            "CREDIT_POLICY_VALUE",
            ("severities",),
            id="no severity at all",
        ),
        pytest.param(
            lambda v: at(v, "severities", "minor").update(public_months=-1),
            "CREDIT_POLICY_VALUE",
            ("severities", "minor", "public_months"),
            id="a negative period",
        ),
        pytest.param(
            lambda v: at(v, "severities", "minor").pop("weighs_months"),
            "CREDIT_POLICY_MEMBER",
            ("severities", "minor", "weighs_months"),
            id="a severity without its weight's end",
        ),
        pytest.param(
            lambda v: at(v, "severities", "serious").update(
                decay=[[12, 1000], [12, 500], [36, 250]]
            ),
            "CREDIT_POLICY_ORDER",
            ("severities", "serious", "decay", 1, 0),
            id="months of decay that stand still",
        ),
        pytest.param(
            lambda v: at(v, "severities", "serious").update(
                decay=[[24, 500], [12, 250], [36, 100]]
            ),
            "CREDIT_POLICY_ORDER",
            ("severities", "serious", "decay", 1, 0),
            id="months of decay out of order",
        ),
        pytest.param(
            lambda v: at(v, "severities", "serious").update(decay=[[12, 500], [36, 501]]),
            "CREDIT_POLICY_ORDER",
            ("severities", "serious", "decay", 1, 1),
            id="a weight that grows with time",
        ),
        pytest.param(
            lambda v: at(v, "severities", "serious").update(decay=[[12, 1000], [24, 500]]),
            "CREDIT_POLICY_GAP",
            ("severities", "serious", "decay"),
            id="a decay that ends before the weight",
        ),
        pytest.param(
            lambda v: at(v, "severities", "minor").update(decay=[[3, PERMILLE_MAX + 1]]),
            "CREDIT_POLICY_VALUE",
            ("severities", "minor", "decay", 0, 1),
            id="more than the whole weight",
        ),
        pytest.param(
            lambda v: at(v, "severities", "minor").update(decay=[[3, 1000, 1]]),
            "CREDIT_POLICY_VALUE",
            ("severities", "minor", "decay", 0),
            id="a step of three numbers",
        ),
        pytest.param(
            lambda v: at(v, "severities", "minor").update(decay=[]),
            "CREDIT_POLICY_VALUE",
            ("severities", "minor", "decay"),
            id="no step at all",
        ),
        pytest.param(
            lambda v: at(v, "kinds", "ip-case").update(confirmed="counts"),
            "CREDIT_POLICY_VALUE",
            ("kinds", "ip-case", "confirmed"),
            id="an outcome with an unknown role",
        ),
        pytest.param(
            lambda v: at(v, "kinds").update({"ip-case": {}}),
            "CREDIT_POLICY_VALUE",
            ("kinds", "ip-case"),
            id="a kind without outcomes",
        ),
        pytest.param(
            lambda v: at(v, "kinds").update({"ip case": {"confirmed": "weighs"}}),
            "CREDIT_POLICY_VALUE",
            ("kinds", "ip case"),
            id="a kind whose name is no name",
        ),
        pytest.param(
            lambda v: at(v, "unweighed").update(inspection=True),
            "CREDIT_POLICY_DUPLICATE",
            ("unweighed", "inspection"),
            id="a kind that counts and does not",
        ),
        pytest.param(
            lambda v: at(v, "unweighed").update(filing="yes"),
            "CREDIT_POLICY_VALUE",
            ("unweighed", "filing"),
            id="a string for a boolean",
        ),
        pytest.param(
            lambda v: at(v, "points", 0).update(kind="foreign-notice"),
            "CREDIT_POLICY_REFERENCE",
            ("points", 0, "kind"),
            id="points for a kind that is not listed",
        ),
        pytest.param(
            lambda v: at(v, "points", 14).update(outcome=["criminal", "life"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 14, "outcome"),
            id="points for an outcome that is not listed",
        ),
        pytest.param(
            lambda v: at(v, "points", 0).update(outcome=["suspected"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 0, "outcome"),
            id="points for a suspicion",
        ),
        pytest.param(
            lambda v: at(v, "points", 2).update(severity=["grave"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 2, "severity"),
            id="points for a severity that is not listed",
        ),
        pytest.param(
            lambda v: at(v, "points", 14).update(outcome=["licence-revoked", "criminal"]),
            "CREDIT_POLICY_ORDER",
            ("points", 14, "outcome", 1),
            id="outcomes out of order",
        ),
        pytest.param(
            lambda v: at(v, "points", 14).update(outcome=["criminal", "criminal"]),
            "CREDIT_POLICY_ORDER",
            ("points", 14, "outcome", 1),
            id="an outcome twice",
        ),
        pytest.param(
            lambda v: at(v, "points", 14).update(outcome=[]),
            "CREDIT_POLICY_VALUE",
            ("points", 14, "outcome"),
            id="a condition that nothing meets",
        ),
        pytest.param(
            lambda v: at(v, "points", 3).update(points="400"),
            "CREDIT_POLICY_VALUE",
            ("points", 3, "points"),
            id="a string for a number",
        ),
        pytest.param(
            lambda v: at(v, "points", 3).update(points=POINTS_MAX + 1),
            "CREDIT_POLICY_VALUE",
            ("points", 3, "points"),
            id="points beyond the bound",
        ),
        pytest.param(
            lambda v: at(v, "points", 3).update(points=-1),
            "CREDIT_POLICY_VALUE",
            ("points", 3, "points"),
            id="points below zero",
        ),
        pytest.param(
            lambda v: at(v, "points", 3).update(id="P01"),
            "CREDIT_POLICY_DUPLICATE",
            ("points", 3, "id"),
            id="two rows of one name",
        ),
        pytest.param(
            lambda v: at(v, "red_lines", 1).update(id="C01"),
            "CREDIT_POLICY_DUPLICATE",
            ("red_lines", 1, "id"),
            id="one name in two sections",
        ),
        pytest.param(
            lambda v: rows(v, "points").pop(4),
            "CREDIT_POLICY_GAP",
            ("points",),
            id="a kind without a last row",
        ),
        pytest.param(
            lambda v: rows(v, "points").insert(0, rows(v, "points").pop(4)),
            "CREDIT_POLICY_UNREACHABLE",
            ("points", 1),
            id="a last row that stands first",
        ),
        pytest.param(
            lambda v: at(v, "points", 2).update(severity=["general", "serious"]),
            "CREDIT_POLICY_UNREACHABLE",
            ("points", 3),
            id="a row behind a wider one",
        ),
        pytest.param(
            lambda v: v.update(points=[]), "CREDIT_POLICY_VALUE", ("points",), id="no points"
        ),
        pytest.param(
            lambda v: v.update(points={}), "CREDIT_POLICY_VALUE", ("points",), id="no list"
        ),
        pytest.param(
            lambda v: v.update(caps=[None]),
            "CREDIT_POLICY_VALUE",
            ("caps", 0),
            id="null for an object",
        ),
        pytest.param(
            lambda v: at(v, "caps", 0).update(months=0),
            "CREDIT_POLICY_VALUE",
            ("caps", 0, "months"),
            id="a cap over no months",
        ),
        pytest.param(
            lambda v: at(v, "caps", 0, "when").update(place="port"),
            "CREDIT_POLICY_MEMBER",
            ("caps", 0, "when", "place"),
            id="a condition that the language has not",
        ),
        pytest.param(
            lambda v: at(v, "caps", 0, "when").pop("kind"),
            "CREDIT_POLICY_MEMBER",
            ("caps", 0, "when", "kind"),
            id="a condition on no kind",
        ),
        pytest.param(
            lambda v: at(v, "grades", 0).update({"from": 1}),
            "CREDIT_POLICY_GAP",
            ("grades", 0, "from"),
            id="no grade for a clean sheet",
        ),
        pytest.param(
            lambda v: at(v, "grades", 2).update({"from": 301}),
            "CREDIT_POLICY_ORDER",
            ("grades", 2, "from"),
            id="two grades from one sum",
        ),
        pytest.param(
            lambda v: rows(v, "grades").reverse(),
            "CREDIT_POLICY_GAP",
            ("grades", 0, "from"),
            id="the worst grade first",
        ),
        pytest.param(
            lambda v: at(v, "grades", 3).update(grade="B"),
            "CREDIT_POLICY_DUPLICATE",
            ("grades", 3, "grade"),
            id="a grade with two thresholds",
        ),
        pytest.param(
            lambda v: at(v, "grades", 3).update(grade="d"),
            "CREDIT_POLICY_VALUE",
            ("grades", 3, "grade"),
            id="a grade in small letters",
        ),
        pytest.param(
            lambda v: v.update(grades=[]), "CREDIT_POLICY_VALUE", ("grades",), id="no grades"
        ),
        pytest.param(
            lambda v: at(v, "red_lines", 0).update(grade="E"),
            "CREDIT_POLICY_REFERENCE",
            ("red_lines", 0, "grade"),
            id="a red line to a grade that is not there",
        ),
        pytest.param(
            lambda v: at(v, "red_lines", 1, "when").update(outcome=["suspected"]),
            "CREDIT_POLICY_REFERENCE",
            ("red_lines", 1, "when", "outcome"),
            id="a red line for a suspicion",
        ),
        pytest.param(
            lambda v: at(v, "red_lines", 0).pop("months"),
            "CREDIT_POLICY_MEMBER",
            ("red_lines", 0, "months"),
            id="a red line for ever",
        ),
        pytest.param(
            lambda v: at(v, "evidence", 0).update(otherwise="A"),
            "CREDIT_POLICY_ORDER",
            ("evidence", 0, "otherwise"),
            id="want of evidence that costs nothing",
        ),
        pytest.param(
            lambda v: at(v, "evidence", 0, "when").update(outcome=["fail"]),
            "CREDIT_POLICY_REFERENCE",
            ("evidence", 0, "when", "outcome"),
            id="failures as evidence",
        ),
        pytest.param(
            lambda v: at(v, "evidence", 0, "when").update(kind="enforcement", outcome=["fine"]),
            "CREDIT_POLICY_REFERENCE",
            ("evidence", 0, "when", "kind"),
            id="evidence of a kind that holds none",
        ),
        pytest.param(
            lambda v: at(v, "evidence", 0).update(at_least=0),
            "CREDIT_POLICY_VALUE",
            ("evidence", 0, "at_least"),
            id="no evidence as evidence",
        ),
        pytest.param(
            lambda v: at(v, "evidence", 0).update(at_least=EVIDENCE_MAX + 1),
            "CREDIT_POLICY_VALUE",
            ("evidence", 0, "at_least"),
            id="more evidence than anybody has",
        ),
        pytest.param(
            lambda v: at(v, "start").update(grade="S"),
            "CREDIT_POLICY_REFERENCE",
            ("start", "grade"),
            id="a start with a grade that is not there",
        ),
        pytest.param(
            lambda v: at(v, "start").update(flag=""),
            "CREDIT_POLICY_VALUE",
            ("start", "flag"),
            id="an empty flag",
        ),
    ],
)
def test_a_malformed_policy_is_refused_with_the_path_of_the_rule(
    policy_value: dict[str, Json], spoil: Spoil, code: str, path: tuple[str | int, ...]
) -> None:
    spoil(policy_value)
    with pytest.raises(PolicyError) as refusal:
        Policy.parse(encode(policy_value))
    assert (refusal.value.code, refusal.value.path) == (code, path)
    assert refusal.value.message


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        pytest.param(lambda raw: b"", (), id="nothing"),
        pytest.param(lambda raw: raw + b"\n", (), id="a newline at the end"),
        pytest.param(lambda raw: raw.replace(b":", b": ", 1), (), id="a space"),
        pytest.param(lambda raw: raw[:-1], (), id="cut short"),
        pytest.param(lambda raw: b"\xff" + raw, (), id="not UTF-8"),
        pytest.param(
            lambda raw: raw.replace(b'"from":301', b'"from":301.5'),
            ("grades", 1, "from"),
            id="a fraction",
        ),
        pytest.param(
            lambda raw: raw.replace(b'{"caps"', b'{"caps":[],"caps"'), (), id="a member twice"
        ),
    ],
)
def test_what_is_not_canonical_json_is_no_policy(
    policy_document: bytes, spoil: Callable[[bytes], bytes], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(CreditError) as refusal:
        Policy.parse(spoil(policy_document))
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_POLICY_MALFORMED", path)


def test_the_longest_and_largest_that_the_language_allows_is_read(
    policy_value: dict[str, Json],
) -> None:
    (cap, *_) = rows(policy_value, "caps")
    assert isinstance(cap, dict)
    policy_value["caps"] = [{**cap, "id": f"X{number}"} for number in range(LIST_MAX)]
    policy_value["favourable_months"] = MONTHS_MAX
    at(policy_value, "evidence", 0)["at_least"] = EVIDENCE_MAX
    at(policy_value, "points", 0)["points"] = POINTS_MAX
    policy = Policy.parse(encode(policy_value))
    assert (len(policy.caps), policy.favourable_months) == (LIST_MAX, MONTHS_MAX)
    assert policy.evidence[0].at_least == EVIDENCE_MAX


def test_a_policy_that_fits_into_no_leaf_is_refused(policy_value: dict[str, Json]) -> None:
    (cap, *_) = rows(policy_value, "caps")
    assert isinstance(cap, dict)
    caps: list[Json] = []
    policy_value["caps"] = caps
    while len(encode(policy_value)) <= DOCUMENT_BYTES_MAX:
        Policy.parse(encode(policy_value))
        begin = len(caps)
        caps.extend({**cap, "id": f"{'X' * 50}{begin + more}"} for more in range(10))
    with pytest.raises(CreditError) as refusal:
        Policy.parse(encode(policy_value))
    assert refusal.value.code == "CREDIT_POLICY_MALFORMED"
    assert len(caps) < LIST_MAX


@pytest.mark.parametrize("value", [[], "policy", 7, None, True])
def test_a_policy_is_an_object(value: Json) -> None:
    with pytest.raises(CreditError) as refusal:
        Policy.parse(encode(value))
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_POLICY_VALUE", ())


def test_a_list_longer_than_the_language_allows_is_refused(policy_value: dict[str, Json]) -> None:
    policy_value["caps"] = [0] * (LIST_MAX + 1)
    with pytest.raises(CreditError) as refusal:
        Policy.parse(encode(policy_value))
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_POLICY_VALUE", ("caps",))


@pytest.mark.parametrize(
    ("fact", "member"),
    [
        pytest.param(replace(FAIL, kind="foreign-notice"), "kind", id="a kind of a later step"),
        pytest.param(replace(FAIL, outcome="passed"), "outcome", id="an outcome misspelled"),
        pytest.param(replace(FAIL, outcome="fine"), "outcome", id="an outcome of another kind"),
        pytest.param(replace(FAIL, severity="grave"), "severity", id="a severity of no law"),
    ],
)
def test_what_the_policy_does_not_list_is_refused_with_its_index(
    policy: Policy, fact: Fact, member: str
) -> None:
    with pytest.raises(FactUnknown) as refusal:
        policy.role(fact)
    assert refusal.value.code == "CREDIT_FACT_UNKNOWN"
    assert refusal.value.path == (7, member)


@pytest.mark.parametrize(
    ("fact", "member"),
    [
        pytest.param(replace(FAIL, outcome=None), "outcome", id="no outcome"),
        pytest.param(replace(FAIL, severity=None), "severity", id="no severity"),
        pytest.param(replace(FAIL, decided_on=None), "decided_on", id="no day of decision"),
        pytest.param(
            replace(FAIL, decided_on=None, effective_on=date(2024, 1, 10)),
            "decided_on",
            id="a day of effect does not stand for the decision",
        ),
        pytest.param(replace(FAIL, code=None), "code", id="no code where some rule reads it"),
        pytest.param(
            replace(FAIL, outcome="pass", decided_on=None), "decided_on", id="a pass without a day"
        ),
    ],
)
def test_a_missing_value_is_never_guessed(policy: Policy, fact: Fact, member: str) -> None:
    with pytest.raises(FactIncomplete) as refusal:
        policy.role(fact)
    assert refusal.value.code == "CREDIT_INCOMPLETE"
    assert refusal.value.path == (7, member)


def test_a_value_that_no_rule_reads_may_be_missing(policy: Policy) -> None:
    assert policy.role(replace(FAIL, outcome="pass", severity=None)) is Role.FAVOURABLE
    assert policy.role(replace(FAIL, outcome="inconclusive", decided_on=None)) is Role.SILENT
    assert policy.role(Fact(leaf_index=0, kind="filing")) is None


def test_the_first_row_that_matches_decides(policy: Policy) -> None:
    assert policy.row(FAIL).rule == "P10"
    assert policy.row(replace(FAIL, code="hygiene")).rule == "P11"
    assert policy.row(replace(FAIL, code="hygiene", severity="general")).rule == "P12"
    assert policy.row(replace(FAIL, code="quality", severity="general")).rule == "P13"
    assert policy.row(replace(FAIL, severity="minor")).rule == "P14"


def test_what_was_read_of_a_fact_is_the_policys_own_and_stays_bounded(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit.policy._READINGS_KEPT", 2)
    policy, other = replace(policy), replace(policy, red_lines=())
    facts = [
        Fact(0, "enforcement", code, outcome, "serious", decided_on=date(2024, 1, 10))
        for code in ("label", "safety")
        for outcome in ("fine", "criminal", "confiscation")
    ]
    for _ in range(2):
        for fact in facts:
            crossed = [line.rule for line in policy.reading(fact).red_lines]
            assert crossed == ["R01"] * (fact.outcome == "criminal")
            assert policy.reading(fact).row == policy.row(fact)
            assert other.reading(fact).red_lines == ()
    assert len(policy._readings) <= 2
    assert other == replace(policy, red_lines=())
