"""GB 32100-2015, GB 11714, ISO 17442: identifiers and the labels that stand for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from ledger.errors import IdentifierInvalid, LabelInvalid
from ledger.identity import (
    Identity,
    Scheme,
    SocialCreditIdentifier,
    organisation_check,
    parse_label,
    social_credit_check,
)

VALID = [
    "91150000114124263Y",
    "91150000701463622D",
    "91150000701464756R",
    "91110000802100433B",
    "9152000071430580XT",
    "91100000100003962T",
    "9144030071526726XG",
    "914403001922038216",
    "91330100799655058B",
    "91440300192317458F",
    "91440400192548256N",
    "91350900587527783P",
    "91150121MA0XY0010Q",
    "91150781MA0XY0029H",
    "91152501MA0XY0037Y",
    "92150102MA0XY0045P",
    "N2150725MF0XY0051J",
    "52150000MJ0XY00649",
]
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize("text", VALID)
def test_a_valid_code_is_taken(text: str) -> None:
    assert SocialCreditIdentifier.parse(text).value == text


@pytest.mark.parametrize("text", [text for text in VALID if text.startswith("9")])
def test_another_library_agrees_on_codes_of_market_supervision(text: str) -> None:
    assert uscc.is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("91150000114124263G", id="a wrong last character"),
        pytest.param("91150000701465425Y", id="another wrong last character"),
        pytest.param("91150000114124264Y", id="a wrong inner check"),
        pytest.param("91150000114124263y", id="a small letter"),
        pytest.param("91150000114124263", id="seventeen characters"),
        pytest.param("91150000114124263YY", id="nineteen characters"),
        pytest.param("91150000I14124263Y", id="a letter that could be a digit"),
        pytest.param("B1150000114124263Y", id="no registering body"),
        pytest.param("911500０0114124263Y", id="a wide digit"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_code_that_does_not_check_is_refused(text: str) -> None:
    with pytest.raises(IdentifierInvalid):
        SocialCreditIdentifier.parse(text)


@given(st.sampled_from(VALID), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_every_error_of_one_character_is_caught(text: str, place: int, other: str) -> None:
    wrong = text[:place] + other + text[place + 1 :]
    if wrong != text:
        with pytest.raises(IdentifierInvalid):
            SocialCreditIdentifier.parse(wrong)


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=8, max_size=8))
def test_computed_check_characters_check(organisation: str) -> None:
    code = f"91150000{organisation}{organisation_check(organisation)}"
    whole = code + social_credit_check(code)
    assert SocialCreditIdentifier.parse(whole).division == "150000"


@pytest.mark.parametrize(
    ("scheme", "identifier"),
    [
        ("uscc", "91150121MA0XY0010Q"),
        ("fei", "1000500626"),
        ("fei", "12345"),
        ("lei", "5493001KJTIIGC8Y1R12"),
        ("inn", "7707083893"),
        ("inn", "500100732259"),
    ],
)
def test_every_scheme_has_identifiers(scheme: str, identifier: str) -> None:
    identity = Identity.parse(scheme, identifier)
    assert (identity.scheme.value, identity.identifier) == (scheme, identifier)
    assert parse_label(identity.label()) == identity.label()
    assert identity.label() != identity.capture_label()


@pytest.mark.parametrize(
    ("scheme", "identifier", "path"),
    [
        pytest.param("duns", "123456789", ("scheme",), id="an unknown scheme"),
        pytest.param("fei", "FEI1000500626", ("id",), id="an FEI with its letters"),
        pytest.param("fei", "0123", ("id",), id="an FEI with a leading zero"),
        pytest.param("fei", "12345678901", ("id",), id="an FEI of eleven digits"),
        pytest.param("lei", "5493001KJTIIGC8Y1R13", ("id",), id="an LEI with wrong checks"),
        pytest.param("lei", "5493001KJTIIGC8Y1R1", ("id",), id="an LEI of nineteen characters"),
        pytest.param("inn", "7707083894", ("id",), id="an INN with a wrong check"),
        pytest.param("inn", "500100732258", ("id",), id="a long INN with a wrong check"),
        pytest.param("inn", "77070838931", ("id",), id="an INN of eleven digits"),
        pytest.param("uscc", "911501", ("id",), id="a short code"),
    ],
)
def test_a_wrong_identifier_is_refused_with_its_place(
    scheme: str, identifier: str, path: tuple[str, ...]
) -> None:
    with pytest.raises(IdentifierInvalid) as refusal:
        Identity.parse(scheme, identifier)
    assert refusal.value.path == path


def test_a_one_person_business_is_a_person_and_a_company_is_not() -> None:
    assert Identity.parse("uscc", "92150102MA0XY0045P").is_person
    assert not Identity.parse("uscc", "91150121MA0XY0010Q").is_person
    assert not Identity(Scheme.FEI, "9212345").is_person


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AAAA", id="too short"),
        pytest.param("A" * 44, id="too long"),
        pytest.param("A" * 42 + "B", id="spare bits that are not zero"),
        pytest.param("A" * 42 + "=", id="padding"),
    ],
)
def test_a_label_is_32_bytes_in_one_spelling(text: str) -> None:
    with pytest.raises(LabelInvalid):
        parse_label(text)
