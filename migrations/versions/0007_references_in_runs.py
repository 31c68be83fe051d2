"""References are found by digest, in a table that grows in sorted runs; the sequencer fills it.

SQLite drops a constraint only with its table, so the opening store is copied there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UNIQUE = "uq_ledger_opening_issuer_jti"


def upgrade() -> None:
    op.create_table(
        "ledger_reference",
        sa.Column("digest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("digest", "leaf_index", name=op.f("pk_ledger_reference")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_reference_run",
        sa.Column("next_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("next_index", name=op.f("pk_ledger_reference_run")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _copy_openings()
    else:
        op.drop_constraint(_UNIQUE, "ledger_opening")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _copy_openings(sa.UniqueConstraint("issuer", "jti", name=op.f(_UNIQUE)))
    else:
        op.create_unique_constraint(op.f(_UNIQUE), "ledger_opening", ["issuer", "jti"])
    op.drop_table("ledger_reference_run")
    op.drop_table("ledger_reference")


def _copy_openings(*constraints: sa.UniqueConstraint) -> None:
    op.drop_index("ix_ledger_opening_control", "ledger_opening")
    op.rename_table("ledger_opening", "ledger_opening_before")
    op.create_table(
        "ledger_opening",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("form", sa.String(length=9), nullable=False),
        sa.Column("issuer", sa.String(length=43), nullable=False),
        sa.Column("jti", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("logged_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["leaf_index"], ["ledger_entry.leaf_index"], name=op.f("fk_ledger_opening_leaf_index")
        ),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_ledger_opening")),
        *constraints,
    )
    op.execute(
        "INSERT INTO ledger_opening "
        "(leaf_index, form, issuer, jti, subject, content_hash, token, logged_at) "
        "SELECT leaf_index, form, issuer, jti, subject, content_hash, token, logged_at "
        "FROM ledger_opening_before"
    )
    op.drop_table("ledger_opening_before")
    op.create_index(
        "ix_ledger_opening_control",
        "ledger_opening",
        ["leaf_index"],
        unique=False,
        sqlite_where=sa.text("form = 'control'"),
    )
