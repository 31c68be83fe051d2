"""Who is asked before a writer signs, and what of their answers counts: invariant 2, over HTTP.

Witnesses are real ones, reached through their doors; those that lie or fail are strangers' code. A
mirror is a door over another copy of the log.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api import onlookers
from api.onlookers import log_keys_of, require_resumable, stored_checkpoint
from api.service import genesis_of
from api.serving import Serving, listening
from api.settings import Settings, SettingsInvalid
from api.witnessing import create_witness_app
from ledger.admission import Submission
from ledger.checkpoint import Checkpoint
from ledger.control import LogKey, issue_control
from ledger.cosignature import Cosigner
from ledger.entries import Entries
from ledger.errors import (
    HeadUnwitnessed,
    HighWaterForeign,
    HighWaterUnwritable,
    LedgerError,
    LogBehind,
    LogForked,
)
from ledger.high_water import HighWater, kept_head
from ledger.log_keys import KnownLogKeys, LogKeys, LogSigners
from ledger.merkle import Hash
from ledger.note import NOTE_BYTES_MAX, SignedNote, Signer
from ledger.resumption import check_head
from ledger.seed_key import SeedKey
from ledger.witness import Witness
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import AddCheckpoint
from tests.api.doors import ORIGIN, Doors, fine
from tests.watched import Watched
from tests.world import seed_of

OTHER_ROOT = Hash(bytes(32))


@dataclass
class Start:
    """A log about to be started by another process; this one's writer does not matter."""

    doors: Doors
    signer: Signer
    witness: Witness
    path: Path
    apps: dict[str, Starlette] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()
    asks_witness: bool = True

    def settings(self, **more: object) -> Settings:
        """Those of the other process; its high-water file is missing until a test makes it."""
        settings = self.doors.service.settings
        return replace(settings, high_water=self.path, **more)  # type: ignore[arg-type]

    @property
    def signers(self) -> LogSigners:
        """The keys that this home keeps."""
        return LogSigners.of(self.doors.service.keystore, ORIGIN)

    def policy(self) -> WitnessPolicy:
        """The one witness, by both keys at one URL, and one that is asked nothing."""
        lines = [
            f"witness w-{number} {verifier.vkey} http://w.test/"
            for number, verifier in enumerate(self.witness.verifiers)
        ]
        silent = Cosigner("silent.test", SeedKey(seed_of("silent")))
        lines.append(f"witness silent {silent.verifier.vkey}")
        return WitnessPolicy.parse("\n".join([*lines, "quorum w-0", ""]).encode())

    async def head(self) -> Checkpoint:
        """Where the database ends."""
        return await stored_checkpoint(self.doors.service.database, ORIGIN)

    async def cosigned(self, head: Checkpoint | None = None) -> None:
        """The witness sees a head: the log's own, or one that the log's key signed elsewhere."""
        note = (head or await self.head()).signed(self.signer)
        await self.witness.add_checkpoint(AddCheckpoint.of(0, [], note))

    async def __call__(self) -> None:
        """Ask, decide, take the file over."""
        apps = {"w.test": create_witness_app(self.witness), **self.apps}
        mounts = {f"http://{name}": httpx.ASGITransport(app) for name, app in apps.items()}
        policy = self.policy() if self.asks_witness else None
        settings = self.settings(witness_policy=policy, mirrors=self.mirrors)
        async with httpx.AsyncClient(mounts=mounts, trust_env=False) as client:
            file = await require_resumable(
                self.doors.service.database, settings, self.signers, client=client
            )
            file.close()


@pytest.fixture
async def start(doors: Doors, tmp_path: Path) -> AsyncIterator[Start]:
    """A log of some entries, and a home without a high-water file."""
    await doors.state(*(doors.draft(fine()) for _ in range(3)))
    signer = Signer(ORIGIN, doors.service.keystore.get("log"))
    logs = WitnessPolicy.parse(f"log {signer.verifier.vkey}\nquorum none\n".encode())
    async with AsyncExitStack() as stack:
        witness = await stack.enter_async_context(
            Witness.opened(tmp_path / "w", "w.test", logs, now=lambda: datetime.now(UTC))
        )
        yield Start(doors, signer, witness, tmp_path / "other-home")


def answering(answer: Callable[[Request], Awaitable[Response]]) -> Starlette:
    """A stranger's server."""
    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])


def saying(text: str, status: int = 200) -> Starlette:
    async def answer(request: Request) -> Response:
        return PlainTextResponse(text, status, {"Location": "http://elsewhere.test/"})

    return answering(answer)


async def test_with_nobody_to_ask_nothing_is_signed(start: Start) -> None:
    start.asks_witness = False
    with pytest.raises(HeadUnwitnessed) as refusal:
        await start()
    assert f"the high-water file {start.path} is missing or damaged" in refusal.value.message
    assert not start.path.exists()


async def test_a_witness_that_cosigned_the_head_is_enough(start: Start) -> None:
    await start.cosigned()
    await start()
    assert start.path.exists()


async def test_a_witness_that_never_saw_the_log_vouches_for_nothing(start: Start) -> None:
    with pytest.raises(HeadUnwitnessed) as refusal:
        await start()
    assert "the witness w.test at http://w.test: answers 404" in refusal.value.message
    assert "silent" not in refusal.value.message


async def test_a_witness_that_saw_less_vouches_for_what_extends_it(start: Start) -> None:
    await start.cosigned()
    await start.doors.state(start.doors.draft(fine()))
    await start()


async def test_a_witness_that_saw_less_of_another_history_says_so(start: Start) -> None:
    head = await start.head()
    await start.cosigned(replace(head, tree_size=head.tree_size - 1, root_hash=OTHER_ROOT))
    with pytest.raises(LogForked):
        await start()


async def test_a_witness_that_saw_another_root_says_so(start: Start) -> None:
    await start.cosigned(replace(await start.head(), root_hash=OTHER_ROOT))
    with pytest.raises(LogForked):
        await start()


@pytest.mark.parametrize("has_file", [False, True])
async def test_a_witness_that_saw_more_stops_a_writer_whatever_else_vouches(
    start: Start, *, has_file: bool
) -> None:
    head = await start.head()
    if has_file:
        await remembered(start, head)
    await start.cosigned(replace(head, tree_size=head.tree_size + 5, root_hash=OTHER_ROOT))
    with pytest.raises(LogBehind) as refusal:
        await start()
    assert f"ends at size {head.tree_size}, and the witness w.test" in refusal.value.message
    assert f"has seen size {head.tree_size + 5}" in refusal.value.message


async def remembered(start: Start, head: Checkpoint, signer: Signer | None = None) -> None:
    file = HighWater.taken_over(start.path)
    await file.raise_to(str(head.signed(signer or start.signer)))
    file.close()


async def test_without_its_witness_a_home_with_its_file_starts_and_says_so(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    start.apps["w.test"] = saying("out of order", 500)
    start.mirrors = ("http://m.test",)
    start.apps["m.test"] = saying("out of order", 503)
    await remembered(start, await start.head())
    with caplog.at_level(logging.WARNING):
        await start()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "no head to compare with: the witness w.test at http://w.test: answers 500",
        "no head to compare with: the mirror http://m.test: answers 503",
    ]


STRANGERS = {
    "a failure": (saying("no", 500), "answers 500"),
    "a redirection": (saying("no", 302), "answers 302"),
    "no note": (saying("words"), "no empty line"),
    "too much": (saying("x" * (NOTE_BYTES_MAX + 1)), "answers more than"),
    "another log": (saying(str(Watched().note(300))), "a checkpoint of"),
    "a head that the log's key did not sign": (
        saying(
            str(Checkpoint(ORIGIN, 9_999, OTHER_ROOT).signed(Signer(ORIGIN, SeedKey(bytes(32)))))
        ),
        "none of the trusted keys signed this note",
    ),
}


async def test_what_is_no_head_of_this_log_counts_for_nothing(start: Start) -> None:
    for name, (app, reason) in STRANGERS.items():
        for host in ("w.test", "m.test"):
            start.apps = {host: app}
            start.mirrors = ("http://m.test",) if host == "m.test" else ()
            start.asks_witness = host == "w.test"
            with pytest.raises(HeadUnwitnessed) as refusal:
                await start()
            assert reason in refusal.value.message, (name, host)
            await remembered(start, await start.head())
            await start()
            await asyncio.to_thread(start.path.unlink)


async def test_a_head_that_its_witness_did_not_cosign_may_warn_and_not_vouch(start: Start) -> None:
    head = await start.head()
    start.apps["w.test"] = saying(str(head.signed(start.signer)))
    with pytest.raises(HeadUnwitnessed):
        await start()
    ahead = replace(head, tree_size=head.tree_size + 1)
    start.apps["w.test"] = saying(str(ahead.signed(start.signer)))
    with pytest.raises(LogBehind):
        await start()
    # With a cosignature that does not verify it is the log's own head all the same.
    note = head.signed(start.signer)
    line = Cosigner("w.test", SeedKey(bytes(32))).cosign(note.text, at_s=1)
    forged = replace(line, key_id=start.witness.verifiers[0].key_id)
    start.apps["w.test"] = saying(str(SignedNote(note.text, (*note.signatures, forged))))
    with pytest.raises(HeadUnwitnessed):
        await start()


@pytest.mark.parametrize("has_file", [False, True])
async def test_who_does_not_answer_holds_up_a_start_for_so_long_and_no_longer(
    start: Start, monkeypatch: pytest.MonkeyPatch, *, has_file: bool
) -> None:
    async def hanging(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(onlookers, "ANSWER_S", 0.05)
    start.apps["w.test"] = answering(hanging)
    if has_file:
        await remembered(start, await start.head())
        await start()
        return
    with pytest.raises(HeadUnwitnessed) as refusal:
        await start()
    assert "the witness w.test at http://w.test: TimeoutError" in refusal.value.message


async def test_a_file_of_another_log_is_refused_by_name(start: Start) -> None:
    head = await start.head()
    await remembered(
        start, replace(head, origin="other.test/log"), Signer("other.test/log", SeedKey(b"k" * 32))
    )
    with pytest.raises(HighWaterForeign) as refusal:
        await start()
    assert refusal.value.path == (str(start.path),)
    start.path.unlink()
    await remembered(start, head, Signer(ORIGIN, SeedKey(b"k" * 32)))
    with pytest.raises(HighWaterForeign):
        await start()


async def test_a_file_that_the_system_does_not_give_is_refused_by_name(start: Start) -> None:
    start.path.mkdir()
    with pytest.raises(HighWaterUnwritable) as refusal:
        await start()
    assert refusal.value.path == (str(start.path),)


async def test_a_mirror_is_asked_for_its_head_and_for_the_proof_that_it_extends_ours(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door of this log, which goes on, is the mirror; the database lags behind its head."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    old = await start.head()
    start.asks_witness = False
    with listening(0) as socket:
        async with Serving.running(start.doors.app, socket):
            url = f"http://127.0.0.1:{socket.getsockname()[1]}"
            start.mirrors = (url,)
            await require_with_mirror(start, await start.head(), url)
            await start.doors.state(*(start.doors.draft(fine()) for _ in range(300)))
            new = await start.head()
            await require_with_mirror(start, new, url)
            with pytest.raises(LogBehind) as behind:
                await require_with_mirror(start, old, url)
            assert f"the mirror {url} has seen size {new.tree_size}" in behind.value.message
            with pytest.raises(LogForked):
                await require_with_mirror(start, replace(old, root_hash=OTHER_ROOT), url)


async def require_with_mirror(start: Start, own: Checkpoint, url: str) -> None:
    """The decision for a database that ends at `own`."""
    database = start.doors.service.database
    settings = start.settings(mirrors=(url,))
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = await log_keys_of(database, start.signer.verifier)
        seen = await onlookers.Onlookers(settings, client).heads(own, keys)
    sightings = await onlookers.with_paths(own, seen.sightings, onlookers.own_tiles(database))
    check_head(own, sightings, silent=seen.silent)


async def test_a_mirror_that_shows_no_tiles_is_ahead_all_the_same(start: Start) -> None:
    head = await start.head()
    ahead = replace(head, tree_size=head.tree_size + 1).signed(start.signer)

    async def answer(request: Request) -> Response:
        return PlainTextResponse(str(ahead))

    start.mirrors = ("http://127.0.0.1:9",)
    start.apps["127.0.0.1:9"] = answering(answer)
    start.asks_witness = False
    with pytest.raises(LogBehind):
        await start()


async def test_an_empty_database_of_a_log_that_somebody_saw_is_not_founded(
    start: Start,
) -> None:
    head = await start.head()
    empty = Checkpoint(ORIGIN, 0, Hash(bytes(32)))
    await start.cosigned()
    settings = start.settings(witness_policy=start.policy())
    transport = httpx.ASGITransport(create_witness_app(start.witness))
    async with httpx.AsyncClient(transport=transport) as client:
        known = KnownLogKeys(LogKeys(), (start.signer.verifier,))
        seen = await onlookers.Onlookers(settings, client).heads(empty, known)
    with pytest.raises(LogBehind) as refusal:
        check_head(empty, seen.sightings)
    assert (
        f"ends at size 0, and the witness w.test at http://w.test has seen size {head.tree_size}"
        in (refusal.value.message)
    )


async def test_a_refused_start_leaves_the_file_and_the_database_as_they_are(start: Start) -> None:
    head = await start.head()
    await remembered(start, replace(head, tree_size=head.tree_size + 1))
    content = await asyncio.to_thread(start.path.read_bytes)
    inode = start.path.stat().st_ino
    refusals: list[type[LedgerError]] = []
    for _ in range(2):
        with pytest.raises(LedgerError) as refusal:
            await start()
        refusals.append(refusal.type)
    assert refusals == [LogBehind, LogBehind]
    assert await asyncio.to_thread(start.path.read_bytes) == content
    assert start.path.stat().st_ino == inode
    async with start.doors.service.database.reading() as session:
        assert (await Entries(session).head()).tree_size == head.tree_size


async def test_the_file_of_a_home_follows_its_log(doors: Doors) -> None:
    await doors.state(*(doors.draft(fine()) for _ in range(3)))
    note = kept_head(doors.service.settings.high_water_file)
    async with doors.service.database.reading() as session:
        assert str(note) == (await Entries(session).head()).note


def test_file_and_mirrors_are_settings(tmp_path: Path) -> None:
    plain = Settings.from_environment({"XIN_HOME": str(tmp_path)})
    assert (plain.high_water_file, plain.mirrors) == (tmp_path / "high-water", ())
    told = Settings.from_environment(
        {
            "XIN_HOME": str(tmp_path),
            "XIN_HIGH_WATER": "/other/device",
            "XIN_MIRRORS": " https://a.test/log/  http://b.test ",
        }
    )
    assert told.high_water_file == Path("/other/device")
    assert told.mirrors == ("https://a.test/log", "http://b.test")


@pytest.mark.parametrize(
    "text", ["a.test", "ftp://a.test", "http://", "http://a:x", "http://a?q", "http://a,http://b c"]
)
def test_a_mirror_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.from_environment({"XIN_MIRRORS": text})
    assert refusal.value.path == ("XIN_MIRRORS",)


async def test_a_backup_from_before_a_rotation_is_told_that_it_is_behind(start: Start) -> None:
    service, keystore = start.doors.service, start.doors.service.keystore
    before = await start.head()
    named = KnownLogKeys(LogKeys().after(await genesis_of(service.database), 0), start.signers.kept)
    new = Signer(ORIGIN, keystore.create("log-2"))
    entry = LogKey(new.verifier, None)
    body = issue_control(entry, key=keystore.get("root"), jti="rotation", issued_at=1)
    await service.writer.submit(Submission((body,)))
    await start.doors.state(start.doors.draft(fine()))
    after = await start.head()
    settings = start.settings()
    async with httpx.AsyncClient() as client:
        asking = onlookers.Onlookers(settings, client)
        await remembered(start, after, new)
        with pytest.raises(HighWaterForeign):
            await asking.heads(before, named)
        # Who keeps the new key knows it, whatever the backup's entries say.
        kept = KnownLogKeys(named.named, start.signers.kept)
        seen = await asking.heads(before, kept)
        with pytest.raises(LogBehind):
            check_head(before, seen.sightings)
        # And the log itself takes no head by the old key for one of its own.
        known = await log_keys_of(service.database, *start.signers.kept)
        start.path.unlink()
        await remembered(start, after, start.signer)
        with pytest.raises(HighWaterForeign):
            await asking.heads(after, known)
    start.path.unlink()
    await remembered(start, after, new)
    await start()
