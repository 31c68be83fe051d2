"""`xin policy backtest`: what a policy of a file would do to this log, before it is adopted.

    backtest_file    reads policy and population, has every shard tallied
    days_of          days as they are written on the command line, to days
    days_of_years    years likewise, to their first of January
    backtest_text    a back-test for people
    OrderBroken      the end of a back-test whose order of grades does not hold
    BacktestFault

    BacktestFault
    ├── DaysMalformed    days or years outside their form, order or number
    └── OrderBroken      a better grade failed as often as a worse one; `path` names the days

Nothing is written. The whole is read in one snapshot of the database, in this process; the counts
are those of `credit.backtest`, which says what a failure is and when the order holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

from api.answers import counted
from api.fault import Fault
from api.migration import require_head
from api.policies import read_policy
from api.population import followed_size
from api.progress import Bar
from api.service import civil_day, system_clock
from api.settings import Settings
from api.storage import open_database
from credit.backtest import (
    DAYS_MAX,
    FORETOLD_MONTHS,
    Backtest,
    Cohort,
    Foretold,
    Impact,
    Plan,
    Regraded,
    Tally,
    Verdict,
    judged,
    merged,
    tally_shard,
)
from credit.calendar import add_months
from credit.errors import PolicyUnknown
from credit.policy import Policy
from credit.ratings import Ratings

YEARS_BY_DEFAULT = 4
"""The last that are over: as many as the reference looks at."""

REGRADED_SHOWN = 20
"""Of those in the text; the JSON has all of them."""

_YEARS = re.compile(r"([1-9][0-9]{3})(?:-([1-9][0-9]{3}))?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class BacktestFault(Fault):
    """A back-test that is not made, or that found what must not be."""


class DaysMalformed(BacktestFault):
    """Days or years that cannot be asked about; `path` names which."""

    code: ClassVar[str] = "BACKTEST_DAYS_MALFORMED"


class OrderBroken(BacktestFault):
    """Of two grades, the worse did not fail more often; `path` names the days."""

    code: ClassVar[str] = "BACKTEST_ORDER_BROKEN"

    @classmethod
    def found(cls, backtest: Backtest) -> Self:
        """What this one found."""
        breaks = [f"{better} to {worse} on {on}" for on, better, worse in backtest.breaks]
        days = dict.fromkeys(on.isoformat() for on, _, _ in backtest.breaks)
        return cls(
            f"the share that failed in the next year does not rise from {', '.join(breaks)}",
            path=tuple(days),
        )


def days_of(text: str) -> tuple[date, ...]:
    """`2023-01-01,2023-07-01`: rising. Raises `DaysMalformed`."""
    days = [_day(part) for part in text.split(",")]
    if not all(day < later for day, later in pairwise(days)):
        raise DaysMalformed("days are given in rising order, each once", path=("days",))
    return _bounded(days, "days")


def days_of_years(text: str) -> tuple[date, ...]:
    """`2022-2025`, or one year. Raises `DaysMalformed`."""
    match = _YEARS.fullmatch(text)
    if match is None:
        raise DaysMalformed(f"years are 2022-2025 or 2025, not {text!r:.40}", path=("years",))
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise DaysMalformed(f"the years {text} fall", path=("years",))
    return _bounded([date(year, 1, 1) for year in range(first, last + 1)], "years")


async def backtest_file(
    settings: Settings,
    file: Path,
    bar: Bar,
    *,
    days: Sequence[date] | None,
    as_of: date | None,
    tree_size: int | None,
) -> Backtest:
    """Back-test the policy of a file beside the one in force, by default today and with all known.

    Without `days`, those of the last years that are over. Raises `PolicyError`, `DaysMalformed`,
    `FactUnknown`, `FactIncomplete`, `SizeUnknown`, `ViewsBehind`, `LedgerEmpty` and
    `DatabaseNotAtHead`.
    """
    candidate = read_policy(file)
    today = civil_day(system_clock()) if as_of is None else as_of
    chosen = _last_years(today) if days is None else tuple(days)
    if chosen[-1] > today:
        raise DaysMalformed(f"{chosen[-1]} is after {today}", path=("days",))
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            size = await followed_size(database, session, tree_size)
            ratings = Ratings(session)
            in_force = await _in_force(ratings, today, size)
            plan = Plan(candidate, in_force, chosen, today, size)
            bar.expect(await ratings.population_size(tree_size=size))
            tallies: list[Tally] = []
            async for shard in ratings.shards(tree_size=size):
                tallies.append(tally_shard(plan, shard))
                bar.advance(shard.subjects)
    finally:
        await database.close()
    return judged(plan, merged(tallies))


def backtest_text(backtest: Backtest) -> str:
    """Who is regraded, what the grades foretold, and whether their order holds."""
    return "\n".join(_lines(backtest))


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text) is not None:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise DaysMalformed(f"a day is written as 2023-01-01, not as {text!r:.40}", path=("days",))


def _bounded(days: Sequence[date], name: str) -> tuple[date, ...]:
    if len(days) > DAYS_MAX:
        raise DaysMalformed(f"{len(days)} days are more than {DAYS_MAX}", path=(name,))
    return tuple(days)


def _last_years(today: date) -> tuple[date, ...]:
    last = today.year - 1
    if add_months(date(last, 1, 1), FORETOLD_MONTHS) > today:
        last -= 1
    return tuple(date(year, 1, 1) for year in range(last - YEARS_BY_DEFAULT + 1, last + 1))


async def _in_force(ratings: Ratings, day: date, tree_size: int) -> Policy | None:
    try:
        return await ratings.policy_in_force(as_of=day, tree_size=tree_size)
    except PolicyUnknown:
        # The first policy of a log has nothing beside it, and is tested all the same.
        return None


def _lines(backtest: Backtest) -> Iterator[str]:
    plan = backtest.plan
    yield f"{_named(plan.candidate)}  on {plan.as_of} at tree size {plan.tree_size}"
    if backtest.impact is None:
        yield "no policy is in force on that day: nobody is regraded"
    else:
        assert plan.in_force is not None
        yield f"beside {_named(plan.in_force)}"
        yield ""
        yield from _impact_lines(backtest.impact)
    yield ""
    yield "Failed in the twelve months after"
    yield f"  {'day':<10}  {'grade':<8}  {'subjects':>9}  {'failed':>9}  {'per mille':>9}"
    for day in backtest.days:
        yield from _day_lines(day, is_over=plan.is_over(day.on))
    yield ""
    yield _verdict_line(backtest)


def _impact_lines(impact: Impact) -> Iterator[str]:
    counts = {(old, new): count for old, new, count in impact.moved}
    yield f"{counted(impact.subjects, 'subject')}, {len(impact.regraded)} regraded"
    yield f"  {'in force':<8}  " + "  ".join(f"{'to ' + new:>9}" for new in impact.new_grades)
    for old in impact.old_grades:
        cells = [f"{counts.get((old, new), 0):>9}" for new in impact.new_grades]
        yield f"  {old:<8}  " + "  ".join(cells)
    for one in impact.regraded[:REGRADED_SHOWN]:
        yield f"  {_regraded_line(one)}"
    if len(impact.regraded) > REGRADED_SHOWN:
        yield f"  and {len(impact.regraded) - REGRADED_SHOWN} more, which --json names"


def _regraded_line(one: Regraded) -> str:
    grounds = [
        f"{ground.rule} {ground.points} (entry {ground.leaf_index})" for ground in one.grounds
    ]
    return f"{one.subject}  {one.old} to {one.new}  {', '.join(grounds) or 'nothing weighs'}"


def _day_lines(day: Foretold, *, is_over: bool) -> Iterator[str]:
    for cohort in day.cohorts:
        yield _cohort_line(day, cohort, is_over=is_over).rstrip()
    if day.drift_permille is not None:
        alarm = ", an alarm" if day.is_alarming else ""
        yield f"  {day.on}  drift {day.drift_permille} per mille from the day before{alarm}"


def _cohort_line(day: Foretold, cohort: Cohort, *, is_over: bool) -> str:
    failed, share = (
        "-" if number is None else str(number) for number in (cohort.failed, cohort.permille)
    )
    note = "" if cohort.is_judged else "not judged" if is_over else "the year is not over"
    return f"  {day.on}  {cohort.grade:<8}  {cohort.subjects:>9}  {failed:>9}  {share:>9}  {note}"


def _verdict_line(backtest: Backtest) -> str:
    match backtest.verdict:
        case Verdict.HOLDS:
            return "the order holds: each worse grade failed more often"
        case Verdict.BREAKS:
            breaks = [f"{better} to {worse} on {on}" for on, better, worse in backtest.breaks]
            return f"the order breaks: {', '.join(breaks)}"
        case Verdict.UNJUDGED:
            return "the order cannot be judged: on no day two grades have enough subjects"


def _named(policy: Policy) -> str:
    return f"{policy.name} {policy.version} ({policy.hash.hex()})"
