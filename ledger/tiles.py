"""Tile geometry of C2SP tlog-tiles: which tiles a tree has, and where they live.

    Tile             level, index, width: the coordinates of one tile
    tiles_of_growth  the tiles that change when a tree grows
    tile_path        Tile to "tile/0/x001/234.p/7"
    parse_path       its exact inverse; refuses every other spelling
    entry_bundle     the bytes of a bundle of entries
    parse_bundle     its exact inverse
    tile_root        the root over a tile's hashes: a hash of the level above

A full tile is TILE_WIDTH hashes of 32 bytes. Only the rightmost tile of a level may be narrower,
and its bytes are a prefix of whatever replaces it. Level ENTRIES holds the entries themselves.
Pure: reading and writing tiles is left to `ledger.sequencer` and `api.tiles`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.errors import TilePathMalformed
from ledger.merkle import HASH_BYTES, Hash, root

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
LEVEL_MAX = 63
"""C2SP tlog-tiles: a level is at most 63."""

ENTRIES = -1
"""The level of entry bundles, spelled `entries` in a path."""

ENTRY_BYTES_MAX = 65_535
"""An entry's length is a 16-bit number in its bundle."""

_PATH = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The coordinates of a tile, or of an entry bundle when `level` is ENTRIES."""

    level: int
    index: int
    width: int = TILE_WIDTH


def tiles_of_growth(old_size: int, new_size: int) -> Iterator[Tile]:
    """Hash tiles that a tree of `new_size` has and one of `old_size` has not, lowest first."""
    assert 0 <= old_size < new_size
    level = 0
    while new_size >> (TILE_HEIGHT * level):
        old_hashes = old_size >> (TILE_HEIGHT * level)
        new_hashes = new_size >> (TILE_HEIGHT * level)
        for index in range(old_hashes // TILE_WIDTH, -(-new_hashes // TILE_WIDTH)):
            width = min(TILE_WIDTH, new_hashes - index * TILE_WIDTH)
            if index * TILE_WIDTH + width > old_hashes:
                yield Tile(level, index, width)
        level += 1


def width_in_tree(level: int, index: int, tree_size: int) -> int:
    """How many hashes (or entries) that tile has in a tree of `tree_size`; 0 when none."""
    count = tree_size >> (TILE_HEIGHT * max(level, 0))
    return max(0, min(TILE_WIDTH, count - index * TILE_WIDTH))


def tile_path(tile: Tile) -> str:
    """The path of a tile below the log's prefix."""
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    groups = [f"{tile.index % 1000:03d}"]
    rest = tile.index // 1000
    while rest:
        groups.append(f"x{rest % 1000:03d}")
        rest //= 1000
    partial = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(path: str) -> Tile:
    """The tile whose path is exactly `path`. Raises `TilePathMalformed`."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TilePathMalformed(f"{path!r} is no tile path")
    level = ENTRIES if match[1] == "entries" else int(match[1])
    width = TILE_WIDTH if match[3] is None else int(match[3])
    tile = Tile(level, int(match[2].replace("/", "").replace("x", "")), width)
    if level > LEVEL_MAX or width > TILE_WIDTH or tile_path(tile) != path:
        raise TilePathMalformed(f"{path!r} is another spelling of a tile path, or out of range")
    return tile


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry behind its length, 16 bits big-endian."""
    assert all(len(entry) <= ENTRY_BYTES_MAX for entry in entries)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises `TilePathMalformed` when bytes are missing or left over."""
    entries = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise TilePathMalformed("the bundle ends inside an entry")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def tile_root(hashes: bytes) -> Hash:
    """The root over the hashes of a tile, as the level above stores it."""
    assert len(hashes) % HASH_BYTES == 0
    return root(Hash(hashes[at : at + HASH_BYTES]) for at in range(0, len(hashes), HASH_BYTES))
