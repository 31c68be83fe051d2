"""RFC 9942: our COSE receipts as `scitt-cose` reads them, and what it refuses."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint
from ledger.cose_receipt import InclusionProof, Receipt, issue_receipt
from ledger.merkle import Hash, inclusion_path, leaf_hash, root
from ledger.note import Signer
from ledger.seed_key import SeedKey
from tests.peers.oracles import Oracles, decoded, encoded

LOG = Signer("log.test/receipts", SeedKey(bytes(range(32))))
ENTRIES = [b"entry %d" % index for index in range(300)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def node(level: int, index: int) -> Hash:
    return root(LEAVES[index << level : (index + 1) << level])


def head(size: int) -> Checkpoint:
    return Checkpoint(LOG.name, size, root(LEAVES[:size]))


def receipt(index: int, size: int) -> Receipt:
    proof = InclusionProof(size, index, tuple(inclusion_path(index, size, node)))
    return issue_receipt(LOG.sign_bytes, LOG.verifier, head(size), proof, LEAVES[index])


def told(
    shown: Receipt | bytes, entry: bytes, public_key: bytes = LOG.verifier.public_key
) -> dict[str, Any]:
    of_receipt, of_entry, of_key = encoded(bytes(shown), entry, public_key)
    return {"receipt": of_receipt, "entry": of_entry, "public_key": of_key}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 300])
def test_it_takes_our_receipts(oracles: Oracles, size: int) -> None:
    for index in {0, size // 2, size - 1}:
        taken = oracles.accepts("scitt_receipt", **told(receipt(index, size), ENTRIES[index]))
        assert (taken["size"], taken["index"]) == (size, index)
        assert (taken["issuer"], taken["key_id"]) == (LOG.name, LOG.verifier.key_id.hex())
        assert decoded([taken["root"]]) == [head(size).root_hash]


def test_it_takes_none_for_another_entry(oracles: Oracles) -> None:
    said = oracles.refuses("scitt_receipt", **told(receipt(100, 300), b"another"))
    assert said.startswith("signature: ")


def test_it_takes_none_under_a_foreign_key(oracles: Oracles) -> None:
    foreign = Signer(LOG.name, SeedKey(bytes(32))).verifier.public_key
    said = oracles.refuses("scitt_receipt", **told(receipt(100, 300), ENTRIES[100], foreign))
    assert said.startswith("signature: ")


def test_it_takes_none_over_a_root_that_we_did_not_sign(oracles: Oracles) -> None:
    # An honest path to the head of 300, under the signature of the head of 299.
    honest, other = receipt(100, 300), receipt(100, 299)
    forged = replace(honest, signature=other.signature)
    said = oracles.refuses("scitt_receipt", **told(forged, ENTRIES[100]))
    assert said.startswith("signature: ")


def test_it_takes_none_with_a_flipped_bit(oracles: Oracles) -> None:
    raw = bytes(receipt(4, 7))
    refused = [
        not oracles.ask("scitt_receipt", **told(flipped(raw, at), ENTRIES[4]))["accepts"]
        for at in range(len(raw))
    ]
    assert refused == [True] * len(raw)


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
