"""The four schemas, and their golden files.

schema_of    the schema of a tier, built once
schema_text  the same as text
schema_path  where its golden file is
print_all    writes `schema.<tier>.graphql`; a test holds the files to the code
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from api.access import Tier
from api.schema.kinds import KINDS
from api.schema.mutation import Mutation
from api.schema.query import Query
from api.schema.tiers import TieredSchema

FOLDER = Path(__file__).resolve().parent.parent

_WRITERS = (Tier.ENTERPRISE, Tier.AUTHORITY)


@cache
def schema_of(tier: Tier) -> TieredSchema:
    """Building one takes some 50 ms, so each is built when it is first asked for."""
    mutation = Mutation if tier in _WRITERS else None
    return TieredSchema(tier, query=Query, mutation=mutation, types=tuple(KINDS.values()))


def schema_text(tier: Tier) -> str:
    """The schema language of a tier, as its golden file has it."""
    return f"{schema_of(tier).as_str().strip()}\n"


def schema_path(tier: Tier, folder: Path = FOLDER) -> Path:
    """Where a tier's golden file is."""
    return folder / f"schema.{tier.value}.graphql"


def print_all(folder: Path = FOLDER) -> list[Path]:
    """Write every tier's file anew; says which were written."""
    paths = []
    for tier in Tier:
        path = schema_path(tier, folder)
        path.write_text(schema_text(tier), encoding="utf-8")
        paths.append(path)
    return paths
