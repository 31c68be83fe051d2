"""Statements about what follows a decision, each with `refersTo` to what it follows.

Commitment       信用承诺
Rectification    整改
Repair           信用修复
Objection        异议
Appeal           复议, 诉讼
ListEntry        lists of an authority
Correction       an issuer takes back a statement of its own
"""

from __future__ import annotations

import strawberry

from api.schema.scalars import Natural
from api.schema.statement import Statement
from api.schema.tiers import described


@strawberry.type(
    description="A public commitment of an enterprise (信用承诺). Outcomes: made, kept, broken."
)
class Commitment(Statement):
    """Kind `commitment`."""


@strawberry.type(
    description="What a decision asks to be put right (整改). Outcomes: ordered, in-time, late, "
    "failed."
)
class Rectification(Statement):
    """Kind `rectification`."""

    @described(description="Of an order: days to put it right, from the day of the order.")
    def deadline_days(self) -> Natural | None:
        return self.measure("deadline_days")

    @described(description="What was paid, in fen (0.01 CNY).")
    def paid_fen(self) -> Natural | None:
        return self.measure("paid_fen")


@strawberry.type(
    description="Repair of credit (信用修复). Outcomes: notified, applied, granted, refused. "
    "`notified` is the notice served with the decision (两书同达): its effectiveOn is the earliest "
    "day of repair."
)
class Repair(Statement):
    """Kind `repair`."""

    @described(description="What must be fulfilled first; 2,000 characters at most.")
    def duties(self) -> str | None:
        return self.words("duties")

    @described(description="Where to apply; 200 characters at most.")
    def window(self) -> str | None:
        return self.words("window")


@strawberry.type(
    description="An objection to a statement (异议). Outcomes: filed, upheld, rejected, withdrawn."
)
class Objection(Statement):
    """Kind `objection`."""


@strawberry.type(
    description="An appeal against a statement (复议, 诉讼). Outcomes: filed, overturned, varied, "
    "upheld; upheld means that the statement stands."
)
class Appeal(Statement):
    """Kind `appeal`."""

    @described(description="The court or reviewing authority; 200 characters at most.")
    def court(self) -> str | None:
        return self.words("court")


@strawberry.type(
    description="An enterprise on a list: anomaly (经营异常名录), serious-dishonesty "
    "(严重失信名单), honour (守信红名单). Outcomes: notified, entered, left."
)
class ListEntry(Statement):
    """Kind `list-entry`."""


@strawberry.type(
    description="An issuer took back a statement of its own, on record. Outcome: withdrawn."
)
class Correction(Statement):
    """Kind `correction`."""
