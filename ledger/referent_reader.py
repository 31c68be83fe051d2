"""What statements refer to, for a process that reads the log and does not write it.

    TAIL_ENTRIES     how many of the newest entries are kept in memory at most
    ReferentReader   of one process; `find` by the names that `refers` gives

The table of references lacks the newest entries, which the writer has in its memory
(`ledger.references`). A reader keeps them too, and reads on from where it was when it is asked, so
that each entry is read once, whoever asks. Where nobody writes, a table that was emptied stays
empty, and what stands deeper than TAIL_ENTRIES is not found until a writer has filled it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.canonical import unb64url
from ledger.references import (
    RUN_ENTRIES,
    digest_in,
    digest_of,
    entries_in_table,
    find,
    statements_at,
)
from ledger.referents import Referent
from ledger.tables import OpeningRow

TAIL_ENTRIES = 2 * RUN_ENTRIES
"""A run, and as much again that a batch or a slow start may leave."""


class ReferentReader:
    """The newest references of a log, by their digests."""

    def __init__(self) -> None:
        self._first = 0
        """What is in memory are the entries from here on."""
        self._end = 0
        self._table_end = 0
        self._indexes: defaultdict[int, list[int]] = defaultdict(list)
        self._reading = asyncio.Lock()

    async def find(
        self, session: AsyncSession, names: Collection[str], *, tree_size: int
    ) -> dict[str, Referent]:
        """The statements below `tree_size` that these names stand for."""
        digests = {digest_in(unb64url(name)) for name in names}
        # Memory first: what a run takes out of it meanwhile is in the table by then.
        async with self._reading:
            await self._read_on(session, tree_size)
            indexes = [index for digest in digests for index in self._indexes.get(digest, ())]
        indexes += [index for _, index in await find(session, list(digests))]
        found = await statements_at(session, [index for index in indexes if index < tree_size])
        return {name: found[name] for name in names if name in found}

    async def _read_on(self, session: AsyncSession, tree_size: int) -> None:
        table_end = await entries_in_table(session)
        if table_end != self._table_end or tree_size - self._first > TAIL_ENTRIES:
            # A run was written, or the table emptied: what is kept is of little use.
            self._indexes.clear()
            self._table_end = table_end
            self._first = self._end = max(table_end, tree_size - RUN_ENTRIES)
        if self._end >= tree_size:
            return
        query = select(OpeningRow.leaf_index, OpeningRow.issuer, OpeningRow.jti).where(
            OpeningRow.leaf_index >= self._end, OpeningRow.leaf_index < tree_size
        )
        added = [
            (digest_of(issuer, jti), leaf_index)
            for leaf_index, issuer, jti in await session.execute(query)
        ]
        for digest, leaf_index in added:
            self._indexes[digest].append(leaf_index)
        self._end = tree_size
