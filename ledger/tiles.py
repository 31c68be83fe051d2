"""Tile geometry of C2SP tlog-tiles: which tiles a tree has, and where they live.

    Tile             level, index, width: the coordinates of one tile
    width_in_tree    how much of a tile a tree of some size has
    tile_path        Tile to "tile/0/x001/234.p/7"
    parse_path       its exact inverse; refuses every other spelling
    entry_bundle     the bytes of a bundle of entries
    parse_bundle     its exact inverse
    split_hashes     a tile's hashes, one by one
    tile_root        the root over a tile's hashes: a hash of the level above
    RightEdge        the unfinished tiles of a growing tree: what to write, and the root
    edge_tiles       which tiles these are
    tile_of_node     the tile that holds, or derives, a node of the tree
    is_node_in_tile  whether the tree has come that far
    node_in_tile     that node's hash

A full tile is TILE_WIDTH hashes of 32 bytes. Only the rightmost tile of a level may be narrower,
and its bytes are a prefix of whatever replaces it. Level ENTRIES holds the entries themselves.
Pure: reading and writing tiles is left to `ledger.sequencer` and `api.tiles`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import TilePathMalformed
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, Hash, node_hash, root

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
    return root(split_hashes(hashes))


def split_hashes(hashes: bytes) -> list[Hash]:
    """The hashes of a tile, one by one."""
    return [Hash(hashes[at : at + HASH_BYTES]) for at in range(0, len(hashes), HASH_BYTES)]


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The unfinished tile of each level, lowest first: all a writer keeps of a tree."""

    tree_size: int = 0
    partials: tuple[bytes, ...] = ()

    def extended(self, leaf_hashes: Sequence[Hash]) -> tuple[RightEdge, list[tuple[Tile, bytes]]]:
        """The edge after appending, and every tile that changed, with its bytes."""
        written: list[tuple[Tile, bytes]] = []
        partials = list(self.partials)
        hashes, level = list(leaf_hashes), 0
        while hashes:
            if level == len(partials):
                partials.append(b"")
            index = self.tree_size >> TILE_HEIGHT * (level + 1)
            data = partials[level] + b"".join(hashes)
            hashes = []
            for at in range(0, len(data), TILE_WIDTH * HASH_BYTES):
                chunk = data[at : at + TILE_WIDTH * HASH_BYTES]
                width = len(chunk) // HASH_BYTES
                written.append((Tile(level, index, width), chunk))
                if width == TILE_WIDTH:
                    hashes.append(tile_root(chunk))
                    chunk = b""
                partials[level] = chunk
                index += 1
            level += 1
        return RightEdge(self.tree_size + len(leaf_hashes), tuple(partials)), written

    @property
    def root(self) -> Hash:
        """The root hash at this size."""
        node: Hash | None = None
        for partial in self.partials:
            for peak in reversed(Frontier().extended(split_hashes(partial)).peaks):
                node = peak if node is None else node_hash(peak, node)
        return EMPTY_ROOT if node is None else node


def edge_tiles(tree_size: int) -> list[Tile]:
    """The unfinished tile of each level of a tree; width 0 where the level ends in a full one."""
    tiles = []
    level = 0
    while tree_size >> TILE_HEIGHT * level:
        hashes = tree_size >> TILE_HEIGHT * level
        tiles.append(Tile(level, hashes // TILE_WIDTH, hashes % TILE_WIDTH))
        level += 1
    return tiles


def tile_of_node(level: int, index: int) -> tuple[int, int]:
    """Level and index of the tile from whose hashes that node is computed."""
    tile_level, inner = divmod(level, TILE_HEIGHT)
    return tile_level, (index << inner) // TILE_WIDTH


def is_node_in_tile(level: int, index: int, hashes: bytes) -> bool:
    """Whether its tile, of which these are the bytes, has all hashes below the node."""
    inner = level % TILE_HEIGHT
    return (index << inner) % TILE_WIDTH * HASH_BYTES + (HASH_BYTES << inner) <= len(hashes)


def node_in_tile(level: int, index: int, hashes: bytes) -> Hash:
    """The node's hash from its tile's bytes."""
    inner = level % TILE_HEIGHT
    start = (index << inner) % TILE_WIDTH * HASH_BYTES
    end = start + (HASH_BYTES << inner)
    assert end <= len(hashes)
    return tile_root(hashes[start:end])
