"""What the one writer needs of a body: what is judged at its index, and the rows it becomes.

    Body            what one entry is about: Statement, Capture, Control
    Candidate       one body, its form checked, and its signature where the key was known
    Candidate.of    from a body that `ledger.admission.check_form` let pass
    CaptureParts    what opens a capture: context, party and events
    leaf_of         the bytes in the tree, ARCHITECTURE §3
    other_party     whom a statement names besides its subject
    form_of         the form of a leaf in one word

Parsing and verifying cost many times what deciding and writing cost, and need nothing of the log.
They are done where a submission comes in, in a thread or another process; the writer is handed flat
text, and opens no statement again. Pure.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ledger.control import Control
from ledger.identity import Identity, SubjectLabel
from ledger.kinds import CAPTURE_MANDATE, KINDS
from ledger.referents import Referral
from ledger.seal import Capture, Party, SealedEvent
from ledger.statement import Statement
from ledger.tiles import ENTRY_BYTES_MAX

Body: TypeAlias = Statement | Capture | Control


class CaptureParts(NamedTuple):
    """What opens a capture."""

    context: bytes
    party_scheme: str
    party_identifier: str
    events: tuple[SealedEvent, ...]


class Candidate(NamedTuple):
    """One body on its way into the log. A tuple: thousands are made and moved each second."""

    form: str
    issuer: SubjectLabel
    jti: str
    subject: SubjectLabel
    content_hash: bytes
    kid: str
    token: str
    leaf: bytes
    signature_checked: bool
    mandate: str | None = None
    """What its issuer must have a mandate for; None where a party speaks for itself."""
    bound_label: SubjectLabel | None = None
    """A label that a binding must have introduced; None where the subject is named."""
    other_label: SubjectLabel | None = None
    """The same of another party than the subject."""
    binds: Identity | None = None
    """The one-person business that it binds to its subject label."""
    weighing: str = ""
    """Disclosures of the weighing members, a tilde before each."""
    particulars: str = ""
    capture: CaptureParts | None = None
    control: Control | None = None
    refers: Referral | None = None

    @classmethod
    def of(cls, body: Body, *, signature_checked: bool) -> Candidate:
        """Flat, whatever the form."""
        match body:
            case Statement():
                return _of_statement(body, signature_checked)
            case Capture():
                return _of_capture(body, signature_checked)
            case Control():
                return cls(
                    form="control",
                    issuer=body.issuer,
                    jti=body.jti,
                    subject=body.subject,
                    content_hash=body.content_hash,
                    kid=body.token.kid,
                    token=body.token.text,
                    leaf=leaf_of(body),
                    signature_checked=signature_checked,
                    control=body,
                )

    @property
    def bytes_held(self) -> int:
        """What it holds in memory, near enough."""
        size = len(self.token) + len(self.weighing) + len(self.particulars)
        if self.capture is not None:
            size += len(self.capture.context) + sum(len(event.raw) for event in self.capture.events)
        return size


def leaf_of(body: Body) -> bytes:
    """The leaf: a commitment for statements and captures, the token itself for control entries."""
    match body:
        case Statement():
            name, value = "commit", body.token.commit
        case Capture():
            name, value = "capture", body.token.commit
        case Control():
            name, value = "control", body.token.text
    # Canonical as it stands: three names in order, and values of base64url and dots.
    leaf = f'{{"{name}":"{value}","sub":"{body.subject}","v":1}}'.encode("ascii")
    # A token is shorter than a leaf by more than its label and envelope (`ledger.token`).
    assert len(leaf) <= ENTRY_BYTES_MAX
    return leaf


def form_of(body: Body) -> str:
    """The word that opens a leaf of this form, `statement` for `commit`."""
    match body:
        case Statement():
            return "statement"
        case Capture():
            return "capture"
        case Control():
            return "control"


def other_party(statement: Statement) -> Party | None:
    """Whom a statement names besides its subject, where its kind names anybody."""
    kind = KINDS.get(statement.weighing.kind)
    name = None if kind is None else kind.other_party
    named = None if name is None else statement.particulars.get(name)
    if not isinstance(named, dict):
        return None
    return Party.parse(str(named["scheme"]), str(named["id"]))


def _of_statement(statement: Statement, signature_checked: bool) -> Candidate:
    binds = bound_label = None
    subject = statement.particulars.get("subject")
    if statement.weighing.kind == "binding":
        assert isinstance(subject, dict)
        binds = Identity.parse(str(subject["scheme"]), str(subject["id"]))
    elif subject is None:
        bound_label = statement.subject
    other = other_party(statement)
    return Candidate(
        "statement",
        statement.issuer,
        statement.jti,
        statement.subject,
        statement.content_hash,
        statement.token.kid,
        statement.token.text,
        leaf_of(statement),
        signature_checked,
        mandate=statement.weighing.kind,
        bound_label=bound_label,
        other_label=other.subject if other is not None and other.scheme == "label" else None,
        binds=binds,
        # Token, both of these, and a tilde are the presentation again; see `ledger.entries`.
        weighing=statement.weighing_texts,
        particulars=statement.particular_texts,
        refers=Referral.of(statement.weighing),
    )


def _of_capture(capture: Capture, signature_checked: bool) -> Candidate:
    party = capture.party
    return Candidate(
        form="capture",
        issuer=capture.issuer,
        jti=capture.jti,
        subject=capture.subject,
        content_hash=capture.content_hash,
        kid=capture.token.kid,
        token=capture.token.text,
        leaf=leaf_of(capture),
        signature_checked=signature_checked,
        mandate=None if capture.issuer == party.subject else CAPTURE_MANDATE,
        bound_label=party.subject if party.scheme == "label" else None,
        capture=CaptureParts(
            capture.context, party.scheme, party.identifier, tuple(capture.events)
        ),
    )
