"""ARCHITECTURE §9, one writer per log: the lock between processes, on both databases."""

import pytest

from ledger.database import Database
from ledger.errors import WriterBusy
from ledger.writer_lock import WriterLock


async def test_one_process_writes_a_log_at_a_time(database_url: str) -> None:
    database = Database.connect(database_url)
    other = Database.connect(database_url)
    lock = await WriterLock.acquire(database, address="http://127.0.0.1:1")
    with pytest.raises(WriterBusy):
        await WriterLock.acquire(other, address="http://127.0.0.1:2")
    await lock.release()
    again = await WriterLock.acquire(other, address="http://127.0.0.1:2")
    await again.release()
    await database.close()
    await other.close()
