"""Proofs of single entries under a head, made from the tiles.

    log_proof            C2SP tlog-proof: leaf, path, and the head with its cosignatures
    inclusion_receipt    RFC 9942: the same in COSE, for one index and one size
    consistency_receipt  RFC 9942: that a head extends an older one
    sign_receipt         of either kind, by the key that signed the head

A receipt needs a signature of its own over the head's root. It is made where it is asked for, in a
process that keeps the log's key, and only over a root that this key has signed as a checkpoint: no
second root for one size can come of it.
"""

from __future__ import annotations

import asyncio

from api.heads import ShownHead
from ledger.cose_receipt import (
    ConsistencyProof,
    InclusionProof,
    Proof,
    Receipt,
    issue_receipt,
)
from ledger.custody import Custody
from ledger.entries import Entries
from ledger.errors import EntryUnknown
from ledger.log_keys import LogSigners
from ledger.merkle import Hash, leaf_hash
from ledger.proof import LogProof


async def log_proof(entries: Entries, head: ShownHead, leaf_index: int) -> LogProof:
    """Its extra data is the leaf, so that it needs nothing beside it. Raises `EntryUnknown`."""
    path = await entries.inclusion_path(leaf_index, head.tree_size)
    (leaf,) = await entries.leaves(leaf_index, 1)
    return LogProof(leaf_index, tuple(path), head.note, leaf)


async def inclusion_receipt(
    entries: Entries, head: ShownHead, custody: Custody, leaf_index: int
) -> Receipt:
    """Raises `EntryUnknown`, `KeyNotKept`, `NoteUnverified`."""
    path = await entries.inclusion_path(leaf_index, head.tree_size)
    (leaf,) = await entries.leaves(leaf_index, 1)
    proof = InclusionProof(head.tree_size, leaf_index, tuple(path))
    return await sign_receipt(entries, custody, head, proof, leaf_hash(leaf))


async def consistency_receipt(
    entries: Entries, head: ShownHead, custody: Custody, old_size: int
) -> Receipt:
    """Raises `EntryUnknown`, `KeyNotKept`, `NoteUnverified`."""
    if not 0 < old_size < head.tree_size:
        raise EntryUnknown(
            f"{old_size} is no size before {head.tree_size}, the one that is served",
            path=("treeSize",),
        )
    path = await entries.consistency_path(old_size, head.tree_size)
    proof = ConsistencyProof(old_size, head.tree_size, tuple(path))
    old_root = await entries.root_at(old_size)
    return await sign_receipt(entries, custody, head, proof, old_root)


async def sign_receipt(
    entries: Entries, custody: Custody, head: ShownHead, proof: Proof, known: Hash
) -> Receipt:
    """By the key that signed this head. Raises `KeyNotKept`, `NoteUnverified`, `ProofInvalid`."""
    log_keys = await entries.log_keys(head.tree_size)
    signers = LogSigners.of(custody, head.checkpoint.origin)

    def sign() -> Receipt:
        signer = signers.signer(log_keys.at(head.tree_size))
        head.note.verified_by([signer.verifier])
        return issue_receipt(signer.sign_bytes, signer.verifier, head.checkpoint, proof, known)

    # The key may be kept by another process.
    return await asyncio.to_thread(sign)
