"""Typed mutations of every kind, and what statements say of each other; invariants 6 and 11."""

from dataclasses import fields
from typing import Any

import pytest
from sqlalchemy import event

from api.schema.inputs import INPUTS
from ledger.entries import Entries
from ledger.kinds import KINDS
from ledger.kinds.shape import COMMON, PRODUCT
from ledger.statement import Statement, refers_to
from tests.api.doors import PERSON_LABEL, Doors, fine, suspicion
from tests.world import CARRIER, DAIRY, MARKET, PERSON, TRADER, rows_of_all_tables

RECORD = """mutation($input:%s!){ %s(input:$input){
  ... on Recorded{ entry{leafIndex duplicate} statement{__typename code outcome severity basis
    refersTo{leafIndex} %s} }
  ... on Refusal{code message path} }}"""

SHARED: dict[str, Any] = {"subject": DAIRY.identifier, "decidedOn": "2026-02-20"}

LIFE: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "ForeignNotice",
        {
            "code": "hygiene",
            "outcome": "refusal",
            "severity": "GENERAL",
            "basis": "lab",
            "items": 7,
            "valueFen": 9,
            "country": "US",
            "notifier": "FDA",
            "charges": ["249"],
            "product": {"name": "Milk powder", "code": "09"},
        },
        "... on ForeignNotice{items valueFen country notifier charges product{name code}}",
        {
            "items": 7,
            "valueFen": 9,
            "country": "US",
            "notifier": "FDA",
            "charges": ["249"],
            "product": {"name": "Milk powder", "code": "09"},
        },
    ),
    (
        "DeclarationError",
        {
            "code": "rate",
            "outcome": "self-disclosed",
            "severity": "MINOR",
            "basis": "document",
            "errors": 2,
            "declarations": 100,
            "taxFen": 5,
        },
        "... on DeclarationError{errors declarations taxFen}",
        {"errors": 2, "declarations": 100, "taxFen": 5},
    ),
    (
        "Commitment",
        {"code": "repair", "outcome": "made", "refers": "ForeignNotice"},
        "... on Commitment{case}",
        {"case": None},
    ),
    (
        "Rectification",
        {"code": "recall", "outcome": "ordered", "refers": "ForeignNotice", "deadlineDays": 30},
        "... on Rectification{deadlineDays paidFen}",
        {"deadlineDays": 30, "paidFen": None},
    ),
    (
        "Repair",
        {
            "code": "penalty",
            "outcome": "notified",
            "refers": "ForeignNotice",
            "effectiveOn": "2026-05-20",
            "duties": "Recall the lot",
            "window": "Window 3",
            "case": "m-1",
        },
        "... on Repair{duties window effectiveOn case}",
        {
            "duties": "Recall the lot",
            "window": "Window 3",
            "effectiveOn": "2026-05-20",
            "case": "m-1",
        },
    ),
    (
        "Objection",
        {"code": "facts", "outcome": "filed", "refers": "DeclarationError", "text": "No error"},
        "... on Objection{text}",
        {"text": "No error"},
    ),
    (
        "Appeal",
        {"code": "litigation", "outcome": "filed", "refers": "Objection", "court": "A court"},
        "... on Appeal{court}",
        {"court": "A court"},
    ),
    (
        "ListEntry",
        {"code": "anomaly", "outcome": "entered", "refers": "ForeignNotice", "basis": "document"},
        "... on ListEntry{case}",
        {"case": None},
    ),
    (
        "Correction",
        {"code": "clerical-error", "outcome": "withdrawn", "refers": "ListEntry"},
        "... on Correction{case}",
        {"case": None},
    ),
    (
        "Certificate",
        {"code": "traceability", "outcome": "granted", "validMonths": 24, "scope": "Dairy"},
        "... on Certificate{validMonths scope}",
        {"validMonths": 24, "scope": "Dairy"},
    ),
    (
        "ExternalGrade",
        {"code": "refund", "outcome": "2"},
        "... on ExternalGrade{number}",
        {"number": None},
    ),
    (
        "Relation",
        {
            "code": "controls",
            "outcome": "begun",
            "related": TRADER.identifier,
            "sharePermille": 510,
        },
        "... on Relation{related{label identifier{scheme value}} sharePermille}",
        {
            "related": {
                "label": TRADER.label(),
                "identifier": {"scheme": "USCC", "value": TRADER.identifier},
            },
            "sharePermille": 510,
        },
    ),
    (
        "LinkMerge",
        {"code": "same-enterprise", "outcome": "merged", "mergedWith": "fei:3012345678"},
        "... on LinkMerge{mergedWith{identifier{scheme value}}}",
        {"mergedWith": {"identifier": {"scheme": "FEI", "value": "3012345678"}}},
    ),
    (
        "Effect",
        {
            "subject": TRADER.identifier,
            "code": "joint-liability",
            "outcome": "begun",
            "refers": "ForeignNotice",
        },
        "... on Effect{subject}",
        {"subject": TRADER.label()},
    ),
    (
        "Treatment",
        {
            "code": "release-after-result",
            "outcome": "full",
            "samplingBp": 10_000,
            "reviewMonths": 3,
            "refundClass": 4,
            "grade": "D",
            "policy": "0" * 64,
        },
        "... on Treatment{samplingBp reviewMonths refundClass grade policy}",
        {
            "samplingBp": 10_000,
            "reviewMonths": 3,
            "refundClass": 4,
            "grade": "D",
            "policy": "0" * 64,
        },
    ),
    (
        "Filing",
        {
            "code": "enterprise",
            "outcome": "accepted",
            "name": {"zh": "某乳业", "en": "Dairy"},
            "country": "CN",
            "region": "150121",
            "city": "Hohhot",
            "industry": "1441",
            "port": "0604",
        },
        "... on Filing{name{zh en} country region city industry port}",
        {
            "name": {"zh": "某乳业", "en": "Dairy"},
            "country": "CN",
            "region": "150121",
            "city": "Hohhot",
            "industry": "1441",
            "port": "0604",
        },
    ),
]
"""Type, input, what is asked beside the shared members, and the answer. A statement refers to the
one of the type it names, which stands before it."""


async def record(
    doors: Doors, kind: str, members: dict[str, Any], asked: str = ""
) -> dict[str, Any]:
    """By its type's name: what was recorded, or the refusal."""
    variables = {"input": {**SHARED, "idempotencyKey": f"K-{kind}", **members}}
    query = RECORD % (f"{kind}Input", f"record{kind}", asked)
    data = await doors.ask(query, variables, tier="authority")
    answer = data[f"record{kind}"]
    assert isinstance(answer, dict)
    return answer


async def test_an_officer_records_every_kind_and_what_it_refers_to_by_index(doors: Doors) -> None:
    await doors.widen()
    size = doors.service.writer.tree_size
    indexes: dict[str, int] = {}
    for kind, members, asked, expected in LIFE:
        given = {**members}
        if "refers" in given:
            given["refers"] = indexes[given["refers"]]
        answer = await record(doors, kind, given, asked)
        assert "code" not in answer, answer
        indexes[kind] = answer["entry"]["leafIndex"]
        statement = answer["statement"]
        refers = given.get("refers")
        assert statement["refersTo"] == (None if refers is None else {"leafIndex": refers})
        severity, basis = members.get("severity"), members.get("basis")
        assert (statement["severity"], statement["basis"]) == (severity, basis)
        assert {name: statement[name] for name in expected} == expected
        assert statement["__typename"] == kind
        # Signed again: the same reference is meant, and the first index is the answer.
        again = await record(doors, kind, given, asked)
        assert again["entry"] == {"leafIndex": indexes[kind], "duplicate": True}
    assert doors.service.writer.tree_size == size + len(LIFE)
    assert {*indexes} | {"Inspection", "Enforcement", "FraudCase", "IpCase"} == {
        input_.__name__.removesuffix("Input") for input_ in INPUTS.values()
    }
    async with doors.service.database.reading() as session:
        objection = (await Entries(session).at(indexes["Objection"])).body
    assert isinstance(objection, Statement)
    assert objection.weighing.refers == refers_to(MARKET.label(), "K-DeclarationError")


@pytest.mark.parametrize("name", list(INPUTS))
def test_an_input_has_the_members_of_its_kind_and_no_other(name: str) -> None:
    kind, input_ = KINDS[name], INPUTS[name]
    assert input_.kind is kind
    members = {field.name for field in fields(input_)}
    own = {item.name for item in kind.particulars} | set(kind.measures)
    goods = {item.name for item in PRODUCT}
    if goods <= own:
        own = own - goods | {"product"}
    for member, has in (
        ("severity", bool(kind.graded_outcomes)),
        ("basis", bool(kind.bases)),
        ("case", kind.case_allowed),
        ("refers", bool(kind.refers)),
    ):
        own |= {member} if has else set()
    own |= {"repair_notice"} if name == "enforcement" else set()
    shared = {"code", "outcome", "decided_on", "occurred_on", "effective_on", "idempotency_key"}
    assert members == own | shared | {item.name for item in COMMON}


def test_every_kind_but_bindings_has_an_input() -> None:
    assert {*KINDS} - {*INPUTS} == {"binding"}


@pytest.mark.parametrize(
    ("kind", "changes", "code", "path"),
    [
        pytest.param(
            "Objection", {"refers": 10**9}, "LEDGER_REFERENT_UNKNOWN", ["refers"], id="no index"
        ),
        pytest.param(
            "Objection", {"refers": 0}, "LEDGER_REFERENT_UNKNOWN", ["refers"], id="a control entry"
        ),
        pytest.param(
            "Objection", {"refers": "filing"}, "LEDGER_REFERENT_UNFIT", ["refers"], id="a filing"
        ),
        pytest.param(
            "Objection",
            {"refers": "fine", "subject": TRADER.identifier},
            "LEDGER_REFERENT_UNFIT",
            ["refers"],
            id="another subject's decision",
        ),
        pytest.param(
            "Objection", {}, "LEDGER_STATEMENT_INVALID", ["refers"], id="nothing to refer to"
        ),
        pytest.param(
            "Relation",
            {"code": "controls", "outcome": "begun", "related": DAIRY.identifier},
            "LEDGER_STATEMENT_INVALID",
            ["particulars", "related"],
            id="a relation to itself",
        ),
        pytest.param(
            "Relation",
            {"code": "controls", "outcome": "begun", "related": "duns:1"},
            "LEDGER_IDENTIFIER_INVALID",
            ["related", "scheme"],
            id="a relation to nobody",
        ),
        pytest.param(
            "Relation",
            {"code": "controls", "outcome": "begun", "related": "A" * 43},
            "LEDGER_SUBJECT_UNKNOWN",
            ["particulars", "related"],
            id="a relation to a label that nobody bound",
        ),
        pytest.param(
            "ExternalGrade",
            {"code": "forex", "outcome": "m"},
            "LEDGER_OUTCOME_UNKNOWN",
            ["outcome"],
            id="a grade of another regime",
        ),
        pytest.param(
            "Treatment",
            {"code": "release-after-result", "outcome": "full", "policy": "x"},
            "LEDGER_STATEMENT_INVALID",
            ["particulars", "policy"],
            id="a policy by another name",
        ),
    ],
)
async def test_what_is_refused_names_the_member_and_writes_nothing(
    doors: Doors, kind: str, changes: dict[str, Any], code: str, path: list[str]
) -> None:
    await doors.widen()
    filed = await doors.file(DAIRY)
    (fined,) = await doors.state(doors.draft(fine()))
    members = {"code": "facts", "outcome": "filed", **changes}
    places = {"filing": filed, "fine": fined.leaf_index}
    if "refers" in members:
        members["refers"] = places.get(members["refers"], members["refers"])
    held = await rows_of_all_tables(doors.service.database)
    answer = await record(doors, kind, members)
    assert (answer["code"], answer["path"]) == (code, path)
    assert await rows_of_all_tables(doors.service.database) == held


FINE = {"code": "hygiene", "outcome": "fine", "severity": "GENERAL", "case": "m-1"}
NOTICE = {
    "idempotencyKey": "N-1",
    "effectiveOn": "2026-05-20",
    "duties": "Pay the fine",
    "window": "Window 3",
}
SERVED = """mutation($input:EnforcementInput!){recordEnforcement(input:$input){
  ... on Recorded{entry{leafIndex duplicate} repairNotice{leafIndex duplicate}
    statement{referredBy{edges{node{__typename outcome effectiveOn case reference synthetic
      ... on Repair{duties window}}}}}}
  ... on Refusal{code path}}}"""


async def serve(doors: Doors, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    members = {**SHARED, **FINE, "idempotencyKey": "E-1", "synthetic": True, **changes}
    data = await doors.ask(SERVED, {"input": members}, tier="authority")
    answer = data["recordEnforcement"]
    assert isinstance(answer, dict)
    return answer


async def test_a_decision_and_its_repair_notice_are_recorded_together(doors: Doors) -> None:
    await doors.widen()
    size = doors.service.writer.tree_size
    answer = await serve(doors, repairNotice=NOTICE)
    assert answer == {
        "entry": {"leafIndex": size, "duplicate": False},
        "repairNotice": {"leafIndex": size + 1, "duplicate": False},
        "statement": {
            "referredBy": {
                "edges": [
                    {
                        "node": {
                            "__typename": "Repair",
                            "outcome": "notified",
                            "effectiveOn": "2026-05-20",
                            "case": "m-1",
                            "reference": "N-1",
                            "synthetic": True,
                            "duties": "Pay the fine",
                            "window": "Window 3",
                        }
                    }
                ]
            }
        },
    }
    again = await serve(doors, repairNotice=NOTICE)
    assert again["repairNotice"] == {"leafIndex": size + 1, "duplicate": True}
    alone = await serve(doors)
    assert (alone["entry"]["leafIndex"], alone["repairNotice"]) == (size, None)


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        pytest.param(
            {"repairNotice": {**NOTICE, "effectiveOn": "2026-01-01"}},
            "LEDGER_STATEMENT_INVALID",
            ["repairNotice", "effective_on"],
            id="a repair before the decision",
        ),
        pytest.param(
            {"repairNotice": {**NOTICE, "duties": ""}},
            "LEDGER_STATEMENT_INVALID",
            ["repairNotice", "particulars", "duties"],
            id="duties of no words",
        ),
        pytest.param(
            {"repairNotice": {**NOTICE, "idempotencyKey": "no spaces"}},
            "LEDGER_STATEMENT_INVALID",
            ["repairNotice", "payload", "jti"],
            id="a reference that is none",
        ),
        pytest.param(
            {"repairNotice": {**NOTICE, "idempotencyKey": "E-1"}},
            "LEDGER_DUPLICATE_CONFLICT",
            ["repairNotice", "payload", "jti"],
            id="the reference of the decision",
        ),
        pytest.param(
            {"repairNotice": NOTICE, "outcome": "burnt"},
            "LEDGER_OUTCOME_UNKNOWN",
            ["outcome"],
            id="a decision that is refused",
        ),
    ],
)
async def test_without_one_of_them_neither_stands(
    doors: Doors, changes: dict[str, Any], code: str, path: list[str]
) -> None:
    await doors.widen()
    held = await rows_of_all_tables(doors.service.database)
    assert await serve(doors, **changes) == {"code": code, "path": path}
    assert await rows_of_all_tables(doors.service.database) == held


async def test_who_may_not_give_notice_does_not_decide_with_one(doors: Doors) -> None:
    held = await rows_of_all_tables(doors.service.database)
    refused = await serve(doors, repairNotice=NOTICE)
    assert refused["code"] == "LEDGER_MANDATE_MISSING"
    assert await rows_of_all_tables(doors.service.database) == held
    assert (await serve(doors))["repairNotice"] is None


STATEMENTS = """query($id:String!,$knownAt:KnownAt){enterprise(id:$id,knownAt:$knownAt){
  ... on Enterprise{statements(first:100){edges{node{leafIndex refersTo{leafIndex}
    referredBy(first:2){edges{node{leafIndex} cursor} pageInfo{hasNextPage endCursor}}
    ... on Relation{related{label identifier{value}}}}}}}}}"""


async def statements_of(
    doors: Doors,
    id: str,  # noqa: A002
    **options: Any,  # noqa: ANN401
) -> dict[int, dict[str, Any]]:
    """By leaf index."""
    tier, subject = options.pop("tier", "authority"), options.pop("subject", None)
    data = await doors.ask(STATEMENTS, {"id": id, **options}, tier=tier, subject=subject)
    edges = data["enterprise"]["statements"]["edges"]
    return {edge["node"]["leafIndex"]: edge["node"] for edge in edges}


def indexes(connection: dict[str, Any]) -> list[int]:
    return [edge["node"]["leafIndex"] for edge in connection["edges"]]


async def test_who_refers_to_a_statement_comes_in_pages_and_as_known_then(doors: Doors) -> None:
    await doors.widen()
    await doors.file(DAIRY)
    (fined,) = await doors.state(doors.draft(fine()))
    referring = []
    for number in range(3):
        answer = await record(
            doors,
            "Objection",
            {
                "code": "facts",
                "outcome": "filed",
                "refers": fined.leaf_index,
                "idempotencyKey": f"O-{number}",
            },
        )
        referring.append(answer["entry"]["leafIndex"])
    told = await statements_of(doors, DAIRY.identifier)
    page = told[fined.leaf_index]["referredBy"]
    assert indexes(page) == referring[:2]
    assert page["pageInfo"]["hasNextPage"]
    query = """query($i:Natural!,$a:String){entry(leafIndex:$i){... on Entry{statement{
      referredBy(first:2,after:$a){edges{node{leafIndex refersTo{leafIndex}}}
        pageInfo{hasNextPage}}}}}}"""
    variables = {"i": fined.leaf_index, "a": page["pageInfo"]["endCursor"]}
    data = await doors.ask(query, variables, tier="authority")
    rest = data["entry"]["statement"]["referredBy"]
    assert rest == {
        "edges": [
            {"node": {"leafIndex": referring[2], "refersTo": {"leafIndex": fined.leaf_index}}}
        ],
        "pageInfo": {"hasNextPage": False},
    }
    then = await statements_of(doors, DAIRY.identifier, knownAt={"treeSize": referring[0] + 1})
    assert indexes(then[fined.leaf_index]["referredBy"]) == referring[:1]
    for bad in ({"a": "x"}, {"a": None, "i": fined.leaf_index}):
        content = await doors.post(
            query.replace("first:2", "first:0") if bad["a"] is None else query,
            {**variables, **bad},
            tier="authority",
        )
        assert content["errors"][0]["extensions"]["code"] == "QUERY_PAGE_INVALID"


async def test_what_may_not_be_seen_is_neither_referred_to_nor_refers(doors: Doors) -> None:
    await doors.widen()
    await doors.file(DAIRY)
    await doors.file(TRADER)
    shown, hidden = await doors.state(
        doors.draft(fine(), about=TRADER), doors.draft(suspicion(), about=TRADER)
    )
    effects = {}
    for source in (shown, hidden):
        answer = await record(
            doors,
            "Effect",
            {
                "code": "joint-liability",
                "outcome": "begun",
                "refers": source.leaf_index,
                "idempotencyKey": f"E-{source.leaf_index}",
            },
        )
        effects[source.leaf_index] = answer["entry"]["leafIndex"]
    answer = await record(
        doors,
        "Objection",
        {
            "subject": TRADER.identifier,
            "code": "facts",
            "outcome": "filed",
            "refers": shown.leaf_index,
        },
    )
    objection = answer["entry"]["leafIndex"]

    own = await statements_of(doors, DAIRY.identifier, tier="enterprise")
    assert own[effects[shown.leaf_index]]["refersTo"] == {"leafIndex": shown.leaf_index}
    assert own[effects[hidden.leaf_index]]["refersTo"] is None
    every = await statements_of(doors, DAIRY.identifier)
    assert every[effects[hidden.leaf_index]]["refersTo"] == {"leafIndex": hidden.leaf_index}

    for tier, referring in (("authority", [objection]), ("public", []), ("enterprise", [])):
        told = await statements_of(doors, TRADER.identifier, tier=tier)
        assert indexes(told[shown.leaf_index]["referredBy"]) == referring, tier
        assert not told[shown.leaf_index]["referredBy"]["pageInfo"]["hasNextPage"]
    trader = await statements_of(
        doors, TRADER.identifier, tier="enterprise", subject=TRADER.label()
    )
    assert indexes(trader[shown.leaf_index]["referredBy"]) == [objection]


async def test_a_related_person_is_named_by_its_label_alone(doors: Doors) -> None:
    await doors.widen()
    await doors.bind_and_file_person()
    await doors.file(DAIRY)
    places = []
    for number, text in enumerate((PERSON.identifier, PERSON_LABEL, CARRIER.label())):
        answer = await record(
            doors,
            "Relation",
            {
                "code": "controlled-by",
                "outcome": "begun",
                "related": text,
                "idempotencyKey": f"R-{number}",
            },
        )
        if text == CARRIER.label():
            # An organisation's label says nothing of what it stands for, and no binding does.
            assert answer["code"] == "LEDGER_SUBJECT_UNKNOWN"
            continue
        places.append(answer["entry"]["leafIndex"])
    for place in places:
        told = (await statements_of(doors, DAIRY.identifier))[place]
        assert told["related"] == {"label": PERSON_LABEL, "identifier": None}
        async with doors.service.database.reading() as session:
            body = (await Entries(session).at(place)).body
        assert isinstance(body, Statement)
        assert body.particulars["related"] == {"id": PERSON_LABEL, "scheme": "label"}


async def test_a_page_of_what_refers_costs_as_many_statements_as_a_row(doors: Doors) -> None:
    await doors.widen()
    for identity in (DAIRY, TRADER, CARRIER):
        await doors.file(identity)
        for number in range(3):
            (fined,) = await doors.state(doors.draft(fine(), about=identity))
            await record(
                doors,
                "Objection",
                {
                    "subject": identity.identifier,
                    "code": "facts",
                    "outcome": "filed",
                    "refers": fined.leaf_index,
                    "idempotencyKey": f"O-{identity.identifier}-{number}",
                },
            )
    query = """{enterprises(first:%d){edges{node{statements(first:%d){edges{node{
      refersTo{leafIndex referredBy{edges{node{leafIndex}}}}
      referredBy{edges{node{leafIndex refersTo{leafIndex}}}}}}}}}}}"""
    sent: list[str] = []
    engine = doors.service.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *values: sent.append(values[2]))
    await doors.ask(query % (1, 3), tier="authority")
    counts = []
    for first, page in ((1, 3), (3, 7)):
        sent.clear()
        data = await doors.ask(query % (first, page), tier="authority")
        assert len(data["enterprises"]["edges"]) == first
        counts.append(len([text for text in sent if text.startswith("SELECT")]))
    assert counts[0] == counts[1]
