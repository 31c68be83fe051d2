"""The `xin` command: what it prints, how it refuses, and that a server changes nothing about it."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from xinyuan.proof import verify

from api.__main__ import main
from api.access import Tier
from api.founding import admit_authority, adopt_policy
from api.migration import HEAD
from api.service import Service
from api.settings import Settings
from api.tokens import token_path, write_demo_tokens
from ledger.database import Database
from ledger.statement import Severity, Weighing
from tests.world import DAIRY, MARKET, REGISTRY, TRADER, rows_of_all_tables

REPOSITORY = Path(__file__).resolve().parents[2]
POLICY = REPOSITORY / "credit" / "policies" / "xinyuan-export-credit-0.2.0.json"

DOCUMENT = json.dumps(
    {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-02-01T00:00:00Z",
        "epcisBody": {
            "eventList": [
                {
                    "type": "TransformationEvent",
                    "eventTime": "2026-02-01T08:00:00+08:00",
                    "eventTimeZoneOffset": "+08:00",
                    "inputEPCList": ["urn:epc:id:sgtin:4012345.011122.25"],
                    "outputEPCList": ["urn:epc:id:sgtin:4012345.077889.25"],
                    "bizStep": "commissioning",
                }
            ]
        },
    }
)


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Xin:
    """The command, in this process, with a ledger of its own."""

    home: Path
    capsys: pytest.CaptureFixture[str]

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


@pytest.fixture
def bare(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Xin:
    """A home without a ledger."""
    monkeypatch.setenv("XIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XIN_DATABASE_URL", database_url)
    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.delenv("XIN_DEMO", raising=False)
    return Xin(tmp_path / "home", capsys)


@pytest.fixture
def xin(bare: Xin) -> Xin:
    """A founded ledger with a policy, an enterprise, and something stated about it."""
    bare.ok("init", "--operator", "tests")
    asyncio.run(tell())
    return bare


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


async def tell() -> None:
    settings = Settings.from_environment()
    async with Service.opened(settings, writes=True) as service:
        holders = {Tier.AUTHORITY: MARKET.label(), Tier.ENTERPRISE: DAIRY.label()}
        write_demo_tokens(
            settings.tokens_folder,
            service.keystore,
            holders,
            audience=settings.origin,
            at=datetime.now(UTC),
        )
        await adopt_policy(service, POLICY.read_bytes().strip())
        for identity, name in ((REGISTRY, "Registry"), (MARKET, "Market supervision")):
            await admit_authority(
                service,
                identity.label(),
                names={"en": name},
                kinds=("filing", "inspection", "enforcement"),
            )
        await service.state(
            issuer=REGISTRY.label(),
            subject=DAIRY.label(),
            jti="filing-1",
            weighing=Weighing(
                kind="filing", code="enterprise", outcome="accepted", decided_on=date(2025, 1, 2)
            ),
            particulars={
                "subject": {"id": DAIRY.identifier, "scheme": "uscc"},
                "name": {"en": "Dairy", "zh": "乳业"},
                "country": "CN",
                "region": "150100",
            },
        )
        await service.state(
            issuer=MARKET.label(),
            subject=DAIRY.label(),
            jti="inspection-1",
            weighing=Weighing(
                kind="inspection",
                code="hygiene",
                outcome="fail",
                severity=Severity.SERIOUS,
                decided_on=date(2026, 2, 10),
                basis="lab",
            ),
            particulars={
                "subject": {"id": DAIRY.identifier, "scheme": "uscc"},
                "text": "not for everyone",
            },
        )


@contextmanager
def served(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`xin serve` as a process of its own, until the block ends."""
    address = f"http://127.0.0.1:{os.environ['PORT']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "api", *(command or ("serve",))],
        cwd=REPOSITORY,
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
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def all_rows() -> dict[str, list[tuple[object, ...]]]:
    async def read() -> dict[str, list[tuple[object, ...]]]:
        database = Database.connect(os.environ["XIN_DATABASE_URL"])
        try:
            return await rows_of_all_tables(database)
        finally:
            await database.close()

    return asyncio.run(read())


def log_key_of(xin: Xin) -> str:
    return xin.ok("init", "--operator", "tests").strip()


def test_help_is_there_at_once_and_loads_nothing_heavy() -> None:
    probe = (
        "import sys; sys.argv = ['xin', '--help']\n"
        "import api.__main__ as command\n"
        "try: command.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'strawberry', 'alembic', 'starlette', 'uvicorn', 'httpx', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", probe], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert ran.stdout.endswith("[]\n")
    assert "rebuild" in ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["enterprise"], id="an argument missing"),
        pytest.param(["nothing"], id="no such command"),
        pytest.param(["enterprise", "x", "--as-of", "yesterday"], id="no day"),
        pytest.param(["enterprise", "x", "--as", "king"], id="no tier"),
        pytest.param(["export", "statement", "-1", "-o", "x"], id="a negative index"),
        pytest.param(["export", "statement", "1"], id="no output"),
        pytest.param(["capture", "nowhere.json"], id="a file that is not there"),
        pytest.param(["enterprise", "\udcff"], id="an identifier of other bytes than UTF-8"),
        pytest.param(["trace", "\udcff"], id="a link of other bytes than UTF-8"),
    ],
)
def test_wrong_usage_is_exit_code_2(bare: Xin, arguments: list[str]) -> None:
    ran = bare(*arguments)
    assert ran.code == 2
    assert ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["enterprise", DAIRY.identifier],
        ["rebuild"],
        ["serve"],
        ["export", "statement", "0", "-o", "proof.json"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_tables_a_command_says_which_one_makes_them(
    bare: Xin, arguments: list[str]
) -> None:
    ran = bare(*arguments)
    assert ran.code == 1
    assert "DATABASE_NOT_AT_HEAD" in ran.err
    assert "xin migrate" in ran.err


def test_tables_alone_are_no_ledger_to_serve(bare: Xin) -> None:
    assert bare.ok("migrate") == f"at revision {HEAD}\n"
    ran = bare("serve")
    assert (ran.code, "LEDGER_EMPTY" in ran.err) == (1, True)


def test_to_found_a_ledger_twice_changes_nothing(bare: Xin) -> None:
    first = bare.ok("init", "--operator", "tests")
    held = all_rows()
    assert bare.ok("init", "--operator", "somebody else") == first
    assert all_rows() == held
    assert first.startswith("localhost/xinyuan+")


def test_a_setting_that_cannot_be_read_is_refused_by_name(
    bare: Xin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "eighty")
    ran = bare("migrate")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "REFUSED  PORT is 'eighty', not a port number",
        "  code   SETTINGS_INVALID",
        "  where  PORT",
    ]


@pytest.mark.parametrize(
    "url",
    ["mysql://somebody:secret@host/x", "postgresql://somebody:secret@/x", "secret", "sqlite://"],
)
def test_a_database_of_another_kind_is_refused_without_quoting_its_password(
    bare: Xin, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("XIN_DATABASE_URL", url)
    ran = bare("migrate")
    assert ran.code == 1
    assert "SETTINGS_INVALID" in ran.err
    assert "XIN_DATABASE_URL" in ran.err
    assert "secret" not in ran.err


@pytest.mark.parametrize("command", ["migrate", "serve", "rebuild"])
def test_a_database_that_cannot_be_opened_is_refused(
    bare: Xin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    no_database = tmp_path / "no database"
    no_database.write_bytes(b"words" * 1_000)
    for url in (
        f"sqlite+aiosqlite:///{no_database}",
        f"sqlite+aiosqlite:///{tmp_path / 'absent' / 'ledger.sqlite'}",
        f"postgresql+asyncpg://somebody:secret@127.0.0.1:{free_port()}/x",
    ):
        monkeypatch.setenv("XIN_DATABASE_URL", url)
        ran = bare(command)
        assert ran.code == 1
        assert "DATABASE_UNREACHABLE" in ran.err
        assert "secret" not in ran.err


def test_a_home_that_is_a_file_is_refused_by_name(
    bare: Xin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "file"
    home.touch()
    monkeypatch.setenv("XIN_HOME", str(home))
    ran = bare("migrate")
    assert ran.code == 1
    assert ran.err.splitlines()[1:] == ["  code   COMMAND_FILE_REFUSED", f"  where  {home}"]


def test_a_day_of_the_first_century_is_asked_for_as_it_is_spelled(xin: Xin) -> None:
    ran = xin("enterprise", DAIRY.identifier, "--as-of", "0001-01-01")
    assert "QUERY_MALFORMED" not in ran.err


def test_an_enterprise_is_shown_with_its_grade_and_reasons(xin: Xin) -> None:
    shown = xin.ok("enterprise", DAIRY.identifier, "--as-of", "2026-03-01", "--as", "authority")
    lines = shown.splitlines()
    assert lines[0] == "乳业 / Dairy"
    assert lines[1] == f"  identifier   uscc {DAIRY.identifier}"
    assert any(line.startswith("Grade ") for line in lines)
    assert "  true on      2026-03-01, as known at tree size 10" in lines
    assert any(line.startswith("Entry 9: ") for line in lines)
    assert "  states       Inspection: hygiene, fail, serious" in lines
    assert "  stated by    Market supervision" in lines


def test_an_enterprise_as_json_is_the_answer_of_the_door(xin: Xin) -> None:
    shown = json.loads(
        xin.ok("enterprise", DAIRY.identifier, "--json", "--as", "authority", "--tree-size", 9)
    )
    assert shown["rating"]["treeSize"] == 9
    assert shown["rating"]["reasons"] == []


def test_a_refusal_of_the_door_is_three_lines_and_exit_code_1(xin: Xin) -> None:
    ran = xin("enterprise", TRADER.identifier)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[1:] == ["  code   ENTERPRISE_UNKNOWN", "  where  id"]


def test_a_credential_that_is_not_there_is_refused_by_name(xin: Xin) -> None:
    ran = xin("enterprise", DAIRY.identifier, "--as", "bank")
    assert ran.code == 1
    assert "COMMAND_TOKEN_MISSING" in ran.err
    assert "bank" in ran.err


def test_credentials_are_readable_by_their_owner_alone(xin: Xin) -> None:
    for tier in (Tier.AUTHORITY, Tier.ENTERPRISE):
        path = token_path(xin.home / "tokens", tier)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((xin.home / "tokens").stat().st_mode) == 0o700


def test_a_document_is_captured_once_and_traced(xin: Xin, tmp_path: Path) -> None:
    document = tmp_path / "transformation.json"
    document.write_text(DOCUMENT)
    assert xin.ok("capture", document) == "entry 10  1 event of transformation.json\n"
    held = all_rows()
    assert xin.ok("capture", document).endswith(", known before\n")
    assert all_rows() == held
    traced = xin.ok("trace", "urn:epc:id:sgtin:4012345.077889.25")
    lines = traced.splitlines()
    assert lines[0] == "https://id.gs1.org/01/04012345778892/21/25"
    assert "TransformationEvent, 2026-02-01T00:00:00Z  (entry 10, event 0)" in lines
    assert any("https://id.gs1.org/01/04012345111224/21/25" in line for line in lines)
    assert "  captured by  乳业 / Dairy" in lines
    upward = json.loads(
        xin.ok("trace", "urn:epc:id:sgtin:4012345.077889.25", "--direction", "down", "--json")
    )
    assert upward["direction"] == "DOWN"
    assert len(upward["nodes"]) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"\xff\xfe", "COMMAND_FILE_UNFIT", id="no UTF-8"),
        pytest.param(b"{", "TRACE_DOCUMENT_NOT_JSON", id="no JSON"),
        pytest.param(b'{"type":"EPCISDocument"}', "TRACE_MEMBER_MISSING", id="no EPCIS"),
    ],
)
def test_a_document_that_is_none_is_refused_and_leaves_no_trace(
    xin: Xin, tmp_path: Path, content: bytes, code: str
) -> None:
    document = tmp_path / "document.json"
    document.write_bytes(content)
    held = all_rows()
    ran = xin("capture", document)
    assert ran.code == 1
    assert f"code   {code}" in ran.err
    assert all_rows() == held


def test_a_refused_document_is_named_and_those_before_it_are_told(xin: Xin, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(DOCUMENT)
    bad.write_text("{")
    ran = xin("capture", good, bad)
    assert (ran.code, ran.out) == (1, "entry 10  1 event of good.json\n")
    assert f"  where  {bad}" in ran.err


def test_a_proof_takes_the_place_of_a_file_and_of_nothing_else(xin: Xin, tmp_path: Path) -> None:
    ran = xin("export", "statement", 9, "-o", tmp_path / "absent" / "proof.json")
    assert ran.code == 1
    assert "COMMAND_FILE_REFUSED" in ran.err
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    xin.ok("export", "statement", 9, "-o", pipe)
    assert os.read(reader, 1 << 16).startswith(b'{"checkpoint"')
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_to_withhold_a_member_that_is_not_there_is_refused(xin: Xin, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    ran = xin("export", "statement", 9, "-o", proof, "--withhold", "txet")
    assert ran.code == 1
    assert "EXPORT_NOT_EXPORTABLE" in ran.err
    assert not proof.exists()


def test_what_is_exported_is_verified_by_the_stranger(xin: Xin, tmp_path: Path) -> None:
    document = tmp_path / "transformation.json"
    document.write_text(DOCUMENT)
    xin.ok("capture", document)
    log_key = log_key_of(xin)
    for what in (
        ("statement", 9),
        ("capture", 10),
        ("enterprise", DAIRY.identifier),
        ("enterprise", f"uscc:{DAIRY.identifier}"),
        ("enterprise", DAIRY.label()),
    ):
        proof = tmp_path / "proof.json"
        xin.ok("export", *what, "-o", proof)
        assert verify(proof.read_bytes(), log_key).kind == what[0]
    xin.ok("export", "statement", 9, "-o", proof, "--withhold", "text", "--withhold", "case")
    data = proof.read_bytes()
    verify(data, log_key)
    assert b"not for everyone" not in data


def test_a_proof_that_cannot_be_made_leaves_no_file(xin: Xin, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    ran = xin("export", "capture", 9, "-o", proof)
    assert (ran.code, "EXPORT_NOT_EXPORTABLE" in ran.err) == (1, True)
    assert not proof.exists()


def test_a_rebuild_says_what_it_did_and_changes_no_row(xin: Xin) -> None:
    xin.ok("rebuild")
    held = all_rows()
    assert json.loads(xin.ok("rebuild", "--json")) == {"entries": 10, "ratings": 1}
    assert all_rows() == held


def test_commands_say_the_same_whether_a_server_runs_or_not(
    xin: Xin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "transformation.json"
    document.write_text(DOCUMENT)
    ask: Callable[[], str] = lambda: xin.ok(  # noqa: E731
        "enterprise", DAIRY.identifier, "--as-of", "2026-03-01", "--as", "authority"
    )
    alone = ask()
    monkeypatch.setenv("XIN_DEMO", "1")
    with served() as (process, address):
        assert ask() == alone
        assert xin.ok("capture", document).startswith("entry 10 ")
        assert xin.ok("trace", "urn:epc:id:sgtin:4012345.077889.25")
        ran = xin("rebuild")
        assert (ran.code, "LEDGER_WRITER_BUSY" in ran.err) == (1, True)
        ran = xin("serve")
        assert (ran.code, "COMMAND_PORT_TAKEN" in ran.err) == (1, True)
        assert os.environ["PORT"] in ran.err
        key = httpx.get(f"{address}/log-key", trust_env=False).text
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, output
        assert "Traceback" not in output
    assert key.strip() == log_key_of(xin)
    assert xin.ok("capture", document).endswith(", known before\n")


def test_a_demonstrations_credential_is_refused_by_a_server_that_is_none(xin: Xin) -> None:
    with served():
        ran = xin("enterprise", DAIRY.identifier, "--as", "authority")
    assert (ran.code, "ACCESS_DEMO_ISSUER_REFUSED" in ran.err) == (1, True)


def test_to_take_up_a_demonstration_again_adds_nothing(bare: Xin) -> None:
    sizes = []
    for _ in range(2):
        with served("up") as (process, address):
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Everything told"):
                    break
            answer = httpx.get(f"{address}/checkpoint", trust_env=False)
            sizes.append(int(answer.text.splitlines()[1]))
            assert xin_tokens(bare) == {"authority.jwt", "bank.jwt", "enterprise.jwt"}
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
            assert process.returncode == 0
    assert sizes[0] == sizes[1] > 300


def xin_tokens(xin: Xin) -> set[str]:
    """Names of the credentials, each of which its owner alone can read."""
    paths = list((xin.home / "tokens").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    return {path.name for path in paths}
