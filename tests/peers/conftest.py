"""What tests of other people's verifiers may ask for.

oracles    one process of them for a run; skipped where `./xin test` could not install them, which
           under CI=true is a failure
doors      a founded log behind a real application, as tests/api has it
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.doors import Doors
from tests.peers.oracles import ENVIRONMENT, Oracles


@pytest.fixture(scope="session")
def oracles() -> Iterator[Oracles]:
    """Ready to be asked."""
    # The stamp is written last: half an environment is none.
    if not (ENVIRONMENT / "xin-stamp.json").exists():
        reason = "the environment .peers is not there: ./xin test says why"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with Oracles.running() as running:
        yield running


@pytest.fixture
async def doors(database_url: str, tmp_path: Path) -> AsyncIterator[Doors]:
    """Open doors; closed at the end of the test."""
    async with Doors.opened(database_url, tmp_path) as opened:
        yield opened
