"""The rules between a submission and the log.

    Submission      bodies admitted all or none
    Bindings        what the decision must know of one-person businesses
    bound_identity  the person that a binding names; subject_identity the organisation of others
    check_form      the rules that need no knowledge of the log
    check_signature verifies ahead of the sequencer, where the key is known
    prepare         a submission to candidates: both of these, for each of its bodies
    admit           refuses a candidate that may not stand at this index

Idempotency is not decided here: `(iss, jti)` seen before never reaches `admit`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.authority import Authorities
from ledger.candidate import Body, Candidate, other_party
from ledger.control import Control
from ledger.errors import (
    LedgerEmpty,
    LedgerError,
    StatementInvalid,
    SubjectAlreadyBound,
    SubjectMismatch,
    SubjectUnknown,
    SubmissionTooLarge,
)
from ledger.identity import Identity, SubjectLabel
from ledger.kinds import kind_of
from ledger.referents import Referents
from ledger.statement import Statement
from ledger.token import Token

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

    def after(self, candidate: Candidate) -> Bindings:
        """With an admitted binding added; other entries change nothing."""
        if candidate.binds is None:
            return self
        return Bindings({**self.by_subject, candidate.subject: candidate.binds})


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
        other = other_party(body)
        if other is not None and other.subject == body.subject:
            name = kind_of(body.weighing.kind).other_party
            assert name is not None
            raise StatementInvalid(
                "the other party is the subject itself", path=("particulars", name)
            )


def prepare(submission: Submission, authorities: Authorities) -> tuple[Candidate, ...]:
    """Check the form of every body, and each signature whose key these authorities know.

    Raises `LedgerError`, its path led by the position where there are several bodies.
    """
    bodies = submission.bodies
    candidates = []
    for position, body in enumerate(bodies):
        try:
            check_form(body)
            checked = not isinstance(body, Control) and check_signature(
                body.token, authorities, body.issuer
            )
            candidates.append(Candidate.of(body, signature_checked=checked))
        except LedgerError as error:
            raise (error if len(bodies) == 1 else error.within(position)) from None
    return tuple(candidates)


def admit(
    candidate: Candidate,
    authorities: Authorities,
    bindings: Bindings,
    referents: Referents | None = None,
    *,
    leaf_index: int,
) -> None:
    """Whether `candidate` may stand at `leaf_index`; `referents` stand below. Raises `LedgerError`.

    What is wrong is told in one order, wherever batches begin: key, signature, mandate, parties,
    and then what it refers to.
    """
    if candidate.control is not None:
        authorities.check(candidate.control)
        return
    if authorities.genesis is None:
        raise LedgerEmpty("the first entry of a log is its genesis")
    record = authorities.signing_key(candidate.kid, candidate.issuer, leaf_index=leaf_index)
    if not candidate.signature_checked:
        Token.parse(candidate.token).verify(record.public_key)
    if candidate.mandate is not None:
        authorities.require(candidate.issuer, candidate.mandate)
    if candidate.binds is not None:
        other = bindings.subject_of(candidate.binds)
        if bindings.has(candidate.subject) or other is not None:
            raise SubjectAlreadyBound(
                "this label or this person has its binding", path=("payload", "sub")
            )
    if candidate.bound_label is not None and not bindings.has(candidate.bound_label):
        if candidate.form == "capture":
            raise SubjectUnknown("no binding introduced this label", path=("party",))
        raise SubjectUnknown(
            "no disclosed subject, and no binding introduced this label", path=("payload", "sub")
        )
    if candidate.other_label is not None and not bindings.has(candidate.other_label):
        assert candidate.mandate is not None
        name = kind_of(candidate.mandate).other_party or ""
        raise SubjectUnknown("no binding introduced this label", path=("particulars", name))
    if candidate.refers is not None:
        known = {} if referents is None else referents.found
        candidate.refers.check(
            known.get(candidate.refers.to), issuer=candidate.issuer, subject=candidate.subject
        )
