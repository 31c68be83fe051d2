"""FDA import refusals, from two published files through the public door into the log.

    read_statements   both files to all they amount to; nothing is sent before all of it is checked
    Import            the desk and its client, ready to begin
    Import.run        signs and sends; says what was added
    Summary           what became of the lines

The lines are stated by the foreign notice desk, an authority for demonstrations whose key this
machine keeps. Statements go in the order of the file, one request after another, so that an import
killed anywhere leaves the beginning of the file in the log; run again, what stands there is
answered as a duplicate, and the rest follows in the same order as if nothing had happened.

While the door works on a request, the next one is signed in a process of its own: opening, parsing
and sealing a statement keeps one core busy, and Python runs one thread at a time.
"""

from __future__ import annotations

import asyncio
import gzip
import multiprocessing
import signal
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import httpx

from api.office import Answer, EntryRefused, Office, accepted, submit_lines
from api.refusals import Cases, FileUnreadable, Stated, read_charges, read_refusals, statements
from ledger.custody import Custody
from ledger.identity import Identity
from ledger.salts import fresh_salts

FILE_BYTES_MAX = 256 * 1024 * 1024
"""Unpacked. The report of all countries and years since 2002 takes some 100 MB in this form."""

REQUEST_LINES = 500
"""Some 2 MB, and one step of the door."""

DESK = Identity.parse("uscc", "11150000MB0FNTC05W")
DESK_NAMES = {"en": "Foreign notice desk (demonstration)", "zh": "境外通报登记处（演示）"}
DESK_KINDS = ("enforcement", "filing", "fraud-case", "inspection")

CASES_KEY = "cases"
"""Under this name the keystore holds the key of case ids. It signs nothing."""

CHARGES_NAMES = ("fda_charges.csv.gz", "fda_charges.csv")
"""Looked for beside the report, unless the charges file is named."""

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a file."""

    kinds: Mapping[str, int]
    """Statements the file amounts to, by kind. A filing is a firm, any other a line."""
    added: int
    duplicates: int
    """Statements the log had already."""
    tree_size: int
    """A size of the log that covers all of them."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Import:
    """The desk, and a client that carries an authority's credential."""

    client: httpx.AsyncClient
    desk: Office
    introduction: Sequence[bytes]
    now: Callable[[], datetime]

    @classmethod
    def prepared(
        cls, client: httpx.AsyncClient, keystore: Custody, *, now: Callable[[], datetime]
    ) -> Self:
        """With the desk's key, made the first time.

        Where the root key is kept, the desk is introduced to the log; elsewhere the keeper of the
        root key does so beforehand.
        """
        desk = Office.opened(keystore, DESK, names=DESK_NAMES, kinds=DESK_KINDS)
        introduction: Sequence[bytes] = ()
        if keystore.has("root"):
            introduction = desk.introduction(keystore.get("root"), at=int(now().timestamp()))
        return cls(client, desk, introduction, now)

    async def run(self, stated: Sequence[Stated], *, advance: Callable[[int], None]) -> Summary:
        """Sign and send everything; `advance` hears how many more are in the log.

        Raises `OfficeFault`; what was acknowledged before stands.
        """
        began = time.monotonic()
        tree_size = added = 0
        for answer in await submit_lines(self.client, self.introduction):
            tree_size = max(tree_size, accepted(answer) + 1)
        async with aclosing(self._signed(stated)) as requests:
            async for batch, lines in requests:
                for one, answer in zip(batch, await submit_lines(self.client, lines), strict=True):
                    tree_size = max(tree_size, _accepted_line(one, answer) + 1)
                    added += not answer.duplicate
                advance(len(batch))
        return Summary(
            kinds=Counter(one.weighing.kind for one in stated),
            added=added,
            duplicates=len(stated) - added,
            tree_size=tree_size,
            seconds=time.monotonic() - began,
        )

    async def _signed(
        self, stated: Sequence[Stated]
    ) -> AsyncGenerator[tuple[Sequence[Stated], list[bytes]], None]:
        """Requests, in order; the next one is signed while the door works on this one."""
        starts = range(0, len(stated), REQUEST_LINES)
        batches = [stated[start : start + REQUEST_LINES] for start in starts]
        with _signer(self.desk, int(self.now().timestamp())) as connection:
            for batch in batches[:1]:
                await asyncio.to_thread(connection.send, batch)
            for batch, following in zip_longest(batches, batches[1:]):
                lines: list[bytes] = await asyncio.to_thread(connection.recv)
                if following is not None:
                    # The signer waits for work now, so neither side blocks on a full pipe.
                    await asyncio.to_thread(connection.send, following)
                yield batch, lines


def read_statements(report: Path, charges: Path | None, keystore: Custody) -> list[Stated]:
    """Read both files and check all they amount to. Raises `ImportFault`.

    The key of case ids is made the first time.
    """
    found = read_refusals(_text(report), read_charges(_text(charges or _charges_beside(report))))
    key = keystore.get(CASES_KEY) if keystore.has(CASES_KEY) else keystore.create(CASES_KEY)
    return list(statements(found, Cases(key.draw)))


def _accepted_line(one: Stated, answer: Answer) -> int:
    try:
        return accepted(answer)
    except EntryRefused as error:
        raise EntryRefused(
            f"line {one.line}, {one.jti}: {error.message}", path=(one.line, *error.path)
        ) from None


@contextmanager
def _signer(desk: Office, at: int) -> Iterator[Connection]:
    """A process that takes batches and gives lines back; it ends when this one does."""
    fresh = multiprocessing.get_context("spawn")
    ours, theirs = fresh.Pipe()
    process = fresh.Process(target=_sign, args=(theirs, desk, at), daemon=True)
    process.start()
    # With its own copy closed, the last end of the pipe on this side goes with this process,
    # and a signer that is left alone reads the end of it, even after kill -9.
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _sign(batches: Connection, desk: Office, at: int) -> None:
    # An interrupt at the keyboard reaches both; the importer decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    salts = fresh_salts()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            batch: Sequence[Stated] = batches.recv()
            batches.send(
                [
                    desk.line(
                        one.subject.label(),
                        one.jti,
                        one.weighing,
                        one.particulars,
                        at=at,
                        salts=salts,
                    )
                    for one in batch
                ]
            )


def _charges_beside(report: Path) -> Path:
    for name in CHARGES_NAMES:
        if (report.parent / name).is_file():
            return report.parent / name
    raise FileUnreadable(f"no {' or '.join(CHARGES_NAMES)} lies beside {report.name}; name one")


def _text(path: Path) -> str:
    """A file's text, unpacked when it is packed. Raises `FileUnreadable`."""
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        # Spreadsheets put a byte order mark before what they save.
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise FileUnreadable(f"{path.name} is not UTF-8 at byte {error.start}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FileUnreadable(f"{path.name} cannot be read: {error}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise FileUnreadable(f"{path.name} holds more than {FILE_BYTES_MAX} bytes")
    return text
