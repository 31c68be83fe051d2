"""Who a statement is about: identifiers, and the labels that stand for them in the log.

    SubjectLabel            43 characters of base64url; all a leaf says about its subject
    parse_label             text to label, or a refusal
    Scheme                  uscc, fei, lei, inn
    SocialCreditIdentifier  GB 32100-2015, eighteen characters, two checks
    social_credit_check     the last of them; organisation_check that of the organisation within
    Identity                a scheme and an identifier of it
    control_label           the label of what a control entry governs
    person_capture_label    the label under which a one-person business captures events

An organisation's label is a hash of its identifier. A one-person business (social credit
identifier 92…) is a natural person: its label is 32 random bytes given out by the registry and
bound by a `binding` statement, so that nobody finds a person by guessing codes. Pure.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NewType, Self

from ledger.canonical import b64url, unb64url
from ledger.errors import IdentifierInvalid, LabelInvalid, NotCanonical

SubjectLabel = NewType("SubjectLabel", str)

LABEL_BYTES = 32

IDENTITIES_KEPT_MAX = 16_384
"""Identities kept with their labels, some 10 MB: a subject of one statement comes again soon."""

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015 table 1: no I, O, S, V, Z."""

_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))

_INNER_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
"""GB 11714: the organisation code inside, whose own check character is 0-9 or X."""

_BODIES_AND_KINDS = re.compile(r"[1-9ANY][0-9A-Y]", re.ASCII)
_DIVISION = re.compile(r"[0-9]{6}", re.ASCII)
_FEI = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_LEI = re.compile(r"[0-9A-Z]{18}[0-9]{2}", re.ASCII)
_INN = re.compile(r"[0-9]{10}|[0-9]{12}", re.ASCII)


class Scheme(Enum):
    """Whose numbering an identifier belongs to; the value is its spelling on the wire."""

    USCC = "uscc"
    """Unified social credit identifier of China, GB 32100-2015."""
    FEI = "fei"
    """Establishment identifier of the US FDA, one to ten digits."""
    LEI = "lei"
    """Legal entity identifier, ISO 17442."""
    INN = "inn"
    """Taxpayer number of the Russian Federation, ten or twelve digits."""


def parse_label(text: str) -> SubjectLabel:
    """A label: 32 bytes in base64url. Raises `LabelInvalid`."""
    try:
        raw = unb64url(text)
    except NotCanonical as error:
        raise LabelInvalid(f"{text!r} is no label: {error.message}") from None
    if len(raw) != LABEL_BYTES:
        raise LabelInvalid(f"{text!r} is no label: {len(raw)} bytes instead of {LABEL_BYTES}")
    return SubjectLabel(text)


@dataclass(frozen=True, slots=True)
class SocialCreditIdentifier:
    """Eighteen characters of GB 32100, the last a check over the first seventeen."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Refuse whatever does not check. Raises `IdentifierInvalid`."""
        if len(text) != 18 or any(character not in _VALUES for character in text):
            raise IdentifierInvalid(
                f"{text!r} is not 18 characters of {_ALPHABET} (GB 32100-2015 §4.2)"
            )
        if not _BODIES_AND_KINDS.fullmatch(text[:2]):
            raise IdentifierInvalid(f"{text!r}: no registering body or kind {text[:2]!r}")
        if not _DIVISION.fullmatch(text[2:8]):
            raise IdentifierInvalid(f"{text!r}: the division {text[2:8]!r} is not six digits")
        if text[16] != organisation_check(text[8:16]):
            raise IdentifierInvalid(f"{text!r}: the organisation code's check (GB 11714) is wrong")
        if text[17] != social_credit_check(text[:17]):
            raise IdentifierInvalid(f"{text!r}: the last character does not check")
        return cls(text)

    @property
    def is_person(self) -> bool:
        """Whether it names a one-person business, which is a natural person."""
        return self.value.startswith("92")

    @property
    def division(self) -> str:
        """Six digits of GB/T 2260: where it was registered."""
        return self.value[2:8]


def social_credit_check(first_seventeen: str) -> str:
    """The eighteenth character (GB 32100-2015 §4.2.5)."""
    assert len(first_seventeen) == 17
    total = sum(
        _VALUES[character] * weight
        for character, weight in zip(first_seventeen, _WEIGHTS, strict=True)
    )
    return _ALPHABET[-total % 31]


def organisation_check(first_eight: str) -> str:
    """The ninth character of an organisation code (GB 11714): digits 0-9, letters 10-35."""
    assert len(first_eight) == 8
    total = sum(
        int(character, 36) * weight
        for character, weight in zip(first_eight, _INNER_WEIGHTS, strict=True)
    )
    return "0123456789X"[-total % 11]


@dataclass(frozen=True, slots=True)
class Identity:
    """A party in its own numbering scheme."""

    scheme: Scheme
    identifier: str

    @classmethod
    def parse(cls, scheme: str, identifier: str) -> Self:
        """Check form and check characters. Raises `IdentifierInvalid`."""
        return cls(_checked_scheme(scheme, identifier), identifier)

    @property
    def is_person(self) -> bool:
        """Whether the party is a natural person, whose label must be bound, never computed."""
        return self.scheme is Scheme.USCC and self.identifier.startswith("92")

    def label(self) -> SubjectLabel:
        """The label of an organisation. Persons have none that can be computed."""
        assert not self.is_person
        return _label("subject", self.scheme.value, self.identifier)

    def capture_label(self) -> SubjectLabel:
        """The label under which an organisation's captures stand."""
        assert not self.is_person
        return _label("capture", self.scheme.value, self.identifier)


def person_capture_label(subject: SubjectLabel) -> SubjectLabel:
    """The capture label of a one-person business: derived from its random label, not its code."""
    return _label("capture", "label", subject)


def control_label(what: str) -> SubjectLabel:
    """The label of what a control entry governs: `log`, `issuer <label>`, `policy`, …"""
    return _label("control", what)


@lru_cache(IDENTITIES_KEPT_MAX)
def _checked_scheme(scheme: str, identifier: str) -> Scheme:
    try:
        known = Scheme(scheme)
    except ValueError:
        choices = ", ".join(member.value for member in Scheme)
        raise IdentifierInvalid(
            f"{scheme!r} is no identifier scheme; known are {choices}", path=("scheme",)
        ) from None
    try:
        _PARSERS[known](identifier)
    except IdentifierInvalid as error:
        raise IdentifierInvalid(error.message, path=("id",)) from None
    return known


@lru_cache(IDENTITIES_KEPT_MAX)
def _label(domain: str, *parts: str) -> SubjectLabel:
    text = "\n".join((f"xinyuan {domain} v1", *parts))
    return SubjectLabel(b64url(hashlib.sha256(text.encode()).digest()))


def _parse_fei(text: str) -> None:
    if not _FEI.fullmatch(text):
        raise IdentifierInvalid(f"{text!r} is no establishment identifier of one to ten digits")


def _parse_lei(text: str) -> None:
    if not _LEI.fullmatch(text):
        raise IdentifierInvalid(f"{text!r} is not 18 letters or digits and 2 digits (ISO 17442)")
    if int("".join(str(int(character, 36)) for character in text)) % 97 != 1:
        raise IdentifierInvalid(f"{text!r}: the check digits (ISO 7064 mod 97-10) are wrong")


_INN_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
"""Weights of the last check digit of a twelve-digit number; shorter checks use its tail."""


def _parse_inn(text: str) -> None:
    if not _INN.fullmatch(text):
        raise IdentifierInvalid(f"{text!r} is no taxpayer number of ten or twelve digits")
    checks = (9,) if len(text) == 10 else (10, 11)
    for place in checks:
        weights = _INN_WEIGHTS[-place:]
        total = sum(int(text[i]) * weight for i, weight in enumerate(weights))
        if int(text[place]) != total % 11 % 10:
            raise IdentifierInvalid(f"{text!r}: check digit {place + 1} is wrong")


_PARSERS = {
    Scheme.USCC: SocialCreditIdentifier.parse,
    Scheme.FEI: _parse_fei,
    Scheme.LEI: _parse_lei,
    Scheme.INN: _parse_inn,
}
