"""The proof file `xinyuan-proof/1`, and its verification.

    Kind               what a file proves: a statement, a capture, or some of an enterprise
    Form               what one entry shows: a control, a statement or a capture
    ProvenStatement    a statement at its index, with who signed it and under which mandate
    ProvenCapture      a capture at its index, with its events and its party
    Verified           all that was proven, and sentences on what was not
    verify             bytes to Verified, or a VerificationError

A file is one line of canonical JSON and one LF. Nothing in it goes unchecked, so that a
change of any byte is refused; but cosignatures are checked only where the caller brings a
witness policy. What else it shows rests on one thing the caller brings: the log's verifier
key, or the hash of its genesis, from which its keys descend. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from xinyuan import canonical, exact_base64, leaf, merkle
from xinyuan.canonical import Json
from xinyuan.capture import Capture, Event, Party
from xinyuan.checkpoint import Checkpoint
from xinyuan.control import Control, ControlHistory, Genesis, KeyBegin, LogKey, Mandate, Policy
from xinyuan.errors import Code, VerificationError, located
from xinyuan.fields import Fields
from xinyuan.label import Label
from xinyuan.note import SignedNote, VerifierKey
from xinyuan.policy import Cosignatures, WitnessPolicy, unjudged
from xinyuan.statement import Statement

FORMAT = "xinyuan-proof/1"
# Some ten thousand entries; a reader's memory needs about ten times as much.
FILE_SIZE_MAX = 64 * 2**20
# A path is as long as its tree is high, and tree sizes stay below 2^63.
PATH_LENGTH_MAX = 63
_CAPTURE_MANDATE = "capture"


class Kind(StrEnum):
    """What a proof file is about."""

    STATEMENT = "statement"
    CAPTURE = "capture"
    ENTERPRISE = "enterprise"


class Form(StrEnum):
    """What an entry shows, named by the member that shows it."""

    CONTROL = "control"
    STATEMENT = "statement"
    CAPTURE = "capture"


_FORM_MEMBERS = {
    Form.CONTROL: ("control",),
    Form.STATEMENT: ("statement",),
    Form.CAPTURE: ("capture", "context", "events", "party"),
}


@dataclass(frozen=True, slots=True)
class ProvenStatement:
    """A statement the log holds. `mandate` is held against the kind, unless that is withheld."""

    leaf_index: int
    statement: Statement
    signer: KeyBegin
    mandate: Mandate

    @property
    def subject(self) -> Label:
        """Whom the log files it under."""
        return self.statement.subject


@dataclass(frozen=True, slots=True)
class ProvenCapture:
    """A capture the log holds. `mandate` is None when the party signed for itself."""

    leaf_index: int
    capture: Capture
    signer: KeyBegin
    mandate: Mandate | None
    party: Party
    context: str
    events: tuple[Event, ...]

    @property
    def subject(self) -> Label:
        """Whom the log files it under."""
        return self.capture.subject


ProvenEntry = ProvenStatement | ProvenCapture


@dataclass(frozen=True, slots=True)
class Verified:
    """What a file proves to whoever trusts its log key."""

    kind: Kind
    checkpoint: Checkpoint
    cosignatures: Cosignatures
    genesis: Genesis
    genesis_hash: bytes
    log_key: LogKey
    entries: tuple[ProvenEntry, ...]
    policies: tuple[Policy, ...]

    @property
    def not_proven(self) -> tuple[str, ...]:
        """What the reader might take for proven and is not."""
        sentences = [
            "Completeness rests on the operator: that these are all entries about the subject, "
            "and that no key end, mandate or log key is left out.",
            *self.cosignatures.not_proven,
            "Truth: a signature shows who stated something, not that it is so.",
        ]
        if any(entry.signer.custodial for entry in self.entries):
            sentences.append(
                "The issuer's own hand: the operator keeps the key of a signer marked custodial."
            )
        unread = [
            str(entry.leaf_index)
            for entry in self.entries
            if isinstance(entry, ProvenStatement) and entry.statement.kind is None
        ]
        if unread:
            sentences.append(
                f"The mandate for entry {', '.join(unread)}: its kind is withheld, so it could "
                "not be held against what the issuer may state."
            )
        return tuple(sentences)


def verify(
    data: bytes,
    log_key: str | None = None,
    *,
    genesis_hash: bytes | None = None,
    policy: WitnessPolicy | None = None,
) -> Verified:
    """Check a proof file; raise VerificationError if it fails.

    Against the log's verifier key, the hash of its genesis, or both. The hash outlasts a key: the
    keys that replaced the first are found in the file, each signed by the root key of genesis.
    With a witness policy a checkpoint that lacks its quorum is refused.
    """
    if log_key is None and genesis_hash is None:
        raise TypeError("a log key or the hash of a genesis is needed")
    key = None if log_key is None else VerifierKey.parse(log_key)
    file = _File.parse(data)
    with located("checkpoint"):
        note = SignedNote.parse(file.checkpoint)
        checkpoint = Checkpoint.parse(note.text)
        signed = key is None or note.is_signed_by(key)
        if signed and key is not None and checkpoint.origin != key.name:
            raise _origin_mismatch(checkpoint, key)
    controls = [
        (entry.leaf_index, _included(entry, checkpoint, _control_leaf)) for entry in file.controls
    ]
    with located("controls"):
        history = ControlHistory.read(controls)
        genesis_leaf_hash = merkle.leaf_hash(_control_leaf(file.controls[0])[0])
        if genesis_hash is not None and genesis_leaf_hash != genesis_hash:
            raise VerificationError(
                Code.GENESIS_MISMATCH,
                f"genesis has the hash {genesis_leaf_hash.hex()}, not the one given",
                path=(0,),
            )
        if key is not None and signed and not history.is_log_key(key):
            raise VerificationError(
                Code.GENESIS_MISMATCH,
                f"genesis names the log key {history.genesis.log_key.text}, not the one given",
                path=(0, "control", "payload", "content", "log_key"),
            )
    with located("checkpoint"):
        if key is not None and not signed:
            raise _unsigned(note, history, key)
        cosignatures = _check_log_keys(note, checkpoint, history, policy)
    policies = tuple(_policy(entry, checkpoint, history) for entry in file.policies)
    entries = tuple(_entry(entry, checkpoint, history) for entry in file.entries)
    for position, proven in enumerate(entries):
        if proven.subject != entries[0].subject:
            raise VerificationError(
                Code.SUBJECT_MISMATCH,
                f"entry {proven.leaf_index} is about another subject than entry "
                f"{entries[0].leaf_index}",
                path=("entries", position),
            )
    return Verified(
        kind=file.kind,
        checkpoint=checkpoint,
        cosignatures=cosignatures,
        genesis=history.genesis,
        genesis_hash=genesis_leaf_hash,
        log_key=history.log_key_at(checkpoint.tree_size),
        entries=entries,
        policies=policies,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the file: where it lies in tree and file, and what it shows."""

    leaf_index: int
    inclusion_path: tuple[bytes, ...]
    form: Form
    fields: Fields
    place: tuple[str, int]

    @classmethod
    def parse(cls, value: Json, *, place: tuple[str, int]) -> Self:
        named = value.keys() if isinstance(value, dict) else set[str]()
        form = next((form for form in Form if form.value in named), None)
        if form is None:
            raise VerificationError(
                Code.FILE_MALFORMED, "an entry shows a control, a statement or a capture"
            )
        fields = Fields.parse(
            value, ("index", "path", *_FORM_MEMBERS[form]), code=Code.FILE_MALFORMED
        )
        hashes = fields.texts("path")
        if len(hashes) > PATH_LENGTH_MAX:
            raise fields.refusal("path", f"more than {PATH_LENGTH_MAX} hashes")
        try:
            path = tuple(exact_base64.decode_standard(text, size=32) for text in hashes)
        except ValueError as error:
            raise fields.refusal("path", "a hash is 32 bytes in base64") from error
        return cls(
            leaf_index=fields.integer("index"),
            inclusion_path=path,
            form=form,
            fields=fields,
            place=place,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """A file that reads well; nothing in it is believed yet."""

    kind: Kind
    checkpoint: str
    controls: tuple[_Entry, ...]
    entries: tuple[_Entry, ...]
    policies: tuple[_Entry, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if len(data) > FILE_SIZE_MAX:
            raise VerificationError(
                Code.FILE_TOO_LARGE, f"{len(data)} bytes; {FILE_SIZE_MAX} at most are read"
            )
        if not data.endswith(b"\n"):
            raise VerificationError(Code.FILE_MALFORMED, "a proof file ends with a line feed")
        value = canonical.decode(data[:-1])
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise VerificationError(
                Code.FORMAT_UNKNOWN, f"not a proof file of format {FORMAT}", path=("format",)
            )
        names = ["checkpoint", "controls", "entries", "format", "kind"]
        if value.get("kind") == Kind.ENTERPRISE:
            names.append("policies")
        fields = Fields.parse(value, names, code=Code.FILE_MALFORMED)
        try:
            kind = Kind(fields.text("kind"))
        except ValueError as error:
            raise fields.refusal("kind", "statement, capture or enterprise") from error
        entries = _entries(fields, "entries")
        forms = [entry.form for entry in entries]
        if kind is Kind.ENTERPRISE:
            fits = bool(forms) and Form.CONTROL not in forms
        else:
            fits = forms == [Form(kind.value)]
        if not fits:
            raise fields.refusal("entries", f"not the entries a file of kind {kind} shows")
        file = cls(
            kind=kind,
            checkpoint=fields.text("checkpoint"),
            controls=_entries(fields, "controls"),
            entries=entries,
            policies=_entries(fields, "policies") if kind is Kind.ENTERPRISE else (),
        )
        for entry in (*file.controls, *file.policies):
            if entry.form is not Form.CONTROL:
                raise VerificationError(
                    Code.FILE_MALFORMED, "only control entries belong here", path=entry.place
                )
        return file


def _entries(fields: Fields, name: str) -> tuple[_Entry, ...]:
    entries: list[_Entry] = []
    for position, value in enumerate(fields.items(name)):
        with located(name, position):
            entry = _Entry.parse(value, place=(name, position))
            if entries and entry.leaf_index <= entries[-1].leaf_index:
                raise VerificationError(
                    Code.ENTRY_ORDER, "indexes rise from entry to entry", path=("index",)
                )
            entries.append(entry)
    return tuple(entries)


def _check_log_keys(
    note: SignedNote, checkpoint: Checkpoint, history: ControlHistory, policy: WitnessPolicy | None
) -> Cosignatures:
    """Refuse unless the keys of its size have signed the checkpoint; say who cosigned it."""
    log_key = history.log_key_at(checkpoint.tree_size)
    if checkpoint.origin != history.genesis.origin:
        raise _origin_mismatch(checkpoint, log_key.ed25519)
    keys = tuple(dict.fromkeys(key for log_key in history.log_keys for key in log_key.keys))
    others = note.strangers(keys)
    # C2SP lets readers pass over lines of unknown keys. Those of witnesses are named in the
    # verdict; one in the log's own name would go unchecked and look like the log's.
    if any(line.name == checkpoint.origin for line in others):
        raise VerificationError(
            Code.NOTE_SIGNATURE_UNKNOWN,
            f"a signature line names {checkpoint.origin!a}, under a key that is not known",
        )
    signed = [key for key in keys if note.is_signed_by(key)]
    if any(key not in signed for key in log_key.keys):
        if any(key not in log_key.keys for key in signed):
            raise _replaced(log_key)
        raise VerificationError(
            Code.NOTE_UNSIGNED,
            f"the checkpoint lacks a signature of the keys that entry {log_key.leaf_index} names",
        )
    return policy.judge(note, checkpoint, others) if policy else unjudged(others)


def _unsigned(note: SignedNote, history: ControlHistory, key: VerifierKey) -> VerificationError:
    """The key that was given has not signed: because another has taken its place, or never did."""
    last = history.log_keys[-1]
    if history.is_log_key(key) and key not in last.keys and note.is_signed_by(last.ed25519):
        return _replaced(last)
    return VerificationError(Code.NOTE_UNSIGNED, f"the checkpoint bears no signature of {key.text}")


def _replaced(log_key: LogKey) -> VerificationError:
    # Anyone can write such a file, so it must not be the one to say which key to trust instead.
    return VerificationError(
        Code.LOG_KEY_REPLACED,
        f"as the file has it, entry {log_key.leaf_index} replaced that key of the log; give the "
        "hash of the log's genesis to have that checked",
    )


def _origin_mismatch(checkpoint: Checkpoint, key: VerifierKey) -> VerificationError:
    return VerificationError(
        Code.CHECKPOINT_ORIGIN_MISMATCH,
        f"the checkpoint is of {checkpoint.origin!a}, the key of {key.name!a}",
    )


_Shown = TypeVar("_Shown")


def _included(
    entry: _Entry, checkpoint: Checkpoint, rebuild: Callable[[_Entry], tuple[bytes, _Shown]]
) -> _Shown:
    """Rebuild the entry's leaf, follow its path to the root, and give what it shows."""
    with located(*entry.place):
        rebuilt, shown = rebuild(entry)
        merkle.verify_inclusion(
            merkle.leaf_hash(rebuilt),
            leaf_index=entry.leaf_index,
            tree_size=checkpoint.tree_size,
            path=entry.inclusion_path,
            root=checkpoint.root_hash,
        )
        return shown


def _control_leaf(entry: _Entry) -> tuple[bytes, str]:
    text = entry.fields.text("control")
    with located("control"):
        return leaf.control_leaf(text, Control.parse(text).subject), text


def _statement_leaf(entry: _Entry) -> tuple[bytes, Statement]:
    with located("statement"):
        statement = Statement.parse(entry.fields.text("statement"))
        return leaf.statement_leaf(statement.token.text, statement.subject), statement


def _capture_leaf(entry: _Entry) -> tuple[bytes, Capture]:
    with located("capture"):
        capture = Capture.parse(entry.fields.text("capture"))
        return leaf.capture_leaf(capture.token.text, capture.subject), capture


def _policy(entry: _Entry, checkpoint: Checkpoint, history: ControlHistory) -> Policy:
    text = _included(entry, checkpoint, _control_leaf)
    with located(*entry.place, "control"):
        control = Control.parse(text)
        control.token.verify(history.genesis.root_key)
        return Policy.parse(control, entry.leaf_index)


def _entry(entry: _Entry, checkpoint: Checkpoint, history: ControlHistory) -> ProvenEntry:
    if entry.form is Form.STATEMENT:
        return _statement(entry, checkpoint, history)
    assert entry.form is Form.CAPTURE
    return _capture(entry, checkpoint, history)


def _statement(entry: _Entry, checkpoint: Checkpoint, history: ControlHistory) -> ProvenStatement:
    statement = _included(entry, checkpoint, _statement_leaf)
    with located(*entry.place, "statement"):
        signer = history.signer_of(statement.token, statement.issuer, entry.leaf_index)
        mandate = history.mandate_of(statement.issuer, entry.leaf_index)
        # A withheld kind cannot be held against the mandate, but there must be a mandate.
        allowed = mandate is not None and (
            statement.kind in mandate.kinds if statement.kind else bool(mandate.kinds)
        )
        if mandate is None or not allowed:
            raise _no_mandate(statement.issuer, statement.kind or "anything", entry.leaf_index)
    return ProvenStatement(
        leaf_index=entry.leaf_index, statement=statement, signer=signer, mandate=mandate
    )


def _capture(entry: _Entry, checkpoint: Checkpoint, history: ControlHistory) -> ProvenCapture:
    capture = _included(entry, checkpoint, _capture_leaf)
    with located(*entry.place):
        with located("party"):
            party = Party.parse(entry.fields.values["party"])
        context = entry.fields.text("context")
        events = _events(entry.fields, context)
        capture.check(events, context=context, party=party)
        with located("capture"):
            signer = history.signer_of(capture.token, capture.issuer, entry.leaf_index)
            mandate = None
            if capture.issuer != party.subject:
                mandate = history.mandate_of(capture.issuer, entry.leaf_index)
                if mandate is None or _CAPTURE_MANDATE not in mandate.kinds:
                    raise _no_mandate(capture.issuer, _CAPTURE_MANDATE, entry.leaf_index)
    return ProvenCapture(
        leaf_index=entry.leaf_index,
        capture=capture,
        signer=signer,
        mandate=mandate,
        party=party,
        context=context,
        events=events,
    )


def _events(fields: Fields, context: str) -> tuple[Event, ...]:
    events: list[Event] = []
    for position, value in enumerate(fields.items("events")):
        with located("events", position):
            shown = Fields.parse(value, ("raw", "secret"), code=Code.CAPTURE_MALFORMED)
            events.append(
                Event.parse(shown.text("raw"), context=context, secret=shown.text("secret"))
            )
    return tuple(events)


def _no_mandate(issuer: Label, kind: str, leaf_index: int) -> VerificationError:
    return VerificationError(
        Code.MANDATE_MISSING,
        f"no mandate below entry {leaf_index} lets issuer {issuer} state {kind}",
        path=("payload", "iss"),
    )
