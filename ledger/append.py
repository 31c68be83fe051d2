"""The one hot write: what a batch looks up and inserts, in the fewest statements.

    known_bindings      the one-person businesses that these candidates touch, as far as bound
    insert_rows         entries, openings, disclosures, captures, events and bindings of a batch
    insert_checkpoint   the signed head over them

SQLAlchemy's own insert runs at half the speed of its driver (ARCHITECTURE §11), so this module
speaks to the drivers (`ledger.driver`). Reads and writes inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.admission import Bindings
from ledger.batch import Admitted
from ledger.candidate import Candidate
from ledger.checkpoint import Checkpoint
from ledger.driver import Row, insert_many
from ledger.identity import Identity, Scheme, SubjectLabel
from ledger.tables import (
    BindingRow,
    CaptureRow,
    CheckpointRow,
    DisclosureRow,
    EntryRow,
    EventRow,
    OpeningRow,
    microseconds,
)

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

_CHECKPOINT_COLUMNS = ("tree_size", "previous_size", "root_hash", "note", "logged_at")


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
        if candidate.other_label is not None:
            subjects.add(candidate.other_label)
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
            await insert_many(connection, table, names, rows[table])


async def insert_checkpoint(
    session: AsyncSession, head: Checkpoint, note: str, *, previous_size: int, logged_at: datetime
) -> None:
    """The signed head of a batch. Raises `IntegrityError` where another writer was first."""
    row = (head.tree_size, previous_size, head.root_hash, note, microseconds(logged_at))
    connection = await session.connection()
    await insert_many(connection, CheckpointRow, _CHECKPOINT_COLUMNS, [row])


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
