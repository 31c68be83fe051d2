"""Statements from files, signed with keys that authorities left here, and sent.

    StatedFile    a draft, and the entry that states it
    state_files   drafts in order, each signed and sent by itself

A draft's reference is the issuer's own: sent again, it is answered with its first index. An
authority that keeps its key signs with software of its own and sends to POST /entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.answers import SUBMIT, AnswerRefused, Question
from api.controls import Stated
from api.custody import custody_of
from api.door import ask_through, door, require_migrated
from api.drafts import DRAFT_BYTES_MAX, DraftUnfit, Written
from api.export import NotExportable, party_named
from api.service import system_clock
from api.settings import Settings
from api.storage import open_database
from ledger.custodial import custodial_key
from ledger.custody import Custody
from ledger.entries import Entries
from ledger.errors import LedgerError
from ledger.salts import fresh_salts
from ledger.statement import Draft, Statement, issue


@dataclass(frozen=True, slots=True)
class StatedFile:
    """What became of a draft."""

    file: Path
    entry: Stated

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "duplicate": self.entry.duplicate,
            "file": str(self.file),
            "leaf_index": self.entry.leaf_index,
        }

    def text(self) -> str:
        """In words."""
        return f"{self.entry.text()}: {self.file.name}"


async def state_files(
    settings: Settings, files: Sequence[Path], done: Callable[[StatedFile], None]
) -> None:
    """All are read and signed before the first is sent; what was acknowledged stands.

    Every refusal's path begins with the file. Raises `DraftUnfit`, `AnswerRefused`, `LedgerError`.
    """
    await require_migrated(settings)
    custody = custody_of(settings)
    statements = [await _signed(settings, custody, file) for file in files]
    async with door(settings) as client:
        for file, statement in zip(files, statements, strict=True):
            # By the graph, which answers once queries see what was stated.
            question = Question(SUBMIT, {"statement": statement.presentation})
            try:
                answer = await ask_through(client, question)
            except AnswerRefused as refused:
                path = (str(file), *refused.path)
                raise AnswerRefused(refused.code, refused.message, path=path) from None
            (entry,) = answer["entries"]
            done(StatedFile(file, Stated(entry["leafIndex"], entry["duplicate"])))


async def _signed(settings: Settings, custody: Custody, file: Path) -> Statement:
    with file.open("rb") as opened:
        raw = opened.read(DRAFT_BYTES_MAX + 1)
    try:
        return await _statement(settings, custody, Written.parse(raw))
    except LedgerError as error:
        raise error.within(str(file)) from None
    except (DraftUnfit, NotExportable) as error:
        raise type(error)(error.message, path=(str(file), *error.path)) from None


async def _statement(settings: Settings, custody: Custody, written: Written) -> Statement:
    database = open_database(settings)
    try:
        async with database.reading() as session:
            entries = Entries(session)
            authorities = await entries.authorities((await entries.head()).tree_size)
            issuer, _ = await party_named(session, written.issuer)
            subject, identity = await party_named(session, written.subject)
    finally:
        await database.close()
    draft = Draft(
        issuer=issuer,
        subject=subject,
        jti=written.jti,
        issued_at=int(system_clock().timestamp()),
        weighing=written.weighing,
        particulars=written.naming(identity),
    )
    key = custodial_key(custody, authorities, issuer)
    return issue(draft, key, fresh_salts())
