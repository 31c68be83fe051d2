"""Who keeps the private keys of this process, and what unlocks them.

    custody_of       the agent of XIN_KEY_AGENT, or the keystore of XIN_HOME
    keystore_of      the keystore itself, whoever answers for it
    unlocking_of     what the settings unlock it with
    read_passphrase, read_unlocking_key   from files that their owner alone may read

A passphrase never stands in an argument or an environment variable, where others would see it:
settings name files, such as those a service manager lays down as credentials.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from api.settings import Settings, SettingsInvalid
from ledger.custody import Custody
from ledger.errors import KeyFileExposed, KeystoreSecretInvalid
from ledger.key_agent import AgentCustody
from ledger.keystore import Keystore
from ledger.vault import PASSPHRASE_BYTES_MAX, Passphrase, Unlocking, UnlockingKey


def custody_of(settings: Settings) -> Custody:
    """Nothing is unlocked before the first key is used."""
    if settings.key_agent is not None:
        return AgentCustody(settings.key_agent)
    return keystore_of(settings)


def keystore_of(settings: Settings) -> Keystore:
    """Raises `SettingsInvalid`, `KeystoreSecretInvalid`, `KeyFileExposed`."""
    return Keystore(settings.keys_folder, unlocking_of(settings))


def unlocking_of(settings: Settings) -> Unlocking | None:
    """None where keys lie open. Raises as `keystore_of`."""
    if settings.keystore_passphrase_file is not None:
        return read_passphrase(settings.keystore_passphrase_file, "XIN_KEYSTORE_PASSPHRASE_FILE")
    if settings.keystore_key_file is not None:
        return read_unlocking_key(settings.keystore_key_file, "XIN_KEYSTORE_KEY_FILE")
    return None


def read_passphrase(file: Path, named_by: str) -> Passphrase:
    """`named_by` is the setting or option that names the file."""
    try:
        return Passphrase.parse(_secret(file, named_by))
    except KeystoreSecretInvalid as error:
        raise error.within(named_by) from None


def read_unlocking_key(file: Path, named_by: str) -> UnlockingKey:
    """As `read_passphrase`."""
    try:
        return UnlockingKey.parse(_secret(file, named_by))
    except KeystoreSecretInvalid as error:
        raise error.within(named_by) from None


def _secret(file: Path, named_by: str) -> bytes:
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            raw = opened.read(PASSPHRASE_BYTES_MAX + 3)
    except OSError as error:
        raise SettingsInvalid(f"{named_by}: {error.strerror}: {file}", path=(named_by,)) from None
    # A service manager's credential is 0400, or 0440 where an access list names the service.
    if mode & 0o037:
        raise KeyFileExposed(
            f"{named_by}: {file} has mode {mode:04o}: others may read or change it",
            path=(named_by,),
        )
    return raw
