"""What one process is told from outside, read once.

    Settings                    every setting, with its default
    Settings.from_environment   from `XIN_*` and `PORT`
    SettingsInvalid             a setting that cannot be read

Inward go values, never `Settings`. Each setting is described in `docs/settings.md`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from api.fault import Fault
from ledger.canonical import decode
from ledger.errors import ControlInvalid, NotCanonical, WitnessPolicyInvalid
from ledger.token import parse_jwk
from ledger.witness_policy import WitnessPolicy

PORT_DEFAULT = 8000
ORIGIN_DEFAULT = "localhost/xinyuan"

DOORS_MAX = 64
"""Processes of some 100 MB each; one core feeds the writer some 4,000 statements a second."""

DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")


class SettingsInvalid(Fault):
    """A setting that cannot be read; the message names it."""

    code: ClassVar[str] = "SETTINGS_INVALID"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process."""

    home: Path
    """XIN_HOME: the folder of database, high-water file, keys, tokens, and of a witness."""
    database_url: str
    """XIN_DATABASE_URL: an SQLAlchemy URL of sqlite+aiosqlite or postgresql+asyncpg."""
    port: int
    """PORT: where the server listens on 127.0.0.1."""
    origin: str
    """XIN_ORIGIN: the name of a log that is founded; an existing log has its own."""
    demo: bool
    """XIN_DEMO=1: this is a demonstration; its credential issuer is believed."""
    credential_issuers: Mapping[str, bytes]
    """XIN_CREDENTIAL_ISSUERS: issuer to Ed25519 public key, from a JSON object of JWKs."""
    witness_policy: WitnessPolicy | None = None
    """XIN_WITNESS_POLICY: from a tlog-policy file; who is asked to cosign, and who must."""
    doors: int = 0
    """XIN_DOORS: processes that answer; 0 answers in the writer's own."""
    high_water: Path | None = None
    """XIN_HIGH_WATER: the high-water file, best on another device; None for one below `home`."""
    mirrors: tuple[str, ...] = ()
    """XIN_MIRRORS: servers that show this log, asked at each start how far it had come."""

    tiles_folder: Path | None = None
    """XIN_TILES_FOLDER: the log as C2SP files in this folder, instead of rows for its tiles."""
    drop_partial_tiles: bool = False
    """XIN_TILES_DROP_PARTIALS=1: there, partial tiles go once their full tile is published."""
    keystore_passphrase_file: Path | None = None
    """XIN_KEYSTORE_PASSPHRASE_FILE: what unlocks the keystore, or"""
    keystore_key_file: Path | None = None
    """XIN_KEYSTORE_KEY_FILE: 32 random bytes that do."""
    key_agent: Path | None = None
    """XIN_KEY_AGENT: the socket of an agent that keeps the keys in the keystore's place."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Raises `SettingsInvalid`."""
        given = os.environ if environment is None else environment
        home = Path(given.get("XIN_HOME") or "var").absolute()
        default_url = f"sqlite+aiosqlite:///{home / 'ledger.sqlite'}"
        passphrase_file = _file(given.get("XIN_KEYSTORE_PASSPHRASE_FILE"))
        key_file = _file(given.get("XIN_KEYSTORE_KEY_FILE"))
        if passphrase_file is not None and key_file is not None:
            raise SettingsInvalid(
                "a keystore is unlocked by a passphrase or by a key file, not by both",
                path=("XIN_KEYSTORE_KEY_FILE",),
            )
        return cls(
            home=home,
            database_url=_database_url(given.get("XIN_DATABASE_URL") or default_url),
            port=_port(given.get("PORT") or str(PORT_DEFAULT)),
            origin=given.get("XIN_ORIGIN") or ORIGIN_DEFAULT,
            demo=given.get("XIN_DEMO") == "1",
            credential_issuers=_issuers(given.get("XIN_CREDENTIAL_ISSUERS") or "{}"),
            witness_policy=_policy(given.get("XIN_WITNESS_POLICY") or ""),
            doors=_doors(given.get("XIN_DOORS") or str(_default_doors())),
            tiles_folder=_folder(given.get("XIN_TILES_FOLDER") or ""),
            drop_partial_tiles=given.get("XIN_TILES_DROP_PARTIALS") == "1",
            high_water=_file(given.get("XIN_HIGH_WATER")),
            mirrors=_mirrors(given.get("XIN_MIRRORS") or ""),
            keystore_passphrase_file=passphrase_file,
            keystore_key_file=key_file,
            key_agent=_file(given.get("XIN_KEY_AGENT")),
        )

    @property
    def keys_folder(self) -> Path:
        """Where private keys are kept."""
        return self.home / "keys"

    @property
    def high_water_file(self) -> Path:
        """Where the newest acknowledged head is remembered, apart from the database."""
        return self.high_water or self.home / "high-water"

    @property
    def tokens_folder(self) -> Path:
        """Where the demonstration's credentials lie."""
        return self.home / "tokens"

    @property
    def address(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"


def _file(text: str | None) -> Path | None:
    return Path(text).absolute() if text else None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65_536:
        raise SettingsInvalid(f"PORT is {text!r}, not a port number", path=("PORT",))
    return int(text)


def _doors(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > DOORS_MAX:
        raise SettingsInvalid(f"XIN_DOORS is {text!r}, not 0 to {DOORS_MAX}", path=("XIN_DOORS",))
    return int(text)


def _default_doors() -> int:
    return min(os.cpu_count() or 1, 4)


def _database_url(text: str) -> str:
    name = "XIN_DATABASE_URL"
    try:
        driver = make_url(text).drivername
    except (ArgumentError, ValueError):
        # The text is not quoted: it may hold a password.
        raise SettingsInvalid(f"{name} is no SQLAlchemy URL", path=(name,)) from None
    if driver not in DRIVERS:
        raise SettingsInvalid(
            f"{name} begins with {driver!r}, not with {' or '.join(DRIVERS)}", path=(name,)
        )
    return text


def _folder(path: str) -> Path | None:
    return Path(path).absolute() if path else None


def _policy(file: str) -> WitnessPolicy | None:
    name = "XIN_WITNESS_POLICY"
    if not file:
        return None
    try:
        return WitnessPolicy.parse(Path(file).read_bytes())
    except OSError as error:
        raise SettingsInvalid(f"{name}: {error.strerror}: {file}", path=(name,)) from None
    except WitnessPolicyInvalid as error:
        raise SettingsInvalid(f"{name}: {error.message}", path=(name, *error.path)) from None


def _mirrors(text: str) -> tuple[str, ...]:
    name = "XIN_MIRRORS"
    urls = tuple(url.rstrip("/") for url in text.split())
    for url in urls:
        try:
            parts = urlsplit(url)
            is_base = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_base = False
        if not is_base or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise SettingsInvalid(f"{name}: {url!r} is no address of a log", path=(name,))
    return urls


def _issuers(text: str) -> dict[str, bytes]:
    name = "XIN_CREDENTIAL_ISSUERS"
    try:
        keys = decode(text.encode())
    except NotCanonical as error:
        raise SettingsInvalid(f"{name}: {error.message}", path=(name,)) from None
    if not isinstance(keys, dict):
        raise SettingsInvalid(f"{name} is no JSON object of issuer to JWK", path=(name,))
    try:
        return {issuer: parse_jwk(jwk) for issuer, jwk in keys.items()}
    except ControlInvalid as error:
        raise SettingsInvalid(f"{name}: {error.message}", path=(name, *error.path)) from None
