"""What tests of the doors may ask for: a founded log behind a real application.

doors    a migrated database, a service that writes, its application, and callers of each tier
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.doors import Doors


@pytest.fixture
async def doors(database_url: str, tmp_path: Path) -> AsyncIterator[Doors]:
    """Open doors; closed at the end of the test."""
    async with Doors.opened(database_url, tmp_path) as opened:
        yield opened
