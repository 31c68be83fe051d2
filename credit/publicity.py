"""Until when a fact may be shown to everyone (docs/policy-language.md, "publicity").

    Window        the days on which a fact may be shown, and what ends that
    Ends          why it is not shown, or no longer
    windows       of all facts of a subject
    window_alone  of a fact to which no other refers, and that refers to none
    stands_alone  whether no other window depends on a fact

Whatever day or tree size is asked about, publicity is judged today: an older answer does not bring
back what has left public view. What is annulled is never shown, what is repaired until the day
before, a procedure as long as what it is about. What the policy cannot read is not shown. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import Enum
from typing import NamedTuple

from credit.bounds import standing_spans
from credit.calendar import add_months
from credit.errors import CreditError
from credit.facts import Fact
from credit.policy import Policy
from credit.procedures import annulments, settle, targets
from credit.rules import Role, Shown
from credit.timelines import Span

_ONE_DAY = timedelta(days=1)


class Ends(Enum):
    """What keeps a fact from being shown, before its window or after it."""

    NEVER_SHOWN = "never-shown"
    """A suspicion, a dismissed case, or a kind that is not for the public."""
    UNREADABLE = "unreadable"
    """The policy cannot read it."""
    PERIOD = "period"
    """The months of its severity, or of its kind."""
    REPAIRED = "repaired"
    ANNULLED = "annulled"
    REPLACED = "replaced"
    """Another statement of its kind and code stands."""
    NONE = "none"
    """Nothing that is known ends it."""


class Window(NamedTuple):
    """From one day to another, both inside; None for both where there is no such day."""

    first: date | None
    last: date | None
    ends: Ends

    def shows(self, today: date) -> bool:
        """Whether everyone may see it."""
        return self.first is not None and self.last is not None and self.first <= today <= self.last


def _never(ends: Ends) -> Window:
    return Window(None, None, ends)


def window_alone(policy: Policy, fact: Fact) -> Window:
    """Of a fact to which nothing refers, and whose kind is not shown by what stands."""
    try:
        return _window(policy, fact, role=policy.reading(fact).role)
    except CreditError:
        return _never(Ends.UNREADABLE)


def stands_alone(policy: Policy, fact: Fact) -> bool:
    """Whether `window_alone` may be asked about it, and no other window depends on it."""
    ways = policy.publicity.noted.get(fact.kind, {})
    return fact.refers is None and Shown.STANDING not in ways.values()


def windows(policy: Policy, facts: Sequence[Fact]) -> Mapping[int, Window]:
    """By leaf index; the facts are all of one subject, in the order of the log."""
    aims = targets(policy, facts)
    annulled = annulments(policy, facts, aims)
    standing = [fact for fact in facts if fact.leaf_index not in annulled]
    aims = targets(policy, standing)
    readable = [fact for fact in standing if _reads(policy, fact)]
    settled = settle(policy, readable)
    spans = standing_spans(settled.facts)
    found: dict[int, Window] = {}
    # What a fact refers to stands before it in the log.
    for fact in facts:
        if fact.leaf_index in annulled:
            found[fact.leaf_index] = _never(Ends.ANNULLED)
            continue
        window = window_alone(policy, fact)
        rule = policy.publicity.rule(fact)
        if rule is Shown.STANDING and window.ends is not Ends.UNREADABLE:
            window = _while_it_stands(spans.get(fact.leaf_index))
        elif rule is Shown.TARGET and window.ends is not Ends.UNREADABLE:
            window = _as_its_target(fact, found.get(aims.get(fact.leaf_index, -1)))
        found[fact.leaf_index] = _until_repaired(window, settled.repaired_on.get(fact.leaf_index))
    return found


def _until_repaired(window: Window, repaired_on: date | None) -> Window:
    if repaired_on is None or window.first is None or window.last is None:
        return window
    if repaired_on > window.last:
        return window
    if repaired_on <= window.first:
        return _never(Ends.REPAIRED)
    return Window(window.first, repaired_on - _ONE_DAY, Ends.REPAIRED)


def _reads(policy: Policy, fact: Fact) -> bool:
    try:
        policy.reading(fact)
    except CreditError:
        return False
    return True


def _window(policy: Policy, fact: Fact, *, role: Role | None) -> Window:
    if role is None:
        if policy.unweighed[fact.kind]:
            return Window(fact.decided_on or date.min, date.max, Ends.NONE)
        return _never(Ends.NEVER_SHOWN)
    if role is Role.SILENT:
        return _never(Ends.NEVER_SHOWN)
    assert fact.decided_on is not None
    if role is Role.FAVOURABLE:
        return _for_months(fact.decided_on, policy.publicity.favourable_months)
    if role is Role.WEIGHS:
        assert fact.severity is not None
        return _for_months(fact.decided_on, policy.severities[fact.severity].public_months)
    rule = policy.publicity.rule(fact)
    if isinstance(rule, int):
        return _for_months(fact.decided_on, rule)
    if rule is Shown.ALWAYS:
        return Window(fact.decided_on, date.max, Ends.NONE)
    return _never(Ends.NEVER_SHOWN)


def _for_months(decided_on: date, months: int) -> Window:
    if not months:
        return _never(Ends.NEVER_SHOWN)
    return Window(decided_on, add_months(decided_on, months), Ends.PERIOD)


def _while_it_stands(span: Span | None) -> Window:
    if span is None:
        return _never(Ends.REPLACED)
    if span.over_on is None:
        return Window(span.begins_on, date.max, Ends.NONE)
    return Window(span.begins_on, span.over_on - _ONE_DAY, Ends.REPLACED)


def _as_its_target(fact: Fact, target: Window | None) -> Window:
    if target is None or target.first is None or target.last is None:
        return _never(Ends.NEVER_SHOWN if target is None else target.ends)
    assert fact.decided_on is not None
    return Window(max(fact.decided_on, target.first), target.last, target.ends)
