"""Bringing a database to the tables this version knows.

    HEAD              the newest revision in `migrations/versions/`
    migrate           up or down to a revision, in one transaction
    require_head      refuses a database at another revision, naming both
    DatabaseNotAtHead the refusal

`require_head` costs one query and does not load Alembic, so every start can afford it. SQLite's
write lock, or an advisory lock on PostgreSQL, lets one process migrate at a time; one that waited
finds the work done.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.database import Database

HEAD = "0001"
BASE = "base"

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"

_ADVISORY_KEY = 0x78696E6D6967
"""`xinmig`, so that a person who looks at pg_locks can guess."""


class DatabaseNotAtHead(Exception):
    """The tables are those of another version; `xin migrate` brings them here."""

    code: ClassVar[str] = "DATABASE_NOT_AT_HEAD"

    def __init__(self, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


async def migrate(database: Database, *, to: str = HEAD) -> None:
    """Run every step between where the database is and `to`; all of them or none."""
    async with database.engine.execution_options(xin_writes=True).begin() as connection:
        if not database.is_sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY}
            )
        if await revision(connection) != to:
            await connection.run_sync(_run, to)


async def revision(connection: AsyncConnection) -> str:
    """Where the database is; `base` when it is empty."""
    known = await connection.run_sync(lambda plain: inspect(plain).has_table("alembic_version"))
    if not known:
        return BASE
    return await connection.scalar(text("SELECT version_num FROM alembic_version")) or BASE


async def require_head(database: Database) -> None:
    """Raises `DatabaseNotAtHead`."""
    async with database.engine.connect() as connection:
        found = await revision(connection)
    if found != HEAD:
        raise DatabaseNotAtHead(
            f"the database is at revision {found}, this version needs {HEAD}; run `xin migrate`"
        )


def _run(connection: Connection, to: str) -> None:
    # Alembic takes 0.3 s to import, and only this function needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if to == BASE:
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)
