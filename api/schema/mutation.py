"""The root of writing. An officer's portal calls the typed mutations; systems send finished tokens.

    Mutation                         the fields; those of single kinds are `api.schema.recording`'s
    Submitted, Captured              what was done
    CaptureSigner                    whose hand signed

The server signs with the key that the credential's authority placed in its custody. The
`idempotencyKey` becomes the statement's reference: sent again, the same content is answered with
its first index, other content is refused. A Refusal means that nothing was written; anything else
means that what was written is durable and that queries see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from enum import Enum
from typing import Annotated

import strawberry

from api.access import Tier
from api.errors import KNOWN, EnterpriseUnknown, TierForbidden
from api.founding import DOOR_LABEL, DOOR_NAME
from api.lines import parse_statements
from api.schema.outcome import Refusal
from api.schema.recording import Acknowledged, Recording, named_subject
from api.schema.session import Info, Session
from api.schema.tiers import described, only
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.custodial import custodial_key
from ledger.custody import KeptKey
from ledger.errors import KeyNotKept
from ledger.identity import Identity, SubjectLabel
from ledger.seal import SECRET_BYTES, Capture, Party
from ledger.statement import check_reference
from traceability.capture import seal_document
from traceability.document import Document


@strawberry.type(description="All statements were sealed.")
class Submitted:
    """What `submitStatements` did."""

    entries: list[Acknowledged] = strawberry.field(description="In the order they were sent.")


@strawberry.enum(description="Whose key signed a capture.")
class CaptureSigner(Enum):
    """The party's own, or the door's."""

    PARTY = strawberry.enum_value("party", description="The party's own key, kept here for it.")
    DOOR = strawberry.enum_value(
        "door", description="This server's key, for a party that has none."
    )


@strawberry.type(description="EPCIS events were sealed as one entry.")
class Captured:
    """What `captureEvents` did."""

    entry: Acknowledged = strawberry.field(description="Where it stands.")
    capture_id: str = strawberry.field(description="UUID of the capture.")
    event_count: int = strawberry.field(description="Events sealed in it.")
    party: SubjectLabel = strawberry.field(description="Who captured, by its label in statements.")
    signed_by: CaptureSigner = strawberry.field(description="Whose key signed it.")


SubmitResult = Annotated[
    Submitted | Refusal,
    strawberry.union("SubmitResult", description="What was sealed, or why nothing was."),
]
CaptureResult = Annotated[
    Captured | Refusal,
    strawberry.union("CaptureResult", description="What was captured, or why nothing was."),
]

_AUTHORITY = only(Tier.AUTHORITY)


@strawberry.type(description="What can be written. Each mutation is whole or refused.")
class Mutation(Recording):
    """Every root field of writing."""

    @described(
        description="Submit finished statements, all or none. Bulk goes to POST /entries.",
        metadata=_AUTHORITY,
    )
    async def submit_statements(
        self,
        info: Info,
        statements: Annotated[
            list[str],
            strawberry.argument(
                description="SD-JWTs with every disclosure (RFC 9901), 1 to 1,000."
            ),
        ],
    ) -> SubmitResult:
        context = info.context
        try:
            context.caller.require(Tier.AUTHORITY)
            writer = context.writer
            bodies = await asyncio.to_thread(parse_statements, statements)
            acknowledgements = await writer.submit(Submission(tuple(bodies)))
            await context.service.followed(_beyond(acknowledgements))
        except KNOWN as error:
            return info.context.refused(error)
        return Submitted(entries=[Acknowledged(acknowledgement=one) for one in acknowledgements])

    @described(
        description="Seal the events of an EPCIS 2.0 document as one entry.",
        metadata=only(Tier.ENTERPRISE, Tier.AUTHORITY),
    )
    async def capture_events(
        self,
        info: Info,
        document: Annotated[
            str,
            strawberry.argument(
                description="The document's JSON text, 10 MiB and 500 events at most; events are "
                "sealed exactly as they are spelled."
            ),
        ],
        party: Annotated[
            str | None,
            strawberry.argument(
                description="Who captured: by default the credential's own enterprise; only an "
                "authority may name another, as `enterprise(id:)` takes it."
            ),
        ] = None,
        idempotency_key: Annotated[
            str | None,
            strawberry.argument(
                description="1 to 64 characters of A-Za-z0-9._:-; by default derived from party "
                "and document, so that sending twice is safe."
            ),
        ] = None,
    ) -> CaptureResult:
        try:
            return await _capture(info.context, document, party, idempotency_key)
        except KNOWN as error:
            return info.context.refused(error)


async def _capture(
    context: Session, document_text: str, party_text: str | None, jti: str | None
) -> Captured:
    own = context.caller.require(Tier.ENTERPRISE, Tier.AUTHORITY)
    writer = context.writer
    subject, identity = await named_subject(context, own if party_text is None else party_text)
    if subject != own and context.caller.tier is not Tier.AUTHORITY:
        raise TierForbidden("an enterprise captures for itself alone", path=("party",))
    party = _party(subject, identity)
    issuer, key = _signing_key(context, subject)
    reference = None if jti is None else check_reference(jti)
    submission, count = await asyncio.to_thread(
        _sealed,
        document_text,
        party=party,
        issuer=issuer,
        key=key,
        issued_at=int(context.service.now().timestamp()),
        jti=reference,
    )
    (acknowledgement,) = await writer.submit(submission)
    await context.service.followed(acknowledgement.leaf_index + 1)
    (capture,) = submission.bodies
    assert isinstance(capture, Capture)
    return Captured(
        entry=Acknowledged(acknowledgement=acknowledgement),
        capture_id=capture.capture_id,
        event_count=count,
        party=subject,
        signed_by=CaptureSigner.PARTY if issuer == subject else CaptureSigner.DOOR,
    )


def _sealed(
    text: str, *, party: Party, issuer: SubjectLabel, key: KeptKey, issued_at: int, jti: str | None
) -> tuple[Submission, int]:
    document = Document.parse(text.encode())
    submission = seal_document(
        document,
        party=party,
        issuer=issuer,
        key=key,
        issued_at=issued_at,
        secrets=_secrets(),
        jti=jti,
    )
    return submission, len(document.events)


def _party(subject: SubjectLabel, identity: Identity | None) -> Party:
    if identity is None:
        raise EnterpriseUnknown(
            "who captures is named by its identifier, or is filed", path=("party",)
        )
    return Party.of_person(subject) if identity.is_person else Party.of(identity)


def _signing_key(context: Session, subject: SubjectLabel) -> tuple[SubjectLabel, KeptKey]:
    """The party's key where it is kept here and signs; else the door's."""
    keystore, authorities = context.service.keystore, context.writer.authorities
    with contextlib.suppress(KeyNotKept):
        key = custodial_key(keystore, authorities, subject)
        record = authorities.keys.get(key.kid)
        if record is not None and record.ended_index is None:
            return subject, key
    return DOOR_LABEL, custodial_key(keystore, authorities, DOOR_LABEL, kept_as=DOOR_NAME)


def _secrets() -> Iterator[bytes]:
    while True:
        yield secrets.token_bytes(SECRET_BYTES)


def _beyond(acknowledgements: tuple[Acknowledgement, ...]) -> int:
    return 1 + max(one.leaf_index for one in acknowledgements)
