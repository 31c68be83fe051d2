"""Another key for the log, on SQLite and PostgreSQL: no crash makes two keys sign one size."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.pool import PoolProxiedConnection

from ledger.admission import Submission
from ledger.audit import AuditReport
from ledger.auditor import audit_database
from ledger.checkpoint import Checkpoint
from ledger.control import KeyEnd, LogKey
from ledger.cosignature import Cosigner, Timestamped
from ledger.entries import Entries
from ledger.errors import (
    AuditFinding,
    CheckpointSuperseded,
    CheckpointUnsigned,
    GenesisMismatch,
    KeyAgentAway,
    LogKeyMismatch,
    LogKeyReplaced,
    NoteUnverified,
    OpeningChanged,
    StoreUnavailable,
)
from ledger.key_agent import AgentCustody, answering
from ledger.keystore import Keystore
from ledger.log_keys import LogSigners
from ledger.merkle import Hash, leaf_hash
from ledger.note import SignedNote, Signer, Verifier
from ledger.sequencer import Sequencer
from ledger.tables import CheckpointRow, EntryRow, OpeningRow
from tests.world import (
    MARKET,
    ORIGIN,
    World,
    accept_policy,
    failed_inspection,
    key_of,
    rows_of_all_tables,
    seed_of,
    signers_of,
)

SECOND = "log-2"
POST_QUANTUM = "log-ml-dsa-44"
BOTH = signers_of("log", SECOND, POST_QUANTUM)


def verifier(name: str) -> Verifier:
    return Signer(ORIGIN, key_of(name)).verifier


def log_key(first: str, second: str | None = None) -> LogKey:
    beside = None if second is None else Cosigner(ORIGIN, key_of(second)).verifier
    return LogKey(Signer(ORIGIN, key_of(first)).verifier, beside)


async def heads(world: World) -> dict[int, list[str]]:
    """Of each head, who signed it."""
    names = {verifier(name).key_id: name for name in ("log", SECOND)}
    names[Cosigner(ORIGIN, key_of(POST_QUANTUM)).verifier.key_id] = POST_QUANTUM
    async with world.database.reading() as session:
        rows = (await session.scalars(select(CheckpointRow))).all()
    notes = {row.tree_size: SignedNote.parse(row.note.encode()) for row in rows}
    return {size: [names[line.key_id] for line in notes[size].signatures] for size in sorted(notes)}


async def audit(
    world: World, *, trusted: Sequence[Verifier] = (), genesis_hash: bytes | None = None
) -> AuditReport:
    return await audit_database(
        world.database, signatures=True, trusted=trusted, genesis_hash=genesis_hash
    )


async def state(world: World) -> int:
    (acknowledgement,) = await world.state(world.draft(failed_inspection()))
    return acknowledgement.leaf_index


async def test_the_first_head_with_the_entry_is_signed_by_both_and_every_later_one_by_the_new(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        before = await state(world)
        entry = (await world.control(log_key(SECOND))).leaf_index
        after = await state(world)
        assert (entry, after) == (before + 1, before + 2)
        signed = await heads(world)
        assert signed == {
            **{size: ["log"] for size in range(1, entry + 1)},
            entry + 1: [SECOND, "log"],
            after + 1: [SECOND],
        }
        report = await audit(world)
        assert report.log_key == verifier(SECOND)
        async with world.database.reading() as session:
            log_keys = await Entries(session).log_keys(after + 1)
            leaf = await session.scalar(select(EntryRow.leaf).where(EntryRow.leaf_index == 0))
        assert [record.begun_index for record in log_keys.records] == [0, entry]
        assert report.genesis_hash == leaf_hash(leaf or b"")
        await audit(world, genesis_hash=report.genesis_hash, trusted=[verifier(SECOND)])
        with pytest.raises(GenesisMismatch):
            await audit(world, genesis_hash=bytes(32))
        with pytest.raises(CheckpointUnsigned):
            await audit(world, trusted=[verifier("log")])


async def test_the_new_key_alone_is_needed_from_then_on(database_url: str) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        await world.control(log_key(SECOND))
        world.signers = signers_of(SECOND)
        await world.reopen()
        await state(world)
        await audit(world)
        await world.sequencer.close()
        held = await rows_of_all_tables(world.database)
        world.signers = signers_of("log")
        with pytest.raises(LogKeyMismatch):
            await world.open_sequencer()
        assert await rows_of_all_tables(world.database) == held


async def test_a_key_that_is_not_kept_here_is_not_begun(database_url: str) -> None:
    async with World.opened(database_url) as world:
        names = ["log"]
        world.signers = LogSigners(lambda: map(key_of, names), ORIGIN)
        await world.reopen()
        held = await rows_of_all_tables(world.database)
        with pytest.raises(LogKeyMismatch):
            await world.control(log_key(SECOND))
        with pytest.raises(LogKeyMismatch):
            await world.control(log_key("log", POST_QUANTUM))
        assert await rows_of_all_tables(world.database) == held
        await state(world)
        # A key that is laid there while the server runs is found when it is wanted.
        names.append(SECOND)
        await world.control(log_key(SECOND))
        await audit(world)


async def test_an_entry_amid_a_batch_hands_over_once(database_url: str) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        size = world.sequencer.tree_size
        bodies = [world.draft(failed_inspection()) for _ in range(4)]
        controls = [
            world.signed(content) for content in (log_key(SECOND), log_key(SECOND, POST_QUANTUM))
        ]
        answers = await world.sequencer.submit_each(
            [
                Submission((bodies[0],)),
                Submission((controls[0],)),
                Submission((bodies[1],)),
                Submission((controls[1], bodies[2])),
            ]
        )
        assert not any(isinstance(answer, Exception) for answer in answers)
        await world.state(bodies[3])
        signed = await heads(world)
        assert signed[size + 5] == [SECOND, POST_QUANTUM, "log"]
        assert signed[size + 6] == [SECOND, POST_QUANTUM]
        await audit(world)


async def test_the_entry_sent_again_is_known_whatever_became_of_its_key(database_url: str) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        first = await world.control(log_key(SECOND), jti="rotation")
        again = await world.control(log_key(SECOND), jti="rotation")
        assert (again.leaf_index, again.duplicate) == (first.leaf_index, True)
        world.signers = signers_of("log-3", SECOND)
        await world.reopen()
        await world.control(log_key("log-3"))
        world.signers = signers_of("log-3")
        await world.reopen()
        last = await world.control(log_key(SECOND), jti="rotation")
        assert (last.leaf_index, last.duplicate) == (first.leaf_index, True)


@contextmanager
def failing_commit(world: World, *, kept: bool) -> Iterator[list[int]]:
    """The connection is gone at each commit, before the database had it or after."""
    dialect = world.database.engine.sync_engine.dialect
    commit = dialect.do_commit
    failures: list[int] = []

    def do_commit(connection: PoolProxiedConnection) -> None:
        if kept:
            commit(connection)
        failures.append(1)
        raise ConnectionResetError("gone at commit")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dialect, "do_commit", do_commit)
        yield failures


@pytest.mark.parametrize("restarted", [False, True], ids=["it goes on", "it is started anew"])
@pytest.mark.parametrize("kept", [False, True], ids=["the commit is lost", "the commit is kept"])
async def test_a_crash_during_the_commit_leaves_the_old_key_or_the_new_one(
    database_url: str, kept: bool, restarted: bool
) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        size = world.sequencer.tree_size
        with failing_commit(world, kept=kept) as failures, pytest.raises(StoreUnavailable):
            await world.control(log_key(SECOND), jti="rotation")
        assert failures == [1]
        if restarted:
            await world.reopen()
        # Nobody was told of the entry yet: whoever goes on signs with the key that the log says.
        first = await state(world)
        again = await world.control(log_key(SECOND), jti="rotation")
        await state(world)
        signed = await heads(world)
        if kept:
            assert (again.leaf_index, again.duplicate, first) == (size, True, size + 1)
            assert [signed[size + n] for n in (1, 2, 3)] == [[SECOND, "log"], [SECOND], [SECOND]]
        else:
            assert (again.leaf_index, again.duplicate, first) == (size + 1, False, size)
            assert [signed[size + n] for n in (1, 2, 3)] == [["log"], [SECOND, "log"], [SECOND]]
        await audit(world)


async def test_a_lost_key_is_replaced_without_its_line(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.sequencer.close()
        world.signers = signers_of(SECOND)
        with pytest.raises(LogKeyMismatch):
            await world.open_sequencer()
        world.sequencer = await Sequencer.open(
            world.database,
            signers_of(SECOND),
            now=world.clock.now,
            policy_check=accept_policy,
            key_lost=True,
        )
        held = await rows_of_all_tables(world.database)
        for _ in range(2):
            with pytest.raises(LogKeyMismatch):
                await state(world)
        assert await rows_of_all_tables(world.database) == held
        entry = (await world.control(log_key(SECOND))).leaf_index
        await state(world)
        signed = await heads(world)
        assert (signed[entry + 1], signed[entry + 2]) == ([SECOND], [SECOND])
        await audit(world)
        await world.reopen()


async def test_a_post_quantum_line_stands_beside_the_other_until_it_is_dropped(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        entry = (await world.control(log_key("log", POST_QUANTUM))).leaf_index
        await state(world)
        await world.reopen()
        world.clock.advance(minutes=5)
        await state(world)
        dropped = (await world.control(log_key("log"))).leaf_index
        await state(world)
        signed = await heads(world)
        assert [signed[entry + n] for n in range(1, 6)] == [
            ["log", POST_QUANTUM],
            ["log", POST_QUANTUM],
            ["log", POST_QUANTUM],
            ["log", POST_QUANTUM],
            ["log"],
        ]
        assert dropped == entry + 3
        await audit(world)
        async with world.database.reading() as session:
            row = await session.get_one(CheckpointRow, entry + 3)
        line = SignedNote.parse(row.note.encode()).signatures[1]
        key_type = Cosigner(ORIGIN, key_of(POST_QUANTUM)).key_type
        stamped = Timestamped.parse(line.signature, key_type)
        assert stamped.at_s == int(world.clock.at.timestamp())


async def put_note(world: World, tree_size: int, *names: str) -> None:
    """The head of a size, signed by these keys instead."""
    async with world.database.writing() as session:
        row = await session.get_one(CheckpointRow, tree_size)
        text = Checkpoint(ORIGIN, tree_size, Hash(row.root_hash)).text
        lines = [
            Cosigner(ORIGIN, key_of(name)).cosign(text, at_s=1)
            if name == POST_QUANTUM
            else Signer(ORIGIN, key_of(name)).sign(text).signatures[0]
            for name in names
        ]
        row.note = str(SignedNote(text, tuple(lines)))


@pytest.mark.parametrize(
    ("beyond", "names", "kind"),
    [
        pytest.param(2, ["log"], CheckpointSuperseded, id="the old key signs beyond its end"),
        pytest.param(2, [SECOND, "log"], CheckpointSuperseded, id="it signs there beside the new"),
        pytest.param(1, ["log"], CheckpointSuperseded, id="it hands over alone"),
        pytest.param(0, [SECOND], CheckpointSuperseded, id="the new key signs before its entry"),
        pytest.param(2, ["stranger"], CheckpointUnsigned, id="a stranger signs"),
        pytest.param(3, [SECOND], CheckpointUnsigned, id="the post-quantum line is left out"),
        pytest.param(3, [POST_QUANTUM], CheckpointUnsigned, id="it stands alone"),
    ],
)
async def test_an_audit_names_the_head_that_another_key_signed(
    database_url: str, beyond: int, names: list[str], kind: type[AuditFinding]
) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        entry = (await world.control(log_key(SECOND))).leaf_index
        await state(world)
        await world.control(log_key(SECOND, POST_QUANTUM))
        await state(world)
        await put_note(world, entry + beyond, *names)
        with pytest.raises(kind) as finding:
            await audit(world)
        assert finding.value.path == ("checkpoint", entry + beyond)


async def test_a_writer_does_not_go_on_from_a_head_that_another_key_signed(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        await world.control(log_key(SECOND))
        await state(world)
        size = world.sequencer.tree_size
        await world.sequencer.close()
        await put_note(world, size, "log")
        with pytest.raises(LogKeyReplaced):
            await world.open_sequencer()
        await put_note(world, size, "stranger")
        with pytest.raises(NoteUnverified):
            await world.open_sequencer()


async def test_an_entry_that_the_opening_store_hides_is_found_all_the_same(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        entry = (await world.control(log_key(SECOND))).leaf_index
        await state(world)
        async with world.database.writing() as session:
            await session.execute(
                update(OpeningRow)
                .where(OpeningRow.leaf_index == entry)
                .values(subject=MARKET.label())
            )
        with pytest.raises(OpeningChanged) as finding:
            await audit(world)
        assert finding.value.path == ("entry", entry)
        await audit_database(world.database, openings=False)


@contextmanager
def agent(folder: Path) -> Iterator[None]:
    """The keys of a folder behind a socket in it, kept by another thread while the block runs."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def serve() -> None:
        async with answering(Keystore(folder), folder / "agent.sock"):
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


async def test_a_log_whose_keys_an_agent_keeps_waits_for_it_and_loses_nothing(
    database_url: str, tmp_path: Path
) -> None:
    Keystore(tmp_path).place("log", seed_of("log"))
    async with World.opened(database_url, founded=False) as world:
        world.signers = LogSigners.of(AgentCustody(tmp_path / "agent.sock"), ORIGIN)
        await world.reopen()
        with agent(tmp_path):
            await world.found()
            assert world.signers.waits
        held = await rows_of_all_tables(world.database)
        statement = world.draft(failed_inspection())
        for _ in range(2):
            with pytest.raises(KeyAgentAway):
                await world.state(statement)
        assert await rows_of_all_tables(world.database) == held
        with agent(tmp_path):
            (acknowledgement,) = await world.state(statement)
            assert not acknowledgement.duplicate
            Keystore(tmp_path).place(SECOND, seed_of(SECOND))
            await world.control(log_key(SECOND))
            await world.reopen()
            await state(world)
        await audit(world)
        world.signers = LogSigners.of(AgentCustody(tmp_path / "agent.sock"), ORIGIN)
        with pytest.raises(KeyAgentAway):
            await world.reopen()


async def test_a_rotation_leaves_the_keys_of_authorities_as_they_are(database_url: str) -> None:
    async with World.opened(database_url) as world:
        world.signers = BOTH
        await world.reopen()
        await world.control(log_key(SECOND))
        await world.control(KeyEnd(MARKET.label(), key_of("market").kid))
        await world.begin_key("market-2", MARKET.label())
        await world.state(world.draft(failed_inspection(), key="market-2"))
        await audit(world)
