"""Credentials: who is asking, and what that opens (RFC 9068 in a profile of our own).

    Tier               public, enterprise, bank, authority
    Caller             a tier, and whose credential it is
    Credential         the claims of one token
    Access             the issuers a process believes; `caller` judges an Authorization header
    issue_credential   the way out, for an issuer that holds its key

A credential is a JWT with the header {"alg":"Ed25519","kid":…,"typ":"at+jwt"}, kid the RFC 7638
thumbprint of the issuer's key, and the claims iss, aud (the log's origin), sub (a subject label),
tier, iat, exp, jti. No credential means the public tier; a bad one is refused, never taken for
none. The demonstration's issuer is believed only in a demonstration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Self

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from api.errors import (
    AudienceWrong,
    CredentialExpired,
    CredentialMalformed,
    DemoIssuerRefused,
    IssuerUnknown,
    TierForbidden,
)
from ledger.canonical import b64url
from ledger.custody import KeptKey
from ledger.errors import LabelInvalid
from ledger.identity import SubjectLabel, parse_label
from ledger.token import public_jwk, thumbprint

DEMO_ISSUER = "urn:xinyuan:demo"

DEMO_KEY = "demo"
"""Under this name a demonstration keeps its issuer's key in the keystore."""

CREDENTIAL_BYTES_MAX = 4_096
"""Seven short claims and a signature take some 500."""

CLOCK_SKEW_S = 60
"""How far an issuer's clock may run ahead of ours."""

_ALGORITHM = "Ed25519"
_TYPE = "at+jwt"
_CLAIMS = frozenset({"iss", "aud", "sub", "tier", "iat", "exp", "jti"})
_REGISTRY = JWSRegistry(algorithms=[_ALGORITHM])


class Tier(Enum):
    """What a caller may see; each has a schema of its own."""

    PUBLIC = "public"
    ENTERPRISE = "enterprise"
    BANK = "bank"
    AUTHORITY = "authority"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Only the public tier has no subject."""

    tier: Tier
    subject: SubjectLabel | None = None

    def sees_all_of(self, subject: SubjectLabel) -> bool:
        """Whether publicity is no bound: an authority everywhere, an enterprise at home."""
        if self.tier is Tier.AUTHORITY:
            return True
        return self.tier is Tier.ENTERPRISE and self.subject == subject

    def require(self, *tiers: Tier) -> SubjectLabel:
        """The caller's subject, if its tier is one of these. Raises `TierForbidden`."""
        if self.tier not in tiers or self.subject is None:
            names = " or ".join(tier.value for tier in tiers)
            raise TierForbidden(f"this needs a credential of tier {names}")
        return self.subject


PUBLIC = Caller(Tier.PUBLIC)


@dataclass(frozen=True, slots=True)
class Credential:
    """The claims of a token, in their types; no signature and no clock is judged here."""

    issuer: str
    audience: str
    subject: SubjectLabel
    tier: Tier
    issued_at: int
    expires_at: int
    reference: str

    @classmethod
    def parse(cls, claims: Mapping[str, Any]) -> Self:
        """Raises `CredentialMalformed`."""
        if set(claims) != _CLAIMS:
            odd = ", ".join(sorted(set(claims) ^ _CLAIMS))
            raise CredentialMalformed(f"claims missing or unknown: {odd}", path=("credential",))
        for name in ("iss", "aud", "sub", "tier", "jti"):
            if not isinstance(claims[name], str):
                raise CredentialMalformed(f"{name} is no text", path=("credential", name))
        for name in ("iat", "exp"):
            if type(claims[name]) is not int:
                raise CredentialMalformed(
                    f"{name} is no whole number of seconds", path=("credential", name)
                )
        try:
            subject = parse_label(claims["sub"])
        except LabelInvalid as error:
            raise CredentialMalformed(error.message, path=("credential", "sub")) from None
        try:
            tier = Tier(claims["tier"])
        except ValueError:
            tier = Tier.PUBLIC
        if tier is Tier.PUBLIC:
            raise CredentialMalformed(
                "tier is none of enterprise, bank, authority", path=("credential", "tier")
            )
        return cls(
            issuer=claims["iss"],
            audience=claims["aud"],
            subject=subject,
            tier=tier,
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            reference=claims["jti"],
        )

    def claims(self) -> dict[str, str | int]:
        """The inverse of `parse`."""
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": self.subject,
            "tier": self.tier.value,
            "iat": self.issued_at,
            "exp": self.expires_at,
            "jti": self.reference,
        }


CREDENTIALS_KEPT_MAX = 1_024
"""Verified credentials kept in memory, some 2 kB each: those in use, not all there are."""


class Access:
    """Whom this process believes, and for which log."""

    def __init__(self, issuers: Mapping[str, bytes], *, audience: str) -> None:
        self._keys = {issuer: (_key(raw), thumbprint(raw)) for issuer, raw in issuers.items()}
        self._audience = audience
        # A signature that verified once verifies again; its times are judged at every request.
        self._verified = lru_cache(CREDENTIALS_KEPT_MAX)(self._verify)

    def caller(self, authorization: str | None, *, at: datetime) -> Caller:
        """Judge an Authorization header. Raises `AccessError`."""
        if authorization is None:
            return PUBLIC
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CredentialMalformed("Authorization is not `Bearer <token>`", path=_HEADER)
        if len(token) > CREDENTIAL_BYTES_MAX or not token.isascii():
            raise CredentialMalformed(
                f"no ASCII text of at most {CREDENTIAL_BYTES_MAX} bytes", path=_HEADER
            )
        credential = self._verified(token)
        if credential.audience != self._audience:
            raise AudienceWrong(
                f"the credential is for {credential.audience!r}, this log is {self._audience!r}",
                path=("credential", "aud"),
            )
        seconds = at.timestamp()
        if seconds >= credential.expires_at:
            raise CredentialExpired("the credential has expired", path=("credential", "exp"))
        if seconds + CLOCK_SKEW_S < credential.issued_at:
            raise CredentialExpired("the credential is not valid yet", path=("credential", "iat"))
        return Caller(credential.tier, credential.subject)

    def _verify(self, token: str) -> Credential:
        # The claims say whose key to use, so they are read before they are believed.
        signed = _extract(token)
        claims = _claims(signed.payload)
        issuer = claims.get("iss")
        if not isinstance(issuer, str):
            raise CredentialMalformed("iss is no text", path=("credential", "iss"))
        if issuer not in self._keys:
            if issuer == DEMO_ISSUER:
                raise DemoIssuerRefused(
                    "the demonstration's issuer is believed only with XIN_DEMO=1",
                    path=("credential", "iss"),
                )
            raise IssuerUnknown(f"no issuer {issuer!r} is known here", path=("credential", "iss"))
        key, kid = self._keys[issuer]
        if signed.headers() != {"alg": _ALGORITHM, "kid": kid, "typ": _TYPE}:
            raise CredentialMalformed(
                "the header is not exactly alg Ed25519, the issuer's kid, and typ at+jwt",
                path=("credential", "header"),
            )
        if not jws.validate_compact(signed, key, registry=_REGISTRY):
            raise CredentialMalformed(
                "the signature does not verify", path=("credential", "signature")
            )
        return Credential.parse(claims)


def issue_credential(credential: Credential, key: KeptKey) -> str:
    """Sign claims with the issuer's key, which no JOSE library need see."""
    header = {"alg": _ALGORITHM, "kid": key.kid, "typ": _TYPE}
    signing_input = ".".join(b64url(orjson.dumps(part)) for part in (header, credential.claims()))
    return f"{signing_input}.{b64url(key.sign(signing_input.encode('ascii')))}"


_HEADER = ("headers", "authorization")


def _extract(token: str) -> jws.CompactSignature:
    try:
        return jws.extract_compact(token.encode("ascii"), registry=_REGISTRY)
    except (JoseError, ValueError, RecursionError):
        raise CredentialMalformed("no compact JWT", path=_HEADER) from None


def _claims(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        claims = None
    if not isinstance(claims, dict):
        raise CredentialMalformed("the claims are no JSON object", path=("credential",))
    return claims


def _key(public_key: bytes) -> OKPKey:
    return OKPKey.import_key(_jwk(public_key))


def _jwk(public_key: bytes) -> dict[str, Any]:
    return dict(public_jwk(public_key))
