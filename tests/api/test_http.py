"""GraphQL over HTTP, problem details (RFC 9457), and the server on a real port."""

import asyncio
import json
import logging
import socket
from typing import Any

import httpx
import pytest
import uvicorn

from api import http
from api.access import Tier
from api.schema.session import Session
from tests.api.doors import Doors, fine
from tests.world import DAIRY

QUERY = {"query": "{checkpoint{treeSize}}"}


async def post(doors: Doors, content: bytes, **headers: str) -> httpx.Response:
    return await doors.client.post(
        "/graphql", content=content, headers={"Content-Type": "application/json", **headers}
    )


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param(b"", 400, "REQUEST_MALFORMED", id="nothing"),
        pytest.param(b"{", 400, "REQUEST_MALFORMED", id="no JSON"),
        pytest.param(b"\xff", 400, "REQUEST_MALFORMED", id="no UTF-8"),
        pytest.param(b'"x"', 400, "REQUEST_MALFORMED", id="text"),
        pytest.param(b"3", 400, "REQUEST_MALFORMED", id="a number"),
        pytest.param(b"[]", 400, "REQUEST_MALFORMED", id="a batch"),
        pytest.param(b"{}", 400, "REQUEST_MALFORMED", id="no query"),
        pytest.param(b'{"query":1}', 400, "REQUEST_MALFORMED", id="a query that is no text"),
        pytest.param(b'{"query":"{a}","x":1}', 400, "REQUEST_MALFORMED", id="an unknown member"),
        pytest.param(
            b'{"query":"{a}","operationName":1}', 400, "REQUEST_MALFORMED", id="a name of 1"
        ),
        pytest.param(
            b'{"query":"{a}","operationName":"\\ud800"}', 400, "REQUEST_MALFORMED", id="surrogate"
        ),
        pytest.param(
            b'{"query":"{a}","variables":[]}', 400, "REQUEST_MALFORMED", id="a list of variables"
        ),
        pytest.param(
            b'{"query":"{a}","variables":{"a":' + b"[" * 900 + b"]" * 900 + b"}}",
            400,
            "REQUEST_MALFORMED",
            id="deep variables",
        ),
        pytest.param(
            b'{"query":"{a}","variables":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
            400,
            "REQUEST_MALFORMED",
            id="very deep variables",
        ),
        pytest.param(
            b'{"query":"' + b"#" * 70_000 + b'"}', 400, "QUERY_TOO_LARGE", id="a long document"
        ),
        pytest.param(
            b" " * (http.GRAPHQL_READER_BODY_BYTES_MAX + 1),
            413,
            "REQUEST_TOO_LARGE",
            id="a long body",
        ),
        pytest.param(
            b'{"query":"{a}","query":"{b}"}', 400, "REQUEST_MALFORMED", id="a repeated member"
        ),
        pytest.param(
            b'{"query":"{a}","variables":{"b":{"c":1,"c":2}}}',
            400,
            "REQUEST_MALFORMED",
            id="a repeated member within",
        ),
        pytest.param(
            b'{"query":"{a}","variables":{"b":' + b"9" * 5_000 + b"}}",
            400,
            "REQUEST_MALFORMED",
            id="a number without end",
        ),
    ],
)
async def test_a_request_outside_its_form_is_a_problem(
    doors: Doors, content: bytes, status: int, code: str
) -> None:
    answer = await post(doors, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("tier", Tier)
async def test_who_may_write_may_send_more_than_who_may_ask(doors: Doors, tier: Tier) -> None:
    writes = tier in (Tier.ENTERPRISE, Tier.AUTHORITY)
    longest = http.GRAPHQL_BODY_BYTES_MAX if writes else http.GRAPHQL_READER_BODY_BYTES_MAX
    content, credential = json.dumps(QUERY).encode(), doors.credential(tier.value)
    answer = await post(doors, content.ljust(longest), **credential)
    assert (answer.status_code, "data" in answer.json()) == (200, True)
    answer = await post(doors, content.ljust(longest + 1), **credential)
    assert (answer.status_code, answer.json()["code"]) == (413, "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("type_", ["", "text/plain", "application/jsonx", "application/sd-jwt"])
async def test_a_request_of_another_type_is_refused(doors: Doors, type_: str) -> None:
    answer = await doors.client.post(
        "/graphql", content=json.dumps(QUERY), headers={"Content-Type": type_}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "REQUEST_MEDIA_TYPE")


async def test_the_answer_has_the_type_that_was_asked_for(doors: Doors) -> None:
    good, bad = json.dumps(QUERY).encode(), b'{"query":"{nothing}"}'
    new = "application/graphql-response+json"
    for accept, type_, status in (
        ("*/*", "application/json", 200),
        ("application/json", "application/json", 200),
        (f"{new}, application/json;q=0.9", new, 400),
    ):
        answer = await post(doors, good, Accept=accept)
        assert (answer.status_code, answer.headers["content-type"]) == (200, type_)
        answer = await post(doors, bad, Accept=accept)
        assert (answer.status_code, answer.headers["content-type"]) == (status, type_)
        assert "data" not in answer.json()


async def test_the_named_operation_is_the_one_that_runs(doors: Doors) -> None:
    query = "query A{a:__typename} query B{b:__typename}"
    answer = await post(doors, json.dumps({"query": query, "operationName": "B"}).encode())
    assert answer.json() == {"data": {"b": "Query"}}
    answer = await post(doors, json.dumps({"query": query, "operationName": "C"}).encode())
    assert answer.json()["errors"][0]["extensions"]["code"] == "QUERY_OPERATION_UNCLEAR"


async def test_a_bug_is_logged_whole_and_shown_as_internal(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: Session) -> int:
        raise RuntimeError("a secret word")

    monkeypatch.setattr(Session, "size", broken)
    with caplog.at_level(logging.ERROR):
        content = await doors.post(f'{{enterprise(id:"{DAIRY.identifier}"){{__typename}}}}')
    assert content["errors"][0]["extensions"] == {"code": "INTERNAL", "path": []}
    assert "secret" not in json.dumps(content)
    assert "a secret word" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "REQUEST_ROUTE_UNKNOWN"),
        ("PUT", "/graphql", 405, "REQUEST_METHOD"),
        ("GET", "/entries", 405, "REQUEST_METHOD"),
        ("GET", "/tile/0/0", 400, "LEDGER_TILE_PATH_MALFORMED"),
        ("GET", "/tile/0/000", 404, "LEDGER_ENTRY_UNKNOWN"),
        ("GET", "/tile/9/000", 404, "LEDGER_ENTRY_UNKNOWN"),
    ],
)
async def test_what_is_not_there_is_a_problem(
    doors: Doors, method: str, path: str, status: int, code: str
) -> None:
    answer = await doors.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_each_tier_reads_its_own_schema(doors: Doors) -> None:
    texts = set()
    for tier in Tier:
        answer = await doors.client.get("/schema.graphql", headers=doors.credential(tier.value))
        assert ("recordInspection" in answer.text) == (tier is Tier.AUTHORITY)
        assert ("captureEvents" in answer.text) == (tier in (Tier.AUTHORITY, Tier.ENTERPRISE))
        texts.add(answer.text)
    assert len(texts) == 3


async def test_a_server_on_a_port_answers_as_the_application_does(doors: Doors) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(doors.app, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            lines = [{"statement": doors.draft(fine()).presentation} for _ in range(1_200)]
            size = doors.service.writer.tree_size
            answer = await client.post(
                "/entries",
                content="\n".join(json.dumps(line) for line in lines),
                headers={"Content-Type": "application/x-ndjson", **doors.credential("authority")},
            )
            answers: list[dict[str, Any]] = [json.loads(line) for line in answer.text.splitlines()]
            assert [one["leaf_index"] for one in answers] == list(range(size, size + 1_200))
            answer = await client.post("/graphql", json=QUERY)
            assert answer.json()["data"]["checkpoint"]["treeSize"] == size + 1_200
            tile = await client.get("/tile/0/000")
            assert len(tile.content) == 256 * 32
            assert "immutable" in tile.headers["cache-control"]
    finally:
        server.should_exit = True
        await serving
