"""C2SP tlog-policy: whose cosignatures make a checkpoint worth believing.

    WitnessPolicy         witnesses, groups and a quorum, from a policy file
    WitnessPolicy.parse   of a file's bytes; refuses what the standard does not spell
    WitnessPolicy.judge   which of its witnesses cosigned, or a refusal when they are no quorum
    Cosignatures          what was found under a checkpoint besides the log's own signature
    unjudged              the same where nobody said whom to believe

Fails closed: with a policy, a checkpoint without its quorum is refused, and so is one line
under a name and key it knows that does not fit. Lines of others are passed over, as C2SP
asks, and named. A policy's `log` lines are read and not used: the log is the one whose key
the caller brings. Pure.
"""

import re
from dataclasses import dataclass
from typing import Self

from xinyuan.checkpoint import Checkpoint
from xinyuan.cosignature import CosignerKey
from xinyuan.errors import Code, VerificationError
from xinyuan.note import SignatureLine, SignedNote

# A key of ML-DSA-44 has some 1.8 kB of text; the bounds below need half of this.
POLICY_SIZE_MAX = 512_000
# The standard asks for at least 32 of each.
LINES_MAX = 64

_NONE = "none"
_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_ITEM = re.compile(r"[^ \t]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cosignatures:
    """Under one checkpoint: those that were checked, and those that nobody here can check."""

    witnesses: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    quorum: str | None = None
    """Of the policy that was satisfied; None without a policy."""

    @property
    def is_witnessed(self) -> bool:
        """Say whether witnesses stand for one view of the log."""
        return self.quorum not in (None, _NONE)

    @property
    def not_proven(self) -> tuple[str, ...]:
        """What a reader might take for proven and is not."""
        if self.is_witnessed:
            return ()
        if self.quorum is not None:
            return ("One view for all: the witness policy asks for no witness.",)
        if self.unchecked:
            names = ", ".join(dict.fromkeys(self.unchecked))
            return (
                f"One view for all: no witness policy was given, so the cosignatures of {names} "
                "were not checked.",
            )
        return ("One view for all: no witness has cosigned this checkpoint.",)


def unjudged(lines: tuple[SignatureLine, ...]) -> Cosignatures:
    """Without a policy nobody's cosignature is believed."""
    return Cosignatures(unchecked=tuple(line.name for line in lines))


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """What one policy file says. `quorum` names a witness or a group, or is `none`."""

    witnesses: dict[str, CosignerKey]
    groups: dict[str, tuple[int, tuple[str, ...]]]
    quorum: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take a policy file."""
        if len(data) > POLICY_SIZE_MAX:
            raise _malformed(f"it has more than {POLICY_SIZE_MAX} bytes")
        if not _OCTETS.fullmatch(data) or not data.endswith(b"\n"):
            raise _malformed("it holds a control character, or its last line has no end")
        lines = _Lines({}, {}, set())
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            items = _ITEM.findall(line)
            if not items or items[0].startswith("#"):
                continue
            try:
                lines.take(items[0], items[1:])
            except ValueError as error:
                raise _malformed(f"line {number}: {error}") from error
        if lines.quorum is None:
            raise _malformed("it has no quorum line")
        return cls(witnesses=lines.witnesses, groups=lines.groups, quorum=lines.quorum)

    def judge(
        self, note: SignedNote, checkpoint: Checkpoint, lines: tuple[SignatureLine, ...]
    ) -> Cosignatures:
        """Check `lines`, those of a note that are not the log's, and refuse without a quorum."""
        reached: set[str] = {_NONE}
        known: set[tuple[str, bytes]] = set()
        for name, key in self.witnesses.items():
            claim = (key.name, key.key_id)
            line = next((line for line in lines if (line.name, line.key_id) == claim), None)
            if line is None:
                continue
            if not key.accepts(note.text, checkpoint, line.signature):
                raise VerificationError(
                    Code.NOTE_SIGNATURE_INVALID,
                    f"the cosignature of {key.name} does not fit the checkpoint",
                )
            reached.add(name)
            known.add(claim)
        witnesses = tuple(name for name in self.witnesses if name in reached)
        for name, (threshold, members) in self.groups.items():
            if len(reached.intersection(members)) >= threshold:
                reached.add(name)
        if self.quorum not in reached:
            raise VerificationError(
                Code.QUORUM_MISSING,
                f"the checkpoint of size {checkpoint.tree_size} lacks the quorum {self.quorum!a} "
                "of the witness policy",
            )
        unchecked = tuple(line.name for line in lines if (line.name, line.key_id) not in known)
        return Cosignatures(witnesses=witnesses, unchecked=unchecked, quorum=self.quorum)


@dataclass(slots=True)
class _Lines:
    """The lines of a policy as they come; raises ValueError for what is none."""

    witnesses: dict[str, CosignerKey]
    groups: dict[str, tuple[int, tuple[str, ...]]]
    members: set[str]
    quorum: str | None = None
    logs: int = 0

    def take(self, keyword: str, items: list[str]) -> None:
        match keyword, items:
            case "log", [_, *url] if len(url) <= 1:
                self.logs += 1
                _check_number(self.logs, "logs")
            case "witness", [name, vkey, *url] if len(url) <= 1:
                self._check_new(name)
                key = CosignerKey.parse(vkey)
                if any(key.public_key == other.public_key for other in self.witnesses.values()):
                    raise ValueError("two witnesses with one public key")
                self.witnesses[name] = key
                _check_number(len(self.witnesses), "witnesses")
            case "group", [name, threshold, *members] if members:
                self._check_new(name)
                for member in members:
                    if not self._is_named(member) or member in self.members:
                        raise ValueError(f"{member!a} is not named above, or a member twice")
                    self.members.add(member)
                self.groups[name] = (_threshold(threshold, len(members)), tuple(members))
                _check_number(len(self.groups), "groups")
            case "quorum", [name] if self.quorum is None:
                if name != _NONE and not self._is_named(name):
                    raise ValueError(f"{name!a} is not named above")
                self.quorum = name
            case _:
                raise ValueError(f"{keyword[:40]!a} with {len(items)} items is no line of a policy")

    def _is_named(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _check_new(self, name: str) -> None:
        if name == _NONE or self._is_named(name):
            raise ValueError(f"the name {name!a} is taken")


def _check_number(number: int, what: str) -> None:
    if number > LINES_MAX:
        raise ValueError(f"more than {LINES_MAX} {what}")


def _threshold(text: str, members: int) -> int:
    if text == "any":
        return 1
    if text == "all":
        return members
    if not _NUMBER.fullmatch(text) or int(text) > members:
        raise ValueError(f"{text[:40]!a} of {members} members")
    return int(text)


def _malformed(message: str) -> VerificationError:
    return VerificationError(Code.POLICY_MALFORMED, f"not a witness policy: {message}")
