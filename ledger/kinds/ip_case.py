"""Infringement of an intellectual property right: suspected, confirmed, or dismissed. Pure."""

from ledger.kinds.shape import PRODUCT, Kind, text_particular

IP_CASE = Kind(
    name="ip-case",
    description="A case of counterfeit goods or another infringed right.",
    codes=(
        "counterfeit-goods",
        "trademark",
        "patent",
        "design",
        "copyright",
        "geographical-indication",
    ),
    outcomes=("suspected", "confirmed", "dismissed"),
    graded_outcomes=("suspected", "confirmed"),
    bases=("lab", "field", "document"),
    measures=("items_seized", "value_fen"),
    particulars=(*PRODUCT, text_particular("right_holder", "Whose right it is.")),
)
