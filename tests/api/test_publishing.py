"""XIN_TILES_FOLDER and `xin log tiles`: a folder that any static server serves as a C2SP log."""

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete

from api.__main__ import main
from api.auditing import audit_url
from api.cosigning import Cosigning
from api.progress import Bar
from api.publishing import Publishing
from api.service import Service, genesis_of
from api.settings import Settings
from api.storage import check_tiles, write_tiles
from api.witnessing import create_witness_app
from ledger.database import Database
from ledger.errors import LogBehind, QuorumMissing, TileConflict, TilesAhead
from ledger.note import SignedNote, Signer
from ledger.tables import CheckpointRow
from ledger.tile_folder import CHECKPOINT, TileFolder
from ledger.witness import Witness
from ledger.witness_policy import WitnessPolicy
from tests.api.doors import Doors, fine


class Page(SimpleHTTPRequestHandler):
    """Files as they are, and nothing said about it."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """The standard library's own, as an operator might take any other."""
    handler = functools.partial(Page, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)


def audited_size(folder: Path, log_key: str) -> int:
    with static_server(folder) as url, Bar.shown("auditing") as bar:
        return audit_url(url, bar, log_keys=[log_key]).head.tree_size


async def test_a_stranger_audits_the_folder_behind_a_static_server(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    async with Doors.opened(database_url, tmp_path, tiles_folder=folder) as doors:
        await doors.state(*(doors.draft(fine()) for _ in range(300)))
        size = doors.service.writer.tree_size
        served = (await doors.client.get("/checkpoint")).text
        shown = folder / CHECKPOINT
        await until(lambda: shown.exists() and shown.read_text() == served)
        key = (await genesis_of(doors.service.database)).log_key.vkey
        assert await asyncio.to_thread(audited_size, folder, key) == size
        # The doors of the server hand out what lies there.
        for path in ("tile/0/000", "tile/entries/000", f"tile/0/001.p/{size - 256}"):
            assert (await doors.client.get(f"/{path}")).content == (folder / path).read_bytes()


async def test_partial_tiles_are_dropped_where_the_operator_says_so(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    async with Doors.opened(
        database_url, tmp_path, tiles_folder=folder, drop_partial_tiles=True
    ) as doors:
        await doors.state(*(doors.draft(fine()) for _ in range(300)))
        await until(lambda: not (folder / "tile/0/000.p").exists())
        assert (await doors.client.get("/tile/0/000.p/7")).status_code == 200
        assert (folder / "tile/0/000").stat().st_size == 8_192


async def test_without_its_quorum_no_checkpoint_is_published(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    async with Doors.opened(database_url, tmp_path) as doors:
        service = doors.service
        files = TileFolder(folder)
        log_key = (await genesis_of(service.database)).log_key
        logs = WitnessPolicy.parse(f"log {log_key.vkey}\nquorum none\n".encode())
        now = functools.partial(datetime.now, UTC)
        async with Witness.opened(tmp_path / "w1", "w1.test", logs, now=now) as witness:
            lines = [f"witness w {witness.verifiers[0].vkey} http://w1.test/", "quorum w", ""]
            policy = WitnessPolicy.parse("\n".join(lines).encode())
            mounts = {"http://w1.test": httpx.ASGITransport(create_witness_app(witness))}
            client = httpx.AsyncClient(mounts=mounts, trust_env=False)
            cosigning = Cosigning(service.database, service.writer, policy, client)
            publishing = Publishing(
                service.database,
                service.writer,
                files,
                policy=policy,
                cosigning=cosigning,
                drop_partials=False,
            )
            with pytest.raises(QuorumMissing):
                await publishing.step()
            settings = replace(service.settings, witness_policy=policy)
            exported = tmp_path / "exported"
            with pytest.raises(QuorumMissing):
                await write_tiles(settings, exported, expect=int, advance=int)
            assert not (exported / CHECKPOINT).exists()
            assert not (folder / CHECKPOINT).exists()
            assert await cosigning.step() == 0
            assert await publishing.step()
            assert not await publishing.step()
            note = SignedNote.parse((folder / CHECKPOINT).read_bytes())
            assert policy.open(note, log=log_key).tree_size == service.writer.tree_size
            # A process that asks nobody publishes what was kept.
            await write_tiles(settings, exported, expect=int, advance=int)
            assert (exported / CHECKPOINT).read_text() == str(note)
            await client.aclose()


async def test_a_start_completes_the_folder_and_refuses_one_that_is_ahead(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    async with Doors.opened(database_url, tmp_path) as doors:
        settings = replace(doors.service.settings, tiles_folder=folder)
    async with Service.opened(settings, writes=True) as service:
        await until((folder / CHECKPOINT).exists)
        size = service.writer.tree_size
    assert await check_tiles(settings, folder, expect=int, advance=int) > 0
    (folder / f"tile/0/000.p/{size}").unlink()
    (folder / CHECKPOINT).unlink()
    async with Service.opened(settings, writes=True):
        assert (folder / f"tile/0/000.p/{size}").exists()
        await until((folder / CHECKPOINT).exists)
    signer = Signer(service.settings.origin, service.keystore.get("log"))
    ahead = signer.sign(f"{signer.name}\n{size + 1}\n{'A' * 43}=\n")
    (folder / CHECKPOINT).write_text(str(ahead))
    with pytest.raises(TilesAhead):
        async with Service.opened(settings, writes=True):
            raise AssertionError
    (folder / CHECKPOINT).write_text("no checkpoint\n")
    with pytest.raises(TileConflict):
        async with Service.opened(settings, writes=True):
            raise AssertionError


async def test_an_older_copy_is_told_so_by_whoever_can_say_what_to_do(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    async with Doors.opened(database_url, tmp_path, tiles_folder=folder) as doors:
        settings = doors.service.settings
        await doors.state(doors.draft(fine()))
        size = doors.service.writer.tree_size
        shown = folder / CHECKPOINT
        await until(lambda: shown.exists() and f"\n{size}\n" in shown.read_text())
    database = Database.connect(database_url)
    async with database.writing() as session:
        await session.execute(delete(CheckpointRow).where(CheckpointRow.tree_size == size))
    await database.close()
    with pytest.raises(LogBehind):
        async with Service.opened(settings, writes=True):
            raise AssertionError


def ran(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    code = left.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_the_command_writes_a_folder_and_checks_it(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XIN_DATABASE_URL", database_url)
    monkeypatch.delenv("XIN_TILES_FOLDER", raising=False)
    folder = tmp_path / "log"
    assert ran("init", "--operator", "tests") == 0
    assert ran("log", "tiles") == 2
    assert ran("log", "tiles", folder) == 0
    assert capsys.readouterr().out.endswith(f"{folder}: 7 files written\n")
    assert ran("log", "tiles", folder, "--check") == 0
    assert capsys.readouterr().out == f"{folder}: 6 files are as the log has them\n"
    monkeypatch.setenv("XIN_TILES_FOLDER", str(folder))
    (folder / "tile/0/000.p/1").write_bytes(bytes(32))
    assert ran("log", "tiles", "--check") == 1
    assert "LEDGER_TILE_CONFLICT" in capsys.readouterr().err
    (folder / "tile/0/000.p/1").unlink()
    assert ran("log", "tiles", "--check") == 1
    assert "LEDGER_TILE_MISSING" in capsys.readouterr().err
    assert ran("log", "tiles") == 0
    assert ran("log", "tiles", "--check") == 0


def test_the_folder_is_named_by_a_setting(tmp_path: Path) -> None:
    assert Settings.from_environment({}).tiles_folder is None
    given = {"XIN_TILES_FOLDER": str(tmp_path), "XIN_TILES_DROP_PARTIALS": "1"}
    settings = Settings.from_environment(given)
    assert (settings.tiles_folder, settings.drop_partial_tiles) == (tmp_path, True)
