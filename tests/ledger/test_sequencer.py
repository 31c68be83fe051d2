"""One writer: ARCHITECTURE §4, invariants 1, 2, 3 and 11, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, update

from ledger import sequencer
from ledger.admission import Submission
from ledger.checkpoint import open_checkpoint
from ledger.control import KeyEnd, Mandate
from ledger.directory import BindingView, Directory, EnterpriseView
from ledger.entries import CAPTURES_MAX, Entries
from ledger.errors import (
    DuplicateConflict,
    EntryUnknown,
    KeyEnded,
    LedgerEmpty,
    LogKeyMismatch,
    MandateMissing,
    ProofInvalid,
    StoreUnavailable,
    SubjectAlreadyBound,
    WriterFenced,
    WriterOverloaded,
)
from ledger.follower import Follower
from ledger.identity import SubjectLabel
from ledger.merkle import leaf_hash, root, verify_consistency, verify_inclusion
from ledger.note import Signer
from ledger.salts import fresh_salts
from ledger.sequencer import Sequencer
from ledger.statement import Draft, Severity, Statement, Weighing, issue
from ledger.tables import CheckpointRow, CursorRow, EntryRow, TileRow
from ledger.token import public_key_of, thumbprint
from tests.world import (
    DAIRY,
    MARKET,
    ORIGIN,
    PERSON,
    REGISTRY,
    World,
    accept_policy,
    failed_inspection,
    filing,
    key_of,
    rows_of_all_tables,
    seed_of,
    signers_of,
)


async def test_a_statement_gets_the_next_index_and_a_signed_head_covers_it(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        before = world.sequencer.tree_size
        (first,) = await world.state(world.draft(failed_inspection()))
        assert first.leaf_index == before
        assert not first.duplicate
        async with world.database.reading() as session:
            head = await Entries(session).head()
            log = Signer(ORIGIN, key_of("log")).verifier
            checkpoint = open_checkpoint(head.note.encode(), log)
            assert checkpoint.tree_size == before + 1
            path = await Entries(session).inclusion_path(before, before + 1)
            verify_inclusion(first.leaf_hash, before, before + 1, path, checkpoint.root_hash)


async def test_the_same_reference_with_equal_content_returns_the_first_index(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        one = world.draft(failed_inspection(), jti="NM-1")
        again = world.draft(failed_inspection(), jti="NM-1")
        assert one.token != again.token, "new salts, new token"
        (first,) = await world.state(one)
        held = await rows_of_all_tables(world.database)
        (second,) = await world.state(again)
        assert (second.leaf_index, second.leaf_hash, second.duplicate) == (
            first.leaf_index,
            first.leaf_hash,
            True,
        )
        assert await rows_of_all_tables(world.database) == held
        await world.reopen()
        (third,) = await world.state(one)
        assert third.leaf_index == first.leaf_index


async def test_the_same_reference_with_other_content_is_a_conflict(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.state(world.draft(failed_inspection(), jti="NM-1"))
        held = await rows_of_all_tables(world.database)
        with pytest.raises(DuplicateConflict):
            await world.state(world.draft(failed_inspection(case="c-1"), jti="NM-1"))
        assert await rows_of_all_tables(world.database) == held


async def test_racing_clients_with_one_reference_get_one_index(database_url: str) -> None:
    async with World.opened(database_url) as world:
        drafts = [world.draft(failed_inspection(), jti="NM-1") for _ in range(20)]
        answers = await asyncio.gather(*(world.state(draft) for draft in drafts))
        assert len({answer.leaf_index for (answer,) in answers}) == 1
        assert sum(not answer.duplicate for (answer,) in answers) == 1


async def test_a_submission_is_admitted_whole_or_not_at_all(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.control(Mandate(MARKET.label(), ("inspection",)))
        held = await rows_of_all_tables(world.database)
        good = world.draft(failed_inspection(case="c-1"))
        bad = world.draft(
            Weighing(
                kind="enforcement",
                code="label",
                outcome="warning",
                severity=Severity.MINOR,
                decided_on=date(2026, 2, 11),
            )
        )
        with pytest.raises(MandateMissing) as refusal:
            await world.state(good, bad)
        assert refusal.value.path[0] == 1, "the second body is the one that was refused"
        assert await rows_of_all_tables(world.database) == held


async def test_many_submissions_are_answered_one_by_one_in_order(database_url: str) -> None:
    async with World.opened(database_url) as world:
        size = world.sequencer.tree_size
        drafts = [world.draft(failed_inspection(), jti=f"NM-{number}") for number in range(300)]
        drafts[7] = world.draft(failed_inspection(), key="registry")
        answers = await world.sequencer.submit_each(Submission((draft,)) for draft in drafts)
        assert isinstance(answers[7], Exception)
        indexes = [answer[0].leaf_index for answer in answers if not isinstance(answer, Exception)]
        assert indexes == list(range(size, size + 299))


async def test_a_key_signs_up_to_its_end_and_no_further(database_url: str) -> None:
    async with World.opened(database_url) as world:
        statement = world.draft(failed_inspection())
        kid = thumbprint(public_key_of(seed_of("market")))
        await world.control(KeyEnd(MARKET.label(), kid))
        held = await rows_of_all_tables(world.database)
        with pytest.raises(KeyEnded):
            await world.state(statement)
        assert await rows_of_all_tables(world.database) == held


async def test_a_log_begins_with_its_genesis_and_nothing_else(database_url: str) -> None:
    async with World.opened(database_url, founded=False) as world:
        with pytest.raises(LedgerEmpty):
            await world.state(world.draft(failed_inspection()))
        with pytest.raises(LedgerEmpty):
            await world.control(Mandate(MARKET.label(), ()))
        assert not any((await rows_of_all_tables(world.database)).values())


async def test_every_tile_and_every_head_agrees_with_the_tree_over_the_leaves(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        drafts = [world.draft(failed_inspection(), jti=f"NM-{number}") for number in range(600)]
        for at in (0, 1, 250, 251, 252, 507):
            end = {0: 1, 1: 250, 250: 251, 251: 252, 252: 507, 507: 600}[at]
            await world.sequencer.submit_each(Submission((draft,)) for draft in drafts[at:end])
            await world.reopen()
        async with world.database.reading() as session:
            leaves = list(
                await session.scalars(select(EntryRow.leaf).order_by(EntryRow.leaf_index))
            )
            hashes = [leaf_hash(leaf) for leaf in leaves]
            heads = list(await session.scalars(select(CheckpointRow)))
            entries = Entries(session)
            newest = max(heads, key=lambda head: head.tree_size)
            assert newest.tree_size == len(leaves)
            for head in heads:
                assert head.root_hash == root(hashes[: head.tree_size])
                path = await entries.consistency_path(head.tree_size, newest.tree_size)
                verify_consistency(
                    head.tree_size, newest.tree_size, path, head.root_hash, newest.root_hash
                )
            tiles = {
                (row.level, row.tile_index): row.hashes
                for row in await session.scalars(select(TileRow))
            }
            assert sorted(tiles) == [(0, 0), (0, 1), (0, 2), (1, 0)]
            assert tiles[0, 0] == b"".join(hashes[:256])
            assert tiles[1, 0] == root(hashes[:256]) + root(hashes[256:512])


async def test_of_two_writers_at_one_head_exactly_one_signs(database_url: str) -> None:
    async with World.opened(database_url) as world:
        other = await Sequencer.open(
            world.database,
            signers_of("log"),
            now=world.clock.now,
            policy_check=accept_policy,
        )
        await world.state(world.draft(failed_inspection()))
        held = await rows_of_all_tables(world.database)
        # The second writer still believes in the old head, and loses at its first commit.
        with pytest.raises(WriterFenced):
            await other.submit(Submission((world.draft(failed_inspection()),)))
        with pytest.raises(WriterFenced):
            await other.submit(Submission((world.draft(failed_inspection()),)))
        assert await rows_of_all_tables(world.database) == held
        await other.close()


async def test_a_foreign_log_key_is_refused_before_anything_is_signed(database_url: str) -> None:
    async with World.opened(database_url) as world:
        with pytest.raises(LogKeyMismatch):
            await Sequencer.open(
                world.database,
                signers_of("another log"),
                now=world.clock.now,
                policy_check=accept_policy,
            )


async def test_a_tile_that_was_changed_is_noticed_before_anything_is_signed(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        async with world.database.writing() as session:
            tile = await session.get_one(TileRow, (0, 0))
            tile.hashes = tile.hashes[:-1] + bytes([tile.hashes[-1] ^ 1])
        with pytest.raises(ProofInvalid):
            await world.reopen()


async def test_persons_are_known_by_their_binding_alone(database_url: str) -> None:
    async with World.opened(database_url) as world:
        label = SubjectLabel("A" * 42 + "E")
        views = Follower(world.database, [BindingView(), EnterpriseView()])
        await world.state(bound(label))
        await world.state(
            world.draft(
                filing(),
                about=label,
                particulars={"name": {"zh": "董记豆制品店"}, "country": "CN"},
                issuer=REGISTRY,
                key="registry",
            )
        )
        await world.file(DAIRY, "Dairy")
        await world.file(DAIRY, "Dairy, renamed")
        await views.catch_up()
        held = await rows_of_all_tables(world.database)
        async with world.database.reading() as session:
            directory = Directory(session)
            assert await directory.label_of(PERSON) == label
            size = world.sequencer.tree_size
            person = await directory.enterprise(label, tree_size=size)
            assert person is not None
            assert person.identity == PERSON
            named = [
                (await directory.enterprise(DAIRY.label(), tree_size=at)) for at in (size, size - 1)
            ]
            assert [firm and firm.name_en for firm in named] == ["Dairy, renamed", "Dairy"]
        assert await views.rebuild() == world.sequencer.tree_size
        assert await rows_of_all_tables(world.database) == held


async def test_both_databases_hold_the_same_tree_for_the_same_tokens(database_url: str) -> None:
    async with World.opened(database_url) as world:
        # Ed25519 is deterministic; with the salts fixed, so is every token and the root.
        for number in range(3):
            statement = world.draft(
                failed_inspection(), jti=f"NM-{number}", salts=fixed_salts(number)
            )
            await world.state(statement)
        async with world.database.reading() as session:
            head = await Entries(session).head()
        assert (head.tree_size, head.root_hash.hex()) == (8, ROOT_OF_EIGHT)


def fixed_salts(number: int) -> Iterator[bytes]:
    """The same salts in every run."""
    return (sha256(f"{number} {place}".encode()).digest()[:16] for place in count())


ROOT_OF_EIGHT = "7eb2b9d1d7a8fefe166485b93cfb68ab0fda0e1b0f26a3a1e2d1ed1e31507bb8"


async def test_a_writer_outlives_a_database_that_went_away(database_url: str) -> None:
    async with World.opened(database_url) as world:
        statement = world.draft(failed_inspection())
        engine = world.database.engine.sync_engine
        away = [True]

        def refuse(*_: object) -> None:
            if away:
                raise ConnectionRefusedError("the database is away")

        event.listen(engine, "begin", refuse)
        for _ in range(3):
            # Also the head cannot be read again meanwhile.
            with pytest.raises(StoreUnavailable):
                await world.state(statement)
        away.clear()
        size = world.sequencer.tree_size
        (acknowledgement,) = await world.state(statement)
        assert (acknowledgement.leaf_index, acknowledgement.duplicate) == (size, False)


async def test_what_waits_when_a_writer_stops_is_refused_and_not_cancelled(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        drafts = [world.draft(failed_inspection()) for _ in range(3)]
        answers = [asyncio.create_task(world.state(draft)) for draft in drafts]
        await asyncio.wait(answers, timeout=0.01)
        await world.sequencer.close()
        for answer in await asyncio.gather(*answers, return_exceptions=True):
            assert not isinstance(answer, asyncio.CancelledError)
        with pytest.raises(WriterFenced):
            await world.state(drafts[0])


async def test_a_person_is_bound_once_even_after_a_rebuild_was_cut_short(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        await world.state(bound("A" * 42 + "E"))
        views = Follower(world.database, [BindingView()])
        await views.catch_up()
        async with world.database.writing() as session:
            # What the first transaction of a rebuild leaves behind.
            await BindingView().clear(session)
            await session.execute(update(CursorRow).values(next_index=0))
        await world.reopen()
        held = await rows_of_all_tables(world.database)
        with pytest.raises(SubjectAlreadyBound):
            await world.state(bound("B" * 42 + "E"))
        assert await rows_of_all_tables(world.database) == held


async def test_a_view_is_followed_once_by_however_many_followers(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.file(DAIRY, "Dairy")
        followers = [Follower(world.database, [EnterpriseView()]) for _ in range(4)]
        await followers[0].step(limit=1)
        read = await asyncio.gather(*(follower.step() for follower in followers))
        assert sorted(read) == [0, 0, 0, world.sequencer.tree_size - 1]


async def test_a_proof_beyond_the_head_is_refused(database_url: str) -> None:
    async with World.opened(database_url) as world:
        size = world.sequencer.tree_size
        async with world.database.reading() as session:
            entries = Entries(session)
            for beyond in (size + 1, 8, 256, 257, 2**53 - 1):
                with pytest.raises(EntryUnknown):
                    await entries.inclusion_path(0, beyond)
                with pytest.raises(EntryUnknown):
                    await entries.consistency_path(size, beyond)
            for leaf_index in (size, -1, 2**53, 2**70):
                with pytest.raises(EntryUnknown):
                    await entries.at(leaf_index)


async def test_many_captures_are_read_by_their_indexes_without_one_missing(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        indexes = [(await world.capture(b"{}")).leaf_index for _ in range(CAPTURES_MAX + 2)]
        async with world.database.reading() as session:
            found = await Entries(session).of_indexes(indexes)
        assert [entry.leaf_index for entry in found] == indexes


def bound(label: str) -> Statement:
    """The registry binds the one person to a label."""
    return issue(
        Draft(
            issuer=REGISTRY.label(),
            subject=SubjectLabel(label),
            jti=f"B-{label[0]}",
            issued_at=1_764_000_000,
            weighing=Weighing(
                kind="binding",
                code="one-person-business",
                outcome="bound",
                decided_on=date(2025, 1, 2),
            ),
            particulars={"subject": {"id": PERSON.identifier, "scheme": "uscc"}},
        ),
        key_of("registry"),
        fresh_salts(),
    )


async def test_a_batch_takes_no_more_once_it_has_its_bodies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}") as world:
        monkeypatch.setattr(sequencer, "BATCH_BODIES_MAX", 4)
        size = world.sequencer.tree_size
        drafts = [world.draft(failed_inspection()) for _ in range(10)]
        await world.sequencer.submit_each(Submission((draft,)) for draft in drafts)
        async with world.database.reading() as session:
            heads = select(CheckpointRow.tree_size).where(CheckpointRow.tree_size > size)
            sizes = list(await session.scalars(heads.order_by(CheckpointRow.tree_size)))
        assert sizes == [size + 4, size + 8, size + 10]


async def test_what_is_known_is_found_however_many_are_looked_up_at_once(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        drafts = [world.draft(failed_inspection()) for _ in range(600)]
        first = await world.state(*drafts)
        again = await world.state(*drafts)
        assert all(answer.duplicate for answer in again)
        assert [one.leaf_index for one in again] == [one.leaf_index for one in first]


@pytest.mark.parametrize(
    ("bound_name", "value"),
    [
        pytest.param("QUEUE_BYTES_MAX", 6_000, id="more bytes wait than may"),
        pytest.param("QUEUE_SUBMISSIONS_MAX", 3, id="more submissions wait than may"),
    ],
)
async def test_a_full_queue_refuses_at_once_and_writes_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound_name: str, value: int
) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}") as world:
        monkeypatch.setattr(sequencer, bound_name, value)
        monkeypatch.setattr(sequencer, "BATCH_BYTES_MAX", 1)
        await world.reopen()
        size = world.sequencer.tree_size
        drafts = [world.draft(failed_inspection()) for _ in range(20)]
        answers = await world.sequencer.submit_each(Submission((draft,)) for draft in drafts)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        assert refused
        assert all(isinstance(answer, WriterOverloaded) for answer in refused)
        assert world.sequencer.tree_size == size + len(answers) - len(refused)
        # A batch of one byte at most is a batch of one: as many heads as entries.
        async with world.database.reading() as session:
            heads = await session.scalar(select(func.count()).select_from(CheckpointRow))
        assert heads == world.sequencer.tree_size
        await world.state(world.draft(failed_inspection()))
