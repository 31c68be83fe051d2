"""A product or premises was inspected. Pure."""

from ledger.kinds.shape import CHARGES, PRODUCT, Kind

INSPECTION = Kind(
    name="inspection",
    description="A product or premises was inspected, by laboratory, in the field, or on paper.",
    codes=(
        "safety",
        "hygiene",
        "label",
        "permit",
        "quality",
        "quarantine",
        "obstruction",
        "other",
        "routine",
    ),
    outcomes=("pass", "fail", "inconclusive"),
    graded_outcomes=("fail",),
    bases=("lab", "field", "document"),
    measures=(
        "samples",
        "samples_failed",
        "score_confidence",
        "score_hygiene",
        "score_structural",
        "violations_critical",
        "violations_major",
        "violations_minor",
    ),
    particulars=(*PRODUCT, CHARGES),
)
