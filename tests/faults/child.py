"""Processes that may be killed at any moment: forked, so that each begins within milliseconds.

    Channel      what a child says, line by line, and where it waits
    Child        a forked process; its events, its gates, its end
    Child.start  run a coroutine function in one
    told         what a child says that runs to its end by itself
    Event        one line of JSON
    Silence      a child that neither speaks nor ends

The campaign's own process has no threads and no event loop when it forks, and everything imported
already. A child that is killed leaves no exit handler run and nothing flushed, as it should be.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn

Event = dict[str, Any]

HELD_UP_S = 60.0
"""Longer than anything here takes on a busy machine, a server's recovery among it."""


class Silence(Exception):
    """A child said nothing for HELD_UP_S, and did not end."""


@dataclass(frozen=True)
class Channel:
    """The child's side."""

    events: int
    gates: int

    def say(self, what: str, **members: object) -> None:
        """One line, written at once; who is killed later has said it."""
        line = json.dumps({"is": what, "at": time.time(), **members})
        os.write(self.events, line.encode() + b"\n")

    def gate(self, name: str) -> None:
        """Wait until the campaign has done what it does here."""
        self.say("gate", name=name)
        os.read(self.gates, 1)


Work = Callable[[Channel], Coroutine[Any, Any, None] | None]
"""What a child does; it has an event loop where that is a coroutine."""


@dataclass
class Child:
    """The campaign's side."""

    living: ClassVar[dict[int, "Child"]] = {}
    """Those that were started and not yet waited for."""

    pid: int
    _events: int
    _gates: int
    has_ended: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _heard: list[Event] = field(default_factory=list)
    _status: int | None = None

    @classmethod
    def start(cls, work: Work, *, log: Path) -> "Child":
        """Fork; what the child prints, and how it fails, goes to the end of `log`."""
        events, say = os.pipe()
        wait, gates = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(events)
            os.close(gates)
            _live(work, Channel(say, wait), log)
        os.close(say)
        os.close(wait)
        cls.living[pid] = child = cls(pid, events, gates)
        return child

    def next_event(self, within_s: float = HELD_UP_S) -> Event | None:
        """What it says next; None when it has ended. Raises `Silence`."""
        while not self._heard:
            if self.has_ended:
                return None
            if not select.select([self], [], [], within_s)[0]:
                raise Silence(f"process {self.pid} neither speaks nor ends")
            self._heard += self.read_events()
        return self._heard.pop(0)

    def fileno(self) -> int:
        """Readable when it has said something, or ended."""
        return self._events

    def read_events(self) -> list[Event]:
        """What it has said since, which may be nothing whole."""
        piece = os.read(self._events, 65_536)
        self.has_ended = not piece
        *lines, rest = (bytes(self._buffer) + piece).split(b"\n")
        self._buffer = bytearray(rest)
        return [json.loads(line) for line in lines]

    def until_gate(self, name: str) -> list[Event]:
        """Everything up to a gate, or up to its end."""
        events = []
        while (event := self.next_event()) is not None:
            events.append(event)
            if event["is"] == "gate" and event["name"] == name:
                break
        return events

    def rest(self) -> list[Event]:
        """Everything up to its end."""
        events = []
        while (event := self.next_event()) is not None:
            events.append(event)
        return events

    def pass_gate(self) -> None:
        """Let it go on, if it lives."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._gates, b".")

    def signal(self, number: signal.Signals) -> None:
        """Unless it has ended."""
        if self._status is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """How it ended: an exit code, or minus the signal."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            del self.living[self.pid]
            os.close(self._events)
            os.close(self._gates)
        return self._status

    def kill(self) -> int:
        """As by an operator who has no patience, or by the system when memory is short."""
        self.signal(signal.SIGKILL)
        return self.wait()

    @property
    def threads(self) -> list[int]:
        """Its threads, oldest first."""
        return sorted(int(entry.name) for entry in Path(f"/proc/{self.pid}/task").iterdir())


def told(work: Work, *, log: Path) -> list[Event]:
    """All that a child says. Raises `Silence`."""
    child = Child.start(work, log=log)
    try:
        return child.rest()
    finally:
        child.kill()


def events_of(events: list[Event], what: str) -> Iterator[Event]:
    """Those of one kind."""
    return (event for event in events if event["is"] == what)


def _live(work: Work, channel: Channel, log: Path) -> NoReturn:
    code = 1
    # Its brothers are its parent's business.
    Child.living.clear()
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        waits = work(channel)
        if waits is not None:
            asyncio.run(waits)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
