"""What one transaction adds to the log, decided before any of it is written.

    Acknowledgement   index and leaf hash of an entry, durable and ordered when you hold it
    Prepared          a submission whose form was checked
    Known             an entry that stands in the log under some reference
    Admitted          a body with its leaf, both hashes and its index
    Batch             decide: all bodies of a submission or none, at the indexes they would get

Idempotency (ARCHITECTURE §4.2): a reference `(iss, jti)` that is known answers its first index when
the content is equal, whatever the salts, and is a conflict otherwise. Pure.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ledger.admission import Bindings, Body, Submission, admit, leaf_of
from ledger.authority import Authorities
from ledger.control import Control
from ledger.errors import DuplicateConflict, LedgerError
from ledger.identity import SubjectLabel
from ledger.merkle import Hash, leaf_hash
from ledger.statement import Statement

Reference: TypeAlias = tuple[SubjectLabel, str]
"""Issuer and jti."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the caller may rely on: this entry has this index, durably."""

    leaf_index: int
    leaf_hash: Hash
    duplicate: bool
    """Whether the same content had been admitted before, under the same reference."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission whose form was checked; which of its signatures were, body by body."""

    submission: Submission
    signatures_checked: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that stands in the log."""

    leaf_index: int
    leaf_hash: Hash
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class Admitted:
    """A body that gets this index, if the batch is written."""

    leaf_index: int
    body: Body
    leaf: bytes
    leaf_hash: Hash
    content_hash: bytes


@dataclass(slots=True)
class Batch:
    """The state of the log after what was decided so far."""

    tree_size: int
    authorities: Authorities
    bindings: Bindings
    known: MutableMapping[Reference, Known]
    admitted: list[Admitted] = field(default_factory=list)

    def decide(self, prepared: Prepared) -> tuple[Acknowledgement, ...]:
        """Admit all bodies of a submission or none. Raises `LedgerError`."""
        added: dict[Reference, Known] = {}
        known = ChainMap(added, self.known)
        trial = Batch(self.tree_size, self.authorities, self.bindings, known)
        bodies = prepared.submission.bodies
        acknowledgements = []
        for position, body in enumerate(bodies):
            try:
                checked = prepared.signatures_checked[position]
                acknowledgements.append(trial._decide_one(body, signature_checked=checked))
            except LedgerError as error:
                raise (error if len(bodies) == 1 else error.within(position)) from None
        self.tree_size = trial.tree_size
        self.authorities, self.bindings = trial.authorities, trial.bindings
        self.known.update(added)
        self.admitted += trial.admitted
        return tuple(acknowledgements)

    def _decide_one(self, body: Body, *, signature_checked: bool) -> Acknowledgement:
        content_hash = body.content_hash
        known = self.known.get((body.issuer, body.jti))
        if known is not None:
            if known.content_hash != content_hash:
                raise DuplicateConflict(
                    f"reference {body.jti!r} stands at index {known.leaf_index} with other content",
                    path=("payload", "jti"),
                )
            return Acknowledgement(known.leaf_index, known.leaf_hash, duplicate=True)
        leaf_index = self.tree_size
        admit(
            body,
            self.authorities,
            self.bindings,
            leaf_index=leaf_index,
            signature_checked=signature_checked,
        )
        if isinstance(body, Control):
            self.authorities = self.authorities.after(body, leaf_index)
        elif isinstance(body, Statement):
            self.bindings = self.bindings.after(body)
        leaf = leaf_of(body)
        hash_ = leaf_hash(leaf)
        self.admitted.append(Admitted(leaf_index, body, leaf, hash_, content_hash))
        self.known[body.issuer, body.jti] = Known(leaf_index, hash_, content_hash)
        self.tree_size += 1
        return Acknowledgement(leaf_index, hash_, duplicate=False)
