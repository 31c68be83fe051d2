"""A database whose statements fail, whichever make it is of.

failing_database   the URL of a database through a driver, or a line, that asks a `Failing`
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from tests.faults.failing import Failing
from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.sqlite_driver import failing_sqlite


@asynccontextmanager
async def failing_database(url: str, failing: Failing) -> AsyncIterator[str]:
    """The URL of the database through a driver, or a line, that fails."""
    if make_url(url).get_backend_name() == "sqlite":
        with failing_sqlite(failing):
            yield url
        return
    # A socket's path is short; the test's own folder may be deep.
    with TemporaryDirectory(prefix="xin-") as folder:
        async with PostgresProxy.listening(url, Path(folder), failing) as proxy:
            yield proxy.url
