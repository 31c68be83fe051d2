"""Credit in the graph under xinyuan-export-credit 1.0.0: explanation, supposition, both clocks."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.founding import adopt_policy
from api.schema.credit import HYPOTHESES_MAX, REMOVED_MAX
from ledger.statement import Severity, Weighing, refers_to
from tests.api.doors import POLICY, Doors, fine, suspicion
from tests.world import DAIRY, MARKET, TRADER, rows_of_all_tables

FULL = Path(POLICY).with_name("xinyuan-export-credit-1.0.0.json")

RATING = """
query Rating($id: String!, $asOf: Day, $knownAt: KnownAt) {
  enterprise(id: $id, asOf: $asOf, knownAt: $knownAt) { ... on Enterprise { rating {
    ... on CreditRating {
      grade points target heldSince promotionOn isFrozen flags lowered merits { rule points }
      reasons { leafIndex rule points pointsFull decayPermille relief cap endsOn }
      history(first: 100) { on grade points target flags }
      nextChange { on grade points } policy { version }
    } ... on Refusal { code path } } } } }
"""

SUPPOSED = """
query Supposed($id: String!, $add: [HypotheticalFact!], $remove: [Natural!]) {
  enterprise(id: $id) { ... on Enterprise { rating { ... on CreditRating {
    whatIf(add: $add, remove: $remove) {
      ... on SupposedRating {
        grade points target flags reasons { leafIndex points } nextChange { on } }
      ... on Refusal { code path } } } } } } }
"""

REACHED = """
query Reached($id: String!, $grade: String!) {
  enterprise(id: $id) { ... on Enterprise { rating { ... on CreditRating {
    toReach(grade: $grade) { without on } } } } } }
"""


async def rated(doors: Doors, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    tier = options.pop("tier", "authority")
    data = await doors.ask(RATING, {"id": DAIRY.identifier, **options}, tier=tier)
    rating = data["enterprise"]["rating"]
    assert isinstance(rating, dict)
    return rating


@pytest.fixture
async def full(doors: Doors) -> Doors:
    """A filed dairy under the full policy, and an authority that may state every kind."""
    await doors.file(DAIRY)
    await doors.widen()
    await adopt_policy(doors.service, FULL.read_bytes())
    await doors.service.followed(doors.service.writer.tree_size)
    return doors


def about(what: str, day: date, refers: str | None = None, code: str = "facts") -> Weighing:
    kind, outcome = what.split("/")
    return Weighing(
        kind=kind,
        code=code,
        outcome=outcome,
        decided_on=day,
        refers=None if refers is None else refers_to(MARKET.label(), refers),
    )


async def test_a_rating_says_what_it_is_made_of_and_how_it_goes_on(full: Doors) -> None:
    (one,) = await full.state(full.draft(fine(), jti="fine"))
    rating = await rated(full)
    assert (rating["grade"], rating["points"], rating["target"]) == ("C", 1200, "C")
    assert (rating["heldSince"], rating["promotionOn"]) == ("2026-02-01", None)
    assert rating["flags"] == ["watch"]
    assert rating["reasons"] == [
        {
            "leafIndex": one.leaf_index,
            "rule": "P18",
            "points": 1200,
            "pointsFull": 1200,
            "decayPermille": 1000,
            "relief": None,
            "cap": None,
            "endsOn": "2027-02-01",
        }
    ]
    assert [(state["on"], state["grade"]) for state in rating["history"]] == [
        ("0001-01-01", "B"),
        ("2026-02-01", "C"),
        ("2026-03-02", "C"),
        ("2027-02-02", "C"),
        ("2027-10-01", "B"),
    ]
    assert rating["policy"] == {"version": "1.0.0"}


async def test_what_was_overturned_was_never_so_and_the_old_answer_stays(full: Doors) -> None:
    await full.state(full.draft(fine(), jti="fine"))
    size = full.service.writer.tree_size
    appealed = full.draft(about("appeal/filed", date(2026, 2, 10), "fine", "litigation"), jti="app")
    await full.state(appealed)
    open_ = await rated(full)
    assert (open_["grade"], open_["isFrozen"], open_["flags"]) == ("C", True, ["disputed", "watch"])
    overturned = about("appeal/overturned", date(2026, 2, 20), "app", "litigation")
    await full.state(full.draft(overturned))
    now = await rated(full)
    assert (now["grade"], now["points"], now["isFrozen"]) == ("B", 0, False)
    in_between = await rated(full, asOf="2026-02-15")
    assert (in_between["grade"], in_between["points"]) == ("B", 0)
    before = await rated(full, asOf="2026-02-15", knownAt={"treeSize": size})
    assert (before["grade"], before["points"]) == ("C", 1200)


async def test_a_repair_counts_from_its_day(full: Doors) -> None:
    await full.state(full.draft(fine(), jti="fine"))
    granted = about("repair/granted", date(2026, 2, 20), "fine", "penalty")
    await full.state(full.draft(granted))
    assert (await rated(full, asOf="2026-02-19"))["points"] == 1200
    now = await rated(full)
    assert (now["points"], now["grade"], now["target"]) == (0, "C", "B")
    assert now["promotionOn"] == "2027-10-01"


async def test_a_supposition_is_rated_and_leaves_no_trace(full: Doors) -> None:
    (one,) = await full.state(full.draft(fine()))
    before = await rows_of_all_tables(full.service.database)
    add = [
        {
            "kind": "fraud-case",
            "code": "forged-certificate",
            "outcome": "confirmed",
            "severity": "SERIOUS",
            "decidedOn": "2026-02-28",
        }
    ]
    asked: dict[str, Any] = {"id": DAIRY.identifier, "add": add}
    worse = (await full.ask(SUPPOSED, asked, tier="authority"))["enterprise"]["rating"]["whatIf"]
    assert (worse["grade"], worse["points"]) == ("D", 3000)
    size = full.service.writer.tree_size
    assert [reason["leafIndex"] for reason in worse["reasons"]] == [size, size, one.leaf_index]
    asked = {"id": DAIRY.identifier, "remove": [one.leaf_index]}
    better = (await full.ask(SUPPOSED, asked, tier="authority"))["enterprise"]["rating"]["whatIf"]
    assert (better["grade"], better["points"], better["flags"]) == ("B", 0, ["new"])
    granted = {
        "kind": "repair",
        "code": "penalty",
        "outcome": "granted",
        "decidedOn": "2026-03-01",
        "refersTo": one.leaf_index,
    }
    asked = {"id": DAIRY.identifier, "add": [granted]}
    repaired = (await full.ask(SUPPOSED, asked, tier="authority"))["enterprise"]["rating"]
    assert repaired["whatIf"]["points"] == 0
    assert await rows_of_all_tables(full.service.database) == before


async def test_what_is_supposed_shows_nothing_that_the_log_has_in_its_place(full: Doors) -> None:
    size = full.service.writer.tree_size
    await full.state(full.draft(suspicion(), about=TRADER, particulars={"text": "at dawn"}))
    query = """
    query($id: String!, $knownAt: KnownAt, $add: [HypotheticalFact!]) {
      enterprise(id: $id, knownAt: $knownAt) { ... on Enterprise { rating { ... on CreditRating {
        whatIf(add: $add) { ... on SupposedRating {
          reasons { leafIndex statement { text } } } } } } } } }
    """
    warning = {
        "kind": "inspection",
        "code": "label",
        "outcome": "fail",
        "severity": "MINOR",
        "decidedOn": "2026-02-20",
    }
    asked: dict[str, Any] = {
        "id": DAIRY.identifier,
        "knownAt": {"treeSize": size},
        "add": [warning],
    }
    for tier in ("enterprise", "authority"):
        data = await full.ask(query, asked, tier=tier)
        assert data["enterprise"]["rating"]["whatIf"]["reasons"] == [
            {"leafIndex": size, "statement": None}
        ]


@pytest.mark.parametrize(
    ("asked", "code", "path"),
    [
        pytest.param(
            {"remove": [0]}, "QUERY_HYPOTHESIS_INVALID", ["remove", 0], id="not this firm's"
        ),
        pytest.param(
            {"remove": [*range(REMOVED_MAX + 1)]},
            "QUERY_HYPOTHESIS_INVALID",
            ["remove"],
            id="too many left out",
        ),
        pytest.param(
            {
                "add": [{"kind": "repair", "outcome": "granted", "decidedOn": "2026-03-01"}]
                * (HYPOTHESES_MAX + 1)
            },
            "QUERY_HYPOTHESIS_INVALID",
            ["add"],
            id="too many added",
        ),
        pytest.param(
            {
                "add": [
                    {
                        "kind": "repair",
                        "outcome": "granted",
                        "decidedOn": "2026-03-01",
                        "refersTo": 0,
                    }
                ]
            },
            "QUERY_HYPOTHESIS_INVALID",
            ["add", 0, "refersTo"],
            id="about nothing of this firm",
        ),
        pytest.param(
            {"add": [{"kind": "reprieve", "outcome": "granted", "decidedOn": "2026-03-01"}]},
            "CREDIT_FACT_UNKNOWN",
            None,
            id="a kind that the policy does not list",
        ),
    ],
)
async def test_a_supposition_outside_its_form_is_refused(
    full: Doors, asked: dict[str, Any], code: str, path: list[Any] | None
) -> None:
    asked = {"id": DAIRY.identifier, **asked}
    answer = (await full.ask(SUPPOSED, asked, tier="authority"))["enterprise"]["rating"]["whatIf"]
    assert answer["code"] == code
    assert path is None or answer["path"] == path


async def test_what_would_lead_to_a_grade_is_said(full: Doors) -> None:
    acknowledged = await full.state(full.draft(fine()), full.draft(fine(severity=Severity.SERIOUS)))
    asked = {"id": DAIRY.identifier, "grade": "B"}
    reached = (await full.ask(REACHED, asked, tier="enterprise"))["enterprise"]["rating"]["toReach"]
    assert reached["without"] == [one.leaf_index for one in acknowledged]
    # From 2 February 2027 on the serious one weighs 600 alone; the next day of the cycle is it.
    assert reached["on"] == "2027-10-01"


async def test_a_grade_that_the_policy_has_not_is_refused(full: Doors) -> None:
    answer = await full.post(REACHED, {"id": DAIRY.identifier, "grade": "Z"}, tier="authority")
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_HYPOTHESIS_INVALID"


@pytest.mark.parametrize("tier", ["public", "bank"])
async def test_suppositions_are_for_those_whom_it_concerns(full: Doors, tier: str) -> None:
    answer = await full.post(REACHED, {"id": DAIRY.identifier, "grade": "B"}, tier=tier)
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_MALFORMED"
