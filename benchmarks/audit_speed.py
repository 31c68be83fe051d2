"""How fast does one core hash a whole log again, beside the hashing that must be?

Data: a log of 200,000 entries made from a fixed seed, genesis and sealed leaves of 117 bytes as
this log has them: 782 bundles, their tiles at three levels, a signed head.

Machine of the numbers below: 2 shared cores, 24 GiB, a virtual disk, CPython 3.11.7.

Measured: (1) the parts in memory through `ledger.audit`: every entry against its tile, every tile
against the one above, the form of every leaf; (2) the same parts from files through the code of
`xin log audit --url`, over HTTP from a static server in another process on the same two cores;
(3) the floor that no audit goes below, bare hashlib: one SHA-256 for each entry and one for each
inner node, inputs ready in a list; (4) the same log in a SQLite database through
`xin log audit --log-only`'s own code. All in seconds of CPU, so per core.

Five runs on 2026-11-25, others at work on the same cores (load 1.5): in memory 480,000 to 502,000
entries a second, median 497,000, which is 3.0 times the time of bare hashlib (1,500,000); over HTTP
200,000 to 287,000, median 270,000, 5.6 times, and as much by the clock; in a database 219,000 to
250,000, median 234,000, 6.4 times.

What follows: the bound of 200,000 entries a second on one core holds, so that 10^8 entries are
audited in some five minutes, and the network or the disk is what an auditor waits for.
"""

import asyncio
import hashlib
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from api.auditing import audit_url
from api.progress import Bar
from ledger.audit import LeafAudit, TreeAudit, parts_of, signed_checkpoint
from ledger.auditor import audit_database
from ledger.candidate import leaf_of
from ledger.canonical import b64url
from ledger.checkpoint import Checkpoint
from ledger.control import Genesis, issue_control
from ledger.database import Database
from ledger.merkle import leaf_hash
from ledger.note import Signer
from ledger.seed_key import SeedKey
from ledger.tables import Base, CheckpointRow, EntryRow, TileRow
from ledger.tiles import ENTRIES, RightEdge, Tile, entry_bundle, tile_path, width_in_tree
from ledger.token import public_key_of

ENTRIES_COUNT = 200_000
RUNS = 5
BOUND_PER_S = 200_000
ORIGIN = "benchmark/xinyuan"
SEED = bytes(range(32))

Parts = dict[Tile, bytes]


def made_leaves() -> list[bytes]:
    """Genesis, then statements that only their issuers could open."""
    genesis = Genesis(
        origin=ORIGIN,
        operator="benchmark",
        root_key=public_key_of(SEED),
        log_key=Signer(ORIGIN, SeedKey(SEED)).verifier,
        map_origin=f"{ORIGIN}/map",
        map_key=Signer(f"{ORIGIN}/map", SeedKey(SEED)).verifier,
        map_version=1,
    )
    seeded = random.Random(2026)
    leaves = [leaf_of(issue_control(genesis, key=SeedKey(SEED), jti="genesis", issued_at=1))]
    while len(leaves) < ENTRIES_COUNT:
        commit, subject = (b64url(seeded.randbytes(32)).encode() for _ in range(2))
        leaves.append(b'{"commit":"%s","sub":"%s","v":1}' % (commit, subject))
    return leaves


def made_parts(leaves: list[bytes]) -> tuple[bytes, Parts]:
    """The signed head, and every part."""
    edge, written = RightEdge().extended([leaf_hash(leaf) for leaf in leaves])
    size = len(leaves)
    parts = {
        tile: data
        for tile, data in written
        if tile.width == width_in_tree(tile.level, tile.index, size)
    }
    for first in range(0, size, 256):
        bundle = leaves[first : first + 256]
        parts[Tile(ENTRIES, first // 256, len(bundle))] = entry_bundle(bundle)
    head = Checkpoint(ORIGIN, size, edge.root).signed(Signer(ORIGIN, SeedKey(SEED)))
    return str(head).encode(), parts


def audited(head: bytes, parts: Parts) -> float:
    """CPU seconds of an audit whose parts are at hand."""
    started = time.process_time()
    key = Signer(ORIGIN, SeedKey(SEED)).verifier
    checkpoint = signed_checkpoint(head, [key])
    tree, leaves = TreeAudit(checkpoint), LeafAudit()
    forms: Counter[str] = Counter()
    for tile in parts_of(checkpoint.tree_size):
        entries = tree.take(tile, parts.get(tile))
        if entries:
            first = tile.index * 256
            forms.update(map(leaves.take, range(first, first + len(entries)), entries))
    tree.finish()
    return time.process_time() - started


def hashed(leaves: list[bytes]) -> float:
    """CPU seconds of the hashes alone."""
    size = len(leaves)
    prefixed = [b"\x00" + leaf for leaf in leaves]
    node = b"\x01" + bytes(64)
    sha256 = hashlib.sha256
    started = time.process_time()
    for entry in prefixed:
        sha256(entry).digest()
    for _ in range(size - 1):
        sha256(node).digest()
    return time.process_time() - started


async def answer(folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Files of a folder over one connection, as quickly as Python has it."""
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            body = (folder / request.split(b" ", 2)[1].decode().lstrip("/")).read_bytes()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def serve(folder: Path, port: "multiprocessing.SimpleQueue[int]") -> None:
    """A static server, until it is ended."""

    async def run() -> None:
        server = await asyncio.start_server(
            lambda reader, writer: answer(folder, reader, writer), "127.0.0.1", 0
        )
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def served(head: bytes, parts: Parts) -> Iterator[str]:
    """The address of the log as a folder of files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in [("checkpoint", head), *((tile_path(t), d) for t, d in parts.items())]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        port: multiprocessing.SimpleQueue[int] = multiprocessing.SimpleQueue()
        process = multiprocessing.Process(target=serve, args=(folder, port), daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{port.get()}"
        finally:
            process.terminate()
            process.join()


def fetched(url: str) -> tuple[float, float]:
    """Seconds and CPU seconds of an audit over HTTP."""
    key = Signer(ORIGIN, SeedKey(SEED)).verifier.vkey
    started, cpu = time.perf_counter(), time.process_time()
    with Bar.shown("auditing") as bar:
        audit_url(url, bar, log_keys=[key])
    return time.perf_counter() - started, time.process_time() - cpu


async def put_into(database: Database, head: bytes, leaves: list[bytes], parts: Parts) -> None:
    """The log as its writer would have left it, under one checkpoint."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    checkpoint = signed_checkpoint(head, ())
    tables = {
        EntryRow: [{"leaf_index": at, "leaf": leaf} for at, leaf in enumerate(leaves)],
        TileRow: [
            {"level": tile.level, "tile_index": tile.index, "hashes": data}
            for tile, data in parts.items()
            if tile.level != ENTRIES
        ],
        CheckpointRow: [
            {
                "tree_size": checkpoint.tree_size,
                "previous_size": 0,
                "root_hash": checkpoint.root_hash,
                "note": head.decode(),
                "logged_at": datetime.now(UTC),
            }
        ],
    }
    async with database.writing() as session:
        for table, rows in tables.items():
            await (await session.connection()).execute(insert(table), rows)


def stored(head: bytes, leaves: list[bytes], parts: Parts) -> list[float]:
    """CPU seconds of each audit of the log in a database."""

    async def run(path: Path) -> list[float]:
        database = Database.connect(f"sqlite+aiosqlite:///{path}")
        await put_into(database, head, leaves, parts)
        spent = []
        for _ in range(RUNS):
            started = time.process_time()
            await audit_database(database, openings=False)
            spent.append(time.process_time() - started)
        await database.close()
        return spent

    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(run(Path(name) / "ledger.sqlite"))


def main(say: Callable[[str], None] = print) -> int:
    """Print every run, then medians and ratios; 1 when the bound is not met."""
    leaves = made_leaves()
    head, parts = made_parts(leaves)
    audits, floors, distant = [], [], []
    with served(head, parts) as url:
        for run in range(1, RUNS + 1):
            audits.append(audited(head, parts))
            floors.append(hashed(leaves))
            seconds, cpu = fetched(url)
            distant.append(cpu)
            say(
                f"run {run}: in memory {ENTRIES_COUNT / audits[-1]:,.0f} a second of CPU, "
                f"over HTTP {ENTRIES_COUNT / cpu:,.0f} ({ENTRIES_COUNT / seconds:,.0f} by the "
                f"clock), bare hashlib {ENTRIES_COUNT / floors[-1]:,.0f}"
            )
    in_database = stored(head, leaves, parts)
    say("in a database " + ", ".join(f"{ENTRIES_COUNT / one:,.0f}" for one in in_database))
    audit, floor, http, local = map(statistics.median, (audits, floors, distant, in_database))
    say(
        f"median in memory {ENTRIES_COUNT / audit:,.0f} entries a second, {audit / floor:.1f} "
        f"times bare hashlib; over HTTP {ENTRIES_COUNT / http:,.0f}, {http / floor:.1f} times; "
        f"in a database {ENTRIES_COUNT / local:,.0f}, {local / floor:.1f} times"
    )
    return 0 if ENTRIES_COUNT / max(audit, http, local) >= BOUND_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
