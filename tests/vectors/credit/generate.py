"""Writes the golden vectors of the rating: the files beside this one, as `README.md` says.

    FOLDER      where they lie
    POLICIES    where the published policies lie
    THEMES      one a file
    policy_of   the policy of a theme
    expected    what a case expects, held against what was worked out by hand
    vectors     the text of every file by its name
    write       writes them

The expectation of a case comes from `tests/credit/plain_rating.py`; where a builder worked
something out by hand, the two must agree, or nothing is written.
"""

import hashlib
import json
from pathlib import Path
from typing import cast

from tests.credit import plain_rating
from tests.vectors.credit import theme_grades, theme_inputs, theme_procedures, theme_sums
from tests.vectors.credit.stories import Case, Json, Theme, disagreement

FOLDER = Path(__file__).resolve().parent
POLICIES = FOLDER.parents[2] / "credit" / "policies"

THEMES: list[Theme] = [
    *theme_sums.themes(),
    *theme_procedures.themes(),
    *theme_grades.themes(),
    *theme_inputs.themes(),
]


def policy_of(theme: Theme) -> Json:
    if isinstance(theme.policy, str):
        return cast("Json", json.loads((POLICIES / theme.policy).read_bytes()))
    return theme.policy


def policy_member(theme: Theme) -> Json:
    if isinstance(theme.policy, str):
        digest = hashlib.sha256((POLICIES / theme.policy).read_bytes()).hexdigest()
        return {"file": theme.policy, "sha256": digest}
    return theme.policy


def expected(policy: Json, case: Case) -> Json:
    """The members of a case that say what is expected of it."""
    rating, refusal = answer(policy, case)
    refused = None if refusal is None else (refusal["code"], refusal["leaf_index"])
    assert refused == case.refuses, f"{case.name}: by hand {case.refuses}, it gives {refused}"
    if rating is None:
        return {"rating": None, "canonical_sha256": None, "refusal": refusal}
    wrong = disagreement(case.hand, rating)
    assert wrong is None, f"{case.name}: {wrong}"
    digest = hashlib.sha256(plain_rating.canonical(rating)).hexdigest()
    return {"rating": rating, "canonical_sha256": digest, "refusal": None}


def answer(policy: Json, case: Case) -> tuple[Json | None, Json | None]:
    """The rating, or the refusal."""
    try:
        return plain_rating.rate(policy, case.facts, case.as_of, case.tree_size), None
    except plain_rating.Refusal as refusal:
        return None, {"code": refusal.code, "leaf_index": refusal.leaf_index}


def line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(", ", ": "))


def case_text(policy: Json, case: Case) -> str:
    members = {"name": case.name, "why": case.why}
    facts = ",\n".join(f"        {line(fact)}" for fact in case.facts)
    days = {"as_of": case.as_of, "tree_size": case.tree_size}
    rest = [
        *(f'      "{name}": {line(value)}' for name, value in members.items()),
        f'      "facts": [\n{facts}\n      ]' if case.facts else '      "facts": []',
        *(f'      "{name}": {line(value)}' for name, value in days.items()),
        *(f'      "{name}": {line(value)}' for name, value in expected(policy, case).items()),
    ]
    return "    {\n" + ",\n".join(rest) + "\n    }"


def policy_text(policy: Json) -> str:
    """A member a line."""
    members = ",\n".join(f'    "{name}": {line(policy[name])}' for name in sorted(policy))
    return "{\n" + members + "\n  }"


def theme_text(theme: Theme) -> str:
    policy = policy_of(theme)
    names = [case.name for case in theme.cases]
    assert len(set(names)) == len(names), f"{theme.name}: two cases of one name"
    cases = ",\n".join(case_text(policy, case) for case in theme.cases)
    return (
        "{\n"
        f'  "description": {line(theme.description)},\n'
        f'  "policy": {policy_text(policy_member(theme))},\n'
        f'  "cases": [\n{cases}\n  ]\n'
        "}\n"
    )


def vectors() -> dict[str, str]:
    return {f"{theme.name}.json": theme_text(theme) for theme in THEMES}


def write() -> None:
    texts = vectors()
    for stale in FOLDER.glob("*.json"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
