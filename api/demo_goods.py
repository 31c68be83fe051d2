"""The goods of the demonstration: one carton of milk, from the ranch to a shelf abroad.

    ITEM         the link on the carton in the shop
    MILK_LOT     the raw milk it was made of
    PALLET       the pallet that crossed the border
    documents    EPCIS 2.0 documents, each with the firm that captures it, in the order of events

    ranch      commissioning of a lot of raw milk, shipping
    dairy      receiving; transformation of milk into cartons, into cases, onto a pallet
    carrier    departing Hohhot, arriving at Erenhot, inspection at the port, crossing
    shop       receiving in Ulaanbaatar, unpacking pallet and case, the carton on the shelf

Numbers have the GS1 prefix 952, which is set aside for demonstrations, and valid check digits.
Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from api.demo_cast import REFERENCE
from traceability.identifiers import CANONICAL_HOST, check_digit

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

COMPANY = "9521234"
"""Prefix 952: demonstrations and examples of the GS1 system."""

UNITS_A_CASE = 12
CASES = 2

CHINA = timezone(timedelta(hours=8))
"""Ulaanbaatar keeps the same time."""


def _checked(digits: str) -> str:
    return digits + check_digit(digits)


def _gtin(indicator: int, item: int) -> str:
    return _checked(f"{indicator}{COMPANY}{item:05d}")


def _place(number: int) -> dict[str, str]:
    return {"id": f"{CANONICAL_HOST}/414/{_checked(f'{COMPANY}{number:05d}')}"}


RAW_MILK, CARTON, CASE = _gtin(0, 1), _gtin(0, 2), _gtin(1, 2)
MILK_LOT = f"{CANONICAL_HOST}/01/{RAW_MILK}/10/RM260912"
CARTON_LOT_NUMBER = "UHT260914"
CARTON_LOT = f"{CANONICAL_HOST}/01/{CARTON}/10/{CARTON_LOT_NUMBER}"
PALLET = f"{CANONICAL_HOST}/00/{_checked(f'0{COMPANY}000000417')}"

_CASE_LINKS = [f"{CANONICAL_HOST}/01/{CASE}/21/C{number:03d}" for number in range(1, CASES + 1)]
_UNIT_LINKS = [
    # Serial numbers that are not counted up: one carton does not give away the next.
    f"{CANONICAL_HOST}/01/{CARTON}/21/{number * 7_368_787 % 99_999_989:08d}"
    for number in range(1, UNITS_A_CASE * CASES + 1)
]
ITEM = _UNIT_LINKS[4]

_RANCH, _DAIRY, _RAIL, _PORT, _SHOP = (_place(number) for number in (1, 2, 3, 4, 5))

_Event = dict[str, object]


def documents() -> Iterator[tuple[str, str]]:
    """Who captures, and what: JSON text that is the same on every telling."""
    for firm, events in (
        ("ranch", _at_the_ranch()),
        ("chilechuan", _at_the_dairy()),
        ("carrier", _on_the_way()),
        ("shop", _at_the_shop()),
    ):
        document = {
            "@context": CONTEXT,
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": _moment(0, 12),
            "epcisBody": {"eventList": events},
        }
        yield firm, json.dumps(document, ensure_ascii=False)


def _at_the_ranch() -> list[_Event]:
    milk = {"quantityList": [_amount(MILK_LOT, 12_000, "KGM")]}
    made = {"ilmd": {"cbvmda:countryOfOrigin": "CN", "cbvmda:harvestStartDate": _day(69)}}
    return [
        _event(
            "ObjectEvent", 69, 5, _RANCH, "commissioning", "active", action="ADD", **milk, **made
        ),
        _event("ObjectEvent", 69, 7, _RANCH, "shipping", "in_transit", action="OBSERVE", **milk),
    ]


def _at_the_dairy() -> list[_Event]:
    milk = [_amount(MILK_LOT, 12_000, "KGM")]
    events = [
        _event(
            "ObjectEvent",
            69,
            10,
            _DAIRY,
            "receiving",
            "in_progress",
            action="OBSERVE",
            quantityList=milk,
        ),
        _event(
            "TransformationEvent",
            67,
            9,
            _DAIRY,
            "commissioning",
            "active",
            inputQuantityList=milk,
            outputQuantityList=[_amount(CARTON_LOT, 11_400)],
            outputEPCList=_UNIT_LINKS,
            ilmd={"cbvmda:lotNumber": CARTON_LOT_NUMBER, "cbvmda:bestBeforeDate": _day(-113)},
        ),
    ]
    for position, case in enumerate(_CASE_LINKS):
        units = _UNIT_LINKS[position * UNITS_A_CASE : (position + 1) * UNITS_A_CASE]
        events.append(_packed(67, 11, case, units))
    events.append(_packed(66, 8, PALLET, _CASE_LINKS))
    return events


def _on_the_way() -> list[_Event]:
    pallet = {"epcList": [PALLET], "action": "OBSERVE"}
    return [
        _event("ObjectEvent", 64, 18, _RAIL, "departing", "in_transit", **pallet),
        _event("ObjectEvent", 63, 11, _PORT, "arriving", "in_progress", **pallet),
        _event("ObjectEvent", 63, 15, _PORT, "inspecting", "conformant", **pallet),
        _event("ObjectEvent", 62, 9, _PORT, "departing", "in_transit", **pallet),
    ]


def _at_the_shop() -> list[_Event]:
    first_case = _UNIT_LINKS[:UNITS_A_CASE]
    return [
        _event(
            "ObjectEvent",
            60,
            10,
            _SHOP,
            "receiving",
            "in_progress",
            epcList=[PALLET],
            action="OBSERVE",
        ),
        _unpacked(60, 12, PALLET, _CASE_LINKS),
        _unpacked(58, 8, _CASE_LINKS[0], first_case),
        _event(
            "ObjectEvent",
            58,
            9,
            _SHOP,
            "stocking",
            "sellable_accessible",
            epcList=first_case,
            action="OBSERVE",
        ),
    ]


def _packed(days_before: int, hour: int, parent: str, children: list[str]) -> _Event:
    return _event(
        "AggregationEvent",
        days_before,
        hour,
        _DAIRY,
        "packing",
        "in_progress",
        action="ADD",
        parentID=parent,
        childEPCs=children,
    )


def _unpacked(days_before: int, hour: int, parent: str, children: list[str]) -> _Event:
    return _event(
        "AggregationEvent",
        days_before,
        hour,
        _SHOP,
        "unpacking",
        "in_progress",
        action="DELETE",
        parentID=parent,
        childEPCs=children,
    )


def _event(
    kind: str,
    days_before: int,
    hour: int,
    place: dict[str, str],
    biz_step: str,
    disposition: str,
    **members: object,
) -> _Event:
    return {
        "type": kind,
        "eventTime": _moment(days_before, hour),
        "eventTimeZoneOffset": "+08:00",
        "bizStep": biz_step,
        "disposition": disposition,
        "readPoint": place,
        **members,
        # A member of our own, by a full name: whoever sees the event sees that it is invented.
        "https://ns.xinyuan.example/synthetic": True,
    }


def _amount(link: str, quantity: int, unit: str | None = None) -> dict[str, object]:
    amount: dict[str, object] = {"epcClass": link, "quantity": quantity}
    return amount if unit is None else {**amount, "uom": unit}


def _moment(days_before: int, hour: int) -> str:
    day = REFERENCE - timedelta(days=days_before)
    return datetime(day.year, day.month, day.day, hour, tzinfo=CHINA).isoformat()


def _day(days_before: int) -> str:
    return (REFERENCE - timedelta(days=days_before)).isoformat()
