"""Every refusal of the ledger, and its stable code.

    LedgerError
    ├── NotCanonical          bytes that are not the one spelling of a JSON value
    ├── IdentifierInvalid     an identifier whose form or check character is wrong
    ├── LabelInvalid          a label that is not 32 bytes in base64url
    ├── TokenMalformed        a JWS with more than one reading, or none
    ├── SignatureInvalid      a signature that does not verify
    ├── DisclosureInvalid     disclosures and digests that do not pair one to one
    ├── StatementInvalid      a payload or member outside its form
    ├── KindUnknown           a kind this ledger does not know
    ├── CodeUnknown           a code its kind does not list
    ├── OutcomeUnknown        an outcome its kind does not list
    ├── SubjectMismatch       a label that does not belong to the disclosed subject
    ├── SubjectUnknown        a person's label that no binding introduced
    ├── SubjectAlreadyBound   a binding for a label or a person that has one
    ├── ReferentUnknown       nothing below the entry is what it refers to
    ├── ReferentUnfit         a statement that this one may not refer to
    ├── KeyUnknown            no key with that thumbprint was ever begun
    ├── KeyEnded              the key's end precedes the entry
    ├── IssuerMismatch        the key belongs to another issuer
    ├── MandateMissing        the issuer may not state that kind
    ├── ControlInvalid        a control entry outside its form
    ├── ControlForbidden      a control entry that the root key did not sign
    ├── SealMismatch          events that do not hash to the signed root
    ├── CaptureInvalid        a capture outside its form
    ├── SubmissionTooLarge    more bytes, or more items, than a door takes
    ├── DuplicateConflict     a known (iss, jti) with other content
    ├── NoteMalformed         a signed note with another spelling
    ├── NoteUnverified        no signature of a trusted key on a note
    ├── CheckpointMalformed   a checkpoint outside its form
    ├── CheckpointUntrusted   a checkpoint that no key of its log signed
    ├── CheckpointConflict    a checkpoint that does not start where its witness stands
    ├── CheckpointInconsistent  a checkpoint that does not extend what was cosigned before
    ├── OriginUnknown         a checkpoint of a log that nobody here watches
    ├── RequestToWitnessMalformed  an add-checkpoint request outside its form
    ├── WitnessClockBehind    a cosignature would be older than the one before
    ├── WitnessStateMismatch  a witness whose keys, name and memory do not belong together
    ├── WitnessPolicyInvalid  a tlog-policy outside its form
    ├── QuorumMissing         fewer cosignatures than the policy asks for
    ├── LogProofMalformed     a tlog-proof with another spelling
    ├── CborMalformed         CBOR with another spelling, or none
    ├── ReceiptMalformed      a COSE receipt outside its form
    ├── TilePathMalformed     a tile path with another spelling
    ├── TileConflict          a file of tiles with other bytes than a signed head covers
    ├── TileMissing           a file of tiles that the log has and its folder has not
    ├── TilesAhead            a folder of tiles that shows more than the database has
    ├── ProofInvalid          a Merkle proof that does not lead to the root
    ├── EntryUnknown          an index at or beyond the tree
    ├── LedgerEmpty           a log without its genesis entry
    ├── LedgerExists          a second genesis
    ├── WriterBusy            another process is the writer of this log
    ├── WriterFenced          another writer extended the log in between
    ├── WriterOverloaded      the queue is full; try again
    ├── StoreUnavailable      the database failed at a batch; try again, it says what was kept
    ├── LogBehind             a head older than one that was signed; it must catch up first
    ├── LogForked             a signed head that contradicts one that was signed before
    ├── HeadUnwitnessed       nobody who can be asked has seen this log's head
    ├── HighWaterForeign      a high-water file of another log
    ├── HighWaterUnwritable   a high-water file that cannot be written
    ├── OpeningFeedMalformed  a line of a feed of openings outside its form
    ├── RecoveryIncomplete    a source that shows a head and not all that lies below it
    ├── LogKeyMismatch        a key that the log signs with is not kept here
    ├── LogKeyReplaced        a head signed by a key of the log that does not sign at its size
    ├── KeyNotKept            no private key of that name is kept here
    ├── KeyFileDamaged        a key file that does not hold the key of its name
    ├── KeyFileExposed        a key or secret that others may read
    ├── KeystoreDamaged       a vault that is not one
    ├── KeystoreLocked        a sealed keystore, and nothing to unlock it with
    ├── KeystorePlain         a key that lies open where keys are to be sealed
    ├── KeystoreSecretInvalid what cannot be a passphrase or a key file
    ├── KeystoreSecretWrong   a passphrase or key file of another keystore
    ├── KeyAgentAway          the agent that keeps the keys does not answer, or not in form
    └── AuditFinding          what an audit found first
        ├── PartMissing         a tile, bundle or entry that the tree has and the log has not
        ├── BundleBroken        a bundle cut short, or with bytes left over
        ├── TileLengthWrong     a tile that is not as wide as the tree has it
        ├── TileChanged         a tile other than the one that was signed
        ├── EntryChanged        an entry other than the one that was signed
        ├── EntryMoved          a signed entry under another index
        ├── RootMismatch        entries and tiles agree, but not with the signed root
        ├── CheckpointBroken    bytes that are no signed checkpoint
        ├── CheckpointForeign   a checkpoint of another log
        ├── CheckpointUnsigned  a checkpoint that the log's key did not sign
        ├── CheckpointSuperseded  a checkpoint signed by a key that was replaced before it
        ├── CheckpointChanged   a stored checkpoint that says other than its note
        ├── CheckpointMissing   a checkpoint that a later one names, and is not there
        ├── SecondRoot          a second signed root for one size
        ├── HeadRolledBack      a head older than one that was seen
        ├── BeyondHead          a row beyond what the newest checkpoint covers
        ├── LeafFormUnknown     a leaf of none of the three forms
        ├── GenesisMismatch     a first entry that does not found this log
        ├── ControlRefused      a control entry that could not stand there
        ├── OpeningMissing      a leaf that nothing in the opening store opens
        ├── OpeningChanged      an opening that says other than its token
        ├── TokenChanged        a token that does not hash to its leaf
        ├── DisclosureChanged   disclosures that do not pair with their digests
        ├── CaptureChanged      events or context that do not hash to the signed root
        ├── InstantChanged      an instant other than its checkpoint's, or earlier than one before
        ├── ReferenceRepeated   a reference that stands at two entries
        ├── ReferenceUnlisted   an entry whose reference the writer would not find
        ├── EntryUnauthorised   no key or mandate was in force at that index
        ├── EntryMisreferred    what a statement refers to is not there, or may not be referred to
        └── EntryUnsigned       a statement or capture whose signature does not verify

`path` names the offending field from the outside in. A message never holds a secret.
"""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """A refusal the caller can act on; `code` is public and never changes its meaning."""

    code: ClassVar[str]

    def __init__(self, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def within(self, *outer: str | int) -> LedgerError:
        """The same refusal, seen from one level further out."""
        return type(self)(self.message, path=(*outer, *self.path))


class NotCanonical(LedgerError):
    code = "LEDGER_NOT_CANONICAL"


class IdentifierInvalid(LedgerError):
    code = "LEDGER_IDENTIFIER_INVALID"


class LabelInvalid(LedgerError):
    code = "LEDGER_LABEL_INVALID"


class TokenMalformed(LedgerError):
    code = "LEDGER_TOKEN_MALFORMED"


class SignatureInvalid(LedgerError):
    code = "LEDGER_SIGNATURE_INVALID"


class DisclosureInvalid(LedgerError):
    code = "LEDGER_DISCLOSURE_INVALID"


class StatementInvalid(LedgerError):
    code = "LEDGER_STATEMENT_INVALID"


class KindUnknown(LedgerError):
    code = "LEDGER_KIND_UNKNOWN"


class CodeUnknown(LedgerError):
    code = "LEDGER_CODE_UNKNOWN"


class OutcomeUnknown(LedgerError):
    code = "LEDGER_OUTCOME_UNKNOWN"


class SubjectMismatch(LedgerError):
    code = "LEDGER_SUBJECT_MISMATCH"


class SubjectUnknown(LedgerError):
    code = "LEDGER_SUBJECT_UNKNOWN"


class SubjectAlreadyBound(LedgerError):
    code = "LEDGER_SUBJECT_ALREADY_BOUND"


class ReferentUnknown(LedgerError):
    code = "LEDGER_REFERENT_UNKNOWN"


class ReferentUnfit(LedgerError):
    code = "LEDGER_REFERENT_UNFIT"


class KeyUnknown(LedgerError):
    code = "LEDGER_KEY_UNKNOWN"


class KeyEnded(LedgerError):
    code = "LEDGER_KEY_ENDED"


class IssuerMismatch(LedgerError):
    code = "LEDGER_ISSUER_MISMATCH"


class MandateMissing(LedgerError):
    code = "LEDGER_MANDATE_MISSING"


class ControlInvalid(LedgerError):
    code = "LEDGER_CONTROL_INVALID"


class ControlForbidden(LedgerError):
    code = "LEDGER_CONTROL_FORBIDDEN"


class SealMismatch(LedgerError):
    code = "LEDGER_SEAL_MISMATCH"


class CaptureInvalid(LedgerError):
    code = "LEDGER_CAPTURE_INVALID"


class SubmissionTooLarge(LedgerError):
    code = "LEDGER_SUBMISSION_TOO_LARGE"


class DuplicateConflict(LedgerError):
    code = "LEDGER_DUPLICATE_CONFLICT"


class NoteMalformed(LedgerError):
    code = "LEDGER_NOTE_MALFORMED"


class NoteUnverified(LedgerError):
    code = "LEDGER_NOTE_UNVERIFIED"


class CheckpointMalformed(LedgerError):
    code = "LEDGER_CHECKPOINT_MALFORMED"


class CheckpointUntrusted(LedgerError):
    code = "LEDGER_CHECKPOINT_UNTRUSTED"


class CheckpointConflict(LedgerError):
    """`tree_size` is where the witness stands."""

    code = "LEDGER_CHECKPOINT_CONFLICT"

    def __init__(
        self, message: str, *, path: tuple[str | int, ...] = (), tree_size: int = 0
    ) -> None:
        super().__init__(message, path=path)
        self.tree_size = tree_size


class CheckpointInconsistent(LedgerError):
    code = "LEDGER_CHECKPOINT_INCONSISTENT"


class OriginUnknown(LedgerError):
    code = "LEDGER_ORIGIN_UNKNOWN"


class RequestToWitnessMalformed(LedgerError):
    code = "LEDGER_REQUEST_TO_WITNESS_MALFORMED"


class WitnessClockBehind(LedgerError):
    code = "LEDGER_WITNESS_CLOCK_BEHIND"


class WitnessStateMismatch(LedgerError):
    code = "LEDGER_WITNESS_STATE_MISMATCH"


class WitnessPolicyInvalid(LedgerError):
    code = "LEDGER_WITNESS_POLICY_INVALID"


class QuorumMissing(LedgerError):
    code = "LEDGER_QUORUM_MISSING"


class LogProofMalformed(LedgerError):
    code = "LEDGER_LOG_PROOF_MALFORMED"


class CborMalformed(LedgerError):
    code = "LEDGER_CBOR_MALFORMED"


class ReceiptMalformed(LedgerError):
    code = "LEDGER_RECEIPT_MALFORMED"


class TilePathMalformed(LedgerError):
    code = "LEDGER_TILE_PATH_MALFORMED"


class TileConflict(LedgerError):
    code = "LEDGER_TILE_CONFLICT"


class TileMissing(LedgerError):
    code = "LEDGER_TILE_MISSING"


class TilesAhead(LedgerError):
    code = "LEDGER_TILES_AHEAD"


class ProofInvalid(LedgerError):
    code = "LEDGER_PROOF_INVALID"


class EntryUnknown(LedgerError):
    code = "LEDGER_ENTRY_UNKNOWN"


class LedgerEmpty(LedgerError):
    code = "LEDGER_EMPTY"


class LedgerExists(LedgerError):
    code = "LEDGER_EXISTS"


class WriterBusy(LedgerError):
    code = "LEDGER_WRITER_BUSY"


class WriterFenced(LedgerError):
    code = "LEDGER_WRITER_FENCED"


class StoreUnavailable(LedgerError):
    code = "LEDGER_STORE_UNAVAILABLE"


class WriterOverloaded(LedgerError):
    code = "LEDGER_WRITER_OVERLOADED"


class LogBehind(LedgerError):
    code = "LEDGER_BEHIND"


class LogForked(LedgerError):
    code = "LEDGER_FORKED"


class HeadUnwitnessed(LedgerError):
    code = "LEDGER_UNWITNESSED"


class HighWaterForeign(LedgerError):
    code = "LEDGER_HIGH_WATER_FOREIGN"


class HighWaterUnwritable(LedgerError):
    code = "LEDGER_HIGH_WATER_UNWRITABLE"


class OpeningFeedMalformed(LedgerError):
    code = "LEDGER_OPENING_FEED_MALFORMED"


class RecoveryIncomplete(LedgerError):
    code = "LEDGER_RECOVERY_INCOMPLETE"


class LogKeyMismatch(LedgerError):
    code = "LEDGER_LOG_KEY_MISMATCH"


class LogKeyReplaced(LedgerError):
    code = "LEDGER_LOG_KEY_REPLACED"


class KeyNotKept(LedgerError):
    code = "LEDGER_KEY_NOT_KEPT"


class KeyFileDamaged(LedgerError):
    code = "LEDGER_KEY_FILE_DAMAGED"


class KeyFileExposed(LedgerError):
    code = "LEDGER_KEY_FILE_EXPOSED"


class KeystoreDamaged(LedgerError):
    code = "LEDGER_KEYSTORE_DAMAGED"


class KeystoreLocked(LedgerError):
    code = "LEDGER_KEYSTORE_LOCKED"


class KeystorePlain(LedgerError):
    code = "LEDGER_KEYSTORE_PLAIN"


class KeystoreSecretInvalid(LedgerError):
    code = "LEDGER_KEYSTORE_SECRET_INVALID"


class KeystoreSecretWrong(LedgerError):
    code = "LEDGER_KEYSTORE_SECRET_WRONG"


class KeyAgentAway(LedgerError):
    code = "LEDGER_KEY_AGENT_AWAY"


class AuditFinding(LedgerError):
    """Where a log is not what was signed; `path` names the position, counted as the log counts."""


class PartMissing(AuditFinding):
    code = "AUDIT_PART_MISSING"


class BundleBroken(AuditFinding):
    code = "AUDIT_BUNDLE_BROKEN"


class TileLengthWrong(AuditFinding):
    code = "AUDIT_TILE_LENGTH"


class TileChanged(AuditFinding):
    code = "AUDIT_TILE_CHANGED"


class EntryChanged(AuditFinding):
    code = "AUDIT_ENTRY_CHANGED"


class EntryMoved(AuditFinding):
    code = "AUDIT_ENTRY_MOVED"


class RootMismatch(AuditFinding):
    code = "AUDIT_ROOT_MISMATCH"


class CheckpointBroken(AuditFinding):
    code = "AUDIT_CHECKPOINT_BROKEN"


class CheckpointForeign(AuditFinding):
    code = "AUDIT_CHECKPOINT_FOREIGN"


class CheckpointUnsigned(AuditFinding):
    code = "AUDIT_CHECKPOINT_UNSIGNED"


class CheckpointSuperseded(AuditFinding):
    code = "AUDIT_CHECKPOINT_SUPERSEDED"


class CheckpointChanged(AuditFinding):
    code = "AUDIT_CHECKPOINT_CHANGED"


class CheckpointMissing(AuditFinding):
    code = "AUDIT_CHECKPOINT_MISSING"


class SecondRoot(AuditFinding):
    code = "AUDIT_SECOND_ROOT"


class HeadRolledBack(AuditFinding):
    code = "AUDIT_HEAD_ROLLED_BACK"


class BeyondHead(AuditFinding):
    code = "AUDIT_BEYOND_HEAD"


class LeafFormUnknown(AuditFinding):
    code = "AUDIT_LEAF_FORM"


class GenesisMismatch(AuditFinding):
    code = "AUDIT_GENESIS_MISMATCH"


class ControlRefused(AuditFinding):
    code = "AUDIT_CONTROL_REFUSED"


class OpeningMissing(AuditFinding):
    code = "AUDIT_OPENING_MISSING"


class OpeningChanged(AuditFinding):
    code = "AUDIT_OPENING_CHANGED"


class TokenChanged(AuditFinding):
    code = "AUDIT_TOKEN_CHANGED"


class DisclosureChanged(AuditFinding):
    code = "AUDIT_DISCLOSURE_CHANGED"


class CaptureChanged(AuditFinding):
    code = "AUDIT_CAPTURE_CHANGED"


class InstantChanged(AuditFinding):
    code = "AUDIT_INSTANT_CHANGED"


class ReferenceRepeated(AuditFinding):
    code = "AUDIT_REFERENCE_REPEATED"


class ReferenceUnlisted(AuditFinding):
    code = "AUDIT_REFERENCE_UNLISTED"


class EntryUnauthorised(AuditFinding):
    code = "AUDIT_UNAUTHORISED"


class EntryMisreferred(AuditFinding):
    code = "AUDIT_MISREFERRED"


class EntryUnsigned(AuditFinding):
    code = "AUDIT_SIGNATURE_INVALID"
