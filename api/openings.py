"""GET /openings: the log with all that opens it, for another home of the same operator.

    OpeningsDoor     the route
    OPERATOR_LABEL   whose credential opens it

The opening store is what the log hides, so no tier of the graph opens this door: only a credential
of tier `authority` whose subject is the operator itself, a label that no authority can have. With
`?first=N` it answers NDJSON (`ledger.opening_feed`) from index N on, ending with a signed head. One
answer has some FEED_BODIES entries; whoever wants more asks again from there.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.access import Access, Tier
from api.errors import RequestMalformed, TierForbidden
from api.service import Service
from ledger.auditor import StoredLog
from ledger.checkpoint import TREE_SIZE_MAX
from ledger.database import Database
from ledger.errors import OpeningMissing
from ledger.identity import control_label
from ledger.opening_feed import checkpoint_line, entry_line
from ledger.tiles import TILE_WIDTH

OPERATOR_LABEL = control_label("operator")
"""Control labels are hashes of a domain of their own: no identifier of anybody leads to it."""

FEED_BODIES = 10_000
"""Of one answer, and what the head over the last of them has beside it: some 30 MB."""

PAGE_BYTES = 4 * 1024 * 1024
"""Read in one go; a slow reader holds up no snapshot of the database."""

NDJSON = "application/x-ndjson"

_INDEX = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


class OpeningsDoor:
    """What a home that lost entries catches up from."""

    def __init__(self, service: Service, access: Access) -> None:
        self._service = service
        self._access = access

    async def feed(self, request: Request) -> Response:
        """Lines from `first` on. Raises `AccessError`, `RequestMalformed`."""
        caller = self._access.caller(request.headers.get("authorization"), at=self._service.now())
        if caller.require(Tier.AUTHORITY) != OPERATOR_LABEL:
            raise TierForbidden(f"this needs the operator's credential, sub {OPERATOR_LABEL}")
        text = request.query_params.get("first", "")
        if not _INDEX.fullmatch(text) or int(text) > TREE_SIZE_MAX:
            raise RequestMalformed("first is no leaf index", path=("first",))
        return StreamingResponse(
            _pages(self._service.database, int(text)),
            media_type=NDJSON,
            headers={"Cache-Control": "no-store"},
        )


async def _pages(database: Database, first: int) -> AsyncIterator[bytes]:
    index, is_covered = first, True
    while index < first + FEED_BODIES or not is_covered:
        async with database.reading() as session:
            page, index, is_covered = await _page(StoredLog(session), index)
        if not page:
            return
        yield page


async def _page(log: StoredLog, index: int) -> tuple[bytes, int, bool]:
    """Lines from `index` on, the index after them, and whether they end with a head."""
    lines: list[bytes] = []
    bytes_left = PAGE_BYTES
    for head in await log.checkpoints(index, index + TILE_WIDTH):
        while index < head.tree_size:
            if bytes_left <= 0:
                return _text(lines), index, False
            width = min(TILE_WIDTH, head.tree_size - index)
            entries = await _entry_lines(log, index, width, bytes_left)
            lines += entries
            bytes_left -= sum(map(len, entries))
            index += len(entries)
        lines.append(checkpoint_line(head))
    return _text(lines), index, True


async def _entry_lines(log: StoredLog, first: int, width: int, bytes_left: int) -> list[bytes]:
    """One line at least, of at most `width` entries. Raises `OpeningMissing`."""
    lines: list[bytes] = []
    async with aclosing(log.openings(first, width)) as openings:
        async for opening in openings:
            if opening.leaf_index != first + len(lines) or bytes_left <= 0:
                break
            lines.append(entry_line(opening))
            bytes_left -= len(lines[-1])
    if not lines:
        raise OpeningMissing("nothing opens this leaf", path=("entry", first))
    return lines


def _text(lines: list[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines])
