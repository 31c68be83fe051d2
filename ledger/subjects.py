"""Which entries stand under a label, kept by following the ledger.

    SubjectView   one row for each entry; `ledger.entries.Entries.indexes_of` reads them

Entries come in the order of the log and their labels in none, so that each batch touches as many
pages of such an index as it has entries. Within the sequencer's transaction that made an append at
300,000 entries five times as dear as at ten thousand; a view pays for it apart from the writer.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.entries import SUBJECT_VIEW, LoggedEntry
from ledger.tables import SubjectEntryRow


class SubjectView:
    """Follows every entry. The only writer of `ledger_subject_entry`."""

    name = SUBJECT_VIEW

    async def apply(self, session: AsyncSession, entries: Sequence[LoggedEntry]) -> None:
        """One row an entry, in the order of the index."""
        rows = sorted((entry.body.subject, entry.leaf_index) for entry in entries)
        await session.execute(
            insert(SubjectEntryRow),
            [{"subject": subject, "leaf_index": leaf_index} for subject, leaf_index in rows],
        )

    async def clear(self, session: AsyncSession) -> None:
        """Remove every row."""
        await session.execute(delete(SubjectEntryRow))
