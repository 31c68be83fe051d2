"""docs/founding.md leads from an empty folder to a first statement: the whole way is taken here."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.tour import Written, pattern, steps, write_xin

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT = (REPOSITORY / "docs" / "founding.md").read_text(encoding="utf-8")
SERVE = "./xin serve"


class Operator:
    """Somebody in a fresh clone, with a shell that remembers what was exported."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def run(self, command: str) -> str:
        """What a command prints, wherever it prints it."""
        if command.startswith("export "):
            told = self._shell(f"set -e; {command}; env -0")
            self.environment = dict(line.split("=", 1) for line in told.rstrip("\0").split("\0"))
            return ""
        return self._shell(command)

    @contextmanager
    def leaving(self, command: str, shown: str) -> Iterator[None]:
        """A command that is left running once it has printed its line."""
        process = subprocess.Popen(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            printed = process.stdout.readline()
            assert pattern(shown).fullmatch(printed), printed + process.stdout.read()
            yield
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=20)
            assert (process.returncode, rest) == (0, "")
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def _shell(self, command: str) -> str:
        ran = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.stdout


@pytest.fixture
def operator(tmp_path: Path, database_url: str) -> Operator:
    """Has cloned, and typed nothing yet."""
    folder = tmp_path / "xinyuan"
    folder.mkdir()
    (folder / "credit").symlink_to(REPOSITORY / "credit")
    write_xin(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    unset = {name: value for name, value in os.environ.items() if not name.startswith("XIN_")}
    environment = {
        **unset,
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "clients/python/src"))),
        "NO_COLOR": "1",
        "XIN_DATABASE_URL": database_url,
    }
    return Operator(folder, environment)


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
def test_the_way_to_a_first_statement_is_as_the_document_shows_it(operator: Operator) -> None:
    taken = list(steps(DOCUMENT))
    assert len(taken) >= 20
    with ExitStack() as left_running:
        for step in taken:
            if isinstance(step, Written):
                (operator.folder / step.name).write_text(step.content, encoding="utf-8")
            elif step.command == SERVE:
                left_running.enter_context(operator.leaving(f"exec {SERVE}", step.shown))
            else:
                printed = operator.run(step.command)
                assert pattern(step.shown).fullmatch(printed), f"$ {step.command}\n{printed}"
