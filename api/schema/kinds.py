"""Every kind of the ledger and its type in the graph; a test holds both together.

KINDS    the name on the wire to the type
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from api.schema.findings import (
    DeclarationError,
    Enforcement,
    ForeignNotice,
    FraudCase,
    Inspection,
    IpCase,
)
from api.schema.life_cycles import (
    Appeal,
    Commitment,
    Correction,
    ListEntry,
    Objection,
    Rectification,
    Repair,
)
from api.schema.standing import (
    Binding,
    Certificate,
    Effect,
    ExternalGrade,
    Filing,
    LinkMerge,
    Relation,
    Treatment,
)
from api.schema.statement import Statement

KINDS: Mapping[str, type[Statement]] = MappingProxyType(
    {
        "inspection": Inspection,
        "enforcement": Enforcement,
        "fraud-case": FraudCase,
        "ip-case": IpCase,
        "foreign-notice": ForeignNotice,
        "declaration-error": DeclarationError,
        "commitment": Commitment,
        "rectification": Rectification,
        "repair": Repair,
        "objection": Objection,
        "appeal": Appeal,
        "list-entry": ListEntry,
        "correction": Correction,
        "certificate": Certificate,
        "external-grade": ExternalGrade,
        "relation": Relation,
        "link-merge": LinkMerge,
        "effect": Effect,
        "treatment": Treatment,
        "filing": Filing,
        "binding": Binding,
    }
)
