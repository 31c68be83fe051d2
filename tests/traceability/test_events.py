"""ARCHITECTURE §4 (views follow the log) and §7 (lineage in one call), on both databases."""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as database_event

from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.control import Mandate
from ledger.entries import Entries
from ledger.errors import DuplicateConflict
from ledger.follower import Follower
from ledger.identity import Identity
from ledger.salts import fresh_salts
from ledger.seal import Capture, Party
from tests.world import DAIRY, TRADER, World, key_of, rows_of_all_tables
from traceability.capture import seal_document
from traceability.document import Document, Event, EventType
from traceability.errors import BoundExceeded, EventUnknown
from traceability.events import PAGE_MAX, CapturedEvent, EventCursor, Events, TraceView
from traceability.identifiers import Identifier
from traceability.lineage import (
    Direction,
    EdgeKind,
    EventRef,
    Happening,
    Trace,
    Walk,
    mentions_of,
)

GTIN = "https://id.gs1.org/01/09506000134352"
MILK, CHEESE = f"{GTIN}/10/MILK-1", f"{GTIN}/10/CHEESE-1"
WHEEL = f"{GTIN}/21/W1"
PALLET = "https://id.gs1.org/00/106141412345678908"
SHIP = "urn:epc:id:giai:9506000.SHIP"
FOR_EVER = date(9999, 12, 31)
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=8)))

KEYS = {DAIRY: "dairy", TRADER: "trader"}


def an_event(hour: float, type_: str = "ObjectEvent", **members: object) -> dict[str, object]:
    moment = NOON + timedelta(hours=hour)
    event: dict[str, object] = {
        "type": type_,
        "eventTime": moment.isoformat(),
        "eventTimeZoneOffset": "+08:00",
    }
    if type_ != "TransformationEvent":
        event["action"] = "OBSERVE"
    return event | members


def farm_to_shelf() -> list[dict[str, object]]:
    """Milk becomes cheese, a wheel of it goes on a pallet, the pallet on a ship, and off again."""
    return [
        an_event(
            0,
            "TransformationEvent",
            inputQuantityList=[{"epcClass": MILK, "quantity": 100, "uom": "KGM"}],
            outputQuantityList=[{"epcClass": CHEESE, "quantity": 10.0, "uom": "KGM"}],
            bizStep="creating_class_instance",
            readPoint={"id": "urn:epc:id:sgln:9506000.11111.0"},
        ),
        an_event(
            1,
            action="ADD",
            epcList=["https://cheese.example/01/09506000134352/10/CHEESE-1/21/W1?linkType=all"],
            bizStep="commissioning",
            disposition="active",
            eventID="urn:uuid:wheel-1",
        ),
        an_event(2, "AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[WHEEL]),
        an_event(3, "AggregationEvent", action="ADD", parentID=SHIP, childEPCs=[PALLET]),
        an_event(50, epcList=[SHIP], bizStep="arriving"),
        an_event(60, "AggregationEvent", action="DELETE", parentID=SHIP),
        an_event(70, "AggregationEvent", action="DELETE", parentID=PALLET, childEPCs=[WHEEL]),
        an_event(80, epcList=[WHEEL], bizStep="retail_selling"),
    ]


@dataclass
class Trade:
    """A world whose dairy and trader capture, and a view that follows."""

    world: World
    follower: Follower

    async def capture(
        self, *events: dict[str, object], party: Identity = DAIRY, jti: str | None = None
    ) -> Acknowledgement:
        whole = {
            "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-03-02T09:00:00+08:00",
            "epcisBody": {"eventList": list(events)},
        }
        return await self.capture_document(json.dumps(whole).encode(), party=party, jti=jti)

    async def capture_document(
        self, raw: bytes, *, party: Identity = DAIRY, jti: str | None = None
    ) -> Acknowledgement:
        submission = self.sealed(raw, party=party, jti=jti)
        (acknowledgement,) = await self.world.sequencer.submit(submission)
        await self.follower.catch_up()
        return acknowledgement

    def sealed(self, raw: bytes, *, party: Identity, jti: str | None = None) -> Submission:
        return seal_document(
            Document.parse(raw),
            party=Party.of(party),
            issuer=party.label(),
            key=key_of(KEYS[party]),
            issued_at=int(self.world.clock.at.timestamp()),
            secrets=fresh_salts(),
            jti=jti,
        )

    async def trace(
        self,
        name: str,
        direction: Direction = Direction.BOTH,
        *,
        as_of: date = FOR_EVER,
        tree_size: int | None = None,
        depth: int = 20,
        node_max: int = 1000,
    ) -> Trace:
        async with self.world.database.reading() as session:
            return await Events(session).trace(
                Identifier.parse_any(name),
                direction=direction,
                as_of=as_of,
                tree_size=self.world.sequencer.tree_size if tree_size is None else tree_size,
                depth=depth,
                node_max=node_max,
            )


@pytest.fixture
async def trade(database_url: str) -> AsyncIterator[Trade]:
    async with World.opened(database_url) as world:
        for identity, key in KEYS.items():
            await world.begin_key(key, identity.label())
        yield Trade(world, Follower(world.database, [TraceView()]))


def names(trace: Trace) -> set[str]:
    return {node.identifier for node in trace.nodes}


def canonical(name: str) -> str:
    return Identifier.parse_any(name).canonical


async def test_a_wheel_of_cheese_is_traced_from_the_milk_to_the_shelf(trade: Trade) -> None:
    captured = [(await trade.capture(event)).leaf_index for event in farm_to_shelf()]
    trace = await trade.trace("urn:epc:id:sgtin:9506000.013435.W1")
    assert [(node.identifier, node.level, node.direction) for node in trace.nodes] == [
        (WHEEL, 0, Direction.BOTH),
        (PALLET, 1, Direction.UP),
        (CHEESE, 1, Direction.UP),
        (MILK, 2, Direction.UP),
        (canonical(SHIP), 2, Direction.UP),
    ]
    assert {(edge.source, edge.target, edge.kind) for edge in trace.edges} == {
        (MILK, CHEESE, EdgeKind.TRANSFORMATION),
        (CHEESE, WHEEL, EdgeKind.LOT),
        (WHEEL, PALLET, EdgeKind.CONTAINMENT),
        (PALLET, canonical(SHIP), EdgeKind.CONTAINMENT),
    }
    by_name = {node.identifier: node.events for node in trace.nodes}
    assert by_name[WHEEL] == tuple(EventRef(captured[at], 0) for at in (1, 2, 6, 7))
    assert by_name[canonical(SHIP)] == tuple(EventRef(captured[at], 0) for at in (3, 4, 5))
    assert not trace.truncated
    down = await trade.trace(MILK, Direction.DOWN)
    assert names(down) == names(trace)


async def test_each_level_of_a_walk_is_one_statement(trade: Trade) -> None:
    for event in farm_to_shelf():
        await trade.capture(event)
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    engine = trade.world.database.engine.sync_engine
    database_event.listen(engine, "before_cursor_execute", note)
    trace = await trade.trace(MILK, Direction.DOWN)
    database_event.remove(engine, "before_cursor_execute", note)
    asked = [statement for statement in statements if "trace_item" in statement]
    assert max(node.level for node in trace.nodes) == 4
    assert len(asked) == 5


async def test_a_walk_goes_to_each_event_by_an_index_and_scans_nothing_of_the_store(
    trade: Trade,
) -> None:
    for event in farm_to_shelf():
        await trade.capture(event)
    plans: list[str] = []

    def explain(
        connection: Connection,
        _: object,
        statement: str,
        parameters: tuple[object, ...],
        *__: object,
    ) -> None:
        if "trace_item" in statement and not statement.startswith("EXPLAIN"):
            told = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in told)

    if (
        trade.world.database.is_sqlite
    ):  # PostgreSQL decides by its statistics, and scans small tables.
        engine = trade.world.database.engine.sync_engine
        database_event.listen(engine, "before_cursor_execute", explain)
        await trade.trace(WHEEL)
        database_event.remove(engine, "before_cursor_execute", explain)
        assert len(plans) > 10
        assert [plan for plan in plans if plan.startswith("SCAN trace_")] == []
        # Not by the label alone: that would read all that a party ever captured.
        assert [plan for plan in plans if "(subject=? AND leaf_index<?)" in plan] == []
    assert len(names(await trade.trace(WHEEL))) == 5


async def test_an_event_is_known_from_its_day_and_its_tree_size_on(trade: Trade) -> None:
    first = (await trade.capture(*farm_to_shelf())).leaf_index
    assert names(await trade.trace(WHEEL, tree_size=first)) == {WHEEL}
    assert len(names(await trade.trace(WHEEL, tree_size=first + 1))) == 5
    assert names(await trade.trace(WHEEL, as_of=date(2026, 3, 1))) == {WHEEL}
    # By the day of the place: 60 hours after noon in China is the fifth.
    assert len(names(await trade.trace(WHEEL, as_of=date(2026, 3, 2)))) == 5
    ship = next(
        node
        for node in (await trade.trace(WHEEL, as_of=date(2026, 3, 4))).nodes
        if node.identifier == canonical(SHIP)
    )
    assert len(ship.events) == 2


async def test_what_its_own_party_declares_erroneous_is_void_from_then_on(trade: Trade) -> None:
    await trade.capture(*farm_to_shelf())
    before = await trade.trace(WHEEL)
    wrong = an_event(
        5,
        "AggregationEvent",
        action="ADD",
        parentID="urn:x:crate",
        childEPCs=[WHEEL],
        eventID="urn:uuid:wrong",
    )
    await trade.capture(wrong)
    size = trade.world.sequencer.tree_size
    declaration = wrong | {
        "errorDeclaration": {
            "declarationTime": "2026-03-06T00:00:00+08:00",
            "reason": "did_not_occur",
        }
    }
    assert "urn:x:crate" in names(await trade.trace(WHEEL))
    await trade.capture(declaration, party=TRADER)
    assert "urn:x:crate" in names(await trade.trace(WHEEL))
    declared = (await trade.capture(declaration)).leaf_index
    assert await trade.trace(WHEEL) == before
    assert "urn:x:crate" in names(await trade.trace(WHEEL, tree_size=size))
    async with trade.world.database.reading() as session:
        event = await Events(session).event(declared, 0, tree_size=declared + 1)
    assert event.declares_error


async def test_a_declaration_that_comes_before_its_event_voids_it_too(trade: Trade) -> None:
    wrong = an_event(0, epcList=[WHEEL], eventID="urn:uuid:wrong")
    declaration = wrong | {"errorDeclaration": {"declarationTime": "2026-03-06T00:00:00+08:00"}}
    await trade.capture(declaration)
    await trade.capture(wrong)
    (node,) = (await trade.trace(WHEEL)).nodes
    assert node.events == ()


async def test_pages_of_events_follow_event_time_and_neither_repeat_nor_miss(trade: Trade) -> None:
    for hour in (5, 3, 3, 9, 1):
        await trade.capture(an_event(hour, epcList=[WHEEL]), jti=f"{hour}-{random.random()}")
    size = trade.world.sequencer.tree_size
    async with trade.world.database.reading() as session:
        events = Events(session)
        name = Identifier.parse(WHEEL)
        whole = await events.events_of(name, as_of=FOR_EVER, tree_size=size)
        assert [event.event_time - NOON for event in whole] == [
            timedelta(hours=hour) for hour in (1, 3, 3, 5, 9)
        ]
        assert whole[1].ref < whole[2].ref
        paged: list[CapturedEvent] = []
        after: EventCursor | None = None
        while page := await events.events_of(
            name, as_of=FOR_EVER, tree_size=size, after=after, limit=2
        ):
            paged.extend(page)
            after = EventCursor(page[-1].event_time, page[-1].ref)
        assert paged == list(whole)


async def test_a_page_beyond_its_bound_is_our_own_mistake(trade: Trade) -> None:
    wheel = Identifier.parse_any(WHEEL)
    async with trade.world.database.reading() as session:
        events = Events(session)
        for limit in (0, PAGE_MAX + 1):
            with pytest.raises(AssertionError):
                await events.events_of(wheel, as_of=FOR_EVER, tree_size=1, limit=limit)
        places = [EventRef(0, position) for position in range(PAGE_MAX + 1)]
        with pytest.raises(AssertionError):
            await events.at(places)
        assert await events.at(places[1:]) == {}


async def test_an_event_is_found_by_its_place_in_the_log(trade: Trade) -> None:
    leaf_index = (await trade.capture(*farm_to_shelf())).leaf_index
    async with trade.world.database.reading() as session:
        events = Events(session)
        event = await events.event(leaf_index, 0, tree_size=leaf_index + 1)
        assert event.ref == EventRef(leaf_index, 0)
        assert event.party == DAIRY.label()
        assert (event.type, event.action) == (EventType.TRANSFORMATION, None)
        assert event.biz_step == "creating_class_instance"
        assert event.read_point == "https://id.gs1.org/414/9506000111117"
        assert (event.event_time, event.event_time.utcoffset()) == (NOON, timedelta(hours=8))
        assert event.happened_on == date(2026, 3, 2)
        found = await events.at([EventRef(leaf_index, 7), EventRef(leaf_index, 8)])
        assert list(found) == [EventRef(leaf_index, 7)]
        for place, size in (
            ((leaf_index, 8), leaf_index + 1),
            ((leaf_index, 0), leaf_index),
            ((leaf_index, 2**31), leaf_index + 1),
            ((leaf_index, -(2**31)), leaf_index + 1),
            ((-(2**70), 0), leaf_index + 1),
        ):
            with pytest.raises(EventUnknown) as refusal:
                await events.event(*place, tree_size=size)
            assert refusal.value.code == "TRACE_EVENT_UNKNOWN"


async def test_bounds_are_refused_before_anything_is_read(trade: Trade) -> None:
    with pytest.raises(BoundExceeded):
        await trade.trace(WHEEL, depth=51)


async def test_a_document_sent_twice_is_captured_once(trade: Trade) -> None:
    first = await trade.capture(*farm_to_shelf())
    rows = await rows_of_all_tables(trade.world.database)
    again = await trade.capture(*farm_to_shelf())
    assert (again.leaf_index, again.duplicate) == (first.leaf_index, True)
    assert await rows_of_all_tables(trade.world.database) == rows
    await trade.capture(*farm_to_shelf(), party=TRADER)
    await trade.capture(an_event(1, epcList=[WHEEL]), jti="chosen")
    with pytest.raises(DuplicateConflict):
        await trade.capture(an_event(2, epcList=[WHEEL]), jti="chosen")


async def test_an_event_that_cannot_be_read_is_sealed_but_never_traced(trade: Trade) -> None:
    readable = json.dumps(an_event(1, epcList=[WHEEL])).encode()
    acknowledgement = await trade.world.capture(b'{"type":"NoEvent"}', readable)
    await trade.follower.catch_up()
    (node,) = (await trade.trace(WHEEL)).nodes
    assert node.events == (EventRef(acknowledgement.leaf_index, 1),)


async def test_a_door_may_capture_for_a_party_without_a_key(trade: Trade) -> None:
    door = Identity.parse("uscc", "91152501MA0XY0037Y")
    await trade.world.begin_key("door", door.label())
    await trade.world.control(Mandate(door.label(), ("capture",)))
    raw = json.dumps(an_event(1, epcList=[WHEEL])).encode()
    captured = await trade.world.capture(raw, party=TRADER, issuer=door, key="door")
    await trade.follower.catch_up()
    async with trade.world.database.reading() as session:
        event = await Events(session).event(
            captured.leaf_index, 0, tree_size=captured.leaf_index + 1
        )
    assert event.party == TRADER.label()


async def test_every_example_document_is_captured_and_its_view_rebuilt_alike(
    trade: Trade, shared_data: Callable[[str], Path]
) -> None:
    count = 0
    for path in sorted(shared_data("epcis/examples").glob("*/*.jsonld")):
        if path.name != "AssociationEvent-h.jsonld":
            await trade.capture_document(path.read_bytes())
            count += 1
    assert count == 46
    transformed = await trade.trace("urn:epc:id:sgtin:4012345.077889.25", Direction.UP)
    assert "https://id.gs1.org/01/04012345111118/10/4444" in names(transformed)
    rows = await rows_of_all_tables(trade.world.database)
    assert len(rows["trace_event"]) > count
    await trade.follower.rebuild()
    assert await rows_of_all_tables(trade.world.database) == rows


THINGS = [f"{GTIN}/21/{name}" for name in "ABCD"] + [f"{GTIN}/10/{name}" for name in "KL"]
HOLDERS = [PALLET, SHIP, "urn:x:crate"]


def any_event(chance: random.Random, number: int) -> dict[str, object]:
    hour = chance.randrange(40)
    some = chance.sample(THINGS + HOLDERS, chance.randint(1, 2))
    others = chance.sample(THINGS + HOLDERS, chance.randint(1, 2))
    id_ = {"eventID": f"urn:uuid:{number}"}
    match chance.randrange(6):
        case 0:
            run = chance.choice([{}, {"transformationID": "urn:x:run"}])
            return an_event(
                hour, "TransformationEvent", inputEPCList=some, outputEPCList=others, **run, **id_
            )
        case 1:
            serial = chance.choice("ABCD")
            link = f"{GTIN}/10/{chance.choice('KL')}/21/{serial}"
            return an_event(hour, epcList=[link], **id_)
        case 2:
            parent = chance.choice(HOLDERS)
            return an_event(hour, "AggregationEvent", action="DELETE", parentID=parent, **id_)
        case 3:
            return an_event(
                hour, "AssociationEvent", action="ADD", parentID=SHIP, childEPCs=some, **id_
            )
        case _:
            return an_event(
                hour,
                "AggregationEvent",
                action=chance.choice(["ADD", "ADD", "OBSERVE", "DELETE"]),
                parentID=chance.choice(HOLDERS),
                childEPCs=some,
                **id_,
            )


async def all_known(trade: Trade, as_of: date, tree_size: int) -> Sequence[Happening]:
    """Every valid event, by reading the whole log."""
    async with trade.world.database.reading() as session:
        entries = await Entries(session).read(0, tree_size)
        while entries[-1].leaf_index < tree_size - 1:
            rest = await Entries(session).read(entries[-1].leaf_index + 1, tree_size)
            entries = [*entries, *rest]
    captures = [
        (entry.leaf_index, entry.body)
        for entry in entries
        if isinstance(entry.body, Capture) and entry.leaf_index < tree_size
    ]

    def every() -> Iterator[tuple[EventRef, str, Event]]:
        for leaf_index, capture in captures:
            for position, sealed in enumerate(capture.events):
                yield EventRef(leaf_index, position), capture.subject, Event.parse(sealed.raw)

    void = {(party, event.event_id) for _, party, event in every() if event.error_declaration}
    return [
        Happening(ref, event.event_time, event.action, event.transformation_id, mentions_of(event))
        for ref, party, event in every()
        if event.happened_on <= as_of and (party, event.event_id) not in void
    ]


async def test_the_statement_tells_the_walk_as_much_as_reading_the_whole_log_would(
    trade: Trade,
) -> None:
    chance = random.Random(20260302)
    told: list[dict[str, object]] = []
    for number in range(60):
        told.append(any_event(chance, number))
        if number % 9 == 8:
            wrong = chance.choice(told)
            declared = {"declarationTime": "2026-03-06T00:00:00+08:00"}
            told.append(wrong | {"errorDeclaration": declared})
    for first in range(0, len(told), 4):
        await trade.capture(*told[first : first + 4], party=chance.choice([DAIRY, TRADER]))
    head = trade.world.sequencer.tree_size
    compared = 0
    for tree_size, as_of in ((head, FOR_EVER), (head - 6, date(2026, 3, 3))):
        happenings = await all_known(trade, as_of, tree_size)
        for root in THINGS + HOLDERS:
            for direction in (Direction.UP, Direction.DOWN):
                walk = Walk(Identifier.parse_any(root), direction)
                while walk.frontier:
                    walk.learn(happenings)
                answer = await trade.trace(root, direction, as_of=as_of, tree_size=tree_size)
                assert answer == Trace.of([walk])
                compared += len(answer.edges)
    assert compared > 100
