"""C2SP tlog-proof and RFC 9942 receipts of one leaf: what is taken, and that nothing else is."""

import json
from pathlib import Path

import pytest
from xinyuan import cbor
from xinyuan.__main__ import Outcome, main
from xinyuan.cbor import DEPTH_MAX, Tag
from xinyuan.errors import Code, VerificationError
from xinyuan.leaf_proof import (
    LEAF_SIZE_MAX,
    PATH_LENGTH_MAX,
    PROOF_SIZE_MAX,
    ProofForm,
    VerifiedLeaf,
    verify_leaf_proof,
)
from xinyuan.policy import WitnessPolicy

from clients.python.tests.conftest import Key, Ledger, b64, tree_path, tree_root


def log_proof(ledger: Ledger, leaf_index: int, *, extra: bytes | None = None) -> bytes:
    leaf = ledger.leaves[leaf_index] if extra is None else extra
    path = tree_path(leaf_index, ledger.leaves)
    lines = ["c2sp.org/tlog-proof@v1"]
    lines += [f"extra {b64(leaf)}"] if leaf else []
    lines += [f"index {leaf_index}", *map(b64, path), "", ledger.checkpoint()]
    return "\n".join(lines).encode()


def protected(ledger: Ledger, **changes: object) -> dict[int, object]:
    vkey = ledger.log_key
    header = {
        "algorithm": -8,
        "key_id": bytes.fromhex(vkey.split("+")[1]),
        "claims": {1: ledger.origin},
        "structure": 1,
        "tree_size": len(ledger.leaves),
    } | changes
    labels = {"algorithm": 1, "key_id": 4, "claims": 15, "structure": 395, "tree_size": -65_538}
    return {labels[name]: value for name, value in header.items()}


def receipt(
    ledger: Ledger,
    leaf_index: int,
    *,
    size: int | None = None,
    index: object = None,
    path: object = None,
    proofs: object = None,
    payload: object = None,
    key: Key | None = None,
    **changes: object,
) -> bytes:
    """A receipt as another program would write one; what is given stands in it instead."""
    leaves = ledger.leaves
    header = cbor.encode(protected(ledger, **changes))
    signed = cbor.encode(("Signature1", header, b"", tree_root(leaves)))
    signature = (key or ledger.log).signing.sign(signed).signature
    shown = tuple(tree_path(leaf_index, leaves)) if path is None else path
    members = (size or len(leaves), leaf_index if index is None else index, shown)
    proven = {396: {-1: (cbor.encode(members),)}} if proofs is None else proofs
    return cbor.encode(Tag(18, (header, proven, payload, signature)))


def verified(ledger: Ledger, data: bytes, leaf: bytes | None = None) -> VerifiedLeaf:
    return verify_leaf_proof(data, ledger.log_key, leaf=leaf)


def refused(ledger: Ledger, data: bytes, leaf: bytes | None = None) -> Code:
    with pytest.raises(VerificationError) as refusal:
        verified(ledger, data, leaf)
    return refusal.value.code


def test_every_leaf_is_proven_in_both_forms(ledger: Ledger) -> None:
    for _ in range(9):
        ledger.statement()
    for leaf_index, leaf in enumerate(ledger.leaves):
        as_text = verified(ledger, log_proof(ledger, leaf_index))
        as_cose = verified(ledger, receipt(ledger, leaf_index), leaf)
        for found in (as_text, as_cose):
            assert (found.leaf_index, found.leaf, found.tree_size) == (leaf_index, leaf, 13)
            assert found.root_hash == tree_root(ledger.leaves)
        assert as_text.holds == as_cose.holds
        assert as_text.holds is not None
        assert as_text.holds[0] == ("control" if leaf_index < 4 else "statement")


def test_what_is_not_proven_is_said(ledger: Ledger) -> None:
    ledger.statement()
    as_text = verified(ledger, log_proof(ledger, 4))
    as_cose = verified(ledger, receipt(ledger, 4), ledger.leaves[4])
    assert as_text.not_proven[0] == "One view for all: no witness has cosigned this checkpoint."
    assert as_cose.not_proven[0] == "One view for all: a receipt carries no cosignatures."
    assert as_text.not_proven[1].startswith("Who stated what")


def test_a_log_of_one_entry_proves_it_without_a_path(ledger: Ledger) -> None:
    alone = Ledger()
    alone.genesis()
    assert verified(alone, log_proof(alone, 0)).leaf_index == 0
    assert verified(alone, receipt(alone, 0), alone.leaves[0]).tree_size == 1


@pytest.mark.parametrize("form", list(ProofForm))
def test_flipping_any_byte_is_refused(ledger: Ledger, form: ProofForm) -> None:
    ledger.statement()
    data = {ProofForm.LOG_PROOF: log_proof, ProofForm.RECEIPT: receipt}[form](ledger, 4)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        if ProofForm.of(bytes(changed)) is form:
            refused(ledger, bytes(changed), None if form == "tlog-proof" else ledger.leaves[4])


def test_a_leaf_that_was_given_counts_and_not_the_extra_data(ledger: Ledger) -> None:
    ledger.statement()
    leaf = ledger.leaves[4]
    assert verified(ledger, log_proof(ledger, 4, extra=b"anything"), leaf).leaf == leaf
    assert refused(ledger, log_proof(ledger, 4, extra=b"anything")) is Code.INCLUSION_FAILED
    assert refused(ledger, log_proof(ledger, 4), ledger.leaves[3]) is Code.INCLUSION_FAILED
    assert refused(ledger, receipt(ledger, 4), ledger.leaves[3]) is Code.INCLUSION_FAILED
    assert refused(ledger, log_proof(ledger, 4, extra=b"")) is Code.LEAF_MISSING
    assert refused(ledger, receipt(ledger, 4)) is Code.LEAF_MISSING
    assert refused(ledger, receipt(ledger, 4), bytes(LEAF_SIZE_MAX + 1)) is Code.LEAF_TOO_LARGE
    assert refused(ledger, bytes(PROOF_SIZE_MAX + 1)) is Code.FILE_TOO_LARGE


def changed(ledger: Ledger, old: str, new: str) -> bytes:
    data = log_proof(ledger, 4)
    assert old.encode() in data
    return data.replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("tlog-proof@v1", "tlog-proof@v2", id="another version"),
        pytest.param("extra ", "extra  ", id="two spaces"),
        pytest.param("index 4", "index 04", id="a leading zero"),
        pytest.param("index 4", "index -4", id="a negative index"),
        pytest.param("index 4\n", "", id="no index"),
        pytest.param("index 4\n", "index 4\n" + "A" * 42 + "B=\n", id="stray bits in a hash"),
        pytest.param("index 4\n", "index 4\nAAAA\n", id="a short hash"),
        pytest.param(
            "index 4\n",
            "index 4\n" + ("A" * 43 + "=\n") * (PATH_LENGTH_MAX + 1),
            id="a path longer than any tree is high",
        ),
        pytest.param("\n\n", "\n", id="no empty line before the checkpoint"),
        pytest.param("index", "\xff", id="text in another place"),
    ],
)
def test_text_that_is_no_log_proof_is_refused(ledger: Ledger, old: str, new: str) -> None:
    ledger.statement()
    found = refused(ledger, changed(ledger, old, new))
    assert found in (Code.LOG_PROOF_MALFORMED, Code.NOTE_MALFORMED)


def test_a_log_proof_of_another_log_is_refused(ledger: Ledger) -> None:
    ledger.statement()
    other = Key("other").vkey(ledger.origin)
    with pytest.raises(VerificationError) as unsigned:
        verify_leaf_proof(log_proof(ledger, 4), other)
    assert unsigned.value.code is Code.NOTE_UNSIGNED
    assert refused(ledger, b"c2sp.org/tlog-proof@\xff") is Code.LOG_PROOF_MALFORMED
    text = ledger.checkpoint().split("\n\n")[0].replace(ledger.origin, "another.example")
    note = ledger.log.note(ledger.origin, f"{text}\n")
    moved = log_proof(ledger, 4).decode().split("\n\n")[0] + "\n\n" + note
    assert refused(ledger, moved.encode()) is Code.CHECKPOINT_ORIGIN_MISMATCH


HASH = bytes(32)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"payload": HASH}, id="an attached payload"),
        pytest.param({"proofs": {}}, id="no proofs"),
        pytest.param({"proofs": {396: {}}}, id="no proof"),
        pytest.param({"proofs": {396: {-2: (b"",)}}}, id="a proof of consistency"),
        pytest.param({"proofs": {396: {-1: ()}}}, id="no proof of its kind"),
        pytest.param({"proofs": {396: {-1: (b"\x80",)}}}, id="a proof of nothing"),
        pytest.param({"proofs": {396: {-1: (b"\x18\x01",)}}}, id="another spelling"),
        pytest.param({"index": "4"}, id="an index of text"),
        pytest.param({"path": (b"short",)}, id="a short hash"),
        pytest.param({"path": ("text",)}, id="a hash of text"),
    ],
)
def test_bytes_that_are_no_receipt_are_refused(ledger: Ledger, changes: dict[str, object]) -> None:
    ledger.statement()
    data = receipt(ledger, 4, **changes)  # type: ignore[arg-type]
    assert refused(ledger, data, ledger.leaves[4]) is Code.RECEIPT_MALFORMED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"algorithm": -7}, id="another algorithm"),
        pytest.param({"structure": 2}, id="another structure"),
        pytest.param({"key_id": b"abcd"}, id="another key"),
        pytest.param({"claims": {1: "another.example"}}, id="another log"),
        pytest.param({"claims": {1: "ledger.example/xinyuan", 6: 1}}, id="further claims"),
        pytest.param({"tree_size": 6}, id="another size signed than shown"),
        pytest.param({"size": 6}, id="another size shown than signed"),
    ],
)
def test_a_receipt_that_signs_something_else_is_refused(
    ledger: Ledger, changes: dict[str, object]
) -> None:
    ledger.statement()
    data = receipt(ledger, 4, **changes)  # type: ignore[arg-type]
    assert refused(ledger, data, ledger.leaves[4]) is Code.RECEIPT_MISMATCH


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"index": 5}, id="an index beyond the tree"),
        pytest.param({"index": -1}, id="a negative index"),
        pytest.param({"index": 3}, id="the index of another leaf"),
        pytest.param({"path": (HASH,) * (PATH_LENGTH_MAX + 1)}, id="too long a path"),
        pytest.param({"key": Key("other")}, id="the signature of another key"),
    ],
)
def test_a_receipt_that_does_not_lead_to_a_signed_root_is_refused(
    ledger: Ledger, changes: dict[str, object]
) -> None:
    ledger.statement()
    data = receipt(ledger, 4, **changes)  # type: ignore[arg-type]
    assert refused(ledger, data, ledger.leaves[4]) is Code.INCLUSION_FAILED


def test_a_receipt_cannot_satisfy_a_policy_that_asks_for_witnesses(ledger: Ledger) -> None:
    data, leaf = receipt(ledger, 3), ledger.leaves[3]
    remora = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    policy = WitnessPolicy.parse(f"witness r {remora}\nquorum r\n".encode())
    with pytest.raises(VerificationError) as refusal:
        verify_leaf_proof(data, ledger.log_key, leaf=leaf, policy=policy)
    assert refusal.value.code is Code.QUORUM_MISSING
    with pytest.raises(VerificationError) as text_refusal:
        verify_leaf_proof(log_proof(ledger, 3), ledger.log_key, policy=policy)
    assert text_refusal.value.code is Code.QUORUM_MISSING
    nobody = WitnessPolicy.parse(b"quorum none\n")
    assert verify_leaf_proof(data, ledger.log_key, leaf=leaf, policy=nobody).leaf_index == 3


@pytest.mark.parametrize(
    "leaf",
    [b"anything", b'{"commit":"x","v":1}', b'{"other":"x","sub":"' + b"A" * 43 + b'","v":1}'],
)
def test_a_leaf_of_no_known_form_is_proven_all_the_same(ledger: Ledger, leaf: bytes) -> None:
    ledger.leaves.append(leaf)
    found = verified(ledger, log_proof(ledger, 4))
    assert (found.leaf, found.holds) == (leaf, None)


def test_cbor_nests_exactly_as_deep_as_its_bound() -> None:
    nested: object = 0
    for _ in range(DEPTH_MAX - 1):
        nested = (nested,)
    assert cbor.decode(cbor.encode(nested)) == nested
    with pytest.raises(ValueError, match="deeper"):
        cbor.decode(cbor.encode((nested,)))


SPELLINGS = """
00 00, 18 17, 58 01 01, 44 01, 82 01, 9b ff ff ff ff ff ff ff ff, 5f ff, 1c, f5, f9 3c 00, 19,
a2 03 04 01 02, a2 01 02 01 02, a1 41 01 02, 61 ff, 5b ff ff ff ff ff ff ff ff
"""


@pytest.mark.parametrize("spelling", ["", *SPELLINGS.split(",")])
def test_cbor_in_another_spelling_is_refused(spelling: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        cbor.decode(bytes.fromhex(spelling))


def test_the_command_verifies_both_forms(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.statement()
    proof, cose, leaf = (tmp_path / name for name in ("4.tlog-proof", "4.cose", "leaf"))
    proof.write_bytes(log_proof(ledger, 4))
    cose.write_bytes(receipt(ledger, 4))
    leaf.write_bytes(ledger.leaves[4])
    key = ["--log-key", ledger.log_key]
    assert main(["verify", str(proof), *key]) is Outcome.VERIFIED
    said = capsys.readouterr().out
    assert said.startswith("VERIFIED  tlog-proof, one of the log's entries\n")
    assert "Entry 4: a leaf, in the log and unchanged\n  commits to      a statement\n" in said
    assert main(["verify", str(cose), *key, "--leaf", str(leaf), "--json"]) is Outcome.VERIFIED
    assert json.loads(capsys.readouterr().out) == {
        "checkpoint": {
            "origin": ledger.origin,
            "root_hash": b64(tree_root(ledger.leaves)),
            "tree_size": 5,
        },
        "cosignatures": None,
        "entry": {
            "form": "statement",
            "index": 4,
            "label": ledger.DAIRY,
            "leaf": ledger.leaves[4].decode(),
        },
        "kind": "receipt",
        "not_proven": [
            "One view for all: a receipt carries no cosignatures.",
            "Who stated what: this proves a leaf, and neither keys nor mandates nor what opens it.",
        ],
        "verified": True,
    }
    assert main(["verify", str(cose), *key]) is Outcome.REFUSED
    assert "LEAF_MISSING" in capsys.readouterr().out
    assert main(["verify", str(cose), *key, "--leaf", str(tmp_path / "no")]) is Outcome.USAGE
    file = tmp_path / "proof.json"
    file.write_bytes(ledger.written(ledger.proof("statement", 4)))
    assert main(["verify", str(file), *key, "--leaf", str(leaf)]) is Outcome.USAGE
