"""整改: what a decision asks to be put right, and whether it was. Pure."""

from ledger.kinds.referring import DECISIONS, Refers
from ledger.kinds.shape import Kind

_LATER = ("in-time", "late", "failed")

RECTIFICATION = Kind(
    name="rectification",
    description="A rectification is ordered, then done in time, done late, or failed.",
    codes=("correction", "payment", "recall", "other"),
    outcomes=("ordered", *_LATER),
    graded_outcomes=("failed",),
    bases=("document", "field", "lab"),
    measures=("deadline_days", "paid_fen"),
    outcomes_of_measure={"deadline_days": ("ordered",)},
    refers={
        "ordered": Refers(kinds=DECISIONS),
        **dict.fromkeys(_LATER, Refers(kinds=DECISIONS | {"rectification"})),
    },
)
