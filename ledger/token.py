"""Compact JWS as the wire has them: three parts, one spelling, Ed25519 (RFC 7515, RFC 8037).

    TokenType      typ of a statement, a capture, a control entry
    Token          a parsed token: header, payload, signature, and its exact text
    Token.parse    refuses whatever has a second spelling
    read_header    key ID and type of a header
    sign           payload to token
    thumbprint     the key ID of a public key, RFC 7638
    public_jwk     a public key as JWK; parse_jwk is its inverse
    public_key_of  the public half of a seed

The header is exactly {"alg":"Ed25519","kid":…,"typ":…} in canonical JSON, so that a key can be
looked up before anything is believed. The payload must be canonical too, and every base64url part
must encode back to itself: ordinary JOSE code accepts sixteen spellings of one signature. Pure.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import Self, cast

import orjson
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from ledger.canonical import Json, b64url, decode, encode, unb64url
from ledger.custody import Algorithm, KeptKey
from ledger.errors import ControlInvalid, NotCanonical, SignatureInvalid, TokenMalformed

TOKEN_BYTES_MAX = 48_000
"""A control token stands in its leaf, which holds 65,535 bytes with label and envelope."""

SIGNATURE_BYTES = 64
KEY_BYTES = 32


class TokenType(Enum):
    """The `typ` of a header."""

    STATEMENT = "xinyuan-statement+sd-jwt"
    CAPTURE = "xinyuan-capture+jwt"
    CONTROL = "xinyuan-control+jwt"


_TYPES = frozenset(member.value for member in TokenType)
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """One compact JWS, parsed. Its signature is judged by `verify`, not by parsing."""

    text: str
    type: TokenType
    kid: str
    raw_payload: bytes
    """Canonical JSON."""
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Exact parser. Raises `TokenMalformed`."""
        if len(text) > TOKEN_BYTES_MAX:
            raise TokenMalformed(f"longer than {TOKEN_BYTES_MAX} bytes", path=("token",))
        parts = text.split(".")
        if len(parts) != 3:
            raise TokenMalformed("not the three parts of a compact JWS", path=("token",))
        kid, type_ = read_header(parts[0])
        raw_payload, _ = _part(parts[1], "payload")
        try:
            signature = unb64url(parts[2])
        except NotCanonical as error:
            raise TokenMalformed(error.message, path=("token", "signature")) from None
        if len(signature) != SIGNATURE_BYTES:
            raise TokenMalformed(
                f"a signature of {len(signature)} bytes", path=("token", "signature")
            )
        return cls(text, type_, kid, raw_payload, signature)

    @property
    def payload(self) -> dict[str, Json]:
        """The members, read anew each time: a statement in its usual spelling never asks."""
        return cast("dict[str, Json]", orjson.loads(self.raw_payload))

    @property
    def signing_input(self) -> bytes:
        """What the signature is over: header.payload in ASCII."""
        return self.text.rpartition(".")[0].encode("ascii")

    @property
    def commit(self) -> str:
        """base64url(SHA-256(token)): what a leaf says of a token."""
        return b64url(hashlib.sha256(self.text.encode("ascii")).digest())

    def verify(self, public_key: bytes) -> None:
        """Raises `SignatureInvalid`."""
        # The binding itself trusts these lengths.
        assert len(public_key) == KEY_BYTES
        assert len(self.signature) == SIGNATURE_BYTES
        try:
            crypto_sign_open(self.signature + self.signing_input, public_key)
        except BadSignatureError:
            raise SignatureInvalid(
                f"the signature does not verify under key {self.kid}", path=("token", "signature")
            ) from None


def read_header(text: str) -> tuple[str, TokenType]:
    """Key ID and type that a header names. Raises `TokenMalformed`."""
    _, header = _part(text, "header")
    if set(header) != {"alg", "kid", "typ"} or header["alg"] != "Ed25519":
        raise TokenMalformed(
            "the header is not exactly alg Ed25519, kid and typ", path=("token", "header")
        )
    kid, typ = header["kid"], header["typ"]
    if not isinstance(kid, str) or not _THUMBPRINT.fullmatch(kid):
        raise TokenMalformed("kid is no SHA-256 thumbprint", path=("token", "header", "kid"))
    if not isinstance(typ, str) or typ not in _TYPES:
        raise TokenMalformed(f"unknown typ {typ!r}", path=("token", "header", "typ"))
    return kid, TokenType(typ)


def sign(key: KeptKey, type_: TokenType, payload: dict[str, Json]) -> Token:
    """The token over `payload` by an Ed25519 key.

    What is written is read at once, so that nobody signs what no reader takes.
    Raises `TokenMalformed`.
    """
    assert key.algorithm is Algorithm.ED25519
    header = encode({"alg": "Ed25519", "kid": key.kid, "typ": type_.value})
    signing_input = f"{b64url(header)}.{b64url(encode(payload))}"
    signature = key.sign(signing_input.encode("ascii"))
    return Token.parse(f"{signing_input}.{b64url(signature)}")


def public_key_of(seed: bytes) -> bytes:
    """The public half of a seed."""
    return bytes(SigningKey(seed).verify_key)


def public_jwk(public_key: bytes) -> dict[str, Json]:
    """RFC 8037: an Ed25519 public key as JWK, its three required members only."""
    return {"crv": "Ed25519", "kty": "OKP", "x": b64url(public_key)}


def parse_jwk(jwk: Json) -> bytes:
    """The public key of a JWK with exactly the three required members. Raises `ControlInvalid`."""
    if (
        not isinstance(jwk, dict)
        or set(jwk) != {"crv", "kty", "x"}
        or (jwk["crv"], jwk["kty"]) != ("Ed25519", "OKP")
        or not isinstance(jwk["x"], str)
    ):
        raise ControlInvalid("not exactly an OKP Ed25519 public key (RFC 8037)")
    try:
        public_key = unb64url(jwk["x"])
    except NotCanonical as error:
        raise ControlInvalid(error.message, path=("x",)) from None
    if len(public_key) != KEY_BYTES:
        raise ControlInvalid(f"a public key of {len(public_key)} bytes", path=("x",))
    return public_key


def thumbprint(public_key: bytes) -> str:
    """RFC 7638 with SHA-256, in base64url."""
    return b64url(hashlib.sha256(encode(public_jwk(public_key))).digest())


def _part(text: str, name: str) -> tuple[bytes, dict[str, Json]]:
    try:
        raw = unb64url(text)
        value = decode(raw)
    except NotCanonical as error:
        raise TokenMalformed(error.message, path=("token", name, *error.path)) from None
    if not isinstance(value, dict):
        raise TokenMalformed("not a JSON object", path=("token", name))
    return raw, value
