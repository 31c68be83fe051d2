"""Below SQLAlchemy, at its drivers: what every batch asks and writes.

    insert_many   rows of one table, all new
    put_many      rows of one table, in place of those that have their key
    fetch_all     the rows that one statement finds
    begin_sqlite  what begins a transaction of SQLite

A statement of SQLAlchemy to SQLite passes four times between the event loop and the driver's
thread, one of the driver itself passes once; to PostgreSQL `COPY` takes rows at twice the rate of
`INSERT`. Rows are read and written within a transaction that SQLAlchemy has begun, and commits; to
PostgreSQL it begins with the first statement that goes by way of SQLAlchemy, so one must. Its
events for statements see nothing of these. Columns are held against the mapped table, so that one
added there fails here at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import aiosqlite
import asyncpg
from sqlalchemy import Connection
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import DeclarativeBase

Row: TypeAlias = tuple[object, ...]


async def insert_many(
    connection: AsyncConnection,
    table: type[DeclarativeBase],
    columns: Sequence[str],
    rows: Sequence[Row],
) -> None:
    """Rows in the order of `columns`. Raises `IntegrityError` where they break a constraint."""
    assert set(columns) == set(table.__table__.columns.keys())
    driver = await _driver(connection)
    with _integrity(table):
        if isinstance(driver, asyncpg.Connection):
            await driver.copy_records_to_table(table.__tablename__, records=rows, columns=columns)
        else:
            await driver.executemany(_insert(table, columns, ["?"] * len(columns)), rows)


async def put_many(
    connection: AsyncConnection,
    table: type[DeclarativeBase],
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    key: Sequence[str],
) -> None:
    """As `insert_many`, but a row replaces the one that has its key."""
    assert set(columns) == set(table.__table__.columns.keys())
    driver = await _driver(connection)
    is_postgresql = isinstance(driver, asyncpg.Connection)
    places = [f"${number}" if is_postgresql else "?" for number, _ in enumerate(columns, 1)]
    rest = ",".join(f"{name}=excluded.{name}" for name in columns if name not in key)
    conflict = f"ON CONFLICT ({','.join(key)}) DO UPDATE SET {rest}"
    statement = f"{_insert(table, columns, places)} {conflict}"
    with _integrity(table):
        await driver.executemany(statement, rows)


async def fetch_all(
    connection: AsyncConnection, statement: str, parameters: Sequence[object]
) -> Sequence[Any]:
    """The rows of one statement, whose placeholders are the driver's: `?` or `$1`."""
    if connection.dialect.name == "sqlite":
        driver = await _driver(connection)
        return list(await driver.execute_fetchall(statement, parameters))
    # By way of SQLAlchemy, which begins the transaction with it.
    return (await connection.exec_driver_sql(statement, tuple(parameters))).all()


def begin_sqlite(connection: Connection, *, writes: bool) -> None:
    """Called by SQLAlchemy's event. Raises `OperationalError`: another writer kept the lock."""
    statement = "BEGIN IMMEDIATE" if writes else "BEGIN"
    adapted = cast("AdaptedConnection", connection.connection.dbapi_connection)
    try:
        adapted.run_async(lambda driver: driver.execute(statement))
    except sqlite3.Error as error:
        raise OperationalError(statement, None, error) from error


async def _driver(connection: AsyncConnection) -> Any:  # noqa: ANN401  (one of two drivers)
    """An `aiosqlite.Connection` or an `asyncpg.Connection`."""
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    if isinstance(driver, asyncpg.Connection):
        # Otherwise each statement would be a transaction of its own.
        assert driver.is_in_transaction()
    else:
        assert isinstance(driver, aiosqlite.Connection)
        assert driver.in_transaction
    return driver


@contextmanager
def _integrity(table: type[DeclarativeBase]) -> Iterator[None]:
    """A broken constraint is SQLAlchemy's error, whichever driver says so."""
    try:
        yield
    except (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError) as error:
        raise IntegrityError(f"INSERT INTO {table.__tablename__}", None, error) from error


def _insert(table: type[DeclarativeBase], columns: Sequence[str], places: Sequence[str]) -> str:
    return f"INSERT INTO {table.__tablename__} ({','.join(columns)}) VALUES ({','.join(places)})"  # noqa: S608
