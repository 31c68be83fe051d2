"""Auditing a log, here or elsewhere, and saying what was found to be in order.

    audit_ledger    the log of this machine's database, opening store and all
    audit_url       any log that publishes C2SP tiles over HTTP
    RemoteLog       its checkpoint, key, tiles, bundles and consistency paths
    LogUnreachable  it does not answer, or not in form
    report_text     what was audited, in words; `report_members` as one JSON object

What is found is raised as `ledger.errors.AuditFinding`, the first position in its path. Parts are
fetched ahead by a few connections; memory does not grow with the log. Plain connections of the
standard library take a tenth of the time that a general client spends on a request.
"""

from __future__ import annotations

import base64
import http.client
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from api.fault import Fault
from api.migration import require_head
from api.progress import Bar
from api.settings import Settings
from api.storage import open_database
from ledger.audit import (
    AuditReport,
    LeafAudit,
    TreeAudit,
    check_known,
    check_signers,
    narrowed,
    parts_of,
    signed_checkpoint,
)
from ledger.auditor import StoredLog, audit_database
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.log_keys import LogKeys
from ledger.merkle import HASH_BYTES, Hash, NodeReader, consistency_path
from ledger.note import NOTE_BYTES_MAX, SignedNote, Verifier
from ledger.tiles import (
    ENTRIES,
    ENTRY_BYTES_MAX,
    TILE_WIDTH,
    Tile,
    is_node_in_tile,
    node_in_tile,
    tile_of_node,
    tile_path,
    width_in_tree,
)

CONNECTIONS = 8
"""Enough to hide a distant log's latency, few enough not to burden it."""

AHEAD = 2 * CONNECTIONS
"""Parts fetched before they are checked: some megabytes, 270 MB when every entry is the largest."""

TIMEOUT_S = 30.0

ATTEMPTS = 4
"""Of one request, half a second, then one, then two apart: servers restart at times."""

PAUSE_S = 0.5
"""Slept by a thread of its own pool, which nobody else waits for."""

BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + ENTRY_BYTES_MAX)
"""A full bundle of the longest entries, each behind its length."""

TILE_BYTES_MAX = TILE_WIDTH * HASH_BYTES
"""A full tile."""

GZIP_BYTES_MAX = 8_192
"""By which gzip makes longer what does not compress: 5 bytes for 32 kB, its header and trailer."""

KEY_BYTES_MAX = 4_096
"""Two vkeys: behind its origin that of ML-DSA-44 has some 1,800 characters."""


class LogUnreachable(Fault):
    """A log that does not answer, or not in form."""

    code: ClassVar[str] = "COMMAND_LOG_UNREACHABLE"


async def audit_ledger(
    settings: Settings,
    bar: Bar,
    *,
    log_keys: Sequence[str] = (),
    genesis_hash: bytes | None = None,
    against: Path | None = None,
    signatures: bool = False,
    openings: bool = True,
) -> AuditReport:
    """Raises `AuditFinding`, `LedgerEmpty`, `NoteMalformed`, `DatabaseNotAtHead`."""
    database = open_database(settings)
    try:
        await require_head(database)
        trusted = [Verifier.parse(key) for key in log_keys]
        known = _kept(against, trusted)
        if known is not None and not trusted:
            async with database.reading() as session:
                own = await StoredLog(session).log_keys()
            if own is not None:
                known.check(own)
        return await audit_database(
            database,
            trusted=trusted,
            genesis_hash=genesis_hash,
            known=None if known is None else known.checkpoint,
            signatures=signatures,
            openings=openings,
            expect=bar.expect,
            advance=bar.advance,
        )
    finally:
        await database.close()


def audit_url(
    url: str,
    bar: Bar,
    *,
    log_keys: Sequence[str] = (),
    genesis_hash: bytes | None = None,
    against: Path | None = None,
) -> AuditReport:
    """Raises `AuditFinding`, `NoteMalformed`, `LogUnreachable`.

    One of `log_keys` must have signed the head. Without any, the log's own word is taken, and its
    entries must lead to that key: what is then found in order is one log, but whose, only a key or
    a hash of its genesis that came another way can say.
    """
    with RemoteLog(url) as log:
        trusted = [Verifier.parse(key) for key in log_keys or [log.key()]]
        raw = log.checkpoint()
        head = signed_checkpoint(raw, trusted)
        tree, leaves = TreeAudit(head), LeafAudit(genesis_hash)
        known = _kept(against, trusted)
        if known is not None:
            check_known(head, known.checkpoint)
            tree.expect([known.checkpoint])
        bar.expect(head.tree_size)
        forms: Counter[str] = Counter()
        for tile, data in log.parts(head.tree_size):
            entries = tree.take(tile, data)
            if entries and tree.is_vouched:
                first = tile.index * TILE_WIDTH
                forms.update(map(leaves.take, range(first, first + len(entries)), entries))
            if tile.level == ENTRIES:
                bar.advance(tile.width)
        tree.finish()
        leaves.check_head(SignedNote.parse(raw), head.tree_size)
        log_key = leaves.authorities.log_keys.at(head.tree_size).key.ed25519
        if known is not None:
            known.check(leaves.authorities.log_keys)
    return AuditReport(
        head, log_key, leaves.genesis_hash, forms, checkpoints=1 if known is None else 2
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """A checkpoint that somebody kept in a file."""

    file: Path
    note: SignedNote
    checkpoint: Checkpoint

    def check(self, log_keys: LogKeys) -> None:
        """Whether the log's keys of its size signed it. Raises `AuditFinding`."""
        try:
            check_signers(log_keys, self.note, self.checkpoint.tree_size)
        except LedgerError as error:
            raise error.within("against", str(self.file)) from None


def _kept(file: Path | None, trusted: Sequence[Verifier]) -> _Kept | None:
    """Raises `AuditFinding`."""
    if file is None:
        return None
    with file.open("rb") as opened:
        raw = opened.read(NOTE_BYTES_MAX + 1)
    try:
        checkpoint = signed_checkpoint(raw, trusted)
    except LedgerError as error:
        raise error.within("against", str(file)) from None
    return _Kept(file, SignedNote.parse(raw), checkpoint)


class RemoteLog:
    """A log below an address, read by a few connections that stay open."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise LogUnreachable(f"{url!r} is no address of a log", path=("url",))
        self._url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._prefix = parts.path.rstrip("/")
        proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
        self._proxy = None if proxy is None else urlsplit(proxy)
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="audit")

    def __enter__(self) -> RemoteLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for connection in self._open:
            connection.close()

    def checkpoint(self) -> bytes:
        """The signed head, as it stands there. Raises `LogUnreachable`."""
        return self._required("checkpoint", NOTE_BYTES_MAX)

    def key(self) -> str:
        """What the log says its key is. Raises `LogUnreachable`."""
        raw = self._required("log-key", KEY_BYTES_MAX)
        # The Ed25519 key; below it stands the one of ML-DSA-44 where the log has it.
        return raw.decode("utf-8", "replace").partition("\n")[0]

    def parts(self, tree_size: int) -> Iterator[tuple[Tile, bytes | None]]:
        """Every part of a tree in the order of `parts_of`; None for one the log has not."""
        waiting: deque[tuple[Tile, Future[bytes | None]]] = deque()
        for tile in parts_of(tree_size):
            waiting.append((tile, self._pool.submit(self._part, tile)))
            if len(waiting) >= AHEAD:
                ready, part = waiting.popleft()
                yield ready, part.result()
        while waiting:
            ready, part = waiting.popleft()
            yield ready, part.result()

    def consistency_path(self, old_size: int, new_size: int) -> list[Hash]:
        """From one size to another, out of its tiles; whoever gets it verifies it.

        Raises `LogUnreachable`.
        """
        return consistency_path(old_size, new_size, self._nodes(new_size))

    def leaf_hash(self, leaf_index: int, tree_size: int) -> Hash:
        """What its tiles say of an entry; whoever gets it verifies it. Raises `LogUnreachable`."""
        return self._nodes(tree_size)(0, leaf_index)

    def _nodes(self, tree_size: int) -> NodeReader:
        held: dict[Tile, bytes] = {}

        def node(level: int, index: int) -> Hash:
            tile_level, tile_index = tile_of_node(level, index)
            width = width_in_tree(tile_level, tile_index, tree_size)
            tile = Tile(tile_level, tile_index, width)
            if tile not in held:
                held[tile] = self._part(tile) or b""
            if not is_node_in_tile(level, index, held[tile]):
                raise LogUnreachable(f"{self._url} has no /{tile_path(tile)}", path=("url",))
            return node_in_tile(level, index, held[tile])

        return node

    def _part(self, tile: Tile) -> bytes | None:
        limit = BUNDLE_BYTES_MAX if tile.level == ENTRIES else TILE_BYTES_MAX
        data = self._get(tile_path(tile), limit)
        if data is None and tile.width < TILE_WIDTH:
            # A log may drop a partial tile once it has the full one (C2SP tlog-tiles).
            full = self._get(tile_path(Tile(tile.level, tile.index)), limit)
            return None if full is None else narrowed(tile, full)
        return data

    def _required(self, path: str, limit: int) -> bytes:
        data = self._get(path, limit)
        if data is None:
            raise LogUnreachable(f"{self._url} has no /{path}", path=("url",))
        return data

    def _get(self, path: str, limit: int) -> bytes | None:
        """The body, cut one byte beyond `limit`; None for what is not there."""
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                status, body = self._ask(path, limit)
            except (OSError, http.client.HTTPException, zlib.error) as error:
                self._drop()
                reason = f"{type(error).__name__}: {error}"
                continue
            if status == http.client.OK:
                return body
            if status in (http.client.NOT_FOUND, http.client.GONE):
                return None
            reason = f"status {status}"
            if status < http.client.INTERNAL_SERVER_ERROR and status != 429:
                break
        raise LogUnreachable(f"{self._url}/{path}: {reason}", path=("url",))

    def _ask(self, path: str, limit: int) -> tuple[int, bytes]:
        connection = self._connection()
        target = f"{self._prefix}/{path}"
        if self._proxy is not None and not self._secure:
            target = f"{self._url}/{path}"
        connection.request("GET", target, headers={"Accept-Encoding": "gzip, identity"})
        response = connection.getresponse()
        body = response.read(limit + GZIP_BYTES_MAX)
        if not response.isclosed() and response.read(1):
            self._drop()
        if response.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, limit + 1)
        return response.status, body[: limit + 1]

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's own."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            if self._proxy is None or self._proxy.hostname is None:
                connection = kind(self._host, self._port, timeout=TIMEOUT_S)
            else:
                connection = kind(self._proxy.hostname, self._proxy.port, timeout=TIMEOUT_S)
                if self._secure:
                    connection.set_tunnel(self._host, self._port)
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def _drop(self) -> None:
        """Close this thread's connection; the next request opens another."""
        self._connection().close()


def report_members(report: AuditReport, seconds: float) -> dict[str, object]:
    """A report as one JSON object."""
    return {
        "checkpoints": report.checkpoints,
        "entries": dict(sorted(report.forms.items())),
        "events": report.events,
        "genesis_hash": report.genesis_hash.hex(),
        "log_key": report.log_key.vkey,
        "origin": report.head.origin,
        "root_hash": base64.b64encode(report.head.root_hash).decode("ascii"),
        "seconds": round(seconds, 2),
        "signatures": report.signatures,
        "tree_size": report.head.tree_size,
    }


def report_text(report: AuditReport, seconds: float) -> str:
    """A report in words."""
    size = report.head.tree_size
    forms = ", ".join(f"{count} {form}" for form, count in sorted(report.forms.items()))
    opened = "nothing opened" if report.events is None else f"all opened, {report.events} events"
    signatures = "verified" if report.signatures else "of control entries and checkpoints alone"
    return "\n".join(
        [
            f"{report.head.origin} is what was signed, up to tree size {size}",
            f"  root         {base64.b64encode(report.head.root_hash).decode('ascii')}",
            f"  log key      {report.log_key.vkey}",
            f"  genesis      {report.genesis_hash.hex()}  (hash of entry 0, for pinning)",
            f"  entries      {forms or 'none'}; {opened}",
            f"  checkpoints  {report.checkpoints}",
            f"  signatures   {signatures}",
            f"in {seconds:.1f} s, {size / max(seconds, 0.001):.0f} entries a second",
        ]
    )
