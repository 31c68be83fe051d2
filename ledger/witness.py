"""A witness: it cosigns a head only when it extends every head it cosigned before.

    Witness                  one name, its keys, the logs it watches, and what it remembers
    Witness.opened           from its folder of keys and its own database file
    Witness.add_checkpoint   the cosignatures, persisted before they are answered
    Witness.sign_subtree     a part of a tree that it cosigned
    Witness.checkpoint       the last cosigned head of a log, for monitors
    origin_hash              by which monitors ask for a log
    WitnessBase, WitnessNameRow, CosignedRow   the tables of its file

What a witness is worth is its memory. It has a SQLite file of its own, apart from any ledger, and
one write transaction holds the whole step, so that two feeders, or two processes, queue:

    1. take the write lock and read the last head
    2. judge the request against it
    3. cosign
    4. write the new head with its cosignatures, and commit to the disk
    5. answer

A crash before 4 leaves the old head, and the signature of 3 is never seen. A crash after 4 leaves a
head whose cosignature nobody got: the log asks again, meets the new size, and is answered.

The first opening writes the memory, then the keys: a crash between them leaves a memory of nothing,
which may still be given keys. Keys without their memory are refused for good, since nobody knows
what they signed; a witness that lost its memory retires its keys.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import BigInteger, LargeBinary, String, Text, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ledger.cosignature import CosignatureVerifier, Cosigner, check_cosigner_name
from ledger.custody import Custody
from ledger.database import Database
from ledger.errors import OriginUnknown, WitnessClockBehind, WitnessStateMismatch
from ledger.keystore import Keystore
from ledger.merkle import Hash
from ledger.note import KeyType, NoteSignature, NoteVerifier, SignedNote
from ledger.subtree import SignSubtree, judge_subtree
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import AddCheckpoint, CosignedHead, judge

KEY_NAMES: Mapping[KeyType, str] = {
    KeyType.ED25519_COSIGNATURE: "witness-ed25519",
    KeyType.ML_DSA_44_COSIGNATURE: "witness-ml-dsa-44",
}
"""A key of each type: older verifiers read the first, and the second outlives it."""


class WitnessBase(DeclarativeBase):
    """The metadata of a witness's own file: it has no part in the ledger's migrations."""


class WitnessNameRow(WitnessBase):
    """Whose memory this is; one row."""

    __tablename__ = "witness_name"

    name: Mapped[str] = mapped_column(Text, primary_key=True)


class CosignedRow(WitnessBase):
    """The last head of a log that was cosigned. Only ever replaced by one that extends it."""

    __tablename__ = "witness_cosigned"

    origin_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tree_size: Mapped[int] = mapped_column(BigInteger)
    root_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    cosigned_at_s: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text)


class Witness:
    """The only writer of its file."""

    def __init__(
        self,
        database: Database,
        cosigners: Sequence[Cosigner],
        logs: Mapping[str, Sequence[NoteVerifier]],
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cosigners = tuple(cosigners)
        self._logs = logs
        self._now = now
        self.verifiers: tuple[CosignatureVerifier, ...] = tuple(
            cosigner.verifier for cosigner in cosigners
        )

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        folder: Path,
        name: str,
        logs: WitnessPolicy,
        *,
        now: Callable[[], datetime],
        keys: Custody | None = None,
    ) -> AsyncIterator[Witness]:
        """For as long as a block runs. `logs` are those of a policy file.

        `keys` are kept in the folder, where nobody else keeps them.

        Raises `WitnessStateMismatch`, `KeyNotKept`, `NoteMalformed`.
        """
        check_cosigner_name(name)
        keystore, database = _of_folder(folder, keys)
        try:
            if await _remember_name(database, keystore, name):
                for key_name in KEY_NAMES.values():
                    if not keystore.has(key_name):
                        keystore.create(key_name)
            cosigners = [Cosigner(name, keystore.get(key_name)) for key_name in KEY_NAMES.values()]
            yield cls(database, cosigners, _by_origin(logs), now=now)
        finally:
            await database.close()

    async def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        """Cosign, remember, answer.

        Raises `OriginUnknown` (404), `WitnessClockBehind` (503), and what `judge` refuses.
        """
        origin = request.checkpoint.origin
        logs = self._logs.get(origin)
        if logs is None:
            raise OriginUnknown(f"this witness does not watch {origin[:80]!r}")
        async with self._database.writing() as session:
            row = await session.get(CosignedRow, origin_hash(origin))
            latest = CosignedHead(row.tree_size, Hash(row.root_hash)) if row else CosignedHead()
            judge(request, logs, latest)
            at_s = int(self._now().timestamp())
            # "As of this second, the largest head": an earlier second would contradict what was
            # signed before.
            if row and at_s < row.cosigned_at_s:
                raise WitnessClockBehind(f"the clock stands before second {row.cosigned_at_s}")
            if any(one.key.waits for one in self._cosigners):
                lines = await asyncio.to_thread(self._cosigned, request.note.text, at_s)
            else:
                lines = self._cosigned(request.note.text, at_s)
            await session.merge(
                CosignedRow(
                    origin_hash=origin_hash(origin),
                    tree_size=request.checkpoint.tree_size,
                    root_hash=request.checkpoint.root_hash,
                    cosigned_at_s=at_s,
                    note=str(SignedNote(request.note.text, (*_of(logs, request.note), *lines))),
                )
            )
        return lines

    def sign_subtree(self, request: SignSubtree) -> tuple[NoteSignature, ...]:
        """By the keys whose cosignatures may be of a part (ML-DSA-44), without a time.

        Raises `OriginUnknown` (404), and what `judge_subtree` refuses.
        """
        origin = request.checkpoint.origin
        if origin not in self._logs:
            raise OriginUnknown(f"this witness does not watch {origin[:80]!r}")
        judge_subtree(request, self.verifiers)
        return tuple(
            one.cosign_subtree(origin, request.start, request.end, request.subtree_hash)
            for one in self._cosigners
            if one.key_type is KeyType.ML_DSA_44_COSIGNATURE
        )

    def _cosigned(self, text: str, at_s: int) -> tuple[NoteSignature, ...]:
        return tuple(one.cosign(text, at_s=at_s) for one in self._cosigners)

    async def checkpoint(self, origin_hash_: str) -> str:
        """The last cosigned note of the log with this origin hash. Raises `OriginUnknown`."""
        async with self._database.reading() as session:
            row = await session.get(CosignedRow, origin_hash_)
        if row is None:
            raise OriginUnknown("this witness never cosigned a checkpoint of that log")
        return row.note


def origin_hash(origin: str) -> str:
    """By which monitors ask: SHA-256 of the origin, in lower-case hex."""
    return hashlib.sha256(origin.encode()).hexdigest()


def _of_folder(folder: Path, keys: Custody | None) -> tuple[Custody, Database]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database.connect(f"sqlite+aiosqlite:///{folder / 'witness.sqlite'}")
    return keys or Keystore(folder / "keys"), database


def _by_origin(logs: WitnessPolicy) -> dict[str, list[NoteVerifier]]:
    by_origin: dict[str, list[NoteVerifier]] = {}
    for log in logs.logs:
        by_origin.setdefault(log.verifier.name, []).append(log.verifier)
    return by_origin


def _of(logs: Sequence[NoteVerifier], note: SignedNote) -> list[NoteSignature]:
    """The lines that were verified, each once; a stranger's lines are not handed on."""
    trusted = {(log.name, log.key_id) for log in logs}
    lines = [line for line in note.signatures if (line.name, line.key_id) in trusted]
    return list(dict.fromkeys(lines))


async def _remember_name(database: Database, keystore: Custody, name: str) -> bool:
    """Whether nothing was ever cosigned here; makes the memory where there is none."""
    async with database.writing() as session:
        connection = await session.connection()
        has_tables = await connection.run_sync(
            lambda it: inspect(it).has_table(WitnessNameRow.__tablename__)
        )
        if not has_tables:
            if any(keystore.has(key_name) for key_name in KEY_NAMES.values()):
                raise WitnessStateMismatch(
                    "the keys of this witness are here and its memory is not; nobody knows what "
                    "they signed, so retire them and begin under new keys"
                )
            await connection.run_sync(WitnessBase.metadata.create_all)
            session.add(WitnessNameRow(name=name))
            return True
        kept = await session.scalar(select(WitnessNameRow.name))
        if kept != name:
            raise WitnessStateMismatch(f"this is the memory of {kept!r}, not of {name!r}")
        return not await _has_cosigned(session)


async def _has_cosigned(session: AsyncSession) -> bool:
    return await session.scalar(select(CosignedRow.origin_hash).limit(1)) is not None
