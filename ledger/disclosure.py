"""RFC 9901 disclosures: the opened members of a statement, one text each.

    WEIGHING                the eleven members that weigh, in name order
    Disclosure              salt, name (None for an array element), value, and the exact text
    Disclosure.parse        refuses every other spelling
    Disclosure.of           salt and value to disclosure
    split_presentation      "<jwt>~<disclosure>~…~" to its parts; join_presentation is its inverse

A weighing member is disclosed as the single element of an array, `[salt, value]`, so that one name
cannot carry two values. A particular is disclosed under `_sd`, `[salt, name, value]`. Salts are 16
random bytes, made outside. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Self

from ledger.canonical import Json, b64url, decode, encode, unb64url
from ledger.errors import DisclosureInvalid, NotCanonical, SubmissionTooLarge

WEIGHING = (
    "basis",
    "case",
    "code",
    "decided_on",
    "effective_on",
    "kind",
    "measures",
    "occurred_on",
    "outcome",
    "refers",
    "severity",
)

SALT_BYTES = 16
SALT_CHARACTERS = 22

DISCLOSURES_MAX = 64
"""Eleven weighing members and the particulars of the widest kind, with room."""

DISCLOSURE_BYTES_MAX = 16_384
"""One member; documents are named by digest, never carried."""


class Disclosure(NamedTuple):
    """One disclosure. `name` is None for the element of an array.

    A tuple, because fourteen are made for each statement that comes in, at a third of the cost.
    """

    text: str
    name: str | None
    value: Json

    @classmethod
    def parse(cls, text: str) -> Self:
        """Exact parser. Raises `DisclosureInvalid`."""
        if len(text) > DISCLOSURE_BYTES_MAX:
            raise DisclosureInvalid(f"longer than {DISCLOSURE_BYTES_MAX} bytes")
        try:
            content = decode(unb64url(text))
        except NotCanonical as error:
            raise DisclosureInvalid(error.message, path=error.path) from None
        if not isinstance(content, list) or len(content) not in (2, 3):
            raise DisclosureInvalid("not [salt, value] or [salt, name, value]")
        _check_salt(content[0])
        if len(content) == 2:
            return cls(text, None, content[1])
        name = content[1]
        if not isinstance(name, str) or name in ("_sd", "...", "_sd_alg"):
            raise DisclosureInvalid("a name that is no text, or is reserved by RFC 9901 §4.2.1")
        return cls(text, name, content[2])

    @classmethod
    def of(cls, salt: bytes, name: str | None, value: Json) -> Self:
        """The disclosure of `value` under this salt of 16 bytes."""
        assert len(salt) == SALT_BYTES
        head: list[Json] = [b64url(salt)] if name is None else [b64url(salt), name]
        return cls(b64url(encode([*head, value])), name, value)

    @property
    def digest(self) -> str:
        """base64url(SHA-256(ASCII of the text)), as the payload lists it."""
        return b64url(hashlib.sha256(self.text.encode("ascii")).digest())


def split_presentation(text: str) -> tuple[str, list[str]]:
    """An SD-JWT's token and disclosures. Raises `DisclosureInvalid`, `SubmissionTooLarge`."""
    token, *rest = text.split("~")
    if not rest or rest[-1]:
        raise DisclosureInvalid("an SD-JWT ends in a tilde (RFC 9901 §4)", path=("statement",))
    disclosures = rest[:-1]
    if len(disclosures) > DISCLOSURES_MAX:
        raise SubmissionTooLarge(f"more than {DISCLOSURES_MAX} disclosures", path=("disclosures",))
    return token, disclosures


def join_presentation(token: str, disclosures: Sequence[str]) -> str:
    """The SD-JWT: everything followed by a tilde."""
    return "~".join((token, *disclosures, ""))


def _check_salt(salt: Json) -> None:
    if not isinstance(salt, str) or len(salt) != SALT_CHARACTERS:
        raise DisclosureInvalid(f"the salt is not {SALT_BYTES} bytes in base64url")
    try:
        unb64url(salt)
    except NotCanonical as error:
        raise DisclosureInvalid(f"the salt: {error.message}") from None
