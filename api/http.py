"""Requests in, answers out: bodies with a limit, problem details, GraphQL over HTTP.

    media_type       a request's content type without parameters
    read_body        the body, refused as soon as it is too long
    problem          any exception as RFC 9457 problem details
    retry_headers    when the same request may do better
    EXCEPTION_HANDLERS   the same for whatever escapes a route, and for routes that are not there
    GraphQLRequest   query, operation name and variables, parsed strictly
    answer_type      application/graphql-response+json where it is asked for, else application/json
    graphql_answer   what was executed, as a response

A GraphQL request is one JSON object over POST. Under `application/json` a refused document is
answered 200, as that media type's readers expect; under `application/graphql-response+json` it is
answered 400 (GraphQL over HTTP, "Status Codes").
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.errors import (
    KNOWN,
    BodyTooLarge,
    MediaTypeRefused,
    MethodRefused,
    QueryTooLarge,
    RequestMalformed,
    RouteUnknown,
    refusal_of,
    retry_after_s,
    status_of,
)

GRAPHQL_BODY_BYTES_MAX = 12 * 1024 * 1024
"""Of callers who may write: the largest argument is an EPCIS document of 10 MiB, quoted."""

GRAPHQL_READER_BODY_BYTES_MAX = 256 * 1024
"""Of callers who only ask: the longest document, and variables that name what it asks for."""

QUERY_CHARACTERS_MAX = 64_000
"""A document; values travel as variables."""

VARIABLES_DEPTH_MAX = 32
"""Far below the depth at which a reader's recursion ends."""

JSON_TYPE = "application/json"
GRAPHQL_TYPE = "application/graphql-response+json"
PROBLEM_TYPE = "application/problem+json"

_NAME_SHOWN_MAX = 64

_MEMBERS = frozenset({"query", "operationName", "variables", "extensions"})


def media_type(request: Request) -> str:
    """In lower case, without parameters; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Raises `BodyTooLarge` before more than `bytes_max` are held."""
    body = bytearray()
    async for piece in request.stream():
        if len(body) + len(piece) > bytes_max:
            raise BodyTooLarge(f"a body of more than {bytes_max} bytes")
        body += piece
    return bytes(body)


def problem(error: BaseException) -> Response:
    """RFC 9457, with the members of the one error object beside its own."""
    refusal, status = refusal_of(error), status_of(error)
    content = {
        "type": "about:blank",
        "title": refusal.code,
        "status": status,
        **refusal.members(),
    }
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    headers.update(retry_headers(retry_after_s(error)))
    return Response(_dumps(content), status, headers, PROBLEM_TYPE)


def retry_headers(seconds: int | None) -> dict[str, str]:
    """Retry-After (RFC 9110 §10.2.3), where waiting helps."""
    return {} if seconds is None else {"Retry-After": str(seconds)}


async def _refuse(request: Request, error: Exception) -> Response:
    return problem(error)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = problem(MethodRefused(f"{request.url.path} does not take {request.method}"))
        answer.headers.update(error.headers or {})
        return answer
    if error.status_code == 404:
        return problem(RouteUnknown(f"nothing is at {request.url.path}"))
    return PlainTextResponse(error.detail, error.status_code, error.headers)


EXCEPTION_HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    **dict.fromkeys(KNOWN, _refuse),
    HTTPException: _refuse_route,
    Exception: _refuse,
}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation, as asked for."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any]

    @classmethod
    async def read(cls, request: Request, bytes_max: int = GRAPHQL_BODY_BYTES_MAX) -> Self:
        """Raises `MediaTypeRefused`, `BodyTooLarge`, `RequestMalformed`, `QueryTooLarge`."""
        if media_type(request) != JSON_TYPE:
            raise MediaTypeRefused(f"a GraphQL request is {JSON_TYPE}")
        return cls.parse(await read_body(request, bytes_max))

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises `RequestMalformed`, `QueryTooLarge`."""
        members = _object(raw)
        unknown = set(members) - _MEMBERS
        if unknown:
            raise RequestMalformed(f"unknown members: {', '.join(sorted(unknown))}")
        query = members.get("query")
        if not isinstance(query, str) or not query.strip():
            raise RequestMalformed("query is no text", path=("query",))
        if len(query) > QUERY_CHARACTERS_MAX:
            raise QueryTooLarge(
                f"a document of more than {QUERY_CHARACTERS_MAX} characters", path=("query",)
            )
        operation_name = members.get("operationName")
        if operation_name is not None and not isinstance(operation_name, str):
            raise RequestMalformed("operationName is no text", path=("operationName",))
        variables = members.get("variables")
        if variables is not None and not isinstance(variables, dict):
            raise RequestMalformed("variables is no object", path=("variables",))
        if not isinstance(members.get("extensions") or {}, dict):
            raise RequestMalformed("extensions is no object", path=("extensions",))
        _check_depth(variables)
        return cls(query, operation_name or None, variables or {})


def answer_type(request: Request) -> str:
    """The first of both media types that the Accept header names."""
    accepted = [
        item.partition(";")[0].strip().lower()
        for item in request.headers.get("accept", "").split(",")
    ]
    return next((item for item in accepted if item in (GRAPHQL_TYPE, JSON_TYPE)), JSON_TYPE)


def graphql_answer(
    content: Mapping[str, Any], type_: str, retry_after: int | None = None
) -> Response:
    """Without `data` the document was refused before it was executed."""
    refused = "data" not in content
    status = 400 if refused and type_ == GRAPHQL_TYPE else 200
    headers = {"Cache-Control": "no-store", **retry_headers(retry_after)}
    return Response(_dumps(content), status, headers, type_)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        # orjson refuses lone surrogates, NaN, depths beyond 1,024 and bytes outside UTF-8; the
        # standard library lets repeated names be seen, of which orjson takes the last.
        value = orjson.loads(raw)
        json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RequestMalformed(f"no JSON in UTF-8: {error}") from None
    if not isinstance(value, dict):
        raise RequestMalformed("a GraphQL request is one JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the member name {name[:_NAME_SHOWN_MAX]!r} is repeated")
        names.add(name)


def _check_depth(variables: object) -> None:
    level = [variables]
    for _ in range(VARIABLES_DEPTH_MAX):
        level = [
            member
            for value in level
            if isinstance(value, dict | list)
            for member in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise RequestMalformed(
        f"variables nested deeper than {VARIABLES_DEPTH_MAX}", path=("variables",)
    )


def _dumps(content: object) -> bytes:
    try:
        return orjson.dumps(content)
    except orjson.JSONEncodeError:
        # A lone surrogate out of an escape in a document: the standard library escapes it again.
        return json.dumps(content).encode("ascii")
