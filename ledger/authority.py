"""Who may sign what, as of an index: keys and mandates folded from the control entries.

    KeyRecord                 a key, its issuer, the indexes between which it signs
    Authorities               all of them at one size of the log
    Authorities.after         the fold: one control entry further
    Authorities.signing_key   the key of a token, judged at an index
    Authorities.require       an issuer's mandate for a kind

An end is an entry, not a clock: a key signs the entries from after its key-begin to before its
key-end. Pure and immutable, so that a batch can be decided before it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ledger.control import Control, Genesis, KeyBegin, KeyEnd, LogKey, Mandate, PolicyAdoption
from ledger.errors import (
    ControlForbidden,
    ControlInvalid,
    IssuerMismatch,
    KeyEnded,
    KeyUnknown,
    LedgerEmpty,
    LedgerExists,
    MandateMissing,
    SignatureInvalid,
)
from ledger.identity import SubjectLabel
from ledger.log_keys import LogKeys
from ledger.token import thumbprint


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key's life in the log."""

    kid: str
    public_key: bytes
    issuer: SubjectLabel
    custodial: bool
    begun_index: int
    ended_index: int | None = None


@dataclass(frozen=True, slots=True)
class Authorities:
    """Keys, mandates and names after some number of entries."""

    genesis: Genesis | None = None
    log_keys: LogKeys = field(default_factory=LogKeys)
    keys: Mapping[str, KeyRecord] = field(default_factory=dict)
    mandates: Mapping[SubjectLabel, frozenset[str]] = field(default_factory=dict)
    names: Mapping[SubjectLabel, Mapping[str, str]] = field(default_factory=dict)

    def check(self, control: Control) -> None:
        """Whether this control entry may come next.

        Raises `LedgerEmpty`, `LedgerExists`, `ControlForbidden`, `ControlInvalid`, `KeyUnknown`.
        """
        content = control.content
        if isinstance(content, Genesis):
            if self.genesis is not None:
                raise LedgerExists("this log has its genesis", path=("payload", "control"))
            self._check_root(control, content.root_key)
            return
        if self.genesis is None:
            raise LedgerEmpty("the first entry of a log is its genesis")
        self._check_root(control, self.genesis.root_key)
        match content:
            case LogKey():
                self._check_log_key(content)
            case KeyBegin():
                if thumbprint(content.public_key) in self.keys:
                    raise ControlInvalid(
                        "this key was begun before; a key begins once",
                        path=("payload", "content", "key"),
                    )
            case KeyEnd():
                record = self.keys.get(content.kid)
                if record is None or record.issuer != content.issuer:
                    raise KeyUnknown(
                        f"{content.issuer} has no key {content.kid}",
                        path=("payload", "content", "kid"),
                    )
                if record.ended_index is not None:
                    raise ControlInvalid(
                        f"key {content.kid} ended at index {record.ended_index}",
                        path=("payload", "content", "kid"),
                    )
            case Mandate() | PolicyAdoption():
                pass

    def after(self, control: Control, leaf_index: int) -> Authorities:
        """The state after an entry that `check` let pass."""
        match control.content:
            case Genesis() as genesis:
                log_keys = self.log_keys.after(genesis, leaf_index)
                return replace(self, genesis=genesis, log_keys=log_keys)
            case LogKey() as log_key:
                return replace(self, log_keys=self.log_keys.after(log_key, leaf_index))
            case KeyBegin() as begin:
                kid = thumbprint(begin.public_key)
                record = KeyRecord(kid, begin.public_key, begin.issuer, begin.custodial, leaf_index)
                return replace(
                    self,
                    keys={**self.keys, kid: record},
                    names={**self.names, begin.issuer: begin.names},
                )
            case KeyEnd() as end:
                ended = replace(self.keys[end.kid], ended_index=leaf_index)
                return replace(self, keys={**self.keys, end.kid: ended})
            case Mandate() as mandate:
                kinds = frozenset(mandate.kinds)
                return replace(self, mandates={**self.mandates, mandate.issuer: kinds})
            case PolicyAdoption():
                return self

    def signing_key(self, kid: str, issuer: SubjectLabel, *, leaf_index: int) -> KeyRecord:
        """The issuer's key with that thumbprint, if it signs at that index.

        Raises `KeyUnknown`, `IssuerMismatch`, `KeyEnded`.
        """
        record = self.keys.get(kid)
        if record is None or record.begun_index >= leaf_index:
            raise KeyUnknown(f"no key {kid} was begun", path=("token", "header", "kid"))
        if record.issuer != issuer:
            raise IssuerMismatch(f"key {kid} signs for another issuer", path=("payload", "iss"))
        if record.ended_index is not None and record.ended_index <= leaf_index:
            raise KeyEnded(
                f"key {kid} ended at index {record.ended_index}", path=("token", "header", "kid")
            )
        return record

    def require(self, issuer: SubjectLabel, kind: str) -> None:
        """Raises `MandateMissing`."""
        if kind not in self.mandates.get(issuer, frozenset()):
            raise MandateMissing(f"{issuer} has no mandate for {kind}", path=("kind",))

    def _check_log_key(self, content: LogKey) -> None:
        """A key that ever signed heads begins no second time; only one that signs may stay."""
        assert self.genesis is not None
        path = ("payload", "content", "log_key")
        if content.ed25519.name != self.genesis.origin:
            raise ControlInvalid("a log signs under its origin", path=path)
        current = self.log_keys.latest
        if content == current.key:
            raise ControlInvalid("these keys sign already", path=path)
        used = {key.public_key for key in self.log_keys.verifiers}
        used.add(self.genesis.map_key.public_key)
        for verifier in content.verifiers:
            if verifier not in current.verifiers and verifier.public_key in used:
                raise ControlInvalid("a key of this log begins once", path=path)

    @staticmethod
    def _check_root(control: Control, root_key: bytes) -> None:
        if control.token.kid != thumbprint(root_key):
            raise ControlForbidden(
                "control entries are signed by the root key", path=("token", "header", "kid")
            )
        try:
            control.token.verify(root_key)
        except SignatureInvalid as error:
            raise ControlForbidden(error.message, path=error.path) from None
