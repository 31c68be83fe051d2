"""C2SP tlog-tiles as files, on SQLite and PostgreSQL: the same bytes as from rows, and when."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from sqlalchemy import delete, event, select

from ledger.admission import Submission
from ledger.auditor import audit_database
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import (
    EntryUnknown,
    PartMissing,
    ProofInvalid,
    StoreUnavailable,
    TileChanged,
    TileConflict,
    TileMissing,
    TilesAhead,
    WriterFenced,
)
from ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from ledger.note import Signer
from ledger.sequencer import Sequencer
from ledger.tables import CheckpointRow, TileRow
from ledger.tile_folder import BEYOND_TILES, CHECKPOINT, DRAFTS, DROPPED_MAX, TileFolder
from ledger.tile_store import keep_tiles_in, tiles_of
from ledger.tiles import ENTRIES, RightEdge, Tile, edge_tiles, entry_bundle, parse_path, tile_path
from tests.world import (
    ORIGIN,
    World,
    accept_policy,
    failed_inspection,
    key_of,
    rows_of_all_tables,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Beside the database, which on SQLite is a file of `tmp_path`."""
    return tmp_path / "tiles"


@asynccontextmanager
async def in_files(url: str, folder: Path) -> AsyncIterator[tuple[World, TileFolder]]:
    """A founded world whose tiles are files."""
    async with World.opened(url, founded=False) as world:
        files = TileFolder(folder)
        keep_tiles_in(world.database, files)
        await world.found()
        yield world, files


async def grow(world: World, count: int) -> None:
    """So many statements more, in batches as they come."""
    drafts = [world.draft(failed_inspection()) for _ in range(count)]
    answers = await world.sequencer.submit_each(Submission((draft,)) for draft in drafts)
    assert not [answer for answer in answers if isinstance(answer, Exception)]


async def head_note(world: World) -> str:
    async with world.database.reading() as session:
        return (await Entries(session).head()).note


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file by its path, drafts included."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def names_of(folder: Path) -> set[str]:
    return set(files_of(folder))


async def complete(world: World, folder: Path) -> int:
    """As a start does, with a store that knows nothing yet."""
    async with world.database.reading() as session:
        return await TileFolder(folder).complete(session)


async def write_all(world: World, folder: Path) -> int:
    async with world.database.reading() as session:
        return await TileFolder(folder).write_all(session)


async def check(world: World, folder: Path) -> int:
    async with world.database.reading() as session:
        return await TileFolder(folder).check(session)


async def test_rows_and_files_hold_the_same_bytes(database_url: str, folder: Path) -> None:
    async with World.opened(database_url) as world:
        await grow(world, 600)
        await write_all(world, folder)
        async with world.database.reading() as session:
            entries = Entries(session)
            leaves = [entry.leaf for entry in await entries.read(0, 605)]
            for path, data in files_of(folder).items():
                assert await entries.tile(parse_path(path)) == data
            rows = {(row.level, row.tile_index) for row in await session.scalars(select(TileRow))}
        written = [parse_path(path) for path in names_of(folder)]
        assert rows == {(tile.level, tile.index) for tile in written if tile.level != ENTRIES}
        assert {tile.index for tile in written if tile.level == ENTRIES} == {0, 1, 2}
        bundle = (folder / "tile/entries/001").read_bytes()
        assert bundle == entry_bundle(leaves[256:512])
        assert len((folder / "tile/0/002.p/93").read_bytes()) == 93 * 32
        assert len((folder / "tile/1/000.p/2").read_bytes()) == 2 * 32


async def test_a_writer_to_files_leaves_what_an_export_of_its_log_writes(
    database_url: str, folder: Path
) -> None:
    live, exported = folder / "live", folder / "exported"
    async with in_files(database_url, live) as (world, _):
        # Five heads, each with a partial tile and bundle of its own.
        assert names_of(live) == {
            f"tile/{level}/000.p/{size}" for level in ("0", "entries") for size in range(1, 6)
        }
        assert await write_all(world, exported) == 10
        assert files_of(live) == files_of(exported)
        await grow(world, 400)
        await write_all(world, exported)
        kept = files_of(live)
        assert {path: kept[path] for path in names_of(exported)} == files_of(exported)
        assert await check(world, live) == await check(world, exported)
        async with world.database.reading() as session:
            assert (await session.scalars(select(TileRow))).all() == []


async def test_a_start_that_was_not_told_of_the_folder_says_what_names_it(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, _):
        untold = Database.connect(database_url)
        try:
            with pytest.raises(ProofInvalid) as refused:
                await Sequencer.open(
                    untold, world.signers, now=world.clock.now, policy_check=accept_policy
                )
        finally:
            await untold.close()
    assert refused.value.message == (
        "the tile at level 0, 0 has 0 of 5 hashes; where tiles are files, XIN_TILES_FOLDER names "
        "their folder"
    )


async def test_proofs_come_from_files_as_from_rows(database_url: str, folder: Path) -> None:
    async with in_files(database_url, folder) as (world, _):
        await grow(world, 300)
        async with world.database.reading() as session:
            entries = Entries(session)
            head, old = await entries.head(), await entries.head_at(4)
            assert old is not None
            for entry in (await entries.read(0, 305))[::19]:
                path = await entries.inclusion_path(entry.leaf_index, 305)
                verify_inclusion(entry.leaf_hash, entry.leaf_index, 305, path, head.root_hash)
            proof = await entries.consistency_path(4, 305)
            verify_consistency(4, 305, proof, old.root_hash, head.root_hash)
            for tile in (Tile(0, 1, 50), Tile(0, 2, 1), Tile(1, 0, 2), Tile(5, 0, 1)):
                with pytest.raises(EntryUnknown):
                    await entries.tile(tile)
            # Any width up to the head's, though no file has it.
            leaves = await entries.read(256, 7)
            narrow = await entries.tile(Tile(0, 1, 7))
            assert narrow == b"".join(leaf.leaf_hash for leaf in leaves)
            with pytest.raises(EntryUnknown):
                await entries.inclusion_path(3, 400)
        await world.reopen()
        await grow(world, 1)
        assert (await audit_database(world.database)).head.tree_size == 306


async def test_files_are_on_disk_before_the_commit_and_named_after_they_are_flushed(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def flush(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if path.is_relative_to(folder):
            steps.append(("flush", path.relative_to(folder).as_posix()))
        fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        steps.append(("rename", source.relative_to(folder).as_posix()))
        steps.append(("name", target.relative_to(folder).as_posix()))
        replace(source, target)

    async with in_files(database_url, folder) as (world, _):
        monkeypatch.setattr(os, "fsync", flush)
        monkeypatch.setattr(os, "replace", rename)
        event.listen(
            world.database.engine.sync_engine, "commit", lambda _: steps.append(("commit", ""))
        )
        await world.state(world.draft(failed_inspection()))
    drafts = [path for step, path in steps if step == "rename"]
    names = [path for step, path in steps if step == "name"]
    assert names == ["tile/0/000.p/6", "tile/entries/000.p/6"]
    # Side by side, so in any order among themselves.
    assert sorted(steps[:2]) == sorted(("flush", draft) for draft in drafts)
    assert steps[2:6] == [
        ("rename", drafts[0]),
        ("name", names[0]),
        ("rename", drafts[1]),
        ("name", names[1]),
    ]
    assert sorted(steps[6:8]) == [("flush", "tile/0/000.p"), ("flush", "tile/entries/000.p")]
    assert steps[8:] == [("commit", "")]


@asynccontextmanager
async def failing_at_the_commit(world: World) -> AsyncIterator[None]:
    """The database goes away after the files of a batch were written."""

    def refuse(_: object) -> None:
        raise ConnectionRefusedError("the database is away")

    engine = world.database.engine.sync_engine
    event.listen(engine, "commit", refuse)
    try:
        yield
    finally:
        event.remove(engine, "commit", refuse)


async def test_what_a_failed_commit_left_is_replaced_or_removed(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, _):
        held = files_of(folder)
        statements = [world.draft(failed_inspection()) for _ in range(3)]
        async with failing_at_the_commit(world):
            with pytest.raises(StoreUnavailable):
                await world.state(*statements)
        left = files_of(folder)
        assert set(left) - set(held) == {"tile/0/000.p/8", "tile/entries/000.p/8"}
        # Another entry gets the first of their indexes, then others the rest.
        await world.state(world.draft(failed_inspection()))
        assert names_of(folder) - set(held) == {"tile/0/000.p/6", "tile/entries/000.p/6"}
        await world.state(*statements[:2])
        now = files_of(folder)
        assert now["tile/0/000.p/8"] != left["tile/0/000.p/8"]
        assert now["tile/0/000.p/8"].startswith(now["tile/0/000.p/6"])
        assert (await audit_database(world.database)).head.tree_size == 8


async def test_a_start_removes_what_lies_beyond_the_head(database_url: str, folder: Path) -> None:
    async with in_files(database_url, folder) as (world, _):
        held = files_of(folder)
        async with failing_at_the_commit(world):
            with pytest.raises(StoreUnavailable):
                await world.state(*(world.draft(failed_inspection()) for _ in range(600)))
        assert "tile/0/001" in names_of(folder)
        far = folder / tile_path(Tile(0, BEYOND_TILES - 1))
        far.parent.mkdir(parents=True, exist_ok=True)
        far.write_bytes(bytes(8_192))
        (folder / DRAFTS / "a-draft").write_bytes(b"half a ti")
        assert await complete(world, folder) == 0
        assert files_of(folder) == held


async def test_a_path_that_a_head_covers_is_never_given_other_bytes(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, files):
        await grow(world, 300)
        flipped = folder / "tile/0/000"
        flipped.write_bytes(bytes(32) + flipped.read_bytes()[32:])
        held = files_of(folder)
        for attempt in (write_all, check):
            with pytest.raises(TileConflict) as refusal:
                await attempt(world, folder)
            assert refusal.value.path == ("tile", 0, 0)
        assert refusal.value.code == "LEDGER_TILE_CONFLICT"
        async with world.database.writing() as session:
            with pytest.raises(TileConflict):
                await files.write(session, 305, [(Tile(0, 0), bytes(8_192)), (Tile(0, 1, 49), b"")])
            with pytest.raises(WriterFenced):
                await files.write(session, 300, [(Tile(0, 1, 49), b"")])
        assert files_of(folder) == held


async def test_a_folder_that_was_lost_or_is_older_is_completed_from_the_entries(
    database_url: str, folder: Path
) -> None:
    live, older = folder / "live", folder / "older"
    async with in_files(database_url, live) as (world, files):
        await grow(world, 300)
        files.publish(await head_note(world))
        copytree(live, older)
        await grow(world, 300)
        assert await complete(world, older) > 0
        assert await complete(world, older) == 0
        assert await check(world, older) == await check(world, live)
        # What was published is taken to be there; a look at everything finds what is not.
        (older / "tile/entries/000").unlink()
        assert await complete(world, older) == 0
        with pytest.raises(TileMissing):
            await check(world, older)
        assert await write_all(world, older) == 1
        rmtree(live / "tile")
        await world.sequencer.close()
        (live / CHECKPOINT).unlink()
        await complete(world, live)
        await world.open_sequencer()
        await grow(world, 1)
        assert (await audit_database(world.database)).head.tree_size == 606


async def test_a_file_that_is_gone_is_missed_and_an_audit_names_it(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, _):
        await grow(world, 300)
        tile = folder / "tile/0/000"
        data = tile.read_bytes()
        tile.unlink()
        async with world.database.reading() as session:
            with pytest.raises(TileMissing) as refusal:
                await Entries(session).inclusion_path(3, 305)
        assert refusal.value.path == ("tile", 0, 0)
        with pytest.raises(PartMissing):
            await audit_database(world.database)
        tile.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(TileChanged) as finding:
            await audit_database(world.database)
        assert finding.value.path == ("tile", 0, 0)


async def test_the_checkpoint_only_goes_forward(database_url: str, folder: Path) -> None:
    async with in_files(database_url, folder) as (world, files):
        first = await head_note(world)
        assert files.publish(first)
        assert not files.publish(first)
        await grow(world, 1)
        second = await head_note(world)
        assert files.publish(second)
        assert not files.publish(first)
        assert (folder / CHECKPOINT).read_text() == second
        cosigned = f"{second}\u2014 w1.test {'A' * 100}\n"
        assert files.publish(cosigned)
        # The same head with fewer signatures is worth less.
        assert not files.publish(second)
        assert (folder / CHECKPOINT).read_text() == cosigned
        forked = Signer(ORIGIN, key_of("log")).sign(f"{ORIGIN}\n6\n{'A' * 43}=\n")
        with pytest.raises(TileConflict):
            files.publish(str(forked))
        foreign = Signer("other.test", key_of("log")).sign(f"other.test\n9\n{'A' * 43}=\n")
        with pytest.raises(TileConflict):
            files.publish(str(foreign))
        (folder / CHECKPOINT).write_text("nothing\n")
        with pytest.raises(TileConflict):
            files.publish(second)


async def test_a_folder_of_another_log_or_a_newer_one_is_refused(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, _):
        signer = Signer(ORIGIN, key_of("log"))
        held = await rows_of_all_tables(world.database)
        ahead = str(signer.sign(f"{ORIGIN}\n9\n{'A' * 43}=\n"))
        (folder / CHECKPOINT).write_text(ahead)
        for attempt in (complete, write_all, check):
            with pytest.raises(TilesAhead) as refusal:
                await attempt(world, folder)
            assert refusal.value.code == "LEDGER_TILES_AHEAD"
        (folder / CHECKPOINT).write_text(str(signer.sign(f"{ORIGIN}\n5\n{'A' * 43}=\n")))
        for attempt in (complete, write_all, check):
            with pytest.raises(TileConflict):
                await attempt(world, folder)
        assert await rows_of_all_tables(world.database) == held


async def test_a_database_that_is_older_is_caught_up_under_a_folder_that_is_ahead(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, files):
        await grow(world, 300)
        files.publish(await head_note(world))
        held = files_of(folder)
        async with world.database.reading() as session:
            leaves = await Entries(session).leaves(0, 305)
        async with world.database.writing() as session:
            # As in a backup of before the growth.
            await session.execute(delete(CheckpointRow).where(CheckpointRow.tree_size > 5))
        with pytest.raises(TilesAhead):
            await complete(world, folder)
        assert files_of(folder) == held
        edge, _ = RightEdge().extended([leaf_hash(leaf) for leaf in leaves[:5]])
        _, tiles = edge.extended([leaf_hash(leaf) for leaf in leaves[5:]])
        async with world.database.writing() as session:
            await TileFolder(folder).write(session, 5, tiles)
        assert files_of(folder) == held


async def test_partial_tiles_go_when_their_full_tile_stands_and_are_served_all_the_same(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, files):
        for _ in range(3):
            await grow(world, 120)
        size = world.sequencer.tree_size
        before = files_of(folder)
        assert "tile/0/000.p/5" in before
        assert files.drop_partials(250) == 0
        assert files_of(folder) == before
        assert files.drop_partials(size) == 2
        assert files.drop_partials(size) == 0
        after = files_of(folder)
        gone = {path for path in before if path.startswith(("tile/0/000.p", "tile/entries/000.p"))}
        assert set(before) - set(after) == gone
        async with world.database.reading() as session:
            entries = Entries(session)
            assert await entries.tile(Tile(0, 0, 5)) == before["tile/0/000.p/5"]
            assert await entries.tile(Tile(ENTRIES, 0, 5)) == before["tile/entries/000.p/5"]
        assert (await audit_database(world.database)).head.tree_size == size
        await world.reopen()
        with pytest.raises(AssertionError):
            files.drop_partials(size, limit=DROPPED_MAX + 1)


async def test_partials_are_dropped_a_bounded_number_at_a_time(
    database_url: str, folder: Path
) -> None:
    async with in_files(database_url, folder) as (world, files):
        await grow(world, 251)
        await grow(world, 256)
        assert [files.drop_partials(512, limit=1) for _ in range(5)] == [1, 1, 1, 1, 0]
        assert {path for path in names_of(folder) if "/000.p" in path} == {
            f"tile/1/000.p/{width}" for width in (1, 2)
        }


async def test_the_signed_tree_is_made_of_the_files(database_url: str, folder: Path) -> None:
    async with in_files(database_url, folder) as (world, _):
        await grow(world, 40)
        async with world.database.reading() as session:
            head = await session.scalar(
                select(CheckpointRow).order_by(CheckpointRow.tree_size.desc()).limit(1)
            )
            assert head is not None
            wanted = [(tile.level, tile.index) for tile in edge_tiles(head.tree_size)]
            stored = await tiles_of(session).read(session, wanted)
            assert set(stored) == set(wanted)
            assert await tiles_of(session).outside(session, 0) is None
