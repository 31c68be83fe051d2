"""POST /entries: finished tokens, one or many (ARCHITECTURE §4).

    EntriesDoor      the route
    parse_statements several that stand together
    parse_line       one line of NDJSON to a submission

`application/sd-jwt` carries one statement and is answered with one JSON object. In
`application/x-ndjson` each line is a submission of its own:

    {"statement":"<sd-jwt>"}    {"statements":["<sd-jwt>", …]}, all or none    {"control":"<jws>"}

Answers come one line each, in order, while the body is still being read: a client that sends more
than CHUNK_LINES lines must read as it writes. A line that is refused is answered with its error
and leaves no trace; the lines around it stand. What was answered with an index is durable.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.access import Access, Tier
from api.errors import BodyTooLarge, MediaTypeRefused, ReadOnly, RequestMalformed, refusal_of
from api.http import media_type, problem, read_body
from api.service import Service
from ledger.admission import SUBMISSION_BODIES_MAX, Submission, prepare
from ledger.authority import Authorities
from ledger.batch import Acknowledgement
from ledger.candidate import Candidate
from ledger.control import Control
from ledger.errors import LedgerError
from ledger.presentation import read_statement
from ledger.statement import Statement
from ledger.token import Token
from ledger.writer import Outcome, Writer, settled

STATEMENT_BYTES_MAX = 1_200_000
"""A token and 64 disclosures, each at its own limit (`ledger.token`, `ledger.disclosure`)."""

LINE_BYTES_MAX = 8 * 1024 * 1024
"""A matter of a thousand parties at 3 kB each, twice over."""

CHUNK_LINES = 500
"""Lines decided together: some 2 MB, and a sixteenth of the sequencer's queue."""

CHUNK_BYTES = 8 * 1024 * 1024
"""Bytes decided together, however few the lines."""

CHUNKS_AHEAD_MAX = 4
"""Chunks that wait for their commit while the next is read: enough for two batches."""

_USUAL = (b'{"statement":"', b'"}')
"""How nearly every line begins and ends."""

SD_JWT = "application/sd-jwt"
NDJSON = "application/x-ndjson"


class EntriesDoor:
    """Takes finished tokens from authorities. An application of its own, ahead of the router."""

    def __init__(self, service: Service, access: Access) -> None:
        self._service = service
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST. Every refusal is a problem document; a client that left hears nothing."""
        try:
            answer = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:  # as `api.http.EXCEPTION_HANDLERS` has it
            answer = problem(error)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """One statement, or lines. Raises `AccessError`, `RequestError`, `ReadOnly`."""
        caller = self._access.caller(request.headers.get("authorization"), at=self._service.now())
        caller.require(Tier.AUTHORITY)
        writer = self._service.sequencer
        if writer is None:
            raise ReadOnly("this process does not write; ask the one that does")
        kind = media_type(request)
        if kind == SD_JWT:
            return await _submit_one(request, writer)
        if kind == NDJSON:
            return _Answers(_answers(request, writer), media_type=NDJSON)
        raise MediaTypeRefused(f"the body is neither {SD_JWT} nor {NDJSON}")


class _Answers(StreamingResponse):
    """Answers while the body is still being read.

    Starlette watches for a client that leaves by reading from the connection, and would take
    pieces of the body away. Here the reader of the body meets that client itself.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)


class _Line(NamedTuple):
    """A line whose form was checked: its candidates, and whether it asked for many."""

    candidates: tuple[Candidate, ...]
    many: bool


async def _submit_one(request: Request, writer: Writer) -> Response:
    raw = await read_body(request, STATEMENT_BYTES_MAX)
    body = read_statement(_text(raw.removesuffix(b"\n")))
    (acknowledgement,) = await writer.submit(Submission((body,)))
    return Response(orjson.dumps(_answer(acknowledgement)), media_type="application/json")


async def _answers(request: Request, writer: Writer) -> AsyncIterator[bytes]:
    """While one chunk is committed the next is read and prepared; they are queued in order."""
    ahead: deque[asyncio.Task[bytes]] = deque()
    try:
        async for lines in _chunks(request):
            # One thread: a second one would fight it for the interpreter, and both lose by it.
            prepared = await asyncio.to_thread(_prepare_each, lines, writer.authorities)
            waiting = writer.enqueue_each(
                item if isinstance(item, Exception) else item.candidates for item in prepared
            )
            ahead.append(asyncio.create_task(_told(prepared, settled(waiting))))
            while ahead and (ahead[0].done() or len(ahead) > CHUNKS_AHEAD_MAX):
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()
    except ClientDisconnect:
        # Whatever was decided stands; sent again, it is answered as a duplicate.
        return
    finally:
        for task in ahead:
            task.cancel()


def _prepare_each(
    lines: Sequence[bytes | None], authorities: Authorities
) -> list[_Line | Exception]:
    outcomes: list[_Line | Exception] = []
    for line in lines:
        try:
            submission, many = parse_line(line)
            outcomes.append(_Line(prepare(submission, authorities), many))
        except Exception as error:  # a refusal of this line alone; `refusal_of` sorts bugs out
            outcomes.append(error)
    return outcomes


async def _told(
    prepared: Sequence[_Line | Exception], settling: Coroutine[Any, Any, list[Outcome]]
) -> bytes:
    answers = []
    for line, outcome in zip(prepared, await settling, strict=True):
        if isinstance(outcome, Exception):
            answers.append(orjson.dumps({"error": refusal_of(outcome).members()}))
        elif isinstance(line, _Line) and line.many:
            answers.append(orjson.dumps({"entries": [_answer(entry) for entry in outcome]}))
        else:
            answers.append(orjson.dumps(_answer(outcome[0])))
    return b"\n".join([*answers, b""])


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
        value = json.loads(_text(line), object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestMalformed(f"no JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestMalformed(f"no UTF-8: {error.reason} at byte {error.start}") from None


async def _chunks(request: Request) -> AsyncIterator[list[bytes | None]]:
    """The body's lines, some hundred at a time; None where one is longer than may be."""
    lines: list[bytes | None] = []
    held = 0
    async for line in _lines(request):
        lines.append(line)
        held += len(line or b"")
        if len(lines) >= CHUNK_LINES or held >= CHUNK_BYTES:
            yield lines
            lines, held = [], 0
    if lines:
        yield lines


async def _lines(request: Request) -> AsyncIterator[bytes | None]:
    buffer = bytearray()
    too_long = False
    async for piece in request.stream():
        *whole, rest = piece.split(b"\n")
        for part in whole:
            buffer += part
            yield None if too_long or len(buffer) > LINE_BYTES_MAX else bytes(buffer)
            buffer.clear()
            too_long = False
        buffer += rest
        if len(buffer) > LINE_BYTES_MAX:
            # Read on to the end of the line, keeping nothing of it.
            too_long = True
            buffer.clear()
    if buffer or too_long:
        yield None if too_long else bytes(buffer)


def _answer(acknowledgement: Acknowledgement) -> dict[str, object]:
    return {
        "leaf_index": acknowledgement.leaf_index,
        "leaf_hash": base64.b64encode(acknowledgement.leaf_hash).decode("ascii"),
        "duplicate": acknowledgement.duplicate,
    }
