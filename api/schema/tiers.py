"""One definition, four schemas: what a tier may not ask for does not exist for it.

    only           metadata of a field that belongs to some tiers alone
    described      a field's resolver and description
    TieredSchema   the schema of one tier

A hidden field is an unknown field, so that nobody learns from a refusal that there is one. Types
that only hidden fields lead to are not part of the schema either. Which rows a caller sees within
a schema is decided by predicates of the statements that read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.execution import ExecutionContext
from strawberry.types.field import StrawberryField

from api.access import Tier
from api.schema.scalars import SCALARS

_P = ParamSpec("_P")
_R = TypeVar("_R")

_TIERS = "xinyuan.tiers"


def only(*tiers: Tier) -> dict[str, frozenset[Tier]]:
    """For `strawberry.field(metadata=only(Tier.AUTHORITY))`."""
    return {_TIERS: frozenset(tiers)}


def described(
    *, description: str, metadata: Mapping[str, object] | None = None
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A resolver with its description. Strawberry's own decorator has no type."""
    decorate: Callable[[Callable[_P, _R]], Callable[_P, _R]] = strawberry.field(
        description=description, metadata=metadata
    )
    return decorate


class TieredSchema(strawberry.Schema):
    """The fields of one tier."""

    def __init__(
        self,
        tier: Tier,
        *,
        query: type,
        mutation: type | None,
        types: Iterable[type] = (),
    ) -> None:
        self.tier = tier
        super().__init__(
            query=query,
            mutation=mutation,
            types=types,
            config=StrawberryConfig(scalar_map=SCALARS),
        )

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """Those that name no tiers, and those that name this one."""
        return [
            field
            for field in type_definition.fields
            if self.tier in field.metadata.get(_TIERS, frozenset(Tier))
        ]

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Errors are logged by `api.errors.refusal_of`, and only those that are bugs."""
