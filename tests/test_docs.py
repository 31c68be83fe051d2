"""The documents say what the code says: every error code, every setting, every decision."""

import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

from xinyuan.errors import Code

import api
import credit
import ledger
import traceability
from api.errors import INTERNAL, status_of
from api.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
CLIENTS = REPOSITORY / "clients"


def refusals() -> Iterator[type[Exception]]:
    """Every exception of the server that carries a code of its own."""
    for package in (ledger, credit, traceability, api):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(".__main__"):
                continue
            module = import_module(found.name)
            for value in vars(module).values():
                if (
                    inspect.isclass(value)
                    and issubclass(value, Exception)
                    and value.__module__ == found.name
                    and isinstance(value.__dict__.get("code"), str)
                ):
                    yield value


def table_rows(document: str) -> Iterator[list[str]]:
    """The cells of every table row whose first cell is one code span."""
    for line in (DOCS / document).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and re.fullmatch(r"`[A-Z_]+`", cells[0]):
            yield [cells[0].strip("`"), *cells[1:]]


def code_of(refusal: type[Exception]) -> str:
    return str(refusal.__dict__["code"])


def test_every_error_code_is_listed_once_and_no_other() -> None:
    listed = [row[0] for row in table_rows("errors.md")]
    assert len(listed) == len(set(listed))
    known = (
        {code_of(refusal) for refusal in refusals()} | {INTERNAL} | {code.value for code in Code}
    )
    assert set(listed) == known


def test_a_code_belongs_to_one_refusal() -> None:
    codes = [code_of(refusal) for refusal in refusals()]
    assert sorted(codes) == sorted(set(codes))


def test_every_listed_status_is_the_one_the_door_gives() -> None:
    statuses = {row[0]: row[1] for row in table_rows("errors.md") if row[1].isdecimal()}
    given = {code_of(refusal): str(status_of(refusal("x"))) for refusal in refusals()}
    assert {code: given[code] for code in statuses if code != INTERNAL} == {
        code: status for code, status in statuses.items() if code != INTERNAL
    }
    assert statuses[INTERNAL] == str(status_of(Exception()))


def test_every_error_code_is_earned_by_a_test() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for path in (REPOSITORY / "tests").rglob("*.py")
        if path != Path(__file__)
    ]
    words = set(re.findall(r"\w+", "\n".join(sources)))
    names = {code_of(refusal): refusal.__name__ for refusal in refusals()}
    assert [code for code, name in names.items() if not words & {code, name}] == []


def test_every_setting_is_listed_and_no_other() -> None:
    listed = {row[0] for row in table_rows("settings.md")}
    read = set(re.findall(r'"(XIN_[A-Z_]+|PORT)"', inspect.getsource(inspect.getmodule(Settings))))  # type: ignore[arg-type]
    assert len(read) == len(fields(Settings))
    tests = {"XIN_TEST_POSTGRES_URL", "XIN_SHARED"}
    assert listed == read | tests
    conftest = (REPOSITORY / "tests" / "conftest.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in conftest for name in tests)


def test_every_path_of_the_server_is_listed_and_no_other() -> None:
    source = (REPOSITORY / "api" / "app.py").read_text(encoding="utf-8")
    routed = re.findall(r'(?:Route|Mount)\("([^"]+)"', source)
    addresses = (DOCS / "serving.md").read_text(encoding="utf-8").split("## ")[2]
    cells = re.findall(r"^\| (`/.*?) \| ", addresses, re.MULTILINE)
    listed = [path for cell in cells for path in re.findall(r"`([^`]+)`", cell)]
    # Parameters have their names here and there: what stands before them says which path it is.
    assert sorted(re.split(r"[{…]", path)[0].rstrip("/") for path in listed) == sorted(
        path.split("{")[0].rstrip("/") for path in routed
    )


def test_every_decision_is_in_the_list_and_has_its_four_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (DOCS / "decisions" / "README.md").read_text())
    assert listed == [page.name for page in pages]
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings[1:] == ["Situation", "Options", "Choice", "Price"], page.name


def test_python_stands_only_where_a_test_runs_it() -> None:
    with_python = [
        page.relative_to(REPOSITORY).as_posix()
        for page in [REPOSITORY / "README.md", *DOCS.rglob("*.md"), *CLIENTS.glob("*/README.md")]
        if "```python" in page.read_text(encoding="utf-8")
    ]
    # Run by clients/python/tests/test_verifier_proof.py.
    assert with_python == ["clients/python/README.md"]


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [REPOSITORY / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
