"""How many full ratings a second does one core give, and does memory stay bounded for a million?

Data: (1) the US FDA refusals of the shared folder, 20,184 facts of 5,654 firms, as
`xin import fda-refusals` states them; (2) a made population of SIZE (1,000,000) subjects with 10
facts each from a fixed seed: kinds and severities drawn, days of decision spread over five years,
one fact in four of a shared case.

Machine of the numbers below: 2 shared cores, 24 GiB, CPython 3.11.7.

Measured: a full rating from a shard's bytes to its line of the published list, reasons, since and
next change with it; in seconds of CPU, on three days for (1) and one for (2). Beside it the floor
that no rating goes below in Python: parsing the shard's bytes and hashing the lines. Then the peak
memory of a process of its own that rates SMALL (100,000) and SIZE made subjects, shard by shard,
with the time of both, which must grow as the facts do; and the share of two worker processes.

Five runs on 2026-11-25, others at work on the same cores (load 2.8): on the real refusals 17,300 to
25,100 full ratings a second of one core over all days, medians 23,700, 21,300 and 19,900 of the
three days, 15 to 20 times the floor; the same fold over facts that are at hand, without shards,
35,000 to 41,000 in a quiet minute. Of ten made facts each 9,000 to 11,800. 100,000 subjects of ten
facts took 10.0 s and 68 MiB at the most; with one fact each (FACTS=1) 100,000 took 2.6 s and 58
MiB, 500,000 took 12.9 s and 59 MiB. The default SIZE has not been run yet.

What follows: `docs/decisions/0038-shards-over-dask.md`; the fold stays in Python while a million
subjects take minutes of one core and memory does not grow with them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import orjson

from api.importing import read_statements
from api.progress import Bar
from api.runners import Task, Workers, in_order
from credit.facts import Fact
from credit.policy import Policy
from credit.population import Shard, SubjectUnit, rate_all, shards_of, unit_of
from ledger.identity import SubjectLabel
from ledger.keystore import Keystore

SIZE = int(os.environ.get("SIZE", "1000000"))
SMALL = 100_000
SAMPLE = 10_000
FACTS_EACH = int(os.environ.get("FACTS", "10"))
RUNS = int(os.environ.get("RUNS", "5"))
BOUND_PER_S = 20_000
GROWTH_MAX = 1.25
"""Of memory, and of the time of a fact, from SMALL to SIZE."""
AS_OF = date(2025, 6, 1)
DAYS = (date(2022, 2, 28), date(2024, 2, 29), date(2026, 1, 1))
ALL = 1 << 40

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("XIN_SHARED") or REPOSITORY.parent / "shared")
REPORT = SHARED / "data" / "cases" / "fda_import_refusals_2020_2025.csv.gz"
POLICY = REPOSITORY / "credit" / "policies" / "xinyuan-export-credit-core-1.0.0.json"
DOCUMENT = POLICY.read_bytes().rstrip(b"\n")

STATED = (
    ("inspection", "label", "fail"),
    ("inspection", "safety", "fail"),
    ("inspection", "routine", "pass"),
    ("inspection", "routine", "pass"),
    ("enforcement", "label", "admission-refused"),
    ("enforcement", "quality", "fine"),
    ("ip-case", "counterfeit-goods", "confirmed"),
)


def made_rows(subjects: int) -> Iterator[SubjectUnit]:
    """Facts of as many subjects, from a fixed seed, in the order of the labels."""
    seeded = random.Random(2026)
    first = date(2020, 6, 1)
    days = [first + timedelta(days=days) for days in range(5 * 365)]
    for number in range(subjects):
        label = SubjectLabel(f"{number:042}A")
        for at in range(FACTS_EACH):
            kind, code, outcome = seeded.choice(STATED)
            severity = seeded.choice(("minor", "general", "general", "serious"))
            case = f"case-{number}" if seeded.random() < 0.25 else None
            leaf_index = FACTS_EACH * number + at
            measures = '{"fine_fen":5000000}' if outcome == "fine" else None
            yield (
                label,
                leaf_index,
                kind,
                code,
                outcome,
                None if outcome == "pass" else severity,
                seeded.choice(days),
                None,
                case,
                None,
                measures,
                None,
            )


def real_rows(folder: Path) -> Sequence[SubjectUnit]:
    """The refusals as an import states them, in the order of the labels."""
    stated = read_statements(REPORT, None, Keystore(folder))
    rows = [
        (one.subject.label(), *unit_of(Fact.of(leaf_index, one.weighing)))
        for leaf_index, one in enumerate(stated)
    ]
    return sorted(rows, key=lambda row: row[:2])


def rated(policy: Policy, shards: Sequence[Shard], as_of: date) -> tuple[float, int]:
    """Seconds of CPU, and how many subjects."""
    started = time.process_time()
    digest, subjects = hashlib.sha256(), 0
    for row in rate_all(policy, shards, as_of=as_of, tree_size=ALL):
        digest.update(row.line)
        subjects += 1
    return time.process_time() - started, subjects


def floor(policy: Policy, shards: Sequence[Shard], as_of: date) -> float:
    """Seconds of CPU for the bytes alone: shards parsed, lines hashed."""
    lines = [row.line for row in rate_all(policy, shards, as_of=as_of, tree_size=ALL)]
    started = time.process_time()
    for shard in shards:
        orjson.loads(shard.packed)
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return time.process_time() - started


def speed(name: str, policy: Policy, shards: Sequence[Shard], days: Sequence[date]) -> float:
    """The median of all runs and days, in ratings a second of one core."""
    found = []
    for as_of in days:
        rates = []
        for _ in range(RUNS):
            seconds, subjects = rated(policy, shards, as_of)
            rates.append(subjects / seconds)
        bare = subjects / floor(policy, shards, as_of)
        median = statistics.median(rates)
        print(
            f"{name} on {as_of}: {', '.join(f'{one:,.0f}' for one in rates)}; median {median:,.0f} "
            f"a second of one core, {bare / median:.1f} times the floor of {bare:,.0f}"
        )
        found += rates
    return statistics.median(found)


def rate_made(subjects: int) -> None:
    """What a process of its own does: rate them, and say how much time and memory that took."""
    policy = Policy.parse(DOCUMENT)
    rating_s = 0.0
    with Bar.shown("rating") as bar:
        bar.expect(subjects)
        for shard in shards_of(made_rows(subjects)):
            seconds, count = rated(policy, [shard], AS_OF)
            rating_s += seconds
            bar.advance(count)
    print(rating_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def apart(subjects: int) -> tuple[float, float]:
    """Seconds of rating, and MiB at the most, of such a process."""
    program = [sys.executable, "-m", "benchmarks.population", str(subjects)]
    ran = subprocess.run(program, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    rating_s, peak_mib = map(float, ran.stdout.split())
    return rating_s, peak_mib


async def by_workers(shards: Sequence[Shard], count: int) -> float:
    """Ratings a second by the clock."""

    async def each() -> AsyncIterator[Shard]:
        for shard in shards:
            yield shard

    async with Workers.running(Task(DOCUMENT, AS_OF, ALL), count) as workers:
        # Both are there and have parsed the policy before the clock starts.
        await asyncio.gather(*(workers.rate(shards[0]) for _ in range(4 * count)))
        started = time.perf_counter()
        subjects = 0
        async for rows in in_order(workers, each()):
            subjects += len(rows)
        return subjects / (time.perf_counter() - started)


def main() -> int:
    """Print every run, then medians and ratios; 1 when a bound is not met."""
    policy = Policy.parse(DOCUMENT)
    held = True
    if REPORT.exists():
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            real = list(shards_of(real_rows(Path(folder))))
        held = speed("real refusals", policy, real, DAYS) >= BOUND_PER_S
    else:
        print(f"the shared data folder is not there: {SHARED} (set XIN_SHARED)")
    made = list(shards_of(made_rows(SAMPLE)))
    alone = speed("ten made facts each", policy, made, [AS_OF])
    both = [asyncio.run(by_workers(made, count)) for count in (1, 2)]
    print(f"by the clock: {both[0]:,.0f} a second by one worker, {both[1]:,.0f} by two")
    (small_s, small_mib), (large_s, large_mib) = apart(SMALL), apart(SIZE)
    print(
        f"{SMALL:,} subjects: {small_s:.1f} s, {small_mib:.0f} MiB at the most; "
        f"{SIZE:,}: {large_s:.1f} s, {large_mib:.0f} MiB"
    )
    of_each = (large_s / SIZE) / (small_s / SMALL)
    print(
        f"a subject costs {of_each:.2f} times as much among {SIZE:,}, "
        f"memory {large_mib / small_mib:.2f} times; {alone:,.0f} a second for ten facts each"
    )
    return 0 if held and max(of_each, large_mib / small_mib) <= GROWTH_MAX else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        rate_made(int(sys.argv[1]))
        sys.exit(0)
    sys.exit(main())
