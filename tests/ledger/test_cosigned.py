"""C2SP tlog-cosignature kept for restarts, on SQLite and PostgreSQL: none is forgotten too soon."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, insert, select

from ledger.checkpoint import Checkpoint
from ledger.control import LogKey
from ledger.cosignature import Cosigner
from ledger.cosigned import ASKED_MAX, HEADS_MAX, CosignedHeads
from ledger.database import Database
from ledger.errors import NoteUnverified, QuorumMissing
from ledger.log_keys import LogKeys
from ledger.merkle import Hash
from ledger.note import SignedNote, Signer
from ledger.seed_key import SeedKey
from ledger.tables import Base, CosignedHeadRow
from ledger.witness_policy import WitnessPolicy
from tests.world import ORIGIN, genesis, key_of, seed_of

LOG = Signer(ORIGIN, key_of("log"))
KEYS = LogKeys().after(genesis(), 0)
AT_S = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
W1, W2 = (Cosigner(f"{name}.test", SeedKey(seed_of(name))) for name in ("w1", "w2"))


def policy_of(*cosigners: Cosigner) -> WitnessPolicy:
    names = [cosigner.name for cosigner in cosigners]
    lines = [f"witness {one.name} {one.verifier.vkey}" for one in cosigners]
    return WitnessPolicy.parse(
        "\n".join([*lines, f"group all all {' '.join(names)}", "quorum all", ""]).encode()
    )


def cosigned(tree_size: int, *cosigners: Cosigner) -> SignedNote:
    root = Hash(tree_size.to_bytes(32, "big"))
    note = Checkpoint(ORIGIN, tree_size, root).signed(LOG)
    lines = [cosigner.cosign(note.text, at_s=AT_S) for cosigner in cosigners]
    return SignedNote(note.text, (*note.signatures, *lines))


@asynccontextmanager
async def kept(url: str, *notes: SignedNote) -> AsyncIterator[Database]:
    database = Database.connect(url)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        for note in notes:
            async with database.writing() as session:
                await CosignedHeads(session).keep(note)
        yield database
    finally:
        await database.close()


async def test_the_newest_head_that_a_policy_is_satisfied_with_is_remembered(
    database_url: str,
) -> None:
    notes = [cosigned(5, W1, W2), cosigned(6, W1), cosigned(7, W2)]
    async with kept(database_url, *notes) as database, database.reading() as session:
        heads = CosignedHeads(session)
        assert await heads.newest(policy_of(W1, W2), KEYS) == notes[0]
        assert await heads.newest(policy_of(W1), KEYS) == notes[1]
        assert await heads.newest(policy_of(W2), KEYS) == notes[2]
        assert await heads.at(5, policy_of(W2), KEYS) == notes[0]
        with pytest.raises(QuorumMissing):
            await heads.at(6, policy_of(W2), KEYS)
        with pytest.raises(QuorumMissing):
            await heads.at(4, policy_of(W2), KEYS)
        stranger = LogKeys().after(LogKey(Signer(ORIGIN, key_of("stranger")).verifier, None), 0)
        with pytest.raises(QuorumMissing):
            await heads.newest(policy_of(W1), stranger)
        with pytest.raises(NoteUnverified):
            await heads.at(5, policy_of(W1), stranger)


async def test_a_head_gains_cosignatures(database_url: str) -> None:
    notes = [cosigned(5, W1), cosigned(5, W1, W2)]
    async with kept(database_url, *notes) as database, database.reading() as session:
        note = await CosignedHeads(session).newest(policy_of(W2), KEYS)
        assert [line.name for line in note.signatures] == [ORIGIN, "w1.test", "w2.test"]


async def test_so_many_heads_are_kept_and_no_more(database_url: str) -> None:
    async with kept(database_url) as database:
        async with database.writing() as session:
            rows = [
                {"tree_size": size, "note": str(cosigned(size, W1))}
                for size in range(1, HEADS_MAX + 1)
            ]
            await session.execute(insert(CosignedHeadRow), rows)
        async with database.writing() as session:
            await CosignedHeads(session).keep(cosigned(HEADS_MAX + 1, W1))
        async with database.reading() as session:
            size = CosignedHeadRow.tree_size
            bounds = await session.execute(select(func.count(), func.min(size), func.max(size)))
            assert bounds.one() == (HEADS_MAX, 2, HEADS_MAX + 1)


async def test_so_many_heads_are_held_against_another_policy(database_url: str) -> None:
    async with kept(database_url) as database:
        async with database.writing() as session:
            notes = [cosigned(1, W2), *(cosigned(size, W1) for size in range(2, ASKED_MAX + 2))]
            rows = [{"tree_size": size, "note": str(note)} for size, note in enumerate(notes, 1)]
            await session.execute(insert(CosignedHeadRow), rows)
        async with database.reading() as session:
            with pytest.raises(QuorumMissing):
                await CosignedHeads(session).newest(policy_of(W2), KEYS)
            await session.delete(await session.get_one(CosignedHeadRow, 2))
            await session.flush()
            note = await CosignedHeads(session).newest(policy_of(W2), KEYS)
            assert note == notes[0]


async def test_a_head_is_held_against_the_key_of_its_size(database_url: str) -> None:
    second = Signer(ORIGIN, key_of("log-2"))
    keys = KEYS.after(LogKey(second.verifier, None), 5)
    notes = [cosigned(5, W1), cosigned(7, W1)]
    async with kept(database_url, *notes) as database, database.reading() as session:
        heads = CosignedHeads(session)
        # The old key signed size 7 all the same; its time was over.
        assert await heads.newest(policy_of(W1), keys) == notes[0]
        with pytest.raises(NoteUnverified):
            await heads.at(7, policy_of(W1), keys)
