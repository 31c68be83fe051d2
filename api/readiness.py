"""GET /readyz: whether a load balancer should send requests here.

    ReadyDoor    200, or 503 with the reason as a problem document

`/healthz` says that the process lives, and a process that does not is started again. A fenced
writer lives, and so does one whose database is away; restarting would not help them, sending
requests elsewhere would. Ready is who

    1. is the writer and takes submissions, or never was to write
    2. gets an answer from its database in ANSWER_S
    3. answers from views that lag the log by VIEWS_LAG_MAX entries at most
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.errors import DatabaseAway, ViewsBehind
from api.jobs import LAG_ENTRIES_MAX
from api.service import Service
from ledger.errors import WriterFenced

ANSWER_S = 2.0
"""Shorter than those who ask usually wait, so that they hear why."""

VIEWS_LAG_MAX = 5 * LAG_ENTRIES_MAX
"""Entries that no answer knows yet: some fifteen seconds of following. In a burst the views fall
behind on purpose, and further while they read what is there; a server at work is not taken away."""


class ReadyDoor:
    """What a load balancer asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def ready(self, request: Request) -> Response:
        """Raises `WriterFenced`, `DatabaseAway`, `ViewsBehind`."""
        sequencer = self._service.sequencer
        if sequencer is not None and not sequencer.is_running:
            raise WriterFenced("this writer has stopped; another one may have taken over")
        try:
            async with asyncio.timeout(ANSWER_S):
                lag = await self._service.follower.lag()
        except TimeoutError:
            raise DatabaseAway(f"no answer from the database in {ANSWER_S} s") from None
        except Exception as error:
            # In whichever driver's words; they may name hosts and users, and are not for everyone.
            raise DatabaseAway(f"the database fails: {type(error).__name__}") from error
        if lag > VIEWS_LAG_MAX:
            raise ViewsBehind(f"the views lag the log by {lag} entries")
        return JSONResponse({"status": "ready", "lag": lag}, headers={"Cache-Control": "no-store"})
