"""A private key in this process, as its 32-byte seed.

    SeedKey            signs with it; its repr tells nothing
    SeedKey.of         by name, which says the algorithm

Ed25519 is deterministic (RFC 8032). ML-DSA-44 signatures are hedged inside the library (FIPS 204
§3.4): two over one message differ, and both verify. Pure but for that.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from ledger.canonical import b64url, encode
from ledger.custody import Algorithm, algorithm_of
from ledger.token import thumbprint

SEED_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class SeedKey:
    """A seed, and what follows from it."""

    seed: bytes
    algorithm: Algorithm = Algorithm.ED25519
    public_key: bytes = field(init=False, compare=False)
    kid: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.seed) == SEED_BYTES
        # Derived once: a key signs thousands of times.
        if self.algorithm is Algorithm.ED25519:
            public_key, _ = crypto_sign_seed_keypair(self.seed)
            kid = thumbprint(public_key)
        else:
            private_key = MLDSA44PrivateKey.from_seed_bytes(self.seed)
            public_key = private_key.public_key().public_bytes_raw()
            kid = _thumbprint_of_akp(public_key)
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "kid", kid)

    @classmethod
    def of(cls, name: str, seed: bytes) -> Self:
        """The key that a seed is under a name."""
        return cls(seed, algorithm_of(name))

    @property
    def waits(self) -> bool:
        """It asks nobody."""
        return False

    def sign(self, message: bytes) -> bytes:
        """The signature over a message."""
        if self.algorithm is Algorithm.ED25519:
            # libsodium's secret key is the seed with the public key behind it.
            return crypto_sign(message, self.seed + self.public_key)[:crypto_sign_BYTES]
        return MLDSA44PrivateKey.from_seed_bytes(self.seed).sign(message)

    def draw(self, message: bytes) -> bytes:
        """HMAC-SHA-256 under the seed."""
        return hmac.digest(self.seed, message, "sha256")


def _thumbprint_of_akp(public_key: bytes) -> str:
    """RFC 7638 over the required members of an AKP key, as "ML-DSA for JOSE and COSE" has them."""
    jwk = {"alg": Algorithm.ML_DSA_44.value, "kty": "AKP", "pub": b64url(public_key)}
    return b64url(hashlib.sha256(encode(dict(jwk))).digest())
