"""ARCHITECTURE §4, followers: what the directory says of whom is filed, on both databases."""

from datetime import date

from ledger.directory import Directory, EnterpriseView
from ledger.follower import Follower
from ledger.identity import SubjectLabel
from ledger.kinds.shape import NAME_MAX
from ledger.statement import Weighing
from tests.world import DAIRY, PERSON, REGISTRY, TRADER, World, filing

LABEL = SubjectLabel("A" * 42 + "E")

PLACE_CHARACTERS = 64
"""Of region, industry and port, as the kind `filing` bounds them."""


async def test_the_longest_filing_fits_into_its_columns(database_url: str) -> None:
    # Four bytes a character: what is bounded by characters is stored by characters.
    name, place = "𠮷" * NAME_MAX, "𠮷" * PLACE_CHARACTERS
    async with World.opened(database_url) as world:
        statement = world.draft(
            filing(),
            particulars={
                "name": {"en": name, "zh": name},
                "country": "CN",
                "region": place,
                "industry": place,
                "port": place,
                "synthetic": True,
            },
            issuer=REGISTRY,
            key="registry",
        )
        (acknowledgement,) = await world.state(statement)
        await Follower(world.database, [EnterpriseView()]).catch_up()
        async with world.database.reading() as session:
            size = world.sequencer.tree_size
            filed = await Directory(session).enterprise(DAIRY.label(), tree_size=size)
    assert filed is not None
    assert (filed.identity, filed.leaf_index) == (DAIRY, acknowledgement.leaf_index)
    assert (filed.name_en, filed.name_zh) == (name, name)
    assert (filed.region, filed.industry, filed.port) == (place, place, place)
    assert filed.synthetic


async def test_the_newest_filing_below_a_size_is_what_was_known_then(database_url: str) -> None:
    async with World.opened(database_url) as world:
        first = (await world.file(DAIRY, "Old name")).leaf_index
        second = (await world.file(DAIRY, "New name")).leaf_index
        await world.file(TRADER, "Somebody else")
        await Follower(world.database, [EnterpriseView()]).catch_up()
        async with world.database.reading() as session:
            directory = Directory(session)
            known = [
                await directory.enterprise(DAIRY.label(), tree_size=size)
                for size in (first, first + 1, second, second + 1)
            ]
            called = await directory.names([DAIRY.label(), TRADER.label(), LABEL])
    assert [None if one is None else one.name_en for one in known] == [
        None,
        "Old name",
        "Old name",
        "New name",
    ]
    assert {label: one.name_en for label, one in called.items()} == {
        DAIRY.label(): "New name",
        TRADER.label(): "Somebody else",
    }


async def test_a_person_has_the_label_of_its_binding_and_an_organisation_its_own(
    database_url: str,
) -> None:
    binding = Weighing(
        kind="binding", code="one-person-business", outcome="bound", decided_on=date(2025, 1, 2)
    )
    async with World.opened(database_url) as world:
        async with world.database.reading() as session:
            assert await Directory(session).label_of(PERSON) is None
        await world.state(
            world.draft(
                binding,
                about=LABEL,
                particulars={"subject": {"id": PERSON.identifier, "scheme": "uscc"}},
                issuer=REGISTRY,
                key="registry",
            )
        )
        async with world.database.reading() as session:
            assert await Directory(session).label_of(PERSON) == LABEL
            assert await Directory(session).label_of(DAIRY) == DAIRY.label()
