"""C2SP tlog-proof and RFC 9942 receipts from the doors, checked by a verifier of no shared code."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import xinyuan
from xinyuan.leaf_proof import verify_leaf_proof
from xinyuan.policy import WitnessPolicy as TheirPolicy

from api.app import create_app
from api.cosigning import Cosigning
from api.entry_proofs import sign_receipt
from api.errors import SizeUnknown
from api.export import write_proof
from api.heads import shown_head
from api.service import genesis_of
from api.witnessing import create_witness_app
from ledger.cose_receipt import ConsistencyProof, InclusionProof, Receipt
from ledger.entries import Entries
from ledger.errors import (
    EntryUnknown,
    KeyNotKept,
    NoteUnverified,
    ProofInvalid,
    QuorumMissing,
)
from ledger.keystore import Keystore
from ledger.merkle import leaf_hash
from ledger.note import SignedNote, Verifier
from ledger.proof import LogProof
from ledger.witness import Witness
from ledger.witness_policy import WitnessPolicy
from tests.api.doors import Doors, fine

ENTRY = "query($i: Natural!) { entry(leafIndex: $i) { ... on Entry { leaf label receipt } } }"


async def log_key(doors: Doors) -> Verifier:
    return (await genesis_of(doors.service.database)).log_key


async def leaf_at(doors: Doors, leaf_index: int) -> bytes:
    async with doors.service.database.reading() as session:
        return (await Entries(session).at(leaf_index)).leaf


async def test_every_entry_is_proven_in_both_forms(doors: Doors) -> None:
    await doors.state(*(doors.draft(fine()) for _ in range(9)))
    size, key = doors.service.writer.tree_size, (await log_key(doors)).vkey
    for leaf_index in range(size):
        leaf = await leaf_at(doors, leaf_index)
        text = await doors.client.get(f"/tlog-proof/{leaf_index}")
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert text.headers["cache-control"] == "no-cache"
        found = verify_leaf_proof(text.content, key)
        assert (found.leaf_index, found.tree_size, found.leaf) == (leaf_index, size, leaf)
        assert str(LogProof.parse(text.content)).encode() == text.content
        cose = await doors.client.get(f"/receipt/{leaf_index}")
        assert cose.headers["content-type"] == 'application/cose; cose-type="cose-sign1"'
        found = verify_leaf_proof(cose.content, key, leaf=leaf)
        assert (found.leaf_index, found.tree_size) == (leaf_index, size)
        assert bytes(Receipt.parse(cose.content)) == cose.content


async def test_the_graph_gives_the_receipt_that_http_gives(doors: Doors) -> None:
    (stated,) = await doors.state(doors.draft(fine()))
    entry = (await doors.ask(ENTRY, {"i": stated.leaf_index}))["entry"]
    receipt = base64.b64decode(entry["receipt"])
    assert receipt == (await doors.client.get(f"/receipt/{stated.leaf_index}")).content
    key = (await log_key(doors)).vkey
    found = verify_leaf_proof(receipt, key, leaf=entry["leaf"].encode())
    assert found.holds == ("statement", entry["label"])


async def test_a_receipt_of_consistency_leads_from_any_older_root(doors: Doors) -> None:
    await doors.state(*(doors.draft(fine()) for _ in range(9)))
    size, key = doors.service.writer.tree_size, await log_key(doors)
    async with doors.service.database.reading() as session:
        roots = [await Entries(session).root_at(old) for old in range(1, size + 1)]
    for old_size in range(1, size):
        answer = await doors.client.get(f"/receipt/consistency/{old_size}")
        receipt = Receipt.parse(answer.content)
        assert isinstance(receipt.proof, ConsistencyProof)
        assert (receipt.proof.old_size, receipt.proof.tree_size) == (old_size, size)
        assert receipt.root(roots[old_size - 1], key) == roots[-1]


@pytest.mark.parametrize("stem", ["tlog-proof", "receipt", "receipt/consistency"])
async def test_what_cannot_be_proven_is_refused(doors: Doors, stem: str) -> None:
    size = doors.service.writer.tree_size
    for number in ("x", "-1", "01", "1.0", "%31%0a", "9" * 17):
        answer = await doors.client.get(f"/{stem}/{number}")
        assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_MALFORMED")
    for beyond in (size, size + 1, 2**53):
        answer = await doors.client.get(f"/{stem}/{beyond}")
        assert (answer.status_code, answer.json()["code"]) == (404, "LEDGER_ENTRY_UNKNOWN")
    nothing = await doors.client.get("/receipt/consistency/0")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "LEDGER_ENTRY_UNKNOWN")


async def test_a_proof_is_given_under_an_older_head_too(doors: Doors, tmp_path: Path) -> None:
    size = doors.service.writer.tree_size
    await doors.state(doors.draft(fine()))
    await doors.state(doors.draft(fine()))
    key = (await log_key(doors)).vkey
    answer = await doors.client.get("/tlog-proof/2", params={"tree_size": size})
    assert verify_leaf_proof(answer.content, key).tree_size == size
    for asked, status, code in (
        (size + 9, 404, "LOG_SIZE_UNKNOWN"),
        ("07", 400, "REQUEST_MALFORMED"),
    ):
        refused = await doors.client.get("/tlog-proof/2", params={"tree_size": asked})
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    beyond = await doors.client.get(f"/tlog-proof/{size}", params={"tree_size": size})
    assert (beyond.status_code, beyond.json()["code"]) == (404, "LEDGER_ENTRY_UNKNOWN")
    file = tmp_path / "2.tlog-proof"
    settings = doors.service.settings
    assert await write_proof(settings, "tlog-proof", 2, file, tree_size=size) > 0
    assert file.read_bytes() == answer.content
    with pytest.raises(SizeUnknown):
        await write_proof(settings, "tlog-proof", 2, file, tree_size=size + 9)
    with pytest.raises(EntryUnknown):
        await write_proof(settings, "tlog-proof", size + 2, file)
    assert file.read_bytes() == answer.content


async def test_no_root_is_signed_that_was_not_signed_as_a_checkpoint(
    doors: Doors, tmp_path: Path
) -> None:
    service = doors.service
    async with service.database.reading() as session:
        head = await shown_head(session, None)
        path = tuple(await Entries(session).inclusion_path(2, head.tree_size))
        proof, known = InclusionProof(head.tree_size, 2, path), leaf_hash(await leaf_at(doors, 2))
        other = leaf_hash(b"another leaf")
        entries, keystore = Entries(session), service.keystore
        receipt = await sign_receipt(entries, keystore, head, proof, known)
        assert receipt.proof == proof
        with pytest.raises(ProofInvalid):
            await sign_receipt(entries, keystore, head, proof, other)
        stranger = Keystore(tmp_path / "strangers")
        with pytest.raises(KeyNotKept):
            await sign_receipt(entries, stranger, head, proof, known)
        stranger.create("log")
        with pytest.raises(KeyNotKept):
            await sign_receipt(entries, stranger, head, proof, known)
        # Another head than one that this key signed, of the same size.
        forged = replace(head, note=SignedNote(f"{head.note.text}x\n", head.note.signatures))
        with pytest.raises(NoteUnverified):
            await sign_receipt(entries, keystore, forged, proof, known)


async def test_a_process_without_the_log_key_signs_nothing_and_proves_the_rest(
    doors: Doors, tmp_path: Path
) -> None:
    service = replace(doors.service, keystore=Keystore(tmp_path / "empty"))
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
        refused = await client.get("/receipt/2")
        assert (refused.status_code, refused.json()["code"]) == (422, "LEDGER_KEY_NOT_KEPT")
        assert (await client.get("/tlog-proof/2")).status_code == 200
        question = {"query": ENTRY, "variables": {"i": 2}}
        answer = (await client.post("/graphql", json=question)).json()
        assert answer["data"]["entry"]["receipt"] is None
        assert answer["errors"][0]["extensions"]["code"] == "LEDGER_KEY_NOT_KEPT"


@asynccontextmanager
async def witnessed(doors: Doors, folder: Path) -> AsyncIterator[tuple[str, Cosigning]]:
    """Two witnesses of two keys each; the text of a policy that asks for all four."""
    key = (await log_key(doors)).vkey
    logs = WitnessPolicy.parse(f"log {key}\nquorum none\n".encode())
    service = doors.service
    async with (
        Witness.opened(folder / "w1", "w1.test", logs, now=lambda: datetime.now(UTC)) as first,
        Witness.opened(folder / "w2", "w2.test", logs, now=lambda: datetime.now(UTC)) as second,
    ):
        keys = [*first.verifiers, *second.verifiers]
        names = [f"{key.name.partition('.')[0]}-{number % 2}" for number, key in enumerate(keys)]
        lines = [
            f"witness {name} {one.vkey} http://{one.name}/"
            for name, one in zip(names, keys, strict=True)
        ]
        text = "\n".join([*lines, f"group all all {' '.join(names)}", "quorum all", ""])
        mounts = {
            f"http://{one.verifiers[0].name}": httpx.ASGITransport(create_witness_app(one))
            for one in (first, second)
        }
        client = httpx.AsyncClient(mounts=mounts, trust_env=False)
        policy = WitnessPolicy.parse(text.encode())
        yield text, Cosigning(service.database, service.writer, policy, client)
        await client.aclose()


async def test_proofs_carry_the_cosignatures_that_a_policy_asks_for(
    doors: Doors, tmp_path: Path
) -> None:
    (stated,) = await doors.state(doors.draft(fine()))
    key = (await log_key(doors)).vkey
    async with witnessed(doors, tmp_path) as (text, cosigning):
        policy, theirs = WitnessPolicy.parse(text.encode()), TheirPolicy.parse(text.encode())
        settings = replace(doors.service.settings, witness_policy=policy)
        file = tmp_path / "proof"
        # Before a quorum there is nothing to show.
        for kind in ("statement", "tlog-proof"):
            with pytest.raises(QuorumMissing):
                await write_proof(settings, kind, stated.leaf_index, file)
        assert not file.exists()
        assert await cosigning.step() == 0
        size = doors.service.writer.tree_size
        await write_proof(settings, "statement", stated.leaf_index, file)
        found = xinyuan.verify(file.read_bytes(), key, policy=theirs)
        assert found.cosignatures.witnesses == ("w1-0", "w1-1", "w2-0", "w2-1")
        assert found.checkpoint.tree_size == size
        unwitnessed = xinyuan.verify(file.read_bytes(), key)
        assert unwitnessed.cosignatures.unchecked == ("w1.test", "w1.test", "w2.test", "w2.test")
        service = replace(doors.service, settings=settings, cosigning=cosigning)
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
            answer = await client.get(f"/tlog-proof/{stated.leaf_index}")
            leaf = verify_leaf_proof(answer.content, key, policy=theirs)
            assert leaf.cosignatures == found.cosignatures
            # What no witness has seen yet is proven to nobody.
            (unseen,) = await doors.state(doors.draft(fine()))
            for stem in ("tlog-proof", "receipt"):
                beyond = await client.get(f"/{stem}/{unseen.leaf_index}")
                assert beyond.status_code == 404
            assert await cosigning.step() == 0
            older = await client.get(f"/tlog-proof/{stated.leaf_index}?tree_size={size}")
            assert older.content == answer.content
            newer = await client.get(f"/tlog-proof/{unseen.leaf_index}")
            assert verify_leaf_proof(newer.content, key, policy=theirs).tree_size == size + 1
            unkept = await client.get(f"/tlog-proof/{stated.leaf_index}?tree_size=3")
            assert (unkept.status_code, unkept.json()["code"]) == (503, "LEDGER_QUORUM_MISSING")
