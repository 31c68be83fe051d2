"""Making every view again from log and opening store alone (ARCHITECTURE, invariant 3).

    Rebuilt    what was read, and how many grades were written
    rebuild    clear all views, follow from index 0, bring grades up to a day

The caller holds the writer's lock, so that nobody adds entries or follows meanwhile. A crash on the
way leaves views that lag: the next server, or the next rebuild, reads on from their cursors.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from api.jobs import refresh_ratings
from ledger import references
from ledger.database import Database
from ledger.follower import Follower


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    entries: int
    ratings: int


async def rebuild(database: Database, follower: Follower, *, day: date) -> Rebuilt:
    """A stored grade is a function of facts, policy and day, so it returns as it was.

    The table of references is emptied; the next writer fills it as it starts.
    """
    async with database.writing() as session:
        await references.forget(session)
    entries = await follower.rebuild()
    return Rebuilt(entries, await refresh_ratings(database, day))
