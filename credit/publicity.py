"""Until when a fact may be shown to everyone (reference: State Council Office 〔2025〕22).

    public_until   the last day on which a fact may be shown, None if it never may
    public_from    the first such day
    shown          whether it may be shown today

Shown are decisions, for the months of their severity, and what speaks for a subject, for the
policy's favourable months; both from the day of the decision, the last day inside. Suspicions and
dismissed cases never are. Whatever day or tree size is asked about, publicity is judged today:
an older answer does not bring back what has left public view. Pure.
"""

from __future__ import annotations

from datetime import date

from credit.calendar import add_months
from credit.facts import Fact
from credit.policy import Policy, Role


def public_until(policy: Policy, fact: Fact) -> date | None:
    """The last day of publicity; `date.max` where it does not end, None where it never begins.

    Raises `FactUnknown` or `FactIncomplete` for a fact that the policy cannot read.
    """
    role = policy.role(fact)
    if role is None:
        return date.max if policy.unweighed[fact.kind] else None
    if role is Role.SILENT:
        return None
    assert fact.decided_on is not None
    if role is Role.FAVOURABLE:
        return add_months(fact.decided_on, policy.favourable_months)
    assert fact.severity is not None
    months = policy.severities[fact.severity].public_months
    return add_months(fact.decided_on, months) if months > 0 else None


def public_from(policy: Policy, fact: Fact) -> date | None:
    """The day of the decision, or the calendar's first where a kind that is shown has none."""
    if public_until(policy, fact) is None:
        return None
    return fact.decided_on or date.min


def shown(policy: Policy, fact: Fact, today: date) -> bool:
    """Whether `fact` may be shown to everyone on `today`."""
    first = public_from(policy, fact)
    last = public_until(policy, fact)
    return first is not None and last is not None and first <= today <= last
