"""Keys kept by another process: it signs over a Unix socket, and never shows a seed.

    AgentCustody     the keys of an agent, as the process that signs sees them
    AgentKey         one of them
    answering        an agent, for as long as a block runs

One request a line and one answer a line, canonical JSON both ways. A request names an operation
(`names`, `get`, `create`, `sign`, `draw`) and a key; an answer has a result or the code of a
refusal. Who may open the socket may sign: the file system says who (mode 0600, or 0660 for a
group). The process that serves the world then holds no seed, and a stranger who takes it over can
have things signed while he is there, and takes no key away.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ledger import errors
from ledger.canonical import Json, b64url, decode, encode, unb64url
from ledger.custody import Algorithm, Custody, KeptKey, algorithm_of
from ledger.errors import KeyAgentAway, LedgerError, NotCanonical

MESSAGE_BYTES_MAX = 128 * 1024
"""What is signed: a token of 48 kB is the longest."""

LINE_BYTES_MAX = 256 * 1024
"""A message in base64url with what stands around it."""

ANSWER_TIMEOUT_S = 5.0
"""A signature takes a millisecond; an agent that is silent for longer is taken for gone."""

_REFUSALS: Mapping[str, type[LedgerError]] = {
    error.code: error
    for error in (
        errors.KeyNotKept,
        errors.KeyFileDamaged,
        errors.KeyFileExposed,
        errors.KeystoreDamaged,
        errors.KeystoreLocked,
        errors.KeystorePlain,
        errors.KeystoreSecretWrong,
    )
}
_EXISTS = "EXISTS"


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key of an agent."""

    name: str
    public_key: bytes
    kid: str
    agent: AgentCustody

    @property
    def algorithm(self) -> Algorithm:
        """As its name says."""
        return algorithm_of(self.name)

    @property
    def waits(self) -> bool:
        """It asks another process."""
        return True

    def sign(self, message: bytes) -> bytes:
        """Raises `KeyAgentAway`, `KeyNotKept`."""
        return self._bytes("sign", message)

    def draw(self, message: bytes) -> bytes:
        """Raises `KeyAgentAway`, `KeyNotKept`."""
        return self._bytes("draw", message)

    def _bytes(self, operation: str, message: bytes) -> bytes:
        assert len(message) <= MESSAGE_BYTES_MAX
        answer = self.agent.ask(operation, name=self.name, message=b64url(message))
        try:
            return unb64url(str(answer))
        except NotCanonical:
            raise KeyAgentAway("the agent of the keys answers in a form of its own") from None


@dataclass(frozen=True, slots=True)
class AgentCustody:
    """The keys behind a socket. Nothing is kept open, so threads and processes may share it."""

    path: Path

    def names(self) -> Sequence[str]:
        """Of all keys, sorted. Raises `KeyAgentAway`."""
        names = self.ask("names")
        return [str(name) for name in names] if isinstance(names, list) else []

    def has(self, name: str) -> bool:
        """Whether a key of that name is kept. Raises `KeyAgentAway`."""
        return name in self.names()

    def get(self, name: str) -> AgentKey:
        """Raises `KeyNotKept`, `KeyAgentAway`."""
        return self._key(name, self.ask("get", name=name))

    def create(self, name: str) -> AgentKey:
        """A new key, made where it is kept. Raises `FileExistsError`, `KeyAgentAway`."""
        return self._key(name, self.ask("create", name=name))

    def ask(self, operation: str, **members: Json) -> Json:
        """The result of one request. Raises `KeyAgentAway`, and the agent's own refusals."""
        request = encode({"operation": operation, **members}) + b"\n"
        try:
            answer = decode(self._exchange(request))
        except OSError as error:
            raise KeyAgentAway(
                f"the agent of the keys does not answer at {self.path}: {error}"
            ) from None
        except NotCanonical:
            answer = None
        match answer:
            case {"result": result, **rest} if not rest:
                return result
            case {"code": str(code), "message": str(message), **rest} if not rest:
                if code == _EXISTS:
                    raise FileExistsError(message)
                raise _REFUSALS.get(code, KeyAgentAway)(message)
            case _:
                raise KeyAgentAway("the agent of the keys answers in a form of its own")

    def _key(self, name: str, shown: Json) -> AgentKey:
        match shown:
            case {"kid": str(kid), "public_key": str(public_key), **rest} if not rest:
                with suppress(NotCanonical):
                    return AgentKey(name, unb64url(public_key), kid, self)
        raise KeyAgentAway("the agent of the keys answers in a form of its own")

    def _exchange(self, request: bytes) -> bytes:
        """A line for a line. A connection costs less than to know whether an old one is good."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.connect(str(self.path))
            connection.sendall(request)
            answer = bytearray()
            while not answer.endswith(b"\n"):
                piece = connection.recv(65_536)
                if not piece or len(answer) > LINE_BYTES_MAX:
                    raise ConnectionResetError("it hung up, or does not stop")
                answer += piece
        return bytes(answer[:-1])


@asynccontextmanager
async def answering(
    custody: Custody, path: Path, *, group: str | None = None
) -> AsyncIterator[None]:
    """Sign for whoever may open the socket at `path`, until the block ends.

    A socket that nobody listens at any more is replaced. Raises `FileExistsError` for one that
    somebody does and for whatever is no socket, `LookupError` for an unknown group.
    """
    _make_way(path)
    agent = _Agent(custody)
    mask = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(agent.serve, path, limit=LINE_BYTES_MAX)
    finally:
        os.umask(mask)
    try:
        if group is not None:
            _open_to(group, path)
        yield
    finally:
        server.close()
        agent.hang_up()
        _take_away(path)


def _make_way(path: Path) -> None:
    # To a file that is no socket a connection is refused as to one that was left behind.
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is no socket", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            raise FileExistsError(errno.EEXIST, "another agent answers there", str(path))


def _open_to(group: str, path: Path) -> None:
    shutil.chown(path, group=group)
    path.chmod(0o660)


def _take_away(path: Path) -> None:
    # Newer versions of Python have done so when the server closed.
    path.unlink(missing_ok=True)


class _Agent:
    """Keys by name, each unlocked when it is first asked for."""

    def __init__(self, custody: Custody) -> None:
        self._custody = custody
        self._keys: dict[str, KeptKey] = {}
        self._callers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One caller's requests, in order."""
        self._callers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(encode(self._answered(line.removesuffix(b"\n"))) + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            # A line longer than may be ends the connection, as does a caller who leaves.
            return
        finally:
            self._callers.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        """End every connection."""
        for writer in self._callers:
            writer.close()

    def _answered(self, line: bytes) -> Json:
        try:
            return {"result": self._result(decode(line))}
        except FileExistsError:
            return {"code": _EXISTS, "message": "a key of that name is kept"}
        except LedgerError as error:
            return {"code": error.code, "message": error.message}

    def _result(self, request: Json) -> Json:
        match request:
            case {"operation": "names", **rest} if not rest:
                return [*self._custody.names()]
            case {"operation": "get", "name": str(name), **rest} if not rest:
                return _shown(self._key(name))
            case {"operation": "create", "name": str(name), **rest} if not rest:
                _check_name(name)
                return _shown(self._custody.create(name))
            case {
                "operation": "sign" | "draw" as operation,
                "name": str(name),
                "message": str(message),
                **rest,
            } if not rest:
                key, raw = self._key(name), unb64url(message)
                return b64url(key.sign(raw) if operation == "sign" else key.draw(raw))
            case _:
                raise NotCanonical("no request to an agent of keys")

    def _key(self, name: str) -> KeptKey:
        _check_name(name)
        if name not in self._keys:
            self._keys[name] = self._custody.get(name)
        return self._keys[name]


def _shown(key: KeptKey) -> Json:
    return {"kid": key.kid, "public_key": b64url(key.public_key)}


def _check_name(name: str) -> None:
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise errors.KeyNotKept("no key has such a name")
