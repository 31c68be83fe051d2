"""A statement: what one authority says about one subject, signed, its members opened one by one.

    Severity             minor, general, serious: stated by the authority
    Weighing             the eleven members a policy may read
    Statement            issuer, subject, reference, weighing members, particulars, disclosures
    Statement.parse      token and all its disclosures to a statement; no signature is judged here
    Draft, issue         the way out: members and salts to a signed statement
    check_reference      the form of a `jti`; check_instant of an `iat`, label_member of a label
    reference_hash       what a reference hashes to: by it one statement refers to another
    refers_to            the same in base64url, as the member `refers` has it

ARCHITECTURE §3. Every digest of the payload is met by exactly one disclosure and the other way
round, so that there is nothing in a statement the log has not seen. Pure: salts are an argument.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Self, cast

from ledger.canonical import INTEGER_LIMIT, Json, b64url, encode_known
from ledger.custody import KeptKey
from ledger.disclosure import WEIGHING, Disclosure, split_presentation
from ledger.errors import DisclosureInvalid, LabelInvalid, StatementInvalid
from ledger.identity import SubjectLabel, parse_label
from ledger.token import Token, TokenType, sign

_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MEASURE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)

REFERENCE_HASH_PATTERN = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"
"""32 bytes in base64url that encode to the same text again, as `refers` has them."""

_REFERENCE_HASH = re.compile(REFERENCE_HASH_PATTERN[1:-1], re.ASCII)

MEASURES_MAX = 32
"""Of one statement: a fine, items seized, the parts of a score."""

WEIGHING_TEXT_MAX = 64
"""Codes, outcomes and case ids are names, not prose."""

_PAYLOAD = frozenset({"_sd", "_sd_alg", "iat", "iss", "jti", "sub", *WEIGHING})


class Severity(Enum):
    """How grave an authority found it; the three classes of NDRC Order 36."""

    MINOR = "minor"
    GENERAL = "general"
    SERIOUS = "serious"


@dataclass(frozen=True, slots=True)
class Weighing:
    """The members that weigh: the same names in every kind, None where a kind has none."""

    kind: str
    code: str | None = None
    outcome: str | None = None
    severity: Severity | None = None
    occurred_on: date | None = None
    decided_on: date | None = None
    effective_on: date | None = None
    case: str | None = None
    refers: str | None = None
    """What `refers_to` says of the statement that is referred to."""
    measures: Mapping[str, int] | None = None
    basis: str | None = None

    @classmethod
    def parse(cls, values: Mapping[str, Json]) -> Self:
        """From the opened values of all eleven members. Raises `StatementInvalid`."""
        kind = _text(values, "kind")
        if kind is None:
            raise StatementInvalid("a statement has a kind", path=("kind",))
        severity = _text(values, "severity")
        if severity is not None and severity not in _SEVERITIES:
            raise StatementInvalid(
                f"{severity!r} is no severity; known are {', '.join(_SEVERITIES)}",
                path=("severity",),
            )
        return cls(
            kind=kind,
            code=_text(values, "code"),
            outcome=_text(values, "outcome"),
            severity=None if severity is None else _SEVERITIES[severity],
            occurred_on=_day(values, "occurred_on"),
            decided_on=_day(values, "decided_on"),
            effective_on=_day(values, "effective_on"),
            case=_text(values, "case"),
            refers=_refers(values["refers"]),
            measures=_measures(values["measures"]),
            basis=_text(values, "basis"),
        )

    def values(self) -> dict[str, Json]:
        """All eleven members as JSON values: the inverse of `parse`."""
        return {
            "basis": self.basis,
            "case": self.case,
            "code": self.code,
            "decided_on": _iso(self.decided_on),
            "effective_on": _iso(self.effective_on),
            "kind": self.kind,
            "measures": None if self.measures is None else dict(self.measures),
            "occurred_on": _iso(self.occurred_on),
            "outcome": self.outcome,
            "refers": self.refers,
            "severity": None if self.severity is None else self.severity.value,
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with every member open, or with particulars that were erased left out."""

    token: Token
    issuer: SubjectLabel
    subject: SubjectLabel
    jti: str
    issued_at: int
    """Seconds since 1970, as the issuer says."""
    weighing: Weighing
    particulars: Mapping[str, Json]
    weighing_texts: str
    """The disclosures of the weighing members in name order, a tilde before each."""
    particular_texts: str
    """Those of the particulars, likewise."""

    @classmethod
    def parse(cls, token: Token, disclosures: Sequence[str], *, erased: bool = False) -> Self:
        """Pair every digest with its disclosure, then open the members.

        `erased` allows particulars without a disclosure, as after an erasure.
        Raises `StatementInvalid`, `DisclosureInvalid`, `LabelInvalid`.
        """
        payload = token.payload
        if token.type is not TokenType.STATEMENT:
            raise StatementInvalid("the token is of another type", path=("token", "header", "typ"))
        if set(payload) != _PAYLOAD:
            odd = ", ".join(sorted(set(payload) ^ _PAYLOAD))
            raise StatementInvalid(f"members missing or unknown: {odd}", path=("payload",))
        if payload["_sd_alg"] != "sha-256":
            raise StatementInvalid("the digests are not sha-256", path=("payload", "_sd_alg"))
        opened = _by_digest(disclosures)
        ordered: list[Disclosure] = []
        values: dict[str, Json] = {}
        for name in WEIGHING:
            disclosure = opened.pop(_element_digest(payload[name], name), None)
            if disclosure is None or disclosure.name is not None:
                raise DisclosureInvalid(f"{name} is not opened", path=("disclosures", name))
            values[name] = disclosure.value
            ordered.append(disclosure)
        particulars = _particulars(payload["_sd"], opened, erased=erased)
        return cls(
            token=token,
            issuer=label_member(payload, "iss"),
            subject=label_member(payload, "sub"),
            jti=check_reference(payload["jti"]),
            issued_at=check_instant(payload["iat"]),
            weighing=Weighing.parse(values),
            particulars={name: particular.value for name, particular in particulars.items()},
            weighing_texts="".join([f"~{item.text}" for item in ordered]),
            particular_texts="".join([f"~{item.text}" for item in particulars.values()]),
        )

    @property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """Weighing members in name order, then particulars in name order."""
        return tuple(map(Disclosure.parse, split_presentation(self.presentation)[1]))

    @property
    def presentation(self) -> str:
        """The whole SD-JWT."""
        return f"{self.token.text}{self.weighing_texts}{self.particular_texts}~"

    @property
    def content_hash(self) -> bytes:
        """What the statement says, whatever its salts and instant: equal means said before."""
        content: Json = {
            "particulars": dict(self.particulars),
            "sub": self.subject,
            "weighing": self.weighing.values(),
        }
        return hashlib.sha256(encode_known(content)).digest()


@dataclass(frozen=True, slots=True)
class Draft:
    """What an issuer wants to state."""

    issuer: SubjectLabel
    subject: SubjectLabel
    jti: str
    issued_at: int
    weighing: Weighing
    particulars: Mapping[str, Json]


def issue(draft: Draft, key: KeptKey, salts: Iterator[bytes]) -> Statement:
    """Sign a draft with its issuer's key; each member takes one salt of 16 random bytes.

    The statement is that which a reader of token and disclosures parses: a draft outside its form
    is refused here, before it can stand in the log for ever. Raises what `Statement.parse` raises.
    """
    values = draft.weighing.values()
    weighing = {name: Disclosure.of(next(salts), None, values[name]) for name in WEIGHING}
    particulars = [
        Disclosure.of(next(salts), name, draft.particulars[name])
        for name in sorted(draft.particulars)
    ]
    payload: dict[str, Json] = {
        "_sd": cast("list[Json]", sorted(item.digest for item in particulars)),
        "_sd_alg": "sha-256",
        "iat": draft.issued_at,
        "iss": draft.issuer,
        "jti": draft.jti,
        "sub": draft.subject,
    }
    for name, disclosure in weighing.items():
        payload[name] = [{"...": disclosure.digest}]
    token = sign(key, TokenType.STATEMENT, payload)
    return Statement.parse(token, [item.text for item in (*weighing.values(), *particulars)])


def reference_hash(issuer: SubjectLabel, jti: str) -> bytes:
    """SHA-256 of issuer and jti with a space between, which neither has."""
    return hashlib.sha256(f"{issuer} {jti}".encode("ascii")).digest()


def refers_to(issuer: SubjectLabel, jti: str) -> str:
    """What a statement says that refers to that one: known before either is admitted."""
    return b64url(reference_hash(issuer, jti))


def check_reference(jti: Json) -> str:
    """An issuer's own reference. Raises `StatementInvalid`."""
    if not isinstance(jti, str) or not _REFERENCE.fullmatch(jti):
        raise StatementInvalid(
            "jti is not 1 to 64 characters of A-Za-z0-9._:-", path=("payload", "jti")
        )
    return jti


def check_instant(iat: Json) -> int:
    """Seconds since 1970. Raises `StatementInvalid`."""
    if type(iat) is not int or not 0 <= iat < INTEGER_LIMIT // 1_000_000:
        raise StatementInvalid("iat is no number of seconds since 1970", path=("payload", "iat"))
    return iat


def label_member(payload: Mapping[str, Json], name: str) -> SubjectLabel:
    """A label in a payload. Raises `LabelInvalid`."""
    value = payload[name]
    if not isinstance(value, str):
        raise LabelInvalid("a label is text", path=("payload", name))
    try:
        return parse_label(value)
    except LabelInvalid as error:
        raise error.within("payload", name) from None


_SEVERITIES = {member.value: member for member in Severity}


def _by_digest(texts: Sequence[str]) -> dict[str, Disclosure]:
    found: dict[str, Disclosure] = {}
    for position, text in enumerate(texts):
        try:
            disclosure = Disclosure.parse(text)
        except DisclosureInvalid as error:
            raise error.within("disclosures", position) from None
        digest = disclosure.digest
        if digest in found:
            raise DisclosureInvalid("disclosed twice", path=("disclosures", position))
        found[digest] = disclosure
    return found


def _element_digest(value: Json, name: str) -> str:
    if isinstance(value, list) and len(value) == 1:
        element = value[0]
        if isinstance(element, dict) and set(element) == {"..."}:
            digest = element["..."]
            if isinstance(digest, str):
                return digest
    raise StatementInvalid(
        'a weighing member is exactly [{"...":"<digest>"}]', path=("payload", name)
    )


def _particulars(
    digests: Json, opened: dict[str, Disclosure], *, erased: bool
) -> dict[str, Disclosure]:
    if not isinstance(digests, list) or not all(isinstance(item, str) for item in digests):
        raise StatementInvalid("_sd is no list of digests", path=("payload", "_sd"))
    texts = cast("list[str]", digests)
    if any(left >= right for left, right in itertools.pairwise(texts)):
        raise StatementInvalid("_sd is not sorted, or repeats a digest", path=("payload", "_sd"))
    found: dict[str, Disclosure] = {}
    for position, digest in enumerate(texts):
        disclosure = opened.pop(digest, None)
        if disclosure is None and erased:
            continue
        if disclosure is None or disclosure.name is None:
            raise DisclosureInvalid(
                f"digest {position} of _sd is not opened", path=("payload", "_sd", position)
            )
        if disclosure.name in found or disclosure.name in _PAYLOAD:
            raise DisclosureInvalid(
                f"{disclosure.name!r} stands there already", path=("disclosures", disclosure.name)
            )
        found[disclosure.name] = disclosure
    if opened:
        raise DisclosureInvalid(
            f"{len(opened)} disclosures belong to no digest", path=("disclosures",)
        )
    return dict(sorted(found.items()))


def _text(values: Mapping[str, Json], name: str) -> str | None:
    value = values[name]
    if value is None:
        return None
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= WEIGHING_TEXT_MAX
        or not value.isprintable()
    ):
        raise StatementInvalid(
            f"{name} is no text of 1 to {WEIGHING_TEXT_MAX} printable characters", path=(name,)
        )
    return value


def _refers(value: Json) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _REFERENCE_HASH.fullmatch(value):
        raise StatementInvalid(
            "refers is not the hash of a reference, 32 bytes in base64url", path=("refers",)
        )
    return value


def _day(values: Mapping[str, Json], name: str) -> date | None:
    value = values[name]
    if value is None:
        return None
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise StatementInvalid(f"{name} is no day YYYY-MM-DD", path=(name,))


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _measures(value: Json) -> dict[str, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not 0 < len(value) <= MEASURES_MAX:
        raise StatementInvalid(
            f"measures is no object of 1 to {MEASURES_MAX} members", path=("measures",)
        )
    for name, number in value.items():
        if not _MEASURE.fullmatch(name) or type(number) is not int:
            raise StatementInvalid(
                "a measure is a name of a-z0-9_ and an integer", path=("measures", name)
            )
    return cast("dict[str, int]", value)
