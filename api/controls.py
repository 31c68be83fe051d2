"""Control entries at an operator's hands: read as they stand, signed by the root key, stated.

    Known            whom a command is about, and every control entry of the log
    known            reads both from the database of the settings
    root_key         the key that signs, kept here or by an agent of its own
    state_controls   written here, or sent to the server that writes
    Stated           where an entry stands, and whether it stood there before

What an entry is to say is decided from `Known`, its reference included: a reference that follows
from the content, or from the entry that it replaces, makes a command safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.door import door
from api.export import subject_named
from api.founding import DOOR_LABEL
from api.migration import require_head
from api.office import accepted, control_line, submit_lines
from api.service import Service, system_clock
from api.settings import Settings
from api.storage import open_database
from ledger.admission import Submission
from ledger.authority import Authorities
from ledger.control import LOG_LABEL, Control, ControlContent, issue_control
from ledger.custody import Custody, KeptKey
from ledger.entries import Entries
from ledger.errors import WriterBusy
from ledger.identity import SubjectLabel
from ledger.key_agent import AgentCustody


@dataclass(frozen=True, slots=True)
class Known:
    """Whom the operator means, and what the log says of keys, mandates and policies."""

    subject: SubjectLabel
    authorities: Authorities
    controls: Sequence[tuple[int, Control]]
    """By leaf index, oldest first."""

    def reference_of(self, content: ControlContent, otherwise: str) -> str:
        """Under which the log says this already; `otherwise` where it does not."""
        found = (control.jti for _, control in self.controls if control.content == content)
        return next(found, otherwise)


@dataclass(frozen=True, slots=True)
class Stated:
    """An entry of the log; a duplicate stood there before."""

    leaf_index: int
    duplicate: bool

    def text(self) -> str:
        """In words."""
        return f"entry {self.leaf_index}{', known before' if self.duplicate else ''}"


async def known(settings: Settings, issuer: str | None) -> Known:
    """`issuer` is what `subject_named` takes, `door` for the door, None for the log itself.

    Raises `DatabaseNotAtHead`, `LedgerEmpty`, and what `subject_named` raises.
    """
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            entries = Entries(session)
            tree_size = (await entries.head()).tree_size
            authorities = await entries.authorities(tree_size)
            controls = []
            for entry in await entries.controls(tree_size):
                assert isinstance(entry.body, Control)
                controls.append((entry.leaf_index, entry.body))
            match issuer:
                case None:
                    subject = LOG_LABEL
                case "door":
                    subject = DOOR_LABEL
                case _:
                    subject = await subject_named(session, issuer)
    finally:
        await database.close()
    return Known(subject, authorities, controls)


def root_key(custody: Custody, agent: Path | None) -> KeptKey:
    """Raises `KeyNotKept`, and `KeyAgentAway` where `agent` is the socket of none."""
    return (custody if agent is None else AgentCustody(agent)).get("root")


async def state_controls(
    settings: Settings,
    contents: Mapping[str, ControlContent],
    root: KeptKey,
    *,
    key_lost: bool = False,
) -> list[Stated]:
    """One entry for each reference, in order. Those before a refused one stand.

    Nothing is sent before all of them are signed. `key_lost` is that of `Sequencer.open`.
    """
    at = int(system_clock().timestamp())
    bodies = [
        issue_control(content, key=root, jti=jti, issued_at=at) for jti, content in contents.items()
    ]
    try:
        async with Service.opened(settings, writes=True, key_lost=key_lost) as service:
            stated = []
            for body in bodies:
                (done,) = await service.writer.submit(Submission((body,)))
                stated.append(Stated(done.leaf_index, done.duplicate))
            await service.followed(service.writer.tree_size)
            return stated
    except WriterBusy:
        lines = [control_line(body) for body in bodies]
        async with door(settings) as client:
            answers = await submit_lines(client, lines)
        return [Stated(accepted(answer), answer.duplicate) for answer in answers]
