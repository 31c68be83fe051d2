"""One writer per log: the lock that a second process meets before it does any harm.

    WriterLock           held for as long as this process writes
    WriterLock.acquire   raises `WriterBusy`, naming who holds it
    lock_path            the lock file beside a SQLite log

SQLite: an exclusive lock on a file beside the database, released by the system when the process
ends, however it ends; the file says where the holder listens. PostgreSQL: a session's advisory
lock, released when its connection ends. The lock keeps honest processes apart; the unique
`previous_size` of each checkpoint keeps all of them apart (`ledger.sequencer`, step 5).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.database import Database
from ledger.errors import WriterBusy

_ADVISORY_KEY = int.from_bytes(hashlib.sha256(b"xinyuan writer").digest()[:8], "big", signed=True)


class WriterLock:
    """Exclusive right to write one log."""

    def __init__(self, descriptor: int | None, connection: AsyncConnection | None) -> None:
        self._descriptor = descriptor
        self._connection = connection

    @classmethod
    async def acquire(cls, database: Database, *, address: str) -> Self:
        """Take the lock and leave `address` for others to read. Raises `WriterBusy`."""
        if database.is_sqlite:
            return cls(_lock_file(lock_path(database), address), None)
        connection = await database.engine.connect()
        granted = await connection.scalar(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_KEY}
        )
        if not granted:
            await connection.close()
            raise WriterBusy("another process writes this log; send your entries through its door")
        await connection.commit()
        return cls(None, connection)

    async def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
        if self._connection is not None:
            await self._connection.execute(
                text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_KEY}
            )
            await self._connection.close()


def lock_path(database: Database) -> Path:
    """The lock file of a SQLite log."""
    name = database.engine.url.database
    assert name
    return Path(f"{name}.writer")


def _lock_file(path: Path, address: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode("utf-8", "replace")
        os.close(descriptor)
        raise WriterBusy(
            f"another process writes this log ({holder}); send your entries through its door"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, address.encode())
    return descriptor
