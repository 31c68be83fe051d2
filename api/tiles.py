"""The log over HTTP: C2SP tlog-tiles, its head and its keys.

    TileDoor          /checkpoint, /tile/…, /log-key
    Compressed        full entry bundles as gzip, the newest asked for kept
    accepts_gzip      what an Accept-Encoding header says of it (RFC 9110 §12.5.3)

Tiles and bundles never change and may be kept for ever; a partial one too, since its bytes are a
prefix of whatever replaces it, and any width up to the head's is answered, also when the full tile
stands. A checkpoint is asked for anew each time, and answered 304 where that one is known. Bundles
are compressed for whoever takes gzip; hashes do not compress. A path that is spelled otherwise is
answered 400, a tile that the log has not 404, both with a problem document (RFC 9457).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import re
from collections import OrderedDict

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.heads import ShownHead, served_head, served_note
from api.service import Service
from ledger.entries import Entries
from ledger.errors import QuorumMissing
from ledger.tiles import ENTRIES, TILE_WIDTH, Tile, parse_path

IMMUTABLE = "public, max-age=31536000, immutable"
"""RFC 8246; a year is what caches take at most."""

NEVER_STALE = "no-cache"

TILE_TYPE = "application/octet-stream"

COMPRESSED_BYTES_MAX = 16 * 1024 * 1024
"""Kept in memory: some 1,000 full bundles of statements, which a monitor that tails the log and
those behind it ask for."""

INLINE_BYTES_MAX = 64 * 1024
"""Compressed on the spot, in some 1 ms; a longer one, of up to 16 MB, in a thread."""

GZIP_LEVEL = 6

_GZIP = re.compile(r"(?:gzip|x-gzip|\*)", re.IGNORECASE)
_REFUSED = re.compile(r"q=0(?:\.0{0,3})?", re.IGNORECASE)


class TileDoor:
    """What witnesses, monitors and verifiers read."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._compressed = Compressed()

    async def checkpoint(self, request: Request) -> Response:
        """The newest signed head, or with a witness policy the newest that has its quorum.

        Raises `LedgerEmpty`, `QuorumMissing`.
        """
        service = self._service
        note = await served_note(
            service.database,
            service.settings.witness_policy,
            service.cosigning,
            service.sequencer,
        )
        tag = f'"{hashlib.sha256(note.encode()).hexdigest()[:32]}"'
        headers = {"Cache-Control": NEVER_STALE, "ETag": tag}
        if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").strip()):
            return Response(status_code=304, headers=headers)
        return PlainTextResponse(note, headers=headers)

    async def tile(self, request: Request) -> Response:
        """A tile or entry bundle. Raises `TilePathMalformed`, `EntryUnknown`, `TileMissing`."""
        # Not the route's parameter: a line feed at the end of a path is no part of that.
        tile = parse_path(request.scope["path"].removeprefix("/"))
        headers = {"Cache-Control": IMMUTABLE}
        if tile.level != ENTRIES:
            return Response(await self._content(tile), 200, headers, TILE_TYPE)
        headers["Vary"] = "Accept-Encoding"
        if not accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(await self._content(tile), 200, headers, TILE_TYPE)
        body = self._compressed.get(tile)
        if body is None:
            body = await self._compressed.put(tile, await self._content(tile))
        headers["Content-Encoding"] = "gzip"
        return Response(body, 200, headers, TILE_TYPE)

    async def log_key(self, request: Request) -> Response:
        """The keys that sign the head this server shows, as C2SP vkeys, that of Ed25519 first.

        Before any head has its quorum they are those of the newest: a witness must know them to
        cosign it. Raises `LedgerEmpty`.
        """
        async with self._service.database.reading() as session:
            entries = Entries(session)
            size = (await entries.head()).tree_size
            with contextlib.suppress(QuorumMissing):
                size = (await self._head(session)).tree_size
            log_keys = await entries.log_keys(size)
        keys = "".join(f"{key.vkey}\n" for key in log_keys.at(size).verifiers)
        return PlainTextResponse(keys, headers={"Cache-Control": NEVER_STALE})

    async def _head(self, session: AsyncSession) -> ShownHead:
        service = self._service
        return await served_head(session, service.settings.witness_policy, service.cosigning)

    async def _content(self, tile: Tile) -> bytes:
        async with self._service.database.reading() as session:
            return await Entries(session).tile(tile)


class Compressed:
    """Full bundles as gzip; those not asked for the longest go first."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, tile: Tile) -> bytes | None:
        """What is kept of a bundle."""
        if tile.width < TILE_WIDTH or tile.index not in self._bodies:
            return None
        self._bodies.move_to_end(tile.index)
        return self._bodies[tile.index]

    async def put(self, tile: Tile, bundle: bytes) -> bytes:
        """Its gzip, the same in each run. A partial bundle is soon replaced, and not kept."""
        if len(bundle) <= INLINE_BYTES_MAX:
            body = _gzip(bundle)
        else:
            body = await asyncio.to_thread(_gzip, bundle)
        if tile.width == TILE_WIDTH and tile.index not in self._bodies:
            self._bodies[tile.index] = body
            self._bytes += len(body)
            while self._bytes > COMPRESSED_BYTES_MAX:
                _, oldest = self._bodies.popitem(last=False)
                self._bytes -= len(oldest)
        return body


def accepts_gzip(accepted: str) -> bool:
    """Whether gzip is named, by its name or by `*`, and not with a weight of 0."""
    weights: dict[str, bool] = {}
    for item in accepted.split(","):
        name, _, parameters = item.partition(";")
        if _GZIP.fullmatch(name.strip()):
            weights[name.strip().lower()] = not _REFUSED.fullmatch(parameters.strip())
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def _gzip(bundle: bytes) -> bytes:
    return gzip.compress(bundle, GZIP_LEVEL, mtime=0)
