"""What a demonstration tells, and what a newcomer is shown of it.

Story      whose credentials there are, how the story is told, and what to ask about it
welcome    addresses to open, and three queries to try, each a line for a shell
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from api.access import Tier
from api.settings import Settings
from api.tokens import token_path
from ledger.custody import Custody
from ledger.identity import SubjectLabel

_CHECKPOINT = "{ checkpoint { origin treeSize rootHash } }"
_ENTERPRISE = (
    "query Q($id: String!) { enterprise(id: $id) { ... on Enterprise { name { zh en } "
    "rating { ... on CreditRating { grade points reasons { leafIndex rule points } } } } } }"
)
_TRACE = (
    "query Q($link: String!) { trace(link: $link, direction: UP) { ... on Trace { "
    "nodes { level grain identifier } } } }"
)


@dataclass(frozen=True, slots=True)
class Story:
    """A told world."""

    holders: Mapping[Tier, SubjectLabel]
    """Whose credentials are written for a newcomer."""
    tell: Callable[[httpx.AsyncClient, Custody], Awaitable[None]]
    """Tells everything through the door, and nothing twice."""
    enterprise: str
    """An enterprise with something to read about it, as `enterprise(id:)` takes it."""
    link: str
    """A code on an item, as `trace(link:)` takes it."""


def welcome(settings: Settings, story: Story, *, log_key: str) -> str:
    """What `xin up` prints when all is told."""
    address, tokens = settings.address, settings.tokens_folder
    tiers = ", ".join(tier.value for tier in story.holders)
    questions: tuple[tuple[str, Tier | None, str, dict[str, str]], ...] = (
        ("How does the log stand?", None, _CHECKPOINT, {}),
        ("How is an enterprise rated?", Tier.AUTHORITY, _ENTERPRISE, {"id": story.enterprise}),
        ("Where does an item on a shelf come from?", None, _TRACE, {"link": story.link}),
    )
    lines = [
        "",
        f"Xinyuan 信源 is ready: {address}/",
        "",
        f"  GraphQL to try   {address}/graphql",
        f"  signed head      {address}/checkpoint",
        f"  log key          {log_key}",
        f"  credentials      {tokens}/<tier>.jwt for {tiers}",
        "",
        "Three queries to try:",
    ]
    for question, tier, query, variables in questions:
        body = json.dumps(
            {"query": query, "variables": variables} if variables else {"query": query}
        )
        command = f"curl -s {address}/graphql -H content-type:application/json"
        if tier is not None:
            credential = shlex.quote(str(token_path(tokens, tier)))
            command += f' -H "authorization: Bearer $(cat {credential})"'
        lines += ["", f"  {question}", f"  {command} -d {shlex.quote(body)}"]
    lines += ["", "Everything told is synthetic. Ctrl-C stops the server; the ledger stays."]
    return "\n".join(lines)
