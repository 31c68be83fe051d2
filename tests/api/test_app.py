"""The log over HTTP (C2SP tlog-tiles, RFC 9457), on SQLite and PostgreSQL."""

from dataclasses import replace

import httpx

from api.app import create_app
from api.service import Service
from ledger.checkpoint import open_checkpoint
from ledger.note import Verifier
from tests.api.doors import Doors, fine
from tests.world import DAIRY, rows_of_all_tables


async def test_a_stranger_checks_the_head_with_the_log_key(doors: Doors) -> None:
    await doors.state(doors.draft(fine()))
    note = await doors.client.get("/checkpoint")
    key = await doors.client.get("/log-key")
    assert note.headers["cache-control"] == "no-cache"
    checkpoint = open_checkpoint(note.content, Verifier.parse(key.text.strip()))
    assert checkpoint.tree_size == doors.service.writer.tree_size


async def test_a_process_that_does_not_write_reads_all_and_refuses_the_rest(doors: Doors) -> None:
    await doors.file(DAIRY, name={"en": "Dairy"})
    held = await rows_of_all_tables(doors.service.database)
    async with Service.opened(doors.service.settings, writes=False, now=doors.clock.now) as reader:
        transport = httpx.ASGITransport(create_app(reader))
        async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
            headers = doors.credential("authority")
            query = """query($id:String!){enterprise(id:$id){... on Enterprise{
              statements{edges{node{issuer{name{en}}}}}}}}"""
            body = {"query": query, "variables": {"id": DAIRY.identifier}}
            answer = await client.post("/graphql", json=body, headers=headers)
            (edge,) = answer.json()["data"]["enterprise"]["statements"]["edges"]
            assert edge["node"]["issuer"]["name"]["en"] == "Registry"
            statement = doors.draft(fine()).presentation
            answer = await client.post(
                "/entries",
                content=statement,
                headers={"Content-Type": "application/sd-jwt", **headers},
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "LOG_READ_ONLY")
            mutation = """mutation($s:[String!]!){submitStatements(statements:$s){
              ... on Refusal{code}}}"""
            body = {"query": mutation, "variables": {"s": [statement]}}
            answer = await client.post("/graphql", json=body, headers=headers)
            assert answer.json()["data"]["submitStatements"] == {"code": "LOG_READ_ONLY"}
    assert await rows_of_all_tables(doors.service.database) == held


async def test_a_reader_believes_credentials_for_the_log_whatever_its_settings_call_it(
    doors: Doors,
) -> None:
    settings = replace(doors.service.settings, origin="another.example/log")
    async with Service.opened(settings, writes=False, now=doors.clock.now) as reader:
        transport = httpx.ASGITransport(create_app(reader))
        async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
            headers = doors.credential("authority")
            answer = await client.get("/schema.graphql", headers=headers)
            assert answer.status_code == 200
            answer = await client.get("/openings?first=0", headers=headers)
            assert answer.json()["code"] == "ACCESS_FORBIDDEN"
