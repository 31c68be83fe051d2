"""Which entries stand under a label becomes a view: an index in no order, off the hot write."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_subject_entry",
        sa.Column("subject", sa.String(43), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("subject", "leaf_index", name=op.f("pk_ledger_subject_entry")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO ledger_subject_entry (subject, leaf_index) "
        "SELECT subject, leaf_index FROM ledger_opening ORDER BY subject, leaf_index"
    )
    op.execute(
        "INSERT INTO ledger_cursor (view, next_index) "
        "SELECT 'subject', max(leaf_index) + 1 FROM ledger_opening HAVING count(*) > 0"
    )
    op.drop_index("ix_ledger_opening_subject", "ledger_opening")


def downgrade() -> None:
    op.create_index(
        "ix_ledger_opening_subject", "ledger_opening", ["subject", "leaf_index"], unique=False
    )
    op.execute("DELETE FROM ledger_cursor WHERE view = 'subject'")
    op.drop_table("ledger_subject_entry")
