"""The fault campaign itself: a few cases of it, that it finds what is wrong, that it says why not.

The whole of it is `./xin faults`, and takes a quarter of an hour (docs/faults.md).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.campaign import DATABASES, SCENARIOS, Row, table

REPOSITORY = Path(__file__).resolve().parents[2]

QUICK = ("appends", "commit-unknown", "two-writers", "duplicates")


def faults(
    *arguments: str | Path, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    """As `./xin faults` runs it: a process without threads, which may fork."""
    return subprocess.run(
        [sys.executable, REPOSITORY / "tests" / "faults", *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("database", DATABASES)
def test_a_few_faults_of_some_kinds_lose_nothing_fork_nothing_and_are_explained(
    database: str, tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        reason = "strace is not on this machine"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    only = [word for name in QUICK for word in ("--only", name)]
    ran = faults("--database", database, "--quick", "--json", "--keep", tmp_path, *only)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["whole"] is True
    counts = {
        row["scenario"]: (row["cases"], row["injections"], row["restarts"], row["fenced"])
        for row in found["rows"]
    }
    assert counts == {
        # One of them fails nothing, where our own process is the one that flushes.
        "appends": (3, 2 if database == "sqlite" else 3, 3, 0),
        "commit-unknown": (3, 3, 3, 0),
        "two-writers": (3, 3, 3, 3),
        "duplicates": (2, 2, 2, 0),
    }
    for row in found["rows"]:
        assert (row["lost"], row["forks"], row["unexplained"], row["failed"]) == (0, 0, 0, [])


def test_without_strace_it_says_what_to_install(tmp_path: Path) -> None:
    refused = faults("--keep", tmp_path, path=str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr == (
        "xin faults: strace is not on this machine, and without it nothing can be injected into "
        "system calls. On Debian or Ubuntu: apt-get install strace\n"
    )


def test_one_case_needs_its_scenario_and_its_database(tmp_path: Path) -> None:
    refused = faults("--case", "0:write:1:KILL", "--keep", tmp_path)
    assert refused.returncode == 2
    assert "a case is one of one scenario and one database" in refused.stderr


def test_the_document_names_every_scenario_on_each_of_its_databases_and_no_other() -> None:
    document = (REPOSITORY / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z-]+) \| (sqlite|postgresql) \|", document, re.MULTILINE)
    assert rows == [
        (scenario.name, database)
        for scenario in SCENARIOS
        for database in sorted(scenario.databases)
    ]


def test_the_table_adds_up() -> None:
    rows = [
        Row("appends", "sqlite", cases=2, injections=2, restarts=2, lost=1, seconds=3.2),
        Row("opens", "sqlite", cases=1, injections=0, restarts=1, fenced=1, seconds=0.6),
    ]
    assert table(rows, 4.0).splitlines()[2:] == [
        "| appends | sqlite | 2 | 2 | 2 | 0 | 1 | 0 | 0 | 3 |",
        "| opens | sqlite | 1 | 0 | 1 | 1 | 0 | 0 | 0 | 1 |",
        "| together |  | 3 | 2 | 3 | 1 | 1 | 0 | 0 | 4 |",
    ]
