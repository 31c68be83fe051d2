"""The demonstration's world (issue 2, item 8), told through the door on both databases."""

import time
from collections import Counter
from datetime import date
from typing import Any

import pytest

from api.demo import STORY, tell
from api.demo_cast import (
    AUTHORITIES,
    DEEDS,
    FIRMS,
    REFERENCE,
    WORKSHOP,
    binding,
    told,
)
from api.demo_goods import CARTON_LOT, ITEM, MILK_LOT, PALLET, documents
from credit.ratings import Ratings
from ledger.database import Database
from ledger.directory import Directory
from ledger.entries import Entries
from ledger.identity import Identity, SocialCreditIdentifier
from ledger.kinds import kind_of
from ledger.seal import Capture
from ledger.statement import Statement
from tests.api.doors import Doors
from tests.world import rows_of_all_tables
from traceability.document import Document

YEAR_LATER = REFERENCE.replace(year=REFERENCE.year + 1)


async def told_world(doors: Doors) -> None:
    await tell(doors.client, doors.service.keystore, now=doors.clock.now)
    await doors.service.followed(doors.service.writer.tree_size)


async def grades(database: Database, day: date, tree_size: int) -> dict[str, str]:
    async with database.reading() as session:
        directory, ratings = Directory(session), Ratings(session)
        found = {}
        for key, firm in FIRMS.items():
            label = await directory.label_of(firm.identity)
            assert label is not None
            rating = await ratings.of(label, as_of=day, tree_size=tree_size)
            found[key] = str(rating.grade)
    return found


async def test_all_grades_occur_now_and_a_year_later(doors: Doors) -> None:
    await told_world(doors)
    size = doors.service.writer.tree_size
    now = await grades(doors.service.database, REFERENCE, size)
    assert Counter(now.values()) == {"A": 11, "B": 11, "C": 3, "D": 3}
    assert (now["chilechuan"], now["hulunbuir"], now["haibowan"], now["urad"]) == tuple("ABCD")
    later = await grades(doors.service.database, YEAR_LATER, size)
    assert set(later.values()) == set("ABCD")


async def test_told_again_it_adds_nothing(doors: Doors) -> None:
    began = time.monotonic()
    await told_world(doors)
    assert time.monotonic() - began < 30, "five seconds where nothing else runs"
    held = await rows_of_all_tables(doors.service.database)
    assert "Authorization" not in doors.client.headers
    doors.clock.advance(days=3)
    await told_world(doors)
    assert await rows_of_all_tables(doors.service.database) == held


async def test_the_item_on_the_shelf_comes_from_the_ranch(doors: Doors) -> None:
    await told_world(doors)
    query = """query Q($link: String!, $day: Day) {
      trace(link: $link, asOf: $day) {
        __typename
        ... on Trace {
          truncated nodes { identifier direction } events { party { name { en } } }
        }
      }
    }"""
    variables = {"link": STORY.link, "day": REFERENCE.isoformat()}
    trace = (await doors.post(query, variables))["data"]["trace"]
    assert trace["__typename"] == "Trace"
    assert not trace["truncated"]
    ways = {node["identifier"]: node["direction"] for node in trace["nodes"]}
    assert ways[MILK_LOT] == "UP"
    assert PALLET in ways
    parties = {event["party"]["name"]["en"] for event in trace["events"]}
    assert parties == {FIRMS[key].en for key in ("ranch", "chilechuan", "carrier", "shop")}


async def test_everything_told_is_marked_synthetic(doors: Doors) -> None:
    before = doors.service.writer.tree_size
    await told_world(doors)
    statements = captures = 0
    async with doors.service.database.reading() as session:
        for entry in await Entries(session).read(before, 1_000):
            if isinstance(entry.body, Statement):
                statements += 1
                assert entry.body.particulars["synthetic"] is True
            elif isinstance(entry.body, Capture):
                captures += 1
                assert all(
                    b'"https://ns.xinyuan.example/synthetic": true' in event.raw
                    for event in entry.body.events
                )
    assert (statements, captures) == (len(told()) + 1, 4)


async def test_the_dairy_signs_for_itself_and_the_door_for_the_others(doors: Doors) -> None:
    await told_world(doors)
    dairy = FIRMS["chilechuan"].identity.label()
    async with doors.service.database.reading() as session:
        last = doors.service.writer.tree_size - 4
        issuers = [
            entry.body.issuer == entry.body.party.subject
            for entry in await Entries(session).read(last, 4)
            if isinstance(entry.body, Capture)
        ]
    assert issuers == [False, True, False, False]
    assert doors.service.keystore.has(dairy)


async def test_the_person_is_nowhere_named_but_in_its_binding(doors: Doors) -> None:
    await told_world(doors)
    code = WORKSHOP.identity.identifier
    async with doors.service.database.reading() as session:
        entries = await Entries(session).read(0, 1_000)
        naming = [
            entry.body.weighing.kind
            for entry in entries
            if isinstance(entry.body, Statement) and code in str(entry.body.particulars)
        ]
        label = await Directory(session).label_of(WORKSHOP.identity)
    assert naming == ["binding"]
    about = [e for e in entries if isinstance(e.body, Statement) and e.body.subject == label]
    assert len(about) == 2 + WORKSHOP.passes + 1


def test_every_member_fits_its_kind_and_every_event_its_standard() -> None:
    for one in (binding(), *told()):
        kind_of(one.weighing.kind).check(one.weighing, one.particulars)
        assert one.weighing.kind in AUTHORITIES[one.by].kinds
        assert one.weighing.decided_on is not None
        assert one.weighing.decided_on <= REFERENCE
    assert [len(Document.parse(text.encode()).events) for _, text in documents()] == [2, 5, 4, 4]


def test_all_leagues_and_cities_of_the_province_export() -> None:
    exporters = [firm for firm in FIRMS.values() if firm.country == "CN"]
    assert {firm.region for firm in exporters} == {
        "150100",
        "150200",
        "150300",
        "150400",
        "150500",
        "150600",
        "150700",
        "150800",
        "150900",
        "152200",
        "152500",
        "152900",
    }
    for firm in exporters:
        SocialCreditIdentifier.parse(firm.identity.identifier)
    ports = {firm.port for firm in exporters}
    assert {"150781", "152501", "150824", "152923"} <= ports


def test_figures_are_of_the_published_size() -> None:
    inspections = [one.weighing for one in told() if one.weighing.kind == "inspection"]
    failed = sum(weighing.outcome == "fail" for weighing in inspections)
    assert 20 <= 1_000 * failed // len(inspections) <= 40, "216 of 7,241 market samples failed"
    per_firm = Counter(deed.firm for deed in DEEDS).most_common()
    assert per_firm[0][1] >= 10
    assert sum(count == 1 for _, count in per_firm) * 2 > len(per_firm)
    seized = [deed.measures["items_seized"] for deed in DEEDS if "items_seized" in deed.measures]
    assert min(seized) >= 100
    assert max(seized) >= 1_000
    outcomes = {deed.outcome for deed in DEEDS if deed.kind == "enforcement"}
    assert outcomes == set(kind_of("enforcement").outcomes)


@pytest.mark.parametrize("name", ["registry", "market", "customs", "ip"])
def test_authorities_have_valid_codes_of_their_own(name: str) -> None:
    identity: Any = AUTHORITIES[name].identity
    assert identity == Identity.parse("uscc", identity.identifier)
    assert identity.identifier.startswith("11150000")


def test_the_item_is_one_carton_of_the_lot() -> None:
    dairy = dict(documents())["chilechuan"]
    assert ITEM in dairy
    assert CARTON_LOT in dairy
