"""Which head is shown: the newest, or with a witness policy the newest that has its quorum.

    ShownHead     a signed note, and the checkpoint it is over
    shown_head    from the database, at the newest size or at one that is asked for
    served_head   by a process that serves: what it has in memory, if it asks witnesses

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
from ledger.entries import Entries
from ledger.note import SignedNote
from ledger.witness_policy import WitnessPolicy

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
