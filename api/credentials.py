"""Credentials from the operator's own hand, for a log that no identity provider serves.

    ISSUER             whose word they are; believed where XIN_CREDENTIAL_ISSUERS names its key
    believed           that setting, with this issuer beside those that are named already
    give               a credential for a holder, written to a file
    Given              where it lies, and until when it is good
    CredentialRefused  what nobody should have

Its key is made the first time and kept as CREDENTIALS_KEY. A server believes it only when it is
told to, so that a key that came into a keystore opens no door by itself. A credential cannot be
called back; it is short, or its issuer's key is replaced.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from api.access import Credential, Tier, issue_credential
from api.controls import known
from api.custody import custody_of
from api.fault import Fault
from api.openings import OPERATOR_LABEL
from api.service import system_clock
from api.settings import Settings
from api.tokens import token_path, write_token
from ledger.canonical import Json, encode
from ledger.custody import Custody, KeptKey
from ledger.identity import SubjectLabel
from ledger.token import public_jwk

ISSUER = "urn:xinyuan:operator"

CREDENTIALS_KEY = "credentials"
"""Under this name the keystore holds the issuer's key."""

OPERATOR = "operator"
"""How the operator itself is called as a holder; its file is `operator.jwt`."""

DAYS_MAX = 366
"""A year: whoever lost a credential is let in no longer than that."""


class CredentialRefused(Fault):
    """A credential of a tier, or for a time, that is not given."""

    code: ClassVar[str] = "COMMAND_CREDENTIAL_REFUSED"


@dataclass(frozen=True, slots=True)
class Given:
    """A credential in its file, which its holder alone should read."""

    file: Path
    holder: SubjectLabel
    tier: Tier
    expires_at: datetime

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "expires_at": self.expires_at.isoformat(timespec="seconds"),
            "file": str(self.file),
            "holder": self.holder,
            "tier": self.tier.value,
        }

    def text(self) -> str:
        """In words."""
        until = self.expires_at.isoformat(timespec="seconds")
        return f"{self.file}: tier {self.tier.value} for {self.holder}, until {until}"


def believed(settings: Settings) -> str:
    """The value of XIN_CREDENTIAL_ISSUERS."""
    key = _key(custody_of(settings))
    issuers: dict[str, Json] = {
        issuer: public_jwk(public_key)
        for issuer, public_key in {**settings.credential_issuers, ISSUER: key.public_key}.items()
    }
    return encode(issuers).decode("ascii")


async def give(
    settings: Settings, holder: str, *, tier: Tier, days: int, output: Path | None = None
) -> Given:
    """By default into `tokens/` of XIN_HOME, where commands look for it.

    Raises `CredentialRefused`, and what names no holder.
    """
    if tier is Tier.PUBLIC:
        raise CredentialRefused("the public tier needs no credential", path=("tier",))
    if not 0 < days <= DAYS_MAX:
        raise CredentialRefused(f"a credential is good for 1 to {DAYS_MAX} days", path=("days",))
    is_operator = holder == OPERATOR
    if is_operator and tier is not Tier.AUTHORITY:
        raise CredentialRefused("the operator's credential is of tier authority", path=("tier",))
    log = await known(settings, None if is_operator else holder)
    genesis = log.authorities.genesis
    assert genesis is not None
    now = system_clock()
    given = Given(
        file=output or _file(settings.tokens_folder, tier, is_operator=is_operator),
        holder=OPERATOR_LABEL if is_operator else log.subject,
        tier=tier,
        expires_at=now + timedelta(days=days),
    )
    credential = Credential(
        issuer=ISSUER,
        audience=genesis.origin,
        subject=given.holder,
        tier=tier,
        issued_at=int(now.timestamp()),
        expires_at=int(given.expires_at.timestamp()),
        reference=secrets.token_hex(8),
    )
    if output is None:
        settings.tokens_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_token(given.file, issue_credential(credential, _key(custody_of(settings))))
    return given


def _file(folder: Path, tier: Tier, *, is_operator: bool) -> Path:
    return folder / f"{OPERATOR}.jwt" if is_operator else token_path(folder, tier)


def _key(custody: Custody) -> KeptKey:
    if custody.has(CREDENTIALS_KEY):
        return custody.get(CREDENTIALS_KEY)
    return custody.create(CREDENTIALS_KEY)
