"""RFC 9901 §4: the usual spelling read in one go, held against the exact parsers."""

import json
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import presentation
from ledger.canonical import Json, b64url, encode, unb64url
from ledger.disclosure import (
    DISCLOSURE_BYTES_MAX,
    DISCLOSURES_MAX,
    WEIGHING,
    Disclosure,
    split_presentation,
)
from ledger.errors import DisclosureInvalid, LedgerError
from ledger.identity import (
    IDENTITIES_KEPT_MAX,
    Identity,
    _checked_scheme,
    _label,
)
from ledger.presentation import HEADERS_KEPT_MAX, _read_usual, _statement_key, read_statement
from ledger.salts import fresh_salts
from ledger.statement import Draft, Severity, Statement, Weighing, issue
from ledger.token import TOKEN_BYTES_MAX, Token, TokenType, sign
from tests.world import DAIRY, MARKET, key_of

Parts = tuple[dict[str, Json], list[str]]


def exact(text: str, *, erased: bool = False) -> Statement:
    """By the exact parsers alone."""
    token, disclosures = split_presentation(text)
    return Statement.parse(Token.parse(token), disclosures, erased=erased)


def outcome(read: Callable[[str], Statement | None], text: str) -> object:
    """A statement, or everything a refusal says."""
    try:
        return read(text)
    except LedgerError as error:
        return type(error), error.message, error.path


def held_against_each_other(text: str) -> None:
    """The quick way takes nothing but what the exact way takes, and reads it alike."""
    expected = outcome(exact, text)
    assert outcome(read_statement, text) == expected
    assert outcome(_read_usual, text) in (None, expected)


def stated() -> Statement:
    """Fourteen disclosures, of every type that a value may have."""
    draft = Draft(
        issuer=MARKET.label(),
        subject=DAIRY.label(),
        jti="S-1",
        issued_at=1_764_000_000,
        weighing=Weighing(
            kind="inspection",
            code="hygiene",
            outcome="fail",
            severity=Severity.SERIOUS,
            decided_on=date(2026, 3, 10),
            measures={"samples": 5, "samples_failed": 1},
        ),
        particulars={
            "subject": {"id": DAIRY.identifier, "scheme": "uscc"},
            "synthetic": True,
            "text": "菌落总数超标",
        },
    )
    return issue(draft, key_of("market"), fresh_salts())


WHOLE = stated()
TEXT = WHOLE.presentation


def parts() -> Parts:
    """Payload and disclosures, to be changed."""
    return json.loads(encode(WHOLE.token.payload)), [item.text for item in WHOLE.disclosures]


def joined(payload: dict[str, Json], disclosures: list[str]) -> str:
    """A presentation whose signature is good, whatever it says."""
    token = sign(key_of("market"), TokenType.STATEMENT, payload)
    return "~".join((token.text, *disclosures, ""))


def reissued(position: int, raw: bytes) -> str:
    """With one disclosure of these bytes, its digest in the payload."""
    payload, disclosures = parts()
    before = Disclosure.parse(disclosures[position])
    disclosures[position] = b64url(raw)
    after = Disclosure(disclosures[position], None, None).digest
    if position < len(WEIGHING):
        payload[WEIGHING[position]] = [{"...": after}]
    else:
        digests: list[Json] = payload["_sd"]  # type: ignore[assignment]
        payload["_sd"] = sorted(  # type: ignore[type-var]
            after if digest == before.digest else digest for digest in digests
        )
    return joined(payload, disclosures)


def test_the_usual_spelling_is_read_in_one_go() -> None:
    usual = _read_usual(TEXT)
    assert usual == exact(TEXT) == WHOLE
    assert usual is not None
    assert usual.presentation == TEXT


def test_disclosures_in_another_order_go_the_exact_way() -> None:
    payload, disclosures = parts()
    text = joined(payload, disclosures[::-1])
    assert _read_usual(text) is None
    assert read_statement(text) == exact(text)


def test_particulars_that_were_erased_go_the_exact_way() -> None:
    payload, disclosures = parts()
    text = joined(payload, disclosures[:-1])
    assert _read_usual(text) is None
    assert read_statement(text, erased=True) == exact(text, erased=True)
    held_against_each_other(text)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'["%s","x"]' % (b"A" * 21 + b"B"), id="a salt with spare bits"),
        pytest.param(b'["%s","x"]' % (b"A" * 20), id="a salt of fifteen bytes"),
        pytest.param(b'["%s~%s","x"]' % (b"A" * 22, b"A" * 22), id="two salts in one"),
        pytest.param(b'["%s~%s","y","x"]' % (b"A" * 22, b"A" * 22), id="two salts and a name"),
        pytest.param(b'["%s~","x"]' % (b"A" * 22), id="a salt and a tilde"),
        pytest.param(b'["%s",1.0]' % (b"A" * 22), id="a fraction"),
        pytest.param(b'["%s",9007199254740993]' % (b"A" * 22), id="an integer beyond 2^53"),
        pytest.param('["%s",{"ä":1}]'.encode() % (b"A" * 22), id="a key outside ASCII"),
        pytest.param(b'["%s",{"b":1,"a":2}]' % (b"A" * 22), id="keys out of order"),
        pytest.param(b'["%s",%s]' % (b"A" * 22, b"[" * 40 + b"]" * 40), id="nested too deep"),
        pytest.param(b'["%s", "x"]' % (b"A" * 22), id="a space"),
        pytest.param(b'["%s","\\u0061"]' % (b"A" * 22), id="an escape"),
        pytest.param(b'["%s"]' % (b"A" * 22), id="a salt alone"),
        pytest.param(b'["%s","x","y","z"]' % (b"A" * 22), id="four members"),
        pytest.param(b'["%s","_sd","y"]' % (b"A" * 22), id="a reserved name"),
        pytest.param(b'["%s","kind","y"]' % (b"A" * 22), id="the name of a member"),
        pytest.param(b'["%s",7,"y"]' % (b"A" * 22), id="a name that is no text"),
        pytest.param(b'[7,"x"]', id="a salt that is no text"),
        pytest.param(b'{"a":1}', id="an object"),
        pytest.param(b'["%s","x"],["%s","y"]' % (b"A" * 22, b"B" * 21 + b"A"), id="two in one"),
        pytest.param(b'["%s","x"' % (b"A" * 22), id="a bracket missing"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="no UTF-8"),
    ],
)
@pytest.mark.parametrize("position", [0, 5, 11, 13])
def test_a_disclosure_outside_its_form_is_refused_alike(position: int, raw: bytes) -> None:
    held_against_each_other(reissued(position, raw))


def test_a_bracket_is_not_borrowed_from_the_neighbour() -> None:
    """Joined, the pieces read as JSON of the right length; each for itself is none."""
    payload, disclosures = parts()
    first, second = b'["%s","x"' % (b"A" * 22), b'"y"],["%s","z"]' % (b"B" * 21 + b"A")
    disclosures[0], disclosures[1] = b64url(first), b64url(second)
    for position in (0, 1):
        digest = Disclosure(disclosures[position], None, None).digest
        payload[WEIGHING[position]] = [{"...": digest}]
    text = joined(payload, disclosures)
    assert _read_usual(text) is None
    held_against_each_other(text)


@pytest.mark.parametrize(
    "salts", [("", "A" * 45), ("A" * 45, "A" * 22), ("A" * 22 + "~", "A" * 22)]
)
def test_salts_of_another_length_are_not_made_up_for_by_others(salts: tuple[str, str]) -> None:
    payload, disclosures = parts()
    for position, salt in enumerate(salts):
        disclosures[position] = b64url(encode([salt, None]))
        digest = Disclosure(disclosures[position], None, None).digest
        payload[WEIGHING[position]] = [{"...": digest}]
    text = joined(payload, disclosures)
    assert _read_usual(text) is None
    held_against_each_other(text)


def test_one_disclosure_opens_one_member() -> None:
    """Two members without a value, and one salt for both: each digest is met exactly once."""
    payload, disclosures = parts()
    disclosures[1] = disclosures[0]
    payload[WEIGHING[1]] = payload[WEIGHING[0]]
    text = joined(payload, disclosures)
    assert _read_usual(text) is None
    held_against_each_other(text)
    with pytest.raises(DisclosureInvalid, match="disclosed twice"):
        read_statement(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("iat", -1, id="an instant before 1970"),
        pytest.param("iat", 8_999_999_999, id="the last instant of the usual spelling"),
        pytest.param("iat", 9_000_000_000, id="one second more"),
        pytest.param("iat", 9_999_999_999, id="an instant that no form allows"),
        pytest.param("iat", True, id="an instant that is a truth"),
        pytest.param("jti", "", id="a reference of nothing"),
        pytest.param("jti", "x" * 65, id="a reference too long"),
        pytest.param("jti", "é", id="a reference outside ASCII"),
        pytest.param("iss", "A" * 42 + "B", id="a label with spare bits"),
        pytest.param("sub", "A" * 42, id="a label too short"),
        pytest.param("_sd_alg", "sha-512", id="another hash"),
        pytest.param("_sd", [], id="no digests"),
        pytest.param("kind", [], id="a member that is empty"),
        pytest.param("kind", [{"...": "x", "a": 1}], id="a member that says more"),
        pytest.param("more", 1, id="a member too many"),
    ],
)
def test_a_payload_outside_its_form_is_refused_alike(name: str, value: Json) -> None:
    payload, disclosures = parts()
    payload[name] = value
    held_against_each_other(joined(payload, disclosures))


@pytest.mark.parametrize("count", [DISCLOSURES_MAX, DISCLOSURES_MAX + 1])
def test_as_many_disclosures_as_may_be_and_one_more(count: int) -> None:
    payload, disclosures = parts()
    more = [
        Disclosure.of(bytes(16), f"z{number:02}", number)
        for number in range(count - len(disclosures))
    ]
    digests: list[Json] = payload["_sd"]  # type: ignore[assignment]
    payload["_sd"] = sorted([*digests, *(item.digest for item in more)])  # type: ignore[type-var]
    text = joined(payload, [*disclosures, *(item.text for item in more)])
    held_against_each_other(text)
    assert (_read_usual(text) is not None) == (count == DISCLOSURES_MAX)


@pytest.mark.parametrize("longer", [False, True])
def test_the_longest_disclosure_and_a_longer_one(longer: bool) -> None:
    room = DISCLOSURE_BYTES_MAX * 3 // 4 - len(Disclosure.of(bytes(16), "text", "").text) * 3 // 4
    value = "x" * (room - 2 + 8 * longer)
    raw = encode([b64url(bytes(16)), "text", value])
    text = reissued(13, raw)
    held_against_each_other(text)
    assert (_read_usual(text) is None) == longer


def test_a_token_longer_than_may_be_goes_the_exact_way() -> None:
    header, payload, rest = TEXT.split(".", 2)
    longer = b64url(unb64url(payload).ljust(TOKEN_BYTES_MAX, b" "))
    held_against_each_other(f"{header}.{longer}.{rest}")


@settings(max_examples=1_500, deadline=None)
@given(st.data())
def test_whatever_is_changed_in_the_text_both_ways_agree(data: st.DataObject) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(st.sampled_from(["", "A", "w", "-", "_", "~", ".", "=", "+", "é", "AA"]))
        width = data.draw(st.sampled_from([0, 1, 2]))
        text = text[:at] + piece + text[at + width :]
    held_against_each_other(text)


def test_no_more_headers_and_identities_are_kept_than_said() -> None:
    for number in range(HEADERS_KEPT_MAX + 1):
        assert _statement_key(f"{number:04}") is None
    assert _statement_key.cache_info().currsize == HEADERS_KEPT_MAX
    assert _checked_scheme.cache_info().maxsize == IDENTITIES_KEPT_MAX
    assert _label.cache_info().maxsize == IDENTITIES_KEPT_MAX
    assert Identity.parse("fei", "7").label() == Identity.parse("fei", "7").label()
    assert _statement_key.cache_info().maxsize == presentation.HEADERS_KEPT_MAX
