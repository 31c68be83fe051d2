"""CBOR with one spelling for one value: RFC 8949 §4.2.1, as far as COSE receipts need it.

    Cbor     integers, byte and text strings, null, arrays, maps, and one tag
    Tagged   a value behind a tag
    encode   a value to its one spelling
    decode   of bytes, to the value whose spelling they are; refuses every other

Integers are as short as they can be, lengths are definite, keys of a map rise by their bytes. No
float, no simple value but null, no big integer: a signed receipt needs none. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ledger.errors import CborMalformed as Malformed

DEPTH_MAX = 8
"""A receipt nests four deep; a reader's recursion ends much further down."""

CBOR_BYTES_MAX = 65_536
"""A receipt with the longest path and origin has some 3 kB."""

_NULL = 0xF6
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value, and the tag that says what it is."""

    tag: int
    value: Cbor


Cbor: TypeAlias = "int | bytes | str | tuple[Cbor, ...] | Mapping[int | str, Cbor] | Tagged | None"


def encode(value: Cbor) -> bytes:
    """Its one spelling."""
    match value:
        case None:
            return bytes([_NULL])
        case int():
            assert not isinstance(value, bool)
            return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            raw = value.encode()
            return _head(_TEXT, len(raw)) + raw
        case tuple():
            return _head(_ARRAY, len(value)) + b"".join(map(encode, value))
        case Tagged(tag, inner):
            return _head(_TAG, tag) + encode(inner)
        case _:
            pairs = sorted((encode(key), encode(member)) for key, member in value.items())
            return _head(_MAP, len(pairs)) + b"".join(key + member for key, member in pairs)


def decode(raw: bytes) -> Cbor:
    """The value whose spelling is exactly `raw`. Raises `CborMalformed`."""
    if len(raw) > CBOR_BYTES_MAX:
        raise Malformed(f"longer than {CBOR_BYTES_MAX} bytes")
    reader = _Reader(raw)
    value = reader.value(DEPTH_MAX)
    if reader.at != len(raw):
        raise Malformed("bytes are left over")
    if encode(value) != raw:
        raise Malformed("another spelling than RFC 8949 §4.2.1 gives it")
    return value


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise AssertionError("an integer of more than 64 bits")


class _Reader:
    """Reads forward; whether the spelling is the one is seen when the value is spelled again."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def value(self, depth: int) -> Cbor:
        if not depth:
            raise Malformed(f"nested deeper than {DEPTH_MAX}")
        major, argument = self._read_head()
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self._take(argument)
            case 3:
                try:
                    return self._take(argument).decode()
                except UnicodeDecodeError:
                    raise Malformed("text that is no UTF-8") from None
            case 4:
                self._require(argument)
                return tuple(self.value(depth - 1) for _ in range(argument))
            case 5:
                self._require(argument)
                return self._map(argument, depth)
            case 6:
                return Tagged(argument, self.value(depth - 1))
            case _:
                return None

    def _map(self, size: int, depth: int) -> Mapping[int | str, Cbor]:
        members: dict[int | str, Cbor] = {}
        for _ in range(size):
            key = self.value(depth - 1)
            if not isinstance(key, int | str) or key in members:
                raise Malformed("a key that is neither integer nor text, or comes twice")
            members[key] = self.value(depth - 1)
        return members

    def _read_head(self) -> tuple[int, int]:
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if major == 7:
            if first != _NULL:
                raise Malformed("a float, or a simple value other than null")
            return major, 0
        if short < 24:
            return major, short
        if short > 27:
            raise Malformed("a length that is not definite")
        return major, int.from_bytes(self._take(1 << short - 24), "big")

    def _require(self, count: int) -> None:
        """Each item has a byte at least: no array is longer than what is left."""
        if count > len(self._raw) - self.at:
            raise Malformed("it ends before its last item")

    def _take(self, size: int) -> bytes:
        self._require(size)
        taken = self._raw[self.at : self.at + size]
        self.at += size
        return taken
