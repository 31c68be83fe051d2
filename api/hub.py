"""One writer, several doors: what the processes of `xin serve` say to each other.

    Hub              beside the sequencer: takes candidates, answers, says how far log and views are
    Hub.connect      a line to a process that was started with the other end of a socket pair
    Line             the other end, in a door's process or that of the views
    Line.enqueue_packed   what `Sequencer.enqueue_packed` is to a door in the writer's own process
    Line.reached     waits until the views have read an index
    WriterFailed     what a door is told of a failure that is no refusal

A line is a pair of connected sockets that only these processes hold, so both ends are believed. A
message is four bytes of length and a JSON object of any of these members:

    submit    [[id, [submission, …]], …]    door to hub; a submission is as `ledger.packing` has it
    answers   [[id, [outcome, …]], …]       hub to door; an outcome is entries, or an error
    size, controls, followed                hub to all: entries, control entries, and those in views
    note                                    hub to all: the signed head of that size
    running                                 hub to all: whether the writer takes submissions
    awaited   size                          door to hub, hub to all: somebody waits for the views
    followed  size                          views to hub

What comes in one turn of the event loop goes out as one message. A door that awaits answers anyhow
waits up to GATHER_S for more to send, so that a busy line carries few messages and a quiet one does
not wait. When the writer's process ends, its lines end.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import orjson

from credit import errors as credit_errors
from credit.errors import CreditError
from ledger import errors as ledger_errors
from ledger.authority import Authorities
from ledger.batch import Acknowledgement
from ledger.candidate import Candidate
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import LedgerError, WriterFenced
from ledger.merkle import Hash
from ledger.packing import pack, unpacked
from ledger.sequencer import Sequencer
from ledger.writer import Answers, Outcome, Writer

LENGTH_BYTES = 4

GATHER_S = 0.002
"""A tenth of a busy batch: a message costs both ends as much as a statement in it."""

Message = dict[str, Any]

logger = logging.getLogger(__name__)


class WriterFailed(Exception):
    """Something failed in the writer's process, and was logged there."""


class _Messages(asyncio.Protocol):
    """Both ends of a line: whole messages in, one message a turn out."""

    def __init__(self, receive: Callable[[Message], None], ended: Callable[[], None]) -> None:
        self._receive = receive
        self._ended = ended
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._lists: dict[str, list[Any]] = {}
        self._values: Message = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._ended()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= LENGTH_BYTES:
            end = at + LENGTH_BYTES + int.from_bytes(buffer[at : at + LENGTH_BYTES], "big")
            if len(buffer) < end:
                break
            message = orjson.loads(memoryview(buffer)[at + LENGTH_BYTES : end])
            at = end
            self._receive(message)
        del buffer[:at]

    def add(self, name: str, item: object, *, within_s: float = 0.0) -> None:
        """One more item of a list, which goes out at the end of this turn or within some time."""
        self._soon(within_s)
        self._lists.setdefault(name, []).append(item)

    def say(self, **values: object) -> None:
        """Members that go out at the end of this turn."""
        self._soon()
        self._values.update(values)

    def close(self) -> None:
        """End the line."""
        if self._transport is not None:
            self._transport.close()

    def _soon(self, within_s: float = 0.0) -> None:
        if not self._lists and not self._values:
            loop = asyncio.get_running_loop()
            if within_s:
                loop.call_later(within_s, self._flush)
            else:
                loop.call_soon(self._flush)

    def _flush(self) -> None:
        # Taken first: whatever becomes of it, the line can be used again.
        content, self._lists, self._values = {**self._lists, **self._values}, {}, {}
        if self._transport is not None:
            raw = orjson.dumps(content)
            self._transport.writelines((len(raw).to_bytes(LENGTH_BYTES, "big"), raw))


class Hub:
    """The writer's end of all lines."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._lines: set[_Messages] = set()
        self._authorities = sequencer.authorities
        self._controls = 0
        self._followed = 0
        self._told: Message = {}
        """The state that all heard."""
        self._task = asyncio.create_task(self._tell_growth(), name="hub")

    async def connect(self, end: socket.socket) -> None:
        """Answer whoever holds the other end, until it ends."""
        line: _Messages

        def receive(message: Message) -> None:
            self._receive(line, message)

        def ended() -> None:
            self._lines.discard(line)

        line = _Messages(receive, ended)
        await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=end)
        self._lines.add(line)
        line.say(**self._state())

    async def close(self) -> None:
        """End every line."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for line in tuple(self._lines):
            line.close()

    def _receive(self, line: _Messages, message: Message) -> None:
        for number, submissions in message.get("submit", ()):
            self._submit(line, number, submissions)
        if "awaited" in message:
            self._tell(awaited=message["awaited"])
        if "followed" in message:
            self._followed = message["followed"]
            self._tell(followed=self._followed)

    def _submit(self, line: _Messages, number: int, submissions: list[list[list[Any]]]) -> None:
        try:
            answers = self._sequencer.enqueue_each([*map(unpacked, submissions)])
        except Exception as error:
            line.add("answers", [number, [_error(error)] * len(submissions)])
        else:
            answers.add_done_callback(lambda done: self._answer(line, number, done))

    def _answer(self, line: _Messages, number: int, done: Answers) -> None:
        if done.cancelled():
            return
        # Goes along, and to all: a client that was answered may ask any door for the head above it.
        # Whatever stopped the writer is told to the one who asked; that it stopped, to all.
        self._tell_state()
        line.add("answers", [number, [*map(_outcome_to_wire, done.result())]])

    def _state(self) -> Message:
        if self._sequencer.authorities is not self._authorities:
            self._authorities = self._sequencer.authorities
            self._controls += 1
        return {
            "size": self._sequencer.tree_size,
            "note": self._sequencer.note,
            "controls": self._controls,
            "followed": self._followed,
            "running": self._sequencer.is_running,
        }

    def _tell_state(self) -> None:
        state = self._state()
        if state != self._told:
            self._told = state
            self._tell(**state)

    def _tell(self, **values: object) -> None:
        for line in self._lines:
            line.say(**values)

    async def _tell_growth(self) -> None:
        while True:
            await self._sequencer.grown_beyond(self._sequencer.tree_size)
            self._tell_state()


class Line(Writer):
    """The other end: the writer, as a process around it sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._messages = _Messages(self._receive, self._end)
        self._waiting: dict[int, _Asked] = {}
        self._number = 0
        self._tree_size = 0
        self._note = ""
        self._followed = 0
        self._controls = -1
        self._is_running = True
        self._authorities = Authorities()
        self._refreshing: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.ended = asyncio.Event()
        """Set when the writer's process is gone."""
        self.awaited: Callable[[], None] = lambda: None
        """Called when somebody waits for the views."""

    @classmethod
    async def open(cls, end: socket.socket, database: Database) -> Line:
        """Take up a line, and learn how far the log is."""
        line = cls(database)
        await asyncio.get_running_loop().create_unix_connection(lambda: line._messages, sock=end)
        await line._changed.wait()
        if line._refreshing is not None:
            await line._refreshing
        return line

    @property
    def tree_size(self) -> int:
        """Entries that are durable, as far as was heard."""
        return self._tree_size

    @property
    def note(self) -> str:
        """The signed head of those."""
        return self._note

    @property
    def is_running(self) -> bool:
        """Whether the writer takes submissions, as far as was heard."""
        return self._is_running and not self.ended.is_set()

    @property
    def authorities(self) -> Authorities:
        """Keys and mandates, at this size or one shortly before."""
        return self._authorities

    def enqueue_each(self, submissions: Iterable[Sequence[Candidate]]) -> Answers:
        """To the writer's queue. As `Writer.enqueue_each`; a writer that ended is an outcome."""
        return self.enqueue_packed([*map(pack, submissions)])

    def enqueue_packed(self, submissions: Sequence[bytes]) -> Answers:
        """The same of what is packed already, and is not opened here."""
        asked = _Asked(asyncio.get_running_loop().create_future(), len(submissions))
        if self.ended.is_set():
            asked.refuse(_gone())
        elif not submissions:
            asked.answers.set_result([])
        else:
            within_s = GATHER_S if self._waiting else 0.0
            self._number += 1
            self._waiting[self._number] = asked
            packed = orjson.Fragment(b"[%b]" % b",".join(submissions))
            self._messages.add("submit", [self._number, packed], within_s=within_s)
        return asked.answers

    async def grown_beyond(self, tree_size: int) -> int:
        """Wait until the log is larger; says its size. Without its writer it grows no more."""
        while self._tree_size <= tree_size:
            self._changed.clear()
            await self._changed.wait()
        return self._tree_size

    async def reached(self, tree_size: int) -> None:
        """Wait until every view has read the entries below `tree_size`. Raises `WriterFenced`."""
        if self._followed < tree_size:
            self._messages.say(awaited=tree_size)
        while self._followed < tree_size:
            if self.ended.is_set():
                raise _gone()
            self._changed.clear()
            await self._changed.wait()

    def tell_followed(self, tree_size: int) -> None:
        """Every view has read the entries below this size."""
        self._messages.say(followed=tree_size)

    async def close(self) -> None:
        """Leave."""
        self._messages.close()

    def _receive(self, message: Message) -> None:
        self._tree_size = message.get("size", self._tree_size)
        self._note = message.get("note", self._note)
        self._followed = message.get("followed", self._followed)
        self._is_running = message.get("running", self._is_running)
        answers = message.get("answers", ())
        if message.get("controls", self._controls) != self._controls:
            self._controls = message["controls"]
            # Whoever stated a control entry may rely on it when answered.
            refresh = self._refresh(answers, after=self._refreshing)
            self._refreshing = asyncio.create_task(refresh, name="authorities")
        else:
            self._deliver(answers)
        if "awaited" in message:
            self.awaited()
        self._changed.set()

    async def _refresh(
        self, answers: Iterable[list[Any]], *, after: asyncio.Task[None] | None
    ) -> None:
        if after is not None:
            await after
        try:
            async with self._database.reading() as session:
                self._authorities = await Entries(session).authorities(self._tree_size)
        except Exception:
            # With older authorities the signatures of new keys are left to the writer.
            logger.exception("the authorities could not be read; they are read again when told")
            self._controls = -1
        self._deliver(answers)

    def _deliver(self, answers: Iterable[list[Any]]) -> None:
        for number, outcomes in answers:
            # Where the line ended while authorities were read, whoever waited was told already.
            asked = self._waiting.pop(number, None)
            if asked is not None and not asked.answers.done():
                asked.answers.set_result([*map(_outcome_from_wire, outcomes)])

    def _end(self) -> None:
        self.ended.set()
        self._changed.set()
        for asked in self._waiting.values():
            asked.refuse(_gone())
        self._waiting.clear()


class _Asked(NamedTuple):
    """A call that waits for its answer, of so many submissions."""

    answers: Answers
    submissions: int

    def refuse(self, error: Exception) -> None:
        """All of them."""
        if not self.answers.done():
            self.answers.set_result([error] * self.submissions)


_KNOWN: dict[str, type[LedgerError | CreditError]] = {
    error.__name__: error
    for module in (ledger_errors, credit_errors)
    for error in vars(module).values()
    if isinstance(error, type) and issubclass(error, (LedgerError, CreditError))
}


def _outcome_to_wire(outcome: Outcome) -> list[list[Any]] | Message:
    if isinstance(outcome, Exception):
        return _error(outcome)
    return [[item.leaf_index, item.leaf_hash.hex(), item.duplicate] for item in outcome]


def _outcome_from_wire(outcome: list[list[Any]] | Message) -> Outcome:
    if isinstance(outcome, dict):
        return _error_from_wire(outcome)
    return tuple(
        [
            Acknowledgement(index, Hash(bytes.fromhex(hash_)), duplicate)
            for index, hash_, duplicate in outcome
        ]
    )


def _error(error: Exception) -> Message:
    if isinstance(error, (LedgerError, CreditError)):
        return {"is": type(error).__name__, "message": error.message, "path": list(error.path)}
    logger.error("the writer failed at a submission", exc_info=error)
    return {"is": None}


def _error_from_wire(error: Message) -> Exception:
    known = _KNOWN.get(error["is"] or "")
    if known is None:
        return WriterFailed("the writer failed at this submission, and says why in its log")
    return known(error["message"], path=tuple(error["path"]))


def _gone() -> WriterFenced:
    return WriterFenced("the writer's process has ended; what was sent may be kept")
