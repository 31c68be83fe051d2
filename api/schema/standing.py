"""Statements about who an enterprise is, what it holds, and how it is related and treated.

Filing, Binding              how it entered the books, and the log
Certificate, ExternalGrade   what other rules think of it
Relation, LinkMerge          whom it is related to, and what else stands for it
Effect                       what another subject's fate does to it
Treatment                    how its goods are released and sampled
"""

from __future__ import annotations

import strawberry

from api.schema.scalars import Natural
from api.schema.statement import Names, OtherParty, Statement
from api.schema.tiers import described


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


@strawberry.type(
    description="A certificate of an enterprise. Outcomes: granted, suspended, resumed, ended."
)
class Certificate(Statement):
    """Kind `certificate`."""

    @described(description="For how many months it is valid.")
    def valid_months(self) -> Natural | None:
        return self.measure("valid_months")

    @described(description="What it covers; 200 characters at most.")
    def scope(self) -> str | None:
        return self.words("scope")


@strawberry.type(
    description="The grade of another authority: `code` is its regime (customs, tax, refund, "
    "forex, market), `outcome` the grade there."
)
class ExternalGrade(Statement):
    """Kind `external-grade`."""


@strawberry.type(
    description="The subject is related to another party (关联关系). Outcomes: begun, ended."
)
class Relation(Statement):
    """Kind `relation`."""

    @described(description="The other party; null where it is a person who may not be named.")
    def related(self) -> OtherParty | None:
        return self.other_party("related")

    @described(description="The share held, in thousandths.")
    def share_permille(self) -> Natural | None:
        return self.measure("share_permille")


@strawberry.type(description="Two labels stand for one enterprise. Outcome: merged.")
class LinkMerge(Statement):
    """Kind `link-merge`."""

    @described(
        description="What else it stands under; null where that is a person who may not be named."
    )
    def merged_with(self) -> OtherParty | None:
        return self.other_party("merged_with")


@strawberry.type(
    description="What another subject's fate does to this one: joint-liability (联合惩戒), "
    "inheritance. Outcomes: begun, ended; one that is begun refers to its source under the other."
)
class Effect(Statement):
    """Kind `effect`."""


@strawberry.type(
    description="How the rating office says that goods of the enterprise are treated: `code` is "
    "the release, `outcome` the documents (paperless, standard, full)."
)
class Treatment(Statement):
    """Kind `treatment`."""

    @described(
        description="Of a hundred shipments how many are sampled, in hundredths: 10,000 is all."
    )
    def sampling_bp(self) -> Natural | None:
        return self.measure("sampling_bp")

    @described(description="After how many months it is reviewed.")
    def review_months(self) -> Natural | None:
        return self.measure("review_months")

    @described(description="The class of export refunds that is proposed, 1 to 4.")
    def refund_class(self) -> Natural | None:
        return self.measure("refund_class")

    @described(description="The grade it follows from; 8 characters at most.")
    def grade(self) -> str | None:
        return self.words("grade")

    @described(description="SHA-256 of the policy it follows from, 64 hexadecimal digits.")
    def policy(self) -> str | None:
        return self.words("policy")
