"""The whole of it: `xin serve`, its door, its processes, its commands.

    Served       faults in the writer's process, while a client sends through the door
    OldBackup    the log as it was before is put back, and may not be signed from there
    Home         a founded ledger, and the commands at it; Serving, one of them that serves
    Door         the client: what it sent, and every index it was told
    home_of      a new home on a stage
    audit        by the command; checkpoint, by the door

Everything is asked from outside, as an operator and a client do.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from api.access import Tier
from api.founding import admit_authority, found, prepare_keys
from api.operating import migrate_database
from api.service import Service
from api.settings import Settings
from api.tokens import read_token, write_demo_tokens
from ledger.custody import KeptKey
from ledger.keystore import Keystore
from ledger.salts import fresh_salts
from ledger.statement import issue
from tests.faults.child import Channel, told
from tests.faults.scenario import FENCES, Played, Scenario
from tests.faults.stage import Log, PostgresStage, Stage
from tests.faults.syscalls import folders_of, injections_of
from tests.faults.tracer import Injection, Tracer
from tests.world import DAIRY, MARKET, draft_about, failed_inspection

REPOSITORY = Path(__file__).resolve().parents[2]

SAMPLE = 8
"""Of several hundred; the calls themselves are failed one by one without the door."""

START_S = 60.0

STREAM = 20
"""Statements of one body of `POST /entries`."""


@dataclass
class Home:
    """A ledger that the commands serve and audit."""

    folder: Path
    url: str
    said: Path

    def settings(self, port: int = 0, *, doors: int = 0) -> dict[str, str]:
        """As the commands read them."""
        return {
            **os.environ,
            "XIN_HOME": str(self.folder),
            "XIN_DATABASE_URL": self.url,
            "XIN_DEMO": "1",
            "XIN_DOORS": str(doors),
            "PORT": str(port or free_port()),
        }

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `xin`, and wait for its end."""
        return subprocess.run(
            [sys.executable, "-m", "api", *arguments],
            cwd=REPOSITORY,
            env=self.settings(),
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    def serve(self, *, doors: int = 0) -> "Serving":
        """Start `xin serve`; returns when it serves or has ended."""
        port = free_port()
        with self.said.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "api", "serve"],
                cwd=REPOSITORY,
                env=self.settings(port, doors=doors),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        return Serving(process, port, serves=line.startswith("serving"))

    def key(self) -> KeptKey:
        """The authority's, which this home keeps."""
        return Keystore(self.folder / "keys").get(MARKET.label())


@dataclass
class Serving:
    """A process that serves, or was to."""

    process: "subprocess.Popen[str]"
    port: int
    serves: bool

    def stop(self) -> int:
        """In order; says its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._end()

    def kill(self) -> None:
        """The writer's process alone: the others are to notice."""
        self.process.kill()
        self._end()

    def _end(self) -> int:
        code = self.process.wait(START_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def children(self, role: str) -> list[int]:
        """Its processes of one role."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        pids = [int(pid) for pid in listed.split()]
        return [pid for pid in pids if role in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]


@dataclass
class Door:
    """A client that tries again until it is told an index."""

    home: Home
    token: str
    played: Played
    sent: dict[str, str] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    _numbers: Any = field(default_factory=lambda: count(1))

    def make(self, how_many: int) -> list[str]:
        """New statements; says their references."""
        key, salts = self.home.key(), fresh_salts()
        names = [f"served-{next(self._numbers)}" for _ in range(how_many)]
        for name in names:
            draft = draft_about(
                DAIRY,
                failed_inspection(case=name),
                {},
                issuer=MARKET,
                jti=name,
                issued_at=1_764_000_000,
            )
            self.sent[name] = issue(draft, key, salts).presentation
        return names

    def send(self, port: int, names: Sequence[str]) -> bool:
        """One request, as a stream when there are several; whether every one was answered."""
        if len(names) == 1:
            body, kind = self.sent[names[0]], "application/sd-jwt"
        else:
            lines = [json.dumps({"statement": self.sent[name]}) + "\n" for name in names]
            body, kind = "".join(lines), "application/x-ndjson"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
        try:
            headers = {"Content-Type": kind, "Authorization": f"Bearer {self.token}"}
            connection.request("POST", "/entries", body=body.encode(), headers=headers)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException):
            self.failures += 1
            return False
        finally:
            connection.close()
        if response.status != http.client.OK:
            self._hear({"error": json.loads(raw)}, names[0])
            return False
        answers = [json.loads(line) for line in raw.splitlines()]
        for name, answer in zip(names, answers, strict=False):
            self._hear(answer, name)
        return all(name in self.told for name in names)

    def send_until_told(self, serving: Serving, names: Sequence[str], within_s: float) -> bool:
        """Again and again, as long as the process lives."""
        give_up_at = time.monotonic() + within_s
        while not self.send(serving.port, names):
            if serving.process.poll() is not None or time.monotonic() > give_up_at:
                return False
            time.sleep(0.1)
        return True

    def _hear(self, answer: dict[str, Any], name: str) -> None:
        error = answer.get("error")
        if error is not None:
            self.failures += 1
            # A failure of the server's own, or one that asks to try again; never of the statement.
            if error["code"] not in ("INTERNAL", *FENCES):
                self.played.findings.unexplained.append(f"{name}: {error}")
            return
        index = answer["leaf_index"]
        if self.told.setdefault(name, index) != index:
            self.played.findings.forks.append(f"{name} has {self.told[name]} and {index}")


class Served(Scenario):
    """Everything between a client and the disk."""

    name = "served"
    does = "`xin serve` through its real door: a sample of its writes, its processes killed"

    def cases(self, stage: Stage) -> list[str]:
        """A sample of a clean run, evenly spread, and what has no number."""
        log = stage.fresh()
        home = home_of(stage, log)
        serving = home.serve()
        # Its threads come as they are needed, so strace follows; each counts its own calls.
        tracer = Tracer([serving.process.pid], log.folder / "trace", follow=True)
        door = Door(home, _token(home), Played())
        for names in (door.make(1), door.make(STREAM)):
            door.send_until_told(serving, names, START_S)
        tracer.stop()
        serving.stop()
        calls = [
            call
            for call in tracer.calls()
            if ".s.PGSQL" in call.target or call.target.startswith(str(home.folder))
        ]
        threads = list(dict.fromkeys(call.thread for call in calls))
        every = injections_of(calls, threads, folders_of(stage, log))
        stage.discard(log)
        step = max(1, len(every) // SAMPLE)
        return [*every[::step], "writer killed", "door killed", "stopped", "second writer"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """Serve, fail, serve again, audit."""
        home = home_of(stage, log)
        played = Played()
        # A call is failed where one process does all; processes are killed where there are some.
        serving = home.serve(doors=0 if ":" in case else 2)
        door = Door(home, _token(home), played)
        first = door.make(3)
        for name in first:
            door.send_until_told(serving, [name], START_S)
        kept = log.folder / "kept"
        kept.write_bytes(checkpoint(serving.port))
        batches = [door.make(1), door.make(STREAM), door.make(1)]
        self._break(case, home, serving, door, batches, log)
        again = home.serve()
        if not again.serves:
            played.findings.unexplained.append(f"no restart: {home.said.read_text()[-600:]}")
            return played
        for names in (first, *batches):
            if not door.send_until_told(again, names, START_S):
                played.findings.unexplained.append(f"never answered: {names[0]}")
        if again.stop() != 0:
            played.findings.unexplained.append(f"the end failed: {home.said.read_text()[-600:]}")
        played.restarts += 1
        audit(home, kept, played, size=len(door.sent))
        return played

    def _break(
        self,
        case: str,
        home: Home,
        serving: Serving,
        door: Door,
        batches: Sequence[Sequence[str]],
        log: Log,
    ) -> None:
        played = door.played
        if case == "second writer":
            refused = home.command("serve")
            if refused.returncode != 1 or "LEDGER_WRITER_BUSY" not in refused.stderr:
                played.findings.forks.append(f"a second writer: {refused.stderr[-300:]}")
            played.fenced += 1
            played.injections = 1
        elif case in ("writer killed", "door killed", "stopped"):
            request = threading.Thread(target=door.send, args=(serving.port, batches[1]))
            request.start()
            # Into the request, wherever that is by then: each place is as good.
            time.sleep(0.01)
            if case == "writer killed":
                serving.process.kill()
            elif case == "stopped":
                serving.process.send_signal(signal.SIGTERM)
            else:
                for pid in serving.children("door"):
                    os.kill(pid, signal.SIGKILL)
            request.join()
            played.injections = 1
        tracer = None
        if ":" in case:
            injection = Injection.parse(case)
            tracer = Tracer(
                [serving.process.pid], log.folder / "trace", injections=(injection,), follow=True
            )
        for names in batches:
            door.send_until_told(serving, names, START_S)
        if tracer is not None:
            tracer.stop()
            played.injections = int(any(call.injected for call in tracer.calls()))
        serving.kill()


class OldBackup(Scenario):
    """Of all ways to lose entries the one that operators have at hand."""

    name = "old-backup"
    does = "an older copy of the database is put back under the same home"

    def cases(self, stage: Stage) -> list[str]:
        """How much of the log the copy has."""
        return ["older", "empty"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """The older one is refused by its code; the right one is served again."""
        home = home_of(stage, log)
        played = Played(injections=1)
        door = Door(home, _token(home), played)
        backup: Any = None
        if case == "empty":
            backup = _set_aside(stage, home, "backup")
        for _ in range(2):
            serving = home.serve()
            door.send_until_told(serving, door.make(3), START_S)
            serving.stop()
            backup = backup or _set_aside(stage, home, "backup")
        newest = _set_aside(stage, home, "newest")
        _put_back(stage, home, backup)
        refused = home.serve()
        if refused.serves:
            refused.kill()
            played.findings.forks.append("an older copy was served, and may sign")
        elif "LEDGER_BEHIND" not in home.said.read_text():
            played.findings.unexplained.append(home.said.read_text()[-600:])
        else:
            played.fenced += 1
        _put_back(stage, home, newest)
        serving = home.serve()
        for names in [[name] for name in door.sent]:
            door.send_until_told(serving, names, START_S)
        kept = log.folder / "kept"
        kept.write_bytes(checkpoint(serving.port))
        serving.stop()
        played.restarts += 1
        audit(home, kept, played, size=len(door.sent))
        return played


def home_of(stage: Stage, log: Log) -> Home:
    """A founded ledger of its own, instead of the log that the stage gave."""
    folder = log.folder / "ledger.home"
    said = log.folder / "served.log"
    home = Home(folder, f"sqlite+aiosqlite:///{folder}/ledger.sqlite", said)
    if isinstance(stage, PostgresStage):
        # The case's own database, emptied: it goes when the case's log is discarded.
        name = str(make_url(log.url).database)
        stage.server.execute(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        home.url = log.url
    assert told(partial(_founded, home), log=log.said), log.said.read_text()
    return home


async def _founded(home: Home, channel: Channel) -> None:
    settings = Settings.from_environment(home.settings())
    await migrate_database(settings)
    keystore = Keystore(settings.keys_folder)
    prepare_keys(keystore)
    async with Service.opened(settings, writes=True) as service:
        await found(service, operator="faults")
        await admit_authority(
            service, MARKET.label(), names={"en": "Market"}, kinds=("inspection",)
        )
        await service.followed(service.writer.tree_size)
    write_demo_tokens(
        settings.tokens_folder,
        keystore,
        {Tier.AUTHORITY: MARKET.label()},
        audience=settings.origin,
        at=datetime.now(UTC),
    )
    channel.say("founded")


def audit(home: Home, kept: Path, played: Played, *, size: int) -> None:
    """By the command, as an operator does."""
    audited = home.command("log", "audit", "--signatures", "--json", "--against", str(kept))
    if audited.returncode != 0:
        kind = "HEAD_ROLLED_BACK" in audited.stderr or "SECOND_ROOT" in audited.stderr
        findings = played.findings.forks if kind else played.findings.unexplained
        findings.append(audited.stderr[-600:])
        return
    statements = json.loads(audited.stdout)["entries"]["statement"]
    if statements != size:
        played.findings.lost.append(f"{statements} statements, and {size} were acknowledged")


def checkpoint(port: int) -> bytes:
    """The log's head, as anybody asks for it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
    connection.request("GET", "/checkpoint")
    raw = connection.getresponse().read()
    connection.close()
    return raw


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _token(home: Home) -> str:
    return read_token(home.folder / "tokens", Tier.AUTHORITY)


def _set_aside(stage: Stage, home: Home, name: str) -> str:
    """A copy of the database; says where."""
    if isinstance(stage, PostgresStage):
        database = str(make_url(home.url).database)
        stage.server.execute(f"CREATE DATABASE {database}_{name} TEMPLATE {database}")
        return f"{database}_{name}"
    path = home.folder.parent / f"{name}.sqlite"
    shutil.copyfile(home.folder / "ledger.sqlite", path)
    return str(path)


def _put_back(stage: Stage, home: Home, copy: str) -> None:
    if isinstance(stage, PostgresStage):
        database = str(make_url(home.url).database)
        stage.server.execute(
            f"DROP DATABASE {database} WITH (FORCE)", f"ALTER DATABASE {copy} RENAME TO {database}"
        )
        return
    for path in home.folder.glob("ledger.sqlite-*"):
        path.unlink()
    shutil.copyfile(copy, home.folder / "ledger.sqlite")
