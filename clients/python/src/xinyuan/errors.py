"""The one refusal of this package.

    Code               every reason a proof may be refused for; values never change meaning
    Path               where in the file the refusal points to
    VerificationError  code, message, path: the error object of the wire
    located            what is refused inside lies under this path

Parsers name paths from the object they read; whoever holds that object adds where it lies.
A message says what failed in words a reader of the proof understands. Pure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

Path = tuple[str | int, ...]


class Code(StrEnum):
    """Why a proof is refused. Closed: callers may match over it."""

    LOG_KEY_MALFORMED = "LOG_KEY_MALFORMED"
    LOG_KEY_REPLACED = "LOG_KEY_REPLACED"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    FILE_MALFORMED = "FILE_MALFORMED"
    FORMAT_UNKNOWN = "FORMAT_UNKNOWN"
    JSON_MALFORMED = "JSON_MALFORMED"
    JSON_NOT_CANONICAL = "JSON_NOT_CANONICAL"

    NOTE_MALFORMED = "NOTE_MALFORMED"
    NOTE_UNSIGNED = "NOTE_UNSIGNED"
    NOTE_SIGNATURE_INVALID = "NOTE_SIGNATURE_INVALID"
    NOTE_SIGNATURE_UNKNOWN = "NOTE_SIGNATURE_UNKNOWN"
    ML_DSA_UNAVAILABLE = "ML_DSA_UNAVAILABLE"
    CHECKPOINT_MALFORMED = "CHECKPOINT_MALFORMED"
    CHECKPOINT_ORIGIN_MISMATCH = "CHECKPOINT_ORIGIN_MISMATCH"

    POLICY_MALFORMED = "POLICY_MALFORMED"
    QUORUM_MISSING = "QUORUM_MISSING"
    LOG_PROOF_MALFORMED = "LOG_PROOF_MALFORMED"
    RECEIPT_MALFORMED = "RECEIPT_MALFORMED"
    RECEIPT_MISMATCH = "RECEIPT_MISMATCH"
    LEAF_MISSING = "LEAF_MISSING"

    ENTRY_ORDER = "ENTRY_ORDER"
    LEAF_TOO_LARGE = "LEAF_TOO_LARGE"
    INCLUSION_FAILED = "INCLUSION_FAILED"
    CONSISTENCY_FAILED = "CONSISTENCY_FAILED"

    TOKEN_MALFORMED = "TOKEN_MALFORMED"  # noqa: S105
    TOKEN_SIGNATURE_INVALID = "TOKEN_SIGNATURE_INVALID"  # noqa: S105

    GENESIS_MISSING = "GENESIS_MISSING"
    GENESIS_MISMATCH = "GENESIS_MISMATCH"
    CONTROL_MALFORMED = "CONTROL_MALFORMED"
    CONTROL_UNKNOWN = "CONTROL_UNKNOWN"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_ENDED = "KEY_ENDED"
    MANDATE_MISSING = "MANDATE_MISSING"

    STATEMENT_MALFORMED = "STATEMENT_MALFORMED"
    DISCLOSURE_MALFORMED = "DISCLOSURE_MALFORMED"
    DISCLOSURE_UNKNOWN = "DISCLOSURE_UNKNOWN"
    DISCLOSURE_ORDER = "DISCLOSURE_ORDER"
    SUBJECT_MISMATCH = "SUBJECT_MISMATCH"

    CAPTURE_MALFORMED = "CAPTURE_MALFORMED"
    EVENT_MALFORMED = "EVENT_MALFORMED"
    EVENTS_MISMATCH = "EVENTS_MISMATCH"
    PARTY_MISMATCH = "PARTY_MISMATCH"


class VerificationError(Exception):
    """A proof that does not prove what it says, or text that is not a proof."""

    def __init__(self, code: Code, message: str, *, path: Path = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path


@contextmanager
def located(*prefix: str | int) -> Iterator[None]:
    """Lengthen the path of any refusal raised inside by where its object lies."""
    try:
        yield
    except VerificationError as error:
        error.path = prefix + error.path
        raise
