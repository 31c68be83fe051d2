"""RFC 9162 §2.1: published proof vectors, known roots, and trees of every small size."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xinyuan import Code, VerificationError, merkle

_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
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
# Beginnings and ends of the roots of sizes 0 to 8, from certificate-transparency's tests.
_ROOTS = [
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


@pytest.mark.parametrize(("size", "ends"), list(enumerate(_ROOTS)))
def test_the_root_of_the_first_leaves_is_the_published_one(
    size: int, ends: tuple[str, str]
) -> None:
    root = merkle.root_hash(_LEAVES[:size]).hex()
    assert (root[:8], root[-8:]) == ends


def _vectors(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _hash(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _refusal(check: Callable[..., None], *positional: bytes, **named: object) -> Code | None:
    try:
        check(*positional, **named)
    except VerificationError as error:
        return error.code
    return None


def test_all_published_inclusion_vectors_agree(shared_data: Callable[[str], Path]) -> None:
    vectors = _vectors(shared_data("merkle/inclusion.jsonl"))
    assert len(vectors) == 82
    for vector in vectors:
        refusal = _refusal(
            merkle.verify_inclusion,
            _hash(vector.get("leafHash")),
            leaf_index=vector.get("leafIdx", 0),
            tree_size=vector.get("treeSize", 0),
            path=[_hash(node) for node in vector.get("proof") or []],
            root=_hash(vector.get("root")),
        )
        expected = Code.INCLUSION_FAILED if vector["wantErr"] else None
        assert refusal is expected, vector["name"]


def test_all_published_consistency_vectors_agree(shared_data: Callable[[str], Path]) -> None:
    vectors = _vectors(shared_data("merkle/consistency.jsonl"))
    assert len(vectors) == 84
    for vector in vectors:
        refusal = _refusal(
            merkle.verify_consistency,
            first_size=vector.get("size1", 0),
            second_size=vector.get("size2", 0),
            first_root=_hash(vector.get("root1")),
            second_root=_hash(vector.get("root2")),
            path=[_hash(node) for node in vector.get("proof") or []],
        )
        expected = Code.CONSISTENCY_FAILED if vector["wantErr"] else None
        assert refusal is expected, vector["name"]


def _path(leaf_index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162 §2.1.3.1, as its definition reads."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if leaf_index < split:
        return [*_path(leaf_index, leaves[:split]), merkle.root_hash(leaves[split:])]
    return [*_path(leaf_index - split, leaves[split:]), merkle.root_hash(leaves[:split])]


def _consistency(first: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 9162 §2.1.4.1, SUBPROOF as its definition reads."""
    if first == len(leaves):
        return [] if whole else [merkle.root_hash(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if first <= split:
        return [
            *_consistency(first, leaves[:split], whole=whole),
            merkle.root_hash(leaves[split:]),
        ]
    return [
        *_consistency(first - split, leaves[split:], whole=False),
        merkle.root_hash(leaves[:split]),
    ]


def test_a_path_proves_its_own_index_and_no_other() -> None:
    for size in range(1, 20):
        leaves = [bytes([number]) for number in range(size)]
        for leaf_index in range(size):
            refusals = [
                _refusal(
                    merkle.verify_inclusion,
                    merkle.leaf_hash(leaves[leaf_index]),
                    leaf_index=claimed,
                    tree_size=size,
                    path=_path(leaf_index, leaves),
                    root=merkle.root_hash(leaves),
                )
                for claimed in range(size + 2)
            ]
            assert [claimed for claimed, refusal in enumerate(refusals) if refusal is None] == [
                leaf_index
            ]


def test_every_larger_tree_is_consistent_with_every_smaller_one() -> None:
    leaves = [bytes([number]) for number in range(20)]
    for second_size in range(1, 21):
        for first_size in range(1, second_size + 1):
            merkle.verify_consistency(
                first_size=first_size,
                second_size=second_size,
                first_root=merkle.root_hash(leaves[:first_size]),
                second_root=merkle.root_hash(leaves[:second_size]),
                path=_consistency(first_size, leaves[:second_size]),
            )
