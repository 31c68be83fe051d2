"""`xin policy adopt`: a credit policy from a file, with a server and without."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from api.demo import POLICY
from api.founding import adopt_policy
from api.service import Service
from credit.document import DOCUMENT_BYTES_MAX
from credit.errors import PolicyError
from credit.policy import Policy
from ledger.canonical import Json, decode, encode
from tests.api.homes import Home
from tests.world import DAIRY, REGISTRY

FIRST = 3
"""After the genesis, and key and mandate of the door."""


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    """A founded log without a policy."""
    home = Home(tmp_path / "home", database_url)
    home.ok("init", "--operator", "tests")
    return home


def policy(**changed: Json) -> bytes:
    """The published policy, with some members changed."""
    document = decode(POLICY.read_bytes().strip())
    assert isinstance(document, dict)
    return encode({**document, **changed})


def test_a_policy_is_adopted_once_and_a_later_one_goes_before_it(
    home: Home, tmp_path: Path
) -> None:
    adopted = json.loads(home.ok("policy", "adopt", POLICY, "--json"))
    assert adopted == {
        "duplicate": False,
        "effective_from": "2020-01-01",
        "hash": Policy.parse(policy()).hash.hex(),
        "leaf_index": FIRST,
        "name": "xinyuan-export-credit",
        "superseded_by": None,
        "version": "0.2.0",
    }
    again = json.loads(home.ok("policy", "adopt", POLICY, "--json"))
    assert again == {**adopted, "duplicate": True}
    newer = tmp_path / "newer.json"
    newer.write_bytes(policy(version="0.2.1") + b"\n")
    assert home.ok("policy", "adopt", newer).splitlines() == [
        f"entry {FIRST + 1}: policy xinyuan-export-credit 0.2.1 is adopted",
        f"  SHA-256    {Policy.parse(policy(version='0.2.1')).hash.hex()}",
        "  in force   from 2020-01-01",
    ]
    behind = json.loads(home.ok("policy", "adopt", POLICY, "--json"))
    assert behind == {**adopted, "duplicate": True, "superseded_by": FIRST + 1}
    assert home.ok("policy", "adopt", POLICY).splitlines()[-1] == (
        f"  behind     the policy of entry {FIRST + 1}, adopted later"
    )
    assert home.tree_size() == FIRST + 2
    home.audited()


def test_a_server_that_runs_rates_by_the_policy_at_once(home: Home, tmp_path: Path) -> None:
    registry = ("keys", "begin", REGISTRY.identifier, "--name", "en=Registry", "--kinds", "filing")
    home.ok(*registry)
    home.ok("credential", "give", REGISTRY.identifier, "--tier", "authority")
    believed = home.ok("credential", "issuers").strip()
    draft = tmp_path / "filing.json"
    draft.write_text(filing())
    with home.with_settings(XIN_CREDENTIAL_ISSUERS=believed).serving():
        home.ok("state", draft)
        asked = ("enterprise", DAIRY.identifier, "--as", "authority")
        unrated = home.xin(*asked)
        assert "CREDIT_POLICY_UNKNOWN" in unrated.out + unrated.err
        entry = home.tree_size()
        adopted = json.loads(home.ok("policy", "adopt", POLICY, "--json"))
        assert (adopted["leaf_index"], adopted["duplicate"]) == (entry, False)
        assert json.loads(home.ok("policy", "adopt", POLICY, "--json")) == {
            **adopted,
            "duplicate": True,
        }
        # Answered when queries see it, and with it all that was stated before.
        draft.write_text(filing(jti="filing-2"))
        home.ok("state", draft)
        assert "\nGrade B" in home.ok(*asked)
        assert home.tree_size() == entry + 2
    home.audited()


def filing(jti: str = "filing-1") -> str:
    """The draft of a statement that files the dairy."""
    draft = {
        "issuer": f"uscc:{REGISTRY.identifier}",
        "jti": jti,
        "particulars": {"country": "CN", "name": {"en": "Dairy"}},
        "subject": f"uscc:{DAIRY.identifier}",
        "weighing": {
            "code": "enterprise",
            "decided_on": "2025-01-02",
            "kind": "filing",
            "outcome": "accepted",
        },
    }
    return json.dumps(draft)


@pytest.mark.parametrize(
    ("document", "code", "where"),
    [
        pytest.param(b"", "CREDIT_POLICY_MALFORMED", None, id="empty"),
        pytest.param(policy() + b"\n\n", "CREDIT_POLICY_MALFORMED", None, id="two lines"),
        pytest.param(
            json.dumps(json.loads(policy()), indent=1).encode(),
            "CREDIT_POLICY_MALFORMED",
            None,
            id="not canonical",
        ),
        pytest.param(
            b"[" + b"0," * DOCUMENT_BYTES_MAX, "CREDIT_POLICY_MALFORMED", None, id="too large"
        ),
        pytest.param(policy(more=1), "CREDIT_POLICY_MEMBER", "more", id="a member too many"),
        pytest.param(policy(version="1"), "CREDIT_POLICY_VALUE", "version", id="no version"),
        pytest.param(
            policy(start={"flag": "new", "grade": "E", "instead": []}),
            "CREDIT_POLICY_REFERENCE",
            "start / grade",
            id="a grade without a threshold",
        ),
    ],
)
def test_what_is_no_policy_is_refused_by_the_policys_own_code(
    home: Home, tmp_path: Path, document: bytes, code: str, where: str | None
) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(document)
    held = home.rows()
    refused = home.xin("policy", "adopt", file)
    assert refused.refusal == code
    assert [line for line in refused.err.splitlines() if line.startswith("  where")] == (
        [] if where is None else [f"  where  {where}"]
    )
    assert home.rows() == held


def unfit(section: str, *path: str | int, member: Json) -> bytes:
    """The published policy with a member at a path of a section changed, or left out for None."""
    document = decode(POLICY.read_bytes().strip())
    place: Any = document[section] if isinstance(document, dict) else None
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = member
    if member is None:
        del place[path[-1]]
    return encode(document)


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        pytest.param(
            unfit("unweighed", "treatment", member=None),
            "CREDIT_POLICY_GAP",
            ("kinds", "treatment"),
            id="a kind of the ledger left out",
        ),
        pytest.param(
            unfit("kinds", "inspection", "inconclusive", member=None),
            "CREDIT_POLICY_GAP",
            ("kinds", "inspection", "inconclusive"),
            id="an outcome of the ledger left out",
        ),
        pytest.param(
            unfit("unweighed", "recall", member=False),
            "CREDIT_POLICY_REFERENCE",
            ("unweighed", "recall"),
            id="a kind that the ledger has not",
        ),
        pytest.param(
            unfit("points", 9, "when", 0, "code", member=["safty"]),
            "CREDIT_POLICY_REFERENCE",
            ("points", 9, "when", 0, "code"),
            id="a code that the ledger has not",
        ),
    ],
)
async def test_a_policy_that_does_not_fit_the_ledger_is_not_adopted(
    home: Home, tmp_path: Path, document: bytes, code: str, path: tuple[str | int, ...]
) -> None:
    Policy.parse(document)
    file = tmp_path / "policy.json"
    file.write_bytes(document)
    held = await asyncio.to_thread(home.rows)
    refused = await asyncio.to_thread(home.xin, "policy", "adopt", file)
    assert refused.refusal == code
    assert f"  where  {' / '.join(map(str, path))}" in refused.err.splitlines()
    # Nor is an entry that somebody else signed, which only the writer sees.
    async with Service.opened(home.settings, writes=True) as service:
        with pytest.raises(PolicyError) as refusal:
            await adopt_policy(service, document)
    assert (refusal.value.code, refusal.value.path) == (code, path)
    assert await asyncio.to_thread(home.rows) == held


def test_a_policy_that_is_too_large_for_an_entry_is_refused(home: Home, tmp_path: Path) -> None:
    document = policy()
    caps: list[Json] = [
        {
            "id": f"{'C' * 60}{number:03}",
            "months": 12,
            "points": 1,
            "when": [{"kind": "fraud-case"}],
        }
        for number in range(320)
    ]
    large = policy(caps=caps)
    assert len(document) < len(large) < DOCUMENT_BYTES_MAX
    Policy.parse(large)
    file = tmp_path / "policy.json"
    file.write_bytes(large)
    held = home.rows()
    assert home.xin("policy", "adopt", file).refusal == "LEDGER_TOKEN_MALFORMED"
    assert home.rows() == held
    assert home.xin("policy", "adopt", tmp_path / "nowhere").code == 2
