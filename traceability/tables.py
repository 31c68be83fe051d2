"""What the database holds of traceability. All of it is a view, made again from the ledger at will.

    EventRow   one captured event: when, where, what was going on, and who captured it
    ItemRow    one name in one event: by name to its events, by event to its names

`traceability.events` is the only reader and writer. The capture's label or the item's name comes
first in every key, so that both tables can be distributed. An event's bytes stay in the ledger.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Boolean, Date, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from ledger.identity import SubjectLabel
from ledger.tables import Base, Instant, Label
from traceability.document import QUANTITY_CHARACTERS_MAX
from traceability.identifiers import OPAQUE_CHARACTERS_MAX

Name = String(OPAQUE_CHARACTERS_MAX)


class EventRow(Base):
    """One event as its own members say it. Nothing here is corrected; corrections are rows too."""

    __tablename__ = "trace_event"
    __table_args__ = (
        Index("ix_trace_event_ref", "leaf_index", "position"),
        Index("ix_trace_event_event_id", "subject", "event_id"),
        Index(
            "ix_trace_event_transformation",
            "transformation_id",
            sqlite_where=text("transformation_id IS NOT NULL"),
            postgresql_where=text("transformation_id IS NOT NULL"),
        ),
    )

    subject: Mapped[SubjectLabel] = mapped_column(Label, primary_key=True)
    """The label of the party's captures."""
    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    party: Mapped[SubjectLabel] = mapped_column(Label)
    """The party's label in statements."""
    type: Mapped[str] = mapped_column(String(19))
    event_id: Mapped[str | None] = mapped_column(Name)
    event_time: Mapped[datetime] = mapped_column(Instant)
    offset_minutes: Mapped[int] = mapped_column(SmallInteger)
    """eventTimeZoneOffset: local time at the place of the event, east of UTC."""
    happened_on: Mapped[date] = mapped_column(Date)
    """The civil day at the place of the event."""
    action: Mapped[str | None] = mapped_column(String(7))
    biz_step: Mapped[str | None] = mapped_column(Name)
    disposition: Mapped[str | None] = mapped_column(Name)
    read_point: Mapped[str | None] = mapped_column(Name)
    biz_location: Mapped[str | None] = mapped_column(Name)
    transformation_id: Mapped[str | None] = mapped_column(Name)
    declares_error: Mapped[bool] = mapped_column(Boolean)
    """Whether this is no event of its own, but says that the one with its id is void."""


class ItemRow(Base):
    """One name in one event, in the form under which events of one thing meet."""

    __tablename__ = "trace_item"
    __table_args__ = (
        Index("ix_trace_item_ref", "leaf_index", "position", "role"),
        Index(
            "ix_trace_item_lot",
            "lot",
            sqlite_where=text("lot IS NOT NULL"),
            postgresql_where=text("lot IS NOT NULL"),
        ),
    )

    identifier: Mapped[str] = mapped_column(Name, primary_key=True)
    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    ordinal: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Place among the event's names, from 0."""
    subject: Mapped[SubjectLabel] = mapped_column(Label)
    """The label of the event's capture, to join by."""
    role: Mapped[str] = mapped_column(String(8))
    lot: Mapped[str | None] = mapped_column(Name)
    """The lot, where the name carried it beside the serial."""
    quantity: Mapped[str | None] = mapped_column(String(QUANTITY_CHARACTERS_MAX))
    """The decimal text exactly as sent."""
    uom: Mapped[str | None] = mapped_column(String(3))
