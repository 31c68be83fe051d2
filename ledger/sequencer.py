"""The one writer of the log.

    Sequencer          queue, decide, write, sign, answer
    Sequencer.open     reads the head back and checks it before anything is signed
    Sequencer.enqueue_each  takes prepared submissions; of each all is admitted, or none

There is no batch delay: whatever is queued when the last commit ends is the next batch, so one
client alone waits one commit, and many share one. A batch is one transaction, in this order:

    1. look up every (issuer, jti), in memory and in its table (`ledger.references`): known content
       is answered with its first index; and likewise what statements refer to
    2. decide each submission at the indexes it would get (`ledger.admission`)
    3. insert entries, tokens, disclosures, captures, events and bindings, and the run of references
       if this batch fills one
    4. write the tiles of the right edge, to rows or to files (`ledger.tile_store`)
    5. insert the signed checkpoint, whose `previous_size` is unique: this fences other writers
    6. commit

Before anybody is answered, the new head is remembered outside the database (`ledger.high_water`);
where that takes long, the next batch is written meanwhile. A crash before 6 leaves the old log, a
crash after it the new one; no state lies between. When the outcome of 6 is unknown, the head is
read again before the next batch, and the client that tries again, as `StoreUnavailable` asks, is
answered from step 1. A server may keep such a commit later still: a batch that meets it fails like
the one before, and only the next that does is a sign of another writer. A database that is away
fails one batch after another, and the writer goes on when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Self

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.append import insert_checkpoint, insert_rows, known_bindings
from ledger.authority import Authorities
from ledger.batch import Batch
from ledger.candidate import Candidate
from ledger.checkpoint import Checkpoint
from ledger.control import ControlContent, Genesis, LogKey, PolicyAdoption
from ledger.database import Database
from ledger.directory import BindingView
from ledger.entries import Entries
from ledger.errors import (
    HighWaterUnwritable,
    KeyAgentAway,
    LedgerError,
    LogKeyMismatch,
    ProofInvalid,
    StoreUnavailable,
    WriterFenced,
    WriterOverloaded,
)
from ledger.follower import Follower
from ledger.high_water import HighWater
from ledger.log_keys import LogKeys, LogSigners
from ledger.note import SignedNote
from ledger.references import References
from ledger.tables import CheckpointRow
from ledger.tile_store import read_edge, tiles_of
from ledger.tiles import RightEdge
from ledger.writer import Answers, Outcome, Writer

QUEUE_SUBMISSIONS_MAX = 8_192
"""Submissions that wait; beyond it a door answers that it is overloaded."""

BATCH_BODIES_MAX = 4_096
"""Entries of one transaction: some 10 MB, a quarter of a second."""

BATCH_BYTES_MAX = 16 * 1024 * 1024
"""After this much a batch takes no further submission: a capture alone may have 10 MB."""

QUEUE_BYTES_MAX = 128 * 1024 * 1024
"""What waits, however few the submissions. One alone is taken whatever its size."""

REMEMBER_S = 0.003
"""How long the next batch waits for the last head to be remembered. On a fast disk that takes less,
and whoever is answered meanwhile may be in the next batch: fewer batches, and larger ones."""

STORE_FAILURES = (
    SQLAlchemyError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    sqlite3.Error,
)
"""What a database that is away raises, in its own words or a driver's; a timeout is an OSError."""

PolicyCheck = Callable[[PolicyAdoption], None]


logger = logging.getLogger(__name__)


class _Asked:
    """One call, and what became of its submissions so far."""

    def __init__(self, count: int) -> None:
        self.answers: Answers = asyncio.get_running_loop().create_future()
        self._outcomes: list[Outcome] = [()] * count
        self._missing = count
        if not count:
            self.answers.set_result([])

    def settle(self, position: int, outcome: Outcome) -> None:
        """The last one makes the answer."""
        self._outcomes[position] = outcome
        self._missing -= 1
        if not self._missing and not self.answers.done():
            self.answers.set_result(self._outcomes)


class _Waiting(NamedTuple):
    """A submission in the queue. A tuple: thousands are made each second."""

    candidates: Sequence[Candidate]
    bytes_held: int
    asked: _Asked
    position: int

    def settle(self, outcome: Outcome) -> None:
        """Tell whoever asked."""
        self.asked.settle(self.position, outcome)


class Sequencer(Writer):
    """The only writer of the log and the opening store."""

    def __init__(
        self,
        database: Database,
        signers: LogSigners,
        *,
        now: Callable[[], datetime],
        policy_check: PolicyCheck,
        high_water: HighWater | None = None,
        key_lost: bool = False,
    ) -> None:
        self._database = database
        self._signers = signers
        self._key_lost = key_lost
        self._high_water = high_water
        self._note = ""
        self._now = now
        self._policy_check = policy_check
        self._queue: deque[_Waiting] = deque()
        self._is_asked = asyncio.Event()
        """Set while something waits."""
        self._bytes_waiting = 0
        self._edge = RightEdge()
        self._references = References()
        self._last_logged_at: datetime | None = None
        self._authorities = Authorities()
        self._head_is_known = True
        self._is_unsettled = False
        self._task: asyncio.Task[None] | None = None
        self._acknowledging: asyncio.Task[None] | None = None
        """Of the batch that was committed last."""
        self._stopped_by: LedgerError | None = None
        self._grown = asyncio.Event()

    @classmethod
    async def open(
        cls,
        database: Database,
        signers: LogSigners,
        *,
        now: Callable[[], datetime],
        policy_check: PolicyCheck,
        high_water: HighWater | None = None,
        key_lost: bool = False,
    ) -> Self:
        """Read the log's head back, check it, and begin to take submissions.

        Without `high_water` nothing outside the database remembers what was acknowledged. With
        `key_lost` the key that signs need not be kept: every batch fails, until one brings the
        log-key entry that replaces it. Raises `LogKeyMismatch`, `LogKeyReplaced`, `ProofInvalid`,
        `NoteUnverified`, and what `HighWater.raise_to` raises.
        """
        sequencer = cls(
            database,
            signers,
            now=now,
            policy_check=policy_check,
            high_water=high_water,
            key_lost=key_lost,
        )
        await sequencer._read_head()
        await sequencer._remember(sequencer._note)
        # Admission asks `ledger_binding`, which a rebuild that was cut short left empty.
        if sequencer.tree_size:
            await Follower(database, [BindingView()]).catch_up()
        sequencer._task = asyncio.create_task(sequencer._run(), name="sequencer")
        return sequencer

    async def close(self) -> None:
        """Stop taking submissions. What still waits is answered `WriterFenced`, and may be kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._acknowledged()

    @property
    def tree_size(self) -> int:
        """Entries that are durable."""
        return self._edge.tree_size

    @property
    def note(self) -> str:
        """The signed head of those; empty before the first, and until a head is read again."""
        return self._note if self._head_is_known else ""

    @property
    def is_running(self) -> bool:
        """Whether nothing stopped it."""
        return self._task is not None and not self._task.done()

    @property
    def authorities(self) -> Authorities:
        """Keys and mandates at the present size."""
        return self._authorities

    async def grown_beyond(self, tree_size: int) -> int:
        """Wait until the log is larger than `tree_size`; says its size."""
        while self.tree_size <= tree_size:
            self._grown.clear()
            await self._grown.wait()
        return self.tree_size

    def enqueue_each(self, submissions: Iterable[Sequence[Candidate]]) -> Answers:
        """Into the next batches. As `Writer.enqueue_each`."""
        held = [
            (candidates, sum([candidate.bytes_held for candidate in candidates]))
            for candidates in submissions
        ]
        asked = _Asked(len(held))
        for position, (candidates, bytes_held) in enumerate(held):
            waiting = _Waiting(candidates, bytes_held, asked, position)
            refusal = self._refusal(candidates, bytes_held)
            if refusal is not None:
                waiting.settle(refusal)
                continue
            self._queue.append(waiting)
            self._bytes_waiting += bytes_held
        if self._queue:
            self._is_asked.set()
        return asked.answers

    def _refusal(self, candidates: Sequence[Candidate], bytes_held: int) -> Exception | None:
        """Why these are not taken."""
        if not self.is_running:
            return _stopped()
        for position, candidate in enumerate(candidates):
            if candidate.control is not None:
                try:
                    self._check_content(candidate.control.content)
                except LedgerError as error:
                    return error if len(candidates) == 1 else error.within(position)
                except Exception as error:  # the policy check has refusals of its own
                    return error
        if self._bytes_waiting and self._bytes_waiting + bytes_held > QUEUE_BYTES_MAX:
            return WriterOverloaded(f"{self._bytes_waiting} bytes wait; try again")
        if len(self._queue) >= QUEUE_SUBMISSIONS_MAX:
            return WriterOverloaded(f"{QUEUE_SUBMISSIONS_MAX} submissions wait; try again")
        return None

    def _check_content(self, content: ControlContent) -> None:
        match content:
            case PolicyAdoption():
                self._policy_check(content)
            case Genesis() | LogKey():
                record = LogKeys().after(content, 0).latest
                # What the log has may be sent again, whatever became of its key.
                if any(key not in self._authorities.log_keys.verifiers for key in record.verifiers):
                    self._signers.find(record)
            case _:
                pass

    async def _next_batch(self) -> list[_Waiting]:
        """Whatever waits, up to the bounds of one transaction."""
        while not self._queue:
            self._is_asked.clear()
            await self._is_asked.wait()
        batch: list[_Waiting] = []
        bodies = bytes_held = 0
        while self._queue and bodies < BATCH_BODIES_MAX and bytes_held < BATCH_BYTES_MAX:
            waiting = self._queue.popleft()
            batch.append(waiting)
            bodies += len(waiting.candidates)
            bytes_held += waiting.bytes_held
        self._bytes_waiting -= bytes_held
        return batch

    async def _run(self) -> None:
        waiting: list[_Waiting] = []
        try:
            while True:
                waiting = await self._next_batch()
                try:
                    if not self._head_is_known:
                        await self._acknowledged()
                        await self._read_head()
                        await self._remember(self._note)
                    if self._high_water is not None:
                        self._high_water.check_held()
                    outcomes = await self._write(waiting)
                    self._is_unsettled = False
                    # While this batch was written, the head of the one before was remembered.
                    await self._acknowledged()
                    self._acknowledging = asyncio.create_task(
                        self._acknowledge(waiting, outcomes, self._note), name="acknowledging"
                    )
                    await asyncio.wait([self._acknowledging], timeout=REMEMBER_S)
                except IntegrityError as error:
                    if not self._is_unsettled:
                        raise WriterFenced(
                            f"another writer extended the log beyond {self.tree_size}"
                        ) from error
                    # The commit before, whose answer never came, was kept after the head was read.
                    self._is_unsettled = self._head_is_known = False
                    _fail(waiting, _unavailable(error))
                except HighWaterUnwritable as error:
                    # The file is away, or the head is not remembered yet.
                    self._head_is_known = False
                    _fail(waiting, error)
                except KeyAgentAway as error:
                    # Nothing was signed, so nothing was written.
                    _fail(waiting, error)
                except LogKeyMismatch as error:
                    if not self._key_lost:
                        raise
                    _fail(waiting, error)
                except LedgerError:
                    # Head and signature do not agree: nothing more is signed.
                    raise
                except Exception as error:
                    # Most likely the database is away, in whichever driver's words. Kept or lost?
                    # The head says, once it can be read.
                    logger.exception("a batch failed; the head is read again before the next")
                    self._head_is_known = False
                    self._is_unsettled = True
                    is_store = isinstance(error, STORE_FAILURES)
                    _fail(waiting, _unavailable(error) if is_store else error)
        except BaseException as error:
            waiting += self._queue
            self._queue.clear()
            _fail(
                waiting, error if isinstance(error, Exception) else self._stopped_by or _stopped()
            )
            raise

    async def _acknowledged(self) -> None:
        """Wait until everybody of the last batch but one was answered."""
        if self._acknowledging is not None:
            await asyncio.shield(self._acknowledging)

    async def _acknowledge(
        self, waiting: Sequence[_Waiting], outcomes: Sequence[Outcome], note: str
    ) -> None:
        """Answer a batch that was committed, once its head is remembered."""
        try:
            await self._remember(note)
        except HighWaterUnwritable as error:
            # Its device is full or away. Nobody is told, and one batch more at the most is written
            # before a head is remembered again.
            self._head_is_known = False
            _fail(waiting, error)
        except LedgerError as error:
            # Another writer has taken over: nothing more is signed.
            self._stopped_by = error
            _fail(waiting, error)
            assert self._task is not None
            self._task.cancel()
        else:
            for item, outcome in zip(waiting, outcomes, strict=True):
                item.settle(outcome)
            self._grown.set()

    async def _write(self, waiting: Sequence[_Waiting]) -> list[Outcome]:
        """One transaction; says what becomes of each when its head is remembered."""
        outcomes: list[Outcome] = []
        async with self._database.writing() as session:
            candidates = [candidate for item in waiting for candidate in item.candidates]
            batch = Batch(
                self._edge.tree_size,
                self._authorities,
                await known_bindings(session, candidates),
                await self._references.known(session, candidates),
                await self._references.referents(session, candidates),
            )
            for item in waiting:
                try:
                    outcomes.append(batch.decide(item.candidates))
                except LedgerError as error:
                    outcomes.append(error)
            edge, note = self._edge, self._note
            logged_at = self._last_logged_at
            run_written = False
            if batch.admitted:
                logged_at = self._now()
                if self._last_logged_at is not None:
                    logged_at = max(logged_at, self._last_logged_at)
                edge, tiles = self._edge.extended([item.leaf_hash for item in batch.admitted])
                await insert_rows(session, batch.admitted, logged_at)
                run_written = await self._references.write_run(session, batch.admitted)
                await tiles_of(session).write(session, self._edge.tree_size, tiles)
                note = await self._insert_checkpoint(session, batch, edge, logged_at)
        self._edge, self._note = edge, note
        self._last_logged_at = logged_at
        self._authorities = batch.authorities
        self._references.take(batch.admitted, run_written=run_written)
        return outcomes

    async def _insert_checkpoint(
        self, session: AsyncSession, batch: Batch, edge: RightEdge, logged_at: datetime
    ) -> str:
        genesis = batch.authorities.genesis
        assert genesis is not None
        checkpoint = Checkpoint(genesis.origin, edge.tree_size, edge.root)

        def sign() -> SignedNote:
            return self._signers.signed(
                checkpoint,
                batch.authorities.log_keys,
                previous_size=self._edge.tree_size,
                at_s=int(logged_at.timestamp()),
            )

        # A signature of this process takes less time than it takes to hand it to a thread.
        note = str(await asyncio.to_thread(sign) if self._signers.waits else sign())
        await insert_checkpoint(
            session, checkpoint, note, previous_size=self._edge.tree_size, logged_at=logged_at
        )
        return note

    async def _remember(self, note: str) -> None:
        """Nobody is told of a head that only the database has.

        Before its genesis a log has the tree of no entries, which every later one extends.
        """
        if self._high_water is not None:
            await self._high_water.raise_to(note or str(self._signers.founding_head()))

    async def _read_head(self) -> None:
        """Load right edge, authorities and references, the first two checked against the head.

        Writes what the table of references lacks (`References.opened`).
        """
        async with self._database.reading() as session:
            row = await session.scalar(
                select(CheckpointRow).order_by(CheckpointRow.tree_size.desc()).limit(1)
            )
            if row is None:
                self._head_is_known = True
                return
            authorities = await Entries(session).authorities(row.tree_size)
            edge = await read_edge(session, row.tree_size)
        genesis = authorities.genesis
        if genesis is None:
            raise ProofInvalid("the log has a head but no genesis")
        log_keys = authorities.log_keys
        if not self._key_lost:
            self._signers.find(log_keys.at(row.tree_size))
        note = SignedNote.parse(row.note.encode())
        log_keys.check_head(note, row.tree_size, previous_size=row.previous_size)
        checkpoint = Checkpoint.parse(note.text)
        stored = (genesis.origin, row.tree_size, row.root_hash)
        made_again = (genesis.origin, edge.tree_size, edge.root)
        signed = (checkpoint.origin, checkpoint.tree_size, checkpoint.root_hash)
        if signed != stored or signed != made_again:
            raise ProofInvalid(f"the tiles do not hash to the signed root at {row.tree_size}")
        self._references = await References.opened(self._database, row.tree_size)
        self._edge, self._note = edge, row.note
        self._last_logged_at = row.logged_at
        self._authorities = authorities
        self._head_is_known = True
        self._grown.set()


def _stopped() -> WriterFenced:
    return WriterFenced("this writer has stopped; another one may have taken over")


def _unavailable(error: Exception) -> StoreUnavailable:
    refusal = StoreUnavailable(
        "the database failed at this batch, and whether it was kept is not known; sent again, what "
        "was kept is answered with its first index"
    )
    refusal.__cause__ = error
    return refusal


def _fail(waiting: Sequence[_Waiting], error: Exception) -> None:
    for item in waiting:
        item.settle(error)
