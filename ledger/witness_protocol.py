"""C2SP tlog-witness: what a log asks of a witness, and what a witness may answer.

    AddCheckpoint         old size, consistency path and note of an add-checkpoint request
    AddCheckpoint.parse   of a body's bytes; bytes() is its inverse
    CosignedHead          what a witness remembers of one log
    judge                 the checkpoint that may be cosigned, or the refusal the standard names
    cosignatures_of       the lines of a witness's answer that verify under keys we trust
    split_request         a line, hashes and a note: the form of both requests to a witness

The order of refusals is that of the standard, since a witness that names a conflict before it has
seen a signature tells strangers what it knows. Pure: what is remembered, and the atomic step from
judging to remembering, is `ledger.witness`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.cosignature import CosignatureVerifier, Timestamped
from ledger.errors import (
    CheckpointConflict,
    CheckpointInconsistent,
    CheckpointMalformed,
    CheckpointUntrusted,
    NoteMalformed,
    NoteUnverified,
    ProofInvalid,
)
from ledger.errors import RequestToWitnessMalformed as Malformed
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, Hash, verify_consistency
from ledger.note import (
    NOTE_BYTES_MAX,
    NoteSignature,
    NoteVerifier,
    SignedNote,
    standard_base64,
)

CONSISTENCY_LENGTH_MAX = 63
"""tlog-witness "add-checkpoint": more proof lines must not be sent."""

REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4_096
"""A note, and 64 lines of 45 bytes before it."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """One request, well-formed; whether it is to be believed is for `judge` to say."""

    old_size: int
    consistency_path: tuple[Hash, ...]
    note: SignedNote
    checkpoint: Checkpoint

    @classmethod
    def of(cls, old_size: int, consistency_path: Sequence[Hash], note: SignedNote) -> Self:
        """To ask a witness. Raises `CheckpointMalformed`."""
        return cls(old_size, tuple(consistency_path), note, Checkpoint.read(note.text))

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The request whose bytes are exactly `raw`. Raises `RequestToWitnessMalformed`."""
        old, hashes, note = split_request(raw)
        size = _OLD.fullmatch(old)
        if size is None or int(size[1]) > TREE_SIZE_MAX:
            raise Malformed(f"{old[:40]!r} is no old size")
        if len(hashes) > CONSISTENCY_LENGTH_MAX:
            raise Malformed(f"more than {CONSISTENCY_LENGTH_MAX} proof lines")
        try:
            return cls.of(int(size[1]), hashes, note)
        except CheckpointMalformed as error:
            raise Malformed(error.message) from None

    def __bytes__(self) -> bytes:
        path = [base64.b64encode(hash_).decode("ascii") for hash_ in self.consistency_path]
        return "\n".join([f"old {self.old_size}", *path, "", str(self.note)]).encode()


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """The largest head of one log that a witness cosigned; before the first, the empty tree."""

    tree_size: int = 0
    root_hash: Hash = EMPTY_ROOT


def judge(request: AddCheckpoint, logs: Sequence[NoteVerifier], latest: CosignedHead) -> None:
    """Whether the request's checkpoint may be cosigned, given the keys of its origin's log.

    Raises `CheckpointUntrusted` (403), `RequestToWitnessMalformed` (400), `CheckpointConflict`
    (409), `CheckpointInconsistent` (422).
    """
    checkpoint, old_size = request.checkpoint, request.old_size
    try:
        request.note.verified_by(logs)
    except NoteUnverified as error:
        raise CheckpointUntrusted(error.message) from None
    if old_size > checkpoint.tree_size:
        raise Malformed(f"an old size of {old_size} for a tree of {checkpoint.tree_size}")
    if old_size != latest.tree_size:
        raise CheckpointConflict(
            f"the last cosigned size is {latest.tree_size}, not {old_size}",
            tree_size=latest.tree_size,
        )
    if checkpoint.tree_size == 0 and checkpoint.root_hash != EMPTY_ROOT:
        raise CheckpointInconsistent("a root of the empty tree other than SHA-256 of nothing")
    if old_size == 0:
        if request.consistency_path:
            raise CheckpointInconsistent("a proof from the empty tree, which needs none")
        return
    try:
        verify_consistency(
            old_size,
            checkpoint.tree_size,
            request.consistency_path,
            latest.root_hash,
            checkpoint.root_hash,
        )
    except ProofInvalid as error:
        raise CheckpointInconsistent(error.message) from None


def cosignatures_of(
    answer: bytes, note: SignedNote, trusted: Sequence[CosignatureVerifier]
) -> tuple[NoteSignature, ...]:
    """The lines of a witness's answer over `note`; lines of unknown keys are passed over.

    Raises `NoteMalformed`, and `NoteUnverified` when a known key fails, none is known, or a
    cosignature has no time.
    """
    lines = SignedNote.parse(f"{note.text}\n".encode() + answer)
    if lines.text != note.text:
        raise NoteMalformed("an answer that is more than signature lines")
    lines.verified_by(trusted)
    types = {(one.name, one.key_id): one.key.key_type for one in trusted}
    known = tuple(one for one in lines.signatures if (one.name, one.key_id) in types)
    for one in known:
        if not Timestamped.parse(one.signature, types[one.name, one.key_id]).at_s:
            raise NoteUnverified(f"a cosignature of {one.name} without a time")
    return known


def split_request(raw: bytes) -> tuple[str, list[Hash], SignedNote]:
    """The form of both requests: a line, hashes, an empty line, a note.

    Raises `RequestToWitnessMalformed`.
    """
    if len(raw) > REQUEST_BYTES_MAX:
        raise Malformed(f"longer than {REQUEST_BYTES_MAX} bytes")
    head, separator, note = raw.partition(b"\n\n")
    if not separator:
        raise Malformed("no checkpoint follows an empty line")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("a byte outside ASCII before the checkpoint") from None
    if len(hashes) > 1 + CONSISTENCY_LENGTH_MAX:
        raise Malformed(f"more than {CONSISTENCY_LENGTH_MAX} proof lines")
    try:
        return first, [_hash(line) for line in hashes], SignedNote.parse(note)
    except NoteMalformed as error:
        raise Malformed(error.message) from None


def _hash(line: str) -> Hash:
    hash_ = standard_base64(line)
    if len(hash_) != HASH_BYTES:
        raise NoteMalformed(f"a hash of {len(hash_)} bytes")
    return Hash(hash_)
