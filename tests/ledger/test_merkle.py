"""RFC 9162 §2.1: roots, inclusion and consistency, held against published vectors and an oracle."""

import base64
import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ProofInvalid
from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    Hash,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

with warnings.catch_warnings():
    # It says that it lacks a hash function of another standard, which nobody here asks for.
    warnings.simplefilter("ignore")
    import merkletools

SharedData = Callable[[str], Path]

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]

ROOTS = [
    ("e3b0c442", "7852b855"),
    ("6e340b9c", "17afa01d"),
    ("fac54203", "00e3c125"),
    ("aeb6bcfe", "29e06e77"),
    ("d37ee418", "209614b7"),
    ("4e3bbb1f", "a86264d4"),
    ("76e67dad", "7f2087ef"),
    ("ddb89be4", "94a74c8c"),
    ("5dc9da79", "f4604328"),
]


def hashes_of(size: int) -> list[Hash]:
    """Leaf hashes of the first integers as text."""
    return [leaf_hash(str(number).encode()) for number in range(size)]


def node_reader(leaves: Sequence[Hash]) -> Callable[[int, int], Hash]:
    """The hash of any complete subtree, straight from the definition."""

    def node(level: int, index: int) -> Hash:
        if level == 0:
            return leaves[index]
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return node


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_published_leaves_are_the_published_roots(size: int) -> None:
    found = root(leaf_hash(leaf) for leaf in LEAVES[:size]).hex()
    assert (found[:8], found[-8:]) == ROOTS[size]


def test_every_published_inclusion_vector_is_judged_as_published(shared_data: SharedData) -> None:
    vectors = shared_data("merkle/inclusion.jsonl").read_text().splitlines()
    for line in vectors:
        vector = json.loads(line)
        refused = False
        try:
            verify_inclusion(
                Hash(_bytes(vector.get("leafHash"))),
                vector.get("leafIdx", 0),
                vector.get("treeSize", 0),
                [_bytes(item) for item in vector.get("proof") or []],
                _bytes(vector.get("root")),
            )
        except ProofInvalid:
            refused = True
        assert refused == vector.get("wantErr", False), vector.get("name", line)
    assert len(vectors) == 82


def test_every_published_consistency_vector_is_judged_as_published(
    shared_data: SharedData,
) -> None:
    vectors = shared_data("merkle/consistency.jsonl").read_text().splitlines()
    for line in vectors:
        vector = json.loads(line)
        refused = False
        try:
            verify_consistency(
                vector.get("size1", 0),
                vector.get("size2", 0),
                [_bytes(item) for item in vector.get("proof") or []],
                _bytes(vector.get("root1")),
                _bytes(vector.get("root2")),
            )
        except ProofInvalid:
            refused = True
        assert refused == vector.get("wantErr", False), vector.get("name", line)
    assert len(vectors) == 166 - 82


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_an_independent_tree_gives_the_same_root_and_paths_at_every_size_to_1025() -> None:
    leaves = hashes_of(1025)
    frontier = Frontier()
    for size in range(1, 1026):
        frontier = frontier.extended([leaves[size - 1]])
        oracle = merkletools.MerkleTools(hash_type="sha256")
        oracle.hash_function = domain_separated
        oracle.leaves = [bytearray(leaf) for leaf in leaves[:size]]
        oracle.make_tree()
        assert frontier.root == bytes.fromhex(oracle.get_merkle_root())
        for leaf_index in {0, size // 2, size - 1}:
            path = inclusion_path(leaf_index, size, node_reader(leaves))
            expected = [
                bytes.fromhex(next(iter(step.values()))) for step in oracle.get_proof(leaf_index)
            ]
            assert path == expected


def domain_separated(data: bytes) -> "hashlib._Hash":
    """What turns the oracle's hash of two children into that of RFC 9162."""
    return hashlib.sha256(b"\x01" + data)


@given(st.integers(1, 300), st.data())
def test_every_path_proves_its_leaf_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = hashes_of(size)
    leaf_index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaf_index, size, node_reader(leaves))
    verify_inclusion(leaves[leaf_index], leaf_index, size, path, root(leaves))
    other = data.draw(st.integers(0, size - 1))
    if other != leaf_index:
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaves[leaf_index], other, size, path, root(leaves))


@given(st.integers(1, 300), st.data())
def test_every_tree_is_consistent_with_each_of_its_beginnings(
    size: int, data: st.DataObject
) -> None:
    leaves = hashes_of(size)
    old_size = data.draw(st.integers(1, size))
    path = consistency_path(old_size, size, node_reader(leaves))
    old_root, new_root = root(leaves[:old_size]), root(leaves)
    verify_consistency(old_size, size, path, old_root, new_root)
    if old_size < size:
        with pytest.raises(ProofInvalid):
            verify_consistency(old_size, size, path, leaf_hash(b"forged"), new_root)
        with pytest.raises(ProofInvalid):
            verify_consistency(old_size, size, [*path, old_root], old_root, new_root)
        with pytest.raises(ProofInvalid):
            verify_consistency(old_size, size, path[:-1], old_root, new_root)


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf_hash(b""), 0, 0, [], EMPTY_ROOT)
    with pytest.raises(ProofInvalid):
        verify_consistency(0, 1, [], EMPTY_ROOT, leaf_hash(b""))


def test_one_size_has_one_root() -> None:
    with pytest.raises(ProofInvalid):
        verify_consistency(2, 2, [], leaf_hash(b"a"), leaf_hash(b"b"))
    with pytest.raises(ProofInvalid):
        verify_consistency(2, 2, [leaf_hash(b"c")], leaf_hash(b"a"), leaf_hash(b"a"))
    with pytest.raises(ProofInvalid):
        verify_consistency(2, 3, [], leaf_hash(b"a"), leaf_hash(b"b"))
