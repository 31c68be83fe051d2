"""信用修复: the repair notice that comes with a decision, the application, its end. Pure."""

from ledger.kinds.referring import DECISIONS, Refers
from ledger.kinds.shape import TEXT_MAX, Kind, text_particular

_REPAIRABLE = DECISIONS | {"list-entry"}
_TO_REPAIRABLE = Refers(kinds=_REPAIRABLE)
_LATER = Refers(kinds=_REPAIRABLE | {"repair"})

REPAIR = Kind(
    name="repair",
    description="Repair of credit. `notified` is the notice served with the decision (两书同达): "
    "its effective_on is the earliest day of repair.",
    codes=("penalty", "listing"),
    outcomes=("notified", "applied", "granted", "refused"),
    bases=("document",),
    particulars=(
        text_particular("duties", "What must be fulfilled first.", length_max=TEXT_MAX),
        text_particular("window", "Where to apply."),
    ),
    refers={
        "notified": _TO_REPAIRABLE,
        "applied": _TO_REPAIRABLE,
        "granted": _LATER,
        "refused": _LATER,
    },
)
