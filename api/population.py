"""`xin rate`: everybody's rating on a day, as a file that anyone who has the facts makes again.

    rate_population   reads shards, has them rated, writes a line for each subject
    Rated             what was written, and its SHA-256
    rated_text        the same for people
    followed_size     up to which tree size a session reads, and in one snapshot

A line is canonical JSON, `{"rating":…,"subject":…}`, and lines are in the order of the labels. The
whole is read in one snapshot of the database; a file is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncSession

from api.answers import counted
from api.cluster import Cluster
from api.errors import SizeUnknown, ViewsBehind
from api.migration import require_head
from api.progress import Bar
from api.runners import Here, Runner, Task, Workers, in_order
from api.service import civil_day, system_clock
from api.settings import Settings
from api.storage import open_database
from credit.policy import Policy
from credit.ratings import CreditView, Ratings
from ledger.database import Database
from ledger.entries import Entries
from ledger.follower import Follower


@dataclass(frozen=True, slots=True)
class Rated:
    """A population as it was written."""

    subjects: int
    policy: Policy
    as_of: date
    tree_size: int
    sha256: bytes
    """Of all lines."""


async def rate_population(
    settings: Settings,
    output: Path | None,
    bar: Bar,
    *,
    as_of: date | None,
    tree_size: int | None,
    workers: int | None = None,
    cluster: str | None = None,
) -> Rated:
    """Rate everybody, by default today and with all that is known, and write it.

    By this process, by `workers` beside it, or by the Dask scheduler at the address `cluster`.

    Raises `PolicyUnknown`, `FactUnknown`, `FactIncomplete`, `SizeUnknown`, `ViewsBehind`,
    `LedgerEmpty`, `DatabaseNotAtHead`, and what runners raise.
    """
    day = civil_day(system_clock()) if as_of is None else as_of
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            size = await followed_size(database, session, tree_size)
            ratings = Ratings(session)
            policy = await ratings.policy_in_force(as_of=day, tree_size=size)
            bar.expect(await ratings.population_size(tree_size=size))
            task = Task(policy.document, day, size)
            digest = hashlib.sha256()
            subjects = 0
            with _written(output) as file:
                async with (
                    _runner(task, workers, cluster) as runner,
                    aclosing(in_order(runner, ratings.shards(tree_size=size))) as shards,
                ):
                    async for rows in shards:
                        lines = b"".join([row.line for row in rows])
                        digest.update(lines)
                        file.write(lines)
                        subjects += len(rows)
                        bar.advance(len(rows))
    finally:
        await database.close()
    return Rated(subjects, policy, day, size, digest.digest())


def rated_text(rated: Rated) -> str:
    """By which policy, and the digest that another machine must arrive at."""
    policy = rated.policy
    return (
        f"{counted(rated.subjects, 'subject')} on {rated.as_of} at tree size {rated.tree_size}, "
        f"by {policy.name} {policy.version} ({policy.hash.hex()})\n"
        f"sha256 {rated.sha256.hex()}"
    )


async def followed_size(database: Database, session: AsyncSession, tree_size: int | None) -> int:
    """The size asked for, or the log's, once the facts below it are all there."""
    if not database.is_sqlite:
        # As SQLite has it: one snapshot for all that this session reads.
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    head = (await Entries(session).head()).tree_size
    size = head if tree_size is None else tree_size
    if size > head:
        raise SizeUnknown(f"the log has {head} entries", path=("tree_size",))
    followed = await Follower(database, (CreditView(),)).reached(session)
    if followed < size:
        raise ViewsBehind(f"facts are followed up to {followed} of {size} entries")
    return size


@asynccontextmanager
async def _runner(task: Task, workers: int | None, cluster: str | None) -> AsyncIterator[Runner]:
    if cluster is not None:
        async with Cluster.joined(task, cluster) as joined:
            yield joined
    elif workers is not None:
        async with Workers.running(task, workers) as running:
            yield running
    else:
        yield Here(task)


@contextmanager
def _written(output: Path | None) -> Iterator[BinaryIO]:
    """What takes the lines. A file takes its name when the last of them is there."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif output.exists() and not output.is_file():
        # A pipe or a device: a file in its place would end it.
        with output.open("wb") as file:
            yield file
    else:
        beside = output.with_name(f"{output.name}.new")
        try:
            with beside.open("wb") as file:
                yield file
            beside.replace(output)
        finally:
            beside.unlink(missing_ok=True)
