"""A disk that is full, and a process that may open no more files.

    WalFull       no room for the write-ahead log, for as long as it takes somebody to notice
    Descriptors   as many files are open as may be

Both end, and the log goes on.
"""

import os
import resource
import time
from functools import partial

from tests.faults.appender import Client, Place, Plan, writing
from tests.faults.child import Channel, events_of, told
from tests.faults.matter import PLAIN
from tests.faults.scenario import Appending, Played, Scenario, explained, verify
from tests.faults.stage import Log, PostgresStage, Stage
from tests.faults.tracer import Fault, Injection, Tracer

PLAN = Plan(batches=((0,), (1, 2, 3, 4, 0), (5, 6)), warm_up=(PLAIN + 1_000,))

FULL_S = 1.0
"""How long a server's disk stays full: it gives up within a tenth of that."""


class WalFull(Scenario):
    """Room for everything else, and none for the write-ahead log."""

    name = "wal-full"
    does = "ENOSPC for every write to the write-ahead log, until room is made"

    def cases(self, stage: Stage) -> list[str]:
        """From which write on."""
        return ["1", "2", "9", "26"] if stage.database == "sqlite" else ["1", "2"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """The writer refuses while it is full, and goes on when there is room."""
        appending = Appending.start(log, PLAN)
        full = Injection(0, "pwrite64", int(case), Fault.ENOSPC, and_after=True)
        if isinstance(stage, PostgresStage):
            server = stage.server
            wal = list((server.folder / "data" / "pg_wal").iterdir())
            tracer = Tracer(
                [server.pid, *server.children()],
                log.folder / "trace",
                injections=(full,),
                paths=wal,
                follow=True,
            )
            appending.until("refused")
            time.sleep(FULL_S)
            tracer.stop()
            server.ensure()
        else:
            wal = [log.folder / "ledger.sqlite-wal"]
            tracer = Tracer(
                appending.child.threads, log.folder / "trace", injections=(full,), paths=wal
            )
            # A client that tries again is refused again, however often, while it is full.
            for _ in range(3):
                appending.until("refused")
            tracer.stop()
        appending.finish()
        struck = sum(call.injected for call in tracer.calls())
        played = Played(injections=struck)
        recovers = stage.database == "sqlite"
        explained(appending.heard, played, struck=struck > 0, recovers=recovers)
        appending.verify(played)
        return played


class Descriptors(Scenario):
    """Connections that are open go on; none can be opened."""

    name = "descriptors"
    does = "no file descriptor left, on a warm connection and for a new one"

    def cases(self, stage: Stage) -> list[str]:
        """Where it is met."""
        return ["warm", "new connection"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """Descriptors are taken away, and given back."""
        heard = told(partial(_short_of_descriptors, log.place(), case), log=log.said)
        refused = len(list(events_of(heard, "refused")))
        played = Played(injections=1)
        explained(heard, played, struck=True, recovers=True)
        if (case == "new connection") != bool(refused):
            played.findings.unexplained.append(f"{refused} refusals with {case}")
        verify(log, heard, PLAN.numbers, played)
        return played


async def _short_of_descriptors(place: Place, case: str, channel: Channel) -> None:
    async with writing(place) as (database, sequencer):
        client = Client(channel, sequencer, database, patience=3)
        for number in PLAN.warm_up:
            await client.submit((number,))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if case == "new connection":
            await database.close()
        # The lowest number that is free is the first that may not be had.
        resource.setrlimit(resource.RLIMIT_NOFILE, (_lowest_free(), hard))
        try:
            await client.submit((0,))
        except Exception as error:
            channel.say("unread", message=str(error))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for batch in PLAN.batches:
            await client.submit(batch)
    channel.say("left")


def _lowest_free() -> int:
    descriptor = os.dup(0)
    os.close(descriptor)
    return descriptor
