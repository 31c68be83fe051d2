"""What a statement may refer to: a rule for each outcome of a kind.

    Whose         about the same subject, or about another
    Refers        the rule: needed or not, of which kinds, about whom, by whom
    Refers.fault  what is wrong with a statement that is referred to, or None
    DECISIONS     the kinds that weigh: what can be rectified, repaired, objected to
    OBJECTABLE    what an objection may be about

A rule is a value, as a kind is; the statement that is referred to is found by the writer
(`ledger.referents`). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DECISIONS = frozenset(
    {
        "inspection",
        "enforcement",
        "fraud-case",
        "ip-case",
        "foreign-notice",
        "declaration-error",
        "commitment",
    }
)

OBJECTABLE = DECISIONS | {"list-entry", "effect", "external-grade", "certificate"}


class Whose(Enum):
    """About whom the statement is that is referred to."""

    SAME_SUBJECT = "the same subject"
    OTHER_SUBJECT = "another subject"


@dataclass(frozen=True, slots=True)
class Refers:
    """Which statements one may refer to."""

    needed: bool = True
    kinds: frozenset[str] = frozenset()
    """Of these kinds; empty where it may be of any."""
    but: frozenset[str] = frozenset()
    """Of none of these."""
    whose: Whose = Whose.SAME_SUBJECT
    same_issuer: bool = False

    def fault(self, kind: str, *, same_subject: bool, same_issuer: bool) -> str | None:
        """In words, which of the rules a statement of that kind breaks; the first if several."""
        if (self.kinds and kind not in self.kinds) or kind in self.but:
            return f"it is of kind {kind}"
        if same_subject != (self.whose is Whose.SAME_SUBJECT):
            return "it is about " + ("the same subject" if same_subject else "another subject")
        if self.same_issuer and not same_issuer:
            return "another issuer stated it"
        return None

    @property
    def words(self) -> str:
        """The rule in words: `effect about the same subject`."""
        kinds = " or ".join(sorted(self.kinds)) or "any statement"
        if self.but:
            kinds += f" but {', '.join(sorted(self.but))}"
        return f"{kinds}, about {self.whose.value}" + (
            ", by the same issuer" if self.same_issuer else ""
        )
