"""RFC 9942 COSE receipts over RFC 9162 trees; RFC 9052 §4.4 by a published signature."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from nacl.signing import SigningKey

from ledger.cbor import Cbor, Tagged, decode, encode
from ledger.checkpoint import Checkpoint
from ledger.cose_receipt import (
    PATH_LENGTH_MAX,
    ConsistencyProof,
    InclusionProof,
    Proof,
    Receipt,
    issue_receipt,
)
from ledger.errors import NoteUnverified, ProofInvalid, ReceiptMalformed
from ledger.merkle import (
    Hash,
    consistency_path,
    inclusion_path,
    leaf_hash,
    range_root,
    root,
)
from ledger.note import Signer
from tests.world import ORIGIN, key_of

LOG = Signer(ORIGIN, key_of("log"))
LEAVES = [leaf_hash(f"entry {number}".encode()) for number in range(70)]


def node(level: int, index: int) -> Hash:
    return root(LEAVES[index << level : (index + 1) << level])


def head(tree_size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, tree_size, root(LEAVES[:tree_size]))


def issue(tree_size: int, proof: Proof, known: Hash) -> Receipt:
    return issue_receipt(LOG.sign_bytes, LOG.verifier, head(tree_size), proof, known)


def inclusion(leaf_index: int, tree_size: int) -> Receipt:
    path = tuple(inclusion_path(leaf_index, tree_size, node))
    proof = InclusionProof(tree_size, leaf_index, path)
    return issue(tree_size, proof, LEAVES[leaf_index])


def consistency(old_size: int, tree_size: int) -> Receipt:
    path = tuple(consistency_path(old_size, tree_size, node))
    proof = ConsistencyProof(old_size, tree_size, path)
    return issue_receipt(
        LOG.sign_bytes, LOG.verifier, head(tree_size), proof, head(old_size).root_hash
    )


def test_every_leaf_of_every_tree_is_proven_by_its_receipt() -> None:
    for tree_size in (1, 2, 3, 7, 8, 13, 64, 70):
        for leaf_index in range(tree_size):
            receipt = Receipt.parse(bytes(inclusion(leaf_index, tree_size)))
            assert isinstance(receipt.proof, InclusionProof)
            assert (receipt.origin, receipt.proof.leaf_index) == (ORIGIN, leaf_index)
            signed = receipt.root(LEAVES[leaf_index], LOG.verifier)
            assert signed == head(tree_size).root_hash
            with pytest.raises(NoteUnverified):
                receipt.root(leaf_hash(b"another entry"), LOG.verifier)


def test_every_growth_is_proven_by_its_receipt() -> None:
    for old_size in range(1, 33):
        for tree_size in range(old_size + 1, 35):
            receipt = Receipt.parse(bytes(consistency(old_size, tree_size)))
            signed = receipt.root(head(old_size).root_hash, LOG.verifier)
            assert signed == head(tree_size).root_hash
            with pytest.raises((ProofInvalid, NoteUnverified)):
                receipt.root(head(tree_size).root_hash, LOG.verifier)


def test_one_receipt_has_one_spelling_that_never_changes() -> None:
    raw = bytes(inclusion(4, 7))
    assert bytes(Receipt.parse(raw)) == raw
    assert len(raw) == 228
    assert (
        sha256(raw).hexdigest()
        == "aa40671e1e8356453029671d7ddfa3c314953ffe5a74523598b8af0cf58920b8"
    )
    assert decode(raw) == Tagged(
        18,
        (
            encode({1: -8, 4: LOG.verifier.key_id, 15: {1: ORIGIN}, 395: 1, -65_538: 7}),
            {396: {-1: (encode((7, 4, tuple(inclusion_path(4, 7, node)))),)}},
            None,
            inclusion(4, 7).signature,
        ),
    )


def test_the_signed_structure_is_that_of_the_published_example() -> None:
    # github.com/cose-wg/Examples, eddsa-examples/eddsa-sig-01, under the key of RFC 8032 §7.1.
    key = SigningKey(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    protected = encode({1: -8, 3: 0})
    signature = key.sign(encode(("Signature1", protected, b"", b"This is the content."))).signature
    message = encode(Tagged(18, (protected, {4: b"11"}, b"This is the content.", signature)))
    assert message.hex() == (
        "d28445a201270300a10442313154546869732069732074686520636f6e74656e742e5840"
        "7142fd2ff96d56db85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb87"
        "11497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a44d6fef0d"
    )


def test_flipping_any_bit_is_noticed() -> None:
    raw = bytes(inclusion(4, 7))
    for at in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            with pytest.raises((ReceiptMalformed, ProofInvalid, NoteUnverified)):
                Receipt.parse(bytes(changed)).root(LEAVES[4], LOG.verifier)


def test_a_path_cannot_be_given_another_index_or_size() -> None:
    # The last leaf of three and the last of two have the same path: the size decides.
    receipt = inclusion(2, 3)
    assert isinstance(receipt.proof, InclusionProof)
    moved = InclusionProof(2, 1, receipt.proof.path)
    assert moved.root(LEAVES[2]) == head(3).root_hash
    claimed = Receipt(receipt.origin, receipt.key_id, moved, receipt.signature)
    with pytest.raises(NoteUnverified):
        Receipt.parse(bytes(claimed)).root(LEAVES[2], LOG.verifier)


def test_a_receipt_of_another_log_or_key_is_refused() -> None:
    receipt = inclusion(4, 7)
    for signer in (Signer("other.test", key_of("log")), Signer(ORIGIN, key_of("stranger"))):
        with pytest.raises(NoteUnverified):
            receipt.root(LEAVES[4], signer.verifier)
    stranger = Signer(ORIGIN, key_of("stranger"))
    forged = Receipt(ORIGIN, stranger.verifier.key_id, receipt.proof, receipt.signature)
    with pytest.raises(NoteUnverified):
        forged.root(LEAVES[4], stranger.verifier)


def test_no_root_is_signed_that_the_proof_does_not_lead_to() -> None:
    path = tuple(inclusion_path(4, 7, node))
    with pytest.raises(ProofInvalid):
        issue(7, InclusionProof(7, 4, path), LEAVES[5])
    with pytest.raises(ProofInvalid):
        issue(7, InclusionProof(7, 7, path), LEAVES[4])
    growth = tuple(consistency_path(4, 7, node))
    with pytest.raises(ProofInvalid):
        issue_receipt(
            LOG.sign_bytes, LOG.verifier, head(7), ConsistencyProof(4, 7, growth), head(5).root_hash
        )


def test_a_receipt_is_no_note_and_a_note_no_receipt() -> None:
    # One key signs both. What it signs for a receipt is no text.
    signed = encode(("Signature1", b"", b"", bytes(32)))
    with pytest.raises(UnicodeDecodeError):
        signed.decode()
    assert range_root(0, 7, node) == head(7).root_hash


PROTECTED: dict[int | str, Cbor] = {
    1: -8,
    4: LOG.verifier.key_id,
    15: {1: ORIGIN},
    395: 1,
    -65_538: 7,
}
PATH = tuple(inclusion_path(4, 7, node))


def receipt_of(
    protected: Cbor = PROTECTED,
    proofs: Cbor = None,
    payload: Cbor = None,
    signature: Cbor = bytes(64),
    wrap: Callable[[Cbor], Cbor] = lambda members: Tagged(18, members),
) -> bytes:
    default: Cbor = {396: {-1: (encode((7, 4, PATH)),)}}
    return encode(wrap((encode(protected), proofs or default, payload, signature)))


def with_proof(value: Cbor, label: int = -1) -> dict[int | str, Cbor]:
    return {396: {label: (encode(value),)}}


def test_what_the_table_below_starts_from_is_well_formed() -> None:
    assert Receipt.parse(receipt_of()).proof == InclusionProof(7, 4, PATH)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(receipt_of() + b"\0", id="bytes left over"),
        pytest.param(receipt_of(wrap=lambda members: members), id="no tag"),
        pytest.param(receipt_of(wrap=lambda members: Tagged(98, members)), id="COSE_Sign"),
        pytest.param(receipt_of(payload=root(LEAVES[:7])), id="an attached payload"),
        pytest.param(receipt_of(signature=bytes(63)), id="a short signature"),
        pytest.param(receipt_of(signature="s"), id="a signature of text"),
        pytest.param(receipt_of(protected=()), id="protected members that are no map"),
        pytest.param(receipt_of({**PROTECTED, 2: (395,)}), id="critical members"),
        pytest.param(receipt_of({**PROTECTED, 1: -7}), id="ES256"),
        pytest.param(receipt_of({**PROTECTED, 395: 2}), id="another structure"),
        pytest.param(receipt_of({**PROTECTED, 4: b"abc"}), id="a short key ID"),
        pytest.param(receipt_of({**PROTECTED, 15: {1: ORIGIN, 6: 1}}), id="further claims"),
        pytest.param(receipt_of({**PROTECTED, 15: {1: ""}}), id="no issuer"),
        pytest.param(receipt_of({**PROTECTED, 15: {1: b"x"}}), id="an issuer of bytes"),
        pytest.param(receipt_of({**PROTECTED, -65_538: 8}), id="another size signed"),
        pytest.param(receipt_of({**PROTECTED, -65_538: "7"}), id="a size of text"),
        pytest.param(receipt_of({**PROTECTED, -65_538: 2**53}), id="a size beyond all"),
        pytest.param(receipt_of(proofs={396: {}}), id="no proof"),
        pytest.param(receipt_of(proofs={396: {-1: ()}}), id="no proof of its kind"),
        pytest.param(receipt_of(proofs={396: {-1: (encode((7, 4, PATH)),) * 2}}), id="two proofs"),
        pytest.param(
            receipt_of(proofs={**with_proof((7, 4, PATH)), 4: b"kid"}),
            id="further unprotected members",
        ),
        pytest.param(receipt_of(proofs=with_proof((7, 4, PATH), -3)), id="an unknown proof"),
        pytest.param(receipt_of(proofs=with_proof((7, 7, PATH))), id="an index beyond its tree"),
        pytest.param(receipt_of(proofs=with_proof((7, -1, PATH))), id="a negative index"),
        pytest.param(receipt_of(proofs=with_proof((7, 4))), id="no path"),
        pytest.param(receipt_of(proofs=with_proof((7, 4, (b"short",)))), id="a short hash"),
        pytest.param(receipt_of(proofs=with_proof((7, 4, (None,)))), id="a hash of null"),
        pytest.param(
            receipt_of(proofs=with_proof((7, 4, (bytes(32),) * (PATH_LENGTH_MAX + 1)))),
            id="a path longer than any tree is high",
        ),
        pytest.param(receipt_of(proofs=with_proof((7, 7, PATH), -2)), id="no growth"),
        pytest.param(receipt_of(proofs=with_proof((0, 7, PATH), -2)), id="growth from nothing"),
        pytest.param(
            encode(Tagged(18, (b"\xa1\x18\x01\x01", {}, None, bytes(64)))),
            id="protected members with another spelling",
        ),
        pytest.param(
            receipt_of(proofs={396: {-1: (b"\x83\x18\x07\x04\x80",)}}),
            id="a proof with another spelling",
        ),
    ],
)
def test_every_other_form_is_refused(raw: bytes) -> None:
    with pytest.raises(ReceiptMalformed) as refusal:
        Receipt.parse(raw)
    assert refusal.value.code == "LEDGER_RECEIPT_MALFORMED"
