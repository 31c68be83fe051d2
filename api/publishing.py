"""Keeps the folder of tiles showing the head that is served: step 4 of `ledger.tile_folder`.

    Publishing        one task that follows the writer
    Publishing.step   the checkpoint replaced, some partial tiles removed

The files below a head were on disk before its transaction was committed, so that whoever reads the
new checkpoint finds all of them. Killed anywhere, it leaves an older checkpoint, which is true.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from api.cosigning import Cosigning
from api.heads import served_head
from ledger.database import Database
from ledger.errors import LedgerEmpty, QuorumMissing
from ledger.tile_folder import TileFolder
from ledger.witness_policy import WitnessPolicy
from ledger.writer import Writer

TICK_S = 1.0
"""How long a further cosignature of a head that does not grow waits to be published."""

PAUSE_S = 0.05
"""Between checkpoints: each is flushed to the disk, and a reader hardly asks more often."""

logger = logging.getLogger(__name__)


class Publishing:
    """The only writer of the file `checkpoint`."""

    def __init__(
        self,
        database: Database,
        sequencer: Writer,
        folder: TileFolder,
        *,
        policy: WitnessPolicy | None,
        cosigning: Cosigning | None,
        drop_partials: bool,
    ) -> None:
        self._database = database
        self._sequencer = sequencer
        self._folder = folder
        self._policy = policy
        self._cosigning = cosigning
        self._drop_partials = drop_partials
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Publish from now on, until `close`."""
        self._task = asyncio.create_task(self._run(), name="publishing")

    async def close(self) -> None:
        """Give up the step under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def step(self) -> bool:
        """Whether anything was done. Raises `LedgerEmpty`, `QuorumMissing`, `TileConflict`."""
        async with self._database.reading() as session:
            head = await served_head(session, self._policy, self._cosigning)
        published = await asyncio.to_thread(self._folder.publish, str(head.note))
        dropped = 0
        if self._drop_partials:
            dropped = await asyncio.to_thread(self._folder.drop_partials, head.tree_size)
        return published or dropped > 0

    async def _run(self) -> None:
        while True:
            size = self._sequencer.tree_size
            try:
                went_on = await self.step()
            except (LedgerEmpty, QuorumMissing):
                # Nothing may be shown yet.
                went_on = False
            except Exception:
                # Whatever failed, what was published stays true.
                logger.exception("publishing the checkpoint failed; trying again")
                went_on = False
            if not went_on:
                # Not `wait_for`: before Python 3.12 it may drop the cancellation of `close`.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._sequencer.grown_beyond(size)
            await asyncio.sleep(PAUSE_S)
