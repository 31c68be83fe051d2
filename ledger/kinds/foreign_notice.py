"""An authority abroad notified goods: an alert, a refusal, a recall, a return. Pure."""

from ledger.kinds.shape import CHARGES, PRODUCT, Kind, text_particular

_OUTCOMES = ("alert", "refusal", "recall", "return")

FOREIGN_NOTICE = Kind(
    name="foreign-notice",
    description="An authority abroad gave notice of an enterprise's goods.",
    codes=("safety", "hygiene", "label", "permit", "quality", "quarantine", "other"),
    outcomes=_OUTCOMES,
    graded_outcomes=_OUTCOMES,
    bases=("lab", "field", "document"),
    measures=("items", "value_fen"),
    particulars=(
        *PRODUCT,
        CHARGES,
        text_particular("country", "ISO 3166-1 alpha-2 of who notified.", pattern=r"[A-Z]{2}"),
        text_particular("notifier", "Which authority notified."),
    ),
)
