"""Key files at rest: XChaCha20-Poly1305, Argon2id (RFC 9106), and one spelling of each file."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.canonical import b64url, encode
from ledger.custody import Algorithm
from ledger.errors import (
    KeyFileDamaged,
    KeystoreDamaged,
    KeystoreSecretInvalid,
    KeystoreSecretWrong,
)
from ledger.seed_key import SeedKey
from ledger.vault import (
    MEMORY_BYTES_MAX,
    MEMORY_BYTES_MIN,
    PASSES_MAX,
    PASSPHRASE_BYTES_MAX,
    PASSPHRASE_BYTES_MIN,
    VAULT_KEYS_MAX,
    Cost,
    Passphrase,
    PlainKey,
    SealedKey,
    Unlocking,
    UnlockingKey,
    Vault,
    VaultKey,
    read_key_file,
    seal_key,
)

CHEAP = Cost(passes=1, memory_bytes=MEMORY_BYTES_MIN)
PHRASE = Passphrase(b"correct horse battery")
KEY_FILE = UnlockingKey(bytes(range(32)))
FIRST = VaultKey.of(bytes(range(40)))
SECOND = VaultKey.of(bytes(range(40, 80)))
LOG = SeedKey(bytes(range(32)))


def closed(unlocking: Unlocking, *keys: VaultKey) -> Vault:
    nonces = [bytes([number]) * 24 for number in range(len(keys))]
    return Vault.closed(keys, unlocking, cost=CHEAP, salt=b"s" * 16, nonces=nonces)


@pytest.mark.parametrize(
    "unlocking", [pytest.param(PHRASE, id="a passphrase"), pytest.param(KEY_FILE, id="a key file")]
)
def test_a_vault_opens_to_the_keys_it_was_closed_over(unlocking: Unlocking) -> None:
    vault = closed(unlocking, FIRST, SECOND)
    assert vault.open(unlocking) == (FIRST, SECOND)
    assert Vault.parse(bytes(vault)) == vault


@pytest.mark.parametrize(
    ("by", "tried"),
    [
        pytest.param(PHRASE, Passphrase(b"correct horse batterY"), id="another passphrase"),
        pytest.param(KEY_FILE, UnlockingKey(bytes(32)), id="another key file"),
        pytest.param(PHRASE, KEY_FILE, id="a key file in place of a passphrase"),
        pytest.param(KEY_FILE, PHRASE, id="a passphrase in place of a key file"),
    ],
)
def test_nothing_else_opens_it(by: Unlocking, tried: Unlocking) -> None:
    with pytest.raises(KeystoreSecretWrong):
        closed(by, FIRST).open(tried)


def with_member(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The vault's file with a change, spelled canonically all the same."""
    content = json.loads(bytes(closed(PHRASE, FIRST)))
    change(content)
    return encode(content)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda vault: vault["unlock"].update(passes=2), id="the passes"),
        pytest.param(lambda vault: vault["unlock"].update(memory_bytes=16_384), id="the memory"),
        pytest.param(lambda vault: vault["unlock"].update(salt=b64url(b"t" * 16)), id="the salt"),
        pytest.param(lambda vault: vault["keys"][0].update(id="0" * 16), id="the id of its key"),
        pytest.param(lambda vault: vault["keys"][0].update(box=b64url(bytes(72))), id="the box"),
        pytest.param(lambda vault: vault["keys"][0].update(box=""), id="no box"),
    ],
)
def test_what_stands_in_clear_is_authenticated(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(KeystoreSecretWrong):
        Vault.parse(with_member(change)).open(PHRASE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda vault: vault.pop("v"), id="no version"),
        pytest.param(lambda vault: vault.update(v=2), id="another version"),
        pytest.param(lambda vault: vault.update(other=1), id="one member too many"),
        pytest.param(lambda vault: vault.update(keys=[]), id="no key"),
        pytest.param(
            lambda vault: vault.update(keys=vault["keys"] * (VAULT_KEYS_MAX + 1)),
            id="more keys than there may be",
        ),
        pytest.param(lambda vault: vault["keys"][0].update(id=1), id="an id that is no text"),
        pytest.param(lambda vault: vault["keys"][0].update(box="?"), id="a box in no base64url"),
        pytest.param(lambda vault: vault["unlock"].update(by="a wish"), id="another way"),
        pytest.param(lambda vault: vault["unlock"].update(salt=""), id="no salt"),
        pytest.param(lambda vault: vault["unlock"].update(passes=0), id="no pass"),
        pytest.param(
            lambda vault: vault["unlock"].update(passes=PASSES_MAX + 1), id="too many passes"
        ),
        pytest.param(lambda vault: vault["unlock"].update(passes=True), id="passes as a truth"),
        pytest.param(
            lambda vault: vault["unlock"].update(memory_bytes=MEMORY_BYTES_MIN - 1),
            id="less memory than the library takes",
        ),
        pytest.param(
            lambda vault: vault["unlock"].update(memory_bytes=MEMORY_BYTES_MAX + 1),
            id="more memory than a start may take",
        ),
    ],
)
def test_a_vault_outside_its_form_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(KeystoreDamaged):
        Vault.parse(with_member(change))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", bytes(closed(PHRASE, FIRST))[:-1], b"\xff"])
def test_what_is_no_vault_is_refused(raw: bytes) -> None:
    with pytest.raises(KeystoreDamaged):
        Vault.parse(raw)


def test_the_default_cost_is_the_second_choice_of_the_standard() -> None:
    assert Cost() == Cost(passes=3, memory_bytes=64 * 1024 * 1024)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_file_gives_back_the_key_that_was_kept(algorithm: Algorithm) -> None:
    name = "log-ml-dsa-44" if algorithm is Algorithm.ML_DSA_44 else "log"
    key = SeedKey(bytes(range(32)), algorithm)
    plain = read_key_file(name, bytes(PlainKey(name, key)))
    assert plain == PlainKey(name, key)
    sealed = read_key_file(name, bytes(seal_key(name, key, FIRST, b"n" * 24)))
    assert isinstance(sealed, SealedKey)
    assert (sealed.kid, sealed.vault_key) == (key.kid, FIRST.id)
    assert sealed.open([SECOND, FIRST]) == key


def sealed_with(**members: str) -> bytes:
    content = json.loads(bytes(seal_key("log", LOG, FIRST, b"n" * 24)))
    return encode({**content, **members})


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        pytest.param("root", sealed_with(), id="under another key's file name"),
        pytest.param("root", sealed_with(name="root"), id="under another name in the file too"),
        pytest.param("log", sealed_with(kid=SeedKey(bytes(32)).kid), id="with another thumbprint"),
        pytest.param(
            "log", sealed_with(vault_key=SECOND.id), id="said to be sealed by another key"
        ),
        pytest.param("log", sealed_with(vault_key="0" * 16), id="sealed by a key nobody has"),
        pytest.param("log", sealed_with(box=b64url(bytes(72))), id="with another box"),
        pytest.param("log", sealed_with(box=""), id="with no box"),
    ],
)
def test_a_sealed_key_opens_under_its_own_name_and_as_it_was_sealed(name: str, raw: bytes) -> None:
    with pytest.raises(KeyFileDamaged):
        opened(name, raw)


def opened(name: str, raw: bytes) -> SeedKey:
    file = read_key_file(name, raw)
    assert isinstance(file, SealedKey)
    return file.open([FIRST, SECOND])


def test_a_plain_key_of_another_name_is_refused() -> None:
    with pytest.raises(KeyFileDamaged):
        read_key_file("root", bytes(PlainKey("log", LOG)))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"correct horse\n", b"correct horse", id="a line"),
        pytest.param(b"correct horse\r\n", b"correct horse", id="a line of another system"),
        pytest.param(b"correct horse", b"correct horse", id="no end of line"),
        pytest.param(b" correct horse ", b" correct horse ", id="spaces belong to it"),
    ],
)
def test_a_passphrase_is_a_line_without_its_end(raw: bytes, text: bytes) -> None:
    assert Passphrase.parse(raw) == Passphrase(text)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"x" * (PASSPHRASE_BYTES_MIN - 1), id="too short"),
        pytest.param(b"x" * (PASSPHRASE_BYTES_MAX + 1), id="too long"),
        pytest.param(b"correct horse\nbattery\n", id="two lines"),
    ],
)
def test_what_cannot_be_a_passphrase_is_refused(raw: bytes) -> None:
    with pytest.raises(KeystoreSecretInvalid):
        Passphrase.parse(raw)


def test_an_unlocking_key_is_its_bytes_or_their_spelling() -> None:
    raw = bytes(range(32))
    for file in (raw, b64url(raw).encode(), f"{b64url(raw)}\n".encode()):
        assert UnlockingKey.parse(file) == UnlockingKey(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(31), id="a byte short"),
        pytest.param(bytes(33), id="a byte long"),
        pytest.param(base64.b64encode(bytes(32)), id="another spelling"),
        pytest.param(b"A" * 42 + b"B", id="a spelling that no bytes have"),
    ],
)
def test_what_cannot_be_an_unlocking_key_is_refused(raw: bytes) -> None:
    with pytest.raises(KeystoreSecretInvalid):
        UnlockingKey.parse(raw)


def test_no_secret_is_told_by_a_repr() -> None:
    secrets = (PHRASE.text, KEY_FILE.raw, FIRST.secret, LOG.seed)
    values = (PHRASE, KEY_FILE, FIRST, LOG, PlainKey("log", LOG), closed(PHRASE, FIRST))
    for value in values:
        told = repr(value)
        assert not any(repr(secret)[2:-1] in told or secret.hex() in told for secret in secrets)
        assert not any(b64url(secret) in told for secret in secrets)
