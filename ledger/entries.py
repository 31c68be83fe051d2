"""Reading the log and the opening store.

    LoggedEntry         an entry: index, leaf, instant, and the body behind it
    Head                the newest signed checkpoint
    Entries             at, read, leaves, head, head_at, root_at, tile, and both kinds of proof

Every method reads committed rows only. A body is parsed again on each read, so that a row that was
tampered with is noticed: its token no longer hashes to its leaf.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.authority import Authorities
from ledger.candidate import Body, leaf_of
from ledger.checkpoint import TREE_SIZE_MAX
from ledger.control import LOG_LABEL, Control, Genesis, LogKey
from ledger.errors import EntryUnknown, LedgerEmpty, ProofInvalid
from ledger.identity import SubjectLabel
from ledger.log_keys import LogKeys
from ledger.merkle import (
    HASH_BYTES,
    Hash,
    NodeReader,
    consistency_path,
    inclusion_path,
    leaf_hash,
    range_root,
)
from ledger.presentation import read_statement
from ledger.seal import Capture, Party, SealedEvent
from ledger.tables import (
    CaptureRow,
    CheckpointRow,
    CursorRow,
    DisclosureRow,
    EntryRow,
    EventRow,
    OpeningRow,
    SubjectEntryRow,
)
from ledger.tile_store import tiles_of
from ledger.tiles import (
    ENTRIES,
    TILE_WIDTH,
    Tile,
    entry_bundle,
    is_node_in_tile,
    node_in_tile,
    tile_of_node,
    width_in_tree,
)
from ledger.token import Token

SUBJECT_VIEW = "subject"
"""The name of the view that knows which entries stand under a label (`ledger.subjects`)."""

READ_MAX = 1_000
"""Entries of one `read`: some 3 MB of statements, or more where captures are among them."""

CAPTURES_MAX = 16
"""Captures of one `read`: with 500 events of 1 kB each, some 8 MB; 160 MB at their limit."""

_Answer = TypeVar("_Answer")

_OPENED = (
    select(
        OpeningRow.leaf_index,
        OpeningRow.token,
        OpeningRow.logged_at,
        EntryRow.leaf,
        DisclosureRow.weighing,
        DisclosureRow.particulars,
        CaptureRow.context,
        CaptureRow.party_scheme,
        CaptureRow.party_identifier,
    )
    .join(EntryRow, EntryRow.leaf_index == OpeningRow.leaf_index)
    .outerjoin(DisclosureRow, DisclosureRow.leaf_index == OpeningRow.leaf_index)
    .outerjoin(CaptureRow, CaptureRow.leaf_index == OpeningRow.leaf_index)
    .order_by(OpeningRow.leaf_index)
)
"""Columns, not mapped rows: a view that follows reads every entry once."""


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One entry, with the body that was opened for it."""

    leaf_index: int
    leaf: bytes
    logged_at: datetime
    body: Body

    @property
    def leaf_hash(self) -> Hash:
        """Its hash in the tree."""
        return leaf_hash(self.leaf)


@dataclass(frozen=True, slots=True)
class Head:
    """A signed checkpoint, and when it was written."""

    tree_size: int
    root_hash: Hash
    note: str
    logged_at: datetime


class Entries:
    """The log as a reader sees it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def at(self, leaf_index: int) -> LoggedEntry:
        """Raises `EntryUnknown`."""
        within = 0 <= leaf_index < TREE_SIZE_MAX
        found = await self.read(leaf_index, 1) if within else ()
        if not found or found[0].leaf_index != leaf_index:
            raise EntryUnknown(f"the log has no index {leaf_index}", path=("leafIndex",))
        return found[0]

    async def read(self, first: int, limit: int) -> Sequence[LoggedEntry]:
        """At most `limit` entries from index `first` on, in order; fewer where captures are big."""
        assert 0 < limit <= READ_MAX
        return await self._opened(
            OpeningRow.leaf_index.between(first, first + limit - 1), captures_max=CAPTURES_MAX
        )

    async def of_indexes(self, indexes: Sequence[int]) -> Sequence[LoggedEntry]:
        """The entries at these indexes, in rising order, however many captures are among them."""
        assert len(indexes) <= READ_MAX
        return await self._opened(OpeningRow.leaf_index.in_(indexes))

    async def controls(self, tree_size: int) -> Sequence[LoggedEntry]:
        """Every control entry below `tree_size`, in order."""
        return await self._opened(
            (OpeningRow.form == "control") & (OpeningRow.leaf_index < tree_size)
        )

    async def authorities(self, tree_size: int) -> Authorities:
        """Keys and mandates as the entries below `tree_size` have them.

        Raises what `Authorities.check` raises for an entry that could not stand there.
        """
        authorities = Authorities()
        for entry in await self.controls(tree_size):
            assert isinstance(entry.body, Control)
            authorities.check(entry.body)
            authorities = authorities.after(entry.body, entry.leaf_index)
        return authorities

    async def log_keys(self, tree_size: int) -> LogKeys:
        """The log's own keys as the entries below `tree_size` have them."""
        # By the index of control entries, of which a log has some hundred.
        query = select(OpeningRow.leaf_index).where(
            OpeningRow.form == "control",
            OpeningRow.leaf_index < tree_size,
            OpeningRow.subject == LOG_LABEL,
        )
        indexes = (await self._session.scalars(query.order_by(OpeningRow.leaf_index))).all()
        log_keys = LogKeys()
        for first in range(0, len(indexes), READ_MAX):
            for entry in await self.of_indexes(indexes[first : first + READ_MAX]):
                assert isinstance(entry.body, Control)
                assert isinstance(entry.body.content, Genesis | LogKey)
                log_keys = log_keys.after(entry.body.content, entry.leaf_index)
        return log_keys

    async def indexes_of(self, subject: SubjectLabel, tree_size: int) -> Sequence[int]:
        """Indexes of all entries under a label, in order.

        Of the view `subject`, and of every entry that it has not read yet.
        """
        followed = select(CursorRow.next_index).where(CursorRow.view == SUBJECT_VIEW)
        told = await self._session.scalar(followed) or 0
        query = (
            select(SubjectEntryRow.leaf_index)
            .where(SubjectEntryRow.subject == subject, SubjectEntryRow.leaf_index < tree_size)
            .order_by(SubjectEntryRow.leaf_index)
        )
        beyond = (
            select(OpeningRow.leaf_index)
            .where(
                OpeningRow.leaf_index >= told,
                OpeningRow.leaf_index < tree_size,
                OpeningRow.subject == subject,
            )
            .order_by(OpeningRow.leaf_index)
        )
        return [*await self._session.scalars(query), *await self._session.scalars(beyond)]

    async def head(self) -> Head:
        """The newest checkpoint. Raises `LedgerEmpty`."""
        query = select(CheckpointRow).order_by(CheckpointRow.tree_size.desc()).limit(1)
        row = await self._session.scalar(query)
        if row is None:
            raise LedgerEmpty("the log has no entry yet")
        return _head(row)

    async def head_at(self, tree_size: int) -> Head | None:
        """The checkpoint of exactly that size, if one was ever signed."""
        row = await self._session.get(CheckpointRow, tree_size)
        return None if row is None else _head(row)

    async def size_known_at(self, instant: datetime) -> int:
        """The tree size the log had at that instant; 0 before its first entry."""
        query = select(func.max(CheckpointRow.tree_size)).where(CheckpointRow.logged_at <= instant)
        return await self._session.scalar(query) or 0

    async def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile or entry bundle. Raises `EntryUnknown` for one the log has not."""
        head = await self.head()
        if not 0 < tile.width <= width_in_tree(tile.level, tile.index, head.tree_size):
            raise EntryUnknown("the log has no such tile", path=("tile",))
        if tile.level == ENTRIES:
            return entry_bundle(await self.leaves(tile.index * TILE_WIDTH, tile.width))
        place = (tile.level, tile.index)
        stored = await tiles_of(self._session).read(self._session, [place])
        return stored[place][: tile.width * HASH_BYTES]

    async def leaves(self, first: int, count: int) -> Sequence[bytes]:
        """The bytes of so many leaves. Raises `EntryUnknown` when they are not all there."""
        query = (
            select(EntryRow.leaf)
            .where(EntryRow.leaf_index.between(first, first + count - 1))
            .order_by(EntryRow.leaf_index)
        )
        leaves = list(await self._session.scalars(query))
        if len(leaves) != count:
            raise EntryUnknown(f"the log has no index {first + len(leaves)}", path=("leafIndex",))
        return leaves

    async def root_at(self, tree_size: int) -> Hash:
        """The root over the first entries, of any number, from tiles. Raises `EntryUnknown`."""
        if tree_size < 1:
            raise EntryUnknown(f"{tree_size} is no size of a tree", path=("treeSize",))
        return await self._from_tiles(lambda node: range_root(0, tree_size, node))

    async def inclusion_path(self, leaf_index: int, tree_size: int) -> list[Hash]:
        """RFC 9162 §2.1.3.1, from tiles. Raises `EntryUnknown`."""
        if not 0 <= leaf_index < tree_size:
            raise EntryUnknown(f"index {leaf_index} is not below {tree_size}", path=("leafIndex",))
        return await self._from_tiles(lambda node: inclusion_path(leaf_index, tree_size, node))

    async def consistency_path(self, old_size: int, new_size: int) -> list[Hash]:
        """RFC 9162 §2.1.4.1, from tiles. Raises `EntryUnknown`."""
        if not 0 < old_size <= new_size:
            raise EntryUnknown(f"{old_size} is no size before {new_size}", path=("treeSize",))
        return await self._from_tiles(lambda node: consistency_path(old_size, new_size, node))

    async def _from_tiles(self, make: Callable[[NodeReader], _Answer]) -> _Answer:
        """Ask which nodes a proof needs, read their tiles at once, then make it."""
        wanted: set[tuple[int, int]] = set()

        def note_down(level: int, index: int) -> Hash:
            wanted.add(tile_of_node(level, index))
            return Hash(bytes(32))

        make(note_down)
        tiles = await tiles_of(self._session).read(self._session, wanted)

        def look_up(level: int, index: int) -> Hash:
            hashes = tiles.get(tile_of_node(level, index), b"")
            if not is_node_in_tile(level, index, hashes):
                raise EntryUnknown("the log has not that many entries", path=("treeSize",))
            return node_in_tile(level, index, hashes)

        return make(look_up)

    async def _opened(
        self, condition: ColumnElement[bool], *, captures_max: int = READ_MAX
    ) -> list[LoggedEntry]:
        rows = (await self._session.execute(_OPENED.where(condition))).all()
        captures = [row.leaf_index for row in rows if row.context is not None]
        if len(captures) > captures_max:
            captures = captures[:captures_max]
            rows = [row for row in rows if row.leaf_index <= captures[-1]]
        events = await self._events(captures)
        return [_logged(row, events) for row in rows]

    async def _events(self, captures: Sequence[int]) -> dict[int, list[SealedEvent]]:
        events: dict[int, list[SealedEvent]] = defaultdict(list)
        if captures:
            query = (
                select(EventRow.leaf_index, EventRow.raw, EventRow.secret)
                .where(EventRow.leaf_index.in_(captures))
                .order_by(EventRow.leaf_index, EventRow.position)
            )
            for leaf_index, raw, secret in await self._session.execute(query):
                events[leaf_index].append(SealedEvent(raw, secret))
        return events


def _head(row: CheckpointRow) -> Head:
    return Head(row.tree_size, Hash(row.root_hash), row.note, row.logged_at)


def _logged(row: Row[*tuple[Any, ...]], events: Mapping[int, Sequence[SealedEvent]]) -> LoggedEntry:
    leaf_index, token, logged_at, leaf, weighing, particulars, context, scheme, identifier = row
    body: Body
    if weighing is not None:
        body = read_statement(f"{token}{weighing}{particulars or ''}~", erased=True)
    elif context is not None:
        party = Party.parse(scheme, identifier)
        body = Capture.parse(Token.parse(token), party, context, events[leaf_index])
    else:
        body = Control.parse(Token.parse(token))
    if leaf_of(body) != leaf:
        raise ProofInvalid(
            f"the opening store does not hash to leaf {leaf_index}", path=(leaf_index,)
        )
    return LoggedEntry(leaf_index, leaf, logged_at, body)
