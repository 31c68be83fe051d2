"""EPCIS 2.0 documents in JSON, read by a decoder of our own: exact, typed, without any network.

    EventType, Action     the words of EPCIS 2.0 §7.4
    Quantity              so much of a class, the amount as its exact decimal text
    ErrorDeclaration      §7.4.1.2: the event it repeats is void
    Event                 one event: its bytes as received, and the members that a trace needs
    Document              an EPCISDocument or EPCISQueryDocument: context, events
    Document.parse        the way in for a capture; refuses with a code and the path of the member
    Event.parse           the way in for one event whose bytes come back from the ledger

Names and forms follow the EPCIS 2.0.1 JSON Schema: a member is one of the standard's or a URI or
prefixed name; a CBV value is its bare word. Beyond the schema: no name twice in one object, no
negative quantity, no moment that does not exist, no event type of one's own. What a type needs
is in EPCIS 2.0 §7.4.2 to §7.4.6. Members this module does not type stay in the bytes, which are
what is sealed: they are slices of the document, never written anew. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from enum import Enum
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Self, TypeAlias

from ledger.seal import EVENTS_MAX
from traceability.errors import (
    DocumentNotJson,
    DocumentTooDeep,
    DocumentTooLarge,
    EventIncomplete,
    EventsMissing,
    EventsTooMany,
    EventTypeUnknown,
    MemberDuplicate,
    MemberInvalid,
    MemberMissing,
    MemberUnknown,
    TimeInvalid,
    TraceabilityError,
    VersionUnsupported,
    WordUnknown,
)
from traceability.identifiers import OPAQUE_CHARACTERS_MAX, Identifier, is_absolute_uri
from traceability.vocabulary import (
    BIZ_STEPS,
    DISPOSITIONS,
    ERROR_REASONS,
    PARTY_ROLES,
    TRANSACTION_TYPES,
    is_word,
)

DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
"""Events carry their own bytes into the ledger, whose captures take no more."""

DEPTH_MAX = 64
"""Objects and lists within one another, per event. The deepest standard member needs eight."""

NAMES_MAX = 50_000
"""Names in all events of a document. Each becomes a row, written while no one else can write."""

QUANTITY_CHARACTERS_MAX = 40
"""More digits than any scale has."""

QUANTITY_EXPONENT_MAX = 20
"""From an atom to all the sand there is, in any unit."""


class EventType(Enum):
    """The five event types; no other is taken."""

    OBJECT = "ObjectEvent"
    AGGREGATION = "AggregationEvent"
    TRANSFORMATION = "TransformationEvent"
    TRANSACTION = "TransactionEvent"
    ASSOCIATION = "AssociationEvent"


class Action(Enum):
    """What an event does to the life, containment or association it speaks of."""

    ADD = "ADD"
    OBSERVE = "OBSERVE"
    DELETE = "DELETE"


class _Number(str):
    """A JSON number as its text, told apart from a string."""

    __slots__ = ()


_Path: TypeAlias = tuple[str | int, ...]
_Object: TypeAlias = "dict[str, object]"


@dataclass(frozen=True, slots=True)
class Quantity:
    """So much of a class (EPCIS 2.0 §7.3.3.3); without an amount, an unknown amount of it."""

    epc_class: Identifier
    quantity: str | None
    """The decimal text exactly as sent."""
    uom: str | None
    """UN/ECE Recommendation 20, as KGM; None counts pieces."""


@dataclass(frozen=True, slots=True)
class ErrorDeclaration:
    """That the event which it accompanies did not happen, or not so."""

    declaration_time: datetime
    reason: str | None
    corrective_event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Lists are empty and members None where the event does not have them."""

    raw: bytes
    type: EventType
    event_time: datetime
    """Aware, in the offset that the sender wrote into it."""
    event_time_zone_offset: timezone
    """The local time at the place of the event."""
    happened_on: date
    """The civil day at the place of the event."""
    event_id: str | None
    error_declaration: ErrorDeclaration | None
    action: Action | None
    biz_step: str | None
    disposition: str | None
    read_point: Identifier | None
    biz_location: Identifier | None
    epc_list: tuple[Identifier, ...]
    quantity_list: tuple[Quantity, ...]
    parent_id: Identifier | None
    child_epcs: tuple[Identifier, ...]
    child_quantity_list: tuple[Quantity, ...]
    input_epc_list: tuple[Identifier, ...]
    input_quantity_list: tuple[Quantity, ...]
    output_epc_list: tuple[Identifier, ...]
    output_quantity_list: tuple[Quantity, ...]
    transformation_id: str | None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """One event by itself. Raises any `TraceabilityError` that a document's event does."""
        text = _text_of(raw)
        start = _skip_space(text, 0)
        value, end = _value_at(text, start, ())
        if _skip_space(text, end) != len(text):
            raise DocumentNotJson(f"something after the event, at character {end}")
        return cls.of(_object(value, ()), raw)

    @classmethod
    def of(cls, members: dict[str, object], raw: bytes) -> Self:
        """The event whose decoded members and bytes these are. Raises a `TraceabilityError`."""
        _check_depth(members, DEPTH_MAX)
        kind = _event_type(members)
        _check_names(members, _COMMON_MEMBERS | _MEMBERS_OF[kind], ())
        event_time, zone, happened_on = _moment_and_place(members)
        _check_untyped_members(members)
        event = cls(
            raw=raw,
            type=kind,
            event_time=event_time,
            event_time_zone_offset=zone,
            happened_on=happened_on,
            event_id=_uri_member(members, "eventID"),
            error_declaration=_error_declaration(members),
            action=_action(members, kind),
            biz_step=_word_member(members, "bizStep", BIZ_STEPS),
            disposition=_word_member(members, "disposition", DISPOSITIONS),
            read_point=_place(members, "readPoint"),
            biz_location=_place(members, "bizLocation"),
            epc_list=_identifiers(members, "epcList"),
            quantity_list=_quantities(members, "quantityList"),
            parent_id=_identifier_member(members, "parentID"),
            child_epcs=_identifiers(members, "childEPCs"),
            child_quantity_list=_quantities(members, "childQuantityList"),
            input_epc_list=_identifiers(members, "inputEPCList"),
            input_quantity_list=_quantities(members, "inputQuantityList"),
            output_epc_list=_identifiers(members, "outputEPCList"),
            output_quantity_list=_quantities(members, "outputQuantityList"),
            transformation_id=_transformation_id(members),
        )
        _check_complete(event, members)
        return event


@dataclass(frozen=True, slots=True)
class Document:
    """What one capture consists of."""

    context: bytes
    """The bytes of the document's `@context`, by which every event in it is read."""
    events: tuple[Event, ...]

    @classmethod
    def parse(cls, raw: bytes, *, events_max: int = EVENTS_MAX) -> Self:
        """The document in `raw`. Raises a `TraceabilityError` whose path leads to the member."""
        if len(raw) > DOCUMENT_BYTES_MAX:
            raise DocumentTooLarge(f"{len(raw)} bytes, and {DOCUMENT_BYTES_MAX} is the limit")
        reading = _Reading(_text_of(raw), events_max)
        reading.document()
        return cls(reading.context, reading.events)


_DOCUMENT_MEMBERS = {
    "EPCISDocument": frozenset(
        {
            "@context",
            "id",
            "type",
            "schemaVersion",
            "creationDate",
            "instanceIdentifier",
            "sender",
            "receiver",
            "epcisHeader",
            "epcisBody",
        }
    ),
    "EPCISQueryDocument": frozenset(
        {"@context", "id", "type", "schemaVersion", "creationDate", "epcisBody"}
    ),
}

_REQUIRED = {
    "EPCISDocument": ("@context", "type", "schemaVersion", "creationDate", "epcisBody"),
    "EPCISQueryDocument": ("@context", "type", "epcisBody"),
}

_VERSION = re.compile(r"2\.0(?:\.[0-9]+)*", re.ASCII)

_BODY: _Path = ("epcisBody",)
_RESULTS: _Path = (*_BODY, "queryResults")
_RESULTS_BODY: _Path = (*_RESULTS, "resultsBody")

_WALKED_INTO = {
    (): None,
    _BODY: frozenset({"eventList", "queryResults"}),
    _RESULTS: frozenset({"queryName", "subscriptionID", "resultsBody"}),
    _RESULTS_BODY: frozenset({"eventList", "vocabularyList"}),
}
"""Objects around the events and their members; the document's depend on its type."""

_EVENT_LIST = {
    "EPCISDocument": (*_BODY, "eventList"),
    "EPCISQueryDocument": (*_RESULTS_BODY, "eventList"),
}


class _Reading:
    """One pass over a document's text that keeps where each event begins and ends."""

    def __init__(self, text: str, events_max: int) -> None:
        self.text = text
        self.events_max = events_max
        self.values: dict[_Path, object] = {}
        self.context = b""
        self.events: tuple[Event, ...] = ()

    def document(self) -> None:
        """Read it all, then judge what its members mean together."""
        end = self._read(_skip_space(self.text, 0), ())
        if _skip_space(self.text, end) != len(self.text):
            raise DocumentNotJson(f"something after the document, at character {end}")
        kind = self.values.get(("type",))
        if kind is None:
            raise MemberMissing("a document says what it is", path=("type",))
        if not isinstance(kind, str) or kind not in _DOCUMENT_MEMBERS:
            raise MemberInvalid(f"{str(kind)[:80]!r} is no EPCIS document type", path=("type",))
        top = {path[0]: value for path, value in self.values.items() if len(path) == 1}
        _check_names(top, _DOCUMENT_MEMBERS[kind], ())
        for name in _REQUIRED[kind]:
            if name not in top:
                raise MemberMissing(f"an {kind} needs it", path=(name,))
        self._check_head(top)
        if _EVENT_LIST[kind] not in self.values:
            raise MemberMissing(f"an {kind} has its events there", path=_EVENT_LIST[kind])
        if not self.events:
            raise EventsMissing("a capture has at least one event", path=_EVENT_LIST[kind])

    def _check_head(self, top: dict[str | int, object]) -> None:
        version = top.get("schemaVersion")
        if version is not None and (type(version) is not str or not _VERSION.fullmatch(version)):
            raise VersionUnsupported(
                f"schema version {str(version)[:80]!r}, and this reads 2.0", path=("schemaVersion",)
            )
        if "creationDate" in top:
            _moment(_text_member(top, "creationDate"), ("creationDate",))
        for name in ("instanceIdentifier", "sender", "receiver"):
            if name in top:
                _text_member(top, name)
        if type(top["@context"]) not in (str, dict, list):
            raise MemberInvalid("no JSON-LD context", path=("@context",))

    def _read(self, at: int, path: _Path) -> int:
        if path in _WALKED_INTO:
            self.values[path] = None
            return self._read_members(at, path)
        if path in _EVENT_LIST.values():
            self.values[path] = None
            return self._read_events(at, path)
        value, end = _value_at(self.text, at, path)
        _check_depth(value, DEPTH_MAX, path)
        self.values[path] = value
        if path == ("@context",):
            self.context = self.text[at:end].encode()
        return end

    def _read_members(self, at: int, path: _Path) -> int:
        text = self.text
        if text[at : at + 1] != "{":
            _value_at(text, at, path)
            raise MemberInvalid("not an object", path=path)
        seen: set[str] = set()
        at = _skip_space(text, at + 1)
        if text[at : at + 1] == "}":
            return at + 1
        while True:
            name, at = _name_at(text, at, path)
            if name in seen:
                _check_scalar(name, path)
                raise MemberDuplicate(f"{name!r} stands twice in one object", path=(*path, name))
            seen.add(name)
            known = _WALKED_INTO[path]
            if known is not None:
                _check_names({name}, known, path)
            end = self._read(at, (*path, name))
            at = _skip_space(text, end)
            if text[at : at + 1] == "}":
                return at + 1
            at = _skip_space(text, _expect(text, at, ",", path))

    def _read_events(self, at: int, path: _Path) -> int:
        text = self.text
        if text[at : at + 1] != "[":
            _value_at(text, at, path)
            raise MemberInvalid("not a list", path=path)
        events: list[Event] = []
        names = 0
        at = _skip_space(text, at + 1)
        if text[at : at + 1] == "]":
            return at + 1
        while True:
            where = (*path, len(events))
            if len(events) == self.events_max:
                raise EventsTooMany(f"more than {self.events_max} events", path=where)
            value, end = _value_at(text, at, where)
            try:
                events.append(Event.of(_object(value, ()), text[at:end].encode()))
            except TraceabilityError as error:
                raise error.within(*where) from None
            names += _names_in(events[-1])
            if names > NAMES_MAX:
                raise DocumentTooLarge(f"more than {NAMES_MAX} names in its events", path=where)
            at = _skip_space(text, end)
            if text[at : at + 1] == "]":
                self.events = tuple(events)
                return at + 1
            at = _skip_space(text, _expect(text, at, ",", path))


class _Repeated(ValueError):
    """One name twice in one object."""


def _unique(pairs: list[tuple[str, object]]) -> _Object:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(name for name in names if names.count(name) > 1))
    return members


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_Number,
    parse_int=_Number,
    parse_constant=_refuse_constant,
)

_SPACE = re.compile(r"[ \t\n\r]*")


def _text_of(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentNotJson(f"no UTF-8 at byte {error.start}") from None


def _check_scalar(name: str, path: _Path) -> None:
    """A lone surrogate is no character: no answer can name it, no store can keep it."""
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise DocumentNotJson(f"the name {name[:80]!r} is no Unicode text", path=path)


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _value_at(text: str, at: int, path: _Path) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except _Repeated as error:
        raise MemberDuplicate(f"{str(error)!r} stands twice in one object", path=path) from None
    except RecursionError:
        raise DocumentTooDeep(f"nested deeper than {DEPTH_MAX} levels", path=path) from None
    except ValueError as error:
        raise DocumentNotJson(f"not JSON: {error}", path=path) from None


def _name_at(text: str, at: int, path: _Path) -> tuple[str, int]:
    """The member name at `at`, and where its value begins."""
    _expect(text, at, '"', path)
    try:
        name, at = scanstring(text, at + 1, True)
    except ValueError as error:
        raise DocumentNotJson(f"not JSON: {error}", path=path) from None
    at = _expect(text, _skip_space(text, at), ":", path)
    return name, _skip_space(text, at)


def _expect(text: str, at: int, character: str, path: _Path) -> int:
    if text[at : at + 1] != character:
        raise DocumentNotJson(f"not JSON: {character} expected at character {at}", path=path)
    return at + 1


def _check_depth(value: object, levels: int, path: _Path = ()) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise DocumentTooDeep(f"nested deeper than {DEPTH_MAX} levels", path=path)
        for member in value.values() if isinstance(value, dict) else value:
            if isinstance(member, dict | list):
                _check_depth(member, levels - 1, path)


_COMMON_MEMBERS = frozenset(
    {
        "@context",
        "type",
        "eventTime",
        "recordTime",
        "eventTimeZoneOffset",
        "eventID",
        "certificationInfo",
        "errorDeclaration",
        "bizStep",
        "disposition",
        "persistentDisposition",
        "readPoint",
        "bizLocation",
        "bizTransactionList",
        "sourceList",
        "destinationList",
        "sensorElementList",
    }
)

_MEMBERS_OF = {
    EventType.OBJECT: frozenset({"action", "epcList", "quantityList", "ilmd"}),
    EventType.AGGREGATION: frozenset({"action", "parentID", "childEPCs", "childQuantityList"}),
    EventType.ASSOCIATION: frozenset({"action", "parentID", "childEPCs", "childQuantityList"}),
    EventType.TRANSACTION: frozenset({"action", "parentID", "epcList", "quantityList"}),
    EventType.TRANSFORMATION: frozenset(
        {
            "inputEPCList",
            "inputQuantityList",
            "outputEPCList",
            "outputQuantityList",
            "transformationID",
            "ilmd",
        }
    ),
}

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,12}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])", re.ASCII)
_UOM = re.compile(r"[A-Z0-9]{2,3}", re.ASCII)


def _check_names(names: Iterable[str | int], known: frozenset[str], path: _Path) -> None:
    for name in names:
        if name not in known and not is_absolute_uri(str(name)):
            _check_scalar(str(name), path)
            raise MemberUnknown(
                f"{name!r} is no member here, and no URI or prefixed name", path=(*path, name)
            )


def _object(value: object, path: _Path) -> _Object:
    if not isinstance(value, dict):
        raise MemberInvalid("not an object", path=path)
    return value


def _list(members: Mapping[str, object], name: str) -> list[object]:
    value = members.get(name, [])
    if not isinstance(value, list):
        raise MemberInvalid("not a list", path=(name,))
    return value


def _string(value: object, path: _Path) -> str:
    if type(value) is not str:
        raise MemberInvalid("not a string", path=path)
    return value


def _text_member(members: Mapping[str | int, object] | Mapping[str, object], name: str) -> str:
    if name not in members:
        raise MemberMissing("every one of this type has it", path=(name,))
    return _string(members[name], (name,))


def _uri(value: object, path: _Path) -> str:
    text = _string(value, path)
    if len(text) > OPAQUE_CHARACTERS_MAX or not is_absolute_uri(text):
        raise MemberInvalid(
            f"{text[:80]!r} is no URI of at most {OPAQUE_CHARACTERS_MAX} characters", path=path
        )
    return text


def _uri_member(members: _Object, name: str) -> str | None:
    return _uri(members[name], (name,)) if name in members else None


def _word(value: object, words: frozenset[str], path: _Path) -> str:
    text = _string(value, path)
    if len(text) > OPAQUE_CHARACTERS_MAX or not is_word(text, words):
        raise WordUnknown(f"{text[:80]!r} is no CBV word, and no URI of your own", path=path)
    return text


def _word_member(members: _Object, name: str, words: frozenset[str]) -> str | None:
    return _word(members[name], words, (name,)) if name in members else None


def _event_type(members: _Object) -> EventType:
    text = _text_member(members, "type")
    try:
        return EventType(text)
    except ValueError:
        raise EventTypeUnknown(
            f"{text[:80]!r} is none of the five event types", path=("type",)
        ) from None


def _action(members: _Object, kind: EventType) -> Action | None:
    if kind is EventType.TRANSFORMATION:
        return None
    text = _text_member(members, "action")
    try:
        return Action(text)
    except ValueError:
        raise MemberInvalid(
            f"{text[:80]!r} is none of ADD, OBSERVE, DELETE", path=("action",)
        ) from None


def _moment(text: str, path: _Path) -> datetime:
    """RFC 3339 §5.6, to the microsecond; further digits fall away."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise TimeInvalid(f"{text[:80]!r} is no RFC 3339 date and time with its offset", path=path)
    day, time, fraction, sign, hours, minutes = match.groups()
    try:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        if int(minutes or 0) > 59:
            raise ValueError("an offset of more than 59 minutes")
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime.fromisoformat(f"{day}T{time}").replace(
            microsecond=int((fraction or "0").ljust(6, "0")[:6]), tzinfo=zone
        )
        moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise TimeInvalid(f"{text} does not exist: {error}", path=path) from None
    return moment


def _moment_and_place(members: _Object) -> tuple[datetime, timezone, date]:
    event_time = _moment(_text_member(members, "eventTime"), ("eventTime",))
    if "recordTime" in members:
        _moment(_text_member(members, "recordTime"), ("recordTime",))
    text = _text_member(members, "eventTimeZoneOffset")
    match = _OFFSET.fullmatch(text)
    offset = timedelta(hours=int(match[2]), minutes=int(match[3])) if match else timedelta.max
    if match is None or offset > timedelta(hours=14):
        raise TimeInvalid(
            f"{text[:80]!r} is no offset from -14:00 to +14:00", path=("eventTimeZoneOffset",)
        )
    zone = timezone(-offset if match[1] == "-" else offset)
    try:
        return event_time, zone, event_time.astimezone(zone).date()
    except OverflowError:
        raise TimeInvalid(
            "the local day lies outside the calendar", path=("eventTimeZoneOffset",)
        ) from None


def _identifier(value: object, path: _Path) -> Identifier:
    try:
        return Identifier.parse_any(_string(value, path))
    except TraceabilityError as error:
        raise error if error.path else error.within(*path) from None


def _identifier_member(members: _Object, name: str) -> Identifier | None:
    return _identifier(members[name], (name,)) if name in members else None


def _identifiers(members: _Object, name: str) -> tuple[Identifier, ...]:
    return tuple(
        _identifier(value, (name, position)) for position, value in enumerate(_list(members, name))
    )


def _place(members: _Object, name: str) -> Identifier | None:
    if name not in members:
        return None
    place = _object(members[name], (name,))
    _check_names(place, frozenset({"id"}), (name,))
    if "id" not in place:
        raise MemberMissing("a place is named by it", path=(name, "id"))
    return _identifier(place["id"], (name, "id"))


def _quantities(members: _Object, name: str) -> tuple[Quantity, ...]:
    return tuple(
        _quantity(value, (name, position)) for position, value in enumerate(_list(members, name))
    )


def _quantity(value: object, path: _Path) -> Quantity:
    element = _object(value, path)
    _check_closed(element, frozenset({"epcClass", "quantity", "uom"}), path)
    if "epcClass" not in element:
        raise MemberMissing("a quantity is of a class", path=(*path, "epcClass"))
    uom = element.get("uom")
    if uom is not None and not _UOM.fullmatch(_string(uom, (*path, "uom"))):
        raise MemberInvalid(f"{uom!r} is no unit of Recommendation 20", path=(*path, "uom"))
    return Quantity(
        epc_class=_identifier(element["epcClass"], (*path, "epcClass")),
        quantity=_amount(element["quantity"], (*path, "quantity"))
        if "quantity" in element
        else None,
        uom=None if uom is None else str(uom),
    )


def _amount(value: object, path: _Path) -> str:
    if not isinstance(value, _Number):
        raise MemberInvalid("not a number", path=path)
    if len(value) > QUANTITY_CHARACTERS_MAX:
        raise MemberInvalid(f"more than {QUANTITY_CHARACTERS_MAX} characters", path=path)
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise MemberInvalid(f"{value} has no such exponent", path=path) from None
    if amount < 0 or abs(amount.adjusted()) > QUANTITY_EXPONENT_MAX:
        raise MemberInvalid(f"{value} is no quantity of goods", path=path)
    return str(value)


def _transformation_id(members: _Object) -> str | None:
    # Empty ids exist in the wild; grouping by them would mix strangers' goods.
    if members.get("transformationID") == "":
        return None
    return _uri_member(members, "transformationID")


def _error_declaration(members: _Object) -> ErrorDeclaration | None:
    if "errorDeclaration" not in members:
        return None
    where = "errorDeclaration"
    declaration = _object(members[where], (where,))
    try:
        _check_names(
            declaration, frozenset({"declarationTime", "reason", "correctiveEventIDs"}), ()
        )
        return ErrorDeclaration(
            declaration_time=_moment(
                _text_member(declaration, "declarationTime"), ("declarationTime",)
            ),
            reason=_word_member(declaration, "reason", ERROR_REASONS),
            corrective_event_ids=tuple(
                _uri(value, ("correctiveEventIDs", position))
                for position, value in enumerate(_list(declaration, "correctiveEventIDs"))
            ),
        )
    except TraceabilityError as error:
        raise error.within(where) from None


def _check_closed(element: _Object, known: frozenset[str], path: _Path) -> None:
    for name in element:
        if name not in known:
            _check_scalar(name, path)
            raise MemberUnknown(f"{name!r} is no member here", path=(*path, name))


def _check_untyped_members(members: _Object) -> None:
    """Members that stay in the bytes are held to their form all the same."""
    for name, inner, words in (
        ("bizTransactionList", "bizTransaction", TRANSACTION_TYPES),
        ("sourceList", "source", PARTY_ROLES),
        ("destinationList", "destination", PARTY_ROLES),
    ):
        for position, value in enumerate(_list(members, name)):
            path = (name, position)
            element = _object(value, path)
            _check_closed(element, frozenset({"type", inner}), path)
            if inner not in element:
                raise MemberMissing("it names what it points to", path=(*path, inner))
            _uri(element[inner], (*path, inner))
            if "type" in element:
                _word(element["type"], words, (*path, "type"))
            elif words is PARTY_ROLES:
                raise MemberMissing("a party is here in a role", path=(*path, "type"))
    for position, value in enumerate(_list(members, "sensorElementList")):
        path = ("sensorElementList", position)
        element = _object(value, path)
        _check_names(element, frozenset({"sensorMetadata", "sensorReport"}), path)
        if not isinstance(element.get("sensorReport"), list) or not element["sensorReport"]:
            raise MemberInvalid("a sensor element has reports", path=(*path, "sensorReport"))
    if "persistentDisposition" in members:
        _check_persistent_disposition(members)
    if "ilmd" in members:
        _check_names(_object(members["ilmd"], ("ilmd",)), frozenset(), ("ilmd",))


def _check_persistent_disposition(members: _Object) -> None:
    where = "persistentDisposition"
    disposition = _object(members[where], (where,))
    _check_closed(disposition, frozenset({"set", "unset"}), (where,))
    if not disposition:
        raise MemberMissing("set or unset, or both", path=(where,))
    for name, values in disposition.items():
        if not isinstance(values, list) or not values:
            raise MemberInvalid("not a list of at least one word", path=(where, name))
        for position, value in enumerate(values):
            _word(value, DISPOSITIONS, (where, name, position))


def _names_in(event: Event) -> int:
    lists = (
        event.epc_list,
        event.quantity_list,
        event.child_epcs,
        event.child_quantity_list,
        event.input_epc_list,
        event.input_quantity_list,
        event.output_epc_list,
        event.output_quantity_list,
    )
    return sum(map(len, lists))


def _check_complete(event: Event, members: _Object) -> None:
    """What each type needs (EPCIS 2.0 §7.4.2 to §7.4.6)."""
    children = event.child_epcs or event.child_quantity_list
    deletes = event.action is Action.DELETE
    match event.type:
        case EventType.OBJECT:
            if not (
                "epcList" in members
                or event.quantity_list
                or (members.get("sensorElementList") and event.read_point)
            ):
                raise EventIncomplete("an ObjectEvent needs objects, or sensors at a read point")
            if "ilmd" in members and event.action is not Action.ADD:
                raise EventIncomplete("master data of a lot begins with its life", path=("ilmd",))
        case EventType.AGGREGATION | EventType.ASSOCIATION:
            if not (children or deletes):
                raise EventIncomplete("ADD and OBSERVE need children", path=("childEPCs",))
            may_lack_parent = event.type is EventType.AGGREGATION and event.action is Action.OBSERVE
            if event.parent_id is None and not may_lack_parent:
                raise EventIncomplete("children are in a parent", path=("parentID",))
        case EventType.TRANSACTION:
            if not members.get("bizTransactionList"):
                raise EventIncomplete(
                    "a TransactionEvent needs a transaction", path=("bizTransactionList",)
                )
            if not ("epcList" in members or event.quantity_list or deletes):
                raise EventIncomplete("ADD and OBSERVE need objects", path=("epcList",))
        case EventType.TRANSFORMATION:
            inputs = event.input_epc_list or event.input_quantity_list
            outputs = event.output_epc_list or event.output_quantity_list
            enough = inputs or outputs if event.transformation_id else inputs and outputs
            if not enough:
                missing = "outputEPCList" if inputs else "inputEPCList"
                raise EventIncomplete("a transformation has inputs and outputs", path=(missing,))
