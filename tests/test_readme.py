"""The README shows what the commands print: its tour is taken here, in the reader's own order."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tour import Step, pattern, steps, write_xin

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
READY = "is ready"
LOG_KEY = "'localhost/xinyuan+…'"


@dataclass(frozen=True)
class Reader:
    """Somebody in a fresh clone, beside a server that runs."""

    folder: Path
    environment: dict[str, str]
    log_key: str
    welcome: str

    def run(self, command: str) -> str:
        """What the command prints, wherever it prints it."""
        ran = subprocess.run(
            command.replace(LOG_KEY, shlex.quote(self.log_key)),
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # A progress bar is drawn for whoever watches; it is no part of what is shown.
        lines = ran.stdout.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("capturing "))


@pytest.fixture
def reader(tmp_path: Path, shared_data: Callable[[str], Path]) -> Iterator[Reader]:
    """Has typed `./xin up` and waits for nothing more."""
    folder = tmp_path / "xinyuan"
    folder.mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(shared_data("epcis").parent)
    script = write_xin(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "XIN_HOME": str(folder / "var"),
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "clients/python/src"))),
        "NO_COLOR": "1",
    }
    environment.pop("XIN_DATABASE_URL", None)
    server = subprocess.Popen(
        [str(script), "up"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        welcome = ""
        for line in server.stdout:
            welcome += line
            if line.startswith("Everything told"):
                break
        assert READY in welcome, welcome
        (log_key,) = re.findall(r"^  log key +(\S+)$", welcome, re.MULTILINE)
        yield Reader(folder, environment, log_key, welcome)
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=20)
        assert (server.returncode, rest) == (0, "")
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


def test_the_tour_prints_what_the_readme_shows(reader: Reader) -> None:
    taken = [step for step in steps(README) if isinstance(step, Step)]
    assert len(taken) >= 6
    for step in taken:
        printed = reader.run(step.command)
        assert pattern(step.shown).fullmatch(printed), f"$ {step.command}\n{printed}"


def test_the_three_queries_that_xin_up_prints_are_answered(reader: Reader) -> None:
    commands = re.findall(r"^  (curl .+)$", reader.welcome, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        # Nobody needs curl to be installed for the tests: the same request, by our own client.
        words = shlex.split(command)
        assert words[:2] == ["curl", "-s"]
        answer = reader.run(shlex.join([sys.executable, "-c", ASK, *words[2:]]))
        assert '"data"' in answer
        assert "errors" not in answer
        assert "Refusal" not in answer


ASK = """\
import subprocess, sys, httpx
address, *options = sys.argv[1:]
headers = [o for name, o in zip(options, options[1:]) if name == "-H"]
(body,) = [o for name, o in zip(options, options[1:]) if name == "-d"]
headers += [o[2:] for o in options if o.startswith("-H") and len(o) > 2]
shown = [subprocess.check_output(["sh", "-c", f'printf %s "{h}"'], text=True) for h in headers]
pairs = dict(h.split(":", 1) for h in shown)
pairs = {name: value.strip() for name, value in pairs.items()}
print(httpx.post(address, content=body, headers=pairs, trust_env=False).text)
"""


def test_the_readme_names_the_command_that_ci_runs() -> None:
    ran = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert ran.rstrip().endswith("exec ./xin test")
    assert "\n    ./xin test\n" in README


def test_every_folder_of_the_map_is_there() -> None:
    (tree,) = re.findall(r"<!-- map -->\n```\n(.*?)\n```", README, re.DOTALL)
    named = re.findall(r"^([a-z.]+/?)\s", tree, re.MULTILINE)
    assert named
    for name in named:
        assert (REPOSITORY / name).exists(), name
