"""Serving an application on this machine until somebody says stop.

    listening    the socket, taken before anything else is done; `PortTaken` when it is not free
    Serving      a server that runs while a block does
    Serving.until_stopped   work beside it, given up when the server is told to stop
    Serving.stop  what a signal does

SIGINT and SIGTERM end it in order: no new connections, GRACE_S for requests under way, then
whatever the block holds open is closed. Either signal a second time ends requests at once.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp

from api.fault import Fault

HOST = "127.0.0.1"
"""Never more: a reverse proxy with TLS stands before whatever the world may reach."""

GRACE_S = 10
"""Seconds for requests under way; what takes longer is cut off."""

BACKLOG = 2_048
"""Connections that wait to be accepted; the system may allow fewer."""


class PortTaken(Fault):
    """Another program listens there."""

    code: ClassVar[str] = "COMMAND_PORT_TAKEN"


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A bound socket. Raises `PortTaken`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} of {HOST} cannot be had ({error.strerror}): another program listens "
                f"there, perhaps this one, started before; PORT=… chooses another",
                path=("PORT",),
            ) from None
        yield taken


class Serving:
    """A running server."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Nothing here asks who the client is.
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._stopped = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        app: ASGIApp,
        on: socket.socket,
        *,
        signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
    ) -> AsyncIterator[Serving]:
        """Answer requests while the block runs; the first ones may come at once."""
        serving = cls(app)
        loop = asyncio.get_running_loop()
        for signal_number in signals:
            loop.add_signal_handler(signal_number, serving.stop)
        task = asyncio.create_task(serving._server.serve(sockets=[on]), name="server")
        task.add_done_callback(lambda _: serving._stopped.set())
        try:
            ready = asyncio.create_task(serving._server.ready.wait())
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.cancel():
                await task
            yield serving
        finally:
            serving._server.should_exit = True
            await task
            for signal_number in signals:
                loop.remove_signal_handler(signal_number)

    async def until_stopped(self, work: Coroutine[Any, Any, None] | None = None) -> None:
        """Do `work` beside serving, then wait for a signal; what `work` raises is raised."""
        if work is None:
            await self._stopped.wait()
            return
        stopped = asyncio.create_task(self._stopped.wait())
        working = asyncio.create_task(work)
        await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            try:
                working.result()
            except BaseException:
                stopped.cancel()
                raise
            await stopped
        else:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def stop(self) -> None:
        """As a signal does; the second time ends requests at once."""
        if self._stopped.is_set():
            self._server.force_exit = True
        self._stopped.set()
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Leaves signals to `Serving`: uvicorn's own way ends the process before the log is closed."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when requests are answered."""
        await super().startup(sockets)
        self.ready.set()
