"""Where goods came from and went, in one answer.

    Trace          nodes, edges, events, and whether a bound cut it short
    TraceNode, TraceEdge, TraceEvent, Party   what it is made of
    trace_of       a link or URN to its trace

A trace proves that each event it names stands in the log, by leaf index; it does not prove that
there are no others (ARCHITECTURE §3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import strawberry

from api.enterprises import named_for
from api.schema.clocks import Clocks
from api.schema.scalars import Day, Instant, Natural
from api.schema.session import Session
from api.schema.statement import Names
from api.schema.tiers import described
from ledger.directory import Directory, Enterprise
from ledger.identity import SubjectLabel
from traceability import lineage
from traceability.events import PAGE_MAX, CapturedEvent, Events
from traceability.identifiers import Grain, Identifier
from traceability.lineage import Direction, EdgeKind, EventRef

DEPTH = lineage.DEPTH_DEFAULT

strawberry.enum(
    Direction,
    name="TraceDirection",
    description="UP to origins, DOWN to what came of it and where it went, BOTH ways.",
)
strawberry.enum(EdgeKind, name="TraceEdgeKind", description="Why one name leads to another.")
strawberry.enum(
    Grain, name="TraceGrain", description="What a name stands for: one unit, a lot, a product, …"
)


@strawberry.type(description="Who captured events.")
class Party:
    """A party by its label."""

    label: SubjectLabel = strawberry.field(description="Its label in statements.")
    name: Names | None = strawberry.field(description="As it is filed now; null if it is not.")


@strawberry.type(description="A captured EPCIS event, by its place in the log.")
class TraceEvent:
    """A window on an event of the view."""

    captured: strawberry.Private[CapturedEvent]
    filed: strawberry.Private[Enterprise | None]

    @described(description="The capture that holds it: the handle of its proof.")
    def leaf_index(self) -> Natural:
        return Natural(self.captured.ref.leaf_index)

    @described(description="Its position in that capture, from 0.")
    def position(self) -> int:
        return self.captured.ref.position

    @described(description="EPCIS event type, such as TransformationEvent.")
    def type(self) -> str:
        return self.captured.type.value

    @described(description="The event's own identifier, if it has one.")
    def event_id(self) -> str | None:
        return self.captured.event_id

    @described(description="When it happened.")
    def event_time(self) -> Instant:
        return Instant(self.captured.event_time)

    @described(description="The civil day at its place.")
    def happened_on(self) -> Day:
        return Day(self.captured.happened_on)

    @described(description="ADD, OBSERVE or DELETE, where its type has an action.")
    def action(self) -> str | None:
        return self.captured.action.value if self.captured.action else None

    @described(description="CBV business step.")
    def biz_step(self) -> str | None:
        return self.captured.biz_step

    @described(description="CBV disposition.")
    def disposition(self) -> str | None:
        return self.captured.disposition

    @described(description="Where it was read, as a GS1 Digital Link or other URI.")
    def read_point(self) -> str | None:
        return self.captured.read_point

    @described(description="Where the goods were afterwards.")
    def biz_location(self) -> str | None:
        return self.captured.biz_location

    @described(description="Who captured it.")
    def party(self) -> Party:
        name = Names(zh=self.filed.name_zh, en=self.filed.name_en) if self.filed else None
        return Party(label=self.captured.party, name=name)


@dataclass(frozen=True, slots=True)
class _Told:
    """The events of one trace, by place."""

    events: dict[EventRef, TraceEvent]

    def of(self, refs: Iterable[EventRef]) -> list[TraceEvent]:
        return [self.events[ref] for ref in refs if ref in self.events]


@strawberry.type(description="One thing in a trace.")
class TraceNode:
    """A window on a node of the lineage."""

    node: strawberry.Private[lineage.Node]
    told: strawberry.Private[_Told]

    @described(description="Its name, as a canonical GS1 Digital Link or other URI.")
    def identifier(self) -> str:
        return self.node.identifier

    @described(description="What the name stands for.")
    def grain(self) -> Grain:
        return self.node.grain

    @described(description="The way on which it was met.")
    def direction(self) -> Direction:
        return self.node.direction

    @described(description="Steps from the root, the fewest there are; 0 for the root.")
    def level(self) -> int:
        return self.node.level

    @described(description="The events that name it, by event time.")
    def events(self) -> list[TraceEvent]:
        return self.told.of(self.node.events)


@strawberry.type(description="Goods flow from source to target.")
class TraceEdge:
    """A window on an edge of the lineage."""

    edge: strawberry.Private[lineage.Edge]
    told: strawberry.Private[_Told]

    @described(description="The name of an input, a child, or a lot.")
    def source(self) -> str:
        return self.edge.source

    @described(description="The name of the output, the parent, or the unit.")
    def target(self) -> str:
        return self.edge.target

    @described(description="Why the goods flow there.")
    def kind(self) -> EdgeKind:
        return self.edge.kind

    @described(description="The events that say so, by place in the log.")
    def events(self) -> list[TraceEvent]:
        return self.told.of(self.edge.events)


@strawberry.type(
    description="Where something came from and went, as far as the events in the log tell. It "
    "proves inclusion of each event, not that there are no others."
)
class Trace:
    """A window on a trace."""

    trace: strawberry.Private[lineage.Trace]
    told: strawberry.Private[_Told]
    clocks: strawberry.Private[Clocks]

    @described(description="What was asked for, as a canonical GS1 Digital Link.")
    def root(self) -> str:
        return self.trace.root

    @described(description="Which way was walked.")
    def direction(self) -> Direction:
        return self.trace.direction

    @described(description="How many steps were allowed.")
    def depth(self) -> int:
        return self.trace.depth

    @described(
        description=f"Whether a bound ended the walk: its depth, {lineage.NODES_DEFAULT} nodes, or "
        "the ways between them, each way."
    )
    def truncated(self) -> bool:
        return self.trace.truncated

    @described(description="All that was met, by level and name; the root first.")
    def nodes(self) -> list[TraceNode]:
        return [TraceNode(node=node, told=self.told) for node in self.trace.nodes]

    @described(description="How goods flowed between them.")
    def edges(self) -> list[TraceEdge]:
        return [TraceEdge(edge=edge, told=self.told) for edge in self.trace.edges]

    @described(description="Every event that names one of them, by event time.")
    def events(self) -> list[TraceEvent]:
        return list(self.told.events.values())

    @described(description="The day this is true on.")
    def as_of(self) -> Day:
        return Day(self.clocks.as_of)

    @described(description="The log's size this was known at.")
    def tree_size(self) -> Natural:
        return Natural(self.clocks.tree_size)


async def trace_of(
    context: Session, link: str, direction: Direction, depth: int, clocks: Clocks
) -> Trace:
    """Walk from a GS1 Digital Link or EPC URN. Raises `TraceabilityError`."""
    identifier = Identifier.parse(link)
    async with context.reading() as session:
        events = Events(session)
        trace = await events.trace(
            identifier,
            as_of=clocks.as_of,
            tree_size=clocks.tree_size,
            direction=direction,
            depth=depth,
        )
        captured = await _captured(events, _refs(trace))
        names = await Directory(session).names(sorted({event.party for event in captured}))
    told = {
        event.ref: TraceEvent(
            captured=event, filed=named_for(context.caller, names.get(event.party))
        )
        for event in captured
    }
    return Trace(trace=trace, told=_Told(told), clocks=clocks)


def _refs(trace: lineage.Trace) -> list[EventRef]:
    found = {ref for node in trace.nodes for ref in node.events}
    found.update(ref for edge in trace.edges for ref in edge.events)
    return sorted(found)


async def _captured(events: Events, refs: Sequence[EventRef]) -> list[CapturedEvent]:
    found: list[CapturedEvent] = []
    for first in range(0, len(refs), PAGE_MAX):
        found += (await events.at(refs[first : first + PAGE_MAX])).values()
    return sorted(found, key=lambda event: (event.event_time, event.ref))
