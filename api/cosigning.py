"""Has each new head cosigned by witnesses, and serves the newest that has its quorum.

    Cosigning           one task that asks the witnesses of a policy, round after round
    Cosigning.recall    after a restart: what was served before it
    Cosigning.step      one round: the newest head, sent to every witness at once
    Cosigning.note      the newest head that has the quorum, with its cosignatures
    Cosigning.reached   waits until a size has the quorum
    AnswerRefused       a witness that answers outside the protocol

A round sends one head to all witnesses, so that their cosignatures meet under one note; it is
served as soon as it has its quorum. Without a quorum the last head that had one is served, and
none before the first: whoever asks for cosignatures is never shown a head that lacks them. A head
is kept before it is served (`ledger.cosigned`); the cosignatures that come later, after the round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping, Sequence

import httpx

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.cosignature import CosignatureVerifier
from ledger.cosigned import CosignedHeads
from ledger.database import Database
from ledger.entries import Entries
from ledger.errors import LedgerEmpty, QuorumMissing
from ledger.merkle import Hash
from ledger.note import NoteSignature, SignedNote
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import AddCheckpoint, cosignatures_of
from ledger.writer import Writer

ROUND_S = 5.0
"""How long a round waits for a quorum; a witness that is slower is asked again in the next."""

GRACE_S = 0.5
"""How long a round with its quorum waits for the others: monitors like to see them all."""

PAUSE_S = 0.05
"""Between rounds, so that a busy log does not ask its witnesses at each commit."""

RETRY_S = 2.0
"""After a round in which a witness was missing and the log did not grow."""

TICK_S = 600.0
"""How old cosignatures of a log at rest may become."""

ASKS_MAX = 3
"""Of one witness in one round: from where we think it stands, from where it says it stands, and
once more when another feeder came between."""

ANSWER_BYTES_MAX = 64 * 1024
"""Of a witness's answer; two keys have some 3.5 kB."""

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n")

logger = logging.getLogger(__name__)


class AnswerRefused(Exception):
    """A witness that answers outside the protocol, or that saw what this log does not have."""


class Cosigning:
    """The witnesses of one policy, asked on behalf of one log."""

    def __init__(
        self,
        database: Database,
        sequencer: Writer,
        policy: WitnessPolicy,
        client: httpx.AsyncClient,
    ) -> None:
        self._database = database
        self._sequencer = sequencer
        self._policy = policy
        self._client = client
        self._by_url: dict[str, list[CosignatureVerifier]] = {}
        for witness in policy.witnesses:
            # One witness with two keys has two lines in the policy, and is asked once.
            if witness.url is not None:
                self._by_url.setdefault(witness.url.rstrip("/"), []).append(witness.verifier)
        self._stands_at = dict.fromkeys(self._by_url, 0)
        self._note: SignedNote | None = None
        self._kept: SignedNote | None = None
        self._tree_size = 0
        self._lines: dict[str, tuple[NoteSignature, ...]] = {}
        self._advanced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask from now on, until `close`."""
        self._task = asyncio.create_task(self._run(), name="cosigning")

    async def close(self) -> None:
        """Give up the round under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()

    @property
    def note(self) -> SignedNote:
        """Raises `QuorumMissing` before any head had its quorum."""
        if self._note is None:
            raise QuorumMissing(f"no head has the quorum {self._policy.quorum!r} yet")
        return self._note

    async def reached(self, tree_size: int) -> None:
        """Wait until a head of at least `tree_size` has its quorum."""
        while self._tree_size < tree_size:
            await self._advanced.wait()

    async def recall(self) -> None:
        """Serve what was served before a restart, if it satisfies the policy still."""
        log_keys = self._sequencer.authorities.log_keys
        if not log_keys.records:
            return
        async with self._database.reading() as session:
            try:
                note = await CosignedHeads(session).newest(self._policy, log_keys)
            except QuorumMissing:
                return
        self._note = note
        self._tree_size = Checkpoint.parse(note.text).tree_size
        for url, verifiers in self._by_url.items():
            known = {(one.name, one.key_id) for one in verifiers}
            lines = [line for line in note.signatures if (line.name, line.key_id) in known]
            self._lines[url] = tuple(lines)

    async def step(self) -> int:
        """One round; says how many witnesses did not cosign. Raises `LedgerEmpty`."""
        async with self._database.reading() as session:
            note = SignedNote.parse((await Entries(session).head()).note.encode())
        checkpoint = Checkpoint.parse(note.text)
        # What a witness said about this head in an earlier round stays true if it is away now.
        lines = dict(self._lines) if checkpoint.tree_size == self._tree_size else {}
        await self._serve(checkpoint, note, lines)
        asked = {
            asyncio.create_task(self._ask(url, note, checkpoint), name=f"cosigning {url}"): url
            for url in self._by_url
        }
        try:
            await self._gather(asked, checkpoint, note, lines)
        finally:
            for task in asked:
                task.cancel()
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
        for task, outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, Exception):
                logger.warning("%s: %r", task.get_name(), outcome)
        if self._note is not None and self._note != self._kept:
            await self._keep(self._note)
        return sum(not isinstance(outcome, tuple) for outcome in outcomes)

    async def _gather(
        self,
        asked: Mapping[asyncio.Task[tuple[NoteSignature, ...]], str],
        checkpoint: Checkpoint,
        note: SignedNote,
        lines: dict[str, tuple[NoteSignature, ...]],
    ) -> None:
        """Until all have answered, or a quorum has and the others had their grace."""
        loop = asyncio.get_running_loop()
        deadline, quorum_at = loop.time() + ROUND_S, None
        pending = set(asked)
        while pending and loop.time() < deadline:
            if quorum_at is None and self._tree_size >= checkpoint.tree_size:
                quorum_at = loop.time()
                deadline = min(deadline, quorum_at + GRACE_S)
            done, pending = await asyncio.wait(
                pending,
                timeout=max(0.0, deadline - loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                if task.exception() is None:
                    lines[asked[task]] = task.result()
            await self._serve(checkpoint, note, lines)

    async def _serve(
        self, checkpoint: Checkpoint, note: SignedNote, lines: dict[str, tuple[NoteSignature, ...]]
    ) -> None:
        """Serve the head from now on, when these verified lines are a quorum.

        A head is kept before it is first served, so that a restart shows no older one.
        """
        cosigned = [line for url in self._by_url for line in lines.get(url, ())]
        known = {(line.name, line.key_id) for line in cosigned}
        verifiers = [
            witness.verifier
            for witness in self._policy.witnesses
            if (witness.verifier.name, witness.verifier.key_id) in known
        ]
        if self._policy.is_met(verifiers) and checkpoint.tree_size >= self._tree_size:
            served = SignedNote(note.text, (*note.signatures, *cosigned))
            if checkpoint.tree_size > self._tree_size or self._note is None:
                await self._keep(served)
            self._tree_size = checkpoint.tree_size
            self._note = served
            self._lines = dict(lines)
            self._advanced.set()
            self._advanced = asyncio.Event()

    async def _keep(self, note: SignedNote) -> None:
        async with self._database.writing() as session:
            await CosignedHeads(session).keep(note)
        self._kept = note

    async def _ask(
        self, url: str, note: SignedNote, checkpoint: Checkpoint
    ) -> tuple[NoteSignature, ...]:
        """A witness's cosignatures. Raises `AnswerRefused`, `LedgerError`, `httpx.HTTPError`."""
        for _ in range(ASKS_MAX):
            old_size = self._stands_at[url]
            if old_size > checkpoint.tree_size:
                raise AnswerRefused(
                    f"has cosigned size {old_size}, and this log has {checkpoint.tree_size}: "
                    "it is an older copy, or another writes under its key"
                )
            path = await self._path(old_size, checkpoint.tree_size)
            request = AddCheckpoint.of(old_size, path, note)
            status, answer = await self._post(f"{url}/add-checkpoint", bytes(request))
            if status == 200:
                lines = cosignatures_of(answer, note, self._by_url[url])
                self._stands_at[url] = checkpoint.tree_size
                return lines
            size = _SIZE.fullmatch(answer)
            if status != 409 or size is None or int(size[1]) > TREE_SIZE_MAX:
                raise AnswerRefused(f"answers {status}: {answer[:200]!r}")
            self._stands_at[url] = int(size[1])
        raise AnswerRefused("stands elsewhere each time it is asked")

    async def _path(self, old_size: int, tree_size: int) -> Sequence[Hash]:
        if not 0 < old_size < tree_size:
            return []
        async with self._database.reading() as session:
            return await Entries(session).consistency_path(old_size, tree_size)

    async def _post(self, url: str, body: bytes) -> tuple[int, bytes]:
        async with self._client.stream("POST", url, content=body) as response:
            answer = bytearray()
            async for piece in response.aiter_bytes():
                answer += piece
                if len(answer) > ANSWER_BYTES_MAX:
                    raise AnswerRefused(f"answers more than {ANSWER_BYTES_MAX} bytes")
            return response.status_code, bytes(answer)

    async def _run(self) -> None:
        while True:
            size = self._sequencer.tree_size
            wait_s = RETRY_S
            try:
                if await self.step() == 0:
                    wait_s = TICK_S
            except LedgerEmpty:
                # A log before its genesis has no head; it grows soon.
                wait_s = TICK_S
            except Exception:
                # Whatever failed, the head that is served keeps the cosignatures it has.
                logger.exception("a round of cosigning failed; trying again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._sequencer.grown_beyond(size)
            await asyncio.sleep(PAUSE_S)
