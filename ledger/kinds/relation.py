"""关联关系: how an enterprise is related to another party. Pure."""

from ledger.kinds.referring import Refers
from ledger.kinds.shape import Kind, party_particular

RELATION = Kind(
    name="relation",
    description="The subject is related to another party; what that does to either is an effect.",
    codes=(
        "controls",
        "controlled-by",
        "same-representative",
        "successor",
        "predecessor",
        "same-premises",
    ),
    outcomes=("begun", "ended"),
    bases=("document",),
    measures=("share_permille",),
    case_allowed=False,
    particulars=(party_particular("related", "The other party."),),
    required=("related",),
    refers={"ended": Refers(needed=False, kinds=frozenset({"relation"}))},
    other_party="related",
)
