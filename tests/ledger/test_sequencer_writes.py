"""Each write of the sequencer fails twice: ARCHITECTURE §4.3, invariants 1 and 2.

The failures come from below the database's driver (`tests.faults`), so that no way of writing can
step around them: an error of the disk with SQLite, a lost connection with PostgreSQL.
"""

import re

import pytest
from sqlalchemy import text

from ledger import references
from ledger.admission import Submission
from ledger.auditor import audit_database
from ledger.batch import Acknowledgement
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import StoreUnavailable
from ledger.note import Signer
from tests.faults.breaking import failing_database
from tests.faults.failing import Failing, Kept
from tests.faults.matter import forms_of_cycle, found
from tests.world import ORIGIN, World, key_of

LOG_KEY = Signer(ORIGIN, key_of("log")).verifier

STEPS = {
    "1 look up": r"(FROM|JOIN)\W+ledger_reference",
    "3 insert entries": r"(INTO|COPY)\W+ledger_entry",
    "3 insert tokens": r"(INTO|COPY)\W+ledger_opening",
    "3 insert disclosures": r"(INTO|COPY)\W+ledger_disclosure",
    "3 insert captures": r"(INTO|COPY)\W+ledger_capture",
    "3 insert events": r"(INTO|COPY)\W+ledger_event",
    "3 insert bindings": r"(INTO|COPY)\W+ledger_binding",
    "3 insert a run of references": r"(INTO|COPY)\W+ledger_reference\b",
    "3 insert the run": r"(INTO|COPY)\W+ledger_reference_run",
    "4 replace tiles": r"(INTO|COPY)\W+ledger_tile",
    "5 insert the checkpoint": r"(INTO|COPY)\W+ledger_checkpoint",
    "6 commit": "^COMMIT",
}
"""The steps of `ledger.sequencer`, by what each has to say to a database in whatever manner."""

Answers = list[tuple[Acknowledgement, ...]]


@pytest.mark.parametrize("restarts", [True, False], ids=["restarted", "the same writer"])
@pytest.mark.parametrize("kept", [Kept.LOST, Kept.KEPT], ids=lambda kept: kept.value)
async def test_whichever_write_fails_an_acknowledged_entry_stands_and_none_gets_two_indexes(
    database_url: str, kept: Kept, restarts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each batch of six fills a run.
    monkeypatch.setattr(references, "RUN_ENTRIES", 6)
    failing = Failing()
    struck: list[str] = []
    async with (
        failing_database(database_url, failing) as url,
        World.opened(url, founded=False) as world,
    ):
        await found(world)
        acknowledged: list[tuple[list[Submission], Answers]] = []
        while True:
            batch = forms_of_cycle(len(struck))
            head = await head_of(world.database)
            failing.arm(len(struck), kept)
            answers = await world.sequencer.submit_each(batch)
            failing.disarm()
            if failing.struck is None:
                break
            struck.append(failing.struck)
            committed = kept is Kept.KEPT and failing.struck.startswith("COMMIT")
            # Nobody is told that an entry is bad: it is to be sent again.
            assert all(
                isinstance(answer, StoreUnavailable)
                for answer in answers
                if isinstance(answer, Exception)
            )
            heard: Answers = [one for one in answers if not isinstance(one, Exception)]
            # A line that is dead before it is used is replaced, and the batch goes through.
            assert len(heard) in (0, len(batch))
            if restarts:
                await restart(world)
            size = (await head_of(world.database)).tree_size
            assert size == head.tree_size + (6 if committed or heard else 0)
            again = await submit_all(world, batch)
            assert all(
                one.duplicate == (committed or bool(heard)) for answer in again for one in answer
            )
            assert heard in ([], without_duplicates(again))
            acknowledged.append((batch, again))
            await audited(world.database, head)
        for batch, first in acknowledged:
            assert indexes(await submit_all(world, batch)) == indexes(first)
        every = [index for _, first in acknowledged for index in indexes(first)]
        assert every == list(range(every[0], every[0] + 6 * len(struck)))
    unmet = [
        step for step, said in STEPS.items() if not any(re.search(said, one) for one in struck)
    ]
    assert not unmet


SLOW_COMMIT = (
    "CREATE SEQUENCE slow",
    # A sequence is not rolled back: the first commit takes a second, and no other does.
    "CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF nextval('slow') = 1 THEN PERFORM pg_sleep(1); END IF; RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER be_slow AFTER INSERT ON ledger_checkpoint "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION be_slow()",
)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_commit_that_is_kept_after_its_line_was_lost_stops_no_writer(
    database_url: str,
) -> None:
    failing = Failing()
    async with (
        failing_database(database_url, failing) as url,
        World.opened(url, founded=False) as world,
    ):
        await found(world)
        async with world.database.engine.begin() as connection:
            for statement in SLOW_COMMIT:
                await connection.execute(text(statement))
        head = await head_of(world.database)
        batch = forms_of_cycle(0)
        failing.arm(0, Kept.LATE, among="COMMIT")
        # The first loses its line; the second finds the old head, and then what the first wrote.
        for _ in range(2):
            answers = await world.sequencer.submit_each(batch)
            assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        again = await submit_all(world, batch)
        assert all(one.duplicate for answer in again for one in answer)
        assert indexes(again) == list(range(head.tree_size, head.tree_size + 6))
        await audited(world.database, head)


async def restart(world: World) -> None:
    """All that a process held is gone, its connections too."""
    await world.sequencer.close()
    await world.database.close()
    await world.open_sequencer()


async def submit_all(world: World, batch: list[Submission]) -> Answers:
    """As a client that tries again; nothing may be refused."""
    answers = []
    for answer in await world.sequencer.submit_each(batch):
        assert not isinstance(answer, Exception), answer
        answers.append(answer)
    return answers


async def head_of(database: Database) -> Checkpoint:
    """What the log shows to everybody."""
    async with database.reading() as session:
        return open_checkpoint((await Entries(session).head()).note.encode(), LOG_KEY)


async def audited(database: Database, known: Checkpoint) -> None:
    """The whole log, every signature, every opening; it extends what was seen before."""
    report = await audit_database(database, trusted=[LOG_KEY], known=known, signatures=True)
    assert report.head == await head_of(database)


def indexes(answers: Answers) -> list[int]:
    """Of every entry, in order."""
    return [one.leaf_index for answer in answers for one in answer]


def without_duplicates(answers: Answers) -> Answers:
    """As they were told the first time."""
    return [
        tuple(Acknowledgement(one.leaf_index, one.leaf_hash, duplicate=False) for one in answer)
        for answer in answers
    ]
