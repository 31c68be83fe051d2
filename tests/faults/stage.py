"""Where a campaign plays: logs to be broken, on SQLite and on PostgreSQL.

    Stage             fresh logs, each a copy of one that was founded before
    Log               one of them
    SqliteStage       copies of a file
    PostgresStage     databases of one server that flushes what it commits
    Server            that server: killed, and started again
    opened            the stage of a database

BASE_SIZE entries stand in every fresh log: a few short of a full tile, so that what is appended
finishes it.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from sqlalchemy import make_url

from tests import postgres
from tests.faults.appender import Place, founding
from tests.faults.child import told

BASE_SIZE = 250

SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    # What a server has when nobody has touched its settings; the tests' own has none of it.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "restart_after_crash": "on",
    # One call instead of one for each file: the same promise, and a recovery within a second.
    "recovery_init_sync_method": "syncfs",
    # Nothing of its own accord while calls are counted, and no hints, which nothing depends on.
    "checkpoint_flush_after": "0",
    "backend_flush_after": "0",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "bgwriter_delay": "10s",
    "wal_writer_delay": "10s",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}


@dataclass
class Log:
    """One log, and where what is said about it is kept."""

    url: str
    folder: Path
    size: int = BASE_SIZE
    has_tile_files: bool = False

    def place(self, beside: str = "beside") -> Place:
        """Where a process finds it."""
        return Place(self.url, self.folder / f"ledger.{beside}", self.has_tile_files)

    @property
    def said(self) -> Path:
        """What the processes of this case printed."""
        return self.folder / "said.log"


class Stage(ABC):
    """Fresh logs of one database."""

    database: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._bases: dict[int, str] = {}

    def fresh(self, size: int = BASE_SIZE) -> Log:
        """A log that nobody has opened yet."""
        name = f"log{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        log = Log("", folder, size)
        if size not in self._bases:
            self._bases[size] = self._found(f"base{size}", size, log.said)
        log.url = self._copied(self._bases[size], name, folder)
        return log

    @abstractmethod
    def discard(self, log: Log) -> None:
        """Make room."""

    @abstractmethod
    def _found(self, name: str, size: int, said: Path) -> str: ...

    @abstractmethod
    def _copied(self, base: str, name: str, folder: Path) -> str: ...


class SqliteStage(Stage):
    """One file each."""

    database = "sqlite"

    def _found(self, name: str, size: int, said: Path) -> str:
        path = self.folder / f"{name}.sqlite"
        assert told(founding(_file_url(path), size), log=said), said.read_text()
        # Its last connection is closed: the write-ahead log is part of the file.
        assert not path.with_name(f"{path.name}-wal").exists()
        return str(path)

    def _copied(self, base: str, name: str, folder: Path) -> str:
        path = folder / "ledger.sqlite"
        shutil.copyfile(base, path)
        return _file_url(path)

    def discard(self, log: Log) -> None:
        shutil.rmtree(log.folder)


def _file_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@dataclass
class Server:
    """A PostgreSQL cluster, running or not."""

    folder: Path
    programs: Path
    settings: dict[str, str] = field(default_factory=lambda: dict(SERVER_SETTINGS))
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def initialised(cls, folder: Path) -> "Server":
        """A new cluster, not running."""
        return cls(folder, postgres.initialise(folder))

    @property
    def pid(self) -> int:
        """The process that starts all others."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers: after its recovery, where it was killed."""
        self._process = postgres.start(self.folder, self.programs, self.settings)
        postgres.await_readiness(self._process, self.folder)

    def stop(self) -> None:
        """In order."""
        if self._process is not None:
            postgres.stop(self._process)

    def kill(self) -> None:
        """As a machine that loses its power does, but for what is in the page cache."""
        pids = [self.pid, *self.children()]
        for pid in pids:
            try:
                # Stopped first, so that none of them does anything about the others' end.
                _signal(pid, signal.SIGSTOP)
            finally:
                _signal(pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def ensure(self) -> None:
        """Start it again where a fault has ended it."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def children(self) -> dict[int, str]:
        """Its processes, with what each says that it is."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        found = {}
        for pid in path.read_text().split():
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            found[int(pid)] = title.replace(b"\0", b" ").decode(errors="replace").strip()
        return found

    def backends(self, database: str) -> list[int]:
        """The processes that serve connections to a database, oldest first."""
        return sorted(
            pid for pid, title in self.children().items() if f" {database} [local]" in title
        )

    def url(self, database: str) -> str:
        """Of a database of this server."""
        url = make_url(postgres.url_of(self.folder))
        return url.set(database=database).render_as_string(hide_password=False)

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements outside of transactions; waits for a server that recovers."""
        asyncio.run(self._execute(statements, database))

    async def _execute(self, statements: tuple[str, ...], database: str) -> None:
        give_up_at = time.monotonic() + postgres.START_S_MAX
        while True:
            try:
                connection = await asyncpg.connect(
                    user="postgres", database=database, host=str(self.folder)
                )
                break
            except (asyncpg.CannotConnectNowError, OSError):
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(0.05)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


class PostgresStage(Stage):
    """One database each, of one server."""

    database = "postgresql"

    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server

    def _found(self, name: str, size: int, said: Path) -> str:
        self.server.ensure()
        self.server.execute(f"CREATE DATABASE {name}")
        assert told(founding(self.server.url(name), size), log=said), said.read_text()
        return name

    def _copied(self, base: str, name: str, folder: Path) -> str:
        self.server.ensure()
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {base}")
        return self.server.url(name)

    def discard(self, log: Log) -> None:
        self.server.ensure()
        name = make_url(log.url).database
        self.server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        shutil.rmtree(log.folder)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def opened(database: str) -> Iterator[Stage]:
    """The stage of a database, and nothing left of it after."""
    with TemporaryDirectory(prefix="xin-faults-") as folder:
        if database == "sqlite":
            yield SqliteStage(Path(folder))
            return
        with postgres.scratch() as cluster:
            server = Server.initialised(cluster)
            server.start()
            try:
                yield PostgresStage(Path(folder), server)
            finally:
                server.ensure()
                server.stop()
