"""Invariants 1 and 11 between processes: a line to the writer answers as the writer does."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy.exc import OperationalError

from api.founding import adopt_policy
from api.heads import served_note
from api.hub import Hub, Line, WriterFailed
from credit.errors import PolicyError
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.candidate import Candidate
from ledger.canonical import Json
from ledger.checkpoint import Checkpoint
from ledger.control import KeyBegin, issue_control
from ledger.database import Database
from ledger.errors import (
    DuplicateConflict,
    LedgerError,
    MandateMissing,
    ReferentUnknown,
    SignatureInvalid,
    WriterFenced,
)
from ledger.note import SignedNote
from ledger.packing import pack, unpack
from ledger.sequencer import Sequencer
from ledger.statement import Weighing, refers_to
from ledger.token import public_key_of, thumbprint
from tests.api.doors import PERSON_LABEL, Doors, fine
from tests.world import MARKET, TRADER, filing, key_of, rows_of_all_tables, seed_of


@asynccontextmanager
async def lines(doors: Doors, count: int = 1) -> AsyncIterator[list[Line]]:
    """So many lines to a hub beside the doors' own sequencer."""
    sequencer = doors.service.writer
    assert isinstance(sequencer, Sequencer)
    hub = Hub(sequencer)
    opened = []
    for _ in range(count):
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        await hub.connect(ours)
        opened.append(await Line.open(theirs, doors.service.database))
    try:
        yield opened
    finally:
        for line in opened:
            await line.close()
        await hub.close()


async def test_what_refers_to_a_statement_and_names_a_person_travels_unchanged(
    doors: Doors,
) -> None:
    await doors.widen()
    await doors.bind_and_file_person()
    objection = Weighing(
        kind="objection",
        code="facts",
        outcome="filed",
        decided_on=date(2026, 2, 20),
        refers=refers_to(MARKET.label(), "I"),
    )
    relation = Weighing(
        kind="relation", code="controls", outcome="begun", decided_on=date(2026, 2, 20)
    )
    person: dict[str, Json] = {"related": {"id": PERSON_LABEL, "scheme": "label"}}
    statements = (
        doors.draft(fine(), jti="I"),
        doors.draft(objection),
        doors.draft(relation, particulars=person),
    )
    candidates = [Candidate.of(one, signature_checked=True) for one in statements]
    assert candidates[1].refers is not None
    assert candidates[2].other_label == PERSON_LABEL
    for candidate in candidates:
        assert unpack(pack([candidate])) == (candidate,)
    async with lines(doors) as (line,):
        size = line.tree_size
        with pytest.raises(ReferentUnknown) as refused:
            await line.submit(Submission(statements[1:]))
        assert refused.value.path == (0, "refers")
        answers = await line.submit(Submission(statements))
        assert [one.leaf_index for one in answers] == [size, size + 1, size + 2]


async def test_a_line_is_answered_as_the_writer_itself_answers(doors: Doors) -> None:
    async with lines(doors) as (line,):
        size = line.tree_size
        assert size == doors.service.writer.tree_size
        statement = doors.draft(fine(), jti="NM-1")
        (first,) = await line.submit(Submission((statement,)))
        assert (first.leaf_index, first.duplicate) == (size, False)
        assert line.tree_size == size + 1
        (again,) = await doors.service.writer.submit(Submission((statement,)))
        assert again == first._replace(duplicate=True)
        with pytest.raises(DuplicateConflict) as conflict:
            await line.submit(Submission((doors.draft(fine(), jti="NM-1", about=TRADER),)))
        assert conflict.value.path == ("payload", "jti")
        assert str(size) in conflict.value.message


async def test_what_is_refused_leaves_no_trace(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    held = await rows_of_all_tables(doors.service.database)
    async with lines(doors) as (line,):
        whole = doors.draft(fine())
        forged = replace(whole, token=replace(whole.token, signature=bytes(64)))
        with pytest.raises(SignatureInvalid):
            await line.submit(Submission((forged,)))
        with pytest.raises(LedgerError):
            await line.submit(Submission((whole, doors.draft(fine(), key=key_of("stranger")))))
        # Both of one submission or none: the second has no mandate, as the writer alone knows.
        with pytest.raises(MandateMissing) as refused:
            await line.submit(
                Submission(
                    (
                        whole,
                        doors.draft(
                            filing(), particulars={"country": "CN", "name": {"en": "Dairy"}}
                        ),
                    )
                )
            )
        assert refused.value.path[0] == 1
    assert await rows_of_all_tables(doors.service.database) == held


async def test_a_policy_that_no_engine_reads_is_refused_by_its_own_code(doors: Doors) -> None:
    async with lines(doors) as (line,):
        service = replace(doors.service, sequencer=line)
        with pytest.raises(PolicyError):
            await adopt_policy(service, b"{}")


async def test_many_lines_share_one_order(doors: Doors) -> None:
    async with lines(doors, 3) as opened:
        size = doors.service.writer.tree_size
        answers = await asyncio.gather(
            *(
                line.submit_each(Submission((doors.draft(fine()),)) for _ in range(40))
                for line in opened
            )
        )
        told = [outcome for of_line in answers for outcome in of_line]
        indexes = []
        for outcome in told:
            assert not isinstance(outcome, Exception)
            (acknowledgement,) = outcome
            assert isinstance(acknowledgement, Acknowledgement)
            indexes.append(acknowledgement.leaf_index)
        assert sorted(indexes) == list(range(size, size + 120))
        for of_line in range(3):
            mine = indexes[of_line * 40 : of_line * 40 + 40]
            assert mine == sorted(mine)


async def test_racing_lines_get_one_index_for_one_statement(doors: Doors) -> None:
    async with lines(doors, 4) as opened:
        statement = doors.draft(fine(), jti="NM-2")
        answers = await asyncio.gather(
            *(line.submit(Submission((statement,))) for line in opened for _ in range(8))
        )
        assert len({answer.leaf_index for (answer,) in answers}) == 1
        assert sum(not answer.duplicate for (answer,) in answers) == 1


async def test_whoever_stated_a_control_entry_may_rely_on_it_when_answered(doors: Doors) -> None:
    async with lines(doors, 2) as (line, other):
        key = public_key_of(seed_of("new"))
        begin = KeyBegin(MARKET.label(), key, custodial=False, names={"en": "Market supervision"})
        root = doors.service.keystore.get("root")
        await line.submit(Submission((issue_control(begin, key=root, jti="begin", issued_at=1),)))
        assert thumbprint(key) in line.authorities.keys
        statement = doors.draft(fine(), key=key_of("new"))
        # The other line may not have heard yet: then the writer verifies.
        (answer,) = await other.submit(Submission((statement,)))
        assert answer.leaf_index == doors.service.writer.tree_size - 1


async def test_a_line_hears_how_far_the_views_are_and_hurries_them(doors: Doors) -> None:
    async with lines(doors, 2) as (door, views):
        hurried = asyncio.Event()
        views.awaited = hurried.set
        size = door.tree_size
        waiting = asyncio.create_task(door.reached(size + 1))
        await asyncio.wait_for(hurried.wait(), 10)
        views.tell_followed(size)
        await asyncio.sleep(0.05)
        assert not waiting.done()
        views.tell_followed(size + 1)
        await asyncio.wait_for(waiting, 10)


async def test_every_line_has_the_head_that_covers_an_answer(doors: Doors) -> None:
    async with lines(doors, 2) as (asked, other):
        size = other.tree_size
        (entry,) = await asked.submit(Submission((doors.draft(fine()),)))
        await other.grown_beyond(size)
        assert asked.note == other.note == doors.service.writer.note
        head = Checkpoint.parse(SignedNote.parse(other.note.encode()).text)
        assert head.tree_size == entry.leaf_index + 1


async def test_a_door_reads_the_head_only_when_its_writer_is_gone(doors: Doors) -> None:
    nowhere = Database.connect("sqlite+aiosqlite:////nowhere/ledger.db")
    async with lines(doors) as (line,):
        told = await served_note(nowhere, None, None, line)
        line._end()
        with pytest.raises(OperationalError):
            await served_note(nowhere, None, None, line)
        assert await served_note(doors.service.database, None, None, line) == told
    await nowhere.close()


async def test_a_line_whose_writer_is_gone_refuses_at_once_and_later(doors: Doors) -> None:
    async with lines(doors) as (line,):
        statement = doors.draft(fine())
        waiting = line.enqueue_each([[Candidate.of(statement, signature_checked=False)]] * 2)
        await line.close()
        assert [type(outcome) for outcome in await waiting] == [WriterFenced, WriterFenced]
        with pytest.raises(WriterFenced):
            await line.submit(Submission((doors.draft(fine()),)))
        with pytest.raises(WriterFenced):
            await line.reached(line.tree_size + 1)


async def test_an_answer_held_back_past_the_end_of_the_line_is_passed_over(doors: Doors) -> None:
    """It waits for the authorities to be read, and the writer ends meanwhile."""
    async with lines(doors) as (line,):
        candidate = Candidate.of(doors.draft(fine()), signature_checked=False)
        waiting = line.enqueue_each([[candidate]])
        line._receive({"controls": 1_000, "answers": [[1, [[]]]]})
        line._end()
        (outcome,) = await waiting
        assert isinstance(outcome, WriterFenced)
        assert line._refreshing is not None
        await line._refreshing


async def test_a_failure_that_is_no_refusal_is_logged_there_and_told_as_one_here(
    doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    async with lines(doors) as (line,):
        candidate = Candidate.of(doors.draft(fine()), signature_checked=True)
        with pytest.raises(WriterFailed):
            await line.enqueue([candidate._replace(token=None)])  # type: ignore[arg-type]
    assert "failed at a submission" in caplog.text
