"""Opening what the settings name: the database, and the folder of tiles where there is one.

    open_database    the database, whose sessions know where the tiles are
    tile_folder      the folder of XIN_TILES_FOLDER, if it is set
    complete_tiles   before a log is written: the folder holds all of its head
    write_tiles      `xin log tiles`: every file that is missing, and the checkpoint
    check_tiles      every file held against the entries

Inward go values, never `Settings`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from api.heads import shown_head
from api.migration import require_head
from api.settings import Settings
from ledger.database import Database
from ledger.entries import Entries
from ledger.tile_folder import TileFolder
from ledger.tile_store import keep_tiles_in

Advance = Callable[[int], object]


def tile_folder(settings: Settings) -> TileFolder | None:
    """Nothing is opened before the first use."""
    return None if settings.tiles_folder is None else TileFolder(settings.tiles_folder)


def open_database(settings: Settings) -> Database:
    """Nothing is opened before the first use."""
    database = Database.connect(settings.database_url)
    folder = tile_folder(settings)
    if folder is not None:
        keep_tiles_in(database, folder)
    return database


async def complete_tiles(database: Database, settings: Settings) -> None:
    """Raises `TilesAhead`, `TileConflict`."""
    folder = tile_folder(settings)
    if folder is not None:
        async with database.reading() as session:
            await folder.complete(session)


async def write_tiles(settings: Settings, path: Path, *, expect: Advance, advance: Advance) -> int:
    """Says how many files were written. A server may run meanwhile, and write the same.

    Raises `TilesAhead`, `TileConflict`, `LedgerEmpty`, `QuorumMissing`.
    """
    folder = TileFolder(path)
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            expect((await Entries(session).head()).tree_size)
            written = await folder.write_all(session, advance=advance)
            head = await shown_head(session, settings.witness_policy)
            published = await asyncio.to_thread(folder.publish, str(head.note))
    finally:
        await database.close()
    return written + published


async def check_tiles(settings: Settings, path: Path, *, expect: Advance, advance: Advance) -> int:
    """Says how many files there are.

    Raises `TilesAhead`, `TileConflict`, `TileMissing`, `LedgerEmpty`.
    """
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            expect((await Entries(session).head()).tree_size)
            return await TileFolder(path).check(session, advance=advance)
    finally:
        await database.close()
