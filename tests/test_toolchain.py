"""What a fresh clone relies on: the test databases, the pinned requirements, `./xin`, CI."""

import ast
import re
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests import postgres

REPOSITORY = Path(__file__).resolve().parent.parent
REQUIREMENTS = sorted((REPOSITORY / "requirements").glob("*.txt"))
PINNED = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_every_test_gets_an_empty_database_of_either_make(
    database_url: str, turn: str
) -> None:
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE only_here (id BIGINT PRIMARY KEY)"))
            await connection.execute(text("INSERT INTO only_here VALUES (1)"))
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM only_here"))).scalar() == 1
    finally:
        await engine.dispose()


async def test_the_server_is_a_postgresql_18_that_sorts_by_code_point(postgres_server: str) -> None:
    engine = create_async_engine(postgres_server)
    try:
        async with engine.connect() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar()
            assert str(version).startswith("18.")
            words = text("SELECT w FROM (VALUES ('a'), ('B'), ('蒙'), ('é')) AS t (w) ORDER BY w")
            assert list((await connection.execute(words)).scalars()) == ["B", "a", "é", "蒙"]
    finally:
        await engine.dispose()


def folder_modes() -> dict[Path, tuple[int, int, int]]:
    """Mode and owners of every folder above the environment, the repository, home and scratch."""
    installation = postgres.installed()
    above = {installation, *installation.parents}
    for path in (Path(sys.prefix), REPOSITORY, Path.home(), Path(sysconfig.get_path("purelib"))):
        above |= {path, *path.parents, path.resolve(), *path.resolve().parents}
    status = {folder: folder.stat() for folder in above}
    return {
        folder: (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
        for folder, found in status.items()
    }


def test_the_server_changes_no_folder_and_leaves_nothing_behind() -> None:
    before = folder_modes()
    with postgres.running() as url:
        folder = scratch_folder(url)
        assert folder.is_dir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder_modes() == before
    assert folder_modes() == before
    assert not folder.exists()


def test_the_server_does_not_run_as_root() -> None:
    with postgres.running() as url:
        assert scratch_folder(url).stat().st_uid != 0


def test_the_server_ends_with_the_process_that_started_it_even_when_that_is_killed() -> None:
    program = """
import time
import postgres
with postgres.running() as url:
    print(url, flush=True)
    time.sleep(600)
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", program],
        # The oracle's distribution brings a package `tests` of its own: here ours goes by its file.
        cwd=REPOSITORY / "tests",
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    folder = scratch_folder(starter.stdout.readline().strip())
    assert folder.is_dir()
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    give_up_at = time.monotonic() + postgres.STOP_S_MAX
    while folder.exists() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert not folder.exists()
    starter.stdout.close()


def scratch_folder(url: str) -> Path:
    host = make_url(url).query["host"]
    assert isinstance(host, str)
    return Path(host)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_name_no_address_and_pin_every_version_by_hash(path: Path) -> None:
    words = path.read_text()
    assert "://" not in words
    assert "--index" not in words
    assert "--find-links" not in words
    pins = PINNED.findall(words)
    assert pins
    starts = [line for line in words.splitlines() if line and line[0] not in " #"]
    assert len(starts) == len(pins)
    # Each pin ends where the next one starts; in between lie its hashes.
    for pin in re.split(r"^(?=[a-z])", words, flags=re.MULTILINE)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", pin), pin


def test_the_test_requirements_contain_the_run_requirements_unchanged() -> None:
    run, test = (
        dict(PINNED.findall((REPOSITORY / "requirements" / name).read_text()))
        for name in ("run.txt", "test.txt")
    )
    assert run.items() <= test.items()


def test_a_server_beside_an_engine_runs_on_the_versions_of_every_other() -> None:
    run, population = (
        dict(PINNED.findall((REPOSITORY / "requirements" / name).read_text()))
        for name in ("run.txt", "population.txt")
    )
    assert run.items() <= population.items()
    assert "distributed" in population.keys() - run.keys()


def test_the_set_up_tool_needs_only_the_standard_library() -> None:
    tree = ast.parse((REPOSITORY / "xin").read_text())
    names = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.fixture
def bare_clone(tmp_path: Path) -> Path:
    """A clone with the set-up tool and hardly more, in a folder with a space in its name."""
    clone = tmp_path / "a clone"
    (clone / "clients" / "python").mkdir(parents=True)
    (clone / "xin").write_bytes((REPOSITORY / "xin").read_bytes())
    for project in (clone, clone / "clients" / "python"):
        (project / "pyproject.toml").touch()
    return clone


def test_the_set_up_tool_says_what_it_can_do_and_installs_nothing_for_it(bare_clone: Path) -> None:
    said = subprocess.run(
        [sys.executable, bare_clone / "xin", "help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("up", "test", "lint", "schema", "bench", "faults", "verify"):
        assert f"./xin {command}" in said
    assert not (bare_clone / ".venv").exists()


def test_the_set_up_tool_names_the_package_that_a_debian_lacks(
    bare_clone: Path, tmp_path: Path
) -> None:
    # As on a Debian without python3-venv, whose Python comes without ensurepip.
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    refused = subprocess.run(
        [sys.executable, bare_clone / "xin", "up"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    version = "{}.{}".format(*sys.version_info[:2])
    assert refused.returncode == 1
    assert refused.stderr == (
        "xin: This Python cannot make environments. "
        f"On Debian or Ubuntu: apt-get install python{version}-venv\n"
    )


def test_the_set_up_tool_refuses_a_python_that_is_too_old(bare_clone: Path) -> None:
    source = (bare_clone / "xin").read_text()
    (bare_clone / "xin").write_text(source.replace("PYTHON_MIN = (3, 11)", "PYTHON_MIN = (3, 99)"))
    refused = subprocess.run(
        [sys.executable, bare_clone / "xin", "up"],
        env={"PATH": str(bare_clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("xin: Xinyuan needs Python 3.99 or newer; this is 3.")


def asked_of_xin(clone: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that finds the set-up tool of a clone as `xin`."""
    load = "from importlib.machinery import SourceFileLoader as L; "
    load += f"xin = L('xin', {str(clone / 'xin')!r}).load_module()\n"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", load + program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_of_pyenv_is_found_behind_a_stand_in_that_does_not_run(
    bare_clone: Path, tmp_path: Path
) -> None:
    stand_in, kept = tmp_path / "shims" / "python3.13", tmp_path / "versions" / "3.13.9" / "bin"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nexit 127\n")
    stand_in.chmod(0o755)
    kept.mkdir(parents=True)
    (kept / "python3.13").symlink_to(sys.executable)
    found = asked_of_xin(
        bare_clone,
        "print(*xin.pythons((3, 13)))",
        PATH=str(stand_in.parent),
        PYENV_ROOT=str(tmp_path),
    )
    assert found.stdout.split() == [str(kept / "python3.13")], found.stderr


@pytest.mark.parametrize("ci", ["true", ""])
def test_without_the_engine_of_a_cluster_ci_fails_and_nobody_else(
    bare_clone: Path, tmp_path: Path, ci: str
) -> None:
    (bare_clone / "requirements").mkdir()
    (bare_clone / "requirements" / "population.txt").touch()
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 1\n")
    uv.chmod(0o755)
    (bare_clone / ".venv" / "bin").mkdir(parents=True)
    (bare_clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    tried = asked_of_xin(
        bare_clone, "xin.install_population_if_possible()", PATH=str(tmp_path), CI=ci
    )
    assert (tried.returncode != 0) == (ci == "true"), tried.stderr
    assert ("the tests of a cluster are skipped" in tried.stdout) == (ci == "")
    assert not (bare_clone / ".population" / "xin-stamp.json").exists()


@pytest.mark.parametrize("ci", ["true", ""])
def test_without_other_peoples_verifiers_ci_fails_and_nobody_else(
    bare_clone: Path, tmp_path: Path, ci: str
) -> None:
    (bare_clone / "requirements").mkdir()
    (bare_clone / "requirements" / "peers.txt").touch()
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 1\n")
    uv.chmod(0o755)
    # The set-up tool asks the pip of .venv where its index is.
    (bare_clone / ".venv" / "bin").mkdir(parents=True)
    (bare_clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    tried = asked_of_xin(
        bare_clone, "xin.install_peers_if_possible()", PATH=str(tmp_path), PYENV_ROOT="", CI=ci
    )
    assert (tried.returncode != 0) == (ci == "true"), tried.stderr
    assert "This step failed: " in (tried.stderr if ci else tried.stdout)
    assert ("the tests of tests/peers are skipped" in tried.stdout) == (ci == "")
    assert not (bare_clone / ".peers" / "xin-stamp.json").exists()


def test_ci_runs_the_test_command_and_nothing_else() -> None:
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'cd "$(dirname "$0")/.." && exec ./xin test'
    ]
    for program in (REPOSITORY / ".ci" / "run", REPOSITORY / "xin"):
        assert program.stat().st_mode & stat.S_IXUSR
