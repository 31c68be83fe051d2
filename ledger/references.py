"""Which references the log has: the newest in memory, all others in a table that grows in order.

    References          of one sequencer, as of its tree size
    References.opened   from the database; brings the table to less than a run behind the log
    References.known    index, content hash and leaf hash of the references that the log has
    References.write_run   the rows of a run, within the transaction of the batch that fills it
    References.take     what a committed batch added
    digest_of           by which a reference is found
    entries_in_table    how far the table goes
    find                what the table has under some digests

Issuers draw references in no order. An index that takes each as it comes is touched at as many
places as a batch has entries, and the larger the log, the more pages that is. So the newest are
kept in memory until they are RUN_ENTRIES, and then enter the table sorted, many to a page. A run is
written in the transaction of a batch, so that a crash leaves all of it or nothing, and a backup has
its own. The table says nothing that the opening store does not say: a digest only finds
an entry, whose reference decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.batch import Admitted, Known, Reference
from ledger.candidate import Candidate
from ledger.database import Database
from ledger.driver import fetch_all, insert_many
from ledger.identity import SubjectLabel
from ledger.merkle import leaf_hash
from ledger.tables import EntryRow, OpeningRow, ReferenceRow, ReferenceRunRow

RUN_ENTRIES = 65_536
"""Of one sorted run: some 15 MB in memory, and a fifth of a second to write."""

_COLUMNS = ("digest", "leaf_index")

_FIND_SQLITE = """
SELECT reference.digest, reference.leaf_index FROM json_each(?) AS wanted
CROSS JOIN ledger_reference AS reference ON reference.digest = wanted.value
"""

_FIND_POSTGRESQL = """
SELECT digest, leaf_index FROM ledger_reference WHERE digest = ANY($1::bigint[])
"""


class References:
    """Belongs to the one writer; a second one could not know what the first has in memory."""

    def __init__(self) -> None:
        self._in_table = 0
        self._recent: dict[int, tuple[int, ...]] = {}
        self._recent_entries = 0

    @classmethod
    async def opened(cls, database: Database, tree_size: int) -> Self:
        """What the log has below `tree_size`. Writes what the table lacks but for the last run."""
        references = cls()
        async with database.reading() as session:
            references._in_table = await entries_in_table(session)
        while tree_size - references._in_table >= RUN_ENTRIES:
            end = references._in_table + RUN_ENTRIES
            async with database.writing() as session:
                await _write(session, await _read(session, references._in_table, end), end)
            references._in_table = end
        async with database.reading() as session:
            for digest, leaf_index in await _read(session, references._in_table, tree_size):
                references._add(digest, leaf_index)
        return references

    async def known(
        self, session: AsyncSession, candidates: Iterable[Candidate]
    ) -> dict[Reference, Known]:
        """Of each of their references that the log has, its first entry."""
        wanted = {(item.issuer, item.jti): digest_of(item.issuer, item.jti) for item in candidates}
        found = [index for _, index in await find(session, list(wanted.values()))]
        for digest in wanted.values():
            found += self._recent.get(digest, ())
        known: dict[Reference, Known] = {}
        if not found:
            return known
        query = (
            select(
                OpeningRow.issuer,
                OpeningRow.jti,
                OpeningRow.leaf_index,
                OpeningRow.content_hash,
                EntryRow.leaf,
            )
            .join(EntryRow, EntryRow.leaf_index == OpeningRow.leaf_index)
            .where(OpeningRow.leaf_index.in_(found))
            .order_by(OpeningRow.leaf_index)
        )
        for issuer, jti, leaf_index, content_hash, leaf in await session.execute(query):
            if (issuer, jti) in wanted:
                entry = Known(leaf_index, leaf_hash(leaf), content_hash)
                known.setdefault((issuer, jti), entry)
        return known

    def fills_run(self, admitted: Sequence[Admitted]) -> bool:
        """Whether the table is due when these are written."""
        return self._recent_entries + len(admitted) >= RUN_ENTRIES

    async def write_run(self, session: AsyncSession, admitted: Sequence[Admitted]) -> None:
        """The rows of all that is in memory and of these. Changes nothing in memory."""
        rows = [(digest, index) for digest, indexes in self._recent.items() for index in indexes]
        rows += _digests(admitted)
        await _write(session, rows, self._in_table + len(rows))

    def take(self, admitted: Sequence[Admitted], *, in_table: bool) -> None:
        """These are committed; `in_table` when `write_run` was part of it."""
        if in_table:
            self._in_table += self._recent_entries + len(admitted)
            self._recent.clear()
            self._recent_entries = 0
            return
        for digest, leaf_index in _digests(admitted):
            self._add(digest, leaf_index)

    def _add(self, digest: int, leaf_index: int) -> None:
        self._recent[digest] = (*self._recent.get(digest, ()), leaf_index)
        self._recent_entries += 1


def digest_of(issuer: SubjectLabel, jti: str) -> int:
    """Eight bytes of SHA-256 as a signed number. Where two references share it, both are found."""
    # Neither has a space.
    hashed = sha256(f"{issuer} {jti}".encode("ascii")).digest()
    return int.from_bytes(hashed[:8], "big", signed=True)


async def entries_in_table(session: AsyncSession) -> int:
    """How many the table has: those below this index, and no other."""
    return await session.scalar(select(func.max(ReferenceRunRow.next_index))) or 0


async def find(session: AsyncSession, digests: Sequence[int]) -> list[tuple[int, int]]:
    """Digest and leaf index of every row of the table under one of these digests."""
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        wanted = orjson.dumps(list(digests)).decode("ascii")
        rows = await fetch_all(connection, _FIND_SQLITE, (wanted,))
    else:
        rows = await fetch_all(connection, _FIND_POSTGRESQL, (digests,))
    return [(digest, leaf_index) for digest, leaf_index in rows]


def _digests(admitted: Sequence[Admitted]) -> list[tuple[int, int]]:
    return [(digest_of(item.issuer, item.jti), index) for index, _, item in admitted]


async def _read(session: AsyncSession, first: int, end: int) -> list[tuple[int, int]]:
    query = select(OpeningRow.issuer, OpeningRow.jti, OpeningRow.leaf_index).where(
        OpeningRow.leaf_index >= first, OpeningRow.leaf_index < end
    )
    return [
        (digest_of(issuer, jti), leaf_index)
        for issuer, jti, leaf_index in await session.execute(query)
    ]


async def _write(session: AsyncSession, rows: list[tuple[int, int]], next_index: int) -> None:
    connection = await session.connection()
    await insert_many(connection, ReferenceRow.__tablename__, _COLUMNS, sorted(rows))
    run = [(next_index,)]
    await insert_many(connection, ReferenceRunRow.__tablename__, ("next_index",), run)
