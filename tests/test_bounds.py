"""ARCHITECTURE, invariant 12: every bound has a name, a default and a test.

A bound is a constant of a module whose name ends in `_MAX`. That its test crosses it cannot be read
from the source; that a test names it can, and so can the reason beside it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SERVER = ("api", "credit", "ledger", "traceability")
CLIENT = "clients/python/src"


class Bound(NamedTuple):
    """Where a bound is defined, and whether a reason stands beside it."""

    module: str
    name: str
    explained: bool


def bounds_of(source: str, module: str) -> Iterator[Bound]:
    """The public bounds of a module; a reason is a comment above or a docstring below."""
    lines = source.splitlines()
    body = ast.parse(source).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if re.fullmatch(r"[A-Z][A-Z_]*_MAX(_S)?", name):
            below = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            yield Bound(module, name, below or lines[node.lineno - 2].startswith("# "))


def bounds() -> Iterator[Bound]:
    """Every bound of server and client."""
    for root in (*SERVER, CLIENT):
        start = REPOSITORY if root in SERVER else REPOSITORY / CLIENT
        for path in sorted((REPOSITORY / root).rglob("*.py")):
            module = ".".join(path.relative_to(start).with_suffix("").parts)
            yield from bounds_of(path.read_text(encoding="utf-8"), module)


def names_of(source: str) -> Iterator[str]:
    """What a test names in full: by import, as a module's attribute, or to be set to less."""
    tree = ast.parse(source)
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                modules[alias.asname or alias.name] = full
                yield full
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{modules.get(node.value.id)}.{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
            if node.value.isupper():
                yield from (f"{module}.{node.value}" for module in modules.values())


BOUNDS = list(bounds())
NAMED = {
    name
    for folder in ("tests", "clients/python/tests")
    for path in (REPOSITORY / folder).rglob("test_*.py")
    for name in names_of(path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.module}.{bound.name}")
def test_a_bound_has_its_reason_beside_it_and_a_test_that_names_it(bound: Bound) -> None:
    assert bound.explained
    assert f"{bound.module}.{bound.name}" in NAMED


def test_a_bound_without_a_reason_or_a_test_is_found() -> None:
    source = 'A_MAX = 1\nB_MAX = 2\n"""Why."""\n# Why.\nC_MAX = 3\n_D_MAX = 4\nE = 5\n'
    assert list(bounds_of(source, "m")) == [
        Bound("m", "A_MAX", explained=False),
        Bound("m", "B_MAX", explained=True),
        Bound("m", "C_MAX", explained=True),
    ]
    test = "from a import m\nfrom a.m import B_MAX\nx = m.C_MAX\nf(m, 'D_MAX', 'a.n.E_MAX')\n"
    named = set(names_of(test))
    assert {"a.m.B_MAX", "a.m.C_MAX", "a.m.D_MAX", "a.n.E_MAX"} <= named
    assert not {"a.m.A_MAX", "a.n.B_MAX", "a.n.D_MAX"} & named
