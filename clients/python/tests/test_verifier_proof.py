"""The proof file `xinyuan-proof/1`: what it proves, and that no byte of it goes unchecked."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import xinyuan
from hypothesis import given, settings
from hypothesis import strategies as st
from xinyuan import VerificationError, Verified
from xinyuan.proof import ProvenCapture, ProvenStatement

if TYPE_CHECKING:
    from clients.python.tests.conftest import Key, Ledger

    NewKey = Callable[[str], Key]

_EVENT = '{"type":"ObjectEvent","action":"ADD","epcList":["https://id.gs1.org/01/06901234567892"]}'
_SHIPPED = '{"type":"ObjectEvent","action":"OBSERVE","bizStep":"shipping"}'


def _statement_file(ledger: Ledger) -> bytes:
    return ledger.written(ledger.proof("statement", ledger.statement()))


def _capture_file(ledger: Ledger) -> bytes:
    return ledger.written(ledger.proof("capture", ledger.capture([_EVENT, _SHIPPED])))


def _enterprise_file(ledger: Ledger) -> bytes:
    policy = ledger.control("policy", {"policy": {"name": "p1", "points": [100]}}, "policy")
    first, second = ledger.statement(), ledger.statement(weighing={"outcome": "pass"})
    return ledger.written(ledger.proof("enterprise", first, second, policies=[policy]))


_FILES = [
    pytest.param(_statement_file, id="statement"),
    pytest.param(_capture_file, id="capture"),
    pytest.param(_enterprise_file, id="enterprise"),
]


def _only_statement(verified: Verified) -> ProvenStatement:
    (entry,) = verified.entries
    assert isinstance(entry, ProvenStatement)
    return entry


def test_a_statement_is_opened_with_its_signer_and_mandate(ledger: Ledger) -> None:
    verified = xinyuan.verify(_statement_file(ledger), ledger.log_key)
    entry = _only_statement(verified)
    assert (entry.leaf_index, verified.checkpoint.tree_size) == (4, 5)
    assert entry.statement.weighing == ledger.WEIGHING
    assert entry.statement.particulars["text"] == "菌落"
    assert entry.signer.names == {"en": "Market Supervision", "zh": "市场监管局"}
    assert entry.mandate.leaf_index == 2
    assert verified.policies == ()


def test_the_python_of_the_readme_verifies_and_says_what_it_refuses(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    names: dict[str, object] = {"data": _statement_file(ledger), "log_key": ledger.log_key}
    exec(block, names)
    assert isinstance(names["verified"], Verified)
    assert capsys.readouterr().out == ""
    exec(block, {**names, "data": b"{}\n"})
    assert capsys.readouterr().out.startswith("FORMAT_UNKNOWN not a proof file")


def test_a_capture_is_opened_with_all_its_events(ledger: Ledger) -> None:
    verified = xinyuan.verify(_capture_file(ledger), ledger.log_key)
    (entry,) = verified.entries
    assert isinstance(entry, ProvenCapture)
    assert [event.text for event in entry.events] == [_EVENT, _SHIPPED]
    assert entry.events[0].members["action"] == '"ADD"'
    assert entry.party.identifier == "91150121MA0XY0010Q"
    assert entry.mandate is None


@pytest.mark.parametrize(
    ("events", "context"),
    [
        pytest.param(['{"@context":[],"type":"x"}'], "[]", id="the only event"),
        pytest.param(['{"@context":[],"type":"x"}', _EVENT], "{}", id="one of two events"),
    ],
)
def test_an_event_is_read_by_a_context_of_its_own(
    ledger: Ledger, events: list[str], context: str
) -> None:
    index = ledger.capture(events, context=context)
    verified = xinyuan.verify(ledger.written(ledger.proof("capture", index)), ledger.log_key)
    assert verified.entries[0].leaf_index == index


def test_an_enterprise_is_opened_with_the_policies_adopted(ledger: Ledger) -> None:
    verified = xinyuan.verify(_enterprise_file(ledger), ledger.log_key)
    assert [entry.leaf_index for entry in verified.entries] == [5, 6]
    (policy,) = verified.policies
    assert policy.policy == {"name": "p1", "points": [100]}
    assert len(policy.policy_hash) == 32


def test_an_enterprise_without_an_adopted_policy_is_verified(ledger: Ledger) -> None:
    file = ledger.proof("enterprise", ledger.statement())
    assert xinyuan.verify(ledger.written(file), ledger.log_key).policies == ()


def test_a_capture_by_an_issuer_with_the_capture_mandate_is_verified(
    ledger: Ledger, new_key: NewKey
) -> None:
    mandate = ledger.mandate(ledger.AUTHORITY, "capture")
    index = ledger.capture([_EVENT], key=new_key("market"), iss=ledger.AUTHORITY)
    verified = xinyuan.verify(ledger.written(ledger.proof("capture", index)), ledger.log_key)
    (entry,) = verified.entries
    assert isinstance(entry, ProvenCapture)
    assert entry.mandate is not None
    assert entry.mandate.leaf_index == mandate


def test_a_one_person_business_is_named_by_its_label_alone(ledger: Ledger, new_key: NewKey) -> None:
    random_label = "stall" + "A" * 38
    ledger.key_begin(new_key("stall"), random_label)
    index = ledger.capture(
        [_EVENT],
        key=new_key("stall"),
        party={"id": random_label, "scheme": "label"},
        iss=random_label,
        sub=ledger.label_of("capture", f"label\n{random_label}"),
    )
    xinyuan.verify(ledger.written(ledger.proof("capture", index)), ledger.log_key)


def test_a_key_signs_until_the_entry_that_ends_it(ledger: Ledger, new_key: NewKey) -> None:
    before = ledger.statement()
    ledger.key_end(new_key("market"), ledger.AUTHORITY)
    file = ledger.proof("statement", before)
    assert _only_statement(xinyuan.verify(ledger.written(file), ledger.log_key)).leaf_index == 4


def test_the_last_mandate_below_an_entry_counts(ledger: Ledger) -> None:
    before = ledger.statement()
    later = ledger.mandate(ledger.AUTHORITY, "ip-case")
    after = ledger.statement(weighing={"kind": "ip-case"})
    mandates = [
        _only_statement(
            xinyuan.verify(ledger.written(ledger.proof("statement", index)), ledger.log_key)
        ).mandate.leaf_index
        for index in (before, after)
    ]
    assert mandates == [2, later]


def test_withheld_members_are_named_and_the_rest_is_verified(ledger: Ledger) -> None:
    file = ledger.proof("statement", ledger.statement())
    token, *disclosures, end = file["entries"][0]["statement"].split("~")
    # In name order: the sixth weighing member is the kind, the last particular is the text.
    opened = [*disclosures[:5], *disclosures[6:-1]]
    file["entries"][0]["statement"] = "~".join([token, *opened, end])
    verified = xinyuan.verify(ledger.written(file), ledger.log_key)
    statement = _only_statement(verified).statement
    assert statement.withheld == ("kind",)
    assert statement.particulars_withheld == 1
    assert any("kind is withheld" in sentence for sentence in verified.not_proven)


def test_it_is_always_said_that_completeness_rests_on_the_operator(ledger: Ledger) -> None:
    verified = xinyuan.verify(_statement_file(ledger), ledger.log_key)
    assert verified.not_proven[0].startswith("Completeness rests on the operator")


def test_it_is_said_when_the_operator_keeps_the_signing_key(ledger: Ledger) -> None:
    statement = xinyuan.verify(_statement_file(ledger), ledger.log_key)
    capture = xinyuan.verify(_capture_file(ledger), ledger.log_key)
    assert not any("custodial" in sentence for sentence in statement.not_proven)
    assert any("custodial" in sentence for sentence in capture.not_proven)


def _accepted(data: bytes, log_key: str) -> bool:
    try:
        xinyuan.verify(data, log_key)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("write", _FILES)
def test_a_change_of_any_byte_is_refused(ledger: Ledger, write: Callable[[Ledger], bytes]) -> None:
    data = write(ledger)
    # One bit a byte, another from byte to byte, so that all eight take their turn.
    accepted = [
        offset
        for offset in range(len(data))
        if _accepted(
            data[:offset] + bytes([data[offset] ^ 1 << offset % 8]) + data[offset + 1 :],
            ledger.log_key,
        )
    ]
    assert accepted == []


@pytest.mark.parametrize("write", _FILES)
def test_a_byte_left_out_or_put_in_is_refused(
    ledger: Ledger, write: Callable[[Ledger], bytes]
) -> None:
    data = write(ledger)
    sample = random.Random(9162)
    for offset in sample.sample(range(len(data)), 400):
        assert not _accepted(data[:offset] + data[offset + 1 :], ledger.log_key)
        put_in = sample.choice(b' \n\t"0aA={}[],:~.\x00')
        assert not _accepted(data[:offset] + bytes([put_in]) + data[offset:], ledger.log_key)
    for end in (b"\n", b" ", b"\x00", b"{}"):
        assert not _accepted(data + end, ledger.log_key)


@pytest.mark.parametrize("write", _FILES)
def test_white_space_anywhere_exchanged_for_other_white_space_is_refused(
    ledger: Ledger, write: Callable[[Ledger], bytes]
) -> None:
    data = write(ledger)
    for offset, byte in enumerate(data):
        for other in b" \t\r\n":
            if byte in b" \t\r\n" and byte != other:
                changed = data[:offset] + bytes([other]) + data[offset + 1 :]
                assert not _accepted(changed, ledger.log_key)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_proof_are_refused_and_never_crash(data: bytes) -> None:
    assert not _accepted(
        data, "ledger.example/xinyuan+67eb0593+ATMMuAby/WTO5e+1iy+e1yAu1lMYSiF9lK2lZBOcwkUf"
    )


def test_a_tree_of_many_entries_proves_each_of_them(ledger: Ledger) -> None:
    indexes = [ledger.statement() for _ in range(17)]
    file = ledger.proof("enterprise", *indexes)
    verified = xinyuan.verify(ledger.written(file), ledger.log_key)
    assert [entry.leaf_index for entry in verified.entries] == indexes


def test_cosignatures_of_strangers_are_passed_over_and_named(
    ledger: Ledger, new_key: NewKey
) -> None:
    file = ledger.proof("statement", ledger.statement())
    cosigned = new_key("witness").note("witness.example", "text\n").split("\n")[-2]
    file["checkpoint"] += cosigned + "\n"
    verified = xinyuan.verify(ledger.written(file), ledger.log_key)
    assert verified.cosignatures.unchecked == ("witness.example",)
    assert (
        "One view for all: no witness policy was given, so the cosignatures of witness.example "
        "were not checked."
    ) in verified.not_proven
