"""The demonstration's world, told through the public door.

    tell     everything, as its authorities and firms would: statements, then captures
    STORY    whose credentials there are, how to tell it, what to ask about it

Authorities send signed statements to POST /entries; firms capture events by GraphQL, with their own
credentials. The dairy has a key of its own, for the others the door signs. Every reference follows
from what is told (`api.demo_cast`, `api.demo_goods`), so that telling it again adds nothing, and
telling it after an interruption adds the rest.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import httpx

import credit
from api.access import DEMO_ISSUER, DEMO_KEY, Credential, Tier, issue_credential
from api.answers import CAPTURE, Question
from api.demo_cast import AUTHORITIES, FIRMS, WORKSHOP, binding, synthetic_code, told
from api.demo_goods import ITEM, documents
from api.door import ask_through
from api.founding import adoption
from api.office import Office, accepted, control_line, submit_lines
from api.service import system_clock
from api.story import Story
from credit.policy import Policy
from ledger.canonical import b64url
from ledger.control import KeyBegin, issue_control
from ledger.custodial import newest_key
from ledger.custody import Custody, KeptKey
from ledger.identity import Identity, SubjectLabel
from ledger.salts import fresh_salts

POLICY = Path(credit.__file__).parent / "policies" / "xinyuan-export-credit-0.2.0.json"

REQUEST_LINES = 500
"""Some 1 MB."""

CREDENTIAL_S = 3_600
"""How long the credentials are good with which the story is told; telling takes seconds."""

KEYED_FIRM = "chilechuan"
"""The firm that signs its own captures."""

BANK = Identity.parse("uscc", synthetic_code("91", "150100", 701))


async def tell(
    client: httpx.AsyncClient,
    keystore: Custody,
    *,
    now: Callable[[], datetime] = system_clock,
) -> None:
    """Tell everything that is not told yet. Raises `OfficeFault`, `AnswerRefused`.

    `client` needs no credential: the demonstration's issuer, whose key lies in `keystore`, gives
    each speaker its own.
    """
    at = int(now().timestamp())
    speaking = _Speaking(client, keystore, await _origin(client), at)
    offices = {
        key: Office.opened(
            keystore, authority.identity, names=authority.names, kinds=authority.kinds
        )
        for key, authority in AUTHORITIES.items()
    }
    labels = _labels(offices["registry"].key)
    lines = await asyncio.to_thread(_lines, keystore, offices, labels, at)
    try:
        await speaking.state(offices["market"].label, lines)
        for key, document in documents():
            await speaking.capture(FIRMS[key].identity, document)
    finally:
        client.headers.pop("Authorization", None)


class _Speaking:
    """Requests in somebody's name."""

    def __init__(self, client: httpx.AsyncClient, keystore: Custody, origin: str, at: int) -> None:
        self._client = client
        self._key = keystore.get(DEMO_KEY)
        self._origin = origin
        self._at = at

    async def state(self, authority: SubjectLabel, lines: Sequence[bytes]) -> None:
        """Finished statements, in order; each is in the log afterwards."""
        self._speak_as(Tier.AUTHORITY, authority)
        for start in range(0, len(lines), REQUEST_LINES):
            for answer in await submit_lines(self._client, lines[start : start + REQUEST_LINES]):
                accepted(answer)

    async def capture(self, firm: Identity, document: str) -> None:
        """A firm's own events."""
        self._speak_as(Tier.ENTERPRISE, firm.label())
        # Named in full, since the views may not have read yet under which label it is filed.
        party = f"{firm.scheme.value}:{firm.identifier}"
        await ask_through(self._client, Question(CAPTURE, {"document": document, "party": party}))

    def _speak_as(self, tier: Tier, subject: SubjectLabel) -> None:
        credential = Credential(
            issuer=DEMO_ISSUER,
            audience=self._origin,
            subject=subject,
            tier=tier,
            issued_at=self._at,
            expires_at=self._at + CREDENTIAL_S,
            reference=secrets.token_hex(8),
        )
        self._client.headers["Authorization"] = f"Bearer {issue_credential(credential, self._key)}"


def _lines(
    keystore: Custody,
    offices: Mapping[str, Office],
    labels: Mapping[str, SubjectLabel],
    at: int,
) -> list[bytes]:
    """Policy, keys and mandates, then every statement."""
    root = keystore.get("root")
    reference, policy = adoption(Policy.parse(POLICY.read_bytes().strip()))
    adopted = issue_control(policy, key=root, jti=reference, issued_at=at)
    lines = [control_line(adopted)]
    for office in offices.values():
        lines += office.introduction(root, at=at)
    lines.append(_key_of_the_dairy(keystore, labels[KEYED_FIRM], root, at))
    salts = fresh_salts()
    for one in (binding(), *told()):
        lines.append(
            offices[one.by].line(
                labels[one.firm], one.jti, one.weighing, one.particulars, at=at, salts=salts
            )
        )
    return lines


def _key_of_the_dairy(keystore: Custody, label: SubjectLabel, root: KeptKey, at: int) -> bytes:
    key = newest_key(keystore, label)
    firm = FIRMS[KEYED_FIRM]
    begin = KeyBegin(label, key.public_key, custodial=True, names={"en": firm.en, "zh": firm.zh})
    return control_line(issue_control(begin, key=root, jti=f"key-begin-{key.kid}", issued_at=at))


def _labels(registry: KeptKey) -> dict[str, SubjectLabel]:
    """Whom each firm is in the log.

    The registry gives a person a random label. Here it is drawn from the registry's key, so that
    it is the same when the story is told again, and no more to be guessed than the key.
    """
    labels = {
        key: firm.identity.label() for key, firm in FIRMS.items() if not firm.identity.is_person
    }
    code = WORKSHOP.identity.identifier.encode()
    drawn = registry.draw(b"demonstration label " + code)
    return {**labels, WORKSHOP.key: SubjectLabel(b64url(drawn))}


async def _origin(client: httpx.AsyncClient) -> str:
    """The log's name, the first line of its checkpoint (C2SP tlog-checkpoint)."""
    answer = await client.get("/checkpoint")
    answer.raise_for_status()
    return answer.text.partition("\n")[0]


STORY = Story(
    holders={
        Tier.AUTHORITY: AUTHORITIES["market"].identity.label(),
        Tier.ENTERPRISE: FIRMS[KEYED_FIRM].identity.label(),
        Tier.BANK: BANK.label(),
    },
    tell=tell,
    enterprise=FIRMS["erenhot"].identity.identifier,
    link=ITEM,
)
