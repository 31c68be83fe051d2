"""An SD-JWT to a statement, the usual spelling in a quarter of the time.

    read_statement    presentation to statement; refuses what the exact parsers refuse

Nearly every statement is spelled as `ledger.statement.issue` spells it: the disclosures of the
weighing members first, each part in name order, nothing left out. That spelling is recognised as a
whole, and its disclosures are decoded and encoded together. Whatever is out of the ordinary
goes the exact way (`Token.parse`, `Statement.parse`), which takes it or says what is wrong. So this
module refuses nothing on its own, and must take nothing that they refuse; the tests hold both
against each other. Pure.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import sha256
from typing import cast

import orjson

from ledger.canonical import Json, check
from ledger.disclosure import (
    DISCLOSURE_BYTES_MAX,
    DISCLOSURES_MAX,
    SALT_CHARACTERS,
    WEIGHING,
    Disclosure,
    split_presentation,
)
from ledger.errors import LedgerError, NotCanonical
from ledger.identity import SubjectLabel
from ledger.statement import Statement, Weighing
from ledger.token import SIGNATURE_BYTES, TOKEN_BYTES_MAX, Token, TokenType, read_header

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_LABEL = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_SALTS = re.compile(rf"(?:[A-Za-z0-9_-]{{{SALT_CHARACTERS - 1}}}[AQgw]~)+", re.ASCII)

_MEMBERS = frozenset({"_sd", "_sd_alg", "iat", "iss", "jti", "sub", *WEIGHING})
_RESERVED = _MEMBERS | {"..."}
_NO_NAMES = (None,) * len(WEIGHING)

INSTANT_LIMIT = 9_000_000_000
"""Seconds of the usual spelling; the largest instants are left to the exact parser."""

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
_ENDS: tuple[frozenset[int], ...] = (
    frozenset(range(128)),
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)
"""By length modulo four: the last characters whose spare bits are zero (`ledger.canonical`)."""

DIGEST_CHARACTERS = 43

HEADER_CHARACTERS = 256
"""The header of a statement has 147; longer ones are not kept."""

HEADERS_KEPT_MAX = 1_024
"""A header names a key, and a log has some hundred in use."""


def read_statement(presentation: str, *, erased: bool = False) -> Statement:
    """The statement of an SD-JWT; `erased` allows particulars without their disclosure.

    Raises `TokenMalformed`, `StatementInvalid`, `DisclosureInvalid`, `LabelInvalid`,
    `SubmissionTooLarge`.
    """
    statement = _read_usual(presentation)
    if statement is not None:
        return statement
    token, disclosures = split_presentation(presentation)
    return Statement.parse(Token.parse(token), disclosures, erased=erased)


def _read_usual(presentation: str) -> Statement | None:
    """None for whatever is out of the ordinary."""
    if not presentation.isascii():
        return None
    raw = presentation.encode("ascii")
    # What stands between parts of base64url: two points, and a tilde around each disclosure.
    between = raw.translate(None, _ALPHABET)
    count = len(between) - 3
    if not len(WEIGHING) <= count <= DISCLOSURES_MAX or between != b".." + b"~" * (count + 1):
        return None
    token, *texts = presentation.split("~")
    if texts.pop() or len(token) > TOKEN_BYTES_MAX or max(map(len, texts)) > DISCLOSURE_BYTES_MAX:
        return None
    encoded, *pieces = raw.translate(_TO_STANDARD).split(b"~")
    _, payload_piece, signature_piece = encoded.split(b".")
    header = token[: token.index(".")]
    kid = _statement_key(header) if len(header) <= HEADER_CHARACTERS else None
    decoded = _decoded([payload_piece, signature_piece, *pieces[:-1]])
    if kid is None or decoded is None:
        return None
    raw_payload, signature, *openings = decoded
    contents = _contents(openings)
    if contents is None or len(signature) != SIGNATURE_BYTES:
        return None
    payload = _payload(raw_payload, [sha256(text).digest() for text in raw.split(b"~")[1:-1]])
    if payload is None:
        return None
    values = [content[-1] for content in contents]
    names = [cast("str", content[1]) for content in contents[len(WEIGHING) :]]
    return Statement(
        token=Token(token, TokenType.STATEMENT, kid, payload, signature),
        issuer=SubjectLabel(cast("str", payload["iss"])),
        subject=SubjectLabel(cast("str", payload["sub"])),
        jti=cast("str", payload["jti"]),
        issued_at=cast("int", payload["iat"]),
        weighing=Weighing.parse(dict(zip(WEIGHING, values, strict=False))),
        particulars=dict(zip(names, values[len(WEIGHING) :], strict=True)),
        disclosures=tuple(
            map(Disclosure._make, zip(texts, [*_NO_NAMES, *names], values, strict=True))
        ),
    )


@lru_cache(HEADERS_KEPT_MAX)
def _statement_key(header: str) -> str | None:
    """The key ID of a statement's header, None for every other header."""
    try:
        kid, type_ = read_header(header)
    except LedgerError:
        return None
    return kid if type_ is TokenType.STATEMENT else None


def _decoded(pieces: list[bytes]) -> list[bytes] | None:
    """The bytes whose base64, without padding, is exactly each piece, texts of its alphabet."""
    for piece in pieces:
        if not piece or piece[-1] not in _ENDS[len(piece) & 3]:
            return None
    return [a2b_base64(piece + _PADDING[len(piece) & 3]) for piece in pieces]


def _contents(openings: list[bytes]) -> list[list[Json]] | None:
    """What the disclosures say: the eleven weighing members, then particulars in name order."""
    try:
        contents = _read_each(openings)
        if contents is None or set(map(type, contents)) != {list}:
            return None
        lengths = [2] * len(WEIGHING) + [3] * (len(contents) - len(WEIGHING))
        if [*map(len, contents)] != lengths:
            return None
        for content in contents:
            if type(content[-1]) is not str and content[-1] is not None:
                check(content)  # no floats, no keys outside ASCII, not too deep
        # As long as so many salts are: so none has a tilde of its own, and passes for two.
        salts = "~".join([cast("str", content[0]) for content in contents]) + "~"
        if len(salts) != len(contents) * (SALT_CHARACTERS + 1) or not _SALTS.fullmatch(salts):
            return None
        names = [cast("str", content[1]) for content in contents[len(WEIGHING) :]]
        if not (set(map(type, names)) <= {str} and _RESERVED.isdisjoint(names)):
            return None
        if names != sorted(set(names)):
            return None
    except (orjson.JSONDecodeError, NotCanonical, TypeError):
        return None
    return contents


def _read_each(openings: list[bytes]) -> list[list[Json]] | None:
    """Each of these canonical texts, read together; None where one of them is not."""
    count = len(openings)
    joined = b",\n".join(openings)
    contents = cast("list[list[Json]]", orjson.loads(b"[%b]" % joined))
    if joined.count(b"[") == count == joined.count(b"]") == joined.count(b'],\n["') + 1:
        # Each text begins with its only bracket and ends with the other: so none borrows one from
        # its neighbour, and what holds of all together holds of each.
        canonical = joined.replace(b"],\n[", b"],[")
        equal = orjson.dumps(contents, option=orjson.OPT_SORT_KEYS) == b"[%b]" % canonical
    else:
        equal = [
            orjson.dumps(content, option=orjson.OPT_SORT_KEYS) for content in contents
        ] == openings
    return contents if equal else None


def _payload(raw: bytes, hashes: list[bytes]) -> dict[str, Json] | None:
    """The canonical payload that holds the digests of these disclosures, and no other."""
    try:
        payload = cast("dict[str, Json]", orjson.loads(raw))
    except orjson.JSONDecodeError:
        return None
    if type(payload) is not dict or payload.keys() != _MEMBERS:
        return None
    if orjson.dumps(payload, option=orjson.OPT_SORT_KEYS) != raw:
        return None
    # With a byte more each is 33 bytes, and so 44 characters of one text, the last of them spare.
    joined = (
        b2a_base64(b"\0".join([*hashes, b""]), newline=False).translate(_TO_URL).decode("ascii")
    )
    starts = range(0, len(joined), DIGEST_CHARACTERS + 1)
    digests = [joined[at : at + DIGEST_CHARACTERS] for at in starts]
    elements = [[{"...": digest}] for digest in digests[: len(WEIGHING)]]
    if (
        len(set(digests)) != len(digests)
        or [payload[name] for name in WEIGHING] != elements
        or payload["_sd"] != sorted(digests[len(WEIGHING) :])
        or payload["_sd_alg"] != "sha-256"
    ):
        return None
    iat, iss, jti, sub = payload["iat"], payload["iss"], payload["jti"], payload["sub"]
    is_usual = (
        type(iat) is int
        and 0 <= iat < INSTANT_LIMIT
        and isinstance(iss, str)
        and _LABEL.fullmatch(iss)
        and isinstance(sub, str)
        and _LABEL.fullmatch(sub)
        and isinstance(jti, str)
        and _REFERENCE.fullmatch(jti)
    )
    return payload if is_usual else None
