"""A new log: its keys, its genesis, and the authorities that may state in it.

    prepare_keys      the log's own keys, where they are missing
    found             make keys and genesis; nothing happens where a log stands already
    admit_authority   a custodial key and a mandate for an issuer, where they are missing
    adopt_policy      put a credit policy in force, where it is not
    adoption          the entry by which that is done, and its reference

All are safe to call again. The root key signs every one of these entries; in production it is kept
off this machine and its entries arrive finished at the door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.service import Service
from credit.policy import Policy
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.canonical import decode
from ledger.control import (
    ControlContent,
    Genesis,
    KeyBegin,
    Mandate,
    PolicyAdoption,
    issue_control,
)
from ledger.custodial import newest_key
from ledger.custody import Custody, KeptKey
from ledger.identity import SubjectLabel, control_label
from ledger.kinds import CAPTURE_MANDATE
from ledger.note import Signer

DOOR_LABEL = control_label("door")
"""The issuer of captures for parties that have no key of their own."""

DOOR_NAME = "door"
"""What its key is kept under; the ones after it are numbered."""

LOG_KEYS = ("root", "log", "map", DOOR_NAME)


def prepare_keys(keystore: Custody) -> None:
    """The log's own keys, made once from the system's randomness."""
    for name in LOG_KEYS:
        if not keystore.has(name):
            keystore.create(name)


async def found(service: Service, *, operator: str) -> None:
    """Genesis and the door's key and mandate, where the log is empty."""
    keystore, origin = service.keystore, service.settings.origin
    if service.writer.authorities.genesis is None:
        genesis = Genesis(
            origin=origin,
            operator=operator,
            root_key=keystore.get("root").public_key,
            log_key=Signer(origin, keystore.get("log")).verifier,
            map_origin=f"{origin}/map",
            map_key=Signer(f"{origin}/map", keystore.get("map")).verifier,
            map_version=1,
        )
        await _state(service, genesis, "genesis")
    await _admit(
        service,
        DOOR_LABEL,
        keystore.get("door"),
        names={"en": "Door of this server", "zh": "本平台代签"},
        kinds=(CAPTURE_MANDATE,),
    )


async def admit_authority(
    service: Service, issuer: SubjectLabel, *, names: Mapping[str, str], kinds: Sequence[str]
) -> None:
    """A key in custody for an issuer, begun in the log, and a mandate for exactly these kinds."""
    keystore = service.keystore
    key = newest_key(keystore, issuer)
    await _admit(service, issuer, key, names=names, kinds=kinds)


async def adopt_policy(service: Service, document: bytes) -> None:
    """Adopt a policy by its canonical bytes. Raises `credit.errors.PolicyError`."""
    reference, content = adoption(Policy.parse(document))
    await _state(service, content, reference)


def adoption(policy: Policy) -> tuple[str, PolicyAdoption]:
    """Reference and content. The one follows from the other, so that a policy is adopted once."""
    document = decode(policy.document)
    assert isinstance(document, dict)
    return f"policy-{policy.hash.hex()[:40]}", PolicyAdoption(document)


async def _admit(
    service: Service,
    issuer: SubjectLabel,
    key: KeptKey,
    *,
    names: Mapping[str, str],
    kinds: Sequence[str],
) -> None:
    authorities = service.writer.authorities
    if key.kid not in authorities.keys:
        begin = KeyBegin(issuer, key.public_key, custodial=True, names=names)
        await _state(service, begin, f"key-begin-{key.kid}")
    if authorities.mandates.get(issuer) != frozenset(kinds):
        mandate = Mandate(issuer, tuple(sorted(kinds)))
        # A later mandate replaces this one, so its reference carries the log's present size.
        await _state(service, mandate, f"mandate-{service.writer.tree_size}")


async def _state(service: Service, content: ControlContent, jti: str) -> Acknowledgement:
    body = issue_control(
        content,
        key=service.keystore.get("root"),
        jti=jti,
        issued_at=int(service.now().timestamp()),
    )
    (acknowledgement,) = await service.writer.submit(Submission((body,)))
    return acknowledgement
