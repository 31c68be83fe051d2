"""Who else has seen this log: the high-water file, its witnesses and its mirrors.

    Onlookers              asks all of them at once; none can hold up a start for long
    Seen                   the heads they show, and in words who shows none
    require_resumable      a writer's start: refused, or the high-water file taken over
    with_paths             the same heads, with proofs out of tiles
    own_tiles, distant_tiles   whose tiles these are
    log_keys_of            the keys a head of this log may be signed by
    stored_checkpoint      where a database's log ends

A head is taken from whoever shows it when the log's own key signed it, since that key can say
nothing against itself that is not true. Only a witness that cosigned it, a mirror that the settings
name, and this home's own file may vouch for the database, though (`ledger.resumption`). Without any
of them a database that is not empty is not signed on from; one of them is enough, and the others
are named in the log of this process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import httpx

from api.auditing import LogUnreachable, RemoteLog
from api.settings import Settings
from ledger.checkpoint import Checkpoint
from ledger.cosignature import CosignatureVerifier
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import (
    CheckpointMalformed,
    HighWaterForeign,
    LedgerEmpty,
    NoteMalformed,
    NoteUnverified,
)
from ledger.high_water import HighWater, kept_head
from ledger.log_keys import KnownLogKeys, LogKeys, LogSigners
from ledger.merkle import EMPTY_ROOT, Hash
from ledger.note import NOTE_BYTES_MAX, NoteVerifier, SignedNote
from ledger.resumption import Sighting, check_head
from ledger.witness import origin_hash

ANSWER_S = 5.0
"""How long a start waits for those it asks; whoever is slower has not answered."""

PathReader = Callable[[int, int], Awaitable[Sequence[Hash]]]
"""A consistency path from a smaller size to a larger one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the onlookers say."""

    sightings: tuple[Sighting, ...]
    silent: tuple[str, ...]
    """Who showed no head of this log, and why."""


class _Silence(Exception):
    """Why somebody shows no head."""


class Onlookers:
    """Those whom one home asks about one log."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._file = settings.high_water_file
        self._mirrors = settings.mirrors
        self._client = client
        self._witnesses: dict[str, list[CosignatureVerifier]] = {}
        policy = settings.witness_policy
        for witness in () if policy is None else policy.witnesses:
            # One witness with two keys has two lines in the policy, and is asked once.
            if witness.url is not None:
                url = witness.url.rstrip("/")
                self._witnesses.setdefault(url, []).append(witness.verifier)

    async def heads(self, own: Checkpoint, log_keys: KnownLogKeys) -> Seen:
        """The newest head of the log that each of them shows.

        With its proof where a mirror's tree is larger than `own`. Raises `HighWaterForeign`,
        `HighWaterUnwritable`.
        """
        asked = [
            self._kept(own.origin, log_keys),
            *(
                self._cosigned(url, verifiers, own.origin, log_keys)
                for url, verifiers in self._witnesses.items()
            ),
            *(self._mirrored(url, own, log_keys) for url in self._mirrors),
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        silent = []
        for position, answer in enumerate(answers):
            if isinstance(answer, _Silence):
                silent.append(str(answer))
                # The first is the home's own file, which comes into being with its first entry.
                if position or own.tree_size:
                    logger.warning("no head to compare with: %s", answer)
            elif isinstance(answer, BaseException):
                raise answer
        sightings = tuple(answer for answer in answers if isinstance(answer, Sighting))
        return Seen(sightings, tuple(silent))

    async def _kept(self, origin: str, log_keys: KnownLogKeys) -> Sighting:
        name = f"the high-water file {self._file}"
        note = kept_head(self._file)
        if note is None:
            raise _Silence(f"{name} is missing or damaged")
        try:
            return Sighting(name, _head(note, origin, log_keys))
        except _Silence as silence:
            raise HighWaterForeign(
                f"{name} is that of another log: {silence}; a home holds one log",
                path=(str(self._file),),
            ) from None

    async def _cosigned(
        self,
        url: str,
        verifiers: Sequence[CosignatureVerifier],
        origin: str,
        log_keys: KnownLogKeys,
    ) -> Sighting:
        name = f"the witness {verifiers[0].name} at {url}"
        try:
            note = await self._note(f"{url}/{origin_hash(origin)}/checkpoint")
            head = _head(note, origin, log_keys)
        except _Silence as silence:
            raise _Silence(f"{name}: {silence}") from None
        try:
            vouches = bool(note.verified_by(verifiers))
        except NoteUnverified as error:
            logger.warning("%s shows a head that it did not cosign: %s", name, error.message)
            vouches = False
        return Sighting(name, head, vouches=vouches)

    async def _mirrored(self, url: str, own: Checkpoint, log_keys: KnownLogKeys) -> Sighting:
        name = f"the mirror {url}"
        try:
            note = await self._note(f"{url.rstrip('/')}/checkpoint")
            head = _head(note, own.origin, log_keys)
        except _Silence as silence:
            raise _Silence(f"{name}: {silence}") from None
        path = None
        if 0 < own.tree_size < head.tree_size:
            try:
                path = tuple(await distant_tiles(url)(own.tree_size, head.tree_size))
            except LogUnreachable as error:
                # It is ahead of us all the same; only whether it is another history stays open.
                logger.warning("%s: %s", name, error.message)
        return Sighting(name, head, path)

    async def _note(self, url: str) -> SignedNote:
        try:
            async with asyncio.timeout(ANSWER_S):
                return SignedNote.parse(await self._get(url))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _Silence(f"{type(error).__name__}: {error}") from None
        except NoteMalformed as error:
            raise _Silence(error.message) from None

    async def _get(self, url: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise _Silence(f"answers {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > NOTE_BYTES_MAX:
                    raise _Silence(f"answers more than {NOTE_BYTES_MAX} bytes")
            return bytes(body)


async def require_resumable(
    database: Database, settings: Settings, signers: LogSigners, *, client: httpx.AsyncClient
) -> HighWater:
    """For a writer that holds the lock and has signed nothing yet; the caller closes the file.

    Raises `LogForked`, `LogBehind`, `HeadUnwitnessed`, `HighWaterForeign`, `HighWaterUnwritable`.
    """
    own = await stored_checkpoint(database, signers.origin)
    log_keys = await log_keys_of(database, *signers.kept)
    seen = await Onlookers(settings, client).heads(own, log_keys)
    sightings = await with_paths(own, seen.sightings, own_tiles(database))
    check_head(own, sightings, silent=seen.silent)
    return HighWater.taken_over(settings.high_water_file)


async def with_paths(
    own: Checkpoint, sightings: Sequence[Sighting], path: PathReader
) -> list[Sighting]:
    """The same heads, with proofs that `own` extends the smaller ones."""
    return [
        replace(sighting, path=tuple(await path(sighting.head.tree_size, own.tree_size)))
        if 0 < sighting.head.tree_size < own.tree_size
        else sighting
        for sighting in sightings
    ]


def own_tiles(database: Database) -> PathReader:
    """Paths out of the tiles of a database."""

    async def path(old_size: int, new_size: int) -> Sequence[Hash]:
        async with database.reading() as session:
            return await Entries(session).consistency_path(old_size, new_size)

    return path


def distant_tiles(url: str) -> PathReader:
    """Paths out of the tiles that a server shows; they raise `LogUnreachable`."""

    def read(old_size: int, new_size: int) -> Sequence[Hash]:
        with RemoteLog(url) as log:
            return log.consistency_path(old_size, new_size)

    async def path(old_size: int, new_size: int) -> Sequence[Hash]:
        return await asyncio.to_thread(read, old_size, new_size)

    return path


async def stored_checkpoint(database: Database, origin: str) -> Checkpoint:
    """The head of the log as stored, the empty tree of `origin` where there is none.

    Its signature is judged by whoever signs on (`ledger.sequencer`). Raises `NoteMalformed`,
    `CheckpointMalformed`.
    """
    async with database.reading() as session:
        try:
            head = await Entries(session).head()
        except LedgerEmpty:
            return Checkpoint(origin, 0, EMPTY_ROOT)
    return Checkpoint.parse(SignedNote.parse(head.note.encode()).text)


async def log_keys_of(database: Database, *others: NoteVerifier) -> KnownLogKeys:
    """The keys that the log's entries name, and others that are known from elsewhere."""
    async with database.reading() as session:
        entries = Entries(session)
        try:
            named = await entries.log_keys((await entries.head()).tree_size)
        except LedgerEmpty:
            named = LogKeys()
    return KnownLogKeys(named, others)


def _head(note: SignedNote, origin: str, log_keys: KnownLogKeys) -> Checkpoint:
    try:
        head = Checkpoint.parse(note.text)
        if head.origin != origin:
            raise _Silence(f"a checkpoint of {head.origin!r}, not of {origin!r}")
        log_keys.check(note, head.tree_size)
    except (CheckpointMalformed, NoteUnverified) as error:
        raise _Silence(error.message) from None
    return head
