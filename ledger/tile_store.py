"""Where the hash tiles of a log are kept: behind one small interface, two places.

    TileStore      what sequencer, readers and audits ask of either
    TileRows       rows of the database, in the transaction of the batch
    keep_tiles_in  chooses another store for all sessions of a database
    tiles_of       the store of a session; rows where nothing else was chosen
    read_edge      the unfinished tiles of a tree, as that store has them

The other place is `ledger.tile_folder`. Both hand out the same bytes (C2SP tlog-tiles), and both
can be made again from the entries. A session carries its store, so that whoever reads need not know
where tiles are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeAlias, cast

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.database import Database
from ledger.driver import put_many
from ledger.errors import ProofInvalid
from ledger.merkle import HASH_BYTES
from ledger.tables import TileRow
from ledger.tiles import RightEdge, Tile, edge_tiles, width_in_tree

Place: TypeAlias = tuple[int, int]
"""Level and index of a tile, whatever its width."""

_STORE = "tiles"


class TileStore(Protocol):
    """Hash tiles, each as wide as the newest head has it."""

    async def write(
        self, session: AsyncSession, old_size: int, tiles: Sequence[tuple[Tile, bytes]]
    ) -> None:
        """Keep the tiles that changed as the tree grew from `old_size`.

        The entries are inserted already. Durable when the transaction is, or before.
        """

    async def read(self, session: AsyncSession, wanted: Collection[Place]) -> dict[Place, bytes]:
        """As much of each as there is; nothing of what the log has not. Raises `TileMissing`."""

    async def stored(self, session: AsyncSession, wanted: Collection[Place]) -> dict[Place, bytes]:
        """The same for an audit, which judges for itself what is missing or too long."""

    async def outside(self, session: AsyncSession, tree_size: int) -> Place | None:
        """A tile that a tree of this size has not, if one is kept as if it had."""


class TileRows:
    """One row a tile. A partial row is a prefix of the longer one that replaces it."""

    async def write(
        self, session: AsyncSession, old_size: int, tiles: Sequence[tuple[Tile, bytes]]
    ) -> None:
        """In the caller's transaction."""
        await put_many(
            await session.connection(),
            TileRow,
            ("level", "tile_index", "hashes"),
            [(tile.level, tile.index, hashes) for tile, hashes in tiles],
            key=("level", "tile_index"),
        )

    async def read(self, session: AsyncSession, wanted: Collection[Place]) -> dict[Place, bytes]:
        """In one statement."""
        coordinates = tuple_(TileRow.level, TileRow.tile_index)
        query = select(TileRow.level, TileRow.tile_index, TileRow.hashes)
        rows = await session.execute(query.where(coordinates.in_(sorted(wanted))))
        return {(level, index): hashes for level, index, hashes in rows}

    async def stored(self, session: AsyncSession, wanted: Collection[Place]) -> dict[Place, bytes]:
        """Exactly as the rows have them."""
        return await self.read(session, wanted)

    async def outside(self, session: AsyncSession, tree_size: int) -> Place | None:
        """By the first and last row of each level."""
        index = TileRow.tile_index
        query = select(TileRow.level, func.min(index), func.max(index)).group_by(TileRow.level)
        for level, first, last in await session.execute(query.order_by(TileRow.level)):
            if level < 0 or first < 0:
                return level, first
            if not width_in_tree(level, last, tree_size):
                return level, last
        return None


_ROWS = TileRows()


def keep_tiles_in(database: Database, store: TileStore) -> None:
    """Before the first session."""
    database.session_info[_STORE] = store


def tiles_of(session: AsyncSession) -> TileStore:
    """Where the tiles of this session's log are."""
    return cast("TileStore", session.info.get(_STORE, _ROWS))


async def read_edge(session: AsyncSession, tree_size: int) -> RightEdge:
    """The unfinished tiles of a tree. Raises `ProofInvalid` where one is cut short."""
    tiles = [tile for tile in edge_tiles(tree_size) if tile.width]
    stored = await tiles_of(session).read(session, [(tile.level, tile.index) for tile in tiles])
    partials = []
    for tile in edge_tiles(tree_size):
        hashes = stored.get((tile.level, tile.index), b"") if tile.width else b""
        if len(hashes) != tile.width * HASH_BYTES:
            raise ProofInvalid(
                f"the tile at level {tile.level}, {tile.index} has {len(hashes) // HASH_BYTES} of "
                f"{tile.width} hashes; where tiles are files, XIN_TILES_FOLDER names their folder"
            )
        partials.append(hashes)
    return RightEdge(tree_size, tuple(partials))
