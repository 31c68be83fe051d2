"""What the builders of vectors write with: facts, cases, themes.

    fact         one fact of `kind/outcome`, decided on a day
    Case         facts, a day, a tree size, and what was worked out by hand
    Theme        the cases of one file, and their policy
    disagreement  where a rating differs from what was worked out by hand

`hand` is a part of a rating, written down from the page and not from a program: members that are
left out are not compared, a list is compared item by item. `refuses` is a whole refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

AT_LARGE = 1_000
"""A tree size beyond every fact of a case that does not say one."""


def fact(leaf_index: int, what: str, on: str | None, **members: object) -> Json:
    """`what` is `kind/outcome`, or `kind`; `on` is `decided_on`. What is not given is left out."""
    kind, _, outcome = what.partition("/")
    written: Json = {"leaf_index": leaf_index, "kind": kind}
    if outcome:
        written["outcome"] = outcome
    if on is not None:
        written["decided_on"] = on
    written.update({name: member for name, member in members.items() if member is not None})
    return written


@dataclass(frozen=True)
class Case:
    name: str
    why: str
    facts: list[Json]
    as_of: str
    tree_size: int
    hand: Json
    refuses: tuple[str, int] | None


@dataclass
class Theme:
    """`policy` is the name of a published file, or a whole policy."""

    name: str
    description: str
    policy: str | Json
    cases: list[Case] = field(default_factory=list)

    def add(
        self,
        name: str,
        why: str,
        facts: list[Json],
        as_of: str,
        *,
        tree_size: int = AT_LARGE,
        refuses: tuple[str, int] | None = None,
        **hand: object,
    ) -> None:
        """One case; `hand` are members of its rating."""
        self.cases.append(Case(name, why, facts, as_of, tree_size, hand, refuses))

    def follow(
        self,
        name: str,
        why: str,
        facts: list[Json],
        days: dict[str, Json],
        *,
        tree_size: int = AT_LARGE,
    ) -> None:
        """The same facts on several days, each with what was worked out by hand."""
        for day, hand in days.items():
            self.add(f"{name}; on {day}", why, facts, day, tree_size=tree_size, **hand)


def disagreement(hand: object, found: object, at: str = "rating") -> str | None:
    """The first place where `found` is not what `hand` says; None if there is none."""
    if isinstance(hand, dict) and isinstance(found, dict):
        parts = [(f"{at}.{name}", hand[name], found.get(name)) for name in hand]
    elif isinstance(hand, list) and isinstance(found, list) and len(hand) == len(found):
        parts = [(f"{at}[{i}]", *pair) for i, pair in enumerate(zip(hand, found, strict=True))]
    else:
        return None if hand == found else f"{at}: by hand {hand!r}, by the program {found!r}"
    return next((wrong for a, h, f in parts if (wrong := disagreement(h, f, a))), None)
