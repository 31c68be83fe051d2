"""What can be stated: one module per kind.

    shape         Kind and Particular: how a kind is declared, checked and printed as JSON Schema
    referring     which statements a statement may refer to

    inspection    a product or premises was inspected
    enforcement   an authority acted against an enterprise
    fraud_case    commercial fraud, suspected to dismissed
    ip_case       infringement of an intellectual property right
    foreign_notice     an authority abroad notified goods
    declaration_error  a customs declaration said what is not so
    commitment    信用承诺: made, kept, or broken

    rectification 整改: ordered by a decision, then done or not
    repair        信用修复: the notice, the application, its end
    objection     异议: filed, then answered
    appeal        复议 and 诉讼: filed, then decided
    list_entry    an enterprise is listed by an authority, or leaves the list
    correction    an issuer takes back a statement of its own

    certificate   granted, suspended, resumed, ended
    external_grade  the grades of other authorities
    relation      关联关系: how the subject is related to another party
    link_merge    two labels stand for one enterprise
    effect        what one subject's fate does to another: 联合惩戒, inheritance
    treatment     how an enterprise's goods are released and sampled

    filing        备案: an enterprise enters the books, with name, region, industry, port
    binding       the registry gives a one-person business its random label

    KINDS         name on the wire to Kind
    kind_of       a statement's Kind, or a refusal

Unknown kinds, codes and outcomes are refused, never skipped. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ledger.errors import KindUnknown
from ledger.kinds.appeal import APPEAL
from ledger.kinds.binding import BINDING
from ledger.kinds.certificate import CERTIFICATE
from ledger.kinds.commitment import COMMITMENT
from ledger.kinds.correction import CORRECTION
from ledger.kinds.declaration_error import DECLARATION_ERROR
from ledger.kinds.effect import EFFECT
from ledger.kinds.enforcement import ENFORCEMENT
from ledger.kinds.external_grade import EXTERNAL_GRADE
from ledger.kinds.filing import FILING
from ledger.kinds.foreign_notice import FOREIGN_NOTICE
from ledger.kinds.fraud_case import FRAUD_CASE
from ledger.kinds.inspection import INSPECTION
from ledger.kinds.ip_case import IP_CASE
from ledger.kinds.link_merge import LINK_MERGE
from ledger.kinds.list_entry import LIST_ENTRY
from ledger.kinds.objection import OBJECTION
from ledger.kinds.rectification import RECTIFICATION
from ledger.kinds.relation import RELATION
from ledger.kinds.repair import REPAIR
from ledger.kinds.shape import Kind
from ledger.kinds.treatment import TREATMENT

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            INSPECTION,
            ENFORCEMENT,
            FRAUD_CASE,
            IP_CASE,
            FOREIGN_NOTICE,
            DECLARATION_ERROR,
            COMMITMENT,
            RECTIFICATION,
            REPAIR,
            OBJECTION,
            APPEAL,
            LIST_ENTRY,
            CORRECTION,
            CERTIFICATE,
            EXTERNAL_GRADE,
            RELATION,
            LINK_MERGE,
            EFFECT,
            TREATMENT,
            FILING,
            BINDING,
        )
    }
)

CAPTURE_MANDATE = "capture"
"""Stands in a mandate where a door may sign captures for parties without a key of their own."""


def kind_of(name: str) -> Kind:
    """The kind of that name. Raises `KindUnknown`."""
    kind = KINDS.get(name)
    if kind is None:
        raise KindUnknown(
            f"{name!r} is no kind of this ledger; known are {', '.join(KINDS)}", path=("kind",)
        )
    return kind
