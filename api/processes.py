"""The processes of `xin serve`: one writes, one follows, some answer.

    Processes           those around the writer's own
    Processes.running   start them all; ends them with the block
    door                what a process that answers runs: the whole application on a shared socket
    views               what the process that follows runs: every view at the head of the log
    settle              what a long life needs: no garbage sought among what stays, short turns
    main                one role, in a process of its own

Python runs one thread at a time in each process, and parsing and verifying a statement cost three
times what writing it costs: so they are done in the doors, and reading for the views apart from
both. The writer's process holds the listening socket's other copies and a line to each process
(`api.hub`). A process that ends before its time is started again; when the writer's ends, all end.

    python -m api.processes door|views LINE [SOCKET]    with two file descriptors, from the writer's
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from api.hub import Hub, Line
from api.jobs import Following
from api.service import Service, civil_day, system_clock
from api.service import views as all_views
from api.settings import Settings
from api.storage import open_database
from ledger.follower import Follower

RESTART_S = 1.0
"""Before a process that ended before its time is started again."""

STOP_S = 15.0
"""For a process to end when told to: the doors give requests under way ten seconds."""

SWITCH_INTERVAL_S = 0.0005
"""How long one thread may keep the others waiting: a signature takes a tenth of that."""

GARBAGE_AFTER = 50_000
"""Objects made before garbage is sought: a batch of statements makes some thousands that live on
until it is written, and a search among them all costs as much as parsing them."""

MEMORY_KEPT_BYTES = 64 * 1024 * 1024
"""Several chunks of a stream, some 10 MB each with what is made of them. The C library would give
it back to the system after each and take it anew, zeroed, for the next: 10 µs of a line."""

_MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": str(MEMORY_KEPT_BYTES),
    "MALLOC_MMAP_THRESHOLD_": str(MEMORY_KEPT_BYTES // 2),
}
"""Said to glibc, mallopt(3); others pass it over."""

logger = logging.getLogger(__name__)


class Processes:
    """The processes around the writer's own."""

    def __init__(self, hub: Hub, listening: socket.socket) -> None:
        self._hub = hub
        self._listening = listening
        self._keepers: list[asyncio.Task[None]] = []
        self._starting: set[int] = set()
        """Which were not up yet, once."""
        self._all_started = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(
        cls, hub: Hub, listening: socket.socket, *, doors: int
    ) -> AsyncIterator[Processes]:
        """So many doors and one process for the views; all are up when the block begins."""
        processes = cls(hub, listening)
        roles = ["views", *["door"] * doors]
        processes._starting = set(range(len(roles)))
        processes._keepers = [
            asyncio.create_task(processes._keep(role, number), name=role)
            for number, role in enumerate(roles)
        ]
        try:
            await processes._all_started.wait()
            yield processes
        finally:
            for keeper in processes._keepers:
                keeper.cancel()
            await asyncio.gather(*processes._keepers, return_exceptions=True)

    async def _keep(self, role: str, number: int) -> None:
        while True:
            try:
                status = await self._run(role, number)
            except OSError as error:
                # No descriptor, process or memory to be had; there may be soon.
                logger.error("the process of a %s cannot be started: %s; trying again", role, error)
            else:
                logger.error("the process of a %s ended with %s; starting another", role, status)
            await asyncio.sleep(RESTART_S)

    async def _run(self, role: str, number: int) -> int:
        """One process from its start to its end. Raises `OSError` where none can be started."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                fds = [theirs.fileno(), self._listening.fileno()]
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "api.processes",
                    role,
                    *map(str, fds),
                    pass_fds=fds,
                    stdout=asyncio.subprocess.PIPE,
                    env={**_MALLOC, **os.environ},
                )
        except BaseException:
            ours.close()
            raise
        try:
            ours.setblocking(False)
            await self._hub.connect(ours)
            assert child.stdout is not None
            if await child.stdout.readline():
                # One that ended and came again is not two of them.
                self._starting.discard(number)
                if not self._starting:
                    self._all_started.set()
            return await child.wait()
        finally:
            await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), STOP_S)
        except TimeoutError:
            child.kill()
            await child.wait()


def settle() -> None:
    """For a process that has imported what it needs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 20, 100)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


async def door(line_end: socket.socket, listening: socket.socket) -> None:
    """Answer requests until told to stop, or until the writer's process is gone."""
    from api.app import create_app
    from api.serving import Serving

    settings = Settings.from_environment()
    async with (
        Service.at_door(settings, line_end) as service,
        Serving.running(create_app(service), listening, signals=(signal.SIGTERM,)) as serving,
    ):
        settle()
        _say_ready()
        line = service.writer
        assert isinstance(line, Line)
        gone = asyncio.create_task(line.ended.wait())
        gone.add_done_callback(lambda _: serving.stop())
        await serving.until_stopped()
        gone.cancel()


async def views(line_end: socket.socket) -> None:
    """Follow the log until told to stop, or until the writer's process is gone."""
    database = open_database(Settings.from_environment())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        line = await Line.open(line_end, database)
        following = Following(
            database,
            line,
            Follower(database, all_views()),
            lambda: civil_day(system_clock()),
            tell=line.tell_followed,
        )
        line.awaited = following.hurry
        settle()
        _say_ready()
        ends = [asyncio.create_task(event.wait()) for event in (stopped, line.ended)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await following.close()
        await line.close()
    finally:
        await database.close()


def _say_ready() -> None:
    # A writer that is gone by now does not hear it, and the line says so.
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), b"ready\n")


def main(arguments: Sequence[str]) -> None:
    """One role, by the name and the descriptors it was given."""
    import uvloop

    role, line, listening = arguments[0], int(arguments[1]), int(arguments[2])
    line_end, shared = socket.socket(fileno=line), socket.socket(fileno=listening)
    # Another process that held the line would keep it from ending with this one.
    for end in (line_end, shared):
        end.set_inheritable(False)
    line_end.setblocking(False)
    # The terminal's is for the writer's process, which ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(door(line_end, shared) if role == "door" else views(line_end))


if __name__ == "__main__":
    main(sys.argv[1:])
