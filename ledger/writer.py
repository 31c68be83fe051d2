"""What a door asks of the writer, in whichever process it runs.

    Writer          submits; `ledger.sequencer.Sequencer` is the one that writes
    Outcome         what became of one submission of several
    Answers         the outcomes of one call, when all are there
    prepare_each    many submissions prepared; for a thread

Whoever submits prepares: the form is checked and the signature verified on the submitter's own time
and core. `enqueue_each` takes what was prepared, in the order of its calls; one answer for many
costs each of them a tenth of an answer of its own.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from ledger.admission import Submission, prepare
from ledger.authority import Authorities
from ledger.batch import Acknowledgement
from ledger.candidate import Candidate
from ledger.packing import unpack

Outcome: TypeAlias = tuple[Acknowledgement, ...] | Exception
"""Acknowledgements, or the refusal."""

Answers: TypeAlias = asyncio.Future[list[Outcome]]
"""In order, one for each submission; a refusal is an outcome, so the future itself never fails."""


class Writer(ABC):
    """The writer, as a door sees it."""

    @property
    @abstractmethod
    def tree_size(self) -> int:
        """Entries that are durable."""

    @property
    @abstractmethod
    def note(self) -> str:
        """The signed head at that size; empty where only the database knows."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether it takes submissions; one that was fenced, or closed, never does again."""

    @property
    @abstractmethod
    def authorities(self) -> Authorities:
        """Keys and mandates at the present size, or at one shortly before."""

    @abstractmethod
    async def grown_beyond(self, tree_size: int) -> int:
        """Wait until the log is larger than `tree_size`; says its size."""

    @abstractmethod
    def enqueue_each(self, submissions: Iterable[Sequence[Candidate]]) -> Answers:
        """Of each all candidates are admitted, or none; durable when the answer is there.

        Outcomes are acknowledgements, every refusal of admission, `WriterFenced`,
        `WriterOverloaded`, and what the policy check raises for a policy it refuses.
        """

    def enqueue_packed(self, submissions: Sequence[bytes]) -> Answers:
        """The same of submissions that `ledger.packing` made bytes of."""
        return self.enqueue_each(map(unpack, submissions))

    async def enqueue(self, candidates: Sequence[Candidate]) -> tuple[Acknowledgement, ...]:
        """One submission. Raises what would be its outcome."""
        (outcome,) = await self.enqueue_each([candidates])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def submit(self, submission: Submission) -> tuple[Acknowledgement, ...]:
        """Admit all bodies or none; durable when it returns. Raises `LedgerError`, and as above."""
        if len(submission.bodies) == 1:
            # One signature is verified in less time than it takes to hand it to a thread.
            return await self.enqueue(prepare(submission, self.authorities))
        return await self.enqueue(await asyncio.to_thread(prepare, submission, self.authorities))

    async def submit_each(self, submissions: Iterable[Submission]) -> list[Outcome]:
        """Each on its own, answers in order."""
        prepared = await asyncio.to_thread(prepare_each, list(submissions), self.authorities)
        ready = [item for item in prepared if not isinstance(item, Exception)]
        outcomes = iter(await self.enqueue_each(ready))
        return [item if isinstance(item, Exception) else next(outcomes) for item in prepared]


def prepare_each(
    submissions: Iterable[Submission], authorities: Authorities
) -> list[Sequence[Candidate] | Exception]:
    """Every submission prepared, or what was raised for it."""
    outcomes: list[Sequence[Candidate] | Exception] = []
    for submission in submissions:
        try:
            outcomes.append(prepare(submission, authorities))
        except Exception as error:  # a refusal of this one alone; the door sorts bugs out
            outcomes.append(error)
    return outcomes
