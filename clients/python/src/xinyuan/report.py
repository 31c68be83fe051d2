"""The verdict on a proof file, for people and for programs.

    verified_text  what was proven and what was not, in plain words
    refused_text   what failed, and where in the file
    verified_json  the same as one JSON object
    leaf_text, leaf_json   both, of a proof of one leaf
    refused_json   the error object of the wire

Whoever made the file chose many of these words: characters that could move the cursor or
turn the direction of writing are shown by their number. Pure.
"""

import json
from collections.abc import Iterator

from xinyuan.canonical import Json, encode
from xinyuan.control import KeyBegin
from xinyuan.errors import VerificationError
from xinyuan.exact_base64 import encode_standard, encode_url
from xinyuan.leaf_proof import VerifiedLeaf
from xinyuan.note import KeyType
from xinyuan.policy import Cosignatures
from xinyuan.proof import ProvenCapture, ProvenStatement, Verified
from xinyuan.statement import WEIGHING

_NAME_WIDTH = 14


def verified_text(verified: Verified) -> str:
    """Say what was proven, entry by entry, and what was not."""
    return "\n".join(_printable(line) for line in _verified_lines(verified)) + "\n"


def leaf_text(verified: VerifiedLeaf) -> str:
    """Say what was proven of one leaf, and what was not."""
    return "\n".join(_printable(line) for line in _leaf_lines(verified)) + "\n"


def leaf_json(verified: VerifiedLeaf) -> str:
    """Give the verdict on a proof of one leaf as one JSON object."""
    form, label = verified.holds or (None, None)
    return _object(
        {
            "checkpoint": {
                "origin": verified.origin,
                "root_hash": encode_standard(verified.root_hash),
                "tree_size": verified.tree_size,
            },
            "cosignatures": _cosignatures_json(verified.cosignatures),
            "entry": {
                "form": form,
                "index": verified.leaf_index,
                "label": label,
                "leaf": verified.leaf.decode("utf-8", "backslashreplace"),
            },
            "kind": verified.form.value,
            "not_proven": list(verified.not_proven),
            "verified": True,
        }
    )


def refused_text(error: VerificationError) -> str:
    """Say what failed and where."""
    lines = [f"REFUSED  {error.message}", f"  code   {error.code}"]
    if error.path:
        lines.append(f"  where  {' / '.join(map(str, error.path))}")
    return "\n".join(_printable(line) for line in lines) + "\n"


def verified_json(verified: Verified) -> str:
    """Give the verdict as one JSON object."""
    return _object(
        {
            "checkpoint": {
                "origin": verified.checkpoint.origin,
                "root_hash": encode_standard(verified.checkpoint.root_hash),
                "tree_size": verified.checkpoint.tree_size,
            },
            "cosignatures": _cosignatures_json(verified.cosignatures),
            "entries": [
                _statement_json(entry)
                if isinstance(entry, ProvenStatement)
                else _capture_json(entry)
                for entry in verified.entries
            ],
            "genesis_hash": verified.genesis_hash.hex(),
            "kind": verified.kind.value,
            "log_key_index": verified.log_key.leaf_index,
            "log_keys": [key.text for key in verified.log_key.keys],
            "not_proven": list(verified.not_proven),
            "operator": verified.genesis.operator,
            "policies": [
                {
                    "index": policy.leaf_index,
                    "policy": policy.policy,
                    "policy_hash": policy.policy_hash.hex(),
                }
                for policy in verified.policies
            ],
            "verified": True,
        }
    )


def refused_json(error: VerificationError) -> str:
    """Give the refusal as one JSON object."""
    return _object(
        {
            "error": {"code": error.code.value, "message": error.message, "path": list(error.path)},
            "verified": False,
        }
    )


def _object(value: dict[str, Json]) -> str:
    # Not canonical.encode: what is shown may lie a few levels deeper here than on the wire.
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def _verified_lines(verified: Verified) -> Iterator[str]:
    checkpoint, genesis = verified.checkpoint, verified.genesis
    yield f"VERIFIED  {verified.kind} proof, {len(verified.entries)} of the log's entries"
    yield ""
    yield _line("log", f"{checkpoint.origin}, operator: {genesis.operator}")
    yield _line("tree size", f"{checkpoint.tree_size} entries")
    yield _line("root hash", encode_standard(checkpoint.root_hash))
    yield from _cosignature_lines(verified.cosignatures)
    since = f"since entry {verified.log_key.leaf_index}"
    for key in verified.log_key.keys:
        kind = "Ed25519" if key.key_type is KeyType.ED25519 else "ML-DSA-44"
        yield _line("signed with", f"{kind} key {key.key_id.hex()}, {since}")
    yield _line("genesis", f"{verified.genesis_hash.hex()}  (hash of entry 0, for pinning)")
    for entry in verified.entries:
        yield ""
        if isinstance(entry, ProvenStatement):
            yield from _statement_lines(entry)
        else:
            yield from _capture_lines(entry)
    for policy in verified.policies:
        yield ""
        yield f"Entry {policy.leaf_index}: a rating policy, adopted under the log's root key"
        yield _line("policy", f"SHA-256 {policy.policy_hash.hex()}")
    yield ""
    yield "Not proven"
    for sentence in verified.not_proven:
        yield f"  - {sentence}"


def _leaf_lines(verified: VerifiedLeaf) -> Iterator[str]:
    yield f"VERIFIED  {verified.form}, one of the log's entries"
    yield ""
    yield _line("log", verified.origin)
    yield _line("tree size", f"{verified.tree_size} entries")
    yield _line("root hash", encode_standard(verified.root_hash))
    if verified.cosignatures is not None:
        yield from _cosignature_lines(verified.cosignatures)
    yield ""
    yield f"Entry {verified.leaf_index}: a leaf, in the log and unchanged"
    if verified.holds is not None:
        form, label = verified.holds
        yield _line("commits to", f"a {form}")
        yield _line("label", label)
    yield _line("leaf", verified.leaf.decode("utf-8", "backslashreplace"))
    yield ""
    yield "Not proven"
    for sentence in verified.not_proven:
        yield f"  - {sentence}"


def _cosignature_lines(cosignatures: Cosignatures) -> Iterator[str]:
    if cosignatures.quorum is not None:
        names = ", ".join(cosignatures.witnesses) or "nobody"
        yield _line("cosigned by", f"{names}; quorum {cosignatures.quorum} is met")
    if cosignatures.unchecked:
        yield _line("not checked", f"cosignatures of {', '.join(cosignatures.unchecked)}")


def _statement_lines(entry: ProvenStatement) -> Iterator[str]:
    statement = entry.statement
    yield f"Entry {entry.leaf_index}: a statement, in the log and unchanged"
    yield from _signer_lines(entry.signer)
    allowed = statement.kind or f"one of {', '.join(sorted(entry.mandate.kinds))}"
    yield _line("mandate", f"{allowed}, by entry {entry.mandate.leaf_index}")
    yield _line("reference", statement.reference)
    yield _line("issued at", statement.issued_at.isoformat())
    yield _line("subject label", statement.subject)
    # The issuer chose the names below; indented, none can pass for a line of the verdict.
    yield "  it states"
    for name in WEIGHING:
        withheld = name not in statement.weighing
        yield _stated(name, "(withheld)" if withheld else _shown(statement.weighing[name]))
    for name, value in statement.particulars.items():
        yield _stated(name, _shown(value))
    if statement.particulars_withheld:
        yield _line("withheld", f"{statement.particulars_withheld} further particulars")


def _capture_lines(entry: ProvenCapture) -> Iterator[str]:
    capture = entry.capture
    yield f"Entry {entry.leaf_index}: a capture of EPCIS events, in the log and unchanged"
    yield from _signer_lines(entry.signer)
    if entry.mandate is None:
        yield _line("mandate", "none needed: the party signed for itself")
    else:
        yield _line("mandate", f"signs for others, by entry {entry.mandate.leaf_index}")
    yield _line("party", f"{entry.party.scheme} {entry.party.identifier}")
    yield _line("reference", capture.reference)
    yield _line("issued at", capture.issued_at.isoformat())
    yield _line("capture label", capture.subject)
    yield _line("events", f"{capture.count}, all that this capture sealed")
    for event in entry.events:
        yield f"    {event.text}"


def _signer_lines(signer: KeyBegin) -> Iterator[str]:
    names = " / ".join(signer.names.values()) or "(no name in the log)"
    yield _line("signed by", names)
    kept = "kept by the operator (custodial)" if signer.custodial else "kept by the signer"
    yield _line("key", f"{signer.key.thumbprint}, since entry {signer.leaf_index}, {kept}")
    yield _line("issuer label", signer.issuer)


def _line(name: str, value: str) -> str:
    return f"  {name:<{_NAME_WIDTH}}  {value}"


def _stated(name: str, value: str) -> str:
    return f"    {name:<{_NAME_WIDTH}}{value}"


def _shown(value: Json) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else encode(value).decode("utf-8")


def _printable(line: str) -> str:
    return "".join(
        character if character.isprintable() else f"\\u{{{ord(character):x}}}" for character in line
    )


def _cosignatures_json(cosignatures: Cosignatures | None) -> Json:
    if cosignatures is None:
        return None
    return {
        "quorum": cosignatures.quorum,
        "unchecked": list(cosignatures.unchecked),
        "witnesses": list(cosignatures.witnesses),
    }


def _statement_json(entry: ProvenStatement) -> Json:
    statement = entry.statement
    return {
        "index": entry.leaf_index,
        "issued_at": statement.issued_at.isoformat(),
        "mandate_index": entry.mandate.leaf_index,
        "particulars": dict(statement.particulars),
        "particulars_withheld": statement.particulars_withheld,
        "reference": statement.reference,
        "signer": _signer_json(entry.signer),
        "subject": statement.subject,
        "type": "statement",
        "weighing": dict(statement.weighing),
        "withheld": list(statement.withheld),
    }


def _capture_json(entry: ProvenCapture) -> Json:
    capture = entry.capture
    return {
        "capture": capture.capture_id,
        "context": entry.context,
        "events": [{"raw": event.text, "seal": encode_url(event.seal)} for event in entry.events],
        "index": entry.leaf_index,
        "issued_at": capture.issued_at.isoformat(),
        "mandate_index": None if entry.mandate is None else entry.mandate.leaf_index,
        "party": {"id": entry.party.identifier, "scheme": entry.party.scheme},
        "reference": capture.reference,
        "signer": _signer_json(entry.signer),
        "subject": capture.subject,
        "type": "capture",
    }


def _signer_json(signer: KeyBegin) -> Json:
    return {
        "custodial": signer.custodial,
        "issuer": signer.issuer,
        "key_index": signer.leaf_index,
        "kid": signer.key.thumbprint,
        "name": dict(signer.names),
    }
