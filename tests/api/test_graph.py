"""Reading the graph: publicity, two clocks, pages (ARCHITECTURE §8, Relay), both databases."""

import base64
import time
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from api.errors import MESSAGE_CHARACTERS_MAX
from ledger.identity import SubjectLabel
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.statement import Severity
from tests.api.doors import PERSON_LABEL, Doors, fine, suspicion
from tests.world import CARRIER, DAIRY, PERSON, TRADER

ENTERPRISE = """
query Enterprise($id: String!, $asOf: Day, $knownAt: KnownAt) {
  enterprise(id: $id, asOf: $asOf, knownAt: $knownAt) {
    ... on Enterprise {
      id label identifier { scheme value } name { zh en } region industry port synthetic
      asOf treeSize filingIndex
      rating {
        ... on CreditRating {
          grade points reasonCount flags since
          reasons { leafIndex points rule endsOn statement { __typename leafIndex } }
          nextChange { on grade points } policy { name version hash } treeSize asOf
        }
        ... on Refusal { code message path }
      }
      statements(first: 100) { edges { node { __typename leafIndex outcome text } } }
    }
    ... on Refusal { code message path }
  }
}
"""


async def look(doors: Doors, id: str, **options: Any) -> dict[str, Any]:  # noqa: A002, ANN401
    tier = options.pop("tier", "public")
    subject = options.pop("subject", None)
    data = await doors.ask(ENTERPRISE, {"id": id, **options}, tier=tier, subject=subject)
    enterprise = data["enterprise"]
    assert isinstance(enterprise, dict)
    return enterprise


def indexes(enterprise: dict[str, Any]) -> list[int]:
    return [edge["node"]["leafIndex"] for edge in enterprise["statements"]["edges"]]


async def test_an_enterprise_is_found_by_every_spelling_of_it(doors: Doors) -> None:
    filed = await doors.file(
        DAIRY, name={"zh": "某乳业", "en": "Dairy"}, region="150121", industry="1440", port="0604"
    )
    spellings = [DAIRY.identifier, f"uscc:{DAIRY.identifier}", DAIRY.label()]
    found = [await look(doors, spelling) for spelling in spellings]
    assert found[0] == found[1] == found[2]
    assert found[0]["identifier"] == {"scheme": "USCC", "value": DAIRY.identifier}
    assert found[0]["name"] == {"zh": "某乳业", "en": "Dairy"}
    assert (found[0]["filingIndex"], found[0]["treeSize"]) == (filed, filed + 1)
    data = await doors.ask("query($id:ID!){node(id:$id){id __typename}}", {"id": found[0]["id"]})
    assert data["node"] == {"id": found[0]["id"], "__typename": "Enterprise"}


@pytest.mark.parametrize(
    ("id", "code"),
    [
        pytest.param("91150121MA0XY0010R", "LEDGER_IDENTIFIER_INVALID", id="a wrong check"),
        pytest.param("duns:1", "LEDGER_IDENTIFIER_INVALID", id="a scheme nobody knows"),
        pytest.param("", "LEDGER_IDENTIFIER_INVALID", id="nothing"),
        pytest.param("_" * 43, "LEDGER_LABEL_INVALID", id="no label"),
        pytest.param(TRADER.identifier, "ENTERPRISE_UNKNOWN", id="never filed"),
        pytest.param("A" * 43, "ENTERPRISE_UNKNOWN", id="a label never met"),
        pytest.param(PERSON.identifier, "ENTERPRISE_UNKNOWN", id="a person never bound"),
    ],
)
async def test_what_is_not_found_is_refused_by_code(doors: Doors, id: str, code: str) -> None:  # noqa: A002
    assert (await look(doors, id))["code"] == code


async def test_the_public_sees_decisions_within_their_time_and_nothing_else(doors: Doors) -> None:
    filed = await doors.file(DAIRY)
    shown, suspected, expired = await doors.state(
        doors.draft(fine(date(2026, 2, 1))),
        doors.draft(suspicion()),
        doors.draft(fine(date(2024, 2, 1))),
    )
    for options in (
        {},
        {"asOf": "2024-06-01"},
        {"knownAt": {"treeSize": expired.leaf_index + 1}},
        {"tier": "bank"},
        {"tier": "enterprise", "subject": TRADER.label()},
    ):
        seen = await look(doors, DAIRY.identifier, **options)
        hidden = {suspected.leaf_index, expired.leaf_index}
        assert not hidden & set(indexes(seen)), options
        assert not hidden & {reason["leafIndex"] for reason in seen["rating"]["reasons"]}, options
    assert indexes(await look(doors, DAIRY.identifier)) == [filed, shown.leaf_index]
    everything = [filed, shown.leaf_index, suspected.leaf_index, expired.leaf_index]
    assert indexes(await look(doors, DAIRY.identifier, tier="authority")) == everything
    assert indexes(await look(doors, DAIRY.identifier, tier="enterprise")) == everything
    # What weighed two years ago is told to those alone who may see what weighed.
    then = {"asOf": "2024-06-01"}
    told = await look(doors, DAIRY.identifier, tier="authority", **then)
    assert told["rating"]["points"] == 300
    assert (await look(doors, DAIRY.identifier, **then))["rating"]["points"] == 0


async def test_a_withheld_statement_answers_as_one_that_is_not_there(doors: Doors) -> None:
    await doors.file(DAIRY)
    (hidden,) = await doors.state(doors.draft(suspicion()))
    query = """query($i:Natural!,$id:ID!){ node(id:$id){id}
      entry(leafIndex:$i){... on Entry{label form statement{outcome}} ... on Refusal{code}} }"""
    node = base64.urlsafe_b64encode(f"statement:{hidden.leaf_index}".encode()).decode().rstrip("=")
    variables = {"i": hidden.leaf_index, "id": node}
    data = await doors.ask(query, variables)
    assert data["entry"] == {"label": DAIRY.label(), "form": "STATEMENT", "statement": None}
    assert data["node"] is None
    opened = await doors.ask(query, variables, tier="authority")
    assert opened["entry"]["statement"] == {"outcome": "suspected"}
    assert opened["node"] == {"id": node}


async def test_case_is_a_field_of_authorities_alone(doors: Doors) -> None:
    query = '{enterprise(id:"%s"){... on Enterprise{statements{edges{node{case}}}}}}'
    for tier in ("public", "bank", "enterprise"):
        content = await doors.post(query % DAIRY.identifier, tier=tier)
        assert "data" not in content
        assert content["errors"][0]["extensions"]["code"] == "QUERY_MALFORMED"
    assert "errors" not in await doors.post(query % DAIRY.identifier, tier="authority")


async def test_a_person_is_found_by_label_and_named_by_code_to_few(doors: Doors) -> None:
    await doors.bind_and_file_person()
    statement = doors.draft(fine(), about=PERSON_LABEL, particulars={"text": "private words"})
    await doors.state(statement)
    public = await look(doors, PERSON_LABEL)
    assert public["identifier"] is None
    assert [edge["node"]["text"] for edge in public["statements"]["edges"]] == [None, None]
    assert (await look(doors, PERSON.identifier))["code"] == "ENTERPRISE_UNKNOWN"
    assert public["name"] is None, "it often bears its owner's name"
    own = await look(doors, PERSON.identifier, tier="enterprise", subject=PERSON_LABEL)
    assert own["identifier"]["value"] == PERSON.identifier
    assert own["name"]["zh"] == "董记豆制品店"
    authority = await look(doors, PERSON.identifier, tier="authority")
    assert authority["statements"]["edges"][-1]["node"]["text"] == "private words"


@pytest.mark.parametrize(
    "chosen", [None, {"nameContains": "董记"}], ids=["among all", "by its name"]
)
async def test_a_person_is_in_no_list_but_an_authoritys_and_its_own(
    doors: Doors, chosen: dict[str, str] | None
) -> None:
    await doors.bind_and_file_person()
    query = "query($f: EnterpriseFilter) { enterprises(filter: $f) { edges { node { label } } } }"

    async def listed(tier: str, subject: SubjectLabel | None = None) -> list[str]:
        data = await doors.ask(query, {"f": chosen}, tier=tier, subject=subject)
        return [edge["node"]["label"] for edge in data["enterprises"]["edges"]]

    for tier in ("public", "bank", "enterprise"):
        assert await listed(tier) == []
    assert await listed("enterprise", PERSON_LABEL) == [PERSON_LABEL]
    assert await listed("authority") == [PERSON_LABEL]


async def test_both_clocks_move_the_answer(doors: Doors) -> None:
    filed = await doors.file(DAIRY)
    known_before = filed + 1
    doors.clock.advance(days=1)
    (later,) = await doors.state(doors.draft(fine(date(2026, 2, 20))))
    now = await look(doors, DAIRY.identifier)
    assert (now["rating"]["points"], now["asOf"]) == (300, "2026-03-02")
    for known_at in ({"treeSize": known_before}, {"instant": "2026-03-01T12:00:00Z"}):
        earlier = await look(doors, DAIRY.identifier, knownAt=known_at)
        assert (earlier["rating"]["points"], earlier["treeSize"]) == (0, known_before)
        assert indexes(earlier) == [filed]
    before = await look(doors, DAIRY.identifier, asOf="2026-02-19")
    assert (before["rating"]["points"], indexes(before)) == (0, [filed])
    on_the_day = await look(doors, DAIRY.identifier, asOf="2026-02-20")
    assert [one["leafIndex"] for one in on_the_day["rating"]["reasons"]] == [later.leaf_index]


@pytest.mark.parametrize(
    "known_at", [{"treeSize": 0}, {"treeSize": 10_000}, {"instant": "2020-01-01T00:00:00Z"}]
)
async def test_a_size_the_log_never_had_is_refused(doors: Doors, known_at: dict[str, Any]) -> None:
    assert (await look(doors, DAIRY.identifier, knownAt=known_at))["code"] == "LOG_SIZE_UNKNOWN"


STATEMENTS = """query($id:String!,$first:Int!,$after:String){enterprise(id:$id){... on Enterprise{
  statements(first:$first,after:$after){edges{cursor node{leafIndex}}
  pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}}}}"""


async def test_pages_neither_repeat_nor_miss_while_the_log_grows(doors: Doors) -> None:
    filed = await doors.file(DAIRY)
    before = await doors.state(*[doors.draft(fine()) for _ in range(9)])
    expected = [filed, *(one.leaf_index for one in before)]
    seen: list[int] = []
    after = None
    while True:
        variables = {"id": DAIRY.identifier, "first": 4, "after": after}
        page = (await doors.ask(STATEMENTS, variables))["enterprise"]["statements"]
        seen += [edge["node"]["leafIndex"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
        if len(expected) < 12:
            expected += [one.leaf_index for one in await doors.state(doors.draft(fine()))]
    assert seen == expected


async def test_enterprises_are_chosen_by_what_is_filed(doors: Doors) -> None:
    await doors.file(DAIRY, name={"zh": "某乳业"}, region="150121", industry="1440", port="M")
    await doors.file(TRADER, name={"en": "Trader_x"}, region="150781", industry="5127", port="E")
    await doors.file(CARRIER, name={"zh": "某运输"}, region="152501", port="E")
    query = "query($f:EnterpriseFilter){enterprises(filter:$f){edges{node{label}}}}"

    async def chosen(**predicates: str) -> set[str]:
        data = await doors.ask(query, {"f": predicates})
        return {edge["node"]["label"] for edge in data["enterprises"]["edges"]}

    dairy, trader, carrier = DAIRY.label(), TRADER.label(), CARRIER.label()
    assert await chosen() == {dairy, trader, carrier}
    assert await chosen(nameContains="乳业") == {dairy}
    assert await chosen(nameContains="某") == {dairy, carrier}
    assert await chosen(nameContains="TRADER") == {trader}
    assert await chosen(nameContains="%") == set()
    assert await chosen(nameContains="r_x") == {trader}
    assert await chosen(region="15") == {dairy, trader, carrier}
    assert await chosen(region="1507") == {trader}
    assert await chosen(port="E", industry="5127") == {trader}


async def test_authorities_alone_choose_by_grade(doors: Doors) -> None:
    for identity in (DAIRY, TRADER, CARRIER):
        await doors.file(identity)
    await doors.state(
        *[doors.draft(fine(severity=Severity.SERIOUS), about=TRADER) for _ in range(12)]
    )
    query = "query($f:EnterpriseFilter){enterprises(filter:$f){edges{node{label}}}}"

    async def chosen(grade: str) -> set[str]:
        data = await doors.ask(query, {"f": {"grade": grade}}, tier="authority")
        return {edge["node"]["label"] for edge in data["enterprises"]["edges"]}

    worse = (await look(doors, TRADER.identifier))["rating"]["grade"]
    assert worse not in ("A", "B")
    assert await chosen(worse) == {TRADER.label()}
    assert await chosen("B") == {DAIRY.label(), CARRIER.label()}
    # A stored grade follows from what may not be shown, too.
    for tier in ("public", "bank", "enterprise"):
        content = await doors.post(query, {"f": {"grade": worse}}, tier=tier)
        assert "data" not in content
        assert content["errors"][0]["extensions"]["code"] == "QUERY_MALFORMED"


async def test_a_day_before_any_policy_refuses_the_rating_and_nothing_beside_it(
    doors: Doors,
) -> None:
    filed = await doors.file(DAIRY)
    for options in (
        {"asOf": "2019-12-31"},
        {"knownAt": {"treeSize": filed + 1}, "asOf": "0001-01-01"},
    ):
        seen = await look(doors, DAIRY.identifier, **options)
        assert seen["rating"]["code"] == "CREDIT_POLICY_UNKNOWN"
        assert seen["label"] == DAIRY.label()


@pytest.mark.parametrize("field", ["enterprise(id:$v)", "trace(link:$v)"])
async def test_a_refusal_quotes_no_more_than_a_reader_wants(doors: Doors, field: str) -> None:
    query = f"query($v:String!){{x:{field}{{... on Refusal{{message}}}}}}"
    data = await doors.ask(query, {"v": "x" * 200_000})
    assert 0 < len(data["x"]["message"]) <= MESSAGE_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("first: 0", "QUERY_PAGE_INVALID"),
        ("first: 101", "QUERY_PAGE_INVALID"),
        ("first: -1", "QUERY_PAGE_INVALID"),
        ('after: "x"', "QUERY_PAGE_INVALID"),
        ('after: "c3RhdGVtZW50Ojg"', "QUERY_PAGE_INVALID"),
        ('filter: {nameContains: ""}', "QUERY_FILTER_INVALID"),
        (f'filter: {{nameContains: "{"x" * 65}"}}', "QUERY_FILTER_INVALID"),
        ('filter: {region: "\\u0000"}', "QUERY_FILTER_INVALID"),
    ],
)
async def test_arguments_out_of_bounds_have_a_code(doors: Doors, arguments: str, code: str) -> None:
    content = await doors.post(f"{{enterprises({arguments}){{edges{{cursor}}}}}}")
    assert content["errors"][0]["extensions"]["code"] == code
    assert content["data"] is None


async def test_an_entry_comes_with_a_path_to_the_head(doors: Doors) -> None:
    await doors.state(*[doors.draft(fine()) for _ in range(5)])
    query = """{entry(leafIndex:9){... on Entry{leaf leafHash leafIndex inclusionPath
      checkpoint{treeSize rootHash origin note signedAt}}}}"""
    entry = (await doors.ask(query))["entry"]
    leaf = leaf_hash(entry["leaf"].encode())
    assert base64.b64decode(entry["leafHash"]) == leaf
    verify_inclusion(
        leaf,
        9,
        entry["checkpoint"]["treeSize"],
        [base64.b64decode(one) for one in entry["inclusionPath"]],
        base64.b64decode(entry["checkpoint"]["rootHash"]),
    )
    refused = await doors.ask("{entry(leafIndex:5000){... on Refusal{code path}}}")
    assert refused["entry"] == {"code": "LEDGER_ENTRY_UNKNOWN", "path": ["leafIndex"]}


async def test_root_fields_run_side_by_side(doors: Doors) -> None:
    await doors.file(DAIRY)
    fields_of_one = "{... on Enterprise{label rating{__typename}}}"
    field = f'enterprise(id:"{DAIRY.identifier}"){fields_of_one}'
    fields = " ".join(f"a{number}: {field}" for number in range(30))
    data = await doors.ask(f"{{ {fields} checkpoint {{ treeSize }} }}")
    assert len(data) == 31


async def test_a_page_costs_as_many_statements_as_a_row(doors: Doors) -> None:
    query = """{enterprises(first:%d){edges{node{
      rating{... on CreditRating{grade reasons{statement{code}}}}
      statements(first:3){edges{node{code}}}}}}}"""
    for identity in (DAIRY, TRADER, CARRIER):
        await doors.file(identity)
        await doors.state(doors.draft(fine(), about=identity))
    sent: list[str] = []
    engine = doors.service.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *values: sent.append(values[2]))
    counts = []
    for first in (1, 3):
        sent.clear()
        data = await doors.ask(query % first)
        assert len(data["enterprises"]["edges"]) == first
        counts.append(len([text for text in sent if text.startswith("SELECT")]))
    assert counts[0] == counts[1]


async def test_fragments_that_multiply_cost_no_time(doors: Doors) -> None:
    levels = "".join(f"fragment F{n} on Query{{...F{n + 1} ...F{n + 1}}}" for n in range(60))
    started = time.monotonic()
    content = await doors.post(f"{{...F0}} {levels} fragment F60 on Query{{__typename}}")
    assert content["errors"][0]["extensions"]["code"] == "QUERY_TOO_LARGE"
    assert time.monotonic() - started < 2


DEEP = "a" + "{a" * 25 + "}" * 25


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("{", "QUERY_MALFORMED", id="no document"),
        pytest.param("{nothing}", "QUERY_MALFORMED", id="an unknown field"),
        pytest.param("{...F}", "QUERY_MALFORMED", id="an unknown fragment"),
        pytest.param("{...F} fragment F on Query{...F}", "QUERY_MALFORMED", id="a circle"),
        pytest.param("fragment F on Query{__typename}", "QUERY_OPERATION_UNCLEAR", id="none"),
        pytest.param(
            "query A{__typename} query B{__typename}", "QUERY_OPERATION_UNCLEAR", id="two"
        ),
        pytest.param(f"{{{DEEP}}}", "QUERY_TOO_LARGE", id="too deep"),
        pytest.param("{" + "a " * 6_000 + "}", "QUERY_TOO_LARGE", id="many tokens"),
        pytest.param(
            "{" + " ".join(f"a{n}:__typename" for n in range(51)) + "}",
            "QUERY_TOO_LARGE",
            id="many root fields",
        ),
        pytest.param(
            "{" + " ".join(f'a{n}:trace(link:"x"){{__typename}}' for n in range(6)) + "}",
            "QUERY_TOO_LARGE",
            id="many traces",
        ),
        pytest.param(
            '{...F ...F} fragment F on Query{a:trace(link:"x"){__typename} ...G ...G} '
            'fragment G on Query{b:trace(link:"y"){__typename}}',
            "QUERY_TOO_LARGE",
            id="many traces by fragments",
        ),
        pytest.param(
            "{enterprises(first:100){edges{node{statements(first:100){edges{node{id code}}}}}}}",
            "QUERY_TOO_LARGE",
            id="a wide answer",
        ),
        pytest.param("{node(id:1){id}}", "QUERY_NODE_IDENTIFIER_INVALID", id="no identifier"),
        pytest.param("mutation{__typename}", "QUERY_MALFORMED", id="nothing to write"),
    ],
)
async def test_what_cannot_be_run_has_a_code(doors: Doors, query: str, code: str) -> None:
    content = await doors.post(query)
    assert content["errors"][0]["extensions"]["code"] == code
    assert content.get("data") in (None, {"node": None})
