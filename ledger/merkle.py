"""The Merkle tree of RFC 9162 §2.1: hashes, roots, and both kinds of proof.

    Hash                  32 bytes of SHA-256
    leaf_hash             of an entry's bytes, domain 0x00
    node_hash             of two children, domain 0x01
    EMPTY_ROOT            root of the tree of no entries
    root                  of a list of leaf hashes
    Frontier              the right edge of a growing tree: append, and know the root
    peaks_of              the complete subtrees of a tree; range_root the root over a stretch of it
    inclusion_path        proof that a leaf is in a tree, from stored hashes
    verify_inclusion      its check, RFC 9162 §2.1.3.2; root_by_inclusion where it leads
    consistency_path      proof that one tree extends another, from stored hashes
    verify_consistency    its check, RFC 9162 §2.1.4.2; root_by_consistency where it leads

Paths are made from `node`, a function (level, index) → hash of the complete subtree over the
leaves [index·2^level, (index+1)·2^level). Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NewType

from ledger.errors import ProofInvalid

Hash = NewType("Hash", bytes)
NodeReader = Callable[[int, int], Hash]

HASH_BYTES = 32
EMPTY_ROOT = Hash(hashlib.sha256(b"").digest())


def leaf_hash(entry: bytes) -> Hash:
    """SHA-256(0x00 || entry)."""
    return Hash(hashlib.sha256(b"\x00" + entry).digest())


def node_hash(left: bytes, right: bytes) -> Hash:
    """SHA-256(0x01 || left || right)."""
    return Hash(hashlib.sha256(b"\x01" + left + right).digest())


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree's size and the roots of its complete subtrees, widest first: one per bit of size."""

    tree_size: int = 0
    peaks: tuple[Hash, ...] = ()

    def extended(self, leaf_hashes: Iterable[Hash]) -> Frontier:
        """The frontier after appending `leaf_hashes`; 2 hashes a leaf, amortised."""
        size, peaks = self.tree_size, list(self.peaks)
        for leaf in leaf_hashes:
            node = leaf
            carry = size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    @property
    def root(self) -> Hash:
        """The root hash at this size."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def root(leaf_hashes: Iterable[Hash]) -> Hash:
    """The root over `leaf_hashes` in order: level by level, the odd one out carried up."""
    level: Sequence[Hash] = tuple(leaf_hashes)
    if not level:
        return Frontier().root
    while len(level) > 1:
        pairs = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
        level = [*pairs, level[-1]] if len(level) & 1 else pairs
    return level[0]


def peaks_of(tree_size: int) -> list[tuple[int, int]]:
    """Level and index of each complete subtree of a tree, widest first."""
    peaks = []
    start = 0
    for level in range(tree_size.bit_length() - 1, -1, -1):
        if tree_size >> level & 1:
            peaks.append((level, start >> level))
            start += 1 << level
    return peaks


def range_root(start: int, end: int, node: NodeReader) -> Hash:
    """The hash MTH(D[start:end]) of a subtree whose start is aligned to its size rounded up."""
    assert start < end
    size = end - start
    result: Hash | None = None
    for level, index in reversed(peaks_of(size)):
        peak = node(level, index + (start >> level))
        result = peak if result is None else node_hash(peak, result)
    assert result is not None
    return result


def inclusion_path(leaf_index: int, tree_size: int, node: NodeReader) -> list[Hash]:
    """Sibling hashes from the leaf to the root, RFC 9162 §2.1.3.1."""
    assert 0 <= leaf_index < tree_size
    path: list[Hash] = []
    start, end = 0, tree_size
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf_index < middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(start, middle, node))
            start = middle
    path.reverse()
    return path


def consistency_path(old_size: int, new_size: int, node: NodeReader) -> list[Hash]:
    """Hashes that lead from the root at `old_size` to that at `new_size`, RFC 9162 §2.1.4.1."""
    assert 0 < old_size <= new_size
    path: list[Hash] = []
    start, end = 0, new_size
    whole = True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(start, middle, node))
            start = middle
            whole = False
    if not whole:
        path.append(range_root(start, end, node))
    path.reverse()
    return path


def root_by_inclusion(leaf: Hash, leaf_index: int, tree_size: int, path: Sequence[bytes]) -> Hash:
    """The root that a path leads to, RFC 9162 §2.1.3.2. Raises `ProofInvalid`."""
    if not 0 <= leaf_index < tree_size:
        raise ProofInvalid(f"index {leaf_index} is not in a tree of size {tree_size}")
    position, last = leaf_index, tree_size - 1
    node = leaf
    for sibling in path:
        if last == 0:
            raise ProofInvalid("the inclusion path is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofInvalid("the inclusion path is too short")
    return node


def verify_inclusion(
    leaf: Hash, leaf_index: int, tree_size: int, path: Sequence[bytes], root_hash: bytes
) -> None:
    """RFC 9162 §2.1.3.2. Raises `ProofInvalid`."""
    if root_by_inclusion(leaf, leaf_index, tree_size, path) != root_hash:
        raise ProofInvalid("the inclusion path leads to another root")


def root_by_consistency(
    old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes
) -> Hash:
    """The newer root that a path leads to from an older one, RFC 9162 §2.1.4.2.

    Raises `ProofInvalid`.
    """
    if not 0 < old_size < new_size:
        raise ProofInvalid(f"no consistency to prove from size {old_size} to {new_size}")
    if not path:
        raise ProofInvalid("the consistency path is empty")
    hashes = [*path]
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_node = new_node = Hash(hashes[0])
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofInvalid("the consistency path is too long")
        if position & 1 or position == last:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_node = node_hash(new_node, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofInvalid("the consistency path is too short")
    if old_node != old_root:
        raise ProofInvalid("the consistency path leads to another old root")
    return new_node


def verify_consistency(
    old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """RFC 9162 §2.1.4.2; an empty old tree is consistent with none but proves nothing.

    Raises `ProofInvalid`.
    """
    if 0 < old_size == new_size:
        if path:
            raise ProofInvalid("trees of equal size need no path")
        if old_root != new_root:
            raise ProofInvalid("two roots for one size")
    elif root_by_consistency(old_size, new_size, path, old_root) != new_root:
        raise ProofInvalid("the consistency path leads to another new root")


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
