"""ARCHITECTURE §3, custody: a key is kept whole or not at all, sealed, and for its owner alone."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from ledger.canonical import b64url, encode
from ledger.errors import (
    KeyFileDamaged,
    KeyFileExposed,
    KeyNotKept,
    KeystoreDamaged,
    KeystoreLocked,
    KeystorePlain,
    KeystoreSecretWrong,
    LedgerError,
)
from ledger.keystore import FILE_BYTES_MAX, VAULT_FILE, KeptFile, Keystore
from ledger.seed_key import SeedKey
from ledger.vault import MEMORY_BYTES_MIN, Cost, Passphrase, Unlocking, UnlockingKey, Vault

CHEAP = Cost(passes=1, memory_bytes=MEMORY_BYTES_MIN)
OLD = Passphrase(b"the old passphrase")
NEW = UnlockingKey(bytes(range(32)))
NAMES = ("door", "log", "map", "root")
SEEDS = {name: bytes([number]) * 32 for number, name in enumerate(NAMES)}


def opened(folder: Path, unlocking: Unlocking | None = None) -> Keystore:
    """As a process opens it when it starts."""
    return Keystore(folder, unlocking, cost=CHEAP)


def filled(folder: Path, unlocking: Unlocking | None = None) -> Keystore:
    keystore = opened(folder, unlocking)
    for name, seed in SEEDS.items():
        keystore.place(name, seed)
    return keystore


def seeds(keystore: Keystore) -> dict[str, bytes]:
    return {name: keystore.get(name).seed for name in keystore.names()}


def test_a_key_comes_back_as_it_was_kept_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    keystore = opened(tmp_path / "keys")
    kept = keystore.create("log")
    assert keystore.get("log") == kept
    assert keystore.has("log")
    (file,) = (tmp_path / "keys").iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("log.key", 0o600)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_name_is_given_once(tmp_path: Path) -> None:
    keystore = opened(tmp_path)
    kept = keystore.create("log")
    with pytest.raises(FileExistsError):
        keystore.create("log")
    assert keystore.get("log") == kept
    assert [file.name for file in tmp_path.iterdir()] == ["log.key"]


def test_a_crash_while_a_key_is_written_leaves_its_name_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(_: int) -> None:
        raise OSError("power cut")

    keystore = opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", power_cut)
        with pytest.raises(OSError, match="power cut"):
            keystore.create("log")
    assert not keystore.has("log")
    assert keystore.create("log") == keystore.get("log")


def put(folder: Path, content: bytes, *, mode: int = 0o600, name: str = "log") -> None:
    (folder / f"{name}.key").write_bytes(content)
    (folder / f"{name}.key").chmod(mode)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="no seed"),
        pytest.param(b'{"kid":"","name":"log","seed":"AAAA"}', id="a short seed"),
        pytest.param(b'{"kid":"","name":"log","seed":"?"}', id="a seed in no base64url"),
        pytest.param(
            b'{"kid":"","name":"log","seed":"' + b"A" * 43 + b'"}',
            id="a seed that is not the kid's",
        ),
        pytest.param(b"x" * (FILE_BYTES_MAX + 1), id="more than a key file has"),
    ],
)
def test_a_damaged_key_file_keeps_no_key_and_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, content)
    with pytest.raises(KeyFileDamaged) as refusal:
        opened(tmp_path).get("log")
    assert refusal.value.message == "the key file of log is damaged"


def test_a_file_renamed_to_another_key_is_refused(tmp_path: Path) -> None:
    for unlocking in (None, OLD):
        keystore = filled(tmp_path / str(unlocking is None), unlocking)
        folder = tmp_path / str(unlocking is None)
        (folder / "log.key").replace(folder / "root.key")
        with pytest.raises(KeyFileDamaged):
            keystore.get("root")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o400, 0o700])
def test_a_file_that_is_not_its_owners_alone_is_refused(tmp_path: Path, mode: int) -> None:
    keystore = filled(tmp_path, OLD)
    (tmp_path / "log.key").chmod(mode)
    with pytest.raises(KeyFileExposed) as refusal:
        keystore.get("log")
    assert refusal.value.path == (str(tmp_path / "log.key"),)
    (tmp_path / VAULT_FILE).chmod(mode)
    with pytest.raises(KeyFileExposed):
        opened(tmp_path, OLD).get("root")


def test_a_key_that_was_never_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyNotKept):
        opened(tmp_path).get("log")


def test_sealed_keys_come_back_and_lie_nowhere_in_the_folder(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    assert seeds(opened(tmp_path, OLD)) == SEEDS
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for seed in SEEDS.values():
        assert seed not in held
        assert b64url(seed).encode() not in held
        assert seed.hex().encode() not in held
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *(f"{name}.key" for name in NAMES),
        VAULT_FILE,
    ]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())


def test_what_there_is_is_listed_without_unlocking_anything(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    kept = opened(tmp_path).kept()
    assert kept == [KeptFile(name, SeedKey(SEEDS[name]).kid, sealed=True) for name in NAMES]


@pytest.mark.parametrize(
    ("unlocking", "kind"),
    [
        pytest.param(None, KeystoreLocked, id="nothing to unlock it with"),
        pytest.param(Passphrase(b"another passphrase"), KeystoreSecretWrong, id="a wrong one"),
        pytest.param(NEW, KeystoreSecretWrong, id="a key file in place of a passphrase"),
    ],
)
def test_a_sealed_keystore_stays_closed_and_takes_no_key(
    tmp_path: Path, unlocking: Unlocking | None, kind: type[LedgerError]
) -> None:
    filled(tmp_path, OLD)
    held = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    keystore = opened(tmp_path, unlocking)
    with pytest.raises(kind):
        keystore.get("log")
    with pytest.raises(kind):
        keystore.create("log-2")
    with pytest.raises(kind):
        keystore.encrypt()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == held


def test_a_plain_key_is_read_only_where_nothing_is_configured(tmp_path: Path) -> None:
    filled(tmp_path)
    assert seeds(opened(tmp_path)) == SEEDS
    keystore = opened(tmp_path, OLD)
    with pytest.raises(KeystorePlain):
        keystore.get("log")
    with pytest.raises(KeystorePlain):
        keystore.create("log-2")
    assert not (tmp_path / VAULT_FILE).exists()


def test_a_plain_key_laid_among_sealed_ones_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    seed = b"planted by somebody else's hand!"
    put(tmp_path, encode({"kid": SeedKey(seed).kid, "name": "log", "seed": b64url(seed)}))
    for unlocking in (OLD, None):
        with pytest.raises(KeystorePlain):
            opened(tmp_path, unlocking).get("log")


def test_a_vault_that_is_gone_or_changed_is_said_to_be(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    (tmp_path / VAULT_FILE).write_bytes(b"{}")
    with pytest.raises(KeystoreDamaged):
        opened(tmp_path, OLD).get("log")
    (tmp_path / VAULT_FILE).unlink()
    with pytest.raises(KeystoreDamaged):
        opened(tmp_path, OLD).get("log")


def test_encrypting_seals_every_key_and_again_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    assert opened(tmp_path, OLD).encrypt() == 4
    assert seeds(opened(tmp_path, OLD)) == SEEDS
    assert all(file.sealed for file in opened(tmp_path).kept())
    assert opened(tmp_path, OLD).encrypt() == 0


def test_nothing_is_encrypted_with_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(KeystoreLocked):
        opened(tmp_path).encrypt()
    with pytest.raises(KeystoreLocked):
        opened(tmp_path, OLD).reencrypt(NEW)
    assert seeds(opened(tmp_path)) == SEEDS


def test_reencrypting_leaves_the_old_secret_nothing_to_open(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    before = Vault.parse((tmp_path / VAULT_FILE).read_bytes()).open(OLD)
    assert opened(tmp_path, OLD).reencrypt(NEW) == 4
    assert seeds(opened(tmp_path, NEW)) == SEEDS
    with pytest.raises(KeystoreSecretWrong):
        opened(tmp_path, OLD).get("log")
    after = Vault.parse((tmp_path / VAULT_FILE).read_bytes()).open(NEW)
    assert len(after) == 1
    assert after[0].id != before[0].id


def test_a_process_that_runs_meanwhile_reads_on_with_the_new_secret(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    running = opened(tmp_path, NEW)
    opened(tmp_path, OLD).reencrypt(NEW)
    assert seeds(running) == SEEDS
    opened(tmp_path, NEW).reencrypt(OLD)
    with pytest.raises(KeystoreSecretWrong):
        running.get("log")


class PowerCut(OSError):
    """The machine is gone."""


def crashing_at(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the `write`-th replacement of a file on, nothing reaches the disk any more."""
    done = [0]
    replace = Path.replace

    def replace_or_crash(self: Path, target: Path) -> Path:
        done[0] += 1
        if done[0] > write:
            raise PowerCut
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_or_crash)


WRITES = 1 + len(NAMES)
"""Of encrypting: the vault and every key. Reencrypting writes the vault once more at its end."""


@pytest.mark.parametrize("write", range(WRITES))
def test_a_crash_while_encrypting_loses_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    filled(tmp_path)
    with monkeypatch.context() as patched:
        crashing_at(write, patched)
        with pytest.raises(PowerCut):
            opened(tmp_path, OLD).encrypt()
    assert not list(tmp_path.glob("*.draft"))
    assert opened(tmp_path, OLD).encrypt() == len(NAMES) - max(0, write - 1)
    assert seeds(opened(tmp_path, OLD)) == SEEDS


@pytest.mark.parametrize("again", [OLD, NEW], ids=["settings still old", "settings already new"])
@pytest.mark.parametrize("write", range(WRITES + 1))
def test_a_crash_while_reencrypting_loses_no_key_and_is_finished_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int, again: Unlocking
) -> None:
    filled(tmp_path, OLD)
    with monkeypatch.context() as patched:
        crashing_at(write, patched)
        with pytest.raises(PowerCut):
            opened(tmp_path, OLD).reencrypt(NEW)
    # Each crash leaves a keystore that one of both secrets opens whole.
    assert seeds(opened(tmp_path, OLD if write == 0 else NEW)) == SEEDS
    if write == 0 and again is NEW:
        with pytest.raises(KeystoreSecretWrong):
            opened(tmp_path, again).reencrypt(NEW)
        again = OLD
    assert opened(tmp_path, again).reencrypt(NEW) == len(NAMES)
    assert seeds(opened(tmp_path, NEW)) == SEEDS
    assert len(Vault.parse((tmp_path / VAULT_FILE).read_bytes()).boxes) == 1


@pytest.mark.parametrize("second", range(WRITES + 1))
@pytest.mark.parametrize("first", [1, 3, 5])
def test_not_even_a_second_crash_loses_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, second: int
) -> None:
    filled(tmp_path, OLD)
    for write in (first, second):
        with monkeypatch.context() as patched:
            crashing_at(write, patched)
            with pytest.raises(PowerCut):
                opened(tmp_path, OLD).reencrypt(NEW)
        assert seeds(opened(tmp_path, NEW)) == SEEDS
    opened(tmp_path, NEW).reencrypt(OLD)
    assert seeds(opened(tmp_path, OLD)) == SEEDS


def test_keys_are_written_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[int] = []
    lock = fcntl.flock

    def noting(descriptor: int, operation: int) -> None:
        locked.append(operation)
        lock(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", noting)
    keystore = filled(tmp_path, OLD)
    keystore.reencrypt(NEW)
    assert locked == [fcntl.LOCK_EX] * 5


def test_no_refusal_tells_a_secret(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    told = []
    for unlocking in (Passphrase(b"a wrong passphrase"), None, NEW):
        with pytest.raises(LedgerError) as refusal:
            opened(tmp_path, unlocking).get("log")
        told.append(f"{refusal.value.message} {refusal.value!r}")
    for secret in ("a wrong passphrase", b64url(bytes(range(32))), os.fsdecode(OLD.text)):
        assert not any(secret in one for one in told)
