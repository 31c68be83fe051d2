"""Salts for disclosures, from the system's randomness (RFC 9901 §9.3).

fresh_salts   one after the other, without end
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from ledger.disclosure import SALT_BYTES

_DRAWN = 64
"""Salts drawn from the system at a time: a call costs more than its bytes, and most statements
take some fifteen."""


def fresh_salts() -> Iterator[bytes]:
    """16 random bytes each."""
    while True:
        drawn = secrets.token_bytes(SALT_BYTES * _DRAWN)
        for start in range(0, len(drawn), SALT_BYTES):
            yield drawn[start : start + SALT_BYTES]
