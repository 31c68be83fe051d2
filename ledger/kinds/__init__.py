"""What can be stated: one module per kind.

    shape         Kind and Particular: how a kind is declared, checked and printed as JSON Schema
    inspection    a product or premises was inspected
    enforcement   an authority acted against an enterprise
    fraud_case    commercial fraud, suspected to dismissed
    ip_case       infringement of an intellectual property right
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
from ledger.kinds.binding import BINDING
from ledger.kinds.enforcement import ENFORCEMENT
from ledger.kinds.filing import FILING
from ledger.kinds.fraud_case import FRAUD_CASE
from ledger.kinds.inspection import INSPECTION
from ledger.kinds.ip_case import IP_CASE
from ledger.kinds.shape import Kind

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (INSPECTION, ENFORCEMENT, FRAUD_CASE, IP_CASE, FILING, BINDING)}
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
