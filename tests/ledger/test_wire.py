"""ARCHITECTURE §3: the worked example of every wire form, reproduced byte for byte."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.admission import Bindings, Submission, admit, check_form
from ledger.authority import Authorities
from ledger.candidate import Body, Candidate, leaf_of
from ledger.canonical import encode, unb64url
from ledger.checkpoint import Checkpoint
from ledger.control import Control, issue_control
from ledger.disclosure import split_presentation
from ledger.identity import Identity, control_label
from ledger.merkle import leaf_hash, root
from ledger.note import Signer, Verifier
from ledger.seal import Capture, Party, SealedEvent, issue_capture, member_salt, split_members
from ledger.seed_key import SeedKey
from ledger.statement import Draft, Statement, issue
from ledger.subject_index import SubjectTree
from ledger.token import Token, public_jwk, public_key_of, thumbprint

Example = dict[str, Any]


@pytest.fixture(scope="module")
def example(shared_data: Callable[[str], Path]) -> Example:
    found: Example = json.loads(shared_data("wire/example.json").read_text())
    return found


def seed_of(name: str) -> bytes:
    """As the example says: SHA-256('xinyuan example key NAME')."""
    return sha256(f"xinyuan example key {name}".encode()).digest()


def body_of(leaf: Example) -> Body:
    """A leaf of the example, parsed."""
    token = Token.parse(leaf["token"])
    match leaf["form"]:
        case "control":
            return Control.parse(token)
        case "statement":
            return Statement.parse(token, split_presentation(leaf["sd_jwt"])[1])
        case _:
            events = [
                SealedEvent(event["bytes"].encode(), bytes.fromhex(event["secret"]))
                for event in leaf["events"]
            ]
            party = Party.of(Identity.parse("uscc", "91150121MA0XY0010Q"))
            return Capture.parse(token, party, leaf["context"].encode(), events)


def test_every_key_has_the_jwk_and_thumbprint_of_the_example(example: Example) -> None:
    assert len(example["keys"]) > 2
    for name, key in example["keys"].items():
        public_key = public_key_of(seed_of(name))
        assert public_jwk(public_key) == key["jwk"]
        assert thumbprint(public_key) == key["kid"]


def test_every_label_follows_from_what_it_names(example: Example) -> None:
    market = Identity.parse("uscc", "11150000MB0XY0014W")
    dairy = Identity.parse("uscc", "91150121MA0XY0010Q")
    assert example["labels"] == {
        "subject uscc 11150000MB0XY0014W": market.label(),
        "subject uscc 91150121MA0XY0010Q": dairy.label(),
        "capture uscc 91150121MA0XY0010Q": dairy.capture_label(),
        "control log": control_label("log"),
        f"control issuer {market.label()}": control_label(f"issuer {market.label()}"),
    }


def test_every_leaf_its_hash_and_the_root_there_are_those_of_the_example(example: Example) -> None:
    hashes = []
    for index, leaf in enumerate(example["leaves"]):
        body = body_of(leaf)
        raw = leaf_of(body)
        assert raw == leaf["leaf"].encode()
        hashes.append(leaf_hash(raw))
        assert leaf["index"] == index
        assert hashes[-1].hex() == leaf["leaf_hash"]
        assert root(hashes).hex() == leaf["root_at_size"]
    assert len(hashes) == 5


def test_control_entries_are_signed_again_to_the_same_bytes(example: Example) -> None:
    for leaf in example["leaves"][:3]:
        control = body_of(leaf)
        assert isinstance(control, Control)
        again = issue_control(
            control.content,
            key=SeedKey(seed_of("root")),
            jti=control.jti,
            issued_at=control.issued_at,
        )
        assert again == control


def test_the_statement_is_issued_again_to_the_same_bytes(example: Example) -> None:
    leaf = example["leaves"][3]
    statement = body_of(leaf)
    assert isinstance(statement, Statement)
    assert [item["disclosure"] for item in leaf["disclosures"]] == [
        item.text for item in statement.disclosures
    ]
    salts = iter(
        unb64url(json.loads(unb64url(item["disclosure"]))[0]) for item in leaf["disclosures"]
    )
    draft = Draft(
        issuer=statement.issuer,
        subject=statement.subject,
        jti=statement.jti,
        issued_at=statement.issued_at,
        weighing=statement.weighing,
        particulars=statement.particulars,
    )
    again = issue(draft, SeedKey(seed_of("market")), salts)
    assert again.presentation == leaf["sd_jwt"]
    assert again == statement
    assert statement.token.payload == leaf["payload"]


def test_the_capture_is_sealed_and_issued_again_to_the_same_bytes(example: Example) -> None:
    leaf = example["leaves"][4]
    capture = body_of(leaf)
    assert isinstance(capture, Capture)
    for event, expected in zip(capture.events, leaf["events"], strict=True):
        members = split_members(event.raw)
        members["@context"] = capture.context
        found = [
            {
                "name": name,
                "salt": member_salt(event.secret, name).hex(),
                "raw": members[name].decode(),
            }
            for name in sorted(members)
        ]
        assert found == expected["members"]
        assert event.seal(capture.context).hex() == expected["seal"]
    again = issue_capture(
        key=SeedKey(seed_of("dairy")),
        issuer=capture.issuer,
        jti=capture.jti,
        capture_id=capture.capture_id,
        issued_at=capture.issued_at,
        party=capture.party,
        context=capture.context,
        events=capture.events,
    )
    assert again == capture
    assert encode(capture.token.payload) == encode(leaf["payload"])


def test_the_log_of_the_example_is_admitted_entry_by_entry(example: Example) -> None:
    authorities = Authorities()
    for leaf_index, leaf in enumerate(example["leaves"][:4]):
        body = body_of(leaf)
        check_form(body)
        candidate = Candidate.of(body, signature_checked=False)
        admit(candidate, authorities, Bindings({}), leaf_index=leaf_index)
        if isinstance(body, Control):
            authorities = authorities.after(body, leaf_index)
    assert Submission((body,)).bodies == (body,)
    body_of(example["leaves"][4]).token.verify(public_key_of(seed_of("dairy")))


def test_the_log_signs_the_checkpoint_of_the_example(example: Example) -> None:
    origin = "ledger.example/xinyuan"
    log = Signer(origin, SeedKey(seed_of("log")))
    assert log.verifier.vkey == example["log_vkey"]
    assert Signer(f"{origin}/map", SeedKey(seed_of("map"))).verifier.vkey == example["map_vkey"]
    hashes = [leaf_hash(leaf["leaf"].encode()) for leaf in example["leaves"]]
    checkpoint = Checkpoint(origin, 5, root(hashes))
    assert str(checkpoint.signed(log)) == example["checkpoint"]
    assert base64.b64encode(checkpoint.root_hash).decode() in example["checkpoint"]
    assert Verifier.parse(example["log_vkey"]) == log.verifier


def test_every_subject_has_the_tree_of_its_own_entries(example: Example) -> None:
    assert len(example["subject_tree"]) > 1
    for label, expected in example["subject_tree"].items():
        entries = [
            (leaf["index"], leaf_hash(leaf["leaf"].encode()))
            for leaf in example["leaves"]
            if json.loads(leaf["leaf"])["sub"] == label
        ]
        tree = SubjectTree.of(entries)
        assert (tree.count, tree.root_hash.hex()) == (expected["count"], expected["root"])
