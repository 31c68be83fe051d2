"""RFC 8785 in the profile of ARCHITECTURE §3, held against an independent implementation."""

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import DEPTH_MAX, INTEGER_LIMIT, Json, b64url, decode, encode, unb64url
from ledger.errors import NotCanonical

KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_LIMIT + 1, INTEGER_LIMIT - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=500)
def test_every_value_of_the_profile_has_the_bytes_of_rfc_8785(value: Json) -> None:
    raw = encode(value)
    assert raw == rfc8785.dumps(value)
    assert decode(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"a":1,"a":1}', id="a name twice"),
        pytest.param(b'{"b":1,"a":2}', id="names out of order"),
        pytest.param(b'{"a": 1}', id="a space"),
        pytest.param(b'{"a":1}\n', id="a line feed at the end"),
        pytest.param(b'"\\u0041"', id="an escape that is not needed"),
        pytest.param(b'"\\/"', id="an escaped slash"),
        pytest.param(b'"\\u4E2D"', id="an escaped Chinese sign"),
        pytest.param(b"1.0", id="a fraction"),
        pytest.param(b"1e2", id="an exponent"),
        pytest.param(b"-0", id="minus zero"),
        pytest.param(b"01", id="a leading zero"),
        pytest.param(b"9007199254740992", id="2^53"),
        pytest.param(b"-9007199254740992", id="minus 2^53"),
        pytest.param(b"123456789012345678901234567890", id="thirty digits"),
        pytest.param(b"NaN", id="not a number"),
        pytest.param(b"Infinity", id="infinity"),
        pytest.param(b'"\xff"', id="a byte outside UTF-8"),
        pytest.param(b'"\\ud800"', id="a lone surrogate"),
        pytest.param(b'"\xed\xa0\x80"', id="a lone surrogate in bytes"),
        pytest.param('{"é":1}'.encode(), id="a name outside ASCII"),
        pytest.param(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), id="nested too deeply"),
        pytest.param(b"[" * 100_000, id="nested to break a parser"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
    ],
)
def test_every_other_spelling_is_refused(raw: bytes) -> None:
    with pytest.raises(NotCanonical):
        decode(raw)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param({"a": [1, 2.5]}, ("a", 1), id="a float"),
        pytest.param({"a": {"b": INTEGER_LIMIT}}, ("a", "b"), id="an integer too large"),
        pytest.param([b"bytes"], (0,), id="bytes"),
        pytest.param({"名": 1}, (), id="a name outside ASCII"),
        pytest.param({1: 1}, (), id="a name that is no text"),
        pytest.param("\ud800", (), id="a lone surrogate"),
    ],
)
def test_a_value_outside_the_profile_is_refused_with_its_place(
    value: Json, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(NotCanonical) as refusal:
        encode(value)
    assert refusal.value.path == path


@given(st.binary(max_size=100))
def test_base64url_and_bytes_are_inverse(raw: bytes) -> None:
    assert unb64url(b64url(raw)) == raw


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AA==", id="padding"),
        pytest.param("A", id="an impossible length"),
        pytest.param("AB", id="spare bits that are not zero"),
        pytest.param("A+", id="a character of ordinary base64"),
        pytest.param("AA\n", id="a line feed"),
        pytest.param("ＡＡ", id="wide letters"),
    ],
)
def test_every_other_base64url_is_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        unb64url(text)
