"""Every custody alike: a key is named, signs, and is never shown.

A further one, a hardware module's, joins the list of `CUSTODIES` and is held by the same tests.
"""

import asyncio
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from nacl.signing import VerifyKey

from ledger.cosignature import CosignatureVerifier, Cosigner
from ledger.custody import Algorithm, Custody, algorithm_of, next_name, series
from ledger.errors import KeyNotKept
from ledger.key_agent import AgentCustody, answering
from ledger.keystore import Keystore
from ledger.token import Token, TokenType, sign, thumbprint
from ledger.vault import MEMORY_BYTES_MIN, Cost, Passphrase


@contextmanager
def plain(folder: Path) -> Iterator[Custody]:
    """Key files that lie open."""
    yield Keystore(folder)


@contextmanager
def sealed(folder: Path) -> Iterator[Custody]:
    """Key files under a passphrase."""
    cost = Cost(passes=1, memory_bytes=MEMORY_BYTES_MIN)
    yield Keystore(folder, Passphrase(b"a passphrase of tests"), cost=cost)


@contextmanager
def agent(folder: Path) -> Iterator[Custody]:
    """Key files that another thread keeps, behind a socket."""
    path, ready, loop = folder / "agent.sock", threading.Event(), asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def serve() -> None:
        async with answering(Keystore(folder / "keys"), path):
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield AgentCustody(path)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


CUSTODIES = [plain, sealed, agent]
Opening = Callable[[Path], AbstractContextManager[Custody]]


@pytest.fixture(params=CUSTODIES, ids=lambda opening: opening.__name__)
def custody(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Custody]:
    opening: Opening = request.param
    with opening(tmp_path) as opened:
        yield opened


def test_an_empty_custody_has_no_key(custody: Custody) -> None:
    assert list(custody.names()) == []
    assert not custody.has("log")
    with pytest.raises(KeyNotKept):
        custody.get("log")


def test_a_key_is_made_once_and_found_again(custody: Custody) -> None:
    made = custody.create("log")
    custody.create("door")
    with pytest.raises(FileExistsError):
        custody.create("log")
    found = custody.get("log")
    assert (found.kid, found.public_key) == (made.kid, made.public_key)
    assert list(custody.names()) == ["door", "log"]
    assert custody.has("log")


def test_what_a_key_signs_verifies_under_its_public_half(custody: Custody) -> None:
    key = custody.create("door")
    assert key.algorithm is Algorithm.ED25519
    assert key.kid == thumbprint(key.public_key)
    for message in (b"", b"a", bytes(48_000)):
        VerifyKey(key.public_key).verify(message, key.sign(message))
    token = sign(key, TokenType.CONTROL, {"a": 1})
    Token.parse(token.text).verify(key.public_key)
    assert sign(key, TokenType.CONTROL, {"a": 1}) == token


def test_a_post_quantum_key_cosigns(custody: Custody) -> None:
    cosigner = Cosigner("log.test/x", custody.create("log-ml-dsa-44"))
    assert cosigner.key.algorithm is Algorithm.ML_DSA_44
    head = "log.test/x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    line = cosigner.cosign(head, at_s=1)
    assert CosignatureVerifier.parse(cosigner.verifier.vkey).accepts(head.encode(), line.signature)


def test_what_is_drawn_follows_from_key_and_message(custody: Custody) -> None:
    one, other = custody.create("one"), custody.create("other")
    assert len(one.draw(b"a")) == 32
    assert one.draw(b"a") == custody.get("one").draw(b"a")
    assert len({one.draw(b"a"), one.draw(b"b"), other.draw(b"a")}) == 3


def test_nobody_is_shown_a_seed(custody: Custody, tmp_path: Path) -> None:
    key = custody.create("log")
    (file,) = tmp_path.rglob("log.key")
    lies_open = re.search(rb'"seed":"([^"]{43})"', file.read_bytes())
    told = f"{key!r} {custody!r}"
    assert "seed=" not in told
    assert lies_open is None or lies_open[1].decode() not in told


def test_a_key_may_be_handed_to_another_process(custody: Custody) -> None:
    key = custody.create("door")
    handed = pickle.loads(pickle.dumps(key))
    assert handed.sign(b"a") == key.sign(b"a")


def test_a_name_says_the_algorithm() -> None:
    assert algorithm_of("log-2-ml-dsa-44") is Algorithm.ML_DSA_44
    assert algorithm_of("log-2") is Algorithm.ED25519


def test_keys_of_one_owner_are_numbered_and_no_number_comes_again() -> None:
    names = ["log", "log-10", "log-2", "log-ml-dsa-44", "log-2-ml-dsa-44", "logs", "door", "log-x"]
    assert series(names, "log") == ["log", "log-2", "log-10"]
    assert series(names, "log", "-ml-dsa-44") == ["log-ml-dsa-44", "log-2-ml-dsa-44"]
    assert next_name(names, "log") == "log-11"
    assert next_name(names, "log", "-ml-dsa-44") == "log-3-ml-dsa-44"
    assert next_name(["log"], "log") == "log-2"
    assert next_name([], "log", "-ml-dsa-44") == "log-ml-dsa-44"
    # What was taken away in the meantime does not free its number.
    assert next_name(["log-2"], "log") == "log-3"
