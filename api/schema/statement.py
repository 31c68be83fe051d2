"""Statements in the graph: one interface, and a type for each kind of the ledger.

    Statement        what all kinds share
    Inspection, Enforcement, FraudCase, IpCase, Filing, Binding
    Finding          what the first four of them share
    Names, Issuer, Document, Product   what they are made of
    StatementConnection, StatementEdge, statement_connection   pages, by leaf index
    statement_of     a visible statement to its window

A value that is withheld is null, exactly as one that is not there: a person's particulars are read
by that person and by authorities alone.
"""

from __future__ import annotations

import strawberry

from api.access import Tier
from api.schema.nodes import Node, NodeId, NodeKind, Page, PageInfo, page_info
from api.schema.scalars import Day, Instant, Natural
from api.schema.session import StatementPage, VisibleStatement
from api.schema.tiers import described, only
from ledger.canonical import Json
from ledger.identity import SubjectLabel
from ledger.merkle import Hash
from ledger.statement import Severity

strawberry.enum(
    Severity, name="Severity", description="How grave an authority found it (NDRC Order 36)."
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


def _day(day: object) -> Day | None:
    return day  # type: ignore[return-value]


@strawberry.interface(description="A statement with a finding about goods or premises.")
class Finding(Statement):
    """What the four kinds of findings share."""

    @described(description="What it rests on: lab, field or document.")
    def basis(self) -> str | None:
        return self.visible.statement.weighing.basis

    @described(description="The goods it is about.")
    def product(self) -> Product | None:
        return self.goods()


@strawberry.type(
    description="A product or premises was inspected. Outcomes: pass, fail, inconclusive."
)
class Inspection(Finding):
    """Kind `inspection`."""

    @described(description="Samples taken.")
    def samples(self) -> Natural | None:
        return self.measure("samples")

    @described(description="Samples that failed.")
    def samples_failed(self) -> Natural | None:
        return self.measure("samples_failed")

    @described(description="Legal charges as the authority numbers them, 32 at most.")
    def charges(self) -> list[str]:
        return self.texts("charges")


@strawberry.type(description="An authority acted against an enterprise, from warning to sentence.")
class Enforcement(Finding):
    """Kind `enforcement`."""

    @described(description="The fine, in fen (0.01 CNY).")
    def fine_fen(self) -> Natural | None:
        return self.measure("fine_fen")

    @described(description="What was confiscated, in fen (0.01 CNY).")
    def confiscated_fen(self) -> Natural | None:
        return self.measure("confiscated_fen")

    @described(description="Items seized.")
    def items_seized(self) -> Natural | None:
        return self.measure("items_seized")

    @described(description="How long business is suspended, in days.")
    def suspension_days(self) -> Natural | None:
        return self.measure("suspension_days")

    @described(description="Legal charges as the authority numbers them, 32 at most.")
    def charges(self) -> list[str]:
        return self.texts("charges")


@strawberry.type(description="Commercial fraud. Outcomes: suspected, confirmed, dismissed.")
class FraudCase(Finding):
    """Kind `fraud-case`."""

    @described(description="The loss, in fen (0.01 CNY).")
    def loss_fen(self) -> Natural | None:
        return self.measure("loss_fen")

    @described(description="Items concerned.")
    def items(self) -> Natural | None:
        return self.measure("items")

    @described(description="Legal charges as the authority numbers them, 32 at most.")
    def charges(self) -> list[str]:
        return self.texts("charges")


@strawberry.type(
    description="Infringement of an intellectual property right. "
    "Outcomes: suspected, confirmed, dismissed."
)
class IpCase(Finding):
    """Kind `ip-case`."""

    @described(description="Items seized.")
    def items_seized(self) -> Natural | None:
        return self.measure("items_seized")

    @described(description="What they are worth, in fen (0.01 CNY).")
    def value_fen(self) -> Natural | None:
        return self.measure("value_fen")

    @described(description="Whose right it is.")
    def right_holder(self) -> str | None:
        return self.words("right_holder")


@strawberry.type(description="An enterprise entered the books (备案).")
class Filing(Statement):
    """Kind `filing`."""

    @described(description="The registered name.")
    def name(self) -> Names | None:
        names = self.visible.statement.particulars.get("name")
        if not isinstance(names, dict):
            return None
        zh, en = names.get("zh"), names.get("en")
        return Names(zh=zh if isinstance(zh, str) else None, en=en if isinstance(en, str) else None)

    @described(description="ISO 3166-1 alpha-2.")
    def country(self) -> str | None:
        return self.words("country")

    @described(description="GB/T 2260 division in China, else province or state in words.")
    def region(self) -> str | None:
        return self.words("region")

    @described(description="City in words.")
    def city(self) -> str | None:
        return self.words("city")

    @described(description="GB/T 4754 class, or the product industry.")
    def industry(self) -> str | None:
        return self.words("industry")

    @described(description="Code of the border crossing it exports by.")
    def port(self) -> str | None:
        return self.words("port")


@strawberry.type(description="A random label was given to a one-person business.")
class Binding(Statement):
    """Kind `binding`."""


KINDS: dict[str, type[Statement]] = {
    "inspection": Inspection,
    "enforcement": Enforcement,
    "fraud-case": FraudCase,
    "ip-case": IpCase,
    "filing": Filing,
    "binding": Binding,
}
"""Every kind of `ledger.kinds`; a test holds both together."""


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
