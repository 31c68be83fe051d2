"""Private keys this server keeps: the log's own, and those authorities placed in its custody.

    Keystore               a folder of key files, each 0600
    Keystore.create        a new key, from the system's randomness
    Keystore.log_signer    the key that signs checkpoints
    Keystore.issuer_seed   the custodial key of an issuer

One file a key: canonical JSON with the seed, the thumbprint and whose it is. The interface is what
a hardware module would offer later: a key is named, never shown.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ledger.canonical import b64url, decode, encode, unb64url
from ledger.errors import KeyNotKept, NotCanonical
from ledger.identity import SubjectLabel
from ledger.note import Signer
from ledger.token import public_key_of, thumbprint

SEED_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class KeptKey:
    """A private key and its thumbprint."""

    seed: bytes
    kid: str

    @property
    def public_key(self) -> bytes:
        """The public half."""
        return public_key_of(self.seed)


class Keystore:
    """Key files in one folder. Names are `root`, `log`, `map`, `door`, or an issuer's label."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str) -> KeptKey:
        """A new random key under a name that is free."""
        return self.place(name, secrets.token_bytes(SEED_BYTES))

    def place(self, name: str, seed: bytes) -> KeptKey:
        """Keep a given seed under a name that is free."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kid = thumbprint(public_key_of(seed))
        content = encode({"kid": kid, "name": name, "seed": b64url(seed)})
        descriptor = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return KeptKey(seed, kid)

    def get(self, name: str) -> KeptKey:
        """Raises `KeyNotKept`."""
        try:
            content = decode(self._path(name).read_bytes())
        except (FileNotFoundError, NotCanonical):
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("seed"), str):
            raise KeyNotKept(f"this server keeps no key of {name}")
        seed = unb64url(str(content["seed"]))
        return KeptKey(seed, thumbprint(public_key_of(seed)))

    def has(self, name: str) -> bool:
        """Whether a key of that name is kept."""
        return self._path(name).exists()

    def log_signer(self, origin: str) -> Signer:
        """The key that signs checkpoints. Raises `KeyNotKept`."""
        return Signer(origin, self.get("log").seed)

    def issuer_seed(self, issuer: SubjectLabel) -> bytes:
        """The custodial key of an issuer. Raises `KeyNotKept`."""
        return self.get(issuer).seed

    def _path(self, name: str) -> Path:
        assert name.replace("-", "").replace("_", "").isalnum()
        return self._folder / f"{name}.key"
