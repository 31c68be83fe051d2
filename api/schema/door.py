"""POST /graphql: one operation, in the schema of the caller's tier.

    GraphQLDoor   execute, schema_text

The document is parsed within a bound of tokens, its cost is counted, and only then is it
validated and run. A refusal before that is answered without `data`; one inside a field that has
no room for it stands in `errors` with its code in `extensions`. What is no known refusal is
logged whole and answered as INTERNAL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError, GraphQLSyntaxError, parse
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.access import Access, Caller, Tier
from api.errors import KNOWN, DoorError, QueryMalformed, QueryTooLarge, Refusal, refusal_of
from api.http import (
    GRAPHQL_BODY_BYTES_MAX,
    GRAPHQL_READER_BODY_BYTES_MAX,
    GraphQLRequest,
    answer_type,
    graphql_answer,
)
from api.schema.limits import TOKENS_MAX, check_cost, operation_of
from api.schema.schemas import schema_of, schema_text
from api.schema.session import Session
from api.service import Service

ERRORS_MAX = 20
"""Of one answer; who sends nonsense need not be told all of it."""

_BODY_BYTES_MAX = {
    Tier.PUBLIC: GRAPHQL_READER_BODY_BYTES_MAX,
    Tier.BANK: GRAPHQL_READER_BODY_BYTES_MAX,
    Tier.ENTERPRISE: GRAPHQL_BODY_BYTES_MAX,
    Tier.AUTHORITY: GRAPHQL_BODY_BYTES_MAX,
}


class GraphQLDoor:
    """The graph over HTTP."""

    def __init__(self, service: Service, access: Access) -> None:
        self._service = service
        self._access = access

    async def execute(self, request: Request) -> Response:
        """Run one operation. Raises `AccessError`, `RequestError`, before anything is run."""
        caller = self._caller(request)
        asked = await GraphQLRequest.read(request, _BODY_BYTES_MAX[caller.tier])
        session = Session(self._service, caller)
        answer = await self._run(asked, session)
        return graphql_answer(answer, answer_type(request), session.retry_after_s)

    async def schema_text(self, request: Request) -> Response:
        """The schema of the caller's tier. Raises `AccessError`."""
        caller = self._caller(request)
        return PlainTextResponse(schema_text(caller.tier), headers={"Vary": "Authorization"})

    def _caller(self, request: Request) -> Caller:
        return self._access.caller(request.headers.get("authorization"), at=self._service.now())

    async def _run(self, asked: GraphQLRequest, session: Session) -> dict[str, Any]:
        try:
            _check(asked)
        except DoorError as error:
            return {"errors": [_refused(error)]}
        result = await schema_of(session.caller.tier).execute(
            asked.query,
            variable_values=dict(asked.variables),
            context_value=session,
            operation_name=asked.operation_name,
        )
        answer: dict[str, Any] = {}
        errors = result.errors or []
        # A document that does not validate has no data at all, not null.
        if result.data is not None or any(error.path for error in errors):
            answer["data"] = result.data
        if errors:
            answer["errors"] = _errors(errors)
        return answer


def _check(asked: GraphQLRequest) -> None:
    try:
        document = parse(asked.query, max_tokens=TOKENS_MAX, no_location=False)
    except GraphQLSyntaxError as error:
        if "token" in error.message and str(TOKENS_MAX) in error.message:
            raise QueryTooLarge(
                f"a document of more than {TOKENS_MAX} tokens", path=("query",)
            ) from None
        raise QueryMalformed(error.message, path=("query",)) from None
    except RecursionError:
        raise QueryTooLarge("a document nested too deeply to be read", path=("query",)) from None
    operation = operation_of(document, asked.operation_name)
    check_cost(document, operation, asked.variables)


def _errors(errors: Sequence[GraphQLError]) -> list[dict[str, Any]]:
    return [_formatted(error) for error in errors[:ERRORS_MAX]]


def _formatted(error: GraphQLError) -> dict[str, Any]:
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    if original is None or (not error.path and not isinstance(original, KNOWN)):
        # Syntax, validation and variables: GraphQL's own words, which quote the request alone.
        refusal = Refusal(QueryMalformed.code, error.message)
    else:
        refusal = refusal_of(original)
    answer: dict[str, Any] = {"message": refusal.message}
    if error.locations:
        answer["locations"] = [
            {"line": location.line, "column": location.column} for location in error.locations
        ]
    if error.path:
        answer["path"] = error.path
    answer["extensions"] = {"code": refusal.code, "path": list(refusal.path)}
    return answer


def _refused(error: DoorError) -> dict[str, Any]:
    return {
        "message": error.message,
        "extensions": {"code": error.code, "path": list(error.path)},
    }
