"""The one writer of the log.

    Sequencer          queue, decide, write, sign, answer
    Sequencer.open     reads the head back and checks it before anything is signed
    Sequencer.submit   admits one submission, all of its bodies or none
    Sequencer.submit_each   many submissions, each on its own; answers in order

There is no batch delay: whatever is queued when the last commit ends is the next batch, so one
client alone waits one commit, and many share one. A batch is one transaction, in this order:

    1. look up every (issuer, jti): known content is answered with its first index
    2. decide each submission at the indexes it would get (`ledger.admission`)
    3. insert entries, tokens, disclosures, captures, events and bindings
    4. replace the tiles of the right edge
    5. insert the signed checkpoint, whose `previous_size` is unique: this fences other writers
    6. commit

A crash before 6 leaves the old log, a crash after it the new one; no state lies between. When the
outcome of 6 is unknown, the head is read again before the next batch, and the client that tries
again is answered from step 1. A database that is away fails one batch after another, and the writer
goes on when it is back.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import delete, insert, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ledger.admission import (
    Bindings,
    Body,
    Submission,
    bound_identity,
    check_form,
    check_signature,
    form_of,
)
from ledger.authority import Authorities
from ledger.batch import Acknowledgement, Admitted, Batch, Known, Prepared, Reference
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.control import Control, ControlContent, Genesis, PolicyAdoption
from ledger.database import Database
from ledger.directory import BindingView, binding_row
from ledger.disclosure import WEIGHING
from ledger.entries import Entries
from ledger.errors import (
    LedgerError,
    LogKeyMismatch,
    ProofInvalid,
    WriterFenced,
    WriterOverloaded,
)
from ledger.follower import Follower
from ledger.identity import Identity, Scheme, SubjectLabel
from ledger.merkle import HASH_BYTES, leaf_hash
from ledger.note import Signer, Verifier
from ledger.seal import Capture
from ledger.statement import Statement
from ledger.tables import (
    Base,
    BindingRow,
    CaptureRow,
    CheckpointRow,
    DisclosureRow,
    EntryRow,
    EventRow,
    OpeningRow,
    TileRow,
)
from ledger.tiles import RightEdge, Tile, edge_tiles

QUEUE_SUBMISSIONS_MAX = 8_192
"""Submissions that wait; beyond it a door answers that it is overloaded."""

BATCH_BODIES_MAX = 4_096
"""Entries of one transaction: some 10 MB, a quarter of a second."""

BATCH_BYTES_MAX = 16 * 1024 * 1024
"""After this much a batch takes no further submission: a capture alone may have 10 MB."""

QUEUE_BYTES_MAX = 128 * 1024 * 1024
"""What waits, however few the submissions. One alone is taken whatever its size."""

LOOKUP_KEYS_MAX = 500
"""Pairs of one IN list: well below SQLite's limit of bound values."""

PolicyCheck = Callable[[PolicyAdoption], None]


@dataclass(slots=True)
class _Waiting:
    prepared: Prepared
    bytes_held: int
    answer: asyncio.Future[tuple[Acknowledgement, ...]]


class Sequencer:
    """The only writer of the log and the opening store."""

    def __init__(
        self,
        database: Database,
        signer: Signer,
        *,
        now: Callable[[], datetime],
        policy_check: PolicyCheck,
    ) -> None:
        self._database = database
        self._signer = signer
        self._now = now
        self._policy_check = policy_check
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(QUEUE_SUBMISSIONS_MAX)
        self._bytes_waiting = 0
        self._edge = RightEdge()
        self._last_logged_at: datetime | None = None
        self._authorities = Authorities()
        self._head_is_known = True
        self._task: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()

    @classmethod
    async def open(
        cls,
        database: Database,
        signer: Signer,
        *,
        now: Callable[[], datetime],
        policy_check: PolicyCheck,
    ) -> Self:
        """Read the log's head back, check it, and begin to take submissions.

        Raises `LogKeyMismatch`, `ProofInvalid`, `NoteUnverified`.
        """
        sequencer = cls(database, signer, now=now, policy_check=policy_check)
        await sequencer._read_head()
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

    @property
    def tree_size(self) -> int:
        """Entries that are durable."""
        return self._edge.tree_size

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

    async def submit(self, submission: Submission) -> tuple[Acknowledgement, ...]:
        """Admit all bodies or none; durable when it returns.

        Raises `LedgerError`, or what the policy check raises for a policy it refuses.
        """
        if len(submission.bodies) == 1:
            # One signature is verified in less time than it takes to hand it to a thread.
            return await self._enqueue(self._prepare(submission))
        return await self._enqueue(await asyncio.to_thread(self._prepare, submission))

    async def submit_each(
        self, submissions: Iterable[Submission]
    ) -> list[tuple[Acknowledgement, ...] | Exception]:
        """Each on its own, answers in order: acknowledgements, or the refusal."""
        outcomes = await asyncio.to_thread(self._prepare_each, list(submissions))
        waiting = [
            outcome if isinstance(outcome, Exception) else self._enqueue_soon(outcome)
            for outcome in outcomes
        ]
        futures = [item for item in waiting if isinstance(item, asyncio.Future)]
        await asyncio.gather(*futures, return_exceptions=True)
        return [
            item if isinstance(item, Exception) else (item.exception() or item.result())  # type: ignore[misc]
            for item in waiting
        ]

    def _prepare(self, submission: Submission) -> Prepared:
        bodies = submission.bodies
        checked = []
        for position, body in enumerate(bodies):
            try:
                check_form(body)
                if isinstance(body, Control):
                    self._check_content(body.content)
                    checked.append(False)
                else:
                    checked.append(check_signature(body.token, self._authorities, body.issuer))
            except LedgerError as error:
                raise (error if len(bodies) == 1 else error.within(position)) from None
        return Prepared(submission, tuple(checked))

    def _check_content(self, content: ControlContent) -> None:
        match content:
            case PolicyAdoption():
                self._policy_check(content)
            case Genesis():
                _check_log_key(content.log_key, self._signer)
            case _:
                pass

    def _prepare_each(self, submissions: Sequence[Submission]) -> list[Prepared | Exception]:
        outcomes: list[Prepared | Exception] = []
        for submission in submissions:
            try:
                outcomes.append(self._prepare(submission))
            except Exception as error:  # a refusal of this one alone; the door sorts bugs out
                outcomes.append(error)
        return outcomes

    async def _enqueue(self, prepared: Prepared) -> tuple[Acknowledgement, ...]:
        outcome = self._enqueue_soon(prepared)
        if isinstance(outcome, Exception):
            raise outcome
        return await outcome

    def _enqueue_soon(
        self, prepared: Prepared
    ) -> asyncio.Future[tuple[Acknowledgement, ...]] | Exception:
        if self._task is None or self._task.done():
            return _stopped()
        answer: asyncio.Future[tuple[Acknowledgement, ...]] = (
            asyncio.get_running_loop().create_future()
        )
        bytes_held = sum(map(_bytes_of, prepared.submission.bodies))
        if self._bytes_waiting and self._bytes_waiting + bytes_held > QUEUE_BYTES_MAX:
            return WriterOverloaded(f"{self._bytes_waiting} bytes wait; try again")
        try:
            self._queue.put_nowait(_Waiting(prepared, bytes_held, answer))
        except asyncio.QueueFull:
            return WriterOverloaded(f"{QUEUE_SUBMISSIONS_MAX} submissions wait; try again")
        self._bytes_waiting += bytes_held
        return answer

    async def _next_batch(self) -> list[_Waiting]:
        """Whatever waits, up to the bounds of one transaction."""
        waiting = [await self._queue.get()]
        bodies = len(waiting[0].prepared.submission.bodies)
        bytes_held = waiting[0].bytes_held
        while (
            not self._queue.empty() and bodies < BATCH_BODIES_MAX and bytes_held < BATCH_BYTES_MAX
        ):
            waiting.append(self._queue.get_nowait())
            bodies += len(waiting[-1].prepared.submission.bodies)
            bytes_held += waiting[-1].bytes_held
        self._bytes_waiting -= bytes_held
        return waiting

    async def _run(self) -> None:
        waiting: list[_Waiting] = []
        try:
            while True:
                waiting = await self._next_batch()
                try:
                    if not self._head_is_known:
                        await self._read_head()
                    await self._write(waiting)
                except IntegrityError as error:
                    raise WriterFenced(
                        f"another writer extended the log beyond {self.tree_size}"
                    ) from error
                except LedgerError:
                    # Head and signature do not agree: nothing more is signed.
                    raise
                except Exception as error:
                    # The database is away, in whichever driver's words. Kept or lost? The head
                    # says, once it can be read; a client that tries again is told by step 1.
                    self._head_is_known = False
                    _fail(waiting, error)
        except BaseException as error:
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            _fail(waiting, _stopped() if isinstance(error, asyncio.CancelledError) else error)
            raise

    async def _write(self, waiting: Sequence[_Waiting]) -> None:
        answers: list[tuple[Acknowledgement, ...] | LedgerError] = []
        async with self._database.writing() as session:
            bodies = [body for item in waiting for body in item.prepared.submission.bodies]
            batch = Batch(
                self._edge.tree_size,
                self._authorities,
                await _bindings(session, bodies),
                await _known(session, bodies),
            )
            for item in waiting:
                try:
                    answers.append(batch.decide(item.prepared))
                except LedgerError as error:
                    answers.append(error)
            edge = self._edge
            logged_at = self._last_logged_at
            if batch.admitted:
                logged_at = self._now()
                if self._last_logged_at is not None:
                    logged_at = max(logged_at, self._last_logged_at)
                edge, tiles = self._edge.extended([item.leaf_hash for item in batch.admitted])
                await _insert(session, batch.admitted, logged_at)
                await _replace_tiles(session, tiles)
                await self._insert_checkpoint(session, batch, edge, logged_at)
        self._edge = edge
        self._last_logged_at = logged_at
        self._authorities = batch.authorities
        for item, answer in zip(waiting, answers, strict=True):
            if item.answer.done():
                continue
            if isinstance(answer, LedgerError):
                item.answer.set_exception(answer)
            else:
                item.answer.set_result(answer)
        if batch.admitted:
            self._grown.set()

    async def _insert_checkpoint(
        self, session: AsyncSession, batch: Batch, edge: RightEdge, logged_at: datetime
    ) -> None:
        genesis = batch.authorities.genesis
        assert genesis is not None
        assert genesis.log_key == self._signer.verifier
        checkpoint = Checkpoint(genesis.origin, edge.tree_size, edge.root)
        row = {
            "tree_size": edge.tree_size,
            "previous_size": self._edge.tree_size,
            "root_hash": checkpoint.root_hash,
            "note": str(checkpoint.signed(self._signer)),
            "logged_at": logged_at,
        }
        await session.execute(insert(CheckpointRow), [row])

    async def _read_head(self) -> None:
        """Load the right edge and the authorities, and check them against the signed head."""
        async with self._database.reading() as session:
            row = await session.scalar(
                select(CheckpointRow).order_by(CheckpointRow.tree_size.desc()).limit(1)
            )
            if row is None:
                self._head_is_known = True
                return
            authorities = Authorities()
            for entry in await Entries(session).controls(row.tree_size):
                assert isinstance(entry.body, Control)
                authorities.check(entry.body)
                authorities = authorities.after(entry.body, entry.leaf_index)
            edge = await _read_edge(session, row.tree_size)
        genesis = authorities.genesis
        if genesis is None:
            raise ProofInvalid("the log has a head but no genesis")
        _check_log_key(genesis.log_key, self._signer)
        checkpoint = open_checkpoint(row.note.encode(), genesis.log_key)
        signed = (checkpoint.tree_size, checkpoint.root_hash)
        if signed != (row.tree_size, row.root_hash) or signed != (edge.tree_size, edge.root):
            raise ProofInvalid(f"the tiles do not hash to the signed root at {row.tree_size}")
        self._edge = edge
        self._last_logged_at = row.logged_at
        self._authorities = authorities
        self._head_is_known = True
        self._grown.set()


def _check_log_key(log_key: Verifier, signer: Signer) -> None:
    if signer.verifier != log_key:
        raise LogKeyMismatch("the signing key is not the one this log was founded with")


def _bytes_of(body: Body) -> int:
    """What a body holds in memory, near enough."""
    size = len(body.token.text)
    if isinstance(body, Statement):
        size += sum(len(disclosure.text) for disclosure in body.disclosures)
    elif isinstance(body, Capture):
        size += len(body.context) + sum(len(event.raw) for event in body.events)
    return size


def _stopped() -> WriterFenced:
    return WriterFenced("this writer has stopped; another one may have taken over")


def _fail(waiting: Sequence[_Waiting], error: BaseException) -> None:
    for item in waiting:
        if not item.answer.done():
            item.answer.set_exception(error)


async def _read_edge(session: AsyncSession, tree_size: int) -> RightEdge:
    partials = []
    for tile in edge_tiles(tree_size):
        hashes = b""
        if tile.width:
            row = await session.get(TileRow, (tile.level, tile.index))
            hashes = b"" if row is None else row.hashes
            if len(hashes) != tile.width * HASH_BYTES:
                raise ProofInvalid(f"the tile at level {tile.level}, {tile.index} is cut short")
        partials.append(hashes)
    return RightEdge(tree_size, tuple(partials))


async def _known(session: AsyncSession, bodies: Sequence[Body]) -> dict[Reference, Known]:
    """Which of these references the log has: index, content hash, leaf hash."""
    by_issuer: dict[SubjectLabel, list[str]] = defaultdict(list)
    for body in bodies:
        by_issuer[body.issuer].append(body.jti)
    known: dict[Reference, Known] = {}
    for issuer, references in by_issuer.items():
        for at in range(0, len(references), LOOKUP_KEYS_MAX):
            query = (
                select(
                    OpeningRow.jti, OpeningRow.leaf_index, OpeningRow.content_hash, EntryRow.leaf
                )
                .join(EntryRow, EntryRow.leaf_index == OpeningRow.leaf_index)
                .where(
                    OpeningRow.issuer == issuer,
                    OpeningRow.jti.in_(references[at : at + LOOKUP_KEYS_MAX]),
                )
            )
            for jti, leaf_index, content_hash, leaf in await session.execute(query):
                known[issuer, jti] = Known(leaf_index, leaf_hash(leaf), content_hash)
    return known


async def _bindings(session: AsyncSession, bodies: Sequence[Body]) -> Bindings:
    """The one-person businesses these bodies touch, as far as they are bound."""
    subjects: set[SubjectLabel] = set()
    persons: set[Identity] = set()
    for body in bodies:
        if isinstance(body, Statement):
            if body.weighing.kind == "binding":
                persons.add(bound_identity(body))
                subjects.add(body.subject)
            elif "subject" not in body.particulars:
                subjects.add(body.subject)
        elif isinstance(body, Capture) and body.party.scheme == "label":
            subjects.add(body.party.subject)
    found: dict[SubjectLabel, Identity] = {}
    if not subjects:
        return Bindings(found)
    person_keys = sorted((person.scheme.value, person.identifier) for person in persons)
    query = select(BindingRow).where(
        or_(
            BindingRow.subject.in_(subjects),
            tuple_(BindingRow.scheme, BindingRow.identifier).in_(person_keys),
        )
    )
    for row in await session.scalars(query):
        found[row.subject] = Identity(Scheme(row.scheme), row.identifier)
    return Bindings(found)


async def _insert(session: AsyncSession, admitted: Sequence[Admitted], logged_at: datetime) -> None:
    rows: dict[type[Base], list[dict[str, object]]] = defaultdict(list)
    for item in admitted:
        body, leaf_index = item.body, item.leaf_index
        rows[EntryRow].append({"leaf_index": leaf_index, "leaf": item.leaf})
        rows[OpeningRow].append(
            {
                "leaf_index": leaf_index,
                "form": form_of(body),
                "issuer": body.issuer,
                "jti": body.jti,
                "subject": body.subject,
                "content_hash": item.content_hash,
                "token": body.token.text,
                "logged_at": logged_at,
            }
        )
        if isinstance(body, Statement):
            rows[DisclosureRow].append(_disclosure_row(body, leaf_index))
            if body.weighing.kind == "binding":
                rows[BindingRow].append(binding_row(body, leaf_index))
        elif isinstance(body, Capture):
            rows[CaptureRow].append(_capture_row(body, leaf_index))
            rows[EventRow] += _event_rows(body, leaf_index)
    connection = await session.connection()
    for table, values in rows.items():
        # The one hot write: the mapper's own bookkeeping would double its cost.
        await connection.execute(insert(table), values)


def _capture_row(capture: Capture, leaf_index: int) -> dict[str, object]:
    return {
        "leaf_index": leaf_index,
        "context": capture.context,
        "party_scheme": capture.party.scheme,
        "party_identifier": capture.party.identifier,
    }


def _event_rows(capture: Capture, leaf_index: int) -> list[dict[str, object]]:
    return [
        {"leaf_index": leaf_index, "position": position, "secret": event.secret, "raw": event.raw}
        for position, event in enumerate(capture.events)
    ]


def _disclosure_row(statement: Statement, leaf_index: int) -> dict[str, object]:
    texts = [f"~{item.text}" for item in statement.disclosures]
    weighing = "".join(texts[: len(WEIGHING)])
    particulars = "".join(texts[len(WEIGHING) :])
    # Token, both of these, and a tilde are the presentation again; see `ledger.entries`.
    return {"leaf_index": leaf_index, "weighing": weighing, "particulars": particulars}


async def _replace_tiles(session: AsyncSession, tiles: Sequence[tuple[Tile, bytes]]) -> None:
    first: dict[int, int] = {}
    for tile, _ in tiles:
        first.setdefault(tile.level, tile.index)
    for level, index in first.items():
        await session.execute(
            delete(TileRow).where(TileRow.level == level, TileRow.tile_index == index)
        )
    await session.execute(
        insert(TileRow),
        [
            {"level": tile.level, "tile_index": tile.index, "hashes": hashes}
            for tile, hashes in tiles
        ],
    )
