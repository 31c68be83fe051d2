"""C2SP tlog-proof: one text that convinces a stranger offline.

    LogProof         index, inclusion path, checkpoint and what came with it
    LogProof.parse   of a file's bytes; str is its inverse
    LogProof.open    the checkpoint under which a leaf hash is proven, or a refusal

The stranger knows what was logged, and whom to believe (`ledger.witness_policy`). `extra` is not
covered by any signature. Pure.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Self

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.errors import LogProofMalformed as Malformed
from ledger.errors import NoteMalformed
from ledger.merkle import HASH_BYTES, Hash, verify_inclusion
from ledger.note import NOTE_BYTES_MAX, NoteVerifier, SignedNote, standard_base64
from ledger.witness_policy import WitnessPolicy

EXTRA_BYTES_MAX = 65_535
"""As much as an entry, so that an entry fits."""

PATH_LENGTH_MAX = 63
"""A path has at most as many hashes as a tree has levels below its root."""

PROOF_BYTES_MAX = NOTE_BYTES_MAX + 100_000
"""A note, the base64 of `extra`, and the lines of a path."""

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogProof:
    """That an entry is in a log, as far as the signatures on its checkpoint are believed."""

    leaf_index: int
    inclusion_path: tuple[Hash, ...]
    note: SignedNote
    extra: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The proof whose bytes are exactly `raw`. Raises `LogProofMalformed`, `NoteMalformed`."""
        if len(raw) > PROOF_BYTES_MAX:
            raise Malformed(f"longer than {PROOF_BYTES_MAX} bytes")
        head, separator, note = raw.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise Malformed("a byte outside ASCII before the checkpoint") from None
        if not separator or lines.pop(0) != _HEADER:
            raise Malformed(f"the first line is not {_HEADER!r}, or no checkpoint follows")
        extra = _extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else b""
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if index is None or int(index[1]) >= TREE_SIZE_MAX:
            raise Malformed("no index line where it belongs")
        if len(lines) > PATH_LENGTH_MAX:
            raise Malformed(f"a path of more than {PATH_LENGTH_MAX} hashes")
        return cls(int(index[1]), tuple(map(_hash, lines)), SignedNote.parse(note), extra)

    def __str__(self) -> str:
        lines = [_HEADER]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode('ascii')}")
        lines.append(f"index {self.leaf_index}")
        lines += [base64.b64encode(hash_).decode("ascii") for hash_ in self.inclusion_path]
        return "\n".join([*lines, "", str(self.note)])

    def open(
        self, leaf: Hash, policy: WitnessPolicy, *, log: NoteVerifier | None = None
    ) -> Checkpoint:
        """The checkpoint that holds `leaf` at this index, tlog-proof "Verifying a tlog proof".

        Raises `NoteUnverified`, `CheckpointMalformed`, `QuorumMissing`, `ProofInvalid`.
        """
        checkpoint = policy.open(self.note, log=log)
        verify_inclusion(
            leaf,
            self.leaf_index,
            checkpoint.tree_size,
            self.inclusion_path,
            checkpoint.root_hash,
        )
        return checkpoint


def _extra(line: str) -> bytes:
    try:
        extra = standard_base64(line.removeprefix("extra "))
    except NoteMalformed as error:
        raise Malformed(error.message) from None
    if not extra or len(extra) > EXTRA_BYTES_MAX:
        raise Malformed(f"extra data of {len(extra)} bytes")
    return extra


def _hash(line: str) -> Hash:
    try:
        hash_ = standard_base64(line)
    except NoteMalformed as error:
        raise Malformed(error.message) from None
    if len(hash_) != HASH_BYTES:
        raise Malformed(f"a hash of {len(hash_)} bytes")
    return Hash(hash_)
