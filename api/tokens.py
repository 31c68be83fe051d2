"""Credentials in files, one a tier; those of the demonstration let a newcomer try every schema.

    TOKEN_DAYS        how long they are good; `xin up` writes them anew at every start
    token_path        where the credential of a tier lies
    write_demo_tokens one credential for each holder, signed by the demonstration's issuer
    write_token       one file, for its owner alone
    read_token        the credential of a tier, or a refusal
    TokenMissing      that refusal

All have the final form (`api.access`); those of the demonstration are believed nowhere else.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from api.access import DEMO_ISSUER, DEMO_KEY, Credential, Tier, issue_credential
from api.fault import Fault
from ledger.custody import Custody
from ledger.identity import SubjectLabel

TOKEN_DAYS = 30
"""Long enough to come back to a demonstration; each start writes them anew."""


class TokenMissing(Fault):
    """There is no credential file of that tier."""

    code: ClassVar[str] = "COMMAND_TOKEN_MISSING"


def token_path(folder: Path, tier: Tier) -> Path:
    """One file, mode 0600."""
    return folder / f"{tier.value}.jwt"


def write_demo_tokens(
    folder: Path,
    keystore: Custody,
    holders: Mapping[Tier, SubjectLabel],
    *,
    audience: str,
    at: datetime,
) -> None:
    """Write a credential for each holder; the issuer's key is made the first time."""
    key = keystore.get(DEMO_KEY) if keystore.has(DEMO_KEY) else keystore.create(DEMO_KEY)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for tier, holder in holders.items():
        credential = Credential(
            issuer=DEMO_ISSUER,
            audience=audience,
            subject=holder,
            tier=tier,
            issued_at=int(at.timestamp()),
            expires_at=int((at + timedelta(days=TOKEN_DAYS)).timestamp()),
            reference=secrets.token_hex(8),
        )
        write_token(token_path(folder, tier), issue_credential(credential, key))


def write_token(path: Path, token: str) -> None:
    """Never readable by others, not even for a moment, and whole or not at all."""
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    beside.replace(path)


def read_token(folder: Path, tier: Tier) -> str:
    """Raises `TokenMissing`."""
    path = token_path(folder, tier)
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise TokenMissing(
            f"no credential of tier {tier.value} in {token_path(folder, tier)}: one signed by an "
            "issuer of XIN_CREDENTIAL_ISSUERS, as `xin credential give` signs it; `xin up` writes "
            "those of its demonstration",
            path=(tier.value,),
        ) from None
