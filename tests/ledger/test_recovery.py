"""Catching up from a feed of openings: invariants 1, 2 and 11, on SQLite and PostgreSQL.

The feed is made of what a real log holds; whoever lies about it, in whatever part, is refused, and
nothing of the chunk is written.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from ledger import recovery as module
from ledger.audit import StoredCheckpoint
from ledger.auditor import StoredLog, audit_database
from ledger.candidate import leaf_of
from ledger.canonical import decode, encode
from ledger.checkpoint import Checkpoint
from ledger.control import KeyEnd, LogKey, issue_control
from ledger.cosignature import Cosigner
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import (
    CheckpointForeign,
    CheckpointSuperseded,
    CheckpointUnsigned,
    ControlRefused,
    EntryUnauthorised,
    EntryUnsigned,
    GenesisMismatch,
    InstantChanged,
    LedgerError,
    OpeningFeedMalformed,
    OpeningMissing,
    ProofInvalid,
    RootMismatch,
    WriterFenced,
)
from ledger.merkle import Hash, leaf_hash
from ledger.note import Signer
from ledger.opening_feed import (
    FEED_LINE_BYTES_MAX,
    FeedCheckpoint,
    checkpoint_line,
    entry_line,
    parse_line,
)
from ledger.recovery import Recovery
from ledger.tables import Base, DisclosureRow, TileRow
from ledger.tile_folder import TileFolder
from ledger.tile_store import keep_tiles_in
from ledger.token import public_key_of, thumbprint
from tests.world import (
    DAIRY,
    MARKET,
    ORIGIN,
    Clock,
    World,
    failed_inspection,
    genesis,
    key_of,
    rows_of_all_tables,
    seed_of,
    signers_of,
)

LOG = Signer(ORIGIN, key_of("log"))

PRIMARY = (
    "ledger_entry",
    "ledger_tile",
    "ledger_checkpoint",
    "ledger_opening",
    "ledger_disclosure",
    "ledger_capture",
    "ledger_event",
    "ledger_binding",
)


@asynccontextmanager
async def empty(url: str) -> AsyncIterator[Database]:
    database = Database.connect(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    try:
        yield database
    finally:
        await database.close()


async def feed_of(database: Database, first: int = 0) -> list[bytes]:
    """Every line from an index on."""
    lines = []
    async with database.reading() as session:
        log = StoredLog(session)
        index = first
        while rows := await log.checkpoints(index, index + 256):
            for row in rows:
                openings = log.openings(index, row.tree_size - index)
                lines += [entry_line(opening) async for opening in openings]
                lines.append(checkpoint_line(row))
                index = row.tree_size
    return lines


GENESIS_HASH = leaf_hash(
    leaf_of(
        issue_control(
            genesis(),
            key=key_of("root"),
            jti="control-1",
            issued_at=int(Clock().at.timestamp()),
        )
    )
)
"""Of every log that a world founds."""


async def told(world: World) -> None:
    """Some of every form, in batches of one and of many."""
    await world.begin_key("dairy", DAIRY.label())
    await world.file(DAIRY, "Dairy")
    await world.state(*(world.draft(failed_inspection(), jti=f"NM-{n}") for n in range(260)))
    world.clock.advance(hours=1)
    await world.capture(b'{"type":"ObjectEvent"}', b'{"type":"AggregationEvent"}')
    world.clock.advance(hours=1)
    await world.state(world.draft(failed_inspection()))


async def recovered(database: Database, lines: Sequence[bytes]) -> Recovery:
    recovery = await Recovery.opened(database, GENESIS_HASH)
    for line in lines:
        recovery.take(line)
        if recovery.is_chunk_full:
            await recovery.write()
    await recovery.write()
    return recovery


@pytest.mark.parametrize("chunk", [1, 1_000])
async def test_what_is_recovered_is_row_by_row_what_was_lost(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "CHUNK_BODIES", chunk)
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'source.sqlite'}") as world:
        await told(world)
        async with empty(database_url) as database:
            lines = await feed_of(world.database)
            size = (await recovered(database, lines)).tree_size
            assert size == world.sequencer.tree_size
            source, copy = (
                await rows_of_all_tables(world.database),
                await rows_of_all_tables(database),
            )
            assert {name: copy[name] for name in PRIMARY} == {
                name: source[name] for name in PRIMARY
            }
            report = await audit_database(database, trusted=[LOG.verifier], signatures=True)
            assert (report.head.tree_size, report.events) == (size, 2)


@pytest.mark.parametrize("heads", [1, 6, 8, -2])
async def test_a_backup_of_any_size_catches_up_and_is_signed_on_from(
    database_url: str, tmp_path: Path, heads: int
) -> None:
    async with World.opened(database_url) as world:
        await told(world)
        lines = await feed_of(world.database)
        held = await rows_of_all_tables(world.database)
        await world.sequencer.close()
        async with empty(f"sqlite+aiosqlite:///{tmp_path / 'copy.sqlite'}") as database:
            ends = [number for number, line in enumerate(lines) if line.startswith(b'{"checkp')]
            backup = await recovered(database, lines[: ends[heads] + 1])
            again = await recovered(database, await feed_of(world.database, backup.tree_size))
            assert again.tree_size == len(held["ledger_entry"])
            copy = await rows_of_all_tables(database)
            assert {name: copy[name] for name in PRIMARY} == {name: held[name] for name in PRIMARY}
            world.database = database
            await world.open_sequencer()
            (known,) = await world.state(world.draft(failed_inspection(), jti="NM-0"))
            assert (known.leaf_index, known.duplicate) == (7, True)
            (fresh,) = await world.state(world.draft(failed_inspection()))
            assert fresh.leaf_index == again.tree_size
            await world.sequencer.close()
            await audit_database(database, trusted=[LOG.verifier], signatures=True)


async def test_a_backup_beside_a_newer_folder_of_tiles_catches_up_with_its_files(
    database_url: str, tmp_path: Path
) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'source.sqlite'}") as world:
        await told(world)
        lines = await feed_of(world.database)
    folder = TileFolder(tmp_path / "tiles")
    async with empty(f"sqlite+aiosqlite:///{tmp_path / 'lost.sqlite'}") as database:
        keep_tiles_in(database, folder)
        newest = await recovered(database, lines)
        async with database.reading() as session:
            files = await folder.check(session)
    async with empty(database_url) as database:
        keep_tiles_in(database, folder)
        ends = [number for number, line in enumerate(lines) if line.startswith(b'{"checkp')]
        await recovered(database, lines[: ends[8] + 1])
        again = await recovered(database, lines[ends[8] + 1 :])
        assert again.tree_size == newest.tree_size
        async with database.reading() as session:
            assert await folder.check(session) == files
        await audit_database(database, trusted=[LOG.verifier])


def head_over(lines: list[bytes], change: Callable[[FeedCheckpoint], bytes]) -> list[bytes]:
    """The last line, which is a head, changed."""
    head = parse_line(lines[-1])
    assert isinstance(head, FeedCheckpoint)
    return [*lines[:-1], change(head)]


def resigned(head: FeedCheckpoint, signer: Signer, root_hash: Hash | None = None) -> bytes:
    said = Checkpoint.parse(head.note.partition("\n\n")[0] + "\n")
    other = Checkpoint(signer.name, said.tree_size, root_hash or said.root_hash)
    return _head_line(str(other.signed(signer)), head)


def _head_line(note: str, head: FeedCheckpoint, **shift: float) -> bytes:
    logged_at = head.logged_at + timedelta(**shift)
    return checkpoint_line(StoredCheckpoint(0, 0, b"", note, logged_at))


def swapped(lines: list[bytes], one: int, other: int) -> list[bytes]:
    changed = list(lines)
    changed[one], changed[other] = changed[other], changed[one]
    return changed


LIES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], type[LedgerError]]] = {
    "an entry left out": (lambda lines: [*lines[:2], *lines[3:]], OpeningFeedMalformed),
    "an entry twice": (lambda lines: [*lines[:2], lines[1], *lines[2:]], OpeningFeedMalformed),
    "two entries swapped": (lambda lines: swapped(lines, 0, 1), RootMismatch),
    "a head in the middle": (lambda lines: swapped(lines, -1, -2), OpeningFeedMalformed),
    "a head of nothing": (lambda lines: [*lines, lines[-1]], OpeningFeedMalformed),
    "another root under the log's key": (
        lambda lines: head_over(lines, lambda head: resigned(head, LOG, Hash(bytes(32)))),
        RootMismatch,
    ),
    "a head of another key": (
        lambda lines: head_over(
            lines, lambda head: resigned(head, Signer(ORIGIN, key_of("stranger")))
        ),
        CheckpointUnsigned,
    ),
    "a head of another log": (
        lambda lines: head_over(
            lines, lambda head: resigned(head, Signer("other.test/log", key_of("log")))
        ),
        CheckpointForeign,
    ),
    "a head older than the one before": (
        lambda lines: head_over(lines, lambda head: _head_line(head.note, head, days=-400)),
        InstantChanged,
    ),
    "a statement in place of another": (lambda lines: [lines[1], *lines[1:]], RootMismatch),
    "a disclosure left out": (
        lambda lines: [lines[0].rpartition(b"~")[0].rpartition(b"~")[0] + b'~"}', *lines[1:]],
        OpeningFeedMalformed,
    ),
    "a line that is no JSON": (lambda lines: [lines[0][:-1], *lines[1:]], OpeningFeedMalformed),
    "another spelling of its JSON": (
        lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]],
        OpeningFeedMalformed,
    ),
}


async def test_every_lie_of_a_feed_is_refused_and_leaves_no_trace(database_url: str) -> None:
    async with World.opened(database_url) as world:
        size = world.sequencer.tree_size
        before = await feed_of(world.database)
        await world.state(*(world.draft(failed_inspection()) for _ in range(3)))
        lines = await feed_of(world.database, size)
        await world.sequencer.close()
        async with world.database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        await recovered(world.database, before)
        held = await rows_of_all_tables(world.database)
        for name, (lie, refusal) in LIES.items():
            with pytest.raises(refusal):
                await recovered(world.database, lie(lines))
            assert await rows_of_all_tables(world.database) == held, name
        assert (await recovered(world.database, lines)).tree_size == size + 3


async def test_what_its_issuer_might_not_state_is_not_taken_even_under_a_signed_root(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        size = world.sequencer.tree_size
        market = thumbprint(public_key_of(seed_of("market")))
        good = world.draft(failed_inspection())
        token = good.token.text
        flipped = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
        forged = good.presentation.replace(token, flipped)
        recovery = await Recovery.opened(world.database, GENESIS_HASH)
        stranger = world.draft(failed_inspection(), key="stranger")
        for presentation, refusal in (
            (forged, EntryUnsigned),
            (stranger.presentation, EntryUnauthorised),
        ):
            with pytest.raises(refusal) as refused:
                recovery.take(encode({"statement": presentation}))
            assert refused.value.path == ("entry", size)
        await world.control(KeyEnd(MARKET.label(), market))
        recovery = await Recovery.opened(world.database, GENESIS_HASH)
        with pytest.raises(EntryUnauthorised):
            recovery.take(encode({"statement": good.presentation}))
        with pytest.raises(ControlRefused):
            recovery.take((await feed_of(world.database))[0])
        assert recovery.tree_size == size + 1


async def test_a_log_of_another_genesis_is_not_taken(tmp_path: Path) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'source.sqlite'}") as world:
        lines = await feed_of(world.database)
        stranger = bytes(32)
        async with empty(f"sqlite+aiosqlite:///{tmp_path / 'copy.sqlite'}") as database:
            recovery = await Recovery.opened(database, stranger)
            with pytest.raises(GenesisMismatch):
                recovery.take(lines[0])
        with pytest.raises(GenesisMismatch):
            await Recovery.opened(world.database, stranger)


async def test_a_database_that_is_not_what_was_signed_is_not_built_upon(database_url: str) -> None:
    async with World.opened(database_url) as world:
        async with world.database.writing() as session:
            tile = await session.get_one(TileRow, (0, 0))
            tile.hashes = tile.hashes[:-1] + bytes([tile.hashes[-1] ^ 1])
        with pytest.raises(ProofInvalid):
            await Recovery.opened(world.database, GENESIS_HASH)


async def test_another_writer_in_between_fences_a_recovery(database_url: str) -> None:
    async with World.opened(database_url) as world:
        size = world.sequencer.tree_size
        recovery = await Recovery.opened(world.database, GENESIS_HASH)
        await world.state(world.draft(failed_inspection()))
        for line in await feed_of(world.database, size):
            recovery.take(line)
        held = await rows_of_all_tables(world.database)
        with pytest.raises(WriterFenced):
            await recovery.write()
        assert await rows_of_all_tables(world.database) == held


async def test_entries_without_a_head_are_held_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}") as world:
        lines = [encode({"statement": world.draft(failed_inspection()).presentation})] * 3
        for name, value in (
            ("PENDING_BODIES_MAX", 2),
            ("PENDING_BYTES_MAX", 2 * len(lines[0])),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(module, name, value)
                recovery = await Recovery.opened(world.database, GENESIS_HASH)
                recovery.take(lines[0])
                recovery.take(lines[1])
                with pytest.raises(OpeningFeedMalformed):
                    recovery.take(lines[2])


async def test_a_chunk_is_full_by_its_bytes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'source.sqlite'}") as world:
        lines = await feed_of(world.database)
        async with empty(f"sqlite+aiosqlite:///{tmp_path / 'copy.sqlite'}") as database:
            recovery = await Recovery.opened(database, GENESIS_HASH)
            recovery.take(lines[0])
            recovery.take(lines[1])
            assert not recovery.is_chunk_full
            monkeypatch.setattr(module, "CHUNK_BYTES", len(lines[0]))
            assert recovery.is_chunk_full


async def test_what_has_been_taken_out_of_the_store_is_not_given(database_url: str) -> None:
    async with World.opened(database_url) as world:
        (acknowledged,) = await world.state(world.draft(failed_inspection()))
        async with world.database.writing() as session:
            await session.execute(delete(DisclosureRow))
        with pytest.raises(OpeningMissing) as missing:
            await feed_of(world.database, acknowledged.leaf_index)
        assert missing.value.path == ("entry", acknowledged.leaf_index)


async def test_a_line_is_its_body_and_back(tmp_path: Path) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}") as world:
        await told(world)
        lines = await feed_of(world.database)
        bodies = [parse_line(line) for line in lines]
        async with world.database.reading() as session:
            entries = [entry.body for entry in await Entries(session).read(0, 1_000)]
        assert [body for body in bodies if not isinstance(body, FeedCheckpoint)] == entries
        async with world.database.reading() as session:
            rows = await StoredLog(session).checkpoints(0, 7)
        heads = [body for body in bodies if isinstance(body, FeedCheckpoint)]
        assert [(head.note, head.logged_at) for head in heads[:7]] == [
            (row.note, row.logged_at) for row in rows
        ]


CAPTURE = {"context": "", "events": [["e30", "AAAAAAAAAAAAAAAAAAAAAA"]], "party": ["uscc", "x"]}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"statement": 1}, id="a statement that is no text"),
        pytest.param({"statement": "x~", "more": 1}, id="a member more"),
        pytest.param({"control": "x"}, id="a control entry that is no token"),
        pytest.param({"capture": CAPTURE}, id="a capture without its token"),
        pytest.param({"capture": {**CAPTURE, "token": "x"}}, id="a party that is none"),
        pytest.param(
            {"capture": {**CAPTURE, "token": "x", "events": [["e30"]]}},
            id="an event without secret",
        ),
        pytest.param(
            {"capture": {**CAPTURE, "token": "x", "context": "="}}, id="bytes that are no base64url"
        ),
        pytest.param({"checkpoint": {"note": "x"}}, id="a head without instant"),
        pytest.param({"checkpoint": {"logged_at": True, "note": "x"}}, id="an instant true"),
        pytest.param({"checkpoint": {"logged_at": -1, "note": "x"}}, id="an instant before 1970"),
        pytest.param({"checkpoint": {"logged_at": 1, "note": 2}}, id="a note that is no text"),
        pytest.param([], id="a list"),
    ],
)
def test_a_line_outside_of_its_form_is_refused(line: object) -> None:
    with pytest.raises(OpeningFeedMalformed):
        parse_line(encode(line))  # type: ignore[arg-type]


def test_a_line_is_read_to_its_bound() -> None:
    with pytest.raises(OpeningFeedMalformed) as refused:
        parse_line(b'{"control":"' + b"x" * FEED_LINE_BYTES_MAX + b'"}')
    assert "more than" in refused.value.message
    assert decode(b'{"control":"x"}') == {"control": "x"}


async def test_a_feed_is_followed_through_the_keys_of_the_log(
    database_url: str, tmp_path: Path
) -> None:
    second = Signer(ORIGIN, key_of("log-2")).verifier
    beside = Cosigner(ORIGIN, key_of("log-2-ml-dsa-44")).verifier
    async with World.opened(database_url) as world:
        world.signers = signers_of("log", "log-2", "log-2-ml-dsa-44")
        await world.reopen()
        entry = (await world.control(LogKey(second, beside))).leaf_index
        await world.state(world.draft(failed_inspection()))
        lines = await feed_of(world.database)
        held = await rows_of_all_tables(world.database)
        async with empty(f"sqlite+aiosqlite:///{tmp_path / 'copy.sqlite'}") as database:
            await recovered(database, lines)
            copied = await rows_of_all_tables(database)
            assert copied["ledger_checkpoint"] == held["ledger_checkpoint"]
            # It goes on from there.
            again = await Recovery.opened(database, GENESIS_HASH)
            assert again.tree_size == entry + 2
        old = Signer(ORIGIN, key_of("log"))
        async with empty(f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite'}") as database:
            with pytest.raises(CheckpointSuperseded):
                await recovered(database, head_over(lines, lambda head: resigned(head, old)))
