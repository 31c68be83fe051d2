"""RFC 7515, 7638, 8037: compact JWS with one spelling, read by an ordinary JOSE library too."""

import json
from hashlib import sha256

import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey

from ledger.canonical import Json, b64url, encode
from ledger.errors import ControlInvalid, LedgerError, SignatureInvalid, TokenMalformed
from ledger.seed_key import SeedKey
from ledger.token import (
    TOKEN_BYTES_MAX,
    Token,
    TokenType,
    parse_jwk,
    public_jwk,
    public_key_of,
    sign,
    thumbprint,
)

SEED = sha256(b"a key").digest()
TOKEN = sign(SeedKey(SEED), TokenType.STATEMENT, {"a": 1, "b": "名"})
HEADER, PAYLOAD, SIGNATURE = TOKEN.text.split(".")
KID = thumbprint(public_key_of(SEED))


def header(**members: Json) -> str:
    """The header of the token with some members replaced; None takes one away."""
    whole: dict[str, Json] = {"alg": "Ed25519", "kid": KID, "typ": TokenType.STATEMENT.value}
    whole.update(members)
    return b64url(encode({name: value for name, value in whole.items() if value is not None}))


def test_a_token_is_read_as_it_was_signed() -> None:
    assert Token.parse(TOKEN.text) == TOKEN
    TOKEN.verify(public_key_of(SEED))


def test_an_ordinary_jose_library_verifies_it() -> None:
    key = OKPKey.import_key(
        {name: str(value) for name, value in public_jwk(public_key_of(SEED)).items()}
    )
    registry = jws.JWSRegistry(algorithms=["Ed25519"])
    found = jws.deserialize_compact(TOKEN.text, key, registry=registry)
    assert json.loads(found.payload) == {"a": 1, "b": "名"}
    assert key.thumbprint() == KID
    foreign = OKPKey.import_key(
        {name: str(value) for name, value in public_jwk(public_key_of(bytes(32))).items()}
    )
    for text, refused in (
        (TOKEN.text, foreign),
        (f"{HEADER}.{b64url(encode({'a': 2, 'b': '名'}))}.{SIGNATURE}", key),
        (f"{header(typ='xinyuan-capture+jwt')}.{PAYLOAD}.{SIGNATURE}", key),
    ):
        with pytest.raises(BadSignatureError):
            jws.deserialize_compact(text, refused, registry=registry)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{HEADER}.{PAYLOAD}", id="two parts"),
        pytest.param(f"{TOKEN.text}.", id="four parts"),
        pytest.param(f"{TOKEN.text}=", id="padding"),
        pytest.param(f"{TOKEN.text}\n", id="a line feed"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-2]}", id="a signature cut short"),
        pytest.param(f"{header(alg='EdDSA')}.{PAYLOAD}.{SIGNATURE}", id="the old name of alg"),
        pytest.param(f"{header(alg='none')}.{PAYLOAD}.", id="no algorithm"),
        pytest.param(f"{header(jwk={})}.{PAYLOAD}.{SIGNATURE}", id="one member more"),
        pytest.param(f"{header(kid=None)}.{PAYLOAD}.{SIGNATURE}", id="no kid"),
        pytest.param(f"{header(kid='root')}.{PAYLOAD}.{SIGNATURE}", id="a kid of our own"),
        pytest.param(f"{header(kid=[])}.{PAYLOAD}.{SIGNATURE}", id="a kid that is a list"),
        pytest.param(f"{header(typ='JWT')}.{PAYLOAD}.{SIGNATURE}", id="another typ"),
        pytest.param(f"{header(typ=[])}.{PAYLOAD}.{SIGNATURE}", id="a typ that is a list"),
        pytest.param(f"{b64url(b'[]')}.{PAYLOAD}.{SIGNATURE}", id="a header that is a list"),
        pytest.param(f"{HEADER}.{b64url(b'{} ')}.{SIGNATURE}", id="a payload with a space"),
        pytest.param(f"{HEADER}.{b64url(b'null')}.{SIGNATURE}", id="a payload that is null"),
        pytest.param("", id="nothing"),
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(TokenMalformed) as refusal:
        Token.parse(text)
    assert refusal.value.path[0] == "token"


def test_a_token_has_a_longest_form() -> None:
    def token_of(payload_bytes: int) -> str:
        payload = b64url(b'{"a":"' + b"x" * (payload_bytes - 8) + b'"}')
        return f"{HEADER}.{payload}.{SIGNATURE}"

    room = TOKEN_BYTES_MAX - len(f"{HEADER}..{SIGNATURE}")
    longest = room * 3 // 4
    assert len(token_of(longest)) <= TOKEN_BYTES_MAX < len(token_of(longest + 1))
    assert Token.parse(token_of(longest)).text == token_of(longest)
    with pytest.raises(TokenMalformed):
        Token.parse(token_of(longest + 1))


def test_none_of_the_fifteen_other_spellings_of_a_signature_passes() -> None:
    # The last character of 64 bytes in base64url holds four spare bits.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(SIGNATURE[-1])
    for other in range(place - place % 16, place - place % 16 + 16):
        text = f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-1]}{alphabet[other]}"
        if other == place:
            assert Token.parse(text) == TOKEN
        else:
            with pytest.raises(TokenMalformed):
                Token.parse(text)


def test_no_changed_character_of_a_token_verifies() -> None:
    for at in range(len(TOKEN.text)):
        changed = TOKEN.text[:at] + ("A" if TOKEN.text[at] != "A" else "B") + TOKEN.text[at + 1 :]
        with pytest.raises(LedgerError):
            Token.parse(changed).verify(public_key_of(SEED))


def test_another_key_does_not_verify() -> None:
    with pytest.raises(SignatureInvalid):
        TOKEN.verify(public_key_of(sha256(b"another key").digest()))


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param({"crv": "Ed25519", "kty": "OKP"}, id="no x"),
        pytest.param({"crv": "Ed448", "kty": "OKP", "x": "AA"}, id="another curve"),
        pytest.param({"crv": "Ed25519", "kty": "OKP", "x": "AA"}, id="one byte"),
        pytest.param({"crv": "Ed25519", "kty": "OKP", "x": "A="}, id="padding"),
        pytest.param({"crv": "Ed25519", "d": "", "kty": "OKP", "x": ""}, id="a private member"),
        pytest.param("x", id="text"),
    ],
)
def test_only_an_ed25519_public_key_is_a_key(jwk: Json) -> None:
    with pytest.raises(ControlInvalid):
        parse_jwk(jwk)
