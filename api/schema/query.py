"""The root of reading.

Query    enterprise, enterprises, trace, entry, checkpoint, node
"""

from __future__ import annotations

from typing import Annotated

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import KNOWN, EnterpriseUnknown
from api.schema.clocks import AsOf, Clocks, KnownAt, KnownAtArgument, known_size
from api.schema.enterprise import (
    Enterprise,
    EnterpriseConnection,
    EnterpriseFilter,
    enterprise_of,
    find_enterprise,
    list_enterprises,
)
from api.schema.log import Checkpoint, Entry, entry_at, shown_checkpoint, visible_statement
from api.schema.nodes import PAGE_SIZE, After, First, Node, NodeId, NodeKind, Page
from api.schema.outcome import Refusal, refused
from api.schema.scalars import Day, Natural
from api.schema.session import Info, Session
from api.schema.tiers import described
from api.schema.trace import DEPTH, Trace, trace_of
from ledger.errors import EntryUnknown
from ledger.identity import SubjectLabel
from traceability.lineage import DEPTH_MAX, Direction

EnterpriseResult = Annotated[
    Enterprise | Refusal,
    strawberry.union("EnterpriseResult", description="An enterprise, or why none is shown."),
]
TraceResult = Annotated[
    Trace | Refusal, strawberry.union("TraceResult", description="A trace, or why there is none.")
]
EntryResult = Annotated[
    Entry | Refusal, strawberry.union("EntryResult", description="An entry, or why there is none.")
]


@strawberry.type(description="What can be read.")
class Query:
    """Every root field of reading."""

    @described(description="One enterprise by its identifier.")
    async def enterprise(
        self,
        info: Info,
        id: Annotated[
            str,
            strawberry.argument(
                description="A unified social credit identifier (18 characters), "
                "`<scheme>:<identifier>` with scheme uscc, fei, lei or inn, or a label."
            ),
        ],
        as_of: AsOf = None,
        known_at: KnownAtArgument = None,
    ) -> EnterpriseResult:
        context = info.context
        try:
            newest = await context.size()
            async with context.reading() as session:
                clocks = await _clocks(context, session, as_of, known_at, newest)
                return await find_enterprise(context, session, id, clocks)
        except KNOWN as error:
            return refused(error)

    @described(description="Enterprises by label, as they are filed now.")
    async def enterprises(
        self,
        info: Info,
        filter: Annotated[
            EnterpriseFilter | None,
            strawberry.argument(description="Which ones; by default all."),
        ] = None,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> EnterpriseConnection:
        context = info.context
        page = Page.parse(first, after, NodeKind.ENTERPRISE)
        clocks = Clocks(context.today, await context.size())
        async with context.reading() as session:
            return await list_enterprises(context, session, filter, page, clocks)

    @described(description="Where something came from and where it went, in one call.")
    async def trace(
        self,
        info: Info,
        link: Annotated[
            str,
            strawberry.argument(
                description="What a code says: a GS1 Digital Link of any host, or an EPC URN."
            ),
        ],
        direction: Annotated[
            Direction, strawberry.argument(description="Which way to walk.")
        ] = Direction.BOTH,
        depth: Annotated[
            int, strawberry.argument(description=f"Steps at most, 0 to {DEPTH_MAX}.")
        ] = DEPTH,
        as_of: AsOf = None,
        known_at: KnownAtArgument = None,
    ) -> TraceResult:
        context = info.context
        try:
            newest = await context.size()
            async with context.reading() as session:
                clocks = await _clocks(context, session, as_of, known_at, newest)
            return await trace_of(context, link, direction, depth, clocks)
        except KNOWN as error:
            return refused(error)

    @described(description="One entry of the log, with the proof that it is there.")
    async def entry(
        self,
        info: Info,
        leaf_index: Annotated[
            Natural, strawberry.argument(description="Its place in the log, from 0.")
        ],
    ) -> EntryResult:
        try:
            return await entry_at(info.context, leaf_index)
        except KNOWN as error:
            return refused(error)

    @described(
        description=(
            "The newest signed head of the log, or where it asks for witnesses the newest that "
            "has its quorum; refused (LEDGER_QUORUM_MISSING) until there is one."
        )
    )
    async def checkpoint(self, info: Info) -> Checkpoint:
        return await shown_checkpoint(info.context)

    @described(description="Anything by its global identifier; null when there is none.")
    async def node(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID, strawberry.argument(description="An `id` of an earlier answer.")
        ],
    ) -> Node | None:
        context = info.context
        node = NodeId.parse(id)
        try:
            if node.kind is NodeKind.ENTERPRISE:
                clocks = Clocks(context.today, await context.size())
                async with context.reading() as session:
                    label = SubjectLabel(node.key)
                    return await enterprise_of(context, session, label, clocks)
            entry = await entry_at(context, int(node.key))
        except (EnterpriseUnknown, EntryUnknown):
            return None
        if node.kind is NodeKind.ENTRY:
            return entry
        return await visible_statement(context, entry.entry)


async def _clocks(
    context: Session,
    session: AsyncSession,
    as_of: Day | None,
    known_at: KnownAt | None,
    newest: int,
) -> Clocks:
    day = context.today if as_of is None else as_of
    return Clocks(day, await known_size(session, known_at, newest))
