"""An authority acted against an enterprise. Pure."""

from ledger.kinds.shape import CHARGES, PRODUCT, Kind

_OUTCOMES = (
    "warning",
    "fine",
    "confiscation",
    "suspension",
    "permit-withdrawn",
    "licence-revoked",
    "criminal",
    "admission-refused",
)

ENFORCEMENT = Kind(
    name="enforcement",
    description="A decided measure against an enterprise, from a warning to a criminal sentence.",
    codes=(
        "safety",
        "hygiene",
        "label",
        "permit",
        "quality",
        "quarantine",
        "smuggling",
        "false-declaration",
        "obstruction",
        "other",
    ),
    outcomes=_OUTCOMES,
    graded_outcomes=_OUTCOMES,
    bases=("lab", "field", "document"),
    measures=("fine_fen", "confiscated_fen", "items_seized", "suspension_days"),
    particulars=(*PRODUCT, CHARGES),
)
