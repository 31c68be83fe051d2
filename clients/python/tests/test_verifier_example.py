"""The worked example of every wire form, reproduced byte for byte; RFC 9162, RFC 9901, C2SP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import xinyuan
from xinyuan import Code, leaf, merkle
from xinyuan.capture import Capture, Event, Party, split_members
from xinyuan.checkpoint import Checkpoint
from xinyuan.control import Control
from xinyuan.exact_base64 import encode_url
from xinyuan.label import capture_label, control_label, subject_label
from xinyuan.note import SignedNote, VerifierKey
from xinyuan.proof import ProvenStatement
from xinyuan.statement import Disclosure, Statement
from xinyuan.token import PublicKey

if TYPE_CHECKING:
    from clients.python.tests.conftest import Ledger


def _leaves(example: dict[str, Any]) -> list[bytes]:
    leaves: list[bytes] = []
    for entry in example["leaves"]:
        match entry["form"]:
            case "control":
                control = Control.parse(entry["token"])
                leaves.append(leaf.control_leaf(control.token.text, control.subject))
            case "statement":
                statement = Statement.parse(entry["sd_jwt"])
                leaves.append(leaf.statement_leaf(statement.token.text, statement.subject))
            case _:
                capture = Capture.parse(entry["token"])
                leaves.append(leaf.capture_leaf(capture.token.text, capture.subject))
    return leaves


def test_every_leaf_and_its_hash_are_rebuilt_from_the_token(example: dict[str, Any]) -> None:
    leaves = _leaves(example)
    assert [leaf.decode() for leaf in leaves] == [entry["leaf"] for entry in example["leaves"]]
    assert [merkle.leaf_hash(leaf).hex() for leaf in leaves] == [
        entry["leaf_hash"] for entry in example["leaves"]
    ]


def test_every_root_is_that_of_the_leaves_so_far(example: dict[str, Any]) -> None:
    leaves = _leaves(example)
    assert [merkle.root_hash(leaves[: size + 1]).hex() for size in range(len(leaves))] == [
        entry["root_at_size"] for entry in example["leaves"]
    ]


def test_the_checkpoint_is_signed_by_the_log_and_states_the_last_root(
    example: dict[str, Any],
) -> None:
    note = SignedNote.parse(example["checkpoint"])
    assert note.is_signed_by(VerifierKey.parse(example["log_vkey"]))
    assert Checkpoint.parse(note.text) == Checkpoint(
        origin="ledger.example/xinyuan",
        tree_size=5,
        root_hash=bytes.fromhex(example["leaves"][-1]["root_at_size"]),
        extensions=(),
    )


def test_the_map_key_reads_and_has_not_signed_the_log(example: dict[str, Any]) -> None:
    map_key = VerifierKey.parse(example["map_vkey"])
    assert map_key.name == "ledger.example/xinyuan/map"
    assert not SignedNote.parse(example["checkpoint"]).is_signed_by(map_key)


def test_every_key_id_is_the_thumbprint_of_its_key(example: dict[str, Any]) -> None:
    for key in example["keys"].values():
        assert PublicKey.parse(key["jwk"]).thumbprint == key["kid"]


def test_every_label_is_derived_from_what_it_names(example: dict[str, Any]) -> None:
    derived = {}
    for name in example["labels"]:
        domain, _, rest = name.partition(" ")
        if domain == "control":
            derived[name] = control_label(rest)
        else:
            scheme, identifier = rest.split(" ")
            derived[name] = (subject_label if domain == "subject" else capture_label)(
                scheme, identifier
            )
    assert derived == example["labels"]


def test_every_subject_tree_is_that_of_its_indexes_and_leaf_hashes(example: dict[str, Any]) -> None:
    for subject, tree in example["subject_tree"].items():
        inputs = [
            entry["index"].to_bytes(8, "big") + bytes.fromhex(entry["leaf_hash"])
            for entry in example["leaves"]
            if json.loads(entry["leaf"])["sub"] == subject
        ]
        assert len(inputs) == tree["count"]
        assert merkle.root_hash(inputs).hex() == tree["root"]


def test_every_disclosure_opens_the_member_the_example_names(example: dict[str, Any]) -> None:
    entry = example["leaves"][3]
    statement = Statement.parse(entry["sd_jwt"])
    assert [*statement.weighing, *statement.particulars] == [
        disclosed["member"] for disclosed in entry["disclosures"]
    ]
    assert statement.withheld == ()
    assert statement.particulars_withheld == 0
    assert statement.weighing["measures"] == {"samples": 5, "samples_failed": 1}
    assert statement.particulars["text"] == "菌落总数超标"
    for disclosed in entry["disclosures"]:
        assert Disclosure.parse(disclosed["disclosure"]).name in (None, disclosed["member"])


def test_every_seal_and_the_events_root_are_those_of_the_example(example: dict[str, Any]) -> None:
    entry = example["leaves"][4]
    events = [
        Event.parse(event["bytes"], context=entry["context"], secret=event["secret"])
        for event in entry["events"]
    ]
    assert [event.seal.hex() for event in events] == [event["seal"] for event in entry["events"]]
    root = merkle.root_hash([event.seal for event in events])
    assert encode_url(root) == entry["payload"]["events_root"]
    party = Party("uscc", "91150121MA0XY0010Q")
    Capture.parse(entry["token"]).check(events, context=entry["context"], party=party)


def test_every_member_is_split_off_as_it_was_received(example: dict[str, Any]) -> None:
    entry = example["leaves"][4]
    for event in entry["events"]:
        sealed = {"@context": entry["context"], **split_members(event["bytes"])}
        assert sealed == {member["name"]: member["raw"] for member in event["members"]}


def test_a_proof_of_the_example_statement_is_verified(
    example: dict[str, Any], example_ledger: Ledger
) -> None:
    file = example_ledger.proof("statement", 3) | {"checkpoint": example["checkpoint"]}
    verified = xinyuan.verify(example_ledger.written(file), example["log_vkey"])
    assert verified.checkpoint.tree_size == 5
    assert verified.genesis_hash.hex() == example["leaves"][0]["leaf_hash"]
    (entry,) = verified.entries
    assert isinstance(entry, ProvenStatement)
    assert entry.leaf_index == 3
    assert entry.signer.names["en"] == "Market Supervision (example)"
    assert entry.mandate.kinds == {"enforcement", "inspection"}
    assert entry.statement.reference == "NM-2026-000123"


def test_the_example_capture_is_refused_because_its_log_gives_the_dairy_no_key(
    example: dict[str, Any], example_ledger: Ledger
) -> None:
    file = example_ledger.proof("capture", 4)
    with pytest.raises(xinyuan.VerificationError) as refused:
        xinyuan.verify(example_ledger.written(file), example["log_vkey"])
    assert refused.value.code is Code.KEY_UNKNOWN
    assert refused.value.path == ("entries", 0, "capture", "header", "kid")
