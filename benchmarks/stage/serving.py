"""`xin serve` as an operator runs it: a process of its own.

served    serving a founded log until the block ends
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from api.settings import Settings


@contextmanager
def served(settings: Settings, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """It answers; `more` are variables of its environment."""
    environment = {
        **os.environ,
        **(more or {}),
        "XIN_HOME": str(settings.home),
        "XIN_DATABASE_URL": settings.database_url,
        "XIN_DEMO": "1",
        "PORT": str(settings.port),
    }
    program = Path(sys.executable).with_name("xin")
    with subprocess.Popen([program, "serve"], env=environment, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            assert said.startswith(b"serving"), said
            yield
        finally:
            server.terminate()
