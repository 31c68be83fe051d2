"""Statements with a finding about goods or premises.

Finding          what they share
Inspection, Enforcement, FraudCase, IpCase, ForeignNotice, DeclarationError
"""

from __future__ import annotations

import strawberry

from api.schema.scalars import Natural
from api.schema.statement import Product, Statement
from api.schema.tiers import described


@strawberry.interface(description="A statement with a finding about goods or premises.")
class Finding(Statement):
    """What the kinds of findings share."""

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

    @described(description="The score for hygiene of a rating scheme, 0 best.")
    def score_hygiene(self) -> Natural | None:
        return self.measure("score_hygiene")

    @described(description="The score for the premises of a rating scheme, 0 best.")
    def score_structural(self) -> Natural | None:
        return self.measure("score_structural")

    @described(description="The score for confidence in management of a rating scheme, 0 best.")
    def score_confidence(self) -> Natural | None:
        return self.measure("score_confidence")

    @described(description="Critical violations.")
    def violations_critical(self) -> Natural | None:
        return self.measure("violations_critical")

    @described(description="Major violations.")
    def violations_major(self) -> Natural | None:
        return self.measure("violations_major")

    @described(description="Minor violations.")
    def violations_minor(self) -> Natural | None:
        return self.measure("violations_minor")

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


@strawberry.type(
    description="An authority abroad gave notice of goods. "
    "Outcomes: alert, refusal, recall, return."
)
class ForeignNotice(Finding):
    """Kind `foreign-notice`."""

    @described(description="Items concerned.")
    def items(self) -> Natural | None:
        return self.measure("items")

    @described(description="What they are worth, in fen (0.01 CNY).")
    def value_fen(self) -> Natural | None:
        return self.measure("value_fen")

    @described(description="ISO 3166-1 alpha-2 of who notified.")
    def country(self) -> str | None:
        return self.words("country")

    @described(description="Which authority notified.")
    def notifier(self) -> str | None:
        return self.words("notifier")

    @described(description="Legal charges as the authority numbers them, 32 at most.")
    def charges(self) -> list[str]:
        return self.texts("charges")


@strawberry.type(
    description="A customs declaration said what is not so. Outcomes: recorded, self-disclosed."
)
class DeclarationError(Finding):
    """Kind `declaration-error`."""

    @described(description="Declarations with an error.")
    def errors(self) -> Natural | None:
        return self.measure("errors")

    @described(description="Declarations in all, of the period that a rate is about.")
    def declarations(self) -> Natural | None:
        return self.measure("declarations")

    @described(description="Tax that was not declared, in fen (0.01 CNY).")
    def tax_fen(self) -> Natural | None:
        return self.measure("tax_fen")
