"""Databases as an operator has them: every commit is on the disk before it is answered.

    KINDS       sqlite, postgresql
    Databases   fresh ones of a kind, gone at the end of the block

PostgreSQL is the server of the tests with settings that flush, kept by a process of its own
(`tests/postgres.py`), on a Unix socket.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg
from sqlalchemy import make_url

KINDS = ("sqlite", "postgresql")

KEEPER = Path(__file__).resolve().parents[2] / "tests" / "postgres.py"


@dataclass(frozen=True)
class Databases:
    """Fresh databases of one kind."""

    kind: str
    place: str
    numbers: Iterator[int]

    @classmethod
    @contextmanager
    def of(cls, kind: str, *, preload: Path | None = None) -> Iterator[Self]:
        """`preload` is a library for PostgreSQL's processes; those of SQLite are the caller's."""
        if kind == "sqlite":
            with tempfile.TemporaryDirectory(prefix="xin-bench-") as folder:
                yield cls(kind, folder, itertools.count(1))
            return
        command = [sys.executable, str(KEEPER), "--flushing"]
        if preload is not None:
            command += ["--preload", str(preload)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as keeper:
            assert keeper.stdin is not None
            assert keeper.stdout is not None
            url = keeper.stdout.readline().strip()
            assert url, "PostgreSQL did not start; the reason stands above"
            try:
                yield cls(kind, url, itertools.count(1))
            finally:
                keeper.stdin.close()

    def fresh(self) -> str:
        """The URL of an empty one."""
        name = f"bench_{next(self.numbers)}"
        if self.kind == "sqlite":
            return f"sqlite+aiosqlite:///{Path(self.place) / name}.sqlite"
        asyncio.run(self._create(name))
        return make_url(self.place).set(database=name).render_as_string(hide_password=False)

    async def _create(self, name: str) -> None:
        connection = await asyncpg.connect(self.place.replace("+asyncpg", "", 1))
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
