"""A world for stories of many steps: authorities, firms, goods, and a clock one can move.

    World              a founded log on a fresh database, with a registry and a market authority
    World.opened       the context in which a test plays
    World.widen        lets both authorities state every kind
    World.state        state one statement and hand it to the sequencer
    World.draft        the same, only signed
    draft_about        the same, only put together
    Clock              moves only when told
    genesis, filing, failed_inspection, accept_policy    what most stories begin with
    seed_of, key_of, signers_of    keys that every run shares
    rows_of_all_tables what the whole database holds, for "nothing was written"

Everything here is the real thing: real keys, the real sequencer, a real database.
"""

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count

from sqlalchemy import select

from ledger.admission import Submission
from ledger.batch import Acknowledgement
from ledger.canonical import Json
from ledger.control import (
    Control,
    ControlContent,
    Genesis,
    KeyBegin,
    Mandate,
    PolicyAdoption,
    issue_control,
)
from ledger.database import Database
from ledger.identity import Identity, SubjectLabel
from ledger.kinds import CAPTURE_MANDATE, KINDS
from ledger.log_keys import LogSigners
from ledger.note import Signer
from ledger.salts import fresh_salts
from ledger.seal import Party, SealedEvent, issue_capture
from ledger.seed_key import SeedKey
from ledger.sequencer import Sequencer
from ledger.statement import Draft, Severity, Statement, Weighing, issue
from ledger.tables import Base
from ledger.token import public_key_of

ORIGIN = "ledger.test/xinyuan"

REGISTRY = Identity.parse("uscc", "11150000MB0XY0014W")
MARKET = Identity.parse("uscc", "52150000MJ0XY00649")
DAIRY = Identity.parse("uscc", "91150121MA0XY0010Q")
TRADER = Identity.parse("uscc", "91150781MA0XY0029H")
CARRIER = Identity.parse("uscc", "91152501MA0XY0037Y")
PERSON = Identity.parse("uscc", "92150102MA0XY0045P")

ALL_KINDS = ("binding", "capture", "enforcement", "filing", "fraud-case", "inspection", "ip-case")
"""What an authority may state from the beginning; `World.widen` adds the others."""


def seed_of(name: str) -> bytes:
    """A key's seed, the same in every run."""
    return sha256(f"xinyuan test key {name}".encode()).digest()


def key_of(name: str) -> SeedKey:
    """A key, the same in every run; its name says the algorithm."""
    return SeedKey.of(name, seed_of(name))


def signers_of(*names: str) -> LogSigners:
    """Keys that may sign heads."""
    return LogSigners(lambda: map(key_of, names), ORIGIN)


@dataclass
class Clock:
    """Moves only when told."""

    at: datetime = datetime(2026, 3, 1, 8, tzinfo=UTC)

    def now(self) -> datetime:
        """The instant it shows."""
        return self.at

    def advance(self, **units: float) -> None:
        """By a timedelta's units."""
        self.at += timedelta(**units)


@dataclass
class World:
    """One log, its keys and its sequencer."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    signers: LogSigners = field(default_factory=lambda: signers_of("log"))
    sequencer: Sequencer = field(init=False)
    references: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, *, founded: bool = True) -> AsyncIterator["World"]:
        """A world on an empty database; closed at the end of the block."""
        database = Database.connect(url)
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        world = cls(database)
        await world.open_sequencer()
        try:
            if founded:
                await world.found()
            yield world
        finally:
            await world.sequencer.close()
            await database.close()

    async def open_sequencer(self) -> None:
        """As a process does when it starts."""
        self.sequencer = await Sequencer.open(
            self.database,
            self.signers,
            now=self.clock.now,
            policy_check=accept_policy,
        )

    async def reopen(self) -> None:
        """As after a restart."""
        await self.sequencer.close()
        await self.open_sequencer()

    async def found(self) -> None:
        """Genesis, then keys and mandates of the registry and the market authority."""
        await self.control(genesis())
        for name, identity in (("registry", REGISTRY), ("market", MARKET)):
            await self.begin_key(name, identity.label())
            await self.control(Mandate(identity.label(), ALL_KINDS))

    async def widen(self) -> None:
        """From here on both authorities may state every kind there is."""
        for identity in (REGISTRY, MARKET):
            kinds = tuple(sorted((*KINDS, CAPTURE_MANDATE)))
            await self.control(Mandate(identity.label(), kinds))

    async def begin_key(self, name: str, issuer: SubjectLabel) -> None:
        """The key called `name` begins to sign for an issuer."""
        public_key = public_key_of(seed_of(name))
        await self.control(KeyBegin(issuer, public_key, custodial=True, names={"en": name}))

    async def control(
        self, content: ControlContent, *, key: str = "root", jti: str | None = None
    ) -> Acknowledgement:
        """Sign a control entry and submit it."""
        body = self.signed(content, key=key, jti=jti)
        (acknowledgement,) = await self.sequencer.submit(Submission((body,)))
        return acknowledgement

    def signed(
        self, content: ControlContent, *, key: str = "root", jti: str | None = None
    ) -> Control:
        """A signed control entry."""
        reference = jti or f"control-{next(self.references)}"
        return issue_control(
            content, key=key_of(key), jti=reference, issued_at=int(self.clock.at.timestamp())
        )

    def draft(
        self,
        weighing: Weighing,
        *,
        about: Identity | SubjectLabel = DAIRY,
        particulars: Mapping[str, Json] | None = None,
        issuer: Identity = MARKET,
        key: str = "market",
        jti: str | None = None,
        salts: Iterator[bytes] | None = None,
    ) -> Statement:
        """A signed statement. An organisation is disclosed, a person's label is not."""
        draft = draft_about(
            about,
            weighing,
            particulars or {},
            issuer=issuer,
            jti=jti or f"S-{next(self.references)}",
            issued_at=int(self.clock.at.timestamp()),
        )
        return issue(draft, key_of(key), salts or fresh_salts())

    async def state(self, *statements: Statement) -> tuple[Acknowledgement, ...]:
        """Submit statements, all or none."""
        return await self.sequencer.submit(Submission(tuple(statements)))

    async def file(self, identity: Identity, name: str, **particulars: Json) -> Acknowledgement:
        """File an organisation."""
        members: dict[str, Json] = {"name": {"en": name}, "country": "CN", **particulars}
        statement = self.draft(
            filing(), about=identity, particulars=members, issuer=REGISTRY, key="registry"
        )
        (acknowledgement,) = await self.state(statement)
        return acknowledgement

    async def capture(
        self,
        *events: bytes,
        party: Identity = DAIRY,
        issuer: Identity | None = None,
        key: str = "dairy",
        context: bytes = b'"https://ref.gs1.org/standards/epcis/epcis-context.jsonld"',
    ) -> Acknowledgement:
        """Seal and submit events as one capture."""
        number = next(self.references)
        body = issue_capture(
            key=key_of(key),
            issuer=(issuer or party).label(),
            jti=f"capture-{number}",
            capture_id=f"00000000-0000-4000-8000-{number:012x}",
            issued_at=int(self.clock.at.timestamp()),
            party=Party.of(party),
            context=context,
            events=[SealedEvent(raw, secrets.token_bytes(16)) for raw in events],
        )
        (acknowledgement,) = await self.sequencer.submit(Submission((body,)))
        return acknowledgement


def draft_about(
    about: Identity | SubjectLabel,
    weighing: Weighing,
    particulars: Mapping[str, Json],
    *,
    issuer: Identity,
    jti: str,
    issued_at: int,
) -> Draft:
    """What an issuer states; an organisation is disclosed, a person's label is not."""
    members = dict(particulars)
    if isinstance(about, Identity):
        subject = about.label()
        members["subject"] = {"id": about.identifier, "scheme": about.scheme.value}
    else:
        subject = about
    return Draft(
        issuer=issuer.label(),
        subject=subject,
        jti=jti,
        issued_at=issued_at,
        weighing=weighing,
        particulars=members,
    )


def genesis() -> Genesis:
    """The genesis of every test's log."""
    return Genesis(
        origin=ORIGIN,
        operator="tests",
        root_key=public_key_of(seed_of("root")),
        log_key=Signer(ORIGIN, key_of("log")).verifier,
        map_origin=f"{ORIGIN}/map",
        map_key=Signer(f"{ORIGIN}/map", key_of("map")).verifier,
        map_version=1,
    )


def accept_policy(adoption: PolicyAdoption) -> None:
    """Ledger tests adopt documents that no credit engine reads."""


def filing(day: date = date(2025, 1, 2)) -> Weighing:
    """An enterprise is filed."""
    return Weighing(kind="filing", code="enterprise", outcome="accepted", decided_on=day)


def failed_inspection(
    day: date = date(2026, 2, 10), *, severity: Severity = Severity.GENERAL, case: str | None = None
) -> Weighing:
    """A laboratory found something."""
    return Weighing(
        kind="inspection",
        code="hygiene",
        outcome="fail",
        severity=severity,
        occurred_on=day,
        decided_on=day,
        case=case,
        basis="lab",
        measures={"samples": 5, "samples_failed": 1},
    )


async def rows_of_all_tables(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, in key order."""
    found = {}
    async with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            query = select(table).order_by(*table.primary_key.columns)
            found[table.name] = [tuple(row) for row in await session.execute(query)]
    return found
