"""What the campaign is for is found when it is there: entries lost, histories forked, refusals."""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import update

from ledger.checkpoint import Checkpoint
from ledger.entries import Entries
from ledger.merkle import Hash
from ledger.tables import CheckpointRow
from tests.faults.appender import FOUNDED_SIZE, LOG_SIGNER, Place
from tests.faults.child import Channel, Event
from tests.faults.matter import found, submission
from tests.faults.scenario import Played, explained, unflushed, untold
from tests.faults.tracer import Call
from tests.faults.verification import verifying
from tests.world import ORIGIN, World

NUMBERS = (0, 1, 2)
"""Four entries."""


@asynccontextmanager
async def told_world(url: str) -> AsyncIterator[tuple[World, list[Event]]]:
    """A log, and what its client was told: four acknowledgements and a head."""
    async with World.opened(url, founded=False) as world:
        await found(world)
        heard: list[Event] = []
        for number in NUMBERS:
            answer = await world.sequencer.submit(submission(number))
            entries = [
                [one.leaf_index, base64.b64encode(one.leaf_hash).decode(), one.duplicate]
                for one in answer
            ]
            heard.append({"is": "acknowledged", "number": number, "entries": entries})
        async with world.database.reading() as session:
            heard.append({"is": "head", "note": (await Entries(session).head()).note})
        await world.sequencer.close()
        yield world, heard


async def verified(url: str, heard: list[Event], *numbers: int) -> dict[str, Any]:
    """The verdict, as a process says it."""
    read, write = os.pipe()
    try:
        with TemporaryDirectory() as beside:
            place = Place(url, Path(beside))
            verify = verifying(place, heard, numbers or NUMBERS, base_size=FOUNDED_SIZE)
            work = verify(Channel(write, -1))
            assert work is not None
            await work
        lines = os.read(read, 65_536).decode().splitlines()
    finally:
        os.close(read)
        os.close(write)
    verdict = json.loads(lines[-1])
    assert verdict["is"] == "verified"
    return {name: verdict[name] for name in ("lost", "forks", "unexplained")}


async def test_a_log_that_kept_its_word_is_found_to_have_kept_it(database_url: str) -> None:
    async with told_world(database_url) as (_, heard):
        nothing: dict[str, list[str]] = {"lost": [], "forks": [], "unexplained": []}
        assert await verified(database_url, heard) == nothing
        # What was not acknowledged may be there or not; sent again, it is.
        assert await verified(database_url, heard, *NUMBERS, 3) == nothing


async def test_an_acknowledged_entry_that_is_not_there_is_lost(database_url: str) -> None:
    async with told_world(database_url) as (_, heard):
        entry = [FOUNDED_SIZE + 4, base64.b64encode(bytes(32)).decode(), False]
        told = {"is": "acknowledged", "number": 3, "entries": [entry]}
        found_ = await verified(database_url, [*heard, told], *NUMBERS, 3)
        assert found_["lost"] == [
            f"number 3 at index {FOUNDED_SIZE + 4}",
            f"number 3 was admitted again at {FOUNDED_SIZE + 4}",
        ]


async def test_an_acknowledged_entry_with_another_hash_is_lost(database_url: str) -> None:
    async with told_world(database_url) as (_, heard):
        heard[0]["entries"][0][1] = base64.b64encode(bytes(32)).decode()
        found_ = await verified(database_url, heard)
        assert found_["lost"] == [f"number 0: another entry at {FOUNDED_SIZE}"]


async def test_one_reference_with_two_indexes_is_a_fork(database_url: str) -> None:
    async with told_world(database_url) as (_, heard):
        heard[2]["entries"] = [heard[2]["entries"][1], heard[2]["entries"][0]]
        found_ = await verified(database_url, heard)
        first, second = FOUNDED_SIZE + 2, FOUNDED_SIZE + 3
        assert found_["forks"] == [
            f"number 2 has indexes {second} and {first}",
            f"number 2 has indexes {first} and {second}",
        ]


@pytest.mark.parametrize("size", [3, FOUNDED_SIZE + 4, FOUNDED_SIZE + 5])
async def test_a_head_of_another_history_is_a_fork(database_url: str, size: int) -> None:
    async with told_world(database_url) as (_, heard):
        other = Checkpoint(ORIGIN, size, Hash(bytes(32)))
        told = {"is": "head", "note": str(other.signed(LOG_SIGNER))}
        assert len((await verified(database_url, [*heard, told]))["forks"]) == 1


async def test_a_log_that_was_tampered_with_is_found_out(database_url: str) -> None:
    async with told_world(database_url) as (world, heard):
        async with world.database.writing() as session:
            row = await session.get_one(CheckpointRow, 3)
            other = row.logged_at.replace(year=2020)
            changed = update(CheckpointRow).where(CheckpointRow.tree_size == 3)
            await session.execute(changed.values(logged_at=other))
        found_ = await verified(database_url, heard)
        assert found_["unexplained"][0].startswith("AUDIT_INSTANT_CHANGED")


def test_a_flush_that_failed_within_a_batch_must_be_told() -> None:
    flush = Call(1, 2.0, "fdatasync", "/log/ledger.sqlite-wal", injected=True, wakes=False)
    begun = {"is": "submits", "at": 1.0}
    assert untold([begun, {"is": "refused", "at": 3.0, "number": 7}], [flush]) == []
    assert untold([begun, {"is": "acknowledged", "at": 1.5, "number": 7}], [flush]) == []
    assert untold([begun, {"is": "acknowledged", "at": 3.0, "number": 7}], [flush]) == [
        "number 7: acknowledged over a failed flush"
    ]


def test_what_is_acknowledged_as_new_was_flushed_since_it_was_submitted() -> None:
    flush = Call(1, 2.0, "fdatasync", "/log/ledger.sqlite-wal", injected=False, wakes=False)
    begun = {"is": "submits", "at": 1.0}
    new = {"is": "acknowledged", "at": 3.0, "number": 7, "entries": [[6, "", False]]}
    known = {"is": "acknowledged", "at": 3.0, "number": 7, "entries": [[6, "", True]]}
    assert unflushed([begun, new], [flush]) == []
    assert unflushed([begun, known], []) == []
    missing = ["number 7: acknowledged, and nothing was flushed"]
    assert unflushed([begun, new], []) == missing
    assert unflushed([{**begun, "at": 2.5}, new], [flush]) == missing


@pytest.mark.parametrize(
    ("event", "struck", "unexplained", "fenced"),
    [
        pytest.param(
            {"is": "refused", "code": None, "message": "disk I/O error"}, True, 0, 0,
            id="a disk that fails, where one was made to",
        ),
        pytest.param(
            {"is": "refused", "code": None, "message": "disk I/O error"}, False, 1, 0,
            id="a disk that fails of its own accord",
        ),
        pytest.param(
            {"is": "refused", "code": "LEDGER_SIGNATURE_INVALID", "message": ""}, True, 1, 0,
            id="a statement that is refused for what it says",
        ),
        pytest.param(
            {"is": "stopped", "code": "LEDGER_WRITER_FENCED", "message": ""}, True, 0, 1,
            id="a writer that was fenced",
        ),
        pytest.param(
            {"is": "stopped", "code": None, "message": "disk I/O error"}, True, 1, 0,
            id="a writer that does not go on when the fault is over",
        ),
    ],
)  # fmt: skip
def test_only_what_a_fault_explains_is_explained(
    event: Event, struck: bool, unexplained: int, fenced: int
) -> None:
    played = Played()
    explained([event], played, struck=struck, recovers=True)
    assert (len(played.findings.unexplained), played.fenced) == (unexplained, fenced)
