"""Two labels stand for one enterprise. Pure."""

from ledger.kinds.referring import Refers
from ledger.kinds.shape import Kind, party_particular

LINK_MERGE = Kind(
    name="link-merge",
    description="The subject and another party of the log are the same enterprise.",
    codes=("same-enterprise",),
    outcomes=("merged",),
    bases=("document",),
    case_allowed=False,
    particulars=(party_particular("merged_with", "Under what else it stands in the log."),),
    required=("merged_with",),
    refers={"merged": Refers(needed=False, kinds=frozenset({"filing", "relation"}))},
    other_party="merged_with",
)
