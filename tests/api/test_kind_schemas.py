"""GET /kinds: what may be stated, for readers of other languages (JSON Schema 2020-12)."""

import jsonschema

from ledger.kinds import KINDS
from tests.api.doors import Doors, fine


async def test_every_kind_is_listed_with_the_address_of_its_schema(doors: Doors) -> None:
    answer = await doors.client.get("/kinds")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    listed = answer.json()
    assert [kind["name"] for kind in listed] == list(KINDS)
    for kind in listed:
        assert set(kind) == {"name", "description", "address"}
        schema = await doors.client.get(kind["address"])
        assert schema.status_code == 200
        assert schema.headers["content-type"] == "application/schema+json"
        assert schema.json() == KINDS[kind["name"]].json_schema()
        jsonschema.Draft202012Validator.check_schema(schema.json())


async def test_a_statement_that_the_log_takes_fits_the_schema_of_its_kind(doors: Doors) -> None:
    statement = doors.draft(fine())
    await doors.state(statement)
    schema = (await doors.client.get(f"/kinds/{statement.weighing.kind}")).json()
    document = {
        "weighing": statement.weighing.values(),
        "particulars": dict(statement.particulars),
    }
    jsonschema.validate(document, schema)


async def test_who_has_a_schema_is_told_that_it_holds(doors: Doors) -> None:
    for address in ("/kinds", "/kinds/effect"):
        first = await doors.client.get(address)
        assert first.headers["cache-control"] == "public, max-age=3600, must-revalidate"
        tag = first.headers["etag"]
        again = await doors.client.get(address, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        other = await doors.client.get(address, headers={"If-None-Match": '"other"'})
        assert other.content == first.content


async def test_what_is_no_kind_has_no_schema(doors: Doors) -> None:
    for name in ("rumour", "Inspection", "inspection%0A", "..%2Fkinds"):
        answer = await doors.client.get(f"/kinds/{name}")
        assert answer.status_code == 404
        assert answer.json()["code"] == "REQUEST_ROUTE_UNKNOWN"
    answer = await doors.client.post("/kinds")
    assert (answer.status_code, answer.json()["code"]) == (405, "REQUEST_METHOD")
