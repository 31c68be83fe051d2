"""Runs in `.population`: shards rated by a Dask cluster, some of whose processes die meanwhile.

    answered   one run, by one JSON object of orders; what came of it, as another

Orders: the `address` of the scheduler; how many `workers` to wait for; how many `shards`; `stop`
and `kill`, processes that are stopped before shard `at` and killed half a second later, so that a
stopped worker dies of a shard that it holds; `join_s` and `shard_s`, bounds to be set lower.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

from distributed import Client

from api import cluster
from api.fault import Fault
from api.runners import in_order
from credit.population import Shard
from tests.api.shards import TASK, shard


async def killing(orders: dict[str, Any]) -> None:
    await asyncio.sleep(0.5)
    for pid in orders.get("kill", []):
        os.kill(pid, signal.SIGKILL)


async def answered(orders: dict[str, Any]) -> dict[str, Any]:
    """Rate them, and say what the lines hash to, or how it was refused."""
    cluster.JOIN_S_MAX = orders.get("join_s", cluster.JOIN_S_MAX)
    cluster.SHARD_S_MAX = orders.get("shard_s", cluster.SHARD_S_MAX)
    if "workers" in orders:
        async with Client(orders["address"], asynchronous=True) as client:
            await client.wait_for_workers(orders["workers"], timeout=60)
    killers = []

    async def shards() -> AsyncIterator[Shard]:
        for number in range(orders["shards"]):
            if number == orders.get("at", 5):
                for pid in orders.get("stop", []):
                    os.kill(pid, signal.SIGSTOP)
                killers.append(asyncio.create_task(killing(orders)))
            yield shard(number)

    digest, subjects = hashlib.sha256(), 0
    try:
        async with cluster.Cluster.joined(TASK, orders["address"]) as joined:
            async for rows in in_order(joined, shards()):
                digest.update(b"".join(row.line for row in rows))
                subjects += len(rows)
    except Fault as refusal:
        return {"code": refusal.code, "message": refusal.message, "path": list(refusal.path)}
    await asyncio.gather(*killers)
    return {"sha256": digest.hexdigest(), "subjects": subjects}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(answered(json.loads(sys.argv[1])))) + "\n")
