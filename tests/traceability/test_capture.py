"""ARCHITECTURE §3, Capture: what the ledger is handed for a document."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

from ledger.seal import Capture, Party, split_members
from ledger.token import public_key_of
from tests.world import DAIRY, TRADER, key_of, seed_of
from traceability.capture import capture_reference, seal_document
from traceability.document import Document

SECRETS = [bytes([number]) * 16 for number in range(1, 9)]


def example(shared_data: Callable[[str], Path]) -> Document:
    path = "epcis/examples/core/Example_9.6.1-ObjectEvent.jsonld"
    return Document.parse(shared_data(path).read_bytes())


def test_a_document_becomes_one_signed_capture_of_its_events(
    shared_data: Callable[[str], Path],
) -> None:
    document = example(shared_data)
    party = Party.of(DAIRY)
    submission = seal_document(
        document,
        party=party,
        issuer=DAIRY.label(),
        key=key_of("dairy"),
        issued_at=1_764_000_200,
        secrets=iter(SECRETS),
    )
    (capture,) = submission.bodies
    assert isinstance(capture, Capture)
    capture.token.verify(public_key_of(seed_of("dairy")))
    again = Capture.parse(capture.token, party, document.context, capture.events)
    assert again == capture
    assert [event.raw for event in capture.events] == [event.raw for event in document.events]
    assert [event.secret for event in capture.events] == SECRETS[: len(document.events)]
    assert capture.subject == DAIRY.capture_label()
    assert capture.issued_at == 1_764_000_200
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", capture.capture_id
    )


def test_the_reference_depends_on_party_context_and_bytes_alone(
    shared_data: Callable[[str], Path],
) -> None:
    document = example(shared_data)
    reference = capture_reference(document, Party.of(DAIRY))
    assert re.fullmatch(r"epcis-[A-Za-z0-9_-]{43}", reference)
    assert capture_reference(example(shared_data), Party.of(DAIRY)) == reference
    others = {
        capture_reference(document, Party.of(TRADER)),
        capture_reference(Document(b'"urn:x:context"', document.events), Party.of(DAIRY)),
        capture_reference(Document(document.context, document.events[:1]), Party.of(DAIRY)),
    }
    assert len(others | {reference}) == 4
    chosen = seal_document(
        document,
        party=Party.of(DAIRY),
        issuer=DAIRY.label(),
        key=key_of("dairy"),
        issued_at=0,
        secrets=itertools.repeat(SECRETS[0]),
        jti="shipment-7",
    )
    assert chosen.bodies[0].jti == "shipment-7"


def test_every_event_of_every_example_splits_into_the_members_that_are_sealed(
    shared_data: Callable[[str], Path],
) -> None:
    events = [
        event
        for path in sorted(shared_data("epcis/examples").glob("*/*.jsonld"))
        if path.name != "AssociationEvent-h.jsonld"
        for event in Document.parse(path.read_bytes()).events
    ]
    assert len(events) > 46
    for event in events:
        members = {name: json.loads(raw) for name, raw in split_members(event.raw).items()}
        assert members == json.loads(event.raw)
