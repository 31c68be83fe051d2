"""After the restart: everything that anybody was told before must still be so.

    Findings    what was found, by what it would mean
    verifying   what a process does that restarts, audits, and submits everything again

In this order, so that the log is judged before it is touched:

    1. the sequencer opens
    2. the whole log is audited, every opening and every signature, against the newest head told
    3. every head told is consistent with the present one
    4. every entry acknowledged stands at its index with its hash
    5. everything is submitted again: what was acknowledged answers its first index, nothing is
       refused, and the log then has every entry once
    6. the tree is audited again, and each file of tiles is held against the entries
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy.exc import DBAPIError

from ledger.auditor import audit_database
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import (
    AuditFinding,
    CheckpointMissing,
    EntryUnknown,
    HeadRolledBack,
    LedgerError,
    ProofInvalid,
    RootMismatch,
    SecondRoot,
)
from ledger.merkle import verify_consistency
from ledger.sequencer import Sequencer
from ledger.writer import Outcome
from tests.faults.appender import LOG_SIGNER, Place, writing
from tests.faults.child import Channel, Event, Work, events_of
from tests.faults.matter import submission

FORKS = (CheckpointMissing, HeadRolledBack, RootMismatch, SecondRoot)

RECOVERY_S = 30.0
"""For a database server to take connections again after it was killed."""


AT_ONCE = 4_096
"""Submissions that a client sends again together: half of what a queue takes."""


@dataclass
class Findings:
    """Empty lists are what a campaign is after."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not there, or not there any more as it was."""
    forks: list[str] = field(default_factory=list)
    """Two histories under one key."""
    unexplained: list[str] = field(default_factory=list)
    """Refused, failed, or answered otherwise than the fault explains."""

    def add(self, other: "Findings") -> None:
        """Take over what another found."""
        self.lost += other.lost
        self.forks += other.forks
        self.unexplained += other.unexplained

    @property
    def any(self) -> bool:
        """Whether anything was found."""
        return bool(self.lost or self.forks or self.unexplained)


def verifying(
    place: Place,
    heard: Sequence[Event],
    numbers: Sequence[int],
    *,
    base_size: int,
    openings: bool = True,
) -> Work:
    """Says `verified`, with what was found. The log is to have these numbers and no others.

    Without `openings` what opens the entries is left out, as for a log that is large.
    """

    async def work(channel: Channel) -> None:
        findings = Findings()
        try:
            await _await_database(place)
            async with writing(place) as (database, sequencer):
                await _judge(database, heard, findings, openings=openings)
                await _submit_again(sequencer, heard, numbers, findings)
                size = base_size + sum(len(submission(number).bodies) for number in numbers)
                found = sequencer.tree_size
                if found != size:
                    findings.unexplained.append(f"the log has {found} entries, not {size}")
                await audit_database(database, trusted=[LOG_SIGNER.verifier], openings=False)
                if place.has_tile_files:
                    async with database.reading() as session:
                        await place.tiles.check(session)
        except AuditFinding as finding:
            kind = findings.forks if isinstance(finding, FORKS) else findings.unexplained
            kind.append(f"{finding.code} at {finding.path}: {finding.message}")
        except Exception as error:
            findings.unexplained.append(f"after the restart: {type(error).__name__}: {error}")
        channel.say(
            "verified",
            lost=findings.lost,
            forks=findings.forks,
            unexplained=findings.unexplained,
        )

    return work


async def _await_database(place: Place) -> None:
    """Until it answers, as it does after its recovery."""
    database = place.database()
    for attempt in range(int(RECOVERY_S / 0.1)):
        if attempt:
            await asyncio.sleep(0.1)
        try:
            async with database.engine.connect():
                break
        except (DBAPIError, asyncpg.PostgresError, OSError):
            continue
    await database.close()


async def _judge(
    database: Database, heard: Sequence[Event], findings: Findings, *, openings: bool
) -> None:
    """Steps 2 to 4."""
    heads = [
        open_checkpoint(event["note"].encode(), LOG_SIGNER.verifier)
        for event in events_of(list(heard), "head")
    ]
    newest = max(heads, key=lambda head: head.tree_size, default=None)
    report = await audit_database(
        database,
        trusted=[LOG_SIGNER.verifier],
        known=newest,
        signatures=openings,
        openings=openings,
    )
    async with database.reading() as session:
        entries = Entries(session)
        for head in heads:
            await _check_consistent(entries, head, report.head, findings)
        for event in events_of(list(heard), "acknowledged"):
            bodies = submission(event["number"]).bodies
            for (index, hash_, _), body in zip(event["entries"], bodies, strict=True):
                try:
                    entry = await entries.at(index)
                except EntryUnknown:
                    findings.lost.append(f"number {event['number']} at index {index}")
                    continue
                stands = (entry.leaf_hash, entry.body.issuer, entry.body.jti)
                if stands != (base64.b64decode(hash_), body.issuer, body.jti):
                    findings.lost.append(f"number {event['number']}: another entry at {index}")


async def _check_consistent(
    entries: Entries, old: Checkpoint, new: Checkpoint, findings: Findings
) -> None:
    try:
        path = await entries.consistency_path(old.tree_size, new.tree_size)
        verify_consistency(old.tree_size, new.tree_size, path, old.root_hash, new.root_hash)
    except (EntryUnknown, ProofInvalid) as error:
        findings.forks.append(f"the head of {old.tree_size} is no prefix: {error.message}")


async def _submit_again(
    sequencer: Sequencer, heard: Sequence[Event], numbers: Sequence[int], findings: Findings
) -> None:
    """Step 5."""
    told = {event["number"]: event["entries"] for event in events_of(list(heard), "acknowledged")}
    outcomes: list[Outcome] = []
    for at in range(0, len(numbers), AT_ONCE):
        outcomes += await sequencer.submit_each(map(submission, numbers[at : at + AT_ONCE]))
    for number, outcome in zip(numbers, outcomes, strict=True):
        if isinstance(outcome, Exception):
            code = outcome.code if isinstance(outcome, LedgerError) else type(outcome).__name__
            findings.unexplained.append(f"number {number}, sent again: {code}: {outcome}")
            continue
        if number not in told:
            continue
        for (index, _, _), one in zip(told[number], outcome, strict=True):
            if not one.duplicate:
                findings.lost.append(f"number {number} was admitted again at {one.leaf_index}")
            elif one.leaf_index != index:
                findings.forks.append(f"number {number} has indexes {index} and {one.leaf_index}")
