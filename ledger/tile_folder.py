"""A log as a folder of files with the very paths of C2SP tlog-tiles, for any static server or CDN.

    TileFolder            the hash tiles of a log, as a `ledger.tile_store.TileStore`
    TileFolder.write      a batch's tiles and entry bundles, on disk when it returns
    TileFolder.publish    replaces the file `checkpoint`
    TileFolder.complete   writes what is missing below a head, from the entries of the database
    TileFolder.check      every file against those entries
    TileFolder.drop_partials   removes partial tiles whose full tile stands
    TileFolder.drop_beyond     removes what a failed commit left

A file is never changed: a partial tile has its width in its path. Only `checkpoint` is replaced.
For a batch, in this order:

    1. write each new file under `.new/`, then flush them all
    2. give each its path, then flush the folders that changed
    3. commit the database's transaction (the sequencer)
    4. replace `checkpoint` (`api.publishing`)

A crash before 3 leaves files beyond the head. No checkpoint covers them, so they are removed when
the log is next opened, or replaced when other entries get their indexes. A path that a head covers
is never given other bytes. A crash after 3 leaves an older checkpoint, which is as true as before.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, TileConflict, TileMissing, TilesAhead, WriterFenced
from ledger.merkle import HASH_BYTES, leaf_hash
from ledger.note import NOTE_BYTES_MAX, SignedNote
from ledger.tables import CheckpointRow, EntryRow
from ledger.tile_store import Place
from ledger.tiles import (
    ENTRIES,
    TILE_HEIGHT,
    TILE_WIDTH,
    RightEdge,
    Tile,
    edge_tiles,
    entry_bundle,
    tile_path,
    width_in_tree,
)

CHECKPOINT = "checkpoint"
DRAFTS = ".new"

BEYOND_TILES = 1_024
"""How far beyond a head leftovers are looked for: a batch of 262,144 entries leaves no more."""

BLOCK_BUNDLES = 16
"""Read and written at once while a folder is completed: 4,096 entries, as many as a batch."""

DROPPED_MAX = 256
"""Full tiles whose partials one step of `drop_partials` looks for: some milliseconds."""

FLUSHES = 8
"""Side by side: a batch of 256 entries has five files, one of 4,096 some forty."""

Advance = Callable[[int], object]


class TileFolder:
    """The files below one folder. One process writes them: the one that holds the writer's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: tuple[int, tuple[Tile, ...]] = (0, ())
        self._swept: dict[int, int] = {}
        self._flushing = ThreadPoolExecutor(FLUSHES, thread_name_prefix="tiles")

    async def write(
        self, session: AsyncSession, old_size: int, tiles: Sequence[tuple[Tile, bytes]]
    ) -> None:
        """Steps 1 and 2. Raises `TileConflict`, and `WriterFenced` when the head is another."""
        if await _tree_size(session) != old_size:
            raise WriterFenced(f"another writer extended the log beyond {old_size}")
        new_size = max(tile.index * TILE_WIDTH + tile.width for tile, _ in tiles if not tile.level)
        files = dict(tiles)
        async for index, leaves in _leaves_by_bundle(session, old_size, new_size):
            files[Tile(ENTRIES, index, len(leaves))] = entry_bundle(leaves)
        await asyncio.to_thread(self._write, files, old_size, new_size)

    async def read(self, session: AsyncSession, wanted: Collection[Place]) -> dict[Place, bytes]:
        """Raises `TileMissing`."""
        found = await self.stored(session, wanted)
        tree_size = await _tree_size(session)
        for level, index in wanted:
            if (level, index) not in found and width_in_tree(level, index, tree_size):
                raise TileMissing(
                    "the folder of tiles has lost a file; `xin log tiles` writes it again",
                    path=("tile", level, index),
                )
        return found

    async def stored(self, session: AsyncSession, wanted: Collection[Place]) -> dict[Place, bytes]:
        """What the files of the newest head hold. Those beyond it say nothing."""
        tree_size = await _tree_size(session)
        return await asyncio.to_thread(self._stored, wanted, tree_size)

    async def outside(self, session: AsyncSession, tree_size: int) -> Place | None:
        """Never: what a failed commit leaves behind is no part of the log."""
        return None

    def publish(self, note: str) -> bool:
        """Step 4, unless the folder shows as much already; says whether it was replaced.

        Raises `TileConflict` for another log's folder, or another root of that size.
        """
        new = SignedNote.parse(note.encode())
        old = self._published()
        if old is not None:
            before, after = Checkpoint.parse(old.text), Checkpoint.parse(new.text)
            if before.origin != after.origin or (
                before.tree_size == after.tree_size and before != after
            ):
                raise TileConflict(
                    f"the folder shows size {before.tree_size} of {before.origin!r}, "
                    "which is no part of this log",
                    path=(CHECKPOINT,),
                )
            # Of one size, the note with the more cosignatures is worth more.
            shown = (before.tree_size, len(old.signatures))
            if shown > (after.tree_size, len(new.signatures)) or old == new:
                return False
        self._place({CHECKPOINT: note.encode()})
        return True

    async def complete(self, session: AsyncSession, *, advance: Advance = lambda _: None) -> int:
        """Make the folder hold all of the newest head; says how many files were written.

        What was published is taken to be there: its files were on disk before it. Raises
        `TilesAhead` when more was published than the database has, `TileConflict`.
        """
        tree_size = await _tree_size(session)
        published = await self._published_size(session, tree_size)
        await asyncio.to_thread(self.drop_beyond, tree_size)
        edge = await asyncio.to_thread(self._edge, published)
        return await self._rewrite(session, edge, tree_size, self._place_missing, advance)

    async def write_all(self, session: AsyncSession, *, advance: Advance = lambda _: None) -> int:
        """The same from index 0 on, whatever was published. Raises as `complete` does."""
        tree_size = await _tree_size(session)
        await self._published_size(session, tree_size)
        return await self._rewrite(session, RightEdge(), tree_size, self._place_missing, advance)

    async def check(self, session: AsyncSession, *, advance: Advance = lambda _: None) -> int:
        """Every file below the newest head, as the entries have it; says how many there are.

        Raises `TileConflict`, `TileMissing`, `TilesAhead`.
        """
        tree_size = await _tree_size(session)
        await self._published_size(session, tree_size)
        return await self._rewrite(session, RightEdge(), tree_size, self._compare, advance)

    def drop_partials(self, tree_size: int, *, limit: int = DROPPED_MAX) -> int:
        """Remove the partials of some full tiles below a published head; says how many tiles.

        C2SP tlog-tiles "Partial Tiles" allows it once the full tile is available. Called again, it
        goes on behind those it has looked at.
        """
        assert 0 < limit <= DROPPED_MAX
        looked_at = 0
        for level in (ENTRIES, *range(len(edge_tiles(tree_size)))):
            index = self._swept.get(level, 0)
            while looked_at < limit and width_in_tree(level, index, tree_size) == TILE_WIDTH:
                if self._path(Tile(level, index)).exists():
                    self._drop_folder(self._partials(level, index))
                index += 1
                looked_at += 1
            self._swept[level] = index
        return looked_at

    def drop_beyond(self, tree_size: int) -> None:
        """Remove tiles and bundles that no tree of this size has, and drafts."""
        for draft in _names(self._folder / DRAFTS):
            (self._folder / DRAFTS / draft).unlink()
        for level in (ENTRIES, *range(len(edge_tiles(tree_size)) + 2)):
            first = (tree_size >> TILE_HEIGHT * max(level, 0)) // TILE_WIDTH
            for index in range(first, first + BEYOND_TILES):
                self._drop_wider(level, index, width_in_tree(level, index, tree_size))

    def _write(self, files: Mapping[Tile, bytes], old_size: int, new_size: int) -> None:
        size, tiles = self._written
        if size > old_size:
            # The commit behind these failed. None may be taken for what is written now.
            for tile in tiles:
                if tile.width > width_in_tree(tile.level, tile.index, old_size):
                    self._path(tile).unlink(missing_ok=True)
        self._written = (new_size, tuple(files))
        self._place_missing(files, old_size)

    def _place_missing(self, files: Mapping[Tile, bytes], covered_size: int) -> int:
        """Write the files that are not there; says how many. Raises `TileConflict`."""
        missing: dict[str, bytes] = {}
        for tile, data in files.items():
            there = self._read(tile)
            if there is None or (
                there != data and tile.width > width_in_tree(tile.level, tile.index, covered_size)
            ):
                missing[tile_path(tile)] = data
            elif there != data:
                raise _conflict(tile)
        self._place(missing)
        return len(missing)

    def _compare(self, files: Mapping[Tile, bytes], covered_size: int) -> int:
        for tile, data in files.items():
            there = self._read(tile)
            if there is None:
                raise TileMissing(
                    f"{tile_path(tile)} is not there", path=("tile", tile.level, tile.index)
                )
            if there != data:
                raise _conflict(tile)
        return len(files)

    def _place(self, files: Mapping[str, bytes]) -> None:
        if not files:
            return
        drafts = self._folder / DRAFTS
        folders = _make(drafts)
        placed: list[tuple[Path, Path]] = []
        for path, data in files.items():
            draft = drafts / secrets.token_hex(8)
            with draft.open("xb") as file:
                file.write(data)
            placed.append((draft, self._folder / path))
        # All are written before the first is flushed, and flushed side by side: the file system's
        # journal then takes them together.
        self._flush(draft for draft, _ in placed)
        for draft, target in placed:
            folders |= _make(target.parent)
            draft.replace(target)
            folders.add(target.parent)
        self._flush(folders)

    def _published(self) -> SignedNote | None:
        try:
            with (self._folder / CHECKPOINT).open("rb") as file:
                raw = file.read(NOTE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        try:
            note = SignedNote.parse(raw)
            Checkpoint.parse(note.text)
        except LedgerError as error:
            raise TileConflict(f"{CHECKPOINT}: {error.message}", path=(CHECKPOINT,)) from None
        return note

    def _flush(self, paths: Iterable[Path]) -> None:
        """To the disk, side by side. Raises `OSError`."""
        for _ in self._flushing.map(_flush, paths):
            pass

    async def _published_size(self, session: AsyncSession, tree_size: int) -> int:
        """Of a head that this database must have signed too; 0 where nothing was published."""
        note = await asyncio.to_thread(self._published)
        if note is None:
            return 0
        published = Checkpoint.parse(note.text)
        if published.tree_size > tree_size:
            raise TilesAhead(
                f"the folder shows size {published.tree_size} and this database has {tree_size}: "
                "it is an older copy, or the folder is another log's",
                path=(CHECKPOINT,),
            )
        query = select(CheckpointRow.note).where(CheckpointRow.tree_size == published.tree_size)
        signed = await session.scalar(query)
        if signed is None or SignedNote.parse(signed.encode()).text != note.text:
            raise TileConflict(
                f"this database never signed what the folder shows of size {published.tree_size}",
                path=(CHECKPOINT,),
            )
        return published.tree_size

    def _edge(self, tree_size: int) -> RightEdge:
        """The unfinished tiles of a tree; of none when one of them is not there."""
        partials = []
        for tile in edge_tiles(tree_size):
            hashes = self._read(tile) if tile.width else b""
            if hashes is None or len(hashes) != tile.width * HASH_BYTES:
                return RightEdge()
            partials.append(hashes)
        return RightEdge(tree_size, tuple(partials))

    async def _rewrite(
        self,
        session: AsyncSession,
        edge: RightEdge,
        tree_size: int,
        place: Callable[[Mapping[Tile, bytes], int], int],
        advance: Advance,
    ) -> int:
        """Hand every file between an edge and a head to `place`, some bundles at a time."""
        files: dict[Tile, bytes] = {}
        done = 0
        async for index, leaves in _leaves_by_bundle(session, edge.tree_size, tree_size):
            fresh = leaves[edge.tree_size - index * TILE_WIDTH :]
            edge, tiles = edge.extended([leaf_hash(leaf) for leaf in fresh])
            files |= {tile: data for tile, data in tiles if tile.width == TILE_WIDTH}
            files[Tile(ENTRIES, index, len(leaves))] = entry_bundle(leaves)
            advance(len(fresh))
            if index % BLOCK_BUNDLES == BLOCK_BUNDLES - 1:
                done += await asyncio.to_thread(place, files, tree_size)
                files = {}
        files |= await _unfinished(session, edge)
        return done + await asyncio.to_thread(place, files, tree_size)

    def _stored(self, wanted: Collection[Place], tree_size: int) -> dict[Place, bytes]:
        found: dict[Place, bytes] = {}
        for level, index in wanted:
            width = width_in_tree(level, index, tree_size) if level >= 0 <= index else 0
            data = self._read(Tile(level, index, width)) if width else None
            if data is not None:
                found[level, index] = data
        return found

    def _read(self, tile: Tile) -> bytes | None:
        try:
            return self._path(tile).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, tile: Tile) -> Path:
        return self._folder / tile_path(tile)

    def _partials(self, level: int, index: int) -> Path:
        return self._path(Tile(level, index, 1)).parent

    def _drop_wider(self, level: int, index: int, width: int) -> None:
        """Of one tile, every form wider than a head has it."""
        partials = self._partials(level, index)
        for name in _names(partials):
            if name.isdecimal() and int(name) > width:
                (partials / name).unlink()
        if width < TILE_WIDTH:
            self._path(Tile(level, index)).unlink(missing_ok=True)

    def _drop_folder(self, folder: Path) -> None:
        for name in _names(folder):
            (folder / name).unlink()
        if folder.is_dir():
            folder.rmdir()


async def _tree_size(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(CheckpointRow.tree_size))) or 0


async def _leaves_by_bundle(
    session: AsyncSession, old_size: int, new_size: int
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """The bundles that a tree of one size has, from the unfinished one of a smaller tree on."""
    for start in range(old_size // TILE_WIDTH * TILE_WIDTH, new_size, TILE_WIDTH):
        end = min(start + TILE_WIDTH, new_size)
        yield start // TILE_WIDTH, await _leaves(session, start, end)


async def _leaves(session: AsyncSession, start: int, end: int) -> list[bytes]:
    query = (
        select(EntryRow.leaf)
        .where(EntryRow.leaf_index.between(start, end - 1))
        .order_by(EntryRow.leaf_index)
    )
    leaves = list(await session.scalars(query))
    assert len(leaves) == end - start
    return leaves


async def _unfinished(session: AsyncSession, edge: RightEdge) -> dict[Tile, bytes]:
    """The unfinished tiles of a head in every width that a head before it had.

    C2SP tlog-tiles "Partial Tiles": those of sizes for which a checkpoint was produced.
    """
    files: dict[Tile, bytes] = {}
    if not edge.tree_size:
        return files
    start = edge.tree_size // TILE_WIDTH * TILE_WIDTH
    query = select(CheckpointRow.tree_size).where(
        CheckpointRow.tree_size > start, CheckpointRow.tree_size <= edge.tree_size
    )
    widths = [size - start for size in await session.scalars(query)]
    if widths:
        leaves = await _leaves(session, start, edge.tree_size)
        for width in widths:
            files[Tile(ENTRIES, start // TILE_WIDTH, width)] = entry_bundle(leaves[:width])
    for tile, hashes in zip(edge_tiles(edge.tree_size), edge.partials, strict=True):
        for width in range(1, tile.width + 1) if tile.level else widths:
            files[Tile(tile.level, tile.index, width)] = hashes[: width * HASH_BYTES]
    return files


def _conflict(tile: Tile) -> TileConflict:
    return TileConflict(
        f"{tile_path(tile)} has other bytes than the log, and a signed head covers it",
        path=("tile", tile.level, tile.index),
    )


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _make(folder: Path) -> set[Path]:
    """Make a folder and those above it; says in which of them a name is new."""
    changed: set[Path] = set()
    missing = folder
    while not missing.is_dir():
        missing = missing.parent
        changed.add(missing)
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _flush(path: Path) -> None:
    """To the disk: a file's bytes, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
