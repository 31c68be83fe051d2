"""How many single signed statements become durable a second through the real HTTP door?

Data: statements of eleven weighing members and three particulars, some 1.2 kB of token and 2.4 kB
with disclosures, about a thousand enterprises, signed beforehand. A closed loop: each client sends
one over its own connection, waits for the index, and sends the next.

Machine of the numbers below: 2 shared cores, 24 GiB, a virtual disk, CPython 3.11.7, nothing else
running.

Measured in one run, on SQLite with `synchronous=FULL` and on PostgreSQL 18 that flushes each
commit, against `xin serve` as it starts here: (1) one client; (2) a burst of BURST statements by
256 clients, in which the views let the writer go first; how long until /checkpoint, asked every
20 ms, covers a statement that was sent; how long the views take to be at the head after it;
(3) SUSTAINED statements more without a pause, in which the views must keep up. Beside them the
limit that one core has here: Ed25519 verifications a second by PyNaCl.

Two runs on 2026-11-25 at the commit in which doors keep the memory of a chunk, with SUSTAINED=0,
while another developer used the machine lightly. SQLite: 4,880 and 5,010 a second at 256 clients,
0.28 of what one core verifies, p50 47 ms; the checkpoint covered after 65 and 72 ms; one client 3.0
and 2.9 ms. PostgreSQL: 4,630 and 3,900, p50 52 and 61 ms, covered after 72 and 84 ms, one client
3.6 and 5.4 ms. The bounds of 4,000 a second and of 150 ms are met on SQLite.

Five runs shortly before, when doors read the checkpoint from the database. SQLite: median 4,300,
p50 57 ms, covered after 179 to 263 ms, median 214; sustained 3,380 to 3,640, median 3,470.
PostgreSQL: 3,910, p50 61 ms, covered 115 ms, sustained 3,320.

What follows: `docs/decisions/0032-one-writer-among-several-processes.md` and
`docs/decisions/0041-a-door-shows-the-head-it-was-told.md`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import uvloop
from nacl.signing import SigningKey

from api.access import Tier
from api.founding import admit_authority, found, prepare_keys
from api.operating import migrate_database
from api.service import Service, views
from api.settings import Settings
from api.tokens import read_token, write_demo_tokens
from ledger.custody import KeptKey
from ledger.database import Database
from ledger.follower import Follower
from ledger.identity import Identity
from ledger.keystore import Keystore
from ledger.salts import fresh_salts
from ledger.statement import Draft, Severity, Weighing, issue

RUNS = int(os.environ.get("RUNS", "5"))
MANY = 256
BURST = 12_000
SUSTAINED = int(os.environ.get("SUSTAINED", "30000"))
ONE_STATEMENTS = 300
POLL_S = 0.02
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


def presentations(key: KeptKey, count: int) -> Iterator[bytes]:
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
        yield issue(draft, key, salts).presentation.encode()


@dataclass(frozen=True)
class Answered:
    """One statement: when it was sent, when answered, and where it stands."""

    sent_at: float
    answered_at: float
    leaf_index: int


class Client(asyncio.Protocol):
    """One connection: send, wait for the index, send the next."""

    def __init__(self, head: bytes, work: Iterator[bytes], answered: list[Answered]) -> None:
        self._head = head
        self._work = work
        self._answered = answered
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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
        leaf_index = int(body.partition(b'"leaf_index":')[2].partition(b",")[0])
        self._answered.append(Answered(self._sent_at, time.perf_counter(), leaf_index))
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


@dataclass(frozen=True)
class Load:
    """What one loop saw."""

    rate: float
    wait_ms: float
    covered_ms: float
    """Until /checkpoint covered a statement, from when it was sent."""


async def load(token: str, bodies: Sequence[bytes], clients: int) -> Load:
    """So many clients until all is answered."""
    head = (
        f"POST /entries HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/sd-jwt\r\n"
    ).encode()
    work = iter(bodies)
    answered: list[Answered] = []
    loop = asyncio.get_running_loop()
    seen: list[tuple[int, float]] = []
    watching = asyncio.create_task(_watch(seen))
    started = time.perf_counter()
    connected = [
        await loop.create_connection(lambda: Client(head, work, answered), "127.0.0.1", PORT)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in connected))
    rate = len(bodies) / (time.perf_counter() - started)
    await asyncio.sleep(2 * POLL_S)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    sizes = [size for size, _ in seen]
    covered = []
    for one in answered:
        at = bisect_right(sizes, one.leaf_index)
        if at < len(seen):
            covered.append(max(0.0, seen[at][1] - one.sent_at))
    return Load(
        rate,
        statistics.median(one.answered_at - one.sent_at for one in answered) * 1e3,
        statistics.median(covered) * 1e3,
    )


async def _watch(seen: list[tuple[int, float]]) -> None:
    """The size of the checkpoint, and when it was there, every POLL_S."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    while True:
        writer.write(b"GET /checkpoint HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        note = await reader.readexactly(length)
        seen.append((int(note.split(b"\n")[1]), time.perf_counter()))
        await asyncio.sleep(POLL_S)


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


async def views_at_head(url: str) -> float:
    """Seconds until every view has read the whole log."""
    database = Database.connect(url)
    follower = Follower(database, views())
    started = time.perf_counter()
    while await follower.lag():  # noqa: ASYNC110  (another process moves it)
        await asyncio.sleep(0.05)
    await database.close()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Run:
    """The figures of one run."""

    one_wait_ms: float
    burst: float
    wait_ms: float
    covered_ms: float
    behind_s: float
    sustained: float
    limit: float


def run(url: str, home: Path) -> Run:
    """On one fresh database."""
    # Imported here: the stage itself takes its statements from this module.
    from benchmarks.stage.growing import settings_of
    from benchmarks.stage.serving import served

    settings = settings_of(url, home)
    asyncio.run(prepared(settings))
    key = Keystore(settings.keys_folder).get(AUTHORITY.label())
    one, warming, burst, sustained = (
        list(presentations(key, count)) for count in (ONE_STATEMENTS, 1_000, BURST, SUSTAINED)
    )
    token = read_token(settings.tokens_folder, Tier.AUTHORITY)
    with served(settings):
        uvloop.run(load(token, warming, MANY))
        uvloop.run(views_at_head(url))
        alone = uvloop.run(load(token, one, 1))
        uvloop.run(views_at_head(url))
        many = uvloop.run(load(token, burst, MANY))
        behind_s = uvloop.run(views_at_head(url))
        kept_up = uvloop.run(load(token, sustained, MANY)) if sustained else many
    limit = verifications_a_second()
    return Run(
        alone.wait_ms,
        many.rate,
        many.wait_ms,
        many.covered_ms,
        behind_s,
        kept_up.rate,
        limit,
    )


def main() -> int:
    """Print every run, then medians and ratios."""
    from benchmarks.stage.databases import KINDS, Databases

    medians = {}
    for kind in KINDS:
        runs = []
        with Databases.of(kind) as databases:
            for number in range(1, RUNS + 1):
                with tempfile.TemporaryDirectory() as home:
                    one = run(databases.fresh(), Path(home))
                runs.append(one)
                print(
                    f"{kind} run {number}: {one.burst:.0f}/s at {MANY} clients, p50 "
                    f"{one.wait_ms:.0f} ms, covered {one.covered_ms:.0f} ms; views at the head "
                    f"{one.behind_s:.1f} s later; sustained {one.sustained:.0f}/s; one client p50 "
                    f"{one.one_wait_ms:.1f} ms; one core verifies {one.limit:.0f}/s",
                    flush=True,
                )
        medians[kind] = {
            name: statistics.median(getattr(one, name) for one in runs)
            for name in Run.__dataclass_fields__
        }
        print(f"{kind} median: {', '.join(f'{k} {v:.1f}' for k, v in medians[kind].items())}")
    sqlite, postgresql = (medians[kind] for kind in KINDS)
    print(f"SQLite: {sqlite['burst'] / sqlite['limit']:.2f} of what one core verifies")
    print(f"PostgreSQL: {postgresql['burst'] / sqlite['burst']:.2f} of SQLite")
    return 0


if __name__ == "__main__":
    sys.exit(main())
