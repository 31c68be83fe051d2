"""`xin policy backtest`: what a policy would do, told before it is adopted; nothing is written."""

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest

from api.backtesting import REGRADED_SHOWN, DaysMalformed, days_of, days_of_years
from credit.backtest import DAYS_MAX, Plan, judged, merged, tally_shard
from credit.policy import Policy
from credit.population import Shard
from credit.ratings import Ratings
from ledger.canonical import Json, decode, encode
from tests.api.homes import REPOSITORY, Home
from tests.api.rated_home import POLICY, SUBJECTS, founded_with_facts

CORE = REPOSITORY / "credit" / "policies" / "xinyuan-export-credit-core-1.0.0.json"
DAYS = ("--days", "2024-02-01,2024-06-01,2025-03-01", "--as-of", "2025-06-01")


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    return founded_with_facts(Home(tmp_path / "home", database_url))


def read(path: Path) -> Policy:
    return Policy.parse(path.read_bytes().rstrip(b"\n"))


def changed(folder: Path, **members: Json) -> Path:
    """The policy in force with some members changed, as a file."""
    document = decode(POLICY.read_bytes().rstrip(b"\n"))
    assert isinstance(document, dict)
    path = folder / "candidate.json"
    path.write_bytes(encode({**document, **members}) + b"\n")
    return path


def shards(home: Home, tree_size: int) -> list[Shard]:
    async def all_of_them() -> list[Shard]:
        async with home.database() as database, database.reading() as session:
            return [shard async for shard in Ratings(session).shards(tree_size=tree_size)]

    return asyncio.run(all_of_them())


def stricter(folder: Path) -> Path:
    """The same, with C from 600."""
    bands = {"A": 0, "B": 301, "C": 600, "D": 3600}
    document = decode(POLICY.read_bytes().rstrip(b"\n"))
    assert isinstance(document, dict)
    grades: list[Json] = []
    assert isinstance(document["grades"], list)
    for item in document["grades"]:
        assert isinstance(item, dict)
        assert isinstance(item["grade"], str)
        grades.append({**item, "from": bands[item["grade"]]})
    return changed(folder, grades=grades, version="0.3.0")


def backtested(home: Home, *arguments: object) -> dict[str, Json]:
    """What the command says in JSON, when it is not refused."""
    found = json.loads(home.ok("policy", "backtest", *arguments, "--json"))
    assert isinstance(found, dict)
    return found


def days_in(found: dict[str, Json]) -> list[Json]:
    days = found["days"]
    assert isinstance(days, list)
    return [day["on"] for day in days if isinstance(day, dict)]


def test_the_json_is_what_the_facts_amount_to_and_nothing_is_written(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit.population.SHARD_SUBJECTS_MAX", 7)
    candidate, size = stricter(tmp_path), home.tree_size()
    for tree_size in (size, size - 30):
        days = (date(2024, 2, 1), date(2024, 6, 1), date(2025, 3, 1))
        plan = Plan(read(candidate), read(POLICY), days, date(2025, 6, 1), tree_size)
        tallies = [tally_shard(plan, shard) for shard in shards(home, tree_size)]
        before = home.rows()
        ran = home.xin("policy", "backtest", candidate, *DAYS, "--tree-size", tree_size, "--json")
        assert (ran.code, ran.out.encode()) == (
            0,
            judged(plan, merged(tallies)).canonical() + b"\n",
        )
        assert home.rows() == before


def test_the_text_has_matrix_names_and_table(home: Home, tmp_path: Path) -> None:
    candidate = stricter(tmp_path)
    asked = (candidate, "--days", "2024-01-05,2024-02-01", "--as-of", "2025-02-01")
    lines = home.ok("policy", "backtest", *asked).splitlines()
    size = home.tree_size()
    assert lines[0] == (
        f"xinyuan-export-credit 0.3.0 ({read(candidate).hash.hex()})  on 2025-02-01 "
        f"at tree size {size}"
    )
    assert lines[1] == f"beside xinyuan-export-credit 0.2.0 ({read(POLICY).hash.hex()})"
    found = backtested(home, *asked)
    impact, days = found["impact"], found["days"]
    assert isinstance(impact, dict)
    assert isinstance(impact["regraded"], list)
    assert isinstance(days, list)
    regraded = impact["regraded"]
    assert len(regraded) > REGRADED_SHOWN
    assert lines[3:9] == [
        f"40 subjects, {len(regraded)} regraded",
        "  in force       to A       to B       to C       to D",
        "  A                 0          0          0          0",
        f"  B                 0  {40 - len(regraded):>9}  {len(regraded):>9}          0",
        "  C                 0          0          0          0",
        "  D                 0          0          0          0",
    ]
    names = lines[9 : 9 + REGRADED_SHOWN]
    for line, one in zip(names, regraded, strict=False):
        assert isinstance(one, dict)
        assert line.startswith(f"  {one['subject']}  B to C  P")
    assert lines[9 + REGRADED_SHOWN] == (
        f"  and {len(regraded) - REGRADED_SHOWN} more, which --json names"
    )
    table = lines[12 + REGRADED_SHOWN :]
    assert table[0] == "  day         grade      subjects     failed  per mille"
    assert table[1:] == [
        "  2024-01-05  A                 0          0          -  not judged",
        "  2024-01-05  B                 7          7       1000  not judged",
        "  2024-01-05  C                 3          3       1000  not judged",
        "  2024-01-05  D                 0          0          -  not judged",
        "  2024-02-01  A                 0          0          -  not judged",
        "  2024-02-01  B                23         23       1000  not judged",
        "  2024-02-01  C                17         17       1000  not judged",
        "  2024-02-01  D                 0          0          -  not judged",
        "  2024-02-01  drift 67 per mille from the day before",
        "",
        "the order cannot be judged: on no day two grades have enough subjects",
    ]


def test_an_order_that_breaks_is_printed_and_then_refused_with_its_days(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Forty firms are too few for two grades of thirty.
    monkeypatch.setattr("credit.backtest.GRADE_SUBJECTS_LEAST", 15)
    asked = ("policy", "backtest", stricter(tmp_path), *DAYS)
    ran = home.xin(*asked)
    assert (ran.code, ran.refusal) == (1, "BACKTEST_ORDER_BROKEN")
    assert ran.out.splitlines()[-1] == "the order breaks: B to C on 2024-02-01"
    assert ran.err.splitlines()[-1] == "  where  2024-02-01"
    ran = home.xin(*asked, "--json")
    assert (ran.code, ran.refusal) == (1, "BACKTEST_ORDER_BROKEN")
    assert json.loads(ran.out)["breaks"] == [{"better": "B", "on": "2024-02-01", "worse": "C"}]


def test_days_are_the_years_asked_for_or_the_last_that_are_over(home: Home, tmp_path: Path) -> None:
    candidate = stricter(tmp_path)
    years = backtested(home, candidate, "--years", "2023-2025", "--as-of", "2025-01-01")
    assert days_in(years) == ["2023-01-01", "2024-01-01", "2025-01-01"]
    for as_of, last in (("2024-12-31", 2023), ("2025-01-01", 2024)):
        found = backtested(home, candidate, "--as-of", as_of)
        assert days_in(found) == [f"{year}-01-01" for year in range(last - 3, last + 1)]


def test_without_a_policy_in_force_nobody_is_regraded(home: Home, tmp_path: Path) -> None:
    asked = (stricter(tmp_path), "--as-of", "2019-12-31")
    found = backtested(home, *asked)
    assert (found["in_force"], found["impact"], found["verdict"]) == (None, None, "unjudged")
    lines = home.ok("policy", "backtest", *asked).splitlines()
    assert lines[1] == "no policy is in force on that day: nobody is regraded"


def test_what_cannot_be_tested_is_refused_and_nothing_is_printed(
    home: Home, tmp_path: Path
) -> None:
    candidate = stricter(tmp_path)
    before = home.rows()

    def refused(*arguments: object) -> tuple[str, str]:
        ran = home.xin("policy", "backtest", *arguments)
        assert (ran.code, ran.out) == (1, "")
        return ran.refusal, ran.err.splitlines()[-1].removeprefix("  where  ")

    nowhere = tmp_path / "nowhere.json"
    assert refused(nowhere) == ("COMMAND_FILE_REFUSED", str(nowhere))
    assert refused(tmp_path) == ("COMMAND_FILE_REFUSED", str(tmp_path))
    spoilt = changed(tmp_path, version="one")
    assert refused(spoilt) == ("CREDIT_POLICY_VALUE", "version")
    candidate = stricter(tmp_path)
    assert refused(candidate, "--years", "2025-2022") == ("BACKTEST_DAYS_MALFORMED", "years")
    later = ("--years", "2024-2025", "--as-of", "2024-12-31")
    assert refused(candidate, *later) == ("BACKTEST_DAYS_MALFORMED", "days")
    too_large = ("--tree-size", home.tree_size() + 1)
    assert refused(candidate, *too_large) == ("LOG_SIZE_UNKNOWN", "tree_size")
    # The core weighs a fine by its amount, and no fine here has one.
    code, where = refused(CORE)
    subject, leaf_index, member = where.split(" / ", 2)
    assert code == "CREDIT_INCOMPLETE"
    assert subject in {subject.label() for subject in SUBJECTS}
    assert int(leaf_index) < home.tree_size()
    assert "fine_fen" in member
    assert home.rows() == before
    assert home.xin("policy", "backtest", candidate, "--years", "2024", "--days", "x").code == 2


def test_days_and_years_in_form() -> None:
    assert days_of("2024-02-29") == (date(2024, 2, 29),)
    assert days_of("2023-01-01,2023-07-01") == (date(2023, 1, 1), date(2023, 7, 1))
    assert days_of_years("2025") == (date(2025, 1, 1),)
    assert days_of_years("1999-2001") == tuple(date(year, 1, 1) for year in (1999, 2000, 2001))
    assert len(days_of_years(f"{2000 - DAYS_MAX + 1}-2000")) == DAYS_MAX
    with pytest.raises(DaysMalformed):
        days_of_years(f"{2000 - DAYS_MAX}-2000")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("25", id="two digits"),
        pytest.param("0999", id="a year that begins with 0"),
        pytest.param("2022-2025-2026", id="three years"),
        pytest.param("2022–2025", id="another dash"),
        pytest.param("2022-", id="no end"),
        pytest.param("２０２２", id="other digits"),
        pytest.param("2025-2022", id="falling"),
        pytest.param("2022\n", id="an end of line"),
    ],
)
def test_years_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(DaysMalformed) as refused:
        days_of_years(text)
    assert (refused.value.code, refused.value.path) == ("BACKTEST_DAYS_MALFORMED", ("years",))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("2023-02-29", id="a day that there is not"),
        pytest.param("0000-01-01", id="a year that there is not"),
        pytest.param("20230101", id="without hyphens"),
        pytest.param("2023-W01-1", id="a week"),
        pytest.param("2023-01-01,", id="nothing after a comma"),
        pytest.param("2023-01-01,2023-01-01", id="the same twice"),
        pytest.param("2023-07-01,2023-01-01", id="falling"),
        pytest.param(
            ",".join(f"2{number:03}-01-01" for number in range(DAYS_MAX + 1)), id="one too many"
        ),
    ],
)
def test_days_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(DaysMalformed) as refused:
        days_of(text)
    assert (refused.value.code, refused.value.path) == ("BACKTEST_DAYS_MALFORMED", ("days",))
