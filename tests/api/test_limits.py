"""What an operation may cost, on both sides of each bound (GraphQL §3, invariant 12)."""

import json

import pytest
from graphql import parse

from api.enterprises import FILTER_CHARACTERS_MAX
from api.errors import NodeIdentifierInvalid, QueryTooLarge, RequestMalformed
from api.http import QUERY_CHARACTERS_MAX, VARIABLES_DEPTH_MAX, GraphQLRequest
from api.schema.door import ERRORS_MAX
from api.schema.limits import (
    DEPTH_MAX,
    FIELDS_MAX,
    ROOT_FIELDS_MAX,
    SUPPOSITIONS_MAX,
    TOKENS_MAX,
    TRACES_MAX,
    check_cost,
    operation_of,
)
from api.schema.nodes import IDENTIFIER_CHARACTERS_MAX, PAGE_SIZE, PAGE_SIZE_MAX, NodeId
from tests.api.doors import Doors


def cost(query: str, variables: dict[str, object] | None = None) -> None:
    document = parse(query)
    check_cost(document, operation_of(document, None), variables or {})


def nested(levels: int) -> str:
    """Fields within fields."""
    return "{a" * levels + "}" * levels


def traces(count: int) -> str:
    """So many walks."""
    return "{" + " ".join(f't{n}:trace(link:"x"){{a}}' for n in range(count)) + "}"


def suppositions(count: int) -> str:
    """So many questions of what would be, half of them of what would lead to a grade."""
    names = (f"s{n}:{'whatIf' if n % 2 else 'toReach'}(grade:1){{a}}" for n in range(count))
    return "{rating{" + " ".join(names) + "}}"


def wide(pages: int, fields: int, first: str = "(first:100)") -> str:
    """`pages` root fields, each a page of edges with so many fields."""
    names = " ".join(f"f{number}" for number in range(fields))
    return "{" + " ".join(f"p{n}:enterprises{first}{{{names}}}" for n in range(pages)) + "}"


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        pytest.param(nested(DEPTH_MAX), nested(DEPTH_MAX + 1), id="levels"),
        pytest.param(traces(TRACES_MAX), traces(TRACES_MAX + 1), id="traces"),
        pytest.param(
            suppositions(SUPPOSITIONS_MAX),
            suppositions(SUPPOSITIONS_MAX + 1),
            id="suppositions",
        ),
        pytest.param(
            f"{{enterprises(first:{SUPPOSITIONS_MAX}){{whatIf{{a}}}}}}",
            f"{{enterprises(first:{SUPPOSITIONS_MAX + 1}){{whatIf{{a}}}}}}",
            id="suppositions about a page",
        ),
        pytest.param(
            "{" + "a " * ROOT_FIELDS_MAX + "}", "{" + "a " * (ROOT_FIELDS_MAX + 1) + "}", id="roots"
        ),
        pytest.param(
            wide(1, FIELDS_MAX // PAGE_SIZE_MAX - 1).replace("enterprises", "referredBy"),
            wide(1, FIELDS_MAX // PAGE_SIZE_MAX).replace("enterprises", "referredBy"),
            id="fields of a page of what refers",
        ),
        pytest.param(
            # A page counts once itself, and each of its fields a hundred times.
            wide(1, FIELDS_MAX // PAGE_SIZE_MAX - 1),
            wide(1, FIELDS_MAX // PAGE_SIZE_MAX),
            id="fields of a page",
        ),
        pytest.param(
            wide(10, FIELDS_MAX // PAGE_SIZE // 10 - 1, ""),
            wide(10, FIELDS_MAX // PAGE_SIZE // 10, ""),
            id="fields of pages of the usual size",
        ),
    ],
)
def test_a_bound_is_exact(taken: str, refused: str) -> None:
    cost(taken)
    with pytest.raises(QueryTooLarge) as refusal:
        cost(refused)
    assert refusal.value.path == ("query",)


def test_a_page_counts_by_its_variable_and_by_that_ones_default() -> None:
    fields = " ".join(f"f{number}" for number in range(FIELDS_MAX // PAGE_SIZE_MAX))
    query = f"query($n:Int=1){{enterprises(first:$n){{{fields}}}}}"
    cost(query)
    with pytest.raises(QueryTooLarge):
        cost(query, {"n": PAGE_SIZE_MAX})


async def test_tokens_are_counted_before_anything_else_is(doors: Doors) -> None:
    async def code(tokens: int) -> str:
        # `{ node ( id : [` and `] ) { id } }` are twelve tokens; the list is no identifier.
        content = await doors.post("{node(id:[" + "1 " * (tokens - 12) + "]){id}}")
        return str(content["errors"][0]["extensions"]["code"])

    assert await code(TOKENS_MAX) == "QUERY_MALFORMED"
    assert await code(TOKENS_MAX + 1) == "QUERY_TOO_LARGE"


async def test_an_answer_names_some_errors_and_not_all(doors: Doors) -> None:
    names = " ".join(f"a{number}" for number in range(ERRORS_MAX + 5))
    content = await doors.post(f"{{{names}}}")
    assert len(content["errors"]) == ERRORS_MAX


def asked(query: str, variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def variables_of(levels: int) -> dict[str, object]:
    """Objects within one another, the outermost among them."""
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    assert isinstance(value, dict)
    return value


def test_a_document_has_a_longest_form() -> None:
    longest = "{a}".ljust(QUERY_CHARACTERS_MAX)
    assert GraphQLRequest.parse(asked(longest, None)).query == longest
    with pytest.raises(QueryTooLarge):
        GraphQLRequest.parse(asked(longest + " ", None))


def test_variables_nest_exactly_as_deep_as_their_bound() -> None:
    deepest = variables_of(VARIABLES_DEPTH_MAX - 1)
    assert GraphQLRequest.parse(asked("{a}", deepest)).variables == deepest
    with pytest.raises(RequestMalformed) as refusal:
        GraphQLRequest.parse(asked("{a}", variables_of(VARIABLES_DEPTH_MAX)))
    assert refusal.value.path == ("variables",)


def test_an_identifier_without_end_is_refused_and_not_told_back() -> None:
    with pytest.raises(NodeIdentifierInvalid) as refusal:
        NodeId.parse("A" * 100_000)
    assert len(refusal.value.message) < 2 * IDENTIFIER_CHARACTERS_MAX


@pytest.mark.parametrize("name", ["nameContains", "region", "industry", "port"])
async def test_a_filter_is_as_long_as_the_columns_are(doors: Doors, name: str) -> None:
    query = """query($f:EnterpriseFilter!){enterprises(filter:$f){edges{cursor}}}"""
    data = await doors.ask(query, {"f": {name: "x" * FILTER_CHARACTERS_MAX}})
    assert data["enterprises"]["edges"] == []
    content = await doors.post(query, {"f": {name: "x" * (FILTER_CHARACTERS_MAX + 1)}})
    assert content["errors"][0]["extensions"] == {
        "code": "QUERY_FILTER_INVALID",
        "path": ["filter", name],
    }


@pytest.mark.parametrize("first", [0, -1, PAGE_SIZE_MAX + 1])
async def test_a_page_has_one_edge_or_more_and_not_too_many(doors: Doors, first: int) -> None:
    query = "query($n:Int!){enterprises(first:$n){edges{cursor}}}"
    await doors.ask(query, {"n": 1})
    await doors.ask(query, {"n": PAGE_SIZE_MAX})
    content = await doors.post(query, {"n": first})
    assert content["errors"][0]["extensions"]["code"] == "QUERY_PAGE_INVALID"
