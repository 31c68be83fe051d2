"""Lists of enterprises, chosen by what their filings say and how they are rated.

    EnterprisePredicate   what a list asks for, within its bounds
    Enterprises.page      one statement over the views of `ledger` and `credit`
    named_for             a filing as far as a caller may see it

Neither folder may know the other's tables, so the join of both is made here, for reading alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, Tier
from api.errors import FilterInvalid
from credit.tables import RatingRow
from ledger.directory import Enterprise
from ledger.tables import EnterpriseRow

FILTER_CHARACTERS_MAX = 64
"""As long as the columns are; a name is found by any part of it."""


@dataclass(frozen=True, slots=True)
class EnterprisePredicate:
    """All that is not None must hold."""

    region: str | None
    industry: str | None
    port: str | None
    grade: str | None
    name_contains: str | None

    @classmethod
    def parse(
        cls,
        *,
        region: str | None,
        industry: str | None,
        port: str | None,
        grade: str | None,
        name_contains: str | None,
    ) -> Self:
        """Raises `FilterInvalid`."""
        return cls(
            region=_bounded("region", region),
            industry=_bounded("industry", industry),
            port=_bounded("port", port),
            grade=_bounded("grade", grade),
            name_contains=_bounded("nameContains", name_contains),
        )


class Enterprises:
    """Pages of enterprises as they are filed now."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self,
        predicate: EnterprisePredicate,
        *,
        caller: Caller,
        policy_hash: bytes | None,
        after: str | None,
        limit: int,
    ) -> Sequence[Enterprise]:
        """By label, beyond `after`. A grade is that of the stored rating under `policy_hash`."""
        query = (
            select(EnterpriseRow)
            .where(EnterpriseRow.superseded_index.is_(None), _listed_for(caller))
            .order_by(EnterpriseRow.subject)
            .limit(limit)
        )
        if after is not None:
            query = query.where(EnterpriseRow.subject > after)
        if predicate.region is not None:
            query = query.where(_begins_with(predicate.region))
        if predicate.industry is not None:
            query = query.where(EnterpriseRow.industry == predicate.industry)
        if predicate.port is not None:
            query = query.where(EnterpriseRow.port == predicate.port)
        if predicate.name_contains is not None:
            query = query.where(_contains(predicate.name_contains))
        if predicate.grade is not None:
            assert policy_hash is not None
            query = query.join(
                RatingRow,
                and_(
                    RatingRow.subject == EnterpriseRow.subject,
                    RatingRow.policy_hash == policy_hash,
                ),
            ).where(RatingRow.grade == predicate.grade)
        return [Enterprise.of_row(row) for row in await self._session.scalars(query)]


def named_for(caller: Caller, filed: Enterprise | None) -> Enterprise | None:
    """A filing as far as it may be shown: nothing of a person's, but to who sees all of it."""
    if filed is None or (filed.identity.is_person and not caller.sees_all_of(filed.subject)):
        return None
    return filed


def _listed_for(caller: Caller) -> ColumnElement[bool]:
    """One-person businesses are natural persons: nobody finds them by name, place or list."""
    if caller.tier is Tier.AUTHORITY:
        return true()
    company = EnterpriseRow.is_person.is_(False)
    if caller.tier is Tier.ENTERPRISE:
        return or_(company, EnterpriseRow.subject == caller.subject)
    return company


def _begins_with(region: str) -> ColumnElement[bool]:
    # Not LIKE, which ignores case on SQLite and heeds it on PostgreSQL.
    return func.substr(EnterpriseRow.region, 1, len(region)) == region


def _contains(part: str) -> ColumnElement[bool]:
    return or_(
        func.lower(EnterpriseRow.name_zh).contains(part.lower(), autoescape=True),
        func.lower(EnterpriseRow.name_en).contains(part.lower(), autoescape=True),
    )


def _bounded(name: str, value: str | None) -> str | None:
    if value is not None and (not 0 < len(value) <= FILTER_CHARACTERS_MAX or "\x00" in value):
        raise FilterInvalid(
            f"{name} is no text of 1 to {FILTER_CHARACTERS_MAX} characters",
            path=("filter", name),
        )
    return value
