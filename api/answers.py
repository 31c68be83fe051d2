"""What the command line asks the GraphQL door, and how it shows the answers.

    ENTERPRISE, TRACE, CAPTURE, SUBMIT   the documents
    Question                     a document and its variables
    AnswerRefused                the door's refusal, code and path as they came
    answered                     the one root field of an answer
    enterprise_text              a rating with its reasons, statement by statement
    counted                      a number and what is counted
    trace_text                   a lineage, step by step, and the events that say so

The texts show what the answers hold and nothing that was reckoned here. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.errors import INTERNAL

ENTERPRISE = """\
query Enterprise($id: String!, $asOf: Day, $knownAt: KnownAt) {
  enterprise(id: $id, asOf: $asOf, knownAt: $knownAt) {
    __typename
    ... on Refusal { code message path }
    ... on Enterprise {
      label
      identifier { scheme value }
      name { zh en }
      country region industry port synthetic
      rating {
        __typename
        ... on Refusal { code message path }
        ... on CreditRating {
          grade points flags since asOf treeSize reasonCount
          nextChange { on grade points }
          policy { name version }
          reasons {
            leafIndex rule points pointsFull endsOn
            statement {
              __typename code outcome severity decidedOn
              issuer { name { zh en } }
            }
          }
        }
      }
    }
  }
}"""

TRACE = """\
query Trace($link: String!, $direction: TraceDirection!, $asOf: Day, $knownAt: KnownAt) {
  trace(link: $link, direction: $direction, asOf: $asOf, knownAt: $knownAt) {
    __typename
    ... on Refusal { code message path }
    ... on Trace {
      root direction depth truncated asOf treeSize
      nodes { identifier grain direction level }
      edges { source target kind events { leafIndex position } }
      events {
        leafIndex position type eventTime bizStep disposition readPoint
        party { name { zh en } label }
      }
    }
  }
}"""

CAPTURE = """\
mutation Capture($document: String!, $party: String) {
  captureEvents(document: $document, party: $party) {
    __typename
    ... on Refusal { code message path }
    ... on Captured { eventCount signedBy entry { leafIndex duplicate } }
  }
}"""

SUBMIT = """\
mutation Submit($statement: String!) {
  submitStatements(statements: [$statement]) {
    __typename
    ... on Refusal { code message path }
    ... on Submitted { entries { leafIndex duplicate } }
  }
}"""

_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Question:
    """A GraphQL request."""

    document: str
    variables: Mapping[str, Any]

    def members(self) -> dict[str, Any]:
        """As it stands in the body."""
        return {"query": self.document, "variables": dict(self.variables)}


class AnswerRefused(Exception):
    """The door refused. `code` is the door's."""

    def __init__(self, code: str, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path


def answered(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The root field of an answer. Raises `AnswerRefused`."""
    for error in answer.get("errors") or ():
        refusal = error.get("extensions") or {}
        raise AnswerRefused(
            refusal.get("code", INTERNAL), error["message"], path=tuple(refusal.get("path", ()))
        )
    if "data" not in answer:
        raise AnswerRefused(
            answer.get("code", INTERNAL),
            answer.get("message", "the door answers in a form of its own"),
            path=tuple(answer.get("path", ())),
        )
    (field,) = answer["data"].values()
    assert isinstance(field, dict)
    if field["__typename"] == "Refusal":
        raise AnswerRefused(field["code"], field["message"], path=tuple(field["path"]))
    return field


def enterprise_text(enterprise: Mapping[str, Any]) -> str:
    """An enterprise as a regulator reads it."""
    return "\n".join(_enterprise_lines(enterprise)) + "\n"


def trace_text(trace: Mapping[str, Any]) -> str:
    """A trace as whoever scanned the code reads it."""
    return "\n".join(_trace_lines(trace)) + "\n"


def counted(number: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _enterprise_lines(enterprise: Mapping[str, Any]) -> Iterator[str]:
    yield _names(enterprise["name"]) or enterprise["label"]
    identifier = enterprise["identifier"]
    if identifier is not None:
        yield _member("identifier", f"{identifier['scheme'].lower()} {identifier['value']}")
    for name in ("country", "region", "industry", "port"):
        if enterprise[name] is not None:
            yield _member(name, enterprise[name])
    if enterprise["synthetic"]:
        yield _member("note", "synthetic: invented for demonstration")
    yield ""
    rating = enterprise["rating"]
    if rating["__typename"] == "Refusal":
        yield f"Not rated: {rating['message']}"
        yield _member("code", rating["code"])
        return
    policy = rating["policy"]
    since = f", since {rating['since']}" if rating["since"] else ""
    yield f"Grade {rating['grade']}, {_points(rating['points'])} points{since}"
    yield _member("true on", f"{rating['asOf']}, as known at tree size {rating['treeSize']}")
    yield _member("policy", f"{policy['name']} {policy['version']}")
    if rating["flags"]:
        yield _member("flags", ", ".join(rating["flags"]))
    change = rating["nextChange"]
    if change is not None:
        becomes = f"grade {change['grade']}, {_points(change['points'])} points"
        yield _member("next", f"{change['on']}: {becomes}, if nothing more is stated")
    for reason in rating["reasons"]:
        yield ""
        yield from _reason_lines(reason)
    more = rating["reasonCount"] - len(rating["reasons"])
    if more:
        yield ""
        yield f"and {counted(more, 'lesser reason')}"


def _reason_lines(reason: Mapping[str, Any]) -> Iterator[str]:
    weight = f"{_points(reason['points'])} of {_points(reason['pointsFull'])} points"
    yield f"Entry {reason['leafIndex']}: {weight}, until {reason['endsOn']}"
    yield _member("rule", reason["rule"])
    statement = reason["statement"]
    if statement is None:
        return
    words = (statement["code"], statement["outcome"], (statement["severity"] or "").lower())
    stated = ", ".join(word for word in words if word)
    yield _member("states", f"{statement['__typename']}: {stated}")
    yield _member("decided on", statement["decidedOn"])
    yield _member("stated by", _names(statement["issuer"]["name"]))


def _trace_lines(trace: Mapping[str, Any]) -> Iterator[str]:
    nodes: Sequence[Mapping[str, Any]] = trace["nodes"]
    yield trace["root"]
    yield _member("true on", f"{trace['asOf']}, as known at tree size {trace['treeSize']}")
    met = f"{counted(len(nodes), 'name')}, {counted(len(trace['events']), 'event')}"
    bound = "; cut short by a bound" if trace["truncated"] else ""
    yield _member("met", f"{met}, {trace['direction'].lower()} to depth {trace['depth']}{bound}")
    grains = {node["identifier"]: node["grain"].lower() for node in nodes}
    for direction, title in (("UP", "Came from"), ("DOWN", "Went into")):
        there = [node for node in nodes if node["level"] and node["direction"] == direction]
        if there:
            yield ""
            yield title
        for node in there:
            name = node["identifier"]
            yield f"{_INDENT}{node['level']:>3}  {grains[name]:<8}  {name}"
    if trace["edges"]:
        yield ""
        yield "Because of"
    for edge in trace["edges"]:
        places = ", ".join(map(_place, edge["events"])) or "the names themselves"
        yield f"{_INDENT}{edge['source']}"
        yield f"{_INDENT}  → {edge['target']}  ({edge['kind'].lower()}, {places})"
    for event in trace["events"]:
        yield ""
        yield from _event_lines(event)
    yield ""
    yield "Each event stands in the log, by its entry; that there are no others is not proven."


def _event_lines(event: Mapping[str, Any]) -> Iterator[str]:
    yield f"{event['type']}, {event['eventTime']}  ({_place(event)})"
    for name, member in (
        ("step", "bizStep"),
        ("disposition", "disposition"),
        ("read at", "readPoint"),
    ):
        if event[member] is not None:
            yield _member(name, event[member])
    party = event["party"]
    yield _member("captured by", _names(party["name"]) or party["label"])


def _place(event: Mapping[str, Any]) -> str:
    return f"entry {event['leafIndex']}, event {event['position']}"


def _member(name: str, value: str) -> str:
    return f"{_INDENT}{name:<12} {value}"


def _names(names: Mapping[str, str | None] | None) -> str:
    return " / ".join(name for name in (names or {}).values() if name)


def _points(centipoints: int) -> str:
    """Hundredths of a point, exactly."""
    sign = "-" if centipoints < 0 else ""
    whole, rest = divmod(abs(centipoints), 100)
    return f"{sign}{whole}.{rest:02}"
