"""Homes of a log as processes of their own, and what an operator does to their databases.

Home           a folder, a database, and the `xin` command of its own process
Home.founded   with a market authority that can state, and credentials for it and the operator
Home.serving   `xin serve` until the block ends; Home.shown the same in this process
Copies         copies of a database as an operator makes them: files, or databases from templates
Ran            what a command said, and its exit code
"""

import asyncio
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue

import httpx
import pytest
import uvicorn
from sqlalchemy import Executable, make_url

from api.__main__ import main
from api.access import DEMO_ISSUER, DEMO_KEY, Credential, Tier, issue_credential
from api.app import create_app
from api.founding import admit_authority
from api.migration import migrate
from api.onlookers import stored_checkpoint
from api.openings import OPERATOR_LABEL
from api.service import Service
from api.serving import listening
from api.settings import Settings
from api.submission import SD_JWT
from ledger.admission import Submission
from ledger.canonical import Json
from ledger.database import Database
from ledger.identity import SubjectLabel
from ledger.keystore import Keystore
from ledger.presentation import read_statement
from ledger.salts import fresh_salts
from ledger.statement import issue
from tests.api.doors import fine
from tests.conftest import execute
from tests.world import DAIRY, MARKET, draft_about, rows_of_all_tables

REPOSITORY = Path(__file__).resolve().parents[2]
START_S = 60


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The code of the refusal it ended with."""
        lines = [line for line in self.err.splitlines() if line.startswith("  code   ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("  code   ")


@dataclass(frozen=True)
class Served:
    """A server's process and address."""

    process: subprocess.Popen[str]
    address: str


@dataclass(frozen=True)
class Home:
    """One machine of a log's operator."""

    folder: Path
    database_url: str
    port: int = field(default_factory=lambda: free_port())
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of its processes."""
        return {
            "XIN_HOME": str(self.folder),
            "XIN_DATABASE_URL": self.database_url,
            "PORT": str(self.port),
            "XIN_DEMO": "1",
            "NO_PROXY": "127.0.0.1",
            **self.more,
        }

    @property
    def settings(self) -> Settings:
        """The same, in this process."""
        return Settings.from_environment(self.environment)

    @property
    def operator_token(self) -> Path:
        """The operator's credential."""
        return self.folder / "tokens" / "operator.jwt"

    def with_settings(self, **settings: str) -> "Home":
        """The same home, told more."""
        return replace(self, more={**self.more, **settings})

    def xin(self, *arguments: object) -> Ran:
        """Run the command to its end, in this process: the interpreter need not start again."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
                main([str(argument) for argument in arguments])
        return Ran(int(left.value.code or 0), out.getvalue(), err.getvalue())

    def ok(self, *arguments: object) -> str:
        """Run it, and see that it was not refused."""
        ran = self.xin(*arguments)
        assert ran.code == 0, ran.err
        return ran.out

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Run it beside this process."""
        return subprocess.Popen(
            [sys.executable, "-m", "api", *map(str, arguments)],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def serving(self, *options: str) -> Iterator[Served]:
        """`xin serve`, from its first answer on."""
        process = self.start("serve", *options)
        served = Served(process, f"http://127.0.0.1:{self.port}")
        try:
            give_up_at = time.monotonic() + START_S
            while True:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < give_up_at
                try:
                    httpx.get(f"{served.address}/healthz", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()

    @contextmanager
    def shown(self, *, writes: bool = False) -> Iterator[str]:
        """The address of what `xin serve` serves, here by a thread, which starts faster."""
        ready: Queue[uvicorn.Server] = Queue()

        async def serve(taken: socket.socket) -> None:
            async with Service.opened(self.settings, writes=writes) as service:
                config = uvicorn.Config(create_app(service), lifespan="off", log_config=None)
                server = uvicorn.Server(config)
                ready.put(server)
                await server.serve(sockets=[taken])

        with listening(0) as taken:
            thread = threading.Thread(target=lambda: asyncio.run(serve(taken)))
            thread.start()
            server = ready.get(timeout=START_S)
            try:
                yield f"http://127.0.0.1:{taken.getsockname()[1]}"
            finally:
                server.should_exit = True
                thread.join()

    def found(self) -> None:
        """Found the log; one authority may state."""
        self.ok("init", "--operator", "tests")
        asyncio.run(self._admit())

    async def _admit(self) -> None:
        async with Service.opened(self.settings, writes=True) as service:
            if not service.keystore.has(DEMO_KEY):
                service.keystore.create(DEMO_KEY)
            await admit_authority(
                service, MARKET.label(), names={"en": "Market"}, kinds=("enforcement",)
            )
            await service.followed(service.writer.tree_size)
        self.operator_token.parent.mkdir(exist_ok=True)
        self.operator_token.write_text(self.credential(OPERATOR_LABEL) + "\n")

    def credential(self, subject: SubjectLabel, tier: Tier = Tier.AUTHORITY) -> str:
        """A credential that its servers believe."""
        now = int(datetime.now(UTC).timestamp())
        credential = Credential(
            issuer=DEMO_ISSUER,
            audience=self.settings.origin,
            subject=subject,
            tier=tier,
            issued_at=now,
            expires_at=now + 3_600,
            reference=secrets.token_hex(8),
        )
        return issue_credential(credential, Keystore(self.settings.keys_folder).get(DEMO_KEY))

    def statement(self, jti: str) -> str:
        """A finished statement of the market authority."""
        key = Keystore(self.settings.keys_folder).get(MARKET.label())
        particulars: dict[str, Json] = {"text": jti}
        draft = draft_about(
            DAIRY,
            fine(),
            particulars,
            issuer=MARKET,
            jti=jti,
            issued_at=int(datetime.now(UTC).timestamp()),
        )
        return issue(draft, key, fresh_salts()).presentation

    def post(self, jti: str, *, timeout_s: float = 30) -> httpx.Response:
        """Send one to its server, whoever that is."""
        return httpx.post(
            f"http://127.0.0.1:{self.port}/entries",
            content=self.statement(jti),
            headers=self.headers(),
            timeout=timeout_s,
            trust_env=False,
        )

    def headers(self) -> dict[str, str]:
        """Of a submission by the market authority."""
        token = self.credential(MARKET.label())
        return {"Content-Type": SD_JWT, "Authorization": f"Bearer {token}"}

    def append(self, *references: str) -> dict[str, int]:
        """State these as the writer; says which index each was acknowledged with."""

        async def submit() -> dict[str, int]:
            async with Service.opened(self.settings, writes=True) as service:
                acknowledged = {
                    jti: (await service.writer.submit(self.submission(jti)))[0].leaf_index
                    for jti in references
                }
                await service.followed(service.writer.tree_size)
                return acknowledged

        return asyncio.run(submit())

    def append_many(self, count: int) -> None:
        """State as many, a hundred under one head."""

        async def submit() -> None:
            async with Service.opened(self.settings, writes=True) as service:
                for first in range(0, count, 100):
                    references = [f"M-{number}" for number in range(first, first + 100)]
                    await service.writer.submit_each(map(self.submission, references))
                await service.followed(service.writer.tree_size)

        asyncio.run(submit())

    def tree_size(self) -> int:
        """Where its database ends."""

        async def read() -> int:
            async with self.database() as database:
                return (await stored_checkpoint(database, "")).tree_size

        return asyncio.run(read())

    def execute(self, statement: Executable) -> None:
        """Do to its database what only a person with access to it can do."""

        async def write() -> None:
            async with self.database() as database, database.writing() as session:
                await session.execute(statement)

        asyncio.run(write())

    def submission(self, jti: str) -> Submission:
        """One statement of the market authority, as a door hands it on."""
        return Submission((read_statement(self.statement(jti)),))

    def state(self, *references: str) -> dict[str, int]:
        """The same, through the server that runs here."""
        acknowledged = {}
        for jti in references:
            answer = self.post(jti)
            assert answer.status_code == 200, answer.text
            acknowledged[jti] = answer.json()["leaf_index"]
        return acknowledged

    def audited(self) -> tuple[int, str]:
        """Size and root of a log that is what was signed."""
        report = json.loads(self.ok("log", "audit", "--signatures", "--json"))
        return report["tree_size"], report["root_hash"]

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of its database."""

        async def read() -> dict[str, list[tuple[object, ...]]]:
            async with self.database() as database:
                return await rows_of_all_tables(database)

        return asyncio.run(read())

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Its database, opened in this process."""
        database = Database.connect(self.database_url)
        try:
            yield database
        finally:
            await database.close()

    def beside(self, folder: Path, database_url: str) -> "Home":
        """Another machine, with the same keys and credentials, and a database of its own."""
        folder.mkdir()
        for name in ("keys", "tokens"):
            shutil.copytree(self.folder / name, folder / name)
        return Home(folder, database_url)


@dataclass
class Copies:
    """Copies of one database, while no process has it open; gone with the test."""

    database_url: str
    folder: Path
    server: str | None
    made: list[str] = field(default_factory=list)

    def copy(self) -> str:
        """The URL of a copy as it is now."""
        url = make_url(self.database_url)
        if self.server is None:
            path = self.folder / f"copy-{len(self.made)}.sqlite"
            self._copy_files(Path(url.database or ""), path)
            self.made.append(str(path))
            return f"sqlite+aiosqlite:///{path}"
        name = f"{url.database}_{len(self.made)}"
        execute(self.server, f'CREATE DATABASE "{name}" TEMPLATE "{url.database}"')
        self.made.append(name)
        return url.set(database=name).render_as_string(hide_password=False)

    def empty(self) -> str:
        """The URL of a database with tables and nothing in them."""
        url = make_url(self.database_url)
        if self.server is None:
            fresh = f"sqlite+aiosqlite:///{self.folder / f'empty-{len(self.made)}.sqlite'}"
        else:
            name = f"{url.database}_{len(self.made)}"
            execute(self.server, f'CREATE DATABASE "{name}"')
            fresh = url.set(database=name).render_as_string(hide_password=False)
        self.made.append(make_url(fresh).database or "")

        async def make_tables() -> None:
            database = Database.connect(fresh)
            await migrate(database)
            await database.close()

        asyncio.run(make_tables())
        return fresh

    def put_back(self, copy: str) -> None:
        """Have the copy's rows where the database was."""
        url, source = make_url(self.database_url), make_url(copy)
        if self.server is None:
            self._copy_files(Path(source.database or ""), Path(url.database or ""))
            return
        execute(self.server, f'DROP DATABASE "{url.database}" WITH (FORCE)')
        execute(self.server, f'CREATE DATABASE "{url.database}" TEMPLATE "{source.database}"')

    def close(self) -> None:
        """Remove what a server keeps."""
        if self.server is not None:
            for name in self.made:
                execute(self.server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _copy_files(self, source: Path, target: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            beside = target.with_name(target.name + suffix)
            beside.unlink(missing_ok=True)
            if source.with_name(source.name + suffix).exists():
                shutil.copy(source.with_name(source.name + suffix), beside)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port
