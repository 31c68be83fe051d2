"""A process that only reads finds what statements refer to, in the table and beyond it."""

import pytest
from sqlalchemy import event

from ledger import references, referent_reader
from ledger.referent_reader import ReferentReader
from ledger.referents import Referent
from ledger.statement import refers_to
from tests.world import DAIRY, MARKET, World, failed_inspection

RUN = 8


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "RUN_ENTRIES", RUN)
    monkeypatch.setattr(referent_reader, "RUN_ENTRIES", RUN)
    monkeypatch.setattr(referent_reader, "TAIL_ENTRIES", 2 * RUN)


def name(number: int) -> str:
    return refers_to(MARKET.label(), f"I-{number}")


async def found(reader: ReferentReader, world: World, *numbers: int, size: int = 0) -> list[int]:
    """Which of these inspections it finds, by number."""
    async with world.database.reading() as session:
        referents = await reader.find(
            session,
            [name(number) for number in numbers],
            tree_size=size or world.sequencer.tree_size,
        )
    for referent in referents.values():
        assert referent == Referent(
            referent.leaf_index, MARKET.label(), DAIRY.label(), "inspection"
        )
    return [number for number in numbers if name(number) in referents]


async def test_what_stands_in_the_log_is_found_however_far_its_table_goes(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        reader = ReferentReader()
        first = world.sequencer.tree_size
        for number in range(3 * RUN):
            await world.state(world.draft(failed_inspection(), jti=f"I-{number}"))
            assert await found(reader, world, number, number + 1) == [number]
        every = [*range(3 * RUN)]
        assert await found(reader, world, *every) == every
        assert await found(ReferentReader(), world, *every) == every
        assert await found(reader, world, *every, size=first + 3) == [0, 1, 2]


async def test_each_entry_is_read_once_whoever_asks(database_url: str) -> None:
    async with World.opened(database_url) as world:
        reader = ReferentReader()
        sent: list[str] = []
        engine = world.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *values: sent.append(values[2]))
        await world.state(world.draft(failed_inspection(), jti="I-0"))
        assert await found(reader, world, 0) == [0]
        asked = len([text for text in sent if "ledger_opening.jti" in text])
        sent.clear()
        assert await found(reader, world, 0) == [0]
        assert len([text for text in sent if "ledger_opening.jti" in text]) == asked - 1


async def test_where_nobody_fills_an_emptied_table_the_newest_are_found(database_url: str) -> None:
    async with World.opened(database_url) as world:
        reader = ReferentReader()
        for number in range(4 * RUN):
            await world.state(world.draft(failed_inspection(), jti=f"I-{number}"))
        every = [*range(4 * RUN)]
        assert await found(reader, world, *every) == every
        await world.sequencer.close()
        async with world.database.writing() as session:
            await references.forget(session)
        assert await found(reader, world, *every) == every[-RUN:]
        await world.open_sequencer()
        assert await found(reader, world, *every) == every


async def test_what_is_no_statement_is_not_found(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        await world.capture(b'{"type":"ObjectEvent"}')
        async with world.database.reading() as session:
            names = [refers_to(DAIRY.label(), f"capture-{number}") for number in range(20)]
            assert (
                await ReferentReader().find(session, names, tree_size=world.sequencer.tree_size)
                == {}
            )
