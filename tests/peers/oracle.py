"""Other people's verifiers, asked from outside: runs in `.peers`, never imported by a test.

    answers     one line of JSON in, one line out, until standard input ends
    QUESTIONS   name of a question to the function that asks a library

A question is `{"ask": name, …}`, with bytes in base64. An answer is `{"accepts": true, …}` or
`{"accepts": false, "says": …}`: a refusal is what the library itself calls one, by a returned
"no" or an exception it documents. Anything else it raises is `{"broke": …}`, so that no test takes
a mistake of ours for a verdict.

Each question translates and decides nothing. Libraries are imported when they are first asked.
"""

from __future__ import annotations

import base64
import json
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

Question = dict[str, Any]
Answer = dict[str, Any]
Verdict = TypeVar("Verdict")


class Refused(Exception):
    """The library said no."""


def raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


# aics-tlog


def tlog_leaf_hash(question: Question) -> Answer:
    from aics_tlog import leaf_hash

    return {"hash": text_of(leaf_hash(raw(question["entry"])))}


def tlog_inclusion(question: Question) -> Answer:
    from aics_tlog import verify_inclusion

    return judged(
        verify_inclusion(
            raw(question["leaf_hash"]),
            question["index"],
            question["size"],
            [raw(item) for item in question["path"]],
            raw(question["root"]),
        )
    )


def tlog_consistency(question: Question) -> Answer:
    from aics_tlog import verify_consistency

    return judged(
        verify_consistency(
            question["old_size"],
            question["new_size"],
            raw(question["old_root"]),
            raw(question["new_root"]),
            [raw(item) for item in question["path"]],
        )
    )


def tlog_vkey(question: Question) -> Answer:
    from aics_tlog import parse_vkey

    key = refusing(ValueError, lambda: parse_vkey(question["vkey"]))
    return {"name": key.name, "key_id": key.key_id.hex(), "public_key": text_of(key.public_key)}


def tlog_note(question: Question) -> Answer:
    from aics_tlog import parse_note

    note = refusing(ValueError, lambda: parse_note(raw(question["note"])))
    lines = [[line.name, text_of(line.key_id + line.signature)] for line in note.signatures]
    return {"text": note.text, "signatures": lines}


def tlog_checkpoint(question: Question) -> Answer:
    """Signed by the log, and cosigned by so many of the witnesses."""
    from aics_tlog import parse_note, parse_vkey, verify_checkpoint

    note = refusing(ValueError, lambda: parse_note(raw(question["note"])))
    result = verify_checkpoint(
        note,
        parse_vkey(question["log_key"]),
        [parse_vkey(witness) for witness in question.get("witnesses", [])],
        question.get("quorum", 0),
        expected_origin=question["origin"],
        now=question.get("now"),
        max_age_seconds=question.get("max_age_s"),
    )
    if not result.ok:
        raise Refused(result.error)
    return {"size": result.size, "root": text_of(result.root), "witnesses": result.witnesses}


def tlog_tile_path(question: Question) -> Answer:
    from aics_tlog.tiles import parse_entry_bundle_path, parse_tile_path

    path = question["path"]
    if path.startswith("tile/entries/"):
        index, width = refusing(ValueError, lambda: parse_entry_bundle_path(path))
        return {"tile": [-1, index, width or 256]}
    level, index, width = refusing(ValueError, lambda: parse_tile_path(path))
    return {"tile": [level, index, width or 256]}


def tlog_entry_bundle(question: Question) -> Answer:
    from aics_tlog.tiles import parse_entry_bundle

    entries = refusing(ValueError, lambda: parse_entry_bundle(raw(question["bundle"])))
    return {"entries": [text_of(entry) for entry in entries]}


def tlog_audit(question: Question) -> Answer:
    """Every tile and bundle of a log, at its own address, under a head signed by its key."""
    from aics_tlog import HttpTileReader, audit_tiles, parse_note, parse_vkey, verify_checkpoint
    from aics_tlog.tiles import TileMissingError, TileUnavailableError, TileVerificationError

    reader = HttpTileReader(question["url"], proxies={})
    note = refusing(ValueError, lambda: parse_note(reader.read_checkpoint()))
    head = verify_checkpoint(
        note, parse_vkey(question["log_key"]), expected_origin=question["origin"]
    )
    if not head.ok:
        raise Refused(head.error)
    errors = (TileMissingError, TileUnavailableError, TileVerificationError)
    report = refusing(errors, lambda: audit_tiles(reader, head.size, head.root))
    return {"size": report.size, "tiles": report.tiles, "bundles": report.bundles}


def tlog_proofs(question: Question) -> Answer:
    """Proofs that this library makes itself from the tiles at an address."""
    from aics_tlog import HttpTileReader, consistency_proof_from_tiles, inclusion_proof_from_tiles

    reader, size = HttpTileReader(question["url"], proxies={}), question["size"]
    inclusion = [
        [text_of(item) for item in inclusion_proof_from_tiles(reader, index, size, size)]
        for index in question["indexes"]
    ]
    consistency = [
        [text_of(item) for item in consistency_proof_from_tiles(reader, old_size, size, size)]
        for old_size in question["old_sizes"]
    ]
    return {"inclusion": inclusion, "consistency": consistency}


def tlog_build(question: Question) -> Answer:
    """Every tile and bundle of the tree over some entries."""
    from aics_tlog.tiles import materialise_tiles

    tiles = materialise_tiles([raw(entry) for entry in question["entries"]])
    return {"tiles": {path: text_of(data) for path, data in tiles.items()}}


# aics-tlog as a log, cosigned by a witness of ours through aics-witness


def witness_feed(question: Question) -> Answer:
    """Grow a log in a folder, and ask a witness over HTTP for its head after each step."""
    from aics_tlog import (
        Checkpoint,
        DirectoryTileStore,
        IncrementalTileWriter,
        consistency_proof_from_tiles,
        sign_checkpoint,
    )
    from aics_witness.feeder import (
        BadWitnessResponse,
        WitnessClient,
        WitnessConflict,
        WitnessRejected,
        merge_cosignatures,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    store = DirectoryTileStore(question["folder"], fsync=False)
    writer = IncrementalTileWriter(store, question["size"])
    key, origin = Ed25519PrivateKey.from_private_bytes(raw(question["seed"])), question["origin"]
    refusals = (WitnessRejected, WitnessConflict, BadWitnessResponse)

    def prove(old_size: int, new_size: int) -> list[bytes]:
        proof: list[bytes] = consistency_proof_from_tiles(store, old_size, new_size, writer.size)
        return proof

    notes = []
    state = Path(question["folder"]) / "witnessed.json"
    with WitnessClient(question["witness"], question["witness_key"], state_path=state) as client:
        for batch in question["batches"]:
            writer.append([raw(entry) for entry in batch])
            head = Checkpoint(origin=origin, size=writer.size, root=writer.root())
            note = sign_checkpoint(head, key, origin).to_bytes()
            lines = refusing(refusals, partial(client.submit, note, prove))
            notes.append(text_of(merge_cosignatures(note, lines)))
    return {"notes": notes}


# sigstore


def sigstore_entry(question: Question) -> Answer:
    """The two checks of a log entry in a bundle: inclusion, and the checkpoint over the root."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from sigstore._internal.merkle import verify_merkle_inclusion
    from sigstore._internal.rekor.checkpoint import verify_checkpoint
    from sigstore._internal.trust import Keyring, RekorKeyring
    from sigstore.errors import VerificationError
    from sigstore_models.common.v1 import PublicKey, PublicKeyDetails

    key = Ed25519PublicKey.from_public_bytes(raw(question["public_key"]))
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = PublicKey.from_dict(
        {"rawBytes": text_of(der), "keyDetails": PublicKeyDetails.PKIX_ED25519}
    )
    keyring = RekorKeyring(Keyring([trusted]))
    proof = SimpleNamespace(
        log_index=question["index"],
        tree_size=question["size"],
        root_hash=raw(question["root"]),
        hashes=[raw(item) for item in question["path"]],
        checkpoint=SimpleNamespace(envelope=question["note"]),
    )
    inner = SimpleNamespace(
        inclusion_proof=proof,
        canonicalized_body=raw(question["entry"]),
        log_id=SimpleNamespace(key_id=bytes.fromhex(question["key_id"])),
    )
    entry: Any = SimpleNamespace(_inner=inner)

    def verify() -> None:
        verify_merkle_inclusion(entry)
        verify_checkpoint(keyring, entry)

    refusing(VerificationError, verify)
    return {}


# scitt-cose


def scitt_inclusion(question: Question) -> Answer:
    from scitt_cose.merkle import verify_inclusion

    return judged(
        verify_inclusion(
            raw(question["entry"]).hex(),
            question["index"],
            question["size"],
            [raw(item).hex() for item in question["path"]],
            raw(question["root"]).hex(),
        )
    )


def scitt_consistency(question: Question) -> Answer:
    from scitt_cose.merkle import verify_consistency

    return judged(
        verify_consistency(
            raw(question["old_root"]).hex(),
            raw(question["new_root"]).hex(),
            question["old_size"],
            question["new_size"],
            [raw(item).hex() for item in question["path"]],
        )
    )


def scitt_receipt(question: Question) -> Answer:
    """A COSE receipt for an entry, under the log's key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from scitt_cose.receipt import verify_receipt

    key = Ed25519PublicKey.from_public_bytes(raw(question["public_key"]))
    result = verify_receipt(
        raw(question["receipt"]),
        leaf_entry_hex=raw(question["entry"]).hex(),
        log_public_key_pem=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )
    if not result.ok:
        raise Refused(f"{result.failed_at}: {'; '.join(result.errors)}")
    return {
        "size": result.tree_size,
        "index": result.leaf_index,
        "root": text_of(bytes.fromhex(result.root)),
        "issuer": result.issuer,
        "key_id": result.protected_header_ext[4].hex(),
    }


# SD-JWT


def sd_jwt(question: Question) -> Answer:
    """The IETF's reference implementation: signature, disclosures, and what they say."""
    from jwcrypto.common import JWException
    from jwcrypto.jwk import JWK
    from sd_jwt.verifier import SDJWTVerifier

    # What it raises for a disclosure that is none is left to the libraries below it.
    errors = (JWException, ValueError, KeyError, TypeError)
    key = JWK(**question["jwk"])
    verified = refusing(
        errors,
        lambda: SDJWTVerifier(question["sd_jwt"], lambda _issuer, _header: key),
    )
    return {"payload": refusing(errors, verified.get_verified_payload)}


def proofbundle_sd_jwt(question: Question) -> Answer:
    """Where each disclosure stands; it does not know the algorithm Ed25519 by that name."""
    from proofbundle.sdjwt import verify_sd_jwt

    found = verify_sd_jwt(question["sd_jwt"])
    if not found["structure_ok"]:
        raise Refused(found["detail"])
    return {}


def judged(accepts: bool) -> Answer:
    if not accepts:
        raise Refused("no")
    return {}


def refusing(
    errors: type[Exception] | tuple[type[Exception], ...], ask: Callable[[], Verdict]
) -> Verdict:
    """What it returns; one of these errors is the library's refusal."""
    try:
        return ask()
    except errors as error:
        raise Refused(f"{type(error).__name__}: {error}") from error


QUESTIONS: dict[str, Callable[[Question], Answer]] = {
    question.__name__: question
    for question in (
        tlog_leaf_hash,
        tlog_inclusion,
        tlog_consistency,
        tlog_vkey,
        tlog_note,
        tlog_checkpoint,
        tlog_tile_path,
        tlog_entry_bundle,
        tlog_audit,
        tlog_proofs,
        tlog_build,
        witness_feed,
        sigstore_entry,
        scitt_inclusion,
        scitt_consistency,
        scitt_receipt,
        sd_jwt,
        proofbundle_sd_jwt,
    )
}


def answers() -> None:
    """Answer every question of standard input."""
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"accepts": True, **QUESTIONS[question["ask"]](question)}
        except Refused as refusal:
            answer = {"accepts": False, "says": str(refusal)}
        except Exception:
            answer = {"broke": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answers()
