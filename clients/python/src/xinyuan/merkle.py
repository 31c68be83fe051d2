"""RFC 9162 §2.1: the hashes of the log's tree, and the two proofs over them.

    leaf_hash           §2.1.1, domain byte 0x00
    node_hash           §2.1.1, domain byte 0x01
    root_hash           §2.1.1, of all inputs in order
    verify_inclusion    §2.1.3.2: this leaf is at this index of this tree
    root_by_inclusion   §2.1.3.2: the root that a path leads to
    verify_consistency  §2.1.4.2: the larger tree only added to the smaller

A leaf index counts from 0, a tree size from 1. Pure.
"""

import hashlib
from collections.abc import Sequence

from xinyuan.errors import Code, VerificationError

HASH_SIZE = 32


def leaf_hash(leaf: bytes) -> bytes:
    """Hash the bytes of one entry."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children into their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Hash all `leaves`; the root of nothing is the hash of nothing."""
    # Complete subtrees from left to right, each (level, hash), merged as they meet their equal.
    subtrees: list[tuple[int, bytes]] = []
    for leaf in leaves:
        level, hashed = 0, leaf_hash(leaf)
        while subtrees and subtrees[-1][0] == level:
            hashed = node_hash(subtrees.pop()[1], hashed)
            level += 1
        subtrees.append((level, hashed))
    if not subtrees:
        return hashlib.sha256().digest()
    _, root = subtrees.pop()
    while subtrees:
        root = node_hash(subtrees.pop()[1], root)
    return root


def verify_inclusion(
    hashed_leaf: bytes, *, leaf_index: int, tree_size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Refuse unless `path` leads from the leaf at `leaf_index` to `root` (§2.1.3.2)."""
    led_to = root_by_inclusion(hashed_leaf, leaf_index=leaf_index, tree_size=tree_size, path=path)
    if led_to != root:
        raise _inclusion(
            f"entry {leaf_index} as shown is not in the tree that the checkpoint signs"
        )


def root_by_inclusion(
    hashed_leaf: bytes, *, leaf_index: int, tree_size: int, path: Sequence[bytes]
) -> bytes:
    """Give the root that `path` leads to from the leaf at `leaf_index` (§2.1.3.2)."""
    if not 0 <= leaf_index < tree_size:
        raise _inclusion(f"index {leaf_index} lies outside a tree of {tree_size} entries")
    first, second, hashed = leaf_index, tree_size - 1, hashed_leaf
    for sibling in path:
        if second == 0:
            raise _inclusion(f"the path of entry {leaf_index} is too long for this tree")
        if first & 1 or first == second:
            hashed = node_hash(sibling, hashed)
            while not first & 1 and first != 0:
                first, second = first >> 1, second >> 1
        else:
            hashed = node_hash(hashed, sibling)
        first, second = first >> 1, second >> 1
    if second != 0:
        raise _inclusion(f"the path of entry {leaf_index} is too short for this tree")
    return hashed


def verify_consistency(
    *,
    first_size: int,
    second_size: int,
    first_root: bytes,
    second_root: bytes,
    path: Sequence[bytes],
) -> None:
    """Refuse unless the tree of `second_size` begins with that of `first_size` (§2.1.4.2)."""
    if not 0 < first_size <= second_size:
        raise _consistency(f"no tree of {second_size} entries grew from one of {first_size}")
    if first_size == second_size:
        if path:
            raise _consistency("two trees of one size need no path")
        if first_root != second_root:
            raise _consistency("two roots are claimed for one size")
        return
    if not path:
        raise _consistency("the consistency path is empty")
    # When the smaller tree is complete, its root is the first node and is not repeated.
    if first_size & (first_size - 1) == 0:
        path = [first_root, *path]
    first, second = first_size - 1, second_size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    first_hash = second_hash = path[0]
    for sibling in path[1:]:
        if second == 0:
            raise _consistency("the consistency path is too long for these trees")
        if first & 1 or first == second:
            first_hash = node_hash(sibling, first_hash)
            second_hash = node_hash(sibling, second_hash)
            while not first & 1 and first != 0:
                first, second = first >> 1, second >> 1
        else:
            second_hash = node_hash(second_hash, sibling)
        first, second = first >> 1, second >> 1
    if second != 0:
        raise _consistency("the consistency path is too short for these trees")
    if first_hash != first_root:
        raise _consistency("the path does not lead to the root of the smaller tree")
    if second_hash != second_root:
        raise _consistency("the path does not lead to the root of the larger tree")


def _inclusion(message: str) -> VerificationError:
    return VerificationError(Code.INCLUSION_FAILED, message)


def _consistency(message: str) -> VerificationError:
    return VerificationError(Code.CONSISTENCY_FAILED, message)
