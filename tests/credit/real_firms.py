"""The firms of the real import refusals, rated by the engine and by the plain program.

    CORE          the policy under which they are compared
    MONTH_ENDS    the days: the last of each month from March 2020 to December 2025
    firms_of      the facts of each firm, from the two tables of the FDA
    disagreement  the first rating of which the two do not give the same bytes

A line is the statement that `api.refusals` makes of it, at its place in the report.
"""

from __future__ import annotations

import gzip
import hashlib
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from api.refusals import Cases, read_charges, read_refusals, statement_of
from credit.facts import Fact
from credit.policy import Policy
from ledger.canonical import encode
from tests.credit.histories import POLICIES, plain_ratings, ratings

CORE = POLICIES["xinyuan-export-credit-core-1.0.0"]

MONTH_ENDS = [
    date(year, month, monthrange(year, month)[1])
    for year in range(2020, 2026)
    for month in range(1, 13)
    if (year, month) >= (2020, 3)
]

CASES = Cases(lambda matter: hashlib.sha256(matter).digest())
"""Nothing is hidden here: which lines are one case is all that counts."""


def firms_of(charges: Path, refusals: Path) -> Mapping[str, Sequence[Fact]]:
    """By the identifier of the firm; both files are compressed."""
    table = read_charges(gzip.decompress(charges.read_bytes()).decode("utf-8"))
    lines = read_refusals(gzip.decompress(refusals.read_bytes()).decode("utf-8"), table)
    firms: dict[str, list[Fact]] = {}
    for leaf_index, line in enumerate(lines):
        fact = Fact.of(leaf_index, statement_of(line, CASES).weighing)
        firms.setdefault(line.firm.identity.identifier, []).append(fact)
    return firms


def disagreement(firms: Mapping[str, Sequence[Fact]]) -> tuple[str, date] | None:
    """The firm and the day, or None where all is the same on every month's end."""
    policy = Policy.parse(encode(CORE))
    for firm, facts in firms.items():
        tree_size = 1 + max(fact.leaf_index for fact in facts)
        ours = ratings(policy, facts, MONTH_ENDS, tree_size=tree_size)
        plain = plain_ratings(CORE, facts, MONTH_ENDS, tree_size=tree_size)
        for day, one, other in zip(MONTH_ENDS, ours, plain, strict=True):
            if one != other:
                return firm, day
    return None
