"""The server: which path leads to which door.

    create_app    a service to an ASGI application

    /                the page to try the schema on
    /graphql         POST: the schema of the caller's tier; GET: the same page
    /entries         POST: finished tokens
    /checkpoint  /tile/…  /log-key     the log
    /tlog-proof/…  /receipt/…          proofs of its entries
    /kinds  /kinds/…                   what may be stated, as JSON Schema
    /schema.graphql  the schema of the caller's tier, as text
    /static/…        what that page is made of
    /openings        the log with all that opens it, for the operator's other homes
    /healthz         whether the process answers and its database does
    /readyz          whether requests should be sent here

Every refusal outside GraphQL is a problem document (RFC 9457).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import DEMO_ISSUER, DEMO_KEY, Access
from api.http import EXCEPTION_HANDLERS
from api.kind_schemas import KindDoor
from api.openings import OpeningsDoor
from api.proving import ProofDoor
from api.readiness import ReadyDoor
from api.schema.door import GraphQLDoor
from api.service import Service
from api.submission import EntriesDoor
from api.tiles import TileDoor

STATIC = Path(__file__).resolve().parent / "static"

PAGE_HEADERS = {
    # Everything is served from here; the page's own script and styles are files, too. GraphiQL's
    # editor sets styles on elements as it lays out lines.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def create_app(service: Service) -> ASGIApp:
    """The application over an opened service, which must stay open as long as it serves."""
    access = Access(_issuers(service), audience=service.origin)
    graphql = GraphQLDoor(service, access)
    entries = EntriesDoor(service, access)
    tiles = TileDoor(service)
    proofs = ProofDoor(service)
    openings = OpeningsDoor(service, access)
    readiness = ReadyDoor(service)
    kinds = KindDoor()

    async def graphql_or_page(request: Request) -> Response:
        return await (graphql.execute if request.method == "POST" else page)(request)

    async def health(request: Request) -> Response:
        async with service.database.reading() as session:
            await session.execute(text("SELECT 1"))
        return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})

    routed = Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/graphql", graphql_or_page, methods=["GET", "POST"]),
            Route("/schema.graphql", graphql.schema_text, methods=["GET"]),
            Route("/entries", _only_posted, methods=["POST"]),
            Route("/checkpoint", tiles.checkpoint, methods=["GET"]),
            Route("/log-key", tiles.log_key, methods=["GET"]),
            Route("/tile/{path:path}", tiles.tile, methods=["GET"]),
            Route("/tlog-proof/{leaf_index}", proofs.log_proof, methods=["GET"]),
            Route("/receipt/{leaf_index}", proofs.receipt, methods=["GET"]),
            Route("/receipt/consistency/{old_size}", proofs.consistency, methods=["GET"]),
            Route("/kinds", kinds.kinds, methods=["GET"]),
            Route("/kinds/{name}", kinds.schema, methods=["GET"]),
            Route("/openings", openings.feed, methods=["GET"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/readyz", readiness.ready, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        # Statements come by the thousand a second; to be routed would cost as much as to be read.
        if scope["type"] == "http" and (scope["path"], scope["method"]) == ("/entries", "POST"):
            await entries(scope, receive, send)
        else:
            await routed(scope, receive, send)

    return application


async def _only_posted(request: Request) -> Response:
    raise AssertionError("a POST to /entries is answered before it is routed")


async def page(request: Request) -> Response:
    """GraphiQL, from our own files."""
    return FileResponse(STATIC / "graphiql" / "index.html", headers=PAGE_HEADERS)


def _issuers(service: Service) -> dict[str, bytes]:
    settings = service.settings
    issuers = dict(settings.credential_issuers)
    # Whatever the settings say, a demonstration's issuer is believed in a demonstration alone.
    issuers.pop(DEMO_ISSUER, None)
    if settings.demo and service.keystore.has(DEMO_KEY):
        issuers[DEMO_ISSUER] = service.keystore.get(DEMO_KEY).public_key
    return issuers
