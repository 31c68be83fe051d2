"""RFC 8785 JSON in a narrow profile: one byte string for one value.

    Json    what may be written: null, booleans, integers, strings, lists, objects
    encode  a value to its only spelling
    decode  its exact inverse; refuses every other spelling

Profile: ASCII member names, integers below 2^53 in magnitude, no fractions and no
exponents, no member named twice, at most DEPTH_MAX levels. Pure.
"""

import json
from typing import NoReturn, TypeAlias

from xinyuan.errors import Code, VerificationError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

# Integers that IEEE 754 doubles hold exactly, so that JavaScript reads the same number.
INTEGER_END = 2**53
# Deeper than any form on the wire, shallower than any interpreter's stack.
DEPTH_MAX = 64


def encode(value: Json) -> bytes:
    """Write `value` in its only spelling, UTF-8, or refuse what the profile excludes."""
    _check(value, DEPTH_MAX)
    # Sorting by code point equals RFC 8785's UTF-16 order, because names are ASCII.
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VerificationError(
            Code.JSON_MALFORMED, "a string holds half of a surrogate pair"
        ) from error


def decode(raw: bytes) -> Json:
    """Read the only spelling of a value; anything spelled otherwise is refused."""
    try:
        value: Json = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except UnicodeDecodeError as error:
        raise VerificationError(Code.JSON_MALFORMED, "the text is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise VerificationError(
            Code.JSON_MALFORMED, f"not JSON: {error.msg} at character {error.pos}"
        ) from error
    except RecursionError as error:
        raise VerificationError(Code.JSON_MALFORMED, "nested too deeply") from error
    if encode(value) != raw:
        raise VerificationError(
            Code.JSON_NOT_CANONICAL, "JSON that is not in its canonical spelling (RFC 8785)"
        )
    return value


def _check(value: Json, depth: int) -> None:
    if depth == 0:
        raise VerificationError(Code.JSON_MALFORMED, f"nested deeper than {DEPTH_MAX} levels")
    if isinstance(value, dict):
        for name, member in value.items():
            if not name.isascii():
                raise VerificationError(
                    Code.JSON_MALFORMED, f"member name {name!a} is not ASCII", path=(name,)
                )
            _check(member, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, int):
        if not -INTEGER_END < value < INTEGER_END:
            raise VerificationError(Code.JSON_MALFORMED, "an integer of 2^53 or more")
    elif value is not None and not isinstance(value, str):
        raise VerificationError(
            Code.JSON_MALFORMED, f"a {type(value).__name__} has no canonical spelling"
        )


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise VerificationError(Code.JSON_MALFORMED, "an object names one member twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > len(str(-INTEGER_END)):
        raise VerificationError(Code.JSON_MALFORMED, "an integer of 2^53 or more")
    return int(digits)


def _refuse_number(text: str) -> NoReturn:
    raise VerificationError(Code.JSON_MALFORMED, f"the number {text[:40]} is not an integer")
