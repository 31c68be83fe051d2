"""A population rated by a real Dask cluster: the same bytes, though a worker is killed at work.

Scheduler, workers and the command run in `.population`, which `./xin test` makes.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from api.cluster import (
    FOLD,
    JOIN_S_MAX,
    LOOK_AHEAD_MAX,
    SHARD_S_MAX,
    Cluster,
    FoldDiffers,
    fold_digest,
    rated_by_worker,
)
from api.runners import AHEAD_OF_EACH
from credit.policy import Policy
from credit.population import rate_all
from tests.api.homes import Home
from tests.api.rated_home import founded_with_facts
from tests.api.shards import DOCUMENT, REPOSITORY, TASK, label, shard

ENVIRONMENT = REPOSITORY / ".population"
START_S = 60
SHARDS = 30


@dataclass
class Engine:
    """A scheduler and its workers, each a process."""

    folder: Path
    stack: ExitStack
    settings: dict[str, str] = field(default_factory=dict)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: object, source: Path = REPOSITORY) -> subprocess.Popen[bytes]:
        """`dask` with these arguments, its log in the folder; killed when the test ends."""
        log = self.stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(
            [ENVIRONMENT / "bin" / "dask", *map(str, arguments), "--no-dashboard"],
            cwd=self.folder,
            env={**os.environ, **self.settings, "PYTHONPATH": str(source)},
            stdout=log,
            stderr=log,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def begin(self, workers: int, *, source: Path = REPOSITORY, **settings: str) -> str:
        """The address, once the scheduler answers; workers may take longer."""
        self.settings = settings
        told = self.folder / "scheduler.json"
        self.scheduler = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", told
        )
        give_up_at = time.monotonic() + START_S
        while not told.exists() or not told.read_bytes().endswith(b"}"):
            assert time.monotonic() < give_up_at, (self.folder / "log").read_text()
            time.sleep(0.05)
        address: str = json.loads(told.read_bytes())["address"]
        for number in range(workers):
            options = ["--nthreads", 1, "--no-nanny", "--name", f"w{number}"]
            self.workers.append(self.start("worker", address, *options, source=source))
        return address


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Nothing runs yet."""
    # The stamp is written last: half an environment is none.
    if not (ENVIRONMENT / "xin-stamp.json").exists():
        reason = "the environment .population is not there: ./xin test says why"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with ExitStack() as stack:
        folder = tmp_path / "engine"
        folder.mkdir()
        yield Engine(folder, stack)


def run(**orders: object) -> dict[str, Any]:
    """What came of a run of `tests/api/clustered.py`."""
    ran = subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-m", "tests.api.clustered", json.dumps(orders)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * START_S,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def expected(shards: int) -> dict[str, Any]:
    """By the pure map, in this process."""
    policy = Policy.parse(DOCUMENT)
    rows = rate_all(policy, map(shard, range(shards)), as_of=TASK.as_of, tree_size=TASK.tree_size)
    lines = [row.line for row in rows]
    return {"sha256": hashlib.sha256(b"".join(lines)).hexdigest(), "subjects": len(lines)}


def test_a_worker_that_is_killed_at_work_changes_no_byte(engine: Engine) -> None:
    address = engine.begin(workers=2)
    victim = engine.workers[0].pid
    found = run(address=address, workers=2, shards=SHARDS, stop=[victim], kill=[victim])
    assert found == expected(SHARDS)
    assert [worker.poll() for worker in engine.workers] == [-9, None]


def test_the_command_writes_the_same_file_by_a_cluster(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    address = engine.begin(workers=2)
    home = founded_with_facts(Home(tmp_path / "home", database_url))
    here, there = tmp_path / "here", tmp_path / "there"
    home.ok("rate", "--as-of", "2024-06-01", "-o", here)
    program = ENVIRONMENT / "bin" / "python"
    ran = subprocess.run(
        [program, "-m", "api", "rate", "--as-of", "2024-06-01", "--cluster", address, "-o", there],
        cwd=REPOSITORY,
        env={**os.environ, **home.environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert there.read_bytes() == here.read_bytes()
    assert there.read_bytes().count(b"\n") == 40


def test_a_shard_that_its_workers_do_not_survive_is_given_up(engine: Engine) -> None:
    address = engine.begin(workers=1, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    victim = engine.workers[0].pid
    # It is stopped before the first shard comes, so that it is at work on one when it is killed.
    found = run(address=address, workers=1, shards=SHARDS, at=0, stop=[victim], kill=[victim])
    assert (found["code"], found["path"]) == ("POPULATION_WORKERS_LOST", [label(0)])


def test_a_scheduler_that_dies_is_lost(engine: Engine) -> None:
    address = engine.begin(workers=1)
    orders = {"stop": [engine.workers[0].pid], "kill": [engine.scheduler.pid]}
    found = run(address=address, workers=1, shards=SHARDS, **orders)
    assert found["code"] == "POPULATION_CLUSTER_LOST"


def test_a_shard_that_does_not_come_back_is_waited_for_no_longer_than_its_bound(
    engine: Engine,
) -> None:
    address = engine.begin(workers=1)
    orders = {"stop": [engine.workers[0].pid], "shard_s": 1}
    found = run(address=address, workers=1, shards=SHARDS, **orders)
    assert found["code"] == "POPULATION_CLUSTER_LOST"
    assert "TimeoutError" in found["message"]
    assert SHARD_S_MAX > JOIN_S_MAX > 1


def test_where_no_worker_comes_a_cluster_is_waited_for_no_longer_than_its_bound(
    engine: Engine,
) -> None:
    address = engine.begin(workers=0)
    for unfit in (address, "tcp://127.0.0.1:1", "nowhere", "gopher://127.0.0.1:1"):
        found = run(address=unfit, shards=1, join_s=1)
        assert (found["code"], found["path"]) == ("POPULATION_CLUSTER_UNREACHABLE", ["cluster"])


def test_a_worker_of_another_version_rates_nothing(engine: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for package in ("api", "credit", "ledger", "traceability"):
        shutil.copytree(REPOSITORY / package, other / package)
    with (other / "credit" / "rating.py").open("a") as source:
        source.write("# A day later.\n")
    address = engine.begin(workers=1, source=other)
    assert run(address=address, workers=1, shards=2)["code"] == "POPULATION_FOLD_DIFFERS"


def test_only_the_same_source_rates() -> None:
    packed = shard(0).packed
    rows = rated_by_worker(fold_digest(), DOCUMENT, packed, TASK.as_of, TASK.tree_size)
    assert len(rows) == 20
    with pytest.raises(FoldDiffers):
        rated_by_worker(bytes(32), DOCUMENT, packed, TASK.as_of, TASK.tree_size)


def test_all_that_the_fold_imports_is_in_its_digest_but_what_names_and_refuses() -> None:
    others = {"credit.errors", "ledger.errors", "ledger.identity", "ledger.statement"}
    for name in FOLD:
        source = (REPOSITORY / f"{name.replace('.', '/')}.py").read_text()
        imported = set(re.findall(r"^from ((?:credit|ledger)\S+) import", source, re.MULTILINE))
        assert imported <= others | set(FOLD), name


def test_the_look_ahead_stays_within_its_bound() -> None:
    assert Cluster(TASK, None, threads=2).look_ahead == 2 * AHEAD_OF_EACH
    assert Cluster(TASK, None, threads=1_000).look_ahead == LOOK_AHEAD_MAX


def test_without_the_engine_the_command_says_what_to_install(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    home = founded_with_facts(Home(tmp_path / "home", database_url))
    ran = home.xin("rate", "--cluster", "tcp://127.0.0.1:1", "-o", tmp_path / "rated")
    assert (ran.code, ran.refusal) == (1, "POPULATION_ENGINE_MISSING")
    assert not (tmp_path / "rated").exists()
    ran = home.xin("rate", "--cluster", "tcp://127.0.0.1:1", "--workers", 2)
    assert (ran.code, "either --workers or --cluster" in ran.err) == (2, True)
