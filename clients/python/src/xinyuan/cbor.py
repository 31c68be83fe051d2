"""CBOR (RFC 8949) in its deterministic spelling, as far as a COSE receipt is made of it.

    Tag     a value behind a tag
    encode  a value to bytes
    decode  bytes to a value; raises ValueError for every other spelling

Integers, byte and text strings, null, arrays (tuples), maps and tags. What was read is
written again and compared, so that no second spelling is ever taken. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# A receipt nests four deep.
DEPTH_MAX = 8

_NULL = 0xF6


@dataclass(frozen=True, slots=True)
class Tag:
    """A value, and the number that says what it is."""

    number: int
    value: object


def encode(value: object) -> bytes:
    """Write a value in its one spelling."""
    if value is None:
        return bytes([_NULL])
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, Tag):
        return _head(6, value.number) + encode(value.value)
    assert isinstance(value, dict)
    members = sorted((encode(key), encode(member)) for key, member in value.items())
    return _head(5, len(members)) + b"".join(key + member for key, member in members)


def decode(data: bytes) -> object:
    """Read exactly one value; raise ValueError."""
    rest = iter(data)
    value = _read(rest, len(data), DEPTH_MAX)
    if next(rest, None) is not None:
        raise ValueError("bytes are left over")
    if encode(value) != data:
        raise ValueError("another spelling than the deterministic one")
    return value


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)
    return bytes([major << 5 | 23 + size.bit_length()]) + argument.to_bytes(size, "big")


def _read(rest: Iterator[int], size: int, depth: int) -> object:
    if not depth:
        raise ValueError(f"nested deeper than {DEPTH_MAX}")
    first = _take(rest, 1, size)[0]
    if first == _NULL:
        return None
    major, short = first >> 5, first & 31
    if major == 7 or short > 27:
        raise ValueError("a float, a simple value, or no definite length")
    argument = short if short < 24 else int.from_bytes(_take(rest, 1 << short - 24, size), "big")
    if major in (4, 5) and argument > size:
        raise ValueError("it ends before its last item")
    match major:
        case 0:
            return argument
        case 1:
            return -1 - argument
        case 2:
            return _take(rest, argument, size)
        case 3:
            return _take(rest, argument, size).decode()
        case 4:
            return tuple(_read(rest, size, depth - 1) for _ in range(argument))
        case 5:
            return dict(_member(rest, size, depth) for _ in range(argument))
        case _:
            return Tag(argument, _read(rest, size, depth - 1))


def _member(rest: Iterator[int], size: int, depth: int) -> tuple[int | str, object]:
    key = _read(rest, size, depth - 1)
    if not isinstance(key, int | str):
        raise ValueError("a key that is neither a number nor text")
    return key, _read(rest, size, depth - 1)


def _take(rest: Iterator[int], count: int, size: int) -> bytes:
    if count > size:
        raise ValueError("it ends before its last byte")
    taken = bytes(byte for _, byte in zip(range(count), rest, strict=False))
    if len(taken) < count:
        raise ValueError("it ends before its last byte")
    return taken
