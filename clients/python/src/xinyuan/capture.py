"""Captures: EPCIS events under one signature, sealed member by member.

    Party    who captured: a scheme and an identifier
    Event    one event's members, their raw text, and the seal over them
    split_members   an object's members, each as it was written
    Capture  the signed payload, held against its events and its party

Tree input of a member: salt, name, one zero byte, the value's bytes as received; salt =
first 16 bytes of SHA-256(event secret, name). `seal` is the RFC 9162 root of these inputs
in code point order of the names, `@context` of the document among them; `events_root` is
the RFC 9162 root with the seals as inputs. Seals do not cover white space between the
members of an event, so a proof shows events without any. Pure.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Self

from xinyuan import merkle
from xinyuan.canonical import Json
from xinyuan.errors import Code, VerificationError, located
from xinyuan.fields import Fields
from xinyuan.label import (
    LABEL_SCHEME,
    SUBJECT_SCHEMES,
    Label,
    capture_label,
    parse_label,
    subject_label,
)
from xinyuan.statement import REFERENCE
from xinyuan.token import Token, TokenType

_SALT_SIZE = 16
_SECRET = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTEXT = "@context"


@dataclass(frozen=True, slots=True)
class Party:
    """The enterprise whose goods the events are about, as it was filed."""

    scheme: str
    identifier: str

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Take `{"id":…,"scheme":…}`; scheme `label` is that of one-person businesses."""
        fields = Fields.parse(value, ("id", "scheme"), code=Code.CAPTURE_MALFORMED)
        scheme, identifier = fields.text("scheme"), fields.text("id")
        if scheme == LABEL_SCHEME:
            fields.label("id")
        elif scheme not in SUBJECT_SCHEMES:
            raise fields.refusal("scheme", f"{scheme!a} is not known")
        return cls(scheme=scheme, identifier=identifier)

    @property
    def subject(self) -> Label:
        """The label under which statements speak of the party."""
        if self.scheme == LABEL_SCHEME:
            return parse_label(self.identifier)
        return subject_label(self.scheme, self.identifier)

    @property
    def capture_label(self) -> Label:
        """The label under which the log holds its captures."""
        return capture_label(self.scheme, self.identifier)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its text, its members' raw texts, and the seal that commits to them."""

    text: str
    members: Mapping[str, str]
    seal: bytes

    @classmethod
    def parse(cls, text: str, *, context: str, secret: str) -> Self:
        """Split `text` into its members and seal them with the document's `context`."""
        members = split_members(text)
        if _value_end(context, 0) != len(context):
            raise _event("the context is followed by something else")
        if not _SECRET.fullmatch(secret):
            raise _event("its secret is not 32 lower-case hexadecimal digits")
        # JSON-LD 1.1 §4.1: an event that names a context of its own is read by that one.
        sealed = {_CONTEXT: context, **members}
        seal = merkle.root_hash(
            [_member_input(bytes.fromhex(secret), name, sealed[name]) for name in sorted(sealed)]
        )
        return cls(text=text, members=members, seal=seal)


@dataclass(frozen=True, slots=True)
class Capture:
    """What was signed about a batch of events; `check` holds them against it."""

    token: Token
    issuer: Label
    subject: Label
    reference: str
    issued_at: datetime
    capture_id: str
    count: int
    events_root: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the capture's token."""
        token = Token.parse(text, TokenType.CAPTURE)
        with located("payload"):
            fields = Fields.parse(
                token.payload,
                ("capture", "count", "events_root", "iat", "iss", "jti", "sub"),
                code=Code.CAPTURE_MALFORMED,
            )
            reference, capture_id = fields.text("jti"), fields.text("capture")
            if not REFERENCE.fullmatch(reference):
                raise fields.refusal("jti", "1 to 64 of A-Z a-z 0-9 . _ : - belong here")
            if not _UUID.fullmatch(capture_id):
                raise fields.refusal("capture", "a lower-case UUID belongs here")
            return cls(
                token=token,
                issuer=fields.label("iss"),
                subject=fields.label("sub"),
                reference=reference,
                issued_at=fields.instant("iat"),
                capture_id=capture_id,
                count=fields.integer("count", least=1),
                events_root=fields.hash("events_root"),
            )

    def check(self, events: Sequence[Event], *, context: str, party: Party) -> None:
        """Refuse unless these events were sealed, all of them, in this context, for this party."""
        if len(events) != self.count:
            raise VerificationError(
                Code.EVENTS_MISMATCH,
                f"{len(events)} events are shown where {self.count} were sealed",
                path=("events",),
            )
        if merkle.root_hash([event.seal for event in events]) != self.events_root:
            raise VerificationError(
                Code.EVENTS_MISMATCH,
                "the events, their secrets or their context are not those that were sealed",
                path=("events",),
            )
        # A context that no event takes is under no seal, so it may only repeat one that is.
        own = [event.members.get(_CONTEXT) for event in events]
        if None not in own and context != own[0]:
            raise VerificationError(
                Code.EVENTS_MISMATCH,
                "every event names a context of its own, and the document's is not the first's",
                path=("context",),
            )
        if party.capture_label != self.subject:
            raise VerificationError(
                Code.PARTY_MISMATCH,
                f"the capture was not made for {party.scheme} {party.identifier}: "
                "its label is another",
                path=("party",),
            )


def split_members(text: str) -> dict[str, str]:
    """Give each member of an event as it was written, without reading more into it.

    Between members no white space is allowed and names have their canonical spelling: a
    seal covers neither, and whatever no seal covers could be changed unseen.
    """
    members: dict[str, str] = {}
    position = 0
    if not text.startswith("{"):
        raise _event("it is not an object")
    while text[position : position + 1] in ("{", ","):
        name_at = position + 1
        if text[name_at : name_at + 1] != '"':
            raise _event(f"a member's name belongs at character {name_at}, without white space")
        colon_at = _value_end(text, name_at)
        name = json.loads(text[name_at:colon_at])
        if json.dumps(name, ensure_ascii=False) != text[name_at:colon_at]:
            raise _event(f"the name at character {name_at} is not spelled canonically")
        if name in members:
            raise _event(f"member {name!a} occurs twice")
        if text[colon_at : colon_at + 1] != ":":
            raise _event(f"a colon belongs at character {colon_at}, without white space")
        position = _value_end(text, colon_at + 1)
        members[name] = text[colon_at + 1 : position]
    if text[position:] != "}":
        raise _event(f"its end belongs at character {position}, without white space")
    return members


def _member_input(secret: bytes, name: str, raw: str) -> bytes:
    encoded = name.encode("utf-8")
    salt = hashlib.sha256(secret + encoded).digest()[:_SALT_SIZE]
    return salt + encoded + b"\0" + raw.encode("utf-8")


def _value_end(text: str, start: int) -> int:
    try:
        _, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _event(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _event("nested too deeply") from error
    return end


def _refuse_constant(text: str) -> NoReturn:
    raise _event(f"{text} is not JSON")


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _event("an object names one member twice, and readers would differ on its value")


# Only the end of each value matters: numbers stay text, objects are looked through once.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_distinct,
    parse_int=str,
    parse_float=str,
    parse_constant=_refuse_constant,
)


def _event(message: str) -> VerificationError:
    return VerificationError(Code.EVENT_MALFORMED, f"not an event: {message}")
