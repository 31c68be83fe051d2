"""One statement about one subject, reduced to the values that weigh (ARCHITECTURE §3).

    Fact        the weighing members of a statement, with the leaf index at which it stands

The names are those of the wire, null where a kind has none. A fact holds no personal data and
survives the erasure of every particular, so a rating reads facts and nothing else. It takes
effect on `effective_on`, or where there is none on the day of the decision. What it refers to is
resolved to an index, and only to a fact of the same subject: a rating reads no other. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from ledger.statement import Weighing


@dataclass(frozen=True, slots=True)
class Fact:
    """What a policy may know of one statement."""

    leaf_index: int
    kind: str
    code: str | None = None
    outcome: str | None = None
    severity: str | None = None
    occurred_on: date | None = None
    decided_on: date | None = None
    effective_on: date | None = None
    case: str | None = None
    refers: int | None = None
    """The leaf index of the statement that it refers to, when that is about the same subject."""
    measures: Mapping[str, int] | None = None
    basis: str | None = None

    @classmethod
    def of(cls, leaf_index: int, weighing: Weighing, *, refers: int | None = None) -> Self:
        """The fact that the statement at `leaf_index` states, referring to the fact at `refers`."""
        return cls(
            leaf_index=leaf_index,
            kind=weighing.kind,
            code=weighing.code,
            outcome=weighing.outcome,
            severity=None if weighing.severity is None else weighing.severity.value,
            occurred_on=weighing.occurred_on,
            decided_on=weighing.decided_on,
            effective_on=weighing.effective_on,
            case=weighing.case,
            refers=refers,
            measures=weighing.measures,
            basis=weighing.basis,
        )

    @property
    def act(self) -> str | int:
        """What was done: facts of one case are one act, a fact without a case is its own."""
        return self.leaf_index if self.case is None else self.case

    @property
    def takes_effect_on(self) -> date | None:
        """The first day on which the fact is true of its subject."""
        return self.effective_on or self.decided_on
