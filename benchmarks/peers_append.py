"""How does our append compare with the one other log in Python, and with a bare database?

Data: signed statements as in `append_http`, some 2.4 kB each. aics-tlog gets the same bytes as its
entries; it asks nothing of them.

Machine of the numbers below: not taken yet.

Measured in one run, in turn, each from an empty log, in batches of 1, 16 and 256, where the next
batch is sent when the last one is acknowledged:
(1) `http`: one client streams each batch to `POST /entries` of `xin serve`: parsed, verified,
decided, durable, views following; (2) `submitted`: the same in this process, without HTTP and
views; (3) `sequencer`: statements parsed and verified before, which is what aics-tlog does not do;
(4) `aics`: aics-tlog's `IncrementalTileWriter` over a directory with `fsync`, a signed checkpoint
on the disk after each batch, under the Python of `.peers`; (5) `aics signed`: the same, but each
statement's signature is verified first, as a log of signed statements must; (6) `bare`: one table
of SQLite with `synchronous=FULL`, one transaction for each batch, no tree: what no log on it can
pass.
pymerkle is left out for its licence (`docs/decisions/0003-pymerkle-is-not-used.md`).

What follows: whether idempotency, authority and SQL storage cost more than the files of a log that
has none of them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import httpx
import uvloop

from api.access import Tier
from api.settings import Settings
from api.tokens import read_token
from benchmarks.append_http import AUTHORITY, presentations
from benchmarks.stage.growing import founded, grown
from benchmarks.stage.serving import served
from ledger.admission import Submission, prepare
from ledger.keystore import Keystore
from ledger.presentation import read_statement

RUNS = int(os.environ.get("RUNS", "5"))
BATCHES = {1: 300, 16: 3_200, 256: 10_240}
"""Entries for each size of a batch: enough for some seconds."""

ROOT = Path(__file__).resolve().parents[1]


def batches_of(entries: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    """In order."""
    return [entries[first : first + size] for first in range(0, len(entries), size)]


async def rate_of(
    batches: Sequence[Sequence[bytes]], append: Callable[[Sequence[bytes]], Awaitable[None]]
) -> float:
    """Entries a second, one batch after the other."""
    started = time.perf_counter()
    for batch in batches:
        await append(batch)
    return sum(map(len, batches)) / (time.perf_counter() - started)


async def over_http(settings: Settings, batches: Sequence[Sequence[bytes]]) -> float:
    """Through the door of a server that runs."""
    token = read_token(settings.tokens_folder, Tier.AUTHORITY)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    async with httpx.AsyncClient(
        base_url=settings.address, headers=headers, trust_env=False, timeout=60
    ) as client:

        async def append(batch: Sequence[bytes]) -> None:
            lines = [b'{"statement":"%b"}\n' % raw for raw in batch]
            answer = await client.post("/entries", content=b"".join(lines))
            assert answer.content.count(b'"leaf_index"') == len(batch), answer.text

        return await rate_of(batches, append)


async def in_process(settings: Settings, batches: Sequence[Sequence[bytes]]) -> float:
    """Parsed and verified on the way."""
    async with grown(settings, 0) as service:

        async def append(batch: Sequence[bytes]) -> None:
            submissions = [Submission((read_statement(raw.decode()),)) for raw in batch]
            for outcome in await service.writer.submit_each(submissions):
                assert not isinstance(outcome, Exception), outcome

        return await rate_of(batches, append)


async def sequencer_alone(settings: Settings, batches: Sequence[Sequence[bytes]]) -> float:
    """Parsed and verified before."""
    async with grown(settings, 0) as service:
        authorities = service.writer.authorities
        candidates = {
            raw: prepare(Submission((read_statement(raw.decode()),)), authorities)
            for batch in batches
            for raw in batch
        }

        async def append(batch: Sequence[bytes]) -> None:
            for outcome in await service.writer.enqueue_each([candidates[raw] for raw in batch]):
                assert not isinstance(outcome, Exception), outcome

        return await rate_of(batches, append)


def by_aics(
    folder: Path, batches: Sequence[Sequence[bytes]], *, issuer: bytes | None = None
) -> float:
    """The other log, in its own Python; it verifies signatures where it is told whose."""
    folder.mkdir()
    file = folder / "entries"
    entries = [raw for batch in batches for raw in batch]
    file.write_bytes(b"".join(len(raw).to_bytes(4, "big") + raw for raw in entries))
    told = {
        "folder": str(folder / "log"),
        "batch": len(batches[0]),
        "entries": str(file),
        "issuer": None if issuer is None else issuer.hex(),
    }
    program = [ROOT / ".peers" / "bin" / "python", ROOT / "benchmarks" / "stage" / "aics_append.py"]
    said = subprocess.run(
        program, input=json.dumps(told), capture_output=True, check=True, text=True
    )
    return len(entries) / float(json.loads(said.stdout))


def bare(folder: Path, batches: Sequence[Sequence[bytes]]) -> float:
    """One table, and nothing else."""
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE entry (leaf_index INTEGER PRIMARY KEY, raw BLOB)")
    started = time.perf_counter()
    for batch in batches:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO entry (raw) VALUES (?)", [(raw,) for raw in batch])
        database.execute("COMMIT")
    taken = time.perf_counter() - started
    database.close()
    return sum(map(len, batches)) / taken


def run(size: int, count: int) -> dict[str, float]:
    """Entries a second of each, from empty logs."""
    rates = {}
    ours = {"http": over_http, "submitted": in_process, "sequencer": sequencer_alone}
    with tempfile.TemporaryDirectory(prefix="xin-bench-") as name:
        folder = Path(name)
        for of, measure in ours.items():
            home = folder / of
            url = f"sqlite+aiosqlite:///{home / 'ledger.sqlite'}"
            settings = uvloop.run(founded(url, home))
            key = Keystore(settings.keys_folder).get(AUTHORITY.label())
            batches = batches_of(list(presentations(key, count)), size)
            with served(settings) if of == "http" else nullcontext():
                rates[of] = uvloop.run(measure(settings, batches))
        rates["aics"] = by_aics(folder / "aics", batches)
        rates["aics signed"] = by_aics(folder / "signed", batches, issuer=key.public_key)
        rates["bare"] = bare(folder, batches)
    return rates


def main() -> int:
    """Print every run, then medians and ratios."""
    assert (ROOT / ".peers" / "xin-stamp.json").exists(), "aics-tlog is not there; see ./xin test"
    found: dict[int, list[dict[str, float]]] = {size: [] for size in BATCHES}
    for number in range(1, RUNS + 1):
        for size, count in BATCHES.items():
            rates = run(size, count)
            found[size].append(rates)
            said = ", ".join(f"{of} {rate:.0f}/s" for of, rate in rates.items())
            print(f"run {number}, batches of {size}: {said}")
    for size, runs in found.items():
        medians = {of: statistics.median(rates[of] for rates in runs) for of in runs[0]}
        said = ", ".join(f"{of} {rate:.0f}/s" for of, rate in medians.items())
        print(f"batches of {size}: median {said}")
        for ours, theirs in (("submitted", "aics signed"), ("sequencer", "aics")):
            ratio = statistics.median(rates[ours] / rates[theirs] for rates in runs)
            print(f"batches of {size}: {ours} is {ratio:.2f} times {theirs}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
