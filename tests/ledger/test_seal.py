"""ARCHITECTURE §3, Capture: members as received, salted, sealed, and signed by one root."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import Json, encode
from ledger.errors import CaptureInvalid, LabelInvalid, LedgerError, SealMismatch
from ledger.identity import SubjectLabel, person_capture_label
from ledger.merkle import leaf_hash, root
from ledger.seal import (
    CAPTURE_BYTES_MAX,
    CONTEXT_BYTES_MAX,
    DEPTH_MAX,
    EVENTS_MAX,
    Capture,
    Party,
    SealedEvent,
    issue_capture,
    member_salt,
    seal,
    split_members,
)
from ledger.token import TokenType, sign
from tests.world import DAIRY, PERSON, key_of

CONTEXT = b'"https://ref.gs1.org/standards/epcis/epcis-context.jsonld"'
EVENTS = (
    SealedEvent(b'{"type":"ObjectEvent","quantity":5.0}', bytes(16)),
    SealedEvent(b'{ "type" : "ObjectEvent" }', bytes(range(16))),
)
CAPTURE = issue_capture(
    key=key_of("dairy"),
    issuer=DAIRY.label(),
    jti="capture-1",
    capture_id="00000000-0000-4000-8000-000000000001",
    issued_at=1_764_000_000,
    party=Party.of(DAIRY),
    context=CONTEXT,
    events=EVENTS,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=6),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", " :\r\n")]),
    st.booleans(),
)
def test_members_keep_the_bytes_they_came_in(
    event: dict[str, Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    try:
        raw = json.dumps(event, separators=separators, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    members = split_members(raw)
    assert list(members) == list(event)
    for name, value in event.items():
        assert json.loads(members[name]) == value
        assert members[name] in raw
        assert members[name] == members[name].strip()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"a":1', id="no closing brace"),
        pytest.param(b'{"a":1}x', id="something after the object"),
        pytest.param(b'{"a":1,}', id="a comma too many"),
        pytest.param(b'{"a" 1}', id="no colon"),
        pytest.param(b'{"a":}', id="no value"),
        pytest.param(b"{a:1}", id="a name without quotes"),
        pytest.param(b'{"a":1,"a":2}', id="a name twice"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="a name twice, once escaped"),
        pytest.param(b'{"a":{"b":1,"b":2}}', id="an inner name twice"),
        pytest.param(b'{"a":NaN}', id="not a number"),
        pytest.param(b'{"a":-Infinity}', id="infinity"),
        pytest.param(b'{"a":"\xff"}', id="a byte outside UTF-8"),
        pytest.param(b'{"a":"\n"}', id="a line feed in a text"),
        pytest.param(b'{"\\ud800":1}', id="a name that is half a character"),
        pytest.param(b'{"a":' + b"[" * 100_000, id="nested to break a parser"),
    ],
)
def test_what_is_not_one_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(CaptureInvalid):
        split_members(raw)


def test_a_reader_of_one_member_can_still_check_the_seal() -> None:
    members = {"action": b'"ADD"', "secretPartner": b'"X"', "type": b'"ObjectEvent"'}
    secret = bytes(range(16))
    shown = leaf_hash(member_salt(secret, "action") + b"action\x00" + members["action"])
    hidden = [
        leaf_hash(member_salt(secret, name) + name.encode() + b"\x00" + members[name])
        for name in ("secretPartner", "type")
    ]
    assert root([shown, *hidden]) == seal(members, secret)


def test_a_member_cannot_pass_for_another() -> None:
    secret = bytes(16)
    assert seal({"ab": b"c"}, secret) != seal({"a": b"bc"}, secret)
    assert seal({"a": b"1"}, secret) != seal({"a": b"1"}, bytes(range(16)))


def test_the_context_of_the_document_is_sealed_and_an_events_own_goes_first() -> None:
    event = SealedEvent(b'{"type":"ObjectEvent"}', bytes(16))
    assert event.seal(CONTEXT) != event.seal(b'"https://example.com/other"')
    own = SealedEvent(b'{"@context":"https://example.com/own","type":"ObjectEvent"}', bytes(16))
    assert own.seal(CONTEXT) == own.seal(b'"https://example.com/other"')


def test_a_capture_is_read_as_it_was_signed() -> None:
    assert Capture.parse(CAPTURE.token, Party.of(DAIRY), CONTEXT, EVENTS) == CAPTURE


def test_secrets_do_not_change_what_a_capture_says() -> None:
    other = Capture(
        **{
            **{name: getattr(CAPTURE, name) for name in Capture.__slots__},
            "events": tuple(SealedEvent(event.raw, bytes([7] * 16)) for event in EVENTS),
        }
    )
    assert other.content_hash == CAPTURE.content_hash


def with_payload(**members: Json) -> Capture:
    """The capture with some payload members replaced, signed again."""
    payload = {**CAPTURE.token.payload, **members}
    token = sign(key_of("dairy"), TokenType.CAPTURE, payload)
    return Capture.parse(token, Party.of(DAIRY), CONTEXT, EVENTS)


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        pytest.param({"capture": "1"}, CaptureInvalid, id="no UUID"),
        pytest.param({"capture": "A" * 36}, CaptureInvalid, id="a UUID in capitals"),
        pytest.param({"count": 1}, CaptureInvalid, id="a count too small"),
        pytest.param({"count": True}, CaptureInvalid, id="a count that is true"),
        pytest.param({"events_root": "AA"}, CaptureInvalid, id="a root of one byte"),
        pytest.param({"events_root": 1}, CaptureInvalid, id="a root that is a number"),
        pytest.param({"events_root": "A" * 43}, SealMismatch, id="another root"),
        pytest.param({"sub": DAIRY.label()}, CaptureInvalid, id="the label of statements"),
        pytest.param({"iss": "x"}, LabelInvalid, id="an issuer that is no label"),
        pytest.param({"more": 1}, CaptureInvalid, id="a member nobody knows"),
    ],
)
def test_a_capture_outside_its_form_is_refused_with_its_place(
    members: dict[str, Json], refusal: type[LedgerError]
) -> None:
    with pytest.raises(refusal) as raised:
        with_payload(**members)
    assert raised.value.path[0] == "payload"


def test_no_changed_byte_of_an_event_or_its_context_passes() -> None:
    for position, event in enumerate(EVENTS):
        members = split_members(event.raw)
        for at in range(len(event.raw)):
            changed = bytearray(event.raw)
            changed[at] ^= 1
            events = list(EVENTS)
            events[position] = SealedEvent(bytes(changed), event.secret)
            try:
                same = split_members(bytes(changed)) == members
            except CaptureInvalid:
                same = False
            if same:
                continue  # White space around members is the one thing a seal leaves open.
            with pytest.raises((CaptureInvalid, SealMismatch)):
                Capture.parse(CAPTURE.token, Party.of(DAIRY), CONTEXT, events)
    with pytest.raises(SealMismatch):
        Capture.parse(CAPTURE.token, Party.of(DAIRY), CONTEXT + b" ", EVENTS)


@pytest.mark.parametrize("count", [0, EVENTS_MAX + 1])
def test_a_capture_has_1_to_500_events(count: int) -> None:
    events = [EVENTS[0]] * count
    with pytest.raises(CaptureInvalid) as refusal:
        Capture.parse(CAPTURE.token, Party.of(DAIRY), CONTEXT, events)
    assert refusal.value.path == ("events",)


def test_a_secret_has_sixteen_bytes() -> None:
    with pytest.raises(CaptureInvalid):
        Capture.parse(
            CAPTURE.token, Party.of(DAIRY), CONTEXT, [SealedEvent(EVENTS[0].raw, b"short")] * 2
        )


def test_a_person_captures_under_a_label_that_its_code_does_not_give_away() -> None:
    label = SubjectLabel("A" * 42 + "E")
    party = Party.of_person(label)
    assert Party.parse(party.scheme, party.identifier) == party
    assert party.capture_label == person_capture_label(label)
    assert encode({"party": party.identifier}) == encode({"party": label})
    with pytest.raises(CaptureInvalid):
        Party.parse("uscc", PERSON.identifier)


def issued(
    *events: bytes, context: bytes = CONTEXT, capture_id: str = CAPTURE.capture_id
) -> Capture:
    """A capture of the dairy."""
    return issue_capture(
        key=key_of("dairy"),
        issuer=DAIRY.label(),
        jti="capture-2",
        capture_id=capture_id,
        issued_at=1_764_000_000,
        party=Party.of(DAIRY),
        context=context,
        events=[SealedEvent(raw, bytes(16)) for raw in events],
    )


def test_a_capture_that_no_reader_takes_is_never_issued() -> None:
    with pytest.raises(CaptureInvalid):
        issued(*[b"{}"] * (EVENTS_MAX + 1))
    with pytest.raises(CaptureInvalid):
        issued(b"{}", capture_id="NOT-A-UUID")


def test_the_events_of_a_capture_are_bounded_together() -> None:
    half = b'{"a":"' + b"x" * (CAPTURE_BYTES_MAX // 2 - 8) + b'"}'
    assert len(issued(half, half).events) == 2
    with pytest.raises(CaptureInvalid) as refusal:
        issued(half, half + b" ")
    assert refusal.value.path == ("events",)


def test_a_context_is_bounded_since_every_event_is_sealed_with_it() -> None:
    longest = b'"' + b"c" * (CONTEXT_BYTES_MAX - 2) + b'"'
    assert issued(b"{}", context=longest).context == longest
    with pytest.raises(CaptureInvalid) as refusal:
        issued(b"{}", context=longest + b" ")
    assert refusal.value.path == ("context",)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_an_event_nests_as_deep_as_a_named_bound_and_not_as_deep_as_the_stack(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]

    def event(levels: int) -> bytes:
        return f'{{"deep":{opening * levels}0{closing * levels}}}'.encode()

    assert set(split_members(event(DEPTH_MAX - 1))) == {"deep"}
    with pytest.raises(CaptureInvalid):
        split_members(event(DEPTH_MAX))
    with pytest.raises(CaptureInvalid):
        split_members(event(100_000))
