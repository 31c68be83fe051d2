"""`docs/policy-language.md`: the plain program, and the golden vectors that it writes.

Months are held against Civil Code 201 and 202, a score against the published table of the UK Food
Hygiene Rating, the days that the program leaves out against a walk that leaves out none, and the
vectors against what was worked out by hand.
"""

import csv
import hashlib
import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import pytest

from tests.credit import plain_rating
from tests.credit.plain_rating import Json, Refusal, Subject, last
from tests.vectors.credit import generate
from tests.vectors.credit.stories import Theme

FULL = "xinyuan-export-credit-1.0.0.json"
CORE = "xinyuan-export-credit-core-1.0.0.json"
HYGIENE = "uk-food-hygiene-rating-1.0.0.json"


def published(name: str) -> Json:
    return cast("Json", json.loads((generate.POLICIES / name).read_bytes()))


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        pytest.param("2021-03-15", 1, "2021-04-15", id="the same day of the month"),
        pytest.param("2021-03-15", 0, "2021-03-15", id="no month"),
        pytest.param("2021-01-31", 1, "2021-02-28", id="a missing day is the month's last"),
        pytest.param("2020-01-31", 1, "2020-02-29", id="in a leap year"),
        pytest.param("2020-02-29", 12, "2021-02-28", id="29 February and a year"),
        pytest.param("2020-02-29", 24, "2022-02-28", id="29 February and two years"),
        pytest.param("2020-02-29", 36, "2023-02-28", id="29 February and three years"),
        pytest.param("2020-02-29", 48, "2024-02-29", id="29 February and four years"),
        pytest.param("2019-02-28", 12, "2020-02-28", id="no leap to the month's last day"),
        pytest.param("2021-12-31", 2, "2022-02-28", id="over the end of a year"),
        pytest.param("2021-05-31", 1, "2021-06-30", id="30 days"),
        pytest.param("2099-11-30", 3, "2100-02-28", id="2100 is no leap year"),
        pytest.param("1999-11-30", 3, "2000-02-29", id="2000 is one"),
        pytest.param("9999-12-01", 1, "9999-12-31", id="the last of all days"),
        pytest.param("9990-01-01", 1200, "9999-12-31", id="long after the last of all days"),
    ],
)
def test_a_period_of_months_ends_as_the_civil_code_says(start: str, months: int, end: str) -> None:
    assert last(date.fromisoformat(start), months).isoformat() == end


def test_the_food_hygiene_rating_gives_180_of_180(shared_data: Callable[[str], Path]) -> None:
    policy = published(HYGIENE)
    with shared_data("cases/fhrs_mapping_180.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    agreed = 0
    for row in rows:
        measures = {
            f"score_{name}": int(row[name]) for name in ("hygiene", "structural", "confidence")
        }
        visit = {
            "leaf_index": 0,
            "kind": "inspection",
            "outcome": "pass",
            "code": "hygiene",
            "decided_on": "2024-03-01",
            "measures": measures,
        }
        rating = plain_rating.rate(policy, [visit], "2024-03-01", 1)
        agreed += (rating["grade"], rating["points"]) == (row["rating"], int(row["total"]))
    assert (agreed, len(rows)) == (180, 180)


def test_the_vectors_are_what_the_builders_write() -> None:
    there = {path.name: path.read_text("utf-8") for path in generate.FOLDER.glob("*.json")}
    assert there == generate.vectors()


@pytest.mark.parametrize("theme", generate.THEMES, ids=lambda theme: theme.name)
def test_hand_and_program_agree_on_every_case(theme: Theme) -> None:
    policy = generate.policy_of(theme)
    for case in theme.cases:
        generate.expected(policy, case)


def test_there_are_many_cases_and_hand_work_in_most() -> None:
    cases = [case for theme in generate.THEMES for case in theme.cases]
    by_hand = [case for case in cases if case.hand or case.refuses]
    assert len(cases) >= 300
    assert len(by_hand) >= 300


@pytest.mark.parametrize("theme", generate.THEMES, ids=lambda theme: theme.name)
def test_a_vector_stands_alone(theme: Theme) -> None:
    vector = json.loads((generate.FOLDER / f"{theme.name}.json").read_text("utf-8"))
    policy = vector["policy"]
    if "file" in policy:
        raw = (generate.POLICIES / policy["file"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == policy["sha256"]
        policy = json.loads(raw)
    for case in vector["cases"]:
        try:
            rating = plain_rating.rate(policy, case["facts"], case["as_of"], case["tree_size"])
        except Refusal as refused:
            told = {"code": refused.code, "leaf_index": refused.leaf_index}
            assert (told, None) == (case["refusal"], case["rating"])
        else:
            digest = hashlib.sha256(plain_rating.canonical(rating)).hexdigest()
            assert (rating, digest) == (case["rating"], case["canonical_sha256"])


def invented(chance: random.Random, count: int) -> list[Json]:
    """Facts that fit the published policies: many rules meet, on few days."""
    outcomes = [
        ("inspection", "fail", ["label", "hygiene", "safety"]),
        ("inspection", "pass", ["quality"]),
        ("inspection", "pass", ["quality"]),
        ("enforcement", "confiscation", ["smuggling", "hygiene"]),
        ("enforcement", "suspension", ["hygiene"]),
        ("enforcement", "warning", ["label"]),
        ("ip-case", "confirmed", ["counterfeit-goods"]),
        ("fraud-case", "suspected", ["other"]),
        ("fraud-case", "dismissed", ["other"]),
        ("certificate", "granted", ["customs-advanced", "traceability"]),
        ("certificate", "suspended", ["customs-advanced", "traceability"]),
        ("list-entry", "entered", ["serious-dishonesty", "honour"]),
        ("list-entry", "left", ["serious-dishonesty", "honour"]),
        ("effect", "begun", ["inheritance", "joint-liability"]),
        ("declaration-error", "self-disclosed", ["value"]),
        ("rectification", "ordered", ["payment"]),
        ("rectification", "in-time", ["payment"]),
        ("rectification", "late", ["payment"]),
        ("repair", "granted", ["repair"]),
        ("objection", "filed", ["objection"]),
        ("objection", "rejected", ["objection"]),
        ("objection", "upheld", ["objection"]),
        ("appeal", "overturned", ["appeal"]),
        ("correction", "withdrawn", ["slip"]),
    ]
    facts = []
    for leaf_index in range(count):
        kind, outcome, codes = chance.choice(outcomes)
        decided = date(2020, 1, 29) + timedelta(days=chance.randrange(900))
        effective = decided + timedelta(days=chance.choice([0, 0, 0, 5, 40, 400, -10]))
        facts.append(
            {
                "leaf_index": leaf_index,
                "kind": kind,
                "outcome": outcome,
                "code": chance.choice(codes),
                "severity": chance.choice(["minor", "general", "serious"]),
                "decided_on": decided.isoformat(),
                "effective_on": effective.isoformat(),
                "case": chance.choice([None, None, "c-1", "c-2"]),
                "refers": chance.randrange(leaf_index) if leaf_index else None,
            }
        )
    return facts


def days_of(chance: random.Random, count: int) -> list[date]:
    return [date(2019, 12, 1) + timedelta(days=chance.randrange(3000)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(12))
def test_the_days_that_are_left_out_change_nothing(seed: int) -> None:
    """With every day walked, every rating is the same."""
    chance = random.Random(seed)
    policy = published(FULL if seed % 2 else CORE)
    facts = invented(chance, 4 + 2 * seed)
    leaping = Subject(policy, facts, len(facts))
    walking = Subject(policy, facts, len(facts), every_day=True)
    for day in days_of(chance, 100):
        assert leaping.rating(day) == walking.rating(day), f"seed {seed}, {day}"


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_facts_and_nothing_later_changes_a_rating(seed: int) -> None:
    chance = random.Random(seed)
    policy = published(FULL if seed % 2 else CORE)
    facts = invented(chance, 20)
    known = facts[: chance.randrange(1, 20)]
    before = Subject(policy, known, len(known))
    chance.shuffle(facts)
    after = Subject(policy, facts, len(known))
    for day in days_of(chance, 20):
        assert before.rating(day) == after.rating(day), f"seed {seed}, {day}"
