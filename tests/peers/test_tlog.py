"""C2SP tlog-tiles, tlog-checkpoint and signed-note as `aics-tlog` reads them: from PyPI, not ours.

It audits our log over HTTP, from a server that really runs, and refuses each tampered part.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from api.serving import Serving, listening
from ledger.checkpoint import Checkpoint
from ledger.cosignature import Cosigner
from ledger.custody import Algorithm
from ledger.entries import Entries
from ledger.merkle import Hash
from ledger.note import SignedNote, Signer
from ledger.seed_key import SeedKey
from ledger.sequencer import Sequencer
from ledger.tables import CheckpointRow, EntryRow, TileRow
from tests.api.doors import ORIGIN, Doors, fine
from tests.peers.oracles import Oracles, decoded, encoded

FULL_AND_PARTIAL = 270
"""Entries of a log with a full tile, a partial one, and one of the level above."""


@dataclass
class Published:
    """A log behind a running server, and those who read it there."""

    doors: Doors
    oracles: Oracles
    url: str

    async def ask(self, question: str, **parts: object) -> dict[str, Any]:
        return await asyncio.to_thread(
            self.oracles.ask, question, url=self.url, **{"origin": ORIGIN, **parts}
        )

    async def audited(self) -> dict[str, Any]:
        """What aics-tlog makes of the whole log."""
        return await self.ask("tlog_audit", log_key=await self.log_key())

    async def log_key(self) -> str:
        return (await self.doors.client.get("/log-key")).text.strip()

    async def head(self) -> tuple[Checkpoint, SignedNote]:
        note = SignedNote.parse((await self.doors.client.get("/checkpoint")).content)
        return Checkpoint.parse(note.text), note


@asynccontextmanager
async def published(doors: Doors, oracles: Oracles, size: int) -> AsyncIterator[Published]:
    """A log of so many entries."""
    missing = size - doors.service.writer.tree_size
    await doors.state(*(doors.draft(fine()) for _ in range(missing)))
    with listening(0) as socket:
        async with Serving.running(doors.app, socket):
            host, port = socket.getsockname()
            yield Published(doors, oracles, f"http://{host}:{port}")


@pytest.mark.parametrize("size", [20, 255, 256, FULL_AND_PARTIAL])
async def test_a_stranger_audits_our_log_over_http(
    doors: Doors, oracles: Oracles, size: int
) -> None:
    async with published(doors, oracles, size) as log:
        audit = await log.audited()
        assert audit["accepts"], audit
        tiles = {20: 1, 255: 1, 256: 2, FULL_AND_PARTIAL: 3}[size]
        bundles = 1 if size <= 256 else 2
        assert (audit["size"], audit["tiles"], audit["bundles"]) == (size, tiles, bundles)


async def test_its_proofs_from_our_tiles_are_ours(doors: Doors, oracles: Oracles) -> None:
    async with published(doors, oracles, FULL_AND_PARTIAL) as log:
        indexes = [0, 1, 7, 128, 254, 255, 256, 257, 268, 269]
        old_sizes = [1, 2, 3, 128, 255, 256, 257, 269, 270]
        theirs = await log.ask(
            "tlog_proofs", size=FULL_AND_PARTIAL, indexes=indexes, old_sizes=old_sizes
        )
        async with doors.service.database.reading() as session:
            entries = Entries(session)
            inclusion = [await entries.inclusion_path(i, FULL_AND_PARTIAL) for i in indexes]
            consistency = [await entries.consistency_path(s, FULL_AND_PARTIAL) for s in old_sizes]
        assert [decoded(path) for path in theirs["inclusion"]] == inclusion
        assert [decoded(path) for path in theirs["consistency"]] == consistency


async def test_its_tiles_over_our_entries_are_ours(doors: Doors, oracles: Oracles) -> None:
    async with published(doors, oracles, FULL_AND_PARTIAL) as log:
        async with doors.service.database.reading() as session:
            logged = await Entries(session).read(0, FULL_AND_PARTIAL)
        theirs = oracles.accepts("tlog_build", entries=encoded(*(one.leaf for one in logged)))
        assert sorted(theirs["tiles"]) == [
            "tile/0/000",
            "tile/0/001.p/14",
            "tile/1/000.p/1",
            "tile/entries/000",
            "tile/entries/001.p/14",
        ]
        for path, data in theirs["tiles"].items():
            ours = await log.doors.client.get(f"/{path}")
            assert [ours.content] == decoded([data]), path


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


async def test_it_refuses_a_flipped_bit_of_any_tile(doors: Doors, oracles: Oracles) -> None:
    async with published(doors, oracles, FULL_AND_PARTIAL) as log:
        for tile, at in (((0, 0), 0), ((0, 0), 8_191), ((0, 1), 40), ((1, 0), 31)):
            await replace_tile(doors, tile, partial(flipped, at=at))
            audit = await log.audited()
            assert not audit["accepts"]
            assert audit["says"].startswith("TileVerificationError: "), audit
            await replace_tile(doors, tile, partial(flipped, at=at))
            assert (await log.audited())["accepts"]


async def replace_tile(
    doors: Doors, tile: tuple[int, int], change: Callable[[bytes], bytes]
) -> None:
    async with doors.service.database.writing() as session:
        row = await session.get_one(TileRow, tile)
        row.hashes = change(row.hashes)


@pytest.mark.parametrize("leaf_index", [9, FULL_AND_PARTIAL - 1])
async def test_it_refuses_a_flipped_bit_of_an_entry(
    doors: Doors, oracles: Oracles, leaf_index: int
) -> None:
    async with published(doors, oracles, FULL_AND_PARTIAL) as log:
        async with doors.service.database.writing() as session:
            row = await session.get_one(EntryRow, leaf_index)
            row.leaf = flipped(row.leaf, 20)
        audit = await log.audited()
        assert not audit["accepts"]
        assert f"tile/entries/{leaf_index // 256:03d}" in audit["says"]


async def test_it_refuses_a_root_that_the_tiles_do_not_have(doors: Doors, oracles: Oracles) -> None:
    async with published(doors, oracles, 20) as log:
        checkpoint, _ = await log.head()
        forged = Checkpoint(ORIGIN, checkpoint.tree_size, Hash(bytes(32)))
        signer = Signer(ORIGIN, doors.service.keystore.get("log"))
        # While a writer runs its door shows the head that it told, whatever the database says.
        writer = doors.service.sequencer
        assert isinstance(writer, Sequencer)
        await writer.close()
        async with doors.service.database.writing() as session:
            await session.execute(
                update(CheckpointRow)
                .where(CheckpointRow.tree_size == checkpoint.tree_size)
                .values(note=str(forged.signed(signer)))
            )
        audit = await log.audited()
        assert not audit["accepts"]
        assert "do not match the root" in audit["says"]


async def test_it_takes_our_head_under_our_key_and_origin_alone(
    doors: Doors, oracles: Oracles
) -> None:
    async with published(doors, oracles, 20) as log:
        checkpoint, note = await log.head()
        (raw,) = encoded(str(note).encode())
        log_key = await log.log_key()
        taken = oracles.accepts("tlog_checkpoint", note=raw, log_key=log_key, origin=ORIGIN)
        assert (taken["size"], decoded([taken["root"]])) == (20, [checkpoint.root_hash])
        stranger = Signer(ORIGIN, SeedKey(bytes(32))).verifier.vkey
        said = oracles.refuses("tlog_checkpoint", note=raw, log_key=stranger, origin=ORIGIN)
        assert said.startswith("no signature from log key")
        said = oracles.refuses("tlog_checkpoint", note=raw, log_key=log_key, origin="other.test")
        assert said.startswith("origin mismatch")
        at = str(note).encode().index(b"20\n")
        (altered,) = encoded(flipped(str(note).encode(), at + 1))
        said = oracles.refuses("tlog_checkpoint", note=altered, log_key=log_key, origin=ORIGIN)
        assert said == f"log signature from {ORIGIN} failed verification"


LOG = Signer("log.test/cosigned", SeedKey(bytes(range(32))))
HEAD = Checkpoint(LOG.name, 5, Hash(bytes(range(32))))
FIRST = Cosigner("w1.test", SeedKey(b"1" * 32))
SECOND = Cosigner("w2.test", SeedKey(b"2" * 32))
COSIGNED_AT = 1_772_000_000


def cosigned(*cosigners: Cosigner) -> str:
    note = HEAD.signed(LOG)
    lines = [one.cosign(note.text, at_s=COSIGNED_AT) for one in cosigners]
    (raw,) = encoded(str(SignedNote(note.text, (*note.signatures, *lines))).encode())
    return raw


def as_told(*cosigners: Cosigner, now: int = COSIGNED_AT + 10, quorum: int = 2) -> dict[str, Any]:
    """A question about a head that two witnesses should have cosigned within a minute."""
    return {
        "note": cosigned(*cosigners),
        "log_key": LOG.verifier.vkey,
        "origin": LOG.name,
        "witnesses": [FIRST.verifier.vkey, SECOND.verifier.vkey],
        "quorum": quorum,
        "now": now,
        "max_age_s": 60,
    }


def test_it_counts_the_cosignatures_of_our_witnesses(oracles: Oracles) -> None:
    taken = oracles.accepts("tlog_checkpoint", **as_told(FIRST, SECOND))
    assert taken["witnesses"] == ["w1.test", "w2.test"]


def test_it_passes_over_our_ml_dsa_cosignatures(oracles: Oracles) -> None:
    later = Cosigner("w1.test", SeedKey(b"3" * 32, Algorithm.ML_DSA_44))
    taken = oracles.accepts("tlog_checkpoint", **as_told(FIRST, SECOND, later))
    assert taken["witnesses"] == ["w1.test", "w2.test"]


def test_it_misses_a_witness_that_did_not_cosign(oracles: Oracles) -> None:
    said = oracles.refuses("tlog_checkpoint", **as_told(FIRST))
    assert said.startswith("quorum not met: 1 valid fresh cosignatures < 2")


def test_it_calls_an_old_head_stale(oracles: Oracles) -> None:
    told = as_told(FIRST, SECOND, now=COSIGNED_AT + 61)
    assert "stale" in oracles.refuses("tlog_checkpoint", **told)


def test_it_refuses_a_cosignature_under_a_key_that_is_not_its_own(oracles: Oracles) -> None:
    impostor = Cosigner("w1.test", SeedKey(b"4" * 32))
    line = impostor.cosign(HEAD.text, at_s=COSIGNED_AT)
    forged = type(line)(line.name, FIRST.verifier.key_id, line.signature)
    note = HEAD.signed(LOG)
    told = as_told(SECOND, quorum=1)
    (told["note"],) = encoded(str(SignedNote(note.text, (*note.signatures, forged))).encode())
    said = oracles.refuses("tlog_checkpoint", **told)
    assert said == "cosignature from w1.test failed verification"
