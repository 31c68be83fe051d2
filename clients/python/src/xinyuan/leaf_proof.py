"""Proofs of one leaf in forms that others know: C2SP tlog-proof, and COSE receipts (RFC 9942).

    ProofForm           which of both a file is, told by its first bytes
    VerifiedLeaf        what a file proves of one leaf, and sentences on what it does not
    verify_leaf_proof   bytes to VerifiedLeaf, or a VerificationError

Both say that a leaf stands at an index of a signed tree, and nothing of who stated what. A
tlog-proof may bring the leaf as its extra data, which is believed only for hashing to the
root; for a receipt the caller brings it. A receipt is one of this log's: its key id, its
origin and its tree size are signed, without which a path could be given another index. Pure.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from xinyuan import canonical, cbor, exact_base64, merkle, signature
from xinyuan.checkpoint import Checkpoint
from xinyuan.errors import Code, VerificationError, located
from xinyuan.note import SignedNote, VerifierKey
from xinyuan.policy import Cosignatures, WitnessPolicy, unjudged

# A note of a hundred signatures with the largest leaf and path is smaller.
PROOF_SIZE_MAX = 1_200_000
# A path is as long as its tree is high, and tree sizes stay below 2^63.
PATH_LENGTH_MAX = 63
# C2SP tlog-tiles writes an entry's length in two bytes.
LEAF_SIZE_MAX = 65_535

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9_-]{43}")
_FORMS = {"commit": "statement", "capture": "capture", "control": "control"}
_TREE_SIZE = -65_538
_SIGNED = {1: -8, 395: 1}


class ProofForm(StrEnum):
    """What the first bytes of a file say it is."""

    LOG_PROOF = "tlog-proof"
    RECEIPT = "receipt"

    @classmethod
    def of(cls, data: bytes) -> "ProofForm | None":
        """Tell the form of a file; None for a file of another kind."""
        if data.startswith(b"c2sp.org/tlog-proof@"):
            return cls.LOG_PROOF
        return cls.RECEIPT if data.startswith(b"\xd2") else None


@dataclass(frozen=True, slots=True)
class VerifiedLeaf:
    """A leaf at its index, in a tree that the log signed."""

    form: ProofForm
    origin: str
    tree_size: int
    root_hash: bytes
    leaf_index: int
    leaf: bytes
    cosignatures: Cosignatures | None

    @property
    def holds(self) -> tuple[str, str] | None:
        """Give what the leaf commits to and its label, where it has a form of this log."""
        try:
            value = canonical.decode(self.leaf)
        except VerificationError:
            return None
        if not isinstance(value, dict) or value.get("v") != 1 or len(value) != 3:
            return None
        label = value.get("sub")
        found = [form for member, form in _FORMS.items() if isinstance(value.get(member), str)]
        if not isinstance(label, str) or not _LABEL.fullmatch(label) or not found:
            return None
        return found[0], label

    @property
    def not_proven(self) -> tuple[str, ...]:
        """What the reader might take for proven and is not."""
        seen = (
            ("One view for all: a receipt carries no cosignatures.",)
            if self.cosignatures is None
            else self.cosignatures.not_proven
        )
        return (
            *seen,
            "Who stated what: this proves a leaf, and neither keys nor mandates nor what opens it.",
        )


def verify_leaf_proof(
    data: bytes,
    log_key: str,
    *,
    leaf: bytes | None = None,
    policy: WitnessPolicy | None = None,
) -> VerifiedLeaf:
    """Check a tlog-proof or a receipt against the log's verifier key."""
    key = VerifierKey.parse(log_key)
    if len(data) > PROOF_SIZE_MAX:
        raise VerificationError(
            Code.FILE_TOO_LARGE, f"{len(data)} bytes; {PROOF_SIZE_MAX} at most are read"
        )
    if ProofForm.of(data) is ProofForm.RECEIPT:
        return _receipt(data, key, leaf=leaf, policy=policy)
    return _log_proof(data, key, leaf=leaf, policy=policy)


def _log_proof(
    data: bytes, key: VerifierKey, *, leaf: bytes | None, policy: WitnessPolicy | None
) -> VerifiedLeaf:
    try:
        head, separator, note_text = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    lines = head.split("\n")
    if not separator or lines.pop(0) != _HEADER:
        raise _malformed(f"its first line is not {_HEADER}, or no checkpoint follows")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _base64(lines.pop(0).removeprefix("extra "), "its extra data")
        if not extra:
            raise _malformed("its extra data is empty")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None:
        raise _malformed("it has no index line where it belongs")
    if len(lines) > PATH_LENGTH_MAX:
        raise _malformed(f"its path has more than {PATH_LENGTH_MAX} hashes")
    path = [_base64(line, "a hash of its path", size=merkle.HASH_SIZE) for line in lines]
    with located("checkpoint"):
        note = SignedNote.parse(note_text)
        note.verify(key)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != key.name:
            raise VerificationError(
                Code.CHECKPOINT_ORIGIN_MISMATCH,
                f"the checkpoint is of {checkpoint.origin!a}, the key of {key.name!a}",
            )
        others = note.strangers([key])
        cosignatures = policy.judge(note, checkpoint, others) if policy else unjudged(others)
    shown = _leaf(leaf if leaf is not None else extra)
    merkle.verify_inclusion(
        merkle.leaf_hash(shown),
        leaf_index=int(index[1]),
        tree_size=checkpoint.tree_size,
        path=path,
        root=checkpoint.root_hash,
    )
    return VerifiedLeaf(
        form=ProofForm.LOG_PROOF,
        origin=checkpoint.origin,
        tree_size=checkpoint.tree_size,
        root_hash=checkpoint.root_hash,
        leaf_index=int(index[1]),
        leaf=shown,
        cosignatures=cosignatures,
    )


def _receipt(
    data: bytes, key: VerifierKey, *, leaf: bytes | None, policy: WitnessPolicy | None
) -> VerifiedLeaf:
    if policy is not None and policy.quorum != "none":
        raise VerificationError(
            Code.QUORUM_MISSING,
            f"a receipt carries no cosignatures; the policy asks for {policy.quorum!a}",
        )
    shown = _leaf(b"" if leaf is None else leaf)
    try:
        match cbor.decode(data):
            case cbor.Tag(18, (bytes() as protected, {396: proofs, **rest}, None, bytes() as made)):
                header = cbor.decode(protected)
            case _:
                raise ValueError("it is no COSE_Sign1 with proofs and a detached payload")
        match proofs:
            case {-1: (bytes() as raw,), **others} if not rest and not others:
                proof = cbor.decode(raw)
            case _:
                raise ValueError("it holds not one proof of inclusion")
        match proof:
            case (int() as tree_size, int() as leaf_index, tuple() as path):
                hashes = [_hash(value) for value in path]
            case _:
                raise ValueError("a proof is two numbers and a path")
    except ValueError as error:
        raise VerificationError(Code.RECEIPT_MALFORMED, f"not a receipt: {error}") from error
    if header != {
        **_SIGNED,
        4: key.key_id,
        15: {1: key.name},
        _TREE_SIZE: tree_size,
    }:
        raise VerificationError(
            Code.RECEIPT_MISMATCH,
            "what is signed beside the root is not this log, its key and the size of the proof",
        )
    if len(hashes) > PATH_LENGTH_MAX or not 0 <= leaf_index < tree_size:
        raise VerificationError(
            Code.INCLUSION_FAILED, f"index {leaf_index} or its path lies outside of the tree"
        )
    root = merkle.root_by_inclusion(
        merkle.leaf_hash(shown), leaf_index=leaf_index, tree_size=tree_size, path=hashes
    )
    message = cbor.encode(("Signature1", protected, b"", root))
    if len(made) != signature.SIGNATURE_SIZE or not signature.is_valid(
        key.public_key, message, made
    ):
        raise VerificationError(
            Code.INCLUSION_FAILED,
            f"{key.name} did not sign the root that leaf, path and index {leaf_index} lead to",
        )
    return VerifiedLeaf(
        form=ProofForm.RECEIPT,
        origin=key.name,
        tree_size=tree_size,
        root_hash=root,
        leaf_index=leaf_index,
        leaf=shown,
        cosignatures=None,
    )


def _leaf(leaf: bytes) -> bytes:
    if not leaf:
        raise VerificationError(
            Code.LEAF_MISSING, "the file does not bring the leaf it is about; give it with --leaf"
        )
    if len(leaf) > LEAF_SIZE_MAX:
        raise VerificationError(
            Code.LEAF_TOO_LARGE, f"a leaf of {len(leaf)} bytes; a log holds {LEAF_SIZE_MAX} at most"
        )
    return leaf


def _hash(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != merkle.HASH_SIZE:
        raise ValueError(f"a hash has {merkle.HASH_SIZE} bytes")
    return value


def _base64(text: str, what: str, *, size: int | None = None) -> bytes:
    try:
        return exact_base64.decode_standard(text, size=size)
    except ValueError as error:
        raise _malformed(f"{what} is not base64 of the right size") from error


def _malformed(message: str) -> VerificationError:
    return VerificationError(Code.LOG_PROOF_MALFORMED, f"not a tlog-proof: {message}")
