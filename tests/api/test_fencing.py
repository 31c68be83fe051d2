"""One writer, whatever runs: ARCHITECTURE invariants 1 and 2, with processes that are real.

Two are started at once; one is stopped (SIGSTOP), loses its lock, and wakes up when another has
taken over. Exactly one signs, and whoever asks the other one is refused.
"""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from tests.api.homes import Home, Served, free_port
from tests.conftest import execute

WAIT_S = 60


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    """A founded log with one authority."""
    home = Home(tmp_path / "home", database_url).with_settings(XIN_DOORS="0")
    home.found()
    return home


@pytest.fixture
def server(request: pytest.FixtureRequest, database_url: str) -> str | None:
    """The PostgreSQL server, where there is one."""
    if not database_url.startswith("postgresql"):
        return None
    url = request.getfixturevalue("postgres_server")
    assert isinstance(url, str)
    return url


def take_lock_away(home: Home, server: str | None) -> None:
    """What happens to the lock of a machine that everybody takes for dead."""
    url = make_url(home.database_url)
    if server is None:
        # The lock goes with the file, which stays locked where nobody finds it any more.
        Path(f"{url.database}.writer").unlink()
        return
    execute(
        server,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'",
    )


def get(served: Served, path: str) -> httpx.Response:
    return httpx.get(f"{served.address}{path}", trust_env=False, timeout=WAIT_S)


def test_of_two_that_are_started_at_once_one_signs(home: Home) -> None:
    other = replace(home, port=free_port())
    processes = [one.start("serve") for one in (home, other)]
    try:
        deadline = time.monotonic() + WAIT_S
        while all(process.poll() is None for process in processes):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (loser,) = [process for process in processes if process.poll() is not None]
        output = loser.communicate()[0]
        assert loser.returncode == 1
        assert "  code   LEDGER_WRITER_BUSY\n" in output
        winner = home if loser is processes[1] else other
        while True:
            try:
                assert winner.state("S-1") == {"S-1": 5}
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    assert home.audited()[0] == 6


@pytest.fixture(params=["0", "1"], ids=["one process", "a door of its own"])
def doors(request: pytest.FixtureRequest) -> str:
    """How many processes answer beside the writer's."""
    return str(request.param)


def test_a_writer_that_slept_through_its_succession_signs_nothing_any_more(
    home: Home, server: str | None, doors: str
) -> None:
    sleeper = home.with_settings(XIN_DOORS=doors)
    successor = replace(home, port=free_port())
    with sleeper.serving() as asleep, ThreadPoolExecutor(1) as clients:
        acknowledged = sleeper.state("S-1")
        asleep.process.send_signal(signal.SIGSTOP)
        refused = clients.submit(sleeper.post, "S-2", timeout_s=WAIT_S)
        take_lock_away(home, server)
        with successor.serving() as awake:
            acknowledged |= successor.state("S-3", "S-4")
            asleep.process.send_signal(signal.SIGCONT)
            answer = refused.result(WAIT_S)
            assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_WRITER_FENCED")
            assert answer.headers["retry-after"] == "5"
            for jti in ("S-5", "S-1"):
                # Not even what it acknowledged itself is answered for any more.
                answer = sleeper.post(jti)
                assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_WRITER_FENCED")
            assert get(asleep, "/readyz").json()["code"] == "LEDGER_WRITER_FENCED"
            assert get(asleep, "/healthz").status_code == 200
            assert get(awake, "/readyz").status_code == 200
            # Whoever was refused is told by the successor, and it stands once.
            acknowledged |= successor.state("S-2")
            assert successor.state(*acknowledged) == acknowledged
    assert acknowledged == {"S-1": 5, "S-3": 6, "S-4": 7, "S-2": 8}
    assert home.audited()[0] == 9


def test_a_successor_that_nobody_told_of_goes_on_where_the_sleeper_was(
    home: Home, server: str | None
) -> None:
    successor = replace(home, port=free_port())
    with home.serving() as asleep:
        home.state("S-1")
        asleep.process.send_signal(signal.SIGSTOP)
        take_lock_away(home, server)
        with successor.serving():
            # Nothing was written meanwhile, so the database alone could not tell them apart: the
            # high-water file does, which the successor took over when it started.
            asleep.process.send_signal(signal.SIGCONT)
            answer = home.post("S-2")
            assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_WRITER_FENCED")
            assert successor.state("S-3", "S-2") == {"S-3": 6, "S-2": 7}
    assert home.audited()[0] == 8
