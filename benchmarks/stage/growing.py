"""A log that grows to any size through its own sequencer, for benchmarks to ask.

    settings_of   where a log lives; founded makes a new one there, with one authority
    grown         the same, its sequencer open, filled to a size
    Stamped       one statement under ever new references: a candidate in some microseconds
    closed_loop   so many clients, each waiting for its answer before it asks again
    percentile    of waits

What is stamped is read back like any other entry, but the signature is not its own: the sequencer
takes candidates whose signatures were verified before. Views do not follow; their cursors stand
where a running server has them, at the head.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from sqlalchemy import delete

from api.service import Service, views
from api.settings import Settings
from benchmarks.append_http import AUTHORITY, PORT, prepared, presentations
from ledger.admission import Submission, prepare
from ledger.candidate import Candidate
from ledger.canonical import b64url, encode
from ledger.identity import Identity
from ledger.presentation import read_statement
from ledger.tables import CursorRow

ENTERPRISES = 10_000
"""Whom the entries are about, in no order, so that no index finds its rows side by side."""

FILL_BATCH = 4_096

Asked = TypeVar("Asked")


def settings_of(url: str, home: Path) -> Settings:
    """Of a log in that database, with keys in `home`."""
    return Settings(
        home=home,
        database_url=url,
        port=PORT,
        origin="benchmark/xinyuan",
        demo=True,
        credential_issuers={},
    )


async def founded(url: str, home: Path) -> Settings:
    """A log in an empty database; its settings."""
    settings = settings_of(url, home)
    await prepared(settings)
    return settings


@asynccontextmanager
async def grown(settings: Settings, size: int) -> AsyncIterator[Service]:
    """A founded log, filled to `size` where it is smaller."""
    async with Service.opened(settings, writes=True, follows=False) as service:
        stamped = Stamped(service)
        while (missing := size - service.writer.tree_size) > 0:
            batch = stamped.take(min(missing, FILL_BATCH))
            await asyncio.gather(*(service.writer.enqueue([candidate]) for candidate in batch))
        async with service.database.writing() as session:
            await session.execute(delete(CursorRow))
            at = service.writer.tree_size
            session.add_all(CursorRow(view=view.name, next_index=at) for view in views())
        yield service


class Stamped:
    """Candidates that differ in reference, subject and content hash alone."""

    def __init__(self, service: Service) -> None:
        key = service.keystore.get(AUTHORITY.label())
        (presentation,) = presentations(key, 1)
        statement = read_statement(presentation.decode())
        (self._model,) = prepare(Submission((statement,)), service.writer.authorities)
        self._payload = dict(statement.token.payload)
        self._header, _, self._signature = statement.token.text.split(".")
        self._labels = [
            Identity.parse("fei", str(3_000_000_000 + number)).label()
            for number in range(ENTERPRISES)
        ]

    def take(self, count: int) -> list[Candidate]:
        """The next ones."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Candidate:
        jti, subject = secrets.token_hex(16), secrets.choice(self._labels)
        self._payload.update(jti=jti, sub=subject)
        token = f"{self._header}.{b64url(encode(self._payload))}.{self._signature}"
        commit = b64url(sha256(token.encode()).digest())
        return self._model._replace(
            jti=jti,
            subject=subject,
            content_hash=secrets.token_bytes(32),
            token=token,
            leaf=encode({"commit": commit, "sub": subject, "v": 1}),
        )


async def closed_loop(
    work: Sequence[Asked], ask: Callable[[Asked], Awaitable[object]], *, clients: int
) -> tuple[float, list[float]]:
    """How many a second, and how long each waited."""
    waits: list[float] = []
    remaining = iter(work)

    async def client() -> None:
        for one in remaining:
            started = time.perf_counter()
            await ask(one)
            waits.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(work) / (time.perf_counter() - started), waits


def percentile(waits: Sequence[float], percent: int) -> float:
    """The wait that so many in a hundred do not exceed."""
    return sorted(waits)[(len(waits) * percent - 1) // 100]
