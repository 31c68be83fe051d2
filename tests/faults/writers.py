"""More than one writer at one log: exactly one of them signs.

    TwoWriters     both start at the same head, and both append at once
    PausedWriter   one is stopped, another takes over, the first wakes up

Here nobody holds the writer's lock: what keeps them apart is the database's own word at the commit.
"""

import signal
import time
from dataclasses import replace

from tests.faults.appender import Plan
from tests.faults.child import events_of
from tests.faults.commits import impatient
from tests.faults.matter import PLAIN
from tests.faults.scenario import Appending, Played, Scenario, explained
from tests.faults.stage import Log, Stage
from tests.faults.tracer import Fault, Injection, Tracer

ROUNDS = 6

FIRST = Plan(batches=((0,), (1, 2, 3, 4, 0), (5, 6)))
SECOND = Plan(batches=((50,), (51, 52, 53, 54, 50), (55, 56)), beside="second")
"""Of another machine: what the first remembers outside of the database, it does not see."""

ONE_MACHINE = "one machine"

TAKEN_OVER_S = 1.0
"""How long the first writer stays stopped."""


class TwoWriters(Scenario):
    """As when a supervisor starts a second one by mistake, on another machine."""

    name = "two-writers"
    does = "two processes at one head, without the lock that keeps honest ones apart"

    def cases(self, stage: Stage) -> list[str]:
        """A race is run several times."""
        return [*map(str, range(ROUNDS)), ONE_MACHINE]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """One goes on, the other is fenced at its first commit."""
        other = replace(SECOND, beside=FIRST.beside) if case == ONE_MACHINE else SECOND
        first, second = Appending.start(log, FIRST), Appending.start(log, other)
        first.child.pass_gate()
        second.finish()
        first.finish()
        played = Played(injections=1)
        for one in (first, second):
            explained(one.heard, played, struck=False, recovers=True)
        if played.fenced != 1:
            played.findings.forks.append(f"{played.fenced} of two writers were fenced")
        second.verify(played, first)
        return played


class PausedWriter(Scenario):
    """As when a machine sleeps, or a process waits for memory."""

    name = "paused-writer"
    does = "SIGSTOP before and within a batch, another writer meanwhile, SIGCONT"

    def cases(self, stage: Stage) -> list[str]:
        """Idle, or at a call of the batch."""
        if stage.database == "sqlite":
            return ["idle", "1:pwrite64:1", "1:pwrite64:20", "1:fdatasync:1"]
        return ["idle", "0:sendto:4", "0:sendto:9", "0:sendto:20"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """Whoever is later at the commit is fenced, or goes on from the other's head."""
        first = Appending.start(log, replace(FIRST, warm_up=(PLAIN + 1_000,)))
        tracer = None
        if case == "idle":
            first.child.signal(signal.SIGSTOP)
        else:
            rank, name, number = case.split(":")
            stop = Injection(int(rank), name, int(number), Fault.STOP)
            thread = first.child.threads[stop.thread_rank]
            tracer = Tracer([thread], log.folder / "trace", injections=(stop,))
        first.child.pass_gate()
        second = Appending.start(log, replace(SECOND, through=impatient))
        second.child.pass_gate()
        time.sleep(TAKEN_OVER_S)
        first.child.signal(signal.SIGCONT)
        if tracer is not None:
            tracer.stop()
            first.child.signal(signal.SIGCONT)
        first.finish()
        second.finish()
        played = Played(injections=1)
        explained(first.heard, played, struck=False, recovers=True)
        # A second writer that finds the log locked is told so, and comes again later.
        explained(second.heard, played, struck=case != "idle", recovers=False)
        left = [any(events_of(one.heard, "left")) for one in (first, second)]
        if not any(left) or (case == "idle" and left != [False, True]):
            played.findings.unexplained.append(f"who went on to the end: {left}")
        second.verify(played, first)
        return played
