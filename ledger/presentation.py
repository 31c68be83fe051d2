"""An SD-JWT to a statement, the usual spelling in a quarter of the time.

    read_statement    presentation to statement; refuses what the exact parsers refuse

Nearly every statement is spelled as `ledger.statement.issue` spells it: the disclosures of the
weighing members first, each part in name order, nothing left out. That spelling is recognised as a
whole: its disclosures are decoded and encoded together, and its payload is written from their
digests. Whatever is out of the ordinary goes the exact way (`Token.parse`, `Statement.parse`),
which takes it or says what is wrong. So this module refuses nothing on its own, and must take
nothing that they refuse; the tests hold both against each other. Pure.
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
    split_presentation,
)
from ledger.errors import LedgerError, NotCanonical
from ledger.identity import SubjectLabel
from ledger.statement import Statement, Weighing
from ledger.token import SIGNATURE_BYTES, TOKEN_BYTES_MAX, Token, TokenType, read_header

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_LABEL = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
_OWN = re.compile(
    rf'"iat":(0|[1-9][0-9]{{0,9}}),"iss":"({_LABEL})","jti":"([A-Za-z0-9._:-]{{1,64}})",', re.ASCII
)
"""The members of a payload that stand among its digests."""
_SUBJECT = re.compile(rf'"sub":"({_LABEL})"\}}', re.ASCII)
_SALTS = re.compile(rf"(?:[A-Za-z0-9_-]{{{SALT_CHARACTERS - 1}}}[AQgw]~)+", re.ASCII)

_BEFORE_OWN = [name for name in WEIGHING if name < "iat"]
_ELEMENT = '"%s":[{"...":"%%s"}],'
_HEAD = '{"_sd":[%s],"_sd_alg":"sha-256",' + "".join([_ELEMENT % name for name in _BEFORE_OWN])
_TAIL = "".join([_ELEMENT % name for name in WEIGHING[len(_BEFORE_OWN) :]])
"""What stands before and after these, a place for each digest."""

_RESERVED = frozenset({"_sd", "_sd_alg", "...", "iat", "iss", "jti", "sub", *WEIGHING})

INSTANT_LIMIT = 9_000_000_000
"""Seconds of the usual spelling; the largest instants are left to the exact parser."""

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")
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
    token, *texts, rest = raw.split(b"~")
    encoded, *pieces, _ = raw.translate(_TO_STANDARD).split(b"~")
    if rest or len(token) > TOKEN_BYTES_MAX:
        return None
    if len(raw) > DISCLOSURE_BYTES_MAX and max(map(len, texts)) > DISCLOSURE_BYTES_MAX:
        return None
    _, payload_piece, signature_piece = encoded.split(b".")
    header = presentation[: presentation.index(".")]
    kid = _statement_key(header) if len(header) <= HEADER_CHARACTERS else None
    decoded = _decoded([payload_piece, signature_piece, *pieces])
    if kid is None or decoded is None:
        return None
    raw_payload, signature, *openings = decoded
    opened = _opened(openings)
    if opened is None or len(signature) != SIGNATURE_BYTES:
        return None
    own = _own_members(raw_payload, _digests(texts))
    if own is None:
        return None
    values, names = opened
    issued_at, issuer, jti, subject = own
    weighing_end = len(token) + sum(map(len, texts[: len(WEIGHING)])) + len(WEIGHING)
    return Statement(
        token=Token(presentation[: len(token)], TokenType.STATEMENT, kid, raw_payload, signature),
        issuer=SubjectLabel(issuer),
        subject=SubjectLabel(subject),
        jti=jti,
        issued_at=issued_at,
        weighing=Weighing.parse(dict(zip(WEIGHING, values, strict=False))),
        particulars=dict(zip(names, values[len(WEIGHING) :], strict=True)),
        weighing_texts=presentation[len(token) : weighing_end],
        particular_texts=presentation[weighing_end:-1],
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
    # The decoder stops where it has enough padding.
    return [a2b_base64(piece + b"==") for piece in pieces]


def _opened(openings: list[bytes]) -> tuple[list[Json], list[str]] | None:
    """The values of the eleven weighing members and of particulars, whose names are in order."""
    try:
        contents = _read_each(openings)
        if contents is None or set(map(type, contents)) != {list}:
            return None
        salts, values = zip(*contents[: len(WEIGHING)], strict=True)
        names: tuple[Json, ...] = ()
        if len(contents) > len(WEIGHING):
            more, names, particulars = zip(*contents[len(WEIGHING) :], strict=True)
            salts += more
            values += particulars
        # No floats, no keys outside ASCII, not too deep.
        check([value for value in values if type(value) is not str])
        # As long as so many salts are: so none has a tilde of its own, and passes for two.
        joined = "~".join(cast("tuple[str, ...]", salts)) + "~"
        if len(joined) != len(salts) * (SALT_CHARACTERS + 1) or not _SALTS.fullmatch(joined):
            return None
        if not (set(map(type, names)) <= {str} and _RESERVED.isdisjoint(names)):
            return None
        in_order = sorted(set(cast("tuple[str, ...]", names)))
    except (orjson.JSONDecodeError, NotCanonical, TypeError, ValueError):
        return None
    return ([*values], in_order) if [*names] == in_order else None


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


def _digests(texts: list[bytes]) -> list[str]:
    """The digest of each disclosure."""
    # With a byte more each is 33 bytes, and so 44 characters of one text, the last of them spare.
    hashes = b"\0".join([*[sha256(text).digest() for text in texts], b""])
    joined = b2a_base64(hashes, newline=False).translate(_TO_URL).decode("ascii")
    starts = range(0, len(joined), DIGEST_CHARACTERS + 1)
    return [joined[at : at + DIGEST_CHARACTERS] for at in starts]


def _own_members(raw: bytes, digests: list[str]) -> tuple[int, str, str, str] | None:
    """Instant, issuer, reference and subject of the payload with exactly these digests.

    All else of it is written here and compared, so that it is canonical.
    """
    if len(set(digests)) != len(digests):
        return None
    text = raw.decode("latin-1")
    listed = ",".join([f'"{digest}"' for digest in sorted(digests[len(WEIGHING) :])])
    head = _HEAD % (listed, *digests[: len(_BEFORE_OWN)])
    tail = _TAIL % (*digests[len(_BEFORE_OWN) : len(WEIGHING)],)
    own = _OWN.match(text, len(head))
    if own is None or not (text.startswith(head) and text.startswith(tail, own.end())):
        return None
    subject = _SUBJECT.fullmatch(text, own.end() + len(tail))
    iat, iss, jti = own.groups()
    if subject is None or int(iat) >= INSTANT_LIMIT:
        return None
    return int(iat), iss, jti, subject[1]
