"""Where goods came from and where they went: a walk over events that does no I/O.

    Role                in which part of an event a name stands
    EventRef            an event: leaf index of its capture, position in it
    Mention             one name in one event
    Happening           one event, as far as a walk needs it
    mentions_of         an event's names
    Direction           UP to origins, DOWN to what came of it, BOTH
    EdgeKind            transformation, containment, lot
    Node, Edge, Trace   the answer
    Walk                the state machine: it says what it must know next, and is told
    Trace.of            one answer out of one or two walks

How goods flow (reference: EPCIS 2.0 §7.4, traceability §7.5):

- *Transformation*: every input to every output; events of one transformationID are one.
- *Lot*: a lot to its units, known wherever one name carried both.
- *Containment*: a child to its parent, half-open in event time. ADD opens; DELETE of the child,
  or of everything, closes; OBSERVE opens what no ADD was seen for. Of a class with amounts, the
  last one taken out closes. What closes and opens at one moment was open before and is open after.

How the walk goes. Containers that held the thing are part of its way in both directions, for as
long as they held it, and theirs in turn; from such a carrier the walk never enters again, since
its other contents are strangers. A container that is asked for, made or consumed stands for its
contents at that moment. Part of a lot does not stand for the lot's other units. A product without
lot, a place and a party are ends unless asked for: walking on would mix everybody's goods.

The answer depends on the set of happenings alone, never on the order in which they were captured.
Happenings that are void, not yet captured at a tree size, or later than a day are left out by
whoever tells the walk. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from enum import Enum
from typing import NamedTuple, Self

from traceability.document import (
    QUANTITY_CHARACTERS_MAX,
    QUANTITY_EXPONENT_MAX,
    Action,
    Event,
    EventType,
    Quantity,
)
from traceability.errors import BoundExceeded
from traceability.identifiers import Grain, Identifier

DEPTH_DEFAULT = 20
DEPTH_MAX = 50
"""From ore to shelf is seldom more than fifteen steps; a longer walk is a cycle or a mistake."""

NODES_DEFAULT = 1_000
NODES_MAX = 10_000
"""In each direction: what a page can draw, and what one answer may hold in memory."""

WAYS_PER_NODE = 20
"""Ways from name to name that a walk may look at, for each node it may meet: every input goes
into every output, so that a few hundred events join a thousand names in a million ways."""


class Role(Enum):
    """In which part of an event a name stands."""

    OBJECT = "object"
    """epcList or quantityList, and a transaction's parentID."""
    INPUT = "input"
    OUTPUT = "output"
    PARENT = "parent"
    """A container that the event puts children into or takes them from."""
    CHILD = "child"
    EMPTIED = "emptied"
    """A container that everything is taken from."""
    WHOLE = "whole"
    """An association's parentID, which no containment follows from."""
    PART = "part"


class EventRef(NamedTuple):
    """An event: the leaf index of its capture, and its position in it, from 0."""

    leaf_index: int
    position: int


@dataclass(frozen=True, slots=True)
class Mention:
    """One name in one event, in the form under which events of one thing meet."""

    ordinal: int
    """Place among the event's mentions, from 0."""
    identifier: str
    role: Role
    lot: str | None = None
    """The lot, where the name carried it beside the serial."""
    quantity: str | None = None
    """The decimal text exactly as sent."""
    uom: str | None = None

    @property
    def amount(self) -> Decimal | None:
        """The quantity, exactly."""
        return None if self.quantity is None else Decimal(self.quantity)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, or the part of it that a walk asked for."""

    ref: EventRef
    event_time: datetime
    action: Action | None
    transformation_id: str | None
    mentions: tuple[Mention, ...]


def mentions_of(event: Event) -> tuple[Mention, ...]:
    """All names in `event` that goods can be followed by, in the order of the standard."""
    return tuple(
        Mention(
            ordinal=ordinal,
            identifier=name.finest.canonical,
            role=role,
            lot=_lot_beside(name),
            quantity=quantity.quantity if quantity else None,
            uom=quantity.uom if quantity else None,
        )
        for ordinal, (role, name, quantity) in enumerate(_names(event))
    )


def _lot_beside(name: Identifier) -> str | None:
    return name.lot.canonical if name.lot is not None and name.grain is Grain.UNIT else None


def _names(event: Event) -> Iterator[tuple[Role, Identifier, Quantity | None]]:
    parent, child = Role.PARENT, Role.CHILD
    if event.type is EventType.ASSOCIATION:
        parent, child = Role.WHOLE, Role.PART
    elif event.type is EventType.TRANSACTION:
        parent = Role.OBJECT
    elif not (event.child_epcs or event.child_quantity_list):
        parent = Role.EMPTIED
    if event.parent_id is not None:
        yield parent, event.parent_id, None
    for role, names, quantities in (
        (Role.OBJECT, event.epc_list, event.quantity_list),
        (child, event.child_epcs, event.child_quantity_list),
        (Role.INPUT, event.input_epc_list, event.input_quantity_list),
        (Role.OUTPUT, event.output_epc_list, event.output_quantity_list),
    ):
        for name in names:
            yield role, name, None
        for quantity in quantities:
            yield role, quantity.epc_class, quantity


class Direction(Enum):
    """Which way to walk."""

    UP = "UP"
    """To the origins."""
    DOWN = "DOWN"
    """To what came of it, and where it went."""
    BOTH = "BOTH"


class EdgeKind(Enum):
    """Why one name leads to another."""

    TRANSFORMATION = "transformation"
    CONTAINMENT = "containment"
    LOT = "lot"


@dataclass(frozen=True, slots=True)
class Node:
    """One name in a trace."""

    identifier: str
    grain: Grain
    direction: Direction
    """The direction in which the walk met it; the root has the one that was asked for."""
    level: int
    """Steps from the root, the fewest there are."""
    events: tuple[EventRef, ...]
    """The events that name it, by event time. Of a carrier, those while it held the goods."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Goods flow from `source` to `target`: input to output, child to parent, lot to unit."""

    source: str
    target: str
    kind: EdgeKind
    events: tuple[EventRef, ...]
    """The events that say so."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer. `truncated` says aloud that a bound ended the walk, not the goods."""

    root: str
    direction: Direction
    depth: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    truncated: bool

    @classmethod
    def of(cls, walks: Sequence[Walk]) -> Self:
        """What finished walks from one root found; nodes by level, then by name."""
        assert walks
        assert all(not walk.frontier for walk in walks)
        root, depth = walks[0].root, walks[0].depth
        direction = walks[0].direction if len(walks) == 1 else Direction.BOTH
        nodes: dict[str, Node] = {}
        edges: dict[tuple[str, str, EdgeKind], set[EventRef]] = defaultdict(set)
        for name in sorted({name for walk in walks for name in walk.levels}):
            level, met = min(
                (walk.levels[name], order)
                for order, walk in enumerate(walks)
                if name in walk.levels
            )
            moments = {ref: at for walk in walks for ref, at in walk.events_of(name).items()}
            nodes[name] = Node(
                identifier=name,
                grain=walks[met].grains[name],
                direction=direction if name == root else walks[met].direction,
                level=level,
                events=tuple(sorted(moments, key=lambda ref: (moments[ref], ref))),
            )
        for walk in walks:
            for key, refs in walk.edges.items():
                edges[key] |= refs
        return cls(
            root=root,
            direction=direction,
            depth=depth,
            nodes=tuple(sorted(nodes.values(), key=lambda node: (node.level, node.identifier))),
            edges=tuple(
                Edge(source, target, kind, tuple(sorted(edges[source, target, kind])))
                for source, target, kind in sorted(edges, key=lambda key: (*key[:2], key[2].value))
            ),
            truncated=any(walk.truncated for walk in walks),
        )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEVER = 2**63
"""After every moment that a 64-bit column of microseconds can hold."""


class _Window(NamedTuple):
    """Microseconds since 1970, half-open."""

    start: int
    end: int

    def overlap(self, other: _Window) -> _Window | None:
        start, end = max(self.start, other.start), min(self.end, other.end)
        return _Window(start, end) if start < end else None


_ALWAYS = _Window(-_NEVER, _NEVER)


def _at(moment: int) -> _Window:
    return _Window(moment, moment + 1)


class _Times:
    """A set of moments, kept as disjoint windows in order."""

    __slots__ = ("windows",)

    def __init__(self) -> None:
        self.windows: list[_Window] = []

    def add(self, window: _Window) -> bool:
        """Add all moments of `window`; whether any of them is new."""
        start, end = window
        apart = [other for other in self.windows if other.end < start or end < other.start]
        touching = [other for other in self.windows if not (other.end < start or end < other.start)]
        if any(other.start <= start and end <= other.end for other in touching):
            return False
        start = min([start, *(other.start for other in touching)])
        end = max([end, *(other.end for other in touching)])
        self.windows = sorted([*apart, _Window(start, end)])
        return True

    def reach(self, moment: int) -> bool:
        """Whether `moment` lies in them, the closing moment included."""
        return any(start <= moment <= end for start, end in self.windows)


class _Stay(NamedTuple):
    """A child's time in a parent, and the events that say so."""

    window: _Window
    refs: frozenset[EventRef]


@dataclass(slots=True)
class _Change:
    """What the events of one moment do to one child in one parent."""

    added: list[Mention] = field(default_factory=list)
    observed: list[Mention] = field(default_factory=list)
    removed: list[Mention] = field(default_factory=list)
    emptied: bool = False
    refs: set[EventRef] = field(default_factory=set)

    def take(self, mention: Mention, action: Action | None) -> None:
        """What an event of `action` that names the child says."""
        match action:
            case Action.ADD:
                self.added.append(mention)
            case Action.DELETE:
                self.removed.append(mention)
            case _:
                self.observed.append(mention)


def _stays(changes: Mapping[int, _Change]) -> Iterator[_Stay]:
    """The times a child was in a parent, by all that happened to both."""
    opened: int | None = None
    balance = _Balance()
    refs: set[EventRef] = set()
    for moment in sorted(changes):
        change = changes[moment]
        takes = change.emptied or bool(change.removed)
        puts = change.added or change.observed
        took = opened is not None and takes
        if opened is not None and takes:
            refs |= change.refs
            if change.emptied or balance.is_spent_by(change.removed):
                yield _Stay(_Window(opened, moment), frozenset(refs))
                opened = None
        if puts and opened is None:
            opened, balance, refs = moment, _Balance(), set(change.refs)
            balance.put(puts)
        elif change.added:
            balance.put(change.added)
            refs |= change.refs
        # Put in and taken out at one moment: it was there, as short as time can be told.
        put_and_took = puts and takes and not took
        if put_and_took and (change.emptied or balance.is_spent_by(change.removed)):
            yield _Stay(_at(moment), frozenset(refs))
            opened = None
    if opened is not None:
        yield _Stay(_Window(opened, _NEVER), frozenset(refs))


_EXACTLY = Context(prec=2 * (QUANTITY_CHARACTERS_MAX + QUANTITY_EXPONENT_MAX))
"""Digits from the largest sum to the last place of the smallest amount: nothing is rounded."""


class _Balance:
    """How much of a class is in a container, as far as amounts of one unit tell."""

    __slots__ = ("left", "uom")

    def __init__(self) -> None:
        self.left: Decimal | None = Decimal(0)
        self.uom: str | None = None

    def put(self, mentions: Iterable[Mention]) -> None:
        for mention in mentions:
            amount = mention.amount
            if self.left == 0:
                self.uom = mention.uom
            if self.left is None or amount is None or mention.uom != self.uom:
                self.left = None
            else:
                self.left = _EXACTLY.add(self.left, amount)

    def is_spent_by(self, mentions: Iterable[Mention]) -> bool:
        """Take out; an amount that cannot be told counts as everything."""
        for mention in mentions:
            amount = mention.amount
            if self.left is None or amount is None or mention.uom != self.uom:
                return True
            self.left = _EXACTLY.subtract(self.left, amount)
        return self.left is None or self.left <= 0


class _Standing(Enum):
    """As what the walk came to a name."""

    WHOLE = "all of it"
    PART = "some of it: other units of the lot are strangers"
    CARRIER = "what held it: its other contents are strangers"


class _Step(NamedTuple):
    identifier: str
    standing: _Standing
    window: _Window


_ENDS = frozenset({Grain.PRODUCT, Grain.PLACE, Grain.PARTY})


class Walk:
    """From one name in one direction. While there is a `frontier`, look it up and `learn`.

    For the names of the frontier a walk must be told: the events that name them; in these, and
    in events of the same transformationID, the inputs (UP) or outputs (DOWN); parents of a name
    that is a child, and children of a name that is a parent; where such a parent was emptied;
    and the events whose names carry a frontier's lot beside a serial. More does no harm.
    """

    def __init__(
        self,
        root: Identifier,
        direction: Direction,
        *,
        depth: int = DEPTH_DEFAULT,
        node_max: int = NODES_DEFAULT,
    ) -> None:
        """Raises `BoundExceeded`."""
        assert direction is not Direction.BOTH
        if not 0 <= depth <= DEPTH_MAX:
            raise BoundExceeded(f"a depth of 0 to {DEPTH_MAX}, not {depth}", path=("depth",))
        if not 1 <= node_max <= NODES_MAX:
            raise BoundExceeded(f"1 to {NODES_MAX} nodes, not {node_max}", path=("nodes",))
        self.root = root.finest.canonical
        self.direction = direction
        self.depth = depth
        self.node_max = node_max
        self.truncated = False
        self.edges: dict[tuple[str, str, EdgeKind], set[EventRef]] = defaultdict(set)
        self.frontier: tuple[str, ...] = (self.root,)
        self._facts = _Facts()
        self._level = 0
        self._pending = [_Step(self.root, _Standing.WHOLE, _ALWAYS)]
        self.levels: dict[str, int] = {self.root: 0}
        self.grains: dict[str, Grain] = {self.root: root.finest.grain}
        self._covered: dict[tuple[str, _Standing], _Times] = defaultdict(_Times)
        self._covered[self.root, _Standing.WHOLE].add(_ALWAYS)
        self._known: set[str] = set()
        self._transformed: set[tuple[str, _Standing]] = set()
        self._ways_left = WAYS_PER_NODE * node_max

    def learn(self, happenings: Iterable[Happening]) -> None:
        """Take in what the frontier was looked up for, and go on as far as that leads."""
        assert self.frontier
        self._known.update(self.frontier)
        self._facts.add(happenings)
        while True:
            self._pending = self._advance()
            self._level += 1
            names = {step.identifier for step in self._pending}
            self.frontier = tuple(sorted(names - self._known))
            if self.frontier or not self._pending:
                return

    def events_of(self, name: str) -> Mapping[EventRef, int]:
        """The events that name it, with their moments; of a carrier, while it held the goods."""
        if name not in self._known:
            return {}
        named = self._facts.moments_of(name)
        if any((name, one) in self._covered for one in (_Standing.WHOLE, _Standing.PART)):
            return named
        held = self._covered[name, _Standing.CARRIER]
        return {ref: moment for ref, moment in named.items() if held.reach(moment)}

    def _advance(self) -> list[_Step]:
        """One level further. In the order of names, so that a cut falls the same way always."""
        found: list[tuple[_Step, tuple[str, str, EdgeKind], frozenset[EventRef]]] = []
        for step in self._pending:
            if len(found) >= self._ways_left:
                self.truncated = True
                break
            # A step is taken whole: which of its ways comes first is chance.
            found.extend(self._from(step))
        self._ways_left -= len(found)
        found.sort(key=lambda one: (one[0].identifier, one[0].standing.name, one[0].window))
        following: list[_Step] = []
        for step, edge, refs in found:
            name = step.identifier
            if name not in self.levels:
                if self._level >= self.depth or len(self.levels) >= self.node_max:
                    self.truncated = True
                    continue
                self.levels[name] = self._level + 1
                self.grains[name] = Identifier.parse_any(name).grain
            self.edges[edge] |= refs
            if name != self.root and self.grains[name] in _ENDS:
                continue
            if self._covered[name, step.standing].add(step.window):
                following.append(step)
        return following

    def _from(
        self, step: _Step
    ) -> Iterator[tuple[_Step, tuple[str, str, EdgeKind], frozenset[EventRef]]]:
        name, standing, window = step
        facts, up = self._facts, self.direction is Direction.UP
        held = standing is _Standing.CARRIER
        # What is not held to a time was made and consumed in the same ways when it is met again.
        again = not held and (name, standing) in self._transformed
        self._transformed.add((name, standing))
        transformations = () if again else facts.transformations_of(name, up=up)
        for other, moment, other_moment, refs in transformations:
            if held and _at(moment).overlap(window) is None:
                continue
            # Of an input only as much is an origin as went in; an output is all that came out.
            grown = _Standing.PART if up else _Standing.WHOLE
            ends = (other, name) if up else (name, other)
            yield (
                _Step(other, grown, _at(other_moment)),
                (*ends, EdgeKind.TRANSFORMATION),
                refs,
            )
        way = window if held else _way(window, up=up)
        for parent, stay in facts.stays_in(name):
            shared = stay.window.overlap(way)
            if shared is not None:
                key = (name, parent, EdgeKind.CONTAINMENT)
                yield _Step(parent, _Standing.CARRIER, shared), key, stay.refs
        if not held:
            for child, stay in facts.stays_of_children(name):
                shared = stay.window.overlap(window)
                if shared is not None:
                    key = (child, name, EdgeKind.CONTAINMENT)
                    yield _Step(child, _Standing.PART, shared), key, stay.refs
        if standing is _Standing.WHOLE:
            for unit, refs in facts.units_of(name):
                yield _Step(unit, _Standing.WHOLE, window), (name, unit, EdgeKind.LOT), refs
        if up:
            for lot, refs in facts.lots_of(name):
                yield _Step(lot, _Standing.PART, window), (lot, name, EdgeKind.LOT), refs


def _way(window: _Window, *, up: bool) -> _Window:
    """When a carrier counts: on the way to the moment, or on the way from it."""
    return _Window(-_NEVER, window.end) if up else _Window(window.start, _NEVER)


class _Facts:
    """All that a walk was told, found by name."""

    def __init__(self) -> None:
        self._moments: dict[EventRef, int] = {}
        self._actions: dict[EventRef, Action | None] = {}
        self._groups: dict[EventRef, str] = {}
        self._members: dict[str, set[EventRef]] = defaultdict(set)
        self._in_role: dict[tuple[EventRef, Role], dict[int, Mention]] = defaultdict(dict)
        self._roles_of: dict[str, dict[EventRef, set[Role]]] = defaultdict(lambda: defaultdict(set))
        self._units: dict[str, dict[str, set[EventRef]]] = defaultdict(lambda: defaultdict(set))
        self._lots: dict[str, dict[str, set[EventRef]]] = defaultdict(lambda: defaultdict(set))
        self._stays: dict[str, dict[str, list[_Stay]]] = {}

    def add(self, happenings: Iterable[Happening]) -> None:
        """Parts of one event may come one after another, and more than once."""
        self._stays.clear()
        for happening in happenings:
            ref = happening.ref
            self._moments[ref] = (happening.event_time - _EPOCH) // _MICROSECOND
            self._actions[ref] = happening.action
            if happening.transformation_id is not None:
                self._groups[ref] = happening.transformation_id
                self._members[happening.transformation_id].add(ref)
            for mention in happening.mentions:
                name = mention.identifier
                self._in_role[ref, mention.role][mention.ordinal] = mention
                self._roles_of[name][ref].add(mention.role)
                if mention.lot is not None:
                    self._units[mention.lot][name].add(ref)
                    self._lots[name][mention.lot].add(ref)

    def moments_of(self, name: str) -> dict[EventRef, int]:
        """The events that name it."""
        return {ref: self._moments[ref] for ref in self._roles_of[name]}

    def _events(self, name: str, role: Role) -> list[EventRef]:
        return [ref for ref, roles in self._roles_of[name].items() if role in roles]

    def transformations_of(
        self, name: str, *, up: bool
    ) -> Iterator[tuple[str, int, int, frozenset[EventRef]]]:
        """(other name, moment of this one, moment of the other, events) per transformation."""
        own, others = (Role.OUTPUT, Role.INPUT) if up else (Role.INPUT, Role.OUTPUT)
        for ref in self._events(name, own):
            group = self._groups.get(ref)
            for other_ref in {ref} if group is None else self._members[group]:
                for mention in self._in_role[other_ref, others].values():
                    yield (
                        mention.identifier,
                        self._moments[ref],
                        self._moments[other_ref],
                        frozenset({ref, other_ref}),
                    )

    def stays_in(self, child: str) -> Iterator[tuple[str, _Stay]]:
        """The containers that held `child`."""
        parents = {
            parent.identifier
            for ref in self._events(child, Role.CHILD)
            for parent in self._in_role[ref, Role.PARENT].values()
        }
        for parent in parents:
            for stay in self._stays_by_child(parent).get(child, ()):
                yield parent, stay

    def stays_of_children(self, parent: str) -> Iterator[tuple[str, _Stay]]:
        """What `parent` held."""
        for child, stays in self._stays_by_child(parent).items():
            for stay in stays:
                yield child, stay

    def _stays_by_child(self, parent: str) -> dict[str, list[_Stay]]:
        if parent not in self._stays:
            changes = self._changes_by_child(parent)
            self._stays[parent] = {child: list(_stays(changes[child])) for child in changes}
        return self._stays[parent]

    def _changes_by_child(self, parent: str) -> dict[str, dict[int, _Change]]:
        changes: dict[str, dict[int, _Change]] = defaultdict(lambda: defaultdict(_Change))
        for ref in self._events(parent, Role.PARENT):
            for mention in self._in_role[ref, Role.CHILD].values():
                change = changes[mention.identifier][self._moments[ref]]
                change.refs.add(ref)
                change.take(mention, self._actions[ref])
        for ref in self._events(parent, Role.EMPTIED):
            for of_child in changes.values():
                change = of_child[self._moments[ref]]
                change.refs.add(ref)
                change.emptied = True
        return changes

    def units_of(self, lot: str) -> Iterator[tuple[str, frozenset[EventRef]]]:
        """The units whose names carried `lot`."""
        for unit, refs in self._units[lot].items():
            yield unit, self._earliest(refs)

    def lots_of(self, unit: str) -> Iterator[tuple[str, frozenset[EventRef]]]:
        """The lots that the name of `unit` carried; more than one is a contradiction, shown."""
        for lot, refs in self._lots[unit].items():
            yield lot, self._earliest(refs)

    def _earliest(self, refs: set[EventRef]) -> frozenset[EventRef]:
        first = min(self._moments[ref] for ref in refs)
        return frozenset(ref for ref in refs if self._moments[ref] == first)
