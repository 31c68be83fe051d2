"""Everything one process holds open: database, keys, the writer, the views.

    Service           what the doors are built on
    Service.opened    for as long as a block runs
    Service.at_door   in a process that answers, with a line to the writer's
    Service.state     an authority's statement, signed here with the key it placed in custody
    Service.followed  read your own writes
    views             every view of the log, in the order they are told
    Views             whoever knows how far they are
    check_policy      what no engine reads, or does not fit the ledger, is not adopted
    genesis_of        what this log is
    system_clock      the present instant; civil_day its day in the ledger's province

A service that writes holds the writer's lock. One that only reads can stand beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

import httpx

from api.cosigning import ROUND_S, Cosigning
from api.custody import custody_of
from api.hub import Line
from api.jobs import Following
from api.onlookers import ANSWER_S, require_resumable
from api.preparing import Preparers
from api.publishing import Publishing
from api.settings import Settings
from api.storage import complete_tiles, open_database, tile_folder
from credit.completeness import adoptable
from credit.ratings import CreditView
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.canonical import Json
from ledger.control import Control, Genesis, PolicyAdoption
from ledger.custodial import custodial_key
from ledger.custody import Custody, KeptKey
from ledger.database import Database
from ledger.directory import BindingView, EnterpriseView
from ledger.entries import Entries
from ledger.errors import LedgerEmpty, LedgerError, TilesAhead
from ledger.follower import Follower, View
from ledger.identity import SubjectLabel
from ledger.log_keys import LogSigners
from ledger.referent_reader import ReferentReader
from ledger.salts import fresh_salts
from ledger.sequencer import Sequencer
from ledger.statement import Draft, Statement, Weighing, issue
from ledger.subjects import SubjectView
from ledger.writer import Writer
from ledger.writer_lock import WriterLock
from traceability.events import TraceView

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Civil days are judged in the ledger's province; no summer time since 1991."""


def views() -> tuple[View, ...]:
    """Bindings come first: filings of persons look them up."""
    return (BindingView(), SubjectView(), EnterpriseView(), CreditView(), TraceView())


def system_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


class Views(Protocol):
    """Whoever knows how far the views are: a task of this process, or a line to another."""

    async def reached(self, tree_size: int) -> None:
        """Wait until every view has read the entries below `tree_size`."""
        ...


@dataclass(frozen=True)
class Service:
    """One process's world."""

    settings: Settings
    origin: str
    """The log's name; of a log that is not founded yet, the one it will have."""
    database: Database
    keystore: Custody
    follower: Follower
    now: Callable[[], datetime]
    sequencer: Writer | None
    """The one that writes, or a line to it; None where this process only reads."""
    following: Views | None
    preparers: Preparers
    cosigning: Cosigning | None = None
    referents: ReferentReader = field(default_factory=ReferentReader)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        settings: Settings,
        *,
        writes: bool,
        follows: bool = True,
        now: Callable[[], datetime] = system_clock,
        key_lost: bool = False,
    ) -> AsyncIterator[Service]:
        """Open a migrated database; a service that writes also follows, unless told otherwise.

        Nothing is signed before 4, and the order is what makes that safe:

            1. take the writer's lock: whoever else writes this log here has ended
            2. bring a folder of tiles to the database's head; one that is ahead is left to 3
            3. ask whoever saw more of the log (`api.onlookers`), and take the high-water file over
            4. open the sequencer, then what follows it: views, witnesses, the published checkpoint

        A start that fails gives back whatever it took. `key_lost` is that of `Sequencer.open`.
        Raises `WriterBusy`, `KeyNotKept`, `LedgerError`.
        """
        async with AsyncExitStack() as stack:
            database = open_database(settings)
            stack.push_async_callback(database.close)
            origin = await _origin(database, settings.origin)
            keystore = custody_of(settings)
            follower = Follower(database, views())
            sequencer: Sequencer | None = None
            following: Following | None = None
            cosigning: Cosigning | None = None
            if writes:
                lock = await WriterLock.acquire(database, address=settings.address)
                stack.push_async_callback(lock.release)
                with contextlib.suppress(TilesAhead):
                    # Of an older copy those who saw more say better what is to be done.
                    await complete_tiles(database, settings)
                signers = LogSigners.of(keystore, origin)
                async with httpx.AsyncClient(timeout=ANSWER_S) as onlookers:
                    high_water = await require_resumable(
                        database, settings, signers, client=onlookers
                    )
                stack.callback(high_water.close)
                await complete_tiles(database, settings)
                sequencer = await Sequencer.open(
                    database,
                    signers,
                    now=now,
                    policy_check=check_policy,
                    key_lost=key_lost,
                    high_water=high_water,
                )
                stack.push_async_callback(sequencer.close)
                if follows:
                    following = Following(database, sequencer, follower, lambda: civil_day(now()))
                    stack.push_async_callback(following.close)
                if settings.witness_policy is not None:
                    client = httpx.AsyncClient(timeout=ROUND_S)
                    cosigning = Cosigning(database, sequencer, settings.witness_policy, client)
                    stack.push_async_callback(cosigning.close)
                    await cosigning.recall()
                    cosigning.start()
                folder = tile_folder(settings)
                if folder is not None:
                    publishing = Publishing(
                        database,
                        sequencer,
                        folder,
                        policy=settings.witness_policy,
                        cosigning=cosigning,
                        drop_partials=settings.drop_partial_tiles,
                    )
                    stack.push_async_callback(publishing.close)
                    publishing.start()
            preparers = Preparers()
            stack.push_async_callback(preparers.close)
            yield cls(
                settings,
                origin,
                database,
                keystore,
                follower,
                now,
                sequencer,
                following,
                preparers,
                cosigning,
            )

    @classmethod
    @asynccontextmanager
    async def at_door(
        cls,
        settings: Settings,
        line_end: socket.socket,
        *,
        now: Callable[[], datetime] = system_clock,
    ) -> AsyncIterator[Service]:
        """Beside a process that writes: `line_end` is one end of a line to its hub."""
        async with AsyncExitStack() as stack:
            database = open_database(settings)
            stack.push_async_callback(database.close)
            line = await Line.open(line_end, database)
            stack.push_async_callback(line.close)
            origin = await _origin(database, settings.origin)
            keystore = custody_of(settings)
            follower = Follower(database, views())
            preparers = Preparers()
            stack.push_async_callback(preparers.close)
            yield cls(settings, origin, database, keystore, follower, now, line, line, preparers)

    @property
    def today(self) -> date:
        """The civil day of the province."""
        return civil_day(self.now())

    @property
    def writer(self) -> Writer:
        """Of a service that writes, or has a line to one that does."""
        assert self.sequencer is not None
        return self.sequencer

    async def followed(self, tree_size: int) -> None:
        """Wait until every view has read the entries below `tree_size`."""
        assert self.following is not None
        await self.following.reached(tree_size)

    async def state(
        self,
        *,
        issuer: SubjectLabel,
        subject: SubjectLabel,
        jti: str,
        weighing: Weighing,
        particulars: Mapping[str, Json],
    ) -> tuple[Acknowledgement, Statement]:
        """Sign with the issuer's custodial key, submit, and wait for the views.

        Raises `KeyNotKept` and every refusal of admission.
        """
        draft = Draft(
            issuer=issuer,
            subject=subject,
            jti=jti,
            issued_at=int(self.now().timestamp()),
            weighing=weighing,
            particulars=particulars,
        )
        ((acknowledgement,), (statement,)) = await self.state_together([draft])
        return acknowledgement, statement

    async def state_together(
        self, drafts: Sequence[Draft]
    ) -> tuple[tuple[Acknowledgement, ...], tuple[Statement, ...]]:
        """The same for several of one issuer: all of them stand, or none.

        What refuses one of several has a path that begins with its position.
        """
        (issuer,) = {draft.issuer for draft in drafts}
        key = custodial_key(self.keystore, self.writer.authorities, issuer)
        statements = await asyncio.to_thread(_issued, drafts, key)
        acknowledgements = await self.writer.submit(Submission(statements))
        await self.followed(1 + max(one.leaf_index for one in acknowledgements))
        return acknowledgements, statements


def _issued(drafts: Sequence[Draft], key: KeptKey) -> tuple[Statement, ...]:
    statements = []
    for position, draft in enumerate(drafts):
        try:
            statements.append(issue(draft, key, fresh_salts()))
        except LedgerError as error:
            raise (error if len(drafts) == 1 else error.within(position)) from None
    return tuple(statements)


def civil_day(instant: datetime) -> date:
    """The day of an instant in the ledger's province."""
    return instant.astimezone(CHINA).date()


def check_policy(adoption: PolicyAdoption) -> None:
    """What cannot rate all that this ledger admits is not adopted. Raises `PolicyError`."""
    adoptable(adoption.document)


async def genesis_of(database: Database) -> Genesis:
    """What this log is. Raises `LedgerEmpty`."""
    async with database.reading() as session:
        for entry in await Entries(session).controls(1):
            assert isinstance(entry.body, Control)
            assert isinstance(entry.body.content, Genesis)
            return entry.body.content
    raise LedgerEmpty("the log has no genesis yet")


async def _origin(database: Database, default: str) -> str:
    try:
        return (await genesis_of(database)).origin
    except LedgerEmpty:
        return default
