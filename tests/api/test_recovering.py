"""Restore refuses to fork, ARCHITECTURE invariants 1 and 2, by the commands of an operator.

Processes and databases are real: a copy is made, more is appended, the copy is put back.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, update

from api.recovering import TOKEN_BYTES_MAX
from ledger.recovery import CHUNK_BODIES
from ledger.tables import CheckpointRow, DisclosureRow
from tests.api.homes import Copies, Home
from tests.world import MARKET


@pytest.fixture
def copies(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Copies]:
    server = None
    if database_url.startswith("postgresql"):
        server = request.getfixturevalue("postgres_server")
    copies = Copies(database_url, tmp_path, server)
    yield copies
    copies.close()


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    """A founded log with one authority."""
    home = Home(tmp_path / "home", database_url)
    home.found()
    return home


def test_an_old_backup_signs_nothing_until_it_has_caught_up(
    home: Home, copies: Copies, tmp_path: Path
) -> None:
    before = home.append("S-1", "S-2")
    size = max(before.values()) + 1
    backup = copies.copy()
    lost = home.append("S-3", "S-4", "S-5")
    newest = home.audited()
    survivor = home.beside(tmp_path / "survivor", copies.copy())

    copies.put_back(backup)
    held = home.rows()
    ran = home.xin("serve")
    assert (ran.code, ran.refusal) == (1, "LEDGER_BEHIND")
    assert f"the database ends at size {size}, and the high-water file " in ran.err
    assert f"has seen size {size + 3}; " in ran.err
    assert "xin log recover --from URL" in ran.err
    assert home.rows() == held

    with survivor.serving("--read-only") as served:
        token = survivor.operator_token
        out = home.ok("log", "recover", "--from", served.address, "--token", token, "--json")
    assert json.loads(out)["entries"] == 3
    assert home.audited() == newest
    assert {**before, **lost} == home.append(*before, *lost), "all are there, each at its index"
    assert home.append("S-6") == {"S-6": size + 3}
    assert home.audited()[0] == size + 4


def test_a_lost_database_is_taken_up_whole_and_never_founded_again(
    home: Home, copies: Copies, tmp_path: Path
) -> None:
    acknowledged = home.append("S-1", "S-2")
    newest = home.audited()
    survivor = home.beside(tmp_path / "survivor", copies.copy())
    copies.put_back(copies.empty())
    ran = home.xin("init", "--operator", "tests")
    assert (ran.code, ran.refusal) == (1, "LEDGER_BEHIND")
    assert "the database ends at size 0" in ran.err
    held = home.rows()
    assert set(map(len, held.values())) == {0}
    with survivor.shown() as address:
        assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
        home.ok("log", "recover", "--from", address)
        # A machine that has neither log nor key is told whose log it takes.
        bare = Home(tmp_path / "mirror", copies.empty())
        ran = bare.xin("log", "recover", "--from", address, "--token", home.operator_token)
        assert (ran.code, ran.refusal) == (1, "COMMAND_LOG_KEY_MISSING")
        key = httpx.get(f"{address}/log-key", trust_env=False).text.strip()
        out = bare.ok(
            *("log", "recover", "--from", address),
            *("--token", home.operator_token, "--log-key", key),
        )
        assert out.startswith(
            f"{newest[0]} entries recovered: localhost/xinyuan was at tree size 0"
        )
    assert home.audited() == bare.audited() == newest
    assert home.append(*acknowledged) == acknowledged


def test_a_home_that_nobody_can_vouch_for_is_accepted_by_name_and_after_an_audit(
    home: Home, copies: Copies
) -> None:
    home.append("S-1", "S-2")
    size, root = home.audited()
    home.settings.high_water_file.unlink()
    ran = home.xin("serve")
    assert (ran.code, ran.refusal) == (1, "LEDGER_UNWITNESSED")
    command = f"xin log recover --accept-head {size}:{root}"
    assert command in ran.err

    ran = home.xin("log", "recover", "--accept-head", f"{size - 1}:{root}")
    assert (ran.code, ran.refusal) == (1, "COMMAND_HEAD_MISMATCH")
    for wrong in ("x", f"0:{root}", f"0{size}:{root}", f"{size}:{root[:-4]}", f"{size}: {root}"):
        assert home.xin("log", "recover", "--accept-head", wrong).code == 2
    assert home.xin("log", "recover").code == 2
    assert home.xin("log", "recover", "--from", "http://x", "--accept-head", "1:x").code == 2
    assert not home.settings.high_water_file.exists()

    out = home.ok(*command.split()[1:])
    assert f"localhost/xinyuan is what was signed, up to tree size {size}" in out
    assert home.append("S-3") == {"S-3": size}

    # Whoever knows better is not overruled: this head was signed, and is gone.
    head = home.audited()
    backup = copies.copy()
    home.append("S-4")
    copies.put_back(backup)
    held = home.rows()
    ran = home.xin("log", "recover", "--accept-head", f"{head[0]}:{head[1]}")
    assert (ran.code, ran.refusal) == (1, "LEDGER_BEHIND")
    assert home.rows() == held


def test_what_is_not_what_was_signed_is_not_accepted(home: Home) -> None:
    home.append("S-1")
    size, root = home.audited()
    home.settings.high_water_file.unlink()
    home.execute(delete(DisclosureRow))
    ran = home.xin("log", "recover", "--accept-head", f"{size}:{root}")
    assert (ran.code, ran.refusal) == (1, "AUDIT_DISCLOSURE_CHANGED")
    assert not home.settings.high_water_file.exists()


def test_two_histories_under_one_key_are_told_apart_wherever_they_meet(
    home: Home, copies: Copies, tmp_path: Path
) -> None:
    home.append("S-1")
    size, root = home.audited()
    # What must never happen: a second machine goes on from a copy, and vouches for itself.
    fork = home.beside(tmp_path / "fork", copies.copy())
    fork.ok("log", "recover", "--accept-head", f"{size}:{root}")
    fork.append("F-2", "F-3")
    home.append("S-2")
    held = home.rows()
    with fork.shown() as address:
        ran = home.xin("log", "recover", "--from", address)
        assert (ran.code, ran.refusal) == (1, "LEDGER_FORKED")
        assert "nothing is signed any more" in ran.err
        ran = home.with_settings(XIN_MIRRORS=address).xin("serve")
        assert (ran.code, ran.refusal) == (1, "LEDGER_FORKED")
    with home.shown() as address:
        ran = fork.with_settings(XIN_MIRRORS=address).xin("serve")
        assert (ran.code, ran.refusal) == (1, "LEDGER_FORKED")
    assert home.rows() == held
    # Each by itself cannot know, and says nothing.
    assert home.append("S-3") == {"S-3": size + 1}


def test_a_source_that_is_behind_gives_nothing(home: Home, copies: Copies, tmp_path: Path) -> None:
    home.append("S-1")
    behind = home.beside(tmp_path / "behind", copies.copy())
    size = home.audited()[0]
    home.append("S-2", "S-3")
    backup = copies.copy()
    home.append("S-4")
    held = home.rows()
    with behind.shown() as address:
        ran = home.xin("log", "recover", "--from", address)
        assert (ran.code, ran.refusal) == (1, "LEDGER_BEHIND")
        assert f"the source {address} ends at size {size}, and " in ran.err
        assert "; recover from one that has it\n" in ran.err
        assert home.rows() == held
        # Of as many entries as there are, but the file has seen more than both.
        copies.put_back(backup)
        home.settings.high_water_file.replace(tmp_path / "kept")
        size = home.audited()[0]
    other = home.beside(tmp_path / "other", backup)
    (tmp_path / "kept").replace(home.settings.high_water_file)
    with other.shown() as address:
        ran = home.xin("log", "recover", "--from", address)
    assert (ran.code, ran.refusal) == (1, "LEDGER_BEHIND")
    assert f"ends at size {size}, and the high-water file " in ran.err


def test_only_the_operator_is_given_what_opens_the_log(
    home: Home, copies: Copies, tmp_path: Path
) -> None:
    backup = copies.copy()
    home.append("S-1")
    survivor = home.beside(tmp_path / "survivor", copies.copy())
    copies.put_back(backup)
    held = home.rows()
    authority = tmp_path / "authority.jwt"
    authority.write_text(home.credential(MARKET.label()))
    with survivor.shown() as address:
        recover = ("log", "recover", "--from", address, "--token")
        ran = home.xin(*recover, authority)
        assert (ran.code, ran.refusal) == (1, "COMMAND_SOURCE_REFUSED")
        assert "the source answers 403: ACCESS_FORBIDDEN" in ran.err
        authority.write_bytes(b"\xff")
        ran = home.xin(*recover, authority)
        assert (ran.code, ran.refusal) == (1, "COMMAND_TOKEN_MISSING")
        authority.write_text("x" * (TOKEN_BYTES_MAX + 1))
        ran = home.xin(*recover, authority)
        assert (ran.code, ran.refusal) == (1, "COMMAND_TOKEN_MISSING")
        home.operator_token.unlink()
        ran = home.xin("log", "recover", "--from", address)
        assert (ran.code, ran.refusal) == (1, "COMMAND_TOKEN_MISSING")
    ran = home.xin(*recover, survivor.operator_token)
    assert (ran.code, ran.refusal) == (1, "COMMAND_LOG_UNREACHABLE")
    assert home.rows() == held


def test_no_server_of_this_home_may_run_meanwhile(home: Home) -> None:
    size, root = home.audited()
    with home.shown(writes=True):
        for arguments in (("--from", "http://127.0.0.1:1"), ("--accept-head", f"{size}:{root}")):
            ran = home.xin("log", "recover", *arguments)
            assert (ran.code, ran.refusal) == (1, "LEDGER_WRITER_BUSY")


class Relay(ThreadingHTTPServer):
    """A server before another one, which gives so many lines of its feed, and may stall then."""

    def __init__(self, address: str, lines: int | None, *, stalls: bool) -> None:
        super().__init__(("127.0.0.1", 0), Relayed)
        self.behind = address
        self.lines = lines
        self.stalls = stalls
        self.has_feed = True
        self.released = threading.Event()
        self.stalled = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Relayed(BaseHTTPRequestHandler):
    """One answer."""

    server: Relay

    def do_GET(self) -> None:
        is_feed = self.path.startswith("/openings")
        headers = {"Authorization": self.headers.get("Authorization", "")} if is_feed else {}
        answer = httpx.get(
            f"{self.server.behind}{self.path}", headers=headers, trust_env=False, timeout=60
        )
        body, status = answer.content, answer.status_code
        if is_feed and not self.server.has_feed:
            body, status = b"nothing here", 404
        length = len(body)
        if is_feed:
            body = b"".join(body.splitlines(keepends=True)[: self.server.lines])
        self.send_response(status)
        self.send_header("Content-Length", str(length if self.server.stalls else len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if len(body) < length and self.server.stalls:
            self.server.stalled.set()
            self.server.released.wait(60)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing is said."""


@contextmanager
def relay(address: str, lines: int | None = None, *, stalls: bool = True) -> Iterator[Relay]:
    with Relay(address, lines, stalls=stalls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def test_a_recovery_that_is_killed_goes_on_where_it_was(
    home: Home, copies: Copies, tmp_path: Path
) -> None:
    backup = copies.copy()
    first = home.audited()[0]
    home.append_many(CHUNK_BODIES + 300)
    newest = home.audited()
    survivor = home.beside(tmp_path / "survivor", copies.copy())
    copies.put_back(backup)
    with survivor.shown() as address:
        # Of a feed of one head to 100 entries, a chunk and some that no head covers yet.
        with relay(address, CHUNK_BODIES + 10 + 50) as source:
            process = home.start("log", "recover", "--from", source.url)
            assert source.stalled.wait(60)
            deadline = time.monotonic() + 60
            while home.tree_size() == first and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
            process.communicate()
        assert home.tree_size() == first + CHUNK_BODIES
        assert home.audited()[0] == first + CHUNK_BODIES, "what is there is whole"
        ran = home.xin("serve")
        assert (ran.code, ran.refusal) == (1, "LEDGER_BEHIND")
        with relay(address) as source:
            source.has_feed = False
            ran = home.xin("log", "recover", "--from", source.url)
            assert (ran.code, ran.refusal) == (1, "COMMAND_SOURCE_REFUSED")
            assert "a mirror of tiles alone cannot give them back" in ran.err
        out = home.ok("log", "recover", "--from", address, "--json")
        assert json.loads(out)["entries"] == 300
        # Once more, when there is nothing to be done.
        out = home.ok("log", "recover", "--from", address, "--json")
        assert json.loads(out)["entries"] == 0
    assert home.audited() == newest


def test_a_feed_that_ends_before_its_head_is_no_recovery(
    home: Home, copies: Copies, tmp_path: Path
) -> None:
    backup = copies.copy()
    size = home.audited()[0]
    home.append("S-1", "S-2")
    survivor = home.beside(tmp_path / "survivor", copies.copy())
    copies.put_back(backup)
    held = home.rows()
    with survivor.shown() as address:
        for lines, stalls, code in (
            (0, False, "LEDGER_RECOVERY_INCOMPLETE"),
            (1, False, "LEDGER_RECOVERY_INCOMPLETE"),
            (0, True, "COMMAND_LOG_UNREACHABLE"),
            (1, True, "COMMAND_LOG_UNREACHABLE"),
        ):
            with relay(address, lines, stalls=stalls) as source:
                source.released.set()
                ran = home.xin("log", "recover", "--from", source.url)
            assert (ran.code, ran.refusal) == (1, code)
            assert home.rows() == held
        survivor.execute(delete(CheckpointRow).where(CheckpointRow.tree_size == size + 1))
        survivor.execute(
            update(CheckpointRow)
            .where(CheckpointRow.tree_size == size + 2)
            .values(previous_size=size)
        )
        # A head that the source lost is none that is needed.
        home.ok("log", "recover", "--from", address)
    assert home.audited()[0] == size + 2
