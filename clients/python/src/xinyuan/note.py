"""C2SP signed-note: a text, an empty line, and lines that sign it.

    VerifierKey    `name+key id+base64(type, key)`, Ed25519 only
    SignatureLine  one `— name base64(key id, signature)`
    SignedNote     the text and its signature lines
    SignedNote.verify     refuses unless the key has signed
    SignedNote.strangers  the lines that a key has not made

Key id = first 4 bytes of SHA-256(name, LF, type byte, key). Names hold neither "+" nor
white space. A note holds no control character but LF. Pure.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from xinyuan import exact_base64, signature
from xinyuan.errors import Code, VerificationError

_ED25519 = b"\x01"
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_KEY_ID_SIZE = 4
# The bound of Go's reader; sixteen is what C2SP asks every reader to take.
SIGNATURES_MAX = 100


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A log's public key together with the name that signs."""

    name: str
    key_id: bytes
    public_key: bytes
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the exact spelling of an Ed25519 verifier key."""
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
        if typed[:1] != _ED25519 or len(typed) != 1 + signature.PUBLIC_KEY_SIZE:
            raise _key("it is not an Ed25519 key")
        expected = hashlib.sha256(name.encode("utf-8") + b"\n" + typed).digest()[:_KEY_ID_SIZE]
        if bytes.fromhex(key_id) != expected:
            raise _key("its key id does not belong to its name and key")
        return cls(name=name, key_id=expected, public_key=typed[1:], text=text)


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
    """A note that reads well; nothing is believed before `verify`."""

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

    def verify(self, key: VerifierKey) -> None:
        """Refuse unless `key` has signed the text. Lines of other keys are not judged."""
        line = next((line for line in self.signatures if line.claims(key)), None)
        if line is None:
            raise VerificationError(
                Code.NOTE_UNSIGNED, f"the checkpoint bears no signature of {key.text}"
            )
        if len(line.signature) != signature.SIGNATURE_SIZE or not signature.is_valid(
            key.public_key, self.text.encode("utf-8"), line.signature
        ):
            raise VerificationError(
                Code.NOTE_SIGNATURE_INVALID,
                f"the signature of {key.name} does not fit the checkpoint",
            )

    def strangers(self, key: VerifierKey) -> tuple[SignatureLine, ...]:
        """Give the lines that `verify` leaves unjudged."""
        return tuple(line for line in self.signatures if not line.claims(key))


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
