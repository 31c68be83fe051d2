"""Scalars of the schema. There is no Float: what is counted is counted exactly.

Day          a civil day, ISO 8601
Instant      a moment, RFC 3339, answered in UTC
Natural      an integer from 0 to 2^53 - 1, a JSON number
Hash         32 bytes in standard base64, as checkpoints write them
Label        a subject label, 43 characters of base64url
PathSegment  a member name or a position

Each but the last has its parser and, where it is more than `str`, its writer beside it: parse_day,
parse_instant, write_instant, parse_natural, parse_hash, write_hash, read_label.

SCALARS      what Strawberry must know of them
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from ledger.canonical import INTEGER_LIMIT
from ledger.errors import LedgerError
from ledger.identity import SubjectLabel, parse_label
from ledger.merkle import Hash
from ledger.note import standard_base64

Day = NewType("Day", date)
Instant = NewType("Instant", datetime)
Natural = NewType("Natural", int)
PathSegment = NewType("PathSegment", object)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def parse_day(value: object) -> Day:
    """YYYY-MM-DD. Raises `ValueError`."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a Day is YYYY-MM-DD")
    return Day(date.fromisoformat(value))


def parse_instant(value: object) -> Instant:
    """RFC 3339 with an offset, to the microsecond. Raises `ValueError`."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("an Instant is YYYY-MM-DDThh:mm:ss with Z or an offset")
    try:
        return Instant(datetime.fromisoformat(value).astimezone(UTC))
    except OverflowError:
        raise ValueError("an Instant outside the calendar") from None


def write_instant(value: datetime) -> str:
    """In UTC, spelled with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_natural(value: object) -> Natural:
    """An integer from 0 to 2^53 - 1. Raises `ValueError`."""
    if type(value) is not int or not 0 <= value < INTEGER_LIMIT:
        raise ValueError("a Natural is an integer from 0 to 2^53 - 1")
    return Natural(value)


def parse_hash(value: object) -> Hash:
    """32 bytes in standard base64. Raises `ValueError`."""
    try:
        raw = standard_base64(value if isinstance(value, str) else "")
    except LedgerError as error:
        raise ValueError(error.message) from None
    if len(raw) != 32:
        raise ValueError("a Hash is 32 bytes in base64")
    return Hash(raw)


def write_hash(value: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(value).decode("ascii")


def read_label(value: object) -> SubjectLabel:
    """43 characters of base64url. Raises `ValueError`."""
    try:
        return parse_label(value if isinstance(value, str) else "")
    except LedgerError as error:
        raise ValueError(error.message) from None


def _as_it_is(value: Any) -> Any:  # noqa: ANN401
    return value


SCALARS: Mapping[object, ScalarDefinition] = {
    Day: strawberry.scalar(
        name="Day",
        description="A civil day of the ledger's province, YYYY-MM-DD.",
        serialize=date.isoformat,
        parse_value=parse_day,
    ),
    Instant: strawberry.scalar(
        name="Instant",
        description="A moment by RFC 3339, to the microsecond; answers are in UTC.",
        serialize=write_instant,
        parse_value=parse_instant,
    ),
    Natural: strawberry.scalar(
        name="Natural",
        description="An integer from 0 to 2^53 - 1, as a JSON number: indexes, sizes, fen.",
        serialize=_as_it_is,
        parse_value=parse_natural,
    ),
    Hash: strawberry.scalar(
        name="Hash",
        description="32 bytes of SHA-256 in standard base64 with padding, as checkpoints have it.",
        serialize=write_hash,
        parse_value=parse_hash,
    ),
    SubjectLabel: strawberry.scalar(
        name="Label",
        description="What stands for a party in the log: 43 characters of base64url.",
        serialize=_as_it_is,
        parse_value=read_label,
    ),
    PathSegment: strawberry.scalar(
        name="PathSegment",
        description="One step of a path to a field: a member's name, or a position from 0.",
        serialize=_as_it_is,
        parse_value=_as_it_is,
    ),
}
