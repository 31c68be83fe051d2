"""备案: an enterprise enters the books, with its name, region, industry and port. Pure."""

from ledger.kinds.shape import NAMES, Kind, text_particular

FILING = Kind(
    name="filing",
    description="An enterprise is filed; a later filing of the same subject replaces it.",
    codes=("enterprise",),
    outcomes=("accepted",),
    case_allowed=False,
    particulars=(
        NAMES,
        text_particular("country", "ISO 3166-1 alpha-2.", pattern=r"[A-Z]{2}"),
        text_particular(
            "region",
            "GB/T 2260 division code in China, else the province or state in words.",
            length_max=64,
        ),
        text_particular("city", "City in words.", length_max=64),
        text_particular("industry", "GB/T 4754 class, or the product industry.", length_max=64),
        text_particular("port", "Code of the border crossing it exports by.", length_max=64),
    ),
    required=("name", "country"),
)
