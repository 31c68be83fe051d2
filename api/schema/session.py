"""What one request knows, and its batched loads.

    Session               the caller, the service, the present size; one per request
    Session.reading       a database session for one unit of work
    Session.refused       why a mutation did nothing, and when it may do better
    Session.shown         the head that the proofs of one answer lead to
    Session.ratings       ratings of many subjects together; `load` raises what refuses one
    Session.statements    pages of statements of many subjects together
    Session.at            statements by leaf index together
    Session.referents     what statements refer to, by name, as far as it may be seen
    Session.referring     pages of the statements that refer to some
    VisibleStatement      a statement, and how much of it the caller may see
    StatementPage         some of them, and whether more follow
    Rated                 a rating, and the policy it follows
    Shown                 a head, and when it was signed

Who may see what is decided here and nowhere else: `public_on` is a predicate of the statement that
reads facts. It is None where the caller sees all of a subject, and today's day everywhere else,
whatever `asOf` and `knownAt` ask. A rating for someone who does not see all of a subject is folded
from what may be shown, so that neither reasons nor points nor past grades tell of what may not.

Root fields run side by side, so nothing here shares a database session between two of them, and
nothing holds one while it waits for another.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from api.access import Caller
from api.errors import ReadOnly, retry_after_s
from api.heads import ShownHead, served_head
from api.schema.clocks import Clocks
from api.schema.nodes import Page
from api.schema.outcome import Refusal, refused
from api.service import Service
from credit.errors import CreditError
from credit.facts import Fact
from credit.policy import Policy
from credit.rating import History, Rating
from credit.ratings import Ratings, StatedFact
from ledger.authority import Authorities
from ledger.control import Control
from ledger.entries import READ_MAX, Entries, LoggedEntry
from ledger.errors import LedgerEmpty
from ledger.identity import SubjectLabel
from ledger.statement import Statement
from ledger.tables import CursorRow
from ledger.writer import Writer


@dataclass(frozen=True, slots=True)
class VisibleStatement:
    """A statement the caller may see; whole, or as it is published."""

    entry: LoggedEntry
    statement: Statement
    whole: bool
    issuer_names: Mapping[str, str]
    clocks: Clocks | None = None
    """By which it was asked for; None for today, as known now."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating under a policy, at both clocks."""

    rating: Rating
    history: History
    facts: Sequence[Fact]
    """Those that the caller may know of, whose fold it is."""
    policy: Policy
    clocks: Clocks
    subject: SubjectLabel


@dataclass(frozen=True, slots=True)
class StatementPage:
    """A page of a subject's statements, and whether more follow."""

    statements: tuple[VisibleStatement, ...]
    more: bool


_RatingKey: TypeAlias = tuple[SubjectLabel, Clocks]
_PageKey: TypeAlias = tuple[SubjectLabel, Clocks, Page]
_ReferringKey: TypeAlias = tuple[SubjectLabel, int, Clocks, Page]
"""Subject and leaf index of the statement that is referred to."""


class Shown(NamedTuple):
    """A head, and when it was signed."""

    head: ShownHead
    logged_at: datetime


class Session:
    """One request. Loaders live as long as it does, so that nothing leaks to the next caller."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self.service = service
        self.caller = caller
        self.today = service.today
        self.ratings: DataLoader[_RatingKey, Rated] = DataLoader(self._rate)
        self.statements: DataLoader[_PageKey, StatementPage] = DataLoader(self._pages)
        self.at: DataLoader[int, VisibleStatement | None] = DataLoader(self._at)
        self.referents: DataLoader[str, VisibleStatement | None] = DataLoader(self._referents)
        self.referring: DataLoader[_ReferringKey, StatementPage] = DataLoader(self._referring)
        self._size = _Once(self._read_size)
        self._names = _Once(self._read_names)
        self._shown = _Once(self._read_shown)
        self.retry_after_s: int | None = None
        """When a mutation that was refused may do better."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One unit of work."""
        async with self.service.database.reading() as session:
            yield session

    @property
    def writer(self) -> Writer:
        """Raises `ReadOnly`."""
        if self.service.sequencer is None:
            raise ReadOnly("this process does not write; ask the one that does")
        return self.service.sequencer

    def refused(self, error: Exception) -> Refusal:
        """The refusal, and on the answer as a whole when to try again. Raises what is none."""
        self.retry_after_s = retry_after_s(error)
        return refused(error)

    async def size(self) -> int:
        """What every view has read: the newest size at which answers agree. The same all along."""
        return await self._size()

    async def issuer_names(self) -> Mapping[SubjectLabel, Mapping[str, str]]:
        """What the issuers are called, as their keys were begun."""
        return await self._names()

    async def shown(self, *, covering: int = 0) -> Shown:
        """The head that every proof of this answer leads to. Raises `LedgerEmpty`, `QuorumMissing`.

        Without a witness policy one that covers index `covering`, if the log has it: what a
        mutation of this request stated is proven under the next head.
        """
        shown = await self._shown()
        if shown.head.tree_size <= covering and self.service.settings.witness_policy is None:
            self._shown = _Once(self._read_shown)
            shown = await self._shown()
        return shown

    def public_on(self, subject: SubjectLabel) -> date | None:
        """The day by which publicity is judged, or None where the caller sees all."""
        return None if self.caller.sees_all_of(subject) else self.today

    def _by_publicity(
        self, subjects: Sequence[SubjectLabel]
    ) -> dict[date | None, list[SubjectLabel]]:
        """At most two groups: what the caller sees all of, and the rest."""
        groups: dict[date | None, list[SubjectLabel]] = defaultdict(list)
        for subject in subjects:
            groups[self.public_on(subject)].append(subject)
        return groups

    async def _read_size(self) -> int:
        async with self.reading() as session:
            query = select(func.min(CursorRow.next_index))
            size: int | None = await session.scalar(query)
        if not size:
            raise LedgerEmpty("the log has no entry yet")
        return size

    async def _read_shown(self) -> Shown:
        service = self.service
        async with self.reading() as session:
            head = await served_head(session, service.settings.witness_policy, service.cosigning)
            signed = await Entries(session).head_at(head.tree_size)
        assert signed is not None
        return Shown(head, signed.logged_at)

    async def _read_names(self) -> Mapping[SubjectLabel, Mapping[str, str]]:
        if self.service.sequencer is not None:
            return self.service.sequencer.authorities.names
        size = await self.size()
        authorities = Authorities()
        async with self.reading() as session:
            for entry in await Entries(session).controls(size):
                assert isinstance(entry.body, Control)
                authorities = authorities.after(entry.body, entry.leaf_index)
        return authorities.names

    async def _rate(self, keys: list[_RatingKey]) -> list[Rated | CreditError]:
        answers: dict[_RatingKey, Rated | CreditError] = {}
        async with self.reading() as session:
            ratings = Ratings(session)
            for clocks, subjects in _grouped(keys).items():
                try:
                    policy = await ratings.policy_in_force(
                        as_of=clocks.as_of, tree_size=clocks.tree_size
                    )
                except CreditError as error:
                    answers.update({(subject, clocks): error for subject in subjects})
                    continue
                for public_on, group in self._by_publicity(subjects).items():
                    facts = await ratings.facts_of_each(
                        group, tree_size=clocks.tree_size, public_on=public_on
                    )
                    for subject in group:
                        answers[subject, clocks] = _rated(policy, facts[subject], clocks, subject)
        return [answers[key] for key in keys]

    async def _pages(self, keys: list[_PageKey]) -> list[StatementPage]:
        indexes: dict[_PageKey, list[int]] = {}
        alike: dict[tuple[Clocks, Page], list[SubjectLabel]] = defaultdict(list)
        for subject, clocks, page in keys:
            alike[clocks, page].append(subject)
        async with self.reading() as session:
            ratings = Ratings(session)
            for (clocks, page), subjects in alike.items():
                for public_on, group in self._by_publicity(subjects).items():
                    facts = await ratings.facts_of_each(
                        group,
                        tree_size=clocks.tree_size,
                        as_of=clocks.as_of,
                        public_on=public_on,
                        after=-1 if page.after is None else int(page.after),
                        limit=page.first + 1,
                    )
                    for subject in group:
                        found = [stated.fact.leaf_index for stated in facts[subject]]
                        indexes[subject, clocks, page] = found
            return await self._opened(session, [(key[1], key[2], indexes[key]) for key in keys])

    async def _referents(self, keys: list[str]) -> list[VisibleStatement | None]:
        size = await self.size()
        async with self.reading() as session:
            found = await self.service.referents.find(session, keys, tree_size=size)
            places = [(referent.subject, referent.leaf_index) for referent in found.values()]
            visible = await self._seen(session, places)
            entries = await _entries(session, sorted(index for _, index in visible))
        names = await self.issuer_names()
        answers: list[VisibleStatement | None] = []
        for key in keys:
            entry = entries.get(found[key].leaf_index) if key in found else None
            answers.append(None if entry is None else self._visible(entry, names))
        return answers

    async def _referring(self, keys: list[_ReferringKey]) -> list[StatementPage]:
        indexes: dict[_ReferringKey, list[int]] = {}
        alike: dict[tuple[Clocks, Page], list[tuple[SubjectLabel, int]]] = defaultdict(list)
        for subject, leaf_index, clocks, page in keys:
            alike[clocks, page].append((subject, leaf_index))
        async with self.reading() as session:
            for (clocks, page), places in alike.items():
                for public_on, subjects in self._by_publicity(
                    list({subject for subject, _ in places})
                ).items():
                    found = await Ratings(session).referring_to(
                        [place for place in places if place[0] in subjects],
                        tree_size=clocks.tree_size,
                        as_of=clocks.as_of,
                        public_on=public_on,
                        after=-1 if page.after is None else int(page.after),
                        limit=page.first + 1,
                    )
                    for place, referring in found.items():
                        indexes[(*place, clocks, page)] = referring
            return await self._opened(session, [(key[2], key[3], indexes[key]) for key in keys])

    async def _opened(
        self, session: AsyncSession, pages: Sequence[tuple[Clocks, Page, Sequence[int]]]
    ) -> list[StatementPage]:
        """Pages of statements at these indexes, of each page one more than it shows if any."""
        wanted = {index for _, page, indexes in pages for index in indexes[: page.first]}
        entries = await _entries(session, sorted(wanted))
        names = await self.issuer_names()
        return [
            StatementPage(
                tuple(
                    self._visible(entries[index], names, clocks) for index in indexes[: page.first]
                ),
                more=len(indexes) > page.first,
            )
            for clocks, page, indexes in pages
        ]

    async def _at(self, keys: list[int]) -> list[VisibleStatement | None]:
        """Statements by index; None where there is none that the caller may see."""
        async with self.reading() as session:
            entries = await _entries(session, sorted(set(keys)))
            places = [
                (entry.body.subject, leaf_index)
                for leaf_index, entry in entries.items()
                if isinstance(entry.body, Statement)
            ]
            visible = {leaf_index for _, leaf_index in await self._seen(session, places)}
        names = await self.issuer_names()
        return [self._visible(entries[key], names) if key in visible else None for key in keys]

    async def _seen(
        self, session: AsyncSession, places: Sequence[tuple[SubjectLabel, int]]
    ) -> set[tuple[SubjectLabel, int]]:
        """Of statements by subject and index, those that the caller may see."""
        shown: set[tuple[SubjectLabel, int]] = set()
        for public_on, subjects in self._by_publicity(
            list({subject for subject, _ in places})
        ).items():
            group = [place for place in places if place[0] in subjects]
            shown |= await Ratings(session).shown(group, public_on=public_on)
        return shown

    def _visible(
        self,
        entry: LoggedEntry,
        names: Mapping[SubjectLabel, Mapping[str, str]],
        clocks: Clocks | None = None,
    ) -> VisibleStatement:
        statement = entry.body
        assert isinstance(statement, Statement)
        return VisibleStatement(
            entry=entry,
            statement=statement,
            whole=self.caller.sees_all_of(statement.subject),
            issuer_names=names.get(statement.issuer, {}),
            clocks=clocks,
        )


_Answer = TypeVar("_Answer")

Info: TypeAlias = StrawberryInfo[Session, Any]


class _Once(Generic[_Answer]):
    """An answer that is read once, whoever asks first."""

    def __init__(self, read: Callable[[], Awaitable[_Answer]]) -> None:
        self._read = read
        self._task: asyncio.Future[_Answer] | None = None

    async def __call__(self) -> _Answer:
        if self._task is None:
            self._task = asyncio.ensure_future(self._read())
        return await asyncio.shield(self._task)


def _rated(
    policy: Policy, facts: Sequence[StatedFact], clocks: Clocks, subject: SubjectLabel
) -> Rated | CreditError:
    try:
        known = [stated.fact for stated in facts]
        history = History.of(policy, known, tree_size=clocks.tree_size)
    except CreditError as refusal:
        return refusal
    return Rated(history.rating(clocks.as_of), history, known, policy, clocks, subject)


def _grouped(keys: Sequence[_RatingKey]) -> dict[Clocks, list[SubjectLabel]]:
    groups: dict[Clocks, list[SubjectLabel]] = defaultdict(list)
    for subject, clocks in keys:
        groups[clocks].append(subject)
    return groups


async def _entries(session: AsyncSession, indexes: Sequence[int]) -> dict[int, LoggedEntry]:
    entries: dict[int, LoggedEntry] = {}
    for first in range(0, len(indexes), READ_MAX):
        for entry in await Entries(session).of_indexes(indexes[first : first + READ_MAX]):
            entries[entry.leaf_index] = entry
    return entries
