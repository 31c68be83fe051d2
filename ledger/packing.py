"""Candidates on their way from process to process, as bytes.

    pack      the candidates of one submission to bytes
    unpack    the inverse
    unpacked  the same of what was read as part of a larger message

Bytes are JSON, a list for each candidate. Whoever prepares a submission packs it, and nobody opens
it before the writer does. Both run the same code and believe each other. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from ledger.candidate import Candidate, CaptureParts
from ledger.canonical import b64url, unb64url
from ledger.control import Control
from ledger.identity import Identity, Scheme
from ledger.referents import Referral
from ledger.seal import SealedEvent
from ledger.token import Token

_CONTENT_HASH, _LEAF, _BINDS, _CAPTURE, _CONTROL, _REFERS = map(
    Candidate._fields.index, ("content_hash", "leaf", "binds", "capture", "control", "refers")
)


def pack(candidates: Iterable[Candidate]) -> bytes:
    """Their fields in their order, bytes as text."""
    return orjson.dumps([*map(_fields, candidates)])


def unpack(packed: bytes) -> tuple[Candidate, ...]:
    """The candidates; a control entry is parsed again, for the writer judges it."""
    return unpacked(orjson.loads(packed))


def unpacked(submission: list[list[Any]]) -> tuple[Candidate, ...]:
    """As `unpack`. What it is given is used up."""
    return tuple(map(_candidate, submission))


def _fields(candidate: Candidate) -> list[Any]:
    fields: list[Any] = list(candidate)
    fields[_CONTENT_HASH] = candidate.content_hash.hex()
    fields[_LEAF] = candidate.leaf.decode("ascii")
    if candidate.binds is not None:
        fields[_BINDS] = [candidate.binds.scheme.value, candidate.binds.identifier]
    if candidate.capture is not None:
        context, scheme, identifier, events = candidate.capture
        # Event bytes are JSON, and JSON is UTF-8.
        opened = [[event.raw.decode("utf-8"), b64url(event.secret)] for event in events]
        fields[_CAPTURE] = [context.decode("utf-8"), scheme, identifier, opened]
    fields[_CONTROL] = None
    if candidate.refers is not None:
        fields[_REFERS] = list(candidate.refers)
    return fields


def _candidate(fields: list[Any]) -> Candidate:
    fields[_CONTENT_HASH] = bytes.fromhex(fields[_CONTENT_HASH])
    fields[_LEAF] = fields[_LEAF].encode("ascii")
    if fields[_BINDS] is not None:
        scheme, identifier = fields[_BINDS]
        fields[_BINDS] = Identity(Scheme(scheme), identifier)
    if fields[_CAPTURE] is not None:
        context, scheme, identifier, opened = fields[_CAPTURE]
        events = [SealedEvent(raw.encode(), unb64url(secret)) for raw, secret in opened]
        fields[_CAPTURE] = CaptureParts(context.encode(), scheme, identifier, tuple(events))
    if fields[_REFERS] is not None:
        fields[_REFERS] = Referral(*fields[_REFERS])
    candidate = Candidate._make(fields)
    if candidate.form == "control":
        return candidate._replace(control=Control.parse(Token.parse(candidate.token)))
    return candidate
