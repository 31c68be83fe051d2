"""The policy language xinyuan-policy/2: what is a policy, and how everything else is refused."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import pytest

from credit.document import DOCUMENT_BYTES_MAX, LIST_MAX
from credit.errors import CreditError, FactIncomplete, FactUnknown, PolicyError
from credit.facts import Fact
from credit.policy import Policy
from credit.rules import PERMILLE, Role
from credit.sections import (
    BASIS_POINTS_MAX,
    DAYS_MAX,
    EVIDENCE_MAX,
    MEASURE_MAX,
    MONTHS_MAX,
    POINTS_MAX,
    REFUND_CLASS_MAX,
    WEIGHT_MAX,
)
from ledger.canonical import Json, decode, encode
from ledger.kinds import KINDS
from ledger.statement import Severity

Value: TypeAlias = dict[str, Any]
Step: TypeAlias = str | int
Where: TypeAlias = tuple[Step, ...]

POLICIES = Path(__file__).resolve().parents[2] / "credit" / "policies"
FILES = sorted(POLICIES.glob("*.json"))

FULL: Value = json.loads((POLICIES / "xinyuan-export-credit-1.0.0.json").read_bytes())
"""Only read; it has a rule in every section."""

SCORE: Value = json.loads((POLICIES / "inspection-score-1.0.0.json").read_bytes())
"""Only read; in it the latest fact scores."""

SECTIONS = [
    *(pytest.param(FULL, section, id=section) for section in sorted(FULL)),
    pytest.param(SCORE, "score", id="score by the latest fact"),
    pytest.param(SCORE, "grades", id="grades by the latest fact"),
]

FAIL = Fact(
    leaf_index=7,
    kind="inspection",
    code="safety",
    outcome="fail",
    severity="serious",
    decided_on=date(2024, 1, 10),
)


def places(value: object, path: Where = ()) -> Iterator[tuple[Where, object]]:
    """Every place at or below a value, with what stands there."""
    yield path, value
    members: Iterable[tuple[Step, object]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for step, member in members:
        yield from places(member, (*path, step))


def at(value: Value, *path: Step) -> Value:
    """The object, or list, at `path`."""
    for step in path:
        value = cast("dict[Step, Value]", value)[step]
    return value


def put(value: Value, path: Where, member: object) -> Value:
    """The document with something else at `path`; it is copied along the path alone."""
    changed = cast("dict[Step, object]", value.copy())
    first, *rest = path
    changed[first] = put(at(value, first), tuple(rest), member) if rest else member
    return cast("Value", changed)


def without(value: Value, path: Where) -> Value:
    """The document without what stands at `path`."""
    *upper, last = path
    changed = at(value, *upper).copy()
    cast("dict[Step, object]", changed).pop(last)
    return put(value, tuple(upper), changed) if upper else changed


def text(value: Value) -> bytes:
    """Canonical, were it not for numbers that the profile has not."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def refusal(document: Value) -> tuple[str, Where]:
    """Code and path by which a document is refused; no code where it is not."""
    code, message = "", "read"
    path: Where = ()
    try:
        Policy.parse(text(document))
    except PolicyError as error:
        code, path, message = error.code, error.path, error.message
    assert message
    return code, path


def fits(path: Where, pattern: Where) -> bool:
    """Whether a path is one of a pattern, in which * is any step."""
    return len(path) == len(pattern) and all(
        there in ("*", here) for here, there in zip(path, pattern, strict=True)
    )


def in_section(value: Value, section: str) -> Iterator[tuple[Where, object]]:
    """The places of one section."""
    return places(value[section], (section,))


NAMED_BY_THE_AUTHOR: tuple[Where, ...] = (
    ("severities",),
    ("kinds",),
    ("kinds", "*"),
    ("unweighed",),
    ("publicity", "noted"),
    ("score", "measures"),
)
"""Objects whose members are names, besides `at_least`."""

FORMS = {"acts", "none", "ratio", "known_months", "standing"}
"""The members by which an object of several forms says which it has."""

NULLABLE: tuple[Where, ...] = (
    ("grades", "*", "at_least"),
    ("grades", "*", "at_most"),
    ("grades", "*", "each_at_most"),
    ("instant_downgrade",),
    ("marks", "*", "flag"),
    ("merits",),
    ("movement",),
    ("product_states",),
    ("red_lines", "*", "months"),
    ("red_lines", "*", "repeat"),
    ("reliefs", "*", "first_in_months"),
    ("reliefs", "*", "if"),
    ("requirements", "*", "flag"),
    ("unfulfilled",),
    ("watch",),
)


def is_condition(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("kind"), str)


def is_named_by_the_author(path: Where) -> bool:
    return path[-1:] == ("at_least",) or any(fits(path, one) for one in NAMED_BY_THE_AUTHOR)


def objects(value: Value, section: str) -> Iterator[tuple[Where, Value]]:
    """The objects of a section whose members the language names."""
    for path, there in in_section(value, section):
        if isinstance(there, dict) and not is_named_by_the_author(path):
            yield path, there


def conditions(value: Value, section: str) -> Iterator[tuple[Where, object]]:
    """Every condition of a section."""
    for path, there in in_section(value, section):
        if is_condition(there):
            yield path, there


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_published_file_is_canonical_and_named_by_what_it_holds(file: Path) -> None:
    policy = Policy.parse(file.read_bytes())
    assert file.stem == f"{policy.name}-{policy.version}"
    assert policy.hash == hashlib.sha256(file.read_bytes()).digest()
    assert encode(decode(file.read_bytes())) == file.read_bytes() == policy.document


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_readme_tells_the_name_and_the_hash_of_every_file(file: Path) -> None:
    explained = (POLICIES / "README.md").read_text("utf-8")
    name, _, version = file.stem.rpartition("-")
    assert f"{name} {version}" in explained
    assert hashlib.sha256(file.read_bytes()).hexdigest() in explained


def test_these_are_published() -> None:
    assert [file.stem for file in FILES] == [
        "inspection-score-1.0.0",
        "uk-food-hygiene-rating-1.0.0",
        "xinyuan-export-credit-0.2.0",
        "xinyuan-export-credit-1.0.0",
        "xinyuan-export-credit-core-1.0.0",
    ]


def test_the_readme_explains_every_rule_of_the_policy(policy: Policy) -> None:
    explained = (POLICIES / "README.md").read_text("utf-8")
    rules = [row.rule for row in policy.points]
    rules += [cap.rule for cap in policy.caps]
    rules += [line.rule for line in policy.red_lines]
    rules += [requirement.rule for requirement in policy.requirements]
    assert len(rules) == 26
    for rule in rules:
        assert f"| {rule} |" in explained


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_policy_reads_every_value_that_the_ledger_admits(file: Path) -> None:
    policy = Policy.parse(file.read_bytes())
    admitted = weighing = 0
    for kind in KINDS.values():
        for code in kind.codes:
            for outcome in kind.outcomes_by_code.get(code, kind.outcomes):
                for severity in Severity if outcome in kind.graded_outcomes else (None,):
                    fact = Fact(
                        leaf_index=0,
                        kind=kind.name,
                        code=code,
                        outcome=outcome,
                        severity=None if severity is None else severity.value,
                        decided_on=date(2024, 1, 1),
                        measures=MEASURED | dict.fromkeys(kind.measures, 1),
                    )
                    reading = policy.reading(fact)
                    assert (reading.row is not None) == (reading.role is Role.WEIGHS)
                    assert (reading.role is None) == (kind.name in policy.unweighed)
                    admitted += 1
                    weighing += reading.role is Role.WEIGHS
    assert admitted > 400
    assert (weighing > 200) == (policy.latest is None)


MEASURED = dict.fromkeys(
    (
        "score_confidence",
        "score_hygiene",
        "score_structural",
        "violations_critical",
        "violations_major",
        "violations_minor",
    ),
    1,
)
"""What the scores of the two foreign policies are made of."""


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_member_that_is_missing_is_refused(value: Value, section: str) -> None:
    assert refusal(without(value, (section,))) == ("CREDIT_POLICY_MEMBER", (section,))
    for path, there in objects(value, section):
        names = {"kind"} if is_condition(there) else set(there) - FORMS
        for name in names:
            missing = (*path, name)
            assert refusal(without(value, missing)) == ("CREDIT_POLICY_MEMBER", missing)


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_member_too_many_is_refused(value: Value, section: str) -> None:
    for path, _ in objects(value, section):
        more = (*path, "engine")
        assert refusal(put(value, more, None)) == ("CREDIT_POLICY_MEMBER", more)


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_value_of_another_type_is_refused(value: Value, section: str) -> None:
    others: dict[type, tuple[Any, ...]] = {
        dict: (7, "new", [], True),
        list: (7, "new", {}, True),
        str: (True, [], {}),
        int: ("7", [], {}, True),
        bool: (0, "true", [], {}),
    }
    for path, there in in_section(value, section):
        # How long a kind is shown may be said in three forms; they are tested below.
        if there is not None and not fits(path, ("publicity", "noted", "*")):
            for other in others[type(there)]:
                assert (other, refusal(put(value, path, other))) == (
                    other,
                    ("CREDIT_POLICY_VALUE", path),
                )


@pytest.mark.parametrize(
    ("shown", "code", "path"),
    [
        pytest.param(True, "CREDIT_POLICY_VALUE", (), id="a flag"),
        pytest.param([], "CREDIT_POLICY_VALUE", (), id="a list"),
        pytest.param("for-ever", "CREDIT_POLICY_VALUE", (), id="a word that is none"),
        pytest.param({"entered": 3}, "CREDIT_POLICY_MEMBER", ("left",), id="an outcome left out"),
        pytest.param(
            {"entered": 3, "left": "never", "notified": "never"},
            "CREDIT_POLICY_MEMBER",
            ("notified",),
            id="an outcome that is silent",
        ),
        pytest.param(
            {"entered": {}, "left": "never"}, "CREDIT_POLICY_VALUE", ("entered",), id="no rule"
        ),
    ],
)
def test_how_long_a_kind_is_shown_is_said_for_all_or_for_each_of_its_noted_outcomes(
    full_policy_value: dict[str, Json], shown: Json, code: str, path: Where
) -> None:
    place = ("publicity", "noted", "list-entry")
    assert refusal(put(full_policy_value, place, shown)) == (code, (*place, *path))
    assert refusal(put(full_policy_value, place, 12)) == ("", ())


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_null_is_refused_where_the_language_does_not_say_it(value: Value, section: str) -> None:
    for path, _ in in_section(value, section):
        if not any(fits(path, one) for one in NULLABLE):
            assert refusal(put(value, path, None)) == ("CREDIT_POLICY_VALUE", path)


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_no_number_is_a_fraction(value: Value, section: str) -> None:
    for path, there in in_section(value, section):
        if type(there) is int:
            for number in (there + 0.5, float(there)):
                assert refusal(put(value, path, number)) == ("CREDIT_POLICY_MALFORMED", path)


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_name_is_spelled_as_names_are(value: Value, section: str) -> None:
    for path, there in in_section(value, section):
        if isinstance(there, str):
            for name in ("", "出口信用", " new", "new.", "n" * 65):
                assert refusal(put(value, path, name)) == ("CREDIT_POLICY_VALUE", path)
        elif isinstance(there, dict) and is_named_by_the_author(path):
            for name in ("", "ip case"):
                member = next(iter(there.values()))
                more = (*path, name)
                assert refusal(put(value, more, member)) == ("CREDIT_POLICY_VALUE", more)


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_list_longer_than_the_language_allows_is_refused(value: Value, section: str) -> None:
    for path, there in in_section(value, section):
        if isinstance(there, list):
            long = put(value, path, [0] * (LIST_MAX + 1))
            assert refusal(long) == ("CREDIT_POLICY_VALUE", path)


OPTIONAL_LISTS: tuple[Where, ...] = (
    ("caps",),
    ("effects",),
    ("legal_basis",),
    ("marks",),
    ("merits", "items", "*", "broken_by"),
    ("points",),
    ("procedures", "*"),
    ("red_lines",),
    ("reliefs",),
    ("repair", "barred_by"),
    ("repair", "needs_commitment"),
    ("requirements",),
    ("start", "instead"),
)


@pytest.mark.parametrize("section", sorted(FULL))
def test_a_list_that_must_say_something_is_not_empty(section: str) -> None:
    for path, there in in_section(FULL, section):
        if isinstance(there, list) and not any(fits(path, one) for one in OPTIONAL_LISTS):
            assert refusal(put(FULL, path, [])) == ("CREDIT_POLICY_VALUE", path)


@pytest.mark.parametrize("path", [one for one in OPTIONAL_LISTS if "*" not in one], ids=str)
def test_a_list_that_may_be_empty_is_read(path: Where) -> None:
    # Without points what weighs has no row; without requirements AA and A are given alike.
    gap: dict[Where, tuple[str, Where]] = {
        ("points",): ("CREDIT_POLICY_GAP", ("points",)),
        ("requirements",): ("CREDIT_POLICY_UNREACHABLE", ("grades", 1, "from")),
    }
    assert refusal(put(FULL, path, [])) == gap.get(path, ("", ()))


class Bounds(NamedTuple):
    """Of the integers at such places. Where others hold them too, `alone` is false."""

    path: Where
    lowest: int
    highest: int
    alone: bool = True


BOUNDS = (
    Bounds(("caps", "*", "months"), 1, MONTHS_MAX),
    Bounds(("caps", "*", "points"), 0, POINTS_MAX),
    Bounds(("deadlines", "*"), 0, DAYS_MAX),
    Bounds(("effects", "*", "months"), 1, MONTHS_MAX),
    Bounds(("grades", "*", "from"), 0, POINTS_MAX, alone=False),
    Bounds(("instant_downgrade", "from"), 1, POINTS_MAX),
    Bounds(("instant_downgrade", "steps"), 1, EVIDENCE_MAX),
    Bounds(("merits", "cap"), 1, POINTS_MAX),
    Bounds(("merits", "items", "*", "cap"), 1, POINTS_MAX),
    Bounds(("merits", "items", "*", "each"), 1, EVIDENCE_MAX),
    Bounds(("merits", "items", "*", "months"), 1, MONTHS_MAX),
    Bounds(("merits", "items", "*", "points"), 1, POINTS_MAX),
    Bounds(("movement", "cycle", "months"), 1, 12),
    Bounds(("movement", "promote", "stay_months", "*"), 0, MONTHS_MAX),
    Bounds(("movement", "promote", "steps"), 1, 4),
    Bounds(("points", "*", "points"), 1, POINTS_MAX),
    # A fine must be less than that of the row above.
    Bounds(("points", "*", "when", "*", "at_least", "*"), 1, MEASURE_MAX, alone=False),
    Bounds(("product_states", "normal", "sampling_bp"), 0, BASIS_POINTS_MAX, alone=False),
    Bounds(("product_states", "reduced", "sampling_bp"), 0, BASIS_POINTS_MAX, alone=False),
    Bounds(("product_states", "rules", "stopped_after_fails"), 1, EVIDENCE_MAX),
    Bounds(("product_states", "rules", "to_normal_after_passes"), 1, EVIDENCE_MAX),
    Bounds(("product_states", "rules", "to_reduced_after_passes"), 1, EVIDENCE_MAX),
    Bounds(("product_states", "rules", "to_tightened", "fails"), 1, 5),
    Bounds(("product_states", "rules", "to_tightened", "in_last"), 1, EVIDENCE_MAX, alone=False),
    Bounds(("product_states", "tightened", "sampling_bp"), 0, BASIS_POINTS_MAX, alone=False),
    Bounds(("publicity", "favourable_months"), 1, MONTHS_MAX),
    Bounds(("publicity", "noted", "*"), 1, MONTHS_MAX),
    Bounds(("publicity", "noted", "*", "*"), 1, MONTHS_MAX),
    Bounds(("red_lines", "*", "months"), 1, MONTHS_MAX),
    Bounds(("red_lines", "*", "repeat", "acts"), 2, EVIDENCE_MAX),
    Bounds(("red_lines", "*", "repeat", "within_months"), 1, MONTHS_MAX),
    Bounds(("reliefs", "*", "first_in_months"), 1, MONTHS_MAX),
    Bounds(("reliefs", "*", "permille"), 0, PERMILLE),
    Bounds(("repair", "barred_by", "*", "months"), 1, MONTHS_MAX),
    Bounds(("requirements", "*", "needs", "*", "at_least"), 1, EVIDENCE_MAX),
    Bounds(("requirements", "*", "needs", "*", "known_months"), 1, MONTHS_MAX),
    Bounds(("requirements", "*", "needs", "*", "months"), 1, MONTHS_MAX),
    Bounds(("requirements", "*", "needs", "*", "permille_max"), 0, PERMILLE),
    Bounds(("severities", "*", "decay", "*", 0), 1, MONTHS_MAX, alone=False),
    Bounds(("severities", "*", "decay", "*", 1), 1, PERMILLE, alone=False),
    Bounds(("severities", "*", "public_min_months"), 0, MONTHS_MAX, alone=False),
    Bounds(("severities", "*", "public_months"), 0, MONTHS_MAX, alone=False),
    Bounds(("severities", "*", "weighs_months"), 1, MONTHS_MAX, alone=False),
    Bounds(("treatment", "*", "refund_class"), 1, REFUND_CLASS_MAX),
    Bounds(("treatment", "*", "review_months"), 1, MONTHS_MAX),
    Bounds(("treatment", "*", "sampling_bp"), 0, BASIS_POINTS_MAX),
    Bounds(("unfulfilled", "permille"), 1, PERMILLE),
    Bounds(("watch", "from"), 1, POINTS_MAX),
    Bounds(("watch", "months"), 1, MONTHS_MAX),
)

SCORE_BOUNDS = (
    Bounds(("grades", "*", "at_least"), -POINTS_MAX, POINTS_MAX, alone=False),
    Bounds(("score", "floor"), -POINTS_MAX, POINTS_MAX),
    Bounds(("score", "measures", "*"), -WEIGHT_MAX, WEIGHT_MAX),
    Bounds(("score", "start"), -POINTS_MAX, POINTS_MAX),
)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        *(pytest.param(FULL, one, id=".".join(map(str, one.path))) for one in BOUNDS),
        *(pytest.param(SCORE, one, id=".".join(map(str, one.path))) for one in SCORE_BOUNDS),
    ],
)
def test_an_integer_is_read_up_to_its_bounds_and_refused_beyond(
    value: Value, bounds: Bounds
) -> None:
    there = [path for path, one in places(value) if type(one) is int and fits(path, bounds.path)]
    assert there
    for path in there:
        for number in (bounds.lowest - 1, bounds.highest + 1):
            assert refusal(put(value, path, number)) == ("CREDIT_POLICY_VALUE", path)
        if bounds.alone:
            for number in (bounds.lowest, bounds.highest):
                assert refusal(put(value, path, number)) == ("", ())


def test_every_integer_of_the_language_has_bounds() -> None:
    for path, there in places(FULL):
        if type(there) is int:
            assert [one for one in BOUNDS if fits(path, one.path)], path
    for section in ("score", "grades"):
        for path, there in in_section(SCORE, section):
            if type(there) is int:
                assert [one for one in SCORE_BOUNDS if fits(path, one.path)], path


def test_the_largest_of_what_others_hold_too_is_read() -> None:
    rare = {
        "decay": [[MONTHS_MAX - 1, PERMILLE], [MONTHS_MAX, 1]],
        "public_min_months": MONTHS_MAX,
        "public_months": MONTHS_MAX,
        "weighs_months": MONTHS_MAX,
    }
    value = put(FULL, ("severities", "serious"), rare)
    value = put(value, ("points", 17, "when", 0, "at_least", "fine_fen"), MEASURE_MAX)
    value = put(value, ("points", 18, "when", 0, "at_least", "fine_fen"), 1)
    value = put(value, ("grades", 4, "from"), POINTS_MAX)
    for name in ("reduced", "normal", "tightened"):
        value = put(value, ("product_states", name, "sampling_bp"), BASIS_POINTS_MAX)
    tightened = {"fails": EVIDENCE_MAX, "in_last": EVIDENCE_MAX}
    value = put(value, ("product_states", "rules", "to_tightened"), tightened)
    policy = Policy.parse(text(value))
    assert policy.severities["serious"].public_min_months == MONTHS_MAX
    assert policy.points[17].when[0].at_least == (("fine_fen", MEASURE_MAX),)
    assert (policy.rank_of(POINTS_MAX - 1), policy.rank_of(POINTS_MAX)) == (3, 4)
    assert policy.product_states is not None
    assert policy.product_states.to_tightened_fails == EVIDENCE_MAX
    value = put(SCORE, ("grades", 0, "at_least"), POINTS_MAX)
    value = put(value, ("grades", 2, "at_least"), -POINTS_MAX)
    latest = Policy.parse(text(value)).latest
    assert latest is not None
    assert latest.bands[0].holds(POINTS_MAX, [])
    assert latest.bands[2].holds(-POINTS_MAX, [])


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_condition_names_only_what_the_policy_lists(value: Value, section: str) -> None:
    for path, _ in conditions(value, section):
        for member, name, place in (
            ("kind", "filing", ("kind",)),
            ("kind", "foreign", ("kind",)),
            ("outcome", ["lost"], ("outcome",)),
            ("severity", ["grave"], ("severity",)),
        ):
            misspelled = put(value, (*path, member), name)
            assert refusal(misspelled) == ("CREDIT_POLICY_REFERENCE", (*path, *place))


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_the_names_of_a_condition_are_sorted_and_each_stands_there_once(
    value: Value, section: str
) -> None:
    for path, _ in conditions(value, section):
        for member in ("basis", "code", "outcome", "severity"):
            # Spelling and order are judged before what is listed.
            names = (*path, member)
            for wrong in (["b", "a"], ["a", "a"]):
                assert refusal(put(value, names, wrong)) == ("CREDIT_POLICY_ORDER", (*names, 1))
            assert refusal(put(value, names, [])) == ("CREDIT_POLICY_VALUE", names)
            assert refusal(put(value, names, "a")) == ("CREDIT_POLICY_VALUE", names)
            assert refusal(put(value, names, ["a", 1])) == ("CREDIT_POLICY_VALUE", (*names, 1))


@pytest.mark.parametrize(("value", "section"), SECTIONS)
def test_a_condition_measures_at_least_one_and_a_procedure_nothing(
    value: Value, section: str
) -> None:
    for path, _ in conditions(value, section):
        least = (*path, "at_least")
        measures = section != "procedures"
        for number in (0, MEASURE_MAX + 1):
            place = (*least, "items") if measures else least
            refused = refusal(put(value, least, {"items": number}))
            assert refused == ("CREDIT_POLICY_VALUE", place)
        assert refusal(put(value, least, {})) == ("CREDIT_POLICY_VALUE", least)
        if not measures:
            assert refusal(put(value, least, {"items": 1})) == ("CREDIT_POLICY_VALUE", least)


OF_ROLE = {
    Role.WEIGHS: ("commitment", "broken"),
    Role.FAVOURABLE: ("inspection", "pass"),
    Role.NOTED: ("commitment", "kept"),
    Role.SILENT: ("inspection", "inconclusive"),
}
"""A kind and an outcome of each role."""

ITEMS, NEEDS = ("merits", "items"), ("requirements", 0, "needs")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        pytest.param(("points", 0, "when"), "W", id="points"),
        pytest.param(("caps", 0, "when"), "W", id="a cap"),
        pytest.param(("reliefs", 0, "when"), "W", id="a relief"),
        pytest.param(("reliefs", 0, "if"), "N", id="what a relief needs"),
        pytest.param(("unfulfilled", "ordered_by"), "N", id="what orders a duty"),
        pytest.param(("unfulfilled", "fulfilled_by"), "N", id="what fulfils it"),
        pytest.param((*ITEMS, 0, "when"), "FN", id="what earns a merit"),
        pytest.param((*ITEMS, 0, "broken_by"), "WFN", id="what breaks a run"),
        pytest.param((*ITEMS, 1, "standing"), "FN", id="what stands for a merit"),
        pytest.param(("procedures", "annulled_by"), "N", id="what annuls"),
        pytest.param(("procedures", "direct"), "N", id="what is direct"),
        pytest.param(("procedures", "repaired_by"), "N", id="what repairs"),
        pytest.param(("procedures", "through"), "N", id="what passes on"),
        pytest.param(("marks", 0, "opened_by"), "WFNS", id="what opens a mark"),
        pytest.param(("marks", 0, "closed_by"), "WFNS", id="what closes it"),
        pytest.param(("red_lines", 0, "when"), "WN", id="a red line of some months"),
        pytest.param(("red_lines", 5, "when"), "N", id="a red line that stands"),
        pytest.param((*NEEDS, 0, "acts"), "FN", id="acts that a grade asks for"),
        pytest.param((*NEEDS, 2, "none"), "WFN", id="what a grade forbids"),
        pytest.param((*NEEDS, 3, "ratio"), "WFN", id="a ratio"),
        pytest.param((*NEEDS, 4, "standing"), "FN", id="what must stand"),
        pytest.param(("start", "instead", 0, "when"), "N", id="another start"),
        pytest.param(("repair", "needs_commitment"), "N", id="a promise before a repair"),
        pytest.param(("repair", "barred_by", 0, "when"), "WFN", id="what bars a repair"),
    ],
)
def test_a_rule_names_only_outcomes_of_its_roles(path: Where, allowed: str) -> None:
    for role, (kind, outcome) in OF_ROLE.items():
        named = put(FULL, path, [{"kind": kind, "outcome": [outcome]}])
        # The same of a kind that has no other, by a condition that names none.
        only = put(named, ("kinds", "case-file"), {"closed": role.value})
        only = put(only, path, [{"kind": "case-file"}])
        if role is Role.NOTED:
            only = put(only, ("publicity", "noted", "case-file"), "never")
        if role is Role.WEIGHS:
            rest = {"id": "P99", "points": 1, "when": [{"kind": "case-file"}]}
            only = put(only, ("points",), [*at(only, "points"), rest])
        letters = {one[0].upper() for one in FULL["kinds"][kind].values()}
        expected: tuple[tuple[str, Where], tuple[str, Where]] = ("", ()), ("", ())
        if role.name[0] not in allowed:
            member = "outcome" if letters & set(allowed) else "kind"
            expected = (
                ("CREDIT_POLICY_REFERENCE", (*path, 0, member)),
                ("CREDIT_POLICY_REFERENCE", (*path, 0, "kind")),
            )
        if path == ("points", 0, "when") and role is Role.WEIGHS:
            # The row of that outcome, or kind, stands behind it and is not reached.
            expected = (
                ("CREDIT_POLICY_UNREACHABLE", ("points", 29)),
                ("CREDIT_POLICY_UNREACHABLE", ("points", 30)),
            )
        assert (role, refusal(named), refusal(only)) == (role, *expected)


@pytest.mark.parametrize(
    "path",
    [
        ("points", 29),
        ("caps", 0),
        ("reliefs", 0),
        ("merits", "items", 1),
        ("marks", 0),
        ("red_lines", 0),
        ("requirements", 0),
        ("effects", 0),
    ],
    ids=lambda path: path[0],
)
def test_no_two_rules_have_one_name_in_whichever_section(path: Where) -> None:
    named = (*path, "id")
    assert refusal(put(FULL, named, "P01")) == ("CREDIT_POLICY_DUPLICATE", named)


@pytest.mark.parametrize(
    ("path", "member", "code", "where"),
    [
        pytest.param(
            ("language",), "xinyuan-policy/1", "VALUE", ("language",), id="another language"
        ),
        pytest.param(("version",), "1.0", "VALUE", ("version",), id="a version of two numbers"),
        pytest.param(
            ("version",), "1.00.0", "VALUE", ("version",), id="a version with a leading zero"
        ),
        pytest.param(
            ("effective_from",),
            "2025-02-29",
            "VALUE",
            ("effective_from",),
            id="a day that does not exist",
        ),
        pytest.param(
            ("effective_from",),
            "20250201",
            "VALUE",
            ("effective_from",),
            id="a day spelled otherwise",
        ),
        pytest.param(
            ("legal_basis",), ["b", "a", "b"], "DUPLICATE", ("legal_basis",), id="a law twice"
        ),
        pytest.param(("severities",), {}, "VALUE", ("severities",), id="no severity"),
        pytest.param(
            ("severities", "minor", "public_min_months"),
            4,
            "VALUE",
            ("severities", "minor", "public_min_months"),
            id="a repair later than what it would hide",
        ),
        pytest.param(
            ("severities", "serious", "decay"),
            [[12, 1000], [12, 500], [36, 250]],
            "ORDER",
            ("severities", "serious", "decay", 1, 0),
            id="months of decay that stand still",
        ),
        pytest.param(
            ("severities", "serious", "decay"),
            [[24, 500], [12, 250], [36, 100]],
            "ORDER",
            ("severities", "serious", "decay", 1, 0),
            id="months of decay that fall",
        ),
        pytest.param(
            ("severities", "serious", "decay"),
            [[12, 500], [36, 501]],
            "ORDER",
            ("severities", "serious", "decay", 1, 1),
            id="a weight that grows with time",
        ),
        pytest.param(
            ("severities", "serious", "decay"),
            [[12, 500], [36, 500]],
            "ORDER",
            ("severities", "serious", "decay", 1, 1),
            id="a step of decay that changes nothing",
        ),
        pytest.param(
            ("severities", "serious", "decay"),
            [[12, 1000], [24, 500]],
            "GAP",
            ("severities", "serious", "decay"),
            id="a decay that ends before the weight",
        ),
        pytest.param(
            ("severities", "minor", "decay"),
            [[3, 1000, 1]],
            "VALUE",
            ("severities", "minor", "decay", 0),
            id="a step of three numbers",
        ),
        pytest.param(
            ("severities", "minor", "decay"),
            [[3]],
            "VALUE",
            ("severities", "minor", "decay", 0),
            id="a step of one number",
        ),
        pytest.param(("kinds",), {}, "VALUE", ("kinds",), id="no kind that counts"),
        pytest.param(
            ("kinds", "ip-case", "confirmed"),
            "counts",
            "VALUE",
            ("kinds", "ip-case", "confirmed"),
            id="an outcome with an unknown role",
        ),
        pytest.param(
            ("kinds", "ip-case"), {}, "VALUE", ("kinds", "ip-case"), id="a kind without outcomes"
        ),
        pytest.param(
            ("unweighed", "inspection"),
            True,
            "DUPLICATE",
            ("unweighed", "inspection"),
            id="a kind that counts and does not",
        ),
        pytest.param(
            ("publicity", "noted", "inspection"),
            12,
            "REFERENCE",
            ("publicity", "noted", "inspection"),
            id="publicity of a kind that notes nothing",
        ),
        pytest.param(
            ("publicity", "noted", "filing"),
            12,
            "REFERENCE",
            ("publicity", "noted", "filing"),
            id="publicity of a kind that does not count",
        ),
        pytest.param(
            ("publicity", "noted", "appeal"),
            "ever",
            "VALUE",
            ("publicity", "noted", "appeal"),
            id="publicity in a word that the language has not",
        ),
        pytest.param(
            ("kinds", "inspection", "inconclusive"),
            "noted",
            "GAP",
            ("publicity", "noted"),
            id="a kind that notes something without publicity",
        ),
        pytest.param(
            ("score", "form"), "mean", "VALUE", ("score", "form"), id="a score of another form"
        ),
        pytest.param(("score", "floor"), 0, "MEMBER", ("score", "floor"), id="a sum with a floor"),
        pytest.param(
            ("score", "form"),
            "latest",
            "MEMBER",
            ("grades", 0, "at_least"),
            id="thresholds where the latest fact scores",
        ),
        pytest.param(
            ("grades", 0, "from"), 1, "GAP", ("grades", 0, "from"), id="no grade for a clean sheet"
        ),
        pytest.param(
            ("grades", 3, "from"), 300, "ORDER", ("grades", 3, "from"), id="thresholds that fall"
        ),
        pytest.param(
            ("grades", 3, "from"),
            301,
            "UNREACHABLE",
            ("grades", 3, "from"),
            id="a grade that nobody gets, for the better one asks for nothing",
        ),
        pytest.param(
            ("grades", 3, "grade"), "B", "DUPLICATE", ("grades", 3, "grade"), id="a grade twice"
        ),
        pytest.param(
            ("grades", 3, "grade"), "c", "VALUE", ("grades", 3, "grade"), id="a small letter"
        ),
        pytest.param(
            ("grades", 3, "grade"),
            "EXCELLENT",
            "VALUE",
            ("grades", 3, "grade"),
            id="a grade of nine letters",
        ),
        pytest.param(
            ("requirements", 0, "grade"),
            "B",
            "UNREACHABLE",
            ("grades", 1, "from"),
            id="a better grade for the same sum that asks for nothing",
        ),
        pytest.param(
            ("points", 3, "when"), [], "VALUE", ("points", 3, "when"), id="a row for nothing"
        ),
        pytest.param(
            ("points", 2, "when", 0, "severity"),
            ["general", "serious"],
            "UNREACHABLE",
            ("points", 3),
            id="a row behind a wider one",
        ),
        pytest.param(
            ("points", 18, "when", 0, "at_least", "fine_fen"),
            100_000_000,
            "UNREACHABLE",
            ("points", 18),
            id="a row behind one that measures as much",
        ),
        pytest.param(
            ("points", 9, "when", 0, "basis"),
            ["lab"],
            "",
            (),
            id="a row that a basis makes narrower",
        ),
        pytest.param(
            ("points", 13, "when", 0, "basis"),
            ["document", "field", "lab"],
            "GAP",
            ("points",),
            id="a kind whose last row names bases",
        ),
        pytest.param(
            ("points", 13, "when", 0, "severity"),
            ["general", "minor", "serious"],
            "GAP",
            ("points",),
            id="a kind whose last row names severities",
        ),
        pytest.param(
            ("points", 22, "when", 0, "outcome"),
            ["confiscation", "warning"],
            "GAP",
            ("points",),
            id="a kind whose last row leaves an outcome out",
        ),
        pytest.param(
            ("kinds", "inspection", "inconclusive"),
            "weighs",
            "",
            (),
            id="an outcome that the last row takes",
        ),
        pytest.param(
            ("reliefs", 0, "if"), [], "VALUE", ("reliefs", 0, "if"), id="a need that nothing meets"
        ),
        pytest.param(
            ("merits", "lowers"),
            ["general", "grave"],
            "REFERENCE",
            ("merits", "lowers"),
            id="merits that lower an unknown severity",
        ),
        pytest.param(
            ("merits", "lowers"),
            ["minor", "general"],
            "ORDER",
            ("merits", "lowers", 1),
            id="severities out of order",
        ),
        pytest.param(
            ("marks", 0, "joined"), "kind", "VALUE", ("marks", 0, "joined"), id="joined by a kind"
        ),
        pytest.param(
            ("red_lines", 0, "grade"),
            "E",
            "REFERENCE",
            ("red_lines", 0, "grade"),
            id="a red line to a grade that is not there",
        ),
        pytest.param(
            ("requirements", 1, "grade"),
            "E",
            "REFERENCE",
            ("requirements", 1, "grade"),
            id="a requirement of a grade that is not there",
        ),
        pytest.param(
            ("requirements", 1, "otherwise"),
            "E",
            "REFERENCE",
            ("requirements", 1, "otherwise"),
            id="a grade that is not there for want of evidence",
        ),
        pytest.param(
            ("requirements", 1, "otherwise"),
            "A",
            "ORDER",
            ("requirements", 1, "otherwise"),
            id="want of evidence that costs nothing",
        ),
        pytest.param(
            ("requirements", 1, "otherwise"),
            "AA",
            "ORDER",
            ("requirements", 1, "otherwise"),
            id="want of evidence that pays",
        ),
        pytest.param(
            ("requirements", 1, "needs", 0),
            {"shown": [], "months": 1},
            "MEMBER",
            ("requirements", 1, "needs", 0, "standing"),
            id="a need that the language has not",
        ),
        pytest.param(
            ("requirements", 1, "needs", 0, "none"),
            [{"kind": "ip-case"}],
            "MEMBER",
            ("requirements", 1, "needs", 0, "none"),
            id="a need of two forms",
        ),
        pytest.param(
            ("merits", "items", 1, "months"),
            12,
            "MEMBER",
            ("merits", "items", 1, "months"),
            id="a merit of two forms",
        ),
        pytest.param(
            ("merits", "items", 1),
            {"id": "M02", "points": 300},
            "MEMBER",
            ("merits", "items", 1, "broken_by"),
            id="a merit of no form",
        ),
        pytest.param(
            ("start", "grade"),
            "S",
            "REFERENCE",
            ("start", "grade"),
            id="a start with a grade that is not there",
        ),
        pytest.param(
            ("start", "instead", 0, "grade"),
            "S",
            "REFERENCE",
            ("start", "instead", 0, "grade"),
            id="another start with a grade that is not there",
        ),
        pytest.param(
            ("movement",),
            None,
            "GAP",
            ("instant_downgrade",),
            id="an instant downgrade of a grade that is not held",
        ),
        *(
            pytest.param(
                ("movement", "cycle", "months"),
                months,
                "VALUE",
                ("movement", "cycle", "months"),
                id=f"a cycle of {months} months",
            )
            for months in (5, 7, 8, 9, 10, 11)
        ),
        *(
            pytest.param(
                ("movement", "cycle", "start"),
                day,
                "VALUE",
                ("movement", "cycle", "start"),
                id=f"a cycle from {day}",
            )
            for day in ("02-29", "10-31", "10-00", "13-01", "00-01", "10-1", "2025-10-01")
        ),
        pytest.param(
            ("movement", "promote", "stay_months", "E"),
            12,
            "MEMBER",
            ("movement", "promote", "stay_months", "E"),
            id="a stay in a grade that is not there",
        ),
        pytest.param(
            ("treatment", "E"),
            FULL["treatment"]["D"],
            "MEMBER",
            ("treatment", "E"),
            id="the treatment of a grade that is not there",
        ),
        pytest.param(
            ("treatment", "A", "release"),
            "never",
            "VALUE",
            ("treatment", "A", "release"),
            id="a release that the language has not",
        ),
        pytest.param(
            ("treatment", "A", "documents"),
            "none",
            "VALUE",
            ("treatment", "A", "documents"),
            id="documents that the language has not",
        ),
        pytest.param(
            ("effects", 0, "source"),
            "E",
            "REFERENCE",
            ("effects", 0, "source"),
            id="the effect of a grade that is not there",
        ),
        pytest.param(
            ("effects", 0, "source"),
            "red-lines",
            "VALUE",
            ("effects", 0, "source"),
            id="the effect of what is no grade",
        ),
        pytest.param(
            ("effects", 0, "relation"),
            ["controls", "controlled-by"],
            "ORDER",
            ("effects", 0, "relation", 1),
            id="relations out of order",
        ),
        pytest.param(
            ("product_states", "reduced", "sampling_bp"),
            2501,
            "ORDER",
            ("product_states",),
            id="more samples of what passes",
        ),
        pytest.param(
            ("product_states", "tightened", "sampling_bp"),
            2499,
            "ORDER",
            ("product_states",),
            id="fewer samples of what fails",
        ),
        pytest.param(
            ("product_states", "rules", "to_tightened", "fails"),
            6,
            "VALUE",
            ("product_states", "rules", "to_tightened", "fails"),
            id="more fails than are looked at",
        ),
    ],
)
def test_a_malformed_rule_is_refused_with_its_path(
    path: Where, member: object, code: str, where: Where
) -> None:
    expected = f"CREDIT_POLICY_{code}" if code else ""
    assert refusal(put(FULL, path, member)) == (expected, where)


def test_a_sheet_needs_no_threshold_for_each_grade_that_something_guards() -> None:
    guards = [
        {**FULL["requirements"][1], "grade": "B", "id": "E03", "otherwise": "C"},
        *FULL["requirements"],
    ]
    value = put(put(FULL, ("requirements",), guards), ("grades", 3, "from"), 301)
    policy = Policy.parse(text(value))
    assert [policy.grades[policy.rank_of(points)] for points in (0, 300, 301, 3600)] == [
        "AA",
        "AA",
        "B",
        "D",
    ]


@pytest.mark.parametrize("section", ["points", "caps"])
def test_the_order_of_rows_is_theirs_who_wrote_them(section: str) -> None:
    rows = FULL[section]
    value = put(FULL, (section,), [rows[-1], *rows[:-1]])
    assert refusal(value) == ("", ())
    # In `points` the last row of a kind may not go before its others.
    value = put(FULL, ("points",), [FULL["points"][4], *FULL["points"][:4], *FULL["points"][5:]])
    assert refusal(value) == ("CREDIT_POLICY_UNREACHABLE", ("points", 1))


def test_a_row_is_reached_by_one_of_its_conditions() -> None:
    rows = FULL["points"]
    wide = {"id": "P00", "points": 1, "when": [{"kind": "ip-case"}, {"kind": "fraud-case"}]}
    only = put(FULL, ("points",), [*rows, wide])
    assert refusal(only) == ("CREDIT_POLICY_UNREACHABLE", ("points", 30))
    value = put(FULL, ("points",), [*(row for row in rows if row["id"] != "P09"), wide])
    assert refusal(value) == ("", ())


def test_without_movement_nothing_is_held_that_could_fall_or_be_given_instead() -> None:
    value = put(put(FULL, ("movement",), None), ("instant_downgrade",), None)
    assert refusal(value) == ("CREDIT_POLICY_GAP", ("start", "instead"))
    value = put(value, ("start", "instead"), [])
    assert refusal(value) == ("", ())
    assert Policy.parse(text(value)).movement is None


@pytest.mark.parametrize(
    "section",
    ["unfulfilled", "merits", "watch", "instant_downgrade", "product_states"],
)
def test_a_section_may_be_null(section: str) -> None:
    policy = Policy.parse(text(put(FULL, (section,), None)))
    assert getattr(policy, section) is None


@pytest.mark.parametrize(
    "day", ["01-01", "02-28", "12-28"], ids=["new year", "the last of February", "the last day"]
)
def test_a_cycle_starts_on_a_day_that_every_month_has(day: str) -> None:
    for months in (1, 2, 3, 4, 6, 12):
        value = put(FULL, ("movement", "cycle"), {"months": months, "start": day})
        movement = Policy.parse(text(value)).movement
        assert movement is not None
        assert f"{movement.cycle_month:02}-{movement.cycle_day:02}" == day
        assert movement.cycle_months == months


@pytest.mark.parametrize(
    "section",
    [
        "caps",
        "instant_downgrade",
        "merits",
        "movement",
        "points",
        "red_lines",
        "reliefs",
        "requirements",
        "unfulfilled",
        "watch",
    ],
)
def test_where_the_latest_fact_scores_a_section_of_the_sum_is_refused(section: str) -> None:
    noted = {"kind": "inspection", "outcome": ["fail"]}
    movement = {
        "cycle": {"months": 12, "start": "10-01"},
        "promote": {"stay_months": dict.fromkeys("ABCF", 1), "steps": 1},
    }
    needs = [{"acts": [noted], "at_least": 1, "months": 1}]
    line = {"grade": "F", "id": "R01", "months": 1, "repeat": None, "when": [noted]}
    said: dict[str, Any] = {
        "instant_downgrade": {"from": 1, "steps": 1},
        "merits": {
            "cap": 1,
            "items": [{"id": "M01", "points": 1, "standing": [noted]}],
            "lowers": ["minor"],
        },
        "movement": movement,
        "red_lines": [line],
        "requirements": [
            {"flag": None, "grade": "A", "id": "E01", "needs": needs, "otherwise": "B"}
        ],
        "unfulfilled": {"fulfilled_by": [noted], "ordered_by": [noted], "permille": 1},
        "watch": {"flag": "watch", "from": 1, "months": 1},
    }
    value = SCORE
    if section in said:
        value = put(value, (section,), said[section])
    else:
        # These speak of what weighs, and that is refused as well.
        value = put(value, ("kinds", "enforcement"), {"fine": "weighs"})
        value = put(value, ("unweighed",), without(value["unweighed"], ("enforcement",)))
        when = [{"kind": "enforcement"}]
        rule = {
            "caps": {"id": "C01", "months": 1, "points": 1, "when": when},
            "points": {"id": "P01", "points": 1, "when": when},
            "reliefs": {
                "first_in_months": None,
                "id": "L01",
                "if": None,
                "permille": 1,
                "when": when,
            },
        }
        value = put(value, (section,), [rule[section]])
    assert refusal(value) == ("CREDIT_POLICY_GAP", (section,))


@pytest.mark.parametrize(
    ("path", "member", "code", "where"),
    [
        pytest.param(
            ("kinds", "inspection", "inconclusive"),
            "weighs",
            "GAP",
            ("kinds", "inspection"),
            id="an outcome that weighs",
        ),
        pytest.param(
            ("score", "when", 0, "outcome"),
            ["inconclusive"],
            "REFERENCE",
            ("score", "when", 0, "outcome"),
            id="a score of what is silent",
        ),
        pytest.param(
            ("score", "measures"), {}, "VALUE", ("score", "measures"), id="a score of nothing"
        ),
        pytest.param(
            ("score", "form"), "sum", "MEMBER", ("grades", 0, "from"), id="bands of a sum"
        ),
        pytest.param(("grades",), [], "VALUE", ("grades",), id="no grade"),
        pytest.param(
            ("grades",), SCORE["grades"][:3], "GAP", ("grades",), id="a score without a grade"
        ),
        pytest.param(
            ("grades", 1, "at_least"),
            None,
            "UNREACHABLE",
            ("grades", 2, "grade"),
            id="a band without bounds before others",
        ),
        pytest.param(
            ("grades", 1, "at_least"),
            90,
            "UNREACHABLE",
            ("grades", 1, "grade"),
            id="a band like the one before",
        ),
        pytest.param(
            ("grades", 2, "at_least"),
            95,
            "UNREACHABLE",
            ("grades", 2, "grade"),
            id="a band within an earlier one",
        ),
        pytest.param(
            ("grades", 1, "at_most"),
            79,
            "UNREACHABLE",
            ("grades", 1, "at_most"),
            id="a band between whose bounds there is no score",
        ),
        pytest.param(("grades", 1, "at_most"), 80, "", (), id="a band of one score"),
        pytest.param(("grades", 2, "each_at_most"), 5, "", (), id="a band that bounds measures"),
        pytest.param(
            ("grades", 1, "grade"), "A", "DUPLICATE", ("grades", 1, "grade"), id="a grade twice"
        ),
        pytest.param(("start", "grade"), "A", "", (), id="a start with a grade of the score"),
        pytest.param(
            ("start", "instead"),
            [{"grade": "F", "when": [{"kind": "inspection"}]}],
            "GAP",
            ("start", "instead"),
            id="another start, which nothing holds",
        ),
        pytest.param(
            ("marks",),
            [{**FULL["marks"][1], "id": "S01"}],
            "DUPLICATE",
            ("marks", 0, "id"),
            id="a mark that is called as the score",
        ),
        pytest.param(("marks",), FULL["marks"][1:2], "", (), id="a mark"),
        pytest.param(
            ("treatment",),
            without(SCORE["treatment"], ("F",)),
            "MEMBER",
            ("treatment", "F"),
            id="a grade without a treatment",
        ),
    ],
)
def test_where_the_latest_fact_scores_other_rules_hold(
    path: Where, member: object, code: str, where: Where
) -> None:
    expected = f"CREDIT_POLICY_{code}" if code else ""
    assert refusal(put(SCORE, path, member)) == (expected, where)


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        pytest.param(lambda raw: b"", (), id="nothing"),
        pytest.param(lambda raw: raw + b"\n", (), id="a newline at the end"),
        pytest.param(lambda raw: raw.replace(b":", b": ", 1), (), id="a space"),
        pytest.param(lambda raw: raw[:-1], (), id="cut short"),
        pytest.param(lambda raw: b"\xff" + raw, (), id="not UTF-8"),
        pytest.param(
            lambda raw: raw.replace(b'"from":301', b'"from":301.5'),
            ("grades", 1, "from"),
            id="a fraction",
        ),
        pytest.param(
            lambda raw: raw.replace(b'{"caps"', b'{"caps":[],"caps"'), (), id="a member twice"
        ),
    ],
)
def test_what_is_not_canonical_json_is_no_policy(
    policy_document: bytes, spoil: Callable[[bytes], bytes], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(CreditError) as refusal:
        Policy.parse(spoil(policy_document))
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_POLICY_MALFORMED", path)


def test_the_longest_list_that_the_language_allows_is_read(
    policy_value: dict[str, Json],
) -> None:
    cap = {**at(policy_value, "caps", 0), "when": [{"kind": "inspection"}]}
    policy_value["caps"] = [{**cap, "id": f"X{number}"} for number in range(LIST_MAX)]
    policy = Policy.parse(encode(policy_value))
    assert len(policy.caps) == LIST_MAX
    assert policy.document == encode(policy_value)


def test_a_policy_that_fits_into_no_leaf_is_refused(policy_value: dict[str, Json]) -> None:
    cap = at(policy_value, "caps", 0)
    caps: list[Json] = []
    policy_value["caps"] = caps
    while len(encode(policy_value)) <= DOCUMENT_BYTES_MAX:
        Policy.parse(encode(policy_value))
        begin = len(caps)
        caps.extend({**cap, "id": f"{'X' * 50}{begin + more}"} for more in range(10))
    with pytest.raises(CreditError) as refusal:
        Policy.parse(encode(policy_value))
    assert refusal.value.code == "CREDIT_POLICY_MALFORMED"
    assert len(caps) < LIST_MAX


@pytest.mark.parametrize("value", [[], "policy", 7, None, True])
def test_a_policy_is_an_object(value: Json) -> None:
    with pytest.raises(CreditError) as refusal:
        Policy.parse(encode(value))
    assert (refusal.value.code, refusal.value.path) == ("CREDIT_POLICY_VALUE", ())


@pytest.mark.parametrize(
    ("fact", "member"),
    [
        pytest.param(
            replace(FAIL, kind="recall"), "kind", id="a kind that the ledger learns later"
        ),
        pytest.param(replace(FAIL, outcome="passed"), "outcome", id="an outcome misspelled"),
        pytest.param(replace(FAIL, outcome="fine"), "outcome", id="an outcome of another kind"),
        pytest.param(replace(FAIL, severity="grave"), "severity", id="a severity of no law"),
    ],
)
def test_what_the_policy_does_not_list_is_refused_with_its_index(
    policy: Policy, fact: Fact, member: str
) -> None:
    with pytest.raises(FactUnknown) as refusal:
        policy.reading(fact)
    assert refusal.value.code == "CREDIT_FACT_UNKNOWN"
    assert refusal.value.path == (7, member)


@pytest.mark.parametrize(
    ("fact", "member"),
    [
        pytest.param(replace(FAIL, outcome=None), "outcome", id="no outcome"),
        pytest.param(replace(FAIL, severity=None), "severity", id="no severity"),
        pytest.param(replace(FAIL, decided_on=None), "decided_on", id="no day of decision"),
        pytest.param(
            replace(FAIL, decided_on=None, effective_on=date(2024, 1, 10)),
            "decided_on",
            id="a day of effect does not stand for the decision",
        ),
        pytest.param(replace(FAIL, code=None), "code", id="no code where some rule reads it"),
        pytest.param(
            replace(FAIL, outcome="pass", decided_on=None), "decided_on", id="a pass without a day"
        ),
    ],
)
def test_a_missing_value_is_never_guessed(policy: Policy, fact: Fact, member: str) -> None:
    with pytest.raises(FactIncomplete) as refusal:
        policy.reading(fact)
    assert refusal.value.code == "CREDIT_INCOMPLETE"
    assert refusal.value.path == (7, member)


def test_a_value_that_no_rule_reads_may_be_missing(policy: Policy) -> None:
    assert policy.reading(replace(FAIL, outcome="pass", severity=None)).role is Role.FAVOURABLE
    assert (
        policy.reading(replace(FAIL, outcome="inconclusive", decided_on=None)).role is Role.SILENT
    )
    assert policy.reading(Fact(leaf_index=0, kind="filing")).role is None


def test_the_first_row_that_speaks_of_a_fact_decides(policy: Policy) -> None:
    def row(code: str = "safety", severity: str = "serious") -> str:
        found = policy.reading(replace(FAIL, code=code, severity=severity)).row
        assert found is not None
        return found.rule

    assert row() == "P10"
    assert row(code="hygiene") == "P11"
    assert row(code="hygiene", severity="general") == "P12"
    assert row(code="quality", severity="general") == "P13"
    assert row(severity="minor") == "P14"


FINE = Fact(
    leaf_index=7,
    kind="enforcement",
    code="label",
    outcome="fine",
    severity="general",
    decided_on=date(2024, 1, 10),
)


@pytest.mark.parametrize(
    ("fen", "rule"),
    [
        pytest.param(0, "P20", id="no fen"),
        pytest.param(9_999_999, "P20", id="a fen less than the second row asks for"),
        pytest.param(10_000_000, "P19", id="just what it asks for"),
        pytest.param(99_999_999, "P19", id="a fen less than the first row asks for"),
        pytest.param(100_000_000, "P18", id="just what that asks for"),
    ],
)
def test_a_row_may_ask_how_much(full_policy_value: dict[str, Json], fen: int, rule: str) -> None:
    row = (
        Policy.parse(encode(full_policy_value))
        .reading(replace(FINE, measures={"fine_fen": fen}))
        .row
    )
    assert row is not None
    assert row.rule == rule


@pytest.mark.parametrize("measures", [None, {"items_seized": 1}], ids=["none", "another"])
def test_a_measure_that_a_row_asks_for_is_never_guessed(
    full_policy_value: dict[str, Json], measures: dict[str, int] | None
) -> None:
    full = Policy.parse(encode(full_policy_value))
    with pytest.raises(FactIncomplete) as refused:
        full.reading(replace(FINE, measures=measures))
    assert refused.value.code == "CREDIT_INCOMPLETE"
    assert refused.value.path == (7, "measures", "fine_fen")
    assert full.reading(replace(FINE, outcome="warning", measures=measures)).row is not None


def test_a_measure_of_which_the_score_is_made_is_never_guessed(
    score_policy_value: dict[str, Json],
) -> None:
    scored = Policy.parse(encode(score_policy_value))
    measures = {"violations_critical": 0, "violations_major": 1, "violations_minor": 2}
    assert scored.reading(replace(FAIL, measures=measures)).scores
    del measures["violations_minor"]
    with pytest.raises(FactIncomplete) as refused:
        scored.reading(replace(FAIL, measures=measures))
    assert refused.value.path == (7, "measures", "violations_minor")


def test_what_was_read_of_a_fact_is_the_policys_own_and_stays_bounded(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit.policy._READINGS_KEPT", 2)
    policy, other = replace(policy), replace(policy, red_lines=())
    facts = [
        Fact(0, "enforcement", code, outcome, "serious", decided_on=date(2024, 1, 10))
        for code in ("label", "safety")
        for outcome in ("fine", "criminal", "confiscation")
    ]
    for _ in range(2):
        for fact in facts:
            crossed = [policy.red_lines[at].rule for at in policy.reading(fact).red_lines]
            assert crossed == ["R01"] * (fact.outcome == "criminal")
            row = policy.reading(fact).row
            assert row is not None
            assert (
                row.rule
                == {"fine": "P18", "criminal": "P15", "confiscation": "P17"}[fact.outcome or ""]
            )
            assert other.reading(fact).red_lines == ()
    assert len(policy._readings) <= 2
    assert other == replace(policy, red_lines=())
