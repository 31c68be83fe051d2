"""申诉: administrative review (复议) or litigation (诉讼) against a statement. Pure."""

from ledger.kinds.referring import OBJECTABLE, Refers
from ledger.kinds.shape import Kind, text_particular

_APPEALABLE = OBJECTABLE | {"objection"}
_LATER = ("overturned", "varied", "upheld")

APPEAL = Kind(
    name="appeal",
    description="An appeal against a statement: filed, then what it was turned into. "
    "`upheld` means that the statement stands.",
    codes=("administrative-review", "litigation"),
    outcomes=("filed", *_LATER),
    bases=("document",),
    particulars=(text_particular("court", "The court or reviewing authority."),),
    refers={
        "filed": Refers(kinds=_APPEALABLE),
        **dict.fromkeys(_LATER, Refers(kinds=_APPEALABLE | {"appeal"})),
    },
)
