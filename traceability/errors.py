"""Every refusal of traceability, and its stable code.

    TraceabilityError
    ├── IdentifierInvalid       a text that names nothing: no GS1 link, no EPC URN, no URI
    ├── CheckDigitInvalid       a GS1 key whose check digit, or pair, is wrong
    ├── UrnUnavailable          a link that no EPC URN stands for
    ├── DocumentTooLarge        more bytes than a capture takes
    ├── DocumentNotJson         bytes that are no JSON text in UTF-8
    ├── DocumentTooDeep         JSON nested deeper than any document needs
    ├── EventsTooMany           more events than a capture takes
    ├── EventsMissing           a document without a single event
    ├── MemberDuplicate         one object with one name twice
    ├── MemberMissing           a member that the standard requires
    ├── MemberUnknown           a bare name that the standard does not have
    ├── MemberInvalid           a value of the wrong type or form
    ├── VersionUnsupported      a document of another schema version
    ├── EventTypeUnknown        an event type that is none of the five
    ├── WordUnknown             a bare word that CBV does not have
    ├── TimeInvalid             a moment or offset that does not exist
    ├── EventIncomplete         an event without what its type needs
    ├── BoundExceeded           a trace deeper or wider than one answer may be
    └── EventUnknown            no event of that leaf index and position

`path` names the offending field from the outside in. Pure.
"""

from __future__ import annotations

from typing import ClassVar


class TraceabilityError(Exception):
    """A refusal the caller can act on; `code` is public and never changes its meaning."""

    code: ClassVar[str]

    def __init__(self, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def within(self, *outer: str | int) -> TraceabilityError:
        """The same refusal, seen from one level further out."""
        return type(self)(self.message, path=(*outer, *self.path))


class IdentifierInvalid(TraceabilityError):
    code = "TRACE_IDENTIFIER_INVALID"


class CheckDigitInvalid(TraceabilityError):
    code = "TRACE_CHECK_DIGIT_INVALID"


class UrnUnavailable(TraceabilityError):
    code = "TRACE_URN_UNAVAILABLE"


class DocumentTooLarge(TraceabilityError):
    code = "TRACE_DOCUMENT_TOO_LARGE"


class DocumentNotJson(TraceabilityError):
    code = "TRACE_DOCUMENT_NOT_JSON"


class DocumentTooDeep(TraceabilityError):
    code = "TRACE_DOCUMENT_TOO_DEEP"


class EventsTooMany(TraceabilityError):
    code = "TRACE_EVENTS_TOO_MANY"


class EventsMissing(TraceabilityError):
    code = "TRACE_EVENTS_MISSING"


class MemberDuplicate(TraceabilityError):
    code = "TRACE_MEMBER_DUPLICATE"


class MemberMissing(TraceabilityError):
    code = "TRACE_MEMBER_MISSING"


class MemberUnknown(TraceabilityError):
    code = "TRACE_MEMBER_UNKNOWN"


class MemberInvalid(TraceabilityError):
    code = "TRACE_MEMBER_INVALID"


class VersionUnsupported(TraceabilityError):
    code = "TRACE_VERSION_UNSUPPORTED"


class EventTypeUnknown(TraceabilityError):
    code = "TRACE_EVENT_TYPE_UNKNOWN"


class WordUnknown(TraceabilityError):
    code = "TRACE_WORD_UNKNOWN"


class TimeInvalid(TraceabilityError):
    code = "TRACE_TIME_INVALID"


class EventIncomplete(TraceabilityError):
    code = "TRACE_EVENT_INCOMPLETE"


class BoundExceeded(TraceabilityError):
    code = "TRACE_BOUND_EXCEEDED"


class EventUnknown(TraceabilityError):
    code = "TRACE_EVENT_UNKNOWN"
