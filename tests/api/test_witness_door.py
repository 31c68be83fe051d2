"""C2SP tlog-witness over real HTTP, against `xin witness` as a process of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from ledger.checkpoint import Checkpoint
from ledger.cosignature import CosignatureVerifier
from ledger.merkle import Hash
from ledger.note import NoteVerifier, SignedNote, Signer
from ledger.seed_key import SeedKey
from ledger.witness import origin_hash
from ledger.witness_protocol import REQUEST_BYTES_MAX, AddCheckpoint, cosignatures_of
from tests.watched import Watched

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "witness.test/w1"
LOG = Watched()
FORK = Watched(forked_at=3)
MONITORED = f"/{origin_hash(LOG.signer.name)}/checkpoint"


@dataclass
class Running:
    """A witness that answers."""

    process: subprocess.Popen[str]
    client: httpx.Client
    verifiers: tuple[CosignatureVerifier, ...]

    def ask(self, request: AddCheckpoint | bytes) -> httpx.Response:
        return self.client.post("/add-checkpoint", content=bytes(request))

    def cosigned(self, request: AddCheckpoint) -> SignedNote:
        """The note with the answered lines, which verify."""
        answer = self.ask(request)
        assert answer.status_code == 200, answer.text
        lines = cosignatures_of(answer.content, request.note, self.verifiers)
        assert len(lines) == 2
        return SignedNote(request.note.text, (*request.note.signatures, *lines))


@dataclass(frozen=True)
class Home:
    """Where a witness lives, however often it is started."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XIN_HOME": str(self.folder), "PORT": str(free_port())}

    def command(self, name: str = NAME) -> list[str]:
        logs = self.folder / "logs.policy"
        logs.write_text(f"log {LOG.signer.verifier.vkey}\nquorum none\n")
        return [sys.executable, "-m", "api", "witness", "--name", name, "--logs", str(logs)]

    @contextmanager
    def started(self) -> Iterator[Running]:
        """A process of its own until the block ends."""
        environment = self.environment
        process = subprocess.Popen(
            self.command(),
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("witnessing 1 log keys at http://127.0.0.1:"), said
            keys = tuple(
                CosignatureVerifier.parse(process.stdout.readline().strip()) for _ in range(2)
            )
            address = f"http://127.0.0.1:{environment['PORT']}"
            with httpx.Client(base_url=address, trust_env=False) as client:
                yield Running(process, client, keys)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="module")
def standing_at_five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One witness for every refusal: what is refused leaves it where it stands."""
    with Home(tmp_path_factory.mktemp("witness")).started() as running:
        running.cosigned(LOG.request(0, 5))
        yield running


STRANGER = Signer(LOG.signer.name, SeedKey(bytes(32)))


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        pytest.param(b"", 400, "LEDGER_REQUEST_TO_WITNESS_MALFORMED", id="nothing"),
        pytest.param(
            bytes(LOG.request(5, 7)) + b"\n",
            400,
            "LEDGER_REQUEST_TO_WITNESS_MALFORMED",
            id="a byte too many",
        ),
        pytest.param(
            AddCheckpoint.of(8, [], LOG.note(7)),
            400,
            "LEDGER_REQUEST_TO_WITNESS_MALFORMED",
            id="an old size above the new one",
        ),
        pytest.param(
            Watched(Signer("log.test/unwatched", SeedKey(bytes(32)))).request(0, 7),
            404,
            "LEDGER_ORIGIN_UNKNOWN",
            id="an unknown log",
        ),
        pytest.param(
            AddCheckpoint.of(0, [], LOG.head(7).signed(STRANGER)),
            403,
            "LEDGER_CHECKPOINT_UNTRUSTED",
            id="a stranger's signature",
        ),
        pytest.param(LOG.request(0, 7), 409, "5\n", id="a conflict"),
        pytest.param(LOG.request(6, 7), 409, "5\n", id="a conflict from beyond"),
        pytest.param(
            AddCheckpoint.of(
                0, [], Checkpoint(LOG.signer.name, 0, Hash(bytes(32))).signed(LOG.signer)
            ),
            409,
            "5\n",
            id="an empty tree, once larger ones are cosigned",
        ),
        pytest.param(
            replace(LOG.request(5, 7), consistency_path=()),
            422,
            "LEDGER_CHECKPOINT_INCONSISTENT",
            id="no proof",
        ),
        pytest.param(
            FORK.request(5, 7), 422, "LEDGER_CHECKPOINT_INCONSISTENT", id="a fork that grew"
        ),
        pytest.param(
            FORK.request(5, 5), 422, "LEDGER_CHECKPOINT_INCONSISTENT", id="a fork of one size"
        ),
        pytest.param(
            b"x" * (REQUEST_BYTES_MAX + 1), 413, "REQUEST_TOO_LARGE", id="more than it takes"
        ),
    ],
)
def test_every_case_of_the_protocol_has_its_status(
    standing_at_five: Running, request_: AddCheckpoint | bytes, status: int, said: str
) -> None:
    answer = standing_at_five.ask(request_)
    assert answer.status_code == status
    if status == 409:
        assert answer.headers["content-type"] == "text/x.tlog.size"
        assert answer.text == said
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == said
    # Nothing of it was kept: the witness stands where it stood.
    assert standing_at_five.ask(LOG.request(0, 7)).text == "5\n"


def test_a_first_head_a_larger_one_and_the_same_again_are_cosigned(home: Home) -> None:
    with home.started() as witness:
        unknown = witness.client.get(MONITORED)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "LEDGER_ORIGIN_UNKNOWN")
        for old_size, size in ((0, 0), (0, 3), (3, 7), (7, 7), (7, 300)):
            note = witness.cosigned(LOG.request(old_size, size))
            monitored = witness.client.get(MONITORED)
            assert monitored.headers["content-type"] == "text/plain; charset=utf-8"
            assert monitored.text == str(note)
            trusted: list[NoteVerifier] = [LOG.signer.verifier, *witness.verifiers]
            kept = SignedNote.parse(monitored.content)
            assert kept.verified_by(trusted) == tuple(trusted)


def test_an_empty_tree_has_the_root_of_nothing(home: Home) -> None:
    wrong = Checkpoint(LOG.signer.name, 0, Hash(bytes(32))).signed(LOG.signer)
    with home.started() as witness:
        answer = witness.ask(AddCheckpoint.of(0, [], wrong))
        assert (answer.status_code, answer.json()["code"]) == (
            422,
            "LEDGER_CHECKPOINT_INCONSISTENT",
        )
        answer = witness.ask(replace(LOG.request(0, 7), consistency_path=tuple(LOG.path(3, 7))))
        assert answer.status_code == 422
        witness.cosigned(LOG.request(0, 0))


def test_other_paths_and_methods_are_problem_documents(standing_at_five: Running) -> None:
    client = standing_at_five.client
    assert client.get("/add-checkpoint").json()["code"] == "REQUEST_METHOD"
    assert client.post(MONITORED).json()["code"] == "REQUEST_METHOD"
    assert client.get("/checkpoint").json()["code"] == "REQUEST_ROUTE_UNKNOWN"
    for wrong in (MONITORED.upper().replace("CHECKPOINT", "checkpoint"), "/x/checkpoint"):
        assert client.get(wrong).status_code == 404


async def test_of_many_feeders_with_one_old_size_one_is_cosigned(home: Home) -> None:
    with home.started() as witness:
        witness.cosigned(LOG.request(0, 3))
        async with httpx.AsyncClient(
            base_url=witness.client.base_url, trust_env=False, timeout=30
        ) as client:
            bodies = [bytes(LOG.request(3, size)) for size in range(4, 20)]
            bodies += [bytes(Watched(forked_at=3).request(3, size)) for size in range(4, 20)]
            answers = await asyncio.gather(
                *(client.post("/add-checkpoint", content=body) for body in bodies)
            )
        cosigned = [number for number, one in enumerate(answers) if one.status_code == 200]
        assert len(cosigned) == 1
        size = cosigned[0] % 16 + 4
        lost = {(one.status_code, one.text) for one in answers if one.status_code != 200}
        # A fork is a fork before and after; whoever else comes late is told where it stands.
        assert lost <= {(409, f"{size}\n")}
        kept = SignedNote.parse(witness.client.get(MONITORED).content)
        assert Checkpoint.parse(kept.text).tree_size == size


def test_killed_after_an_answer_it_stands_where_it_answered(home: Home) -> None:
    for size in (3, 7, 12):
        with home.started() as witness:
            old_size = int(conflicting(witness) or 0)
            witness.cosigned(LOG.request(old_size, size))
            witness.process.send_signal(signal.SIGKILL)
            witness.process.wait()
        with home.started() as witness:
            assert conflicting(witness) == str(size)
            # What was cosigned before the kill can neither be taken back nor forked.
            assert witness.ask(LOG.request(old_size, size)).status_code == 409
            fork = Watched(forked_at=1)
            assert witness.ask(fork.request(size, size + 1)).status_code == 422


def conflicting(witness: Running) -> str | None:
    """The size a witness names to a log that asks from nowhere; None before its first."""
    answer = witness.ask(AddCheckpoint.of(1, [], LOG.note(1)))
    return answer.text.strip() if answer.text.strip() != "0" else None


def test_killed_at_any_moment_it_never_forgets_a_cosignature(home: Home) -> None:
    answered = 0
    for round_ in range(3):
        with home.started() as witness:
            stands_at = int(conflicting(witness) or 0)
            assert stands_at >= answered
            answered = stands_at
            deadline = time.monotonic() + 0.1 * (round_ + 1)
            while time.monotonic() < deadline:
                witness.cosigned(LOG.request(answered, answered + 1))
                answered += 1
            witness.process.kill()
    with home.started() as witness:
        assert int(conflicting(witness) or 0) >= answered > 0


def test_a_stopped_witness_ends_well_and_a_foreign_memory_is_refused(home: Home) -> None:
    with home.started() as witness:
        witness.process.send_signal(signal.SIGTERM)
        assert witness.process.wait(20) == 0
    ran = subprocess.run(
        home.command("witness.test/w2"),
        cwd=REPOSITORY,
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert "LEDGER_WITNESS_STATE_MISMATCH" in ran.stderr
