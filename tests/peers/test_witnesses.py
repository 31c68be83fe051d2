"""C2SP tlog-witness between strangers: `aics-witness` cosigns our log, ours cosigns an aics log.

Both are asked over HTTP, theirs in a process of its own; asked the same, they answer the same.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.cosigning import Cosigning
from api.service import genesis_of
from api.serving import Serving, listening
from api.witnessing import create_witness_app
from ledger.checkpoint import Checkpoint
from ledger.cosignature import CosignatureVerifier, log_verifier
from ledger.errors import QuorumMissing
from ledger.merkle import EMPTY_ROOT, Hash
from ledger.note import SignedNote, Signer, Verifier
from ledger.seed_key import SeedKey
from ledger.tables import CheckpointRow
from ledger.witness import Witness, origin_hash
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import AddCheckpoint, cosignatures_of
from tests.api.doors import Doors, fine
from tests.peers.oracles import Oracles, decoded, encoded, program
from tests.watched import Watched

NAME = "witness.test/w1"
LOG = Watched()
FORK = Watched(forked_at=3)
STRANGER = Watched(Signer(LOG.signer.name, SeedKey(bytes(32))))
UNKNOWN = Watched(Signer("log.test/unknown", SeedKey(bytes(range(32)))))


@dataclass(frozen=True)
class Theirs:
    """A running aics-witness."""

    url: str
    key: CosignatureVerifier


@contextmanager
def aics_witness(folder: Path, log_key: Verifier) -> Iterator[Theirs]:
    """It watches one log until the block ends."""
    folder.mkdir()
    config = ["--config", str(folder / "witness.json")]
    environment = {"PATH": os.defpath, "PYTHONUNBUFFERED": "1"}

    def run(command: str, *arguments: str) -> str:
        return subprocess.run(
            [program("aics-witness"), command, *config, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    key = run("init", "--name", NAME, "--listen", "127.0.0.1:0")
    run("add-log", "--origin", log_key.name, "--vkey", log_key.vkey)
    with subprocess.Popen(
        [program("aics-witness"), "serve", *config],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "listening on" in line)
            url = said.partition("listening on ")[2].split()[0]
            yield Theirs(url, CosignatureVerifier.parse(key))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@asynccontextmanager
async def our_witness(folder: Path, log_key: str) -> AsyncIterator[tuple[str, Witness]]:
    """Its address, and it."""
    logs = WitnessPolicy.parse(f"log {log_key}\nquorum none\n".encode())
    with listening(0) as socket:
        async with (
            Witness.opened(folder, NAME, logs, now=lambda: datetime.now(UTC)) as witness,
            Serving.running(create_witness_app(witness), socket),
        ):
            host, port = socket.getsockname()
            yield f"http://{host}:{port}", witness


async def test_their_witness_cosigns_our_log_as_it_grows(
    doors: Doors, oracles: Oracles, tmp_path: Path
) -> None:
    log_key = (await genesis_of(doors.service.database)).log_key
    with aics_witness(tmp_path / "theirs", log_key) as theirs:
        policy = WitnessPolicy.parse(
            f"log {log_key.vkey}\nwitness w {theirs.key.vkey} {theirs.url}\nquorum w\n".encode()
        )
        async with httpx.AsyncClient(trust_env=False) as client:
            cosigning = Cosigning(doors.service.database, doors.service.writer, policy, client)
            with pytest.raises(QuorumMissing):
                _ = cosigning.note
            for _ in range(3):
                await doors.state(*(doors.draft(fine()) for _ in range(3)))
                assert await cosigning.step() == 0
                checkpoint = policy.open(cosigning.note, log=log_key)
                assert checkpoint.tree_size == doors.service.writer.tree_size
                (note,) = encoded(str(cosigning.note).encode())
                taken = oracles.accepts(
                    "tlog_checkpoint",
                    note=note,
                    log_key=log_key.vkey,
                    origin=log_key.name,
                    witnesses=[theirs.key.vkey],
                    quorum=1,
                    max_age_s=60,
                )
                assert taken["witnesses"] == [NAME]
            # What a monitor reads there is the head that we serve.
            kept = await client.get(f"{theirs.url}/{origin_hash(log_key.name)}/checkpoint")
            assert SignedNote.parse(kept.content).text == cosigning.note.text


async def test_their_witness_cosigns_no_fork_of_our_log(doors: Doors, tmp_path: Path) -> None:
    database = doors.service.database
    log_key = (await genesis_of(database)).log_key
    with aics_witness(tmp_path / "theirs", log_key) as theirs:
        policy = WitnessPolicy.parse(
            f"log {log_key.vkey}\nwitness w {theirs.key.vkey} {theirs.url}\nquorum w\n".encode()
        )
        async with httpx.AsyncClient(trust_env=False) as client:
            cosigning = Cosigning(database, doors.service.writer, policy, client)
            assert await cosigning.step() == 0
            honest = cosigning.note
            await doors.state(doors.draft(fine()))
            size = doors.service.writer.tree_size
            forged = Checkpoint(log_key.name, size, Hash(bytes(32)))
            signer = Signer(log_key.name, doors.service.keystore.get("log"))
            async with database.writing() as session:
                row = await session.get_one(CheckpointRow, size)
                row.note = str(forged.signed(signer))
            assert await cosigning.step() == 1
            assert cosigning.note == honest


ENTRIES = [b"entry %d" % index for index in range(700)]
SEED = bytes(range(32))
AICS_LOG = Signer("aics.test/log", SeedKey(SEED))


async def test_our_witness_cosigns_a_log_that_aics_tlog_writes(
    oracles: Oracles, tmp_path: Path
) -> None:
    async with our_witness(tmp_path / "ours", AICS_LOG.verifier.vkey) as (url, witness):
        (ed25519,) = (one for one in witness.verifiers if len(one.public_key) == 32)
        batches = [ENTRIES[:1], ENTRIES[1:255], ENTRIES[255:257], ENTRIES[257:]]
        fed = await asyncio.to_thread(
            oracles.accepts,
            "witness_feed",
            folder=str(tmp_path / "log"),
            size=0,
            batches=[encoded(*batch) for batch in batches],
            witness=url,
            witness_key=ed25519.vkey,
            origin=AICS_LOG.name,
            seed=encoded(SEED)[0],
        )
        notes = [SignedNote.parse(note) for note in decoded(fed["notes"])]
        log = log_verifier(AICS_LOG.verifier.vkey)
        for note, size in zip(notes, (1, 255, 257, 700), strict=True):
            assert Checkpoint.parse(note.text).tree_size == size
            assert note.verified_by([log]) == (log,)
            # Of the two lines of our witness it keeps the one that it can judge.
            assert note.verified_by(witness.verifiers) == (ed25519,)


async def test_our_witness_cosigns_no_fork_of_a_log_that_aics_tlog_writes(
    oracles: Oracles, tmp_path: Path
) -> None:
    async with our_witness(tmp_path / "ours", AICS_LOG.verifier.vkey) as (url, witness):
        (ed25519,) = (one for one in witness.verifiers if len(one.public_key) == 32)
        asked = {
            "size": 0,
            "witness": url,
            "witness_key": ed25519.vkey,
            "origin": AICS_LOG.name,
            "seed": encoded(SEED)[0],
        }
        fed = await asyncio.to_thread(
            oracles.accepts,
            "witness_feed",
            folder=str(tmp_path / "log"),
            batches=[encoded(*ENTRIES[:300])],
            **asked,
        )
        said = await asyncio.to_thread(
            oracles.refuses,
            "witness_feed",
            folder=str(tmp_path / "fork"),
            batches=[encoded(b"another", *ENTRIES[1:400])],
            **asked,
        )
        assert said.startswith("WitnessRejected: ")
        assert "LEDGER_CHECKPOINT_INCONSISTENT" in said
        kept = SignedNote.parse((await witness.checkpoint(origin_hash(AICS_LOG.name))).encode())
        assert kept.text == SignedNote.parse(decoded(fed["notes"])[0]).text


def failing(request: AddCheckpoint) -> AddCheckpoint:
    failing = replace(request.note.signatures[0], signature=bytes(64))
    return replace(request, note=SignedNote(request.note.text, (failing,)))


HONEST = LOG.request(5, 9)

QUESTIONS = [
    pytest.param(LOG.request(5, 5), 200, id="the same head again"),
    pytest.param(LOG.request(0, 9), 409, id="an old size before what it cosigned"),
    pytest.param(LOG.request(3, 9), 409, id="another old size before"),
    pytest.param(LOG.request(7, 9), 409, id="an old size beyond it"),
    pytest.param(LOG.request(3, 4), 409, id="a head behind it"),
    pytest.param(FORK.request(5, 9), 422, id="a fork"),
    pytest.param(FORK.request(5, 5), 422, id="another root for the same size"),
    pytest.param(replace(HONEST, consistency_path=()), 422, id="no proof"),
    pytest.param(
        replace(HONEST, consistency_path=HONEST.consistency_path[:-1]), 422, id="too short a proof"
    ),
    pytest.param(
        replace(HONEST, consistency_path=(*HONEST.consistency_path, EMPTY_ROOT)),
        422,
        id="too long a proof",
    ),
    pytest.param(
        replace(LOG.request(5, 5), consistency_path=(EMPTY_ROOT,)), 422, id="a proof of nothing"
    ),
    pytest.param(replace(HONEST, old_size=10), 400, id="an old size beyond the head"),
    pytest.param(UNKNOWN.request(0, 5), 404, id="a log that nobody told it of"),
    pytest.param(STRANGER.request(5, 9), 403, id="a stranger's signature"),
    pytest.param(failing(HONEST), 403, id="a signature that fails"),
    pytest.param(b"", 400, id="nothing"),
    pytest.param(b"old 05\n\n" + str(LOG.note(9)).encode(), 400, id="a leading zero"),
    pytest.param(b"old -1\n\n" + str(LOG.note(9)).encode(), 400, id="a negative size"),
    pytest.param(b"old 5\nAAAA\n\n" + str(LOG.note(9)).encode(), 400, id="a hash of three bytes"),
    pytest.param(b"old 5\n\n" + str(LOG.note(9)).encode()[:-1], 400, id="a last line cut short"),
    pytest.param(bytes(HONEST).replace(b"\n", b"\r\n"), 400, id="other line ends"),
    pytest.param(
        b"old 5\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + str(LOG.note(9)).encode(),
        400,
        id="64 proof lines",
    ),
]


@pytest.fixture(scope="module")
def theirs_at_five(oracles: Oracles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    """What is refused leaves it where it stands."""
    folder = tmp_path_factory.mktemp("witness") / "theirs"
    with aics_witness(folder, LOG.signer.verifier) as theirs:
        answer = httpx.post(
            f"{theirs.url}/add-checkpoint", content=bytes(LOG.request(0, 5)), trust_env=False
        )
        assert answer.status_code == 200, answer.text
        yield theirs


@pytest.mark.parametrize(("question", "status"), QUESTIONS)
async def test_both_witnesses_answer_alike(
    theirs_at_five: Theirs, tmp_path: Path, question: AddCheckpoint | bytes, status: int
) -> None:
    async with (
        our_witness(tmp_path / "ours", LOG.signer.verifier.vkey) as (url, _),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        first = await client.post(f"{url}/add-checkpoint", content=bytes(LOG.request(0, 5)))
        assert first.status_code == 200
        answers = {
            whose: await client.post(f"{address}/add-checkpoint", content=bytes(question))
            for whose, address in (("ours", url), ("theirs", theirs_at_five.url))
        }
        statuses = {whose: answer.status_code for whose, answer in answers.items()}
        assert statuses == {"ours": status, "theirs": status}
        if status == 409:
            sizes = {(a.content, a.headers["Content-Type"]) for a in answers.values()}
            assert sizes == {(b"5\n", "text/x.tlog.size")}


def test_each_cosignature_is_one_of_theirs(theirs_at_five: Theirs) -> None:
    request = LOG.request(5, 5)
    answer = httpx.post(
        f"{theirs_at_five.url}/add-checkpoint", content=bytes(request), trust_env=False
    )
    (line,) = cosignatures_of(answer.content, request.note, [theirs_at_five.key])
    assert (line.name, line.key_id) == (NAME, theirs_at_five.key.key_id)


async def test_a_line_that_stands_twice_is_forgiven_by_ours_alone(
    theirs_at_five: Theirs, tmp_path: Path
) -> None:
    # tlog-witness and signed-note say nothing of it; Go's reader of notes skips the second line.
    request = LOG.request(5, 5)
    twice = SignedNote(request.note.text, request.note.signatures * 2)
    async with (
        our_witness(tmp_path / "ours", LOG.signer.verifier.vkey) as (url, _),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await client.post(f"{url}/add-checkpoint", content=bytes(LOG.request(0, 5)))
        content = bytes(replace(request, note=twice))
        ours = await client.post(f"{url}/add-checkpoint", content=content)
        theirs = await client.post(f"{theirs_at_five.url}/add-checkpoint", content=content)
    assert (ours.status_code, theirs.status_code) == (200, 403)
