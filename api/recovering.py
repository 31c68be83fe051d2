"""`xin log recover`: a home that lost entries catches up, or says that nobody has more than it.

    recover_from      what another server of this log has and this database has not
    accept_head       this database's head is the newest there is; recorded in the high-water file
    AcceptedHead      size and root, as the operator spells them
    Recovered         what a recovery did
    SourceRefused     a server that does not give its openings
    HeadMismatch      a head to be accepted that is not the database's
    LogKeyMissing     an empty home that does not know whose log it is to take
    recovered_text    what was done, in words; `recovered_members` as one JSON object

Before anything is written the source's head is held against this database, its high-water file, its
witnesses and mirrors, by the rules of `ledger.resumption`: a source that is itself behind, or that
tells another history, is refused. Each chunk is verified and durable on its own; killed anywhere,
the command is run again. Whoever accepts a head takes on oneself that no newer one was signed; the
log is audited first, and one that is known to have been longer is not accepted.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import httpx
import orjson

from api.auditing import LogUnreachable, RemoteLog
from api.custody import custody_of
from api.fault import Fault
from api.migration import require_head
from api.onlookers import (
    ANSWER_S,
    Onlookers,
    Seen,
    distant_tiles,
    log_keys_of,
    own_tiles,
    stored_checkpoint,
    with_paths,
)
from api.openings import OPERATOR_LABEL
from api.progress import Bar
from api.settings import Settings
from api.storage import open_database
from api.tokens import TokenMissing
from ledger.audit import AuditReport, signed_checkpoint
from ledger.auditor import audit_database
from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import (
    CheckpointForeign,
    CheckpointUnsigned,
    EntryUnknown,
    NoteMalformed,
    NoteUnverified,
    OpeningFeedMalformed,
    RecoveryIncomplete,
)
from ledger.high_water import HighWater
from ledger.log_keys import KnownLogKeys, LogSigners
from ledger.merkle import HASH_BYTES, Hash, verify_consistency
from ledger.note import NoteVerifier, SignedNote, Verifier, standard_base64
from ledger.opening_feed import FEED_LINE_BYTES_MAX
from ledger.recovery import Recovery
from ledger.resumption import Sighting, check_head
from ledger.writer_lock import WriterLock

FEED_TIMEOUT_S = 60.0
"""Between two pieces of a feed."""

TOKEN_BYTES_MAX = 4_096
"""A credential is no longer than what the doors read (`api.access`)."""

ADDRESS = "xin log recover"

_HEAD = re.compile(r"([1-9][0-9]{0,15}):(.+)", re.ASCII)


class SourceRefused(Fault):
    """A server that does not give its openings; the message is its own."""

    code: ClassVar[str] = "COMMAND_SOURCE_REFUSED"


class HeadMismatch(Fault):
    """The head to be accepted is not the one that stands in the database."""

    code: ClassVar[str] = "COMMAND_HEAD_MISMATCH"


class LogKeyMissing(Fault):
    """Nothing here says which log it is that an empty home is to take."""

    code: ClassVar[str] = "COMMAND_LOG_KEY_MISSING"


@dataclass(frozen=True, slots=True)
class AcceptedHead:
    """A head as an operator spells it."""

    tree_size: int
    root_hash: Hash

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of TREE_SIZE:ROOT, the root as a checkpoint has it. Raises `ValueError`."""
        match = _HEAD.fullmatch(text)
        if match is None or int(match[1]) > TREE_SIZE_MAX:
            raise ValueError("not TREE_SIZE:ROOT, as the refusal spells it")
        try:
            root_hash = standard_base64(match[2])
        except NoteMalformed as error:
            raise ValueError(error.message) from None
        if len(root_hash) != HASH_BYTES:
            raise ValueError(f"a root of {len(root_hash)} bytes")
        return cls(int(match[1]), Hash(root_hash))


@dataclass(frozen=True, slots=True)
class Recovered:
    """How far a database had come, and how far it has come."""

    before: Checkpoint
    after: Checkpoint


async def recover_from(
    settings: Settings,
    url: str,
    bar: Bar,
    *,
    token: Path | None = None,
    log_key: str | None = None,
) -> Recovered:
    """Catch up with the log at `url`, by the operator's credential in `token`.

    Raises `LogBehind` and `LogForked` where the source is, `SourceRefused`, `LogUnreachable`,
    `RecoveryIncomplete`, `WriterBusy`, `AuditFinding`.
    """
    headers = {"Authorization": f"Bearer {_credential(settings, token)}"}
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(settings)
    try:
        await require_head(database)
        lock = await WriterLock.acquire(database, address=ADDRESS)
        try:
            keys = await _log_keys(database, settings, log_key)
            before = await stored_checkpoint(database, _origin(keys, settings))
            async with httpx.AsyncClient(
                base_url=url.rstrip("/"), headers=headers, timeout=FEED_TIMEOUT_S
            ) as client:
                target = await _checked_head(database, settings, url, keys, before)
                recovery = await Recovery.opened(
                    database, await _genesis_hash(database, url, target)
                )
                bar.expect(target.tree_size - before.tree_size)
                while recovery.tree_size < target.tree_size:
                    await _catch_up(client, recovery, bar)
            after = await stored_checkpoint(database, before.origin)
            await _remember(database, settings)
            return Recovered(before, after)
        finally:
            await lock.release()
    finally:
        await database.close()


async def accept_head(settings: Settings, accepted: AcceptedHead, bar: Bar) -> AuditReport:
    """Audit the log, and remember its head as the newest.

    Raises `HeadMismatch`, `LogBehind` and `LogForked` where somebody has seen more,
    `AuditFinding`, `WriterBusy`.
    """
    database = open_database(settings)
    try:
        await require_head(database)
        lock = await WriterLock.acquire(database, address=ADDRESS)
        try:
            own = await stored_checkpoint(database, settings.origin)
            if (own.tree_size, own.root_hash) != (accepted.tree_size, accepted.root_hash):
                raise HeadMismatch(
                    f"the database ends at {own.tree_size}:{_text(own.root_hash)}, which is not "
                    "the head to be accepted"
                )
            seen = await _seen(settings, own, await log_keys_of(database))
            operator = Sighting("the operator", own)
            sightings = [*await with_paths(own, seen.sightings, own_tiles(database)), operator]
            check_head(own, sightings)
            report = await audit_database(database, expect=bar.expect, advance=bar.advance)
            await _remember(database, settings)
            return report
        finally:
            await lock.release()
    finally:
        await database.close()


async def _checked_head(
    database: Database, settings: Settings, url: str, keys: KnownLogKeys, own: Checkpoint
) -> Checkpoint:
    """The source's head, if it extends ours and all that onlookers have seen."""
    raw = await asyncio.to_thread(_published_head, url)
    source = signed_checkpoint(raw, ())
    path = ("checkpoint", source.tree_size)
    if source.origin != own.origin:
        raise CheckpointForeign(
            f"a checkpoint of {source.origin!r}, not of {own.origin!r}", path=path
        )
    try:
        keys.check(SignedNote.parse(raw), source.tree_size)
    except NoteUnverified as error:
        raise CheckpointUnsigned(error.message, path=path) from None
    seen = await _seen(settings, source, keys)
    sightings = (*seen.sightings, Sighting("this database", own))
    check_head(
        source,
        await with_paths(source, sightings, distant_tiles(url)),
        whose=f"the source {url}",
        remedy="recover from one that has it",
    )
    return source


async def _genesis_hash(database: Database, url: str, target: Checkpoint) -> bytes:
    """The hash of entry 0: of our own, or of the source's, proven under its head.

    Raises `ProofInvalid`, `LogUnreachable`.
    """
    async with database.reading() as session:
        with suppress(EntryUnknown):
            return (await Entries(session).at(0)).leaf_hash
    return await asyncio.to_thread(_published_genesis, url, target)


def _published_genesis(url: str, target: Checkpoint) -> bytes:
    with RemoteLog(url) as log:
        hash_ = log.leaf_hash(0, target.tree_size)
        path = log.consistency_path(1, target.tree_size)
    # A tree of one entry has that entry's hash for its root.
    verify_consistency(1, target.tree_size, path, hash_, target.root_hash)
    return hash_


def _published_head(url: str) -> bytes:
    with RemoteLog(url) as log:
        return log.checkpoint()


async def _seen(settings: Settings, own: Checkpoint, keys: KnownLogKeys) -> Seen:
    async with httpx.AsyncClient(timeout=ANSWER_S) as client:
        return await Onlookers(settings, client).heads(own, keys)


async def _log_keys(database: Database, settings: Settings, given: str | None) -> KnownLogKeys:
    """Whose heads are believed: the log's own keys, the one given, and those that are kept."""
    own = await log_keys_of(database)
    others: list[NoteVerifier] = [] if given is None else [Verifier.parse(given)]
    origin = _origin(KnownLogKeys(own.named, tuple(others)), settings)
    if given is None:
        others += LogSigners.of(custody_of(settings), origin).kept
    if not others and not own.named.records:
        raise LogKeyMissing(
            "the database is empty and no log key is kept here; say which log it is by --log-key",
            path=("log-key",),
        )
    return KnownLogKeys(own.named, tuple(others))


def _origin(keys: KnownLogKeys, settings: Settings) -> str:
    for key in (*keys.named.verifiers, *keys.others):
        return key.name
    return settings.origin


async def _catch_up(client: httpx.AsyncClient, recovery: Recovery, bar: Bar) -> None:
    """One answer of the feed, written as it comes."""
    first = recovery.tree_size

    async def write() -> None:
        size = recovery.tree_size
        await recovery.write()
        bar.advance(recovery.tree_size - size)

    async for line in _lines(client, first):
        recovery.take(line)
        if recovery.is_chunk_full:
            await write()
    await write()
    if recovery.tree_size == first:
        raise RecoveryIncomplete(
            f"the source shows a larger head, and gives nothing from index {first} on"
        )


async def _lines(client: httpx.AsyncClient, first: int) -> AsyncIterator[bytes]:
    """Whole lines of one answer. Raises `SourceRefused`, `LogUnreachable`."""
    buffer = bytearray()
    try:
        async with client.stream("GET", "/openings", params={"first": first}) as response:
            if response.status_code != httpx.codes.OK:
                raise SourceRefused(_reason(response.status_code, await response.aread()))
            async for piece in response.aiter_bytes():
                *whole, rest = piece.split(b"\n")
                for part in whole:
                    yield bytes(buffer + part)
                    buffer.clear()
                buffer += rest
                if len(buffer) > FEED_LINE_BYTES_MAX:
                    raise OpeningFeedMalformed(f"a line of more than {FEED_LINE_BYTES_MAX} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LogUnreachable(
            f"{client.base_url}openings: {type(error).__name__}: {error}; what was written "
            "stands, and the command goes on from there",
            path=("from",),
        ) from None
    if buffer:
        raise LogUnreachable(f"{client.base_url}openings ends inside a line", path=("from",))


def _reason(status: int, body: bytes) -> str:
    """Code and message of problem details (RFC 9457), or that there is no such door."""
    try:
        problem = orjson.loads(body)
        said = f"{problem['code']}: {problem['message']}"
    except (ValueError, KeyError, TypeError):
        said = "it has no feed of openings; a mirror of tiles alone cannot give them back"
    return f"the source answers {status}: {said}"


async def _remember(database: Database, settings: Settings) -> None:
    async with database.reading() as session:
        note = (await Entries(session).head()).note
    file = HighWater.taken_over(settings.high_water_file)
    try:
        await file.raise_to(note)
    finally:
        file.close()


def _credential(settings: Settings, file: Path | None) -> str:
    path = settings.tokens_folder / "operator.jwt" if file is None else file
    try:
        with path.open("rb") as opened:
            raw = opened.read(TOKEN_BYTES_MAX + 1)
        text = raw.decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not 0 < len(text) <= TOKEN_BYTES_MAX:
        raise TokenMissing(
            f"no credential of the operator in {path}: one of tier authority, sub {OPERATOR_LABEL}",
            path=("token",),
        )
    return text


def recovered_members(recovered: Recovered) -> dict[str, object]:
    """What was done, as one JSON object."""
    return {
        "entries": recovered.after.tree_size - recovered.before.tree_size,
        "origin": recovered.after.origin,
        "root_hash": _text(recovered.after.root_hash),
        "tree_size": recovered.after.tree_size,
    }


def recovered_text(recovered: Recovered) -> str:
    """What was done, in words."""
    before, after = recovered.before, recovered.after
    entries = after.tree_size - before.tree_size
    return (
        f"{entries} entries recovered: {after.origin} was at tree size {before.tree_size} and is "
        f"at {after.tree_size}, root {_text(after.root_hash)}; views follow when it is served"
    )


def _text(root_hash: bytes) -> str:
    return base64.b64encode(root_hash).decode("ascii")
