"""Where the lines of a stream are made ready: in this process, and in one beside it.

    Preparers          both, each with one chunk at a time
    Preparers.prepare  a chunk, by whichever is free first
    main               what the process beside runs

Python runs one thread at a time, and reading and verifying a line takes three times what the writer
takes for it: a stream that one process prepared would leave half of a machine idle. A second thread
is no help, for two that fight over the interpreter get less done than one. So the first stream that
has a chunk waiting starts a process, which stays until the door ends. While it starts, and once it
is lost, this process goes on alone; the next chunk that waits starts another.

The two are parent and child and believe each other: a message is four bytes of length and a pickle,
chunk and authorities one way, outcomes the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import signal
import sys
from collections.abc import Sequence
from typing import BinaryIO

from api.lines import Line, prepare_lines
from ledger.authority import Authorities

LENGTH_BYTES = 4

Outcomes = list[Line | Exception]

logger = logging.getLogger(__name__)


class Preparers:
    """Of one door."""

    def __init__(self) -> None:
        self._free: asyncio.Queue[_Beside | None] = asyncio.Queue()
        """Who has nothing to do; None is a thread of this process."""
        self._free.put_nowait(None)
        self._beside: _Beside | None = None
        self._starting: asyncio.Task[None] | None = None

    async def prepare(self, lines: Sequence[bytes | None], authorities: Authorities) -> Outcomes:
        """What became of each line, in order."""
        if self._free.empty() and self._beside is None and self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="preparer")
        preparer = await self._free.get()
        # Whoever asked may leave; the preparer is free when its work is done.
        return await asyncio.shield(asyncio.create_task(self._run(preparer, lines, authorities)))

    async def close(self) -> None:
        """End the process, if there is one."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._beside is not None:
            await self._beside.close()

    async def _run(
        self, preparer: _Beside | None, lines: Sequence[bytes | None], authorities: Authorities
    ) -> Outcomes:
        if preparer is not None:
            try:
                outcomes = await preparer.prepare(lines, authorities)
            except (OSError, EOFError):
                logger.error("the process that prepares lines was lost; this one goes on alone")
                self._beside = None
                await preparer.close()
                preparer = await self._free.get()
            else:
                self._free.put_nowait(preparer)
                return outcomes
        try:
            return await asyncio.to_thread(prepare_lines, lines, authorities)
        finally:
            self._free.put_nowait(preparer)

    async def _start(self) -> None:
        try:
            self._beside = await _Beside.started()
            self._free.put_nowait(self._beside)
        except (OSError, EOFError) as error:
            # No descriptor, process or memory to be had; there may be for the next stream.
            logger.error("no process to prepare lines can be started: %s", error)
        finally:
            self._starting = None


class _Beside:
    """A process that prepares one chunk after another."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def started(cls) -> _Beside:
        """Up, with all it needs loaded. Raises `OSError`, `EOFError`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.preparing",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        beside = cls(process)
        try:
            await beside.prepare([], Authorities())
        except BaseException:
            await beside.close()
            raise
        return beside

    async def prepare(self, lines: Sequence[bytes | None], authorities: Authorities) -> Outcomes:
        """One chunk. Raises `OSError`, `EOFError` when the process is lost."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(_message((lines, authorities)))
        await self._process.stdin.drain()
        length = int.from_bytes(await self._process.stdout.readexactly(LENGTH_BYTES), "big")
        outcomes: Outcomes = pickle.loads(await self._process.stdout.readexactly(length))  # noqa: S301
        return outcomes

    async def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _message(content: object) -> bytes:
    raw = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return len(raw).to_bytes(LENGTH_BYTES, "big") + raw


def main(asked: BinaryIO, answers: BinaryIO) -> None:
    """Until the other end is gone."""
    # The terminal's is for the writer's process, which ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while head := asked.read(LENGTH_BYTES):
        lines, authorities = pickle.loads(asked.read(int.from_bytes(head, "big")))  # noqa: S301
        answers.write(_message(prepare_lines(lines, authorities)))
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.stdin.buffer, sys.stdout.buffer)
