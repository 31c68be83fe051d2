"""Asking other people's verifiers, which live in `.peers` and are never imported here.

    Oracles           a process of `oracle.py` under their Python
    Oracles.running   for as long as a block lasts
    Oracles.ask       a question, its answer as it stands
    Oracles.accepts   what must be accepted; Oracles.refuses what must not, in their words
    OracleBroke       neither: a mistake in the question
    program           a command of theirs, as `aics-witness`
    encoded, decoded  bytes as questions and answers carry them

`ask` blocks; a test that serves something in its own event loop asks from a thread.
"""

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = REPOSITORY / ".peers"
ORACLE = Path(__file__).with_name("oracle.py")


class OracleBroke(Exception):
    """The library raised what is no refusal; the message is its traceback."""


class Oracles:
    """One process that answers, one question at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Until the block ends."""
        # -P: the folder of the script holds our tests, whose names are not theirs to import.
        with subprocess.Popen(
            [program("python"), "-P", ORACLE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield cls(process)

    def ask(self, question: str, **parts: object) -> dict[str, Any]:
        """Raises `OracleBroke`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"ask": question, **parts}) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        if "broke" in answer:
            raise OracleBroke(answer["broke"])
        return answer

    def accepts(self, question: str, **parts: object) -> dict[str, Any]:
        """The answer, which is no refusal."""
        answer = self.ask(question, **parts)
        assert answer["accepts"], answer["says"]
        return answer

    def refuses(self, question: str, **parts: object) -> str:
        """Why it refuses."""
        answer = self.ask(question, **parts)
        assert not answer["accepts"], answer
        return str(answer["says"])


def program(name: str) -> Path:
    """A program of their environment."""
    return ENVIRONMENT / "bin" / name


def encoded(*parts: bytes) -> list[str]:
    """Each in base64."""
    return [base64.b64encode(part).decode() for part in parts]


def decoded(parts: Sequence[str]) -> list[bytes]:
    """Its inverse."""
    return [base64.b64decode(part, validate=True) for part in parts]
