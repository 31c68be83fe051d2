"""Wherever shards are rated, and whoever is killed meanwhile, the rows are the same."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from api.__main__ import main
from api.runners import (
    AHEAD_OF_EACH,
    TRIES_MAX,
    WORKERS_MAX,
    Here,
    Runner,
    Workers,
    WorkersLost,
    in_order,
)
from credit.errors import FactUnknown
from credit.policy import Policy
from credit.population import Row, Shard, rate_all
from tests.api.shards import DOCUMENT, REPOSITORY, TASK, label, shard

SHARDS = 12


@pytest.fixture(scope="module")
def expected() -> list[Row]:
    """The rows of all shards, by the pure map."""
    policy = Policy.parse(DOCUMENT)
    shards = map(shard, range(SHARDS))
    return list(rate_all(policy, shards, as_of=TASK.as_of, tree_size=TASK.tree_size))


async def each(shards: Sequence[Shard]) -> AsyncIterator[Shard]:
    for one in shards:
        yield one


async def rows_by(runner: Runner, shards: AsyncIterator[Shard]) -> list[Row]:
    return [row async for rows in in_order(runner, shards) for row in rows]


def workers_alive() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid]


@pytest.mark.parametrize("count", [None, 1, 2])
async def test_every_runner_gives_the_same_rows(expected: list[Row], count: int | None) -> None:
    async with AsyncExitStack() as stack:
        runner: Runner = Here(TASK)
        if count is not None:
            runner = await stack.enter_async_context(Workers.running(TASK, count))
        assert await rows_by(runner, each([shard(n) for n in range(SHARDS)])) == expected
    assert workers_alive() == []


async def test_workers_that_are_killed_are_replaced_and_their_shards_computed_again(
    expected: list[Row],
) -> None:
    killed: list[int] = []

    async def shards() -> AsyncIterator[Shard]:
        for number in range(SHARDS):
            # Once at their first shard, once between shards, and both at once.
            for pid in {1: workers_alive()[:1], 5: workers_alive()[1:], 9: workers_alive()}.get(
                number, []
            ):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            yield shard(number)

    async with Workers.running(TASK, 2) as workers:
        assert await rows_by(workers, shards()) == expected
    assert len(set(killed)) == len(killed) >= 3
    assert workers_alive() == []


async def test_a_shard_that_no_worker_survives_is_given_up_after_its_tries() -> None:
    deaths: list[int] = []

    async def kill_whoever_comes() -> None:
        while True:
            for pid in workers_alive():
                if pid not in deaths:
                    os.kill(pid, signal.SIGKILL)
                    deaths.append(pid)
            await asyncio.sleep(0.002)

    async with Workers.running(TASK, 1) as workers:
        killer = asyncio.create_task(kill_whoever_comes())
        with pytest.raises(WorkersLost) as refused:
            await workers.rate(shard(0))
        killer.cancel()
    assert refused.value.code == "POPULATION_WORKERS_LOST"
    assert refused.value.path == (label(0),)
    assert len(deaths) == TRIES_MAX
    assert workers_alive() == []


@pytest.mark.parametrize("count", [None, 2])
async def test_the_first_refusal_in_the_order_of_the_shards_ends_the_run(count: int | None) -> None:
    shards = [shard(0), shard(1), shard(2, "verbal-advice"), shard(3, "no-such"), shard(4)]
    found: list[Row] = []

    async def take(runner: Runner) -> None:
        async for rows in in_order(runner, each(shards)):
            found.extend(rows)

    async with AsyncExitStack() as stack:
        runner: Runner = Here(TASK)
        if count is not None:
            runner = await stack.enter_async_context(Workers.running(TASK, count))
        with pytest.raises(FactUnknown) as refused:
            await take(runner)
    assert refused.value.path == (label(40), 120, "outcome")
    assert refused.value.message.startswith(f"{label(40)} cannot be rated: ")
    assert [row.subject for row in found] == [label(number) for number in range(40)]
    assert workers_alive() == []


async def test_no_more_shards_are_read_than_the_look_ahead_allows(expected: list[Row]) -> None:
    read = 0

    async def shards() -> AsyncIterator[Shard]:
        nonlocal read
        for number in range(SHARDS):
            read += 1
            yield shard(number)

    async with Workers.running(TASK, 1) as workers:
        assert workers.look_ahead == AHEAD_OF_EACH
        async with aclosing(in_order(workers, shards())) as rated:
            taken = 0
            async for rows in rated:
                taken += 1
                assert rows[0] == expected[20 * (taken - 1)]
                assert read <= taken + AHEAD_OF_EACH
                if taken == 5:
                    break
    assert workers_alive() == []


def test_no_more_workers_than_their_bound_are_started(capsys: pytest.CaptureFixture[str]) -> None:
    for count, says in ((0, "equal to 1\n"), (WORKERS_MAX + 1, f"equal to {WORKERS_MAX}\n")):
        with pytest.raises(AssertionError):
            Workers(TASK, count)
        with pytest.raises(SystemExit) as left:
            main(["rate", "--workers", str(count)])
        assert left.value.code == 2
        assert capsys.readouterr().err.endswith(says)


PARENT = """
import asyncio, multiprocessing
from api.runners import Workers
from shards import TASK, shard

async def main():
    async with Workers.running(TASK, 2) as workers:
        await asyncio.gather(*(workers.rate(shard(n)) for n in range(4)))
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, program],
        # By its file: a package of the test environment is called `tests` too.
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests' / 'api'}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    give_up_at = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
