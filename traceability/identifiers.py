"""Names of things: GS1 Digital Link URIs and EPC URNs, read into one canonical form.

    Grain             how fine a name is: unit, lot, product, shipment, place, party, or unknown
    Identifier        one name: canonical link, original text, the GS1 elements it consists of
      parse           a Digital Link of any host, or an EPC URN; refuses whatever does not check
      parse_any       the same, and private URIs as they stand (events may carry them)
      finest          the form under which events of one thing meet: no lot beside a serial
      unit, lot, product   the other names that a link implies
      epc_urn         the EPC URN, for a given length of the company prefix
    check_digit       the GS1 check digit over digits
    is_absolute_uri   RFC 3986: a scheme, and something after it

GS1 Digital Link 1.4 (grammar, fixed order of qualifiers), GS1 Syntax Dictionary (formats), EPC
Tag Data Standard 2.0 §6 (URNs), CBV 2.0 §8 (constrained canonical links). Host and leading path
of a link mean nothing: a link of any domain names the same thing. Query attributes describe, they
do not name: they are tolerated and leave the canonical form. A link at the GS1 host, or with a
key and a value that begins like one, is held to the grammar wherever it stands; a wrong one is
refused, never taken for a private URI. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import pairwise
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from traceability.errors import CheckDigitInvalid, IdentifierInvalid, UrnUnavailable

ORIGINAL_CHARACTERS_MAX = 2048
"""What web servers commonly take as an address."""

OPAQUE_CHARACTERS_MAX = 512
"""A private URI is its own canonical form, and canonical forms are keys of an index."""

CANONICAL_HOST = "https://id.gs1.org"


class Grain(Enum):
    """How fine a name is."""

    UNIT = "unit"
    """One single thing: a serial number."""
    LOT = "lot"
    """All that was made in one run."""
    PRODUCT = "product"
    """A kind of thing, whenever it was made."""
    SHIPMENT = "shipment"
    """A logistic unit, a shipment or a consignment."""
    PLACE = "place"
    PARTY = "party"
    OPAQUE = "opaque"
    """A private URI; what it names is its owner's business."""


def check_digit(digits: str) -> str:
    """The digit that follows `digits`: weights 3, 1, 3, … from the right (GS1 GenSpecs §7.9)."""
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(digits), 1))
    return str(-total % 10)


_CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_CSET_32 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83)


def _check_pair(text: str) -> str:
    """The two check characters of a Global Model Number (GS1 GenSpecs §7.9.5)."""
    total = sum(
        _CSET_82.index(character) * prime
        for character, prime in zip(reversed(text), _PRIMES, strict=False)
    )
    high, low = divmod(total % 1021, 32)
    return _CSET_32[high] + _CSET_32[low]


def _digits_check(start: int, stop: int) -> Callable[[str, str], None]:
    def check(ai: str, value: str) -> None:
        digits = value[start:stop]
        if check_digit(digits[:-1]) != digits[-1]:
            raise CheckDigitInvalid(
                f"AI ({ai}): the check digit of {digits} should be {check_digit(digits[:-1])}"
            )

    return check


def _pair_check(ai: str, value: str) -> None:
    if _check_pair(value[:-2]) != value[-2:]:
        raise CheckDigitInvalid(f"AI ({ai}): the check characters of {value!r} are wrong")


def _piece_check(ai: str, value: str) -> None:
    _digits_check(0, 14)(ai, value)
    piece, total = int(value[14:16]), int(value[16:18])
    if not 1 <= piece <= total:
        raise IdentifierInvalid(f"AI ({ai}): piece {piece} of {total} does not exist")


def _no_check(ai: str, value: str) -> None:
    """Most values carry no check."""


_CHARACTERS = {"N": "[0-9]", "X": f"[{re.escape(_CSET_82)}]", "Y": r"[#\-/0-9A-Z]"}
"""The Syntax Dictionary's letters: digits, CSET 82, CSET 39."""


@dataclass(frozen=True, slots=True)
class _Format:
    pattern: re.Pattern[str]
    check: Callable[[str, str], None] = _no_check


def _format(pattern: str, check: Callable[[str, str], None] = _no_check) -> _Format:
    spelled = re.sub("[NXY]", lambda letter: _CHARACTERS[letter[0]], pattern)
    return _Format(re.compile(spelled, re.ASCII), check)


# A key of free characters still begins with a company prefix, of which four digits are certain.
_FORMATS = {
    "00": _format("N{18}", _digits_check(0, 18)),
    "01": _format("N{14}", _digits_check(0, 14)),
    "253": _format("N{13}X{0,17}", _digits_check(0, 13)),
    "255": _format("N{13}N{0,12}", _digits_check(0, 13)),
    "401": _format("N{4}X{0,26}"),
    "402": _format("N{17}", _digits_check(0, 17)),
    "414": _format("N{13}", _digits_check(0, 13)),
    "415": _format("N{13}", _digits_check(0, 13)),
    "417": _format("N{13}", _digits_check(0, 13)),
    "8003": _format("0N{13}X{0,16}", _digits_check(1, 14)),
    "8004": _format("N{4}X{0,26}"),
    "8006": _format("N{18}", _piece_check),
    "8010": _format("N{4}Y{0,26}"),
    "8013": _format("N{4}X{0,19}X{2}", _pair_check),
    "8017": _format("N{18}", _digits_check(0, 18)),
    "8018": _format("N{18}", _digits_check(0, 18)),
    "10": _format("X{1,20}"),
    "21": _format("X{1,20}"),
    "22": _format("X{1,20}"),
    "235": _format("X{1,28}"),
    "254": _format("X{1,20}"),
    "7040": _format("NX{3}"),
    "8011": _format("[1-9]N{0,11}"),
    "8019": _format("N{1,10}"),
    "8020": _format("X{1,25}"),
}

_QUALIFIERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "00": (),
    "01": (("22", "10", "21"), ("235",)),
    "253": (),
    "255": (),
    "401": (),
    "402": (),
    "414": (("254",), ("7040",)),
    "415": (("8020",),),
    "417": (("7040",),),
    "8003": (),
    "8004": (("7040",),),
    "8006": (("22", "10", "21"),),
    "8010": (("8011",),),
    "8013": (),
    "8017": (("8019",),),
    "8018": (("8019",),),
}
"""Each primary key and the sequences its qualifiers come in; any of a sequence may be left out."""

_GRAINS = {
    "00": Grain.SHIPMENT,
    "401": Grain.SHIPMENT,
    "402": Grain.SHIPMENT,
    "414": Grain.PLACE,
    "415": Grain.PARTY,
    "417": Grain.PARTY,
    "8004": Grain.UNIT,
    "8013": Grain.PRODUCT,
    "8017": Grain.PARTY,
    "8018": Grain.PARTY,
}

_CONSTRAINED: dict[str, tuple[str, ...]] = {
    "01": ("21", "235", "10"),
    "8006": ("21", "10"),
    "8010": ("8011",),
    "414": ("254",),
    "415": ("8020",),
}
"""CBV 2.0 §8.2.2: of these qualifiers the first one present stays, every other is dropped."""

_DATES = frozenset({"11", "12", "13", "15", "16", "17"})

_LINK = re.compile(r"(?i:https?)://([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.ASCII)
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII
)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_LIKE_A_KEY_VALUE = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One name of one thing, lot, product, place or party."""

    canonical: str
    original: str
    elements: tuple[tuple[str, str], ...]
    """(application identifier, value), the primary key first; empty for a private URI."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """A GS1 name. Raises `IdentifierInvalid` or `CheckDigitInvalid`."""
        _refuse_overlong(text)
        if text[:8].lower() == "urn:epc:":
            return cls._of(_elements_of_urn(text), text)
        return cls._of(_elements_of_link(text), text)

    @classmethod
    def parse_any(cls, text: str) -> Self:
        """A GS1 name, or a private URI as it stands. Raises as `parse` does."""
        _refuse_overlong(text)
        if _claims_to_be_gs1(text):
            return cls.parse(text)
        if len(text) > OPAQUE_CHARACTERS_MAX:
            raise IdentifierInvalid(
                f"a private URI of more than {OPAQUE_CHARACTERS_MAX} characters"
            )
        if not is_absolute_uri(text):
            raise IdentifierInvalid(f"{text!r} is no absolute URI")
        return cls(text, text, ())

    @classmethod
    def _of(cls, elements: tuple[tuple[str, str], ...], original: str | None = None) -> Self:
        canonical = CANONICAL_HOST + "".join(
            f"/{ai}/{quote(value, safe='')}" for ai, value in elements
        )
        return cls(canonical, canonical if original is None else original, elements)

    @property
    def key(self) -> str | None:
        """The application identifier of the primary key; None for a private URI."""
        return self.elements[0][0] if self.elements else None

    @property
    def element_string(self) -> str:
        """The bracketed element string, as under a barcode: (01)…(21)…"""
        return "".join(f"({ai}){value}" for ai, value in self.elements)

    @property
    def grain(self) -> Grain:
        """How fine this name is."""
        if not self.elements:
            return Grain.OPAQUE
        (key, value), *qualifiers = self.elements
        if key in _GRAINS:
            return _GRAINS[key]
        present = {ai for ai, _ in qualifiers}
        if present & {"21", "235", "8011"}:
            return Grain.UNIT
        if "10" in present:
            return Grain.LOT
        # GDTI, GCN and GRAI carry their serial inside the key.
        serial_from = {"253": 13, "255": 13, "8003": 14}.get(key)
        if serial_from is not None and len(value) > serial_from:
            return Grain.UNIT
        return Grain.PRODUCT

    @property
    def finest(self) -> Identifier:
        """The constrained canonical name (CBV 2.0 §8.2.2), by which events of one thing meet."""
        if len(self.elements) < 2:
            return self
        key, *qualifiers = self.elements
        present = dict(qualifiers)
        kept = next((ai for ai in _CONSTRAINED.get(key[0], ()) if ai in present), None)
        if kept is not None and len(qualifiers) == 1:
            return self
        return self._of((key,) if kept is None else (key, (kept, present[kept])))

    @property
    def unit(self) -> Identifier | None:
        """The serial number this name contains."""
        return self._with_only("21")

    @property
    def lot(self) -> Identifier | None:
        """The lot this name contains."""
        return self._with_only("10")

    @property
    def product(self) -> Identifier | None:
        """The trade item of which this is one, a lot, or all."""
        return self._of(self.elements[:1]) if self.key in ("01", "8006") else None

    def _with_only(self, qualifier: str) -> Identifier | None:
        value = dict(self.elements[1:]).get(qualifier)
        return None if value is None else self._of((self.elements[0], (qualifier, value)))

    def epc_urn(self, company_prefix_length: int) -> str:
        """The EPC URN. A link does not say how long its company prefix is; the caller must.

        Raises `UrnUnavailable` for a name that EPC has no URN for.
        """
        return _urn_of(self, company_prefix_length)


def is_absolute_uri(text: str) -> bool:
    """Whether `text` is a scheme and characters that a URI may have (RFC 3986 §3)."""
    return _URI.fullmatch(text) is not None


def _refuse_overlong(text: str) -> None:
    if len(text) > ORIGINAL_CHARACTERS_MAX:
        raise IdentifierInvalid(f"an identifier of more than {ORIGINAL_CHARACTERS_MAX} characters")


def _claims_to_be_gs1(text: str) -> bool:
    """Whether a URI must be a GS1 name, so that a wrong one is refused."""
    lowered = text.lower()
    if lowered.startswith("urn:epc:"):
        scheme = text[8:].partition(":")[2].partition(":")[0]
        return scheme in _URN_SCHEMES or lowered != text
    link = _LINK.fullmatch(text)
    if link is None:
        # A web address without a host cannot stand for itself either.
        return lowered.startswith(("https:", "http:"))
    if link[1].lower() == "id.gs1.org":
        return True
    segments = link[2].split("/")
    return any(
        ai in _QUALIFIERS and _LIKE_A_KEY_VALUE.match(value) is not None
        for ai, value in pairwise(segments)
    )


def _elements_of_link(text: str) -> tuple[tuple[str, str], ...]:
    link = _LINK.fullmatch(text)
    if link is None:
        raise IdentifierInvalid(f"{text!r} is neither a web address nor an EPC URN")
    segments = link[2].split("/")[1:]
    # One trailing slash is what browsers and people add; an empty value is not that.
    if segments and segments[-1] == "":
        segments.pop()
    start = next(
        (at for at in range(len(segments) - 2, -1, -2) if segments[at] in _QUALIFIERS), None
    )
    if start is None:
        raise IdentifierInvalid(f"no GS1 key ends the path of {text!r}")
    pairs = segments[start:]
    elements = tuple(
        (ai, _unescaped(value)) for ai, value in zip(pairs[::2], pairs[1::2], strict=True)
    )
    _check_elements(elements)
    _check_attributes(link[3] or "", {ai for ai, _ in elements})
    return elements


def _unescaped(segment: str) -> str:
    if _BROKEN_ESCAPE.search(segment):
        raise IdentifierInvalid(f"a broken percent escape in {segment!r}")
    try:
        return unquote_to_bytes(segment).decode("ascii")
    except ValueError:
        raise IdentifierInvalid(f"a character outside ASCII in {segment!r}") from None


def _check_elements(elements: tuple[tuple[str, str], ...]) -> None:
    (key, _), *qualifiers = elements
    names = tuple(ai for ai, _ in qualifiers)
    if names and not any(_is_in_order(names, allowed) for allowed in _QUALIFIERS[key]):
        raise IdentifierInvalid(f"AI ({key}) does not take {'/'.join(names)} in this order")
    if key == "415" and not names:
        raise IdentifierInvalid("AI (415) names a party to pay only with its reference (8020)")
    for ai, value in elements:
        accepted = _FORMATS[ai]
        if not accepted.pattern.fullmatch(value):
            raise IdentifierInvalid(f"AI ({ai}): {value!r} has a wrong length or character")
        accepted.check(ai, value)


def _is_in_order(names: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    rest = iter(allowed)
    return all(name in rest for name in names)


def _check_attributes(query: str, present: set[str]) -> None:
    """Attributes do not name, but a name in the wrong place and an impossible date are refused."""
    for pair in re.split("[&;]", query):
        name, _, value = pair.partition("=")
        if name in _FORMATS:
            where = "stands in the path already" if name in present else "belongs in the path"
            raise IdentifierInvalid(f"AI ({name}) {where}")
        if name in _DATES:
            _check_date(name, value)


def _check_date(ai: str, value: str) -> None:
    """Six digits YYMMDD; day 00 means the end of the month (GS1 GenSpecs §3.4)."""
    if not re.fullmatch("[0-9]{6}", value, re.ASCII):
        raise IdentifierInvalid(f"AI ({ai}): {value!r} is no date of six digits")
    day = int(value[4:]) or 1
    try:
        # 2000 stands for any century: only 29 February depends on it, and 1900 is not meant.
        date(2000 + int(value[:2]), int(value[2:4]), day)
    except ValueError:
        raise IdentifierInvalid(f"AI ({ai}): {value} is no day of the calendar") from None


_SERIAL = r"((?:[A-Za-z0-9!'()*+,\-.:;=_]|%(?:2[2356Ff]|3[CcEeFf]))+)"
_NUMBERS = r"([0-9]{6,12})\.([0-9]*)"


@dataclass(frozen=True, slots=True)
class _Urn:
    """How the parts of one URN scheme become the elements of a link, and back."""

    pattern: re.Pattern[str]
    digits: int | None
    """Digits of company prefix and reference together; None where the reference is free text."""


def _urn(pattern: str, digits: int | None) -> _Urn:
    return _Urn(re.compile(pattern, re.ASCII), digits)


_URNS = {
    "id:sgtin": _urn(rf"{_NUMBERS}\.{_SERIAL}", 13),
    "class:lgtin": _urn(rf"{_NUMBERS}\.{_SERIAL}", 13),
    "idpat:sgtin": _urn(rf"{_NUMBERS}\.\*", 13),
    "id:upui": _urn(rf"{_NUMBERS}\.{_SERIAL}", 13),
    "id:itip": _urn(rf"{_NUMBERS}\.([0-9]{{2}})\.([0-9]{{2}})\.{_SERIAL}", 13),
    "idpat:itip": _urn(rf"{_NUMBERS}\.([0-9]{{2}})\.([0-9]{{2}})\.\*", 13),
    "id:sscc": _urn(_NUMBERS, 17),
    "id:sgln": _urn(rf"{_NUMBERS}\.{_SERIAL}", 12),
    "id:pgln": _urn(_NUMBERS, 12),
    "id:grai": _urn(rf"{_NUMBERS}\.{_SERIAL}", 12),
    "idpat:grai": _urn(rf"{_NUMBERS}\.\*", 12),
    "id:gdti": _urn(rf"{_NUMBERS}\.{_SERIAL}", 12),
    "idpat:gdti": _urn(rf"{_NUMBERS}\.\*", 12),
    "id:sgcn": _urn(rf"{_NUMBERS}\.([0-9]{{1,12}})", 12),
    "idpat:sgcn": _urn(rf"{_NUMBERS}\.\*", 12),
    "id:gsrn": _urn(_NUMBERS, 17),
    "id:gsrnp": _urn(_NUMBERS, 17),
    "id:gsin": _urn(_NUMBERS, 16),
    "id:giai": _urn(rf"([0-9]{{6,12}})\.{_SERIAL}", None),
    "id:ginc": _urn(rf"([0-9]{{6,12}})\.{_SERIAL}", None),
    "id:cpi": _urn(r"([0-9]{6,12})\.((?:[A-Z0-9\-]|%2[3Ff])+)\.([0-9]+)", None),
    "idpat:cpi": _urn(r"([0-9]{6,12})\.((?:[A-Z0-9\-]|%2[3Ff])+)\.\*", None),
}

_URN_SCHEMES = frozenset(name.partition(":")[2] for name in _URNS)


def _elements_of_urn(text: str) -> tuple[tuple[str, str], ...]:
    kind, _, rest = text.removeprefix("urn:epc:").partition(":")
    scheme, _, body = rest.partition(":")
    name = f"{kind}:{scheme}"
    urn = _URNS.get(name)
    if urn is None:
        raise IdentifierInvalid(f"urn:epc:{name} is no EPC scheme of a GS1 key")
    match = urn.pattern.fullmatch(body)
    if match is None:
        raise IdentifierInvalid(f"{text!r} does not have the parts of urn:epc:{name}")
    prefix, reference, *further = (_unescaped(part) for part in match.groups())
    if urn.digits is not None and len(prefix) + len(reference) != urn.digits:
        raise IdentifierInvalid(
            f"company prefix and reference of urn:epc:{name} are {urn.digits} digits together"
        )
    elements = _link_elements(scheme, kind, prefix, reference, further)
    _check_elements(elements)
    return elements


def _link_elements(
    scheme: str, kind: str, prefix: str, reference: str, further: list[str]
) -> tuple[tuple[str, str], ...]:
    serial = further[-1] if further else ""
    match scheme:
        case "sgtin" | "lgtin" | "upui":
            gtin = ("01", _leading_first(prefix, reference))
            qualifier = {"sgtin": "21", "lgtin": "10", "upui": "235"}[scheme]
            return (gtin, (qualifier, serial)) if serial else (gtin,)
        case "itip":
            piece = ("8006", _leading_first(prefix, reference) + further[0] + further[1])
            return (piece,) if kind == "idpat" else (piece, ("21", serial))
        case "sscc":
            return (("00", _leading_first(prefix, reference)),)
        case "sgln":
            place = ("414", _checked(prefix + reference))
            # TDS §6.3.4: extension 0 says that there is none.
            return (place,) if serial == "0" else (place, ("254", serial))
        case "pgln":
            return (("417", _checked(prefix + reference)),)
        case "grai":
            return (("8003", "0" + _checked(prefix + reference) + serial),)
        case "gdti":
            return (("253", _checked(prefix + reference) + serial),)
        case "sgcn":
            return (("255", _checked(prefix + reference) + serial),)
        case "gsrn" | "gsrnp" | "gsin":
            ai = {"gsrn": "8018", "gsrnp": "8017", "gsin": "402"}[scheme]
            return ((ai, _checked(prefix + reference)),)
        case "giai" | "ginc":
            return (({"giai": "8004", "ginc": "401"}[scheme], prefix + reference),)
        case _:
            part = ("8010", prefix + reference)
            return (part, ("8011", serial)) if serial else (part,)


def _checked(digits: str) -> str:
    return digits + check_digit(digits)


def _leading_first(prefix: str, reference: str) -> str:
    """Indicator or extension digit first, as in a GTIN-14 or SSCC (TDS §7.1)."""
    if not reference:
        raise IdentifierInvalid("the reference lacks its leading digit")
    return _checked(reference[0] + prefix + reference[1:])


_URN_ESCAPES = {
    character: f"%{ord(character):02X}" for character in '"%&/<>?#'
}  # TDS §6.1, all that may not stand for itself


def _escaped(text: str) -> str:
    return "".join(_URN_ESCAPES.get(character, character) for character in text)


def _urn_of(identifier: Identifier, length: int) -> str:
    if not 6 <= length <= 12:
        raise UrnUnavailable(f"a company prefix has 6 to 12 digits, not {length}")
    if not identifier.elements:
        raise UrnUnavailable("a private URI has no EPC URN")
    (key, value), *qualifiers = identifier.elements
    names = tuple(ai for ai, _ in qualifiers)
    serial = _escaped(qualifiers[0][1]) if len(qualifiers) == 1 else ""
    leading = f"{value[1 : 1 + length]}.{value[0]}{value[1 + length : -1]}"
    plain = f"{value[:length]}.{value[length:-1]}"
    pair = f"{value[:length]}.{value[length:12]}"
    match key, names:
        case "00", ():
            return f"urn:epc:id:sscc:{leading}"
        case "01", ():
            return f"urn:epc:idpat:sgtin:{leading}.*"
        case "01", ("21",):
            return f"urn:epc:id:sgtin:{leading}.{serial}"
        case "01", ("10",):
            return f"urn:epc:class:lgtin:{leading}.{serial}"
        case "01", ("235",):
            return f"urn:epc:id:upui:{leading}.{serial}"
        case "8006", () | ("21",):
            item = f"{value[1 : 1 + length]}.{value[0]}{value[1 + length : 13]}"
            pieces = f"{item}.{value[14:16]}.{value[16:18]}"
            if names:
                return f"urn:epc:id:itip:{pieces}.{serial}"
            return f"urn:epc:idpat:itip:{pieces}.*"
        case "414", () | ("254",):
            return f"urn:epc:id:sgln:{plain}.{serial or '0'}"
        case "417", ():
            return f"urn:epc:id:pgln:{plain}"
        case "8003", ():
            asset = f"{value[1 : 1 + length]}.{value[1 + length : 13]}"
            return _id_or_pattern("grai", asset, value[14:])
        case "253", ():
            return _id_or_pattern("gdti", pair, value[13:])
        case "255", ():
            return _id_or_pattern("sgcn", pair, value[13:])
        case "8018" | "8017" | "402", ():
            return f"urn:epc:id:{ {'8018': 'gsrn', '8017': 'gsrnp', '402': 'gsin'}[key] }:{plain}"
        case "8004" | "401", () if len(value) > length:
            scheme = {"8004": "giai", "401": "ginc"}[key]
            return f"urn:epc:id:{scheme}:{value[:length]}.{_escaped(value[length:])}"
        case "8010", () | ("8011",) if len(value) > length:
            part = f"{value[:length]}.{_escaped(value[length:])}"
            return _id_or_pattern("cpi", part, serial)
    raise UrnUnavailable(f"{identifier.element_string} has no EPC URN")


def _id_or_pattern(scheme: str, item: str, serial: str) -> str:
    if serial:
        return f"urn:epc:id:{scheme}:{item}.{_escaped(serial)}"
    return f"urn:epc:idpat:{scheme}:{item}.*"
