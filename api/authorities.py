"""An authority enters the log, and what it may state changes.

    begin_key          its first key, or another: made and kept here, or its own
    Begun              what became of it
    read_public_key    its own key as it hands it over: a JWK of RFC 8037
    replace_mandate    what it may state from the next entry on
    next_mandate       the entry by which it may; decided from what the log says
    Mandated           what became of that
    AuthorityUnknown   a mandate for an issuer of whom no key was begun
    key_stem           the name of an issuer's first key in custody; next_key_name of the next

A key that is in force, or a mandate that says the same, is answered with the entry that says so. A
mandate's reference carries the entry that it replaces: of two operators who replace one at the same
time, the second is refused (`DuplicateConflict`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from api.controls import Known, Stated, known, root_key, state_controls
from api.custody import custody_of
from api.fault import Fault
from api.founding import DOOR_LABEL, DOOR_NAME
from api.json_text import read_json
from api.settings import Settings
from ledger.authority import Authorities
from ledger.canonical import Json
from ledger.control import ControlContent, KeyBegin, Mandate, check_names
from ledger.custody import Custody, next_name, series
from ledger.errors import ControlInvalid, KeyEnded
from ledger.identity import SubjectLabel
from ledger.token import parse_jwk, thumbprint

PUBLIC_KEY_BYTES_MAX = 1_000
"""Of a JWK: its three required members take some 90, and indentation a little more."""


class AuthorityUnknown(Fault):
    """No key of that issuer was ever begun, so nobody could use the mandate."""

    code: ClassVar[str] = "COMMAND_AUTHORITY_UNKNOWN"


@dataclass(frozen=True, slots=True)
class Mandated:
    """All that an issuer may state from an entry on."""

    issuer: SubjectLabel
    kinds: tuple[str, ...]
    entry: Stated

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "duplicate": self.entry.duplicate,
            "issuer": self.issuer,
            "kinds": [*self.kinds],
            "leaf_index": self.entry.leaf_index,
        }

    def text(self) -> str:
        """In words."""
        return f"{self.entry.text()}: {self.issuer} may state {', '.join(self.kinds) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Begun:
    """A key that signs for an issuer from an entry on, and its mandate where one was given."""

    issuer: SubjectLabel
    kid: str
    custodial: bool
    entry: Stated
    mandated: Mandated | None

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "custodial": self.custodial,
            "duplicate": self.entry.duplicate,
            "issuer": self.issuer,
            "kid": self.kid,
            "leaf_index": self.entry.leaf_index,
            "mandate": None if self.mandated is None else self.mandated.members(),
        }

    def text(self) -> str:
        """In words."""
        keeper = "kept here" if self.custodial else "its own"
        line = f"{self.entry.text()}: key {self.kid}, {keeper}, signs for {self.issuer}"
        return line if self.mandated is None else f"{line}\n{self.mandated.text()}"


def read_public_key(text: str) -> bytes:
    """The key of a JWK, or of a file that holds one; its members in any order.

    Raises `ControlInvalid`, and `OSError` for a file that the system does not give.
    """
    try:
        raw = text if text.lstrip().startswith("{") else _content(Path(text))
        if len(raw) > PUBLIC_KEY_BYTES_MAX:
            raise ValueError(f"more than {PUBLIC_KEY_BYTES_MAX} bytes")
        jwk = cast("Json", read_json(raw))
    except ValueError as error:
        raise ControlInvalid(f"no JWK: {error}", path=_PUBLIC_KEY) from None
    try:
        return parse_jwk(jwk)
    except ControlInvalid as error:
        raise error.within(*_PUBLIC_KEY) from None


async def begin_key(
    settings: Settings,
    issuer: str,
    *,
    names: Mapping[str, str],
    public_key: bytes | None = None,
    kinds: Iterable[str] | None = None,
    root_agent: Path | None = None,
) -> Begun:
    """Begin `public_key` for an issuer, without one a key that is kept here; then its mandate.

    Nothing is made before all that was given is read. A key that was made and not begun, as a
    crash leaves it, is taken up. Raises `KeyEnded` for a key that ended: a key begins once.
    """
    custody = custody_of(settings)
    log = await known(settings, issuer)
    root = root_key(custody, root_agent)
    subject = log.subject
    texts = check_names(dict(names))
    mandate = None if kinds is None else next_mandate(log, kinds)
    custodial = public_key is None
    if public_key is None:
        public_key = _custodial_key(custody, log.authorities, subject)
    kid = thumbprint(public_key)
    record = log.authorities.keys.get(kid)
    if record is not None and record.ended_index is not None:
        raise KeyEnded(
            f"key {kid} ended at index {record.ended_index}; a key begins once", path=_PUBLIC_KEY
        )
    begin = KeyBegin(subject, public_key, custodial=custodial, names=texts)
    contents: dict[str, ControlContent] = {log.reference_of(begin, f"key-begin-{kid}"): begin}
    if mandate is None:
        (begun,) = await state_controls(settings, contents, root)
        return Begun(subject, kid, custodial, begun, None)
    reference, content = mandate
    begun, entry = await state_controls(settings, {**contents, reference: content}, root)
    return Begun(subject, kid, custodial, begun, Mandated(subject, content.kinds, entry))


async def replace_mandate(
    settings: Settings, issuer: str, kinds: Iterable[str], *, root_agent: Path | None = None
) -> Mandated:
    """An issuer may state exactly these kinds; none of them withdraws its mandate.

    Raises `AuthorityUnknown`, `ControlInvalid`, and what the log refuses.
    """
    log = await known(settings, issuer)
    root = root_key(custody_of(settings), root_agent)
    if not any(record.issuer == log.subject for record in log.authorities.keys.values()):
        raise AuthorityUnknown(
            f"no key of {log.subject} was ever begun; `xin keys begin` does that", path=("issuer",)
        )
    reference, content = next_mandate(log, kinds)
    (entry,) = await state_controls(settings, {reference: content}, root)
    return Mandated(log.subject, content.kinds, entry)


def next_mandate(log: Known, kinds: Iterable[str]) -> tuple[str, Mandate]:
    """Reference and content; those of the mandate in force where it says the same.

    Raises `ControlInvalid` for what is no kind.
    """
    content = Mandate.parse({"issuer": log.subject, "kinds": [*sorted(set(kinds))]})
    replaced = 0  # the genesis: nothing
    for leaf_index, control in reversed(log.controls):
        if isinstance(control.content, Mandate) and control.content.issuer == log.subject:
            if control.content == content:
                return control.jti, content
            replaced = leaf_index
            break
    return f"mandate-{log.subject}-{replaced}", content


def key_stem(issuer: SubjectLabel) -> str:
    """An issuer's keys are kept under its label, those of the door under its name."""
    return DOOR_NAME if issuer == DOOR_LABEL else issuer


def next_key_name(custody: Custody, stem: str, *, begun: int) -> str:
    """After those that are kept, and the `begun` that ever were.

    A key that is gone leaves its number to whoever finds it again.
    """
    gone = [f"{stem}-{begun}"] if begun else []
    return next_name([*custody.names(), *gone], stem)


_PUBLIC_KEY = ("--public-key",)


def _content(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(PUBLIC_KEY_BYTES_MAX + 1).decode("ascii")


def _custodial_key(custody: Custody, authorities: Authorities, issuer: SubjectLabel) -> bytes:
    """The key in force, else one that was made and never begun, else a new one."""
    ours = [one for one in authorities.keys.values() if one.issuer == issuer and one.custodial]
    live = [one.public_key for one in ours if one.ended_index is None]
    if live:
        return live[-1]
    stem = key_stem(issuer)
    kept = [custody.get(name) for name in series(custody.names(), stem)]
    unused = [key.public_key for key in kept if key.kid not in authorities.keys]
    if unused:
        return unused[-1]
    return custody.create(next_key_name(custody, stem, begun=len(ours))).public_key
