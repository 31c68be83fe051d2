"""What every test may ask for: the shared data, and a fresh database of either make.

    shared_data      a file of the shared data folder by its relative path
    database_url     the URL of a fresh, empty database; the test runs on SQLite and on PostgreSQL
    postgres_server  the URL of a running PostgreSQL server, one for all tests of a run

The shared data is read where it lies and never copied in: `XIN_SHARED` names the folder, by
default `shared` beside the repository. A clone without it skips the tests that need it and says
so; where `CI=true` its absence is a failure, so that nobody takes a skip for a proof.

`XIN_TEST_POSTGRES_URL` names a server that may create databases. When it is unset, a run starts
one by `tests/postgres.py`: with parallel workers (as `./xin test` has) before they are made, else
when the first test asks for it.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
from sqlalchemy import make_url

from tests import postgres

REPOSITORY = Path(__file__).resolve().parent.parent
POSTGRES_URL = "XIN_TEST_POSTGRES_URL"

# A slow machine is not a wrong answer; under CI=true the same commit tries the same examples.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")


def pytest_configure(config: pytest.Config) -> None:
    """Start the one server of a parallel run before its workers, which inherit the variable."""
    makes_workers = bool(getattr(config.option, "numprocesses", None))
    if makes_workers and not hasattr(config, "workerinput") and POSTGRES_URL not in os.environ:
        servers = ExitStack()
        os.environ[POSTGRES_URL] = servers.enter_context(postgres.running())
        config.add_cleanup(servers.close)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Call it with a path below `data/` of the shared folder, as `merkle/inclusion.jsonl`."""
    data = Path(os.environ.get("XIN_SHARED") or REPOSITORY.parent / "shared") / "data"

    def locate(relative: str) -> Path:
        path = data / relative
        if not data.is_dir():
            reason = f"the shared data folder is not there: {data} (set XIN_SHARED)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        assert path.exists(), f"the shared data folder lacks {relative}"
        return path

    return locate


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server that may create databases."""
    given = os.environ.get(POSTGRES_URL)
    if given:
        yield given
        return
    with postgres.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, empty database, gone after the test; making an engine is the test's."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"xin_{uuid4().hex}"
    execute(server, f'CREATE DATABASE "{name}"')
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    # A test that failed may have left connections open; they must not keep the database.
    execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def execute(server: str, statement: str) -> None:
    """Run one statement outside a transaction, in an event loop that no test sees."""

    async def connect_and_execute() -> None:
        url = server.replace("postgresql+asyncpg://", "postgresql://", 1)
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(connect_and_execute())
