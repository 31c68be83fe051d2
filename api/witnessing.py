"""A witness over HTTP, C2SP tlog-witness: `xin witness`.

    WitnessDoor         POST /add-checkpoint and /sign-subtree, GET /<origin hash>/checkpoint
    create_witness_app  a witness to an ASGI application
    serve_witness       serve one until a signal
    read_policy         a tlog-policy file

Submission and monitoring prefix are the same. Who asks is not authenticated: what counts is the
log's signature. Refusals are problem documents under the statuses of the standard, but for the
conflict, whose body is the size where this witness stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.custody import custody_of, unlocking_of
from api.http import EXCEPTION_HANDLERS, read_body
from api.service import system_clock
from api.serving import Serving, listening
from api.settings import Settings
from ledger.custody import Custody
from ledger.errors import CheckpointConflict
from ledger.keystore import Keystore
from ledger.subtree import SignSubtree
from ledger.witness import Witness
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import REQUEST_BYTES_MAX, AddCheckpoint

SIZE_TYPE = "text/x.tlog.size"
"""Exactly; Starlette would add a charset to a media type of text."""

NEVER_STORED = {"Cache-Control": "no-store"}


class WitnessDoor:
    """What logs and monitors ask."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def add_checkpoint(self, request: Request) -> Response:
        """200 with cosignatures, 409 with the last size, or a refusal. Raises `BodyTooLarge`."""
        asked = AddCheckpoint.parse(await read_body(request, REQUEST_BYTES_MAX))
        try:
            lines = await self._witness.add_checkpoint(asked)
        except CheckpointConflict as conflict:
            headers = {**NEVER_STORED, "Content-Type": SIZE_TYPE}
            return Response(f"{conflict.tree_size}\n", 409, headers)
        return PlainTextResponse("".join(map(str, lines)), headers=NEVER_STORED)

    async def sign_subtree(self, request: Request) -> Response:
        """200 with cosignatures of a part of a tree, or a refusal. Raises `BodyTooLarge`."""
        asked = SignSubtree.parse(await read_body(request, REQUEST_BYTES_MAX))
        lines = await asyncio.to_thread(self._witness.sign_subtree, asked)
        return PlainTextResponse("".join(map(str, lines)), headers=NEVER_STORED)

    async def checkpoint(self, request: Request) -> Response:
        """The last cosigned head. Raises `OriginUnknown`."""
        note = await self._witness.checkpoint(request.path_params["origin_hash"])
        return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})


def create_witness_app(witness: Witness) -> Starlette:
    """The application over an opened witness."""
    door = WitnessDoor(witness)
    return Starlette(
        routes=[
            Route("/add-checkpoint", door.add_checkpoint, methods=["POST"]),
            Route("/sign-subtree", door.sign_subtree, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", door.checkpoint, methods=["GET"]),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )


async def serve_witness(
    settings: Settings, name: str, logs: Path, *, say: Callable[[str], None]
) -> None:
    """Serve the witness of XIN_HOME/witness until a signal; `logs` is a policy file.

    Raises `PortTaken`, `WitnessPolicyInvalid`, `WitnessStateMismatch`, `KeyNotKept`.
    """
    policy = read_policy(logs)
    with listening(settings.port) as socket:
        async with (
            Witness.opened(
                settings.home / "witness",
                name,
                policy,
                now=system_clock,
                keys=_keys(settings),
            ) as witness,
            Serving.running(create_witness_app(witness), socket) as serving,
        ):
            keys = "\n".join(verifier.vkey for verifier in witness.verifiers)
            say(f"witnessing {len(policy.logs)} log keys at {settings.address}, under\n{keys}")
            await serving.until_stopped()


def _keys(settings: Settings) -> Custody:
    """A witness's own, apart from those of a log in the same home, unless an agent keeps both."""
    if settings.key_agent is not None:
        return custody_of(settings)
    return Keystore(settings.home / "witness" / "keys", unlocking_of(settings))


def read_policy(file: Path) -> WitnessPolicy:
    """A tlog-policy. Raises `WitnessPolicyInvalid`."""
    return WitnessPolicy.parse(file.read_bytes())
