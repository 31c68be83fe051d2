"""C2SP tlog-proof: parse and write are inverse, every other spelling is refused, and what opens."""

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.cosignature import Cosigner
from ledger.custody import Algorithm
from ledger.errors import (
    LogProofMalformed,
    NoteMalformed,
    NoteUnverified,
    ProofInvalid,
    QuorumMissing,
)
from ledger.merkle import Hash, inclusion_path, leaf_hash, range_root, root
from ledger.note import SignedNote, Signer
from ledger.proof import EXTRA_BYTES_MAX, PATH_LENGTH_MAX, PROOF_BYTES_MAX, LogProof
from ledger.seed_key import SeedKey
from ledger.witness_policy import WitnessPolicy

LOG = Signer("ledger.test/xinyuan", SeedKey(bytes(range(32))))
WITNESS = Cosigner("witness.test/w1", SeedKey(bytes(32), Algorithm.ML_DSA_44))
POLICY = WitnessPolicy.parse(
    f"log {LOG.verifier.vkey}\nwitness w {WITNESS.verifier.vkey}\nquorum w\n".encode()
)
LEAVES = [leaf_hash(bytes([number])) for number in range(7)]


def node(level: int, index: int) -> Hash:
    start = index << level
    if level == 0:
        return LEAVES[index]
    return range_root(start, start + (1 << level), lambda low, at: node_below(level, low, at))


def node_below(level: int, low: int, at: int) -> Hash:
    if low < level:
        return node(low, at)
    return root(LEAVES[at << low : (at + 1) << low])


def proof_of(leaf_index: int, *, extra: bytes = b"", cosigned: bool = True) -> LogProof:
    head = Checkpoint(LOG.name, len(LEAVES), root(LEAVES))
    note = head.signed(LOG)
    if cosigned:
        line = WITNESS.cosign(note.text, at_s=1_764_000_000)
        note = SignedNote(note.text, (*note.signatures, line))
    path = inclusion_path(leaf_index, len(LEAVES), node)
    return LogProof(leaf_index, tuple(path), note, extra)


PROOF = str(proof_of(3, extra=b"extra information"))


@pytest.mark.parametrize("leaf_index", range(len(LEAVES)))
def test_every_leaf_is_proven_offline(leaf_index: int) -> None:
    read = LogProof.parse(str(proof_of(leaf_index)).encode())
    head = read.open(LEAVES[leaf_index], POLICY)
    assert (head.origin, head.tree_size, head.root_hash) == (LOG.name, 7, root(LEAVES))


def test_the_text_is_laid_out_as_published() -> None:
    # The layout of tlog-proof "Format"; the same lines as in the public Go implementation's tests.
    hashes = [Hash(hashlib.sha256(text).digest()) for text in (b"hash1", b"hash2")]
    first, second = (base64.b64encode(hash_).decode() for hash_ in hashes)
    note = Checkpoint(LOG.name, 7, root(LEAVES)).signed(LOG)
    plain = LogProof(5, tuple(hashes), note)
    assert str(plain) == f"c2sp.org/tlog-proof@v1\nindex 5\n{first}\n{second}\n\n{note}"
    with_extra = LogProof(10, (hashes[0],), note, b"extra information")
    extra = base64.b64encode(b"extra information").decode()
    assert str(with_extra) == f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 10\n{first}\n\n{note}"
    alone = LogProof(0, (), note)
    assert str(alone) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"


@given(
    st.integers(0, TREE_SIZE_MAX - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=PATH_LENGTH_MAX),
    st.binary(max_size=100),
    st.integers(0, TREE_SIZE_MAX),
)
def test_parse_and_write_are_inverse(
    leaf_index: int, path: list[bytes], extra: bytes, tree_size: int
) -> None:
    note = Checkpoint(LOG.name, tree_size, root(LEAVES)).signed(LOG)
    proof = LogProof(leaf_index, tuple(map(Hash, path)), note, extra)
    assert LogProof.parse(str(proof).encode()) == proof


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(PROOF.replace("@v1", "@v2"), id="another version"),
        pytest.param(PROOF.replace("c2sp", "C2SP"), id="capitals in the first line"),
        pytest.param(PROOF.replace("extra ", "extra"), id="no space behind extra"),
        pytest.param(PROOF.replace("extra ", "extra  "), id="two spaces behind extra"),
        pytest.param(PROOF.replace("extra ZXh0", "extra \nextra ZXh0"), id="empty extra data"),
        pytest.param(PROOF.replace("b24=\n", "b25=\n"), id="spare bits in the extra data"),
        pytest.param(PROOF.replace("index 3\n", ""), id="no index"),
        pytest.param(PROOF.replace("index 3", "index 03"), id="an index with a leading zero"),
        pytest.param(PROOF.replace("index 3", "index -3"), id="a negative index"),
        pytest.param(PROOF.replace("index 3", "index ٣"), id="a digit of another script"),
        pytest.param(PROOF.replace("index 3", f"index {TREE_SIZE_MAX}"), id="too large an index"),
        pytest.param(PROOF.replace("index 3", "index 3 "), id="a space behind the index"),
        pytest.param(PROOF.replace("index 3\n", "index 3\nAAAA\n"), id="a hash of three bytes"),
        pytest.param(PROOF.replace("index 3\n", "index 3\n!!\n"), id="a hash that is no base64"),
        pytest.param(PROOF.replace("\n", "\r\n"), id="other line ends"),
        pytest.param(PROOF.partition("\n\n")[0] + "\n", id="no checkpoint"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_proof_in_another_spelling_is_refused(proof: str) -> None:
    with pytest.raises(LogProofMalformed):
        LogProof.parse(proof.encode())


def test_bytes_behind_the_checkpoint_are_refused() -> None:
    for tail in ("\n", "x", "\n\n"):
        with pytest.raises(NoteMalformed):
            LogProof.parse(f"{PROOF}{tail}".encode())


def test_a_path_extra_data_and_the_whole_have_a_longest_form() -> None:
    proof = proof_of(3)
    longest = replace(
        proof,
        inclusion_path=(Hash(bytes(32)),) * PATH_LENGTH_MAX,
        extra=bytes(EXTRA_BYTES_MAX),
    )
    assert LogProof.parse(str(longest).encode()) == longest
    for longer in (
        replace(longest, inclusion_path=(Hash(bytes(32)),) * (PATH_LENGTH_MAX + 1)),
        replace(longest, extra=bytes(EXTRA_BYTES_MAX + 1)),
    ):
        with pytest.raises(LogProofMalformed):
            LogProof.parse(str(longer).encode())
    with pytest.raises(LogProofMalformed, match=str(PROOF_BYTES_MAX)):
        LogProof.parse(str(longest).encode().ljust(PROOF_BYTES_MAX + 1, b"\n"))


def test_another_leaf_index_or_path_proves_nothing() -> None:
    proof = proof_of(3)
    for wrong in (
        replace(proof, leaf_index=4),
        replace(proof, leaf_index=7),
        replace(proof, inclusion_path=proof.inclusion_path[:-1]),
        replace(proof, inclusion_path=(*proof.inclusion_path, Hash(bytes(32)))),
    ):
        with pytest.raises(ProofInvalid):
            wrong.open(LEAVES[3], POLICY)
    with pytest.raises(ProofInvalid):
        proof.open(LEAVES[2], POLICY)


def test_without_quorum_or_known_log_nothing_is_proven() -> None:
    with pytest.raises(QuorumMissing):
        proof_of(3, cosigned=False).open(LEAVES[3], POLICY)
    nobody = WitnessPolicy.parse(b"quorum none\n")
    with pytest.raises(NoteUnverified):
        proof_of(3).open(LEAVES[3], nobody)
    # A log known from elsewhere is as good as one of the file.
    head = proof_of(3, cosigned=False).open(LEAVES[3], nobody, log=LOG.verifier)
    assert head.tree_size == 7
    with pytest.raises(QuorumMissing):
        proof_of(3, cosigned=False).open(LEAVES[3], POLICY, log=LOG.verifier)
