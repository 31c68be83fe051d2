"""A certificate of an enterprise: granted, suspended, resumed, ended. Pure."""

from ledger.kinds.referring import Refers
from ledger.kinds.shape import Kind, text_particular

_LATER = ("suspended", "resumed", "ended")

CERTIFICATE = Kind(
    name="certificate",
    description="An enterprise holds a certificate, of customs or of a system it keeps.",
    codes=("customs-advanced", "customs-certified", "traceability", "quality-system"),
    outcomes=("granted", *_LATER),
    bases=("document",),
    measures=("valid_months",),
    particulars=(text_particular("scope", "What it covers."),),
    refers=dict.fromkeys(_LATER, Refers(needed=False, kinds=frozenset({"certificate"}))),
)
