"""Shards of a population rated by a Dask cluster that is there already: more than one machine.

    Cluster             the runner; `Cluster.joined` for as long as a block lasts
    rated_by_worker     what a worker of the cluster runs for one shard
    fold_digest         by which source a process rates
    EngineMissing       `distributed` is not installed here (the extra `population`)
    ClusterUnreachable  no scheduler answers at that address, or it has no worker
    ClusterLost         it stopped answering while shards were with it
    FoldDiffers         a worker's source rates otherwise than ours might

A worker is a `dask worker` of the same version of this distribution. Dask gives a shard whose
worker died to another one, and gives up when `distributed.scheduler.allowed-failures` of them did.
Whoever reaches a scheduler runs programs on its workers: it stands on a network of its own, or
asks for certificates (`tls://`, by Dask's own settings).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from api.fault import Fault
from api.runners import AHEAD_OF_EACH, Task, WorkersLost
from credit.population import Row, Shard, rate_packed

if TYPE_CHECKING:
    from distributed import Client

JOIN_S_MAX = 30
"""Until scheduler and first worker answer: a worker takes some seconds to start."""

SHARD_S_MAX = 600
"""Until a shard is back, though its worker died and another one takes minutes to come."""

LOOK_AHEAD_MAX = 256
"""Shards with the cluster at a time, some 256 MB of this process: enough for 128 cores."""

FOLD = (
    "credit.bounds",
    "credit.calendar",
    "credit.document",
    "credit.facts",
    "credit.policy",
    "credit.population",
    "credit.procedures",
    "credit.rating",
    "credit.rules",
    "credit.sections",
    "credit.sums",
    "credit.timelines",
    "credit.weights",
    "ledger.canonical",
)
"""The modules that the bytes of a rating depend on."""


class EngineMissing(Fault):
    """The extra `population` is not installed."""

    code: ClassVar[str] = "POPULATION_ENGINE_MISSING"


class ClusterUnreachable(Fault):
    """No scheduler with a worker answers at that address."""

    code: ClassVar[str] = "POPULATION_CLUSTER_UNREACHABLE"


class ClusterLost(Fault):
    """A shard that was sent did not come back."""

    code: ClassVar[str] = "POPULATION_CLUSTER_LOST"


class FoldDiffers(Fault):
    """A worker is of another version."""

    code: ClassVar[str] = "POPULATION_FOLD_DIFFERS"


class Cluster:
    """Whatever workers a scheduler has, and those that come and go meanwhile."""

    def __init__(self, task: Task, client: Client, threads: int) -> None:
        self._task = task
        self._client = client
        self.look_ahead = min(AHEAD_OF_EACH * threads, LOOK_AHEAD_MAX)

    @classmethod
    @asynccontextmanager
    async def joined(cls, task: Task, address: str) -> AsyncIterator[Self]:
        """Until the block ends. Raises `EngineMissing`, `ClusterUnreachable`."""
        try:
            from distributed import Client
        except ImportError:
            raise EngineMissing(
                "the package distributed is not installed: it comes with the extra population"
            ) from None
        client = Client(
            address, asynchronous=True, timeout=JOIN_S_MAX, set_as_default=False, name="xin-rate"
        )
        try:
            try:
                await client
                await client.wait_for_workers(1, timeout=JOIN_S_MAX)
                threads = sum((await client.nthreads()).values())
            except (OSError, TimeoutError, ValueError) as error:
                raise ClusterUnreachable(f"{address}: {error}", path=("cluster",)) from None
            yield cls(task, client, threads)
        finally:
            await client.close()

    async def rate(self, shard: Shard) -> Sequence[Row]:
        """Raises `FactUnknown`, `FactIncomplete`, `WorkersLost`, `ClusterLost`, `FoldDiffers`."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        task = self._task
        future = self._client.submit(
            rated_by_worker,
            fold_digest(),
            task.document,
            shard.packed,
            task.as_of,
            task.tree_size,
            # Each shard is work of its own, however many are alike.
            pure=False,
        )
        try:
            async with asyncio.timeout(SHARD_S_MAX):
                rows: list[Row] = await future
                return rows
        except KilledWorker:
            raise WorkersLost.rating(shard) from None
        except (FutureCancelledError, TimeoutError, OSError) as error:
            raise ClusterLost(
                f"the shard from {shard.first} did not come back: {type(error).__name__}",
                path=(shard.first,),
            ) from None
        finally:
            # The cluster need not keep what was asked for any longer.
            future.release()


def rated_by_worker(
    digest: bytes, document: bytes, packed: bytes, as_of: date, tree_size: int
) -> list[Row]:
    """As `rate_packed`, by the source of `digest` and no other.

    Raises `FoldDiffers`, `FactUnknown`, `FactIncomplete`.
    """
    if fold_digest() != digest:
        raise FoldDiffers("a worker of the cluster runs another version of this distribution")
    return rate_packed(document, packed, as_of, tree_size)


@cache
def fold_digest() -> bytes:
    """SHA-256 over the source of all that decides about a rating's bytes, as installed here."""
    digest = hashlib.sha256()
    for name in FOLD:
        source = import_module(name).__file__
        assert source is not None
        digest.update(hashlib.sha256(Path(source).read_bytes()).digest())
    return digest.digest()
