"""Between a client and PostgreSQL: counts what is asked, and cuts the line where it is told.

    PostgresProxy             listens on a Unix socket of its own, and passes everything on
    PostgresProxy.listening   for as long as a block runs; `url` leads through it

PostgreSQL's frontend/backend protocol 3.0, as far as it takes to see where a question ends and
whether its answer is whole: every message after the first has one byte of type and four of length.

A question is what the client sends up to a Sync, a simple Query, a Flush or the end of a COPY. One
that is lost is not passed on. One that is kept is, and the server's whole answer is awaited; one
that is late is passed on and nothing awaited. Both sides then lose their connection. A server that
loses its client rolls back, unless it was asked to commit.
"""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from tests.faults.failing import Failing, Kept

SOCKET_NAME = ".s.PGSQL.5432"

QUESTION_ENDS = b"SQHcf"
"""Sync, Query, Flush, CopyDone, CopyFail."""

ANSWER_ENDS = b"ZG"
"""ReadyForQuery, CopyInResponse."""

FLUSH_ENDS = b"TnE"
"""RowDescription, NoData, or an error."""

SERVER_HELD_UP_S = 30
"""How long a server may take over one answer."""


@dataclass
class PostgresProxy:
    """Passes on what it is given, until a `Failing` says otherwise."""

    url: str
    _server: str
    _failing: Failing
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def listening(
        cls, url: str, folder: Path, failing: Failing
    ) -> AsyncIterator["PostgresProxy"]:
        """Before the server of `url`; `folder` holds the proxy's socket."""
        target = make_url(url)
        proxy = cls(
            url=target.set(query={"host": str(folder)}).render_as_string(hide_password=False),
            _server=f"{target.query['host']}/{SOCKET_NAME}",
            _failing=failing,
        )
        server = await asyncio.start_unix_server(proxy._serve, folder / SOCKET_NAME)
        try:
            yield proxy
        finally:
            server.close()
            for task in proxy._tasks:
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)

    async def _serve(self, client_reader: StreamReader, client_writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        line = _Line(client_writer, server_writer)
        ways = [
            asyncio.create_task(self._pass_on(client_reader, line)),
            asyncio.create_task(line.pass_back(server_reader)),
        ]
        try:
            # Where either side leaves, so does the other.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            client_writer.close()
            server_writer.close()

    async def _pass_on(self, client: StreamReader, line: "_Line") -> None:
        """Every question of one client, until one of them fails."""
        length = await client.readexactly(4)
        line.server.write(length + await client.readexactly(int.from_bytes(length, "big") - 4))
        question = bytearray()
        while True:
            head = await client.readexactly(5)
            message = head + await client.readexactly(int.from_bytes(head[1:], "big") - 4)
            question += message
            if head[:1] not in QUESTION_ENDS and head[:1] not in b"dX":
                continue
            fails = None
            if head[:1] in QUESTION_ENDS:
                fails = self._failing.asked(line.statement_of(bytes(question)))
            if fails is Kept.LOST:
                return
            line.is_answered.clear()
            line.answer_ends = FLUSH_ENDS if head[:1] == b"H" else ANSWER_ENDS
            line.is_cut = fails is not None
            line.server.write(bytes(question))
            question.clear()
            if fails is Kept.KEPT:
                await asyncio.wait_for(line.is_answered.wait(), SERVER_HELD_UP_S)
            if fails is not None:
                await line.server.drain()
                return


class _Line:
    """Both ends of one client's connection, and the statements it has prepared."""

    def __init__(self, client: StreamWriter, server: StreamWriter) -> None:
        self.client = client
        self.server = server
        self.is_cut = False
        self.is_answered = asyncio.Event()
        self.answer_ends = ANSWER_ENDS
        self._prepared: dict[bytes, str] = {}
        self._copying = ""

    async def pass_back(self, server: StreamReader) -> None:
        """Every answer of the server, but for those after the cut."""
        while True:
            head = await server.readexactly(5)
            body = await server.readexactly(int.from_bytes(head[1:], "big") - 4)
            if not self.is_cut:
                self.client.write(head + body)
            if head[:1] in self.answer_ends:
                self.is_answered.set()

    def statement_of(self, question: bytes) -> str:
        """The SQL of a question, prepared before or in it; else the types of its messages."""
        said: list[str] = []
        types = ""
        at = 0
        while at < len(question):
            end = at + 1 + int.from_bytes(question[at + 1 : at + 5], "big")
            kind, body = question[at : at + 1], question[at + 5 : end]
            types += kind.decode("ascii")
            if kind == b"Q":
                said.append(body[:-1].decode("utf-8"))
                self._copying = said[-1]
            elif kind == b"c":
                said.append(self._copying)
            elif kind == b"P":
                name, text = body.split(b"\0", 2)[:2]
                self._prepared[name] = text.decode("utf-8")
                said.append(self._prepared[name])
            elif kind == b"B":
                name = body.split(b"\0", 2)[1]
                said.append(self._prepared.get(name, ""))
            at = end
        return re.sub(r"\s+", " ", " ".join(dict.fromkeys(said))) or types
