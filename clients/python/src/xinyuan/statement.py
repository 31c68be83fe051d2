"""RFC 9901 SD-JWT: a statement, and as many of its members as the holder opened.

    WEIGHING    the eleven members every kind has; names in the clear, values as array elements
    Disclosure  one opened member: salt, name when it is a particular, value
    Statement   the signed payload with its opened members, digests checked

A digest is base64url SHA-256 of a disclosure's own text (RFC 9901 §4.2.3). Every digest of
the payload occurs once and opens at most one disclosure; a disclosure without its digest is
refused. Disclosures stand in one order, weighing members then particulars, each by name. Pure.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from xinyuan import canonical, exact_base64
from xinyuan.canonical import Json
from xinyuan.errors import Code, VerificationError, located
from xinyuan.fields import Fields
from xinyuan.label import SUBJECT_SCHEMES, Label, subject_label
from xinyuan.token import Token, TokenType

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
_DAYS = frozenset({"decided_on", "effective_on", "occurred_on"})
_SEVERITIES = ("minor", "general", "serious")
_PLAIN = frozenset({"_sd", "_sd_alg", "iat", "iss", "jti", "sub"})
_SALT_SIZE = 16
# RFC 9901 keeps these names for itself, at every depth.
_RESERVED = frozenset({"_sd", "_sd_alg", "..."})
_NO_PARTICULAR = _PLAIN.union(WEIGHING, _RESERVED)

REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One member as its issuer salted it; `name` is None for an array element."""

    text: str
    name: str | None
    value: Json

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take base64url of canonical `[salt, value]` or `[salt, name, value]`."""
        try:
            decoded = canonical.decode(exact_base64.decode_url(text))
        except ValueError as error:
            raise _disclosure("it is not base64url") from error
        except VerificationError as error:
            raise _disclosure(error.message) from error
        if not isinstance(decoded, list) or len(decoded) not in (2, 3):
            raise _disclosure("it is not a list of two or three")
        salt, *named, value = decoded
        try:
            exact_base64.decode_url(salt if isinstance(salt, str) else "", size=_SALT_SIZE)
        except ValueError as error:
            raise _disclosure("its salt is not 16 bytes in base64url") from error
        if _RESERVED & set(_names(value)):
            raise _disclosure("its value holds a name that RFC 9901 reserves")
        if not named:
            return cls(text=text, name=None, value=value)
        name = named[0]
        # A particular is a member of the payload, so its name obeys the profile of all names.
        if not isinstance(name, str) or not name or not name.isascii() or name in _NO_PARTICULAR:
            raise _disclosure("its name cannot name a particular")
        return cls(text=text, name=name, value=value)

    @property
    def digest(self) -> str:
        """What the payload holds in its place."""
        return exact_base64.encode_url(hashlib.sha256(self.text.encode("ascii")).digest())


@dataclass(frozen=True, slots=True)
class Statement:
    """What an authority signed, as far as the holder opened it."""

    token: Token
    issuer: Label
    subject: Label
    reference: str
    issued_at: datetime
    weighing: Mapping[str, Json]
    particulars: Mapping[str, Json]
    particulars_withheld: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take `<token>~<disclosure>~…~` and open what is there."""
        token_text, *disclosures = text.split("~")
        if not disclosures or disclosures.pop() != "":
            raise _malformed("a statement ends with ~ and is followed by no key binding")
        token = Token.parse(token_text, TokenType.STATEMENT)
        with located("payload"):
            fields = Fields.parse(
                token.payload, _PLAIN.union(WEIGHING), code=Code.STATEMENT_MALFORMED
            )
            digests = _digests(fields)
            reference = fields.text("jti")
            if not REFERENCE.fullmatch(reference):
                raise fields.refusal("jti", "1 to 64 of A-Z a-z 0-9 . _ : - belong here")
            issuer, subject = fields.label("iss"), fields.label("sub")
            issued_at = fields.instant("iat")
        opened = _open(disclosures, digests)
        particulars = {name: value for name, value in opened.items() if name not in WEIGHING}
        statement = cls(
            token=token,
            issuer=issuer,
            subject=subject,
            reference=reference,
            issued_at=issued_at,
            weighing={name: opened[name] for name in WEIGHING if name in opened},
            particulars=particulars,
            particulars_withheld=len(fields.items("_sd")) - len(particulars),
        )
        statement._check_weighing()
        statement._check_subject()
        return statement

    @property
    def kind(self) -> str | None:
        """The kind of matter, or None while it is withheld."""
        kind = self.weighing.get("kind")
        return kind if isinstance(kind, str) else None

    @property
    def withheld(self) -> tuple[str, ...]:
        """The weighing members the holder kept closed."""
        return tuple(name for name in WEIGHING if name not in self.weighing)

    def _check_weighing(self) -> None:
        for name, value in self.weighing.items():
            if name == "measures":
                fits = value is None or (
                    isinstance(value, dict) and all(type(part) is int for part in value.values())
                )
            elif name == "kind":
                fits = isinstance(value, str) and value != ""
            elif name in _DAYS:
                fits = value is None or (isinstance(value, str) and _is_day(value))
            elif name == "severity":
                fits = value is None or value in _SEVERITIES
            else:
                fits = value is None or isinstance(value, str)
            if not fits:
                raise VerificationError(
                    Code.STATEMENT_MALFORMED,
                    f"{name}: the opened value is not one this member can have",
                    path=("weighing", name),
                )

    def _check_subject(self) -> None:
        # One-person businesses have no such particular: only the registry binds their label.
        if "subject" not in self.particulars:
            return
        with located("particulars", "subject"):
            fields = Fields.parse(
                self.particulars["subject"], ("id", "scheme"), code=Code.STATEMENT_MALFORMED
            )
            scheme, identifier = fields.text("scheme"), fields.text("id")
            if scheme not in SUBJECT_SCHEMES:
                raise fields.refusal("scheme", f"{scheme!a} is not known")
            if subject_label(scheme, identifier) != self.subject:
                raise VerificationError(
                    Code.SUBJECT_MISMATCH,
                    f"the statement is not about {scheme} {identifier}: its label is another",
                )


def _digests(fields: Fields) -> dict[str, str | None]:
    """Give the weighing member each digest stands for, None for particulars."""
    if fields.text("_sd_alg") != "sha-256":
        raise fields.refusal("_sd_alg", "only sha-256 is known")
    hidden = fields.texts("_sd")
    if hidden != sorted(hidden):
        raise fields.refusal("_sd", "the digests are not sorted")
    digests: dict[str, str | None] = dict.fromkeys(hidden)
    for name in WEIGHING:
        match fields.values[name]:
            case [{"...": str(digest), **others}] if not others:
                digests[digest] = name
            case _:
                raise fields.refusal(name, 'a list of one {"...": digest} belongs here')
    if len(digests) != len(hidden) + len(WEIGHING):
        raise fields.refusal("_sd", "a digest occurs twice")
    for digest in digests:
        try:
            exact_base64.decode_url(digest, size=32)
        except ValueError as error:
            raise fields.refusal("_sd", "a digest is not 32 bytes in base64url") from error
    return digests


def _open(texts: list[str], digests: dict[str, str | None]) -> dict[str, Json]:
    opened: dict[str, Json] = {}
    last: tuple[bool, str] | None = None
    for position, text in enumerate(texts):
        with located("disclosures", position):
            disclosure = Disclosure.parse(text)
            if disclosure.digest not in digests:
                raise VerificationError(
                    Code.DISCLOSURE_UNKNOWN,
                    "the statement holds no digest of this disclosure: "
                    "its value was changed or belongs to another statement",
                )
            weighing = digests[disclosure.digest]
            if (weighing is None) != (disclosure.name is not None):
                raise _disclosure("its form is not that of the place its digest stands in")
            name = weighing or disclosure.name
            assert name is not None
            place = (weighing is None, name)
            if last is not None and place <= last:
                raise VerificationError(
                    Code.DISCLOSURE_ORDER,
                    f"the disclosure of {name!a} stands twice or out of order",
                )
            opened[name], last = disclosure.value, place
    return opened


def _names(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _names(member)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _disclosure(message: str) -> VerificationError:
    return VerificationError(Code.DISCLOSURE_MALFORMED, f"not a disclosure: {message}")


def _malformed(message: str) -> VerificationError:
    return VerificationError(Code.STATEMENT_MALFORMED, message)
