"""The public door as a client sees it, whether a server runs or not.

    door          an HTTP client that carries a credential: to a server, or within this process
    ask_through   a GraphQL question and its answer
    ask           the same, with a door opened for it
    require_migrated   refuses a database of another version

Whoever writes the log holds its lock. When that is a server, the client speaks to it over HTTP;
when nobody is, this process opens the log, becomes the writer for as long as the block runs, and
the same requests reach the same application without a network in between. Callers cannot tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from api.access import DEMO_KEY, Tier
from api.answers import Question, answered
from api.custody import custody_of
from api.migration import require_head
from api.office import DoorClosed
from api.service import Service
from api.settings import Settings
from api.storage import open_database
from api.tokens import read_token
from ledger.errors import WriterBusy
from ledger.writer_lock import lock_path

TIMEOUT_S = 120.0
"""A capture of ten megabytes, or a thousand lines, on a busy machine."""

_INSIDE = "http://door.invalid"
"""Where requests within this process seem to go (RFC 2606: no such host)."""


@asynccontextmanager
async def door(
    settings: Settings, *, tier: Tier = Tier.AUTHORITY
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with this tier's credential; the public tier has none.

    Raises `TokenMissing`, `DatabaseNotAtHead`, `WriterBusy` when the writer does not answer.
    """
    headers = {}
    if tier is not Tier.PUBLIC:
        headers["Authorization"] = f"Bearer {read_token(settings.tokens_folder, tier)}"
    await require_migrated(settings)
    async with AsyncExitStack() as stack:
        try:
            service = await stack.enter_async_context(Service.opened(_own(settings), writes=True))
        except WriterBusy as busy:
            # The writer is on this machine: whatever proxy leads to the world does not lead there.
            client = httpx.AsyncClient(
                base_url=_address(settings), headers=headers, timeout=TIMEOUT_S, trust_env=False
            )
            await stack.enter_async_context(client)
            await _require_answer(client, busy)
            yield client
            return
        # Loaded late: a command that speaks to a running server needs none of it.
        from api.app import create_app

        transport = httpx.ASGITransport(create_app(service))
        client = httpx.AsyncClient(
            transport=transport, base_url=_INSIDE, headers=headers, timeout=TIMEOUT_S
        )
        yield await stack.enter_async_context(client)
        # A server would follow in its own time; this process is about to end.
        await service.followed(service.writer.tree_size)


async def ask_through(client: httpx.AsyncClient, question: Question) -> dict[str, Any]:
    """The one root field of the answer. Raises `AnswerRefused`, `DoorClosed`."""
    try:
        response = await client.post("/graphql", json=question.members())
        answer = response.json()
    except httpx.TransportError as error:
        raise DoorClosed(f"the door does not answer: {type(error).__name__}: {error}") from error
    except ValueError:
        raise DoorClosed("the door answers in a form of its own") from None
    return answered(answer)


async def ask(settings: Settings, tier: Tier, question: Question) -> dict[str, Any]:
    """Raises `AnswerRefused`, and what `door` raises."""
    async with door(settings, tier=tier) as client:
        return await ask_through(client, question)


async def require_migrated(settings: Settings) -> None:
    """Raises `DatabaseNotAtHead`."""
    database = open_database(settings)
    try:
        if database.is_sqlite and not lock_path(database).parent.is_dir():
            settings.home.mkdir(parents=True, exist_ok=True)
        await require_head(database)
    finally:
        await database.close()


def _own(settings: Settings) -> Settings:
    # Who may open keys and database is the operator. The credentials of a demonstration in the
    # operator's own folder open the operator's own process, as they would open `xin up`.
    return replace(settings, demo=custody_of(settings).has(DEMO_KEY))


def _address(settings: Settings) -> str:
    """Where the writer listens: SQLite's lock file says so, PostgreSQL's lock cannot."""
    database = open_database(settings)
    if database.is_sqlite:
        return lock_path(database).read_text(encoding="utf-8").strip() or settings.address
    return settings.address


async def _require_answer(client: httpx.AsyncClient, busy: WriterBusy) -> None:
    try:
        (await client.get("/healthz")).raise_for_status()
    except httpx.HTTPError:
        raise WriterBusy(f"{busy.message}; nothing answers at {client.base_url}") from None
