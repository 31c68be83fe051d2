"""C2SP signed-note: a text and the signatures under it.

    KeyType         the byte before the key of a vkey
    VerifierKey     a public key, its type and its name, as a vkey spells them
    NoteVerifier    what a trusted key of any type can do
    Verifier        a public key with its name, from a vkey
    Signer          a private key with its name; signs, and knows its verifier
    NoteSignature   name, key ID and the bytes of one signature line
    SignedNote      text and signature lines; parse and str are inverse
    SignedNote.verified_by   which of the trusted keys signed it
    check_name, standard_base64   spellings that notes, keys and checkpoints share

A log signs by Ed25519 (type 0x01); cosignatures of the other types are read and judged in
`ledger.cosignature`. Lines of unknown keys are kept and ignored, as the standard asks; a line of
a known key that fails spoils the whole note. Pure: a signer is a value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, Self, TypeVar

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger.custody import Algorithm, KeptKey
from ledger.errors import NoteMalformed, NoteUnverified

KEY_ID_BYTES = 4
NOTE_BYTES_MAX = 1_000_000
"""A checkpoint with sixteen ML-DSA-44 cosignatures has some 60 kB; Go's reader stops at 1 MB."""
SIGNATURES_MAX = 100
"""As Go's reader; the standard asks for at least 16."""

_DASH = "\u2014 "


def standard_base64(text: str) -> bytes:
    """Strict base64 with padding, RFC 4648 §4. Raises `NoteMalformed` for another spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteMalformed(f"{text[:80]!r} is not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise NoteMalformed(f"{text[:80]!r} is another spelling of its base64")
    return raw


def check_name(name: str) -> None:
    """A key's name: not empty, no space of any script, no plus. Raises `NoteMalformed`."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteMalformed(f"{name!r} cannot name a key")


class KeyType(IntEnum):
    """The byte before the key, signed-note "Signature types". All others are refused in a vkey."""

    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    ML_DSA_44_COSIGNATURE = 0x06

    @property
    def public_key_bytes(self) -> int:
        """How long a key of this type is: RFC 8032 §5.1.5, FIPS 204 table 2."""
        return 1_312 if self is KeyType.ML_DSA_44_COSIGNATURE else 32

    @property
    def algorithm(self) -> Algorithm:
        """What a key of this type signs with."""
        is_ml_dsa = self is KeyType.ML_DSA_44_COSIGNATURE
        return Algorithm.ML_DSA_44 if is_ml_dsa else Algorithm.ED25519


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key, its type, and the name under which it signs."""

    name: str
    key_type: KeyType
    public_key: bytes

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """A vkey: name+hex key ID+base64(type || key). Raises `NoteMalformed`."""
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        check_name(name)
        material = standard_base64(encoded)
        try:
            key_type = KeyType(material[0])
        except (IndexError, ValueError):
            raise NoteMalformed(f"{vkey[:120]!r} holds no key of a known type") from None
        if len(material) != 1 + key_type.public_key_bytes:
            raise NoteMalformed(f"{vkey[:120]!r} holds a key of {len(material) - 1} bytes")
        key = cls(name, key_type, material[1:])
        if key_id != key.key_id.hex():
            raise NoteMalformed(f"{vkey[:120]!r}: the key ID does not belong to name and key")
        return key

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || LF || type || key)."""
        material = self.name.encode() + b"\n" + bytes([self.key_type]) + self.public_key
        return hashlib.sha256(material).digest()[:KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The text form, as published."""
        material = base64.b64encode(bytes([self.key_type]) + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{material}"


class NoteVerifier(Protocol):
    """A key that somebody trusts, of whatever type."""

    @property
    def name(self) -> str:
        """Under which it signs."""

    @property
    def key_id(self) -> bytes:
        """With the name, what its lines are known by."""

    @property
    def public_key(self) -> bytes:
        """Without name and type: what makes two keys the same."""

    @property
    def vkey(self) -> str:
        """The text form, as published."""

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether the bytes of a line, without the key ID, sign `text`."""


_Trusted = TypeVar("_Trusted", bound=NoteVerifier)


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 public key and the name under which it signs."""

    name: str
    public_key: bytes

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """A vkey of type 0x01. Raises `NoteMalformed`."""
        key = VerifierKey.parse(vkey)
        if key.key_type is not KeyType.ED25519:
            raise NoteMalformed(f"{vkey[:120]!r} holds no Ed25519 key (type 0x01)")
        return cls(key.name, key.public_key)

    @property
    def key(self) -> VerifierKey:
        """What its vkey holds."""
        return VerifierKey(self.name, KeyType.ED25519, self.public_key)

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || LF || type || key)."""
        return self.key.key_id

    @property
    def vkey(self) -> str:
        """The text form, as published."""
        return self.key.vkey

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` over `text` verifies."""
        try:
            VerifyKey(self.public_key).verify(text, signature)
        except (BadSignatureError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """An Ed25519 private key, and the name under which it signs."""

    name: str
    key: KeptKey

    def __post_init__(self) -> None:
        assert self.key.algorithm is Algorithm.ED25519

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.key.public_key)

    def sign_bytes(self, message: bytes) -> bytes:
        """Of a message that is no text, so that it can be taken for no note."""
        return self.key.sign(message)

    def sign(self, text: str) -> SignedNote:
        """The note over `text`, with this key's line alone."""
        assert text.endswith("\n")
        signature = self.key.sign(text.encode())
        return SignedNote(text, (NoteSignature(self.name, self.verifier.key_id, signature),))


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        encoded = base64.b64encode(self.key_id + self.signature).decode("ascii")
        return f"{_DASH}{self.name} {encoded}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text ending in a line feed, and at least one signature line."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The note whose bytes are exactly `raw`. Raises `NoteMalformed`."""
        if len(raw) > NOTE_BYTES_MAX:
            raise NoteMalformed(f"longer than {NOTE_BYTES_MAX} bytes")
        try:
            whole = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise NoteMalformed("not UTF-8") from None
        if any(character < " " and character != "\n" for character in whole):
            raise NoteMalformed("a control character other than a line feed")
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise NoteMalformed("no empty line before the signatures, or no line feed at the end")
        signatures = tuple(_parse_line(line) for line in lines[:-1].split("\n"))
        if len(signatures) > SIGNATURES_MAX:
            raise NoteMalformed(f"more than {SIGNATURES_MAX} signatures")
        return cls(text + "\n", signatures)

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def verified_by(self, trusted: Sequence[_Trusted]) -> tuple[_Trusted, ...]:
        """The trusted keys that signed this note. Raises `NoteUnverified` when none did."""
        found: list[_Trusted] = []
        body = self.text.encode()
        for line in self.signatures:
            for verifier in trusted:
                if (line.name, line.key_id) != (verifier.name, verifier.key_id):
                    continue
                if not verifier.accepts(body, line.signature):
                    raise NoteUnverified(f"the signature of {verifier.name} does not verify")
                found.append(verifier)
        if not found:
            raise NoteUnverified("none of the trusted keys signed this note")
        return tuple(found)


def _parse_line(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise NoteMalformed(f"{line[:80]!r} is no signature line")
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    check_name(name)
    material = standard_base64(encoded)
    if not separator or len(material) <= KEY_ID_BYTES:
        raise NoteMalformed(f"{line[:80]!r} holds no signature")
    return NoteSignature(name, material[:KEY_ID_BYTES], material[KEY_ID_BYTES:])
