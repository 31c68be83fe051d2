"""`xin keys`: keys sealed, kept by an agent of its own process, and replaced while a log runs."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from xinyuan import Code, VerificationError
from xinyuan.proof import ProvenStatement, Verified, verify

from api.__main__ import main
from api.access import Tier
from api.custody import custody_of
from api.demo import POLICY
from api.founding import admit_authority
from api.keys import RotationRefused
from api.service import Service
from api.settings import Settings
from api.tokens import write_demo_tokens
from ledger.admission import Submission
from ledger.auditor import audit_database
from ledger.control import KeyBegin, issue_control
from ledger.database import Database
from ledger.errors import KeyNotKept
from ledger.keystore import VAULT_FILE, Keystore
from ledger.seed_key import SeedKey
from ledger.statement import Severity, Weighing
from tests.world import DAIRY, MARKET

REPOSITORY = Path(__file__).resolve().parents[2]
PHRASE = "correct horse battery"
OWN = ("door", "log", "map", "root")


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The code of a refusal."""
        assert self.code == 1, self.out
        (code,) = [line for line in self.err.splitlines() if line.startswith("  code ")]
        return code.split()[-1]


@dataclass(frozen=True)
class Xin:
    """The command, in this process, with a ledger of its own."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: object) -> Ran:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        code = left.value.code
        assert code is None or isinstance(code, int)
        said = self.capsys.readouterr()
        return Ran(code or 0, said.out, said.err)

    def ok(self, *arguments: object) -> str:
        ran = self(*arguments)
        assert ran.code == 0, ran.err
        return ran.out

    def set(self, **settings: object) -> None:
        """Settings from now on; None for one that is not set."""
        for name, value in settings.items():
            if value is None:
                self.monkeypatch.delenv(f"XIN_{name}", raising=False)
            else:
                self.monkeypatch.setenv(f"XIN_{name}", str(value))

    @property
    def keys(self) -> Path:
        return self.home / "keys"


@pytest.fixture
def xin(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Xin:
    """A home without a ledger."""
    xin = Xin(tmp_path / "home", capsys, monkeypatch)
    xin.set(HOME=xin.home, DATABASE_URL=database_url, DEMO=None, DOORS=1, ORIGIN="keys.test/log")
    monkeypatch.setenv("PORT", str(free_port()))
    return xin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def secret(folder: Path, name: str, content: str | bytes, mode: int = 0o600) -> Path:
    """A file with a secret."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)
    return file


async def introduce() -> None:
    """The market authority, with a key in custody and a mandate; credentials for its callers."""
    settings = Settings.from_environment()
    async with Service.opened(settings, writes=True) as service:
        write_demo_tokens(
            settings.tokens_folder,
            service.keystore,
            {Tier.AUTHORITY: MARKET.label()},
            audience=settings.origin,
            at=datetime.now(UTC),
        )
        await admit_authority(
            service, MARKET.label(), names={"en": "Market"}, kinds=("inspection",)
        )
        await service.followed(service.writer.tree_size)


async def stated(jti: str) -> int:
    """An officer's statement, signed with the custodial key of the day; says its index."""
    async with Service.opened(Settings.from_environment(), writes=True) as service:
        acknowledgement, _ = await service.state(
            issuer=MARKET.label(),
            subject=DAIRY.label(),
            jti=jti,
            weighing=Weighing(
                kind="inspection",
                code="hygiene",
                outcome="fail",
                severity=Severity.GENERAL,
                decided_on=date(2026, 2, 10),
            ),
            particulars={"subject": {"id": DAIRY.identifier, "scheme": "uscc"}},
        )
    return acknowledgement.leaf_index


def founded(xin: Xin) -> str:
    """A ledger with an authority; says its log key."""
    log_key = xin.ok("init", "--operator", "tests").strip()
    asyncio.run(introduce())
    return log_key


def audited() -> str:
    """An audit of everything; says the hash of the genesis."""

    async def audit() -> str:
        database = Database.connect(os.environ["XIN_DATABASE_URL"])
        try:
            return (await audit_database(database, signatures=True)).genesis_hash.hex()
        finally:
            await database.close()

    return asyncio.run(audit())


def proven(xin: Xin, leaf_index: int) -> bytes:
    """The proof file of a statement."""
    file = xin.home / f"{leaf_index}.proof.json"
    xin.ok("export", "statement", leaf_index, "-o", file)
    return file.read_bytes()


def signer_of(verified: Verified) -> str:
    (entry,) = verified.entries
    assert isinstance(entry, ProvenStatement)
    return entry.signer.key.thumbprint


# At rest


def test_keys_are_sealed_and_sealed_anew_while_the_log_goes_on(xin: Xin, tmp_path: Path) -> None:
    log_key = founded(xin)
    names = sorted([*OWN, "demo", MARKET.label()])
    listed = [json.loads(line) for line in xin.ok("keys", "list", "--json").splitlines()]
    assert sorted(key["name"] for key in listed) == names
    assert not any(key["sealed"] for key in listed)
    assert xin("keys", "encrypt").refusal == "LEDGER_KEYSTORE_LOCKED"

    phrase = secret(tmp_path, "phrase", f"{PHRASE}\n")
    xin.set(KEYSTORE_PASSPHRASE_FILE=phrase)
    assert xin("log", "audit").code == 0, "an audit needs no key"
    assert xin("init", "--operator", "tests").refusal == "LEDGER_KEYSTORE_PLAIN"
    assert xin.ok("keys", "encrypt") == f"sealed {len(names)} keys\n"
    assert xin.ok("init", "--operator", "tests").strip() == log_key
    asyncio.run(stated("S-1"))
    sealed = [json.loads(line) for line in xin.ok("keys", "list", "--json").splitlines()]
    assert sealed == [{**key, "sealed": True} for key in listed]

    xin.set(KEYSTORE_PASSPHRASE_FILE=None)
    assert xin("init", "--operator", "tests").refusal == "LEDGER_KEYSTORE_LOCKED"
    xin.set(KEYSTORE_PASSPHRASE_FILE=secret(tmp_path, "wrong", f"not {PHRASE}"))
    assert xin("init", "--operator", "tests").refusal == "LEDGER_KEYSTORE_SECRET_WRONG"

    xin.set(KEYSTORE_PASSPHRASE_FILE=phrase)
    key_file = secret(tmp_path, "unlock", bytes(range(32)), 0o400)
    said = xin.ok("keys", "reencrypt", "--key-file", key_file)
    assert said.startswith(f"sealed {len(names)} keys anew")
    assert xin("init", "--operator", "tests").refusal == "LEDGER_KEYSTORE_SECRET_WRONG"
    xin.set(KEYSTORE_PASSPHRASE_FILE=None, KEYSTORE_KEY_FILE=key_file)
    assert xin.ok("init", "--operator", "tests").strip() == log_key
    xin.ok("keys", "reencrypt", "--passphrase-file", phrase)
    xin.set(KEYSTORE_PASSPHRASE_FILE=phrase, KEYSTORE_KEY_FILE=None)
    asyncio.run(stated("S-2"))
    audited()


def test_a_keystore_that_is_configured_is_sealed_from_its_first_key_on(
    xin: Xin, tmp_path: Path
) -> None:
    xin.set(KEYSTORE_PASSPHRASE_FILE=secret(tmp_path, "phrase", PHRASE))
    founded(xin)
    files = {file.name: file.read_bytes() for file in xin.keys.iterdir()}
    assert VAULT_FILE in files
    assert not any(b'"seed"' in content for content in files.values())
    asyncio.run(stated("S-1"))


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        pytest.param(PHRASE, 0o644, "LEDGER_KEY_FILE_EXPOSED", id="others may read it"),
        pytest.param(PHRASE, 0o620, "LEDGER_KEY_FILE_EXPOSED", id="a group may change it"),
        pytest.param("short", 0o600, "LEDGER_KEYSTORE_SECRET_INVALID", id="too short"),
        pytest.param("x" * 5_000, 0o600, "LEDGER_KEYSTORE_SECRET_INVALID", id="too long"),
        pytest.param(f"{PHRASE}\nx", 0o600, "LEDGER_KEYSTORE_SECRET_INVALID", id="two lines"),
    ],
)
def test_a_passphrase_file_that_is_not_one_is_refused_and_not_quoted(
    xin: Xin, tmp_path: Path, content: str, mode: int, code: str
) -> None:
    xin.set(KEYSTORE_PASSPHRASE_FILE=secret(tmp_path, "phrase", content, mode))
    ran = xin("init", "--operator", "tests")
    assert ran.refusal == code
    assert ran.err.splitlines()[-1] == "  where  XIN_KEYSTORE_PASSPHRASE_FILE"
    assert content[:12] not in ran.err
    assert not list(xin.home.rglob("*.key"))


def test_a_key_file_of_another_length_is_refused(xin: Xin, tmp_path: Path) -> None:
    xin.set(KEYSTORE_KEY_FILE=secret(tmp_path, "unlock", bytes(33)))
    assert xin("init", "--operator", "tests").refusal == "LEDGER_KEYSTORE_SECRET_INVALID"


def test_settings_that_name_nothing_or_too_much_are_refused(xin: Xin, tmp_path: Path) -> None:
    xin.set(KEYSTORE_PASSPHRASE_FILE=tmp_path / "nothing")
    assert xin("init", "--operator", "tests").refusal == "SETTINGS_INVALID"
    xin.set(KEYSTORE_KEY_FILE=tmp_path / "nothing")
    assert xin("migrate").refusal == "SETTINGS_INVALID"
    xin.set(KEYSTORE_PASSPHRASE_FILE=None, KEYSTORE_KEY_FILE=None)
    assert xin("keys", "reencrypt").code == 2


# Kept by another process


@contextmanager
def agent(keys_home: Path, at: Path, phrase: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """`xin keys agent` as a process of its own, until the block ends."""
    environment = {**os.environ, "XIN_HOME": str(keys_home)}
    environment.pop("XIN_KEY_AGENT", None)
    if phrase is not None:
        environment["XIN_KEYSTORE_PASSPHRASE_FILE"] = str(phrase)
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "keys", "agent", "--socket", str(at)],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("keeping "), said
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_log_runs_without_a_seed_in_its_home(xin: Xin, tmp_path: Path) -> None:
    at = tmp_path / "agent.sock"
    phrase = secret(tmp_path, "phrase", PHRASE)
    xin.set(KEY_AGENT=at)
    with agent(tmp_path / "kept", at, phrase) as process:
        founded(xin)
        asyncio.run(stated("S-1"))
        rotated = json.loads(xin.ok("keys", "rotate-log", "--ml-dsa-44", "--json"))
        json.loads(xin.ok("keys", "rotate-issuer", MARKET.identifier, "--json"))
        index = asyncio.run(stated("S-2"))
        assert not list(xin.home.rglob("*.key"))
        listed = [json.loads(line) for line in xin.ok("keys", "list", "--json").splitlines()]
        assert {key["sealed"] for key in listed} == {None}
        kept = Keystore(tmp_path / "kept" / "keys").kept()
        assert [(key["name"], key["kid"]) for key in listed] == [
            (file.name, file.kid) for file in kept
        ]
        assert all(file.sealed for file in kept)
        verified = verify(proven(xin, index), rotated["keys"][0])
        assert [key.text for key in verified.log_key.keys] == rotated["keys"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not at.exists()
    audited()
    assert xin("init", "--operator", "tests").refusal == "LEDGER_KEY_AGENT_AWAY"


def test_an_agent_with_a_wrong_passphrase_serves_nobody(xin: Xin, tmp_path: Path) -> None:
    phrase = secret(tmp_path, "phrase", PHRASE)
    xin.set(KEYSTORE_PASSPHRASE_FILE=phrase)
    founded(xin)
    xin.set(KEYSTORE_PASSPHRASE_FILE=secret(tmp_path, "wrong", f"not {PHRASE}"))
    ran = xin("keys", "agent", "--socket", tmp_path / "agent.sock")
    assert ran.refusal == "LEDGER_KEYSTORE_SECRET_WRONG"
    assert not (tmp_path / "agent.sock").exists()


def test_the_root_key_may_be_with_an_agent_of_its_own(xin: Xin, tmp_path: Path) -> None:
    founded(xin)
    (tmp_path / "apart" / "keys").mkdir(mode=0o700, parents=True)
    (xin.keys / "root.key").rename(tmp_path / "apart" / "keys" / "root.key")
    assert xin("keys", "rotate-log").refusal == "LEDGER_KEY_NOT_KEPT"
    at = tmp_path / "root.sock"
    with agent(tmp_path / "apart", at):
        xin.ok("keys", "rotate-log", "--root-agent", at)
        xin.ok("keys", "rotate-issuer", MARKET.identifier, "--root-agent", at)
    asyncio.run(stated("S-1"))
    audited()


def test_an_agent_with_the_root_key_signs_who_may_state_and_how_it_is_rated(
    xin: Xin, tmp_path: Path
) -> None:
    xin.ok("init", "--operator", "tests")
    (tmp_path / "apart" / "keys").mkdir(mode=0o700, parents=True)
    (xin.keys / "root.key").rename(tmp_path / "apart" / "keys" / "root.key")
    at = tmp_path / "root.sock"
    begin = ("keys", "begin", MARKET.identifier, "--name", "en=Market")
    commands = [
        begin,
        ("mandate", MARKET.identifier, "--kinds", "inspection"),
        ("policy", "adopt", POLICY),
    ]
    assert [xin(*command).refusal for command in (begin, commands[2])] == [KeyNotKept.code] * 2
    with agent(tmp_path / "apart", at):
        indexes = [
            json.loads(xin.ok(*command, "--root-agent", at, "--json"))["leaf_index"]
            for command in commands
        ]
    assert indexes == [3, 4, 5]
    # The authority's key is kept here, and needs no agent.
    assert asyncio.run(stated("S-1")) == 6
    audited()


# Replaced


def test_an_authoritys_key_is_replaced_and_what_it_signed_stands(xin: Xin) -> None:
    log_key = founded(xin)
    before = asyncio.run(stated("S-1"))
    old = custody_of(Settings.from_environment()).get(MARKET.label()).kid
    rotated = json.loads(xin.ok("keys", "rotate-issuer", MARKET.identifier, "--json"))
    assert rotated["ended"] == [old]
    assert custody_of(Settings.from_environment()).get(f"{MARKET.label()}-2").kid in rotated["keys"]
    after = asyncio.run(stated("S-2"))
    # What was stated before the end is known by its reference, whoever signs it again.
    assert asyncio.run(stated("S-1")) == before
    assert signer_of(verify(proven(xin, before), log_key)) == old
    assert signer_of(verify(proven(xin, after), log_key)) == rotated["keys"][0]
    assert xin.ok("keys", "rotate-issuer", MARKET.label()).splitlines()[-1] == (
        f"  ended  {rotated['keys'][0]}"
    )
    asyncio.run(stated("S-3"))
    audited()


def test_an_ended_key_signs_nothing_more_and_another_may_be_begun(xin: Xin) -> None:
    founded(xin)
    old = custody_of(Settings.from_environment()).get(MARKET.label()).kid
    ended = json.loads(xin.ok("keys", "end", MARKET.identifier, old, "--json"))
    assert (ended["ended"], ended["keys"]) == ([old], [])
    assert xin("keys", "end", MARKET.identifier, SeedKey(bytes(32)).kid).refusal == (
        "LEDGER_KEY_UNKNOWN"
    )
    assert xin("keys", "end", MARKET.identifier, "no-thumbprint").refusal == "LEDGER_LABEL_INVALID"
    for hyphen in ("-", "-h", "-o", "--"):
        thumbprint = hyphen + "A" * (43 - len(hyphen))
        ran = xin("keys", "end", MARKET.identifier, thumbprint, "--json")
        assert ran.refusal == "LEDGER_KEY_UNKNOWN", ran.err
    rotated = json.loads(xin.ok("keys", "rotate-issuer", MARKET.identifier, "--json"))
    assert (rotated["ended"], len(rotated["keys"])) == ([], 1)
    asyncio.run(stated("S-1"))
    audited()


def test_a_rotation_that_was_cut_short_is_finished_by_the_next(xin: Xin) -> None:
    founded(xin)
    settings = Settings.from_environment()
    keystore = Keystore(settings.keys_folder)
    old, made = keystore.get(MARKET.label()), keystore.create(f"{MARKET.label()}-2")
    # Killed after the key was made.
    first = json.loads(xin.ok("keys", "rotate-issuer", MARKET.identifier, "--json"))
    assert (first["keys"], first["ended"]) == ([made.kid], [old.kid])
    assert len(list(xin.keys.glob(f"{MARKET.label()}*"))) == 2

    async def begin() -> None:
        async with Service.opened(settings, writes=True) as service:
            third = keystore.create(f"{MARKET.label()}-3")
            begin = KeyBegin(MARKET.label(), third.public_key, custodial=True, names={"en": "M"})
            body = issue_control(
                begin, key=keystore.get("root"), jti=f"key-begin-{third.kid}", issued_at=1
            )
            await service.writer.submit(Submission((body,)))

    # Killed after the new key began and before the old one ended.
    asyncio.run(begin())
    second = json.loads(xin.ok("keys", "rotate-issuer", MARKET.identifier, "--json"))
    assert second["keys"] == [keystore.get(f"{MARKET.label()}-3").kid]
    assert second["ended"] == [made.kid]
    assert len(list(xin.keys.glob(f"{MARKET.label()}*"))) == 3
    # A key of the log that was made and not stated is taken as well.
    log = keystore.create("log-2")
    rotated = json.loads(xin.ok("keys", "rotate-log", "--json"))
    assert SeedKey.of("log-2", log.seed).public_key in [
        verify(
            proven(xin, asyncio.run(stated("S-1"))), rotated["keys"][0]
        ).log_key.ed25519.public_key
    ]
    audited()


def test_there_must_be_something_to_replace(xin: Xin) -> None:
    founded(xin)
    assert xin("keys", "rotate-issuer", DAIRY.identifier).refusal == RotationRefused.code
    assert xin("keys", "rotate-log", "--keep-ed25519").refusal == RotationRefused.code
    audited()


def test_who_pinned_the_genesis_follows_the_log_through_its_keys(xin: Xin) -> None:
    first = founded(xin)
    genesis_hash = bytes.fromhex(audited())
    before = asyncio.run(stated("S-1"))
    old_file = proven(xin, before)
    assert verify(old_file, first).log_key.leaf_index == 0
    (second,) = json.loads(xin.ok("keys", "rotate-log", "--json"))["keys"]
    handing_over = proven(xin, before)
    # The head that hands over convinces whoever knows either key.
    for key in (first, second):
        assert verify(handing_over, key).log_key.ed25519.text == second
    after = asyncio.run(stated("S-2"))
    for index in (before, after):
        file = proven(xin, index)
        assert verify(file, second, genesis_hash=genesis_hash).genesis_hash == genesis_hash
        assert verify(file, genesis_hash=genesis_hash).log_key.ed25519.text == second
        with pytest.raises(VerificationError) as refused:
            verify(file, first)
        assert refused.value.code is Code.LOG_KEY_REPLACED
        with pytest.raises(VerificationError) as other:
            verify(file, second, genesis_hash=bytes(32))
        assert other.value.code is Code.GENESIS_MISMATCH
    rotated = json.loads(xin.ok("keys", "rotate-log", "--ml-dsa-44", "--json"))
    assert len(rotated["keys"]) == 2
    double = proven(xin, asyncio.run(stated("S-3")))
    assert len(verify(double, genesis_hash=genesis_hash).log_key.keys) == 2
    back = json.loads(xin.ok("keys", "rotate-log", "--no-ml-dsa-44", "--keep-ed25519", "--json"))
    assert back["keys"] == rotated["keys"][:1]
    assert audited() == genesis_hash.hex()
    assert xin("log", "audit", "--genesis", genesis_hash.hex()).code == 0
    assert xin("log", "audit", "--genesis", "00" * 32).refusal == "AUDIT_GENESIS_MISMATCH"
    assert xin("log", "audit", "--log-key", second).refusal == "AUDIT_CHECKPOINT_UNSIGNED"
    assert xin("log", "audit", "--genesis", "00").code == 2


def test_a_lost_key_of_the_log_is_replaced_without_it(xin: Xin) -> None:
    founded(xin)
    (xin.keys / "log.key").unlink()
    assert xin("keys", "rotate-log").refusal == "LEDGER_LOG_KEY_MISMATCH"
    (second,) = json.loads(xin.ok("keys", "rotate-log", "--lost", "--json"))["keys"]
    assert verify(proven(xin, asyncio.run(stated("S-1"))), second).log_key.ed25519.text == second
    # The number of a key that is gone is not given again.
    assert sorted(file.name for file in xin.keys.glob("log*")) == ["log-2.key"]
    audited()


def test_a_lost_key_of_an_issuer_is_replaced_without_it(xin: Xin) -> None:
    founded(xin)
    old = custody_of(Settings.from_environment()).get(MARKET.label()).kid
    (xin.keys / f"{MARKET.label()}.key").unlink()
    rotated = json.loads(xin.ok("keys", "rotate-issuer", MARKET.identifier, "--json"))
    assert rotated["ended"] == [old]
    assert (xin.keys / f"{MARKET.label()}-2.key").exists()
    asyncio.run(stated("S-1"))
    audited()


DOCUMENT = json.dumps(
    {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-02-01T00:00:00Z",
        "epcisBody": {
            "eventList": [
                {
                    "type": "ObjectEvent",
                    "action": "OBSERVE",
                    "eventTime": "2026-02-01T08:00:00+08:00",
                    "eventTimeZoneOffset": "+08:00",
                    "epcList": ["urn:epc:id:sgtin:4012345.011122.25"],
                }
            ]
        },
    }
)


def test_the_key_of_the_door_is_replaced_like_an_issuers(xin: Xin) -> None:
    log_key = founded(xin)
    door = custody_of(Settings.from_environment()).get("door").kid
    rotated = json.loads(xin.ok("keys", "rotate-issuer", "door", "--json"))
    assert rotated["ended"] == [door]
    assert custody_of(Settings.from_environment()).get("door-2").kid == rotated["keys"][0]
    file = xin.home / "document.json"
    file.write_text(DOCUMENT)
    party = f"uscc:{DAIRY.identifier}"
    said = xin.ok("capture", file, "--party", party, "--as", "authority", "--json")
    index = json.loads(said)["leaf_index"]
    xin.ok("export", "capture", index, "-o", xin.home / "capture.json")
    (entry,) = verify((xin.home / "capture.json").read_bytes(), log_key).entries
    assert entry.signer.key.thumbprint == rotated["keys"][0]
    audited()


@contextmanager
def served() -> Iterator[str]:
    """`xin serve` as a process of its own, with another that answers."""
    address = f"http://127.0.0.1:{os.environ['PORT']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "serve"],
        cwd=REPOSITORY,
        env={**os.environ, "XIN_DEMO": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for _ in range(600):
            assert process.poll() is None, process.communicate()[0]
            try:
                httpx.get(f"{address}/healthz", trust_env=False).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_keys_are_replaced_while_a_server_runs(xin: Xin, tmp_path: Path) -> None:
    first = founded(xin)
    with served() as address, httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/log-key").text == f"{first}\n"
        kept = secret(tmp_path, "kept", client.get("/checkpoint").content)
        rotated = json.loads(xin.ok("keys", "rotate-log", "--ml-dsa-44", "--json"))
        xin.ok("keys", "rotate-issuer", MARKET.identifier)
        assert client.get("/log-key").text.splitlines() == rotated["keys"]
        assert client.get("/checkpoint").text.count("\n— ") == 2
        report = json.loads(xin.ok("log", "audit", "--url", address, "--json"))
        assert (report["log_key"], report["tree_size"]) == (rotated["keys"][0], 8)
        for trusted in (["--log-key", rotated["keys"][0]], ["--genesis", report["genesis_hash"]]):
            xin.ok("log", "audit", "--url", address, *trusted)
        # A head that was kept from before is held against both keys.
        both = ["--log-key", first, "--log-key", rotated["keys"][0]]
        xin.ok("log", "audit", "--url", address, "--against", kept, *both)
        alone = xin("log", "audit", "--url", address, "--against", kept, *both[2:])
        assert alone.refusal == "AUDIT_CHECKPOINT_UNSIGNED"
        stale = xin("log", "audit", "--url", address, "--log-key", first)
        assert stale.refusal == "AUDIT_CHECKPOINT_UNSIGNED"
    xin.ok("log", "audit", "--against", kept)
    audited()


def test_a_socket_of_an_agent_is_not_for_others(xin: Xin, tmp_path: Path) -> None:
    at = tmp_path / "agent.sock"
    with agent(tmp_path / "kept", at):
        assert stat.S_IMODE(at.stat().st_mode) == 0o600
        second = xin("keys", "agent", "--socket", at)
        assert second.refusal == "COMMAND_FILE_REFUSED"
