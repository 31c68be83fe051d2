"""RFC 9901 and ARCHITECTURE §3: statements, their disclosures, and the rules of each kind."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.admission import check_form
from ledger.canonical import Json, b64url, encode
from ledger.disclosure import DISCLOSURES_MAX, Disclosure, split_presentation
from ledger.errors import (
    CodeUnknown,
    DisclosureInvalid,
    IdentifierInvalid,
    KindUnknown,
    LabelInvalid,
    LedgerError,
    OutcomeUnknown,
    StatementInvalid,
    SubjectMismatch,
    SubmissionTooLarge,
)
from ledger.identity import SubjectLabel
from ledger.kinds.shape import LIST_MAX, NAME_MAX, TEXT_MAX
from ledger.salts import fresh_salts
from ledger.statement import (
    MEASURES_MAX,
    WEIGHING_TEXT_MAX,
    Draft,
    Severity,
    Statement,
    Weighing,
    issue,
)
from ledger.token import Token, TokenType, sign
from tests.world import DAIRY, MARKET, PERSON, failed_inspection, filing, key_of

SUBJECT: dict[str, Json] = {"id": DAIRY.identifier, "scheme": "uscc"}
LABEL = SubjectLabel("A" * 42 + "E")


def stated(
    weighing: Weighing | None = None,
    particulars: Mapping[str, Json] | None = None,
    *,
    subject: SubjectLabel | None = None,
    jti: str = "S-1",
) -> Statement:
    """A statement about the dairy, signed."""
    draft = Draft(
        issuer=MARKET.label(),
        subject=subject or DAIRY.label(),
        jti=jti,
        issued_at=1_764_000_000,
        weighing=weighing or failed_inspection(),
        particulars={"subject": SUBJECT} if particulars is None else particulars,
    )
    return issue(draft, key_of("market"), fresh_salts())


def parsed(statement: Statement) -> Statement:
    """Out and in again."""
    token, disclosures = split_presentation(statement.presentation)
    return Statement.parse(Token.parse(token), disclosures)


days = st.dates(date(1990, 1, 1), date(2100, 1, 1))
words = st.text(min_size=1, max_size=20).filter(str.isprintable)


@given(
    st.builds(
        Weighing,
        kind=words,
        code=st.none() | words,
        outcome=st.none() | words,
        severity=st.none() | st.sampled_from(Severity),
        occurred_on=st.none() | days,
        decided_on=st.none() | days,
        effective_on=st.none() | days,
        case=st.none() | words,
        refers=st.none() | st.binary(min_size=32, max_size=32).map(b64url),
        measures=st.none()
        | st.dictionaries(
            st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
            st.integers(0, 10**9),
            min_size=1,
            max_size=3,
        ),
        basis=st.none() | words,
    ),
    st.dictionaries(st.sampled_from(["text", "place", "number"]), words),
)
def test_parsing_and_issuing_are_inverse(weighing: Weighing, particulars: dict[str, Json]) -> None:
    statement = stated(weighing, particulars)
    assert parsed(statement) == statement
    assert Weighing.parse(weighing.values()) == weighing


def test_salts_do_not_change_what_a_statement_says() -> None:
    assert stated().content_hash == stated().content_hash
    assert stated().token != stated().token
    assert stated(failed_inspection(case="c-1")).content_hash != stated().content_hash


def rebuilt(
    change: Callable[[dict[str, Any], list[str]], None],
) -> tuple[Token, list[str]]:
    """The statement's payload and disclosures after a change, signed again by the same key."""
    statement = stated()
    payload: dict[str, Any] = json.loads(encode(statement.token.payload))
    disclosures = [item.text for item in statement.disclosures]
    change(payload, disclosures)
    return sign(key_of("market"), TokenType.STATEMENT, payload), disclosures


def without(name: str) -> Callable[[dict[str, Any], list[str]], None]:
    return lambda payload, _: payload.pop(name)


def with_(name: str, value: Json) -> Callable[[dict[str, Any], list[str]], None]:
    return lambda payload, _: payload.update({name: value})


def more(disclosure: str) -> Callable[[dict[str, Any], list[str]], None]:
    return lambda _, disclosures: disclosures.append(disclosure)


def again(payload: dict[str, Any], disclosures: list[str]) -> None:
    """A disclosure twice."""
    disclosures.append(disclosures[0])


def fewer(payload: dict[str, Any], disclosures: list[str]) -> None:
    """A particular without its disclosure."""
    disclosures.pop()


def particular_twice(payload: dict[str, Any], disclosures: list[str]) -> None:
    """One name with two values."""
    second = Disclosure.of(bytes(16), "subject", {"id": "x", "scheme": "uscc"})
    payload["_sd"] = sorted([*payload["_sd"], second.digest])
    disclosures.append(second.text)


def weighing_particular(payload: dict[str, Any], disclosures: list[str]) -> None:
    """A weighing name among the particulars."""
    second = Disclosure.of(bytes(16), "severity", "minor")
    payload["_sd"] = sorted([*payload["_sd"], second.digest])
    disclosures.append(second.text)


def swapped(payload: dict[str, Any], disclosures: list[str]) -> None:
    """A weighing member opened by the disclosure of a particular."""
    payload["severity"] = [{"...": payload["_sd"][0]}]


def unsorted(payload: dict[str, Any], disclosures: list[str]) -> None:
    """Digests out of order."""
    second = Disclosure.of(bytes(16), "text", "x")
    payload["_sd"] = sorted([*payload["_sd"], second.digest], reverse=True)
    disclosures.append(second.text)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param(without("severity"), StatementInvalid, id="a weighing member is missing"),
        pytest.param(with_("exp", 1), StatementInvalid, id="a member nobody knows"),
        pytest.param(with_("_sd_alg", "sha-512"), StatementInvalid, id="another hash"),
        pytest.param(with_("kind", "inspection"), StatementInvalid, id="a member in the clear"),
        pytest.param(with_("kind", []), StatementInvalid, id="a member without an element"),
        pytest.param(with_("kind", [{"...": 1}]), StatementInvalid, id="a digest that is no text"),
        pytest.param(with_("kind", [{"...": "x"}]), DisclosureInvalid, id="a digest of nothing"),
        pytest.param(with_("_sd", "x"), StatementInvalid, id="digests that are no list"),
        pytest.param(with_("iat", -1), StatementInvalid, id="an instant before 1970"),
        pytest.param(with_("iat", True), StatementInvalid, id="an instant that is true"),
        pytest.param(with_("jti", ""), StatementInvalid, id="an empty reference"),
        pytest.param(with_("jti", "a b"), StatementInvalid, id="a reference with a space"),
        pytest.param(with_("jti", "x" * 65), StatementInvalid, id="a reference of 65 characters"),
        pytest.param(with_("sub", "91150121MA0XY0010Q"), LabelInvalid, id="a code for a label"),
        pytest.param(with_("iss", None), LabelInvalid, id="no issuer"),
        pytest.param(again, DisclosureInvalid, id="a disclosure twice"),
        pytest.param(fewer, DisclosureInvalid, id="a particular that is not opened"),
        pytest.param(
            more(Disclosure.of(bytes(16), "text", "x").text),
            DisclosureInvalid,
            id="a disclosure of no digest",
        ),
        pytest.param(more("AAAA"), DisclosureInvalid, id="a disclosure that is no JSON"),
        pytest.param(more(b64url(b"[1,2]")), DisclosureInvalid, id="a salt that is no text"),
        pytest.param(more(b64url(b'["AA",2]')), DisclosureInvalid, id="a salt of one byte"),
        pytest.param(more(b64url(b"{}")), DisclosureInvalid, id="a disclosure that is an object"),
        pytest.param(
            more(b64url(b'["' + b"A" * 22 + b'","_sd",1]')), DisclosureInvalid, id="a reserved name"
        ),
        pytest.param(more("A" * 20_000), DisclosureInvalid, id="a disclosure too long"),
        pytest.param(particular_twice, DisclosureInvalid, id="one name with two values"),
        pytest.param(weighing_particular, DisclosureInvalid, id="a weighing name hidden again"),
        pytest.param(swapped, DisclosureInvalid, id="a member opened by a particular"),
        pytest.param(unsorted, StatementInvalid, id="digests out of order"),
    ],
)
def test_a_statement_with_anything_more_less_or_else_is_refused(
    change: Callable[[dict[str, Any], list[str]], None], refusal: type[LedgerError]
) -> None:
    token, disclosures = rebuilt(change)
    with pytest.raises(refusal) as raised:
        Statement.parse(token, disclosures)
    assert raised.value.path, "the refusal names the field"


def test_a_presentation_ends_in_a_tilde_and_has_a_limit() -> None:
    with pytest.raises(DisclosureInvalid):
        split_presentation(stated().presentation[:-1])
    with pytest.raises(DisclosureInvalid):
        split_presentation("token")
    with pytest.raises(SubmissionTooLarge):
        split_presentation("token" + "~AAAA" * (DISCLOSURES_MAX + 1) + "~")


def test_particulars_that_were_erased_are_left_out_and_the_rest_stands() -> None:
    statement = stated(particulars={"subject": SUBJECT, "text": "菌落总数超标"})
    kept = [item.text for item in statement.disclosures if item.name != "text"]
    with pytest.raises(DisclosureInvalid):
        Statement.parse(statement.token, kept)
    erased = Statement.parse(statement.token, kept, erased=True)
    assert erased.particulars == {"subject": SUBJECT}
    assert erased.weighing == statement.weighing


def changed(**members: Json) -> Weighing:
    """The failed inspection with some members replaced."""
    values = failed_inspection().values()
    values.update(members)
    return Weighing.parse(values)


@pytest.mark.parametrize(
    ("members", "refusal", "place"),
    [
        pytest.param({"kind": "rumour"}, KindUnknown, "kind", id="an unknown kind"),
        pytest.param({"code": "smell"}, CodeUnknown, "code", id="an unknown code"),
        pytest.param({"code": None}, CodeUnknown, "code", id="no code"),
        pytest.param({"outcome": "meh"}, OutcomeUnknown, "outcome", id="an unknown outcome"),
        pytest.param({"severity": None}, StatementInvalid, "severity", id="no severity"),
        pytest.param({"outcome": "pass"}, StatementInvalid, "severity", id="a graded pass"),
        pytest.param({"decided_on": None}, StatementInvalid, "decided_on", id="no decision"),
        pytest.param(
            {"occurred_on": "2026-12-31"}, StatementInvalid, "occurred_on", id="decided too early"
        ),
        pytest.param(
            {"effective_on": "2020-01-01"}, StatementInvalid, "effective_on", id="effective early"
        ),
        pytest.param({"basis": "rumour"}, StatementInvalid, "basis", id="an unknown basis"),
        pytest.param({"refers": "x"}, StatementInvalid, "refers", id="a reference"),
        pytest.param(
            {"refers": "A" * 43}, StatementInvalid, "refers", id="a kind that refers to nothing"
        ),
        pytest.param({"measures": {"age": 1}}, StatementInvalid, "measures", id="an odd measure"),
        pytest.param(
            {"measures": {"samples": -1}}, StatementInvalid, "measures", id="a negative measure"
        ),
    ],
)
def test_what_a_kind_does_not_allow_is_refused_with_its_place(
    members: dict[str, Any], refusal: type[LedgerError], place: str
) -> None:
    with pytest.raises(refusal) as raised:
        check_form(stated(changed(**members)))
    assert raised.value.path[0] == place


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"severity": "grave"}, id="an unknown severity"),
        pytest.param({"severity": 1}, id="a severity that is a number"),
        pytest.param({"decided_on": "2026-02-30"}, id="a day that is not"),
        pytest.param({"decided_on": "20260210"}, id="a day in another spelling"),
        pytest.param({"decided_on": "２０２６-02-10"}, id="a day in wide digits"),
        pytest.param({"code": ""}, id="an empty code"),
        pytest.param({"code": "x" * (WEIGHING_TEXT_MAX + 1)}, id="a code too long"),
        pytest.param({"case": "c\x00"}, id="a case with a character no database takes"),
        pytest.param({"case": "c\n1"}, id="a case of two lines"),
        pytest.param({"refers": "x"}, id="a reference that is no hash"),
        pytest.param({"refers": "A" * 44}, id="a hash with a character more"),
        pytest.param({"refers": "A" * 42 + "B"}, id="a hash in another spelling"),
        pytest.param({"refers": "A" * 43 + "="}, id="a hash with padding"),
        pytest.param({"refers": 1}, id="a hash that is a number"),
        pytest.param({"kind": None}, id="no kind"),
        pytest.param({"measures": {}}, id="measures without any"),
        pytest.param({"measures": {"A": 1}}, id="a measure in capitals"),
        pytest.param({"measures": {"a": True}}, id="a measure that is true"),
        pytest.param({"measures": [1]}, id="measures that are a list"),
        pytest.param(
            {"measures": {f"m{number}": 1 for number in range(MEASURES_MAX + 1)}},
            id="a measure too many",
        ),
    ],
)
def test_a_weighing_value_outside_its_form_is_refused(values: dict[str, Json]) -> None:
    with pytest.raises(StatementInvalid):
        changed(**values)


@pytest.mark.parametrize(
    ("particulars", "refusal"),
    [
        pytest.param({"rumour": "x"}, StatementInvalid, id="an unknown particular"),
        pytest.param({"text": ""}, StatementInvalid, id="an empty text"),
        pytest.param({"text": "x" * (TEXT_MAX + 1)}, StatementInvalid, id="a text too long"),
        pytest.param({"place": "x" * (NAME_MAX + 1)}, StatementInvalid, id="a place too long"),
        pytest.param(
            {"documents": [{"name": "x", "sha256": "0" * 64}] * (LIST_MAX + 1)},
            StatementInvalid,
            id="a document too many",
        ),
        pytest.param(
            {"documents": [{"name": "x" * (NAME_MAX + 1), "sha256": "0" * 64}]},
            StatementInvalid,
            id="a document with a name too long",
        ),
        pytest.param({"text": "x\x00"}, StatementInvalid, id="a text no database takes"),
        pytest.param({"place": "x\x1b[2J"}, StatementInvalid, id="a place that clears a screen"),
        pytest.param({"gtin": "123"}, StatementInvalid, id="a short GTIN"),
        pytest.param({"gtin": 1}, StatementInvalid, id="a GTIN that is a number"),
        pytest.param({"synthetic": False}, StatementInvalid, id="a flag that is not true"),
        pytest.param({"charges": []}, StatementInvalid, id="no charges"),
        pytest.param({"charges": ["1"] * (LIST_MAX + 1)}, StatementInvalid, id="a charge too many"),
        pytest.param({"charges": ["1" * (NAME_MAX + 1)]}, StatementInvalid, id="a charge too long"),
        pytest.param({"charges": [1]}, StatementInvalid, id="a charge that is a number"),
        pytest.param({"documents": [{"name": "x"}]}, StatementInvalid, id="a document alone"),
        pytest.param({"documents": {}}, StatementInvalid, id="documents that are an object"),
        pytest.param({"subject": "x"}, StatementInvalid, id="a subject that is text"),
        pytest.param(
            {"subject": {"id": "91150121MA0XY0010R", "scheme": "uscc"}},
            IdentifierInvalid,
            id="a subject that does not check",
        ),
        pytest.param(
            {"subject": {"id": "1", "scheme": "duns"}}, IdentifierInvalid, id="an unknown scheme"
        ),
        pytest.param(
            {"subject": {"id": MARKET.identifier, "scheme": "uscc"}},
            SubjectMismatch,
            id="another subject than the label",
        ),
        pytest.param(
            {"subject": {"id": PERSON.identifier, "scheme": "uscc"}},
            StatementInvalid,
            id="a person by its code",
        ),
    ],
)
def test_a_particular_outside_its_form_is_refused(
    particulars: dict[str, Json], refusal: type[LedgerError]
) -> None:
    with pytest.raises(refusal) as raised:
        check_form(stated(particulars={"subject": SUBJECT, **particulars}))
    assert raised.value.path


def test_what_is_as_long_as_it_may_be_is_taken() -> None:
    code, case = "c" * WEIGHING_TEXT_MAX, "k" * WEIGHING_TEXT_MAX
    measures: dict[str, Json] = {f"m{number}": number for number in range(MEASURES_MAX)}
    longest = changed(code=code, case=case, measures=measures)
    assert (longest.code, longest.case, longest.measures) == (code, case, measures)
    particulars: dict[str, Json] = {
        "subject": SUBJECT,
        "text": "x" * TEXT_MAX,
        "place": "x" * NAME_MAX,
        "charges": ["1" * NAME_MAX] * LIST_MAX,
        "documents": [{"name": "x" * NAME_MAX, "sha256": "0" * 64}] * LIST_MAX,
    }
    check_form(stated(particulars=particulars))


def test_a_filing_needs_a_name_and_a_country() -> None:
    for missing in ("name", "country"):
        particulars: dict[str, Json] = {"country": "CN", "name": {"en": "x"}, "subject": SUBJECT}
        check_form(stated(filing(), particulars))
        del particulars[missing]
        with pytest.raises(StatementInvalid) as raised:
            check_form(stated(filing(), particulars))
        assert raised.value.path == ("particulars", missing)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param({}, id="no language"),
        pytest.param({"fr": "x"}, id="another language"),
        pytest.param({"en": ""}, id="an empty name"),
        pytest.param({"en": "x" * (NAME_MAX + 1)}, id="a name too long"),
        pytest.param({"en": "x\x00"}, id="a name no database takes"),
        pytest.param("x", id="a name that is text"),
    ],
)
def test_a_name_is_in_chinese_english_or_both(name: Json) -> None:
    with pytest.raises(StatementInvalid):
        check_form(stated(filing(), {"country": "CN", "name": name, "subject": SUBJECT}))


def test_a_binding_names_a_person_under_a_random_label() -> None:
    weighing = Weighing(
        kind="binding", code="one-person-business", outcome="bound", decided_on=date(2026, 1, 1)
    )
    person: dict[str, Json] = {"id": PERSON.identifier, "scheme": "uscc"}
    check_form(stated(weighing, {"subject": person}, subject=LABEL))
    with pytest.raises(StatementInvalid):
        check_form(stated(weighing, {"subject": SUBJECT}, subject=LABEL))


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        pytest.param(
            lambda: stated(failed_inspection(case="c" * 65)), StatementInvalid, id="a long case id"
        ),
        pytest.param(
            lambda: stated(failed_inspection(case="c\x00")),
            StatementInvalid,
            id="a NUL in a case id",
        ),
        pytest.param(lambda: stated(jti="j" * 65), StatementInvalid, id="a long reference"),
        pytest.param(
            lambda: stated(particulars={"subject": SUBJECT, "charges": ["罚" * 200] * 32}),
            DisclosureInvalid,
            id="a list within its bounds whose disclosure is not",
        ),
    ],
)
def test_what_no_reader_takes_is_never_issued(
    make: Callable[[], Statement], refusal: type[LedgerError]
) -> None:
    # Otherwise the log would hold for ever what stops every follower.
    with pytest.raises(refusal):
        make()
