"""FDA import refusals as statements: what the lines of the Import Refusal Report amount to.

    ImportFault        root of the refusals of an import, drawn below
    Group              what a charge is about, gravest first
    Charge             one legal charge, with the group and severity it counts as
    Firm               an establishment, as its lines describe it
    Refusal            one refused line of a shipment
    read_charges       the charges table, or a refusal naming line and column
    read_refusals      the report, or a refusal naming line and column
    Stated             what the desk states: reference, subject, members
    Cases              keyed case ids
    reference_of       a refusal's number as `jti`
    filing_of          a firm enters the books
    statement_of       what was found in one line
    statements         a filing per firm and one statement per line, in the order of the file

A line becomes `fraud-case` when one of its charges is of group fraud, else a failed `inspection`
when a laboratory stands behind it, else an `enforcement` whose outcome is `admission-refused`. It
is as severe as its gravest charge, and its code is the group of that charge.

A refusal's number is entry, document, line and, for one line in 24, a suffix: the entry has three
parts (`235-2340881-5`), so five or six parts in all. Lines of one entry and document were offered
for entry together and are one case, so that a shipment of forty lines is not forty offences. Each
line is a decision of its own even so: one document may hold lines of several makers, and some were
decided on different days, which is why a case is not submitted all or none. Suffixes count on past
Z in ASCII (`[`, `\\`, `]`), which no `jti` may hold: there they stand as `:5B` and so on.

    ImportFault
    ├── FileUnreadable    IMPORT_FILE_UNREADABLE     missing, too large, no gzip, not UTF-8
    ├── HeaderWrong       IMPORT_HEADER_WRONG        not the columns of this file
    ├── RowMalformed      IMPORT_ROW_MALFORMED       a field that cannot be read
    ├── FirmUnfit         IMPORT_FIRM_UNFIT          no identifier, or a natural person's
    ├── ChargeUnknown     IMPORT_CHARGE_UNKNOWN      a number the charges table lacks
    └── NumberRepeated    IMPORT_NUMBER_REPEATED     the same number on two lines

Nothing is sent of a file that raises one of them. Pure.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import ClassVar, TypeVar

from api.fault import Fault
from ledger.canonical import Json, b64url, encode
from ledger.errors import IdentifierInvalid, LedgerError
from ledger.identity import Identity
from ledger.kinds import kind_of
from ledger.kinds.shape import TEXT_MAX
from ledger.statement import Severity, Weighing

CHARGE_COLUMNS = (
    "charge_id",
    "charge_code",
    "section",
    "suggested_group",
    "suggested_severity",
    "times_used",
    "statement",
)

REFUSAL_COLUMNS = (
    "refusal_id",
    "firm_id",
    "firm_name",
    "city",
    "province",
    "country",
    "product_code",
    "product",
    "refusal_date",
    "division",
    "fda_sample",
    "private_lab",
    "charge_ids",
)

FIELD_CHARACTERS_MAX = 4_096
"""The longest field of the published tables, a charge in words, has some 1,000."""

_REFUSAL_ID = re.compile(
    r"(?P<matter>[0-9A-Z]{3}-[0-9]{7}-[0-9]-[0-9]{1,9})-[0-9]{1,4}(?:-[A-Za-z\[\\\]^_`]{1,2})?",
    re.ASCII,
)
_NOT_IN_REFERENCE = re.compile(r"[\[\\\]^`]", re.ASCII)
_CHARGE_ID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_FEI = re.compile(r"FEI([1-9][0-9]{0,9})", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_PRODUCT_CODE = re.compile(r"[0-9]{2}[0-9A-Z-]{1,30}", re.ASCII)

_ADULTERATION = re.compile(r"402\(b\)|501\(d\)", re.ASCII)
"""FD&C Act: substitution, added bulk, abstraction (foods); mixing, substitution (drugs)."""
_DEBARMENT = re.compile(r"301\(CC\)", re.ASCII)

_Answer = TypeVar("_Answer")


class ImportFault(Fault):
    """Why a file was not taken in. `path` is the line, counted from 1, and the column."""

    code: ClassVar[str]


class FileUnreadable(ImportFault):
    """The file is missing, too large, no gzip, or not UTF-8."""

    code = "IMPORT_FILE_UNREADABLE"


class HeaderWrong(ImportFault):
    """The first line does not name the columns of this file."""

    code = "IMPORT_HEADER_WRONG"


class RowMalformed(ImportFault):
    """A field that cannot be read."""

    code = "IMPORT_ROW_MALFORMED"


class FirmUnfit(ImportFault):
    """The firm's identifier does not check, or names a person, whom only the registry binds."""

    code = "IMPORT_FIRM_UNFIT"


class ChargeUnknown(ImportFault):
    """The charges table has no such number."""

    code = "IMPORT_CHARGE_UNKNOWN"


class NumberRepeated(ImportFault):
    """One number on two lines."""

    code = "IMPORT_NUMBER_REPEATED"


class Group(Enum):
    """What a charge is about. Of equally severe charges the group that stands first decides."""

    FRAUD = "fraud"
    SAFETY = "safety"
    HYGIENE = "hygiene"
    OBSTRUCTION = "obstruction"
    PERMIT = "permit"
    LABEL = "label"
    OTHER = "other"


_GROUPS = tuple(Group)
_SEVERITIES = (Severity.SERIOUS, Severity.GENERAL, Severity.MINOR)


@dataclass(frozen=True, slots=True)
class Charge:
    """One legal charge of the FDA's table."""

    number: int
    section: str
    group: Group
    severity: Severity
    statement: str

    @property
    def rank(self) -> tuple[int, int, int]:
        """Gravest first: severity, then group, then number."""
        return (_SEVERITIES.index(self.severity), _GROUPS.index(self.group), self.number)


@dataclass(frozen=True, slots=True)
class Firm:
    """An establishment, as a line describes it."""

    identity: Identity
    name: str
    country: str
    province: str
    """Empty where the report knows none."""
    city: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused line of a shipment."""

    line: int
    """Where in the file it ends, counted from 1."""
    number: str
    matter: str
    """Entry and document: what the lines of one case share."""
    firm: Firm
    product_code: str
    product: str
    decided_on: date
    division: str
    laboratory: bool
    """Whether a sample, of the FDA or of a private laboratory, lies behind it."""
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement before its signature, and the line it comes from."""

    line: int
    jti: str
    subject: Identity
    weighing: Weighing
    particulars: Mapping[str, Json]


@dataclass(frozen=True, slots=True, repr=False)
class Cases:
    """Case ids that say nothing to whoever lacks the key, and are the same on every run."""

    draw: Callable[[bytes], bytes]
    """HMAC-SHA256 under a key of its own."""

    def id_of(self, matter: str) -> str:
        """In base64url: entry numbers are printed on papers and could be guessed."""
        return b64url(self.draw(f"fda {matter}".encode()))


def read_charges(text: str) -> dict[int, Charge]:
    """Charges by number. Raises `HeaderWrong`, `RowMalformed`, `NumberRepeated`."""
    charges: dict[int, Charge] = {}
    for line, row in _rows(text, CHARGE_COLUMNS):
        charge = Charge(
            number=_field(line, row, "charge_id", _charge_number),
            section=_field(line, row, "section", _present),
            group=_field(line, row, "suggested_group", Group),
            severity=_field(line, row, "suggested_severity", Severity),
            # One charge of the published table has no words, only a short name.
            statement=row["statement"] or _field(line, row, "charge_code", _present),
        )
        if charge.number in charges:
            raise NumberRepeated(
                f"line {line}: charge {charge.number} stands on an earlier line too",
                path=(line, "charge_id"),
            )
        charges[charge.number] = charge
    return charges


def read_refusals(text: str, charges: Mapping[int, Charge]) -> list[Refusal]:
    """The lines of the report, in order.

    Raises `HeaderWrong`, `RowMalformed`, `FirmUnfit`, `ChargeUnknown`, `NumberRepeated`.
    """
    refusals: list[Refusal] = []
    first_lines: dict[str, int] = {}
    for line, row in _rows(text, REFUSAL_COLUMNS):
        refusal = _refusal(line, row, charges)
        earlier = first_lines.setdefault(refusal.number, line)
        if earlier != line:
            raise NumberRepeated(
                f"line {line}: refusal {refusal.number} stands on line {earlier} too",
                path=(line, "refusal_id"),
            )
        refusals.append(refusal)
    return refusals


def statements(refusals: Sequence[Refusal], cases: Cases) -> Iterator[Stated]:
    """All that the file amounts to, checked by the rules of each kind. Raises `RowMalformed`.

    A firm is filed before its first line, and once more where a later line describes it otherwise:
    a later filing replaces an earlier one.
    """
    filed: set[Firm] = set()
    for refusal in refusals:
        if refusal.firm not in filed:
            filed.add(refusal.firm)
            yield _checked(filing_of(refusal))
        yield _checked(statement_of(refusal, cases))


def filing_of(refusal: Refusal) -> Stated:
    """The firm enters the books on the day of the line that first names it so."""
    firm = refusal.firm
    particulars: dict[str, Json] = {
        "name": {"en": firm.name},
        "country": firm.country,
        "city": firm.city,
        # The first two signs of an FDA product code are its industry.
        "industry": refusal.product_code[:2],
    }
    if firm.province:
        particulars["region"] = firm.province
    described = encode([firm.name, firm.country, firm.province, firm.city])
    digest = hashlib.sha256(described).hexdigest()[:16]
    return _stated(
        refusal,
        f"filing:{firm.identity.scheme.value}:{firm.identity.identifier}:{digest}",
        Weighing(
            kind="filing", code="enterprise", outcome="accepted", decided_on=refusal.decided_on
        ),
        particulars,
    )


def statement_of(refusal: Refusal, cases: Cases) -> Stated:
    """What was found, with the number the FDA gave it."""
    kind, code, outcome = _finding(refusal)
    severity = min(refusal.charges, key=lambda charge: charge.rank).severity
    return _stated(
        refusal,
        reference_of(refusal.number),
        Weighing(
            kind=kind,
            code=code,
            outcome=outcome,
            severity=severity,
            decided_on=refusal.decided_on,
            case=cases.id_of(refusal.matter),
            basis="lab" if refusal.laboratory else None,
        ),
        {
            "product": refusal.product,
            "product_code": refusal.product_code,
            "charges": [str(charge.number) for charge in refusal.charges],
            "number": refusal.number,
            "text": _in_words(refusal.charges),
            "place": refusal.division,
        },
    )


def reference_of(number: str) -> str:
    """A refusal's number in the alphabet of `jti`; different numbers stay different."""
    return _NOT_IN_REFERENCE.sub(lambda sign: f":{ord(sign[0]):02X}", number)


def _finding(refusal: Refusal) -> tuple[str, str, str]:
    """Kind, code and outcome."""
    frauds = [charge for charge in refusal.charges if charge.group is Group.FRAUD]
    if frauds:
        return "fraud-case", _fraud_code(min(frauds, key=lambda charge: charge.rank)), "confirmed"
    # The other groups are codes of both kinds, in the same words.
    code = min(refusal.charges, key=lambda charge: charge.rank).group.value
    if refusal.laboratory:
        return "inspection", code, "fail"
    return "enforcement", code, "admission-refused"


def _fraud_code(charge: Charge) -> str:
    if _ADULTERATION.match(charge.section):
        return "adulteration-or-passing-off"
    if _DEBARMENT.match(charge.section):
        return "other"
    return "misleading-label"


def _in_words(charges: Sequence[Charge]) -> str:
    """The charges as the Act has them, cut where a particular may hold no more."""
    text = "\n".join(charge.statement for charge in charges)
    if len(text) <= TEXT_MAX:
        return text
    return text[: TEXT_MAX - 1].rpartition(" ")[0] + "…"


def _stated(refusal: Refusal, jti: str, weighing: Weighing, particulars: dict[str, Json]) -> Stated:
    identity = refusal.firm.identity
    particulars["subject"] = {"id": identity.identifier, "scheme": identity.scheme.value}
    return Stated(refusal.line, jti, identity, weighing, particulars)


def _checked(stated: Stated) -> Stated:
    try:
        kind_of(stated.weighing.kind).check(stated.weighing, stated.particulars)
    except LedgerError as error:
        raise RowMalformed(
            f"line {stated.line}: {error.message}", path=(stated.line, *error.path)
        ) from None
    return stated


def _refusal(line: int, row: Mapping[str, str], charges: Mapping[int, Charge]) -> Refusal:
    number = _field(line, row, "refusal_id", _matching(_REFUSAL_ID))
    return Refusal(
        line=line,
        number=number,
        matter=number[: _matter_end(number)],
        firm=Firm(
            identity=_firm_identity(line, row["firm_id"]),
            name=_field(line, row, "firm_name", _present),
            country=row["country"],
            province=row["province"],
            city=row["city"],
        ),
        product_code=_field(line, row, "product_code", _matching(_PRODUCT_CODE)),
        product=row["product"],
        decided_on=_field(line, row, "refusal_date", _day),
        division=row["division"],
        # No `or`: the second column is read, and refused, whatever the first one says.
        laboratory=_field(line, row, "fda_sample", _flag) | _field(line, row, "private_lab", _flag),
        charges=_charges_of(line, row["charge_ids"], charges),
    )


def _matter_end(number: str) -> int:
    found = _REFUSAL_ID.fullmatch(number)
    assert found is not None
    return found.end("matter")


def _firm_identity(line: int, text: str) -> Identity:
    fei = _FEI.fullmatch(text)
    try:
        identity = Identity.parse("fei", fei[1]) if fei else Identity.parse("uscc", text)
    except IdentifierInvalid as error:
        raise FirmUnfit(
            f"line {line}: firm_id is no FEI and no social credit identifier: {error.message}",
            path=(line, "firm_id"),
        ) from None
    if identity.is_person:
        raise FirmUnfit(
            f"line {line}: a one-person business needs the registry's binding first",
            path=(line, "firm_id"),
        )
    return identity


def _charges_of(line: int, text: str, known: Mapping[int, Charge]) -> tuple[Charge, ...]:
    found: dict[int, Charge] = {}
    for word in text.split(" "):
        try:
            number = _charge_number(word)
        except ValueError as error:
            raise RowMalformed(
                f"line {line}: charge_ids {error}", path=(line, "charge_ids")
            ) from None
        if number not in known:
            raise ChargeUnknown(
                f"line {line}: the charges table has no {number}", path=(line, "charge_ids")
            )
        found[number] = known[number]
    return tuple(found.values())


def _rows(text: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by column name, with the number of the line it ends on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != columns:
            raise HeaderWrong(f"the columns are not {', '.join(columns)}", path=(1,))
        for fields in reader:
            line = reader.line_num
            if len(fields) != len(columns):
                raise RowMalformed(
                    f"line {line}: {len(fields)} fields instead of {len(columns)}", path=(line,)
                )
            for column, field in zip(columns, fields, strict=True):
                if len(field) > FIELD_CHARACTERS_MAX or not field.isprintable():
                    raise RowMalformed(
                        f"line {line}: {column} is too long or holds control characters",
                        path=(line, column),
                    )
            yield line, dict(zip(columns, fields, strict=True))
    except csv.Error as error:
        raise RowMalformed(
            f"line {reader.line_num}: no CSV of RFC 4180: {error}", path=(reader.line_num,)
        ) from None


def _field(
    line: int, row: Mapping[str, str], column: str, parse: Callable[[str], _Answer]
) -> _Answer:
    try:
        return parse(row[column])
    except ValueError as error:
        raise RowMalformed(f"line {line}: {column} {error}", path=(line, column)) from None


def _present(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} has another form")
        return text

    return parse


def _charge_number(text: str) -> int:
    if not _CHARGE_ID.fullmatch(text):
        raise ValueError(f"{text!r} is no charge number")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text == "1"


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError(f"{text!r} is no day YYYY-MM-DD")
    return date.fromisoformat(text)
