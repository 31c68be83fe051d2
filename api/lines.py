"""Submissions from text: what stands in a line of a stream, made ready for the writer.

    PreparedLine       a line whose form was checked, packed for the writer
    Prepared           that, or why the line is refused
    prepare_lines      each line on its own
    parse_line         one line of NDJSON to a submission
    parse_statements   several that stand together
    text_of            bytes that are UTF-8

Apart from `api.submission`, so that a preparer does not load the application. Pure.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from api.errors import KNOWN, BodyTooLarge, RequestMalformed
from api.json_text import read_json
from ledger.admission import SUBMISSION_BODIES_MAX, Submission, prepare
from ledger.authority import Authorities
from ledger.control import Control
from ledger.errors import LedgerError
from ledger.packing import pack
from ledger.presentation import read_statement
from ledger.statement import Statement
from ledger.token import Token

LINE_BYTES_MAX = 8 * 1024 * 1024
"""A matter of a thousand parties at 3 kB each, twice over."""

_USUAL = (b'{"statement":"', b'"}')
"""How nearly every line begins and ends."""


class PreparedLine(NamedTuple):
    """A line whose form was checked: its candidates as bytes, and whether it asked for many."""

    packed: bytes
    many: bool


Prepared: TypeAlias = PreparedLine | Exception


def prepare_lines(lines: Sequence[bytes | None], authorities: Authorities) -> list[Prepared]:
    """One outcome for each line, in order. None stands for a line that was too long.

    Signatures are verified where these authorities know the key; the others are left to the writer.
    """
    outcomes: list[Prepared] = []
    for line in lines:
        try:
            submission, many = parse_line(line)
            outcomes.append(PreparedLine(pack(prepare(submission, authorities)), many))
        except Exception as error:  # a refusal of this line alone; `refusal_of` sorts bugs out
            if not isinstance(error, KNOWN):
                # A traceback does not pass from process to process.
                error.add_note(traceback.format_exc())
            outcomes.append(error)
    return outcomes


def parse_line(line: bytes | None) -> tuple[Submission, bool]:
    """A line, and whether it is of the form with many. None stands for a line that was too long.

    Raises `RequestMalformed`, `BodyTooLarge`, `LedgerError`.
    """
    if line is None:
        raise BodyTooLarge(f"a line of more than {LINE_BYTES_MAX} bytes")
    if line.startswith(_USUAL[0]) and line.endswith(_USUAL[1]) and line.count(b'"') == 4:
        # Four quotes and no backslash: the text is what stands between them.
        usual = line[len(_USUAL[0]) : -len(_USUAL[1])]
        if usual.isascii() and b"\\" not in usual:
            return Submission((read_statement(usual.decode("ascii")),)), False
    match _members(line):
        case {"statement": str(text), **rest} if not rest:
            return Submission((_within(text, "statement"),)), False
        case {"control": str(text), **rest} if not rest:
            return Submission((Control.parse(Token.parse(text)),)), False
        case {"statements": list(texts), **rest} if not rest:
            return Submission(tuple(parse_statements(texts))), True
        case _:
            raise RequestMalformed(
                "a line is an object of exactly one member: statement, statements or control"
            )


def parse_statements(texts: Sequence[Any]) -> list[Statement]:
    """Statements that stand together. Raises `RequestMalformed`, `BodyTooLarge`, `LedgerError`."""
    if not 0 < len(texts) <= SUBMISSION_BODIES_MAX:
        raise BodyTooLarge(f"not 1 to {SUBMISSION_BODIES_MAX} statements", path=("statements",))
    bodies = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise RequestMalformed("a statement is text", path=("statements", position))
        bodies.append(_within(text, "statements", position))
    return bodies


def _within(text: str, *path: str | int) -> Statement:
    try:
        return read_statement(text)
    except LedgerError as error:
        raise (error.within(*path) if len(path) > 1 else error) from None


def _members(line: bytes) -> dict[str, Any]:
    try:
        value = read_json(text_of(line))
    except ValueError as error:
        raise RequestMalformed(f"no JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def text_of(raw: bytes) -> str:
    """Raises `RequestMalformed`."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestMalformed(f"no UTF-8: {error.reason} at byte {error.start}") from None
