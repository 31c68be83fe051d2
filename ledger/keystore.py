"""Private keys this server keeps: the log's own, and those authorities placed in its custody.

    Keystore               a folder of key files, each 0600
    Keystore.create        a new key, from the system's randomness
    Keystore.log_signer    the key that signs checkpoints
    Keystore.issuer_seed   the custodial key of an issuer
    KeptKey                a private key and its thumbprint

One file a key: canonical JSON with the seed, the thumbprint and whose it is. The interface is what
a hardware module would offer later: a key is named, never shown.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ledger.canonical import Json, b64url, decode, encode, unb64url
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
        """Keep a given seed under a name that is free. Raises `FileExistsError`.

        Whoever uses a key may found a log with it, so it is on disk when this returns:

            1. write a draft, and flush it: a crash leaves the name free
            2. link it to its name, which fails where a key of that name is kept
            3. remove the draft, and flush the folder: only now would a crash of the machine keep it
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kid = thumbprint(public_key_of(seed))
        content = encode({"kid": kid, "name": name, "seed": b64url(seed)})
        draft = self._folder / f"{name}.{secrets.token_hex(8)}.draft"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self._path(name))
        finally:
            draft.unlink()
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return KeptKey(seed, kid)

    def get(self, name: str) -> KeptKey:
        """Raises `KeyNotKept`."""
        try:
            raw = self._path(name).read_bytes()
        except FileNotFoundError:
            raise KeyNotKept(f"this server keeps no key of {name}") from None
        try:
            content = decode(raw)
            key = _kept(unb64url(_member(content, "seed")), _member(content, "kid"))
        except NotCanonical:
            key = None
        if key is None:
            raise KeyNotKept(f"the key file of {name} is damaged")
        return key

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


def _kept(seed: bytes, kid: str) -> KeptKey | None:
    if len(seed) != SEED_BYTES or thumbprint(public_key_of(seed)) != kid:
        return None
    return KeptKey(seed, kid)


def _member(content: Json, name: str) -> str:
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""
