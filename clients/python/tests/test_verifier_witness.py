"""C2SP tlog-cosignature and tlog-policy: with a policy, no proof without its quorum."""

import base64
import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
import xinyuan
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from nacl.signing import SigningKey
from xinyuan.__main__ import Outcome, main
from xinyuan.cosignature import CosignerKey
from xinyuan.errors import Code, VerificationError
from xinyuan.policy import LINES_MAX, POLICY_SIZE_MAX, WitnessPolicy

from clients.python.tests.conftest import Ledger

AT_S = 1_764_000_200


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Witness:
    """A witness, as another program would write one."""

    def __init__(self, name: str, *, ml_dsa: bool = False) -> None:
        self.name = name
        self.ml_dsa = ml_dsa
        seed = sha256(f"witness {name}")
        self._ed25519 = SigningKey(seed)
        self._ml_dsa = MLDSA44PrivateKey.from_seed_bytes(seed)

    @property
    def _typed(self) -> bytes:
        if self.ml_dsa:
            return b"\x06" + self._ml_dsa.public_key().public_bytes_raw()
        return b"\x04" + bytes(self._ed25519.verify_key)

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self._typed).decode()}"

    def cosign(self, note: str, *, at_s: int = AT_S) -> str:
        """The note with one line more."""
        text = note[: note.rindex("\n\n") + 1]
        if self.ml_dsa:
            origin, size, root = text.split("\n")[:3]
            message = b"subtree/v1\n\0"
            message += bytes([len(self.name)]) + self.name.encode() + struct.pack(">Q", at_s)
            message += bytes([len(origin)]) + origin.encode()
            message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
            made = self._ml_dsa.sign(message)
        else:
            message = f"cosignature/v1\ntime {at_s}\n{text}".encode()
            made = self._ed25519.sign(message).signature
        blob = self.key_id + struct.pack(">Q", at_s) + made
        return f"{note}— {self.name} {base64.b64encode(blob).decode()}\n"


W1, W2, W3 = Witness("w1.example"), Witness("w2.example"), Witness("w3.example", ml_dsa=True)


def policy_text(quorum: str, *, logs: str = "") -> bytes:
    lines = [f"witness {name} {one.vkey}" for name, one in (("a", W1), ("b", W2), ("c", W3))]
    return "\n".join([logs, "# three", *lines, *quorum.split("; "), ""]).encode()


TWO = "group two 2 a b c; quorum two"


def proof_file(ledger: Ledger, *witnesses: Witness, **cosigned: int) -> dict[str, Any]:
    file = ledger.proof("statement", ledger.statement())
    for witness in witnesses:
        file["checkpoint"] = witness.cosign(file["checkpoint"], **cosigned)
    return file


def verified(ledger: Ledger, file: object, quorum: str) -> xinyuan.Verified:
    policy = WitnessPolicy.parse(policy_text(quorum))
    return xinyuan.verify(ledger.written(file), ledger.log_key, policy=policy)


def refused(ledger: Ledger, file: object, quorum: str) -> VerificationError:
    with pytest.raises(VerificationError) as refusal:
        verified(ledger, file, quorum)
    return refusal.value


@pytest.mark.parametrize("pair", [(W1, W2), (W1, W3), (W2, W3), (W1, W2, W3)])
def test_a_quorum_of_any_two_is_enough(ledger: Ledger, pair: tuple[Witness, ...]) -> None:
    found = verified(ledger, proof_file(ledger, *pair), TWO)
    names = {"w1.example": "a", "w2.example": "b", "w3.example": "c"}
    assert found.cosignatures.witnesses == tuple(names[one.name] for one in pair)
    assert found.cosignatures.quorum == "two"
    assert not any(sentence.startswith("One view") for sentence in found.not_proven)


@pytest.mark.parametrize("few", [(), (W1,), (W3,)])
def test_without_its_quorum_a_proof_is_refused(ledger: Ledger, few: tuple[Witness, ...]) -> None:
    error = refused(ledger, proof_file(ledger, *few), TWO)
    assert (error.code, error.path) == (Code.QUORUM_MISSING, ("checkpoint",))


@pytest.mark.parametrize("witness", [W1, W3])
def test_a_cosignature_that_does_not_fit_is_refused_whoever_else_signed(
    ledger: Ledger, witness: Witness
) -> None:
    earlier = ledger.checkpoint()
    line = witness.cosign(earlier).removeprefix(earlier)
    file = proof_file(ledger, *(one for one in (W1, W2, W3) if one is not witness))
    file["checkpoint"] += line
    assert refused(ledger, file, TWO).code is Code.NOTE_SIGNATURE_INVALID


@pytest.mark.parametrize("at_s", [0, 2**63])
def test_a_cosignature_of_no_time_is_refused(ledger: Ledger, at_s: int) -> None:
    file = proof_file(ledger, W1, at_s=at_s)
    assert refused(ledger, file, "quorum a").code is Code.NOTE_SIGNATURE_INVALID


def test_flipping_any_bit_of_a_checked_cosignature_is_noticed(ledger: Ledger) -> None:
    file = proof_file(ledger, W1)
    head, _, line = file["checkpoint"].rpartition("— w1.example ")
    blob = base64.b64decode(line)
    for at in range(4, len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 1 << at % 8
        text = f"{head}— w1.example {base64.b64encode(changed).decode()}\n"
        error = refused(ledger, file | {"checkpoint": text}, "quorum a")
        assert error.code is Code.NOTE_SIGNATURE_INVALID


def test_a_policy_may_ask_for_nobody_and_still_checks_whom_it_knows(ledger: Ledger) -> None:
    stranger = Witness("w4.example")
    found = verified(ledger, proof_file(ledger, W1, stranger), "quorum none")
    assert found.cosignatures.witnesses == ("a",)
    assert found.cosignatures.unchecked == ("w4.example",)
    assert "One view for all: the witness policy asks for no witness." in found.not_proven


def test_groups_stand_in_groups(ledger: Ledger) -> None:
    nested = "group x any a b; group both all x c; quorum both"
    assert verified(ledger, proof_file(ledger, W2, W3), nested).cosignatures.witnesses == ("b", "c")
    assert refused(ledger, proof_file(ledger, W1, W2), nested).code is Code.QUORUM_MISSING


def test_published_keys_are_read() -> None:
    vectors = Path(__file__).parents[3] / "tests" / "vectors" / "tlog_cosignature.json"
    published = json.loads(vectors.read_text())["subtree"]["vkey"]
    remora = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    keys = [CosignerKey.parse(text) for text in (published, remora)]
    assert [(key.name, key.key_id.hex(), key.key_type) for key in keys] == [
        ("witness.example/w1", "7118e8f9", 0x06),
        ("remora.n621.de", "da77ade7", 0x04),
    ]


def test_without_the_extra_a_key_of_ml_dsa_fails_closed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = proof_file(ledger, W1, W3)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    assert refused(ledger, file, "quorum a").code is Code.ML_DSA_UNAVAILABLE
    assert verified(ledger, proof_file(ledger, W1), "quorum a").cosignatures.witnesses == ("a",)


def _many(keyword: str) -> bytes:
    lines = [
        f"witness n{number} {Witness(f'n{number}.example').vkey}" for number in range(LINES_MAX)
    ]
    if keyword == "group":
        lines += [f"group g{number} any n{number}" for number in range(LINES_MAX)]
        lines.append(f"group more any g{LINES_MAX - 1}")
    elif keyword == "witness":
        lines.append(f"witness more {W1.vkey}")
    else:
        lines += [f"log k{number}" for number in range(LINES_MAX + 1)]
    return "\n".join([*lines, "quorum none", ""]).encode()


A = f"witness a {W1.vkey}\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"quorum none", id="a last line without its end"),
        pytest.param(b"quorum none\r\n", id="a carriage return"),
        pytest.param(b"# only a comment\n", id="no quorum"),
        pytest.param(b"quorum none\nquorum none\n", id="two quorums"),
        pytest.param(b"quorum nobody\n", id="a quorum of an unknown name"),
        pytest.param(b"quorum a\n" + A.encode(), id="a quorum before its witness"),
        pytest.param(f"{A}{A}quorum a\n".encode(), id="a witness twice"),
        pytest.param(f"{A}witness b {W1.vkey}\nquorum a\n".encode(), id="one key under two names"),
        pytest.param(f"witness none {W1.vkey}\nquorum none\n".encode(), id="a witness none"),
        pytest.param(b"witness a b+c\nquorum none\n", id="a key that is none"),
        pytest.param(
            f"witness a {W1.vkey.replace('+', '+0', 1)}\nquorum none\n".encode(), id="a longer id"
        ),
        pytest.param(
            f"witness a w2.example{W1.vkey[10:]}\nquorum none\n".encode(), id="an id of another"
        ),
        pytest.param(
            b"witness a x+00000000+AQ==\nquorum none\n", id="a log's key in a witness's place"
        ),
        pytest.param(f"{A}group g 2 a\nquorum g\n".encode(), id="more than there are"),
        pytest.param(f"{A}group g 0 a\nquorum g\n".encode(), id="a group of none"),
        pytest.param(f"{A}group g any\nquorum g\n".encode(), id="no members"),
        pytest.param(f"{A}group g any b\nquorum g\n".encode(), id="an unknown member"),
        pytest.param(f"{A}group g any a a\nquorum g\n".encode(), id="a member twice"),
        pytest.param(f"{A}group a any a\nquorum a\n".encode(), id="a name that is taken"),
        pytest.param(b"logs x\nquorum none\n", id="an unknown keyword"),
        pytest.param(_many("log"), id="more logs than are read"),
        pytest.param(_many("witness"), id="more witnesses than are read"),
        pytest.param(_many("group"), id="more groups than are read"),
        pytest.param(b"#" * POLICY_SIZE_MAX + b"\n", id="more bytes than are read"),
    ],
)
def test_text_that_is_no_policy_is_refused(text: bytes) -> None:
    with pytest.raises(VerificationError) as refusal:
        WitnessPolicy.parse(text)
    assert refusal.value.code is Code.POLICY_MALFORMED


def test_the_command_takes_a_policy_and_says_who_cosigned(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, policy = tmp_path / "proof.json", tmp_path / "witnesses.policy"
    file.write_bytes(ledger.written(proof_file(ledger, W1, W2, Witness("w4.example"))))
    policy.write_bytes(policy_text(TWO, logs=f"log {ledger.log_key} https://log.example/"))
    call = ["verify", str(file), "--log-key", ledger.log_key, "--policy", str(policy)]
    assert main(call) is Outcome.VERIFIED
    said = capsys.readouterr().out
    assert "  cosigned by     a, b; quorum two is met\n" in said
    assert "  not checked     cosignatures of w4.example\n" in said
    assert main([*call, "--json"]) is Outcome.VERIFIED
    assert json.loads(capsys.readouterr().out)["cosignatures"] == {
        "quorum": "two",
        "unchecked": ["w4.example"],
        "witnesses": ["a", "b"],
    }
    file.write_bytes(ledger.written(proof_file(ledger, W1)))
    assert main(call) is Outcome.REFUSED
    assert "QUORUM_MISSING" in capsys.readouterr().out
    policy.write_text("quorum nobody\n")
    assert main(call) is Outcome.USAGE
    assert "--policy: not a witness policy: line 1:" in capsys.readouterr().err
    assert main([*call[:-1], str(tmp_path / "none")]) is Outcome.USAGE
    assert f"cannot read {tmp_path / 'none'}" in capsys.readouterr().err
