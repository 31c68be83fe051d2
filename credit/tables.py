"""What the database holds of credit. All of it is a view, made again from the ledger at will.

    FactRow      the values of one statement that weigh, and the days on which it may be shown
    PolicyRow    one adoption of a policy, as the log has it
    RatingRow    where a subject stands under one policy, and the day that may change

`credit.ratings` is the only reader and writer. The subject comes first in every key, so that the
large tables can be distributed by it.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, Date, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from credit.rules import Grade
from ledger.identity import SubjectLabel
from ledger.tables import Base, Label

_HASH_BYTES = 32

Name = String(64)


class FactRow(Base):
    """One statement about one subject. `public_from` and `public_until` are null if never shown."""

    __tablename__ = "credit_fact"

    subject: Mapped[SubjectLabel] = mapped_column(Label, primary_key=True)
    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    issuer: Mapped[SubjectLabel] = mapped_column(Label)
    kind: Mapped[str] = mapped_column(Name)
    code: Mapped[str | None] = mapped_column(Name)
    outcome: Mapped[str | None] = mapped_column(Name)
    severity: Mapped[str | None] = mapped_column(Name)
    occurred_on: Mapped[date | None] = mapped_column(Date)
    decided_on: Mapped[date | None] = mapped_column(Date)
    effective_on: Mapped[date | None] = mapped_column(Date)
    # `case` is a word of SQL.
    case: Mapped[str | None] = mapped_column("case_id", Name)
    refers: Mapped[int | None] = mapped_column(BigInteger)
    """The fact of the same subject that it refers to."""
    reference: Mapped[bytes] = mapped_column(LargeBinary(_HASH_BYTES))
    """By which later facts refer to it; looked up within a subject, so it needs no index."""
    measures: Mapped[str | None] = mapped_column(Text)
    """Canonical JSON."""
    basis: Mapped[str | None] = mapped_column(Name)
    public_from: Mapped[date | None] = mapped_column(Date)
    public_until: Mapped[date | None] = mapped_column(Date)


class PolicyRow(Base):
    """A policy from the log. One that this engine cannot read keeps the code of the refusal."""

    __tablename__ = "credit_policy"

    adopted_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary(_HASH_BYTES))
    document: Mapped[bytes] = mapped_column(LargeBinary)
    effective_from: Mapped[date | None] = mapped_column(Date)
    refusal: Mapped[str | None] = mapped_column(Name)


class RatingRow(Base):
    """The rating of a subject from all its facts; `grade` is null before the first, or if refused.

    `due_on` is the day from which the row may no longer hold, null if it holds for ever.
    """

    __tablename__ = "credit_rating"
    __table_args__ = (
        Index("ix_credit_rating_due", "due_on"),
        Index("ix_credit_rating_grade", "policy_hash", "grade", "subject"),
    )

    subject: Mapped[SubjectLabel] = mapped_column(Label, primary_key=True)
    policy_hash: Mapped[bytes] = mapped_column(LargeBinary(_HASH_BYTES), primary_key=True)
    fact_index: Mapped[int] = mapped_column(BigInteger)
    """The leaf index of the subject's newest fact: what was known to the rating."""
    due_on: Mapped[date | None] = mapped_column(Date)
    grade: Mapped[Grade | None] = mapped_column(String(8))
    points: Mapped[int | None] = mapped_column(BigInteger)
    flags: Mapped[str | None] = mapped_column(Text)
    """Canonical JSON."""
    since: Mapped[date | None] = mapped_column(Date)
    next_change_on: Mapped[date | None] = mapped_column(Date)
    refusal: Mapped[str | None] = mapped_column(Name)
    """The code of a refusal: the policy cannot read one of the facts."""
