"""How many single signed statements become durable a second through the real HTTP door?

Data: statements of eleven weighing members and three particulars, some 1.2 kB of token and 2.4 kB
with disclosures, signed beforehand. A closed loop: each client sends one over its own connection,
waits for the index, and sends the next.

Machine of the numbers below: 2 shared cores, the clients on them too; 24 GiB, a virtual disk,
CPython 3.11.7, SQLite 3.40 with `synchronous=FULL`.

Measured in one run: 256 clients and one client against `xin serve`, all views following, and beside
them the limit that one core has here: Ed25519 verifications a second by PyNaCl.

Five runs on 2026-11-25, nothing else running: 1,145 to 1,309 a second, median 1,198, p50 199 ms at
256 clients; one client p50 5.6 ms. One core verifies some 18,000 a second, 15 times as many.

What follows: where the second step of the ledger begins; its bar is 4,000 a second. Most of the
time goes into parsing each statement twice, at the door and for the views.
"""

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import uvloop
from nacl.signing import SigningKey

from api.access import Tier
from api.founding import admit_authority, found, prepare_keys
from api.operating import migrate_database
from api.service import Service
from api.settings import Settings
from api.tokens import read_token, write_demo_tokens
from ledger.identity import Identity
from ledger.keystore import Keystore
from ledger.salts import fresh_salts
from ledger.statement import Draft, Severity, Weighing, issue

RUNS = int(os.environ.get("RUNS", "5"))
MANY = 256
MANY_STATEMENTS = 6_000
ONE_STATEMENTS = 300
PORT = 8743

AUTHORITY = Identity.parse("uscc", "11150000MB0XY0014W")
SUBJECTS = [Identity.parse("fei", str(3_000_000_000 + number)) for number in range(1_000)]


async def prepared(settings: Settings) -> None:
    """A founded log with one authority, and its credential."""
    await migrate_database(settings)
    keystore = Keystore(settings.keys_folder)
    prepare_keys(keystore)
    async with Service.opened(settings, writes=True) as service:
        await found(service, operator="benchmark")
        await admit_authority(
            service, AUTHORITY.label(), names={"en": "Authority"}, kinds=("inspection",)
        )
    write_demo_tokens(
        settings.tokens_folder,
        keystore,
        {Tier.AUTHORITY: AUTHORITY.label()},
        audience=settings.origin,
        at=datetime.now(UTC),
    )


def presentations(seed: bytes, count: int) -> Iterator[bytes]:
    """Signed statements, whole, as they are sent."""
    salts = fresh_salts()
    weighing = Weighing(
        kind="inspection",
        code="hygiene",
        outcome="fail",
        severity=Severity.GENERAL,
        occurred_on=date(2026, 3, 1),
        decided_on=date(2026, 3, 10),
        basis="lab",
        measures={"samples": 5, "samples_failed": 1},
    )
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        draft = Draft(
            issuer=AUTHORITY.label(),
            subject=subject.label(),
            jti=secrets.token_hex(16),
            issued_at=1_772_000_000,
            weighing=weighing,
            particulars={
                "subject": {"id": subject.identifier, "scheme": subject.scheme.value},
                "text": "菌落总数超标",
                "gtin": "06901234567892",
            },
        )
        yield issue(draft, seed, salts).presentation.encode()


class Client(asyncio.Protocol):
    """One connection: send, wait for the index, send the next."""

    def __init__(self, head: bytes, work: Iterator[bytes], waits: list[float]) -> None:
        self._head = head
        self._work = work
        self._waits = waits
        self._answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Whole answers only."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        assert head.startswith(b"HTTP/1.1 200"), self._answer
        assert b'"leaf_index"' in body
        self._waits.append(time.perf_counter() - self._sent_at)
        self._answer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """The server left before the work was done."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError())

    def _next(self) -> None:
        body = next(self._work, None)
        if body is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(self._head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


async def load(token: str, bodies: list[bytes], clients: int) -> tuple[float, list[float]]:
    """Statements a second, and how long each client waited for each."""
    head = (
        f"POST /entries HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/sd-jwt\r\n"
    ).encode()
    work = iter(bodies)
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    connected = [
        await loop.create_connection(lambda: Client(head, work, waits), "127.0.0.1", PORT)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in connected))
    return len(bodies) / (time.perf_counter() - started), waits


def verifications_a_second() -> float:
    """One core's limit for statements that are signed one by one."""
    key = SigningKey.generate()
    message = secrets.token_bytes(1_200)
    signature = key.sign(message).signature
    verifier, count = key.verify_key, 5_000
    started = time.perf_counter()
    for _ in range(count):
        verifier.verify(message, signature)
    return count / (time.perf_counter() - started)


def run(home: Path) -> tuple[float, float, float, float]:
    """Rate and median wait of many, median wait of one, and the limit."""
    settings = Settings(
        home=home,
        database_url=f"sqlite+aiosqlite:///{home / 'ledger.sqlite'}",
        port=PORT,
        origin="benchmark/xinyuan",
        demo=True,
        credential_issuers={},
    )
    asyncio.run(prepared(settings))
    seed = Keystore(settings.keys_folder).issuer_seed(AUTHORITY.label())
    many = list(presentations(seed, MANY_STATEMENTS))
    one = list(presentations(seed, ONE_STATEMENTS))
    token = read_token(settings.tokens_folder, Tier.AUTHORITY)
    environment = {**os.environ, "XIN_HOME": str(home), "XIN_DEMO": "1", "PORT": str(PORT)}
    program = Path(sys.executable).with_name("xin")
    with subprocess.Popen([program, "serve"], env=environment, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            _, waits_of_one = uvloop.run(load(token, one, 1))
            rate, waits = uvloop.run(load(token, many, MANY))
        finally:
            server.terminate()
    limit = verifications_a_second()
    return rate, statistics.median(waits), statistics.median(waits_of_one), limit


def main() -> int:
    """Print every run, then medians and the ratio."""
    results = []
    for number in range(1, RUNS + 1):
        with tempfile.TemporaryDirectory() as folder:
            rate, wait, wait_of_one, limit = run(Path(folder))
        results.append((rate, wait, wait_of_one, limit))
        print(
            f"run {number}: {rate:.0f}/s at {MANY} clients, p50 {wait * 1e3:.0f} ms; "
            f"one client p50 {wait_of_one * 1e3:.1f} ms; one core verifies {limit:.0f}/s"
        )
    rate, wait, wait_of_one, limit = (
        statistics.median(column) for column in zip(*results, strict=True)
    )
    print(
        f"median {rate:.0f}/s, p50 {wait * 1e3:.0f} ms; one client p50 {wait_of_one * 1e3:.1f} ms"
    )
    print(f"{rate / limit:.2f} of what one core verifies")
    return 0


if __name__ == "__main__":
    sys.exit(main())
