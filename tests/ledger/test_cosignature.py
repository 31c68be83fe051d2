"""C2SP tlog-cosignature: vectors of its public implementations, both key types, every byte."""

import base64
import hashlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import (
    NAME_BYTES_MAX,
    TIMESTAMP_MAX,
    CosignatureVerifier,
    Cosigner,
    Timestamped,
    checkpoint_message,
    log_verifier,
)
from ledger.custody import Algorithm
from ledger.errors import CheckpointMalformed, NoteMalformed, NoteUnverified
from ledger.merkle import Hash
from ledger.note import (
    KeyType,
    NoteSignature,
    NoteVerifier,
    SignedNote,
    Signer,
    Verifier,
    VerifierKey,
)
from ledger.seed_key import SeedKey

VECTORS = json.loads(
    (Path(__file__).resolve().parents[1] / "vectors" / "tlog_cosignature.json").read_text()
)
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
LOG = Signer("ledger.test/xinyuan", SeedKey(bytes(range(32))))
HEAD = Checkpoint(LOG.name, 5, Hash(hashlib.sha256(b"head").digest()))
TYPES = [KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44_COSIGNATURE]
AT_S = 1_679_315_147


def cosigner(key_type: KeyType) -> Cosigner:
    return Cosigner("witness.test/w1", SeedKey(bytes(31) + bytes([key_type]), key_type.algorithm))


def cosigned(by: Cosigner, text: str = HEAD.text, at_s: int = AT_S) -> SignedNote:
    return SignedNote(text, (by.cosign(text, at_s=at_s),))


def test_the_published_cosigner_key_has_its_published_key_id() -> None:
    assert CosignatureVerifier.parse(REMORA).vkey == REMORA
    assert CosignatureVerifier.parse(REMORA).key_id.hex() == "da77ade7"


def test_the_published_post_quantum_signature_verifies_over_its_subtree_and_no_other() -> None:
    published = VECTORS["subtree"]
    key = CosignatureVerifier.parse(published["vkey"])
    assert key.vkey == published["vkey"]
    note = SignedNote.parse(f"any\n\n{published['line']}".encode())
    assert str(note) == f"any\n\n{published['line']}"
    (line,) = note.signatures
    assert (line.name, line.key_id) == (key.name, key.key_id)
    hash_ = Hash(base64.b64decode(published["hash"]))
    origin, start, end = published["origin"], published["start"], published["end"]
    assert key.accepts_subtree(origin, start, end, hash_, line.signature)
    for other in (
        key.accepts_subtree(f"{origin}x", start, end, hash_, line.signature),
        key.accepts_subtree(origin, start + 1, end, hash_, line.signature),
        key.accepts_subtree(origin, start, end + 1, hash_, line.signature),
        key.accepts_subtree(origin, start, end, Hash(bytes(32)), line.signature),
        key.accepts_subtree(origin, start, end, hash_, line.signature[:-1]),
        # A subtree further right cannot be the largest as of some time.
        key.accepts_subtree(origin, start, end, hash_, b"\0" * 7 + b"\1" + line.signature[8:]),
    ):
        assert not other


def test_the_published_time_is_read_from_its_published_cosignature() -> None:
    published = VECTORS["timestamp"]
    raw = base64.b64decode(published["base64"])[4:]
    given = Timestamped.parse(raw, KeyType.ED25519_COSIGNATURE)
    assert given.at_s == published["at_s"]
    assert bytes(given) == raw


def test_the_message_over_a_checkpoint_is_the_published_one() -> None:
    # tlog-cosignature, "Ed25519 signed message".
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    key = CosignatureVerifier.parse(REMORA).key
    assert checkpoint_message(key, text, AT_S) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_the_post_quantum_message_is_laid_out_byte_by_byte() -> None:
    name, origin = b"witness.test/w1", LOG.name.encode()
    assert checkpoint_message(
        cosigner(KeyType.ML_DSA_44_COSIGNATURE).verifier.key, HEAD.text, AT_S
    ) == (
        b"subtree/v1\n\0"
        + bytes([len(name)])
        + name
        + struct.pack(">Q", AT_S)
        + bytes([len(origin)])
        + origin
        + struct.pack(">QQ", 0, 5)
        + HEAD.root_hash
    )


@pytest.mark.parametrize("key_type", TYPES)
def test_a_cosignature_stands_beside_the_logs_own_line(key_type: KeyType) -> None:
    by = cosigner(key_type)
    note = HEAD.signed(LOG)
    both = SignedNote(note.text, (*note.signatures, by.cosign(note.text, at_s=AT_S)))
    read = SignedNote.parse(str(both).encode())
    trusted: list[NoteVerifier] = [LOG.verifier, by.verifier]
    assert read.verified_by(trusted) == (LOG.verifier, by.verifier)
    signature = read.signatures[1].signature
    assert Timestamped.parse(signature, key_type).at_s == AT_S


@pytest.mark.parametrize("key_type", TYPES)
def test_a_cosigners_key_and_its_text_are_inverse(key_type: KeyType) -> None:
    verifier = cosigner(key_type).verifier
    assert CosignatureVerifier.parse(verifier.vkey) == verifier
    assert len(verifier.key.public_key) == key_type.public_key_bytes


@given(
    st.sampled_from(TYPES),
    st.integers(0, 2**53 - 1),
    st.binary(min_size=32, max_size=32),
    st.integers(1, TIMESTAMP_MAX),
)
def test_what_was_cosigned_verifies_and_no_other_head_or_time(
    key_type: KeyType, tree_size: int, root_hash: bytes, at_s: int
) -> None:
    by = cosigner(key_type)
    head = Checkpoint(LOG.name, tree_size, Hash(root_hash))
    line = by.cosign(head.text, at_s=at_s)
    assert by.verifier.accepts(head.text.encode(), line.signature)
    larger = Checkpoint(LOG.name, tree_size + 1, Hash(root_hash))
    if tree_size + 1 < 2**53:
        assert not by.verifier.accepts(larger.text.encode(), line.signature)
    later = struct.pack(">Q", at_s ^ 1) + line.signature[8:]
    assert not by.verifier.accepts(head.text.encode(), later)


@pytest.mark.parametrize("key_type", TYPES)
def test_a_cosignature_is_refused(key_type: KeyType) -> None:
    by = cosigner(key_type)
    body, right = HEAD.text.encode(), by.cosign(HEAD.text, at_s=AT_S).signature
    for reason, wrong in {
        "cut short": right[:-1],
        "with a byte behind it": right + b"\0",
        "empty": b"",
        "from beyond 2^63 - 1": struct.pack(">Q", TIMESTAMP_MAX + 1) + right[8:],
        "with a changed bit": right[:-1] + bytes([right[-1] ^ 1]),
    }.items():
        assert not by.verifier.accepts(body, wrong), reason
    for reason, text in {
        "over no checkpoint": b"some text\n",
        "over what is not UTF-8": b"\xff" + body,
        "over another origin": body.replace(b"xinyuan", b"another"),
    }.items():
        assert not by.verifier.accepts(text, right), reason


def test_the_latest_time_is_the_last_that_fits() -> None:
    by = cosigner(KeyType.ED25519_COSIGNATURE)
    line = by.cosign(HEAD.text, at_s=TIMESTAMP_MAX)
    assert by.verifier.accepts(HEAD.text.encode(), line.signature)


def test_an_ed25519_cosignature_is_no_log_signature_nor_the_other_way_round() -> None:
    by = cosigner(KeyType.ED25519_COSIGNATURE)
    as_log = Verifier(by.name, by.verifier.key.public_key)
    line = by.cosign(HEAD.text, at_s=AT_S)
    assert not as_log.accepts(HEAD.text.encode(), line.signature)
    own = Signer(by.name, by.key).sign(HEAD.text).signatures[0]
    assert not by.verifier.accepts(HEAD.text.encode(), own.signature)
    # Their key IDs differ, so that neither line is ever tried under the other's key.
    assert as_log.key_id != by.verifier.key_id


def test_extension_lines_are_covered_by_ed25519_and_passed_over_by_ml_dsa() -> None:
    extended = f"{HEAD.text}an extension\n"
    changed = extended.replace("an extension", "another one").encode()
    for key_type, covered in zip(TYPES, (True, False), strict=True):
        by = cosigner(key_type)
        line = by.cosign(extended, at_s=AT_S)
        assert by.verifier.accepts(extended.encode(), line.signature)
        assert by.verifier.accepts(changed, line.signature) is not covered


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{HEAD.text}\n", id="an empty extension line"),
        pytest.param(f"{HEAD.text}a\n\nb\n", id="an empty line between extensions"),
        pytest.param(f"{HEAD.text}a", id="no line feed at the end"),
        pytest.param(HEAD.text[:-1], id="three lines without the last line feed"),
        pytest.param("\n".join(HEAD.text.split("\n")[:2]) + "\n", id="two lines"),
    ],
)
def test_what_is_no_checkpoint_is_not_cosigned(text: str) -> None:
    for key_type in TYPES:
        with pytest.raises(CheckpointMalformed):
            cosigner(key_type).cosign(text, at_s=AT_S)


def test_names_and_origins_fit_into_one_byte_of_length() -> None:
    longest = "w" * NAME_BYTES_MAX
    seed = bytes(32)
    by = Cosigner(longest, SeedKey(seed, Algorithm.ML_DSA_44))
    assert CosignatureVerifier.parse(by.verifier.vkey) == by.verifier
    head = Checkpoint("o" * NAME_BYTES_MAX, 5, HEAD.root_hash)
    assert by.verifier.accepts(head.text.encode(), by.cosign(head.text, at_s=1).signature)
    with pytest.raises(CheckpointMalformed):
        by.cosign(f"o{head.text}", at_s=1)
    longer = VerifierKey(f"w{longest}", by.key_type, by.verifier.key.public_key)
    with pytest.raises(NoteMalformed):
        CosignatureVerifier.parse(longer.vkey)


@pytest.mark.parametrize(
    "vkey",
    [
        pytest.param(LOG.verifier.vkey, id="a log's key, type 0x01"),
        pytest.param(REMORA.replace("da77ade7", "da77ade8"), id="another key ID"),
        pytest.param(REMORA.replace("da77ade7", "DA77ADE7"), id="a key ID in capitals"),
        pytest.param(REMORA.replace("remora", "murena"), id="another name"),
        pytest.param(REMORA[:-4], id="a key cut short"),
        pytest.param(REMORA[:-4] + "tw2=", id="padding that the length does not ask for"),
        pytest.param(f"{REMORA}\n", id="a line feed behind it"),
        pytest.param("witness.test+00000000+", id="no key"),
        pytest.param(
            VerifierKey("w", KeyType.ED25519_COSIGNATURE, bytes(31)).vkey, id="31 bytes of Ed25519"
        ),
        pytest.param(
            VerifierKey("w", KeyType.ML_DSA_44_COSIGNATURE, bytes(32)).vkey, id="32 bytes of ML-DSA"
        ),
        pytest.param("w+c8d3ac0a+AgAAAA==", id="a type this ledger does not read"),
    ],
)
def test_a_cosigners_key_in_another_spelling_is_refused(vkey: str) -> None:
    with pytest.raises(NoteMalformed):
        CosignatureVerifier.parse(vkey)


def test_a_log_has_an_ed25519_or_a_post_quantum_key_and_never_a_witnesses() -> None:
    assert log_verifier(LOG.verifier.vkey) == LOG.verifier
    post_quantum = cosigner(KeyType.ML_DSA_44_COSIGNATURE).verifier
    assert log_verifier(post_quantum.vkey) == post_quantum
    with pytest.raises(NoteMalformed):
        log_verifier(REMORA)


def test_a_forged_cosignature_spoils_the_whole_note_for_who_knows_its_key() -> None:
    by = cosigner(KeyType.ML_DSA_44_COSIGNATURE)
    forged = NoteSignature(by.name, by.verifier.key_id, bytes(8 + 2_420))
    signed = HEAD.signed(LOG)
    note = SignedNote(signed.text, (*signed.signatures, forged))
    assert note.verified_by([LOG.verifier]) == (LOG.verifier,)
    trusted: list[NoteVerifier] = [LOG.verifier, by.verifier]
    with pytest.raises(NoteUnverified):
        note.verified_by(trusted)
    assert cosigned(by).verified_by([by.verifier]) == (by.verifier,)
