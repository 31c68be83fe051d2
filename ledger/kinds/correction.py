"""An issuer takes back a statement of its own, on record. Pure."""

from ledger.kinds.referring import Refers
from ledger.kinds.shape import Kind

CORRECTION = Kind(
    name="correction",
    description="A statement is withdrawn by who stated it; the right one is stated anew.",
    codes=("clerical-error", "wrong-subject", "duplicate"),
    outcomes=("withdrawn",),
    refers={
        "withdrawn": Refers(
            but=frozenset({"binding", "correction", "link-merge"}), same_issuer=True
        )
    },
)
