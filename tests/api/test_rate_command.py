"""`xin rate`: a file that anyone who has the facts makes again, byte for byte."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import update

from credit.facts import Fact
from credit.policy import Policy
from credit.population import Row, rate_all, shards_of, unit_of
from credit.tables import FactRow
from ledger.entries import Entries
from ledger.identity import SubjectLabel
from ledger.statement import Statement
from ledger.tables import CursorRow
from tests.api.homes import REPOSITORY, Home
from tests.api.rated_home import POLICY, SUBJECTS, founded_with_facts


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    return founded_with_facts(Home(tmp_path / "home", database_url))


def known(home: Home, tree_size: int) -> list[tuple[SubjectLabel, Fact]]:
    """What the log itself says, read past every view."""

    async def read() -> list[tuple[SubjectLabel, Fact]]:
        async with home.database() as database, database.reading() as session:
            entries = await Entries(session).read(0, tree_size)
        return [
            (entry.body.subject, Fact.of(entry.leaf_index, entry.body.weighing))
            for entry in entries
            if isinstance(entry.body, Statement)
        ]

    return asyncio.run(read())


def lines_by_hand(home: Home, as_of: date, tree_size: int) -> bytes:
    facts = known(home, tree_size)
    rows = sorted(((subject, *unit_of(fact)) for subject, fact in facts), key=lambda row: row[0])
    policy = Policy.parse(POLICY.read_bytes().rstrip(b"\n"))
    rated: list[Row] = list(rate_all(policy, shards_of(rows), as_of=as_of, tree_size=tree_size))
    return b"".join(row.line for row in rated)


def test_a_file_says_everybodys_rating_and_every_way_of_making_it_gives_the_same(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit.population.SHARD_SUBJECTS_MAX", 7)
    size = home.tree_size()
    expected = lines_by_hand(home, date(2024, 6, 1), size)
    assert expected.count(b"\n") == len(SUBJECTS)
    files = {}
    for name, options in {"here": [], "one": ["--workers", 1], "two": ["--workers", 2]}.items():
        files[name] = tmp_path / name
        ran = home.xin("rate", "--as-of", "2024-06-01", *options, "--output", files[name])
        assert (ran.code, ran.out) == (0, "")
        digest = hashlib.sha256(files[name].read_bytes()).hexdigest()
        assert ran.err.splitlines()[-1] == f"sha256 {digest}"
        assert f"40 subjects on 2024-06-01 at tree size {size}, by xinyuan-export-" in ran.err
    assert {path.read_bytes() for path in files.values()} == {expected}
    subjects = [json.loads(line)["subject"] for line in expected.splitlines()]
    assert subjects == sorted(subject.label() for subject in SUBJECTS)
    assert sorted(path.name for path in tmp_path.glob("*.new")) == []


def test_an_older_size_and_another_day_are_another_file(home: Home, tmp_path: Path) -> None:
    size = home.tree_size()
    for day, tree_size in (
        ("2024-06-01", size - 1),
        ("2024-06-01", size - 90),
        ("2023-12-31", size),
    ):
        output = tmp_path / "rated"
        home.ok("rate", "--as-of", day, "--tree-size", tree_size, "-o", output)
        assert output.read_bytes() == lines_by_hand(home, date.fromisoformat(day), tree_size)


def test_without_a_file_the_lines_are_printed(home: Home) -> None:
    program = [sys.executable, "-m", "api", "rate", "--as-of", "2024-06-01"]
    ran = subprocess.run(
        program,
        cwd=REPOSITORY,
        env={**os.environ, **home.environment},
        capture_output=True,
        check=True,
    )
    assert ran.stdout == lines_by_hand(home, date(2024, 6, 1), home.tree_size())
    assert (
        ran.stderr.decode().splitlines()[-1] == f"sha256 {hashlib.sha256(ran.stdout).hexdigest()}"
    )


def test_a_fact_that_cannot_be_read_refuses_the_whole_and_leaves_the_old_file(
    home: Home, tmp_path: Path
) -> None:
    output = tmp_path / "rated"
    home.ok("rate", "--as-of", "2024-06-01", "-o", output)
    before = output.read_bytes()
    last = max(subject.label() for subject in SUBJECTS)
    leaf_index = max(fact.leaf_index for subject, fact in known(home, 1_000) if subject == last)
    where = (FactRow.subject == last, FactRow.leaf_index == leaf_index)
    home.execute(update(FactRow).where(*where).values(outcome="verbal-advice"))
    for options in ([], ["--workers", 2]):
        ran = home.xin("rate", "--as-of", "2024-06-02", *options, "-o", output)
        assert (ran.code, ran.refusal) == (1, "CREDIT_FACT_UNKNOWN")
        assert ran.err.splitlines()[-1] == f"  where  {last} / {leaf_index} / outcome"
        assert output.read_bytes() == before
        assert list(tmp_path.glob("*.new")) == []


def test_what_is_not_known_yet_is_refused(home: Home, tmp_path: Path) -> None:
    output, size = tmp_path / "rated", home.tree_size()
    ran = home.xin("rate", "--tree-size", size + 1, "-o", output)
    assert (ran.code, ran.refusal) == (1, "LOG_SIZE_UNKNOWN")
    ran = home.xin("rate", "--as-of", "2019-12-31", "-o", output)
    assert (ran.code, ran.refusal) == (1, "CREDIT_POLICY_UNKNOWN")
    behind = update(CursorRow).where(CursorRow.view == "credit").values(next_index=size - 5)
    home.execute(behind)
    ran = home.xin("rate", "-o", output)
    assert (ran.code, ran.refusal) == (1, "READY_VIEWS_BEHIND")
    assert not output.exists()
    home.ok("rate", "--tree-size", size - 5, "-o", output)
    assert output.exists()
