"""The heads that had their quorum, with their cosignatures, kept for proofs and restarts.

    CosignedHeads          the only writer of `ledger_cosigned_head`
    CosignedHeads.keep     a head before it is shown, or the same head with more cosignatures
    CosignedHeads.newest   the newest that a policy is satisfied with
    CosignedHeads.at       that of one size

A cosignature cannot be made again: it says what a witness had seen at one second. What was shown
once is therefore on disk, and after a restart the log shows no older head than before it.
"""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.checkpoint import Checkpoint
from ledger.errors import NoteUnverified, QuorumMissing
from ledger.log_keys import LogKeys
from ledger.note import SignedNote
from ledger.tables import CosignedHeadRow
from ledger.witness_policy import WitnessPolicy

HEADS_MAX = 1_000
"""Kept at once: 12 MB with three witnesses of two keys each. A proof under any newer head proves as
much, so that older ones are kept for a while only."""

ASKED_MAX = 100
"""Heads held against a policy that changed since they were kept; the next round makes another."""


class CosignedHeads:
    """Cosigned notes, by size."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def keep(self, note: SignedNote) -> None:
        """In the caller's transaction; the oldest beyond HEADS_MAX are forgotten."""
        tree_size = Checkpoint.parse(note.text).tree_size
        await self._session.merge(CosignedHeadRow(tree_size=tree_size, note=str(note)))
        await self._session.flush()
        sizes = select(CosignedHeadRow.tree_size).order_by(CosignedHeadRow.tree_size.desc())
        oldest = await self._session.scalar(sizes.offset(HEADS_MAX - 1).limit(1))
        if oldest is not None:
            await self._session.execute(
                delete(CosignedHeadRow).where(CosignedHeadRow.tree_size < oldest)
            )

    async def newest(self, policy: WitnessPolicy, log_keys: LogKeys) -> SignedNote:
        """Raises `QuorumMissing`."""
        query = select(CosignedHeadRow).order_by(CosignedHeadRow.tree_size.desc()).limit(ASKED_MAX)
        for kept in await self._session.scalars(query):
            note = SignedNote.parse(kept.note.encode())
            try:
                policy.open(note, log=log_keys.at(kept.tree_size).key.ed25519)
            except (NoteUnverified, QuorumMissing):
                # Cosigned under another policy.
                continue
            return note
        raise QuorumMissing(f"no head has the quorum {policy.quorum!r} yet")

    async def at(self, tree_size: int, policy: WitnessPolicy, log_keys: LogKeys) -> SignedNote:
        """Raises `QuorumMissing`, `NoteUnverified`."""
        row = await self._session.get(CosignedHeadRow, tree_size)
        if row is None:
            raise QuorumMissing(f"no head of size {tree_size} is kept with its cosignatures")
        note = SignedNote.parse(row.note.encode())
        policy.open(note, log=log_keys.at(tree_size).key.ed25519)
        return note
