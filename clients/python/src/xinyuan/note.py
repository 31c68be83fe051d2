"""C2SP signed-note: a text, an empty line, and lines that sign it.

    KeyType        Ed25519, or ML-DSA-44 in the form of a cosignature
    VerifierKey    `name+key id+base64(type, key)`
    SignatureLine  one `— name base64(key id, signature)`
    SignedNote     the text and its signature lines
    SignedNote.is_signed_by  whether the key has signed; a line of it that fails is refused
    SignedNote.verify        refuses unless the key has signed
    SignedNote.strangers     the lines that none of some keys has made

Key id = first 4 bytes of SHA-256(name, LF, type byte, key). Names hold neither "+" nor
white space. A note holds no control character but LF. Pure.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from xinyuan import exact_base64, signature
from xinyuan.checkpoint import Checkpoint
from xinyuan.cosignature import CosignerKey
from xinyuan.errors import Code, VerificationError

_KEY_ID = re.compile(r"[0-9a-f]{8}")
_KEY_ID_SIZE = 4
# The bound of Go's reader; sixteen is what C2SP asks every reader to take.
SIGNATURES_MAX = 100


class KeyType(IntEnum):
    """The byte before the key of a verifier key."""

    ED25519 = 0x01
    ML_DSA_44 = 0x06

    @property
    def public_key_size(self) -> int:
        """How long a key of this type is."""
        if self is KeyType.ML_DSA_44:
            return signature.ML_DSA_PUBLIC_KEY_SIZE
        return signature.PUBLIC_KEY_SIZE


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A log's public key together with the name that signs."""

    name: str
    key_id: bytes
    public_key: bytes
    text: str
    key_type: KeyType = KeyType.ED25519

    @classmethod
    def parse(cls, text: str, key_type: KeyType = KeyType.ED25519) -> Self:
        """Take the exact spelling of a verifier key of that type."""
        # The base64 may itself hold "+", so only the first two separate.
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise _key("it has the form name+key id+key")
        name, key_id, encoded = parts
        if not _is_name(name):
            raise _key(f"{name!a} is not a name")
        if not _KEY_ID.fullmatch(key_id):
            raise _key("its key id is eight lower-case hexadecimal digits")
        try:
            typed = exact_base64.decode_standard(encoded)
        except ValueError as error:
            raise _key("its last part is not base64") from error
        if typed[:1] != bytes([key_type]) or len(typed) != 1 + key_type.public_key_size:
            raise _key(f"it is no {key_type.name} key")
        expected = hashlib.sha256(name.encode("utf-8") + b"\n" + typed).digest()[:_KEY_ID_SIZE]
        if bytes.fromhex(key_id) != expected:
            raise _key("its key id does not belong to its name and key")
        return cls(name=name, key_id=expected, public_key=typed[1:], text=text, key_type=key_type)

    def accepts(self, note: str, signed: bytes) -> bool:
        """Say whether `signed`, a line without its key id, signs the text of a note."""
        if self.key_type is KeyType.ED25519:
            return len(signed) == signature.SIGNATURE_SIZE and signature.is_valid(
                self.public_key, note.encode("utf-8"), signed
            )
        # An ML-DSA-44 line of a log has the form of a cosignature (tlog-checkpoint "Signatures").
        cosigner = CosignerKey(self.name, self.key_id, self.key_type, self.public_key)
        return cosigner.accepts(note, Checkpoint.parse(note), signed)


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature over a note, by whom it says it is."""

    name: str
    key_id: bytes
    signature: bytes

    def claims(self, key: VerifierKey) -> bool:
        """Say whether the line presents itself as made by `key`."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note that reads well; nothing is believed before a key was asked."""

    text: str
    signatures: tuple[SignatureLine, ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Split a note at its last empty line."""
        if any(character < " " and character != "\n" for character in note):
            raise _malformed("it holds a control character")
        split_at = note.rfind("\n\n")
        if split_at < 0:
            raise _malformed("no empty line parts its text from its signatures")
        text, tail = note[: split_at + 1], note[split_at + 2 :]
        if not tail.endswith("\n"):
            raise _malformed("its last line has no end")
        lines = tail[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise _malformed(f"it has more than {SIGNATURES_MAX} signatures")
        signatures = tuple(_signature_line(line) for line in lines)
        if len({(line.name, line.key_id) for line in signatures}) != len(signatures):
            raise _malformed("one key signs it twice")
        return cls(text=text, signatures=signatures)

    def is_signed_by(self, key: VerifierKey) -> bool:
        """Say whether `key` has signed. Refuse a line that says so and does not fit."""
        line = next((line for line in self.signatures if line.claims(key)), None)
        if line is not None and not key.accepts(self.text, line.signature):
            raise VerificationError(
                Code.NOTE_SIGNATURE_INVALID,
                f"the signature of {key.name} does not fit the checkpoint",
            )
        return line is not None

    def verify(self, key: VerifierKey) -> None:
        """Refuse unless `key` has signed the text. Lines of other keys are not judged."""
        if not self.is_signed_by(key):
            raise VerificationError(
                Code.NOTE_UNSIGNED, f"the checkpoint bears no signature of {key.text}"
            )

    def strangers(self, keys: Sequence[VerifierKey]) -> tuple[SignatureLine, ...]:
        """Give the lines that none of these keys claims."""
        return tuple(line for line in self.signatures if not any(map(line.claims, keys)))


def _signature_line(line: str) -> SignatureLine:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—" or not _is_name(name):
        raise _malformed("a signature line has the form — name base64")
    try:
        blob = exact_base64.decode_standard(encoded)
    except ValueError as error:
        raise _malformed("a signature is not base64") from error
    if len(blob) <= _KEY_ID_SIZE:
        raise _malformed("a signature is too short")
    return SignatureLine(name=name, key_id=blob[:_KEY_ID_SIZE], signature=blob[_KEY_ID_SIZE:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def _key(message: str) -> VerificationError:
    return VerificationError(Code.LOG_KEY_MALFORMED, f"not a verifier key: {message}")


def _malformed(message: str) -> VerificationError:
    return VerificationError(Code.NOTE_MALFORMED, f"not a signed note: {message}")
