"""C2SP tlog-cosignature: what a cosigner says about a checkpoint, and when it said so.

    CosignatureVerifier   a cosigner's public key: Ed25519 (0x04) or ML-DSA-44 (0x06)
    Cosigner              a cosigner's private key; signs, and knows its verifier
    check_cosigner_name   what may name one
    Timestamped           the bytes of a cosignature: seconds since 1970, then the signature
    checkpoint_message    what is signed over a checkpoint, by key type
    subtree_message       what ML-DSA-44 signs, also over a subtree that starts further right
    log_verifier          a log's key of any type a log may have

An Ed25519 cosignature covers the whole text of the note, an ML-DSA-44 one covers its first three
lines and the cosigner's name. The same key must not serve two cosigners: the Ed25519 message does
not hold the name. Pure, as far as the key that signs is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger.checkpoint import Checkpoint
from ledger.custody import Algorithm, KeptKey
from ledger.errors import CheckpointMalformed, NoteMalformed
from ledger.merkle import Hash
from ledger.note import KeyType, NoteSignature, NoteVerifier, Verifier, VerifierKey, check_name

COSIGNATURE_TYPES = frozenset({KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44_COSIGNATURE})

TIMESTAMP_MAX = 2**63 - 1
"""tlog-cosignature "Format": later ones would be negative where a time is a signed integer."""

NAME_BYTES_MAX = 255
"""A cosigner's name and a log's origin have a length of one byte in the ML-DSA-44 message."""

_SIGNATURE_BYTES = {KeyType.ED25519_COSIGNATURE: 64, KeyType.ML_DSA_44_COSIGNATURE: 2_420}
_TIMESTAMP = struct.Struct(">Q")
_RANGE = struct.Struct(">QQ")
_SUBTREE_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Timestamped:
    """The timestamped_signature of tlog-cosignature "Format"."""

    at_s: int
    signature: bytes

    @classmethod
    def parse(cls, raw: bytes, key_type: KeyType) -> Self:
        """Exactly one structure of that type. Raises `NoteMalformed`."""
        if len(raw) != _TIMESTAMP.size + _SIGNATURE_BYTES[key_type]:
            raise NoteMalformed(f"{len(raw)} bytes are no cosignature of type {key_type:#04x}")
        (at_s,) = _TIMESTAMP.unpack_from(raw)
        if at_s > TIMESTAMP_MAX:
            raise NoteMalformed(f"a cosignature from second {at_s}, beyond 2^63 - 1")
        return cls(at_s, raw[_TIMESTAMP.size :])

    def __bytes__(self) -> bytes:
        return _TIMESTAMP.pack(self.at_s) + self.signature


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A cosigner's public key and its name."""

    key: VerifierKey

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """A vkey of type 0x04 or 0x06. Raises `NoteMalformed`."""
        key = VerifierKey.parse(vkey)
        if key.key_type not in COSIGNATURE_TYPES:
            raise NoteMalformed(f"{vkey[:120]!r} holds no cosigner's key (type 0x04 or 0x06)")
        check_cosigner_name(key.name)
        return cls(key)

    @property
    def name(self) -> str:
        """Under which it signs."""
        return self.key.name

    @property
    def key_id(self) -> bytes:
        """With the name, what its lines are known by."""
        return self.key.key_id

    @property
    def public_key(self) -> bytes:
        """Without name and type."""
        return self.key.public_key

    @property
    def vkey(self) -> str:
        """The text form, as published."""
        return self.key.vkey

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` cosigns the checkpoint whose note text is `text`."""
        try:
            given = Timestamped.parse(signature, self.key.key_type)
            message = checkpoint_message(self.key, text.decode(), given.at_s)
        except (NoteMalformed, CheckpointMalformed, UnicodeDecodeError):
            return False
        return self._signed(message, given.signature)

    def accepts_subtree(
        self, origin: str, start: int, end: int, hash_: Hash, signature: bytes
    ) -> bool:
        """Whether an ML-DSA-44 `signature` is over the subtree of leaves `start` to `end` - 1."""
        assert self.key.key_type is KeyType.ML_DSA_44_COSIGNATURE
        try:
            given = Timestamped.parse(signature, self.key.key_type)
        except NoteMalformed:
            return False
        # Only a tree that starts at the first leaf can be called the largest as of some time.
        if start and given.at_s:
            return False
        message = subtree_message(self.name, given.at_s, origin, start, end, hash_)
        return self._signed(message, given.signature)

    def _signed(self, message: bytes, signature: bytes) -> bool:
        try:
            if self.key.key_type is KeyType.ML_DSA_44_COSIGNATURE:
                MLDSA44PublicKey.from_public_bytes(self.key.public_key).verify(signature, message)
            else:
                VerifyKey(self.key.public_key).verify(message, signature)
        except (InvalidSignature, BadSignatureError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Cosigner:
    """A cosigner's private key, and the name under which it signs."""

    name: str
    key: KeptKey

    @property
    def key_type(self) -> KeyType:
        """That of a cosignature by this key's algorithm."""
        if self.key.algorithm is Algorithm.ML_DSA_44:
            return KeyType.ML_DSA_44_COSIGNATURE
        return KeyType.ED25519_COSIGNATURE

    @property
    def verifier(self) -> CosignatureVerifier:
        """The public half."""
        return CosignatureVerifier(VerifierKey(self.name, self.key_type, self.key.public_key))

    def cosign(self, text: str, *, at_s: int) -> NoteSignature:
        """This key's line under the checkpoint whose note text is `text`, as of a second.

        Whoever calls has verified that the checkpoint extends all it cosigned before. Raises
        `CheckpointMalformed`.
        """
        assert 0 < at_s <= TIMESTAMP_MAX
        verifier = self.verifier
        message = checkpoint_message(verifier.key, text, at_s)
        signature = self.key.sign(message)
        return NoteSignature(self.name, verifier.key_id, bytes(Timestamped(at_s, signature)))

    def cosign_subtree(self, origin: str, start: int, end: int, hash_: Hash) -> NoteSignature:
        """An ML-DSA-44 key's line for the leaves `start` to `end` - 1; a part has no time."""
        assert self.key_type is KeyType.ML_DSA_44_COSIGNATURE
        message = subtree_message(self.name, 0, origin, start, end, hash_)
        signature = self.key.sign(message)
        return NoteSignature(self.name, self.verifier.key_id, bytes(Timestamped(0, signature)))


def check_cosigner_name(name: str) -> None:
    """A key's name that fits into the ML-DSA-44 message. Raises `NoteMalformed`."""
    check_name(name)
    if len(name.encode()) > NAME_BYTES_MAX:
        raise NoteMalformed(f"a cosigner's name of more than {NAME_BYTES_MAX} bytes")


def checkpoint_message(key: VerifierKey, text: str, at_s: int) -> bytes:
    """What a cosigner signs over a checkpoint. Raises `CheckpointMalformed`."""
    checkpoint = Checkpoint.read(text)
    if key.key_type is KeyType.ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {at_s}\n{text}".encode()
    assert key.key_type is KeyType.ML_DSA_44_COSIGNATURE
    if len(checkpoint.origin.encode()) > NAME_BYTES_MAX:
        raise CheckpointMalformed(f"an origin of more than {NAME_BYTES_MAX} bytes")
    return subtree_message(
        key.name, at_s, checkpoint.origin, 0, checkpoint.tree_size, checkpoint.root_hash
    )


def subtree_message(name: str, at_s: int, origin: str, start: int, end: int, hash_: Hash) -> bytes:
    """The cosigned_message of tlog-cosignature "ML-DSA-44 signed message"."""
    assert not (start and at_s)
    return b"".join(
        (
            _SUBTREE_LABEL,
            _with_length(name),
            _TIMESTAMP.pack(at_s),
            _with_length(origin),
            _RANGE.pack(start, end),
            hash_,
        )
    )


def log_verifier(vkey: str) -> NoteVerifier:
    """A log's key: Ed25519 (0x01), or ML-DSA-44 (0x06) as tlog-checkpoint "Signatures" asks.

    Raises `NoteMalformed`.
    """
    key = VerifierKey.parse(vkey)
    if key.key_type is KeyType.ED25519:
        return Verifier(key.name, key.public_key)
    if key.key_type is KeyType.ED25519_COSIGNATURE:
        raise NoteMalformed(f"{vkey[:120]!r} holds a witness's key (type 0x04), not a log's")
    return CosignatureVerifier.parse(vkey)


def _with_length(text: str) -> bytes:
    raw = text.encode()
    assert 0 < len(raw) <= NAME_BYTES_MAX
    return bytes([len(raw)]) + raw
