"""Decision 39: a statement refers to another by the hash of its reference, judged at its index."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

import pytest

from ledger import references
from ledger.admission import Submission
from ledger.auditor import audit_database
from ledger.batch import Acknowledgement
from ledger.candidate import Candidate
from ledger.canonical import Json, unb64url
from ledger.errors import (
    KindUnknown,
    LedgerError,
    MandateMissing,
    ReferentUnfit,
    ReferentUnknown,
    SubjectUnknown,
)
from ledger.identity import Identity, SubjectLabel
from ledger.kinds import KINDS
from ledger.references import digest_in, digest_of
from ledger.statement import Severity, Statement, Weighing, reference_hash, refers_to
from tests.world import (
    DAIRY,
    MARKET,
    PERSON,
    REGISTRY,
    TRADER,
    World,
    failed_inspection,
    filing,
    rows_of_all_tables,
)

DAY = date(2026, 2, 20)
LABEL = SubjectLabel("A" * 42 + "E")
NOBODY = SubjectLabel("B" * 42 + "E")

CODES = {"external-grade": "tax", "repair": "penalty", "list-entry": "anomaly"}


def weighing(kind: str, outcome: str, refers: str | None = None) -> Weighing:
    """Of any kind, with no more than it must have."""
    graded = outcome in KINDS[kind].graded_outcomes
    return Weighing(
        kind=kind,
        code=CODES.get(kind, KINDS[kind].codes[0]),
        outcome=outcome,
        severity=Severity.GENERAL if graded else None,
        decided_on=DAY,
        refers=refers,
    )


def referring(
    world: World,
    kind: str,
    outcome: str,
    to: str,
    *,
    jti: str | None = None,
    about: Identity = DAIRY,
) -> Statement:
    """About the dairy, by the market authority, to one of the market authority's."""
    refers = refers_to(MARKET.label(), to)
    return world.draft(weighing(kind, outcome, refers), jti=jti, about=about)


async def stated(world: World, *statements: Statement) -> list[Acknowledgement]:
    """Each in a submission of its own, all queued at once."""
    outcomes = await world.sequencer.submit_each(Submission((one,)) for one in statements)
    answers: list[Acknowledgement] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        answers += outcome
    return answers


async def test_a_whole_life_cycle_stands_in_one_submission(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.widen()
        matter = [
            world.draft(failed_inspection(), jti="I"),
            referring(world, "rectification", "ordered", "I", jti="R-1"),
            referring(world, "rectification", "late", "R-1", jti="R-2"),
            referring(world, "repair", "notified", "I", jti="P-1"),
            referring(world, "repair", "applied", "I", jti="P-2"),
            referring(world, "repair", "granted", "P-2", jti="P-3"),
            referring(world, "objection", "filed", "I", jti="O-1"),
            referring(world, "objection", "upheld", "O-1", jti="O-2"),
            referring(world, "appeal", "filed", "O-2", jti="A-1"),
            referring(world, "appeal", "varied", "A-1", jti="A-2"),
            referring(world, "correction", "withdrawn", "A-2", jti="C"),
            world.draft(weighing("list-entry", "entered"), about=TRADER, jti="L-1"),
            referring(world, "list-entry", "left", "L-1", about=TRADER),
            referring(world, "effect", "begun", "L-1", jti="E-1"),
            referring(world, "effect", "ended", "E-1"),
        ]
        first = world.sequencer.tree_size
        answers = await world.state(*matter)
        assert [one.leaf_index for one in answers] == [*range(first, first + len(matter))]
        # Signed again with other salts, as after an answer that was lost: the same indexes.
        again = [
            world.draft(
                one.weighing,
                about=TRADER if one.subject == TRADER.label() else DAIRY,
                jti=one.jti,
            )
            for one in matter
        ]
        assert [one.token.commit for one in again] != [one.token.commit for one in matter]
        assert [one.leaf_index for one in await world.state(*again)] == [
            one.leaf_index for one in answers
        ]
        assert world.sequencer.tree_size == first + len(matter)
        report = await audit_database(world.database, signatures=True)
        assert report.head.tree_size == first + len(matter)


@pytest.mark.parametrize("run", [pytest.param(8, id="in the table"), pytest.param(10**6, id="new")])
async def test_what_is_referred_to_is_found_in_memory_in_the_table_and_after_a_restart(
    database_url: str, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "RUN_ENTRIES", run)
    async with World.opened(database_url) as world:
        await world.widen()
        await world.state(world.draft(failed_inspection(), jti="I"))
        for number in range(9):
            await world.state(referring(world, "objection", "filed", "I", jti=f"O-{number}"))
        await world.reopen()
        for number in range(9):
            await world.state(referring(world, "objection", "rejected", f"O-{number}"))
        held = await rows_of_all_tables(world.database)
        with pytest.raises(ReferentUnknown):
            await world.state(referring(world, "objection", "rejected", "O-9"))
        assert await rows_of_all_tables(world.database) == held
        await audit_database(world.database)


Story = Callable[[World], list[Statement]]


def told(
    kind: str, outcome: str, to: str, *, jti: str | None = None, about: Identity = DAIRY
) -> Story:
    """One statement."""
    return lambda world: [referring(world, kind, outcome, to, jti=jti, about=about)]


def of_registry(kind: str, outcome: str, to: str) -> Story:
    """One statement by the other authority, about the dairy."""
    refers = refers_to(MARKET.label(), to)
    return lambda world: [
        world.draft(weighing(kind, outcome, refers), issuer=REGISTRY, key="registry")
    ]


def to_another(to: Identity, jti: str) -> Story:
    """To a statement by another issuer."""
    refers = refers_to(to.label(), jti)
    return lambda world: [world.draft(weighing("objection", "filed", refers))]


@pytest.mark.parametrize("together", [False, True], ids=["a batch later", "in the same batch"])
@pytest.mark.parametrize(
    ("story", "refusal", "says"),
    [
        pytest.param(told("objection", "filed", "I"), None, "", id="what stands there"),
        pytest.param(
            told("objection", "filed", "J"), ReferentUnknown, "below", id="a reference of nobody"
        ),
        pytest.param(
            told("objection", "filed", "O", jti="O"), ReferentUnknown, "below", id="itself"
        ),
        pytest.param(
            to_another(REGISTRY, "I"), ReferentUnknown, "below", id="a reference of another issuer"
        ),
        pytest.param(
            to_another(DAIRY, "capture-1"), ReferentUnknown, "below", id="a reference of a capture"
        ),
        pytest.param(
            lambda world: [
                referring(world, "objection", "rejected", "O", jti="first"),
                referring(world, "objection", "filed", "I", jti="O"),
            ],
            ReferentUnknown,
            "below",
            id="what comes after it",
        ),
        pytest.param(
            told("objection", "filed", "F"), ReferentUnfit, "of kind filing", id="an odd kind"
        ),
        pytest.param(
            told("objection", "filed", "I", about=TRADER),
            ReferentUnfit,
            "about another subject",
            id="another subject",
        ),
        pytest.param(
            told("effect", "begun", "I"),
            ReferentUnfit,
            "about the same subject",
            id="an effect of its own",
        ),
        pytest.param(told("effect", "begun", "I", about=TRADER), None, "", id="an effect"),
        pytest.param(
            of_registry("correction", "withdrawn", "I"),
            ReferentUnfit,
            "another issuer stated it",
            id="a correction of another's statement",
        ),
        pytest.param(of_registry("objection", "filed", "I"), None, "", id="another authority"),
        pytest.param(
            told("correction", "withdrawn", "I"), None, "", id="a correction of one's own"
        ),
        pytest.param(
            lambda world: [
                referring(world, "correction", "withdrawn", "I", jti="C"),
                referring(world, "correction", "withdrawn", "C"),
            ],
            ReferentUnfit,
            "of kind correction",
            id="a correction of a correction",
        ),
    ],
)
async def test_what_may_be_referred_to_is_the_same_wherever_a_batch_begins(
    database_url: str, story: Story, refusal: type[LedgerError] | None, says: str, together: bool
) -> None:
    async with World.opened(database_url) as world:
        await world.widen()
        await world.begin_key("dairy", DAIRY.label())
        await world.capture(b'{"type":"ObjectEvent"}')
        before = [
            world.draft(failed_inspection(), jti="I"),
            world.draft(filing(), jti="F", particulars={"name": {"en": "Dairy"}, "country": "CN"}),
        ]
        if not together:
            await world.state(*before)
            before = []
        held = await rows_of_all_tables(world.database)
        statements = [*before, *story(world)]
        if refusal is None:
            await world.state(*statements)
            await audit_database(world.database)
            return
        with pytest.raises(refusal, match=says) as raised:
            await world.state(*statements)
        assert raised.value.path == (
            ("refers",) if len(statements) == 1 else (raised.value.path[0], "refers")
        )
        assert await rows_of_all_tables(world.database) == held
        # A submission of its own for each: what was not admitted is nothing to refer to.
        with pytest.raises(refusal, match=says):
            await stated(world, *statements)


async def test_what_was_refused_in_the_same_batch_is_nothing_to_refer_to(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.widen()
        size = world.sequencer.tree_size
        outcomes = await world.sequencer.submit_each(
            Submission(bodies)
            for bodies in (
                (
                    world.draft(failed_inspection(), jti="I"),
                    world.draft(failed_inspection(), about=NOBODY),
                ),
                (referring(world, "objection", "filed", "I"),),
            )
        )
        assert [type(outcome) for outcome in outcomes] == [SubjectUnknown, ReferentUnknown]
        assert world.sequencer.tree_size == size


async def test_a_reference_with_the_same_digest_is_not_taken_for_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "digest_in", lambda _: -1)
    async with World.opened(database_url) as world:
        await world.widen()
        await world.state(world.draft(failed_inspection(), jti="I"))
        await world.state(world.draft(failed_inspection(), jti="J", about=TRADER))
        await world.state(referring(world, "objection", "filed", "I"))
        with pytest.raises(ReferentUnfit):
            await world.state(referring(world, "objection", "filed", "J"))
        with pytest.raises(ReferentUnknown):
            await world.state(referring(world, "objection", "filed", "K"))


async def test_the_mandate_is_judged_before_what_is_referred_to(database_url: str) -> None:
    async with World.opened(database_url) as world:
        with pytest.raises(MandateMissing):
            await world.state(referring(world, "objection", "filed", "nothing"))


def relation(world: World, related: Mapping[str, Json]) -> Statement:
    """The dairy controls somebody."""
    return world.draft(weighing("relation", "begun"), particulars={"related": dict(related)})


async def test_a_related_person_is_one_that_a_binding_introduced(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.widen()
        held = await rows_of_all_tables(world.database)
        with pytest.raises(SubjectUnknown) as raised:
            await world.state(relation(world, {"id": LABEL, "scheme": "label"}))
        assert raised.value.path == ("particulars", "related")
        assert await rows_of_all_tables(world.database) == held
        binding = Weighing(
            kind="binding", code="one-person-business", outcome="bound", decided_on=DAY
        )
        person: dict[str, Json] = {"subject": {"id": PERSON.identifier, "scheme": "uscc"}}
        await world.state(
            world.draft(binding, about=LABEL, particulars=person, issuer=REGISTRY, key="registry"),
            relation(world, {"id": LABEL, "scheme": "label"}),
        )
        await world.state(relation(world, {"id": LABEL, "scheme": "label"}))
        await world.state(relation(world, {"id": TRADER.identifier, "scheme": "uscc"}))


async def test_a_kind_that_nobody_knows_is_no_candidates_business(database_url: str) -> None:
    # A log of a later version may be read back from a feed: its mandates are judged there.
    async with World.opened(database_url) as world:
        rumour = world.draft(replace(failed_inspection(), kind="rumour"))
        assert Candidate.of(rumour, signature_checked=True).mandate == "rumour"
        with pytest.raises(KindUnknown):
            await world.state(rumour)


def test_the_hash_of_a_reference_is_published_with_an_example() -> None:
    # printf '%s' "$ISSUER S-1" | openssl dgst -sha256 -binary | base64, in the alphabet of URLs
    issuer = MARKET.label()
    assert issuer == "A24_LEukwahtuql9D-itHG4_GSnG-A_fJ98Ab1EHIzE"
    assert refers_to(issuer, "S-1") == "v55nTCLeMTyCKBH-EgHk69jD1zHUetFAY9KsAsS8Z54"
    hashed = reference_hash(issuer, "S-1")
    assert unb64url(refers_to(issuer, "S-1")) == hashed
    assert digest_of(issuer, "S-1") == digest_in(hashed)
