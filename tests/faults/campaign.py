"""The fault campaign: `./xin faults`. What it injects and claims stands in docs/faults.md.

    main       options in, a table or JSON out; exit code 1 when anything was found
    SCENARIOS  every way to break a log, in the order of the table
    Row        one line: a scenario on a database
    campaign   all cases of the chosen scenarios on one database
    table      what is printed, and stands in the document

Each database has a process of its own, which forks those that are made to fail.
"""

import argparse
import json
import os
import select
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.child import Channel, Child, events_of
from tests.faults.clocks import ClockJumps
from tests.faults.commits import CommitUnknown, Contended
from tests.faults.disks import Descriptors, WalFull
from tests.faults.loads import Duplicates, FullQueue, TileEnds
from tests.faults.scenario import Scenario, play
from tests.faults.served import OldBackup, Served
from tests.faults.stage import opened
from tests.faults.syscalls import (
    Appends,
    Opens,
    ServerAppends,
    ServerCheckpoints,
    ServerKilled,
    TileFiles,
)
from tests.faults.tracer import TracerUnavailable, require_strace
from tests.faults.writers import PausedWriter, TwoWriters

ROOT = Path(__file__).resolve().parents[2]

DATABASES = ("sqlite", "postgresql")

SCENARIOS: tuple[Scenario, ...] = (
    Appends(),
    Opens(),
    TileFiles(),
    ServerAppends(),
    ServerCheckpoints(),
    ServerKilled(),
    CommitUnknown(),
    Contended(),
    WalFull(),
    Descriptors(),
    ClockJumps(),
    TwoWriters(),
    PausedWriter(),
    OldBackup(),
    Duplicates(),
    TileEnds(),
    FullQueue(),
    Served(),
)

QUICK_CASES = 3
"""Of each scenario and database, evenly spread."""

SILENCE_S = 900.0
"""Of a whole campaign, within one case."""


@dataclass
class Row:
    """What came of one scenario on one database."""

    scenario: str
    database: str
    cases: int = 0
    injections: int = 0
    restarts: int = 0
    fenced: int = 0
    lost: int = 0
    forks: int = 0
    unexplained: int = 0
    seconds: float = 0.0
    failed: list[dict[str, Any]] = field(default_factory=list)


def campaign(
    database: str, names: Sequence[str], case: str | None, *, quick: bool, keep: Path
) -> Iterator[tuple[Row, str]]:
    """Rows that grow with each case, and the case; the last of a scenario is final."""
    with opened(database) as stage:
        for scenario in SCENARIOS:
            if scenario.name not in names or database not in scenario.databases:
                continue
            row = Row(scenario.name, database)
            started = time.monotonic()
            cases = [case] if case is not None else scenario.cases(stage)
            if quick and len(cases) > QUICK_CASES:
                cases = cases[:: -(-len(cases) // QUICK_CASES)]
            for one in cases:
                played = play(scenario, stage, one, keep=keep)
                row.cases += 1
                row.injections += played.injections
                row.restarts += played.restarts
                row.fenced += played.fenced
                row.lost += len(played.findings.lost)
                row.forks += len(played.findings.forks)
                row.unexplained += len(played.findings.unexplained)
                row.seconds = round(time.monotonic() - started, 1)
                if played.findings.any:
                    row.failed.append({"case": one, **asdict(played.findings)})
                yield row, one
            if not cases:
                yield row, ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when nothing was found, 1 when something was, 2 when nothing could be tried."""
    options = _options(arguments)
    if options.list:
        for scenario in SCENARIOS:
            sys.stdout.write(f"{scenario.name:20} {scenario.does}\n")
        return 0
    try:
        require_strace()
    except TracerUnavailable as error:
        sys.stderr.write(f"xin faults: {error}\n")
        return 2
    started = time.monotonic()
    names = options.only or [scenario.name for scenario in SCENARIOS]
    databases = [options.database] if options.database else list(DATABASES)
    options.keep.mkdir(parents=True, exist_ok=True)

    def work(database: str) -> Child:
        def run(channel: Channel) -> None:
            # Told to end, it takes its server along.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
            found = campaign(database, names, options.case, quick=options.quick, keep=options.keep)
            for row, case in found:
                channel.say("row", row=asdict(row), case=case)
            channel.say("done")

        return Child.start(run, log=options.keep / f"{database}.log")

    rows, ended = _collected([work(database) for database in databases], quiet=options.json)
    seconds = round(time.monotonic() - started, 1)
    found = sum(row.lost + row.forks + row.unexplained for row in rows)
    if options.json:
        members = {"seconds": seconds, "whole": ended, "rows": [asdict(row) for row in rows]}
        sys.stdout.write(json.dumps(members, indent=2) + "\n")
    else:
        sys.stdout.write(table(rows, seconds))
    for row in rows:
        for failed in row.failed:
            command = ["./xin", "faults", "--database", row.database, "--only", row.scenario]
            again = shlex.join([*command, "--case", failed["case"]])
            sys.stderr.write(f"{again}\n    {json.dumps(failed)}\n")
    if not ended:
        sys.stderr.write(f"xin faults: it ended before its time; see {options.keep}/*.log\n")
    return 1 if found or not ended else 0


def table(rows: Sequence[Row], seconds: float) -> str:
    """As it stands in docs/faults.md."""
    heads = ["scenario", "database", "cases", "injections", "restarts", "fenced", "lost"]
    heads += ["forks", "unexplained", "s"]
    lines = [heads] + [
        [
            row.scenario,
            row.database,
            *map(str, (row.cases, row.injections, row.restarts, row.fenced)),
            *map(str, (row.lost, row.forks, row.unexplained)),
            f"{row.seconds:.0f}",
        ]
        for row in rows
    ]
    sums = [
        sum(getattr(row, name) for row in rows)
        for name in ("cases", "injections", "restarts", "fenced", "lost", "forks", "unexplained")
    ]
    lines.append(["together", "", *map(str, sums), f"{seconds:.0f}"])
    return "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], ["---"] * 10, *lines[1:]])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="./xin faults", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--database", choices=DATABASES)
    parser.add_argument("--only", action="append", choices=names, metavar="NAME")
    parser.add_argument("--case", metavar="CASE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, default=ROOT / "var" / "faults", metavar="FOLDER")
    options = parser.parse_args(arguments)
    if options.case is not None and (options.database is None or len(options.only or []) != 1):
        parser.error("a case is one of one scenario and one database")
    return options


def _collected(children: Sequence[Child], *, quiet: bool) -> tuple[list[Row], bool]:
    """Every row, and whether every campaign came to its end."""
    rows: dict[tuple[str, str], Row] = {}
    done = 0
    try:
        waiting = list(children)
        while waiting:
            ready = select.select(waiting, [], [], SILENCE_S)[0]
            if not ready:
                break
            for child in ready:
                events = child.read_events()
                done += any(events_of(events, "done"))
                for event in events_of(events, "row"):
                    row = Row(**event["row"])
                    rows[row.scenario, row.database] = row
                    if not quiet:
                        _say(row, event["case"])
                if child.has_ended:
                    waiting.remove(child)
    finally:
        for child in children:
            child.signal(signal.SIGTERM)
            child.wait()
    ended = done == len(children)
    order = {scenario.name: place for place, scenario in enumerate(SCENARIOS)}
    return sorted(rows.values(), key=lambda row: (order[row.scenario], row.database)), ended


def _say(row: Row, case: str) -> None:
    bad = row.lost + row.forks + row.unexplained
    text = f"{row.scenario} {row.database}: {row.cases} cases, {bad} findings ({case})"
    end = "\n" if not os.isatty(2) else "\r"
    sys.stderr.write(f"{text:100.100}{end}")
    sys.stderr.flush()
