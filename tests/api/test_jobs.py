"""Decisions 23 and 32: how far views lag, and that whoever waits for them need not wait long."""

import asyncio

import pytest
from sqlalchemy import func, select

from api import jobs
from ledger.admission import Submission
from ledger.tables import CursorRow
from tests.api.doors import Doors, fine


@pytest.fixture
def bursting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry is a burst, and it lasts."""
    monkeypatch.setattr(jobs, "BURST_ENTRIES", 1)
    monkeypatch.setattr(jobs, "BURST_S", 3_600.0)
    monkeypatch.setattr(jobs, "PAUSE_S", 0.02)


async def followed(doors: Doors) -> int:
    """How far every view is."""
    async with doors.service.database.reading() as session:
        return await session.scalar(select(func.min(CursorRow.next_index))) or 0


async def state(doors: Doors, count: int) -> None:
    """One after another, slowly enough for each to be seen."""
    for _ in range(count):
        await doors.service.writer.submit(Submission((doors.draft(fine()),)))
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("bursting")
async def test_in_a_burst_the_views_let_the_writer_go_first_until_somebody_waits(
    doors: Doors,
) -> None:
    # The first step is under way before a burst is seen.
    await state(doors, 2)
    await asyncio.sleep(0.1)
    await state(doors, 4)
    behind = await followed(doors)
    assert behind < doors.service.writer.tree_size
    await asyncio.wait_for(doors.service.followed(doors.service.writer.tree_size), 30)
    assert await followed(doors) == doors.service.writer.tree_size


@pytest.mark.usefixtures("bursting")
async def test_views_fall_behind_no_further_than_said(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LAG_ENTRIES_MAX", 3)
    await state(doors, 8)
    size = doors.service.writer.tree_size
    for _ in range(600):
        if size - await followed(doors) < jobs.LAG_ENTRIES_MAX:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {size - await followed(doors)} behind")
