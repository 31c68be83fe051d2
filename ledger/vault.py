"""Key files at rest, plain or sealed, and what unlocks a sealed keystore.

    Passphrase, UnlockingKey   what an operator unlocks a keystore with
    Cost                       what a passphrase costs to try: Argon2id, RFC 9106
    VaultKey                   seals key files; known to whoever unlocked the vault
    Vault                      the file that holds vault keys, closed
    Vault.closed               vault keys and what unlocks them to a vault
    Vault.open                 its inverse
    PlainKey, SealedKey        a key file of either sort
    read_key_file              a key file's bytes to one of them, exact
    seal_key                   a seed to a sealed key file

A vault key is random, and closed by what unlocks the keystore; each key file is sealed by a vault
key. Both boxes are XChaCha20-Poly1305 and authenticate what stands beside them in clear: a vault
its parameters, a key file its own name, so that no file passes for another's. Nothing here shows a
seed in its repr. Pure: nonces and salts are arguments, each used once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from ledger.canonical import Json, b64url, decode, encode, unb64url
from ledger.errors import (
    KeyFileDamaged,
    KeystoreDamaged,
    KeystoreSecretInvalid,
    KeystoreSecretWrong,
    NotCanonical,
)
from ledger.seed_key import SEED_BYTES, SeedKey

VAULT_KEY_BYTES = 32
NONCE_BYTES = 24
SALT_BYTES = 16
ID_BYTES = 8

PASSPHRASE_BYTES_MIN = 12
"""Argon2id makes a guess dear, not impossible: a shorter one is guessed all the same."""

PASSPHRASE_BYTES_MAX = 1_024
"""A sentence; more is a file that was meant for something else."""

PASSES_MAX = 16
"""A parameter comes from a file: a changed one must not keep a start from ever ending."""

MEMORY_BYTES_MAX = 1024 * 1024 * 1024
"""Nor take more memory than a small server has."""

MEMORY_BYTES_MIN = 8_192
"""The least that libsodium takes."""

VAULT_KEYS_MAX = 2
"""One, and the one before it while key files are sealed anew."""

_VAULT_DOMAIN = b"xinyuan keystore vault v1\n"
_KEY_DOMAIN = b"xinyuan keystore key v1\n"
_UNLOCK_DOMAIN = b"xinyuan keystore unlocking key v1\n"
_UNLOCKING_KEY = re.compile(rb"([A-Za-z0-9_-]{43})\r?\n?")


@dataclass(frozen=True, slots=True, repr=False)
class Passphrase:
    """What a person remembers, or a service manager hands over."""

    text: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From a file: one line, its end left out. Raises `KeystoreSecretInvalid`."""
        text = raw.removesuffix(b"\n").removesuffix(b"\r")
        if not PASSPHRASE_BYTES_MIN <= len(text) <= PASSPHRASE_BYTES_MAX:
            raise KeystoreSecretInvalid(
                f"a passphrase has {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes"
            )
        if b"\n" in text:
            raise KeystoreSecretInvalid("a passphrase is one line")
        return cls(text)


@dataclass(frozen=True, slots=True, repr=False)
class UnlockingKey:
    """32 random bytes in a file, kept apart from the keystore."""

    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From a file: the bytes, or one line of base64url. Raises `KeystoreSecretInvalid`."""
        text = _UNLOCKING_KEY.fullmatch(raw)
        try:
            key = unb64url(text[1].decode("ascii")) if text else raw
        except NotCanonical:
            key = b""
        if len(key) != VAULT_KEY_BYTES:
            raise KeystoreSecretInvalid(f"a key file holds {VAULT_KEY_BYTES} bytes, or base64url")
        return cls(key)


Unlocking: TypeAlias = Passphrase | UnlockingKey


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id with one lane, as libsodium has it."""

    passes: int = 3
    memory_bytes: int = 64 * 1024 * 1024
    """With three passes the second choice of RFC 9106 §4, for machines that do other work too."""

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `KeystoreDamaged`."""
        passes, memory_bytes = content["passes"], content["memory_bytes"]
        if type(passes) is not int or not 0 < passes <= PASSES_MAX:
            raise KeystoreDamaged(f"passes are not 1 to {PASSES_MAX}")
        if (
            type(memory_bytes) is not int
            or not MEMORY_BYTES_MIN <= memory_bytes <= MEMORY_BYTES_MAX
        ):
            raise KeystoreDamaged(f"memory is not {MEMORY_BYTES_MIN} to {MEMORY_BYTES_MAX} bytes")
        return cls(passes, memory_bytes)


@dataclass(frozen=True, slots=True, repr=False)
class VaultKey:
    """Seals key files."""

    id: str
    """16 hexadecimal digits, by which a key file names it."""
    secret: bytes

    @classmethod
    def of(cls, random: bytes) -> Self:
        """From `ID_BYTES` and `VAULT_KEY_BYTES` random bytes."""
        assert len(random) == ID_BYTES + VAULT_KEY_BYTES
        return cls(random[:ID_BYTES].hex(), random[ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Vault:
    """Closed vault keys. The first one seals; a second one opens what is not yet sealed anew."""

    cost: Cost | None
    """None where an unlocking key opens it."""
    salt: bytes
    boxes: tuple[tuple[str, bytes], ...]
    """Each vault key's id, and its nonce and box."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Of a file's bytes; exact. Raises `KeystoreDamaged`."""
        try:
            members = _members(decode(raw), "keys unlock v")
            unlock = members["unlock"]
            names = "by" if unlock == {"by": "key-file"} else "by memory_bytes passes salt"
            parameters = _members(unlock, names)
            by_passphrase = parameters["by"] == "passphrase"
            if members["v"] != 1 or not (by_passphrase or names == "by"):
                raise KeystoreDamaged("a vault of another version")
            salt = unb64url(_text(parameters, "salt")) if by_passphrase else b""
            keys = members["keys"]
            boxes = [_members(key, "box id") for key in keys] if isinstance(keys, list) else []
            vault = cls(
                cost=Cost.parse(parameters) if by_passphrase else None,
                salt=salt,
                boxes=tuple((_text(box, "id"), unb64url(_text(box, "box"))) for box in boxes),
            )
        except NotCanonical as error:
            raise KeystoreDamaged(f"the vault is damaged: {error.message}") from None
        if by_passphrase and len(salt) != SALT_BYTES:
            raise KeystoreDamaged(f"a salt of {len(salt)} bytes")
        if not 0 < len(vault.boxes) <= VAULT_KEYS_MAX:
            raise KeystoreDamaged(f"a vault holds 1 to {VAULT_KEYS_MAX} keys")
        return vault

    @classmethod
    def closed(
        cls,
        keys: Sequence[VaultKey],
        unlocking: Unlocking,
        *,
        cost: Cost,
        salt: bytes,
        nonces: Sequence[bytes],
    ) -> Self:
        """Vault keys, the sealing one first, closed by what unlocks the keystore."""
        by_passphrase = isinstance(unlocking, Passphrase)
        vault = cls(cost if by_passphrase else None, salt if by_passphrase else b"", ())
        secret = vault._secret(unlocking)
        boxes = [
            (key.id, nonce + _seal(secret, nonce, key.secret, vault._beside(key.id)))
            for key, nonce in zip(keys, nonces, strict=True)
        ]
        return cls(vault.cost, vault.salt, tuple(boxes))

    def __bytes__(self) -> bytes:
        keys: list[Json] = [{"box": b64url(box), "id": id_} for id_, box in self.boxes]
        return encode({"keys": keys, "unlock": self._unlock, "v": 1})

    def open(self, unlocking: Unlocking) -> tuple[VaultKey, ...]:
        """The vault keys. Raises `KeystoreSecretWrong`."""
        if isinstance(unlocking, Passphrase) != (self.cost is not None):
            wanted = "a key file" if self.cost is None else "a passphrase"
            raise KeystoreSecretWrong(f"this keystore is unlocked by {wanted}")
        secret = self._secret(unlocking)
        keys = []
        for id_, box in self.boxes:
            opened = _unseal(secret, box, self._beside(id_))
            if opened is None:
                what = "key file" if self.cost is None else "passphrase"
                raise KeystoreSecretWrong(f"this {what} does not open the vault of the keystore")
            keys.append(VaultKey(id_, opened))
        return tuple(keys)

    @property
    def _unlock(self) -> dict[str, Json]:
        if self.cost is None:
            return {"by": "key-file"}
        return {
            "by": "passphrase",
            "memory_bytes": self.cost.memory_bytes,
            "passes": self.cost.passes,
            "salt": b64url(self.salt),
        }

    def _beside(self, id_: str) -> bytes:
        return _VAULT_DOMAIN + encode({"id": id_, "unlock": self._unlock, "v": 1})

    def _secret(self, unlocking: Unlocking) -> bytes:
        if isinstance(unlocking, UnlockingKey):
            return hashlib.sha256(_UNLOCK_DOMAIN + unlocking.raw).digest()
        assert self.cost is not None
        return argon2id.kdf(
            VAULT_KEY_BYTES,
            unlocking.text,
            self.salt,
            opslimit=self.cost.passes,
            memlimit=self.cost.memory_bytes,
        )


@dataclass(frozen=True, slots=True, repr=False)
class PlainKey:
    """A seed that lies open, where no encryption is configured."""

    name: str
    key: SeedKey

    @property
    def kid(self) -> str:
        """The key's thumbprint."""
        return self.key.kid

    def __bytes__(self) -> bytes:
        return encode({"kid": self.kid, "name": self.name, "seed": b64url(self.key.seed)})


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A seed that only a vault key opens."""

    name: str
    kid: str
    vault_key: str
    box: bytes

    def __bytes__(self) -> bytes:
        return encode(
            {
                "box": b64url(self.box),
                "kid": self.kid,
                "name": self.name,
                "vault_key": self.vault_key,
            }
        )

    def open(self, keys: Sequence[VaultKey]) -> SeedKey:
        """Raises `KeyFileDamaged`."""
        by = next((key for key in keys if key.id == self.vault_key), None)
        if by is None:
            raise KeyFileDamaged(f"the key {self.name} is sealed by no key of this vault")
        seed = _unseal(by.secret, self.box, _beside(self.name, self.kid, self.vault_key))
        key = SeedKey.of(self.name, seed) if seed is not None and len(seed) == SEED_BYTES else None
        if key is None or key.kid != self.kid:
            raise KeyFileDamaged(f"the key file of {self.name} is not what was sealed there")
        return key


def read_key_file(name: str, raw: bytes) -> PlainKey | SealedKey:
    """The key file of that name; exact. Raises `KeyFileDamaged`."""
    try:
        content = decode(raw)
        if isinstance(content, dict) and "box" in content:
            members = _members(content, "box kid name vault_key")
            found: PlainKey | SealedKey = SealedKey(
                _text(members, "name"),
                _text(members, "kid"),
                _text(members, "vault_key"),
                unb64url(_text(members, "box")),
            )
        else:
            members = _members(content, "kid name seed")
            seed = unb64url(_text(members, "seed"))
            if len(seed) != SEED_BYTES:
                raise KeystoreDamaged("a seed of another length")
            found = PlainKey(_text(members, "name"), SeedKey.of(name, seed))
            if found.key.kid != members["kid"]:
                raise KeystoreDamaged("the seed is not that of the kid")
    except (KeystoreDamaged, NotCanonical):
        # What the file holds is not told: it may be half a seed.
        raise KeyFileDamaged(f"the key file of {name} is damaged") from None
    if found.name != name:
        raise KeyFileDamaged(f"the key file of {name} is that of another key")
    return found


def seal_key(name: str, key: SeedKey, by: VaultKey, nonce: bytes) -> SealedKey:
    """Closed for the name under which it is kept."""
    box = _seal(by.secret, nonce, key.seed, _beside(name, key.kid, by.id))
    return SealedKey(name, key.kid, by.id, nonce + box)


def _beside(name: str, kid: str, vault_key: str) -> bytes:
    return _KEY_DOMAIN + encode({"kid": kid, "name": name, "vault_key": vault_key})


def _seal(secret: bytes, nonce: bytes, content: bytes, beside: bytes) -> bytes:
    assert len(nonce) == NONCE_BYTES
    return crypto_aead_xchacha20poly1305_ietf_encrypt(content, beside, nonce, secret)


def _unseal(secret: bytes, box: bytes, beside: bytes) -> bytes | None:
    nonce, sealed = box[:NONCE_BYTES], box[NONCE_BYTES:]
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, beside, nonce, secret)
    except (CryptoError, ValueError):
        return None


def _members(value: Json, names: str) -> dict[str, Json]:
    if not isinstance(value, dict) or set(value) != set(names.split()):
        raise KeystoreDamaged("members missing or unknown")
    return value


def _text(members: Mapping[str, Json], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise KeystoreDamaged(f"{name} is no text")
    return value
