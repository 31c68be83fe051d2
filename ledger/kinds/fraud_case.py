"""Commercial fraud: suspected, confirmed, or dismissed. Suspicion carries no points. Pure."""

from ledger.kinds.shape import CHARGES, PRODUCT, Kind

FRAUD_CASE = Kind(
    name="fraud-case",
    description="A case of commercial fraud against buyers, authorities or competitors.",
    codes=(
        "forged-certificate",
        "adulteration-or-passing-off",
        "false-declaration",
        "misleading-label",
        "refund-fraud",
        "other",
    ),
    outcomes=("suspected", "confirmed", "dismissed"),
    graded_outcomes=("suspected", "confirmed"),
    bases=("lab", "field", "document"),
    measures=("loss_fen", "items"),
    particulars=(*PRODUCT, CHARGES),
)
