"""What a field may answer in place of its type: a refusal that the caller can act on.

Refusal    code, message, path
refused    an exception to a Refusal; what is none is raised on
"""

from __future__ import annotations

import strawberry

from api.errors import KNOWN, refusal_of
from api.schema.scalars import PathSegment


@strawberry.type(
    description="Why something was not done. Nothing was written where a mutation answers this."
)
class Refusal:
    """The one error object."""

    code: str = strawberry.field(description="Stable, in capitals; docs/errors.md lists them all.")
    message: str = strawberry.field(description="The rule and the value that broke it, in English.")
    path: list[PathSegment] = strawberry.field(
        description="The offending field, from the outside in; empty when it is the whole."
    )


def refused(error: Exception) -> Refusal:
    """Raises `error` again when it is no refusal."""
    if not isinstance(error, KNOWN):
        raise error
    refusal = refusal_of(error)
    return Refusal(
        code=refusal.code,
        message=refusal.message,
        path=[PathSegment(segment) for segment in refusal.path],
    )
