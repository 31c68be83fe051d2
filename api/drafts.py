"""A statement as an officer writes it down, before it is signed.

    Written         issuer and subject as a person spells them, reference, and what is stated
    Written.parse   from the JSON text of a file; refuses anything else
    DraftUnfit      a text that is no draft

    {"issuer":"uscc:…","jti":"…","particulars":{…},"subject":"uscc:…","weighing":{"kind":…}}

Members that weigh and are left out have no value. Whether the kind takes them is judged where the
statement is admitted. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from api.fault import Fault
from api.json_text import read_json
from ledger.canonical import Json
from ledger.disclosure import WEIGHING
from ledger.errors import StatementInvalid
from ledger.identity import Identity
from ledger.statement import Weighing, check_reference

DRAFT_BYTES_MAX = 1_000_000
"""A statement with 64 disclosures is a little more, and most of that is base64."""

_MEMBERS = ("issuer", "jti", "particulars", "subject", "weighing")


class DraftUnfit(Fault):
    """A text that is no draft of a statement."""

    code: ClassVar[str] = "COMMAND_DRAFT_UNFIT"


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody wants to state."""

    issuer: str
    subject: str
    jti: str
    weighing: Weighing
    particulars: Mapping[str, Json]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises `DraftUnfit`, `StatementInvalid`."""
        if len(raw) > DRAFT_BYTES_MAX:
            raise DraftUnfit(f"more than {DRAFT_BYTES_MAX} bytes")
        try:
            value = read_json(raw.decode("utf-8"))
        except ValueError as error:
            raise DraftUnfit(f"no JSON in UTF-8: {error}") from None
        members = _members(value, _MEMBERS)
        weighing = _members(members["weighing"], ("kind",), WEIGHING, path=("weighing",))
        particulars = members["particulars"]
        if not isinstance(particulars, dict):
            raise DraftUnfit("particulars are no object", path=("particulars",))
        return cls(
            issuer=_text(members, "issuer"),
            subject=_text(members, "subject"),
            jti=check_reference(members["jti"]),
            weighing=_weighing({**dict.fromkeys(WEIGHING), **weighing}),
            particulars=particulars,
        )

    def naming(self, identity: Identity | None) -> dict[str, Json]:
        """The particulars; an organisation is named in them, a one-person business is not."""
        if identity is None or identity.is_person:
            return dict(self.particulars)
        named: Json = {"id": identity.identifier, "scheme": identity.scheme.value}
        return {"subject": named, **self.particulars}


def _weighing(values: Mapping[str, Json]) -> Weighing:
    try:
        return Weighing.parse(values)
    except StatementInvalid as error:
        raise error.within("weighing") from None


def _members(
    value: object,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    path: tuple[str, ...] = (),
) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise DraftUnfit("no object", path=path)
    missing, unknown = set(required) - set(value), set(value) - {*required, *optional}
    if missing or unknown:
        odd = ", ".join(sorted(missing | unknown))
        raise DraftUnfit(f"members missing or unknown: {odd}", path=path)
    # What is no JSON of ours within, a fraction, is refused where it is hashed.
    return cast("dict[str, Json]", value)


def _text(members: Mapping[str, Json], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise DraftUnfit(f"{name} is no text", path=(name,))
    return value
