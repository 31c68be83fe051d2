"""`xin serve` as several processes: any may end at any moment; what was acknowledged stays."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import httpx
import pytest

from api.access import Tier
from api.founding import admit_authority, found, prepare_keys
from api.operating import migrate_database
from api.processes import RESTART_S
from api.service import Service
from api.settings import DOORS_MAX, Settings, SettingsInvalid
from api.tokens import read_token, write_demo_tokens
from ledger.custody import KeptKey
from ledger.keystore import Keystore
from ledger.salts import fresh_salts
from ledger.statement import Draft, Severity, Weighing, issue
from tests.world import DAIRY, MARKET

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0

FOUNDED_ENTRIES = 5
"""The genesis, and a key and a mandate each of the door and of the authority."""

RECORD = """
mutation Record($key: String!, $id: String!) {
  recordInspection(input: {
    idempotencyKey: $key, subject: $id, code: "hygiene", outcome: "pass", basis: "lab",
    decidedOn: "2026-02-10"
  }) { ... on Recorded { entry { leafIndex } } ... on Refusal { code message } }
}
"""


@dataclass
class Served:
    """A running `xin serve`, and an authority's credential for it."""

    process: subprocess.Popen[str]
    address: str
    token: str
    key: KeptKey
    references: Iterator[int]

    def state(self, jti: str | None = None) -> dict[str, object]:
        """One more finding, or the same again; what the server answers."""
        statement = issue(
            Draft(
                issuer=MARKET.label(),
                subject=DAIRY.label(),
                jti=jti or f"S-{next(self.references)}",
                issued_at=1_772_000_000,
                weighing=Weighing(
                    kind="inspection",
                    code="hygiene",
                    outcome="fail",
                    severity=Severity.GENERAL,
                    decided_on=date(2026, 2, 10),
                    basis="lab",
                ),
                particulars={"subject": {"id": DAIRY.identifier, "scheme": "uscc"}},
            ),
            self.key,
            fresh_salts(),
        )
        # A new connection each time: whichever door takes it.
        answer = httpx.post(
            f"{self.address}/entries",
            content=statement.presentation,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/sd-jwt",
            },
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        content = answer.json()
        assert isinstance(content, dict)
        return content

    def children(self, role: str = "") -> list[int]:
        """The processes around the writer's own, or those of one role."""
        listed = subprocess.run(
            ["ps", "--ppid", str(self.process.pid), "-o", "pid=,args="],
            capture_output=True,
            text=True,
        )
        return [int(line.split()[0]) for line in listed.stdout.splitlines() if role in line]


def until(holds: Callable[[], bool]) -> None:
    """Wait, but not for ever."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    """Whether no such process runs; one that ended and was not asked after counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def founded(settings: Settings) -> None:
    await migrate_database(settings)
    keystore = Keystore(settings.keys_folder)
    prepare_keys(keystore)
    async with Service.opened(settings, writes=True) as service:
        await found(service, operator="tests")
        await admit_authority(
            service, MARKET.label(), names={"en": "Market supervision"}, kinds=("inspection",)
        )
        await service.followed(service.writer.tree_size)
    write_demo_tokens(
        settings.tokens_folder,
        keystore,
        {Tier.AUTHORITY: MARKET.label()},
        audience=settings.origin,
        at=datetime.now(UTC),
    )


@pytest.fixture
def served(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Two doors, the views, and the writer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in {
        "XIN_HOME": str(tmp_path / "home"),
        "XIN_DATABASE_URL": database_url,
        "XIN_DEMO": "1",
        "XIN_DOORS": "2",
        "PORT": str(port),
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment()
    asyncio.run(founded(settings))
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "serve"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("serving ")
        yield Served(
            process,
            settings.address,
            read_token(settings.tokens_folder, Tier.AUTHORITY),
            Keystore(settings.keys_folder).get(MARKET.label()),
            count(1),
        )
    finally:
        process.kill()
        process.communicate()


def test_doors_share_one_log_and_one_order(served: Served) -> None:
    assert len(served.children("door")) == 2
    assert len(served.children("views")) == 1
    first = [served.state(f"R-{number}") for number in range(12)]
    indexes = [answer["leaf_index"] for answer in first]
    assert indexes == [*range(FOUNDED_ENTRIES, FOUNDED_ENTRIES + 12)]
    again = [served.state(f"R-{number}") for number in range(12)]
    assert again == [{**answer, "duplicate": True} for answer in first]


def test_an_officer_reads_what_was_just_recorded_whichever_door_answers(served: Served) -> None:
    for number in range(6):
        answer = httpx.post(
            f"{served.address}/graphql",
            json={"query": RECORD, "variables": {"key": f"K-{number}", "id": DAIRY.identifier}},
            headers={"Authorization": f"Bearer {served.token}"},
            trust_env=False,
        ).json()
        index = answer["data"]["recordInspection"]["entry"]["leafIndex"]
        # Read at once, and over another connection: the views have it already.
        query = f"{{ entry(leafIndex: {index}) {{ ... on Entry {{ leafIndex }} }} }}"
        read = httpx.post(f"{served.address}/graphql", json={"query": query}, trust_env=False)
        assert read.json()["data"]["entry"]["leafIndex"] == index


@pytest.mark.parametrize("role", ["door", "views"])
def test_a_process_that_was_killed_is_replaced(served: Served, role: str) -> None:
    before = served.children(role)
    first = served.state()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(served.children(role)) == len(before) and before[0] not in served.children())
    # The socket was never closed: a connection waits until a door takes it.
    assert served.state()["leaf_index"] == first["leaf_index"] + 1  # type: ignore[operator]
    test_an_officer_reads_what_was_just_recorded_whichever_door_answers(served)


def test_when_the_writer_is_killed_nothing_of_it_stays_behind(served: Served) -> None:
    children = served.children()
    kept = served.state("LAST")
    served.process.kill()
    served.process.wait()
    until(lambda: all(map(is_gone, children)))
    again = subprocess.Popen(
        [sys.executable, "-m", "api", "serve"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert again.stdout is not None
        assert again.stdout.readline().startswith("serving ")
        assert served.state("LAST") == {**kept, "duplicate": True}
    finally:
        again.kill()
        again.communicate()


def test_a_process_that_cannot_be_started_for_a_while_is_started_later(served: Served) -> None:
    """A writer without a free descriptor cannot make the line to another door."""
    pid = served.process.pid
    before = served.children("door")
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (4, limits[1]))
    for door in before:
        os.kill(door, signal.SIGKILL)
    until(lambda: all(map(is_gone, before)))
    # That nothing happens cannot be waited for: it would have been tried by now, and was.
    time.sleep(2 * RESTART_S)
    assert not served.children("door")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    until(lambda: len(served.children("door")) == len(before))


def test_a_signal_is_heard_while_a_process_does_not_start(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Here because a file of the settings is gone after the writer has read it."""
    served.process.kill()
    served.process.wait()
    policy = tmp_path / "policy"
    os.mkfifo(policy)
    monkeypatch.setenv("XIN_WITNESS_POLICY", str(policy))
    again = subprocess.Popen(
        [sys.executable, "-m", "api", "serve"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # Who opens it is the writer; whoever is started by it finds it gone.
        policy.write_text("quorum none\n")
        policy.unlink()
        assert again.stdout is not None
        while "starting another" not in again.stdout.readline():
            assert again.poll() is None
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=PATIENCE_S)
        assert again.returncode == 0
    finally:
        again.kill()
        again.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes_in_order(served: Served, number: signal.Signals) -> None:
    served.state()
    children = served.children()
    served.process.send_signal(number)
    output, _ = served.process.communicate(timeout=PATIENCE_S)
    assert served.process.returncode == 0, output
    assert "Traceback" not in output
    assert all(map(is_gone, children))


@pytest.mark.parametrize("text", ["-1", str(DOORS_MAX + 1), "two", "٢"])
def test_a_number_of_doors_outside_its_bounds_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Settings.from_environment({"XIN_DOORS": text})
    assert refused.value.path == ("XIN_DOORS",)


def test_as_many_doors_as_may_be() -> None:
    assert Settings.from_environment({"XIN_DOORS": str(DOORS_MAX)}).doors == DOORS_MAX
