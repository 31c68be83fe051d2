"""SQLite's driver with statements that fail: below aiosqlite, SQLAlchemy and the ledger.

    failing_sqlite    for as long as a block runs, every connection made asks a `Failing`

A statement that is lost is not run. One that is kept is run, and then fails; where it was the end
of a transaction, the transaction is on disk.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self

from tests.faults.failing import Failing, Kept


@contextmanager
def failing_sqlite(failing: Failing) -> Iterator[None]:
    """Replace what makes connections; those that are open already fail no statement."""

    class FailingCursor(sqlite3.Cursor):
        def execute(self, *arguments: object) -> Self:
            run = partial(super().execute, *arguments)  # type: ignore[arg-type]
            _run(failing, str(arguments[0]), run)
            return self

        def executemany(self, *arguments: object) -> Self:
            run = partial(super().executemany, *arguments)  # type: ignore[arg-type]
            _run(failing, str(arguments[0]), run)
            return self

    class FailingConnection(sqlite3.Connection):
        def cursor(self) -> FailingCursor:  # type: ignore[override]
            return super().cursor(FailingCursor)

        def execute(self, *arguments: object) -> FailingCursor:
            return self.cursor().execute(*arguments)

        def executemany(self, *arguments: object) -> FailingCursor:
            return self.cursor().executemany(*arguments)

        def commit(self) -> None:
            _run(failing, "COMMIT", super().commit)

    connect = sqlite3.connect
    sqlite3.connect = partial(connect, factory=FailingConnection)  # type: ignore[assignment]
    try:
        yield
    finally:
        sqlite3.connect = connect


def _run(failing: Failing, statement: str, run: Callable[[], object]) -> None:
    fails = failing.asked(statement)
    if fails is not Kept.LOST:
        run()
    if fails is not None:
        raise sqlite3.OperationalError(f"disk I/O error, and the statement is {fails.value}")
