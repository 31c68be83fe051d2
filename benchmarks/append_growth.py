"""Does an append become dearer as the log grows to a million entries?

Data: logs of 10,000 and of SIZE (1,000,000) entries, about 10,000 enterprises in no order, each
statement of 14 disclosures with some 2.4 kB, under random references, as issuers choose them. The
small log is made anew for each run, so that it stays small.

Machine of the numbers below: 2 shared cores, 24 GiB, a virtual disk, CPython 3.11.7, nothing else
running.

Measured in one run, small and large in turn, on SQLite with `synchronous=FULL` and on PostgreSQL 18
that flushes each commit: (1) 256 clients in this process submit signed statements, which are
parsed, verified, written and acknowledged; (2) the sequencer alone, with statements parsed and
verified before, where nothing hides what the tables cost.

Three runs on 2026-11-25 at the commit that brought references into runs: SQLite 3,260 to 3,580
submitted a second at ten thousand entries and 3,570 to 4,010 at a million, ratio 1.11; the
sequencer alone 12,300 to 13,800 and 12,200 to 14,800, ratio 1.03. PostgreSQL 3,260 to 3,850 and
3,630 to 3,830, ratio 0.99; alone 11,600 to 11,900 and 10,900 to 11,300, ratio 0.97. Before it, with
the unique index, SQLite had 0.93 and 0.85, PostgreSQL 1.05 and 0.96.

What follows: the layout of the tables stays when both rates at a million are at least 0.95 of those
at ten thousand; `docs/decisions/0006-the-hot-write-below-the-orm.md`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from api.service import Service
from benchmarks.append_http import AUTHORITY, presentations
from benchmarks.stage.databases import KINDS, Databases
from benchmarks.stage.growing import Stamped, closed_loop, founded, grown
from ledger.admission import Submission
from ledger.candidate import Candidate
from ledger.presentation import read_statement
from ledger.references import RUN_ENTRIES

SIZE = int(os.environ.get("SIZE", "1000000"))
SMALL = 10_000
RUNS = int(os.environ.get("RUNS", "5"))
CLIENTS = 256
SUBMITTED = 4_096
PREPARED = RUN_ENTRIES
"""So that each loop writes one run of references, in the small log as in the large."""

BOUND = 0.95


@dataclass(frozen=True)
class Rates:
    """Entries a second."""

    submitted: float
    prepared: float


async def rates(service: Service) -> Rates:
    """Of both loops."""
    key = service.keystore.get(AUTHORITY.label())
    statements = [raw.decode() for raw in presentations(key, SUBMITTED)]
    candidates = Stamped(service).take(PREPARED)
    gc.collect()

    async def submit(presentation: str) -> None:
        await service.writer.submit(Submission((read_statement(presentation),)))

    async def enqueue(candidate: Candidate) -> None:
        await service.writer.enqueue([candidate])

    submitted, _ = await closed_loop(statements, submit, clients=CLIENTS)
    prepared, _ = await closed_loop(candidates, enqueue, clients=CLIENTS)
    return Rates(submitted, prepared)


async def measured(
    kind: str, home: Path, small_urls: list[str], large_url: str
) -> list[tuple[Rates, Rates]]:
    """Small and large, in turn."""
    found = []
    started = time.perf_counter()
    async with grown(await founded(large_url, home / "large"), SIZE) as large:
        print(f"{kind}: filled to {SIZE:,} in {time.perf_counter() - started:.0f} s")
        for number, url in enumerate(small_urls, 1):
            async with grown(await founded(url, home / f"small-{number}"), SMALL) as small:
                of_small = await rates(small)
            of_large = await rates(large)
            found.append((of_small, of_large))
            print(
                f"{kind} run {number}: submitted {of_small.submitted:.0f}/s at {SMALL:,} and "
                f"{of_large.submitted:.0f}/s at {SIZE:,}; the sequencer alone "
                f"{of_small.prepared:.0f}/s and {of_large.prepared:.0f}/s"
            )
    return found


def main() -> int:
    """Print every run, then medians and ratios."""
    held = True
    for kind in KINDS:
        with Databases.of(kind) as databases, tempfile.TemporaryDirectory() as home:
            urls = [databases.fresh() for _ in range(RUNS)]
            found = asyncio.run(measured(kind, Path(home), urls, databases.fresh()))
        for name in ("submitted", "prepared"):
            small, large = (
                statistics.median(getattr(pair[at], name) for pair in found) for at in (0, 1)
            )
            ratio = statistics.median(getattr(b, name) / getattr(a, name) for a, b in found)
            held = held and ratio >= BOUND
            print(f"{kind} {name}: median {small:.0f}/s and {large:.0f}/s, ratio {ratio:.2f}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
