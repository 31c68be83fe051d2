"""异议: the enterprise objects to a statement, and is answered. Pure."""

from ledger.kinds.referring import OBJECTABLE, Refers
from ledger.kinds.shape import Kind

_LATER = ("upheld", "rejected", "withdrawn")

OBJECTION = Kind(
    name="objection",
    description="An objection to a statement: filed, then upheld, rejected, or withdrawn.",
    codes=("facts", "procedure", "proportionality", "identity", "other"),
    outcomes=("filed", *_LATER),
    bases=("document",),
    refers={
        "filed": Refers(kinds=OBJECTABLE),
        **dict.fromkeys(_LATER, Refers(kinds=OBJECTABLE | {"objection"})),
    },
)
