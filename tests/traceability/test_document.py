"""EPCIS 2.0 §7.4 and its JSON binding, by the 2.0.1 JSON Schema."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability import document
from traceability.document import (
    DEPTH_MAX,
    QUANTITY_CHARACTERS_MAX,
    QUANTITY_EXPONENT_MAX,
    Action,
    Document,
    Event,
    EventType,
)
from traceability.errors import (
    CheckDigitInvalid,
    DocumentNotJson,
    DocumentTooDeep,
    DocumentTooLarge,
    EventIncomplete,
    EventsMissing,
    EventsTooMany,
    EventTypeUnknown,
    IdentifierInvalid,
    MemberDuplicate,
    MemberInvalid,
    MemberMissing,
    MemberUnknown,
    TimeInvalid,
    TraceabilityError,
    VersionUnsupported,
    WordUnknown,
)

SharedData = Callable[[str], Path]

UNIT = "https://id.gs1.org/01/09506000134352/21/S1"
LOT = "https://id.gs1.org/01/09506000134352/10/L1"
PALLET = "https://id.gs1.org/00/106141412345678908"
IN_LIST = ("epcisBody", "eventList", 0)
GONE = object()


def an_event(**changes: object) -> dict[str, object]:
    """An ObjectEvent with `changes`; the value GONE takes a member away."""
    event: dict[str, object] = {
        "type": "ObjectEvent",
        "eventTime": "2026-03-02T08:00:00.000+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "ADD",
        "bizStep": "commissioning",
        "epcList": [UNIT],
    }
    event.update({name.replace("__", ":"): value for name, value in changes.items()})
    return {name: value for name, value in event.items() if value is not GONE}


def a_document(*events: dict[str, object], **changes: object) -> dict[str, object]:
    """An EPCISDocument of these events."""
    whole: dict[str, object] = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-02T09:00:00+08:00",
        "epcisBody": {"eventList": list(events)},
    }
    whole.update(changes)
    return {name: value for name, value in whole.items() if value is not GONE}


def parse(*events: dict[str, object]) -> Document:
    return Document.parse(json.dumps(a_document(*events), ensure_ascii=False).encode())


AGGREGATION = {"type": "AggregationEvent", "parentID": PALLET, "epcList": GONE}
TRANSFORMATION = {"type": "TransformationEvent", "action": GONE, "epcList": GONE}
TRANSACTION = {
    "type": "TransactionEvent",
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x:1"}],
}


def test_every_example_document_is_read_and_keeps_the_bytes_of_its_events(
    shared_data: SharedData,
) -> None:
    paths = sorted(shared_data("epcis/examples").glob("*/*.jsonld"))
    assert len(paths) == 47
    types = set()
    for path in paths:
        raw = path.read_bytes()
        if path.name == "AssociationEvent-h.jsonld":
            # Published with one member name twice: two readers would see two different events.
            with pytest.raises(MemberDuplicate) as refusal:
                Document.parse(raw)
            assert refusal.value.path == IN_LIST
            continue
        read = Document.parse(raw)
        whole = json.loads(raw)
        body = whole["epcisBody"]
        body = body.get("queryResults", {}).get("resultsBody", body)
        assert json.loads(read.context) == whole["@context"]
        assert [json.loads(event.raw) for event in read.events] == body["eventList"]
        for event in read.events:
            assert event.raw in raw
            assert Event.parse(event.raw) == event
            types.add(event.type)
    assert types == set(EventType)


def test_the_event_hash_documents_are_read_too(shared_data: SharedData) -> None:
    paths = sorted(shared_data("epcis/hash").glob("*.jsonld"))
    assert len(paths) == 12
    assert sum(len(Document.parse(path.read_bytes()).events) for path in paths) > 12


def test_an_event_keeps_what_a_trace_needs() -> None:
    event = parse(
        an_event(
            eventTime="2026-03-02T20:30:00.1234567Z",
            eventID="urn:uuid:404d95fc-9457-4a51-bd6a-0bba133845a8",
            disposition="active",
            readPoint={"id": "urn:epc:id:sgln:9506000.11111.0"},
            bizLocation={"id": "https://farm.example/place/7", "x:name": "牧场"},
            quantityList=[{"epcClass": LOT, "quantity": 12, "uom": "KGM"}],
            recordTime="2026-03-02T08:00:01Z",
            example__colour="red",
        )
    ).events[0]
    assert (event.type, event.action) == (EventType.OBJECT, Action.ADD)
    assert event.event_time == datetime(2026, 3, 2, 20, 30, 0, 123456, tzinfo=UTC)
    assert event.event_time_zone_offset == timezone(timedelta(hours=8))
    assert event.happened_on == date(2026, 3, 3)
    assert event.event_id == "urn:uuid:404d95fc-9457-4a51-bd6a-0bba133845a8"
    assert (event.biz_step, event.disposition) == ("commissioning", "active")
    assert event.read_point is not None
    assert event.read_point.canonical == "https://id.gs1.org/414/9506000111117"
    assert event.biz_location is not None
    assert event.biz_location.canonical == "https://farm.example/place/7"
    assert [one.canonical for one in event.epc_list] == [UNIT]
    assert event.quantity_list[0].epc_class.canonical == LOT
    assert (event.quantity_list[0].quantity, event.quantity_list[0].uom) == ("12", "KGM")
    assert event.error_declaration is None
    assert "牧场".encode() in event.raw


@pytest.mark.parametrize("text", ["500", "0.10", "1.50E2", "12345678901234567890.123456789"])
def test_an_amount_is_the_decimal_text_that_was_sent(text: str) -> None:
    raw = json.dumps(a_document(an_event(quantityList=[{"epcClass": LOT, "quantity": 7}])))
    event = Document.parse(raw.replace(": 7}", f": {text}}}").encode()).events[0]
    assert event.quantity_list[0].quantity == text


def test_an_error_declaration_names_its_reason_and_its_correctives() -> None:
    event = parse(
        an_event(
            errorDeclaration={
                "declarationTime": "2026-03-05T00:00:00+08:00",
                "reason": "incorrect_data",
                "correctiveEventIDs": ["urn:uuid:1"],
                "example:note": "x",
            }
        )
    ).events[0]
    assert event.error_declaration is not None
    assert event.error_declaration.reason == "incorrect_data"
    assert event.error_declaration.corrective_event_ids == ("urn:uuid:1",)
    assert event.error_declaration.declaration_time.date() == date(2026, 3, 5)


def test_an_empty_transformation_id_is_none() -> None:
    made = an_event(**TRANSFORMATION, transformationID="", inputEPCList=[LOT], outputEPCList=[UNIT])
    assert parse(made).events[0].transformation_id is None


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(an_event(epcList=[]), id="an object event of no object"),
        pytest.param(
            an_event(**AGGREGATION | {"action": "DELETE"}), id="everything taken out of a pallet"
        ),
        pytest.param(
            an_event(**AGGREGATION | {"parentID": GONE, "action": "OBSERVE"}, childEPCs=[UNIT]),
            id="children seen together, in what is not said",
        ),
        pytest.param(
            an_event(**TRANSFORMATION, transformationID="urn:x:run-1", inputEPCList=[LOT]),
            id="the inputs of a run",
        ),
        pytest.param(an_event(**TRANSACTION, epcList=[]), id="a transaction"),
        pytest.param(
            an_event(
                epcList=GONE,
                readPoint={"id": "geo:42.698334,23.319941"},
                sensorElementList=[{"sensorReport": [{"type": "Temperature", "value": 4}]}],
            ),
            id="a sensor at a place",
        ),
    ],
)
def test_what_a_type_allows_is_taken(event: dict[str, object]) -> None:
    assert len(parse(event).events) == 1


@pytest.mark.parametrize(
    ("event", "error", "path"),
    [
        pytest.param(an_event(type=GONE), MemberMissing, ("type",), id="no type"),
        pytest.param(an_event(type="ex:Own"), EventTypeUnknown, ("type",), id="own type"),
        pytest.param(an_event(type=5), MemberInvalid, ("type",), id="a type that is a number"),
        pytest.param(an_event(eventTime=GONE), MemberMissing, ("eventTime",), id="no time"),
        pytest.param(
            an_event(eventTime="2026-03-02T08:00:00"), TimeInvalid, ("eventTime",), id="no zone"
        ),
        pytest.param(
            an_event(eventTime="2026-02-30T08:00:00Z"), TimeInvalid, ("eventTime",), id="30 Feb"
        ),
        pytest.param(
            an_event(eventTime="2026-03-02T08:00:60Z"), TimeInvalid, ("eventTime",), id="second 60"
        ),
        pytest.param(
            an_event(eventTime="2026-03-02T24:00:00Z"), TimeInvalid, ("eventTime",), id="hour 24"
        ),
        pytest.param(
            an_event(eventTime="0001-01-01T00:00:00+08:00"),
            TimeInvalid,
            ("eventTime",),
            id="before the calendar begins",
        ),
        pytest.param(
            an_event(eventTime="9999-12-31T23:59:59Z"),
            TimeInvalid,
            ("eventTimeZoneOffset",),
            id="a local day after the calendar ends",
        ),
        pytest.param(
            an_event(recordTime="yesterday"), TimeInvalid, ("recordTime",), id="record time"
        ),
        pytest.param(
            an_event(eventTimeZoneOffset="+14:01"),
            TimeInvalid,
            ("eventTimeZoneOffset",),
            id="an offset beyond 14 hours",
        ),
        pytest.param(
            an_event(eventTimeZoneOffset="Z"),
            TimeInvalid,
            ("eventTimeZoneOffset",),
            id="an offset in letters",
        ),
        pytest.param(an_event(action=GONE), MemberMissing, ("action",), id="no action"),
        pytest.param(an_event(action="add"), MemberInvalid, ("action",), id="a small action"),
        pytest.param(an_event(bizStep="shiping"), WordUnknown, ("bizStep",), id="misspelt step"),
        pytest.param(
            an_event(disposition="urn:epcglobal:cbv:disp:active"),
            WordUnknown,
            ("disposition",),
            id="a CBV word as URN",
        ),
        pytest.param(an_event(colour="red"), MemberUnknown, ("colour",), id="a bare extension"),
        pytest.param(
            an_event(_comment="x"), MemberUnknown, ("_comment",), id="a comment of one's own"
        ),
        pytest.param(
            an_event(childEPCs=[UNIT]), MemberUnknown, ("childEPCs",), id="another type's member"
        ),
        pytest.param(an_event(eventID="17"), MemberInvalid, ("eventID",), id="an id, no URI"),
        pytest.param(an_event(epcList=UNIT), MemberInvalid, ("epcList",), id="a bare item"),
        pytest.param(an_event(epcList=None), MemberInvalid, ("epcList",), id="null"),
        pytest.param(
            an_event(epcList=[UNIT, 7]), MemberInvalid, ("epcList", 1), id="a number for a name"
        ),
        pytest.param(
            an_event(epcList=[UNIT, UNIT[:-6] + "/10"]),
            IdentifierInvalid,
            ("epcList", 1),
            id="a wrong link",
        ),
        pytest.param(
            an_event(epcList=["urn:epc:id:sgtin:9506000.01345.1"]),
            IdentifierInvalid,
            ("epcList", 0),
            id="a wrong URN",
        ),
        pytest.param(
            an_event(readPoint={"id": "https://id.gs1.org/414/9506000111118"}),
            CheckDigitInvalid,
            ("readPoint", "id"),
            id="a check digit",
        ),
        pytest.param(an_event(readPoint="x:1"), MemberInvalid, ("readPoint",), id="a bare place"),
        pytest.param(
            an_event(bizLocation={}), MemberMissing, ("bizLocation", "id"), id="a nameless place"
        ),
        pytest.param(
            an_event(bizLocation={"id": "x:1", "name": "a"}),
            MemberUnknown,
            ("bizLocation", "name"),
            id="a bare extension of a place",
        ),
        pytest.param(
            an_event(quantityList=[{"quantity": 1}]),
            MemberMissing,
            ("quantityList", 0, "epcClass"),
            id="a quantity of nothing",
        ),
        pytest.param(
            an_event(quantityList=[{"epcClass": LOT, "quantity": "1"}]),
            MemberInvalid,
            ("quantityList", 0, "quantity"),
            id="an amount in quotes",
        ),
        pytest.param(
            an_event(quantityList=[{"epcClass": LOT, "quantity": -1}]),
            MemberInvalid,
            ("quantityList", 0, "quantity"),
            id="less than nothing",
        ),
        pytest.param(
            an_event(quantityList=[{"epcClass": LOT, "quantity": 10**30}]),
            MemberInvalid,
            ("quantityList", 0, "quantity"),
            id="more than there is",
        ),
        pytest.param(
            an_event(quantityList=[{"epcClass": LOT, "quantity": 1, "uom": "kg"}]),
            MemberInvalid,
            ("quantityList", 0, "uom"),
            id="a unit in small letters",
        ),
        pytest.param(
            an_event(quantityList=[{"epcClass": LOT, "x:y": 1}]),
            MemberUnknown,
            ("quantityList", 0, "x:y"),
            id="an extension where none may be",
        ),
        pytest.param(
            an_event(bizTransactionList=[{"type": "po"}]),
            MemberMissing,
            ("bizTransactionList", 0, "bizTransaction"),
            id="a transaction without name",
        ),
        pytest.param(
            an_event(bizTransactionList=[{"type": "xx", "bizTransaction": "urn:x:1"}]),
            WordUnknown,
            ("bizTransactionList", 0, "type"),
            id="a transaction of unknown type",
        ),
        pytest.param(
            an_event(sourceList=[{"source": "urn:x:1"}]),
            MemberMissing,
            ("sourceList", 0, "type"),
            id="a source without role",
        ),
        pytest.param(
            an_event(sensorElementList=[{"sensorReport": []}]),
            MemberInvalid,
            ("sensorElementList", 0, "sensorReport"),
            id="a sensor that reports nothing",
        ),
        pytest.param(
            an_event(persistentDisposition={}),
            MemberMissing,
            ("persistentDisposition",),
            id="no disposition set",
        ),
        pytest.param(
            an_event(persistentDisposition={"set": ["recaled"]}),
            WordUnknown,
            ("persistentDisposition", "set", 0),
            id="a misspelt disposition",
        ),
        pytest.param(
            an_event(ilmd={"lot": "1"}), MemberUnknown, ("ilmd", "lot"), id="bare master data"
        ),
        pytest.param(
            an_event(ilmd={"x:lot": "1"}, action="OBSERVE"),
            EventIncomplete,
            ("ilmd",),
            id="master data of an old lot",
        ),
        pytest.param(
            an_event(errorDeclaration={}),
            MemberMissing,
            ("errorDeclaration", "declarationTime"),
            id="a declaration without time",
        ),
        pytest.param(
            an_event(
                errorDeclaration={
                    "declarationTime": "2026-03-05T00:00:00Z",
                    "correctiveEventIDs": ["a"],
                }
            ),
            MemberInvalid,
            ("errorDeclaration", "correctiveEventIDs", 0),
            id="a corrective that is no URI",
        ),
        pytest.param(an_event(epcList=GONE), EventIncomplete, (), id="an object event of nothing"),
        pytest.param(an_event(**AGGREGATION), EventIncomplete, ("childEPCs",), id="nothing packed"),
        pytest.param(
            an_event(**AGGREGATION | {"parentID": GONE}, childEPCs=[UNIT]),
            EventIncomplete,
            ("parentID",),
            id="packed into nothing",
        ),
        pytest.param(
            an_event(**TRANSFORMATION, inputEPCList=[LOT]),
            EventIncomplete,
            ("outputEPCList",),
            id="nothing made",
        ),
        pytest.param(
            an_event(**TRANSFORMATION, outputEPCList=[LOT]),
            EventIncomplete,
            ("inputEPCList",),
            id="made of nothing",
        ),
        pytest.param(
            an_event(**TRANSFORMATION | {"action": "ADD"}, inputEPCList=[LOT]),
            MemberUnknown,
            ("action",),
            id="a transformation with action",
        ),
        pytest.param(
            an_event(**TRANSACTION | {"bizTransactionList": []}),
            EventIncomplete,
            ("bizTransactionList",),
            id="a transaction event without transaction",
        ),
        pytest.param(
            an_event(**TRANSACTION, epcList=GONE),
            EventIncomplete,
            ("epcList",),
            id="a transaction over nothing",
        ),
    ],
)
def test_a_wrong_event_is_refused_by_code_and_path(
    event: dict[str, object], error: type[TraceabilityError], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(error) as refusal:
        parse(an_event(), event)
    assert refusal.value.code == error.code
    assert refusal.value.path == ("epcisBody", "eventList", 1, *path)
    with pytest.raises(error) as alone:
        Event.parse(json.dumps(event).encode())
    assert alone.value.path == path


@pytest.mark.parametrize(
    ("changes", "error", "path"),
    [
        ({"type": GONE}, MemberMissing, ("type",)),
        ({"type": "Document"}, MemberInvalid, ("type",)),
        ({"@context": GONE}, MemberMissing, ("@context",)),
        ({"@context": 5}, MemberInvalid, ("@context",)),
        ({"schemaVersion": "1.2"}, VersionUnsupported, ("schemaVersion",)),
        ({"schemaVersion": 2.0}, VersionUnsupported, ("schemaVersion",)),
        ({"creationDate": "today"}, TimeInvalid, ("creationDate",)),
        ({"sender": 5}, MemberInvalid, ("sender",)),
        ({"comment": "x"}, MemberUnknown, ("comment",)),
        ({"epcisBody": GONE}, MemberMissing, ("epcisBody",)),
        ({"epcisBody": []}, MemberInvalid, ("epcisBody",)),
        ({"epcisBody": {}}, MemberMissing, ("epcisBody", "eventList")),
        ({"epcisBody": {"eventList": {}}}, MemberInvalid, ("epcisBody", "eventList")),
        ({"epcisBody": {"eventList": []}}, EventsMissing, ("epcisBody", "eventList")),
        ({"epcisBody": {"eventList": [5]}}, MemberInvalid, IN_LIST),
        ({"epcisBody": {"events": []}}, MemberUnknown, ("epcisBody", "events")),
    ],
)
def test_a_wrong_document_is_refused_by_code_and_path(
    changes: dict[str, object], error: type[TraceabilityError], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(error) as refusal:
        Document.parse(json.dumps(a_document(an_event(), **changes)).encode())
    assert (refusal.value.code, refusal.value.path) == (error.code, path)


@pytest.mark.parametrize(
    ("old", "new", "error", "path"),
    [
        pytest.param(b'"ADD"', b'"\xff"', DocumentNotJson, (), id="broken UTF-8"),
        pytest.param(b"{", b"\xef\xbb\xbf{", DocumentNotJson, (), id="a byte order mark"),
        pytest.param(b'"ADD"', b"NaN", DocumentNotJson, IN_LIST, id="not a number"),
        pytest.param(b'"ADD"', b"-Infinity", DocumentNotJson, IN_LIST, id="infinity"),
        pytest.param(b'"ADD"', b"'ADD'", DocumentNotJson, IN_LIST, id="single quotes"),
        pytest.param(
            b'"action":', b'"action": "ADD", "action":', MemberDuplicate, IN_LIST, id="a name twice"
        ),
        pytest.param(
            b'"type": "EPCISDocument"',
            b'"type": "EPCISDocument", "type": "EPCISDocument"',
            MemberDuplicate,
            ("type",),
            id="a name twice in the document",
        ),
        pytest.param(b"]}}", b"]},}", DocumentNotJson, (), id="a trailing comma"),
        pytest.param(b"]}}", b"]}", DocumentNotJson, (), id="an open brace"),
        pytest.param(b"]}}", b"]}} x", DocumentNotJson, (), id="something after it"),
        pytest.param(
            b'"ADD"', b"[" * 70 + b"]" * 70, DocumentTooDeep, IN_LIST, id="seventy levels"
        ),
        pytest.param(b'"ADD"', b"[" * 99999, DocumentTooDeep, IN_LIST, id="endless levels"),
        pytest.param(
            b'"sender": 1',
            b'"sender": ' + b"[" * 70 + b"]" * 70,
            DocumentTooDeep,
            ("sender",),
            id="seventy levels beside the events",
        ),
    ],
)
def test_bytes_that_are_no_one_json_text_are_refused(
    old: bytes, new: bytes, error: type[TraceabilityError], path: tuple[str | int, ...]
) -> None:
    raw = json.dumps(a_document(an_event(), sender=1 if b"sender" in old else "x")).encode()
    if old == b"]}}":
        raw = json.dumps(
            {"type": "EPCISDocument", "epcisBody": {"eventList": [an_event()]}}
        ).encode()
    assert old in raw
    with pytest.raises(error) as refusal:
        Document.parse(raw.replace(old, new, 1))
    assert refusal.value.code == error.code
    if path:
        assert refusal.value.path == path


def test_a_lone_surrogate_never_becomes_a_name() -> None:
    raw = json.dumps(a_document(an_event(eventID="urn:x:Q"))).replace("Q", "\\ud800")
    with pytest.raises(MemberInvalid):
        Document.parse(raw.encode())


def test_a_name_that_no_answer_could_repeat_stands_in_no_path() -> None:
    for wrong in (
        a_document(an_event(Q=1)),
        a_document(an_event(readPoint={"id": "urn:x:1", "Q": 1})),
        a_document(an_event(), Q=1),
    ):
        raw = json.dumps(wrong).replace('"Q"', '"\\ud800"').encode()
        with pytest.raises(DocumentNotJson) as refusal:
            Document.parse(raw)
        json.dumps([refusal.value.message, *refusal.value.path], ensure_ascii=False).encode()


def test_an_amount_has_bounds_of_its_length_and_of_its_size() -> None:
    raw = json.dumps(a_document(an_event(quantityList=[{"epcClass": LOT, "quantity": 7}])))
    longest = "0." + "1" * (QUANTITY_CHARACTERS_MAX - 2)
    largest, smallest = f"9e{QUANTITY_EXPONENT_MAX}", f"9e-{QUANTITY_EXPONENT_MAX}"
    for amount in (longest, largest, smallest):
        event = Document.parse(raw.replace("7}", f"{amount}}}").encode()).events[0]
        assert event.quantity_list[0].quantity == amount
    beyond = (f"1e{QUANTITY_EXPONENT_MAX + 1}", f"9e-{QUANTITY_EXPONENT_MAX + 1}", longest + "1")
    for amount in beyond:
        with pytest.raises(MemberInvalid) as refusal:
            Document.parse(raw.replace("7}", f"{amount}}}").encode())
        assert refusal.value.path == (*IN_LIST, "quantityList", 0, "quantity")


@pytest.mark.parametrize("opening", ["[", '{"a:b":'])
def test_an_event_nests_exactly_as_deep_as_its_bound(opening: str) -> None:
    closing = {"[": "]"}.get(opening, "}")

    def nested(levels: int) -> bytes:
        raw = json.dumps(a_document(an_event(x__y="here")))
        return raw.replace('"here"', opening * levels + "1" + closing * levels).encode()

    assert len(Document.parse(nested(DEPTH_MAX - 1)).events) == 1
    with pytest.raises(DocumentTooDeep):
        Document.parse(nested(DEPTH_MAX))


def test_an_amount_beyond_all_exponents_is_refused() -> None:
    raw = json.dumps(a_document(an_event(quantityList=[{"epcClass": LOT, "quantity": 7}])))
    for amount in ("1e99999999999999999999", "1e-99999999999999999999"):
        with pytest.raises(MemberInvalid):
            Document.parse(raw.replace("7}", f"{amount}}}").encode())


def test_the_names_of_a_document_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "NAMES_MAX", 3)
    two = [f"urn:x:{number}" for number in range(2)]
    assert len(parse(an_event(epcList=two), an_event(epcList=two[:1])).events) == 2
    with pytest.raises(DocumentTooLarge) as refusal:
        parse(an_event(epcList=two), an_event(epcList=two))
    assert refusal.value.path == ("epcisBody", "eventList", 1)


def test_the_limits_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(a_document(an_event(), an_event())).encode()
    assert len(Document.parse(raw, events_max=2).events) == 2
    with pytest.raises(EventsTooMany) as many:
        Document.parse(raw, events_max=1)
    assert many.value.path == ("epcisBody", "eventList", 1)
    padded = raw + b" " * (document.DOCUMENT_BYTES_MAX - len(raw))
    assert len(Document.parse(padded).events) == 2
    with pytest.raises(DocumentTooLarge):
        Document.parse(padded + b" ")


def test_a_query_document_carries_its_events_deeper() -> None:
    whole = a_document(type="EPCISQueryDocument")
    results: dict[str, object] = {
        "queryName": "q",
        "resultsBody": {"eventList": [an_event(), an_event(action="?")]},
    }
    whole["epcisBody"] = {"queryResults": results}
    with pytest.raises(MemberInvalid) as refusal:
        Document.parse(json.dumps(whole).encode())
    assert refusal.value.path == (
        *("epcisBody", "queryResults", "resultsBody", "eventList", 1),
        "action",
    )
    results["resultsBody"] = {"eventList": [an_event()]}
    assert len(Document.parse(json.dumps(whole).encode()).events) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_anything_else(raw: bytes) -> None:
    with pytest.raises(TraceabilityError):
        Document.parse(raw)


@given(
    cut=st.integers(0, 10_000), put=st.sampled_from([b"", b"{", b"]", b'"', b",", b"\\", b"\xe4"])
)
def test_any_damage_to_a_document_is_read_or_refused(cut: int, put: bytes) -> None:
    raw = json.dumps(a_document(an_event(x__y={"a:b": [1, None, True]}), an_event())).encode()
    cut %= len(raw)
    with contextlib.suppress(TraceabilityError):
        Document.parse(raw[:cut] + put + raw[cut + 1 :])
