"""RFC 9162 §2.1.3.2 and §2.1.4.2: five verifiers, four authors, one verdict on every proof.

Ours of the server and of the SDK, and those of aics-tlog, sigstore and scitt-cose. The proofs are
made by the server; then some are spoiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xinyuan import merkle as sdk
from xinyuan.errors import VerificationError

from ledger.checkpoint import Checkpoint
from ledger.errors import ProofInvalid
from ledger.merkle import (
    Hash,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from ledger.note import Signer
from ledger.seed_key import SeedKey
from tests.peers.oracles import Oracles, encoded

TREE_SIZE = 600
ENTRIES = [b"entry %d" % index for index in range(TREE_SIZE)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [root(LEAVES[:size]) for size in range(TREE_SIZE + 1)]
LOG = Signer("log.test/proofs", SeedKey(bytes(range(32))))

# A verdict takes a round to another process; a hundred of them tell as much as a thousand.
agreeing = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def node(level: int, index: int) -> Hash:
    return root(LEAVES[index << level : (index + 1) << level])


@dataclass(frozen=True)
class Inclusion:
    """A claim, true or not."""

    entry: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    root: bytes

    @classmethod
    def honest(cls, index: int, size: int) -> Inclusion:
        path = tuple(inclusion_path(index, size, node))
        return cls(ENTRIES[index], index, size, path, ROOTS[size])

    @property
    def parts(self) -> dict[str, Any]:
        """As the oracles are asked."""
        hashed, leaf, entry = encoded(self.root, leaf_hash(self.entry), self.entry)
        return {
            "entry": entry,
            "leaf_hash": leaf,
            "index": self.index,
            "size": self.size,
            "path": encoded(*self.path),
            "root": hashed,
        }

    def signed_parts(self, signer: Signer = LOG) -> dict[str, Any]:
        """The same, with a head over its root."""
        head = Checkpoint(signer.name, self.size, Hash(self.root)).signed(signer)
        (public_key,) = encoded(LOG.verifier.public_key)
        key_id = LOG.verifier.key_id.hex()
        return {**self.parts, "note": str(head), "public_key": public_key, "key_id": key_id}

    def verdicts(self, oracles: Oracles) -> dict[str, bool]:
        return {
            "server": accepts(
                lambda: verify_inclusion(
                    leaf_hash(self.entry), self.index, self.size, self.path, self.root
                )
            ),
            "sdk": accepts(
                lambda: sdk.verify_inclusion(
                    leaf_hash(self.entry),
                    leaf_index=self.index,
                    tree_size=self.size,
                    path=self.path,
                    root=self.root,
                )
            ),
            "aics-tlog": oracles.ask("tlog_inclusion", **self.parts)["accepts"],
            "scitt-cose": oracles.ask("scitt_inclusion", **self.parts)["accepts"],
            "sigstore": oracles.ask("sigstore_entry", **self.signed_parts())["accepts"],
        }


@dataclass(frozen=True)
class Consistency:
    """A claim, true or not."""

    old_size: int
    new_size: int
    path: tuple[bytes, ...]
    old_root: bytes
    new_root: bytes

    @classmethod
    def honest(cls, old_size: int, new_size: int) -> Consistency:
        path = tuple(consistency_path(old_size, new_size, node))
        return cls(old_size, new_size, path, ROOTS[old_size], ROOTS[new_size])

    @property
    def parts(self) -> dict[str, Any]:
        old_root, new_root = encoded(self.old_root, self.new_root)
        return {
            "old_size": self.old_size,
            "new_size": self.new_size,
            "path": encoded(*self.path),
            "old_root": old_root,
            "new_root": new_root,
        }

    def verdicts(self, oracles: Oracles) -> dict[str, bool]:
        return {
            "server": accepts(
                lambda: verify_consistency(
                    self.old_size, self.new_size, self.path, self.old_root, self.new_root
                )
            ),
            "sdk": accepts(
                lambda: sdk.verify_consistency(
                    first_size=self.old_size,
                    second_size=self.new_size,
                    first_root=self.old_root,
                    second_root=self.new_root,
                    path=self.path,
                )
            ),
            "aics-tlog": oracles.ask("tlog_consistency", **self.parts)["accepts"],
            "scitt-cose": oracles.ask("scitt_consistency", **self.parts)["accepts"],
        }


def accepts(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except (ProofInvalid, VerificationError):
        return False
    return True


def spoiled_path(path: Sequence[bytes], draw: st.DrawFn) -> tuple[bytes, ...]:
    """One hash too few, too many, out of place, or another one."""
    hashes = list(path)
    at = draw(st.integers(0, max(0, len(hashes) - 1)))
    match draw(st.sampled_from(["less", "more", "swapped", "changed"])):
        case "less" if hashes:
            del hashes[at]
        case "swapped" if len(hashes) > 1:
            hashes[at - 1], hashes[at] = hashes[at], hashes[at - 1]
        case "changed" if hashes:
            hashes[at] = bytes([hashes[at][0] ^ 1]) + hashes[at][1:]
        case _:
            hashes.insert(at, draw(st.sampled_from([bytes(32), *LEAVES[:4]])))
    return tuple(hashes)


@st.composite
def inclusions(draw: st.DrawFn) -> Inclusion:
    size = draw(st.integers(1, TREE_SIZE))
    claim = Inclusion.honest(draw(st.integers(0, size - 1)), size)
    match draw(st.sampled_from(["path", "index", "size", "root", "entry"])):
        case "path":
            return replace(claim, path=spoiled_path(claim.path, draw))
        case "index":
            return replace(claim, index=draw(st.integers(0, size - 1)))
        case "size":
            return replace(claim, size=draw(st.integers(claim.index + 1, TREE_SIZE)))
        case "root":
            return replace(claim, root=ROOTS[draw(st.integers(0, TREE_SIZE))])
        case _:
            return replace(claim, entry=draw(st.sampled_from(ENTRIES)))


@st.composite
def consistencies(draw: st.DrawFn) -> Consistency:
    new_size = draw(st.integers(1, TREE_SIZE))
    claim = Consistency.honest(draw(st.integers(1, new_size)), new_size)
    match draw(st.sampled_from(["path", "old size", "new size", "old root", "new root"])):
        case "path":
            return replace(claim, path=spoiled_path(claim.path, draw))
        case "old size":
            return replace(claim, old_size=draw(st.integers(1, new_size)))
        case "new size":
            return replace(claim, new_size=draw(st.integers(claim.old_size, TREE_SIZE)))
        case "old root":
            return replace(claim, old_root=ROOTS[draw(st.integers(0, TREE_SIZE))])
        case _:
            return replace(claim, new_root=ROOTS[draw(st.integers(0, TREE_SIZE))])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 512, 600])
def test_every_verifier_accepts_our_inclusion_proofs(oracles: Oracles, size: int) -> None:
    for index in {0, size // 3, size // 2, size - 1}:
        verdicts = Inclusion.honest(index, size).verdicts(oracles)
        assert set(verdicts.values()) == {True}, verdicts
        assert len(verdicts) == 5


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 512, 600])
def test_every_verifier_accepts_our_consistency_proofs(oracles: Oracles, size: int) -> None:
    for old_size in {1, max(1, size // 3), max(1, size // 2), size}:
        verdicts = Consistency.honest(old_size, size).verdicts(oracles)
        assert set(verdicts.values()) == {True}, verdicts
        assert len(verdicts) == 4


@agreeing
@given(claim=inclusions())
def test_no_two_verifiers_disagree_on_an_inclusion_proof(
    oracles: Oracles, claim: Inclusion
) -> None:
    verdicts = claim.verdicts(oracles)
    assert len(set(verdicts.values())) == 1, verdicts


@agreeing
@given(claim=consistencies())
def test_no_two_verifiers_disagree_on_a_consistency_proof(
    oracles: Oracles, claim: Consistency
) -> None:
    verdicts = claim.verdicts(oracles)
    assert len(set(verdicts.values())) == 1, verdicts


def test_every_verifier_refuses_another_entry_under_an_honest_path(oracles: Oracles) -> None:
    claim = replace(Inclusion.honest(100, 300), entry=b"another")
    assert set(claim.verdicts(oracles).values()) == {False}


def test_every_verifier_refuses_a_changed_past(oracles: Oracles) -> None:
    claim = replace(Consistency.honest(100, 300), old_root=ROOTS[99])
    assert set(claim.verdicts(oracles).values()) == {False}


def test_sigstore_takes_our_head_with_the_proof_and_no_strangers_head(oracles: Oracles) -> None:
    claim = Inclusion.honest(100, 300)
    oracles.accepts("sigstore_entry", **claim.signed_parts())
    stranger = Signer(LOG.name, SeedKey(bytes(32)))
    said = oracles.refuses("sigstore_entry", **claim.signed_parts(stranger))
    assert "Signature not found" in said
    note = claim.signed_parts()["note"].replace("\n300\n", "\n301\n")
    said = oracles.refuses("sigstore_entry", **{**claim.signed_parts(), "note": note})
    assert "invalid signature" in said
