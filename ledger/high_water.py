"""The high-water file: the newest signed head of a log that this home has acknowledged.

    HighWater             one file, apart from the database
    HighWater.taken_over  from now on this process writes it, and no other that did
    HighWater.check_held  refuses where another process has taken it over since
    HighWater.raise_to    remembers a head; nobody is told of an entry before this returns
    kept_head             what a file says, without taking it over

A database that is put back from a backup, or whose disk loses what it said it had, does not know
what it lost. This file does, as long as it is not put back with it; `XIN_HIGH_WATER` puts it on
another device. Before a writer signs, its database is held against it (`ledger.resumption`).

It has two slots. A slot is a magic number, the length of a signed checkpoint, the SHA-256 of both,
and the checkpoint's note; a slot that does not hash says nothing, and the larger of two counts. A
batch of the sequencer goes on after its commit:

    1. write the whole of the slot that holds the smaller head
    2. flush it to the device
    3. see that the file is still ours
    4. acknowledge

A crash before 2 leaves a torn slot and the head before it, and a database ahead of it: nobody was
told. A crash after 2 leaves the new head. A flush that fails fails the batch, which nobody is told
of; the next try writes the slot again, never only flushes it.

Taking over makes a new file in place of the old one, so that a writer that slept through it cannot
write over what its successor remembers: it is told that it was succeeded before it writes a batch,
and once more by step 3.

    1. write what the old file says into a new one, and flush it
    2. rename it over the old one, and flush the folder
    3. read the old one again, which nobody finds any more, and take what came into it meanwhile

A crash before 2 leaves the old file, a crash after it the new one.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import secrets
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.errors import HighWaterUnwritable, LedgerError, LogForked, WriterFenced
from ledger.note import SignedNote

SLOTS = 2

SLOT_BYTES = 8_192
"""Whole pages: a note of the longest origin, signed by both keys a log may have, has some 6 kB."""

_MAGIC = b"xinhigh1"
_HEADER = struct.Struct(">8sI32s")


class _Kept(NamedTuple):
    slot: int
    head: Checkpoint
    note: str


class HighWater:
    """Written by one process: the writer of the log."""

    def __init__(self, path: Path, descriptor: int, kept: _Kept | None) -> None:
        self._path = path
        self._descriptor = descriptor
        self._kept = kept
        # A thread of its own: those of the event loop verify signatures, and may all be busy.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="high-water")

    @classmethod
    def taken_over(cls, path: Path) -> HighWater:
        """The file at `path`, made where there is none. Raises `HighWaterUnwritable`."""
        try:
            old = _opened(path)
            try:
                return cls(path, *_replaced(path, old))
            finally:
                if old is not None:
                    os.close(old)
        except OSError as error:
            raise _unwritable(path, error) from error

    def check_held(self) -> None:
        """Asked before a batch is written; it takes some microseconds.

        Raises `WriterFenced`, `HighWaterUnwritable`.
        """
        try:
            is_ours = _is_same(self._path, self._descriptor)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        if not is_ours:
            raise WriterFenced("another writer has taken the high-water file over")

    async def raise_to(self, note: str) -> None:
        """Remember the signed head of `note`; nothing is done where it is remembered.

        Raises `HighWaterUnwritable`, and `WriterFenced` when another writer has taken over.
        """
        if self._kept is None or note != self._kept.note:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._write, note)

    def close(self) -> None:
        """Give the file back; what it says stays."""
        self._thread.shutdown()
        os.close(self._descriptor)

    def _write(self, note: str) -> None:
        head = Checkpoint.parse(SignedNote.parse(note.encode()).text)
        slot = 0
        if self._kept is not None:
            kept = self._kept.head
            if head.tree_size < kept.tree_size:
                raise WriterFenced(
                    f"size {kept.tree_size} was acknowledged, and this writer stands at "
                    f"{head.tree_size}: another one has taken over"
                )
            if head.tree_size == kept.tree_size and head.root_hash != kept.root_hash:
                raise LogForked(f"another root was acknowledged at size {head.tree_size}")
            slot = 1 - self._kept.slot
        try:
            _write_slot(self._descriptor, slot, note)
            _flush(self._descriptor)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.check_held()
        self._kept = _Kept(slot, head, note)


def kept_head(path: Path) -> SignedNote | None:
    """The newest head that the file remembers; None where it is missing, or no slot is whole.

    Raises `HighWaterUnwritable` for a file that the system does not give.
    """
    try:
        descriptor = _opened(path)
        if descriptor is None:
            return None
        try:
            kept = _read(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unwritable(path, error) from error
    return None if kept is None else SignedNote.parse(kept.note.encode())


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _replaced(path: Path, old: int | None) -> tuple[int, _Kept | None]:
    """A new file in the place of the old one, with all that the old one says."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.draft")
    kept = None if old is None else _read(old)
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # At its full length from the start: a later flush has nothing but the slot to write.
        os.pwrite(descriptor, bytes(SLOTS * SLOT_BYTES), 0)
        kept = _copied(descriptor, kept)
        os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)
    meanwhile = None if old is None else _read(old)
    if meanwhile is not None and (kept is None or meanwhile.note != kept.note):
        kept = _copied(descriptor, meanwhile)
        _flush(descriptor)
    return descriptor, kept


def _copied(descriptor: int, kept: _Kept | None) -> _Kept | None:
    if kept is None:
        return None
    _write_slot(descriptor, 0, kept.note)
    return kept._replace(slot=0)


def _read(descriptor: int) -> _Kept | None:
    found = [
        kept
        for slot in range(SLOTS)
        if (kept := _slot(slot, os.pread(descriptor, SLOT_BYTES, slot * SLOT_BYTES))) is not None
    ]
    return max(found, key=lambda kept: kept.head.tree_size, default=None)


def _slot(slot: int, raw: bytes) -> _Kept | None:
    """What a slot says; None for one that is torn, empty, or of no form that we write."""
    if len(raw) < _HEADER.size:
        return None
    magic, length, digest = _HEADER.unpack_from(raw)
    body = raw[_HEADER.size : _HEADER.size + length]
    if magic != _MAGIC or len(body) != length or _digest(body) != digest:
        return None
    try:
        note = SignedNote.parse(body)
        return _Kept(slot, Checkpoint.parse(note.text), str(note))
    except LedgerError:
        return None


def _write_slot(descriptor: int, slot: int, note: str) -> None:
    body = note.encode()
    raw = _HEADER.pack(_MAGIC, len(body), _digest(body)) + body
    assert len(raw) <= SLOT_BYTES
    if os.pwrite(descriptor, raw, slot * SLOT_BYTES) != len(raw):
        raise OSError("the slot was not written whole")


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(len(body).to_bytes(4, "big") + body).digest()


def _flush(descriptor: int) -> None:
    """Down to the device: macOS flushes no further than the drive's cache unless told so."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(descriptor, full)
    else:
        os.fdatasync(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _unwritable(path: Path, error: OSError) -> HighWaterUnwritable:
    reason = error.strerror or str(error)
    return HighWaterUnwritable(f"the high-water file cannot be had: {reason}", path=(str(path),))
