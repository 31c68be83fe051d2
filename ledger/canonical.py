"""One byte string for one JSON value: RFC 8785 in the profile of the wire.

    Json         what a value may be
    encode       value to bytes
    decode       bytes to value; refuses every other spelling
    b64url       bytes to base64url without padding (RFC 4648 §5, RFC 7515 §2)
    unb64url     its exact inverse; refuses every other spelling

The profile: ASCII keys, integers strictly between -2^53 and 2^53, strings of Unicode scalar
values, booleans, null, lists, objects. No floats: two languages print them differently. Within
it `orjson` with sorted keys equals RFC 8785 byte for byte, at a tenth of the cost (the tests hold
it against an independent implementation). Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TypeAlias, cast

import orjson

from ledger.errors import NotCanonical

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"

INTEGER_LIMIT = 2**53
"""Integers beyond this lose digits in languages whose numbers are doubles (RFC 8785 §3.2.2.3)."""

DEPTH_MAX = 32
"""Deeper than any form of the wire; keeps recursion bounded in every reader."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(value: Json) -> bytes:
    """The canonical bytes of `value`. Raises `NotCanonical` for a value outside the profile."""
    _check(value, (), 0)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise NotCanonical(f"the value has no JSON text: {error}") from None


def decode(raw: bytes) -> Json:
    """The value whose canonical bytes are exactly `raw`. Raises `NotCanonical` otherwise."""
    try:
        value = cast("Json", orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise NotCanonical(f"not JSON in UTF-8: {error}") from None
    # Duplicate keys, spaces, escapes and other number spellings all fail to encode back.
    if encode(value) != raw:
        raise NotCanonical("JSON, but not its canonical spelling (RFC 8785)")
    return value


def _check(value: Json, path: tuple[str | int, ...], depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -INTEGER_LIMIT < cast("int", value) < INTEGER_LIMIT:
            raise NotCanonical("an integer beyond 2^53 - 1", path=path)
        return
    if depth >= DEPTH_MAX:
        raise NotCanonical(f"nested deeper than {DEPTH_MAX} levels", path=path)
    if kind is dict:
        for key, member in cast("dict[str, Json]", value).items():
            if type(key) is not str or not key.isascii():
                raise NotCanonical("a key outside ASCII", path=path)
            _check(member, (*path, key), depth + 1)
        return
    if kind is list:
        for position, member in enumerate(cast("list[Json]", value)):
            _check(member, (*path, position), depth + 1)
        return
    if kind is float:
        raise NotCanonical("a number with a fraction or exponent", path=path)
    raise NotCanonical(f"a value of type {kind.__name__}, which JSON does not have", path=path)


def b64url(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """The bytes whose base64url is exactly `text`. Raises `NotCanonical` otherwise."""
    if not _BASE64URL.fullmatch(text):
        raise NotCanonical("a character outside base64url, or padding")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise NotCanonical("a base64url text of impossible length") from None
    if b64url(raw) != text:
        raise NotCanonical("base64url with spare bits that are not zero")
    return raw
