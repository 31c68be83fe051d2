"""What a door asks of the writer, in whichever process it runs.

    Writer          submits; `ledger.sequencer.Sequencer` is the one that writes
    Outcome         what became of one submission of several
    prepare_each    many submissions prepared; for a thread
    settled         outcomes in order, when all are there

Whoever submits prepares: the form is checked and the signature verified on the submitter's own time
and core. `enqueue` takes what was prepared, in the order of its calls.
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

Outcome: TypeAlias = tuple[Acknowledgement, ...] | Exception
"""Acknowledgements, or the refusal."""

Answer: TypeAlias = asyncio.Future[tuple[Acknowledgement, ...]]


class Writer(ABC):
    """The writer, as a door sees it."""

    @property
    @abstractmethod
    def tree_size(self) -> int:
        """Entries that are durable."""

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
    def enqueue(self, candidates: Sequence[Candidate]) -> Answer:
        """Admit all candidates or none; durable when the answer is there.

        Raises `WriterFenced`, `WriterOverloaded`, and what the policy check raises for a policy it
        refuses; the answer raises every refusal of admission.
        """

    async def submit(self, submission: Submission) -> tuple[Acknowledgement, ...]:
        """Admit all bodies or none; durable when it returns. Raises `LedgerError`, and as above."""
        if len(submission.bodies) == 1:
            # One signature is verified in less time than it takes to hand it to a thread.
            return await self.enqueue(prepare(submission, self.authorities))
        return await self.enqueue(await asyncio.to_thread(prepare, submission, self.authorities))

    async def submit_each(self, submissions: Iterable[Submission]) -> list[Outcome]:
        """Each on its own, answers in order."""
        prepared = await asyncio.to_thread(prepare_each, list(submissions), self.authorities)
        return await settled(self.enqueue_each(prepared))

    def enqueue_each(
        self, prepared: Iterable[Sequence[Candidate] | Exception]
    ) -> list[Answer | Exception]:
        """Each on its own; what was refused before stays refused."""
        waiting: list[Answer | Exception] = []
        for item in prepared:
            try:
                waiting.append(item if isinstance(item, Exception) else self.enqueue(item))
            except Exception as error:  # a refusal of this one alone; the door sorts bugs out
                waiting.append(error)
        return waiting


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


async def settled(waiting: Sequence[Answer | Exception]) -> list[Outcome]:
    """The outcomes, in order, when all are there."""
    futures = [item for item in waiting if not isinstance(item, Exception)]
    if futures:
        await asyncio.wait(futures)
    outcomes: list[Outcome] = []
    for item in waiting:
        try:
            outcomes.append(item if isinstance(item, Exception) else item.result())
        except Exception as error:
            outcomes.append(error)
    return outcomes
