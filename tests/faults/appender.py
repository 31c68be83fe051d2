"""The process that is made to fail: it appends through the real sequencer, and says what it hears.

    Place       where a log is, and what stands beside its database
    Plan        what is submitted, batch by batch, and how
    founding    the log that a campaign begins with
    writing     the one way in which any process here writes
    appending   what a process does that appends
    Client      submits, and tells what it hears
    PATIENCE    how often a client sends again what was neither admitted nor refused

Every acknowledgement is said as soon as it is there, before anything else is done: what was said
must stand for ever. So must every signed head that anybody could have read meanwhile.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ledger.admission import Submission
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import LedgerError
from ledger.high_water import HighWater
from ledger.note import Signer
from ledger.sequencer import Sequencer
from ledger.tile_folder import TileFolder
from ledger.tile_store import keep_tiles_in
from ledger.writer import Outcome
from tests.faults.child import Channel, Work
from tests.faults.matter import PLAIN, found, submission
from tests.world import ORIGIN, World, accept_policy, key_of, signers_of

LOG_SIGNER = Signer(ORIGIN, key_of("log"))

FOUNDED_SIZE = 6
"""Entries before the first number: genesis, two keys and mandates, a firm's key."""

TRY_AGAIN = (
    "LEDGER_HIGH_WATER_UNWRITABLE",
    "LEDGER_STORE_UNAVAILABLE",
    "LEDGER_WRITER_OVERLOADED",
)
"""Refusals that ask for nothing else than to try again here."""

PATIENCE = 60
PAUSE_S = 0.05
"""Together three seconds: a database server recovers in one."""


def system_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Place:
    """Where a log is."""

    url: str
    beside: Path
    """A folder: of the high-water file, and of the tiles where they are files."""
    has_tile_files: bool = False

    @property
    def tiles(self) -> TileFolder:
        """The log as files."""
        return TileFolder(self.beside / "tiles")

    def database(self) -> Database:
        """Not opened yet."""
        database = Database.connect(self.url)
        if self.has_tile_files:
            keep_tiles_in(database, self.tiles)
        return database


@dataclass(frozen=True)
class Plan:
    """Numbers of `tests.faults.matter`."""

    batches: tuple[tuple[int, ...], ...]
    """Each a commit, if nobody else submits meanwhile; one number alone takes the way of one."""
    warm_up: tuple[int, ...] = ()
    """Before the gate `append`: threads and connections are there when it opens."""
    now: Callable[[], datetime] = system_clock
    through: Callable[[str], AbstractAsyncContextManager[str]] = nullcontext
    """What stands between the process and its database, as `breaking` has it."""
    beside: str = "beside"
    """Two of one name share their high-water file, as processes of one machine do."""
    patience: int = PATIENCE

    @property
    def numbers(self) -> list[int]:
        """All of them, in order, each once."""
        return list(dict.fromkeys([*self.warm_up, *(n for batch in self.batches for n in batch)]))


def founding(url: str, size: int) -> Work:
    """An empty database becomes a log of that size."""

    async def work(channel: Channel) -> None:
        async with World.opened(url, founded=False) as world:
            await found(world)
            numbers = range(PLAIN, PLAIN + size - world.sequencer.tree_size)
            for at in range(0, len(numbers), 4_096):
                await world.sequencer.submit_each(map(submission, numbers[at : at + 4_096]))
            assert world.sequencer.tree_size == size
            # A start brings the view of bindings to the head; done once here, not by every copy.
            await world.reopen()
        channel.say("founded")

    return work


@asynccontextmanager
async def writing(
    place: Place, *, now: Callable[[], datetime] = system_clock
) -> AsyncIterator[tuple[Database, Sequencer]]:
    """As a process that serves begins, and ends in order."""
    place.beside.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        database = place.database()
        stack.push_async_callback(database.close)
        if place.has_tile_files:
            async with database.reading() as session:
                await place.tiles.complete(session)
        high_water = HighWater.taken_over(place.beside / "high-water")
        stack.callback(high_water.close)
        sequencer = await Sequencer.open(
            database, signers_of("log"), now=now, policy_check=accept_policy, high_water=high_water
        )
        stack.push_async_callback(sequencer.close)
        yield database, sequencer


def appending(place: Place, plan: Plan) -> Work:
    """Gates `open`, `append` and `close`; what is refused is said, and ends it."""

    async def work(channel: Channel) -> None:
        channel.gate("open")
        try:
            async with (
                plan.through(place.url) as url,
                writing(replace(place, url=url), now=plan.now) as (database, sequencer),
            ):
                client = Client(channel, sequencer, database, plan.patience)
                for number in plan.warm_up:
                    await client.submit((number,))
                channel.gate("append")
                for batch in plan.batches:
                    await client.submit(batch)
                channel.gate("close")
        except LedgerError as error:
            channel.say("stopped", code=error.code, message=error.message)
        except Exception as error:
            channel.say("stopped", code=None, message=f"{type(error).__name__}: {error}")
        else:
            channel.say("left")

    return work


@dataclass(frozen=True)
class Client:
    """Submits, and tells everything it hears."""

    channel: Channel
    sequencer: Sequencer
    database: Database
    patience: int

    async def submit(self, numbers: tuple[int, ...]) -> None:
        """Until each is acknowledged. Raises what was refused, and the last failure."""
        waiting = numbers
        for attempt in range(1 + self.patience):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            self.channel.say("submits", numbers=waiting)
            outcomes = await self._outcomes([submission(number) for number in waiting])
            refusal = failure = None
            missing = []
            for number, outcome in zip(waiting, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    missing.append(number)
                    code = outcome.code if isinstance(outcome, LedgerError) else None
                    message = f"{type(outcome).__name__}: {outcome}"[:300]
                    self.channel.say("refused", number=number, code=code, message=message)
                    if isinstance(outcome, LedgerError) and code not in TRY_AGAIN:
                        refusal = outcome
                    failure = outcome
                    continue
                entries = [
                    [one.leaf_index, base64.b64encode(one.leaf_hash).decode(), one.duplicate]
                    for one in outcome
                ]
                self.channel.say("acknowledged", number=number, entries=entries)
            if refusal is not None:
                raise refusal
            waiting = tuple(missing)
            if not waiting:
                break
        else:
            assert failure is not None
            raise failure
        await self._tell_head()

    async def _outcomes(self, submissions: list[Submission]) -> list[Outcome]:
        if len(submissions) > 1:
            return await self.sequencer.submit_each(submissions)
        try:
            return [await self.sequencer.submit(submissions[0])]
        except Exception as error:
            return [error]

    async def _tell_head(self) -> None:
        """As anybody could read it. One that cannot be read now was seen by nobody."""
        try:
            async with self.database.reading() as session:
                head = await Entries(session).head()
        except Exception as error:
            self.channel.say("unread", message=f"{type(error).__name__}: {error}"[:300])
        else:
            self.channel.say("head", note=head.note)
