"""Views equal a replay of log and opening store: ARCHITECTURE, invariant 3, on both databases."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from api.jobs import refresh_ratings
from api.rebuild import rebuild
from api.service import views
from ledger.admission import Submission
from ledger.canonical import decode
from ledger.control import PolicyAdoption
from ledger.entries import Entries
from ledger.follower import Follower
from ledger.identity import SubjectLabel
from ledger.seal import Capture
from ledger.statement import Severity, Statement, Weighing
from tests.world import (
    CARRIER,
    DAIRY,
    PERSON,
    REGISTRY,
    TRADER,
    World,
    failed_inspection,
    rows_of_all_tables,
)

POLICY = Path(__file__).resolve().parents[2] / "credit/policies/xinyuan-export-credit-0.2.0.json"
PERSON_LABEL = SubjectLabel("p" * 42 + "A")
DAY = date(2026, 3, 1)

MADE = (
    b'{"type":"TransformationEvent","eventTime":"2026-02-01T08:00:00+08:00",'
    b'"eventTimeZoneOffset":"+08:00",'
    b'"inputQuantityList":[{"epcClass":"urn:epc:class:lgtin:4012345.011111.4444"}],'
    b'"outputEPCList":["urn:epc:id:sgtin:4012345.077889.25"]}'
)
PACKED = (
    b'{"type":"AggregationEvent","eventTime":"2026-02-02T08:00:00+08:00",'
    b'"eventTimeZoneOffset":"+08:00","action":"ADD","parentID":"urn:epc:id:sscc:4012345.0111111111",'
    b'"childEPCs":["urn:epc:id:sgtin:4012345.077889.25"]}'
)
SEEN = (
    b'{"type":"ObjectEvent","eventTime":"2026-02-03T08:00:00+08:00",'
    b'"eventTimeZoneOffset":"+08:00","action":"OBSERVE",'
    b'"epcList":["urn:epc:id:sscc:4012345.0111111111"]}'
)


async def tell(world: World) -> None:
    """Something of every form and kind, filed again, and a policy adopted in the middle."""
    policy = decode(POLICY.read_bytes().strip())
    assert isinstance(policy, dict)
    await world.file(DAIRY, "Dairy", region="150100", industry="C14", port="ERENHOT")
    await world.state(world.draft(failed_inspection()))
    await world.control(PolicyAdoption(policy))
    person = {"id": PERSON.identifier, "scheme": "uscc"}
    binding = Weighing(
        kind="binding", code="one-person-business", outcome="bound", decided_on=date(2026, 1, 5)
    )
    await world.state(
        world.draft(
            binding,
            about=PERSON_LABEL,
            particulars={"subject": {**person}},
            issuer=REGISTRY,
            key="registry",
        )
    )
    filed = Weighing(
        kind="filing", code="enterprise", outcome="accepted", decided_on=date(2026, 1, 6)
    )
    await world.state(
        world.draft(
            filed,
            about=PERSON_LABEL,
            particulars={"name": {"zh": "某商行"}, "country": "CN"},
            issuer=REGISTRY,
            key="registry",
        )
    )
    for kind, code, outcome in (
        ("enforcement", "label", "fine"),
        ("fraud-case", "refund-fraud", "confirmed"),
        ("ip-case", "trademark", "suspected"),
    ):
        weighing = replace(
            failed_inspection(), kind=kind, code=code, outcome=outcome, measures=None
        )
        weighing = replace(weighing, severity=Severity.SERIOUS, case=f"case-{kind}")
        await world.state(world.draft(weighing), world.draft(weighing, about=TRADER))
    await world.state(world.draft(failed_inspection(), about=PERSON_LABEL))
    await world.begin_key("dairy", DAIRY.label())
    await world.capture(MADE, PACKED)
    await world.capture(SEEN, party=CARRIER, issuer=REGISTRY, key="registry")
    await world.file(DAIRY, "Dairy, renamed")


async def test_a_rebuild_gives_every_row_of_every_table_again(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await tell(world)
        follower = Follower(world.database, views())
        while await follower.step(limit=3):
            pass
        # First grades of an earlier day, as a server that ran for long has had them.
        await refresh_ratings(world.database, date(2026, 2, 11))
        await refresh_ratings(world.database, DAY)
        held = await rows_of_all_tables(world.database)
        for table in ("credit_fact", "credit_rating", "ledger_enterprise", "trace_event"):
            assert held[table], f"the story leaves {table} empty"
        done = await rebuild(world.database, Follower(world.database, views()), day=DAY)
        assert done.entries == world.sequencer.tree_size
        assert done.ratings == len(held["credit_rating"])
        assert await rows_of_all_tables(world.database) == held


async def test_a_damaged_view_is_whole_after_a_rebuild(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await tell(world)
        follower = Follower(world.database, views())
        await rebuild(world.database, follower, day=DAY)
        held = await rows_of_all_tables(world.database)
        async with world.database.writing() as session:
            for view in views():
                await view.clear(session)
        assert await rows_of_all_tables(world.database) != held
        await rebuild(world.database, follower, day=DAY)
        assert await rows_of_all_tables(world.database) == held


async def test_the_same_tokens_in_the_same_order_give_the_same_tree_and_views(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        World.opened(f"sqlite+aiosqlite:///{tmp_path / 'first.sqlite'}") as first,
        World.opened(database_url, founded=False) as second,
    ):
        await tell(first)
        async with first.database.reading() as session:
            entries = await Entries(session).read(0, first.sequencer.tree_size)
            head = await Entries(session).head()
        for entry in entries:
            await second.sequencer.submit(Submission((entry.body,)))
        async with second.database.reading() as session:
            assert (await Entries(session).head()).root_hash == head.root_hash
        assert {type(entry.body) for entry in entries} >= {Statement, Capture}
        for world in (first, second):
            await rebuild(world.database, Follower(world.database, views()), day=DAY)
        one, other = [await rows_of_all_tables(world.database) for world in (first, second)]
        # How entries were batched is each log's own; nothing else may differ.
        del one["ledger_checkpoint"], other["ledger_checkpoint"]
        assert one == other
