"""A key signs from after its begin to before its end, judged at the index: ARCHITECTURE §3."""

from collections.abc import Callable, Sequence

import pytest

from ledger.admission import Submission
from ledger.auditor import audit_database
from ledger.candidate import Body
from ledger.control import KeyBegin, KeyEnd, Mandate
from ledger.errors import (
    ControlInvalid,
    DuplicateConflict,
    IssuerMismatch,
    KeyEnded,
    KeyUnknown,
    LedgerError,
    MandateMissing,
    SignatureInvalid,
)
from ledger.identity import Identity
from tests.world import MARKET, REGISTRY, World, failed_inspection, key_of, rows_of_all_tables

Making = Callable[[World], Sequence[Body]]


def begin(world: World, name: str = "market-2", issuer: Identity = MARKET) -> Body:
    public_key = key_of(name).public_key
    return world.signed(KeyBegin(issuer.label(), public_key, custodial=False, names={"en": name}))


def end(world: World, name: str = "market") -> Body:
    return world.signed(KeyEnd(MARKET.label(), key_of(name).kid))


def by(world: World, key: str, jti: str | None = None) -> Body:
    return world.draft(failed_inspection(), key=key, jti=jti)


async def submitted(world: World, bodies: Sequence[Body]) -> list[int]:
    """All or none; their indexes, counted from the first that was free."""
    size = world.sequencer.tree_size
    answers = await world.sequencer.submit(Submission(tuple(bodies)))
    return [answer.leaf_index - size for answer in answers]


GOOD = {
    "begun before the statement": lambda world: [begin(world), by(world, "market-2")],
    "ended after the statement": lambda world: [by(world, "market"), end(world)],
    "begun, used and ended": lambda world: [
        begin(world),
        by(world, "market-2"),
        end(world, "market-2"),
    ],
    "begun and ended, and never used": lambda world: [begin(world), end(world, "market-2")],
    "replaced between two statements": lambda world: [
        by(world, "market"),
        begin(world),
        end(world),
        by(world, "market-2"),
    ],
    "both in force for a while": lambda world: [
        begin(world),
        by(world, "market"),
        by(world, "market-2"),
        end(world),
    ],
}

BAD: dict[str, tuple[Making, type[LedgerError], int]] = {
    "used before it began": (lambda world: [by(world, "market-2"), begin(world)], KeyUnknown, 0),
    "used after it ended": (lambda world: [end(world), by(world, "market")], KeyEnded, 1),
    "begun, ended and used": (
        lambda world: [begin(world), end(world, "market-2"), by(world, "market-2")],
        KeyEnded,
        2,
    ),
    "begun twice": (lambda world: [begin(world), begin(world)], ControlInvalid, 1),
    "begun again after its end": (
        lambda world: [end(world), begin(world, "market")],
        ControlInvalid,
        1,
    ),
    "begun again for another issuer": (
        lambda world: [end(world), begin(world, "market", REGISTRY)],
        ControlInvalid,
        1,
    ),
    "ended twice": (lambda world: [end(world), end(world)], ControlInvalid, 1),
    "ended and never begun": (lambda world: [end(world, "market-2")], KeyUnknown, 0),
    "ended for another issuer": (
        lambda world: [world.signed(KeyEnd(REGISTRY.label(), key_of("market").kid))],
        KeyUnknown,
        0,
    ),
    "another issuer's": (lambda world: [by(world, "registry")], IssuerMismatch, 0),
    "without a mandate any more": (
        lambda world: [world.signed(Mandate(MARKET.label(), ())), by(world, "market")],
        MandateMissing,
        1,
    ),
}


@pytest.mark.parametrize("story", GOOD)
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_a_key_signs_between_its_begin_and_its_end(
    database_url: str, story: str, together: bool
) -> None:
    async with World.opened(database_url) as world:
        bodies = GOOD[story](world)
        if together:
            assert await submitted(world, bodies) == [*range(len(bodies))]
        else:
            for body in bodies:
                assert await submitted(world, [body]) == [0]
        await world.reopen()
        await audit_database(world.database, signatures=True)


@pytest.mark.parametrize("story", BAD)
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_it_signs_nothing_outside_of_them(
    database_url: str, story: str, together: bool
) -> None:
    making, kind, position = BAD[story]
    async with World.opened(database_url) as world:
        bodies = making(world)
        if not together:
            for body in bodies[:position]:
                await submitted(world, [body])
            bodies = bodies[position : position + 1]
        held = await rows_of_all_tables(world.database)
        with pytest.raises(kind) as refusal:
            await submitted(world, bodies)
        if len(bodies) > 1:
            assert refusal.value.path[0] == position
        assert await rows_of_all_tables(world.database) == held


async def test_submissions_of_one_batch_are_judged_each_at_its_index(database_url: str) -> None:
    async with World.opened(database_url) as world:
        size = world.sequencer.tree_size
        bodies = [
            by(world, "market"),
            begin(world),
            by(world, "market-2"),
            end(world),
            by(world, "market"),
            by(world, "market-2"),
        ]
        answers = await world.sequencer.submit_each(Submission((body,)) for body in bodies)
        refused = [type(answer) for answer in answers if isinstance(answer, Exception)]
        indexes = [answer[0].leaf_index - size for answer in answers if isinstance(answer, tuple)]
        assert (refused, indexes) == ([KeyEnded], [0, 1, 2, 3, 4])
        await audit_database(world.database, signatures=True)


async def test_what_was_stated_is_known_by_its_reference_after_its_key_ended(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        first = by(world, "market", "NM-1")
        size = world.sequencer.tree_size
        await submitted(world, [first, begin(world), end(world)])
        held = await rows_of_all_tables(world.database)
        # Sent again; signed again with new salts; signed again with the key that followed.
        for body in (first, by(world, "market", "NM-1"), by(world, "market-2", "NM-1")):
            (answer,) = await world.sequencer.submit(Submission((body,)))
            assert (answer.leaf_index, answer.duplicate) == (size, True)
        other = world.draft(failed_inspection(case="c-1"), key="market-2", jti="NM-1")
        with pytest.raises(DuplicateConflict):
            await world.state(other)
        assert await rows_of_all_tables(world.database) == held


async def test_a_signature_that_is_none_is_refused_whoever_knows_the_key_first(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        # The door cannot verify what a key signs that begins in the same batch: the index decides.
        good = world.draft(failed_inspection(), key="market-2", jti="NM-1")
        other = world.draft(failed_inspection(case="c-1"), key="market-2", jti="NM-1")
        header, payload, _ = good.token.text.split(".")
        forged = type(good.token).parse(f"{header}.{payload}.{other.token.text.rpartition('.')[2]}")
        texts = [item.text for item in good.disclosures]
        statement = type(good).parse(forged, texts)
        held = await rows_of_all_tables(world.database)
        with pytest.raises(SignatureInvalid):
            await submitted(world, [begin(world), statement])
        assert await rows_of_all_tables(world.database) == held
