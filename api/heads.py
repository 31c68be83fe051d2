"""Which head is shown: the newest, or with a witness policy the newest that has its quorum.

    ShownHead     a signed note, and the checkpoint it is over
    shown_head    from the database, at the newest size or at one that is asked for
    served_head   by a process that serves: what it has in memory, if it asks witnesses
    served_note   the same without its checkpoint, for whoever asks for nothing else

Every proof that leaves the house leads to such a head, so that whoever asks for cosignatures is
never shown a head that lacks them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import SizeUnknown
from ledger.checkpoint import Checkpoint
from ledger.cosigned import CosignedHeads
from ledger.database import Database
from ledger.entries import Entries
from ledger.note import SignedNote
from ledger.witness_policy import WitnessPolicy
from ledger.writer import Writer

if TYPE_CHECKING:
    from api.cosigning import Cosigning


@dataclass(frozen=True, slots=True)
class ShownHead:
    """A head with all of its signatures."""

    note: SignedNote
    checkpoint: Checkpoint

    @classmethod
    def of(cls, note: SignedNote) -> Self:
        """From a note of this log."""
        return cls(note, Checkpoint.parse(note.text))

    @property
    def tree_size(self) -> int:
        """How many entries it covers."""
        return self.checkpoint.tree_size


async def shown_head(
    session: AsyncSession, policy: WitnessPolicy | None, *, tree_size: int | None = None
) -> ShownHead:
    """Raises `LedgerEmpty`, `QuorumMissing`, `SizeUnknown`."""
    entries = Entries(session)
    if policy is not None:
        newest = (await entries.head()).tree_size
        heads, log_keys = CosignedHeads(session), await entries.log_keys(newest)
        if tree_size is None:
            return ShownHead.of(await heads.newest(policy, log_keys))
        return ShownHead.of(await heads.at(tree_size, policy, log_keys))
    if tree_size is None:
        return ShownHead.of(SignedNote.parse((await entries.head()).note.encode()))
    head = await entries.head_at(tree_size)
    if head is None:
        raise SizeUnknown(f"no head of size {tree_size} was ever signed", path=("treeSize",))
    return ShownHead.of(SignedNote.parse(head.note.encode()))


async def served_head(
    session: AsyncSession, policy: WitnessPolicy | None, cosigning: Cosigning | None
) -> ShownHead:
    """Raises `LedgerEmpty`, `QuorumMissing`."""
    if cosigning is not None:
        return ShownHead.of(cosigning.note)
    return await shown_head(session, policy)


async def served_note(
    database: Database,
    policy: WitnessPolicy | None,
    cosigning: Cosigning | None,
    writer: Writer | None,
) -> str:
    """Where a writer runs it says its newest head, and nobody waits for a database that is busy.

    Raises `LedgerEmpty`, `QuorumMissing`.
    """
    if policy is None and writer is not None and writer.is_running and writer.note:
        return writer.note
    async with database.reading() as session:
        return str((await served_head(session, policy, cosigning)).note)
