"""The kinds of statements for readers of other languages: what the server checks, as JSON Schema.

    KindDoor     GET /kinds, /kinds/{name}

The schemas are those of `ledger.kinds`, made once; they change with a version of the server alone.
Who asks again with the ETag of what it has is answered 304.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.errors import RouteUnknown
from ledger.kinds import KINDS

LIST_TYPE = "application/json"
SCHEMA_TYPE = "application/schema+json"

CACHE = "public, max-age=3600, must-revalidate"
"""An hour behind a new version does no harm: the door checks whatever comes."""


class _Document(NamedTuple):
    """A text that is served, and the tag by which a reader knows that it has it."""

    content: bytes
    media_type: str
    tag: str


class KindDoor:
    """What whoever writes statements asks. Public, whatever the credential."""

    def __init__(self) -> None:
        listed = [
            {"name": kind.name, "description": kind.description, "address": f"/kinds/{kind.name}"}
            for kind in KINDS.values()
        ]
        self._list = _document(listed, LIST_TYPE)
        self._schemas = {
            kind.name: _document(kind.json_schema(), SCHEMA_TYPE) for kind in KINDS.values()
        }

    async def kinds(self, request: Request) -> Response:
        """Every kind: name, description, address."""
        return _answer(request, self._list)

    async def schema(self, request: Request) -> Response:
        """The schema of one kind. Raises `RouteUnknown`."""
        name = request.path_params["name"]
        document = self._schemas.get(name)
        if document is None:
            raise RouteUnknown(f"{name!r} is no kind of this ledger; /kinds lists them")
        return _answer(request, document)


def _document(value: object, media_type: str) -> _Document:
    content = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    return _Document(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _answer(request: Request, document: _Document) -> Response:
    headers = {"Cache-Control": CACHE, "ETag": document.tag}
    if document.tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").strip()):
        return Response(status_code=304, headers=headers)
    return Response(document.content, 200, headers, document.media_type)
