"""C2SP signed-note and tlog-checkpoint, with the vectors of their public implementations."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint, open_checkpoint
from ledger.errors import CheckpointMalformed, NoteMalformed, NoteUnverified
from ledger.merkle import Hash
from ledger.note import NOTE_BYTES_MAX, SIGNATURES_MAX, SignedNote, Signer, Verifier
from ledger.seed_key import SeedKey

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_LINE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)
EXAMPLE = f"This is an example message.\n\n\u2014 example.com/foo {EXAMPLE_LINE}\n"


def test_the_published_note_verifies_under_its_published_key() -> None:
    note = SignedNote.parse(EXAMPLE.encode())
    key = Verifier.parse(EXAMPLE_KEY)
    assert note.verified_by([key]) == (key,)
    assert str(note) == EXAMPLE
    assert key.vkey == EXAMPLE_KEY


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ],
)
def test_published_keys_have_their_published_key_ids(vkey: str) -> None:
    assert Verifier.parse(vkey).vkey == vkey


def test_the_published_checkpoint_is_signed_bit_for_bit() -> None:
    # C2SP issue 99, as corrected there: seed 0x11 and 31 zero bytes, size 10.
    seed = b"\x11" + bytes(31)
    public_key = Signer("any", SeedKey(seed)).verifier.public_key
    origin = f"sigsum.org/v1/tree/{hashlib.sha256(public_key).hexdigest()}"
    root_hash = base64.b64decode("HA5HAAAA" + "A" * 35 + "=")
    signed = Checkpoint(origin, 10, Hash(root_hash)).signed(Signer(origin, SeedKey(seed)))
    assert public_key.hex()[:8] + public_key.hex()[-6:] == "66e0b858c424a7"
    assert str(signed).endswith(
        "gJ2ho0n8F8olcerUF1FFdv235A/5as/coWrpLrtE7ovMeP5whgwouYExowG/lTznxu6OUGjjt5yJQ6bXtTcf718M"
        "qAQ=\n"
    )


@pytest.mark.parametrize(
    "vkey",
    [
        pytest.param("example.com/foo+530d903b" + EXAMPLE_KEY[24:], id="another key ID"),
        pytest.param("example.com/bar" + EXAMPLE_KEY[15:], id="another name"),
        pytest.param(EXAMPLE_KEY[:-1], id="base64 cut short"),
        pytest.param(EXAMPLE_KEY.replace("+Aeky", "+BOky"), id="another key type"),
        pytest.param("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", id="a space"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_key_text_that_does_not_hold_together_is_refused(vkey: str) -> None:
    with pytest.raises(NoteMalformed):
        Verifier.parse(vkey)


@pytest.mark.parametrize(
    "note",
    [
        pytest.param(EXAMPLE[:-1], id="no line feed at the end"),
        pytest.param(EXAMPLE.replace("\n\n", "\n"), id="no empty line"),
        pytest.param(EXAMPLE.replace("\u2014", "-"), id="a hyphen for the dash"),
        pytest.param(EXAMPLE.replace(EXAMPLE_LINE, EXAMPLE_LINE + " "), id="a space at the end"),
        pytest.param(EXAMPLE.replace("QM=", "QN="), id="spare bits that are not zero"),
        pytest.param(EXAMPLE.replace("message", "mess\tage"), id="a control character"),
        pytest.param(EXAMPLE.replace("example.com/foo ", "example.com/foo+x "), id="a plus"),
        pytest.param(EXAMPLE + "\u2014 short AAAA\n", id="a key ID and no signature"),
        pytest.param("text\n\n" + EXAMPLE[29:] * (SIGNATURES_MAX + 1), id="too many signatures"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_note_in_another_spelling_is_refused(note: str) -> None:
    with pytest.raises(NoteMalformed):
        SignedNote.parse(note.encode())


def test_a_note_has_a_longest_form() -> None:
    tail = EXAMPLE[EXAMPLE.index("\n") :].encode()
    longest = b"x" * (NOTE_BYTES_MAX - len(tail)) + tail
    assert len(SignedNote.parse(longest).signatures) == 1
    with pytest.raises(NoteMalformed):
        SignedNote.parse(b"x" + longest)


def test_a_note_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(NoteMalformed):
        SignedNote.parse(EXAMPLE.encode().replace(b"example message", b"\xff"))


def test_a_known_key_that_fails_spoils_the_note_and_unknown_ones_are_ignored() -> None:
    other = Signer("example.com/other", SeedKey(bytes(32)))
    key = Verifier.parse(EXAMPLE_KEY)
    two = EXAMPLE + str(other.sign("This is an example message.\n").signatures[0])
    note = SignedNote.parse(two.encode())
    assert note.verified_by([key]) == (key,)
    assert note.verified_by([key, other.verifier]) == (key, other.verifier)
    forged = SignedNote.parse(two.replace("an example", "no example").encode())
    with pytest.raises(NoteUnverified):
        forged.verified_by([key])
    with pytest.raises(NoteUnverified):
        note.verified_by([Signer("nobody", SeedKey(bytes(32))).verifier])


LOG = Signer("ledger.test/xinyuan", SeedKey(bytes(range(32))))
HEAD = Checkpoint(LOG.name, 5, Hash(bytes(32)))


@given(st.integers(0, TREE_SIZE_MAX), st.binary(min_size=32, max_size=32))
def test_checkpoint_and_text_are_inverse(tree_size: int, root_hash: bytes) -> None:
    checkpoint = Checkpoint("ledger.test/xinyuan", tree_size, Hash(root_hash))
    assert Checkpoint.parse(checkpoint.text) == checkpoint
    assert open_checkpoint(str(checkpoint.signed(LOG)).encode(), LOG.verifier) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEAD.text.replace("\n5\n", "\n05\n"), id="a size with a leading zero"),
        pytest.param(HEAD.text.replace("\n5\n", "\n-5\n"), id="a negative size"),
        pytest.param(
            HEAD.text.replace("\n5\n", f"\n{TREE_SIZE_MAX + 1}\n"), id="a size beyond 2^53 - 1"
        ),
        pytest.param(HEAD.text.replace("\n5\n", "\n٥\n"), id="a digit of another script"),
        pytest.param(HEAD.text + "extension\n", id="an extension line"),
        pytest.param(HEAD.text[:-1], id="no line feed at the end"),
        pytest.param(HEAD.text.replace("AAA=", "AA=="), id="a root of 31 bytes"),
        pytest.param(HEAD.text.replace(LOG.name, ""), id="no origin"),
    ],
)
def test_a_checkpoint_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        Checkpoint.parse(text)


def test_a_log_signs_heads_of_its_own_origin_only() -> None:
    foreign = Checkpoint("another.test/log", 5, Hash(bytes(32))).signed(LOG)
    with pytest.raises(CheckpointMalformed):
        open_checkpoint(str(foreign).encode(), LOG.verifier)


@given(st.integers(0, 1_000), st.integers(1, 255))
def test_no_changed_byte_of_a_checkpoint_goes_unnoticed(at: int, change: int) -> None:
    note = bytearray(str(HEAD.signed(LOG)).encode())
    note[at % len(note)] ^= change
    with pytest.raises((NoteMalformed, NoteUnverified, CheckpointMalformed)):
        open_checkpoint(bytes(note), LOG.verifier)
