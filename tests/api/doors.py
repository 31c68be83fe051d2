"""The doors of a small world: everything real, but for the clock.

Doors           service, application, clock; one client per tier
Doors.opened    on an empty database
Doors.widen     lets the market authority state every kind
Doors.ask       a GraphQL operation as a caller of some tier
fine, suspicion    what a market authority states
"""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from api.access import DEMO_ISSUER, DEMO_KEY, Credential, Tier, issue_credential
from api.app import create_app
from api.founding import admit_authority, adopt_policy, found, prepare_keys
from api.migration import migrate
from api.service import Service
from api.settings import Settings
from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.canonical import Json
from ledger.custody import KeptKey
from ledger.database import Database
from ledger.identity import Identity, SubjectLabel
from ledger.keystore import Keystore
from ledger.kinds import KINDS
from ledger.salts import fresh_salts
from ledger.statement import Severity, Statement, Weighing, issue
from tests.world import DAIRY, MARKET, PERSON, REGISTRY, Clock, draft_about

ORIGIN = "ledger.test/xinyuan"

POLICY = (
    Path(__file__).resolve().parents[2] / "credit" / "policies" / "xinyuan-export-credit-0.2.0.json"
)

PERSON_LABEL = SubjectLabel("A" * 42 + "E")

FINDINGS = ("enforcement", "fraud-case", "inspection", "ip-case")


@dataclass
class Doors:
    """A founded log with a registry and a market authority, and the application over it."""

    service: Service
    app: ASGIApp
    clock: Clock
    client: httpx.AsyncClient
    references: Any = field(default_factory=lambda: count(1))

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        url: str,
        folder: Path,
        *,
        tiles_folder: Path | None = None,
        drop_partial_tiles: bool = False,
    ) -> AsyncIterator["Doors"]:
        """Found the log on an empty database and serve it in this process."""
        settings = Settings(
            home=folder,
            database_url=url,
            port=8000,
            origin=ORIGIN,
            demo=True,
            credential_issuers={},
            tiles_folder=tiles_folder,
            drop_partial_tiles=drop_partial_tiles,
        )
        clock = Clock(datetime(2026, 3, 1, 8, tzinfo=UTC))
        database = Database.connect(url)
        await migrate(database)
        await database.close()
        keystore = Keystore(settings.keys_folder)
        prepare_keys(keystore)
        keystore.create(DEMO_KEY)
        async with Service.opened(settings, writes=True, now=clock.now) as service:
            await found(service, operator="tests")
            await adopt_policy(service, POLICY.read_bytes().rstrip(b"\n"))
            for identity, name, kinds in (
                (REGISTRY, "Registry", ("binding", "filing")),
                (MARKET, "Market supervision", FINDINGS),
            ):
                await admit_authority(
                    service, identity.label(), names={"en": name, "zh": "某局"}, kinds=kinds
                )
            # Views follow in their own time; from here on nothing moves unless a test moves it.
            await service.followed(service.writer.tree_size)
            app = create_app(service)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://log.test") as client:
                yield cls(service, app, clock, client)

    async def widen(self) -> None:
        """From here on the market authority may state every kind there is."""
        names = {"en": "Market supervision", "zh": "某局"}
        await admit_authority(self.service, MARKET.label(), names=names, kinds=tuple(KINDS))
        await self.service.followed(self.service.writer.tree_size)

    def credential(
        self, tier: str, subject: SubjectLabel | None = None, **claims: str | int
    ) -> dict[str, str]:
        """Headers of a caller; no header for the public."""
        if tier == "public":
            return {}
        now = int(self.clock.at.timestamp())
        credential = Credential(
            issuer=DEMO_ISSUER,
            audience=ORIGIN,
            subject=subject or (DAIRY if tier == "enterprise" else MARKET).label(),
            tier=Tier(tier),
            issued_at=now,
            expires_at=now + 3_600,
            reference=secrets.token_hex(8),
        )
        key = self.service.keystore.get(DEMO_KEY)
        return {"Authorization": f"Bearer {issue_credential(credential, key)}"}

    async def post(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        tier: str = "public",
        subject: SubjectLabel | None = None,
    ) -> dict[str, Any]:
        """The whole answer to an operation."""
        answer = await self.client.post(
            "/graphql",
            json={"query": query, "variables": dict(variables or {})},
            headers=self.credential(tier, subject),
        )
        assert answer.status_code == 200, answer.text
        content = answer.json()
        assert isinstance(content, dict)
        return content

    async def ask(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        tier: str = "public",
        subject: SubjectLabel | None = None,
    ) -> dict[str, Any]:
        """The data of an operation that has no errors."""
        content = await self.post(query, variables, tier=tier, subject=subject)
        assert "errors" not in content, content["errors"]
        data = content["data"]
        assert isinstance(data, dict)
        return data

    async def entries(
        self, *lines: Mapping[str, Any] | bytes, tier: str = "authority"
    ) -> list[dict[str, Any]]:
        """Bulk submission: lines in, answers out."""
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        answer = await self.client.post(
            "/entries",
            content=b"\n".join(raw) + b"\n",
            headers={"Content-Type": "application/x-ndjson", **self.credential(tier)},
        )
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def draft(
        self,
        weighing: Weighing,
        *,
        about: Identity | SubjectLabel = DAIRY,
        particulars: Mapping[str, Json] | None = None,
        issuer: Identity = MARKET,
        jti: str | None = None,
        key: KeptKey | None = None,
    ) -> Statement:
        """A statement signed with the key this server keeps for its issuer."""
        draft = draft_about(
            about,
            weighing,
            particulars or {},
            issuer=issuer,
            jti=jti or f"T-{next(self.references)}",
            issued_at=int(self.clock.at.timestamp()),
        )
        return issue(draft, key or self.service.keystore.get(issuer.label()), fresh_salts())

    async def state(self, *statements: Statement) -> list[Acknowledgement]:
        """Each on its own; the views have read them when it returns."""
        answers = await self.service.writer.submit_each(
            Submission((statement,)) for statement in statements
        )
        acknowledgements: list[Acknowledgement] = []
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            acknowledgements += answer
        await self.service.followed(1 + max(one.leaf_index for one in acknowledgements))
        return acknowledgements

    async def file(self, identity: Identity, **particulars: Json) -> int:
        """File an organisation; says at which index."""
        members: dict[str, Json] = {"name": {"en": "Somebody"}, "country": "CN", **particulars}
        weighing = Weighing(
            kind="filing", code="enterprise", outcome="accepted", decided_on=date(2025, 1, 2)
        )
        statement = self.draft(weighing, about=identity, particulars=members, issuer=REGISTRY)
        return (await self.state(statement))[0].leaf_index

    async def bind_and_file_person(self) -> None:
        """A one-person business, by its random label."""
        weighing = Weighing(
            kind="binding",
            code="one-person-business",
            outcome="bound",
            decided_on=date(2025, 1, 2),
        )
        subject: Json = {"id": PERSON.identifier, "scheme": "uscc"}
        binding = self.draft(
            weighing, about=PERSON_LABEL, particulars={"subject": subject}, issuer=REGISTRY
        )
        await self.state(binding)
        filing = Weighing(
            kind="filing", code="enterprise", outcome="accepted", decided_on=date(2025, 1, 2)
        )
        members: dict[str, Json] = {"name": {"zh": "董记豆制品店"}, "country": "CN"}
        await self.state(
            self.draft(filing, about=PERSON_LABEL, particulars=members, issuer=REGISTRY)
        )


def fine(
    day: date = date(2026, 2, 1), *, severity: Severity = Severity.GENERAL, case: str | None = None
) -> Weighing:
    """A decided fine."""
    return Weighing(
        kind="enforcement",
        code="hygiene",
        outcome="fine",
        severity=severity,
        decided_on=day,
        measures={"fine_fen": 5_000_000_000},
        case=case,
    )


def suspicion(day: date = date(2026, 2, 1)) -> Weighing:
    """A suspected fraud, which is never public and carries no points."""
    return Weighing(
        kind="fraud-case",
        code="refund-fraud",
        outcome="suspected",
        severity=Severity.SERIOUS,
        decided_on=day,
    )
