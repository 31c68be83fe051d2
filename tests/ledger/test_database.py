"""A SQLite file: turns at it, how long another process is waited for, and who may read it."""

import asyncio
import os
import stat
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


async def test_a_new_file_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    """Each turns it to WAL, for which SQLite does not wait; one in seventy was refused before."""

    async def opened(url: str) -> None:
        database = Database.connect(url)
        try:
            async with database.engine.connect():
                pass
        finally:
            await database.close()

    for number in range(60):
        url = f"sqlite+aiosqlite:///{tmp_path / f'{number}.sqlite'}"
        await asyncio.gather(*(opened(url) for _ in range(4)))


def modes_in(folder: Path) -> dict[str, int]:
    """Name to mode of every file."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o022])
async def test_a_sqlite_file_and_its_journals_are_their_owners_alone(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        database = Database.connect(f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}")
        async with database.writing() as session:
            await session.execute(text("CREATE TABLE anything (x)"))
            modes = modes_in(tmp_path)
        await database.close()
    finally:
        os.umask(before)
    assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_the_mode_of_a_file_that_is_there_is_its_owners_affair(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch(mode=0o640)
    path.chmod(0o640)
    database = Database.connect(f"sqlite+aiosqlite:///{path}")
    async with database.reading() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    await database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
