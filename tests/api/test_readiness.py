"""GET /readyz, and Retry-After wherever waiting helps (RFC 9110 §10.2.3), over HTTP."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import event

from api import readiness
from api.app import create_app
from api.jobs import LAG_ENTRIES_MAX, Following
from api.readiness import VIEWS_LAG_MAX
from api.service import Service
from ledger import sequencer
from ledger.admission import Submission
from ledger.log_keys import LogSigners
from ledger.sequencer import Sequencer
from tests.api.doors import Doors, fine
from tests.world import rows_of_all_tables


async def ready(doors: Doors) -> httpx.Response:
    answer = await doors.client.get("/readyz")
    assert answer.headers["cache-control"] == "no-store"
    return answer


def assert_not_ready(answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"


async def test_a_writer_whose_views_are_at_its_head_is_ready(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    answer = await ready(doors)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "lag": 0})


async def test_a_process_that_only_reads_is_ready_without_a_writer(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    async with Service.opened(doors.service.settings, writes=False) as reader:
        transport = httpx.ASGITransport(create_app(reader))
        async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
            assert (await client.get("/readyz")).status_code == 200


async def test_a_fenced_writer_is_not_ready_and_says_when_to_try_again(doors: Doors) -> None:
    service = doors.service
    genesis = service.writer.authorities.genesis
    assert genesis is not None
    other = await Sequencer.open(
        service.database,
        LogSigners.of(service.keystore, genesis.origin),
        now=service.now,
        policy_check=lambda _: None,
    )
    await other.submit(Submission((doors.draft(fine()),)))
    await other.close()
    held = (await rows_of_all_tables(service.database))["ledger_entry"]
    headers = {"Content-Type": "application/sd-jwt", **doors.credential("authority")}
    for _ in range(2):
        statement = doors.draft(fine()).presentation
        answer = await doors.client.post("/entries", content=statement, headers=headers)
        assert_not_ready(answer, "LEDGER_WRITER_FENCED")
    assert_not_ready(await ready(doors), "LEDGER_WRITER_FENCED")
    assert (await doors.client.get("/healthz")).status_code == 200
    assert (await rows_of_all_tables(service.database))["ledger_entry"] == held


async def test_without_its_database_nothing_is_ready(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    engine = doors.service.database.engine.sync_engine

    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("host db.internal, user xinyuan")

    event.listen(engine, "begin", refuse)
    answer = await ready(doors)
    event.remove(engine, "begin", refuse)
    assert_not_ready(answer, "READY_DATABASE_AWAY")
    assert "internal" not in answer.text
    assert (await ready(doors)).status_code == 200


async def test_a_database_that_does_not_answer_in_time_is_away(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forever() -> int:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(readiness, "ANSWER_S", 0.01)
    monkeypatch.setattr(doors.service.follower, "lag", forever)
    assert_not_ready(await ready(doors), "READY_DATABASE_AWAY")


async def test_views_may_lag_so_far_and_no_further(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = doors.service.following
    assert isinstance(following, Following)
    await following.close()
    await doors.entries(*({"statement": doors.draft(fine()).presentation} for _ in range(3)))
    # Behind on purpose, and by as much again while that is read: requests may still come here.
    assert VIEWS_LAG_MAX > 2 * LAG_ENTRIES_MAX > 3
    monkeypatch.setattr(readiness, "VIEWS_LAG_MAX", 3)
    answer = await ready(doors)
    assert (answer.status_code, answer.json()["lag"]) == (200, 3)
    monkeypatch.setattr(readiness, "VIEWS_LAG_MAX", 2)
    assert_not_ready(await ready(doors), "READY_VIEWS_BEHIND")


async def test_an_overloaded_writer_says_when_to_try_again(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    monkeypatch.setattr(sequencer, "QUEUE_BYTES_MAX", 0)
    monkeypatch.setattr(doors.service.writer, "_bytes_waiting", 1)
    held = (await rows_of_all_tables(doors.service.database))["ledger_entry"]
    statement = doors.draft(fine()).presentation
    headers = {"Content-Type": "application/sd-jwt", **doors.credential("authority")}
    answer = await doors.client.post("/entries", content=statement, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_WRITER_OVERLOADED")
    assert answer.headers["retry-after"] == "1"
    mutation = """mutation($s:[String!]!){submitStatements(statements:$s){
      __typename ... on Refusal{code}}}"""
    answer = await doors.client.post(
        "/graphql",
        json={"query": mutation, "variables": {"s": [statement]}},
        headers=doors.credential("authority"),
    )
    assert answer.json()["data"]["submitStatements"]["code"] == "LEDGER_WRITER_OVERLOADED"
    assert answer.headers["retry-after"] == "1"
    assert (await rows_of_all_tables(doors.service.database))["ledger_entry"] == held


async def test_a_database_that_fails_at_a_batch_is_tried_again(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    held = (await rows_of_all_tables(doors.service.database))["ledger_entry"]
    engine = doors.service.database.engine.sync_engine

    def refuse(*_: object) -> None:
        raise ConnectionResetError("host db.internal, user xinyuan")

    statement = doors.draft(fine()).presentation
    headers = {"Content-Type": "application/sd-jwt", **doors.credential("authority")}
    event.listen(engine, "begin", refuse)
    answer = await doors.client.post("/entries", content=statement, headers=headers)
    event.remove(engine, "begin", refuse)
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_STORE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
    assert "internal" not in answer.text
    assert (await rows_of_all_tables(doors.service.database))["ledger_entry"] == held
    answer = await doors.client.post("/entries", content=statement, headers=headers)
    assert (answer.status_code, answer.json()["duplicate"]) == (200, False)


async def test_what_time_does_not_mend_has_no_such_header(doors: Doors) -> None:
    async with Service.opened(doors.service.settings, writes=False) as reader:
        reader = replace(reader, now=doors.clock.now)
        transport = httpx.ASGITransport(create_app(reader))
        async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
            answer = await client.post("/entries", headers=doors.credential("authority"))
    assert (answer.status_code, answer.json()["code"]) == (503, "LOG_READ_ONLY")
    assert "retry-after" not in answer.headers
