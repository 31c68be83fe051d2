"""`xin log audit`, of this machine's log and of one over HTTP (C2SP tlog-tiles)."""

import asyncio
import gzip
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from api import auditing
from api.__main__ import main
from api.auditing import (
    BUNDLE_BYTES_MAX,
    GZIP_BYTES_MAX,
    KEY_BYTES_MAX,
    TILE_BYTES_MAX,
    LogUnreachable,
    RemoteLog,
)
from api.serving import Serving, listening
from ledger.candidate import leaf_of
from ledger.canonical import b64url
from ledger.checkpoint import Checkpoint
from ledger.control import issue_control
from ledger.entries import Entries
from ledger.merkle import Hash, leaf_hash
from ledger.note import Signer
from ledger.tables import DisclosureRow, EntryRow, OpeningRow
from ledger.tiles import (
    ENTRIES,
    TILE_WIDTH,
    RightEdge,
    Tile,
    entry_bundle,
    tile_path,
    width_in_tree,
)
from tests.api.doors import Doors, fine
from tests.world import ORIGIN, genesis, key_of

LOG = Signer(ORIGIN, key_of("log"))
SIZE = 600

Files = dict[str, bytes]


def sealed_leaf(index: int) -> bytes:
    commit = b64url(sha256(b"%d" % index).digest()).encode()
    form = b"capture" if index % 10 == 0 else b"commit"
    return b'{"%s":"%s","sub":"%s","v":1}' % (form, commit, commit)


def published(size: int, *, signer: Signer = LOG) -> Files:
    """A log as files: genesis, then leaves that only their issuers could open."""
    first = issue_control(genesis(), key=key_of("root"), jti="genesis", issued_at=1)
    leaves = [leaf_of(first), *map(sealed_leaf, range(1, size))]
    edge, written = RightEdge().extended([leaf_hash(leaf) for leaf in leaves])
    files = {
        tile_path(tile): data
        for tile, data in written
        if tile.width == width_in_tree(tile.level, tile.index, size)
    }
    for start in range(0, size, 256):
        bundle = leaves[start : start + 256]
        files[tile_path(Tile(ENTRIES, start // 256, len(bundle)))] = entry_bundle(bundle)
    files["checkpoint"] = head_of(size, edge.root, signer)
    files["log-key"] = f"{signer.verifier.vkey}\n".encode()
    return files


def head_of(size: int, root_hash: Hash, signer: Signer = LOG) -> bytes:
    return str(Checkpoint(signer.name, size, root_hash).signed(signer)).encode()


class Site(ThreadingHTTPServer):
    """A static server of files, below /log, which can be told to fail and to compress."""

    def __init__(self, files: Files) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.files = files
        self.failures = 0
        self.compresses = False
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/log"


class Page(BaseHTTPRequestHandler):
    """One answer."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        path = self.path.removeprefix("/log/")
        self.server.asked.append(path)
        body = self.server.files.get(path)
        status = 404 if body is None else 200
        if self.server.failures:
            self.server.failures -= 1
            status, body = 503, None
        self.send_response(status)
        body = body or b""
        if self.server.compresses:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing is said."""


@contextmanager
def site(files: Files) -> Iterator[Site]:
    with Site(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Xin:
    """The command, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["log", "audit", *map(str, arguments)])
        said = self._capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Xin:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(auditing, "PAUSE_S", 0.001)
    return Xin(capsys)


@pytest.mark.parametrize("size", [1, 255, 256, 257, SIZE])
def test_a_log_over_http_that_is_what_was_signed_passes(audit: Xin, size: int) -> None:
    with site(published(size)) as server:
        code, out, err = audit("--url", server.url, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["tree_size"] == sum(report["entries"].values()) == size
    assert report["log_key"] == LOG.verifier.vkey
    assert report["events"] is None, "what opens entries is not published"
    assert len(server.asked) == len(set(server.asked)), "nothing is fetched twice"


def test_in_words_it_says_what_was_audited(audit: Xin) -> None:
    with site(published(SIZE)) as server:
        _, out, err = audit("--url", f"{server.url}/", "--log-key", LOG.verifier.vkey)
    assert out.splitlines()[0] == f"{ORIGIN} is what was signed, up to tree size {SIZE}"
    assert "  entries      59 capture, 1 control, 540 statement; nothing opened" in out
    assert "  signatures   of control entries and checkpoints alone" in out
    assert "600/600" in err, "the last state of the bar"


def flipped(path: str, at: int) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        data = files[path]
        files[path] = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return tamper


def appended(path: str, more: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({path: files[path] + more})


def cut(path: str, by: int) -> Callable[[Files], None]:
    return lambda files: files.update({path: files[path][:-by]})


def dropped(path: str) -> Callable[[Files], None]:
    return lambda files: files.update({path: b""}) if path in files else None


def gone(path: str) -> Callable[[Files], None]:
    return lambda files: (files.pop(path), None)[1]


def signed_anew(size: int, signer: Signer) -> Callable[[Files], None]:
    return lambda files: files.update({"checkpoint": head_of(size, Hash(bytes(32)), signer)})


def put_form(files: Files) -> None:
    """The operator itself logs what is no entry of this log."""
    leaves = [sealed_leaf(index) for index in range(SIZE)]
    first = issue_control(genesis(), key=key_of("root"), jti="genesis", issued_at=1)
    leaves[0], leaves[5] = leaf_of(first), b'{"other":"form"}'
    edge, written = RightEdge().extended([leaf_hash(leaf) for leaf in leaves])
    files.update({tile_path(tile): data for tile, data in written})
    files["tile/entries/000"] = entry_bundle(leaves[:256])
    files["checkpoint"] = head_of(SIZE, edge.root)


PARTIAL = f".p/{SIZE % 256}"

FAULTS: dict[str, tuple[Callable[[Files], None], str, str]] = {
    "an entry flipped": (flipped("tile/entries/000", 2_000), "ENTRY_CHANGED", "entry / 9"),
    "an entry of the last bundle flipped": (
        flipped(f"tile/entries/002{PARTIAL}", 10),
        "ENTRY_CHANGED",
        "entry / 512",
    ),
    "a bundle cut": (cut("tile/entries/001", 1), "BUNDLE_BROKEN", "entry / 511"),
    "bytes behind a bundle": (
        appended("tile/entries/001", b"\x00\x00"),
        "BUNDLE_BROKEN",
        "entry / 512",
    ),
    "an empty bundle": (dropped("tile/entries/001"), "BUNDLE_BROKEN", "entry / 256"),
    "a bundle gone": (gone("tile/entries/001"), "PART_MISSING", "entry / 256"),
    "the last bundle gone": (
        gone(f"tile/entries/002{PARTIAL}"),
        "PART_MISSING",
        "entry / 512",
    ),
    "a full tile flipped": (flipped("tile/0/001", 40), "TILE_CHANGED", "tile / 0 / 1"),
    "a partial tile flipped": (
        flipped(f"tile/0/002{PARTIAL}", 40),
        "TILE_CHANGED",
        "tile / 0 / 2",
    ),
    "the top tile flipped": (flipped("tile/1/000.p/2", 40), "TILE_CHANGED", "tile / 1 / 0"),
    "a partial tile shortened": (
        cut(f"tile/0/002{PARTIAL}", 32),
        "TILE_LENGTH",
        "tile / 0 / 2",
    ),
    "bytes behind a tile": (appended("tile/0/001", b"\x00"), "TILE_LENGTH", "tile / 0 / 1"),
    "a tile gone": (gone("tile/0/001"), "PART_MISSING", "tile / 0 / 1"),
    "another root, signed": (
        signed_anew(SIZE, LOG),
        "ROOT_MISMATCH",
        f"checkpoint / {SIZE} / entry / 0",
    ),
    "a head of another key": (
        signed_anew(SIZE, Signer(ORIGIN, key_of("stranger"))),
        "CHECKPOINT_UNSIGNED",
        f"checkpoint / {SIZE}",
    ),
    "a head of another origin": (
        signed_anew(SIZE, Signer("other.test/log", key_of("log"))),
        "CHECKPOINT_FOREIGN",
        f"checkpoint / {SIZE}",
    ),
    "the signature of the head flipped": (
        flipped("checkpoint", -10),
        "CHECKPOINT_UNSIGNED",
        f"checkpoint / {SIZE}",
    ),
    "something behind the head": (
        appended("checkpoint", b"\n"),
        "CHECKPOINT_BROKEN",
        "checkpoint",
    ),
    "a leaf of no known form": (put_form, "LEAF_FORM", "entry / 5"),
}


def test_every_tampering_over_http_is_named_by_kind_and_position(audit: Xin) -> None:
    sound = published(SIZE)
    named = {}
    for name, (tamper, _, _) in FAULTS.items():
        files = dict(sound)
        tamper(files)
        with site(files) as server:
            code, out, err = audit("--url", server.url, "--log-key", LOG.verifier.vkey)
        assert (code, out) == (1, "")
        lines = err.splitlines()[-2:]
        named[name] = tuple(line.split(maxsplit=1)[1] for line in lines)
    assert named == {
        name: (f"AUDIT_{kind}", position) for name, (_, kind, position) in FAULTS.items()
    }


def test_a_genesis_of_another_key_is_another_log(audit: Xin) -> None:
    stranger = Signer(ORIGIN, key_of("stranger"))
    with site(published(SIZE, signer=stranger)) as server:
        code, _, err = audit("--url", server.url)
    assert (code, "AUDIT_GENESIS_MISMATCH" in err) == (1, True)


def test_a_log_must_extend_the_checkpoint_that_was_kept(audit: Xin, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(published(300)["checkpoint"])
    with site(published(SIZE)) as server:
        assert audit("--url", server.url, "--against", kept)[0] == 0
        kept.write_bytes(head_of(300, Hash(bytes(32))))
        code, _, err = audit("--url", server.url, "--against", kept)
        assert (code, "AUDIT_SECOND_ROOT" in err, "checkpoint / 300" in err) == (1, True, True)
        kept.write_bytes(head_of(601, Hash(bytes(32))))
        code, _, err = audit("--url", server.url, "--against", kept)
        assert (code, "AUDIT_HEAD_ROLLED_BACK" in err) == (1, True)
        kept.write_bytes(b"nothing")
        code, _, err = audit("--url", server.url, "--against", kept)
        assert (code, f"against / {kept} / checkpoint" in err) == (1, True)


def test_compressed_parts_and_full_ones_in_place_of_partial_ones_are_taken(audit: Xin) -> None:
    small, grown = published(300), published(512)
    files = grown | {"checkpoint": small["checkpoint"], "tile/1/000.p/1": small["tile/1/000.p/1"]}
    with site(files) as server:
        server.compresses = True
        code, out, err = audit("--url", server.url, "--json")
    assert code == 0, err
    assert json.loads(out)["tree_size"] == 300
    assert "tile/entries/001" in server.asked


def test_a_server_that_stumbles_is_asked_again_and_one_that_stays_away_is_named(
    audit: Xin,
) -> None:
    with site(published(SIZE)) as server:
        server.failures = 3
        assert audit("--url", server.url)[0] == 0
        server.failures = 1_000
        code, _, err = audit("--url", server.url)
    assert (code, "COMMAND_LOG_UNREACHABLE" in err, "status 503" in err) == (1, True, True)
    code, _, err = audit("--url", server.url)
    assert (code, "COMMAND_LOG_UNREACHABLE" in err) == (1, True)


def test_a_log_that_shows_no_key_asks_for_one(audit: Xin) -> None:
    files = published(SIZE)
    del files["log-key"]
    with site(files) as server:
        code, _, err = audit("--url", server.url)
        assert (code, "has no /log-key" in err) == (1, True)
        assert audit("--url", server.url, "--log-key", LOG.verifier.vkey)[0] == 0


@pytest.mark.parametrize(
    "url", ["ftp://log.test", "log.test", "http://", "http://h:x", "http://h?q"]
)
def test_what_is_no_address_of_a_log_is_refused(url: str) -> None:
    with pytest.raises(LogUnreachable):
        RemoteLog(url)


def test_signatures_of_statements_cannot_be_asked_of_a_distant_log(audit: Xin) -> None:
    assert audit("--url", "http://log.test", "--signatures")[0] == 2
    assert audit("--log-only", "--signatures")[0] == 2


async def test_the_log_of_this_machine_is_audited_whole_and_over_http_alike(
    doors: Doors, audit: Xin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = doors.service.settings
    monkeypatch.setenv("XIN_HOME", str(settings.home))
    monkeypatch.setenv("XIN_DATABASE_URL", settings.database_url)
    await doors.state(*(doors.draft(fine()) for _ in range(300)))
    code, out, err = await asyncio.to_thread(audit, "--signatures", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["entries"]["statement"] == 300
    assert report["signatures"] is True
    code, out, _ = await asyncio.to_thread(audit, "--log-only", "--json")
    assert (code, json.loads(out)["events"]) == (0, None)
    kept = tmp_path / "kept"
    async with doors.service.database.reading() as session:
        kept.write_text((await Entries(session).head()).note)
    code, _, err = await asyncio.to_thread(audit, "--against", kept)
    assert code == 0, err
    with listening(0) as socket:
        async with Serving.running(doors.app, socket):
            url = f"http://127.0.0.1:{socket.getsockname()[1]}"
            code, out, err = await asyncio.to_thread(audit, "--url", url, "--json")
    assert code == 0, err
    distant = json.loads(out)
    for name in ("tree_size", "root_hash", "log_key", "entries", "origin"):
        assert distant[name] == report[name]
    async with doors.service.database.writing() as session:
        leaf = await session.scalar(select(EntryRow.leaf).where(EntryRow.leaf_index == 200))
        assert leaf is not None
        changed = leaf[:20] + bytes([leaf[20] ^ 1]) + leaf[21:]
        await session.execute(
            update(EntryRow).where(EntryRow.leaf_index == 200).values(leaf=changed)
        )
        await session.execute(delete(DisclosureRow).where(DisclosureRow.leaf_index == 250))
        await session.execute(delete(OpeningRow).where(OpeningRow.leaf_index == 250))
    code, out, err = await asyncio.to_thread(audit)
    assert (code, out) == (1, "")
    assert err.splitlines()[-2:] == ["  code   AUDIT_ENTRY_CHANGED", "  where  entry / 200"]


@pytest.mark.parametrize(
    ("tile", "limit"),
    [
        pytest.param(Tile(0, 0), TILE_BYTES_MAX, id="a tile"),
        pytest.param(Tile(ENTRIES, 0), BUNDLE_BYTES_MAX, id="a bundle"),
    ],
)
@pytest.mark.parametrize("compresses", [False, True], ids=["plain", "gzip"])
def test_a_part_is_read_to_one_byte_beyond_its_bound(
    tile: Tile, limit: int, *, compresses: bool
) -> None:
    # One byte too many is enough for the audit to say so; the rest is never held.
    for length in (limit, limit + 1, limit + 1_000):
        with site({tile_path(tile): bytes(length)}) as server, RemoteLog(server.url) as log:
            server.compresses = compresses
            parts = {part: data for part, data in log.parts(TILE_WIDTH) if part == tile}
        assert len(parts[tile] or b"") == min(length, limit + 1)


def test_a_key_is_read_to_one_byte_beyond_its_bound() -> None:
    for length in (KEY_BYTES_MAX, KEY_BYTES_MAX + 1_000):
        with site({"log-key": b"k" * length}) as server, RemoteLog(server.url) as log:
            assert len(log.key()) == min(length, KEY_BYTES_MAX + 1)


def test_gzip_makes_nothing_longer_than_its_bound() -> None:
    noise = random.Random(1).randbytes(BUNDLE_BYTES_MAX)
    assert 0 < len(gzip.compress(noise)) - len(noise) <= GZIP_BYTES_MAX
