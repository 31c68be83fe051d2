"""`xin state`: drafts from files become statements, with a server and without."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xinyuan.proof import ProvenStatement, verify

from api.drafts import DRAFT_BYTES_MAX, DraftUnfit, Written
from ledger.errors import StatementInvalid
from tests.api.homes import Home
from tests.world import DAIRY, MARKET, PERSON, REGISTRY

WEIGHING = {
    "basis": "lab",
    "code": "hygiene",
    "decided_on": "2026-02-10",
    "kind": "inspection",
    "measures": {"samples": 5, "samples_failed": 1},
    "outcome": "fail",
    "severity": "general",
}


def draft(**changed: object) -> dict[str, object]:
    """An officer found something."""
    return {
        "issuer": f"uscc:{MARKET.identifier}",
        "jti": "inspection-1",
        "particulars": {"text": "样品不合格"},
        "subject": f"uscc:{DAIRY.identifier}",
        "weighing": WEIGHING,
        **changed,
    }


def written(folder: Path, name: str, document: object) -> Path:
    """A file with it, indented as people do."""
    file = folder / name
    file.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
    return file


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    """A log with a registry and a market authority, both with keys kept here."""
    home = Home(tmp_path / "home", database_url)
    home.ok("init", "--operator", "tests")
    begin = ("keys", "begin")
    registry = ("--name", "en=Registry", "--kinds", "binding,filing")
    home.ok(*begin, REGISTRY.identifier, *registry)
    home.ok(*begin, MARKET.identifier, "--name", "en=Market", "--kinds", "inspection")
    believed = home.ok("credential", "issuers").strip()
    home.ok("credential", "give", MARKET.identifier, "--tier", "authority")
    return home.with_settings(XIN_CREDENTIAL_ISSUERS=believed)


@contextmanager
def written_by(home: Home, *, server: bool) -> Iterator[None]:
    """The command writes by itself, or a server of another process does."""
    if not server:
        yield
        return
    with home.serving():
        yield


def proven_at(home: Home, leaf_index: int) -> ProvenStatement:
    """A statement as a stranger verifies it."""
    file = home.folder / f"{leaf_index}.proof.json"
    home.ok("export", "statement", leaf_index, "-o", file)
    log_key = home.ok("init", "--operator", "tests").strip()
    (entry,) = verify(file.read_bytes(), log_key).entries
    assert isinstance(entry, ProvenStatement)
    return entry


@pytest.mark.parametrize("server", [False, True], ids=["alone", "beside a server"])
def test_drafts_are_stated_in_order_and_once(home: Home, tmp_path: Path, server: bool) -> None:
    second = draft(jti="inspection-2", subject=DAIRY.identifier)
    files = [written(tmp_path, "1.json", draft()), written(tmp_path, "2.json", second)]
    with written_by(home, server=server):
        first = home.tree_size()
        said = home.ok("state", *files).splitlines()
        assert said == [f"entry {first}: 1.json", f"entry {first + 1}: 2.json"]
        assert [json.loads(line) for line in home.ok("state", *files, "--json").splitlines()] == [
            {"duplicate": True, "file": str(file), "leaf_index": first + position}
            for position, file in enumerate(files)
        ]
        changed = written(tmp_path, "3.json", draft(particulars={}))
        refused = home.xin("state", changed)
        assert refused.refusal == "LEDGER_DUPLICATE_CONFLICT"
        assert f"  where  {changed} / payload / jti" in refused.err
        assert home.tree_size() == first + 2
    proven = proven_at(home, first)
    assert proven.statement.reference == "inspection-1"
    assert str(proven.subject) == DAIRY.label()
    assert proven.statement.particulars == {
        "subject": {"id": DAIRY.identifier, "scheme": "uscc"},
        "text": "样品不合格",
    }
    home.audited()


def test_a_person_is_bound_first_and_named_by_its_label_alone(home: Home, tmp_path: Path) -> None:
    label = "A" * 42 + "E"
    binding = draft(
        issuer=f"uscc:{REGISTRY.identifier}",
        jti="binding-1",
        subject=label,
        particulars={"subject": {"id": PERSON.identifier, "scheme": "uscc"}},
        weighing={
            "kind": "binding",
            "code": "one-person-business",
            "outcome": "bound",
            "decided_on": "2026-01-05",
        },
    )
    found = draft(subject=PERSON.identifier)
    early = home.xin("state", written(tmp_path, "found.json", found))
    assert early.refusal == "EXPORT_NOT_EXPORTABLE"
    home.ok("state", written(tmp_path, "binding.json", binding))
    entry = home.tree_size()
    home.ok("state", tmp_path / "found.json")
    proven = proven_at(home, entry)
    assert str(proven.subject) == label
    assert proven.statement.particulars == {"text": "样品不合格"}


def test_what_cannot_be_signed_is_refused_before_anything_is_sent(
    home: Home, tmp_path: Path
) -> None:
    good = written(tmp_path, "good.json", draft())
    held = home.rows()
    for bad, code in [
        (draft(issuer=f"uscc:{DAIRY.identifier}"), "LEDGER_KEY_NOT_KEPT"),
        (draft(subject="uscc:1"), "LEDGER_IDENTIFIER_INVALID"),
        (draft(particulars={"text": 1.5}), "LEDGER_NOT_CANONICAL"),
        (draft(jti="of my own"), "LEDGER_STATEMENT_INVALID"),
        ([], DraftUnfit.code),
    ]:
        file = written(tmp_path, "bad.json", bad)
        refused = home.xin("state", good, file)
        assert refused.refusal == code, refused.err
        assert f"  where  {file}" in refused.err
    assert home.rows() == held


def test_what_its_issuer_may_not_state_is_refused_by_the_door(home: Home, tmp_path: Path) -> None:
    held = home.rows()
    file = written(tmp_path, "draft.json", draft(issuer=REGISTRY.identifier))
    refused = home.xin("state", file)
    assert refused.refusal == "LEDGER_MANDATE_MISSING"
    assert f"  where  {file} / kind" in refused.err
    assert home.rows() == held


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param(b"\xff", (), id="no UTF-8"),
        pytest.param(b'{"issuer":"a","issuer":"b"}', (), id="a member twice"),
        pytest.param(b'{"issuer":NaN}', (), id="no number"),
        pytest.param(b"[" * 100_000, (), id="nested too deep"),
        pytest.param(b" " * (DRAFT_BYTES_MAX + 1), (), id="too large"),
        pytest.param(json.dumps(draft(more=1)).encode(), (), id="a member too many"),
        pytest.param(json.dumps(draft(issuer=1)).encode(), ("issuer",), id="no issuer"),
        pytest.param(
            json.dumps(draft(particulars=[])).encode(), ("particulars",), id="no particulars"
        ),
        pytest.param(
            json.dumps(draft(weighing={"code": "x"})).encode(), ("weighing",), id="no kind"
        ),
        pytest.param(
            json.dumps(draft(weighing={"kind": "x", "points": 3})).encode(),
            ("weighing",),
            id="what does not weigh",
        ),
    ],
)
def test_what_is_no_draft_is_refused(text: bytes, path: tuple[str, ...]) -> None:
    with pytest.raises(DraftUnfit) as refused:
        Written.parse(text)
    assert refused.value.path == path


def test_a_value_that_cannot_weigh_is_refused_with_its_place() -> None:
    for name, value in (("severity", "grave"), ("decided_on", "2026-02-30"), ("measures", {})):
        weighing = {**WEIGHING, name: value}
        with pytest.raises(StatementInvalid) as refused:
            Written.parse(json.dumps(draft(weighing=weighing)).encode())
        assert refused.value.path == ("weighing", name)
