"""Views follow the log: read forward from a cursor, write rows and cursor in one transaction.

    View               what a view offers: a name, `apply`, `clear`
    Follower           steps all its views forward together
    Follower.step      one bounded piece of work; says how many entries it read
    Follower.reached   up to where they have read
    Follower.lag       how far they are behind the log
    Follower.rebuild   throw a view's rows away and follow again from index 0

Exactly once, restartable anywhere: a crash before the commit leaves the old cursor and the old
rows, a crash after it the new ones. Entries are read and parsed once for all views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.database import Database
from ledger.entries import READ_MAX, Entries, LoggedEntry
from ledger.tables import CheckpointRow, CursorRow

STEP_ENTRIES = READ_MAX
"""Entries of one step: long enough to be cheap, short enough not to hold up the writer."""


class View(Protocol):
    """A table, or several, that can be made again from log and opening store."""

    name: str

    async def apply(self, session: AsyncSession, entries: Sequence[LoggedEntry]) -> None:
        """Add what these entries say. They come in order, without gaps."""
        ...

    async def clear(self, session: AsyncSession) -> None:
        """Remove every row."""
        ...


class Follower:
    """Keeps views up to the log. The only writer of `ledger_cursor`."""

    def __init__(self, database: Database, views: Sequence[View]) -> None:
        assert len({view.name for view in views}) == len(views)
        self._database = database
        self._views = tuple(views)

    async def step(self, *, limit: int = STEP_ENTRIES) -> int:
        """Tell at most `limit` entries; 0 when every view is at the head.

        They are read before the transaction that writes, so that the writer of the log waits for
        rows alone, never for parsing.
        """
        async with self._database.reading() as session:
            first = await self.reached(session)
            entries = await Entries(session).read(first, limit)
        if not entries:
            return 0
        assert entries[0].leaf_index == first
        async with self._database.writing() as session:
            cursors = await self._cursors(session)
            # Another follower may have gone on meanwhile; an entry is told to each view once.
            told = 0
            for view in self._views:
                cursor = cursors[view.name]
                ahead = [entry for entry in entries if entry.leaf_index >= cursor.next_index]
                if ahead and ahead[0].leaf_index == cursor.next_index:
                    await view.apply(session, ahead)
                    cursor.next_index = ahead[-1].leaf_index + 1
                    told = max(told, len(ahead))
        return told

    async def catch_up(
        self, tree_size: int | None = None, *, is_wanted: Callable[[], bool] = lambda: True
    ) -> int:
        """Step until every view has read that far, or is at the head; says how many were told.

        `is_wanted` is asked before each step.
        """
        done = 0
        while is_wanted() and await self._is_behind(tree_size):
            done += await self.step()
        return done

    async def rebuild(self) -> int:
        """Clear every view, then follow from index 0; says how many entries were read."""
        async with self._database.writing() as session:
            cursors = await self._cursors(session)
            for view in self._views:
                await view.clear(session)
                cursors[view.name].next_index = 0
        return await self.catch_up()

    async def lag(self) -> int:
        """How many entries the slowest view has yet to read."""
        async with self._database.reading() as session:
            size = await session.scalar(select(func.max(CheckpointRow.tree_size))) or 0
            return max(0, size - await self.reached(session))

    async def reached(self, session: AsyncSession) -> int:
        """The first index that some view has not read."""
        names = [view.name for view in self._views]
        query = select(func.count(), func.min(CursorRow.next_index))
        count, first = (await session.execute(query.where(CursorRow.view.in_(names)))).one()
        return (first or 0) if count == len(names) else 0

    async def _is_behind(self, tree_size: int | None) -> bool:
        """Asked of a reader, so that views at the head cost no writing transaction."""
        async with self._database.reading() as session:
            size = await session.scalar(select(func.max(CheckpointRow.tree_size))) or 0
            return await self.reached(session) < min(size, size if tree_size is None else tree_size)

    async def _cursors(self, session: AsyncSession) -> dict[str, CursorRow]:
        names = [view.name for view in self._views]
        # Locked, so that a second follower waits and then sees the moved cursor: PostgreSQL would
        # let both read the same entries. SQLite has one writer at a time anyhow.
        query = select(CursorRow).where(CursorRow.view.in_(names)).order_by(CursorRow.view)
        query = query.with_for_update()
        cursors = {row.view: row for row in await session.scalars(query)}
        for name in names:
            if name not in cursors:
                cursors[name] = CursorRow(view=name, next_index=0)
                session.add(cursors[name])
        return cursors
