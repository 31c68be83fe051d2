"""Control entries: whose key and whose mandate were in force at which index.

    Control         one control token, its signature checked against the root key
    Genesis         entry 0: origin, operator, root key, log key, map log
    LogKey          other keys sign the log's checkpoints
    KeyBegin KeyEnd Mandate Policy  the content of the other kinds a proof carries
    ControlHistory  the entries of one proof file, in index order
    ControlHistory.log_key_at  whose checkpoints those of a size are
    ControlHistory.signer_of   who signed an entry, refused unless the key was in force
    ControlHistory.mandate_of  what an issuer might state at an index

An index decides, never a clock: a key is in force at entry i when it began below i and no
end of it lies below i; of an issuer's mandates the last one below i counts. Every control
entry is signed by the root key that genesis names. Pure.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from xinyuan import canonical
from xinyuan.canonical import Json
from xinyuan.errors import Code, VerificationError, located
from xinyuan.fields import Fields
from xinyuan.label import Label, control_label
from xinyuan.note import KeyType, VerifierKey
from xinyuan.token import PublicKey, Token, TokenType

_LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Control:
    """One control token: which rule it sets and what it governs."""

    token: Token
    control: str
    subject: Label
    content: Json

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a control token; its content is read by the kind it names."""
        token = Token.parse(text, TokenType.CONTROL)
        with located("payload"):
            fields = Fields.parse(
                token.payload,
                ("content", "control", "iat", "iss", "jti", "sub"),
                code=Code.CONTROL_MALFORMED,
            )
            if fields.label("iss") != control_label("log"):
                raise fields.refusal("iss", "control entries are issued by the log itself")
            fields.instant("iat")
            fields.text("jti")
            return cls(
                token=token,
                control=fields.text("control"),
                subject=fields.label("sub"),
                content=fields.values["content"],
            )

    def fields(self, *names: str) -> Fields:
        """Take the content as an object with exactly these members."""
        return Fields.parse(self.content, names, code=Code.CONTROL_MALFORMED)

    def governs(self, governed: str) -> None:
        """Refuse unless the entry stands under the label of what its content is about."""
        if self.subject != control_label(governed):
            raise VerificationError(
                Code.CONTROL_MALFORMED, f"sub: not the label of {governed}", path=("payload", "sub")
            )


@dataclass(frozen=True, slots=True)
class Genesis:
    """What the log said of itself in entry 0."""

    origin: str
    operator: str
    root_key: PublicKey
    log_key: VerifierKey
    map_key: VerifierKey
    map_version: int

    @classmethod
    def parse(cls, control: Control) -> Self:
        """Take entry 0, which must be signed by the very root key it names."""
        if control.control != "genesis":
            raise VerificationError(Code.GENESIS_MISSING, "entry 0 of the log is its genesis")
        control.governs("log")
        with located("payload", "content"):
            fields = control.fields(
                "log_key",
                "map_key",
                "map_origin",
                "map_version",
                "operator",
                "origin",
                "root_key",
            )
            with located("root_key"):
                root_key = PublicKey.parse(fields.values["root_key"])
            origin = fields.text("origin")
            log_key, map_key = _verifier_key(fields, "log_key"), _verifier_key(fields, "map_key")
            if log_key.name != origin:
                raise fields.refusal("log_key", "its name is not the origin")
            if map_key.name != fields.text("map_origin") or map_key.name != f"{origin}/map":
                raise fields.refusal("map_origin", "the map log is named origin + /map")
            genesis = cls(
                origin=origin,
                operator=fields.text("operator"),
                root_key=root_key,
                log_key=log_key,
                map_key=map_key,
                map_version=fields.integer("map_version", least=1),
            )
        control.token.verify(root_key)
        return genesis


@dataclass(frozen=True, slots=True)
class LogKey:
    """From this index on, the log signs with these keys: Ed25519, and ML-DSA-44 if there is one."""

    leaf_index: int
    ed25519: VerifierKey
    ml_dsa_44: VerifierKey | None

    @classmethod
    def parse(cls, control: Control, leaf_index: int, *, origin: str) -> Self:
        """Take the content `{log_key, ml_dsa_44_key}`."""
        with located("payload", "content"):
            fields = control.fields("log_key", "ml_dsa_44_key")
            ed25519, ml_dsa_44 = _verifier_key(fields, "log_key"), None
            if fields.values["ml_dsa_44_key"] is not None:
                ml_dsa_44 = _verifier_key(fields, "ml_dsa_44_key", KeyType.ML_DSA_44)
            log_key = cls(leaf_index=leaf_index, ed25519=ed25519, ml_dsa_44=ml_dsa_44)
            if any(key.name != origin for key in log_key.keys):
                raise fields.refusal("log_key", "its name is not the origin")
        control.governs("log")
        return log_key

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """All that sign a checkpoint."""
        return (self.ed25519,) if self.ml_dsa_44 is None else (self.ed25519, self.ml_dsa_44)


@dataclass(frozen=True, slots=True)
class KeyBegin:
    """From this index on, an issuer signs with this key."""

    leaf_index: int
    issuer: Label
    key: PublicKey
    names: Mapping[str, str]
    custodial: bool

    @classmethod
    def parse(cls, control: Control, leaf_index: int) -> Self:
        """Take the content `{custodial, issuer, key, name}`."""
        with located("payload", "content"):
            fields = control.fields("custodial", "issuer", "key", "name")
            with located("key"):
                key = PublicKey.parse(fields.values["key"])
            with located("name"):
                names = Fields.parse(
                    fields.values["name"], (), optional=_LANGUAGES, code=Code.CONTROL_MALFORMED
                )
                spoken = {language: names.text(language) for language in names.values}
            begin = cls(
                leaf_index=leaf_index,
                issuer=fields.label("issuer"),
                key=key,
                names=spoken,
                custodial=fields.flag("custodial"),
            )
        control.governs(f"issuer {begin.issuer}")
        return begin


@dataclass(frozen=True, slots=True)
class KeyEnd:
    """From this index on, the key signs no more."""

    leaf_index: int
    issuer: Label
    kid: str

    @classmethod
    def parse(cls, control: Control, leaf_index: int) -> Self:
        """Take the content `{issuer, kid}`."""
        with located("payload", "content"):
            fields = control.fields("issuer", "kid")
            # A thumbprint is a hash; any other text could never end a key.
            fields.hash("kid")
            end = cls(leaf_index=leaf_index, issuer=fields.label("issuer"), kid=fields.text("kid"))
        control.governs(f"issuer {end.issuer}")
        return end


@dataclass(frozen=True, slots=True)
class Mandate:
    """From this index on, an issuer may state these kinds and no others."""

    leaf_index: int
    issuer: Label
    kinds: frozenset[str]

    @classmethod
    def parse(cls, control: Control, leaf_index: int) -> Self:
        """Take the content `{issuer, kinds}`, kinds sorted."""
        with located("payload", "content"):
            fields = control.fields("issuer", "kinds")
            kinds = fields.texts("kinds")
            if kinds != sorted(set(kinds)):
                raise fields.refusal("kinds", "the kinds are not sorted, each once")
            mandate = cls(
                leaf_index=leaf_index, issuer=fields.label("issuer"), kinds=frozenset(kinds)
            )
        control.governs(f"issuer {mandate.issuer}")
        return mandate


@dataclass(frozen=True, slots=True)
class Policy:
    """A rating policy as it was adopted; its hash is its name."""

    leaf_index: int
    policy: dict[str, Json]

    @classmethod
    def parse(cls, control: Control, leaf_index: int) -> Self:
        """Take the content `{policy}`."""
        if control.control != "policy":
            raise VerificationError(
                Code.CONTROL_UNKNOWN, f"{control.control!a} does not adopt a policy"
            )
        with located("payload", "content"):
            fields = control.fields("policy")
            policy = fields.values["policy"]
            if not isinstance(policy, dict):
                raise fields.refusal("policy", "an object belongs here")
        control.governs("policy")
        return cls(leaf_index=leaf_index, policy=policy)

    @property
    def policy_hash(self) -> bytes:
        """SHA-256 of the policy's canonical JSON."""
        return hashlib.sha256(canonical.encode(self.policy)).digest()


@dataclass(frozen=True, slots=True)
class ControlHistory:
    """The control entries a proof carries. That none is left out is the operator's word."""

    genesis: Genesis
    log_keys: tuple[LogKey, ...]
    key_begins: tuple[KeyBegin, ...]
    key_ends: tuple[KeyEnd, ...]
    mandates: tuple[Mandate, ...]

    @classmethod
    def read(cls, controls: Sequence[tuple[int, str]]) -> Self:
        """Take (leaf index, token text) in rising order, genesis first."""
        if not controls or controls[0][0] != 0:
            raise VerificationError(Code.GENESIS_MISSING, "the first control entry is entry 0")
        with located(0, "control"):
            genesis = Genesis.parse(Control.parse(controls[0][1]))
        log_keys = [LogKey(leaf_index=0, ed25519=genesis.log_key, ml_dsa_44=None)]
        key_begins: list[KeyBegin] = []
        key_ends: list[KeyEnd] = []
        mandates: list[Mandate] = []
        for position, (leaf_index, text) in enumerate(controls[1:], start=1):
            with located(position, "control"):
                control = Control.parse(text)
                control.token.verify(genesis.root_key)
                match control.control:
                    case "log-key":
                        log_keys.append(LogKey.parse(control, leaf_index, origin=genesis.origin))
                    case "key-begin":
                        key_begins.append(KeyBegin.parse(control, leaf_index))
                    case "key-end":
                        key_ends.append(KeyEnd.parse(control, leaf_index))
                    case "mandate":
                        mandates.append(Mandate.parse(control, leaf_index))
                    case other:
                        raise VerificationError(
                            Code.CONTROL_UNKNOWN,
                            f"{other!a} is no control entry that keys or mandates come from",
                            path=("payload", "control"),
                        )
        return cls(
            genesis=genesis,
            log_keys=tuple(log_keys),
            key_begins=tuple(key_begins),
            key_ends=tuple(key_ends),
            mandates=tuple(mandates),
        )

    def log_key_at(self, tree_size: int) -> LogKey:
        """Give the keys that sign the checkpoint of this size: the last ones named below it."""
        return [log_key for log_key in self.log_keys if log_key.leaf_index < tree_size][-1]

    def is_log_key(self, key: VerifierKey) -> bool:
        """Say whether the log ever named this key for its checkpoints."""
        return any(key in log_key.keys for log_key in self.log_keys)

    def signer_of(self, token: Token, issuer: Label, leaf_index: int) -> KeyBegin:
        """Give the key that signed `token`, in force for `issuer` at `leaf_index`."""
        begin = next(
            (
                begin
                for begin in self.key_begins
                if (begin.issuer, begin.key.thumbprint) == (issuer, token.kid)
                and begin.leaf_index < leaf_index
            ),
            None,
        )
        if begin is None:
            raise VerificationError(
                Code.KEY_UNKNOWN,
                f"no entry below {leaf_index} gives key {token.kid} to issuer {issuer}",
                path=("header", "kid"),
            )
        for end in self.key_ends:
            if (end.issuer, end.kid) == (issuer, token.kid) and end.leaf_index < leaf_index:
                raise VerificationError(
                    Code.KEY_ENDED,
                    f"entry {end.leaf_index} ended key {token.kid} before entry {leaf_index}",
                    path=("header", "kid"),
                )
        token.verify(begin.key)
        return begin

    def mandate_of(self, issuer: Label, leaf_index: int) -> Mandate | None:
        """Give the mandate of `issuer` in force at `leaf_index`, if there is one."""
        earlier = [
            mandate
            for mandate in self.mandates
            if mandate.issuer == issuer and mandate.leaf_index < leaf_index
        ]
        return earlier[-1] if earlier else None


def _verifier_key(fields: Fields, name: str, key_type: KeyType = KeyType.ED25519) -> VerifierKey:
    try:
        return VerifierKey.parse(fields.text(name), key_type)
    except VerificationError as error:
        raise fields.refusal(name, error.message) from error
