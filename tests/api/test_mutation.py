"""Writing through the graph: typed mutations, finished tokens, captures; invariant 11."""

import json
from typing import Any

import pytest

from ledger.entries import Entries
from ledger.seal import Capture
from tests.api.doors import Doors, fine
from tests.world import DAIRY, MARKET, TRADER, key_of, rows_of_all_tables

RECORD = """mutation($input:%s!){ %s(input:$input){
  ... on Recorded{ entry{leafIndex leafHash duplicate} statement{__typename code outcome severity
     decidedOn text case synthetic issuer{label} subject ... on Finding{basis product{gtin lot}}
     ... on Inspection{samples samplesFailed charges} ... on Enforcement{fineFen suspensionDays}
     ... on FraudCase{lossFen items} ... on IpCase{itemsSeized valueFen rightHolder}} }
  ... on Refusal{code message path} }}"""

SHARED: dict[str, Any] = {
    "subject": DAIRY.identifier,
    "decidedOn": "2026-02-20",
    "idempotencyKey": "K-1",
    "case": "m-1",
    "basis": "lab",
    "text": "What was found",
    "synthetic": True,
    "product": {"gtin": "06901234567892", "lot": "L1"},
}

KINDS = {
    "recordInspection": (
        "InspectionInput",
        {
            "code": "hygiene",
            "outcome": "fail",
            "severity": "GENERAL",
            "samples": 5,
            "samplesFailed": 1,
            "charges": ["c-7"],
        },
        {"__typename": "Inspection", "samples": 5, "samplesFailed": 1, "charges": ["c-7"]},
    ),
    "recordEnforcement": (
        "EnforcementInput",
        {"code": "safety", "outcome": "fine", "severity": "SERIOUS", "fineFen": 9_000_000_000},
        {"__typename": "Enforcement", "fineFen": 9_000_000_000, "suspensionDays": None},
    ),
    "recordFraudCase": (
        "FraudCaseInput",
        {"code": "refund-fraud", "outcome": "suspected", "severity": "SERIOUS", "lossFen": 7},
        {"__typename": "FraudCase", "lossFen": 7, "items": None},
    ),
    "recordIpCase": (
        "IpCaseInput",
        {
            "code": "trademark",
            "outcome": "confirmed",
            "severity": "MINOR",
            "itemsSeized": 300,
            "rightHolder": "Somebody",
        },
        {"__typename": "IpCase", "itemsSeized": 300, "rightHolder": "Somebody"},
    ),
}


async def record(
    doors: Doors,
    name: str,
    changes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    kind, members, _ = KINDS[name]
    variables = {"input": {**SHARED, **members, **(changes or {})}}
    data = await doors.ask(RECORD % (kind, name), variables, tier="authority")
    answer = data[name]
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("name", KINDS)
async def test_an_officer_records_and_reads_what_was_sealed(doors: Doors, name: str) -> None:
    size = doors.service.writer.tree_size
    first = await record(doors, name)
    assert first["entry"]["leafIndex"] == size
    expected = {
        **KINDS[name][2],
        "text": "What was found",
        "case": "m-1",
        "synthetic": True,
        "basis": "lab",
        "subject": DAIRY.label(),
        "issuer": {"label": MARKET.label()},
        "product": {"gtin": "06901234567892", "lot": "L1"},
    }
    assert {name: first["statement"][name] for name in expected} == expected
    again = await record(doors, name)
    assert again["entry"] == {**first["entry"], "duplicate": True}
    conflict = await record(doors, name, {"text": "Something else"})
    assert conflict["code"] == "LEDGER_DUPLICATE_CONFLICT"
    assert doors.service.writer.tree_size == size + 1


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"subject": "91150121MA0XY0010R"}, "LEDGER_IDENTIFIER_INVALID", ["id"]),
        ({"subject": "A" * 43}, "LEDGER_SUBJECT_UNKNOWN", ["payload", "sub"]),
        ({"code": "witchcraft"}, "LEDGER_CODE_UNKNOWN", ["code"]),
        ({"outcome": "burnt"}, "LEDGER_OUTCOME_UNKNOWN", ["outcome"]),
        ({"severity": None}, "LEDGER_STATEMENT_INVALID", ["severity"]),
        ({"basis": "rumour"}, "LEDGER_STATEMENT_INVALID", ["basis"]),
        ({"idempotencyKey": "no spaces"}, "LEDGER_STATEMENT_INVALID", ["payload", "jti"]),
        ({"text": ""}, "LEDGER_STATEMENT_INVALID", ["particulars", "text"]),
        ({"text": "x" * 2_001}, "LEDGER_STATEMENT_INVALID", ["particulars", "text"]),
        ({"product": {"gtin": "1"}}, "LEDGER_STATEMENT_INVALID", ["particulars", "gtin"]),
        (
            {"documents": [{"name": "d", "sha256": "0"}]},
            "LEDGER_STATEMENT_INVALID",
            ["particulars", "documents", 0],
        ),
    ],
)
async def test_what_is_refused_names_the_field_and_writes_nothing(
    doors: Doors, changes: dict[str, Any], code: str, path: list[str | int]
) -> None:
    held = await rows_of_all_tables(doors.service.database)
    answer = await record(doors, "recordInspection", changes)
    assert (answer["code"], answer["path"]) == (code, path)
    assert await rows_of_all_tables(doors.service.database) == held


async def test_an_authority_without_a_key_or_mandate_here_records_nothing(doors: Doors) -> None:
    held = await rows_of_all_tables(doors.service.database)
    variables = {"input": {**SHARED, **KINDS["recordInspection"][1]}}
    mutation = RECORD % ("InspectionInput", "recordInspection")
    data = await doors.ask(mutation, variables, tier="authority", subject=TRADER.label())
    assert data["recordInspection"]["code"] == "LEDGER_KEY_NOT_KEPT"
    assert await rows_of_all_tables(doors.service.database) == held


@pytest.mark.parametrize("tier", ["public", "bank", "enterprise"])
async def test_who_may_not_write_has_no_such_field(doors: Doors, tier: str) -> None:
    content = await doors.post(
        'mutation{submitStatements(statements:["x"]){__typename}}', tier=tier
    )
    assert "data" not in content
    assert content["errors"][0]["extensions"]["code"] == "QUERY_MALFORMED"


SUBMIT = """mutation($s:[String!]!){submitStatements(statements:$s){
  ... on Submitted{entries{leafIndex duplicate}} ... on Refusal{code path}}}"""


async def test_finished_statements_stand_together_or_not_at_all(doors: Doors) -> None:
    size = doors.service.writer.tree_size
    good = [doors.draft(fine(case="m"), about=about).presentation for about in (DAIRY, TRADER)]
    bad = doors.draft(fine(), key=key_of("a stranger")).presentation
    data = await doors.ask(SUBMIT, {"s": [*good, bad]}, tier="authority")
    assert data["submitStatements"] == {
        "code": "LEDGER_KEY_UNKNOWN",
        "path": [2, "token", "header", "kid"],
    }
    for statements in ([], ["x~"]):
        data = await doors.ask(SUBMIT, {"s": statements}, tier="authority")
        assert "code" in data["submitStatements"]
    assert doors.service.writer.tree_size == size
    data = await doors.ask(SUBMIT, {"s": good}, tier="authority")
    assert data["submitStatements"]["entries"] == [
        {"leafIndex": size, "duplicate": False},
        {"leafIndex": size + 1, "duplicate": False},
    ]


CAPTURE = """mutation($d:String!,$p:String,$k:String){
  captureEvents(document:$d,%s idempotencyKey:$k){
  ... on Captured{entry{leafIndex duplicate} eventCount captureId party signedBy}
  ... on Refusal{code path}}}"""

LOT = "https://id.gs1.org/01/06901234567892/10/L1"
MILK = "https://id.gs1.org/01/06901234567885/10/M1"


def document(**changes: Any) -> str:  # noqa: ANN401
    event = {
        "type": "TransformationEvent",
        "eventTime": "2026-02-01T08:00:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "inputQuantityList": [{"epcClass": MILK, "quantity": 1000, "uom": "KGM"}],
        "outputQuantityList": [{"epcClass": LOT, "quantity": 500}],
        "bizStep": "commissioning",
        **changes,
    }
    return json.dumps(
        {
            "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-02-01T08:00:00Z",
            "epcisBody": {"eventList": [event]},
        }
    )


TRACE = """query($link:String!,$asOf:Day){trace(link:$link,asOf:$asOf){
  ... on Trace{root truncated nodes{identifier level direction grain events{position}}
    edges{source target kind events{leafIndex}}
    events{leafIndex position type bizStep party{label name{en}}}}
  ... on Refusal{code path}}}"""


async def test_an_enterprise_captures_and_everybody_traces(doors: Doors) -> None:
    await doors.file(DAIRY, name={"en": "Dairy"})
    size = doors.service.writer.tree_size
    variables = {"d": document()}
    data = await doors.ask(CAPTURE.replace("$p:String,", "") % "", variables, tier="enterprise")
    captured = data["captureEvents"]
    assert captured["entry"] == {"leafIndex": size, "duplicate": False}
    assert (captured["eventCount"], captured["party"]) == (1, DAIRY.label())
    # This party keeps no key here, and the answer says who signed in its place.
    assert captured["signedBy"] == "DOOR"
    again = await doors.ask(CAPTURE.replace("$p:String,", "") % "", variables, tier="enterprise")
    assert again["captureEvents"]["entry"] == {"leafIndex": size, "duplicate": True}
    trace = (await doors.ask(TRACE, {"link": LOT}))["trace"]
    assert [(node["identifier"], node["level"]) for node in trace["nodes"]][:2] == [
        (LOT, 0),
        (MILK, 1),
    ]
    assert [(edge["source"], edge["target"], edge["kind"]) for edge in trace["edges"]] == [
        (MILK, LOT, "TRANSFORMATION")
    ]
    (event,) = trace["events"]
    assert event["party"] == {"label": DAIRY.label(), "name": {"en": "Dairy"}}
    assert (event["leafIndex"], event["type"]) == (size, "TransformationEvent")
    earlier = await doors.ask(TRACE, {"link": LOT, "asOf": "2026-01-31"})
    assert earlier["trace"]["edges"] == []


async def test_a_party_with_a_key_here_signs_its_own_captures(doors: Doors) -> None:
    variables = {"d": document(), "p": MARKET.label(), "k": "cap-1"}
    refused = await doors.ask(CAPTURE % "party:$p,", variables, tier="authority")
    assert refused["captureEvents"] == {"code": "ENTERPRISE_UNKNOWN", "path": ["party"]}
    variables["p"] = MARKET.identifier
    data = await doors.ask(CAPTURE % "party:$p,", variables, tier="authority")
    captured = data["captureEvents"]
    assert captured["signedBy"] == "PARTY"
    async with doors.service.database.reading() as session:
        entry = await Entries(session).at(captured["entry"]["leafIndex"])
    assert isinstance(entry.body, Capture)
    assert entry.body.issuer == MARKET.label()
    assert entry.body.jti == "cap-1"


@pytest.mark.parametrize(
    ("text", "party", "code"),
    [
        ("{", None, "TRACE_DOCUMENT_NOT_JSON"),
        (document(eventTime="yesterday"), None, "TRACE_TIME_INVALID"),
        (document(type="Miracle"), None, "TRACE_EVENT_TYPE_UNKNOWN"),
        (document(), TRADER.identifier, "ACCESS_FORBIDDEN"),
    ],
)
async def test_what_is_no_capture_is_refused_and_writes_nothing(
    doors: Doors, text: str, party: str | None, code: str
) -> None:
    await doors.file(DAIRY)
    held = await rows_of_all_tables(doors.service.database)
    variables = {"d": text, "p": party}
    data = await doors.ask(CAPTURE % "party:$p,", variables, tier="enterprise")
    assert data["captureEvents"]["code"] == code
    assert await rows_of_all_tables(doors.service.database) == held


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("milk", "TRACE_IDENTIFIER_INVALID"),
        (LOT.replace("892", "893"), "TRACE_CHECK_DIGIT_INVALID"),
    ],
)
async def test_what_names_nothing_is_not_traced(doors: Doors, link: str, code: str) -> None:
    assert (await doors.ask(TRACE, {"link": link}))["trace"]["code"] == code
