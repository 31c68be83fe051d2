"""The mutations by which an officer states one thing, each of one kind.

    Recording        a field for each input of `api.schema.inputs`
    Recorded, RecordResult   what was done
    Acknowledged     where an entry stands
    named_subject    label and identity of whom somebody names

The server signs with the key that the credential's authority placed in its custody. What a
statement refers to is named by its leaf index, as officers see it; the log has the hash of its
reference, which is the same however often it is signed.
"""

from __future__ import annotations

from typing import Annotated

import strawberry

from api.access import Tier
from api.errors import KNOWN
from api.schema.enterprise import resolve_subject
from api.schema.inputs import (
    AppealInput,
    CertificateInput,
    CommitmentInput,
    CorrectionInput,
    DeclarationErrorInput,
    EffectInput,
    EnforcementInput,
    ExternalGradeInput,
    FilingInput,
    ForeignNoticeInput,
    FraudCaseInput,
    InspectionInput,
    IpCaseInput,
    LinkMergeInput,
    ListEntryInput,
    ObjectionInput,
    RectificationInput,
    RelationInput,
    RepairInput,
    StatementInput,
    TreatmentInput,
)
from api.schema.outcome import Refusal
from api.schema.scalars import Natural
from api.schema.session import Info, Session
from api.schema.statement import Statement, statement_of
from api.schema.tiers import described, only
from ledger.batch import Acknowledgement
from ledger.canonical import Json
from ledger.directory import Directory
from ledger.entries import Entries
from ledger.errors import EntryUnknown, LedgerError, ReferentUnknown
from ledger.identity import Identity, SubjectLabel
from ledger.merkle import Hash
from ledger.statement import Draft, check_reference, refers_to


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
    repair_notice: Acknowledged | None = strawberry.field(
        default=None,
        description="Where the repair notice stands that was served with it; null where none was.",
    )

    @described(description="The statement, as it stands in the log.")
    async def statement(self, info: Info) -> Statement:
        visible = await info.context.at.load(self.leaf_index)
        if visible is None:
            raise EntryUnknown(f"the log has no index {self.leaf_index}")
        return statement_of(visible)


RecordResult = Annotated[
    Recorded | Refusal,
    strawberry.union("RecordResult", description="What was recorded, or why nothing was."),
]

_AUTHORITY = only(Tier.AUTHORITY)
_STATED = strawberry.argument(description="What is stated, in the codes and outcomes of its kind.")


@strawberry.type
class Recording:
    """What `Mutation` inherits; no type of the schema by itself."""

    @described(description="State the result of an inspection.", metadata=_AUTHORITY)
    async def record_inspection(
        self, info: Info, input: Annotated[InspectionInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State a measure against an enterprise.", metadata=_AUTHORITY)
    async def record_enforcement(
        self, info: Info, input: Annotated[EnforcementInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input, notice=input.notice())

    @described(description="State where a case of commercial fraud stands.", metadata=_AUTHORITY)
    async def record_fraud_case(
        self, info: Info, input: Annotated[FraudCaseInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State where a case of an infringed right stands.", metadata=_AUTHORITY)
    async def record_ip_case(
        self, info: Info, input: Annotated[IpCaseInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State what an authority abroad gave notice of.", metadata=_AUTHORITY)
    async def record_foreign_notice(
        self, info: Info, input: Annotated[ForeignNoticeInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State what a customs declaration said that is not so.", metadata=_AUTHORITY
    )
    async def record_declaration_error(
        self, info: Info, input: Annotated[DeclarationErrorInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State that a public commitment was made, kept, or broken.", metadata=_AUTHORITY
    )
    async def record_commitment(
        self, info: Info, input: Annotated[CommitmentInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State a rectification that is ordered, or what became of it.",
        metadata=_AUTHORITY,
    )
    async def record_rectification(
        self, info: Info, input: Annotated[RectificationInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State a repair notice, an application for repair, or its end.",
        metadata=_AUTHORITY,
    )
    async def record_repair(
        self, info: Info, input: Annotated[RepairInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State an objection, or how it was answered.", metadata=_AUTHORITY)
    async def record_objection(
        self, info: Info, input: Annotated[ObjectionInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State an appeal, or what it led to.", metadata=_AUTHORITY)
    async def record_appeal(
        self, info: Info, input: Annotated[AppealInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State that an enterprise is told of a listing, listed, or listed no more.",
        metadata=_AUTHORITY,
    )
    async def record_list_entry(
        self, info: Info, input: Annotated[ListEntryInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="Take back a statement of the own authority, on record.", metadata=_AUTHORITY
    )
    async def record_correction(
        self, info: Info, input: Annotated[CorrectionInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State that a certificate is granted, suspended, resumed, or ended.",
        metadata=_AUTHORITY,
    )
    async def record_certificate(
        self, info: Info, input: Annotated[CertificateInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State the grade of another authority.", metadata=_AUTHORITY)
    async def record_external_grade(
        self, info: Info, input: Annotated[ExternalGradeInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State that a relation to another party is begun or ended.", metadata=_AUTHORITY
    )
    async def record_relation(
        self, info: Info, input: Annotated[RelationInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State that another label stands for the same enterprise.", metadata=_AUTHORITY
    )
    async def record_link_merge(
        self, info: Info, input: Annotated[LinkMergeInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(
        description="State what another subject's fate does to this one.", metadata=_AUTHORITY
    )
    async def record_effect(
        self, info: Info, input: Annotated[EffectInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State how the goods of an enterprise are treated.", metadata=_AUTHORITY)
    async def record_treatment(
        self, info: Info, input: Annotated[TreatmentInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)

    @described(description="State that an enterprise enters the books.", metadata=_AUTHORITY)
    async def record_filing(
        self, info: Info, input: Annotated[FilingInput, _STATED]
    ) -> RecordResult:
        return await _record(info.context, input)


async def named_subject(context: Session, text: str) -> tuple[SubjectLabel, Identity | None]:
    """Label and identity; the identity of a label is what it is filed under."""
    async with context.reading() as session:
        subject, identity = await resolve_subject(context, session, text)
        if identity is None:
            filed = (await Directory(session).names([subject])).get(subject)
            identity = filed.identity if filed else None
    return subject, identity


async def _record(
    context: Session, input: StatementInput, *, notice: RepairInput | None = None
) -> Recorded | Refusal:
    """`notice` is stated beside it and refers to it: both stand, or neither."""
    try:
        issuer = context.caller.require(Tier.AUTHORITY)
        _ = context.writer
        refers = await _refers(context, input.own("refers"))
        drafts = [await _draft(context, issuer, input, refers)]
        if notice is not None:
            name = refers_to(issuer, input.idempotency_key)
            try:
                drafts.append(await _draft(context, issuer, notice, name))
            except LedgerError as error:
                raise error.within("repairNotice") from None
        acknowledgements, _statements = await context.service.state_together(drafts)
    except LedgerError as error:
        return context.refused(_placed(error))
    except KNOWN as error:
        return context.refused(error)
    return Recorded(
        entry=Acknowledged(acknowledgement=acknowledgements[0]),
        leaf_index=acknowledgements[0].leaf_index,
        repair_notice=None if notice is None else Acknowledged(acknowledgement=acknowledgements[1]),
    )


async def _draft(
    context: Session, issuer: SubjectLabel, input: StatementInput, refers: str | None
) -> Draft:
    subject, identity = await named_subject(context, input.subject)
    particulars = input.particulars(identity)
    other = input.kind.other_party
    if other is not None:
        particulars[other] = await _other_party(context, other, input.own(other))
    return Draft(
        issuer=issuer,
        subject=subject,
        jti=check_reference(input.idempotency_key),
        issued_at=int(context.service.now().timestamp()),
        weighing=input.weighing(refers=refers),
        particulars=particulars,
    )


def _placed(error: LedgerError) -> LedgerError:
    """Of two statements that stand together, the first is the input and the second its notice."""
    match error.path:
        case (0, *inner):
            return type(error)(error.message, path=tuple(inner))
        case (1, *inner):
            return type(error)(error.message, path=("repairNotice", *inner))
        case _:
            return error


async def _refers(context: Session, leaf_index: Natural | None) -> str | None:
    """What a statement says that refers to that entry. Raises `ReferentUnknown`."""
    if leaf_index is None:
        return None
    async with context.reading() as session:
        try:
            entry = await Entries(session).at(leaf_index)
        except EntryUnknown as error:
            raise ReferentUnknown(error.message, path=("refers",)) from None
    return refers_to(entry.body.issuer, entry.body.jti)


async def _other_party(context: Session, name: str, text: str) -> Json:
    """An organisation by its identifier, a one-person business by its label."""
    try:
        label, identity = await named_subject(context, text)
    except LedgerError as error:
        raise error.within(name) from None
    if identity is None or identity.is_person:
        return {"id": label, "scheme": "label"}
    return {"id": identity.identifier, "scheme": identity.scheme.value}
