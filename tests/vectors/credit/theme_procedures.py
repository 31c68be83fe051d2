"""Vectors of what happens to facts: repair, overturning, corrections, and marks of what is open."""

from __future__ import annotations

from tests.vectors.credit.small_policies import small
from tests.vectors.credit.stories import Json, Theme, fact
from tests.vectors.credit.theme_sums import CORE, failed, passed


def themes() -> list[Theme]:
    return [repair_and_overturn(), procedures(), marks(), quiet_marks()]


def repair_and_overturn() -> Theme:
    theme = Theme(
        "repair-and-overturn",
        "One serious failed inspection, repaired, overturned, and both: in both orders of the log, "
        "in every order of days, at every tree size. Repair works from its day; overturning works "
        "on every day once it is known, whenever it takes effect.",
        CORE,
    )
    first, second = "2021-04-10", "2021-05-10"
    serious = failed(0, "2021-02-01", "serious", "safety")

    def repaired(leaf: int, on: str) -> Json:
        return fact(leaf, "repair/granted", on, refers=0)

    def overturned(leaf: int, on: str) -> Json:
        return fact(leaf, "appeal/overturned", on, refers=0)

    for day in ("2021-01-31", "2021-02-01", second):
        begun = day >= "2021-02-01"
        theme.add(
            f"neither; on {day}",
            "What is repaired and overturned below begins as this.",
            [serious],
            day,
            points=600 if begun else 0,
            flags=[] if begun else ["new"],
        )
    for name, repaired_on, overturned_on in [
        ("repaired first", first, second),
        ("overturned first", second, first),
        ("both on one day", first, first),
    ]:
        for log, facts in [
            ("repair first", [serious, repaired(1, repaired_on), overturned(2, overturned_on)]),
            (
                "overturning first",
                [serious, overturned(1, overturned_on), repaired(2, repaired_on)],
            ),
        ]:
            for tree_size in (1, 2, 3):
                for day in ("2021-04-09", first, second):
                    known = facts[1:tree_size]
                    is_overturned = any(one["kind"] == "appeal" for one in known)
                    is_repaired = any(one["kind"] == "repair" for one in known)
                    gone = is_overturned or (is_repaired and repaired_on <= day)
                    theme.add(
                        f"{name}, in the log {log}; tree size {tree_size}, on {day}",
                        "What the log did not know yet leaves the old answer as it was.",
                        facts,
                        day,
                        tree_size=tree_size,
                        points=0 if gone else 600,
                    )
    return theme


def procedures() -> Theme:
    theme = Theme(
        "procedures",
        "Targets through what is filed and applied for; annulled annulments; corrections of "
        "corrections; what a repair leaves as it was; the grade held after both.",
        CORE,
    )
    serious = failed(0, "2021-02-01", "serious", "safety")
    day = "2021-08-01"

    def stated(leaf: int, what: str, refers: int | None, on: str = "2021-03-01") -> Json:
        return fact(leaf, what, on, refers=refers)

    chain = [
        serious,
        stated(1, "objection/filed", 0),
        stated(2, "objection/upheld", 1, "2021-04-01"),
        stated(3, "appeal/filed", 2, "2021-05-01"),
        stated(4, "appeal/overturned", 3, "2021-06-01"),
        stated(5, "correction/withdrawn", 4, "2021-07-01"),
        stated(6, "correction/withdrawn", 5, "2021-07-02"),
    ]
    chain_points = {
        1: (600, "only the inspection"),
        2: (600, "an objection lowers no weight"),
        3: (0, "the objection is upheld: through its filing it annuls the inspection"),
        4: (0, "an appeal against the upheld objection is filed"),
        5: (600, "it overturns the upheld objection: the inspection is back"),
        6: (0, "the overturning was a slip and is withdrawn: the objection is upheld again"),
        7: (600, "the withdrawal was a slip: the overturning stands"),
    }
    for tree_size, (points, why) in chain_points.items():
        theme.add(
            f"a chain of procedures at tree size {tree_size}",
            f"From the highest leaf_index down; {why}.",
            chain,
            day,
            tree_size=tree_size,
            points=points,
        )
    slips = [serious, *(stated(leaf, "correction/withdrawn", leaf - 1) for leaf in (1, 2, 3))]
    for tree_size, points in [(2, 0), (3, 600), (4, 0)]:
        theme.add(
            f"a correction of a correction, {tree_size - 1} in all",
            "What is annulled annuls nothing.",
            slips,
            day,
            tree_size=tree_size,
            points=points,
        )
    filed = stated(1, "objection/filed", 0)
    mistaken = stated(2, "correction/withdrawn", 1, "2021-04-01")
    theme.add(
        "the filing of an objection is withdrawn as a slip",
        "A correction is direct: it takes the filing away, and not what was objected to.",
        [serious, filed, mistaken],
        day,
        points=600,
        frozen=False,
    )
    theme.add(
        "an objection is upheld whose filing was withdrawn as a slip",
        "The filing was there when the upholding was read from the highest leaf_index down.",
        [serious, filed, mistaken, stated(3, "objection/upheld", 1, "2021-05-01")],
        day,
        points=0,
    )
    single: list[tuple[str, str, list[Json], int]] = [
        (
            "an appeal against a rejected objection",
            "Through the appeal, the rejection and the objection to the inspection.",
            [
                stated(1, "objection/filed", 0),
                stated(2, "objection/rejected", 1),
                stated(3, "appeal/filed", 2),
                stated(4, "appeal/overturned", 3),
            ],
            0,
        ),
        (
            "an appeal that is upheld",
            "The decision stays.",
            [stated(1, "appeal/filed", 0), stated(2, "appeal/upheld", 1)],
            600,
        ),
        (
            "a decision that is varied",
            "The old one is gone, the new one is a fact of its own.",
            [
                stated(1, "appeal/varied", 0),
                failed(2, "2021-03-01", "general", "safety", effective_on="2021-02-01"),
            ],
            300,
        ),
        (
            "an upheld objection without a reference",
            "A fact without a reference has no target.",
            [stated(1, "objection/upheld", None)],
            600,
        ),
        (
            "an upheld objection to a fact that does not exist",
            "Nothing is annulled.",
            [stated(1, "objection/upheld", 77)],
            600,
        ),
        (
            "an upheld objection to what the log learns later",
            "A higher leaf_index is not there: nothing is annulled.",
            [
                stated(1, "objection/upheld", 2),
                failed(2, "2021-03-01", "general", "safety"),
            ],
            900,
        ),
        (
            "an upheld objection that refers to itself",
            "Its own leaf_index is not there: it is not annulled, and annuls nothing.",
            [stated(1, "objection/upheld", 1)],
            600,
        ),
        (
            "an objection that is upheld and was filed against itself",
            "Through the filing the way leads nowhere: there is no target.",
            [stated(1, "objection/filed", 1), stated(2, "objection/upheld", 1)],
            600,
        ),
        (
            "two filings that refer to each other",
            "Only the later one refers to what is there, and the way through both ends nowhere.",
            [
                stated(1, "objection/filed", 2),
                stated(2, "appeal/filed", 1),
                stated(3, "objection/upheld", 2),
            ],
            600,
        ),
        (
            "a repair that was applied for and granted",
            "Through the application.",
            [stated(1, "repair/applied", 0), stated(2, "repair/granted", 1)],
            0,
        ),
        (
            "a repair through notice, refusal and a second application",
            "However long the way is.",
            [
                stated(1, "repair/notified", 0),
                stated(2, "repair/applied", 1),
                stated(3, "repair/refused", 2),
                stated(4, "repair/applied", 3),
                stated(5, "repair/granted", 4),
            ],
            0,
        ),
        (
            "a repair that is refused",
            "Nothing changes.",
            [stated(1, "repair/applied", 0), stated(2, "repair/refused", 1)],
            600,
        ),
        (
            "a repair that is withdrawn",
            "What is annulled was never stated: the weight is back on every day.",
            [stated(1, "repair/granted", 0), stated(2, "correction/withdrawn", 1)],
            600,
        ),
        (
            "an overturning that takes effect in the future",
            "That it is known is enough.",
            [stated(1, "appeal/overturned", 0, "2030-01-01")],
            0,
        ),
        (
            "a repair that takes effect in the future",
            "Until then the weight stays, and its end is known.",
            [stated(1, "repair/granted", 0, "2030-01-01")],
            600,
        ),
        (
            "two annulments of one fact, one of them annulled",
            "The other one is enough.",
            [
                stated(1, "correction/withdrawn", 0),
                stated(2, "appeal/overturned", 0),
                stated(3, "correction/withdrawn", 2),
            ],
            0,
        ),
    ]
    for name, why, facts, points in single:
        theme.add(name, why, [serious, *facts], day, points=points)
    theme.follow(
        "two repairs of one fact",
        "The first day counts, whatever the leaf_index.",
        [
            serious,
            stated(1, "repair/granted", 0, "2021-06-01"),
            stated(2, "repair/granted", 0, "2021-05-01"),
        ],
        {
            "2021-04-30": {"points": 600, "reasons": [{"ends_on": "2021-04-30"}]},
            "2021-05-01": {"points": 0},
        },
    )
    theme.add(
        "repaired on the day of effect",
        "It never weighs.",
        [serious, stated(1, "repair/granted", 0, "2021-02-01")],
        "2021-02-01",
        points=0,
        reasons=[],
        held_since="2021-02-01",
    )
    theme.add(
        "repaired before it takes effect",
        "From that first day on, so on every day.",
        [serious, stated(1, "repair/granted", 0, "2021-01-01")],
        "2021-02-01",
        points=0,
        held_since="2021-01-01",
    )
    theme.add(
        "a passed inspection is withdrawn",
        "Four are left in the run.",
        [
            fact(0, "enforcement/confiscation", "2021-01-10", severity="general", code="hygiene"),
            *[passed(10 + i, "2021-02-01") for i in range(5)],
            stated(20, "correction/withdrawn", 12),
        ],
        day,
        points=600,
        lowered=0,
    )
    revoked = fact(
        0, "enforcement/licence-revoked", "2021-02-01", severity="serious", code="hygiene"
    )
    theme.follow(
        "the grade after a repair",
        "D was held and is left by steps: a repair does not change history.",
        [revoked, stated(1, "repair/granted", 0, "2021-06-01")],
        {
            "2021-05-31": {"grade": "D", "points": 3600},
            "2021-06-01": {"grade": "D", "target": "A", "points": 0, "since": "2021-06-01"},
            "2021-10-01": {"grade": "D", "promotion_on": "2022-10-01"},
            "2022-10-01": {"grade": "C"},
            "2023-10-01": {"grade": "B"},
            "2024-10-01": {"grade": "A", "next_change": None},
        },
    )
    theme.follow(
        "the grade after an overturning",
        "D was never held: history is restated, and begins with the appeal.",
        [revoked, stated(1, "appeal/overturned", 0, "2021-06-01")],
        {
            "2021-05-31": {"grade": "B", "points": 0, "flags": ["new"]},
            "2021-06-01": {"grade": "B", "target": "A", "held_since": "2021-06-01"},
            "2022-10-01": {"grade": "A"},
        },
    )
    theme.add(
        "the grade before the overturning was known",
        "The old tree size gives the old bytes.",
        [revoked, stated(1, "appeal/overturned", 0, "2021-06-01")],
        "2021-06-01",
        tree_size=1,
        grade="D",
        points=3600,
    )
    return theme


def filed(leaf: int, on: str, refers: int, what: str = "objection") -> Json:
    return fact(leaf, f"{what}/filed", on, refers=refers)


def marks() -> Theme:
    theme = Theme(
        "marks",
        "What is open: objections and appeals mark and freeze, a suspected case does by its case; "
        "weights stay as they are.",
        CORE,
    )
    base = failed(0, "2021-02-01", "general", "hygiene")
    other = failed(1, "2021-02-01", "general", "safety")
    is_open: Json = {"flags": ["disputed"], "frozen": True, "points": 600}
    is_shut: Json = {"flags": [], "frozen": False, "points": 600}
    for kind, outcomes in [("objection", ("rejected", "withdrawn")), ("appeal", ("upheld",))]:
        for outcome in outcomes:
            theme.follow(
                f"{kind} filed and {outcome}",
                "Open up to the day before the answer takes effect.",
                [
                    base,
                    other,
                    filed(2, "2021-03-01", 0, kind),
                    fact(3, f"{kind}/{outcome}", "2021-03-20", refers=2),
                ],
                {
                    "2021-02-28": is_shut,
                    "2021-03-01": is_open,
                    "2021-03-19": is_open,
                    "2021-03-20": is_shut,
                },
            )
    theme.add(
        "answered by reference to the same fact",
        "Both refer to the same fact.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            fact(3, "objection/rejected", "2021-03-20", refers=0),
        ],
        "2021-03-20",
        **is_shut,
    )
    theme.add(
        "an answer about another fact",
        "It closes nothing here.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            fact(3, "objection/rejected", "2021-03-20", refers=1),
        ],
        "2021-03-20",
        **is_open,
    )
    theme.add(
        "an answer of another procedure",
        "An appeal does not close an objection.",
        [base, other, filed(2, "2021-03-01", 0), fact(3, "appeal/upheld", "2021-03-20", refers=2)],
        "2021-03-20",
        **is_open,
    )
    theme.add(
        "answered on the day of filing",
        "Open up to the day before: on no day.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            fact(3, "objection/rejected", "2021-03-01", refers=2),
        ],
        "2021-03-01",
        **is_shut,
    )
    theme.add(
        "an answer that takes effect before the filing",
        "It has taken effect by then: on no day.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            fact(3, "objection/rejected", "2021-02-20", refers=2),
        ],
        "2021-03-01",
        **is_shut,
    )
    theme.add(
        "an answer with a lower leaf_index",
        "It cannot be the answer to what was filed after it.",
        [
            base,
            other,
            fact(2, "objection/rejected", "2021-03-20", refers=0),
            filed(3, "2021-03-01", 0),
        ],
        "2021-03-20",
        **is_open,
    )
    theme.add(
        "an objection without a reference, withdrawn as a slip",
        "What passes a reference on and has none is itself the target.",
        [
            base,
            other,
            fact(2, "objection/filed", "2021-03-01"),
            fact(3, "correction/withdrawn", "2021-03-20", refers=2),
        ],
        "2021-03-10",
        **is_shut,
    )
    theme.add(
        "an objection without a reference",
        "It is open, and nothing answers it.",
        [
            base,
            other,
            fact(2, "objection/filed", "2021-03-01"),
            fact(3, "objection/rejected", "2021-03-20"),
        ],
        "2021-03-20",
        **is_open,
    )
    theme.follow(
        "two objections, one answered",
        "The other one stays open.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            filed(3, "2021-03-05", 1),
            fact(4, "objection/rejected", "2021-03-20", refers=2),
            fact(5, "objection/rejected", "2021-04-20", refers=3),
        ],
        {"2021-03-20": is_open, "2021-04-19": is_open, "2021-04-20": is_shut},
    )
    theme.follow(
        "two objections to one fact, one answer by the fact",
        "It refers to what both refer to.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            filed(3, "2021-03-05", 0),
            fact(4, "objection/rejected", "2021-03-20", refers=0),
        ],
        {"2021-03-19": is_open, "2021-03-20": is_shut},
    )
    theme.follow(
        "an objection that is upheld",
        "The fact is gone on every day; the mark was open until the answer.",
        [
            base,
            other,
            filed(2, "2021-03-01", 0),
            fact(3, "objection/upheld", "2021-03-20", refers=2),
        ],
        {
            "2021-03-01": {"flags": ["disputed"], "frozen": True, "points": 300},
            "2021-03-20": {"flags": [], "frozen": False, "points": 300},
        },
    )
    theme.follow(
        "frozen on the cycle day",
        "Nothing is promoted on it; the next one is a year later.",
        [base, filed(2, "2022-09-01", 0), fact(3, "objection/rejected", "2022-10-02", refers=2)],
        {
            "2022-09-30": {"grade": "B", "target": "A", "frozen": True, "promotion_on": None},
            "2022-10-01": {"grade": "B", "frozen": True, "promotion_on": None},
            "2022-10-02": {"grade": "B", "frozen": False, "promotion_on": "2023-10-01"},
            "2023-10-01": {"grade": "A"},
        },
    )
    theme.follow(
        "free on the cycle day",
        "Answered on that very day.",
        [base, filed(2, "2022-09-01", 0), fact(3, "objection/rejected", "2022-10-01", refers=2)],
        {"2022-09-30": {"grade": "B", "frozen": True}, "2022-10-01": {"grade": "A"}},
    )
    theme.add(
        "frozen, and worse on that day",
        "A mark freezes only what rises.",
        [
            base,
            filed(2, "2021-03-01", 0),
            fact(
                3, "enforcement/licence-revoked", "2021-03-10", severity="serious", code="hygiene"
            ),
        ],
        "2021-03-10",
        grade="D",
        frozen=True,
    )

    def case(leaf: int, outcome: str, on: str, name: str | None = "f-1", **more: object) -> Json:
        return fact(leaf, f"fraud-case/{outcome}", on, code="other", case=name, **more)

    suspected = case(1, "suspected", "2021-03-01")
    watched: Json = {"flags": ["watch"], "frozen": True, "points": 300}
    free: Json = {"flags": [], "frozen": False, "points": 300}
    theme.follow(
        "suspected and dismissed",
        "A suspicion never weighs; it is watched until it is decided.",
        [base, suspected, case(2, "dismissed", "2021-06-01")],
        {"2021-03-01": watched, "2021-05-31": watched, "2021-06-01": free},
    )
    theme.follow(
        "suspected and confirmed",
        "From the decision it weighs.",
        [base, suspected, case(2, "confirmed", "2021-06-01", severity="general")],
        {"2021-05-31": watched, "2021-06-01": {"flags": [], "frozen": False, "points": 700}},
    )
    theme.add(
        "another case is dismissed",
        "Only the same case closes.",
        [base, suspected, case(2, "dismissed", "2021-06-01", "f-2")],
        "2021-06-01",
        **watched,
    )
    theme.add(
        "a suspicion without a case",
        "Nothing could ever close it, so it opens nothing.",
        [base, case(1, "suspected", "2021-03-01", None), case(2, "dismissed", "2021-06-01", None)],
        "2021-05-01",
        **free,
    )
    theme.add(
        "a suspicion in the case of another kind",
        "The case is what joins.",
        [base, suspected, fact(2, "ip-case/dismissed", "2021-06-01", code="other", case="f-1")],
        "2021-06-01",
        **free,
    )
    theme.add(
        "a suspicion, and nothing else is known",
        "What is silent begins no history: the start and its flag, with the mark.",
        [suspected],
        "2021-04-01",
        flags=["new", "watch"],
        frozen=True,
        grade="B",
        target="B",
        held_since=None,
        since="2021-03-01",
    )
    return theme


def quiet_marks() -> Theme:
    theme = Theme(
        "quiet-marks",
        "Marks that a policy may make otherwise: K01 freezes without a flag while an appeal is "
        "open; K02 flags without freezing while a case of fraud is suspected.",
        small(
            "quiet-marks",
            marks=[
                {
                    "closed_by": [{"kind": "appeal", "outcome": ["overturned", "upheld"]}],
                    "flag": None,
                    "freezes": True,
                    "id": "K01",
                    "joined": "refers",
                    "opened_by": [{"kind": "appeal", "outcome": ["filed"]}],
                },
                {
                    "closed_by": [{"kind": "fraud-case", "outcome": ["confirmed", "dismissed"]}],
                    "flag": "suspected",
                    "freezes": False,
                    "id": "K02",
                    "joined": "case",
                    "opened_by": [{"kind": "fraud-case", "outcome": ["suspected"]}],
                },
            ],
        ),
    )
    base = fact(0, "inspection/fail", "2021-02-01", severity="general")
    theme.follow(
        "frozen without a flag",
        "No promotion on the cycle day, and no flag that says so.",
        [base, filed(1, "2022-09-01", 0, "appeal")],
        {
            "2022-10-01": {"grade": "B", "target": "A", "flags": [], "frozen": True},
            "2023-10-01": {"grade": "B", "promotion_on": None, "next_change": None},
        },
    )
    theme.follow(
        "flagged and not frozen",
        "It rises on the cycle day all the same.",
        [base, fact(1, "fraud-case/suspected", "2022-09-01", case="f-1")],
        {
            "2022-09-01": {"grade": "B", "flags": ["suspected"], "frozen": False},
            "2022-09-30": {"promotion_on": "2022-10-01"},
            "2022-10-01": {"grade": "A", "flags": ["suspected"]},
        },
    )
    return theme
