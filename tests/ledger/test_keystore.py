"""ARCHITECTURE §3, custody: a key is kept whole or not at all, and for its owner alone."""

import stat
from pathlib import Path

import pytest

from ledger.errors import KeyNotKept
from ledger.keystore import Keystore
from tests.world import MARKET


def test_a_key_comes_back_as_it_was_kept_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path / "keys")
    kept = keystore.create("log")
    assert keystore.get("log") == kept
    assert keystore.has("log")
    (file,) = (tmp_path / "keys").iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("log.key", 0o600)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_key_is_told_to_nobody_by_its_repr(tmp_path: Path) -> None:
    kept = Keystore(tmp_path).create("log")
    assert repr(kept.seed) not in repr(kept)
    assert "seed" not in repr(kept)


def test_an_issuers_seed_is_that_of_its_key(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path)
    assert keystore.create(MARKET.label()).seed == keystore.issuer_seed(MARKET.label())


def test_a_name_is_given_once(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path)
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

    keystore = Keystore(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", power_cut)
        with pytest.raises(OSError, match="power cut"):
            keystore.create("log")
    assert not keystore.has("log")
    assert keystore.create("log") == keystore.get("log")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="no seed"),
        pytest.param(b'{"kid":"","seed":"AAAA"}', id="a short seed"),
        pytest.param(b'{"kid":"","seed":"?"}', id="a seed in no base64url"),
        pytest.param(b'{"kid":"","seed":"' + b"A" * 43 + b'"}', id="a seed that is not the kid's"),
    ],
)
def test_a_damaged_key_file_keeps_no_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.key").write_bytes(content)
    with pytest.raises(KeyNotKept):
        Keystore(tmp_path).get("log")


def test_a_key_that_was_never_kept_is_refused(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path)
    with pytest.raises(KeyNotKept):
        keystore.get("log")
    with pytest.raises(KeyNotKept):
        keystore.log_signer("ledger.test/xinyuan")
    with pytest.raises(KeyNotKept):
        keystore.issuer_seed(MARKET.label())
