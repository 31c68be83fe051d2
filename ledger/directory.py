"""Enterprises as their filings name them, and persons as their bindings do.

    Enterprise       what the newest filing below a tree size says
    EnterpriseView   fills `ledger_enterprise` from filings
    BindingView      fills `ledger_binding` again; the sequencer writes it as it admits
    binding_row      one of its rows
    Directory        whose label it is, what is filed under it, and what many are called

The label of a person is found by code only through the registry's binding, and only here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.admission import bound_identity, subject_identity
from ledger.entries import LoggedEntry
from ledger.identity import Identity, Scheme, SubjectLabel
from ledger.statement import Statement
from ledger.tables import BindingRow, EnterpriseRow


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise as filed."""

    subject: SubjectLabel
    identity: Identity
    leaf_index: int
    """Of the filing that says so."""
    name_zh: str | None
    name_en: str | None
    country: str
    region: str | None
    industry: str | None
    port: str | None
    synthetic: bool

    @classmethod
    def of_row(cls, row: EnterpriseRow) -> Enterprise:
        """A row of the view as a value."""
        return cls(
            subject=row.subject,
            identity=Identity(Scheme(row.scheme), row.identifier),
            leaf_index=row.leaf_index,
            name_zh=row.name_zh,
            name_en=row.name_en,
            country=row.country,
            region=row.region,
            industry=row.industry,
            port=row.port,
            synthetic=row.synthetic,
        )


class EnterpriseView:
    """Follows filings. The only writer of `ledger_enterprise`."""

    name = "enterprise"

    async def apply(self, session: AsyncSession, entries: Sequence[LoggedEntry]) -> None:
        """One row per filing; the row before it of the same subject is marked superseded."""
        filings = [
            (entry.leaf_index, entry.body)
            for entry in entries
            if isinstance(entry.body, Statement) and entry.body.weighing.kind == "filing"
        ]
        if not filings:
            return
        persons = await _persons(session, [statement.subject for _, statement in filings])
        rows: list[dict[str, object]] = []
        newest: dict[SubjectLabel, dict[str, object]] = {}
        superseded: list[dict[str, object]] = []
        for leaf_index, statement in filings:
            row = _enterprise_row(leaf_index, statement, persons)
            previous = newest.get(statement.subject)
            if previous is not None:
                previous["superseded_index"] = leaf_index
            else:
                superseded.append({"of_subject": statement.subject, "at_index": leaf_index})
            newest[statement.subject] = row
            rows.append(row)
        connection = await session.connection()
        await connection.execute(_SUPERSEDE, superseded)
        await connection.execute(insert(EnterpriseRow), rows)

    async def clear(self, session: AsyncSession) -> None:
        """Remove every row."""
        await session.execute(delete(EnterpriseRow))


_SUPERSEDE = (
    update(EnterpriseRow)
    .where(
        EnterpriseRow.subject == bindparam("of_subject"), EnterpriseRow.superseded_index.is_(None)
    )
    .values(superseded_index=bindparam("at_index"))
)
"""Marks the current filing of a subject; one statement for all that a step supersedes."""


class BindingView:
    """Makes `ledger_binding` again from binding statements."""

    name = "binding"

    async def apply(self, session: AsyncSession, entries: Sequence[LoggedEntry]) -> None:
        """Rows the sequencer wrote as it admitted are there already and stay as they are."""
        rows = {
            entry.body.subject: binding_row(entry.body, entry.leaf_index)
            for entry in entries
            if isinstance(entry.body, Statement) and entry.body.weighing.kind == "binding"
        }
        if not rows:
            return
        query = select(BindingRow.subject).where(BindingRow.subject.in_(rows))
        for subject in await session.scalars(query):
            del rows[subject]
        if rows:
            await session.execute(insert(BindingRow), list(rows.values()))

    async def clear(self, session: AsyncSession) -> None:
        """Remove every row."""
        await session.execute(delete(BindingRow))


def binding_row(statement: Statement, leaf_index: int) -> dict[str, object]:
    """The row by which a one-person business is found."""
    identity = bound_identity(statement)
    return {
        "subject": statement.subject,
        "scheme": identity.scheme.value,
        "identifier": identity.identifier,
        "leaf_index": leaf_index,
    }


class Directory:
    """Who is who, at a tree size."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def label_of(self, identity: Identity) -> SubjectLabel | None:
        """The label that stands for a party; None for a person that no binding introduced."""
        if not identity.is_person:
            return identity.label()
        query = select(BindingRow.subject).where(
            BindingRow.scheme == identity.scheme.value,
            BindingRow.identifier == identity.identifier,
        )
        return await self._session.scalar(query)

    async def enterprise(self, subject: SubjectLabel, *, tree_size: int) -> Enterprise | None:
        """As filed below `tree_size`; None when it was not."""
        query = select(EnterpriseRow).where(
            EnterpriseRow.subject == subject,
            EnterpriseRow.leaf_index < tree_size,
            or_(
                EnterpriseRow.superseded_index.is_(None),
                EnterpriseRow.superseded_index >= tree_size,
            ),
        )
        row = await self._session.scalar(query)
        return None if row is None else Enterprise.of_row(row)

    async def names(self, subjects: Sequence[SubjectLabel]) -> dict[SubjectLabel, Enterprise]:
        """The current filings of these subjects."""
        query = select(EnterpriseRow).where(
            EnterpriseRow.subject.in_(subjects), EnterpriseRow.superseded_index.is_(None)
        )
        return {row.subject: Enterprise.of_row(row) for row in await self._session.scalars(query)}


def _enterprise_row(
    leaf_index: int, statement: Statement, persons: dict[SubjectLabel, Identity]
) -> dict[str, object]:
    particulars = statement.particulars
    identity = subject_identity(statement) or persons[statement.subject]
    names = particulars.get("name")
    texts = names if isinstance(names, dict) else {}
    return {
        "subject": statement.subject,
        "leaf_index": leaf_index,
        "superseded_index": None,
        "scheme": identity.scheme.value,
        "identifier": identity.identifier,
        "is_person": identity.is_person,
        "name_zh": texts.get("zh"),
        "name_en": texts.get("en"),
        "country": particulars.get("country"),
        "region": particulars.get("region"),
        "industry": particulars.get("industry"),
        "port": particulars.get("port"),
        "synthetic": particulars.get("synthetic") is True,
    }


async def _persons(
    session: AsyncSession, subjects: Sequence[SubjectLabel]
) -> dict[SubjectLabel, Identity]:
    query = select(BindingRow).where(BindingRow.subject.in_(subjects))
    return {
        row.subject: Identity(Scheme(row.scheme), row.identifier)
        for row in await session.scalars(query)
    }
