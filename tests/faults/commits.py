"""What becomes of a commit when the line, the lock or the server says no.

    CommitUnknown   the connection is lost after COMMIT was sent: not kept, kept, or kept later
    Contended       the database refuses: locked, deadlocked, not serialisable, connection ended
    breaking_commit what stands between process and database while a commit fails
    impatient       SQLite's lock is waited for but shortly

In each of them the client tries again, and the same process answers it.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import cast

import asyncpg
from sqlalchemy import make_url

from ledger import database
from tests.faults.appender import Plan
from tests.faults.breaking import failing_database
from tests.faults.child import Channel, Child, events_of
from tests.faults.failing import Failing, Kept
from tests.faults.matter import PLAIN
from tests.faults.scenario import Appending, Played, Scenario, explained
from tests.faults.stage import Log, PostgresStage, Stage
from tests.faults.tracer import Fault, Injection, Tracer

BATCHES = ((0,), (1, 2, 3, 4, 0), (5, 6))

BUSY_TIMEOUT_MS = 200
"""Instead of half a minute, so that a case does not take as long."""


@asynccontextmanager
async def breaking_commit(url: str, *, number: int, kept: Kept) -> AsyncIterator[str]:
    """The `number`-th commit fails, counted from 0, the warm-up's among them."""
    failing = Failing()
    async with failing_database(url, failing) as through:
        failing.arm(number, kept, among="COMMIT")
        yield through


class CommitUnknown(Scenario):
    """Whether it was kept, only the database knows."""

    name = "commit-unknown"
    does = "the connection lost after COMMIT: not persisted, persisted, persisted later"

    def cases(self, stage: Stage) -> list[str]:
        """Each commit; a file's is never late."""
        kept = [one for one in Kept if one is not Kept.LATE or stage.database == "postgresql"]
        return [f"{number}:{one.value}" for number in range(len(BATCHES)) for one in kept]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """The client tries again at once, in the same process, and is answered."""
        number, kept = int(case.split(":")[0]), Kept(case.split(":")[1])
        through = partial(breaking_commit, number=number, kept=kept)
        appending = Appending.start(log, Plan(batches=BATCHES, through=through))
        tracer = None
        if kept is Kept.LATE:
            assert isinstance(stage, PostgresStage)
            # The commit's own flush takes its time, so that the next batch is there before it.
            backends = stage.server.backends(str(make_url(log.url).database))
            slow = Injection(0, "fdatasync", 1 + number, Fault.DELAY)
            tracer = Tracer(backends, log.folder / "trace", injections=(slow,))
        appending.finish()
        if tracer is not None:
            tracer.stop()
        refused = list(events_of(appending.heard, "refused"))
        played = Played(injections=1 if refused else 0)
        explained(appending.heard, played, struck=True, recovers=True)
        known = [
            event["entries"][0][2]
            for event in events_of(appending.heard, "acknowledged")
            if event["number"] == BATCHES[number][0]
        ]
        if kept is not Kept.LATE and known[0] is not (kept is Kept.KEPT):
            played.findings.unexplained.append(f"{kept.value}, and yet a duplicate is {known}")
        appending.verify(played)
        return played


class Contended(Scenario):
    """Somebody else is there, or was."""

    name = "contended"
    does = "SQLITE_BUSY, a deadlock, a serialisation failure at commit, a connection ended"

    def cases(self, stage: Stage) -> list[str]:
        """As the database has them."""
        if stage.database == "sqlite":
            return ["busy"]
        return ["serialization", "deadlock", "terminated"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """The client tries again until whoever was in the way has gone."""
        plan = Plan(batches=BATCHES, warm_up=(PLAIN + 1_000,))
        if case == "busy":
            appending = self._busy(log, plan)
        else:
            appending = getattr(self, f"_{case}")(cast(PostgresStage, stage), log, plan)
        struck = any(events_of(appending.heard, "refused")) or case == "terminated"
        played = Played(injections=int(struck))
        explained(appending.heard, played, struck=struck, recovers=True)
        appending.verify(played)
        return played

    def _busy(self, log: Log, plan: Plan) -> Appending:
        appending = Appending.start(log, replace(plan, through=impatient))
        other = sqlite3.connect(str(make_url(log.url).database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        appending.until("refused")
        other.execute("ROLLBACK")
        other.close()
        appending.finish()
        return appending

    def _serialization(self, stage: PostgresStage, log: Log, plan: Plan) -> Appending:
        stage.server.execute(
            "CREATE SEQUENCE struck",
            # A sequence is not rolled back: it strikes at the first commit, and at no other.
            "CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF nextval('struck') = 1 THEN RAISE 'struck' USING ERRCODE = '40001'; END IF; "
            "RETURN NULL; END $$",
            database=str(make_url(log.url).database),
        )
        appending = Appending.start(log, plan)
        stage.server.execute(
            "CREATE CONSTRAINT TRIGGER strike AFTER INSERT ON ledger_checkpoint "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION strike()",
            database=str(make_url(log.url).database),
        )
        appending.finish()
        return appending

    def _deadlock(self, stage: PostgresStage, log: Log, plan: Plan) -> Appending:
        appending = Appending.start(log, plan)
        other = Child.start(partial(_locking, log.url), log=log.said)
        other.until_gate("locked")
        appending.child.pass_gate()
        other.pass_gate()
        other.rest()
        other.wait()
        appending.finish()
        return appending

    def _terminated(self, stage: PostgresStage, log: Log, plan: Plan) -> Appending:
        appending = Appending.start(log, plan)
        name = make_url(log.url).database
        stage.server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        appending.finish()
        return appending


@asynccontextmanager
async def impatient(url: str) -> AsyncIterator[str]:
    """In this process SQLite's lock is not waited for as long as elsewhere."""
    usual = database.BUSY_TIMEOUT_MS
    database.BUSY_TIMEOUT_MS = BUSY_TIMEOUT_MS
    try:
        yield url
    finally:
        database.BUSY_TIMEOUT_MS = usual


async def _locking(url: str, channel: Channel) -> None:
    """Hold what the sequencer writes last, then ask for what it wrote first."""
    target = make_url(url)
    connection = await asyncpg.connect(
        user="postgres", database=target.database, host=str(target.query["host"])
    )
    # Whoever looks for deadlocks first is the one that is broken off: not this one.
    await connection.execute("SET deadlock_timeout = '30s'")
    await connection.execute("BEGIN; LOCK TABLE ledger_checkpoint IN ACCESS EXCLUSIVE MODE")
    channel.gate("locked")
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not await connection.fetchval(waits):
        pass
    with contextlib.suppress(asyncpg.DeadlockDetectedError):
        await connection.execute("LOCK TABLE ledger_entry IN ACCESS EXCLUSIVE MODE")
    await connection.execute("ROLLBACK")
    await connection.close()
