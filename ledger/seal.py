"""A capture of EPCIS events: each event sealed member by member, the capture by one root.

    split_members      an event's top-level members, their values as the bytes received
    SealedEvent        raw bytes and secret of one event
    member_salt        the salt of one member
    seal               RFC 9162 root over the salted members of one event
    events_root        RFC 9162 root over the seals of a capture
    Party              who captured: an organisation's identity, or a person's label
    Capture            a parsed capture: token, party, context, events
    Capture.parse      refuses what does not hash to the signed root
    issue_capture      the way out: events and secrets to a signed capture

ARCHITECTURE §3. A member is hashed as salt (16 bytes) || name || 0x00 || value bytes, its salt
the first 16 bytes of SHA-256(event secret || name), so that a consumer who sees some members of
an event can still check them. Pure: secrets are an argument.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Self, cast

from ledger.canonical import Json, b64url, encode, unb64url
from ledger.custody import KeptKey
from ledger.errors import CaptureInvalid, NotCanonical, SealMismatch
from ledger.identity import Identity, Scheme, SubjectLabel, parse_label, person_capture_label
from ledger.merkle import HASH_BYTES, Hash, leaf_hash, root
from ledger.statement import check_instant, check_reference, label_member
from ledger.token import Token, TokenType, sign

SECRET_BYTES = 16
EVENTS_MAX = 500
"""Events of one capture: EPCIS servers announce such a limit by GS1-EPCIS-Capture-Limit."""

CAPTURE_BYTES_MAX = 10 * 1024 * 1024
"""All event bytes of one capture together."""

CONTEXT_BYTES_MAX = 64 * 1024
"""Every event is hashed with it: 500 events, 32 MB. The standard's own is named by its URL."""

DEPTH_MAX = 64
"""Objects and lists within one another, the event itself among them, as `traceability.document`
has it. What is read back must not depend on how deep the reader's stack is by then."""

CONTEXT = "@context"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SPACE = re.compile(r"[ \t\n\r]*")
_PAYLOAD = frozenset({"capture", "count", "events_root", "iat", "iss", "jti", "sub"})


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)


def split_members(raw: bytes) -> dict[str, bytes]:
    """The top-level members of one JSON object, values exactly as received.

    Raises `CaptureInvalid` for anything but one object in UTF-8 without repeated names.
    """
    try:
        text = raw.decode("utf-8")
        members = _members(text)
    except (ValueError, IndexError, RecursionError) as error:
        raise CaptureInvalid(f"no JSON object in UTF-8: {error}") from None
    return {name: text[start:end].encode() for name, (start, end) in members.items()}


def _members(text: str) -> dict[str, tuple[int, int]]:
    members: dict[str, tuple[int, int]] = {}
    at = _skip(text, 0)
    if text[at] != "{":
        raise ValueError("it does not begin with a brace")
    at = _skip(text, at + 1)
    closing = "}"
    if text[at] == closing:
        at += 1
    else:
        while True:
            if text[at] != '"':
                raise ValueError("a member name is missing")
            name, at = scanstring(text, at + 1, True)
            name.encode()  # a lone surrogate has no bytes to hash
            at = _skip(text, at)
            if text[at] != ":":
                raise ValueError("a colon is missing")
            start = _skip(text, at + 1)
            value, end = _DECODER.raw_decode(text, start)
            _check_depth(value, DEPTH_MAX - 1)
            if name in members:
                raise ValueError("a member name is repeated")
            members[name] = (start, end)
            at = _skip(text, end)
            if text[at] == closing:
                at += 1
                break
            if text[at] != ",":
                raise ValueError("a comma is missing")
            at = _skip(text, at + 1)
    if _skip(text, at) != len(text):
        raise ValueError("there is something after the object")
    return members


def _check_depth(value: object, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError(f"nested deeper than {DEPTH_MAX} levels")
        for member in value.values() if isinstance(value, dict) else value:
            if isinstance(member, dict | list):
                _check_depth(member, levels - 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def member_salt(secret: bytes, name: str) -> bytes:
    """First 16 bytes of SHA-256(event secret || name)."""
    return hashlib.sha256(secret + name.encode()).digest()[:SECRET_BYTES]


def seal(members: Mapping[str, bytes], secret: bytes) -> Hash:
    """The root over an event's members, the document's `@context` among them."""
    sha256 = hashlib.sha256
    # Code points and their UTF-8 sort alike. `leaf_hash` and `member_salt`, written out: twelve
    # members of five hundred events are six thousand calls less.
    named = [(name.encode(), members[name]) for name in sorted(members)]
    return root(
        [
            Hash(
                sha256(
                    b"\x00" + sha256(secret + name).digest()[:SECRET_BYTES] + name + b"\x00" + value
                ).digest()
            )
            for name, value in named
        ]
    )


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """One event as received, and the secret its salts come from."""

    raw: bytes
    secret: bytes

    def seal(self, context: bytes) -> Hash:
        """This event's seal under its document's `@context`. Raises `CaptureInvalid`."""
        members = split_members(self.raw)
        # An event that names its own context is read by that one, as JSON-LD has it.
        members.setdefault(CONTEXT, context)
        return seal(members, self.secret)


def events_root(events: Sequence[SealedEvent], context: bytes) -> Hash:
    """The RFC 9162 root with the seals as inputs. Raises `CaptureInvalid`."""
    leaves = []
    for position, event in enumerate(events):
        try:
            leaves.append(leaf_hash(event.seal(context)))
        except CaptureInvalid as error:
            raise error.within("events", position) from None
    return root(leaves)


@dataclass(frozen=True, slots=True)
class Party:
    """Who captured. A one-person business is named by its random label alone."""

    scheme: str
    identifier: str

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """An organisation."""
        assert not identity.is_person
        return cls(identity.scheme.value, identity.identifier)

    @classmethod
    def of_person(cls, subject: SubjectLabel) -> Self:
        """A one-person business."""
        return cls("label", subject)

    @classmethod
    def parse(cls, scheme: str, identifier: str) -> Self:
        """Raises `IdentifierInvalid`, `LabelInvalid`, `CaptureInvalid`."""
        if scheme == "label":
            return cls(scheme, parse_label(identifier))
        identity = Identity.parse(scheme, identifier)
        if identity.is_person:
            raise CaptureInvalid(
                "a one-person business is named by its label, never by its code", path=("party",)
            )
        return cls(scheme, identifier)

    @property
    def subject(self) -> SubjectLabel:
        """The party's label in statements."""
        if self.scheme == "label":
            return SubjectLabel(self.identifier)
        return Identity(Scheme(self.scheme), self.identifier).label()

    @property
    def capture_label(self) -> SubjectLabel:
        """The label of the party's captures."""
        if self.scheme == "label":
            return person_capture_label(SubjectLabel(self.identifier))
        return Identity(Scheme(self.scheme), self.identifier).capture_label()


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture whose events hash to its signed root."""

    token: Token
    capture_id: str
    issuer: SubjectLabel
    subject: SubjectLabel
    jti: str
    issued_at: int
    party: Party
    context: bytes
    events: tuple[SealedEvent, ...]

    @classmethod
    def parse(
        cls,
        token: Token,
        party: Party,
        context: bytes,
        events: Sequence[SealedEvent],
        *,
        sealed: Hash | None = None,
    ) -> Self:
        """Check form, label and root; no signature is judged here.

        `sealed` is the root of these events where the caller has just computed it.
        Raises `CaptureInvalid`, `SealMismatch`, `LabelInvalid`, `StatementInvalid`.
        """
        payload = token.payload
        if token.type is not TokenType.CAPTURE:
            raise CaptureInvalid("the token is of another type", path=("token", "header", "typ"))
        if set(payload) != _PAYLOAD:
            odd = ", ".join(sorted(set(payload) ^ _PAYLOAD))
            raise CaptureInvalid(f"members missing or unknown: {odd}", path=("payload",))
        capture_id = payload["capture"]
        if not isinstance(capture_id, str) or not _UUID.fullmatch(capture_id):
            raise CaptureInvalid("capture is no UUID in lower case", path=("payload", "capture"))
        if not 0 < len(events) <= EVENTS_MAX:
            raise CaptureInvalid(f"not 1 to {EVENTS_MAX} events", path=("events",))
        if sum(len(event.raw) for event in events) > CAPTURE_BYTES_MAX:
            raise CaptureInvalid(f"more than {CAPTURE_BYTES_MAX} event bytes", path=("events",))
        if len(context) > CONTEXT_BYTES_MAX:
            raise CaptureInvalid(f"more than {CONTEXT_BYTES_MAX} bytes", path=("context",))
        if any(len(event.secret) != SECRET_BYTES for event in events):
            raise CaptureInvalid(f"a secret is not {SECRET_BYTES} bytes", path=("events",))
        if payload["count"] != len(events) or type(payload["count"]) is not int:
            raise CaptureInvalid("count is not the number of events", path=("payload", "count"))
        subject = label_member(payload, "sub")
        if subject != party.capture_label:
            raise CaptureInvalid("sub is not the party's capture label", path=("payload", "sub"))
        if _root_member(payload) != (sealed or events_root(events, context)):
            raise SealMismatch("the events do not hash to it", path=("payload", "events_root"))
        return cls(
            token=token,
            capture_id=capture_id,
            issuer=label_member(payload, "iss"),
            subject=subject,
            jti=check_reference(payload["jti"]),
            issued_at=check_instant(payload["iat"]),
            party=party,
            context=context,
            events=tuple(events),
        )

    @property
    def content_hash(self) -> bytes:
        """Party, context and event bytes, whatever the secrets: equal means captured before."""
        content: Json = {
            "context": b64url(hashlib.sha256(self.context).digest()),
            "events": cast(
                "list[Json]", [b64url(hashlib.sha256(event.raw).digest()) for event in self.events]
            ),
            "party": [self.party.scheme, self.party.identifier],
        }
        return hashlib.sha256(encode(content)).digest()


def issue_capture(
    *,
    key: KeptKey,
    issuer: SubjectLabel,
    jti: str,
    capture_id: str,
    issued_at: int,
    party: Party,
    context: bytes,
    events: Sequence[SealedEvent],
) -> Capture:
    """Seal events and sign the capture. Raises what `Capture.parse` raises."""
    sealed = events_root(events, context)
    payload: dict[str, Json] = {
        "capture": capture_id,
        "count": len(events),
        "events_root": b64url(sealed),
        "iat": issued_at,
        "iss": issuer,
        "jti": jti,
        "sub": party.capture_label,
    }
    token = sign(key, TokenType.CAPTURE, payload)
    return Capture.parse(token, party, context, events, sealed=sealed)


def _root_member(payload: Mapping[str, Json]) -> bytes:
    value = payload["events_root"]
    try:
        root_hash = unb64url(value if isinstance(value, str) else "")
    except NotCanonical as error:
        raise CaptureInvalid(error.message, path=("payload", "events_root")) from None
    if len(root_hash) != HASH_BYTES:
        raise CaptureInvalid("no hash of 32 bytes", path=("payload", "events_root"))
    return root_hash
