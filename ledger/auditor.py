"""Audits the log of a database: tree, checkpoints, opening store, all in one snapshot.

    StoredLog         the rows, as an audit asks for them
    audit_stored      in a session
    audit_database    in a snapshot of its own

A few bundles at a time, and 16 captures of one: memory does not grow with the log. A writer may go
on meanwhile; what it adds is not seen. Every judgement is `ledger.audit`'s, but for one that needs
the database: that each `(iss, jti)` stands once, and where the writer looks for it. By the same way
what a statement refers to is found.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import aiosqlite
from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.audit import (
    CONTROL_LEAF,
    AuditReport,
    HistoryAudit,
    LeafAudit,
    Opening,
    StoredCheckpoint,
    TreeAudit,
    check_known,
    check_opening,
    check_referral,
    log_keys_of,
    parts_of,
    signed_checkpoint,
)
from ledger.batch import Reference
from ledger.canonical import unb64url
from ledger.checkpoint import Checkpoint
from ledger.control import LOG_LABEL
from ledger.database import Database
from ledger.entries import CAPTURES_MAX
from ledger.errors import (
    BeyondHead,
    CaptureChanged,
    CheckpointSuperseded,
    CheckpointUnsigned,
    LedgerEmpty,
    OpeningChanged,
    OpeningMissing,
    PartMissing,
    ReferenceRepeated,
    ReferenceUnlisted,
)
from ledger.log_keys import LogKeys
from ledger.merkle import HASH_BYTES
from ledger.note import SignedNote, Verifier
from ledger.references import digest_in, digest_of, entries_in_table, find, statements_at
from ledger.seal import Capture, SealedEvent
from ledger.statement import Statement
from ledger.tables import (
    CaptureRow,
    CheckpointRow,
    DisclosureRow,
    EntryRow,
    EventRow,
    OpeningRow,
)
from ledger.tile_store import tiles_of
from ledger.tiles import ENTRIES, TILE_WIDTH, Tile

BLOCK_BUNDLES = 8
"""Read by one query: 0.3 MB of this log's leaves, 134 MB when each is the largest that may be."""

Advance = Callable[[int], object]


async def audit_database(
    database: Database,
    *,
    trusted: Sequence[Verifier] = (),
    genesis_hash: bytes | None = None,
    known: Checkpoint | None = None,
    signatures: bool = False,
    openings: bool = True,
    expect: Advance = lambda _: None,
    advance: Advance = lambda _: None,
) -> AuditReport:
    """`audit_stored` in a snapshot. Raises `AuditFinding`, `LedgerEmpty`."""
    async with database.reading() as session:
        if not database.is_sqlite:
            # SQLite's read transaction is a snapshot as it stands.
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return await audit_stored(
            session,
            trusted=trusted,
            genesis_hash=genesis_hash,
            known=known,
            signatures=signatures,
            openings=openings,
            expect=expect,
            advance=advance,
        )


async def audit_stored(
    session: AsyncSession,
    *,
    trusted: Sequence[Verifier] = (),
    genesis_hash: bytes | None = None,
    known: Checkpoint | None = None,
    signatures: bool = False,
    openings: bool = True,
    expect: Advance = lambda _: None,
    advance: Advance = lambda _: None,
) -> AuditReport:
    """Everything from index 0 on; `expect` is told the entries in all, `advance` those done.

    One of the keys in `trusted` must have signed the head; without any the log's own entries say
    whose. `genesis_hash` is what somebody pinned, `known` a checkpoint that somebody kept. Without
    `openings` the log alone is audited, and not what opens it. Raises `AuditFinding`
    for the first tampering, `LedgerEmpty`.
    """
    async with _reading_any_text(session):
        return await _audit(
            StoredLog(session),
            trusted,
            genesis_hash,
            known,
            signatures,
            openings,
            expect,
            advance,
        )


async def _audit(
    log: StoredLog,
    trusted: Sequence[Verifier],
    genesis_hash: bytes | None,
    known: Checkpoint | None,
    signatures: bool,
    openings: bool,
    expect: Advance,
    advance: Advance,
) -> AuditReport:
    newest = await log.newest()
    head, log_keys = await _head(log, newest)
    raw = newest.note.encode("utf-8", "surrogateescape")
    signed_checkpoint(raw, trusted)
    tree, leaves, history = TreeAudit(head), LeafAudit(genesis_hash), HistoryAudit(log_keys)
    if known is not None:
        check_known(head, known)
        tree.expect([known])
    expect(head.tree_size)
    forms: Counter[str] = Counter()
    events = 0
    covering: deque[StoredCheckpoint] = deque()
    for tile in parts_of(head.tree_size):
        if tile.level != ENTRIES:
            hashes = await log.tile(tile)
            if len(hashes or b"") > tile.width * HASH_BYTES:
                # What a head that was taken away leaves behind is not the tile's own fault.
                await log.check_end(head.tree_size)
            tree.take(tile, hashes)
            continue
        first = tile.index * TILE_WIDTH
        for row in await log.checkpoints(history.tree_size, first + tile.width):
            tree.expect([history.take(row)])
            covering.append(row)
        entries = await log.entries(tile)
        tree.take_entries(tile, entries)
        advance(tile.width)
        if not tree.is_vouched:
            # It is the leaves that are in question; what opens them cannot say which is at fault.
            continue
        if not openings:
            forms.update(map(leaves.take, range(first, first + tile.width), entries))
            continue
        opened = log.openings(first, tile.width)
        opening = await anext(opened, None)
        stated: list[Reference] = []
        referring: list[tuple[int, Statement]] = []
        for leaf_index, leaf in enumerate(entries, first):
            while covering[0].tree_size <= leaf_index:
                covering.popleft()
            forms[leaves.take(leaf_index, leaf)] += 1
            if opening is None or opening.leaf_index != leaf_index:
                raise OpeningMissing("nothing opens this leaf", path=("entry", leaf_index))
            body = check_opening(
                opening,
                leaf,
                leaves.authorities,
                logged_at=covering[0].logged_at,
                signatures=signatures,
            )
            events += len(body.events) if isinstance(body, Capture) else 0
            stated.append((body.issuer, body.jti))
            if isinstance(body, Statement) and body.weighing.refers is not None:
                referring.append((leaf_index, body))
            opening = await anext(opened, None)
        await log.check_references(first, stated)
        await log.check_referrals(referring)
    tree.finish()
    await log.check_end(head.tree_size)
    if log_keys is None or leaves.authorities.log_keys != log_keys:
        # What was taken for the log's keys is not what the entries that were signed say of them.
        leaves.check_head(SignedNote.parse(raw), head.tree_size)
        raise CheckpointUnsigned(
            "the entries of the log name other keys", path=("checkpoint", head.tree_size)
        )
    return AuditReport(
        head=head,
        log_key=log_keys.at(head.tree_size).key.ed25519,
        genesis_hash=leaves.genesis_hash,
        forms=forms,
        events=events if openings else None,
        checkpoints=history.checked,
        signatures=signatures,
    )


async def _head(log: StoredLog, newest: StoredCheckpoint) -> tuple[Checkpoint, LogKeys | None]:
    """The head and the keys it is signed by, which the opening store is asked for first."""
    log_keys = await log.log_keys()
    try:
        return newest.checked(log_keys), log_keys
    except (CheckpointUnsigned, CheckpointSuperseded):
        # What the opening store does not name any more may be in the log all the same.
        found = await log.log_keys(by_opening=False)
        return newest.checked(found), found


class StoredLog:
    """The rows of a log, as an audit asks for them. Reads only."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._leaves: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self._listed: int | None = None
        """Entries whose references are in the table; those after it are kept here."""
        self._unlisted: defaultdict[int, list[int]] = defaultdict(list)

    async def newest(self) -> StoredCheckpoint:
        """The head. Raises `LedgerEmpty`."""
        query = _CHECKPOINTS.order_by(CheckpointRow.tree_size.desc()).limit(1)
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            raise LedgerEmpty("the log has no checkpoint")
        return StoredCheckpoint(*row)

    async def log_keys(self, *, by_opening: bool = True) -> LogKeys | None:
        """The keys that genesis and log-key entries name; None without a genesis.

        The opening store says where those entries are; or else every leaf is looked at.
        """
        if by_opening:
            named = select(OpeningRow.leaf_index).where(
                OpeningRow.form == "control", OpeningRow.subject == LOG_LABEL
            )
            wanted: ColumnElement[bool] = or_(
                EntryRow.leaf_index == 0, EntryRow.leaf_index.in_(named)
            )
        else:
            wanted = func.substr(EntryRow.leaf, 1, len(CONTROL_LEAF)) == CONTROL_LEAF
        query = select(EntryRow.leaf_index, EntryRow.leaf).where(wanted)
        rows = await self._session.execute(query.order_by(EntryRow.leaf_index))
        return log_keys_of((leaf_index, leaf) for leaf_index, leaf in rows)

    async def checkpoints(self, after: int, until: int) -> Sequence[StoredCheckpoint]:
        """Rows by rising size, beyond `after`, up to the first that covers `until` entries."""
        found: list[StoredCheckpoint] = []
        if after >= until:
            return found
        query = (
            _CHECKPOINTS.where(CheckpointRow.tree_size > after)
            .order_by(CheckpointRow.tree_size)
            .limit(TILE_WIDTH + 1)
        )
        for row in await self._session.execute(query):
            found.append(StoredCheckpoint(*row))
            if found[-1].tree_size >= until:
                break
        return found

    async def tile(self, tile: Tile) -> bytes | None:
        """The hashes of a tile, exactly as they are stored."""
        key = (tile.level, tile.index)
        if key not in self._tiles:
            block = [(tile.level, tile.index + ahead) for ahead in range(BLOCK_BUNDLES)]
            self._tiles |= await tiles_of(self._session).stored(self._session, block)
        return self._tiles.pop(key, None)

    async def entries(self, tile: Tile) -> list[bytes]:
        """The leaves of a bundle. Raises `PartMissing` for the first that is not there."""
        if tile.index not in self._leaves:
            first = tile.index * TILE_WIDTH
            last = first + BLOCK_BUNDLES * TILE_WIDTH - 1
            query = (
                select(EntryRow.leaf_index, EntryRow.leaf)
                .where(EntryRow.leaf_index.between(first, last))
                .order_by(EntryRow.leaf_index)
            )
            for leaf_index, leaf in await self._session.execute(query):
                self._leaves[leaf_index // TILE_WIDTH].append((leaf_index, leaf))
        rows = self._leaves.pop(tile.index, [])[: tile.width]
        first = tile.index * TILE_WIDTH
        if len(rows) < tile.width or rows[-1][0] != first + tile.width - 1:
            there = {leaf_index for leaf_index, _ in rows}
            missing = next(index for index in count(first) if index not in there)
            raise PartMissing("the entry is not there", path=("entry", missing))
        return [leaf for _, leaf in rows]

    async def openings(self, first: int, width: int) -> AsyncGenerator[Opening, None]:
        """What the opening store has for these indexes, in order."""
        query = (
            select(
                OpeningRow.leaf_index,
                OpeningRow.form,
                OpeningRow.issuer,
                OpeningRow.jti,
                OpeningRow.subject,
                OpeningRow.content_hash,
                OpeningRow.token,
                OpeningRow.logged_at,
                DisclosureRow.weighing,
                DisclosureRow.particulars,
                CaptureRow.party_scheme,
                CaptureRow.party_identifier,
                CaptureRow.context,
            )
            .outerjoin(DisclosureRow, DisclosureRow.leaf_index == OpeningRow.leaf_index)
            .outerjoin(CaptureRow, CaptureRow.leaf_index == OpeningRow.leaf_index)
            .where(OpeningRow.leaf_index.between(first, first + width - 1))
            .order_by(OpeningRow.leaf_index)
        )
        rows = (await self._session.execute(query)).all()
        captures = [row.leaf_index for row in rows if row.party_scheme is not None]
        events: dict[int, list[SealedEvent]] = {}
        for row in rows:
            party = None
            if row.party_scheme is not None:
                party = (row.party_scheme, row.party_identifier)
                if row.leaf_index not in events:
                    events = await self._events(captures[:CAPTURES_MAX])
                    captures = captures[CAPTURES_MAX:]
            yield Opening(
                leaf_index=row.leaf_index,
                form=row.form,
                issuer=row.issuer,
                jti=row.jti,
                subject=row.subject,
                content_hash=row.content_hash,
                token=row.token,
                logged_at=row.logged_at,
                weighing=row.weighing,
                particulars=row.particulars,
                party=party,
                context=row.context,
                events=tuple(events.get(row.leaf_index, ())),
            )

    async def check_references(self, first: int, stated: Sequence[Reference]) -> None:
        """That these, from index `first` on, stand nowhere before, and are where the writer looks.

        Raises `ReferenceRepeated`, `ReferenceUnlisted`.
        """
        if self._listed is None:
            self._listed = await entries_in_table(self._session)
        digests = [digest_of(*reference) for reference in stated]
        places: defaultdict[int, list[int]] = defaultdict(list)
        for digest, leaf_index in await find(self._session, digests):
            places[digest].append(leaf_index)
        for leaf_index, (reference, digest) in enumerate(zip(stated, digests, strict=True), first):
            if leaf_index < self._listed:
                if leaf_index not in places[digest]:
                    raise ReferenceUnlisted(
                        "the table of references lacks it", path=("entry", leaf_index)
                    )
            else:
                self._unlisted[digest].append(leaf_index)
            before = [*places[digest], *self._unlisted.get(digest, ())]
            for other in sorted(index for index in before if index < leaf_index):
                if await self._reference(other) == reference:
                    raise ReferenceRepeated(
                        f"{reference[1]!r} of this issuer stands at entry {other} too",
                        path=("entry", leaf_index),
                    )

    async def check_referrals(self, referring: Sequence[tuple[int, Statement]]) -> None:
        """That what these refer to stands below them, and may be referred to.

        Their own references are checked before, so that all below them have been.
        Raises `EntryMisreferred`.
        """
        if not referring:
            return
        names = {statement.weighing.refers or "" for _, statement in referring}
        digests = [digest_in(unb64url(name)) for name in names]
        indexes = [leaf_index for _, leaf_index in await find(self._session, digests)]
        for digest in digests:
            indexes += self._unlisted.get(digest, ())
        last, _ = referring[-1]
        below = [leaf_index for leaf_index in indexes if leaf_index < last]
        found = await statements_at(self._session, below)
        for leaf_index, statement in referring:
            referent = found.get(statement.weighing.refers or "")
            if referent is not None and referent.leaf_index >= leaf_index:
                referent = None
            check_referral(statement, referent, leaf_index)

    async def _reference(self, leaf_index: int) -> Reference | None:
        query = select(OpeningRow.issuer, OpeningRow.jti).where(OpeningRow.leaf_index == leaf_index)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row.issuer, row.jti)

    async def check_end(self, tree_size: int) -> None:
        """Nothing stands outside of what the newest checkpoint covers.

        Raises `BeyondHead`, `OpeningChanged`.
        """
        index = EntryRow.leaf_index
        bounds = select(func.coalesce(func.min(index), 0), func.coalesce(func.max(index), -1))
        first, last = (await self._session.execute(bounds)).one()
        if first < 0 or last >= tree_size:
            raise BeyondHead(
                f"there are entries other than those of the newest checkpoint, below {tree_size}",
                path=("entry", min(first, 0) or tree_size),
            )
        outside = await tiles_of(self._session).outside(self._session, tree_size)
        if outside is not None:
            raise BeyondHead("the tree has no such tile", path=("tile", *outside))
        alone = await self._session.scalar(
            select(func.min(EventRow.leaf_index)).where(
                ~exists().where(CaptureRow.leaf_index == EventRow.leaf_index)
            )
        )
        if alone is not None:
            raise OpeningChanged("only a capture has events", path=("entry", alone))

    async def _events(self, captures: Sequence[int]) -> dict[int, list[SealedEvent]]:
        events: dict[int, list[SealedEvent]] = {leaf_index: [] for leaf_index in captures}
        query = (
            select(EventRow.leaf_index, EventRow.position, EventRow.raw, EventRow.secret)
            .where(EventRow.leaf_index.in_(captures))
            .order_by(EventRow.leaf_index, EventRow.position)
        )
        for leaf_index, position, raw, secret in await self._session.execute(query):
            if position != len(events[leaf_index]):
                raise CaptureChanged(
                    "the positions of its events have a gap",
                    path=("entry", leaf_index, "events", len(events[leaf_index])),
                )
            events[leaf_index].append(SealedEvent(raw, secret))
        return events


@asynccontextmanager
async def _reading_any_text(session: AsyncSession) -> AsyncIterator[None]:
    """Let SQLite give out text that is no UTF-8, as a flipped bit leaves it, for us to judge."""
    connection = await session.connection()
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, aiosqlite.Connection)
    usual = raw.text_factory
    raw.text_factory = _any_text
    try:
        yield
    finally:
        raw.text_factory = usual


def _any_text(raw: bytes) -> str:
    """Its inverse is `str.encode` with the same handler."""
    return raw.decode("utf-8", "surrogateescape")


_CHECKPOINTS = select(
    CheckpointRow.tree_size,
    CheckpointRow.previous_size,
    CheckpointRow.root_hash,
    CheckpointRow.note,
    CheckpointRow.logged_at,
)
