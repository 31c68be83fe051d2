"""The ledger's tables. Primary data: log and opening store. Everything else is a view.

    Base               one metadata for all folders, so that migrations see every table
    Instant, Label     column types
    microseconds       what an Instant stores of a moment
    EntryRow           the log: the bytes of each leaf
    TileRow            the log: hash tiles; a partial row is a prefix of what replaces it
    CheckpointRow      the log: signed heads; one successor each, which fences writers
    CosignedHeadRow    the log: what witnesses said of its heads
    OpeningRow         opening store: token, instant and idempotency key of each index
    DisclosureRow      opening store: what opens a statement
    CaptureRow         opening store: context and party of a capture
    EventRow           opening store: bytes and secret of each captured event
    BindingRow         view: which one-person business a random label stands for
    ReferenceRow       index: which entry may have a reference
    ReferenceRunRow    how far those rows go
    SubjectEntryRow    view: which entries stand under a label
    EnterpriseRow      view: enterprises as their filings name them
    CursorRow          how far each view has read

Rows of the log are never updated, but for two that only ever grow: a tile's partial row, which its
longer form replaces, and a cosigned head that is cosigned by one witness more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ledger.identity import SubjectLabel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

LABEL_CHARACTERS = 43
"""32 bytes in base64url."""


def microseconds(moment: datetime) -> int:
    """Since 1970 in UTC."""
    assert moment.tzinfo is not None
    return (moment - _EPOCH) // _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 in UTC: equal on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Aware datetime to integer."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Integer to aware datetime."""
        return None if value is None else _EPOCH + value * _MICROSECOND


Label = String(LABEL_CHARACTERS)


class Base(DeclarativeBase):
    """The one metadata."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class EntryRow(Base):
    """One leaf of the log."""

    __tablename__ = "ledger_entry"

    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class TileRow(Base):
    """The hashes of one tile, 32 bytes each, as many as the tree has."""

    __tablename__ = "ledger_tile"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    tile_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRow(Base):
    """A signed head. `previous_size` is unique: a head has one successor, whoever writes it."""

    __tablename__ = "ledger_checkpoint"
    __table_args__ = (UniqueConstraint("previous_size"),)

    tree_size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    previous_size: Mapped[int] = mapped_column(BigInteger)
    root_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    note: Mapped[str] = mapped_column(Text)
    logged_at: Mapped[datetime] = mapped_column(Instant, index=True)


class CosignedHeadRow(Base):
    """A head that had its quorum, with all signatures. Replaced by the same with more of them."""

    __tablename__ = "ledger_cosigned_head"

    tree_size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)


class OpeningRow(Base):
    """The token behind a leaf. (issuer, jti) is the idempotency key: one index for ever.

    The one writer sees to it (`ledger.references`), and no constraint (decision 35).
    """

    __tablename__ = "ledger_opening"
    __table_args__ = (
        Index(
            "ix_ledger_opening_control",
            "leaf_index",
            sqlite_where=text("form = 'control'"),
            postgresql_where=text("form = 'control'"),
        ),
    )

    leaf_index: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(EntryRow.leaf_index), primary_key=True, autoincrement=False
    )
    form: Mapped[str] = mapped_column(String(9))
    issuer: Mapped[SubjectLabel] = mapped_column(Label)
    jti: Mapped[str] = mapped_column(String(64))
    subject: Mapped[SubjectLabel] = mapped_column(Label)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    token: Mapped[str] = mapped_column(Text)
    logged_at: Mapped[datetime] = mapped_column(Instant)


class DisclosureRow(Base):
    """A statement's disclosures, tilde-separated. Particulars are erasable, so they stand apart."""

    __tablename__ = "ledger_disclosure"

    leaf_index: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(EntryRow.leaf_index), primary_key=True, autoincrement=False
    )
    weighing: Mapped[str] = mapped_column(Text)
    particulars: Mapped[str | None] = mapped_column(Text)


class CaptureRow(Base):
    """What a capture's events share, and who captured them."""

    __tablename__ = "ledger_capture"

    leaf_index: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(EntryRow.leaf_index), primary_key=True, autoincrement=False
    )
    context: Mapped[bytes] = mapped_column(LargeBinary)
    party_scheme: Mapped[str] = mapped_column(String(8))
    party_identifier: Mapped[str] = mapped_column(String(64))


class EventRow(Base):
    """One captured event, exactly as received."""

    __tablename__ = "ledger_event"

    leaf_index: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(EntryRow.leaf_index), primary_key=True, autoincrement=False
    )
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    secret: Mapped[bytes] = mapped_column(LargeBinary(16))
    raw: Mapped[bytes] = mapped_column(LargeBinary)


class BindingRow(Base):
    """View, kept by the sequencer: a one-person business and its random label."""

    __tablename__ = "ledger_binding"
    __table_args__ = (UniqueConstraint("scheme", "identifier"),)

    subject: Mapped[SubjectLabel] = mapped_column(Label, primary_key=True)
    scheme: Mapped[str] = mapped_column(String(8))
    identifier: Mapped[str] = mapped_column(String(64))
    leaf_index: Mapped[int] = mapped_column(BigInteger)


class ReferenceRow(Base):
    """Index, kept by the sequencer: where a reference may stand. Rows come in sorted runs.

    `ledger.references.forget` empties it with `ReferenceRunRow`; the next writer fills both.
    """

    __tablename__ = "ledger_reference"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  (SQLAlchemy's own form)

    digest: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class ReferenceRunRow(Base):
    """Where a run ended: the table has the references of all entries below the greatest index.

    No row of `ledger_cursor`: answers wait for those.
    """

    __tablename__ = "ledger_reference_run"

    next_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class SubjectEntryRow(Base):
    """View: which entries stand under a label."""

    __tablename__ = "ledger_subject_entry"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  (SQLAlchemy's own form)

    subject: Mapped[SubjectLabel] = mapped_column(Label, primary_key=True)
    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class EnterpriseRow(Base):
    """View: one row per filing; the one that nothing superseded is current."""

    __tablename__ = "ledger_enterprise"

    subject: Mapped[SubjectLabel] = mapped_column(Label, primary_key=True)
    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    superseded_index: Mapped[int | None] = mapped_column(BigInteger)
    scheme: Mapped[str] = mapped_column(String(8))
    identifier: Mapped[str] = mapped_column(String(64), index=True)
    is_person: Mapped[bool] = mapped_column(Boolean)
    name_zh: Mapped[str | None] = mapped_column(String(200))
    name_en: Mapped[str | None] = mapped_column(String(200))
    country: Mapped[str] = mapped_column(String(2))
    region: Mapped[str | None] = mapped_column(String(64), index=True)
    industry: Mapped[str | None] = mapped_column(String(64), index=True)
    port: Mapped[str | None] = mapped_column(String(64), index=True)
    synthetic: Mapped[bool] = mapped_column(Boolean)


class CursorRow(Base):
    """The next leaf index a view will read."""

    __tablename__ = "ledger_cursor"

    view: Mapped[str] = mapped_column(String(32), primary_key=True)
    next_index: Mapped[int] = mapped_column(BigInteger)
