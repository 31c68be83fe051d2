"""C2SP tlog-tiles: geometry, paths and bundles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import TilePathMalformed
from ledger.merkle import HASH_BYTES, Hash, leaf_hash, root
from ledger.tiles import (
    ENTRIES,
    ENTRY_BYTES_MAX,
    LEVEL_MAX,
    RightEdge,
    Tile,
    edge_tiles,
    entry_bundle,
    node_in_tile,
    parse_bundle,
    parse_path,
    tile_of_node,
    tile_path,
    tile_root,
    width_in_tree,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        pytest.param(Tile(0, 1234067), "tile/0/x001/x234/067", id="groups of three digits"),
        pytest.param(Tile(0, 0, 1), "tile/0/000.p/1", id="a partial tile names its width"),
        pytest.param(Tile(LEVEL_MAX, 5, 255), "tile/63/005.p/255", id="the highest level"),
        pytest.param(Tile(ENTRIES, 999), "tile/entries/999", id="a full bundle"),
        pytest.param(Tile(ENTRIES, 1000, 7), "tile/entries/x001/000.p/7", id="a partial bundle"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    assert tile_path(tile) == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("tile/00/000", id="a level with a leading zero"),
        pytest.param(f"tile/{LEVEL_MAX + 1}/000", id="a level beyond 63"),
        pytest.param("tile/0/x000/001", id="an index padded with an empty group"),
        pytest.param("tile/0/01", id="a group of two digits"),
        pytest.param("tile/0/x001/234/067", id="an inner group without its x"),
        pytest.param("tile/0/001.p/256", id="a full tile called partial"),
        pytest.param("tile/0/001.p/0", id="a tile of no hashes"),
        pytest.param("tile/0/001.p/007", id="a width with leading zeros"),
        pytest.param("tile/-1/001", id="our own word for entries"),
        pytest.param("tile/entries/001/", id="a trailing slash"),
        pytest.param("/tile/0/001", id="a leading slash"),
        pytest.param("tile/0/٠٠١", id="digits of another script"),
    ],
)
def test_every_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(TilePathMalformed):
        parse_path(path)


@given(st.integers(0, 10**17), st.integers(1, 256), st.integers(ENTRIES, 63))
def test_path_and_tile_are_inverse(index: int, width: int, level: int) -> None:
    assert parse_path(tile_path(Tile(level, index, width))) == Tile(level, index, width)


def test_a_tree_of_70000_has_the_tiles_the_standard_counts() -> None:
    assert edge_tiles(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert width_in_tree(0, 272, 70_000) == 256
    assert width_in_tree(0, 273, 70_000) == 112
    assert width_in_tree(0, 274, 70_000) == 0
    assert width_in_tree(ENTRIES, 273, 70_000) == 112


def test_a_tree_of_256_has_a_full_tile_and_one_hash_above() -> None:
    edge, written = RightEdge().extended([leaf_hash(bytes([n])) for n in range(256)])
    assert [tile for tile, _ in written] == [Tile(0, 0, 256), Tile(1, 0, 1)]
    assert written[1][1] == tile_root(written[0][1]) == edge.root


@given(st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_the_edge_has_the_root_of_the_whole_tree_however_it_grew(steps: list[int]) -> None:
    leaves: list[Hash] = []
    edge = RightEdge()
    tiles: dict[tuple[int, int], bytes] = {}
    for step in steps:
        added = [leaf_hash(f"{len(leaves) + n}".encode()) for n in range(step)]
        leaves += added
        edge, written = edge.extended(added)
        for tile, hashes in written:
            before = tiles.get((tile.level, tile.index), b"")
            assert hashes.startswith(before), "a partial tile is a prefix of what replaces it"
            assert len(hashes) == tile.width * HASH_BYTES
            assert width_in_tree(tile.level, tile.index, len(leaves)) == tile.width
            tiles[tile.level, tile.index] = hashes
    assert edge.tree_size == len(leaves)
    assert edge.root == root(leaves)
    level = len(leaves).bit_length() - 1
    assert node_in_tile(level, 0, tiles[tile_of_node(level, 0)]) == root(leaves[: 1 << level])


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert parse_bundle(entry_bundle(entries)) == entries


def test_the_longest_entry_fills_its_two_bytes_of_length() -> None:
    longest = b"x" * ENTRY_BYTES_MAX
    assert parse_bundle(entry_bundle([longest, b"y"])) == [longest, b"y"]
    with pytest.raises(AssertionError):
        entry_bundle([longest + b"x"])


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_bundle_that_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(TilePathMalformed):
        parse_bundle(entry_bundle([b"one", b"two"])[:-cut])
