"""What an officer writes down: an input for each kind that has a typed mutation.

    StatementInput   what they all share, and how it becomes a statement
    DocumentInput, ProductInput, NamesInput   what they may carry
    RepairNoticeInput                what is served with an enforcement
    InspectionInput, EnforcementInput, FraudCaseInput, IpCaseInput, ForeignNoticeInput,
    DeclarationErrorInput            findings
    CommitmentInput, RectificationInput, RepairInput, ObjectionInput, AppealInput,
    ListEntryInput, CorrectionInput  what follows a decision
    CertificateInput, ExternalGradeInput, RelationInput, LinkMergeInput, EffectInput,
    TreatmentInput, FilingInput      who an enterprise is and what it holds
    INPUTS           the name of a kind to its input

A member stands under the name that the kind gives its measure or particular, so that the kind says
what is read. Members that only some kinds have are small inputs of their own, which those inherit;
a test holds each input to its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import strawberry

from api.schema.scalars import Day, Natural
from ledger.canonical import Json
from ledger.identity import Identity
from ledger.kinds import KINDS
from ledger.kinds.shape import Kind
from ledger.statement import Severity, Weighing


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

    def members(self) -> dict[str, Json]:
        """As particulars."""
        return {
            "product": self.name,
            "product_code": self.code,
            "gtin": self.gtin,
            "lot": self.lot,
            "serial": self.serial,
        }


@strawberry.input(description="A registered name in Chinese, English, or both.")
class NamesInput:
    """A name by language."""

    zh: str | None = strawberry.field(
        default=None, description="In Chinese; 1 to 200 characters. Erasable."
    )
    en: str | None = strawberry.field(
        default=None, description="In English; 1 to 200 characters. Erasable."
    )

    def members(self) -> dict[str, Json]:
        """As a particular."""
        names: dict[str, Json] = {"zh": self.zh, "en": self.en}
        return {"name": {language: name for language, name in names.items() if name is not None}}


@strawberry.input
class StatementInput:
    """What all inputs share; no type of the schema by itself."""

    kind: ClassVar[Kind]

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
    occurred_on: Day | None = strawberry.field(default=None, description="The day it happened.")
    effective_on: Day | None = strawberry.field(
        default=None, description="The day from which it holds, if not that of the decision."
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
    documents: list[DocumentInput] | None = strawberry.field(
        default=None, description="Documents behind it, 32 at most."
    )
    synthetic: bool = strawberry.field(
        default=False, description="True for invented demonstration data."
    )

    def own(self, name: str) -> Any:  # noqa: ANN401
        """A member that this input has or has not."""
        return getattr(self, name, None)

    def weighing(self, *, refers: str | None) -> Weighing:
        """The members that weigh; `refers` as `ledger.statement.refers_to` has it."""
        given = {name: self.own(name) for name in self.kind.measures}
        measures = {name: number for name, number in given.items() if number is not None}
        return Weighing(
            kind=self.kind.name,
            code=self.code,
            outcome=self.outcome,
            severity=self.own("severity"),
            occurred_on=self.occurred_on,
            decided_on=self.decided_on,
            effective_on=self.effective_on,
            case=self.own("case"),
            refers=refers,
            measures=measures or None,
            basis=self.own("basis"),
        )

    def particulars(self, identity: Identity | None) -> dict[str, Json]:
        """The erasable members; an organisation is named, a person's label is not.

        The other party, where the kind has one, is left to whoever knows the log.
        """
        members: dict[str, Json] = {
            "text": self.text,
            "number": self.number,
            "place": self.place,
            "synthetic": self.synthetic or None,
        }
        if self.documents is not None:
            members["documents"] = [
                {"name": document.name, "sha256": document.sha256} for document in self.documents
            ]
        for particular in self.kind.particulars:
            value = self.own(particular.name)
            if particular.name == self.kind.other_party or value is None:
                continue
            if isinstance(value, ProductInput | NamesInput):
                members |= value.members()
            else:
                members[particular.name] = value
        if identity is not None and not identity.is_person:
            members["subject"] = {"id": identity.identifier, "scheme": identity.scheme.value}
        return {name: value for name, value in members.items() if value is not None}


@strawberry.input
class _Graded:
    severity: Severity | None = strawberry.field(
        default=None, description="Needed where the outcome has a gravity, refused where not."
    )


@strawberry.input
class _Grounded:
    basis: str | None = strawberry.field(
        default=None, description="What it rests on: lab, field or document, as the kind has it."
    )


@strawberry.input
class _InCase:
    case: str | None = strawberry.field(
        default=None,
        description="Joins the statements of one matter: a random identifier, 1 to 64 characters.",
    )


@strawberry.input
class _Referring:
    refers: Natural | None = strawberry.field(
        default=None,
        description="The leaf index of the statement it refers to, such as the decision that an "
        "objection is about. Some outcomes need one; the kind says of which kinds it may be.",
    )


@strawberry.input
class _AboutGoods:
    product: ProductInput | None = strawberry.field(default=None, description="The goods.")


@strawberry.input
class _Charging:
    charges: list[str] | None = strawberry.field(
        default=None, description="Legal charges as the authority numbers them, 32 at most."
    )


@strawberry.input
class _Finding(_Graded, _Grounded, _InCase, _AboutGoods, StatementInput):
    """What the inputs of all findings share."""


@strawberry.input
class _Following(_Grounded, _InCase, _Referring, StatementInput):
    """What the inputs share of what rests on something and follows a decision."""


@strawberry.input(description="What an inspection found.")
class InspectionInput(_Charging, _Finding):
    """Kind `inspection`."""

    kind: ClassVar[Kind] = KINDS["inspection"]

    samples: Natural | None = strawberry.field(default=None, description="Samples taken.")
    samples_failed: Natural | None = strawberry.field(
        default=None, description="Samples that failed."
    )
    score_hygiene: Natural | None = strawberry.field(
        default=None, description="The score for hygiene of a rating scheme, 0 best."
    )
    score_structural: Natural | None = strawberry.field(
        default=None, description="The score for the premises of a rating scheme, 0 best."
    )
    score_confidence: Natural | None = strawberry.field(
        default=None,
        description="The score for confidence in management of a rating scheme, 0 best.",
    )
    violations_critical: Natural | None = strawberry.field(
        default=None, description="Critical violations."
    )
    violations_major: Natural | None = strawberry.field(
        default=None, description="Major violations."
    )
    violations_minor: Natural | None = strawberry.field(
        default=None, description="Minor violations."
    )


@strawberry.input(description="What is served with a decision of how it may be repaired.")
class RepairNoticeInput:
    """Becomes a `RepairInput`; what is not said here is the decision's."""

    idempotency_key: str = strawberry.field(
        description="Becomes the notice's reference, as that of any statement."
    )
    effective_on: Day = strawberry.field(description="The earliest day of repair.")
    number: str | None = strawberry.field(
        default=None, description="The number of the notice; 1 to 64 characters. Erasable."
    )
    duties: str | None = strawberry.field(
        default=None, description="What must be fulfilled first; 1 to 2,000 characters. Erasable."
    )
    window: str | None = strawberry.field(
        default=None, description="Where to apply; 1 to 200 characters. Erasable."
    )


@strawberry.input(description="What an authority did against an enterprise.")
class EnforcementInput(_Charging, _Finding):
    """Kind `enforcement`."""

    kind: ClassVar[Kind] = KINDS["enforcement"]

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
    repair_notice: RepairNoticeInput | None = strawberry.field(
        default=None,
        description="The repair notice that is served with the decision (两书同达): a statement of "
        "its own, of kind `repair`, that refers to this one. Both are recorded, or neither.",
    )

    def notice(self) -> RepairInput | None:
        """The repair notice as a statement beside this one."""
        given = self.repair_notice
        if given is None:
            return None
        return RepairInput(
            subject=self.subject,
            code="penalty",
            outcome="notified",
            decided_on=self.decided_on,
            effective_on=given.effective_on,
            idempotency_key=given.idempotency_key,
            case=self.case,
            number=given.number,
            duties=given.duties,
            window=given.window,
            synthetic=self.synthetic,
        )


@strawberry.input(description="Where a case of commercial fraud stands.")
class FraudCaseInput(_Charging, _Finding):
    """Kind `fraud-case`."""

    kind: ClassVar[Kind] = KINDS["fraud-case"]

    loss_fen: Natural | None = strawberry.field(
        default=None, description="The loss, in fen (0.01 CNY)."
    )
    items: Natural | None = strawberry.field(default=None, description="Items concerned.")


@strawberry.input(description="Where a case of an infringed right stands.")
class IpCaseInput(_Finding):
    """Kind `ip-case`."""

    kind: ClassVar[Kind] = KINDS["ip-case"]

    items_seized: Natural | None = strawberry.field(default=None, description="Items seized.")
    value_fen: Natural | None = strawberry.field(
        default=None, description="What they are worth, in fen (0.01 CNY)."
    )
    right_holder: str | None = strawberry.field(
        default=None, description="Whose right it is; 1 to 200 characters. Erasable."
    )


@strawberry.input(description="What an authority abroad gave notice of.")
class ForeignNoticeInput(_Charging, _Finding):
    """Kind `foreign-notice`."""

    kind: ClassVar[Kind] = KINDS["foreign-notice"]

    items: Natural | None = strawberry.field(default=None, description="Items concerned.")
    value_fen: Natural | None = strawberry.field(
        default=None, description="What they are worth, in fen (0.01 CNY)."
    )
    country: str | None = strawberry.field(
        default=None, description="ISO 3166-1 alpha-2 of who notified. Erasable."
    )
    notifier: str | None = strawberry.field(
        default=None, description="Which authority notified; 1 to 200 characters. Erasable."
    )


@strawberry.input(description="What a customs declaration said that is not so.")
class DeclarationErrorInput(_Finding):
    """Kind `declaration-error`."""

    kind: ClassVar[Kind] = KINDS["declaration-error"]

    errors: Natural | None = strawberry.field(
        default=None, description="Declarations with an error."
    )
    declarations: Natural | None = strawberry.field(
        default=None, description="Declarations in all, of the period that a rate is about."
    )
    tax_fen: Natural | None = strawberry.field(
        default=None, description="Tax that was not declared, in fen (0.01 CNY)."
    )


@strawberry.input(description="A public commitment of an enterprise, made, kept or broken.")
class CommitmentInput(_Graded, _InCase, _Referring, StatementInput):
    """Kind `commitment`."""

    kind: ClassVar[Kind] = KINDS["commitment"]


@strawberry.input(description="A rectification that is ordered, or what became of it.")
class RectificationInput(_Graded, _Following):
    """Kind `rectification`."""

    kind: ClassVar[Kind] = KINDS["rectification"]

    deadline_days: Natural | None = strawberry.field(
        default=None, description="Of an order alone: days to put it right."
    )
    paid_fen: Natural | None = strawberry.field(
        default=None, description="What was paid, in fen (0.01 CNY)."
    )


@strawberry.input(
    description="A repair notice, an application, or its end. Of a notice `effectiveOn` is the "
    "earliest day of repair."
)
class RepairInput(_Following):
    """Kind `repair`."""

    kind: ClassVar[Kind] = KINDS["repair"]

    duties: str | None = strawberry.field(
        default=None, description="What must be fulfilled first; 1 to 2,000 characters. Erasable."
    )
    window: str | None = strawberry.field(
        default=None, description="Where to apply; 1 to 200 characters. Erasable."
    )


@strawberry.input(description="An objection to a statement, or how it was answered.")
class ObjectionInput(_Following):
    """Kind `objection`."""

    kind: ClassVar[Kind] = KINDS["objection"]


@strawberry.input(description="An appeal against a statement, or what it led to.")
class AppealInput(_Following):
    """Kind `appeal`."""

    kind: ClassVar[Kind] = KINDS["appeal"]

    court: str | None = strawberry.field(
        default=None,
        description="The court or reviewing authority; 1 to 200 characters. Erasable.",
    )


@strawberry.input(description="An enterprise is told of a listing, enters a list, or leaves it.")
class ListEntryInput(_Following):
    """Kind `list-entry`."""

    kind: ClassVar[Kind] = KINDS["list-entry"]


@strawberry.input(description="A statement of one's own is taken back, on record.")
class CorrectionInput(_InCase, _Referring, StatementInput):
    """Kind `correction`."""

    kind: ClassVar[Kind] = KINDS["correction"]


@strawberry.input(description="A certificate that is granted, suspended, resumed, or ended.")
class CertificateInput(_Following):
    """Kind `certificate`."""

    kind: ClassVar[Kind] = KINDS["certificate"]

    valid_months: Natural | None = strawberry.field(
        default=None, description="For how many months it is valid."
    )
    scope: str | None = strawberry.field(
        default=None, description="What it covers; 1 to 200 characters. Erasable."
    )


@strawberry.input(
    description="The grade of another authority: `code` is its regime, `outcome` the grade there."
)
class ExternalGradeInput(StatementInput):
    """Kind `external-grade`."""

    kind: ClassVar[Kind] = KINDS["external-grade"]


@strawberry.input(description="A relation of the subject to another party, begun or ended.")
class RelationInput(_Grounded, _Referring, StatementInput):
    """Kind `relation`."""

    kind: ClassVar[Kind] = KINDS["relation"]

    related: str = strawberry.field(description="The other party, named as a subject is. Erasable.")
    share_permille: Natural | None = strawberry.field(
        default=None, description="The share held, in thousandths."
    )


@strawberry.input(description="Another label stands for the same enterprise.")
class LinkMergeInput(_Grounded, _Referring, StatementInput):
    """Kind `link-merge`."""

    kind: ClassVar[Kind] = KINDS["link-merge"]

    merged_with: str = strawberry.field(
        description="What else it stands under, named as a subject is. Erasable."
    )


@strawberry.input(
    description="What another subject's fate does to this one; `refers` is its source there."
)
class EffectInput(_InCase, _Referring, StatementInput):
    """Kind `effect`."""

    kind: ClassVar[Kind] = KINDS["effect"]


@strawberry.input(
    description="How goods are treated: `code` is the release, `outcome` the documents."
)
class TreatmentInput(StatementInput):
    """Kind `treatment`."""

    kind: ClassVar[Kind] = KINDS["treatment"]

    sampling_bp: Natural | None = strawberry.field(
        default=None, description="Shipments that are sampled, in hundredths of a percent."
    )
    review_months: Natural | None = strawberry.field(
        default=None, description="After how many months it is reviewed."
    )
    refund_class: Natural | None = strawberry.field(
        default=None, description="The class of export refunds that is proposed, 1 to 4."
    )
    grade: str | None = strawberry.field(
        default=None, description="The grade it follows from; 1 to 8 characters."
    )
    policy: str | None = strawberry.field(
        default=None, description="SHA-256 of the policy it follows from, 64 hexadecimal digits."
    )


@strawberry.input(description="An enterprise enters the books; a later filing replaces it.")
class FilingInput(StatementInput):
    """Kind `filing`."""

    kind: ClassVar[Kind] = KINDS["filing"]

    name: NamesInput = strawberry.field(description="The registered name.")
    country: str = strawberry.field(description="ISO 3166-1 alpha-2.")
    region: str | None = strawberry.field(
        default=None,
        description="GB/T 2260 division in China, else province or state in words; 1 to 64 "
        "characters.",
    )
    city: str | None = strawberry.field(
        default=None, description="City in words; 1 to 64 characters."
    )
    industry: str | None = strawberry.field(
        default=None, description="GB/T 4754 class, or the product industry; 1 to 64 characters."
    )
    port: str | None = strawberry.field(
        default=None,
        description="Code of the border crossing it exports by; 1 to 64 characters.",
    )


INPUTS: Mapping[str, type[StatementInput]] = MappingProxyType(
    {
        input_.kind.name: input_
        for input_ in (
            InspectionInput,
            EnforcementInput,
            FraudCaseInput,
            IpCaseInput,
            ForeignNoticeInput,
            DeclarationErrorInput,
            CommitmentInput,
            RectificationInput,
            RepairInput,
            ObjectionInput,
            AppealInput,
            ListEntryInput,
            CorrectionInput,
            CertificateInput,
            ExternalGradeInput,
            RelationInput,
            LinkMergeInput,
            EffectInput,
            TreatmentInput,
            FilingInput,
        )
    }
)
"""Every kind but `binding`, which the registry's own command states."""
