"""A way to break a log, case by case, and what came of it.

    Scenario    its name, what it does, its cases on a database, how one is played
    Played      what one case did, and what was found after it
    play        a case, with the log and everything said kept where something was found
    Appending   a process that appends under a tracer, or under any other misfortune
    verify      restart, audit, submit again
    explained   what a fault explains of what a client was told
    unflushed   what was acknowledged and is not on disk
    untold      what failed to come to disk, and was acknowledged

A case has a log of its own, so that it can be played alone.
"""

import json
import shutil
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.appender import TRY_AGAIN, Plan, appending
from tests.faults.child import Child, Event, Silence, events_of, told
from tests.faults.stage import Log, PostgresStage, Stage
from tests.faults.tracer import Call
from tests.faults.verification import Findings, verifying

ATTEMPTS = 3

OPENED_SIZE_MAX = 20_000
"""Larger logs are hashed again, and not opened again: their base was, by another case."""

FENCES = ("LEDGER_WRITER_BUSY", "LEDGER_WRITER_FENCED", *TRY_AGAIN)
"""Documented refusals that ask a client to try again, and an operator to look."""


@dataclass
class Played:
    """What one case did."""

    injections: int = 0
    restarts: int = 0
    fenced: int = 0
    """Writers that stopped by a documented code; the restart is what an operator does then."""
    findings: Findings = field(default_factory=Findings)


class Scenario(ABC):
    """One line of the campaign's table."""

    name: str
    does: str
    databases: tuple[str, ...] = ("sqlite", "postgresql")

    @abstractmethod
    def cases(self, stage: Stage) -> list[str]:
        """Each is played on a log of its own, and can be played alone."""

    @abstractmethod
    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """On a log that nobody has opened yet."""

    def injects(self, case: str) -> bool:
        """Whether it is no case without a fault."""
        return True

    def size(self, case: str) -> int | None:
        """How many entries the log has before; None for the usual size."""
        return None


def play(scenario: Scenario, stage: Stage, case: str, *, keep: Path) -> Played:
    """Play a case; whatever fails is a finding."""
    for _ in range(ATTEMPTS):
        played = _play_once(scenario, stage, case, keep=keep)
        # Threads do not always take the same turns: a call that never came is waited for again.
        if played.injections or played.findings.any or not scenario.injects(case):
            break
    return played


def _play_once(scenario: Scenario, stage: Stage, case: str, *, keep: Path) -> Played:
    size = scenario.size(case)
    log = stage.fresh() if size is None else stage.fresh(size)
    try:
        played = scenario.play(stage, case, log)
    except Exception as error:
        # One case that cannot be played is a finding, and not the end of all others.
        text = str(error) if isinstance(error, Silence) else traceback.format_exc()[-900:]
        played = Played(findings=Findings(unexplained=[text]))
        for child in list(Child.living.values()):
            child.kill()
    if played.findings.any:
        kept = keep / f"{scenario.name}-{stage.database}-{case}".replace("/", "-").replace(":", "-")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(log.folder, kept)
        if isinstance(stage, PostgresStage):
            shutil.copy(stage.server.folder / "server.log", kept / "server.log")
    stage.discard(log)
    return played


@dataclass
class Appending:
    """A process that appends, and everything that was heard of it."""

    log: Log
    plan: Plan
    child: Child
    heard: list[Event] = field(default_factory=list)

    @classmethod
    def start(cls, log: Log, plan: Plan, *, gate: str = "append") -> "Appending":
        """It waits at the gate, unless it ended before."""
        started = cls(log, plan, Child.start(appending(log.place(plan.beside), plan), log=log.said))
        started.to("open")
        if gate != "open":
            started.to(gate)
        return started

    def to(self, gate: str) -> None:
        """Let it go on to a gate, or to its end."""
        if self.heard:
            self.child.pass_gate()
        self.heard += self.child.until_gate(gate)

    def until(self, what: str) -> bool:
        """Let it go on until it has said so; whether it has."""
        self.child.pass_gate()
        while (event := self.child.next_event()) is not None:
            self.heard.append(event)
            if event["is"] == what:
                return True
        return False

    def finish(self) -> int:
        """Let it go on to its end."""
        self.child.pass_gate()
        while (event := self.child.next_event()) is not None:
            self.heard.append(event)
            if event["is"] == "gate":
                self.child.pass_gate()
        return self.child.wait()

    def verify(self, played: Played, *before: "Appending") -> None:
        """Restart, audit, submit again; what is found is added to what was played."""
        every = [*before, self]
        heard = [event for one in every for event in one.heard]
        numbers = list(dict.fromkeys(number for one in every for number in one.plan.numbers))
        verify(self.log, heard, numbers, played)


def verify(log: Log, heard: Sequence[Event], numbers: Sequence[int], played: Played) -> None:
    """Restart, audit, submit all of these again; what is found is added to what was played."""
    (log.folder / "heard.jsonl").write_text("".join(json.dumps(event) + "\n" for event in heard))
    work = verifying(
        log.place(), heard, numbers, base_size=log.size, openings=log.size <= OPENED_SIZE_MAX
    )
    said = told(work, log=log.said)
    played.restarts += 1
    verdict = next(events_of(said, "verified"), None)
    if verdict is None:
        played.findings.unexplained.append(f"no restart: {log.said.read_text()[-600:]}")
        return
    played.findings.add(Findings(verdict["lost"], verdict["forks"], verdict["unexplained"]))


def explained(heard: Sequence[Event], played: Played, *, struck: bool, recovers: bool) -> None:
    """Judge what the process said of itself.

    `struck`: a fault explains failures without a code. `recovers`: the fault is over, so that a
    client that tries again must be answered by the same process.
    """
    for event in heard:
        if event["is"] == "refused" and (event["code"] or not struck):
            if event["code"] not in FENCES:
                played.findings.unexplained.append(f"refused: {event['code']} {event['message']}")
        elif event["is"] == "unread" and not struck:
            played.findings.unexplained.append(f"unread: {event['message']}")
        elif event["is"] == "stopped":
            if event["code"] in FENCES:
                played.fenced += 1
            elif not struck or recovers:
                played.findings.unexplained.append(f"stopped: {event['code']} {event['message']}")


def unflushed(heard: Sequence[Event], calls: Sequence[Call]) -> list[str]:
    """Entries that were acknowledged as new, and nothing was flushed since they were submitted."""
    found = []
    began = 0.0
    for event in heard:
        if event["is"] == "submits":
            began = event["at"]
        if event["is"] != "acknowledged" or all(known for _, _, known in event["entries"]):
            continue
        if not any(call.is_flush and began <= call.at <= event["at"] for call in calls):
            found.append(f"number {event['number']}: acknowledged, and nothing was flushed")
    return found


def untold(heard: Sequence[Event], flushes: Sequence[Call]) -> list[str]:
    """Flushes that failed while something was submitted, and nobody was told.

    What a system call failed to flush once may be gone though the next call succeeds.
    """
    found = []
    for flush in flushes:
        began: Event | None = None
        for event in heard:
            if event["is"] == "submits":
                began = event
            if event["is"] in ("acknowledged", "refused") and began is not None:
                within = began["at"] <= flush.at <= event["at"]
                if within and event["is"] == "acknowledged":
                    found.append(f"number {event['number']}: acknowledged over a failed flush")
                if within:
                    break
    return found
