"""Vectors of what is known: days and tree sizes, refusals, and scores that are the latest."""

from __future__ import annotations

from tests.vectors.credit.small_policies import KINDS, OTHER_ROWS, small
from tests.vectors.credit.stories import Json, Theme, fact
from tests.vectors.credit.theme_grades import FULL
from tests.vectors.credit.theme_sums import CORE, failed, passed

HYGIENE = "uk-food-hygiene-rating-1.0.0.json"
INSPECTION = "inspection-score-1.0.0.json"


def themes() -> list[Theme]:
    return [known(), conditions(), roles(), refusals(), hygiene(), inspection_score()]


def known() -> Theme:
    theme = Theme(
        "known",
        "What exists for a rating: nothing, the future, what the log did not know yet, what does "
        "not count, and the days before the first that counts.",
        CORE,
    )
    nothing: Json = {
        "flags": ["new"],
        "frozen": False,
        "grade": "B",
        "held_since": None,
        "lowered": 0,
        "merits": [],
        "next_change": None,
        "points": 0,
        "promotion_on": None,
        "reasons": [],
        "since": None,
        "target": "B",
    }
    theme.add("no fact", "The start, and its flag.", [], "2021-01-01", **nothing)
    theme.add(
        "no fact, on the last of all days", "Nor does time change it.", [], "9999-12-31", **nothing
    )
    theme.add(
        "kinds that are not weighed",
        "A filing and a relation count for nothing, whatever else they hold.",
        [
            fact(0, "filing", "2020-01-10"),
            fact(1, "relation/begun", "2020-01-10", code="controls", severity="unheard-of"),
            fact(2, "treatment", None),
        ],
        "2021-01-01",
        **nothing,
    )
    theme.add(
        "only what is silent",
        "An inconclusive inspection begins nothing; it needs no severity, no code and no measure.",
        [fact(0, "inspection/inconclusive", "2020-01-10")],
        "2021-01-01",
        **nothing,
    )
    theme.add(
        "only what the log learned later",
        "A tree of size 3 has no leaf 3.",
        [failed(3, "2020-01-10", "general", "hygiene")],
        "2020-02-01",
        tree_size=3,
        **nothing,
    )
    theme.add(
        "the last leaf of the tree",
        "A tree of size 4 has it.",
        [failed(3, "2020-01-10", "general", "hygiene")],
        "2020-02-01",
        tree_size=4,
        points=300,
    )
    theme.add(
        "an empty tree",
        "Nothing exists.",
        [failed(0, "2020-01-10", "general", "hygiene")],
        "2020-02-01",
        tree_size=0,
        **nothing,
    )
    soon = [failed(0, "2021-03-01", "general", "hygiene", effective_on="2021-04-01")]
    theme.follow(
        "before the first fact takes effect",
        "The start; the next change is known.",
        soon,
        {
            "2021-03-01": {
                "flags": ["new"],
                "points": 0,
                "target": "B",
                "next_change": {"grade": "B", "on": "2021-04-01", "points": 300},
            },
            "2021-03-31": {"flags": ["new"], "held_since": None, "since": None},
            "2021-04-01": {"flags": [], "points": 300, "since": "2021-04-01", "target": "A"},
        },
    )
    theme.follow(
        "a fact of the past that is stated late",
        "Known from tree size 2 on, it was true before.",
        [
            failed(0, "2021-03-01", "general", "hygiene"),
            failed(1, "2020-12-01", "general", "safety"),
        ],
        {
            "2020-12-01": {"points": 300, "held_since": "2020-12-01"},
            "2021-03-01": {"points": 600, "held_since": "2020-12-01", "target": "B"},
        },
    )
    theme.add(
        "the same day at the older tree size",
        "The old answer.",
        [
            failed(0, "2021-03-01", "general", "hygiene"),
            failed(1, "2020-12-01", "general", "safety"),
        ],
        "2021-03-01",
        tree_size=1,
        points=300,
        held_since="2021-03-01",
        target="A",
    )
    theme.follow(
        "a noted fact begins the history",
        "It has no points, and is known.",
        [fact(0, "external-grade/1", "2021-03-01"), failed(1, "2021-06-01", "general", "hygiene")],
        {
            "2021-03-01": {"flags": [], "held_since": "2021-03-01", "points": 0},
            "2021-06-01": {"held_since": "2021-03-01", "points": 300},
        },
    )
    theme.add(
        "a favourable fact begins the history",
        "So does a passed inspection.",
        [passed(0, "2021-03-01")],
        "2021-03-01",
        flags=[],
        held_since="2021-03-01",
        target="A",
    )
    theme.follow(
        "the only fact is annulled",
        "The annulment itself is noted, and begins the history.",
        [
            failed(0, "2021-03-01", "general", "hygiene"),
            fact(1, "correction/withdrawn", "2021-04-01", refers=0),
        ],
        {
            "2021-03-31": {"flags": ["new"], "points": 0},
            "2021-04-01": {"flags": [], "points": 0, "held_since": "2021-04-01", "reasons": []},
        },
    )
    theme.add(
        "long after everything",
        "Nothing is left to change.",
        [failed(0, "2021-03-01", "serious", "safety")],
        "2500-01-01",
        grade="A",
        points=0,
        next_change=None,
        since="2024-03-02",
    )
    return theme


def conditions() -> Theme:
    theme = Theme(
        "conditions",
        "What a condition speaks of: P01 a laboratory's failed inspection; P02 a fine of at least "
        "100 fen for at least 2 items; P03 a minor or general case of fraud; else 100, 400, 300. "
        "L01 halves the first failed inspection in 12 months.",
        small(
            "conditions",
            points=[
                {"id": "P01", "points": 500, "when": [{"basis": ["lab"], "kind": "inspection"}]},
                {
                    "id": "P02",
                    "points": 900,
                    "when": [
                        {
                            "at_least": {"fine_fen": 100, "items": 2},
                            "kind": "enforcement",
                            "outcome": ["fine"],
                        }
                    ],
                },
                {
                    "id": "P03",
                    "points": 200,
                    "when": [{"kind": "fraud-case", "severity": ["general", "minor"]}],
                },
                *OTHER_ROWS,
            ],
            reliefs=[
                {
                    "first_in_months": 12,
                    "id": "L01",
                    "if": None,
                    "permille": 500,
                    "when": [{"kind": "inspection"}],
                }
            ],
        ),
    )
    on = "2021-02-01"

    def one(what: str, rule: str, points: int, why: str, **members: object) -> None:
        told = ", ".join(f"{name} {member}" for name, member in members.items())
        theme.add(
            f"{what} with {told}",
            why,
            [fact(0, what, on, **members)],
            on,
            points=points,
            reasons=[{"rule": rule, "points": points}],
        )

    one("inspection/fail", "P01", 250, "The basis is in the list.", basis="lab", severity="general")
    one("inspection/fail", "P99", 150, "Another basis.", basis="field", severity="general")
    one(
        "inspection/fail",
        "P99",
        150,
        "No basis is in no list, and is not asked for.",
        severity="minor",
    )
    one("fraud-case/confirmed", "P03", 200, "In the list.", severity="general")
    one("fraud-case/confirmed", "P98", 400, "Not in the list.", severity="serious")
    for fine_fen, items, rule, points in [
        (100, 2, "P02", 900),
        (99, 2, "P97", 100),
        (100, 1, "P97", 100),
        (-1, 9, "P97", 100),
    ]:
        one(
            "enforcement/fine",
            rule,
            points,
            "All measures must be reached.",
            severity="general",
            measures={"fine_fen": fine_fen, "items": items},
        )
    theme.add(
        "a measure is missing where the other is reached",
        "The condition speaks of the fact in all else.",
        [fact(0, "enforcement/fine", on, severity="general", measures={"items": 2})],
        on,
        refuses=("CREDIT_INCOMPLETE", 0),
    )
    theme.add(
        "a measure is missing where the other is not reached",
        "The condition does not speak of the fact, whatever the missing one is.",
        [fact(0, "enforcement/fine", on, severity="general", measures={"items": 1})],
        on,
        points=100,
    )
    for second, points in [("2022-02-01", 450), ("2022-02-02", 150)]:
        theme.add(
            f"the first in 12 months, on {second}",
            "300 halved once; the second is whole up to the last day of 12 months, half after it.",
            [
                fact(0, "inspection/fail", on, severity="general"),
                fact(1, "inspection/fail", second, severity="general"),
            ],
            second,
            points=points,
        )
    return theme


def roles() -> Theme:
    def inspected(code: str) -> list[Json]:
        """A condition without an outcome: the roles of the rule decide of what it speaks."""
        return [{"code": [code], "kind": "inspection"}]

    def need(grade: str, name: str, otherwise: str, needs: Json, flag: str) -> Json:
        return {"flag": flag, "grade": grade, "id": name, "needs": [needs], "otherwise": otherwise}

    def line(name: str, code: str, months: int | None) -> Json:
        return {"grade": "D", "id": name, "months": months, "repeat": None, "when": inspected(code)}

    theme = Theme(
        "roles",
        "A condition without an outcome speaks of the roles of its rule alone. One kind has an "
        "outcome of each role; its code says which rule asks. Beside it stands a fine of 400.",
        small(
            "roles",
            kinds={
                **KINDS,
                "inspection": {
                    "fail": "weighs",
                    "inconclusive": "silent",
                    "pass": "favourable",
                    "visited": "noted",
                },
            },
            publicity={
                "favourable_months": 24,
                "noted": {
                    "appeal": "never",
                    "certificate": "always",
                    "inspection": "never",
                    "list-entry": "standing",
                    "rectification": "target",
                    "repair": "target",
                },
            },
            points=[
                {"id": "P01", "points": 400, "when": [{"kind": "enforcement"}]},
                *OTHER_ROWS[1:],
            ],
            procedures={
                "annulled_by": inspected("annuls"),
                "repaired_by": inspected("repairs"),
                "direct": [],
                "through": inspected("passes-on"),
            },
            unfulfilled={
                "fulfilled_by": inspected("fulfils"),
                "ordered_by": inspected("orders"),
                "permille": 250,
            },
            reliefs=[
                {
                    "first_in_months": None,
                    "id": "L01",
                    "if": inspected("relieves"),
                    "permille": 500,
                    "when": [{"kind": "enforcement"}],
                },
                {
                    "first_in_months": 12,
                    "id": "L02",
                    "if": None,
                    "permille": 100,
                    "when": inspected("first"),
                },
            ],
            merits={
                "cap": 600,
                "items": [
                    {
                        "broken_by": inspected("breaks"),
                        "cap": 50,
                        "each": 1,
                        "id": "M01",
                        "months": 24,
                        "points": 50,
                        "when": inspected("merits"),
                    },
                    {"id": "M02", "points": 70, "standing": inspected("honours")},
                ],
                "lowers": ["general"],
            },
            red_lines=[line("R01", "crosses", 12), line("R02", "stands", None)],
            requirements=[
                need(
                    "B",
                    "E01",
                    "C",
                    {"acts": inspected("shows"), "at_least": 1, "months": 12},
                    "unshown",
                ),
                need("C", "E02", "D", {"months": 12, "none": inspected("soils")}, "soiled"),
            ],
            marks=[
                {
                    "closed_by": inspected("closes"),
                    "flag": "open",
                    "freezes": False,
                    "id": "K01",
                    "joined": "refers",
                    "opened_by": inspected("opens"),
                }
            ],
            start={
                "flag": "new",
                "grade": "B",
                "instead": [{"grade": "D", "when": inspected("starts")}],
            },
        ),
    )
    on, next_year = "2021-02-01", "2022-02-02"
    penalty = fact(0, "enforcement/fine", on, severity="general")
    outcomes = {
        "weighs": "fail",
        "favourable": "pass",
        "noted": "visited",
        "silent": "inconclusive",
    }

    def inspection(leaf: int, outcome: str, code: str, **more: object) -> Json:
        members: Json = {"code": code, "severity": "general", **more}
        return fact(leaf, f"inspection/{outcome}", on, **members)

    def ask(
        code: str,
        spoken_of: set[str],
        yes: Json,
        no: Json,
        *,
        beside: list[Json] | None = None,
        day: str = on,
    ) -> None:
        for role, outcome in outcomes.items():
            theme.add(
                f"{code}: {role}",
                f"The rule speaks of {' and '.join(sorted(spoken_of))}.",
                [penalty, *(beside or []), inspection(5, outcome, code, refers=0)],
                day,
                **(yes if role in spoken_of else no),
            )

    evidence, counted = {"favourable", "noted"}, {"favourable", "noted", "weighs"}
    anything = {*counted, "silent"}
    unshown: Json = {"target": "C", "flags": ["unshown"]}
    ask("repairs", {"noted"}, {"points": 0}, unshown)
    ask("annuls", {"noted"}, {"points": 0}, unshown)
    ask("relieves", {"noted"}, {"points": 200}, unshown)
    ask("orders", {"noted"}, {"points": 100}, {"points": 0}, day=next_year)
    ask(
        "fulfils",
        {"noted"},
        {"points": 0},
        {"points": 100},
        beside=[inspection(1, "visited", "orders", refers=0)],
        day=next_year,
    )
    ask("crosses", {"noted", "weighs"}, {"target": "D"}, unshown)
    ask("stands", {"noted"}, {"target": "D"}, unshown)
    ask("merits", evidence, {"lowered": 50}, {"lowered": 0})
    ask(
        "breaks",
        counted,
        {"lowered": 0},
        {"lowered": 50},
        beside=[inspection(1, "pass", "merits")],
    )
    ask("honours", evidence, {"lowered": 70}, {"lowered": 0})
    ask("shows", evidence, {"target": "B", "flags": []}, unshown)
    ask("soils", counted, {"target": "D", "flags": ["soiled", "unshown"]}, unshown)
    ask("opens", anything, {"flags": ["open", "unshown"]}, {})
    ask("closes", anything, unshown, {}, beside=[inspection(1, "pass", "opens", refers=0)])
    ask("starts", {"noted"}, {"grade": "D"}, {"grade": "C"})
    for role, outcome in outcomes.items():
        theme.add(
            f"first: after another that is {role}",
            "Only another act that weighs stands against the first.",
            [inspection(1, outcome, "first"), inspection(5, "fail", "first")],
            on,
            points=330 if role == "weighs" else 30,
        )
        theme.add(
            f"stands: then one that is {role}",
            "The last of its kind and code stands; what is silent carries nothing.",
            [penalty, inspection(1, "visited", "stands"), inspection(5, outcome, "stands")],
            on,
            target="D" if role in ("noted", "silent") else "C",
        )
        theme.add(
            f"passes on: {role}",
            "Only what is noted passes a reference on; else the repair is of that fact itself.",
            [
                penalty,
                inspection(1, outcome, "passes-on", refers=0),
                inspection(5, "visited", "repairs", refers=1),
            ],
            on,
            points=0 if role == "noted" else 400,
        )
    return theme


def refusals() -> Theme:
    theme = Theme(
        "refusals",
        "What the rating refuses, by the lowest leaf_index, on every day; and what it does not.",
        FULL,
    )
    unknown, incomplete = "CREDIT_FACT_UNKNOWN", "CREDIT_INCOMPLETE"
    good = failed(0, "2021-01-10", "general", "hygiene")
    day = "2021-06-01"

    def of(leaf: int, what: str, **members: object) -> Json:
        return fact(leaf, what, "2021-02-01", **members)

    refused: list[tuple[str, str, Json, str]] = [
        ("an unknown kind", "It is never skipped.", of(1, "rumour/heard"), unknown),
        ("an unknown kind without an outcome", "Unknown comes first.", of(1, "rumour"), unknown),
        (
            "an unknown outcome",
            "The kind is known.",
            of(1, "inspection/perhaps", code="x"),
            unknown,
        ),
        (
            "an unknown severity",
            "Not one of the policy's.",
            of(1, "inspection/fail", severity="grave", code="hygiene"),
            unknown,
        ),
        (
            "no outcome",
            "Every kind that counts has one.",
            of(1, "inspection", code="x"),
            incomplete,
        ),
        (
            "no outcome of a kind with silent outcomes",
            "A silent fact lacks nothing but that.",
            of(1, "fraud-case", code="other", severity="general"),
            incomplete,
        ),
        (
            "no severity",
            "What weighs must have one.",
            of(1, "inspection/fail", code="hygiene"),
            incomplete,
        ),
        (
            "no code of what weighs",
            "Rules ask for the code of inspections.",
            of(1, "inspection/fail", severity="general"),
            incomplete,
        ),
        (
            "no code of a certificate",
            "Rules ask for it.",
            of(1, "certificate/granted"),
            incomplete,
        ),
        (
            "no measure of a fine",
            "P18 speaks of a fine in all else.",
            of(1, "enforcement/fine", severity="general", code="hygiene"),
            incomplete,
        ),
        (
            "another measure of a fine",
            "The one that is asked for is not there.",
            of(
                1,
                "enforcement/fine",
                severity="general",
                code="hygiene",
                measures={"fine_eur": 100},
            ),
            incomplete,
        ),
        (
            "no measures of a rate",
            "E01 sums errors and declarations.",
            of(1, "declaration-error/recorded", severity="minor", code="rate"),
            incomplete,
        ),
        (
            "one measure of a rate",
            "Both are needed.",
            of(
                1,
                "declaration-error/recorded",
                severity="minor",
                code="rate",
                measures={"errors": 3},
            ),
            incomplete,
        ),
    ]
    for name, why, bad, code in refused:
        theme.add(name, why, [good, bad], day, refuses=(code, 1))
    for what in ("inspection/fail", "inspection/pass", "objection/filed"):
        theme.add(
            f"no day of the decision, {what}",
            "All that is not silent must have one, even with a day of effect.",
            [
                good,
                fact(1, what, None, effective_on="2021-02-01", code="x", severity="general"),
            ],
            day,
            refuses=(incomplete, 1),
        )
    theme.add(
        "two facts that cannot be rated",
        "The lower leaf_index is named, though it was told second and takes effect later.",
        [of(5, "rumour/heard"), fact(3, "inspection/fail", "2021-05-01", code="x")],
        day,
        refuses=(incomplete, 3),
    )
    theme.add(
        "a fact of the far future",
        "It refuses, whichever day it takes effect on.",
        [good, fact(1, "rumour/heard", "2090-01-01")],
        day,
        refuses=(unknown, 1),
    )
    theme.add(
        "before the first fact",
        "On that day too.",
        [good, of(1, "rumour/heard")],
        "2020-01-01",
        refuses=(unknown, 1),
    )
    theme.add(
        "a fact that the log did not know yet",
        "It does not exist.",
        [good, of(1, "rumour/heard")],
        day,
        tree_size=1,
        points=300,
    )
    theme.add(
        "an unknown fact that is withdrawn",
        "What is annulled is taken away first.",
        [good, of(1, "rumour/heard"), of(2, "correction/withdrawn", refers=1)],
        day,
        points=300,
    )
    theme.add(
        "an unknown fact whose withdrawal is withdrawn",
        "It is back, and refuses.",
        [
            good,
            of(1, "rumour/heard"),
            of(2, "correction/withdrawn", refers=1),
            of(3, "correction/withdrawn", refers=2),
        ],
        day,
        refuses=(unknown, 1),
    )
    theme.add(
        "an incomplete fact that is overturned",
        "What is annulled is taken away first.",
        [good, of(1, "inspection/fail"), of(2, "appeal/overturned", refers=1)],
        day,
        points=300,
    )
    theme.add(
        "an incomplete fact that is repaired",
        "Repair takes nothing away.",
        [good, of(1, "inspection/fail"), of(2, "repair/granted", refers=1)],
        day,
        refuses=(incomplete, 1),
    )
    allowed: list[tuple[str, str, Json, int]] = [
        (
            "a silent fact without severity and code",
            "It lacks nothing.",
            of(1, "fraud-case/suspected", case="f-1"),
            300,
        ),
        (
            "a noted fact without severity and code of a kind whose code no rule asks for",
            "An objection has neither.",
            of(1, "objection/filed", refers=0),
            300,
        ),
        (
            "a fine that is too small for the rows of great fines",
            "100,000 yuan less a fen.",
            of(
                1,
                "enforcement/fine",
                severity="general",
                code="hygiene",
                measures={"fine_fen": 9_999_999},
            ),
            600,
        ),
        (
            "a fine of exactly 100,000 yuan",
            "P19.",
            of(
                1,
                "enforcement/fine",
                severity="general",
                code="hygiene",
                measures={"fine_fen": 10_000_000},
            ),
            900,
        ),
        (
            "a fine of exactly 1,000,000 yuan",
            "P18.",
            of(
                1,
                "enforcement/fine",
                severity="general",
                code="hygiene",
                measures={"fine_fen": 100_000_000},
            ),
            1500,
        ),
        (
            "a fine less a fen than 1,000,000 yuan",
            "P19.",
            of(
                1,
                "enforcement/fine",
                severity="general",
                code="hygiene",
                measures={"fine_fen": 99_999_999},
            ),
            900,
        ),
        (
            "a warning without a measure",
            "Rows ask fines alone for it.",
            of(1, "enforcement/warning", severity="general", code="hygiene"),
            400,
        ),
        (
            "a recorded error of another code without a measure",
            "Only those of the rate are summed.",
            of(1, "declaration-error/recorded", severity="general", code="value"),
            500,
        ),
        (
            "a code that no rule knows",
            "Rows without a code take it.",
            of(1, "inspection/fail", severity="general", code="never-heard-of"),
            500,
        ),
    ]
    for name, why, other, points in allowed:
        theme.add(name, why, [good, other], day, points=points)
    return theme


def visit(leaf: int, on: str, parts: tuple[int, int, int], **more: object) -> Json:
    names = ("score_hygiene", "score_structural", "score_confidence")
    members: Json = {"code": "hygiene", "measures": dict(zip(names, parts, strict=True)), **more}
    return fact(leaf, "inspection/pass", on, **members)


def hygiene() -> Theme:
    theme = Theme(
        "latest-hygiene",
        "The Food Hygiene Rating of the United Kingdom: the latest inspection alone, by its sum "
        "and its worst part. Hygiene, structure and confidence are given in this order.",
        HYGIENE,
    )
    day = "2024-05-01"
    cells: list[tuple[tuple[int, int, int], str, str]] = [
        ((0, 0, 0), "5", "nothing at all"),
        ((5, 5, 5), "5", "15, and no part above 5"),
        ((5, 0, 10), "4", "15, but one part above 5"),
        ((10, 0, 0), "4", "10, but one part above 5"),
        ((10, 5, 5), "4", "20, and no part above 10"),
        ((0, 0, 20), "1", "20, but one part above 15"),
        ((15, 5, 0), "2", "20, but one part above 10"),
        ((10, 10, 5), "3", "25, and no part above 10"),
        ((10, 10, 10), "3", "30, and no part above 10"),
        ((15, 10, 5), "2", "30, but one part above 10"),
        ((15, 10, 10), "2", "35, and no part above 15"),
        ((15, 15, 10), "2", "40, and no part above 15"),
        ((20, 10, 10), "1", "40, but one part above 15"),
        ((15, 20, 10), "1", "45, and no part above 20"),
        ((20, 20, 10), "1", "50, and no part above 20"),
        ((25, 15, 10), "0", "50, but one part above 20"),
        ((20, 15, 20), "0", "55"),
        ((0, 0, 30), "0", "30, but one part above 20"),
        ((25, 25, 30), "0", "80, the most"),
    ]
    for parts, grade, why in cells:
        theme.add(
            "parts of {}, {} and {}".format(*parts),
            f"{why.capitalize()}.",
            [visit(0, "2024-03-01", parts)],
            day,
            grade=grade,
            target=grade,
            points=sum(parts),
            flags=[],
        )
    theme.add(
        "never inspected",
        "The start, and its flag.",
        [],
        day,
        grade="AWAITING",
        target="AWAITING",
        flags=["awaiting-inspection"],
        points=0,
    )
    theme.add(
        "an inspection that was not of hygiene",
        "It gives no score, and lacks no measure.",
        [fact(0, "inspection/pass", "2024-03-01", code="weights")],
        day,
        grade="AWAITING",
        flags=["awaiting-inspection"],
    )
    theme.follow(
        "inspected twice",
        "The last in effect gives the rating.",
        [visit(0, "2024-03-01", (20, 20, 10)), visit(1, "2024-06-01", (5, 5, 5))],
        {
            "2024-02-29": {"grade": "AWAITING", "since": None},
            "2024-03-01": {"grade": "1", "points": 50, "since": "2024-03-01"},
            "2024-05-31": {"next_change": {"grade": "5", "on": "2024-06-01", "points": 15}},
            "2024-06-01": {
                "grade": "5",
                "held_since": None,
                "promotion_on": None,
                "next_change": None,
                "reasons": [{"leaf_index": 1, "rule": "F01"}],
            },
        },
    )
    theme.add(
        "two on one day",
        "The higher leaf_index is the last.",
        [visit(1, "2024-03-01", (0, 0, 0)), visit(0, "2024-03-01", (20, 20, 10))],
        day,
        grade="5",
    )
    theme.add(
        "stated late",
        "The last in effect, not the last in the log.",
        [visit(0, "2024-03-01", (0, 0, 0)), visit(1, "2024-02-01", (20, 20, 10))],
        day,
        grade="5",
    )
    theme.add(
        "the last one is overturned",
        "The one before counts.",
        [
            visit(0, "2024-02-01", (0, 0, 0)),
            visit(1, "2024-03-01", (20, 20, 10)),
            fact(2, "appeal/overturned", "2024-04-01", refers=1),
        ],
        day,
        grade="5",
    )
    theme.add(
        "an objection and an inconclusive visit",
        "Kinds that are not weighed and outcomes that are silent change nothing.",
        [
            visit(0, "2024-02-01", (0, 0, 0)),
            fact(1, "objection/filed", "2024-03-01", refers=0),
            fact(2, "inspection/inconclusive", "2024-03-02", code="hygiene"),
        ],
        day,
        grade="5",
    )
    lacking = fact(
        1,
        "inspection/pass",
        "2024-03-01",
        code="hygiene",
        measures={"score_hygiene": 5, "score_structural": 5},
    )
    theme.add(
        "a part is missing",
        "All must be there.",
        [visit(0, "2024-02-01", (0, 0, 0)), lacking],
        day,
        refuses=("CREDIT_INCOMPLETE", 1),
    )
    theme.add(
        "no code",
        "The rule asks for the code of inspections.",
        [fact(0, "inspection/pass", "2024-03-01", measures=lacking["measures"])],
        day,
        refuses=("CREDIT_INCOMPLETE", 0),
    )
    theme.add(
        "an outcome that is unknown",
        "It is never skipped.",
        [visit(0, "2024-02-01", (0, 0, 0)), fact(1, "inspection/excused", day, code="hygiene")],
        day,
        refuses=("CREDIT_FACT_UNKNOWN", 1),
    )
    theme.add(
        "on the last of all days",
        "A score has no end.",
        [visit(0, "2024-02-01", (0, 0, 0))],
        "9999-12-31",
        grade="5",
        next_change=None,
    )
    return theme


def inspection_score() -> Theme:
    theme = Theme(
        "latest-score",
        "100 points less 20, 5 and 1 for each critical, major and minor violation of the latest "
        "inspection, not below 0: A from 90, B from 80, C from 70, else F.",
        INSPECTION,
    )

    def scored(leaf: int, on: str, critical: int, major: int, minor: int) -> Json:
        return fact(
            leaf,
            "inspection/fail" if critical else "inspection/pass",
            on,
            measures={
                "violations_critical": critical,
                "violations_major": major,
                "violations_minor": minor,
            },
        )

    for counts, points, grade in [
        ((0, 0, 0), 100, "A"),
        ((0, 2, 0), 90, "A"),
        ((0, 2, 1), 89, "B"),
        ((1, 0, 0), 80, "B"),
        ((1, 0, 1), 79, "C"),
        ((1, 2, 0), 70, "C"),
        ((1, 2, 1), 69, "F"),
        ((5, 0, 0), 0, "F"),
        ((5, 0, 1), 0, "F"),
        ((99, 99, 99), 0, "F"),
    ]:
        theme.add(
            "{} critical, {} major, {} minor violations".format(*counts),
            "Weights are negative, the floor is 0.",
            [scored(0, "2024-03-01", *counts)],
            "2024-03-01",
            points=points,
            grade=grade,
            target=grade,
            flags=[],
            held_since=None,
        )
    theme.add(
        "a score before the day",
        "Awaiting still.",
        [scored(0, "2024-03-01", 0, 0, 0)],
        "2024-02-29",
        grade="AWAITING",
        points=0,
        next_change={"grade": "A", "on": "2024-03-01", "points": 100},
    )
    theme.add(
        "a correction comes first in the history",
        "The start and its flag last until the first inspection, whatever else is known.",
        [fact(0, "correction/withdrawn", "2024-01-01"), scored(1, "2024-03-01", 0, 0, 0)],
        "2024-02-29",
        grade="AWAITING",
        flags=["awaiting-inspection"],
    )
    theme.add(
        "the same score again",
        "Grade and points do not change: since the first.",
        [scored(0, "2024-03-01", 0, 1, 0), scored(1, "2024-06-01", 0, 1, 0)],
        "2024-07-01",
        points=95,
        since="2024-03-01",
        reasons=[{"leaf_index": 1, "rule": "S01"}],
    )
    return theme
