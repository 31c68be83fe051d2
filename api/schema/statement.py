"""Statements in the graph: one interface, whose types stand in `api.schema.kinds`.

    Statement        what all kinds share
    Names, Issuer, Document, Product, Identifier, OtherParty   what they are made of
    StatementConnection, StatementEdge, statement_connection   pages, by leaf index
    statement_of     a visible statement to its window

A value that is withheld is null, exactly as one that is not there: a person's particulars are read
by that person and by authorities alone. So is a statement that another refers to.
"""

from __future__ import annotations

from dataclasses import replace

import strawberry

from api.access import Tier
from api.schema.clocks import Clocks
from api.schema.nodes import (
    PAGE_SIZE,
    After,
    First,
    Node,
    NodeId,
    NodeKind,
    Page,
    PageInfo,
    page_info,
)
from api.schema.scalars import Day, Instant, Natural
from api.schema.session import Info, StatementPage, VisibleStatement
from api.schema.tiers import described, only
from ledger.canonical import Json
from ledger.identity import Identity, Scheme, SubjectLabel
from ledger.merkle import Hash
from ledger.seal import Party
from ledger.statement import Severity

strawberry.enum(
    Severity, name="Severity", description="How grave an authority found it (NDRC Order 36)."
)


strawberry.enum(
    Scheme,
    name="IdentifierScheme",
    description="Whose numbering: USCC is GB 32100, FEI the US FDA, LEI ISO 17442, INN Russian.",
)


@strawberry.type(description="A party in its own numbering scheme.")
class Identifier:
    """Scheme and identifier."""

    scheme: Scheme = strawberry.field(description="Whose numbering it is.")
    value: str = strawberry.field(description="The identifier, its check characters verified.")


@strawberry.type(description="Another party than the subject, as a statement names it.")
class OtherParty:
    """A label, and for organisations what it stands for."""

    label: SubjectLabel = strawberry.field(description="Its label in the log.")
    identifier: Identifier | None = strawberry.field(
        description="Its identifier; null for a one-person business, which is named by its label."
    )


@strawberry.type(description="A name in Chinese, English, or both; 200 characters each at most.")
class Names:
    """A name by language."""

    zh: str | None = strawberry.field(description="In Chinese.")
    en: str | None = strawberry.field(description="In English.")


@strawberry.type(description="Who signed a statement.")
class Issuer:
    """An authority."""

    label: SubjectLabel = strawberry.field(description="Its label in the log.")
    name: Names = strawberry.field(description="As its newest key was begun.")


@strawberry.type(description="A document behind a statement; the log has its digest alone.")
class Document:
    """A document by its digest."""

    name: str = strawberry.field(description="What the authority calls it; 200 characters at most.")
    sha256: str = strawberry.field(description="SHA-256 of its bytes, 64 hexadecimal digits.")


@strawberry.type(description="The goods a statement is about.")
class Product:
    """Goods in words and numbers."""

    name: str | None = strawberry.field(description="In words; 200 characters at most.")
    code: str | None = strawberry.field(description="The authority's own product code.")
    gtin: str | None = strawberry.field(description="GS1 trade item number, 14 digits.")
    lot: str | None = strawberry.field(description="The producer's lot; 20 characters at most.")
    serial: str | None = strawberry.field(
        description="The producer's serial number; 20 characters at most."
    )


@strawberry.interface(
    description="What one authority said about one subject, signed and sealed in the log."
)
class Statement(Node):
    """A window on a statement of the ledger."""

    visible: strawberry.Private[VisibleStatement]

    @described(description="Opaque, and the same for as long as the log stands.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(NodeId(NodeKind.STATEMENT, str(self.visible.entry.leaf_index)).text)

    @described(description="Its place in the log, from 0: the handle of its proof.")
    def leaf_index(self) -> Natural:
        return Natural(self.visible.entry.leaf_index)

    @described(description="RFC 9162 hash of its leaf.")
    def leaf_hash(self) -> Hash:
        return self.visible.entry.leaf_hash

    @described(description="When the log took it.")
    def logged_at(self) -> Instant:
        return Instant(self.visible.entry.logged_at)

    @described(description="The label of whom it is about.")
    def subject(self) -> SubjectLabel:
        return self.visible.statement.subject

    @described(description="Who signed it.")
    def issuer(self) -> Issuer:
        names = self.visible.issuer_names
        return Issuer(
            label=self.visible.statement.issuer,
            name=Names(zh=names.get("zh"), en=names.get("en")),
        )

    @described(description="The issuer's own reference, unique per issuer.")
    def reference(self) -> str:
        return self.visible.statement.jti

    @described(description="What was found or done: a code of its kind.")
    def code(self) -> str | None:
        return self.visible.statement.weighing.code

    @described(description="How it ended: an outcome of its kind.")
    def outcome(self) -> str | None:
        return self.visible.statement.weighing.outcome

    @described(description="How grave it is; null where its outcome has no gravity.")
    def severity(self) -> Severity | None:
        return self.visible.statement.weighing.severity

    @described(description="The day it happened.")
    def occurred_on(self) -> Day | None:
        return _day(self.visible.statement.weighing.occurred_on)

    @described(description="The day it was decided; periods count from here.")
    def decided_on(self) -> Day | None:
        return _day(self.visible.statement.weighing.decided_on)

    @described(description="The day from which it holds, where not that of the decision.")
    def effective_on(self) -> Day | None:
        return _day(self.visible.statement.weighing.effective_on)

    @described(
        description="Joins the statements of one matter; a random identifier.",
        metadata=only(Tier.AUTHORITY),
    )
    def case(self) -> str | None:
        return self.visible.statement.weighing.case

    @described(description="The finding in words; 2,000 characters at most.")
    def text(self) -> str | None:
        return self.words("text")

    @described(description="The authority's number of the decision.")
    def number(self) -> str | None:
        return self.words("number")

    @described(description="Where it happened.")
    def place(self) -> str | None:
        return self.words("place")

    @described(description="Documents behind it, 32 at most.")
    def documents(self) -> list[Document]:
        value = self.particular("documents")
        if not isinstance(value, list):
            return []
        return [
            Document(name=str(item["name"]), sha256=str(item["sha256"]))
            for item in value
            if isinstance(item, dict)
        ]

    @described(description="What it rests on: lab, field or document; null where on none of them.")
    def basis(self) -> str | None:
        return self.visible.statement.weighing.basis

    @described(
        description="The statement it refers to, such as the decision that an objection is about; "
        "null where it refers to none, or to one that may not be seen."
    )
    async def refers_to(self, info: Info) -> Statement | None:
        name = self.visible.statement.weighing.refers
        visible = None if name is None else await info.context.referents.load(name)
        if visible is None:
            return None
        return statement_of(replace(visible, clocks=self.visible.clocks))

    @described(
        description="Statements about the same subject that refer to it, were decided by then and "
        "may be seen, oldest entry first."
    )
    async def referred_by(
        self, info: Info, first: First = PAGE_SIZE, after: After = None
    ) -> StatementConnection:
        page = Page.parse(first, after, NodeKind.STATEMENT)
        clocks = self.visible.clocks
        if clocks is None:
            clocks = Clocks(info.context.today, await info.context.size())
        place = (self.visible.statement.subject, self.visible.entry.leaf_index)
        found = await info.context.referring.load((*place, clocks, page))
        return statement_connection(found, page)

    @described(description="Whether it is invented, for demonstration.")
    def synthetic(self) -> bool:
        return self.visible.statement.particulars.get("synthetic") is True

    def particular(self, name: str) -> Json:
        """A particular, None when it is withheld, erased or not there."""
        statement = self.visible.statement
        # Organisations are named in the open; without that particular the subject is a person.
        if not self.visible.whole and "subject" not in statement.particulars:
            return None
        return statement.particulars.get(name)

    def words(self, name: str) -> str | None:
        """A particular that is text."""
        value = self.particular(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> list[str]:
        """A particular that is a list of texts."""
        value = self.particular(name)
        return [str(item) for item in value] if isinstance(value, list) else []

    def measure(self, name: str) -> Natural | None:
        """A measure by name."""
        number = (self.visible.statement.weighing.measures or {}).get(name)
        return None if number is None else Natural(number)

    def goods(self) -> Product | None:
        """The product particulars, None when there are none."""
        names = ("product", "product_code", "gtin", "lot", "serial")
        name, code, gtin, lot, serial = (self.words(item) for item in names)
        if (name, code, gtin, lot, serial) == (None,) * 5:
            return None
        return Product(name=name, code=code, gtin=gtin, lot=lot, serial=serial)

    def other_party(self, name: str) -> OtherParty | None:
        """A particular that names another party; a person is named to few."""
        value = self.particular(name)
        if not isinstance(value, dict):
            return None
        party = Party.parse(str(value["scheme"]), str(value["id"]))
        if party.scheme != "label":
            identity = Identity.parse(party.scheme, party.identifier)
            identifier = Identifier(scheme=identity.scheme, value=identity.identifier)
            return OtherParty(label=party.subject, identifier=identifier)
        return OtherParty(label=party.subject, identifier=None) if self.visible.whole else None


def _day(day: object) -> Day | None:
    return day  # type: ignore[return-value]


@strawberry.type(description="A statement and its cursor (Relay).")
class StatementEdge:
    """Relay's edge."""

    node: Statement = strawberry.field(description="The statement.")
    cursor: str = strawberry.field(description="For `after`: the page that follows it.")


@strawberry.type(description="Statements in the order of the log (Relay).")
class StatementConnection:
    """Relay's connection."""

    edges: list[StatementEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


def statement_of(visible: VisibleStatement) -> Statement:
    """The window of its kind."""
    # Made of what stands here, and asked for by what stands here.
    from api.schema.kinds import KINDS

    return KINDS[visible.statement.weighing.kind](visible=visible)


def statement_connection(found: StatementPage, page: Page) -> StatementConnection:
    """A page as Relay has it."""
    edges = [
        StatementEdge(
            node=statement_of(visible),
            cursor=NodeId(NodeKind.STATEMENT, str(visible.entry.leaf_index)).text,
        )
        for visible in found.statements
    ]
    return StatementConnection(
        edges=edges, page_info=page_info([edge.cursor for edge in edges], page, more=found.more)
    )
