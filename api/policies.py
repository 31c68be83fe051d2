"""A credit policy is adopted, from a file, as an entry of the log.

    adopt_file   by the file's canonical bytes
    Adopted      what became of it
    read_policy  a policy from a file

Whoever reads the log rates by the policy that was adopted last of those in force on a day. A policy
is adopted once: a file that comes back after another is known, and stays behind it; to return to
its rules, it is published as a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.controls import Stated, known, root_key, state_controls
from api.custody import custody_of
from api.founding import adoption
from api.settings import Settings
from credit.completeness import check_complete
from credit.document import DOCUMENT_BYTES_MAX
from credit.policy import Policy
from ledger.control import PolicyAdoption
from ledger.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Adopted:
    """A policy and its entry."""

    policy: Policy
    entry: Stated
    superseded_by: int | None
    """The entry of a policy that was adopted after it."""

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "duplicate": self.entry.duplicate,
            "effective_from": self.policy.effective_from.isoformat(),
            "hash": self.policy.hash.hex(),
            "leaf_index": self.entry.leaf_index,
            "name": self.policy.name,
            "superseded_by": self.superseded_by,
            "version": self.policy.version,
        }

    def text(self) -> str:
        """In words."""
        policy = self.policy
        lines = [
            f"{self.entry.text()}: policy {policy.name} {policy.version} is adopted",
            f"  SHA-256    {policy.hash.hex()}",
            f"  in force   from {policy.effective_from.isoformat()}",
        ]
        if self.superseded_by is not None:
            lines.append(f"  behind     the policy of entry {self.superseded_by}, adopted later")
        return "\n".join(lines)


async def adopt_file(settings: Settings, file: Path, *, root_agent: Path | None = None) -> Adopted:
    """One line of canonical JSON, as `credit/policies` has it.

    Raises `credit.errors.PolicyError`, whose path leads into the document, and what the log
    refuses.
    """
    policy = read_policy(file)
    check_complete(policy, KINDS)
    log = await known(settings, None)
    reference, content = adoption(policy)
    contents = {log.reference_of(content, reference): content}
    (entry,) = await state_controls(settings, contents, root_key(custody_of(settings), root_agent))
    later = [
        leaf_index
        for leaf_index, control in log.controls
        if isinstance(control.content, PolicyAdoption) and leaf_index > entry.leaf_index
    ]
    return Adopted(policy, entry, later[-1] if later else None)


def read_policy(file: Path) -> Policy:
    """One line of canonical JSON. Raises `PolicyError`, and what the system says of the file."""
    with file.open("rb") as opened:
        # A byte more than may be, and the end of the line.
        raw = opened.read(DOCUMENT_BYTES_MAX + 2)
    return Policy.parse(raw.removesuffix(b"\n"))
