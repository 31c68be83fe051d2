"""The agent of keys over its socket: who may ask, what it answers, when it is taken for gone."""

import asyncio
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from grp import getgrgid
from pathlib import Path

import pytest

from ledger import key_agent
from ledger.canonical import Json, decode, encode
from ledger.errors import KeyAgentAway, KeyNotKept, KeystoreLocked
from ledger.key_agent import LINE_BYTES_MAX, MESSAGE_BYTES_MAX, AgentCustody, answering
from ledger.keystore import Keystore
from ledger.vault import MEMORY_BYTES_MIN, Cost, Passphrase

CHEAP = Cost(passes=1, memory_bytes=MEMORY_BYTES_MIN)


async def asked(path: Path, *lines: bytes) -> list[Json]:
    """Raw lines to the agent, and what it answers until it has answered all or hung up."""
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    with suppress(ConnectionError):
        for line in lines:
            writer.write(line + b"\n")
            await writer.drain()
            answer = await reader.readline()
            if not answer:
                break
            answers.append(decode(answer.removesuffix(b"\n")))
    writer.close()
    return answers


async def test_the_socket_is_its_owners_or_a_groups(tmp_path: Path) -> None:
    path = tmp_path / "in" / "agent.sock"
    async with answering(Keystore(tmp_path), path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()
    async with answering(Keystore(tmp_path), path, group=getgrgid(os.getgid()).gr_name):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(LookupError):
        async with answering(Keystore(tmp_path), path, group="nobody-has-this-group"):
            pass
    assert not path.exists()


async def test_a_socket_that_was_left_behind_is_replaced_and_a_live_one_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with answering(Keystore(tmp_path), path):
        with pytest.raises(FileExistsError):
            async with answering(Keystore(tmp_path), path):
                pass
        assert await asked(path, encode({"operation": "names"})) == [{"result": []}]


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
async def test_what_is_no_socket_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """The wrong name of a socket may be that of a key."""
    Keystore(tmp_path).create("root")
    key = tmp_path / "root.key"
    path = {"file": key, "link": tmp_path / "link", "folder": tmp_path / "folder"}[kind]
    (tmp_path / "link").symlink_to(key)
    (tmp_path / "folder").mkdir()
    before = key.read_bytes()
    with pytest.raises(FileExistsError):
        async with answering(Keystore(tmp_path), path):
            pass
    assert key.read_bytes() == before
    assert path.exists()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="no operation"),
        pytest.param(b'{"operation":"names","x":1}', id="one member too many"),
        pytest.param(b'{"operation": "names"}', id="another spelling"),
        pytest.param(b'{"operation":"show","name":"log"}', id="an unknown operation"),
        pytest.param(b'{"name":"log","operation":"sign"}', id="no message"),
        pytest.param(b'{"message":"?","name":"log","operation":"sign"}', id="no base64url"),
        pytest.param(b'{"name":1,"operation":"get"}', id="a name that is no text"),
        pytest.param(b"\xff", id="no UTF-8"),
    ],
)
async def test_a_request_outside_its_form_is_refused_and_the_next_is_answered(
    tmp_path: Path, line: bytes
) -> None:
    Keystore(tmp_path).create("log")
    path = tmp_path / "agent.sock"
    async with answering(Keystore(tmp_path), path):
        refused, answered = await asked(path, line, encode({"operation": "names"}))
    assert isinstance(refused, dict)
    assert refused["code"] == "LEDGER_NOT_CANONICAL"
    assert answered == {"result": ["log"]}


@pytest.mark.parametrize("name", ["../log", "", "a/b", "log.key", "é"])
async def test_a_name_leads_to_no_other_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "agent.sock"
    async with answering(Keystore(tmp_path / "keys"), path):
        for operation in ("get", "create"):
            (answer,) = await asked(path, encode({"operation": operation, "name": name}))
            assert isinstance(answer, dict)
            assert answer["code"] == "LEDGER_KEY_NOT_KEPT"
    assert not (tmp_path / "keys").exists()


async def test_a_line_without_an_end_ends_the_connection_alone(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    async with answering(Keystore(tmp_path), path):
        assert await asked(path, b"x" * (2 * LINE_BYTES_MAX)) == []
        assert await asked(path, encode({"operation": "names"})) == [{"result": []}]


async def test_a_refusal_of_the_keystore_comes_through_as_it_is(tmp_path: Path) -> None:
    Keystore(tmp_path, Passphrase(b"a passphrase of tests"), cost=CHEAP).create("log")
    path = tmp_path / "agent.sock"
    async with answering(Keystore(tmp_path), path):
        custody = AgentCustody(path)
        with pytest.raises(KeystoreLocked):
            await asyncio.to_thread(custody.get, "log")
        with pytest.raises(KeyNotKept):
            await asyncio.to_thread(custody.get, "root")


async def test_the_longest_message_is_signed(tmp_path: Path) -> None:
    Keystore(tmp_path).create("log")
    path = tmp_path / "agent.sock"
    async with answering(Keystore(tmp_path), path):
        custody = AgentCustody(path)
        key = await asyncio.to_thread(custody.get, "log")
        message = bytes(MESSAGE_BYTES_MAX)
        assert len(await asyncio.to_thread(key.sign, message)) == 64
        with pytest.raises(AssertionError):
            key.sign(message + b"\0")


async def test_an_agent_that_was_started_anew_is_asked_again(tmp_path: Path) -> None:
    Keystore(tmp_path).create("log")
    path = tmp_path / "agent.sock"
    custody = AgentCustody(path)
    async with answering(Keystore(tmp_path), path):
        key = await asyncio.to_thread(custody.get, "log")
        signed = await asyncio.to_thread(key.sign, b"a")
    with pytest.raises(KeyAgentAway):
        key.sign(b"a")
    async with answering(Keystore(tmp_path), path):
        assert await asyncio.to_thread(key.sign, b"a") == signed


def test_an_agent_that_never_was_is_away(tmp_path: Path) -> None:
    custody = AgentCustody(tmp_path / "nothing.sock")
    for attempt in (custody.names, lambda: custody.has("log"), lambda: custody.create("log")):
        with pytest.raises(KeyAgentAway):
            attempt()


@contextmanager
def impostor(path: Path, answer: bytes | None) -> Iterator[None]:
    """Somebody else's agent, which answers every line alike; None says nothing at all."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        done = threading.Event()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listening.accept()
                    with caller:
                        caller.recv(65_536)
                        if answer is None:
                            done.wait(10)
                        else:
                            caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="it hangs up"),
        pytest.param(b"{}\n", id="neither result nor refusal"),
        pytest.param(b"no JSON\n", id="no JSON"),
        pytest.param(b'{"result":1}\n', id="no key"),
        pytest.param(b'{"result":{"kid":"x","public_key":"?"}}\n', id="no public key"),
        pytest.param(b'{"code":"WHO_KNOWS","message":"x"}\n', id="a refusal nobody knows"),
        pytest.param(b"x" * (2 * LINE_BYTES_MAX), id="a line without an end"),
    ],
)
def test_an_agent_that_answers_in_a_form_of_its_own_is_away(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "agent.sock"
    with impostor(path, answer), pytest.raises(KeyAgentAway):
        AgentCustody(path).get("log")


def test_an_agent_that_is_silent_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_agent, "ANSWER_TIMEOUT_S", 0.05)
    path = tmp_path / "agent.sock"
    with impostor(path, None), pytest.raises(KeyAgentAway):
        AgentCustody(path).get("log")
