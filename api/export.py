"""Proof files in the format `xinyuan-proof/1`: one text that convinces a stranger offline.

    Proofs              makes files from log and opening store, all under the head that is shown
    Proofs.statement    one statement, opened
    Proofs.capture      one capture with all of its events
    Proofs.enterprise   every statement about one subject, and the adopted policies
    Proofs.log_proof    one leaf, in the C2SP format tlog-proof
    write_proof         a file of one of these, from the database of the settings
    party_named         whom a person at a command line means, and by which identity
    subject_named       the same, by label alone
    NotExportable       an entry that is of another form, or nothing to prove

With a witness policy that head has its quorum, and the file its cosignatures. The format is
described in `clients/python/README.md`, where also its verifier lies; the two share no code. A file
says nothing that is not checked, so two things are spelled anew: events carry no white space
between their members, since no seal covers it, and a context that no event takes is replaced by the
first event's own. Members named in `withheld` stay hidden, as RFC 9901 allows.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, cast

from sqlalchemy.ext.asyncio import AsyncSession

from api.entry_proofs import log_proof
from api.fault import Fault
from api.heads import ShownHead, shown_head
from api.migration import require_head
from api.settings import Settings
from api.storage import open_database
from ledger.canonical import Json, encode
from ledger.control import Control, KeyBegin, KeyEnd, Mandate, PolicyAdoption
from ledger.directory import Directory
from ledger.disclosure import WEIGHING, Disclosure, join_presentation
from ledger.entries import READ_MAX, Entries, LoggedEntry
from ledger.identity import Identity, Scheme, SubjectLabel, parse_label
from ledger.seal import CONTEXT, Capture, SealedEvent, split_members
from ledger.statement import Statement
from ledger.tables import LABEL_CHARACTERS
from ledger.witness_policy import WitnessPolicy

FORMAT = "xinyuan-proof/1"

ENTRIES_MAX = 10_000
"""Entries of one file: some 40 MB, below the 64 MiB that the verifier reads."""


class NotExportable(Fault):
    """There is nothing of that kind to prove there."""

    code: ClassVar[str] = "EXPORT_NOT_EXPORTABLE"


class Proofs:
    """Proof files from what one session reads."""

    def __init__(
        self,
        session: AsyncSession,
        *,
        policy: WitnessPolicy | None = None,
        tree_size: int | None = None,
        withheld: Collection[str] = (),
    ) -> None:
        self._session = session
        self._entries = Entries(session)
        self._policy = policy
        self._tree_size = tree_size
        self._withheld = frozenset(withheld)

    async def log_proof(self, leaf_index: int) -> bytes:
        """Raises `EntryUnknown`, `LedgerEmpty`, `QuorumMissing`, `SizeUnknown`."""
        return str(await log_proof(self._entries, await self._head(), leaf_index)).encode()

    async def statement(self, leaf_index: int) -> bytes:
        """Raises `NotExportable`, `EntryUnknown`, `LedgerEmpty`, `QuorumMissing`."""
        return await self._single(leaf_index, Statement)

    async def capture(self, leaf_index: int) -> bytes:
        """Raises `NotExportable`, `EntryUnknown`, `LedgerEmpty`, `QuorumMissing`."""
        return await self._single(leaf_index, Capture)

    async def enterprise(self, subject: SubjectLabel) -> bytes:
        """Every statement about a subject.

        Raises `NotExportable`, `LedgerEmpty`, `QuorumMissing`.
        """
        head = await self._head()
        indexes = await self._entries.indexes_of(subject, head.tree_size)
        if not indexes:
            raise NotExportable(f"the log has no entry about {subject}", path=("enterprise",))
        if len(indexes) > ENTRIES_MAX:
            raise NotExportable(
                f"{len(indexes)} entries; one file holds {ENTRIES_MAX} at most",
                path=("enterprise",),
            )
        entries: list[LoggedEntry] = []
        for first in range(0, len(indexes), READ_MAX):
            entries += await self._entries.of_indexes(indexes[first : first + READ_MAX])
        return await self._file("enterprise", entries, head)

    async def _single(self, leaf_index: int, form: type[Statement | Capture]) -> bytes:
        head = await self._head()
        entry = await self._entries.at(leaf_index)
        if not isinstance(entry.body, form):
            wanted = form.__name__.lower()
            raise NotExportable(f"entry {leaf_index} is no {wanted}", path=("leafIndex",))
        return await self._file(form.__name__.lower(), [entry], head)

    async def _head(self) -> ShownHead:
        return await shown_head(self._session, self._policy, tree_size=self._tree_size)

    async def _file(self, kind: str, entries: Sequence[LoggedEntry], head: ShownHead) -> bytes:
        self._require_withheld(entries)
        issuers = {entry.body.issuer for entry in entries}
        controls = await self._entries.controls(head.tree_size)
        content: dict[str, Json] = {
            "checkpoint": str(head.note),
            "controls": await self._proven(
                (entry for entry in controls if _governs(entry, issuers)), head
            ),
            "entries": await self._proven(entries, head),
            "format": FORMAT,
            "kind": kind,
        }
        if kind == "enterprise":
            content["policies"] = await self._proven(filter(_adopts_a_policy, controls), head)
        return encode(content) + b"\n"

    async def _proven(self, entries: Iterable[LoggedEntry], head: ShownHead) -> list[Json]:
        return [await self._entry(entry, head) for entry in entries]

    async def _entry(self, entry: LoggedEntry, head: ShownHead) -> dict[str, Json]:
        path = await self._entries.inclusion_path(entry.leaf_index, head.tree_size)
        shown: dict[str, Json] = {
            "index": entry.leaf_index,
            "path": [base64.b64encode(hash_).decode("ascii") for hash_ in path],
        }
        body = entry.body
        match body:
            case Control():
                shown["control"] = body.token.text
            case Statement():
                opened = [item.text for item in self._opened(body)]
                shown["statement"] = join_presentation(body.token.text, opened)
            case Capture():
                events = [_split(event) for event in body.events]
                shown["capture"] = body.token.text
                shown["context"] = _context(body, events).decode()
                shown["events"] = [
                    {"raw": _spelled(members), "secret": event.secret.hex()}
                    for members, event in zip(events, body.events, strict=True)
                ]
                shown["party"] = {"id": body.party.identifier, "scheme": body.party.scheme}
        return shown

    def _opened(self, statement: Statement) -> list[Disclosure]:
        return [
            disclosure
            for name, disclosure in zip(_names(statement), statement.disclosures, strict=True)
            if name not in self._withheld
        ]

    def _require_withheld(self, entries: Sequence[LoggedEntry]) -> None:
        # A slip in a name would open what was meant to stay closed.
        bodies = [entry.body for entry in entries]
        there = {name for body in bodies if isinstance(body, Statement) for name in _names(body)}
        for name in sorted(self._withheld - there):
            raise NotExportable(
                f"no statement has a member {name!r} to withhold", path=("withhold",)
            )


async def write_proof(
    settings: Settings,
    kind: str,
    what: int | str,
    output: Path,
    *,
    withheld: Collection[str] = (),
    tree_size: int | None = None,
) -> int:
    """Make a proof and write it whole or not at all; says how many bytes.

    Raises `NotExportable`, `DatabaseNotAtHead`, `SizeUnknown`, `LedgerError`.
    """
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            proofs = Proofs(
                session,
                policy=settings.witness_policy,
                tree_size=tree_size,
                withheld=withheld,
            )
            match kind, what:
                case "statement", int():
                    data = await proofs.statement(what)
                case "capture", int():
                    data = await proofs.capture(what)
                case "tlog-proof", int():
                    data = await proofs.log_proof(what)
                case _:
                    data = await proofs.enterprise(await subject_named(session, str(what)))
    finally:
        await database.close()
    _write(output, data)
    return len(data)


def _write(output: Path, data: bytes) -> None:
    if output.exists() and not output.is_file():
        # A pipe or a device takes the bytes; a file in its place would end it.
        output.write_bytes(data)
        return
    beside = output.with_name(f"{output.name}.new")
    beside.write_bytes(data)
    beside.replace(output)


async def party_named(session: AsyncSession, text: str) -> tuple[SubjectLabel, Identity | None]:
    """By `<scheme>:<identifier>`, a bare social credit identifier, or a label, which has none.

    Raises `IdentifierInvalid`, `LabelInvalid`, and `NotExportable` for a person nobody bound.
    """
    if ":" not in text and len(text) == LABEL_CHARACTERS:
        return parse_label(text), None
    scheme, _, identifier = text.rpartition(":")
    identity = Identity.parse(scheme or Scheme.USCC.value, identifier)
    subject = await Directory(session).label_of(identity)
    if subject is None:
        raise NotExportable(f"no binding introduced {text!r}", path=("enterprise",))
    return subject, identity


async def subject_named(session: AsyncSession, text: str) -> SubjectLabel:
    """Raises as `party_named`."""
    return (await party_named(session, text))[0]


def _governs(entry: LoggedEntry, issuers: Collection[SubjectLabel]) -> bool:
    """Whether a verifier needs this control entry: genesis, or keys and mandates of an issuer."""
    match cast("Control", entry.body).content:
        case KeyBegin() | KeyEnd() | Mandate() as content:
            return content.issuer in issuers
        case PolicyAdoption():
            return False
        case _:
            return True


def _adopts_a_policy(entry: LoggedEntry) -> bool:
    return isinstance(cast("Control", entry.body).content, PolicyAdoption)


def _names(statement: Statement) -> list[str]:
    """Of its disclosures, in their order."""
    return [*WEIGHING, *statement.particulars]


def _split(event: SealedEvent) -> dict[str, bytes]:
    return split_members(event.raw)


def _spelled(members: dict[str, bytes]) -> str:
    """The event with its values as received, and no white space between members."""
    pairs = (
        f"{json.dumps(name, ensure_ascii=False)}:{value.decode()}"
        for name, value in members.items()
    )
    return f"{{{','.join(pairs)}}}"


def _context(capture: Capture, events: Sequence[dict[str, bytes]]) -> bytes:
    own = [members.get(CONTEXT) for members in events]
    first = own[0]
    return capture.context if first is None or None in own else first
