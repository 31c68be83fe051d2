"""Proof files `xinyuan-proof/1`: what the server exports, the verifier of strangers accepts."""

import json
from datetime import date

import pytest
from xinyuan.errors import VerificationError
from xinyuan.proof import ProvenCapture, ProvenStatement, verify

from api.export import ENTRIES_MAX, NotExportable, Proofs
from ledger.canonical import Json
from ledger.control import KeyEnd, Mandate, PolicyAdoption
from ledger.errors import EntryUnknown, LedgerEmpty
from ledger.identity import SubjectLabel
from ledger.note import Signer
from ledger.statement import Severity, Weighing
from ledger.token import public_key_of, thumbprint
from tests.world import (
    CARRIER,
    DAIRY,
    MARKET,
    ORIGIN,
    PERSON,
    REGISTRY,
    World,
    failed_inspection,
    key_of,
    rows_of_all_tables,
    seed_of,
)

LOG_KEY = Signer(ORIGIN, key_of("log")).verifier.vkey

EVENT = (
    b'{ "type": "ObjectEvent",\n "eventTime":"2026-02-01T08:00:00+08:00",'
    b'"epcList" : ["urn:epc:id:sgtin:0614141.107346.2017"] , "action":"OBSERVE",'
    b'"example:\\u4ea7\\u5730": "\xe5\x91\xbc\xe4\xbc\xa6\xe8\xb4\x9d\xe5\xb0\x94" }'
)
OWN_CONTEXT = b'{"@context":["https://example.org/own"], "type":"ObjectEvent"}'


async def exported(world: World, kind: str, what: object, withheld: tuple[str, ...] = ()) -> bytes:
    async with world.database.reading() as session:
        proofs = Proofs(session, withheld=withheld)
        made = getattr(proofs, kind)(what)
        result = await made
        assert isinstance(result, bytes)
        return result


async def test_an_exported_statement_is_verified_with_every_member_open(database_url: str) -> None:
    async with World.opened(database_url) as world:
        statement = world.draft(
            failed_inspection(), particulars={"text": "大肠菌群超标", "product": "Milk powder"}
        )
        (acknowledgement,) = await world.state(statement)
        await world.file(DAIRY, "Later entries change the path")
        verified = verify(await exported(world, "statement", acknowledgement.leaf_index), LOG_KEY)
        assert verified.checkpoint.tree_size == world.sequencer.tree_size
        (proven,) = verified.entries
        assert isinstance(proven, ProvenStatement)
        assert proven.leaf_index == acknowledgement.leaf_index
        assert dict(proven.statement.weighing) == statement.weighing.values()
        assert dict(proven.statement.particulars) == dict(statement.particulars)
        assert proven.statement.withheld == ()


async def test_what_is_withheld_is_not_in_the_file_and_the_rest_still_verifies(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        (acknowledgement,) = await world.state(
            world.draft(failed_inspection(case="case-77"), particulars={"text": "not for all"})
        )
        data = await exported(
            world, "statement", acknowledgement.leaf_index, withheld=("case", "text")
        )
        (proven,) = verify(data, LOG_KEY).entries
        assert isinstance(proven, ProvenStatement)
        assert proven.statement.withheld == ("case",)
        assert proven.statement.particulars_withheld == 1
        assert set(proven.statement.particulars) == {"subject"}


async def test_an_exported_capture_is_verified_with_all_its_events(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        acknowledgement = await world.capture(EVENT, OWN_CONTEXT)
        verified = verify(await exported(world, "capture", acknowledgement.leaf_index), LOG_KEY)
        (proven,) = verified.entries
        assert isinstance(proven, ProvenCapture)
        assert proven.party.identifier == DAIRY.identifier
        assert [json.loads(event.text) for event in proven.events] == [
            json.loads(EVENT),
            json.loads(OWN_CONTEXT),
        ]
        assert proven.mandate is None


async def test_a_context_that_no_event_takes_is_left_out_of_the_file(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        acknowledgement = await world.capture(OWN_CONTEXT)
        verified = verify(await exported(world, "capture", acknowledgement.leaf_index), LOG_KEY)
        (proven,) = verified.entries
        assert isinstance(proven, ProvenCapture)
        assert proven.context == '["https://example.org/own"]'


async def test_a_capture_signed_by_another_carries_that_signers_mandate(database_url: str) -> None:
    async with World.opened(database_url) as world:
        acknowledgement = await world.capture(EVENT, party=CARRIER, issuer=MARKET, key="market")
        verified = verify(await exported(world, "capture", acknowledgement.leaf_index), LOG_KEY)
        (proven,) = verified.entries
        assert isinstance(proven, ProvenCapture)
        assert proven.mandate is not None
        assert str(proven.mandate.issuer) == MARKET.label()


async def test_an_exported_enterprise_holds_all_its_statements_and_the_policies(
    database_url: str,
) -> None:
    async with World.opened(database_url) as world:
        filed = await world.file(DAIRY, "Dairy")
        await world.file(CARRIER, "Carrier")
        (failed,) = await world.state(world.draft(failed_inspection()))
        policy = await world.control(PolicyAdoption({"any": "policy"}))
        fraud = Weighing(
            kind="fraud-case",
            code="refund-fraud",
            outcome="suspected",
            severity=Severity.MINOR,
            decided_on=date(2026, 2, 12),
        )
        (suspected,) = await world.state(world.draft(fraud))
        data = await exported(world, "enterprise", DAIRY.label())
        verified = verify(data, LOG_KEY)
        assert [entry.leaf_index for entry in verified.entries] == [
            filed.leaf_index,
            failed.leaf_index,
            suspected.leaf_index,
        ]
        assert [policy.leaf_index for policy in verified.policies] == [policy.leaf_index]
        signers = {entry.signer.names["en"] for entry in verified.entries}
        assert signers == {"registry", "market"}


async def test_a_person_is_exported_by_the_random_label_alone(database_url: str) -> None:
    async with World.opened(database_url) as world:
        label = SubjectLabel("p" * 42 + "A")
        binding = Weighing(
            kind="binding",
            code="one-person-business",
            outcome="bound",
            decided_on=date(2026, 1, 5),
        )
        person: Json = {"id": PERSON.identifier, "scheme": "uscc"}
        await world.state(
            world.draft(
                binding,
                about=label,
                particulars={"subject": person},
                issuer=REGISTRY,
                key="registry",
            )
        )
        await world.state(world.draft(failed_inspection(), about=label))
        data = await exported(world, "enterprise", label, withheld=("subject",))
        assert PERSON.identifier.encode() not in data
        assert len(verify(data, LOG_KEY).entries) == 2


async def test_the_history_of_the_signers_key_goes_with_the_proof(database_url: str) -> None:
    async with World.opened(database_url) as world:
        (acknowledgement,) = await world.state(world.draft(failed_inspection()))
        await world.control(KeyEnd(MARKET.label(), thumbprint(public_key_of(seed_of("market")))))
        await world.control(Mandate(MARKET.label(), ()))
        data = await exported(world, "statement", acknowledgement.leaf_index)
        indexes = [entry["index"] for entry in json.loads(data)["controls"]]
        # Genesis; the market's key and mandate; their ends. The registry's are not needed.
        assert indexes == [0, 3, 4, 6, 7]
        assert verify(data, LOG_KEY).entries[0].leaf_index == acknowledgement.leaf_index


@pytest.mark.parametrize("position", range(0, 1_000, 83))
async def test_a_changed_byte_is_refused_by_name(position: int, tmp_path: object) -> None:
    async with World.opened(f"sqlite+aiosqlite:///{tmp_path}/ledger.sqlite") as world:
        (acknowledgement,) = await world.state(world.draft(failed_inspection()))
        data = bytearray(await exported(world, "statement", acknowledgement.leaf_index))
    data[position * len(data) // 1_000] ^= 1
    with pytest.raises(VerificationError) as refusal:
        verify(bytes(data), LOG_KEY)
    assert refusal.value.message


async def test_what_is_not_there_is_refused_and_nothing_is_written(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.begin_key("dairy", DAIRY.label())
        capture = await world.capture(EVENT)
        (statement,) = await world.state(world.draft(failed_inspection()))
        held = await rows_of_all_tables(world.database)
        for kind, what in (
            ("statement", capture.leaf_index),
            ("statement", 0),
            ("capture", statement.leaf_index),
            ("enterprise", CARRIER.label()),
        ):
            with pytest.raises(NotExportable) as refusal:
                await exported(world, kind, what)
            assert refusal.value.code == "EXPORT_NOT_EXPORTABLE"
        for beyond in (world.sequencer.tree_size, -1, 2**62):
            with pytest.raises(EntryUnknown):
                await exported(world, "statement", beyond)
        assert await rows_of_all_tables(world.database) == held


async def test_an_empty_log_proves_nothing(database_url: str) -> None:
    async with World.opened(database_url, founded=False) as world:
        with pytest.raises(LedgerEmpty):
            await exported(world, "enterprise", DAIRY.label())


async def test_an_enterprise_of_many_entries_is_read_some_at_a_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.export.READ_MAX", 2)
    async with World.opened(database_url) as world:
        stated = [await world.state(world.draft(failed_inspection())) for _ in range(5)]
        verified = verify(await exported(world, "enterprise", DAIRY.label()), LOG_KEY)
    assert [entry.leaf_index for entry in verified.entries] == [
        acknowledgement.leaf_index for (acknowledgement,) in stated
    ]


async def test_a_file_is_never_longer_than_the_verifier_reads(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ENTRIES_MAX == 10_000
    monkeypatch.setattr("api.export.ENTRIES_MAX", 2)
    async with World.opened(database_url) as world:
        for _ in range(2):
            await world.state(world.draft(failed_inspection()))
        await exported(world, "enterprise", DAIRY.label())
        await world.state(world.draft(failed_inspection()))
        with pytest.raises(NotExportable) as refusal:
            await exported(world, "enterprise", DAIRY.label())
        assert refusal.value.path == ("enterprise",)
