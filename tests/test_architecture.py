"""The architecture of docs/ and pyproject.toml, held by reading the source, never by running it.

The direction of the arrows between the server's folders is import-linter's business. Here stand
the rules it cannot know: core modules are pure, clients know only the wire, files have nouns.

Which modules are core says `[tool.xinyuan]` in pyproject.toml: `core` and `rim` name packages and
modules, the longest name that fits decides. A new module is therefore held to purity unless
somebody writes down that it touches the world.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SERVER = ("api", "credit", "ledger", "traceability")
SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["xinyuan"]

# A name that reaches the world without an import: the console, files, code made at run time.
IMPURE_NAMES = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print"}
# Reached through modules that are themselves allowed: datetime's clock, nacl's and cryptography's
# randomness, hashlib's and json's way to a file.
IMPURE_ATTRIBUTES = {
    "file_digest",
    "generate",
    "generate_key",
    "generate_private_key",
    "now",
    "randombytes",
    "today",
    "utcnow",
}
ASYNCHRONOUS = (ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await)
NOUNLESS = {"base", "common", "helpers", "manager", "misc", "util", "utils"}


def module_name(path: Path) -> str:
    """`ledger/kinds/__init__.py` is `ledger.kinds`."""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for folder in SERVER
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
}


def fits(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def is_core(name: str) -> bool:
    """Whether the longest name that fits stands under `core`."""
    longest = {
        side: max((len(prefix) for prefix in SETTINGS[side] if fits(name, prefix)), default=-1)
        for side in ("core", "rim")
    }
    return longest["core"] > longest["rim"]


def imported(tree: ast.Module) -> Iterator[str]:
    """Every name that is imported, as far as it can be told apart: `a.b` for `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def impurities(source: str) -> list[str]:
    """What keeps a source from being a core module, one sentence each; empty when nothing does."""
    tree = ast.parse(source)
    found = []
    for name in imported(tree):
        if name.split(".")[0] in SERVER:
            # `from ledger.merkle import root` names something inside the module ledger.merkle.
            target = name if name in MODULES else name.rpartition(".")[0]
            if not is_core(target):
                found.append(f"imports {target}, which is no core module")
        elif not any(fits(name, allowed) for allowed in SETTINGS["core_imports"]):
            found.append(f"imports {name}, which is not in core_imports")
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ASYNCHRONOUS) or (
            isinstance(node, ast.comprehension) and node.is_async
        ):
            found.append(f"line {line} waits")
        elif isinstance(node, ast.Name) and node.id in IMPURE_NAMES:
            found.append(f"line {line} uses {node.id}")
        elif isinstance(node, ast.Attribute) and node.attr in IMPURE_ATTRIBUTES:
            found.append(f"line {line} uses .{node.attr}")
    return found


@pytest.mark.parametrize("name", [name for name in MODULES if is_core(name)])
def test_a_core_module_is_pure(name: str) -> None:
    assert impurities(MODULES[name].read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import time", id="a clock"),
        pytest.param("from datetime import date\nx = date.today()", id="the day of today"),
        pytest.param("import datetime\nx = datetime.datetime.now()", id="the moment of now"),
        pytest.param("from datetime import datetime\nx = datetime.utcnow", id="a clock passed on"),
        pytest.param("import os", id="the environment"),
        pytest.param("from pathlib import Path", id="paths"),
        pytest.param("x = open('f')", id="a file"),
        pytest.param("import importlib.resources", id="a file of a package"),
        pytest.param("import random", id="randomness"),
        pytest.param("from uuid import uuid4", id="a random id"),
        pytest.param("from nacl.utils import random", id="PyNaCl's randomness"),
        pytest.param(
            "from nacl.signing import SigningKey\nx = SigningKey.generate()", id="a fresh key"
        ),
        pytest.param("import asyncio", id="an event loop"),
        pytest.param("async def f() -> None: ...", id="waiting"),
        pytest.param("import sqlalchemy", id="a database"),
        pytest.param("from starlette.responses import Response", id="the web"),
        pytest.param("from ledger.tables import Base", id="a rim module of ours"),
        pytest.param("from ledger import tables", id="a rim module of ours by its folder"),
        pytest.param("def f() -> None:\n    import socket", id="an import inside a function"),
        pytest.param("__import__('os')", id="an import by name"),
    ],
)
def test_the_purity_check_finds(source: str) -> None:
    assert len(impurities(source)) == 1


def test_the_purity_check_lets_a_pure_module_pass() -> None:
    source = """
from dataclasses import dataclass
from datetime import date, datetime
from nacl.signing import VerifyKey
from ledger.errors import LedgerError

def on(moment: datetime) -> date:
    return moment.date()
"""
    assert impurities(source) == []


@pytest.mark.parametrize("name", [*SETTINGS["core"], *SETTINGS["rim"]])
def test_every_name_of_the_core_and_rim_lists_is_a_module(name: str) -> None:
    assert name in MODULES


def test_the_sdk_imports_nothing_but_the_standard_library_and_what_it_verifies_with() -> None:
    client = REPOSITORY / "clients" / "python"
    project = tomllib.loads((client / "pyproject.toml").read_text())["project"]
    assert [cast(str, name).split(">")[0].lower() for name in project["dependencies"]] == ["pynacl"]
    sources = sorted((client / "src").rglob("*.py"))
    assert sources
    assert project["optional-dependencies"] == {"ml-dsa": ["cryptography>=50"]}
    allowed = sys.stdlib_module_names | {"nacl", "xinyuan"}
    for path in sources:
        strangers = {name.split(".")[0] for name in imported(ast.parse(path.read_text()))} - allowed
        # Only where it is needed, and only when it is.
        assert strangers == ({"cryptography"} if path.name == "signature.py" else set()), path


def test_no_client_imports_the_server() -> None:
    for path in sorted((REPOSITORY / "clients").rglob("*.py")):
        names = {name.split(".")[0] for name in imported(ast.parse(path.read_text()))}
        assert not names & set(SERVER), path


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in (*SERVER, "clients/python/src")
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        if path.name != "__main__.py"
    ],
    ids=lambda path: path.relative_to(REPOSITORY).as_posix(),
)
def test_a_module_opens_with_a_map_of_all_that_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = set(re.findall(r"\w+", ast.get_docstring(tree) or ""))
    offered = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    }
    assert offered <= words


def test_the_doors_open_the_ledger_in_one_place() -> None:
    """Elsewhere a session would not know of XIN_TILES_FOLDER, and would look for rows."""
    opening = {
        name
        for name, path in MODULES.items()
        if fits(name, "api") and "Database.connect(" in path.read_text(encoding="utf-8")
    }
    assert opening == {"api.storage"}


def test_every_module_is_named_by_a_noun() -> None:
    folders = [REPOSITORY / folder for folder in (*SERVER, "tests", "clients/python")]
    names = {path.stem.removeprefix("test_") for folder in folders for path in folder.rglob("*.py")}
    assert not names & NOUNLESS


def test_the_tests_are_no_packages_and_no_two_share_a_name() -> None:
    paths = [*(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "clients").rglob("test_*.py")]
    assert [path for path in paths if path.name == "__init__.py"] == []
    names = [path.name for path in paths if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
