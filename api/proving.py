"""Proofs of single entries over HTTP, for readers of C2SP and of COSE.

    ProofDoor    GET /tlog-proof/{leaf index}, /receipt/{leaf index},
                 /receipt/consistency/{old size}

What is proven is public: that a leaf stands at an index, and its bytes. All lead to the head that
is served (`api.heads`).
"""

from __future__ import annotations

import re

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.entry_proofs import consistency_receipt, inclusion_receipt, log_proof
from api.errors import RequestMalformed
from api.heads import ShownHead, served_head, shown_head
from api.service import Service
from ledger.cose_receipt import RECEIPT_TYPE
from ledger.entries import Entries

HEADERS = {"Cache-Control": "no-cache"}
"""A proof stays true; but whoever asks again may want the newest head."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


class ProofDoor:
    """What whoever holds a leaf asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def log_proof(self, request: Request) -> Response:
        """As text; at an older head with `?tree_size=`.

        Raises `RequestMalformed`, `EntryUnknown`, `SizeUnknown`, `LedgerEmpty`, `QuorumMissing`.
        """
        leaf_index = _number(request.path_params["leaf_index"], "leafIndex")
        tree_size = request.query_params.get("tree_size")
        async with self._service.database.reading() as session:
            if tree_size is None:
                head = await self._served(session)
            else:
                policy = self._service.settings.witness_policy
                size = _number(tree_size, "tree_size")
                head = await shown_head(session, policy, tree_size=size)
            proof = await log_proof(Entries(session), head, leaf_index)
        return PlainTextResponse(str(proof), headers=HEADERS)

    async def receipt(self, request: Request) -> Response:
        """Raises `RequestMalformed`, `EntryUnknown`, `KeyNotKept`, and as `log_proof`."""
        leaf_index = _number(request.path_params["leaf_index"], "leafIndex")
        async with self._service.database.reading() as session:
            head = await self._served(session)
            receipt = await inclusion_receipt(
                Entries(session), head, self._service.keystore, leaf_index
            )
        return Response(bytes(receipt), 200, HEADERS, RECEIPT_TYPE)

    async def consistency(self, request: Request) -> Response:
        """Raises `RequestMalformed`, `EntryUnknown`, `KeyNotKept`, and as `log_proof`."""
        old_size = _number(request.path_params["old_size"], "treeSize")
        async with self._service.database.reading() as session:
            head = await self._served(session)
            receipt = await consistency_receipt(
                Entries(session), head, self._service.keystore, old_size
            )
        return Response(bytes(receipt), 200, HEADERS, RECEIPT_TYPE)

    async def _served(self, session: AsyncSession) -> ShownHead:
        service = self._service
        return await served_head(session, service.settings.witness_policy, service.cosigning)


def _number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise RequestMalformed(f"{text[:40]!r} is no index or size", path=(name,))
    return int(text)
