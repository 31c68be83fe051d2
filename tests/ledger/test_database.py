"""Turns at a SQLite file: how long another process is waited for, and what is left of that."""

from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import database
from ledger.database import Database


async def test_a_writer_that_keeps_its_turn_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}"
    # As in two processes: each has opened the files of turns for itself.
    stopped, other = Database.connect(url), Database.connect(url)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    async with stopped.writing() as session:
        await session.execute(text("CREATE TABLE kept (number INTEGER)"))
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with other.writing():
                    pass
    async with other.writing() as session:
        await session.execute(text("INSERT INTO kept VALUES (1)"))
        # Waits that were given up take nothing, and give nothing back that is another's.
        with pytest.raises(TimeoutError):
            async with stopped.writing():
                pass
    async with stopped.writing() as session:
        assert await session.scalar(text("SELECT count(*) FROM kept")) == 1
    await other.close()
    await stopped.close()
