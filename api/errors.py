"""Where the trees of errors meet: what a caller is told, and under which status.

    Refusal           code, message and path: the one error object of the wire
    refusal_of        any exception to its refusal; what is no known refusal is INTERNAL
    status_of         the HTTP status of a refusal
    retry_after_s     when trying again may help

    DoorError
    ├── RequestError
    │   ├── BodyTooLarge         more bytes than the door takes
    │   ├── MediaTypeRefused     a body of a type the door does not read
    │   ├── RequestMalformed     a body outside its form
    │   ├── RouteUnknown         nothing lives under this path
    │   └── MethodRefused        the path is there, for other methods
    ├── AccessError
    │   ├── CredentialMalformed  a credential with a wrong form, key or signature
    │   ├── CredentialExpired    its time is over, or has not begun
    │   ├── IssuerUnknown        nobody here believes its issuer
    │   ├── DemoIssuerRefused    the demonstration's issuer, outside the demonstration
    │   ├── AudienceWrong        a credential for another log
    │   └── TierForbidden        a good credential that does not open this door
    ├── QueryError
    │   ├── QueryMalformed       no GraphQL, or not of the caller's schema
    │   ├── QueryTooLarge        more tokens, fields or depth than one answer may cost
    │   ├── OperationUnclear     several operations and no name, or a name of none
    │   ├── PageInvalid          `first` or `after` outside its bounds
    │   ├── FilterInvalid        a filter's text outside its bounds
    │   ├── HypothesisInvalid    a supposition about statements or grades that are not there
    │   └── NodeIdentifierInvalid  no identifier of this schema
    ├── EnterpriseUnknown        nothing is filed under that identifier, as far as may be said
    ├── SizeUnknown              a tree size that the log has not reached
    ├── ReadOnly                 this process does not write
    └── NotReady
        ├── DatabaseAway         the database does not answer
        └── ViewsBehind          answers lag the log by more than they may

Anything else that escapes is a bug: logged whole, answered as INTERNAL.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from api.fault import Fault
from credit.errors import CreditError
from ledger import errors as ledger_errors
from ledger.errors import LedgerError
from traceability.errors import BoundExceeded, DocumentTooLarge, TraceabilityError

INTERNAL = "INTERNAL"

MESSAGE_CHARACTERS_MAX = 500
"""A message quotes the value that broke a rule, and the value may be as long as a body."""

logger = logging.getLogger(__name__)


class DoorError(Fault):
    """A refusal the caller can act on; `code` is public and never changes its meaning."""

    code: ClassVar[str]
    status: ClassVar[int] = 400


class RequestError(DoorError):
    """About the request before anybody looks at what it says."""


class BodyTooLarge(RequestError):
    code = "REQUEST_TOO_LARGE"
    status = 413


class MediaTypeRefused(RequestError):
    code = "REQUEST_MEDIA_TYPE"
    status = 415


class RequestMalformed(RequestError):
    code = "REQUEST_MALFORMED"


class RouteUnknown(RequestError):
    code = "REQUEST_ROUTE_UNKNOWN"
    status = 404


class MethodRefused(RequestError):
    code = "REQUEST_METHOD"
    status = 405


class AccessError(DoorError):
    """About the credential. A bad one is refused, never taken for none."""

    status = 401


class CredentialMalformed(AccessError):
    code = "ACCESS_TOKEN_MALFORMED"


class CredentialExpired(AccessError):
    code = "ACCESS_TOKEN_EXPIRED"


class IssuerUnknown(AccessError):
    code = "ACCESS_ISSUER_UNKNOWN"


class DemoIssuerRefused(AccessError):
    code = "ACCESS_DEMO_ISSUER_REFUSED"


class AudienceWrong(AccessError):
    code = "ACCESS_AUDIENCE_WRONG"


class TierForbidden(AccessError):
    code = "ACCESS_FORBIDDEN"
    status = 403


class QueryError(DoorError):
    """About a GraphQL document or its arguments."""


class QueryMalformed(QueryError):
    code = "QUERY_MALFORMED"


class QueryTooLarge(QueryError):
    code = "QUERY_TOO_LARGE"


class OperationUnclear(QueryError):
    code = "QUERY_OPERATION_UNCLEAR"


class PageInvalid(QueryError):
    code = "QUERY_PAGE_INVALID"


class FilterInvalid(QueryError):
    code = "QUERY_FILTER_INVALID"


class HypothesisInvalid(QueryError):
    code = "QUERY_HYPOTHESIS_INVALID"


class NodeIdentifierInvalid(QueryError):
    code = "QUERY_NODE_IDENTIFIER_INVALID"


class EnterpriseUnknown(DoorError):
    code = "ENTERPRISE_UNKNOWN"
    status = 404


class SizeUnknown(DoorError):
    code = "LOG_SIZE_UNKNOWN"
    status = 404


class ReadOnly(DoorError):
    code = "LOG_READ_ONLY"
    status = 503


class NotReady(DoorError):
    """Of a process that should be sent no requests for the moment."""

    status = 503


class DatabaseAway(NotReady):
    code = "READY_DATABASE_AWAY"


class ViewsBehind(NotReady):
    code = "READY_VIEWS_BEHIND"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The one error object, in GraphQL, NDJSON and problem details alike."""

    code: str
    message: str
    path: tuple[str | int, ...] = ()

    def members(self) -> dict[str, object]:
        """As it stands on the wire."""
        return {"code": self.code, "message": self.message, "path": list(self.path)}


KNOWN = (DoorError, LedgerError, CreditError, TraceabilityError)

_INTERNAL = Refusal(INTERNAL, "this server failed; the failure was logged")

_STATUS: Mapping[type[Exception], int] = {
    ledger_errors.EntryUnknown: 404,
    ledger_errors.TilePathMalformed: 400,
    ledger_errors.LedgerEmpty: 404,
    ledger_errors.OriginUnknown: 404,
    ledger_errors.RequestToWitnessMalformed: 400,
    ledger_errors.CheckpointUntrusted: 403,
    ledger_errors.CheckpointConflict: 409,
    ledger_errors.DuplicateConflict: 409,
    ledger_errors.SubmissionTooLarge: 413,
    DocumentTooLarge: 413,
    BoundExceeded: 400,
    ledger_errors.WriterBusy: 503,
    ledger_errors.WriterFenced: 503,
    ledger_errors.WriterOverloaded: 503,
    ledger_errors.StoreUnavailable: 503,
    ledger_errors.WitnessClockBehind: 503,
    ledger_errors.QuorumMissing: 503,
    ledger_errors.KeyAgentAway: 503,
    ledger_errors.TileConflict: 503,
    ledger_errors.TileMissing: 503,
    ledger_errors.TilesAhead: 503,
    ledger_errors.LogBehind: 503,
    ledger_errors.LogForked: 503,
    ledger_errors.HeadUnwitnessed: 503,
    ledger_errors.HighWaterForeign: 503,
    ledger_errors.HighWaterUnwritable: 503,
}

_RETRY_AFTER_S: Mapping[type[BaseException], int] = {
    # A full queue is written within a second.
    ledger_errors.WriterOverloaded: 1,
    # As long as a database server recovers.
    ledger_errors.StoreUnavailable: 1,
    # Of one process after another: by then the successor answers.
    ledger_errors.WriterBusy: 5,
    ledger_errors.WriterFenced: 5,
    # As often as it is tried again here.
    ledger_errors.QuorumMissing: 5,
    ledger_errors.WitnessClockBehind: 5,
    ledger_errors.HighWaterUnwritable: 5,
    DatabaseAway: 5,
    ViewsBehind: 5,
    ledger_errors.KeyAgentAway: 5,
}

UNPROCESSABLE = 422


def refusal_of(error: BaseException) -> Refusal:
    """What the caller is told. An unknown exception is logged here, whole, and shown nowhere."""
    if isinstance(error, KNOWN):
        return Refusal(error.code, _shortened(error.message), tuple(error.path))
    logger.error("a failure that is no refusal", exc_info=error)
    return _INTERNAL


def _shortened(message: str) -> str:
    if len(message) <= MESSAGE_CHARACTERS_MAX:
        return message
    return f"{message[: MESSAGE_CHARACTERS_MAX - 1]}…"


def retry_after_s(error: BaseException) -> int | None:
    """When the same request may do better; None where time alone does not help."""
    return _RETRY_AFTER_S.get(type(error))


def status_of(error: BaseException) -> int:
    """The HTTP status for a refusal, 500 for anything else."""
    if isinstance(error, DoorError):
        return error.status
    if isinstance(error, KNOWN):
        return _STATUS.get(type(error), UNPROCESSABLE)
    return 500
