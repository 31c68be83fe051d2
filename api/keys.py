"""Keys at an operator's hands: listed, sealed, served, replaced.

    list_keys        every key of this process, each a ListedKey: its name and thumbprint
    encrypt_keys     seals a keystore that lies open; reencrypt_keys seals it anew
    serve_agent      keeps the keys for another process, until a signal
    rotate_issuer    another key for an authority whose key we keep
    end_key          a key of an authority signs no more, whoever keeps it
    rotate_log       another key for the log itself
    Rotated          what became of it
    RotationRefused  a rotation that has nothing to do, or nothing to do it with

A rotation makes the key first and states it second: a crash between leaves a key that signs
nothing, and the next run takes that one. The root key signs these entries; where another
agent keeps it, `root_agent` is its socket. docs/keys.md says what to do when.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from api.custody import custody_of, keystore_of
from api.door import door
from api.export import subject_named
from api.fault import Fault
from api.founding import DOOR_LABEL, DOOR_NAME
from api.migration import require_head
from api.office import accepted, control_line, submit_lines
from api.service import Service, system_clock
from api.settings import Settings
from api.storage import open_database
from ledger.admission import Submission
from ledger.authority import Authorities
from ledger.control import LOG_LABEL, ControlContent, KeyBegin, KeyEnd, LogKey, issue_control
from ledger.cosignature import Cosigner
from ledger.custody import ML_DSA_44_SUFFIX, Custody, KeptKey, next_name, series
from ledger.entries import Entries
from ledger.errors import WriterBusy
from ledger.identity import SubjectLabel
from ledger.key_agent import AgentCustody, answering
from ledger.keystore import Keystore
from ledger.note import Signer
from ledger.vault import Unlocking


class RotationRefused(Fault):
    """There is nothing to replace, or nothing to replace it with."""

    code: ClassVar[str] = "COMMAND_ROTATION_REFUSED"


@dataclass(frozen=True, slots=True)
class Rotated:
    """The key that signs from an index on."""

    leaf_index: int
    keys: tuple[str, ...]
    """A thumbprint, or the log's verifier keys."""
    ended: tuple[str, ...] = ()
    """Thumbprints of keys that sign no more."""

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {"ended": [*self.ended], "keys": [*self.keys], "leaf_index": self.leaf_index}

    def text(self) -> str:
        """In words."""
        lines = [f"from entry {self.leaf_index} on:", *(f"  signs  {key}" for key in self.keys)]
        return "\n".join([*lines, *(f"  ended  {key}" for key in self.ended)])


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key by name and thumbprint; `sealed` is None where an agent keeps it."""

    name: str
    kid: str
    sealed: bool | None

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {"kid": self.kid, "name": self.name, "sealed": self.sealed}

    def text(self) -> str:
        """In words."""
        ways = {True: "sealed", False: "lies open", None: "kept by the agent"}
        return f"{self.kid}  {ways[self.sealed]:<17}  {self.name}"


def list_keys(settings: Settings) -> Sequence[ListedKey]:
    """Every key, by name. Nothing is unlocked for it."""
    if settings.key_agent is None:
        kept = Keystore(settings.keys_folder).kept()
        return [ListedKey(file.name, file.kid, file.sealed) for file in kept]
    custody = custody_of(settings)
    return [ListedKey(name, custody.get(name).kid, None) for name in custody.names()]


def encrypt_keys(settings: Settings) -> int:
    """Says how many keys were sealed. Raises `KeystoreLocked`, `KeystoreSecretWrong`."""
    return keystore_of(settings).encrypt()


def reencrypt_keys(settings: Settings, unlocking: Unlocking) -> int:
    """Says how many keys were sealed anew. Raises `KeystoreLocked`, `KeystoreSecretWrong`."""
    return keystore_of(settings).reencrypt(unlocking)


async def serve_agent(
    settings: Settings, path: Path, *, group: str | None, say: Callable[[str], None]
) -> None:
    """Sign with the keys of this keystore for whoever may open the socket, until a signal.

    Raises `KeystoreSecretWrong` before it serves, `FileExistsError`, `LookupError`.
    """
    keystore = keystore_of(settings)
    names = keystore.names()
    if names:
        # A wrong passphrase shows here, and not when the first signature is wanted.
        keystore.get(names[0])
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    async with answering(keystore, path, group=group):
        say(f"keeping {len(names)} keys, signing at {path}")
        await stopped.wait()


async def rotate_issuer(
    settings: Settings, issuer: str, *, root_agent: Path | None = None
) -> Rotated:
    """Begin a new key for an issuer, then end those it had here, whether they are there or gone.

    `door` is the issuer of captures for parties that have no key. A crash between leaves both keys
    in force; run again, it ends the old one. Raises
    `RotationRefused`, `KeyNotKept`, and what the log refuses.
    """
    custody = custody_of(settings)
    subject, authorities = await _known(settings, issuer)
    stem = DOOR_NAME if subject == DOOR_LABEL else subject
    kept = [custody.get(name) for name in series(custody.names(), stem)]
    ours = [one for one in authorities.keys.values() if one.issuer == subject and one.custodial]
    live = [one.kid for one in ours if one.ended_index is None]
    if not ours:
        raise RotationRefused(f"no key of {subject} was ever begun here", path=("issuer",))
    unused = [key for key in kept if key.kid not in authorities.keys]
    if len(live) > 1 and kept and kept[-1].kid == live[-1]:
        # After a crash in between there are two, and the newer one is the one that stays.
        new, ended = kept[-1], live[:-1]
    else:
        # A key that is gone leaves its number to whoever finds it again.
        name = next_name([*custody.names(), f"{stem}-{len(ours)}"], stem)
        new, ended = unused[-1] if unused else custody.create(name), live
    names = authorities.names[subject]
    contents: dict[str, ControlContent] = {
        f"key-begin-{new.kid}": KeyBegin(subject, new.public_key, custodial=True, names=names),
        **{f"key-end-{kid}": KeyEnd(subject, kid) for kid in ended},
    }
    indexes = await _stated(settings, contents, _root(custody, root_agent))
    return Rotated(indexes[0], (new.kid,), tuple(ended))


async def end_key(
    settings: Settings, issuer: str, kid: str, *, root_agent: Path | None = None
) -> Rotated:
    """A key signs no more from the next entry on, whoever keeps it. Raises `KeyUnknown`."""
    subject, _ = await _known(settings, issuer)
    contents: dict[str, ControlContent] = {
        f"key-end-{kid}": KeyEnd.parse({"issuer": subject, "kid": kid})
    }
    (leaf_index,) = await _stated(settings, contents, _root(custody_of(settings), root_agent))
    return Rotated(leaf_index, (), (kid,))


async def rotate_log(
    settings: Settings,
    *,
    ml_dsa_44: bool | None = None,
    keep_ed25519: bool = False,
    lost: bool = False,
    root_agent: Path | None = None,
) -> Rotated:
    """Begin new keys for the log. `ml_dsa_44` None keeps to one key or two, as it is.

    With `lost` the old key need not be there to sign the head that hands over. Raises
    `RotationRefused`, `KeyNotKept`, and what the log refuses.
    """
    custody = custody_of(settings)
    _, authorities = await _known(settings, None)
    current = authorities.log_keys.latest.key
    records = authorities.log_keys.records
    first_keys = {record.key.ed25519.public_key for record in records}
    second_keys = {key.public_key for key in (record.key.ml_dsa_44 for record in records) if key}
    is_double = current.ml_dsa_44 is not None
    to_be_double = is_double if ml_dsa_44 is None else ml_dsa_44
    if keep_ed25519 and not is_double and not to_be_double:
        raise RotationRefused("the Ed25519 key is to stay, and there is no other to replace")
    ed25519, second = current.ed25519, None
    if not keep_ed25519:
        ed25519 = Signer(current.ed25519.name, _fresh(custody, first_keys, "")).verifier
    if to_be_double:
        second = Cosigner(ed25519.name, _fresh(custody, second_keys, ML_DSA_44_SUFFIX)).verifier
    content = LogKey(ed25519, second)
    name = "-".join(["log-key", *(key.key_id.hex() for key in content.verifiers)])
    root = _root(custody, root_agent)
    (leaf_index,) = await _stated(settings, {name: content}, root, key_lost=lost)
    return Rotated(leaf_index, tuple(key.vkey for key in content.verifiers))


def _fresh(custody: Custody, used: Collection[bytes], suffix: str) -> KeptKey:
    """The newest key of the log that never signed, made where there is none."""
    names = series(custody.names(), "log", suffix)
    newest = custody.get(names[-1]) if names else None
    if newest is not None and newest.public_key not in used:
        return newest
    # A key that is gone leaves its number to whoever finds it again.
    lost = [f"log-{len(used)}{suffix}"] if used else []
    return custody.create(next_name([*names, *lost], "log", suffix))


def _root(custody: Custody, agent: Path | None) -> KeptKey:
    return (custody if agent is None else AgentCustody(agent)).get("root")


async def _known(settings: Settings, issuer: str | None) -> tuple[SubjectLabel, Authorities]:
    """Whom the operator means, and what the log says of keys."""
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            entries = Entries(session)
            authorities = await entries.authorities((await entries.head()).tree_size)
            match issuer:
                case None:
                    subject = LOG_LABEL
                case "door":
                    subject = DOOR_LABEL
                case _:
                    subject = await subject_named(session, issuer)
    finally:
        await database.close()
    return subject, authorities


async def _stated(
    settings: Settings,
    contents: Mapping[str, ControlContent],
    root: KeptKey,
    *,
    key_lost: bool = False,
) -> list[int]:
    """The indexes of these entries: written here, or sent to the server that writes."""
    at = int(system_clock().timestamp())
    bodies = [
        issue_control(content, key=root, jti=jti, issued_at=at) for jti, content in contents.items()
    ]
    try:
        async with Service.opened(settings, writes=True, key_lost=key_lost) as service:
            indexes = []
            for body in bodies:
                (acknowledgement,) = await service.writer.submit(Submission((body,)))
                indexes.append(acknowledgement.leaf_index)
            await service.followed(service.writer.tree_size)
            return indexes
    except WriterBusy:
        lines = [control_line(body) for body in bodies]
        async with door(settings) as client:
            return [accepted(answer) for answer in await submit_lines(client, lines)]
