"""Bringing a database to the tables this version knows.

    HEAD              the newest revision in `migrations/versions/`
    migrate           up or down to a revision, in one transaction
    require_head      refuses a database at another revision, naming both
    DatabaseNotAtHead the refusal
    DatabaseUnreachable   a database that cannot be opened at all

`require_head` costs one query and does not load Alembic, so every start can afford it. SQLite's
write lock, or an advisory lock on PostgreSQL, lets one process migrate at a time; one that waited
finds the work done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.fault import Fault
from ledger.database import Database

HEAD = "0008"
BASE = "base"

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"

THREAD_END_S = 0.1

_ADVISORY_KEY = 0x78696E6D6967
"""`xinmig`, so that a person who looks at pg_locks can guess."""


class DatabaseNotAtHead(Fault):
    """The tables are those of another version; `xin migrate` brings them here."""

    code: ClassVar[str] = "DATABASE_NOT_AT_HEAD"


class DatabaseUnreachable(Fault):
    """The database cannot be opened; the message says what its driver says."""

    code: ClassVar[str] = "DATABASE_UNREACHABLE"


async def migrate(database: Database, *, to: str = HEAD) -> None:
    """Run every step between where the database is and `to`; all of them or none.

    Raises `DatabaseUnreachable`.
    """
    engine = database.engine.execution_options(xin_writes=True)
    async with _opened(engine) as connection, connection.begin():
        if not database.is_sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY}
            )
        found = await revision(connection)
        if found != to:
            await connection.run_sync(_run, to, down=to == BASE or (found != BASE and to < found))


async def revision(connection: AsyncConnection) -> str:
    """Where the database is; `base` when it is empty."""
    known = await connection.run_sync(lambda plain: inspect(plain).has_table("alembic_version"))
    if not known:
        return BASE
    return await connection.scalar(text("SELECT version_num FROM alembic_version")) or BASE


async def require_head(database: Database) -> None:
    """Raises `DatabaseNotAtHead`, `DatabaseUnreachable`."""
    async with _opened(database.engine) as connection:
        found = await revision(connection)
    if found != HEAD:
        raise DatabaseNotAtHead(
            f"the database is at revision {found}, this version needs {HEAD}; run `xin migrate`"
        )


@asynccontextmanager
async def _opened(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    connection = engine.connect()
    try:
        await connection.start()
    except (SQLAlchemyError, OSError) as error:
        # The thread of a driver that failed reports to this loop as it ends.
        await asyncio.sleep(THREAD_END_S)
        said = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnreachable(
            f"the database cannot be opened: {said}", path=("XIN_DATABASE_URL",)
        ) from error
    try:
        yield connection
    finally:
        await connection.close()


def _run(connection: Connection, to: str, *, down: bool) -> None:
    # Alembic takes 0.3 s to import, and only this function needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if down:
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)
