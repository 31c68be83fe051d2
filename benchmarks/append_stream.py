"""How many statements a second do streams to POST /entries make durable, and how many events?

Data: signed statements as in `append_http`; captures of 500 EPCIS object events of some 0.8 kB,
each event with ten EPCs and eleven members, decoded beforehand.

Machine of the numbers below: 2 shared cores, 24 GiB, a virtual disk, CPython 3.11.7, nothing else
running.

Measured in one run, on SQLite with `synchronous=FULL` and on PostgreSQL 18 that flushes each
commit: (1) one stream of LINES lines to `xin serve`, its answers read as they come; (2) two streams
at once; (3) captures sealed, signed and made durable by two processes that hand them to one
sequencer, as the doors do. Beside them the limits: twice the Ed25519 verifications of one core, and
the seals of one core.

Three runs on 2026-11-25 at the commit in which doors keep the memory of a chunk, while another
developer used the machine lightly. SQLite: one stream 8,580 to 9,700 a second, median 8,720; two
9,030 to 9,610, median 9,180, which is 0.26 of what two cores verify; 25,200 to 26,600 events, where
one core verified 16,400 to 18,000 and sealed 18,800 to 20,300. PostgreSQL, two runs: one stream
8,510 and 8,590, two 8,380 and 8,400; 25,100 and 24,700 events.

Before the usual payload was written and candidates travelled packed: one stream 7,320, two 7,290,
23,600 events. The bound of 20,000 events a second is met, that of 10,000 statements is not: a
statement takes 200 to 215 µs of a processor here, of all processes and this client (2), and 1.9
of 2 cores are busy. Its signature takes 58 of that, reading it 50, form and candidate 11, the
writer 36 to 40, of which SQLite's thread has half, and most of that in the kernel.

What follows: `docs/decisions/0032-one-writer-among-several-processes.md`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from api.access import Tier
from api.hub import Hub, Line
from api.processes import settle
from api.service import Service
from api.tokens import read_token
from benchmarks.append_http import (
    AUTHORITY,
    PORT,
    prepared,
    presentations,
    verifications_a_second,
    views_at_head,
)
from benchmarks.stage.databases import KINDS, Databases
from benchmarks.stage.growing import settings_of
from benchmarks.stage.serving import served
from ledger.custody import KeptKey
from ledger.database import Database
from ledger.keystore import Keystore
from ledger.seal import Party, SealedEvent, events_root
from ledger.sequencer import Sequencer
from traceability.capture import seal_document
from traceability.document import Document

RUNS = int(os.environ.get("RUNS", "5"))
LINES = 16_000
LINES_A_PIECE = 25
CAPTURES = 80
EVENTS = 500
PROCESSES = 2
ITEM = "urn:epc:id:sgtin:4012345.077889"
CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


async def stream(token: str, bodies: Sequence[bytes]) -> None:
    """One request; reads its answers while it still sends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1 << 20)
    writer.write(
        (
            f"POST /entries HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        ).encode()
    )

    async def send() -> None:
        for at in range(0, len(bodies), LINES_A_PIECE):
            lines = b"".join(
                b'{"statement":"%b"}\n' % body for body in bodies[at : at + LINES_A_PIECE]
            )
            writer.write(b"%x\r\n%b\r\n" % (len(lines), lines))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    sending = asyncio.create_task(send())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    answered = 0
    while length := int(await reader.readline(), 16):
        answered += (await reader.readexactly(length + 2)).count(b'"leaf_index"')
    await sending
    writer.close()
    assert answered == len(bodies)


async def streams(token: str, bodies: Sequence[bytes], count: int) -> float:
    """Statements a second, over so many streams."""
    each = len(bodies) // count
    started = time.perf_counter()
    await asyncio.gather(
        *(stream(token, bodies[number * each : (number + 1) * each]) for number in range(count))
    )
    return each * count / (time.perf_counter() - started)


def document() -> Document:
    """Five hundred events that no capture had before."""
    events = [
        {
            "type": "ObjectEvent",
            "eventTime": "2026-02-01T08:00:00+08:00",
            "eventTimeZoneOffset": "+08:00",
            "epcList": [
                f"urn:epc:id:sgtin:4012345.077889.{secrets.randbits(40)}" for _ in range(10)
            ],
            "action": "OBSERVE",
            "bizStep": "shipping",
            "disposition": "in_transit",
            "readPoint": {"id": "urn:epc:id:sgln:4012345.00001.0"},
            "bizLocation": {"id": "urn:epc:id:sgln:4012345.00002.0"},
            "bizTransactionList": [
                {"type": "po", "bizTransaction": "http://transaction.acme.com/po/12345678"}
            ],
        }
        for _ in range(EVENTS)
    ]
    whole = {
        "@context": [CONTEXT],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-02-01T00:00:00Z",
        "epcisBody": {"eventList": events},
    }
    return Document.parse(json.dumps(whole).encode())


async def sealing(line_end: socket.socket, url: str, key: KeptKey) -> None:
    """A process beside the sequencer: decodes, says so, then seals and submits."""
    database = Database.connect(url)
    line = await Line.open(line_end, database)
    documents = [document() for _ in range(CAPTURES // PROCESSES)]
    settle()
    os.write(sys.stdout.fileno(), b"ready\n")
    await asyncio.to_thread(sys.stdin.readline)
    ahead: list[asyncio.Future[object]] = []
    for one in documents:
        submission = seal_document(
            one,
            party=Party.of(AUTHORITY),
            issuer=AUTHORITY.label(),
            key=key,
            issued_at=1_772_000_000,
            secrets=iter(lambda: secrets.token_bytes(16), b""),
        )
        ahead.append(asyncio.ensure_future(line.submit(submission)))
        await asyncio.sleep(0)
    await asyncio.gather(*ahead)
    os.write(sys.stdout.fileno(), b"done\n")
    await line.close()
    await database.close()


async def captured(url: str, home: Path) -> float:
    """Events a second, sealed and durable."""
    async with Service.opened(settings_of(url, home), writes=True, follows=False) as service:
        assert isinstance(service.writer, Sequencer)
        hub = Hub(service.writer)
        processes = []
        for _ in range(PROCESSES):
            ours, theirs = socket.socketpair()
            with theirs:
                number = theirs.fileno()
                processes.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-m",
                        "benchmarks.append_stream",
                        "seal",
                        str(number),
                        url,
                        str(settings_of(url, home).keys_folder),
                        pass_fds=[number],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                    )
                )
            ours.setblocking(False)
            await hub.connect(ours)
        for process in processes:
            assert process.stdout is not None
            await process.stdout.readline()
        settle()
        started = time.perf_counter()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"done\n"
        took = time.perf_counter() - started
        for process in processes:
            await process.wait()
        await hub.close()
    return CAPTURES * EVENTS / took


def seals_a_second() -> float:
    """One core's limit for events that are sealed."""
    one = document()
    events = [SealedEvent(event.raw, bytes(16)) for event in one.events]
    started = time.perf_counter()
    events_root(events, one.context)
    return len(events) / (time.perf_counter() - started)


@dataclass(frozen=True)
class Run:
    """The figures of one run."""

    one_stream: float
    two_streams: float
    events: float
    verifications: float
    seals: float


def run(url: str, home: Path) -> Run:
    """On one fresh database."""
    settings = settings_of(url, home)
    asyncio.run(prepared(settings))
    key = Keystore(settings.keys_folder).get(AUTHORITY.label())
    warming, first, second = (list(presentations(key, count)) for count in (1_000, LINES, LINES))
    token = read_token(settings.tokens_folder, Tier.AUTHORITY)
    with served(settings):
        uvloop.run(streams(token, warming, 1))
        uvloop.run(views_at_head(url))
        one_stream = uvloop.run(streams(token, first, 1))
        uvloop.run(views_at_head(url))
        two_streams = uvloop.run(streams(token, second, 2))
    events = uvloop.run(captured(url, home))
    return Run(one_stream, two_streams, events, verifications_a_second(), seals_a_second())


def main() -> int:
    """Print every run, then medians and ratios."""
    medians = {}
    for kind in KINDS:
        runs = []
        with Databases.of(kind) as databases:
            for number in range(1, RUNS + 1):
                with tempfile.TemporaryDirectory() as home:
                    one = run(databases.fresh(), Path(home))
                runs.append(one)
                print(
                    f"{kind} run {number}: one stream {one.one_stream:.0f}/s, two "
                    f"{one.two_streams:.0f}/s; {one.events:.0f} events/s; one core verifies "
                    f"{one.verifications:.0f}/s and seals {one.seals:.0f}/s",
                    flush=True,
                )
        medians[kind] = {
            name: statistics.median(getattr(one, name) for one in runs)
            for name in Run.__dataclass_fields__
        }
        print(f"{kind} median: {', '.join(f'{k} {v:.0f}' for k, v in medians[kind].items())}")
    sqlite, postgresql = (medians[kind] for kind in KINDS)
    print(
        f"SQLite: two streams {sqlite['two_streams'] / 2 / sqlite['verifications']:.2f} of what "
        f"two cores verify; events {sqlite['events'] / 2 / sqlite['seals']:.2f} of what two seal"
    )
    for name in ("two_streams", "events"):
        print(f"PostgreSQL: {name} {postgresql[name] / sqlite[name]:.2f} of SQLite")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["seal"]:
        end = socket.socket(fileno=int(sys.argv[2]))
        end.setblocking(False)
        uvloop.run(sealing(end, sys.argv[3], Keystore(Path(sys.argv[4])).get(AUTHORITY.label())))
        sys.exit(0)
    sys.exit(main())
