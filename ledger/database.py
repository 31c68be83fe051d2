"""SQLite and PostgreSQL, opened alike.

    Database            one engine; `reading` and `writing` give sessions
    Database.connect    from an SQLAlchemy URL
    Database.reading    a session that must not write
    Database.writing    a session in one transaction, committed at the end of the block

SQLite runs in WAL mode with `synchronous=FULL`, so that a commit is on disk when it returns, and
takes its write lock when a writing transaction begins: a reader never turns writer half-way, which
WAL would refuse. Writers of one process queue here instead of polling the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

BUSY_TIMEOUT_MS = 30_000
"""How long a writer of another process may hold SQLite's lock before we give up."""

POOL_SIZE = 8
"""Connections to PostgreSQL that are kept; under load SQLAlchemy opens up to ten more."""


class Database:
    """The one way to a session. Nothing is opened before the first use."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._read = async_sessionmaker(engine, expire_on_commit=False)
        self._write = async_sessionmaker(
            engine.execution_options(xin_writes=True), expire_on_commit=False
        )
        self._writer = asyncio.Lock()

    @classmethod
    def connect(cls, url: str) -> Database:
        """From a URL of `sqlite+aiosqlite` or `postgresql+asyncpg`."""
        if make_url(url).get_backend_name() == "sqlite":
            engine = create_async_engine(url)
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        else:
            engine = create_async_engine(url, pool_size=POOL_SIZE, pool_pre_ping=True)
        return cls(engine)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reads; what it began is rolled back."""
        async with self._read() as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session in one durable transaction: committed at the end, rolled back on a raise."""
        if self.is_sqlite:
            async with self._writer, self._write.begin() as session:
                yield session
        else:
            async with self._write.begin() as session:
                yield session

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # The driver would begin transactions on its own, and too late; `_begin_sqlite` does it.
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.close()
    except Exception:
        # A file that is no database. The driver's thread ends with its connection alone.
        connection.close()
        raise


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("xin_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
