"""C2SP tlog-cosignature: what a witness says of a checkpoint, and from which second.

    CosignerKey          a witness's verifier key, Ed25519 (0x04) or ML-DSA-44 (0x06)
    CosignerKey.accepts  whether a line, without its key id, cosigns a checkpoint

An Ed25519 cosignature is over a header, the time and the whole text of the note. An
ML-DSA-44 one is over the names of cosigner and log, the time, the size and the root. Pure.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Self

from xinyuan import exact_base64, signature
from xinyuan.checkpoint import Checkpoint

_ED25519, _ML_DSA_44 = 0x04, 0x06
_KEY_SIZES = {
    _ED25519: signature.PUBLIC_KEY_SIZE,
    _ML_DSA_44: signature.ML_DSA_PUBLIC_KEY_SIZE,
}
_SIGNATURE_SIZES = {
    _ED25519: signature.SIGNATURE_SIZE,
    _ML_DSA_44: signature.ML_DSA_SIGNATURE_SIZE,
}
_KEY_ID_SIZE = 4
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_TIME = struct.Struct(">Q")
_RANGE = struct.Struct(">QQ")
# Later ones would be negative where a time is a signed integer.
_TIME_LAST = 2**63 - 1
# Each name stands behind one byte of length.
_NAME_SIZE_LAST = 255


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A witness's public key and the name under which it signs."""

    name: str
    key_id: bytes
    key_type: int
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the exact spelling of a verifier key of either type; raise ValueError."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise ValueError("a verifier key has the form name+key id+key")
        name, key_id, encoded = parts
        if not name or any(map(str.isspace, name)) or len(name.encode()) > _NAME_SIZE_LAST:
            raise ValueError(f"{name!a} does not name a witness")
        if not _KEY_ID.fullmatch(key_id):
            raise ValueError("a key id is eight lower-case hexadecimal digits")
        typed = exact_base64.decode_standard(encoded)
        if not typed or len(typed) - 1 != _KEY_SIZES.get(typed[0]):
            raise ValueError("it is no witness's key, of Ed25519 (0x04) or ML-DSA-44 (0x06)")
        expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:_KEY_ID_SIZE]
        if bytes.fromhex(key_id) != expected:
            raise ValueError("its key id does not belong to its name and key")
        return cls(name=name, key_id=expected, key_type=typed[0], public_key=typed[1:])

    def accepts(self, text: str, checkpoint: Checkpoint, signed: bytes) -> bool:
        """Say whether `signed` cosigns the checkpoint whose note text is `text`.

        Raise VerificationError where ML-DSA-44 cannot be checked here.
        """
        if len(signed) != _TIME.size + _SIGNATURE_SIZES[self.key_type]:
            return False
        (time,) = _TIME.unpack_from(signed)
        # A cosignature without a time is of a subtree; a checkpoint's is as of some second.
        if not 0 < time <= _TIME_LAST:
            return False
        made = signed[_TIME.size :]
        if self.key_type == _ED25519:
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            return signature.is_valid(self.public_key, message, made)
        origin = checkpoint.origin.encode()
        if len(origin) > _NAME_SIZE_LAST:
            return False
        message = b"".join(
            (
                b"subtree/v1\n\0",
                _with_size(self.name.encode()),
                _TIME.pack(time),
                _with_size(origin),
                _RANGE.pack(0, checkpoint.tree_size),
                checkpoint.root_hash,
            )
        )
        return signature.is_valid_ml_dsa(self.public_key, message, made)


def _with_size(name: bytes) -> bytes:
    return bytes([len(name)]) + name
