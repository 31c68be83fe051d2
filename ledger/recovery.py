"""A log that catches up from another copy of itself, and signs nothing.

    Recovery             what was taken and is not written yet
    Recovery.opened      at the head of a database, which is checked first
    Recovery.take        one line of a feed (`ledger.opening_feed`)
    Recovery.write       what stands under a signed head, in one transaction

Nothing is believed that the log's keys did not sign: the hash of its genesis is known beforehand,
and from its root key the others descend (`ledger.log_keys`). A body must be one that its issuer
could state at that index, its signature must verify, and the leaves that follow from the bodies
must lead from our own tree to the signed root: so every head taken extends ours. Rows are written
as the sequencer writes them, with the instants that the feed gives; but for references, which the
next writer reads (`ledger.references`).

A transaction holds whole heads with all they cover. Killed before its commit it leaves the old
head, after it the new one; either way the next recovery goes on from there. Whoever calls holds the
writer's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from ledger.append import insert_checkpoint, insert_rows
from ledger.audit import LeafAudit, check_authority, check_signers, signed_checkpoint
from ledger.batch import Admitted
from ledger.candidate import Body, Candidate
from ledger.checkpoint import Checkpoint
from ledger.control import Control
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import (
    InstantChanged,
    OpeningFeedMalformed,
    ProofInvalid,
    RootMismatch,
    WriterFenced,
)
from ledger.merkle import leaf_hash
from ledger.note import SignedNote
from ledger.opening_feed import FeedCheckpoint, parse_line
from ledger.tables import CheckpointRow
from ledger.tile_store import read_edge, tiles_of
from ledger.tiles import RightEdge, Tile

PENDING_BODIES_MAX = 8_192
"""Bodies under one head: a batch of the sequencer has some 5,000 at most."""

PENDING_BYTES_MAX = 128 * 1024 * 1024
"""Bytes of their lines: a batch has 16 MiB and one submission more, a third longer in base64."""

CHUNK_BODIES = 1_000
"""Of one transaction, or as many more as the head that covers them has."""

CHUNK_BYTES = 16 * 1024 * 1024
"""Of lines, however few the bodies."""


@dataclass(frozen=True, slots=True)
class _Covered:
    """Bodies, and the signed head that first covers them."""

    admitted: tuple[Admitted, ...]
    tiles: tuple[tuple[Tile, bytes], ...]
    head: Checkpoint
    note: str
    logged_at: datetime


class Recovery:
    """The only writer of the log beside the sequencer, and never at the same time."""

    def __init__(
        self,
        database: Database,
        *,
        edge: RightEdge,
        leaves: LeafAudit,
        last_logged_at: datetime | None,
    ) -> None:
        self._database = database
        self._edge = edge
        self._leaves = leaves
        self._last_logged_at = last_logged_at
        self._written_size = edge.tree_size
        self._pending: list[Admitted] = []
        self._bytes_pending = 0
        self._covered: list[_Covered] = []
        self._bytes_covered = 0

    @classmethod
    async def opened(cls, database: Database, genesis_hash: bytes) -> Self:
        """At the head of a database, or at none; `genesis_hash` says which log it is.

        Raises `AuditFinding`, `ProofInvalid`.
        """
        leaves = LeafAudit(genesis_hash)
        async with database.reading() as session:
            row = await session.scalar(
                select(CheckpointRow).order_by(CheckpointRow.tree_size.desc()).limit(1)
            )
            if row is None:
                return cls(database, edge=RightEdge(), leaves=leaves, last_logged_at=None)
            for entry in await Entries(session).controls(row.tree_size):
                leaves.take(entry.leaf_index, entry.leaf)
            edge = await read_edge(session, row.tree_size)
        head = signed_checkpoint(row.note.encode(), ())
        check_signers(
            leaves.authorities.log_keys,
            SignedNote.parse(row.note.encode()),
            row.tree_size,
            previous_size=row.previous_size,
        )
        if (head.tree_size, head.root_hash) != (edge.tree_size, edge.root):
            raise ProofInvalid(f"the tiles do not hash to the signed root at {row.tree_size}")
        return cls(database, edge=edge, leaves=leaves, last_logged_at=row.logged_at)

    @property
    def tree_size(self) -> int:
        """How far the database has come."""
        return self._written_size

    @property
    def is_chunk_full(self) -> bool:
        """Whether enough stands under signed heads to be written."""
        return (
            self._edge.tree_size - self._written_size >= CHUNK_BODIES
            or self._bytes_covered >= CHUNK_BYTES
        )

    def take(self, raw: bytes) -> None:
        """The next line: a body, or the head over those that came. Raises `LedgerError`."""
        line = parse_line(raw)
        if isinstance(line, FeedCheckpoint):
            self._cover(line)
            return
        self._bytes_pending += len(raw)
        if len(self._pending) == PENDING_BODIES_MAX or self._bytes_pending > PENDING_BYTES_MAX:
            raise OpeningFeedMalformed(
                f"{len(self._pending)} entries from index {self._edge.tree_size} on, and no "
                "checkpoint"
            )
        self._admit(line)

    async def write(self) -> None:
        """All that stands under a head, durably. Raises `WriterFenced`."""
        if not self._covered:
            return
        try:
            async with self._database.writing() as session:
                size = await session.scalar(select(func.max(CheckpointRow.tree_size))) or 0
                if size != self._written_size:
                    raise _fenced(self._written_size)
                for covered in self._covered:
                    # Head by head as the sequencer did, so that each has the partial tiles that
                    # whoever saw it may ask for.
                    await insert_rows(session, covered.admitted, covered.logged_at)
                    await tiles_of(session).write(session, size, covered.tiles)
                    await insert_checkpoint(
                        session,
                        covered.head,
                        covered.note,
                        previous_size=size,
                        logged_at=covered.logged_at,
                    )
                    size = covered.head.tree_size
        except IntegrityError as error:
            raise _fenced(self._written_size) from error
        self._written_size = self._covered[-1].head.tree_size
        self._covered.clear()
        self._bytes_covered = 0

    def _admit(self, body: Body) -> None:
        leaf_index = self._edge.tree_size + len(self._pending)
        candidate = Candidate.of(body, signature_checked=True)
        self._leaves.take(leaf_index, candidate.leaf)
        if not isinstance(body, Control):
            check_authority(body, self._leaves.authorities, leaf_index, signatures=True)
        self._pending.append(Admitted(leaf_index, leaf_hash(candidate.leaf), candidate))

    def _cover(self, line: FeedCheckpoint) -> None:
        head = signed_checkpoint(line.note.encode(), ())
        path = ("checkpoint", head.tree_size)
        if not self._pending or head.tree_size != self._edge.tree_size + len(self._pending):
            raise OpeningFeedMalformed(
                f"a checkpoint of size {head.tree_size} after {len(self._pending)} entries from "
                f"index {self._edge.tree_size} on",
                path=path,
            )
        # The entries under it say whose key signs it, a log-key entry among them included.
        check_signers(
            self._leaves.authorities.log_keys,
            SignedNote.parse(line.note.encode()),
            head.tree_size,
            previous_size=self._edge.tree_size,
        )
        edge, tiles = self._edge.extended([item.leaf_hash for item in self._pending])
        if edge.root != head.root_hash:
            raise RootMismatch("the entries do not lead to the signed root", path=path)
        if self._last_logged_at is not None and line.logged_at < self._last_logged_at:
            raise InstantChanged("it is older than the checkpoint before it", path=path)
        self._edge, self._last_logged_at = edge, line.logged_at
        self._covered.append(
            _Covered(tuple(self._pending), tuple(tiles), head, line.note, line.logged_at)
        )
        self._pending.clear()
        self._bytes_covered += self._bytes_pending
        self._bytes_pending = 0


def _fenced(tree_size: int) -> WriterFenced:
    return WriterFenced(f"another writer extended the log beyond {tree_size}")
