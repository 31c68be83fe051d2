"""C2SP tlog-tiles, sentence by sentence, over HTTP, on SQLite and PostgreSQL.

Checkpoints: MUST be at /checkpoint as text/plain; charset=utf-8; SHOULD NOT be cached beyond a few
seconds; MUST carry an Ed25519 signature of the log.
    test_the_checkpoint_is_text_that_nobody_keeps
Merkle Tree: MUST be served as application/octet-stream; SHOULD have long-lived caching headers;
full tiles MUST be 256 hashes wide, each that of a full tile of the level below. Log entries:
length-prefixed, each hashing to its hash of level 0. Partial Tiles: MUST NOT be hashed into a tile
above. Pruning: MUST NOT be done without a policy for it, and here is none.
    test_tiles_and_bundles_are_octets_for_ever_and_fit_together
Merkle Tree: level, index and width MUST be spelled in one way.
    test_a_path_spelled_otherwise_is_refused, and far indexes in tests/ledger/test_tiles.py
Partial Tiles: MUST be served for each size that had a checkpoint, and MAY go once the full tile is
there; these stay.
    test_partial_tiles_of_every_head_are_served_also_when_full
Partial Tiles: empty tiles MUST NOT be served.
    test_what_a_tree_has_not_is_not_served
Log entries: SHOULD be compressed, with gzip or whatever the client asks for.
    test_bundles_are_compressed_for_whoever_takes_gzip
"""

import gzip
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api import tiles
from api.tiles import COMPRESSED_BYTES_MAX, INLINE_BYTES_MAX, Compressed, accepts_gzip
from ledger.checkpoint import open_checkpoint
from ledger.merkle import leaf_hash
from ledger.note import Verifier
from ledger.tiles import ENTRIES, Tile, parse_bundle, split_hashes, tile_path, tile_root
from tests.api.doors import Doors, fine

SIZE = 520


@pytest.fixture(params=["rows", "files"])
async def grown(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[Doors]:
    """A log of 520 entries, whose tiles are rows or files."""
    folder = tmp_path / "log" if request.param == "files" else None
    async with Doors.opened(database_url, tmp_path, tiles_folder=folder) as doors:
        missing = SIZE - doors.service.writer.tree_size
        await doors.state(*(doors.draft(fine()) for _ in range(missing)))
        assert doors.service.writer.tree_size == SIZE
        yield doors


async def test_the_checkpoint_is_text_that_nobody_keeps(grown: Doors) -> None:
    answer = await grown.client.get("/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    key = Verifier.parse((await grown.client.get("/log-key")).text.removesuffix("\n"))
    assert open_checkpoint(answer.content, key).tree_size == SIZE
    known = {"If-None-Match": f'"other", {answer.headers["etag"]}'}
    again = await grown.client.get("/checkpoint", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    await grown.state(grown.draft(fine()))
    changed = await grown.client.get("/checkpoint", headers=known)
    assert changed.status_code == 200
    assert open_checkpoint(changed.content, key).tree_size == SIZE + 1
    head = await grown.client.head("/checkpoint")
    assert (head.status_code, head.headers["etag"]) == (200, changed.headers["etag"])


async def test_tiles_and_bundles_are_octets_for_ever_and_fit_together(grown: Doors) -> None:
    hashes: list[bytes] = []
    parts = [Tile(0, 0), Tile(0, 1), Tile(0, 2, 8)]
    for tile in parts:
        answer = await grown.client.get(f"/{tile_path(tile)}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert len(answer.content) == 32 * tile.width
        head = await grown.client.head(f"/{tile_path(tile)}")
        assert head.headers["content-length"] == str(32 * tile.width)
        hashes += split_hashes(answer.content)
        bundle = await grown.client.get(f"/{tile_path(Tile(ENTRIES, tile.index, tile.width))}")
        assert bundle.headers["content-type"] == "application/octet-stream"
        assert bundle.headers["cache-control"] == "public, max-age=31536000, immutable"
        entries = parse_bundle(bundle.content)
        assert [leaf_hash(entry) for entry in entries] == split_hashes(answer.content)
    top = await grown.client.get("/tile/1/000.p/2")
    assert split_hashes(top.content) == [
        tile_root(b"".join(hashes[:256])),
        tile_root(b"".join(hashes[256:512])),
    ]


async def test_partial_tiles_of_every_head_are_served_also_when_full(grown: Doors) -> None:
    full = (await grown.client.get("/tile/0/000")).content
    bundle = parse_bundle((await grown.client.get("/tile/entries/000")).content)
    for width in (1, 5, 255):
        partial = await grown.client.get(f"/tile/0/000.p/{width}")
        assert partial.content == full[: 32 * width]
        entries = await grown.client.get(f"/tile/entries/000.p/{width}")
        assert parse_bundle(entries.content) == bundle[:width]
    assert (await grown.client.get("/tile/1/000.p/1")).status_code == 200


ABSENT = (
    "tile/0/002",
    "tile/0/002.p/9",
    "tile/0/003.p/1",
    "tile/1/000",
    "tile/1/000.p/3",
    "tile/2/000.p/1",
    "tile/entries/002.p/9",
    "tile/entries/003",
    "tile/63/x999/x999/x999/x999/x999/x999/999",
)

MALFORMED = (
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/entry/000",
    "tile/0/0",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/001/234",
    "tile/0/000.p/0",
    "tile/0/000.p/08",
    "tile/0/000.p/256",
    "tile/0/000.p/",
    "tile/0/000/",
    "tile/0/%2e%2e/%2e%2e/checkpoint",
    "tile/0/000%0a",
    "tile/０/000",
)


async def test_what_a_tree_has_not_is_not_served(grown: Doors) -> None:
    answers = {path: await grown.client.get(f"/{path}") for path in ABSENT}
    assert {path: (one.status_code, one.json()["code"]) for path, one in answers.items()} == (
        dict.fromkeys(ABSENT, (404, "LEDGER_ENTRY_UNKNOWN"))
    )
    types = {one.headers["content-type"] for one in answers.values()}
    assert types == {"application/problem+json"}
    assert {one.headers["cache-control"] for one in answers.values()} == {"no-store"}


async def test_a_path_spelled_otherwise_is_refused(doors: Doors) -> None:
    answers = {path: await doors.client.get(f"/{path}") for path in MALFORMED}
    assert {path: (one.status_code, one.json()["code"]) for path, one in answers.items()} == (
        dict.fromkeys(MALFORMED, (400, "LEDGER_TILE_PATH_MALFORMED"))
    )
    assert {one.headers["cache-control"] for one in answers.values()} == {"no-store"}


async def test_bundles_are_compressed_for_whoever_takes_gzip(grown: Doors) -> None:
    plain = {"Accept-Encoding": "identity"}
    for path, width in (("tile/entries/000", 256), ("tile/entries/002.p/8", 8)):
        identity = await grown.client.get(f"/{path}", headers=plain)
        assert "content-encoding" not in identity.headers
        assert len(parse_bundle(identity.content)) == width
        for _ in range(2):
            async with grown.client.stream(
                "GET", f"/{path}", headers={"Accept-Encoding": "gzip, identity"}
            ) as answer:
                body = b"".join([piece async for piece in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["content-length"] == str(len(body))
            assert len(body) < len(identity.content)
            assert gzip.decompress(body) == identity.content
        assert identity.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
    hashes = await grown.client.get("/tile/0/000", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in hashes.headers
    assert "vary" not in hashes.headers


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("identity, gzip ; q=0.001", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzipped", False),
        ("br, deflate", False),
    ],
)
def test_an_accept_encoding_header_is_understood(accepted: str, takes: bool) -> None:
    assert accepts_gzip(accepted) is takes


async def test_so_many_compressed_bundles_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert COMPRESSED_BYTES_MAX > INLINE_BYTES_MAX
    compressed = Compressed()
    noise = b"".join(hashlib.sha256(bytes([at])).digest() for at in range(256))
    one = await compressed.put(Tile(ENTRIES, 0), noise)
    assert compressed.get(Tile(ENTRIES, 0)) is one
    assert await compressed.put(Tile(ENTRIES, 0), noise) == one
    monkeypatch.setattr(tiles, "COMPRESSED_BYTES_MAX", 3 * len(one))
    for index in (1, 2):
        await compressed.put(Tile(ENTRIES, index), noise)
    assert compressed.get(Tile(ENTRIES, 0)) == one
    await compressed.put(Tile(ENTRIES, 3), noise)
    kept = [index for index in range(4) if compressed.get(Tile(ENTRIES, index)) is not None]
    assert kept == [0, 2, 3]
    await compressed.put(Tile(ENTRIES, 4, 7), noise)
    assert compressed.get(Tile(ENTRIES, 4, 7)) is None
    long = bytes(INLINE_BYTES_MAX + 1)
    assert gzip.decompress(await compressed.put(Tile(ENTRIES, 5), long)) == long
