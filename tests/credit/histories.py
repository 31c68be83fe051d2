"""Subjects whose facts no one thought of, of any policy, for the engine and for the plain program.

    POLICIES       the documents that the golden vectors name or hold, each once, by a name
    histories      facts of one subject, of which a policy can read all
    spoiled        the same, of which it can perhaps not read one
    plain_fact     a fact as the plain program reads it
    Answer         the bytes of a rating, or code and leaf index of its refusal
    ratings        what the engine answers on some days
    plain_ratings  what the plain program answers

Everything is drawn from the document: its kinds and outcomes, the codes and grounds that its rules
ask for, and measures about the numbers that they compare with. Days are drawn from few, so that
they meet; what refers, refers to anything: itself, what comes later, what is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from hypothesis import strategies as st

from credit.errors import CreditError
from credit.facts import Fact
from credit.policy import Policy
from credit.rating import History
from tests.credit import plain_rating
from tests.credit.plain_rating import Json

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors" / "credit"

START = date(2021, 1, 29)
"""Near the end of a month, so that months of other lengths follow."""

CASES = (None, None, None, "k1", "k2")

Answer: TypeAlias = bytes | tuple[str, int]


class Words(NamedTuple):
    """What a document speaks of."""

    outcomes: Sequence[tuple[str, str]]
    """Kind and outcome; of those that rules name, more."""
    codes: Mapping[str, Sequence[str]]
    bases: Sequence[str | None]
    severities: Sequence[str]
    measures: Mapping[str, Sequence[int]]


def _documents() -> Iterator[tuple[str, Json]]:
    for path in sorted((ROOT / "credit" / "policies").glob("*.json")):
        yield path.stem, json.loads(path.read_bytes())
    for path in sorted(VECTORS.glob("*.json")):
        policy = json.loads(path.read_bytes())["policy"]
        if "file" not in policy:
            yield path.stem, policy


POLICIES: Mapping[str, Json] = dict(_documents())


def _conditions(value: object) -> Iterator[Json]:
    """Every condition that stands anywhere in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("kind"), str):
            yield value
        for member in value.values():
            yield from _conditions(member)
    elif isinstance(value, list):
        for member in value:
            yield from _conditions(member)


def _words(document: Json) -> Words:
    kinds = document["kinds"]
    outcomes = [(kind, outcome) for kind, of_kind in kinds.items() for outcome in of_kind]
    codes: dict[str, list[str]] = {kind: ["other"] for kind in kinds}
    bases: list[str | None] = [None]
    measures: dict[str, list[int]] = {}
    for condition in _conditions(document):
        kind = condition["kind"]
        # What no role allows may be named by a condition of `publicity` alone.
        outcomes += [(kind, one) for one in condition.get("outcome", ()) if one in kinds[kind]]
        codes[kind] += condition.get("code", ())
        bases += condition.get("basis", ())
        for name, least in condition.get("at_least", {}).items():
            measures.setdefault(name, []).extend((least - 1, least))
    for need in (need for item in document["requirements"] for need in item["needs"]):
        if "ratio" in need:
            measures |= {need["of"]: [0, 1, 2], need["to"]: [0, 100, 101]}
    for name in document["score"].get("measures", ()):
        measures[name] = [0, 5, 10, 15, 20, 25]
    outcomes += [(kind, "any") for kind in document["unweighed"]][:2]
    return Words(outcomes, codes, bases, list(document["severities"]) or ["minor"], measures)


def histories(document: Json, *, facts_most: int = 16) -> st.SearchStrategy[list[Fact]]:
    """Facts of one subject in the order of the log, not every place of which is theirs."""
    words = _words(document)
    # Two days an act apart, or a whole period: the same days come again.
    some_days = st.lists(st.integers(0, 1_200), min_size=1, max_size=5)
    return some_days.flatmap(lambda days: st.lists(_fact(words, days), max_size=facts_most)).map(
        _in_the_log
    )


def _fact(words: Words, days: Sequence[int]) -> st.SearchStrategy[Fact]:
    on = st.sampled_from(days).map(lambda day: START + timedelta(days=day))
    measures = st.fixed_dictionaries(
        {name: st.sampled_from(values) for name, values in words.measures.items()}
    )

    def of(kind: str, outcome: str) -> st.SearchStrategy[Fact]:
        return st.builds(
            Fact,
            # A position until it has its place in the log, as what it refers to.
            leaf_index=st.just(0),
            kind=st.just(kind),
            code=st.sampled_from(words.codes.get(kind, ("other",))),
            outcome=st.just(outcome),
            severity=st.sampled_from(words.severities),
            decided_on=on,
            effective_on=st.one_of(st.none(), st.none(), on),
            case=st.sampled_from(CASES),
            refers=st.one_of(st.none(), st.integers(-1, 15), st.integers(-1, 15)),
            measures=measures,
            basis=st.sampled_from(words.bases),
        )

    return st.sampled_from(words.outcomes).flatmap(lambda pair: of(*pair))


def _in_the_log(drawn: Sequence[Fact]) -> list[Fact]:
    """Every second leaf, and what is referred to counted back from a fact."""
    return [
        replace(
            fact,
            leaf_index=2 * at,
            refers=None if fact.refers is None else max(0, 2 * (at - 1 - fact.refers)),
        )
        for at, fact in enumerate(drawn)
    ]


SPOILING: Sequence[dict[str, Any]] = (
    {"kind": "unheard-of"},
    {"outcome": "unheard-of"},
    {"outcome": None},
    {"severity": "unheard-of"},
    {"severity": None},
    {"code": None},
    {"decided_on": None},
    {"decided_on": None, "effective_on": None},
    {"measures": None},
    {"measures": {}},
    {"basis": None},
)


def spoiled(document: Json) -> st.SearchStrategy[list[Fact]]:
    """Facts of which one or two lack something, or hold what the policy does not list."""

    def spoil(facts: list[Fact]) -> st.SearchStrategy[list[Fact]]:
        places = st.integers(0, len(facts) - 1)
        return st.lists(st.tuples(places, st.sampled_from(SPOILING)), min_size=1, max_size=2).map(
            lambda changes: _changed(facts, changes)
        )

    return histories(document).filter(bool).flatmap(spoil)


def _changed(facts: list[Fact], changes: Sequence[tuple[int, dict[str, Any]]]) -> list[Fact]:
    changed = list(facts)
    for at, members in changes:
        changed[at] = replace(changed[at], **members)
    return changed


def plain_fact(fact: Fact) -> Json:
    """Plain JSON: days as text, and every member."""
    members: Json = {one.name: getattr(fact, one.name) for one in fields(fact)}
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in members.items()
    }


def ratings(
    policy: Policy, facts: Sequence[Fact], days: Sequence[date], *, tree_size: int
) -> list[Answer]:
    """Of each day; a refusal is that of every day."""
    try:
        history = History.of(policy, facts, tree_size=tree_size)
    except CreditError as refusal:
        leaf_index = refusal.path[0]
        assert isinstance(leaf_index, int)
        return [(refusal.code, leaf_index)] * len(days)
    return [history.rating(day).canonical() for day in days]


def plain_ratings(
    document: Json, facts: Sequence[Fact], days: Sequence[date], *, tree_size: int
) -> list[Answer]:
    """The same by the plain program."""
    try:
        plain = plain_rating.Subject(document, [plain_fact(fact) for fact in facts], tree_size)
    except plain_rating.Refusal as refusal:
        return [(refusal.code, refusal.leaf_index)] * len(days)
    return [plain_rating.canonical(plain.rating(day)) for day in days]
