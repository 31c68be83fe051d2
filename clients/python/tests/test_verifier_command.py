"""The `xinyuan` command: exit statuses, plain words, one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import xinyuan
from xinyuan.__main__ import main

if TYPE_CHECKING:
    from clients.python.tests.conftest import Ledger

_SOURCE = Path(xinyuan.__file__).resolve().parents[1]


def _written(ledger: Ledger, folder: Path, *, kind: str = "statement") -> Path:
    index = ledger.statement() if kind == "statement" else ledger.capture(['{"type":"x"}'])
    path = folder / "proof.json"
    path.write_bytes(ledger.written(ledger.proof(kind, index)))
    return path


def test_a_good_file_is_verified_in_plain_words(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["verify", str(_written(ledger, tmp_path)), "--log-key", ledger.log_key]) == 0
    printed = capfdbinary.readouterr().out.decode()
    for proven in (
        "VERIFIED  statement proof, 1 of the log's entries\n",
        "  log             ledger.example/xinyuan, operator: example\n",
        "  tree size       5 entries\n",
        "Entry 4: a statement, in the log and unchanged\n",
        "  signed by       Market Supervision / 市场监管局\n",
        "  mandate         inspection, by entry 2\n",
        '    measures      {"samples":5}\n',
        "    refers        (none)\n",
        "    text          菌落\n",
        "Not proven\n  - Completeness rests on the operator",
    ):
        assert proven in printed


def test_a_capture_is_verified_in_plain_words(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = _written(ledger, tmp_path, kind="capture")
    assert main(["verify", str(path), "--log-key", ledger.log_key]) == 0
    printed = capfdbinary.readouterr().out.decode()
    assert "  party           uscc 91150121MA0XY0010Q\n" in printed
    assert '    {"type":"x"}\n' in printed
    assert "kept by the operator (custodial)" in printed


def test_a_changed_file_is_refused_and_it_is_said_what_failed(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = _written(ledger, tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"index":4', b'"index":3'))
    assert main(["verify", str(path), "--log-key", ledger.log_key]) == 1
    assert capfdbinary.readouterr().out.decode() == (
        "REFUSED  the path of entry 3 is too short for this tree\n"
        "  code   INCLUSION_FAILED\n"
        "  where  entries / 0\n"
    )


def test_json_gives_the_verdict_as_one_object(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for kind in ("statement", "capture"):
        path = _written(ledger, tmp_path, kind=kind)
        assert main(["verify", str(path), "--log-key", ledger.log_key, "--json"]) == 0
        verdict = json.loads(capfdbinary.readouterr().out)
        assert verdict["verified"] is True
        assert [entry["type"] for entry in verdict["entries"]] == [kind]
        path.write_bytes(path.read_bytes()[:-1])
        assert main(["verify", str(path), "--log-key", ledger.log_key, "--json"]) == 1
        assert json.loads(capfdbinary.readouterr().out) == {
            "error": {
                "code": "FILE_MALFORMED",
                "message": "a proof file ends with a line feed",
                "path": [],
            },
            "verified": False,
        }


def test_json_shows_the_policies_of_an_enterprise(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    policy = ledger.control("policy", {"policy": {"name": "p1"}}, "policy")
    path = tmp_path / "proof.json"
    file = ledger.proof("enterprise", ledger.statement(), policies=[policy])
    path.write_bytes(ledger.written(file))
    assert main(["verify", str(path), "--log-key", ledger.log_key, "--json"]) == 0
    (shown,) = json.loads(capfdbinary.readouterr().out)["policies"]
    assert (shown["index"], shown["policy"]) == (policy, {"name": "p1"})
    assert main(["verify", str(path), "--log-key", ledger.log_key]) == 0
    assert b"Entry 4: a rating policy" in capfdbinary.readouterr().out


def test_a_stated_text_cannot_forge_a_line_of_the_verdict(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    index = ledger.statement(particulars={"text": "x\nVERIFIED\x1b[2J\u202e"})
    path = tmp_path / "proof.json"
    path.write_bytes(ledger.written(ledger.proof("statement", index)))
    assert main(["verify", str(path), "--log-key", ledger.log_key]) == 0
    printed = capfdbinary.readouterr().out.decode()
    assert "    text          x\\u{a}VERIFIED\\u{1b}[2J\\u{202e}\n" in printed
    assert printed.count("\nVERIFIED") == 0


def test_what_cannot_be_carried_out_is_told_apart_from_a_refusal(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = _written(ledger, tmp_path)
    assert main(["verify", str(tmp_path / "none"), "--log-key", ledger.log_key]) == 2
    assert main(["verify", str(path), "--log-key", "not a key"]) == 2
    assert b"--log-key: not a verifier key" in capfdbinary.readouterr().err
    for arguments in ([], ["verify"], ["verify", str(path)]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2


def _module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", *arguments], capture_output=True, text=True, check=True
    )


def test_help_is_given_within_150_ms_without_loading_pynacl() -> None:
    call = "import sys; sys.path.insert(0, sys.argv.pop(1)); from xinyuan.__main__ import main\n"
    # The best of several, so that a busy machine does not fail a quick command.
    durations_s = []
    for _ in range(5):
        started_at = time.monotonic()
        printed = _module("-c", call + "main(['--help'])", str(_SOURCE)).stdout
        durations_s.append(time.monotonic() - started_at)
        assert "check a proof file" in printed
    assert min(durations_s) < 0.150
    loaded = _module(
        "-c", call + "import xinyuan.proof; print('nacl' in sys.modules)", str(_SOURCE)
    )
    assert loaded.stdout == "False\n"


def test_nothing_of_the_server_is_imported() -> None:
    for module in (_SOURCE / "xinyuan").glob("*.py"):
        for line in module.read_text("utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in {"ledger", "credit", "traceability", "api"}


def test_the_hash_of_the_genesis_does_in_place_of_a_key(
    ledger: Ledger, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = str(_written(ledger, tmp_path))
    given = ledger.genesis_hash.hex()
    assert main(["verify", path, "--genesis", given]) == 0
    assert f"{given}  (hash of entry 0, for pinning)".encode() in capfdbinary.readouterr().out
    assert main(["verify", path, "--genesis", given, "--log-key", ledger.log_key]) == 0
    assert main(["verify", path, "--genesis", "00" * 32]) == 1
    assert b"GENESIS_MISMATCH" in capfdbinary.readouterr().out
    for arguments in ([], ["--genesis", "00"], ["--genesis", "x"]):
        with pytest.raises(SystemExit) as left:
            main(["verify", path, *arguments])
        assert left.value.code == 2
