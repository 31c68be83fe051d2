"""How the rating office says an enterprise's goods are treated. Pure."""

from ledger.kinds.shape import Kind, text_particular

TREATMENT = Kind(
    name="treatment",
    description="How shipments of the enterprise are released and sampled, and with which "
    "documents; traceability's sampling reads it.",
    codes=("release-on-declaration", "release-after-selection", "release-after-result"),
    outcomes=("paperless", "standard", "full"),
    measures=("sampling_bp", "review_months", "refund_class"),
    case_allowed=False,
    particulars=(
        text_particular("grade", "The grade it follows from.", length_max=8),
        text_particular(
            "policy", "SHA-256 of the policy it follows from, in hex.", pattern=r"[0-9a-f]{64}"
        ),
    ),
)
