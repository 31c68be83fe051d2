"""A customs declaration said what is not so, found by an authority or disclosed. Pure."""

from ledger.kinds.shape import PRODUCT, Kind

_OUTCOMES = ("recorded", "self-disclosed")

DECLARATION_ERROR = Kind(
    name="declaration-error",
    description="An enterprise declared goods wrongly; `rate` counts errors over a period.",
    codes=("commodity-code", "value", "quantity", "origin", "documents", "rate", "other"),
    outcomes=_OUTCOMES,
    graded_outcomes=_OUTCOMES,
    bases=("document",),
    measures=("errors", "declarations", "tax_fen"),
    particulars=PRODUCT,
)
