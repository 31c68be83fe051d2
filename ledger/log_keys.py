"""Which keys sign which heads of the log.

    LogKeyRecord     the keys from one entry on: Ed25519, and ML-DSA-44 where the entry names one
    LogKeys          all of them at one size of the log, in order of their entries
    LogKeys.at       those that sign the head of a size
    LogKeys.handing_over   those that sign it once more, since it replaces them
    LogKeys.check_head     refuses a head that others signed
    KnownLogKeys     those of the entries that a home has, and others that it was told of
    LogSigners       the private halves: signs a head by every key that it needs

The keys of the head of size n are those of the last genesis or log-key entry below n. The first
head that contains a log-key entry is signed by the replaced key too, so that whoever knows that one
alone learns of its end; no later head is. A replaced key never signs again, whatever becomes of it:
`ledger.authority` refuses to begin one a second time. An ML-DSA-44 line has the form of a
cosignature (C2SP tlog-cosignature, tlog-checkpoint "Signatures"). Pure, as far as the keys are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from ledger.checkpoint import Checkpoint
from ledger.control import Genesis, LogKey
from ledger.cosignature import Cosigner
from ledger.custody import Algorithm, Custody, KeptKey
from ledger.errors import KeyNotKept, LogKeyMismatch, LogKeyReplaced, NoteUnverified
from ledger.merkle import EMPTY_ROOT
from ledger.note import NoteSignature, NoteVerifier, SignedNote, Signer

_NAME = re.compile(r"log(-[0-9]+)?(-ml-dsa-44)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogKeyRecord:
    """What one entry says of the keys that sign from then on."""

    begun_index: int
    key: LogKey

    @property
    def verifiers(self) -> tuple[NoteVerifier, ...]:
        """All that sign a head."""
        return self.key.verifiers


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log's own keys after some number of entries."""

    records: tuple[LogKeyRecord, ...] = ()

    def after(self, content: Genesis | LogKey, leaf_index: int) -> Self:
        """With the keys that an entry names."""
        key = LogKey(content.log_key, None) if isinstance(content, Genesis) else content
        return type(self)((*self.records, LogKeyRecord(leaf_index, key)))

    def at(self, tree_size: int) -> LogKeyRecord:
        """The keys of the head of this size, as far as the entries that were read say."""
        return [record for record in self.records if record.begun_index < tree_size][-1]

    @property
    def latest(self) -> LogKeyRecord:
        """The keys of the next head."""
        return self.records[-1]

    def handing_over(self, previous_size: int, tree_size: int) -> tuple[NoteVerifier, ...]:
        """The keys of the head before, of `previous_size`, that are replaced in this one.

        One that was begun and replaced between both signs nothing.
        """
        if not previous_size:
            return ()
        current, before = self.at(tree_size).verifiers, self.at(previous_size).verifiers
        return tuple(key for key in before if key not in current)

    @property
    def verifiers(self) -> tuple[NoteVerifier, ...]:
        """Every key that ever signed."""
        keys = [verifier for record in self.records for verifier in record.verifiers]
        return tuple({(key.name, key.key_id): key for key in keys}.values())

    def check_head(
        self, note: SignedNote, tree_size: int, *, previous_size: int | None = None
    ) -> None:
        """Whether the keys of its size signed a head, and no other key of the log.

        Without the size of the head before it nobody can say whether it hands over, and lines of
        keys that were replaced are passed over. Raises `NoteUnverified`, `LogKeyReplaced`.
        """
        signed = note.verified_by(self.verifiers)
        record = self.at(tree_size)
        others = [key for key in signed if key not in record.verifiers]
        if record.key.ed25519 not in signed:
            if others:
                raise LogKeyReplaced(
                    f"entry {record.begun_index} replaced the key that signed size {tree_size}"
                )
            raise NoteUnverified(f"the key of entry {record.begun_index} did not sign this head")
        if any(key not in signed for key in record.verifiers):
            raise NoteUnverified(
                f"the ML-DSA-44 key of entry {record.begun_index} did not sign this head"
            )
        if previous_size is not None:
            allowed = self.handing_over(previous_size, tree_size)
            if any(key not in allowed for key in others):
                raise LogKeyReplaced(f"a key that does not sign at size {tree_size} signed it")


@dataclass(frozen=True, slots=True)
class KnownLogKeys:
    """The log's keys as far as one home knows them.

    A database that was put back from a backup may lack the entry that names the key of a newer
    head; who keeps that key, or was told of it, brings it as one of the `others`.
    """

    named: LogKeys
    others: tuple[NoteVerifier, ...] = ()

    def check(self, note: SignedNote, tree_size: int) -> None:
        """Whether a key signed this head that may sign at its size. Raises `NoteUnverified`."""
        known = self.named.verifiers
        allowed = {key for key in self.others if key not in known}
        signed = note.verified_by([*known, *allowed])
        if self.named.records and tree_size:
            allowed.update(self.named.at(tree_size).verifiers)
        if tree_size and allowed.isdisjoint(signed):
            raise NoteUnverified(f"a key that was replaced signed size {tree_size}")


class LogSigners:
    """The private halves of the log's keys, found by their public ones.

    `origin` names the log, whether it is founded yet or not.
    """

    def __init__(self, keys: Callable[[], Iterable[KeptKey]], origin: str) -> None:
        self._keys = keys
        self.origin = origin
        self._found: dict[tuple[str, bytes], Signer | Cosigner] = {}

    @classmethod
    def of(cls, custody: Custody, origin: str) -> Self:
        """Of the keys named `log`, `log-2` and so on, as they are when one is looked for."""
        return cls(
            lambda: [custody.get(name) for name in custody.names() if _NAME.fullmatch(name)], origin
        )

    @property
    def kept(self) -> tuple[NoteVerifier, ...]:
        """The public halves of all that are kept, begun or not."""
        return tuple(_signer(self.origin, key).verifier for key in self._keys())

    def signer(self, record: LogKeyRecord) -> Signer:
        """The Ed25519 key of a record. Raises `KeyNotKept`, and what custody raises."""
        ed25519 = record.key.ed25519
        if not self._find(ed25519):
            raise KeyNotKept(f"the key {ed25519.key_id.hex()} of the log is not kept here")
        signer = self._found[ed25519.name, ed25519.key_id]
        assert isinstance(signer, Signer)
        return signer

    def founding_head(self) -> SignedNote:
        """The head of a log without entries, by the key that founds it. Raises `LogKeyMismatch`."""
        for key in self._keys():
            if key.algorithm is Algorithm.ED25519:
                return Checkpoint(self.origin, 0, EMPTY_ROOT).signed(Signer(self.origin, key))
        raise LogKeyMismatch("no key for a log is kept here")

    @property
    def waits(self) -> bool:
        """Whether signing asks somebody else."""
        return any(signer.key.waits for signer in self._found.values())

    def find(self, record: LogKeyRecord) -> None:
        """Raises `LogKeyMismatch` unless all of these keys are kept, and what custody raises."""
        for verifier in record.verifiers:
            if not self._find(verifier):
                raise LogKeyMismatch(f"the key {verifier.key_id.hex()} of the log is not kept here")

    def signed(
        self, checkpoint: Checkpoint, keys: LogKeys, *, previous_size: int, at_s: int
    ) -> SignedNote:
        """The head with a line of each of its keys; a lost key that is replaced by it has none.

        Raises `LogKeyMismatch`, and what a key raises that cannot sign.
        """
        record = keys.at(checkpoint.tree_size)
        self.find(record)
        ending = keys.handing_over(previous_size, checkpoint.tree_size)
        lines = [
            self._line(verifier, checkpoint, at_s)
            for verifier in (*record.verifiers, *filter(self._find, ending))
        ]
        return SignedNote(checkpoint.text, tuple(lines))

    def _line(self, verifier: NoteVerifier, checkpoint: Checkpoint, at_s: int) -> NoteSignature:
        signer = self._found[verifier.name, verifier.key_id]
        if isinstance(signer, Cosigner):
            return signer.cosign(checkpoint.text, at_s=at_s)
        return signer.sign(checkpoint.text).signatures[0]

    def _find(self, verifier: NoteVerifier) -> bool:
        known = (verifier.name, verifier.key_id)
        if known not in self._found:
            for key in self._keys():
                if key.public_key == verifier.public_key:
                    self._found[known] = _signer(verifier.name, key)
        return known in self._found


def _signer(name: str, key: KeptKey) -> Signer | Cosigner:
    if key.algorithm is Algorithm.ED25519:
        return Signer(name, key)
    return Cosigner(name, key)
