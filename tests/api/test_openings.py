"""GET /openings: what opens the log, for the operator alone (ARCHITECTURE invariant 6)."""

import pytest

from api import openings
from api.access import Credential, Tier
from api.openings import OPERATOR_LABEL
from ledger.entries import Entries
from ledger.opening_feed import FeedCheckpoint, parse_line
from ledger.recovery import Recovery
from ledger.tables import Base
from tests.api.doors import Doors, fine
from tests.world import rows_of_all_tables


async def lines_from(doors: Doors, first: int) -> list[bytes]:
    answer = await doors.client.get(
        "/openings",
        params={"first": first},
        headers=doors.credential("authority", OPERATOR_LABEL),
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.endswith(b"\n") or not answer.content
    return answer.content.splitlines()


@pytest.mark.parametrize("tier", ["public", "enterprise", "bank", "authority"])
async def test_nobody_but_the_operator_reads_the_opening_store(doors: Doors, tier: str) -> None:
    for subject in (None, OPERATOR_LABEL):
        if subject and tier == "authority":
            continue
        answer = await doors.client.get(
            "/openings", params={"first": 0}, headers=doors.credential(tier, subject)
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_FORBIDDEN")


@pytest.mark.parametrize("first", ["", "-1", "01", "1.0", "x", "9" * 16, "１"])
async def test_what_is_no_index_is_refused(doors: Doors, first: str) -> None:
    answer = await doors.client.get(
        "/openings",
        params={"first": first},
        headers=doors.credential("authority", OPERATOR_LABEL),
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_MALFORMED")


@pytest.mark.parametrize(
    ("bodies", "page"),
    [(10_000, 4_000_000), (1, 1), (8, 1), (7, 5_000)],
    ids=["one answer", "a head an answer", "many pages an answer", "a few pages an answer"],
)
async def test_another_home_takes_up_the_log_answer_by_answer(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, bodies: int, page: int
) -> None:
    monkeypatch.setattr(openings, "FEED_BODIES", bodies)
    monkeypatch.setattr(openings, "PAGE_BYTES", page)
    database, writer = doors.service.database, doors.service.writer
    await doors.entries(*({"statement": doors.draft(fine()).presentation} for _ in range(20)))
    await doors.service.followed(writer.tree_size)
    held = await rows_of_all_tables(database)
    size, lines = 0, []
    while part := await lines_from(doors, size):
        # Each answer ends with a head, so that nobody waits for one in vain.
        assert isinstance(parse_line(part[-1]), FeedCheckpoint)
        taken = sum(not isinstance(parse_line(line), FeedCheckpoint) for line in part)
        assert taken >= min(bodies, writer.tree_size - size)
        size += taken
        lines += part
    assert size == writer.tree_size
    async with database.reading() as session:
        genesis_hash = (await Entries(session).at(0)).leaf_hash
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    recovery = await Recovery.opened(database, genesis_hash)
    for line in lines:
        recovery.take(line)
    await recovery.write()
    again = await rows_of_all_tables(database)
    for name in ("ledger_entry", "ledger_opening", "ledger_disclosure", "ledger_checkpoint"):
        assert again[name] == held[name]


async def test_beyond_the_head_there_is_nothing(doors: Doors) -> None:
    assert await lines_from(doors, doors.service.writer.tree_size) == []
    assert await lines_from(doors, 2**53 - 1) == []


def test_no_credential_of_an_authority_is_the_operators() -> None:
    # A label of the domain of control entries: no identifier's hash is one, by its prefix.
    credential = Credential("i", "a", OPERATOR_LABEL, Tier.AUTHORITY, 1, 2, "r")
    assert Credential.parse(credential.claims()) == credential
    assert OPERATOR_LABEL == "PkkBfor-qJ9JmPRxZdjtWfuu43-Bk76JQzQzW4thuNs"
