"""What would be otherwise: with other facts, without some acts, or with nothing but time.

    what_if          the rating with facts added and facts left out
    Counterfactual   how a grade would be reached
    to_reach         the acts without which a grade would be held, and the day on which it will be
    COUNTERFACTUAL_ACTS_MAX

An explanation of a grade that a court accepts says what was applied, and how a change in the facts
would have changed the result (CJEU C-203/22). Facts that are added stand behind all that is known,
so that they may refer to any of it. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from credit.facts import Fact
from credit.policy import Policy
from credit.rating import History, Rating
from credit.rules import Grade

COUNTERFACTUAL_ACTS_MAX = 8
"""Acts that are left out one after the other: each is two folds, and more explain nothing."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Two ways to a grade; None where one does not lead there."""

    without: tuple[int, ...] | None
    """Leaf indexes, of each act the fact that counts: had these acts not been, it would be held."""
    on: date | None
    """The first day on which it is held if nothing more is stated."""


def what_if(
    policy: Policy,
    facts: Iterable[Fact],
    *,
    add: Sequence[Fact] = (),
    remove: Collection[int] = (),
    as_of: date,
    tree_size: int,
) -> Rating:
    """The rating on `as_of` with `add` stated after all that is known, and without `remove`.

    The leaf indexes of `add` are given here, from `tree_size` on; what they refer to are those of
    `facts`. Raises `FactUnknown`, `FactIncomplete`.
    """
    kept = [fact for fact in facts if fact.leaf_index not in remove]
    added = [replace(fact, leaf_index=tree_size + at) for at, fact in enumerate(add)]
    history = History.of(policy, [*kept, *added], tree_size=tree_size + len(added))
    return history.rating(as_of)


def to_reach(
    policy: Policy, facts: Sequence[Fact], grade: Grade, *, as_of: date, tree_size: int
) -> Counterfactual:
    """How `grade`, or a better one, would be held on `as_of`. No fact is left out in vain.

    Raises `FactUnknown`, `FactIncomplete`.
    """
    known = [fact for fact in facts if fact.leaf_index < tree_size]
    history = History.of(policy, known, tree_size=tree_size)
    wanted = policy.rank(grade)

    def reaches(rating: Rating) -> bool:
        return policy.rank(rating.grade) <= wanted

    # Procedures of an act stay: what they annulled does not come back.
    counting = {weight.fact.leaf_index for weight in history.sums.weights}
    counting.update(line.fact.leaf_index for line in history.bounds.lines)

    def without(acts: Collection[str | int]) -> Rating:
        kept = [fact for fact in known if fact.act not in acts or fact.leaf_index not in counting]
        return History.of(policy, kept, tree_size=tree_size).rating(as_of)

    by_index = {fact.leaf_index: fact for fact in known}
    rating = history.rating(as_of)
    left_out: dict[str | int, int] = {}
    # Left out, an act shows those behind it: an older one that a cap had cut, or one that was grave
    # and is over. So reasons are asked for again.
    while not reaches(rating) and len(left_out) < COUNTERFACTUAL_ACTS_MAX:
        behind = _heaviest(history, rating, as_of, left_out, by_index)
        if behind is None:
            break
        left_out[by_index[behind].act] = behind
        rating = without(left_out)
    found: tuple[int, ...] | None = None
    if reaches(rating):
        for act in list(left_out):
            fewer = {other for other in left_out if other != act}
            if reaches(without(fewer)):
                del left_out[act]
        found = tuple(left_out.values())
    return Counterfactual(found, _day_of(history, wanted, as_of))


def _heaviest(
    history: History,
    rating: Rating,
    as_of: date,
    left_out: Collection[str | int],
    by_index: dict[int, Fact],
) -> int | None:
    """A reason of the day; else, where history keeps the grade, of the day it was taken."""
    for reason in rating.reasons:
        if by_index[reason.leaf_index].act not in left_out:
            return reason.leaf_index
    if rating.held_since is not None and rating.held_since < as_of:
        for reason in history.rating(rating.held_since).reasons:
            if by_index[reason.leaf_index].act not in left_out:
                return reason.leaf_index
    return None


def _day_of(history: History, wanted: int, as_of: date) -> date | None:
    """The first day, not before `as_of`, on which a grade so good is held."""
    if history.policy.rank(history.state(as_of).grade) <= wanted:
        return as_of
    later = (state for state in history.path if state.on > as_of)
    return next((state.on for state in later if history.policy.rank(state.grade) <= wanted), None)
