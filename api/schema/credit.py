"""Credit in the graph: a rating, why it is what it is, and what would change it.

    CreditRating, RatingResult, PolicyName
    Reason, Merit, RatingChange     of what it is made
    RatingState                     the way of the grade
    HypotheticalFact, MeasureInput  what might be stated
    SupposedRating, SupposedResult  what would follow from it
    Counterfactual                  what would lead to another grade

A rating is shown with the day, the size and the policy that it follows from, so that anyone who
may see the same statements computes the same rating.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry

from api.access import Tier
from api.errors import KNOWN, HypothesisInvalid, PageInvalid
from api.schema.nodes import PAGE_SIZE, PAGE_SIZE_MAX, First
from api.schema.outcome import Refusal
from api.schema.scalars import Day, Natural
from api.schema.session import Info, Rated
from api.schema.statement import Statement, statement_of
from api.schema.tiers import described, only
from credit import rating as credit_rating
from credit.explanation import COUNTERFACTUAL_ACTS_MAX, to_reach, what_if
from credit.facts import Fact
from credit.rating import State
from credit.rules import Grade
from ledger.merkle import Hash
from ledger.statement import Severity

HYPOTHESES_MAX = 16
"""Statements of one question: a matter with more is not one idea."""

REMOVED_MAX = 100
"""Statements left out of one question, as many as a page shows."""


@strawberry.type(description="A policy of rating: data in the log, named by its hash.")
class PolicyName:
    """Which rule was followed."""

    name: str = strawberry.field(description="Its name.")
    version: str = strawberry.field(description="Its version, three numbers.")
    hash: Hash = strawberry.field(description="SHA-256 of its canonical JSON.")
    effective_from: Day = strawberry.field(description="The first day on which it is in force.")


@strawberry.type(description="What the rating becomes if nothing more is stated.")
class RatingChange:
    """The next turn."""

    on: Day = strawberry.field(description="The first day of the new rating.")
    grade: str = strawberry.field(description="The grade from that day on.")
    points: int = strawberry.field(description="Points from that day on, in hundredths of a point.")


@strawberry.type(description="What speaks for a subject and lowers its points.")
class Merit:
    """One item of merit."""

    rule: str = strawberry.field(description="The rule of the policy, by its identifier there.")
    points: int = strawberry.field(
        description="What it gives, in hundredths of a point, before the cap over all merits."
    )


@strawberry.type(description="Why a rating is what it is.")
class Reason:
    """One act that counts, or a red line."""

    reason: strawberry.Private[credit_rating.Reason]
    tree_size: strawberry.Private[int]
    """Of the rating: what is at or beyond it was supposed, whatever the log has there by now."""

    @described(description="The statement behind it, by its place in the log.")
    def leaf_index(self) -> Natural:
        return Natural(self.reason.leaf_index)

    @described(description="The rule of the policy, by its identifier there.")
    def rule(self) -> str:
        return self.reason.rule

    @described(description="What it adds now, in hundredths of a point. A red line adds none.")
    def points(self) -> int:
        return self.reason.points

    @described(
        description="What it weighed before reliefs, decay and caps, in hundredths of a point."
    )
    def points_full(self) -> int:
        return self.reason.points_full

    @described(description="What its age leaves of it, in thousandths.")
    def decay_permille(self) -> int:
        return self.reason.permille

    @described(description="The relief that it has, by its identifier in the policy.")
    def relief(self) -> str | None:
        return self.reason.relief

    @described(description="The cap that cut it, by its identifier in the policy.")
    def cap(self) -> str | None:
        return self.reason.cap

    @described(description="The last day on which it counts; null while no end is known.")
    def ends_on(self) -> Day | None:
        return None if self.reason.ends_on is None else Day(self.reason.ends_on)

    @described(
        description="The matter it belongs to; a random identifier.",
        metadata=only(Tier.AUTHORITY),
    )
    def case(self) -> str | None:
        return self.reason.case

    @described(description="The statement behind it; null of one that was supposed.")
    async def statement(self, info: Info) -> Statement | None:
        if self.reason.leaf_index >= self.tree_size:
            return None
        visible = await info.context.at.load(self.reason.leaf_index)
        return None if visible is None else statement_of(visible)


@strawberry.type(description="What is held from a day on, until the next such day.")
class RatingState:
    """A step of the way of a grade."""

    state: strawberry.Private[State]

    @described(description="The first day; 0001-01-01 for what was so from ever.")
    def on(self) -> Day:
        return Day(self.state.on)

    @described(description="The grade held.")
    def grade(self) -> str:
        return self.state.grade

    @described(description="Demerit in hundredths of a point.")
    def points(self) -> int:
        return self.state.points

    @described(description="What else is to be known; names of the policy.")
    def flags(self) -> list[str]:
        return list(self.state.flags)

    @described(description="What the grade would be, but for how fast it may rise.")
    def target(self) -> str:
        return self.state.target


@strawberry.input(description="A named integer, such as a fine in fen.")
class MeasureInput:
    """Name and number."""

    name: str = strawberry.field(description="As the kind has it.")
    value: Natural = strawberry.field(description="How much.")


@strawberry.input(description="A statement as it might be made; nothing of it is kept.")
class HypotheticalFact:
    """The members that weigh."""

    kind: str = strawberry.field(description="A kind of the ledger.")
    outcome: str = strawberry.field(description="An outcome of that kind.")
    decided_on: Day = strawberry.field(description="The day of its decision.")
    code: str | None = strawberry.field(default=None, description="A code of that kind.")
    severity: Severity | None = strawberry.field(default=None, description="How grave it is.")
    effective_on: Day | None = strawberry.field(
        default=None, description="The day from which it holds, if not that of the decision."
    )
    basis: str | None = strawberry.field(default=None, description="What it rests on.")
    case: str | None = strawberry.field(default=None, description="Joins it to a matter.")
    refers_to: Natural | None = strawberry.field(
        default=None, description="The statement that it refers to, by its place in the log."
    )
    measures: list[MeasureInput] = strawberry.field(
        default_factory=list, description="Named integers."
    )

    def fact(self) -> Fact:
        """To be given its place by the fold."""
        return Fact(
            leaf_index=0,
            kind=self.kind,
            code=self.code,
            outcome=self.outcome,
            severity=None if self.severity is None else self.severity.value,
            decided_on=self.decided_on,
            effective_on=self.effective_on,
            case=self.case,
            refers=self.refers_to,
            measures={one.name: one.value for one in self.measures} or None,
            basis=self.basis,
        )


@strawberry.type(description="What would lead to a grade: other facts, or time alone.")
class Counterfactual:
    """Two ways, each of which may lead nowhere."""

    without: list[Natural] | None = strawberry.field(
        description="Statements by their places in the log, one of each act: had these acts not "
        "been, the grade would be held. No act is named in vain. Empty if it is held; null if no "
        f"{COUNTERFACTUAL_ACTS_MAX} acts lead there."
    )
    on: Day | None = strawberry.field(
        description="The first day on which it is held if nothing more is stated; null if never."
    )


@strawberry.type(description="A rating as it would be; nobody has stated what it follows from.")
class SupposedRating:
    """A window on a rating that is not."""

    rating: strawberry.Private[credit_rating.Rating]
    rated: strawberry.Private[Rated]
    """What it departs from."""

    @described(description="The grade.")
    def grade(self) -> str:
        return self.rating.grade

    @described(description="Demerit in hundredths of a point.")
    def points(self) -> int:
        return self.rating.points

    @described(description="What the grade would be, but for how fast it may rise.")
    def target(self) -> str:
        return self.rating.target

    @described(
        description="The principal reasons, at most four. What was supposed has places in the log "
        "from its size on, in its order."
    )
    def reasons(self) -> list[Reason]:
        return _reasons(self.rating, self.rated)

    @described(description="What else is to be known; names of the policy.")
    def flags(self) -> list[str]:
        return list(self.rating.flags)

    @described(description="What it would become if nothing more were stated.")
    def next_change(self) -> RatingChange | None:
        return _change(self.rating)


SupposedResult = Annotated[
    SupposedRating | Refusal,
    strawberry.union(
        "SupposedResult", description="A rating as it would be, or why there would be none."
    ),
]


@strawberry.type(
    description="Credit under one policy, on one day, as known at one size of the log. Without a "
    "view of all of the subject's statements it follows from those that may be shown today."
)
class CreditRating:
    """A window on a rating."""

    rated: strawberry.Private[Rated]

    @described(description="The grade, by the policy's names, best first: A, B, C, D.")
    def grade(self) -> str:
        return self.rated.rating.grade

    @described(description="Demerit in hundredths of a point; 0 is best.")
    def points(self) -> int:
        return self.rated.rating.points

    @described(
        description="What the grade would be, but for how fast it may rise under the policy."
    )
    def target(self) -> str:
        return self.rated.rating.target

    @described(
        description="The day on which the grade was taken; null where grades follow each day."
    )
    def held_since(self) -> Day | None:
        held_since = self.rated.rating.held_since
        return None if held_since is None else Day(held_since)

    @described(
        description="The first day on which the grade rises if target and what is open stay; null "
        "if it does not."
    )
    def promotion_on(self) -> Day | None:
        promotion_on = self.rated.rating.promotion_on
        return None if promotion_on is None else Day(promotion_on)

    @described(description="Whether something open, such as an objection, keeps it from rising.")
    def is_frozen(self) -> bool:
        return self.rated.rating.is_frozen

    @described(description="The principal reasons, at most four, heaviest first.")
    def reasons(self) -> list[Reason]:
        return _reasons(self.rated.rating, self.rated)

    @described(description="How many acts and red lines count in all.")
    def reason_count(self) -> int:
        return len(self.rated.rating.reasons)

    @described(description="What speaks for it; as many as the policy has items of merit at most.")
    def merits(self) -> list[Merit]:
        return [Merit(rule=one.rule, points=one.points) for one in self.rated.rating.merits]

    @described(description="By how much merits lower the points, in hundredths of a point.")
    def lowered(self) -> int:
        return self.rated.rating.lowered

    @described(description="What else is to be known, such as `new`; names of the policy.")
    def flags(self) -> list[str]:
        return list(self.rated.rating.flags)

    @described(description="The first day since which the rating is this; null if always.")
    def since(self) -> Day | None:
        since = self.rated.rating.since
        return None if since is None else Day(since)

    @described(description="What it becomes if nothing more is stated; null if it stays.")
    def next_change(self) -> RatingChange | None:
        return _change(self.rated.rating)

    @described(
        description="The way of the grade over time as known at this size of the log, past and to "
        "come: the days on which something differs, oldest first."
    )
    def history(
        self,
        first: First = PAGE_SIZE,
        after: Annotated[
            Day | None,
            strawberry.argument(description="Only states that begin after this day."),
        ] = None,
    ) -> list[RatingState]:
        if not 0 < first <= PAGE_SIZE_MAX:
            raise PageInvalid(f"first is not 1 to {PAGE_SIZE_MAX}", path=("first",))
        states = [state for state in self.rated.history.path if after is None or state.on > after]
        return [RatingState(state=state) for state in states[:first]]

    @described(
        description="The rating if something else had been stated: with `add`, without `remove`.",
        metadata=only(Tier.ENTERPRISE, Tier.AUTHORITY),
    )
    async def what_if(
        self,
        info: Info,
        add: Annotated[
            list[HypotheticalFact] | None,
            strawberry.argument(description=f"{HYPOTHESES_MAX} at most."),
        ] = None,
        remove: Annotated[
            list[Natural] | None,
            strawberry.argument(
                description=f"Statements by their places in the log, {REMOVED_MAX} at most."
            ),
        ] = None,
    ) -> SupposedResult:
        rated = self.rated
        try:
            _check_hypothesis(rated, add or [], remove or [])
            rating = await asyncio.to_thread(
                what_if,
                rated.policy,
                rated.facts,
                add=[one.fact() for one in add or []],
                remove=frozenset(remove or []),
                as_of=rated.clocks.as_of,
                tree_size=rated.clocks.tree_size,
            )
        except KNOWN as error:
            return info.context.refused(error)
        return SupposedRating(rating=rating, rated=rated)

    @described(
        description="How a grade, or a better one, would be reached.",
        metadata=only(Tier.ENTERPRISE, Tier.AUTHORITY),
    )
    async def to_reach(
        self,
        grade: Annotated[str, strawberry.argument(description="A grade of the policy.")],
    ) -> Counterfactual:
        rated = self.rated
        if grade not in rated.policy.grades:
            raise HypothesisInvalid(
                f"the grades are {', '.join(rated.policy.grades)}", path=("grade",)
            )
        # Many folds: the loop answers others meanwhile.
        found = await asyncio.to_thread(
            to_reach,
            rated.policy,
            rated.facts,
            Grade(grade),
            as_of=rated.clocks.as_of,
            tree_size=rated.clocks.tree_size,
        )
        return Counterfactual(
            without=None
            if found.without is None
            else [Natural(leaf_index) for leaf_index in found.without],
            on=None if found.on is None else Day(found.on),
        )

    @described(description="The policy it follows.")
    def policy(self) -> PolicyName:
        policy = self.rated.policy
        return PolicyName(
            name=policy.name,
            version=policy.version,
            hash=Hash(policy.hash),
            effective_from=Day(policy.effective_from),
        )

    @described(description="The day it is true on.")
    def as_of(self) -> Day:
        return Day(self.rated.clocks.as_of)

    @described(description="The log's size it was known at.")
    def tree_size(self) -> Natural:
        return Natural(self.rated.clocks.tree_size)


RatingResult = Annotated[
    CreditRating | Refusal,
    strawberry.union(
        "RatingResult",
        description="A rating, or why there is none: the policy cannot read a statement, or no "
        "policy is in force.",
    ),
]


def _reasons(rating: credit_rating.Rating, rated: Rated) -> list[Reason]:
    tree_size = rated.clocks.tree_size
    return [Reason(reason=reason, tree_size=tree_size) for reason in rating.principal_reasons]


def _change(rating: credit_rating.Rating) -> RatingChange | None:
    change = rating.next_change
    if change is None:
        return None
    return RatingChange(on=Day(change.on), grade=change.grade, points=change.points)


def _check_hypothesis(rated: Rated, add: list[HypotheticalFact], remove: list[Natural]) -> None:
    """Raises `HypothesisInvalid`."""
    known = {fact.leaf_index for fact in rated.facts}
    if len(add) > HYPOTHESES_MAX:
        raise HypothesisInvalid(f"more than {HYPOTHESES_MAX} statements", path=("add",))
    if len(remove) > REMOVED_MAX:
        raise HypothesisInvalid(f"more than {REMOVED_MAX} statements", path=("remove",))
    for position, leaf_index in enumerate(remove):
        if leaf_index not in known:
            raise HypothesisInvalid(
                f"no statement {leaf_index} counts here", path=("remove", position)
            )
    for position, one in enumerate(add):
        if one.refers_to is not None and one.refers_to not in known:
            raise HypothesisInvalid(
                f"no statement {one.refers_to} counts here", path=("add", position, "refersTo")
            )
