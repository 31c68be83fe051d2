"""Candidates as bytes: a process hands them to another, field for field (decision 32)."""

from ledger.candidate import Candidate
from ledger.entries import Entries
from ledger.packing import pack, unpack
from tests.world import DAIRY, World


async def test_candidates_of_every_form_travel_unchanged_and_in_order(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.file(DAIRY, "Dairy")
        await world.begin_key("dairy", DAIRY.label())
        await world.capture('{"名":"乳"}'.encode())
        async with world.database.reading() as session:
            entries = await Entries(session).read(0, 100)
    candidates = tuple(Candidate.of(entry.body, signature_checked=True) for entry in entries)
    assert {candidate.form for candidate in candidates} == {"control", "statement", "capture"}
    assert unpack(pack(candidates)) == candidates
