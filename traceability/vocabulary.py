"""The bare words of CBV 2.0 that events use, as the EPCIS 2.0.1 JSON Schema lists them.

    BIZ_STEPS           CBV §7.1: what was going on
    DISPOSITIONS        CBV §7.2: what holds of the goods afterwards
    TRANSACTION_TYPES   CBV §7.3: documents that events point to
    PARTY_ROLES         CBV §7.4: what a source or destination is
    ERROR_REASONS       CBV §7.5: why an event is declared erroneous
    is_word             a word of a list, or a URI of the sender's own

In JSON a CBV value is its bare word and nothing else; the URN and web forms of older bindings are
refused by the schema, so that one value has one spelling. Pure.
"""

from __future__ import annotations

import re

from traceability.identifiers import is_absolute_uri

BIZ_STEPS = frozenset(
    {
        "accepting",
        "arriving",
        "assembling",
        "collecting",
        "commissioning",
        "consigning",
        "creating_class_instance",
        "cycle_counting",
        "decommissioning",
        "departing",
        "destroying",
        "disassembling",
        "dispensing",
        "encoding",
        "entering_exiting",
        "holding",
        "inspecting",
        "installing",
        "killing",
        "loading",
        "other",
        "packing",
        "picking",
        "receiving",
        "removing",
        "repackaging",
        "repairing",
        "replacing",
        "reserving",
        "retail_selling",
        "sampling",
        "sensor_reporting",
        "shipping",
        "staging_outbound",
        "stock_taking",
        "stocking",
        "storing",
        "transporting",
        "unloading",
        "unpacking",
        "void_shipping",
    }
)

DISPOSITIONS = frozenset(
    {
        "active",
        "available",
        "completeness_inferred",
        "completeness_verified",
        "conformant",
        "container_closed",
        "container_open",
        "damaged",
        "destroyed",
        "dispensed",
        "disposed",
        "encoded",
        "expired",
        "in_progress",
        "in_transit",
        "inactive",
        "mismatch_class",
        "mismatch_instance",
        "mismatch_quantity",
        "needs_replacement",
        "no_pedigree_match",
        "non_conformant",
        "non_sellable_other",
        "partially_dispensed",
        "recalled",
        "reserved",
        "retail_sold",
        "returned",
        "sellable_accessible",
        "sellable_not_accessible",
        "stolen",
        "unavailable",
        "unknown",
    }
)

TRANSACTION_TYPES = frozenset(
    {
        "bol",
        "cert",
        "desadv",
        "inv",
        "pedigree",
        "po",
        "poc",
        "prodorder",
        "recadv",
        "rma",
        "testprd",
        "testres",
        "upevt",
    }
)

PARTY_ROLES = frozenset(
    {
        "location",
        "owning_party",
        "possessing_party",
    }
)

ERROR_REASONS = frozenset(
    {
        "did_not_occur",
        "incorrect_data",
    }
)

_OTHER_SPELLINGS = re.compile(r"urn:epcglobal:cbv|https?://(?:ns|ref)\.gs1\.org/cbv/")


def is_word(value: str, words: frozenset[str]) -> bool:
    """Whether `value` is one of `words`, or a URI that does not spell one of them otherwise."""
    return value in words or (is_absolute_uri(value) and not _OTHER_SPELLINGS.match(value))
