"""Small policies for what the published ones do not show.

    small          a whole policy with a ladder of grades, and changes to it
    ladder_points  rows that give exactly the points that a code names, as `p1199`

Every one is a whole and well-formed document, so that an engine can read it from the vector.
"""

from __future__ import annotations

from tests.vectors.credit.stories import Json

SEVERITIES: Json = {
    "general": {
        "decay": [[12, 1000]],
        "public_min_months": 3,
        "public_months": 12,
        "weighs_months": 12,
    },
    "minor": {
        "decay": [[3, 1000]],
        "public_min_months": 0,
        "public_months": 3,
        "weighs_months": 3,
    },
    "serious": {
        "decay": [[12, 1000], [24, 500], [36, 250]],
        "public_min_months": 12,
        "public_months": 36,
        "weighs_months": 36,
    },
}

KINDS: Json = {
    "appeal": {"filed": "noted", "overturned": "noted", "upheld": "noted"},
    "certificate": {"ended": "noted", "granted": "noted", "suspended": "noted"},
    "enforcement": {"fine": "weighs", "warning": "weighs"},
    "fraud-case": {"confirmed": "weighs", "dismissed": "silent", "suspected": "silent"},
    "inspection": {"fail": "weighs", "inconclusive": "silent", "pass": "favourable"},
    "list-entry": {"entered": "noted", "left": "noted"},
    "rectification": {"in-time": "noted", "late": "noted", "ordered": "noted"},
    "repair": {"granted": "noted", "refused": "noted"},
}

TREATMENT: Json = {
    "documents": "standard",
    "refund_class": 2,
    "release": "after-selection",
    "review_months": 12,
    "sampling_bp": 2500,
}

OTHER_ROWS: list[Json] = [
    {"id": "P97", "points": 100, "when": [{"kind": "enforcement"}]},
    {"id": "P98", "points": 400, "when": [{"kind": "fraud-case"}]},
    {"id": "P99", "points": 300, "when": [{"kind": "inspection"}]},
]


def small(name: str, **changes: object) -> Json:
    """Grades A to D at 301, 1200 and 3600 points, moved once a year; and `changes` to it."""
    policy: Json = {
        "caps": [],
        "deadlines": {
            "listing_answer_days": 10,
            "listing_defence_days": 10,
            "listing_notice_days": 20,
            "objection_answer_workdays": 10,
            "withdrawal_alarm_days": 2,
            "withdrawal_days": 3,
        },
        "effective_from": "2020-01-01",
        "effects": [],
        "grades": [
            {"from": 0, "grade": "A"},
            {"from": 301, "grade": "B"},
            {"from": 1200, "grade": "C"},
            {"from": 3600, "grade": "D"},
        ],
        "instant_downgrade": None,
        "kinds": KINDS,
        "language": "xinyuan-policy/2",
        "legal_basis": [],
        "marks": [],
        "merits": None,
        "movement": {
            "cycle": {"months": 12, "start": "10-01"},
            "promote": {"stay_months": {"A": 12, "B": 12, "C": 12, "D": 12}, "steps": 1},
        },
        "name": name,
        "points": OTHER_ROWS,
        "procedures": {
            "annulled_by": [{"kind": "appeal", "outcome": ["overturned"]}],
            "repaired_by": [{"kind": "repair", "outcome": ["granted"]}],
            "direct": [],
            "through": [{"kind": "appeal", "outcome": ["filed", "upheld"]}],
        },
        "product_states": None,
        "publicity": {
            "favourable_months": 24,
            "noted": {
                "appeal": "never",
                "certificate": "always",
                "list-entry": "standing",
                "rectification": "target",
                "repair": "target",
            },
        },
        "red_lines": [],
        "reliefs": [],
        "repair": {"barred_by": [], "needs_commitment": [], "needs_fulfilment": False},
        "requirements": [],
        "score": {"form": "sum"},
        "severities": SEVERITIES,
        "start": {"flag": "new", "grade": "B", "instead": []},
        "unfulfilled": None,
        "unweighed": {"filing": True},
        "version": "1.0.0",
        "watch": None,
        **changes,
    }
    grades: list[Json] = policy["grades"]
    policy["treatment"] = {row["grade"]: TREATMENT for row in grades}
    return policy


def ladder_points(*points: int) -> list[Json]:
    rows: list[Json] = [
        {
            "id": f"P{place:02}",
            "points": number,
            "when": [{"code": [f"p{number}"], "kind": "enforcement", "outcome": ["fine"]}],
        }
        for place, number in enumerate(points, start=1)
    ]
    return rows + OTHER_ROWS
