"""Which of an issuer's keys in our custody signs.

    custodial_key   the one that is in force at the next index
    newest_key      the last that was made, in force or not; made where there is none

An issuer's first key is kept under its label, those after it under `<label>-2` and so on. A key
that was made and not begun, as a crash leaves it, signs nothing. Pure, as far as the custody is.
"""

from __future__ import annotations

from ledger.authority import Authorities
from ledger.custody import Custody, KeptKey, series
from ledger.errors import KeyNotKept
from ledger.identity import SubjectLabel


def custodial_key(
    custody: Custody, authorities: Authorities, issuer: SubjectLabel, *, kept_as: str | None = None
) -> KeptKey:
    """The newest that signs; where none does, the newest, which admission refuses by its reason.

    `kept_as` is the name of its first key, where that is not its label. Raises `KeyNotKept`.
    """
    keys = [custody.get(name) for name in series(custody.names(), kept_as or issuer)]
    if not keys:
        raise KeyNotKept(f"no key of {issuer} is kept here")
    for key in reversed(keys):
        record = authorities.keys.get(key.kid)
        if record is not None and record.ended_index is None:
            return key
    return keys[-1]


def newest_key(custody: Custody, issuer: SubjectLabel) -> KeptKey:
    """The last of an issuer's keys, made the first time."""
    names = series(custody.names(), issuer)
    return custody.get(names[-1]) if names else custody.create(issuer)
