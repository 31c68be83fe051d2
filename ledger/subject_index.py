"""The small tree of one subject: proof that nothing about it was left out.

    SubjectTree          count and root over (leaf index, leaf hash) of one label's entries
    subject_leaf         what is hashed for one entry

ARCHITECTURE §5: the tree input is the index as 8 bytes big-endian, then the leaf hash, under the
leaf hash of RFC 9162. The map over all subjects and its own log come with the map log. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ledger.merkle import Frontier, Hash, leaf_hash

INDEX_BYTES = 8


def subject_leaf(leaf_index: int, entry_hash: Hash) -> bytes:
    """The tree input for one entry of a subject."""
    return leaf_index.to_bytes(INDEX_BYTES, "big") + entry_hash


@dataclass(frozen=True, slots=True)
class SubjectTree:
    """How many entries a label has, and the root over them."""

    count: int
    root_hash: Hash

    @classmethod
    def of(cls, entries: Iterable[tuple[int, Hash]]) -> Self:
        """The tree over (leaf index, leaf hash) pairs in rising order of index."""
        frontier = Frontier().extended(
            leaf_hash(subject_leaf(leaf_index, entry_hash)) for leaf_index, entry_hash in entries
        )
        return cls(frontier.tree_size, frontier.root)
