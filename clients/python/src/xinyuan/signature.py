"""Ed25519 (RFC 8032) by PyNaCl.

    is_valid  whether a key signed a message

PyNaCl is loaded with the first signature, so that `xinyuan --help` answers at once. It
refuses non-canonical S and keys of small order, so no second signature can be derived
from a first. Pure.
"""

PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64


def is_valid(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether `signature` over `message` was made with the key behind `public_key`."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    assert len(public_key) == PUBLIC_KEY_SIZE
    assert len(signature) == SIGNATURE_SIZE
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True
