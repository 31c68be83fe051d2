"""Enterprises and their credit in the graph.

    Enterprise, EnterpriseConnection, EnterpriseEdge, EnterpriseFilter
    enterprise_of    a label to its window, as far as the caller may know of it
    resolve_subject  the label behind what a caller wrote
    find_enterprise  an identifier or label as callers write it
    list_enterprises a page, by label

A rating is shown with the day, the size and the policy that it follows from, so that anyone who
may see the same statements computes the same rating.
"""

from __future__ import annotations

from collections.abc import Sequence

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Tier
from api.enterprises import EnterprisePredicate, Enterprises, named_for
from api.errors import EnterpriseUnknown
from api.schema.clocks import Clocks
from api.schema.credit import CreditRating, RatingResult
from api.schema.nodes import (
    PAGE_SIZE,
    After,
    First,
    Node,
    NodeId,
    NodeKind,
    Page,
    PageInfo,
    page_info,
)
from api.schema.outcome import refused
from api.schema.scalars import Day, Natural
from api.schema.session import Info, Session
from api.schema.statement import (
    Identifier,
    Names,
    StatementConnection,
    statement_connection,
)
from api.schema.tiers import described, only
from credit.errors import CreditError
from credit.ratings import Ratings
from ledger import directory
from ledger.identity import Identity, Scheme, SubjectLabel, parse_label
from ledger.tables import LABEL_CHARACTERS


@strawberry.type(description="A party that authorities state things about.")
class Enterprise(Node):
    """A window on a filing and what was stated beside it."""

    subject: strawberry.Private[SubjectLabel]
    filed: strawberry.Private[directory.Enterprise | None]
    identity: strawberry.Private[Identity | None]
    clocks: strawberry.Private[Clocks]

    @described(description="Opaque, and the same for as long as the log stands.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(NodeId(NodeKind.ENTERPRISE, self.subject).text)

    @described(description="What stands for it in the log.")
    def label(self) -> SubjectLabel:
        return self.subject

    @described(
        description="Its identifier; null for one-person businesses, which are natural persons, "
        "unless one may see all of it."
    )
    def identifier(self, info: Info) -> Identifier | None:
        identity = self.identity
        if identity is None:
            return None
        if identity.is_person and not info.context.caller.sees_all_of(self.subject):
            return None
        return Identifier(scheme=identity.scheme, value=identity.identifier)

    @described(
        description="The registered name; null until it is filed. Of a one-person business, which "
        "often bears its owner's name, this and the four below are null unless one may see all."
    )
    def name(self, info: Info) -> Names | None:
        filed = named_for(info.context.caller, self.filed)
        return Names(zh=filed.name_zh, en=filed.name_en) if filed else None

    @described(description="ISO 3166-1 alpha-2.")
    def country(self, info: Info) -> str | None:
        filed = named_for(info.context.caller, self.filed)
        return filed.country if filed else None

    @described(description="GB/T 2260 division in China, else province or state in words.")
    def region(self, info: Info) -> str | None:
        filed = named_for(info.context.caller, self.filed)
        return filed.region if filed else None

    @described(description="GB/T 4754 class, or the product industry.")
    def industry(self, info: Info) -> str | None:
        filed = named_for(info.context.caller, self.filed)
        return filed.industry if filed else None

    @described(description="Code of the border crossing it exports by.")
    def port(self, info: Info) -> str | None:
        filed = named_for(info.context.caller, self.filed)
        return filed.port if filed else None

    @described(description="Whether it is invented, for demonstration.")
    def synthetic(self) -> bool:
        return self.filed.synthetic if self.filed else False

    @described(description="The filing that says so, by its place in the log.")
    def filing_index(self) -> Natural | None:
        return Natural(self.filed.leaf_index) if self.filed else None

    @described(description="The day this is true on.")
    def as_of(self) -> Day:
        return Day(self.clocks.as_of)

    @described(description="The log's size this was known at.")
    def tree_size(self) -> Natural:
        return Natural(self.clocks.tree_size)

    @described(description="Its credit.")
    async def rating(self, info: Info) -> RatingResult:
        try:
            rated = await info.context.ratings.load((self.subject, self.clocks))
        except CreditError as error:
            return refused(error)
        return CreditRating(rated=rated)

    @described(
        description="Statements about it that are in effect and may be seen, oldest entry first."
    )
    async def statements(
        self, info: Info, first: First = PAGE_SIZE, after: After = None
    ) -> StatementConnection:
        page = Page.parse(first, after, NodeKind.STATEMENT)
        found = await info.context.statements.load((self.subject, self.clocks, page))
        return statement_connection(found, page)


@strawberry.type(description="An enterprise and its cursor (Relay).")
class EnterpriseEdge:
    """Relay's edge."""

    node: Enterprise = strawberry.field(description="The enterprise.")
    cursor: str = strawberry.field(description="For `after`: the page that follows it.")


@strawberry.type(description="Enterprises in the order of their labels (Relay).")
class EnterpriseConnection:
    """Relay's connection."""

    edges: list[EnterpriseEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.input(description="All that is given must hold.")
class EnterpriseFilter:
    """Predicates of one SQL statement."""

    region: str | None = strawberry.field(
        default=None, description="This division, or every division that begins with it."
    )
    industry: str | None = strawberry.field(default=None, description="Exactly this industry.")
    port: str | None = strawberry.field(default=None, description="Exactly this port.")
    grade: str | None = strawberry.field(
        default=None,
        description="This grade today under the policy in force.",
        # Stored grades follow from every statement: choosing by them tells of what is withheld.
        metadata=only(Tier.AUTHORITY),
    )
    name_contains: str | None = strawberry.field(
        default=None,
        description="Part of its Chinese or English name, 1 to 64 characters, case ignored.",
    )


async def find_enterprise(
    context: Session, session: AsyncSession, text: str, clocks: Clocks
) -> Enterprise:
    """By `<scheme>:<identifier>`, a bare social credit identifier, or a label.

    Raises `IdentifierInvalid`, `LabelInvalid`, `EnterpriseUnknown`.
    """
    subject, identity = await resolve_subject(context, session, text)
    return await enterprise_of(context, session, subject, clocks, identity=identity)


async def resolve_subject(
    context: Session, session: AsyncSession, text: str
) -> tuple[SubjectLabel, Identity | None]:
    """The label behind what a caller wrote. A person is found by code only by those who see all.

    Raises `IdentifierInvalid`, `LabelInvalid`, `EnterpriseUnknown`.
    """
    if ":" not in text and len(text) == LABEL_CHARACTERS:
        return parse_label(text), None
    scheme, _, identifier = text.rpartition(":")
    identity = Identity.parse(scheme or Scheme.USCC.value, identifier)
    subject = await directory.Directory(session).label_of(identity)
    if subject is None or (identity.is_person and not context.caller.sees_all_of(subject)):
        raise _unknown(text)
    return subject, identity


async def enterprise_of(
    context: Session,
    session: AsyncSession,
    subject: SubjectLabel,
    clocks: Clocks,
    *,
    identity: Identity | None = None,
) -> Enterprise:
    """Filed, or at least stated about in what the caller may see. Raises `EnterpriseUnknown`."""
    filed = await directory.Directory(session).enterprise(subject, tree_size=clocks.tree_size)
    if filed is None:
        seen = await Ratings(session).facts_of(
            subject,
            tree_size=clocks.tree_size,
            public_on=context.public_on(subject),
            limit=1,
        )
        if not seen:
            raise _unknown(subject)
    return Enterprise(
        subject=subject,
        filed=filed,
        identity=filed.identity if filed else identity,
        clocks=clocks,
    )


async def list_enterprises(
    context: Session,
    session: AsyncSession,
    chosen: EnterpriseFilter | None,
    page: Page,
    clocks: Clocks,
) -> EnterpriseConnection:
    """A page by label, in one statement. Raises `QueryError`, `PolicyUnknown`."""
    predicate = EnterprisePredicate.parse(
        region=chosen.region if chosen else None,
        industry=chosen.industry if chosen else None,
        port=chosen.port if chosen else None,
        grade=chosen.grade if chosen else None,
        name_contains=chosen.name_contains if chosen else None,
    )
    policy_hash = None
    if predicate.grade is not None:
        ratings = Ratings(session)
        policy = await ratings.policy_in_force(as_of=clocks.as_of, tree_size=clocks.tree_size)
        policy_hash = policy.hash
    found = await Enterprises(session).page(
        predicate,
        caller=context.caller,
        policy_hash=policy_hash,
        after=page.after,
        limit=page.first + 1,
    )
    edges = [_edge(filed, clocks) for filed in found[: page.first]]
    return EnterpriseConnection(
        edges=edges,
        page_info=page_info(_cursors(edges), page, more=len(found) > page.first),
    )


def _edge(filed: directory.Enterprise, clocks: Clocks) -> EnterpriseEdge:
    return EnterpriseEdge(
        node=Enterprise(subject=filed.subject, filed=filed, identity=filed.identity, clocks=clocks),
        cursor=NodeId(NodeKind.ENTERPRISE, filed.subject).text,
    )


def _cursors(edges: Sequence[EnterpriseEdge]) -> list[str]:
    return [edge.cursor for edge in edges]


def _unknown(text: str) -> EnterpriseUnknown:
    return EnterpriseUnknown(f"no enterprise {text!r} is known", path=("id",))
