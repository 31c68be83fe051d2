"""strace: which system calls write, which of them fails, and whether it did.

    WRITES           the calls by which something is put down or passed on
    Call             one of them, as strace shows it
    Fault            kill, or an error
    Injection        a fault at the n-th call of one thread
    Tracer           strace, attached to threads that wait
    read_calls       what it wrote
    numbered         calls by thread and name
    require_strace   refuses where it is missing or may not attach; `TracerUnavailable`

strace counts calls by thread, so it is attached to the one thread that is meant, and to no other.
A call that is killed is not made; a call that fails with an error is not made either, and the
thread sees what the kernel would have said.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

WRITES = (
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "fsync", "fdatasync", "msync",
     "ftruncate", "truncate", "fallocate", "openat", "creat", "rename", "renameat",
    "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat",
    "rmdir", "sendto", "sendmsg", "sendmmsg",
)  # fmt: skip

ATTACH_S = 60.0
"""Far more than it takes, but on a machine that does everything else first."""


class TracerUnavailable(Exception):
    """The message says what is missing, and what to do about it."""


class Fault(Enum):
    """What happens instead of the call, or before it."""

    KILL = "signal=SIGKILL"
    EIO = "error=EIO"
    ENOSPC = "error=ENOSPC"
    ECONNRESET = "error=ECONNRESET"
    STOP = "signal=SIGSTOP"
    DELAY = "delay_enter=2000000"
    """Two seconds, as of a disk that is busy."""


@dataclass(frozen=True, slots=True)
class Call:
    """One line of strace."""

    thread: int
    at: float
    name: str
    target: str
    """The path, or what kind of descriptor: `pipe:[…]`, `UNIX-STREAM:[…]`."""
    injected: bool
    wakes: bool
    """One zero byte to an event loop's own socket, which no disk and no network can refuse."""

    @property
    def is_flush(self) -> bool:
        """Whether it says that something is on disk."""
        return self.name in ("fsync", "fdatasync")


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault at the n-th call of that name, counted from 1, in one thread."""

    thread_rank: int
    name: str
    number: int
    fault: Fault
    and_after: bool = False
    """Whether the same call fails from then on."""

    def __str__(self) -> str:
        return f"{self.thread_rank}:{self.name}:{self.number}:{self.fault.name}"

    @classmethod
    def parse(cls, text: str) -> "Injection":
        """The inverse of `str`."""
        rank, name, number, fault = text.split(":")
        return cls(int(rank), name, int(number), Fault[fault])

    @property
    def option(self) -> str:
        """As strace reads it."""
        until = "+" if self.and_after else ""
        return f"inject={self.name}:{self.fault.value}:when={self.number}{until}"


_LINE = re.compile(r"(?:(?P<thread>\d+) +)?(?P<at>\d+\.\d+) (?P<name>\w+)\((?P<arguments>.*)")
_RESUMED = re.compile(r"(?:(?P<thread>\d+) +)?\d+\.\d+ <\.\.\. (?P<name>\w+) resumed>")
_KILLED = re.compile(r"(?:(?P<thread>\d+) +)?\d+\.\d+ \+\+\+ killed by SIGKILL")
_TARGET = re.compile(r'(?:AT_FDCWD<[^>]*>, )?(?:\d+<(?P<of>(?:->|[^>])*)>|"(?P<path>[^"]*)")')


class Tracer:
    """strace attached to threads; `stop` lets them go."""

    def __init__(
        self,
        threads: Sequence[int],
        log: Path,
        *,
        injections: Iterable[Injection] = (),
        paths: Iterable[Path] = (),
        follow: bool = False,
    ) -> None:
        self._threads = threads
        self._log = log
        command = ["strace", "-ttt", "-yy", "-e", "signal=none", "-o", str(log)]
        command += ["-e", "trace=" + ",".join(f"?{name}" for name in WRITES)]
        command += ["-f"] if follow else []
        for injection in injections:
            command += ["-e", injection.option]
        for path in paths:
            command += ["-P", str(path)]
        for thread in threads:
            command += ["-p", str(thread)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._await_attached()

    def _await_attached(self) -> None:
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        said = b""
        give_up_at = time.monotonic() + ATTACH_S
        # A thread that was listed may have ended meanwhile.
        while said.count(b" attached") + said.count(b"No such process") < len(self._threads):
            has_ended = self._process.poll() is not None
            piece = self._process.stderr.read() or b""
            said += piece
            if piece:
                continue
            if has_ended or time.monotonic() > give_up_at:
                self.stop()
                raise TracerUnavailable(f"strace could not attach: {said.decode(errors='replace')}")
            time.sleep(0.002)

    def stop(self) -> None:
        """Detach; the threads go on."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(ATTACH_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def calls(self) -> list[Call]:
        """All that was seen; read after `stop`."""
        if not self._log.exists():
            return []
        return read_calls(self._log.read_text(errors="replace"), alone=self._threads[0])


def read_calls(trace: str, *, alone: int) -> list[Call]:
    """The calls of a trace; `alone` made them all where no line says who did."""
    found: list[Call] = []
    # Where threads are traced side by side, a call may take two lines, or end with its process.
    begun: dict[tuple[int, str], int] = {}
    for line in trace.splitlines():
        match = _LINE.match(line)
        if match is not None:
            call = _call(match, alone)
            if line.endswith("<unfinished ...>"):
                begun[call.thread, call.name] = len(found)
            found.append(call)
            continue
        resumed = _RESUMED.match(line)
        if resumed is not None:
            place = begun.pop((int(resumed["thread"] or alone), resumed["name"]), None)
            if place is not None and "(INJECTED)" in line:
                found[place] = replace(found[place], injected=True)
            continue
        killed = _KILLED.match(line)
        if killed is not None:
            for (thread, _), place in begun.items():
                if thread == int(killed["thread"] or alone):
                    found[place] = replace(found[place], injected=True)
    return found


def _call(match: re.Match[str], alone: int) -> Call:
    arguments = match["arguments"]
    target = _TARGET.match(arguments)
    return Call(
        thread=int(match["thread"] or alone),
        at=float(match["at"]),
        name=match["name"],
        target=(target["of"] or target["path"] or "") if target else "",
        # A call that its thread did not live to finish has no result.
        injected="(INJECTED)" in arguments or arguments.rstrip().endswith("= ?"),
        wakes=', "\\0", 1' in arguments,
    )


def numbered(calls: Iterable[Call], threads: Sequence[int]) -> list[tuple[int, int, Call]]:
    """Each call with the rank of its thread and its number among those of its name there."""
    counts: dict[tuple[int, str], int] = defaultdict(int)
    found = []
    for call in calls:
        if call.thread not in threads:
            continue
        counts[call.thread, call.name] += 1
        found.append((threads.index(call.thread), counts[call.thread, call.name], call))
    return found


def require_strace() -> None:
    """Try it on a process of our own. Raises `TracerUnavailable`."""
    if shutil.which("strace") is None:
        raise TracerUnavailable(
            "strace is not on this machine, and without it nothing can be injected into system "
            "calls. On Debian or Ubuntu: apt-get install strace"
        )
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        Tracer([sleeper.pid], Path(os.devnull)).stop()
    except TracerUnavailable as error:
        raise TracerUnavailable(
            f"{error}. A process may be forbidden to trace others (kernel.yama.ptrace_scope, or a "
            "container without SYS_PTRACE): run as root, or allow it."
        ) from None
    finally:
        sleeper.kill()
        sleeper.wait()
