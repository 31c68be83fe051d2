"""How a kind is declared: which values its members may take, and which particulars it has.

    Particular         one erasable member: a name, a check, a JSON Schema
    text_particular    one that is text; is_prose says which text will do
    party_particular   one that names another party
    Kind               one kind: codes, outcomes, rules of its members
    Kind.check         refuses a statement that does not fit
    Kind.json_schema   the same rules for readers of other languages
    COMMON             particulars every kind may carry

A kind is a value, not code: what it asks is read here, by the door, by the schema and by the
documentation alike. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.canonical import INTEGER_LIMIT, Json
from ledger.errors import (
    CaptureInvalid,
    CodeUnknown,
    IdentifierInvalid,
    LabelInvalid,
    OutcomeUnknown,
    StatementInvalid,
)
from ledger.identity import Identity, Scheme
from ledger.kinds.referring import Refers
from ledger.seal import Party
from ledger.statement import REFERENCE_HASH_PATTERN, WEIGHING_TEXT_MAX, Severity, Weighing

TEXT_MAX = 2_000
"""Characters of prose in one particular: a finding, not a file."""

NAME_MAX = 200
"""Characters of a name, a place, a product; the longest of the real refusals has 100."""

LIST_MAX = 32
"""Charges or documents of one statement."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tab and line feed: no finding needs them, some stores refuse them."""

_PRINTABLE = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"
"""The same for readers of a JSON Schema."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


REFUSALS = (StatementInvalid, IdentifierInvalid, LabelInvalid)
"""Of a particular."""


@dataclass(frozen=True, slots=True)
class Particular:
    """One member under `_sd`. `check` raises what `REFUSALS` lists."""

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

    schema = _prose_schema(length_max)
    if pattern is not None:
        schema["pattern"] = f"^(?:{pattern})$"
    return Particular(name, description, check, schema)


def party_particular(name: str, description: str) -> Particular:
    """A party as captures name theirs: a one-person business by its label, others by identifier."""

    def check(value: Json) -> None:
        scheme, identifier = _scheme_and_id(value, name)
        try:
            Party.parse(scheme, identifier)
        except CaptureInvalid as error:
            raise StatementInvalid(error.message) from None

    schemes = [*(member.value for member in Scheme), "label"]
    return Particular(name, description, check, _identity_schema(schemes))


def _prose_schema(length_max: int) -> dict[str, Json]:
    return {"type": "string", "minLength": 1, "maxLength": length_max, "pattern": _PRINTABLE}


def _identity_schema(schemes: Sequence[str]) -> dict[str, Json]:
    """Form alone: check characters are more than a JSON Schema can tell."""
    return {
        "type": "object",
        "required": ["id", "scheme"],
        "additionalProperties": False,
        "properties": {"id": {"type": "string"}, "scheme": {"enum": [*schemes]}},
    }


def _scheme_and_id(value: Json, name: str) -> tuple[str, str]:
    if isinstance(value, dict) and set(value) == {"id", "scheme"}:
        scheme, identifier = value["scheme"], value["id"]
        if isinstance(scheme, str) and isinstance(identifier, str):
            return scheme, identifier
    raise StatementInvalid(f"{name} is exactly id and scheme, both text")


def _check_subject(value: Json) -> None:
    Identity.parse(*_scheme_and_id(value, "subject"))


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
    "items": _prose_schema(NAME_MAX),
}

SUBJECT = Particular(
    "subject",
    "The organisation's identifier; it must hash to `sub`. Left out for one-person businesses.",
    _check_subject,
    _identity_schema([member.value for member in Scheme]),
)

NAMES = Particular(
    "name",
    "The registered name, in Chinese, English, or both.",
    _check_names,
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {"zh": _prose_schema(NAME_MAX), "en": _prose_schema(NAME_MAX)},
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
                    "name": _prose_schema(NAME_MAX),
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
    outcomes_by_code: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The outcomes that each code may have, where not every code may have every outcome."""
    outcomes_of_measure: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The outcomes that a measure belongs to, where it does not belong to all."""
    refers: Mapping[str, Refers] = field(default_factory=dict)
    """By outcome: what a statement refers to. One with another outcome refers to nothing."""
    other_party: str | None = None
    """The particular that names another party than the subject."""
    by_name: Mapping[str, Particular] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "by_name", {item.name: item for item in (*COMMON, *self.particulars)}
        )

    def check(self, weighing: Weighing, particulars: Mapping[str, Json]) -> None:
        """Raises `CodeUnknown`, `OutcomeUnknown`, `StatementInvalid` and what `REFUSALS` lists."""
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
            except REFUSALS as error:
                raise error.within("particulars", name) from None
        for name in self.required:
            if name not in particulars:
                raise StatementInvalid(f"{self.name} needs {name}", path=("particulars", name))

    def json_schema(self) -> dict[str, Json]:
        """The opened members as JSON Schema 2020-12: weighing members and particulars.

        Beyond it are the order of the three days, check characters, and that labels fit.
        """
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
                "weighing": self._weighing_schema(),
                "particulars": {
                    "type": "object",
                    "required": list(self.required),
                    "additionalProperties": False,
                    "properties": properties,
                },
            },
        }

    def _weighing_schema(self) -> dict[str, Json]:
        day: dict[str, Json] = {
            "type": "string",
            "format": "date",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        }
        case: dict[str, Json] = {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": WEIGHING_TEXT_MAX,
        }
        refers: dict[str, Json] = {"type": ["string", "null"], "pattern": REFERENCE_HASH_PATTERN}
        weighing: dict[str, Json] = {
            "kind": {"const": self.name},
            "code": {"enum": list(self.codes)},
            "outcome": {"enum": list(self.outcomes)},
            "severity": {"enum": [*_SEVERITIES, None] if self.graded_outcomes else [None]},
            "occurred_on": {"anyOf": [day, {"type": "null"}]},
            "decided_on": day,
            "effective_on": {"anyOf": [day, {"type": "null"}]},
            "case": case if self.case_allowed else {"type": "null"},
            "refers": refers if self.refers else {"type": "null"},
            "measures": self._measures_schema(),
            "basis": {"enum": [*self.bases, None]} if self.bases else {"type": "null"},
        }
        schema: dict[str, Json] = {
            "type": "object",
            "required": list(weighing),
            "additionalProperties": False,
            "properties": weighing,
        }
        rules = self._rules_between_members()
        if rules:
            schema["allOf"] = [*rules]
        return schema

    def _rules_between_members(self) -> list[dict[str, Json]]:
        """What one member asks of another."""
        rules = [
            _rule("code", [code], "outcome", {"enum": list(outcomes)})
            for code, outcomes in self.outcomes_by_code.items()
        ]
        if self.graded_outcomes:
            rules.append(
                _rule("outcome", self.graded_outcomes, "severity", {"enum": [*_SEVERITIES]})
            )
            rules.append(
                _rule("outcome", self._all_but(self.graded_outcomes), "severity", {"type": "null"})
            )
        for outcome, refers in self.refers.items():
            wanted: dict[str, Json] = {
                "type": "string" if refers.needed else ["string", "null"],
                "description": f"refers to {refers.words}",
            }
            rules.append(_rule("outcome", [outcome], "refers", wanted))
        if self.refers:
            rules.append(
                _rule("outcome", self._all_but(self.refers), "refers", {"type": "null"}),
            )
        for name, outcomes in self.outcomes_of_measure.items():
            without: dict[str, Json] = {"properties": {name: False}}
            rules.append(_rule("outcome", self._all_but(outcomes), "measures", without))
        return [rule for rule in rules if rule]

    def _all_but(self, outcomes: Collection[str]) -> list[str]:
        return [outcome for outcome in self.outcomes if outcome not in outcomes]

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
        of_code = self.outcomes_by_code.get(weighing.code, self.outcomes)
        if weighing.outcome not in of_code:
            raise OutcomeUnknown(
                f"{self.name} of code {weighing.code} has no outcome {weighing.outcome!r}; "
                f"known are {', '.join(of_code)}",
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
        self._check_refers(weighing)
        for name, number in (weighing.measures or {}).items():
            if name not in self.measures:
                raise StatementInvalid(
                    f"{self.name} has no measure {name!r}", path=("measures", name)
                )
            if weighing.outcome not in self.outcomes_of_measure.get(name, self.outcomes):
                raise StatementInvalid(
                    f"{self.name} with outcome {weighing.outcome} has no measure {name!r}",
                    path=("measures", name),
                )
            if number < 0:
                raise StatementInvalid("a measure is not negative", path=("measures", name))

    def _check_refers(self, weighing: Weighing) -> None:
        rule = self.refers.get(weighing.outcome or "")
        if rule is None and weighing.refers is not None:
            raise StatementInvalid(
                f"{self.name} with outcome {weighing.outcome} refers to no statement",
                path=("refers",),
            )
        if rule is not None and rule.needed and weighing.refers is None:
            raise StatementInvalid(
                f"{self.name} with outcome {weighing.outcome} refers to {rule.words}",
                path=("refers",),
            )

    def _measures_schema(self) -> Json:
        if not self.measures:
            return {"type": "null"}
        return {
            "type": ["object", "null"],
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                name: {"type": "integer", "minimum": 0, "maximum": INTEGER_LIMIT - 1}
                for name in self.measures
            },
        }


_SEVERITIES: tuple[Json, ...] = tuple(member.value for member in Severity)


def _rule(
    member: str, values: Sequence[str], other: str, schema: Mapping[str, Json]
) -> dict[str, Json]:
    """Where `member` is one of these, `other` is so; nothing where there are none."""
    if not values:
        return {}
    return {
        "if": {"properties": {member: {"enum": [*values]}}},
        "then": {"properties": {other: dict(schema)}},
    }
