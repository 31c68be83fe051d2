"""Every system call that writes, each failed in every way: once for each call and way.

    Appends             our process, from a warm start to its end
    Opens               our process as it starts, after one that was killed
    TileFiles           our process, where the log is also a folder of files
    ServerAppends       PostgreSQL's process behind our connection
    ServerCheckpoints   PostgreSQL's checkpointer, as it puts to disk what was appended
    ServerKilled        all of PostgreSQL at once, in the middle of an append

A clean run is traced first, and its calls are numbered; then each is failed in a run of its own.
One more run fails nothing: it shows that each acknowledgement comes after a flush.
Files are refused with EIO and ENOSPC, network connections with EIO and ECONNRESET, and before every
call the process is killed. What an event loop says to itself, and what our child says to the
campaign, is a moment to be killed at; no disk and no network can refuse it.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from tests.faults.appender import Plan
from tests.faults.child import HELD_UP_S, Child, Silence
from tests.faults.matter import PLAIN
from tests.faults.scenario import Appending, Played, Scenario, explained, unflushed, untold
from tests.faults.stage import Log, PostgresStage, Stage
from tests.faults.tracer import Call, Fault, Injection, Tracer, numbered

STOPPED_LOOKS = 40
"""Of five milliseconds each: a fifth of a second."""

FLUSHES = "flushes"
"""The case without a fault."""

WARM_UP = (PLAIN + 1_000,)

PLAN = Plan(
    batches=(
        (0,),  # one alone
        (1, 2, 3, 4, 0),  # every form, over the end of a tile, and a duplicate
    ),
    warm_up=WARM_UP,
)

FILE_FAULTS = (Fault.KILL, Fault.EIO, Fault.ENOSPC)
SOCKET_FAULTS = (Fault.KILL, Fault.EIO, Fault.ECONNRESET)


def faults_of(call: Call, folders: Sequence[str]) -> tuple[Fault, ...]:
    """How this call may fail; not at all where it is no business of the log's."""
    if call.wakes or call.target.startswith("pipe:"):
        return (Fault.KILL,)
    if call.target.startswith(("UNIX", "TCP", "socket:")):
        return SOCKET_FAULTS
    return FILE_FAULTS if call.target.startswith(tuple(folders)) else ()


def injections_of(
    calls: Sequence[Call], threads: Sequence[int], folders: Sequence[str]
) -> list[str]:
    """Every way of every call."""
    return [
        str(Injection(rank, call.name, number, fault))
        for rank, number, call in numbered(calls, threads)
        for fault in faults_of(call, folders)
    ]


def folders_of(stage: Stage, log: Log) -> list[str]:
    """Where the files of a log are."""
    # The database where it is a file, and whatever stands beside it.
    folders = [str(log.folder / "ledger")]
    if isinstance(stage, PostgresStage):
        folders.append(str(stage.server.folder / "data"))
    return folders


class Appends(Scenario):
    """Our own process."""

    name = "appends"
    does = "each write of a process that appends"

    def cases(self, stage: Stage) -> list[str]:
        """From one clean run."""
        log = stage.fresh()
        calls, threads = self._traced(stage, log, ())[1:3]
        found = injections_of(calls, threads, self._folders(stage, log))
        stage.discard(log)
        return [*self._without_fault(stage), *found]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """One call, one fault; or none, to see that each acknowledgement comes after a flush."""
        if case == FLUSHES:
            appending, calls, _ = self._traced(stage, log, ())
            played = Played()
            explained(appending.heard, played, struck=False, recovers=True)
            # The warm-up was before there was anything to see.
            told = list(dropwhile(lambda event: event.get("name") != "append", appending.heard))
            played.findings.unexplained += unflushed(told, calls)
            appending.verify(played)
            return played
        injection = Injection.parse(case)
        appending, calls, _ = self._traced(stage, log, (injection,))
        struck = any(call.injected for call in calls)
        played = Played(injections=int(struck))
        recovers = injection.fault is not Fault.KILL or self._outlives
        explained(appending.heard, played, struck=struck, recovers=recovers)
        if injection.fault is not Fault.KILL:
            flushes = [call for call in calls if call.injected and call.is_flush]
            played.findings.unexplained += untold(appending.heard, flushes)
        if isinstance(stage, PostgresStage):
            stage.server.ensure()
        appending.verify(played)
        return played

    def injects(self, case: str) -> bool:
        """All but one do."""
        return case != FLUSHES

    def _folders(self, stage: Stage, log: Log) -> list[str]:
        return folders_of(stage, log)

    def _without_fault(self, stage: Stage) -> list[str]:
        """Where the process that flushes is the one that is traced."""
        return [FLUSHES] if (stage.database == "postgresql") == self._outlives else []

    _outlives = False
    """Whether the process that appends lives on when the traced one is killed."""

    def _traced(
        self, stage: Stage, log: Log, injections: Sequence[Injection]
    ) -> tuple[Appending, list[Call], list[int]]:
        appending = Appending.start(log, PLAN)
        threads = self._threads(stage, log, appending.child)
        chosen = [threads[one.thread_rank] for one in injections] or threads
        tracer = Tracer(chosen, log.folder / "trace", injections=injections)
        try:
            appending.finish()
        finally:
            appending.child.kill()
            tracer.stop()
        return appending, tracer.calls(), threads

    def _threads(self, stage: Stage, log: Log, child: Child) -> list[int]:
        return child.threads


class TileFiles(Appends):
    """Our own process, where the log is also a folder of files."""

    name = "tile-files"
    does = "each write to the log's tiles, bundles and folders as files"

    def cases(self, stage: Stage) -> list[str]:
        """The n-th call of each name, in whichever thread comes to it: they share the work."""
        every = [Injection.parse(case) for case in super().cases(stage)]
        anywhere = [replace(injection, thread_rank=0) for injection in every]
        return list(dict.fromkeys(map(str, anywhere)))

    def _traced(
        self, stage: Stage, log: Log, injections: Sequence[Injection]
    ) -> tuple[Appending, list[Call], list[int]]:
        log.has_tile_files = True
        appending = Appending.start(log, PLAN)
        # The event loop's own thread and SQLite's write no tiles.
        threads = appending.child.threads[2 if stage.database == "sqlite" else 1 :]
        tracer = Tracer(threads, log.folder / "trace", injections=injections)
        try:
            appending.finish()
        finally:
            appending.child.kill()
            tracer.stop()
        calls = tracer.calls()
        return appending, calls, _threads_of(calls)

    def _folders(self, stage: Stage, log: Log) -> list[str]:
        # Everything else is failed by `appends`.
        return [str(log.place().beside / "tiles")]

    def _without_fault(self, stage: Stage) -> list[str]:
        return []


class ServerAppends(Appends):
    """The process of the server that serves our connection."""

    name = "server-appends"
    does = "each write of PostgreSQL's process behind our connection"
    databases = ("postgresql",)
    _outlives = True

    def _threads(self, stage: Stage, log: Log, child: Child) -> list[int]:
        assert isinstance(stage, PostgresStage)
        return stage.server.backends(str(make_url(log.url).database))


class Opens(Scenario):
    """Our own process as it starts, and at once ends in order."""

    name = "opens"
    does = "each write of a process that starts after one was killed"

    def cases(self, stage: Stage) -> list[str]:
        """From one clean run."""
        log = stage.fresh()
        calls = self._traced(log, ())[2]
        found = injections_of(calls, _threads_of(calls), folders_of(stage, log))
        stage.discard(log)
        return found

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """One call, one fault."""
        injection = Injection.parse(case)
        killed, opening, calls = self._traced(log, (injection,))
        struck = any(call.injected for call in calls)
        played = Played(injections=int(struck))
        # The process that could not start has nobody to try again for it but us.
        explained(opening.heard, played, struck=struck, recovers=False)
        opening.verify(played, killed)
        return played

    def _traced(
        self, log: Log, injections: Sequence[Injection]
    ) -> tuple[Appending, Appending, list[Call]]:
        killed = Appending.start(log, PLAN)
        killed.to("close")
        killed.child.kill()
        opening = Appending.start(log, Plan(batches=()), gate="open")
        # Its threads are yet to be made, so strace follows; each counts its own calls.
        tracer = Tracer(
            [opening.child.pid], log.folder / "trace", injections=injections, follow=True
        )
        try:
            opening.finish()
        finally:
            opening.child.kill()
            tracer.stop()
        return killed, opening, tracer.calls()


def _threads_of(calls: Sequence[Call]) -> list[int]:
    return list(dict.fromkeys(call.thread for call in calls))


class ServerCheckpoints(Scenario):
    """The server puts down what it had only in its write-ahead log."""

    name = "server-checkpoints"
    does = "each write of PostgreSQL's checkpointer"
    databases = ("postgresql",)

    def cases(self, stage: Stage) -> list[str]:
        """From one clean run."""
        log = stage.fresh()
        calls, threads = self._traced(stage, log, ())[1:]
        every = injections_of(calls, threads, folders_of(stage, log))
        stage.discard(log)
        # No part of an append: each call fails in one way, and each way comes in turn.
        return [case for number, case in enumerate(every) if number // 3 % 3 == number % 3]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """One call, one fault."""
        appending, calls, _ = self._traced(stage, log, (Injection.parse(case),))
        struck = any(call.injected for call in calls)
        played = Played(injections=int(struck))
        explained(appending.heard, played, struck=False, recovers=True)
        appending.verify(played)
        return played

    def _traced(
        self, stage: Stage, log: Log, injections: Sequence[Injection]
    ) -> tuple[Appending, list[Call], list[int]]:
        assert isinstance(stage, PostgresStage)
        server = stage.server
        server.execute("CHECKPOINT")
        appending = Appending.start(log, PLAN)
        appending.finish()
        threads = [pid for pid, title in server.children().items() if "checkpointer" in title]
        tracer = Tracer(threads, log.folder / "trace", injections=injections)
        try:
            # It may fail, and it may take the server along.
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                server.execute("CHECKPOINT")
        finally:
            tracer.stop()
        server.ensure()
        return appending, tracer.calls(), threads


class ServerKilled(Scenario):
    """No process of the server is there to notice how the others end."""

    name = "server-killed"
    does = "SIGKILL of every process of PostgreSQL at once, within an append"
    databases = ("postgresql",)

    def cases(self, stage: Stage) -> list[str]:
        """Before the append, at calls of it, and after."""
        return ["idle", "sendto:3", "sendto:20", "pwrite64:1", "fdatasync:1", "fdatasync:2", "done"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """The server is started again, and the same process goes on."""
        assert isinstance(stage, PostgresStage)
        server = stage.server
        appending = Appending.start(log, PLAN)
        if ":" in case:
            name, number = case.split(":")
            (backend,) = server.backends(str(make_url(log.url).database))
            stop = Injection(0, name, int(number), Fault.STOP)
            tracer = Tracer([backend], log.folder / "trace", injections=(stop,))
            appending.child.pass_gate()
            await_stopped(backend)
            server.kill()
            tracer.stop()
        else:
            if case == "done":
                appending.to("close")
            server.kill()
        server.ensure()
        appending.finish()
        played = Played(injections=1)
        explained(appending.heard, played, struck=True, recovers=True)
        appending.verify(played)
        return played


def await_stopped(pid: int) -> None:
    """Until a process is stopped by its signal. Raises `Silence`."""
    give_up_at = time.monotonic() + HELD_UP_S
    stopped = 0
    # A traced process stops for a moment at each of its calls; this one stays so.
    while stopped < STOPPED_LOOKS:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        stopped = stopped + 1 if state in "Tt" else 0
        if time.monotonic() > give_up_at:
            raise Silence(f"process {pid} was never stopped")
        time.sleep(0.005)
