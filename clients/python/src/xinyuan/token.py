"""RFC 7515 compact JWS, in the one spelling that the log takes.

    PublicKey   an Ed25519 JWK (RFC 8037) and its RFC 7638 thumbprint
    TokenType   the three `typ` of the wire
    Token       header, payload and signature, read exactly
    Token.verify  refuses unless the key of its `kid` has signed

The header is exactly {"alg":"Ed25519","kid":…,"typ":…}; header and payload are canonical
JSON, all three parts canonical base64url. So one token has one text. Pure.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from xinyuan import canonical, exact_base64, signature
from xinyuan.canonical import Json
from xinyuan.errors import Code, VerificationError, located
from xinyuan.exact_base64 import encode_url
from xinyuan.fields import Fields


class TokenType(StrEnum):
    """What a token is, signed with it so that none passes for another."""

    STATEMENT = "xinyuan-statement+sd-jwt"
    CAPTURE = "xinyuan-capture+jwt"
    CONTROL = "xinyuan-control+jwt"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key, named by the thumbprint of its JWK."""

    key: bytes

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Take a JWK with exactly `crv`, `kty` and `x`."""
        fields = Fields.parse(value, ("crv", "kty", "x"), code=Code.CONTROL_MALFORMED)
        if fields.text("kty") != "OKP":
            raise fields.refusal("kty", "only OKP keys are known")
        if fields.text("crv") != "Ed25519":
            raise fields.refusal("crv", "only the curve Ed25519 is known")
        return cls(key=fields.hash("x"))

    @property
    def thumbprint(self) -> str:
        """RFC 7638 §3, as `kid` carries it."""
        jwk: Json = {"crv": "Ed25519", "kty": "OKP", "x": encode_url(self.key)}
        return encode_url(hashlib.sha256(canonical.encode(jwk)).digest())


@dataclass(frozen=True, slots=True)
class Token:
    """A token that reads well; nothing is believed before `verify`."""

    text: str
    kid: str
    payload: Json
    signing_input: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str, expected: TokenType) -> Self:
        """Take the exact spelling of a token of the `expected` type."""
        parts = text.split(".")
        if len(parts) != 3:
            raise _malformed("a token has three parts")
        try:
            header_raw, payload_raw, signed = map(exact_base64.decode_url, parts)
        except ValueError as error:
            raise _malformed("a part is not base64url") from error
        header = _json(header_raw, "header")
        kid = header.get("kid") if isinstance(header, dict) else None
        if not isinstance(kid, str) or header != {
            "alg": "Ed25519",
            "kid": kid,
            "typ": expected.value,
        }:
            raise _malformed(f"its header is not that of {expected.value}", "header")
        if len(signed) != signature.SIGNATURE_SIZE:
            raise _malformed("its signature is not 64 bytes", "signature")
        return cls(
            text=text,
            kid=kid,
            payload=_json(payload_raw, "payload"),
            signing_input=text.rpartition(".")[0].encode("ascii"),
            signature=signed,
        )

    def verify(self, key: PublicKey) -> None:
        """Refuse unless `key` is the one named by `kid` and has signed."""
        if key.thumbprint != self.kid:
            raise VerificationError(
                Code.TOKEN_SIGNATURE_INVALID,
                f"the token names key {self.kid!a}, {key.thumbprint} belongs here",
                path=("header", "kid"),
            )
        if not signature.is_valid(key.key, self.signing_input, self.signature):
            raise VerificationError(
                Code.TOKEN_SIGNATURE_INVALID,
                f"the signature of key {self.kid} does not fit the token",
                path=("signature",),
            )


def _json(raw: bytes, part: str) -> Json:
    try:
        with located(part):
            return canonical.decode(raw)
    except VerificationError as error:
        raise _malformed(f"its {part} is refused: {error.message}", *error.path) from error


def _malformed(message: str, *path: str | int) -> VerificationError:
    return VerificationError(Code.TOKEN_MALFORMED, f"not a token: {message}", path=path)
