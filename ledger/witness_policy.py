"""C2SP tlog-policy: whose signatures make a checkpoint worth believing.

    WitnessPolicy           logs, witnesses, groups and the quorum, from a policy file
    WitnessPolicy.parse     of a file's bytes; refuses what the standard does not spell
    WitnessPolicy.is_met    whether some witnesses are a quorum
    WitnessPolicy.open      the checkpoint of a note, when log and quorum signed it
    PolicyLog, PolicyWitness, PolicyGroup   its lines

A name is a string of octets: bytes outside UTF-8 are kept as they are, and no two spellings are
taken for one. A group names what stands above it, and each name is a member once, so that one pass
over the groups decides and a witness counts in one way only. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from ledger.checkpoint import Checkpoint
from ledger.cosignature import CosignatureVerifier, log_verifier
from ledger.errors import LedgerError, NoteMalformed, NoteUnverified, QuorumMissing
from ledger.errors import WitnessPolicyInvalid as Invalid
from ledger.note import NoteVerifier, SignedNote

POLICY_BYTES_MAX = 512_000
"""A post-quantum key has some 1.8 kB of text; twice as many as below still fit."""

LOGS_MAX = 64
"""tlog-policy "Implementation limits" asks for at least 32 of each kind."""

WITNESSES_MAX = 64
"""As many cosignatures and the log's own fit into one note (`SIGNATURES_MAX`)."""

GROUPS_MAX = 64
"""As for logs."""

NONE = "none"
"""The name of the quorum of nobody; no witness or group may have it."""

_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_ITEM = re.compile(r"[^ \t]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints are believed; its key's name is its origin."""

    verifier: NoteVerifier
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness, under the name that this file gives it."""

    name: str
    verifier: CosignatureVerifier
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Witnesses and groups above it, of which `threshold` are enough."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """What one policy file says. `quorum` names a witness or group, or is `none`."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises `WitnessPolicyInvalid`, whose path is the number of the line."""
        if len(raw) > POLICY_BYTES_MAX:
            raise Invalid(f"a policy of more than {POLICY_BYTES_MAX} bytes")
        if not _OCTETS.fullmatch(raw):
            raise Invalid("a control character other than tab and line feed")
        if not raw.endswith(b"\n"):
            raise Invalid("the last line has no line feed")
        lines = _Lines()
        for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), start=1):
            items = _ITEM.findall(line)
            if not items or items[0].startswith("#"):
                continue
            try:
                lines.take(items[0], items[1:])
            except LedgerError as error:
                raise Invalid(error.message, path=("line", number)) from None
        if lines.quorum is None:
            raise Invalid("no quorum line")
        return cls(tuple(lines.logs), tuple(lines.witnesses), tuple(lines.groups), lines.quorum)

    def is_met(self, cosigned: Collection[CosignatureVerifier]) -> bool:
        """Whether these witnesses' cosignatures, already verified, are a quorum."""
        reached = {NONE}
        reached.update(one.name for one in self.witnesses if one.verifier in cosigned)
        for group in self.groups:
            if len(reached.intersection(group.members)) >= group.threshold:
                reached.add(group.name)
        return self.quorum in reached

    def open(self, note: SignedNote, *, log: NoteVerifier | None = None) -> Checkpoint:
        """The checkpoint of a note that a log signed and a quorum cosigned.

        `log` is a log known from elsewhere, beside those of the file. Raises `NoteUnverified`,
        `CheckpointMalformed`, `QuorumMissing`.
        """
        logs = [one.verifier for one in self.logs] + ([log] if log else [])
        witnesses = [one.verifier for one in self.witnesses]
        signed = note.verified_by([*logs, *witnesses])
        checkpoint = Checkpoint.read(note.text)
        if not any(one in signed for one in logs if one.name == checkpoint.origin):
            raise NoteUnverified(f"no known key of {checkpoint.origin!r} signed this checkpoint")
        if not self.is_met([one for one in witnesses if one in signed]):
            raise QuorumMissing(
                f"the checkpoint of size {checkpoint.tree_size} lacks the quorum {self.quorum!r}"
            )
        return checkpoint


class _Lines:
    """The lines of a policy as they come, and what was named so far."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[PolicyGroup] = []
        self.quorum: str | None = None
        self._members: set[str] = set()

    def take(self, keyword: str, items: list[str]) -> None:
        """One line that is neither empty nor a comment."""
        match keyword, items:
            case "log", [vkey, *url] if len(url) <= 1:
                self._take_log(vkey, *url)
            case "witness", [name, vkey, *url] if len(url) <= 1:
                self._take_witness(name, vkey, *url)
            case "group", [name, threshold, *members]:
                self._take_group(name, threshold, members)
            case "quorum", [name]:
                self._take_quorum(name)
            case _:
                raise Invalid(f"no line of a policy: {keyword[:40]!r} with {len(items)} items")

    def _take_log(self, vkey: str, url: str | None = None) -> None:
        verifier = log_verifier(_in_utf8(vkey))
        if any(verifier.public_key == one.verifier.public_key for one in self.logs):
            raise Invalid("two logs with one public key")
        if len(self.logs) == LOGS_MAX:
            raise Invalid(f"more than {LOGS_MAX} logs")
        self.logs.append(PolicyLog(verifier, url))

    def _take_witness(self, name: str, vkey: str, url: str | None = None) -> None:
        self._check_new(name)
        verifier = CosignatureVerifier.parse(_in_utf8(vkey))
        if any(verifier.public_key == one.verifier.public_key for one in self.witnesses):
            raise Invalid("two witnesses with one public key")
        if len(self.witnesses) == WITNESSES_MAX:
            raise Invalid(f"more than {WITNESSES_MAX} witnesses")
        self.witnesses.append(PolicyWitness(name, verifier, url))

    def _take_group(self, name: str, threshold: str, members: list[str]) -> None:
        self._check_new(name)
        if not members:
            raise Invalid(f"the group {name!r} has no members")
        for member in members:
            if member not in self._names():
                raise Invalid(f"{member!r} is neither a witness nor a group above this line")
            if member in self._members:
                raise Invalid(f"{member!r} is a member a second time")
            self._members.add(member)
        if len(self.groups) == GROUPS_MAX:
            raise Invalid(f"more than {GROUPS_MAX} groups")
        self.groups.append(PolicyGroup(name, _threshold(threshold, len(members)), tuple(members)))

    def _take_quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise Invalid("a second quorum line")
        if name != NONE and name not in self._names():
            raise Invalid(f"{name!r} is neither a witness nor a group above this line")
        self.quorum = name

    def _check_new(self, name: str) -> None:
        if name == NONE or name in self._names():
            raise Invalid(f"the name {name!r} is taken")

    def _names(self) -> set[str]:
        return {one.name for one in self.witnesses} | {one.name for one in self.groups}


def _threshold(text: str, members: int) -> int:
    if text == "any":
        return 1
    if text == "all":
        return members
    if not _NUMBER.fullmatch(text) or int(text) > members:
        raise Invalid(f"{text[:40]!r} of {members} members")
    return int(text)


def _in_utf8(vkey: str) -> str:
    """A key's name is UTF-8, whatever else the file holds."""
    try:
        vkey.encode()
    except UnicodeEncodeError:
        raise NoteMalformed("a key whose name is not UTF-8") from None
    return vkey
