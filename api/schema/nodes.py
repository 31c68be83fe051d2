"""Relay's global identifiers, cursors and pages (Relay spec: object identification, connections).

    NodeKind         what an identifier may stand for
    NodeId           kind and key; `parse` and `text` are inverse
    Page             how many, and after which key
    Node, PageInfo   the Relay types
    page_info        of a page's edges

An identifier is base64url of "<kind>:<key>". The cursor of an edge is the identifier of its node,
so a page is a keyset: what stood before a page is never repeated, whatever was added in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Self

import strawberry

from api.errors import NodeIdentifierInvalid, PageInvalid
from api.schema.scalars import parse_natural
from api.schema.tiers import described
from ledger.canonical import b64url, unb64url
from ledger.errors import LedgerError
from ledger.identity import parse_label

PAGE_SIZE = 20
"""A screen of a list."""

PAGE_SIZE_MAX = 100
"""More than a screen shows; what exports are for is not asked page by page."""

IDENTIFIER_CHARACTERS_MAX = 100
"""The longest, an enterprise by its label, has 72."""


class NodeKind(Enum):
    """What an identifier may stand for."""

    ENTERPRISE = "enterprise"
    ENTRY = "entry"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class NodeId:
    """A node of the graph: an enterprise by its label, an entry or statement by its index."""

    kind: NodeKind
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Exact inverse of `text`. Raises `NodeIdentifierInvalid`."""
        try:
            if len(text) > IDENTIFIER_CHARACTERS_MAX:
                raise ValueError
            kind_text, _, key = unb64url(text).decode("ascii").partition(":")
            kind = NodeKind(kind_text)
            if kind is NodeKind.ENTERPRISE:
                parse_label(key)
            elif str(parse_natural(int(key) if key.isdecimal() else key)) != key:
                raise ValueError
        except (ValueError, LedgerError):
            raise NodeIdentifierInvalid(
                f"{text[:IDENTIFIER_CHARACTERS_MAX]!r} is no identifier of this schema",
                path=("id",),
            ) from None
        return cls(kind, key)

    @property
    def text(self) -> str:
        """As clients hold it."""
        return b64url(f"{self.kind.value}:{self.key}".encode("ascii"))


@dataclass(frozen=True, slots=True)
class Page:
    """How many, after which key."""

    first: int
    after: str | None

    @classmethod
    def parse(cls, first: int, after: str | None, kind: NodeKind) -> Self:
        """Raises `PageInvalid`."""
        if not 0 < first <= PAGE_SIZE_MAX:
            raise PageInvalid(f"first is not 1 to {PAGE_SIZE_MAX}", path=("first",))
        if after is None:
            return cls(first, None)
        try:
            node = NodeId.parse(after)
        except NodeIdentifierInvalid:
            node = None
        if node is None or node.kind is not kind:
            raise PageInvalid("after is no cursor of this connection", path=("after",))
        return cls(first, node.key)


First = Annotated[int, strawberry.argument(description=f"How many, 1 to {PAGE_SIZE_MAX}.")]
After = Annotated[
    str | None, strawberry.argument(description="The cursor of the last edge already seen.")
]


@strawberry.interface(description="Anything with an identifier of its own (Relay).")
class Node:
    """Relay's Node."""

    @described(description="Opaque, and the same for as long as the log stands.")
    def id(self) -> strawberry.ID:
        # Each type has its own; the interface alone is never an answer.
        raise NotImplementedError


@strawberry.type(description="Where a page stands in its connection (Relay).")
class PageInfo:
    """Relay's PageInfo; pages are read forwards."""

    has_next_page: bool = strawberry.field(description="Whether more follows this page.")
    has_previous_page: bool = strawberry.field(
        description="Whether `after` was given: what lies before is not counted."
    )
    start_cursor: str | None = strawberry.field(description="Of the first edge of this page.")
    end_cursor: str | None = strawberry.field(
        description="Of the last edge of this page; the next page's `after`."
    )


def page_info(cursors: Sequence[str], page: Page, *, more: bool) -> PageInfo:
    """Of a page whose edges have these cursors."""
    return PageInfo(
        has_next_page=more,
        has_previous_page=page.after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )
