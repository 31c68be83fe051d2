"""A progress bar on standard error, where a person watches; its last state, where none does.

Bar            how far a piece of work is
Bar.shown      while a block runs
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """One bar; how long it is may become known on the way."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    @classmethod
    @contextmanager
    def shown(cls, title: str) -> Iterator[Bar]:
        """Draw it until the block ends."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield cls(progress, progress.add_task(title, total=None))

    def expect(self, total: int) -> None:
        """So much is to be done in all."""
        self._progress.update(self._task, total=total)

    def advance(self, done: int) -> None:
        """So much more is done."""
        self._progress.advance(self._task, done)
