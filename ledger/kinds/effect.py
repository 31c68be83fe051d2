"""What the fate of one subject does to another: joint liability, inheritance. Pure."""

from ledger.kinds.referring import Refers, Whose
from ledger.kinds.shape import Kind

EFFECT = Kind(
    name="effect",
    description="Stated under the affected subject by the rating office; it refers to its source "
    "under the other subject, so that a rating reads one subject alone.",
    codes=("joint-liability", "inheritance"),
    outcomes=("begun", "ended"),
    refers={
        "begun": Refers(whose=Whose.OTHER_SUBJECT),
        "ended": Refers(kinds=frozenset({"effect"})),
    },
)
