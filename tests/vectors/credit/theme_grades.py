"""Vectors from the sum to the grade held: red lines, requirements, watch, downgrade, movement."""

from __future__ import annotations

from tests.vectors.credit.small_policies import ladder_points, small
from tests.vectors.credit.stories import Json, Theme, fact
from tests.vectors.credit.theme_sums import CORE, failed, fine, next_day, passed

FULL = "xinyuan-export-credit-1.0.0.json"


def themes() -> list[Theme]:
    return [
        red_lines(),
        standing_lines(),
        requirements(),
        chained_requirements(),
        watch(),
        instant_downgrade(),
        movement(),
        quick_movement(),
        no_movement(),
    ]


def smuggled(leaf_index: int, on: str, **more: object) -> Json:
    """600 points, and the red line R03 for 36 months."""
    members: Json = {"severity": "general", "code": "smuggling", **more}
    return fact(leaf_index, "enforcement/confiscation", on, **members)


def counterfeit(leaf_index: int, on: str, **more: object) -> Json:
    members: Json = {"severity": "general", "code": "counterfeit-goods", **more}
    return fact(leaf_index, "ip-case/confirmed", on, **members)


def red_lines() -> Theme:
    theme = Theme(
        "red-lines",
        "Facts that fix a grade whatever the sum: for months, while something stands, on "
        "repetition; on the first day, the last and the next; and their end by repair.",
        CORE,
    )
    theme.follow(
        "a red line outlasts its points",
        "600 points for 12 months, D for 36.",
        [smuggled(0, "2021-01-31")],
        {
            "2021-01-31": {
                "grade": "D",
                "target": "D",
                "points": 600,
                "reasons": [
                    {"rule": "R03", "points": 0, "points_full": 0, "ends_on": "2024-01-31"},
                    {"rule": "P17", "points": 600, "ends_on": "2022-01-31"},
                ],
            },
            "2022-02-01": {"grade": "D", "points": 0, "reasons": [{"rule": "R03"}]},
            "2024-01-31": {"grade": "D", "target": "D", "promotion_on": None},
            "2024-02-01": {
                "grade": "D",
                "target": "A",
                "promotion_on": "2024-10-01",
                "reasons": [],
            },
        },
    )
    theme.follow(
        "a forged certificate of 29 February",
        "36 months end on 28 February.",
        [
            fact(
                0,
                "fraud-case/confirmed",
                "2020-02-29",
                severity="serious",
                code="forged-certificate",
            )
        ],
        {
            "2020-02-29": {"points": 1800, "target": "D", "flags": ["watch"]},
            "2023-02-28": {"points": 450, "target": "D"},
            "2023-03-01": {"points": 0, "target": "A"},
        },
    )
    for code, kind in [("obstruction", "enforcement/warning"), ("hygiene", "enforcement/criminal")]:
        theme.add(
            f"{kind} for {code}",
            "R04 asks for the code, R01 for the outcome.",
            [fact(0, kind, "2021-01-31", severity="minor", code=code)],
            "2021-06-01",
            grade="D",
        )
    theme.add(
        "a broken commitment with a false document",
        "R07.",
        [
            fact(
                0,
                "commitment/broken",
                "2021-01-31",
                severity="general",
                code="false-document-for-repair",
            )
        ],
        "2023-01-31",
        target="D",
        points=0,
    )
    theme.follow(
        "in effect later than decided",
        "From the day of effect, up to 36 months after the decision.",
        [smuggled(0, "2021-01-31", effective_on="2021-03-01")],
        {
            "2021-02-28": {"grade": "B", "flags": ["new"]},
            "2021-03-01": {"grade": "D"},
            "2024-01-31": {"target": "D"},
            "2024-02-01": {"target": "A"},
        },
    )
    theme.follow(
        "a red line and its repair",
        "From the day of the repair the fact crosses no line and does not weigh.",
        [smuggled(0, "2021-01-31"), fact(1, "repair/granted", "2021-08-01", refers=0)],
        {
            "2021-07-31": {
                "target": "D",
                "reasons": [
                    {"rule": "R03", "ends_on": "2021-07-31"},
                    {"rule": "P17", "ends_on": "2021-07-31"},
                ],
            },
            "2021-08-01": {"target": "A", "grade": "D", "reasons": []},
        },
    )
    theme.follow(
        "a repair on the last day of a line",
        "It is the earlier end by a day.",
        [smuggled(0, "2021-01-31"), fact(1, "repair/granted", "2024-01-31", refers=0)],
        {
            "2024-01-30": {"target": "D", "reasons": [{"rule": "R03", "ends_on": "2024-01-30"}]},
            "2024-01-31": {"target": "A", "reasons": []},
        },
    )
    theme.add(
        "a repair after the line has ended",
        "The line ends by the rule.",
        [smuggled(0, "2021-01-31"), fact(1, "repair/granted", "2025-01-01", refers=0)],
        "2022-02-01",
        reasons=[{"rule": "R03", "ends_on": "2024-01-31"}],
    )
    theme.add(
        "two facts of one act cross one line",
        "One reason: that which holds longest.",
        [smuggled(0, "2021-01-31", case="s-1"), smuggled(1, "2021-02-10", case="s-1")],
        "2021-03-01",
        points=600,
        reasons=[
            {"rule": "R03", "leaf_index": 1, "ends_on": "2024-02-10"},
            {"rule": "P17", "leaf_index": 1},
        ],
    )
    theme.add(
        "two facts of one act cross one line for as long",
        "Then the lower leaf_index.",
        [smuggled(0, "2021-01-31", case="s-1"), smuggled(1, "2021-01-31", case="s-1")],
        "2021-03-01",
        reasons=[{"rule": "R03", "leaf_index": 0}, {"rule": "P17", "leaf_index": 0}],
    )
    theme.add(
        "two acts cross one line, one act crosses two",
        "A reason for each line and act: later end first, then the rule, then the leaf_index.",
        [
            smuggled(0, "2021-01-31"),
            smuggled(1, "2021-01-31"),
            fact(2, "enforcement/criminal", "2021-01-31", severity="serious", code="smuggling"),
            fact(3, "enforcement/warning", "2021-02-10", severity="minor", code="obstruction"),
        ],
        "2021-03-01",
        points=4900,
        reasons=[
            {"rule": "R04", "leaf_index": 3},
            {"rule": "R01", "leaf_index": 2},
            {"rule": "R03", "leaf_index": 0},
            {"rule": "R03", "leaf_index": 1},
            {"rule": "R03", "leaf_index": 2},
            {"rule": "P15", "leaf_index": 2, "points": 3600},
            {"rule": "P17", "leaf_index": 0, "points": 600},
            {"rule": "P17", "leaf_index": 1, "points": 600},
            {"rule": "P23", "leaf_index": 3, "points": 100},
        ],
    )
    for second, grade, why in [
        ("2022-01-31", "D", "24 months from 31 January 2020 end on that day"),
        ("2022-02-01", "B", "a day too late"),
    ]:
        theme.add(
            f"counterfeit goods again, on {second}",
            f"R05 asks for two acts within 24 months: {why}.",
            [counterfeit(0, "2020-01-31"), counterfeit(1, second)],
            second,
            grade=grade,
            points=400,
        )
    theme.add(
        "the first of two counterfeits",
        "The line is crossed on account of the second: not yet.",
        [counterfeit(0, "2021-01-31"), counterfeit(1, "2021-05-31")],
        "2021-05-30",
        grade="B",
        reasons=[{"rule": "P08"}],
    )
    theme.add(
        "two counterfeits",
        "On account of the second alone, for 36 months from its decision.",
        [counterfeit(0, "2021-01-31"), counterfeit(1, "2021-05-31")],
        "2021-05-31",
        grade="D",
        reasons=[
            {"rule": "R05", "leaf_index": 1, "ends_on": "2024-05-31"},
            {"rule": "P08", "leaf_index": 1},
            {"rule": "P08", "leaf_index": 0},
        ],
    )
    theme.add(
        "two counterfeits on one day",
        "The higher leaf_index is the second.",
        [counterfeit(0, "2021-01-31"), counterfeit(1, "2021-01-31")],
        "2021-01-31",
        reasons=[{"rule": "R05", "leaf_index": 1}, {"leaf_index": 0}, {"leaf_index": 1}],
    )
    theme.add(
        "two counterfeits of one case",
        "One act is no repetition.",
        [counterfeit(0, "2021-01-31", case="i-1"), counterfeit(1, "2021-05-31", case="i-1")],
        "2021-05-31",
        grade="B",
    )
    theme.add(
        "stated second, in effect first",
        "The order of facts is that of effect.",
        [counterfeit(0, "2021-05-31"), counterfeit(1, "2021-01-31")],
        "2021-05-31",
        grade="D",
        reasons=[{"rule": "R05", "leaf_index": 0}, {"leaf_index": 0}, {"leaf_index": 1}],
    )
    theme.add(
        "the first of two counterfeits was repaired",
        "It still counts as the first.",
        [
            counterfeit(0, "2021-01-31"),
            counterfeit(1, "2021-05-31"),
            fact(2, "repair/granted", "2021-03-01", refers=0),
        ],
        "2021-05-31",
        grade="D",
        points=400,
    )
    theme.add(
        "the second of two counterfeits was repaired",
        "It crosses no line from then on; the first one is no repetition.",
        [
            counterfeit(0, "2021-01-31"),
            counterfeit(1, "2021-05-31"),
            fact(2, "repair/granted", "2021-06-01", refers=1),
        ],
        "2021-06-01",
        grade="D",
        target="B",
        points=400,
    )
    theme.add(
        "the first of two counterfeits was overturned",
        "It was never stated.",
        [
            counterfeit(0, "2021-01-31"),
            counterfeit(1, "2021-05-31"),
            fact(2, "appeal/overturned", "2021-06-01", refers=0),
        ],
        "2021-05-31",
        grade="B",
        points=400,
    )
    theme.add(
        "a counterfeit without the code of the line",
        "R05 asks for counterfeit-goods.",
        [counterfeit(0, "2021-01-31"), counterfeit(1, "2021-05-31", code="design")],
        "2021-05-31",
        grade="B",
    )
    theme.add(
        "a suspected counterfeit",
        "What is silent crosses no line.",
        [
            counterfeit(0, "2021-01-31"),
            fact(1, "ip-case/suspected", "2021-05-31", code="counterfeit-goods", case="i-1"),
        ],
        "2021-05-31",
        grade="B",
        flags=["watch"],
    )

    def entry(leaf: int, outcome: str, on: str, code: str = "serious-dishonesty") -> Json:
        return fact(leaf, f"list-entry/{outcome}", on, code=code)

    theme.follow(
        "on the list of serious dishonesty, off it, and on it again",
        "R06 holds while the entry stands; a notice is silent, before it and beside it.",
        [
            entry(0, "notified", "2021-01-10"),
            entry(1, "entered", "2021-02-10"),
            entry(2, "left", "2021-06-10"),
            entry(3, "entered", "2021-08-10"),
            entry(4, "notified", "2021-04-10"),
        ],
        {
            "2021-02-09": {"target": "B", "flags": ["new"]},
            "2021-02-10": {"target": "D", "reasons": [{"rule": "R06", "leaf_index": 1}]},
            "2021-04-10": {"target": "D"},
            "2021-06-09": {"target": "D"},
            "2021-06-10": {"target": "A", "reasons": []},
            "2021-08-10": {
                "target": "D",
                "reasons": [{"rule": "R06", "leaf_index": 3, "ends_on": None}],
            },
        },
    )
    theme.add(
        "on another list",
        "R06 asks for the code.",
        [entry(0, "entered", "2021-02-10", "anomaly")],
        "2021-02-10",
        target="A",
    )
    theme.add(
        "an entry and another list left",
        "Each code stands by itself.",
        [entry(0, "entered", "2021-02-10"), entry(1, "left", "2021-03-10", "anomaly")],
        "2021-03-10",
        target="D",
    )
    theme.follow(
        "an entry that is repaired",
        "It stands, and crosses no line any more.",
        [entry(0, "entered", "2021-02-10"), fact(1, "repair/granted", "2021-05-10", refers=0)],
        {"2021-05-09": {"target": "D"}, "2021-05-10": {"target": "A", "reasons": []}},
    )
    effect = fact(0, "effect/begun", "2021-02-10", code="joint-liability")
    theme.follow(
        "joint liability",
        "R08: C for 12 months.",
        [effect],
        {
            "2021-02-10": {"grade": "C", "target": "C", "points": 0},
            "2022-02-10": {"target": "C"},
            "2022-02-11": {"target": "A", "grade": "C", "promotion_on": "2022-10-01"},
        },
    )
    theme.add(
        "joint liability that has ended",
        "The end of an effect repairs it.",
        [effect, fact(1, "effect/ended", "2021-04-10", code="joint-liability", refers=0)],
        "2021-04-10",
        target="A",
        grade="C",
    )
    theme.add(
        "a worse sum than the line",
        "A red line never makes a grade better.",
        [
            effect,
            fact(
                1, "enforcement/licence-revoked", "2021-02-10", severity="serious", code="hygiene"
            ),
        ],
        "2021-02-10",
        target="D",
        reasons=[{"rule": "R08"}, {"rule": "P15"}],
    )
    theme.add(
        "lines of two grades",
        "The worse grade first, though it ends sooner.",
        [
            effect,
            fact(1, "effect/begun", "2023-12-10", code="joint-liability"),
            smuggled(2, "2021-02-10"),
        ],
        "2024-01-10",
        target="D",
        reasons=[
            {"rule": "R03", "leaf_index": 2, "ends_on": "2024-02-10"},
            {"rule": "R08", "leaf_index": 1, "ends_on": "2024-12-10"},
        ],
    )
    return theme


def standing_lines() -> Theme:
    theme = Theme(
        "standing-lines",
        "Red lines that hold while something stands, in other forms: R01 any list at all, each "
        "code by itself; R02 a suspension repeated within 12 months.",
        small(
            "standing-lines",
            red_lines=[
                {
                    "grade": "C",
                    "id": "R01",
                    "months": None,
                    "repeat": None,
                    "when": [{"kind": "list-entry", "outcome": ["entered"]}],
                },
                {
                    "grade": "D",
                    "id": "R02",
                    "months": None,
                    "repeat": {"acts": 2, "within_months": 12},
                    "when": [{"kind": "certificate", "outcome": ["suspended"]}],
                },
            ],
        ),
    )

    def entry(leaf: int, outcome: str, on: str, code: str | None) -> Json:
        return fact(leaf, f"list-entry/{outcome}", on, code=code)

    theme.add(
        "two lists, one left",
        "The other one still holds.",
        [
            entry(0, "entered", "2021-01-10", "one"),
            entry(1, "entered", "2021-02-10", "two"),
            entry(2, "left", "2021-03-10", "two"),
        ],
        "2021-03-10",
        target="C",
        reasons=[{"rule": "R01", "leaf_index": 0}],
    )
    theme.add(
        "a list without a code",
        "No code is a code of its own: the list called one was left, not this.",
        [
            entry(0, "entered", "2021-01-10", None),
            entry(1, "left", "2021-02-10", "one"),
        ],
        "2021-03-10",
        target="C",
    )
    theme.add(
        "entered twice",
        "The last entry makes it stand.",
        [entry(0, "entered", "2021-01-10", "one"), entry(1, "entered", "2021-02-10", "one")],
        "2021-03-10",
        reasons=[{"rule": "R01", "leaf_index": 1}],
    )

    def certificate(leaf: int, outcome: str, on: str) -> Json:
        return fact(leaf, f"certificate/{outcome}", on, code="one")

    for second, target, why in [
        ("2022-01-31", "D", "the last day of 12 months"),
        ("2022-02-01", "A", "a day later"),
    ]:
        theme.add(
            f"suspended again on {second}",
            f"R02: {why}.",
            [
                certificate(0, "suspended", "2021-01-31"),
                certificate(1, "granted", "2021-03-01"),
                certificate(2, "suspended", second),
            ],
            second,
            target=target,
        )
    theme.add(
        "suspended twice, granted since",
        "It no longer stands.",
        [
            certificate(0, "suspended", "2021-01-31"),
            certificate(1, "suspended", "2021-03-01"),
            certificate(2, "granted", "2021-04-01"),
        ],
        "2021-04-01",
        target="A",
        grade="D",
    )
    return theme


def requirements() -> Theme:
    theme = Theme(
        "requirements",
        "What must be shown before a grade is given. A: five passed inspections of 24 months, and "
        "known for more than 12. AA: nothing on record for 36 months, declaration errors of 12 "
        "months at most 10 in 1000, a standing certificate of customs, a standing entry of honour.",
        FULL,
    )
    passes = [passed(10 + i, f"2021-02-{i + 1:02}") for i in range(5)]
    theme.follow(
        "known for 12 months",
        "begin is 1 February 2021; the day must be after 1 February 2022.",
        passes,
        {
            "2022-02-01": {"target": "B", "flags": ["insufficient-evidence"]},
            "2022-02-02": {"target": "A", "flags": [], "grade": "B", "promotion_on": "2022-10-01"},
            "2022-10-01": {"grade": "A", "target": "A"},
        },
    )
    theme.add(
        "four passed inspections",
        "One is missing.",
        passes[:4],
        "2022-06-01",
        target="B",
        flags=["insufficient-evidence"],
    )
    theme.add(
        "five passed inspections of one case",
        "They are one act.",
        [{**one, "case": "c-1"} for one in passes],
        "2022-06-01",
        target="B",
        flags=["insufficient-evidence"],
    )
    old = [passed(0, "2021-01-31"), *passes[:4]]
    theme.follow(
        "the first of five grows old",
        "It counts up to 31 January 2023; A was held since October and is lost.",
        old,
        {
            "2023-01-31": {"grade": "A", "target": "A"},
            "2023-02-01": {"grade": "B", "target": "B", "flags": ["insufficient-evidence"]},
        },
    )
    theme.add(
        "five passed, one withdrawn",
        "Four are left.",
        [*passes, fact(20, "correction/withdrawn", "2021-03-01", refers=12)],
        "2022-06-01",
        target="B",
    )
    theme.add(
        "five passed inspections and 400 points",
        "The requirement is asked of the grade that the sum gives: B needs nothing.",
        [
            *passes,
            fact(30, "fraud-case/confirmed", "2022-05-01", severity="serious", code="other"),
        ],
        "2022-06-01",
        target="B",
        flags=[],
        points=600,
    )
    theme.add(
        "nothing shown at all",
        "No evidence is not good evidence.",
        [fact(0, "external-grade/1", "2021-01-10")],
        "2022-06-01",
        target="B",
        flags=["insufficient-evidence"],
    )

    def rate(leaf: int, on: str, errors: int, declarations: int) -> Json:
        return fact(
            leaf,
            "declaration-error/recorded",
            on,
            severity="minor",
            code="rate",
            measures={"declarations": declarations, "errors": errors},
        )

    certificate = fact(2, "certificate/granted", "2021-02-10", code="customs-certified")
    honour = fact(3, "list-entry/entered", "2021-02-10", code="honour")
    best = [*passes, rate(1, "2022-03-31", 10, 1000), certificate, honour]
    theme.follow(
        "everything for AA",
        "Up a step a year: B, A, AA.",
        [*best, rate(4, "2023-03-31", 1, 1000), *[passed(40 + i, "2022-06-01") for i in range(5)]],
        {
            "2022-06-01": {"target": "AA", "grade": "B"},
            "2022-10-01": {"target": "AA", "grade": "A"},
            "2023-03-30": {"target": "AA", "promotion_on": "2023-10-01"},
            "2023-10-01": {"target": "AA", "grade": "AA", "held_since": "2023-10-01"},
            "2024-03-31": {"target": "AA", "grade": "AA"},
            "2024-04-01": {"target": "A", "grade": "A"},
        },
    )
    for errors, target in [(9, "AA"), (10, "AA"), (11, "A")]:
        theme.add(
            f"{errors} errors in 1000 declarations",
            "10 in 1000 are the most.",
            [*passes, rate(1, "2022-03-31", errors, 1000), certificate, honour],
            "2022-06-01",
            target=target,
        )
    for errors, target in [(15, "AA"), (16, "A")]:
        theme.add(
            f"5 and {errors} errors in two times 1000 declarations",
            "The sums are compared, not the rates.",
            [
                *passes,
                rate(1, "2022-03-31", 5, 1000),
                rate(4, "2022-04-30", errors, 1000),
                certificate,
                honour,
            ],
            "2022-06-01",
            target=target,
        )
    theme.add(
        "no errors in no declarations",
        "The sum of declarations must be positive.",
        [*passes, rate(1, "2022-03-31", 0, 0), certificate, honour],
        "2022-06-01",
        target="A",
        flags=[],
    )
    theme.follow(
        "five passed grow old while AA is given",
        "AA asks for the five passed that A asks for: 24 months from 1 February 2021.",
        [*passes, rate(1, "2022-02-28", 0, 1000), certificate, honour],
        {
            "2023-02-01": {"target": "AA", "flags": []},
            "2023-02-02": {"target": "B", "flags": ["insufficient-evidence"]},
        },
    )
    theme.follow(
        "the rate grows old, five passed since",
        "12 months from 28 February 2022 end on 28 February 2023.",
        [
            *passes,
            rate(1, "2022-02-28", 0, 1000),
            certificate,
            honour,
            *[passed(40 + i, "2022-06-01") for i in range(5)],
        ],
        {"2023-02-28": {"target": "AA"}, "2023-03-01": {"target": "A"}},
    )
    theme.add(
        "no certificate",
        "AA needs one of customs.",
        [*passes, rate(1, "2022-03-31", 1, 1000), honour],
        "2022-06-01",
        target="A",
    )
    theme.follow(
        "the certificate is suspended and resumed",
        "AA needs it standing.",
        [
            *best,
            fact(4, "certificate/suspended", "2022-06-10", code="customs-certified"),
            fact(5, "certificate/resumed", "2022-07-10", code="customs-certified"),
        ],
        {
            "2022-06-09": {"target": "AA"},
            "2022-06-10": {"target": "A"},
            "2022-07-10": {"target": "AA"},
        },
    )
    theme.add(
        "honour was left",
        "A decision that honours is an entry, and can be left.",
        [*best, fact(4, "list-entry/left", "2022-05-10", code="honour")],
        "2022-06-01",
        target="A",
    )
    warning = fact(5, "enforcement/warning", "2019-05-31", severity="minor", code="hygiene")
    theme.follow(
        "a warning of three years ago",
        "Nothing may be on record for 36 months, up to 31 May 2022.",
        [*best, warning],
        {"2022-05-31": {"target": "A"}, "2022-06-01": {"target": "AA"}},
    )
    theme.add(
        "a warning that was repaired",
        "It still counts in requirements.",
        [*best, warning, fact(6, "repair/granted", "2020-05-31", refers=5)],
        "2022-05-31",
        target="A",
    )
    theme.add(
        "a warning that was overturned",
        "It was never stated.",
        [*best, warning, fact(6, "appeal/overturned", "2020-05-31", refers=5)],
        "2022-05-31",
        target="AA",
    )
    theme.add(
        "a kept commitment",
        "Only a broken one is asked for.",
        [*best, fact(6, "commitment/kept", "2022-05-01", code="repair")],
        "2022-06-01",
        target="AA",
    )
    theme.add(
        "a broken commitment",
        "It stands on record for 36 months, long after it ceased to weigh.",
        [*best, fact(6, "commitment/broken", "2020-05-01", code="quality", severity="minor")],
        "2022-06-01",
        target="A",
    )
    theme.add(
        "a suspicion on record",
        "What is silent is not on record; it is watched.",
        [*best, fact(6, "fraud-case/suspected", "2022-05-01", case="f-1")],
        "2022-06-01",
        target="AA",
        flags=["watch"],
        frozen=True,
    )
    return theme


def chained_requirements() -> Theme:
    theme = Theme(
        "chained-requirements",
        "Requirements in their order: what one takes away, the next may ask about. E01: A needs a "
        "passed inspection of 12 months, else B; E02: B needs none failed for 3 months, else C.",
        small(
            "chained-requirements",
            requirements=[
                {
                    "flag": "unseen",
                    "grade": "A",
                    "id": "E01",
                    "needs": [
                        {
                            "acts": [{"kind": "inspection", "outcome": ["pass"]}],
                            "at_least": 1,
                            "months": 12,
                        }
                    ],
                    "otherwise": "B",
                },
                {
                    "flag": "just-failed",
                    "grade": "B",
                    "id": "E02",
                    "needs": [{"months": 3, "none": [{"kind": "inspection", "outcome": ["fail"]}]}],
                    "otherwise": "C",
                },
            ],
        ),
    )
    bad = fact(0, "inspection/fail", "2021-01-31", severity="minor")
    good = fact(1, "inspection/pass", "2021-02-10")
    theme.follow(
        "failed, and nothing passed",
        "A becomes B, B becomes C: both flags; C is held until the cycle.",
        [bad],
        {
            "2021-01-31": {"target": "C", "grade": "C", "flags": ["just-failed", "unseen"]},
            "2021-04-30": {"target": "C", "points": 300},
            "2021-05-01": {"target": "B", "grade": "C", "flags": ["unseen"], "points": 0},
        },
    )
    theme.follow(
        "failed, then passed",
        "A stands, and B is not asked about.",
        [bad, good],
        {
            "2021-02-10": {"target": "A", "flags": []},
            "2022-02-10": {"target": "A"},
            "2022-02-11": {"target": "B", "flags": ["unseen"]},
        },
    )
    return theme


def watch() -> Theme:
    theme = Theme(
        "watch",
        "Watch for a month from each day on which a fact that weighs takes effect and the points "
        "are at least 1200.",
        small(
            "watch",
            points=ladder_points(1, 600, 1199, 1200),
            watch={"flag": "watch", "from": 1200, "months": 1},
            merits={
                "cap": 600,
                "items": [
                    {
                        "id": "M01",
                        "points": 1,
                        "standing": [{"kind": "certificate", "outcome": ["granted"]}],
                    }
                ],
                "lowers": ["general"],
            },
        ),
    )
    for on, end in [
        ("2021-01-31", "2021-02-28"),
        ("2020-01-31", "2020-02-29"),
        ("2021-01-30", "2021-02-28"),
        ("2021-03-31", "2021-04-30"),
        ("2020-02-29", "2020-03-29"),
    ]:
        theme.follow(
            f"reached on {on}",
            "The day itself is not counted; a missing day is the month's last.",
            [fine(0, on, 1200)],
            {
                on: {"flags": ["watch"], "points": 1200},
                end: {"flags": ["watch"]},
                next_day(end): {"flags": [], "points": 1200, "since": next_day(end)},
            },
        )
    theme.add(
        "a centipoint below", "No watch.", [fine(0, "2021-01-31", 1199)], "2021-01-31", flags=[]
    )
    theme.follow(
        "extended by a new fact",
        "From each such day anew.",
        [fine(0, "2021-01-31", 1200), fine(1, "2021-02-20", 1)],
        {
            "2021-03-01": {"flags": ["watch"], "points": 1201},
            "2021-03-20": {"flags": ["watch"]},
            "2021-03-21": {"flags": []},
        },
    )
    theme.follow(
        "a new fact after the watch",
        "It begins again.",
        [fine(0, "2021-01-31", 1200), fine(1, "2021-04-20", 1)],
        {
            "2021-04-19": {"flags": []},
            "2021-04-20": {"flags": ["watch"]},
            "2021-05-21": {"flags": []},
        },
    )
    theme.follow(
        "reached together",
        "By the sum of the day.",
        [fine(0, "2021-01-31", 1199), fine(1, "2021-02-10", 1)],
        {"2021-02-09": {"flags": []}, "2021-02-10": {"flags": ["watch"], "points": 1200}},
    )
    theme.follow(
        "reached when a certificate ends",
        "No fact that weighs takes effect on that day: no watch.",
        [
            fact(2, "certificate/granted", "2021-01-01", code="one"),
            fine(0, "2021-01-31", 1200),
            fact(3, "certificate/ended", "2021-03-01", code="one"),
        ],
        {
            "2021-01-31": {"points": 1199, "flags": []},
            "2021-03-01": {"points": 1200, "flags": [], "grade": "C"},
        },
    )
    theme.add(
        "repaired on a later day",
        "The watch that began goes on.",
        [fine(0, "2021-01-31", 1200), fact(1, "repair/granted", "2021-02-10", refers=0)],
        "2021-02-10",
        points=0,
        flags=["watch"],
    )
    theme.add(
        "overturned on a later day",
        "It never began.",
        [fine(0, "2021-01-31", 1200), fact(1, "appeal/overturned", "2021-02-10", refers=0)],
        "2021-02-10",
        points=0,
        flags=[],
    )
    return theme


def began(code: str, on: str = "2021-01-01") -> Json:
    return fact(90, "certificate/granted", on, code=code)


def instant_downgrade() -> Theme:
    def instead(code: str, grade: str) -> Json:
        return {
            "grade": grade,
            "when": [{"code": [code], "kind": "certificate", "outcome": ["granted"]}],
        }

    theme = Theme(
        "instant-downgrade",
        "From 2400 points a step at least, and the bounds of grades so wide (3000, 5000, 9000) "
        "that it shows; a firm may start at any grade by a certificate of the first day.",
        small(
            "instant-downgrade",
            grades=[
                {"from": 0, "grade": "A"},
                {"from": 3000, "grade": "B"},
                {"from": 5000, "grade": "C"},
                {"from": 9000, "grade": "D"},
            ],
            instant_downgrade={"from": 2400, "steps": 1},
            points=ladder_points(1, 2399, 2400, 4999, 9000),
            merits={
                "cap": 600,
                "items": [
                    {
                        "id": "M01",
                        "points": 1,
                        "standing": [
                            {"code": ["merit"], "kind": "certificate", "outcome": ["granted"]}
                        ],
                    }
                ],
                "lowers": ["general"],
            },
            start={
                "flag": "new",
                "grade": "B",
                "instead": [
                    instead("from-a", "A"),
                    instead("from-c", "C"),
                    instead("from-d", "D"),
                ],
            },
        ),
    )
    on = "2021-05-10"
    for code, before, after in [
        ("from-a", "A", "B"),
        ("from-b", "B", "C"),
        ("from-c", "C", "D"),
        ("from-d", "D", "D"),
    ]:
        theme.follow(
            f"held {before}, 2400 points reached",
            "A step worse than the grade held before, at most the worst; the target is told "
            "without it.",
            [began(code), fine(0, on, 2400)],
            {
                "2021-05-09": {"grade": before, "target": "A", "points": 0},
                on: {"grade": after, "target": "A", "points": 2400},
                "2021-05-11": {"grade": after, "target": "A"},
            },
        )
    theme.add(
        "held A, 2399 points reached",
        "A centipoint below.",
        [began("from-a"), fine(0, on, 2399)],
        on,
        grade="A",
    )
    theme.add(
        "held A, 2399 and then 1",
        "Reached by the second.",
        [began("from-a"), fine(0, "2021-04-10", 2399), fine(1, on, 1)],
        on,
        grade="B",
        held_since=on,
    )
    theme.add(
        "held A, 2400 and then 1",
        "Only the first reaches it.",
        [began("from-a"), fine(0, "2021-04-10", 2400), fine(1, on, 1)],
        on,
        grade="B",
        held_since="2021-04-10",
    )
    theme.add(
        "reached by two facts of one day",
        "One downgrade.",
        [began("from-a"), fine(0, on, 2399), fine(1, on, 2400)],
        on,
        grade="B",
        points=4799,
    )
    theme.add(
        "reached on the first day",
        "The grade held before it is that of the start.",
        [fine(0, on, 2400)],
        on,
        grade="C",
        held_since=on,
    )
    theme.add(
        "reached on the first day, started elsewhere",
        "The grade held before it is that of the start, as it is for this firm.",
        [began("from-c", on), fine(0, on, 2400)],
        on,
        grade="D",
    )
    theme.add(
        "the target is worse than a step",
        "The worse of both.",
        [began("from-a"), fine(0, on, 9000)],
        on,
        grade="D",
        target="D",
    )
    theme.add(
        "the target is a step worse by itself",
        "4999 from A is B, by both.",
        [began("from-a"), fine(0, on, 4999)],
        on,
        grade="B",
        target="B",
    )
    theme.follow(
        "reached again after it fell",
        "Each time it is reached.",
        [began("from-a"), fine(0, on, 2400, severity="minor"), fine(1, "2021-08-12", 2400)],
        {
            "2021-08-11": {"grade": "B", "points": 0},
            "2021-08-12": {"grade": "C", "points": 2400},
        },
    )
    theme.follow(
        "reached anew on the day on which the last one ends",
        "The day before the points were as high: not reached again.",
        [began("from-a"), fine(0, on, 2400, severity="minor"), fine(1, "2021-08-10", 2400)],
        {
            "2021-08-10": {"grade": "B", "points": 4800, "held_since": on},
            "2021-08-11": {"grade": "B", "points": 2400, "held_since": on},
        },
    )
    theme.follow(
        "reached because a merit ends",
        "No fact that weighs takes effect on that day.",
        [
            began("from-a"),
            fact(91, "certificate/granted", "2021-01-01", code="merit"),
            fine(0, "2021-04-10", 2400),
            fact(92, "certificate/ended", on, code="merit"),
        ],
        {
            "2021-04-10": {"grade": "A", "points": 2399},
            on: {"grade": "A", "points": 2400},
        },
    )
    theme.follow(
        "the way back",
        "A stay of 12 months from the downgrade, then the cycle day: on 1 October 2024 it is a day "
        "short.",
        [began("from-a"), fine(0, "2021-10-01", 2400), fine(1, "2023-10-02", 2400)],
        {
            "2021-10-01": {"grade": "B", "promotion_on": "2022-10-01"},
            "2022-09-30": {"grade": "B", "next_change": {"grade": "A", "on": "2022-10-01"}},
            "2022-10-01": {"grade": "A", "points": 2400},
            "2023-10-02": {
                "grade": "B",
                "promotion_on": "2025-10-01",
                "next_change": {"grade": "B", "on": "2024-10-03", "points": 0},
            },
        },
    )
    return theme


def movement() -> Theme:
    theme = Theme(
        "movement",
        "How a grade is held: down at once, up a step on 1 October after 12 months; starts that "
        "are inherited.",
        CORE,
    )

    def heavy(leaf: int, on: str, **more: object) -> Json:
        """1200 points for 12 months: C."""
        members: Json = {"severity": "general", "code": "hygiene", **more}
        return fact(leaf, "enforcement/suspension", on, **members)

    theme.follow(
        "the stay is complete on the cycle day",
        "C since 1 October 2021: 12 months end on 1 October 2022.",
        [heavy(0, "2020-10-01", effective_on="2021-10-01")],
        {
            "2021-10-01": {"grade": "C", "held_since": "2021-10-01"},
            "2022-09-30": {"grade": "C", "target": "A", "promotion_on": "2022-10-01"},
            "2022-10-01": {"grade": "B", "held_since": "2022-10-01", "promotion_on": "2023-10-01"},
            "2023-09-30": {"grade": "B"},
            "2023-10-01": {"grade": "A", "promotion_on": None, "next_change": None},
        },
    )
    theme.follow(
        "the stay is a day short on the cycle day",
        "C since 2 October 2021: a whole year more.",
        [heavy(0, "2020-10-02", effective_on="2021-10-02")],
        {
            "2022-10-01": {"grade": "C", "target": "A", "promotion_on": "2023-10-01"},
            "2022-10-02": {"grade": "C", "promotion_on": "2023-10-01"},
            "2023-10-01": {"grade": "B"},
            "2024-10-01": {"grade": "A"},
        },
    )
    theme.follow(
        "two steps over two years",
        "One step a year, however good the target is.",
        [heavy(0, "2021-03-01")],
        {
            "2021-03-01": {"grade": "C", "flags": ["watch"]},
            "2022-03-01": {"grade": "C", "points": 1200, "target": "C"},
            "2022-03-02": {
                "grade": "C",
                "points": 0,
                "target": "A",
                "promotion_on": "2022-10-01",
                "next_change": {"grade": "B", "on": "2022-10-01", "points": 0},
            },
            "2022-10-01": {"grade": "B"},
            "2023-10-01": {"grade": "A"},
        },
    )
    theme.follow(
        "worse on the cycle day",
        "Down at once, on that day as on any.",
        [heavy(0, "2020-03-01"), heavy(1, "2021-10-01")],
        {
            "2021-09-30": {"grade": "C", "target": "A", "promotion_on": "2021-10-01"},
            "2021-10-01": {"grade": "C", "target": "C", "held_since": "2020-03-01"},
            "2022-10-02": {"grade": "C", "target": "A", "promotion_on": "2023-10-01"},
        },
    )
    theme.follow(
        "from B to C on the cycle day",
        "The stay begins on it.",
        [failed(0, "2020-03-01", "general", "hygiene"), heavy(1, "2020-10-01")],
        {
            "2020-09-30": {"grade": "B", "target": "A"},
            "2020-10-01": {"grade": "C", "held_since": "2020-10-01"},
            "2021-10-01": {"grade": "C", "target": "C"},
            "2021-10-02": {"grade": "C", "target": "A", "promotion_on": "2022-10-01"},
        },
    )
    theme.follow(
        "the last day of weight is the cycle day",
        "On it the target is not better yet.",
        [heavy(0, "2021-10-01")],
        {
            "2022-10-01": {"grade": "C", "target": "C"},
            "2022-10-02": {"grade": "C", "target": "A", "promotion_on": "2023-10-01"},
        },
    )
    theme.follow(
        "better only between two cycle days",
        "Nothing rises in between.",
        [heavy(0, "2020-03-01"), heavy(1, "2021-09-30")],
        {
            "2021-09-29": {"grade": "C", "target": "A"},
            "2021-09-30": {"grade": "C", "target": "C", "held_since": "2020-03-01"},
        },
    )
    theme.follow(
        "worse in between, and the stay begins anew",
        "B since the start, C, and back.",
        [failed(0, "2020-10-01", "general", "hygiene"), heavy(1, "2021-02-28")],
        {
            "2021-02-27": {"grade": "B", "held_since": "2020-10-01"},
            "2021-02-28": {"grade": "C", "held_since": "2021-02-28"},
            "2022-10-01": {"grade": "B"},
        },
    )
    theme.follow(
        "begun on a cycle day",
        "No stay is complete on the first day.",
        [fact(0, "external-grade/1", "2020-10-01")],
        {
            "2020-09-30": {"flags": ["new"], "held_since": None, "promotion_on": None},
            "2020-10-01": {"grade": "B", "target": "A", "promotion_on": "2021-10-01"},
            "2021-10-01": {"grade": "A"},
        },
    )
    theme.follow(
        "begun on 29 February",
        "12 months end on 28 February.",
        [fact(0, "external-grade/1", "2020-02-29")],
        {"2020-10-01": {"grade": "B", "promotion_on": "2021-10-01"}, "2021-10-01": {"grade": "A"}},
    )
    inherited = fact(0, "effect/begun", "2021-03-01", code="inheritance")
    theme.follow(
        "an inherited start",
        "C instead of B, on the first day.",
        [inherited],
        {
            "2021-02-28": {"grade": "B", "target": "B", "flags": ["new"]},
            "2021-03-01": {"grade": "C", "target": "A", "held_since": "2021-03-01"},
            "2022-10-01": {"grade": "B"},
            "2023-10-01": {"grade": "A"},
        },
    )
    theme.add(
        "inherited a day after the first",
        "Too late for the start.",
        [fact(1, "external-grade/1", "2021-02-28"), inherited],
        "2021-03-01",
        grade="B",
        held_since="2021-02-28",
    )
    theme.add(
        "inherited, and withdrawn",
        "It was never stated; the correction begins the history.",
        [inherited, fact(1, "correction/withdrawn", "2021-03-05", refers=0)],
        "2021-03-05",
        grade="B",
        held_since="2021-03-05",
    )
    theme.add(
        "inherited, with something worse",
        "The target is held at once.",
        [
            inherited,
            fact(1, "enforcement/criminal", "2021-03-01", severity="serious", code="other"),
        ],
        "2021-03-01",
        grade="D",
        held_since="2021-03-01",
    )
    theme.add(
        "a change that is known in advance",
        "A suspension in effect next month: the next change, if nothing more is stated.",
        [failed(0, "2021-03-01", "general", "hygiene"), heavy(1, "2021-04-01")],
        "2021-03-20",
        next_change={"grade": "C", "on": "2021-04-01", "points": 1500},
    )
    theme.add(
        "points that change and a grade that does not",
        "The next change is that of points.",
        [failed(0, "2021-03-01", "serious", "safety")],
        "2021-03-20",
        next_change={"grade": "B", "on": "2022-03-02", "points": 300},
        since="2021-03-01",
    )
    return theme


def quick_movement() -> Theme:
    theme = Theme(
        "quick-movement",
        "Two steps at a time on the 15th of January, April, July and October, after 1, 3, 6 and 12 "
        "months in A, B, C and D.",
        small(
            "quick-movement",
            points=ladder_points(1200, 3600),
            movement={
                "cycle": {"months": 3, "start": "01-15"},
                "promote": {"stay_months": {"A": 1, "B": 3, "C": 6, "D": 12}, "steps": 2},
            },
        ),
    )
    theme.follow(
        "from D by two steps",
        "D, then B, then A.",
        [fine(0, "2021-01-15", 3600, severity="minor")],
        {
            "2021-01-15": {"grade": "D", "target": "D"},
            "2021-04-16": {"grade": "D", "target": "A", "promotion_on": "2022-01-15"},
            "2022-01-15": {"grade": "B", "promotion_on": "2022-04-15"},
            "2022-04-15": {"grade": "A", "next_change": None},
        },
    )
    theme.follow(
        "from C by two steps",
        "C to A at once.",
        [fine(0, "2021-01-14", 1200, severity="minor")],
        {
            "2021-07-14": {"grade": "C", "promotion_on": "2021-07-15"},
            "2021-07-15": {"grade": "A"},
        },
    )
    theme.follow(
        "not better than the target",
        "D, and no farther than C while 1200 points weigh.",
        [
            fine(0, "2021-01-14", 3600, severity="minor"),
            fine(1, "2021-06-01", 1200, severity="general"),
        ],
        {
            "2022-01-14": {"grade": "D", "target": "C"},
            "2022-01-15": {"grade": "C", "target": "C", "promotion_on": None},
            "2022-06-02": {"grade": "C", "target": "A", "promotion_on": "2022-07-15"},
            "2022-07-15": {"grade": "A"},
        },
    )
    theme.add(
        "begun a day after a cycle day",
        "B needs 3 months: 16 January to 16 April, so July.",
        [fact(0, "inspection/pass", "2021-01-16")],
        "2021-04-15",
        grade="B",
        promotion_on="2021-07-15",
    )
    theme.add(
        "begun on a cycle day",
        "B needs 3 months, complete on 15 April.",
        [fact(0, "inspection/pass", "2021-01-15")],
        "2021-04-15",
        grade="A",
        held_since="2021-04-15",
    )
    return theme


def no_movement() -> Theme:
    theme = Theme(
        "no-movement",
        "Without movement the grade of a day is its target.",
        small("no-movement", points=ladder_points(300, 1200), movement=None),
    )
    theme.follow(
        "up and down on the very day",
        "No grade is held.",
        [fine(0, "2021-01-31", 1200), fine(1, "2021-02-10", 300)],
        {
            "2021-01-30": {"grade": "B", "target": "B", "flags": ["new"]},
            "2021-01-31": {"grade": "C", "held_since": None, "promotion_on": None},
            "2022-02-01": {
                "grade": "A",
                "points": 300,
                "next_change": {"grade": "A", "on": "2022-02-11", "points": 0},
            },
            "2022-02-11": {"grade": "A", "points": 0, "since": "2022-02-11"},
        },
    )
    theme.add("nobody is known", "The start.", [], "2021-01-31", grade="B", since=None)
    return theme
