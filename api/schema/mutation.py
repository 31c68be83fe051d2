"""The root of writing. An officer's portal calls the typed mutations; systems send finished tokens.

    InspectionInput, EnforcementInput, FraudCaseInput, IpCaseInput   what an officer records
    DocumentInput, ProductInput      what it may carry
    Recorded, Submitted, Captured    what was done
    Acknowledged, CaptureSigner      where it stands, and whose hand signed
    Mutation                         the fields

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
from api.schema.enterprise import resolve_subject
from api.schema.outcome import Refusal
from api.schema.scalars import Day, Natural
from api.schema.session import Info, Session
from api.schema.statement import Statement, statement_of
from api.schema.tiers import described, only
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.canonical import Json
from ledger.custodial import custodial_key
from ledger.custody import KeptKey
from ledger.directory import Directory
from ledger.errors import EntryUnknown, KeyNotKept
from ledger.identity import Identity, SubjectLabel
from ledger.merkle import Hash
from ledger.seal import SECRET_BYTES, Capture, Party
from ledger.statement import Severity, Weighing, check_reference
from traceability.capture import seal_document
from traceability.document import Document


@strawberry.input(description="A document behind a statement, by its digest.")
class DocumentInput:
    """A document by its digest."""

    name: str = strawberry.field(description="What it is called; 1 to 200 characters.")
    sha256: str = strawberry.field(description="SHA-256 of its bytes, 64 hexadecimal digits.")


@strawberry.input(description="The goods a statement is about.")
class ProductInput:
    """Goods in words and numbers."""

    name: str | None = strawberry.field(default=None, description="In words; 1 to 200 characters.")
    code: str | None = strawberry.field(
        default=None, description="The authority's own product code; 1 to 32 characters."
    )
    gtin: str | None = strawberry.field(
        default=None, description="GS1 trade item number, 14 digits."
    )
    lot: str | None = strawberry.field(
        default=None, description="The producer's lot; 1 to 20 characters."
    )
    serial: str | None = strawberry.field(
        default=None, description="The producer's serial number; 1 to 20 characters."
    )


@strawberry.input
class _FindingInput:
    """What the inputs of all four kinds share; no type of the schema by itself."""

    subject: str = strawberry.field(
        description="Whom it is about: a social credit identifier, `<scheme>:<identifier>`, or "
        "the label of a filed enterprise or bound person."
    )
    code: str = strawberry.field(description="What was found or done: a code of the kind.")
    outcome: str = strawberry.field(description="How it ended: an outcome of the kind.")
    decided_on: Day = strawberry.field(
        description="The day of the decision; publicity and decay count from here."
    )
    idempotency_key: str = strawberry.field(
        description="Becomes the statement's reference: 1 to 64 characters of A-Za-z0-9._:-, "
        "never used by this authority for anything else."
    )
    severity: Severity | None = strawberry.field(
        default=None, description="Needed where the outcome has a gravity, refused where not."
    )
    occurred_on: Day | None = strawberry.field(default=None, description="The day it happened.")
    effective_on: Day | None = strawberry.field(
        default=None, description="The day from which it holds, if not that of the decision."
    )
    basis: str | None = strawberry.field(
        default=None, description="What it rests on: lab, field or document."
    )
    case: str | None = strawberry.field(
        default=None,
        description="Joins the statements of one matter: a random identifier, 1 to 64 characters.",
    )
    refers: str | None = strawberry.field(
        default=None, description="The commitment of the statement it refers to, from its leaf."
    )
    text: str | None = strawberry.field(
        default=None, description="The finding in words; 1 to 2,000 characters. Erasable."
    )
    number: str | None = strawberry.field(
        default=None, description="The number of the decision; 1 to 64 characters. Erasable."
    )
    place: str | None = strawberry.field(
        default=None, description="Where it happened; 1 to 200 characters. Erasable."
    )
    product: ProductInput | None = strawberry.field(default=None, description="The goods.")
    documents: list[DocumentInput] | None = strawberry.field(
        default=None, description="Documents behind it, 32 at most."
    )
    synthetic: bool = strawberry.field(
        default=False, description="True for invented demonstration data."
    )

    def weighing(self, kind: str, measures: dict[str, Natural | None]) -> Weighing:
        """The members that weigh."""
        given: dict[str, int] = {
            name: value for name, value in measures.items() if value is not None
        }
        return Weighing(
            kind=kind,
            code=self.code,
            outcome=self.outcome,
            severity=self.severity,
            occurred_on=self.occurred_on,
            decided_on=self.decided_on,
            effective_on=self.effective_on,
            case=self.case,
            refers=self.refers,
            measures=given or None,
            basis=self.basis,
        )

    def particulars(self, identity: Identity | None, **more: Json) -> dict[str, Json]:
        """The erasable members; an organisation is named, a person's label is not."""
        product = self.product or ProductInput()
        members: dict[str, Json] = {
            "text": self.text,
            "number": self.number,
            "place": self.place,
            "product": product.name,
            "product_code": product.code,
            "gtin": product.gtin,
            "lot": product.lot,
            "serial": product.serial,
            "synthetic": self.synthetic or None,
            **more,
        }
        if self.documents is not None:
            members["documents"] = [
                {"name": document.name, "sha256": document.sha256} for document in self.documents
            ]
        if identity is not None and not identity.is_person:
            members["subject"] = {"id": identity.identifier, "scheme": identity.scheme.value}
        return {name: value for name, value in members.items() if value is not None}


@strawberry.input(description="What an inspection found.")
class InspectionInput(_FindingInput):
    """Kind `inspection`."""

    samples: Natural | None = strawberry.field(default=None, description="Samples taken.")
    samples_failed: Natural | None = strawberry.field(
        default=None, description="Samples that failed."
    )
    charges: list[str] | None = strawberry.field(
        default=None, description="Legal charges as the authority numbers them, 32 at most."
    )


@strawberry.input(description="What an authority did against an enterprise.")
class EnforcementInput(_FindingInput):
    """Kind `enforcement`."""

    fine_fen: Natural | None = strawberry.field(
        default=None, description="The fine, in fen (0.01 CNY)."
    )
    confiscated_fen: Natural | None = strawberry.field(
        default=None, description="What was confiscated, in fen (0.01 CNY)."
    )
    items_seized: Natural | None = strawberry.field(default=None, description="Items seized.")
    suspension_days: Natural | None = strawberry.field(
        default=None, description="How long business is suspended, in days."
    )
    charges: list[str] | None = strawberry.field(
        default=None, description="Legal charges as the authority numbers them, 32 at most."
    )


@strawberry.input(description="Where a case of commercial fraud stands.")
class FraudCaseInput(_FindingInput):
    """Kind `fraud-case`."""

    loss_fen: Natural | None = strawberry.field(
        default=None, description="The loss, in fen (0.01 CNY)."
    )
    items: Natural | None = strawberry.field(default=None, description="Items concerned.")
    charges: list[str] | None = strawberry.field(
        default=None, description="Legal charges as the authority numbers them, 32 at most."
    )


@strawberry.input(description="Where a case of an infringed right stands.")
class IpCaseInput(_FindingInput):
    """Kind `ip-case`."""

    items_seized: Natural | None = strawberry.field(default=None, description="Items seized.")
    value_fen: Natural | None = strawberry.field(
        default=None, description="What they are worth, in fen (0.01 CNY)."
    )
    right_holder: str | None = strawberry.field(
        default=None, description="Whose right it is; 1 to 200 characters. Erasable."
    )


@strawberry.type(description="An entry that is durable and ordered.")
class Acknowledged:
    """A window on the sequencer's answer."""

    acknowledgement: strawberry.Private[Acknowledgement]

    @described(description="Its place in the log, from 0.")
    def leaf_index(self) -> Natural:
        return Natural(self.acknowledgement.leaf_index)

    @described(description="RFC 9162 hash of its leaf.")
    def leaf_hash(self) -> Hash:
        return self.acknowledgement.leaf_hash

    @described(description="Whether the same content stood there before.")
    def duplicate(self) -> bool:
        return self.acknowledgement.duplicate


@strawberry.type(description="A statement was signed and sealed.")
class Recorded:
    """What a typed mutation did."""

    entry: Acknowledged = strawberry.field(description="Where it stands.")
    leaf_index: strawberry.Private[int]

    @described(description="The statement, as it stands in the log.")
    async def statement(self, info: Info) -> Statement:
        visible = await info.context.at.load(self.leaf_index)
        if visible is None:
            raise EntryUnknown(f"the log has no index {self.leaf_index}")
        return statement_of(visible)


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


RecordResult = Annotated[
    Recorded | Refusal,
    strawberry.union("RecordResult", description="What was recorded, or why nothing was."),
]
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
class Mutation:
    """Every root field of writing."""

    @described(description="State the result of an inspection.", metadata=_AUTHORITY)
    async def record_inspection(
        self,
        info: Info,
        input: Annotated[
            InspectionInput, strawberry.argument(description="Codes of kind `inspection`.")
        ],
    ) -> RecordResult:
        measures = {"samples": input.samples, "samples_failed": input.samples_failed}
        weighing = input.weighing("inspection", measures)
        return await _record(info.context, input, weighing, charges=_list(input.charges))

    @described(description="State a measure against an enterprise.", metadata=_AUTHORITY)
    async def record_enforcement(
        self,
        info: Info,
        input: Annotated[
            EnforcementInput, strawberry.argument(description="Codes of kind `enforcement`.")
        ],
    ) -> RecordResult:
        measures = {
            "fine_fen": input.fine_fen,
            "confiscated_fen": input.confiscated_fen,
            "items_seized": input.items_seized,
            "suspension_days": input.suspension_days,
        }
        weighing = input.weighing("enforcement", measures)
        return await _record(info.context, input, weighing, charges=_list(input.charges))

    @described(description="State where a case of commercial fraud stands.", metadata=_AUTHORITY)
    async def record_fraud_case(
        self,
        info: Info,
        input: Annotated[
            FraudCaseInput, strawberry.argument(description="Codes of kind `fraud-case`.")
        ],
    ) -> RecordResult:
        weighing = input.weighing("fraud-case", {"loss_fen": input.loss_fen, "items": input.items})
        return await _record(info.context, input, weighing, charges=_list(input.charges))

    @described(description="State where a case of an infringed right stands.", metadata=_AUTHORITY)
    async def record_ip_case(
        self,
        info: Info,
        input: Annotated[IpCaseInput, strawberry.argument(description="Codes of kind `ip-case`.")],
    ) -> RecordResult:
        measures = {"items_seized": input.items_seized, "value_fen": input.value_fen}
        weighing = input.weighing("ip-case", measures)
        return await _record(info.context, input, weighing, right_holder=input.right_holder)

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


async def _record(
    context: Session, input: _FindingInput, weighing: Weighing, **more: Json
) -> Recorded | Refusal:
    try:
        issuer = context.caller.require(Tier.AUTHORITY)
        _ = context.writer
        subject, identity = await _subject(context, input.subject)
        acknowledgement, _statement = await context.service.state(
            issuer=issuer,
            subject=subject,
            jti=check_reference(input.idempotency_key),
            weighing=weighing,
            particulars=input.particulars(identity, **more),
        )
    except KNOWN as error:
        return context.refused(error)
    return Recorded(
        entry=Acknowledged(acknowledgement=acknowledgement),
        leaf_index=acknowledgement.leaf_index,
    )


async def _subject(context: Session, text: str) -> tuple[SubjectLabel, Identity | None]:
    """Label and identity; the identity of a label is what it is filed under."""
    async with context.reading() as session:
        subject, identity = await resolve_subject(context, session, text)
        if identity is None:
            filed = (await Directory(session).names([subject])).get(subject)
            identity = filed.identity if filed else None
    return subject, identity


async def _capture(
    context: Session, document_text: str, party_text: str | None, jti: str | None
) -> Captured:
    own = context.caller.require(Tier.ENTERPRISE, Tier.AUTHORITY)
    writer = context.writer
    subject, identity = await _subject(context, own if party_text is None else party_text)
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


def _list(values: list[str] | None) -> Json:
    return None if values is None else [*values]
