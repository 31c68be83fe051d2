"""Background work: when to call what can be called again at any time.

    Following           keeps every view at the head of the log, and grades at today
    Following.reached   waits until the views have read an index
    Following.hurry     somebody waits, in this process or another
    refresh_ratings     grades at a day, step by step

Each job is a loop around a step that does one bounded piece of work in its own transaction; killed
anywhere, it is run again. What fails is logged and tried again after RETRY_S.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import date

from credit.errors import PolicyUnknown
from credit.ratings import REFRESH_MAX, Ratings
from ledger.database import Database
from ledger.follower import Follower
from ledger.writer import Writer

RETRY_S = 1.0
"""After a step that failed, a database away for instance."""

PAUSE_S = 0.05
"""How long views may lag while nobody waits for them: many small batches are then followed in one
transaction, which on SQLite would otherwise take turns with the writer's own."""

BURST_ENTRIES = 50
"""Of one pause: with a thousand entries a second or more coming, the views let the writer go first,
for what they cost is a third of what can be taken in."""

BURST_S = 0.3
"""How long after such a pause a burst is under way: the largest batch takes that long."""

LAG_ENTRIES_MAX = 20_000
"""How far the views fall behind in a burst: some three seconds of following, which is how long an
officer then waits to read an own write."""

TICK_S = 60.0
"""How long a new civil day may go unnoticed while nothing is stated."""

CLOSE_S = 1.0
"""Before a task that goes on is told again to stop."""

logger = logging.getLogger(__name__)


class Following:
    """One task that follows the writer. Views lag it by one step at most."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        follower: Follower,
        today: Callable[[], date],
        *,
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`tell` is told each size that the views have reached."""
        self._database = database
        self._writer = writer
        self._tell = tell
        self._follower = follower
        self._today = today
        self._size = 0
        self._moved = asyncio.Condition()
        self._awaited = asyncio.Event()
        self._is_closing = False
        self._is_idle = False
        """Whether it waits for something else than the database."""
        self._task = asyncio.create_task(self._run(), name="following")

    async def close(self) -> None:
        """Stop after the step under way.

        A statement that is cancelled costs its connection, whose end nobody would wait for.
        """
        self._is_closing = True
        # Until Python 3.12, wait_for forgets a cancellation that comes as its future is done.
        while not self._task.done():
            if self._is_idle:
                self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_S)

    async def reached(self, tree_size: int) -> None:
        """Wait until every view has read the entries below `tree_size`."""
        async with self._moved:
            while self._size < tree_size:
                self.hurry()
                await self._moved.wait()

    def hurry(self) -> None:
        """Step without the usual pause."""
        self._awaited.set()

    async def _run(self) -> None:
        while not self._is_closing:
            try:
                await self._once()
            except Exception:
                # Whatever failed, the views are whole: each step is one transaction.
                logger.exception("following the log failed; trying again")
                with self._idle():
                    await asyncio.sleep(RETRY_S)

    async def _once(self) -> None:
        self._awaited.clear()
        size = self._writer.tree_size
        # No further: in a burst the head would run ahead for ever.
        await self._follower.catch_up(size, is_wanted=lambda: not self._is_closing)
        if self._is_closing:
            return
        await refresh_ratings(self._database, self._today())
        async with self._moved:
            self._size = max(size, self._size)
            self._moved.notify_all()
        self._tell(self._size)
        # Not `wait_for`: before Python 3.12 it drops the cancellation of `close` when what it waits
        # for comes at the same time.
        with self._idle():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._writer.grown_beyond(size)
            await self._pause()

    @contextlib.contextmanager
    def _idle(self) -> Iterator[None]:
        """Here `close` may cancel."""
        if self._is_closing:
            raise asyncio.CancelledError
        self._is_idle = True
        try:
            yield
        finally:
            self._is_idle = False

    async def _pause(self) -> None:
        """Until somebody waits, no burst is under way, or the views are far behind."""
        now = asyncio.get_running_loop().time
        burst_until, size = now(), self._size
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._awaited.wait()
                return
            grown, size = self._writer.tree_size - size, self._writer.tree_size
            if grown >= BURST_ENTRIES:
                burst_until = now() + BURST_S
            if now() >= burst_until or size - self._size >= LAG_ENTRIES_MAX:
                return


async def refresh_ratings(database: Database, day: date) -> int:
    """Bring stored grades up to a day; says how many were rated. None without a policy."""
    done = 0
    while True:
        async with database.writing() as session:
            try:
                rated = await Ratings(session).refresh(day, REFRESH_MAX)
            except PolicyUnknown:
                return done
        done += rated
        if rated < REFRESH_MAX:
            return done
