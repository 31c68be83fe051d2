"""EPCIS 2.0 §7.4 (what events mean for goods), ARCHITECTURE §7 (containment half-open in time)."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traceability.document import Action, Document, Event
from traceability.errors import BoundExceeded
from traceability.identifiers import Grain, Identifier
from traceability.lineage import (
    DEPTH_MAX,
    NODES_MAX,
    Direction,
    Edge,
    EdgeKind,
    EventRef,
    Happening,
    Mention,
    Role,
    Trace,
    Walk,
    mentions_of,
)

UP, DOWN, BOTH = Direction.UP, Direction.DOWN, Direction.BOTH
GTIN = "https://id.gs1.org/01/09506000134352"
PALLET, CONTAINER, TRUCK = "urn:x:pallet", "urn:x:container", "urn:x:truck"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def unit(name: str) -> str:
    return f"{GTIN}/21/{name}"


def lot(name: str) -> str:
    return f"{GTIN}/10/{name}"


class Told:
    """Events told one after another, one capture each."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []

    def tell(
        self,
        hour: int,
        action: Action | None,
        *named: tuple[Role, str],
        run: str | None = None,
        amount: int | str | None = None,
        of_lot: str | None = None,
    ) -> EventRef:
        ref = EventRef(len(self.happenings), 0)
        mentions = tuple(
            Mention(
                ordinal,
                name,
                role,
                lot=of_lot if "/21/" in name else None,
                quantity=str(amount) if amount is not None and role is Role.CHILD else None,
                uom="KGM" if amount is not None and role is Role.CHILD else None,
            )
            for ordinal, (role, name) in enumerate(named)
        )
        moment = NOON + timedelta(hours=hour)
        self.happenings.append(Happening(ref, moment, action, run, mentions))
        return ref

    def make(
        self, hour: int, inputs: Iterable[str], outputs: Iterable[str], run: str | None = None
    ) -> EventRef:
        named = [(Role.INPUT, name) for name in inputs] + [(Role.OUTPUT, name) for name in outputs]
        return self.tell(hour, None, *named, run=run)

    def pack(
        self, hour: int, parent: str, *children: str, amount: int | str | None = None
    ) -> EventRef:
        named = [(Role.CHILD, name) for name in children]
        return self.tell(hour, Action.ADD, (Role.PARENT, parent), *named, amount=amount)

    def unpack(
        self, hour: int, parent: str, *children: str, amount: int | str | None = None
    ) -> EventRef:
        if not children:
            return self.tell(hour, Action.DELETE, (Role.EMPTIED, parent))
        named = [(Role.CHILD, name) for name in children]
        return self.tell(hour, Action.DELETE, (Role.PARENT, parent), *named, amount=amount)

    def see(self, hour: int, *names: str, of_lot: str | None = None) -> EventRef:
        named = [(Role.OBJECT, name) for name in names]
        return self.tell(hour, Action.OBSERVE, *named, of_lot=of_lot)

    def trace(
        self, root: str, direction: Direction, *, depth: int = 20, node_max: int = 1000
    ) -> Trace:
        return trace(self.happenings, root, direction, depth=depth, node_max=node_max)


def asked_for(
    happenings: Sequence[Happening], names: Sequence[str], direction: Direction
) -> list[Happening]:
    """The least that `Walk` says it must be told."""
    wanted = Role.INPUT if direction is UP else Role.OUTPUT
    naming = Role.OUTPUT if direction is UP else Role.INPUT
    runs = set()
    parents = set()
    for happening in happenings:
        for mention in happening.mentions:
            if mention.identifier in names:
                if mention.role is naming and happening.transformation_id:
                    runs.add(happening.transformation_id)
                if mention.role is Role.CHILD:
                    parents |= {
                        other.identifier
                        for other in happening.mentions
                        if other.role is Role.PARENT
                    }
    parts = []
    for happening in happenings:
        roles = {one.role for one in happening.mentions if one.identifier in names}
        kept = tuple(
            mention
            for mention in happening.mentions
            if mention.identifier in names
            or mention.lot in names
            or (mention.role is wanted and (naming in roles or happening.transformation_id in runs))
            or (mention.role is Role.PARENT and Role.CHILD in roles)
            or (mention.role is Role.CHILD and Role.PARENT in roles)
            or (mention.role is Role.EMPTIED and mention.identifier in parents)
        )
        if kept:
            parts.append(replace(happening, mentions=kept))
    return parts


def trace(
    happenings: Sequence[Happening],
    root: str,
    direction: Direction,
    *,
    tell_all: bool = False,
    depth: int = 20,
    node_max: int = 1000,
) -> Trace:
    walks = [
        Walk(Identifier.parse_any(root), one, depth=depth, node_max=node_max)
        for one in ((UP, DOWN) if direction is BOTH else (direction,))
    ]
    for walk in walks:
        while walk.frontier:
            walk.learn(
                happenings if tell_all else asked_for(happenings, walk.frontier, walk.direction)
            )
    return Trace.of(walks)


def names(trace: Trace) -> set[str]:
    return {node.identifier for node in trace.nodes}


def levels(trace: Trace) -> dict[str, int]:
    return {node.identifier: node.level for node in trace.nodes}


def events(trace: Trace, name: str) -> tuple[EventRef, ...]:
    return next(node.events for node in trace.nodes if node.identifier == name)


def test_a_chain_of_transformations_is_walked_both_ways() -> None:
    told = Told()
    first = told.make(0, [lot("MILK"), lot("CULTURE")], [lot("CURD")])
    second = told.make(5, [lot("CURD")], [lot("CHEESE"), lot("WHEY")])
    up = told.trace(lot("CHEESE"), UP)
    assert levels(up) == {lot("CHEESE"): 0, lot("CURD"): 1, lot("MILK"): 2, lot("CULTURE"): 2}
    assert Edge(lot("CURD"), lot("CHEESE"), EdgeKind.TRANSFORMATION, (second,)) in up.edges
    assert Edge(lot("MILK"), lot("CURD"), EdgeKind.TRANSFORMATION, (first,)) in up.edges
    assert len(up.edges) == 3
    assert events(up, lot("CURD")) == (first, second)
    down = told.trace(lot("MILK"), DOWN)
    assert levels(down) == {lot("MILK"): 0, lot("CURD"): 1, lot("CHEESE"): 2, lot("WHEY"): 2}
    both = told.trace(lot("CURD"), BOTH)
    assert {node.identifier: node.direction for node in both.nodes} == {
        lot("CURD"): BOTH,
        lot("MILK"): UP,
        lot("CULTURE"): UP,
        lot("CHEESE"): DOWN,
        lot("WHEY"): DOWN,
    }
    assert not both.truncated


def test_events_of_one_transformation_id_are_one_transformation() -> None:
    told = Told()
    poured = told.make(0, [lot("MILK")], [], run="urn:x:run-1")
    told.make(1, [lot("SUGAR")], [], run="urn:x:run-1")
    taken = told.make(9, [], [lot("ICE")], run="urn:x:run-1")
    told.make(9, [lot("WATER")], [lot("OTHER")], run="urn:x:run-2")
    up = told.trace(lot("ICE"), UP)
    assert names(up) == {lot("ICE"), lot("MILK"), lot("SUGAR")}
    assert Edge(lot("MILK"), lot("ICE"), EdgeKind.TRANSFORMATION, (poured, taken)) in up.edges
    assert names(told.trace(lot("MILK"), DOWN)) == {lot("MILK"), lot("ICE")}


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_goods_mixed_again_and_again_are_walked_in_a_bounded_number_of_ways(
    direction: Direction,
) -> None:
    told = Told()
    for level in range(12):
        for hour in range(6):
            told.make(
                6 * level + hour,
                [lot(f"{level:02}.{one}") for one in range(30)],
                [lot(f"{level + 1:02}.{one}") for one in range(30)],
            )
    root = lot("12.0" if direction is UP else "00.0")
    started = time.monotonic()
    answer = told.trace(root, direction, depth=50)
    assert time.monotonic() - started < 5
    assert answer.truncated
    # The root leads 180 ways, as every name does: three levels whole, and 21 names of the fourth.
    assert len(names(answer)) == 1 + 5 * 30
    assert len(answer.edges) == 30 + 3 * 900 + 21 * 30
    cut = told.trace(root, direction, depth=50, node_max=1)
    assert (names(cut), cut.truncated) == ({root}, True)


def test_rework_ends_where_it_was_seen_before() -> None:
    told = Told()
    told.make(0, [lot("A")], [lot("B")])
    told.make(1, [lot("B")], [lot("A")])
    trace = told.trace(lot("A"), UP)
    assert levels(trace) == {lot("A"): 0, lot("B"): 1}
    assert len(trace.edges) == 2
    assert not trace.truncated


def test_a_product_without_lot_is_an_end_unless_it_is_asked_for() -> None:
    told = Told()
    told.make(0, [lot("ORE")], [GTIN])
    told.make(1, [GTIN], [lot("STEEL")])
    up = told.trace(lot("STEEL"), UP)
    assert names(up) == {lot("STEEL"), GTIN}
    assert events(up, GTIN) == ()
    assert next(node for node in up.nodes if node.identifier == GTIN).grain is Grain.PRODUCT
    assert names(told.trace(GTIN, BOTH)) == {GTIN, lot("ORE"), lot("STEEL")}


def test_a_unit_has_the_origins_of_its_lot_and_no_sisters() -> None:
    told = Told()
    told.make(0, [lot("MILK")], [lot("L1")])
    told.see(1, unit("S1"), of_lot=lot("L1"))
    told.see(1, unit("S2"), of_lot=lot("L1"))
    up = told.trace(unit("S1"), UP)
    assert levels(up) == {unit("S1"): 0, lot("L1"): 1, lot("MILK"): 2}
    assert Edge(lot("L1"), unit("S1"), EdgeKind.LOT, (EventRef(1, 0),)) in up.edges
    down = told.trace(lot("MILK"), DOWN)
    assert levels(down) == {lot("MILK"): 0, lot("L1"): 1, unit("S1"): 2, unit("S2"): 2}


def test_a_lot_has_the_origins_of_its_units() -> None:
    told = Told()
    told.make(0, [lot("PAPER")], [unit("S1")])
    told.see(1, unit("S1"), of_lot=lot("L1"))
    assert names(told.trace(lot("L1"), UP)) == {lot("L1"), unit("S1"), lot("PAPER")}


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_carrier_belongs_to_the_way_while_it_holds_the_goods(direction: Direction) -> None:
    told = Told()
    told.see(0, PALLET)
    packed = told.pack(1, PALLET, unit("S1"), unit("S2"))
    shipped = told.see(2, PALLET)
    emptied = told.unpack(3, PALLET)
    told.see(4, PALLET)
    trace = told.trace(unit("S1"), direction)
    assert levels(trace) == {unit("S1"): 0, PALLET: 1}
    # Half-open: what happens to the pallet afterwards is not the unit's, but the closing is.
    assert events(trace, PALLET) == (packed, shipped, emptied)
    assert trace.edges == (Edge(unit("S1"), PALLET, EdgeKind.CONTAINMENT, (packed, emptied)),)


def test_a_carrier_of_a_carrier_counts_only_while_both_hold() -> None:
    told = Told()
    told.pack(1, PALLET, unit("S1"))
    told.pack(2, CONTAINER, PALLET)
    told.unpack(4, CONTAINER, PALLET)
    told.unpack(6, PALLET, unit("S1"))
    told.pack(6, TRUCK, PALLET)
    assert levels(told.trace(unit("S1"), UP)) == {unit("S1"): 0, PALLET: 1, CONTAINER: 2}
    told.pack(5, TRUCK, PALLET)
    assert TRUCK in names(told.trace(unit("S1"), UP))


def test_a_container_asked_for_stands_for_its_contents() -> None:
    told = Told()
    told.make(0, [lot("MILK")], [unit("S1")])
    told.pack(1, PALLET, unit("S1"))
    told.pack(1, CONTAINER, PALLET)
    told.unpack(5, PALLET)
    told.make(6, [unit("S1")], [lot("SHREDS")])
    told.pack(0, "urn:x:earlier", unit("S1"))
    told.unpack(1, "urn:x:earlier")
    up, down = told.trace(PALLET, UP), told.trace(PALLET, DOWN)
    assert names(up) == {PALLET, CONTAINER, unit("S1"), lot("MILK"), "urn:x:earlier"}
    assert names(down) == {PALLET, CONTAINER, unit("S1"), lot("SHREDS")}


def test_to_consume_a_pallet_is_to_consume_what_is_on_it() -> None:
    told = Told()
    told.pack(1, PALLET, unit("GONE"))
    told.unpack(2, PALLET)
    told.pack(3, PALLET, unit("IN"))
    told.make(4, [PALLET], [lot("MADE")])
    told.unpack(5, PALLET)
    told.pack(6, PALLET, unit("LATE"))
    assert names(told.trace(lot("MADE"), UP)) == {lot("MADE"), PALLET, unit("IN")}
    assert names(told.trace(unit("IN"), DOWN)) == {unit("IN"), PALLET, lot("MADE")}
    assert names(told.trace(unit("GONE"), DOWN)) == {unit("GONE"), PALLET}
    assert names(told.trace(unit("LATE"), DOWN)) == {unit("LATE"), PALLET}


def test_a_class_stays_until_the_last_of_it_is_taken() -> None:
    told = Told()
    packed = told.pack(1, PALLET, lot("L1"), amount=10)
    part = told.unpack(2, PALLET, lot("L1"), amount=4)
    shipped = told.see(3, PALLET)
    rest = told.unpack(4, PALLET, lot("L1"), amount=6)
    told.see(5, PALLET)
    assert events(told.trace(lot("L1"), DOWN), PALLET) == (packed, part, shipped, rest)


def test_amounts_are_added_and_taken_without_rounding() -> None:
    told = Told()
    packed = told.pack(1, PALLET, lot("L1"), amount="1e20")
    told.pack(2, PALLET, lot("L1"), amount="1e-20")
    told.unpack(3, PALLET, lot("L1"), amount="1e20")
    seen = told.see(4, PALLET)
    of_pallet = events(told.trace(lot("L1"), DOWN), PALLET)
    assert packed in of_pallet
    assert seen in of_pallet, "a little of it is in there still"


def test_an_amount_that_cannot_be_told_counts_as_all_of_it() -> None:
    told = Told()
    packed = told.pack(1, PALLET, lot("L1"), amount=10)
    taken = told.unpack(2, PALLET, lot("L1"))
    told.see(3, PALLET)
    assert events(told.trace(lot("L1"), DOWN), PALLET) == (packed, taken)


def test_what_is_put_in_and_taken_out_at_one_moment_was_there() -> None:
    told = Told()
    packed = told.pack(1, PALLET, unit("S1"))
    taken = told.unpack(1, PALLET, unit("S1"))
    told.see(2, PALLET)
    assert events(told.trace(unit("S1"), UP), PALLET) == (packed, taken)


def test_what_is_taken_out_and_put_back_at_one_moment_is_there_afterwards() -> None:
    told = Told()
    told.pack(1, PALLET, unit("S1"))
    told.unpack(2, PALLET, unit("S1"))
    told.pack(2, PALLET, unit("S1"))
    shipped = told.see(3, PALLET)
    assert shipped in events(told.trace(unit("S1"), UP), PALLET)


def test_children_seen_in_a_parent_that_no_event_put_them_into_are_in_it() -> None:
    told = Told()
    seen = told.tell(2, Action.OBSERVE, (Role.PARENT, PALLET), (Role.CHILD, unit("S1")))
    emptied = told.unpack(3, PALLET)
    told.see(1, PALLET)
    assert events(told.trace(unit("S1"), UP), PALLET) == (seen, emptied)


def test_a_removal_alone_tells_nothing_of_the_time_before() -> None:
    told = Told()
    told.unpack(3, PALLET, unit("S1"))
    assert names(told.trace(unit("S1"), UP)) == {unit("S1")}


def test_an_association_contains_nothing() -> None:
    told = Told()
    told.tell(1, Action.ADD, (Role.WHOLE, TRUCK), (Role.PART, unit("S1")))
    trace = told.trace(unit("S1"), BOTH)
    assert names(trace) == {unit("S1")}
    assert events(trace, unit("S1")) == (EventRef(0, 0),)


def chain(length: int) -> Told:
    told = Told()
    for step in range(length):
        told.make(step, [lot(f"{step:03}")], [lot(f"{step + 1:03}")])
    return told


def test_a_walk_that_ends_at_its_depth_says_so() -> None:
    told = chain(5)
    assert not told.trace(lot("000"), DOWN, depth=5).truncated
    cut = told.trace(lot("000"), DOWN, depth=4)
    assert cut.truncated
    assert levels(cut) == {lot(f"{step:03}"): step for step in range(5)}
    assert events(cut, lot("004")) != ()
    assert names(told.trace(lot("000"), DOWN, depth=0)) == {lot("000")}


def test_a_walk_that_ends_at_its_number_of_nodes_says_so_and_keeps_the_first_by_name() -> None:
    told = Told()
    told.make(0, [lot("Z"), lot("C"), lot("A"), lot("B")], [lot("MADE")])
    assert not told.trace(lot("MADE"), UP, node_max=5).truncated
    cut = told.trace(lot("MADE"), UP, node_max=3)
    assert cut.truncated
    assert names(cut) == {lot("MADE"), lot("A"), lot("B")}


@pytest.mark.parametrize(
    ("bounds", "path"),
    [
        ({"depth": -1}, ("depth",)),
        ({"depth": DEPTH_MAX + 1}, ("depth",)),
        ({"node_max": 0}, ("nodes",)),
        ({"node_max": NODES_MAX + 1}, ("nodes",)),
    ],
)
def test_a_bound_beyond_reason_is_refused(bounds: dict[str, int], path: tuple[str, ...]) -> None:
    with pytest.raises(BoundExceeded) as refusal:
        Walk(Identifier.parse_any(PALLET), UP, **bounds)
    assert (refusal.value.code, refusal.value.path) == ("TRACE_BOUND_EXCEEDED", path)


THINGS = [
    *(unit(name) for name in "AB"),
    *(lot(name) for name in "KL"),
    PALLET,
    CONTAINER,
    GTIN,
]
HAPPENINGS = st.one_of(
    st.tuples(
        st.just("make"),
        st.integers(0, 6),
        st.lists(st.sampled_from(THINGS), max_size=2),
        st.lists(st.sampled_from(THINGS), max_size=2),
        st.sampled_from([None, "urn:x:run"]),
    ),
    st.tuples(
        st.sampled_from(["pack", "unpack"]),
        st.integers(0, 6),
        st.sampled_from([PALLET, CONTAINER]),
        st.lists(st.sampled_from(THINGS), max_size=2, unique=True),
        st.sampled_from([None, 1, 2]),
    ),
    st.tuples(
        st.just("see"),
        st.integers(0, 6),
        st.lists(st.sampled_from(THINGS), min_size=1, max_size=2),
        st.sampled_from([None, lot("K")]),
        st.none(),
    ),
)


def tell_any(told: Told, happening: tuple[object, ...]) -> None:
    match happening:
        case ("make", int(hour), list(inputs), list(outputs), run):
            told.make(hour, inputs, outputs, run=None if run is None else str(run))
        case ("pack", int(hour), str(parent), list(children), amount) if children:
            told.pack(hour, parent, *children, amount=amount if isinstance(amount, int) else None)
        case ("unpack", int(hour), str(parent), list(children), amount):
            told.unpack(hour, parent, *children, amount=amount if isinstance(amount, int) else None)
        case ("see", int(hour), list(seen), of_lot, _):
            told.see(hour, *seen, of_lot=None if of_lot is None else str(of_lot))
        case _:
            told.see(0, TRUCK)


@settings(max_examples=300)
@given(
    world=st.lists(HAPPENINGS, max_size=8),
    root=st.sampled_from(THINGS),
    direction=st.sampled_from(Direction),
    depth=st.integers(0, 4),
    node_max=st.integers(1, 8),
    data=st.data(),
)
def test_neither_the_order_of_capture_nor_being_told_more_changes_the_answer(
    world: list[tuple[object, ...]],
    root: str,
    direction: Direction,
    depth: int,
    node_max: int,
    data: st.DataObject,
) -> None:
    told = Told()
    for happening in world:
        tell_any(told, happening)
    expected = trace(told.happenings, root, direction, depth=depth, node_max=node_max)
    order = data.draw(st.permutations(told.happenings))
    moved = {happening.ref: EventRef(place, 7) for place, happening in enumerate(order)}
    back = {new: old for old, new in moved.items()}
    recaptured = [replace(happening, ref=moved[happening.ref]) for happening in order]
    answer = trace(recaptured, root, direction, depth=depth, node_max=node_max)
    everything = trace(
        told.happenings, root, direction, tell_all=True, depth=depth, node_max=node_max
    )
    assert everything == expected

    def shape(answer: Trace, back: dict[EventRef, EventRef]) -> object:
        return (
            [
                (one.identifier, one.level, one.direction, {back[ref] for ref in one.events})
                for one in answer.nodes
            ],
            [
                (one.source, one.target, one.kind, {back[ref] for ref in one.events})
                for one in answer.edges
            ],
            answer.truncated,
        )

    same = {ref: ref for ref in moved}
    assert shape(answer, back) == shape(expected, same)


def told_by(events: Iterable[Event]) -> list[Happening]:
    return [
        Happening(
            EventRef(0, position),
            event.event_time,
            event.action,
            event.transformation_id,
            mentions_of(event),
        )
        for position, event in enumerate(events)
    ]


def test_the_transformation_example_of_the_standard_links_every_input_to_every_output(
    shared_data: Callable[[str], Path],
) -> None:
    raw = shared_data("epcis/examples/core/Example_9.6.4-TransformationEvent.jsonld").read_bytes()
    happenings = told_by(Document.parse(raw).events)
    by_role: dict[Role, list[str]] = defaultdict(list)
    for mention in happenings[0].mentions:
        by_role[mention.role].append(mention.identifier)
    assert (len(by_role[Role.INPUT]), len(by_role[Role.OUTPUT])) == (5, 4)
    up = trace(happenings, "urn:epc:id:sgtin:4012345.077889.25", UP)
    assert names(up) == {*by_role[Role.INPUT], "https://id.gs1.org/01/04012345778892/21/25"}


def test_a_jacket_leads_back_to_recycled_bottles(shared_data: Callable[[str], Path]) -> None:
    events: list[Event] = []
    for step in ("spinning", "weaving", "garment"):
        path = f"epcis/profiles/eu-dpp-textile/transformation-{step}.jsonld"
        whole = json.loads(shared_data(path).read_text())
        # The published profiles carry comments and CBV words as URN, which the schema refuses.
        whole = {name: value for name, value in whole.items() if not name.startswith("_")}
        for event in whole["epcisBody"]["eventList"]:
            event.pop("bizTransactionList", None)
            for name in [name for name in event if name.startswith("_")]:
                del event[name]
        events.extend(Document.parse(json.dumps(whole).encode()).events)
    up = trace(told_by(events), "https://example.org/01/09521234000013/21/WJ-2025-00301", UP)
    bottles = "https://id.gs1.org/01/09521234000105/10/RPET-BATCH-2025-044"
    assert levels(up)[bottles] == 3
    assert names(trace(told_by(events), bottles, DOWN)) >= {up.root}
