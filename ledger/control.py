"""Control entries: the public rules of the log, signed by its root key.

    Genesis          entry 0: origin, operator, root key, log key, map key; verifiers pin its hash
    LogKey           from its index on, another key signs the heads of the log
    KeyBegin         from its index on, a key signs for an issuer
    KeyEnd           from its index on, it does not
    Mandate          the kinds an issuer may state, replacing an earlier mandate
    PolicyAdoption   a credit policy, whole, in force from its index on
    issuer_label     the label of an issuer's keys and mandates
    check_names      what an issuer is called: en, zh or both
    Control          a parsed control token with one of these contents
    Control.parse    refuses anything else
    issue_control    the way out

ARCHITECTURE §3. `iss` is always the label of the log, `sub` the label of what the entry governs.
What a policy says is read in `credit`; here it is a JSON object. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias, cast

from ledger.canonical import Json, encode
from ledger.cosignature import CosignatureVerifier
from ledger.custody import KeptKey
from ledger.errors import ControlInvalid, LabelInvalid, NoteMalformed
from ledger.identity import SubjectLabel, control_label, parse_label
from ledger.kinds import CAPTURE_MANDATE, KINDS
from ledger.note import KeyType, NoteVerifier, Verifier
from ledger.statement import check_instant, check_reference, label_member
from ledger.token import Token, TokenType, parse_jwk, public_jwk, sign

LOG_LABEL = control_label("log")
POLICY_LABEL = control_label("policy")
MAP_VERSION = 1

_PAYLOAD = frozenset({"content", "control", "iat", "iss", "jti", "sub"})

NAME_MAX = 200
"""Characters of a name, an origin or a verifier key, as long as names in statements are."""


VERIFIER_KEY_MAX = 2_000
"""Characters of an ML-DSA-44 key under a name of `NAME_MAX` characters."""


def issuer_label(issuer: SubjectLabel) -> SubjectLabel:
    """The control label of an issuer's keys and mandates."""
    return control_label(f"issuer {issuer}")


def check_names(value: Json) -> dict[str, str]:
    """What an issuer is called. Raises `ControlInvalid`."""
    if (
        not isinstance(value, dict)
        or not value
        or not set(value) <= {"en", "zh"}
        or not all(isinstance(text, str) and 0 < len(text) <= NAME_MAX for text in value.values())
    ):
        raise ControlInvalid(
            f"name is en, zh or both, of 1 to {NAME_MAX} characters", path=("content", "name")
        )
    return cast("dict[str, str]", value)


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a log is, once and for all."""

    origin: str
    operator: str
    root_key: bytes
    log_key: Verifier
    map_origin: str
    map_key: Verifier
    map_version: int

    control = "genesis"

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `ControlInvalid`."""
        _members(
            content,
            "log_key map_key map_origin map_version operator origin root_key",
        )
        origin, map_origin = _text(content, "origin"), _text(content, "map_origin")
        log_key, map_key = _vkey(content, "log_key"), _vkey(content, "map_key")
        if (log_key.name, map_key.name) != (origin, map_origin):
            raise ControlInvalid("a log signs under its origin", path=("content", "log_key"))
        if map_origin != f"{origin}/map":
            raise ControlInvalid("the map log is <origin>/map", path=("content", "map_origin"))
        if content["map_version"] != MAP_VERSION or type(content["map_version"]) is not int:
            raise ControlInvalid(
                f"the map version is not {MAP_VERSION}", path=("content", "map_version")
            )
        return cls(
            origin=origin,
            operator=_text(content, "operator"),
            root_key=_jwk(content, "root_key"),
            log_key=log_key,
            map_origin=map_origin,
            map_key=map_key,
            map_version=MAP_VERSION,
        )

    @property
    def subject(self) -> SubjectLabel:
        """The log itself."""
        return LOG_LABEL

    def content(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        return {
            "log_key": self.log_key.vkey,
            "map_key": self.map_key.vkey,
            "map_origin": self.map_origin,
            "map_version": self.map_version,
            "operator": self.operator,
            "origin": self.origin,
            "root_key": public_jwk(self.root_key),
        }


@dataclass(frozen=True, slots=True)
class LogKey:
    """Another key signs the heads from this entry on, and with it one of ML-DSA-44 where named.

    An Ed25519 key may stay while the one beside it begins, changes or ends.
    """

    ed25519: Verifier
    ml_dsa_44: CosignatureVerifier | None

    control = "log-key"

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `ControlInvalid`."""
        _members(content, "log_key ml_dsa_44_key")
        ed25519, ml_dsa_44 = _vkey(content, "log_key"), None
        if content["ml_dsa_44_key"] is not None:
            ml_dsa_44 = _ml_dsa_44_key(content, "ml_dsa_44_key")
            if ml_dsa_44.name != ed25519.name:
                raise ControlInvalid(
                    "both keys sign under one name", path=("content", "ml_dsa_44_key")
                )
        return cls(ed25519, ml_dsa_44)

    @property
    def subject(self) -> SubjectLabel:
        """The log itself."""
        return LOG_LABEL

    @property
    def verifiers(self) -> tuple[NoteVerifier, ...]:
        """All that sign a head."""
        return (self.ed25519,) if self.ml_dsa_44 is None else (self.ed25519, self.ml_dsa_44)

    def content(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        return {
            "log_key": self.ed25519.vkey,
            "ml_dsa_44_key": None if self.ml_dsa_44 is None else self.ml_dsa_44.vkey,
        }


@dataclass(frozen=True, slots=True)
class KeyBegin:
    """A key begins to sign for an issuer; custodial when this server keeps it for them."""

    issuer: SubjectLabel
    public_key: bytes
    custodial: bool
    names: Mapping[str, str]

    control = "key-begin"

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `ControlInvalid`, `LabelInvalid`."""
        _members(content, "custodial issuer key name")
        custodial = content["custodial"]
        if not isinstance(custodial, bool):
            raise ControlInvalid("custodial is true or false", path=("content", "custodial"))
        return cls(
            issuer=_label(content, "issuer"),
            public_key=_jwk(content, "key"),
            custodial=custodial,
            names=check_names(content["name"]),
        )

    @property
    def subject(self) -> SubjectLabel:
        """The issuer's keys and mandates."""
        return issuer_label(self.issuer)

    def content(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        return {
            "custodial": self.custodial,
            "issuer": self.issuer,
            "key": public_jwk(self.public_key),
            "name": dict(self.names),
        }


@dataclass(frozen=True, slots=True)
class KeyEnd:
    """A key no longer signs, from this entry's index on."""

    issuer: SubjectLabel
    kid: str

    control = "key-end"

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `ControlInvalid`, `LabelInvalid`."""
        _members(content, "issuer kid")
        return cls(_label(content, "issuer"), _label(content, "kid"))

    @property
    def subject(self) -> SubjectLabel:
        """The issuer's keys and mandates."""
        return issuer_label(self.issuer)

    def content(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        return {"issuer": self.issuer, "kid": self.kid}


@dataclass(frozen=True, slots=True)
class Mandate:
    """The kinds an issuer may state; an empty list withdraws all."""

    issuer: SubjectLabel
    kinds: tuple[str, ...]

    control = "mandate"

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `ControlInvalid`, `LabelInvalid`."""
        _members(content, "issuer kinds")
        kinds = content["kinds"]
        if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
            raise ControlInvalid("kinds is no list of text", path=("content", "kinds"))
        names = cast("list[str]", kinds)
        for position, name in enumerate(names):
            if name not in KINDS and name != CAPTURE_MANDATE:
                raise ControlInvalid(
                    f"{name!r} is no kind of this ledger", path=("content", "kinds", position)
                )
        if names != sorted(set(names)):
            raise ControlInvalid("kinds are sorted, each once", path=("content", "kinds"))
        return cls(_label(content, "issuer"), tuple(names))

    @property
    def subject(self) -> SubjectLabel:
        """The issuer's keys and mandates."""
        return issuer_label(self.issuer)

    def content(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        return {"issuer": self.issuer, "kinds": list(self.kinds)}


@dataclass(frozen=True, slots=True)
class PolicyAdoption:
    """A credit policy is adopted. The document stands in the log, so that anyone can recompute."""

    policy: Mapping[str, Json]

    control = "policy"

    @classmethod
    def parse(cls, content: Mapping[str, Json]) -> Self:
        """Raises `ControlInvalid`."""
        _members(content, "policy")
        policy = content["policy"]
        if not isinstance(policy, dict) or not policy:
            raise ControlInvalid("policy is no object", path=("content", "policy"))
        return cls(policy)

    @property
    def subject(self) -> SubjectLabel:
        """The policy of the log."""
        return POLICY_LABEL

    @property
    def document(self) -> bytes:
        """The policy's canonical bytes; their SHA-256 is its name."""
        return encode(dict(self.policy))

    def content(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        return {"policy": dict(self.policy)}


ControlContent: TypeAlias = Genesis | LogKey | KeyBegin | KeyEnd | Mandate | PolicyAdoption

_CONTENTS: Mapping[str, type[ControlContent]] = {
    content.control: content
    for content in (Genesis, LogKey, KeyBegin, KeyEnd, Mandate, PolicyAdoption)
}


@dataclass(frozen=True, slots=True)
class Control:
    """A control token and its content."""

    token: Token
    subject: SubjectLabel
    jti: str
    issued_at: int
    content: ControlContent

    @classmethod
    def parse(cls, token: Token) -> Self:
        """Exact parser; no signature is judged here.

        Raises `ControlInvalid`, `LabelInvalid`, `StatementInvalid`.
        """
        payload = token.payload
        if token.type is not TokenType.CONTROL:
            raise ControlInvalid("the token is of another type", path=("token", "header", "typ"))
        if set(payload) != _PAYLOAD:
            odd = ", ".join(sorted(set(payload) ^ _PAYLOAD))
            raise ControlInvalid(f"members missing or unknown: {odd}", path=("payload",))
        control = payload["control"]
        if not isinstance(control, str) or control not in _CONTENTS:
            raise ControlInvalid(
                f"{control!r} is no control entry; known are {', '.join(_CONTENTS)}",
                path=("payload", "control"),
            )
        members = payload["content"]
        if not isinstance(members, dict):
            raise ControlInvalid("content is no object", path=("payload", "content"))
        try:
            content = _CONTENTS[control].parse(members)
        except (ControlInvalid, LabelInvalid) as error:
            raise error.within("payload") from None
        if label_member(payload, "iss") != LOG_LABEL:
            raise ControlInvalid("iss is not the label of the log", path=("payload", "iss"))
        if label_member(payload, "sub") != content.subject:
            raise ControlInvalid("sub is not what the entry governs", path=("payload", "sub"))
        return cls(
            token=token,
            subject=content.subject,
            jti=check_reference(payload["jti"]),
            issued_at=check_instant(payload["iat"]),
            content=content,
        )

    @property
    def issuer(self) -> SubjectLabel:
        """Control entries are the log's own."""
        return LOG_LABEL

    @property
    def content_hash(self) -> bytes:
        """What the entry says, whatever its instant."""
        content: Json = {"content": self.content.content(), "control": self.content.control}
        return hashlib.sha256(encode(content)).digest()


def issue_control(content: ControlContent, *, key: KeptKey, jti: str, issued_at: int) -> Control:
    """Sign a control entry with the root key. Raises what `Control.parse` raises."""
    payload: dict[str, Json] = {
        "content": content.content(),
        "control": content.control,
        "iat": issued_at,
        "iss": LOG_LABEL,
        "jti": jti,
        "sub": content.subject,
    }
    return Control.parse(sign(key, TokenType.CONTROL, payload))


def _members(content: Mapping[str, Json], names: str) -> None:
    expected = set(names.split())
    if set(content) != expected:
        odd = ", ".join(sorted(set(content) ^ expected))
        raise ControlInvalid(f"members missing or unknown: {odd}", path=("content",))


def _text(content: Mapping[str, Json], name: str, *, length_max: int = NAME_MAX) -> str:
    value = content[name]
    if not isinstance(value, str) or not 0 < len(value) <= length_max:
        raise ControlInvalid(
            f"{name} is no text of 1 to {length_max} characters", path=("content", name)
        )
    return value


def _label(content: Mapping[str, Json], name: str) -> SubjectLabel:
    try:
        return parse_label(_text(content, name))
    except LabelInvalid as error:
        raise error.within("content", name) from None


def _jwk(content: Mapping[str, Json], name: str) -> bytes:
    try:
        return parse_jwk(content[name])
    except ControlInvalid as error:
        raise error.within("content", name) from None


def _vkey(content: Mapping[str, Json], name: str) -> Verifier:
    try:
        return Verifier.parse(_text(content, name))
    except NoteMalformed as error:
        raise ControlInvalid(error.message, path=("content", name)) from None


def _ml_dsa_44_key(content: Mapping[str, Json], name: str) -> CosignatureVerifier:
    try:
        verifier = CosignatureVerifier.parse(_text(content, name, length_max=VERIFIER_KEY_MAX))
    except NoteMalformed as error:
        raise ControlInvalid(error.message, path=("content", name)) from None
    if verifier.key.key_type is not KeyType.ML_DSA_44_COSIGNATURE:
        raise ControlInvalid("no ML-DSA-44 key (type 0x06)", path=("content", name))
    return verifier
