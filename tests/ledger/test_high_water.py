"""The high-water file, ARCHITECTURE invariants 1 and 2: what it says whatever happened.

The last tests hold the order of a batch: the database's commit, then this file, then the answer.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import high_water
from ledger.admission import Submission
from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.control import LogKey
from ledger.cosignature import NAME_BYTES_MAX, Cosigner
from ledger.custody import Algorithm
from ledger.entries import Entries
from ledger.errors import HighWaterUnwritable, LogForked, WriterFenced
from ledger.high_water import SLOT_BYTES, SLOTS, HighWater, kept_head
from ledger.log_keys import LogKeys, LogSigners
from ledger.merkle import Hash
from ledger.note import SignedNote, Signer
from ledger.seed_key import SeedKey
from ledger.sequencer import Sequencer
from tests.watched import Watched
from tests.world import (
    World,
    accept_policy,
    failed_inspection,
    key_of,
    rows_of_all_tables,
    seed_of,
    signers_of,
)

LOG = Watched()


@contextmanager
def taken_over(path: Path) -> Iterator[HighWater]:
    file = HighWater.taken_over(path)
    try:
        yield file
    finally:
        file.close()


def size_of(path: Path) -> int | None:
    note = kept_head(path)
    return None if note is None else Checkpoint.parse(note.text).tree_size


async def raised(path: Path, *sizes: int) -> None:
    with taken_over(path) as file:
        for size in sizes:
            await file.raise_to(str(LOG.note(size)))


async def test_it_says_the_newest_head_that_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "high-water"
    assert kept_head(path) is None
    with taken_over(path) as file:
        assert kept_head(path) is None
        for size in (0, 1, 7, 8, 300):
            await file.raise_to(str(LOG.note(size)))
            assert kept_head(path) == LOG.note(size)
    assert path.stat().st_size == SLOTS * SLOT_BYTES
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [path.name]


async def test_whoever_takes_it_over_goes_on_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "high-water"
    await raised(path, 3, 5)
    with taken_over(path) as file:
        assert size_of(path) == 5
        await file.raise_to(str(LOG.note(6)))
        with pytest.raises(WriterFenced):
            await file.raise_to(str(LOG.note(4)))
        fork = Watched(forked_at=5)
        with pytest.raises(LogForked):
            await file.raise_to(str(fork.note(6)))
    assert kept_head(path) == LOG.note(6)


@pytest.mark.parametrize("cut", [0, 1, 20, 44, 45, 100])
async def test_a_torn_write_leaves_the_head_before_it(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "high-water"
    await raised(path, 3, 5)
    before = path.read_bytes()
    await raised(path, 9)
    after = path.read_bytes()
    # Nine was written where five was not, so either slot may be the torn one.
    for slot in range(SLOTS):
        start = slot * SLOT_BYTES
        if before[start : start + SLOT_BYTES] == after[start : start + SLOT_BYTES]:
            continue
        torn = after[: start + cut] + before[start + cut :]
        path.write_bytes(torn)
        assert size_of(path) in (5, 9)
        with taken_over(path):
            assert size_of(path) in (5, 9)


async def test_any_flipped_bit_of_the_newest_slot_leaves_the_other_one(tmp_path: Path) -> None:
    path = tmp_path / "high-water"
    await raised(path, 3, 5)
    sound = path.read_bytes()
    length = len(str(LOG.note(5)).encode())
    slots = [sound[at * SLOT_BYTES :][: 44 + length] for at in range(SLOTS)]
    newest = next(at for at, slot in enumerate(slots) if b"\n5\n" in slot)
    for byte in range(44 + length):
        at = newest * SLOT_BYTES + byte
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << byte % 8]) + sound[at + 1 :])
        assert size_of(path) == 3


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(SLOTS * SLOT_BYTES), id="as it is before its first head"),
        pytest.param(b"words " * 4_000, id="another file"),
        pytest.param(b"xinhigh1\xff\xff\xff\xff" + bytes(32), id="a length beyond its end"),
    ],
)
async def test_a_file_without_a_whole_slot_says_nothing_and_is_made_anew(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "high-water"
    path.write_bytes(content)
    assert kept_head(path) is None
    await raised(path, 2)
    assert size_of(path) == 2


async def test_a_slot_holds_the_note_of_the_longest_origin_under_two_keys(tmp_path: Path) -> None:
    signer = Signer("猫" * 200, key_of("log"))
    head = Checkpoint(signer.name, 2**53 - 1, Hash(bytes(32)))
    note = head.signed(signer)
    # An origin may have 200 characters, but a name of an ML-DSA-44 key 255 bytes.
    other = Cosigner("b" * 255, SeedKey(seed_of("log"), Algorithm.ML_DSA_44))
    second = other.cosign(LOG.note(1).text, at_s=1)
    both = SignedNote(note.text, (*note.signatures, second))
    with taken_over(tmp_path / "high-water") as file:
        await file.raise_to(str(both))
    assert kept_head(tmp_path / "high-water") == both


async def test_a_writer_that_slept_cannot_write_over_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "high-water"
    with taken_over(path) as sleeper:
        await sleeper.raise_to(str(LOG.note(3)))
        with taken_over(path) as successor:
            await successor.raise_to(str(LOG.note(4)))
            await successor.raise_to(str(LOG.note(5)))
            for size in (4, 6):
                with pytest.raises(WriterFenced):
                    await sleeper.raise_to(str(LOG.note(size)))
            assert size_of(path) == 5
        await asyncio.to_thread(path.unlink)
        with pytest.raises(WriterFenced):
            await sleeper.raise_to(str(LOG.note(7)))


async def test_what_comes_into_the_old_file_while_it_is_taken_over_is_taken_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "high-water"
    with taken_over(path) as predecessor:
        await predecessor.raise_to(str(LOG.note(3)))
        replace = Path.replace

        def acknowledge_first(draft: Path, target: Path) -> Path:
            predecessor._write(str(LOG.note(4)))
            return replace(draft, target)

        monkeypatch.setattr(Path, "replace", acknowledge_first)
        with taken_over(path):
            monkeypatch.undo()
            assert size_of(path) == 4


@pytest.mark.parametrize("name", ["pwrite", "fsync", "replace"])
async def test_a_file_that_cannot_be_taken_over_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "high-water"
    await raised(path, 3)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path if name == "replace" else os, name, fail)
    with pytest.raises(HighWaterUnwritable) as refusal:
        HighWater.taken_over(path)
    monkeypatch.undo()
    assert refusal.value.path == (str(path),)
    assert size_of(path) == 3
    assert os.listdir(tmp_path) == [path.name]


async def test_a_folder_in_its_place_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(HighWaterUnwritable):
        HighWater.taken_over(tmp_path)
    with pytest.raises(HighWaterUnwritable):
        kept_head(tmp_path)
    with pytest.raises(HighWaterUnwritable) as refusal:
        HighWater.taken_over(tmp_path / "absent" / "high-water")
    assert refusal.value.path == (str(tmp_path / "absent" / "high-water"),)


async def reopened(world: World, file: HighWater) -> None:
    """The sequencer as a server has it, with this file."""
    await world.sequencer.close()
    world.sequencer = await Sequencer.open(
        world.database,
        signers_of("log"),
        now=world.clock.now,
        policy_check=accept_policy,
        high_water=file,
    )


@contextmanager
def a_full_device(monkeypatch: pytest.MonkeyPatch, error: int = errno.ENOSPC) -> Iterator[None]:
    def fail(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(high_water, "_flush", fail)
        yield


async def test_nobody_is_told_of_an_entry_before_its_head_is_remembered(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "high-water"
    async with World.opened(database_url) as world:
        with taken_over(path) as file:
            await reopened(world, file)
            size = world.sequencer.tree_size
            assert size_of(path) == size, "what a start finds durable is remembered at once"
            statement = world.draft(failed_inspection())
            await world.state(statement)
            assert size_of(path) == size + 1
            other = world.draft(failed_inspection())
            with a_full_device(monkeypatch):
                with pytest.raises(HighWaterUnwritable):
                    await world.state(other)
                held = await rows_of_all_tables(world.database)
                # Committed and not acknowledged; nothing more is written while that is so, and
                # neither is anybody told of it as of something known.
                for again in (world.draft(failed_inspection()), other, statement):
                    with pytest.raises(HighWaterUnwritable):
                        await world.state(again)
                assert await rows_of_all_tables(world.database) == held
            (acknowledged,) = await world.sequencer.submit(Submission((other,)))
            assert (acknowledged.leaf_index, acknowledged.duplicate) == (size + 1, True)
            assert size_of(path) == size + 2
            async with world.database.reading() as session:
                head = await Entries(session).head()
            assert str(kept_head(path)) == head.note


async def test_the_next_batch_is_written_while_a_head_is_remembered_and_nobody_is_told_before(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "high-water"
    flushed, flush = threading.Event(), high_water._flush

    def flush_late(descriptor: int) -> None:
        flushed.wait(30)
        flush(descriptor)

    async with World.opened(database_url) as world:
        with taken_over(path) as file:
            await reopened(world, file)
            size = world.sequencer.tree_size
            monkeypatch.setattr(high_water, "_flush", flush_late)
            answers = []
            for more in (1, 2):
                draft = world.draft(failed_inspection())
                answers.append(asyncio.create_task(world.state(draft)))
                async with asyncio.timeout(10):
                    while await committed(world) < size + more:  # noqa: ASYNC110  (nobody tells)
                        await asyncio.sleep(0.01)
            assert not any(answer.done() for answer in answers)
            flushed.set()
            indexes = [entry.leaf_index for (entry,) in await asyncio.gather(*answers)]
            assert indexes == [size, size + 1]
            assert size_of(path) == size + 2
            await world.sequencer.close()


async def committed(world: World) -> int:
    async with world.database.reading() as session:
        return (await Entries(session).head()).tree_size


async def test_the_empty_log_is_remembered_before_its_first_entry(
    database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "high-water"
    async with World.opened(database_url, founded=False) as world:
        with taken_over(path) as file:
            await reopened(world, file)
            assert size_of(path) == 0
            await world.found()
            assert size_of(path) == 5


async def test_a_writer_whose_file_was_taken_over_stops(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "high-water"
    async with World.opened(database_url) as world:
        with taken_over(path) as file:
            await reopened(world, file)
            with taken_over(path):
                for _ in range(2):
                    with pytest.raises(WriterFenced):
                        await world.state(world.draft(failed_inspection()))
        assert not world.sequencer.is_running


def test_the_longest_head_fits_into_a_slot(tmp_path: Path) -> None:
    """One that hands over from both keys to both, under the longest name that ML-DSA-44 has."""
    origin = "o" * NAME_BYTES_MAX
    signers = LogSigners(
        lambda: map(key_of, ("log", "log-2", "log-ml-dsa-44", "log-2-ml-dsa-44")), origin
    )
    keys = LogKeys()
    for index, number in enumerate(("", "-2")):
        first = Signer(origin, key_of(f"log{number}")).verifier
        second = Cosigner(origin, key_of(f"log{number}-ml-dsa-44")).verifier
        keys = keys.after(LogKey(first, second), index)
    head = Checkpoint(origin, TREE_SIZE_MAX, Hash(bytes(32)))
    note = signers.signed(head, keys, previous_size=1, at_s=1)
    assert len(note.signatures) == 4
    with taken_over(tmp_path / "high-water") as file:
        asyncio.run(file.raise_to(str(note)))
    assert size_of(tmp_path / "high-water") == TREE_SIZE_MAX
