"""How a kind is declared: which values its members may take, and which particulars it has.

    Particular         one erasable member: a name, a check, a JSON Schema
    text_particular    one that is text; is_prose says which text will do
    Kind               one kind: codes, outcomes, rules of its members
    Kind.check         refuses a statement that does not fit
    Kind.json_schema   the same rules for readers of other languages
    COMMON             particulars every kind may carry

A kind is a value, not code: what it asks is read here, by the door, by the schema and by the
documentation alike. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ledger.canonical import Json
from ledger.errors import (
    CodeUnknown,
    IdentifierInvalid,
    OutcomeUnknown,
    StatementInvalid,
)
from ledger.identity import Identity
from ledger.statement import Severity, Weighing

TEXT_MAX = 2_000
"""Characters of prose in one particular: a finding, not a file."""

NAME_MAX = 200
"""Characters of a name, a place, a product; the longest of the real refusals has 100."""

LIST_MAX = 32
"""Charges or documents of one statement."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tab and line feed: no finding needs them, some stores refuse them."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Particular:
    """One member under `_sd`. `check` raises `StatementInvalid` or `IdentifierInvalid`."""

    name: str
    description: str
    check: Callable[[Json], None]
    schema: Mapping[str, Json]


def is_prose(value: Json, length_max: int) -> bool:
    """Whether it is a text of 1 to `length_max` characters without control characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= length_max
        and _UNPRINTABLE.search(value) is None
    )


def text_particular(
    name: str, description: str, *, length_max: int = NAME_MAX, pattern: str | None = None
) -> Particular:
    """A text of 1 to `length_max` characters that matches `pattern` as a whole."""
    compiled = None if pattern is None else re.compile(pattern, re.ASCII)

    def check(value: Json) -> None:
        if not is_prose(value, length_max):
            raise StatementInvalid(f"{name} is no text of 1 to {length_max} printable characters")
        if compiled is not None and not compiled.fullmatch(str(value)):
            raise StatementInvalid(f"{name} does not match {pattern}")

    schema: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": length_max}
    if pattern is not None:
        schema["pattern"] = f"^(?:{pattern})$"
    return Particular(name, description, check, schema)


def _check_subject(value: Json) -> None:
    if (
        not isinstance(value, dict)
        or set(value) != {"id", "scheme"}
        or not isinstance(value["id"], str)
        or not isinstance(value["scheme"], str)
    ):
        raise StatementInvalid("subject is exactly id and scheme, both text")
    Identity.parse(value["scheme"], value["id"])


def _check_names(value: Json) -> None:
    if not isinstance(value, dict) or not value or not set(value) <= {"zh", "en"}:
        raise StatementInvalid("name is an object of zh, en, or both")
    for language, text in value.items():
        if not is_prose(text, NAME_MAX):
            raise StatementInvalid(
                f"name.{language} is no text of 1 to {NAME_MAX} printable characters",
                path=(language,),
            )


def _check_flag(value: Json) -> None:
    if value is not True:
        raise StatementInvalid("synthetic is true, or is left out")


def _check_texts(value: Json) -> None:
    if not isinstance(value, list) or not 0 < len(value) <= LIST_MAX:
        raise StatementInvalid(f"not a list of 1 to {LIST_MAX} texts")
    for position, item in enumerate(value):
        if not is_prose(item, NAME_MAX):
            raise StatementInvalid(
                f"no text of 1 to {NAME_MAX} printable characters", path=(position,)
            )


def _check_documents(value: Json) -> None:
    if not isinstance(value, list) or not 0 < len(value) <= LIST_MAX:
        raise StatementInvalid(f"documents is no list of 1 to {LIST_MAX}")
    for position, item in enumerate(value):
        if (
            not isinstance(item, dict)
            or set(item) != {"name", "sha256"}
            or not is_prose(item["name"], NAME_MAX)
            or not isinstance(item["sha256"], str)
            or not _SHA256.fullmatch(item["sha256"])
        ):
            raise StatementInvalid(
                "a document is exactly a name and its SHA-256 in hex", path=(position,)
            )


_TEXT_LIST: Mapping[str, Json] = {
    "type": "array",
    "minItems": 1,
    "maxItems": LIST_MAX,
    "items": {"type": "string", "minLength": 1, "maxLength": NAME_MAX},
}

SUBJECT = Particular(
    "subject",
    "The organisation's identifier; it must hash to `sub`. Left out for one-person businesses.",
    _check_subject,
    {
        "type": "object",
        "required": ["id", "scheme"],
        "additionalProperties": False,
        "properties": {"id": {"type": "string"}, "scheme": {"type": "string"}},
    },
)

NAMES = Particular(
    "name",
    "The registered name, in Chinese, English, or both.",
    _check_names,
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            "zh": {"type": "string", "minLength": 1, "maxLength": NAME_MAX},
            "en": {"type": "string", "minLength": 1, "maxLength": NAME_MAX},
        },
    },
)

CHARGES = Particular(
    "charges", "Legal charges as the authority numbers them.", _check_texts, _TEXT_LIST
)

COMMON = (
    SUBJECT,
    text_particular("text", "The finding in words.", length_max=TEXT_MAX),
    text_particular("number", "The authority's number of the decision.", length_max=64),
    text_particular("place", "Where it happened."),
    Particular(
        "documents",
        "Documents behind the statement, by digest.",
        _check_documents,
        {
            "type": "array",
            "minItems": 1,
            "maxItems": LIST_MAX,
            "items": {
                "type": "object",
                "required": ["name", "sha256"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": NAME_MAX},
                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                },
            },
        },
    ),
    Particular(
        "synthetic",
        "True for invented demonstration data.",
        _check_flag,
        {"const": True},
    ),
)

PRODUCT = (
    text_particular("product", "The goods in words."),
    text_particular("product_code", "The authority's own product code.", length_max=32),
    text_particular("gtin", "GS1 trade item number, 14 digits.", pattern=r"[0-9]{14}"),
    text_particular("lot", "The producer's lot.", length_max=20),
    text_particular("serial", "The producer's serial number.", length_max=20),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of statement."""

    name: str
    description: str
    codes: tuple[str, ...]
    outcomes: tuple[str, ...]
    graded_outcomes: tuple[str, ...] = ()
    """Outcomes that come with a severity; the others must have none."""
    bases: tuple[str, ...] = ()
    """What the finding may rest on; empty when the kind has no basis."""
    measures: tuple[str, ...] = ()
    case_allowed: bool = True
    particulars: tuple[Particular, ...] = ()
    required: tuple[str, ...] = ()
    """Particulars that must be there, besides `subject` for organisations."""
    by_name: Mapping[str, Particular] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "by_name", {item.name: item for item in (*COMMON, *self.particulars)}
        )

    def check(self, weighing: Weighing, particulars: Mapping[str, Json]) -> None:
        """Raises `CodeUnknown`, `OutcomeUnknown`, `StatementInvalid`, `IdentifierInvalid`."""
        assert weighing.kind == self.name
        self._check_names(weighing)
        self._check_severity(weighing)
        self._check_days(weighing)
        self._check_rest(weighing)
        for name, value in particulars.items():
            particular = self.by_name.get(name)
            if particular is None:
                raise StatementInvalid(
                    f"{self.name} has no particular {name!r}", path=("particulars", name)
                )
            try:
                particular.check(value)
            except (StatementInvalid, IdentifierInvalid) as error:
                raise error.within("particulars", name) from None
        for name in self.required:
            if name not in particulars:
                raise StatementInvalid(f"{self.name} needs {name}", path=("particulars", name))

    def json_schema(self) -> dict[str, Json]:
        """The opened members as JSON Schema 2020-12: weighing members and particulars."""
        day: dict[str, Json] = {"type": "string", "format": "date"}
        graded = bool(self.graded_outcomes)
        weighing: dict[str, Json] = {
            "kind": {"const": self.name},
            "code": {"enum": list(self.codes)},
            "outcome": {"enum": list(self.outcomes)},
            "severity": {
                "enum": [*(member.value for member in Severity), None] if graded else [None]
            },
            "occurred_on": {"anyOf": [day, {"type": "null"}]},
            "decided_on": day,
            "effective_on": {"anyOf": [day, {"type": "null"}]},
            "case": {"type": ["string", "null"]} if self.case_allowed else {"type": "null"},
            "refers": {"type": "null"},
            "measures": self._measures_schema(),
            "basis": {"enum": [*self.bases, None]} if self.bases else {"type": "null"},
        }
        properties: dict[str, Json] = {
            name: {**item.schema, "description": item.description}
            for name, item in self.by_name.items()
        }
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "description": self.description,
            "type": "object",
            "required": ["weighing", "particulars"],
            "additionalProperties": False,
            "properties": {
                "weighing": {
                    "type": "object",
                    "required": list(weighing),
                    "additionalProperties": False,
                    "properties": weighing,
                },
                "particulars": {
                    "type": "object",
                    "required": list(self.required),
                    "additionalProperties": False,
                    "properties": properties,
                },
            },
        }

    def _check_names(self, weighing: Weighing) -> None:
        if weighing.code not in self.codes:
            raise CodeUnknown(
                f"{self.name} has no code {weighing.code!r}; known are {', '.join(self.codes)}",
                path=("code",),
            )
        if weighing.outcome not in self.outcomes:
            raise OutcomeUnknown(
                f"{self.name} has no outcome {weighing.outcome!r}; "
                f"known are {', '.join(self.outcomes)}",
                path=("outcome",),
            )

    def _check_severity(self, weighing: Weighing) -> None:
        graded = weighing.outcome in self.graded_outcomes
        if graded and weighing.severity is None:
            raise StatementInvalid(
                f"{self.name} with outcome {weighing.outcome} has a severity", path=("severity",)
            )
        if not graded and weighing.severity is not None:
            raise StatementInvalid(
                f"{self.name} with outcome {weighing.outcome} has no severity", path=("severity",)
            )

    def _check_days(self, weighing: Weighing) -> None:
        if weighing.decided_on is None:
            raise StatementInvalid(f"{self.name} has a day of decision", path=("decided_on",))
        if weighing.occurred_on is not None and weighing.occurred_on > weighing.decided_on:
            raise StatementInvalid("it was decided before it occurred", path=("occurred_on",))
        if weighing.effective_on is not None and weighing.effective_on < weighing.decided_on:
            raise StatementInvalid("it is effective before it was decided", path=("effective_on",))

    def _check_rest(self, weighing: Weighing) -> None:
        if weighing.basis is not None and weighing.basis not in self.bases:
            raise StatementInvalid(
                f"{self.name} does not rest on {weighing.basis!r}", path=("basis",)
            )
        if weighing.case is not None and not self.case_allowed:
            raise StatementInvalid(f"{self.name} belongs to no case", path=("case",))
        if weighing.refers is not None:
            raise StatementInvalid(f"{self.name} refers to no statement", path=("refers",))
        for name, number in (weighing.measures or {}).items():
            if name not in self.measures:
                raise StatementInvalid(
                    f"{self.name} has no measure {name!r}", path=("measures", name)
                )
            if number < 0:
                raise StatementInvalid("a measure is not negative", path=("measures", name))

    def _measures_schema(self) -> Json:
        if not self.measures:
            return {"type": "null"}
        return {
            "type": ["object", "null"],
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {name: {"type": "integer", "minimum": 0} for name in self.measures},
        }
