"""C2SP tlog-checkpoint: the signed head of a log.

    Checkpoint         origin, tree size, root hash
    Checkpoint.parse   from the text of a signed note; exact
    Checkpoint.text    its inverse
    open_checkpoint    from a note that the log signed

The text is three lines: origin, decimal size without leading zeros, base64 of the root. Extension
lines are refused: this log writes none. Pure.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Self

from ledger.errors import CheckpointMalformed, NoteMalformed
from ledger.merkle import HASH_BYTES, Hash
from ledger.note import SignedNote, Signer, Verifier, standard_base64

TREE_SIZE_MAX = 2**53 - 1
"""Sizes travel as JSON integers too; a log that fills this has other worries."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: the root over its first `tree_size` entries."""

    origin: str
    tree_size: int
    root_hash: Hash

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint whose text is exactly `text`. Raises `CheckpointMalformed`."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise CheckpointMalformed("not the three lines origin, size, root")
        if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > TREE_SIZE_MAX:
            raise CheckpointMalformed(f"{lines[1][:40]!r} is no tree size")
        try:
            root_hash = standard_base64(lines[2])
        except NoteMalformed as error:
            raise CheckpointMalformed(error.message) from None
        if len(root_hash) != HASH_BYTES:
            raise CheckpointMalformed(f"a root of {len(root_hash)} bytes")
        return cls(lines[0], int(lines[1]), Hash(root_hash))

    @classmethod
    def read(cls, text: str) -> Self:
        """From any log, without its extension lines. Raises `CheckpointMalformed`."""
        lines = text.split("\n")
        if "" in lines[3:-1]:
            raise CheckpointMalformed("an empty extension line")
        return cls.parse("\n".join([*lines[:3], ""]) if lines[-1] == "" else text)

    @property
    def text(self) -> str:
        """What is signed."""
        root_hash = base64.b64encode(self.root_hash).decode("ascii")
        return f"{self.origin}\n{self.tree_size}\n{root_hash}\n"

    def signed(self, signer: Signer) -> SignedNote:
        """The note over this checkpoint; a log signs under its origin."""
        return signer.sign(self.text)


def open_checkpoint(raw: bytes, log: Verifier) -> Checkpoint:
    """The checkpoint of a note that the log signed.

    Raises `NoteMalformed`, `NoteUnverified`, `CheckpointMalformed`.
    """
    note = SignedNote.parse(raw)
    note.verified_by([log])
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log.name:
        raise CheckpointMalformed(f"a checkpoint of {checkpoint.origin!r}, signed by {log.name!r}")
    return checkpoint
