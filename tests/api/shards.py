"""A small population for runners, made without a database, in whatever environment they run.

TASK     a policy and two clocks
shard    twenty subjects of it, with three facts each
label    the subject of a number, in the order of numbers
"""

from datetime import date
from pathlib import Path

from api.runners import Task
from credit.facts import Fact
from credit.population import Shard, shards_of, unit_of
from ledger.identity import SubjectLabel

REPOSITORY = Path(__file__).resolve().parents[2]
POLICY = REPOSITORY / "credit" / "policies" / "xinyuan-export-credit-0.2.0.json"
DOCUMENT = POLICY.read_bytes().rstrip(b"\n")
TASK = Task(DOCUMENT, date(2024, 6, 1), 1 << 40)
OUTCOMES = ("fine", "warning", "criminal", "confiscation")


def label(number: int) -> SubjectLabel:
    """Of the form that labels have."""
    return SubjectLabel(f"{number:042}A")


def shard(number: int, outcome: str | None = None) -> Shard:
    """The shard of that number; its facts have the outcome if one is given."""
    rows = [
        (
            label(subject),
            *unit_of(
                Fact(
                    leaf_index=3 * subject + at,
                    kind="enforcement",
                    code="quality",
                    outcome=outcome or OUTCOMES[(subject + at) % len(OUTCOMES)],
                    severity="general",
                    decided_on=date(2024, 1, 1 + at),
                )
            ),
        )
        for subject in range(20 * number, 20 * number + 20)
        for at in range(3)
    ]
    (one,) = shards_of(rows)
    return one
