"""The tables of the first slice: log and opening store, then the views of all three folders.

Written out rather than made from today's mappings, so that it says for ever what a database at
this revision holds. `tests/api/test_migrations.py` holds the newest revision against the mappings.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "ledger_binding",
    "ledger_checkpoint",
    "ledger_cursor",
    "ledger_enterprise",
    "ledger_entry",
    "ledger_tile",
    "ledger_capture",
    "ledger_disclosure",
    "ledger_event",
    "ledger_opening",
    "credit_fact",
    "credit_policy",
    "credit_rating",
    "trace_event",
    "trace_item",
)


def upgrade() -> None:
    _create_ledger()
    _create_credit()
    _create_traceability()


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_ledger() -> None:
    op.create_table(
        "ledger_binding",
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("scheme", sa.String(length=8), nullable=False),
        sa.Column("identifier", sa.String(length=64), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_ledger_binding")),
        sa.UniqueConstraint(
            "scheme", "identifier", name=op.f("uq_ledger_binding_scheme_identifier")
        ),
    )
    op.create_table(
        "ledger_checkpoint",
        sa.Column("tree_size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("previous_size", sa.BigInteger(), nullable=False),
        sa.Column("root_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("logged_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tree_size", name=op.f("pk_ledger_checkpoint")),
        sa.UniqueConstraint("previous_size", name=op.f("uq_ledger_checkpoint_previous_size")),
    )
    op.create_index(
        op.f("ix_ledger_checkpoint_logged_at"), "ledger_checkpoint", ["logged_at"], unique=False
    )
    op.create_table(
        "ledger_cursor",
        sa.Column("view", sa.String(length=32), nullable=False),
        sa.Column("next_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("view", name=op.f("pk_ledger_cursor")),
    )
    op.create_table(
        "ledger_enterprise",
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("superseded_index", sa.BigInteger(), nullable=True),
        sa.Column("scheme", sa.String(length=8), nullable=False),
        sa.Column("identifier", sa.String(length=64), nullable=False),
        sa.Column("is_person", sa.Boolean(), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=True),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=True),
        sa.Column("industry", sa.String(length=64), nullable=True),
        sa.Column("port", sa.String(length=64), nullable=True),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "leaf_index", name=op.f("pk_ledger_enterprise")),
    )
    op.create_index(
        op.f("ix_ledger_enterprise_identifier"), "ledger_enterprise", ["identifier"], unique=False
    )
    op.create_index(
        op.f("ix_ledger_enterprise_industry"), "ledger_enterprise", ["industry"], unique=False
    )
    op.create_index(op.f("ix_ledger_enterprise_port"), "ledger_enterprise", ["port"], unique=False)
    op.create_index(
        op.f("ix_ledger_enterprise_region"), "ledger_enterprise", ["region"], unique=False
    )
    op.create_table(
        "ledger_entry",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_ledger_entry")),
    )
    op.create_table(
        "ledger_tile",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tile_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "tile_index", name=op.f("pk_ledger_tile")),
    )
    op.create_table(
        "ledger_capture",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("context", sa.LargeBinary(), nullable=False),
        sa.Column("party_scheme", sa.String(length=8), nullable=False),
        sa.Column("party_identifier", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["leaf_index"], ["ledger_entry.leaf_index"], name=op.f("fk_ledger_capture_leaf_index")
        ),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_ledger_capture")),
    )
    op.create_table(
        "ledger_disclosure",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("weighing", sa.Text(), nullable=False),
        sa.Column("particulars", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["leaf_index"],
            ["ledger_entry.leaf_index"],
            name=op.f("fk_ledger_disclosure_leaf_index"),
        ),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_ledger_disclosure")),
    )
    op.create_table(
        "ledger_event",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(length=16), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["leaf_index"], ["ledger_entry.leaf_index"], name=op.f("fk_ledger_event_leaf_index")
        ),
        sa.PrimaryKeyConstraint("leaf_index", "position", name=op.f("pk_ledger_event")),
    )
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
        sa.UniqueConstraint("issuer", "jti", name=op.f("uq_ledger_opening_issuer_jti")),
    )
    op.create_index(
        "ix_ledger_opening_control",
        "ledger_opening",
        ["leaf_index"],
        unique=False,
        sqlite_where=sa.text("form = 'control'"),
        postgresql_where=sa.text("form = 'control'"),
    )
    op.create_index(
        "ix_ledger_opening_subject", "ledger_opening", ["subject", "leaf_index"], unique=False
    )


def _create_credit() -> None:
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
        sa.Column("refers", sa.String(length=64), nullable=True),
        sa.Column("measures", sa.Text(), nullable=True),
        sa.Column("basis", sa.String(length=64), nullable=True),
        sa.Column("public_from", sa.Date(), nullable=True),
        sa.Column("public_until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("subject", "leaf_index", name=op.f("pk_credit_fact")),
    )
    op.create_table(
        "credit_policy",
        sa.Column("adopted_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=True),
        sa.Column("refusal", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("adopted_index", name=op.f("pk_credit_policy")),
    )
    op.create_table(
        "credit_rating",
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("policy_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("fact_index", sa.BigInteger(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("grade", sa.String(length=8), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=True),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("next_change_on", sa.Date(), nullable=True),
        sa.Column("refusal", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("subject", "policy_hash", name=op.f("pk_credit_rating")),
    )
    op.create_index("ix_credit_rating_due", "credit_rating", ["due_on"], unique=False)
    op.create_index(
        "ix_credit_rating_grade", "credit_rating", ["policy_hash", "grade", "subject"], unique=False
    )


def _create_traceability() -> None:
    op.create_table(
        "trace_event",
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("party", sa.String(length=43), nullable=False),
        sa.Column("type", sa.String(length=19), nullable=False),
        sa.Column("event_id", sa.String(length=512), nullable=True),
        sa.Column("event_time", sa.BigInteger(), nullable=False),
        sa.Column("offset_minutes", sa.SmallInteger(), nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=False),
        sa.Column("action", sa.String(length=7), nullable=True),
        sa.Column("biz_step", sa.String(length=512), nullable=True),
        sa.Column("disposition", sa.String(length=512), nullable=True),
        sa.Column("read_point", sa.String(length=512), nullable=True),
        sa.Column("biz_location", sa.String(length=512), nullable=True),
        sa.Column("transformation_id", sa.String(length=512), nullable=True),
        sa.Column("declares_error", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "leaf_index", "position", name=op.f("pk_trace_event")),
    )
    op.create_index("ix_trace_event_event_id", "trace_event", ["subject", "event_id"], unique=False)
    op.create_index("ix_trace_event_ref", "trace_event", ["leaf_index", "position"], unique=False)
    op.create_index(
        "ix_trace_event_transformation",
        "trace_event",
        ["transformation_id"],
        unique=False,
        sqlite_where=sa.text("transformation_id IS NOT NULL"),
        postgresql_where=sa.text("transformation_id IS NOT NULL"),
    )
    op.create_table(
        "trace_item",
        sa.Column("identifier", sa.String(length=512), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("lot", sa.String(length=512), nullable=True),
        sa.Column("quantity", sa.String(length=40), nullable=True),
        sa.Column("uom", sa.String(length=3), nullable=True),
        sa.PrimaryKeyConstraint(
            "identifier", "leaf_index", "position", "ordinal", name=op.f("pk_trace_item")
        ),
    )
    op.create_index(
        "ix_trace_item_lot",
        "trace_item",
        ["lot"],
        unique=False,
        sqlite_where=sa.text("lot IS NOT NULL"),
        postgresql_where=sa.text("lot IS NOT NULL"),
    )
    op.create_index(
        "ix_trace_item_ref", "trace_item", ["leaf_index", "position", "role"], unique=False
    )
