"""The two clocks of every answer: `asOf`, what was true then, and `knownAt`, what was known then.

    KnownAt     the input: a tree size or an instant
    Clocks      both, resolved
    known_size  KnownAt to a tree size that every view has read

Neither moves publicity: what may be shown is judged today (ARCHITECTURE §8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import SizeUnknown
from api.schema.scalars import Day, Instant, Natural
from ledger.entries import Entries


@strawberry.input(
    one_of=True,
    description="What the ledger knew: exactly one of a tree size and an instant.",
)
class KnownAt:
    """One of both."""

    tree_size: strawberry.Maybe[Natural] = strawberry.field(
        description="Only entries with an index below this, at most the log's present size."
    )
    instant: strawberry.Maybe[Instant] = strawberry.field(
        description="Only what the log held at this moment."
    )


AsOf = Annotated[
    Day | None,
    strawberry.argument(description="What was true on this day; by default today."),
]
KnownAtArgument = Annotated[
    KnownAt | None,
    strawberry.argument(description="What was known then; by default all that is known."),
]


@dataclass(frozen=True, slots=True)
class Clocks:
    """True on this day, known at this size."""

    as_of: date
    tree_size: int


async def known_size(session: AsyncSession, known_at: KnownAt | None, newest: int) -> int:
    """The tree size that `known_at` means. Raises `SizeUnknown`."""
    if known_at is None:
        return newest
    if known_at.tree_size is not None:
        tree_size: int = known_at.tree_size.value
        if not 0 < tree_size <= newest:
            raise SizeUnknown(
                f"the log has {newest} entries, not {tree_size}", path=("knownAt", "treeSize")
            )
        return tree_size
    assert known_at.instant is not None
    tree_size = await Entries(session).size_known_at(known_at.instant.value)
    if tree_size == 0:
        raise SizeUnknown("the log had no entry at that instant", path=("knownAt", "instant"))
    return min(tree_size, newest)
