"""Vectors of what facts weigh: ladder of points, months, acts, caps, reliefs, merits, duties."""

from __future__ import annotations

from datetime import date, timedelta

from tests.vectors.credit.small_policies import (
    SEVERITIES,
    ladder_points,
    small,
)
from tests.vectors.credit.stories import Json, Theme, fact

CORE = "xinyuan-export-credit-core-1.0.0.json"


def themes() -> list[Theme]:
    return [ladder(), months(), acts(), caps(), reliefs(), merits(), duties()]


def next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def fine(leaf_index: int, on: str, points: int, severity: str = "general", **more: object) -> Json:
    """A fine of exactly so many points, in a policy with `ladder_points`."""
    return fact(leaf_index, "enforcement/fine", on, severity=severity, code=f"p{points}", **more)


def failed(leaf_index: int, on: str, severity: str, code: str, **more: object) -> Json:
    return fact(leaf_index, "inspection/fail", on, severity=severity, code=code, **more)


def passed(leaf_index: int, on: str, **more: object) -> Json:
    return fact(leaf_index, "inspection/pass", on, code="quality", **more)


def ladder() -> Theme:
    numbers = (1, 99, 300, 301, 1100, 1101, 1199, 1200, 1201, 2399, 2400, 3599, 3600, 3601)
    theme = Theme(
        "ladder",
        "The grade at each bound of the ladder and a centipoint below it (AQSIQ: 12, 24 and 36 "
        "points), by one fact and by two, with watch from 1200 and instant downgrade from 2400.",
        small(
            "ladder",
            points=ladder_points(*numbers),
            instant_downgrade={"from": 2400, "steps": 1},
            watch={"flag": "watch", "from": 1200, "months": 1},
        ),
    )
    begun = "2021-03-01"
    single: list[tuple[int, str, str, list[str]]] = [
        (300, "B", "A", []),
        (301, "B", "B", []),
        (1199, "B", "B", []),
        (1200, "C", "C", ["watch"]),
        (2399, "C", "C", ["watch"]),
        (2400, "C", "C", ["watch"]),
        (3599, "C", "C", ["watch"]),
        (3600, "D", "D", ["watch"]),
    ]
    for points, grade, target, flags in single:
        theme.add(
            f"{points} centipoints at once",
            "A start at B; a worse target is held at once, a better one waits for the cycle.",
            [fine(0, begun, points)],
            begun,
            points=points,
            grade=grade,
            target=target,
            flags=flags,
            held_since=begun,
        )
    later = "2021-05-10"
    double: list[tuple[int, int, str, str, str]] = [
        (300, 1, "B", "B", "the sum reaches B: what was to rise stays"),
        (1100, 99, "B", "B", "1199 in two acts is still B"),
        (1100, 1, "B", "B", "1101 is far from C"),
        (1199, 1, "C", "C", "one more centipoint makes it C"),
        (1200, 1199, "C", "C", "2399 is no instant downgrade"),
        (2399, 1, "D", "C", "2400 reached from C: an instant downgrade to D, the target stays C"),
        (1200, 1200, "D", "C", "2400 reached by two equal acts"),
        (2400, 1, "C", "C", "2400 was reached before: no second instant downgrade"),
        (2400, 1199, "C", "C", "3599 is still C"),
        (3599, 1, "D", "D", "3600 is D"),
    ]
    for first, second, grade, target, why in double:
        theme.follow(
            f"{first} and {second} centipoints",
            why,
            [fine(0, begun, first), fine(1, later, second)],
            {
                later: {"points": first + second, "grade": grade, "target": target},
                next_day(later): {"points": first + second, "grade": grade, "target": target},
            },
        )
    serious = [fine(0, begun, 3601, severity="serious")]
    theme.follow(
        "3601 centipoints decay to 1800 and to 900",
        "Each step floors; the grade held falls at once and rises a step a year.",
        serious,
        {
            "2022-03-01": {"points": 3601, "grade": "D", "target": "D", "promotion_on": None},
            "2022-03-02": {"points": 1800, "grade": "D", "target": "C"},
            "2022-09-30": {"grade": "D", "promotion_on": "2022-10-01"},
            "2022-10-01": {"points": 1800, "grade": "C", "held_since": "2022-10-01"},
            "2023-03-02": {"points": 900, "grade": "C", "target": "B"},
            "2023-10-01": {"points": 900, "grade": "B", "held_since": "2023-10-01"},
            "2024-03-02": {"points": 0, "grade": "B", "target": "A"},
            "2024-10-01": {"points": 0, "grade": "A", "next_change": None},
        },
    )
    return theme


def months() -> Theme:
    theme = Theme(
        "months",
        "Periods of months by Civil Code 201 and 202, on their last day and the day after: ends of "
        "months, 29 February, the years 2000 and 2100; and facts decided on one day that take "
        "effect on another.",
        CORE,
    )
    by_severity: dict[str, list[tuple[str, list[str]]]] = {
        "general": [
            ("2021-01-31", ["2022-01-31"]),
            ("2020-02-29", ["2021-02-28"]),
            ("2021-02-28", ["2022-02-28"]),
            ("2023-02-28", ["2024-02-28"]),
            ("2020-12-31", ["2021-12-31"]),
            ("2021-03-31", ["2022-03-31"]),
            ("2021-05-31", ["2022-05-31"]),
            ("2021-07-31", ["2022-07-31"]),
            ("2021-10-31", ["2022-10-31"]),
        ],
        "minor": [
            ("2021-01-31", ["2021-04-30"]),
            ("2020-11-30", ["2021-02-28"]),
            ("2020-11-29", ["2021-02-28"]),
            ("2020-11-28", ["2021-02-28"]),
            ("2019-11-30", ["2020-02-29"]),
            ("1999-11-30", ["2000-02-29"]),
            ("2099-11-30", ["2100-02-28"]),
            ("2021-03-31", ["2021-06-30"]),
            ("2021-05-31", ["2021-08-31"]),
            ("2021-10-01", ["2022-01-01"]),
            ("9999-06-01", ["9999-09-01"]),
        ],
        "serious": [
            ("2020-02-29", ["2021-02-28", "2022-02-28", "2023-02-28"]),
            ("2021-02-28", ["2022-02-28", "2023-02-28", "2024-02-28"]),
            ("2022-08-31", ["2023-08-31", "2024-08-31", "2025-08-31"]),
        ],
    }
    weights = {"general": [300, 0], "minor": [100, 0], "serious": [600, 300, 150, 0]}
    codes = {"general": "hygiene", "minor": "hygiene", "serious": "safety"}
    for severity, decisions in by_severity.items():
        for decided, ends in decisions:
            days: dict[str, Json] = {}
            for step, end in enumerate(ends):
                days[end] = {
                    "points": weights[severity][step],
                    "reasons": [{"ends_on": ends[-1]}],
                }
                after = weights[severity][step + 1]
                days[next_day(end)] = {
                    "points": after,
                    "reasons": [{"points": after}] if after else [],
                }
            theme.follow(
                f"{severity}, decided on {decided}",
                "The day of the decision is not counted, the last day is inside.",
                [failed(0, decided, severity, codes[severity])],
                days,
            )
    theme.follow(
        "decided in January, in effect from June",
        "Weight begins with effect, its periods with the decision.",
        [failed(0, "2021-01-31", "general", "hygiene", effective_on="2021-06-01")],
        {
            "2021-05-31": {"points": 0, "flags": ["new"], "held_since": None},
            "2021-06-01": {"points": 300, "flags": [], "held_since": "2021-06-01"},
            "2022-01-31": {"points": 300},
            "2022-02-01": {"points": 0},
        },
    )
    theme.follow(
        "in effect nine days before it was decided",
        "The first step reaches every day up to its last.",
        [failed(0, "2021-03-10", "general", "hygiene", effective_on="2021-03-01")],
        {"2021-03-01": {"points": 300}, "2022-03-10": {"points": 300}, "2022-03-11": {"points": 0}},
    )
    theme.follow(
        "in effect after it has stopped to weigh",
        "The history begins with it all the same.",
        [failed(0, "2020-01-15", "minor", "hygiene", effective_on="2020-06-01")],
        {
            "2020-05-31": {"flags": ["new"], "points": 0},
            "2020-06-01": {"flags": [], "points": 0, "reasons": [], "held_since": "2020-06-01"},
        },
    )
    theme.add(
        "in effect between two steps of its decay",
        "A serious fact in effect in its second year weighs half from its first day.",
        [failed(0, "2020-01-15", "serious", "safety", effective_on="2021-06-01")],
        "2021-06-01",
        points=300,
        reasons=[{"points_full": 600, "permille": 500, "ends_on": "2023-01-15"}],
    )
    return theme


def acts() -> Theme:
    theme = Theme(
        "acts",
        "One act, one weight: of the facts of a case the heaviest of the day counts; of equal ones "
        "that whose weight ends later, then the lower leaf_index.",
        CORE,
    )
    theme.add(
        "the heavier of two facts of a case",
        "They do not add up.",
        [
            failed(0, "2021-03-01", "general", "hygiene", case="c-1"),
            failed(1, "2021-03-01", "serious", "safety", case="c-1"),
        ],
        "2021-03-01",
        points=600,
        reasons=[{"leaf_index": 1, "case": "c-1"}],
    )
    theme.add(
        "the same two facts without a case",
        "A fact without a case is an act of its own.",
        [
            failed(0, "2021-03-01", "general", "hygiene"),
            failed(1, "2021-03-01", "serious", "safety"),
        ],
        "2021-03-01",
        points=900,
        reasons=[{"leaf_index": 1, "case": None}, {"leaf_index": 0}],
    )
    theme.add(
        "a case and a fact without one",
        "A case that is called 1 is not the act of leaf 1.",
        [
            failed(0, "2021-03-01", "general", "hygiene", case="1"),
            failed(1, "2021-03-01", "general", "hygiene"),
        ],
        "2021-03-01",
        points=600,
    )
    for first, second, counting in [
        ("2021-01-10", "2021-02-10", 1),
        ("2021-02-10", "2021-01-10", 0),
        ("2021-02-10", "2021-02-10", 0),
    ]:
        theme.add(
            f"equal weights of {first} and {second}",
            "Of equal weights that which ends later counts, then the lower leaf_index.",
            [
                failed(0, first, "general", "hygiene", case="c-1"),
                failed(1, second, "general", "safety", case="c-1"),
            ],
            "2021-03-01",
            points=300,
            reasons=[{"leaf_index": counting}],
        )
    theme.follow(
        "a serious fact falls below a general one of its case",
        "Which fact counts is asked anew each day.",
        [
            failed(0, "2021-01-10", "serious", "label", case="c-1"),
            failed(1, "2021-06-01", "general", "hygiene", case="c-1"),
        ],
        {
            "2022-01-10": {"points": 400, "reasons": [{"leaf_index": 0, "rule": "P11"}]},
            "2022-01-11": {"points": 300, "reasons": [{"leaf_index": 1, "rule": "P12"}]},
            "2022-06-01": {"points": 300},
            "2022-06-02": {"points": 200, "reasons": [{"leaf_index": 0, "permille": 500}]},
        },
    )
    theme.follow(
        "two kinds in one case",
        "An inspection and the penalty that follows it are one act.",
        [
            failed(0, "2021-01-10", "general", "hygiene", case="c-1"),
            fact(
                1,
                "enforcement/confiscation",
                "2021-02-10",
                severity="general",
                code="hygiene",
                case="c-1",
            ),
        ],
        {"2021-02-09": {"points": 300}, "2021-02-10": {"points": 600}},
    )
    theme.follow(
        "the heavier fact of a case is repaired",
        "The other one counts again.",
        [
            failed(0, "2021-01-10", "general", "hygiene", case="c-1"),
            failed(1, "2021-01-10", "serious", "safety", case="c-1"),
            fact(2, "repair/granted", "2021-05-01", refers=1),
        ],
        {
            "2021-04-30": {"points": 600, "reasons": [{"ends_on": "2021-04-30"}]},
            "2021-05-01": {"points": 300, "reasons": [{"leaf_index": 0}]},
        },
    )
    theme.add(
        "an open duty ties with a fact of its case",
        "A weight without end is latest, whatever the leaf_index.",
        [
            fact(
                0,
                "enforcement/warning",
                "2022-03-01",
                severity="minor",
                code="hygiene",
                case="c-1",
            ),
            fact(
                1,
                "fraud-case/confirmed",
                "2021-01-10",
                severity="general",
                code="other",
                case="c-1",
            ),
            fact(2, "rectification/ordered", "2021-01-10", code="payment", refers=1),
        ],
        "2022-03-01",
        points=100,
        reasons=[{"leaf_index": 1, "ends_on": None, "permille": 250, "points_full": 400}],
    )
    theme.add(
        "order of reasons",
        "More points first, then the later day of effect, then the lower leaf_index.",
        [
            failed(0, "2021-02-01", "general", "hygiene"),
            failed(1, "2021-03-01", "general", "hygiene"),
            failed(2, "2021-02-01", "general", "safety"),
            failed(3, "2021-01-01", "serious", "safety"),
            failed(4, "2021-03-02", "minor", "hygiene"),
        ],
        "2021-04-01",
        points=1600,
        reasons=[{"leaf_index": leaf} for leaf in (3, 1, 0, 2, 4)],
    )
    theme.add(
        "facts told in another order",
        "The order in which facts are given changes nothing.",
        [
            failed(4, "2021-03-02", "minor", "hygiene"),
            failed(2, "2021-02-01", "general", "safety"),
            failed(0, "2021-02-01", "general", "hygiene"),
            failed(3, "2021-01-01", "serious", "safety"),
            failed(1, "2021-03-01", "general", "hygiene"),
        ],
        "2021-04-01",
        points=1600,
        reasons=[{"leaf_index": leaf} for leaf in (3, 1, 0, 2, 4)],
    )
    return theme


def label(leaf_index: int, on: str, severity: str = "general", **more: object) -> Json:
    return failed(leaf_index, on, severity, "label", **more)


def caps() -> Theme:
    policy = small(
        "caps",
        points=ladder_points(250, 300, 400, 500),
        caps=[
            {
                "id": "C01",
                "months": 12,
                "points": 500,
                "when": [{"kind": "enforcement", "outcome": ["fine"]}],
            },
            {"id": "C02", "months": 6, "points": 600, "when": [{"kind": "enforcement"}]},
            {"id": "C03", "months": 12, "points": 100, "when": [{"kind": "fraud-case"}]},
        ],
    )
    theme = Theme(
        "caps",
        "The most that like acts weigh together: earliest first, each cap on what the ones before "
        "left, in a rolling window. C01: fines, 500 in 12 months; C02: all enforcement, 600 in 6 "
        "months; C03: cases of fraud, 100 in 12 months.",
        policy,
    )
    theme.add(
        "exactly the cap",
        "Nothing is cut.",
        [fine(0, "2021-01-10", 250), fine(1, "2021-02-10", 250)],
        "2021-03-01",
        points=500,
        reasons=[{"leaf_index": 1, "cap": None}, {"leaf_index": 0, "cap": None}],
    )
    theme.add(
        "the later act is cut",
        "The earliest keeps what it weighs.",
        [fine(0, "2021-01-10", 300), fine(1, "2021-02-10", 300)],
        "2021-03-01",
        points=500,
        reasons=[
            {"leaf_index": 0, "points": 300, "cap": None},
            {"leaf_index": 1, "points": 200, "points_full": 300, "cap": "C01"},
        ],
    )
    theme.add(
        "earlier in effect, later in the log",
        "The order is that of effect.",
        [fine(0, "2021-02-10", 400), fine(1, "2021-01-10", 300)],
        "2021-03-01",
        points=500,
        reasons=[
            {"leaf_index": 1, "points": 300, "cap": None},
            {"leaf_index": 0, "points": 200, "cap": "C01"},
        ],
    )
    theme.add(
        "in effect on one day",
        "Then the lower leaf_index is the earlier.",
        [fine(1, "2021-02-10", 300), fine(0, "2021-02-10", 400)],
        "2021-03-01",
        points=500,
        reasons=[{"leaf_index": 0, "cap": None}, {"leaf_index": 1, "points": 100, "cap": "C01"}],
    )
    theme.add(
        "a cut to nothing",
        "An act that caps cut to 0 is no reason.",
        [fine(0, "2021-01-10", 500), fine(1, "2021-02-10", 300)],
        "2021-03-01",
        points=500,
        reasons=[{"leaf_index": 0}],
    )
    theme.add(
        "heavier than the cap alone",
        "The cap binds one act as well.",
        [
            fact(0, "fraud-case/confirmed", "2021-01-10", severity="general"),
            fine(1, "2021-02-10", 250),
        ],
        "2021-03-01",
        points=350,
        reasons=[{"leaf_index": 1}, {"leaf_index": 0, "points": 100, "cap": "C03"}],
    )
    for on, points, why in [
        ("2022-01-31", 500, "the window of 12 months from 31 January 2021 holds 31 January 2022"),
        ("2022-02-01", 700, "the day after it is outside"),
    ]:
        theme.add(
            f"a fine a year later, on {on}",
            f"C01: {why}; C02 has ended by then. The first fine weighs half of 400 by decay.",
            [fine(0, "2021-01-31", 400, severity="serious"), fine(1, on, 500)],
            "2022-02-01",
            points=points,
        )
    for on, points, why in [
        ("2021-08-28", 600, "the last day of six months from 28 February"),
        ("2021-08-29", 700, "the day after"),
    ]:
        theme.add(
            f"fines and warnings, the last on {on}",
            f"C02: {why}. Three warnings of 100 each beside a fine of 400.",
            [
                fine(0, "2021-02-28", 400),
                fact(1, "enforcement/warning", "2021-02-28", severity="general", code="other"),
                fact(2, "enforcement/warning", "2021-03-10", severity="general", code="other"),
                fact(3, "enforcement/warning", on, severity="general", code="other"),
            ],
            "2021-09-01",
            points=points,
        )
    theme.add(
        "cut by two caps",
        "C01 leaves 200 of 400, C02 leaves 100 of those, and is the last that cut.",
        [
            fine(0, "2021-01-10", 300),
            fact(1, "enforcement/warning", "2021-01-20", severity="general", code="other"),
            fact(2, "enforcement/warning", "2021-01-30", severity="general", code="other"),
            fine(3, "2021-02-10", 400),
        ],
        "2021-03-01",
        points=600,
        reasons=[
            {"leaf_index": 0, "points": 300, "cap": None},
            {"leaf_index": 3, "points": 100, "points_full": 400, "cap": "C02"},
            {"leaf_index": 2, "points": 100, "cap": None},
            {"leaf_index": 1, "points": 100, "cap": None},
        ],
    )
    theme.add(
        "the second cap does not cut what the first one left",
        "Then the first is named.",
        [fine(0, "2021-01-10", 300), fine(1, "2021-02-10", 500)],
        "2021-03-01",
        points=500,
        reasons=[
            {"leaf_index": 0, "points": 300, "cap": None},
            {"leaf_index": 1, "points": 200, "cap": "C01"},
        ],
    )
    theme.follow(
        "an earlier act ends",
        "What it kept is free for the later one.",
        [fine(0, "2021-01-10", 300), fine(1, "2021-02-10", 400)],
        {
            "2022-01-10": {"points": 500},
            "2022-01-11": {"points": 400, "reasons": [{"leaf_index": 1, "cap": None}]},
        },
    )
    theme.follow(
        "the counting fact of a case is not of the kind of the cap",
        "A cap looks at the counting fact alone.",
        [
            fine(0, "2021-01-10", 500),
            fine(1, "2021-02-10", 250, case="c-1"),
            failed(2, "2021-02-20", "general", "hygiene", case="c-1"),
        ],
        {"2021-02-19": {"points": 500}, "2021-02-20": {"points": 800}},
    )
    theme.add(
        "each act beside those within its own window only",
        "1 keeps 200 beside 0; 2 is within reach of 1 but not of 0, and keeps 300.",
        [
            fine(0, "2021-01-10", 300, severity="serious"),
            fine(1, "2021-09-10", 300, severity="serious"),
            fine(2, "2022-03-20", 300, severity="serious"),
        ],
        "2022-04-01",
    )
    return theme


def in_time(leaf_index: int, on: str, refers: int, **more: object) -> Json:
    return fact(leaf_index, "rectification/in-time", on, code="goods", refers=refers, **more)


def reliefs() -> Theme:
    theme = Theme(
        "reliefs",
        "What lowers the weight of a fact: L01 the first minor one in 24 months, rectified in time "
        "(nothing left); L02 an error disclosed by oneself (half); L03 rectified in time (700 of "
        "1000). The first that holds on the day counts.",
        CORE,
    )
    minor = failed(0, "2021-03-01", "minor", "label")
    theme.follow(
        "the first minor fact, rectified in time",
        "L01 from the day on which the rectification takes effect.",
        [minor, in_time(1, "2021-04-10", 0)],
        {
            "2021-04-09": {"points": 100, "reasons": [{"relief": None, "ends_on": "2021-04-09"}]},
            "2021-04-10": {"points": 0, "reasons": []},
        },
    )
    theme.add(
        "rectified through the order",
        "A rectification that refers to an order speaks of what was ordered.",
        [
            minor,
            fact(1, "rectification/ordered", "2021-03-01", code="goods", refers=0),
            in_time(2, "2021-04-10", 1),
        ],
        "2021-04-10",
        points=0,
    )
    for outcome in ("late", "failed", "ordered"):
        theme.add(
            f"a rectification that is {outcome}",
            "Only one in time relieves.",
            [minor, fact(1, f"rectification/{outcome}", "2021-04-10", code="goods", refers=0)],
            "2021-04-10",
            points=100,
        )
    theme.add(
        "a rectification of another fact",
        "It relieves its own target only.",
        [minor, failed(1, "2021-03-01", "general", "hygiene"), in_time(2, "2021-04-10", 1)],
        "2021-04-10",
        points=310,
        reasons=[{"leaf_index": 1, "points": 210, "relief": "L03"}, {"leaf_index": 0}],
    )
    for on, points, why in [
        ("2022-01-31", 70, "the last day of 24 months from 31 January 2020: not the first, L03"),
        ("2022-02-01", 0, "a day later it is the first again, L01"),
    ]:
        theme.add(
            f"a second minor fact on {on}",
            f"{why}.",
            [
                failed(0, "2020-01-31", "minor", "label"),
                failed(1, on, "minor", "label"),
                in_time(2, "2022-02-10", 1),
            ],
            "2022-02-10",
            points=points,
        )
    for on, points in [("2022-02-28", 70), ("2022-03-01", 0)]:
        theme.add(
            f"a second minor fact on {on}, the first on 29 February",
            "24 months from 29 February 2020 end on 28 February 2022.",
            [
                failed(0, "2020-02-29", "minor", "label"),
                failed(1, on, "minor", "label"),
                in_time(2, "2022-03-10", 1),
            ],
            "2022-03-10",
            points=points,
        )
    theme.add(
        "two minor facts of one act",
        "The own act does not stand against the first.",
        [
            failed(0, "2021-03-01", "minor", "label", case="c-1"),
            failed(1, "2021-03-05", "minor", "hygiene", case="c-1"),
            in_time(2, "2021-04-10", 0),
            in_time(3, "2021-04-10", 1),
        ],
        "2021-04-10",
        points=0,
    )
    for relieved, points, why in [
        (0, 100, "leaf 0 is first and is forgiven; leaf 1 was not rectified"),
        (1, 170, "leaf 1 is not the first of that day: L03"),
    ]:
        theme.add(
            f"two minor facts of one day, leaf {relieved} rectified",
            f"On one day the lower leaf_index comes first: {why}.",
            [
                failed(0, "2021-03-01", "minor", "label"),
                failed(1, "2021-03-01", "minor", "label"),
                in_time(2, "2021-04-10", relieved),
            ],
            "2021-04-10",
            points=points,
        )
    earlier = [failed(0, "2020-06-01", "minor", "label"), failed(1, "2021-03-01", "minor", "label")]
    theme.add(
        "the earlier fact was repaired",
        "It still counts against the first.",
        [*earlier, in_time(2, "2021-04-10", 1), fact(3, "repair/granted", "2020-07-01", refers=0)],
        "2021-04-10",
        points=70,
        reasons=[{"relief": "L03"}],
    )
    theme.add(
        "the earlier fact was overturned",
        "It was never stated: the later one is the first.",
        [
            *earlier,
            in_time(2, "2021-04-10", 1),
            fact(3, "appeal/overturned", "2021-05-01", refers=0),
        ],
        "2021-04-10",
        points=0,
    )
    theme.add(
        "the earlier fact was general",
        "Only facts of which the relief speaks stand against the first.",
        [
            failed(0, "2020-01-10", "general", "hygiene"),
            failed(1, "2021-03-01", "minor", "label"),
            in_time(2, "2021-04-10", 1),
        ],
        "2021-04-10",
        points=0,
    )
    theme.add(
        "the earlier fact is known later",
        "Stated at leaf 2 with an earlier day: it comes first in the order of facts.",
        [
            failed(0, "2021-03-01", "minor", "label"),
            in_time(1, "2021-04-10", 0),
            failed(2, "2021-02-01", "minor", "label"),
        ],
        "2021-04-10",
        points=170,
    )
    theme.add(
        "a general fact rectified in time",
        "L03: 300 becomes 210.",
        [failed(0, "2021-03-01", "general", "hygiene"), in_time(1, "2021-03-01", 0)],
        "2021-03-01",
        points=210,
        reasons=[{"points_full": 300, "permille": 1000, "relief": "L03"}],
    )
    theme.add(
        "a serious fact rectified in time",
        "No relief speaks of serious facts.",
        [failed(0, "2021-03-01", "serious", "safety"), in_time(1, "2021-03-01", 0)],
        "2021-03-01",
        points=600,
        reasons=[{"relief": None}],
    )
    error = fact(
        0, "declaration-error/self-disclosed", "2021-03-01", severity="general", code="value"
    )
    theme.add(
        "an error disclosed by oneself",
        "L02 has no condition but its own.",
        [error],
        "2021-03-01",
        points=100,
        reasons=[{"points_full": 200, "relief": "L02", "rule": "P29"}],
    )
    theme.add(
        "an error disclosed by oneself and rectified in time",
        "The first that holds counts, not the sum nor the better.",
        [error, in_time(1, "2021-04-10", 0)],
        "2021-04-10",
        points=100,
        reasons=[{"relief": "L02"}],
    )
    theme.add(
        "a minor error of 25, rectified in time, not the first",
        "floor(25 * 700 / 1000) is 17.",
        [
            fact(0, "declaration-error/recorded", "2021-02-01", severity="minor", code="value"),
            fact(
                1, "declaration-error/self-disclosed", "2021-03-01", severity="minor", code="value"
            ),
            in_time(2, "2021-04-10", 1),
        ],
        "2021-04-10",
        points=67,
        reasons=[{"leaf_index": 0, "points": 50}, {"leaf_index": 1, "points": 17}],
    )
    theme.add(
        "a rectification that is withdrawn",
        "What is annulled relieves nothing.",
        [
            failed(0, "2021-03-01", "general", "hygiene"),
            in_time(1, "2021-04-10", 0),
            fact(2, "correction/withdrawn", "2021-04-20", refers=1),
        ],
        "2021-04-10",
        points=300,
    )
    return theme


def merits() -> Theme:
    theme = Theme(
        "merits",
        "What lowers the sum of minor and general acts: M01 100 for each five passed inspections "
        "of 24 months since the last failed one, at most 300; M02, M03 and M04 300, 200 and 100 "
        "while a certificate stands; 600 together.",
        CORE,
    )
    base = failed(0, "2021-01-10", "general", "hygiene")
    heavy = fact(1, "enforcement/confiscation", "2021-01-10", severity="general", code="hygiene")

    def run(count: int, first: int = 10, month: str = "2021-02") -> list[Json]:
        return [passed(first + i, f"{month}-{i + 1:02}") for i in range(count)]

    for count, merit in [(4, 0), (5, 100), (9, 100), (10, 200), (15, 300), (20, 300)]:
        theme.add(
            f"{count} passed inspections in a run",
            "Each five give 100, at most 300.",
            [base, *run(count)],
            "2021-03-01",
            points=300 - merit,
            lowered=merit,
            merits=[{"points": merit, "rule": "M01"}] if merit else [],
        )
    theme.follow(
        "a run that is broken",
        "A failed inspection ends it on the day it takes effect; it begins anew.",
        [
            heavy,
            *run(5),
            failed(20, "2021-02-10", "general", "hygiene"),
            *run(5, first=30, month="2021-03"),
        ],
        {
            "2021-02-09": {"points": 500, "lowered": 100},
            "2021-02-10": {"points": 900, "lowered": 0, "merits": []},
            "2021-03-04": {"points": 900, "lowered": 0},
            "2021-03-05": {"points": 800, "lowered": 100},
        },
    )
    for leaf, merit in [(12, 0), (40, 0)]:
        theme.add(
            f"failed at leaf {leaf} on the day of five that passed, leaves 10 to 15",
            "On one day the leaf_index says what came after: fewer than five did.",
            [
                heavy,
                *[passed(i, "2021-02-01") for i in (10, 11, 13, 14, 15)],
                failed(leaf, "2021-02-01", "general", "hygiene"),
            ],
            "2021-02-01",
            lowered=merit,
            points=900,
        )
    theme.add(
        "failed first, then five passed on the same day",
        "All five have a higher leaf_index.",
        [
            heavy,
            *[passed(10 + i, "2021-02-01") for i in range(5)],
            failed(5, "2021-02-01", "general", "hygiene"),
        ],
        "2021-02-01",
        lowered=100,
        points=800,
    )
    theme.add(
        "a failed inspection that was repaired",
        "Repair does not mend the run.",
        [
            heavy,
            *run(5),
            failed(20, "2021-02-10", "general", "hygiene"),
            fact(21, "repair/granted", "2021-02-20", refers=20),
        ],
        "2021-03-01",
        lowered=0,
        points=600,
    )
    theme.add(
        "a failed inspection that was overturned",
        "It was never stated: the run is whole.",
        [
            heavy,
            *run(5),
            failed(20, "2021-02-10", "general", "hygiene"),
            fact(21, "appeal/overturned", "2021-02-20", refers=20),
        ],
        "2021-03-01",
        lowered=100,
        points=500,
    )
    theme.add(
        "an inconclusive inspection in the run",
        "What is silent breaks nothing.",
        [heavy, *run(5), fact(20, "inspection/inconclusive", "2021-02-03")],
        "2021-03-01",
        lowered=100,
    )
    theme.follow(
        "five passed inspections grow old",
        "The first, of 31 January 2021, counts up to 31 January 2023.",
        [
            passed(0, "2021-01-31"),
            *run(4),
            fact(20, "enforcement/confiscation", "2022-06-10", severity="general", code="hygiene"),
        ],
        {"2023-01-31": {"lowered": 100, "points": 500}, "2023-02-01": {"lowered": 0}},
    )
    theme.add(
        "five passed inspections of one case",
        "They are one act.",
        [base, *[passed(10 + i, "2021-02-01", case="c-1") for i in range(5)]],
        "2021-03-01",
        lowered=0,
    )
    theme.add(
        "five passed inspections of five cases and five of one",
        "Six acts.",
        [
            base,
            *[passed(10 + i, "2021-02-01", case=f"c-{i}") for i in range(5)],
            *[passed(20 + i, "2021-02-01", case="c-9") for i in range(5)],
        ],
        "2021-03-01",
        lowered=100,
    )

    def certificate(leaf: int, outcome: str, on: str, code: str = "customs-advanced") -> Json:
        return fact(leaf, f"certificate/{outcome}", on, code=code)

    theme.follow(
        "a certificate granted, suspended, resumed, ended",
        "It stands while the last of its code is granted or resumed.",
        [
            heavy,
            certificate(2, "granted", "2021-02-01"),
            certificate(3, "suspended", "2021-04-01"),
            certificate(4, "resumed", "2021-05-01"),
            certificate(5, "ended", "2021-06-01"),
        ],
        {
            "2021-01-31": {"points": 600, "merits": []},
            "2021-02-01": {"points": 300, "merits": [{"points": 300, "rule": "M02"}]},
            "2021-03-31": {"points": 300},
            "2021-04-01": {"points": 600, "merits": []},
            "2021-05-01": {"points": 300},
            "2021-06-01": {"points": 600, "lowered": 0},
        },
    )
    theme.add(
        "granted and suspended on one day",
        "The higher leaf_index is the last.",
        [heavy, certificate(3, "suspended", "2021-02-01"), certificate(2, "granted", "2021-02-01")],
        "2021-02-01",
        lowered=0,
    )
    theme.add(
        "suspended and granted on one day",
        "The higher leaf_index is the last.",
        [heavy, certificate(2, "suspended", "2021-02-01"), certificate(3, "granted", "2021-02-01")],
        "2021-02-01",
        lowered=300,
    )
    theme.add(
        "another certificate is suspended",
        "Each code stands by itself.",
        [
            heavy,
            certificate(2, "granted", "2021-02-01", "customs-certified"),
            certificate(3, "granted", "2021-02-01", "traceability"),
            certificate(4, "suspended", "2021-03-01", "traceability"),
        ],
        "2021-03-01",
        points=400,
        merits=[{"points": 200, "rule": "M03"}],
    )
    everything = [
        *run(15),
        certificate(40, "granted", "2021-02-01"),
        certificate(41, "granted", "2021-02-01", "customs-certified"),
        certificate(42, "granted", "2021-02-01", "traceability"),
    ]
    given = [
        {"points": 300, "rule": "M01"},
        {"points": 300, "rule": "M02"},
        {"points": 200, "rule": "M03"},
        {"points": 100, "rule": "M04"},
    ]
    theme.add(
        "more than the cap of all merits",
        "900 is given, 600 lowers.",
        [base, heavy, *everything],
        "2021-03-01",
        points=300,
        lowered=600,
        merits=given,
    )
    theme.add(
        "more than there is to lower",
        "Down to 0, not below.",
        [base, *everything],
        "2021-03-01",
        points=0,
        lowered=300,
        merits=given,
    )
    theme.add(
        "nothing to lower",
        "Merits are told; a serious act is not lowered.",
        [
            fact(
                0,
                "fraud-case/confirmed",
                "2021-01-10",
                severity="serious",
                code="adulteration-or-passing-off",
            ),
            *everything,
        ],
        "2021-03-01",
        points=600,
        lowered=0,
        merits=given,
    )
    theme.add(
        "a serious and a general act",
        "Only the general one is lowered.",
        [
            fact(
                1,
                "fraud-case/confirmed",
                "2021-01-10",
                severity="serious",
                code="adulteration-or-passing-off",
            ),
            base,
            *everything,
        ],
        "2021-03-01",
        points=600,
        lowered=300,
    )
    theme.add(
        "the counting fact of a case decides what is lowered",
        "A general fact behind a serious one of its case is not lowered.",
        [
            failed(0, "2021-01-10", "general", "hygiene", case="c-1"),
            failed(1, "2021-01-10", "serious", "safety", case="c-1"),
            certificate(40, "granted", "2021-02-01"),
        ],
        "2021-03-01",
        points=600,
        lowered=0,
    )
    return theme


def duties() -> Theme:
    theme = Theme(
        "duties",
        "What keeps weighing while a payment that was ordered is open: 250 of 1000 after the last "
        "step of the decay, without end; what rounds twice; and weights at the end of all days.",
        small(
            "duties",
            points=ladder_points(3, 400, 1000),
            reliefs=[
                {
                    "first_in_months": None,
                    "id": "L01",
                    "if": None,
                    "permille": 500,
                    "when": [{"code": ["p3"], "kind": "enforcement"}],
                }
            ],
            severities={
                **SEVERITIES,
                "slow": {
                    "decay": [[12, 1000], [24, 900]],
                    "public_min_months": 3,
                    "public_months": 24,
                    "weighs_months": 24,
                },
            },
            unfulfilled={
                "fulfilled_by": [{"kind": "rectification", "outcome": ["in-time", "late"]}],
                "ordered_by": [
                    {"code": ["payment"], "kind": "rectification", "outcome": ["ordered"]}
                ],
                "permille": 250,
            },
            procedures={
                "annulled_by": [{"kind": "appeal", "outcome": ["overturned"]}],
                "repaired_by": [{"kind": "repair", "outcome": ["granted"]}],
                "direct": [],
                "through": [{"kind": "rectification", "outcome": ["ordered"]}],
            },
        ),
    )
    general = fine(0, "2021-03-31", 400)

    def ordered(leaf: int, on: str, code: str = "payment") -> Json:
        return fact(leaf, "rectification/ordered", on, code=code, refers=0)

    def done(leaf: int, on: str, refers: int = 0, outcome: str = "late") -> Json:
        return fact(leaf, f"rectification/{outcome}", on, code="payment", refers=refers)

    theme.follow(
        "a duty stays open",
        "A quarter of 400, from the day after the last step on, without end.",
        [general, ordered(1, "2021-03-31")],
        {
            "2021-03-31": {"points": 400, "reasons": [{"ends_on": None, "permille": 1000}]},
            "2022-03-31": {"points": 400},
            "2022-04-01": {"points": 100, "reasons": [{"ends_on": None, "permille": 250}]},
            "2030-01-01": {"points": 100, "next_change": None},
        },
    )
    theme.follow(
        "a duty is fulfilled within the decay",
        "Then nothing is left after it.",
        [general, ordered(1, "2021-03-31"), done(2, "2022-03-31")],
        {"2022-03-31": {"points": 400}, "2022-04-01": {"points": 0}},
    )
    theme.follow(
        "a duty is fulfilled late, through the order",
        "From that day the weight is gone.",
        [general, ordered(1, "2021-03-31"), done(2, "2022-06-15", refers=1)],
        {
            "2022-04-01": {"points": 100, "reasons": [{"ends_on": "2022-06-14"}]},
            "2022-06-14": {"points": 100},
            "2022-06-15": {"points": 0},
        },
    )
    theme.follow(
        "a duty is ordered after the decay",
        "The weight comes back; the first run of days ended with the decay.",
        [general, ordered(1, "2022-08-01")],
        {
            "2022-03-31": {"points": 400, "reasons": [{"ends_on": "2022-03-31"}]},
            "2022-04-01": {"points": 0},
            "2022-08-01": {"points": 100},
        },
    )
    theme.add(
        "another thing is ordered",
        "Only payment keeps weighing.",
        [general, ordered(1, "2021-03-31", code="goods")],
        "2022-04-01",
        points=0,
    )
    theme.add(
        "fulfilled before it was ordered",
        "None in effect may speak of fulfilment, whenever it did.",
        [general, done(1, "2021-04-10", outcome="in-time"), ordered(2, "2021-05-10")],
        "2022-04-01",
        points=0,
    )
    theme.follow(
        "an open duty is repaired",
        "Repair ends every weight.",
        [general, ordered(1, "2021-03-31"), fact(2, "repair/granted", "2022-07-01", refers=0)],
        {"2022-06-30": {"points": 100}, "2022-07-01": {"points": 0}},
    )
    theme.follow(
        "a serious fact with an open duty",
        "The same quarter after 36 months as in the third year.",
        [fine(0, "2020-02-29", 1000, severity="serious"), ordered(1, "2021-03-31")],
        {
            "2022-02-28": {"points": 500},
            "2023-02-28": {"points": 250},
            "2023-03-01": {"points": 250, "since": "2022-10-01"},
        },
    )
    theme.follow(
        "3 centipoints, half by relief, 900 of 1000 by decay",
        "floor(floor(3 * 500 / 1000) * 900 / 1000) is 0; any other order of rounding gives 1.",
        [fine(0, "2021-03-01", 3, severity="slow")],
        {"2022-03-01": {"points": 1}, "2022-03-02": {"points": 0, "reasons": []}},
    )
    for day in ("9999-12-30", "9999-12-31"):
        theme.add(
            f"the end of all days, {day}",
            "A period that would end later ends on 9999-12-31, and nothing changes after it.",
            [fine(0, "9999-06-01", 400)],
            day,
            points=400,
            reasons=[{"ends_on": "9999-12-31"}],
            next_change=None,
            promotion_on=None,
        )
    theme.add(
        "an open duty at the end of all days",
        "What has no end has none here either.",
        [general, ordered(1, "2021-03-31")],
        "9999-12-31",
        points=100,
        reasons=[{"ends_on": None}],
    )
    theme.follow(
        "a fact of the last day",
        "It begins there, and ends there.",
        [fine(0, "9999-12-31", 400)],
        {
            "9999-12-30": {
                "flags": ["new"],
                "next_change": {"grade": "B", "on": "9999-12-31", "points": 400},
            },
            "9999-12-31": {"points": 400, "since": "9999-12-31", "next_change": None},
        },
    )
    return theme
