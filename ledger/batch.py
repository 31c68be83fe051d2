"""What one transaction adds to the log, decided before any of it is written.

    Acknowledgement   index and leaf hash of an entry, durable and ordered when you hold it
    Known             an entry that stands in the log under some reference
    Admitted          a candidate with its leaf hash and its index
    Batch             decide: all bodies of a submission or none, at the indexes they would get

Idempotency (ARCHITECTURE §4.2): a reference `(iss, jti)` that is known answers its first index when
the content is equal, whatever the salts, and is a conflict otherwise. Pure.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ledger.admission import Bindings, admit
from ledger.authority import Authorities
from ledger.candidate import Candidate
from ledger.errors import DuplicateConflict, LedgerError
from ledger.identity import SubjectLabel
from ledger.merkle import Hash, leaf_hash
from ledger.referents import Referent, Referents

Reference: TypeAlias = tuple[SubjectLabel, str]
"""Issuer and jti."""


class Acknowledgement(NamedTuple):
    """What the caller may rely on: this entry has this index, durably."""

    leaf_index: int
    leaf_hash: Hash
    duplicate: bool
    """Whether the same content had been admitted before, under the same reference."""


class Known(NamedTuple):
    """An entry that stands in the log."""

    leaf_index: int
    leaf_hash: Hash
    content_hash: bytes


class Admitted(NamedTuple):
    """A candidate that gets this index, if the batch is written."""

    leaf_index: int
    leaf_hash: Hash
    candidate: Candidate


@dataclass(slots=True)
class Batch:
    """The state of the log after what was decided so far."""

    tree_size: int
    authorities: Authorities
    bindings: Bindings
    known: MutableMapping[Reference, Known]
    referents: Referents = field(default_factory=Referents)
    admitted: list[Admitted] = field(default_factory=list)

    def decide(self, candidates: Sequence[Candidate]) -> tuple[Acknowledgement, ...]:
        """Admit all bodies of a submission or none. Raises `LedgerError`."""
        if len(candidates) == 1:
            return (self._decide_one(candidates[0]),)
        added: dict[Reference, Known] = {}
        known = ChainMap(added, self.known)
        trial = Batch(self.tree_size, self.authorities, self.bindings, known, self.referents)
        acknowledgements = []
        for position, candidate in enumerate(candidates):
            try:
                acknowledgements.append(trial._decide_one(candidate))
            except LedgerError as error:
                raise error.within(position) from None
        self.tree_size = trial.tree_size
        self.authorities, self.bindings = trial.authorities, trial.bindings
        self.referents = trial.referents
        self.known.update(added)
        self.admitted += trial.admitted
        return tuple(acknowledgements)

    def _decide_one(self, candidate: Candidate) -> Acknowledgement:
        """Nothing of the state is changed before the candidate is admitted."""
        reference = (candidate.issuer, candidate.jti)
        known = self.known.get(reference)
        if known is not None:
            if known.content_hash != candidate.content_hash:
                raise DuplicateConflict(
                    f"reference {candidate.jti!r} stands at index {known.leaf_index} with other "
                    "content",
                    path=("payload", "jti"),
                )
            return Acknowledgement(known.leaf_index, known.leaf_hash, duplicate=True)
        leaf_index = self.tree_size
        admit(candidate, self.authorities, self.bindings, self.referents, leaf_index=leaf_index)
        if candidate.control is not None:
            self.authorities = self.authorities.after(candidate.control, leaf_index)
        self.bindings = self.bindings.after(candidate)
        if self.referents.wanted and candidate.form == "statement":
            assert candidate.mandate is not None
            referent = Referent(leaf_index, candidate.issuer, candidate.subject, candidate.mandate)
            self.referents = self.referents.after(candidate.jti, referent)
        hash_ = leaf_hash(candidate.leaf)
        self.admitted.append(Admitted(leaf_index, hash_, candidate))
        self.known[reference] = Known(leaf_index, hash_, candidate.content_hash)
        self.tree_size += 1
        return Acknowledgement(leaf_index, hash_, duplicate=False)
