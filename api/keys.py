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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from api.authorities import key_stem, next_key_name
from api.controls import known, root_key, state_controls
from api.custody import custody_of, keystore_of
from api.fault import Fault
from api.settings import Settings
from ledger.control import ControlContent, KeyBegin, KeyEnd, LogKey
from ledger.cosignature import Cosigner
from ledger.custody import ML_DSA_44_SUFFIX, Custody, KeptKey, next_name, series
from ledger.key_agent import answering
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
    log = await known(settings, issuer)
    subject, authorities, stem = log.subject, log.authorities, key_stem(log.subject)
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
        name = next_key_name(custody, stem, begun=len(ours))
        new, ended = unused[-1] if unused else custody.create(name), live
    names = authorities.names[subject]
    contents: dict[str, ControlContent] = {
        f"key-begin-{new.kid}": KeyBegin(subject, new.public_key, custodial=True, names=names),
        **{f"key-end-{kid}": KeyEnd(subject, kid) for kid in ended},
    }
    stated = await state_controls(settings, contents, root_key(custody, root_agent))
    return Rotated(stated[0].leaf_index, (new.kid,), tuple(ended))


async def end_key(
    settings: Settings, issuer: str, kid: str, *, root_agent: Path | None = None
) -> Rotated:
    """A key signs no more from the next entry on, whoever keeps it. Raises `KeyUnknown`."""
    log = await known(settings, issuer)
    contents = {f"key-end-{kid}": KeyEnd.parse({"issuer": log.subject, "kid": kid})}
    root = root_key(custody_of(settings), root_agent)
    (stated,) = await state_controls(settings, contents, root)
    return Rotated(stated.leaf_index, (), (kid,))


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
    authorities = (await known(settings, None)).authorities
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
    root = root_key(custody, root_agent)
    (stated,) = await state_controls(settings, {name: content}, root, key_lost=lost)
    return Rotated(stated.leaf_index, tuple(key.vkey for key in content.verifiers))


def _fresh(custody: Custody, used: Collection[bytes], suffix: str) -> KeptKey:
    """The newest key of the log that never signed, made where there is none."""
    names = series(custody.names(), "log", suffix)
    newest = custody.get(names[-1]) if names else None
    if newest is not None and newest.public_key not in used:
        return newest
    # A key that is gone leaves its number to whoever finds it again.
    lost = [f"log-{len(used)}{suffix}"] if used else []
    return custody.create(next_name([*names, *lost], "log", suffix))
