"""Captured events, found again by what they name, kept current by following the ledger.

    TraceView       follows the log: captures become events and items
    CapturedEvent   an event as the view holds it
    EventCursor     where a page of events goes on
    Events          the questions
      .trace        origins and whereabouts of one name, one statement a level
      .events_of    a page of the events that name it, by event time
      .event        one event by its place in the log
      .at           many events by their places, in one statement

The only reader and writer of the two trace tables. Two clocks: `as_of`, the civil day at the place
of an event, and `tree_size`, what the log held. At each, an event that a later capture of the same
party declared erroneous is void, and neither it nor the declaration is part of an answer; another
party's declaration is its own opinion and voids nothing. An event that this version cannot read
is proven by the ledger all the same, and has no rows here. Repositories never commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    SmallInteger,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ledger.entries import LoggedEntry
from ledger.identity import SubjectLabel
from ledger.seal import EVENTS_MAX, Capture
from ledger.tables import Instant
from traceability.document import Action, Event, EventType
from traceability.errors import EventUnknown, TraceabilityError
from traceability.identifiers import Identifier
from traceability.lineage import (
    DEPTH_DEFAULT,
    NODES_DEFAULT,
    Direction,
    EventRef,
    Happening,
    Mention,
    Role,
    Trace,
    Walk,
    mentions_of,
)
from traceability.tables import EventRow, ItemRow

PAGE_MAX = 1_000
"""Events of one page, or of one `at`."""


class TraceView:
    """The view `trace` of the ledger."""

    name = "trace"

    async def apply(self, session: AsyncSession, entries: Sequence[LoggedEntry]) -> None:
        """Add what these entries capture."""
        for entry in entries:
            if not isinstance(entry.body, Capture):
                continue
            # Capture by capture, so that memory holds the names of one.
            events: list[dict[str, Any]] = []
            items: list[dict[str, Any]] = []
            for position, event in _readable(entry.body):
                ref = EventRef(entry.leaf_index, position)
                events.append(_event_values(entry.body, ref, event))
                items.extend(_item_values(entry.body, ref, event))
            if events:
                await session.execute(insert(EventRow), events)
            if items:
                await session.execute(insert(ItemRow), items)

    async def clear(self, session: AsyncSession) -> None:
        """Remove every row."""
        await session.execute(delete(ItemRow))
        await session.execute(delete(EventRow))


def _readable(capture: Capture) -> Iterator[tuple[int, Event]]:
    for position, sealed in enumerate(capture.events):
        try:
            yield position, Event.parse(sealed.raw)
        except TraceabilityError:
            # A finished token may seal anything. The door of documents refuses such an event.
            continue


def _event_values(capture: Capture, ref: EventRef, event: Event) -> dict[str, Any]:
    offset = event.event_time_zone_offset.utcoffset(None)
    return {
        "subject": capture.subject,
        "leaf_index": ref.leaf_index,
        "position": ref.position,
        "party": capture.party.subject,
        "type": event.type.value,
        "event_id": event.event_id,
        "event_time": event.event_time,
        "offset_minutes": offset // timedelta(minutes=1),
        "happened_on": event.happened_on,
        "action": event.action.value if event.action else None,
        "biz_step": event.biz_step,
        "disposition": event.disposition,
        "read_point": event.read_point.canonical if event.read_point else None,
        "biz_location": event.biz_location.canonical if event.biz_location else None,
        "transformation_id": event.transformation_id,
        "declares_error": event.error_declaration is not None,
    }


def _item_values(capture: Capture, ref: EventRef, event: Event) -> Iterator[dict[str, Any]]:
    for mention in mentions_of(event):
        yield {
            "identifier": mention.identifier,
            "leaf_index": ref.leaf_index,
            "position": ref.position,
            "ordinal": mention.ordinal,
            "subject": capture.subject,
            "role": mention.role.value,
            "lot": mention.lot,
            "quantity": mention.quantity,
            "uom": mention.uom,
        }


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """An event as the view holds it; its bytes are in the ledger at `ref`."""

    ref: EventRef
    party: SubjectLabel
    """Who captured it, by its label in statements."""
    type: EventType
    event_id: str | None
    event_time: datetime
    """In the local time of the place."""
    happened_on: date
    action: Action | None
    biz_step: str | None
    disposition: str | None
    read_point: str | None
    biz_location: str | None
    transformation_id: str | None
    declares_error: bool
    """Whether it says that the event with its id is void."""

    @classmethod
    def of_row(cls, row: EventRow) -> CapturedEvent:
        """The value of a row."""
        local = timezone(timedelta(minutes=row.offset_minutes))
        return cls(
            ref=EventRef(row.leaf_index, row.position),
            party=row.party,
            type=EventType(row.type),
            event_id=row.event_id,
            event_time=row.event_time.astimezone(local),
            happened_on=row.happened_on,
            action=Action(row.action) if row.action else None,
            biz_step=row.biz_step,
            disposition=row.disposition,
            read_point=row.read_point,
            biz_location=row.biz_location,
            transformation_id=row.transformation_id,
            declares_error=row.declares_error,
        )


class EventCursor(NamedTuple):
    """The last event of a page; the next page begins after it."""

    event_time: datetime
    ref: EventRef


class Events:
    """What was captured, by what it names."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def trace(
        self,
        identifier: Identifier,
        *,
        as_of: date,
        tree_size: int,
        direction: Direction = Direction.BOTH,
        depth: int = DEPTH_DEFAULT,
        node_max: int = NODES_DEFAULT,
    ) -> Trace:
        """Where it came from and where it went. Raises `BoundExceeded`."""
        both = (Direction.UP, Direction.DOWN)
        walks = [
            Walk(identifier, one, depth=depth, node_max=node_max)
            for one in (both if direction is Direction.BOTH else (direction,))
        ]
        for walk in walks:
            statement = _HAPPENINGS[walk.direction]
            while walk.frontier:
                rows = await self._session.execute(
                    statement,
                    {"frontier": walk.frontier, "as_of": as_of, "tree_size": tree_size},
                )
                walk.learn(_happenings(rows.all()))
        return Trace.of(walks)

    async def events_of(
        self,
        identifier: Identifier,
        *,
        as_of: date,
        tree_size: int,
        after: EventCursor | None = None,
        limit: int = PAGE_MAX,
    ) -> Sequence[CapturedEvent]:
        """A page of the events that name it, by event time and then by place in the log."""
        assert 0 < limit <= PAGE_MAX
        order = (EventRow.event_time, EventRow.leaf_index, EventRow.position)
        names_it = exists().where(
            ItemRow.identifier == identifier.finest.canonical, *_same_event(ItemRow, EventRow)
        )
        query = select(EventRow).where(names_it, *_known(as_of, tree_size)).order_by(*order)
        if after is not None:
            last = (
                literal(after.event_time, Instant),
                literal(after.ref.leaf_index, BigInteger),
                literal(after.ref.position, SmallInteger),
            )
            query = query.where(tuple_(*order) > tuple_(*last))
        rows = await self._session.scalars(query.limit(limit))
        return [CapturedEvent.of_row(row) for row in rows]

    async def event(self, leaf_index: int, position: int, *, tree_size: int) -> CapturedEvent:
        """One event, void or not. Raises `EventUnknown`."""
        ref = EventRef(leaf_index, position)
        within = 0 <= leaf_index < tree_size and 0 <= position < EVENTS_MAX
        found = await self.at([ref]) if within else {}
        if ref not in found:
            raise EventUnknown(
                f"no event at index {leaf_index}, position {position}",
                path=("leafIndex", "position"),
            )
        return found[ref]

    async def at(self, refs: Sequence[EventRef]) -> dict[EventRef, CapturedEvent]:
        """The events at these places; a place without an event is left out."""
        assert len(refs) <= PAGE_MAX
        place = tuple_(EventRow.leaf_index, EventRow.position)
        rows = await self._session.scalars(select(EventRow).where(place.in_(refs)))
        found = [CapturedEvent.of_row(row) for row in rows]
        return {event.ref: event for event in found}


def _happenings(rows: Sequence[Any]) -> Iterator[Happening]:
    """One row a mention; the rows of one event become one happening."""
    mentions: dict[EventRef, list[Mention]] = defaultdict(list)
    heads: dict[EventRef, tuple[datetime, Action | None, str | None]] = {}
    for row in rows:
        ref = EventRef(row.leaf_index, row.position)
        action = Action(row.action) if row.action else None
        heads[ref] = (row.event_time, action, row.transformation_id)
        mentions[ref].append(
            Mention(row.ordinal, row.identifier, Role(row.role), row.lot, row.quantity, row.uom)
        )
    for ref, head in heads.items():
        yield Happening(ref, *head, tuple(mentions[ref]))


def _same_event(one: Any, other: Any) -> tuple[ColumnElement[bool], ...]:  # noqa: ANN401
    return (
        one.subject == other.subject,
        one.leaf_index == other.leaf_index,
        one.position == other.position,
    )


def _known(as_of: Any, tree_size: Any) -> tuple[ColumnElement[bool], ...]:  # noqa: ANN401
    """True then, known then, and not void by what was known then."""
    declaration = aliased(EventRow)
    is_void = exists().where(
        declaration.subject == EventRow.subject,
        declaration.event_id == EventRow.event_id,
        declaration.declares_error,
        # A sum has no index: SQLite, which keeps no statistics, would walk the whole label by
        # leaf index instead of going to the one event id.
        declaration.leaf_index + 0 < tree_size,
    )
    return (
        EventRow.happened_on <= as_of,
        EventRow.leaf_index < tree_size,
        ~EventRow.declares_error,
        ~is_void,
    )


def _happenings_of_frontier(direction: Direction) -> Select[Any]:
    """All that `Walk` must be told about a frontier, as one statement.

    The list of names is bound twice. With the most nodes a walk may have that is below what
    either database takes as variables of one statement (32,766 and 32,767).
    """
    frontier: BindParameter[Any] = bindparam("frontier", expanding=True)
    own, others = (
        (Role.OUTPUT, Role.INPUT) if direction is Direction.UP else (Role.INPUT, Role.OUTPUT)
    )
    naming = select(ItemRow).where(ItemRow.identifier.in_(frontier)).cte("naming")
    beside = aliased(ItemRow)
    partners = (
        select(beside)
        .join(naming, and_(*_same_event(beside, naming.c)))
        .where(
            or_(
                and_(naming.c.role == own.value, beside.role == others.value),
                and_(naming.c.role == Role.CHILD.value, beside.role == Role.PARENT.value),
                and_(naming.c.role == Role.PARENT.value, beside.role == Role.CHILD.value),
            )
        )
    )
    run, fellow, of_run = aliased(EventRow), aliased(EventRow), aliased(ItemRow)
    runs = (
        select(of_run)
        .join(fellow, and_(*_same_event(of_run, fellow)))
        .join(run, run.transformation_id == fellow.transformation_id)
        .join(naming, and_(*_same_event(run, naming.c)))
        .where(naming.c.role == own.value, of_run.role == others.value)
    )
    parent, emptied = aliased(ItemRow), aliased(ItemRow)
    emptyings = (
        select(emptied)
        .join(parent, parent.identifier == emptied.identifier)
        .join(naming, and_(*_same_event(parent, naming.c)))
        .where(
            naming.c.role == Role.CHILD.value,
            parent.role == Role.PARENT.value,
            emptied.role == Role.EMPTIED.value,
        )
    )
    units = select(ItemRow).where(ItemRow.lot.in_(frontier))
    told: CompoundSelect[Any] = union(select(naming), partners, runs, emptyings, units)
    items = told.subquery("items")
    return (
        select(
            EventRow.leaf_index,
            EventRow.position,
            EventRow.event_time,
            EventRow.action,
            EventRow.transformation_id,
            items.c.ordinal,
            items.c.identifier,
            items.c.role,
            items.c.lot,
            items.c.quantity,
            items.c.uom,
        )
        .join(items, and_(*_same_event(EventRow, items.c)))
        .where(*_known(bindparam("as_of"), bindparam("tree_size")))
    )


_HAPPENINGS = {
    direction: _happenings_of_frontier(direction) for direction in (Direction.UP, Direction.DOWN)
}
