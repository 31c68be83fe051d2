"""The log over HTTP: C2SP tlog-tiles, its head and its key.

    TileDoor     /checkpoint, /tile/…, /log-key

Tiles never change and may be kept for ever. A partial tile may be kept too, since its bytes are a
prefix of whatever replaces it; a checkpoint is asked for anew each time. What the log has not is
answered 404 with a problem document (RFC 9457).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.heads import served_head
from api.service import Service, genesis_of
from ledger.entries import Entries
from ledger.tiles import parse_path

IMMUTABLE = "public, max-age=31536000, immutable"
"""RFC 8246; a year is what caches take at most."""

NEVER_STALE = "no-cache"


class TileDoor:
    """What witnesses, monitors and verifiers read."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def checkpoint(self, request: Request) -> Response:
        """The newest signed head, or with a witness policy the newest that has its quorum.

        Raises `LedgerEmpty`, `QuorumMissing`.
        """
        return PlainTextResponse(await self._head(), headers={"Cache-Control": NEVER_STALE})

    async def tile(self, request: Request) -> Response:
        """A tile or entry bundle. Raises `TilePathMalformed`, `EntryUnknown`."""
        tile = parse_path(f"tile/{request.path_params['path']}")
        async with self._service.database.reading() as session:
            content = await Entries(session).tile(tile)
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"Cache-Control": IMMUTABLE},
        )

    async def log_key(self, request: Request) -> Response:
        """The key under which checkpoints verify, as a C2SP vkey. Raises `LedgerEmpty`."""
        genesis = await genesis_of(self._service.database)
        return PlainTextResponse(
            f"{genesis.log_key.vkey}\n", headers={"Cache-Control": NEVER_STALE}
        )

    async def _head(self) -> str:
        service = self._service
        async with service.database.reading() as session:
            head = await served_head(session, service.settings.witness_policy, service.cosigning)
        return str(head.note)
