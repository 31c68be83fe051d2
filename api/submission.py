"""POST /entries: finished tokens, one or many (ARCHITECTURE §4).

    EntriesDoor      the route

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
from collections import deque
from collections.abc import AsyncIterator, Sequence

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.access import Access, Tier
from api.errors import MediaTypeRefused, ReadOnly, refusal_of
from api.http import media_type, problem, read_body
from api.lines import LINE_BYTES_MAX, PreparedLine, text_of
from api.preparing import Preparers
from api.service import Service
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.presentation import read_statement
from ledger.writer import Writer

STATEMENT_BYTES_MAX = 1_200_000
"""A token and 64 disclosures, each at its own limit (`ledger.token`, `ledger.disclosure`)."""

CHUNK_LINES = 500
"""Lines prepared together: some 2 MB, and a sixteenth of the sequencer's queue."""

CHUNK_BYTES = 8 * 1024 * 1024
"""Bytes prepared together, however few the lines."""

CHUNKS_AHEAD_MAX = 4
"""Chunks under way while the next is read: two that are prepared, and two that are written."""

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
            return _Streamed(
                _answer_stream(request, writer, self._service.preparers), media_type=NDJSON
            )
        raise MediaTypeRefused(f"the body is neither {SD_JWT} nor {NDJSON}")


class _Streamed(StreamingResponse):
    """Answers while the body is still being read.

    Starlette watches for a client that leaves by reading from the connection, and would take
    pieces of the body away. Here the reader of the body meets that client itself.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)


async def _submit_one(request: Request, writer: Writer) -> Response:
    raw = await read_body(request, STATEMENT_BYTES_MAX)
    body = read_statement(text_of(raw.removesuffix(b"\n")))
    (acknowledgement,) = await writer.submit(Submission((body,)))
    return Response(orjson.dumps(_members_of(acknowledgement)), media_type="application/json")


async def _answer_stream(
    request: Request, writer: Writer, preparers: Preparers
) -> AsyncIterator[bytes]:
    """While one chunk is committed others are prepared and read; they are queued in order."""
    ahead: deque[asyncio.Task[bytes]] = deque()
    before = asyncio.Event()
    before.set()
    try:
        async for lines in _chunks(request):
            queued = asyncio.Event()
            chunk = _answer_chunk(lines, writer, preparers, before=before, queued=queued)
            ahead.append(asyncio.create_task(chunk))
            before = queued
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


async def _answer_chunk(
    lines: Sequence[bytes | None],
    writer: Writer,
    preparers: Preparers,
    *,
    before: asyncio.Event,
    queued: asyncio.Event,
) -> bytes:
    """Prepare a chunk, queue it after `before`, then set `queued`, and wait for its answers."""
    prepared = await preparers.prepare(lines, writer.authorities)
    await before.wait()
    answers = writer.enqueue_packed(
        [line.packed for line in prepared if isinstance(line, PreparedLine)]
    )
    queued.set()
    outcomes = iter(await answers)
    told = []
    for line in prepared:
        outcome = line if isinstance(line, Exception) else next(outcomes)
        if isinstance(outcome, Exception):
            told.append(orjson.dumps({"error": refusal_of(outcome).members()}))
        elif isinstance(line, PreparedLine) and line.many:
            told.append(orjson.dumps({"entries": [_members_of(entry) for entry in outcome]}))
        else:
            told.append(orjson.dumps(_members_of(outcome[0])))
    return b"\n".join([*told, b""])


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


def _members_of(acknowledgement: Acknowledgement) -> dict[str, object]:
    return {
        "leaf_index": acknowledgement.leaf_index,
        "leaf_hash": base64.b64encode(acknowledgement.leaf_hash).decode("ascii"),
        "duplicate": acknowledgement.duplicate,
    }
