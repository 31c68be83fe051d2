"""Auditing a database, ARCHITECTURE §4 and §10, on SQLite and PostgreSQL: every row counts.

Each fault is played inside a transaction that is rolled back, so that one log serves them all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from ledger import references
from ledger.admission import Submission
from ledger.audit import AuditReport
from ledger.auditor import audit_database, audit_stored
from ledger.candidate import Candidate, leaf_of
from ledger.checkpoint import Checkpoint
from ledger.control import KeyEnd
from ledger.errors import (
    AuditFinding,
    CheckpointUnsigned,
    EntryChanged,
    HeadRolledBack,
    LedgerEmpty,
    SecondRoot,
)
from ledger.merkle import Hash, leaf_hash
from ledger.note import Signer
from ledger.references import digest_of
from ledger.salts import fresh_salts
from ledger.statement import Statement, Weighing, issue, refers_to
from ledger.tables import (
    CaptureRow,
    CheckpointRow,
    DisclosureRow,
    EntryRow,
    EventRow,
    OpeningRow,
    ReferenceRow,
    TileRow,
)
from ledger.tiles import RightEdge
from ledger.token import Token, public_key_of, thumbprint
from tests.world import (
    CARRIER,
    DAIRY,
    MARKET,
    ORIGIN,
    World,
    draft_about,
    failed_inspection,
    genesis,
    key_of,
    seed_of,
)

SIZE = 300
CAPTURE = 6
"""Its index, after genesis and the keys and mandates of two authorities and a firm's key."""

STATEMENT = 7
EVENTS = (b'{"type":"ObjectEvent","a":1}', b'{"type":"ObjectEvent","a":2}')

Fault = Callable[[AsyncSession], Awaitable[object]]


async def tell(world: World, size: int) -> None:
    """A capture and statements, up to a tree of this size; the first of them one by one."""
    await world.begin_key("dairy", DAIRY.label())
    await world.capture(*EVENTS)
    for _ in range(3):
        world.clock.advance(minutes=1)
        await world.state(world.draft(failed_inspection(), particulars={"text": "found"}))
    rest = [world.draft(failed_inspection()) for _ in range(size - world.sequencer.tree_size)]
    world.clock.advance(minutes=1)
    await world.sequencer.submit_each(Submission((draft,)) for draft in rest)
    assert world.sequencer.tree_size == size


async def put_leaf(session: AsyncSession, leaf_index: int, leaf: bytes) -> None:
    await session.execute(
        update(EntryRow).where(EntryRow.leaf_index == leaf_index).values(leaf=leaf)
    )


async def make_tiles_again(session: AsyncSession) -> RightEdge:
    """All tiles as they would be for the entries as they stand."""
    leaves = (await session.scalars(select(EntryRow.leaf).order_by(EntryRow.leaf_index))).all()
    edge, written = RightEdge().extended([leaf_hash(leaf) for leaf in leaves])
    await session.execute(delete(TileRow))
    rows = [
        {"level": tile.level, "tile_index": tile.index, "hashes": data} for tile, data in written
    ]
    await session.execute(insert(TileRow), rows)
    return edge


async def sign_again(session: AsyncSession, edge: RightEdge, *, all_rows: bool) -> None:
    """The newest head over another root, or every head over what its size has."""
    signer = Signer(ORIGIN, key_of("log"))
    leaves = (await session.scalars(select(EntryRow.leaf).order_by(EntryRow.leaf_index))).all()
    sizes = (await session.scalars(select(CheckpointRow.tree_size))).all()
    for size in sizes if all_rows else [edge.tree_size]:
        root_hash = RightEdge().extended([leaf_hash(leaf) for leaf in leaves[:size]])[0].root
        note = str(Checkpoint(ORIGIN, size, root_hash).signed(signer))
        await session.execute(
            update(CheckpointRow)
            .where(CheckpointRow.tree_size == size)
            .values(root_hash=root_hash, note=note)
        )


async def put_statement(session: AsyncSession, leaf_index: int, statement: Statement) -> None:
    """A whole forgery: leaf, opening, disclosures, tiles, and heads signed by the log itself."""
    await session.execute(
        update(OpeningRow)
        .where(OpeningRow.leaf_index == leaf_index)
        .values(
            issuer=statement.issuer,
            jti=statement.jti,
            subject=statement.subject,
            content_hash=statement.content_hash,
            token=statement.token.text,
        )
    )
    candidate = Candidate.of(statement, signature_checked=False)
    await session.execute(
        update(DisclosureRow)
        .where(DisclosureRow.leaf_index == leaf_index)
        .values(weighing=candidate.weighing, particulars=candidate.particulars)
    )
    await put_leaf(session, leaf_index, leaf_of(statement))
    await sign_again(session, await make_tiles_again(session), all_rows=True)


def flip(table: type, column: str, **key: int) -> Fault:
    """One bit of one stored value of bytes or text, or one more of a number or an instant."""
    model: Table = table.__table__  # type: ignore[attr-defined]
    where = [model.c[name] == value for name, value in key.items()]

    async def fault(session: AsyncSession) -> None:
        value = await session.scalar(select(model.c[column]).where(*where))
        changed: object
        if isinstance(value, bytes):
            changed = value[:-2] + bytes([value[-2] ^ 1]) + value[-1:]
        elif isinstance(value, str):
            at = max(0, len(value) - 6)
            changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        else:
            assert isinstance(value, datetime)
            changed = value + timedelta(microseconds=1)
        await session.execute(update(model).where(*where).values({column: changed}))

    return fault


def drop(*tables: type, **key: int) -> Fault:
    async def fault(session: AsyncSession) -> None:
        for table in tables:
            model: Table = table.__table__  # type: ignore[attr-defined]
            where = [model.c[name] == value for name, value in key.items() if name in model.c]
            await session.execute(delete(model).where(*where))

    return fault


def put(table: type, values: dict[str, object], **key: int) -> Fault:
    model: Table = table.__table__  # type: ignore[attr-defined]
    where = [model.c[name] == value for name, value in key.items()]

    async def fault(session: AsyncSession) -> None:
        await session.execute(update(model).where(*where).values(values))

    return fault


async def swap_leaves(session: AsyncSession) -> None:
    query = select(EntryRow.leaf).where(EntryRow.leaf_index.in_((20, 270)))
    leaves = (await session.scalars(query.order_by(EntryRow.leaf_index))).all()
    for index, leaf in zip((270, 20), leaves, strict=True):
        await put_leaf(session, index, leaf)


async def swap_tokens(session: AsyncSession) -> None:
    """Two tokens, each whole, under one another's index."""
    query = select(OpeningRow.token).where(OpeningRow.leaf_index.in_((20, 21)))
    tokens = (await session.scalars(query.order_by(OpeningRow.leaf_index))).all()
    for index, token in zip((21, 20), tokens, strict=True):
        await put(OpeningRow, {"token": token}, leaf_index=index)(session)


async def swap_disclosures(session: AsyncSession) -> None:
    query = select(DisclosureRow.weighing).where(DisclosureRow.leaf_index.in_((20, 21)))
    texts = (await session.scalars(query.order_by(DisclosureRow.leaf_index))).all()
    for index, weighing in zip((21, 20), texts, strict=True):
        await put(DisclosureRow, {"weighing": weighing}, leaf_index=index)(session)


async def shorten_partial_tile(session: AsyncSession) -> None:
    hashes = await session.scalar(
        select(TileRow.hashes).where(TileRow.level == 0, TileRow.tile_index == 1)
    )
    assert hashes is not None
    await put(TileRow, {"hashes": hashes[:-32]}, level=0, tile_index=1)(session)


async def replace_leaf_and_tiles(session: AsyncSession) -> None:
    await put_leaf(session, 8, b'{"commit":"%s","sub":"%s","v":1}' % (b"A" * 43, b"A" * 43))
    await make_tiles_again(session)


async def fork_head(session: AsyncSession) -> None:
    note = Checkpoint(ORIGIN, SIZE, Hash(bytes(32))).signed(Signer(ORIGIN, key_of("log")))
    await put(CheckpointRow, {"root_hash": bytes(32), "note": str(note)}, tree_size=SIZE)(session)


async def fork_earlier_checkpoint(session: AsyncSession) -> None:
    note = Checkpoint(ORIGIN, 9, Hash(bytes(32))).signed(Signer(ORIGIN, key_of("log")))
    await put(CheckpointRow, {"root_hash": bytes(32), "note": str(note)}, tree_size=9)(session)


async def sign_by_a_stranger(session: AsyncSession) -> None:
    root_hash = await session.scalar(
        select(CheckpointRow.root_hash).where(CheckpointRow.tree_size == 9)
    )
    assert root_hash is not None
    note = Checkpoint(ORIGIN, 9, Hash(root_hash)).signed(Signer(ORIGIN, key_of("stranger")))
    await put(CheckpointRow, {"note": str(note)}, tree_size=9)(session)


async def sign_for_another_origin(session: AsyncSession) -> None:
    other = Signer("other.test/log", key_of("log"))
    note = Checkpoint(other.name, SIZE, Hash(bytes(32))).signed(other)
    await put(CheckpointRow, {"note": str(note)}, tree_size=SIZE)(session)


async def add_a_leaf(session: AsyncSession) -> None:
    await session.execute(insert(EntryRow), [{"leaf_index": SIZE, "leaf": b"x"}])


async def add_a_tile(session: AsyncSession) -> None:
    await session.execute(insert(TileRow), [{"level": 3, "tile_index": 0, "hashes": bytes(32)}])


async def add_an_event_to_a_statement(session: AsyncSession) -> None:
    row = {"leaf_index": STATEMENT, "position": 0, "secret": bytes(16), "raw": b"{}"}
    await session.execute(insert(EventRow), [row])


async def add_a_leaf_before_the_first(session: AsyncSession) -> None:
    await session.execute(insert(EntryRow), [{"leaf_index": -1, "leaf": b"x"}])


async def add_disclosures_to_a_control(session: AsyncSession) -> None:
    row = {"leaf_index": 1, "weighing": "", "particulars": ""}
    await session.execute(insert(DisclosureRow), [row])


async def change_genesis(session: AsyncSession) -> None:
    await flip(EntryRow, "leaf", leaf_index=0)(session)


Named = tuple[str, tuple[str | int, ...]]

ENTRY = "AUDIT_ENTRY_CHANGED"


async def state_a_reference_again(session: AsyncSession) -> None:
    """A log whose own writer took one twice, and hid it from its table."""
    row = await session.get_one(OpeningRow, 20)
    draft = draft_about(
        DAIRY, failed_inspection(), {}, issuer=MARKET, jti=row.jti, issued_at=1_770_000_000
    )
    statement = issue(draft, key_of("market"), fresh_salts())
    assert statement.issuer == row.issuer
    await put_statement(session, 290, statement)
    digest = digest_of(statement.issuer, statement.jti)
    await put(ReferenceRow, {"digest": digest}, leaf_index=290)(session)


FAULTS: dict[str, tuple[Fault, Named]] = {
    "a leaf flipped": (flip(EntryRow, "leaf", leaf_index=20), (ENTRY, ("entry", 20))),
    "the last leaf flipped": (flip(EntryRow, "leaf", leaf_index=299), (ENTRY, ("entry", 299))),
    "the genesis flipped": (change_genesis, (ENTRY, ("entry", 0))),
    "a leaf longer than any": (
        put(EntryRow, {"leaf": b"x" * 65_536}, leaf_index=20),
        (ENTRY, ("entry", 20)),
    ),
    "two leaves of two bundles swapped": (swap_leaves, (ENTRY, ("entry", 20))),
    "an entry row gone": (
        drop(DisclosureRow, OpeningRow, EntryRow, leaf_index=20),
        ("AUDIT_PART_MISSING", ("entry", 20)),
    ),
    "a full tile flipped": (
        flip(TileRow, "hashes", level=0, tile_index=0),
        ("AUDIT_TILE_CHANGED", ("tile", 0, 0)),
    ),
    "the partial tile of level 0 flipped": (
        flip(TileRow, "hashes", level=0, tile_index=1),
        ("AUDIT_TILE_CHANGED", ("tile", 0, 1)),
    ),
    "the tile of level 1 flipped": (
        flip(TileRow, "hashes", level=1, tile_index=0),
        ("AUDIT_TILE_CHANGED", ("tile", 1, 0)),
    ),
    "a partial tile shortened": (shorten_partial_tile, ("AUDIT_TILE_LENGTH", ("tile", 0, 1))),
    "a tile row gone": (
        drop(TileRow, level=0, tile_index=0),
        ("AUDIT_PART_MISSING", ("tile", 0, 0)),
    ),
    "a leaf replaced with all its tiles": (
        replace_leaf_and_tiles,
        ("AUDIT_ROOT_MISMATCH", ("checkpoint", 9, "entry", 8)),
    ),
    "the signature of the head flipped": (
        flip(CheckpointRow, "note", tree_size=SIZE),
        ("AUDIT_CHECKPOINT_UNSIGNED", ("checkpoint", SIZE)),
    ),
    "the note of an earlier checkpoint flipped": (
        flip(CheckpointRow, "note", tree_size=9),
        ("AUDIT_CHECKPOINT_UNSIGNED", ("checkpoint", 9)),
    ),
    "the root of the head's row flipped": (
        flip(CheckpointRow, "root_hash", tree_size=SIZE),
        ("AUDIT_CHECKPOINT_CHANGED", ("checkpoint", SIZE)),
    ),
    "the root of an earlier row flipped": (
        flip(CheckpointRow, "root_hash", tree_size=9),
        ("AUDIT_CHECKPOINT_CHANGED", ("checkpoint", 9)),
    ),
    "the size of an earlier row changed": (
        put(CheckpointRow, {"tree_size": 11}, tree_size=9),
        ("AUDIT_CHECKPOINT_MISSING", ("checkpoint", 9)),
    ),
    "an earlier checkpoint signed by a stranger": (
        sign_by_a_stranger,
        ("AUDIT_CHECKPOINT_UNSIGNED", ("checkpoint", 9)),
    ),
    "the head signed for another origin": (
        sign_for_another_origin,
        ("AUDIT_CHECKPOINT_FOREIGN", ("checkpoint", SIZE)),
    ),
    "a second head of the same size": (
        fork_head,
        ("AUDIT_ROOT_MISMATCH", ("checkpoint", SIZE, "entry", 10)),
    ),
    "a second root for an earlier size": (
        fork_earlier_checkpoint,
        ("AUDIT_SECOND_ROOT", ("checkpoint", 9)),
    ),
    "an earlier checkpoint gone": (
        drop(CheckpointRow, tree_size=9),
        ("AUDIT_CHECKPOINT_MISSING", ("checkpoint", 9)),
    ),
    "the head rolled back": (
        drop(CheckpointRow, tree_size=SIZE),
        ("AUDIT_BEYOND_HEAD", ("entry", 10)),
    ),
    "a leaf beyond the head": (add_a_leaf, ("AUDIT_BEYOND_HEAD", ("entry", SIZE))),
    "a tile beyond the head": (add_a_tile, ("AUDIT_BEYOND_HEAD", ("tile", 3, 0))),
    "a leaf before the first": (add_a_leaf_before_the_first, ("AUDIT_BEYOND_HEAD", ("entry", -1))),
    "an event of a statement": (
        add_an_event_to_a_statement,
        ("AUDIT_OPENING_CHANGED", ("entry", STATEMENT)),
    ),
    "an event under another position": (
        put(EventRow, {"position": 5}, leaf_index=CAPTURE, position=1),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE, "events", 1)),
    ),
    "an opening gone": (
        drop(DisclosureRow, OpeningRow, leaf_index=20),
        ("AUDIT_OPENING_MISSING", ("entry", 20)),
    ),
    "a token flipped": (
        flip(OpeningRow, "token", leaf_index=20),
        ("AUDIT_TOKEN_CHANGED", ("entry", 20)),
    ),
    "two tokens swapped": (swap_tokens, ("AUDIT_TOKEN_CHANGED", ("entry", 20))),
    "a jti changed": (
        flip(OpeningRow, "jti", leaf_index=20),
        ("AUDIT_OPENING_CHANGED", ("entry", 20)),
    ),
    "a subject changed": (
        flip(OpeningRow, "subject", leaf_index=20),
        ("AUDIT_OPENING_CHANGED", ("entry", 20)),
    ),
    "a form changed": (
        put(OpeningRow, {"form": "capture"}, leaf_index=20),
        ("AUDIT_OPENING_CHANGED", ("entry", 20)),
    ),
    "a content hash flipped": (
        flip(OpeningRow, "content_hash", leaf_index=20),
        ("AUDIT_OPENING_CHANGED", ("entry", 20)),
    ),
    "disclosures beside a control entry": (
        add_disclosures_to_a_control,
        ("AUDIT_OPENING_CHANGED", ("entry", 1)),
    ),
    "an instant moved": (
        flip(OpeningRow, "logged_at", leaf_index=20),
        ("AUDIT_INSTANT_CHANGED", ("entry", 20)),
    ),
    "a checkpoint's instant moved": (
        flip(CheckpointRow, "logged_at", tree_size=9),
        ("AUDIT_INSTANT_CHANGED", ("entry", 8)),
    ),
    "a disclosure flipped": (
        flip(DisclosureRow, "weighing", leaf_index=20),
        ("AUDIT_DISCLOSURE_CHANGED", ("entry", 20, "disclosures", "severity")),
    ),
    "the disclosures of two statements swapped": (
        swap_disclosures,
        ("AUDIT_DISCLOSURE_CHANGED", ("entry", 20, "disclosures", "basis")),
    ),
    "particulars gone without an erasure": (
        put(DisclosureRow, {"particulars": None}, leaf_index=20),
        ("AUDIT_DISCLOSURE_CHANGED", ("entry", 20)),
    ),
    "one particular gone": (
        put(DisclosureRow, {"particulars": ""}, leaf_index=STATEMENT),
        ("AUDIT_DISCLOSURE_CHANGED", ("entry", STATEMENT, "payload", "_sd", 0)),
    ),
    "a disclosure row gone": (
        drop(DisclosureRow, leaf_index=20),
        ("AUDIT_DISCLOSURE_CHANGED", ("entry", 20)),
    ),
    "an event byte flipped": (
        flip(EventRow, "raw", leaf_index=CAPTURE, position=1),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE, "payload", "events_root")),
    ),
    "an event secret flipped": (
        flip(EventRow, "secret", leaf_index=CAPTURE, position=0),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE, "payload", "events_root")),
    ),
    "an event gone": (
        drop(EventRow, leaf_index=CAPTURE, position=1),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE, "payload", "count")),
    ),
    "a context changed": (
        put(CaptureRow, {"context": b'"other"'}, leaf_index=CAPTURE),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE, "payload", "events_root")),
    ),
    "a party changed": (
        put(CaptureRow, {"party_identifier": CARRIER.identifier}, leaf_index=CAPTURE),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE, "payload", "sub")),
    ),
    "a reference stated again": (
        state_a_reference_again,
        ("AUDIT_REFERENCE_REPEATED", ("entry", 290)),
    ),
    "a reference gone from its table": (
        drop(ReferenceRow, leaf_index=20),
        ("AUDIT_REFERENCE_UNLISTED", ("entry", 20)),
    ),
    "a reference under another digest": (
        put(ReferenceRow, {"digest": 1}, leaf_index=20),
        ("AUDIT_REFERENCE_UNLISTED", ("entry", 20)),
    ),
    "a capture row gone": (
        drop(CaptureRow, leaf_index=CAPTURE),
        ("AUDIT_CAPTURE_CHANGED", ("entry", CAPTURE)),
    ),
}


async def audited(session: AsyncSession) -> Named | AuditReport:
    try:
        return await audit_stored(session)
    except AuditFinding as finding:
        return (finding.code, finding.path)


async def test_every_tampering_of_the_rows_is_named_by_kind_and_position(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "RUN_ENTRIES", 9)
    async with World.opened(database_url) as world:
        await tell(world, SIZE)
        named = {}
        for name, (fault, _) in FAULTS.items():
            async with world.database.reading() as session:
                await fault(session)
                named[name] = await audited(session)
                await session.rollback()
        assert named == {name: expected for name, (_, expected) in FAULTS.items()}
        async with world.database.reading() as session:
            assert isinstance(await audited(session), AuditReport), "nothing of it was kept"


@pytest.mark.parametrize("size", [1, 255, 256, 257, 400])
async def test_an_untouched_log_passes(database_url: str, size: int) -> None:
    async with World.opened(database_url, founded=size > 1) as world:
        if size == 1:
            await world.control(genesis())
        else:
            await tell(world, size)
        done: list[int] = []
        report = await audit_database(world.database, signatures=True, advance=done.append)
        assert report.head.tree_size == sum(done) == sum(report.forms.values()) == size
        assert report.log_key == Signer(ORIGIN, key_of("log")).verifier
        if size > 1:
            assert report.forms == {"control": 6, "capture": 1, "statement": size - 7}
            assert report.events == len(EVENTS)
            assert report.checkpoints == 11


async def test_the_log_alone_can_be_audited_without_what_opens_it(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await tell(world, SIZE)
        async with world.database.reading() as session:
            await FAULTS["a token flipped"][0](session)
            report = await audit_stored(session, openings=False)
            assert (report.events, sum(report.forms.values())) == (None, SIZE)
            await FAULTS["the last leaf flipped"][0](session)
            with pytest.raises(EntryChanged):
                await audit_stored(session, openings=False)
            await session.rollback()


async def finding_of(
    world: World, statement: Statement, *, signatures: bool = False
) -> Named | AuditReport:
    """What is found when entry 20 is this statement, as if the log itself had forged it."""
    async with world.database.reading() as session:
        await put_statement(session, 20, statement)
        digest = digest_of(statement.issuer, statement.jti)
        await put(ReferenceRow, {"digest": digest}, leaf_index=20)(session)
        try:
            return await audit_stored(session, signatures=signatures)
        except AuditFinding as finding:
            return (finding.code, finding.path)
        finally:
            await session.rollback()


async def test_what_the_log_itself_forged_is_judged_by_keys_and_mandates(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        await tell(world, 30)
        denied = ("AUDIT_UNAUTHORISED", ("entry", 20))
        true = world.draft(failed_inspection(), jti="F-1")
        assert isinstance(await finding_of(world, true, signatures=True), AuditReport)
        unknown_key = world.draft(failed_inspection(), jti="F-2", key="stranger")
        assert await finding_of(world, unknown_key) == denied
        another_issuers_key = world.draft(failed_inspection(), jti="F-3", key="registry")
        assert await finding_of(world, another_issuers_key) == denied
        no_mandate = world.draft(failed_inspection(), jti="F-4", issuer=DAIRY, key="dairy")
        assert await finding_of(world, no_mandate) == denied
        kid = thumbprint(public_key_of(seed_of("market")))
        await world.control(KeyEnd(MARKET.label(), kid))
        assert isinstance(await finding_of(world, true), AuditReport), "the end comes later"


@pytest.mark.parametrize("run", [pytest.param(9, id="in a table"), pytest.param(10**6, id="new")])
async def test_what_the_log_itself_let_refer_to_something_else_is_named(
    database_url: str, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "RUN_ENTRIES", run)

    def to(jti: str) -> Weighing:
        return Weighing(
            kind="objection",
            code="facts",
            outcome="filed",
            decided_on=date(2026, 2, 20),
            refers=refers_to(MARKET.label(), jti),
        )

    async with World.opened(database_url) as world:
        await world.widen()
        await tell(world, 18)
        await world.state(world.draft(failed_inspection(), jti="before"))
        await world.state(world.draft(failed_inspection(), jti="others", about=CARRIER))
        await world.state(world.draft(failed_inspection()))
        await world.state(world.draft(failed_inspection(), jti="after"))
        assert isinstance(await finding_of(world, world.draft(to("before"))), AuditReport)
        for weighing in (
            to("nothing"),
            to("after"),
            to("itself"),
            to("others"),
            replace(failed_inspection(), refers=to("before").refers),
        ):
            forged = world.draft(weighing, jti="itself")
            assert await finding_of(world, forged) == ("AUDIT_MISREFERRED", ("entry", 20))


async def test_signatures_are_verified_when_asked(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await tell(world, 30)
        token, *texts = world.draft(failed_inspection(), jti="F-1").presentation[:-1].split("~")
        flipped = token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:]
        forged = Statement.parse(Token.parse(flipped), texts)
        assert isinstance(await finding_of(world, forged), AuditReport)
        found = await finding_of(world, forged, signatures=True)
        assert found == ("AUDIT_SIGNATURE_INVALID", ("entry", 20))


async def test_a_kept_checkpoint_finds_a_log_that_was_rolled_back_as_a_whole(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        await tell(world, 30)
        kept = Checkpoint(ORIGIN, 31, Hash(bytes(32)))
        with pytest.raises(HeadRolledBack) as finding:
            await audit_database(world.database, known=kept)
        assert finding.value.path == ("checkpoint", 30)
        await world.state(world.draft(failed_inspection()))
        with pytest.raises(SecondRoot) as fork:
            await audit_database(world.database, known=kept)
        assert fork.value.path == ("checkpoint", 31)


async def test_a_log_of_another_key_is_not_the_one_that_was_asked_for(database_url: str) -> None:
    async with World.opened(database_url) as world:
        stranger = Signer(ORIGIN, key_of("stranger")).verifier
        with pytest.raises(CheckpointUnsigned):
            await audit_database(world.database, trusted=[stranger])


async def test_a_database_without_a_log_has_nothing_to_audit(database_url: str) -> None:
    async with World.opened(database_url, founded=False) as world:
        with pytest.raises(LedgerEmpty):
            await audit_database(world.database)


async def test_an_audit_sees_one_snapshot_while_the_writer_goes_on(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await tell(world, 300)
        writing = [asyncio.create_task(world.state(world.draft(failed_inspection())))]

        def write_more(_: int) -> None:
            writing.append(asyncio.create_task(world.state(world.draft(failed_inspection()))))

        report = await audit_database(world.database, advance=write_more)
        await asyncio.gather(*writing)
        assert report.head.tree_size in (300, 301)
        assert (await audit_database(world.database)).head.tree_size == 300 + len(writing)


@pytest.mark.parametrize(
    ("table", "column", "key", "code", "path"),
    [
        ("ledger_opening", "token", "leaf_index = 20", "TOKEN_CHANGED", ("entry", 20)),
        ("ledger_opening", "jti", "leaf_index = 20", "OPENING_CHANGED", ("entry", 20)),
        (
            "ledger_disclosure",
            "weighing",
            "leaf_index = 20",
            "DISCLOSURE_CHANGED",
            ("entry", 20, "disclosures", 10),
        ),
        (
            "ledger_capture",
            "party_identifier",
            f"leaf_index = {CAPTURE}",
            "CAPTURE_CHANGED",
            ("entry", CAPTURE, "id"),
        ),
        ("ledger_checkpoint", "note", "tree_size = 9", "CHECKPOINT_BROKEN", ("checkpoint", 9)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_text_that_is_no_longer_utf_8_is_named_like_any_other(
    tmp_path: Path, table: str, column: str, key: str, code: str, path: tuple[str | int, ...]
) -> None:
    """A bit of SQLite's file may flip anywhere; PostgreSQL keeps no such text."""
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}") as world:
        await tell(world, 30)
        async with world.database.writing() as session:
            changed = f"CAST(CAST({column} AS BLOB) || x'ff' AS TEXT)"
            await session.execute(text(f"UPDATE {table} SET {column} = {changed} WHERE {key}"))
        with pytest.raises(AuditFinding) as finding:
            await audit_database(world.database)
        assert (finding.value.code, finding.value.path) == (f"AUDIT_{code}", path)
