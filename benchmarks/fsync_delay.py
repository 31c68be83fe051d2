"""How much of the append rate is left when each flush of the disk takes 2 ms or 10 ms longer?

Data: signed statements as in `append_http`, 256 clients, each over its own connection, in a closed
loop through the real HTTP door of `xin serve`.

Machine of the numbers below: 2 shared cores, 24 GiB, a virtual disk, CPython 3.11.7, nothing else
running.

Measured in one run, in turn, with fresh databases: the server (SQLite `synchronous=FULL`) or the
PostgreSQL 18 behind it runs on a library that waits after each `fsync` and `fdatasync`
(`stage/slow_disk.py`; needs a C compiler): 0, 2,000 and 10,000 µs.

Three runs on 2026-11-25 at the commit that remembers a head while the next batch is written. SQLite
3,610 to 3,920 a second without delay, 3,540 to 3,890 with 2 ms, ratio 1.02, and 3,140 to 3,580 with
10 ms, ratio 0.86; before that commit 0.74. PostgreSQL 3,750 to 3,820, 3,790 to 3,890, ratio 1.00,
and 3,140 to 3,350, ratio 0.88.

What follows: whether batches by natural group commit hide the disk. Bounds: 0.95 of the rate at
2 ms, 0.8 at 10 ms.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

from api.access import Tier
from api.settings import Settings
from api.tokens import read_token
from benchmarks.append_http import AUTHORITY, MANY, load, presentations
from benchmarks.stage.databases import KINDS, Databases
from benchmarks.stage.growing import founded
from benchmarks.stage.serving import served
from benchmarks.stage.slow_disk import slow_disks
from ledger.keystore import Keystore

STATEMENTS = int(os.environ.get("SIZE", "6000"))
RUNS = int(os.environ.get("RUNS", "5"))
BOUNDS = {2_000: 0.95, 10_000: 0.8}
DELAYS_US = (0, *BOUNDS)


def rate(settings: Settings, preload: dict[str, str]) -> float:
    """Durable statements a second of one server."""
    key = Keystore(settings.keys_folder).get(AUTHORITY.label())
    bodies = list(presentations(key, STATEMENTS))
    token = read_token(settings.tokens_folder, Tier.AUTHORITY)
    with served(settings, preload):
        return uvloop.run(load(token, bodies, MANY)).rate


def run(kind: str, library: Path, home: Path) -> float:
    """Of a fresh log on that disk."""
    with Databases.of(kind, preload=library) as databases:
        settings = asyncio.run(founded(databases.fresh(), home))
        # The disk is the database's: the server's own process with SQLite.
        preload = {"LD_PRELOAD": str(library)} if kind == "sqlite" else {}
        return rate(settings, preload)


def main() -> int:
    """Print every run, then medians and ratios."""
    held = True
    with slow_disks(DELAYS_US) as libraries:
        for kind in KINDS:
            runs = []
            for number in range(1, RUNS + 1):
                rates = {}
                for delay_us, library in libraries.items():
                    with tempfile.TemporaryDirectory() as home:
                        rates[delay_us] = run(kind, library, Path(home))
                runs.append(rates)
                said = ", ".join(f"{rates[us]:.0f}/s with {us} µs" for us in DELAYS_US)
                print(f"{kind} run {number}: {said}")
            for delay_us, bound in BOUNDS.items():
                ratio = statistics.median(rates[delay_us] / rates[0] for rates in runs)
                held = held and ratio >= bound
                print(f"{kind}: {ratio:.2f} of the rate with {delay_us} µs at each flush")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
