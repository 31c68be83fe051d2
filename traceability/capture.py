"""From a document to what the ledger takes: one sealed, signed capture.

    capture_reference   the same for the same document of the same party: sending twice is safe
    seal_document       document, party and key to a submission

A capture is signed by the filed party's key, or by the door's for a party that has none; `issuer`
says whose. Its reference is derived from party, context and event bytes, so that a door which
crashed before it answered can be sent the same document again. Pure: secrets are an argument.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

from ledger.admission import Submission
from ledger.canonical import b64url
from ledger.custody import KeptKey
from ledger.identity import SubjectLabel
from ledger.seal import Party, SealedEvent, issue_capture
from traceability.document import Document

_DOMAIN = b"xinyuan capture reference v1\n"


def capture_reference(document: Document, party: Party) -> str:
    """The `jti` of this document captured by this party."""
    return f"epcis-{b64url(_content_hash(document, party))}"


def seal_document(
    document: Document,
    *,
    party: Party,
    issuer: SubjectLabel,
    key: KeptKey,
    issued_at: int,
    secrets: Iterator[bytes],
    jti: str | None = None,
) -> Submission:
    """Seal every event with a secret of its own, and sign. `jti` overrides the derived reference.

    Raises what `ledger.seal.Capture.parse` raises.
    """
    drawn = list(islice(secrets, len(document.events)))
    assert len(drawn) == len(document.events)
    sealed = [
        SealedEvent(event.raw, secret) for event, secret in zip(document.events, drawn, strict=True)
    ]
    capture = issue_capture(
        key=key,
        issuer=issuer,
        jti=jti or capture_reference(document, party),
        capture_id=_capture_id(_content_hash(document, party)),
        issued_at=issued_at,
        party=party,
        context=document.context,
        events=sealed,
    )
    return Submission((capture,))


def _content_hash(document: Document, party: Party) -> bytes:
    hash_ = hashlib.sha256(_DOMAIN + f"{party.scheme}\n{party.identifier}\n".encode())
    for part in (document.context, *(event.raw for event in document.events)):
        hash_.update(hashlib.sha256(part).digest())
    return hash_.digest()


def _capture_id(content_hash: bytes) -> str:
    """A UUID of version 8, RFC 9562 §5.8: 122 bits of the hash."""
    octets = bytearray(content_hash[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
