"""C2SP tlog-witness sign-subtree; draft-ietf-plants-merkle-tree-certs §4, as it defines them."""

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.witnessing import create_witness_app
from ledger.checkpoint import Checkpoint
from ledger.cosignature import Timestamped
from ledger.errors import ProofInvalid, RequestToWitnessMalformed
from ledger.merkle import Hash, leaf_hash, root
from ledger.note import KeyType, NoteSignature, SignedNote, Signer
from ledger.subtree import SignSubtree, is_subtree, verify_subtree
from ledger.witness import Witness
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import CONSISTENCY_LENGTH_MAX, AddCheckpoint
from tests.world import key_of

LEAVES = [leaf_hash(bytes([number])) for number in range(33)]
LOG = Signer("log.test/subtrees", key_of("log"))
SUBTREES = [
    (start, end, size)
    for size in range(1, 34)
    for end in range(1, size + 1)
    for start in range(end)
    if is_subtree(start, end)
]


def proof(start: int, end: int, leaves: Sequence[Hash], known: bool = True) -> list[Hash]:
    """SUBTREE_SUBPROOF of §4.4.1."""
    size = len(leaves)
    if (start, end) == (0, size):
        return [] if known else [root(leaves)]
    middle = 1 << (size - 1).bit_length() - 1
    left, right = leaves[:middle], leaves[middle:]
    if end <= middle:
        return [*proof(start, end, left, known), root(right)]
    if middle <= start:
        return [*proof(start - middle, end - middle, right, known), root(left)]
    return [*proof(0, end - middle, right, known=False), root(left)]


def test_a_subtree_starts_at_a_multiple_of_its_rounded_size() -> None:
    assert [end for end in range(20) if is_subtree(8, end)] == list(range(9, 17))
    assert [start for start in range(13) if is_subtree(start, 13)] == [0, 8, 12]
    assert not is_subtree(-4, 0)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_subtree_of_a_tree_is_proven_and_no_other_hash(size: int) -> None:
    whole = root(LEAVES[:size])
    for start, end, of in SUBTREES:
        if of != size:
            continue
        path, part = proof(start, end, LEAVES[:size]), root(LEAVES[start:end])
        verify_subtree(start, end, size, path, part, whole)
        wrong = [
            (path, leaf_hash(b"another"), whole),
            (path, part, leaf_hash(b"another")),
            ([*path, whole], part, whole),
            *([(path[:-1], part, whole), ([*path[:-1], part], part, whole)] if path else []),
        ]
        for changed, hash_, root_hash in wrong:
            if (changed, hash_, root_hash) == (path, part, whole):
                continue
            with pytest.raises(ProofInvalid):
                verify_subtree(start, end, size, changed, hash_, root_hash)


@dataclass
class Asked:
    """A witness of one log, and what it cosigned of size 14."""

    witness: Witness
    note: SignedNote
    client: httpx.AsyncClient

    def request(self, start: int = 8, end: int = 13) -> SignSubtree:
        leaves = LEAVES[:14]
        return SignSubtree(
            start,
            end,
            root(leaves[start:end]),
            tuple(proof(start, end, leaves)),
            self.note,
            Checkpoint.parse(self.note.text),
        )

    async def ask(self, request: SignSubtree | bytes) -> httpx.Response:
        return await self.client.post("/sign-subtree", content=bytes(request))


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    logs = WitnessPolicy.parse(f"log {LOG.verifier.vkey}\nquorum none\n".encode())
    signed = Checkpoint(LOG.name, 14, root(LEAVES[:14])).signed(LOG)
    async with Witness.opened(tmp_path, "w.test", logs, now=lambda: datetime.now(UTC)) as witness:
        lines = await witness.add_checkpoint(AddCheckpoint.of(0, [], signed))
        transport = httpx.ASGITransport(create_witness_app(witness))
        async with httpx.AsyncClient(transport=transport, base_url="http://w.test") as client:
            yield Asked(witness, SignedNote(signed.text, lines), client)


async def test_a_part_of_a_tree_that_was_cosigned_is_cosigned(asked: Asked) -> None:
    (verifier,) = [
        one for one in asked.witness.verifiers if one.key.key_type is KeyType.ML_DSA_44_COSIGNATURE
    ]
    for start, end, size in SUBTREES:
        if size != 14:
            continue
        answer = await asked.ask(asked.request(start, end))
        assert answer.status_code == 200
        (line,) = SignedNote.parse(b"any\n\n" + answer.content).signatures
        assert (line.name, line.key_id) == (verifier.name, verifier.key_id)
        part = root(LEAVES[start:end])
        assert verifier.accepts_subtree(LOG.name, start, end, part, line.signature)
        assert Timestamped.parse(line.signature, verifier.key.key_type).at_s == 0
        # What is signed of a part is never taken for a cosignature of the whole.
        is_whole = (start, end) == (0, size)
        assert verifier.accepts(asked.note.text.encode(), line.signature) is is_whole


async def test_a_request_is_refused_as_the_standard_says(asked: Asked) -> None:
    request = asked.request()
    unknown = Checkpoint("other.test", 14, root(LEAVES[:14]))
    foreign = unknown.signed(Signer("other.test", key_of("other")))
    by_log = request.checkpoint.signed(LOG)
    forged = NoteSignature("w.test", asked.note.signatures[0].key_id, bytes(72))
    requests = {
        404: replace(request, note=foreign, checkpoint=unknown),
        403: replace(request, note=by_log),
        422: replace(request, subtree_hash=LEAVES[0]),
    }
    answers = {status: await asked.ask(one) for status, one in requests.items()}
    assert {status: one.status_code for status, one in answers.items()} == {
        status: status for status in requests
    }
    assert {one.json()["code"] for one in answers.values()} == {
        "LEDGER_ORIGIN_UNKNOWN",
        "LEDGER_CHECKPOINT_UNTRUSTED",
        "LEDGER_CHECKPOINT_INCONSISTENT",
    }
    for path in (request.consistency_path[:-1], (*request.consistency_path, LEAVES[0])):
        assert (await asked.ask(replace(request, consistency_path=path))).status_code == 422
    spoiled = SignedNote(asked.note.text, (forged, *asked.note.signatures[1:]))
    assert (await asked.ask(replace(request, note=spoiled))).status_code == 403
    malformed = await asked.ask(b"subtree 8 13\n")
    assert (malformed.status_code, malformed.json()["code"]) == (
        400,
        "LEDGER_REQUEST_TO_WITNESS_MALFORMED",
    )


async def test_a_request_has_one_spelling(asked: Asked) -> None:
    request = asked.request()
    raw = bytes(request)
    assert SignSubtree.parse(raw) == request
    line = base64.b64encode(LEAVES[0])
    for old, new in (
        (b"subtree 8 13\n", b"subtree 08 13\n"),
        (b"subtree 8 13\n", b"subtree 8  13\n"),
        (b"subtree 8 13\n", b"subtree 8 8\n"),
        (b"subtree 8 13\n", b"subtree 7 13\n"),
        (b"subtree 8 13\n", b"subtree 8 15\n"),
        (b"subtree 8 13\n", b"subtree 8 13\n" + line[:-4] + b"\n"),
        (b"subtree 8 13\n", b"subtree 8 13\n" + (line + b"\n") * CONSISTENCY_LENGTH_MAX),
        (b"subtree", b"subtr\xc3\xa9e"),
        (b"\n\n", b"\n"),
        (b"\n14\n", b"\n014\n"),
        (raw, b"subtree 0 1\n\n" + bytes(1_100_000)),
    ):
        assert old in raw
        with pytest.raises(RequestToWitnessMalformed):
            SignSubtree.parse(raw.replace(old, new, 1))
