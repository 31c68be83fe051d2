"""C2SP tlog-witness sign-subtree: a part of a tree, cosigned because the whole was.

    SignSubtree         range, hash, consistency path and note of a request
    SignSubtree.parse   of a body's bytes; bytes() is its inverse
    is_subtree          whether a range of leaves can be one (§4.1)
    verify_subtree      that a tree holds it (§4.4): its hash and the tree's root, from one path
    judge_subtree       whether it may be signed by who cosigned the checkpoint

Sections are those of draft-ietf-plants-merkle-tree-certs-03, to which the standard refers. A
witness remembers nothing of subtrees: its own cosignature on the checkpoint says that it has seen
the tree, and the path that the subtree is part of it. Pure.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.cosignature import CosignatureVerifier
from ledger.errors import (
    CheckpointInconsistent,
    CheckpointMalformed,
    CheckpointUntrusted,
    NoteUnverified,
    ProofInvalid,
)
from ledger.errors import RequestToWitnessMalformed as Malformed
from ledger.merkle import Hash, node_hash
from ledger.note import SignedNote
from ledger.witness_protocol import split_request

_RANGE = re.compile(r"subtree (0|[1-9][0-9]{0,15}) ([1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignSubtree:
    """One request, well-formed; whether it is to be believed is for `judge_subtree` to say."""

    start: int
    end: int
    subtree_hash: Hash
    consistency_path: tuple[Hash, ...]
    note: SignedNote
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The request whose bytes are exactly `raw`. Raises `RequestToWitnessMalformed`."""
        first, hashes, note = split_request(raw)
        span = _RANGE.fullmatch(first)
        if span is None or not hashes:
            raise Malformed(f"{first[:40]!r} is no subtree, or no hash follows")
        subtree_hash, *path = hashes
        try:
            checkpoint = Checkpoint.read(note.text)
        except CheckpointMalformed as error:
            raise Malformed(error.message) from None
        start, end = int(span[1]), int(span[2])
        if not is_subtree(start, end) or end > min(checkpoint.tree_size, TREE_SIZE_MAX):
            raise Malformed(f"{start} to {end} is no subtree of a tree of {checkpoint.tree_size}")
        return cls(start, end, subtree_hash, tuple(path), note, checkpoint)

    def __bytes__(self) -> bytes:
        hashes = (self.subtree_hash, *self.consistency_path)
        lines = [base64.b64encode(hash_).decode("ascii") for hash_ in hashes]
        text = "\n".join([f"subtree {self.start} {self.end}", *lines, "", str(self.note)])
        return text.encode()


def is_subtree(start: int, end: int) -> bool:
    """Not empty, and from a multiple of its size rounded up to a power of two."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def verify_subtree(
    start: int, end: int, tree_size: int, path: Sequence[Hash], subtree_hash: Hash, root_hash: Hash
) -> None:
    """Raises `ProofInvalid`."""
    assert is_subtree(start, end)
    assert end <= tree_size
    rest = iter(path)
    found, root = _walk(start, end, tree_size, subtree_hash, rest)
    if next(rest, None) is not None:
        raise ProofInvalid("the subtree's path is too long")
    if found != subtree_hash:
        raise ProofInvalid("the path leads to another subtree")
    if root != root_hash:
        raise ProofInvalid("the subtree's path leads to another root")


def _walk(
    start: int, end: int, tree_size: int, known: Hash | None, path: Iterator[Hash]
) -> tuple[Hash, Hash]:
    """Hash of the subtree and root of the tree, as SUBTREE_SUBPROOF of §4.4.1 has them.

    `known` is the subtree's hash, as long as the subtree was not cut in two on the way.
    """
    if (start, end) == (0, tree_size):
        whole = known if known is not None else _next(path)
        return whole, whole
    middle = 1 << (tree_size - 1).bit_length() - 1
    if end <= middle:
        part, root = _walk(start, end, middle, known, path)
        return part, node_hash(root, _next(path))
    if middle <= start:
        part, root = _walk(start - middle, end - middle, tree_size - middle, known, path)
        return part, node_hash(_next(path), root)
    part, root = _walk(0, end - middle, tree_size - middle, None, path)
    left = _next(path)
    return node_hash(left, part), node_hash(left, root)


def judge_subtree(request: SignSubtree, own: Sequence[CosignatureVerifier]) -> None:
    """Given the keys of who is asked.

    Raises `CheckpointUntrusted` (403), `CheckpointInconsistent` (422).
    """
    try:
        request.note.verified_by(own)
    except NoteUnverified as error:
        raise CheckpointUntrusted(f"not cosigned here: {error.message}") from None
    try:
        verify_subtree(
            request.start,
            request.end,
            request.checkpoint.tree_size,
            request.consistency_path,
            request.subtree_hash,
            request.checkpoint.root_hash,
        )
    except ProofInvalid as error:
        raise CheckpointInconsistent(error.message) from None


def _next(path: Iterator[Hash]) -> Hash:
    hash_ = next(path, None)
    if hash_ is None:
        raise ProofInvalid("the subtree's path is too short")
    return hash_
