"""Which references the log has: the newest in memory, all others in a table that grows by runs.

    RUN_ENTRIES         how many are kept in memory
    References          those of one sequencer, as of its tree size
    References.opened   from the database; brings the table to less than a run behind the log
    References.known    index, content hash and leaf hash of the references that the log has
    References.referents   the statements that some candidates refer to
    References.write_run   the table's rows, in the transaction of the batch that fills a run
    References.take     what a committed batch added
    digest_of           by which a reference is found; digest_in, by its hash
    entries_in_table    how far the table goes
    find                what the table has under some digests
    statements_at       those at some indexes, by the hashes of their references
    forget              empties the table

Issuers draw references in no order. An index that takes each as it comes is touched at as many
places as a batch has entries, and the larger the log, the more pages that is. So the newest are
kept in memory until they are RUN_ENTRIES, and then enter the table sorted, many to a page. A run is
written in the transaction of a batch, so that a crash leaves all of it or nothing, and a backup
holds a table that fits its log. The table says nothing that the opening store does not say: a
digest only finds an entry, whose reference decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.batch import Admitted, Known, Reference
from ledger.candidate import Candidate
from ledger.canonical import unb64url
from ledger.database import Database
from ledger.driver import fetch_all, insert_many
from ledger.errors import ProofInvalid, WriterFenced
from ledger.identity import SubjectLabel
from ledger.merkle import leaf_hash
from ledger.referents import Referent, Referents, kind_in
from ledger.statement import reference_hash, refers_to
from ledger.tables import (
    CheckpointRow,
    DisclosureRow,
    EntryRow,
    OpeningRow,
    ReferenceRow,
    ReferenceRunRow,
)

RUN_ENTRIES = 65_536
"""Kept in memory at most, some 15 MB; these and the batch that fills them are a run."""

LOOKUP_ENTRIES = 1_000
"""Of one query by index: far fewer than a statement of SQL may have parameters."""

_COLUMNS = ("digest", "leaf_index")

# SQLite keeps the order of a CROSS JOIN: a lookup for each digest, never a scan of the table.
_FIND_SQLITE = """
SELECT reference.digest, reference.leaf_index FROM json_each(?) AS wanted
CROSS JOIN ledger_reference AS reference ON reference.digest = wanted.value
"""

_FIND_POSTGRESQL = """
SELECT digest, leaf_index FROM ledger_reference WHERE digest = ANY($1::bigint[])
"""


class References:
    """The only writer of `ledger_reference` and `ledger_reference_run`, and part of the sequencer.

    A second one could not know what the first has in memory.
    """

    def __init__(self) -> None:
        self._table_end = 0
        self._recent: dict[int, tuple[int, ...]] = {}
        """Digest to leaf indexes, of all entries that are not in the table."""
        self._recent_entries = 0

    @classmethod
    async def opened(cls, database: Database, tree_size: int) -> Self:
        """What the log has below `tree_size`.

        Whole runs that the table lacks are written, each in a transaction of its own; cut short,
        the next start goes on. Raises `WriterFenced`, and `ProofInvalid` where the table cannot be
        this log's or the opening store lacks an entry.
        """
        references = cls()
        try:
            async with database.reading() as session:
                references._table_end = await _sound_end(session)
            while tree_size - references._table_end >= RUN_ENTRIES:
                end = references._table_end + RUN_ENTRIES
                async with database.writing() as session:
                    await _write(session, await _read(session, references._table_end, end), end)
                references._table_end = end
        except IntegrityError as error:
            raise WriterFenced("another writer fills the table of references") from error
        async with database.reading() as session:
            for digest, leaf_index in await _read(session, references._table_end, tree_size):
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

    async def referents(self, session: AsyncSession, candidates: Iterable[Candidate]) -> Referents:
        """What these refer to, as far as the log has it. Asks nothing where none of them does."""
        referrals = [item.refers for item in candidates if item.refers is not None]
        if not referrals:
            return Referents()
        digests = {digest_in(unb64url(referral.to)) for referral in referrals}
        indexes = [index for _, index in await find(session, list(digests))]
        for digest in digests:
            indexes += self._recent.get(digest, ())
        return Referents.of(await statements_at(session, indexes), referrals)

    async def write_run(self, session: AsyncSession, admitted: Sequence[Admitted]) -> bool:
        """The rows of all in memory and of these, if they fill a run; says whether they do.

        Changes nothing in memory: the transaction may still fail.
        """
        if self._recent_entries + len(admitted) < RUN_ENTRIES:
            return False
        rows = [(digest, index) for digest, indexes in self._recent.items() for index in indexes]
        rows += _rows_of(admitted)
        await _write(session, rows, self._table_end + len(rows))
        return True

    def take(self, admitted: Sequence[Admitted], *, run_written: bool) -> None:
        """These are committed, and with them the run if `write_run` said so."""
        if run_written:
            self._table_end += self._recent_entries + len(admitted)
            self._recent.clear()
            self._recent_entries = 0
            return
        for digest, leaf_index in _rows_of(admitted):
            self._add(digest, leaf_index)

    def _add(self, digest: int, leaf_index: int) -> None:
        self._recent[digest] = (*self._recent.get(digest, ()), leaf_index)
        self._recent_entries += 1


def digest_of(issuer: SubjectLabel, jti: str) -> int:
    """Eight bytes of SHA-256 as a signed number. Where two references share it, both are found."""
    return digest_in(reference_hash(issuer, jti))


def digest_in(hashed: bytes) -> int:
    """The digest of the reference with that hash (`ledger.statement.reference_hash`)."""
    return int.from_bytes(hashed[:8], "big", signed=True)


async def entries_in_table(session: AsyncSession) -> int:
    """The table has the references of all entries below this index, and of no other."""
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


async def statements_at(session: AsyncSession, indexes: Sequence[int]) -> dict[str, Referent]:
    """The statements at these indexes, as `refers` names them; each name has its first."""
    found: dict[str, Referent] = {}
    for first in range(0, len(indexes), LOOKUP_ENTRIES):
        query = (
            select(
                OpeningRow.leaf_index,
                OpeningRow.issuer,
                OpeningRow.subject,
                OpeningRow.jti,
                DisclosureRow.weighing,
            )
            .join(DisclosureRow, DisclosureRow.leaf_index == OpeningRow.leaf_index)
            .where(OpeningRow.leaf_index.in_(indexes[first : first + LOOKUP_ENTRIES]))
        )
        for leaf_index, issuer, subject, jti, weighing in await session.execute(query):
            name = refers_to(issuer, jti)
            if name not in found or leaf_index < found[name].leaf_index:
                found[name] = Referent(leaf_index, issuer, subject, kind_in(weighing))
    return found


def _rows_of(admitted: Sequence[Admitted]) -> list[tuple[int, int]]:
    return [(digest_of(item.issuer, item.jti), index) for index, _, item in admitted]


async def forget(session: AsyncSession) -> None:
    """Empty the table, while no writer runs; the next one fills it again."""
    await session.execute(delete(ReferenceRow))
    await session.execute(delete(ReferenceRunRow))


async def _sound_end(session: AsyncSession) -> int:
    """As `entries_in_table`, of a table that may be this log's. In one statement: one snapshot."""
    rows, end, tree_size = (
        await session.execute(
            select(
                select(func.count()).select_from(ReferenceRow).scalar_subquery(),
                select(func.max(ReferenceRunRow.next_index)).scalar_subquery(),
                select(func.max(CheckpointRow.tree_size)).scalar_subquery(),
            )
        )
    ).one()
    if not rows == (end or 0) <= (tree_size or 0):
        raise ProofInvalid(
            f"the table of references has {rows} rows for the first {end or 0} of {tree_size or 0} "
            "entries; xin rebuild makes it anew"
        )
    return end or 0


async def _read(session: AsyncSession, first: int, end: int) -> list[tuple[int, int]]:
    query = select(OpeningRow.issuer, OpeningRow.jti, OpeningRow.leaf_index).where(
        OpeningRow.leaf_index >= first, OpeningRow.leaf_index < end
    )
    rows = [
        (digest_of(issuer, jti), leaf_index)
        for issuer, jti, leaf_index in await session.execute(query)
    ]
    if len(rows) != end - first:
        raise ProofInvalid(f"the opening store lacks entries from {first} on; see xin log audit")
    return rows


async def _write(session: AsyncSession, rows: list[tuple[int, int]], next_index: int) -> None:
    connection = await session.connection()
    await insert_many(connection, ReferenceRow, _COLUMNS, sorted(rows))
    run = [(next_index,)]
    await insert_many(connection, ReferenceRunRow, ("next_index",), run)
