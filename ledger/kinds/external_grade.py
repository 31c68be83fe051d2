"""The grade another authority gives under its own regime. Pure."""

from ledger.kinds.shape import Kind

_GRADES = {
    # GAC Order 282.
    "customs": (
        "advanced-certified",
        "certified",
        "standard",
        "dishonest",
        "seriously-dishonest",
    ),
    # Tax and contribution credit, STA 2025.
    "tax": ("a", "b", "m", "c", "d"),
    # Export refund classes, STA announcement 2016 No. 46.
    "refund": ("1", "2", "3", "4"),
    # Goods-trade classes of foreign exchange, 汇发〔2020〕14.
    "forex": ("a", "b", "c"),
    # Risk classes of market supervision, 国市监信发〔2022〕6.
    "market": ("a", "b", "c", "d"),
}

EXTERNAL_GRADE = Kind(
    name="external-grade",
    description="Another authority grades the enterprise; the code is its regime.",
    codes=tuple(_GRADES),
    outcomes=tuple(dict.fromkeys(grade for grades in _GRADES.values() for grade in grades)),
    outcomes_by_code=_GRADES,
    case_allowed=False,
)
