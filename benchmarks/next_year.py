"""Did firms of a worse grade fail more often in the next year, on real refusals?

Data: the US FDA refusals of the shared folder, 20,184 lines of 5,654 firms from 2020 to 2025, as
`xin import fda-refusals` states them; the published policy `xinyuan-export-credit-core` 1.0.0,
which asks for no evidence, since the data hold no passed inspection. Of each 1 January from 2021 to
2026, every firm of which anything had taken effect, and whether a fact that weighs takes effect
within the next 12 months (`credit.backtest`).

Machine of the numbers below: 2 shared cores, 24 GiB, CPython 3.11.7; the counts are those of any.

Measured: the counts, which are the same in every run, and the seconds of CPU that they cost.

Five runs on 2026-11-25, others at work on the same cores (load 1.9): the table of
`benchmarks/README.md`, five times the same bytes, in 0.46 to 0.57 s of CPU, median 0.52 s. The
order A < B < C < D holds in 2023, 2024 and 2025 with every grade judged. In 2022 it breaks between
C and D: 18 of the 47 firms in D failed, and 22 would have held it.

What follows: on the years 2023 to 2025 `xin policy backtest` lets the core pass; on 2022 it does
not, and whoever adopts it over that has to say why. The drift of 735 and 251 per mille into 2022
and 2023 is the first promotions, on 1 October: nobody can be in A before.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from api.backtesting import backtest_text
from benchmarks.population import REPORT, REPOSITORY, SHARED, real_rows
from credit.backtest import Backtest, Plan, judged, merged, tally_shard
from credit.policy import Policy
from credit.population import Shard, shards_of

RUNS = int(os.environ.get("RUNS", "5"))
POLICY = REPOSITORY / "credit" / "policies" / "xinyuan-export-credit-core-1.0.0.json"
DAYS = tuple(date(year, 1, 1) for year in range(2021, 2027))
AS_OF = DAYS[-1]
MUST_HOLD = (date(2023, 1, 1), date(2024, 1, 1))
"""Reference §2.2: A < B < C < D."""


def tested(plan: Plan, shards: list[Shard]) -> tuple[Backtest, float]:
    """The back-test, and the seconds of CPU that it took."""
    started = time.process_time()
    backtest = judged(plan, merged(tally_shard(plan, shard) for shard in shards))
    return backtest, time.process_time() - started


def holds(backtest: Backtest, day: date) -> bool:
    """Whether on that day every grade is judged, and the order holds."""
    (found,) = (one for one in backtest.days if one.on == day)
    return all(cohort.is_judged for cohort in found.cohorts) and not found.breaks


def main() -> int:
    """Print the table, every run and the median; 1 when the order breaks where it must hold."""
    if not REPORT.exists():
        print(f"the shared data folder is not there: {SHARED} (set XIN_SHARED)")
        return 1
    policy = Policy.parse(POLICY.read_bytes().rstrip(b"\n"))
    with TemporaryDirectory() as folder:
        rows = real_rows(Path(folder))
    shards = list(shards_of(rows))
    plan = Plan(policy, None, DAYS, AS_OF, tree_size=len(rows))
    found = [tested(plan, shards) for _ in range(RUNS)]
    backtest = found[0][0]
    print(backtest_text(backtest))
    digests = {hashlib.sha256(one.canonical()).hexdigest() for one, _ in found}
    seconds = [one for _, one in found]
    print(f"sha256 of the JSON: {', '.join(sorted(digests))}")
    print(
        f"{', '.join(f'{one:.2f}' for one in seconds)} s of CPU; median "
        f"{statistics.median(seconds):.2f} s for {len(DAYS)} days of everybody"
    )
    return 0 if len(digests) == 1 and all(holds(backtest, day) for day in MUST_HOLD) else 1


if __name__ == "__main__":
    sys.exit(main())
