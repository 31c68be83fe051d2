"""Base64 (RFC 4648 §4 and §5) with exactly one spelling per byte string.

    encode_url, decode_url            base64url without padding, as tokens and labels use it
    encode_standard, decode_standard  base64 with padding, as notes and paths use it

Decoders raise ValueError for whatever does not encode back to the same text: padding out
of place, other alphabets, white space, stray low bits. Pure.
"""

import base64
import binascii


def encode_url(raw: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_url(text: str, *, size: int | None = None) -> bytes:
    """Read base64url without padding; with `size`, exactly that many bytes."""
    # The re-encoding below refuses "+" and "/", which the decoder would let pass.
    raw = _decode(text.translate(_URL_TO_STANDARD) + "=" * (-len(text) % 4))
    if encode_url(raw) != text:
        raise ValueError("not the canonical base64url spelling")
    return _sized(raw, size)


def encode_standard(raw: bytes) -> str:
    """Write base64 with padding."""
    return base64.b64encode(raw).decode("ascii")


def decode_standard(text: str, *, size: int | None = None) -> bytes:
    """Read base64 with padding; with `size`, exactly that many bytes."""
    raw = _decode(text)
    if encode_standard(raw) != text:
        raise ValueError("not the canonical base64 spelling")
    return _sized(raw, size)


_URL_TO_STANDARD = str.maketrans("-_", "+/")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64") from error


def _sized(raw: bytes, size: int | None) -> bytes:
    if size is not None and len(raw) != size:
        raise ValueError(f"{len(raw)} bytes where {size} belong")
    return raw
