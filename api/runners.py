"""Where the shards of a population are rated: in this process, or in others of this machine.

    Task         by what every shard of a run is rated
    Runner       rates one shard after the other, some of them at once
    Here         in this process
    Workers      in processes of this machine; one that dies is replaced
    in_order     the rows of shards in the order of the shards, with a bounded look-ahead
    WorkersLost  a shard that no worker lived to rate

Shards are values and their rating is a pure function, so that one may be computed again, anywhere,
and gives the same bytes. Processes of other machines are those of `api.cluster`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import wait
from typing import ClassVar, Protocol, Self

from api.fault import Fault
from credit.population import Row, Shard, rate_packed

WORKERS_MAX = 64
"""Processes of one machine: reading and writing, which one process does, feed no more of them."""

TRIES_MAX = 3
"""Of one shard. A worker may die of something else once or twice; then the shard is what kills."""

AHEAD_OF_EACH = 2
"""Shards of each worker: one that it rates, and one that waits so that the worker never does."""


class WorkersLost(Fault):
    """Workers died of a shard, or beside it, until its tries were used up; `path` names where."""

    code: ClassVar[str] = "POPULATION_WORKERS_LOST"

    @classmethod
    def rating(cls, shard: Shard) -> Self:
        """This shard."""
        return cls(
            f"workers died while they rated the {shard.subjects} subjects from {shard.first}",
            path=(shard.first,),
        )


@dataclass(frozen=True, slots=True)
class Task:
    """The policy as its document, and the two clocks."""

    document: bytes
    as_of: date
    tree_size: int


class Runner(Protocol):
    """Rates shards."""

    look_ahead: int
    """How many shards may be with it beside the one that is waited for."""

    async def rate(self, shard: Shard) -> Sequence[Row]:
        """Raises `FactUnknown`, `FactIncomplete`, and what its kind adds."""
        ...


async def in_order(
    runner: Runner, shards: AsyncIterable[Shard]
) -> AsyncGenerator[Sequence[Row], None]:
    """The rows of each shard, in the order of the shards; the first refusal ends it."""
    begun: deque[asyncio.Task[Sequence[Row]]] = deque()
    try:
        async for shard in shards:
            begun.append(asyncio.create_task(_rated(runner, shard)))
            if len(begun) > runner.look_ahead:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


async def _rated(runner: Runner, shard: Shard) -> Sequence[Row]:
    return await runner.rate(shard)


class Here:
    """In this process, while nothing else happens."""

    look_ahead = 0

    def __init__(self, task: Task) -> None:
        self._task = task

    async def rate(self, shard: Shard) -> Sequence[Row]:
        """Raises `FactUnknown`, `FactIncomplete`."""
        task = self._task
        return rate_packed(task.document, shard.packed, task.as_of, task.tree_size)


class Workers:
    """In processes beside this one, which end when it does, however it ends."""

    def __init__(self, task: Task, count: int) -> None:
        assert 0 < count <= WORKERS_MAX
        self._task = task
        self._count = count
        self._pool = self._started()
        self.look_ahead = AHEAD_OF_EACH * count

    @classmethod
    @asynccontextmanager
    async def running(cls, task: Task, count: int) -> AsyncIterator[Self]:
        """Until the block ends."""
        workers = cls(task, count)
        try:
            yield workers
        finally:
            await asyncio.to_thread(workers._pool.shutdown, cancel_futures=True)

    async def rate(self, shard: Shard) -> Sequence[Row]:
        """Raises `FactUnknown`, `FactIncomplete`, `WorkersLost`."""
        task = self._task
        for _ in range(TRIES_MAX):
            pool = self._pool
            try:
                return await asyncio.wrap_future(
                    pool.submit(
                        rate_packed, task.document, shard.packed, task.as_of, task.tree_size
                    )
                )
            except BrokenProcessPool:
                # The pool ends with any of its processes; whoever hears of it first makes another.
                if self._pool is pool:
                    self._pool = self._started()
                    await asyncio.to_thread(pool.shutdown)
        raise WorkersLost.rating(shard)

    def _started(self) -> ProcessPoolExecutor:
        fresh = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, mp_context=fresh, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """What a worker does first: a pool's processes would outlive one that was killed."""
    # An interrupt at the keyboard reaches all; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
