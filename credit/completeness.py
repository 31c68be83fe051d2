"""Whether a policy and its ledger speak of the same statements, asked before it is adopted.

    adoptable        the policy of a document, if it can be put in force
    check_complete   refuses one that leaves out what the ledger admits, or names what it does not

A document can be a policy and still fit no ledger: a misspelled code is a rule that never speaks,
and a kind left out refuses every rating of whoever has such a statement. The parser cannot know,
for old policies stay readable when the ledger learns a new kind. Measures are not asked for, since
no kind must have any. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from credit.document import Place
from credit.errors import PolicyGap, PolicyReference
from credit.policy import Policy
from ledger.kinds import KINDS
from ledger.kinds.shape import Kind
from ledger.statement import Severity

_RULES = (
    "caps",
    "marks",
    "merits",
    "points",
    "procedures",
    "red_lines",
    "reliefs",
    "repair",
    "requirements",
    "score",
    "start",
    "unfulfilled",
)
"""Sections with conditions; elsewhere `kind` may be a name that the author chose."""


def adoptable(document: bytes) -> Policy:
    """The policy that these canonical bytes are. Raises `credit.errors.PolicyError`."""
    policy = Policy.parse(document)
    check_complete(policy, KINDS)
    return policy


def check_complete(policy: Policy, kinds: Mapping[str, Kind]) -> None:
    """Raises `PolicyGap` and `PolicyReference`, whose path leads into the document."""
    _check_severities(policy)
    for name in kinds:
        if name not in policy.outcomes and name not in policy.unweighed:
            raise PolicyGap(f"what a {name!r} counts is not said", path=("kinds", name))
    for name in policy.unweighed:
        if name not in kinds:
            raise PolicyReference(f"the ledger has no kind {name!r}", path=("unweighed", name))
    for name, outcomes in policy.outcomes.items():
        if name not in kinds:
            raise PolicyReference(f"the ledger has no kind {name!r}", path=("kinds", name))
        for outcome in kinds[name].outcomes:
            if outcome not in outcomes:
                raise PolicyGap(
                    f"what the outcome {outcome!r} does is not said", path=("kinds", name, outcome)
                )
        for outcome in outcomes:
            if outcome not in kinds[name].outcomes:
                raise PolicyReference(
                    f"the ledger has no outcome {outcome!r} of {name!r}",
                    path=("kinds", name, outcome),
                )
    root = Place.of(policy.document)
    assert isinstance(root.value, dict)
    for section in _RULES:
        for condition in _conditions(Place(root.value[section], (section,))):
            _check_condition(condition, kinds)
    for position, effect in enumerate(policy.effects):
        _check_names("effect", "code", [effect.code], kinds, ("effects", position, "code"))
        relation = sorted(effect.relation)
        _check_names("relation", "code", relation, kinds, ("effects", position, "relation"))


def _check_severities(policy: Policy) -> None:
    known = [severity.value for severity in Severity]
    for name in known:
        if name not in policy.severities:
            raise PolicyGap(f"how long {name!r} weighs is not said", path=("severities", name))
    for name in policy.severities:
        if name not in known:
            raise PolicyReference(f"the ledger has no severity {name!r}", path=("severities", name))


def _conditions(place: Place) -> Iterator[Place]:
    """Every condition at or below a place: the objects that name a kind."""
    if isinstance(place.value, list):
        for item in place.items():
            yield from _conditions(item)
    elif isinstance(place.value, dict):
        # A measure may be called `kind` too, and is a number.
        if isinstance(place.value.get("kind"), str):
            yield place
        for name, value in place.value.items():
            yield from _conditions(Place(value, (*place.path, name)))


def _check_condition(place: Place, kinds: Mapping[str, Kind]) -> None:
    """Its kind and outcomes are those of `kinds`; its codes and bases must be the ledger's."""
    members = place.members("kind", optional=("at_least", "basis", "code", "outcome", "severity"))
    kind = members["kind"].text()
    for member in ("basis", "code"):
        if member in members:
            names = sorted(members[member].names())
            _check_names(kind, member, names, kinds, members[member].path)


def _check_names(
    kind: str,
    member: str,
    names: Sequence[str],
    kinds: Mapping[str, Kind],
    path: tuple[str | int, ...],
) -> None:
    known = kinds[kind].bases if member == "basis" else kinds[kind].codes
    for name in names:
        if name not in known:
            raise PolicyReference(f"the ledger has no {member} {name!r} of {kind!r}", path=path)
