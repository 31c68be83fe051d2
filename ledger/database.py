"""SQLite and PostgreSQL, opened alike.

    Database            one engine; `reading` and `writing` give sessions
    Database.connect    from an SQLAlchemy URL
    Database.reading    a session that must not write
    Database.writing    a session in one transaction, committed at the end of the block
    Database.close      gives all connections back
    Database.session_info   what every session carries in its `info`

SQLite runs in WAL mode with `synchronous=FULL`, so that a commit is on disk when it returns, and
takes its write lock when a writing transaction begins: a reader never turns writer half-way, which
WAL would refuse. Writers queue here instead of polling the file: those of one process at a lock of
asyncio, those of several at two files beside the database (`_Turns`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast
from weakref import WeakSet

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from ledger.driver import begin_sqlite

BUSY_TIMEOUT_MS = 30_000
"""How long a writer of another process may hold SQLite's lock before we give up."""

CACHE_KIB = 65_536
"""Of each SQLite connection: the upper levels of the indexes of some million entries."""

CHECKPOINT_PAGES = 8_000
"""Some 32 MB of WAL: an index page that many batches touch is copied into the file once."""

WAL_TRIES = 200
WAL_WAIT_S = 0.01
"""Two seconds in all, for what takes milliseconds."""

THREAD_END_S = 1.0
"""For the threads of a driver to end; they take milliseconds."""

POOL_SIZE = 8
"""Connections to PostgreSQL that are kept; under load SQLAlchemy opens up to ten more."""


class Database:
    """The one way to a session. Nothing is opened before the first use."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.session_info: dict[str, object] = {}
        self._read = async_sessionmaker(engine, expire_on_commit=False, info=self.session_info)
        self._write = async_sessionmaker(
            engine.execution_options(xin_writes=True),
            expire_on_commit=False,
            info=self.session_info,
        )
        self._writer = asyncio.Lock()
        self._turns = _Turns(engine.url.database) if self.is_sqlite else None
        self._threads: WeakSet[threading.Thread] = WeakSet()
        if self.is_sqlite:
            event.listen(engine.sync_engine, "connect", self._know_thread)

    @classmethod
    def connect(cls, url: str) -> Database:
        """From a URL of `sqlite+aiosqlite` or `postgresql+asyncpg`."""
        if make_url(url).get_backend_name() == "sqlite":
            engine = create_async_engine(url)
            event.listen(engine.sync_engine, "do_connect", _make_private)
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
        if self._turns is not None:
            async with self._writer, self._turns, self._write.begin() as session:
                yield session
        else:
            async with self._write.begin() as session:
                yield session

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
        # One that was given up in the middle of a statement, as by a task that was cancelled, is
        # closed by its driver's thread, which then reports to this loop.
        for thread in tuple(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, THREAD_END_S)
        if self._turns is not None:
            self._turns.close()

    def _know_thread(self, connection: DBAPIConnection, _record: object) -> None:
        # The driver does not show it.
        self._threads.add(cast("AdaptedConnection", connection).driver_connection._thread)


class _Turns:
    """The right to write a SQLite file, given to processes in the order in which they ask.

    SQLite itself lets a writer that finds the file locked sleep and ask again, up to a tenth of a
    second each time, while another that never pauses takes every turn. Here whoever is next holds
    the first file while it waits for the second, and a writer that comes back waits behind it. The
    system gives both locks back when a process ends, however it ends.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._files: tuple[int, int] | None = None

    async def __aenter__(self) -> None:
        """Raises `TimeoutError` where another process keeps its turn for BUSY_TIMEOUT_MS."""
        if self._files is None:
            names = (f"{self._path}.next", f"{self._path}.turn")
            first, second = (os.open(name, os.O_RDWR | os.O_CREAT, 0o600) for name in names)
            self._files = (first, second)
        after, turn = self._files
        try:
            async with asyncio.timeout(BUSY_TIMEOUT_MS / 1_000):
                await _locked(after)
                try:
                    await _locked(turn)
                finally:
                    fcntl.flock(after, fcntl.LOCK_UN)
        except BaseException:
            # A thread may still wait for one of these; once closed, what it takes is nobody's.
            self.close()
            raise

    async def __aexit__(self, *_: object) -> None:
        assert self._files is not None
        fcntl.flock(self._files[1], fcntl.LOCK_UN)

    def close(self) -> None:
        """Forget both files."""
        for file in self._files or ():
            os.close(file)
        self._files = None


async def _locked(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[None] = loop.create_future()
        # Nobody can call it back, and the process does not wait for it to end.
        arguments = (os.dup(file), loop, taken)
        threading.Thread(target=_wait_for_lock, args=arguments, daemon=True).start()
        await taken


def _wait_for_lock(file: int, loop: asyncio.AbstractEventLoop, taken: asyncio.Future[None]) -> None:
    fcntl.flock(file, fcntl.LOCK_EX)
    os.close(file)
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(lambda: None if taken.done() else taken.set_result(None))


def _make_private(_dialect: object, _record: object, arguments: list[str], _: object) -> None:
    """A file that is made is its owner's alone: it holds all that the log hides.

    SQLite would make it as the umask says, and its journals after it. Only a file that is not there
    is opened here: to close one that SQLite has open would give back its locks.
    """
    with suppress(OSError):
        if arguments[0] != ":memory:" and not arguments[0].startswith("file:"):
            os.close(os.open(arguments[0], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # The driver would begin transactions on its own, and too late; `_begin_sqlite` does it.
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        _use_wal(connection, cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size={-CACHE_KIB}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.close()
    except Exception:
        # A file that is no database. The driver's thread ends with its connection alone.
        connection.close()
        raise


def _use_wal(connection: DBAPIConnection, cursor: DBAPICursor) -> None:
    """SQLite does not wait where two turn a new file to WAL: one is told at once that it is locked.

    The other is done within milliseconds, and then there is nothing left to turn.
    """
    for _ in range(WAL_TRIES):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            # The adapted connection waits in the event loop, and holds up nobody there.
            cast("AdaptedConnection", connection).run_async(lambda _: asyncio.sleep(WAL_WAIT_S))
    cursor.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    begin_sqlite(connection, writes=connection.get_execution_options().get("xin_writes", False))
