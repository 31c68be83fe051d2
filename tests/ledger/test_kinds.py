"""ARCHITECTURE §3: each kind as its table in the reference has it, for the door and as JSON Schema.

Whatever hypothesis makes of a kind, its published JSON Schema and `Kind.check` say the same.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.admission import check_form
from ledger.canonical import Json
from ledger.disclosure import WEIGHING
from ledger.errors import (
    CodeUnknown,
    IdentifierInvalid,
    LabelInvalid,
    LedgerError,
    OutcomeUnknown,
    StatementInvalid,
)
from ledger.identity import SubjectLabel
from ledger.kinds import KINDS
from ledger.kinds.referring import DECISIONS, OBJECTABLE, Refers, Whose
from ledger.kinds.shape import LIST_MAX, NAME_MAX, TEXT_MAX, Kind
from ledger.salts import fresh_salts
from ledger.statement import Draft, Severity, Statement, Weighing, issue
from tests.world import DAIRY, MARKET, PERSON, TRADER, key_of

SOMETHING = "A" * 43
LABEL = SubjectLabel("A" * 42 + "E")
ORGANISATION: dict[str, Json] = {"id": TRADER.identifier, "scheme": "uscc"}
BUSINESS: dict[str, Json] = {"id": LABEL, "scheme": "label"}
SUBJECT: dict[str, Json] = {"id": DAIRY.identifier, "scheme": "uscc"}


def validator_of(kind: Kind) -> jsonschema.Draft202012Validator:
    """With formats, as a day that the calendar lacks is refused by both."""
    schema = kind.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


VALIDATORS = {name: validator_of(kind) for name, kind in KINDS.items()}


def filled(name: str, code: str, outcome: str) -> tuple[Weighing, dict[str, Json]]:
    """A statement of that kind with no more than it must have."""
    kind = KINDS[name]
    rule = kind.refers.get(outcome)
    weighing = Weighing(
        kind=name,
        code=code,
        outcome=outcome,
        severity=Severity.GENERAL if outcome in kind.graded_outcomes else None,
        decided_on=date(2026, 1, 1),
        refers=SOMETHING if rule is not None and rule.needed else None,
    )
    values: dict[str, Json] = {
        "name": {"en": "x"},
        "country": "CN",
        "subject": {"id": PERSON.identifier, "scheme": "uscc"},
        "related": ORGANISATION,
        "merged_with": BUSINESS,
    }
    return weighing, {required: values[required] for required in kind.required}


def agrees(weighing: Weighing, particulars: Mapping[str, Json]) -> bool:
    """Whether both take it, after both said the same."""
    kind = KINDS[weighing.kind]
    document = {"weighing": weighing.values(), "particulars": dict(particulars)}
    errors = [error.message for error in VALIDATORS[kind.name].iter_errors(document)]
    refusal = None
    try:
        kind.check(weighing, particulars)
    except LedgerError as error:
        refusal = error.message
    assert (refusal is None) == (errors == []), (refusal, errors)
    return refusal is None


@pytest.mark.parametrize("name", list(KINDS))
def test_every_code_with_every_outcome_it_may_have_is_taken_by_parser_and_schema(name: str) -> None:
    kind = KINDS[name]
    for code in kind.codes:
        for outcome in kind.outcomes:
            weighing, particulars = filled(name, code, outcome)
            assert set(weighing.values()) == set(WEIGHING)
            allowed = outcome in kind.outcomes_by_code.get(code, kind.outcomes)
            assert agrees(weighing, particulars) == allowed


@pytest.mark.parametrize("name", list(KINDS))
def test_what_a_kind_does_not_know_is_refused_by_parser_and_schema(name: str) -> None:
    weighing, particulars = filled(name, KINDS[name].codes[0], KINDS[name].outcomes[0])
    assert agrees(weighing, particulars)
    assert not agrees(weighing, {**particulars, "rumour": 1})
    for change in ({"code": "rumour"}, {"outcome": "rumour"}):
        assert not agrees(Weighing.parse({**weighing.values(), **change}), particulars)
    for missing in KINDS[name].required:
        assert not agrees(weighing, {k: v for k, v in particulars.items() if k != missing})


texts = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    ["x\x00", "x\x1b", "line\nline", "x" * NAME_MAX, "x" * (NAME_MAX + 1), "x" * (TEXT_MAX + 1)]
)
digits = st.sampled_from(["6901234567892", "06901234567892", "CN", "CHN", "a" * 64, "A" * 64])
parties = st.sampled_from(
    [SUBJECT, ORGANISATION, BUSINESS, {"scheme": "uscc"}, {"id": "1", "scheme": "duns"}, "x", None]
)
document = {"name": "x", "sha256": "0" * 64}
values = st.one_of(
    texts,
    digits,
    parties,
    st.booleans(),
    st.integers(-1, 1),
    st.lists(texts, max_size=2),
    st.sampled_from(
        [
            ["x"] * LIST_MAX,
            ["x"] * (LIST_MAX + 1),
            [document],
            [document, {"name": "x"}],
            [{**document, "more": 1}],
            {"en": "x"},
            {"zh": "乳业", "en": "Dairy"},
            {"fr": "x"},
            {},
        ]
    ),
)
days = st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1))


@st.composite
def statements(draw: st.DrawFn) -> tuple[Weighing, dict[str, Json]]:
    """Of every kind, most members as they must be, some of them not."""
    kind = KINDS[draw(st.sampled_from(list(KINDS)))]
    code, outcome = draw(st.sampled_from(kind.codes)), draw(st.sampled_from(kind.outcomes))
    weighing, particulars = filled(kind.name, code, outcome)
    occurred_on, decided_on, effective_on = sorted(
        draw(st.tuples(days, days, days)), key=lambda day: day or date(2000, 1, 1)
    )
    names = st.sampled_from([*kind.measures, "rumour"])
    odd: Mapping[str, st.SearchStrategy[Any]] = {
        "severity": st.none() | st.sampled_from(Severity),
        "case": st.none() | st.just("c-1"),
        "refers": st.none() | st.just(SOMETHING),
        "measures": st.none() | st.dictionaries(names, st.integers(-1, 9), min_size=1),
        "basis": st.sampled_from([None, "lab", "field", "document", "rumour"]),
    }
    members = {
        "occurred_on": occurred_on,
        "decided_on": decided_on,
        "effective_on": effective_on,
        **{name: draw(odd[name]) for name in draw(st.sets(st.sampled_from([*odd]), max_size=2))},
    }
    known = [*kind.by_name, "rumour"]
    for name in draw(st.sets(st.sampled_from(known), max_size=2)):
        particulars[name] = draw(values)
    kept: dict[str, Any] = {
        name: getattr(weighing, name) for name in Weighing.__dataclass_fields__ if name in WEIGHING
    }
    return Weighing(**{**kept, **members}), particulars


@given(statements())
def test_parser_and_schema_agree_on_whatever_is_stated(
    stated: tuple[Weighing, dict[str, Json]],
) -> None:
    agrees(*stated)


def issued(weighing: Weighing, particulars: Mapping[str, Json]) -> Statement:
    """About the dairy."""
    draft = Draft(
        issuer=MARKET.label(),
        subject=DAIRY.label(),
        jti="S-1",
        issued_at=1_764_000_000,
        weighing=weighing,
        particulars={"subject": SUBJECT, **particulars},
    )
    return issue(draft, key_of("market"), fresh_salts())


def test_the_kinds_that_may_be_referred_to_are_kinds() -> None:
    for kind in KINDS.values():
        for outcome, rule in kind.refers.items():
            assert outcome in kind.outcomes
            assert rule.kinds | rule.but <= set(KINDS)
            assert not rule.kinds & rule.but
        assert set(kind.outcomes_of_measure) <= set(kind.measures)
        assert set(kind.outcomes_by_code) <= set(kind.codes)
        assert kind.other_party is None or kind.other_party in kind.required
    assert DECISIONS < OBJECTABLE < set(KINDS)


@pytest.mark.parametrize(
    ("kind", "code", "outcome", "refusal"),
    [
        pytest.param("external-grade", "tax", "m", None, id="a tax grade"),
        pytest.param("external-grade", "forex", "m", OutcomeUnknown, id="a tax grade of forex"),
        pytest.param("external-grade", "refund", "1", None, id="a refund class"),
        pytest.param(
            "external-grade", "market", "1", OutcomeUnknown, id="a refund class of market"
        ),
        pytest.param("external-grade", "bank", "a", CodeUnknown, id="an unknown regime"),
    ],
)
def test_each_regime_has_its_own_grades(
    kind: str, code: str, outcome: str, refusal: type[LedgerError] | None
) -> None:
    weighing = Weighing(kind=kind, code=code, outcome=outcome, decided_on=date(2026, 1, 1))
    if refusal is None:
        check_form(issued(weighing, {}))
        return
    with pytest.raises(refusal) as raised:
        check_form(issued(weighing, {}))
    assert raised.value.path == ("outcome" if refusal is OutcomeUnknown else "code",)


def test_a_deadline_stands_on_the_order_alone() -> None:
    for outcome, measures, fits in (
        ("ordered", {"deadline_days": 30}, True),
        ("late", {"paid_fen": 1}, True),
        ("late", {"deadline_days": 30}, False),
    ):
        weighing = Weighing(
            kind="rectification",
            code="correction",
            outcome=outcome,
            decided_on=date(2026, 1, 1),
            refers=SOMETHING,
            measures=measures,
        )
        assert agrees(weighing, {}) == fits


@pytest.mark.parametrize(
    ("kind", "code", "outcome"),
    [
        pytest.param("rectification", "correction", "ordered", id="a rectification of nothing"),
        pytest.param("repair", "penalty", "notified", id="a repair notice of nothing"),
        pytest.param("objection", "facts", "filed", id="an objection to nothing"),
        pytest.param("appeal", "litigation", "overturned", id="nothing overturned"),
        pytest.param("effect", "inheritance", "begun", id="an effect of nothing"),
        pytest.param("correction", "duplicate", "withdrawn", id="nothing withdrawn"),
    ],
)
def test_what_must_refer_to_a_statement_is_refused_without(
    kind: str, code: str, outcome: str
) -> None:
    weighing = Weighing(kind=kind, code=code, outcome=outcome, decided_on=date(2026, 1, 1))
    with pytest.raises(StatementInvalid) as raised:
        check_form(issued(weighing, {}))
    assert raised.value.path == ("refers",)


@pytest.mark.parametrize(
    ("related", "refusal", "path"),
    [
        pytest.param(ORGANISATION, None, (), id="another organisation"),
        pytest.param(BUSINESS, None, (), id="a one-person business by its label"),
        pytest.param(SUBJECT, StatementInvalid, (), id="the subject itself"),
        pytest.param("x", StatementInvalid, (), id="a text"),
        pytest.param({**ORGANISATION, "more": 1}, StatementInvalid, (), id="a member more"),
        pytest.param({"id": "x", "scheme": "label"}, LabelInvalid, (), id="a label that is none"),
        pytest.param(
            {"id": "1", "scheme": "duns"}, IdentifierInvalid, ("scheme",), id="an unknown scheme"
        ),
        pytest.param(
            {"id": "91150781MA0XY0029X", "scheme": "uscc"},
            IdentifierInvalid,
            ("id",),
            id="an identifier that does not check",
        ),
        pytest.param(
            {"id": PERSON.identifier, "scheme": "uscc"}, StatementInvalid, (), id="a person's code"
        ),
    ],
)
@pytest.mark.parametrize(
    ("kind", "code", "outcome", "name"),
    [
        pytest.param("relation", "controls", "begun", "related", id="relation"),
        pytest.param("link-merge", "same-enterprise", "merged", "merged_with", id="link-merge"),
    ],
)
def test_another_party_is_named_as_captures_name_theirs(
    kind: str,
    code: str,
    outcome: str,
    name: str,
    related: Json,
    refusal: type[LedgerError] | None,
    path: tuple[str, ...],
) -> None:
    weighing, _ = filled(kind, code, outcome)
    if refusal is None:
        check_form(issued(weighing, {name: related}))
        return
    with pytest.raises(refusal) as raised:
        check_form(issued(weighing, {name: related}))
    assert raised.value.path == ("particulars", name, *path)


def test_a_rule_of_referring_says_what_is_wrong() -> None:
    rule = Refers(kinds=frozenset({"effect"}))
    assert rule.fault("effect", same_subject=True, same_issuer=False) is None
    assert rule.fault("repair", same_subject=True, same_issuer=True) == "it is of kind repair"
    assert rule.fault("effect", same_subject=False, same_issuer=True) == (
        "it is about another subject"
    )
    other = Refers(whose=Whose.OTHER_SUBJECT)
    assert other.fault("filing", same_subject=False, same_issuer=False) is None
    assert other.fault("filing", same_subject=True, same_issuer=False) == (
        "it is about the same subject"
    )
    own = Refers(but=frozenset({"binding"}), same_issuer=True)
    assert own.fault("filing", same_subject=True, same_issuer=False) == "another issuer stated it"
    assert own.fault("binding", same_subject=True, same_issuer=True) == "it is of kind binding"
    assert own.words == "any statement but binding, about the same subject, by the same issuer"
