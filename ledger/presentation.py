"""An SD-JWT to a statement, the usual spelling in a quarter of the time.

    read_statement    presentation to statement; refuses what the exact parsers refuse

Nearly every statement is spelled as `ledger.statement.issue` spells it: the disclosures of the
weighing members first, each part in name order, nothing left out. That spelling is recognised by
patterns, and its disclosures are decoded and encoded together. Whatever is out of the ordinary
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

from ledger.canonical import Json, encode
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
from ledger.token import TOKEN_BYTES_MAX, Token, TokenType, read_header

_PART = r"[A-Za-z0-9_-]+"
_PRESENTATION = re.compile(
    rf"(?P<header>{_PART})\.(?P<payload>{_PART})\.(?P<signature>[A-Za-z0-9_-]{{85}}[AQgw])"
    rf"(?P<disclosures>(?:~{_PART})+)~",
    re.ASCII,
)

_DIGEST = r'"[A-Za-z0-9_-]{43}"'
_LABEL = r'"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"'
_MEMBERS = {
    "_sd": rf"\[(?:{_DIGEST}(?:,{_DIGEST})*)?\]",
    "_sd_alg": '"sha-256"',
    "iat": r"(?:0|[1-9][0-9]{0,8}|[1-8][0-9]{9})",
    "iss": _LABEL,
    "jti": r'"[A-Za-z0-9._:-]{1,64}"',
    "sub": _LABEL,
    **dict.fromkeys(WEIGHING, rf'\[\{{"\.\.\.":{_DIGEST}\}}\]'),
}
_PAYLOAD = re.compile(
    r"\{" + ",".join(f'"{name}":{_MEMBERS[name]}' for name in sorted(_MEMBERS)) + r"\}", re.ASCII
)
"""The canonical bytes of a payload, its largest instants left to the exact parser."""

_SALTS = re.compile(rf"(?:[A-Za-z0-9_-]{{{SALT_CHARACTERS - 1}}}[AQgw]~)+", re.ASCII)

_RESERVED = frozenset({"_sd", "...", *_MEMBERS})
_ARRAY_ELEMENTS = [2] * len(WEIGHING)

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
    parts = _PRESENTATION.fullmatch(presentation)
    if parts is None or parts.end("signature") > TOKEN_BYTES_MAX:
        return None
    kid = _statement_key(parts["header"])
    raw = _decoded(parts["payload"].encode("ascii"))
    if kid is None or raw is None or not _PAYLOAD.fullmatch(raw.decode("latin-1")):
        return None
    payload = cast("dict[str, Json]", orjson.loads(raw))
    disclosures = _disclosures(parts["disclosures"][1:])
    if disclosures is None or not _opens(payload, disclosures):
        return None
    signature = _decoded(parts["signature"].encode("ascii"))
    assert signature is not None
    weighing, particulars = disclosures[: len(WEIGHING)], disclosures[len(WEIGHING) :]
    return Statement(
        token=Token(
            presentation[: parts.end("signature")], TokenType.STATEMENT, kid, payload, signature
        ),
        issuer=SubjectLabel(cast("str", payload["iss"])),
        subject=SubjectLabel(cast("str", payload["sub"])),
        jti=cast("str", payload["jti"]),
        issued_at=cast("int", payload["iat"]),
        weighing=Weighing.parse(
            {name: item.value for name, item in zip(WEIGHING, weighing, strict=True)}
        ),
        particulars={cast("str", item.name): item.value for item in particulars},
        disclosures=tuple(disclosures),
    )


@lru_cache(HEADERS_KEPT_MAX)
def _statement_key(header: str) -> str | None:
    """The key ID of a statement's header, None for every other header."""
    try:
        kid, type_ = read_header(header)
    except LedgerError:
        return None
    return kid if type_ is TokenType.STATEMENT else None


def _decoded(text: bytes) -> bytes | None:
    """The bytes whose base64url is exactly `text`, a text of nothing but its alphabet."""
    spare = len(text) % 4
    if text[-1] not in _ENDS[spare]:
        return None
    return a2b_base64(text.translate(_TO_STANDARD) + _PADDING[spare])


def _disclosures(joined: str) -> list[Disclosure] | None:
    texts = joined.split("~")
    pieces = [_decoded(text) for text in joined.encode("ascii").split(b"~")]
    if len(texts) > DISCLOSURES_MAX or None in pieces:
        return None
    if max(map(len, texts)) > DISCLOSURE_BYTES_MAX:
        return None
    try:
        contents = orjson.loads(b"[" + b",".join(cast("list[bytes]", pieces)) + b"]")
        # Each content encodes to its own piece: so no piece borrowed a bracket from its neighbour.
        if [orjson.dumps(content, option=orjson.OPT_SORT_KEYS) for content in contents] != pieces:
            return None
        for content in contents:
            if type(content) is not list or len(content) not in (2, 3):
                return None
            if type(content[-1]) is not str and content[-1] is not None:
                encode(content)  # the profile: no floats, no keys outside ASCII, not too deep
        salts = "~".join([content[0] for content in contents]) + "~"
        # As long as so many salts are: so none has a tilde of its own, and passes for two.
        if len(salts) != len(contents) * (SALT_CHARACTERS + 1) or not _SALTS.fullmatch(salts):
            return None
    except (orjson.JSONDecodeError, NotCanonical, TypeError):
        return None
    if [len(content) for content in contents[: len(WEIGHING)]] != _ARRAY_ELEMENTS:
        return None
    disclosures = [
        Disclosure(text, None, content[1])
        for text, content in zip(texts[: len(WEIGHING)], contents, strict=False)
    ]
    previous = ""
    for text, content in zip(texts[len(WEIGHING) :], contents[len(WEIGHING) :], strict=True):
        if len(content) != 3 or type(content[1]) is not str:
            return None
        name = content[1]
        if name <= previous or name in _RESERVED:
            return None
        disclosures.append(Disclosure(text, name, content[2]))
        previous = name
    return disclosures


def _opens(payload: dict[str, Json], disclosures: list[Disclosure]) -> bool:
    """Whether payload and disclosures belong to each other, one digest for each."""
    hashes = [sha256(item.text.encode("ascii")).digest() for item in disclosures]
    joined = b"".join([b2a_base64(hash_, newline=False) for hash_ in hashes])
    # Each is 43 characters and one of padding.
    digests = joined.translate(_TO_URL).decode("ascii").split("=")[:-1]
    elements = [payload[name][0]["..."] for name in WEIGHING]  # type: ignore[index,call-overload]
    return (
        len(set(digests)) == len(digests)
        and digests[: len(WEIGHING)] == elements
        and sorted(digests[len(WEIGHING) :]) == payload["_sd"]
    )
