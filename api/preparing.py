"""Where the lines of a stream are made ready: in this process, and in one beside it.

    Preparers          a thread here and a process beside it, each with one chunk at a time
    Preparers.prepare  a chunk, by whichever is free first
    main               what the process beside runs

Python runs one thread at a time, and to make a line ready takes several times what the writer takes
for it: a stream that one process prepared would leave a core half idle. A second thread is no help,
for two that fight over the interpreter get less done than one
(docs/decisions/0036-two-processes-prepare-a-stream.md). So the first stream that has a chunk
waiting starts a process, which stays until the door ends. While it starts, and once it is lost,
the thread goes on alone; the next chunk that waits starts another.

The two processes are parent and child and believe each other: a message is four bytes of length
and a pickle, chunk and authorities one way, outcomes the other. A chunk has some megabytes
(`api.submission`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import signal
import sys
from collections.abc import Sequence
from typing import BinaryIO, Protocol

from api.lines import Prepared, prepare_lines
from ledger.authority import Authorities

LENGTH_BYTES = 4

ANSWER_S = 60.0
"""After which a process that does not answer is given up: a chunk takes a tenth of a second."""

logger = logging.getLogger(__name__)


class Preparers:
    """Of one door."""

    def __init__(self) -> None:
        self._free: asyncio.Queue[_Preparer] = asyncio.Queue()
        """Those that have nothing to do."""
        self._free.put_nowait(_Thread())
        self._process: _Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._is_closed = False

    async def prepare(
        self, lines: Sequence[bytes | None], authorities: Authorities
    ) -> list[Prepared]:
        """What became of each line, in order."""
        has_process = self._process is not None or self._starting is not None
        if self._free.empty() and not has_process and not self._is_closed:
            self._starting = asyncio.create_task(self._start(), name="preparer")
        preparer = await self._free.get()
        # Whoever asked may leave; the preparer is free when its work is done.
        return await asyncio.shield(asyncio.create_task(self._run(preparer, lines, authorities)))

    async def close(self) -> None:
        """End the process, if there is one, and start no other."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._process is not None:
            await self._process.close()

    async def _run(
        self, preparer: _Preparer, lines: Sequence[bytes | None], authorities: Authorities
    ) -> list[Prepared]:
        while True:
            try:
                prepared = await preparer.prepare(lines, authorities)
            except _Lost as error:
                logger.error(
                    "the process that prepares lines was lost (%s); its door goes on", error
                )
                self._process = None
                preparer = await self._free.get()
            except BaseException:
                self._free.put_nowait(preparer)
                raise
            else:
                self._free.put_nowait(preparer)
                return prepared

    async def _start(self) -> None:
        try:
            self._process = await _Process.started()
            self._free.put_nowait(self._process)
        except (OSError, _Lost) as error:
            # No descriptor, process or memory to be had; there may be for the next chunk.
            logger.error("no process to prepare lines can be started: %r", error)
        finally:
            self._starting = None


class _Lost(Exception):
    """The process beside has ended; what it was asked is asked again of another preparer."""


class _Preparer(Protocol):
    async def prepare(
        self, lines: Sequence[bytes | None], authorities: Authorities
    ) -> list[Prepared]:
        """One chunk at a time. Raises `_Lost`."""
        ...


class _Thread:
    """Of this process."""

    async def prepare(
        self, lines: Sequence[bytes | None], authorities: Authorities
    ) -> list[Prepared]:
        return await asyncio.to_thread(prepare_lines, lines, authorities)


class _Process:
    """Beside this one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def started(cls) -> _Process:
        """Up, with all it needs loaded. Raises `OSError`, `_Lost`."""
        process = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "api.preparing",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        )
        try:
            await process.prepare([], Authorities())
        except BaseException:
            await process.close()
            raise
        return process

    async def prepare(
        self, lines: Sequence[bytes | None], authorities: Authorities
    ) -> list[Prepared]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                self._process.stdin.write(_message((lines, authorities)))
                await self._process.stdin.drain()
                length = int.from_bytes(await self._process.stdout.readexactly(LENGTH_BYTES), "big")
                raw = await self._process.stdout.readexactly(length)
            prepared: list[Prepared] = pickle.loads(raw)  # noqa: S301
        except Exception as error:
            # Each loop has its own error for a pipe whose other end is gone.
            await self.close()
            raise _Lost(repr(error)) from error
        return prepared

    async def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _message(content: object) -> bytes:
    raw = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return len(raw).to_bytes(LENGTH_BYTES, "big") + raw


def main(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer chunk after chunk, until the door closes the pipe."""
    # Ctrl-C reaches every process of a terminal; the door says when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while head := asked.read(LENGTH_BYTES):
        lines, authorities = pickle.loads(asked.read(int.from_bytes(head, "big")))  # noqa: S301
        answers.write(_message(prepare_lines(lines, authorities)))
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.stdin.buffer, sys.stdout.buffer)
