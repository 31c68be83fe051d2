"""JSON as people and their programs write it: in any spelling, as long as it has one reading.

    read_json   text to value; refuses a member given twice, and what is no JSON (RFC 8259)

What is signed or hashed has one spelling besides, and is read by `ledger.canonical`. Pure.
"""

from __future__ import annotations

import json


def read_json(text: str) -> object:
    """Raises `ValueError`, which says where."""
    try:
        value: object = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
