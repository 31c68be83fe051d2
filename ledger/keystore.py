"""Private keys this machine keeps: the log's own, and those authorities placed in its custody.

    Keystore             a folder of key files, each 0600; a `ledger.custody.Custody`
    Keystore.place       keeps a given seed
    Keystore.kept        what there is, without unlocking anything
    Keystore.encrypt     seals what lies open
    Keystore.reencrypt   seals everything anew, under another passphrase or key file
    KeptFile             a key by name, and whether it is sealed

One file a key, in the form of `ledger.vault`. Where nothing is configured to unlock it, keys lie
open; from the first sealed key on none does, and a plain file among them is refused. Keys are
written under a lock on the folder, so that no key is sealed by a vault key that is on its way out.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import (
    KeyFileExposed,
    KeyNotKept,
    KeystoreDamaged,
    KeystoreLocked,
    KeystorePlain,
    KeystoreSecretWrong,
)
from ledger.seed_key import SEED_BYTES, SeedKey
from ledger.vault import (
    ID_BYTES,
    NONCE_BYTES,
    SALT_BYTES,
    VAULT_KEY_BYTES,
    Cost,
    PlainKey,
    SealedKey,
    Unlocking,
    Vault,
    VaultKey,
    read_key_file,
    seal_key,
)

VAULT_FILE = "vault.json"
KEY_SUFFIX = ".key"
FILE_BYTES_MAX = 4_096
"""A key file has some 300 bytes, a vault some 400."""

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One key of a keystore."""

    name: str
    kid: str
    sealed: bool


class Keystore:
    """Key files in one folder. Names are `root`, `log`, `map`, `door`, or an issuer's label."""

    def __init__(
        self, folder: Path, unlocking: Unlocking | None = None, *, cost: Cost | None = None
    ) -> None:
        self._folder = folder
        self._unlocking = unlocking
        self._cost = cost or Cost()
        self._opened: tuple[bytes, tuple[VaultKey, ...]] = (b"", ())

    def names(self) -> Sequence[str]:
        """Of all keys, sorted."""
        return sorted(path.name.removesuffix(KEY_SUFFIX) for path in self._key_files())

    def has(self, name: str) -> bool:
        """Whether a key of that name is kept."""
        return self._path(name).exists()

    def kept(self) -> Sequence[KeptFile]:
        """Every key, sealed or not. Raises `KeyFileDamaged`, `KeyFileExposed`."""
        files = [self._read(name) for name in self.names()]
        return [KeptFile(file.name, file.kid, isinstance(file, SealedKey)) for file in files]

    def get(self, name: str) -> SeedKey:
        """Raises `KeyNotKept`, and whatever is wrong with file, vault or passphrase."""
        file = self._read(name)
        if isinstance(file, SealedKey):
            return file.open(self._vault_keys(file.vault_key))
        if self._unlocking is not None or self._vault_path.exists():
            raise KeystorePlain(
                f"the key {name} lies open in a keystore that is to be sealed; run "
                "`xin keys encrypt`, and replace the key if others had access",
                path=(name,),
            )
        return file.key

    def create(self, name: str) -> SeedKey:
        """A new random key under a name that is free. Raises `FileExistsError`."""
        return self.place(name, secrets.token_bytes(SEED_BYTES))

    def place(self, name: str, seed: bytes) -> SeedKey:
        """Keep a given seed under a name that is free.

        Whoever uses a key may found a log with it, so it is on disk when this returns:

            1. write a draft, and flush it: a crash leaves the name free
            2. link it to its name, which fails where a key of that name is kept
            3. remove the draft, and flush the folder: only now would a crash of the machine keep it

        Raises `FileExistsError`, `KeystoreLocked`, `KeystorePlain`, `KeystoreSecretWrong`.
        """
        key = SeedKey.of(name, seed)
        with self._locked():
            by = self._sealing()
            content = bytes(PlainKey(name, key) if by is None else _sealed(name, key, by))
            draft = self._drafted(name, content)
            try:
                os.link(draft, self._path(name))
            finally:
                draft.unlink()
            self._flush_folder()
        return key

    def encrypt(self) -> int:
        """Seal what lies open; says how many keys. A crash leaves each of them open or sealed.

        Raises `KeystoreLocked` without a passphrase or key file, `KeystoreSecretWrong`.
        """
        with self._locked():
            if self._unlocking is None:
                raise KeystoreLocked("no passphrase and no key file is configured to seal keys")
            by = self._sealing(found_by_plain=True)
            assert by is not None
            return self._seal_all(by, self._vault_keys(by.id))

    def reencrypt(self, unlocking: Unlocking) -> int:
        """Seal everything under a new vault key that `unlocking` opens; says how many keys.

            1. the vault with the new key and the old, closed by the new secret: from here on the
               old secret opens nothing, and the new one everything
            2. each key file, sealed by the new key
            3. the vault with the new key alone

        A crash anywhere loses no key: run again, it finishes with the secret that opens the vault.
        Raises `KeystoreLocked`, `KeystoreSecretWrong`.
        """
        with self._locked():
            old = self._old_vault_keys(unlocking)
            new = _fresh_vault_key()
            self._unlocking = unlocking
            # What an earlier run left half done is sealed by the last key or the one before it.
            files = [self._read(name) for name in self.names()]
            in_use = {file.vault_key for file in files if isinstance(file, SealedKey)}
            if len(old) > 1 and in_use - {old[0].id}:
                self._seal_all(old[0], old)
            self._write_vault([new, old[0]])
            count = self._seal_all(new, (new, old[0]))
            self._write_vault([new])
            return count

    def _old_vault_keys(self, unlocking: Unlocking) -> tuple[VaultKey, ...]:
        vault = self._vault()
        if vault is None or self._unlocking is None:
            raise KeystoreLocked("this keystore is not sealed; `xin keys encrypt` seals it")
        try:
            return vault.open(self._unlocking)
        except KeystoreSecretWrong:
            # A run that was cut short after its first step.
            return vault.open(unlocking)

    def _seal_all(self, by: VaultKey, known: Sequence[VaultKey]) -> int:
        count = 0
        for name in self.names():
            file = self._read(name)
            if isinstance(file, SealedKey):
                if file.vault_key == by.id:
                    continue
                key = file.open(known)
            else:
                key = file.key
            self._replace(self._path(name), bytes(_sealed(name, key, by)))
            count += 1
        return count

    def _sealing(self, *, found_by_plain: bool = False) -> VaultKey | None:
        """The vault key that seals; None where keys lie open. Makes the vault the first time."""
        vault = self._vault()
        if vault is None:
            if self._unlocking is None:
                return None
            if not found_by_plain and any(self._key_files()):
                raise KeystorePlain("keys lie open here; run `xin keys encrypt` first")
            self._write_vault([_fresh_vault_key()])
        return self._vault_keys()[0]

    def _vault_keys(self, wanted: str | None = None) -> tuple[VaultKey, ...]:
        """Those of the vault as it stands. Raises `KeystoreLocked`, `KeystoreSecretWrong`."""
        raw, keys = self._opened
        if not keys or wanted is None or all(key.id != wanted for key in keys):
            vault = self._vault()
            if vault is None:
                raise KeystoreDamaged(f"a key is sealed, and there is no {VAULT_FILE}")
            if self._unlocking is None:
                raise KeystoreLocked(
                    "this keystore is sealed; XIN_KEYSTORE_PASSPHRASE_FILE or "
                    "XIN_KEYSTORE_KEY_FILE unlocks it"
                )
            # Argon2id is dear on purpose: a vault that did not change is opened once.
            if bytes(vault) != raw:
                keys = vault.open(self._unlocking)
                self._opened = (bytes(vault), keys)
        return keys

    def _vault(self) -> Vault | None:
        try:
            return Vault.parse(_read_private(self._vault_path))
        except FileNotFoundError:
            return None

    def _write_vault(self, keys: Sequence[VaultKey]) -> None:
        assert self._unlocking is not None
        vault = Vault.closed(
            keys,
            self._unlocking,
            cost=self._cost,
            salt=secrets.token_bytes(SALT_BYTES),
            nonces=[secrets.token_bytes(NONCE_BYTES) for _ in keys],
        )
        self._replace(self._vault_path, bytes(vault))
        self._opened = (bytes(vault), tuple(keys))

    def _read(self, name: str) -> PlainKey | SealedKey:
        try:
            raw = _read_private(self._path(name))
        except FileNotFoundError:
            raise KeyNotKept(f"no key of {name} is kept here") from None
        return read_key_file(name, raw)

    def _replace(self, path: Path, content: bytes) -> None:
        draft = self._drafted(path.name, content)
        try:
            draft.replace(path)
        except BaseException:
            draft.unlink()
            raise
        self._flush_folder()

    def _drafted(self, name: str, content: bytes) -> Path:
        draft = self._folder / f"{name}.{secrets.token_hex(8)}.draft"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            draft.unlink()
            raise
        return draft

    def _flush_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _key_files(self) -> Iterator[Path]:
        return self._folder.glob(f"*{KEY_SUFFIX}")

    @property
    def _vault_path(self) -> Path:
        return self._folder / VAULT_FILE

    def _path(self, name: str) -> Path:
        assert name.replace("-", "").replace("_", "").isalnum()
        return self._folder / f"{name}{KEY_SUFFIX}"


def _read_private(path: Path) -> bytes:
    """A file that its owner alone may read. Raises `FileNotFoundError`, `KeyFileExposed`."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode != _MODE:
            raise KeyFileExposed(
                f"{path.name} has mode {mode:04o}, not {_MODE:04o}: others may have read it",
                path=(str(path),),
            )
        return file.read(FILE_BYTES_MAX)


def _sealed(name: str, key: SeedKey, by: VaultKey) -> SealedKey:
    return seal_key(name, key, by, secrets.token_bytes(NONCE_BYTES))


def _fresh_vault_key() -> VaultKey:
    return VaultKey.of(secrets.token_bytes(ID_BYTES + VAULT_KEY_BYTES))
