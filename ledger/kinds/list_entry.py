"""Lists of an authority: anomalies, serious dishonesty, honour. Pure."""

from ledger.kinds.referring import DECISIONS, Refers
from ledger.kinds.shape import Kind

LIST_ENTRY = Kind(
    name="list-entry",
    description="An enterprise is told that it will be listed, enters a list, or leaves it: "
    "经营异常名录, 严重失信名单, 守信红名单.",
    codes=("anomaly", "serious-dishonesty", "honour"),
    outcomes=("notified", "entered", "left"),
    bases=("document",),
    refers={
        "notified": Refers(needed=False, kinds=DECISIONS),
        "entered": Refers(needed=False, kinds=DECISIONS | {"list-entry"}),
        "left": Refers(needed=False, kinds=frozenset({"list-entry", "repair"})),
    },
)
