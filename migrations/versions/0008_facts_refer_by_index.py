"""A fact has the hash of its own reference, and refers to another by its index.

What credit holds is a view: it is emptied, and read again from the log.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_again(
        sa.Column("refers", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.LargeBinary(length=32), nullable=False),
    )


def downgrade() -> None:
    _make_again(sa.Column("refers", sa.String(length=64), nullable=True))


def _make_again(*refers: sa.Column[object]) -> None:
    op.drop_table("credit_fact")
    op.create_table(
        "credit_fact",
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issuer", sa.String(length=43), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=64), nullable=True),
        sa.Column("severity", sa.String(length=64), nullable=True),
        sa.Column("occurred_on", sa.Date(), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("effective_on", sa.Date(), nullable=True),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        *refers,
        sa.Column("measures", sa.Text(), nullable=True),
        sa.Column("basis", sa.String(length=64), nullable=True),
        sa.Column("public_from", sa.Date(), nullable=True),
        sa.Column("public_until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("subject", "leaf_index", name=op.f("pk_credit_fact")),
    )
    op.execute("DELETE FROM credit_rating")
    op.execute("DELETE FROM credit_policy")
    op.execute("UPDATE ledger_cursor SET next_index = 0 WHERE view = 'credit'")
