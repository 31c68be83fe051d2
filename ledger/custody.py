"""Where a hardware module fits: a private key signs and is never shown.

    Algorithm       Ed25519 (RFC 8032) or ML-DSA-44 (FIPS 204)
    algorithm_of    which of them a key of some name has
    series          the names of one owner's keys, oldest first; next_name the one after them
    KeptKey         a private key that somebody keeps: public half, thumbprint, signatures
    Custody         keys by name: which there are, one of them, a new one

Everything that signs takes a `KeptKey`; who keeps it is decided where a process starts. A seed in
this process is `ledger.seed_key`, a folder of key files `ledger.keystore`, another process over a
Unix socket `ledger.key_agent`. A further custody has these methods and is held by the same tests
(`tests/ledger/test_custody.py`). Pure: what a key does when it is told to sign is its own affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol

ML_DSA_44_SUFFIX = "-ml-dsa-44"


class Algorithm(Enum):
    """What a key signs with. The values are those of JOSE."""

    ED25519 = "Ed25519"
    ML_DSA_44 = "ML-DSA-44"


def algorithm_of(name: str) -> Algorithm:
    """A name says what its key is, so that nobody signs with a key of another algorithm."""
    return Algorithm.ML_DSA_44 if name.endswith(ML_DSA_44_SUFFIX) else Algorithm.ED25519


def series(names: Iterable[str], stem: str, suffix: str = "") -> list[str]:
    """`log`, `log-2`, `log-3` as far as they are among these names, in that order."""
    pattern = re.compile(rf"{re.escape(stem)}(?:-([0-9]+))?{re.escape(suffix)}", re.ASCII)
    found = [(int(match[1] or 1), match[0]) for match in map(pattern.fullmatch, names) if match]
    return [name for _, name in sorted(found)]


def next_name(names: Iterable[str], stem: str, suffix: str = "") -> str:
    """The name of the key after all of these; a number that was used is not used again."""
    taken = series(names, stem, suffix)
    if not taken:
        return f"{stem}{suffix}"
    last = taken[-1].removeprefix(stem).removesuffix(suffix)
    return f"{stem}-{int(last.removeprefix('-') or 1) + 1}{suffix}"


class KeptKey(Protocol):
    """A private key. Whatever it raises when it cannot sign has a code (`ledger.errors`)."""

    @property
    def algorithm(self) -> Algorithm:
        """What it signs with."""

    @property
    def public_key(self) -> bytes:
        """The public half."""

    @property
    def kid(self) -> str:
        """Its thumbprint, RFC 7638."""

    @property
    def waits(self) -> bool:
        """Whether signing asks somebody else; an event loop then leaves it to a thread."""

    def sign(self, message: bytes) -> bytes:
        """The signature over a message."""

    def draw(self, message: bytes) -> bytes:
        """32 bytes that follow from key and message, and say nothing to whoever lacks the key."""


class Custody(Protocol):
    """Keys by name: letters, digits, hyphen and underscore."""

    def names(self) -> Sequence[str]:
        """Of all keys, sorted."""

    def has(self, name: str) -> bool:
        """Whether a key of that name is kept."""

    def get(self, name: str) -> KeptKey:
        """Raises `KeyNotKept`."""

    def create(self, name: str) -> KeptKey:
        """A new random key under a name that is free. Raises `FileExistsError`."""
