"""What an operator does with a ledger: make its tables, found it, serve it.

    migrate_database      the tables of this version
    found_ledger          tables, keys, genesis; says the log key
    serve_ledger          serve what is there
    serve_demonstration   found, serve, tell a story through the door
    rebuild_views         every view again, from log and opening store
    FileRefused           a file or folder that the system does not give

All are safe to repeat. Serving ends with SIGINT or SIGTERM, and closes what it opened.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Self

import httpx

from api.app import create_app
from api.custody import custody_of
from api.fault import Fault
from api.founding import found, prepare_keys
from api.hub import Hub
from api.migration import HEAD, migrate, require_head
from api.processes import Processes, settle
from api.rebuild import Rebuilt, rebuild
from api.service import Service, civil_day, system_clock, views
from api.serving import BACKLOG, Serving, listening
from api.settings import Settings
from api.storage import open_database
from api.story import Story, welcome
from api.tokens import write_demo_tokens
from ledger.entries import Entries
from ledger.errors import LedgerEmpty
from ledger.follower import Follower
from ledger.sequencer import Sequencer
from ledger.writer_lock import WriterLock

DEMO_OPERATOR = "Xinyuan demonstration"

Say = Callable[[str], None]


class FileRefused(Fault):
    """The system does not give a file or folder; `path` names it."""

    code: ClassVar[str] = "COMMAND_FILE_REFUSED"

    @classmethod
    def of(cls, error: OSError) -> Self:
        """What the system said, of which file."""
        return cls(f"the system refuses it: {error.strerror}", path=(str(error.filename),))


async def migrate_database(settings: Settings) -> str:
    """Make or bring on the tables; says the revision."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(settings)
    try:
        await migrate(database)
    finally:
        await database.close()
    return HEAD


async def found_ledger(settings: Settings, *, operator: str) -> str:
    """Tables, keys and genesis where they are missing; says the log's verifier key."""
    await migrate_database(settings)
    prepare_keys(custody_of(settings))
    async with Service.opened(settings, writes=True) as service:
        await found(service, operator=operator)
        await service.followed(service.writer.tree_size)
        return _log_key(service)


async def serve_ledger(settings: Settings, *, say: Say, writes: bool = True) -> None:
    """Serve a founded ledger until a signal. Raises `DatabaseNotAtHead`, `LedgerEmpty`."""
    with listening(settings.port) as taken:
        log_key = await _require_ledger(settings)
        if settings.doors and writes:
            await _serve_by_doors(settings, taken, say=say)
            return
        async with (
            Service.opened(settings, writes=writes) as service,
            Serving.running(create_app(service), taken) as serving,
        ):
            settle()
            say(f"serving {settings.address}/graphql, log key {log_key}")
            await serving.until_stopped()


async def _serve_by_doors(settings: Settings, taken: socket.socket, *, say: Say) -> None:
    """This process writes, and others answer and follow."""
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    taken.listen(BACKLOG)
    async with Service.opened(settings, writes=True, follows=False) as service:
        assert isinstance(service.writer, Sequencer)
        hub = Hub(service.writer)
        log_key = _log_key(service)

        async def serve() -> None:
            async with Processes.running(hub, taken, doors=settings.doors):
                settle()
                say(f"serving {settings.address}/graphql, log key {log_key}")
                await asyncio.Event().wait()

        serving = asyncio.create_task(serve(), name="serving")
        ending = asyncio.create_task(stopped.wait())
        try:
            # A signal is heard also while a process that does not start is tried again.
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            await hub.close()


async def serve_demonstration(settings: Settings, story: Story, *, say: Say) -> None:
    """Found a ledger where none is, serve it, tell the story through the door, then say where."""
    settings = replace(settings, demo=True)
    with listening(settings.port) as taken:
        await migrate_database(settings)
        keystore = custody_of(settings)
        prepare_keys(keystore)
        # The issuer's key must be there before the application asks whom to believe.
        write_demo_tokens(
            settings.tokens_folder,
            keystore,
            story.holders,
            audience=settings.origin,
            at=system_clock(),
        )
        async with Service.opened(settings, writes=True) as service:
            await found(service, operator=DEMO_OPERATOR)
            app = create_app(service)
            async with Serving.running(app, taken) as serving:
                say(f"answering at {settings.address}, telling the demonstration's world …")

                async def tell_and_say() -> None:
                    transport = httpx.ASGITransport(app)
                    async with httpx.AsyncClient(
                        transport=transport, base_url=settings.address
                    ) as client:
                        await story.tell(client, keystore)
                    await service.followed(service.writer.tree_size)
                    say(welcome(settings, story, log_key=_log_key(service)))

                await serving.until_stopped(tell_and_say())


async def rebuild_views(settings: Settings) -> Rebuilt:
    """Raises `DatabaseNotAtHead`, and `WriterBusy` while a server runs."""
    database = open_database(settings)
    try:
        await require_head(database)
        lock = await WriterLock.acquire(database, address="xin rebuild")
        try:
            day = civil_day(system_clock())
            return await rebuild(database, Follower(database, views()), day=day)
        finally:
            await lock.release()
    finally:
        await database.close()


async def _require_ledger(settings: Settings) -> str:
    """The log's verifier key."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(settings)
    try:
        await require_head(database)
        async with database.reading() as session:
            entries = Entries(session)
            log_keys = await entries.log_keys((await entries.head()).tree_size)
        return log_keys.latest.key.ed25519.vkey
    finally:
        await database.close()


def _log_key(service: Service) -> str:
    genesis = service.writer.authorities.genesis
    if genesis is None:
        raise LedgerEmpty("the log has no genesis yet; `xin init` founds it")
    return service.writer.authorities.log_keys.latest.key.ed25519.vkey
