"""The log in the graph: its head, and its entries with their proofs.

    Checkpoint          a signed head
    EntryForm           what a leaf commits to
    Entry               one leaf, and the path from it to the head that is shown
    shown_checkpoint    that head, the same as at `/checkpoint`
    entry_at            an entry by leaf index
    visible_statement   what an entry says, to those who may see it

With a witness policy a head is shown when it has its quorum, so the newest entries may have no
proof yet. That an entry exists, its label and its index are public; what it says is not, unless the
caller may see the statement (ARCHITECTURE §8).
"""

from __future__ import annotations

import base64
from enum import Enum

import strawberry

from api.entry_proofs import sign_receipt
from api.schema.nodes import Node, NodeId, NodeKind
from api.schema.scalars import Instant, Natural
from api.schema.session import Info, Session, Shown
from api.schema.statement import Statement, statement_of
from api.schema.tiers import described
from ledger.candidate import form_of
from ledger.cose_receipt import InclusionProof
from ledger.entries import Entries, LoggedEntry
from ledger.errors import QuorumMissing
from ledger.identity import SubjectLabel
from ledger.merkle import Hash
from ledger.statement import Statement as LedgerStatement


@strawberry.type(description="A signed head of the log (C2SP tlog-checkpoint).")
class Checkpoint:
    """A window on a head."""

    shown: strawberry.Private[Shown]

    @described(description="The log's name.")
    def origin(self) -> str:
        return self.shown.head.checkpoint.origin

    @described(description="How many entries it commits to.")
    def tree_size(self) -> Natural:
        return Natural(self.shown.head.tree_size)

    @described(description="RFC 9162 root over those entries.")
    def root_hash(self) -> Hash:
        return self.shown.head.checkpoint.root_hash

    @described(description="The whole signed note, cosignatures included; check it with /log-key.")
    def note(self) -> str:
        return str(self.shown.head.note)

    @described(description="When it was signed.")
    def signed_at(self) -> Instant:
        return Instant(self.shown.logged_at)


@strawberry.enum(description="The form of a leaf.")
class EntryForm(Enum):
    """What a leaf commits to."""

    STATEMENT = strawberry.enum_value("statement", description="A commitment to a statement.")
    CAPTURE = strawberry.enum_value("capture", description="A commitment to EPCIS events.")
    CONTROL = strawberry.enum_value("control", description="A public rule of the log, in full.")


@strawberry.type(description="One entry of the log: public are its existence, label and index.")
class Entry(Node):
    """A window on a logged entry."""

    entry: strawberry.Private[LoggedEntry]
    shown: strawberry.Private[Checkpoint | None]
    path: strawberry.Private[list[Hash] | None]

    @described(description="Opaque, and the same for as long as the log stands.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(NodeId(NodeKind.ENTRY, str(self.entry.leaf_index)).text)

    @described(description="Its place in the log, from 0.")
    def leaf_index(self) -> Natural:
        return Natural(self.entry.leaf_index)

    @described(description="The leaf's bytes, which are ASCII; 65,535 at most.")
    def leaf(self) -> str:
        return self.entry.leaf.decode("ascii")

    @described(description="RFC 9162 hash of the leaf.")
    def leaf_hash(self) -> Hash:
        return self.entry.leaf_hash

    @described(description="The label of what it is about.")
    def label(self) -> SubjectLabel:
        return self.entry.body.subject

    @described(description="What the leaf commits to.")
    def form(self) -> EntryForm:
        return EntryForm(form_of(self.entry.body))

    @described(description="When the log took it.")
    def logged_at(self) -> Instant:
        return Instant(self.entry.logged_at)

    @described(
        description=(
            "Sibling hashes from the leaf to the root of `checkpoint`, RFC 9162 §2.1.3; null where "
            "`checkpoint` is."
        )
    )
    def inclusion_path(self) -> list[Hash] | None:
        return self.path

    @described(
        description=(
            "The head that `inclusionPath` leads to: the newest, or of a log that asks for "
            "witnesses the newest that has its quorum. Null while no such head covers the entry."
        )
    )
    def checkpoint(self) -> Checkpoint | None:
        return self.shown

    @described(
        description=(
            "The same proof as a COSE receipt (RFC 9942), standard base64; null where `checkpoint` "
            "is, and null with an error where this process keeps no log key."
        )
    )
    async def receipt(self, info: Info) -> str | None:
        if self.shown is None or self.path is None:
            return None
        head = self.shown.shown.head
        proof = InclusionProof(head.tree_size, self.entry.leaf_index, tuple(self.path))
        keystore = info.context.service.keystore
        async with info.context.reading() as session:
            receipt = await sign_receipt(
                Entries(session), keystore, head, proof, self.entry.leaf_hash
            )
        return base64.b64encode(bytes(receipt)).decode("ascii")

    @described(description="The statement behind it, if there is one that may be seen.")
    async def statement(self, info: Info) -> Statement | None:
        return await visible_statement(info.context, self.entry)


async def shown_checkpoint(context: Session) -> Checkpoint:
    """Raises `LedgerEmpty`, `QuorumMissing`."""
    return Checkpoint(shown=await context.shown())


async def entry_at(context: Session, leaf_index: int) -> Entry:
    """With its proof, if the head that is shown covers it. Raises `EntryUnknown`, `LedgerEmpty`."""
    async with context.reading() as session:
        entry = await Entries(session).at(leaf_index)
    try:
        shown = await context.shown(covering=leaf_index)
    except QuorumMissing:
        return Entry(entry=entry, shown=None, path=None)
    if leaf_index >= shown.head.tree_size:
        return Entry(entry=entry, shown=None, path=None)
    async with context.reading() as session:
        path = await Entries(session).inclusion_path(leaf_index, shown.head.tree_size)
    return Entry(entry=entry, shown=Checkpoint(shown=shown), path=path)


async def visible_statement(context: Session, entry: LoggedEntry) -> Statement | None:
    """The window on an entry's statement, None when there is none to see."""
    body = entry.body
    if not isinstance(body, LedgerStatement):
        return None
    visible = await context.at.load(entry.leaf_index)
    return None if visible is None else statement_of(visible)
