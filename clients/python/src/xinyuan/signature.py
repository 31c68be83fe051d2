"""Ed25519 (RFC 8032) by PyNaCl, ML-DSA-44 (FIPS 204) by cryptography.

    is_valid         whether an Ed25519 key signed a message
    is_valid_ml_dsa  whether an ML-DSA-44 key did; needs the extra `ml-dsa` of this package

Libraries are loaded with the first signature, so that `xinyuan --help` answers at once. It
refuses non-canonical S and keys of small order, so no second signature can be derived
from a first. Pure.
"""

from xinyuan.errors import Code, VerificationError

PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64
ML_DSA_PUBLIC_KEY_SIZE = 1_312
ML_DSA_SIGNATURE_SIZE = 2_420


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


def is_valid_ml_dsa(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether `signature` over `message` was made with the key behind `public_key`."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    except ImportError as error:
        raise VerificationError(
            Code.ML_DSA_UNAVAILABLE,
            "this log signs with ML-DSA-44 too; to check it, install xinyuan[ml-dsa]",
        ) from error

    assert len(public_key) == ML_DSA_PUBLIC_KEY_SIZE
    assert len(signature) == ML_DSA_SIGNATURE_SIZE
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
