"""The rules between a submission and the log.

    Body            what one entry is about: Statement, Capture, Control
    Submission      bodies admitted all or none
    leaf_of         the bytes in the tree, ARCHITECTURE §3
    form_of         the form of a leaf in one word
    Bindings        what the decision must know of one-person businesses
    bound_identity  the person that a binding names; subject_identity the organisation of others
    check_form      the rules that need no knowledge of the log
    check_signature verifies ahead of the sequencer, where the key is known
    admit           refuses a body that may not stand at this index

Idempotency is not decided here: `(iss, jti)` seen before never reaches `admit`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ledger.authority import Authorities
from ledger.canonical import encode
from ledger.control import Control
from ledger.errors import (
    LedgerEmpty,
    StatementInvalid,
    SubjectAlreadyBound,
    SubjectMismatch,
    SubjectUnknown,
    SubmissionTooLarge,
)
from ledger.identity import Identity, SubjectLabel
from ledger.kinds import CAPTURE_MANDATE, kind_of
from ledger.seal import Capture
from ledger.statement import Statement
from ledger.tiles import ENTRY_BYTES_MAX
from ledger.token import Token

Body: TypeAlias = Statement | Capture | Control

SUBMISSION_BODIES_MAX = 1_000
"""Bodies admitted all or none: a matter with this many parties is not one matter."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One or more bodies that stand together or not at all."""

    bodies: tuple[Body, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.bodies) <= SUBMISSION_BODIES_MAX:
            raise SubmissionTooLarge(f"not 1 to {SUBMISSION_BODIES_MAX} entries in one submission")


@dataclass(frozen=True, slots=True)
class Bindings:
    """One-person businesses as far as a batch touches them: label to identity."""

    by_subject: Mapping[SubjectLabel, Identity]

    def has(self, subject: SubjectLabel) -> bool:
        """Whether the label is bound."""
        return subject in self.by_subject

    def subject_of(self, identity: Identity) -> SubjectLabel | None:
        """The label bound to that person, if any."""
        for subject, bound in self.by_subject.items():
            if bound == identity:
                return subject
        return None

    def after(self, statement: Statement) -> Bindings:
        """With an admitted binding added; other statements change nothing."""
        if statement.weighing.kind != "binding":
            return self
        identity = bound_identity(statement)
        return Bindings({**self.by_subject, statement.subject: identity})


def leaf_of(body: Body) -> bytes:
    """The leaf: a commitment for statements and captures, the token itself for control entries."""
    match body:
        case Statement():
            return encode({"commit": body.token.commit, "sub": body.subject, "v": 1})
        case Capture():
            return encode({"capture": body.token.commit, "sub": body.subject, "v": 1})
        case Control():
            return encode({"control": body.token.text, "sub": body.subject, "v": 1})


def form_of(body: Body) -> str:
    """The word that opens a leaf of this form, `statement` for `commit`."""
    match body:
        case Statement():
            return "statement"
        case Capture():
            return "capture"
        case Control():
            return "control"


def bound_identity(statement: Statement) -> Identity:
    """The person a binding names. Raises `IdentifierInvalid`, `StatementInvalid`."""
    identity = subject_identity(statement)
    if identity is None or not identity.is_person:
        raise StatementInvalid(
            "a binding names a one-person business (social credit identifier 92…)",
            path=("particulars", "subject"),
        )
    return identity


def subject_identity(statement: Statement) -> Identity | None:
    """The organisation a statement names, or None. Raises `IdentifierInvalid`."""
    subject = statement.particulars.get("subject")
    if not isinstance(subject, dict):
        return None
    return Identity.parse(str(subject["scheme"]), str(subject["id"]))


def check_signature(token: Token, authorities: Authorities, issuer: SubjectLabel) -> bool:
    """Verify ahead of the sequencer when the key is known; False leaves it to `admit`.

    Raises `SignatureInvalid`. A key never changes under its thumbprint, so what verified once
    need not be verified again at the index, where only its validity is judged.
    """
    record = authorities.keys.get(token.kid)
    if record is None or record.issuer != issuer:
        return False
    token.verify(record.public_key)
    return True


def check_form(body: Body) -> None:
    """Rules that need no knowledge of the log: kind, members, label. Raises `LedgerError`."""
    if isinstance(body, Statement):
        kind_of(body.weighing.kind).check(body.weighing, body.particulars)
        if body.weighing.kind == "binding":
            bound_identity(body)
        else:
            identity = subject_identity(body)
            if identity is not None and identity.is_person:
                raise StatementInvalid(
                    "a one-person business is named by its label, never by its code",
                    path=("particulars", "subject"),
                )
            if identity is not None and identity.label() != body.subject:
                raise SubjectMismatch(
                    "sub is not the label of the disclosed subject", path=("payload", "sub")
                )
    # A token is shorter than a leaf by more than its label and envelope (`ledger.token`).
    assert len(leaf_of(body)) <= ENTRY_BYTES_MAX


def admit(
    body: Body,
    authorities: Authorities,
    bindings: Bindings,
    *,
    leaf_index: int,
    signature_checked: bool,
) -> None:
    """Whether `body`, whose form was checked, may stand at `leaf_index`. Raises `LedgerError`."""
    if isinstance(body, Control):
        authorities.check(body)
        return
    if authorities.genesis is None:
        raise LedgerEmpty("the first entry of a log is its genesis")
    record = authorities.signing_key(body.token.kid, body.issuer, leaf_index=leaf_index)
    if not signature_checked:
        body.token.verify(record.public_key)
    if isinstance(body, Capture):
        _admit_capture(body, authorities, bindings)
    else:
        _admit_statement(body, authorities, bindings)


def _admit_statement(statement: Statement, authorities: Authorities, bindings: Bindings) -> None:
    kind = statement.weighing.kind
    authorities.require(statement.issuer, kind)
    if kind == "binding":
        other = bindings.subject_of(bound_identity(statement))
        if bindings.has(statement.subject) or other is not None:
            raise SubjectAlreadyBound(
                "this label or this person has its binding", path=("payload", "sub")
            )
    elif "subject" not in statement.particulars and not bindings.has(statement.subject):
        raise SubjectUnknown(
            "no disclosed subject, and no binding introduced this label", path=("payload", "sub")
        )


def _admit_capture(capture: Capture, authorities: Authorities, bindings: Bindings) -> None:
    party = capture.party
    if party.scheme == "label" and not bindings.has(party.subject):
        raise SubjectUnknown("no binding introduced this label", path=("party",))
    if capture.issuer != party.subject:
        authorities.require(capture.issuer, CAPTURE_MANDATE)
