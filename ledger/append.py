"""The one hot write: what a batch looks up and inserts, in the fewest statements.

    known_references   which of these references the log has
    known_bindings     the one-person businesses that these candidates touch, as far as bound
    insert_rows        entries, openings, disclosures, captures, events and bindings of a batch

SQLAlchemy's own insert runs at half the speed of its driver (ARCHITECTURE §11), so this module
speaks to the drivers: `executemany` on SQLite, `COPY` on PostgreSQL, and one statement for all
references of an issuer on both. Columns and their order are taken from the mapped tables, so that a
column added there fails here at once. Reads and writes inside the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import asyncpg
import orjson
from sqlalchemy import Table, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from ledger.admission import Bindings
from ledger.batch import Admitted, Known, Reference
from ledger.candidate import Candidate
from ledger.identity import Identity, Scheme, SubjectLabel
from ledger.merkle import leaf_hash
from ledger.tables import (
    BindingRow,
    CaptureRow,
    DisclosureRow,
    EntryRow,
    EventRow,
    OpeningRow,
    microseconds,
)

Row = tuple[object, ...]

_COLUMNS = {
    EntryRow: ("leaf_index", "leaf"),
    OpeningRow: (
        "leaf_index",
        "form",
        "issuer",
        "jti",
        "subject",
        "content_hash",
        "token",
        "logged_at",
    ),
    DisclosureRow: ("leaf_index", "weighing", "particulars"),
    CaptureRow: ("leaf_index", "context", "party_scheme", "party_identifier"),
    EventRow: ("leaf_index", "position", "secret", "raw"),
    BindingRow: ("subject", "scheme", "identifier", "leaf_index"),
}
"""In the order of writing: what refers to an entry comes after it."""

for _table, _names in _COLUMNS.items():
    assert set(cast("Table", _table.__table__).columns.keys()) == set(_names)

_KNOWN_SQLITE = """
SELECT opening.jti, opening.leaf_index, opening.content_hash, entry.leaf
FROM json_each(?) AS wanted
CROSS JOIN ledger_opening AS opening ON opening.issuer = ? AND opening.jti = wanted.value
JOIN ledger_entry AS entry ON entry.leaf_index = opening.leaf_index
"""

_KNOWN_POSTGRESQL = """
SELECT opening.jti, opening.leaf_index, opening.content_hash, entry.leaf
FROM ledger_opening AS opening
JOIN ledger_entry AS entry ON entry.leaf_index = opening.leaf_index
WHERE opening.issuer = $1 AND opening.jti = ANY($2::text[])
"""


async def known_references(
    session: AsyncSession, candidates: Iterable[Candidate]
) -> dict[Reference, Known]:
    """Index, content hash and leaf hash of each reference that the log has."""
    by_issuer: dict[SubjectLabel, list[str]] = defaultdict(list)
    for candidate in candidates:
        by_issuer[candidate.issuer].append(candidate.jti)
    connection = await session.connection()
    known: dict[Reference, Known] = {}
    for issuer, references in by_issuer.items():
        for jti, leaf_index, content_hash, leaf in await _known_of(connection, issuer, references):
            known[issuer, jti] = Known(leaf_index, leaf_hash(leaf), content_hash)
    return known


async def known_bindings(session: AsyncSession, candidates: Iterable[Candidate]) -> Bindings:
    """Whoever these candidates name by a label, or bind to one, as far as bound before."""
    subjects: set[SubjectLabel] = set()
    persons: set[Identity] = set()
    for candidate in candidates:
        if candidate.binds is not None:
            persons.add(candidate.binds)
            subjects.add(candidate.subject)
        elif candidate.bound_label is not None:
            subjects.add(candidate.bound_label)
    found: dict[SubjectLabel, Identity] = {}
    if not subjects:
        return Bindings(found)
    person_keys = sorted((person.scheme.value, person.identifier) for person in persons)
    query = select(BindingRow).where(
        or_(
            BindingRow.subject.in_(subjects),
            tuple_(BindingRow.scheme, BindingRow.identifier).in_(person_keys),
        )
    )
    for row in await session.scalars(query):
        found[row.subject] = Identity(Scheme(row.scheme), row.identifier)
    return Bindings(found)


async def insert_rows(
    session: AsyncSession, admitted: Sequence[Admitted], logged_at: datetime
) -> None:
    """All rows of what was admitted. Raises `IntegrityError` where another writer was first."""
    rows = _rows(admitted, microseconds(logged_at))
    connection = await session.connection()
    for table, names in _COLUMNS.items():
        if rows[table]:
            await _insert(connection, table.__tablename__, names, rows[table])


def _rows(admitted: Sequence[Admitted], logged_at: int) -> dict[type, list[Row]]:
    rows: dict[type, list[Row]] = {table: [] for table in _COLUMNS}
    entries, openings, disclosures = rows[EntryRow], rows[OpeningRow], rows[DisclosureRow]
    for index, _, item in admitted:
        entries.append((index, item.leaf))
        openings.append(
            (
                index,
                item.form,
                item.issuer,
                item.jti,
                item.subject,
                item.content_hash,
                item.token,
                logged_at,
            )
        )
        if item.form == "statement":
            disclosures.append((index, item.weighing, item.particulars))
        if item.capture is not None:
            context, scheme, identifier, events = item.capture
            rows[CaptureRow].append((index, context, scheme, identifier))
            rows[EventRow] += [
                (index, position, event.secret, event.raw) for position, event in enumerate(events)
            ]
        if item.binds is not None:
            rows[BindingRow].append(
                (item.subject, item.binds.scheme.value, item.binds.identifier, index)
            )
    return rows


async def _known_of(
    connection: AsyncConnection, issuer: SubjectLabel, references: list[str]
) -> Sequence[Any]:
    if connection.dialect.name == "sqlite":
        wanted = orjson.dumps(references).decode("ascii")
        found = await connection.exec_driver_sql(_KNOWN_SQLITE, (wanted, issuer))
    else:
        found = await connection.exec_driver_sql(_KNOWN_POSTGRESQL, (issuer, references))
    return found.all()


async def _insert(
    connection: AsyncConnection, table: str, names: Sequence[str], rows: list[Row]
) -> None:
    if connection.dialect.name == "sqlite":
        places = ",".join("?" * len(names))
        # The names are constants of this module.
        statement = f"INSERT INTO {table} ({','.join(names)}) VALUES ({places})"  # noqa: S608
        await connection.exec_driver_sql(statement, rows)
        return
    driver = await _postgresql(connection)
    try:
        await driver.copy_records_to_table(table, records=rows, columns=names)
    except asyncpg.UniqueViolationError as error:
        raise IntegrityError(f"COPY {table}", None, error) from error


async def _postgresql(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection, in the transaction that began when references were asked."""
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert driver is not None
    assert driver.is_in_transaction()
    return driver
