"""A log with all that opens it, as lines: how one home gives it to another.

    FeedCheckpoint   a signed head that covers the lines before it, and when it was written
    FeedLine         a body, or such a head
    entry_line       what stands in the log and the opening store for one index
    checkpoint_line  a stored head
    parse_line       a line to a body or a head; the inverse of both

Canonical JSON, one line a value, in the order of the log; a body comes before the head that first
covers it. Statements and control entries are spelled as `POST /entries` takes them:

    {"statement":"<sd-jwt>"}
    {"control":"<jws>"}
    {"capture":{"context":"<b64url>","events":[["<b64url raw>","<b64url secret>"],…],
                "party":["<scheme>","<identifier>"],"token":"<jws>"}}
    {"checkpoint":{"logged_at":<microseconds since 1970>,"note":"<signed note>"}}

No leaf and no index is sent: leaves follow from bodies, and the signed root says whether these are
the right ones in the right order (`ledger.recovery`). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from ledger.audit import Opening, StoredCheckpoint
from ledger.candidate import Body
from ledger.canonical import INTEGER_LIMIT, Json, b64url, decode, encode, unb64url
from ledger.control import Control
from ledger.disclosure import split_presentation
from ledger.errors import LedgerError, OpeningFeedMalformed, OpeningMissing
from ledger.seal import Capture, Party, SealedEvent
from ledger.statement import Statement
from ledger.token import Token

FEED_LINE_BYTES_MAX = 16 * 1024 * 1024
"""The largest capture, whose 10 MiB of events are a third longer in base64."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class FeedCheckpoint:
    """A signed head, as far as its line says; whether it is to be believed is judged elsewhere."""

    note: str
    logged_at: datetime


FeedLine: TypeAlias = Body | FeedCheckpoint


def entry_line(opening: Opening) -> bytes:
    """One entry, without a line feed. Raises `OpeningMissing` for what has been taken out."""
    match opening.form:
        case "statement":
            if opening.weighing is None or opening.particulars is None:
                raise OpeningMissing("it has no disclosures", path=("entry", opening.leaf_index))
            return encode({"statement": f"{opening.token}{opening.weighing}{opening.particulars}~"})
        case "capture":
            if opening.party is None or opening.context is None:
                raise OpeningMissing("it has no events", path=("entry", opening.leaf_index))
            events: list[Json] = [
                [b64url(event.raw), b64url(event.secret)] for event in opening.events
            ]
            return encode(
                {
                    "capture": {
                        "context": b64url(opening.context),
                        "events": events,
                        "party": [*opening.party],
                        "token": opening.token,
                    }
                }
            )
        case _:
            return encode({"control": opening.token})


def checkpoint_line(row: StoredCheckpoint) -> bytes:
    """One head, without a line feed."""
    logged_at = (row.logged_at - _EPOCH) // _MICROSECOND
    return encode({"checkpoint": {"logged_at": logged_at, "note": row.note}})


def parse_line(raw: bytes) -> FeedLine:
    """What exactly this line says. Raises `OpeningFeedMalformed`."""
    if len(raw) > FEED_LINE_BYTES_MAX:
        raise OpeningFeedMalformed(f"a line of more than {FEED_LINE_BYTES_MAX} bytes")
    try:
        match decode(raw):
            case {"statement": str(text), **rest} if not rest:
                token, disclosures = split_presentation(text)
                return Statement.parse(Token.parse(token), disclosures)
            case {"control": str(text), **rest} if not rest:
                return Control.parse(Token.parse(text))
            case {"capture": dict(members), **rest} if not rest:
                return _capture(members)
            case {"checkpoint": dict(members), **rest} if not rest:
                return _checkpoint(members)
            case _:
                raise OpeningFeedMalformed("neither an entry nor a checkpoint")
    except OpeningFeedMalformed:
        raise
    except LedgerError as error:
        raise OpeningFeedMalformed(f"{error.code}: {error.message}", path=error.path) from None


def _capture(members: dict[str, Json]) -> Capture:
    match members:
        case {
            "context": str(context),
            "events": list(events),
            "party": [str(scheme), str(identifier)],
            "token": str(token),
            **rest,
        } if not rest:
            sealed = [_event(position, event) for position, event in enumerate(events)]
            party = Party.parse(scheme, identifier)
            return Capture.parse(Token.parse(token), party, unb64url(context), sealed)
        case _:
            raise OpeningFeedMalformed(
                "no capture of context, events, party and token", path=("capture",)
            )


def _event(position: int, event: Json) -> SealedEvent:
    match event:
        case [str(raw), str(secret)]:
            return SealedEvent(unb64url(raw), unb64url(secret))
        case _:
            raise OpeningFeedMalformed(
                "no pair of bytes and secret", path=("capture", "events", position)
            )


def _checkpoint(members: dict[str, Json]) -> FeedCheckpoint:
    match members:
        case {"logged_at": int(logged_at), "note": str(note), **rest} if not rest:
            # A Boolean is an integer to Python. Beyond the year 2255 a number has no exact JSON.
            if type(logged_at) is int and 0 <= logged_at < INTEGER_LIMIT:
                return FeedCheckpoint(note, _EPOCH + logged_at * _MICROSECOND)
    raise OpeningFeedMalformed("no checkpoint of instant and note", path=("checkpoint",))
