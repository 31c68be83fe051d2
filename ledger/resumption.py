"""Whether a writer may sign on from its database's head, given what others have seen of the log.

    Sighting       a signed head of this log, and who shows it
    check_head     refuses a head that is behind, forked, or that nobody vouches for

A log must never sign what contradicts a head that was signed before (ARCHITECTURE, invariant 2),
and a database that was put back from a backup does not know what was. So each start asks the
high-water file, the witnesses and the mirrors, and every head that the log's key signed is held
against the database's own:

    own size   another's head                               the writer
    0          none, or of size 0                           founds
    n          of size n, the same root                     signs on
    n          smaller, and a proof that ours extends it    signs on
    n          smaller, and no proof leads from it to ours  is forked: LogForked
    n          of size n, another root                      is forked: LogForked
    n          larger, and a proof that it extends ours     is behind: LogBehind
    n          larger, and no proof can be had              is behind: LogBehind
    n          larger, and the proof does not lead to it    is forked: LogForked
    n          none, or none of whoever may vouch           stops: HeadUnwitnessed

All heads are judged before anything is said, a fork first. A head convinces against us whoever
brings it, since the log's own key signed it; for us only those whom the operator named may vouch.
An empty tree contradicts nothing: the file of a home that was killed after its first commit, and
before its first acknowledgement, says size 0. Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.checkpoint import Checkpoint
from ledger.errors import HeadUnwitnessed, LogBehind, LogForked, ProofInvalid
from ledger.merkle import Hash, verify_consistency

CATCH_UP = "nothing is signed before it has caught up: xin log recover --from URL"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A head that the log's key signed, the origin that of the log."""

    source: str
    """Who shows it, in words."""
    head: Checkpoint
    path: tuple[Hash, ...] | None = None
    """The consistency path between both heads, from the smaller one; None where it cannot be had,
    and where none is needed."""
    vouches: bool = True
    """Whether the operator named who shows it, and it was authenticated."""


def check_head(
    own: Checkpoint,
    sightings: Sequence[Sighting],
    *,
    silent: Sequence[str] = (),
    whose: str = "the database",
    remedy: str = CATCH_UP,
) -> None:
    """Whether `own` may be signed on from.

    `silent` says in words who showed no head, and why; `whose` head it is; `remedy` what helps one
    that is behind. Raises `LogForked`, `LogBehind`, `HeadUnwitnessed`.
    """
    for sighting in sightings:
        if not _agrees(own, sighting):
            raise LogForked(
                f"{whose} has size {own.tree_size} with root {_text(own.root_hash)}, and "
                f"{sighting.source} has size {sighting.head.tree_size} with root "
                f"{_text(sighting.head.root_hash)}, which is another history under the same key; "
                "nothing is signed any more"
            )
    ahead = max(sightings, key=lambda sighting: sighting.head.tree_size, default=None)
    if ahead is not None and ahead.head.tree_size > own.tree_size:
        raise LogBehind(
            f"{whose} ends at size {own.tree_size}, and {ahead.source} has seen size "
            f"{ahead.head.tree_size}; {remedy}"
        )
    if own.tree_size and not any(sighting.vouches for sighting in sightings):
        asked = "".join(f"; {reason}" for reason in silent)
        raise HeadUnwitnessed(
            f"nobody who could be asked has seen a head of this log{asked}. If no newer copy of it "
            "exists, say so: xin log recover --accept-head "
            f"{own.tree_size}:{_text(own.root_hash)}"
        )


def _agrees(own: Checkpoint, sighting: Sighting) -> bool:
    head = sighting.head
    assert head.origin == own.origin
    smaller, larger = sorted((own, head), key=lambda one: one.tree_size)
    if smaller.tree_size == larger.tree_size:
        return own.root_hash == head.root_hash
    if not smaller.tree_size or sighting.path is None:
        # From our own tiles there is always a path.
        assert not smaller.tree_size or own is smaller
        return True
    try:
        verify_consistency(
            smaller.tree_size,
            larger.tree_size,
            sighting.path,
            smaller.root_hash,
            larger.root_hash,
        )
    except ProofInvalid:
        return False
    return True


def _text(root_hash: bytes) -> str:
    return base64.b64encode(root_hash).decode("ascii")
