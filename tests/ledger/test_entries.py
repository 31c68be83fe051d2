"""ARCHITECTURE §1 and C2SP tlog-tiles: what a reader gets back, on SQLite and PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from ledger.control import Control
from ledger.directory import EnterpriseView
from ledger.entries import CAPTURES_MAX, READ_MAX, Entries
from ledger.errors import (
    DisclosureInvalid,
    EntryUnknown,
    LedgerEmpty,
    ProofInvalid,
    SealMismatch,
)
from ledger.follower import Follower
from ledger.merkle import verify_inclusion
from ledger.seal import Capture
from ledger.subjects import SubjectView
from ledger.tables import CheckpointRow, EntryRow, EventRow, OpeningRow
from ledger.tiles import ENTRIES, Tile, entry_bundle
from tests.world import DAIRY, TRADER, World, failed_inspection


async def test_every_body_is_read_as_it_was_admitted(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        statement = world.draft(failed_inspection(), particulars={"text": "菌落总数超标"})
        await world.state(statement)
        await world.capture(b'{"type":"ObjectEvent"}', b'{ "type":"ObjectEvent", "n":5.0 }')
        async with world.database.reading() as session:
            entries = Entries(session)
            read = await entries.read(0, 100)
            assert [entry.leaf_index for entry in read] == list(range(8))
            assert all(isinstance(entry.body, Control) for entry in read[:6])
            assert read[6].body == statement
            capture = read[7].body
            assert isinstance(capture, Capture)
            assert capture.events[1].raw == b'{ "type":"ObjectEvent", "n":5.0 }'
            assert await entries.at(6) == read[6]
            assert list(await entries.of_indexes([7, 6])) == read[6:]
            assert await entries.indexes_of(DAIRY.label(), 8) == [6]
            assert await entries.indexes_of(DAIRY.label(), 6) == []
            with pytest.raises(EntryUnknown):
                await entries.at(8)


async def test_the_size_known_at_an_instant_is_that_of_the_newest_head_before_it(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        founded = world.clock.at
        world.clock.advance(hours=1)
        await world.state(world.draft(failed_inspection()))
        async with world.database.reading() as session:
            entries = Entries(session)
            assert await entries.size_known_at(founded - timedelta(microseconds=1)) == 0
            assert await entries.size_known_at(founded) == 5
            assert await entries.size_known_at(world.clock.at - timedelta(microseconds=1)) == 5
            assert await entries.size_known_at(world.clock.at) == 6


async def test_a_clock_that_jumps_back_does_not_reorder_the_log(database_url: str) -> None:
    async with World.opened(database_url) as world:
        founded = world.clock.at
        world.clock.advance(days=-1)
        await world.state(world.draft(failed_inspection()))
        async with world.database.reading() as session:
            assert (await Entries(session).at(5)).logged_at == founded
        await world.reopen()
        await world.state(world.draft(failed_inspection()))
        async with world.database.reading() as session:
            assert (await Entries(session).at(6)).logged_at == founded


async def test_an_empty_log_has_no_head(database_url: str) -> None:
    async with (
        World.opened(database_url, founded=False) as world,
        world.database.reading() as session,
    ):
        with pytest.raises(LedgerEmpty):
            await Entries(session).head()
        assert await Entries(session).read(0, 10) == []


async def test_tiles_are_served_at_every_width_up_to_the_head(database_url: str) -> None:
    async with World.opened(database_url) as world, world.database.reading() as session:
        entries = Entries(session)
        read = await entries.read(0, 5)
        hashes = b"".join(entry.leaf_hash for entry in read)
        for width in range(1, 6):
            assert await entries.tile(Tile(0, 0, width)) == hashes[: 32 * width]
            bundle = entry_bundle([entry.leaf for entry in read[:width]])
            assert await entries.tile(Tile(ENTRIES, 0, width)) == bundle
        for tile in (Tile(0, 0, 6), Tile(0, 0), Tile(0, 1, 1), Tile(1, 0, 1)):
            with pytest.raises(EntryUnknown):
                await entries.tile(tile)
        with pytest.raises(EntryUnknown):
            await entries.inclusion_path(5, 5)
        with pytest.raises(EntryUnknown):
            await entries.inclusion_path(5, 300)
        with pytest.raises(EntryUnknown):
            await entries.consistency_path(0, 5)


async def test_every_entry_is_proven_to_every_head(database_url: str) -> None:
    async with World.opened(database_url) as world, world.database.reading() as session:
        entries = Entries(session)
        heads = list(await session.scalars(select(CheckpointRow)))
        read = await entries.read(0, 5)
        proven = 0
        for head in heads:
            for entry in read[: head.tree_size]:
                path = await entries.inclusion_path(entry.leaf_index, head.tree_size)
                verify_inclusion(
                    entry.leaf_hash, entry.leaf_index, head.tree_size, path, head.root_hash
                )
                proven += 1
        assert (len(heads), proven) == (5, 1 + 2 + 3 + 4 + 5)


async def test_an_opening_that_was_changed_no_longer_reads(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.state(world.draft(failed_inspection(), jti="NM-1"))
        other = world.draft(failed_inspection(), jti="NM-2")
        async with world.database.writing() as session:
            opening = await session.get_one(OpeningRow, 5)
            opening.token = other.token.text
        async with world.database.reading() as session:
            with pytest.raises(DisclosureInvalid):
                await Entries(session).at(5)


async def test_an_event_that_was_changed_no_longer_reads(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        await world.capture(b'{"type":"ObjectEvent"}')
        async with world.database.writing() as session:
            event = await session.get_one(EventRow, (6, 0))
            event.raw = b'{"type":"AggregationEvent"}'
        async with world.database.reading() as session:
            with pytest.raises(SealMismatch):
                await Entries(session).at(6)


async def test_a_leaf_that_was_changed_no_longer_reads(database_url: str) -> None:
    async with World.opened(database_url) as world:
        async with world.database.writing() as session:
            entry = await session.get_one(EntryRow, 4)
            entry.leaf = entry.leaf.replace(b'"v":1', b'"v":2')
        async with world.database.reading() as session:
            with pytest.raises(ProofInvalid):
                await Entries(session).at(4)


async def test_a_read_is_cut_where_captures_are_many_and_following_goes_on(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        for _ in range(CAPTURES_MAX + 3):
            await world.capture(b'{"type":"ObjectEvent"}')
        await world.file(DAIRY, "Dairy")
        async with world.database.reading() as session:
            read = await Entries(session).read(0, READ_MAX)
        assert len(read) == 6 + CAPTURES_MAX
        follower = Follower(world.database, [EnterpriseView()])
        assert await follower.step() == 6 + CAPTURES_MAX
        assert await follower.catch_up() == 4
        assert await follower.step() == 0


async def test_a_read_beyond_its_bound_is_our_own_mistake(database_url: str) -> None:
    async with World.opened(database_url) as world, world.database.reading() as session:
        entries = Entries(session)
        for limit in (0, READ_MAX + 1):
            with pytest.raises(AssertionError):
                await entries.read(0, limit)
        with pytest.raises(AssertionError):
            await entries.of_indexes(range(READ_MAX + 1))
        assert len(await entries.of_indexes(range(READ_MAX))) == world.sequencer.tree_size


async def test_what_stands_under_a_label_is_all_there_however_far_its_view_is(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        follower = Follower(world.database, [SubjectView()])
        expected = []
        for number in range(9):
            subject = DAIRY if number % 3 else TRADER
            await world.state(world.draft(failed_inspection(), about=subject))
            if subject == DAIRY:
                expected.append(world.sequencer.tree_size - 1)
            if number == 4:
                await follower.catch_up()
            async with world.database.reading() as session:
                entries = Entries(session)
                size = world.sequencer.tree_size
                assert await entries.indexes_of(DAIRY.label(), size) == expected
                assert await entries.indexes_of(DAIRY.label(), size - 1) == [
                    index for index in expected if index < size - 1
                ]
