"""C2SP tlog-witness as a client, tlog-policy at the door: no head is served without its quorum.

The witnesses are real ones, reached through their doors; those that misbehave are strangers' code.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.app import create_app
from api.cosigning import ANSWER_BYTES_MAX, ASKS_MAX, GRACE_S, ROUND_S, Cosigning
from api.service import genesis_of
from api.settings import Settings, SettingsInvalid
from api.witnessing import create_witness_app
from ledger.admission import Submission
from ledger.checkpoint import Checkpoint
from ledger.control import LogKey, issue_control
from ledger.errors import QuorumMissing
from ledger.merkle import Hash
from ledger.note import SignedNote, Signer, Verifier
from ledger.witness import Witness
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import AddCheckpoint
from tests.api.doors import Doors, fine

NAMES = ("w1", "w2", "w3")


@dataclass
class Watching:
    """A log and three witnesses; an application in `instead` answers in a witness's place."""

    doors: Doors
    log_key: Verifier
    witnesses: dict[str, Witness]
    instead: dict[str, Starlette] = field(default_factory=dict)

    def policy(self, quorum: str) -> WitnessPolicy:
        """All three, each by both keys at one URL; `quorum` ends the file."""
        lines = []
        for name, witness in self.witnesses.items():
            for number, verifier in enumerate(witness.verifiers):
                lines.append(f"witness {name}-{number} {verifier.vkey} http://{name}.test/")
            lines.append(f"group {name} all {name}-0 {name}-1")
        return WitnessPolicy.parse("\n".join([*lines, quorum, ""]).encode())

    def cosigning(self, policy: WitnessPolicy) -> Cosigning:
        """As after a start: it knows nothing of where the witnesses stand."""
        mounts = {
            f"http://{name}.test": httpx.ASGITransport(
                self.instead.get(name) or create_witness_app(witness)
            )
            for name, witness in self.witnesses.items()
        }
        service = self.doors.service
        client = httpx.AsyncClient(mounts=mounts, trust_env=False)
        return Cosigning(service.database, service.writer, policy, client)

    @asynccontextmanager
    async def client(
        self, policy: WitnessPolicy, cosigning: Cosigning | None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """Of a door that asks for this quorum."""
        service = replace(
            self.doors.service,
            settings=replace(self.doors.service.settings, witness_policy=policy),
            cosigning=cosigning,
        )
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
            yield client

    async def checkpoint(
        self, policy: WitnessPolicy, cosigning: Cosigning | None
    ) -> httpx.Response:
        """What the door says."""
        async with self.client(policy, cosigning) as client:
            return await client.get("/checkpoint")

    async def graph(
        self, policy: WitnessPolicy, cosigning: Cosigning | None, query: str
    ) -> dict[str, Any]:
        """What the graph says."""
        async with self.client(policy, cosigning) as client:
            answer: dict[str, Any] = (await client.post("/graphql", json={"query": query})).json()
            return answer

    async def grow(self) -> int:
        """One statement more; says the new size."""
        await self.doors.state(self.doors.draft(fine()))
        return self.doors.service.writer.tree_size


TWO_OF_THREE = "group enough 2 w1 w2 w3\nquorum enough"


@pytest.fixture
async def watching(doors: Doors, tmp_path: Path) -> AsyncIterator[Watching]:
    log_key = (await genesis_of(doors.service.database)).log_key
    logs = WitnessPolicy.parse(f"log {log_key.vkey}\nquorum none\n".encode())
    async with AsyncExitStack() as stack:
        witnesses = {
            name: await stack.enter_async_context(
                Witness.opened(tmp_path / name, f"{name}.test", logs, now=lambda: datetime.now(UTC))
            )
            for name in NAMES
        }
        yield Watching(doors, log_key, witnesses)


def answering(answer: Callable[[Request], Awaitable[Response]]) -> Starlette:
    """A stranger's witness."""
    return Starlette(routes=[Route("/add-checkpoint", answer, methods=["POST"])])


async def failing(request: Request) -> Response:
    return PlainTextResponse("out of order", 500)


async def test_a_head_is_served_with_all_its_cosignatures(watching: Watching) -> None:
    policy = watching.policy(TWO_OF_THREE)
    cosigning = watching.cosigning(policy)
    before = await watching.checkpoint(policy, cosigning)
    assert (before.status_code, before.json()["code"]) == (503, "LEDGER_QUORUM_MISSING")
    for _ in range(3):
        size = await watching.grow()
        assert await cosigning.step() == 0
        answer = await watching.checkpoint(policy, cosigning)
        note = SignedNote.parse(answer.content)
        assert len(note.signatures) == 1 + 2 * len(NAMES)
        assert policy.open(note, log=watching.log_key).tree_size == size


async def test_the_graph_shows_no_head_without_its_quorum_either(watching: Watching) -> None:
    policy = watching.policy(TWO_OF_THREE)
    cosigning = watching.cosigning(policy)
    entry = "{entry(leafIndex:%d){...on Entry{inclusionPath receipt checkpoint{treeSize note}}}}"
    nothing = {"inclusionPath": None, "receipt": None, "checkpoint": None}
    head = await watching.graph(policy, cosigning, "{checkpoint{treeSize}}")
    assert head["errors"][0]["extensions"]["code"] == "LEDGER_QUORUM_MISSING"
    assert (await watching.graph(policy, cosigning, entry % 0))["data"]["entry"] == nothing
    size = await watching.grow()
    assert await cosigning.step() == 0
    await watching.grow()
    # Whoever keeps no head in memory finds the one in the database.
    for knows in (cosigning, None):
        head = (await watching.graph(policy, knows, "{checkpoint{treeSize note}}"))["data"]
        assert head["checkpoint"]["treeSize"] == size
        note = SignedNote.parse(head["checkpoint"]["note"].encode())
        assert policy.open(note, log=watching.log_key).tree_size == size
        covered = (await watching.graph(policy, knows, entry % (size - 1)))["data"]["entry"]
        assert covered["checkpoint"] == head["checkpoint"]
        assert covered["inclusionPath"] is not None
        assert covered["receipt"] is not None
        beyond = (await watching.graph(policy, knows, entry % size))["data"]["entry"]
        assert beyond == nothing


async def test_a_quorum_is_enough_when_another_witness_fails(watching: Watching) -> None:
    watching.instead["w2"] = answering(failing)
    policy = watching.policy(TWO_OF_THREE)
    cosigning = watching.cosigning(policy)
    assert await cosigning.step() == 1
    assert policy.open(cosigning.note, log=watching.log_key).tree_size == (
        watching.doors.service.writer.tree_size
    )


async def test_without_its_quorum_no_head_is_served(watching: Watching) -> None:
    watching.instead.update(w1=answering(failing), w2=answering(failing))
    policy = watching.policy(TWO_OF_THREE)
    cosigning = watching.cosigning(policy)
    assert await cosigning.step() == 2
    with pytest.raises(QuorumMissing):
        _ = cosigning.note
    assert (await watching.checkpoint(policy, cosigning)).status_code == 503


async def test_a_process_that_asks_no_witnesses_serves_no_head(watching: Watching) -> None:
    answer = await watching.checkpoint(watching.policy(TWO_OF_THREE), None)
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_QUORUM_MISSING")


async def test_when_witnesses_go_the_last_head_with_its_quorum_stays(watching: Watching) -> None:
    is_away = False
    real = create_witness_app(watching.witnesses["w1"])

    async def sometimes(request: Request) -> Response:
        if is_away:
            return await failing(request)
        transport = httpx.ASGITransport(real)
        async with httpx.AsyncClient(transport=transport, base_url="http://w1.test") as client:
            answer = await client.post("/add-checkpoint", content=await request.body())
        return Response(answer.content, answer.status_code, answer.headers)

    watching.instead["w1"] = answering(sometimes)
    policy = watching.policy("quorum w1")
    cosigning = watching.cosigning(policy)
    assert await cosigning.step() == 0
    cosigned = [line for line in cosigning.note.signatures if line.name == "w1.test"]
    is_away = True
    assert await cosigning.step() == 1
    # The others cosign again; what the first said about this head stays true.
    assert [line for line in cosigning.note.signatures if line.name == "w1.test"] == cosigned
    served = str(cosigning.note)
    size = await watching.grow()
    assert await cosigning.step() == 1
    assert str(cosigning.note) == served
    is_away = False
    assert await cosigning.step() == 0
    assert policy.open(cosigning.note, log=watching.log_key).tree_size == size


async def test_after_a_restart_it_learns_where_its_witnesses_stand(watching: Watching) -> None:
    policy = watching.policy("group all all w1 w2 w3\nquorum all")
    await watching.cosigning(policy).step()
    size = await watching.grow()
    again = watching.cosigning(policy)
    assert await again.step() == 0
    assert policy.open(again.note, log=watching.log_key).tree_size == size


async def test_a_rotation_of_the_logs_key_passes_its_witnesses(
    watching: Watching, tmp_path: Path
) -> None:
    service = watching.doors.service
    policy = watching.policy("quorum w1")
    cosigning = watching.cosigning(policy)
    await cosigning.step()
    new = Signer(watching.log_key.name, service.keystore.create("log-2")).verifier
    root = service.keystore.get("root")
    entry = issue_control(LogKey(new, None), key=root, jti="rotation", issued_at=1)
    await service.writer.submit(Submission((entry,)))
    handed_over = service.writer.tree_size
    # The head that hands over bears the line that the witnesses know.
    assert await cosigning.step() == 0
    assert policy.open(cosigning.note, log=watching.log_key).tree_size == handed_over
    await watching.grow()
    assert await cosigning.step() == len(NAMES)
    served = await watching.checkpoint(policy, cosigning)
    assert policy.open(SignedNote.parse(served.content), log=new).tree_size == handed_over
    # A witness that was told of the new key goes on from there.
    both = f"log {watching.log_key.vkey}\nlog {new.vkey}\nquorum none\n"
    told = WitnessPolicy.parse(both.encode())
    async with Witness.opened(
        tmp_path / "w1", "w1.test", told, now=lambda: datetime.now(UTC)
    ) as witness:
        watching.witnesses["w1"] = witness
        again = watching.cosigning(policy)
        assert await again.step() == len(NAMES) - 1
        assert policy.open(again.note, log=new).tree_size == service.writer.tree_size


async def test_an_older_copy_of_a_log_serves_nothing_that_its_witness_has_outgrown(
    watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    service = watching.doors.service
    signer = Signer(watching.log_key.name, service.keystore.get("log"))
    ahead = Checkpoint(signer.name, service.writer.tree_size + 5, Hash(bytes(32))).signed(signer)
    await watching.witnesses["w1"].add_checkpoint(AddCheckpoint.of(0, [], ahead))
    cosigning = watching.cosigning(watching.policy("quorum w1"))
    assert await cosigning.step() == 1
    with pytest.raises(QuorumMissing):
        _ = cosigning.note
    assert "it is an older copy, or another writes under its key" in caplog.text


async def test_without_a_quorum_in_its_policy_a_log_serves_each_head_at_once(
    watching: Watching,
) -> None:
    watching.instead.update(w1=answering(failing))
    policy = watching.policy("quorum none")
    cosigning = watching.cosigning(policy)
    assert await cosigning.step() == 1
    assert len(cosigning.note.signatures) == 1 + 2 * 2


async def test_a_witness_that_hangs_does_not_keep_a_quorum_waiting(watching: Watching) -> None:
    async def hanging(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    watching.instead["w3"] = answering(hanging)
    cosigning = watching.cosigning(watching.policy(TWO_OF_THREE))
    started = monotonic()
    assert await cosigning.step() == 1
    assert GRACE_S <= monotonic() - started < ROUND_S
    assert len(cosigning.note.signatures) == 5


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param("", 200, id="an empty answer"),
        pytest.param("5\n", 200, id="a size for a cosignature"),
        pytest.param("-5\n", 409, id="a size that is none"),
        pytest.param("05\n", 409, id="a size with a leading zero"),
        pytest.param("9" * 16 + "\n", 409, id="a size beyond all sizes"),
        pytest.param("\u2014 w1.test AAAAAAAA\n", 200, id="a line of nobody"),
        pytest.param("x" * (ANSWER_BYTES_MAX + 1), 200, id="more than is read"),
        pytest.param("no", 302, id="a redirection"),
    ],
)
async def test_what_is_no_answer_of_a_witness_counts_for_nothing(
    watching: Watching, body: str, status: int
) -> None:
    async def answer(request: Request) -> Response:
        return PlainTextResponse(body, status, {"Location": "http://w2.test/add-checkpoint"})

    watching.instead["w1"] = answering(answer)
    cosigning = watching.cosigning(watching.policy("quorum w1"))
    assert await cosigning.step() == 1
    with pytest.raises(QuorumMissing):
        _ = cosigning.note


async def test_a_witness_that_always_stands_elsewhere_is_asked_so_often_and_no_more(
    watching: Watching,
) -> None:
    asked = 0

    async def moving(request: Request) -> Response:
        nonlocal asked
        asked += 1
        return PlainTextResponse(f"{asked % 2 + 1}\n", 409)

    watching.instead["w1"] = answering(moving)
    cosigning = watching.cosigning(watching.policy("quorum w1"))
    assert await cosigning.step() == 1
    assert asked == ASKS_MAX


async def test_the_job_has_every_new_head_cosigned(watching: Watching) -> None:
    policy = watching.policy(TWO_OF_THREE)
    cosigning = watching.cosigning(policy)
    cosigning.start()
    try:
        for _ in range(3):
            size = await watching.grow()
            async with asyncio.timeout(20):
                await cosigning.reached(size)
            assert policy.open(cosigning.note, log=watching.log_key).tree_size == size
    finally:
        await cosigning.close()


def test_the_policy_is_a_file_that_the_settings_name(tmp_path: Path) -> None:
    file = tmp_path / "witnesses.policy"
    named = {"XIN_WITNESS_POLICY": str(file)}
    assert Settings.from_environment({}).witness_policy is None
    with pytest.raises(SettingsInvalid) as missing:
        Settings.from_environment(named)
    assert missing.value.path == ("XIN_WITNESS_POLICY",)
    file.write_text("quorum nobody\n")
    with pytest.raises(SettingsInvalid) as wrong:
        Settings.from_environment(named)
    assert wrong.value.path == ("XIN_WITNESS_POLICY", "line", 1)
    file.write_text("quorum none\n")
    assert Settings.from_environment(named).witness_policy == WitnessPolicy.parse(b"quorum none\n")


async def test_after_a_restart_the_last_head_is_served_before_any_witness_answers(
    watching: Watching,
) -> None:
    policy = watching.policy(TWO_OF_THREE)
    first = watching.cosigning(policy)
    await first.step()
    served = str(first.note)
    watching.instead.update(dict.fromkeys(NAMES, answering(failing)))
    again = watching.cosigning(policy)
    await again.recall()
    assert str(again.note) == served
    # A round that nobody answers takes no cosignature away.
    assert await again.step() == 3
    assert str(again.note) == served
    await watching.grow()
    assert await again.step() == 3
    assert (await watching.checkpoint(policy, again)).text == served
    # A process that asks nobody shows what was kept; another policy is not satisfied with it.
    assert (await watching.checkpoint(policy, None)).text == served
    stricter = watching.cosigning(watching.policy("group all all w1 w2 w3\nquorum all"))
    await stricter.recall()
    assert str(stricter.note) == served


async def test_a_head_is_remembered_with_the_cosignatures_that_came_late(
    watching: Watching,
) -> None:
    policy = watching.policy("quorum w1")
    cosigning = watching.cosigning(policy)
    assert await cosigning.step() == 0
    again = watching.cosigning(policy)
    await again.recall()
    assert len(again.note.signatures) == 1 + 2 * len(NAMES)
    stranger = watching.cosigning(WitnessPolicy.parse(STRANGER))
    await stranger.recall()
    with pytest.raises(QuorumMissing):
        _ = stranger.note


STRANGER = b"""\
witness r remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2
quorum r
"""
