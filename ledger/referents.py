"""Statements that other statements refer to, as far as a decision must know of them.

    Referral          what one statement refers to, and under which rule of its kind
    Referral.of       None for a statement that refers to none
    Referral.check    whether what was found may be referred to
    Referent          a statement that stands in the log
    Referents         those that the candidates of a batch refer to, by the hash of their references
    Referents.after   with one more that was admitted
    kind_in           the kind that stored disclosures of weighing members open

A statement names another by `ledger.statement.refers_to`, before either is in the log. Only what
stands at a lower index may be referred to, and only a statement: captures and control entries have
no kind. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.disclosure import WEIGHING, Disclosure
from ledger.errors import ReferentUnfit, ReferentUnknown
from ledger.identity import SubjectLabel
from ledger.kinds import kind_of
from ledger.statement import Weighing, refers_to

_KIND_AT = 1 + WEIGHING.index("kind")
"""Among the weighing disclosures of an opening, each with a tilde before it."""


class Referent(NamedTuple):
    """What stands in the log, as far as the rules of referring ask."""

    leaf_index: int
    issuer: SubjectLabel
    subject: SubjectLabel
    kind: str


class Referral(NamedTuple):
    """What a statement refers to. Of text alone: it passes from process to process."""

    to: str
    kind: str
    outcome: str
    """Kind and outcome of the statement that refers: they say which rule holds."""

    @classmethod
    def of(cls, weighing: Weighing) -> Referral | None:
        """Of a statement, where it refers to one."""
        if weighing.refers is None:
            return None
        return cls(weighing.refers, weighing.kind, weighing.outcome or "")

    def check(self, found: Referent | None, *, issuer: SubjectLabel, subject: SubjectLabel) -> None:
        """Of a statement by `issuer` about `subject`. Raises `ReferentUnknown`, `ReferentUnfit`."""
        if found is None:
            raise ReferentUnknown(
                f"no statement below this index has the reference {self.to}", path=("refers",)
            )
        by = f"{self.kind} with outcome {self.outcome}"
        rule = kind_of(self.kind).refers.get(self.outcome)
        if rule is None:
            raise ReferentUnfit(f"{by} refers to no statement", path=("refers",))
        fault = rule.fault(
            found.kind,
            same_subject=found.subject == subject,
            same_issuer=found.issuer == issuer,
        )
        if fault is not None:
            raise ReferentUnfit(
                f"{by} refers to {rule.words}; of the statement at index {found.leaf_index}, "
                f"{fault}",
                path=("refers",),
            )


@dataclass(frozen=True, slots=True)
class Referents:
    """What is referred to in a batch, and of that, what stands in the log."""

    wanted: frozenset[str] = frozenset()
    found: Mapping[str, Referent] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Referent], referrals: Iterable[Referral]) -> Referents:
        """What was found of these; the others may still come within the batch."""
        return cls(frozenset(referral.to for referral in referrals), found)

    def after(self, jti: str, referent: Referent) -> Referents:
        """With a statement admitted under that reference. Costs nothing where nobody refers."""
        if not self.wanted:
            return self
        name = refers_to(referent.issuer, jti)
        if name not in self.wanted:
            return self
        return Referents(self.wanted, {**self.found, name: referent})


def kind_in(weighing: str) -> str:
    """The kind that these disclosures open, as the opening store has them."""
    kind = Disclosure.parse(weighing.split("~")[_KIND_AT]).value
    assert isinstance(kind, str)
    return kind
