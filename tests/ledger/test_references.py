"""One index for ever, wherever a reference is found: in memory or in a run of the table."""

import pytest
from sqlalchemy import Executable, delete, func, insert, select

from ledger import references
from ledger.database import Database
from ledger.errors import DuplicateConflict, ProofInvalid, StoreUnavailable, SubjectUnknown
from ledger.identity import SubjectLabel
from ledger.references import digest_of
from ledger.tables import OpeningRow, ReferenceRow, ReferenceRunRow
from tests.faults.breaking import failing_database
from tests.faults.failing import Failing, Kept
from tests.world import TRADER, World, failed_inspection

RUN = 8

NOBODY = SubjectLabel("B" * 42 + "E")
"""A label that no binding introduced."""


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "RUN_ENTRIES", RUN)


async def rows_in_table(database: Database) -> int:
    """How many rows the table has; each stands under its digest, and none is missing."""
    async with database.reading() as session:
        query = select(OpeningRow.issuer, OpeningRow.jti, ReferenceRow).join_from(
            ReferenceRow, OpeningRow, OpeningRow.leaf_index == ReferenceRow.leaf_index
        )
        rows = (await session.execute(query)).all()
        end = await session.scalar(select(func.max(ReferenceRunRow.next_index)))
    assert sorted(row.leaf_index for _, _, row in rows) == list(range(end or 0))
    for issuer, jti, row in rows:
        assert row.digest == references.digest_of(issuer, jti)
    return len(rows)


async def all_are_known(world: World, first: dict[str, int]) -> None:
    """The same content has its first index, other content is refused."""
    for jti, leaf_index in first.items():
        (again,) = await world.state(world.draft(failed_inspection(), jti=jti))
        assert (again.leaf_index, again.duplicate) == (leaf_index, True)
        other = world.draft(failed_inspection(), jti=jti, about=TRADER)
        with pytest.raises(DuplicateConflict):
            await world.state(other)


async def stated(world: World, count: int) -> dict[str, int]:
    """References and their indexes, each in a batch of its own."""
    first = {}
    for number in range(count):
        jti = f"R-{number}"
        (answer,) = await world.state(world.draft(failed_inspection(), jti=jti))
        assert not answer.duplicate
        first[jti] = answer.leaf_index
    return first


async def test_a_reference_has_its_first_index_in_memory_in_the_table_and_after_a_restart(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        first = await stated(world, 2 * RUN)
        size = world.sequencer.tree_size
        assert await rows_in_table(world.database) == size // RUN * RUN
        assert size % RUN > 0
        await all_are_known(world, first)
        await world.reopen()
        await all_are_known(world, first)
        assert world.sequencer.tree_size == size


async def test_one_batch_larger_than_a_run_is_one_run(database_url: str) -> None:
    async with World.opened(database_url) as world:
        drafts = [world.draft(failed_inspection(), jti=f"R-{n}") for n in range(3 * RUN)]
        answers = await world.state(*drafts)
        assert await rows_in_table(world.database) == world.sequencer.tree_size
        first = {f"R-{n}": answer.leaf_index for n, answer in enumerate(answers)}
        await all_are_known(world, first)


async def test_two_references_with_one_digest_are_told_apart(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "digest_of", lambda _issuer, _jti: -1)
    async with World.opened(database_url) as world:
        first = await stated(world, RUN)
        await all_are_known(world, first)
        await world.reopen()
        await all_are_known(world, first)


async def test_a_log_whose_references_are_in_no_table_is_read_when_its_writer_starts(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        first = await stated(world, 2 * RUN)
        await world.sequencer.close()
        async with world.database.writing() as session:
            await session.execute(delete(ReferenceRow))
            await session.execute(delete(ReferenceRunRow))
        await world.open_sequencer()
        assert await rows_in_table(world.database) == world.sequencer.tree_size // RUN * RUN
        await all_are_known(world, first)


@pytest.mark.parametrize("kept", [Kept.LOST, Kept.KEPT], ids=lambda kept: kept.value)
async def test_a_run_whose_commit_was_not_answered_stands_once_or_not_at_all(
    database_url: str, kept: Kept
) -> None:
    failing = Failing()
    async with failing_database(database_url, failing) as url, World.opened(url) as world:
        due = RUN - world.sequencer.tree_size % RUN
        first = await stated(world, due - 1)
        rows = await rows_in_table(world.database)
        failing.arm(0, kept, among="COMMIT")
        with pytest.raises(StoreUnavailable):
            await world.state(world.draft(failed_inspection(), jti="the-last"))
        failing.disarm()
        (answer,) = await world.state(world.draft(failed_inspection(), jti="the-last"))
        assert answer.duplicate == (kept is Kept.KEPT)
        assert await rows_in_table(world.database) == rows + RUN
        await all_are_known(world, {**first, "the-last": answer.leaf_index})


@pytest.mark.parametrize(
    "tampered",
    [
        pytest.param([delete(ReferenceRow)], id="its rows gone"),
        pytest.param([delete(ReferenceRow).where(ReferenceRow.leaf_index == 3)], id="one row gone"),
        pytest.param([delete(ReferenceRunRow)], id="how far it goes gone"),
        pytest.param(
            [insert(ReferenceRunRow).values(next_index=1_000)], id="further than the log goes"
        ),
    ],
)
async def test_a_table_that_cannot_be_this_logs_stops_a_start_until_it_is_made_anew(
    database_url: str, tampered: list[Executable]
) -> None:
    async with World.opened(database_url) as world:
        first = await stated(world, 2 * RUN)
        await world.sequencer.close()
        async with world.database.writing() as session:
            for statement in tampered:
                await session.execute(statement)
        with pytest.raises(ProofInvalid, match="xin rebuild"):
            await world.open_sequencer()
        async with world.database.writing() as session:
            await references.forget(session)
        await world.open_sequencer()
        await all_are_known(world, first)


async def test_a_hole_in_the_opening_store_stops_a_start(database_url: str) -> None:
    async with World.opened(database_url) as world:
        first = await stated(world, 2)
        await world.sequencer.close()
        hole = min(first.values())
        async with world.database.writing() as session:
            await session.execute(delete(OpeningRow).where(OpeningRow.leaf_index == hole))
        with pytest.raises(ProofInvalid, match="xin log audit"):
            await world.open_sequencer()


async def test_what_is_refused_is_not_remembered(database_url: str) -> None:
    async with World.opened(database_url) as world:
        with pytest.raises(SubjectUnknown):
            await world.state(world.draft(failed_inspection(), about=NOBODY, jti="R"))
        (answer,) = await world.state(world.draft(failed_inspection(), jti="R"))
        assert not answer.duplicate
        async with world.database.reading() as session:
            assert await session.scalar(select(func.count()).select_from(OpeningRow)) == (
                answer.leaf_index + 1
            )


def test_a_digest_is_a_number_that_both_databases_hold() -> None:
    found = {digest_of(NOBODY, f"R-{number}") for number in range(1_000)}
    assert len(found) == 1_000
    assert min(found) < 0 < max(found)
    assert all(-(2**63) <= digest < 2**63 for digest in found)
