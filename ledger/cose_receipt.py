"""COSE Receipts, RFC 9942: what the log proves, for readers who have COSE and know no C2SP.

    Receipt            a signature over a root, and one proof that leads to that root
    Receipt.parse      of bytes; bytes() is its inverse
    Receipt.root       the root that its proof leads to, if the log signed it
    InclusionProof     RFC 9162 §2.1.3: this leaf is at this index
    ConsistencyProof   RFC 9162 §2.1.4: the newer tree only added to the older
    issue_receipt      for a head that the log has signed as a checkpoint

A receipt is a tagged COSE_Sign1 (RFC 9052 §4.2) whose payload, the root, is detached: whoever
verifies must make it again from the proof. Protected are algorithm (EdDSA), key ID (that of the
log's vkey), issuer (RFC 9597: the origin), the structure RFC9162_SHA256 and, under a label for
private use, the tree size. The standard leaves size and index in the unprotected header, and a path
can lead to one root under two sizes: only with the size signed does a path have one index.

The bytes that are signed begin with 0x84 and are no UTF-8, so that no receipt is ever a signed note
under the same key, nor a note a receipt. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from ledger.cbor import Cbor, Tagged, decode, encode
from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.errors import CborMalformed, NoteUnverified, ProofInvalid
from ledger.errors import ReceiptMalformed as Malformed
from ledger.merkle import HASH_BYTES, Hash, root_by_consistency, root_by_inclusion
from ledger.note import KEY_ID_BYTES, Verifier

COSE_SIGN1 = 18
ALGORITHM, KEY_ID, CWT_CLAIMS, STRUCTURE, PROOFS = 1, 4, 15, 395, 396
"""RFC 9052 §3.1, RFC 9597, RFC 9942 §8.1."""

ED_DSA = -8
RFC9162_SHA256 = 1
INCLUSION, CONSISTENCY = -1, -2
ISSUER = 1
TREE_SIZE = -65_538
"""Private use: below -65,536, RFC 9052 §11.1."""

RECEIPT_TYPE = 'application/cose; cose-type="cose-sign1"'
"""RFC 9052 §11.3.1; RFC 9942 has no media type of its own."""

PATH_LENGTH_MAX = 64
"""A consistency path has at most one hash more than a tree has levels below its root."""

_SIGNATURE_BYTES = 64
_PROTECTED = {ALGORITHM, KEY_ID, CWT_CLAIMS, STRUCTURE, TREE_SIZE}


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where a leaf is in a tree."""

    tree_size: int
    leaf_index: int
    path: tuple[Hash, ...]

    def root(self, leaf_hash: Hash) -> Hash:
        """Of the tree that holds the leaf there. Raises `ProofInvalid`."""
        return root_by_inclusion(leaf_hash, self.leaf_index, self.tree_size, self.path)

    @property
    def members(self) -> Cbor:
        """As it stands in the unprotected header."""
        return (self.tree_size, self.leaf_index, self.path)


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """How a tree grew."""

    old_size: int
    tree_size: int
    path: tuple[Hash, ...]

    def root(self, old_root: Hash) -> Hash:
        """Of the newer tree, given that of the older. Raises `ProofInvalid`."""
        return root_by_consistency(self.old_size, self.tree_size, self.path, old_root)

    @property
    def members(self) -> Cbor:
        """As it stands in the unprotected header."""
        return (self.old_size, self.tree_size, self.path)


Proof: TypeAlias = InclusionProof | ConsistencyProof


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a log signed for one proof."""

    origin: str
    key_id: bytes
    proof: Proof
    signature: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The receipt whose bytes are exactly `raw`. Raises `ReceiptMalformed`."""
        try:
            value = decode(raw)
            match value:
                case Tagged(18, (bytes() as protected, unprotected, None, bytes() as signature)):
                    header = decode(protected)
                case _:
                    raise Malformed("no COSE_Sign1 with a detached payload")
        except CborMalformed as error:
            raise Malformed(error.message) from None
        origin, key_id, tree_size = _protected(header)
        proof = _proof(unprotected)
        if proof.tree_size != tree_size:
            raise Malformed("the proof is of another size than the signature")
        if len(signature) != _SIGNATURE_BYTES:
            raise Malformed(f"a signature of {len(signature)} bytes")
        return cls(origin, key_id, proof, signature)

    def __bytes__(self) -> bytes:
        label = INCLUSION if isinstance(self.proof, InclusionProof) else CONSISTENCY
        proofs: Cbor = {PROOFS: {label: (encode(self.proof.members),)}}
        protected = _header(self.origin, self.key_id, self.proof.tree_size)
        return encode(Tagged(COSE_SIGN1, (protected, proofs, None, self.signature)))

    def root(self, known: Hash, log: Verifier) -> Hash:
        """The root the log signed, which the proof leads to from a leaf's hash or an older root.

        Raises `ProofInvalid`, `NoteUnverified`.
        """
        root_hash = self.proof.root(known)
        if (self.origin, self.key_id) != (log.name, log.key_id):
            raise NoteUnverified(f"a receipt of {self.origin!r}, not of {log.name!r} or its key")
        protected = _header(self.origin, self.key_id, self.proof.tree_size)
        if not log.accepts(_signed(protected, root_hash), self.signature):
            raise NoteUnverified(f"{log.name} did not sign the root that this proof leads to")
        return root_hash


def issue_receipt(
    sign: Callable[[bytes], bytes], log: Verifier, head: Checkpoint, proof: Proof, known: Hash
) -> Receipt:
    """For a head that this log signed before: its root in another form, and no second root.

    `sign` is that of the log's private key, `known` the hash of the leaf or the older root. Raises
    `ProofInvalid`.
    """
    assert (head.origin, head.tree_size) == (log.name, proof.tree_size)
    if proof.root(known) != head.root_hash:
        raise ProofInvalid(f"the proof does not lead to the root of size {head.tree_size}")
    protected = _header(head.origin, log.key_id, head.tree_size)
    signature = sign(_signed(protected, head.root_hash))
    return Receipt(head.origin, log.key_id, proof, signature)


def _header(origin: str, key_id: bytes, tree_size: int) -> bytes:
    return encode(
        {
            ALGORITHM: ED_DSA,
            KEY_ID: key_id,
            CWT_CLAIMS: {ISSUER: origin},
            STRUCTURE: RFC9162_SHA256,
            TREE_SIZE: tree_size,
        }
    )


def _signed(protected: bytes, root_hash: Hash) -> bytes:
    """The Sig_structure of RFC 9052 §4.4."""
    return encode(("Signature1", protected, b"", root_hash))


def _protected(header: Cbor) -> tuple[str, bytes, int]:
    if not isinstance(header, dict) or header.keys() != _PROTECTED:
        raise Malformed("other protected members than those of this log")
    if (header[ALGORITHM], header[STRUCTURE]) != (ED_DSA, RFC9162_SHA256):
        raise Malformed("another algorithm than EdDSA, or another structure than RFC9162_SHA256")
    key_id, claims, tree_size = header[KEY_ID], header[CWT_CLAIMS], header[TREE_SIZE]
    if not isinstance(key_id, bytes) or len(key_id) != KEY_ID_BYTES:
        raise Malformed(f"a key ID that is not of {KEY_ID_BYTES} bytes")
    match claims:
        case {1: str() as origin, **others} if origin and not others:
            return origin, key_id, _size(tree_size)
        case _:
            raise Malformed("claims other than the issuer")


def _proof(header: Cbor) -> Proof:
    match header:
        case {396: {-1: (bytes() as raw,), **others}, **rest} if not others and not rest:
            tree_size, leaf_index, path = _proof_members(raw)
            if leaf_index >= tree_size:
                raise Malformed("an index beyond its tree")
            return InclusionProof(tree_size, leaf_index, path)
        case {396: {-2: (bytes() as raw,), **others}, **rest} if not others and not rest:
            old_size, tree_size, path = _proof_members(raw)
            if not 0 < old_size < tree_size:
                raise Malformed("a tree that did not grow")
            return ConsistencyProof(old_size, tree_size, path)
        case _:
            raise Malformed("not one proof of inclusion or of consistency")


def _proof_members(raw: bytes) -> tuple[int, int, tuple[Hash, ...]]:
    try:
        members = decode(raw)
    except CborMalformed as error:
        raise Malformed(error.message) from None
    match members:
        case (first, second, tuple() as path) if len(path) <= PATH_LENGTH_MAX:
            return _size(first), _size(second), _path(path)
        case _:
            raise Malformed("a proof is two sizes and a path")


def _size(value: Cbor) -> int:
    if not isinstance(value, int) or not 0 <= value <= TREE_SIZE_MAX:
        raise Malformed("a size or index out of range")
    return value


def _path(values: Sequence[Cbor]) -> tuple[Hash, ...]:
    path = []
    for value in values:
        if not isinstance(value, bytes) or len(value) != HASH_BYTES:
            raise Malformed(f"a hash that is not of {HASH_BYTES} bytes")
        path.append(Hash(value))
    return tuple(path)
